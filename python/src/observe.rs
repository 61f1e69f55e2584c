//! A node's status, counters and events in words, and nodes as a text for Prometheus.

use pyo3::prelude::*;
use raft::bytes::{raft_buffer, raft_buffer_bytes, raft_buffer_free, raft_bytes};
use raft::error::raft_error;
use raft::event::{raft_event, raft_event_kind_name, raft_event_reason_name};
use raft::event_text::{raft_event_json, raft_event_level, raft_event_text};
use raft::node::raft_node;
use raft::observe::*;
use raft::status::raft_status;
use std::ffi::{CStr, c_char};

use crate::call::{Failure, Handle, call};
use crate::node::{NativeNode, RawNode};
use crate::parts::list;

/// A call that gives a text.
pub fn text(
    run: impl FnOnce(*mut *mut raft_buffer, *mut *mut raft_error) -> raft_status,
) -> Result<String, Failure> {
    let buffer = Handle::make(raft_buffer_free, run)?;
    // SAFETY: the buffer is alive, and so is the view of it.
    let bytes = unsafe {
        let view = raft_buffer_bytes(buffer.get());
        list(view.data, view.len)
    };
    String::from_utf8(bytes.to_vec()).map_err(|_| Failure::unexpected("a text is no UTF-8"))
}

/// A call that gives a text about a node.
pub fn text_of(
    node: &NativeNode,
    function: unsafe extern "C" fn(
        *const raft_node,
        *mut *mut raft_buffer,
        *mut *mut raft_error,
    ) -> raft_status,
) -> Result<String, Failure> {
    // SAFETY: the node is alive, and the places are there.
    text(|out, error| unsafe { function(node.handle.get(), out, error) })
}

/// Names and values.
type Labels = Vec<(String, String)>;

/// The text for Prometheus of nodes with labels; for `prometheus_text`.
#[pyfunction]
pub fn expose(nodes: Vec<(Bound<'_, RawNode>, Labels)>) -> PyResult<String> {
    let exposition = Handle::make(raft_exposition_free, |out, error| {
        // SAFETY: the places are there.
        unsafe { raft_exposition_new(out, error) }
    })?;
    for (node, labels) in &nodes {
        let native = node.get().native()?;
        let raw: Vec<raft_label> = labels
            .iter()
            .map(|(name, value)| raft_label {
                name: view(name),
                value: view(value),
            })
            .collect();
        call(|error| {
            // SAFETY: both are alive, and so are the labels and their texts.
            unsafe {
                raft_exposition_add(
                    exposition.get(),
                    native.handle.get(),
                    raw.as_ptr(),
                    raw.len(),
                    error,
                )
            }
        })?;
    }
    // SAFETY: it is alive, and the places are there.
    Ok(text(|out, error| unsafe {
        raft_exposition_text(exposition.get(), out, error)
    })?)
}

/// The level of an event (1 debug, 2 info, 3 warning), its line and its JSON; for `Event`.
#[pyfunction]
#[pyo3(signature = (r#type, reason, kind, node, term, index, from_, to))]
#[allow(
    clippy::too_many_arguments,
    reason = "these are the fields of an event"
)]
pub fn describe_event(
    r#type: i32,
    reason: &str,
    kind: &str,
    node: u64,
    term: u64,
    index: u64,
    from_: u64,
    to: u64,
) -> PyResult<(i32, String, String)> {
    let event = raft_event {
        r#type,
        reason: number(raft_event_reason_name, r#type, reason),
        kind: number(raft_event_kind_name, r#type, kind),
        node,
        term,
        index,
        from: from_,
        to,
        ..raft_event::default()
    };
    // SAFETY: the event is there.
    let level = unsafe { raft_event_level(&event) };
    // SAFETY: the event and the places are there.
    let line = text(|out, error| unsafe { raft_event_text(&event, out, error) })?;
    // SAFETY: as above.
    let json = text(|out, error| unsafe { raft_event_json(&event, out, error) })?;
    Ok((level, line, json))
}

/// The number that has this name, or one that has none.
fn number(
    function: unsafe extern "C" fn(i32, i32) -> *const c_char,
    event: i32,
    name: &str,
) -> i32 {
    /// No reason or kind has a number above this one.
    const LAST: i32 = 127;
    if name.is_empty() {
        return 0;
    }
    let of = |number| {
        // SAFETY: it takes any number, and what it returns is static.
        unsafe { CStr::from_ptr(function(event, number)) }
    };
    (0..=LAST)
        .find(|&number| of(number).to_bytes() == name.as_bytes())
        .unwrap_or(-1)
}

fn view(text: &str) -> raft_bytes {
    raft_bytes {
        data: text.as_ptr(),
        len: text.len(),
    }
}
