//! Bytes that no correct peer sends: an error, and nothing has changed.

use std::ptr::{null, null_mut};

use bytes::Bytes;
use libraft_core::{Body, Entry, EntryId, Message, Snapshot, codec};

use super::*;
use crate::message::{raft_message, raft_message_decode};

/// What a node may be sent, one of each kind.
fn messages() -> Vec<Vec<u8>> {
    let id = EntryId { term: 1, index: 1 };
    let entry = |index| Entry {
        term: 2,
        index,
        data: Bytes::from_static(b"some data"),
        ..Entry::default()
    };
    let context = Bytes::from_static(b"read 1");
    [
        Body::Propose {
            ticket: None,
            entries: vec![Entry::command(Bytes::from_static(b"proposal"))],
        },
        Body::Append {
            prev: id,
            entries: vec![entry(2), entry(3)].into(),
            commit: 1,
        },
        Body::Accept { index: 1 },
        Body::Outdated,
        Body::Reject { index: 1, hint: id },
        Body::RequestVote {
            reports: false,
            pre: false,
            last: id,
            transfer: true,
            priority: 7,
        },
        Body::RequestVote {
            reports: false,
            pre: true,
            last: id,
            transfer: false,
            priority: 0,
        },
        Body::Vote {
            pre: true,
            granted: true,
        },
        Body::InstallSnapshot {
            snapshot: Box::new(Snapshot {
                id: EntryId { term: 2, index: 7 },
                conf_state: libraft_core::ConfState::of_voters([1, 2, 3]),
                data: Bytes::from_static(b"state"),
            }),
        },
        Body::Heartbeat {
            commit: 1,
            context: context.clone(),
        },
        Body::HeartbeatResp {
            context: context.clone(),
        },
        Body::ReadIndex {
            reports: true,
            context: Some(context.clone()),
        },
        Body::ReadIndexResp {
            index: 1,
            context: Some(context),
        },
        Body::TransferLeader,
        Body::TimeoutNow,
        Body::ForgetLeader,
    ]
    .into_iter()
    .map(|body| {
        codec::encode_message(&Message {
            to: 1,
            from: 2,
            term: 2,
            body,
        })
    })
    .collect()
}

/// Steps the bytes; after an error the node must be what it was.
fn step(host: &Host, input: &[u8]) -> raft_status {
    let before = host.everything();
    let mut error = null_mut();
    let status = unsafe { raft_node_step(host.node, input.as_ptr(), input.len(), &mut error) };
    let words = message(error);
    unsafe { raft_error_free(error) };
    assert!(
        ![RAFT_ERR_PANIC, RAFT_ERR_POISONED].contains(&status),
        "{words}: {input:?}"
    );
    // That a proposal can't be taken is no fault of its bytes, and its term has counted.
    let dropped = [RAFT_ERR_DROPPED, RAFT_ERR_READ_DROPPED].contains(&status);
    if status != RAFT_OK && !dropped {
        assert!(!words.is_empty());
        assert_eq!(host.everything(), before, "{words}: {input:?}");
    }
    status
}

fn follower() -> Host {
    let mut host = Host::new(&Settings::new(1), &[1, 2, 3]);
    host.work();
    host
}

#[test]
fn every_truncation_of_a_message_is_survived() {
    for message in messages() {
        let mut host = follower();
        for end in 0..message.len() {
            step(&host, &message[..end]);
            host.work();
        }
        ok!(raft_node_tick(host.node));
    }
}

#[test]
fn every_flipped_bit_of_a_message_is_survived() {
    for message in messages() {
        let mut host = follower();
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            step(&host, &flipped);
            host.work();
        }
        ok!(raft_node_tick(host.node));
    }
}

#[test]
fn noise_is_survived_by_followers_and_leaders() {
    let mut noise = Noise(0x9e37_79b9);
    let samples = messages();
    for mut host in [follower(), Host::leader()] {
        let mut refused = 0;
        for _ in 0..3000 {
            let mut input = match noise.below(3) {
                0 => (0..noise.below(64)).map(|_| noise.next() as u8).collect(),
                _ => samples[noise.below(samples.len())].clone(),
            };
            for _ in 0..noise.below(4) {
                if !input.is_empty() {
                    let at = noise.below(input.len());
                    input[at] = noise.next() as u8;
                }
            }
            refused += u32::from(step(&host, &input) != RAFT_OK);
            host.work();
        }
        assert!(refused > 1000, "only {refused} of 3000 were refused");
        ok!(raft_node_tick(host.node));
        assert_eq!(unsafe { raft_node_id(host.node) }, 1);
    }
}

#[test]
fn noise_in_place_of_encoded_arguments_is_refused() {
    let mut noise = Noise(77);
    let host = Host::leader();
    let settings = Settings::new(1);
    for _ in 0..2000 {
        let input: Vec<u8> = (0..1 + noise.below(40))
            .map(|_| noise.next() as u8)
            .collect();
        let (data, len) = (input.as_ptr(), input.len());
        let views = [view(&input)];
        let before = host.everything();
        let mut view = unsafe { std::mem::zeroed::<raft_message>() };
        let mut node = null_mut();
        let statuses = unsafe {
            [
                raft_message_decode(data, len, &mut view, null_mut()),
                raft_node_step_many(host.node, data, len, null_mut()),
                raft_node_provide_entries(host.node, 1, views.as_ptr(), 1, null_mut()),
                raft_node_provide_snapshot(host.node, 1, data, len, null_mut()),
                raft_storage_append(host.storage, null(), null(), 0, data, len, true, null_mut()),
                raft_storage_append(
                    host.storage,
                    null(),
                    views.as_ptr(),
                    1,
                    null(),
                    0,
                    true,
                    null_mut(),
                ),
                raft_storage_append_message(host.storage, data, len, null_mut()),
                raft_node_restart(settings.0, data, len, &mut node, null_mut()),
            ]
        };
        unsafe { raft_node_free(node) };
        for status in statuses {
            assert!(![RAFT_ERR_PANIC, RAFT_ERR_POISONED].contains(&status));
        }
        if ![RAFT_OK, RAFT_ERR_DROPPED].contains(&statuses[1]) {
            assert_eq!(host.everything(), before);
        }
    }
}

#[test]
fn local_messages_and_strangers_are_told_apart() {
    let host = Host::leader();
    // {type: MsgHup, to: 1, from: 1}
    let local = [0x08, 0x00, 0x10, 0x01, 0x18, 0x01];
    assert_eq!(step(&host, &local), RAFT_ERR_LOCAL_MESSAGE);
    let stranger = codec::encode_message(&Message {
        to: 1,
        from: 99,
        term: host.status().term,
        body: Body::Accept { index: 1 },
    });
    assert_eq!(step(&host, &stranger), RAFT_ERR_UNKNOWN_PEER);
    let beyond = codec::encode_message(&Message {
        to: 1,
        from: 2,
        term: u64::MAX,
        body: Body::TimeoutNow,
    });
    assert_eq!(step(&host, &beyond), RAFT_ERR_IMPOSSIBLE);
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let frame = |message: &[u8]| {
        let mut frame = Vec::new();
        prost::encoding::encode_varint(message.len() as u64, &mut frame);
        frame.extend_from_slice(message);
        frame
    };
    let heartbeat = |term| {
        codec::encode_message(&Message {
            to: 1,
            from: 2,
            term,
            body: Body::Heartbeat {
                commit: 1,
                context: Bytes::new(),
            },
        })
    };
    let host = follower();
    let good = [frame(&heartbeat(5)), frame(&heartbeat(6))].concat();

    // Cut anywhere but between the frames, it has no effect at all.
    let before = host.everything();
    let boundary = frame(&heartbeat(5)).len();
    for end in (1..good.len()).filter(|end| *end != boundary) {
        let (status, _) = err!(raft_node_step_many(host.node, good.as_ptr(), end));
        assert_eq!(status, RAFT_ERR_MALFORMED, "cut at {end}");
        assert_eq!(host.everything(), before);
    }
    for bad in [
        vec![0xff; 11],
        vec![0x80],
        vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        frame(&[0xff]),
    ] {
        let mixed = [good.clone(), bad].concat();
        let (status, _) = err!(raft_node_step_many(host.node, mixed.as_ptr(), mixed.len()));
        assert_eq!(status, RAFT_ERR_MALFORMED);
        assert_eq!(host.everything(), before);
    }

    // A message that the node refuses does not keep the next one from it.
    let stranger = codec::encode_message(&Message {
        to: 1,
        from: 99,
        term: 1,
        body: Body::Accept { index: 1 },
    });
    let mixed = [frame(&stranger), good].concat();
    let (status, _) = err!(raft_node_step_many(host.node, mixed.as_ptr(), mixed.len()));
    assert_eq!(status, RAFT_ERR_UNKNOWN_PEER);
    assert_eq!((host.status().term, host.status().leader), (6, 2));
}

/// Lets a node do what it does, and looks only for defects of the library.
fn exercise(node: *mut raft_node) {
    let sound = |status: raft_status| {
        assert!(![RAFT_ERR_PANIC, RAFT_ERR_POISONED].contains(&status));
        status
    };
    for round in 0..30 {
        let mut ready = null();
        unsafe {
            if round == 5 {
                sound(raft_node_campaign(node, null_mut()));
            }
            sound(raft_node_tick(node, null_mut()));
            sound(raft_node_propose(node, b"x".as_ptr(), 1, null_mut()));
            if sound(raft_node_ready(node, &mut ready, null_mut())) == RAFT_OK {
                sound(raft_node_advance(node, null_mut()));
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_restart_state_is_survived() {
    let mut host = Host::leader();
    ok!(raft_node_propose_conf_change(
        host.node,
        crate::conf_change::RAFT_CONF_CHANGE_ADD_LEARNER_NODE,
        2,
        null(),
        0
    ));
    host.propose(b"x");
    host.work();
    let mut buffer = null_mut();
    ok!(raft_storage_restart_state(host.storage, &mut buffer));
    let state = bytes(unsafe { raft_buffer_bytes(buffer) }).to_vec();
    unsafe { raft_buffer_free(buffer) };
    let settings = Settings::new(1);
    let (mut started, mut refused) = (0, 0);
    for bit in 0..state.len() * 8 {
        let mut flipped = state.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut node = null_mut();
        let mut error = null_mut();
        let status = unsafe {
            raft_node_restart(
                settings.0,
                flipped.as_ptr(),
                flipped.len(),
                &mut node,
                &mut error,
            )
        };
        let words = message(error);
        unsafe { raft_error_free(error) };
        match status {
            RAFT_OK => {
                started += 1;
                exercise(node);
            }
            RAFT_ERR_MALFORMED | RAFT_ERR_IMPOSSIBLE | RAFT_ERR_RESTART_STATE => refused += 1,
            other => panic!("{other}: {words}"),
        }
        unsafe { raft_node_free(node) };
    }
    assert!(started > 0 && refused > 0, "{started} and {refused}");
}

#[test]
fn every_flipped_bit_of_a_stored_snapshot_is_survived() {
    let snapshot = codec::encode_snapshot(&Snapshot {
        id: EntryId { term: 2, index: 7 },
        conf_state: libraft_core::ConfState::of_voters([1, 2, 3]),
        data: Bytes::from_static(b"state"),
    });
    let settings = Settings::new(1);
    for bit in 0..snapshot.len() * 8 {
        let mut flipped = snapshot.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let storage = memory(&[]);
        let mut node = null_mut();
        unsafe {
            let (data, len) = (flipped.as_ptr(), flipped.len());
            let status =
                raft_storage_append(storage, null(), null(), 0, data, len, true, null_mut());
            assert!(![RAFT_ERR_PANIC, RAFT_ERR_POISONED].contains(&status));
            match raft_node_new(settings.0, storage, &mut node, null_mut()) {
                RAFT_OK => exercise(node),
                status => assert_ne!(status, RAFT_ERR_PANIC),
            }
            raft_node_free(node);
            raft_storage_free(storage);
        }
    }
}

#[test]
fn a_message_nested_without_end_is_refused() {
    // Responses within responses: {type: MsgStorageAppend, responses: ..}
    let mut nested = vec![0x08, 0x13];
    for _ in 0..5_000 {
        let mut outer = vec![0x08, 0x13, 0x72];
        prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    let settings = Settings::new(1);
    ok!(raft_config_set_async_storage_writes(settings.0, true));
    let host = Host::new(&settings, &[1, 2]);
    for status in [step(&host, &nested), step(&follower(), &nested)] {
        assert_eq!(status, RAFT_ERR_MALFORMED);
    }
}
