//! Three members of a group in one process: one is elected, and what it is told is applied by all of
//! them; then the leader goes silent, and the other two go on.

use std::collections::BTreeMap;

use libraft_core::{ConfState, Config, Message, Node, NodeId, Role, codec};
use libraft_storage::{MemoryStorage, Storage};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Member {
    node: Node,
    storage: MemoryStorage,
    applied: Vec<String>,
}

impl Member {
    fn start(id: NodeId) -> Outcome<Member> {
        let storage = MemoryStorage::new();
        // Every first member begins with the same configuration.
        storage.bootstrap_members(ConfState::of_voters([1, 2, 3]))?;
        let mut config = Config::new(id);
        config.seed = id; // So that this runs alike each time; a program draws it.
        let node = Node::new(config, storage.restart_state())?;
        Ok(Member {
            node,
            storage,
            applied: Vec::new(),
        })
    }

    /// Does what the node asks for, and returns what is to be sent.
    fn work(&mut self) -> Outcome<Vec<Message>> {
        let mut outgoing = Vec::new();
        while self.node.has_ready() {
            let ready = self.node.ready()?;
            self.storage.save(&ready)?; // Before anything is sent.
            outgoing.extend(ready.messages);
            for entry in ready
                .committed_entries
                .iter()
                .filter(|e| !e.data.is_empty())
            {
                self.applied.push(String::from_utf8(entry.data.to_vec())?);
            }
            // Entries that have left the core's memory come from the storage.
            for read in ready.reads {
                let entries = self.storage.entries(read.low, read.high, read.max_bytes)?;
                self.node.provide_entries(read.id, entries)?;
            }
            self.node.advance()?;
        }
        Ok(outgoing)
    }
}

/// A network that loses nothing but what is to and from `silent`.
fn deliver(group: &mut BTreeMap<NodeId, Member>, silent: Option<NodeId>) -> Outcome<()> {
    loop {
        let mut travelling = Vec::new();
        for (id, member) in group.iter_mut() {
            let outgoing = member.work()?;
            if silent != Some(*id) {
                travelling.extend(outgoing);
            }
        }
        if travelling.is_empty() {
            return Ok(());
        }
        for message in travelling.iter().filter(|m| silent != Some(m.to)) {
            // As bytes, as they would be between processes.
            let bytes = codec::encode_message(message);
            // What a peer says may be late or wrong; that is no reason to stop.
            let _ = group.get_mut(&message.to).unwrap().node.step_slice(&bytes);
        }
    }
}

/// Lets time pass until somebody other than `silent` leads.
fn elect(group: &mut BTreeMap<NodeId, Member>, silent: Option<NodeId>) -> Outcome<NodeId> {
    for _ in 0..1000 {
        for (id, member) in group.iter_mut() {
            if silent != Some(*id) {
                member.node.tick()?;
            }
        }
        deliver(group, silent)?;
        let leads = |member: &Member| member.node.basic_status().soft_state.role == Role::Leader;
        if let Some((id, _)) = group
            .iter()
            .find(|(id, m)| silent != Some(**id) && leads(m))
        {
            return Ok(*id);
        }
    }
    Err("nobody is elected".into())
}

/// Runs the example.
pub fn main() -> Outcome<()> {
    let mut group = BTreeMap::new();
    for id in 1..=3 {
        group.insert(id, Member::start(id)?);
    }
    let first = elect(&mut group, None)?;
    group
        .get_mut(&first)
        .unwrap()
        .node
        .propose("hello".into())?;
    deliver(&mut group, None)?;

    let second = elect(&mut group, Some(first))?;
    group
        .get_mut(&second)
        .unwrap()
        .node
        .propose("goodbye".into())?;
    deliver(&mut group, Some(first))?;
    assert_ne!(first, second);
    for (id, member) in &group {
        println!("{id}: {:?}", member.applied);
        let expected: &[&str] = if *id == first {
            &["hello"]
        } else {
            &["hello", "goodbye"]
        };
        assert_eq!(member.applied, expected);
    }
    Ok(())
}
