//! `raft_node`: time that passes, until a node campaigns.

use crate::error::raft_error;
use crate::node::{RAFT_NO_DEADLINE, raft_node};

export! {
    /// One unit of logical time has passed. To be called at regular intervals; ticks that were
    /// missed are better dropped than made up for.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.tick()?))
    }
}

export! {
    /// So many units of logical time have passed at once: the same as raft_node_tick() called so
    /// often, for a host that had no need to touch the node meanwhile. 0 is nothing. Up to
    /// raft_node_next_deadline(), all of them together cost what one does. Beyond it, time and memory grow
    /// with what the node has to do: a leader makes all the heartbeats that it has missed. So a host that
    /// was stopped for long passes the lower one of what it has missed and the deadline.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick_many(
        node: *mut raft_node,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.tick_many(ticks)?))
    }
}

export! {
    /// How many ticks it takes until one of them can do more than move the node's clocks, at least
    /// 1; RAFT_NO_DEADLINE if time alone does nothing. It holds until the next other call that
    /// changes the node. So a host with many groups at rest, once it has done what raft_node_ready()
    /// asked for, may leave this one alone for so long, or until a message, a proposal or anything
    /// else comes for it, and then first make up for the ticks with raft_node_tick_many().
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_next_deadline(
        node: *const raft_node,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let deadline = node.with(|inner| Ok(inner.node.next_deadline()))?;
        out.put(deadline.unwrap_or(RAFT_NO_DEADLINE))
    }
}

export! {
    /// One unit of logical time has passed for a group that is known to be at rest: the election
    /// clock moves and nothing is sent.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick_quiesced(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.tick_quiesced()?))
    }
}

export! {
    /// Campaigns at once, without waiting for the election timeout.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_campaign(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.campaign()?))
    }
}
