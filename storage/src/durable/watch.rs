//! The engine's file, with an eye on its syncs.
//!
//! After a sync has failed, systems take what they could not write for written: it can be read as
//! if nothing were amiss, the next sync succeeds without it, and the power cut after that takes it
//! away. So it does not suffice to stop writing and to open the file anew, for that would build on
//! what is not there. Hence a failed sync is noted in the mark, and who opens the file next writes
//! all of it once more, before anything else is done to it.
//!
//! In a power cut amid that the disk has some of what the failed sync should have brought there,
//! and not the rest: as in any power cut before a sync, which the engine is made for.
//!
//! The journal needs none of that: what is read from it is written to the engine's file, and synced
//! there, before anything else is done.
//!
//! What is not covered is a process that is killed between the failed sync and the note of it.

use std::{io, sync::Arc};

use redb::StorageBackend;

use super::{mark::MarkFile, medium::MediumFile};

/// How much is rewritten at a time.
const PIECE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
struct Watched {
    file: MediumFile,
    mark_file: MarkFile,
}

/// The file, and whoever syncs it in vain leaves a note.
pub(super) fn watched(file: MediumFile, mark_file: &MarkFile) -> MediumFile {
    let mark_file = mark_file.clone();
    MediumFile(Arc::new(Watched { file, mark_file }))
}

/// Writes what can be read of a file to its disk.
pub(super) fn rewrite(file: &MediumFile) -> io::Result<()> {
    let len = file.len()?;
    for offset in (0..len).step_by(PIECE_BYTES as usize) {
        let mut piece = vec![0; PIECE_BYTES.min(len - offset) as usize];
        file.read(offset, &mut piece)?;
        file.write(offset, &piece)?;
    }
    file.sync_data()
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| {
            // If not even this can be written, there is nowhere to say it; who syncs hears of the
            // error in any case.
            let _ = self.mark_file.write_suspicion();
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
