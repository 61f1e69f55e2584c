//! The engine, and how its errors and panics become ours.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use redb::{Builder, Database};

use super::medium::MediumFile;
use crate::error::{Error, Result};

/// Sizes that tests make small, so that little data is much to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The engine's cache, for reads and for pages that are being written.
    pub cache_bytes: usize,
    /// The file is copied when it has this much more than four times what is live.
    pub spare_bytes: u64,
    /// What the journal has room for.
    pub journal_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            cache_bytes: 16 << 20,
            spare_bytes: 8 << 20,
            journal_bytes: 1 << 20,
        }
    }
}

/// The engine, closed with care: that writes, and may meet a damaged page as all else may. What was committed
/// without a sync it makes durable then, so that its number may come to be beyond the journal's base: the journal's
/// records are obsolete then, and the next life begins it anew.
pub(super) struct Engine(Option<Database>);

impl Engine {
    pub fn open(file: &MediumFile, builder: &Builder) -> Result<Engine> {
        let db = guarded(|| builder.create_with_backend(file.clone()).map_err(engine))?;
        Ok(Engine(Some(db)))
    }

    pub fn db(&self) -> &Database {
        self.0
            .as_ref()
            .expect("the engine is there until it is dropped")
    }

    /// Whether all pages have their checksums.
    pub fn verify(&mut self) -> Result<bool> {
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

pub(super) fn builder(sizes: Sizes) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(sizes.cache_bytes);
    builder
}

/// An error of the engine as one of ours.
pub(super) fn engine(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        // This is how the engine says that a file is none of its own.
        redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            Error::Corrupt(source.to_string())
        }
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
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
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
