//! Time for many nodes at once: `raft_nodes_tick`, and what lets a host leave nodes alone.

use std::sync::mpsc::channel;
use std::thread;

use super::threads::{raft_test_panic, raft_test_poison};
use super::*;
use crate::nodes::*;
use crate::recording::raft_node_record_take;

/// What the call says of these nodes: the places with a Ready, and of those that failed.
fn tick_all(nodes: &[*mut raft_node], ticks: u32) -> (Vec<u32>, Vec<(u32, raft_status)>) {
    const UNSET: raft_node_failure = raft_node_failure {
        index: u32::MAX,
        status: -7,
    };
    let (mut ready, mut failed) = (vec![u32::MAX; nodes.len()], vec![UNSET; nodes.len()]);
    let (mut ready_len, mut failed_len) = (usize::MAX, usize::MAX);
    ok!(raft_nodes_tick(
        nodes.as_ptr(),
        nodes.len(),
        ticks,
        ready.as_mut_ptr(),
        &mut ready_len,
        failed.as_mut_ptr(),
        &mut failed_len
    ));
    assert!(ready[ready_len..].iter().all(|&place| place == u32::MAX));
    assert!(failed[failed_len..].iter().all(|item| item.status == -7));
    ready.truncate(ready_len);
    failed.truncate(failed_len);
    let failed: Vec<_> = failed
        .iter()
        .map(|item| (item.index, item.status))
        .collect();
    assert!(ready.is_sorted() && failed.is_sorted());
    (ready, failed)
}

/// Followers of groups of three that hear from nobody, with different seeds.
fn followers(count: u64) -> Vec<Host> {
    let follower = |seed| {
        let settings = Settings::new(1);
        ok!(raft_config_set_seed(settings.0, seed));
        ok!(raft_config_set_record_bytes(settings.0, 1 << 20));
        Host::new(&settings, &[1, 2, 3])
    };
    let mut hosts: Vec<_> = (1..=count).map(follower).collect();
    hosts.iter_mut().for_each(|host| drop(host.work()));
    hosts
}

fn nodes_of(hosts: &[Host]) -> Vec<*mut raft_node> {
    hosts.iter().map(|host| host.node).collect()
}

fn deadline(node: *const raft_node) -> u64 {
    let mut ticks = 0;
    ok!(raft_node_next_deadline(node, &mut ticks));
    ticks
}

fn recording(host: &Host) -> Vec<u8> {
    let mut buffer = null_mut();
    ok!(raft_node_record_take(host.node, &mut buffer));
    let recording = bytes(unsafe { raft_buffer_bytes(buffer) }).to_vec();
    unsafe { raft_buffer_free(buffer) };
    recording
}

#[test]
fn ticking_an_array_is_ticking_each_node() {
    for ticks in [0, 1, 2, 7, 19, 20, 21, 50] {
        let (mut one_by_one, mut at_once) = (followers(40), followers(40));
        for _ in 0..10 {
            let mut wanted = Vec::new();
            for (place, host) in one_by_one.iter().enumerate() {
                (0..ticks).for_each(|_| ok!(raft_node_tick(host.node)));
                if host.has_ready() {
                    wanted.push(place as u32);
                }
            }
            assert_eq!(tick_all(&nodes_of(&at_once), ticks), (wanted, Vec::new()));
            for (one, other) in one_by_one.iter_mut().zip(&mut at_once) {
                assert_eq!(one.everything(), other.everything());
                assert_eq!(one.work(), other.work());
            }
        }
    }
}

#[test]
fn what_the_array_call_did_is_in_the_recording_of_each_node() {
    use libraft_core::recording::Reader;
    let hosts = followers(2);
    tick_all(&nodes_of(&hosts), 1);
    tick_all(&nodes_of(&hosts), 30);
    for host in &hosts {
        let mut reader = Reader::new(recording(host).into()).expect("it is a recording");
        let mut names = Vec::new();
        while let Some(record) = reader.next_call().expect("it is whole") {
            names.extend(record.call.map(|call| call.name()));
        }
        assert!(names.ends_with(&["tick", "tick_many"]), "{names:?}");
    }
}

#[test]
fn nothing_is_to_be_done_before_the_deadline() {
    let mut hosts = followers(20);
    for host in &mut hosts {
        let ticks = deadline(host.node);
        assert!((10..=20).contains(&ticks), "{ticks}");
        ok!(raft_node_tick_many(host.node, ticks as u32 - 1));
        assert!(!host.has_ready());
        assert_eq!(deadline(host.node), 1);
        ok!(raft_node_tick_many(host.node, 1));
        assert!(host.has_ready());
    }
    let mut stranger = null_mut();
    let settings = Settings::new(1);
    ok!(raft_node_restart(settings.0, null(), 0, &mut stranger));
    assert_eq!(deadline(stranger), RAFT_NO_DEADLINE);
    ok!(raft_node_tick_many(stranger, u32::MAX));
    ok!(raft_node_tick_many(stranger, u32::MAX));
    assert_eq!(deadline(stranger), RAFT_NO_DEADLINE);
    unsafe { raft_node_free(stranger) };
}

#[test]
fn a_node_that_is_there_twice_gets_its_ticks_twice() {
    let hosts = followers(2);
    let (one, other) = (hosts[0].node, hosts[1].node);
    let left = deadline(one) as u32;
    assert!(tick_all(&[one, one], left / 2 - 1).0.is_empty());
    assert_eq!(deadline(one), u64::from(left - 2 * (left / 2 - 1)));
    let (ready, failed) = tick_all(&[one, other, one], 3);
    assert_eq!((ready.last(), failed), (Some(&2), Vec::new()));
}

#[test]
fn nodes_that_stopped_or_are_busy_are_told_of_and_all_others_have_their_ticks() {
    struct Shared(*mut raft_node);
    // SAFETY: the functions are to be safe to call on any thread; that is under test.
    unsafe impl Send for Shared {}
    let hosts = followers(6);
    let nodes = nodes_of(&hosts);
    err!(raft_test_panic(nodes[1]));
    ok!(raft_test_poison(nodes[4]));
    let (started, has_started) = channel();
    let (finish, may_finish) = channel::<()>();
    let busy = Shared(nodes[3]);
    let before = hosts[3].everything();
    let other = thread::spawn(move || {
        let busy = busy;
        unsafe { &*busy.0 }
            .occupied(|| {
                started.send(()).expect("the test waits for this");
                may_finish.recv().expect("the test sends this");
            })
            .expect("nobody else has the node");
    });
    has_started.recv().expect("the thread sends this");
    let (ready, failed) = tick_all(&nodes, 20);
    finish.send(()).expect("the thread waits for this");
    other.join().expect("the thread did not panic");
    assert_eq!(ready, [0, 2, 5]);
    assert_eq!(
        failed,
        [
            (1, RAFT_ERR_POISONED),
            (3, RAFT_ERR_MISUSE),
            (4, RAFT_ERR_POISONED)
        ]
    );
    assert_eq!(hosts[3].everything(), before);
    // It makes up for what it missed, and the others say why they can't.
    ok!(raft_node_tick_many(nodes[3], 20));
    assert!(hosts[3].has_ready());
    assert!(err!(raft_node_tick_many(nodes[4], 1)).1.contains("told to"));
    assert_eq!(tick_all(&nodes, 0).0, [0, 2, 3, 5]);
}

#[test]
fn a_panic_on_one_node_is_its_own_end_alone() {
    let hosts = followers(5);
    let nodes = nodes_of(&hosts);
    for defects in [vec![], vec![0], vec![4], vec![1, 2], vec![0, 1, 2, 3, 4]] {
        let (mut yes, mut failed) = (vec![9; 5], vec![9; 5]);
        let mut asked = std::cell::RefCell::new(Vec::new());
        let place = |node: &raft_node| nodes.iter().position(|&it| std::ptr::eq(it, node));
        let ask = |node: &raft_node| {
            let place = place(node).expect("it is one of them");
            asked.borrow_mut().push(place);
            assert!(!defects.contains(&place), "a defect");
            Ok(place.is_multiple_of(2))
        };
        let mut failures = [const { std::mem::MaybeUninit::<raft_node_failure>::uninit() }; 5];
        let (yes_len, failed_len) = unsafe {
            let mut found = Found::at(yes.as_mut_ptr(), 5, "yes").expect("there is room");
            let mut broken = Found::at(failures.as_mut_ptr().cast(), 5, "failed").expect("as well");
            each(&nodes, ask, &mut found, &mut broken);
            (found.len(), broken.len())
        };
        assert_eq!(*asked.get_mut(), [0, 1, 2, 3, 4], "each in its turn, once");
        yes.truncate(yes_len);
        failed.clear();
        for failure in &failures[..failed_len] {
            let failure = unsafe { failure.assume_init() };
            assert_eq!(failure.status, RAFT_ERR_PANIC);
            failed.push(failure.index as usize);
        }
        let wanted = |place: &u32| place.is_multiple_of(2) && !defects.contains(&(*place as usize));
        let wanted: Vec<u32> = (0..5).filter(wanted).collect();
        assert_eq!((yes, failed), (wanted, defects));
    }
}

#[test]
fn bad_arguments_tick_nobody() {
    let hosts = followers(2);
    let before: Vec<_> = hosts.iter().map(Host::everything).collect();
    let mut with_hole = nodes_of(&hosts);
    with_hole.push(null_mut());
    let whole = nodes_of(&hosts);
    let failure = raft_node_failure {
        index: 7,
        status: 7,
    };
    let (mut ready, mut failed) = ([7; 3], [failure; 3]);
    let (mut ready_len, mut failed_len) = (7, 7);
    let (out, len) = (ready.as_mut_ptr(), &raw mut ready_len);
    let (bad, bad_len) = (failed.as_mut_ptr(), &raw mut failed_len);
    let beyond = isize::MAX as usize;
    let many = u32::MAX as usize + 1;
    for ((status, words), code, about) in [
        (
            err!(raft_nodes_tick(null(), 2, 1, out, len, bad, bad_len)),
            RAFT_ERR_NULL,
            "nodes is NULL",
        ),
        (
            err!(raft_nodes_tick(
                with_hole.as_ptr(),
                3,
                1,
                out,
                len,
                bad,
                bad_len
            )),
            RAFT_ERR_NULL,
            "nodes[2]",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                2,
                1,
                null_mut(),
                len,
                bad,
                bad_len
            )),
            RAFT_ERR_NULL,
            "ready is NULL",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                2,
                1,
                out,
                null_mut(),
                bad,
                bad_len
            )),
            RAFT_ERR_NULL,
            "ready_len",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                2,
                1,
                out,
                len,
                null_mut(),
                bad_len
            )),
            RAFT_ERR_NULL,
            "failed is NULL",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                2,
                1,
                out,
                len,
                bad,
                null_mut()
            )),
            RAFT_ERR_NULL,
            "failed_len",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                beyond,
                1,
                out,
                len,
                bad,
                bad_len
            )),
            RAFT_ERR_ARGUMENT,
            "too many",
        ),
        (
            err!(raft_nodes_tick(
                whole.as_ptr(),
                many,
                1,
                out,
                len,
                bad,
                bad_len
            )),
            RAFT_ERR_ARGUMENT,
            "too many",
        ),
    ] {
        assert_eq!(status, code, "{words}");
        assert!(words.contains(about), "{words}");
    }
    assert!(ready == [7; 3] && failed.iter().all(|item| item.index == 7));
    assert_eq!((ready_len, failed_len), (7, 7));
    let after: Vec<_> = hosts.iter().map(Host::everything).collect();
    assert_eq!(after, before);
    // No nodes need no memory.
    let (mut ready_len, mut failed_len) = (7, 7);
    let (len, bad_len) = (&raw mut ready_len, &raw mut failed_len);
    ok!(raft_nodes_tick(
        null(),
        0,
        1,
        null_mut(),
        len,
        null_mut(),
        bad_len
    ));
    assert_eq!((ready_len, failed_len), (0, 0));
}
