//! `Snapshot`: the state machine's state at one point of the log.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raft::bytes::raft_bytes;
use raft::snapshot::raft_snapshot;

use crate::call::Failure;
use crate::members::ConfStateCopy;
use crate::parts::{self, Part, Reduced, copied};

/// The state machine's state at one point of the log.
///
/// One of index 0 stands for the empty state before the first entry. Snapshots with the same encoding
/// are equal. A pickled or copied one has its own bytes alone.
#[pyclass(frozen, module = "libraft")]
pub struct Snapshot {
    whole: Py<PyBytes>,
    at: SnapshotAt,
}

/// A snapshot, with its bytes as parts of a whole.
#[derive(Clone, Debug)]
pub struct SnapshotAt {
    index: u64,
    term: u64,
    conf_state: ConfStateCopy,
    data: Part,
    encoded: Part,
}

impl SnapshotAt {
    /// Where a snapshot of the library lies within `whole`. Runs no Python.
    ///
    /// # Safety
    /// The snapshot's lists are valid.
    pub unsafe fn of(snapshot: &raft_snapshot, whole: raft_bytes) -> Result<SnapshotAt, Failure> {
        Ok(SnapshotAt {
            index: snapshot.index,
            term: snapshot.term,
            // SAFETY: the same contract.
            conf_state: unsafe { ConfStateCopy::of(&snapshot.conf_state) },
            data: Part::of(snapshot.data, whole)?,
            encoded: Part::of(snapshot.encoded, whole)?,
        })
    }
}

impl Snapshot {
    /// A snapshot that shares the bytes of a whole.
    pub fn new(py: Python<'_>, whole: &Py<PyBytes>, at: &SnapshotAt) -> Snapshot {
        Snapshot {
            whole: whole.clone_ref(py),
            at: at.clone(),
        }
    }

    /// A copy of a snapshot of the library.
    ///
    /// # Safety
    /// The snapshot's views are valid.
    pub unsafe fn copy(py: Python<'_>, snapshot: &raft_snapshot) -> PyResult<Snapshot> {
        // SAFETY: the same contract.
        unsafe {
            Ok(Snapshot {
                at: SnapshotAt::of(snapshot, snapshot.encoded)?,
                whole: copied(py, snapshot.encoded).unbind(),
            })
        }
    }
}

/// What a snapshot is pickled as: index, term, members, where the data is within what is encoded; that.
type SnapshotState<'py> = (
    u64,
    u64,
    Bound<'py, PyAny>,
    (usize, usize),
    Bound<'py, PyBytes>,
);

/// Makes a snapshot of what it was pickled as.
#[pyfunction]
#[pyo3(name = "_restore_snapshot")]
pub fn restore_snapshot(
    index: u64,
    term: u64,
    conf_state: ConfStateCopy,
    data: (usize, usize),
    encoded: Bound<'_, PyBytes>,
) -> PyResult<Snapshot> {
    let bytes = encoded.as_bytes();
    let at = SnapshotAt {
        index,
        term,
        conf_state,
        data: Part::restored(data, bytes)?,
        encoded: Part::all(bytes),
    };
    Ok(Snapshot {
        at,
        whole: encoded.unbind(),
    })
}

#[pymethods]
impl Snapshot {
    /// The last entry that it includes.
    #[getter]
    fn index(&self) -> u64 {
        self.at.index
    }

    /// The term of that entry.
    #[getter]
    fn term(&self) -> u64 {
        self.at.term
    }

    /// The members as of that entry.
    #[getter]
    fn conf_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.at.conf_state.record(py)
    }

    /// The state machine's own data, as a copy.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.data.bytes(py, &self.whole)
    }

    /// The same without a copy. It keeps the whole batch that the snapshot came with in memory.
    #[getter]
    fn data_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.at.data.view(py, &self.whole)
    }

    /// The whole as raftpb.Snapshot.
    #[getter]
    fn encoded<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.encoded.bytes(py, &self.whole)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("index", "term", "data")
    }

    /// Pickles it with its own bytes alone; a copy is made of these as well.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, SnapshotState<'py>>> {
        let state = (
            self.at.index,
            self.at.term,
            self.conf_state(py)?,
            self.at.data.within(self.at.encoded),
            self.encoded(py),
        );
        Ok((parts::again(py, "_restore_snapshot")?, state))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Snapshot>().is_ok_and(|other| {
            let other = other.get();
            self.at.encoded.slice(self.whole.bind(py))
                == other.at.encoded.slice(other.whole.bind(py))
        })
    }

    fn __hash__(&self) -> u64 {
        self.at.index.wrapping_mul(31).wrapping_add(self.at.term)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Snapshot index={} term={} data of {} bytes>",
            self.at.index,
            self.at.term,
            self.at.data.len()
        )
    }
}
