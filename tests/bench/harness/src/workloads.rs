//! The workloads, by name. Each does a chunk of its work at a time, of which the measured part is
//! a number of operations: proposals, reads, heartbeat rounds, whatever the workload is about.

use crate::cluster::{Cluster, Lists, Payload, Replica};
use crate::{Meter, Mode, alloc};

/// A workload at work.
pub trait Chunk {
    /// Does a piece of it.
    fn run(&mut self, meter: &mut Meter);

    /// Panics unless everything that was to happen has.
    fn check(&self);

    /// What one node takes in memory, 0 if that is not what the workload is about.
    fn node_bytes(&self) -> u64 {
        0
    }
}

/// Those that are run by default; sizes other than these may be asked for as well.
pub const NAMES: [&str; 24] = [
    "single_b1_16",
    "rep3_b1_16",
    "rep3_b64_16",
    "rep3_b64_1k",
    "rep3_b16_64k",
    "rep5_b1_16",
    "rep7_b64_256",
    "readindex_b1",
    "readindex_b64",
    "idle_10k",
    "tick_10k",
    "election_3",
    "election_5",
    "election_7",
    "catchup_100k",
    "joint_5to5",
    "log_1k",
    "log_100k",
    "log_10m",
    "group_3",
    "group_11",
    "group_31",
    "group_51",
    "group_101",
];

/// The workload of this name.
pub fn find<R: Replica>(name: &str, mode: Mode) -> Option<Box<dyn Chunk>> {
    let mut parts = name.split('_');
    let kind = parts.next()?;
    let mut number = |prefix: &str| number(parts.next()?.strip_prefix(prefix)?);
    let chunk: Box<dyn Chunk> = match kind {
        "single" => Box::new(Replicate::<R>::new(1, number("b")?, number("")?, mode)),
        "readindex" => Box::new(Reads::<R>::new(number("b")?, mode)),
        "idle" => Box::new(Idle::<R>::new(number("")?, mode)),
        "tick" => Box::new(Ticks::<R>::new(number("")?, mode)),
        "election" => Box::new(Elections::<R>::new(number("")? as u64, mode)),
        // Proposed a hundred at a time.
        "catchup" => Box::new(CatchUp::<R>::new(
            number("").filter(|&count| count >= 100)?,
            mode,
        )),
        "joint" if name == "joint_5to5" => Box::new(Joint::<R>::new(mode)),
        "log" => Box::new(Replicate::<R>::with_log(number("")? as u64, mode)),
        "group" => Box::new(Replicate::<R>::new(number("")? as u64, 64, 16, mode)),
        _ => {
            let nodes = kind.strip_prefix("rep")?.parse().ok()?;
            Box::new(Replicate::<R>::new(nodes, number("b")?, number("")?, mode))
        }
    };
    Some(chunk)
}

/// 16, 1k (1,024 if it is bytes is near enough to 1,000 for counts), 10m.
fn number(text: &str) -> Option<usize> {
    let (digits, factor) = match text.strip_suffix(['k', 'm']) {
        Some(digits) if text.ends_with('k') => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    Some(digits.parse::<usize>().ok()? * factor)
}

/// Proposals that are applied everywhere, a batch at a time.
struct Replicate<R: Replica> {
    cluster: Cluster<R>,
    payload: Payload,
    batch: usize,
    batches: usize,
    proposed: u64,
    compacts: bool,
}

impl<R: Replica> Replicate<R> {
    fn new(nodes: u64, batch: usize, len: usize, mode: Mode) -> Replicate<R> {
        // Payloads are named in binary thousands, as bytes usually are.
        let len = if len >= 1000 { len / 1000 * 1024 } else { len };
        Replicate {
            cluster: Cluster::new(nodes, nodes, mode),
            payload: Payload::new(len),
            batch,
            batches: (200_000 / (batch * nodes as usize * (len / 64 + 1))).clamp(1, 5_000),
            proposed: 0,
            compacts: true,
        }
    }

    /// Three nodes whose log has that many entries and keeps them.
    fn with_log(entries: u64, mode: Mode) -> Replicate<R> {
        let mut workload = Replicate::new(3, 64, 16, mode);
        workload.compacts = false;
        let mut unmeasured = Meter::new();
        unmeasured.pause();
        while workload.proposed < entries {
            workload.run(&mut unmeasured);
        }
        workload
    }
}

impl<R: Replica> Chunk for Replicate<R> {
    fn run(&mut self, meter: &mut Meter) {
        let count = (self.batch * self.batches) as u64;
        self.proposed += count;
        meter.measure(count, || {
            for _ in 0..self.batches {
                self.cluster.propose(self.batch, &mut self.payload);
                self.cluster.run();
                if self.compacts {
                    self.cluster.maybe_compact();
                }
            }
        });
    }

    fn check(&self) {
        let nodes = self.cluster.nodes.len() as u64;
        self.cluster.check(1..=nodes, self.proposed);
    }
}

/// Linearizable reads, a batch at a time, at the leader of three.
struct Reads<R: Replica> {
    cluster: Cluster<R>,
    batch: u64,
    asked: u64,
}

impl<R: Replica> Reads<R> {
    fn new(batch: usize, mode: Mode) -> Reads<R> {
        Reads {
            cluster: Cluster::new(3, 3, mode),
            batch: batch as u64,
            asked: 0,
        }
    }
}

impl<R: Replica> Chunk for Reads<R> {
    fn run(&mut self, meter: &mut Meter) {
        let rounds = 2_000 / self.batch + 1;
        meter.measure(rounds * self.batch, || {
            for _ in 0..rounds {
                for _ in 0..self.batch {
                    self.asked += 1;
                    self.cluster.nodes[0].read_index(self.asked);
                }
                self.cluster.run();
            }
        });
    }

    fn check(&self) {
        let reads = self.cluster.nodes[0].applied().reads;
        assert_eq!(reads, self.asked, "every read is answered");
    }
}

/// Many groups of three with nothing to do but heartbeats.
struct Idle<R: Replica> {
    groups: Vec<Cluster<R>>,
    /// One set for all of them, as a host's thread has it.
    lists: Lists<R>,
    node_bytes: u64,
}

impl<R: Replica> Idle<R> {
    fn new(groups: usize, mode: Mode) -> Idle<R> {
        let mut all = Vec::with_capacity(groups);
        let before = alloc::live();
        all.extend((0..groups).map(|_| {
            let mut group = Cluster::new(3, 3, mode);
            group.forget_lists();
            group
        }));
        let mut idle = Idle {
            groups: all,
            lists: Lists::default(),
            node_bytes: 0,
        };
        // Rounds in which the driver's lists get their room, and after which a node is one that rests.
        let mut unmeasured = Meter::new();
        unmeasured.pause();
        for _ in 0..2 {
            idle.run(&mut unmeasured);
        }
        idle.node_bytes = (alloc::live() - before) / (3 * groups as u64);
        idle
    }
}

impl<R: Replica> Chunk for Idle<R> {
    fn run(&mut self, meter: &mut Meter) {
        meter.measure(self.groups.len() as u64, || {
            for group in &mut self.groups {
                // The followers' clocks are set back by every heartbeat, so that only the
                // leader's has to move.
                group.nodes[0].tick();
                group.run_with(&mut self.lists);
            }
        });
    }

    fn check(&self) {
        for group in &self.groups {
            assert!(group.nodes[0].is_leader(), "the leader keeps its group");
            group.check(1..=3, 0);
        }
    }

    fn node_bytes(&self) -> u64 {
        self.node_bytes
    }
}

/// Many followers that have just heard from their leader.
struct Ticks<R: Replica> {
    groups: Idle<R>,
    ready: u64,
}

impl<R: Replica> Ticks<R> {
    fn new(nodes: usize, mode: Mode) -> Ticks<R> {
        Ticks {
            groups: Idle::new(nodes.div_ceil(2), mode),
            ready: 0,
        }
    }
}

impl<R: Replica> Chunk for Ticks<R> {
    fn run(&mut self, meter: &mut Meter) {
        // Fewer than an election timeout; then a heartbeat, which is not measured.
        const TICKS: u64 = 8;
        meter.measure(self.groups.groups.len() as u64 * 2 * TICKS, || {
            for _ in 0..TICKS {
                for group in &mut self.groups.groups {
                    for follower in &mut group.nodes[1..] {
                        follower.tick();
                        self.ready += u64::from(follower.has_ready());
                    }
                }
            }
        });
        let mut unmeasured = Meter::new();
        unmeasured.pause();
        self.groups.run(&mut unmeasured);
    }

    fn check(&self) {
        assert_eq!(self.ready, 0, "idle followers have nothing to do");
        self.groups.check();
    }

    fn node_bytes(&self) -> u64 {
        self.groups.node_bytes
    }
}

/// One node after the other is elected.
struct Elections<R: Replica> {
    cluster: Cluster<R>,
    leader: u64,
}

impl<R: Replica> Elections<R> {
    fn new(nodes: u64, mode: Mode) -> Elections<R> {
        Elections {
            cluster: Cluster::new(nodes, nodes, mode),
            leader: 1,
        }
    }
}

impl<R: Replica> Chunk for Elections<R> {
    fn run(&mut self, meter: &mut Meter) {
        let count = self.cluster.nodes.len() as u64;
        meter.measure(100, || {
            for _ in 0..100 {
                self.leader = self.leader % count + 1;
                self.cluster.elect(self.leader);
            }
        });
    }

    fn check(&self) {
        self.cluster.check(1..=self.cluster.nodes.len() as u64, 0);
    }
}

/// A follower that was away for a long time. An operation is an entry that it gets.
struct CatchUp<R: Replica> {
    entries: usize,
    mode: Mode,
    last: Option<Cluster<R>>,
}

impl<R: Replica> CatchUp<R> {
    fn new(entries: usize, mode: Mode) -> CatchUp<R> {
        CatchUp {
            entries,
            mode,
            last: None,
        }
    }
}

impl<R: Replica> Chunk for CatchUp<R> {
    fn run(&mut self, meter: &mut Meter) {
        self.last = None;
        let mut cluster = Cluster::<R>::new(3, 3, self.mode);
        let mut payload = Payload::new(128);
        cluster.cut_off = Some(3);
        for _ in 0..self.entries / 100 {
            cluster.propose(100, &mut payload);
            cluster.run();
        }
        let commands = cluster.nodes[0].applied().commands;
        cluster.cut_off = None;
        meter.measure(commands, || {
            while cluster.nodes[2].applied().commands < commands {
                cluster.nodes[0].tick();
                cluster.run();
            }
        });
        self.last = Some(cluster);
    }

    fn check(&self) {
        let cluster = self.last.as_ref().expect("it has run");
        cluster.check(1..=3, (self.entries / 100 * 100) as u64);
    }
}

/// All voters are replaced, at once and through a joint configuration, and one of the new ones is
/// elected.
struct Joint<R: Replica> {
    mode: Mode,
    last: Option<Cluster<R>>,
}

impl<R: Replica> Joint<R> {
    fn new(mode: Mode) -> Joint<R> {
        Joint { mode, last: None }
    }
}

impl<R: Replica> Chunk for Joint<R> {
    fn run(&mut self, meter: &mut Meter) {
        for _ in 0..20 {
            let mut cluster = Cluster::<R>::new(10, 5, self.mode);
            cluster.propose(64, &mut Payload::new(16));
            cluster.run();
            meter.measure(1, || {
                cluster.nodes[0].replace_voters(&[1, 2, 3, 4, 5], &[6, 7, 8, 9, 10]);
                cluster.run();
                // Who has missed the end of it hears of it now.
                cluster.nodes[0].tick();
                cluster.run();
                cluster.elect(6);
            });
            self.last = Some(cluster);
        }
    }

    fn check(&self) {
        let cluster = self.last.as_ref().expect("it has run");
        cluster.check(6..=10, 64);
    }
}
