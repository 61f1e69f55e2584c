//! The search: all states, in the order of the number of steps that lead to them.
//!
//! One state's successors are collected first and looked up then, so that the processor fetches
//! their places in the table at the same time.

use std::time::Instant;

use crate::catalogue::{Catalogue, MessageId, Next, Step};
use crate::check::{Checked, Violation, broken, ensure, logs_match};
use crate::log;
use crate::setting::Setting;
use crate::state::{Head, Level, Used, machine_fingerprint};
use crate::visited::Visited;

/// What a machine does: its place and the column of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    pub place: u8,
    pub column: u32,
}

/// What came of a search.
pub struct Report {
    pub states: u64,
    pub transitions: u64,
    pub depth: u32,
    /// Whether all reachable states within the bounds have been visited.
    pub complete: bool,
    /// The most states of one depth.
    pub widest: usize,
    pub seconds: f64,
    pub violation: Option<(Violation, Vec<Action>)>,
    pub catalogue: Catalogue,
}

/// What leads to a state: the state before, by its number, and the action.
#[derive(Clone, Copy)]
struct Parent {
    number: u32,
    action: u32,
}

#[derive(Clone, Copy)]
struct Candidate {
    fingerprint: u64,
    head: Head,
    step: Step,
    action: Action,
    /// The recipient's disk is in a later term now.
    stale_below: u8,
}

struct Search {
    catalogue: Catalogue,
    columns: [Vec<usize>; 3],
    visited: Visited,
    parents: Vec<Parent>,
    /// The messages in the network of the state at hand, a bit each.
    in_network: Vec<u64>,
    candidates: Vec<Candidate>,
    transitions: u64,
    sink: u64,
}

/// Visits all states.
///
/// # Errors
/// A machine that doesn't start.
pub fn explore(setting: Setting) -> Checked<Report> {
    let begun = Instant::now();
    let limit = setting.limit;
    let mut search = Search {
        columns: [0, 1, 2].map(|place| setting.columns(place)),
        visited: Visited::with_room_for(setting.expected),
        parents: Vec::with_capacity(setting.expected),
        in_network: vec![0; 1 << 10],
        candidates: Vec::new(),
        transitions: 0,
        sink: 0,
        catalogue: Catalogue::new(setting)?,
    };
    let found = search.run(limit);
    let (violation, complete, depth, widest) = match found {
        Ok((complete, depth, widest)) => (None, complete, depth, widest),
        Err((violation, number, action)) => {
            let path = search.path(number, action);
            let depth = path.len() as u32;
            (Some((violation, path)), false, depth, 0)
        }
    };
    std::hint::black_box(search.sink);
    Ok(Report {
        states: search.visited.len() as u64,
        transitions: search.transitions,
        depth,
        complete,
        widest,
        seconds: begun.elapsed().as_secs_f64(),
        violation,
        catalogue: search.catalogue,
    })
}

/// A rule that is broken, by this action in the state with this number.
type Found = (Violation, u32, Action);

/// Uses one more of so many; no end of them if that is the largest number.
fn take_one(used: &mut u8, of: u8) -> Option<()> {
    if of < u8::MAX {
        (*used < of).then_some(())?;
        *used += 1;
    }
    Some(())
}

impl Search {
    fn run(&mut self, limit: u64) -> Result<(bool, u32, usize), Found> {
        let first = Head::default();
        self.visited.insert(first.fingerprint());
        self.parents.push(Parent {
            number: u32::MAX,
            action: 0,
        });
        let mut level = Level::default();
        level.push(&first, [].into_iter());
        let (mut number, mut depth, mut widest) = (0, 0, 1);
        let (mut next, mut network) = (Level::default(), Vec::new());
        while level.count > 0 {
            widest = widest.max(level.count);
            let mut position = 0;
            for _ in 0..level.count {
                let head;
                (head, position) = level.read(position, &mut network);
                self.expand(&head, &network, number, &mut next)?;
                number += 1;
                if self.visited.len() as u64 >= limit {
                    return Ok((false, depth + 1, widest));
                }
            }
            std::mem::swap(&mut level, &mut next);
            next.clear();
            depth += 1;
        }
        Ok((true, depth - 1, widest))
    }

    fn expand(
        &mut self,
        head: &Head,
        network: &[MessageId],
        number: u32,
        next: &mut Level,
    ) -> Result<(), Found> {
        let mut base = head.fingerprint();
        for &id in network {
            base = base.wrapping_add(self.catalogue.envelopes[usize::from(id)].fingerprint);
            self.in_network[usize::from(id) / 64] |= 1 << (id % 64);
        }
        let result = self.collect(head, network, base);
        let result = result.and_then(|()| self.visit(network, number, next));
        for &id in network {
            self.in_network[usize::from(id) / 64] = 0;
        }
        self.candidates.clear();
        result.map_err(|(violation, action)| (violation, number, action))
    }

    fn collect(
        &mut self,
        head: &Head,
        network: &[MessageId],
        base: u64,
    ) -> Result<(), (Violation, Action)> {
        for place in 0..3 {
            for nth in 0..self.columns[place].len() {
                let column = self.columns[place][nth];
                if let Some(used) = self.allowed(head, place, column) {
                    self.consider(head, used, network, base, place, column)?;
                }
            }
        }
        for &id in network {
            let place = usize::from(self.catalogue.envelopes[usize::from(id)].to);
            let column = self.catalogue.column(id);
            self.consider(head, head.used, network, base, place, column)?;
        }
        Ok(())
    }

    /// Whether the bounds allow an input that is no message, and what is used up then.
    fn allowed(&self, head: &Head, place: usize, column: usize) -> Option<Used> {
        let mut after = head.used;
        let (used, setting) = (&mut after, &self.catalogue.setting);
        match column {
            0 => take_one(&mut used.heartbeats, setting.heartbeats)?,
            1 => {
                let first = *head == Head::default();
                let may = setting.first_candidates.contains(&(place as u64 + 1));
                (may || !first).then_some(())?;
                take_one(&mut used.campaigns, setting.campaigns)?;
            }
            6..12 => take_one(&mut used.crashes, setting.crashes)?,
            19..23 => {
                (usize::from(used.proposals) == column - 19).then_some(())?;
                used.proposals += 1;
            }
            23..26 => {
                (usize::from(used.changes) == column - 23).then_some(())?;
                used.changes += 1;
            }
            26..28 => {
                (usize::from(used.reads) == column - 26).then_some(())?;
                used.reads += 1;
                used.floor = log::len(head.history.committed) as u8 + 1;
            }
            _ => {}
        }
        Some(after)
    }

    /// Takes a step, if it is one, for a candidate.
    #[inline]
    fn consider(
        &mut self,
        parent: &Head,
        used: Used,
        network: &[MessageId],
        base: u64,
        place: usize,
        column: usize,
    ) -> Result<(), (Violation, Action)> {
        let state = parent.machines[place];
        let action = Action {
            place: place as u8,
            column: column as u32,
        };
        let step = match self.catalogue.next(place, state, column) {
            Ok(Next::Step(number)) => self.catalogue.step(number),
            Ok(Next::Nothing | Next::Beyond) => return Ok(()),
            Err(violation) => return Err((violation, action)),
        };
        self.transitions += 1;
        let mut head = Head { used, ..*parent };
        head.machines[place] = step.state;
        let before = self.catalogue.view(place, state);
        let [a, b, c] = head.machines;
        let views = [
            self.catalogue.view(0, a),
            self.catalogue.view(1, b),
            self.catalogue.view(2, c),
        ];
        let view = views[place];
        let commits = self.catalogue.commits(step);
        let learnt = head.history.learn(place, before, &views, commits);
        learnt.map_err(|violation| (violation, action))?;
        if step.answer > 0 {
            let enough = step.answer >= head.used.floor;
            ensure(enough, "reads are linearizable", || {
                format!(
                    "read at {}, and {} was committed",
                    step.answer - 1,
                    head.used.floor - 1
                )
            })
            .map_err(|violation| (violation, action))?;
        }

        let later = view.disk_term > before.disk_term;
        let stale_below = if later { view.disk_term as u8 } else { 0 };
        let mut sum = base
            .wrapping_sub(machine_fingerprint(place, state))
            .wrapping_add(machine_fingerprint(place, step.state));
        if (head.history, head.used) != (parent.history, parent.used) {
            sum = sum
                .wrapping_sub(parent.rest_fingerprint())
                .wrapping_add(head.rest_fingerprint());
        }
        for &id in self.catalogue.sent(step) {
            if self.is_news(id, &head) {
                sum = sum.wrapping_add(self.catalogue.envelopes[usize::from(id)].fingerprint);
            }
        }
        if later {
            for &id in network {
                if self.is_stale(id, place, stale_below) {
                    sum = sum.wrapping_sub(self.catalogue.envelopes[usize::from(id)].fingerprint);
                    let column = self.catalogue.column(id);
                    let ignored = self.catalogue.next(place, step.state, column);
                    let ignored = ignored.and_then(|next| {
                        ensure(
                            next == Next::Nothing,
                            "messages of older terms are ignored",
                            || format!("{:?}", self.catalogue.message(id)),
                        )
                    });
                    ignored.map_err(|violation| (violation, action))?;
                }
            }
        }
        self.candidates.push(Candidate {
            fingerprint: sum,
            head,
            step,
            action,
            stale_below,
        });
        Ok(())
    }

    /// Whether a message that is sent is not in the network yet, and can do something.
    fn is_news(&self, id: MessageId, head: &Head) -> bool {
        let known = self.in_network[usize::from(id) / 64] & 1 << (id % 64) != 0;
        let envelope = self.catalogue.envelopes[usize::from(id)];
        let to = usize::from(envelope.to);
        let view = self.catalogue.view(to, head.machines[to]);
        !known && view.disk_term <= u64::from(envelope.term)
    }

    /// Whether a message to a machine is ignored, now that its disk is in this term.
    fn is_stale(&self, id: MessageId, place: usize, stale_below: u8) -> bool {
        let envelope = self.catalogue.envelopes[usize::from(id)];
        usize::from(envelope.to) == place && envelope.term < stale_below
    }

    /// Looks the candidates up, and keeps those that are new.
    fn visit(
        &mut self,
        network: &[MessageId],
        number: u32,
        next: &mut Level,
    ) -> Result<(), (Violation, Action)> {
        for candidate in &self.candidates {
            self.sink ^= self.visited.touch(candidate.fingerprint);
        }
        for place in 0..self.candidates.len() {
            let Candidate {
                fingerprint,
                head,
                step,
                action,
                stale_below,
            } = self.candidates[place];
            if !self.visited.insert(fingerprint) {
                continue;
            }
            let [a, b, c] = head.machines;
            let views = [
                self.catalogue.view(0, a),
                self.catalogue.view(1, b),
                self.catalogue.view(2, c),
            ];
            let mover = usize::from(action.place);
            logs_match(mover, &views).map_err(|violation| (violation, action))?;
            if self.parents.len() >= u32::MAX as usize {
                let violation = broken("the exploration is small enough", "too many states");
                return Err((violation, action));
            }
            self.parents.push(Parent {
                number,
                action: action.column << 2 | u32::from(action.place),
            });
            let kept = network.iter().copied();
            let kept = kept.filter(|&id| !self.is_stale(id, mover, stale_below));
            let sent = self.catalogue.sent(step).iter().copied();
            let sent = sent.filter(|&id| self.is_news(id, &head));
            next.push(&head, kept.chain(sent));
        }
        Ok(())
    }

    /// The actions that lead to the state with this number, and the last one.
    fn path(&self, number: u32, last: Action) -> Vec<Action> {
        let mut path = vec![last];
        let mut at = number;
        while at != 0 {
            let parent = self.parents[at as usize];
            path.push(Action {
                place: (parent.action & 3) as u8,
                column: parent.action >> 2,
            });
            at = parent.number;
        }
        path.reverse();
        path
    }
}
