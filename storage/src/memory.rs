//! A storage that lives and dies with its process.

use std::{
    collections::VecDeque,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use libraft_core::{
    ConfState, Entry, HardState, Index, Ready, RestartState, Snapshot, Term,
    codec::entry_encoded_len,
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
}

#[derive(Debug, Default)]
struct Inner {
    state: LogState,
    /// The entries `(state.compacted.index, state.last_index]`.
    entries: VecDeque<Entry>,
    snapshot_data: Bytes,
}

impl Inner {
    /// Does what an update asks for, but for appending its entries. Returns how many of them are to be
    /// appended, counted from the last one.
    fn prepare(&mut self, update: &Update<'_>) -> Result<usize> {
        let (entries, truncate_from) = match update.snapshot {
            // In place: a copy of the state is 200 instructions, a dozen of them atomic.
            None => self.state.take(update)?,
            Some(snapshot) => {
                let staged = self.state.stage(update)?;
                self.state = staged.state;
                self.entries.clear();
                self.snapshot_data = snapshot.data.clone();
                (staged.entries, staged.truncate_from)
            }
        };
        if let Some(from) = truncate_from {
            let kept = from - self.state.first_index();
            self.entries.truncate(kept as usize);
        }
        if self.entries.capacity() == 0 {
            // A log that rests has an entry or two.
            self.entries.reserve_exact(entries.len());
        }
        Ok(entries.len())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.state.snapshot_id,
            conf_state: ConfState::clone(&self.state.conf_state),
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

    /// Out of the way of Readys that have nothing to store: 40 instructions for each.
    #[inline(never)]
    fn take_from(&self, ready: &mut Ready) -> Result<()> {
        let inner = &mut *self.change();
        let new = inner.prepare(&Update::from(&*ready))?;
        let old = ready.entries.len() - new;
        inner.entries.extend(ready.entries.drain(old..));
        ready.entries.clear();
        Ok(())
    }

    fn change(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn write(&self, update: Update<'_>) -> Result<()> {
        if !update.is_empty() {
            let inner = &mut *self.change();
            let new = inner.prepare(&update)?;
            let old = update.entries.len() - new;
            inner.entries.extend(update.entries[old..].iter().cloned());
        }
        Ok(())
    }

    fn save_taking(&self, ready: &mut Ready) -> Result<()> {
        match Update::from(&*ready).is_empty() {
            true => Ok(()),
            false => self.take_from(ready),
        }
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        let inner = self.read();
        inner.state.check_range(low, high)?;
        let mut bytes = 0;
        let start = (low - inner.state.first_index()) as usize;
        let wanted = inner.entries.iter().skip(start).take((high - low) as usize);
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
        self.read().state.first_index()
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
        let mut inner = self.change();
        inner.state = inner.state.with_snapshot(index, conf_state)?;
        inner.snapshot_data = data;
        Ok(inner.snapshot())
    }

    fn compact(&self, first_index: Index) -> Result<()> {
        let mut inner = self.change();
        let state = inner.state.compacted_to(first_index)?;
        let dropped = first_index - inner.state.first_index();
        inner.entries.drain(..dropped as usize);
        inner.state = state;
        Ok(())
    }

    fn restart_state(&self) -> RestartState {
        self.read().state.restart_state()
    }

    fn is_fresh(&self) -> bool {
        self.read().state.is_fresh()
    }

    fn bootstrap(&self, snapshot: Snapshot) -> Result<()> {
        let mut inner = self.change();
        inner.state = inner.state.bootstrapped(&snapshot)?;
        inner.snapshot_data = snapshot.data;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
