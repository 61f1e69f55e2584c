//! What can go wrong in a storage, by what the caller can do about it.

use std::{io, path::PathBuf};

use libraft_core::Index;

/// Why a call on a [`crate::Storage`] failed. Unless it says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The entries were compacted away; a snapshot stands for them.
    #[error("requested index is unavailable due to compaction")]
    Compacted,
    /// The log does not reach that far.
    #[error("requested entry at index is unavailable")]
    Unavailable,
    /// The snapshot that is stored is as new as this one, or newer.
    #[error("requested index is older than the existing snapshot")]
    SnapshotOutOfDate,
    /// The snapshot can't be had now, but later. For storages that make snapshots on demand; the
    /// ones of this crate always have theirs.
    #[error("snapshot is temporarily unavailable")]
    SnapshotTemporarilyUnavailable,
    /// Compacting the log up to there would leave a gap after the snapshot, from which no
    /// restart could recover. Create a snapshot first.
    #[error(
        "the log can't begin at {first_index}: the newest snapshot ends at {snapshot_index}, \
         and nothing would stand for the entries in between; create a snapshot first"
    )]
    SnapshotTooOld {
        /// Where the log would have begun.
        first_index: Index,
        /// The last entry in the newest snapshot.
        snapshot_index: Index,
    },
    /// The storage holds something already, so that it can't be bootstrapped.
    #[error("the storage is in use already and can't be bootstrapped: start a node on it as it is")]
    NotFresh,
    /// What the caller passed in contradicts itself or the log; the text says how.
    #[error("invalid input: {0}")]
    Invalid(String),
    /// Another [`crate::DurableStorage`], in this process or another one, has the directory.
    #[error(
        "{} is in use by another storage, of this process or another: close that one, or give each node \
         a directory of its own", path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// What is on disk is not what was written. Nothing was skipped or repaired; the remedy is
    /// to remove this node from its cluster and to add a new one.
    #[error("the storage is damaged: {0}; remove this node from its cluster, and add a new one")]
    Corrupt(String),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write failed, and nobody knows how much of it is on disk: after a failed sync
    /// the system may have dropped the data and still report success to the next one. Writes need
    /// the storage to be opened anew. So do reads for which there is no more than the file, also
    /// after a failed read; others go on.
    #[error("the storage has to be opened anew since the disk has failed: {0}")]
    Poisoned(String),
}

impl Error {
    /// For `map_err` on an operating system's error.
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Error {
        move |source| Error::Io { doing, source }
    }
}

/// The result of the calls on a [`crate::Storage`].
pub type Result<T> = std::result::Result<T, Error>;
