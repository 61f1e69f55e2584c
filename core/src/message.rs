//! What nodes say to each other: an envelope, and one body for each kind of message.
//!
//! Inputs that never travel (a tick, a call for an election, a report of the host's transport)
//! are methods of [`crate::Node`] and have no message here.

use bytes::Bytes;

use crate::entries::Entries;
use crate::error::DropReason;
use crate::types::{Entry, EntryId, HardState, Index, NodeId, Snapshot, Term};

/// A message between nodes, or between a node and its own storage workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The recipient.
    pub to: NodeId,
    /// The sender; [`crate::NONE`] for a call by the host.
    pub from: NodeId,
    /// The sender's term; 0 for a message that is valid in any.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a [`Message`] says. The names on the wire are those of etcd-io/raft's `MessageType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// MsgProp: a follower passes proposals on to the leader.
    Propose {
        /// Entries without term and index.
        entries: Vec<Entry>,
        /// By which the sender wants to hear if they are dropped; `None` if it doesn't.
        ticket: Option<Box<Ticket>>,
    },
    /// MsgApp: the leader's entries `(prev, prev + entries]` (paper §5.3).
    Append {
        /// The entry before the first one sent.
        prev: EntryId,
        /// What follows it.
        entries: Entries,
        /// The leader's commit index.
        commit: Index,
    },
    /// MsgAppResp: the log agrees with the leader's up to `index`.
    Accept {
        /// The last index known to agree.
        index: Index,
    },
    /// MsgAppResp that says no more than its term: the message that it answers is of an older one.
    Outdated,
    /// MsgAppResp with `reject`: there is no such entry as the `prev` of the append.
    Reject {
        /// The index of the refused append's `prev`.
        index: Index,
        /// The best guess of where the logs agree.
        hint: EntryId,
    },
    /// MsgAppResp with `reject`, of a follower whose log is fine: its state is to be replaced by
    /// that of a snapshot ([`crate::Node::request_snapshot`]). Acknowledges all of its log as well.
    RequestSnapshot {
        /// The lowest index that will do; not 0.
        min_index: Index,
    },
    /// MsgVote, MsgPreVote: a candidate asks for a vote (paper §5.2).
    RequestVote {
        /// A question only, which changes nothing (thesis §9.6).
        pre: bool,
        /// The last entry of the candidate's log.
        last: EntryId,
        /// The leader itself has asked for this election, so that no lease stands against it
        /// (thesis §3.10).
        transfer: bool,
        /// The candidate's priority ([`crate::Config::priority`]).
        priority: i64,
        /// Whether the candidate wants to hear if it has been removed.
        reports: bool,
    },
    /// MsgVoteResp, MsgPreVoteResp.
    Vote {
        /// An answer to a pre-vote.
        pre: bool,
        /// Whether the vote is granted.
        granted: bool,
    },
    /// MsgSnap: the follower is too far behind for the log (paper §7).
    InstallSnapshot {
        /// The state to start from.
        snapshot: Box<Snapshot>,
    },
    /// MsgHeartbeat: the leader lives.
    Heartbeat {
        /// What is committed and known to be in the follower's log.
        commit: Index,
        /// The position of the newest read to confirm, to be echoed.
        context: Bytes,
    },
    /// MsgHeartbeatResp.
    HeartbeatResp {
        /// The heartbeat's context.
        context: Bytes,
    },
    /// MsgReadIndex: a follower asks the leader for a read index (thesis §6.4).
    ReadIndex {
        /// The caller's name for the read. None and an empty one mean the same, and are encoded
        /// as they came.
        context: Option<Bytes>,
        /// Whether the sender wants to hear if it is dropped.
        reports: bool,
    },
    /// MsgReadIndexResp.
    ReadIndexResp {
        /// What the reader has to apply first.
        index: Index,
        /// The caller's name for the read, as it was asked.
        context: Option<Bytes>,
    },
    /// MsgTransferLeader: `from` shall become the leader (thesis §3.10).
    TransferLeader,
    /// MsgTimeoutNow: the recipient shall campaign at once.
    TimeoutNow,
    /// MsgForgetLeader: the recipient shall no longer count on its leader.
    ForgetLeader,
    /// MsgProposalDropped, which etcd-io/raft does not know: these entries are not in the log, and
    /// no copy of the message that brought them will get there. Only for those who asked.
    ProposalDropped {
        /// The one that came with them.
        ticket: Box<Ticket>,
        /// Why.
        reason: DropReason,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// MsgReadDropped, which etcd-io/raft does not know. Only for those who asked.
    ReadDropped {
        /// Why.
        reason: DropReason,
        /// The caller's name for the read.
        context: Bytes,
    },
    /// MsgRemoved, which etcd-io/raft does not know: the recipient was no member when this index
    /// was applied. Only for those who asked.
    Removed {
        /// The index.
        as_of: Index,
    },
    /// MsgStorageAppend: work for the host's append worker, with asynchronous storage writes.
    StorageAppend(Box<StorageAppend>),
    /// MsgStorageAppendResp: the append worker is done.
    StorageAppendResp {
        /// The last entry of the log at the time, if any was unstable.
        last: Option<EntryId>,
        /// The snapshot that was persisted.
        snapshot: Option<Box<Snapshot>>,
    },
    /// MsgStorageApply: work for the host's apply worker.
    StorageApply {
        /// The committed entries.
        entries: Entries,
        /// To be delivered when all are applied.
        responses: Vec<Message>,
    },
    /// MsgStorageApplyResp: the apply worker is done.
    StorageApplyResp {
        /// The entries that it applied.
        entries: Entries,
    },
}

/// Work for the host's append worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageAppend {
    /// To be persisted if present.
    pub hard_state: Option<HardState>,
    /// To be appended, replacing what the log has from the first one's index on.
    pub entries: Entries,
    /// To be persisted first, replacing the log.
    pub snapshot: Option<Box<Snapshot>>,
    /// To be delivered when all is on stable storage.
    pub responses: Vec<Message>,
}

/// What a forwarded proposal carries so that its sender can be told, for certain, that it was
/// dropped. A ticket is good for one use in one leadership; see `raft/reports.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Tells the sender's runs apart.
    pub incarnation: u64,
    /// Counts the sender's tickets of one run, from 1.
    pub number: u64,
    /// The term that the addressee leads.
    pub term: Term,
}

impl Message {
    /// Drops it. The two that most are, an append that brings nothing (any more) and the answer to one, are forgotten,
    /// which comes to the same: to find out what a body of any kind has to free is 25 instructions, in all 2% of
    /// a proposal in C.
    #[inline(always)]
    pub(crate) fn dispose(self) {
        // With all their fields, so that one more has to be thought of here.
        match &self.body {
            Body::Accept { index: _ } => std::mem::forget(self),
            Body::Append {
                prev: _,
                entries,
                commit: _,
            } if entries.is_empty() => {
                debug_assert!(entries.owns_nothing(), "none are kept for none");
                std::mem::forget(self);
            }
            _ => drop(self),
        }
    }
}

impl Body {
    /// Whether this answers something, and so is only taken from a member.
    pub fn is_response(&self) -> bool {
        matches!(
            self,
            Body::Accept { .. }
                | Body::Outdated
                | Body::Reject { .. }
                | Body::RequestSnapshot { .. }
                | Body::Vote { .. }
                | Body::HeartbeatResp { .. }
                | Body::ReadIndexResp { .. }
                | Body::StorageAppendResp { .. }
                | Body::StorageApplyResp { .. }
        )
    }

    /// Whether this passes between a node and its own storage workers, and never a network.
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Body::StorageAppend { .. }
                | Body::StorageAppendResp { .. }
                | Body::StorageApply { .. }
                | Body::StorageApplyResp { .. }
        )
    }

    /// Whether only the leader of a term sends this.
    pub fn is_from_leader(&self) -> bool {
        matches!(
            self,
            Body::Append { .. } | Body::Heartbeat { .. } | Body::InstallSnapshot { .. }
        )
    }

    /// Whether its term says nothing: it is taken in any.
    pub fn is_of_any_term(&self) -> bool {
        matches!(self, Body::Propose { .. } | Body::ReadIndex { .. }) || self.is_report()
    }

    /// Whether this tells its recipient what has become of a request, or of itself.
    pub fn is_report(&self) -> bool {
        matches!(
            self,
            Body::ProposalDropped { .. } | Body::ReadDropped { .. } | Body::Removed { .. }
        )
    }

    /// Whether it promises something that must be on stable storage before it is sent: a vote, or
    /// that entries are in the log.
    pub fn waits_for_storage(&self) -> bool {
        matches!(
            self,
            Body::Accept { .. }
                | Body::Outdated
                | Body::Reject { .. }
                | Body::RequestSnapshot { .. }
                | Body::Vote { .. }
        )
    }
}
