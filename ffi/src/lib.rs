//! The C interface of libraft: what `include/libraft.h` declares.
//!
//! There is one file for each C type, several for a node's functions, and `export` holds the one macro that declares every
//! function: it checks the pointers, catches panics and turns failures into codes, so that no
//! function can lack that. The header is made from these sources by `tests/header.rs`; the
//! comment on each item is the contract that C programmers read.
//!
//! Deliberately absent: callbacks, global or thread-local state, threads, and decisions. What a
//! function does beyond translation is in `source` (a node that reads from its own storage) and
//! [`ready`] (the views of a Ready, nearly always into one encoded buffer).
#![allow(
    non_camel_case_types,
    reason = "the C names are the names of these types"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the whole contract of each function is in its documentation and in the header's opening comment"
)]

#[cfg(libraft_mutants)]
compile_error!("mutants are for the simulation alone");

#[macro_use]
mod export;
mod exclusive;
mod sized;
mod source;

pub mod version;

pub mod bytes;
pub mod error;
pub mod status;

pub mod conf_change;
pub mod conf_state;
pub mod config;
pub mod entry;
pub mod event;
pub mod event_text;
pub mod message;
pub mod metrics;
pub mod node_status;
pub mod ready;
pub mod requests;
pub mod snapshot;

// In the header's order, which blank lines keep.
pub mod node;

pub mod node_time;

pub mod node_propose;

pub mod node_step;
pub mod node_work;

pub mod node_settings;

pub mod node_report;

pub mod node_answer;
pub mod node_look;
pub mod nodes;
pub mod observe;
pub mod recording;
pub mod storage;

#[cfg(test)]
mod tests;
