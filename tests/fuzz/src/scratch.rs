//! Where the fuzzers keep files: in memory, on systems that have such a place.

use std::path::{Path, PathBuf};

/// A directory of this process, which does not exist yet.
pub fn directory(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let path = parent.join(format!("libraft-fuzz-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}
