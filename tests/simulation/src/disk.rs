//! A node's stable storage: what is synced, and what has been written since.
//!
//! Writes reach the synced part in their order. A crash keeps any number of whole writes and, of
//! the next one, a torn beginning; a sync keeps all. The host orders its writes so that no such
//! prefix contradicts itself (see `host`). The disk never decides anything.

use std::collections::VecDeque;

use libraft_core::*;

/// One record on its way to the disk.
#[derive(Clone, Debug)]
pub enum Write {
    HardState(HardState),
    /// Replaces what the log has from the first entry's index on.
    Entries(Vec<Entry>),
    /// Replaces the log.
    Snapshot(Box<Snapshot>),
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub hard_state: HardState,
    /// The entry before the log's first.
    pub compacted: EntryId,
    pub log: VecDeque<Entry>,
    pub snapshot: Option<Snapshot>,
    unsynced: Vec<Write>,
}

impl Disk {
    pub fn write(&mut self, write: Write) {
        self.unsynced.push(write);
    }

    /// Writes that a crash may take back.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// These.
    pub fn unsynced_writes(&self) -> impl Iterator<Item = &Write> {
        self.unsynced.iter()
    }

    pub fn sync(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            self.take(write);
        }
    }

    /// The first `count` writes are synced.
    pub fn sync_first(&mut self, count: usize) {
        let rest = self.unsynced.split_off(count.min(self.unsynced.len()));
        self.sync();
        self.unsynced = rest;
    }

    /// How many writes come before the one that brings the most entries, of those not synced.
    pub fn before_most_entries(&self) -> Option<usize> {
        let entries = |write: &Write| match write {
            Write::Entries(entries) => entries.len(),
            _ => 0,
        };
        let places = 0..self.unsynced.len();
        let most = places.max_by_key(|&place| entries(&self.unsynced[place]));
        most.filter(|&place| entries(&self.unsynced[place]) > 1)
    }

    /// The commit index that was written last.
    pub fn written_commit(&self) -> Index {
        let states = self.unsynced.iter().rev().filter_map(|write| match write {
            Write::HardState(state) => Some(state.commit),
            _ => None,
        });
        states.into_iter().next().unwrap_or(self.hard_state.commit)
    }

    /// Power fails: of what is not synced, `kept` writes survive whole, and `torn` entries of the
    /// next one. Returns whether one was torn.
    pub fn crash(&mut self, kept: usize, torn: usize) -> bool {
        let mut writes = std::mem::take(&mut self.unsynced).into_iter();
        for write in writes.by_ref().take(kept) {
            self.take(write);
        }
        let Some(Write::Entries(mut entries)) = writes.next() else {
            return false;
        };
        let is_torn = 0 < torn && torn < entries.len();
        entries.truncate(torn);
        self.take(Write::Entries(entries));
        is_torn
    }

    fn take(&mut self, write: Write) {
        match write {
            Write::HardState(state) => self.hard_state = state,
            Write::Entries(entries) => {
                if let Some(first) = entries.first() {
                    let keep = first.index.saturating_sub(self.compacted.index + 1);
                    self.log.truncate(keep as usize);
                }
                self.log.extend(entries);
            }
            Write::Snapshot(snapshot) => {
                self.compacted = snapshot.id;
                self.log.clear();
                self.snapshot = Some(*snapshot);
            }
        }
    }

    pub fn last(&self) -> EntryId {
        self.log.back().map_or(self.compacted, Entry::id)
    }

    pub fn entry(&self, index: Index) -> Option<&Entry> {
        let place = index.checked_sub(self.compacted.index + 1)?;
        self.log.get(place as usize)
    }

    pub fn term(&self, index: Index) -> Option<Term> {
        match index == self.compacted.index {
            true => Some(self.compacted.term),
            false => self.entry(index).map(|entry| entry.term),
        }
    }

    /// The answer to a request: entries `[low, high)`, cut to `max_bytes` but at least one. None if
    /// they are compacted.
    pub fn read(&self, request: &ReadRequest) -> Option<Vec<Entry>> {
        self.entry(request.low)?;
        let mut left = request.max_bytes;
        let mut entries: Vec<Entry> = Vec::new();
        for index in request.low..request.high {
            let Some(entry) = self.entry(index) else {
                break;
            };
            let size = codec::entry_encoded_len(entry) as u64;
            if size > left && !entries.is_empty() {
                break;
            }
            left = left.saturating_sub(size);
            entries.push(entry.clone());
        }
        Some(entries)
    }

    /// Drops the log up to `index`, in favour of a snapshot of that or a later index.
    pub fn compact(&mut self, index: Index, snapshot: Snapshot) {
        while self.log.front().is_some_and(|entry| entry.index <= index) {
            if let Some(entry) = self.log.pop_front() {
                self.compacted = entry.id();
            }
        }
        self.snapshot = Some(snapshot);
    }

    /// What a node starts from that has applied everything up to `applied`.
    pub fn restart_state(&self, applied: Index, conf_state: ConfState) -> RestartState {
        let mut term_runs: Vec<TermRun> = Vec::new();
        for entry in &self.log {
            if term_runs.last().is_none_or(|run| run.term != entry.term) {
                term_runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let pending = |entry: &&Entry| entry.is_conf_change() && entry.index > applied;
        RestartState {
            hard_state: self.hard_state,
            conf_state,
            compacted: self.compacted,
            last_index: self.last().index,
            term_runs,
            conf_changes: self.log.iter().filter(pending).map(|e| e.index).collect(),
            applied,
        }
    }
}
