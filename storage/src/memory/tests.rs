//! Where the memory storage differs from the durable one, and what callers hold on to.

use std::sync::Arc;

use libraft_core::{Body, EntryId, HardState, LOCAL_APPEND, Message, Ready};

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
        entries: (1..=5)
            .map(|index| Entry {
                term: 1,
                index,
                data: vec![index as u8; 10].into(),
                ..Entry::default()
            })
            .collect(),
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

#[test]
fn a_save_that_takes_the_entries_stores_what_one_that_copies_them_does() {
    let entry = |term, index| Entry {
        term,
        index,
        data: vec![index as u8; 3].into(),
        ..Entry::default()
    };
    let list = |term, range: std::ops::Range<Index>| range.map(|at| entry(term, at)).collect();
    // More of the log, some of it anew, some of it compacted and some not, and nothing.
    let lists: [Vec<Entry>; 4] = [list(1, 6..9), list(2, 5..8), list(2, 1..6), Vec::new()];
    for entries in lists {
        let (copying, taking) = (filled(), filled());
        copying.compact(4).unwrap();
        taking.compact(4).unwrap();
        let mut ready = Ready {
            entries,
            ..Ready::default()
        };
        copying.save(&ready).unwrap();
        taking.save_taking(&mut ready).unwrap();
        assert!(ready.entries.is_empty());
        assert_eq!(taking.restart_state(), copying.restart_state());
        let (first, end) = (copying.first_index(), copying.last_index() + 1);
        assert_eq!(
            taking.entries(first, end, u64::MAX).unwrap(),
            copying.entries(first, end, u64::MAX).unwrap()
        );
    }
}

#[test]
fn a_save_that_fails_takes_nothing() {
    let storage = filled();
    let gap = Entry {
        term: 1,
        index: 7,
        ..Entry::default()
    };
    let mut ready = Ready {
        entries: vec![gap],
        ..Ready::default()
    };
    let before = ready.clone();
    let refused = storage.save_taking(&mut ready);
    assert!(matches!(refused, Err(Error::Invalid(_))));
    assert_eq!(ready, before);
    assert_eq!(storage.last_index(), 5);
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
            entries: &[replaced],
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
        body: Body::StorageAppend {
            hard_state: Some(HardState {
                term: 1,
                vote: 2,
                commit: 0,
            }),
            entries: vec![Entry {
                term: 1,
                index: 1,
                ..Entry::default()
            }],
            snapshot: None,
            responses,
        },
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
