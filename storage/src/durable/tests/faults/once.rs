//! One fault in a storage's life, at every operation.

use super::*;

#[test]
fn a_disk_that_fails_at_any_operation_loses_nothing_that_was_acknowledged() {
    at_every_operation(Sizes {
        spare_bytes: 0,
        journal_bytes: 64 << 10,
        ..Sizes::default()
    });
}

#[test]
fn nor_does_one_that_is_read_and_written_in_the_middle_of_transactions() {
    at_every_operation(TIGHT);
}

fn at_every_operation(sizes: Sizes) {
    let (states, done) = clean_run(sizes);
    let mut tally = Tally::default();
    let mut told = 0;
    for (operations, op) in done.iter().enumerate() {
        for fault in Fault::ALL {
            if fault.begins_with(*op) {
                let what = format!("which is {op:?}, {sizes:?}");
                told += u64::from(trial(sizes, &states, operations, fault, &what));
                tally.add(format!("{fault:?}"));
            }
        }
    }
    tally.print(&format!("faults at {} operations", done.len()));
    // Few are met where nobody is told, as in closing or in giving space back.
    let tried = tally.sum();
    assert!(
        told > tried / 2,
        "only {told} of {tried} faults were told of"
    );
}

/// One life with one fault; returns whether a call told of it.
fn trial(sizes: Sizes, states: &[Contents], operations: usize, fault: Fault, what: &str) -> bool {
    let at = &format!("{fault:?} at operation {operations}, {what}");
    let (sim, plan) = (Sim::default(), Plan::after(operations, fault));
    let (storage, progress) = run(&sim, &plan, sizes, |number, storage, plan| {
        check_read(storage, plan, &states[number], at);
    });
    // Or it comes when the storage is closed.
    let storage = storage.filter(|_| plan.hit());
    assert!(plan.hit(), "{at}: it was not reached");
    if let Some(error) = &progress.error {
        check_error(error, at);
    }
    if let Some(storage) = storage {
        if !matches!(fault, Fault::Dead) && !fault.is_crash() {
            plan.heal();
        }
        if progress.error.is_some() && !fault.is_crash() {
            check_refusals(&sim, &storage, at);
        }
        check_read(&storage, &plan, &states[progress.acknowledged], at);
    }
    // The power goes while the process is still there, or it has ended before.
    let seed = operations as u64;
    for unsynced in [Unsynced::Lost, Unsynced::Drawn(seed)] {
        let at = &format!("{at}, then a power cut, unsynced {unsynced:?}");
        check_left(&power_cut(&sim, unsynced), sizes, states, &progress, at);
    }
    check_left(&sim, sizes, states, &progress, at);
    progress.error.is_some()
}
