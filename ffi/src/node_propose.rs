//! `raft_node`: what is proposed to a node, and how configuration changes that are committed are applied.

use libraft_core::{ConfChange, ConfChangeSingle, ConfChangeV2, Entry};

use crate::bytes::{copied, copied_if_any, copied_to, raft_bytes, slice};
use crate::conf_change::{Change, raft_conf_change_type, single};
use crate::conf_state::{OwnedConfState, raft_conf_state};
use crate::entry::{proposal, raft_entry_type};
use crate::error::{Failure, raft_error};
use crate::node::raft_node;
use crate::status::*;

export! {
    /// Proposes `len` bytes at `data`, which are copied, as one entry. That it was taken does not
    /// mean that it will be committed: it is when it comes back in `committed_entries`. NULL is an
    /// entry without data, which is encoded in fewer bytes than one with empty data.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_DROPPED (raft_error_drop_reason() says why; it may be proposed again).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| {
            // SAFETY: the caller vouches for `data[..len]`.
            let data = unsafe { copied_to(&mut inner.payloads, data, len, "data") }?;
            Ok(inner.node.propose_entry(proposal(data))?)
        })
    }
}

export! {
    /// Proposes `list_len` payloads, which are copied, as one entry each, in this order: all of
    /// them or none. No payloads at all are RAFT_OK and do nothing.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_DROPPED (raft_error_drop_reason() says why; none was taken).
    ///
    /// Memory: `list` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_many(
        node: *mut raft_node,
        list: *const raft_bytes,
        list_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `list[..list_len]`.
        let list = unsafe { slice(list, list_len, "list") }?;
        node.with(|inner| {
            let payload = |view: &raft_bytes| {
                // SAFETY: the caller vouches for each view in the list as well.
                unsafe { copied_to(&mut inner.payloads, view.data, view.len, "list") }
            };
            let entries = list.iter().map(payload).map(|data| Ok(proposal(data?)));
            let entries = entries.collect::<Result<_, Failure>>()?;
            Ok(inner.node.propose_entries(entries)?)
        })
    }
}

export! {
    /// Proposes to add, remove or update one member, as an entry of type RAFT_ENTRY_CONF_CHANGE.
    /// `type` is one of the RAFT_CONF_CHANGE_ numbers; `context` is for the host's own use and
    /// comes back with the entry. When the entry comes to be applied, the host calls
    /// raft_node_apply_conf_change(). A leader that cannot take the change (another one is in
    /// flight) turns it into an empty entry.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, an unknown
    /// type of step), RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
    ///
    /// Memory: `context` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_conf_change(
        node: *mut raft_node,
        change_type: raft_conf_change_type,
        node_id: u64,
        context: *const u8,
        context_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `context[..context_len]`.
        let context = unsafe { copied(context, context_len, "context") }?;
        let change = single(change_type, node_id)?;
        let change = ConfChange { id: 0, change, context };
        node.with(|inner| Ok(inner.node.propose_conf_change(&change)?))
    }
}

export! {
    /// Proposes a configuration change in its encoded form: raftpb.ConfChange for
    /// RAFT_ENTRY_CONF_CHANGE, raftpb.ConfChangeV2 for RAFT_ENTRY_CONF_CHANGE_V2, which
    /// raft_conf_change_encode() makes.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
    /// of entry), RAFT_ERR_MALFORMED, RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_conf_change_encoded(
        node: *mut raft_node,
        entry_type: raft_entry_type,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied_if_any(data, len, "data") }?;
        let kind = Change::kind(entry_type)?;
        let entry = Entry {
            kind,
            ..proposal(data)
        };
        node.with(|inner| Ok(inner.node.propose_entry(entry)?))
    }
}

export! {
    /// Applies a committed configuration change: `entry_type` and `data` are those of the entry.
    /// To be called for each entry of type RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2,
    /// when its turn to be applied comes; for a change that the host refuses,
    /// raft_node_reject_conf_change() instead.
    ///
    /// A new member that has to be brought up by a snapshot takes none that does not name it: a
    /// host that compacts its log makes a snapshot after each change that adds a member.
    ///
    /// A change that was handed out before a snapshot took the log's place is part of that snapshot: it
    /// alters nothing then, and the snapshot's configuration is what `out` gets.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
    /// of entry), RAFT_ERR_MALFORMED, RAFT_ERR_CONF_CHANGE (it does not fit; the members are as before,
    /// and the change counts as refused).
    ///
    /// Memory: `data` is borrowed for the call. `out` may be NULL; otherwise what is stored there
    /// belongs to the caller, who frees it with raft_conf_state_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_apply_conf_change(
        node: *mut raft_node,
        entry_type: raft_entry_type,
        data: *const u8,
        len: usize,
        out: *mut *mut raft_conf_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied(data, len, "data") }?;
        let change = Change::decode(entry_type, data)?.into_v2();
        let state = node.with(|inner| Ok(inner.node.apply_conf_change(&change)?))?;
        if !out.is_null() {
            // SAFETY: not NULL, so that the caller vouches that it may be written to.
            unsafe { out.write(OwnedConfState::give(state)) };
        }
        Ok(())
    }
}

export! {
    /// Tells the node that a committed configuration change was not applied, since the host
    /// refuses it (every member must do so alike). The members stay as they are, and the next
    /// change may be proposed.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_CONF_CHANGE (what follows by itself
    /// does not fit the configuration).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_reject_conf_change(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let nothing = ConfChangeV2 {
            changes: vec![ConfChangeSingle::default()],
            ..ConfChangeV2::default()
        };
        node.with(|inner| inner.node.apply_conf_change(&nothing).map(drop).map_err(Into::into))
    }
}

export! {
    /// The configuration as of the last applied change.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_conf_state_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_conf_state(
        node: *const raft_node,
        out: *mut *mut raft_conf_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        if out.is_null() {
            return Err(Failure::new(RAFT_ERR_NULL, "out is NULL"));
        }
        let state = node.with(|inner| Ok(inner.node.status().conf_state))?;
        // SAFETY: not NULL, so that the caller vouches that it may be written to.
        unsafe { out.write(OwnedConfState::give(state)) };
        Ok(())
    }
}
