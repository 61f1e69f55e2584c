//! The end of the log, in memory: a gapless run of entries up to the last one.

use std::collections::VecDeque;

use crate::codec::entry_encoded_len;
use crate::types::{Entry, Index};

/// Capacity that a burst leaves behind is given back above this many entries.
const KEEP_CAPACITY: usize = 1024;

/// Entries `[first_index, next_index)`.
#[derive(Clone, Debug)]
pub struct Window {
    first_index: Index,
    entries: VecDeque<Entry>,
    bytes: u64,
}

impl Window {
    /// An empty window, to be continued at `next_index`.
    pub fn at(next_index: Index) -> Window {
        Window {
            first_index: next_index,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The first index that is held, or the next one if none is.
    pub fn first_index(&self) -> Index {
        self.first_index
    }

    /// The index after the last one.
    pub fn next_index(&self) -> Index {
        self.first_index + self.entries.len() as u64
    }

    /// The encoded size of all entries.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// For how many entries there is room.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Adds the next entry.
    pub fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index, self.next_index(), "entries have no gaps");
        self.bytes += entry_encoded_len(&entry) as u64;
        self.entries.push_back(entry);
    }

    /// Drops the entries from `index` on.
    pub fn truncate_from(&mut self, index: Index) {
        while self.next_index() > index {
            match self.entries.pop_back() {
                Some(entry) => self.bytes -= entry_encoded_len(&entry) as u64,
                // All that was held is gone, and so is what came before: begin at `index`.
                None => self.first_index = index,
            }
        }
        self.shrink();
    }

    /// Drops the entries below `index`.
    pub fn drop_below(&mut self, index: Index) {
        self.drop_while(|window| window.first_index < index);
    }

    /// Drops entries below `index` until what is left takes at most `max_bytes`.
    pub fn evict(&mut self, index: Index, max_bytes: u64) {
        self.drop_while(|window| window.first_index < index && window.bytes > max_bytes);
    }

    fn drop_while(&mut self, condition: impl Fn(&Window) -> bool) {
        while condition(self) {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.first_index += 1;
            self.bytes -= entry_encoded_len(&entry) as u64;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        let len = self.entries.len();
        if self.entries.capacity() > KEEP_CAPACITY.max(4 * len) {
            self.entries.shrink_to(2 * len);
        }
    }

    /// Clones entries `[low, high)` onto `out`. The range is within the window.
    pub fn copy_all(&self, low: Index, high: Index, out: &mut Vec<Entry>) {
        out.extend(self.range(low, high).cloned());
    }

    /// Clones entries `[low, high)` onto `out`, as many as fit into `budget`. The range is within
    /// the window.
    pub fn copy(&self, low: Index, high: Index, budget: &mut Budget, out: &mut Vec<Entry>) {
        for entry in self.range(low, high) {
            if !budget.take(entry) {
                break;
            }
            out.push(entry.clone());
        }
    }

    fn range(&self, low: Index, high: Index) -> impl ExactSizeIterator<Item = &Entry> {
        debug_assert!(self.first_index <= low && low <= high && high <= self.next_index());
        let start = (low - self.first_index) as usize;
        self.entries.range(start..start + (high - low) as usize)
    }
}

/// What may still go into one batch: encoded bytes, though the first entry always may.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    first: bool,
    exhausted: bool,
}

impl Budget {
    /// A batch of up to so many bytes.
    pub fn new(max_bytes: u64) -> Budget {
        Budget {
            left: max_bytes,
            first: true,
            exhausted: false,
        }
    }

    /// Whether the entry fits in. After the first one that doesn't, none does.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let size = entry_encoded_len(entry) as u64;
        if size > self.left && !self.first {
            self.exhausted = true;
        }
        if self.exhausted {
            return false;
        }
        self.left = self.left.saturating_sub(size);
        self.first = false;
        true
    }
}
