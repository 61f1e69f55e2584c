//! What one seed switches on: the cluster's size, each node's settings, and a subset of the faults
//! with their rates. Drawn once; the driver then plays by it.
//!
//! Settings that only work when all nodes share them are drawn for the cluster: pre-vote and
//! check-quorum.

use fastrand::Rng;
use libraft_core::{Config, NodeId, ReadOnlyOption};

use crate::themes::Theme;

/// The length of a tick on a clock that is right, in units of simulated time.
pub const TICK: u64 = 16;
/// No cluster has more machines than this over its whole life.
pub const MAX_HOSTS: usize = 20;

/// Chances are out of this.
pub const WHOLE: u32 = 1024;

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// What this seed is about, if it is about anything.
    pub theme: Option<Theme>,
    pub nodes: u64,
    /// Not drawn: [`Config::record_bytes`] of all nodes.
    pub record_bytes: u64,
    /// The first members begin with entries that add them; otherwise, with a snapshot.
    pub bootstrap: bool,
    pub pre_vote: bool,
    /// Nodes have pre-vote only from their second start on: it is switched on one by one, while terms
    /// may have drifted apart without it.
    pub pre_vote_comes: bool,
    pub check_quorum: bool,
    /// All reads are by lease, where they may be.
    pub leases: bool,
    /// Nearly the same for all: whoever campaigns twice as often as others, and can't win, keeps those
    /// from campaigning who can.
    pub election_ticks: u32,
    /// Nodes differ in pre-vote and check-quorum, though each has one of them: whoever has none tells no
    /// leader of its newer term, and those who have check-quorum don't listen to its campaigns.
    pub mixed_guards: bool,
    /// Nodes come back with other settings than they had.
    pub changing: bool,
    /// Voters have priorities.
    pub priorities: bool,
    /// Hosts check configuration changes, and the core does not.
    pub unvalidated: bool,
    /// Commit groups, how many; 0 without group commit.
    pub groups: u64,
    /// Messages travel as bytes.
    pub wire: bool,
    pub network: Network,
    pub process: Process,
    pub disk: DiskFaults,
    pub clock: Clock,
    pub clients: Clients,
    /// The chance of a configuration change, whenever trouble is due.
    pub membership: u32,
    /// The chance that a member loses everything for good, and is replaced under a new id.
    pub replace: u32,
    /// Time between two strokes of trouble.
    pub trouble_every: u64,
    /// How many nodes of five write asynchronously.
    pub asynchronous: u32,
    /// How much of a run is played before the cluster is healed, in sixteenths.
    pub length: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Network {
    pub latency: u64,
    pub drop: u32,
    pub duplicate: u32,
    /// The chance that a message takes up to `long` instead of `latency`.
    pub delay: u32,
    pub long: u64,
    /// What was sent before a cut arrives in spite of it.
    pub outlast_cuts: bool,
    /// The chances that a message is held back without a bound, and that a duplicate is.
    pub hold: u32,
    pub replay: u32,
    /// Half of all messages of these kinds take up to `long`: answers to heartbeats, say, or what a
    /// node hears from its own disk.
    pub slow_kinds: Vec<&'static str>,
    /// Most messages of these kinds are lost.
    pub lossy_kinds: Vec<&'static str>,
    /// The chances of each, whenever trouble is due.
    pub partition: u32,
    pub one_way: u32,
    pub flapping: u32,
    pub flapping_sides: u32,
    pub bridge: u32,
    pub thin: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Chances whenever trouble is due.
    pub crash: u32,
    pub storm: u32,
    pub pause: u32,
    /// The chance that a Ready is handled step by step.
    pub stepwise: u32,
    /// The chance of a crash after each such step.
    pub crash_in_ready: u32,
}

#[derive(Clone, Debug, Default)]
pub struct DiskFaults {
    /// A crash takes unsynced writes back.
    pub lose_unsynced: bool,
    /// It may leave a torn one.
    pub torn: bool,
    /// A sync takes up to so long.
    pub sync_time: u64,
    /// A node hears of what its workers have done after up to so long.
    pub report_time: u64,
    /// Chances for each request.
    pub stale: u32,
    pub twice: u32,
    pub never: u32,
    pub failed: u32,
    /// An answer takes up to so long.
    pub answer_time: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// A node's tick lasts from `TICK - skew` to `TICK + 4 * skew`.
    pub skew: u64,
    /// Chances whenever trouble is due.
    pub burst: u32,
    pub stop: u32,
    pub quiet: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Time between two calls.
    pub every: u64,
    pub reads: u32,
    pub large: u32,
    pub batches: u32,
    pub read_again: u32,
    /// The chance that a leader's client gives a read the name of one that has been answered.
    pub read_by_old_name: u32,
    /// Chances whenever trouble is due.
    pub transfer: u32,
    pub forget: u32,
    pub campaign: u32,
    /// Time between two calls to campaign, by anybody, so that leaders hardly come to lead; 0 for none.
    pub contention: u64,
    pub compact: u32,
    pub want_snapshot: u32,
    pub set: u32,
    /// The host reports peers as unreachable that are not.
    pub unreachable: u32,
}

/// The kinds of which all messages may be slow; see [`crate::flights::kind`].
const SLOW_KINDS: [&str; 12] = [
    "app",
    "accept",
    "reject",
    "vote?",
    "vote",
    "prevote",
    "beat",
    "beat ok",
    "read?",
    "read",
    "timeout-now",
    "appended",
];

/// A rate that half of all seeds have at 0.
fn maybe(rng: &mut Rng, most: u32) -> u32 {
    match rng.bool() {
        true => rng.u32(1..=most),
        false => 0,
    }
}

impl Plan {
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Rng::with_seed(seed);
        // An even number can be split into halves neither of which can do without the other.
        let nodes = match rng.u32(..16) {
            0..7 => 3,
            7..10 => 5,
            10 => 2,
            11 => 4,
            _ => rng.u64(3..=9),
        };
        let mut plan = Plan {
            seed,
            theme: None,
            nodes,
            record_bytes: 0,
            bootstrap: rng.bool(),
            pre_vote: rng.bool(),
            pre_vote_comes: rng.u32(..4) == 0,
            check_quorum: rng.bool(),
            leases: false,
            election_ticks: rng.u32(8..=16),
            mixed_guards: rng.u32(..8) == 0,
            changing: rng.u32(..4) == 0,
            priorities: rng.u32(..4) == 0,
            unvalidated: rng.u32(..12) == 0,
            groups: match rng.u32(..8) {
                0 => rng.u64(1..=3),
                _ => 0,
            },
            wire: rng.u32(..4) == 0,
            network: Network {
                latency: match rng.u32(..4) {
                    0 => rng.u64(1..=4 * TICK),
                    _ => rng.u64(1..=TICK),
                },
                drop: maybe(rng, WHOLE * 2 / 5),
                duplicate: maybe(rng, WHOLE / 8),
                delay: maybe(rng, WHOLE / 8),
                long: TICK * rng.u64(1..100),
                outlast_cuts: rng.bool(),
                hold: maybe(rng, WHOLE / 64),
                replay: maybe(rng, WHOLE),
                slow_kinds: match rng.bool() {
                    true => vec![SLOW_KINDS[rng.usize(..SLOW_KINDS.len())]],
                    false => Vec::new(),
                },
                lossy_kinds: Vec::new(),
                partition: maybe(rng, WHOLE / 6),
                one_way: maybe(rng, WHOLE / 8),
                flapping: maybe(rng, WHOLE / 16),
                flapping_sides: maybe(rng, WHOLE / 16),
                bridge: maybe(rng, WHOLE / 16),
                thin: match rng.u32(..4) {
                    0 => rng.u32(1..=WHOLE / 4),
                    _ => 0,
                },
            },
            process: Process {
                crash: maybe(rng, WHOLE / 4),
                storm: maybe(rng, WHOLE / 32),
                pause: maybe(rng, WHOLE / 16),
                stepwise: maybe(rng, WHOLE / 2),
                crash_in_ready: maybe(rng, WHOLE / 32),
            },
            disk: DiskFaults {
                lose_unsynced: rng.bool(),
                torn: rng.bool(),
                sync_time: match rng.u32(..3) {
                    0 => 1,
                    1 => rng.u64(1..TICK),
                    _ => rng.u64(1..10 * TICK),
                },
                report_time: match rng.u32(..3) {
                    0 => rng.u64(4..50 * TICK),
                    _ => 4,
                },
                stale: maybe(rng, WHOLE / 4),
                twice: maybe(rng, WHOLE / 4),
                never: maybe(rng, WHOLE / 4),
                failed: maybe(rng, WHOLE / 4),
                answer_time: match rng.bool() {
                    true => 1,
                    false => rng.u64(1..20 * TICK),
                },
            },
            clock: Clock {
                skew: match rng.bool() {
                    true => 0,
                    false => rng.u64(1..TICK - 2),
                },
                burst: maybe(rng, WHOLE / 16),
                stop: maybe(rng, WHOLE / 16),
                quiet: maybe(rng, WHOLE / 64),
            },
            clients: Clients {
                every: rng.u64(2..4 * TICK),
                reads: rng.u32(0..WHOLE * 3 / 4),
                large: maybe(rng, WHOLE / 8),
                batches: maybe(rng, WHOLE / 4),
                read_again: maybe(rng, WHOLE / 2),
                read_by_old_name: 0,
                transfer: maybe(rng, WHOLE / 3),
                forget: maybe(rng, WHOLE / 32),
                campaign: maybe(rng, WHOLE / 32),
                contention: match rng.u32(..4) {
                    0 => rng.u64(TICK / 2..10 * TICK),
                    _ => 0,
                },
                compact: maybe(rng, WHOLE / 2),
                want_snapshot: maybe(rng, WHOLE / 16),
                set: maybe(rng, WHOLE / 16),
                unreachable: maybe(rng, WHOLE / 8),
            },
            membership: maybe(rng, WHOLE / 2),
            replace: maybe(rng, WHOLE / 32),
            trouble_every: rng.u64(2..40) * TICK,
            asynchronous: rng.u32(..5),
            length: match rng.bool() {
                true => 16,
                false => rng.u64(1..=16),
            },
        };
        plan.draw_theme();
        plan
    }

    /// Everything goes well from now on.
    pub fn calm(&self) -> Plan {
        Plan {
            network: Network {
                latency: TICK / 4,
                ..Network::default()
            },
            process: Process::default(),
            disk: DiskFaults {
                sync_time: 1,
                report_time: 2,
                answer_time: 1,
                ..DiskFaults::default()
            },
            clock: Clock::default(),
            clients: Clients {
                every: TICK,
                ..Clients::default()
            },
            membership: 0,
            replace: 0,
            trouble_every: TICK,
            ..self.clone()
        }
    }

    /// The settings of a node that starts for the `life`th time, counted from 1: the same each time,
    /// unless they change.
    pub fn config(&self, id: NodeId, life: u32) -> Config {
        let draw = if self.changing { u64::from(life) } else { 0 };
        let rng = &mut Rng::with_seed(
            self.seed ^ id.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ draw.rotate_left(40),
        );
        let mut config = Config::new(id);
        config.seed = self.seed;
        config.record_bytes = self.record_bytes;
        config.pre_vote = self.pre_vote && !(self.pre_vote_comes && life == 1);
        config.check_quorum = self.check_quorum;
        if self.mixed_guards {
            (config.pre_vote, config.check_quorum) = match rng.u32(..3) {
                0 => (true, false),
                1 => (false, true),
                _ => (true, true),
            };
        }
        config.heartbeat_ticks = rng.u32(1..=3);
        config.election_ticks = self.election_ticks + rng.u32(0..=2);
        if rng.u32(..4) == 0 {
            config.min_election_ticks = config.election_ticks + rng.u32(0..4);
            config.max_election_ticks = config.min_election_ticks + rng.u32(6..16);
        }
        if self.priorities {
            config.priority = rng.i64(0..3);
        }
        if rng.bool() {
            config.max_size_per_msg = rng.u64(0..300);
        }
        if rng.bool() {
            config.max_inflight_msgs = rng.u32(1..6);
        }
        if rng.u32(..4) == 0 {
            config.max_inflight_bytes = config.max_size_per_msg + rng.u64(1..400);
        }
        if rng.u32(..3) > 0 {
            config.max_cached_bytes = rng.u64(0..500);
        }
        if rng.u32(..4) == 0 {
            config.max_committed_size_per_ready = rng.u64(1..200);
        }
        if rng.u32(..4) == 0 {
            config.max_uncommitted_bytes = rng.u64(1..400);
        }
        if rng.u32(..4) == 0 {
            config.max_pending_reads = rng.u32(1..4);
        }
        config.coalesce_appends = rng.bool();
        config.async_storage_writes = rng.u32(..5) < self.asynchronous;
        // Without it, a request for votes leaves before what it speaks of is written, which a crash
        // then takes back: see `known_tests`.
        config.coalesce_appends |= config.async_storage_writes && self.has_crashes();
        config.disable_proposal_forwarding = self.unvalidated || rng.u32(..6) == 0;
        config.disable_conf_change_validation = self.unvalidated;
        config.step_down_on_removal = rng.bool();
        config.peer_reports = rng.u32(..3) == 0;
        if self.changing {
            // What it promises is for nodes that have it as long as the cluster lives.
            let own = self.seed ^ id.rotate_left(32);
            config.peer_reports = Rng::with_seed(own).u32(..3) == 0;
        }
        if rng.u32(..4) == 0 {
            config.max_apply_unpersisted_entries = rng.u64(1..6);
        }
        if config.check_quorum && (rng.bool() || self.leases) {
            config.read_only = ReadOnlyOption::LeaseBased;
        }
        config
    }

    fn has_crashes(&self) -> bool {
        let process = &self.process;
        let upgrades = self.pre_vote && self.pre_vote_comes;
        upgrades || process.crash.max(process.storm).max(process.crash_in_ready) > 0
    }

    /// Whether a node's state machine survives a crash, though it may fall back a little.
    pub fn has_durable_machine(&self, id: NodeId) -> bool {
        Rng::with_seed(self.seed.rotate_left(17) ^ id).bool()
    }

    /// One line that says what is on.
    pub fn summary(&self) -> String {
        let (net, process, disk) = (&self.network, &self.process, &self.disk);
        let faults = [
            (self.wire, "bytes"),
            (self.mixed_guards, "mixed-guards"),
            (self.changing, "changing-settings"),
            (self.priorities, "priorities"),
            (self.unvalidated, "unvalidated-changes"),
            (self.groups > 0, "group-commit"),
            (self.pre_vote, "pre-vote"),
            (self.pre_vote && self.pre_vote_comes, "upgrades"),
            (self.check_quorum, "check-quorum"),
            (net.drop > 0, "drops"),
            (net.duplicate > 0, "duplicates"),
            (net.delay > 0, "delays"),
            (net.hold > 0, "held-back"),
            (net.duplicate > 0 && net.replay > 0, "replays"),
            (net.partition > 0, "partitions"),
            (net.one_way > 0, "one-way"),
            (net.flapping > 0, "flapping"),
            (net.flapping_sides > 0, "flapping-partitions"),
            (net.bridge > 0, "bridges"),
            (net.thin > 0, "thin-links"),
            (!net.slow_kinds.is_empty(), "slow-kinds"),
            (!net.lossy_kinds.is_empty(), "lossy-kinds"),
            (process.crash > 0, "crashes"),
            (process.storm > 0, "storms"),
            (process.pause > 0, "pauses"),
            (process.stepwise > 0, "stepwise"),
            (
                process.crash_in_ready > 0 && process.stepwise > 0,
                "crashes-in-ready",
            ),
            (disk.lose_unsynced, "lost-writes"),
            (disk.lose_unsynced && disk.torn, "torn-writes"),
            (disk.sync_time > 1, "slow-syncs"),
            (disk.stale > 0, "stale-answers"),
            (disk.twice > 0, "double-answers"),
            (disk.never > 0, "no-answers"),
            (disk.failed > 0, "failed-reads"),
            (self.clock.skew > 0, "skew"),
            (self.clock.burst > 0, "bursts"),
            (self.clock.stop > 0, "stopped-clocks"),
            (self.membership > 0, "membership"),
            (self.clients.contention > 0, "contention"),
            (self.replace > 0, "replaced-machines"),
            (self.clients.transfer > 0, "transfers"),
            (self.clients.forget > 0, "forget-leader"),
            (self.clients.compact > 0, "compaction"),
        ];
        let on: Vec<&str> = faults.iter().filter(|f| f.0).map(|f| f.1).collect();
        let theme = self.theme.map_or("", Theme::name);
        format!("{} nodes; {theme}{}", self.nodes, on.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Settings that are not for the simulation to vary: the id, and how much is recorded.
    const FIXED: [&str; 2] = ["id", "record_bytes"];

    #[test]
    fn every_setting_differs_from_node_to_node() {
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        for seed in 1..500 {
            let plan = Plan::draw(seed);
            for id in 1..=3 {
                let config = plan.config(id, 1);
                config.validate().unwrap();
                // As it is printed, a line for each setting.
                for line in format!("{config:#?}").lines() {
                    if let Some((name, value)) = line.trim().split_once(": ") {
                        seen.insert((name.to_owned(), value.to_owned()));
                    }
                }
            }
        }
        let names: BTreeSet<&String> = seen.iter().map(|(name, _)| name).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let values = seen.iter().filter(|(other, _)| other == name).count();
            let expected = if FIXED.contains(&name.as_str()) { 1 } else { 2 };
            assert!(values >= expected, "{name} is always the same");
        }
    }
}
