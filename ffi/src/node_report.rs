//! `raft_node`: what the host tells of peers and of the leadership.

use libraft_core::SnapshotStatus;

use crate::error::{Failure, raft_error};
use crate::node::*;

export! {
    /// A message to this peer could not be delivered.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_report_unreachable(
        node: *mut raft_node,
        id: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.report_unreachable(id)?))
    }
}

export! {
    /// What became of a RAFT_MSG_SNAP to this peer: RAFT_SNAPSHOT_FINISH or
    /// RAFT_SNAPSHOT_FAILURE. Unless a failure is reported, the leader waits for the peer's
    /// acknowledgement before it sends anything else.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_SNAPSHOT_ number).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_report_snapshot(
        node: *mut raft_node,
        id: u64,
        status: raft_snapshot_status,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = match status {
            RAFT_SNAPSHOT_FINISH => SnapshotStatus::Finish,
            RAFT_SNAPSHOT_FAILURE => SnapshotStatus::Failure,
            other => return Err(Failure::argument(format!(
                "{other} is no snapshot status: pass one of the RAFT_SNAPSHOT_ numbers"
            ))),
        };
        node.with(|inner| Ok(inner.node.report_snapshot(id, status)?))
    }
}

export! {
    /// Asks the leader to hand its leadership to this member. On a follower, passes the wish on.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_transfer_leader(
        node: *mut raft_node,
        transferee: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.transfer_leader(transferee)?))
    }
}

export! {
    /// A follower forgets its leader, so that it may vote for another at once.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_forget_leader(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.forget_leader()?))
    }
}
