//! A member that keeps what it promises on disk, and goes on after a restart where it was: with its
//! term, its vote and its log. What it has applied it keeps in memory, and so applies it again.

use std::path::Path;

use libraft_core::{ConfState, Config, Node};
use libraft_storage::{DurableStorage, Storage};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One life of the member: what it has applied, and its term at the end.
fn live(directory: &Path, say: Option<&'static str>) -> Outcome<(Vec<String>, u64)> {
    // A second process that opens it gets an error that says so.
    let storage = DurableStorage::open(directory)?;
    if storage.is_fresh() {
        storage.bootstrap_members(ConfState::of_voters([1]))?;
    }
    let report = storage.recovery_report();
    println!("recovered: {report:?}");
    let mut node = Node::new(Config::new(1), storage.restart_state())?;
    let mut applied = Vec::new();
    drive(&mut node, &storage, &mut applied)?;
    if let Some(text) = say {
        node.campaign()?;
        drive(&mut node, &storage, &mut applied)?;
        node.propose(text.into())?;
        drive(&mut node, &storage, &mut applied)?;
    }
    Ok((applied, node.status().basic.hard_state.term))
}

fn drive(node: &mut Node, storage: &DurableStorage, applied: &mut Vec<String>) -> Outcome<()> {
    while node.has_ready() {
        let ready = node.ready()?;
        storage.save(&ready)?;
        for entry in ready
            .committed_entries
            .iter()
            .filter(|e| !e.data.is_empty())
        {
            applied.push(String::from_utf8(entry.data.to_vec())?);
        }
        for read in ready.reads {
            let entries = storage.entries(read.low, read.high, read.max_bytes)?;
            node.provide_entries(read.id, entries)?;
        }
        node.advance()?;
    }
    Ok(())
}

/// Runs the example.
pub fn main() -> Outcome<()> {
    let directory = tempfile::tempdir()?; // A program takes a directory that stays.
    let (applied, term) = live(directory.path(), Some("hello"))?;
    assert_eq!(applied, ["hello"]);

    let (again, same_term) = live(directory.path(), None)?;
    assert_eq!((again, same_term), (applied, term));
    println!("after the restart, in term {term}: hello");

    let (more, later_term) = live(directory.path(), Some("world"))?;
    assert_eq!(more, ["hello", "world"]);
    assert!(later_term > term);
    Ok(())
}
