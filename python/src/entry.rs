//! `Entry`: an entry of the log, as a part of the bytes that it came in.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::bytes::raft_bytes;
use raft::entry::raft_entry;

use crate::call::Failure;
use crate::input::Choice;
use crate::members::decode_conf_change;
use crate::parts::{self, Part, Reduced};

/// An entry of the replicated log.
///
/// Entries with the same encoding are equal. A pickled or copied one has its own bytes alone.
#[pyclass(frozen, module = "libraft")]
pub struct Entry {
    whole: Py<PyBytes>,
    at: EntryAt,
}

/// An entry, with its bytes as parts of a whole.
#[derive(Clone, Copy, Debug)]
pub struct EntryAt {
    pub term: u64,
    pub index: u64,
    pub kind: i32,
    pub data: Part,
    pub encoded: Part,
}

impl EntryAt {
    /// Where an entry of the library lies within `whole`.
    pub fn of(entry: &raft_entry, whole: raft_bytes) -> Result<EntryAt, Failure> {
        Ok(EntryAt {
            term: entry.term,
            index: entry.index,
            kind: entry.r#type,
            data: Part::of(entry.data, whole)?,
            encoded: Part::of(entry.encoded, whole)?,
        })
    }
}

impl Entry {
    /// An entry that shares the bytes of a whole.
    pub fn new(py: Python<'_>, whole: &Py<PyBytes>, at: EntryAt) -> Entry {
        Entry {
            whole: whole.clone_ref(py),
            at,
        }
    }

    /// All of `entries`, which lie in one whole.
    pub fn tuple(
        py: Python<'_>,
        whole: &Py<PyBytes>,
        entries: &[EntryAt],
    ) -> PyResult<Py<PyTuple>> {
        let entries = entries.iter().map(|at| Entry::new(py, whole, *at));
        Ok(PyTuple::new(py, entries)?.unbind())
    }

    /// What the library calls its type.
    pub fn kind(&self) -> i32 {
        self.at.kind
    }

    /// The payload, for a call.
    pub fn payload<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        self.at.data.slice(self.whole.bind(py))
    }
}

/// What an entry is pickled as: term, index, type, where the data is within what is encoded.
type EntryState<'py> = (u64, u64, i32, (usize, usize), Bound<'py, PyBytes>);

/// Makes an entry of what it was pickled as.
#[pyfunction]
#[pyo3(name = "_restore_entry")]
pub fn restore_entry(
    term: u64,
    index: u64,
    kind: i32,
    data: (usize, usize),
    encoded: Bound<'_, PyBytes>,
) -> PyResult<Entry> {
    let bytes = encoded.as_bytes();
    let at = EntryAt {
        term,
        index,
        kind,
        data: Part::restored(data, bytes)?,
        encoded: Part::all(bytes),
    };
    Ok(Entry {
        at,
        whole: encoded.unbind(),
    })
}

#[pymethods]
impl Entry {
    /// The term of the leader that created it.
    #[getter]
    fn term(&self) -> u64 {
        self.at.term
    }

    /// Its position in the log; the first one is 1.
    #[getter]
    fn index(&self) -> u64 {
        self.at.index
    }

    /// What its data means. A number that this version has no name for is a plain int.
    #[getter]
    fn r#type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parts::ENTRY_TYPE.member(py, self.at.kind)
    }

    /// The payload, as a copy.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.data.bytes(py, &self.whole)
    }

    /// The payload without a copy. It keeps the whole batch that the entry came with in memory.
    #[getter]
    fn data_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.at.data.view(py, &self.whole)
    }

    /// The whole entry as raftpb.Entry.
    #[getter]
    fn encoded<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.encoded.bytes(py, &self.whole)
    }

    /// Decodes the data of an entry of type CONF_CHANGE or CONF_CHANGE_V2.
    ///
    /// Raises ArgumentError for another type, MalformedMessage if it does not decode.
    fn conf_change<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode_conf_change(py, Choice(self.at.kind), self.data(py).extract()?)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("term", "index", "type", "data")
    }

    /// Pickles it with its own bytes alone; a copy is made of these as well.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, EntryState<'py>>> {
        let state = (
            self.at.term,
            self.at.index,
            self.at.kind,
            self.at.data.within(self.at.encoded),
            self.encoded(py),
        );
        Ok((parts::again(py, "_restore_entry")?, state))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Entry>().is_ok_and(|other| {
            let other = other.get();
            self.at.encoded.slice(self.whole.bind(py))
                == other.at.encoded.slice(other.whole.bind(py))
        })
    }

    fn __hash__(&self) -> u64 {
        self.at.index.wrapping_mul(31).wrapping_add(self.at.term)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let kind = self.r#type(py)?.repr()?;
        Ok(format!(
            "<Entry term={} index={} type={kind} data of {} bytes>",
            self.at.term,
            self.at.index,
            self.at.data.len()
        ))
    }
}
