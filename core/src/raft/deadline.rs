//! How long it takes until time alone makes something happen, so that a host with many quiet groups
//! need not touch each of them at every tick.
//!
//! Until the deadline a tick moves the clocks, and nothing else. That is what [`Raft::tick`] does as
//! well, and a test compares the two.

use super::{Raft, RoleState};
use crate::log::ApplyRead;

impl Raft {
    /// The number of the next tick that can do more than move the clocks, counted from 1. None if no
    /// tick can, until something else has happened.
    pub fn next_deadline(&self) -> Option<u64> {
        let core = &self.core;
        let left = |timeout: u32, elapsed: u32| u64::from(timeout.saturating_sub(elapsed).max(1));
        let of_role = match &self.role {
            RoleState::Leader(_) => {
                let heartbeat = left(core.config.heartbeat_ticks, core.timer.heartbeat_elapsed);
                let election = left(core.config.election_ticks, core.timer.election_elapsed);
                Some(heartbeat.min(election))
            }
            _ if core.is_promotable() => {
                let timeout = core.timer.randomized_timeout();
                Some(left(timeout, core.timer.election_elapsed))
            }
            _ => None,
        };
        let of_read = core.log.apply_read().map(|read| match read.id {
            ApplyRead::FAILED => 1,
            _ => {
                let overdue = read.asked_at + u64::from(core.config.election_ticks);
                overdue.saturating_sub(core.timer.now).max(1)
            }
        });
        [of_role, of_read].into_iter().flatten().min()
    }

    /// So many ticks at once.
    pub fn tick_many(&mut self, count: u32) {
        let mut left = count;
        while left > 0 {
            let quiet = match self.next_deadline() {
                // At most `left`, and so a u32.
                Some(deadline) => (deadline - 1).min(u64::from(left)) as u32,
                None => left,
            };
            self.pass_ticks(quiet);
            left -= quiet;
            if left > 0 {
                self.tick();
                left -= 1;
            }
        }
    }

    /// Moves the clocks by a number of ticks before the deadline.
    fn pass_ticks(&mut self, count: u32) {
        let core = &mut self.core;
        core.timer.now += u64::from(count);
        core.timer.pass_ticks(count);
        if let RoleState::Leader(_) = self.role {
            core.timer.heartbeat_elapsed += count;
        }
    }
}
