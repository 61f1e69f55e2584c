//! The process is killed, or the power goes, at any moment of a write.

use proptest::{prelude::*, test_runner::TestRng};

use super::{sim::*, *};

/// Opens what a crash has left, and says what is in it.
fn recovered(image: Image, at: &str) -> (Contents, u64) {
    let storage = open(image).unwrap_or_else(|error| panic!("{at}: {error}"));
    // It must be good for more than reading.
    let contents = Contents::of(&storage).unwrap_or_else(|error| panic!("{at}: {error}"));
    let next = contents.restart.last_index + 1;
    append(&storage, &entries(next..next + 3, 100)).unwrap();
    storage.entries(next, next + 3, u64::MAX).unwrap();
    (contents, storage.recovery_report().discarded_writes)
}

/// The moments at which a process may be killed: after each event, and in the middle of writes.
/// Each is the number of whole events, and the part of the next one that is done.
fn moments(events: &[Event]) -> Vec<(usize, Option<Event>)> {
    let mut moments = vec![(0, None)];
    for (at, event) in events.iter().enumerate() {
        if let Event::Write { file, offset, data } = event {
            // Every byte of what is small (the header, the mark); of a page every byte at its
            // beginning and end, where its content is, and some in between.
            let len = data.len();
            let wanted = |cut: &usize| {
                len < 400 || *cut < 64 || len - cut < 64 || cut.is_multiple_of(len / 8)
            };
            for cut in (1..len).filter(wanted) {
                let part = Event::Write {
                    file: *file,
                    offset: *offset,
                    data: data.slice(..cut),
                };
                moments.push((at, Some(part)));
            }
        }
        moments.push((at + 1, None));
    }
    moments
}

/// What is there after some moment.
fn killed(start: &Image, events: &[Event], (whole, part): &(usize, Option<Event>)) -> Image {
    let mut image = start.clone();
    for event in events[..*whole].iter().chain(part) {
        image.apply(event);
    }
    image
}

/// The event that makes a write certain: the sync that the caller waits for.
fn promised(events: &[Event]) -> usize {
    let sync = |event: &Event| matches!(event, Event::Sync { .. });
    events.iter().rposition(sync).expect("a sync")
}

#[test]
fn a_process_killed_in_any_write_leaves_all_of_it_or_nothing() {
    for (name, write) in WRITES {
        let (sim, storage) = prepared();
        let before = Contents::of(&storage).unwrap();
        let start = sim.image();
        write(&storage).unwrap();
        let after = Contents::of(&storage).unwrap();
        let events = sim.take_journal();
        let promised = promised(&events);
        let (mut untouched, mut done) = (0, 0);
        for moment in moments(&events) {
            let (whole, of) = (moment.0, events.len());
            let at = format!("{name}, killed after {whole} of {of} events");
            let (contents, discarded) = recovered(killed(&start, &events, &moment), &at);
            if contents == after {
                assert_eq!(discarded, 0, "{at}");
                done += 1;
            } else {
                // A commit index that was never synced may be there or not.
                let mut expected = before.clone();
                expected.hard_state.commit = contents.hard_state.commit;
                expected.restart.hard_state.commit = contents.restart.hard_state.commit;
                assert_eq!(contents, expected, "{at}");
                assert!(whole <= promised, "{at}: it was synced, and is gone");
                untouched += 1;
            }
        }
        assert!(
            untouched > 0 && done > 0,
            "{name}: {untouched} untouched, {done} done"
        );
    }
}

#[test]
fn a_write_that_was_cut_off_is_reported() {
    // The journal has a part of an entry. Of a compaction, which it does not have, the mark says that
    // it was begun, and the engine's file has a part.
    let writes: [Write; 2] = [
        |storage| append(storage, &entries(45..46, 3)),
        |storage| storage.compact(12),
    ];
    for write in writes {
        let (sim, storage) = prepared();
        let mut image = sim.image();
        write(&storage).unwrap();
        let events = sim.take_journal();
        let whole = promised(&events) / 2;
        for event in &events[..whole] {
            image.apply(event);
        }
        if let Event::Write { file, offset, data } = &events[whole] {
            image.apply(&Event::Write {
                file: *file,
                offset: *offset,
                data: data.slice(..data.len() / 2),
            });
        }
        let storage = open(image).unwrap();
        assert_eq!(
            storage.recovery_report(),
            RecoveryReport {
                crashed: true,
                discarded_writes: 1
            }
        );
        assert_eq!((storage.first_index(), storage.last_index()), (11, 44));
    }
    let clean = open(prepared().0.image()).unwrap();
    assert_eq!(
        clean.recovery_report(),
        RecoveryReport {
            crashed: true,
            discarded_writes: 0
        }
    );
}

#[test]
fn a_storage_that_was_closed_has_nothing_to_report() {
    let (sim, storage) = prepared();
    drop(storage);
    assert_eq!(
        open(sim.image()).unwrap().recovery_report(),
        RecoveryReport::default()
    );
}

#[test]
fn a_crash_while_the_storage_is_created_is_no_obstacle() {
    let sim = Sim::default();
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    let events = sim.take_journal();
    drop(storage);
    // Creating a file takes many small writes; every ninth moment is enough of them.
    for moment in moments(&events).into_iter().step_by(9) {
        let storage = open(killed(&Image::default(), &events, &moment)).unwrap();
        assert!(storage.is_fresh());
        append(&storage, &entries(1..2, 1)).unwrap();
    }
}

#[test]
fn a_crash_while_space_is_given_back_loses_nothing() {
    let (sim, storage) = prepared();
    for round in 0..16 {
        let mut large = entries(45 + round..46 + round, 3);
        large[0].data = vec![round as u8; 1 << 20].into();
        append(&storage, &large).unwrap();
    }
    storage
        .create_snapshot(59, None, vec![8; 100].into())
        .unwrap();
    let before = Contents::of(&storage).unwrap();
    let start = sim.image();
    sim.take_journal();
    storage.compact(60).unwrap();
    let after = Contents::of(&storage).unwrap();
    let events = sim.take_journal();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Rename { .. }))
    );
    for cut in 0..=events.len() {
        let mut image = start.clone();
        for event in &events[..cut] {
            image.apply(event);
        }
        let (contents, _) = recovered(image, &format!("killed after {cut} events"));
        assert!(
            contents == before || contents == after,
            "after {cut} events"
        );
        let disk = start.power_cut(&events[..cut], || false);
        let (contents, _) = recovered(disk, &format!("power cut after {cut} events"));
        assert!(
            contents == before || contents == after,
            "after {cut} events, power cut"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// After a power cut, sectors that were not synced are there or not, in any combination.
    #[test]
    fn a_power_cut_leaves_all_of_a_write_or_nothing(
        writes in prop::collection::vec(0..WRITES.len(), 1..4),
        moment in any::<prop::sample::Index>(),
        likely in 0u32..=10,
        seed in any::<[u8; 16]>(),
    ) {
        let (sim, storage) = prepared();
        let start = sim.image();
        let mut states = vec![(0, Contents::of(&storage).unwrap())];
        let mut events = Vec::new();
        for write in writes {
            // Some do not follow each other, such as two snapshots of the same entry.
            if WRITES[write].1(&storage).is_err() {
                continue;
            }
            let journal = sim.take_journal();
            let certain = events.len() + promised(&journal);
            events.extend(journal);
            states.push((certain, Contents::of(&storage).unwrap()));
        }
        let cut = moment.index(events.len() + 1);
        let mut rng = TestRng::from_seed(prop::test_runner::RngAlgorithm::XorShift, &seed);
        let disk = start.power_cut(&events[..cut], || rng.next_u32() % 10 < likely);
        let (contents, _) = recovered(disk, "after the power cut");
        let same = |(_, state): &(usize, Contents)| {
            let mut state = state.clone();
            // Not synced by itself.
            state.hard_state.commit = contents.hard_state.commit;
            state.restart.hard_state.commit = contents.restart.hard_state.commit;
            state == contents
        };
        let found = states.iter().rposition(same);
        prop_assert!(found.is_some(), "a state that never was: {contents:?}");
        let owed = states.iter().rposition(|(certain, _)| *certain == 0 || *certain < cut);
        prop_assert!(found >= owed, "state {found:?} is older than the one synced, {owed:?}");
    }
}
