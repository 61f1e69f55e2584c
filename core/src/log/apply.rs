//! Which committed entries the host is handed out to apply, and what has to be read back for it.

use std::collections::VecDeque;

use super::{Budget, Log};
use crate::codec::entry_encoded_len;
use crate::entries::Entries;
use crate::types::{Entry, Index, RequestId};

/// How far the entries that are handed out to be applied may be ahead of those that are persisted
/// here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyAhead {
    /// As far as they are committed: the host persists what is in a Ready before it applies any
    /// of it.
    WithinReady,
    /// By so many, and by no configuration change.
    UpTo(u64),
}

/// Committed entries that were read back to be applied, without a gap. The first, if there is any, is
/// the next one to be handed out.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplyChunk {
    pub(super) entries: VecDeque<Entry>,
}

/// Entries that the host was asked for, to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyRead {
    /// Names the request.
    pub id: RequestId,
    /// The first index.
    pub low: Index,
    /// The index after the last one.
    pub high: Index,
    /// The node's tick count at the time.
    pub asked_at: u64,
}

impl ApplyRead {
    /// In place of the id, once the host has failed to answer. No request has this id.
    pub const FAILED: RequestId = 0;
}

impl Log {
    /// Whether committed entries wait to be handed out, in memory or in storage.
    pub fn has_next_to_apply(&self, ahead: ApplyAhead) -> bool {
        !self.applying_paused
            && self.snapshot.is_none()
            && self.applying < self.max_appliable(ahead)
    }

    /// Whether [`Log::next_to_apply`] would find the first of them in memory.
    pub fn is_next_to_apply_at_hand(&self) -> bool {
        let next = self.applying + 1;
        let read = self.read_back().next_back();
        read.is_some_and(|last| last.index >= next) || next >= self.window.first_index()
    }

    fn max_appliable(&self, ahead: ApplyAhead) -> Index {
        let ApplyAhead::UpTo(entries) = ahead else {
            return self.committed;
        };
        let max = self.committed.min(self.persisted.saturating_add(entries));
        // A configuration must not come into force that a restart would not find in the log.
        let mut changes = self.conf_changes.get().into_iter().flatten();
        let unpersisted_change = changes.find(|&&change| change > self.persisted);
        match unpersisted_change {
            Some(&change) if change <= max => change - 1,
            _ => max,
        }
    }

    /// What has to be read before [`Log::next_to_apply`] can give all that the limit allows:
    /// `[low, high)`, and how many bytes of that.
    #[inline]
    pub fn gap_to_apply(&self, ahead: ApplyAhead) -> Option<(Index, Index, u64)> {
        // Nearly always there is nothing to apply, or the window reaches back that far.
        if self.applying >= self.committed || self.window.first_index() <= self.applying + 1 {
            return None;
        }
        self.gap_below_window(ahead)
    }

    /// Apart, so that who looks for it has few registers to save.
    #[cold]
    #[inline(never)]
    fn gap_below_window(&self, ahead: ApplyAhead) -> Option<(Index, Index, u64)> {
        if !self.has_next_to_apply(ahead) {
            return None;
        }
        let high = (self.max_appliable(ahead) + 1).min(self.window.first_index());
        let mut low = self.applying + 1;
        let mut bytes = self.next_apply_bytes();
        for entry in self.read_back() {
            let size = entry_encoded_len(entry) as u64;
            if size >= bytes {
                return None;
            }
            low += 1;
            bytes -= size;
        }
        (low < high).then_some((low, high, bytes))
    }

    /// The next committed entries that are in memory, as many as the limit allows, and their encoded size.
    #[inline(always)]
    pub fn next_to_apply(&mut self, ahead: ApplyAhead) -> (Entries, u64) {
        if !self.has_next_to_apply(ahead) {
            return (Entries::new(), 0);
        }
        let high = self.max_appliable(ahead) + 1;
        let next = self.applying + 1;
        let mut budget = Budget::new(self.next_apply_bytes());
        let entries = match self.chunk.get() {
            None => self.in_memory(next, high, &mut budget),
            Some(_) => self.read_and_in_memory(next, high, &mut budget),
        };
        (entries, budget.taken())
    }

    /// What was read back to be applied, and what follows it.
    fn read_and_in_memory(&mut self, low: Index, high: Index, budget: &mut Budget) -> Entries {
        let read = self.read_back().take((high - low) as usize);
        let mut entries: Vec<Entry> = read
            .take_while(|entry| budget.take(entry))
            .cloned()
            .collect();
        let next = low + entries.len() as u64;
        if entries.len() == self.read_back().count() {
            let rest = self.in_memory(next, high, budget);
            entries.extend_from_slice(&rest);
        }
        entries.into()
    }

    /// What was read back to be applied, and has not been handed out.
    pub(super) fn read_back(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        let chunk = self.chunk.get().into_iter();
        chunk.flat_map(|chunk| &chunk.entries)
    }

    /// How much may be handed out at once.
    pub fn next_apply_bytes(&self) -> u64 {
        self.limits.applying_bytes - self.applying_bytes.min(self.limits.applying_bytes)
    }

    /// The read for [`Log::next_to_apply`] that is under way.
    pub fn apply_read(&self) -> Option<ApplyRead> {
        self.apply_read.as_deref().copied()
    }

    /// Notes such a read, or that there is none any more.
    pub fn set_apply_read(&mut self, read: Option<ApplyRead>) {
        self.apply_read = read.map(Box::new);
    }

    /// That read has failed. It counts as under way until the next tick, so that a host that
    /// answers at once isn't asked over and over.
    pub fn fail_apply_read(&mut self) {
        if let Some(read) = &mut self.apply_read {
            read.id = ApplyRead::FAILED;
        }
    }

    /// Takes the answer to that read.
    pub fn provide_to_apply(&mut self, entries: Vec<Entry>) {
        self.apply_read = None;
        let chunk = &mut self.chunk.make().entries;
        let continues = match (chunk.back(), entries.first()) {
            (Some(last), Some(first)) => last.index + 1 == first.index,
            _ => false,
        };
        if continues {
            chunk.extend(entries);
        } else {
            *chunk = entries.into();
        }
        self.forget_handed_out();
    }

    /// Entries up to `index`, of the given size, have been handed out to be applied.
    pub fn accept_applying(&mut self, index: Index, bytes: u64, ahead: ApplyAhead) {
        assert!(index <= self.committed, "only what is committed is applied");
        self.applying = index;
        self.applying_bytes += bytes;
        // More that could be applied means that the limit cut it short.
        self.applying_paused =
            self.applying_bytes >= self.limits.applying_bytes || index < self.max_appliable(ahead);
        self.forget_handed_out();
    }

    /// What was read back for it is not needed any more.
    #[inline]
    fn forget_handed_out(&mut self) {
        if self.chunk.get().is_some() {
            self.forget_read_back();
        }
    }

    #[inline(never)]
    fn forget_read_back(&mut self) {
        let read = &mut self.chunk.make().entries;
        while read
            .front()
            .is_some_and(|entry| entry.index <= self.applying)
        {
            read.pop_front();
        }
        if read.is_empty() {
            self.chunk.free();
        }
    }

    /// The host has applied everything up to `index`, in a batch of the given size.
    #[inline(always)]
    pub fn applied_to(&mut self, index: Index, bytes: u64) {
        assert!(
            self.applied <= index && index <= self.committed,
            "applied moves forward, within what is committed"
        );
        self.applied = index;
        self.applying = self.applying.max(index);
        self.forget_handed_out();
        self.applying_bytes = self.applying_bytes.saturating_sub(bytes);
        self.applying_paused = self.applying_bytes >= self.limits.applying_bytes;
        if let Some(changes) = self.conf_changes.get_mut() {
            while changes.front().is_some_and(|&change| change <= index) {
                changes.pop_front();
            }
        }
        self.evict();
    }
}
