//! The workloads on raft-rs, with its own storage in memory.
//!
//! Its best configuration joins appends to one follower (`batch_append`) and passes a batch of
//! commands in one MsgProp.

use bench_harness::{Applied, Mode, Payload, Replica};
use raft::eraftpb::{
    ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2, Entry, EntryType, Message,
    MessageType,
};
use raft::storage::{GetEntriesContext, MemStorage, Storage};
use raft::{Config, RawNode, StateRole};

// In the order of our own driver.
#[repr(C)]
struct RaftRs {
    applied: Applied,
    node: RawNode<MemStorage>,
}

impl RaftRs {
    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            let state = match entry.get_entry_type() {
                EntryType::EntryNormal => {
                    self.applied.apply(entry.index, &entry.data);
                    continue;
                }
                EntryType::EntryConfChange => {
                    let change = decode::<ConfChange>(&entry.data);
                    self.node.apply_conf_change(&change)
                }
                EntryType::EntryConfChangeV2 => {
                    let change = decode::<ConfChangeV2>(&entry.data);
                    self.node.apply_conf_change(&change)
                }
            };
            self.applied.apply(entry.index, b"");
            let state = state.expect("it fits");
            self.node.mut_store().wl().set_conf_state(state);
        }
    }
}

#[cfg(feature = "prost")]
fn decode<M: prost::Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).expect("a sound change")
}

#[cfg(not(feature = "prost"))]
fn decode<M: protobuf::Message>(bytes: &[u8]) -> M {
    M::parse_from_bytes(bytes).expect("a sound change")
}

impl Replica for RaftRs {
    type Message = Message;
    type Scratch = ();

    fn new(id: u64, voters: &[u64], mode: Mode) -> RaftRs {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            batch_append: mode == Mode::Best,
            ..Config::default()
        };
        let storage = MemStorage::new_with_conf_state((voters.to_vec(), vec![]));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        RaftRs {
            node: RawNode::new(&config, storage, &logger).expect("a sound configuration"),
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
        for _ in 0..count {
            let data = payload.next().to_vec();
            self.node
                .propose(vec![], data)
                .expect("the leader takes it");
        }
    }

    fn propose_batch(&mut self, count: usize, payload: &mut Payload) {
        let command = |_| Entry {
            data: payload.next().to_vec().into(),
            ..Entry::default()
        };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.node.raft.id;
        message.entries = (0..count).map(command).collect::<Vec<_>>().into();
        self.node.raft.step(message).expect("the leader takes them");
    }

    fn replace_voters(&mut self, old: &[u64], new: &[u64]) {
        let change = |kind| {
            move |&node_id: &u64| {
                let mut change = ConfChangeSingle::default();
                change.set_change_type(kind);
                change.node_id = node_id;
                change
            }
        };
        let added = new.iter().map(change(ConfChangeType::AddNode));
        let removed = old.iter().map(change(ConfChangeType::RemoveNode));
        let mut all = ConfChangeV2::default();
        all.changes = added.chain(removed).collect::<Vec<_>>().into();
        let proposed = self.node.propose_conf_change(vec![], all);
        proposed.expect("the leader takes it");
    }

    fn read_index(&mut self, context: u64) {
        self.node.read_index(context.to_le_bytes().to_vec());
    }

    fn tick(&mut self) {
        self.node.tick();
    }

    fn has_ready(&self) -> bool {
        self.node.has_ready()
    }

    fn step(&mut self, message: Message) {
        // A node that has been removed is refused.
        let _ = self.node.step(message);
    }

    fn process(&mut self, _: &mut (), send: &mut Vec<Message>) {
        let mut ready = self.node.ready();
        send.append(&mut ready.take_messages());
        let committed = ready.take_committed_entries();
        self.apply(&committed);
        if !ready.entries().is_empty() {
            let stored = self.node.mut_store().wl().append(ready.entries());
            stored.expect("the entries fit the log");
        }
        if let Some(state) = ready.hs() {
            self.node.mut_store().wl().set_hardstate(state.clone());
        }
        self.applied.reads += ready.read_states().len() as u64;
        send.append(&mut ready.take_persisted_messages());
        let mut light = self.node.advance(ready);
        if let Some(commit) = light.commit_index() {
            self.node.mut_store().wl().mut_hard_state().commit = commit;
        }
        send.append(&mut light.take_messages());
        let committed = light.take_committed_entries();
        self.apply(&committed);
        self.node.advance_apply();
    }

    fn compact(&mut self, first_index: u64) {
        let compacted = self.node.mut_store().wl().compact(first_index);
        compacted.expect("it is applied");
    }

    fn applied(&self) -> &Applied {
        &self.applied
    }

    fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn last_entries(&self, count: usize) -> Vec<(u64, u64, Vec<u8>)> {
        let storage = self.node.store();
        let end = storage.last_index().expect("in memory") + 1;
        let low = end.saturating_sub(count as u64);
        let low = low.max(storage.first_index().expect("in memory"));
        let context = GetEntriesContext::empty(false);
        let entries = storage.entries(low, end, None, context);
        let entries = entries.expect("they are stored").into_iter();
        entries
            .map(|entry| (entry.term, entry.index, entry.data.to_vec()))
            .collect()
    }
}

fn main() {
    bench_harness::main::<RaftRs>("raft-rs");
}
