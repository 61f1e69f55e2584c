//! Whether the simulation finds anything: bugs that other libraries have shipped are put into the
//! core, one after the other, and seeds are played until a check fails.
//!
//! The measure is the number of events until then, from several first seeds. A bug that is not found
//! within a given number of events is missed; time decides nothing. All seeds that were needed are
//! played once more without a bug, and must pass.

use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use libraft_core::mutants::{self, Mutant};

use crate::arguments::Arguments;
use crate::plan::Plan;
use crate::report::{self, processor_seconds};
use crate::run::{self, Keep};

/// So many seeds lie between one first seed and the next.
const APART: u64 = 1_000_000;

/// How a bug was found, or that it was not.
#[derive(Clone, Debug)]
struct Hunt {
    /// None for the core as it is.
    mutant: Option<Mutant>,
    first_seed: u64,
    /// The seed that found it, or the last one that was played.
    seed: u64,
    /// All events, and those of the last seed.
    events: u64,
    of_last_seed: u64,
    seconds: f64,
    violation: Option<crate::check::Violation>,
}

/// What is to be played: seeds from `first_seed` on until something is found, or until `most` events
/// have been played or `seeds` seeds.
#[derive(Clone, Copy, Debug)]
struct Task {
    mutant: Option<Mutant>,
    first_seed: u64,
    most: u64,
    seeds: u64,
}

/// Puts the bug that is wished for into all nodes of this thread.
pub fn put_to_work(arguments: &Arguments) {
    mutants::put_to_work(arguments.mutant.and_then(|number| of_number(number).ok()));
}

/// Plays what the arguments say.
pub fn report(arguments: &Arguments) -> ExitCode {
    match try_report(arguments) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn try_report(arguments: &Arguments) -> Result<ExitCode, String> {
    let chosen = match arguments.mutant {
        Some(number) => Some(of_number(number)?),
        None => None,
    };
    if let Some(path) = &arguments.known {
        return play_known(arguments, path);
    }
    let Some(bases) = arguments.bases else {
        return Ok(report::report(arguments));
    };
    let mutants = match &chosen {
        Some(mutant) => std::slice::from_ref(mutant),
        None => Mutant::ALL,
    };
    hunt_all(arguments, mutants, bases)
}

fn of_number(number: u64) -> Result<Mutant, String> {
    let mut all = Mutant::ALL.iter();
    let found = all.find(|mutant| u64::from(mutant.number()) == number);
    found
        .copied()
        .ok_or_else(|| format!("no mutant has the number {number}"))
}

/// Plays until the task is done, in this thread.
fn hunt(task: Task, steps: u64) -> Hunt {
    let begun = processor_seconds("thread-self").unwrap_or(0.0);
    mutants::put_to_work(task.mutant);
    let mut hunt = Hunt {
        mutant: task.mutant,
        first_seed: task.first_seed,
        seed: task.first_seed,
        events: 0,
        of_last_seed: 0,
        seconds: 0.0,
        violation: None,
    };
    for seed in task.first_seed..task.first_seed + task.seeds {
        let outcome = run::seed(&Plan::draw(seed), steps, Keep::default());
        hunt.seed = seed;
        hunt.events += outcome.events;
        hunt.of_last_seed = outcome.events;
        hunt.violation = outcome.violation;
        if hunt.violation.is_some() || hunt.events >= task.most {
            break;
        }
    }
    mutants::put_to_work(None);
    hunt.seconds = (processor_seconds("thread-self").unwrap_or(0.0) - begun).max(0.0);
    hunt
}

/// Does all tasks, some at a time. What comes of them is in their order.
fn do_all(tasks: &[Task], arguments: &Arguments, done: impl Fn(&Hunt) + Sync) -> Vec<Hunt> {
    let next = Mutex::new(tasks.iter().enumerate());
    let hunts = Mutex::new(Vec::new());
    let work = || {
        loop {
            let task = next.lock().expect("nobody panics with it").next();
            let Some((place, task)) = task else { break };
            let hunt = hunt(*task, arguments.steps);
            let mut hunts = hunts.lock().expect("nobody panics with it");
            done(&hunt);
            hunts.push((place, hunt));
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(work);
        }
    });
    let mut hunts = hunts.into_inner().expect("nobody panicked with it");
    hunts.sort_unstable_by_key(|(place, _)| *place);
    hunts.into_iter().map(|(_, hunt)| hunt).collect()
}

fn hunt_all(arguments: &Arguments, mutants: &[Mutant], bases: u64) -> Result<ExitCode, String> {
    let first_seeds: Vec<u64> = (1..=bases).map(|base| base * APART).collect();
    let tasks = mutants.iter().flat_map(|&mutant| {
        first_seeds.iter().map(move |&first_seed| Task {
            mutant: Some(mutant),
            first_seed,
            most: arguments.most,
            seeds: APART,
        })
    });
    let tasks: Vec<Task> = tasks.collect();
    let hunts = do_all(&tasks, arguments, |hunt| {
        if hunt.violation.is_none() {
            let (name, first, events) = (name(hunt.mutant), hunt.first_seed, hunt.events);
            println!("missed: {name} from seed {first} on, with {events} events");
        }
    });
    println!(
        "| bug | mutant | found by | events: median | mean | seconds of a core |\n|--:|---|---|--:|--:|--:|"
    );
    let (mut passed, mut failed) = (0, 0);
    for (of_one, mutant) in hunts.chunks(bases as usize).zip(mutants) {
        print_row(*mutant, of_one);
        match of_one.iter().all(|hunt| hunt.violation.is_some()) {
            true => passed += 1,
            false => failed += 1,
        }
    }
    println!(
        "{passed} of {} mutants found from every first seed",
        passed + failed
    );
    if let Some(path) = &arguments.bless {
        bless(path, &hunts, bases)?;
    }

    // No seed that was needed may fail without a bug.
    let clean: Vec<Task> = first_seeds
        .iter()
        .map(|&first_seed| {
            let hunts = hunts.iter().filter(|hunt| hunt.first_seed == first_seed);
            let last = hunts.map(|hunt| hunt.seed).max().unwrap_or(first_seed);
            Task {
                mutant: None,
                first_seed,
                most: u64::MAX,
                seeds: last + 1 - first_seed,
            }
        })
        .collect();
    let (clean_passed, clean_failed) = judge_clean(&clean, arguments);
    let (passed, failed) = (passed + clean_passed, failed + clean_failed);
    println!("{passed} passed, {failed} failed");
    Ok(code(failed))
}

/// Plays seeds without a bug. Returns how many of the tasks have passed and failed.
fn judge_clean(tasks: &[Task], arguments: &Arguments) -> (u64, u64) {
    let hunts = do_all(tasks, arguments, |_| ());
    let events: u64 = hunts.iter().map(|hunt| hunt.events).sum();
    let seeds: u64 = tasks.iter().map(|task| task.seeds).sum();
    println!("without a bug: the same {seeds} seeds, {events} events");
    let mut failed = 0;
    for hunt in &hunts {
        if let Some(violation) = &hunt.violation {
            failed += 1;
            println!("seed {} fails without a bug: {violation}", hunt.seed);
        }
    }
    (hunts.len() as u64 - failed, failed)
}

fn code(failed: u64) -> ExitCode {
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn name(mutant: Option<Mutant>) -> String {
    mutant.map_or_else(String::new, |m| format!("{} {m:?}", m.number()))
}

fn print_row(mutant: Mutant, hunts: &[Hunt]) {
    let mut events: Vec<u64> = hunts.iter().map(|hunt| hunt.events).collect();
    events.sort_unstable();
    let count = events.len() as u64;
    let (median, sum) = (events[events.len() / 2], events.iter().sum::<u64>());
    let seconds = hunts.iter().map(|hunt| hunt.seconds).sum::<f64>() / count as f64;
    // By how many of the hunts each rule was broken, the most frequent first.
    let mut rules: Vec<(usize, &str)> = Vec::new();
    for rule in hunts
        .iter()
        .map(|h| h.violation.as_ref().map_or("**missed**", |v| v.rule))
    {
        match rules.iter_mut().find(|(_, known)| *known == rule) {
            Some((times, _)) => *times += 1,
            None => rules.push((1, rule)),
        }
    }
    rules.sort_by_key(|&(times, _)| std::cmp::Reverse(times));
    let rules: Vec<&str> = rules.into_iter().map(|(_, rule)| rule).collect();
    println!(
        "| {} | {mutant:?} | {} | {} | {} | {seconds:.1} |",
        mutant.number(),
        rules.join("; "),
        grouped(median),
        grouped(sum / count),
    );
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes down, for each mutant, the seed that finds it soonest.
fn bless(path: &str, hunts: &[Hunt], bases: u64) -> Result<(), String> {
    let mut text = String::from(
        "# For each mutant a seed that finds it, and the rule that it breaks there.\n\
         # Written by `make mutants BLESS=1`.\n",
    );
    for of_one in hunts.chunks(bases as usize) {
        let found = of_one.iter().filter(|hunt| hunt.violation.is_some());
        if let Some(best) = found.min_by_key(|hunt| hunt.of_last_seed)
            && let (Some(mutant), Some(violation)) = (best.mutant, &best.violation)
        {
            let (number, seed, rule) = (mutant.number(), best.seed, violation.rule);
            text.push_str(&format!("{number} {seed} {rule}\n"));
        }
    }
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}

/// Plays for each mutant the seed that is known to find it. When the simulation has changed since, it
/// may no longer do so; then come the seeds that follow.
fn play_known(arguments: &Arguments, path: &str) -> Result<ExitCode, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut tasks = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace().map(str::parse);
        let (Some(Ok(number)), Some(Ok(first_seed))) = (words.next(), words.next()) else {
            return Err(format!("{path}: not understood: {line}"));
        };
        tasks.push(Task {
            mutant: Some(of_number(number)?),
            first_seed,
            most: arguments.most,
            seeds: APART,
        });
    }
    let hunts = do_all(&tasks, arguments, |_| ());
    let (mut passed, mut failed, mut events) = (0, 0, 0);
    for mutant in Mutant::ALL {
        let hunt = hunts.iter().find(|hunt| hunt.mutant == Some(*mutant));
        let found = hunt.and_then(|hunt| Some((hunt, hunt.violation.as_ref()?)));
        events += hunt.map_or(0, |hunt| hunt.events);
        match found {
            Some((hunt, violation)) => {
                passed += 1;
                let moved = if hunt.seed == hunt.first_seed {
                    ""
                } else {
                    "  (another seed than is known)"
                };
                let (name, rule) = (name(Some(*mutant)), violation.rule);
                println!(
                    "found   {name}: {rule}, {} events, seed {}{moved}",
                    hunt.events, hunt.seed
                );
            }
            None if hunt.is_none() => {
                failed += 1;
                println!("MISSED  {}: no seed is known", name(Some(*mutant)));
            }
            None => {
                failed += 1;
                println!("MISSED  {}", name(Some(*mutant)));
            }
        }
    }
    println!("{events} events");
    let clean: Vec<Task> = hunts
        .iter()
        .map(|hunt| Task {
            mutant: None,
            first_seed: hunt.seed,
            most: u64::MAX,
            seeds: 1,
        })
        .collect();
    let (clean_passed, clean_failed) = judge_clean(&clean, arguments);
    println!(
        "{} passed, {} failed",
        passed + clean_passed,
        failed + clean_failed
    );
    Ok(code(failed + clean_failed))
}
