//! A piece of a leader's log, as an append brings it.

use crate::entries::Entries;
use crate::types::{Entry, EntryId, Index, Term};

/// Entries `(prev, last]` of the log of the leader of `term`. Indexes follow each other, and terms
/// never decrease nor exceed the leader's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlice {
    prev: EntryId,
    entries: Entries,
}

/// The entries are not a piece of any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllFormed;

impl LogSlice {
    /// Checks the entries that the leader of `term` is said to have after `prev`.
    pub fn check(term: Term, prev: EntryId, entries: &[Entry]) -> Result<(), IllFormed> {
        let mut last = prev;
        for entry in entries {
            if entry.index != last.index + 1 || entry.term < last.term {
                return Err(IllFormed);
            }
            last = entry.id();
        }
        if last.term > term || last.index > crate::MAX_POSITION {
            return Err(IllFormed);
        }
        Ok(())
    }

    /// Entries that have been checked.
    pub fn checked(prev: EntryId, entries: Entries) -> LogSlice {
        LogSlice { prev, entries }
    }

    /// The entry before the first.
    pub fn prev(&self) -> EntryId {
        self.prev
    }

    /// The index of the last entry, or of `prev` if there is none.
    pub fn last_index(&self) -> Index {
        self.prev.index + self.entries.len() as u64
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries from `index` on, to be kept.
    #[inline]
    pub fn into_entries_from(self, index: Index) -> Entries {
        let place = (index - self.prev.index - 1) as usize;
        self.entries.into_kept_from(place)
    }
}
