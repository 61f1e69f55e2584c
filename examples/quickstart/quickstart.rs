//! One node, in memory: it elects itself, and applies what is proposed.

use libraft_core::{ConfState, Config, Node};
use libraft_storage::{MemoryStorage, Storage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let storage = MemoryStorage::new();
    storage.bootstrap_members(ConfState::of_voters([1]))?;
    let mut node = Node::new(Config::new(1), storage.restart_state())?;
    node.campaign()?; // Or node.tick(), every 100 ms, until an election timeout has passed.
    drive(&mut node, &storage)?;
    node.propose("hello".into())?;
    drive(&mut node, &storage)
}

fn drive(node: &mut Node, storage: &impl Storage) -> Result<(), Box<dyn std::error::Error>> {
    while node.has_ready() {
        let ready = node.ready()?;
        storage.save(&ready)?; // Before anything is sent.
        for message in &ready.messages {
            println!(
                "to {}: {:?}",
                message.to,
                libraft_core::codec::encode_message(message)
            );
        }
        for entry in &ready.committed_entries {
            println!("{}: {:?}", entry.index, entry.data);
        }
        node.advance()?;
    }
    Ok(())
}
