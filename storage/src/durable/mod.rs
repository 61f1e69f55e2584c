//! A storage in a directory, on the engine redb (why that one: `tests/bench/engines/README.md`).
//!
//! The engine brings transactions that are whole or not at all, snapshots for readers, and
//! checksums of all its pages. What is added here:
//!
//! - the layout: [`tables`], and entries in chunks, see [`records`];
//! - a synced append is one write in one place, not the engine's five to seven, see [`journal`];
//! - damage is found: the whole file is verified at opening, since the engine does not do it
//!   while it reads; each entry has a checksum for what happens later; a panic of the engine
//!   over a damaged page becomes an error;
//! - what was synced can't go missing unseen, see [`mark`];
//! - after a failed write there are no further ones: whether a failed sync wrote anything is
//!   not known, and a second try may succeed without the data, see [`watch`];
//! - space goes back to the file system: the engine reuses what it frees, but its file hardly
//!   shrinks. When most of it is free, what is live is copied to a new file.
//!
//! In memory are the log's outline ([`LogState`]) and the engine's cache. There is no cache of
//! entries here, since the core has one.
//!
//! The directory holds `LOCK`, `mark`, `journal` and `raft.redb`. The last three come into being
//! under a name that ends in `.new`, so that under their own names they are whole.

mod engine;
mod journal;
mod mark;
mod medium;
mod records;
mod recovery;
mod tables;
mod view;
mod watch;
mod writer;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bytes::Bytes;
use libraft_core::{ConfState, Entry, HardState, Index, RestartState, Snapshot, Term};
use redb::WriteTransaction;

pub use self::recovery::RecoveryReport;
use self::{
    engine::{Sizes, engine},
    medium::{Directory, Medium},
    tables::{Counters, LOG, append, chunk_of, write_snapshot_data},
    view::View,
    writer::{Record, Writer},
};
use crate::{
    error::{Error, Result},
    state::LogState,
    storage::{Storage, Update},
};

/// Keeps a node's state in a directory, for one process at a time.
///
/// What a write has synced comes back whole after any crash, and damage to it is an error. What
/// was being written when the process or the machine ended is cut off when the storage is opened
/// again, which [`DurableStorage::recovery_report`] reports.
///
/// Takes about 16 MiB of memory for the engine's cache, and what the terms and configuration
/// changes of the log need, but does not hold the log. On the disk, 1 MiB is a journal; after a crash,
/// opening needs room for what that has.
pub struct DurableStorage {
    view: RwLock<Arc<View>>,
    writer: Mutex<Writer>,
    recovery: RecoveryReport,
    /// Last, so that the directory stays locked until all files are closed.
    medium: Box<dyn Medium>,
}

impl DurableStorage {
    /// Opens the storage in a directory. If there is none, it is created, fresh. Everything in
    /// it is verified, which takes about a tenth of a second for 100 MiB. After a sync has failed,
    /// everything is also written once more, for nobody else knows what has got to the disk.
    ///
    /// # Errors
    /// [`Error::Locked`] if another storage has the directory open, [`Error::Corrupt`] if
    /// something in it is damaged or missing, [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<DurableStorage> {
        let directory = Directory::open(path.as_ref())?;
        recovery::open_on(Box::new(directory), Sizes::default())
    }

    /// What the last user of the storage left behind.
    pub fn recovery_report(&self) -> RecoveryReport {
        self.recovery
    }

    fn view(&self) -> Arc<View> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view)
    }

    fn publish(&self, writer: &mut Writer, view: View) {
        let mut current = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, Arc::new(view));
        drop(current);
        writer.retired.push(old);
        writer.retired.retain(|view| Arc::strong_count(view) > 1);
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &writer.poisoned {
            Some(reason) => Err(Error::Poisoned(reason.clone())),
            None => Ok(writer),
        }
    }

    /// Commits `change` with the outline that results from it, and shows both to readers.
    fn commit(
        &self,
        writer: &mut Writer,
        state: LogState,
        record: Option<Record<'_>>,
        change: impl FnOnce(&WriteTransaction, &mut Counters) -> Result<()>,
    ) -> Result<()> {
        let disk = writer.commit(&state, record, change);
        let disk = writer.poison_on_error(disk)?;
        let view = View {
            state,
            disk: Arc::new(disk),
        };
        self.publish(writer, view);
        Ok(())
    }

    fn flush(&self, writer: &mut Writer) -> Result<()> {
        if !writer.unsynced {
            return Ok(());
        }
        let state = self.view().state.clone();
        let record = Record {
            chunks: &[],
            must_sync: true,
        };
        self.commit(writer, state, Some(record), |_, _| Ok(()))
    }

    /// Copies what is live to a new file if that saves most of the space. What the caller was
    /// asked to do is done already, so that a failure is for the next write to tell.
    fn reclaim(&self, writer: &mut Writer) {
        let copied = writer.reclaim(&*self.medium, &self.view().disk);
        if let Ok(Some(disk)) = writer.poison_on_error(copied) {
            let state = self.view().state.clone();
            self.publish(
                writer,
                View {
                    state,
                    disk: Arc::new(disk),
                },
            );
        }
    }
}

impl Storage for DurableStorage {
    fn write(&self, update: Update<'_>) -> Result<()> {
        let mut writer = self.writer()?;
        if update.is_empty() {
            return match update.must_sync {
                true => self.flush(&mut writer),
                false => Ok(()),
            };
        }
        let view = self.view();
        let staged = view.state.stage(&update)?;
        let promise = |state: HardState| (state.term, state.vote);
        let durable = update.must_sync
            || staged.restored
            || promise(staged.state.hard_state) != promise(view.state.hard_state);
        if !durable && staged.entries.is_empty() {
            // A commit index alone is no promise to anybody. It waits for the next commit.
            writer.unsynced = true;
            let disk = Arc::clone(&view.disk);
            self.publish(
                &mut writer,
                View {
                    state: staged.state,
                    disk,
                },
            );
            return Ok(());
        }
        let (entries, from) = (&staged.entries, staged.truncate_from);
        let bytes = records::chunks_len(entries);
        if update.snapshot.is_some() || !writer.journal.has_room(bytes) {
            return self.commit(&mut writer, staged.state, None, |txn, counters| {
                if let Some(snapshot) = update.snapshot {
                    txn.delete_table(LOG).map_err(engine)?;
                    counters.log_bytes = 0;
                    write_snapshot_data(txn, counters, &snapshot.data)?;
                }
                // One after the other: together they may be as much as there is memory for.
                append(txn, counters, from, records::chunks(entries))
            });
        }
        let chunks: Vec<_> = records::chunks(entries).collect();
        let record = Record {
            chunks: &chunks,
            must_sync: durable,
        };
        self.commit(&mut writer, staged.state, Some(record), |txn, counters| {
            let chunks = chunks.iter().map(|(first, chunk)| (*first, chunk));
            append(txn, counters, from, chunks)
        })
    }

    fn sync(&self) -> Result<()> {
        let mut writer = self.writer()?;
        self.flush(&mut writer)
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        self.view().entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term> {
        self.view().state.term(index)
    }

    fn first_index(&self) -> Index {
        self.view().state.first_index()
    }

    fn last_index(&self) -> Index {
        self.view().state.last_index
    }

    fn hard_state(&self) -> HardState {
        self.view().state.hard_state
    }

    fn snapshot(&self) -> Result<Snapshot> {
        self.view().snapshot()
    }

    fn create_snapshot(
        &self,
        index: Index,
        conf_state: Option<ConfState>,
        data: Bytes,
    ) -> Result<Snapshot> {
        let mut writer = self.writer()?;
        let state = self.view().state.with_snapshot(index, conf_state)?;
        let snapshot = Snapshot {
            id: state.snapshot_id,
            conf_state: state.conf_state.to_conf_state(),
            data: data.clone(),
        };
        self.commit(&mut writer, state, None, |txn, counters| {
            write_snapshot_data(txn, counters, &data)
        })?;
        self.reclaim(&mut writer);
        Ok(snapshot)
    }

    fn compact(&self, first_index: Index) -> Result<()> {
        let mut writer = self.writer()?;
        let view = self.view();
        let state = view.state.compacted_to(first_index)?;
        if first_index > view.state.snapshot_id.index + 1 {
            return Err(Error::SnapshotTooOld {
                first_index,
                snapshot_index: view.state.snapshot_id.index,
            });
        }
        let emptied = first_index > state.last_index;
        self.commit(&mut writer, state, None, |txn, counters| {
            let mut log = txn.open_table(LOG).map_err(engine)?;
            let keep_from = match emptied {
                true => Index::MAX,
                // The chunk that has the first index may begin before it.
                false => chunk_of(&log, first_index)?,
            };
            let mut dropped = 0;
            let drop_all = |_: u64, chunk: &[u8]| {
                dropped += chunk.len() as u64;
                false
            };
            log.retain_in(..keep_from, drop_all).map_err(engine)?;
            counters.drop_log_bytes(dropped)
        })?;
        self.reclaim(&mut writer);
        Ok(())
    }

    fn restart_state(&self) -> RestartState {
        self.view().state.restart_state()
    }

    fn is_fresh(&self) -> bool {
        self.view().state.is_fresh()
    }

    fn bootstrap(&self, snapshot: Snapshot) -> Result<()> {
        let mut writer = self.writer()?;
        let state = self.view().state.bootstrapped(&snapshot)?;
        self.commit(&mut writer, state, None, |txn, counters| {
            write_snapshot_data(txn, counters, &snapshot.data)
        })
    }
}

impl Drop for DurableStorage {
    /// Syncs what was written without a sync. Nobody is told if that fails: who needs to know
    /// calls [`Storage::sync`] before.
    fn drop(&mut self) {
        if let Ok(mut writer) = self.writer() {
            let _ = self.flush(&mut writer);
            let _ = writer.mark_file.sync();
        }
    }
}

impl fmt::Debug for DurableStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableStorage")
            .field("medium", &self.medium)
            .field("recovery", &self.recovery)
            .field("state", &self.view().state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
