//! The candidates behind one small interface, each set up as a Raft log would use it.

use std::{
    error::Error,
    fs::{self, File, OpenOptions},
    io::{BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

/// The candidates' names, in the order of the table.
pub const NAMES: [&str; 5] = ["file", "fjall", "redb", "raft-engine", "DurableStorage"];

type Any = Box<dyn Error>;

/// What a Raft log asks of its home. Entries are the same payload `count` times, with
/// consecutive indexes from `first`.
pub trait Engine {
    /// Writes the entries at once; with `sync` they survive a power cut on return.
    fn append(&mut self, first: u64, count: u64, payload: &[u8], sync: bool);
    /// One entry's payload, None if the engine says that it has no such entry.
    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any>;
}

/// Opens an engine that is expected to open.
pub fn open(name: &str, dir: &Path) -> Box<dyn Engine> {
    try_open(name, dir).unwrap()
}

/// Opens or creates an engine in a directory.
pub fn try_open(name: &str, dir: &Path) -> Result<Box<dyn Engine>, Any> {
    fs::create_dir_all(dir)?;
    Ok(match name {
        "file" => Box::new(BareFile::open(dir)?),
        "fjall" => Box::new(Fjall::open(dir)?),
        "redb" => Box::new(Redb::open(dir)?),
        "raft-engine" => Box::new(RaftEngine::open(dir)?),
        "DurableStorage" => Box::new(Durable::open(dir)?),
        other => panic!("no engine is called {other}"),
    })
}

/// The yardstick: length, checksum and payload, appended to one file, fdatasync. At
/// opening every checksum is verified and the position of each entry is kept.
struct BareFile {
    file: File,
    positions: Vec<u64>,
    end: u64,
    buffer: Vec<u8>,
}

impl BareFile {
    fn open(dir: &Path) -> Result<Self, Any> {
        let path = dir.join("log");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let (mut positions, mut end) = (Vec::new(), 0);
        let size = file.metadata()?.len();
        let mut record = Vec::new();
        while end < size {
            let mut head = [0; 8];
            reader.read_exact(&mut head)?;
            let len = u32::from_le_bytes(head[..4].try_into()?);
            if u64::from(len) > size - end - 8 {
                return Err("record goes past the end".into());
            }
            record.resize(len as usize, 0);
            reader.read_exact(&mut record)?;
            if crc32fast::hash(&record) != u32::from_le_bytes(head[4..].try_into()?) {
                return Err("checksum".into());
            }
            positions.push(end);
            end += 8 + u64::from(len);
        }
        Ok(Self {
            file,
            positions,
            end,
            buffer: Vec::new(),
        })
    }
}

impl Engine for BareFile {
    fn append(&mut self, _first: u64, count: u64, payload: &[u8], sync: bool) {
        self.buffer.clear();
        for _ in 0..count {
            self.positions.push(self.end);
            self.buffer
                .extend_from_slice(&(payload.len() as u32).to_le_bytes());
            self.buffer
                .extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
            self.buffer.extend_from_slice(payload);
            self.end += 8 + payload.len() as u64;
        }
        self.file.write_all(&self.buffer).unwrap();
        if sync {
            self.file.sync_data().unwrap();
        }
    }

    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any> {
        let Some(&position) = self.positions.get(index as usize - 1) else {
            return Ok(None);
        };
        let mut head = [0; 8];
        self.file.read_exact_at(&mut head, position)?;
        let mut payload = vec![0; u32::from_le_bytes(head[..4].try_into()?) as usize];
        self.file.read_exact_at(&mut payload, position + 8)?;
        Ok(Some(payload))
    }
}

/// A log-structured merge tree: keys are big-endian indexes, one batch for each append,
/// the journal synced with fdatasync.
struct Fjall {
    db: fjall::Database,
    log: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Self, Any> {
        let db = fjall::Database::builder(dir).open()?;
        let log = db.keyspace("log", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { db, log })
    }
}

impl Engine for Fjall {
    fn append(&mut self, first: u64, count: u64, payload: &[u8], sync: bool) {
        let mode = if sync {
            fjall::PersistMode::SyncData
        } else {
            fjall::PersistMode::Buffer
        };
        let mut batch = self.db.batch().durability(Some(mode));
        for index in first..first + count {
            batch.insert(&self.log, index.to_be_bytes(), payload);
        }
        batch.commit().unwrap();
    }

    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any> {
        Ok(self.log.get(index.to_be_bytes())?.map(|v| v.to_vec()))
    }
}

const TABLE: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("log");

/// A copy-on-write B-tree in one file, one transaction for each append.
struct Redb {
    db: redb::Database,
}

impl Redb {
    fn open(dir: &Path) -> Result<Self, Any> {
        Ok(Self {
            db: redb::Database::create(dir.join("log.redb"))?,
        })
    }
}

impl Engine for Redb {
    fn append(&mut self, first: u64, count: u64, payload: &[u8], sync: bool) {
        let mut txn = self.db.begin_write().unwrap();
        let durability = if sync {
            redb::Durability::Immediate
        } else {
            redb::Durability::None
        };
        txn.set_durability(durability).unwrap();
        {
            let mut table = txn.open_table(TABLE).unwrap();
            for index in first..first + count {
                table.insert(index, payload).unwrap();
            }
        }
        txn.commit().unwrap();
    }

    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any> {
        use redb::ReadableDatabase;
        let table = self.db.begin_read()?.open_table(TABLE)?;
        Ok(table.get(index)?.map(|v| v.value().to_vec()))
    }
}

/// A log made for many Raft groups; here it serves one.
struct RaftEngine {
    engine: raft_engine::Engine,
}

/// raft-engine wants its entries to be protobuf messages of the 2.x runtime, and asks a
/// function for their index. The well-known `Any` has room for both.
struct AnyEntry;

impl raft_engine::MessageExt for AnyEntry {
    type Entry = protobuf::well_known_types::Any;
    fn index(entry: &Self::Entry) -> u64 {
        entry.type_url.parse().unwrap()
    }
}

const GROUP: u64 = 1;

impl RaftEngine {
    fn open(dir: &Path) -> Result<Self, Any> {
        let config = raft_engine::Config {
            dir: dir.to_str().unwrap().into(),
            batch_compression_threshold: raft_engine::ReadableSize(0),
            ..Default::default()
        };
        Ok(Self {
            engine: raft_engine::Engine::open(config)?,
        })
    }
}

impl Engine for RaftEngine {
    fn append(&mut self, first: u64, count: u64, payload: &[u8], sync: bool) {
        let entries: Vec<_> = (first..first + count)
            .map(|index| protobuf::well_known_types::Any {
                type_url: index.to_string(),
                value: payload.to_vec(),
                ..Default::default()
            })
            .collect();
        let mut batch = raft_engine::LogBatch::default();
        batch.add_entries::<AnyEntry>(GROUP, &entries).unwrap();
        self.engine.write(&mut batch, sync).unwrap();
    }

    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any> {
        Ok(self
            .engine
            .get_entry::<AnyEntry>(GROUP, index)?
            .map(|e| e.value))
    }
}

/// What was built on the engine that was chosen.
struct Durable {
    storage: libraft_storage::DurableStorage,
}

impl Durable {
    fn open(dir: &Path) -> Result<Self, Any> {
        Ok(Self {
            storage: libraft_storage::DurableStorage::open(dir)?,
        })
    }
}

impl Engine for Durable {
    fn append(&mut self, first: u64, count: u64, payload: &[u8], sync: bool) {
        use libraft_storage::Storage;
        let payload = bytes::Bytes::copy_from_slice(payload);
        let entries: libraft_core::Entries = (first..first + count)
            .map(|index| libraft_core::Entry {
                term: 1,
                index,
                data: payload.clone(),
                ..Default::default()
            })
            .collect();
        let update = libraft_storage::Update {
            hard_state: Some(libraft_core::HardState {
                term: 1,
                vote: 1,
                commit: first - 1,
            }),
            entries: &entries,
            must_sync: sync,
            ..Default::default()
        };
        self.storage.write(update).unwrap();
    }

    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, Any> {
        use libraft_storage::Storage;
        let entries = self.storage.entries(index, index + 1, u64::MAX)?;
        Ok(entries.first().map(|entry| entry.data.to_vec()))
    }
}
