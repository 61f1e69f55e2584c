//! The C functions, in any order, with whatever a C program may pass: NULL, numbers that are no
//! numbers of anything, lengths beyond all bounds, handles in any state, two threads at once.
//!
//! Only what no library can see is left out: freed handles, pointers to nothing, lengths that are
//! larger than what is there and still possible.
//!
//! Reading order: [`env`] has the handles and draws arguments; [`calls`] is the table of all
//! functions, held against the list of the exported symbols; [`views`] reads all that comes out.
//!
//! Checked: no function panics (or the process ends) or says that it has; a call that fails changes
//! neither node nor storage, leaves its results alone and explains itself; what comes out is
//! well-formed; AddressSanitizer finds nothing, leaks included.

use std::collections::BTreeSet;
use std::thread;

use crate::input::Input;

mod calls;
mod contract;
mod env;
mod host;
mod views;

use calls::CALLS;
use env::Env;

const MOST_EVENTS: usize = 300;

/// The symbols that the library exports.
const SYMBOLS: &str = include_str!("../../../abi/symbols.txt");

/// That each exported function is in the table, and nothing else is.
///
/// # Panics
/// If not.
pub fn check_table() {
    let exported: BTreeSet<&str> = SYMBOLS.lines().filter(|line| !line.is_empty()).collect();
    let called: BTreeSet<&str> = CALLS.iter().map(|call| call.name).collect();
    let uncalled: Vec<_> = exported.difference(&called).collect();
    let unknown: Vec<_> = called.difference(&exported).collect();
    assert!(
        uncalled.is_empty() && unknown.is_empty(),
        "src/abi/calls.rs lacks a row for {uncalled:?}, and has one too many for {unknown:?}"
    );
    assert_eq!(called.len(), CALLS.len(), "no function has two rows");
}

/// One input.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut env = Env::default();
    if input.chance(8) {
        // From nothing at all.
    } else {
        host::cluster(&mut env, &mut input);
    }
    for _ in 0..MOST_EVENTS {
        if input.is_empty() {
            break;
        }
        event(&mut env, &mut input);
    }
}

fn event(env: &mut Env, input: &mut Input) {
    match input.byte() {
        0..=119 => one_call(env, input),
        120..=179 => host::work(env, input),
        180..=219 => host::deliver(env, input),
        220..=239 => host::help(env, input),
        240..=243 => two_threads(env, input),
        _ => host::restart(env, input),
    }
}

/// One function, and nothing that it should not have done.
fn one_call(env: &mut Env, input: &mut Input) {
    let call = &CALLS[input.below(CALLS.len())];
    let before = env.state();
    env.failed = false;
    env.called = Some(call.name);
    (call.make)(env, input);
    env.called = None;
    if env.failed {
        assert!(
            before == env.state(),
            "{} failed, and yet changed something",
            call.name
        );
    }
    env.scratch.clear();
}

/// Two threads on the same handles, each with calls of its own. Nothing is freed, and nothing
/// borrowed is read, as the header asks for.
fn two_threads(env: &mut Env, input: &mut Input) {
    let mut sides = [env.shared(), env.shared()];
    let inputs = [input.piece(), input.piece()];
    thread::scope(|scope| {
        let threads = sides.iter_mut().zip(inputs).map(|(side, bytes)| {
            scope.spawn(move || {
                let mut input = Input::new(bytes);
                for _ in 0..40 {
                    if input.is_empty() {
                        break;
                    }
                    let call = &CALLS[input.below(CALLS.len())];
                    if call.shared {
                        side.called = Some(call.name);
                        (call.make)(side, &mut input);
                        side.scratch.clear();
                    }
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        // The end of the scope waits for the closures only. What a thread still has to tidy up for
        // itself afterwards would look like a leak.
        for thread in threads {
            thread.join().expect("a call does not panic");
        }
    });
    env.forget_views();
}
