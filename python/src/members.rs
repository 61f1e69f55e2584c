//! Configurations and their changes, between the library's structs and Python's records.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::bytes::{raft_buffer_bytes, raft_buffer_free};
use raft::conf_change::{
    RAFT_TRANSITION_AUTO, raft_conf_change_decode, raft_conf_change_encode, raft_conf_change_free,
    raft_conf_change_single,
};
use raft::conf_state::raft_conf_state;

use crate::call::Handle;
use crate::input::{Choice, Input, NOTHING, Number};
use crate::parts::{self, copied, list};

/// A copy of a configuration of the library.
#[derive(Clone, Debug)]
pub struct ConfStateCopy {
    /// Voters, learners, outgoing voters, next learners.
    lists: [Vec<u64>; 4],
    auto_leave: bool,
    encoded: Vec<u8>,
}

impl ConfStateCopy {
    /// Runs no Python, so that it may be made under a lock.
    ///
    /// # Safety
    /// The lists are valid.
    pub unsafe fn of(state: &raft_conf_state) -> ConfStateCopy {
        // SAFETY: the same contract.
        unsafe {
            ConfStateCopy {
                lists: [
                    list(state.voters, state.voters_len).to_vec(),
                    list(state.learners, state.learners_len).to_vec(),
                    list(state.voters_outgoing, state.voters_outgoing_len).to_vec(),
                    list(state.learners_next, state.learners_next_len).to_vec(),
                ],
                auto_leave: state.auto_leave,
                encoded: list(state.encoded.data, state.encoded.len).to_vec(),
            }
        }
    }

    /// The record that Python sees.
    pub fn record<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let [voters, learners, voters_outgoing, learners_next] = &self.lists;
        parts::CONF_STATE.make(
            py,
            (
                PyTuple::new(py, voters)?,
                PyTuple::new(py, learners)?,
                PyTuple::new(py, voters_outgoing)?,
                PyTuple::new(py, learners_next)?,
                self.auto_leave,
                PyBytes::new(py, &self.encoded),
            ),
        )
    }
}

impl<'py> FromPyObject<'_, 'py> for ConfStateCopy {
    type Error = PyErr;

    fn extract(record: Borrowed<'_, 'py, PyAny>) -> PyResult<ConfStateCopy> {
        let list = |name| record.getattr(name)?.extract::<Vec<u64>>();
        Ok(ConfStateCopy {
            lists: [
                list("voters")?,
                list("learners")?,
                list("voters_outgoing")?,
                list("learners_next")?,
            ],
            auto_leave: record.getattr("auto_leave")?.extract()?,
            encoded: record.getattr("encoded")?.extract()?,
        })
    }
}

/// Decodes the data of an entry of type CONF_CHANGE or CONF_CHANGE_V2.
///
/// Raises ArgumentError (another type), MalformedMessage.
#[pyfunction]
pub fn decode_conf_change<'py>(
    py: Python<'py>,
    entry_type: Choice,
    data: Input<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let view = data.view();
    let change = Handle::make(raft_conf_change_free, |out, error| {
        // SAFETY: the view is of `data`, under the interpreter lock.
        unsafe { raft_conf_change_decode(entry_type.0, view.data, view.len, out, error) }
    })?;
    // SAFETY: made by the call above, and alive as long as the handle.
    let change_view = unsafe { &*change.get() };
    // SAFETY: the lists live as long as the change does.
    let (steps, context) = unsafe {
        (
            list(change_view.changes, change_view.changes_len),
            copied(py, change_view.context),
        )
    };
    let steps = steps
        .iter()
        .map(|step| {
            let kind = parts::CONF_CHANGE_TYPE.member(py, step.r#type)?;
            parts::CONF_CHANGE_SINGLE.make(py, (kind, step.node_id))
        })
        .collect::<PyResult<Vec<_>>>()?;
    parts::CONF_CHANGE.make(
        py,
        (
            PyTuple::new(py, steps)?,
            parts::TRANSITION.member(py, change_view.transition)?,
            context,
            change_view.id,
        ),
    )
}

/// Encodes a change of any number of members as raftpb.ConfChangeV2.
///
/// For `RawNode.propose_conf_change_encoded` with EntryType.CONF_CHANGE_V2.
#[pyfunction]
#[pyo3(signature = (changes, transition=Choice(RAFT_TRANSITION_AUTO), context=None))]
pub fn encode_conf_change<'py>(
    py: Python<'py>,
    changes: Vec<(Choice, Number<u64>)>,
    transition: Choice,
    context: Option<Input<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let steps: Vec<_> = changes
        .into_iter()
        .map(|(kind, node_id)| raft_conf_change_single {
            r#type: kind.0,
            node_id: node_id.0,
        })
        .collect();
    let view = context.as_ref().map_or(NOTHING, Input::view);
    let buffer = Handle::make(raft_buffer_free, |out, error| {
        // SAFETY: the views are of `steps` and `context`, under the interpreter lock.
        unsafe {
            raft_conf_change_encode(
                transition.0,
                steps.as_ptr(),
                steps.len(),
                view.data,
                view.len,
                out,
                error,
            )
        }
    })?;
    // SAFETY: the buffer is alive, and so is the view of it.
    Ok(unsafe { copied(py, raft_buffer_bytes(buffer.get())) })
}
