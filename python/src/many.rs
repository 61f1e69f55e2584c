//! `tick_all`: time for many nodes, in one call of the library.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use raft::node::{raft_node, raft_node_tick_many};
use raft::nodes::{raft_node_failure, raft_nodes_tick};
use raft::status::RAFT_ERR_MISUSE;

use crate::call::{Failure, call};
use crate::input::Number;
use crate::node::{NativeNode, RawNode};
use crate::parts;

/// From so many nodes on, the interpreter lock is released: they take about a millisecond, and a thread
/// that wants the lock back may have to wait for five.
const LONG: usize = 10_000;

/// Does for each node in turn what `tick_many` and `has_ready` do, in one call of the library.
///
/// With 0 ticks it only asks. A node that can't be ticked, as it is closed, has stopped or is busy with
/// another thread, is passed over unchanged, and told of in the result; all others have had their ticks.
/// A node that is in the list twice gets the ticks twice. Other threads run meanwhile from ten thousand
/// nodes on; below that it takes less than a millisecond.
#[pyfunction]
#[pyo3(signature = (nodes, ticks=Number(1)), text_signature = "(nodes, ticks=1)")]
pub fn tick_all<'py>(
    py: Python<'py>,
    nodes: &Bound<'py, PyAny>,
    ticks: Number<u32>,
) -> PyResult<Bound<'py, PyAny>> {
    let Number(ticks) = ticks;
    // All are looked at before any is touched. References to the nodes of the library keep them alive,
    // whatever other threads close.
    let mut natives: Vec<Arc<NativeNode>> = Vec::with_capacity(nodes.len()?);
    let mut places: Vec<u32> = Vec::with_capacity(natives.capacity());
    let mut failed: Vec<(u32, Failure)> = Vec::new();
    for (place, node) in (0..).zip(nodes.try_iter()?) {
        match node?.cast::<RawNode>()?.get().native() {
            Ok(native) => {
                natives.push(native);
                places.push(place);
            }
            Err(closed) => failed.push((place, closed)),
        }
    }
    let (ready, passed_over) = match natives.len() < LONG {
        true => tick(&natives, ticks)?,
        false => py.detach(|| tick(&natives, ticks))?,
    };
    let ready = PyList::new(py, ready.iter().map(|&at| places[at as usize]))?;
    failed.extend(passed_over.iter().map(|one| {
        let at = one.index as usize;
        (places[at], why(&natives[at], one))
    }));
    failed.sort_by_key(|(place, _)| *place);
    let failed = failed
        .into_iter()
        .map(|(place, failure)| (place, PyErr::from(failure)));
    let failed = failed.map(|(place, error)| (place, error.into_value(py)));
    parts::TICKED.make(py, (ready, PyTuple::new(py, failed.collect::<Vec<_>>())?))
}

/// The places of those with a Ready, and those that were passed over.
fn tick(
    natives: &[Arc<NativeNode>],
    ticks: u32,
) -> Result<(Vec<u32>, Vec<raft_node_failure>), Failure> {
    let nodes: Vec<*mut raft_node> = natives.iter().map(|native| native.handle.get()).collect();
    let (mut ready, mut failed) = (Vec::with_capacity(nodes.len()), Vec::new());
    failed.reserve_exact(nodes.len());
    let (mut ready_len, mut failed_len) = (0, 0);
    call(|error| {
        // SAFETY: the nodes are alive, and both lists have room for all of them.
        unsafe {
            raft_nodes_tick(
                nodes.as_ptr(),
                nodes.len(),
                ticks,
                ready.as_mut_ptr(),
                &raw mut ready_len,
                failed.as_mut_ptr(),
                &raw mut failed_len,
                error,
            )
        }
    })?;
    // SAFETY: the call has succeeded, and so it has written so many.
    unsafe {
        ready.set_len(ready_len);
        failed.set_len(failed_len);
    }
    Ok((ready, failed))
}

/// What the library says of a node that it has passed over.
fn why(native: &NativeNode, passed_over: &raft_node_failure) -> Failure {
    if passed_over.status == RAFT_ERR_MISUSE {
        return Failure::misuse(
            "two threads use the node at once: let one thread drive it, or lock",
        );
    }
    // It has stopped, and any call says why.
    let said = call(|error| {
        // SAFETY: the node is alive as long as `native`.
        unsafe { raft_node_tick_many(native.handle.get(), 0, error) }
    });
    let otherwise = || Failure::unexpected("the node was passed over");
    said.err().unwrap_or_else(otherwise)
}
