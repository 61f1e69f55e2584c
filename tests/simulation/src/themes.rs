//! Themes: what three of four seeds are about.
//!
//! With every fault drawn by itself, whole classes of schedules hardly come about, since they need
//! several at once, or that others stay away. A theme makes one such class common. It is told by what happens to
//! a cluster, not by a bug, and leaves all that it does not speak of as it was drawn.

use fastrand::Rng;

use crate::plan::{Plan, TICK, WHOLE};

/// What a seed is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Leaders follow each other quickly, and reach only some. So tails are overwritten, also back and
    /// forth, and acknowledgements of what is gone come late, from others and from the own disk.
    Rivals,
    /// Leaders are cut off again and again and go on as such, while old answers still come in. Clients
    /// use the names of their reads again.
    OldLeaders,
    /// Reads by lease, and transfers, the orders of which come late; who campaigns is hardly heard.
    Leases,
    /// A few nodes, one half of which has newer terms and the other one longer logs.
    Cohorts,
    /// Followers hear their leader, who does not hear them, and compact their logs at once.
    LostAnswers,
    /// A small cluster changes its members all the time.
    Members,
    /// Whatever was drawn, but for a short time: most of the run is healing.
    Brief,
}

impl Theme {
    /// All of them, and how many of sixteen seeds that have one have it: the more must come together
    /// for what they are after, the more.
    const SHARES: [(u32, Theme); 7] = [
        (4, Theme::Rivals),
        (2, Theme::OldLeaders),
        (5, Theme::Leases),
        (1, Theme::Cohorts),
        (1, Theme::LostAnswers),
        (2, Theme::Members),
        (1, Theme::Brief),
    ];

    /// Its name in a summary.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Rivals => "[rivals] ",
            Theme::OldLeaders => "[old-leaders] ",
            Theme::Leases => "[leases] ",
            Theme::Cohorts => "[cohorts] ",
            Theme::LostAnswers => "[lost-answers] ",
            Theme::Members => "[members] ",
            Theme::Brief => "[brief] ",
        }
    }
}

impl Plan {
    /// Gives three of four seeds a theme.
    pub fn draw_theme(&mut self) {
        let rng = &mut Rng::with_seed(self.seed ^ 0x0074_6865_6d65);
        if rng.u32(..4) == 0 {
            return;
        }
        let all: u32 = Theme::SHARES.iter().map(|(share, _)| share).sum();
        let mut place = rng.u32(..all);
        let drawn = Theme::SHARES.iter().find(|&&(share, _)| {
            let found = place < share;
            place = place.saturating_sub(share);
            found
        });
        let Some(&(_, theme)) = drawn else { return };
        self.theme = Some(theme);
        match theme {
            Theme::Rivals => self.rivals(rng),
            Theme::OldLeaders => self.old_leaders(rng),
            Theme::Leases => self.lease_reads(rng),
            Theme::Cohorts => self.cohorts(rng),
            Theme::LostAnswers => self.lost_answers(rng),
            Theme::Members => self.members(rng),
            Theme::Brief => self.length = 1,
        }
    }

    fn rivals(&mut self, rng: &mut Rng) {
        self.nodes = rng.u64(4..=7);
        self.pre_vote = false;
        self.mixed_guards = false;
        self.check_quorum = false;
        self.priorities = false;
        self.membership = 0;
        self.replace = 0;
        self.asynchronous = 5;
        self.trouble_every = TICK * rng.u64(2..20);
        self.network.drop = 0;
        self.network.latency = rng.u64(1..=TICK / 2);
        self.network.long = TICK * rng.u64(5..60);
        self.network.slow_kinds = vec!["accept", "appended"];
        self.network.thin = rng.u32(WHOLE / 8..=WHOLE / 2);
        self.network.partition = rng.u32(0..=WHOLE / 6);
        self.process.crash = rng.u32(0..=WHOLE / 32);
        self.process.storm = 0;
        self.process.pause = 0;
        self.disk.sync_time = TICK * rng.u64(1..8);
        self.disk.report_time = rng.u64(4..30 * TICK);
        self.clients.every = rng.u64(2..TICK);
        self.clients.reads = 0;
        self.clients.batches = WHOLE / 2;
        self.clients.contention = rng.u64(2 * TICK..16 * TICK);
        self.clients.compact /= 8;
    }

    fn old_leaders(&mut self, rng: &mut Rng) {
        self.nodes = if rng.bool() { 3 } else { 5 };
        self.check_quorum = false;
        self.mixed_guards = false;
        self.membership = 0;
        self.replace = 0;
        self.trouble_every = TICK * rng.u64(5..30);
        self.network.drop /= 8;
        self.network.latency = rng.u64(1..=TICK / 2);
        self.network.outlast_cuts = true;
        self.network.long = TICK * rng.u64(20..100);
        self.network.slow_kinds = vec!["beat ok"];
        self.network.partition = rng.u32(WHOLE / 8..=WHOLE / 2);
        self.process.crash /= 8;
        self.process.storm = 0;
        self.clients.every = rng.u64(2..TICK);
        self.clients.reads = WHOLE * 3 / 4;
        self.clients.read_again = 0;
        self.clients.read_by_old_name = WHOLE * 7 / 8;
    }

    fn lease_reads(&mut self, rng: &mut Rng) {
        self.nodes = if rng.u32(..4) == 0 { 5 } else { 3 };
        self.check_quorum = true;
        self.leases = true;
        self.mixed_guards = false;
        self.membership = 0;
        self.replace = 0;
        self.asynchronous = 0;
        self.trouble_every = TICK * rng.u64(3..12);
        self.network.latency = rng.u64(1..=3);
        self.network.drop = rng.u32(0..=WHOLE / 4);
        self.network.duplicate = rng.u32(WHOLE / 16..=WHOLE / 3);
        self.network.delay = 0;
        self.network.hold = 0;
        self.network.outlast_cuts = true;
        self.network.long = TICK * rng.u64(10..60);
        self.network.slow_kinds = vec!["timeout-now"];
        self.network.lossy_kinds = vec!["outdated"];
        self.network.one_way = rng.u32(WHOLE / 16..=WHOLE / 4);
        self.process.crash /= 16;
        self.process.storm = 0;
        self.process.pause = 0;
        self.disk.sync_time = rng.u64(1..=3);
        self.clients.every = rng.u64(2..5);
        self.clients.reads = WHOLE / 2;
        self.clients.read_again = 0;
        self.clients.transfer = rng.u32(WHOLE / 8..=WHOLE / 2);
        self.clients.forget = 0;
        self.clients.campaign = 0;
        self.clients.contention = 0;
    }

    fn cohorts(&mut self, rng: &mut Rng) {
        self.nodes = if rng.u32(..4) == 0 { 4 } else { 2 };
        self.pre_vote = true;
        self.pre_vote_comes = rng.bool();
        self.check_quorum = false;
        self.mixed_guards = false;
        self.membership = 0;
        self.replace = 0;
        self.length = rng.u64(1..=3);
        self.trouble_every = TICK * rng.u64(2..16);
        self.network.lossy_kinds = vec!["vote?", "outdated"];
        self.network.one_way = rng.u32(0..=WHOLE / 4);
        self.network.thin = rng.u32(0..=WHOLE / 4);
        self.process.crash = rng.u32(WHOLE / 16..=WHOLE / 3);
        self.clients.every = rng.u64(2..TICK);
    }

    fn lost_answers(&mut self, rng: &mut Rng) {
        self.membership = 0;
        self.replace = 0;
        self.length = rng.u64(1..=3);
        self.network.lossy_kinds = vec!["accept"];
        self.network.partition /= 4;
        self.network.flapping_sides /= 4;
        self.process.crash /= 8;
        self.process.storm = 0;
        self.trouble_every = TICK * rng.u64(2..8);
        self.clients.contention = 0;
        self.clients.campaign = 0;
        self.clients.transfer = 0;
        self.clients.every = rng.u64(2..TICK);
        self.clients.compact = rng.u32(WHOLE / 4..=WHOLE);
        self.clients.unreachable = rng.u32(WHOLE / 8..=WHOLE / 2);
    }

    fn members(&mut self, rng: &mut Rng) {
        self.nodes = rng.u64(2..=4);
        self.length = rng.u64(1..=4);
        self.membership = rng.u32(WHOLE / 4..=WHOLE);
        self.trouble_every = TICK * rng.u64(2..16);
        self.network.drop /= 2;
        self.network.partition = rng.u32(0..=WHOLE / 6);
        self.process.crash /= 4;
        self.process.storm = 0;
    }
}
