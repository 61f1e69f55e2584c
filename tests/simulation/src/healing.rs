//! The end of a seed: all faults stop, and within a bounded time there is a leader, everything is
//! committed and applied by every member, and clients are served. A part of the driver.

use std::result::Result;

use libraft_core::*;

use crate::action::Action;
use crate::check::elections::is_quorum;
use crate::check::{Checked, Violation, ensure};
use crate::driver::{Driver, Job};
use crate::host::Host;
use crate::plan::{Plan, TICK};
use crate::setting::Setting;
use crate::world::World;

/// Ticks that a healed cluster may take, besides two for each entry that somebody lacks: they may
/// have to travel one by one.
const GRACE_TICKS: u64 = 600;
/// A client asks again when it has waited so long.
const PATIENCE_TICKS: u64 = 60;

impl Driver {
    /// A driver for a cluster that a script has brought to where it is: nothing goes wrong any more.
    pub fn take_over(plan: &Plan, world: &mut World) -> Driver {
        let mut driver = Driver::new(&plan.calm(), world);
        for slot in world.flights.hand_over() {
            driver.wheel.after(1, Job::Arrive(slot));
        }
        for host in &world.hosts {
            for request in &host.requests {
                driver.wheel.after(1, Job::Answer(host.id, request.id));
            }
            driver.wheel.after(1, Job::Persist(host.id));
            driver.wheel.after(1, Job::Apply(host.id));
        }
        driver
    }

    /// Heals the cluster, and checks that it recovers.
    ///
    /// # Errors
    /// The rule that is broken, which may be liveness.
    pub fn heal(&mut self, world: &mut World) -> Checked {
        self.plan = self.plan.calm();
        self.healing = true;
        self.reconnect();
        for schedule in &mut self.nodes {
            schedule.period = TICK;
            (schedule.stopped_until, schedule.paused_until) = (0, 0);
        }
        for id in 1..=world.hosts.len() as u64 {
            self.upgrade(world, id)?;
            self.wheel.after(1, Job::Restart(id));
            self.settle(world, id)?;
        }
        self.release(usize::MAX);
        let start = self.wheel.now;
        let logs = world
            .hosts
            .iter()
            .map(|host| host.checked.view.last().index);
        let last = logs.max().unwrap_or(0);
        let behind = world
            .hosts
            .iter()
            .map(|host| last.saturating_sub(host.applied))
            .max();
        // Nobody answers a request for votes of an old term, unless it is a pre-vote. So a candidate
        // with the longest log may be a few terms behind others who campaign, as often as it does,
        // without a chance, and has to get ahead of them by luck.
        let quick = self.plan.pre_vote && !self.plan.mixed_guards;
        let patience = if quick { 1 } else { 10 };
        let deadline = start + TICK * (patience * GRACE_TICKS + 2 * behind.unwrap_or(0));

        // One write and one read, by different members, go through when all agree.
        let mut asked: Vec<u64> = Vec::new();
        let mut asked_at = 0;
        let mut next_look = start;
        loop {
            self.next(world)?;
            if self.wheel.now < next_look {
                continue;
            }
            next_look = self.wheel.now + TICK;
            if Driver::is_hopeless(world) {
                world
                    .tally
                    .note_beyond_help("no quorum of its machines is left");
                return Ok(());
            }
            self.tidy_up(world)?;
            let agreed = self.disagreement(world);
            if agreed.is_none() {
                let clients = &world.checks.clients;
                if !asked.is_empty() && asked.iter().all(|&number| clients.is_answered(number)) {
                    if !Driver::is_joint(world) {
                        break;
                    }
                    // A transfer may have kept the leader from leaving the joint configuration;
                    // the next entry brings another try.
                    asked.clear();
                }
                if asked.is_empty() || self.wheel.now > asked_at + PATIENCE_TICKS * TICK {
                    asked = self.ask(world)?;
                    asked_at = self.wheel.now;
                }
            }
            if self.wheel.now >= deadline && Driver::is_headless(world) {
                world
                    .tally
                    .note_beyond_help("whoever may campaign can't win");
                return Ok(());
            }
            if self.wheel.now >= deadline && Driver::is_stranded(world) {
                world
                    .tally
                    .note_beyond_help("only a learner knows the newest term");
                return Ok(());
            }
            ensure(
                self.wheel.now < deadline,
                "liveness",
                NONE,
                || match agreed {
                    Some(why) => why,
                    None => "nobody answers the last clients".to_owned(),
                },
            )?;
        }
        // What all members have, and not what was ever known to be committed.
        let applied = Driver::members(world)
            .into_iter()
            .filter_map(|id| world.host(id))
            .map(|host| host.applied);
        let last = applied.min().unwrap_or(0);
        world.checks.clients.nothing_lost(last)
    }

    /// What an operator does: settings are the same everywhere in the end.
    fn upgrade(&mut self, world: &mut World, id: NodeId) -> Checked {
        let Some(host) = world.host(id) else {
            return Ok(());
        };
        let pre_vote = |life| self.plan.config(id, life).pre_vote;
        if pre_vote(host.life) == pre_vote(host.life + 1) {
            return Ok(());
        }
        let kept = host.disk.unsynced() as u32;
        self.act(
            world,
            Action::Crash {
                node: id,
                kept,
                torn: 0,
                back: 0,
            },
        )
        .map(drop)
    }

    /// The host takes back what it has set while the node ran. A group that has lost a machine for good
    /// could hold up everything.
    fn settle(&mut self, world: &mut World, node: NodeId) -> Checked {
        let Some(host) = world.host(node).filter(|host| host.is_up()) else {
            return Ok(());
        };
        let (messages, bytes) = (
            host.config.max_inflight_msgs,
            host.config.max_inflight_bytes,
        );
        let limits = host.checked.inflight.keys().map(|&peer| Setting::Inflight {
            peer,
            messages,
            bytes,
        });
        let groups = (host.checked.groups.0 > 0).then_some(Setting::Groups { count: 0, known: 0 });
        let settings: Vec<Setting> = limits.chain(groups).collect();
        for setting in settings {
            self.act(world, Action::Set { node, setting })?;
        }
        Ok(())
    }

    /// What an operator does: ends joint configurations, and stops machines that are members no
    /// more, once all members know.
    fn tidy_up(&mut self, world: &mut World) -> Checked {
        let (since, conf) = world.newest_conf();
        let leader = world.hosts.iter().rfind(|host| host.leads());
        if let Some(node) = leader.map(|host| host.id) {
            let mut changes = Vec::new();
            let is_gone = |id| world.host(id).is_some_and(|host| host.gone);
            let mut ids = 1..=world.hosts.len() as u64;
            // A change that was on its way may have brought a wiped machine back.
            if let Some(node_id) = ids.find(|&id| is_gone(id) && conf.contains(id))
                && conf.voters_outgoing.is_empty()
            {
                let kind = ConfChangeKind::RemoveNode;
                changes.push(ConfChangeSingle { kind, node_id });
            }
            // A transfer may have kept the leader from leaving by itself; the next entry brings another
            // try. Clients don't ask while a machine that is lost is a member.
            let lost = (1..=world.hosts.len() as u64).any(|id| is_gone(id) && conf.contains(id));
            let nudge = lost && !conf.voters_outgoing.is_empty() && conf.auto_leave;
            let leaves = !conf.voters_outgoing.is_empty() && !conf.auto_leave;
            if nudge {
                let (size, count) = (8, 1);
                self.act(world, Action::Propose { node, size, count })?;
            }
            if leaves || !changes.is_empty() {
                let change = ConfChangeV2 {
                    changes,
                    ..ConfChangeV2::default()
                };
                self.act(
                    world,
                    Action::Change {
                        node,
                        first_kind: false,
                        change,
                    },
                )?;
            }
        }
        for id in conf_members(&conf) {
            if std::mem::take(&mut self.schedule(id).retired) {
                self.act(world, Action::Restart(id))?;
            }
        }
        let is_member = |host: &&Host| conf.contains(host.id) && !host.gone;
        let mut members = world.hosts.iter().filter(is_member);
        if members.all(|host| host.is_up() && host.applied >= since) {
            for id in 1..=world.hosts.len() as u64 {
                if !conf.contains(id) && !self.schedule(id).retired {
                    self.schedule(id).retired = true;
                    self.act(
                        world,
                        Action::Crash {
                            node: id,
                            kept: 0,
                            torn: 0,
                            back: 0,
                        },
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Whether so many members have been wiped that there can be no quorum: a change that was on its
    /// way when a machine was wiped has made it a member again. No protocol helps against that.
    fn is_hopeless(world: &World) -> bool {
        let alive = |id| world.host(id).is_some_and(|host| !host.gone);
        !is_quorum(&world.newest_conf().1, alive)
    }

    /// Whether nobody could win an election: whoever has the longer logs is a voter no more, and
    /// those who are have not heard that it was committed. A change takes effect when it is applied,
    /// and a leader that is removed goes on for a while, so that this can come of a crash.
    fn is_headless(world: &World) -> bool {
        let up = || world.hosts.iter().filter(|host| host.is_up());
        let can_win = |candidate: &Host| {
            let conf = candidate.conf();
            let last = candidate.checked.view.last();
            let grants = |id: NodeId| {
                let voter = world.host(id).filter(|host| host.is_up());
                voter.is_some_and(|voter| {
                    let theirs = voter.checked.view.last();
                    let term = |host: &Host| host.checked.status.hard_state.term;
                    // Nobody tells a candidate of a newer term, except by pre-votes.
                    let all_ask = world.plan().pre_vote && !world.plan().mixed_guards;
                    let heard = all_ask || term(voter) <= term(candidate);
                    heard && (theirs.term, theirs.index) <= (last.term, last.index)
                })
            };
            let votes = [&conf.voters, &conf.voters_outgoing];
            votes.iter().any(|half| half.contains(&candidate.id)) && is_quorum(conf, grants)
        };
        !up().any(can_win)
    }

    /// Whether learners are left behind by their own term. Without pre-vote and check-quorum, nobody
    /// answers a leader whose term is old: who knows a newer one is expected to campaign with it. A
    /// learner that got it when it was still a voter never does.
    fn is_stranded(world: &World) -> bool {
        let plan = world.plan();
        let Some(leader) = world.hosts.iter().find(|host| host.leads()) else {
            return false;
        };
        let term = leader.checked.status.hard_state.term;
        let members = Driver::members(world);
        let is_ahead =
            |host: &&Host| host.checked.status.hard_state.term > term && members.contains(&host.id);
        let mut ahead = world.hosts.iter().filter(is_ahead).peekable();
        !plan.pre_vote
            && !plan.check_quorum
            && ahead.peek().is_some()
            && ahead.all(|host| !host.conf().voters.contains(&host.id))
    }

    fn is_joint(world: &World) -> bool {
        !world.newest_conf().1.voters_outgoing.is_empty()
    }

    fn members(world: &World) -> Vec<NodeId> {
        let (_, conf) = world.newest_conf();
        let members = world.hosts.iter().filter(|host| conf.contains(host.id));
        members.map(|host| host.id).collect()
    }

    /// What is still wrong, if anything is.
    fn disagreement(&self, world: &World) -> Option<String> {
        let members = Driver::members(world);
        let hosts = || members.iter().filter_map(|&id| world.host(id));
        let leaders: Vec<_> = hosts().filter(|host| host.leads()).collect();
        let describe = |why: &str| {
            let all = hosts().map(|host| {
                let status = &host.checked.status;
                format!(
                    "{} {:?} term {} commit {} applied {} of {}, voters {:?} {:?}{}",
                    host.id,
                    status.soft_state.role,
                    status.hard_state.term,
                    status.hard_state.commit,
                    status.applied,
                    status.last_index,
                    host.conf().voters,
                    host.conf().voters_outgoing,
                    if host.is_up() { "" } else { ", down" },
                )
            });
            let progress = leaders.first().and_then(|host| host.node.as_ref());
            let progress = progress.map(|node| node.status().progress);
            let newest = world.checks.membership.newest();
            let all = all.collect::<Vec<_>>().join("; ");
            Some(format!("{why}: {all}; {newest:?}; {progress:?}"))
        };
        let [leader] = leaders[..] else {
            return describe("there is not one leader");
        };
        let goal = leader.checked.status;
        let agrees = |host: &&Host| {
            let status = &host.checked.status;
            host.is_up()
                && status.applied == goal.last_index
                && host.applied == goal.last_index
                && status.last_index == goal.last_index
                && status.hard_state
                    == HardState {
                        vote: status.hard_state.vote,
                        ..goal.hard_state
                    }
                && status.soft_state.leader == goal.id
        };
        match hosts().all(|host| agrees(&host)) {
            true => None,
            false => describe("not all have everything"),
        }
    }

    /// Returns the numbers of what was asked.
    fn ask(&mut self, world: &mut World) -> Result<Vec<u64>, Violation> {
        let members = Driver::members(world);
        let leader = world
            .hosts
            .iter()
            .find(|host| host.leads())
            .map_or(NONE, |host| host.id);
        let reader = members[self.rng.usize(..members.len())];
        let number = world.checks.clients.count();
        self.act(
            world,
            Action::Propose {
                node: leader,
                size: 8,
                count: 1,
            },
        )?;
        self.act(world, Action::Read(reader))?;
        Ok(vec![number, number + 1])
    }
}

/// All members, once or more often.
fn conf_members(conf: &ConfState) -> impl Iterator<Item = NodeId> {
    let lists = [&conf.voters, &conf.learners, &conf.voters_outgoing];
    lists.into_iter().flatten().copied()
}
