//! `replay`: makes the calls of a recording again.

use std::mem::MaybeUninit;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::bytes::{raft_buffer_bytes, raft_buffer_free};
use raft::recording::{raft_replay, raft_replay_report};

use crate::call::{Failure, Handle};
use crate::input::{Input, Number};
use crate::parts;

/// Makes all calls of a recording once more, on a node of its own.
///
/// Keeps the Readys if they take no more than `max_bytes` in all; with 0 it keeps none. A replay that
/// does not do the same is no error: Replay.differs_at tells.
///
/// Raises RecordingError, ArgumentError (more than max_bytes), LibraryPanic (a call panics, as it may
/// have done when it was recorded).
#[pyfunction]
#[pyo3(signature = (recording, max_bytes=Number(u64::MAX)))]
pub fn replay<'py>(
    py: Python<'py>,
    recording: Input<'py>,
    max_bytes: Number<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut report = MaybeUninit::<raft_replay_report>::zeroed();
    let place = report.as_mut_ptr();
    // SAFETY: zeroes are a report, and the place is ours.
    unsafe { (*place).size = size_of::<raft_replay_report>() };
    let view = recording.view();
    let framed = Handle::make(raft_buffer_free, |out, error| {
        // SAFETY: the view is of `recording`, under the interpreter lock, and the report has its size.
        unsafe { raft_replay(view.data, view.len, max_bytes.0, out, place, error) }
    })?;
    // SAFETY: zeroes are a report already, and the call has written one.
    let report = unsafe { report.assume_init() };
    // SAFETY: the buffer is alive, and so is the view of it.
    let mut rest: &[u8] = unsafe {
        let view = raft_buffer_bytes(framed.get());
        parts::list(view.data, view.len)
    };
    let mut readys = Vec::new();
    while !rest.is_empty() {
        let len = prost::encoding::decode_varint(&mut rest).ok();
        let len = len.and_then(|len| usize::try_from(len).ok());
        let Some((ready, others)) = len.and_then(|len| rest.split_at_checked(len)) else {
            return Err(Failure::unexpected("Readys without their lengths").into());
        };
        readys.push(PyBytes::new(py, ready));
        rest = others;
    }
    let end = parts::RECORDING_STATE.member(py, report.end)?;
    parts::REPLAY.make(
        py,
        (
            report.calls,
            report.readys,
            report.differs_at,
            report.recorded_status,
            report.replayed_status,
            end,
            PyTuple::new(py, readys)?,
        ),
    )
}
