//! The network: when a message arrives, if it does, and who is cut off from whom. A part of the driver.

use libraft_core::*;

use crate::action::Action;
use crate::check::Checked;
use crate::driver::{Driver, Job};
use crate::flights::kind;
use crate::plan::TICK;
use crate::tally::Kind;
use crate::world::World;

/// So many messages are held back at a time.
const MOST_HELD: usize = 200;

impl Driver {
    pub fn plan_arrivals(&mut self, world: &mut World) {
        while let Some(slot) = world.flights.fresh.pop() {
            let flight = world.flights.get(u64::from(slot));
            let local = flight.is_some_and(|f| f.local.is_some());
            let slow_kinds = &self.plan.network.slow_kinds;
            let slow = !slow_kinds.is_empty()
                && flight.is_some_and(|f| slow_kinds.contains(&kind(&f.message.body)));
            if !local && self.hoard.len() < MOST_HELD && self.chance(self.plan.network.hold) {
                world.tally.note(Kind::HeldBack);
                self.hoard.push(slot);
                continue;
            }
            let slow = slow && self.rng.bool();
            let delay = match slow || self.chance(self.plan.network.delay) {
                true => {
                    world.tally.note(Kind::Delayed);
                    self.rng.u64(0..self.plan.network.long)
                }
                // A node hears from its own workers soon, though in any order.
                false if local => self.rng.u64(0..self.plan.disk.report_time),
                false => 1 + self.rng.u64(0..self.plan.network.latency),
            };
            self.wheel.after(delay, Job::Arrive(slot));
        }
    }

    /// Tells the drawing who is cut off from whom, pauses, or has no clock, if that has changed.
    pub fn draw_surroundings(&mut self, world: &mut World) {
        let nodes = self.nodes.len();
        let is_cut = |from: usize, to: usize| self.nodes[from - 1].cut >> to & 1 == 1;
        let mut parts = Vec::new();
        for from in 1..=nodes {
            for to in from + 1..=nodes {
                parts.extend(match (is_cut(from, to), is_cut(to, from)) {
                    (true, true) => Some(format!("{from}-{to}")),
                    (true, false) => Some(format!("{from}>{to}")),
                    (false, true) => Some(format!("{to}>{from}")),
                    (false, false) => None,
                });
            }
        }
        let mut text = match parts.is_empty() {
            true => String::from("all connected"),
            false => format!("cut: {}", parts.join(" ")),
        };
        for (schedule, id) in self.nodes.iter().zip(1..) {
            if schedule.paused_until > self.wheel.now {
                text.push_str(&format!("; {id} pauses"));
            } else if schedule.stopped_until > self.wheel.now {
                text.push_str(&format!("; the clock of {id} stands still"));
            }
        }
        if let Some(trace) = &mut world.trace
            && text != self.drawn
        {
            trace.surroundings.push((world.events, text.clone()));
            self.drawn = text;
        }
    }

    /// Some of the messages that are held back go on, however old they are.
    pub fn release(&mut self, most: usize) {
        for _ in 0..most.min(self.hoard.len()) {
            let place = self.rng.usize(..self.hoard.len());
            let slot = self.hoard.swap_remove(place);
            let delay = 1 + self.rng.u64(0..TICK);
            self.wheel.after(delay, Job::Arrive(slot));
        }
    }

    pub fn arrive(&mut self, world: &mut World, slot: u32) -> Checked {
        let message = u64::from(slot);
        let Some(flight) = world.flights.get(message) else {
            return Ok(());
        };
        let (from, to, local) = (
            flight.message.from,
            flight.message.to,
            flight.local.is_some(),
        );
        let flight_sent_at = flight.sent_at;
        let is_thick = match &flight.message.body {
            Body::Append { entries, .. } => !entries.is_empty(),
            Body::InstallSnapshot { .. } => true,
            _ => false,
        };
        let lossy_kinds = &self.plan.network.lossy_kinds;
        let lossy = !lossy_kinds.is_empty() && lossy_kinds.contains(&kind(&flight.message.body));
        let snapshot = matches!(flight.message.body, Body::InstallSnapshot { .. });
        if to as usize > self.nodes.len() {
            return self.act(world, Action::Lose { message }).map(drop);
        }
        if self.is_paused(to, Job::Arrive(slot)) {
            return Ok(());
        }
        if local {
            return self
                .act(
                    world,
                    Action::Deliver {
                        message,
                        keep: false,
                    },
                )
                .map(drop);
        }
        // What was on its way when the cut came may still arrive.
        let early = self.plan.network.outlast_cuts && flight_sent_at < self.cut_at;
        let cut = self.schedule(from).cut >> to & 1 == 1 && !early;
        let thin = self.schedule(from).thin >> to & 1 == 1 && is_thick;
        world.tally.note_if(thin && !cut, Kind::TooLarge);
        let lossy = lossy && self.rng.u32(..8) > 0;
        let lost = cut || thin || lossy || self.chance(self.plan.network.drop);
        let tally = &mut world.tally;
        tally.note_if(cut, Kind::Cut);
        tally.note_if(lost && !cut && !thin, Kind::Lost);
        let keep = !lost && self.chance(self.plan.network.duplicate);
        if keep && self.hoard.len() < MOST_HELD && self.chance(self.plan.network.replay) {
            world.tally.note(Kind::Replayed);
            self.hoard.push(slot);
        } else if keep {
            let again = 1 + self.rng.u64(0..self.plan.network.long);
            self.wheel.after(again, Job::Arrive(slot));
        }
        if snapshot && !keep {
            // Whoever sends a snapshot finds out sooner or later what has become of it.
            let arrived = !lost && world.is_up(to);
            let delay = self.rng.u64(0..5 * TICK);
            self.wheel.after(
                delay,
                Job::Report {
                    node: from,
                    peer: to,
                    arrived,
                },
            );
        }
        let action = match lost {
            true => Action::Lose { message },
            false => Action::Deliver { message, keep },
        };
        self.act(world, action).map(drop)
    }

    /// Nobody on one side hears anybody on the other.
    pub fn partition(&mut self) {
        let side = self.rng.u64(..);
        self.cut_where(|from, to| (side >> from ^ side >> to) & 1 == 1);
    }

    /// Some don't hear some others, who hear them.
    pub fn one_way(&mut self) {
        let (deaf, mute) = (self.rng.u64(..), self.rng.u64(..));
        self.cut_where(|from, to| mute >> from & deaf >> to & 1 == 1);
    }

    /// Two sides, and one node that hears both and is heard by both.
    pub fn bridge(&mut self) {
        let side = self.rng.u64(..);
        let bridge = self.rng.u64(1..=self.nodes.len() as u64);
        self.cut_where(|from, to| {
            from != bridge && to != bridge && (side >> from ^ side >> to) & 1 == 1
        });
    }

    /// Most links lose every message that carries entries: what a leader adds to its log reaches
    /// some, and is hardly ever committed, while elections go on.
    pub fn thin_out(&mut self) {
        let nodes = self.nodes.len() as u64;
        for id in 1..=nodes {
            self.schedule(id).thin = self.rng.u64(..) | self.rng.u64(..);
        }
        self.cuts += 1;
        let delay = self.rng.u64(1..80 * TICK);
        self.wheel.after(delay, Job::Reconnect { cut: self.cuts });
    }

    fn cut_off(&mut self, is_cut: impl Fn(NodeId, NodeId) -> bool) {
        let nodes = self.nodes.len() as u64;
        for from in 1..=nodes {
            let cut = (1..=nodes).filter(|&to| is_cut(from, to));
            self.schedule(from).cut = cut.map(|to| 1 << to).sum();
        }
    }

    pub fn cut_where(&mut self, is_cut: impl Fn(NodeId, NodeId) -> bool) {
        self.cuts += 1;
        self.cut_at = self.events;
        self.cut_off(is_cut);
        let delay = self.rng.u64(1..80 * TICK);
        self.wheel.after(delay, Job::Reconnect { cut: self.cuts });
    }

    /// The two sides of a partition find and lose each other again and again.
    pub fn flap(&mut self, side: u64, times: u32) {
        match times % 2 {
            0 => self.cut_off(|from, to| (side >> from ^ side >> to) & 1 == 1),
            _ => self.reconnect(),
        }
        if times > 0 {
            let delay = self.rng.u64(1..8 * TICK);
            let times = times - 1;
            self.wheel.after(delay, Job::FlapSides { side, times });
        } else {
            self.reconnect();
        }
    }

    pub fn reconnect(&mut self) {
        for schedule in &mut self.nodes {
            (schedule.cut, schedule.thin) = (0, 0);
        }
    }
}
