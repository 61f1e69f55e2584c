//! The end of the log, in memory: a gapless run of entries up to the last one.

use std::collections::VecDeque;
use std::fmt;
use std::mem::take;

use crate::codec::entry_encoded_len;
use crate::entries::Entries;
use crate::types::{Entry, Index};

/// Room that a burst leaves behind is given back above this many batches.
pub(super) const KEEP_CAPACITY: usize = 1024;
/// A node at rest has no more than so many.
const FEW_BATCHES: usize = 16;
/// Room for so many entries that are still to become a batch is kept: 4 KiB.
pub(super) const KEEP_GATHERED: usize = 64;

/// Entries `[first_index, next_index)`, in the batches in which they came.
///
/// What comes in as a batch stays one, shared with whoever else has it. What a leader is given entry by
/// entry is gathered, and becomes a batch when somebody first looks at it: with coalesced appends, when a
/// Ready is taken. Each batch has the encoded size of all before it and up to its end beside it, so that its
/// own is a subtraction.
#[derive(Clone)]
pub struct Window {
    first_index: Index,
    next_index: Index,
    batches: VecDeque<Batch>,
    /// What comes after the batches: still to become one.
    gathered: Vec<Entry>,
    /// The encoded size of all that it has held, up to the last one.
    bytes_to_end: u64,
}

#[derive(Clone, Debug)]
struct Batch {
    /// The last one's index.
    last_index: Index,
    /// The encoded size of all entries that the window has held before the first one of these.
    bytes_before: u64,
    /// The same up to the last one of them.
    bytes_to_end: u64,
    entries: Entries,
}

impl Batch {
    #[inline]
    fn first_index(&self) -> Index {
        self.last_index + 1 - self.entries.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes_to_end - self.bytes_before
    }

    /// Where an entry is within the batch: the first place if it comes earlier, the end if later.
    fn place(&self, index: Index) -> usize {
        let place = index.saturating_sub(self.first_index()) as usize;
        place.min(self.entries.len())
    }
}

impl Window {
    /// An empty window, to be continued at `next_index`.
    pub fn at(next_index: Index) -> Window {
        Window {
            first_index: next_index,
            next_index,
            batches: VecDeque::new(),
            gathered: Vec::new(),
            bytes_to_end: 0,
        }
    }

    /// The first index that is held, or the next one if none is.
    pub fn first_index(&self) -> Index {
        self.first_index
    }

    /// The index after the last one.
    pub fn next_index(&self) -> Index {
        self.next_index
    }

    /// The encoded size of all batches.
    pub fn bytes(&self) -> u64 {
        let first = self.batches.front();
        first.map_or(0, |first| self.bytes_to_end - first.bytes_before)
    }

    /// For how many batches there is room.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.batches.capacity()
    }

    /// For how many entries that are gathered there is room.
    #[cfg(test)]
    pub fn gathered_capacity(&self) -> usize {
        self.gathered.capacity()
    }

    /// Adds the next entries, which others are to follow before anybody looks. Takes them out of the list.
    #[inline]
    pub fn gather(&mut self, entries: &mut [Entry]) {
        self.next_index += entries.len() as u64;
        if self.gathered.capacity() == 0 {
            // Whoever gets one gets one at a time.
            self.gathered.reserve_exact(entries.len());
        }
        self.gathered.extend(entries.iter_mut().map(take));
    }

    /// Adds the next entries as a batch.
    pub fn push(&mut self, entries: Entries) {
        self.seal();
        if !entries.is_empty() {
            self.push_batch(entries);
        }
    }

    /// Makes a batch of what has been gathered.
    #[inline]
    fn seal(&mut self) {
        if !self.gathered.is_empty() {
            self.seal_gathered();
        }
    }

    fn seal_gathered(&mut self) {
        let entries = Entries::take_from(&mut self.gathered);
        if self.gathered.capacity() > KEEP_GATHERED {
            self.gathered = Vec::new();
        }
        self.next_index -= entries.len() as u64;
        self.push_batch(entries);
    }

    #[inline(always)]
    fn push_batch(&mut self, entries: Entries) {
        debug_assert!(
            (self.next_index..)
                .zip(&entries)
                .all(|(next, entry)| entry.index == next),
            "entries have no gaps"
        );
        if self.batches.capacity() == 0 {
            // A log that rests has a batch or two.
            self.batches.reserve_exact(1);
        }
        let bytes_before = self.bytes_to_end;
        self.next_index += entries.len() as u64;
        self.bytes_to_end += encoded_len(&entries);
        self.batches.push_back(Batch {
            last_index: self.next_index - 1,
            bytes_before,
            bytes_to_end: self.bytes_to_end,
            entries,
        });
    }

    /// Drops the entries from `index` on.
    pub fn truncate_from(&mut self, index: Index) {
        self.seal();
        while let Some(last) = self.batches.back_mut()
            && last.last_index >= index
        {
            if last.first_index() < index {
                let kept = last.place(index);
                last.bytes_to_end -= encoded_len(&last.entries[kept..]);
                last.entries = last.entries.slice_to_keep(..kept);
                last.last_index = index - 1;
            } else {
                self.batches.pop_back();
            }
        }
        if let Some(last) = self.batches.back() {
            self.bytes_to_end = last.bytes_to_end;
        }
        // If all that was held is gone, and so is what came before: begin at `index`.
        self.first_index = self.first_index.min(index);
        self.next_index = self.next_index.min(index);
        self.shrink();
    }

    /// Drops the entries below `index`.
    pub fn drop_below(&mut self, index: Index) {
        let index = index.min(self.next_index);
        if index <= self.first_index {
            return;
        }
        self.seal();
        self.drop_from_batches(index);
        if let Some(first) = self.batches.front_mut() {
            first.entries = first.entries.slice_to_keep(..);
        }
    }

    /// Drops the entries below `wanted` and `needed`; and of the batches that are below `needed` the first
    /// ones, until what is left takes at most `max_bytes`. What is below `needed` has become batches.
    #[inline(always)]
    pub fn evict(&mut self, wanted: Index, needed: Index, max_bytes: u64) {
        let index = wanted.min(needed);
        if index > self.first_index {
            self.drop_from_batches(index);
        }
        if self.bytes() > max_bytes {
            self.drop_batches(|window, first| {
                first.last_index < needed && window.bytes() > max_bytes
            });
        }
    }

    /// Drops the entries below `index`, all of which have become batches. A part of a batch that is left
    /// keeps all of it in memory: to look at it each time would be quadratic in its length.
    #[inline(always)]
    fn drop_from_batches(&mut self, index: Index) {
        self.drop_batches(|_, first| first.last_index < index);
        if self.first_index < index
            && let Some(first) = self.batches.front_mut()
        {
            let dropped = first.place(index);
            first.bytes_before += encoded_len(&first.entries[..dropped]);
            first.entries = first.entries.slice(dropped..);
            self.first_index = index;
        }
    }

    /// Drops the first batches, for as long as the condition holds of them.
    fn drop_batches(&mut self, condition: impl Fn(&Window, &Batch) -> bool) {
        while let Some(first) = self.batches.front()
            && condition(self, first)
        {
            self.first_index = first.last_index + 1;
            self.batches.pop_front();
        }
        self.shrink();
    }

    /// Gives back room that is hardly used, half of it at a time: a log that is compacted now and then
    /// would else get all of it anew each time, of pages that the system has to clear (28% of the time
    /// of a batch of 64 proposals, once).
    #[inline]
    fn shrink(&mut self) {
        let room = self.batches.capacity();
        if room > KEEP_CAPACITY.max(4 * self.batches.len()) {
            self.batches.shrink_to(room / 2);
        }
    }

    /// Gives back all room that is not used.
    pub fn give_back_room(&mut self) {
        // A window that holds much is that of a leader with work, which is not to move all of it at a heartbeat.
        if self.batches.len() <= FEW_BATCHES {
            self.batches.shrink_to_fit();
            self.gathered.shrink_to_fit();
        }
    }

    /// Entries `[low, high)`. The range is within the window.
    #[inline(always)]
    pub fn range(&mut self, low: Index, high: Index) -> Entries {
        self.range_within(low, high, &mut Budget::new(u64::MAX))
    }

    /// Entries `[low, high)`, as many as fit into `budget`. The range is within the window.
    #[inline(always)]
    pub fn range_within(&mut self, low: Index, high: Index, budget: &mut Budget) -> Entries {
        if low >= high {
            return Entries::new();
        }
        debug_assert!(self.first_index <= low && high <= self.next_index);
        self.seal();
        // Nearly always it is all of the last batch.
        if let Some(last) = self.batches.back()
            && (last.first_index(), last.last_index + 1) == (low, high)
            && last.bytes() <= budget.left
        {
            budget.take_bytes(last.bytes());
            return last.entries.clone();
        }
        self.collect(low, high, budget)
    }

    /// The same, wherever it is: a part of a batch is shared, and of several a new one is made.
    #[inline(never)]
    fn collect(&self, low: Index, high: Index, budget: &mut Budget) -> Entries {
        let first = self.batches.partition_point(|batch| batch.last_index < low);
        let mut list = Vec::new();
        for batch in self.batches.range(first..) {
            let (start, mut end) = (batch.place(low), batch.place(high));
            let is_whole = end - start == batch.entries.len();
            let fits = if is_whole && batch.bytes() <= budget.left {
                budget.take_bytes(batch.bytes());
                true
            } else {
                // One by one: whoever takes little of a long batch is not to look at all of it.
                let wanted = end;
                let part = batch.entries[start..end].iter();
                end = start + part.take_while(|entry| budget.take(entry)).count();
                end == wanted
            };
            let is_end = !fits || high <= batch.last_index + 1;
            if is_end && list.is_empty() {
                return batch.entries.slice(start..end);
            }
            list.extend_from_slice(&batch.entries[start..end]);
            if is_end {
                break;
            }
        }
        Entries::from(list)
    }
}

impl fmt::Debug for Window {
    /// What it holds, however that is cut into batches: whoever tells nodes apart by this text finds those
    /// alike that do the same, for as long as nothing is evicted for want of room.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batches = self.batches.iter().flat_map(|batch| &batch.entries);
        let entries: Vec<&Entry> = batches.chain(&self.gathered).collect();
        f.debug_struct("Window")
            .field("first_index", &self.first_index)
            .field("entries", &entries)
            .finish()
    }
}

/// The size of entries as limits count it.
pub fn encoded_len(entries: &[Entry]) -> u64 {
    let sizes = entries.iter().map(|entry| entry_encoded_len(entry) as u64);
    sizes.sum()
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
