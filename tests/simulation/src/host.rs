//! One machine: a node of the core, its disk, its state machine and its workers.
//!
//! Everything that a host keeps is here; what it does is in `handling`. A host that is down has no
//! node. What the checks remember of a host is here as well, and no decision depends on it.

use std::collections::{BTreeMap, VecDeque};

use libraft_core::*;

use crate::check::leases::Lease;
use crate::check::logs::View;
use crate::disk::{Disk, Write};
use crate::plan::Plan;
use crate::recordings::Life;
use crate::tally::{Kind, Tally};

/// What a synchronous host does next with its Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Write,
    Sync,
    Send,
    Apply,
    Advance,
}

/// A Ready under way.
#[derive(Debug)]
pub struct Work {
    pub stage: Stage,
    pub hard_state: Option<HardState>,
    pub entries: Vec<Entry>,
    pub snapshot: Option<Snapshot>,
    pub messages: VecDeque<Message>,
    pub committed: VecDeque<Entry>,
    pub must_sync: bool,
    /// A part of the present stage is done.
    pub begun: bool,
}

impl Work {
    pub fn go_on_to(&mut self, stage: Stage) {
        (self.stage, self.begun) = (stage, false);
    }
}

/// Work of the append worker: to be written, or written and not synced.
#[derive(Debug)]
pub struct Append {
    pub hard_state: Option<HardState>,
    pub entries: Vec<Entry>,
    pub snapshot: Option<Snapshot>,
    pub responses: Vec<Message>,
}

/// Work of the apply worker.
#[derive(Debug)]
pub struct Apply {
    pub entries: Vec<Entry>,
    pub responses: Vec<Message>,
}

/// A request of the core that has not been answered for good.
#[derive(Debug)]
pub struct Request {
    pub id: RequestId,
    /// It was asked for once more, since no answer came.
    pub repeated: bool,
    pub wants: Wanted,
}

/// What was asked for, and what the answer would have been at the time.
#[derive(Debug)]
pub enum Wanted {
    Entries(ReadRequest, Option<Vec<Entry>>),
    Snapshot(Option<Snapshot>),
}

#[derive(Debug)]
pub struct Host {
    pub id: NodeId,
    pub config: Config,
    /// None while it is down.
    pub node: Option<Node>,
    /// Wiped, for good.
    pub gone: bool,
    /// How often it has started.
    pub life: u32,
    pub disk: Disk,
    pub durable_machine: bool,
    /// Where its state machine is.
    pub applied: Index,
    /// The configurations that it has come through, with the index of each.
    pub confs: Vec<(Index, ConfState)>,
    /// A snapshot that is not on the disk yet has taken the place of the log, and with it of the
    /// configuration: what is applied in the meantime is not what a crash falls back to.
    pub most_after_crash: Index,

    pub work: Option<Work>,
    pub appends: VecDeque<Append>,
    /// What is written and not synced: the number of writes of each.
    pub written: VecDeque<(usize, Append)>,
    pub applies: VecDeque<Apply>,
    pub requests: Vec<Request>,
    /// Reads that wait until an index is applied.
    pub reads: Vec<(u64, Index)>,
    /// Promises to itself, and answers of its workers, that are on their way.
    pub unheard: u32,

    pub checked: Remembered,

    /// If it is recorded: its earlier lives, and the Readys of this one.
    pub lives: Vec<Life>,
    pub readys: Vec<Vec<u8>>,
}

/// What the checks remember of a host.
#[derive(Debug, Default)]
pub struct Remembered {
    pub view: View,
    pub status: BasicStatus,
    /// As of the last Ready.
    pub hard_state: HardState,
    pub applying: Index,
    /// The configuration at the last Ready and now.
    pub conf_at_ready: usize,
    /// The term that it led when it handed out its last Ready.
    pub led: Option<Term>,
    /// Applied when it was elected, and the payload not applied then that no limit counts; all there is, if
    /// that is not known.
    pub applied_at_election: Index,
    pub uncounted: u64,
    /// The first index of each batch that is applied, and of which the node has not heard yet.
    pub unacknowledged: Vec<Index>,
    /// The largest payload that it has proposed or taken.
    pub largest: u64,
    pub lease: Lease,
    /// What was ever allowed to be in flight to a peer, where the host has said so.
    pub inflight: BTreeMap<NodeId, (usize, u64)>,
    /// The number of commit groups, 0 without group commit, and the highest id that is in one.
    pub groups: (u64, u64),
    /// They have changed since the last Ready.
    pub regrouped: bool,
    /// The host has asked for a snapshot, and none has come.
    pub wants_snapshot: bool,
}

impl Host {
    pub fn new(config: Config, durable_machine: bool) -> Host {
        Host {
            id: config.id,
            config,
            node: None,
            gone: false,
            life: 0,
            disk: Disk::default(),
            durable_machine,
            applied: 0,
            confs: vec![(0, ConfState::default())],
            most_after_crash: Index::MAX,
            work: None,
            appends: VecDeque::new(),
            written: VecDeque::new(),
            applies: VecDeque::new(),
            requests: Vec::new(),
            reads: Vec::new(),
            unheard: 0,
            checked: Remembered::default(),
            lives: Vec::new(),
            readys: Vec::new(),
        }
    }

    /// The configuration as of what is applied.
    pub fn conf(&self) -> &ConfState {
        static NOBODY: std::sync::OnceLock<ConfState> = std::sync::OnceLock::new();
        match self.confs.last() {
            Some((_, conf)) => conf,
            None => NOBODY.get_or_init(ConfState::default),
        }
    }

    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    pub fn leads(&self) -> bool {
        self.is_up() && self.checked.status.soft_state.role == Role::Leader
    }

    /// The first index that something on its way to the disk will replace or add.
    pub fn first_unsynced(&self) -> Option<Index> {
        let first = |entries: &[Entry]| entries.first().map(|entry| entry.index);
        let written = self.disk.unsynced_writes().filter_map(|write| match write {
            Write::Entries(entries) => first(entries),
            _ => None,
        });
        let queued = self.appends.iter().filter_map(|a| first(&a.entries));
        written.chain(queued).min()
    }

    /// The limit on committed entries in one Ready.
    pub fn max_committed_bytes(&self) -> u64 {
        match self.config.max_committed_size_per_ready {
            0 => self.config.max_size_per_msg,
            limit => limit,
        }
    }

    /// Everything in memory is gone, and a part of what was not synced.
    pub fn crash(&mut self, kept: usize, torn: usize, back: u64, tally: &mut Tally) {
        self.note_crash(tally);
        self.keep_recording();
        self.node = None;
        tally.note_if(self.disk.unsynced() > kept, Kind::TailLost);
        tally.note_if(self.disk.crash(kept, torn), Kind::TailTorn);
        self.work = None;
        self.appends.clear();
        self.written.clear();
        self.applies.clear();
        self.requests.clear();
        self.reads.clear();
        self.unheard = 0;
        let before = self.applied;
        let snapshot = self
            .disk
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.id.index);
        // A state machine may have been ahead of the log; it passes over what it has already, which
        // is the same here as to begin again after the log's end.
        let most = self.most_after_crash.min(self.disk.last().index);
        self.applied = match self.durable_machine {
            true => self.applied.min(most).saturating_sub(back).max(snapshot),
            false => snapshot,
        };
        tally.note_if(self.applied < before, Kind::MachineBack);
        self.most_after_crash = Index::MAX;
        // A founder knows the first configuration from its snapshot; others begin with none.
        let applied = self.applied;
        while self.confs.len() > 1 && self.confs.last().is_some_and(|(at, _)| *at > applied) {
            self.confs.pop();
        }
        if let Some(snapshot) = self
            .disk
            .snapshot
            .as_ref()
            .filter(|s| s.id.index == applied)
        {
            self.confs = vec![(applied, snapshot.conf_state.clone())];
        }
    }

    /// Counts the crash by what it interrupts.
    fn note_crash(&self, tally: &mut Tally) {
        let work = self.work.as_ref().map(|work| (work.stage, work.begun));
        let interrupted = work.map(|stage| match stage {
            (Stage::Write, _) => Kind::CrashTaken,
            (Stage::Sync, _) => Kind::CrashWritten,
            (Stage::Send, false) => Kind::CrashSynced,
            (Stage::Send, true) => Kind::CrashSending,
            (Stage::Apply, false) => Kind::CrashSent,
            (Stage::Apply, true) => Kind::CrashApplying,
            (Stage::Advance, _) => Kind::CrashApplied,
        });
        let workers = [
            (!self.appends.is_empty(), Kind::CrashQueued),
            (!self.written.is_empty(), Kind::CrashUnsynced),
            (!self.applies.is_empty(), Kind::CrashUnapplied),
            (self.unheard > 0, Kind::CrashUnheard),
        ];
        let interrupted = interrupted.into_iter();
        let workers = workers.into_iter().filter(|(occurs, _)| *occurs);
        let mut kinds = interrupted.chain(workers.map(|(_, kind)| kind)).peekable();
        tally.note_if(kinds.peek().is_none(), Kind::CrashIdle);
        kinds.for_each(|kind| tally.note(kind));
    }

    /// Starts from the disk.
    ///
    /// # Errors
    /// As [`Node::new`].
    pub fn restart(&mut self, plan: &Plan) -> Result<()> {
        let state = self.disk.restart_state(self.applied, self.conf().clone());
        self.life += 1;
        self.config = plan.config(self.id, self.life);
        let node = Node::new(self.config.clone(), state)?;
        let status = node.basic_status();
        self.checked = Remembered {
            view: View::of(&self.disk),
            status,
            hard_state: status.hard_state,
            applying: self.applied.max(self.disk.compacted.index),
            ..Remembered::default()
        };
        self.checked.conf_at_ready = self.confs.len() - 1;
        self.node = Some(node);
        Ok(())
    }
}
