//! `raft_node`: what a node has to do: its Readys.

use crate::error::raft_error;
use crate::node::{Inner, raft_node};
use crate::ready::raft_ready;

export! {
    /// Whether raft_node_ready() would give something to do.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_has_ready(
        node: *const raft_node,
        out: *mut bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let has = node.with(|inner| Ok(inner.has_ready()))?;
        out.put(has)
    }
}

export! {
    /// What there is to do, as a sum of RAFT_PENDING_ numbers, for a host that would otherwise call
    /// raft_node_has_ready(), and then raft_node_take_requests() before each raft_node_ready().
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_pending(
        node: *const raft_node,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let pending = node.with(|inner| Ok(inner.pending()))?;
        out.put(pending)
    }
}

export! {
    /// Takes the next batch of work. See raft_ready for what to do with it, and for how long it
    /// is valid. A node on a storage first reads there what it needs, in this call.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
    /// advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
    /// storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
    /// not hold what this node has to apply, or holds something else). What was not read is asked for
    /// again, so that the call may be repeated; the last Ready stays valid.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready(),
    /// raft_node_next_ready() or raft_node_peek_ready() on it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_ready(
        node: *mut raft_node,
        out: *mut *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let ready = node.with(Inner::ready)?;
        out.put(ready)
    }
}

export! {
    /// One call for a turn of the host's loop, in place of raft_node_advance(), raft_node_has_ready() and
    /// raft_node_ready(): the work of the last Ready is done, if there was one, and the next is taken, if there is one.
    /// So it is called when the host has done all that raft_ready asks for, and not before; until `out` is NULL,
    /// which says that there is nothing to do. (With asynchronous storage writes the call says nothing of the last
    /// Ready, which is never advanced.) It goes together with the other calls: after raft_node_advance(), there is
    /// nothing left to advance; and of what raft_node_peek_ready() has shown, and raft_node_accept_ready() has not
    /// taken, nothing is done. Requests are in the Ready, as ever; who takes them beforehand calls raft_node_advance(),
    /// raft_node_take_requests() and raft_node_ready() instead. And while raft_node_ready() refuses to take one Ready
    /// more before the last is advanced, this call takes the host's word that it is done: a callback that may lead back
    /// into the loop of the same node has to be kept from that.
    ///
    /// Errors: those of any call on a node. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO,
    /// RAFT_ERR_POISONED (the storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE,
    /// RAFT_ERR_WRONG_ANSWER (it does not hold what this node has to apply, or holds something else). What was not
    /// read is asked for again, so that the call may be repeated; the last Ready is done, and stays valid. After
    /// RAFT_ERR_MISUSE (another thread is at the node) and RAFT_ERR_NULL, nothing has happened, and it is not done.
    ///
    /// Memory: `out` is NULL, or borrowed from the node: it is valid until the next successful
    /// raft_node_next_ready(), raft_node_ready() or raft_node_peek_ready() on it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_next_ready(
        node: *mut raft_node,
        out: *mut *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let ready = node.with(Inner::next_ready)?;
        out.put(ready)
    }
}

export! {
    /// Shows what raft_node_ready() would give, and takes nothing: none of it is to be done before
    /// raft_node_accept_ready(). For a host that offers its work to somebody who may not come for
    /// it at once, and looks again if anything else happens first. What it gives is valid as long
    /// as what raft_node_ready() gives, and takes the place of the last Ready.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
    /// advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
    /// storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
    /// not hold what this node has to apply, or holds something else). What was not read is asked for
    /// again, so that the call may be repeated; the last Ready stays valid.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready(),
    /// raft_node_next_ready() or raft_node_peek_ready() on it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_peek_ready(
        node: *mut raft_node,
        out: *mut *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let ready = node.with(Inner::peek_ready)?;
        out.put(ready)
    }
}

export! {
    /// Takes the Ready that raft_node_peek_ready() has shown, which stays valid.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if raft_node_peek_ready() has not been
    /// called, or the node has been used since: look again.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_accept_ready(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(Inner::accept_ready)
    }
}

export! {
    /// Whether there is surely nothing to do when the host has called raft_node_advance() for the last Ready, if it
    /// makes no other call that changes the node before that. A host to which calls are dear asks right after it has
    /// taken a Ready, and need not call raft_node_has_ready() then; most Readys are such, but for those in which a leader
    /// has entries to store. true means besides that there is nothing to do now, and with asynchronous storage writes,
    /// where nothing is advanced, no more than that. false promises nothing, and is what a node that has stopped says.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_rests_once_advanced(
        node: *const raft_node,
        out: *mut bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let rests = node.with(|inner| Ok(inner.rests_once_advanced()))?;
        out.put(rests)
    }
}

export! {
    /// The last Ready's work is done: persisted, sent and applied. To be called once after each
    /// raft_node_ready(), or in its place raft_node_next_ready(), which takes the next one as well; except with
    /// asynchronous storage writes.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if there is no Ready to advance from.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_advance(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.advance()?))
    }
}
