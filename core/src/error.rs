//! The three families of error: the caller can act, somebody sent nonsense, we contradict
//! ourselves. An error of the first two families means that nothing has changed.

use crate::types::{Index, NodeId, Term};

/// Why a call on a [`crate::Node`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration can't work; the text says which field and why.
    #[error("invalid configuration: {0}")]
    InvalidConfig(String),
    /// The storage's state contradicts itself, so that no node can start from it.
    #[error("invalid restart state: {0}")]
    InvalidRestartState(String),
    /// The proposal was not taken, and will not be applied. It may be proposed again.
    #[error("raft proposal dropped: {0}: {advice}", advice = .0.advice())]
    ProposalDropped(DropReason),
    /// The read was not taken, and no read state will come. It may be asked for again.
    #[error("read index dropped: {0}: {advice}", advice = .0.advice())]
    ReadDropped(DropReason),
    /// The request for a snapshot was not taken, and none will come of it; the text says why.
    #[error("snapshot request dropped: {0}")]
    SnapshotRequestDropped(&'static str),
    /// The call does not fit the node's state; the text says why.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The configuration change can't be applied to the current configuration.
    #[error(transparent)]
    ConfChange(#[from] ConfChangeError),
    /// The answer to a request does not fit it. The core will ask again.
    #[error("wrong answer to a request: {0}; look at the storage, the request will be repeated")]
    WrongAnswer(String),

    /// The bytes are no message.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The message is well-formed, but no correct peer can have sent it.
    #[error("impossible message: {0}")]
    Impossible(Impossible),
    /// A message that is for this node's own use came from somebody else.
    #[error("raft: cannot step raft local message")]
    LocalMessage,
    /// A response from a node that is no member.
    #[error("raft: cannot step as peer not found")]
    UnknownPeer(NodeId),

    /// The node found its own state to contradict itself and has stopped. Nothing but a restart
    /// from storage helps.
    #[error("the node has stopped: {0}: free it, and make it anew from its storage")]
    Poisoned(String),
}

impl Error {
    /// The error's number, in recordings and for hosts in other languages: see the RAFT_ERR_ numbers
    /// of the C header. 0 is no error's.
    pub fn number(&self) -> i32 {
        match self {
            Error::InvalidConfig(_) => 3,
            Error::Misuse(_) => 4,
            Error::ProposalDropped(_) => 5,
            Error::ReadDropped(_) => 6,
            Error::ConfChange(_) => 7,
            Error::WrongAnswer(_) => 8,
            Error::InvalidRestartState(_) => 9,
            Error::SnapshotRequestDropped(_) => 10,
            Error::Malformed(_) => 20,
            Error::Impossible(_) => 21,
            Error::LocalMessage => 22,
            Error::UnknownPeer(_) => 23,
            Error::Poisoned(_) => 40,
        }
    }
}

/// Why a proposal or a read was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// No leader is known to this node.
    #[error("no leader")]
    NoLeader,
    /// This node follows and may not forward ([`crate::Config::disable_proposal_forwarding`]).
    #[error("forwarding is disabled")]
    ForwardingDisabled,
    /// This node leads, but has been removed from the configuration.
    #[error("removed from the configuration")]
    Removed,
    /// Leadership is being transferred.
    #[error("leadership is being transferred")]
    Transferring,
    /// Uncommitted entries exceed [`crate::Config::max_uncommitted_bytes`].
    #[error("too many uncommitted bytes")]
    UncommittedLimit,
    /// More reads are waiting than [`crate::Config::max_pending_reads`].
    #[error("too many pending reads")]
    TooManyReads,
    /// Another configuration change is in the log at this index or below it, and not applied.
    #[error("a configuration change up to index {0} is not applied yet")]
    ConfChangePending(Index),
    /// The configuration is joint, and must be left before another change.
    #[error("the configuration is joint already")]
    AlreadyJoint,
    /// There is no joint configuration to leave.
    #[error("the configuration is not joint")]
    NotJoint,
    /// The leadership that it was sent to has ended.
    #[error("the leader has changed")]
    LeaderChanged,
    /// A peer has reported a reason that this version does not know.
    #[error("a reason unknown here")]
    Other,
}

impl DropReason {
    /// What to do about it, in words.
    pub fn advice(self) -> &'static str {
        match self {
            DropReason::NoLeader => "wait for an election, and ask again",
            DropReason::ForwardingDisabled => "ask the leader",
            DropReason::Removed => "ask another member, and stop this one",
            DropReason::Transferring => "ask again in a moment, when the new leader is known",
            DropReason::UncommittedLimit => {
                "ask again when some are committed, and less often; or raise max_uncommitted_bytes"
            }
            DropReason::TooManyReads => "let reads that wait share one; or raise max_pending_reads",
            DropReason::ConfChangePending(_) => "propose it again when that one is applied",
            DropReason::AlreadyJoint => "leave that first, by an empty change",
            DropReason::NotJoint => "there is nothing to leave",
            DropReason::LeaderChanged => "ask again",
            DropReason::Other => "ask again, and bring this node up to the others' version",
        }
    }

    /// The reason's number, on the wire and for hosts in other languages.
    pub fn number(self) -> i32 {
        match self {
            DropReason::NoLeader => 1,
            DropReason::ForwardingDisabled => 2,
            DropReason::Removed => 3,
            DropReason::Transferring => 4,
            DropReason::UncommittedLimit => 5,
            DropReason::TooManyReads => 6,
            DropReason::ConfChangePending(_) => 7,
            DropReason::AlreadyJoint => 8,
            DropReason::NotJoint => 9,
            DropReason::LeaderChanged => 10,
            DropReason::Other => 100,
        }
    }

    /// The reason with this number, [`DropReason::Other`] if there is none; `index` is what belongs to
    /// it.
    pub fn from_number(number: u64, index: Index) -> DropReason {
        match number {
            1 => DropReason::NoLeader,
            2 => DropReason::ForwardingDisabled,
            3 => DropReason::Removed,
            4 => DropReason::Transferring,
            5 => DropReason::UncommittedLimit,
            6 => DropReason::TooManyReads,
            7 => DropReason::ConfChangePending(index),
            8 => DropReason::AlreadyJoint,
            9 => DropReason::NotJoint,
            10 => DropReason::LeaderChanged,
            _ => DropReason::Other,
        }
    }

    /// The index that belongs to the reason; 0 for most.
    pub fn index(self) -> Index {
        match self {
            DropReason::ConfChangePending(index) => index,
            _ => 0,
        }
    }
}

/// What makes a message one that no correct peer can have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Impossible {
    /// An index or a term above [`crate::MAX_POSITION`].
    #[error("index or term beyond all bounds")]
    OutOfBounds,
    /// Entries whose indexes have gaps, or whose terms decrease or exceed the sender's.
    #[error("entries are not a slice of a log")]
    IllFormedEntries,
    /// An append that contradicts a committed entry.
    #[error("conflict with the committed entry {0}")]
    CommittedConflict(Index),
    /// A commit index beyond what this node has told anybody that it holds.
    #[error("commit index {commit} beyond the last index {last}")]
    CommitBeyondLog {
        /// What the message says.
        commit: Index,
        /// This node's last index.
        last: Index,
    },
    /// An acknowledgement of entries that this leader never sent.
    #[error("acknowledgement of {index}, beyond the last index {last}")]
    AckBeyondLog {
        /// What the message says.
        index: Index,
        /// This node's last index.
        last: Index,
    },
    /// A message of a leader that is not the leader of the term.
    #[error("a second leader in term {0}")]
    SecondLeader(Term),
    /// A proposal without entries.
    #[error("a proposal without entries")]
    EmptyProposal,
    /// A configuration change that can't be decoded.
    #[error("a configuration change that can't be decoded")]
    IllFormedConfChange,
    /// A snapshot whose configuration no cluster can have.
    #[error("a snapshot with an impossible configuration")]
    IllFormedSnapshot,
    /// A heartbeat's answer that echoes no heartbeat of this leader.
    #[error("an echo of no heartbeat")]
    IllFormedReadPosition,
    /// A message that needs a sender and names none, or this node itself.
    #[error("no sender")]
    NoSender,
    /// A request for a vote that names no term.
    #[error("no term")]
    NoTerm,
    /// A report about a proposal, without what tells which one it was.
    #[error("a report that answers nothing")]
    UnaskedReport,
}

/// Why a configuration change does not fit the current configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfChangeError {
    /// A second joint change while one is under way.
    #[error("config is already joint")]
    AlreadyJoint,
    /// A joint change of an empty configuration.
    #[error("can't make a zero-voter config joint")]
    ZeroVoters,
    /// There is no joint configuration to leave.
    #[error("can't leave a non-joint config")]
    NotJoint,
    /// A simple change while a joint configuration is active.
    #[error("can't apply simple config change in joint config")]
    SimpleInJoint,
    /// A simple change that would change more than one voter, so that majorities of the old and
    /// the new configuration need not overlap (thesis §4.1).
    #[error("more than one voter changed without entering joint config")]
    MoreThanOneVoter,
    /// The change would leave nobody to vote.
    #[error("removed all voters")]
    RemovedAllVoters,
    /// The configuration contradicts itself.
    #[error("inconsistent configuration: {0}")]
    Inconsistent(&'static str),
}

/// The result of most calls on a [`crate::Node`].
pub type Result<T> = std::result::Result<T, Error>;
