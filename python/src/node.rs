//! `RawNode`: one member of one Raft group.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Arc, Mutex};

use libraft_core::proto::libraft as proto;
use prost::Message as _;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use raft::bytes::{raft_buffer, raft_buffer_bytes, raft_buffer_free, raft_bytes};
use raft::conf_state::{raft_conf_state, raft_conf_state_free};
use raft::error::raft_error;
use raft::metrics::raft_metrics;
use raft::node::*;
use raft::node_status::raft_node_status;
use raft::observe::{raft_node_metrics_json, raft_node_status_json};
use raft::ready::raft_ready;
use raft::recording::*;
use raft::requests::raft_requests;
use raft::status::raft_status;

use crate::call::{Failure, Handle, call, lock};
use crate::config;
use crate::entry::Entry;
use crate::input::{Choice, Input, Inputs, NOTHING, Number};
use crate::members::ConfStateCopy;
use crate::observe;
use crate::parts::{self, copied, list};
use crate::ready::Ready;
use crate::storage::Storage;

/// One member of one Raft group, made on a storage from whatever that holds.
///
/// It does nothing by itself: the host passes in ticks, messages and proposals, takes a Ready
/// whenever `has_ready` says so, does what that asks for, and calls `advance`. It may move
/// between threads, but not be used by two at once. Two nodes must not be made on one storage.
///
/// Raises ConfigError, RestartStateError, ArgumentError, StorageCorrupt, StorageIOError.
#[pyclass(frozen, module = "libraft")]
pub struct RawNode {
    id: u64,
    node: Mutex<Option<Arc<NativeNode>>>,
}

/// A node of the library, and the Ready that it lends.
pub struct NativeNode {
    pub handle: Handle<raft_node>,
    lent: Mutex<Lent>,
}

struct Lent {
    ready: *const raft_ready,
    /// Counts the Readys.
    generation: u64,
    /// How many threads are saving it at this moment.
    pins: usize,
    /// It was only looked at: none of it is to be done yet.
    peeked: bool,
}

// SAFETY: the pointer is followed only by a `Pinned`, while nothing can take it back.
unsafe impl Send for Lent {}

/// Keeps the last Ready of a node from being replaced, while a thread without the interpreter lock
/// works on it.
pub struct Pinned(Arc<NativeNode>);

impl Pinned {
    /// Refuses a Ready that is not the node's last one.
    pub fn new(node: Arc<NativeNode>, generation: u64) -> Result<Pinned, Failure> {
        let mut lent = lock(&node.lent);
        if lent.generation != generation {
            return Err(Failure::misuse(
                "the node has given a newer Ready: each one has to be saved before the next",
            ));
        }
        if lent.peeked {
            return Err(Failure::misuse(
                "the Ready was only peeked at: call accept_ready() before any of it is done",
            ));
        }
        lent.pins += 1;
        drop(lent);
        Ok(Pinned(node))
    }

    /// Valid as long as `self`: neither is the node freed nor gives it another Ready.
    pub fn get(&self) -> *const raft_ready {
        lock(&self.0.lent).ready
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        lock(&self.0.lent).pins -= 1;
    }
}

impl RawNode {
    fn open(id: u64, handle: Handle<raft_node>) -> RawNode {
        let lent = Lent {
            ready: ptr::null(),
            generation: 0,
            pins: 0,
            peeked: false,
        };
        RawNode {
            id,
            node: Mutex::new(Some(Arc::new(NativeNode {
                handle,
                lent: Mutex::new(lent),
            }))),
        }
    }

    /// The node of the library, unless it is closed.
    pub fn native(&self) -> Result<Arc<NativeNode>, Failure> {
        lock(&self.node)
            .clone()
            .ok_or_else(|| Failure::closed("node"))
    }

    /// A call that has only the node for its argument.
    fn plain(
        &self,
        function: unsafe extern "C" fn(*mut raft_node, *mut *mut raft_error) -> raft_status,
    ) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe { function(node.handle.get(), error) })?;
        Ok(())
    }

    /// A call that takes the node and a number.
    fn with_number(
        &self,
        function: unsafe extern "C" fn(*mut raft_node, u64, *mut *mut raft_error) -> raft_status,
        number: u64,
    ) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe { function(node.handle.get(), number, error) })?;
        Ok(())
    }

    /// A call that takes the node and bytes.
    fn with_bytes(
        &self,
        function: unsafe extern "C" fn(
            *mut raft_node,
            *const u8,
            usize,
            *mut *mut raft_error,
        ) -> raft_status,
        bytes: &Input<'_>,
    ) -> PyResult<()> {
        let node = self.native()?;
        let view = bytes.view();
        // SAFETY: the node is alive as long as `node`, and the view is of `bytes`, under the
        // interpreter lock.
        call(|error| unsafe { function(node.handle.get(), view.data, view.len, error) })?;
        Ok(())
    }
}

#[pymethods]
impl RawNode {
    /// Makes a node on a storage, from whatever that holds.
    #[new]
    #[pyo3(signature = (config, storage))]
    fn new(config: &Bound<'_, PyAny>, storage: &Bound<'_, Storage>) -> PyResult<RawNode> {
        let native = config::native(config)?;
        let storage = storage.get().native()?;
        let handle = Handle::make(raft_node_free, |out, error| {
            // SAFETY: both are alive during the call; the node keeps what it needs of them.
            unsafe { raft_node_new(native.get(), storage.get(), out, error) }
        })?;
        Ok(RawNode::open(config.getattr("id")?.extract()?, handle))
    }

    /// Makes a node for a host with a storage of its own.
    ///
    /// `state` is an encoded libraft.RestartState; an empty one stands for a node that has never
    /// run. Its requests appear in `Ready.reads` and `Ready.snapshot_requests`.
    #[staticmethod]
    #[pyo3(signature = (config, state))]
    fn restart(config: &Bound<'_, PyAny>, state: Input<'_>) -> PyResult<RawNode> {
        let native = config::native(config)?;
        let view = state.view();
        let handle = Handle::make(raft_node_free, |out, error| {
            // SAFETY: the configuration is alive, and the view is of `state`.
            unsafe { raft_node_restart(native.get(), view.data, view.len, out, error) }
        })?;
        Ok(RawNode::open(config.getattr("id")?.extract()?, handle))
    }

    /// The node's id.
    #[getter]
    fn id(&self) -> u64 {
        self.id
    }

    /// Whether `close` has been called.
    #[getter]
    fn closed(&self) -> bool {
        lock(&self.node).is_none()
    }

    /// Frees the node; again does nothing. What has not been saved is lost, as in a crash.
    fn close(&self, py: Python<'_>) {
        let node = lock(&self.node).take();
        // The last node on a durable storage closes its files.
        py.detach(|| drop(node));
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().native()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// Starts the log of a new group with one applied entry for each first member.
    ///
    /// Hosts with a Storage will rather use `Storage.bootstrap`.
    fn bootstrap(&self, peers: Vec<(Number<u64>, Input<'_>)>) -> PyResult<()> {
        let node = self.native()?;
        let peers: Vec<_> = peers
            .iter()
            .map(|(id, context)| raft_peer {
                id: id.0,
                context: context.view(),
            })
            .collect();
        call(|error| {
            // SAFETY: the node is alive, and the views are of the arguments.
            unsafe { raft_node_bootstrap(node.handle.get(), peers.as_ptr(), peers.len(), error) }
        })?;
        Ok(())
    }

    /// One unit of logical time has passed. Ticks that were missed are better dropped.
    fn tick(&self) -> PyResult<()> {
        self.plain(raft_node_tick)
    }

    /// One unit of logical time has passed for a group that is known to be at rest.
    fn tick_quiesced(&self) -> PyResult<()> {
        self.plain(raft_node_tick_quiesced)
    }

    /// So many units of logical time have passed at once: the same as `tick` called so often.
    ///
    /// For a host that had no need to touch the node meanwhile. Up to `next_deadline`, all of them
    /// together cost what one does; beyond it, time and memory grow with what the node has to do.
    fn tick_many(&self, ticks: Number<u32>) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe { raft_node_tick_many(node.handle.get(), ticks.0, error) })?;
        Ok(())
    }

    /// How many ticks it takes until one of them can do more than move the clocks, at least 1.
    ///
    /// None if time alone does nothing. It holds until the next other call that changes the node: a
    /// host with many groups at rest may leave this one alone for so long, or until something comes
    /// for it, and then first make up for the ticks with `tick_many`.
    fn next_deadline(&self) -> PyResult<Option<u64>> {
        let node = self.native()?;
        let mut out = 0;
        // SAFETY: the node is alive, and `out` is a place for the result.
        call(|error| unsafe { raft_node_next_deadline(node.handle.get(), &raw mut out, error) })?;
        Ok((out != RAFT_NO_DEADLINE).then_some(out))
    }

    /// Campaigns at once, without waiting for the election timeout.
    fn campaign(&self) -> PyResult<()> {
        self.plain(raft_node_campaign)
    }

    /// Proposes a command. It is committed when it comes back in `Ready.committed_entries`.
    ///
    /// Raises ProposalDropped.
    fn propose(&self, data: Input<'_>) -> PyResult<()> {
        self.with_bytes(raft_node_propose, &data)
    }

    /// Proposes several commands as one entry each, in this order: all of them or none.
    ///
    /// Raises ProposalDropped.
    fn propose_many(&self, data: Inputs<'_>) -> PyResult<()> {
        let node = self.native()?;
        let views: Vec<raft_bytes> = data.0.iter().map(Input::view).collect();
        call(|error| {
            // SAFETY: the node is alive, and the views are of `data`.
            unsafe { raft_node_propose_many(node.handle.get(), views.as_ptr(), views.len(), error) }
        })?;
        Ok(())
    }

    /// Proposes to add, remove or update one member, as an entry of type CONF_CHANGE.
    ///
    /// A leader that cannot take the change (another one is in flight) makes an empty entry of it.
    ///
    /// Raises ProposalDropped, ArgumentError.
    #[pyo3(signature = (change_type, node_id, context=None))]
    fn propose_conf_change(
        &self,
        change_type: Choice,
        node_id: Number<u64>,
        context: Option<Input<'_>>,
    ) -> PyResult<()> {
        let node = self.native()?;
        let view = context.as_ref().map_or(NOTHING, Input::view);
        call(|error| {
            // SAFETY: the node is alive, and the view is of `context`.
            unsafe {
                raft_node_propose_conf_change(
                    node.handle.get(),
                    change_type.0,
                    node_id.0,
                    view.data,
                    view.len,
                    error,
                )
            }
        })?;
        Ok(())
    }

    /// Proposes a configuration change in its encoded form, such as from `encode_conf_change`.
    ///
    /// Raises ProposalDropped, MalformedMessage, ArgumentError.
    fn propose_conf_change_encoded(&self, entry_type: Choice, data: Input<'_>) -> PyResult<()> {
        let node = self.native()?;
        let view = data.view();
        call(|error| {
            // SAFETY: the node is alive, and the view is of `data`.
            unsafe {
                raft_node_propose_conf_change_encoded(
                    node.handle.get(),
                    entry_type.0,
                    view.data,
                    view.len,
                    error,
                )
            }
        })?;
        Ok(())
    }

    /// Applies a committed configuration change, and gives the new configuration.
    ///
    /// To be called, or `reject_conf_change`, when such an entry's turn to be applied comes.
    ///
    /// Raises MalformedMessage, ConfChangeError (it does not fit, and counts as refused).
    fn apply_conf_change<'py>(
        &self,
        py: Python<'py>,
        entry: &Bound<'py, Entry>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let node = self.native()?;
        let entry = entry.get();
        let data = entry.payload(py);
        let state = Handle::make(raft_conf_state_free, |out, error| {
            // SAFETY: the node is alive, and so is the data of the entry.
            unsafe {
                raft_node_apply_conf_change(
                    node.handle.get(),
                    entry.kind(),
                    data.as_ptr(),
                    data.len(),
                    out,
                    error,
                )
            }
        })?;
        owned_conf_state(py, &state)
    }

    /// Tells the node that a committed change was refused, as every member must do alike.
    fn reject_conf_change(&self) -> PyResult<()> {
        self.plain(raft_node_reject_conf_change)
    }

    /// The configuration as of the last applied change.
    fn conf_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let node = self.native()?;
        let state = Handle::make(raft_conf_state_free, |out, error| {
            // SAFETY: the node is alive as long as `node`.
            unsafe { raft_node_conf_state(node.handle.get(), out, error) }
        })?;
        owned_conf_state(py, &state)
    }

    /// Hands over a message from a peer: one raftpb.Message.
    ///
    /// Raises MalformedMessage, ImpossibleMessage, LocalMessage, UnknownPeer, and ProposalDropped
    /// for a forwarded proposal. In each case nothing has changed.
    fn step(&self, message: Input<'_>) -> PyResult<()> {
        self.with_bytes(raft_node_step, &message)
    }

    /// Hands over several messages: a list, or bytes that have a length before each message.
    ///
    /// The lengths are protobuf varints.
    ///
    /// All are decoded first: if one can't be, none is handed over. One that the node then
    /// refuses does not keep the others from it; the first refusal is raised at the end.
    fn step_many(&self, messages: Messages<'_>) -> PyResult<()> {
        let framed = match &messages {
            Messages::Framed(framed) => return self.with_bytes(raft_node_step_many, framed),
            Messages::List(list) => frame(list),
        };
        let node = self.native()?;
        call(|error| {
            // SAFETY: the node is alive, and so are the bytes.
            unsafe { raft_node_step_many(node.handle.get(), framed.as_ptr(), framed.len(), error) }
        })?;
        Ok(())
    }

    /// Asks for a linearizable read. The answer is a ReadState with this context, or none.
    ///
    /// The context must never be used again on any node, not even for another try.
    ///
    /// Raises ReadDropped.
    fn read_index(&self, context: Input<'_>) -> PyResult<()> {
        self.with_bytes(raft_node_read_index, &context)
    }

    /// Whether `ready` would give something to do.
    fn has_ready(&self) -> PyResult<bool> {
        let node = self.native()?;
        let mut out = false;
        // SAFETY: the node is alive, and `out` is a place for the result.
        call(|error| unsafe { raft_node_has_ready(node.handle.get(), &raw mut out, error) })?;
        Ok(out)
    }

    /// Takes the next batch of work.
    ///
    /// Raises MisuseError (the last one was not advanced, or is being saved), StorageCorrupt,
    /// StorageIOError (the storage can't be read).
    fn ready(&self, py: Python<'_>) -> PyResult<Ready> {
        self.lend(py, raft_node_ready, false)
    }

    /// Shows what `ready` would give, and takes nothing.
    ///
    /// None of it is to be done, and it can't be saved, before `accept_ready`. For a host that offers its
    /// work to somebody who may not come for it at once, and looks again if anything else happens first. It
    /// takes the place of the last Ready.
    ///
    /// Raises as `ready` does.
    fn peek_ready(&self, py: Python<'_>) -> PyResult<Ready> {
        self.lend(py, raft_node_peek_ready, true)
    }

    /// Takes the Ready that `peek_ready` has shown.
    ///
    /// Raises MisuseError (nothing was shown, or the node has been used since: look again).
    fn accept_ready(&self) -> PyResult<()> {
        let node = self.native()?;
        let mut lent = lock(&node.lent);
        // SAFETY: the node is alive as long as `node`.
        let accepted = call(|error| unsafe { raft_node_accept_ready(node.handle.get(), error) });
        lent.peeked &= accepted.is_err();
        drop(lent);
        Ok(accepted?)
    }

    /// The last Ready's work is done: persisted, sent and applied.
    ///
    /// Raises MisuseError (there is no Ready to advance from).
    fn advance(&self) -> PyResult<()> {
        self.plain(raft_node_advance)
    }

    /// Asks the leader for a snapshot in place of what this node has applied, although its log is fine.
    ///
    /// For a host whose state machine is damaged. It comes as Ready.snapshot, and until then the node
    /// takes no entries. A change of the leader ends the request, and so does a leader that goes on
    /// sending entries for the election ticks, as those of etcd-io/raft do, since they don't know of it.
    ///
    /// Raises SnapshotRequestDropped, with the reason.
    fn request_snapshot(&self) -> PyResult<()> {
        self.plain(raft_node_request_snapshot)
    }

    /// Sets the priority of this node in elections from now on.
    fn set_priority(&self, priority: i64) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe { raft_node_set_priority(node.handle.get(), priority, error) })?;
        Ok(())
    }

    /// Bounds what is in flight to a member from now on; 0 bytes stand for no limit.
    ///
    /// Raises MisuseError (the member 0).
    #[pyo3(signature = (id, max_messages, max_bytes=Number(0)), text_signature = "($self, id, max_messages, max_bytes=0)")]
    fn set_inflight_limits(
        &self,
        id: Number<u64>,
        max_messages: Number<u32>,
        max_bytes: Number<u64>,
    ) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe {
            raft_node_set_inflight_limits(
                node.handle.get(),
                id.0,
                max_messages.0,
                max_bytes.0,
                error,
            )
        })?;
        Ok(())
    }

    /// With asynchronous storage writes, a leader hands out so many entries before they are persisted here.
    ///
    /// They are committed, but a crash may leave the state machine ahead of the log. A host whose state
    /// machine is durable on its own then starts with the log's last index as Config.applied, and passes
    /// over the entries that come back and that it has already. Nor may the log be compacted beyond what
    /// is persisted.
    fn set_max_apply_unpersisted_entries(&self, entries: Number<u64>) -> PyResult<()> {
        self.with_number(raft_node_set_max_apply_unpersisted_entries, entries.0)
    }

    /// Whether to commit only what members of two commit groups have, besides a majority.
    fn enable_group_commit(&self, on: bool) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe { raft_node_enable_group_commit(node.handle.get(), on, error) })?;
        Ok(())
    }

    /// Puts members into commit groups, numbered from 1, until a restart: the group of each member's id.
    ///
    /// Raises MisuseError (a member or a group 0; nothing has changed).
    fn assign_commit_groups(&self, groups: BTreeMap<u64, u64>) -> PyResult<()> {
        let node = self.native()?;
        let groups: Vec<raft_commit_group> = groups
            .into_iter()
            .map(|(id, group)| raft_commit_group { id, group })
            .collect();
        // SAFETY: the node is alive as long as `node`, and the list as long as `groups`.
        call(|error| unsafe {
            raft_node_assign_commit_groups(node.handle.get(), groups.as_ptr(), groups.len(), error)
        })?;
        Ok(())
    }

    /// Takes all members out of their commit groups.
    fn clear_commit_groups(&self) -> PyResult<()> {
        self.plain(raft_node_clear_commit_groups)
    }

    /// Whether everything that is committed has reached two commit groups.
    ///
    /// None if this node can't tell: it has to lead, and to have applied an entry of its term.
    fn is_group_commit_consistent(&self) -> PyResult<Option<bool>> {
        let node = self.native()?;
        let mut state = RAFT_GROUP_COMMIT_UNKNOWN;
        // SAFETY: the node is alive, and `state` is a place for the result.
        call(|error| unsafe {
            raft_node_group_commit_state(node.handle.get(), &raw mut state, error)
        })?;
        Ok(match state {
            RAFT_GROUP_COMMIT_UNKNOWN => None,
            state => Some(state == RAFT_GROUP_COMMIT_CONSISTENT),
        })
    }

    /// A message to this peer could not be delivered.
    fn report_unreachable(&self, id: Number<u64>) -> PyResult<()> {
        self.with_number(raft_node_report_unreachable, id.0)
    }

    /// What became of a SNAP to this peer. Until that is reported, nothing else is sent to it.
    fn report_snapshot(&self, id: Number<u64>, status: Choice) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe {
            raft_node_report_snapshot(node.handle.get(), id.0, status.0, error)
        })?;
        Ok(())
    }

    /// Asks the leader to hand its leadership to this member.
    fn transfer_leader(&self, transferee: Number<u64>) -> PyResult<()> {
        self.with_number(raft_node_transfer_leader, transferee.0)
    }

    /// A follower forgets its leader, so that it may vote for another at once.
    fn forget_leader(&self) -> PyResult<()> {
        self.plain(raft_node_forget_leader)
    }

    /// Takes out the requests that no Ready has shown yet, for a host that answers at once.
    ///
    /// What it provides before it takes the Ready is in that Ready already.
    fn take_requests<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>)> {
        let node = self.native()?;
        // What the call lends is valid until the next one, which needs the same lock. It is copied before
        // any Python runs.
        let lent = lock(&node.lent);
        let mut out: *const raft_requests = ptr::null();
        let taken = call(|error| {
            // SAFETY: the node is alive, and `out` is a place for the result.
            unsafe { raft_node_take_requests(node.handle.get(), &raw mut out, error) }
        });
        let copied = taken.and_then(|()| {
            // SAFETY: the call has succeeded, and the lists are valid as long as the lock is held.
            unsafe {
                let out = out.as_ref();
                let out = out.ok_or_else(|| Failure::unexpected("no requests in a success"))?;
                Ok((
                    list(out.reads, out.reads_len).to_vec(),
                    list(out.snapshot_requests, out.snapshot_requests_len).to_vec(),
                ))
            }
        });
        drop(lent);
        let (reads, snapshots) = copied?;
        let reads = reads.iter().map(|read| {
            parts::READ_REQUEST.make(py, (read.id, read.low, read.high, read.max_bytes))
        });
        let snapshots = snapshots.iter().map(|request| {
            parts::SNAPSHOT_REQUEST.make(py, (request.id, request.to, request.min_index))
        });
        Ok((
            PyTuple::new(py, reads.collect::<PyResult<Vec<_>>>()?)?,
            PyTuple::new(py, snapshots.collect::<PyResult<Vec<_>>>()?)?,
        ))
    }

    /// Fixes the randomized election timeout until the next change of role or term. For tests.
    ///
    /// Raises MisuseError (0 ticks).
    fn set_randomized_election_timeout(&self, ticks: Number<u32>) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe {
            raft_node_set_randomized_election_timeout(node.handle.get(), ticks.0, error)
        })?;
        Ok(())
    }

    /// Answers a ReadRequest with encoded entries from its `low` on.
    ///
    /// Raises WrongAnswer, MalformedMessage, ImpossibleMessage.
    fn provide_entries(&self, request_id: Number<u64>, entries: Inputs<'_>) -> PyResult<()> {
        let node = self.native()?;
        let views: Vec<raft_bytes> = entries.0.iter().map(Input::view).collect();
        call(|error| {
            // SAFETY: the node is alive, and the views are of `entries`.
            unsafe {
                raft_node_provide_entries(
                    node.handle.get(),
                    request_id.0,
                    views.as_ptr(),
                    views.len(),
                    error,
                )
            }
        })?;
        Ok(())
    }

    /// Answers a ReadRequest: there are no entries.
    fn read_failed(&self, request_id: Number<u64>, failure: Choice) -> PyResult<()> {
        let node = self.native()?;
        // SAFETY: the node is alive as long as `node`.
        call(|error| unsafe {
            raft_node_read_failed(node.handle.get(), request_id.0, failure.0, error)
        })?;
        Ok(())
    }

    /// Answers a SnapshotRequest with an encoded snapshot.
    ///
    /// Raises WrongAnswer, MalformedMessage, ImpossibleMessage.
    fn provide_snapshot(&self, request_id: Number<u64>, snapshot: Input<'_>) -> PyResult<()> {
        let node = self.native()?;
        let view = snapshot.view();
        call(|error| {
            // SAFETY: the node is alive, and the view is of `snapshot`.
            unsafe {
                raft_node_provide_snapshot(
                    node.handle.get(),
                    request_id.0,
                    view.data,
                    view.len,
                    error,
                )
            }
        })?;
        Ok(())
    }

    /// Answers a SnapshotRequest: there is no snapshot at the moment.
    fn snapshot_failed(&self, request_id: Number<u64>) -> PyResult<()> {
        self.with_number(raft_node_snapshot_failed, request_id.0)
    }

    /// Tells the node that the stored log begins at `first_index` now.
    ///
    /// A node on a Storage finds that out by itself.
    fn compacted(&self, first_index: Number<u64>) -> PyResult<()> {
        self.with_number(raft_node_compacted, first_index.0)
    }

    /// What the node has done since it was made, in numbers.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let node = self.native()?;
        let mut out = MaybeUninit::<raft_metrics>::uninit();
        // SAFETY: the field is within the place, and the call is told the size of it.
        unsafe { (&raw mut (*out.as_mut_ptr()).size).write(size_of::<raft_metrics>()) };
        call(|error| {
            // SAFETY: the node is alive, and `out` is as large as it says.
            unsafe { raft_node_metrics(node.handle.get(), out.as_mut_ptr(), error) }
        })?;
        // SAFETY: a call that succeeds has written its result.
        let metrics = unsafe { out.assume_init() };
        macro_rules! listed {
            ($($name:ident,)+) => { [$(metrics.$name,)+] };
        }
        // Of the core's own list, so that none can be missing here.
        let counters = libraft_core::with_counters!(listed);
        parts::METRICS.make(py, PyTuple::new(py, counters)?)
    }

    /// The counters as a JSON object, under the names of Metrics; see `status_json` for its numbers.
    fn metrics_json(&self) -> PyResult<String> {
        Ok(observe::text_of(&*self.native()?, raft_node_metrics_json)?)
    }

    /// All that the node says about itself, as a JSON object.
    ///
    /// The fields of Status under their names (`role` in lower case); `conf_state` with the lists of
    /// members; and on a leader `progress`, a list with the fields of Progress. The numbers go up to
    /// 2**64 - 1: JavaScript rounds those above 2**53.
    fn status_json(&self) -> PyResult<String> {
        Ok(observe::text_of(&*self.native()?, raft_node_status_json)?)
    }

    /// What the node says about itself.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let node = self.native()?;
        let mut out = MaybeUninit::<raft_node_status>::uninit();
        // SAFETY: the field is within the place, and the call is told the size of it.
        unsafe { (&raw mut (*out.as_mut_ptr()).size).write(size_of::<raft_node_status>()) };
        call(|error| {
            // SAFETY: the node is alive, and `out` is as large as it says.
            unsafe { raft_node_get_status(node.handle.get(), out.as_mut_ptr(), error) }
        })?;
        // SAFETY: a call that succeeds has written its result.
        let status = unsafe { out.assume_init() };
        parts::STATUS.make(
            py,
            (
                status.id,
                status.term,
                status.vote,
                status.commit,
                status.applied,
                status.leader,
                parts::ROLE.member(py, status.role)?,
                status.lead_transferee,
                status.first_index,
                status.last_index,
                status.persisted,
                status.removed_as_of,
            ),
        )
    }

    /// What the leader knows of each member, by ascending id; empty on other nodes.
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let buffer = self.encoded_status()?;
        // SAFETY: the buffer is alive, and so is the view of it.
        let bytes = unsafe {
            let view = raft_buffer_bytes(buffer.get());
            list(view.data, view.len)
        };
        let status = proto::Status::decode(bytes)
            .map_err(|_| Failure::unexpected("the status does not decode"))?;
        let members = status.progress.into_iter().map(|member| {
            parts::PROGRESS.make(
                py,
                (
                    member.id,
                    member.match_index,
                    member.next_index,
                    parts::FLOW_STATE.member(py, member.state)?,
                    member.paused,
                    member.pending_snapshot,
                    member.recent_active,
                    member.learner,
                    member.inflight_messages,
                    member.inflight_bytes,
                    member.inflight_full,
                ),
            )
        });
        PyTuple::new(py, members.collect::<PyResult<Vec<_>>>()?)
    }

    /// All that the node says about itself, as an encoded libraft.Status.
    fn status_encoded<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let buffer = self.encoded_status()?;
        // SAFETY: the buffer is alive, and so is the view of it.
        Ok(unsafe { copied(py, raft_buffer_bytes(buffer.get())) })
    }

    /// How the recording of this node stands, and how many bytes of it wait to be taken.
    fn record_state<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, u64)> {
        let node = self.native()?;
        let (mut state, mut waiting) = (RAFT_RECORDING_OFF, 0);
        // SAFETY: the node is alive, and these are places for the results.
        call(|error| unsafe {
            raft_node_record_state(node.handle.get(), &raw mut state, &raw mut waiting, error)
        })?;
        Ok((parts::RECORDING_STATE.member(py, state)?, waiting))
    }

    /// Takes what was recorded since the last time; see Config.record_bytes.
    ///
    /// What is taken from a node, one after the other, is one recording, which may end behind any of the
    /// parts. It works on a node that is poisoned, too.
    fn record_take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let node = self.native()?;
        let buffer = Handle::make(raft_buffer_free, |out, error| {
            // SAFETY: the node is alive as long as `node`.
            unsafe { raft_node_record_take(node.handle.get(), out, error) }
        })?;
        // SAFETY: the buffer is alive, and so is the view of it.
        Ok(unsafe { copied(py, raft_buffer_bytes(buffer.get())) })
    }

    /// Puts a text into the recording, for who reads it: "here the disk was full".
    fn record_note(&self, text: &str) -> PyResult<()> {
        let node = self.native()?;
        let (data, len) = (text.as_ptr(), text.len());
        // SAFETY: the node is alive as long as `node`, and the text during the call.
        call(|error| unsafe { raft_node_record_note(node.handle.get(), data, len, error) })?;
        Ok(())
    }

    /// Ends the recording for good; what was not taken can still be.
    fn record_stop(&self) -> PyResult<()> {
        self.plain(raft_node_record_stop)
    }

    fn __repr__(&self) -> String {
        match self.closed() {
            true => format!("<RawNode {}, closed>", self.id),
            false => format!("<RawNode {}>", self.id),
        }
    }
}

/// A function of the library that lends a Ready.
type Lend = unsafe extern "C" fn(
    *mut raft_node,
    *mut *const raft_ready,
    *mut *mut raft_error,
) -> raft_status;

impl RawNode {
    /// A copy of the Ready that the library lends.
    fn lend(&self, py: Python<'_>, lend: Lend, peeked: bool) -> PyResult<Ready> {
        let node = self.native()?;
        // Nothing below runs Python before the lock is released: the interpreter lock would go
        // to another thread, which would then wait for this one.
        let mut lent = lock(&node.lent);
        if lent.pins > 0 {
            drop(lent);
            return Err(Failure::misuse("another thread is saving the last Ready").into());
        }
        let mut out: *const raft_ready = ptr::null();
        // SAFETY: the node is alive, and `out` is a place for the result.
        let taken = call(|error| unsafe { lend(node.handle.get(), &raw mut out, error) });
        let ready = taken.and_then(|()| {
            lent.ready = out;
            lent.generation += 1;
            lent.peeked = peeked;
            // SAFETY: the call has succeeded, so that the Ready is valid until the next one,
            // which needs the lock.
            let ready = unsafe { out.as_ref() };
            let ready = ready.ok_or_else(|| Failure::unexpected("no Ready in a success"))?;
            // SAFETY: as above.
            unsafe { Ready::copy(py, Arc::downgrade(&node), lent.generation, ready) }
        });
        drop(lent);
        Ok(ready?)
    }

    fn encoded_status(&self) -> Result<Handle<raft_buffer>, Failure> {
        let node = self.native()?;
        Handle::make(raft_buffer_free, |out, error| {
            // SAFETY: the node is alive as long as `node`.
            unsafe { raft_node_status_encoded(node.handle.get(), out, error) }
        })
    }
}

/// The messages of a batch.
enum Messages<'py> {
    Framed(Input<'py>),
    List(Vec<Input<'py>>),
}

impl<'py> FromPyObject<'_, 'py> for Messages<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Messages<'py>> {
        let list = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
        if !list {
            match object.extract() {
                Ok(framed) => return Ok(Messages::Framed(framed)),
                // It has bytes, but with gaps.
                Err(error) if error.is_instance_of::<PyBufferError>(object.py()) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        let Inputs(list) = object.extract()?;
        Ok(Messages::List(list))
    }
}

/// Messages in one piece, each preceded by its length.
fn frame(messages: &[Input<'_>]) -> Vec<u8> {
    let views = || messages.iter().map(Input::view);
    let mut framed = Vec::with_capacity(views().map(|view| view.len + 10).sum());
    for view in views() {
        prost::encoding::encode_varint(view.len as u64, &mut framed);
        // SAFETY: the views are of the messages, under the interpreter lock.
        framed.extend_from_slice(unsafe { list(view.data, view.len) });
    }
    framed
}

fn owned_conf_state<'py>(
    py: Python<'py>,
    state: &Handle<raft_conf_state>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: made for us by a call that succeeded, with lists that live as long.
    let copy = unsafe { ConfStateCopy::of(&*state.get()) };
    copy.record(py)
}
