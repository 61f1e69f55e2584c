//! Clusters under random faults, each from one seed: what was applied anywhere is the same
//! everywhere, no term has two leaders, and a healed cluster comes back to work.

use std::collections::BTreeMap;

use bytes::Bytes;
use fastrand::Rng;

use crate::cluster::Member;
use crate::codec;
use crate::config::Config;
use crate::error::Error;
use crate::message::Message;
use crate::types::*;

const SEEDS: u64 = 300;
const EVENTS: usize = 600;

/// A cluster whose network is a bag of messages: they are lost, doubled and reordered.
struct World {
    rng: Rng,
    peers: Vec<(NodeId, Bytes)>,
    members: Vec<Member>,
    network: Vec<Message>,
    /// The leader of each term.
    leaders: BTreeMap<Term, NodeId>,
    /// The entry at each index, as first applied by anybody.
    applied: BTreeMap<Index, Entry>,
    proposed: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let voters = rng.u64(1..=5);
        let peers: Vec<(NodeId, Bytes)> = (1..=voters).map(|id| (id, Bytes::new())).collect();
        // These must be the same everywhere: a node without either would not tell a leader that it
        // has a newer term, nor could it win against others that have a lease.
        let (pre_vote, check_quorum) = (rng.bool(), rng.bool());
        let members = peers
            .iter()
            .map(|&(id, _)| {
                let mut config = Config::new(id);
                config.seed = seed;
                config.pre_vote = pre_vote;
                config.check_quorum = check_quorum;
                config.coalesce_appends = rng.bool();
                config.max_size_per_msg = rng.u64(1..200);
                config.max_inflight_msgs = rng.u32(1..5);
                config.max_cached_bytes = rng.u64(0..500);
                let mut member = Member::new(config, &[]);
                member.node.bootstrap(&peers).unwrap();
                member
            })
            .collect();
        World {
            rng,
            peers,
            members,
            network: Vec::new(),
            leaders: BTreeMap::new(),
            applied: BTreeMap::new(),
            proposed: 0,
        }
    }

    fn any_member(&mut self) -> usize {
        self.rng.usize(..self.members.len())
    }

    fn event(&mut self) {
        match self.rng.u32(..100) {
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
                let command = Bytes::from(format!("command {}", self.proposed));
                allow_drops(self.members[place].node.propose(command));
            }
            93..95 => {
                let place = self.any_member();
                let context = Bytes::from_static(b"read");
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
                let (first, applied) = (member.compacted.index, member.applied_index);
                if applied > first + 5 {
                    member.compact(applied - 2);
                }
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
        if self.rng.u32(..10) > 0 {
            self.step(&message);
        }
    }

    fn step(&mut self, message: &Message) {
        let bytes = codec::encode_message(message);
        let member = &mut self.members[message.to as usize - 1];
        allow_drops(member.node.step_bytes(bytes.into()));
    }

    fn process(&mut self, place: usize) {
        if self.members[place].node.has_ready() {
            let sent = self.members[place].process();
            self.network.extend(sent);
        }
    }

    fn check(&mut self) {
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
                let first = self
                    .applied
                    .entry(entry.index)
                    .or_insert_with(|| entry.clone());
                assert_eq!(*first, entry, "two entries at one index");
            }
        }
    }

    /// No more faults: there must be a leader soon, and everybody must catch up.
    fn heal(&mut self) {
        for _ in 0..400 {
            for place in 0..self.members.len() {
                self.members[place].node.tick().unwrap();
                self.process(place);
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
    let mut applied = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..EVENTS {
            world.event();
        }
        world.heal();
        applied += world.applied.len();
    }
    // The faults must not be so many that nothing was tried at all.
    assert!(
        applied > 10 * SEEDS as usize,
        "only {applied} entries were applied"
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
            let before = format!("{:?}", node);
            if node.step_bytes(bytes.into()).is_err() {
                assert_eq!(format!("{node:?}"), before);
            }
        }
    }
}
