//! The end of the log, in memory: a gapless run of entries up to the last one.

use std::collections::VecDeque;

use crate::codec::entry_encoded_len;
use crate::types::{Entry, Index};

/// Capacity that a burst leaves behind is given back above this many entries.
const KEEP_CAPACITY: usize = 1024;

/// Entries `[first_index, next_index)`.
///
/// Each has the encoded size of all up to it beside it, so that the size of a range is a subtraction:
/// to find out whether a batch fits, or how much of it, no entry has to be looked at.
#[derive(Clone, Debug)]
pub struct Window {
    first_index: Index,
    entries: VecDeque<Held>,
    /// The size of all that came before the first entry.
    bytes_before: u64,
    /// The size of all up to the last one.
    bytes_to_end: u64,
}

#[derive(Clone, Debug)]
struct Held {
    entry: Entry,
    /// The encoded size of all entries that the window has held up to this one.
    bytes_to_end: u64,
}

impl Window {
    /// An empty window, to be continued at `next_index`.
    pub fn at(next_index: Index) -> Window {
        Window {
            first_index: next_index,
            entries: VecDeque::new(),
            bytes_before: 0,
            bytes_to_end: 0,
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
    pub fn bytes(&self) -> u64 {
        self.bytes_to_end - self.bytes_before
    }

    /// For how many entries there is room.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Adds the next entries. Room is made once for all: of 97 instructions for an entry pushed by
    /// itself, 76 are left.
    pub fn extend(&mut self, entries: &mut Vec<Entry>) {
        debug_assert!(
            (self.next_index()..)
                .zip(entries.iter())
                .all(|(next, entry)| entry.index == next),
            "entries have no gaps"
        );
        let mut bytes_to_end = self.bytes_to_end;
        let held = entries.drain(..).map(|entry| {
            bytes_to_end += entry_encoded_len(&entry) as u64;
            Held {
                entry,
                bytes_to_end,
            }
        });
        if self.entries.capacity() == 0 {
            // A log that rests has an entry or two.
            self.entries.reserve_exact(held.len());
        }
        self.entries.extend(held);
        self.bytes_to_end = bytes_to_end;
    }

    /// Drops the entries from `index` on.
    pub fn truncate_from(&mut self, index: Index) {
        let kept = index.saturating_sub(self.first_index);
        self.entries.truncate(kept as usize);
        let last = self.entries.back();
        self.bytes_to_end = last.map_or(self.bytes_before, |last| last.bytes_to_end);
        // If all that was held is gone, and so is what came before: begin at `index`.
        self.first_index = self.first_index.min(index);
        self.shrink();
    }

    /// Drops the entries below `index`.
    pub fn drop_below(&mut self, index: Index) {
        self.drop_while(|window| window.first_index < index);
    }

    /// Drops entries below `index` until what is left takes at most `max_bytes`.
    pub fn evict(&mut self, index: Index, max_bytes: u64) {
        if self.bytes() > max_bytes {
            self.drop_while(|window| window.first_index < index && window.bytes() > max_bytes);
        }
    }

    fn drop_while(&mut self, condition: impl Fn(&Window) -> bool) {
        while condition(self) {
            let Some(dropped) = self.entries.pop_front() else {
                break;
            };
            self.first_index += 1;
            self.bytes_before = dropped.bytes_to_end;
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
        self.copy_places(self.place(low), self.place(high), out);
    }

    /// Clones entries `[low, high)` onto `out`, as many as fit into `budget`. The range is within
    /// the window.
    pub fn copy(&self, low: Index, high: Index, budget: &mut Budget, out: &mut Vec<Entry>) {
        let (start, mut end) = (self.place(low), self.place(high));
        let before = self.bytes_up_to(start);
        let room = before.saturating_add(budget.left);
        let cut = self.bytes_up_to(end) > room;
        if cut {
            let fitting = self
                .entries
                .partition_point(|held| held.bytes_to_end <= room);
            end = end.min(fitting.max(start + usize::from(budget.first)));
        }
        budget.take_bytes(self.bytes_up_to(end) - before);
        if cut {
            budget.left = 0;
        }
        self.copy_places(start, end, out);
    }

    fn copy_places(&self, start: usize, end: usize, out: &mut Vec<Entry>) {
        // The list is a ring, in one piece or two. To look which of them has the range is 50
        // instructions less than to go through both.
        let (front, back) = self.entries.as_slices();
        let copy = |held: &Held| held.entry.clone();
        if end <= front.len() {
            out.extend(front[start..end].iter().map(copy));
        } else {
            let middle = front.len();
            out.extend(front[start.min(middle)..].iter().map(copy));
            out.extend(
                back[start.max(middle) - middle..end - middle]
                    .iter()
                    .map(copy),
            );
        }
    }

    fn place(&self, index: Index) -> usize {
        debug_assert!(self.first_index <= index && index <= self.next_index());
        (index - self.first_index) as usize
    }

    fn bytes_up_to(&self, place: usize) -> u64 {
        match place {
            0 => self.bytes_before,
            _ => self.entries[place - 1].bytes_to_end,
        }
    }
}

/// What may still go into one batch: encoded bytes, though the first entry always may. After the
/// first entry that doesn't fit, none does.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    taken: u64,
    first: bool,
}

impl Budget {
    /// A batch of up to so many bytes.
    pub fn new(max_bytes: u64) -> Budget {
        Budget {
            left: max_bytes,
            taken: 0,
            first: true,
        }
    }

    /// The size of what has been taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes an entry, if it fits in.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let size = entry_encoded_len(entry) as u64;
        if !self.first && size > self.left {
            self.left = 0;
            return false;
        }
        self.take_bytes(size);
        true
    }

    fn take_bytes(&mut self, size: u64) {
        self.left = self.left.saturating_sub(size);
        self.taken += size;
        self.first &= size == 0;
    }
}
