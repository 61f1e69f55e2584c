//! Where a durable storage's files are: a directory, or in tests something that can lose power.
//!
//! It knows names and files, and nothing of what is in them.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{StorageBackend, backends::FileBackend};

use super::recovery::DATABASE;
use crate::error::{Error, Result};

/// A set of named files that only one storage uses.
pub(super) trait Medium: Debug + Send + Sync {
    /// The file of that name, None if there is none.
    fn open(&self, name: &str) -> io::Result<Option<MediumFile>>;
    /// An empty file of that name, in place of one that there may be.
    fn create(&self, name: &str) -> io::Result<MediumFile>;
    /// Gives a file another name, in place of one that there may be of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names of all files survive a power cut.
    fn sync_names(&self) -> io::Result<()>;
    /// Removes the file of that name, if there is one.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A file, in the form in which the engine wants it.
#[derive(Clone, Debug)]
pub(super) struct MediumFile(pub Arc<dyn StorageBackend>);

// The byte-range locks of the trait keep their default, which is to have none: the directory's
// own lock file keeps others out of all files at once.
impl StorageBackend for MediumFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

/// A directory of the file system, locked for as long as this exists.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The system takes the lock back when the process ends, however it ends. The file stays:
    /// removing it would let two storages lock two files of the same name.
    _lock: File,
}

impl Directory {
    /// Creates the directory if there is none, and locks it.
    pub fn open(path: &Path) -> Result<Directory> {
        fs::create_dir_all(path).map_err(Error::io("creating the storage's directory"))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("LOCK"))
            .map_err(Error::io("opening the storage's lock file"))?;
        let locked = loop {
            match lock.try_lock() {
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::io("locking the storage's directory")(error));
            }
        }
        // A storage that is there has had its directory's name synced before it was made. If
        // there is none, the directory may be new, and those above it, whoever has made them.
        let io = Error::io("syncing the directories above the storage's");
        if !path.join(DATABASE).try_exists().map_err(&io)? {
            sync_above(&path.canonicalize().map_err(&io)?, sync_directory).map_err(&io)?;
        }
        Ok(Directory {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    fn file(file: File) -> io::Result<MediumFile> {
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(MediumFile(Arc::new(backend)))
    }
}

/// Syncs all directories that a path goes through.
fn sync_above(path: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    for above in path.ancestors().skip(1) {
        match sync(above) {
            // Not everybody may read what is above, where nothing is new then; and not all file
            // systems sync directories.
            Err(error)
                if !matches!(
                    error.kind(),
                    PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported
                ) =>
            {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Medium for Directory {
    fn open(&self, name: &str) -> io::Result<Option<MediumFile>> {
        let path = self.path.join(name);
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Directory::file(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<MediumFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Directory::file(options.open(self.path.join(name))?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn all_directories_above_are_synced_and_a_disk_that_fails_is_not_passed_over() {
        let synced = RefCell::new(Vec::new());
        let note = |path: &Path| {
            synced.borrow_mut().push(path.to_owned());
            match path.to_str() {
                Some("/a") => Err(io::ErrorKind::PermissionDenied.into()),
                _ => Ok(()),
            }
        };
        sync_above(Path::new("/a/b/c"), note).unwrap();
        assert_eq!(synced.into_inner(), ["/a/b", "/a", "/"].map(PathBuf::from));
        let fails = |path: &Path| match path.to_str() {
            Some("/a") => Err(io::Error::other("the disk fails")),
            _ => Ok(()),
        };
        sync_above(Path::new("/a/b/c"), fails).unwrap_err();
    }
}
