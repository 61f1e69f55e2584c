//! `raft_node_status`: what a node says about itself.

use libraft_core::{BasicStatus, FlowState, ProgressStatus, Status, codec, proto::libraft as out};
use prost::Message as _;

use crate::bytes::slice;
use crate::entry::raft_role;
use crate::error::Failure;
use crate::sized::Place;

/// A node's state at one moment. The caller sets `size` to sizeof(raft_node_status) before the
/// call; see Sizes in this file's opening comment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_node_status {
    /// sizeof(raft_node_status), set by the caller.
    pub size: usize,
    /// The node's id.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Its vote in that term, 0 if it gave none.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
    /// The highest index that the host has applied.
    pub applied: u64,
    /// The leader's id, 0 when none is known.
    pub leader: u64,
    /// The target of a leadership transfer under way, 0 when there is none.
    pub lead_transferee: u64,
    /// The first index of the log that has not been compacted.
    pub first_index: u64,
    /// The last index of the log; first_index - 1 when it is empty.
    pub last_index: u64,
    /// The last index that is on this node's stable storage.
    pub persisted: u64,
    /// Not 0 if the node is no member any more, as far as it knows: it was none when this index was
    /// applied.
    pub removed_as_of: u64,
    /// Its role.
    pub role: raft_role,
}

/// How the leader sends to a member: one of the RAFT_FLOW_ numbers.
pub type raft_flow_state = i32;

/// One append at a time, to find out where the logs agree.
pub const RAFT_FLOW_PROBE: raft_flow_state = 0;
/// Appends follow each other without waiting.
pub const RAFT_FLOW_REPLICATE: raft_flow_state = 1;
/// A snapshot is on its way.
pub const RAFT_FLOW_SNAPSHOT: raft_flow_state = 2;

/// What the leader knows of one member; see raft_node_progress().
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct raft_progress {
    /// The member.
    pub id: u64,
    /// The last index known to be on its stable storage.
    pub match_index: u64,
    /// The next index to send.
    pub next_index: u64,
    /// The index of the snapshot on its way, 0 if none is.
    pub pending_snapshot: u64,
    /// Appends in flight.
    pub inflight_messages: u64,
    /// Payload bytes in flight.
    pub inflight_bytes: u64,
    /// How it is sent to.
    pub state: raft_flow_state,
    /// Whether sending waits for an answer.
    pub paused: bool,
    /// Whether it has been heard from since the last check of the quorum.
    pub recent_active: bool,
    /// Whether it has no vote.
    pub learner: bool,
    /// Whether no further append may be in flight.
    pub inflight_full: bool,
}

impl From<&ProgressStatus> for raft_progress {
    fn from(progress: &ProgressStatus) -> raft_progress {
        raft_progress {
            id: progress.id,
            match_index: progress.match_index,
            next_index: progress.next_index,
            pending_snapshot: progress.pending_snapshot,
            inflight_messages: progress.inflight_messages as u64,
            inflight_bytes: progress.inflight_bytes,
            state: match progress.state {
                FlowState::Probe => RAFT_FLOW_PROBE,
                FlowState::Replicate => RAFT_FLOW_REPLICATE,
                FlowState::Snapshot => RAFT_FLOW_SNAPSHOT,
            },
            paused: progress.paused,
            recent_active: progress.recent_active,
            learner: progress.learner,
            inflight_full: progress.inflight_full,
        }
    }
}

/// Fills in as many members as the caller has room for.
///
/// # Safety
/// `place` is NULL, or has room for `capacity` structs.
pub(crate) unsafe fn fill_progress(
    place: *mut raft_progress,
    capacity: usize,
    progress: &[ProgressStatus],
) -> Result<(), Failure> {
    // SAFETY: the same contract. What is there need not be initialized, and is only checked for
    // its place and size.
    unsafe { slice::<std::mem::MaybeUninit<raft_progress>>(place.cast(), capacity, "out") }?;
    for (index, peer) in progress.iter().take(capacity).enumerate() {
        // SAFETY: there is room for `capacity` of them, and `place` is not NULL then.
        unsafe { place.add(index).write(peer.into()) };
    }
    Ok(())
}

/// Fills in the caller's struct.
///
/// # Safety
/// `place` is NULL or points to a struct whose `size` is set, and is true.
pub(crate) unsafe fn fill(
    place: *mut raft_node_status,
    status: &BasicStatus,
) -> Result<(), Failure> {
    // SAFETY: the same contract.
    let place = unsafe { Place::check(place) }?;
    place.put(|size| raft_node_status {
        size,
        id: status.id,
        term: status.hard_state.term,
        vote: status.hard_state.vote,
        commit: status.hard_state.commit,
        applied: status.applied,
        leader: status.soft_state.leader,
        lead_transferee: status.lead_transferee,
        first_index: status.first_index,
        last_index: status.last_index,
        persisted: status.persisted,
        removed_as_of: status.removed_as_of,
        role: status.soft_state.role as i32,
    });
    Ok(())
}

/// The whole status as protobuf.
pub(crate) fn encode(status: &Status) -> Vec<u8> {
    let basic = &status.basic;
    out::Status {
        id: basic.id,
        hard_state: Some(codec::hard_state_to_proto(&basic.hard_state)),
        soft_state: Some(out::SoftState {
            leader: basic.soft_state.leader,
            role: basic.soft_state.role as i32,
        }),
        applied: basic.applied,
        lead_transferee: basic.lead_transferee,
        conf_state: Some(codec::conf_state_to_proto(&status.conf_state)),
        first_index: basic.first_index,
        last_index: basic.last_index,
        persisted_index: basic.persisted,
        removed_as_of: basic.removed_as_of,
        progress: status.progress.iter().map(progress).collect(),
    }
    .encode_to_vec()
}

fn progress(progress: &ProgressStatus) -> out::Progress {
    out::Progress {
        id: progress.id,
        match_index: progress.match_index,
        next_index: progress.next_index,
        state: match progress.state {
            FlowState::Probe => 0,
            FlowState::Replicate => 1,
            FlowState::Snapshot => 2,
        },
        paused: progress.paused,
        pending_snapshot: progress.pending_snapshot,
        recent_active: progress.recent_active,
        learner: progress.learner,
        inflight_messages: progress.inflight_messages as u64,
        inflight_bytes: progress.inflight_bytes,
        inflight_full: progress.inflight_full,
    }
}
