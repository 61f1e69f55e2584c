//! Every message there and back, and whatever else may come in.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Of any number of bits, and so of any length.
fn position() -> impl Strategy<Value = u64> {
    let any_length = (any::<u64>(), 1..64).prop_map(|(bits, unused)| bits >> unused);
    prop_oneof![Just(0), 1..200u64, Just(MAX_POSITION), any_length]
}

/// Some of them so long that the length of what they are in takes another byte.
fn payload() -> impl Strategy<Value = Bytes> {
    let length = prop_oneof![8 => 0..20_usize, 1 => 40..140_usize];
    length
        .prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length))
        .prop_map(Bytes::from)
}

fn long_entry() -> impl Strategy<Value = Entry> {
    let length = prop_oneof![1..40_u32, 40..140_u32, 16200..16500_u32];
    (entry(), length).prop_map(|(entry, length)| Entry {
        data: (0..length).map(|number| number as u8).collect(),
        explicit: Explicit {
            data: false,
            ..entry.explicit
        },
        ..entry
    })
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    (position(), position()).prop_map(|(term, index)| EntryId { term, index })
}

fn entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        Just(EntryKind::Normal),
        Just(EntryKind::ConfChange),
        Just(EntryKind::ConfChangeV2),
    ];
    let place = (position(), 1..=MAX_POSITION);
    (place, kind, payload(), any::<[bool; 2]>()).prop_map(
        |((term, index), kind, data, explicit)| {
            Entry {
                term,
                index,
                kind,
                // Only what holds its default can be explicit.
                explicit: Explicit {
                    kind: explicit[0] && kind == EntryKind::Normal,
                    data: explicit[1] && data.is_empty(),
                },
                data,
            }
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec(entry(), 0..4)
}

fn ids() -> impl Strategy<Value = Vec<NodeId>> {
    proptest::collection::btree_set(any::<u64>(), 0..4).prop_map(|set| set.into_iter().collect())
}

fn conf_state() -> impl Strategy<Value = ConfState> {
    (ids(), ids(), ids(), ids(), any::<bool>()).prop_map(
        |(voters, learners, voters_outgoing, learners_next, auto_leave)| ConfState {
            voters,
            learners,
            voters_outgoing,
            learners_next,
            auto_leave,
        },
    )
}

fn snapshot() -> impl Strategy<Value = Box<Snapshot>> {
    (entry_id(), conf_state(), payload()).prop_map(|(id, conf_state, data)| {
        Box::new(Snapshot {
            id,
            conf_state,
            data,
        })
    })
}

fn optional_snapshot() -> impl Strategy<Value = Option<Box<Snapshot>>> {
    proptest::option::of(snapshot())
}

fn ticket() -> impl Strategy<Value = Ticket> {
    (any::<u64>(), 1..=u64::MAX, position()).prop_map(|(incarnation, number, term)| Ticket {
        incarnation,
        number,
        term,
    })
}

fn drop_reason() -> impl Strategy<Value = DropReason> {
    (0..12_u64, position()).prop_map(|(number, index)| DropReason::from_number(number, index))
}

fn peer_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (entries(), proptest::option::of(ticket())).prop_map(|(entries, ticket)| Body::Propose {
            entries,
            ticket: ticket.map(Box::new)
        }),
        (entry_id(), entries(), position()).prop_map(|(prev, entries, commit)| Body::Append {
            prev,
            entries: entries.into(),
            commit
        }),
        position().prop_map(|index| Body::Accept { index }),
        Just(Body::Outdated),
        (position(), entry_id()).prop_map(|(index, hint)| Body::Reject { index, hint }),
        (any::<bool>(), entry_id(), any::<bool>(), any::<bool>()).prop_map(
            |(pre, last, transfer, reports)| Body::RequestVote {
                priority: -3,
                pre,
                last,
                transfer,
                reports,
            }
        ),
        (any::<bool>(), any::<bool>()).prop_map(|(pre, granted)| Body::Vote { pre, granted }),
        snapshot().prop_map(|snapshot| Body::InstallSnapshot { snapshot }),
        (position(), payload()).prop_map(|(commit, context)| Body::Heartbeat { commit, context }),
        payload().prop_map(|context| Body::HeartbeatResp { context }),
        (proptest::option::of(payload()), any::<bool>())
            .prop_map(|(context, reports)| Body::ReadIndex { context, reports }),
        (ticket(), drop_reason(), entries()).prop_map(|(ticket, reason, entries)| {
            Body::ProposalDropped {
                ticket: Box::new(ticket),
                reason,
                entries,
            }
        }),
        (drop_reason(), payload())
            .prop_map(|(reason, context)| Body::ReadDropped { reason, context }),
        position().prop_map(|as_of| Body::Removed { as_of }),
        (position(), proptest::option::of(payload()))
            .prop_map(|(index, context)| Body::ReadIndexResp { index, context }),
        Just(Body::TransferLeader),
        Just(Body::TimeoutNow),
        Just(Body::ForgetLeader),
    ]
}

fn message_of(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Message> {
    (any::<u64>(), any::<u64>(), position(), body).prop_map(|(to, from, term, body)| Message {
        to,
        from,
        term,
        body,
    })
}

fn storage_body() -> impl Strategy<Value = Body> {
    let responses = || proptest::collection::vec(message_of(peer_body()), 0..3);
    let last = (position(), 1..=MAX_POSITION).prop_map(|(term, index)| EntryId { term, index });
    prop_oneof![
        (entries(), optional_snapshot(), responses()).prop_map(|(entries, snapshot, responses)| {
            Body::StorageAppend(Box::new(StorageAppend {
                hard_state: None,
                entries: entries.into(),
                snapshot,
                responses,
            }))
        }),
        (proptest::option::of(last), optional_snapshot())
            .prop_map(|(last, snapshot)| Body::StorageAppendResp { last, snapshot }),
        (entries(), responses()).prop_map(|(entries, responses)| Body::StorageApply {
            entries: entries.into(),
            responses
        }),
        entries().prop_map(|entries| Body::StorageApplyResp {
            entries: entries.into()
        }),
    ]
}

/// Those that are written in one go have a length of one byte: 127 and less.
#[test]
fn a_message_of_any_length_around_that_of_a_short_one_is_what_prost_writes() {
    for len in 0..200 {
        let entry = Entry {
            term: 3,
            index: 8,
            data: vec![7; len].into(),
            ..Entry::default()
        };
        let message = |to| Message {
            to,
            from: 1,
            term: 3,
            body: Body::Append {
                prev: EntryId { term: 3, index: 7 },
                entries: vec![entry.clone()].into(),
                commit: 7,
            },
        };
        // The second one is the first one's copy.
        let both = [message(2), message(3)];
        let (mut written, mut expected) = (Buffer::default(), Vec::new());
        let mut writer = MessageWriter::default();
        for message in &both {
            writer.put(message, &mut written);
            expected.extend(message_to_proto(message).encode_length_delimited_to_vec());
        }
        assert_eq!(written.as_slice(), expected, "{len}");
    }
}

proptest! {
    #[test]
    fn every_message_of_a_peer_comes_back_as_it_was(message in message_of(peer_body())) {
        let bytes = encode_message(&message);
        prop_assert_eq!(decode_message(bytes.into()), Ok(message));
    }

    #[test]
    fn every_message_of_a_worker_comes_back_as_it_was(body in storage_body()) {
        let message = Message { to: 1, from: LOCAL_APPEND, term: 0, body };
        let bytes = encode_message(&message);
        prop_assert_eq!(decode_message(bytes.into()), Ok(message));
    }

    #[test]
    fn what_is_written_by_hand_is_what_prost_writes(message in message_of(peer_body())) {
        let expected = message_to_proto(&message).encode_to_vec();
        prop_assert_eq!(&encode_message(&message), &expected);
        let mut delimited = Buffer::from(vec![7]);
        let start = encode_message_delimited(&message, &mut delimited);
        let delimited = delimited.as_slice();
        prop_assert_eq!(&delimited[start..], &expected);
        prop_assert_eq!(pb::Message::decode_length_delimited(&delimited[1..]), Ok(message_to_proto(&message)));
    }

    #[test]
    fn messages_behind_their_entries_are_what_prost_writes(
        entries in proptest::collection::vec(long_entry(), 0..4),
        others in entries(),
        same in any::<bool>(),
    ) {
        let key = 4 << 3 | 2;
        let (mut written, mut expected) = (Buffer::from(vec![1]), vec![1]);
        let mut places = Vec::new();
        encode_entry_fields(&entries, 4, &mut written, |_, place| places.push(place));
        for (entry, place) in entries.iter().zip(places) {
            expected.push(key);
            expected.extend(entry_to_proto(entry).encode_length_delimited_to_vec());
            prop_assert_eq!(&written.as_slice()[place], &encode_entry(entry));
        }
        prop_assert_eq!(written.as_slice(), &expected);
        let (prev, commit) = (EntryId { term: 1, index: 1000 }, 1 << 21);
        let sent = if same { &entries } else { &others };
        let body = Body::Append { prev, entries: sent.clone().into(), commit };
        let to_all = [300, 1, 2, 127, 128, 5].map(|to| Message { to, from: 1, term: 1 << 14, body: body.clone() });
        let mut writer = MessageWriter::behind(&entries, 1..written.len());
        for message in &to_all {
            let start = writer.put(message, &mut written);
            expected.extend(message_to_proto(message).encode_length_delimited_to_vec());
            prop_assert_eq!(written.as_slice(), &expected);
            prop_assert_eq!(&written.as_slice()[start..], &message_to_proto(message).encode_to_vec());
        }
    }

    #[test]
    fn messages_in_a_row_are_what_prost_writes(
        messages in proptest::collection::vec(message_of(peer_body()), 1..4),
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<[bool; 4]>(), 1..200u64), 1..8),
    ) {
        // Some of them with the entries of another, and some with entries that differ in a little.
        let mut row = Vec::new();
        for (which, [again, later, longer, other], to) in order {
            let mut message: Message = which.get(&messages).clone();
            if other {
                message.to = to;
            }
            if again {
                row.push(message.clone());
                let to = (1 + to) ^ message.to;
                row.push(Message { to, ..message.clone() });
            }
            let mut list = match &message.body {
                Body::Append { entries, .. } => entries.to_vec(),
                Body::Propose { entries, .. } => entries.clone(),
                _ => Vec::new(),
            };
            if let Some(last) = list.last_mut() {
                last.term = last.term.min(5) + u64::from(later);
                if longer {
                    last.data = [&last.data[..], &[1]].concat().into();
                    last.explicit.data = false;
                }
            }
            match &mut message.body {
                Body::Append { entries, .. } => *entries = list.into(),
                Body::Propose { entries, .. } => *entries = list,
                _ => {}
            }
            row.push(message);
        }
        let (mut written, mut expected) = (Buffer::from(vec![1]), vec![1]);
        let mut writer = MessageWriter::default();
        for message in &row {
            let start = writer.put(message, &mut written);
            expected.extend(message_to_proto(message).encode_length_delimited_to_vec());
            prop_assert_eq!(written.as_slice(), &expected);
            prop_assert_eq!(&written.as_slice()[start..], &message_to_proto(message).encode_to_vec());
        }
    }

    #[test]
    fn hard_states_written_by_hand_are_what_prost_writes(numbers in any::<[u64; 3]>(), bits in 0..64) {
        let [term, vote, commit] = numbers.map(|number| number >> bits);
        let state = HardState { term, vote, commit };
        let expected = hard_state_to_proto(&state);
        let mut delimited = Buffer::default();
        encode_hard_state_delimited(&state, &mut delimited);
        prop_assert_eq!(delimited.as_slice(), expected.encode_length_delimited_to_vec());
    }

    #[test]
    fn a_copied_payload_is_the_same(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let copy = copied_payload(&payload);
        prop_assert_eq!(&copy, &payload);
        prop_assert_eq!(copy.clone().slice(payload.len() / 2..), &payload[payload.len() / 2..]);
    }

    #[test]
    fn entries_written_by_hand_are_what_prost_writes(entry in entry(), placed in any::<bool>()) {
        let index = if placed { entry.index } else { 0 };
        let entry = Entry { index, ..entry };
        let expected = entry_to_proto(&entry).encode_to_vec();
        prop_assert_eq!(&encode_entry(&entry), &expected);
        let mut delimited = Buffer::from(vec![7]);
        let start = encode_entry_delimited(&entry, &mut delimited);
        let delimited = Vec::from(delimited);
        prop_assert_eq!(&delimited[start..], &expected);
        prop_assert_eq!(pb::Entry::decode_length_delimited(&delimited[1..]), Ok(entry_to_proto(&entry)));
    }

    #[test]
    fn messages_whose_payloads_share_blocks_are_the_same(
        messages in proptest::collection::vec(message_of(peer_body()), 0..20),
    ) {
        let mut block = PayloadBlock::default();
        let read = |message| decode_message_into(&encode_message(message), &mut block);
        let read: Vec<_> = messages.iter().map(read).collect();
        for (read, message) in read.into_iter().zip(&messages) {
            prop_assert_eq!(read, decode_message(encode_message(message).into()));
        }
    }

    #[test]
    fn what_is_read_by_hand_is_what_prost_reads(
        message in message_of(peer_body()),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = message_to_proto(&message).encode_to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let bytes = Bytes::from(bytes);
        let read = hot::read(&bytes, &mut hot::Shared(&bytes));
        let mut block = PayloadBlock::default();
        prop_assert_eq!(&hot::read(&bytes, &mut block), &read);
        prop_assert_eq!(decode_message_copied(&bytes), decode_message(bytes.clone()));
        if let Some(read) = read {
            prop_assert_eq!(pb::Message::decode(bytes.clone()).map(message_from_proto), Ok(Ok(read)));
        }
        if let Some(read) = hot::read_entry(&bytes) {
            prop_assert_eq!(pb::Entry::decode(bytes).map(entry_from_proto), Ok(Ok(read)));
        }
    }

    #[test]
    fn the_size_of_an_entry_is_known_without_encoding_it(entry in entry()) {
        let bytes = encode_entry(&entry);
        prop_assert_eq!(entry_encoded_len(&entry), bytes.len());
        prop_assert_eq!(decode_entry(bytes.into()), Ok(entry));
    }

    #[test]
    fn snapshots_and_configurations_come_back_as_they_were(snapshot in snapshot()) {
        let bytes = encode_snapshot(&snapshot);
        prop_assert_eq!(decode_snapshot(bytes.into()), Ok(*snapshot.clone()));
        let bytes = encode_conf_state(&snapshot.conf_state);
        prop_assert_eq!(decode_conf_state(&bytes), Ok(snapshot.conf_state));
    }

    #[test]
    fn garbage_is_an_error_or_a_message_but_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(message) = decode_message(bytes.into()) {
            prop_assert!(message.term <= MAX_POSITION);
        }
    }

    #[test]
    fn a_damaged_message_is_an_error_or_a_message_but_never_a_panic(
        message in message_of(peer_body()),
        place in any::<prop::sample::Index>(),
        damage in 1..=255u8,
    ) {
        let mut bytes = encode_message(&message);
        let place = place.index(bytes.len());
        bytes[place] ^= damage;
        if let Ok(message) = decode_message(bytes.clone().into()) {
            prop_assert!(message.term <= MAX_POSITION);
        }
        let cut = decode_message(Bytes::from(bytes).slice(..place));
        prop_assert!(cut.is_ok() || matches!(
            cut,
            Err(Error::Malformed(_) | Error::Impossible(_) | Error::LocalMessage)
        ));
    }
}

#[test]
fn the_bytes_are_those_of_raftpb() {
    // From the definition: field 1 is the type, 2 to, 3 from, 4 term, 5 logTerm, 6 index,
    // 7 entries, 8 commit; in an entry 2 is the term, 3 the index, 4 the data.
    let message = Message {
        to: 2,
        from: 1,
        term: 7,
        body: Body::Append {
            prev: EntryId {
                term: 6,
                index: 300,
            },
            entries: vec![Entry {
                term: 7,
                index: 301,
                kind: EntryKind::Normal,
                data: Bytes::from_static(b"ab"),
                ..Entry::default()
            }]
            .into(),
            commit: 299,
        },
    };
    let expected = [
        0x08, 3, 0x10, 2, 0x18, 1, 0x20, 7, 0x28, 6, 0x30, 0xac, 0x02, 0x3a, 9, 0x10, 7, 0x18,
        0xad, 0x02, 0x22, 2, b'a', b'b', 0x40, 0xab, 0x02,
    ];
    assert_eq!(encode_message(&message), expected);
}

#[test]
fn the_messages_of_steady_state_are_read_by_hand() {
    let bodies = [
        Body::Append {
            prev: EntryId { term: 1, index: 1 },
            entries: vec![Entry::command(Bytes::from_static(b"a")); 3].into(),
            commit: 1,
        },
        Body::Accept { index: 3 },
        Body::Heartbeat {
            commit: 1,
            context: Bytes::from_static(b"context"),
        },
        Body::HeartbeatResp {
            context: Bytes::new(),
        },
    ];
    for body in bodies {
        let message = Message {
            to: 1,
            from: 2,
            term: 3,
            body,
        };
        let bytes = Bytes::from(encode_message(&message));
        assert_eq!(hot::read(&bytes, &mut hot::Shared(&bytes)), Some(message));
    }
}

#[test]
fn payloads_are_slices_of_the_input() {
    let entry = Entry {
        term: 1,
        index: 1,
        kind: EntryKind::Normal,
        data: Bytes::from(vec![9; 1000]),
        ..Entry::default()
    };
    let bytes = Bytes::from(encode_entry(&entry));
    let decoded = decode_entry(bytes.clone()).unwrap();
    assert!(bytes.as_ptr_range().contains(&decoded.data.as_ptr()));
}

#[test]
fn what_only_a_node_may_tell_itself_is_refused() {
    for kind in [0, 1, 10, 11, 12] {
        let bytes = vec![0x08, kind];
        assert_eq!(decode_message(bytes.into()), Err(Error::LocalMessage));
    }
}

#[test]
fn unknown_kinds_and_positions_out_of_bounds_are_refused() {
    let unknown = decode_message(vec![0x08, 99].into());
    assert!(matches!(unknown, Err(Error::Malformed(_))));
    // A term of 2^64 - 1.
    let mut bytes = vec![0x08, 8, 0x20];
    bytes.extend([0xff; 9]);
    bytes.push(0x01);
    let huge = decode_message(bytes.into());
    assert_eq!(huge, Err(Error::Impossible(Impossible::OutOfBounds)));
}

#[test]
fn configuration_changes_of_both_kinds_come_back_as_they_were() {
    let single = ConfChangeSingle {
        kind: ConfChangeKind::AddLearnerNode,
        node_id: 9,
    };
    let v1 = ConfChange {
        id: 3,
        change: single,
        context: Bytes::from_static(b"address"),
    };
    let bytes = encode_conf_change(&v1);
    assert_eq!(decode_conf_change(bytes.into()), Ok(v1.clone()));
    let v2 = ConfChangeV2 {
        transition: ConfChangeTransition::JointExplicit,
        changes: vec![single, ConfChangeSingle::default()],
        context: Bytes::from_static(b"address"),
    };
    let bytes = encode_conf_change_v2(&v2);
    assert_eq!(decode_conf_change_v2(bytes.into()), Ok(v2));
    let entry = Entry {
        kind: EntryKind::ConfChange,
        data: encode_conf_change(&v1).into(),
        ..Entry::default()
    };
    assert_eq!(conf_change_of(&entry), Ok(v1.into()));
    assert!(conf_change_of(&Entry::default()).is_err());
}
