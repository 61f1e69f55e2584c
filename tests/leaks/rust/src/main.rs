//! Creates and drops nodes of the crates, and prints what the process holds after a tenth of them
//! and at the end. Then the same with durable storages.
//!
//! ```text
//! leaks-rust NODES STORAGES DIRECTORY [FORGOTTEN]
//! ```
//!
//! FORGOTTEN is node, storage, ready or error: every seventh time, such a value is forgotten, which
//! tests/leaks/run has to notice. Linux and glibc only.

use std::error::Error;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use libraft_core::{
    ConfChange, ConfChangeKind, ConfChangeSingle, ConfState, Config, EntryId, EntryKind, Node,
    Snapshot, codec,
};
use libraft_storage::{DurableStorage, MemoryStorage, Storage};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Drops values, but for every seventh one of a kind.
struct Forgetter {
    kind: String,
    times: u64,
}

impl Forgetter {
    fn drop<T>(&mut self, kind: &str, value: T) {
        if self.kind == kind {
            self.times += 1;
            if self.times.is_multiple_of(7) {
                std::mem::forget(value);
            }
        }
    }

    /// A call that has to fail.
    fn fail<T, E>(&mut self, result: std::result::Result<T, E>) -> Result<()> {
        match result {
            Ok(_) => Err("a call succeeded that has to fail".into()),
            Err(error) => {
                self.drop("error", error);
                Ok(())
            }
        }
    }
}

fn payload() -> Bytes {
    Bytes::from(vec![7; 100])
}

fn work(node: &mut Node, storage: &impl Storage, forgetter: &mut Forgetter) -> Result<()> {
    while node.has_ready() {
        let ready = node.ready()?;
        storage.save(&ready)?;
        for entry in &ready.committed_entries {
            if entry.kind == EntryKind::ConfChange {
                let change = codec::decode_conf_change(entry.data.clone())?;
                node.apply_conf_change(&change.into())?;
            }
        }
        node.advance()?;
        forgetter.drop("ready", ready);
    }
    Ok(())
}

/// The life of one node.
fn live(storage: impl Storage, number: u64, forgetter: &mut Forgetter) -> Result<()> {
    storage.bootstrap(Snapshot {
        id: EntryId { term: 1, index: 1 },
        conf_state: ConfState::of_voters([1]),
        data: payload(),
    })?;
    let mut config = Config::new(1);
    config.seed = number;
    forgetter.fail(Node::new(Config::new(0), storage.restart_state()))?;
    let mut node = Node::new(config, storage.restart_state())?;
    forgetter.fail(node.propose(payload()))?;
    forgetter.fail(node.advance())?;
    forgetter.fail(node.step_bytes(Bytes::from_static(b"\xff\xff")))?;
    forgetter.fail(storage.compact(99))?;
    node.campaign()?;
    work(&mut node, &storage, forgetter)?;
    node.propose_many([payload(), Bytes::new(), payload()])?;
    node.propose_conf_change(&ConfChange {
        id: 0,
        change: ConfChangeSingle {
            kind: ConfChangeKind::AddLearnerNode,
            node_id: 2,
        },
        context: payload(),
    })?;
    node.read_index(payload())?;
    node.tick()?;
    work(&mut node, &storage, forgetter)?;
    let status = node.status();
    let last = storage.last_index();
    if status.progress.len() != 2 || storage.entries(2, last + 1, u64::MAX)?.is_empty() {
        return Err("the log is not what was proposed".into());
    }
    storage.create_snapshot(last, Some(status.conf_state), payload())?;
    storage.compact(last)?;
    // Dropped in every state: with nothing to do, with a Ready that nobody has taken, and with one
    // that is not advanced.
    if !number.is_multiple_of(3) {
        node.propose(payload())?;
    }
    if number % 3 > 1 {
        node.ready()?;
    }
    forgetter.drop("node", node);
    forgetter.drop("storage", storage);
    Ok(())
}

fn durable(directory: &Path, number: u64, forgetter: &mut Forgetter) -> Result<()> {
    let path = directory.join(number.to_string());
    let storage = DurableStorage::open(&path)?;
    forgetter.fail(DurableStorage::open(&path))?;
    forgetter.fail(DurableStorage::open("/dev/null/storage"))?;
    live(storage, number, forgetter)?;
    fs::remove_dir_all(&path)?;
    Ok(())
}

/// One line of the output.
fn sample(phase: &str, done: u64) -> Result<()> {
    // SAFETY: it takes nothing, and may be called at any time.
    let heap = unsafe { libc::mallinfo2() };
    // SAFETY: as above.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .ok_or("statm is too short")?
        .parse()?;
    println!(
        "sample {phase} done={done} bytes={} rss_kib={} descriptors={} threads={}",
        heap.uordblks + heap.hblkhd,
        pages * page / 1024,
        fs::read_dir("/proc/self/fd")?.count(),
        fs::read_dir("/proc/self/task")?.count(),
    );
    Ok(())
}

fn repeat(phase: &str, times: u64, mut once: impl FnMut(u64) -> Result<()>) -> Result<()> {
    for done in 0..times {
        if done == times / 10 {
            sample(phase, done)?;
        }
        once(done)?;
    }
    sample(phase, times)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [nodes, storages, directory, rest @ ..] = &arguments[..] else {
        return Err("usage: leaks-rust NODES STORAGES DIRECTORY [node|storage|ready|error]".into());
    };
    let mut forgetter = Forgetter {
        kind: rest.first().cloned().unwrap_or_default(),
        times: 0,
    };
    repeat("nodes", nodes.parse()?, |number| {
        live(MemoryStorage::new(), number, &mut forgetter)
    })?;
    repeat("storages", storages.parse()?, |number| {
        durable(Path::new(directory), number, &mut forgetter)
    })
}
