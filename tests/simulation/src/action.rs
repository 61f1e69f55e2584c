//! What can happen to a cluster, one step at a time: the alphabet of scripts.
//!
//! An action says everything about its step, so that a list of actions is a run: nothing that
//! carries them out draws a random number. Each has one line of text. One that can't be carried
//! out (its message is gone, its node is down) is nothing, which lets a script be shortened.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use std::result::Result;

use libraft_core::*;

use crate::setting::Setting;

/// How the host answers a request for entries or for a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With what is on the disk now.
    Fresh,
    /// With what was there when it was asked.
    Stale,
    /// Not at all: it can't be read.
    Failed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Tick(NodeId),
    /// Several ticks at once; quiet ones, if the host keeps the group quiet.
    Ticks {
        node: NodeId,
        count: u32,
        quiet: bool,
    },
    /// A message arrives; kept, it will arrive once more.
    Deliver {
        message: u64,
        keep: bool,
    },
    Lose {
        message: u64,
    },
    /// A Ready is taken and everything done that it asks for.
    Cycle(NodeId),
    /// The next thing is done that the present Ready asks for: up to `count` sends or applies.
    Step {
        node: NodeId,
        count: u32,
    },
    /// The append worker takes its next piece of work and writes it.
    Persist(NodeId),
    /// What the append worker has written is synced.
    Sync(NodeId),
    /// The apply worker does its next piece of work.
    Apply(NodeId),
    /// A request is answered; again, if it stays open after that.
    Answer {
        node: NodeId,
        request: RequestId,
        answer: Answer,
        again: bool,
    },
    /// The node is gone. Of its unsynced writes some survive, and its state machine falls back by
    /// `back` entries.
    Crash {
        node: NodeId,
        kept: u32,
        torn: u32,
        back: u64,
    },
    Restart(NodeId),
    /// A new machine, without any state, that nobody knows yet.
    Start(NodeId),
    /// A machine that is no member any more loses everything for good.
    Wipe(NodeId),
    /// A machine, member or not, loses everything for good.
    Destroy(NodeId),
    Propose {
        node: NodeId,
        size: u32,
        count: u32,
    },
    Change {
        node: NodeId,
        first_kind: bool,
        change: ConfChangeV2,
    },
    Read(NodeId),
    /// Asks again for the reads that have had no answer.
    ReadAgain(NodeId),
    /// A leader's client gives its read the name of the newest one that this leader has answered.
    ReadByOldName(NodeId),
    Transfer {
        node: NodeId,
        to: NodeId,
    },
    ForgetLeader(NodeId),
    /// The host wants a snapshot in place of its state.
    WantSnapshot(NodeId),
    Set {
        node: NodeId,
        setting: Setting,
    },
    Campaign(NodeId),
    /// The host makes a snapshot and keeps so many entries before it.
    Compact {
        node: NodeId,
        keep: u64,
    },
    Unreachable {
        node: NodeId,
        peer: NodeId,
    },
    ReportSnapshot {
        node: NodeId,
        peer: NodeId,
        arrived: bool,
    },
}

impl Action {
    /// The node that this is done to; 0 for what is done to a message.
    pub fn node(&self) -> NodeId {
        match *self {
            Action::Deliver { .. } | Action::Lose { .. } => NONE,
            Action::Tick(node)
            | Action::Cycle(node)
            | Action::Persist(node)
            | Action::Sync(node)
            | Action::Apply(node)
            | Action::Restart(node)
            | Action::Start(node)
            | Action::Wipe(node)
            | Action::Destroy(node)
            | Action::Read(node)
            | Action::ReadAgain(node)
            | Action::ReadByOldName(node)
            | Action::ForgetLeader(node)
            | Action::WantSnapshot(node)
            | Action::Set { node, .. }
            | Action::Ticks { node, .. }
            | Action::Campaign(node)
            | Action::Step { node, .. }
            | Action::Answer { node, .. }
            | Action::Crash { node, .. }
            | Action::Propose { node, .. }
            | Action::Change { node, .. }
            | Action::Transfer { node, .. }
            | Action::Compact { node, .. }
            | Action::Unreachable { node, .. }
            | Action::ReportSnapshot { node, .. } => node,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |set: bool, word: &'static str| if set { word } else { "" };
        match self {
            Action::Tick(n) => write!(f, "tick {n}"),
            Action::Ticks { node, count, quiet } => {
                write!(
                    f,
                    "{} {node} {count}",
                    if *quiet { "quiet-ticks" } else { "ticks" }
                )
            }
            Action::WantSnapshot(n) => write!(f, "want-snapshot {n}"),
            Action::Set { node, setting } => write!(f, "set {node} {setting}"),
            Action::Deliver { message, keep } => {
                write!(f, "deliver {message:x}{}", word(*keep, " keep"))
            }
            Action::Lose { message } => write!(f, "lose {message:x}"),
            Action::Cycle(n) => write!(f, "cycle {n}"),
            Action::Step { node, count } => match *count {
                u32::MAX => write!(f, "step {node} all"),
                _ => write!(f, "step {node} {count}"),
            },
            Action::Persist(n) => write!(f, "persist {n}"),
            Action::Sync(n) => write!(f, "sync {n}"),
            Action::Apply(n) => write!(f, "apply {n}"),
            Action::Answer {
                node,
                request,
                answer,
                again,
            } => {
                let how = match answer {
                    Answer::Fresh => "fresh",
                    Answer::Stale => "stale",
                    Answer::Failed => "failed",
                };
                write!(f, "answer {node} {request} {how}{}", word(*again, " again"))
            }
            Action::Crash {
                node,
                kept,
                torn,
                back,
            } => {
                write!(f, "crash {node} {kept} {torn} {back}")
            }
            Action::Restart(n) => write!(f, "restart {n}"),
            Action::Start(n) => write!(f, "start {n}"),
            Action::Wipe(n) => write!(f, "wipe {n}"),
            Action::Destroy(n) => write!(f, "destroy {n}"),
            Action::Propose { node, size, count } => write!(f, "propose {node} {size} {count}"),
            Action::Change {
                node,
                first_kind,
                change,
            } => {
                let how = match (first_kind, change.transition) {
                    (true, _) => "v1",
                    (_, ConfChangeTransition::Auto) => "auto",
                    (_, ConfChangeTransition::JointImplicit) => "implicit",
                    (_, ConfChangeTransition::JointExplicit) => "explicit",
                };
                write!(f, "change {node} {how}")?;
                for step in &change.changes {
                    let sign = match step.kind {
                        ConfChangeKind::AddNode => '+',
                        ConfChangeKind::RemoveNode => '-',
                        ConfChangeKind::UpdateNode => '=',
                        ConfChangeKind::AddLearnerNode => '~',
                    };
                    write!(f, " {sign}{}", step.node_id)?;
                }
                Ok(())
            }
            Action::Read(n) => write!(f, "read {n}"),
            Action::ReadAgain(n) => write!(f, "read-again {n}"),
            Action::ReadByOldName(n) => write!(f, "read-by-old-name {n}"),
            Action::Transfer { node, to } => write!(f, "transfer {node} {to}"),
            Action::ForgetLeader(n) => write!(f, "forget-leader {n}"),
            Action::Campaign(n) => write!(f, "campaign {n}"),
            Action::Compact { node, keep } => write!(f, "compact {node} {keep}"),
            Action::Unreachable { node, peer } => write!(f, "unreachable {node} {peer}"),
            Action::ReportSnapshot {
                node,
                peer,
                arrived,
            } => {
                write!(
                    f,
                    "report-snapshot {node} {peer}{}",
                    word(*arrived, " arrived")
                )
            }
        }
    }
}

/// Reads the words of one line, in their order.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "a word is missing".to_owned())
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("no number: {word}"))
    }

    fn short(&mut self) -> Result<u32, String> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| format!("too large: {number}"))
    }

    fn count(&mut self) -> Result<u32, String> {
        match self.0.clone().next() {
            Some("all") => self.word().map(|_| u32::MAX),
            _ => self.short(),
        }
    }

    fn name(&mut self) -> Result<u64, String> {
        let word = self.word()?;
        u64::from_str_radix(word, 16).map_err(|_| format!("no name of a message: {word}"))
    }

    fn is_next(&mut self, expected: &str) -> Result<bool, String> {
        match self.0.next() {
            None => Ok(false),
            Some(word) if word == expected => Ok(true),
            Some(word) => Err(format!("not understood: {word}")),
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(line: &str) -> Result<Action, String> {
        let mut w = Words(line.split_whitespace());
        let action = match w.word()? {
            "tick" => Action::Tick(w.number()?),
            verb @ ("ticks" | "quiet-ticks") => Action::Ticks {
                node: w.number()?,
                count: w.short()?,
                quiet: verb == "quiet-ticks",
            },
            "want-snapshot" => Action::WantSnapshot(w.number()?),
            "set" => Action::Set {
                node: w.number()?,
                setting: Setting::of_words(w.0.by_ref())?,
            },
            "deliver" => Action::Deliver {
                message: w.name()?,
                keep: w.is_next("keep")?,
            },
            "lose" => Action::Lose { message: w.name()? },
            "cycle" => Action::Cycle(w.number()?),
            "step" => Action::Step {
                node: w.number()?,
                count: w.count()?,
            },
            "persist" => Action::Persist(w.number()?),
            "sync" => Action::Sync(w.number()?),
            "apply" => Action::Apply(w.number()?),
            "answer" => Action::Answer {
                node: w.number()?,
                request: w.number()?,
                answer: match w.word()? {
                    "fresh" => Answer::Fresh,
                    "stale" => Answer::Stale,
                    "failed" => Answer::Failed,
                    other => return Err(format!("no answer: {other}")),
                },
                again: w.is_next("again")?,
            },
            "crash" => Action::Crash {
                node: w.number()?,
                kept: w.short()?,
                torn: w.short()?,
                back: w.number()?,
            },
            "restart" => Action::Restart(w.number()?),
            "start" => Action::Start(w.number()?),
            "wipe" => Action::Wipe(w.number()?),
            "destroy" => Action::Destroy(w.number()?),
            "propose" => Action::Propose {
                node: w.number()?,
                size: w.short()?,
                count: w.short()?,
            },
            "change" => change(&mut w)?,
            "read" => Action::Read(w.number()?),
            "read-again" => Action::ReadAgain(w.number()?),
            "read-by-old-name" => Action::ReadByOldName(w.number()?),
            "transfer" => Action::Transfer {
                node: w.number()?,
                to: w.number()?,
            },
            "forget-leader" => Action::ForgetLeader(w.number()?),
            "campaign" => Action::Campaign(w.number()?),
            "compact" => Action::Compact {
                node: w.number()?,
                keep: w.number()?,
            },
            "unreachable" => Action::Unreachable {
                node: w.number()?,
                peer: w.number()?,
            },
            "report-snapshot" => Action::ReportSnapshot {
                node: w.number()?,
                peer: w.number()?,
                arrived: w.is_next("arrived")?,
            },
            other => return Err(format!("no action: {other}")),
        };
        match w.0.next() {
            None => Ok(action),
            Some(word) => Err(format!("not understood: {word}")),
        }
    }
}

fn change(w: &mut Words) -> Result<Action, String> {
    let node = w.number()?;
    let (first_kind, transition) = match w.word()? {
        "v1" => (true, ConfChangeTransition::Auto),
        "auto" => (false, ConfChangeTransition::Auto),
        "implicit" => (false, ConfChangeTransition::JointImplicit),
        "explicit" => (false, ConfChangeTransition::JointExplicit),
        other => return Err(format!("no kind of change: {other}")),
    };
    let mut changes = Vec::new();
    for word in w.0.by_ref() {
        let (sign, id) = word.split_at_checked(1).ok_or("no step of a change")?;
        let kind = match sign {
            "+" => ConfChangeKind::AddNode,
            "-" => ConfChangeKind::RemoveNode,
            "=" => ConfChangeKind::UpdateNode,
            "~" => ConfChangeKind::AddLearnerNode,
            _ => return Err(format!("no step of a change: {word}")),
        };
        let node_id = id.parse().map_err(|_| format!("no number: {id}"))?;
        changes.push(ConfChangeSingle { kind, node_id });
    }
    if first_kind && changes.len() != 1 {
        return Err("the first kind of change has one step".to_owned());
    }
    let change = ConfChangeV2 {
        transition,
        changes,
        context: Bytes::new(),
    };
    Ok(Action::Change {
        node,
        first_kind,
        change,
    })
}

#[cfg(test)]
mod tests;
