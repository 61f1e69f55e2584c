//! The storages through the handle: what each failure is called, and what two handles share.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use libraft_core::{Entry, EntryKind, codec};

use super::*;
use crate::entry::{raft_entries_free, raft_hard_state};
use crate::snapshot::raft_snapshot_free;

/// A directory that goes away with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("libraft-ffi-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Directory(path)
    }

    pub(super) fn path(&self) -> CString {
        c_path(&self.0.join("node"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What can't be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).expect("no zero byte in it")
}

pub(super) fn open(path: &CString) -> *mut raft_storage {
    let mut storage = null_mut();
    ok!(raft_storage_open(path.as_ptr(), &mut storage));
    storage
}

/// Appends entries `[first, first + count)` of one term.
fn append(storage: *mut raft_storage, term: u64, first: u64, count: u64) {
    let encoded: Vec<Vec<u8>> = (first..first + count)
        .map(|index| {
            codec::encode_entry(&Entry {
                term,
                index,
                kind: EntryKind::Normal,
                data: vec![b'x'; 10].into(),
                ..Entry::default()
            })
        })
        .collect();
    let views: Vec<raft_bytes> = encoded.iter().map(|entry| view(entry)).collect();
    let hard = raft_hard_state {
        term,
        vote: 3,
        commit: first,
    };
    ok!(raft_storage_append(
        storage,
        &hard,
        views.as_ptr(),
        views.len(),
        null(),
        0,
        true
    ));
}

fn range(storage: *mut raft_storage) -> (u64, u64) {
    let (mut first, mut last) = (0, 0);
    ok!(raft_storage_first_index(storage, &mut first));
    ok!(raft_storage_last_index(storage, &mut last));
    (first, last)
}

fn check_errors(storage: *mut raft_storage) {
    let mut fresh = false;
    ok!(raft_storage_is_fresh(storage, &mut fresh));
    assert!(fresh);
    let one = [1u64];
    let wrong: [(&[u64], &[u64], u64, u64); 6] = [
        (&[], &[2], 1, 1),
        (&[0], &[], 1, 1),
        (&[u64::MAX], &[], 1, 1),
        (&[1, 1], &[], 1, 1),
        (&[1], &[1], 1, 1),
        (&[1], &[], 1, 0),
    ];
    for (voters, learners, index, term) in wrong {
        let (status, _) = err!(raft_storage_bootstrap(
            storage,
            index,
            term,
            voters.as_ptr(),
            voters.len(),
            learners.as_ptr(),
            learners.len(),
            null(),
            0
        ));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
    }
    ok!(raft_storage_is_fresh(storage, &mut fresh));
    assert!(fresh, "what was refused has written nothing");
    bootstrap(storage, &[3, 1, 2]);
    ok!(raft_storage_is_fresh(storage, &mut fresh));
    assert!(!fresh);
    let (status, _) = err!(raft_storage_bootstrap(
        storage,
        1,
        1,
        one.as_ptr(),
        1,
        null(),
        0,
        null(),
        0
    ));
    assert_eq!(status, RAFT_ERR_MISUSE);
    assert_eq!(range(storage), (2, 1));

    append(storage, 2, 2, 9);
    append(storage, 3, 8, 1);
    assert_eq!(range(storage), (2, 8), "the tail was replaced");
    let mut term = 0;
    ok!(raft_storage_term(storage, 7, &mut term));
    assert_eq!(term, 2);
    ok!(raft_storage_term(storage, 8, &mut term));
    assert_eq!(term, 3);
    let mut hard = raft_hard_state {
        term: 0,
        vote: 0,
        commit: 0,
    };
    ok!(raft_storage_hard_state(storage, &mut hard));
    assert_eq!((hard.term, hard.vote, hard.commit), (3, 3, 8));
    let mut entries = null_mut();
    ok!(raft_storage_entries(storage, 2, 9, 0, &mut entries));
    assert_eq!(unsafe { (*entries).entries_len }, 1, "at least one");
    unsafe { raft_entries_free(entries) };
    ok!(raft_storage_entries(storage, 5, 5, 0, &mut entries));
    assert!(unsafe { (*entries).entries.is_null() });
    unsafe { raft_entries_free(entries) };
    entries = null_mut();

    // A gap, and a hard state beyond all bounds.
    let far = codec::encode_entry(&Entry {
        term: 3,
        index: 20,
        ..Entry::default()
    });
    let far = [view(&far)];
    let (status, _) = err!(raft_storage_append(
        storage,
        null(),
        far.as_ptr(),
        1,
        null(),
        0,
        true
    ));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    let beyond = raft_hard_state {
        term: u64::MAX,
        vote: 0,
        commit: 0,
    };
    let (status, _) = err!(raft_storage_append(
        storage,
        &beyond,
        null(),
        0,
        null(),
        0,
        true
    ));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert_eq!(range(storage), (2, 8));

    let snapshot = |index| unsafe {
        raft_storage_create_snapshot(storage, index, null(), 0, b"state".as_ptr(), 5, null_mut())
    };
    assert_eq!(snapshot(1), RAFT_ERR_SNAPSHOT_OUT_OF_DATE);
    assert_eq!(snapshot(99), RAFT_ERR_UNAVAILABLE);
    assert_eq!(snapshot(6), RAFT_OK);
    ok!(raft_storage_compact(storage, 6));
    assert_eq!(range(storage), (6, 8));
    let (status, _) = err!(raft_storage_compact(storage, 3));
    assert_eq!(status, RAFT_ERR_COMPACTED);
    let (status, _) = err!(raft_storage_compact(storage, 50));
    assert_eq!(status, RAFT_ERR_UNAVAILABLE);
    let (status, _) = err!(raft_storage_entries(storage, 3, 7, 100, &mut entries));
    assert_eq!(status, RAFT_ERR_COMPACTED);
    let (status, _) = err!(raft_storage_entries(storage, 7, 99, 100, &mut entries));
    assert_eq!(status, RAFT_ERR_UNAVAILABLE);
    let (status, _) = err!(raft_storage_entries(storage, 8, 7, 100, &mut entries));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    let (status, _) = err!(raft_storage_term(storage, 2, &mut term));
    assert_eq!(status, RAFT_ERR_COMPACTED);
    let (status, _) = err!(raft_storage_term(storage, 9, &mut term));
    assert_eq!(status, RAFT_ERR_UNAVAILABLE);
    assert!(entries.is_null());
    ok!(raft_storage_sync(storage));
}

#[test]
fn the_memory_storage_tells_failures_apart() {
    let storage = memory(&[]);
    check_errors(storage);
    let mut report = raft_recovery_report {
        size: size_of::<raft_recovery_report>(),
        discarded_writes: 9,
        crashed: true,
    };
    ok!(raft_storage_recovery_report(storage, &mut report));
    assert!(report.discarded_writes == 0 && !report.crashed);
    unsafe { raft_storage_free(storage) };
}

#[test]
fn the_durable_storage_tells_failures_apart_and_keeps_all() {
    let directory = Directory::new("errors");
    let path = directory.path();
    let storage = open(&path);
    check_errors(storage);
    unsafe { raft_storage_free(storage) };
    let storage = open(&path);
    assert_eq!(range(storage), (6, 8));
    let mut snapshot = null_mut();
    ok!(raft_storage_snapshot(storage, &mut snapshot));
    let found = unsafe { &*snapshot };
    assert_eq!((found.index, bytes(found.data)), (6, &b"state"[..]));
    assert_eq!(
        unsafe { list(found.conf_state.voters, found.conf_state.voters_len) },
        [1, 2, 3]
    );
    unsafe {
        raft_snapshot_free(snapshot);
        raft_storage_free(storage);
    }
}

#[test]
fn a_durable_storage_is_open_once_until_its_last_user_is_gone() {
    let directory = Directory::new("locked");
    let path = directory.path();
    let storage = open(&path);
    bootstrap(storage, &[1]);
    let settings = Settings::new(1);
    let mut node = null_mut();
    ok!(raft_node_new(settings.0, storage, &mut node));
    unsafe { raft_storage_free(storage) };
    // The node still has it.
    let mut second = null_mut();
    let (status, words) = err!(raft_storage_open(path.as_ptr(), &mut second));
    assert_eq!(status, RAFT_ERR_LOCKED);
    assert!(words.contains("libraft-ffi-"), "{words}");
    assert!(second.is_null());
    unsafe { raft_node_free(node) };
    let storage = open(&path);
    unsafe { raft_storage_free(storage) };
}

#[test]
fn damage_is_named() {
    let directory = Directory::new("damage");
    let path = directory.path();
    let storage = open(&path);
    bootstrap(storage, &[1]);
    append(storage, 1, 2, 100);
    unsafe { raft_storage_free(storage) };
    let mut damaged = 0;
    for entry in std::fs::read_dir(directory.0.join("node")).expect("it is a directory") {
        let file = entry.expect("it can be listed").path();
        let mut content = std::fs::read(&file).expect("it can be read");
        if content.len() > 4096 {
            content[4096..].iter_mut().for_each(|byte| *byte ^= 0x55);
            std::fs::write(&file, content).expect("it can be written");
            damaged += 1;
        }
    }
    // The tree, and the journal before it.
    assert!(damaged > 0);
    let mut storage = null_mut();
    let (status, words) = err!(raft_storage_open(path.as_ptr(), &mut storage));
    assert_eq!(status, RAFT_ERR_CORRUPT, "{words}");
    assert!(storage.is_null());
}

/// Makes this program's test `name` once more as a process that can't write files of more than 2 MB,
/// and is not killed for that. True in that process.
fn limited(name: &str) -> bool {
    if std::env::var_os("LIBRAFT_LIMITED").is_some() {
        return true;
    }
    let script = "trap '' XFSZ; ulimit -f 4000; exec \"$0\" --exact \"$1\" --nocapture";
    let program = std::env::current_exe().expect("a program");
    let output = std::process::Command::new("sh")
        .args(["-ec", script])
        .arg(program)
        .arg(format!("tests::storages::{name}"))
        .env("LIBRAFT_LIMITED", "1")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

#[test]
fn a_disk_without_room_is_an_error_of_the_system_and_poisons_the_storage() {
    if !limited("a_disk_without_room_is_an_error_of_the_system_and_poisons_the_storage") {
        return;
    }
    let directory = Directory::new("full");
    let path = directory.path();
    let storage = open(&path);
    let entry = |index| {
        codec::encode_entry(&Entry {
            term: 1,
            index,
            data: vec![b'x'; 20_000].into(),
            ..Entry::default()
        })
    };
    let write = |index, error| unsafe {
        let encoded = entry(index);
        let views = [view(&encoded)];
        raft_storage_append(storage, null(), views.as_ptr(), 1, null(), 0, true, error)
    };
    let mut last = 0;
    let mut error = null_mut();
    let status = loop {
        match write(last + 1, &mut error) {
            RAFT_OK => last += 1,
            status => break status,
        }
    };
    assert_eq!(status, RAFT_ERR_IO);
    assert!(message(error).contains("File too large"));
    unsafe { raft_error_free(error) };
    assert_eq!(write(last + 1, null_mut()), RAFT_ERR_POISONED);
    let (status, said) = err!(raft_storage_sync(storage));
    assert_eq!(status, RAFT_ERR_POISONED);
    assert!(said.contains("opened anew"), "{said}");
    let (status, _) = err!(raft_storage_create_snapshot(
        storage,
        1,
        null(),
        0,
        null(),
        0
    ));
    assert_eq!(status, RAFT_ERR_POISONED);
    let (status, _) = err!(raft_storage_compact(storage, 2));
    assert_eq!(status, RAFT_ERR_POISONED);
    // What is known without the disk is still told; what is on it, or that it can't be had.
    assert_eq!(range(storage), (1, last));
    let mut entries = null_mut();
    let status = unsafe { raft_storage_entries(storage, 1, 2, u64::MAX, &mut entries, null_mut()) };
    assert!(matches!(status, RAFT_OK | RAFT_ERR_POISONED));
    unsafe {
        raft_entries_free(entries);
        raft_storage_free(storage);
    }
    // It can be opened, for its file has only got as large as it may.
    let storage = open(&path);
    let (first, found) = range(storage);
    assert!(first == 1 && (found == last || found == last + 1));
    ok!(raft_storage_entries(
        storage,
        1,
        found + 1,
        u64::MAX,
        &mut entries
    ));
    assert_eq!(unsafe { (*entries).entries_len } as u64, found);
    unsafe {
        raft_entries_free(entries);
        raft_storage_free(storage);
    }
}

#[test]
fn a_path_that_is_no_directory_is_an_error_of_the_system() {
    let directory = Directory::new("file");
    let file = directory.0.join("file");
    std::fs::write(&file, b"not a directory").expect("it can be written");
    let path = c_path(&file);
    let mut storage = null_mut();
    let (status, words) = err!(raft_storage_open(path.as_ptr(), &mut storage));
    assert_eq!(status, RAFT_ERR_IO, "{words}");
}
