//! What the journal has after a crash, and what it makes of it.

use super::{
    recovery::{DATABASE, JOURNAL, MARK},
    sim::*,
    *,
};
use crate::{durable::Record, error::Error};

/// Where the journal's first record begins, and each of these is a block further on.
const BLOCK: usize = 4096;

/// A storage with so many records in its journal, each of one entry, from 45 on; and what a killed
/// process leaves of it.
fn with_records(count: u64) -> (Sim, DurableStorage) {
    let (sim, storage) = prepared();
    for index in 45..45 + count {
        append(&storage, &entries(index..index + 1, 3)).unwrap();
    }
    (sim, storage)
}

fn append_lazily(storage: &DurableStorage, index: u64, byte: u8) {
    let mut entries = entries(index..index + 1, 3);
    entries[0].data = vec![byte; 100].into();
    storage
        .write(Update {
            entries: &entries.into(),
            ..Update::default()
        })
        .unwrap();
}

/// After a power cut, the mark may be that of long ago.
fn with_mark_of(mut image: Image, mut old: Image) -> Image {
    *image.file_mut(MARK) = old.file_mut(MARK).clone();
    image
}

#[test]
fn appends_and_votes_change_the_engines_file_only_when_the_journal_is_full() {
    let sim = Sim::default();
    let sizes = Sizes {
        journal_bytes: 4 * BLOCK as u64,
        ..Sizes::default()
    };
    let storage = recovery::open_on(Box::new(sim.clone()), sizes).unwrap();
    sim.take_journal();
    let mut synced = Vec::new();
    for index in 1..=21 {
        append(&storage, &entries(index..index + 1, 1 + index / 3)).unwrap();
        let names = sim.image().names;
        synced.extend(sim.take_journal().into_iter().filter_map(|event| {
            let Event::Sync { file } = event else {
                return None;
            };
            Some(if file == names[DATABASE] { 'e' } else { 'j' })
        }));
        assert_eq!(
            Contents::of(&open(sim.image()).unwrap()).unwrap(),
            Contents::of(&storage).unwrap()
        );
    }
    let synced: String = synced.into_iter().collect();
    assert_eq!(synced, "ejjjjejjjjejjjjejjjje");
}

#[test]
fn what_is_larger_than_the_journal_goes_to_the_engine() {
    let (sim, storage) = with_records(3);
    let mut large = entries(48..49, 3);
    large[0].data = vec![1; 2 << 20].into();
    append(&storage, &large).unwrap();
    append(&storage, &entries(49..50, 3)).unwrap();
    let reopened = open(sim.image()).unwrap();
    assert_eq!(
        Contents::of(&reopened).unwrap(),
        Contents::of(&storage).unwrap()
    );
    assert_eq!(reopened.recovery_report().discarded_writes, 0);
}

#[test]
fn a_damaged_record_is_no_torn_tail_if_a_later_one_knows_that_it_was_synced() {
    let old = prepared().0.image();
    let (sim, _storage) = with_records(4);
    for record in 0..4 {
        for at in [0, 9, 17, 30, 34, 38, 42, 60] {
            let mut image = with_mark_of(sim.image(), old.clone());
            image.file_mut(JOURNAL).flip((1 + record) * BLOCK + at, 4);
            let opened = open(image);
            if record < 3 {
                let error = opened.unwrap_err();
                assert!(
                    matches!(&error, Error::Corrupt(text) if text.contains("was synced")),
                    "record {record}, byte {at}: {error}"
                );
            } else {
                // Nobody knows of the last one, if the mark is old.
                assert_eq!(opened.unwrap().last_index(), 47);
            }
        }
    }
}

#[test]
fn a_record_that_is_cut_off_is_counted_even_if_the_mark_is_old() {
    let old = prepared().0.image();
    let (sim, storage) = with_records(1);
    sim.take_journal();
    let mut image = with_mark_of(sim.image(), old);
    append(&storage, &entries(46..80, 3)).unwrap();
    for event in sim.take_journal() {
        if let Event::Write { file, offset, data } = event
            && file == image.names[JOURNAL]
        {
            image.apply(&Event::Write {
                file,
                offset,
                data: data.slice(..data.len() - 1),
            });
        }
    }
    let storage = open(image).unwrap();
    assert_eq!(storage.last_index(), 45);
    assert_eq!(storage.recovery_report().discarded_writes, 1);
}

#[test]
fn what_a_crash_has_cut_off_does_not_come_back_behind_a_new_write() {
    let (sim, storage) = prepared();
    // None of them is synced; of the first one the disk has nothing, of the second one all.
    append_lazily(&storage, 45, 1);
    append_lazily(&storage, 46, 2);
    let mut image = sim.image();
    image.file_mut(JOURNAL).write(BLOCK, &[0; BLOCK]);
    let sim = Sim::new(image);
    for round in 0..3 {
        let storage = open(sim.image()).unwrap();
        assert_eq!(storage.last_index(), 44 + round);
        drop(storage);
        let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
        append_lazily(&storage, 45 + round, 1);
        storage.sync().unwrap();
        std::mem::forget(storage);
    }
}

#[test]
fn a_journal_that_is_lost_as_a_whole_is_loud_even_if_the_mark_is_old() {
    let old = prepared().0.image();
    let (sim, _storage) = with_records(3);
    let image = with_mark_of(sim.image(), old);
    assert_eq!(open(image.clone()).unwrap().last_index(), 47);
    let len = image.file(JOURNAL).len();
    let others = [
        vec![],
        vec![0; len],
        image.file(JOURNAL)[..BLOCK].to_vec(),
        image.file(JOURNAL)[..len - 1].to_vec(),
        [&image.file(JOURNAL)[..], &[0; BLOCK]].concat(),
        with_records(3).0.image().file(JOURNAL).to_vec(),
    ];
    for other in others {
        let mut image = image.clone();
        image.file_mut(JOURNAL).set_len(other.len());
        image.file_mut(JOURNAL).write(0, &other);
        let error = open(image).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt(text) if text.contains("journal")),
            "{error}"
        );
    }
}

#[test]
fn without_a_database_a_used_journal_is_evidence_of_one() {
    // With the mark of a storage to which nothing has been written.
    let fresh = || {
        let sim = Sim::default();
        drop(recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap());
        sim.image()
    };
    let mut unused = fresh();
    unused.names.remove(DATABASE);
    assert!(open(unused).unwrap().is_fresh());
    let (sim, _storage) = with_records(1);
    let mut used = with_mark_of(sim.image(), fresh());
    used.names.remove(DATABASE);
    let error = open(used).unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt(text) if text.contains(DATABASE)),
        "{error}"
    );
}

#[test]
fn what_was_cut_off_is_reported_once() {
    let (sim, storage) = with_records(1);
    append_lazily(&storage, 46, 1);
    let mut image = sim.image();
    // The head of the second record is whole, its body is not.
    image.file_mut(JOURNAL).flip(2 * BLOCK + 60, 1);
    std::mem::forget(storage);
    let sim = Sim::new(image);
    let reports = [(); 3].map(|()| {
        let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
        assert_eq!(storage.last_index(), 45);
        storage.recovery_report().discarded_writes
    });
    assert_eq!(reports, [1, 0, 0]);
}

#[test]
fn a_write_that_need_not_be_synced_is_if_the_journal_begins() {
    let (sim, storage) = prepared();
    drop(storage);
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    sim.take_journal();
    let syncs = || {
        let events = sim.take_journal().into_iter();
        events
            .filter(|event| matches!(event, Event::Sync { .. }))
            .count()
    };
    append_lazily(&storage, 45, 1);
    assert_eq!(syncs(), 1);
    append_lazily(&storage, 46, 1);
    assert_eq!(syncs(), 0);
}

#[test]
fn an_entry_that_looks_like_a_record_is_none() {
    let (sim, storage) = with_records(1);
    let genuine = sim.image().file(JOURNAL)[BLOCK..2 * BLOCK].to_vec();
    // With the right key it would be evidence of a write that was synced.
    let mut forged = genuine.clone();
    forged[..8].copy_from_slice(&[7; 8]);
    forged[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    let checksum = crc32fast::hash(&forged[..40]);
    forged[40..44].copy_from_slice(&checksum.to_le_bytes());
    let mut large = entries(46..47, 3);
    large[0].data = forged.repeat(5).into();
    append(&storage, &large).unwrap();
    // The record is lost, and what is left of it is looked at block by block.
    let mut image = sim.image();
    image.file_mut(JOURNAL).write(2 * BLOCK, &[0; 100]);
    let image = with_mark_of(image, prepared().0.image());
    assert_eq!(open(image).unwrap().last_index(), 45);
}

#[test]
fn a_write_that_the_engine_fails_at_is_in_the_journal_or_not_there_but_no_damage() {
    type Change = fn() -> Result<()>;
    let failures: [Change; 2] = [
        || Err(Error::Corrupt("a page".to_owned())),
        || std::panic::resume_unwind(Box::new("a page")),
    ];
    for fails in failures {
        for closed in [true, false] {
            let (sim, storage) = with_records(2);
            let before = Contents::of(&storage).unwrap();
            let mut writer = storage.writer().unwrap();
            let record = Record {
                chunks: &[],
                must_sync: true,
            };
            let state = storage.view().state.clone();
            let failed = storage.commit(&mut writer, state, Some(record), |_, _| fails());
            assert!(matches!(failed, Err(Error::Corrupt(_))), "{failed:?}");
            drop(writer);
            match closed {
                // What the engine has then is more than the journal counts on, and less than it has.
                true => drop(storage),
                false => std::mem::forget(storage),
            }
            let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
            assert_eq!(Contents::of(&storage).unwrap(), before);
            append(&storage, &entries(47..48, 3)).unwrap();
            let expected = Contents::of(&storage).unwrap();
            assert_eq!(Contents::of(&open(sim.image()).unwrap()).unwrap(), expected);
        }
    }
}

#[test]
fn a_journal_that_can_be_written_but_not_synced_acknowledges_nothing() {
    let (sim, storage) = with_records(2);
    let before = Contents::of(&storage).unwrap();
    sim.lose_sync(0);
    let error = append(&storage, &entries(47..48, 3)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(Contents::of(&storage).unwrap(), before);
    assert!(matches!(
        append(&storage, &entries(47..48, 3)),
        Err(Error::Poisoned(_))
    ));
    std::mem::forget(storage);
    // It can be read, and is shown; so it has to stay, although the journal does not have it.
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    assert_eq!(storage.last_index(), 47);
    let disk = open(sim.after_power_cut(|| false)).unwrap();
    assert_eq!(
        Contents::of(&disk).unwrap(),
        Contents::of(&storage).unwrap()
    );
}
