//! What must hold.
//!
//! What concerns one machine is checked where it happens, in `machine` and `disk`. What concerns
//! several is checked here, in every state: election safety, log matching, leader completeness,
//! state-machine safety, and that a quorum of disks has what is committed.

use libraft_core::{ConfState, Index, NodeId, Term};

use crate::log::{self, Marks};
use crate::machine::{Machine, Shown};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    pub detail: String,
}

pub type Checked<T = ()> = Result<T, Violation>;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// A rule is broken.
pub fn broken(rule: &'static str, detail: impl ToString) -> Violation {
    Violation {
        rule,
        detail: detail.to_string(),
    }
}

/// The rule holds, or else it is broken in the way that `detail` tells.
///
/// # Errors
/// If it doesn't hold.
pub fn ensure(holds: bool, rule: &'static str, detail: impl FnOnce() -> String) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(broken(rule, detail())),
    }
}

/// What the checks see of a machine.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub shown: Shown,
    pub disk_term: Term,
    pub disk_log: Marks,
    pub voters: Voters,
}

/// The voters of both halves of a configuration, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voters {
    incoming: u8,
    outgoing: u8,
}

impl Voters {
    pub fn of(conf: &ConfState) -> Voters {
        let mask = |ids: &[NodeId]| ids.iter().fold(0, |mask, id| mask | 1 << (id - 1));
        Voters {
            incoming: mask(&conf.voters),
            outgoing: mask(&conf.voters_outgoing),
        }
    }

    /// Whether these are a majority of both halves.
    pub fn is_quorum(self, set: u8) -> bool {
        let half = |of: u8| of == 0 || 2 * (set & of).count_ones() > of.count_ones();
        half(self.incoming) && half(self.outgoing)
    }

    /// Whether all quorums have a member in common with all of another configuration.
    pub fn intersect(self, other: Voters) -> bool {
        let quorums = |of: Voters| (0..8).filter(move |&set| of.is_quorum(set));
        quorums(self).all(|a| quorums(other).all(|b| a & b != 0))
    }
}

/// A leader has come to know that this much is committed, with these voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub index: Index,
    pub voters: Voters,
}

impl View {
    /// # Errors
    /// A rule that is broken.
    pub fn of(machine: &Machine) -> Checked<View> {
        let shown = machine.about_to_show()?;
        if shown.leads {
            let applied = machine.node.basic_status().applied;
            let pending = log::changes_beyond(shown.log, applied);
            ensure(pending <= 1, "one change at a time", || {
                format!("{} with {applied} applied", log::describe(shown.log))
            })?;
        }
        Ok(View {
            shown,
            disk_term: machine.disk.written.term,
            disk_log: machine.disk.marks(),
            voters: Voters::of(&machine.conf),
        })
    }
}

/// What has happened so far, as far as it matters for what may happen: a part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// All entries that were ever known to be committed.
    pub committed: Marks,
    /// The term of the node that came to know it first, for each of them.
    pub terms: Marks,
    /// Who has led each term: two bits each, from term 0 on.
    pub leaders: u16,
}

impl History {
    /// A machine comes into a state. `views` are all machines, it included. `commits` says which
    /// configurations counted; without, that before or after the step must have.
    ///
    /// # Errors
    /// A rule that is broken.
    pub fn learn(
        &mut self,
        place: usize,
        before: &View,
        views: &[&View; 3],
        commits: &[Commit],
    ) -> Checked {
        let view = views[place];
        let Shown {
            term,
            commit,
            leads,
            log,
        } = view.shown;
        if leads {
            let shift = 2 * term as u16;
            let known = self.leaders >> shift & 3;
            let now = place as u16 + 1;
            ensure(known == 0 || known == now, "election safety", || {
                format!("term {term} is led by node {known} and by node {now}")
            })?;
            self.leaders |= now << shift;
        }
        let known = log::len(self.committed);
        ensure(
            log::up_to(log ^ self.committed, commit.min(known)) == 0,
            "state-machine safety",
            || {
                let ours = log::describe(log::up_to(log, commit));
                let theirs = log::describe(self.committed);
                format!("node {} commits {ours} and others {theirs}", place + 1)
            },
        )?;
        if commit > known {
            let entries = log::up_to(log, commit);
            ensure(
                log::len(entries) == commit,
                "what is committed is there",
                || format!("{commit} of {}", log::describe(log)),
            )?;
            let covered = commits.last().is_some_and(|last| last.index == commit);
            for &Commit { index, voters } in commits.iter().filter(|made| made.index > known) {
                let disks = disks_with(views, log, index);
                ensure(voters.is_quorum(disks), QUORUM, || {
                    too_few(place, log, index, disks)
                })?;
            }
            let disks = disks_with(views, log, commit);
            let enough = before.voters.is_quorum(disks) || view.voters.is_quorum(disks);
            ensure(covered || enough, QUORUM, || {
                too_few(place, log, commit, disks)
            })?;
            for index in known + 1..=commit {
                self.terms = log::put(self.terms, index, term as u8);
            }
            self.committed = entries;
            for (other, view) in views.iter().enumerate() {
                self.is_complete(other, view)?;
            }
        } else {
            self.is_complete(place, view)?;
        }
        Ok(())
    }

    /// Leader completeness (paper §5.4): a leader has what was committed in earlier terms.
    fn is_complete(&self, place: usize, view: &View) -> Checked {
        if !view.shown.leads {
            return Ok(());
        }
        let earlier = |index: &Index| Term::from(log::at(self.terms, *index)) < view.shown.term;
        let count = (1..=log::len(self.committed)).take_while(earlier).count() as Index;
        ensure(
            log::up_to(view.shown.log ^ self.committed, count) == 0,
            "leader completeness",
            || {
                format!(
                    "node {} leads term {} with {} where {} is committed",
                    place + 1,
                    view.shown.term,
                    log::describe(view.shown.log),
                    log::describe(self.committed)
                )
            },
        )
    }
}

const QUORUM: &str = "a quorum of disks has what is committed";

/// The disks that have a log up to an index, a bit each.
fn disks_with(views: &[&View; 3], log: Marks, index: Index) -> u8 {
    let have = |view: &View| log::up_to(view.disk_log ^ log, index) == 0;
    let disks = views.iter().enumerate().filter(|(_, view)| have(view));
    disks.fold(0, |set, (place, _)| set | 1 << place)
}

fn too_few(place: usize, log: Marks, index: Index, disks: u8) -> String {
    let entries = log::describe(log::up_to(log, index));
    let nodes: Vec<_> = (1..=3)
        .filter(|node| disks >> (node - 1) & 1 == 1)
        .collect();
    format!(
        "node {} commits {entries}, and only the disks of {nodes:?} have it",
        place + 1
    )
}

/// Log matching, of one machine with all others.
///
/// # Errors
/// If they don't match.
pub fn logs_match(place: usize, views: &[&View; 3]) -> Checked {
    for other in (0..3).filter(|&other| other != place) {
        let (a, b) = (views[place].shown.log, views[other].shown.log);
        ensure(log::match_each_other(a, b), "log matching", || {
            format!(
                "node {} has {} and node {} has {}",
                place + 1,
                log::describe(a),
                other + 1,
                log::describe(b)
            )
        })?;
    }
    Ok(())
}
