//! What has happened in a node, typed, for its host to count, log or show; and what a node owes to
//! its host: word of what will not happen.
//!
//! Nothing here has a text. The numbers of the enums are those of the C interface and of protobuf.

use bytes::Bytes;

use crate::error::{DropReason, Error, Impossible};
use crate::status::FlowState;
use crate::types::{Index, NodeId, Role, Term};

/// Something that a host may want to know and need not act on; see [`crate::Ready::events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The node plays another part.
    RoleChanged {
        /// What it was.
        from: Role,
        /// What it is.
        to: Role,
        /// Its term now.
        term: Term,
        /// The leader that it knows of now, or [`crate::NONE`].
        leader: NodeId,
    },
    /// The node follows another leader, or none.
    LeaderChanged {
        /// The former leader, or [`crate::NONE`].
        from: NodeId,
        /// The new one, or [`crate::NONE`].
        to: NodeId,
        /// The node's term now.
        term: Term,
    },
    /// The node asks for votes.
    CampaignStarted {
        /// What it asks.
        kind: CampaignKind,
        /// Why now.
        reason: CampaignReason,
        /// The term that it wants to lead.
        term: Term,
    },
    /// It was time to campaign, and the node may not.
    CampaignRefused {
        /// What it would have asked.
        kind: CampaignKind,
        /// Why not.
        reason: CampaignRefusal,
        /// The node's term.
        term: Term,
    },
    /// The node leads.
    ElectionWon {
        /// The term.
        term: Term,
        /// Voters for it, itself included.
        granted: u64,
        /// Voters against it.
        refused: u64,
    },
    /// A campaign has come to nothing.
    ElectionLost {
        /// Which kind.
        kind: CampaignKind,
        /// Why.
        reason: LossReason,
        /// Who made it so: the one with the higher term, or the leader; otherwise [`crate::NONE`].
        by: NodeId,
        /// The term that the node wanted to lead.
        term: Term,
        /// Voters for it, itself included.
        granted: u64,
        /// Voters against it.
        refused: u64,
    },
    /// The node leads no longer.
    SteppedDown {
        /// Why.
        reason: StepDownReason,
        /// Whose higher term it was, or [`crate::NONE`].
        by: NodeId,
        /// The node's term now.
        term: Term,
    },
    /// This leader sends to a member in another way.
    FlowChanged {
        /// The member.
        id: NodeId,
        /// How it was sent to.
        from: FlowState,
        /// How it is sent to.
        to: FlowState,
        /// Why.
        reason: FlowReason,
        /// What it is known to have; the snapshot's index, for [`FlowReason::SnapshotSent`].
        index: Index,
    },
    /// This leader is handing over.
    TransferStarted {
        /// To whom.
        to: NodeId,
        /// The term that it leads.
        term: Term,
    },
    /// This leader no longer tries to hand over.
    TransferEnded {
        /// To whom it would have.
        to: NodeId,
        /// Why.
        reason: TransferEnd,
        /// The node's term.
        term: Term,
    },
    /// Something that this node was asked for will not happen.
    Dropped {
        /// What.
        kind: DropKind,
        /// Why.
        reason: DropReason,
        /// Who had asked; [`crate::NONE`] for this node's own host.
        from: NodeId,
    },
    /// A message was not taken.
    MessageRefused {
        /// The sender that it names; [`crate::NONE`] if it could not be decoded.
        from: NodeId,
        /// Its term.
        term: Term,
        /// Why.
        reason: RefusalReason,
    },
    /// A snapshot from the leader takes the place of the log.
    SnapshotInstalled {
        /// The leader.
        from: NodeId,
        /// The snapshot's last index.
        index: Index,
    },
    /// A snapshot from the leader was of no use.
    SnapshotIgnored {
        /// The leader.
        from: NodeId,
        /// The snapshot's last index.
        index: Index,
        /// Why.
        reason: SnapshotIgnored,
    },
    /// This node is no member of the group any more.
    Removed {
        /// Who says so: this node itself when it applies the change, otherwise a member.
        by: NodeId,
        /// It was no member when this index was applied.
        as_of: Index,
    },
}

/// A kind of campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CampaignKind {
    /// Finds out first whether an election could be won (thesis §9.6).
    PreElection = 1,
    /// Starts a term.
    Election = 2,
    /// Starts a term because the leader has asked for it (thesis §3.10).
    Transfer = 3,
}

/// Why a node campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CampaignReason {
    /// It has not heard from a leader for too long.
    Timeout = 1,
    /// Its host has called [`crate::Node::campaign`].
    Host = 2,
    /// The leader hands over to it.
    LeaderAsked = 3,
    /// It would win, as its pre-election has shown.
    PreElectionWon = 4,
}

/// Why a node does not campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CampaignRefusal {
    /// It leads already.
    Leads = 1,
    /// It has no vote.
    NotVoter = 2,
    /// It waits for its host to persist a snapshot.
    PendingSnapshot = 3,
    /// A configuration change is committed and not applied, so that it would count votes by an old
    /// configuration.
    UnappliedConfChange = 4,
    /// There is no higher term.
    TermLimit = 5,
}

/// Why a campaign was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum LossReason {
    /// Too many have refused.
    Outvoted = 1,
    /// A message of a higher term came.
    HigherTerm = 2,
    /// Somebody else leads the term.
    LeaderAppeared = 3,
    /// Too few have answered in time; the node campaigns again.
    TimedOut = 4,
    /// The host has called for another campaign.
    Restarted = 5,
}

/// Why a leader stepped down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum StepDownReason {
    /// A message of a higher term came.
    HigherTerm = 1,
    /// It has not heard from a quorum for an election timeout (thesis §6.2).
    CheckQuorum = 2,
    /// It has no vote any more ([`crate::Config::step_down_on_removal`]).
    Removed = 3,
}

/// Why a leader sends to a member in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum FlowReason {
    /// It has acknowledged entries, so that the logs agree.
    Accepted = 1,
    /// It has refused an append.
    Rejected = 2,
    /// The host could not reach it.
    Unreachable = 3,
    /// It needs entries that are compacted, and is sent a snapshot.
    SnapshotSent = 4,
    /// The host says that the snapshot has arrived.
    SnapshotFinished = 5,
    /// The host says that the snapshot did not arrive.
    SnapshotFailed = 6,
}

/// What became of a leadership transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum TransferEnd {
    /// An election timeout has passed.
    TimedOut = 1,
    /// Somebody else is to lead, or this node is to stay.
    Replaced = 2,
    /// The target has lost its vote.
    TargetRemoved = 3,
    /// This node has stepped down, as it does when the transfer succeeds.
    SteppedDown = 4,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DropKind {
    /// A command.
    Proposal = 1,
    /// A configuration change.
    ConfChange = 2,
    /// A read.
    Read = 3,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The bytes are no message.
    Malformed,
    /// It is of a kind that is for the node's own use.
    LocalMessage,
    /// A response from a node that is no member.
    UnknownPeer,
    /// No correct peer can have sent it.
    Impossible(Impossible),
}

impl RefusalReason {
    /// The reason behind an error of [`crate::Node::step`], if it means that the message is bad.
    pub(crate) fn of(error: &Error) -> Option<RefusalReason> {
        match error {
            Error::Malformed(_) => Some(RefusalReason::Malformed),
            Error::LocalMessage => Some(RefusalReason::LocalMessage),
            Error::UnknownPeer(_) => Some(RefusalReason::UnknownPeer),
            Error::Impossible(why) => Some(RefusalReason::Impossible(*why)),
            _ => None,
        }
    }

    /// The reason's number for hosts in other languages.
    pub fn number(self) -> i32 {
        match self {
            RefusalReason::Malformed => 1,
            RefusalReason::LocalMessage => 2,
            RefusalReason::UnknownPeer => 3,
            RefusalReason::Impossible(why) => match why {
                Impossible::OutOfBounds => 10,
                Impossible::IllFormedEntries => 11,
                Impossible::CommittedConflict(_) => 12,
                Impossible::CommitBeyondLog { .. } => 13,
                Impossible::AckBeyondLog { .. } => 14,
                Impossible::SecondLeader(_) => 15,
                Impossible::EmptyProposal => 16,
                Impossible::IllFormedConfChange => 17,
                Impossible::IllFormedSnapshot => 18,
                Impossible::IllFormedReadPosition => 19,
                Impossible::NoSender => 20,
                Impossible::NoTerm => 21,
                Impossible::UnaskedReport => 22,
            },
        }
    }
}

/// Why a snapshot was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SnapshotIgnored {
    /// All of it is committed here already.
    Old = 1,
    /// This node is not in its configuration.
    NotMember = 2,
    /// The log has its last entry, so that it only says how much is committed.
    InLog = 3,
}

/// Something that this node's host was told was taken, and that will not happen; see
/// [`crate::Ready::dropped`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// What.
    pub kind: DropKind,
    /// Why.
    pub reason: DropReason,
    /// To recognise it by: the command, the encoded configuration change, the read's context.
    pub data: Bytes,
}
