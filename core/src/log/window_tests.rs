//! The window against a plain list of entries and the ends of its batches, under random operations.
//!
//! What it holds, and how much of that it drops, is compared after each of them, on a copy: a look makes a
//! batch of what has been gathered, and what follows is to begin without that as well.

use bytes::Bytes;
use proptest::prelude::*;

use super::window::{Budget, KEEP_CAPACITY, KEEP_GATHERED, Window, encoded_len};
use crate::entries::Entries;
use crate::types::{Entry, Index};

fn entry(index: Index, size: usize) -> Entry {
    Entry {
        term: 1,
        index,
        data: Bytes::from(vec![index as u8; size]),
        ..Entry::default()
    }
}

/// Entries from `first` on, with payloads of these sizes.
fn entries(first: Index, sizes: &[usize]) -> Vec<Entry> {
    (first..)
        .zip(sizes)
        .map(|(index, &size)| entry(index, size))
        .collect()
}

/// A window of these batches, from index 1 on, each entry with a payload of ten bytes.
fn window_of(batches: &[usize]) -> Window {
    let mut window = Window::at(1);
    for &len in batches {
        let next = window.next_index();
        window.push(entries(next, &vec![10; len]).into());
    }
    window
}

/// What may happen. Numbers are reduced to what is possible at that moment.
#[derive(Clone, Debug)]
enum Step {
    Gather(Vec<usize>),
    Push(Vec<usize>),
    /// From so many before the end on.
    Truncate(u64),
    /// So many, counted from the first one.
    Drop(u64),
    Evict {
        unwanted: u64,
        unneeded: u64,
        max_bytes: u64,
    },
    /// Somebody looks.
    Look,
    /// All that is held gives way to a log that goes on elsewhere.
    Restart(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let sizes = || proptest::collection::vec(0..30usize, 0..7);
    let step = prop_oneof![
        4 => sizes().prop_map(Gather),
        4 => sizes().prop_map(Push),
        2 => (0..12u64).prop_map(Truncate),
        2 => (0..12u64).prop_map(Drop),
        3 => (0..20u64, 0..20u64, 0..500u64)
            .prop_map(|(unwanted, unneeded, max_bytes)| Evict { unwanted, unneeded, max_bytes }),
        2 => Just(Look),
        1 => (1..40u64).prop_map(Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The definition.
#[derive(Debug)]
struct Model {
    first: Index,
    entries: Vec<Entry>,
    /// The index after the last one of each batch. What comes after the last batch is gathered.
    ends: Vec<Index>,
}

impl Model {
    fn next(&self) -> Index {
        self.first + self.entries.len() as u64
    }

    fn seal(&mut self) {
        if self.ends.last().copied().unwrap_or(self.first) < self.next() {
            self.ends.push(self.next());
        }
    }

    fn range(&self, low: Index, high: Index) -> &[Entry] {
        &self.entries[(low - self.first) as usize..(high - self.first) as usize]
    }

    /// The size of all batches.
    fn bytes(&self) -> u64 {
        let end = self.ends.last().copied().unwrap_or(self.first);
        encoded_len(self.range(self.first, end))
    }

    fn drop_below(&mut self, index: Index) {
        self.entries.drain(..(index - self.first) as usize);
        self.first = index;
        self.ends.retain(|&end| end > index);
    }

    fn truncate_from(&mut self, index: Index) {
        self.seal();
        self.entries
            .truncate(index.saturating_sub(self.first) as usize);
        self.first = self.first.min(index);
        let next = self.next();
        self.ends.retain(|&end| end <= next);
        self.seal();
    }

    fn evict(&mut self, wanted: Index, needed: Index, max_bytes: u64) {
        let index = wanted.min(needed);
        if index > self.first {
            self.drop_below(index);
        }
        while let Some(&end) = self.ends.first()
            && end <= needed
            && self.bytes() > max_bytes
        {
            self.drop_below(end);
        }
    }
}

fn compare(window: &Window, model: &Model) {
    assert_eq!(
        (window.first_index(), window.next_index()),
        (model.first, model.next())
    );
    assert_eq!(window.bytes(), model.bytes());
    let mut window = window.clone();
    assert_eq!(window.range(model.first, model.next()), model.entries);
    // All are in batches now.
    assert_eq!(window.bytes(), encoded_len(&model.entries));
    for low in model.first..=model.next() {
        for high in low..=model.next() {
            let all = model.range(low, high);
            assert_eq!(window.range(low, high), *all);
        }
        for max_bytes in [0, 15, 40, 100, 200, u64::MAX] {
            for taken in [None, Some(10)] {
                let all = model.range(low, model.next());
                compare_part(&mut window, all, low, max_bytes, taken);
            }
        }
    }
}

/// How much of `all`, which begins at `low`, fits into a budget, of which something has been taken or not.
fn compare_part(
    window: &mut Window,
    all: &[Entry],
    low: Index,
    max_bytes: u64,
    taken: Option<usize>,
) {
    let new = || {
        let mut budget = Budget::new(max_bytes);
        if let Some(size) = taken {
            assert!(budget.take(&entry(1, size)));
        }
        budget
    };
    let (mut one_by_one, mut at_once) = (new(), new());
    let fitting = all
        .iter()
        .take_while(|entry| one_by_one.take(entry))
        .count();
    let high = low + all.len() as u64;
    let part = window.range_within(low, high, &mut at_once);
    assert_eq!(part, all[..fitting]);
    assert_eq!(at_once.taken(), one_by_one.taken());
    // Nor does any entry that comes after one that does not fit.
    if fitting < all.len() {
        let more = window.range_within(low, high, &mut at_once);
        assert!(more.is_empty(), "{more:?}");
    }
}

proptest! {
    #[test]
    fn it_holds_what_a_list_holds(steps in steps()) {
        let mut window = Window::at(1);
        let mut model = Model { first: 1, entries: Vec::new(), ends: Vec::new() };
        for step in steps {
            let next = model.next();
            match step {
                Step::Gather(sizes) => {
                    let mut list = entries(next, &sizes);
                    model.entries.extend_from_slice(&list);
                    window.gather(&mut list);
                    prop_assert!(list.iter().all(|entry| *entry == Entry::default()));
                }
                Step::Push(sizes) => {
                    let list = entries(next, &sizes);
                    model.seal();
                    model.entries.extend_from_slice(&list);
                    model.seal();
                    window.push(list.into());
                }
                Step::Truncate(back) => {
                    let index = next.saturating_sub(back).max(1);
                    model.truncate_from(index);
                    window.truncate_from(index);
                }
                Step::Drop(count) => {
                    if count > 0 && next > model.first {
                        model.seal();
                    }
                    let index = (model.first + count).min(next);
                    model.drop_below(index);
                    // As if there were more: all goes.
                    window.drop_below(if index == next { next + 3 } else { index });
                    window.drop_below(index.saturating_sub(2));
                }
                Step::Evict { unwanted, unneeded, max_bytes } => {
                    let wanted = model.first + unwanted;
                    let gathered_from = model.ends.last().map_or(model.first, |&end| end);
                    let needed = (model.first + unneeded).min(gathered_from);
                    model.evict(wanted, needed, max_bytes);
                    window.evict(wanted, needed, max_bytes);
                    // What may go and takes more than that is a part of a batch, or not yet one.
                    let part_needed = model.ends.first().is_none_or(|&end| end > needed);
                    prop_assert!(part_needed || window.bytes() <= max_bytes);
                    prop_assert!(window.first_index() >= wanted.min(needed));
                }
                Step::Look => {
                    model.seal();
                    prop_assert_eq!(window.range(model.first, next), model.entries.clone());
                }
                Step::Restart(index) => {
                    window = Window::at(index);
                    model = Model { first: index, entries: Vec::new(), ends: Vec::new() };
                }
            }
            compare(&window, &model);
        }
    }
}

#[test]
fn a_batch_and_its_parts_are_shared() {
    let batch = Entries::from(entries(1, &[10; 8]));
    let mut window = Window::at(1);
    window.push(batch.clone());
    assert!(window.range(1, 9).is_same(&batch));
    assert!(window.range(3, 5).is_same(&batch.slice(2..4)));
    // As much as fits, and the first one even if it does not.
    let size = encoded_len(&batch[..1]);
    let part = window.range_within(2, 9, &mut Budget::new(3 * size));
    assert!(part.is_same(&batch.slice(1..4)));
    let part = window.range_within(2, 9, &mut Budget::new(0));
    assert!(part.is_same(&batch.slice(1..2)));
    // It is cut to that within one batch of several as well.
    window.push(entries(9, &[10; 2]).into());
    let part = window.range_within(2, 11, &mut Budget::new(3 * size));
    assert!(part.is_same(&batch.slice(1..4)));
    let part = window.range_within(2, 11, &mut Budget::new(8 * size));
    assert_eq!(part.len(), 8, "which two batches have");
}

#[test]
fn what_is_gathered_is_one_batch() {
    let mut window = Window::at(1);
    for index in 1..4 {
        window.gather(&mut [entry(index, 10)]);
    }
    assert_eq!((window.next_index(), window.bytes()), (4, 0));
    let copy = window.clone();
    let all = window.range(1, 4);
    assert!(window.range(1, 4).is_same(&all));
    window.push(vec![entry(4, 10)].into());
    assert!(window.range(1, 4).is_same(&all));
    // Somebody else's copy goes on from where it was.
    let mut copy = copy;
    copy.gather(&mut [entry(4, 20)]);
    assert_eq!(copy.range(1, 5), entries(1, &[10, 10, 10, 20]));
    assert_eq!(window.range(4, 5), [entry(4, 10)]);
}

#[test]
fn what_is_gathered_can_go_before_anybody_looks() {
    let mut window = window_of(&[2]);
    window.gather(&mut entries(3, &[10; 3]));
    window.truncate_from(4);
    assert_eq!(window.range(1, 4), entries(1, &[10; 3]));
    window.gather(&mut entries(4, &[10]));
    window.truncate_from(1);
    assert_eq!((window.first_index(), window.next_index()), (1, 1));
    window.gather(&mut entries(1, &[10; 3]));
    window.drop_below(3);
    assert_eq!((window.first_index(), window.next_index()), (3, 4));
    assert_eq!(window.bytes(), encoded_len(&[entry(3, 10)]));
}

#[test]
fn a_batch_of_which_a_part_is_needed_is_not_evicted() {
    let size = encoded_len(&[entry(1, 10)]);
    let mut window = window_of(&[2, 3, 2]);
    window.evict(0, 4, 0);
    assert_eq!((window.first_index(), window.bytes()), (3, 5 * size));
    window.evict(0, 6, 5 * size);
    assert_eq!(window.first_index(), 3, "there is room");
    window.evict(0, 6, 5 * size - 1);
    assert_eq!((window.first_index(), window.bytes()), (6, 2 * size));
}

#[test]
fn what_nobody_wants_is_evicted_whatever_room_there_is() {
    let mut window = window_of(&[2, 3, 2]);
    let size = encoded_len(&[entry(1, 10)]);
    // A part of a batch as well, so that it doesn't matter how entries are cut into batches.
    for (wanted, needed, first) in [(2, 8, 2), (5, 8, 5), (Index::MAX, 6, 6), (8, 8, 8)] {
        window.evict(wanted, needed, u64::MAX);
        assert_eq!(window.first_index(), first);
        assert_eq!(window.bytes(), (8 - first) * size);
        assert_eq!(
            window.range(first, 8),
            entries(first, &vec![10; 8 - first as usize])
        );
    }
}

#[test]
fn a_small_rest_of_a_batch_does_not_keep_it_in_memory() {
    let batch = Entries::from(entries(1, &[10; 8]));
    let window = || {
        let mut window = Window::at(1);
        window.push(batch.clone());
        window
    };
    let mut end = window();
    end.drop_below(5);
    assert!(end.range(5, 9).is_same(&batch.slice(4..)));
    end.drop_below(6);
    assert_eq!(end.range(6, 9), batch.slice(5..));
    assert!(!end.range(6, 9).is_same(&batch.slice(5..)));
    let mut start = window();
    start.truncate_from(5);
    assert!(start.range(1, 5).is_same(&batch.slice(..4)));
    start.truncate_from(4);
    assert_eq!(start.range(1, 4), batch.slice(..3));
    assert!(!start.range(1, 4).is_same(&batch.slice(..3)));
}

#[test]
fn memory_of_a_burst_is_given_back() {
    let mut window = window_of(&vec![1; 100_000]);
    window.drop_below(99_999);
    assert_eq!(window.bytes(), encoded_len(&entries(99_999, &[10; 2])));
    // By halves: not all of it is gone at once, but most after a few more.
    let halves = window.capacity();
    assert!(halves < 100_000);
    let mut dropped = 0;
    while window.capacity() > KEEP_CAPACITY {
        let next = window.next_index();
        window.push(vec![entry(next, 10)].into());
        window.drop_below(next);
        dropped += 1;
    }
    assert!(dropped <= 8, "{halves} to {KEEP_CAPACITY} took {dropped}");
}

#[test]
fn memory_of_what_was_gathered_is_given_back() {
    let mut window = Window::at(1);
    window.gather(&mut entries(1, &[0; KEEP_GATHERED + 1]));
    let next = window.next_index();
    assert_eq!(window.range(1, next).len(), KEEP_GATHERED + 1);
    assert_eq!(window.gathered_capacity(), 0);
    window.gather(&mut [entry(next, 0)]);
    assert_eq!(window.range(1, next + 1).len(), KEEP_GATHERED + 2);
    assert!((1..=KEEP_GATHERED).contains(&window.gathered_capacity()));
}
