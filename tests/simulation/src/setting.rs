//! What a host changes in a running node, in the words of scripts.

use std::fmt;
use std::result::Result;

use libraft_core::*;

use crate::plan::MAX_HOSTS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Priority(i64),
    /// What may be in flight to one peer.
    Inflight {
        peer: NodeId,
        messages: u32,
        bytes: u64,
    },
    /// How many entries may be applied that are not persisted here.
    Ahead(u64),
    /// Group commit with so many groups, to which all nodes with ids up to `known` belong in turn;
    /// without it, if there are none.
    Groups {
        count: u64,
        known: u64,
    },
}

impl Setting {
    /// Gives it to the node.
    pub fn set(self, node: &mut Node) -> libraft_core::Result<()> {
        match self {
            Setting::Priority(priority) => node.set_priority(priority),
            Setting::Inflight {
                peer,
                messages,
                bytes,
            } => node.set_inflight_limits(peer, messages, bytes),
            Setting::Ahead(entries) => node.set_max_apply_unpersisted_entries(entries),
            Setting::Groups { count, known } => {
                node.clear_commit_groups()?;
                node.enable_group_commit(count > 0)?;
                let ids = 1..=known.min(MAX_HOSTS as u64);
                let groups: Vec<(NodeId, u64)> =
                    ids.map(|id| (id, group_of(count, known, id))).collect();
                match count {
                    0 => Ok(()),
                    _ => node.assign_commit_groups(&groups),
                }
            }
        }
    }

    /// Reads it back from its words.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Setting, String> {
        let kind = words.next().unwrap_or_default();
        let mut number = || {
            let word = words.next().unwrap_or_default();
            word.parse::<u64>()
                .map_err(|_| format!("no number: {word}"))
        };
        let short = |number: u64| u32::try_from(number).map_err(|_| format!("too large: {number}"));
        let setting = match kind {
            "priority" => Setting::Priority(number()? as i64),
            "inflight" => Setting::Inflight {
                peer: number()?,
                messages: short(number()?)?,
                bytes: number()?,
            },
            "ahead" => Setting::Ahead(number()?),
            "groups" => Setting::Groups {
                count: number()?,
                known: number()?,
            },
            other => return Err(format!("no setting: {other}")),
        };
        match words.next() {
            None => Ok(setting),
            Some(word) => Err(format!("not understood: {word}")),
        }
    }
}

/// The commit group of a node; 0 for none.
pub fn group_of(count: u64, known: u64, id: NodeId) -> u64 {
    match count > 0 && id <= known {
        true => 1 + id % count,
        false => 0,
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Priority(priority) => write!(f, "priority {priority}"),
            Setting::Inflight {
                peer,
                messages,
                bytes,
            } => write!(f, "inflight {peer} {messages} {bytes}"),
            Setting::Ahead(entries) => write!(f, "ahead {entries}"),
            Setting::Groups { count, known } => write!(f, "groups {count} {known}"),
        }
    }
}
