//! What a node says about itself when it is asked.

use crate::types::{ConfState, HardState, Index, NodeId, SoftState};

/// A node's state at one moment; see [`crate::Node::status`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    /// The cheap part.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub basic: BasicStatus,
    /// The configuration as of the last applied change.
    pub conf_state: ConfState,
    /// Of every member, by id; empty unless this node leads.
    pub progress: Vec<ProgressStatus>,
}

/// The part of a [`Status`] that needs no allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BasicStatus {
    /// The node's id.
    pub id: NodeId,
    /// Term, vote and commit index.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub hard_state: HardState,
    /// Leader and role.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub soft_state: SoftState,
    /// The last index that the host has applied.
    pub applied: Index,
    /// The target of a leadership transfer under way, or [`crate::NONE`].
    pub lead_transferee: NodeId,
    /// The first index of the log that has not been compacted.
    pub first_index: Index,
    /// The last index of the log.
    pub last_index: Index,
    /// The last index that is on this node's stable storage.
    pub persisted: Index,
    /// Not 0 if this node is no member any more, as far as it knows: it was none when this index
    /// was applied.
    pub removed_as_of: Index,
}

/// How the leader sends to one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum FlowState {
    /// One append at a time, to find out where the logs agree.
    #[default]
    Probe = 0,
    /// Appends follow each other without waiting.
    Replicate = 1,
    /// A snapshot is on its way.
    Snapshot = 2,
}

/// What the leader knows of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ProgressStatus {
    /// The member.
    pub id: NodeId,
    /// The last index known to be on its stable storage.
    pub match_index: Index,
    /// The next index to send.
    pub next_index: Index,
    /// How it is sent to.
    pub state: FlowState,
    /// Whether sending waits for an answer.
    pub paused: bool,
    /// The index of the snapshot on its way, 0 if none is.
    pub pending_snapshot: Index,
    /// Whether it has been heard from since the last check of the quorum.
    pub recent_active: bool,
    /// Whether it has no vote.
    pub learner: bool,
    /// Appends in flight.
    pub inflight_messages: usize,
    /// Payload bytes in flight.
    pub inflight_bytes: u64,
    /// Whether no further append may be in flight.
    pub inflight_full: bool,
}
