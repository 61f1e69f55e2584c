//! Where the memory storage differs from the durable one, and what callers hold on to.

use std::sync::Arc;

use libraft_core::{Body, EntryId, HardState, LOCAL_APPEND, Message, Ready, StorageAppend};

use super::*;
use crate::error::Error;

fn filled() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let ready = Ready {
        hard_state: Some(HardState {
            term: 1,
            vote: 1,
            commit: 3,
        }),
        entries: (1..=5).map(|index| entry(1, index)).collect(),
        must_sync: true,
        ..Ready::default()
    };
    storage.save(&ready).unwrap();
    storage
}

#[test]
fn it_may_be_compacted_beyond_its_snapshot() {
    let storage = filled();
    storage.compact(4).unwrap();
    assert_eq!(storage.first_index(), 4);
    assert_eq!(storage.restart_state().applied, 3);
    let created = storage.create_snapshot(2, None, Bytes::new());
    assert!(matches!(created, Err(Error::Compacted)));
}

fn entry(term: Term, index: Index) -> Entry {
    Entry {
        term,
        index,
        data: vec![index as u8; 10].into(),
        ..Entry::default()
    }
}

fn save(storage: &MemoryStorage, entries: &Entries) {
    let ready = Ready {
        entries: entries.clone(),
        ..Ready::default()
    };
    storage.save(&ready).unwrap();
}

/// As the storage has them.
fn batches(storage: &MemoryStorage) -> Vec<Entries> {
    storage.read().batches.iter().cloned().collect()
}

#[test]
fn a_save_shares_the_entries() {
    let storage = filled();
    let list = |term, range: std::ops::Range<Index>| range.map(|at| entry(term, at)).collect();
    let (more, anew): (Entries, Entries) = (list(1, 6..10), list(2, 8..12));
    save(&storage, &more);
    assert!(batches(&storage)[1].is_same(&more));
    // Of those that are replaced, what stays is shared still, and so is what is left by a compaction.
    save(&storage, &anew);
    assert!(batches(&storage)[1].is_same(&more.slice(..2)));
    assert!(batches(&storage)[2].is_same(&anew));
    storage.compact(10).unwrap();
    let [last] = &batches(&storage)[..] else {
        panic!("one batch is left");
    };
    assert!(last.is_same(&anew.slice(2..)));
    // Nor are those copied that come with others, which are compacted.
    let late: Entries = list(3, 9..13);
    save(&storage, &late);
    assert!(batches(&storage)[0].is_same(&late.slice(1..)));
    assert_eq!(storage.entries(10, 13, u64::MAX).unwrap(), late[1..]);
}

/// With a payload that others hold as well.
fn shared_entry(term: Term, index: Index) -> Entry {
    Entry {
        data: Bytes::from_owner(vec![index as u8; 10]),
        ..entry(term, index)
    }
}

fn gathered(storage: &MemoryStorage) -> usize {
    storage.read().tail.len()
}

#[test]
fn entries_that_come_a_few_at_a_time_become_batches() {
    let storage = MemoryStorage::new();
    let all: Vec<Entry> = (1..=200).map(|index| shared_entry(1, index)).collect();
    let mut saved = 0;
    for len in [1, 3, 7].into_iter().cycle().take(40) {
        save(&storage, &all[saved..saved + len].to_vec().into());
        saved += len;
        assert_eq!(
            storage.entries(1, saved as u64 + 1, u64::MAX).unwrap(),
            all[..saved]
        );
        assert!(gathered(&storage) <= GATHERED);
        let lens: Vec<usize> = batches(&storage).iter().map(|batch| batch.len()).collect();
        assert_eq!(lens.iter().sum::<usize>() + gathered(&storage), saved);
        assert!(
            lens.iter().all(|len| (58..=GATHERED).contains(len)),
            "{lens:?}"
        );
    }
    assert_eq!(
        (saved, batches(&storage).len(), gathered(&storage)),
        (144, 2, 22)
    );
    // Part of what is gathered is replaced, then all of it and a part of the last batch.
    for from in [140, 120] {
        save(&storage, &shared_entry(from, from).into());
        let list = storage.entries(100, from + 1, u64::MAX).unwrap();
        assert_eq!(list[..list.len() - 1], all[99..from as usize - 1]);
        assert_eq!(list[list.len() - 1], shared_entry(from, from));
    }
    assert_eq!(gathered(&storage), 1);
    // A whole batch comes behind what is gathered, and so does what has its payload to itself.
    let whole: Entries = (121..=129).map(|index| shared_entry(120, index)).collect();
    save(&storage, &whole);
    assert_eq!(gathered(&storage), 0);
    assert!(batches(&storage).last().unwrap().is_same(&whole));
    save(&storage, &shared_entry(120, 130).into());
    save(&storage, &entry(120, 131).into());
    assert_eq!((gathered(&storage), batches(&storage).len()), (0, 6));
    for index in 132..=135 {
        save(&storage, &shared_entry(120, index).into());
    }
    assert_eq!(storage.entries(129, 136, u64::MAX).unwrap().len(), 7);
    // Compaction goes into what is gathered.
    storage.compact(134).unwrap();
    assert_eq!((gathered(&storage), batches(&storage).len()), (2, 0));
    assert_eq!(
        storage.entries(135, 136, u64::MAX).unwrap(),
        [shared_entry(120, 135)]
    );
    storage.compact(136).unwrap();
    assert_eq!(gathered(&storage), 0);
}

#[test]
fn long_payloads_are_not_gathered() {
    let storage = MemoryStorage::new();
    for (index, len, expected) in [(1, PayloadBlock::SHORT, 1), (2, PayloadBlock::SHORT + 1, 0)] {
        let long = Entry {
            data: Bytes::from_owner(vec![7; len]),
            ..entry(1, index)
        };
        save(&storage, &long.into());
        assert_eq!(gathered(&storage), expected);
    }
}

#[test]
fn a_snapshot_replaces_what_is_gathered() {
    let storage = MemoryStorage::new();
    save(&storage, &shared_entry(1, 1).into());
    let snapshot = Snapshot {
        id: EntryId { term: 2, index: 9 },
        ..Snapshot::default()
    };
    let (none, update) = (Entries::new(), Update::default());
    let update = Update {
        snapshot: Some(&snapshot),
        entries: &none,
        ..update
    };
    storage.write(update).unwrap();
    assert_eq!((gathered(&storage), storage.first_index()), (0, 10));
    save(&storage, &shared_entry(2, 10).into());
    assert_eq!(
        storage.entries(10, 11, u64::MAX).unwrap(),
        [shared_entry(2, 10)]
    );
}

#[test]
fn a_small_rest_of_a_batch_does_not_keep_it_in_memory() {
    let storage = MemoryStorage::new();
    let all: Entries = (1..9).map(|index| entry(1, index)).collect();
    save(&storage, &all);
    save(&storage, &entry(2, 4).into());
    let rest = batches(&storage)[0].clone();
    assert_eq!(rest, all[..3]);
    assert!(!rest.is_same(&all.slice(..3)));
    storage.compact(3).unwrap();
    assert_eq!(batches(&storage)[0], all[2..3]);
    assert!(!batches(&storage)[0].is_same(&rest.slice(2..)));
}

#[test]
fn a_save_that_fails_changes_nothing() {
    let storage = filled();
    let (before, state) = (batches(&storage), storage.restart_state());
    let gap: Entries = [entry(1, 7)].into();
    let gap_within: Entries = [entry(2, 3), entry(2, 5)].into();
    for entries in [gap, gap_within] {
        let ready = Ready {
            entries,
            ..Ready::default()
        };
        let refused = storage.save(&ready);
        assert!(matches!(refused, Err(Error::Invalid(_))));
        assert_eq!(storage.restart_state(), state);
        let after = batches(&storage);
        assert_eq!(after.len(), before.len());
        assert!(after[0].is_same(&before[0]));
    }
}

#[test]
fn entries_that_were_read_do_not_change_when_the_log_does() {
    let storage = filled();
    let read = storage.entries(1, 6, u64::MAX).unwrap();
    let replaced = Entry {
        term: 2,
        index: 3,
        ..Entry::default()
    };
    storage
        .write(Update {
            entries: &replaced.into(),
            ..Update::default()
        })
        .unwrap();
    storage.compact(3).unwrap();
    assert_eq!(read[2].term, 1);
    assert_eq!(storage.entries(3, 4, u64::MAX).unwrap()[0].term, 2);
}

#[test]
fn a_size_limit_leaves_at_least_one_entry() {
    let storage = filled();
    let len = entry_encoded_len(&storage.entries(1, 2, 0).unwrap()[0]) as u64;
    for (max_bytes, expected) in [(0, 1), (2 * len - 1, 1), (2 * len, 2), (u64::MAX, 5)] {
        assert_eq!(storage.entries(1, 6, max_bytes).unwrap().len(), expected);
    }
}

#[test]
fn a_state_machine_with_a_state_of_its_own_starts_from_there() {
    let storage = filled();
    let conf_state = ConfState::of_voters([1, 2]);
    let state = storage.restart_state_at(4, conf_state.clone()).unwrap();
    assert_eq!((state.applied, state.conf_state), (4, conf_state.clone()));
    assert_eq!(state.hard_state.commit, 4);
    assert!(matches!(
        storage.restart_state_at(6, conf_state.clone()),
        Err(Error::Unavailable)
    ));
    storage.create_snapshot(3, None, Bytes::new()).unwrap();
    assert!(matches!(
        storage.restart_state_at(2, conf_state),
        Err(Error::Compacted)
    ));
}

#[test]
fn the_append_worker_of_asynchronous_writes_saves_a_message() {
    let storage = MemoryStorage::new();
    let message = |responses: Vec<Message>| Message {
        to: LOCAL_APPEND,
        from: 1,
        term: 1,
        body: Body::StorageAppend(Box::new(StorageAppend {
            hard_state: Some(HardState {
                term: 1,
                vote: 2,
                commit: 0,
            }),
            entries: vec![Entry {
                term: 1,
                index: 1,
                ..Entry::default()
            }]
            .into(),
            snapshot: None,
            responses,
        })),
    };
    let response = Message {
        to: 2,
        from: 1,
        term: 1,
        body: Body::Accept { index: 1 },
    };
    let answered = message(vec![response.clone()]);
    let update = Update::of_storage_append(&answered).unwrap();
    assert!(update.must_sync);
    storage.write(update).unwrap();
    assert_eq!((storage.last_index(), storage.hard_state().vote), (1, 2));
    assert!(
        !Update::of_storage_append(&message(Vec::new()))
            .unwrap()
            .must_sync
    );
    assert!(Update::of_storage_append(&response).is_none());
}

#[test]
fn it_is_shared_between_threads() {
    let storage: Arc<dyn Storage> = Arc::new(filled());
    let other = Arc::clone(&storage);
    let reader = std::thread::spawn(move || other.entries(1, 6, u64::MAX).unwrap().len());
    let snapshot = storage
        .create_snapshot(3, None, Bytes::from_static(b"three"))
        .unwrap();
    assert_eq!(reader.join().unwrap(), 5);
    assert_eq!(snapshot.id, EntryId { term: 1, index: 3 });
    assert_eq!(storage.snapshot().unwrap(), snapshot);
}

#[test]
fn a_compaction_gives_back_the_room_of_what_was_gathered() {
    let storage = MemoryStorage::new();
    for index in 1..=60 {
        save(&storage, &shared_entry(1, index).into());
    }
    assert!(storage.read().tail.capacity() >= 60);
    storage.compact(60).unwrap();
    assert_eq!(storage.read().tail.capacity(), 1);
}
