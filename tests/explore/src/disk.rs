//! A node's stable storage: two records of its hard state, a snapshot and the log behind it.
//!
//! Writes are whole or not there. What a Ready asks for is several of them, and a crash may fall
//! between any two: [`writes`] has their order. The commit index may be written without a sync, and
//! then a crash may take it back.

use libraft_core::*;

use crate::log::{self, Marks};

/// One write.
#[derive(Clone, Debug)]
pub enum Write {
    HardState(HardState),
    /// Replaces what the log has from this index on.
    Entry(Entry),
    /// Replaces the log.
    Snapshot(Snapshot),
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// As it was written last.
    pub written: HardState,
    /// As it was synced last: term and vote are the same.
    pub synced: HardState,
    pub snapshot: Snapshot,
    pub log: Vec<Entry>,
}

impl Disk {
    pub fn last(&self) -> EntryId {
        self.log.last().map_or(self.snapshot.id, Entry::id)
    }

    /// The whole log: what the snapshot has of it, and what is behind.
    pub fn marks(&self) -> Marks {
        let before = log::from_bytes(&self.snapshot.data);
        self.log.iter().fold(before, |marks, entry| {
            log::put(marks, entry.index, log::mark(entry))
        })
    }

    /// # Errors
    /// A write that would replace what is committed.
    pub fn write(&mut self, write: Write, synced: bool) -> std::result::Result<(), String> {
        match write {
            Write::HardState(state) => {
                let old = self.written;
                if state.term < old.term || state.commit < old.commit {
                    return Err(format!("{state:?} is written over {old:?}"));
                }
                if state.term == old.term && old.vote != NONE && state.vote != old.vote {
                    return Err(format!("{state:?} is written over {old:?}"));
                }
                self.written = state;
            }
            Write::Entry(entry) => {
                let place = entry.index.checked_sub(self.snapshot.id.index + 1);
                let Some(place) = place.filter(|place| *place <= self.log.len() as u64) else {
                    return Err(format!("entry {} leaves a gap", entry.index));
                };
                let replaced = self.log.get(place as usize);
                let differs = replaced.is_some_and(|old| *old != entry);
                if differs && entry.index <= self.written.commit {
                    return Err(format!("committed entry {} is replaced", entry.index));
                }
                self.log.truncate(place as usize);
                self.log.push(entry);
            }
            Write::Snapshot(snapshot) => {
                if snapshot.id.index < self.snapshot.id.index {
                    return Err(format!("snapshot {:?} is older", snapshot.id));
                }
                self.snapshot = snapshot;
                self.log.clear();
            }
        }
        if synced {
            self.synced = self.written;
        }
        Ok(())
    }

    /// Drops the log up to the end of `snapshot`.
    pub fn compact(&mut self, snapshot: Snapshot) {
        self.log.retain(|entry| entry.index > snapshot.id.index);
        self.snapshot = snapshot;
    }

    /// The answer to a request: one entry at a time is enough.
    pub fn read(&self, request: &ReadRequest) -> Vec<Entry> {
        let wanted = |entry: &&Entry| (request.low..request.high).contains(&entry.index);
        self.log.iter().filter(wanted).cloned().collect()
    }

    /// What a node starts from whose state machine is that of the snapshot.
    pub fn restart_state(&self) -> RestartState {
        let mut term_runs: Vec<TermRun> = Vec::new();
        for entry in &self.log {
            if term_runs.last().is_none_or(|run| run.term != entry.term) {
                term_runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let changes = self.log.iter().filter(|entry| entry.is_conf_change());
        RestartState {
            hard_state: self.written,
            conf_state: self.snapshot.conf_state.clone(),
            compacted: self.snapshot.id,
            last_index: self.last().index,
            term_runs,
            conf_changes: changes.map(|entry| entry.index).collect(),
            applied: self.snapshot.id.index,
        }
    }
}

/// What a Ready asks to be written, in an order that leaves no contradiction wherever a crash cuts
/// it: the term comes before the entries that are of it, the commit index after the entries that it
/// commits.
pub fn writes(
    old: HardState,
    state: Option<HardState>,
    snapshot: Option<Snapshot>,
    entries: Vec<Entry>,
) -> Vec<Write> {
    let mut writes = Vec::new();
    let more = snapshot.is_some() || !entries.is_empty();
    if let Some(state) = state.filter(|_| more) {
        let commit = old.commit;
        writes.push(Write::HardState(HardState { commit, ..state }));
    }
    writes.extend(snapshot.map(Write::Snapshot));
    writes.extend(entries.into_iter().map(Write::Entry));
    writes.extend(state.map(Write::HardState));
    writes
}
