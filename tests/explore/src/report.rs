//! Runs the explorations, as many at a time as there are processors, and says what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arguments::{Arguments, USAGE};
use crate::check::Checked;
use crate::path;
use crate::search::{Report, explore};
use crate::setting::{self, Setting};

/// What the last lines need.
#[derive(Default)]
struct Total {
    states: u64,
    transitions: u64,
    passed: u32,
    failed: u32,
    /// Those that need not be complete, and are not, though no rule is broken.
    stopped: u32,
}

pub fn report(arguments: &Arguments) -> ExitCode {
    let settings = match arguments.select(setting::all(arguments.long)) {
        Ok(settings) => settings,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Err(why) = arguments
        .mutant
        .map_or(Ok(()), |number| find_mutant(number).map(drop))
    {
        eprintln!("{why}");
        return ExitCode::from(2);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(processors);
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Total::default()));
    let work = || {
        // Which bug is at work belongs to the thread.
        if let Some(number) = arguments.mutant {
            put_to_work(number);
        }
        while let Some(setting) = settings.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = explore(setting.clone());
            let Ok(mut total) = total.lock() else {
                return;
            };
            say(setting, report, &mut total);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(settings.len()) {
            scope.spawn(work);
        }
    });
    let Ok(total) = total.into_inner() else {
        return ExitCode::FAILURE;
    };
    println!(
        "{} distinct states, {} transitions; peak memory {} MiB",
        grouped(total.states),
        grouped(total.transitions),
        peak_memory_mib().map_or("?".to_owned(), grouped)
    );
    if total.stopped > 0 {
        println!("{} of them not complete", total.stopped);
    }
    let passed = total.passed + total.stopped;
    println!("{passed} passed, {} failed", total.failed);
    match total.failed {
        0 if passed as usize == settings.len() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(libraft_mutants)]
fn find_mutant(number: u64) -> Result<libraft_core::mutants::Mutant, String> {
    use libraft_core::mutants::Mutant;
    let found = Mutant::ALL
        .iter()
        .find(|mutant| u64::from(mutant.number()) == number);
    found
        .copied()
        .ok_or_else(|| format!("there is no mutant {number}"))
}

#[cfg(libraft_mutants)]
fn put_to_work(number: u64) {
    libraft_core::mutants::put_to_work(find_mutant(number).ok());
}

#[cfg(not(libraft_mutants))]
fn find_mutant(_: u64) -> Result<(), String> {
    Err("this build has no mutants: make explore MUTANT=24 makes one".to_owned())
}

#[cfg(not(libraft_mutants))]
fn put_to_work(_: u64) {}

fn say(setting: &Setting, report: Checked<Report>, total: &mut Total) {
    println!("{}: {}", setting.name, setting.about);
    println!("    bounds: {}", setting.bounds());
    let mut report = match report {
        Ok(report) => report,
        Err(violation) => {
            println!("    BROKEN at once: {violation}");
            total.failed += 1;
            return;
        }
    };
    let catalogue = &report.catalogue;
    println!(
        "    {} distinct states, {} transitions, depth {} (at most {} states of one), {} states a second",
        grouped(report.states),
        grouped(report.transitions),
        report.depth,
        grouped(report.widest as u64),
        grouped((report.states as f64 / report.seconds.max(0.001)) as u64),
    );
    println!(
        "    {} states of single nodes, {} steps of the core, {} messages; {} merged states compared",
        grouped(catalogue.states() as u64),
        grouped(catalogue.steps() as u64),
        grouped(catalogue.messages() as u64),
        grouped(catalogue.compared),
    );
    total.states += report.states;
    total.transitions += report.transitions;
    if let Some((violation, path)) = report.violation.take() {
        println!("    BROKEN after {} actions: {violation}", path.len());
        for line in path::describe(&mut report.catalogue, &path) {
            println!("        {line}");
        }
        total.failed += 1;
    } else if report.complete {
        println!("    complete: nothing else can be reached within the bounds");
        total.passed += 1;
    } else {
        println!(
            "    NOT COMPLETE: stopped at the limit of {} states",
            grouped(setting.limit)
        );
        match setting.must_complete {
            true => total.failed += 1,
            false => total.stopped += 1,
        }
    }
}

/// The most memory that this process has had, as Linux tells it.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// With a comma between thousands.
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

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_set_off() {
        let of = super::grouped;
        assert_eq!(
            (of(7), of(1234), of(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
    }
}
