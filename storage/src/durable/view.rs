//! What readers see: the state as of one commit, whole, whatever is written meanwhile.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libraft_core::{Entry, EntryId, Index, Snapshot, codec};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{
    engine::{Engine, engine, guarded},
    records,
    tables::{DATA, LOG, META, OUTLINE, chunk_of, missing},
};
use crate::{
    error::{Error, Result},
    state::LogState,
};

/// One state of the storage.
pub(super) struct View {
    pub state: LogState,
    pub disk: Arc<Disk>,
}

/// One commit of the engine.
pub(super) struct Disk {
    /// Before the database, so that it is dropped first.
    pub txn: ReadTransaction,
    pub snapshot_bytes: u64,
    /// Open for as long as somebody reads from it, even if the writer has another one by now.
    pub _db: Arc<Engine>,
}

impl View {
    pub fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        self.state.check_range(low, high)?;
        if low == high {
            return Ok(Vec::new());
        }
        guarded(|| self.read_entries(low, high, max_bytes))
    }

    fn read_entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        let log = self.disk.txn.open_table(LOG).map_err(engine)?;
        let mut entries = Vec::new();
        let (mut next, mut bytes) = (low, 0);
        for chunk in log.range(chunk_of(&log, low)?..high).map_err(engine)? {
            let (first, chunk) = chunk.map_err(engine)?;
            let (first, chunk) = (first.value(), chunk.value());
            // Only the first chunk may begin before what is wanted.
            if first != next && !(entries.is_empty() && first < next) {
                return Err(missing(next));
            }
            let skipped = records::prefix_len(chunk, next - first)?;
            let chunk = Bytes::copy_from_slice(&chunk[skipped..]);
            let mut at = 0;
            while next < high {
                let Some((encoded, end)) = records::record(&chunk, at)? else {
                    break;
                };
                bytes += encoded.len() as u64;
                if bytes > max_bytes && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(self.decode(next, encoded)?);
                (next, at) = (next + 1, end);
            }
        }
        match next == high {
            true => Ok(entries),
            false => Err(missing(next)),
        }
    }

    fn decode(&self, index: Index, encoded: Bytes) -> Result<Entry> {
        let entry = codec::decode_entry(encoded)
            .map_err(|error| Error::Corrupt(format!("entry {index}: {error}")))?;
        let expected = EntryId {
            index,
            term: self.state.term(index)?,
        };
        if entry.id() != expected {
            return Err(Error::Corrupt(format!(
                "entry {} of term {} is where entry {} of term {} should be",
                entry.index, entry.term, expected.index, expected.term
            )));
        }
        Ok(entry)
    }

    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot {
            id: self.state.snapshot_id,
            conf_state: self.state.conf_state.to_conf_state(),
            data: guarded(|| self.disk.snapshot_data())?,
        })
    }
}

impl Disk {
    fn snapshot_data(&self) -> Result<Bytes> {
        let damaged = || Error::Corrupt("the snapshot's data is not as it was written".to_owned());
        let table = self.txn.open_table(DATA).map_err(engine)?;
        let mut data = BytesMut::with_capacity(self.snapshot_bytes as usize);
        for (number, row) in (0..).zip(table.range::<u32>(..).map_err(engine)?) {
            let (key, row) = row.map_err(engine)?;
            let (checksum, part) = row.value().split_at_checked(4).ok_or_else(damaged)?;
            if key.value() != number || checksum != crc32fast::hash(part).to_le_bytes() {
                return Err(damaged());
            }
            data.extend_from_slice(part);
        }
        match data.len() as u64 == self.snapshot_bytes {
            true => Ok(data.freeze()),
            false => Err(damaged()),
        }
    }

    /// Copies everything to an empty database.
    pub fn copy_to(&self, to: &WriteTransaction) -> Result<()> {
        copy_table(&self.txn, to, META)?;
        copy_table(&self.txn, to, OUTLINE)?;
        copy_table(&self.txn, to, LOG)?;
        copy_table(&self.txn, to, DATA)
    }
}

fn copy_table<K: redb::Key + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<K, &'static [u8]>,
) -> Result<()> {
    let from = from.open_table(table).map_err(engine)?;
    let mut to = to.open_table(table).map_err(engine)?;
    for row in from.iter().map_err(engine)? {
        let (key, value) = row.map_err(engine)?;
        to.insert(key.value(), value.value()).map_err(engine)?;
    }
    Ok(())
}
