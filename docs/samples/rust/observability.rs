//! What a node says about itself, in formats of others.

use libraft_core::prometheus::Exposition;
use libraft_core::{ConfState, Config, Node};
use libraft_storage::{MemoryStorage, Storage};

#[test]
fn a_node_tells_of_itself() -> Result<(), Box<dyn std::error::Error>> {
    let storage = MemoryStorage::new();
    storage.bootstrap_members(ConfState::of_voters([1]))?;
    let mut node = Node::new(Config::new(1), storage.restart_state())?;
    node.campaign()?;

    // --8<-- [start:log]
    // Whatever your log is. With the feature `tracing`, `libraft_core::tracing::emit` does this.
    while node.has_ready() {
        let ready = node.ready()?;
        for event in &ready.events {
            println!("{} node={} {event}", event.level().name(), 1);
        }
        storage.save(&ready)?;
        node.advance()?;
    }
    // --8<-- [end:log]

    // --8<-- [start:prometheus]
    // For each scrape: all the nodes of this process, each with the labels that tell it apart.
    let mut exposition = Exposition::default();
    exposition.add(&[("group", "accounts")], node.status(), node.metrics())?;
    let body = exposition.to_string(); // with Content-Type libraft_core::prometheus::CONTENT_TYPE
    // --8<-- [end:prometheus]
    assert!(body.contains("libraft_elections_won_total{node=\"1\",group=\"accounts\"} 1\n"));
    Ok(())
}
