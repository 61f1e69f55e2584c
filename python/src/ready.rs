//! `Ready`: one batch of work, which stays valid as long as Python holds it.
//!
//! The library lends a Ready until the node gives the next one. Here its bytes are copied once,
//! into one `bytes` object; entries and messages are parts of that, and made when they are asked
//! for. What the library lent is still needed for one thing, to save it, and only as long as it
//! is the node's last one: [`Ready::pin`] sees to that.

use std::ffi::CStr;
use std::sync::{OnceLock, Weak};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::event::{raft_event, raft_event_kind_name, raft_event_reason_name};
use raft::ready::raft_ready;

use crate::call::Failure;
use crate::entry::{Entry, EntryAt};
use crate::message::{Message, MessageAt};
use crate::node::{NativeNode, Pinned};
use crate::parts::{self, Part, copied, list};
use crate::snapshot::{Snapshot, SnapshotAt};

/// One batch of work for the host: persist, send, apply, answer the requests, advance.
///
/// It stays valid as long as Python holds it. Only to be saved, it has to be its node's last one.
#[pyclass(frozen, module = "libraft")]
pub struct Ready {
    /// Does not keep the node alive, and with it its storage open.
    node: Weak<NativeNode>,
    generation: u64,
    encoded: Py<PyBytes>,
    soft_state: Option<(u64, i32)>,
    hard_state: Option<(u64, u64, u64)>,
    must_sync: bool,
    snapshot: Option<SnapshotAt>,
    entries: Lazy<EntryAt>,
    committed_entries: Lazy<EntryAt>,
    messages: Lazy<MessageAt>,
    read_states: Vec<(u64, Part)>,
    reads: Vec<(u64, u64, u64, u64)>,
    snapshot_requests: Vec<(u64, u64, u64)>,
    dropped: Vec<(i32, i32, u64, Part)>,
    events: Vec<raft_event>,
}

/// A list, and its Python objects once somebody has asked for them.
struct Lazy<T> {
    at: Vec<T>,
    made: OnceLock<Py<PyTuple>>,
}

impl<T> Lazy<T> {
    fn new(at: Result<Vec<T>, Failure>) -> Result<Lazy<T>, Failure> {
        Ok(Lazy {
            at: at?,
            made: OnceLock::new(),
        })
    }

    /// The objects, always the same.
    fn tuple(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&[T]) -> PyResult<Py<PyTuple>>,
    ) -> PyResult<Py<PyTuple>> {
        if self.at.is_empty() {
            return Ok(PyTuple::empty(py).unbind());
        }
        if let Some(tuple) = self.made.get() {
            return Ok(tuple.clone_ref(py));
        }
        // Not made under a lock, which would have to let go of the interpreter's first: 600 instructions.
        // Another thread may have been faster, and what it has made counts.
        let tuple = make(&self.at)?;
        Ok(self.made.get_or_init(|| tuple).clone_ref(py))
    }
}

impl Ready {
    /// A copy of what the library lends. Runs no Python, so that it may be made under a lock.
    ///
    /// # Safety
    /// `ready` is valid.
    pub unsafe fn copy(
        py: Python<'_>,
        node: Weak<NativeNode>,
        generation: u64,
        ready: &raft_ready,
    ) -> Result<Ready, Failure> {
        let whole = ready.encoded;
        // SAFETY: the pointers and lists of a valid Ready are NULL or valid.
        unsafe {
            let entries = |data, len| list(data, len).iter().map(|one| EntryAt::of(one, whole));
            let snapshot = ready.snapshot.as_ref();
            Ok(Ready {
                node,
                generation,
                encoded: copied(py, whole).unbind(),
                soft_state: ready.soft_state.as_ref().map(|s| (s.leader, s.role)),
                hard_state: ready
                    .hard_state
                    .as_ref()
                    .map(|s| (s.term, s.vote, s.commit)),
                must_sync: ready.must_sync,
                snapshot: match snapshot {
                    Some(snapshot) => Some(SnapshotAt::of(snapshot, whole)?),
                    None => None,
                },
                entries: Lazy::new(entries(ready.entries, ready.entries_len).collect())?,
                committed_entries: Lazy::new(
                    entries(ready.committed_entries, ready.committed_entries_len).collect(),
                )?,
                messages: Lazy::new(
                    list(ready.messages, ready.messages_len)
                        .iter()
                        .map(|message| MessageAt::of(message, whole))
                        .collect(),
                )?,
                read_states: list(ready.read_states, ready.read_states_len)
                    .iter()
                    .map(|state| Ok((state.index, Part::of(state.context, whole)?)))
                    .collect::<Result<_, Failure>>()?,
                reads: list(ready.reads, ready.reads_len)
                    .iter()
                    .map(|read| (read.id, read.low, read.high, read.max_bytes))
                    .collect(),
                snapshot_requests: list(ready.snapshot_requests, ready.snapshot_requests_len)
                    .iter()
                    .map(|request| (request.id, request.to, request.min_index))
                    .collect(),
                dropped: list(ready.dropped, ready.dropped_len)
                    .iter()
                    .map(|it| Ok((it.kind, it.reason, it.index, Part::of(it.data, whole)?)))
                    .collect::<Result<_, Failure>>()?,
                events: list(ready.events, ready.events_len).to_vec(),
            })
        }
    }

    /// Keeps what the library lent as it is while it is being saved.
    pub fn pin(&self) -> Result<Pinned, Failure> {
        match self.node.upgrade() {
            Some(node) => Pinned::new(node, self.generation),
            None => Err(Failure::closed("node of this Ready")),
        }
    }
}

#[pymethods]
impl Ready {
    /// Present if the leader or the role has changed. Need not be persisted.
    #[getter]
    fn soft_state<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.soft_state
            .map(|(leader, role)| {
                parts::SOFT_STATE.make(py, (leader, parts::ROLE.member(py, role)?))
            })
            .transpose()
    }

    /// Present if it has changed; to be persisted before messages are sent.
    #[getter]
    fn hard_state<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.hard_state
            .map(|state| parts::HARD_STATE.make(py, state))
            .transpose()
    }

    /// Whether `hard_state` and `entries` need a sync; false if only the commit index moved.
    #[getter]
    fn must_sync(&self) -> bool {
        self.must_sync
    }

    /// Whether there is something to persist: a hard state, entries or a snapshot.
    #[getter]
    fn must_save(&self) -> bool {
        self.hard_state.is_some() || !self.entries.at.is_empty() || self.snapshot.is_some()
    }

    /// To be persisted, in place of the stored log up to its index, and to be applied.
    #[getter]
    fn snapshot(&self, py: Python<'_>) -> Option<Snapshot> {
        self.snapshot
            .as_ref()
            .map(|at| Snapshot::new(py, &self.encoded, at))
    }

    /// To be appended to the stored log, in place of what it has from the first one's index on.
    #[getter]
    fn entries(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        self.entries
            .tuple(py, |at| Entry::tuple(py, &self.encoded, at))
    }

    /// To be applied to the state machine, after the snapshot.
    #[getter]
    fn committed_entries(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        self.committed_entries
            .tuple(py, |at| Entry::tuple(py, &self.encoded, at))
    }

    /// To be sent once everything above is persisted, in this order for each recipient.
    ///
    /// Only a leader's messages of type APP may be sent before. Report what becomes of a SNAP.
    #[getter]
    fn messages(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        self.messages
            .tuple(py, |at| Message::tuple(py, &self.encoded, at))
    }

    /// Reads that may be served once their index is applied.
    #[getter]
    fn read_states<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let states = self.read_states.iter().map(|(index, context)| {
            parts::READ_STATE.make(py, (*index, context.bytes(py, &self.encoded)))
        });
        PyTuple::new(py, states.collect::<PyResult<Vec<_>>>()?)
    }

    /// Stored entries that the core needs. Empty for a node that reads from its own storage.
    #[getter]
    fn reads<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let reads = self.reads.iter();
        let reads = reads.map(|read| parts::READ_REQUEST.make(py, *read));
        PyTuple::new(py, reads.collect::<PyResult<Vec<_>>>()?)
    }

    /// Snapshots that the core needs. Empty for a node that reads from its own storage.
    #[getter]
    fn snapshot_requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let requests = self.snapshot_requests.iter();
        let requests = requests.map(|request| parts::SNAPSHOT_REQUEST.make(py, *request));
        PyTuple::new(py, requests.collect::<PyResult<Vec<_>>>()?)
    }

    /// What the host was told was taken and will not happen; see Config.peer_reports.
    #[getter]
    fn dropped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let dropped = self.dropped.iter().map(|(kind, reason, index, data)| {
            let kind = parts::DROP_KIND.member(py, *kind)?;
            let reason = parts::DROP_REASON.member(py, *reason)?;
            parts::DROPPED.make(py, (kind, reason, *index, data.bytes(py, &self.encoded)))
        });
        PyTuple::new(py, dropped.collect::<PyResult<Vec<_>>>()?)
    }

    /// What has happened since the last Ready, for hosts that count or log. Alone they make no Ready.
    #[getter]
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let events = self.events.iter().map(|it| {
            // SAFETY: these take any number, and what they return is static.
            let (reason, kind) = unsafe {
                (
                    CStr::from_ptr(raft_event_reason_name(it.r#type, it.reason)),
                    CStr::from_ptr(raft_event_kind_name(it.r#type, it.kind)),
                )
            };
            parts::EVENT.make(
                py,
                (
                    parts::EVENT_TYPE.member(py, it.r#type)?,
                    reason.to_string_lossy(),
                    kind.to_string_lossy(),
                    it.node,
                    it.term,
                    it.index,
                    it.from,
                    it.to,
                ),
            )
        });
        PyTuple::new(py, events.collect::<PyResult<Vec<_>>>()?)
    }

    /// The whole as protobuf, libraft.Ready.
    #[getter]
    fn encoded<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.encoded.bind(py).clone()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Ready belongs to its node and can't be pickled or copied: take its parts, or Ready.encoded",
        ))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Ready with {} entries, {} committed entries, {} messages, {} read states{}{}>",
            self.entries.at.len(),
            self.committed_entries.at.len(),
            self.messages.at.len(),
            self.read_states.len(),
            if self.snapshot.is_some() {
                ", a snapshot"
            } else {
                ""
            },
            if self.must_sync { ", must sync" } else { "" },
        )
    }
}
