//! The extension module `libraft._libraft`: the C interface of libraft as Python classes.
//!
//! Every operation goes through the `raft_*` functions of `libraft-ffi`, as a C program's would,
//! so that this binding tests the interface. There is one file for each kind of object; `call`
//! turns codes into exceptions, `input` and `parts` carry bytes in and out.
//!
//! The interpreter lock is kept for calls that take microseconds and released for those that may
//! wait for a disk. Deliberately absent: threads, policy, and enumerations or records, which
//! `libraft._types` and `libraft._errors` define in Python.
#![deny(missing_docs)]

mod call;
mod input;
mod parts;

mod config;
mod entry;
mod message;
mod snapshot;

mod many;
mod members;
mod node;
mod observe;
mod ready;
mod recording;
mod storage;

use pyo3::prelude::*;

/// What `libraft` is made of; programs import that instead.
// Every object is frozen, with what changes behind a lock or in the library, which turns the second of two
// threads away; bytes that others may write to are copied first (`input`). So an interpreter without its
// lock needs none for us.
#[pymodule(gil_used = false)]
fn _libraft(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", call::version())?;
    module.add("ABI_VERSION", call::abi_version())?;
    module.add_class::<entry::Entry>()?;
    module.add_class::<message::Message>()?;
    module.add_class::<snapshot::Snapshot>()?;
    module.add_class::<ready::Ready>()?;
    module.add_class::<storage::Storage>()?;
    module.add_class::<storage::MemoryStorage>()?;
    module.add_class::<storage::DurableStorage>()?;
    module.add_class::<node::RawNode>()?;
    // By which values are unpickled; not a part of what the module exports.
    module.setattr(
        "_restore_entry",
        wrap_pyfunction!(entry::restore_entry, module)?,
    )?;
    module.setattr(
        "_restore_message",
        wrap_pyfunction!(message::restore_message, module)?,
    )?;
    module.setattr(
        "_restore_snapshot",
        wrap_pyfunction!(snapshot::restore_snapshot, module)?,
    )?;
    module.add_function(wrap_pyfunction!(config::check_config, module)?)?;
    module.add_function(wrap_pyfunction!(many::tick_all, module)?)?;
    module.add_function(wrap_pyfunction!(members::decode_conf_change, module)?)?;
    module.add_function(wrap_pyfunction!(members::encode_conf_change, module)?)?;
    module.add_function(wrap_pyfunction!(observe::describe_event, module)?)?;
    module.add_function(wrap_pyfunction!(observe::expose, module)?)?;
    module.add_function(wrap_pyfunction!(recording::replay, module)?)?;
    Ok(())
}
