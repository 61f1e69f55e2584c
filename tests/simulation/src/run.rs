//! One seed from its beginning to its verdict; and a script, likewise.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::action::Action;
use crate::check::{Checked, Violation};
use crate::driver::Driver;
use crate::flights::{Naming, describe};
use crate::host::Host;
use crate::plan::Plan;
use crate::recordings::{Life, RECORD_BYTES};
use crate::tally::{Kind, Tally};
use crate::trace::Trace;
use crate::world::World;

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    pub events: u64,
    /// Of a script's actions, up to where it failed, which ones did anything.
    pub effective: Vec<bool>,
    pub sum: u64,
    pub violation: Option<Violation>,
    pub tally: Tally,
    /// What was done, if it was written down.
    pub record: Vec<Action>,
    pub trace: Option<Box<Trace>>,
    pub nodes: u64,
    pub lives: Vec<Life>,
}

/// What a run is to leave behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    pub record: bool,
    /// The recording of every life of every node.
    pub recordings: bool,
    pub trace: bool,
    /// The sum is made of all bytes that are sent and written, not of what they say.
    pub exact: bool,
}

/// Plays a seed for so many events, then heals the cluster.
pub fn seed(plan: &Plan, steps: u64, keep: Keep) -> Outcome {
    let plan = &recorded(plan, keep);
    let mut world = World::new(plan, Naming::Slots, keep.record);
    world.trace = keep.trace.then(Box::default);
    world.exact = keep.exact;
    let mut driver = Driver::new(plan, &mut world);
    driver.record = keep.record.then(Vec::new);
    let result = guarded(|| {
        driver.run(&mut world, steps * plan.length / 16)?;
        driver.heal(&mut world)
    });
    outcome(world, driver, result)
}

/// Carries out a script, then heals the cluster if the script comes to its end.
pub fn script(plan: &Plan, actions: &[Action], heal: bool, keep: Keep) -> Outcome {
    let plan = &recorded(plan, keep);
    let mut world = World::new(plan, Naming::Names, true);
    world.trace = keep.trace.then(Box::default);
    let mut driver = None;
    let mut effective = Vec::with_capacity(actions.len());
    let result = guarded(|| {
        for action in actions {
            // The last one, should it fail, did.
            effective.push(true);
            let done = world.perform(action)?;
            if let Some(last) = effective.last_mut() {
                *last = done;
            }
            world.flights.fresh.clear();
            world.asked.clear();
        }
        if !heal {
            return Ok(());
        }
        driver
            .insert(Driver::take_over(plan, &mut world))
            .heal(&mut world)
    });
    let driver = driver.unwrap_or_else(|| Driver::new(plan, &mut world));
    Outcome {
        effective,
        ..outcome(world, driver, result)
    }
}

/// The lines of a script, each with what it does in a comment.
pub fn annotate(plan: &Plan, actions: &[Action]) -> Vec<String> {
    let mut world = World::new(plan, Naming::Names, true);
    let mut lines = Vec::new();
    for action in actions {
        let mut comment = match *action {
            Action::Deliver { message, .. } | Action::Lose { message } => {
                let flight = world.flights.get(message);
                flight.map_or(String::new(), |flight| describe(&flight.message))
            }
            _ => String::new(),
        };
        let result = guarded(|| world.perform(action).map(drop));
        if let Some(host) = world.touched.take().and_then(|node| world.host(node)) {
            let status = &host.checked.status;
            let state = status.hard_state;
            comment.push_str(&format!(
                " [{} {:?} term {} vote {} log {}..{} persisted {} commit {} applied {}]",
                host.id,
                status.soft_state.role,
                state.term,
                state.vote,
                status.first_index,
                status.last_index,
                status.persisted,
                state.commit,
                status.applied,
            ));
        }
        lines.push(format!("{:<30}# {}", action.to_string(), comment.trim()));
        if result.is_err() {
            break;
        }
    }
    lines
}

/// The same plan, for nodes that are recorded if they are to be.
fn recorded(plan: &Plan, keep: Keep) -> Plan {
    Plan {
        record_bytes: if keep.recordings { RECORD_BYTES } else { 0 },
        ..plan.clone()
    }
}

fn outcome(mut world: World, driver: Driver, result: Checked) -> Outcome {
    world.hosts.iter_mut().for_each(Host::keep_recording);
    let lives = world.hosts.iter_mut().flat_map(|host| host.lives.drain(..));
    let lives = lives.collect();
    let clients = &world.checks.clients;
    let mut tally = world.tally;
    let terms = world
        .hosts
        .iter()
        .map(|host| host.checked.status.hard_state.term);
    tally.set(Kind::WriteDone, clients.writes_answered);
    tally.set(Kind::ReadDone, clients.reads_answered);
    tally.set(Kind::Committed, world.checks.logs.last_committed());
    tally.set(Kind::Terms, terms.max().unwrap_or(0));
    Outcome {
        events: world.events,
        effective: Vec::new(),
        sum: world.sum,
        violation: result.err(),
        tally,
        record: driver.record.unwrap_or_default(),
        trace: world.trace,
        nodes: world.hosts.len() as u64,
        lives,
    }
}

thread_local! {
    /// What the last panic said, and where it was.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics quiet, and notes what they say. To be called once, at the start.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.set(info.to_string());
    }));
}

/// A panic, which in the core is a broken assertion, is a violation like any other.
fn guarded(run: impl FnOnce() -> Checked) -> Checked {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(_) => Err(Violation {
            rule: "no panic",
            node: 0,
            detail: PANIC.take(),
        }),
    }
}
