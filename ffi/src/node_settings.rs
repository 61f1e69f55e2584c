//! `raft_node`: what raft-rs has besides: settings of a node that runs, group commit, and snapshots at request.

use crate::bytes::slice;
use crate::error::raft_error;
use crate::node::*;

export! {
    /// Asks the leader for a snapshot in place of what this node has applied, although its log is
    /// fine: for a host whose state machine is damaged. It comes as raft_ready.snapshot, at this
    /// node's last index or later; until then, the node takes no entries. The leader's host is asked
    /// with each heartbeat for as long as it has none that is new enough
    /// (raft_snapshot_request.min_index); a node on a storage takes it from there.
    ///
    /// A change of the leader ends the request, and so does a leader that goes on sending entries
    /// for the election ticks, as etcd-io/raft's do, since they don't know of it.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_SNAPSHOT_REQUEST_DROPPED (there is no leader or it
    /// is this node, a snapshot is being installed or has been asked for, or no entry of the present
    /// term has come yet).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_request_snapshot(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.request_snapshot()?))
    }
}

export! {
    /// Sets the priority, see raft_config_set_priority(), from now on.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_priority(
        node: *mut raft_node,
        priority: i64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_priority(priority)?))
    }
}

export! {
    /// From now on, at most so many appends and payload bytes are in flight to the member `id`, in
    /// place of what the configuration says, and also when this node comes to lead later. 0 bytes
    /// stand for no limit; 0 messages keep all entries back that need not be sent to find out what
    /// the member has. What is on its way already counts: a window that becomes too small for it
    /// is full until that has arrived.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also for the member 0.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_inflight_limits(
        node: *mut raft_node,
        id: u64,
        max_messages: u32,
        max_bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_inflight_limits(id, max_messages, max_bytes)?))
    }
}

export! {
    /// Sets the limit of raft_config_set_max_apply_unpersisted_entries(), from now on. It matters
    /// with asynchronous storage writes, and while this node leads.
    ///
    /// Entries that are handed out so are committed, and safe with others, but a crash may leave
    /// this node's state machine ahead of its log. A state machine that is durable on its own has to
    /// know up to where it has applied. After such a crash, the host starts the node with the log's
    /// last index as what is applied, and passes over the entries that come back to be applied and
    /// that the state machine has already; more than the log's last index is an error.
    /// Configuration changes never run ahead, so that none is among them. Nor may the log be
    /// compacted beyond what is persisted.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_max_apply_unpersisted_entries(
        node: *mut raft_node,
        entries: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_max_apply_unpersisted_entries(entries)?))
    }
}

export! {
    /// With group commit, this node commits as a leader only what members of two commit groups
    /// have, besides a majority: raft_node_assign_commit_groups() says who belongs where. While it
    /// knows of only one group or none, and of a voter that has none, only what all voters have;
    /// with all of them in one group, a majority is enough. In a joint configuration, each half has
    /// to have it so. Off at first; kept in memory only.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_enable_group_commit(
        node: *mut raft_node,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.enable_group_commit(on)?))
    }
}

export! {
    /// Puts members into commit groups; others stay where they are. It outlasts changes of this
    /// node's role and of the members, but not a restart. Any node may come to lead, so that all
    /// should be told.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MISUSE also for a member or a group 0.
    ///
    /// Memory: `groups` are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_assign_commit_groups(
        node: *mut raft_node,
        groups: *const raft_commit_group,
        groups_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `groups[..groups_len]`.
        let groups = unsafe { slice(groups, groups_len, "groups") }?;
        let groups: Vec<_> = groups.iter().map(|of| (of.id, of.group)).collect();
        node.with(|inner| Ok(inner.node.assign_commit_groups(&groups)?))
    }
}

export! {
    /// Takes all members out of their commit groups.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_clear_commit_groups(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.clear_commit_groups()?))
    }
}

export! {
    /// Whether everything that is committed has reached two commit groups: one of the
    /// RAFT_GROUP_COMMIT_ numbers.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_group_commit_state(
        node: *const raft_node,
        out: *mut raft_group_commit_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let consistent = node.with(|inner| Ok(inner.node.is_group_commit_consistent()))?;
        out.put(match consistent {
            None => RAFT_GROUP_COMMIT_UNKNOWN,
            Some(true) => RAFT_GROUP_COMMIT_CONSISTENT,
            Some(false) => RAFT_GROUP_COMMIT_INCONSISTENT,
        })
    }
}
