//! Recordings: what the host saw comes out again, every function that changes a node is in them, and
//! nothing that claims to be one does any harm.

use std::collections::BTreeSet;
use std::ptr::{null, null_mut};

use libraft_core::recording::Reader;

use super::clusters::Cluster;
use super::*;
use crate::conf_change::RAFT_CONF_CHANGE_ADD_NODE;
use crate::entry::RAFT_ENTRY_CONF_CHANGE;
use crate::message::{RAFT_MSG_HEARTBEAT, raft_message};
use crate::recording::*;

fn recorded(id: u64, max_bytes: u64) -> Settings {
    let settings = Settings::new(id);
    ok!(raft_config_set_record_bytes(settings.0, max_bytes));
    settings
}

pub(super) fn taken(node: *mut raft_node) -> Vec<u8> {
    let mut buffer = null_mut();
    ok!(raft_node_record_take(node, &mut buffer));
    owned(buffer)
}

fn owned(buffer: *mut raft_buffer) -> Vec<u8> {
    let owned = bytes(unsafe { raft_buffer_bytes(buffer) }).to_vec();
    unsafe { raft_buffer_free(buffer) };
    owned
}

fn state(node: *const raft_node) -> (raft_recording_state, u64) {
    let (mut state, mut bytes) = (-1, 0);
    ok!(raft_node_record_state(node, &mut state, &mut bytes));
    (state, bytes)
}

pub(super) fn report() -> raft_replay_report {
    let mut report = unsafe { std::mem::zeroed::<raft_replay_report>() };
    report.size = size_of::<raft_replay_report>();
    report
}

pub(super) fn replay(recording: &[u8]) -> (Vec<u8>, raft_replay_report) {
    let (mut readys, mut report) = (null_mut(), report());
    let (data, len) = (recording.as_ptr(), recording.len());
    ok!(raft_replay(
        data,
        len,
        RAFT_NO_LIMIT,
        &mut readys,
        &mut report
    ));
    (owned(readys), report)
}

/// A cluster that works, whose nodes answer requests by themselves or let their hosts do it.
fn worked(show_requests: bool) -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let settings = recorded(id, 1 << 20);
        ok!(raft_config_set_max_cached_bytes(settings.0, 0));
        ok!(raft_config_set_show_requests(settings.0, show_requests));
        settings
    });
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    cluster.down.push(3);
    for command in ["one", "two", "three"] {
        cluster.host(1).propose(command.as_bytes());
        cluster.settle();
    }
    cluster.down.clear();
    ok!(raft_node_tick(cluster.host(1).node));
    cluster.settle();
    cluster
}

#[test]
fn a_replay_gives_the_bytes_that_the_host_has_seen() {
    for show_requests in [false, true] {
        let mut cluster = worked(show_requests);
        let mut requests = 0;
        for host in cluster.hosts.values_mut() {
            let (readys, report) = replay(&taken(host.node));
            assert_eq!(readys, host.seen);
            assert_eq!((report.differs_at, report.end), (0, RAFT_RECORDING_ON));
            assert!(report.calls > report.readys && report.readys > 3);
            requests += host.requests;
        }
        assert_eq!(requests > 0, show_requests);
    }
}

#[test]
fn what_is_taken_in_parts_is_one_recording() {
    let host = Host::new(&recorded(1, 1 << 20), &[1]);
    let mut parts = taken(host.node);
    ok!(raft_node_tick(host.node));
    parts.extend(taken(host.node));
    assert!(taken(host.node).is_empty());
    ok!(raft_node_record_note(host.node, b"here".as_ptr(), 4));
    ok!(raft_node_record_stop(host.node));
    assert_eq!(state(host.node).0, RAFT_RECORDING_STOPPED);
    ok!(raft_node_tick(host.node));
    parts.extend(taken(host.node));
    let (_, report) = replay(&parts);
    assert_eq!((report.calls, report.end), (3, RAFT_RECORDING_STOPPED));
}

#[test]
fn a_full_recording_says_so_and_never_exceeds_its_limit() {
    let host = Host::new(&recorded(1, 1000), &[1]);
    while state(host.node).0 == RAFT_RECORDING_ON {
        ok!(raft_node_tick(host.node));
        assert!(state(host.node).1 <= 1000);
    }
    assert_eq!(state(host.node).0, RAFT_RECORDING_FULL);
    let (_, report) = replay(&taken(host.node));
    assert!(report.calls > 20);
    assert_eq!((report.differs_at, report.end), (0, RAFT_RECORDING_FULL));
}

#[test]
fn a_node_that_records_nothing_gives_nothing() {
    let host = Host::new(&Settings::new(1), &[1]);
    ok!(raft_node_record_note(host.node, null(), 0));
    ok!(raft_node_record_stop(host.node));
    assert_eq!(state(host.node), (RAFT_RECORDING_OFF, 0));
    assert!(taken(host.node).is_empty());
    let mut node = null_mut();
    let (status, words) = err!(raft_node_new(recorded(1, 255).0, host.storage, &mut node));
    assert_eq!(status, RAFT_ERR_CONFIG);
    assert!(words.contains("record_bytes"), "{words}");
}

#[test]
fn what_is_no_recording_is_refused_and_writes_nothing() {
    let host = Host::new(&recorded(1, 1 << 20), &[1]);
    ok!(raft_node_campaign(host.node));
    host.ready();
    let good = taken(host.node);
    let refuse = |bad: &[u8], max_bytes| {
        let (mut readys, mut report) = (null_mut(), report());
        let (data, len) = (bad.as_ptr(), bad.len());
        let refusal = err!(raft_replay(data, len, max_bytes, &mut readys, &mut report));
        assert!(readys.is_null() && report.calls == 0);
        refusal
    };
    let mut version = good.clone();
    version[8] = 2;
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    for (bad, words) in [
        (&good[..0], "this is no recording of a node"),
        (
            b"something else altogether".as_slice(),
            "this is no recording of a node",
        ),
        (
            &version,
            "the recording has version 2 of the format, and this library reads 1",
        ),
        (&good[..good.len() - 1], "is cut off in record 3"),
        (
            &damaged,
            "is damaged in record 0, at byte 12: its checksum is another",
        ),
    ] {
        let (status, found) = refuse(bad, RAFT_NO_LIMIT);
        assert_eq!(status, RAFT_ERR_RECORDING);
        assert!(found.contains(words), "{found}");
    }
    let (status, words) = refuse(&good, 10);
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert!(words.contains("max_bytes"), "{words}");
    // Nothing is kept, so that there is no limit.
    let (mut readys, mut report) = (null_mut(), report());
    ok!(raft_replay(
        good.as_ptr(),
        good.len(),
        0,
        &mut readys,
        &mut report
    ));
    assert_eq!((owned(readys), report.readys), (Vec::new(), 1));
}

#[test]
fn a_replay_says_where_it_does_not_do_the_same() {
    let host = Host::new(&recorded(1, 1 << 20), &[1]);
    ok!(raft_node_tick(host.node));
    ok!(raft_node_campaign(host.node));
    host.ready();
    let recording = taken(host.node);
    let mut reader = Reader::new(recording.into()).expect("it is one");
    let start = reader.start().clone();
    let mut calls: Vec<_> = reader
        .by_ref()
        .map(|call| call.expect("it is whole"))
        .collect();
    // As if the campaign had been refused; and as if the Ready had been another.
    calls[2].result = Some(RAFT_ERR_MISUSE);
    let altered = libraft_core::recording::encode(&start, &calls).expect("it was encoded before");
    let (_, report) = replay(&altered);
    assert_eq!(report.differs_at, 3);
    assert_eq!(
        (report.recorded_status, report.replayed_status),
        (RAFT_ERR_MISUSE, RAFT_OK)
    );
    calls[2].result = Some(RAFT_OK);
    calls[3].checksum = Some(1);
    let altered = libraft_core::recording::encode(&start, &calls).expect("it was encoded before");
    let (_, report) = replay(&altered);
    assert_eq!(report.differs_at, 4);
    assert_eq!(
        (report.recorded_status, report.replayed_status),
        (RAFT_OK, RAFT_OK)
    );
}

#[test]
fn what_was_recorded_can_be_taken_after_a_panic() {
    let host = Host::new(&recorded(1, 1 << 20), &[1]);
    ok!(raft_node_tick(host.node));
    let node = unsafe { &*host.node };
    let panic = || drop(node.occupied(|| panic!("a defect")));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panic)).is_err());
    assert_eq!(err!(raft_node_tick(host.node)).0, RAFT_ERR_POISONED);
    assert_eq!(replay(&taken(host.node)).1.calls, 2);
}

/// A function, what it is recorded as, and a call of it.
type Recorded = (&'static str, &'static str, fn(*mut raft_node));

/// All functions that change a node. Whether a call succeeds does not matter.
const RECORDED: &[Recorded] = &[
    ("bootstrap", "bootstrap", |node| unsafe {
        raft_node_bootstrap(node, null(), 0, null_mut());
    }),
    ("tick", "tick", |node| unsafe {
        raft_node_tick(node, null_mut());
    }),
    ("tick_quiesced", "tick_quiesced", |node| unsafe {
        raft_node_tick_quiesced(node, null_mut());
    }),
    ("tick_many", "tick_many", |node| unsafe {
        raft_node_tick_many(node, 3, null_mut());
    }),
    ("campaign", "campaign", |node| unsafe {
        raft_node_campaign(node, null_mut());
    }),
    ("propose", "propose", |node| unsafe {
        raft_node_propose(node, null(), 0, null_mut());
    }),
    ("propose_many", "propose", |node| unsafe {
        raft_node_propose_many(node, &view(b"x"), 1, null_mut());
    }),
    ("propose_conf_change", "propose", |node| unsafe {
        raft_node_propose_conf_change(node, RAFT_CONF_CHANGE_ADD_NODE, 2, null(), 0, null_mut());
    }),
    ("propose_conf_change_encoded", "propose", |node| unsafe {
        let kind = RAFT_ENTRY_CONF_CHANGE;
        raft_node_propose_conf_change_encoded(node, kind, null(), 0, null_mut());
    }),
    ("apply_conf_change", "apply_conf_change", |node| unsafe {
        let kind = RAFT_ENTRY_CONF_CHANGE;
        raft_node_apply_conf_change(node, kind, null(), 0, null_mut(), null_mut());
    }),
    ("reject_conf_change", "apply_conf_change", |node| unsafe {
        raft_node_reject_conf_change(node, null_mut());
    }),
    ("step", "step", |node| unsafe {
        raft_node_step(node, b"nonsense".as_ptr(), 8, null_mut());
    }),
    ("step_many", "step", |node| unsafe {
        // A heartbeat from node 2.
        raft_node_step_many(node, b"\x04\x08\x08\x18\x02".as_ptr(), 5, null_mut());
    }),
    ("step_message", "step", |node| unsafe {
        let heartbeat = raft_message {
            r#type: RAFT_MSG_HEARTBEAT,
            from: 2,
            ..raft_message::EMPTY
        };
        raft_node_step_message(node, &heartbeat, null_mut());
    }),
    ("read_index", "read_index", |node| unsafe {
        raft_node_read_index(node, null(), 0, null_mut());
    }),
    ("ready", "ready", |node| unsafe {
        raft_node_ready(node, &mut null(), null_mut());
    }),
    ("peek_ready", "peek_ready", |node| unsafe {
        raft_node_peek_ready(node, &mut null(), null_mut());
    }),
    ("accept_ready", "accept_ready", |node| unsafe {
        raft_node_accept_ready(node, null_mut());
    }),
    ("advance", "advance", |node| unsafe {
        raft_node_advance(node, null_mut());
    }),
    ("request_snapshot", "request_snapshot", |node| unsafe {
        raft_node_request_snapshot(node, null_mut());
    }),
    ("set_priority", "set_priority", |node| unsafe {
        raft_node_set_priority(node, -1, null_mut());
    }),
    (
        "set_inflight_limits",
        "set_inflight_limits",
        |node| unsafe {
            raft_node_set_inflight_limits(node, 2, 3, 4, null_mut());
        },
    ),
    (
        "set_max_apply_unpersisted_entries",
        "set_max_apply_unpersisted_entries",
        |node| unsafe {
            raft_node_set_max_apply_unpersisted_entries(node, 1, null_mut());
        },
    ),
    (
        "enable_group_commit",
        "enable_group_commit",
        |node| unsafe {
            raft_node_enable_group_commit(node, true, null_mut());
        },
    ),
    (
        "assign_commit_groups",
        "assign_commit_groups",
        |node| unsafe {
            raft_node_assign_commit_groups(node, null(), 0, null_mut());
        },
    ),
    (
        "clear_commit_groups",
        "clear_commit_groups",
        |node| unsafe {
            raft_node_clear_commit_groups(node, null_mut());
        },
    ),
    ("report_unreachable", "report_unreachable", |node| unsafe {
        raft_node_report_unreachable(node, 2, null_mut());
    }),
    ("report_snapshot", "report_snapshot", |node| unsafe {
        raft_node_report_snapshot(node, 2, RAFT_SNAPSHOT_FAILURE, null_mut());
    }),
    ("transfer_leader", "transfer_leader", |node| unsafe {
        raft_node_transfer_leader(node, 2, null_mut());
    }),
    ("forget_leader", "forget_leader", |node| unsafe {
        raft_node_forget_leader(node, null_mut());
    }),
    ("take_requests", "take_requests", |node| unsafe {
        raft_node_take_requests(node, &mut null(), null_mut());
    }),
    ("provide_entries", "provide_entries", |node| unsafe {
        raft_node_provide_entries(node, 1, null(), 0, null_mut());
    }),
    ("read_failed", "read_failed", |node| unsafe {
        raft_node_read_failed(node, 1, RAFT_READ_COMPACTED, null_mut());
    }),
    ("provide_snapshot", "provide_snapshot", |node| unsafe {
        raft_node_provide_snapshot(node, 1, null(), 0, null_mut());
    }),
    ("snapshot_failed", "snapshot_failed", |node| unsafe {
        raft_node_snapshot_failed(node, 1, null_mut());
    }),
    ("compacted", "compacted", |node| unsafe {
        raft_node_compacted(node, 1, null_mut());
    }),
    (
        "set_randomized_election_timeout",
        "set_randomized_election_timeout",
        |node| unsafe {
            raft_node_set_randomized_election_timeout(node, 12, null_mut());
        },
    ),
    ("record_note", "note", |node| unsafe {
        raft_node_record_note(node, b"here".as_ptr(), 4, null_mut());
    }),
];

/// What takes a node that is not const, and does nothing to it that has to be done again.
const NO_CALLS: &[&str] = &["free", "record_take", "record_stop"];

/// What is recorded as the calls that it is made of.
const MADE_OF_OTHERS: &[&str] = &["next_ready"];

#[test]
fn the_next_ready_is_recorded_as_what_it_is_made_of() {
    let host = Host::new(&recorded(1, 1 << 20), &[1]);
    ok!(raft_node_campaign(host.node));
    let mut expected = vec!["requests_hidden", "campaign"];
    let next = || {
        let mut ready = null();
        ok!(raft_node_next_ready(host.node, &mut ready));
        (!ready.is_null()).then_some(ready)
    };
    while let Some(ready) = next() {
        ok!(raft_storage_save(host.storage, ready));
        expected.extend(["ready", "advance"]);
    }
    assert!(expected.len() > 4 && next().is_none());
    let mut reader = Reader::new(taken(host.node).into()).expect("it is a recording");
    let mut names = Vec::new();
    while let Some(record) = reader.next_call().expect("it is whole") {
        names.extend(record.call.map(|call| call.name()));
    }
    assert_eq!(names, expected);
}

#[test]
fn every_function_that_changes_a_node_is_recorded() {
    for (function, kind, call) in RECORDED {
        // Of a host with a storage of its own, so that only the host calls.
        let mut node = null_mut();
        ok!(raft_node_restart(
            recorded(1, 1 << 20).0,
            null(),
            0,
            &mut node
        ));
        call(node);
        let mut reader = Reader::new(taken(node).into()).expect("it is a recording");
        let record = reader.next_call().expect("it is whole");
        let name = record
            .and_then(|record| record.call)
            .map(|call| call.name());
        assert_eq!(name, Some(*kind), "raft_node_{function}");
        assert_eq!(reader.next_call(), Ok(None), "raft_node_{function}");
        unsafe { raft_node_free(node) };
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/libraft.h");
    let header = std::fs::read_to_string(path).expect("the header is there");
    let declared: BTreeSet<&str> = header
        .lines()
        .filter(|line| line.contains("(struct raft_node *"))
        .filter_map(|line| {
            line.split_once("raft_node_")?
                .1
                .split_once('(')
                .map(|it| it.0)
        })
        .collect();
    let known: BTreeSet<&str> = RECORDED
        .iter()
        .map(|(function, _, _)| *function)
        .chain(NO_CALLS.iter().copied())
        .chain(MADE_OF_OTHERS.iter().copied())
        .collect();
    assert_eq!(
        declared, known,
        "each function is recorded, or changes nothing"
    );
    let of_many = header
        .lines()
        .filter(|line| line.contains("raft_node *const *"));
    let of_many: Vec<_> = of_many.map(str::trim).collect();
    assert_eq!(
        of_many,
        ["raft_status raft_nodes_tick(struct raft_node *const *nodes,"],
        "many.rs looks at what the functions for many nodes record"
    );
}
