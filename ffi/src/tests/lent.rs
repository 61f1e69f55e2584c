//! What a Ready lends stays as it is until its node gives the next one, whatever is called meanwhile.

use std::collections::{BTreeMap, VecDeque};

use libraft_core::codec;

use super::*;
use crate::storage::raft_storage_compact;

/// How far a host is with the last Ready.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Taken,
    Saved,
    Advanced,
}

/// A host that works in steps, with copies of all that its last Ready lends.
struct Slow {
    host: Host,
    stage: Stage,
    ready: *const raft_ready,
    lent: Vec<(raft_bytes, Vec<u8>)>,
    applied: u64,
}

impl Slow {
    /// Takes one step. What is to be sent goes to the queue: as bytes, which the node may not have made.
    fn turn(&mut self, queue: &mut VecDeque<(u64, Vec<u8>)>) {
        match self.stage {
            Stage::Advanced if self.host.has_ready() => {
                let ready = self.host.ready();
                self.lent = views(ready);
                let sent = &ready.core().expect("it is a node's").messages;
                queue.extend(
                    sent.iter()
                        .map(|message| (message.to, codec::encode_message(message))),
                );
                (self.ready, self.stage) = (ready, Stage::Taken);
            }
            Stage::Advanced => {}
            Stage::Taken => {
                ok!(raft_storage_save(self.host.storage, self.ready));
                self.stage = Stage::Saved;
            }
            Stage::Saved => {
                let ready = unsafe { &*self.ready };
                let committed =
                    unsafe { list(ready.committed_entries, ready.committed_entries_len) };
                self.applied = committed.last().map_or(self.applied, |entry| entry.index);
                ok!(raft_node_advance(self.host.node));
                self.stage = Stage::Advanced;
            }
        }
    }

    fn compact(&self) {
        let mut first = 0;
        ok!(raft_storage_first_index(self.host.storage, &mut first));
        if first <= self.applied {
            ok!(raft_storage_compact(self.host.storage, self.applied + 1));
        }
    }

    fn check(&self) {
        for (view, copy) in &self.lent {
            assert_eq!(bytes(*view), copy);
        }
    }
}

/// All bytes that a Ready lends.
fn views(ready: &raft_ready) -> Vec<(raft_bytes, Vec<u8>)> {
    let mut lent = vec![ready.encoded];
    for (entries, len) in [
        (ready.entries, ready.entries_len),
        (ready.committed_entries, ready.committed_entries_len),
    ] {
        let entries = unsafe { list(entries, len) };
        lent.extend(entries.iter().flat_map(|entry| [entry.data, entry.encoded]));
    }
    let messages = unsafe { list(ready.messages, ready.messages_len) };
    lent.extend(
        messages
            .iter()
            .flat_map(|message| [message.encoded, message.snapshot_data]),
    );
    lent.into_iter()
        .map(|view| (view, bytes(view).to_vec()))
        .collect()
}

/// Numbers that look drawn, the same each time.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Three nodes. Returns how many payloads were lent that the library has nowhere else as bytes.
fn run(seed: u64, messages: bool, entries: bool) -> usize {
    let mut draw = numbers(seed);
    let ids = [1, 2, 3];
    let mut hosts: BTreeMap<u64, Slow> = BTreeMap::new();
    for id in ids {
        let settings = Settings::new(id);
        ok!(raft_config_set_encode_readys(settings.0, messages));
        ok!(raft_config_set_encode_entries(settings.0, entries));
        let slow = Slow {
            host: Host::new(&settings, &ids),
            stage: Stage::Advanced,
            ready: null(),
            lent: Vec::new(),
            applied: 0,
        };
        hosts.insert(id, slow);
    }
    ok!(raft_node_campaign(hosts[&1].host.node));
    let (mut queue, mut bare) = (VecDeque::new(), 0);
    for _ in 0..600 {
        let id = 1 + draw(3);
        match draw(8) {
            0..4 => {
                let slow = hosts.get_mut(&id).expect("it is one of them");
                slow.turn(&mut queue);
                if slow.stage == Stage::Taken {
                    let ready = unsafe { &*slow.ready };
                    let entries = unsafe { list(ready.entries, ready.entries_len) };
                    bare += entries
                        .iter()
                        .filter(|entry| entry.encoded.len == 0)
                        .count();
                }
            }
            4..6 => {
                if let Some((to, message)) = queue.pop_front() {
                    let node = hosts[&to].host.node;
                    ok!(raft_node_step(node, message.as_ptr(), message.len()));
                }
            }
            6 => {
                // Short ones are copied into blocks of the node, long ones are not.
                let payload = vec![draw(256) as u8; draw(300) as usize];
                let node = hosts[&1].host.node;
                // Refused until it leads.
                unsafe { raft_node_propose(node, payload.as_ptr(), payload.len(), null_mut()) };
            }
            _ => match draw(4) {
                0 => hosts[&id].compact(),
                _ => ok!(raft_node_tick(hosts[&id].host.node)),
            },
        }
        hosts.values().for_each(Slow::check);
    }
    assert!(
        hosts.values().any(|slow| slow.applied > 10),
        "something was committed"
    );
    bare
}

#[test]
fn what_a_ready_lends_stays_until_the_next_one() {
    for seed in 1..=12 {
        assert_eq!(run(seed, true, true), 0);
        assert!(run(seed, true, false) > 10);
        assert!(run(seed, false, true) > 10);
    }
}
