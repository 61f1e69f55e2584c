//! The workloads on libraft as a crate: messages are passed as values.

use bench_harness::{Applied, Mode, Payload, Replica};
use bytes::{Bytes, BytesMut};
use libraft_core::{
    ConfChangeKind, ConfChangeSingle, ConfChangeV2, ConfState, Config, EntryId, Message, Node,
    ReadRequest, Ready, Role, Snapshot, codec,
};
use libraft_storage::{MemoryStorage, Storage};

// In this order, so that what the driver counts in each turn is beside what the node looks at, and no wait for memory
// of its own.
#[repr(C)]
struct Libraft {
    applied: Applied,
    node: Node,
    storage: MemoryStorage,
}

impl Replica for Libraft {
    type Message = Message;
    type Scratch = Ready;

    fn new(id: u64, voters: &[u64], _mode: Mode) -> Libraft {
        let storage = MemoryStorage::new();
        let first = Snapshot {
            id: EntryId::default(),
            conf_state: ConfState::of_voters(voters.iter().copied()),
            data: Bytes::new(),
        };
        storage.bootstrap(first).expect("the storage is fresh");
        let config = Config {
            pre_vote: false,
            check_quorum: false,
            ..Config::new(id)
        };
        Libraft {
            node: Node::new(config, storage.restart_state()).expect("a sound configuration"),
            storage,
            applied: Applied::default(),
        }
    }

    fn to(message: &Message) -> u64 {
        message.to
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("the node is sound");
    }

    fn propose_each(&mut self, count: usize, payload: &mut Payload) {
        if count == 1 {
            // It has a buffer of its own, as with the other libraries.
            let data = Bytes::copy_from_slice(payload.next());
            self.node.propose(data).expect("the leader takes it");
            return;
        }
        for data in payloads(count, payload) {
            self.node.propose(data).expect("the leader takes it");
        }
    }

    fn propose_batch(&mut self, count: usize, payload: &mut Payload) {
        let data = payloads(count, payload);
        self.node.propose_many(data).expect("the leader takes them");
    }

    fn replace_voters(&mut self, old: &[u64], new: &[u64]) {
        let change = |kind| move |&node_id| ConfChangeSingle { kind, node_id };
        let added = new.iter().map(change(ConfChangeKind::AddNode));
        let removed = old.iter().map(change(ConfChangeKind::RemoveNode));
        let change = ConfChangeV2 {
            changes: added.chain(removed).collect(),
            ..ConfChangeV2::default()
        };
        let proposed = self.node.propose_conf_change_v2(&change);
        proposed.expect("the leader takes it");
    }

    fn read_index(&mut self, context: u64) {
        let context = Bytes::copy_from_slice(&context.to_le_bytes());
        self.node.read_index(context).expect("the leader takes it");
    }

    fn tick(&mut self) {
        self.node.tick().expect("the node is sound");
    }

    fn has_ready(&self) -> bool {
        self.node.has_ready()
    }

    fn step(&mut self, message: Message) {
        // A node that has been removed is refused.
        let _ = self.node.step(message);
    }

    fn process(&mut self, ready: &mut Ready, send: &mut Vec<Message>) {
        let taken = self.node.ready_into(ready);
        taken.expect("the last one was advanced");
        let saved = self.storage.save(ready);
        saved.expect("the entries fit the log");
        // The list changes hands: the caller has sent all that it had in its own.
        std::mem::swap(send, &mut ready.messages);
        for entry in &ready.committed_entries {
            if entry.is_conf_change() {
                self.applied.apply(entry.index, b"");
                let change = codec::conf_change_of(entry).expect("a sound change");
                self.node.apply_conf_change(&change).expect("it fits");
            } else {
                self.applied.apply(entry.index, &entry.data);
            }
        }
        self.applied.reads += ready.read_states.len() as u64;
        self.node.advance().expect("a Ready was taken");
        if !ready.reads.is_empty() {
            self.answer(&ready.reads);
        }
    }

    fn compact(&mut self, first_index: u64) {
        self.storage.compact(first_index).expect("it is applied");
        self.node.compacted(first_index).expect("it is applied");
    }

    fn applied(&self) -> &Applied {
        &self.applied
    }

    fn is_leader(&self) -> bool {
        self.node.basic_status().soft_state.role == Role::Leader
    }

    fn last_entries(&self, count: usize) -> Vec<(u64, u64, Vec<u8>)> {
        let end = self.storage.last_index() + 1;
        let low = end.saturating_sub(count as u64);
        let low = low.max(self.storage.first_index());
        let entries = self.storage.entries(low, end, u64::MAX);
        let entries = entries.expect("they are stored").into_iter();
        let outline = |entry: libraft_core::Entry| (entry.term, entry.index, entry.data.to_vec());
        entries.map(outline).collect()
    }
}

impl Libraft {
    /// What new members need: all others have it, so that the node no longer does.
    fn answer(&mut self, reads: &[ReadRequest]) {
        for read in reads {
            let entries = self.storage.entries(read.low, read.high, read.max_bytes);
            let entries = entries.expect("the log begins earlier");
            let taken = self.node.provide_entries(read.id, entries);
            taken.expect("they are what was asked for");
        }
    }
}

/// Commands as a host has them: cut from the one buffer in which they have arrived together.
fn payloads(count: usize, payload: &mut Payload) -> impl Iterator<Item = Bytes> {
    let len = payload.len();
    let mut buffer = BytesMut::with_capacity(count * len);
    for _ in 0..count {
        buffer.extend_from_slice(payload.next());
    }
    let mut buffer = buffer.freeze();
    (0..count).map(move |_| buffer.split_to(len))
}

fn main() {
    bench_harness::main::<Libraft>("libraft");
}
