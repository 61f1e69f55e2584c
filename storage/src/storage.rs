//! The trait that both storages implement, and the unit in which they are written.

use bytes::Bytes;
use libraft_core::{
    Body, ConfState, Entries, Entry, EntryId, HardState, Index, Message, Ready, RestartState,
    Snapshot, Term,
};

use crate::error::{Error, Result};

/// What one write persists, all of it or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// To be appended, replacing what is stored from the first one's index on.
    pub entries: &'a Entries,
    /// To replace the snapshot and the whole log, before `entries` are appended.
    pub snapshot: Option<&'a Snapshot>,
    /// Whether the write must survive a power cut when the call returns. A snapshot and a new
    /// term or vote do so in any case.
    pub must_sync: bool,
}

impl Default for Update<'_> {
    /// Nothing to persist.
    fn default() -> Self {
        static NONE: Entries = Entries::new();
        Update {
            hard_state: None,
            entries: &NONE,
            snapshot: None,
            must_sync: false,
        }
    }
}

impl<'a> From<&'a Ready> for Update<'a> {
    fn from(ready: &'a Ready) -> Update<'a> {
        Update {
            hard_state: ready.hard_state,
            entries: &ready.entries,
            snapshot: ready.snapshot.as_ref(),
            must_sync: ready.must_sync,
        }
    }
}

impl<'a> Update<'a> {
    /// The update that a message to [`libraft_core::LOCAL_APPEND`] asks for, None for any other
    /// message. Its responses may be delivered once the update is written.
    pub fn of_storage_append(message: &'a Message) -> Option<Update<'a>> {
        match &message.body {
            Body::StorageAppend(work) => Some(Update {
                hard_state: work.hard_state,
                entries: &work.entries,
                snapshot: work.snapshot.as_deref(),
                // A message without responses promises nothing to anybody.
                must_sync: !work.responses.is_empty(),
            }),
            _ => None,
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.hard_state.is_none() && self.entries.is_empty() && self.snapshot.is_none()
    }
}

/// Where a node's hard state, log and snapshot are kept.
///
/// All calls may come from any thread. Writes are done one after the other; reads see the
/// storage before or after a write, never in between, and do not wait for a write's sync.
/// Ranges are half-open.
pub trait Storage: Send + Sync {
    /// Persists one batch. See [`Storage::write`].
    ///
    /// # Errors
    /// Those of [`Storage::write`].
    fn save(&self, ready: &Ready) -> Result<()> {
        self.write(Update::from(ready))
    }

    /// Persists an update, whole or not at all, with one sync if it needs one. If it needs none, there is none
    /// either, but for now and then one of a durable storage's own: it has to make room, or begins.
    ///
    /// Entries below the log's first index are skipped. Entries from the first one's index on
    /// that are stored already are replaced, and never come back.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the entries have gaps, fall in their terms, or leave a gap after the
    /// log; [`Error::SnapshotOutOfDate`] if the stored snapshot is newer, or is the same and the
    /// log goes on after it. A durable storage:
    /// [`Error::Io`] and [`Error::Corrupt`], after which it only answers
    /// [`Error::Poisoned`] to writes, and may or may not hold the update when it is opened anew.
    fn write(&self, update: Update<'_>) -> Result<()>;

    /// Makes earlier writes survive a power cut that did not ask for a sync by themselves.
    ///
    /// # Errors
    /// As [`Storage::write`].
    fn sync(&self) -> Result<()>;

    /// Entries `[low, high)`: at least the first one, and then as many as fit into `max_bytes`,
    /// counted by their encoding.
    ///
    /// # Errors
    /// [`Error::Compacted`] if `low` is below the first index, [`Error::Unavailable`] if
    /// `high` is beyond the last index plus one, [`Error::Invalid`] if `low > high`; of a durable
    /// storage [`Error::Corrupt`] and [`Error::Io`].
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>>;

    /// The term of an entry in `[first_index - 1, last_index + 1)`.
    ///
    /// # Errors
    /// [`Error::Compacted`] below that range, [`Error::Unavailable`] above.
    fn term(&self, index: Index) -> Result<Term>;

    /// The first index of the log; one more than the last one's if the log is empty.
    fn first_index(&self) -> Index;

    /// The last index of the log; the one that it was compacted to if the log is empty.
    fn last_index(&self) -> Index;

    /// The last hard state that was written.
    fn hard_state(&self) -> HardState;

    /// The newest snapshot. Before the first one, it has index 0, no data, and the configuration
    /// that the storage was bootstrapped with.
    ///
    /// # Errors
    /// Of a durable storage: [`Error::Corrupt`], [`Error::Io`].
    fn snapshot(&self) -> Result<Snapshot>;

    /// Makes `data`, the state machine's state after the entry `index`, the newest snapshot, and
    /// returns that. The log stays as it is, see [`Storage::compact`]. `conf_state` is the
    /// configuration as of that entry, or None if it is still that of the last snapshot.
    ///
    /// # Errors
    /// [`Error::SnapshotOutOfDate`] if the stored snapshot is as new, [`Error::Compacted`] if
    /// the log begins later than that, [`Error::Unavailable`] if it ends earlier; and the errors
    /// of [`Storage::write`].
    fn create_snapshot(
        &self,
        index: Index,
        conf_state: Option<ConfState>,
        data: Bytes,
    ) -> Result<Snapshot>;

    /// Drops the entries below `first_index`, which becomes the log's first index. May be one
    /// more than the last index, which empties the log. The caller takes care that all of them
    /// have been applied.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the log begins there or later already, [`Error::Unavailable`] if it
    /// ends before; of a durable storage [`Error::SnapshotTooOld`] if the newest snapshot
    /// does not reach that far; and the errors of [`Storage::write`].
    fn compact(&self, first_index: Index) -> Result<()>;

    /// What a node needs to start from this storage, with a state machine that starts from the
    /// newest snapshot.
    fn restart_state(&self) -> RestartState;

    /// What a node needs to start from this storage, with a state machine that has kept
    /// everything up to `applied` by itself, and the configuration as of there.
    ///
    /// # Errors
    /// [`Error::Compacted`] if `applied` is below what the snapshot or the log's beginning stands
    /// for, [`Error::Unavailable`] if it is beyond the log.
    fn restart_state_at(&self, applied: Index, conf_state: ConfState) -> Result<RestartState> {
        let mut state = self.restart_state();
        if applied < state.applied {
            return Err(Error::Compacted);
        }
        if applied > state.last_index {
            return Err(Error::Unavailable);
        }
        state.applied = applied;
        state.conf_state = conf_state;
        state.conf_changes.retain(|index| *index > applied);
        // What has been applied was committed, even if that was never written down.
        state.hard_state.commit = state.hard_state.commit.max(applied);
        Ok(state)
    }

    /// Whether nothing has ever been written.
    fn is_fresh(&self) -> bool;

    /// Gives a fresh storage its beginning: a snapshot at some index, the same for every first
    /// member of a cluster.
    ///
    /// # Errors
    /// [`Error::NotFresh`]; [`Error::Invalid`] if only one of the snapshot's index and term is 0;
    /// and the errors of [`Storage::write`].
    fn bootstrap(&self, snapshot: Snapshot) -> Result<()>;

    /// Gives a fresh storage its beginning: these members and an empty state machine, the same for
    /// every first member of a cluster, as a snapshot of index 1 in term 1. A member that joins
    /// later starts from a fresh storage: since nobody has an entry 1, it gets that snapshot or a
    /// later one first, and so learns who the first members were.
    ///
    /// # Errors
    /// As [`Storage::bootstrap`].
    fn bootstrap_members(&self, conf_state: ConfState) -> Result<()> {
        self.bootstrap(Snapshot {
            id: EntryId { term: 1, index: 1 },
            conf_state,
            data: Bytes::new(),
        })
    }
}
