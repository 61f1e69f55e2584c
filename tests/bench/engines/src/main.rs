//! Measures embedded engines as the home of a Raft log, and prints one table.
//!
//! For each engine: the latency and rate of synced appends, the time and memory that a
//! fresh process needs to open a log of a million entries, the log's size on disk, and
//! what the engine says when a byte of that log is damaged. `README.md` beside this
//! project has the figures that were the base of the choice.
//!
//! Every step that must start clean (fill, open) runs in a process of its own: this
//! program starts itself again with arguments.

mod engines;

use std::{
    env, fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engines::{Engine, NAMES};

/// Payload of the appends whose latency is measured.
const APPEND_BYTES: usize = 1024;
/// Payload of the log whose recovery is measured; smaller, to keep the log bounded.
const RECOVERY_BYTES: usize = 128;
const RECOVERY_ENTRIES: u64 = 1_000_000;
/// Entries for each unsynced write while the recovery log is filled.
const FILL_BATCH: u64 = 1000;

fn main() {
    let args: Vec<String> = env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [_] => everything(Path::new("target/engines-data")),
        [_, "append", name, dir, batch] => append(name, Path::new(dir), batch.parse().unwrap()),
        [_, "fill", name, dir, how] => fill(name, Path::new(dir), *how == "killed"),
        [_, "open", name, dir] => open(name, Path::new(dir)),
        [_, "damage", name, dir] => damage(name, Path::new(dir)),
        [_, "read", name, dir] => read(name, Path::new(dir)),
        _ => panic!("usage: engines   (no argument: measures everything)"),
    }
}

fn everything(root: &Path) {
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root).unwrap();
    println!("| engine | batch | p50 µs | p99 µs | entries/s | bytes written per entry |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for name in NAMES {
        for batch in ["1", "64"] {
            let dir = root.join(format!("append-{name}-{batch}"));
            print!("{}", child(&["append", name, path(&dir), batch]));
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    println!();
    println!("| engine | ended by | open ms | last entry ms | resident MiB | on disk MiB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for name in NAMES {
        for how in ["close", "killed"] {
            let dir = root.join(format!("open-{name}-{how}"));
            child(&["fill", name, path(&dir), how]);
            let size = disk_bytes(&dir) as f64 / f64::from(1 << 20);
            let out = child(&["open", name, path(&dir)]);
            println!("| {name} | {how} | {} | {size:.0} |", out.trim());
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    println!();
    println!("One byte flipped in a closed log of 1,000 synced entries, at 200 places in turn:");
    println!();
    println!("| engine | all entries as written | error at open | error at read | panic | entries missing or changed, no error |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for name in NAMES {
        let dir = root.join(format!("damage-{name}"));
        print!("{}", child(&["damage", name, path(&dir)]));
    }
    let _ = fs::remove_dir_all(root);
}

/// Runs one step in a fresh process and returns what it printed.
fn child(args: &[&str]) -> String {
    let out = Command::new(env::current_exe().unwrap())
        .args(args)
        .output()
        .unwrap();
    let killed_on_purpose = args[0] == "fill" && args[3] == "killed";
    assert!(
        out.status.success() || killed_on_purpose,
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

fn append(name: &str, dir: &Path, batch: u64) {
    let mut engine = engines::open(name, dir);
    let payload = payload(APPEND_BYTES);
    let rounds = if batch == 1 { 2000 } else { 500 };
    let mut next = 1;
    let mut round = |engine: &mut dyn Engine| {
        let start = Instant::now();
        engine.append(next, batch, &payload, true);
        next += batch;
        start.elapsed()
    };
    for _ in 0..50 {
        round(engine.as_mut());
    }
    let written = bytes_written();
    let start = Instant::now();
    let mut times: Vec<Duration> = (0..rounds).map(|_| round(engine.as_mut())).collect();
    let elapsed = start.elapsed().as_secs_f64();
    let written = bytes_written() - written;
    times.sort();
    let micros = |at: usize| times[at].as_micros();
    let entries = rounds as u64 * batch;
    println!(
        "| {name} | {batch} | {} | {} | {:.0} | {} |",
        micros(times.len() / 2),
        micros(times.len() * 99 / 100),
        entries as f64 / elapsed,
        written / entries,
    );
}

fn fill(name: &str, dir: &Path, killed: bool) {
    let mut engine = engines::open(name, dir);
    let payload = payload(RECOVERY_BYTES);
    let mut first = 1;
    while first <= RECOVERY_ENTRIES {
        let last_batch = first + FILL_BATCH > RECOVERY_ENTRIES;
        engine.append(first, FILL_BATCH, &payload, last_batch);
        first += FILL_BATCH;
    }
    if killed {
        // SAFETY: kill has no memory effects; the signal ends this very process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    drop(engine);
}

fn open(name: &str, dir: &Path) {
    let start = Instant::now();
    let mut engine = engines::open(name, dir);
    let opened = start.elapsed().as_millis();
    let start = Instant::now();
    let last = engine
        .read(RECOVERY_ENTRIES)
        .unwrap()
        .expect("the last entry is there");
    assert_eq!(last, payload(RECOVERY_BYTES));
    println!(
        "{opened} | {} | {}",
        start.elapsed().as_millis(),
        resident_bytes() >> 20
    );
}

/// Flips one byte at a time, over all files, and asks a fresh process what it reads.
/// Bytes that are zero are left alone: nearly all of them are preallocated space.
fn damage(name: &str, dir: &Path) {
    const ENTRIES: u64 = 1000;
    const PLACES: usize = 200;
    let mut engine = engines::open(name, dir);
    let payload = payload(RECOVERY_BYTES);
    for index in 1..=ENTRIES {
        engine.append(index, 1, &payload, true);
    }
    drop(engine);
    let files: Vec<(PathBuf, Vec<u8>)> = files(dir)
        .into_iter()
        .map(|f| (f.clone(), fs::read(f).unwrap()))
        .collect();
    let places: Vec<(usize, usize)> = files
        .iter()
        .enumerate()
        .flat_map(|(file, (_, bytes))| {
            let used = bytes.iter().enumerate().filter(|(_, b)| **b != 0);
            used.map(move |(at, _)| (file, at))
        })
        .collect();
    let copy = dir.with_extension("copy");
    let mut counts = [0; 5];
    for place in 0..PLACES {
        let (damaged, at) = places[places.len() * place / PLACES];
        let _ = fs::remove_dir_all(&copy);
        for (file, (name, bytes)) in files.iter().enumerate() {
            let target = copy.join(name.strip_prefix(dir).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(name, &target).unwrap();
            if file == damaged {
                let target = fs::OpenOptions::new().write(true).open(target).unwrap();
                target.write_all_at(&[bytes[at] ^ 0x40], at as u64).unwrap();
            }
        }
        let out = Command::new(env::current_exe().unwrap())
            .args(["read", name, path(&copy)])
            .output()
            .unwrap();
        let class = match String::from_utf8_lossy(&out.stdout).trim() {
            "whole" => 0,
            "error at open" => 1,
            "error at read" => 2,
            "changed" => 4,
            _ => 3,
        };
        counts[class] += 1;
    }
    let _ = fs::remove_dir_all(&copy);
    let [whole, at_open, at_read, panic, silent] = counts;
    println!("| {name} | {whole} | {at_open} | {at_read} | {panic} | {silent} |");
}

/// Says what became of the 1,000 entries of `damage`.
fn read(name: &str, dir: &Path) {
    let Ok(mut engine) = engines::try_open(name, dir) else {
        println!("error at open");
        return;
    };
    let expected = payload(RECOVERY_BYTES);
    let mut whole = true;
    for index in 1..=1000 {
        match engine.read(index) {
            Ok(Some(entry)) => whole &= entry == expected,
            Ok(None) => whole = false,
            Err(_) => {
                println!("error at read");
                return;
            }
        }
    }
    println!("{}", if whole { "whole" } else { "changed" });
}

fn payload(len: usize) -> Vec<u8> {
    // A xorshift stream: bytes that no engine can compress away.
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .collect()
}

fn path(p: &Path) -> &str {
    p.to_str().unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let p = entry.unwrap().path();
        if p.is_dir() {
            found.extend(files(&p));
        } else {
            found.push(p);
        }
    }
    found.sort();
    found
}

/// Blocks in use, so that a sparse or preallocated file counts for what it takes.
fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    files(dir)
        .iter()
        .map(|f| f.metadata().unwrap().blocks() * 512)
        .sum()
}

fn resident_bytes() -> u64 {
    proc_field("/proc/self/status", "VmRSS:") * 1024
}

fn bytes_written() -> u64 {
    proc_field("/proc/self/io", "write_bytes:")
}

fn proc_field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
