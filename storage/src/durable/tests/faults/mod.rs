//! The disk fails at each single operation of a storage's life, in every way that it can.
//!
//! What has to hold: what was acknowledged is there, what was not is there whole or not at all; a
//! failure is an error that says what to do, never a panic and never "damaged"; after a failed
//! write nothing more is acknowledged until the storage has been opened anew, and that works, and
//! what it shows then stays.
//!
//! All points are tried once. Of the combinations, of two faults or with groups of nodes, only some
//! are; `LIBRAFT_FAULTS` says how many times as many (`make faults`). With 200 times it is all.

mod cluster;
mod layer;
mod named;
mod once;
mod twice;
mod workload;

use std::collections::BTreeMap;

use self::{layer::*, workload::*};
use super::{sim::*, *};
use crate::error::Error;

/// One of so many combinations is tried; an odd number, for there are eight faults in turn.
fn stride(usually: usize) -> usize {
    let times = std::env::var("LIBRAFT_FAULTS").map_or(1, |times| {
        times.parse().expect("LIBRAFT_FAULTS is a number")
    });
    usually.div_ceil(times) | 1
}

/// How unsynced sectors fare in a power cut.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    Lost,
    Drawn(u64),
}

/// What was tried, for the test's output.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn add(&mut self, what: impl ToString) {
        *self.0.entry(what.to_string()).or_default() += 1;
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    fn print(&self, name: &str) {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(what, n)| format!("{what} {n}"))
            .collect();
        println!("{name}: {} tried ({})", self.sum(), parts.join(", "));
    }
}

fn power_cut(sim: &Sim, unsynced: Unsynced) -> Sim {
    Sim::new(match unsynced {
        Unsynced::Lost => sim.after_power_cut(|| false),
        Unsynced::Drawn(seed) => {
            let mut rng = fastrand::Rng::with_seed(seed);
            let likely = rng.u8(1..10);
            sim.after_power_cut(|| rng.u8(..10) < likely)
        }
    })
}

/// The states of the workload when nothing goes wrong, and what it asks of the disk.
fn clean_run(sizes: Sizes) -> (Vec<Contents>, Vec<Op>) {
    let (sim, plan) = (Sim::default(), Plan::default());
    let storage = recovery::open_on(Box::new(Faulty::new(&sim, &plan)), sizes).unwrap();
    let mut states = vec![Contents::of(&storage).unwrap()];
    let mut storage = Some(storage);
    for step in STEPS {
        match step {
            Step::Write { call, what, .. } => {
                call(storage.as_ref().unwrap()).unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            Step::Read => {}
            Step::Reopen => {
                drop(storage.take());
                let opened = recovery::open_on(Box::new(Faulty::new(&sim, &plan)), sizes);
                storage = Some(opened.unwrap());
            }
        }
        states.push(Contents::of(storage.as_ref().unwrap()).unwrap());
    }
    // The reads above are not the workload's own.
    let (sim, plan) = (Sim::default(), Plan::default());
    let (storage, progress) = run(&sim, &plan, sizes, |at, storage, _| {
        assert_eq!(Contents::of(storage).unwrap(), states[at]);
    });
    assert!(progress.error.is_none());
    drop(storage);
    (states, plan.done())
}

/// Opens what is left after a failure, and looks at it: it is one of the states that it may be, it
/// can be written, and it stays what it was even if the power goes at once.
fn check_left(sim: &Sim, sizes: Sizes, states: &[Contents], progress: &Progress, at: &str) {
    let open = |sim: &Sim| {
        recovery::open_on(Box::new(sim.clone()), sizes)
            .unwrap_or_else(|error| panic!("{at}: it can't be opened: {error}"))
    };
    let contents = |storage: &DurableStorage| {
        Contents::of(storage).unwrap_or_else(|error| panic!("{at}: it can't be read: {error}"))
    };
    let storage = open(sim);
    let found = contents(&storage);
    let range = progress.owed..progress.newest + 1;
    assert!(
        states[range.clone()].contains(&found),
        "{at}: none of the states {range:?} is there, but {:?}",
        states.iter().rposition(|state| *state == found)
    );
    let shown = power_cut(sim, Unsynced::Lost);
    assert!(
        contents(&open(&shown)) == found,
        "{at}: what was shown is gone after a power cut"
    );
    let next = found.restart.last_index + 1;
    append(&storage, &entries(next..next + 3, 100))
        .unwrap_or_else(|error| panic!("{at}: it can't be written: {error}"));
    let written = contents(&storage);
    assert_eq!(written.entries.len(), found.entries.len() + 3, "{at}");
    let cut = power_cut(sim, Unsynced::Lost);
    assert!(contents(&open(&cut)) == written, "{at}: it was written");
    drop(storage);
    assert!(contents(&open(sim)) == written, "{at}: it was closed");
}

/// An error that a failing disk may give.
fn check_error(error: &Error, at: &str) {
    assert!(
        matches!(error, Error::Io { .. } | Error::Poisoned(_)),
        "{at}: {error:?}"
    );
}

/// Reads everything while the disk fails: what comes is right, or an error.
fn check_read(storage: &DurableStorage, plan: &Plan, expected: &Contents, at: &str) {
    match Contents::of(storage) {
        Ok(contents) => assert!(contents == *expected, "{at}: what is read is wrong"),
        Err(error) => {
            assert!(plan.hit(), "{at}: {error}");
            check_error(&error, at);
        }
    }
}

/// After a write has failed, none is acknowledged, and nothing is written.
fn check_refusals(sim: &Sim, storage: &DurableStorage, at: &str) {
    let events = sim.events();
    let next = storage.last_index() + 1;
    let refused = [
        append(storage, &entries(next..next + 1, 50)),
        storage.write(Update {
            hard_state: Some(HardState {
                term: 90,
                ..HardState::default()
            }),
            ..Update::default()
        }),
        storage.sync(),
        storage.compact(next),
        storage
            .create_snapshot(next - 1, None, vec![1].into())
            .map(|_| ()),
        storage.bootstrap_members(ConfState::of_voters([1])),
    ];
    for result in refused {
        assert!(
            matches!(result, Err(Error::Poisoned(_))),
            "{at}: not refused: {result:?}"
        );
    }
    assert_eq!(sim.events(), events, "{at}: something was written");
}
