//! Clusters under random faults, each from one seed: what was applied anywhere is the same
//! everywhere, no term has two leaders, and a healed cluster comes back to work. The
//! settings are drawn from the seed too, those of the extensions included.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fastrand::Rng;

use super::tests::protocol_state;
use crate::cluster::Member;
use crate::codec;
use crate::config::Config;
use crate::error::Error;
use crate::event::DropKind;
use crate::message::{Body, Message};
use crate::quorum;
use crate::types::*;

const SEEDS: u64 = 300;
const EVENTS: usize = 600;

/// A cluster whose network is a bag of messages: they are lost, doubled and reordered.
pub(super) struct World {
    rng: Rng,
    peers: Vec<(NodeId, Bytes)>,
    pub(super) members: Vec<Member>,
    pub(super) network: Vec<Message>,
    /// How often of ten times it is a member's append worker that gets on, and not its apply
    /// worker.
    append_share: Vec<u32>,
    /// The leader of each term.
    leaders: BTreeMap<Term, NodeId>,
    /// The entry at each index, as first applied by anybody.
    applied: BTreeMap<Index, Entry>,
    proposed: u64,
    /// Snapshots that were installed although their owners had the entries.
    reinstalled: u64,
    /// How often a node had applied more than it had persisted.
    applied_ahead: u64,
    /// The data of what was reported as dropped: none of it may be applied anywhere.
    dropped: BTreeSet<Bytes>,
    /// Reads that were reported as dropped: none of them may be answered.
    dropped_reads: BTreeSet<Bytes>,
    reports: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World::recorded(seed, 0)
    }

    /// The same, with [`Config::record_bytes`].
    pub(super) fn recorded(seed: u64, record_bytes: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let voters = rng.u64(1..=5);
        let peers: Vec<(NodeId, Bytes)> = (1..=voters).map(|id| (id, Bytes::new())).collect();
        // These must be the same everywhere: a node without either would not tell a leader that it
        // has a newer term, nor could it win against others that have a lease.
        let (pre_vote, check_quorum) = (rng.bool(), rng.bool());
        let async_storage_writes = rng.u32(..3) == 0;
        let prioritized = rng.u32(..3) == 0;
        // May be on in some nodes only.
        let reporting = rng.u32(0..3);
        let members = peers
            .iter()
            .map(|&(id, _)| {
                let mut config = Config::new(id);
                config.seed = seed;
                config.record_bytes = record_bytes;
                config.pre_vote = pre_vote;
                config.check_quorum = check_quorum;
                config.coalesce_appends = rng.bool();
                config.max_size_per_msg = rng.u64(1..200);
                config.max_inflight_msgs = rng.u32(1..5);
                config.max_cached_bytes = rng.u64(0..500);
                config.async_storage_writes = async_storage_writes;
                if prioritized {
                    config.priority = rng.i64(-1..=1);
                }
                if rng.bool() {
                    config.max_apply_unpersisted_entries = rng.u64(..10);
                }
                if rng.bool() {
                    config.min_election_ticks = rng.u32(10..15);
                    config.max_election_ticks = rng.u32(16..30);
                }
                config.peer_reports = rng.u32(1..3) <= reporting;
                if config.peer_reports {
                    config.max_uncommitted_bytes = [0, 40][rng.usize(0..2)];
                    config.max_pending_reads = rng.u32(1..4);
                }
                let mut member = Member::new(config, &[]);
                member.node.bootstrap(&peers).unwrap();
                member
            })
            .collect();
        let append_share = peers.iter().map(|_| rng.u32(1..10)).collect();
        let mut world = World {
            rng,
            peers,
            members,
            network: Vec::new(),
            append_share,
            leaders: BTreeMap::new(),
            applied: BTreeMap::new(),
            proposed: 0,
            reinstalled: 0,
            applied_ahead: 0,
            dropped: BTreeSet::new(),
            dropped_reads: BTreeSet::new(),
            reports: 0,
        };
        if world.rng.u32(..3) == 0 {
            world.assign_groups();
        }
        world
    }

    /// Everybody is told the same commit groups.
    fn assign_groups(&mut self) {
        let kinds = self.rng.u64(1..=3);
        let mut groups = Vec::new();
        for &(id, _) in &self.peers {
            let group = self.rng.u64(..=kinds);
            if group > 0 {
                groups.push((id, group));
            }
        }
        for member in &mut self.members {
            member.set_groups(&groups);
        }
    }

    /// How many things happen to it. With storage workers, it takes more until something comes of
    /// them.
    pub(super) fn events(&self) -> usize {
        match self.members[0].config.async_storage_writes {
            true => 4 * EVENTS,
            false => EVENTS,
        }
    }

    fn any_member(&mut self) -> usize {
        self.rng.usize(..self.members.len())
    }

    pub(super) fn event(&mut self) {
        match self.rng.u32(..120) {
            0..30 => {
                let place = self.any_member();
                self.members[place].node.tick().unwrap();
            }
            30..60 => {
                let place = self.any_member();
                self.process(place);
            }
            60..85 => self.deliver(),
            85..93 => {
                let place = self.any_member();
                self.proposed += 1;
                let name = format!("command {}", self.proposed);
                let changes = self.members[place].config.peer_reports;
                let node = &mut self.members[place].node;
                let result = match self.rng.u32(..8) {
                    0 if changes => node.propose_conf_change(&ConfChange {
                        change: ConfChangeSingle {
                            kind: ConfChangeKind::UpdateNode,
                            node_id: 1,
                        },
                        context: name.into(),
                        ..ConfChange::default()
                    }),
                    _ => node.propose(name.into()),
                };
                allow_drops(result);
            }
            93..95 => {
                let place = self.any_member();
                self.proposed += 1;
                let context = Bytes::from(format!("read {}", self.proposed));
                allow_drops(self.members[place].node.read_index(context));
            }
            95..97 => {
                let (place, target) = (self.any_member(), self.any_member() as u64 + 1);
                self.members[place].node.transfer_leader(target).unwrap();
            }
            97..98 => {
                let place = self.any_member();
                let peers = self.peers.clone();
                let member = &mut self.members[place];
                member.restart();
                if member.last_index() == 0 {
                    // The first members' entries had not been written.
                    member.node.bootstrap(&peers).unwrap();
                }
            }
            98..99 => {
                let place = self.any_member();
                let member = &mut self.members[place];
                let status = member.node.basic_status();
                let (first, last) = (member.compacted.index, status.applied.min(status.persisted));
                if last > first + 5 {
                    member.compact(last - 2);
                }
            }
            99..117 => {
                let place = self.any_member();
                self.work(place);
            }
            117..118 => {
                let place = self.any_member();
                match self.members[place].node.request_snapshot() {
                    Ok(()) | Err(Error::SnapshotRequestDropped(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            118..119 => {
                let (place, target) = (self.any_member(), self.any_member() as u64 + 1);
                let (messages, bytes) = (self.rng.u32(1..6), self.rng.u64(..500));
                let node = &mut self.members[place].node;
                node.set_inflight_limits(target, messages, bytes).unwrap();
            }
            _ => {
                let (place, target) = (self.any_member(), self.any_member() as u64 + 1);
                let node = &mut self.members[place].node;
                node.report_unreachable(target).unwrap();
                node.report_snapshot(target, SnapshotStatus::Failure)
                    .unwrap();
            }
        }
        self.check();
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let place = self.rng.usize(..self.network.len());
        let message = match self.rng.u32(..10) {
            // Delivered, and delivered again some other time.
            0 => self.network[place].clone(),
            _ => self.network.swap_remove(place),
        };
        let arrives = self.rng.u32(..10) > 0;
        if arrives {
            self.step(&message);
        }
        if let Body::InstallSnapshot { .. } = message.body {
            // The one message whose fate a leader has to be told.
            let status = match arrives {
                true => SnapshotStatus::Finish,
                false => SnapshotStatus::Failure,
            };
            let sender = &mut self.members[message.from as usize - 1].node;
            sender.report_snapshot(message.to, status).unwrap();
        }
    }

    fn step(&mut self, message: &Message) {
        let bytes = codec::encode_message(message);
        let member = &mut self.members[message.to as usize - 1];
        let committed = member.node.basic_status().hard_state.commit;
        allow_drops(member.node.step_bytes(bytes.into()));
        if let Body::InstallSnapshot { snapshot } = &message.body {
            let installs = member.node.raft.core().log.has_unstable_snapshot();
            self.reinstalled += u64::from(installs && snapshot.id.index == committed);
        }
    }

    fn process(&mut self, place: usize) {
        // Which checks itself that there is nothing to take where nothing is announced.
        self.members[place].node.clone().take_requests();
        if self.members[place].node.has_ready() {
            let sent = self.members[place].process();
            self.network.extend(sent);
        }
    }

    /// One of the storage workers does something.
    fn work(&mut self, place: usize) {
        let member = &mut self.members[place];
        if self.rng.u32(..10) < self.append_share[place] {
            let sent = member.work_append();
            self.network.extend(sent);
        } else {
            member.work_apply();
            let status = member.node.basic_status();
            self.applied_ahead += u64::from(status.applied > status.persisted);
        }
    }

    fn check(&mut self) {
        let mut newest = 0;
        for member in &mut self.members {
            let status = member.node.basic_status();
            if status.soft_state.role == Role::Leader {
                let leader = self
                    .leaders
                    .entry(status.hard_state.term)
                    .or_insert(status.id);
                assert_eq!(*leader, status.id, "two leaders in one term");
            }
            for entry in member.applied.drain(..) {
                newest = newest.max(entry.index);
                let first = self
                    .applied
                    .entry(entry.index)
                    .or_insert_with(|| entry.clone());
                assert_eq!(*first, entry, "two entries at one index");
                let data = &entry.data;
                assert!(
                    !self.dropped.contains(data),
                    "a dropped proposal is applied"
                );
            }
            for read in member.reads.drain(..) {
                let context = &read.context;
                assert!(
                    !self.dropped_reads.contains(context),
                    "a dropped read is answered"
                );
            }
            for dropped in member.dropped.drain(..) {
                self.reports += 1;
                if dropped.kind == DropKind::Read {
                    self.dropped_reads.insert(dropped.data);
                } else {
                    let data = &dropped.data;
                    let applied = self.applied.values().any(|entry| entry.data == *data);
                    assert!(!applied, "an applied proposal is reported as dropped");
                    self.dropped.insert(dropped.data);
                }
            }
            member.events.clear();
        }
        self.check_stored_in_groups(newest);
    }

    /// What has been applied anywhere is stored wherever the commit groups ask for.
    fn check_stored_in_groups(&self, applied: Index) {
        let Some(groups) = &self.members[0].groups else {
            return;
        };
        let voters: Vec<NodeId> = self.peers.iter().map(|&(id, _)| id).collect();
        let stored = |id: NodeId| Some(self.members[id as usize - 1].last_index());
        let group = |id| groups.iter().find(|of| of.0 == id).map_or(0, |of| of.1);
        let committed = quorum::group_committed_index([&voters, &[]], stored, group).index;
        // The first members' entries are committed from the start.
        let needed = applied > self.peers.len() as u64;
        assert!(!needed || applied <= committed, "{applied} > {committed}");
    }

    /// How many reports the nodes have sent since they last started.
    fn reports_sent(&self) -> u64 {
        let sent = |member: &Member| member.node.metrics().reports_sent;
        self.members.iter().map(sent).sum()
    }

    /// No more faults: there must be a leader soon, and everybody must catch up.
    pub(super) fn heal(&mut self) {
        for _ in 0..400 {
            for place in 0..self.members.len() {
                self.members[place].node.tick().unwrap();
                self.process(place);
                let member = &mut self.members[place];
                while !member.to_append.is_empty() || !member.to_apply.is_empty() {
                    self.network.extend(member.work_append());
                    member.work_apply();
                }
            }
            for message in std::mem::take(&mut self.network) {
                self.step(&message);
            }
            self.check();
        }
        let statuses: Vec<_> = self.members.iter().map(|m| m.node.basic_status()).collect();
        let leads = |status: &&crate::BasicStatus| status.soft_state.role == Role::Leader;
        assert_eq!(statuses.iter().filter(leads).count(), 1, "{statuses:?}");
        let applied = statuses[0].applied;
        assert!(
            statuses.iter().all(|status| status.applied == applied),
            "{statuses:?}"
        );
    }
}

fn allow_drops(result: crate::Result<()>) {
    match result {
        Ok(()) | Err(Error::ProposalDropped(_) | Error::ReadDropped(_)) => {}
        // A node that has not applied the first members' entries yet knows nobody.
        Err(Error::UnknownPeer(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn clusters_agree_under_faults_and_recover() {
    let (mut applied, mut reinstalled, mut ahead) = (0, 0, 0);
    let (mut reports, mut sent) = (0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..world.events() {
            world.event();
        }
        world.heal();
        applied += world.applied.len();
        reinstalled += world.reinstalled;
        ahead += world.applied_ahead;
        reports += world.reports;
        sent += world.reports_sent();
    }
    // The faults must not be so many that nothing was tried at all.
    assert!(
        applied > 10 * SEEDS as usize,
        "only {applied} entries were applied"
    );
    assert!(reinstalled > 0 && ahead > 0, "{reinstalled}, {ahead}");
    assert!(
        reports > SEEDS && sent > SEEDS,
        "only {reports} drops were reported, {sent} of them by peers"
    );
}

#[test]
fn damaged_messages_never_break_a_node() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..EVENTS {
            world.event();
            let Some(message) = world.network.last() else {
                continue;
            };
            let mut bytes = codec::encode_message(message);
            let to = message.to as usize - 1;
            let place = world.rng.usize(..bytes.len());
            bytes[place] = world.rng.u8(..);
            // What still decodes may be believed, so that agreement is not expected here: only
            // that nothing panics, and that a refusal changes nothing.
            let mut node = world.members[to].node.clone();
            let before = protocol_state(&node);
            if node.step_bytes(bytes.into()).is_err() {
                assert_eq!(protocol_state(&node), before);
            }
        }
    }
}
