//! The storage that a node was opened on: it answers the node's requests, and the node follows its compaction.

use std::sync::Arc;

use libraft_core::{Index, Node, ReadFailure, ReadRequest, Ready, SnapshotRequest};
use libraft_storage::Storage;

use crate::error::Failure;

/// The storage that a node was opened on.
pub(crate) struct Source {
    storage: Arc<dyn Storage>,
    pub(crate) show_requests: bool,
    /// What the core has last been told of the storage's compaction.
    first_index: Index,
    /// Requests that came up while a Ready was built; answered before the next one.
    pub(crate) pending: Pending,
}

/// Requests of the core.
#[derive(Default)]
pub(crate) struct Pending {
    reads: Vec<ReadRequest>,
    snapshots: Vec<SnapshotRequest>,
}

/// The storage, if requests are answered from it and not shown to the host.
pub(crate) fn own_source(source: &mut Option<Source>) -> Option<&mut Source> {
    source.as_mut().filter(|source| !source.show_requests)
}

/// Keeps back what a Ready asks of the storage, if the host is not to see it: building the appends of
/// this Ready may have shown that more has to be read.
pub(crate) fn keep_requests(source: &mut Option<Source>, ready: &mut Ready) {
    if (!ready.reads.is_empty() || !ready.snapshot_requests.is_empty())
        && let Some(source) = own_source(source)
    {
        source.pending.reads.append(&mut ready.reads);
        let requests = &mut ready.snapshot_requests;
        source.pending.snapshots.append(requests);
    }
}

impl Source {
    /// This storage, whose log began there when the node was made.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        first_index: Index,
        show_requests: bool,
    ) -> Source {
        Source {
            storage,
            show_requests,
            first_index,
            pending: Pending::default(),
        }
    }

    /// Whether there is anything to tell the core. Nearly always there is not, and to look here is 30 instructions
    /// less than in [`Source::serve`].
    #[inline]
    pub(crate) fn has_news(&self, node: &Node) -> bool {
        self.storage.first_index() > self.first_index || self.has_requests(node)
    }

    /// Tells the core of the storage's compaction, and answers what it has asked for.
    #[cold]
    #[inline(never)]
    pub(crate) fn serve(&mut self, node: &mut Node) -> Result<(), Failure> {
        self.follow_compaction(node)?;
        self.answer_pending(node)
    }

    /// Whether the core may have requests that are answered here. One look in place of building the appends apart
    /// from the Ready: 400 instructions for each Ready.
    #[inline]
    fn has_requests(&self, node: &Node) -> bool {
        !self.show_requests && (node.may_have_requests() || !self.pending.is_empty())
    }

    /// Tells the core what the host has dropped from the storage. What the core counts as not
    /// applied or not persisted yet, because the host compacts before it advances, waits for the next time.
    fn follow_compaction(&mut self, node: &mut Node) -> Result<(), Failure> {
        let stored = self.storage.first_index();
        if stored <= self.first_index {
            return Ok(());
        }
        let status = node.basic_status();
        let done = status.applied.min(status.persisted);
        let first_index = stored.min(done + 1);
        if first_index > self.first_index {
            node.compacted(first_index)?;
            self.first_index = first_index;
        }
        Ok(())
    }

    /// Answers the requests that no Ready has shown.
    ///
    /// # Errors
    /// The first one of [`Source::read`] and [`Source::read_snapshot`]. Everything is answered
    /// all the same, so that the core asks again.
    fn answer_pending(&mut self, node: &mut Node) -> Result<(), Failure> {
        if !self.has_requests(node) {
            return Ok(());
        }
        let (reads, snapshots) = node.take_requests();
        let earlier = std::mem::take(&mut self.pending);
        let mut result = Ok(());
        for request in earlier.reads.iter().chain(&reads) {
            result = result.and(self.read(node, request));
        }
        for request in earlier.snapshots.iter().chain(&snapshots) {
            result = result.and(self.read_snapshot(node, request));
        }
        result
    }

    /// Passes stored entries to the core.
    ///
    /// # Errors
    /// Those of a damaged storage, and of one that is not what this node has written: they would
    /// come up again and again, and nothing would ever be applied.
    fn read(&self, node: &mut Node, request: &ReadRequest) -> Result<(), Failure> {
        let entries = self
            .storage
            .entries(request.low, request.high, request.max_bytes);
        match entries {
            Ok(entries) => Ok(node.provide_entries(request.id, entries)?),
            Err(error) => {
                node.read_failed(request.id, read_failure(&error))?;
                let status = node.basic_status();
                // What is committed and not applied must be there. Anything else may have been
                // compacted or replaced since it was asked for.
                let not_applied = status.applied + 1..status.hard_state.commit + 1;
                match not_applied.contains(&request.low) || is_damage(&error) {
                    true => Err(error.into()),
                    false => Ok(()),
                }
            }
        }
    }

    /// Passes the stored snapshot to the core.
    ///
    /// # Errors
    /// Those of a damaged storage.
    fn read_snapshot(&self, node: &mut Node, request: &SnapshotRequest) -> Result<(), Failure> {
        match self.storage.snapshot() {
            Ok(snapshot) if !snapshot.is_empty() && snapshot.id.index >= request.min_index => {
                Ok(node.provide_snapshot(request.id, snapshot)?)
            }
            // The host makes one, or makes a newer one, in its own time.
            Ok(_) => Ok(node.snapshot_failed(request.id)?),
            Err(error) => {
                node.snapshot_failed(request.id)?;
                match is_damage(&error) {
                    true => Err(error.into()),
                    false => Ok(()),
                }
            }
        }
    }
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.snapshots.is_empty()
    }
}

fn read_failure(error: &libraft_storage::Error) -> ReadFailure {
    match error {
        libraft_storage::Error::Compacted => ReadFailure::Compacted,
        _ => ReadFailure::Unavailable,
    }
}

/// Whether the storage itself is at fault, rather than what was asked of it.
fn is_damage(error: &libraft_storage::Error) -> bool {
    use libraft_storage::Error;
    !matches!(
        error,
        Error::Compacted | Error::Unavailable | Error::SnapshotTemporarilyUnavailable
    )
}
