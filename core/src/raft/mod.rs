//! The protocol: one state machine per node, driven by messages and ticks.
//!
//! Reading order: [`core`](Core) is what every role has; [`step`] decides who handles what;
//! [`transition`] changes the role; then one file for each role, and one for each feature of the
//! leader. A handler returns what comes [`Next`]; it never changes the role by itself.

mod candidate;
mod core;
mod deadline;
mod election;
mod follower;
mod group_commit;
pub(crate) mod invariants;
mod leader;
mod load;
mod notes;
mod outbox;
mod promises;
mod read_index;
mod reconfig;
mod replication;
mod reports;
mod snapshot;
mod step;
mod storage;
mod timer;
mod transition;
mod vet;

use crate::config::Config;
use crate::error::Result;
use crate::event::{CampaignKind, CampaignReason};
use crate::metrics::Metrics;
use crate::status::{BasicStatus, FlowState, ProgressStatus, Status};
use crate::tracker::{Flow, Progress};
use crate::types::{NONE, NodeId, RestartState, Role, SoftState, Term};

use candidate::Candidate;
use follower::Follower;
use leader::Leader;

pub use self::core::Core;
pub use self::promises::{OwnPromise, OwnPromises, Promise};

/// One node of the protocol.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Raft {
    role: RoleState,
    core: Core,
}

/// The part that the node plays, with the data that only this role has.
// In the order of [`Role`], so that to tell it needs no table: each turn of a host's loop asks for it three times.
#[derive(Clone, Debug)]
enum RoleState {
    Follower(Follower),
    Candidate(Box<Candidate>),
    Leader(Leader),
    PreCandidate(Box<Candidate>),
}

/// What a handler wants to become of the node. Applied in [`transition`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The role stays as it is.
    Stay,
    /// Follow `leader`, or wait for one if it is [`NONE`].
    Follow {
        term: Term,
        leader: NodeId,
        why: Why,
    },
    /// Ask for votes.
    Campaign {
        kind: CampaignKind,
        reason: CampaignReason,
    },
    /// The election is won.
    Lead,
}

/// Why a node follows, for whoever wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A message of this node is of a higher term.
    HigherTerm(NodeId),
    /// This node leads the term.
    LeaderAppeared(NodeId),
    /// Too many voters have refused.
    Outvoted,
    /// Too few members have been heard from.
    CheckQuorum,
    /// The node has lost its vote.
    Removed,
    /// The group begins.
    Bootstrap,
}

impl Raft {
    /// A follower that starts from what is in storage.
    ///
    /// # Errors
    /// As [`Core::new`].
    pub fn new(config: Config, state: &RestartState) -> Result<Raft> {
        let core = Core::new(config, state)?;
        Ok(Raft {
            role: RoleState::Follower(Follower::default()),
            core,
        })
    }

    /// The state that all roles share.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The same, for the node's bookkeeping of what has been handed out.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The role.
    pub fn role(&self) -> Role {
        match self.role {
            RoleState::Follower(_) => Role::Follower,
            RoleState::PreCandidate(_) => Role::PreCandidate,
            RoleState::Candidate(_) => Role::Candidate,
            RoleState::Leader(_) => Role::Leader,
        }
    }

    /// Leader and role.
    pub fn soft_state(&self) -> SoftState {
        SoftState {
            leader: self.core.leader(),
            role: self.role(),
        }
    }

    /// Whether this leads a group that rests.
    #[cfg(test)]
    pub fn rests(&self) -> bool {
        matches!(&self.role, RoleState::Leader(leader) if leader.tracker().at_rest().is_some())
    }

    /// Whether the leader, the role or the hard state may be other than when they were last shown.
    pub fn have_states_moved(&self) -> bool {
        self.core.outbox.states_moved || self.core.log.has_commit_moved()
    }

    /// The host is shown all of them.
    pub fn states_shown(&mut self) {
        self.core.outbox.states_moved = false;
        self.core.log.commit_shown();
    }

    /// The cheap part of the status.
    pub fn basic_status(&self) -> BasicStatus {
        let log = &self.core.log;
        BasicStatus {
            id: self.core.id(),
            hard_state: self.core.hard_state(),
            soft_state: self.soft_state(),
            applied: log.applied(),
            lead_transferee: match &self.role {
                RoleState::Leader(leader) => leader.transferee().unwrap_or(NONE),
                _ => NONE,
            },
            first_index: log.first_index(),
            last_index: log.last_index(),
            persisted: log.persisted(),
            removed_as_of: self.core.removed_as_of(),
        }
    }

    /// The counters.
    pub fn metrics(&self) -> Metrics {
        let (log, notes) = (&self.core.log, &self.core.notes);
        let (committed, applied) = notes.began();
        Metrics {
            ticks: self.core.timer.now + notes.ticks_quiesced(),
            entries_appended: log.appended(),
            entries_committed: log.committed() - committed,
            entries_applied: log.applied() - applied,
            ..notes.metrics()
        }
    }

    /// All of the status.
    pub fn status(&self) -> Status {
        let progress = match &self.role {
            RoleState::Leader(leader) => leader.tracker().iter().map(progress_status).collect(),
            _ => Vec::new(),
        };
        Status {
            basic: self.basic_status(),
            conf_state: self.core.membership.conf_state(),
            progress,
        }
    }
}

fn progress_status(peer: &Progress) -> ProgressStatus {
    let mut status = ProgressStatus {
        id: peer.id,
        match_index: peer.match_index,
        next_index: peer.next_index,
        paused: peer.is_paused(),
        recent_active: peer.recent_active,
        learner: peer.is_learner,
        inflight_full: peer.is_window_full(),
        ..ProgressStatus::default()
    };
    match &peer.flow {
        Flow::Probe => status.state = FlowState::Probe,
        Flow::Replicate { inflights } => {
            status.state = FlowState::Replicate;
            status.inflight_messages = inflights.count();
            status.inflight_bytes = inflights.bytes();
        }
        Flow::Snapshot { index } => {
            status.state = FlowState::Snapshot;
            status.pending_snapshot = *index;
        }
    }
    status
}
