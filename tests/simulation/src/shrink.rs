//! Makes a failing script short: leaves out what is not needed for the same rule to be broken.
//!
//! First whole groups are left out: all that happens at a node, all actions of a kind. Then ever
//! smaller pieces (delta debugging), from the end to the beginning. A piece stays out if the script
//! still fails without it. Actions that lose their object by that find another of its kind, or do
//! nothing. The number of events in all tries together is bounded, not the time.

use crate::action::Action;
use crate::check::Violation;
use crate::flights::ends_of;
use crate::plan::{MAX_HOSTS, Plan};
use crate::run::{self, Keep};

/// Events replayed at most, in all tries together.
const MOST_EVENTS: u64 = 150_000_000;

struct Shrinking<'a> {
    plan: &'a Plan,
    script: Vec<Action>,
    found: Violation,
    events: u64,
}

/// A script that breaks the same rule, and how it does.
pub fn shrink(
    plan: &Plan,
    actions: Vec<Action>,
    violation: &Violation,
) -> (Vec<Action>, Violation) {
    let mut shrinking = Shrinking {
        plan,
        script: actions,
        found: violation.clone(),
        events: 0,
    };
    // Whatever does nothing is left out with this.
    shrinking.accept(shrinking.script.clone());
    shrinking.leave_out_groups();
    shrinking.leave_out_pieces();
    shrinking.leave_out_groups();
    (shrinking.script, shrinking.found)
}

impl Shrinking<'_> {
    /// Takes the candidate in the script's place if it fails likewise, up to where it does.
    fn accept(&mut self, candidate: Vec<Action>) -> bool {
        let heal = self.found.rule == "liveness";
        let outcome = run::script(self.plan, &candidate, heal, Keep::default());
        self.events += outcome.events + 200;
        let rule = self.found.rule;
        let Some(violation) = outcome.violation.filter(|other| other.rule == rule) else {
            return false;
        };
        let effective = candidate.into_iter().zip(outcome.effective);
        self.script = effective
            .filter_map(|(action, did)| did.then_some(action))
            .collect();
        self.found = violation;
        true
    }

    fn is_spent(&self) -> bool {
        self.events > MOST_EVENTS
    }

    fn leave_out_where(&mut self, out: impl Fn(&Action) -> bool) {
        let candidate: Vec<Action> = self.script.iter().filter(|a| !out(a)).cloned().collect();
        if candidate.len() < self.script.len() && !self.is_spent() {
            self.accept(candidate);
        }
    }

    fn leave_out_groups(&mut self) {
        for id in (1..=MAX_HOSTS as u64).rev() {
            self.leave_out_where(|action| match action {
                Action::Deliver { message, .. } | Action::Lose { message } => {
                    ends_of(*message).contains(&id)
                }
                _ => action.node() == id,
            });
        }
        let verb = |action: &Action| {
            let line = action.to_string();
            line.split(' ').next().unwrap_or_default().to_owned()
        };
        let mut verbs: Vec<String> = self.script.iter().map(verb).collect();
        verbs.sort();
        verbs.dedup();
        for one in verbs {
            self.leave_out_where(|action| verb(action) == one);
        }
    }

    fn leave_out_pieces(&mut self) {
        let mut piece = self.script.len().div_ceil(2);
        while piece > 0 {
            let before = self.script.len();
            let mut end = before;
            while end > 0 && !self.is_spent() {
                let start = end.saturating_sub(piece);
                let mut candidate = self.script.clone();
                candidate.drain(start..end);
                self.accept(candidate);
                end = start.min(self.script.len());
            }
            let shorter = self.script.len() < before;
            if self.is_spent() || (piece == 1 && !shorter) {
                return;
            }
            // What was in the way of a large piece may be gone.
            let again = shorter && self.script.len() < before / 2;
            piece = match again {
                true => self.script.len().div_ceil(2),
                false if piece == 1 => 1,
                false => piece.div_ceil(2),
            };
            piece = piece.min(self.script.len());
        }
    }
}
