//! A whole log in one word: a byte for each entry, its mark, from the lowest byte on.
//!
//! A mark says the entry's term and what it brings. That is all that checks need, and with it
//! comparing logs is a few instructions.

use libraft_core::{Entry, EntryKind, Index, Term, codec};

/// The marks of the entries from index 1 on.
pub type Marks = u64;

/// So many entries fit in.
pub const MAX_ENTRIES: u64 = 8;
/// The highest term that a mark can have.
pub const MAX_TERM: Term = 7;

const EMPTY: u8 = 1;
const COMMAND: u8 = 2;
const LEAVE: u8 = 15;
const CHANGE: u8 = 16;

/// The mark of an entry; never 0. Commands and changes have their number as their only byte.
pub fn mark(entry: &Entry) -> u8 {
    let number = |data: &[u8]| data.first().map_or(0, |byte| byte & 7);
    let what = match entry.kind {
        EntryKind::Normal if entry.data.is_empty() => EMPTY,
        EntryKind::Normal => COMMAND + number(&entry.data),
        _ => match codec::conf_change_of(entry) {
            Ok(change) if !change.changes.is_empty() => CHANGE + number(&change.context),
            _ => LEAVE,
        },
    };
    assert!(entry.term <= MAX_TERM, "the bounds allow no such term");
    (entry.term as u8) << 5 | what
}

/// The term in a mark.
pub fn term(mark: u8) -> Term {
    Term::from(mark >> 5)
}

/// The mark at an index; 0 if there is none.
pub fn at(marks: Marks, index: Index) -> u8 {
    (marks >> (8 * (index - 1))) as u8
}

/// Puts an entry in place of all from its index on.
pub fn put(marks: Marks, index: Index, mark: u8) -> Marks {
    assert!(
        (1..=MAX_ENTRIES).contains(&index),
        "the bounds allow no such entry"
    );
    up_to(marks, index - 1) | u64::from(mark) << (8 * (index - 1))
}

/// Only the first entries.
pub fn up_to(marks: Marks, index: Index) -> Marks {
    match index {
        0 => 0,
        MAX_ENTRIES.. => marks,
        _ => marks & ((1 << (8 * index)) - 1),
    }
}

/// How many there are.
pub fn len(marks: Marks) -> Index {
    u64::from(64 - marks.leading_zeros()).div_ceil(8)
}

/// How many changes of the configuration come after an index.
pub fn changes_beyond(marks: Marks, index: Index) -> usize {
    let is_change = |index: &Index| at(marks, *index) & 31 >= LEAVE;
    (index + 1..=len(marks)).filter(is_change).count()
}

/// Log matching (paper §5.3): where both logs have an entry of the same term, they agree up to
/// there.
pub fn match_each_other(a: Marks, b: Marks) -> bool {
    let mut index = len(a).min(len(b));
    while index > 0 {
        if term(at(a, index)) == term(at(b, index)) {
            return up_to(a, index) == up_to(b, index);
        }
        index -= 1;
    }
    true
}

/// For people.
pub fn describe(marks: Marks) -> String {
    let words = (1..=len(marks)).map(|index| {
        let mark = at(marks, index);
        let what = match mark & 31 {
            EMPTY => "-".to_owned(),
            LEAVE => "leave".to_owned(),
            what if what >= CHANGE => format!("change{}", what - CHANGE),
            what => format!("command{}", what - COMMAND),
        };
        format!("{}:{what}", term(mark))
    });
    format!("[{}]", words.collect::<Vec<_>>().join(" "))
}

/// As a snapshot's data.
pub fn to_bytes(marks: Marks) -> Vec<u8> {
    marks.to_le_bytes().to_vec()
}

/// From a snapshot's data; the empty log for none.
pub fn from_bytes(data: &[u8]) -> Marks {
    <[u8; 8]>::try_from(data).map_or(0, u64::from_le_bytes)
}
