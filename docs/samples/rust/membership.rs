//! A committed change of the members that the host rejects.

use libraft_core::{
    ConfChangeKind, ConfChangeSingle, ConfChangeV2, ConfState, Config, EntryKind, Node,
};
use libraft_storage::{MemoryStorage, Storage};

#[test]
fn a_rejected_change_leaves_the_members_as_they_are() -> Result<(), Box<dyn std::error::Error>> {
    let storage = MemoryStorage::new();
    storage.bootstrap_members(ConfState::of_voters([1]))?;
    let mut node = Node::new(Config::new(1), storage.restart_state())?;
    node.campaign()?;
    assert!(drive(&mut node, &storage)?.is_none());
    for _ in 0..2 {
        let change = ConfChangeV2 {
            changes: vec![ConfChangeSingle {
                kind: ConfChangeKind::AddNode,
                node_id: 2,
            }],
            ..ConfChangeV2::default()
        };
        // The second one too: a rejected change is no longer on its way.
        node.propose_conf_change_v2(&change)?;
        let members = drive(&mut node, &storage)?;
        assert_eq!(members, Some(ConfState::of_voters([1])));
    }
    Ok(())
}

/// The host's loop, which rejects each change: the members after the last of them.
fn drive(
    node: &mut Node,
    storage: &impl Storage,
) -> Result<Option<ConfState>, Box<dyn std::error::Error>> {
    let mut members = None;
    while node.has_ready() {
        let ready = node.ready()?;
        storage.save(&ready)?;
        for entry in &ready.committed_entries {
            if entry.kind == EntryKind::Normal {
                continue;
            }
            // --8<-- [start:reject]
            let nothing = ConfChangeV2 {
                changes: vec![ConfChangeSingle::default()],
                ..ConfChangeV2::default()
            };
            let unchanged = node.apply_conf_change(&nothing)?;
            // --8<-- [end:reject]
            members = Some(unchanged);
        }
        node.advance()?;
    }
    Ok(members)
}
