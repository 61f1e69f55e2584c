//! `raft_requests`: what the core needs from storage and no Ready has shown yet.

use std::ptr::NonNull;

use libraft_core::{ReadRequest, SnapshotRequest};

use crate::entry::pointer_to;
use crate::ready::{raft_read_request, raft_snapshot_request};

/// Requests for a host that answers them at once, between two Readys. Borrowed from the node
/// until the next raft_node_take_requests() on it, or raft_node_free().
#[repr(C)]
#[derive(Debug)]
pub struct raft_requests {
    /// Stored entries that the core needs.
    pub reads: *const raft_read_request,
    /// How many there are.
    pub reads_len: usize,
    /// Snapshots that the core needs.
    pub snapshot_requests: *const raft_snapshot_request,
    /// How many there are.
    pub snapshot_requests_len: usize,
}

/// The lists, and the view of them.
#[repr(C)]
struct Content {
    view: raft_requests,
    reads: Vec<raft_read_request>,
    snapshot_requests: Vec<raft_snapshot_request>,
}

/// Where a node keeps the requests that it last gave. A raw pointer for the reason that the Ready
/// has one: the host reads the content while the node is borrowed for something else.
#[derive(Debug)]
pub(crate) struct RequestsPlace(NonNull<Content>);

// SAFETY: the content is owned, and its pointers lead into itself. Other threads read it only
// through the host's pointer, at times when the contract keeps `fill` and `drop` from running.
unsafe impl Send for RequestsPlace {}

impl Drop for RequestsPlace {
    fn drop(&mut self) {
        // SAFETY: made from a leaked Box in `new`, and dropped once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl RequestsPlace {
    pub(crate) fn new() -> RequestsPlace {
        let content = Content {
            view: raft_requests::of(&[], &[]),
            reads: Vec::new(),
            snapshot_requests: Vec::new(),
        };
        RequestsPlace(NonNull::from(Box::leak(Box::new(content))))
    }

    /// Replaces the content, which ends the life of the last one's views.
    pub(crate) fn fill(
        &mut self,
        reads: &[ReadRequest],
        snapshot_requests: &[SnapshotRequest],
    ) -> *const raft_requests {
        let place = self.0.as_ptr();
        // SAFETY: owned by us, and by the contract of `raft_node_take_requests` no thread looks at
        // it while that runs, which is the only caller.
        let content = unsafe { &mut *place };
        content.reads.clear();
        content
            .reads
            .extend(reads.iter().map(raft_read_request::from));
        content.snapshot_requests.clear();
        let requests = snapshot_requests.iter().map(raft_snapshot_request::from);
        content.snapshot_requests.extend(requests);
        content.view = raft_requests::of(&content.reads, &content.snapshot_requests);
        // For a whole `Content`, of which the view is the first field.
        place.cast_const().cast()
    }
}

impl raft_requests {
    fn of(reads: &[raft_read_request], snapshot_requests: &[raft_snapshot_request]) -> Self {
        raft_requests {
            reads: pointer_to(reads),
            reads_len: reads.len(),
            snapshot_requests: pointer_to(snapshot_requests),
            snapshot_requests_len: snapshot_requests.len(),
        }
    }
}
