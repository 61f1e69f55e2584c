//! Makes a failing script short: leaves out what is not needed for the same rule to be broken.
//!
//! Delta debugging: ever smaller pieces are left out, one at a time, as long as the script still
//! fails. Actions that lose their object by that do nothing. The number of tries is bounded, not
//! the time.

use crate::action::Action;
use crate::check::Violation;
use crate::plan::Plan;
use crate::run;

/// Events replayed at most, in all tries together.
const MOST_EVENTS: u64 = 40_000_000;

/// A script that breaks the same rule, and how it does.
pub fn shrink(
    plan: &Plan,
    actions: Vec<Action>,
    violation: &Violation,
) -> (Vec<Action>, Violation) {
    let mut found = violation.clone();
    let mut events = 0;
    let heal = violation.rule == "liveness";
    let mut fails = |script: &[Action]| {
        let outcome = run::script(plan, script, heal, false);
        events += outcome.events + 200;
        let same = outcome
            .violation
            .filter(|other| other.rule == violation.rule);
        (same, events)
    };

    let mut script = actions;
    let mut piece = script.len().div_ceil(2);
    while piece > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start < script.len() {
            let mut candidate = script.clone();
            candidate.drain(start..(start + piece).min(script.len()));
            let (failed, spent) = fails(&candidate);
            if let Some(violation) = failed {
                found = violation;
                script = candidate;
                shorter = true;
            } else {
                start += piece;
            }
            if spent > MOST_EVENTS {
                return (script, found);
            }
        }
        if piece == 1 && !shorter {
            break;
        }
        piece = if piece == 1 { 1 } else { piece.div_ceil(2) };
        if piece == 1 && script.len() <= 1 {
            break;
        }
    }
    (script, found)
}
