//! What a disk adds: a group of one on `DurableStorage`, beside a file that gets the same bytes with a
//! bare write and fdatasync.
//!
//! A batch is proposed, command by command, and the node's loop runs until it is applied. Each save that
//! the node wants synced is timed, and after it the same entries, encoded, are written to the file and
//! synced: the two take turns on the disk, and which one is first alternates. A second file has its room
//! allocated beforehand, so that a sync has no size to write: the least that this disk can do.
//!
//! What is in the log at the end is read back and compared. The log is compacted every 10,000 entries,
//! which is not timed. Run as: bench-disk disk_b64_1k DIRECTORY [--seconds S | --ops N]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::time::Instant;

use bytes::Bytes;
use libraft_core::{ConfState, Config, Entry, EntryId, Node, Ready, Snapshot, codec};
use libraft_storage::{DurableStorage, Storage};

/// The log is compacted each time that so many entries have been applied, and this many are kept.
const COMPACT_EVERY: u64 = 10_000;
const COMPACT_KEEP: u64 = 100;
/// The room of the file that has it beforehand; it is written round and round.
const ROOM: u64 = 64 << 20;
/// Batches before the measured ones.
const WARM_UP: usize = 20;

struct Disk {
    node: Node,
    storage: DurableStorage,
    compacted: u64,
    applied: u64,
    payload_len: usize,
    number: u64,
    growing: File,
    allocated: File,
    place: u64,
    /// Nanoseconds of each synced save, and of the same bytes in either file.
    saves: Vec<u64>,
    growing_ns: Vec<u64>,
    allocated_ns: Vec<u64>,
    unsynced: u64,
    /// What the files have been given, and what the storage has made the system write.
    file_bytes: u64,
    storage_bytes: u64,
}

impl Disk {
    fn new(directory: &Path, payload_len: usize) -> Disk {
        let storage = DurableStorage::open(directory.join("log")).expect("the directory is fresh");
        let first = Snapshot {
            id: EntryId::default(),
            conf_state: ConfState::of_voters([1]),
            data: Bytes::new(),
        };
        storage.bootstrap(first).expect("the storage is fresh");
        let open = |name| {
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create_new(true)
                .open(directory.join(name));
            file.expect("the directory is fresh")
        };
        let (growing, allocated) = (open("growing"), open("allocated"));
        for _ in 0..ROOM >> 20 {
            (&allocated)
                .write_all(&vec![0; 1 << 20])
                .expect("there is room");
        }
        allocated.sync_all().expect("the disk works");
        let mut node = Node::new(Config::new(1), storage.restart_state()).expect("it is sound");
        node.campaign().expect("it is sound");
        Disk {
            node,
            storage,
            compacted: 0,
            applied: 0,
            payload_len,
            number: 0,
            growing,
            allocated,
            place: 0,
            saves: Vec::new(),
            growing_ns: Vec::new(),
            allocated_ns: Vec::new(),
            unsynced: 0,
            file_bytes: 0,
            storage_bytes: 0,
        }
    }

    fn payload(&self, number: u64) -> Bytes {
        let mut data: Vec<u8> = (0..self.payload_len).map(|place| place as u8).collect();
        data[..8].copy_from_slice(&number.to_le_bytes());
        data.into()
    }

    /// A batch, until it is applied.
    fn replicate(&mut self, batch: usize) {
        for _ in 0..batch {
            self.number += 1;
            let data = self.payload(self.number);
            self.node.propose(data).expect("the leader takes it");
        }
        self.run();
        assert_eq!(self.applied, self.number, "all are applied");
        let last = self.storage.last_index();
        if last >= self.compacted + COMPACT_EVERY + COMPACT_KEEP {
            self.compacted = last - COMPACT_KEEP;
            // A durable log keeps what no snapshot has.
            self.storage
                .create_snapshot(last, None, Bytes::new())
                .expect("it is applied");
            self.storage
                .compact(self.compacted + 1)
                .expect("it is applied");
            self.node
                .compacted(self.compacted + 1)
                .expect("it is applied");
        }
    }

    fn run(&mut self) {
        while self.node.has_ready() {
            let ready = self.node.ready().expect("the last one was advanced");
            self.save(&ready);
            for entry in &ready.committed_entries {
                self.applied += u64::from(entry.data.len() >= 8);
            }
            self.node.advance().expect("a Ready was taken");
        }
    }

    fn save(&mut self, ready: &Ready) {
        if !ready.must_sync || ready.entries.is_empty() {
            self.storage.save(ready).expect("the disk works");
            self.unsynced += u64::from(!ready.must_sync);
            return;
        }
        let bytes: Vec<u8> = ready.entries.iter().flat_map(codec::encode_entry).collect();
        self.file_bytes += bytes.len() as u64;
        if self.place + bytes.len() as u64 > ROOM {
            self.place = 0;
        }
        let first = self.saves.len();
        for turn in first..first + 3 {
            let begun = Instant::now();
            match turn % 3 {
                0 => {
                    let before = written();
                    let begun = Instant::now();
                    self.storage.save(ready).expect("the disk works");
                    self.saves.push(elapsed(begun));
                    self.storage_bytes += written() - before;
                }
                1 => {
                    self.growing.write_all(&bytes).expect("there is room");
                    self.growing.sync_data().expect("the disk works");
                    self.growing_ns.push(elapsed(begun));
                }
                _ => {
                    let write = self.allocated.write_all_at(&bytes, self.place);
                    write.expect("there is room");
                    self.allocated.sync_data().expect("the disk works");
                    self.allocated_ns.push(elapsed(begun));
                }
            }
        }
        self.place += bytes.len() as u64;
    }

    fn forget(&mut self) {
        for times in [
            &mut self.saves,
            &mut self.growing_ns,
            &mut self.allocated_ns,
        ] {
            times.clear();
        }
        (self.unsynced, self.file_bytes, self.storage_bytes) = (0, 0, 0);
    }

    /// Panics unless the last thousand commands are in the log as they were proposed.
    fn check(&self) {
        let (first, last) = (self.storage.first_index(), self.storage.last_index());
        let low = first.max(last.saturating_sub(1000));
        let entries = self.storage.entries(low, last + 1, u64::MAX);
        let entries: Vec<Entry> = entries.expect("they are stored");
        let commands = entries.iter().filter(|entry| !entry.data.is_empty()).rev();
        for (entry, number) in commands.zip((1..=self.number).rev()) {
            assert!(
                entry.data == self.payload(number),
                "command {number} is what it was"
            );
        }
    }
}

fn elapsed(begun: Instant) -> u64 {
    begun.elapsed().as_nanos() as u64
}

/// Bytes that this process has made the system write to disks.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// The median and the 99th percentile.
fn percentiles(times: &[u64]) -> (u64, u64) {
    let mut times = times.to_vec();
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (mut seconds, mut ops) = (0.0, 0);
    let mut options = arguments.iter().skip(3);
    while let Some(option) = options.next() {
        let value = options.next().map_or("", String::as_str);
        match option.as_str() {
            "--seconds" => seconds = value.parse().unwrap_or_else(|_| usage()),
            "--ops" => ops = value.parse().unwrap_or_else(|_| usage()),
            _ => usage(),
        }
    }
    let [_, workload, directory, ..] = arguments.as_slice() else {
        usage()
    };
    let (batch, payload_len) = parse(workload).unwrap_or_else(|| usage());
    let directory = PathBuf::from(directory).join(std::process::id().to_string());
    fs::create_dir_all(&directory).expect("the directory can be made");

    let mut disk = Disk::new(&directory, payload_len);
    disk.run();
    for _ in 0..WARM_UP {
        disk.replicate(batch);
    }
    disk.forget();
    let (begun, mut batches) = (Instant::now(), 0);
    while batches == 0 || batches * batch < ops || begun.elapsed().as_secs_f64() < seconds {
        disk.replicate(batch);
        batches += 1;
    }
    disk.check();
    let entries = (batches * batch) as u64;
    let total: u64 = disk.saves.iter().sum();
    let [storage, growing, allocated] =
        [&disk.saves, &disk.growing_ns, &disk.allocated_ns].map(|times| percentiles(times));
    println!(
        "{{\"library\": \"libraft-disk\", \"workload\": \"{workload}\", \"ops\": {entries}, \"ns\": {total}, \
         \"batches\": {batches}, \"synced_saves\": {}, \"unsynced_saves\": {}, \
         \"save_p50_ns\": {}, \"save_p99_ns\": {}, \"file_p50_ns\": {}, \"file_p99_ns\": {}, \
         \"allocated_p50_ns\": {}, \"allocated_p99_ns\": {}, \
         \"file_bytes\": {}, \"storage_bytes\": {}}}",
        disk.saves.len(),
        disk.unsynced,
        storage.0,
        storage.1,
        growing.0,
        growing.1,
        allocated.0,
        allocated.1,
        disk.file_bytes,
        disk.storage_bytes,
    );
    drop(disk);
    fs::remove_dir_all(&directory).expect("it is ours");
}

/// `disk_b64_1k`: a batch of 64 commands of 1 KiB.
fn parse(workload: &str) -> Option<(usize, usize)> {
    let (batch, len) = workload.strip_prefix("disk_b")?.split_once('_')?;
    let len = match len.strip_suffix('k') {
        Some(thousands) => thousands.parse::<usize>().ok()? * 1024,
        None => len.parse().ok()?,
    };
    let batch = batch.parse().ok()?;
    (batch > 0 && len >= 8).then_some((batch, len))
}

fn usage() -> ! {
    eprintln!("usage: bench-disk disk_bBATCH_BYTES DIRECTORY [--seconds S | --ops N]");
    exit(2)
}
