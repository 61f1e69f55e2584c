//! The mark: a small file that says how far the engine's file must reach.
//!
//! After a crash the engine goes back to its last sound commit and can't tell a commit that was
//! cut short from one that was synced and damaged later. The mark can: it has the number of the
//! last commit that was begun, and of the last one known to be synced. It is itself written
//! without a sync, so that it costs none. It therefore survives the end of the process, but may
//! be older than the truth after a power cut, never newer.

use redb::StorageBackend;

use super::medium::MediumFile;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"raftmark";
/// Magic, two numbers, checksum: far less than a sector, so that no crash tears it.
const LEN: usize = 28;

/// What the mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last commit that was begun.
    pub begun: u64,
    /// The last commit that was synced, with all before it.
    pub synced: u64,
}

impl Mark {
    /// Reads it. None if it was never written: nothing but zeros or nothing at all.
    pub fn read(file: &MediumFile) -> Result<Option<Mark>> {
        let io = Error::io("reading the storage's mark");
        let len = file.len().map_err(&io)?;
        let mut bytes = vec![0; len.min(4096) as usize];
        file.read(0, &mut bytes).map_err(&io)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let damaged = || Error::Corrupt("the file `mark` is not as it was written".to_owned());
        let bytes: [u8; LEN] = bytes.try_into().map_err(|_| damaged())?;
        let (body, checksum) = bytes.split_at(LEN - 4);
        if checksum != crc32fast::hash(body).to_le_bytes() || body[..8] != MAGIC {
            return Err(damaged());
        }
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&body[at..at + 8]);
            u64::from_le_bytes(number)
        };
        Ok(Some(Mark {
            begun: number(8),
            synced: number(16),
        }))
    }

    /// Writes it, for the process's end; without a sync.
    pub fn write(self, file: &MediumFile) -> Result<()> {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.begun.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        file.write(0, &bytes)
            .map_err(Error::io("writing the storage's mark"))
    }
}
