//! Writing: short fields are put together on the stack and go into the buffer at once, behind the
//! length that is then known. So nothing is measured before it is written, but for the entries of an
//! append.

use std::ops::Range;

use prost::Message as _;
use prost::encoding::encoded_len_varint;

use super::*;
use crate::codec::message_to_proto;
use crate::message::{Body, Message};
use crate::types::{Entry, EntryKind, HardState};

/// Writes messages into one buffer, each behind its length as a varint, which is how a field of
/// another message holds them.
///
/// A leader's appends to its followers mostly have the same entries. Such a list is copied from where
/// it was last written: a few instructions for an entry in place of 80.
#[derive(Debug, Default)]
pub struct MessageWriter<'a> {
    last_entries: &'a [Entry],
    /// Where these are in the buffer.
    place: Range<usize>,
}

impl<'a> MessageWriter<'a> {
    /// Writes to the end of `out`, which is the same buffer each time and has only grown since the
    /// last time. Returns where the message begins, behind its length.
    pub fn put(&mut self, message: &'a Message, out: &mut Vec<u8>) -> usize {
        match Fields::of(&message.body) {
            Some(fields) => self.put_fields(&fields, message, out),
            None => {
                let message = message_to_proto(message);
                let len = message.encoded_len();
                prost::encoding::encode_varint(len as u64, out);
                message.encode_raw(out);
                out.len() - len
            }
        }
    }

    fn put_fields(&mut self, fields: &Fields<'a>, message: &Message, out: &mut Vec<u8>) -> usize {
        let mut head = Head::<MESSAGE>::new();
        fields.begin(message, &mut head);
        if fields.entries.is_empty() {
            fields.end(&mut head);
            let len = head.len() + fields.context.len();
            head.put_before(len);
            head.append_to(out);
            out.extend_from_slice(fields.context);
            return out.len() - len;
        }
        let mut tail = Head::<MESSAGE>::new();
        fields.end(&mut tail);
        let same = are_same(fields.entries, self.last_entries);
        let entries_len = match same {
            true => self.place.len(),
            false => entries_len(fields.entries),
        };
        let len = head.len() + entries_len + tail.len() + fields.context.len();
        head.put_before(len);
        out.reserve(Head::<MESSAGE>::ROOM + len);
        head.append_to(out);
        let place = out.len()..out.len() + entries_len;
        match same {
            true => out.extend_from_within(self.place.clone()),
            false => fields.put_entries(out),
        }
        debug_assert_eq!(out.len(), place.end, "the entries are as long as was said");
        (self.last_entries, self.place) = (fields.entries, place);
        tail.append_to(out);
        out.extend_from_slice(fields.context);
        out.len() - len
    }
}

/// Whether two lists are written alike, since they are the same in all and share their payloads.
fn are_same(one: &[Entry], other: &[Entry]) -> bool {
    let same = |(one, other): (&Entry, &Entry)| {
        one.index == other.index
            && one.term == other.term
            && one.kind == other.kind
            && one.explicit == other.explicit
            && std::ptr::eq(&*one.data, &*other.data)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// The bytes of a message alone.
pub fn encoded_message(message: &Message) -> Vec<u8> {
    let Some(fields) = Fields::of(&message.body) else {
        return message_to_proto(message).encode_to_vec();
    };
    let (mut head, mut tail) = (Head::<MESSAGE>::new(), Head::<MESSAGE>::new());
    fields.begin(message, &mut head);
    fields.end(&mut tail);
    let len = head.len() + entries_len(fields.entries) + tail.len() + fields.context.len();
    let mut out = Vec::with_capacity(len + Head::<MESSAGE>::ROOM);
    head.append_to(&mut out);
    fields.put_entries(&mut out);
    tail.append_to(&mut out);
    out.extend_from_slice(fields.context);
    out
}

/// What a hot message has beside its envelope, in the order in which it is written.
#[derive(Default)]
struct Fields<'a> {
    kind: u8,
    log_term: Option<u64>,
    index: Option<u64>,
    entries: &'a [Entry],
    commit: Option<u64>,
    context: &'a [u8],
}

impl Fields<'_> {
    /// None for a message that prost has to write.
    #[inline]
    fn of(body: &Body) -> Option<Fields<'_>> {
        Some(match body {
            Body::Propose {
                entries,
                ticket: None,
            } => Fields {
                kind: PROPOSE,
                entries,
                ..Fields::default()
            },
            Body::Append {
                prev,
                entries,
                commit,
            } => Fields {
                kind: APPEND,
                log_term: Some(prev.term),
                index: Some(prev.index),
                entries,
                commit: Some(*commit),
                ..Fields::default()
            },
            Body::Accept { index } => Fields {
                kind: ACCEPT,
                index: Some(*index),
                ..Fields::default()
            },
            Body::Heartbeat { commit, context } => Fields {
                kind: HEARTBEAT,
                commit: Some(*commit),
                context,
                ..Fields::default()
            },
            Body::HeartbeatResp { context } => Fields {
                kind: HEARTBEAT_RESP,
                context,
                ..Fields::default()
            },
            _ => return None,
        })
    }

    /// What comes before the entries.
    #[inline]
    fn begin(&self, message: &Message, head: &mut Head<MESSAGE>) {
        head.put(TYPE, u64::from(self.kind));
        head.put(TO, message.to);
        head.put(FROM, message.from);
        if message.term != 0 {
            head.put(TERM, message.term);
        }
        if let Some(log_term) = self.log_term {
            head.put(LOG_TERM, log_term);
        }
        if let Some(index) = self.index {
            head.put(INDEX, index);
        }
    }

    fn put_entries(&self, out: &mut Vec<u8>) {
        for entry in self.entries {
            out.push(ENTRIES);
            put_entry_delimited(entry, out);
        }
    }

    /// What comes behind the entries, up to the context's own bytes.
    fn end(&self, head: &mut Head<MESSAGE>) {
        if let Some(commit) = self.commit {
            head.put(COMMIT, commit);
        }
        if !self.context.is_empty() {
            head.put(CONTEXT, self.context.len() as u64);
        }
    }
}

/// The length of the fields that hold these entries.
fn entries_len(entries: &[Entry]) -> usize {
    let field = |entry| {
        let len = entry_len(entry);
        1 + encoded_len_varint(len as u64) + len
    };
    entries.iter().map(field).sum()
}

/// The length of an entry.
pub fn entry_len(entry: &Entry) -> usize {
    let varint_field = |value| 1 + encoded_len_varint(value);
    let (kind, placed, data) = entry_fields(entry);
    let mut len = 2 * usize::from(kind);
    if placed {
        len += varint_field(entry.term) + varint_field(entry.index);
    }
    if data {
        len += varint_field(entry.data.len() as u64) + entry.data.len();
    }
    len
}

/// Writes an entry behind its length, and says where it begins.
pub fn put_entry_delimited(entry: &Entry, out: &mut Vec<u8>) -> usize {
    let mut head = entry_head(entry);
    let len = head.len() + entry.data.len();
    head.put_before(len);
    head.append_to(out);
    out.extend_from_slice(&entry.data);
    out.len() - len
}

/// Writes an entry.
pub fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    entry_head(entry).append_to(out);
    out.extend_from_slice(&entry.data);
}

/// All of an entry but its data's own bytes, which are its last ones.
#[inline(always)]
fn entry_head(entry: &Entry) -> Head<ENTRY> {
    let (kind, placed, data) = entry_fields(entry);
    let mut head = Head::new();
    if kind {
        head.put(ENTRY_TYPE, entry.kind as u64);
    }
    if placed {
        head.put(ENTRY_TERM, entry.term);
        head.put(ENTRY_INDEX, entry.index);
    }
    if data {
        head.put(ENTRY_DATA, entry.data.len() as u64);
    }
    head
}

/// Whether an entry's kind, its place and its data are written. In a proposal it has no place yet.
#[inline]
fn entry_fields(entry: &Entry) -> (bool, bool, bool) {
    (
        entry.kind != EntryKind::Normal || entry.explicit.kind,
        entry.index != 0,
        !entry.data.is_empty() || entry.explicit.data,
    )
}

/// Writes a hard state, all of it, behind its length, and says where it begins.
pub fn put_hard_state_delimited(state: &HardState, out: &mut Vec<u8>) -> usize {
    let mut head = Head::<ENTRY>::new();
    head.put(HARD_STATE_TERM, state.term);
    head.put(HARD_STATE_VOTE, state.vote);
    head.put(HARD_STATE_COMMIT, state.commit);
    let len = head.len();
    head.put_before(len);
    head.append_to(out);
    out.len() - len
}

/// Fields of a few bytes each, and room before them for the length of the whole.
struct Head<const SIZE: usize> {
    bytes: [u8; SIZE],
    start: usize,
    end: usize,
}

/// What the longest varint takes.
const VARINT: usize = 10;
/// The sizes of a [`Head`]: for a message, a kind and seven varints with their keys; for an entry, a
/// kind and three (a hard state has but these). What is copied of it is [`Head::ROOM`], with the length before it.
const MESSAGE: usize = 2 * VARINT + 2 + 7 * (1 + VARINT);
const ENTRY: usize = 2 * VARINT + 2 + 3 * (1 + VARINT);

impl<const SIZE: usize> Head<SIZE> {
    /// The most that it can hold.
    const ROOM: usize = SIZE - VARINT;

    #[inline]
    fn new() -> Self {
        Head {
            bytes: [0; SIZE],
            start: VARINT,
            end: VARINT,
        }
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// Adds a field.
    #[inline]
    fn put(&mut self, key: u8, value: u64) {
        self.bytes[self.end] = key;
        self.end = put_varint(value, self.end + 1, &mut self.bytes);
    }

    /// Puts the length of the whole before the first field.
    #[inline]
    fn put_before(&mut self, len: usize) {
        self.start = VARINT - encoded_len_varint(len as u64);
        put_varint(len as u64, self.start, &mut self.bytes);
    }

    /// A constant number of bytes is copied, which takes a few wide instructions and no call, and what is
    /// too much of them is cut off again.
    #[inline]
    fn append_to(&self, out: &mut Vec<u8>) {
        let len = out.len() + self.len();
        out.extend_from_slice(&self.bytes[self.start..][..Self::ROOM]);
        out.truncate(len);
    }
}

/// Writes a varint at `at`, and says where it ends.
#[inline]
fn put_varint(mut value: u64, mut at: usize, bytes: &mut [u8]) -> usize {
    while value >= 0x80 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}
