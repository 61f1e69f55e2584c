//! The one that writes: commits with their mark, and the file's size.

use std::sync::Arc;

use libraft_core::Index;
use redb::{Durability, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction};

use super::{
    engine::{Engine, Sizes, builder, engine, guarded},
    journal::Journal,
    mark::{Mark, MarkFile},
    medium::{Medium, MediumFile},
    recovery::{DATABASE, NEW_DATABASE},
    tables::{Counters, write_outline},
    view::{Disk, View},
    watch::watched,
};
use crate::{
    error::{Error, Result},
    state::LogState,
};

/// What only the thread that writes needs.
pub(super) struct Writer {
    pub db: Arc<Engine>,
    pub file: MediumFile,
    pub mark_file: MarkFile,
    pub mark: Mark,
    pub journal: Journal,
    pub counters: Counters,
    /// The outline as the engine has it. The view's may have a newer commit index.
    pub stored: LogState,
    /// Whether something was written since the last sync.
    pub unsynced: bool,
    /// Views that were replaced. The last one to hold them closes the engine's file if it has
    /// been replaced, which takes a sync, and that must not be a reader.
    pub retired: Vec<Arc<View>>,
    /// The file's size after it was copied, so as not to copy it again in vain.
    pub copied_bytes: u64,
    pub sizes: Sizes,
    pub poisoned: Option<String>,
}

/// A write that the journal can take.
pub(super) struct Record<'a> {
    /// The entries, from the first index of each chunk on.
    pub chunks: &'a [(Index, Vec<u8>)],
    pub must_sync: bool,
}

impl Writer {
    pub fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    /// Commits a change. It is in the journal before the engine has it; or else, if it is no record or
    /// there is no room for it, the engine syncs it with all before.
    pub fn commit(
        &mut self,
        state: &LogState,
        record: Option<Record<'_>>,
        change: impl FnOnce(&WriteTransaction, &mut Counters) -> Result<()>,
    ) -> Result<Disk> {
        let mut counters = self.counters;
        counters.sequence += 1;
        let journaled = match &record {
            Some(record) => self.journal(counters.sequence, state, record)?,
            None => false,
        };
        let durability = match journaled {
            // A record says by itself that it was begun.
            true => Durability::None,
            false => {
                self.mark.begun = counters.sequence;
                self.mark_file.write(self.mark)?;
                Durability::Immediate
            }
        };
        let txn = guarded(|| {
            let mut txn = self.db.db().begin_write().map_err(engine)?;
            txn.set_durability(durability).map_err(engine)?;
            change(&txn, &mut counters)?;
            write_outline(&txn, Some(&self.stored), state, &counters)?;
            txn.commit().map_err(engine)?;
            self.db.db().begin_read().map_err(engine)
        })?;
        self.unsynced = journaled && !record.is_some_and(|record| record.must_sync);
        if !self.unsynced {
            // Last: had the engine failed, closing it could bring its file beyond the journal's base, without
            // this write. Nobody has been told of that, so it may not count as synced.
            (self.mark.begun, self.mark.synced) = (counters.sequence, counters.sequence);
            self.mark_file.write(self.mark)?;
        }
        if !journaled {
            self.journal.restart(counters.sequence);
        }
        self.counters = counters;
        self.stored = state.clone();
        Ok(self.disk(txn))
    }

    /// Writes a record to the journal, if there is room.
    fn journal(&mut self, number: u64, state: &LogState, record: &Record<'_>) -> Result<bool> {
        let synced = self.mark.synced;
        let journal = &mut self.journal;
        let journaled = journal.append(number, synced, &state.hard_state, record.chunks)?;
        if journaled && record.must_sync {
            journal.sync()?;
        }
        Ok(journaled)
    }

    pub fn reclaim(&mut self, medium: &dyn Medium, current: &Disk) -> Result<Option<Disk>> {
        let io = Error::io("giving space back");
        let bytes = self.file.len().map_err(&io)?;
        let live = self.counters.log_bytes + self.counters.snapshot_bytes;
        if bytes <= 4 * live + self.sizes.spare_bytes || bytes <= 2 * self.copied_bytes {
            return Ok(None);
        }
        let (file, db, txn) = match copy(medium, &self.mark_file, current, self.sizes) {
            Ok(copied) => copied,
            // No room for the copy, most likely. The storage itself is whole without it, and
            // the next compaction tries again.
            Err(Error::Io { .. }) => {
                return medium.remove(NEW_DATABASE).map_err(&io).map(|()| None);
            }
            Err(error) => return Err(error),
        };
        medium.rename(NEW_DATABASE, DATABASE).map_err(&io)?;
        medium.sync_names().map_err(&io)?;
        self.copied_bytes = file.len().map_err(&io)?;
        self.db = Arc::new(db);
        self.journal.restart(self.counters.sequence);
        self.file = file;
        Ok(Some(self.disk(txn)))
    }

    pub fn disk(&self, txn: ReadTransaction) -> Disk {
        Disk {
            txn,
            snapshot_bytes: self.counters.snapshot_bytes,
            _db: Arc::clone(&self.db),
        }
    }
}

/// Copies a commit to a new file.
fn copy(
    medium: &dyn Medium,
    mark_file: &MarkFile,
    from: &Disk,
    sizes: Sizes,
) -> Result<(MediumFile, Engine, ReadTransaction)> {
    let io = Error::io("creating a file to copy the log to");
    let file = watched(medium.create(NEW_DATABASE).map_err(io)?, mark_file);
    let db = Engine::open(&file, &builder(sizes))?;
    let txn = guarded(|| {
        let to = db.db().begin_write().map_err(engine)?;
        from.copy_to(&to)?;
        to.commit().map_err(engine)?;
        db.db().begin_read().map_err(engine)
    })?;
    Ok((file, db, txn))
}
