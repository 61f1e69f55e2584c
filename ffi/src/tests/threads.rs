//! Several threads on nodes and storages, and panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::thread;

use super::*;
use crate::error::raft_error;

export! {
    /// Panics while it has the node, as no other function should.
    try fn raft_test_panic(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.occupied(|| panic!("a defect\nin\0two lines"))
    }
}

export! {
    /// Panics in a function that has no way to say so.
    fn raft_test_plain_panic() -> u64 {
        "no number".parse().expect("a defect")
    }
}

export! {
    /// Panics with a value that panics again when it is dropped.
    fn raft_test_panic_twice() -> u64 {
        panic_hostile()
    }
}

fn panic_hostile() -> u64 {
    std::panic::panic_any(Hostile(Arc::clone(&DROPS)))
}

/// Counts its drops, and panics in each.
struct Hostile(Arc<AtomicUsize>);

impl Drop for Hostile {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a defect in a destructor");
    }
}

/// How often a [`Hostile`] was dropped.
static DROPS: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Default::default);

/// A pointer that may go to another thread, as a C program does it.
struct Shared(*mut raft_node);

// SAFETY: the functions are to be safe to call on any thread; that is under test.
unsafe impl Send for Shared {}

impl Shared {
    fn node(&self) -> *mut raft_node {
        self.0
    }
}

#[test]
fn handles_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<raft_node>();
    shared::<raft_storage>();
    shared::<raft_config>();
    shared::<raft_error>();
    shared::<raft_buffer>();
}

#[test]
fn a_second_thread_on_a_node_gets_an_error_and_changes_nothing() {
    let mut host = Host::leader();
    let before = host.everything();
    let shared = Shared(host.node);
    let (started, has_started) = channel();
    let (finish, may_finish) = channel::<()>();
    let first = thread::spawn(move || {
        let node = unsafe { &*shared.node() };
        node.occupied(|| {
            started.send(()).expect("the test waits for this");
            may_finish.recv().expect("the test sends this");
        })
        .expect("nobody else has the node");
    });
    has_started.recv().expect("the thread sends this");
    let (status, words) = err!(raft_node_propose(host.node, b"x".as_ptr(), 1));
    assert_eq!(status, RAFT_ERR_MISUSE);
    assert!(words.contains("two threads"), "{words}");
    let mut has = true;
    let (status, _) = err!(raft_node_has_ready(host.node, &mut has));
    assert_eq!((status, has), (RAFT_ERR_MISUSE, true));
    assert_eq!(
        unsafe { raft_node_id(host.node) },
        1,
        "the id may be asked for"
    );
    finish.send(()).expect("the thread waits for this");
    first.join().expect("the thread did not panic");
    assert_eq!(host.everything(), before);
    host.propose(b"y");
    host.work();
    assert_eq!(host.applied, [b"y"]);
}

#[test]
fn threads_that_fight_for_a_node_get_it_or_an_error() {
    let host = Host::leader();
    let attempts = 200;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let shared = Shared(host.node);
            thread::spawn(move || {
                let mut taken = 0;
                for _ in 0..attempts {
                    match unsafe { raft_node_propose(shared.node(), b"x".as_ptr(), 1, null_mut()) }
                    {
                        RAFT_OK => taken += 1,
                        RAFT_ERR_MISUSE => {}
                        other => panic!("{other}"),
                    }
                }
                taken
            })
        })
        .collect();
    let taken: u64 = threads
        .into_iter()
        .map(|thread| thread.join().expect("no thread panicked"))
        .sum();
    assert!(taken > 0);
    // The first entry is the empty one of the term.
    let first = 3;
    assert_eq!(host.status().last_index, first - 1 + taken);
}

#[test]
fn a_node_may_move_to_another_thread() {
    let host = Host::leader();
    let shared = Shared(host.node);
    thread::spawn(move || ok!(raft_node_propose(shared.node(), b"x".as_ptr(), 1)))
        .join()
        .expect("the thread did not panic");
    assert!(host.has_ready());
}

#[test]
fn a_panic_is_caught_and_ends_the_node() {
    let host = Host::leader();
    let (status, words) = err!(raft_test_panic(host.node));
    assert_eq!(status, RAFT_ERR_PANIC);
    assert!(words.contains("a defect"), "{words}");
    for _ in 0..2 {
        let (status, _) = err!(raft_node_tick(host.node));
        assert_eq!(status, RAFT_ERR_POISONED);
        let (status, _) = err!(raft_node_ready(host.node, &mut null()));
        assert_eq!(status, RAFT_ERR_POISONED);
    }
    // The storage is not the node's, and goes on.
    let mut last = 0;
    ok!(raft_storage_last_index(host.storage, &mut last));
    assert_eq!(last, 2);
    assert_eq!(unsafe { raft_test_plain_panic() }, 0);
}

#[test]
fn what_a_caught_panic_carried_is_dropped_even_if_that_panics_as_well() {
    for times in 1..4 {
        assert_eq!(unsafe { raft_test_panic_twice() }, 0);
        assert_eq!(DROPS.load(Ordering::Relaxed), times);
    }
    assert_eq!(Arc::strong_count(&DROPS), 1, "all are gone");
}
