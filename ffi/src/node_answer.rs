//! `raft_node`: what a node asks of its host's storage, and the answers.

use libraft_core::{ReadFailure, codec};

use crate::bytes::{copied, copied_list, raft_bytes};
use crate::entry::decode_entries;
use crate::error::{Failure, raft_error};
use crate::node::*;
use crate::requests::raft_requests;

export! {
    /// Takes out the requests for entries and snapshots that no Ready has shown yet, for a host that
    /// answers them at once: what it provides before it takes the Ready is in that Ready already. Each
    /// of them must be answered like one in a Ready, and an answer may lead to more. Without requests,
    /// its lists are empty; as they always are for a node that reads from its own storage.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next raft_node_take_requests() on
    /// it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_take_requests(
        node: *mut raft_node,
        out: *mut *const raft_requests,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let requests = node.with(|inner| Ok(inner.take_requests()))?;
        out.put(requests)
    }
}

export! {
    /// Answers a raft_read_request with entries from its low index on, each one as raftpb.Entry.
    /// They are copied. Late, stale and wrong answers are harmless.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Entry that a log can hold),
    /// RAFT_ERR_WRONG_ANSWER (not the entries asked for; the core asks again).
    ///
    /// Memory: `entries` are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_provide_entries(
        node: *mut raft_node,
        request_id: u64,
        entries: *const raft_bytes,
        entries_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `entries[..entries_len]` and each view in it.
        let entries = decode_entries(unsafe { copied_list(entries, entries_len, "entries") }?)?;
        node.with(|inner| Ok(inner.node.provide_entries(request_id, entries)?))
    }
}

export! {
    /// Answers a raft_read_request: there are no entries, because of RAFT_READ_COMPACTED or
    /// RAFT_READ_UNAVAILABLE.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_READ_ number). An id that nobody
    /// waits for, or no longer, is none.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_read_failed(
        node: *mut raft_node,
        request_id: u64,
        failure: raft_read_failure,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let failure = match failure {
            RAFT_READ_COMPACTED => ReadFailure::Compacted,
            RAFT_READ_UNAVAILABLE => ReadFailure::Unavailable,
            other => return Err(Failure::argument(format!(
                "{other} is no read failure: pass one of the RAFT_READ_ numbers"
            ))),
        };
        node.with(|inner| Ok(inner.node.read_failed(request_id, failure)?))
    }
}

export! {
    /// Answers a raft_snapshot_request: `len` bytes of raftpb.Snapshot at `data`, which are
    /// copied.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Snapshot that a log can begin with),
    /// RAFT_ERR_WRONG_ANSWER (it can't be sent: too old, or without members; the core asks again).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_provide_snapshot(
        node: *mut raft_node,
        request_id: u64,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let snapshot = codec::decode_snapshot(unsafe { copied(data, len, "data") }?)?;
        node.with(|inner| Ok(inner.node.provide_snapshot(request_id, snapshot)?))
    }
}

export! {
    /// Answers a raft_snapshot_request: there is no snapshot at the moment. The core asks again
    /// when it still needs one.
    ///
    /// Errors: those of any call on a node. An id that nobody waits for, or no longer, is none.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_snapshot_failed(
        node: *mut raft_node,
        request_id: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.snapshot_failed(request_id)?))
    }
}

export! {
    /// Tells the node that the stored log begins at `first_index` now. A node on a raft_storage
    /// finds that out by itself.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if entries that are not applied, or
    /// not persisted, would be gone.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_compacted(
        node: *mut raft_node,
        first_index: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.compacted(first_index)?))
    }
}
