//! A storage in a directory, on the engine redb (why that one: `tests/bench/engines/README.md`).
//!
//! The engine brings transactions that are whole or not at all, snapshots for readers, and
//! checksums of all its pages. What is added here:
//!
//! - the layout: the tables below, and entries in chunks (see [`records`]);
//! - damage is found: the whole file is verified at opening, since the engine does not do it
//!   while it reads; each entry has a checksum for what happens later; a panic of the engine
//!   over a damaged page becomes an error;
//! - what was synced can't go missing unseen, see [`mark`];
//! - after a failed write there are no further ones: whether a failed sync wrote anything is
//!   not known, and a second try may succeed without the data;
//! - space goes back to the file system: the engine reuses what it frees, but its file hardly
//!   shrinks. When most of it is free, what is live is copied to a new file.
//!
//! In memory are the log's outline ([`LogState`]) and the engine's cache. There is no cache of
//! entries here, since the core has one.
//!
//! The directory holds `LOCK`, `mark` and `raft.redb`. The last two come into being under a name
//! that ends in `.new`, so that under their own names they are whole.

mod mark;
mod medium;
mod records;
mod view;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use libraft_core::{ConfState, Entry, HardState, Index, RestartState, Snapshot, Term, codec};
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition, WriteTransaction,
};

use self::{
    mark::{Mark, MarkFile},
    medium::{Directory, Medium, MediumFile},
    view::{Disk, View},
};
use crate::{
    error::{Error, Result},
    state::LogState,
    storage::{Storage, Update},
};

const DATABASE: &str = "raft.redb";
const NEW_DATABASE: &str = "raft.redb.new";
const MARK: &str = "mark";
const NEW_MARK: &str = "mark.new";
const VERSION: u64 = 1;

/// What changes with nearly every write: "version", "counters", "hard_state", and "snapshot"
/// without its data.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// The parts of the outline that seldom change: "term_runs", "conf_changes".
const OUTLINE: TableDefinition<&str, &[u8]> = TableDefinition::new("outline");
/// Chunks of entries, by the index of the first.
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// The snapshot's data in parts, each with its checksum in front.
const DATA: TableDefinition<u32, &[u8]> = TableDefinition::new("snapshot");

/// The engine's cache, for reads and for pages that are being written.
const CACHE_BYTES: usize = 16 << 20;
/// A part of a snapshot; just below a power of two, as [`records::CHUNK_BYTES`].
const PART_BYTES: usize = (1 << 20) - 4096;
/// The file is copied when it has this much more than four times what is live.
const SPARE_BYTES: u64 = 8 << 20;

/// What [`DurableStorage::open`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Whether the storage existed and its last user did not close it, but ended in the middle.
    pub crashed: bool,
    /// Writes that were begun, of which nobody was told that they succeeded, and of which
    /// nothing is left: the torn tail that was cut off. Zero or one, unless the caller wrote
    /// without a sync.
    pub discarded_writes: u64,
}

/// Keeps a node's state in a directory, for one process at a time.
///
/// What a write has synced comes back whole after any crash, and damage to it is an error. What
/// was being written when the process or the machine ended is cut off when the storage is opened
/// again, which [`DurableStorage::recovery`] reports.
///
/// Takes about 16 MiB of memory for the engine's cache, and what the terms and configuration
/// changes of the log need, but does not hold the log.
pub struct DurableStorage {
    view: RwLock<Arc<View>>,
    writer: Mutex<Writer>,
    recovery: RecoveryReport,
    /// Last, so that the directory stays locked until all files are closed.
    medium: Box<dyn Medium>,
}

/// What only the thread that writes needs.
struct Writer {
    db: Arc<Engine>,
    file: MediumFile,
    mark_file: MarkFile,
    mark: Mark,
    counters: Counters,
    /// The outline as the engine has it. The view's may have a newer commit index.
    stored: LogState,
    /// Whether something was written since the last sync.
    unsynced: bool,
    /// Views that were replaced. The last one to hold them closes the engine's file if it has
    /// been replaced, which takes a sync, and that must not be a reader.
    retired: Vec<Arc<View>>,
    /// The file's size after it was copied, so as not to copy it again in vain.
    copied_bytes: u64,
    poisoned: Option<String>,
}

/// The engine, closed with care: that writes, and may meet a damaged page as all else may.
struct Engine(Option<Database>);

impl Engine {
    fn open(file: &MediumFile, builder: &Builder) -> Result<Engine> {
        let db = guarded(|| builder.create_with_backend(file.clone()).map_err(engine))?;
        Ok(Engine(Some(db)))
    }

    fn db(&self) -> &Database {
        self.0
            .as_ref()
            .expect("the engine is there until it is dropped")
    }

    /// Whether all pages have their checksums.
    fn verify(&mut self) -> Result<bool> {
        let db = self
            .0
            .as_mut()
            .expect("the engine is there until it is dropped");
        guarded(|| db.check_integrity().map_err(engine))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let db = self.0.take();
        let _ = guarded(|| {
            drop(db);
            Ok(())
        });
    }
}

/// Numbers about the engine's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// The number of the last commit.
    sequence: u64,
    /// The total length of all chunks.
    log_bytes: u64,
    /// The length of the snapshot's data.
    snapshot_bytes: u64,
}

impl DurableStorage {
    /// Opens the storage in a directory. If there is none, it is created, fresh. Everything in
    /// it is verified, which takes about a tenth of a second for 100 MiB.
    ///
    /// # Errors
    /// [`Error::Locked`] if another storage has the directory open, [`Error::Corrupt`] if
    /// something in it is damaged or missing, [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<DurableStorage> {
        DurableStorage::open_on(Box::new(Directory::open(path.as_ref())?))
    }

    /// What the last user of the storage left behind.
    pub fn recovery(&self) -> RecoveryReport {
        self.recovery
    }

    fn open_on(medium: Box<dyn Medium>) -> Result<DurableStorage> {
        let io = Error::io("opening the storage's files");
        medium.remove(NEW_DATABASE).map_err(&io)?;
        medium.remove(NEW_MARK).map_err(&io)?;
        let file = medium.open(DATABASE).map_err(&io)?;
        let mark = medium.open(MARK).map_err(&io)?;
        let mark = mark.map(MarkFile::open).transpose()?;
        let missing = |name| Error::Corrupt(format!("the file `{name}` is missing"));
        match (file, mark) {
            (Some(file), Some((mark_file, mark))) => recover(medium, file, mark_file, mark),
            (Some(_), None) => Err(missing(MARK)),
            // The mark is created first, and nothing is begun until the other file is there.
            (None, None | Some((_, Mark { begun: 0, .. }))) => create(medium),
            (None, Some(_)) => Err(missing(DATABASE)),
        }
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
        durable: bool,
        change: impl FnOnce(&WriteTransaction, &mut Counters) -> Result<()>,
    ) -> Result<()> {
        let disk = writer.commit(&state, durable, change);
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
        self.commit(writer, state, true, |_, _| Ok(()))
    }

    /// Copies what is live to a new file if that saves most of the space.
    fn reclaim(&self, writer: &mut Writer) -> Result<()> {
        let copied = writer.reclaim(&*self.medium, &self.view().disk);
        if let Some(disk) = writer.poison_on_error(copied)? {
            let state = self.view().state.clone();
            self.publish(
                writer,
                View {
                    state,
                    disk: Arc::new(disk),
                },
            );
        }
        Ok(())
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
        self.commit(&mut writer, staged.state, durable, |txn, counters| {
            if let Some(snapshot) = update.snapshot {
                txn.delete_table(LOG).map_err(engine)?;
                counters.log_bytes = 0;
                write_snapshot_data(txn, counters, &snapshot.data)?;
            }
            let mut log = txn.open_table(LOG).map_err(engine)?;
            if let Some(from) = staged.truncate_from {
                truncate(&mut log, counters, from)?;
            }
            for (first, chunk) in records::chunks(staged.entries) {
                counters.log_bytes += chunk.len() as u64;
                log.insert(first, chunk.as_slice()).map_err(engine)?;
            }
            Ok(())
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
            conf_state: ConfState::clone(&state.conf_state),
            data: data.clone(),
        };
        self.commit(&mut writer, state, true, |txn, counters| {
            write_snapshot_data(txn, counters, &data)
        })?;
        self.reclaim(&mut writer)?;
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
        self.commit(&mut writer, state, true, |txn, counters| {
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
            counters.log_bytes -= dropped;
            Ok(())
        })?;
        self.reclaim(&mut writer)
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
        self.commit(&mut writer, state, true, |txn, counters| {
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

impl Writer {
    fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    fn commit(
        &mut self,
        state: &LogState,
        durable: bool,
        change: impl FnOnce(&WriteTransaction, &mut Counters) -> Result<()>,
    ) -> Result<Disk> {
        let mut counters = self.counters;
        counters.sequence += 1;
        self.mark.begun = counters.sequence;
        self.mark_file.write(self.mark)?;
        let txn = guarded(|| {
            let mut txn = self.db.db().begin_write().map_err(engine)?;
            let durability = match durable {
                true => Durability::Immediate,
                false => Durability::None,
            };
            txn.set_durability(durability).map_err(engine)?;
            change(&txn, &mut counters)?;
            write_outline(&txn, Some(&self.stored), state, &counters)?;
            txn.commit().map_err(engine)?;
            self.db.db().begin_read().map_err(engine)
        })?;
        if durable {
            self.mark.synced = counters.sequence;
            self.mark_file.write(self.mark)?;
        }
        self.counters = counters;
        self.stored = state.clone();
        self.unsynced = !durable;
        Ok(self.disk(txn))
    }

    fn reclaim(&mut self, medium: &dyn Medium, current: &Disk) -> Result<Option<Disk>> {
        let io = Error::io("giving space back");
        let bytes = self.file.len().map_err(&io)?;
        let live = self.counters.log_bytes + self.counters.snapshot_bytes;
        if bytes <= 4 * live + SPARE_BYTES || bytes <= 2 * self.copied_bytes {
            return Ok(None);
        }
        let (file, db, txn) = match copy(medium, current) {
            Ok(copied) => copied,
            // No room for the copy, most likely. The storage itself is whole without it, and
            // the next compaction tries again.
            Err(Error::Io { .. }) => {
                return medium.remove(NEW_DATABASE).map_err(&io).map(|()| None);
            }
            Err(error) => return Err(error),
        };
        medium.rename(NEW_DATABASE, DATABASE).map_err(&io)?;
        self.copied_bytes = file.len().map_err(&io)?;
        self.db = Arc::new(db);
        self.file = file;
        Ok(Some(self.disk(txn)))
    }

    fn disk(&self, txn: ReadTransaction) -> Disk {
        Disk {
            txn,
            snapshot_bytes: self.counters.snapshot_bytes,
            _db: Arc::clone(&self.db),
        }
    }
}

/// Copies a commit to a new file.
fn copy(medium: &dyn Medium, from: &Disk) -> Result<(MediumFile, Engine, ReadTransaction)> {
    let io = Error::io("creating a file to copy the log to");
    let file = medium.create(NEW_DATABASE).map_err(io)?;
    let db = Engine::open(&file, &builder())?;
    let txn = guarded(|| {
        let to = db.db().begin_write().map_err(engine)?;
        from.copy_to(&to)?;
        to.commit().map_err(engine)?;
        db.db().begin_read().map_err(engine)
    })?;
    Ok((file, db, txn))
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Makes a fresh storage. It is complete once the database has its name, so that whatever a crash
/// leaves behind before that is made anew.
fn create(medium: Box<dyn Medium>) -> Result<DurableStorage> {
    let io = Error::io("creating the storage's files");
    let mark_file = MarkFile::create(medium.create(NEW_MARK).map_err(&io)?)?;
    medium.rename(NEW_MARK, MARK).map_err(&io)?;
    let file = medium.create(NEW_DATABASE).map_err(&io)?;
    let db = Engine::open(&file, &builder())?;
    guarded(|| {
        let txn = db.db().begin_write().map_err(engine)?;
        txn.open_table(LOG).map_err(engine)?;
        txn.open_table(DATA).map_err(engine)?;
        write_outline(&txn, None, &LogState::default(), &Counters::default())?;
        txn.commit().map_err(engine)
    })?;
    medium.rename(NEW_DATABASE, DATABASE).map_err(&io)?;
    let report = RecoveryReport::default();
    assemble(medium, db, file, mark_file, Mark::default(), report)
}

/// Opens a storage that is there, and verifies it.
fn recover(
    medium: Box<dyn Medium>,
    file: MediumFile,
    mark_file: MarkFile,
    mark: Mark,
) -> Result<DurableStorage> {
    if file
        .len()
        .map_err(Error::io("opening the storage's files"))?
        == 0
    {
        // The engine would take it for a new one.
        return Err(Error::Corrupt(format!("the file `{DATABASE}` is empty")));
    }
    let crashed = Arc::new(AtomicBool::new(false));
    let mut builder = builder();
    let seen = Arc::clone(&crashed);
    builder.set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
    let mut db = Engine::open(&file, &builder)?;
    let crashed = crashed.load(Ordering::Relaxed);
    // After a crash the engine has verified everything by itself.
    if !crashed && !db.verify()? {
        return Err(Error::Corrupt(
            "pages do not have their checksums".to_owned(),
        ));
    }
    let report = RecoveryReport {
        crashed,
        discarded_writes: 0,
    };
    assemble(medium, db, file, mark_file, mark, report)
}

/// Reads the outline, holds it against the mark, and puts the storage together.
fn assemble(
    medium: Box<dyn Medium>,
    db: Engine,
    file: MediumFile,
    mark_file: MarkFile,
    mark: Mark,
    mut recovery: RecoveryReport,
) -> Result<DurableStorage> {
    let (txn, state, counters) = guarded(|| {
        let txn = db.db().begin_read().map_err(engine)?;
        let (state, counters) = view::read_outline(&txn)?;
        Ok((txn, state, counters))
    })?;
    if counters.sequence < mark.synced {
        return Err(Error::Corrupt(format!(
            "write {} was synced, but the newest one that is whole is {}",
            mark.synced, counters.sequence
        )));
    }
    recovery.discarded_writes = mark.begun.saturating_sub(counters.sequence);
    let db = Arc::new(db);
    let mut writer = Writer {
        db,
        file,
        mark_file,
        mark: Mark {
            begun: counters.sequence,
            synced: counters.sequence,
        },
        counters,
        stored: state.clone(),
        unsynced: false,
        retired: Vec::new(),
        copied_bytes: 0,
        poisoned: None,
    };
    writer.mark_file.write(writer.mark)?;
    let disk = writer.disk(txn);
    let view = View {
        state,
        disk: Arc::new(disk),
    };
    Ok(DurableStorage {
        view: RwLock::new(Arc::new(view)),
        writer: Mutex::new(writer),
        recovery,
        medium,
    })
}

/// Writes what differs between two outlines, all of it if there is no old one.
fn write_outline(
    txn: &WriteTransaction,
    old: Option<&LogState>,
    new: &LogState,
    counters: &Counters,
) -> Result<()> {
    let mut meta = txn.open_table(META).map_err(engine)?;
    if old.is_none() {
        meta.insert("version", numbers([VERSION]).as_slice())
            .map_err(engine)?;
    }
    let row = numbers([
        counters.sequence,
        counters.log_bytes,
        counters.snapshot_bytes,
        new.compacted.index,
        new.compacted.term,
        new.last_index,
    ]);
    meta.insert("counters", row.as_slice()).map_err(engine)?;
    if old.is_none_or(|old| old.hard_state != new.hard_state) {
        let row = codec::encode_hard_state(&new.hard_state);
        meta.insert("hard_state", row.as_slice()).map_err(engine)?;
    }
    let snapshot_changed =
        |old: &LogState| old.snapshot_id != new.snapshot_id || old.conf_state != new.conf_state;
    if old.is_none_or(snapshot_changed) {
        let row = codec::encode_snapshot(&Snapshot {
            id: new.snapshot_id,
            conf_state: ConfState::clone(&new.conf_state),
            data: Bytes::new(),
        });
        meta.insert("snapshot", row.as_slice()).map_err(engine)?;
    }
    if old.is_none_or(|old| !Arc::ptr_eq(&old.term_runs, &new.term_runs)) {
        let runs = new
            .term_runs
            .iter()
            .flat_map(|run| [run.first_index, run.term]);
        let mut outline = txn.open_table(OUTLINE).map_err(engine)?;
        outline
            .insert("term_runs", numbers(runs).as_slice())
            .map_err(engine)?;
    }
    if old.is_none_or(|old| !Arc::ptr_eq(&old.conf_changes, &new.conf_changes)) {
        let row = numbers(new.conf_changes.iter().copied());
        let mut outline = txn.open_table(OUTLINE).map_err(engine)?;
        outline
            .insert("conf_changes", row.as_slice())
            .map_err(engine)?;
    }
    Ok(())
}

fn write_snapshot_data(txn: &WriteTransaction, counters: &mut Counters, data: &[u8]) -> Result<()> {
    txn.delete_table(DATA).map_err(engine)?;
    let mut table = txn.open_table(DATA).map_err(engine)?;
    for (number, part) in (0..).zip(data.chunks(PART_BYTES)) {
        let mut row = table
            .insert_reserve(number, 4 + part.len())
            .map_err(engine)?;
        let (checksum, bytes) = row.as_mut().split_at_mut(4);
        checksum.copy_from_slice(&crc32fast::hash(part).to_le_bytes());
        bytes.copy_from_slice(part);
    }
    counters.snapshot_bytes = data.len() as u64;
    Ok(())
}

/// Drops the entries from `from` on, which is in the log.
fn truncate(
    log: &mut redb::Table<'_, u64, &'static [u8]>,
    counters: &mut Counters,
    from: Index,
) -> Result<()> {
    let first = chunk_of(log, from)?;
    let mut dropped = 0;
    let drop_all = |_: u64, chunk: &[u8]| {
        dropped += chunk.len() as u64;
        false
    };
    // The engine allows no change while a row is being looked at.
    let kept = {
        let chunk = log
            .get(first)
            .map_err(engine)?
            .ok_or_else(|| missing(from))?;
        let chunk = chunk.value();
        chunk[..records::prefix_len(chunk, from - first)?].to_vec()
    };
    log.retain_in(first.., drop_all).map_err(engine)?;
    counters.log_bytes -= dropped;
    if !kept.is_empty() {
        counters.log_bytes += kept.len() as u64;
        log.insert(first, kept.as_slice()).map_err(engine)?;
    }
    Ok(())
}

/// The first index of the chunk that has the entry `index`, which is in the log.
fn chunk_of(log: &impl ReadableTable<u64, &'static [u8]>, index: Index) -> Result<Index> {
    let chunk = log.range(..=index).map_err(engine)?.next_back();
    let (first, _) = chunk.ok_or_else(|| missing(index))?.map_err(engine)?;
    Ok(first.value())
}

fn missing(index: Index) -> Error {
    Error::Corrupt(format!("entry {index} is missing"))
}

fn numbers(list: impl IntoIterator<Item = u64>) -> Vec<u8> {
    list.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// An error of the engine as one of ours.
fn engine(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(source) => Error::Io {
            doing: "reading or writing the storage's files",
            source,
        },
        redb::Error::PreviousIo => Error::Poisoned("an earlier I/O error".to_owned()),
        redb::Error::ValueTooLarge(bytes) => {
            Error::Invalid(format!("{bytes} bytes are more than the engine can store"))
        }
        other => Error::Corrupt(other.to_string()),
    }
}

/// Runs the engine, which may panic when it meets a damaged page.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the work has half done stays behind this call: a transaction that is dropped has no
    // effect, and a writer refuses to go on after an error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(Error::Corrupt(format!("the engine gave up: {text}")))
    })
}

#[cfg(test)]
mod tests;
