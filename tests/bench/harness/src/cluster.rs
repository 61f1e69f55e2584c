//! Nodes of one group in one thread, and how messages pass between them.

use crate::Mode;

/// One node of a library, with a storage in memory and a state machine.
pub trait Replica: 'static {
    /// What travels between nodes, as a value.
    type Message;

    /// What the host's loop keeps from one round to the next, for all nodes of a thread.
    type Scratch: Default;

    /// A fresh node that knows these voters. The protocol's options are the same for all
    /// libraries: election timeout 10 ticks, heartbeats every tick, messages up to 1 MiB, 256 in
    /// flight, no pre-vote, no check of the quorum.
    fn new(id: u64, voters: &[u64], mode: Mode) -> Self;

    /// The recipient.
    fn to(message: &Self::Message) -> u64;

    /// Starts an election.
    fn campaign(&mut self);

    /// Proposes so many commands, one call for each; `payload` makes the data of the next.
    fn propose_each(&mut self, count: usize, payload: &mut Payload);

    /// Proposes so many commands in the way that suits the library best.
    fn propose_batch(&mut self, count: usize, payload: &mut Payload);

    /// Proposes to replace all of these voters by those.
    fn replace_voters(&mut self, old: &[u64], new: &[u64]);

    /// Asks for a read index.
    fn read_index(&mut self, context: u64);

    /// Time passes.
    fn tick(&mut self);

    /// Whether there is anything to do.
    fn has_ready(&self) -> bool;

    /// Takes a message.
    fn step(&mut self, message: Self::Message);

    /// One round of the host's loop: persist, send, apply, advance. `send` is empty.
    fn process(&mut self, scratch: &mut Self::Scratch, send: &mut Vec<Self::Message>);

    /// Drops stored entries below `first_index`.
    fn compact(&mut self, first_index: u64);

    /// What the state machine has been given.
    fn applied(&self) -> &Applied;

    /// Whether it leads.
    fn is_leader(&self) -> bool;

    /// The last entries in storage: term, index, data. At most `count`.
    fn last_entries(&self, count: usize) -> Vec<(u64, u64, Vec<u8>)>;
}

/// The bytes of commands, each one different.
#[derive(Debug)]
pub struct Payload {
    bytes: Vec<u8>,
    number: u64,
}

impl Payload {
    /// Commands of so many bytes.
    pub fn new(len: usize) -> Payload {
        assert!(len >= 8, "a command has its number in it");
        let bytes = (0..len).map(|place| place as u8).collect();
        Payload { bytes, number: 0 }
    }

    /// How long each one is.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next command.
    pub fn next(&mut self) -> &[u8] {
        self.number += 1;
        self.bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        &self.bytes
    }
}

/// The state machine: it counts, and folds what it is given into one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last index.
    pub index: u64,
    /// Commands, not counting empty entries.
    pub commands: u64,
    /// Reads that were answered.
    pub reads: u64,
    digest: u64,
}

impl Applied {
    /// Applies an entry.
    pub fn apply(&mut self, index: u64, data: &[u8]) {
        assert_eq!(index, self.index + 1, "entries are applied in order");
        self.index = index;
        if let Some(number) = data.first_chunk() {
            self.commands += 1;
            let number = u64::from_le_bytes(*number) ^ data.len() as u64;
            self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The nodes 1 to n of one group.
pub struct Cluster<R: Replica> {
    /// The nodes, by id less 1.
    pub nodes: Vec<R>,
    /// To whom nothing is delivered.
    pub cut_off: Option<u64>,
    lists: Lists<R>,
    compacted: u64,
    mode: Mode,
}

/// What the host's loop keeps from one round to the next: once for a thread, however many groups it has.
pub struct Lists<R: Replica> {
    outbox: Vec<R::Message>,
    scratch: R::Scratch,
}

impl<R: Replica> Default for Lists<R> {
    fn default() -> Lists<R> {
        Lists {
            outbox: Vec::new(),
            scratch: R::Scratch::default(),
        }
    }
}

/// The log is compacted each time that so many entries have been applied.
const COMPACT_EVERY: u64 = 10_000;
/// So many are kept for those who are a little behind.
const COMPACT_KEEP: u64 = 100;

impl<R: Replica> Cluster<R> {
    /// `count` nodes, of which the first `voters` are members, and node 1 is their leader.
    pub fn new(count: u64, voters: u64, mode: Mode) -> Cluster<R> {
        let members: Vec<u64> = (1..=voters).collect();
        let mut cluster = Cluster {
            nodes: (1..=count).map(|id| R::new(id, &members, mode)).collect(),
            cut_off: None,
            lists: Lists::default(),
            compacted: 0,
            mode,
        };
        cluster.elect(1);
        cluster
    }

    /// Makes a node the leader.
    pub fn elect(&mut self, id: u64) {
        let node = id as usize - 1;
        self.nodes[node].campaign();
        self.run();
        assert!(self.nodes[node].is_leader(), "node {id} was not elected");
    }

    /// The leader proposes.
    pub fn propose(&mut self, count: usize, payload: &mut Payload) {
        match self.mode {
            Mode::Default => self.nodes[0].propose_each(count, payload),
            Mode::Best => self.nodes[0].propose_batch(count, payload),
        }
    }

    /// Passes messages along until nobody has anything to do.
    pub fn run(&mut self) {
        run(&mut self.nodes, self.cut_off, &mut self.lists);
    }

    /// The same with lists that are also those of other groups.
    pub fn run_with(&mut self, lists: &mut Lists<R>) {
        run(&mut self.nodes, self.cut_off, lists);
    }

    /// Drops the group's own lists: it is run with those of its thread from here on, and they don't count as
    /// a node's memory.
    pub fn forget_lists(&mut self) {
        self.lists = Lists::default();
    }

    /// Drops old entries, if it is time.
    pub fn maybe_compact(&mut self) {
        let applied = self.nodes[0].applied().index;
        if applied >= self.compacted + COMPACT_EVERY + COMPACT_KEEP {
            self.compacted = applied - COMPACT_KEEP;
            for node in &mut self.nodes {
                node.compact(self.compacted + 1);
            }
        }
    }

    /// Checks that all nodes among `ids` have applied the same, which is `commands` commands, and
    /// have the same log.
    pub fn check(&self, ids: std::ops::RangeInclusive<u64>, commands: u64) {
        let first = &self.nodes[*ids.start() as usize - 1];
        assert_eq!(first.applied().commands, commands, "all are applied");
        let log = first.last_entries(1000);
        for id in ids {
            let node = &self.nodes[id as usize - 1];
            let (ours, theirs) = (node.applied(), first.applied());
            assert_eq!(
                (ours.index, ours.commands, ours.digest),
                (theirs.index, theirs.commands, theirs.digest),
                "node {id} has applied the same"
            );
            assert!(node.last_entries(1000) == log, "node {id} has the same log");
        }
    }
}

fn run<R: Replica>(nodes: &mut [R], cut_off: Option<u64>, lists: &mut Lists<R>) {
    loop {
        let mut idle = true;
        for place in 0..nodes.len() {
            if nodes[place].has_ready() {
                idle = false;
                nodes[place].process(&mut lists.scratch, &mut lists.outbox);
                for message in lists.outbox.drain(..) {
                    let to = R::to(&message);
                    if cut_off != Some(to) {
                        nodes[to as usize - 1].step(message);
                    }
                }
            }
        }
        if idle {
            return;
        }
    }
}
