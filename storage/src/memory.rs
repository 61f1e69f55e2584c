//! A storage that lives and dies with its process.

use std::{
    collections::VecDeque,
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use libraft_core::{
    ConfState, Entries, Entry, HardState, Index, RestartState, Snapshot, Term,
    codec::{PayloadBlock, entry_encoded_len},
};

use crate::{
    error::Result,
    state::LogState,
    storage::{Storage, Update},
};

/// Keeps everything in memory. Behaves as etcd-io/raft's storage of that name, with errors where
/// that one panics; unlike [`crate::DurableStorage`] it may be compacted beyond its snapshot.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    inner: RwLock<Inner>,
    /// The index that the log is compacted to, as of the last change: nodes ask for it before each Ready,
    /// and so need not lock, which is 20 instructions less and two atomic operations.
    compacted: AtomicU64,
}

/// A save of fewer entries is gathered with others, if their payloads are short: what is left of a batch by a
/// compaction may keep half of it in memory.
const SMALL_SAVE: usize = 8;
/// So many entries at most are gathered.
const GATHERED: usize = 64;

#[derive(Debug, Default)]
struct Inner {
    state: LogState,
    /// The entries `(state.compacted.index, state.last_index]` but for those in `tail`, in the batches in which
    /// they came: shared with the node and its messages, so that to store 64 costs no more than to store one.
    /// Those that came a few at a time are in batches of our own.
    batches: VecDeque<Entries>,
    /// The last entries, if they came a few at a time: still to become a batch. The node frees the
    /// allocation of each when it is done with it, and uses that again. If they stayed here, then after a
    /// compaction it would get them back in an order that no cache can foresee: a fifth of the time of a
    /// single proposal.
    tail: Vec<Entry>,
    snapshot_data: Bytes,
}

impl Inner {
    #[inline]
    fn write(&mut self, update: &Update<'_>) -> Result<()> {
        let growth = match update.snapshot {
            // In place: a copy of the state is 200 instructions, a dozen of them atomic.
            None => self.state.take(update)?,
            Some(snapshot) => {
                let mut state = self.state.clone();
                let growth = state.take(update)?;
                self.state = state;
                self.batches.clear();
                self.tail.clear();
                self.snapshot_data = snapshot.data.clone();
                growth
            }
        };
        if let Some(from) = growth.truncate_from {
            self.truncate_from(from);
        }
        if update.entries.len() > growth.skipped {
            self.append(update.entries, growth.skipped);
        }
        Ok(())
    }

    /// Adds the entries from a place on.
    #[inline]
    fn append(&mut self, entries: &Entries, place: usize) {
        let list = &entries[place..];
        // What has its payload to itself would have to allocate to share it.
        let is_short =
            |entry: &Entry| entry.data.len() <= PayloadBlock::SHORT && !entry.data.is_unique();
        if list.len() < SMALL_SAVE && list.iter().all(is_short) {
            self.gather(list);
        } else {
            self.seal();
            if self.batches.capacity() == 0 {
                // A log that rests has a batch or two.
                self.batches.reserve_exact(1);
            }
            self.batches.push_back(entries.slice_to_keep(place..));
        }
    }

    #[inline(always)]
    fn gather(&mut self, list: &[Entry]) {
        if self.tail.len() + list.len() > GATHERED {
            self.seal();
        }
        if self.tail.capacity() == 0 {
            // A log that rests has an entry or two.
            self.tail.reserve_exact(list.len());
        }
        self.tail.extend_from_slice(list);
    }

    /// Makes a batch of what is gathered.
    #[inline]
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.batches.push_back(Entries::take_from(&mut self.tail));
        }
    }

    fn truncate_from(&mut self, index: Index) {
        let kept = self.tail.partition_point(|entry| entry.index < index);
        self.tail.truncate(kept);
        while let Some(last) = self.batches.back_mut()
            && last_index(last) >= index
        {
            let kept = index.saturating_sub(last[0].index) as usize;
            *last = last.slice_to_keep(..kept);
            if kept == 0 {
                self.batches.pop_back();
            }
        }
    }

    fn drop_below(&mut self, index: Index) {
        let gone = self
            .batches
            .partition_point(|batch| last_index(batch) < index);
        self.batches.drain(..gone);
        if let Some(first) = self.batches.front_mut()
            && first[0].index < index
        {
            *first = first.slice_to_keep((index - first[0].index) as usize..);
        }
        let gone = self.tail.partition_point(|entry| entry.index < index);
        self.tail.drain(..gone);
        // So that a log that rests from here on has no more room than it needs.
        self.tail.shrink_to_fit();
    }

    /// The entries from `index` on.
    fn entries_from(&self, index: Index) -> impl Iterator<Item = &Entry> {
        let batch = self
            .batches
            .partition_point(|batch| last_index(batch) < index);
        let first = match self.batches.get(batch) {
            Some(batch) => batch.first(),
            None => self.tail.first(),
        };
        let before = first.map_or(0, |first| index.saturating_sub(first.index));
        let entries = self.batches.range(batch..).flatten().chain(&self.tail);
        entries.skip(before as usize)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.state.snapshot_id,
            conf_state: self.state.conf_state.to_conf_state(),
            data: self.snapshot_data.clone(),
        }
    }
}

impl MemoryStorage {
    /// A fresh storage.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Nothing panics half way through a change, so a poisoned lock guards sound data.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut inner);
        // Before the lock is given back: who has read it finds the log so, or farther.
        let compacted = inner.state.compacted.index;
        self.compacted.store(compacted, Ordering::Release);
        result
    }
}

impl Storage for MemoryStorage {
    #[inline]
    fn write(&self, update: Update<'_>) -> Result<()> {
        match update.is_empty() {
            true => Ok(()),
            false => self.change(|inner| inner.write(&update)),
        }
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        let inner = self.read();
        inner.state.check_range(low, high)?;
        let mut bytes = 0;
        let wanted = inner.entries_from(low).take((high - low) as usize);
        let fitting = wanted.take_while(|entry| {
            let first = bytes == 0;
            bytes += entry_encoded_len(entry) as u64;
            first || bytes <= max_bytes
        });
        Ok(fitting.cloned().collect())
    }

    fn term(&self, index: Index) -> Result<Term> {
        self.read().state.term(index)
    }

    fn first_index(&self) -> Index {
        self.compacted.load(Ordering::Acquire) + 1
    }

    fn last_index(&self) -> Index {
        self.read().state.last_index
    }

    fn hard_state(&self) -> HardState {
        self.read().state.hard_state
    }

    fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.read().snapshot())
    }

    fn create_snapshot(
        &self,
        index: Index,
        conf_state: Option<ConfState>,
        data: Bytes,
    ) -> Result<Snapshot> {
        self.change(|inner| {
            inner.state = inner.state.with_snapshot(index, conf_state)?;
            inner.snapshot_data = data;
            Ok(inner.snapshot())
        })
    }

    fn compact(&self, first_index: Index) -> Result<()> {
        self.change(|inner| {
            let state = inner.state.compacted_to(first_index)?;
            inner.drop_below(first_index);
            inner.state = state;
            Ok(())
        })
    }

    fn restart_state(&self) -> RestartState {
        self.read().state.restart_state()
    }

    fn is_fresh(&self) -> bool {
        self.read().state.is_fresh()
    }

    fn bootstrap(&self, snapshot: Snapshot) -> Result<()> {
        self.change(|inner| {
            inner.state = inner.state.bootstrapped(&snapshot)?;
            inner.snapshot_data = snapshot.data;
            Ok(())
        })
    }
}

/// Of a batch, which is never empty.
fn last_index(batch: &Entries) -> Index {
    batch[batch.len() - 1].index
}

#[cfg(test)]
mod tests;
