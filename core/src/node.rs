//! The public handle: calls go in, a [`Ready`] comes out.

use bytes::Bytes;

use crate::config::Config;
use crate::error::Result;
use crate::message::Message;
use crate::ready::Ready;
use crate::status::{BasicStatus, Status};
use crate::types::*;

/// One member of one Raft group.
///
/// It does nothing by itself: the host passes in ticks, messages and proposals, takes a [`Ready`]
/// whenever [`Node::has_ready`] says so, does what that asks for, and calls [`Node::advance`].
/// A call that returns an error has changed nothing.
#[derive(Debug)]
pub struct Node {}

#[allow(unused_variables, missing_docs)]
impl Node {
    pub fn new(config: Config, state: RestartState) -> Result<Node> {
        todo!()
    }
    /// Starts a fresh log with one applied AddNode entry per peer, as etcd's Bootstrap does.
    pub fn bootstrap(&mut self, peers: &[(NodeId, Bytes)]) -> Result<()> {
        todo!()
    }
    pub fn id(&self) -> NodeId {
        todo!()
    }
    pub fn tick(&mut self) -> Result<()> {
        todo!()
    }
    pub fn tick_quiesced(&mut self) -> Result<()> {
        todo!()
    }
    pub fn campaign(&mut self) -> Result<()> {
        todo!()
    }
    pub fn propose(&mut self, data: Bytes) -> Result<()> {
        todo!()
    }
    /// All or none.
    pub fn propose_many(&mut self, data: impl IntoIterator<Item = Bytes>) -> Result<()> {
        todo!()
    }
    pub fn propose_conf_change(&mut self, change: &ConfChange) -> Result<()> {
        todo!()
    }
    pub fn propose_conf_change_v2(&mut self, change: &ConfChangeV2) -> Result<()> {
        todo!()
    }
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState> {
        todo!()
    }
    pub fn step(&mut self, message: Message) -> Result<()> {
        todo!()
    }
    /// Decodes one raftpb.Message and steps it.
    pub fn step_bytes(&mut self, bytes: Bytes) -> Result<()> {
        todo!()
    }
    pub fn read_index(&mut self, context: Bytes) -> Result<()> {
        todo!()
    }
    pub fn has_ready(&self) -> bool {
        todo!()
    }
    /// Error::Misuse if the last non-empty Ready was not advanced (synchronous writes).
    pub fn ready(&mut self) -> Result<Ready> {
        todo!()
    }
    /// Error::Misuse without a Ready before, or with asynchronous storage writes.
    pub fn advance(&mut self) -> Result<()> {
        todo!()
    }
    pub fn report_unreachable(&mut self, id: NodeId) -> Result<()> {
        todo!()
    }
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<()> {
        todo!()
    }
    pub fn transfer_leader(&mut self, transferee: NodeId) -> Result<()> {
        todo!()
    }
    pub fn forget_leader(&mut self) -> Result<()> {
        todo!()
    }
    pub fn provide_entries(&mut self, id: RequestId, entries: Vec<Entry>) -> Result<()> {
        todo!()
    }
    pub fn read_failed(&mut self, id: RequestId, failure: ReadFailure) -> Result<()> {
        todo!()
    }
    pub fn provide_snapshot(&mut self, id: RequestId, snapshot: Snapshot) -> Result<()> {
        todo!()
    }
    pub fn snapshot_failed(&mut self, id: RequestId) -> Result<()> {
        todo!()
    }
    /// Requests that have not been put into a Ready yet, for a host that answers at once: they
    /// are taken out and must be answered. This is how a node opened on a storage reads.
    pub fn take_requests(&mut self) -> (Vec<ReadRequest>, Vec<SnapshotRequest>) {
        todo!()
    }
    /// The host has dropped the log below `first_index`.
    pub fn compacted(&mut self, first_index: Index) -> Result<()> {
        todo!()
    }
    pub fn basic_status(&self) -> BasicStatus {
        todo!()
    }
    pub fn status(&self) -> Status {
        todo!()
    }
    /// Stops the node for good: every later call returns Error::Poisoned with this reason.
    pub fn poison(&mut self, reason: String) {
        todo!()
    }
}
