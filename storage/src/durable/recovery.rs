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
    journal::{Journal, Left, allocate, new_key, was_used},
    mark::{Mark, MarkFile},
    medium::{Medium, MediumFile},
    records,
    tables::{Counters, append, create_tables, read_outline, write_outline},
    view::View,
    watch::{rewrite, watched},
    writer::Writer,
};
use crate::{
    error::{Error, Result},
    state::LogState,
    storage::Update,
};

pub(super) const DATABASE: &str = "raft.redb";
pub(super) const NEW_DATABASE: &str = "raft.redb.new";
pub(super) const MARK: &str = "mark";
pub(super) const NEW_MARK: &str = "mark.new";
pub(super) const JOURNAL: &str = "journal";
pub(super) const NEW_JOURNAL: &str = "journal.new";

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

/// What a storage is made of.
struct Parts {
    medium: Box<dyn Medium>,
    sizes: Sizes,
    file: MediumFile,
    journal: MediumFile,
    mark_file: MarkFile,
    mark: Mark,
}

/// Opens the storage on a medium, or makes one if there is none.
pub(super) fn open_on(medium: Box<dyn Medium>, sizes: Sizes) -> Result<DurableStorage> {
    let io = Error::io("opening the storage's files");
    for new in [NEW_DATABASE, NEW_MARK, NEW_JOURNAL] {
        medium.remove(new).map_err(&io)?;
    }
    // The last user may have ended, or failed, between giving a file its name and syncing that.
    medium.sync_names().map_err(&io)?;
    let file = medium.open(DATABASE).map_err(&io)?;
    let journal = medium.open(JOURNAL).map_err(&io)?;
    let mark = medium.open(MARK).map_err(&io)?;
    let mark = mark.map(MarkFile::open).transpose()?;
    let missing = |name| Error::Corrupt(format!("the file `{name}` is missing"));
    match (file, mark) {
        (Some(file), Some((mark_file, mark))) => recover(Parts {
            medium,
            sizes,
            file,
            journal: journal.ok_or_else(|| missing(JOURNAL))?,
            mark_file,
            mark,
        }),
        (Some(_), None) => Err(missing(MARK)),
        // The other files are created first, and nothing is begun until this one is there.
        (None, None | Some((_, Mark { begun: 0, .. }))) => {
            match journal.as_ref().map(was_used).transpose()? {
                Some(true) => Err(missing(DATABASE)),
                _ => create(medium, sizes),
            }
        }
        (None, Some(_)) => Err(missing(DATABASE)),
    }
}

/// Makes a fresh storage. It is complete once the database has its name, so that whatever a crash
/// leaves behind before that is made anew.
fn create(medium: Box<dyn Medium>, sizes: Sizes) -> Result<DurableStorage> {
    let io = Error::io("creating the storage's files");
    let take_name = |new, name| {
        medium.rename(new, name).map_err(&io)?;
        medium.sync_names().map_err(&io)
    };
    let mark_file = MarkFile::create(medium.create(NEW_MARK).map_err(&io)?)?;
    take_name(NEW_MARK, MARK)?;
    let journal = medium.create(NEW_JOURNAL).map_err(&io)?;
    let journal_key = new_key();
    allocate(&journal, journal_key, sizes.journal_bytes)?;
    take_name(NEW_JOURNAL, JOURNAL)?;
    let file = watched(medium.create(NEW_DATABASE).map_err(&io)?, &mark_file);
    let db = Engine::open(&file, &builder(sizes))?;
    guarded(|| {
        let txn = db.db().begin_write().map_err(engine)?;
        create_tables(&txn, journal_key)?;
        txn.commit().map_err(engine)
    })?;
    take_name(NEW_DATABASE, DATABASE)?;
    let parts = Parts {
        medium,
        sizes,
        file,
        journal,
        mark_file,
        mark: Mark::default(),
    };
    assemble(parts, db, RecoveryReport::default())
}

/// Opens a storage that is there, and verifies it.
fn recover(mut parts: Parts) -> Result<DurableStorage> {
    let file = &parts.file;
    if file
        .len()
        .map_err(Error::io("opening the storage's files"))?
        == 0
    {
        // The engine would take it for a new one.
        return Err(Error::Corrupt(format!("the file `{DATABASE}` is empty")));
    }
    if parts.mark.suspect {
        rewrite(file).map_err(Error::io(
            "writing once more what a failed sync may have lost",
        ))?;
    }
    parts.file = watched(file.clone(), &parts.mark_file);
    let crashed = Arc::new(AtomicBool::new(false));
    let mut builder = builder(parts.sizes);
    let seen = Arc::clone(&crashed);
    builder.set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
    let mut db = Engine::open(&parts.file, &builder)?;
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
    assemble(parts, db, report)
}

/// Reads the outline, replays the journal, holds both against the mark, and puts the storage
/// together.
fn assemble(parts: Parts, db: Engine, mut recovery: RecoveryReport) -> Result<DurableStorage> {
    let Parts {
        medium,
        sizes,
        file,
        journal,
        mark_file,
        mark,
    } = parts;
    let (mut txn, mut state, mut counters, journal_key) = guarded(|| {
        let txn = db.db().begin_read().map_err(engine)?;
        let (state, counters, journal_key) = read_outline(&txn)?;
        Ok((txn, state, counters, journal_key))
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
    let mut journal = Journal::open(journal, journal_key)?;
    let left = journal.read(counters.sequence)?;
    let newest = counters.sequence + left.writes.len() as u64;
    let synced = mark.synced.max(left.synced);
    if newest < synced {
        return Err(Error::Corrupt(format!(
            "write {synced} was synced, but the newest one that is whole is {newest}"
        )));
    }
    recovery.discarded_writes = mark.begun.max(left.begun).saturating_sub(newest);
    if !left.writes.is_empty() || left.begun > newest {
        // It is shown only once it is sure to stay.
        (state, counters) = guarded(|| replay(&db, state, counters, &left))?;
        txn = guarded(|| db.db().begin_read().map_err(engine))?;
        journal.restart(counters.sequence);
    }
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
        journal,
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

/// Gives the engine what the journal has, in one synced commit.
fn replay(
    db: &Engine,
    before: LogState,
    mut counters: Counters,
    left: &Left,
) -> Result<(LogState, Counters)> {
    let txn = db.db().begin_write().map_err(engine)?;
    let mut state = before.clone();
    for (hard_state, entries) in &left.writes {
        let staged = state.stage(&Update {
            hard_state: Some(*hard_state),
            entries,
            ..Update::default()
        });
        let staged = staged.map_err(|error| {
            let number = counters.sequence + 1;
            Error::Corrupt(format!("write {number}, from the journal: {error}"))
        })?;
        let chunks = records::chunks(&staged.entries);
        append(&txn, &mut counters, staged.truncate_from, chunks)?;
        counters.sequence += 1;
        state = staged.state;
    }
    if left.begun > counters.sequence {
        // A number of its own, so that what was cut off is of an older base, and is reported once.
        counters.sequence += 1;
    }
    write_outline(&txn, Some(&before), &state, &counters)?;
    txn.commit().map_err(engine)?;
    Ok((state, counters))
}
