//! Files that the engine finds sound, with rows that no storage has written: their checksums fit, so
//! that only a look at what they say can tell.

use libraft_core::{ConfState, Entries, Entry, codec};
use redb::{Database, TableDefinition};

use super::super::recovery::DATABASE;
use crate::{DurableStorage, Error, Storage, Update};

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const OUTLINE: TableDefinition<&str, &[u8]> = TableDefinition::new("outline");

/// What comes of opening a storage of four entries after this row was written to it.
fn opened_with(
    table: TableDefinition<'static, &'static str, &'static [u8]>,
    key: &str,
    row: &[u8],
) -> Result<DurableStorage, Error> {
    let directory = tempfile::tempdir().unwrap();
    let storage = DurableStorage::open(directory.path()).unwrap();
    storage
        .bootstrap_members(ConfState::of_voters([1]))
        .unwrap();
    let entries: Entries = (2..=5)
        .map(|index| Entry {
            term: 1 + index / 4,
            index,
            ..Entry::default()
        })
        .collect();
    let update = Update {
        entries: &entries,
        must_sync: true,
        ..Update::default()
    };
    storage.write(update).unwrap();
    drop(storage);

    let db = Database::open(directory.path().join(DATABASE)).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(table).unwrap().insert(key, row).unwrap();
    txn.commit().unwrap();
    drop(db);
    DurableStorage::open(directory.path())
}

fn row(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn assert_loud(
    table: TableDefinition<'static, &'static str, &'static [u8]>,
    key: &str,
    row: &[u8],
) {
    match opened_with(table, key, row) {
        Err(Error::Corrupt(_)) => {}
        other => panic!("{key} {row:?}: {other:?}"),
    }
}

#[test]
fn counters_that_cannot_have_come_about_are_loud() {
    // Sequence, bytes of the log and of the snapshot, compacted index and term, last index.
    let sound = [9, 0, 0, 1, 1, 5];
    let storage = opened_with(META, "counters", &row(&sound)).unwrap();
    assert_eq!(storage.last_index(), 5);
    let huge = 1 << 40;
    for (place, number) in [
        (0, u64::MAX),
        (1, huge),
        (1, u64::MAX),
        // Room for so much was made before the snapshot was read.
        (2, huge),
        (2, u64::MAX),
        (3, 0),
        (3, 9),
        (4, 2),
        (5, 0),
        (5, u64::MAX),
    ] {
        let mut counters = sound;
        counters[place] = number;
        assert_loud(META, "counters", &row(&counters));
    }
}

#[test]
fn terms_and_changes_that_are_not_those_of_the_log_are_loud() {
    opened_with(OUTLINE, "term_runs", &row(&[2, 1, 4, 2])).unwrap();
    for runs in [
        &[][..],
        &[3, 1],
        &[2, 0],
        &[2, 2, 4, 1],
        &[2, 1, 4, 1],
        &[2, 1, 2, 2],
        &[2, 1, 6, 2],
        &[2, u64::MAX],
    ] {
        assert_loud(OUTLINE, "term_runs", &row(runs));
    }
    opened_with(OUTLINE, "conf_changes", &row(&[2, 5])).unwrap();
    for changes in [&[1][..], &[6], &[3, 2], &[3, 3], &[u64::MAX]] {
        assert_loud(OUTLINE, "conf_changes", &row(changes));
    }
}

#[test]
fn a_key_of_the_journal_that_is_none_is_loud() {
    for key in [&[][..], &[7], &[1, 2]] {
        assert_loud(META, "journal", &row(key));
    }
}

#[test]
fn a_snapshot_that_leaves_a_gap_before_the_log_is_loud() {
    let none = codec::encode_snapshot(&libraft_core::Snapshot::default());
    assert_loud(META, "snapshot", &none);
}
