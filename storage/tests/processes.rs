//! A durable storage and real processes: one at a time may have it, and one that is killed has
//! lost nothing that it was told was written.
//!
//! Without arguments this program runs its tests. With arguments it is one of the processes:
//! `open DIR` says what comes of opening it, `write DIR` writes until it is killed.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use libraft_core::{ConfState, Entry, HardState};
use libraft_storage::{DurableStorage, Error, Storage, Update};

fn main() {
    let args: Vec<String> = env::args().collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [_, "open", dir] => open(Path::new(dir)),
        [_, "write", dir] => write_for_ever(Path::new(dir)),
        _ => {
            let tests: [(&str, fn()); 5] = [
                (
                    "a second process is refused while the first one lives",
                    a_second_process_is_refused,
                ),
                (
                    "a second storage in the same process is refused",
                    a_second_storage_is_refused,
                ),
                (
                    "those who are refused harm nothing, and the next one is let in after a kill",
                    those_who_are_refused_harm_nothing,
                ),
                (
                    "a process that is killed loses nothing that was acknowledged",
                    a_killed_process_loses_nothing,
                ),
                (
                    "a file of another kind is damage",
                    a_file_of_another_kind_is_damage,
                ),
            ];
            for (name, run) in tests {
                test(name, run);
            }
            // As libtest says it, for whoever counts.
            println!(
                "\ntest result: ok. {} passed; 0 failed; 0 ignored;",
                tests.len()
            );
        }
    }
}

/// A test ends the program if it panics; whoever reads the output sees which one it was.
fn test(name: &str, run: fn()) {
    println!("test {name} ...");
    run();
    println!("test {name} ... ok");
}

fn start(args: &[&str]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("storage");
    let said = || {
        let child = start(&["open", dir.to_str().unwrap()]);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let storage = DurableStorage::open(&dir).unwrap();
    let refused = said();
    assert!(
        refused.contains("is in use by another storage"),
        "{refused}"
    );
    assert!(refused.contains(dir.to_str().unwrap()), "{refused}");
    drop(storage);
    assert_eq!(said(), "open\n");
}

fn a_second_storage_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = DurableStorage::open(dir.path()).unwrap();
    let error = DurableStorage::open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, Error::Locked { path } if path == dir.path()),
        "{error}"
    );
    // The refusal has done no harm to the one that is there.
    first.bootstrap_members(ConfState::of_voters([1])).unwrap();
    drop(first);
    assert!(!DurableStorage::open(dir.path()).unwrap().is_fresh());
}

/// Others try to get in all the time that a process writes, from this process and from more; then
/// it is killed, and the first one who tries gets all that was acknowledged.
fn those_who_are_refused_harm_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let mut writer = start(&["write", path.to_str().unwrap()]);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    for round in 0..60 {
        acknowledged = lines.next().unwrap().unwrap().parse().unwrap();
        let error = DurableStorage::open(path).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        if round % 10 == 0 {
            let other = start(&["open", path.to_str().unwrap()]);
            let said = other.wait_with_output().unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains("is in use by another storage"), "{said}");
        }
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    let storage = DurableStorage::open(path).unwrap();
    let (first, last) = (storage.first_index(), storage.last_index());
    assert!(last >= acknowledged, "{acknowledged} is gone");
    for entry in storage.entries(first, last + 1, u64::MAX).unwrap() {
        assert_eq!(entry.data, payload(entry.index));
    }
}

/// Reads acknowledgements until there are enough, kills the writer in whatever it is doing then,
/// and looks whether all of them are there. The number of acknowledgements decides when, so that
/// nothing here depends on time.
fn a_killed_process_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..12 {
        let mut writer = start(&["write", dir.path().to_str().unwrap()]);
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for _ in 0..20 + 7 * round {
            acknowledged = lines.next().unwrap().unwrap().parse().unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it had still said before it died was true as well.
        for line in lines {
            if let Ok(index) = line.unwrap().parse() {
                acknowledged = index;
            }
        }
        let storage = DurableStorage::open(dir.path()).unwrap();
        let report = storage.recovery_report();
        assert!(report.crashed && report.discarded_writes <= 1, "{report:?}");
        let last = storage.last_index();
        assert!(
            last >= acknowledged,
            "round {round}: {acknowledged} is gone, the last is {last}"
        );
        let first = storage.first_index();
        let entries = storage.entries(first, last + 1, u64::MAX).unwrap();
        assert_eq!(entries.len() as u64, last + 1 - first);
        for entry in entries {
            assert_eq!(entry.data, payload(entry.index), "round {round}");
        }
        let snapshot = storage.snapshot().unwrap();
        assert!(snapshot.id.index + 1 >= first);
        assert_eq!(snapshot.data, payload(snapshot.id.index));
    }
    assert!(acknowledged > 500);
}

fn payload(index: u64) -> Vec<u8> {
    match index {
        0 => Vec::new(),
        _ => index.to_le_bytes().repeat(1 + index as usize % 100),
    }
}

fn open(dir: &Path) {
    match DurableStorage::open(dir) {
        Ok(_) => println!("open"),
        Err(error) => println!("{error}"),
    }
}

/// Appends, with a snapshot and a compaction now and then, and prints the index of each entry
/// after it is on disk. Ends when nobody reads that any more, at the latest.
fn write_for_ever(dir: &Path) {
    let storage = DurableStorage::open(dir).unwrap();
    let mut out = std::io::stdout();
    let first = storage.last_index() + 1;
    for index in first.. {
        let entry = Entry {
            term: 1,
            index,
            data: payload(index).into(),
            ..Entry::default()
        };
        let update = Update {
            hard_state: Some(HardState {
                term: 1,
                vote: 1,
                commit: index - 1,
            }),
            entries: &entry.into(),
            snapshot: None,
            must_sync: true,
        };
        storage.write(update).unwrap();
        if writeln!(out, "{index}").and_then(|()| out.flush()).is_err() {
            return;
        }
        if index % 40 == 0 {
            let at = index - 3;
            storage
                .create_snapshot(at, None, payload(at).into())
                .unwrap();
            storage.compact(at - 5).unwrap();
        }
    }
}

fn a_file_of_another_kind_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    drop(DurableStorage::open(directory.path()).unwrap());
    std::fs::write(directory.path().join("raft.redb"), [b'x'; 8192]).unwrap();
    let refused = DurableStorage::open(directory.path());
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
}
