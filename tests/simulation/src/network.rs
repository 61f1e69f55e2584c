//! The network: when a message arrives, if it does, and who is cut off from whom. A part of the driver.

use libraft_core::*;

use crate::action::Action;
use crate::check::Checked;
use crate::driver::{Driver, Job};
use crate::plan::TICK;
use crate::tally::Kind;
use crate::world::World;

impl Driver {
    pub fn plan_arrivals(&mut self, world: &mut World) {
        while let Some(slot) = world.flights.fresh.pop() {
            let local = world
                .flights
                .get(u64::from(slot))
                .is_some_and(|f| f.local.is_some());
            let delay = match self.chance(self.plan.network.delay) {
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
        let lost = cut || self.chance(self.plan.network.drop);
        let tally = &mut world.tally;
        tally.note_if(cut, Kind::Cut);
        tally.note_if(lost && !cut, Kind::Lost);
        let keep = !lost && self.chance(self.plan.network.duplicate);
        if keep {
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

    pub fn cut_where(&mut self, is_cut: impl Fn(NodeId, NodeId) -> bool) {
        self.cuts += 1;
        self.cut_at = self.events;
        let nodes = self.nodes.len() as u64;
        for from in 1..=nodes {
            let cut = (1..=nodes).filter(|&to| is_cut(from, to));
            self.schedule(from).cut = cut.map(|to| 1 << to).sum();
        }
        let delay = self.rng.u64(1..80 * TICK);
        self.wheel.after(delay, Job::Reconnect { cut: self.cuts });
    }

    pub fn reconnect(&mut self) {
        for schedule in &mut self.nodes {
            schedule.cut = 0;
        }
    }
}
