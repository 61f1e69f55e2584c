//! Recordings of nodes that work: played again they do the same, and a node does the same whether it
//! is recorded or not. What is hostile or damaged is in `recording/tests.rs`.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::random_tests::World;
use crate::codec;
use crate::node::Node;
use crate::recording::{Limits, Player, Reader};

const SEEDS: u64 = 24;
const PLENTY: u64 = 1 << 30;

/// Lives a while, and gives the recordings of all lives.
fn recordings(seed: u64) -> Vec<Bytes> {
    let mut world = World::recorded(seed, PLENTY);
    for _ in 0..world.events() {
        world.event();
    }
    world.heal();
    let mut recordings = Vec::new();
    for member in &mut world.members {
        recordings.append(&mut member.recordings);
        recordings.push(member.node.record_take());
    }
    recordings
}

#[test]
fn every_recorded_call_does_the_same_again() {
    let (mut calls, mut answers) = (0, 0);
    let mut kinds = BTreeSet::new();
    for bytes in (0..SEEDS).flat_map(recordings) {
        let mut player = Player::new(bytes, Limits::default()).unwrap();
        while let Some(played) = player.play().unwrap() {
            let (number, name) = (played.number, played.call.name());
            assert_eq!(played.difference, None, "call {number}, {name}");
            calls += 1;
            answers += u64::from(played.shown_ready().is_some());
            kinds.insert(name);
        }
    }
    assert!(calls > 1000 * SEEDS && answers > 100 * SEEDS);
    assert!(kinds.len() > 15, "{kinds:?}");
}

#[test]
fn a_node_that_is_made_again_records_the_same_bytes() {
    for bytes in (0..SEEDS / 2).flat_map(recordings) {
        let mut reader = Reader::new(bytes.clone()).unwrap();
        let start = reader.start().clone();
        let mut node = Node::new(start.config, start.state).unwrap();
        while let Some(record) = reader.next_call().unwrap() {
            let _ = record.call.unwrap().make(&mut node).unwrap();
        }
        assert_eq!(node.record_take(), bytes);
    }
}

#[test]
fn a_recorded_node_does_what_it_does_otherwise() {
    for seed in 0..SEEDS / 2 {
        let mut worlds = [World::new(seed), World::recorded(seed, PLENTY)];
        for _ in 0..worlds[0].events() {
            worlds.iter_mut().for_each(World::event);
        }
        // Each event is drawn from the last ones, so that one difference becomes many.
        let [plain, recorded] = worlds.each_ref().map(|world| {
            let sent = world.network.iter().map(codec::encode_message);
            let states = world.members.iter().map(|member| member.node.status());
            (sent.collect::<Vec<_>>(), states.collect::<Vec<_>>())
        });
        assert_eq!(plain, recorded);
    }
}
