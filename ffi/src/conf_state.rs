//! `raft_conf_state`: the members of a cluster.

use libraft_core::{ConfState, codec};

use crate::bytes::raft_bytes;
use crate::entry::pointer_to;

/// The members of a cluster. All lists are in ascending order; an empty one is NULL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_conf_state {
    /// The voters; of a joint configuration, those of the new half.
    pub voters: *const u64,
    /// How many there are.
    pub voters_len: usize,
    /// Members that receive the log and do not vote.
    pub learners: *const u64,
    /// How many there are.
    pub learners_len: usize,
    /// The voters of a joint configuration's old half; empty otherwise.
    pub voters_outgoing: *const u64,
    /// How many there are.
    pub voters_outgoing_len: usize,
    /// Voters of the old half that become learners when the joint configuration is left.
    pub learners_next: *const u64,
    /// How many there are.
    pub learners_next_len: usize,
    /// Whether the leader leaves the joint configuration on its own.
    pub auto_leave: bool,
    /// The whole as raftpb.ConfState.
    pub encoded: raft_bytes,
}

export! {
    /// Frees a configuration that a function gave to the caller. Not for one that is part of a
    /// raft_snapshot. NULL is ignored.
    ///
    /// Memory: `conf_state` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_conf_state_free(conf_state: *mut raft_conf_state) {
        if !conf_state.is_null() {
            // SAFETY: the caller passes what `OwnedConfState::give` made, once; the view is the
            // first field with C layout, and the pointer was made for all of it.
            drop(unsafe { Box::from_raw(conf_state.cast::<OwnedConfState>()) });
        }
    }
}

/// A view together with what it shows.
#[repr(C)]
pub(crate) struct OwnedConfState {
    view: raft_conf_state,
    state: ConfState,
    encoded: Vec<u8>,
}

impl OwnedConfState {
    /// The view points into heap blocks that stay where they are when the whole is moved.
    pub(crate) fn new(state: ConfState) -> OwnedConfState {
        let encoded = codec::encode_conf_state(&state);
        OwnedConfState {
            view: view(&state, raft_bytes::of(&encoded)),
            state,
            encoded,
        }
    }

    /// A configuration for the caller.
    pub(crate) fn give(state: ConfState) -> *mut raft_conf_state {
        Box::into_raw(Box::new(OwnedConfState::new(state))).cast()
    }
}

impl Drop for OwnedConfState {
    fn drop(&mut self) {
        debug_assert_eq!(self.view.voters_len, self.state.voters.len());
        debug_assert_eq!(self.view.encoded.len, self.encoded.len());
    }
}

/// A view, valid as long as both arguments are, wherever `state` itself moves.
pub(crate) fn view(state: &ConfState, encoded: raft_bytes) -> raft_conf_state {
    raft_conf_state {
        voters: pointer_to(&state.voters),
        voters_len: state.voters.len(),
        learners: pointer_to(&state.learners),
        learners_len: state.learners.len(),
        voters_outgoing: pointer_to(&state.voters_outgoing),
        voters_outgoing_len: state.voters_outgoing.len(),
        learners_next: pointer_to(&state.learners_next),
        learners_next_len: state.learners_next.len(),
        auto_leave: state.auto_leave,
        encoded,
    }
}
