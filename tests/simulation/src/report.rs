//! Plays the seeds, and says what came of them.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::action::Action;
use crate::arguments::Arguments;
use crate::check::Violation;
use crate::diagram;
use crate::mutants;
use crate::plan::Plan;
use crate::recordings;
use crate::run::{self, Keep, Outcome};
use crate::shrink;
use crate::tally::Tally;

/// Plays what the arguments say.
pub fn report(arguments: &Arguments) -> ExitCode {
    mutants::put_to_work(arguments);
    let result = match &arguments.script {
        Some(path) => play_script(arguments, path),
        None => play_seeds(arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// What came of one seed, once or twice.
struct Played {
    seed: u64,
    outcome: Outcome,
    /// The events of all runs of it.
    events: u64,
    twice: bool,
    /// Lives of nodes that were played again from their recordings, and calls in them.
    replayed: (u64, u64),
}

fn play_seeds(arguments: &Arguments) -> Result<bool, String> {
    let begun = Instant::now();
    let (mut passed, mut failed, mut twice, mut events) = (0, 0, 0, 0);
    let mut replayed = (0, 0);
    let mut total = Tally::default();
    let last = arguments.from + arguments.seeds;
    let next = AtomicU64::new(arguments.from);
    let (sender, receiver) = mpsc::channel();
    let result = thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                mutants::put_to_work(arguments);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last || sender.send(play_seed(arguments, seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for played in receiver {
            let Played { seed, outcome, .. } = &played;
            let plan = Plan::draw(*seed);
            total.add(&outcome.tally);
            events += played.events;
            twice += u64::from(played.twice);
            replayed = (
                replayed.0 + played.replayed.0,
                replayed.1 + played.replayed.1,
            );
            if let Some(path) = &arguments.trace {
                println!("seed {seed}: {}", plan.summary());
                draw(path, &plan, arguments.last, outcome)?;
            }
            if let Some(directory) = &arguments.record {
                recordings::write(directory, *seed, &outcome.lives)?;
            }
            let Some(violation) = &outcome.violation else {
                passed += 1;
                continue;
            };
            failed += 1;
            println!(
                "seed {seed} failed after {} events ({events} in all): {violation}",
                outcome.events
            );
            println!("  {}", plan.summary());
            println!("  replay: make sim SEED={seed} STEPS={}", arguments.steps);
            if failed <= arguments.shrink {
                shorten(arguments, &plan, violation)?;
            }
        }
        Ok(())
    });
    let seconds = begun.elapsed().as_secs_f64();
    print!("{}", total.table());
    println!("{twice} seeds were played twice, with the same result");
    if let (lives @ 1.., calls) = replayed {
        println!("{lives} lives of nodes were played again from their recordings: {calls} calls");
    }
    let rate = events as f64 / seconds;
    let (seeds, jobs) = (arguments.seeds, arguments.jobs);
    println!(
        "{events} events of {seeds} seeds in {seconds:.1} s: {rate:.0} a second on {jobs} threads"
    );
    if let Some(spent) = processor_seconds("self").filter(|&spent| spent > 0.0) {
        let rate = events as f64 / spent;
        println!("{rate:.0} events a second on a core of its own ({spent:.1} s of processor time)");
    }
    let missing = total.missing();
    if arguments.is_whole() && !missing.is_empty() {
        failed += 1;
        println!("never occurred: {}", missing.join("; "));
    }
    println!("{passed} passed, {failed} failed");
    result.map(|()| failed == 0)
}

/// The processor time that this process, `self`, or thread, `thread-self`, has taken, where that can
/// be told: what else runs on the machine doesn't count.
pub fn processor_seconds(whose: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{whose}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks = |place| rest.split_whitespace().nth(place)?.parse::<f64>().ok();
    // In user mode, as fields 14 and 15 of all, in the kernel's ticks of a hundredth of a second.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn play_seed(arguments: &Arguments, seed: u64) -> Played {
    let plan = Plan::draw(seed);
    let twice = seed.is_multiple_of(arguments.twice);
    let replays = arguments.replay > 0 && seed.is_multiple_of(arguments.replay);
    let keep = Keep {
        trace: arguments.trace.is_some(),
        recordings: arguments.record.is_some() || replays,
        exact: twice,
        ..Keep::default()
    };
    let mut outcome = run::seed(&plan, arguments.steps, keep);
    let mut events = outcome.events;
    let twice = twice && outcome.violation.is_none();
    if twice {
        let again = run::seed(&plan, arguments.steps, keep);
        events += again.events;
        if (again.sum, again.events) != (outcome.sum, outcome.events) {
            outcome.violation = Some(Violation {
                rule: "the same seed gives the same bytes",
                node: 0,
                detail: format!("{:x} and {:x}", outcome.sum, again.sum),
            });
        }
    }
    let mut replayed = (0, 0);
    if replays && outcome.violation.is_none() {
        for life in &outcome.lives {
            match recordings::replay(life) {
                Ok(calls) => replayed = (replayed.0 + 1, replayed.1 + calls),
                Err(why) => {
                    outcome.violation = Some(Violation {
                        rule: "a recording does the same again",
                        node: life.node,
                        detail: why,
                    });
                }
            }
        }
    }
    Played {
        seed,
        outcome,
        events,
        twice,
        replayed,
    }
}

/// Writes down the run of a failing seed, makes it short and draws it.
fn shorten(arguments: &Arguments, plan: &Plan, violation: &Violation) -> Result<(), String> {
    let keep = Keep {
        record: true,
        ..Keep::default()
    };
    let recorded = run::seed(plan, arguments.steps, keep);
    let heal = violation.rule == "liveness";
    let replayed = run::script(plan, &recorded.record, heal, Keep::default());
    let same = replayed
        .violation
        .as_ref()
        .is_some_and(|other| other.rule == violation.rule);
    if !same {
        println!("  no script: {:?} when it is repeated", replayed.violation);
        return Ok(());
    }
    let (script, violation) = shrink::shrink(plan, recorded.record, violation);
    fs::create_dir_all(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out))?;
    let path = format!("{}/seed-{}.script", arguments.out, plan.seed);
    let mut text = format!("seed {}\n# {violation}\n", plan.seed);
    for line in run::annotate(plan, &script) {
        text.push_str(&format!("{line}\n"));
    }
    fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?;
    println!("  {} actions do it: make sim SCRIPT={path}", script.len());
    let keep = Keep {
        trace: true,
        recordings: true,
        ..Keep::default()
    };
    let outcome = run::script(plan, &script, heal, keep);
    recordings::write(&arguments.out, plan.seed, &outcome.lives)?;
    draw(
        &format!("{}/seed-{}.html", arguments.out, plan.seed),
        plan,
        arguments.last,
        &outcome,
    )
}

fn play_script(arguments: &Arguments, path: &str) -> Result<bool, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut lines = (1..).zip(text.lines());
    let seed = lines
        .next()
        .and_then(|(_, line)| line.strip_prefix("seed ")?.parse().ok());
    let seed = seed.ok_or_else(|| format!("{path}: the first line names no seed"))?;
    let mut actions: Vec<Action> = Vec::new();
    for (number, line) in lines {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            actions.push(
                line.parse()
                    .map_err(|why| format!("{path}:{number}: {why}"))?,
            );
        }
    }
    let plan = Plan::draw(seed);
    let keep = Keep {
        trace: arguments.trace.is_some(),
        recordings: arguments.record.is_some(),
        ..Keep::default()
    };
    let outcome = run::script(&plan, &actions, true, keep);
    if let Some(directory) = &arguments.record {
        recordings::write(directory, seed, &outcome.lives)?;
    }
    if let Some(trace) = &arguments.trace {
        draw(trace, &plan, arguments.last, &outcome)?;
    }
    match &outcome.violation {
        None => println!("{} events, and nothing is wrong", outcome.events),
        Some(violation) => println!("after {} events: {violation}", outcome.events),
    }
    Ok(outcome.violation.is_none())
}

fn draw(path: &str, plan: &Plan, last: u64, outcome: &Outcome) -> Result<(), String> {
    fs::write(path, diagram::draw(plan, last, outcome))
        .map_err(|error| format!("{path}: {error}"))?;
    println!("  drawn: {path}");
    Ok(())
}
