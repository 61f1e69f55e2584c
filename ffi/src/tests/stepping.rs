//! A message as numbers comes to the same as its bytes, whatever the numbers are; and what one node lends, another
//! takes.

use libraft_core::proto::raftpb;
use prost::Message as _;

use super::recordings::{replay, taken};
use super::*;
use crate::entry::{RAFT_ENTRY_NORMAL, raft_entry};
use crate::message::*;

const TYPES: [raft_message_type; 4] = [
    RAFT_MSG_APP,
    RAFT_MSG_APP_RESP,
    RAFT_MSG_HEARTBEAT,
    RAFT_MSG_HEARTBEAT_RESP,
];

fn host(id: u64, encode: bool) -> Host {
    let settings = Settings::new(id);
    ok!(raft_config_set_encode_readys(settings.0, encode));
    ok!(raft_config_set_record_bytes(settings.0, 1 << 24));
    Host::new(&settings, &[1, 2, 3])
}

/// A number that fits, mostly, or one beyond all bounds.
fn position(noise: &mut Noise, around: u64) -> u64 {
    match noise.below(40) {
        0 => u64::MAX,
        1 => i64::MAX as u64 + 1,
        2 => i64::MAX as u64,
        3..8 => noise.below(12) as u64,
        _ => (around + noise.below(3) as u64).saturating_sub(1),
    }
}

/// A message for node 1 with its entries, by what they are made of, and the bytes that it has on the wire.
struct Drawn {
    message: raft_message,
    entries: Vec<(raft_entry, Vec<u8>, Vec<u8>)>,
    wire: Vec<u8>,
}

impl Drawn {
    fn new(noise: &mut Noise, status: &raft_node_status) -> Drawn {
        let last = status.last_index;
        let mut message = raft_message {
            r#type: TYPES[noise.below(4)],
            to: [1, 1, 1, 1, 2, 0][noise.below(6)],
            from: [1, 2, 2, 3, 3, 3, 4, 0][noise.below(8)],
            term: position(noise, status.term),
            log_term: position(noise, status.term),
            index: position(noise, last),
            commit: position(noise, status.commit),
            ..raft_message::EMPTY
        };
        if noise.below(3) == 0 {
            // One that fits for certain.
            (message.term, message.log_term, message.index) = (status.term.max(1), 1, 1);
        }
        let is_append = message.r#type == RAFT_MSG_APP;
        let is_heartbeat = message.r#type == RAFT_MSG_HEARTBEAT;
        let has_index = is_append || message.r#type == RAFT_MSG_APP_RESP;
        let mut proto = raftpb::Message {
            r#type: Some(message.r#type),
            to: Some(message.to),
            from: Some(message.from),
            term: Some(message.term),
            log_term: is_append.then_some(message.log_term),
            index: has_index.then_some(message.index),
            commit: (is_append || is_heartbeat).then_some(message.commit),
            ..Default::default()
        };
        let mut entries = Vec::new();
        for place in 0..[0, 0, 1, 1, 2, 5][noise.below(6)] {
            let index = message.index.wrapping_add(1 + place);
            let kind = match noise.below(30) {
                0 => 1 + noise.below(4) as i32,
                _ => RAFT_ENTRY_NORMAL,
            };
            let data = vec![7; [0, 1, 16, 300][noise.below(4)]];
            let mut one = raftpb::Entry {
                r#type: (kind != RAFT_ENTRY_NORMAL).then_some(kind),
                term: Some(if noise.below(20) == 0 {
                    position(noise, 1)
                } else {
                    message.term
                }),
                index: Some(if noise.below(20) == 0 {
                    position(noise, index)
                } else {
                    index
                }),
                data: (!data.is_empty()).then(|| data.clone().into()),
            };
            let view = raft_entry {
                term: one.term(),
                index: one.index(),
                r#type: kind,
                data: raft_bytes::EMPTY,
                encoded: raft_bytes::EMPTY,
            };
            let encoded = match noise.below(8) {
                0 => {
                    // What the numbers can't tell.
                    one.r#type = Some(kind);
                    one.encode_to_vec()
                }
                _ => Vec::new(),
            };
            proto.entries.push(one);
            entries.push((view, data, encoded));
        }
        if !is_append {
            proto.entries.clear();
        }
        Drawn {
            message,
            entries,
            wire: proto.encode_to_vec(),
        }
    }

    /// What the call says of it.
    fn step(&self, node: *mut raft_node) -> (raft_status, String) {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|(entry, data, encoded)| raft_entry {
                data: view(data),
                encoded: view(encoded),
                ..*entry
            })
            .collect();
        let message = raft_message {
            entries: crate::entry::pointer_to(&entries),
            entries_len: entries.len(),
            ..self.message
        };
        outcome(|error| unsafe { raft_node_step_message(node, &message, error) })
    }
}

fn outcome(call: impl FnOnce(*mut *mut raft_error) -> raft_status) -> (raft_status, String) {
    let mut error = null_mut();
    let status = call(&mut error);
    let words = match error.is_null() {
        true => String::new(),
        false => message(error),
    };
    unsafe { raft_error_free(error) };
    (status, words)
}

#[test]
fn a_message_in_numbers_is_what_its_bytes_are() {
    let (mut taken_in, mut refused, mut impossible) = (0, 0, 0);
    for seed in 1..=60 {
        let noise = &mut Noise(seed);
        let (mut by_bytes, mut by_numbers) = (host(1, true), host(1, true));
        for _ in 0..120 {
            match noise.below(12) {
                0 => [&by_bytes, &by_numbers].map(|host| ok!(raft_node_campaign(host.node))),
                1 => [&by_bytes, &by_numbers].map(|host| ok!(raft_node_tick(host.node))),
                2 => {
                    let sent = by_bytes.work();
                    assert_eq!(by_numbers.work(), sent, "seed {seed}");
                    continue;
                }
                _ => {
                    let drawn = Drawn::new(noise, &by_bytes.status());
                    let (data, len) = (drawn.wire.as_ptr(), drawn.wire.len());
                    let want =
                        outcome(|error| unsafe { raft_node_step(by_bytes.node, data, len, error) });
                    let got = drawn.step(by_numbers.node);
                    assert_eq!(got, want, "seed {seed}: {:?}", drawn.message);
                    match want.0 {
                        RAFT_OK => taken_in += 1,
                        RAFT_ERR_IMPOSSIBLE => impossible += 1,
                        _ => refused += 1,
                    }
                    assert_eq!(
                        by_numbers.everything(),
                        by_bytes.everything(),
                        "seed {seed}"
                    );
                    continue;
                }
            };
        }
        // What was seen was recorded, events and all.
        let (seen, report) = replay(&taken(by_numbers.node));
        let (want, of_bytes) = replay(&taken(by_bytes.node));
        assert_eq!((report.differs_at, report.calls), (0, of_bytes.calls));
        assert!(seen == want && seen == by_numbers.seen, "seed {seed}");
    }
    let counts = (taken_in, refused, impossible);
    assert!(
        taken_in > 1000 && refused > 50 && impossible > 500,
        "{counts:?}"
    );
}

#[test]
fn a_message_with_bytes_is_these() {
    let host = host(1, true);
    // A vote for node 2 in term 5, with numbers that say something else.
    let proto = raftpb::Message {
        r#type: Some(RAFT_MSG_VOTE),
        to: Some(1),
        from: Some(2),
        term: Some(5),
        index: Some(9),
        log_term: Some(4),
        ..Default::default()
    };
    let wire = proto.encode_to_vec();
    let message = raft_message {
        r#type: RAFT_MSG_HEARTBEAT,
        term: 7,
        encoded: view(&wire),
        ..raft_message::EMPTY
    };
    ok!(raft_node_step_message(host.node, &message));
    assert_eq!((host.status().term, host.status().vote), (5, 2));
}

#[test]
fn a_message_that_numbers_cant_tell_is_refused() {
    let host = host(1, true);
    let before = host.everything();
    for kind in (-1..=30).chain([100, 101, 102, i32::MIN, i32::MAX]) {
        if TYPES.contains(&kind) {
            continue;
        }
        let message = raft_message {
            r#type: kind,
            from: 2,
            term: 3,
            ..raft_message::EMPTY
        };
        let (status, words) = err!(raft_node_step_message(host.node, &message));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
        assert!(words.contains(&format!("type {kind} ")), "{words}");
    }
    assert_eq!(host.everything(), before);
}

/// Everything that three nodes say to each other, handed over as it is lent. Returns how many messages had entries
/// of their Ready and no bytes.
fn settle(hosts: &mut [Host]) -> usize {
    let mut lent = 0;
    while let Some(at) = hosts.iter().position(Host::has_ready) {
        let host = &hosts[at];
        let ready = host.ready();
        ok!(raft_storage_save(host.storage, ready));
        let own = unsafe { list(ready.entries, ready.entries_len) };
        for message in unsafe { list(ready.messages, ready.messages_len) } {
            let entries = unsafe { list(message.entries, message.entries_len) };
            if !entries.is_empty() {
                lent += 1;
                assert_eq!((message.r#type, message.encoded.len), (RAFT_MSG_APP, 0));
                assert!(
                    own.as_ptr_range().contains(&entries.as_ptr()),
                    "they are the Ready's own"
                );
                assert_eq!(entries[0].index, message.index + 1);
            }
            ok!(raft_node_step_message(
                hosts[message.to as usize - 1].node,
                message
            ));
        }
        let committed = unsafe { list(ready.committed_entries, ready.committed_entries_len) };
        let applied: Vec<_> = committed
            .iter()
            .map(|entry| bytes(entry.data).to_vec())
            .filter(|data| !data.is_empty())
            .collect();
        ok!(raft_node_advance(host.node));
        hosts[at].applied.extend(applied);
    }
    lent
}

#[test]
fn what_one_node_lends_another_takes() {
    let mut hosts: Vec<_> = (1..=3).map(|id| host(id, false)).collect();
    ok!(raft_node_campaign(hosts[0].node));
    settle(&mut hosts);
    let mut lent = 0;
    for round in 0..50u8 {
        for _ in 0..=round % 3 {
            hosts[0].propose(&vec![round; 3 * usize::from(round) + 1]);
        }
        ok!(raft_node_tick(hosts[0].node));
        lent += settle(&mut hosts);
    }
    assert_eq!(hosts[0].applied.len(), 99);
    assert!(hosts.iter().all(|host| host.applied == hosts[0].applied));
    assert_eq!(lent, 100);
}
