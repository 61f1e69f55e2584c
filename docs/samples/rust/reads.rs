//! A linearizable read.

use libraft_core::{ConfState, Config, Node};
use libraft_storage::{MemoryStorage, Storage};

#[test]
fn a_read_waits_until_its_index_is_applied() -> Result<(), Box<dyn std::error::Error>> {
    let storage = MemoryStorage::new();
    storage.bootstrap_members(ConfState::of_voters([1]))?;
    let mut node = Node::new(Config::new(1), storage.restart_state())?;
    node.campaign()?;
    drive(&mut node, &storage)?;
    // --8<-- [start:read]
    // A name for the read that is never used again.
    node.read_index("read 1".into())?;
    let (index, served) = drive(&mut node, &storage)?;
    assert!(served.contains(&"read 1".into()));
    assert!(node.status().basic.applied >= index);
    // --8<-- [end:read]
    Ok(())
}

/// The host's loop: the highest read index it has seen, and the reads that may be served.
fn drive(
    node: &mut Node,
    storage: &impl Storage,
) -> Result<(u64, Vec<bytes::Bytes>), Box<dyn std::error::Error>> {
    let (mut index, mut served) = (0, Vec::new());
    while node.has_ready() {
        let ready = node.ready()?;
        storage.save(&ready)?;
        for read in &ready.read_states {
            index = index.max(read.index);
            served.push(read.context.clone());
        }
        node.advance()?;
    }
    Ok((index, served))
}
