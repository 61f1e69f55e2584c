//! Storage for hosts of a [`libraft_core::Node`] that do not want to write their own.
//!
//! Both storages keep a node's hard state, its log and its snapshot behind one trait,
//! [`Storage`]:
//!
//! - [`MemoryStorage`] forgets everything when the process ends; it is for tests, and for
//!   hosts that only look for a place to start.
//! - [`DurableStorage`] is a directory on disk.
//!
//! A host's loop saves each [`Ready`](libraft_core::Ready) before it sends the messages in it:
//!
//! ```
//! use libraft_core::{ConfState, HardState, Ready};
//! use libraft_storage::{DurableStorage, Storage};
//!
//! # fn main() -> libraft_storage::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("raft");
//! let storage = DurableStorage::open(&path)?;
//! if storage.is_fresh() {
//!     // Every first member of a cluster begins with the same configuration.
//!     storage.bootstrap_members(ConfState::of_voters([1, 2, 3]))?;
//! }
//! let restart = storage.restart_state(); // for Node::new
//! assert_eq!(restart.conf_state.voters, [1, 2, 3]);
//!
//! let ready = Ready {
//!     hard_state: Some(HardState { term: 1, vote: 1, commit: 0 }),
//!     must_sync: true,
//!     ..Ready::default()
//! }; // from Node::ready
//! storage.save(&ready)?; // and now the messages may go out
//! # Ok(())
//! # }
//! ```
//!
//! Neither storage knows the protocol: what they check is that the log has no gaps. They are
//! shared between threads by reference, and a read never waits for a sync.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod durable;
mod error;
mod memory;
mod shared;
mod state;
mod storage;

pub use durable::{DurableStorage, RecoveryReport};
pub use error::{Error, Result};
pub use memory::MemoryStorage;
pub use storage::{Storage, Update};
