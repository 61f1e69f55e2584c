//! The mark: a small file that says how far the engine's file and the journal must reach.
//!
//! After a crash the engine goes back to its last sound commit, and can't tell a commit that was
//! cut short from one that was synced and damaged later; nor can the journal tell that of its last
//! record. The mark can: it has the number of the
//! last commit that was begun, and of the last one known to be synced. It is itself written
//! without a sync, so that it costs none. It therefore survives the end of the process, but may
//! be older than the truth after a power cut, never newer.
//!
//! It also says whether a sync has failed, see [`super::watch`].
//!
//! It is written to two places in turn, so that a write that is torn, or damaged later, leaves
//! the one before.

use std::sync::{Arc, Mutex, PoisonError};

use libraft_core::MAX_POSITION;
use redb::StorageBackend;

use super::medium::MediumFile;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"raftmark";
/// In its place after a failed sync.
const SUSPICION: [u8; 8] = *b"raftsusp";
/// Magic, turn, two numbers, checksum.
const LEN: usize = 36;
/// The distance between the two places: what a disk writes as a whole.
const SECTOR: u64 = 512;

/// What the mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last commit that was begun, as far as this file is to know: the journal's records say it
    /// by themselves.
    pub begun: u64,
    /// The last commit that was synced, with all before it.
    pub synced: u64,
    /// Whether a sync has failed since, so that the disk may lack what can be read.
    pub suspect: bool,
}

/// The file that the mark is in. Copies share it.
#[derive(Clone, Debug)]
pub(super) struct MarkFile(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: MediumFile,
    /// What was written last.
    mark: Mark,
    /// Counts the writes; the newest one holds, and its parity says where it is.
    turn: u64,
}

impl MarkFile {
    /// Writes the first mark to a new file, and syncs it.
    pub fn create(file: MediumFile) -> Result<MarkFile> {
        let mark_file = MarkFile::new(file, Mark::default(), 0);
        mark_file.write(Mark::default())?;
        mark_file.write(Mark::default())?;
        mark_file.sync()?;
        Ok(mark_file)
    }

    /// Reads the mark.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if neither of the two places is sound.
    pub fn open(file: MediumFile) -> Result<(MarkFile, Mark)> {
        let io = Error::io("reading the storage's mark");
        let len = file.len().map_err(&io)?;
        let mut bytes = vec![0; len.min(2 * SECTOR) as usize];
        file.read(0, &mut bytes).map_err(&io)?;
        let places = [0, SECTOR as usize].map(|at| bytes.get(at..at + LEN).and_then(decode));
        let newest = places.into_iter().flatten().max_by_key(|(turn, _)| *turn);
        let (turn, mark) = newest
            .ok_or_else(|| Error::Corrupt("the file `mark` is not as it was written".to_owned()))?;
        Ok((MarkFile::new(file, mark, turn), mark))
    }

    fn new(file: MediumFile, mark: Mark, turn: u64) -> MarkFile {
        MarkFile(Arc::new(Mutex::new(Inner { file, mark, turn })))
    }

    /// Writes the mark, for the process's end; without a sync.
    pub fn write(&self, mark: Mark) -> Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.write(mark)
    }

    /// Writes what was written last, and that a sync has failed.
    pub fn write_suspicion(&self) -> Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = Mark {
            suspect: true,
            ..inner.mark
        };
        inner.write(mark)
    }

    pub fn sync(&self) -> Result<()> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .file
            .sync_data()
            .map_err(Error::io("syncing the storage's mark"))
    }
}

impl Inner {
    fn write(&mut self, mark: Mark) -> Result<()> {
        self.turn += 1;
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(match mark.suspect {
            true => &SUSPICION,
            false => &MAGIC,
        });
        bytes[8..16].copy_from_slice(&self.turn.to_le_bytes());
        bytes[16..24].copy_from_slice(&mark.begun.to_le_bytes());
        bytes[24..32].copy_from_slice(&mark.synced.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        self.file
            .write(self.turn % 2 * SECTOR, &bytes)
            .map_err(Error::io("writing the storage's mark"))?;
        self.mark = mark;
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Option<(u64, Mark)> {
    let (body, checksum) = bytes.split_at(LEN - 4);
    if checksum != crc32fast::hash(body).to_le_bytes() {
        return None;
    }
    let suspect = match &body[..8] {
        magic if magic == MAGIC => false,
        magic if magic == SUSPICION => true,
        _ => return None,
    };
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&body[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let mark = Mark {
        begun: number(16),
        synced: number(24),
        suspect,
    };
    // A storage never gets that far, and would go on from there with the oldest of all marks.
    (number(8) <= MAX_POSITION).then(|| (number(8), mark))
}
