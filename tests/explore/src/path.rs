//! A path through the states, for people: what each machine does, and what comes of it.

use libraft_core::{Body, Message};

use crate::catalogue::{Catalogue, Next};
use crate::log;
use crate::machine::Input;
use crate::search::Action;

/// A line for each action, and one for what the machine has come to.
pub fn describe(catalogue: &mut Catalogue, path: &[Action]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut states = [0; 3];
    for (number, action) in path.iter().enumerate() {
        let (place, column) = (usize::from(action.place), action.column as usize);
        let Some(input) = catalogue.input(place, column) else {
            continue;
        };
        lines.push(format!(
            "{:3}. node {} {}",
            number + 1,
            place + 1,
            of_input(&input)
        ));
        // The last one may be what broke the rule, so that nothing came of it.
        let Ok(Next::Step(step)) = catalogue.next(place, states[place], column) else {
            continue;
        };
        let step = catalogue.step(step);
        states[place] = step.state;
        let view = catalogue.view(place, step.state);
        let shown = view.shown;
        let role = if shown.leads {
            "leads term"
        } else {
            "is in term"
        };
        let (term, commit, log) = (shown.term, shown.commit, log::describe(shown.log));
        lines.push(format!("       {role} {term}, log {log}, commit {commit}"));
        for &id in catalogue.sent(step) {
            lines.push(format!(
                "       sends {}",
                of_message(catalogue.message(id))
            ));
        }
    }
    lines
}

fn of_input(input: &Input) -> String {
    match input {
        Input::Deliver(message) => format!("gets {}", of_message(message)),
        Input::Heartbeat => "sends heartbeats".to_owned(),
        Input::Campaign => "campaigns".to_owned(),
        Input::Propose(number) => format!("is given command {number}"),
        Input::Change(number) => format!("is given change {number}"),
        Input::Read(number) => format!("is asked for a read, {number}"),
        Input::Transfer(to) => format!("is to hand its leadership to node {to}"),
        Input::Unreachable(peer) => format!("is told that node {peer} can't be reached"),
        Input::Compact => "compacts its log".to_owned(),
        Input::Ready => "takes a Ready, writes and sends".to_owned(),
        Input::Advance => "applies and advances".to_owned(),
        Input::Append => "has its append worker do the next piece".to_owned(),
        Input::Apply => "has its apply worker do the next piece".to_owned(),
        Input::Crash => "crashes and restarts".to_owned(),
        Input::CrashUnsynced => "crashes, loses what was not synced, and restarts".to_owned(),
        Input::CrashTorn(count) => format!("crashes after {count} writes and restarts"),
    }
}

fn of_message(message: &Message) -> String {
    let Message { to, from, term, .. } = message;
    let body = match &message.body {
        Body::Append {
            prev,
            entries,
            commit,
        } => {
            let marks = entries.iter().map(|entry| {
                let mark = log::put(0, 1, log::mark(entry));
                log::describe(mark)
            });
            let marks = marks.collect::<String>();
            format!(
                "Append {marks} after {}:{}, commit {commit}",
                prev.term, prev.index
            )
        }
        Body::InstallSnapshot { snapshot } => {
            let log = log::describe(log::from_bytes(&snapshot.data));
            format!("InstallSnapshot of {log}")
        }
        body => format!("{body:?}"),
    };
    format!("{body} (node {from} to {to}, term {term})")
}
