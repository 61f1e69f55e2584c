//! A node's status and counters as JSON, and those of many nodes as one text for Prometheus.
//!
//! Names, words and formats are the core's; what is here hands them out.

use std::sync::{Mutex, MutexGuard};

use libraft_core::prometheus::Exposition;

use crate::bytes::{raft_buffer, raft_bytes, slice};
use crate::error::{Failure, raft_error};
use crate::node::raft_node;
use crate::status::RAFT_ERR_PANIC;

/// A label of Prometheus: what tells a node's numbers from those of others. Both are UTF-8.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_label {
    /// Its name: letters, digits and _, of which no digit is the first and no two _ are. "node",
    /// "peer", "role" and "state" are the library's own.
    pub name: raft_bytes,
    /// Its value, which may be any text.
    pub value: raft_bytes,
}

/// What nodes say about themselves, collected to be written as one text for Prometheus: there,
/// what is said about a metric may stand only once in a text, so that those of several nodes can't
/// just be put together. See raft_exposition_new().
#[derive(Debug)]
pub struct raft_exposition(Mutex<Exposition>);

export! {
    /// All that the node says about itself, as a JSON object in UTF-8: the fields of raft_node_status
    /// under their own names ("role" is "follower", "candidate", "leader" or "pre_candidate");
    /// "conf_state", an object with the lists "voters", "learners", "voters_outgoing" and
    /// "learners_next", and "auto_leave"; and "progress", a list with the fields of raft_progress for
    /// each member ("state" is "probe", "replicate" or "snapshot"), empty unless the node leads. The
    /// names stay the same in later versions; there may be more.
    ///
    /// Ids, terms and indexes are JSON numbers up to 2^64 - 1. A reader that takes numbers for
    /// floating-point ones, as JavaScript does, rounds those above 2^53.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_status_json(
        node: *const raft_node,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.status()))?;
        out.put(raft_buffer::give(json(&status)?))
    }
}

export! {
    /// The node's counters as a JSON object: the fields of raft_metrics under their own names. The
    /// names stay the same in later versions; there may be more. For numbers above 2^53, see
    /// raft_node_status_json().
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_metrics_json(
        node: *const raft_node,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let metrics = node.with(|inner| Ok(inner.node.metrics()))?;
        out.put(raft_buffer::give(json(&metrics)?))
    }
}

export! {
    /// What one node says about itself, as a text for Prometheus (exposition format 0.0.4, to be
    /// served as "text/plain; version=0.0.4; charset=utf-8"): its counters, as libraft_..._total,
    /// and what its status says, as gauges. Each sample has the label "node", the node's id, and the
    /// given ones; those of members have "peer" as well. The names stay the same in later versions;
    /// there may be more.
    ///
    /// Of several nodes in one process, raft_exposition_new() makes one text.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, a label; the
    /// message says which, and what to do).
    ///
    /// Memory: `labels` are borrowed for the call. `out` belongs to the caller, who frees it with
    /// raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_prometheus(
        node: *const raft_node,
        labels: *const raft_label,
        labels_len: usize,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let mut exposition = Exposition::default();
        // SAFETY: the caller vouches for `labels[..labels_len]`.
        let labels = unsafe { slice(labels, labels_len, "labels") }?;
        // SAFETY: and for the texts.
        unsafe { add(&mut exposition, node, labels) }?;
        out.put(raft_buffer::give(exposition.to_string().into_bytes()))
    }
}

export! {
    /// An exposition without nodes. For each scrape: make one, add the nodes with
    /// raft_exposition_add(), take the text with raft_exposition_text(), and free it with
    /// raft_exposition_free().
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_exposition_free().
    ///
    /// Threads: Any.
    try fn raft_exposition_new(
        out: *mut *mut raft_exposition,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(Box::into_raw(Box::new(raft_exposition(Mutex::default()))))
    }
}

export! {
    /// Adds what a node says about itself at this moment, with these labels besides "node", its id.
    ///
    /// Two nodes with the same id, of two groups, need labels that tell them apart.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, a label, or
    /// the node is there already; the message says what to do).
    ///
    /// Memory: `labels` are borrowed for the call, and nothing of the node is kept.
    ///
    /// Threads: Any on the exposition, one at a time on the node.
    try fn raft_exposition_add(
        exposition: *mut raft_exposition,
        node: *const raft_node,
        labels: *const raft_label,
        labels_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `labels[..labels_len]`.
        let labels = unsafe { slice(labels, labels_len, "labels") }?;
        // SAFETY: and for the texts.
        unsafe { add(&mut *exposition.lock()?, node, labels) }
    }
}

export! {
    /// The text for Prometheus of all nodes that were added, as raft_node_prometheus() has it for one;
    /// empty without nodes.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: Any.
    try fn raft_exposition_text(
        exposition: *const raft_exposition,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let text = exposition.lock()?.to_string();
        out.put(raft_buffer::give(text.into_bytes()))
    }
}

export! {
    /// Frees an exposition. NULL is ignored.
    ///
    /// Memory: `exposition` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_exposition_free(exposition: *mut raft_exposition) {
        if !exposition.is_null() {
            // SAFETY: made by `raft_exposition_new`, and freed once: so asks the contract.
            drop(unsafe { Box::from_raw(exposition) });
        }
    }
}

impl raft_exposition {
    fn lock(&self) -> Result<MutexGuard<'_, Exposition>, Failure> {
        self.0.lock().map_err(|_| {
            Failure::new(
                RAFT_ERR_PANIC,
                "the library panicked while it used this exposition: make another one",
            )
        })
    }
}

/// Takes in a node.
///
/// # Safety
/// Each view of a label points to as many bytes as it says.
unsafe fn add(
    exposition: &mut Exposition,
    node: &raft_node,
    labels: &[raft_label],
) -> Result<(), Failure> {
    let labels = labels
        .iter()
        .map(|label| {
            // SAFETY: by this function's contract.
            let name = unsafe { text(label.name, "the name of a label") }?;
            // SAFETY: as above.
            let value = unsafe { text(label.value, "the value of a label") }?;
            Ok((name, value))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let (status, metrics) = node.with(|inner| Ok((inner.node.status(), inner.node.metrics())))?;
    exposition
        .add(&labels, status, metrics)
        .map_err(|error| Failure::argument(error.to_string()))
}

/// # Safety
/// The view points to as many bytes as it says.
unsafe fn text<'a>(view: raft_bytes, name: &str) -> Result<&'a str, Failure> {
    // SAFETY: the same contract.
    let bytes = unsafe { slice(view.data, view.len, name) }?;
    std::str::from_utf8(bytes).map_err(|error| {
        Failure::argument(format!("{name} is no UTF-8 ({error}): encode it as UTF-8"))
    })
}

/// What the core says, as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    // Numbers and texts under fixed names: there is nothing in it that has no JSON.
    serde_json::to_vec(value).map_err(|error| {
        Failure::new(
            RAFT_ERR_PANIC,
            format!("no JSON can be made of it: {error}"),
        )
    })
}
