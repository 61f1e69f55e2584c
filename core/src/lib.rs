//! A Raft consensus core.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod codec;
mod config;
mod error;
mod message;
mod types;

mod log;
mod membership;
mod quorum;
mod raft;
mod tracker;

mod node;
mod ready;
mod status;

/// The protobuf types, for hosts that work with them directly.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    /// What travels between nodes and into storage: package raftpb.
    pub mod raftpb {
        include!(concat!(env!("OUT_DIR"), "/raftpb.rs"));
    }
    /// What a node says to its host: package libraft.
    pub mod libraft {
        include!(concat!(env!("OUT_DIR"), "/libraft.rs"));
    }
}

pub use config::{Config, NO_LIMIT, ReadOnlyOption};
pub use error::{ConfChangeError, DropReason, Error, Impossible, Result};
pub use message::{Body, Message};
pub use node::Node;
pub use ready::Ready;
pub use status::{BasicStatus, FlowState, ProgressStatus, Status};
pub use types::*;
