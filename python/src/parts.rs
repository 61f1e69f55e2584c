//! Bytes and values that go out: parts of a `bytes` object, and the records and enumerations that
//! `libraft._types` defines.

use std::ffi::c_int;

use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyMemoryView};
use raft::bytes::raft_bytes;

use crate::call::Failure;

/// A part of a `bytes` object: [start, start + len).
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    start: usize,
    len: usize,
}

impl Part {
    /// Where a view lies within the bytes that it is a part of. An empty one lies anywhere.
    pub fn of(view: raft_bytes, whole: raft_bytes) -> Result<Part, Failure> {
        let outside = || Failure::unexpected("a view lies outside of its buffer");
        if view.len == 0 {
            return Ok(Part::default());
        }
        let start = view.data.addr().checked_sub(whole.data.addr());
        let start = start.ok_or_else(outside)?;
        match start.checked_add(view.len) {
            Some(end) if end <= whole.len => Ok(Part {
                start,
                len: view.len,
            }),
            _ => Err(outside()),
        }
    }

    /// The part as a new `bytes` object, or the whole itself if that is what it is.
    pub fn bytes<'py>(self, py: Python<'py>, whole: &Py<PyBytes>) -> Bound<'py, PyBytes> {
        let whole = whole.bind(py);
        match self.start == 0 && self.len == whole.as_bytes().len() {
            true => whole.clone(),
            false => PyBytes::new(py, self.slice(whole)),
        }
    }

    /// The part as a view, which keeps the whole alive and copies nothing.
    pub fn view<'py>(self, py: Python<'py>, whole: &Py<PyBytes>) -> PyResult<Bound<'py, PyAny>> {
        let whole = whole.clone_ref(py);
        let shared = Bound::new(py, Shared { whole, part: self })?;
        Ok(PyMemoryView::from(&shared)?.into_any())
    }

    /// The part that is `[start, end)` of `whole`, as [`Part::within`] has said; also what a stranger says.
    pub fn restored((start, end): (usize, usize), whole: &[u8]) -> PyResult<Part> {
        match start <= end && end <= whole.len() {
            true => Ok(Part {
                start,
                len: end - start,
            }),
            false => Err(PyValueError::new_err(
                "the data is not a part of what is encoded",
            )),
        }
    }

    /// Where it lies within another part, of which it is one: `[start, end)`.
    pub fn within(self, whole: Part) -> (usize, usize) {
        // An empty part lies anywhere.
        let start = self.start.saturating_sub(whole.start).min(whole.len);
        (start, start + self.len)
    }

    /// All of these bytes.
    pub fn all(whole: &[u8]) -> Part {
        Part {
            start: 0,
            len: whole.len(),
        }
    }

    /// How many bytes there are.
    pub fn len(self) -> usize {
        self.len
    }

    /// The part of a borrowed whole.
    pub fn slice<'a>(self, whole: &'a Bound<'_, PyBytes>) -> &'a [u8] {
        &whole.as_bytes()[self.start..self.start + self.len]
    }
}

/// What stands behind a view of a part: it lends its bytes, and nothing else. A slice of a view of the
/// whole would be 2,000 instructions more.
#[pyclass(frozen, module = "libraft")]
struct Shared {
    whole: Py<PyBytes>,
    part: Part,
}

#[pymethods]
impl Shared {
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().part.slice(slf.get().whole.bind(slf.py()));
        let (data, len) = (bytes.as_ptr().cast_mut(), bytes.len() as isize);
        let readonly = 1;
        // SAFETY: Python passes a place for the view. The bytes never change, and live as long as this
        // object, which the view refers to.
        let failed = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data.cast(), len, readonly, flags) != 0
        };
        match failed {
            true => Err(PyErr::fetch(slf.py())),
            false => Ok(()),
        }
    }
}

/// A copy of a view as a `bytes` object.
///
/// # Safety
/// The view is valid.
pub unsafe fn copied<'py>(py: Python<'py>, view: raft_bytes) -> Bound<'py, PyBytes> {
    // SAFETY: the same contract.
    PyBytes::new(py, unsafe { list(view.data, view.len) })
}

/// A list that the library lends: NULL stands for an empty one.
///
/// # Safety
/// Unless `len` is 0, `data` points to `len` elements that live as long as the slice is used.
pub unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    match len {
        0 => &[],
        // SAFETY: by this function's contract.
        _ => unsafe { std::slice::from_raw_parts(data, len) },
    }
}

/// What `__reduce__` gives: a function, and the arguments with which it makes the object again.
pub type Reduced<'py, T> = (Bound<'py, PyAny>, T);

/// A function of this module, by which something is unpickled.
pub fn again<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("libraft._libraft")?.getattr(name)
}

/// A record class or an enumeration of `libraft._types`, looked up once.
pub struct Class {
    name: &'static str,
    class: PyOnceLock<Py<PyAny>>,
    members: PyOnceLock<Py<PyDict>>,
}

impl Class {
    const fn named(name: &'static str) -> Class {
        Class {
            name,
            class: PyOnceLock::new(),
            members: PyOnceLock::new(),
        }
    }

    /// The class itself.
    pub fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        self.class.import(py, "libraft._types", self.name)
    }

    /// Makes a record.
    pub fn make<'py>(
        &self,
        py: Python<'py>,
        fields: impl PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.get(py)?.call1(fields)
    }

    /// The member of an enumeration, or the bare number if it has none for it: later versions of
    /// the library may have more.
    pub fn member<'py>(&self, py: Python<'py>, number: i32) -> PyResult<Bound<'py, PyAny>> {
        let members = self
            .members
            .get_or_try_init(py, || -> PyResult<Py<PyDict>> {
                let members = self.get(py)?.getattr("_value2member_map_")?;
                Ok(members.cast_into::<PyDict>()?.unbind())
            })?;
        match members.bind(py).get_item(number)? {
            Some(member) => Ok(member),
            None => Ok(number.into_pyobject(py)?.into_any()),
        }
    }
}

pub static CONF_CHANGE: Class = Class::named("ConfChange");
pub static CONF_CHANGE_SINGLE: Class = Class::named("ConfChangeSingle");
pub static CONF_CHANGE_TYPE: Class = Class::named("ConfChangeType");
pub static CONFIG: Class = Class::named("Config");
pub static CONF_STATE: Class = Class::named("ConfState");
pub static DROP_KIND: Class = Class::named("DropKind");
pub static DROP_REASON: Class = Class::named("DropReason");
pub static DROPPED: Class = Class::named("DroppedRequest");
pub static EVENT: Class = Class::named("Event");
pub static EVENT_TYPE: Class = Class::named("EventType");
pub static ENTRY_TYPE: Class = Class::named("EntryType");
pub static FLOW_STATE: Class = Class::named("FlowState");
pub static HARD_STATE: Class = Class::named("HardState");
pub static MESSAGE_TYPE: Class = Class::named("MessageType");
pub static METRICS: Class = Class::named("Metrics");
pub static PROGRESS: Class = Class::named("Progress");
pub static READ_REQUEST: Class = Class::named("ReadRequest");
pub static READ_STATE: Class = Class::named("ReadState");
pub static RECORDING_STATE: Class = Class::named("RecordingState");
pub static RECOVERY_REPORT: Class = Class::named("RecoveryReport");
pub static REPLAY: Class = Class::named("Replay");
pub static ROLE: Class = Class::named("Role");
pub static SNAPSHOT_REQUEST: Class = Class::named("SnapshotRequest");
pub static SOFT_STATE: Class = Class::named("SoftState");
pub static STATUS: Class = Class::named("Status");
pub static TICKED: Class = Class::named("Ticked");
pub static TRANSITION: Class = Class::named("Transition");
