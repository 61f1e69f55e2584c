//! Whole clusters of libraft-core in one thread, each from one seed, under every fault, with every
//! check after every event.
//!
//! Reading order: a [`plan`] is what a seed switches on. The [`driver`] plays by it, with the
//! [`trouble`] that it makes, and does to the [`world`] one [`action`] after the other. The world
//! has [`host`]s, whose [`handling`] of a Ready is theirs alone, their [`disk`]s, and the messages
//! between them, [`flights`]. After each action come the [`check`]s; at the end comes the
//! [`healing`]. What fails is made short by [`shrink`] and drawn by [`diagram`]. Whether all that finds
//! anything is seen with [`mutants`].

// What is public is so for the program beside this and for the fuzzers, and all of it is described
// where it is.
#![allow(missing_docs)]

pub mod action;
pub mod answers;
pub mod applying;
pub mod arguments;
pub mod calls;
pub mod check;
pub mod delivery;
pub mod diagram;
pub mod disk;
pub mod driver;
pub mod flights;
pub mod handling;
pub mod healing;
pub mod host;
#[cfg(test)]
mod known_tests;
pub mod learning;
pub mod mix;
#[cfg_attr(not(libraft_mutants), path = "no_mutants.rs")]
pub mod mutants;
pub mod network;
pub mod plan;
pub mod recordings;
pub mod report;
pub mod run;
pub mod setting;
pub mod shrink;
pub mod tally;
pub mod themes;
pub mod trace;
pub mod trouble;
pub mod wheel;
pub mod world;
