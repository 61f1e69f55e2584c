//! What the host has to say of its transport and its storage: what could not be delivered, what it has been asked for,
//! and what it has dropped.

use super::Node;
use crate::error::Result;
use crate::recording::{self, Call};
use crate::types::*;

impl Node {
    /// A message to this peer could not be delivered.
    ///
    /// # Errors
    /// [`crate::Error::Poisoned`] only.
    pub fn report_unreachable(&mut self, id: NodeId) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::ReportUnreachable(id)),
            |node, ()| {
                node.raft.report_unreachable(id);
                Ok(())
            },
        )
    }

    /// What became of the last snapshot sent to this peer. Without a report of failure the leader
    /// waits for its acknowledgement.
    ///
    /// # Errors
    /// [`crate::Error::Poisoned`] only.
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::of_report_snapshot(id, status)),
            |node, ()| {
                node.raft.report_snapshot(id, status);
                Ok(())
            },
        )
    }

    /// Answers a [`ReadRequest`] with entries from its `low` on, at least one.
    ///
    /// # Errors
    /// [`crate::Error::WrongAnswer`] if they are others; the core will ask again. An answer that nobody
    /// waits for is no error.
    pub fn provide_entries(&mut self, id: RequestId, entries: Vec<Entry>) -> Result<()> {
        self.call(
            entries,
            |entries| Call::of_provide_entries(id, entries),
            |node, entries| node.raft.provide_entries(id, entries),
        )
    }

    /// Answers a [`ReadRequest`] that can't be met.
    ///
    /// # Errors
    /// [`crate::Error::Poisoned`] only.
    pub fn read_failed(&mut self, id: RequestId, failure: ReadFailure) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::of_read_failed(id, failure)),
            |node, ()| {
                node.raft.read_failed(id, failure);
                Ok(())
            },
        )
    }

    /// Answers a [`SnapshotRequest`].
    ///
    /// # Errors
    /// [`crate::Error::WrongAnswer`] if it can't be sent; the core will ask again. An answer that nobody
    /// waits for is no error.
    pub fn provide_snapshot(&mut self, id: RequestId, snapshot: Snapshot) -> Result<()> {
        self.call(
            snapshot,
            |snapshot| Call::of_provide_snapshot(id, snapshot),
            |node, snapshot| node.raft.provide_snapshot(id, snapshot),
        )
    }

    /// Answers a [`SnapshotRequest`] that can't be met now.
    ///
    /// # Errors
    /// [`crate::Error::Poisoned`] only.
    pub fn snapshot_failed(&mut self, id: RequestId) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::SnapshotFailed(id)),
            |node, ()| {
                node.raft.snapshot_failed(id);
                Ok(())
            },
        )
    }

    /// Takes out the requests that are not in a Ready yet, for a host that answers at once. They
    /// must be answered like any others, and an answer may lead to more.
    pub fn take_requests(&mut self) -> (Vec<ReadRequest>, Vec<SnapshotRequest>) {
        let nothing = ();
        let requests = self.call(
            nothing,
            |()| Ok(Call::TakeRequests(Default::default())),
            |node, ()| {
                node.make_requests(node.raft.apply_ahead());
                let outbox = &mut node.raft.core_mut().outbox;
                // Out of its box first: the default of a box is an allocation.
                let rare = outbox.take_rare().map(|rare| *rare).unwrap_or_default();
                let (reads, snapshots) = (rare.reads, rare.snapshot_requests);
                if !rare.dropped.is_empty() {
                    outbox.rare().dropped = rare.dropped;
                }
                node.record_answer(|| recording::requests(&reads, &snapshots));
                Ok((reads, snapshots))
            },
        );
        // It fails only if the node is poisoned.
        requests.unwrap_or_default()
    }

    /// The host has dropped the log's entries below `first_index`.
    ///
    /// # Errors
    /// [`crate::Error::Misuse`] if the node still needs some of them: only what is applied, and persisted
    /// here, may go.
    pub fn compacted(&mut self, first_index: Index) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::Compacted(first_index)),
            |node, ()| node.raft.compact(first_index),
        )
    }
}
