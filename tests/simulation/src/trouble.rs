//! What goes wrong from time to time, and what clients want. A part of the driver.

use bytes::Bytes;
use std::result::Result;

use libraft_core::*;

use crate::action::Action;
use crate::check::Checked;
use crate::check::elections::is_quorum;
use crate::driver::{Driver, Job};
use crate::host::Host;
use crate::plan::{MAX_HOSTS, TICK};
use crate::setting::Setting;
use crate::tally::Kind;
use crate::world::World;

/// Configurations stay this small.
const MAX_VOTERS: usize = 9;

impl Driver {
    /// Rolls the dice for each kind of trouble.
    pub fn trouble(&mut self, world: &mut World) -> Checked {
        let (process, network, clock) = (
            self.plan.process.clone(),
            self.plan.network.clone(),
            self.plan.clock.clone(),
        );
        let clients = self.plan.clients.clone();
        if self.chance(process.crash) {
            let id = self.rng.u64(1..=world.hosts.len() as u64);
            self.crash(world, id)?;
        }
        if self.chance(process.storm) {
            world.tally.note(Kind::Storm);
            for id in 1..=world.hosts.len() as u64 {
                if self.rng.bool() {
                    self.crash(world, id)?;
                }
            }
        }
        if self.chance(process.pause) {
            world.tally.note(Kind::Pause);
            let id = self.rng.u64(1..=world.hosts.len() as u64);
            let until = self.wheel.now + self.rng.u64(1..80 * TICK);
            self.schedule(id).paused_until = until;
        }
        if self.chance(network.partition) {
            world.tally.note(Kind::Partition);
            self.partition();
        }
        if self.chance(network.one_way) {
            world.tally.note(Kind::OneWay);
            self.one_way();
        }
        if self.chance(network.bridge) {
            world.tally.note(Kind::Bridge);
            self.bridge();
        }
        if self.chance(network.thin) {
            world.tally.note(Kind::ThinLinks);
            self.thin_out();
        }
        if self.chance(network.flapping) {
            world.tally.note(Kind::FlappingLink);
            let nodes = self.nodes.len() as u64;
            let (a, b) = (self.rng.u64(1..=nodes), self.rng.u64(1..=nodes));
            let times = 2 * self.rng.u32(1..10);
            self.wheel.after(1, Job::Flap { a, b, times });
        }
        if self.chance(network.flapping_sides) {
            world.tally.note(Kind::FlappingPartition);
            let (side, times) = (self.rng.u64(..), 2 * self.rng.u32(1..8));
            self.flap(side, times);
        }
        if self.rng.bool() {
            let most = self.rng.usize(1..8);
            self.release(most);
        }
        if self.chance(clock.stop) {
            world.tally.note(Kind::StoppedClock);
            let id = self.rng.u64(1..=world.hosts.len() as u64);
            let until = self.wheel.now + self.rng.u64(1..100 * TICK);
            self.schedule(id).stopped_until = until;
        }
        if self.chance(clock.burst) {
            let node = self.rng.u64(1..=world.hosts.len() as u64);
            let count = self.rng.u32(1..40);
            self.ticks(world, node, count, false)?;
        }
        if self.chance(clock.quiet) {
            let node = self.rng.u64(1..=world.hosts.len() as u64);
            let count = self.rng.u32(1..40);
            self.ticks(world, node, count, true)?;
        }
        if self.chance(self.plan.membership) {
            self.change(world)?;
            if self.rng.u32(..4) == 0 {
                self.change(world)?;
            }
        }
        if self.chance(self.plan.replace) {
            self.replace(world)?;
        }
        let Some(node) = self.any_node(world) else {
            return Ok(());
        };
        if self.chance(clients.transfer) {
            let to = self.rng.u64(1..=world.hosts.len() as u64);
            self.act(world, Action::Transfer { node, to })?;
        }
        if self.chance(clients.forget) {
            self.act(world, Action::ForgetLeader(node))?;
        }
        if self.chance(clients.want_snapshot) {
            self.act(world, Action::WantSnapshot(node))?;
        }
        if self.chance(clients.set) {
            let setting = self.setting(world);
            self.act(world, Action::Set { node, setting })?;
        }
        if self.chance(clients.campaign) {
            self.act(world, Action::Campaign(node))?;
        }
        if self.chance(clients.compact) {
            let keep = if self.rng.bool() {
                0
            } else {
                self.rng.u64(0..20)
            };
            // Now and then, just what somebody is being sent.
            let sends = |host: &&Host| host.leads() && !host.requests.is_empty();
            let sender = world.hosts.iter().find(sends).map(|host| host.id);
            let (node, keep) = match sender.filter(|_| self.rng.bool()) {
                Some(sender) => (sender, 0),
                None => (node, keep),
            };
            self.act(world, Action::Compact { node, keep })?;
        }
        if self.chance(clients.unreachable) {
            let peer = self.rng.u64(1..=world.hosts.len() as u64);
            self.act(world, Action::Unreachable { node, peer })?;
            let arrived = self.rng.bool();
            self.act(
                world,
                Action::ReportSnapshot {
                    node,
                    peer,
                    arrived,
                },
            )?;
        }
        Ok(())
    }

    fn ticks(&mut self, world: &mut World, node: NodeId, count: u32, quiet: bool) -> Checked {
        self.act(world, Action::Ticks { node, count, quiet })
            .map(drop)
    }

    /// A host changes something while its node runs.
    fn setting(&mut self, world: &World) -> Setting {
        let peer = self.rng.u64(1..=world.hosts.len() as u64);
        match self.rng.u32(..4) {
            0 => Setting::Priority(self.rng.i64(0..3)),
            1 => Setting::Inflight {
                peer,
                messages: self.rng.u32(0..5),
                bytes: match self.rng.bool() {
                    true => 0,
                    false => self.rng.u64(1..500),
                },
            },
            2 => Setting::Ahead(self.rng.u64(0..6)),
            _ => self.groups(),
        }
    }

    /// Commit groups as the plan has them, some of them with nodes that are in none.
    pub fn groups(&mut self) -> Setting {
        let known = match self.rng.bool() {
            true => MAX_HOSTS as u64,
            false => self.rng.u64(1..=self.plan.nodes),
        };
        Setting::Groups {
            count: self.plan.groups,
            known,
        }
    }

    /// Somebody wants another configuration.
    fn change(&mut self, world: &mut World) -> Checked {
        let Some(node) = self.any_node(world) else {
            return Ok(());
        };
        let Some(conf) = world.host(node).map(|host| host.conf().clone()) else {
            return Ok(());
        };
        if self.rng.u32(..8) == 0 {
            let outsider = self.rng.u64(1..=world.hosts.len() as u64);
            if !conf.contains(outsider) {
                self.act(world, Action::Wipe(outsider))?;
            }
        }
        let mut change = ConfChangeV2 {
            context: Bytes::new(),
            ..ConfChangeV2::default()
        };
        let joint = !conf.voters_outgoing.is_empty();
        if !joint || self.rng.u32(..8) == 0 {
            let steps = if self.rng.bool() {
                1
            } else {
                self.rng.usize(1..4)
            };
            for _ in 0..steps {
                if let Some(step) = self.change_step(world, &conf)? {
                    change.changes.push(step);
                }
            }
            change.transition = match self.rng.u32(..4) {
                0 => ConfChangeTransition::JointImplicit,
                1 => ConfChangeTransition::JointExplicit,
                _ => ConfChangeTransition::Auto,
            };
        }
        let first_kind = change.changes.len() == 1 && self.rng.bool();
        if first_kind {
            change.transition = ConfChangeTransition::Auto;
        }
        self.act(
            world,
            Action::Change {
                node,
                first_kind,
                change,
            },
        )
        .map(drop)
    }

    /// A member loses everything, and does not come back. A new machine, under a new id, is to take
    /// its place. There are always enough others.
    fn replace(&mut self, world: &mut World) -> Checked {
        let (_, conf) = world.newest_conf();
        let lost = self.rng.u64(1..=world.hosts.len() as u64);
        let is_alive = |id: NodeId| {
            id != lost && world.host(id).is_some_and(|host| !host.gone) && conf.contains(id)
        };
        if !conf.contains(lost) || !is_quorum(&conf, is_alive) {
            return Ok(());
        }
        let Some(new) = self.start_node(world)? else {
            return Ok(());
        };
        self.act(world, Action::Destroy(lost))?;
        let step = |kind, node_id| ConfChangeSingle { kind, node_id };
        let change = ConfChangeV2 {
            changes: vec![
                step(ConfChangeKind::RemoveNode, lost),
                step(ConfChangeKind::AddNode, new),
            ],
            ..ConfChangeV2::default()
        };
        let leader = world.hosts.iter().rfind(|host| host.leads());
        let Some(node) = leader.map(|host| host.id) else {
            return Ok(());
        };
        let first_kind = false;
        let action = Action::Change {
            node,
            first_kind,
            change,
        };
        self.act(world, action).map(drop)
    }

    fn change_step(
        &mut self,
        world: &mut World,
        conf: &ConfState,
    ) -> Result<Option<ConfChangeSingle>, crate::check::Violation> {
        let known = world.hosts.len() as u64;
        let any = self.rng.u64(1..=known);
        let is_gone = world.host(any).is_some_and(|host| host.gone);
        let step = |kind, node_id| Some(ConfChangeSingle { kind, node_id });
        let many = conf.voters.len() >= MAX_VOTERS;
        Ok(match self.rng.u32(..10) {
            0..2 if !many => match self.start_node(world)? {
                Some(new) if self.rng.bool() => step(ConfChangeKind::AddNode, new),
                Some(new) => step(ConfChangeKind::AddLearnerNode, new),
                None => None,
            },
            2..5 if !many && !is_gone => step(ConfChangeKind::AddNode, any),
            5..7 if !is_gone => step(ConfChangeKind::AddLearnerNode, any),
            7 => step(ConfChangeKind::UpdateNode, any),
            // Now and then the leader itself.
            _ => {
                let leader = world.hosts.iter().rfind(|host| host.leads());
                let id = leader
                    .filter(|_| self.rng.u32(..3) == 0)
                    .map_or(any, |host| host.id);
                step(ConfChangeKind::RemoveNode, id)
            }
        })
    }

    /// A client calls.
    pub fn client(&mut self, world: &mut World) -> Checked {
        let Some(node) = self.any_node(world) else {
            return Ok(());
        };
        let clients = &self.plan.clients;
        let (reads, again, by_old_name, large, batches) = (
            clients.reads,
            clients.read_again,
            clients.read_by_old_name,
            clients.large,
            clients.batches,
        );
        if self.chance(reads) {
            // Several at once, so that answers to the first ones meet the last ones.
            for _ in 0..self.rng.u32(1..4) {
                let action = match self.chance(again) {
                    true => Action::ReadAgain(node),
                    false => Action::Read(node),
                };
                if self.chance(by_old_name) && self.act(world, Action::ReadByOldName(node))? {
                    continue;
                }
                self.act(world, action)?;
            }
            return Ok(());
        }
        let size = match self.chance(large) {
            true => self.rng.u32(100..2000),
            false => self.rng.u32(8..40),
        };
        let count = if self.chance(batches) {
            self.rng.u32(2..8)
        } else {
            1
        };
        self.act(world, Action::Propose { node, size, count })
            .map(drop)
    }
}
