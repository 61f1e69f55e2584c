//! What the diagram shows of a run: collected while it runs, and only if asked for.

use libraft_core::*;

use crate::action::Action;
use crate::flights::{Flight, describe, kind};

/// A message, from the event that sent it to the one that took it.
#[derive(Debug)]
pub struct Arrow {
    pub from: NodeId,
    pub to: NodeId,
    pub sent_at: u64,
    pub arrived_at: u64,
    pub lost: bool,
    pub kind: &'static str,
    pub text: String,
}

/// Something at one node.
#[derive(Debug)]
pub struct Mark {
    pub at: u64,
    pub node: NodeId,
    pub fault: bool,
    pub text: String,
}

/// A node's state from an event on.
#[derive(Debug)]
pub struct State {
    pub at: u64,
    pub node: NodeId,
    pub role: &'static str,
    pub term: Term,
    pub text: String,
}

#[derive(Debug, Default)]
pub struct Trace {
    pub arrows: Vec<Arrow>,
    pub marks: Vec<Mark>,
    pub states: Vec<State>,
    /// From an event on, what the network and the machines are like.
    pub surroundings: Vec<(u64, String)>,
}

impl Trace {
    pub fn action(&mut self, at: u64, action: &Action, node: NodeId) {
        let fault = match action {
            Action::Tick(_)
            | Action::Deliver { .. }
            | Action::Lose { .. }
            | Action::Cycle(_)
            | Action::Step { .. }
            | Action::Persist(_)
            | Action::Sync(_)
            | Action::Apply(_) => return,
            Action::Crash { .. } | Action::Wipe(_) | Action::Destroy(_) => true,
            _ => false,
        };
        if let Action::Crash { .. } | Action::Wipe(_) | Action::Destroy(_) = action {
            self.states.push(State {
                at,
                node,
                role: "down",
                term: 0,
                text: "down".to_owned(),
            });
        }
        self.marks.push(Mark {
            at,
            node,
            fault,
            text: at_node(action),
        });
    }

    pub fn delivered(&mut self, at: u64, flight: &Flight, again: bool) {
        let mut text = describe(&flight.message);
        if again {
            text.push_str(", and will arrive again");
        }
        self.arrow(at, flight, false, text);
    }

    pub fn lost(&mut self, at: u64, flight: &Flight) {
        self.arrow(
            at,
            flight,
            true,
            format!("lost: {}", describe(&flight.message)),
        );
    }

    fn arrow(&mut self, at: u64, flight: &Flight, lost: bool, text: String) {
        let message = &flight.message;
        self.arrows.push(Arrow {
            from: if flight.local.is_some() {
                message.to
            } else {
                message.from
            },
            to: message.to,
            sent_at: flight.sent_at,
            arrived_at: at,
            lost,
            kind: kind(&message.body),
            text,
        });
    }

    pub fn moved(&mut self, at: u64, old: &BasicStatus, new: &BasicStatus) {
        let (term, role) = (new.hard_state.term, new.soft_state.role);
        if new.hard_state.commit > old.hard_state.commit {
            let text = format!("commit {}", new.hard_state.commit);
            self.marks.push(Mark {
                at,
                node: new.id,
                fault: false,
                text,
            });
        }
        let restarted = self.states.iter().rfind(|state| state.node == new.id);
        let was_down = restarted.is_none_or(|state| state.role == "down");
        if (term, role) == (old.hard_state.term, old.soft_state.role) && !was_down {
            return;
        }
        self.states.push(State {
            at,
            node: new.id,
            role: match role {
                Role::Follower => "follower",
                Role::PreCandidate => "precandidate",
                Role::Candidate => "candidate",
                Role::Leader => "leader",
            },
            term,
            text: format!(
                "{role:?}, term {term}, vote {}, commit {}, log {}..{}",
                new.hard_state.vote, new.hard_state.commit, new.first_index, new.last_index
            ),
        });
    }
}

/// What is done to a node, in the words of scripts, without the number of the node.
fn at_node(action: &Action) -> String {
    let line = action.to_string();
    let mut words = line.split(' ');
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.skip(1).collect();
    match (action, &rest[..]) {
        (Action::Propose { size, count, .. }, _) => match count {
            1 => format!("propose {size} bytes"),
            _ => format!("propose {count} times {size} bytes"),
        },
        (Action::Crash { kept, torn, .. }, _) => format!("crash (keeps {kept}, tears {torn})"),
        (_, []) => verb.to_owned(),
        (_, rest) => format!("{verb} {}", rest.join(" ")),
    }
}
