//! `raft_storage`: where a node's hard state, log and snapshot are kept.
//!
//! A counted reference to one of the storages of `libraft-storage`, so that a handle may be freed
//! while nodes still use what is behind it.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::sync::Arc;

use libraft_core::{
    ConfState, EntryId, HardState, LOCAL_APPLY, MAX_POSITION, NodeId, Snapshot, codec,
};
use libraft_storage::{DurableStorage, MemoryStorage, RecoveryReport, Storage, Update};

use crate::bytes::{copied, copied_list, raft_buffer, raft_bytes, slice};
use crate::entry::{decode_entries, hard_state_view, raft_entries, raft_hard_state};
use crate::error::{Failure, raft_error};
use crate::ready::raft_ready;
use crate::sized::Place;
use crate::snapshot::raft_snapshot;
use crate::status::*;

/// Where a node's hard state, log and snapshot are kept. It belongs to the caller, who frees it
/// with raft_storage_free().
///
/// Any number of threads may use one storage at the same time, also while a node uses it. A read
/// never waits for a sync. Ranges are half-open: [low, high).
///
/// RAFT_ERR_IO comes
/// from the durable storage only; after a write has failed with it, nobody can know how much of it
/// is on disk, and further writes return RAFT_ERR_POISONED until the storage is opened anew. So do
/// reads from then on, and after one that failed, as far as they need the disk.
pub struct raft_storage {
    shared: Arc<dyn Storage>,
    report: RecoveryReport,
}

/// What raft_storage_open() found. The caller sets `size` to sizeof(raft_recovery_report) before
/// the call; see Sizes in this file's opening comment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_recovery_report {
    /// sizeof(raft_recovery_report), set by the caller.
    pub size: usize,
    /// Writes that were begun, of which nobody was told that they succeeded, and of which nothing
    /// is left.
    pub discarded_writes: u64,
    /// Whether the storage existed and its last user did not close it, but ended in the middle.
    pub crashed: bool,
}

export! {
    /// Makes a storage that lives and dies with the process; for tests.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_storage_free().
    ///
    /// Threads: Any.
    try fn raft_storage_memory_new(
        out: *mut *mut raft_storage,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(raft_storage::give(Arc::new(MemoryStorage::new()), RecoveryReport::default()))
    }
}

export! {
    /// Opens a durable storage: the directory `path`, in the system's own encoding and ended by a
    /// zero byte, which is made if it is absent. A record that a crash cut off at the end of the
    /// log is removed, which raft_storage_recovery_report() tells; damage anywhere else is
    /// RAFT_ERR_CORRUPT.
    ///
    /// Errors: those of any call; RAFT_ERR_LOCKED (it is open already, here or in another process),
    /// RAFT_ERR_CORRUPT (damage other than at the end), RAFT_ERR_ARGUMENT (the path is none for this
    /// system), RAFT_ERR_IO (the system's words are in the message).
    ///
    /// Memory: `path` is borrowed for the call. `out` belongs to the caller, who frees it with
    /// raft_storage_free().
    ///
    /// Threads: Any.
    try fn raft_storage_open(
        path: *const c_char,
        out: *mut *mut raft_storage,
        error: *mut *mut raft_error,
    ) -> raft_status {
        if path.is_null() {
            return Err(Failure::new(RAFT_ERR_NULL, "path is NULL"));
        }
        // SAFETY: not NULL, so that the caller vouches for a zero byte at its end.
        let path = native(unsafe { CStr::from_ptr(path) })?;
        let storage = DurableStorage::open(path)?;
        let report = storage.recovery_report();
        out.put(raft_storage::give(Arc::new(storage), report))
    }
}

export! {
    /// Frees a handle. The storage itself is closed when the last node on it is freed as well;
    /// only then can a durable one be opened again. NULL is ignored.
    ///
    /// Memory: `storage` is gone; nodes on it keep what is behind it.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_storage_free(storage: *mut raft_storage) {
        if !storage.is_null() {
            // SAFETY: made by `raft_storage::give`, and freed once: so asks the contract.
            drop(unsafe { Box::from_raw(storage) });
        }
    }
}

export! {
    /// Whether nothing has ever been written to the storage.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_is_fresh(
        storage: *const raft_storage,
        out: *mut bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(storage.shared.is_fresh())
    }
}

export! {
    /// Writes the first state of a group's first members into a fresh storage: a snapshot of
    /// `index` and `term` with these voters and learners and with `data`, the state machine's
    /// first state. Every first member has to be given the same. `index` and `term` are both 0, or
    /// both at least 1; with 1 and 1 the log begins at index 2, so that a member that joins later,
    /// with a fresh storage, can only be brought up by a snapshot, and so learns what is in `data`
    /// as well. A member that joins later is not bootstrapped.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, no voters, a member
    /// twice or with an id that is none, only one of index and term is 0), RAFT_ERR_MISUSE (the storage
    /// is not fresh), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write
    /// failed). After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it
    /// anew.
    ///
    /// Memory: `voters`, `learners` and `data` are borrowed for the call.
    ///
    /// Threads: Any.
    try fn raft_storage_bootstrap(
        storage: *mut raft_storage,
        index: u64,
        term: u64,
        voters: *const u64,
        voters_len: usize,
        learners: *const u64,
        learners_len: usize,
        data: *const u8,
        data_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `voters[..voters_len]`.
        let voters = unsafe { slice(voters, voters_len, "voters") }?;
        // SAFETY: the caller vouches for `learners[..learners_len]`.
        let learners = unsafe { slice(learners, learners_len, "learners") }?;
        // SAFETY: the caller vouches for `data[..data_len]`.
        let data = unsafe { copied(data, data_len, "data") }?;
        storage.shared.bootstrap(Snapshot {
            id: EntryId { term, index },
            conf_state: first_members(voters, learners)?,
            data,
        })?;
        Ok(())
    }
}

export! {
    /// Persists the hard state, the entries and the snapshot of a Ready, all or nothing, with one
    /// sync if it needs one. When this returns RAFT_OK, the messages may be sent. `ready` is what
    /// raft_node_ready() gave, and not a copy of that struct.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (the entries do not fit the log, or `ready` is a
    /// copy), RAFT_ERR_SNAPSHOT_OUT_OF_DATE (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO
    /// (the disk), RAFT_ERR_POISONED (an earlier write failed). After RAFT_ERR_IO nobody knows what of
    /// it is on disk: free the storage and open it anew.
    ///
    /// Memory: `ready` is borrowed for the call.
    ///
    /// Threads: Any; but the node that gave `ready` must not be asked for another one meanwhile.
    try fn raft_storage_save(
        storage: *mut raft_storage,
        ready: *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        Ok(storage.shared.save(ready.core()?)?)
    }
}

export! {
    /// The same from pieces, for what does not come from a raft_ready of this process:
    /// `hard_state` (NULL if it has not changed), `entries_len` encoded raftpb.Entry, and an
    /// encoded raftpb.Snapshot (of length 0 if there is none), which replaces the log before the
    /// entries are appended. The entries replace what the log has from the first one's index on.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, the entries do not fit
    /// the log, a number of the hard state is beyond all bounds), RAFT_ERR_MALFORMED,
    /// RAFT_ERR_IMPOSSIBLE (what is encoded is no entry or snapshot), RAFT_ERR_SNAPSHOT_OUT_OF_DATE
    /// (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an
    /// earlier write failed). After RAFT_ERR_IO nobody knows what of it is on disk: free the storage
    /// and open it anew.
    ///
    /// Memory: `hard_state`, `entries` and `snapshot` are borrowed for the call.
    ///
    /// Threads: Any.
    try fn raft_storage_append(
        storage: *mut raft_storage,
        hard_state: *const raft_hard_state,
        entries: *const raft_bytes,
        entries_len: usize,
        snapshot: *const u8,
        snapshot_len: usize,
        must_sync: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: NULL, or the caller vouches for it.
        let hard_state = unsafe { hard_state.as_ref() }.copied().map(HardState::from);
        if hard_state.is_some_and(|state| state.term.max(state.commit) > MAX_POSITION) {
            return Err(Failure::argument("hard_state has a term or an index of 2^63 or more: pass what a Ready had"));
        }
        // SAFETY: the caller vouches for `entries[..entries_len]` and each view in it.
        let entries = decode_entries(unsafe { copied_list(entries, entries_len, "entries") }?)?.into();
        // SAFETY: the caller vouches for `snapshot[..snapshot_len]`.
        let snapshot = unsafe { copied(snapshot, snapshot_len, "snapshot") }?;
        let snapshot = match snapshot.is_empty() {
            true => None,
            false => Some(codec::decode_snapshot(snapshot)?),
        };
        storage.shared.write(Update {
            hard_state,
            entries: &entries,
            snapshot: snapshot.as_ref(),
            must_sync,
        })?;
        Ok(())
    }
}

export! {
    /// Persists what a message of type RAFT_MSG_STORAGE_APPEND asks for: with asynchronous storage
    /// writes, the work of the append worker. Its responses may then be delivered. `data` is the
    /// message's encoding.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type of
    /// message, the entries do not fit the log), RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE,
    /// RAFT_ERR_LOCAL_MESSAGE (no raftpb.Message, or of a kind that is never sent),
    /// RAFT_ERR_SNAPSHOT_OUT_OF_DATE (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed). After RAFT_ERR_IO nobody
    /// knows what of it is on disk: free the storage and open it anew.
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: Any.
    try fn raft_storage_append_message(
        storage: *mut raft_storage,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let message = codec::decode_message(unsafe { copied(data, len, "data") }?)?;
        let update = Update::of_storage_append(&message).ok_or_else(|| {
            Failure::argument(
                "the message is not of type RAFT_MSG_STORAGE_APPEND: pass those to \
                 RAFT_LOCAL_APPEND only",
            )
        })?;
        Ok(storage.shared.write(update)?)
    }
}

export! {
    /// Makes earlier writes survive a power cut that did not ask for a sync by themselves, as when
    /// only the commit index moved. For an orderly end.
    ///
    /// Errors: those of any call; RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
    /// After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
    ///
    /// Threads: Any.
    try fn raft_storage_sync(
        storage: *mut raft_storage,
        error: *mut *mut raft_error,
    ) -> raft_status {
        Ok(storage.shared.sync()?)
    }
}

export! {
    /// The first index of the log; one more than the last one if the log is empty.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_first_index(
        storage: *const raft_storage,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(storage.shared.first_index())
    }
}

export! {
    /// The last index of the log; the one that it was compacted to if the log is empty.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_last_index(
        storage: *const raft_storage,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(storage.shared.last_index())
    }
}

export! {
    /// The term of the entry `index`, in [first index - 1, last index + 1).
    ///
    /// Errors: those of any call; RAFT_ERR_COMPACTED (below that), RAFT_ERR_UNAVAILABLE (above).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_term(
        storage: *const raft_storage,
        index: u64,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(storage.shared.term(index)?)
    }
}

export! {
    /// The last hard state that was written; all zero if none was.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_hard_state(
        storage: *const raft_storage,
        out: *mut raft_hard_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(hard_state_view(&storage.shared.hard_state()))
    }
}

export! {
    /// The entries [low, high): at least the first one, and then as many as fit into `max_bytes`,
    /// counted by their encoding (RAFT_NO_LIMIT for all).
    ///
    /// Errors: those of any call; RAFT_ERR_COMPACTED (`low` is below the first index),
    /// RAFT_ERR_UNAVAILABLE (`high` is above the last one + 1), RAFT_ERR_ARGUMENT (low > high),
    /// RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_entries_free().
    ///
    /// Threads: Any.
    try fn raft_storage_entries(
        storage: *const raft_storage,
        low: u64,
        high: u64,
        max_bytes: u64,
        out: *mut *mut raft_entries,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(raft_entries::give(&storage.shared.entries(low, high, max_bytes)?))
    }
}

export! {
    /// The newest snapshot. Before the first one it has index 0, no data, and the members that the
    /// storage was bootstrapped with.
    ///
    /// Errors: those of any call; RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an
    /// earlier write failed).
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_snapshot_free().
    ///
    /// Threads: Any.
    try fn raft_storage_snapshot(
        storage: *const raft_storage,
        out: *mut *mut raft_snapshot,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(raft_snapshot::give(storage.shared.snapshot()?))
    }
}

export! {
    /// Makes `data`, the state machine's state after the entry `index`, the newest snapshot. The
    /// log stays as it is; see raft_storage_compact(). `conf_state` is the encoded
    /// raftpb.ConfState as of that entry, such as raft_conf_state.encoded from
    /// raft_node_apply_conf_change(); of length 0 it stands for the members in the last snapshot.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, `conf_state` is of
    /// length 0 and there are configuration changes since the last snapshot, or no entry has this
    /// index), RAFT_ERR_SNAPSHOT_OUT_OF_DATE (there is one that is as new), RAFT_ERR_COMPACTED,
    /// RAFT_ERR_UNAVAILABLE (the log does not reach there), RAFT_ERR_MALFORMED (no raftpb.ConfState),
    /// RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed). After
    /// RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
    ///
    /// Memory: `conf_state` and `data` are borrowed for the call.
    ///
    /// Threads: Any.
    try fn raft_storage_create_snapshot(
        storage: *mut raft_storage,
        index: u64,
        conf_state: *const u8,
        conf_state_len: usize,
        data: *const u8,
        data_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `conf_state[..conf_state_len]`.
        let conf_state = match unsafe { slice(conf_state, conf_state_len, "conf_state") }? {
            [] => None,
            encoded => Some(codec::decode_conf_state(encoded)?),
        };
        // SAFETY: the caller vouches for `data[..data_len]`.
        let data = unsafe { copied(data, data_len, "data") }?;
        let changes = storage.shared.restart_state().conf_changes;
        if conf_state.is_none() && changes.iter().any(|change| *change <= index) {
            return Err(Failure::argument(
                "there are configuration changes since the last snapshot, so that conf_state has \
                 to say what the members are",
            ));
        }
        storage.shared.create_snapshot(index, conf_state, data)?;
        Ok(())
    }
}

export! {
    /// Drops the entries below `first_index`, which becomes the log's first index: at most one
    /// more than the index of the newest snapshot (of the memory storage, than the last index).
    /// Nodes on this storage hear of it by themselves.
    ///
    /// Errors: those of any call; RAFT_ERR_COMPACTED (that far and farther already),
    /// RAFT_ERR_UNAVAILABLE (the log does not reach there), RAFT_ERR_MISUSE (the newest snapshot does
    /// not), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
    /// After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
    ///
    /// Threads: Any.
    try fn raft_storage_compact(
        storage: *mut raft_storage,
        first_index: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        Ok(storage.shared.compact(first_index)?)
    }
}

export! {
    /// All that a node needs to know of its storage when it starts, as an encoded libraft.RestartState.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: Any.
    try fn raft_storage_restart_state(
        storage: *const raft_storage,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let state = storage.shared.restart_state();
        out.put(raft_buffer::give(codec::encode_restart_state(&state)))
    }
}

export! {
    /// Fills in what raft_storage_open() found. The caller sets out->size first. Of a memory
    /// storage, all is zero.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (the size is none that the struct has had).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_storage_recovery_report(
        storage: *const raft_storage,
        out: *mut raft_recovery_report,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `out`, and that its size is set.
        unsafe { raft_recovery_report::fill(out, &storage.report) }
    }
}

impl raft_storage {
    /// A storage for the caller.
    fn give(shared: Arc<dyn Storage>, report: RecoveryReport) -> *mut raft_storage {
        Box::into_raw(Box::new(raft_storage { shared, report }))
    }

    /// A reference for a node.
    pub(crate) fn shared(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.shared)
    }
}

impl raft_recovery_report {
    /// Fills in the caller's struct.
    ///
    /// # Safety
    /// `place` is NULL or points to a struct whose `size` is set, and is true.
    unsafe fn fill(
        place: *mut raft_recovery_report,
        report: &RecoveryReport,
    ) -> Result<(), Failure> {
        // SAFETY: the same contract, for a struct that begins with its size.
        let place = unsafe { Place::check(place) }?;
        place.put(|size| raft_recovery_report {
            size,
            discarded_writes: report.discarded_writes,
            crashed: report.crashed,
        });
        Ok(())
    }
}

/// A path as the system has it.
#[cfg(unix)]
fn native(path: &CStr) -> Result<&Path, Failure> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())))
}

/// A path as text, on systems whose paths are no bytes.
#[cfg(not(unix))]
fn native(path: &CStr) -> Result<&Path, Failure> {
    match path.to_str() {
        Ok(path) => Ok(Path::new(path)),
        Err(_) => Err(Failure::argument("path is not UTF-8: encode it as UTF-8")),
    }
}

/// The configuration that a group begins with.
fn first_members(voters: &[NodeId], learners: &[NodeId]) -> Result<ConfState, Failure> {
    if voters.is_empty() {
        return Err(Failure::argument(
            "a group needs at least one voter: name all of the first ones",
        ));
    }
    let mut all: Vec<NodeId> = voters.iter().chain(learners).copied().collect();
    all.sort_unstable();
    if let Some(id) = all.iter().find(|id| **id == 0 || **id >= LOCAL_APPLY) {
        return Err(Failure::argument(format!(
            "{id} is no id of a node: number the members from 1, and leave out the two largest numbers"
        )));
    }
    if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::argument(format!(
            "{} is a member twice: name each once, as a voter or as a learner",
            pair[0]
        )));
    }
    let mut conf_state = ConfState::of_voters(voters.iter().copied());
    conf_state.learners = ConfState::of_voters(learners.iter().copied()).voters;
    Ok(conf_state)
}

impl From<libraft_storage::Error> for Failure {
    #[cold]
    #[inline(never)]
    fn from(error: libraft_storage::Error) -> Failure {
        use libraft_storage::Error;
        let status = match &error {
            Error::Compacted => RAFT_ERR_COMPACTED,
            Error::Unavailable | Error::SnapshotTemporarilyUnavailable => RAFT_ERR_UNAVAILABLE,
            Error::SnapshotOutOfDate => RAFT_ERR_SNAPSHOT_OUT_OF_DATE,
            Error::SnapshotTooOld { .. } | Error::NotFresh => RAFT_ERR_MISUSE,
            Error::Invalid(_) => RAFT_ERR_ARGUMENT,
            Error::Locked { .. } => RAFT_ERR_LOCKED,
            Error::Corrupt(_) => RAFT_ERR_CORRUPT,
            Error::Io { .. } => RAFT_ERR_IO,
            Error::Poisoned(_) => RAFT_ERR_POISONED,
            _ => RAFT_ERR_OTHER,
        };
        Failure::new(status, error.to_string())
    }
}
