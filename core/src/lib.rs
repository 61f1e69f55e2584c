//! A Raft consensus core without I/O.
//!
//! It does what etcd-io/raft does, speaks its wire protocol, and can serve in one cluster with it.
//! It reads no clock, opens no file, sends nothing and starts no thread: its host does all that. The
//! same calls in the same order give the same bytes.
//!
//! # The loop of a host
//!
//! A [`Node`] is one member of one group. What has happened goes in by a method call: time by
//! [`Node::tick`], a message by [`Node::step_bytes`], a command by [`Node::propose`], the wish to
//! read by [`Node::read_index`]. What is to be done comes out in a [`Ready`]:
//!
//! ```
//! use libraft_core::{ConfState, Config, Entry, HardState, Node, RestartState};
//!
//! // A group of one, so that there is nobody to send to.
//! let state = RestartState {
//!     conf_state: ConfState::of_voters([1]),
//!     ..RestartState::default()
//! };
//! let mut node = Node::new(Config::new(1), state)?;
//! node.campaign()?;
//!
//! let (mut log, mut hard_state) = (Vec::<Entry>::new(), HardState::default());
//! let mut applied = Vec::new();
//! let mut drive = |node: &mut Node| -> libraft_core::Result<()> {
//!     while node.has_ready() {
//!         let ready = node.ready()?;
//!         // 1. Persist, here into two variables.
//!         hard_state = ready.hard_state.unwrap_or(hard_state);
//!         log.extend(ready.entries);
//!         // 2. Send `ready.messages`, each encoded with `codec::encode_message`.
//!         // 3. Apply.
//!         applied.extend(ready.committed_entries.into_iter().map(|entry| entry.data));
//!         // 4. Answer `ready.reads` and `ready.snapshot_requests`, now or later.
//!         // 5. Say that all that is done.
//!         node.advance()?;
//!     }
//!     Ok(())
//! };
//! drive(&mut node)?;
//! node.propose("hello".into())?;
//! drive(&mut node)?;
//! // A leader begins its term with an empty entry.
//! assert_eq!(applied, ["", "hello"]);
//! # Ok::<(), libraft_core::Error>(())
//! ```
//!
//! # A tour
//!
//! - The vocabulary is plain data: [`Entry`], [`HardState`], [`Snapshot`], [`ConfState`],
//!   [`Message`] with one [`Body`] for each kind. [`codec`] has its bytes, [`proto`] the protobuf
//!   types behind them.
//! - A node that starts is told of its storage in a [`RestartState`]: a few numbers and no entry.
//!   When it needs an older entry later, it asks ([`ReadRequest`], [`SnapshotRequest`]), and a late,
//!   wrong or missing answer does no harm. The crate `libraft-storage` answers for you.
//! - [`Error`] has three families. The caller can act on the first, the second means that a peer has
//!   sent nonsense, and in both cases nothing has changed. The third is the end of the node.
//! - [`Config`] has all settings, with units, ranges and defaults.
//!
//! # Storage
//!
//! What has to be on disk is in a [`Ready`]: `hard_state`, `entries`, `snapshot`. It is there before
//! `messages` leave, since they promise it to others, and synced if `must_sync` says so. New entries
//! replace what is stored from the first one's index on. The core keeps in memory what is not applied
//! yet, and a leader what a member lacks, as far as [`Config::max_cached_bytes`] allows; for older entries there is a
//! [`ReadRequest`]. A host that has compacted its log says so with [`Node::compacted`]. When it starts
//! again, [`RestartState`] is all that it says.
//!
//! # Members
//!
//! Who is a member changes by entries of the log, and takes effect when the host applies them:
//!
//! ```
//! use libraft_core::{
//!     ConfChange, ConfChangeKind, ConfChangeSingle, ConfState, Config, EntryKind, Node, RestartState, codec,
//! };
//! # let conf_state = ConfState::of_voters([1]);
//! # let mut node = Node::new(Config::new(1), RestartState { conf_state, ..RestartState::default() })?;
//! # node.campaign()?;
//! # while node.has_ready() { node.ready()?; node.advance()?; }
//!
//! // On the leader: node 2 is to receive the log, and to have no vote yet.
//! node.propose_conf_change(&ConfChange {
//!     change: ConfChangeSingle { kind: ConfChangeKind::AddLearnerNode, node_id: 2 },
//!     ..ConfChange::default()
//! })?;
//! let mut members = ConfState::default();
//! while node.has_ready() {
//!     for entry in node.ready()?.committed_entries {
//!         if entry.kind != EntryKind::Normal {
//!             // On every node: the configuration from here on, which belongs into its snapshots.
//!             members = node.apply_conf_change(&codec::conf_change_of(&entry)?)?;
//!         }
//!     }
//!     node.advance()?;
//! }
//! assert_eq!((members.voters, members.learners), (vec![1], vec![2]));
//! # Ok::<(), libraft_core::Error>(())
//! ```
//!
//! Several members change at once with [`Node::propose_conf_change_v2`], by way of a joint
//! configuration (thesis §4.3).
//!
//! # Reads
//!
//! A read that goes through no log asks for an index, and is served when that is applied:
//!
//! ```
//! # use libraft_core::{ConfState, Config, Node, RestartState};
//! # let conf_state = ConfState::of_voters([1]);
//! # let mut node = Node::new(Config::new(1), RestartState { conf_state, ..RestartState::default() })?;
//! # node.campaign()?;
//! # while node.has_ready() { node.ready()?; node.advance()?; }
//! node.read_index("read 17".into())?; // A name of the caller's, not to be used twice.
//! let mut answer = None;
//! while node.has_ready() {
//!     answer = node.ready()?.read_states.into_iter().next().or(answer);
//!     node.advance()?;
//! }
//! let answer = answer.expect("it leads, and nobody else has a say");
//! assert_eq!((&answer.context[..], answer.index), (&b"read 17"[..], 1));
//! # Ok::<(), libraft_core::Error>(())
//! ```
//!
//! # Errors
//!
//! ```
//! # use libraft_core::{ConfState, Config, DropReason, Error, Node, RestartState};
//! # let conf_state = ConfState::of_voters([1, 2, 3]);
//! # let mut node = Node::new(Config::new(1), RestartState { conf_state, ..RestartState::default() })?;
//! // What the caller can act on: here, try again later.
//! let refused = node.propose("too early".into());
//! assert_eq!(refused, Err(Error::ProposalDropped(DropReason::NoLeader)));
//! // What a peer has sent may be anything. It is refused, and nothing has changed.
//! assert!(matches!(node.step_slice(b"\xff nonsense"), Err(Error::Malformed(_))));
//! assert!(!node.has_ready());
//! # Ok::<(), libraft_core::Error>(())
//! ```
//!
//! # What is promised
//!
//! - Nothing that a peer, a disk or a caller passes in makes a call panic, and no call blocks or does any
//!   I/O. [`Error::Poisoned`] is the answer of a node that has found its own state to contradict itself:
//!   nothing but a restart from storage helps.
//! - The same calls with the same [`Config::seed`] give the same results, byte for byte. With
//!   [`Config::record_bytes`] they are written down, and [`recording`] makes them again.
//! - A node may be moved between threads. It is not shared: every call takes `&mut self`, or only looks.
//! - On the wire and in what is to be stored it is etcd-io/raft v3.7.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `serde`: [`Status`], [`Metrics`], [`Event`] and what they consist of are `serde::Serialize`. The
//!   names are those of the fields, flat (`term`, not `basic.hard_state.term`), those of enums one
//!   word in lower case ([`Role::name`]); they stay as they are from version to version.
//! - `tracing`: `libraft_core::tracing::emit` turns an [`Event`] into one of the crate `tracing`.
//!
//! # Versions
//!
//! Rust 1.90 or later; the tests run with the one that is stable. What can be named here changes as
//! Semantic Versioning has it, and is compared with a committed list by the tests; items that are not in
//! this documentation are not part of it.
//!
//! Inside, `raft/step.rs` is the place to start reading.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// What the tests in this crate share with those from outside, to whom it has this name.
#[cfg(test)]
extern crate self as libraft_core;
#[cfg(test)]
#[path = "../tests/cluster/mod.rs"]
mod cluster;

// Bugs, for tests to find; nothing, unless a test asks for them.
#[doc(hidden)]
#[macro_use]
pub mod mutants;

// The vocabulary, and its bytes.
mod boxed;
pub mod codec;
mod config;
pub mod entries;
mod error;
mod event;
mod message;
mod metrics;
mod types;

// Pure data, which cannot send. What is public here is so for the tests from outside the crate, and
// not part of its interface.
mod log;
#[doc(hidden)]
pub mod membership;
#[doc(hidden)]
pub mod quorum;
#[doc(hidden)]
pub mod tracker;

// The protocol.
mod raft;

// What hosts see of it.
mod node;
mod ready;
mod status;

// What hosts show of it to others.
mod describe;
pub mod prometheus;
#[cfg(feature = "tracing")]
pub mod tracing;

// All that was done to a node, to be done again.
pub mod recording;

/// The protobuf types, for hosts that work with them directly.
// The code is made by prost from ../proto; `make proto` does it again.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    /// What travels between nodes and into storage: package raftpb.
    pub mod raftpb {
        include!("proto/raftpb.rs");
    }
    /// What a node says to its host: package libraft.
    pub mod libraft {
        include!("proto/libraft.rs");
        /// What a recording holds: package libraft.recording.
        pub mod recording {
            include!("proto/libraft.recording.rs");
        }
    }
}

pub use config::{Config, NO_LIMIT, ReadOnlyOption};
pub use describe::{Level, Value};
pub use entries::Entries;
pub use error::{ConfChangeError, DropReason, Error, Impossible, Result};
pub use event::{
    CampaignKind, CampaignReason, CampaignRefusal, DropKind, Dropped, Event, FlowReason,
    LossReason, RefusalReason, SnapshotIgnored, StepDownReason, TransferEnd,
};
pub use message::{Body, Message, StorageAppend, Ticket};
pub use metrics::{Counter, Metrics};
pub use node::Node;
pub use ready::Ready;
pub use status::{BasicStatus, FlowState, ProgressStatus, Status};
pub use types::*;
