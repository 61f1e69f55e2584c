//! What is done to a storage while its disk fails, and what is there after each call.

use super::{super::*, layer::*};
use crate::error::Error;

/// One step of the workload.
pub enum Step {
    /// A call that changes something.
    Write {
        what: &'static str,
        /// Whether it is to survive a power cut by itself.
        durable: bool,
        call: Write,
    },
    /// Everything is read.
    Read,
    /// The storage is closed and opened again.
    Reopen,
}

const fn write(what: &'static str, call: Write) -> Step {
    let durable = true;
    Step::Write {
        what,
        durable,
        call,
    }
}

const fn lazily(what: &'static str, call: Write) -> Step {
    let durable = false;
    Step::Write {
        what,
        durable,
        call,
    }
}

/// A storage's life: it is made, bootstrapped, appended to in all ways, replaced by a snapshot,
/// compacted, and opened again. If nothing is to be spared, it is also copied to a smaller file.
pub const STEPS: &[Step] = &[
    write("the beginning", |storage| {
        storage.bootstrap_members(ConfState::of_voters([1, 2, 3]))
    }),
    write("entries", |storage| append(storage, &entries(2..14, 1))),
    lazily("entries without a sync", |storage| {
        append_lazily(storage, &entries(14..17, 1))
    }),
    lazily("a commit index", |storage| commit(storage, 12)),
    Step::Read,
    write("a new tail in a new term", |storage| {
        append(storage, &entries(9..20, 2))
    }),
    lazily("a new tail without a sync", |storage| {
        append_lazily(storage, &entries(15..24, 2))
    }),
    write("a sync", |storage| storage.sync()),
    write("a large entry", |storage| {
        append(storage, &large(24, 2, 40_000))
    }),
    Step::Read,
    write("a snapshot of its own", |storage| {
        let conf_state = ConfState::of_voters([1, 2, 4]);
        storage.create_snapshot(14, Some(conf_state), vec![1; 5000].into())?;
        Ok(())
    }),
    write("a compaction", |storage| storage.compact(12)),
    Step::Reopen,
    write("an entry", |storage| append(storage, &entries(25..26, 3))),
    write("a vote", |storage| {
        storage.write(Update {
            hard_state: Some(HardState {
                term: 5,
                vote: 3,
                commit: 24,
            }),
            must_sync: true,
            ..Update::default()
        })
    }),
    write("two large entries", |storage| {
        append(storage, &large(26, 5, 60_000))?;
        Ok(())
    }),
    write(
        "a snapshot from the leader, and entries after it",
        |storage| {
            storage.write(Update {
                hard_state: Some(HardState {
                    term: 6,
                    vote: 0,
                    commit: 60,
                }),
                entries: &entries(61..70, 6).into(),
                snapshot: Some(&snapshot(60, 6, 9000)),
                must_sync: true,
            })
        },
    ),
    lazily("an entry without a sync", |storage| {
        append_lazily(storage, &entries(70..71, 6))
    }),
    write("the same entry again", |storage| {
        append(storage, &entries(70..72, 6))
    }),
    write("a smaller snapshot", |storage| {
        storage.create_snapshot(68, None, vec![2; 100].into())?;
        Ok(())
    }),
    write("a compaction to a few entries", |storage| {
        storage.compact(69)
    }),
    Step::Read,
    write("an entry after that", |storage| {
        append(storage, &entries(72..73, 6))
    }),
    Step::Reopen,
    write("the last one", |storage| {
        append(storage, &entries(73..75, 7))
    }),
];

/// Little memory, so that the engine reads from its file and writes to it in the middle of a
/// transaction; and a file that is too large at once.
pub const TIGHT: Sizes = Sizes {
    cache_bytes: 48 << 10,
    spare_bytes: 0,
    journal_bytes: 32 << 10,
};

fn append_lazily(storage: &DurableStorage, entries: &[Entry]) -> Result<()> {
    storage.write(Update {
        entries: &entries.to_vec().into(),
        ..Update::default()
    })
}

fn commit(storage: &DurableStorage, commit: u64) -> Result<()> {
    storage.write(Update {
        hard_state: Some(HardState {
            commit,
            ..storage.hard_state()
        }),
        ..Update::default()
    })
}

/// One entry with so many bytes.
pub fn large(index: u64, term: u64, bytes: usize) -> Vec<Entry> {
    let mut entries = entries(index..index + 1, term);
    entries[0].data = vec![index as u8; bytes].into();
    entries
}

/// How far a run has come. States are numbered: 0 is the fresh storage, and each step has one
/// after it.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last step that was acknowledged.
    pub acknowledged: usize,
    /// The last one of which that means that it survives a power cut.
    pub owed: usize,
    /// The last one that may be there.
    pub newest: usize,
    /// The error that ended it.
    pub error: Option<Error>,
}

/// Runs the workload until something fails, and has somebody look at what it reads now and then.
/// Returns the storage, if it could be opened, as the failure has left it.
pub fn run(
    sim: &Sim,
    plan: &Plan,
    sizes: Sizes,
    mut look: impl FnMut(usize, &DurableStorage, &Plan),
) -> (Option<DurableStorage>, Progress) {
    let open = || recovery::open_on(Box::new(Faulty::new(sim, plan)), sizes);
    let mut progress = Progress::default();
    let failed = |progress, error| Progress {
        error: Some(error),
        ..progress
    };
    let mut storage = match open() {
        Ok(storage) => storage,
        Err(error) => return (None, failed(progress, error)),
    };
    look(0, &storage, plan);
    for (at, step) in (1..).zip(STEPS) {
        match step {
            Step::Write { durable, call, .. } => {
                progress.newest = at;
                if let Err(error) = call(&storage) {
                    return (Some(storage), failed(progress, error));
                }
                progress.acknowledged = at;
                if *durable {
                    progress.owed = at;
                }
            }
            Step::Read => {
                look(at - 1, &storage, plan);
                progress.acknowledged = at;
                progress.newest = at;
            }
            Step::Reopen => {
                drop(storage);
                storage = match open() {
                    Ok(storage) => storage,
                    Err(error) => return (None, failed(progress, error)),
                };
                look(at - 1, &storage, plan);
                // What was shown once stays.
                progress = Progress {
                    acknowledged: at,
                    owed: at,
                    newest: at,
                    error: None,
                };
            }
        }
    }
    (Some(storage), progress)
}
