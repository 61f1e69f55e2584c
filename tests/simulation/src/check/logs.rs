//! Log matching, leader append-only, leader completeness, state-machine safety (paper, figure 3).
//!
//! Every entry that any node has ever written is known by (term, index), with the term of the
//! entry before it. If each one that is written agrees with the known one, then two logs with the
//! same entry agree in all that comes before it, by induction. So one look-up at the end of a
//! prefix stands for comparing all of it.

use std::collections::{BTreeMap, VecDeque};

use std::result::Result;

use libraft_core::*;

use super::{Checked, ensure};
use crate::disk::Disk;
use crate::mix::{content, mix};

/// What is known of an entry, besides its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    term: Term,
    /// The term of the entry before it.
    prev: Term,
    content: u64,
    payload: u32,
}

/// The log of one node, as it has handed it out: the terms of `(base, last]`.
#[derive(Clone, Debug, Default)]
pub struct View {
    base: EntryId,
    terms: VecDeque<Term>,
    /// The indexes of configuration changes.
    changes: Vec<Index>,
}

impl View {
    pub fn of(disk: &Disk) -> View {
        View {
            base: disk.compacted,
            terms: disk.log.iter().map(|entry| entry.term).collect(),
            changes: {
                let changes = disk.log.iter().filter(|entry| entry.is_conf_change());
                changes.map(|entry| entry.index).collect()
            },
        }
    }

    pub fn last(&self) -> EntryId {
        match self.terms.back() {
            Some(&term) => EntryId {
                term,
                index: self.base.index + self.terms.len() as u64,
            },
            None => self.base,
        }
    }

    /// The term of an entry; None if it is beyond the log, or compacted.
    pub fn term(&self, index: Index) -> Option<Term> {
        match index.checked_sub(self.base.index)? {
            0 => Some(self.base.term),
            place => self.terms.get(place as usize - 1).copied(),
        }
    }

    /// The last configuration change above `index`.
    pub fn change_above(&self, index: Index) -> Option<Index> {
        self.changes
            .last()
            .copied()
            .filter(|&change| change > index)
    }

    pub fn compact(&mut self, index: Index) {
        self.changes.retain(|&change| change > index);
        while self.base.index < index {
            let Some(term) = self.terms.pop_front() else {
                break;
            };
            self.base = EntryId {
                term,
                index: self.base.index + 1,
            };
        }
    }

    pub fn install(&mut self, id: EntryId) {
        *self = View {
            base: id,
            ..View::default()
        };
    }
}

/// All entries of all nodes, and which of them are committed.
#[derive(Debug)]
pub struct Logs {
    /// By index, the first one that was written there.
    first: Vec<Known>,
    /// Those that others have written in the same places.
    others: BTreeMap<(Index, Term), Known>,
    /// By index, up to the highest that anybody has known to be committed: the entry's term, the
    /// term of the node that was the first to say so, and the state of a machine that has applied
    /// all up to there.
    committed: Vec<Committed>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Committed {
    term: Term,
    said_in: Term,
    digest: u64,
}

impl Default for Logs {
    fn default() -> Logs {
        Logs {
            first: vec![Known::default()],
            others: BTreeMap::new(),
            committed: vec![Committed::default()],
        }
    }
}

impl Logs {
    /// The cluster begins with this entry, which nobody has written.
    pub fn found(&mut self, id: EntryId) {
        self.first.push(Known {
            term: id.term,
            ..Known::default()
        });
        let digest = mix(0, id.term);
        self.committed.push(Committed {
            term: id.term,
            said_in: id.term,
            digest,
        });
    }

    pub fn last_committed(&self) -> Index {
        self.committed.len() as u64 - 1
    }

    /// The term of a committed entry.
    pub fn committed_term(&self, index: Index) -> Option<Term> {
        self.committed
            .get(index as usize)
            .map(|committed| committed.term)
    }

    /// The state of a machine that has applied everything up to `index`.
    pub fn digest(&self, index: Index) -> u64 {
        self.committed[index as usize].digest
    }

    fn known(&self, index: Index, term: Term) -> Option<&Known> {
        let first = self.first.get(index as usize)?;
        match first.term == term {
            true => Some(first),
            false => self.others.get(&(index, term)),
        }
    }

    /// The payload bytes of an entry.
    pub fn payload(&self, index: Index, term: Term) -> u64 {
        self.known(index, term)
            .map_or(0, |known| u64::from(known.payload))
    }

    /// A node hands out entries. `leads` if it has led in `term` since it handed out the last ones.
    pub fn written(
        &mut self,
        node: NodeId,
        view: &mut View,
        entries: &[Entry],
        leads: Option<Term>,
    ) -> Checked {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let last = view.last();
        ensure(
            view.base.index < first.index && first.index <= last.index + 1,
            "ready contract",
            node,
            || {
                format!(
                    "entries from {} on after a log up to {}",
                    first.index, last.index
                )
            },
        )?;
        if let Some(term) = leads {
            let own = entries.iter().all(|entry| entry.term == term);
            ensure(
                first.index == last.index + 1 && own,
                "leader append-only",
                node,
                || {
                    let (index, last) = (first.index, last.index);
                    format!("leader of term {term}: entries from {index} on after {last}")
                },
            )?;
        }
        view.terms
            .truncate((first.index - view.base.index - 1) as usize);
        view.changes.retain(|&change| change < first.index);
        for entry in entries {
            let prev = view.last();
            ensure(
                entry.index == prev.index + 1 && entry.term >= prev.term,
                "ready contract",
                node,
                || format!("entry {:?} after {prev:?}", entry.id()),
            )?;
            self.write(node, entry, prev.term)?;
            view.terms.push_back(entry.term);
            if entry.is_conf_change() {
                view.changes.push(entry.index);
            }
        }
        Ok(())
    }

    fn write(&mut self, node: NodeId, entry: &Entry, prev: Term) -> Checked {
        let new = Known {
            term: entry.term,
            prev,
            content: content(entry),
            payload: entry.data.len() as u32,
        };
        let place = entry.index as usize;
        if place >= self.first.len() {
            self.first.resize(place + 1, Known::default());
        }
        let first = &mut self.first[place];
        if first.term == 0 {
            *first = new;
            return Ok(());
        }
        let old = match first.term == entry.term {
            true => first,
            false => self.others.entry((entry.index, entry.term)).or_insert(new),
        };
        ensure(*old == new, "log matching", node, || {
            format!(
                "entry {:?} is {new:?} here and {old:?} elsewhere",
                entry.id()
            )
        })
    }

    /// A node of `term` knows everything up to `commit` to be committed. Returns how far that was
    /// known before to anybody.
    pub fn committed(
        &mut self,
        node: NodeId,
        view: &View,
        term: Term,
        commit: Index,
    ) -> Result<Index, super::Violation> {
        let before = self.last_committed();
        let common = commit.min(before);
        self.agrees(node, view, common)?;
        for index in before + 1..=commit {
            let Some(entry_term) = view.term(index) else {
                ensure(false, "ready contract", node, || {
                    format!(
                        "commit {commit} is beyond its log, which ends at {:?}",
                        view.last()
                    )
                })?;
                break;
            };
            let content = self
                .known(index, entry_term)
                .map_or(0, |known| known.content);
            let digest = mix(self.digest(index - 1), mix(content, entry_term));
            self.committed.push(Committed {
                term: entry_term,
                said_in: term,
                digest,
            });
        }
        Ok(before)
    }

    /// The log agrees with what is committed, up to `index`.
    fn agrees(&self, node: NodeId, view: &View, index: Index) -> Checked {
        let committed = self.committed[index as usize].term;
        let ours = view.term(index);
        let included = index < view.base.index;
        ensure(
            included || ours == Some(committed),
            "state-machine safety",
            node,
            || format!("{index} is committed with term {committed}, and of term {ours:?} here"),
        )
    }

    /// A node leads `term`: it has everything that was committed in earlier ones.
    pub fn complete(&self, node: NodeId, view: &View, term: Term) -> Checked {
        let mut index = self.last_committed();
        while self.committed[index as usize].said_in >= term && index > 0 {
            index -= 1;
        }
        let committed = self.committed[index as usize].term;
        let ours = view.term(index);
        let included = index < view.base.index;
        ensure(
            included || ours == Some(committed),
            "leader completeness",
            node,
            || {
                format!(
                    "leads term {term}; {index} was committed before with term {committed}, \
                 and is of term {ours:?} here"
                )
            },
        )
    }

    /// A node applies an entry.
    pub fn applied(&self, node: NodeId, entry: &Entry) -> Checked {
        let committed = self.committed.get(entry.index as usize);
        let term = committed.map(|committed| committed.term);
        ensure(
            term == Some(entry.term),
            "state-machine safety",
            node,
            || format!("applies {:?}, where term {term:?} is committed", entry.id()),
        )?;
        let known = self
            .known(entry.index, entry.term)
            .map(|known| known.content);
        ensure(
            known == Some(content(entry)),
            "state-machine safety",
            node,
            || format!("applies another {:?} than was written", entry.id()),
        )
    }

    /// A snapshot is made or taken over: it is of committed state.
    pub fn snapshot(&self, node: NodeId, snapshot: &Snapshot) -> Checked {
        let id = snapshot.id;
        let committed = self.committed.get(id.index as usize);
        let digest = committed.map(|committed| committed.digest.to_le_bytes());
        let holds = committed.is_some_and(|committed| committed.term == id.term)
            && digest.is_some_and(|digest| digest[..] == snapshot.data[..]);
        ensure(holds, "state-machine safety", node, || {
            format!("a snapshot of {id:?}, which is not what is committed")
        })
    }
}

#[cfg(test)]
mod tests;
