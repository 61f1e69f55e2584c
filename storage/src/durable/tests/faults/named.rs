//! What the trials of all faults have found, each by itself.

use super::*;

/// Closes nothing, as a process that is killed.
fn killed(storage: DurableStorage) {
    std::mem::forget(storage);
}

#[test]
fn names_that_a_killed_process_has_not_synced_are_synced_before_anything_is_acknowledged() {
    let (_, done) = clean_run(TIGHT);
    // Each follows a renaming: of the mark and of the engine's file when they are new, and of the
    // copy when space is given back.
    let renames = (0..done.len()).filter(|at| done[*at] == Op::Rename);
    for rename in renames {
        assert_eq!(done[rename + 1], Op::SyncNames);
        let (sim, plan) = (Sim::default(), Plan::after(rename + 1, Fault::Crash));
        drop(run(&sim, &plan, TIGHT, |_, _, _| {}));
        let storage = recovery::open_on(Box::new(sim.clone()), TIGHT).unwrap();
        let next = storage.last_index() + 1;
        append(&storage, &entries(next..next + 2, 9)).unwrap();
        let expected = Contents::of(&storage).unwrap();
        killed(storage);
        let storage = open(power_cut(&sim, Unsynced::Lost).image()).unwrap();
        assert!(Contents::of(&storage).unwrap() == expected);
    }
}

#[test]
fn what_a_failed_sync_has_lost_is_written_again_when_the_storage_is_opened_anew() {
    let (sim, storage) = prepared();
    let before = Contents::of(&storage).unwrap();
    sim.lose_sync(0);
    // In pages of their own, to which what comes later only refers.
    let error = append(&storage, &large(45, 3, 100_000)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    drop(storage);
    // It can be read, but it is not on the disk.
    let lost = open(power_cut(&sim, Unsynced::Lost).image()).unwrap();
    assert_eq!(Contents::of(&lost).unwrap(), before);
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    let next = storage.last_index() + 1;
    append(&storage, &entries(next..next + 1, 3)).unwrap();
    let expected = Contents::of(&storage).unwrap();
    killed(storage);
    let storage = open(power_cut(&sim, Unsynced::Lost).image()).unwrap();
    assert_eq!(Contents::of(&storage).unwrap(), expected);
}

#[test]
fn what_is_done_is_acknowledged_even_if_its_space_cannot_be_given_back() {
    for failing in [Op::Create, Op::Rename, Op::SyncNames, Op::Len, Op::Remove] {
        let (sim, plan) = (Sim::default(), Plan::default());
        let medium = Box::new(Faulty::new(&sim, &plan));
        let storage = recovery::open_on(medium, Sizes::default()).unwrap();
        let mut large = entries(1..2, 1);
        large[0].data = vec![1; 24 << 20].into();
        append(&storage, &large).unwrap();
        append(&storage, &entries(2..4, 1)).unwrap();
        storage
            .create_snapshot(2, None, vec![7; 100].into())
            .unwrap();
        plan.fail_all(failing);
        storage.compact(3).unwrap();
        assert_eq!(storage.first_index(), 3);
        plan.heal();
        let after = append(&storage, &entries(4..5, 1));
        assert!(
            matches!(&after, Ok(()) | Err(Error::Poisoned(_))),
            "{failing:?}: {after:?}"
        );
        drop(storage);
        let storage = open(sim.image()).unwrap();
        assert_eq!(storage.first_index(), 3, "{failing:?}");
        assert_eq!(storage.last_index(), 3 + u64::from(after.is_ok()));
    }
}
