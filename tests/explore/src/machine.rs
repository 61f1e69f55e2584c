//! One machine: the real node, its disk, and the host that handles its Readys. What it does with an
//! input depends on nothing else, so that each (state, input) has to be computed once only.
//!
//! A host that is down does nothing, and so crash and restart are one step. A crash between writing
//! and sending needs no step of its own: the messages might as well never arrive. One between taking
//! a Ready and writing it is one before the Ready. What the state machine has applied is gone with a
//! crash, but for its snapshot.

use std::collections::VecDeque;

use libraft_core::*;

use crate::check::{Checked, Commit, broken};
use crate::disk::Disk;
use crate::log::{self, Marks};
use crate::run::Run;
use crate::setting::{Handling, Setting};

/// What can happen to a machine. Messages are numbered by [`crate::catalogue`].
#[derive(Clone, Debug)]
pub enum Input {
    Deliver(Message),
    Heartbeat,
    Campaign,
    Propose(u8),
    Change(u8),
    Read(u8),
    Transfer(NodeId),
    Unreachable(NodeId),
    Compact,
    /// Takes a Ready, writes and sends.
    Ready,
    /// Applies what that Ready has brought, and advances.
    Advance,
    /// The append worker does its next piece.
    Append,
    /// The apply worker does its next piece.
    Apply,
    Crash,
    /// A crash that takes back the commit index that was not synced.
    CrashUnsynced,
    /// A crash after so many writes of the next Ready, or of the append worker's next piece.
    CrashTorn(u8),
}

/// What a Ready has brought to be applied.
#[derive(Clone, Debug)]
pub struct Work {
    pub snapshot: Option<Snapshot>,
    pub committed: Vec<Entry>,
}

/// A piece of work of the append worker.
#[derive(Clone, Debug)]
pub struct Append {
    pub hard_state: Option<HardState>,
    pub entries: Vec<Entry>,
    pub snapshot: Option<Snapshot>,
    pub responses: Vec<Message>,
}

/// A piece of work of the apply worker.
#[derive(Clone, Debug)]
pub struct Apply {
    pub entries: Vec<Entry>,
    pub responses: Vec<Message>,
}

/// What a node has shown of itself up to its last Ready. It follows from the rest, and is here to
/// save computing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub term: Term,
    pub commit: Index,
    pub leads: bool,
    pub log: Marks,
}

#[derive(Clone, Debug)]
pub struct Machine {
    pub id: NodeId,
    pub node: Node,
    pub disk: Disk,
    pub work: Option<Work>,
    pub appends: VecDeque<Append>,
    pub applies: VecDeque<Apply>,
    /// What the state machine has applied, and the configuration as of there.
    pub applied: Index,
    pub conf: ConfState,
    /// How many inputs have come since the last Ready.
    pub unhandled: u8,
    pub shown: Shown,
}

/// What an input leads to.
#[derive(Debug)]
pub struct Outcome {
    pub machine: Machine,
    pub sent: Vec<Message>,
    /// The index of a read that was answered.
    pub answer: Option<Index>,
    /// What it has committed as a leader, if the configuration of the time is known.
    pub commits: Vec<Commit>,
}

impl Machine {
    /// A machine with nothing in its log. All know the first members.
    ///
    /// # Errors
    /// A node that doesn't start.
    pub fn new(setting: &Setting, id: NodeId) -> Checked<Machine> {
        let mut disk = Disk::default();
        disk.snapshot.conf_state = ConfState::of_voters(setting.voters.iter().copied());
        Machine::start(setting, id, disk)
    }

    /// A machine that starts from its disk.
    ///
    /// # Errors
    /// A node that doesn't start.
    pub fn start(setting: &Setting, id: NodeId, disk: Disk) -> Checked<Machine> {
        let node = Node::new(setting.config(id), disk.restart_state());
        let node = node.map_err(|error| broken("a node starts from its disk", error))?;
        let shown = Shown {
            term: disk.written.term,
            commit: node.basic_status().hard_state.commit,
            leads: false,
            log: disk.marks(),
        };
        Ok(Machine {
            id,
            node,
            work: None,
            appends: VecDeque::new(),
            applies: VecDeque::new(),
            applied: disk.snapshot.id.index,
            conf: disk.snapshot.conf_state.clone(),
            disk,
            unhandled: 0,
            shown,
        })
    }

    /// All that decides what it does.
    pub fn state(&self) -> impl std::fmt::Debug {
        (
            &self.node,
            &self.disk,
            (
                &self.work,
                &self.appends,
                &self.applies,
                self.applied,
                self.unhandled,
            ),
        )
    }

    /// What comes of an input; None if it can't be now.
    ///
    /// # Errors
    /// A rule that is broken.
    pub fn step(&self, setting: &Setting, input: &Input) -> Checked<Option<Outcome>> {
        let mut run = Run {
            setting,
            machine: self.clone(),
            sent: Vec::new(),
            answer: None,
            commits: Vec::new(),
        };
        if !run.take(input)? {
            return Ok(None);
        }
        if setting.handling == Handling::AtOnce {
            run.handle_all()?;
        }
        let Run {
            machine,
            sent,
            answer,
            commits,
            ..
        } = run;
        Ok(Some(Outcome {
            machine,
            sent,
            answer,
            commits,
        }))
    }

    /// What the next Ready would show, if one can be taken.
    ///
    /// # Errors
    /// A rule that is broken.
    pub fn about_to_show(&self) -> Checked<Shown> {
        if self.work.is_some() || !self.node.has_ready() {
            return Ok(self.shown);
        }
        let mut copy = self.clone();
        let ready = copy.node.ready();
        let ready = ready.map_err(|error| broken("a Ready can be taken", error))?;
        copy.show(&ready);
        Ok(copy.shown)
    }

    /// Notes what a Ready shows.
    pub fn show(&mut self, ready: &Ready) {
        let status = self.node.basic_status();
        let shown = &mut self.shown;
        shown.term = status.hard_state.term;
        shown.commit = status.hard_state.commit;
        shown.leads = status.soft_state.role == Role::Leader;
        if let Some(snapshot) = &ready.snapshot {
            shown.log = log::from_bytes(&snapshot.data);
        }
        for entry in &ready.entries {
            shown.log = log::put(shown.log, entry.index, log::mark(entry));
        }
    }
}
