//! A run of entries that is shared rather than copied.
//!
//! The log's window, the Ready that hands entries out, the appends to all followers and a storage in
//! memory hold the same batch: to pass 64 entries on is one step of a reference count, where a clone
//! of each would be 64, of some 60 instructions.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

use crate::types::Entry;

/// Entries that nobody changes any more, or a part of such a batch. Cloning it, and taking a part of it,
/// shares the entries.
///
/// It is read as a slice: `entries.len()`, `entries[0]`, `for entry in &entries`. A part keeps the
/// whole batch in memory: see [`Entries::slice_to_keep`].
#[derive(Clone, Default)]
pub struct Entries {
    /// None if there are no entries, so that no list of none is ever allocated.
    batch: Option<Arc<[Entry]>>,
    start: u32,
    end: u32,
}

impl Entries {
    /// No entries. Nothing is allocated.
    pub const fn new() -> Entries {
        Entries {
            batch: None,
            start: 0,
            end: 0,
        }
    }

    /// How many there are. As [`Entries::is_empty`], it need not look at the batch, as a slice would have to.
    #[inline]
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The entries of a list, which keeps its room.
    ///
    /// # Panics
    /// If there are 2³² or more.
    #[inline]
    pub fn take_from(list: &mut Vec<Entry>) -> Entries {
        match list.len() {
            0 => Entries::new(),
            // 100 instructions less than to drain a list that may be of any length.
            1 => list.pop().map_or_else(Entries::new, Entries::from),
            // The length is known beforehand: one allocation, into which the entries are moved.
            _ => Entries::of(list.drain(..).collect()),
        }
    }

    /// Those at the places of `range`, counted from 0: shared, not copied.
    ///
    /// # Panics
    /// As a slice does, if the range is not within this one.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Entries {
        let start = match range.start_bound() {
            Bound::Included(&place) => place,
            Bound::Excluded(&place) => place.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&place) => place.saturating_add(1),
            Bound::Excluded(&place) => place,
            Bound::Unbounded => self.len(),
        };
        let len = self.len();
        assert!(
            start <= end && end <= len,
            "{start}..{end} is no range of {len} entries"
        );
        if start == end {
            return Entries::new();
        }
        Entries {
            batch: self.batch.clone(),
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }

    /// The same, for whoever keeps the part for long: copied if it is less than half of its batch, in memory,
    /// so that it keeps no more than as much again of what nobody needs. (What entries have in common, as
    /// payloads that came in one message have its bytes, it keeps anyway.)
    ///
    /// # Panics
    /// As a slice does, if the range is not within this one.
    #[inline]
    pub fn slice_to_keep(&self, range: impl RangeBounds<usize>) -> Entries {
        let part = self.slice(range);
        match &part.batch {
            Some(batch) if part.len() < batch.len() => part.copied_if_small(batch),
            _ => part,
        }
    }

    /// [`Entries::slice_to_keep`] of those from a place on, for who has no use for the others: a batch that is kept
    /// whole is handed over and not shared, which is two steps of its count less.
    #[inline]
    pub(crate) fn into_kept_from(self, place: usize) -> Entries {
        match &self.batch {
            Some(batch) if place == 0 && self.len() == batch.len() => self,
            _ => self.slice_to_keep(place..),
        }
    }

    #[inline(never)]
    fn copied_if_small(&self, batch: &[Entry]) -> Entries {
        match 2 * memory(self) < memory(batch) {
            true => self.iter().cloned().collect(),
            false => self.clone(),
        }
    }

    /// Keeps only the first so many, if there are more.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            *self = self.slice(..len);
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        *self = Entries::new();
    }

    /// Whether there is nothing to free, as always if there are none.
    pub(crate) fn owns_nothing(&self) -> bool {
        self.batch.is_none()
    }

    /// Whether both are the same entries in memory, and not only equal ones. Of two that are empty it says
    /// nothing.
    pub fn is_same(&self, other: &Entries) -> bool {
        std::ptr::eq(&**self, &**other)
    }

    fn of(batch: Arc<[Entry]>) -> Entries {
        let end = u32::try_from(batch.len()).expect("a batch has less than 2^32 entries");
        match end {
            0 => Entries::new(),
            _ => Entries {
                batch: Some(batch),
                start: 0,
                end,
            },
        }
    }
}

/// What entries take, in bytes.
fn memory(entries: &[Entry]) -> usize {
    let data: usize = entries.iter().map(|entry| entry.data.len()).sum();
    size_of_val(entries) + data
}

impl Deref for Entries {
    type Target = [Entry];

    #[inline]
    fn deref(&self) -> &[Entry] {
        match &self.batch {
            Some(batch) => &batch[self.start as usize..self.end as usize],
            None => &[],
        }
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(mut list: Vec<Entry>) -> Entries {
        Entries::take_from(&mut list)
    }
}

impl<const N: usize> From<[Entry; N]> for Entries {
    fn from(list: [Entry; N]) -> Entries {
        Entries::of(Arc::from(list))
    }
}

impl From<Entry> for Entries {
    fn from(entry: Entry) -> Entries {
        Entries::from([entry])
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(list: I) -> Entries {
        Entries::of(list.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter {
            entries: self,
            place: 0,
        }
    }
}

/// Clones of the entries, one after the other: others may share them.
#[derive(Clone, Debug)]
pub struct IntoIter {
    entries: Entries,
    place: usize,
}

impl Iterator for IntoIter {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let entry = self.entries.get(self.place)?.clone();
        self.place += 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.entries.len() - self.place;
        (left, Some(left))
    }
}

impl ExactSizeIterator for IntoIter {}
impl FusedIterator for IntoIter {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Entries) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl Eq for Entries {}

impl PartialEq<[Entry]> for Entries {
    fn eq(&self, other: &[Entry]) -> bool {
        **self == *other
    }
}

impl PartialEq<Vec<Entry>> for Entries {
    fn eq(&self, other: &Vec<Entry>) -> bool {
        **self == **other
    }
}

impl PartialEq<Entries> for Vec<Entry> {
    fn eq(&self, other: &Entries) -> bool {
        **self == **other
    }
}

impl<const N: usize> PartialEq<[Entry; N]> for Entries {
    fn eq(&self, other: &[Entry; N]) -> bool {
        **self == *other
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entries(count: u64) -> Vec<Entry> {
        let entry = |index| Entry {
            term: 1,
            index,
            data: Bytes::from(vec![index as u8; 3]),
            ..Entry::default()
        };
        (1..=count).map(entry).collect()
    }

    #[test]
    fn parts_share_the_entries() {
        let all = Entries::from(entries(5));
        let part = all.slice(1..4).slice(1..);
        assert_eq!(part, entries(5)[2..4].to_vec());
        assert!(std::ptr::eq(&part[0], &all[2]));
        assert!(all.slice(..).is_same(&all) && !part.is_same(&all));
        let mut first = all.clone();
        first.truncate(9);
        assert!(first.is_same(&all));
        first.truncate(2);
        assert!(first.is_same(&all.slice(..2)));
    }

    #[test]
    fn a_small_part_that_is_kept_does_not_keep_the_rest() {
        let all = Entries::from(entries(4));
        for shared in [0..4, 0..2, 1..3, 2..4, 0..3] {
            assert!(
                all.slice_to_keep(shared.clone())
                    .is_same(&all.slice(shared))
            );
        }
        for copied in [0..1, 3..4] {
            let part = all.slice_to_keep(copied.clone());
            assert_eq!(part, all.slice(copied.clone()));
            assert!(!part.is_same(&all.slice(copied)));
        }
        // What counts is the memory, and that of the whole batch.
        let mut list = entries(4);
        list[0].data = vec![0; 1000].into();
        let all = Entries::from(list);
        assert!(all.slice_to_keep(..1).is_same(&all.slice(..1)));
        let part = all.slice(1..);
        assert!(!part.slice_to_keep(..).is_same(&part));
        assert!(all.slice_to_keep(2..2).batch.is_none());
    }

    #[test]
    fn none_take_no_memory() {
        let all = Entries::from(entries(3));
        for none in [
            Entries::new(),
            Entries::from(Vec::new()),
            Entries::from([]),
            all.slice(2..2),
            std::iter::empty().collect(),
        ] {
            assert!(none.batch.is_none() && none.is_empty());
            assert_eq!(none, Entries::default());
            assert!(none.slice(..).is_empty());
        }
    }

    #[test]
    fn a_list_keeps_its_room() {
        let mut list = entries(3);
        let room = list.capacity();
        let taken = Entries::take_from(&mut list);
        assert_eq!(taken, entries(3));
        assert_eq!((list.len(), list.capacity()), (0, room));
    }

    #[test]
    fn by_value_they_are_cloned() {
        let all = Entries::from(entries(3));
        let mut one_by_one = all.clone().into_iter();
        assert_eq!(one_by_one.len(), 3);
        assert_eq!(one_by_one.next(), Some(all[0].clone()));
        assert_eq!(one_by_one.collect::<Vec<_>>(), all[1..]);
        assert_eq!(all.to_vec(), entries(3));
    }

    #[test]
    fn equality_is_that_of_the_entries() {
        assert_eq!(Entries::from(entries(2)), Entries::from(entries(2)));
        assert_ne!(Entries::from(entries(2)), Entries::from(entries(3)));
        assert!(!Entries::from(entries(2)).is_same(&Entries::from(entries(2))));
    }

    #[test]
    #[should_panic(expected = "2..4 is no range of 3 entries")]
    fn a_part_beyond_the_end_is_refused() {
        Entries::from(entries(3)).slice(2..4);
    }

    #[test]
    #[should_panic(expected = "is no range of 3 entries")]
    fn a_part_up_to_the_last_place_of_all_is_refused() {
        Entries::from(entries(3)).slice(..=usize::MAX);
    }
}
