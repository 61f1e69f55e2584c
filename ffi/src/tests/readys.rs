//! The views of a Ready: what they show, and how long.

use std::ptr::{null, null_mut};

use bytes::Bytes;
use libraft_core::{
    Body, ConfState, DropKind, DropReason, Dropped, Entry, EntryId, EntryKind, Explicit, HardState,
    Message, ReadRequest, ReadState, Ready, Role, Snapshot, SnapshotRequest, SoftState,
    StorageAppend, codec, proto::libraft as out, proto::raftpb,
};
use prost::Message as _;

use super::*;
use crate::conf_state::raft_conf_state;
use crate::entry::{raft_entries_free, raft_entry};
use crate::event::raft_event;
use crate::message::{
    RAFT_MSG_APP, RAFT_MSG_APP_RESP, RAFT_MSG_HEARTBEAT, RAFT_MSG_SNAP, raft_message,
    raft_message_decode,
};
use crate::ready::{Encoded, KEEP_READYS, ReadyPlace};
use crate::snapshot::{raft_snapshot, raft_snapshot_free};

/// Payloads at which the length of a protobuf length changes.
const SIZES: [usize; 7] = [0, 1, 127, 128, 300, 16_383, 20_000];

fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| (i % 251) as u8)
        .collect::<Vec<u8>>()
        .into()
}

fn conf_state() -> ConfState {
    ConfState {
        voters: vec![1, 2, 300],
        learners: vec![u64::MAX / 2],
        voters_outgoing: vec![1, 2, 3],
        learners_next: vec![3],
        auto_leave: true,
    }
}

/// One with everything in it.
fn full(len: usize) -> Ready {
    let entry = |index, kind| Entry {
        term: 5,
        index,
        kind,
        data: payload(len),
        ..Entry::default()
    };
    let snapshot = Snapshot {
        id: EntryId { term: 4, index: 9 },
        conf_state: conf_state(),
        data: payload(len),
    };
    let message = |body| Message {
        to: 2,
        from: 1,
        term: 5,
        body,
    };
    Ready {
        soft_state: Some(SoftState {
            leader: 1,
            role: Role::Leader,
        }),
        hard_state: Some(HardState {
            term: 5,
            vote: 1,
            commit: 12,
        }),
        read_states: vec![ReadState {
            index: 12,
            context: payload(len),
        }],
        entries: vec![
            entry(13, EntryKind::Normal),
            entry(14, EntryKind::ConfChange),
        ]
        .into(),
        snapshot: Some(snapshot.clone()),
        committed_entries: vec![entry(12, EntryKind::ConfChangeV2)].into(),
        messages: vec![
            message(Body::Append {
                prev: EntryId { term: 5, index: 12 },
                entries: vec![entry(13, EntryKind::Normal)].into(),
                commit: 12,
            }),
            message(Body::InstallSnapshot {
                snapshot: Box::new(snapshot),
            }),
            message(Body::Heartbeat {
                commit: 3,
                context: payload(len),
            }),
            message(Body::StorageAppend(Box::new(StorageAppend {
                hard_state: Some(HardState {
                    term: 5,
                    ..HardState::default()
                }),
                entries: vec![entry(13, EntryKind::Normal)].into(),
                snapshot: None,
                responses: vec![
                    message(Body::Accept { index: 13 }),
                    message(Body::HeartbeatResp {
                        context: payload(len),
                    }),
                ],
            }))),
            Message {
                term: 0,
                ..message(Body::StorageApply {
                    entries: vec![entry(12, EntryKind::ConfChangeV2)].into(),
                    responses: vec![message(Body::StorageApplyResp {
                        entries: vec![entry(12, EntryKind::ConfChangeV2)].into(),
                    })],
                })
            },
        ],
        must_sync: true,
        reads: vec![ReadRequest {
            id: 3,
            low: 4,
            high: 5,
            max_bytes: 6,
        }],
        snapshot_requests: vec![SnapshotRequest {
            id: 7,
            to: 8,
            min_index: 9,
        }],
        dropped: vec![
            Dropped {
                kind: DropKind::ConfChange,
                reason: DropReason::ConfChangePending(11),
                data: payload(len),
            },
            Dropped {
                kind: DropKind::Read,
                reason: DropReason::LeaderChanged,
                data: payload(len),
            },
        ],
        events: super::events::one_of_each()
            .into_iter()
            .map(|it| it.0)
            .collect(),
    }
}

/// Whether `part` is a piece of `whole`, and not a copy of one.
fn inside(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty()
        || (whole.as_ptr_range().contains(&part.as_ptr())
            && part.as_ptr_range().end <= whole.as_ptr_range().end)
}

fn check_entries(whole: &[u8], views: &[raft_entry], entries: &[Entry], encoded: &[raftpb::Entry]) {
    assert_eq!(views.len(), entries.len());
    assert_eq!(views.len(), encoded.len());
    for ((view, entry), message) in views.iter().zip(entries).zip(encoded) {
        assert_eq!((view.term, view.index), (entry.term, entry.index));
        assert_eq!(view.r#type, entry.kind as i32);
        assert_eq!(bytes(view.data), entry.data);
        assert_eq!(bytes(view.encoded), message.encode_to_vec());
        assert_eq!(bytes(view.encoded), codec::encode_entry(entry));
        assert!(inside(bytes(view.encoded), bytes(view.data)));
        assert!(inside(whole, bytes(view.encoded)));
    }
}

fn check_conf_state(view: &raft_conf_state, expected: &ConfState) {
    unsafe {
        assert_eq!(list(view.voters, view.voters_len), expected.voters);
        assert_eq!(list(view.learners, view.learners_len), expected.learners);
        assert_eq!(
            list(view.voters_outgoing, view.voters_outgoing_len),
            expected.voters_outgoing
        );
        assert_eq!(
            list(view.learners_next, view.learners_next_len),
            expected.learners_next
        );
    }
    assert_eq!(view.auto_leave, expected.auto_leave);
    assert_eq!(
        bytes(view.encoded),
        codec::encode_conf_state(expected),
        "the encoded configuration"
    );
}

fn check_snapshot(view: &raft_snapshot, expected: &Snapshot) {
    assert_eq!(
        (view.term, view.index),
        (expected.id.term, expected.id.index)
    );
    assert_eq!(bytes(view.data), expected.data);
    assert_eq!(bytes(view.encoded), codec::encode_snapshot(expected));
    check_conf_state(&view.conf_state, &expected.conf_state);
    assert!(inside(bytes(view.encoded), bytes(view.data)));
    assert!(inside(bytes(view.encoded), bytes(view.conf_state.encoded)));
}

fn check(view: &raft_ready, ready: &Ready) {
    let whole = bytes(view.encoded);
    let decoded = out::Ready::decode(whole).expect("the encoding is protobuf");
    unsafe {
        check_entries(
            whole,
            list(view.entries, view.entries_len),
            &ready.entries,
            &decoded.entries,
        );
        check_entries(
            whole,
            list(view.committed_entries, view.committed_entries_len),
            &ready.committed_entries,
            &decoded.committed_entries,
        );
        let messages = list(view.messages, view.messages_len);
        assert_eq!(messages.len(), ready.messages.len());
        assert_eq!(messages.len(), decoded.messages.len());
        for ((view, message), decoded) in
            messages.iter().zip(&ready.messages).zip(&decoded.messages)
        {
            assert_eq!(
                (view.to, view.from, view.term),
                (message.to, message.from, message.term)
            );
            assert_eq!(Some(view.r#type), decoded.r#type);
            assert_eq!(bytes(view.encoded), codec::encode_message(message));
            assert!(inside(whole, bytes(view.encoded)));
            let attached = match &message.body {
                Body::StorageAppend(work) => &work.responses[..],
                Body::StorageApply { responses, .. } => &responses[..],
                _ => &[],
            };
            let responses = list(view.responses, view.responses_len);
            assert_eq!(view.responses.is_null(), attached.is_empty());
            assert_eq!(responses.len(), attached.len());
            for (response, attached) in responses.iter().zip(attached) {
                assert_eq!((response.to, response.from), (attached.to, attached.from));
                assert_eq!(bytes(response.encoded), codec::encode_message(attached));
                assert!(inside(bytes(view.encoded), bytes(response.encoded)));
                assert!(response.responses.is_null());
            }
            match &message.body {
                Body::InstallSnapshot { snapshot } => {
                    assert_eq!(view.snapshot_index, snapshot.id.index);
                    assert_eq!(bytes(view.snapshot_data), snapshot.data);
                    assert!(inside(bytes(view.encoded), bytes(view.snapshot_data)));
                }
                _ => assert_eq!((view.snapshot_index, view.snapshot_data.len), (0, 0)),
            }
        }
        let states = list(view.read_states, view.read_states_len);
        assert_eq!(states.len(), ready.read_states.len());
        for (view, state) in states.iter().zip(&ready.read_states) {
            assert_eq!(view.index, state.index);
            assert_eq!(bytes(view.context), state.context);
            assert!(inside(whole, bytes(view.context)));
        }
        let reads: Vec<_> = list(view.reads, view.reads_len)
            .iter()
            .map(|read| ReadRequest {
                id: read.id,
                low: read.low,
                high: read.high,
                max_bytes: read.max_bytes,
            })
            .collect();
        assert_eq!(reads, ready.reads);
        let requests: Vec<_> = list(view.snapshot_requests, view.snapshot_requests_len)
            .iter()
            .map(|request| SnapshotRequest {
                id: request.id,
                to: request.to,
                min_index: request.min_index,
            })
            .collect();
        assert_eq!(requests, ready.snapshot_requests);
        let dropped = list(view.dropped, view.dropped_len);
        assert_eq!(dropped.len(), ready.dropped.len());
        assert_eq!(dropped.len(), decoded.dropped.len());
        for (view, core) in dropped.iter().zip(&ready.dropped) {
            assert_eq!(
                (view.kind, view.reason),
                (core.kind as i32, core.reason.number())
            );
            assert_eq!(view.index, core.reason.index());
            assert_eq!(bytes(view.data), core.data);
            assert!(inside(whole, bytes(view.data)));
        }
        let events = list(view.events, view.events_len);
        let expected: Vec<raft_event> = ready.events.iter().map(raft_event::from).collect();
        assert_eq!(events, expected);
        assert_eq!(events.len(), decoded.events.len());
        assert_eq!(view.snapshot.as_ref().is_some(), ready.snapshot.is_some());
        if let (Some(view), Some(snapshot)) = (view.snapshot.as_ref(), &ready.snapshot) {
            check_snapshot(view, snapshot);
            assert!(inside(whole, bytes(view.encoded)));
        }
        let soft = view
            .soft_state
            .as_ref()
            .map(|state| (state.leader, state.role));
        assert_eq!(
            soft,
            ready
                .soft_state
                .map(|state| (state.leader, state.role as i32))
        );
        let hard = view.hard_state.as_ref().copied().map(HardState::from);
        assert_eq!(hard, ready.hard_state);
    }
    assert_eq!(view.must_sync, ready.must_sync);
    // The encoding says the same as the views, and so what the core said.
    assert_eq!(decoded.soft_state.is_some(), ready.soft_state.is_some());
    assert_eq!(
        decoded.hard_state,
        ready.hard_state.as_ref().map(codec::hard_state_to_proto)
    );
    assert_eq!(
        decoded.snapshot,
        ready.snapshot.as_ref().map(codec::snapshot_to_proto)
    );
    assert_eq!(decoded.must_sync, ready.must_sync);
    assert_eq!(decoded.reads.len(), ready.reads.len());
    assert_eq!(
        decoded.snapshot_requests.len(),
        ready.snapshot_requests.len()
    );
    assert_eq!(decoded.read_states.len(), ready.read_states.len());
    // A canonical encoding: the same bytes as a protobuf library writes.
    assert_eq!(decoded.encode_to_vec(), whole);
}

fn fill(place: &mut ReadyPlace, ready: Ready) -> *const raft_ready {
    *place.spare() = ready;
    place.fill()
}

#[test]
fn every_view_shows_its_part_of_the_encoding() {
    let mut place = ReadyPlace::new(Encoded::All);
    for len in SIZES {
        let ready = full(len);
        check(unsafe { &*fill(&mut place, ready.clone()) }, &ready);
    }
    // What the last one had, an empty one has not.
    check(
        unsafe { &*fill(&mut place, Ready::default()) },
        &Ready::default(),
    );
    let last = Ready {
        entries: full(3).entries,
        ..Ready::default()
    };
    check(unsafe { &*fill(&mut place, last.clone()) }, &last);
}

/// Messages of which the numbers in a view say all; and the same ones with something more.
fn plain_and_others() -> [Vec<Body>; 2] {
    let prev = EntryId { term: 4, index: 11 };
    let context = Bytes::from_static(b"read");
    let append = |entries: Vec<Entry>| Body::Append {
        prev,
        entries: entries.into(),
        commit: 10,
    };
    let plain = vec![
        append(vec![]),
        Body::Accept { index: 12 },
        Body::Heartbeat {
            commit: 9,
            context: Bytes::new(),
        },
        Body::HeartbeatResp {
            context: Bytes::new(),
        },
    ];
    let others = vec![
        append(vec![Entry {
            term: 5,
            index: 12,
            ..Entry::default()
        }]),
        Body::Outdated,
        Body::Heartbeat {
            commit: 9,
            context: context.clone(),
        },
        Body::HeartbeatResp { context },
        Body::TimeoutNow,
    ];
    [plain, others]
}

#[test]
fn a_ready_that_is_not_encoded_has_bytes_only_for_what_its_structs_do_not_tell() {
    check_bare(Encoded::Nothing);
}

#[test]
fn without_its_entries_bytes_a_ready_has_those_of_its_messages() {
    check_bare(Encoded::Messages);
}

fn check_bare(encoded: Encoded) {
    let (mut encoding, mut place) = (ReadyPlace::new(Encoded::All), ReadyPlace::new(encoded));
    let message = |body| Message {
        to: 2,
        from: 1,
        term: 5,
        body,
    };
    let mut from_ready = 0;
    for len in SIZES {
        let mut ready = full(len);
        let explicit = Entry {
            explicit: Explicit {
                kind: true,
                data: false,
            },
            ..ready.entries[0].clone()
        };
        ready.entries = [&ready.entries[..], &[explicit]].concat().into();
        let [plain, others] = plain_and_others();
        let given = ready.messages.len();
        ready.messages.extend(plain.into_iter().map(message));
        let plain = given..ready.messages.len();
        ready.messages.extend(others.into_iter().map(message));
        unsafe {
            let whole = &*fill(&mut encoding, ready.clone());
            check(whole, &ready);
            let view = &*fill(&mut place, ready.clone());
            assert_eq!(bytes(view.encoded), b"");
            for (views, entries) in [
                (list(view.entries, view.entries_len), &ready.entries),
                (
                    list(view.committed_entries, view.committed_entries_len),
                    &ready.committed_entries,
                ),
            ] {
                assert_eq!(views.len(), entries.len());
                for (view, entry) in views.iter().zip(&entries[..]) {
                    assert_eq!((view.term, view.index), (entry.term, entry.index));
                    assert_eq!(view.r#type, entry.kind as i32);
                    assert_eq!(bytes(view.data), entry.data);
                    match entry.explicit == Explicit::default() {
                        // Not a copy.
                        true => assert!(inside(&entry.data, bytes(view.data))),
                        false => assert!(inside(bytes(view.encoded), bytes(view.data))),
                    }
                    let encoded = match entry.explicit == Explicit::default() {
                        true => vec![],
                        false => codec::encode_entry(entry),
                    };
                    assert_eq!(bytes(view.encoded), encoded);
                }
            }
            let view_of_entries = view.entries;
            let views = list(view.messages, view.messages_len);
            assert_eq!(views.len(), ready.messages.len());
            for (at, (view, message)) in views.iter().zip(&ready.messages).enumerate() {
                // Among those of all Readys there is one whose context is a payload.
                let is_bare = |body: &Body| matches!(body, Body::Heartbeat { context, .. } if context.is_empty());
                let is_plain = plain.contains(&at) || is_bare(&message.body);
                // An append whose entries are in the Ready needs no bytes for them.
                let brings = match &message.body {
                    Body::Append { entries, .. } => &entries[..],
                    _ => &[],
                };
                let same = |part: &[Entry]| part == brings;
                let place = match brings.len() {
                    0 => None,
                    _ if encoded == Encoded::Messages => None,
                    len => ready.entries.windows(len).position(same),
                };
                assert_eq!(view.entries_len, place.map_or(0, |_| brings.len()));
                if let Some(place) = place {
                    assert_eq!(view.entries, view_of_entries.wrapping_add(place));
                    from_ready += 1;
                } else if encoded == Encoded::Messages || !is_plain {
                    assert_eq!(bytes(view.encoded), codec::encode_message(message));
                    continue;
                }
                assert_eq!(bytes(view.encoded), b"");
                let body = match view.r#type {
                    RAFT_MSG_APP => Body::Append {
                        prev: EntryId {
                            term: view.log_term,
                            index: view.index,
                        },
                        entries: brings.iter().cloned().collect(),
                        commit: view.commit,
                    },
                    RAFT_MSG_APP_RESP => Body::Accept { index: view.index },
                    RAFT_MSG_HEARTBEAT => Body::Heartbeat {
                        commit: view.commit,
                        context: Bytes::new(),
                    },
                    _ => Body::HeartbeatResp {
                        context: Bytes::new(),
                    },
                };
                let (to, from, term) = (view.to, view.from, view.term);
                let told = Message {
                    to,
                    from,
                    term,
                    body,
                };
                assert_eq!(&told, message);
            }
            let states = list(view.read_states, view.read_states_len);
            assert_eq!(states.len(), ready.read_states.len());
            for (view, state) in states.iter().zip(&ready.read_states) {
                assert_eq!(bytes(view.context), state.context);
                // Not a copy.
                assert!(inside(&state.context, bytes(view.context)));
            }
            check_snapshot(&*view.snapshot, ready.snapshot.as_ref().unwrap());
            assert_eq!(view.core().unwrap(), &ready);
            assert_eq!(view.must_sync, ready.must_sync);
            assert_eq!(
                (*view.hard_state).commit,
                ready.hard_state.as_ref().unwrap().commit
            );
            let views = list(view.dropped, view.dropped_len);
            assert_eq!(views.len(), ready.dropped.len());
            for (view, dropped) in views.iter().zip(&ready.dropped) {
                assert_eq!(bytes(view.data), dropped.data);
                assert!(inside(&dropped.data, bytes(view.data)));
            }
            let lens = (view.reads_len, view.snapshot_requests_len, view.events_len);
            let (reads, requests) = (ready.reads.len(), ready.snapshot_requests.len());
            assert_eq!(lens, (reads, requests, ready.events.len()));
        }
    }
    assert_eq!(from_ready > 0, encoded == Encoded::Nothing);
}

#[test]
fn an_empty_ready_is_nothing_but_null() {
    let mut place = ReadyPlace::new(Encoded::All);
    let ready = unsafe { &*fill(&mut place, Ready::default()) };
    assert!(ready.soft_state.is_null() && ready.hard_state.is_null());
    assert!(ready.snapshot.is_null() && ready.entries.is_null());
    assert!(ready.committed_entries.is_null() && ready.messages.is_null());
    assert!(ready.read_states.is_null() && ready.reads.is_null());
    assert!(ready.snapshot_requests.is_null() && ready.encoded.data.is_null());
    assert_eq!(ready.encoded.len, 0);
    assert!(!ready.must_sync);
}

#[test]
fn a_buffer_blown_up_by_one_ready_is_given_back() {
    let mut place = ReadyPlace::new(Encoded::All);
    fill(&mut place, full(8 << 20));
    // Not between the large ones of a stream.
    for _ in 0..KEEP_READYS {
        fill(&mut place, full(1));
    }
    assert!(place.capacity() > 8 << 20);
    fill(&mut place, full(8 << 20));
    for _ in 0..=KEEP_READYS {
        fill(&mut place, full(1));
    }
    assert!(place.capacity() <= 2 << 20, "{}", place.capacity());
}

#[test]
fn other_calls_do_not_touch_a_ready() {
    let settings = Settings::new(1);
    let mut host = Host::new(&settings, &[1, 2, 3]);
    host.work();
    ok!(raft_node_campaign(host.node));
    host.propose_fails();
    let ready: *const raft_ready = host.ready();
    let view = unsafe { &*ready };
    let before = bytes(view.encoded).to_vec();
    assert!(view.messages_len > 0);
    let messages: Vec<(u64, Vec<u8>)> = unsafe { list(view.messages, view.messages_len) }
        .iter()
        .map(|message| (message.to, bytes(message.encoded).to_vec()))
        .collect();
    let hostile = [0xffu8; 10];
    for round in 0..50 {
        ok!(raft_node_tick(host.node));
        err!(raft_node_step(host.node, hostile.as_ptr(), 10));
        let append = codec::encode_message(&Message {
            to: 1,
            from: 2,
            term: 9,
            body: Body::Append {
                prev: EntryId { term: 1, index: 1 },
                entries: (2..5)
                    .map(|index| Entry {
                        term: 9,
                        index,
                        data: payload(round * 100),
                        ..Entry::default()
                    })
                    .collect(),
                commit: 2,
            },
        });
        ok!(raft_node_step(host.node, append.as_ptr(), append.len()));
        // It follows the sender by now, and so has somebody to pass this on to.
        host.propose(b"forwarded");
        host.everything();
    }
    // A second one is refused, and leaves the first one alone.
    let mut second = null();
    let (status, _) = err!(raft_node_ready(host.node, &mut second));
    assert_eq!(status, RAFT_ERR_MISUSE);
    assert!(second.is_null());

    assert_eq!(bytes(view.encoded), before);
    let after: Vec<(u64, Vec<u8>)> = unsafe { list(view.messages, view.messages_len) }
        .iter()
        .map(|message| (message.to, bytes(message.encoded).to_vec()))
        .collect();
    assert_eq!(after, messages);
    ok!(raft_storage_save(host.storage, ready));
    ok!(raft_node_advance(host.node));
    // Advancing does not end its life either; the next Ready does.
    assert_eq!(bytes(view.encoded), before);
}

#[test]
fn a_ready_is_shown_as_often_as_it_changes_and_taken_once() {
    let host = Host::leader();
    let (status, _) = err!(raft_node_accept_ready(host.node));
    assert_eq!(status, RAFT_ERR_MISUSE);
    for proposals in 1..4 {
        host.propose(b"more");
        let mut shown = null();
        ok!(raft_node_peek_ready(host.node, &mut shown));
        assert_eq!(unsafe { &*shown }.entries_len, proposals);
    }
    host.propose(b"the last");
    let (status, _) = err!(raft_node_accept_ready(host.node));
    assert_eq!(status, RAFT_ERR_MISUSE);
    let mut shown = null();
    ok!(raft_node_peek_ready(host.node, &mut shown));
    let view = unsafe { &*shown };
    let before = bytes(view.encoded).to_vec();
    ok!(raft_node_accept_ready(host.node));
    assert_eq!(bytes(view.encoded), before);
    assert_eq!(view.entries_len, 4);
    ok!(raft_storage_save(host.storage, shown));
    ok!(raft_node_advance(host.node));
    let mut last = 0;
    ok!(raft_storage_last_index(host.storage, &mut last));
    assert_eq!(last, 6, "the first members', the election's and four");
}

#[test]
fn the_next_ready_comes_when_the_last_one_is_done_in_one_call() {
    let host = Host::leader();
    let next = || {
        let mut ready = null();
        ok!(raft_node_next_ready(host.node, &mut ready));
        ready
    };
    assert!(next().is_null());
    host.propose(b"a command");
    let first = next();
    assert_eq!(unsafe { &*first }.entries_len, 1);
    ok!(raft_storage_save(host.storage, first));
    // It is advanced by the call that takes the next one, which hands out what is committed by that.
    let second = next();
    assert_eq!(unsafe { &*second }.committed_entries_len, 1);
    ok!(raft_storage_save(host.storage, second));
    // Or by itself; then there is nothing left to advance.
    ok!(raft_node_advance(host.node));
    assert!(next().is_null());
    assert_eq!(
        err!(raft_node_advance(host.node)).0,
        RAFT_ERR_MISUSE,
        "there is none"
    );
    // What was only shown is shown again.
    host.propose(b"another");
    let mut shown = null();
    ok!(raft_node_peek_ready(host.node, &mut shown));
    assert_eq!(unsafe { &*next() }.entries_len, 1);
    assert_eq!(err!(raft_node_accept_ready(host.node)).0, RAFT_ERR_MISUSE);
    // A node that has stopped does not seem to be at rest.
    assert!(unsafe { &*host.node }.stopped("told to").is_ok());
    let mut ready = null();
    let (status, _) = err!(raft_node_next_ready(host.node, &mut ready));
    assert_eq!(status, RAFT_ERR_POISONED);
    assert!(ready.is_null());
    let mut rests = true;
    ok!(raft_node_rests_once_advanced(host.node, &mut rests));
    assert!(!rests);
}

impl Host {
    /// Proposes where there is no leader to take it.
    fn propose_fails(&self) {
        let mut error = null_mut();
        let status = unsafe { raft_node_propose(self.node, b"x".as_ptr(), 1, &mut error) };
        assert_eq!(status, RAFT_ERR_DROPPED);
        assert_eq!(
            unsafe { raft_error_drop_reason(error) },
            RAFT_DROP_NO_LEADER
        );
        unsafe { raft_error_free(error) };
    }
}

#[test]
fn a_ready_may_be_saved_by_one_thread_while_another_feeds_the_node() {
    struct Both(*mut raft_storage, *const raft_ready);
    // SAFETY: what the header promises about the two is under test.
    unsafe impl Send for Both {}
    let mut host = Host::leader();
    for round in 0..20 {
        host.propose(format!("a{round}").as_bytes());
        let ready: *const raft_ready = host.ready();
        let both = Both(host.storage, ready);
        let saver = std::thread::spawn(move || {
            let Both(storage, ready) = { both };
            ok!(raft_storage_save(storage, ready));
            bytes(unsafe { &*ready }.encoded).to_vec()
        });
        for _ in 0..10 {
            ok!(raft_node_tick(host.node));
        }
        host.propose(format!("b{round}").as_bytes());
        let seen = saver.join().expect("the thread did not panic");
        assert_eq!(seen, bytes(unsafe { &*ready }.encoded));
        ok!(raft_node_advance(host.node));
    }
    host.work();
    let mut last = 0;
    ok!(raft_storage_last_index(host.storage, &mut last));
    assert_eq!(last, 2 + 40);
}

#[test]
fn a_ready_may_be_saved_while_another_thread_asks_for_the_next_in_vain() {
    struct Both(*mut raft_storage, *const raft_ready);
    // SAFETY: what the header promises about the two is under test.
    unsafe impl Send for Both {}
    let host = Host::leader();
    for round in 0..20 {
        host.propose(format!("{round}").as_bytes());
        let ready: *const raft_ready = host.ready();
        let before = bytes(unsafe { &*ready }.encoded).to_vec();
        let both = Both(host.storage, ready);
        let saver = std::thread::spawn(move || {
            let Both(storage, ready) = { both };
            ok!(raft_storage_save(storage, ready));
        });
        for _ in 0..10 {
            let (status, _) = err!(raft_node_ready(host.node, &mut null()));
            assert_eq!(status, RAFT_ERR_MISUSE, "the last one is not advanced");
            let (status, _) = err!(raft_node_peek_ready(host.node, &mut null()));
            assert_eq!(status, RAFT_ERR_MISUSE);
        }
        saver.join().expect("the thread did not panic");
        assert_eq!(bytes(unsafe { &*ready }.encoded), before);
        ok!(raft_node_advance(host.node));
    }
}

#[test]
fn advance_answers_each_ready_once() {
    let mut host = Host::leader();
    let (status, _) = err!(raft_node_advance(host.node));
    assert_eq!(status, RAFT_ERR_MISUSE, "there was no Ready");
    // One with nothing in it may be advanced like any other.
    assert!(!host.has_ready());
    let ready = host.ready();
    assert!(ready.encoded.data.is_null());
    ok!(raft_node_advance(host.node));
    let (status, _) = err!(raft_node_advance(host.node));
    assert_eq!(status, RAFT_ERR_MISUSE);
    host.propose(b"x");
    host.work();
    assert_eq!(host.applied, [b"x"]);
}

#[test]
fn a_message_is_looked_into_without_a_copy() {
    for len in SIZES {
        for message in full(len).messages {
            let encoded = codec::encode_message(&message);
            let mut view = unsafe { std::mem::zeroed::<raft_message>() };
            ok!(raft_message_decode(
                encoded.as_ptr(),
                encoded.len(),
                &mut view
            ));
            assert_eq!(
                (view.to, view.from, view.term),
                (message.to, message.from, message.term)
            );
            assert_eq!(view.encoded.data, encoded.as_ptr());
            assert_eq!(view.encoded.len, encoded.len());
            match &message.body {
                Body::InstallSnapshot { snapshot } => {
                    assert_eq!(view.r#type, RAFT_MSG_SNAP);
                    assert_eq!(view.snapshot_index, 9);
                    assert_eq!(bytes(view.snapshot_data), snapshot.data);
                    assert!(inside(&encoded, bytes(view.snapshot_data)));
                }
                _ => assert_eq!(view.snapshot_data.len, 0),
            }
        }
    }
}

#[test]
fn stored_entries_and_snapshots_have_the_same_views() {
    for len in SIZES {
        let ready = full(len);
        let storage = memory(&[]);
        let snapshot = codec::encode_snapshot(ready.snapshot.as_ref().expect("there is one"));
        let entries: Vec<Entry> = (10..13)
            .map(|index| Entry {
                term: 5,
                index,
                kind: EntryKind::Normal,
                data: payload(len),
                ..Entry::default()
            })
            .collect();
        let encoded: Vec<Vec<u8>> = entries.iter().map(codec::encode_entry).collect();
        let views: Vec<raft_bytes> = encoded.iter().map(|entry| view(entry)).collect();
        ok!(raft_storage_append(
            storage,
            null(),
            views.as_ptr(),
            views.len(),
            snapshot.as_ptr(),
            snapshot.len(),
            true
        ));
        let mut found = null_mut();
        ok!(raft_storage_snapshot(storage, &mut found));
        check_snapshot(
            unsafe { &*found },
            ready.snapshot.as_ref().expect("there is one"),
        );
        unsafe { raft_snapshot_free(found) };

        let mut found = null_mut();
        ok!(raft_storage_entries(
            storage,
            10,
            13,
            RAFT_NO_LIMIT,
            &mut found
        ));
        let views = unsafe { list((*found).entries, (*found).entries_len) };
        assert_eq!(views.len(), entries.len());
        for (view, (entry, encoded)) in views.iter().zip(entries.iter().zip(&encoded)) {
            assert_eq!((view.term, view.index), (entry.term, entry.index));
            assert_eq!(bytes(view.data), entry.data);
            assert_eq!(bytes(view.encoded), *encoded);
        }
        unsafe {
            raft_entries_free(found);
            raft_storage_free(storage);
        }
    }
}
