//! All states of machines, all messages, and all steps that have been computed: each once.
//!
//! States and messages have numbers. The table of steps is filled as the search asks; after that a
//! step is a look-up. Messages are numbered for each recipient as well, so that a machine's row of
//! the table is short.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libraft_core::{Body, Message, NodeId, Term};

use crate::canonical::fingerprint;
use crate::check::{Checked, Commit, View, broken, ensure};
use crate::log;
use crate::machine::{Input, Machine, Outcome};
use crate::panics;
use crate::setting::{Handling, Setting};
use crate::state::message_fingerprint;

/// What the text of a node has in it while it waits for its host.
const OPEN_REQUESTS: [&str; 2] = ["waiting: Some", "apply_read: Some"];

/// The number of a machine's state.
pub type StateId = u32;
/// The number of a message.
pub type MessageId = u16;

/// What comes of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it can't be, or changes nothing and sends nothing.
    Nothing,
    /// A state beyond the bounds.
    Beyond,
    /// The step with this number.
    Step(u32),
}

#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub state: StateId,
    /// The messages that it sends, in [`Catalogue::sent`].
    first_sent: u32,
    sent: u16,
    first_commit: u32,
    commits: u8,
    /// The index of a read that it answers, counted from 1; 0 if there is none.
    pub answer: u8,
}

/// The states of one machine.
#[derive(Default)]
struct Slot {
    states: Vec<Machine>,
    numbers: HashMap<u128, StateId>,
    /// For each state, what comes of each input, as far as it is known.
    rows: Vec<Vec<u32>>,
    /// The messages to it.
    inbox: Vec<MessageId>,
}

pub struct Catalogue {
    pub setting: Setting,
    slots: [Slot; 3],
    views: [Vec<View>; 3],
    steps: Vec<Step>,
    sent: Vec<MessageId>,
    commits: Vec<Commit>,
    messages: Vec<Message>,
    message_numbers: HashMap<String, MessageId>,
    pub envelopes: Vec<Envelope>,
    text: String,
    /// How often a machine came into a state that was known, and how many of those were compared.
    merged: u64,
    pub compared: u64,
}

/// What a search needs to know of a message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    pub to: u8,
    /// Its number among those to the same recipient.
    place: u16,
    /// The recipient ignores it for good once its disk has a later term than this.
    pub term: u8,
    /// How many later leaders have been seen to ignore it.
    ignored: u8,
    /// Its part of a state's fingerprint.
    pub fingerprint: u64,
}

/// The inputs that are no messages come first in a row.
pub const FIXED: usize = 32;

/// So many leaders are given each message of an older term.
const SAMPLE: u8 = 16;

const UNKNOWN: u32 = 0;
const NOTHING: u32 = 1;
const BEYOND: u32 = 2;
const FIRST_STEP: u32 = 3;

impl Catalogue {
    /// Nothing but the machines' first states.
    ///
    /// # Errors
    /// A machine that doesn't start.
    pub fn new(setting: Setting) -> Checked<Catalogue> {
        let mut catalogue = Catalogue {
            setting,
            slots: Default::default(),
            views: Default::default(),
            steps: Vec::new(),
            sent: Vec::new(),
            commits: Vec::new(),
            messages: Vec::new(),
            message_numbers: HashMap::new(),
            envelopes: Vec::new(),
            text: String::new(),
            merged: 0,
            compared: 0,
        };
        for place in 0..3 {
            let machine = Machine::new(&catalogue.setting, place as NodeId + 1)?;
            catalogue.number_of(place, machine)?;
        }
        Ok(catalogue)
    }

    /// How many states of machines there are.
    pub fn states(&self) -> usize {
        self.slots.iter().map(|slot| slot.states.len()).sum()
    }

    /// How many steps of machines have been computed.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// How many messages there are.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[usize::from(id)]
    }

    pub fn machine(&self, place: usize, state: StateId) -> &Machine {
        &self.slots[place].states[state as usize]
    }

    pub fn view(&self, place: usize, state: StateId) -> &View {
        &self.views[place][state as usize]
    }

    pub fn step(&self, number: u32) -> Step {
        self.steps[number as usize]
    }

    pub fn sent(&self, step: Step) -> &[MessageId] {
        let first = step.first_sent as usize;
        &self.sent[first..first + usize::from(step.sent)]
    }

    pub fn commits(&self, step: Step) -> &[Commit] {
        let first = step.first_commit as usize;
        &self.commits[first..first + usize::from(step.commits)]
    }

    /// The column of a message.
    pub fn column(&self, message: MessageId) -> usize {
        FIXED + usize::from(self.envelopes[usize::from(message)].place)
    }

    /// The input of a column.
    pub fn input(&self, place: usize, column: usize) -> Option<Input> {
        if column >= FIXED {
            let id = *self.slots[place].inbox.get(column - FIXED)?;
            return Some(Input::Deliver(self.message(id).clone()));
        }
        fixed_input(column)
    }

    /// What comes of an input.
    ///
    /// # Errors
    /// A rule that is broken.
    #[inline]
    pub fn next(&mut self, place: usize, state: StateId, column: usize) -> Checked<Next> {
        let row = &self.slots[place].rows[state as usize];
        match row.get(column) {
            Some(&NOTHING) => Ok(Next::Nothing),
            Some(&BEYOND) => Ok(Next::Beyond),
            Some(&step) if step != UNKNOWN => Ok(Next::Step(step - FIRST_STEP)),
            _ => self.compute(place, state, column),
        }
    }

    #[cold]
    fn compute(&mut self, place: usize, state: StateId, column: usize) -> Checked<Next> {
        let Some(input) = self.input(place, column) else {
            return Ok(Next::Nothing);
        };
        let next = match self.run(place, state, &input)? {
            None => Next::Nothing,
            Some(outcome) => self.note(place, state, &input, outcome)?,
        };
        let row = &mut self.slots[place].rows[state as usize];
        if row.len() <= column {
            row.resize(column + 1, UNKNOWN);
        }
        row[column] = match next {
            Next::Nothing => NOTHING,
            Next::Beyond => BEYOND,
            Next::Step(number) => number + FIRST_STEP,
        };
        Ok(next)
    }

    fn run(&self, place: usize, state: StateId, input: &Input) -> Checked<Option<Outcome>> {
        let machine = self.machine(place, state);
        let step = || machine.step(&self.setting, input);
        let outcome = catch_unwind(AssertUnwindSafe(step));
        outcome.unwrap_or_else(|_| Err(broken("no panic", panics::last())))
    }

    fn note(
        &mut self,
        place: usize,
        state: StateId,
        input: &Input,
        outcome: Outcome,
    ) -> Checked<Next> {
        let crash = matches!(
            input,
            Input::Crash | Input::CrashUnsynced | Input::CrashTorn(_)
        );
        let term = outcome.machine.node.basic_status().hard_state.term;
        if term > self.setting.max_term {
            return Ok(Next::Beyond);
        }
        let mut sent = Vec::new();
        for message in outcome.sent {
            let id = self.message_number(message)?;
            if !sent.contains(&id) {
                sent.push(id);
            }
        }
        let first_sent = self.sent.len() as u32;
        self.sent.append(&mut sent);
        let next = self.number_of(place, outcome.machine)?;
        let (old, new) = (self.view(place, state).shown, self.view(place, next).shown);
        if !crash {
            let forward = old.term <= new.term && old.commit <= new.commit;
            ensure(forward, "term and commit never decrease", || {
                format!("{old:?} {new:?}")
            })?;
            if old.leads && new.leads && old.term == new.term {
                let kept = log::up_to(new.log, log::len(old.log)) == old.log;
                ensure(kept, "a leader only appends", || {
                    format!("{} {}", log::describe(old.log), log::describe(new.log))
                })?;
            }
        }
        let sent = self.sent.len() as u32 - first_sent;
        let answer = outcome.answer.map_or(0, |index| index as u8 + 1);
        if next == state && sent == 0 && answer == 0 {
            return Ok(Next::Nothing);
        }
        let first_commit = self.commits.len() as u32;
        let commits = outcome.commits.len() as u8;
        self.commits.extend(outcome.commits);
        self.steps.push(Step {
            first_commit,
            commits,
            state: next,
            first_sent,
            sent: sent as u16,
            answer,
        });
        Ok(Next::Step(self.steps.len() as u32 - 1))
    }

    fn message_number(&mut self, message: Message) -> Checked<MessageId> {
        let text = format!("{message:?}");
        if let Some(&id) = self.message_numbers.get(&text) {
            return Ok(id);
        }
        let id = self.messages.len();
        let Ok(id) = MessageId::try_from(id) else {
            return Err(broken(
                "the exploration is small enough",
                "too many messages",
            ));
        };
        let to = message.to as u8 - 1;
        let inbox = &mut self.slots[usize::from(to)].inbox;
        self.envelopes.push(Envelope {
            to,
            place: inbox.len() as u16,
            term: self.setting.useful_up_to(&message) as u8,
            ignored: 0,
            fingerprint: message_fingerprint(id),
        });
        inbox.push(id);
        self.messages.push(message);
        self.message_numbers.insert(text, id);
        Ok(id)
    }

    fn number_of(&mut self, place: usize, machine: Machine) -> Checked<StateId> {
        let key = fingerprint(&machine.state(), &mut self.text);
        if let Some(&id) = self.slots[place].numbers.get(&key) {
            self.merged += 1;
            if self.setting.compare_every != 0
                && self.merged.is_multiple_of(self.setting.compare_every)
            {
                self.compare(place, id, &machine)?;
            }
            return Ok(id);
        }
        ensure(
            OPEN_REQUESTS.iter().all(|open| !self.text.contains(open)),
            "no request outlasts the step that makes it",
            || self.text.clone(),
        )?;
        let view = View::of(&machine)?;
        let slot = &mut self.slots[place];
        let id = slot.states.len() as StateId;
        slot.states.push(machine);
        slot.rows.push(Vec::new());
        slot.numbers.insert(key, id);
        self.views[place].push(view);
        if view.shown.leads {
            self.ignores_old_messages(place, id, view.disk_term)?;
        }
        Ok(id)
    }

    /// Whether a leader ignores the messages of older terms, which are taken out of the network when
    /// its disk comes into a new term: then it does not lead yet. A sample of leaders will do.
    fn ignores_old_messages(&mut self, place: usize, state: StateId, term: Term) -> Checked {
        for nth in 0..self.slots[place].inbox.len() {
            let id = self.slots[place].inbox[nth];
            let envelope = &mut self.envelopes[usize::from(id)];
            if Term::from(envelope.term) >= term || envelope.ignored >= SAMPLE {
                continue;
            }
            envelope.ignored += 1;
            let input = Input::Deliver(self.message(id).clone());
            let changed = match self.run(place, state, &input)? {
                Some(outcome) => {
                    let after = fingerprint(&outcome.machine.state(), &mut self.text);
                    let before = self.machine(place, state).state();
                    let before = fingerprint(&before, &mut String::new());
                    after != before || !outcome.sent.is_empty()
                }
                None => false,
            };
            ensure(!changed, "messages of older terms are ignored", || {
                format!("{input:?}")
            })?;
        }
        Ok(())
    }

    /// Whether a machine that came into a known state does with all inputs what that one does: what
    /// the fingerprint leaves out has no influence.
    fn compare(&mut self, place: usize, id: StateId, twin: &Machine) -> Checked {
        self.compared += 1;
        let mut text = String::new();
        for column in 0..FIXED + self.slots[place].inbox.len() {
            let Some(input) = self.input(place, column) else {
                continue;
            };
            // Not all of these messages can meet this machine: a refusal is an outcome as well.
            let mut come = |machine: &Machine| {
                let step = || machine.step(&self.setting, &input);
                let outcome = catch_unwind(AssertUnwindSafe(step));
                let outcome = outcome
                    .map_err(|_| panics::last())?
                    .map_err(|why| why.to_string())?;
                Ok::<_, String>(outcome.map(|outcome| {
                    let state = fingerprint(&outcome.machine.state(), &mut text);
                    (state, outcome.sent, outcome.answer)
                }))
            };
            let (one, other) = (come(self.machine(place, id)), come(twin));
            ensure(
                one == other,
                "equal fingerprints mean equal behaviour",
                || format!("{input:?}: {one:?} {other:?}"),
            )?;
        }
        Ok(())
    }
}

/// The inputs that are no messages, by column.
pub fn fixed_input(column: usize) -> Option<Input> {
    let number = |first: usize| (column - first) as u8;
    Some(match column {
        0 => Input::Heartbeat,
        1 => Input::Campaign,
        2 => Input::Ready,
        3 => Input::Advance,
        4 => Input::Append,
        5 => Input::Apply,
        6 => Input::Crash,
        7 => Input::CrashUnsynced,
        8..12 => Input::CrashTorn(number(8) + 1),
        12 => Input::Compact,
        13..16 => Input::Unreachable(column as NodeId - 12),
        16..19 => Input::Transfer(column as NodeId - 15),
        19..23 => Input::Propose(number(19)),
        23..26 => Input::Change(number(23)),
        26..28 => Input::Read(number(26)),
        _ => return None,
    })
}

impl Setting {
    /// The last term of its recipient's disk in which a message can still do something. Later it is
    /// ignored: it is of an older term, and nobody answers to that. With pre-vote some are answered.
    fn useful_up_to(&self, message: &Message) -> Term {
        let answered = self.pre_vote
            && (message.body.is_from_leader()
                || matches!(message.body, Body::RequestVote { pre: true, .. }));
        match answered || message.term == 0 {
            true => self.max_term,
            false => message.term,
        }
    }

    /// The columns of the inputs that are no messages, as far as this setting has them.
    pub fn columns(&self, place: usize) -> Vec<usize> {
        let id = place as NodeId + 1;
        let wanted = |input: &Input| match input {
            Input::Deliver(_) => false,
            Input::Heartbeat => self.heartbeats > 0,
            Input::Campaign => self.campaigns > 0,
            Input::Propose(number) => *number < self.proposals,
            Input::Change(number) => usize::from(*number) < self.changes.len(),
            Input::Read(number) => *number < self.reads,
            Input::Transfer(to) => self.transfers && *to != id,
            Input::Unreachable(peer) => self.unreachable && *peer != id,
            Input::Compact => self.compaction,
            Input::Ready => self.handling != Handling::AtOnce,
            Input::Advance => self.handling == Handling::InSteps,
            Input::Append | Input::Apply => self.handling == Handling::ByWorkers,
            Input::Crash => self.crashes > 0,
            Input::CrashUnsynced => self.crashes > 0 && self.loses_commit,
            Input::CrashTorn(_) => {
                self.crashes > 0 && self.torn && self.handling != Handling::AtOnce
            }
        };
        (0..FIXED)
            .filter(|&column| fixed_input(column).as_ref().is_some_and(wanted))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use libraft_core::{ConfState, Config, EntryId, HardState, Node, RestartState, TermRun};

    use super::*;

    /// A node with entries in storage, none of which it has in memory.
    fn node(voters: impl IntoIterator<Item = NodeId>, commit: u64) -> Node {
        let state = RestartState {
            hard_state: HardState {
                term: 1,
                vote: 0,
                commit,
            },
            conf_state: ConfState::of_voters(voters),
            last_index: 5,
            term_runs: vec![TermRun {
                first_index: 1,
                term: 1,
            }],
            ..RestartState::default()
        };
        let config = Config {
            pre_vote: false,
            ..Config::new(1)
        };
        Node::new(config, state).unwrap()
    }

    fn says(node: &Node, open: &str) -> bool {
        let mut text = String::new();
        fingerprint(node, &mut text);
        assert_eq!(
            OPEN_REQUESTS
                .iter()
                .filter(|open| text.contains(*open))
                .count(),
            1,
            "{text}"
        );
        text.contains(open)
    }

    #[test]
    fn the_text_of_a_node_tells_of_open_requests() {
        let mut applies = node([1], 5);
        assert_eq!(applies.ready().unwrap().reads.len(), 1);
        assert!(says(&applies, "apply_read: Some"));

        let mut leads = node([1, 2], 0);
        leads.campaign().unwrap();
        leads.ready().unwrap();
        leads.advance().unwrap();
        let says_to_it = |body| Message {
            to: 1,
            from: 2,
            term: 2,
            body,
        };
        let granted = Body::Vote {
            pre: false,
            granted: true,
        };
        leads.step(says_to_it(granted)).unwrap();
        leads.ready().unwrap();
        leads.advance().unwrap();
        let refused = Body::Reject {
            index: 5,
            hint: EntryId::default(),
        };
        leads.step(says_to_it(refused)).unwrap();
        assert_eq!(leads.ready().unwrap().reads.len(), 1);
        assert!(says(&leads, "waiting: Some"));
    }
}
