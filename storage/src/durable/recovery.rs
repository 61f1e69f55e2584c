//! Opening: a storage is made, or the one that is there is verified and held against its mark.

use std::sync::{
    Arc, Mutex, RwLock,
    atomic::{AtomicBool, Ordering},
};

use libraft_core::MAX_POSITION;
use redb::{ReadableDatabase, StorageBackend};

use super::{
    DurableStorage,
    engine::{Engine, Sizes, builder, engine, guarded},
    mark::{Mark, MarkFile},
    medium::{Medium, MediumFile},
    tables::{Counters, DATA, LOG, read_outline, write_outline},
    view::View,
    watch::{rewrite, watched},
    writer::Writer,
};
use crate::{
    error::{Error, Result},
    state::LogState,
};

pub(super) const DATABASE: &str = "raft.redb";
pub(super) const NEW_DATABASE: &str = "raft.redb.new";
pub(super) const MARK: &str = "mark";
pub(super) const NEW_MARK: &str = "mark.new";

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

/// Opens the storage on a medium, or makes one if there is none.
pub(super) fn open_on(medium: Box<dyn Medium>, sizes: Sizes) -> Result<DurableStorage> {
    let io = Error::io("opening the storage's files");
    medium.remove(NEW_DATABASE).map_err(&io)?;
    medium.remove(NEW_MARK).map_err(&io)?;
    // The last user may have ended, or failed, between giving a file its name and syncing that.
    medium.sync_names().map_err(&io)?;
    let file = medium.open(DATABASE).map_err(&io)?;
    let mark = medium.open(MARK).map_err(&io)?;
    let mark = mark.map(MarkFile::open).transpose()?;
    let missing = |name| Error::Corrupt(format!("the file `{name}` is missing"));
    match (file, mark) {
        (Some(file), Some((mark_file, mark))) => recover(medium, sizes, file, mark_file, mark),
        (Some(_), None) => Err(missing(MARK)),
        // The mark is created first, and nothing is begun until the other file is there.
        (None, None | Some((_, Mark { begun: 0, .. }))) => create(medium, sizes),
        (None, Some(_)) => Err(missing(DATABASE)),
    }
}

/// Makes a fresh storage. It is complete once the database has its name, so that whatever a crash
/// leaves behind before that is made anew.
fn create(medium: Box<dyn Medium>, sizes: Sizes) -> Result<DurableStorage> {
    let io = Error::io("creating the storage's files");
    let mark_file = MarkFile::create(medium.create(NEW_MARK).map_err(&io)?)?;
    medium.rename(NEW_MARK, MARK).map_err(&io)?;
    medium.sync_names().map_err(&io)?;
    let file = watched(medium.create(NEW_DATABASE).map_err(&io)?, &mark_file);
    let db = Engine::open(&file, &builder(sizes))?;
    guarded(|| {
        let txn = db.db().begin_write().map_err(engine)?;
        txn.open_table(LOG).map_err(engine)?;
        txn.open_table(DATA).map_err(engine)?;
        write_outline(&txn, None, &LogState::default(), &Counters::default())?;
        txn.commit().map_err(engine)
    })?;
    medium.rename(NEW_DATABASE, DATABASE).map_err(&io)?;
    medium.sync_names().map_err(&io)?;
    let report = RecoveryReport::default();
    assemble(medium, sizes, db, file, mark_file, Mark::default(), report)
}

/// Opens a storage that is there, and verifies it.
fn recover(
    medium: Box<dyn Medium>,
    sizes: Sizes,
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
    if mark.suspect {
        rewrite(&file).map_err(Error::io(
            "writing once more what a failed sync may have lost",
        ))?;
    }
    let file = watched(file, &mark_file);
    let crashed = Arc::new(AtomicBool::new(false));
    let mut builder = builder(sizes);
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
    assemble(medium, sizes, db, file, mark_file, mark, report)
}

/// Reads the outline, holds it against the mark, and puts the storage together.
fn assemble(
    medium: Box<dyn Medium>,
    sizes: Sizes,
    db: Engine,
    file: MediumFile,
    mark_file: MarkFile,
    mark: Mark,
    mut recovery: RecoveryReport,
) -> Result<DurableStorage> {
    let (txn, state, counters) = guarded(|| {
        let txn = db.db().begin_read().map_err(engine)?;
        let (state, counters) = read_outline(&txn)?;
        Ok((txn, state, counters))
    })?;
    state
        .check()
        .map_err(|what| Error::Corrupt(format!("its outline contradicts itself: {what}")))?;
    let bytes = file
        .len()
        .map_err(Error::io("opening the storage's files"))?;
    let counted = counters.log_bytes.checked_add(counters.snapshot_bytes);
    if counted.is_none_or(|counted| counted > bytes) || counters.sequence > MAX_POSITION {
        return Err(Error::Corrupt(
            "its counters can't have come about".to_owned(),
        ));
    }
    if counters.sequence < mark.synced {
        return Err(Error::Corrupt(format!(
            "write {} was synced, but the newest one that is whole is {}",
            mark.synced, counters.sequence
        )));
    }
    recovery.discarded_writes = mark.begun.saturating_sub(counters.sequence);
    let db = Arc::new(db);
    let writer = Writer {
        db,
        file,
        mark_file,
        mark: Mark {
            begun: counters.sequence,
            synced: counters.sequence,
            suspect: false,
        },
        counters,
        stored: state.clone(),
        unsynced: false,
        retired: Vec::new(),
        copied_bytes: 0,
        sizes,
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
