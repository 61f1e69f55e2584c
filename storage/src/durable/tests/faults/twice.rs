//! After a crash at every operation, or a sync that lost what it should have brought to the disk,
//! something goes wrong again while the storage is opened.

use super::*;

#[test]
fn a_fault_in_recovery_loses_nothing_that_was_acknowledged() {
    let (states, done) = clean_run(TIGHT);
    let stride = stride(199);
    let (mut turn, mut tally) = (0, Tally::default());
    for (operations, op) in done.iter().enumerate() {
        for first in [Fault::Crash, Fault::TornCrash, Fault::LostSync] {
            if !first.begins_with(*op) {
                continue;
            }
            let (sim, plan) = (Sim::default(), Plan::after(operations, first));
            let (storage, progress) = run(&sim, &plan, TIGHT, |_, _, _| {});
            drop(storage);
            let seed = Unsynced::Drawn(operations as u64);
            let left = [
                ("killed", sim.fork()),
                ("power cut", power_cut(&sim, Unsynced::Lost)),
                ("torn by a power cut", power_cut(&sim, seed)),
            ];
            for (what, sim) in left {
                let at = format!("{first:?} at operation {operations}, {what}");
                for (then, op) in opening(&sim).into_iter().enumerate() {
                    for second in Fault::ALL {
                        turn += 1;
                        if second.begins_with(op) && turn % stride == 0 {
                            let at = format!("{at}, then {second:?} at {then}, which is {op:?}");
                            again(&sim.fork(), &states, &progress, then, second, &at);
                            tally.add(format!("{second:?}"));
                        }
                    }
                }
            }
        }
    }
    tally.print("faults in recoveries");
    assert!(tally.sum() > 1000);
}

/// What opening and reading asks of the disk.
fn opening(sim: &Sim) -> Vec<Op> {
    let plan = Plan::default();
    let storage = recovery::open_on(Box::new(Faulty::new(&sim.fork(), &plan)), TIGHT).unwrap();
    Contents::of(&storage).unwrap();
    plan.done()
}

fn again(
    sim: &Sim,
    states: &[Contents],
    progress: &Progress,
    operations: usize,
    fault: Fault,
    at: &str,
) {
    let mut possible = progress.owed..progress.newest + 1;
    let plan = Plan::after(operations, fault);
    let opened = recovery::open_on(Box::new(Faulty::new(sim, &plan)), TIGHT);
    match &opened {
        Err(error) => check_error(error, at),
        Ok(storage) => match Contents::of(storage) {
            Err(error) => check_error(&error, at),
            Ok(contents) => {
                let found = |number: &usize| states[*number] == contents;
                let first = possible.clone().find(found);
                let last = possible.clone().rfind(found);
                // What was shown once stays.
                possible = first.unwrap_or_else(|| panic!("{at}: none of {possible:?}"))
                    ..last.expect("the first one, if no other") + 1;
            }
        },
    }
    assert!(plan.hit(), "{at}: it was not reached");
    if !fault.is_crash() && fault != Fault::Dead {
        plan.heal();
    }
    drop(opened);
    let progress = Progress {
        owed: possible.start,
        newest: possible.end - 1,
        ..Progress::default()
    };
    for unsynced in [Unsynced::Lost, Unsynced::Drawn(operations as u64)] {
        let at = &format!("{at}, then a power cut, unsynced {unsynced:?}");
        check_left(&power_cut(sim, unsynced), TIGHT, states, &progress, at);
    }
    check_left(sim, TIGHT, states, &progress, at);
}
