//! Chance: what happens next, and when. The only place with a random number.
//!
//! The driver keeps simulated time and decides what becomes of each message, each Ready and each
//! node, by its plan. All it does to the cluster is an [`Action`], so that what it has done can be
//! written down and repeated without it.

use fastrand::Rng;
use std::result::Result;

use libraft_core::*;

use crate::action::{Action, Answer};
use crate::check::{Checked, Violation};
use crate::host::{Host, Stage};
use crate::plan::{MAX_HOSTS, Plan, TICK, WHOLE};
use crate::tally::Kind;
use crate::wheel::Wheel;
use crate::world::World;

/// Something that is due.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    Tick(NodeId),
    Arrive(u32),
    Handle(NodeId),
    Persist(NodeId),
    Sync(NodeId),
    Apply(NodeId),
    Answer(NodeId, RequestId),
    Restart(NodeId),
    Report {
        node: NodeId,
        peer: NodeId,
        arrived: bool,
    },
    Client,
    Contend,
    Trouble,
    /// Cuts end, unless newer ones have come since.
    Reconnect {
        cut: u64,
    },
    /// Two sides of a partition lose or find each other; so many times more.
    FlapSides {
        side: u64,
        times: u32,
    },
    Flap {
        a: NodeId,
        b: NodeId,
        times: u32,
    },
}

/// What the driver has planned for one node.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub period: u64,
    pub stopped_until: u64,
    pub paused_until: u64,
    /// Whether a job of the kind is under way.
    handling: bool,
    persisting: bool,
    syncing: bool,
    applying: bool,
    /// A bit for each node that does not get this one's messages.
    pub cut: u64,
    /// A bit for each node that does not get what carries entries.
    pub thin: u64,
    /// It shall stay down.
    pub retired: bool,
}

#[derive(Debug)]
pub struct Driver {
    pub rng: Rng,
    pub wheel: Wheel<Job>,
    pub plan: Plan,
    pub nodes: Vec<Schedule>,
    pub cuts: u64,
    /// The events so far, and those before the last cut.
    pub events: u64,
    pub cut_at: u64,
    /// Messages that are held back for as long as it pleases, in any order.
    pub hoard: Vec<u32>,
    /// What was done, if that is wanted.
    pub record: Option<Vec<Action>>,
    /// What the drawing was last told of the surroundings.
    pub drawn: String,
    /// All goes well, and no client calls unless the driver says so.
    pub healing: bool,
}

impl Driver {
    pub fn new(plan: &Plan, world: &mut World) -> Driver {
        let mut driver = Driver {
            rng: Rng::with_seed(plan.seed ^ 0x5bd1_e995),
            wheel: Wheel::default(),
            plan: plan.clone(),
            nodes: Vec::new(),
            cuts: 0,
            events: 0,
            cut_at: 0,
            hoard: Vec::new(),
            record: None,
            drawn: String::from("all connected"),
            healing: false,
        };
        for id in 1..=world.hosts.len() as u64 {
            driver.add_node(world, id);
            driver.wheel.after(1, Job::Restart(id));
        }
        driver.wheel.after(1, Job::Client);
        driver.wheel.after(plan.trouble_every, Job::Trouble);
        if plan.clients.contention > 0 {
            driver.wheel.after(plan.clients.contention, Job::Contend);
        }
        driver
    }

    /// A node has come to be.
    pub fn add_node(&mut self, world: &mut World, id: NodeId) {
        let skew = self.plan.clock.skew;
        let period = TICK - skew + self.rng.u64(0..=5 * skew);
        world.tally.note_if(period < TICK, Kind::FastClock);
        world.tally.note_if(period > TICK, Kind::SlowClock);
        self.nodes.push(Schedule {
            period,
            stopped_until: 0,
            paused_until: 0,
            handling: false,
            persisting: false,
            syncing: false,
            applying: false,
            cut: 0,
            thin: 0,
            retired: false,
        });
        let delay = self.rng.u64(0..TICK);
        self.wheel.after(delay, Job::Tick(id));
        self.wheel.after(0, Job::Handle(id));
        self.schedule(id).handling = true;
    }

    pub fn schedule(&mut self, id: NodeId) -> &mut Schedule {
        &mut self.nodes[id as usize - 1]
    }

    pub fn chance(&mut self, of_whole: u32) -> bool {
        of_whole > 0 && self.rng.u32(..WHOLE) < of_whole
    }

    /// Does so many events.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn run(&mut self, world: &mut World, events: u64) -> Checked {
        while world.events < events {
            self.next(world)?;
        }
        Ok(())
    }

    /// Does the next job.
    pub fn next(&mut self, world: &mut World) -> Checked {
        let Some(job) = self.wheel.next(&mut self.rng) else {
            return Ok(());
        };
        self.events = world.events;
        match job {
            Job::Tick(n) => self.tick(world, n),
            Job::Arrive(slot) => self.arrive(world, slot),
            Job::Handle(n) => self.handle(world, n),
            Job::Persist(n) => {
                self.schedule(n).persisting = false;
                let done = self.act(world, Action::Persist(n))?;
                if done && !std::mem::replace(&mut self.schedule(n).syncing, true) {
                    let delay = self.rng.u64(0..self.plan.disk.sync_time);
                    world.tally.note_if(delay > TICK, Kind::SlowSync);
                    self.wheel.after(delay, Job::Sync(n));
                }
                self.maybe_crash(world, n)
            }
            Job::Sync(n) => {
                self.schedule(n).syncing = false;
                self.act(world, Action::Sync(n))?;
                self.maybe_crash(world, n)
            }
            Job::Apply(n) => {
                self.schedule(n).applying = false;
                self.act(world, Action::Apply(n))?;
                self.maybe_crash(world, n)
            }
            Job::Answer(n, request) => self.answer(world, n, request),
            Job::Restart(n) => match self.schedule(n).retired {
                true => Ok(()),
                false => self.restart(world, n),
            },
            Job::Report {
                node,
                peer,
                arrived,
            } => self
                .act(
                    world,
                    Action::ReportSnapshot {
                        node,
                        peer,
                        arrived,
                    },
                )
                .map(drop),
            Job::Client
            | Job::Contend
            | Job::Trouble
            | Job::Flap { .. }
            | Job::FlapSides { .. }
                if self.healing =>
            {
                Ok(())
            }
            Job::Client => {
                let delay = self.rng.u64(1..=self.plan.clients.every);
                self.wheel.after(delay, Job::Client);
                self.client(world)
            }
            Job::Contend => {
                let delay = self.rng.u64(1..=2 * self.plan.clients.contention);
                self.wheel.after(delay, Job::Contend);
                let id = self.rng.u64(1..=world.hosts.len() as u64);
                self.act(world, Action::Campaign(id)).map(drop)
            }
            Job::Trouble => {
                let delay = self.rng.u64(1..=2 * self.plan.trouble_every);
                self.wheel.after(delay, Job::Trouble);
                self.trouble(world)
            }
            Job::Reconnect { cut } => {
                if cut == self.cuts {
                    self.reconnect();
                }
                Ok(())
            }
            Job::FlapSides { side, times } => {
                self.flap(side, times);
                Ok(())
            }
            Job::Flap { a, b, times } => {
                if times > 0 {
                    self.schedule(a).cut ^= 1 << b;
                    self.cut_at = self.events;
                    let delay = self.rng.u64(1..5 * TICK);
                    self.wheel.after(
                        delay,
                        Job::Flap {
                            a,
                            b,
                            times: times - 1,
                        },
                    );
                }
                Ok(())
            }
        }
    }

    /// Carries out an action, and plans what follows from it.
    pub fn act(&mut self, world: &mut World, action: Action) -> Result<bool, Violation> {
        if world.trace.is_some() {
            self.draw_surroundings(world);
        }
        if let Some(record) = &mut self.record {
            record.push(named(world, &action));
        }
        let done = world.perform(&action)?;
        if !done && let Some(record) = &mut self.record {
            record.pop();
        }
        self.plan_arrivals(world);
        while let Some((node, request)) = world.asked.pop() {
            if self.chance(self.plan.disk.never) {
                world.tally.note(Kind::AnsweredNever);
            } else {
                let delay = self.rng.u64(0..self.plan.disk.answer_time);
                self.wheel.after(delay, Job::Answer(node, request));
            }
        }
        if let Some(node) = world.touched.take() {
            self.plan_handling(world, node);
        }
        Ok(done)
    }

    fn plan_handling(&mut self, world: &mut World, id: NodeId) {
        let Some(host) = world.hosts.get(id as usize - 1) else {
            return;
        };
        let Some(node) = &host.node else { return };
        let schedule = &mut self.nodes[id as usize - 1];
        if !host.appends.is_empty() && !std::mem::replace(&mut schedule.persisting, true) {
            self.wheel.after(self.rng.u64(0..3), Job::Persist(id));
        }
        if !host.applies.is_empty() && !std::mem::replace(&mut schedule.applying, true) {
            self.wheel.after(self.rng.u64(0..4), Job::Apply(id));
        }
        if !schedule.handling && (host.work.is_some() || node.has_ready()) {
            schedule.handling = true;
            let syncs = host
                .work
                .as_ref()
                .is_some_and(|work| work.stage == Stage::Sync);
            let most = if syncs { self.plan.disk.sync_time } else { 3 };
            let delay = self.rng.u64(0..most);
            self.wheel.after(delay, Job::Handle(id));
            world.tally.note_if(delay > TICK, Kind::SlowSync);
        }
    }

    pub fn is_paused(&mut self, id: NodeId, job: Job) -> bool {
        let until = self.schedule(id).paused_until;
        let paused = until > self.wheel.now;
        if paused {
            self.wheel.after(until - self.wheel.now, job);
        }
        paused
    }

    fn tick(&mut self, world: &mut World, id: NodeId) -> Checked {
        let now = self.wheel.now;
        let schedule = self.schedule(id);
        let stopped = schedule.stopped_until.max(schedule.paused_until) > now;
        let period = schedule.period;
        self.wheel.after(period, Job::Tick(id));
        match stopped {
            true => Ok(()),
            false => self.act(world, Action::Tick(id)).map(drop),
        }
    }

    /// A host turns to its Ready.
    fn handle(&mut self, world: &mut World, id: NodeId) -> Checked {
        if self.is_paused(id, Job::Handle(id)) {
            return Ok(());
        }
        self.schedule(id).handling = false;
        let Some(host) = world.host(id).filter(|host| host.is_up()) else {
            return Ok(());
        };
        let (working, asynchronous) = (host.work.is_some(), host.config.async_storage_writes);
        let stepwise = working || asynchronous || self.chance(self.plan.process.stepwise);
        if !stepwise {
            return self.act(world, Action::Cycle(id)).map(drop);
        }
        let count = if self.rng.bool() { 1 } else { u32::MAX };
        self.act(world, Action::Step { node: id, count })?;
        self.maybe_crash(world, id)
    }

    /// A node may die after any step of its own or of its workers.
    fn maybe_crash(&mut self, world: &mut World, id: NodeId) -> Checked {
        match self.chance(self.plan.process.crash_in_ready) {
            true => self.crash(world, id),
            false => Ok(()),
        }
    }

    fn answer(&mut self, world: &mut World, node: NodeId, request: RequestId) -> Checked {
        if self.is_paused(node, Job::Answer(node, request)) {
            return Ok(());
        }
        let answer = match () {
            () if self.chance(self.plan.disk.failed) => Answer::Failed,
            () if self.chance(self.plan.disk.stale) => Answer::Stale,
            () => Answer::Fresh,
        };
        let again = self.chance(self.plan.disk.twice);
        if again {
            let delay = self.rng.u64(0..self.plan.disk.answer_time);
            self.wheel.after(delay, Job::Answer(node, request));
        }
        self.act(
            world,
            Action::Answer {
                node,
                request,
                answer,
                again,
            },
        )
        .map(drop)
    }

    /// A node comes back, and its host tells it of its group.
    fn restart(&mut self, world: &mut World, node: NodeId) -> Checked {
        self.act(world, Action::Restart(node))?;
        if self.plan.groups == 0 || self.healing {
            return Ok(());
        }
        let setting = self.groups();
        self.act(world, Action::Set { node, setting }).map(drop)
    }

    /// A node dies, and comes back some time.
    pub fn crash(&mut self, world: &mut World, id: NodeId) -> Checked {
        let Some(host) = world.host(id) else {
            return Ok(());
        };
        let unsynced = host.disk.unsynced() as u32;
        let most_entries = host.disk.before_most_entries();
        let faults = &self.plan.disk;
        let (lose, torn) = (faults.lose_unsynced, faults.lose_unsynced && faults.torn);
        let action = Action::Crash {
            node: id,
            kept: match most_entries {
                Some(place) if torn && self.rng.bool() => place as u32,
                _ if lose => self.rng.u32(0..=unsynced),
                _ => unsynced,
            },
            torn: if torn { self.rng.u32(0..4) } else { 0 },
            back: self.rng.u64(0..10),
        };
        self.act(world, action)?;
        let most = if self.rng.bool() { TICK } else { 60 * TICK };
        let delay = self.rng.u64(0..most);
        self.wheel.after(delay, Job::Restart(id));
        Ok(())
    }

    /// Some node that is up, most often the leader.
    pub fn any_node(&mut self, world: &World) -> Option<NodeId> {
        if self.rng.bool() {
            // There may be several who take themselves for the leader.
            let leads = |host: &&Host| host.leads();
            let leaders = world.hosts.iter().filter(leads).count();
            if leaders > 0 {
                let place = self.rng.usize(..leaders);
                return world
                    .hosts
                    .iter()
                    .filter(leads)
                    .nth(place)
                    .map(|host| host.id);
            }
        }
        let id = self.rng.u64(1..=world.hosts.len() as u64);
        world.is_up(id).then_some(id)
    }

    /// A machine that is new, unless there are too many.
    pub fn start_node(&mut self, world: &mut World) -> Result<Option<NodeId>, Violation> {
        let id = world.hosts.len() as u64 + 1;
        if world.hosts.len() >= MAX_HOSTS {
            return Ok(None);
        }
        self.add_node(world, id);
        self.act(world, Action::Start(id))?;
        Ok(Some(id))
    }
}

/// The action as a script has it, with names in place of slots.
fn named(world: &World, action: &Action) -> Action {
    let name = |slot: u64| world.flights.get(slot).map_or(0, |flight| flight.name);
    match *action {
        Action::Deliver { message, keep } => Action::Deliver {
            message: name(message),
            keep,
        },
        Action::Lose { message } => Action::Lose {
            message: name(message),
        },
        ref other => other.clone(),
    }
}
