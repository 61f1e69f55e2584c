//! What a durable storage promises about its disk.

mod content;
mod crash;
mod damage;
mod faults;
mod io;
mod journal;
mod lives;
mod rows;
mod sim;

use libraft_core::{ConfState, Entry, EntryId, EntryKind, HardState, RestartState, Snapshot};

use self::sim::{Image, Sim};
use super::{DurableStorage, RecoveryReport, engine::Sizes, recovery};
use crate::{
    error::Result,
    storage::{Storage, Update},
};

fn open(image: Image) -> Result<DurableStorage> {
    recovery::open_on(Box::new(Sim::new(image)), Sizes::default())
}

fn entries(range: std::ops::Range<u64>, term: u64) -> Vec<Entry> {
    range
        .map(|index| Entry {
            term,
            index,
            kind: match index % 5 {
                0 => EntryKind::ConfChangeV2,
                _ => EntryKind::Normal,
            },
            data: vec![index as u8 ^ term as u8; 40 + (index as usize * 37) % 200].into(),
            ..Entry::default()
        })
        .collect()
}

fn append(storage: &DurableStorage, entries: &[Entry]) -> Result<()> {
    storage.write(Update {
        hard_state: entries.last().map(|last| HardState {
            term: last.term,
            vote: 1,
            commit: entries[0].index - 1,
        }),
        entries: &entries.to_vec().into(),
        must_sync: true,
        ..Update::default()
    })
}

fn snapshot(index: u64, term: u64, bytes: usize) -> Snapshot {
    Snapshot {
        id: EntryId { term, index },
        conf_state: ConfState::of_voters([1, 2, index]),
        data: vec![index as u8; bytes].into(),
    }
}

/// All that a storage holds.
#[derive(Clone, Debug, PartialEq)]
struct Contents {
    restart: RestartState,
    hard_state: HardState,
    snapshot: Snapshot,
    entries: Vec<Entry>,
}

impl Contents {
    fn of(storage: &DurableStorage) -> Result<Contents> {
        let (first, last) = (storage.first_index(), storage.last_index());
        Ok(Contents {
            restart: storage.restart_state(),
            hard_state: storage.hard_state(),
            snapshot: storage.snapshot()?,
            entries: storage.entries(first, last + 1, u64::MAX)?,
        })
    }
}

/// A storage with a little of everything in it, on a medium whose journal begins after that.
fn prepared() -> (Sim, DurableStorage) {
    let sim = Sim::default();
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    storage
        .bootstrap_members(ConfState::of_voters([1, 2, 3]))
        .unwrap();
    append(&storage, &entries(1..30, 1)).unwrap();
    append(&storage, &entries(20..40, 2)).unwrap();
    for index in 40..45 {
        append(&storage, &entries(index..index + 1, 3)).unwrap();
    }
    storage
        .create_snapshot(12, None, vec![7; 3000].into())
        .unwrap();
    storage.compact(11).unwrap();
    sim.take_journal();
    (sim, storage)
}

/// One write of each kind, each on a storage as [`prepared`] gives it.
type Write = fn(&DurableStorage) -> Result<()>;
const WRITES: [(&str, Write); 10] = [
    ("one entry", |storage| append(storage, &entries(45..46, 3))),
    ("many entries", |storage| {
        append(storage, &entries(45..300, 4))
    }),
    ("a large entry", |storage| {
        let mut entry = entries(45..46, 3);
        entry[0].data = vec![5; 100_000].into();
        append(storage, &entry)
    }),
    ("a conflicting suffix", |storage| {
        append(storage, &entries(25..28, 5))
    }),
    ("a vote", |storage| {
        storage.write(Update {
            hard_state: Some(HardState {
                term: 9,
                vote: 3,
                commit: 44,
            }),
            must_sync: true,
            ..Update::default()
        })
    }),
    ("a commit index and then an entry", |storage| {
        storage.write(Update {
            hard_state: Some(HardState {
                commit: 44,
                ..storage.hard_state()
            }),
            ..Update::default()
        })?;
        append(storage, &entries(45..46, 3))
    }),
    (
        "a snapshot from the leader, and entries after it",
        |storage| {
            storage.write(Update {
                hard_state: Some(HardState {
                    term: 6,
                    vote: 0,
                    commit: 60,
                }),
                entries: &entries(61..64, 6).into(),
                snapshot: Some(&snapshot(60, 6, 5000)),
                must_sync: true,
            })
        },
    ),
    ("a snapshot of its own", |storage| {
        let conf_state = ConfState::of_voters([1, 2, 4]);
        storage.create_snapshot(40, Some(conf_state), vec![1; 9000].into())?;
        Ok(())
    }),
    ("a compaction", |storage| storage.compact(13)),
    ("a sync of what was not synced", |storage| {
        storage.write(Update {
            hard_state: Some(HardState {
                commit: 44,
                ..storage.hard_state()
            }),
            ..Update::default()
        })?;
        storage.sync()
    }),
];
