//! A durable storage on a real system that refuses: no room, no permission, other things in the
//! way. Errors have to be clear, what was acknowledged has to be there, and nothing is harmed.
//!
//! Without arguments this program runs its tests. With arguments it is one of their processes:
//! `fill DIR` writes until the disk is full, `open DIR` says what comes of opening it, `write DIR
//! N` writes N entries.
//!
//! Where this may mount, as root usually may, file systems of their own are made, which go away with
//! the processes that see them. Elsewhere permissions stand in for them; it is said which.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use libraft_core::{ConfState, Entry, HardState};
use libraft_storage::{DurableStorage, Error, Storage, Update};

fn main() {
    let args: Vec<String> = env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [_, "fill", dir] => fill(Path::new(dir)),
        [_, "open", dir] => match DurableStorage::open(dir) {
            Ok(storage) => println!("open {}", storage.last_index()),
            Err(error) => println!("{}: {error}", kind(&error)),
        },
        [_, "write", dir, count] => write(Path::new(dir), count.parse().unwrap()),
        _ => run_tests(),
    }
}

fn run_tests() {
    let tests: [(&str, fn()); 6] = [
        (
            "what is in the way is named, and stays as it was",
            what_is_in_the_way_stays_as_it_was,
        ),
        ("missing directories are made", missing_directories_are_made),
        (
            "a limit on the size of files loses nothing",
            a_limit_on_the_size_of_files_loses_nothing,
        ),
        (
            "a full disk loses nothing, and the storage goes on when there is room",
            a_full_disk_loses_nothing,
        ),
        (
            "a disk that may not be written is refused and unharmed",
            a_read_only_disk_is_refused,
        ),
        (
            "files that may not be written are refused and unharmed",
            files_without_permission_are_refused,
        ),
    ];
    for (name, run) in tests {
        println!("test {name} ...");
        run();
        println!("test {name} ... ok");
    }
    // As libtest says it, for whoever counts.
    println!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored;",
        tests.len()
    );
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "io",
        Error::Poisoned(_) => "poisoned",
        Error::Corrupt(_) => "corrupt",
        Error::Locked { .. } => "locked",
        _ => "other",
    }
}

fn append(storage: &DurableStorage, index: u64, bytes: usize) -> Result<(), Error> {
    let entry = Entry {
        term: 1,
        index,
        data: vec![index as u8; bytes].into(),
        ..Entry::default()
    };
    storage.write(Update {
        hard_state: Some(HardState {
            term: 1,
            vote: 1,
            commit: index - 1,
        }),
        entries: &entry.into(),
        must_sync: true,
        ..Update::default()
    })
}

fn write(dir: &Path, count: u64) {
    let storage = DurableStorage::open(dir).unwrap();
    let next = storage.last_index() + 1;
    for index in next..next + count {
        append(&storage, index, 100).unwrap();
    }
    println!("wrote {}", storage.last_index());
}

/// Checks that entries up to `last` are there, and perhaps one more.
fn check(storage: &DurableStorage, last: u64) {
    let there = storage.last_index();
    assert!(
        there == last || there == last + 1,
        "{last} was acknowledged, and {there} is the last"
    );
    let entries = storage.entries(1, there + 1, u64::MAX).unwrap();
    assert_eq!(entries.len() as u64, there);
    for entry in entries {
        assert!(entry.data.iter().all(|byte| *byte == entry.index as u8));
    }
}

/// Writes until there is no room; then, if there is a file `ballast`, removes it and goes on.
fn fill(dir: &Path) {
    let path = dir.join("storage");
    let storage = DurableStorage::open(&path).unwrap();
    let mut last = 0;
    let error = loop {
        match append(&storage, last + 1, 20_000) {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
        assert!(last < 10_000, "the disk does not get full");
    };
    assert_eq!(kind(&error), "io", "{error}");
    let Error::Io { source, .. } = &error else {
        unreachable!("as was just seen")
    };
    assert!(
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge
        ),
        "{error}"
    );
    for refused in [append(&storage, last + 1, 1), storage.sync()] {
        let again = refused.unwrap_err();
        assert_eq!(kind(&again), "poisoned", "{again}");
        assert!(again.to_string().contains(&source.to_string()), "{again}");
    }
    assert_eq!(storage.last_index(), last);
    drop(storage);
    // Without room it opens or says why not, and loses nothing by it.
    for _ in 0..3 {
        match DurableStorage::open(&path) {
            Ok(storage) => check(&storage, last),
            Err(error) => assert_eq!(kind(&error), "io", "{error}"),
        }
    }
    if fs::remove_file(dir.join("ballast")).is_ok() {
        let storage = DurableStorage::open(&path).unwrap();
        check(&storage, last);
        last = storage.last_index() + 1;
        append(&storage, last, 1000).unwrap();
        drop(storage);
        check(&DurableStorage::open(&path).unwrap(), last);
    }
    println!("filled {last}");
}

/// Runs a shell script in which `$me` is this program and `$dir` a directory.
fn shell(dir: &Path, script: &str) -> Output {
    Command::new("sh")
        .args(["-ec", script])
        .env("me", env::current_exe().unwrap())
        .env("dir", dir)
        .output()
        .unwrap()
}

/// The same where it may mount, None where nobody may.
fn shell_that_mounts(dir: &Path, script: &str) -> Option<Output> {
    let allowed = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=64k tmpfs \"$dir\"")
        .env("dir", dir)
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        return None;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .env("me", env::current_exe().unwrap())
        .env("dir", dir)
        .output();
    Some(output.unwrap())
}

/// What a script has said, which must have succeeded.
fn said(output: Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

fn number_after(text: &str, word: &str) -> u64 {
    let at = text.rfind(word).unwrap_or_else(|| panic!("{text}")) + word.len();
    text[at..].trim().parse().unwrap()
}

fn what_is_in_the_way_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "somebody else's").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("nowhere/at/all"), &link).unwrap();
    for path in [&file, &file.join("storage"), &link, Path::new("/dev/null")] {
        let error = DurableStorage::open(path).unwrap_err();
        assert_eq!(kind(&error), "io", "{}: {error}", path.display());
    }
    assert_eq!(fs::read(&file).unwrap(), b"somebody else's");
    assert!(!directory.path().join("nowhere").exists());
    // In the place of one of its own files.
    for name in [
        "LOCK",
        "mark",
        "journal",
        "raft.redb",
        "raft.redb.new",
        "mark.new",
        "journal.new",
    ] {
        let storage = directory.path().join(name);
        fs::create_dir_all(storage.join(name).join("inside")).unwrap();
        let error = DurableStorage::open(&storage).unwrap_err();
        assert_eq!(kind(&error), "io", "{name}: {error}");
        assert!(storage.join(name).join("inside").is_dir(), "{name}");
    }
}

fn missing_directories_are_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/c");
    let storage = DurableStorage::open(&path).unwrap();
    storage
        .bootstrap_members(ConfState::of_voters([1]))
        .unwrap();
    drop(storage);
    assert!(!DurableStorage::open(&path).unwrap().is_fresh());
}

fn a_limit_on_the_size_of_files_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Who is told of it by a signal ends there unless the signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 3000; exec \"$me\" fill \"$dir\"";
    let last = number_after(&said(shell(directory.path(), script)), "filled ");
    let path = directory.path().join("storage");
    let storage = DurableStorage::open(&path).unwrap();
    check(&storage, last);
    append(&storage, storage.last_index() + 1, 3_000_000).unwrap();
    drop(storage);
    // And the process may end by it.
    let script = "ulimit -f 5000; \"$me\" fill \"$dir\" 2>&1 || echo ended";
    let path = directory.path().join("other");
    fs::create_dir(&path).unwrap();
    assert!(said(shell(&path, script)).contains("ended"));
    let storage = DurableStorage::open(path.join("storage")).unwrap();
    assert!(storage.last_index() > 0);
    check(&storage, storage.last_index());
}

fn a_full_disk_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // What the disk has at the end is gone with the process, which looks for itself.
    let script = "mount -t tmpfs -o size=5m tmpfs \"$dir\"
        head -c 2000000 /dev/zero > \"$dir/ballast\"
        \"$me\" fill \"$dir\"";
    match shell_that_mounts(directory.path(), script) {
        Some(output) => assert!(number_after(&said(output), "filled ") > 10),
        None => println!("(nothing may be mounted here: no disk gets full)"),
    }
}

fn a_read_only_disk_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs tmpfs \"$dir\"
        \"$me\" write \"$dir/storage\" 20
        mount -o remount,ro \"$dir\"
        \"$me\" open \"$dir/storage\"
        \"$me\" open \"$dir/other\"
        mount -o remount,rw \"$dir\"
        test ! -e \"$dir/other\"
        \"$me\" open \"$dir/storage\"";
    let Some(output) = shell_that_mounts(directory.path(), script) else {
        println!("(nothing may be mounted here: no disk is read-only)");
        return;
    };
    let said = said(output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "wrote 20");
    for line in &lines[1..3] {
        assert!(line.starts_with("io: "), "{said}");
        assert!(line.contains("Read-only file system"), "{said}");
    }
    assert_eq!(lines[3..], ["open 20"], "{said}");
}

fn files_without_permission_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("storage");
    write(&path, 20);
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let all = [
        ("mark", 0o444),
        ("journal", 0o444),
        ("raft.redb", 0o444),
        ("LOCK", 0o444),
        (".", 0o555),
    ];
    for (name, mode) in all {
        let file = path.join(name);
        allow(&file, mode);
        let may = fs::OpenOptions::new().write(true).open(&file);
        let opened = DurableStorage::open(&path);
        if name != "." && may.is_ok() {
            println!("(to root, permissions are nothing)");
            opened.unwrap();
        } else if let Err(error) = opened {
            assert_eq!(kind(&error), "io", "{error}");
            assert!(error.to_string().contains("Permission denied"), "{error}");
        } else {
            // A directory that may not be written is enough for one that has its files.
            assert_eq!(name, ".");
        }
        allow(&file, 0o755);
    }
    check(&DurableStorage::open(&path).unwrap(), 20);
}
