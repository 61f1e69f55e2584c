//! Groups of nodes on durable storages, of which the disk of one fails at some operation. The node
//! stops there, as a host does that can't save, and starts again later from what its disk has. What
//! any node has applied, all of them apply in the end, in the same order.
//!
//! It is the storage that is tested here: the network loses nothing but what is on its way to a
//! node that is down.

use std::collections::VecDeque;

use bytes::Bytes;
use libraft_core::{
    Body, Config, Message, Node, ReadFailure, Role, SnapshotRequest, SnapshotStatus, codec,
};

use super::*;

/// Rounds of ticks, proposals and messages while things go wrong.
const ROUNDS: usize = 60;
/// After so many more, all must be well.
const MORE_ROUNDS: usize = 300;
/// How long a node stays down.
const DOWN_ROUNDS: usize = 8;
/// A snapshot is made after so many entries, and the log compacted to some before it.
const SNAPSHOT_EVERY: u64 = 7;

struct Member {
    id: u64,
    sim: Sim,
    plan: Plan,
    running: Option<(Node, DurableStorage)>,
    /// The state machine, as in the storage's snapshot and the entries after it.
    commands: Vec<u64>,
    applied: u64,
    up_at: usize,
}

struct Group {
    members: Vec<Member>,
    messages: VecDeque<Message>,
    /// What was applied first at each place, by whomever.
    history: Vec<u64>,
    proposed: u64,
    unsynced: Option<Unsynced>,
    at: String,
}

impl Member {
    fn start(&mut self, voters: usize) -> Result<()> {
        let medium = Box::new(Faulty::new(&self.sim, &self.plan));
        let storage = recovery::open_on(medium, TIGHT)?;
        if storage.is_fresh() {
            storage.bootstrap_members(ConfState::of_voters(1..=voters as u64))?;
        }
        let config = Config {
            seed: self.id,
            // Nothing stays in memory, so that the storage is asked for all of it.
            max_cached_bytes: 1,
            ..Config::new(self.id)
        };
        let node = Node::new(config, storage.restart_state()).expect("a state to restart from");
        let snapshot = storage.snapshot()?;
        self.restore(&snapshot);
        self.running = Some((node, storage));
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.applied = snapshot.id.index;
        let (numbers, _) = snapshot.data.as_chunks::<8>();
        self.commands = numbers.iter().map(|n| u64::from_le_bytes(*n)).collect();
    }

    /// Does what the node asks for. The storage's errors stop it.
    fn work(&mut self, history: &mut Vec<u64>, out: &mut VecDeque<Message>) -> Result<()> {
        while let Some((node, storage)) = &mut self.running
            && node.has_ready()
        {
            let ready = node.ready().expect("a Ready");
            storage.save(&ready)?;
            out.extend(ready.messages.iter().cloned());
            for read in &ready.reads {
                match storage.entries(read.low, read.high, read.max_bytes) {
                    Ok(entries) => node.provide_entries(read.id, entries).unwrap(),
                    Err(Error::Compacted) => {
                        node.read_failed(read.id, ReadFailure::Compacted).unwrap();
                    }
                    Err(error) => return Err(error),
                }
            }
            for SnapshotRequest { id, .. } in &ready.snapshot_requests {
                node.provide_snapshot(*id, storage.snapshot()?).unwrap();
            }
            let before = self.applied;
            let entries = &ready.committed_entries;
            if let Some(snapshot) = &ready.snapshot {
                self.restore(snapshot);
                self.note(history);
            }
            for entry in entries {
                assert_eq!(entry.index, self.applied + 1);
                self.applied = entry.index;
                if let Ok(number) = <[u8; 8]>::try_from(&entry.data[..entry.data.len().min(8)]) {
                    self.commands.push(u64::from_le_bytes(number));
                }
            }
            self.note(history);
            let (node, storage) = self.running.as_mut().expect("it runs");
            node.advance().unwrap();
            if before / SNAPSHOT_EVERY != self.applied / SNAPSHOT_EVERY && !entries.is_empty() {
                let data: Vec<u8> = self.commands.iter().flat_map(|n| n.to_le_bytes()).collect();
                storage.create_snapshot(self.applied, None, data.into())?;
                let first = self.applied - 2;
                if first > storage.first_index() {
                    storage.compact(first)?;
                    node.compacted(first).unwrap();
                }
            }
        }
        Ok(())
    }

    /// Who applies first says what is to be applied; the others apply the same.
    fn note(&self, history: &mut Vec<u64>) {
        for (at, command) in self.commands.iter().enumerate() {
            match history.get(at) {
                Some(first) => assert_eq!(first, command, "node {} at {at}", self.id),
                None => history.push(*command),
            }
        }
    }
}

impl Group {
    fn new(size: usize, at: String, unsynced: Option<Unsynced>) -> Group {
        let member = |id| Member {
            id,
            sim: Sim::default(),
            plan: Plan::default(),
            running: None,
            commands: Vec::new(),
            applied: 0,
            up_at: 0,
        };
        Group {
            members: (1..=size as u64).map(member).collect(),
            messages: VecDeque::new(),
            history: Vec::new(),
            proposed: 0,
            unsynced,
            at,
        }
    }

    fn round(&mut self, round: usize, propose: bool) {
        let size = self.members.len();
        for at in 0..size {
            let member = &mut self.members[at];
            if member.running.is_none() && round >= member.up_at {
                let started = member.start(size);
                self.watch(at, round, started);
            }
            let member = &mut self.members[at];
            let Some((node, _)) = &mut member.running else {
                continue;
            };
            node.tick().unwrap();
            if propose && node.basic_status().soft_state.role == Role::Leader {
                // Large enough for pages of their own now and then.
                let mut data = vec![0; 40 + (self.proposed as usize % 5) * 1500];
                data[..8].copy_from_slice(&self.proposed.to_le_bytes());
                self.proposed += 1;
                node.propose(Bytes::from(data)).unwrap();
            }
            let worked = member.work(&mut self.history, &mut self.messages);
            self.watch(at, round, worked);
        }
        for _ in 0..self.messages.len() {
            let message = self.messages.pop_front().expect("as many as were counted");
            let at = message.to as usize - 1;
            let member = &mut self.members[at];
            let Some((node, _)) = &mut member.running else {
                continue;
            };
            // As it is on the way, so that what can't travel is found.
            let bytes = codec::encode_message(&message);
            node.step_bytes(bytes.into()).unwrap();
            let worked = member.work(&mut self.history, &mut self.messages);
            self.watch(at, round, worked);
            let sender = &mut self.members[message.from as usize - 1];
            if matches!(message.body, Body::InstallSnapshot { .. })
                && let Some((node, _)) = &mut sender.running
            {
                node.report_snapshot(message.to, SnapshotStatus::Finish)
                    .unwrap();
            }
        }
    }

    /// Stops a node whose storage has failed.
    fn watch(&mut self, at: usize, round: usize, result: Result<()>) {
        let Err(error) = result else { return };
        let member = &mut self.members[at];
        check_error(&error, &self.at);
        assert!(member.plan.hit(), "{}: {error}", self.at);
        member.running = None;
        member.up_at = round + DOWN_ROUNDS;
        member.plan = Plan::default();
        if let Some(unsynced) = self.unsynced {
            member.sim = power_cut(&member.sim, unsynced);
        }
    }

    /// Runs it all; returns what each node asked of its disk.
    fn run(mut self) -> Vec<Vec<Op>> {
        for round in 0..ROUNDS {
            self.round(round, true);
        }
        for member in &self.members {
            member.plan.heal();
        }
        let mut round = ROUNDS;
        let done = |group: &Group| {
            let all = |member: &Member| {
                member.running.is_some() && member.commands.len() == group.history.len()
            };
            group.members.iter().all(all)
        };
        // Some more are proposed, so that there is a leader of the end.
        let enough = self.history.len() + 3;
        while !done(&self) || self.history.len() < enough {
            assert!(round < ROUNDS + MORE_ROUNDS, "{}: no end of it", self.at);
            self.round(round, self.history.len() < enough);
            round += 1;
        }
        let members = self.members.into_iter();
        members
            .map(|member| {
                assert_eq!(member.commands, self.history, "{}", self.at);
                drop(member.running);
                member.plan.done()
            })
            .collect()
    }
}

fn a_group_survives(size: usize, usually: usize) {
    let clean = Group::new(size, "nothing".to_owned(), None).run();
    let stride = stride(usually);
    let (mut turn, mut tally) = (0, Tally::default());
    for (member, operations) in clean.iter().enumerate() {
        for (at, op) in operations.iter().enumerate() {
            for fault in Fault::ALL {
                if !fault.begins_with(*op) {
                    continue;
                }
                turn += 1;
                if turn % stride != 0 {
                    continue;
                }
                let unsynced = match turn / stride % 3 {
                    0 => None,
                    1 => Some(Unsynced::Lost),
                    _ => Some(Unsynced::Drawn(turn as u64)),
                };
                let what = format!("{fault:?} of node {member} at {at}, {op:?}, {unsynced:?}");
                let mut group = Group::new(size, what, unsynced);
                group.members[member].plan = Plan::after(at, fault);
                group.run();
                tally.add(format!("{fault:?}"));
            }
        }
    }
    tally.print(&format!("faults in groups of {size}"));
    assert!(tally.sum() > 100);
}

#[test]
fn what_a_node_has_applied_survives_the_faults_of_its_disk() {
    a_group_survives(1, 29);
}

#[test]
fn what_a_group_has_applied_survives_the_faults_of_a_disk() {
    a_group_survives(3, 97);
}
