//! `raft_node`: what a node says about itself; and a timeout that is fixed, for tests.

use crate::bytes::raft_buffer;
use crate::error::raft_error;
use crate::metrics::{self, raft_metrics};
use crate::node::raft_node;
use crate::node_status::{self, raft_node_status, raft_progress};

export! {
    /// Fixes the randomized election timeout, in ticks, until the node's next change of role or
    /// term draws a new one. For tests that need to know which node campaigns first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also for 0 ticks.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_randomized_election_timeout(
        node: *mut raft_node,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_randomized_election_timeout(ticks)?))
    }
}

export! {
    /// Fills in what the node says about itself. The caller sets out->size first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
    /// had).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_get_status(
        node: *const raft_node,
        out: *mut raft_node_status,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.basic_status()))?;
        // SAFETY: the caller vouches for `out`, and that its size is set.
        unsafe { node_status::fill(out, &status) }
    }
}

export! {
    /// What the leader knows of each member, itself included, by ascending id: as many as there
    /// are go to `len`, and the first `capacity` of them at most to `out`, which may be NULL if
    /// that is 0. On a node that does not lead there are none.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the capacity is beyond PTRDIFF_MAX
    /// bytes).
    ///
    /// Memory: `out` and `len` are the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_progress(
        node: *const raft_node,
        out: *mut raft_progress,
        capacity: usize,
        len: *mut usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.status()))?;
        // SAFETY: the caller vouches that `out[..capacity]` may be written to.
        unsafe { node_status::fill_progress(out, capacity, &status.progress) }?;
        len.put(status.progress.len())
    }
}

export! {
    /// Fills in the node's counters. The caller sets out->size first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
    /// had).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_metrics(
        node: *const raft_node,
        out: *mut raft_metrics,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let counters = node.with(|inner| Ok(inner.node.metrics()))?;
        // SAFETY: the caller vouches for `out`, and that its size is set.
        unsafe { metrics::fill(out, &counters) }
    }
}

export! {
    /// All that the node says about itself, on a leader with the progress of each member, as an encoded
    /// libraft.Status.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_status_encoded(
        node: *const raft_node,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.status()))?;
        out.put(raft_buffer::give(node_status::encode(&status)))
    }
}
