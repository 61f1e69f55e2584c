//! Several threads on nodes and storages, and panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use super::storages::{Directory, open};
use super::*;
use crate::entry::raft_entries_free;
use crate::error::raft_error;
use crate::snapshot::raft_snapshot_free;

export! {
    /// Panics while it has the node, as no other function should.
    try fn raft_test_panic(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.occupied(|| panic!("a defect\nin\0two lines"))
    }
}

export! {
    /// Stops the node as the core does it when its state contradicts itself.
    try fn raft_test_poison(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.stopped("told to")
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

const THREADS: usize = 4;
const ROUNDS: usize = 50;

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

#[test]
fn nodes_on_threads_of_their_own_share_nothing() {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut host = Host::leader();
                for round in 0..ROUNDS {
                    host.propose(b"x");
                    host.work();
                    assert_eq!(host.applied.len(), round + 1);
                }
            });
        }
    });
}

#[test]
fn a_node_goes_round_between_threads() {
    struct Turn {
        number: usize,
        host: Host,
    }
    // SAFETY: the functions are to be safe to call on any thread; that is under test.
    unsafe impl Send for Turn {}
    let turn = Mutex::new(Turn {
        number: 0,
        host: Host::leader(),
    });
    thread::scope(|scope| {
        for number in 0..THREADS {
            let turn = &turn;
            scope.spawn(move || {
                let mut done = 0;
                while done < ROUNDS {
                    let mut turn = turn.lock().expect("no thread panicked");
                    if turn.number % THREADS == number {
                        turn.host.propose(b"x");
                        turn.host.work();
                        turn.number += 1;
                        done += 1;
                    }
                    drop(turn);
                    thread::yield_now();
                }
            });
        }
    });
    let turn = turn.into_inner().expect("no thread panicked");
    assert_eq!(turn.host.applied.len(), THREADS * ROUNDS);
}

#[test]
fn a_storage_is_read_by_many_while_its_node_writes_and_compacts() {
    struct SharedStorage(*mut raft_storage);
    // SAFETY: a storage may be shared; that is under test.
    unsafe impl Sync for SharedStorage {}
    let directory = Directory::new("threads");
    let durable = open(&directory.path());
    bootstrap(durable, &[1]);
    for storage in [memory(&[1]), durable] {
        let mut host = Host::on(&Settings::new(1), storage);
        ok!(raft_node_campaign(host.node));
        host.work();
        let shared = &SharedStorage(storage);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || (0..ROUNDS).for_each(|_| read_all(shared.0)));
            }
            for round in 1..=ROUNDS {
                host.propose(b"x");
                host.work();
                let mut last = 0;
                ok!(raft_storage_last_index(storage, &mut last));
                if round % 10 == 0 {
                    let (state, len) = (b"state".as_ptr(), 5);
                    ok!(raft_storage_create_snapshot(
                        storage,
                        last,
                        null(),
                        0,
                        state,
                        len
                    ));
                    ok!(raft_storage_compact(storage, last - 3));
                }
            }
        });
        assert_eq!(host.applied.len(), ROUNDS);
    }
}

/// Reads what there is, which may be compacted between two calls.
fn read_all(storage: *mut raft_storage) {
    let (mut first, mut last) = (0, 0);
    ok!(raft_storage_first_index(storage, &mut first));
    ok!(raft_storage_last_index(storage, &mut last));
    let mut entries = null_mut();
    let (end, limit) = (last + 1, u64::MAX);
    match unsafe { raft_storage_entries(storage, first, end, limit, &mut entries, null_mut()) } {
        RAFT_OK => {
            let all = unsafe { list((*entries).entries, (*entries).entries_len) };
            assert!(all.iter().map(|entry| entry.index).eq(first..end));
            unsafe { raft_entries_free(entries) };
        }
        other => assert_eq!(other, RAFT_ERR_COMPACTED),
    }
    let mut snapshot = null_mut();
    ok!(raft_storage_snapshot(storage, &mut snapshot));
    assert_eq!(bytes(unsafe { &*snapshot }.data).len(), 5);
    unsafe { raft_snapshot_free(snapshot) };
    let mut state = null_mut();
    ok!(raft_storage_restart_state(storage, &mut state));
    assert!(!bytes(unsafe { raft_buffer_bytes(state) }).is_empty());
    unsafe { raft_buffer_free(state) };
}
