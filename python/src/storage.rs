//! `Storage` and its two kinds. Whatever may wait for a disk is done without the interpreter
//! lock, on a counted reference, so that closing a storage meanwhile does no harm.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::bytes::{raft_buffer_bytes, raft_buffer_free, raft_bytes};
use raft::entry::{raft_entries, raft_entries_free, raft_hard_state};
use raft::error::raft_error;
use raft::snapshot::raft_snapshot_free;
use raft::status::raft_status;
use raft::storage::*;

use crate::call::{Failure, Handle, call, lock};
use crate::entry::{Entry, EntryAt};
use crate::input::{Input, Inputs, Number};
use crate::parts::{self, copied, list};
use crate::ready::Ready;
use crate::snapshot::Snapshot;

/// Where a node's hard state, log and snapshot are kept: what both kinds have in common.
///
/// Any number of threads may use one storage at the same time, also while a node uses it. Calls
/// that may wait for a disk let other threads run meanwhile. Ranges are half-open.
#[pyclass(frozen, subclass, module = "libraft")]
pub struct Storage {
    native: Mutex<Option<Native>>,
    /// Whether a write may wait for a disk.
    waits: bool,
}

type Native = Arc<Handle<raft_storage>>;

/// A storage that lives and dies with the process; for tests.
#[pyclass(frozen, extends = Storage, module = "libraft")]
pub struct MemoryStorage;

/// A storage in a directory, which is made if it is absent. One process may have it open.
///
/// Raises StorageLocked, StorageCorrupt, StorageIOError.
#[pyclass(frozen, extends = Storage, module = "libraft")]
pub struct DurableStorage {
    path: PathBuf,
}

impl Storage {
    fn open(handle: Handle<raft_storage>, waits: bool) -> PyClassInitializer<Storage> {
        let native = Mutex::new(Some(Arc::new(handle)));
        PyClassInitializer::from(Storage { native, waits })
    }

    /// What the calls take; it stays valid as long as the result.
    pub fn native(&self) -> Result<Native, Failure> {
        lock(&self.native)
            .clone()
            .ok_or_else(|| Failure::closed("storage"))
    }

    fn number(
        &self,
        function: unsafe extern "C" fn(
            *const raft_storage,
            *mut u64,
            *mut *mut raft_error,
        ) -> raft_status,
    ) -> PyResult<u64> {
        let storage = self.native()?;
        let mut out = 0;
        // SAFETY: the storage is alive, and `out` is a place for the result.
        call(|error| unsafe { function(storage.get(), &raw mut out, error) })?;
        Ok(out)
    }
}

/// A list of views of owned bytes.
struct Views(Vec<raft_bytes>);

// SAFETY: the views are of vectors that the caller keeps, unchanged, while they are used.
unsafe impl Send for Views {}
// SAFETY: as above.
unsafe impl Sync for Views {}

impl Views {
    fn of(owned: &[Vec<u8>]) -> Views {
        let view = |bytes: &Vec<u8>| raft_bytes {
            data: bytes.as_ptr(),
            len: bytes.len(),
        };
        Views(owned.iter().map(view).collect())
    }
}

#[pymethods]
impl Storage {
    /// Whether `close` has been called.
    #[getter]
    fn closed(&self) -> bool {
        lock(&self.native).is_none()
    }

    /// Lets go of the storage; again does nothing.
    ///
    /// A durable one can be opened again once the nodes on it are closed, too.
    fn close(&self, py: Python<'_>) {
        let storage = lock(&self.native).take();
        py.detach(|| drop(storage));
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().native()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// Whether nothing has ever been written.
    fn is_fresh(&self) -> PyResult<bool> {
        let storage = self.native()?;
        let mut out = false;
        // SAFETY: the storage is alive, and `out` is a place for the result.
        call(|error| unsafe { raft_storage_is_fresh(storage.get(), &raw mut out, error) })?;
        Ok(out)
    }

    /// Writes the first state of a group's first members into a fresh storage.
    ///
    /// Every first member has to be given the same: a snapshot of `index` and `term` (both 0 or
    /// both at least 1) with these members and `data`, the state machine's first state. A member
    /// that joins later is not bootstrapped; with an index of at least 1 it gets that snapshot or
    /// a later one first, and so learns who the first members were.
    ///
    /// Raises MisuseError (not fresh), ArgumentError, StorageIOError.
    #[pyo3(
        signature = (voters, *, learners=Vec::new(), index=Number(1), term=Number(1), data=None),
        text_signature = "($self, voters, *, learners=..., index=1, term=1, data=None)"
    )]
    fn bootstrap(
        &self,
        py: Python<'_>,
        voters: Vec<Number<u64>>,
        learners: Vec<Number<u64>>,
        index: Number<u64>,
        term: Number<u64>,
        data: Option<Input<'_>>,
    ) -> PyResult<()> {
        let storage = self.native()?;
        let data = data.map(|data| data.owned()).unwrap_or_default();
        let numbers = |list: Vec<Number<u64>>| list.into_iter().map(|it| it.0).collect::<Vec<_>>();
        let (voters, learners) = (numbers(voters), numbers(learners));
        py.detach(|| {
            call(|error| {
                // SAFETY: the storage is alive, and the lists are vectors of ours.
                unsafe {
                    raft_storage_bootstrap(
                        storage.get(),
                        index.0,
                        term.0,
                        voters.as_ptr(),
                        voters.len(),
                        learners.as_ptr(),
                        learners.len(),
                        data.as_ptr(),
                        data.len(),
                        error,
                    )
                }
            })
        })?;
        Ok(())
    }

    /// Persists the hard state, the entries and the snapshot of a Ready, all or nothing.
    ///
    /// With one sync if it needs one. When this returns, the messages may be sent.
    ///
    /// Raises ArgumentError (the entries do not fit the log), SnapshotOutOfDate, StorageCorrupt,
    /// StorageIOError, Poisoned (an earlier write failed), MisuseError (not its node's last Ready).
    fn save(&self, py: Python<'_>, ready: &Bound<'_, Ready>) -> PyResult<()> {
        let storage = self.native()?;
        let pinned = ready.get().pin()?;
        let pinned = &pinned;
        let save = || {
            // SAFETY: the storage is alive, and the Ready cannot be replaced while it is pinned.
            call(|error| unsafe { raft_storage_save(storage.get(), pinned.get(), error) })
        };
        // To let go of the interpreter lock and take it again is 1,200 instructions, twice as many as it
        // takes to save a Ready in memory.
        match self.waits {
            true => py.detach(save)?,
            false => save()?,
        }
        Ok(())
    }

    /// The same from pieces: a HardState, encoded entries and an encoded snapshot.
    #[pyo3(signature = (*, hard_state=None, entries=Inputs::default(), snapshot=None, must_sync=true))]
    fn append(
        &self,
        py: Python<'_>,
        hard_state: Option<(Number<u64>, Number<u64>, Number<u64>)>,
        entries: Inputs<'_>,
        snapshot: Option<Input<'_>>,
        must_sync: bool,
    ) -> PyResult<()> {
        let storage = self.native()?;
        let hard_state = hard_state.map(|(term, vote, commit)| raft_hard_state {
            term: term.0,
            vote: vote.0,
            commit: commit.0,
        });
        let entries: Vec<_> = entries.0.iter().map(Input::owned).collect();
        let views = Views::of(&entries);
        let snapshot = snapshot
            .map(|snapshot| snapshot.owned())
            .unwrap_or_default();
        py.detach(|| {
            let Views(views) = &views;
            let hard_state = hard_state.as_ref().map_or(ptr::null(), ptr::from_ref);
            call(|error| {
                // SAFETY: the storage is alive, and all else is on this stack or a vector of ours.
                unsafe {
                    raft_storage_append(
                        storage.get(),
                        hard_state,
                        views.as_ptr(),
                        views.len(),
                        snapshot.as_ptr(),
                        snapshot.len(),
                        must_sync,
                        error,
                    )
                }
            })
        })?;
        Ok(())
    }

    /// Persists what a message of type STORAGE_APPEND asks for.
    fn append_message(&self, py: Python<'_>, message: Input<'_>) -> PyResult<()> {
        let storage = self.native()?;
        let message = message.owned();
        py.detach(|| {
            call(|error| {
                // SAFETY: the storage is alive, and the message is a vector of ours.
                unsafe {
                    raft_storage_append_message(
                        storage.get(),
                        message.as_ptr(),
                        message.len(),
                        error,
                    )
                }
            })
        })?;
        Ok(())
    }

    /// Makes earlier writes survive a power cut that did not ask for a sync by themselves.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let storage = self.native()?;
        // SAFETY: the storage is alive as long as `storage`.
        py.detach(|| call(|error| unsafe { raft_storage_sync(storage.get(), error) }))?;
        Ok(())
    }

    /// The first index of the log; one more than the last one if the log is empty.
    fn first_index(&self) -> PyResult<u64> {
        self.number(raft_storage_first_index)
    }

    /// The last index of the log; the one that it was compacted to if the log is empty.
    fn last_index(&self) -> PyResult<u64> {
        self.number(raft_storage_last_index)
    }

    /// The term of an entry in [first_index() - 1, last_index() + 1).
    ///
    /// Raises Compacted, Unavailable.
    fn term(&self, index: Number<u64>) -> PyResult<u64> {
        let storage = self.native()?;
        let mut out = 0;
        // SAFETY: the storage is alive, and `out` is a place for the result.
        call(|error| unsafe { raft_storage_term(storage.get(), index.0, &raw mut out, error) })?;
        Ok(out)
    }

    /// The last hard state that was written; all zero if none was.
    fn hard_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let storage = self.native()?;
        let mut out = raft_hard_state {
            term: 0,
            vote: 0,
            commit: 0,
        };
        // SAFETY: the storage is alive, and `out` is a place for the result.
        call(|error| unsafe { raft_storage_hard_state(storage.get(), &raw mut out, error) })?;
        parts::HARD_STATE.make(py, (out.term, out.vote, out.commit))
    }

    /// The entries [low, high): at least the first one, then as many as fit into `max_bytes`.
    ///
    /// Raises Compacted, Unavailable, ArgumentError (low > high), StorageCorrupt, StorageIOError.
    #[pyo3(signature = (low, high, max_bytes=Number(u64::MAX)))]
    fn entries(
        &self,
        py: Python<'_>,
        low: Number<u64>,
        high: Number<u64>,
        max_bytes: Number<u64>,
    ) -> PyResult<Vec<Entry>> {
        let storage = self.native()?;
        let entries: Handle<raft_entries> = py.detach(|| {
            Handle::make(raft_entries_free, |out, error| {
                // SAFETY: the storage is alive, and `out` is a place for the result.
                unsafe {
                    raft_storage_entries(storage.get(), low.0, high.0, max_bytes.0, out, error)
                }
            })
        })?;
        // SAFETY: made by the call above, and alive with its views as long as the handle.
        let entries = unsafe {
            let head = &*entries.get();
            list(head.entries, head.entries_len)
        };
        let mut copies = Vec::with_capacity(entries.len());
        for entry in entries {
            // SAFETY: as above.
            let whole = unsafe { copied(py, entry.encoded) }.unbind();
            copies.push(Entry::new(py, &whole, EntryAt::of(entry, entry.encoded)?));
        }
        Ok(copies)
    }

    /// The newest snapshot. Before the first one it has index 0 and no data.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        let storage = self.native()?;
        let snapshot = py.detach(|| {
            Handle::make(raft_snapshot_free, |out, error| {
                // SAFETY: the storage is alive, and `out` is a place for the result.
                unsafe { raft_storage_snapshot(storage.get(), out, error) }
            })
        })?;
        // SAFETY: made by the call above, and alive with its views as long as the handle.
        unsafe { Snapshot::copy(py, &*snapshot.get()) }
    }

    /// Makes `data`, the state machine's state after the entry `index`, the newest snapshot.
    ///
    /// The log stays as it is; see `compact`. `conf_state` is `ConfState.encoded` as of that
    /// entry; without it, the members are those of the last snapshot.
    ///
    /// Raises SnapshotOutOfDate, Compacted, Unavailable, MalformedMessage, StorageIOError.
    #[pyo3(signature = (index, data, conf_state=None))]
    fn create_snapshot(
        &self,
        py: Python<'_>,
        index: Number<u64>,
        data: Input<'_>,
        conf_state: Option<Input<'_>>,
    ) -> PyResult<()> {
        let storage = self.native()?;
        let data = data.owned();
        let conf_state = conf_state.map(|state| state.owned()).unwrap_or_default();
        py.detach(|| {
            call(|error| {
                // SAFETY: the storage is alive, and the bytes are vectors of ours.
                unsafe {
                    raft_storage_create_snapshot(
                        storage.get(),
                        index.0,
                        conf_state.as_ptr(),
                        conf_state.len(),
                        data.as_ptr(),
                        data.len(),
                        error,
                    )
                }
            })
        })?;
        Ok(())
    }

    /// Drops the entries below `first_index`, at most one more than the newest snapshot's index.
    ///
    /// Raises Compacted (that far already), Unavailable, MisuseError, StorageIOError.
    fn compact(&self, py: Python<'_>, first_index: Number<u64>) -> PyResult<()> {
        let storage = self.native()?;
        py.detach(|| {
            // SAFETY: the storage is alive as long as `storage`.
            call(|error| unsafe { raft_storage_compact(storage.get(), first_index.0, error) })
        })?;
        Ok(())
    }

    /// All that a node needs to know when it starts, as an encoded libraft.RestartState.
    fn restart_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let storage = self.native()?;
        let buffer = Handle::make(raft_buffer_free, |out, error| {
            // SAFETY: the storage is alive, and `out` is a place for the result.
            unsafe { raft_storage_restart_state(storage.get(), out, error) }
        })?;
        // SAFETY: the buffer is alive, and so is the view of it.
        Ok(unsafe { copied(py, raft_buffer_bytes(buffer.get())) })
    }

    /// What was found when the storage was opened.
    fn recovery_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let storage = self.native()?;
        let mut out = raft_recovery_report {
            size: size_of::<raft_recovery_report>(),
            discarded_writes: 0,
            crashed: false,
        };
        call(|error| {
            // SAFETY: the storage is alive, and `out` is as large as it says.
            unsafe { raft_storage_recovery_report(storage.get(), &raw mut out, error) }
        })?;
        parts::RECOVERY_REPORT.make(py, (out.crashed, out.discarded_writes))
    }
}

#[pymethods]
impl MemoryStorage {
    #[new]
    fn new() -> PyResult<PyClassInitializer<MemoryStorage>> {
        // SAFETY: the pointers are those that `make` passes.
        let handle = Handle::make(raft_storage_free, |out, error| unsafe {
            raft_storage_memory_new(out, error)
        })?;
        Ok(Storage::open(handle, false).add_subclass(MemoryStorage))
    }

    fn __repr__(slf: PyRef<'_, Self>) -> &'static str {
        match slf.as_super().closed() {
            true => "<MemoryStorage, closed>",
            false => "<MemoryStorage>",
        }
    }
}

#[pymethods]
impl DurableStorage {
    #[new]
    #[pyo3(signature = (path))]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<PyClassInitializer<DurableStorage>> {
        let text = CString::new(path.clone().into_os_string().into_vec())?;
        let handle = py.detach(|| {
            // SAFETY: the path ends with a zero byte, and the other pointers are `make`'s.
            Handle::make(raft_storage_free, |out, error| unsafe {
                raft_storage_open(text.as_ptr(), out, error)
            })
        })?;
        Ok(Storage::open(handle, true).add_subclass(DurableStorage { path }))
    }

    /// The directory.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn __repr__(slf: PyRef<'_, Self>) -> String {
        let closed = if slf.as_super().closed() {
            ", closed"
        } else {
            ""
        };
        format!("<DurableStorage {:?}{closed}>", slf.path)
    }
}
