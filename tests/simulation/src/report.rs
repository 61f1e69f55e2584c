//! Plays the seeds, and says what came of them.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use crate::action::Action;
use crate::arguments::Arguments;
use crate::check::Violation;
use crate::diagram;
use crate::plan::Plan;
use crate::run::{self, Keep, Outcome};
use crate::shrink;

/// Only so many failures of one run are made short.
const MOST_SCRIPTS: u64 = 3;

/// Plays what the arguments say.
pub fn report(arguments: &Arguments) -> ExitCode {
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

fn play_seeds(arguments: &Arguments) -> Result<bool, String> {
    let begun = Instant::now();
    let (mut passed, mut failed, mut twice) = (0, 0, 0);
    let mut total = Total::default();
    for seed in arguments.from..arguments.from + arguments.seeds {
        let plan = Plan::draw(seed);
        let keep = Keep {
            record: false,
            trace: arguments.trace.is_some(),
        };
        let mut outcome = run::seed(&plan, arguments.steps, keep);
        total.add(&outcome);
        if let Some(path) = &arguments.trace {
            println!("seed {seed}: {}", plan.summary());
            draw(path, &plan, arguments.last, &outcome)?;
        }
        if outcome.violation.is_none() && seed % arguments.twice == 0 {
            twice += 1;
            let again = run::seed(&plan, arguments.steps, keep);
            total.add(&again);
            if (again.sum, again.events) != (outcome.sum, outcome.events) {
                outcome.violation = Some(Violation {
                    rule: "the same seed gives the same bytes",
                    node: 0,
                    detail: format!("{:x} and {:x}", outcome.sum, again.sum),
                });
            }
        }
        match &outcome.violation {
            None => passed += 1,
            Some(violation) => {
                failed += 1;
                println!(
                    "seed {seed} failed after {} events ({} in all): {violation}",
                    outcome.events, total.events
                );
                println!("  {}", plan.summary());
                println!("  replay: make sim SEED={seed} STEPS={}", arguments.steps);
                if failed <= MOST_SCRIPTS {
                    shorten(arguments, &plan, violation)?;
                }
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    total.print(seconds);
    println!("{twice} seeds were played twice, with the same result");
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Writes down the run of a failing seed, makes it short and draws it.
fn shorten(arguments: &Arguments, plan: &Plan, violation: &Violation) -> Result<(), String> {
    let keep = Keep {
        record: true,
        trace: false,
    };
    let recorded = run::seed(plan, arguments.steps, keep);
    let heal = violation.rule == "liveness";
    let replayed = run::script(plan, &recorded.record, heal, false);
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
    let outcome = run::script(plan, &script, heal, true);
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
    let outcome = run::script(&plan, &actions, true, arguments.trace.is_some());
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

/// What all seeds together did.
#[derive(Debug, Default)]
struct Total {
    events: u64,
    lines: Vec<(&'static str, u64)>,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        let counts = &outcome.counts;
        let lines = [
            ("ticks", counts.ticks),
            ("messages delivered", counts.delivered),
            ("messages duplicated", counts.duplicated),
            ("messages lost", counts.lost),
            ("steps of a Ready", counts.readies),
            ("steps of storage workers", counts.storage),
            ("requests answered", counts.answers),
            ("crashes", counts.crashes),
            ("restarts", counts.restarts),
            ("pauses", counts.pauses),
            ("cuts of the network", counts.cuts),
            ("faults of clocks", counts.clock_faults),
            ("transfers asked for", counts.transfers),
            ("compactions", counts.compactions),
            ("changes proposed", counts.changes),
            ("changes applied", outcome.changes),
            ("proposals", counts.proposals),
            ("reads", counts.reads),
            ("writes acknowledged", outcome.writes),
            ("reads served", outcome.reads),
            ("entries committed", outcome.committed),
            ("terms", outcome.terms),
            ("other calls", counts.other),
            ("clusters beyond help", counts.beyond_help),
        ];
        if self.lines.is_empty() {
            self.lines = lines.iter().map(|(name, _)| (*name, 0)).collect();
        }
        for (sum, (_, count)) in self.lines.iter_mut().zip(lines) {
            sum.1 += count;
        }
        self.events += outcome.events;
    }

    fn print(&self, seconds: f64) {
        for (name, count) in &self.lines {
            println!("{count:>12} {name}");
        }
        let rate = self.events as f64 / seconds;
        println!(
            "{:>12} events in {seconds:.1} s: {rate:.0} a second",
            self.events
        );
    }
}
