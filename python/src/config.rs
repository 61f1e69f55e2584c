//! The settings of a node, from the dataclass `libraft.Config`.

use std::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use raft::config::*;
use raft::error::raft_error;
use raft::node::{raft_node_free, raft_node_restart};
use raft::status::raft_status;

use crate::call::{Failure, Handle, call};
use crate::input::{Input, Number, Unsigned};
use crate::parts;

/// A `raft_config` with the settings of a `libraft.Config`.
pub fn native(config: &Bound<'_, PyAny>) -> PyResult<Handle<raft_config>> {
    let class = parts::CONFIG.get(config.py())?;
    if !config.is_instance(class)? {
        let given = config.get_type();
        return Err(PyTypeError::new_err(format!(
            "a libraft.Config is needed, not {given}"
        )));
    }
    let id = number(config, "id")?;
    // SAFETY: the pointers are those that `make` passes.
    let native = Handle::make(raft_config_free, |out, error| unsafe {
        raft_config_new(id, out, error)
    })?;
    let setter = Setter {
        config,
        native: &native,
    };
    setter.number("election_ticks", raft_config_set_election_ticks)?;
    setter.number("min_election_ticks", raft_config_set_min_election_ticks)?;
    setter.number("max_election_ticks", raft_config_set_max_election_ticks)?;
    setter.set("priority", raft_config_set_priority)?;
    setter.number(
        "max_apply_unpersisted_entries",
        raft_config_set_max_apply_unpersisted_entries,
    )?;
    setter.number("heartbeat_ticks", raft_config_set_heartbeat_ticks)?;
    if !config.getattr("seed")?.is_none() {
        setter.number("seed", raft_config_set_seed)?;
    }
    setter.set("pre_vote", raft_config_set_pre_vote)?;
    setter.set("check_quorum", raft_config_set_check_quorum)?;
    setter.set("read_only", raft_config_set_read_only)?;
    setter.number("max_size_per_msg", raft_config_set_max_size_per_msg)?;
    setter.number(
        "max_committed_size_per_ready",
        raft_config_set_max_committed_size_per_ready,
    )?;
    setter.number(
        "max_uncommitted_bytes",
        raft_config_set_max_uncommitted_bytes,
    )?;
    setter.number("max_inflight_msgs", raft_config_set_max_inflight_msgs)?;
    setter.number("max_inflight_bytes", raft_config_set_max_inflight_bytes)?;
    setter.number("max_cached_bytes", raft_config_set_max_cached_bytes)?;
    setter.number("max_pending_reads", raft_config_set_max_pending_reads)?;
    setter.set("coalesce_appends", raft_config_set_coalesce_appends)?;
    setter.set("async_storage_writes", raft_config_set_async_storage_writes)?;
    setter.set(
        "disable_proposal_forwarding",
        raft_config_set_disable_proposal_forwarding,
    )?;
    setter.set(
        "disable_conf_change_validation",
        raft_config_set_disable_conf_change_validation,
    )?;
    setter.set("step_down_on_removal", raft_config_set_step_down_on_removal)?;
    setter.set("peer_reports", raft_config_set_peer_reports)?;
    setter.number("record_bytes", raft_config_set_record_bytes)?;
    setter.set("show_requests", raft_config_set_show_requests)?;
    let applied = config.getattr("applied")?;
    if !applied.is_none() {
        let applied = number(config, "applied")?;
        let conf_state = config.getattr("applied_conf_state")?;
        let conf_state: Result<Input<'_>, _> = conf_state.extract();
        let conf_state =
            conf_state.map_err(|error| named(config.py(), "applied_conf_state", error))?;
        let view = conf_state.view();
        // SAFETY: the configuration is alive, and the view is of `conf_state`.
        call(|error| unsafe {
            raft_config_set_applied(native.get(), applied, view.data, view.len, error)
        })?;
    }
    Ok(native)
}

/// A function of the library that sets one value.
type Set<T> = unsafe extern "C" fn(*mut raft_config, T, *mut *mut raft_error) -> raft_status;

struct Setter<'a, 'py> {
    config: &'a Bound<'py, PyAny>,
    native: &'a Handle<raft_config>,
}

impl Setter<'_, '_> {
    /// Passes on the attribute of this name.
    fn set<T>(&self, name: &str, set: Set<T>) -> PyResult<()>
    where
        T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
    {
        let value = self.config.getattr(name)?.extract();
        let value = value.map_err(|error| named(self.config.py(), name, error))?;
        self.pass(set, value)
    }

    /// The same for a number that has no sign.
    fn number<T: Unsigned>(&self, name: &str, set: Set<T>) -> PyResult<()> {
        self.pass(set, number(self.config, name)?)
    }

    fn pass<T>(&self, set: Set<T>, value: T) -> PyResult<()> {
        // SAFETY: the configuration is alive as long as `native`.
        call(|error| unsafe { set(self.native.get(), value, error) })?;
        Ok(())
    }
}

/// A setting that is a number.
fn number<T: Unsigned>(config: &Bound<'_, PyAny>, name: &str) -> PyResult<T> {
    let value = config.getattr(name)?.extract();
    let Number(value) = value.map_err(|error| named(config.py(), name, error))?;
    Ok(value)
}

/// The same exception, saying which setting it is about.
fn named(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    PyErr::from_type(
        error.get_type(py),
        format!("Config.{name}: {}", error.value(py)),
    )
}

/// Raises what making a node with this configuration would raise because of it.
#[pyfunction]
pub fn check_config(config: &Bound<'_, PyAny>) -> PyResult<()> {
    let native = native(config)?;
    // The library checks the values when it makes a node; this one is empty, and let go at once.
    let made: Result<_, Failure> = Handle::make(raft_node_free, |out, error| {
        // SAFETY: the configuration is alive; an empty state is NULL with length 0.
        unsafe { raft_node_restart(native.get(), ptr::null(), 0, out, error) }
    });
    made?;
    Ok(())
}
