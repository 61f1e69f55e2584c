//! The engine's tables, and what is written to them and read from them.
//!
//! All functions work within somebody else's transaction.

use bytes::Bytes;
use libraft_core::{EntryId, Index, Snapshot, TermRun, codec};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{engine::engine, records};
use crate::{
    error::{Error, Result},
    state::LogState,
};

/// The version of the format; another one is refused.
pub(super) const VERSION: u64 = 2;

/// What changes with nearly every write: "version", "counters", "hard_state", and "snapshot"
/// without its data. Also "journal", the key of the journal's records.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// The parts of the outline that seldom change: "term_runs", "conf_changes".
pub(super) const OUTLINE: TableDefinition<&str, &[u8]> = TableDefinition::new("outline");
/// Chunks of entries, by the index of the first.
pub(super) const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// The snapshot's data in parts, each with its checksum in front.
pub(super) const DATA: TableDefinition<u32, &[u8]> = TableDefinition::new("snapshot");

/// A part of a snapshot; just below a power of two, as [`records::CHUNK_BYTES`].
pub(super) const PART_BYTES: usize = (1 << 20) - 4096;

/// Makes the tables of a new storage.
pub(super) fn create_tables(txn: &WriteTransaction, journal_key: u64) -> Result<()> {
    txn.open_table(LOG).map_err(engine)?;
    txn.open_table(DATA).map_err(engine)?;
    let mut meta = txn.open_table(META).map_err(engine)?;
    for (key, number) in [("version", VERSION), ("journal", journal_key)] {
        meta.insert(key, numbers([number]).as_slice())
            .map_err(engine)?;
    }
    drop(meta);
    write_outline(txn, None, &LogState::default(), &Counters::default())
}

/// Numbers about the engine's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// The number of the last commit.
    pub sequence: u64,
    /// The total length of all chunks.
    pub log_bytes: u64,
    /// The length of the snapshot's data.
    pub snapshot_bytes: u64,
}

impl Counters {
    /// Chunks of so many bytes are gone.
    pub fn drop_log_bytes(&mut self, dropped: u64) -> Result<()> {
        let left = self.log_bytes.checked_sub(dropped);
        self.log_bytes = left.ok_or_else(|| unreadable("counters"))?;
        Ok(())
    }
}

/// Writes what differs between two outlines, all of it if there is no old one.
pub(super) fn write_outline(
    txn: &WriteTransaction,
    old: Option<&LogState>,
    new: &LogState,
    counters: &Counters,
) -> Result<()> {
    let mut meta = txn.open_table(META).map_err(engine)?;
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
            conf_state: new.conf_state.to_conf_state(),
            data: Bytes::new(),
        });
        meta.insert("snapshot", row.as_slice()).map_err(engine)?;
    }
    if old.is_none_or(|old| !old.term_runs.is_same(&new.term_runs)) {
        let runs = new
            .term_runs
            .iter()
            .flat_map(|run| [run.first_index, run.term]);
        let mut outline = txn.open_table(OUTLINE).map_err(engine)?;
        outline
            .insert("term_runs", numbers(runs).as_slice())
            .map_err(engine)?;
    }
    if old.is_none_or(|old| !old.conf_changes.is_same(&new.conf_changes)) {
        let row = numbers(new.conf_changes.iter().copied());
        let mut outline = txn.open_table(OUTLINE).map_err(engine)?;
        outline
            .insert("conf_changes", row.as_slice())
            .map_err(engine)?;
    }
    Ok(())
}

/// Appends chunks of entries, after dropping what is stored from an index on.
pub(super) fn append(
    txn: &WriteTransaction,
    counters: &mut Counters,
    truncate_from: Option<Index>,
    chunks: impl IntoIterator<Item = (Index, impl AsRef<[u8]>)>,
) -> Result<()> {
    let mut log = txn.open_table(LOG).map_err(engine)?;
    if let Some(from) = truncate_from {
        truncate(&mut log, counters, from)?;
    }
    for (first, chunk) in chunks {
        let chunk = chunk.as_ref();
        counters.log_bytes += chunk.len() as u64;
        log.insert(first, chunk).map_err(engine)?;
    }
    Ok(())
}

pub(super) fn write_snapshot_data(
    txn: &WriteTransaction,
    counters: &mut Counters,
    data: &[u8],
) -> Result<()> {
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
    log: &mut Table<'_, u64, &'static [u8]>,
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
    counters.drop_log_bytes(dropped)?;
    if !kept.is_empty() {
        counters.log_bytes += kept.len() as u64;
        log.insert(first, kept.as_slice()).map_err(engine)?;
    }
    Ok(())
}

/// The first index of the chunk that has the entry `index`, which is in the log.
pub(super) fn chunk_of(
    log: &impl ReadableTable<u64, &'static [u8]>,
    index: Index,
) -> Result<Index> {
    let chunk = log.range(..=index).map_err(engine)?.next_back();
    let (first, _) = chunk.ok_or_else(|| missing(index))?.map_err(engine)?;
    Ok(first.value())
}

pub(super) fn missing(index: Index) -> Error {
    Error::Corrupt(format!("entry {index} is missing"))
}

fn numbers(list: impl IntoIterator<Item = u64>) -> Vec<u8> {
    list.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// The outline as it is stored, and the journal's key.
pub(super) fn read_outline(txn: &ReadTransaction) -> Result<(LogState, Counters, u64)> {
    let meta = txn.open_table(META).map_err(engine)?;
    let outline = txn.open_table(OUTLINE).map_err(engine)?;
    let version = read_numbers(&row(&meta, "version")?)?;
    if version != [VERSION] {
        return Err(Error::Corrupt(format!(
            "its format has version {version:?}, this program knows {VERSION}"
        )));
    }
    let [journal_key] = read_numbers(&row(&meta, "journal")?)?
        .try_into()
        .map_err(|_| unreadable("journal"))?;
    let list = read_numbers(&row(&meta, "counters")?)?;
    let [sequence, log_bytes, snapshot_bytes, index, term, last_index] =
        list.try_into().map_err(|_| unreadable("counters"))?;
    let hard_state = codec::decode_hard_state(&row(&meta, "hard_state")?)
        .map_err(|_| unreadable("hard_state"))?;
    let snapshot = codec::decode_snapshot(row(&meta, "snapshot")?.into())
        .map_err(|_| unreadable("snapshot"))?;
    let term_runs: Vec<TermRun> = read_numbers(&row(&outline, "term_runs")?)?
        .chunks_exact(2)
        .map(|run| TermRun {
            first_index: run[0],
            term: run[1],
        })
        .collect();
    let state = LogState {
        hard_state,
        snapshot_id: snapshot.id,
        conf_state: snapshot.conf_state.into(),
        compacted: EntryId { term, index },
        last_index,
        term_runs: term_runs.into(),
        conf_changes: read_numbers(&row(&outline, "conf_changes")?)?.into(),
    };
    let counters = Counters {
        sequence,
        log_bytes,
        snapshot_bytes,
    };
    Ok((state, counters, journal_key))
}

fn row(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<Vec<u8>> {
    let row = table.get(key).map_err(engine)?;
    Ok(row.ok_or_else(|| unreadable(key))?.value().to_vec())
}

fn read_numbers(row: &[u8]) -> Result<Vec<u64>> {
    let (numbers, rest) = row.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(unreadable("a list of numbers"));
    }
    Ok(numbers
        .iter()
        .map(|number| u64::from_le_bytes(*number))
        .collect())
}

fn unreadable(what: &str) -> Error {
    Error::Corrupt(format!("{what} can't be read"))
}
