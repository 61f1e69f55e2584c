//! Time, counted in ticks, and the randomized election timeout (paper §5.2).

use fastrand::Rng;

/// A node's clocks.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Timer {
    randomized_timeout: u32,
    /// Ticks since the last reset, or since word from the leader.
    pub election_elapsed: u32,
    /// Ticks since the last heartbeat that this node sent as a leader.
    pub heartbeat_elapsed: u32,
    /// Ticks since the node was made.
    pub now: u64,
}

/// Where election timeouts are drawn from. Apart from the clocks, since no tick asks for it.
#[derive(Clone, Debug)]
pub struct Draws {
    rng: Rng,
    /// `[min, max)`
    range: (u32, u32),
}

impl Draws {
    /// Nodes with the same seed still draw different timeouts, from `range`: its start included, its end
    /// not.
    pub fn new(range: (u32, u32), seed: u64, id: u64) -> Draws {
        // Multiplying by an odd constant spreads small ids over all bits.
        let rng = Rng::with_seed(seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Draws { rng, range }
    }

    fn draw(&mut self) -> u32 {
        let (min, max) = self.range;
        min + self.rng.u32(..max - min)
    }
}

impl Timer {
    /// Clocks at zero.
    pub fn new(draws: &mut Draws) -> Timer {
        let mut timer = Timer::default();
        timer.reset(draws);
        timer
    }

    /// One tick more. A node that never campaigns may count for ever, and stops at the end.
    pub fn pass_tick(&mut self) {
        self.pass_ticks(1);
    }

    /// The same for several.
    pub fn pass_ticks(&mut self, count: u32) {
        self.election_elapsed = self.election_elapsed.saturating_add(count);
    }

    /// Starts both clocks anew and draws a timeout.
    pub fn reset(&mut self, draws: &mut Draws) {
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.randomized_timeout = draws.draw();
    }

    /// Fixes the timeout until the next reset.
    pub fn set_randomized_timeout(&mut self, ticks: u32) {
        self.randomized_timeout = ticks;
    }

    /// How long this node waits for a leader.
    pub fn randomized_timeout(&self) -> u32 {
        self.randomized_timeout
    }

    /// Whether it is time for an election.
    pub fn is_past_randomized_timeout(&self) -> bool {
        self.election_elapsed >= self.randomized_timeout
    }
}
