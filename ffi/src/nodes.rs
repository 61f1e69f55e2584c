//! Many nodes in one call, for hosts with many groups.
//!
//! Each node is locked for its own turn only, and what goes wrong with one of them is told beside
//! what became of the others. Nothing is allocated, but for what went wrong.

use std::mem::MaybeUninit;

use crate::bytes::slice;
use crate::error::{Failure, raft_error};
use crate::export::catch;
use crate::node::raft_node;
use crate::status::{RAFT_ERR_NULL, raft_status};

/// A node of an array that a call could do nothing with; see raft_nodes_tick().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_node_failure {
    /// Its place in the array.
    pub index: u32,
    /// What raft_node_tick_many() would have returned for it.
    pub status: raft_status,
}

export! {
    /// Lets time pass for many nodes, and tells which of them have something to do: for each of
    /// the `nodes_len` nodes in turn, what raft_node_tick_many() and raft_node_has_ready() do.
    /// With 0 ticks, it only asks.
    ///
    /// The places in `nodes` of those that have a Ready go to `ready`, in ascending order, and how
    /// many they are to `ready_len`. A node that another thread is using (RAFT_ERR_MISUSE) or that
    /// has stopped for good (RAFT_ERR_POISONED, RAFT_ERR_PANIC) is passed over, and nothing has
    /// changed for it, except that a defect has stopped it; it goes to `failed`, in ascending order
    /// as well, and all others have had their ticks. So the call is RAFT_OK as soon as the
    /// arguments are right. Ticks that a busy node has missed can be made up for later, and
    /// raft_node_tick_many() on one that has stopped says why in words.
    ///
    /// `ready` and `failed` have room for `nodes_len` items each, of which only those that are told of
    /// are written; no two of the arrays overlap. For 0 nodes, all three may be NULL. A node that is in
    /// the array twice gets the ticks twice, and may be told of twice.
    ///
    /// Errors: those of any call; RAFT_ERR_NULL also for one of the nodes or an array,
    /// RAFT_ERR_ARGUMENT (more than UINT32_MAX nodes). With any of these, no node has changed. What one
    /// node fails with is not returned but in `failed`.
    ///
    /// Memory: All arrays are the caller's own, and borrowed for the call.
    ///
    /// Threads: Each node is in use in its own turn only: others may use the others meanwhile, and
    /// nobody frees any.
    try fn raft_nodes_tick(
        nodes: *const *mut raft_node,
        nodes_len: usize,
        ticks: u32,
        ready: *mut u32,
        ready_len: *mut usize,
        failed: *mut raft_node_failure,
        failed_len: *mut usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        if u32::try_from(nodes_len).is_err() {
            return Err(Failure::argument(format!(
                "{nodes_len} nodes are too many: pass at most {} in one call",
                u32::MAX
            )));
        }
        // SAFETY: the caller vouches for `nodes[..nodes_len]`.
        let nodes = unsafe { slice(nodes, nodes_len, "nodes") }?;
        if let Some(hole) = nodes.iter().position(|node| node.is_null()) {
            return Err(Failure::new(RAFT_ERR_NULL, format!("nodes[{hole}] is NULL")));
        }
        // SAFETY: the caller vouches that both have room for so many, and overlap nothing.
        let mut ready = unsafe { Found::at(ready, nodes_len, "ready") }?;
        // SAFETY: as above.
        let mut failed = unsafe { Found::at(failed, nodes_len, "failed") }?;
        // SAFETY: none is NULL, and the caller vouches that nobody frees one during the call.
        unsafe { each(nodes, |node| node.tick_and_look(ticks), &mut ready, &mut failed) };
        ready_len.put(ready.len)?;
        failed_len.put(failed.len)
    }
}

/// Asks something of each node, and notes where the answer is yes and where there is none. A panic
/// ends the turn of that node alone.
///
/// # Safety
/// The nodes live.
pub(crate) unsafe fn each(
    nodes: &[*mut raft_node],
    ask: impl Fn(&raft_node) -> Result<bool, Failure>,
    yes: &mut Found<u32>,
    failed: &mut Found<raft_node_failure>,
) {
    let mut next = 0;
    let mut ask_the_rest = |next: &mut usize, failed: &mut Found<_>| {
        for &node in &nodes[*next..] {
            let index = *next as u32;
            *next += 1;
            // SAFETY: by this function's contract.
            match ask(unsafe { &*node }) {
                Ok(true) => yes.add(index),
                Ok(false) => {}
                Err(failure) => failed.add(raft_node_failure {
                    index,
                    status: failure.status(),
                }),
            }
        }
        Ok(())
    };
    // Panics are caught for all nodes up to the next panic, rather than for each one.
    while let Err(failure) = catch(|| ask_the_rest(&mut next, failed)) {
        let (index, status) = (next as u32 - 1, failure.status());
        failed.add(raft_node_failure { index, status });
    }
}

/// A list in the caller's memory.
pub(crate) struct Found<'a, T> {
    room: &'a mut [MaybeUninit<T>],
    len: usize,
}

impl<T> Found<'_, T> {
    /// An empty one.
    ///
    /// # Safety
    /// Unless `len` is 0, `place` is NULL or has room for `len` items, and nobody else uses that
    /// while the list lives.
    pub(crate) unsafe fn at(place: *mut T, len: usize, name: &str) -> Result<Self, Failure> {
        // SAFETY: the same contract; what is there need not be initialized.
        unsafe { slice::<MaybeUninit<T>>(place.cast(), len, name) }?;
        let room: &mut [MaybeUninit<T>] = match len {
            0 => &mut [],
            // SAFETY: the check has seen that this can be a slice, and it is ours alone.
            _ => unsafe { std::slice::from_raw_parts_mut(place.cast(), len) },
        };
        Ok(Found { room, len: 0 })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn add(&mut self, item: T) {
        self.room[self.len].write(item);
        self.len += 1;
    }
}
