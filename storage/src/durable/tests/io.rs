//! How often it syncs, who waits for that, and what follows from a failure.

use std::{
    io,
    sync::{Arc, mpsc},
};

use super::{super::recovery::DATABASE, sim::*, *};
use crate::error::Error;

fn syncs(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::Sync { .. }))
        .count()
}

#[test]
fn a_write_that_must_be_synced_takes_exactly_one_sync() {
    for (name, write) in WRITES {
        let (sim, storage) = prepared();
        write(&storage).unwrap();
        assert_eq!(syncs(&sim.take_journal()), 1, "{name}");
    }
}

#[test]
fn a_write_that_need_not_be_synced_takes_none() {
    let (sim, storage) = prepared();
    let state = HardState {
        term: 3,
        vote: 1,
        commit: 44,
    };
    let commit = Update {
        hard_state: Some(state),
        ..Update::default()
    };
    storage.write(commit).unwrap();
    assert_eq!(storage.hard_state().commit, 44);
    storage
        .write(Update {
            entries: &entries(45..50, 3).into(),
            ..Update::default()
        })
        .unwrap();
    assert_eq!(storage.last_index(), 49);
    assert_eq!(syncs(&sim.take_journal()), 0);
    storage.sync().unwrap();
    assert_eq!(syncs(&sim.take_journal()), 1);
    storage.sync().unwrap();
    storage
        .write(Update {
            must_sync: true,
            ..Update::default()
        })
        .unwrap();
    assert_eq!(syncs(&sim.take_journal()), 0);
    let reopened = open(sim.image()).unwrap();
    assert_eq!(
        Contents::of(&reopened).unwrap(),
        Contents::of(&storage).unwrap()
    );
}

#[test]
fn closing_syncs_what_was_written_without_a_sync() {
    let (sim, storage) = prepared();
    let state = HardState {
        term: 3,
        vote: 1,
        commit: 44,
    };
    storage
        .write(Update {
            hard_state: Some(state),
            ..Update::default()
        })
        .unwrap();
    storage
        .write(Update {
            entries: &entries(45..50, 3).into(),
            ..Update::default()
        })
        .unwrap();
    let expected = Contents::of(&storage).unwrap();
    drop(storage);
    let storage = open(sim.image()).unwrap();
    assert_eq!(Contents::of(&storage).unwrap(), expected);
    assert_eq!(storage.recovery_report(), Default::default());
}

#[test]
fn unsynced_writes_that_a_crash_takes_are_counted() {
    let (sim, storage) = prepared();
    for index in 45..48 {
        let entries = entries(index..index + 1, 3).into();
        storage
            .write(Update {
                entries: &entries,
                ..Update::default()
            })
            .unwrap();
    }
    let reopened = open(sim.image()).unwrap();
    assert_eq!(
        reopened.last_index() + reopened.recovery_report().discarded_writes,
        47
    );
}

#[test]
fn a_term_or_vote_is_synced_whatever_the_caller_says() {
    let (sim, storage) = prepared();
    let state = HardState {
        term: 8,
        vote: 2,
        commit: 40,
    };
    storage
        .write(Update {
            hard_state: Some(state),
            ..Update::default()
        })
        .unwrap();
    assert_eq!(syncs(&sim.take_journal()), 1);
    assert_eq!(open(sim.image()).unwrap().hard_state(), state);
}

/// A hook that lets events pass until one fits.
fn fail_when(fits: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Option<Hook> {
    Some(Arc::new(move |event| match fits(event) {
        true => Err(io::Error::other("the disk is gone")),
        false => Ok(()),
    }))
}

#[test]
fn after_a_failed_sync_or_write_all_writes_are_refused_and_reads_go_on() {
    let failures: [fn(&Event) -> bool; 2] = [
        |event| matches!(event, Event::Sync { .. }),
        |event| matches!(event, Event::Write { .. }),
    ];
    for fails in failures {
        let (sim, storage) = prepared();
        let before = Contents::of(&storage).unwrap();
        sim.set_hook(fail_when(fails));
        let error = append(&storage, &entries(45..46, 3)).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        // The disk is well again, but what it has is not known.
        sim.set_hook(None);
        sim.take_journal();
        let refused = [
            append(&storage, &entries(45..46, 3)),
            storage.sync(),
            storage.compact(12),
            storage
                .create_snapshot(20, None, Vec::new().into())
                .map(|_| ()),
        ];
        for result in refused {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Poisoned(_)), "{error}");
            assert!(error.to_string().contains("the disk is gone"), "{error}");
        }
        assert_eq!(sim.take_journal().len(), 0, "something was written");
        assert_eq!(Contents::of(&storage).unwrap(), before);
        drop(storage);
        let storage = open(sim.image()).unwrap();
        let contents = Contents::of(&storage).unwrap();
        assert!(contents == before || contents.restart.last_index == 45);
        let next = storage.last_index() + 1;
        append(&storage, &entries(next..next + 1, 3)).unwrap();
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let (sim, storage) = prepared();
    let before = Contents::of(&storage).unwrap();
    let mut falling = entries(45..47, 5);
    falling[1].term = 4;
    for bad in [entries(46..47, 3), entries(45..46, 2), falling] {
        let error = append(&storage, &bad).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert!(matches!(
        storage.compact(44),
        Err(Error::SnapshotTooOld { .. })
    ));
    assert!(matches!(storage.compact(100), Err(Error::Unavailable)));
    assert!(matches!(
        storage.bootstrap(snapshot(3, 3, 3)),
        Err(Error::NotFresh)
    ));
    assert_eq!(Contents::of(&storage).unwrap(), before);
    assert_eq!(sim.take_journal().len(), 0);
    append(&storage, &entries(45..46, 3)).unwrap();
}

#[test]
fn readers_do_not_wait_for_a_sync_and_see_the_state_before_it() {
    let (sim, storage) = prepared();
    let before = Contents::of(&storage).unwrap();
    let (reached, wait_until_reached) = mpsc::channel();
    let (release, wait_for_release) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new((reached, wait_for_release));
    sim.set_hook(Some(Arc::new(move |event| {
        if matches!(event, Event::Sync { .. }) {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
        }
        Ok(())
    })));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| append(&storage, &entries(30..50, 4)));
        wait_until_reached.recv().unwrap();
        // The sync is under way, and goes on only after all of this has been read.
        let reader = scope.spawn(|| Contents::of(&storage).unwrap());
        assert_eq!(reader.join().unwrap(), before);
        release.send(()).unwrap();
        writer.join().unwrap().unwrap();
    });
    sim.set_hook(None);
    assert_eq!(storage.term(40).unwrap(), 4);
    assert_eq!(storage.last_index(), 49);
}

#[test]
fn readers_see_whole_states_while_others_write() {
    let (_, storage) = prepared();
    let done = std::sync::atomic::AtomicBool::new(false);
    let rounds = 300;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                        // Another thread may compact or truncate between two calls, but what one
                        // call returns belongs together.
                        let state = storage.restart_state();
                        let (low, high) = (state.compacted.index + 1, state.last_index + 1);
                        match storage.entries(low, high, u64::MAX) {
                            Ok(entries) => {
                                for pair in entries.windows(2) {
                                    assert_eq!(pair[0].index + 1, pair[1].index);
                                    assert!(pair[0].term <= pair[1].term);
                                }
                            }
                            Err(Error::Compacted | Error::Unavailable) => {}
                            Err(error) => panic!("{error}"),
                        }
                        storage.snapshot().unwrap();
                        reads += 1;
                    }
                })
            })
            .collect();
        for round in 0..rounds {
            let last = storage.last_index();
            match round % 10 {
                3 => append(&storage, &entries(last - 2..last + 3, 4 + round)).unwrap(),
                6 => {
                    storage
                        .create_snapshot(last - 3, None, vec![1; 200].into())
                        .unwrap();
                }
                7 => storage
                    .compact(storage.snapshot().unwrap().id.index)
                    .unwrap(),
                _ => append(&storage, &entries(last + 1..last + 9, 4 + round)).unwrap(),
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn compaction_gives_the_space_back() {
    let (sim, storage) = prepared();
    let bytes = |sim: &Sim| sim.image().file(DATABASE).len();
    for round in 0..3 {
        let last = storage.last_index();
        for index in last + 1..last + 41 {
            let mut large = entries(index..index + 1, 3);
            large[0].data = vec![index as u8; 1 << 20].into();
            append(&storage, &large).unwrap();
        }
        assert!(bytes(&sim) > 40 << 20, "round {round}");
        storage
            .create_snapshot(last + 40, None, vec![2; 1000].into())
            .unwrap();
        storage.compact(last + 39).unwrap();
        let left = bytes(&sim);
        assert!(
            left < 16 << 20,
            "round {round}: {left} bytes for two entries of 1 MiB"
        );
    }
    drop(storage);
    let storage = open(sim.image()).unwrap();
    assert_eq!(storage.entries(163, 165, u64::MAX).unwrap()[1].data[0], 164);
}

#[test]
fn compaction_succeeds_without_room_for_a_copy() {
    let (sim, storage) = prepared();
    for index in 45..85 {
        let mut large = entries(index..index + 1, 3);
        large[0].data = vec![index as u8; 1 << 20].into();
        append(&storage, &large).unwrap();
    }
    storage
        .create_snapshot(83, None, vec![2; 1000].into())
        .unwrap();
    sim.set_hook(fail_when(|event| matches!(event, Event::Create { .. })));
    storage.compact(84).unwrap();
    assert_eq!(storage.first_index(), 84);
    sim.set_hook(None);
    append(&storage, &entries(85..86, 3)).unwrap();
    storage
        .create_snapshot(84, None, vec![2; 1000].into())
        .unwrap();
    assert!(sim.image().file(DATABASE).len() < 16 << 20);
}
