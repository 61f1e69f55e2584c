//! Writing, straight into the buffer, which has room for as much as the short fields can take: one look for all
//! of them.

use std::ops::Range;

use prost::Message as _;
use prost::encoding::encoded_len_varint;

use super::*;
use crate::codec::{Buffer, message_to_proto};
use crate::message::{Body, Message};
use crate::types::{Entry, EntryKind, HardState};

/// Writes messages into one buffer, each behind its length as a varint, which is how a field of
/// another message holds them.
///
/// A leader's appends to its followers mostly have the same entries, which are those that it has to store.
/// Such a list is copied from where it was last written: a few instructions for an entry in place of 50. If
/// the recipient is all that differs, the message is copied as a whole: 80 instructions in place of 100 for one
/// without entries, and of 180 for one with a short entry.
#[derive(Debug, Default)]
pub struct MessageWriter<'a> {
    last_entries: &'a [Entry],
    /// Where these are in the buffer.
    place: Range<usize>,
    last_append: Option<Written<'a>>,
}

/// A message that has been written.
#[derive(Debug)]
struct Written<'a> {
    message: &'a Message,
    /// Where it is, with its length.
    place: Range<usize>,
    /// Where it begins, behind its length.
    start: usize,
}

impl<'a> MessageWriter<'a> {
    /// A writer for messages behind these entries, which are in the buffer already: they stand at `place` as
    /// fields of any number below 16.
    pub fn behind(entries: &'a [Entry], place: Range<usize>) -> MessageWriter<'a> {
        MessageWriter {
            last_entries: entries,
            place,
            ..MessageWriter::default()
        }
    }

    /// Writes to the end of `out`, which is the same buffer each time and has only grown since the
    /// last time. Returns where the message begins, behind its length. Inlined where a Ready is written, or
    /// else each message is 30 instructions more.
    #[inline(always)]
    pub fn put(&mut self, message: &'a Message, out: &mut Buffer) -> usize {
        let before = out.len();
        if let Some(last) = &self.last_append
            && differ_in_recipient(message, last.message)
        {
            let start = before + last.start - last.place.start;
            out.extend_from_within(last.place.clone());
            out.written()[start + TO_AT] = message.to as u8;
            return start;
        }
        let short = Fields::with(
            &message.body,
            #[inline(always)]
            |fields| fields.put_short(message, out),
        );
        let start = match short {
            Some(true) => before + 1,
            Some(false) => self.put_long(message, out),
            None => return put_by_prost(message, out),
        };
        if matches!(message.body, Body::Append { .. }) {
            self.last_append = Some(Written {
                message,
                place: before..out.len(),
                start,
            });
        }
        start
    }

    /// Writes a message that is not short. Apart, and the fields found once more, so that the other messages
    /// need few registers.
    #[inline(never)]
    fn put_long(&mut self, message: &'a Message, out: &mut Buffer) -> usize {
        let before = out.len();
        let fields = Fields::of(&message.body).unwrap_or_default();
        let same = are_same(fields.entries, self.last_entries);
        let entries_len = match same {
            true => self.place.len(),
            false => entries_len(fields.entries),
        };
        let bound = MESSAGE + entries_len + fields.context.len();
        let room = room_of_len(bound, || fields.len_without_entries(message) + entries_len);
        let mut short = Short::<MESSAGE>::behind(room, out);
        fields.begin(message, &mut short);
        let len = short.len;
        out.wrote(len);
        out.reserve(entries_len + MESSAGE);
        let place = out.len()..out.len() + entries_len;
        match same {
            true => {
                out.extend_from_within(self.place.clone());
                set_keys(&mut out.written()[place.clone()], ENTRIES);
            }
            false => fields.put_entries(out),
        }
        debug_assert_eq!(out.len(), place.end, "the entries are as long as was said");
        if !fields.entries.is_empty() {
            (self.last_entries, self.place) = (fields.entries, place);
        }
        let mut short = Short::<MESSAGE>::behind(0, out);
        fields.end(&mut short);
        let len = short.len;
        out.wrote(len);
        out.extend(fields.context);
        put_len(out, before, room)
    }
}

/// Makes fields with a length those of another number.
fn set_keys(mut fields: &mut [u8], key: u8) {
    while let [first, rest @ ..] = fields {
        *first = key;
        let (mut len, mut at) = (0, 0);
        for byte in rest.iter().take(VARINT) {
            len |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if *byte < 0x80 {
                break;
            }
        }
        fields = rest.get_mut(at + len..).unwrap_or_default();
    }
}

#[inline(never)]
fn put_by_prost(message: &Message, out: &mut Buffer) -> usize {
    out.put_delimited(&message_to_proto(message)).start
}

/// Where the recipient is in a message: behind the type, which is of one byte, and both keys.
const TO_AT: usize = 3;

/// Whether two appends are written alike but for the recipient, which takes one byte in both.
#[inline]
fn differ_in_recipient(one: &Message, other: &Message) -> bool {
    let bodies = (&one.body, &other.body);
    let (
        Body::Append {
            prev,
            entries,
            commit,
        },
        Body::Append {
            prev: other_prev,
            entries: other_entries,
            commit: other_commit,
        },
    ) = bodies
    else {
        return false;
    };
    one.to < 0x80
        && other.to < 0x80
        && one.from == other.from
        && one.term == other.term
        && prev == other_prev
        && commit == other_commit
        && (entries.is_empty() && other_entries.is_empty() || are_same(entries, other_entries))
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
    // Nearly always the same batch, or another one.
    let is_same = || std::ptr::eq(one, other) || one.iter().zip(other).all(same);
    !one.is_empty() && one.len() == other.len() && is_same()
}

/// The bytes of a message alone.
pub fn encoded_message(message: &Message) -> Vec<u8> {
    let Some(fields) = Fields::of(&message.body) else {
        return message_to_proto(message).encode_to_vec();
    };
    let len = fields.len_without_entries(message) + entries_len(fields.entries);
    let mut out = Buffer::with_room(len + MESSAGE);
    let mut short = Short::<MESSAGE>::behind(0, &mut out);
    fields.begin(message, &mut short);
    let len = short.len;
    out.wrote(len);
    fields.put_entries(&mut out);
    let mut short = Short::<MESSAGE>::behind(0, &mut out);
    fields.end(&mut short);
    let len = short.len;
    out.wrote(len);
    out.extend(fields.context);
    out.into()
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
    fn of(body: &Body) -> Option<Fields<'_>> {
        Fields::with(body, |fields| fields)
    }

    /// Gives them to `then`, which is compiled for each kind of message apart, and asks for nothing that the kind
    /// decides: 20 instructions less.
    #[inline(always)]
    fn with<'a, T>(body: &'a Body, then: impl FnOnce(Fields<'a>) -> T) -> Option<T> {
        Some(match body {
            Body::Propose {
                entries,
                ticket: None,
            } => then(Fields {
                kind: PROPOSE,
                entries,
                ..Fields::default()
            }),
            Body::Append {
                prev,
                entries,
                commit,
            } => then(Fields {
                kind: APPEND,
                log_term: Some(prev.term),
                index: Some(prev.index),
                entries,
                commit: Some(*commit),
                ..Fields::default()
            }),
            Body::Accept { index } => then(Fields {
                kind: ACCEPT,
                index: Some(*index),
                ..Fields::default()
            }),
            Body::Heartbeat { commit, context } => then(Fields {
                kind: HEARTBEAT,
                commit: Some(*commit),
                context,
                ..Fields::default()
            }),
            Body::HeartbeatResp { context } => then(Fields {
                kind: HEARTBEAT_RESP,
                context,
                ..Fields::default()
            }),
            _ => return None,
        })
    }

    /// Writes a message of less than 128 bytes, whose length then takes one: with neither a context nor an entry, or
    /// with one entry that has little data. Says whether it is such a message; for another one, nothing is
    /// written.
    #[inline(always)]
    fn put_short(self, message: &Message, out: &mut Buffer) -> bool {
        match self.entries {
            _ if !self.context.is_empty() => false,
            [] => {
                let mut short = Short::<MESSAGE>::behind(1, out);
                self.begin(message, &mut short);
                self.end(&mut short);
                let len = short.with_its_len();
                out.wrote(len);
                len > 0
            }
            [entry] if entry.data.len() <= SHORT_DATA => {
                let mut short = Short::<{ MESSAGE + ENTRY + SHORT_DATA }>::behind(1, out);
                self.begin(message, &mut short);
                short.entry(&[ENTRIES], entry);
                self.end(&mut short);
                let len = short.with_its_len();
                out.wrote(len);
                len > 0
            }
            _ => false,
        }
    }

    #[inline]
    fn len_without_entries(&self, message: &Message) -> usize {
        let context = match self.context.len() {
            0 => 0,
            len => field_len(len as u64) + len,
        };
        2 + field_len(message.to)
            + field_len(message.from)
            + if message.term != 0 {
                field_len(message.term)
            } else {
                0
            }
            + self.log_term.map_or(0, field_len)
            + self.index.map_or(0, field_len)
            + self.commit.map_or(0, field_len)
            + context
    }

    /// What comes before the entries.
    #[inline(always)]
    fn begin<const SIZE: usize>(&self, message: &Message, short: &mut Short<'_, SIZE>) {
        let (kind, to, from, term) = (self.kind, message.to, message.from, message.term);
        if (to | from | term) < 1 << 7 && term != 0 {
            // Nearly always: eight bytes at once, 30 instructions less.
            short.envelope([u64::from(kind), to, from, term]);
        } else {
            short.put(TYPE, u64::from(kind));
            short.put(TO, to);
            short.put(FROM, from);
            if term != 0 {
                short.put(TERM, term);
            }
        }
        if let Some(log_term) = self.log_term {
            short.put(LOG_TERM, log_term);
        }
        if let Some(index) = self.index {
            short.put(INDEX, index);
        }
    }

    fn put_entries(&self, out: &mut Buffer) {
        put_entries(self.entries, ENTRIES >> 3, out, |_, _| {});
    }

    /// What comes behind the entries, up to the context's own bytes.
    #[inline(always)]
    fn end<const SIZE: usize>(&self, short: &mut Short<'_, SIZE>) {
        if let Some(commit) = self.commit {
            short.put(COMMIT, commit);
        }
        if !self.context.is_empty() {
            short.put(CONTEXT, self.context.len() as u64);
        }
    }
}

/// The length of the fields that hold these entries.
fn entries_len(entries: &[Entry]) -> usize {
    let field = |entry| {
        let len = entry_len(entry);
        field_len(len as u64) + len
    };
    entries.iter().map(field).sum()
}

/// The length of an entry.
#[inline]
pub fn entry_len(entry: &Entry) -> usize {
    let (kind, placed, data) = entry_fields(entry);
    let mut len = 2 * usize::from(kind);
    if placed {
        len += field_len(entry.term) + field_len(entry.index);
    }
    if data {
        len += field_len(entry.data.len() as u64) + entry.data.len();
    }
    len
}

/// The length of a field with this number, or of what comes before the bytes of one that has so many.
#[inline]
fn field_len(value: u64) -> usize {
    1 + encoded_len_varint(value)
}

/// Writes an entry behind its length, and says where it begins.
pub fn put_entry_delimited(entry: &Entry, out: &mut Buffer) -> usize {
    put_entry_behind(&[], entry, out)
}

/// Writes entries as fields of this number, below 16, and tells `each` where each one begins and ends.
/// Inlined, so that what `each` does is done with numbers that are in registers.
#[inline]
pub fn put_entries(
    entries: &[Entry],
    number: u8,
    out: &mut Buffer,
    mut each: impl FnMut(&Entry, Range<usize>),
) {
    for entry in entries {
        let start = put_entry_behind(&[key(number, 2)], entry, out);
        each(entry, start..out.len());
    }
}

/// Writes these bytes, an entry's length and the entry, and says where that begins.
#[inline(always)]
fn put_entry_behind<const N: usize>(head: &[u8; N], entry: &Entry, out: &mut Buffer) -> usize {
    let start = out.len() + N;
    if entry.data.len() <= SHORT_DATA {
        let mut short = Short::<{ ENTRY + SHORT_DATA }>::behind(0, out);
        short.entry(head, entry);
        let len = short.len;
        out.wrote(len);
        return start + 1;
    }
    let room = room_of_len(entry.data.len() + ENTRY, || entry_len(entry));
    let mut short = Short::<ENTRY>::behind(N + room, out);
    short.bytes[..N].copy_from_slice(head);
    short.entry_fields(entry);
    let len = short.len;
    out.wrote(len);
    out.extend(&entry.data);
    put_len(out, start, room)
}

/// The bytes of an entry alone.
pub fn encoded_entry(entry: &Entry) -> Vec<u8> {
    let mut out = Buffer::with_room(ENTRY + entry.data.len());
    let mut short = Short::<ENTRY>::behind(0, &mut out);
    short.entry_fields(entry);
    let len = short.len;
    out.wrote(len);
    out.extend(&entry.data);
    out.into()
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
#[inline]
pub fn put_hard_state_delimited(state: &HardState, out: &mut Buffer) -> usize {
    let start = out.len();
    let mut short = Short::<ENTRY>::behind(1, out);
    short.put(HARD_STATE_TERM, state.term);
    short.put(HARD_STATE_VOTE, state.vote);
    short.put(HARD_STATE_COMMIT, state.commit);
    // Three numbers take less than 128 bytes.
    let len = short.with_its_len();
    debug_assert!(len > 0, "a hard state is short");
    out.wrote(len);
    start + 1
}

/// How many bytes the length of something takes that has at most `bound` bytes. Nearly always one, so that
/// the length is written when it is known, and need not be computed before: a third of the instructions
/// that a message without entries costs.
#[inline]
fn room_of_len(bound: usize, len: impl FnOnce() -> usize) -> usize {
    match bound < 0x80 {
        true => 1,
        false => room_of_long(len()),
    }
}

/// Not inlined, since it is rare.
#[cold]
#[inline(never)]
fn room_of_long(len: usize) -> usize {
    encoded_len_varint(len as u64)
}

/// Writes the length of what stands at the end of `out`, into the `room` that was left for it at
/// `start`. Returns where what it is the length of begins.
#[inline]
fn put_len(out: &mut Buffer, start: usize, room: usize) -> usize {
    let begin = start + room;
    let len = out.len() - begin;
    debug_assert_eq!(
        encoded_len_varint(len as u64),
        room,
        "the length has its room"
    );
    match room {
        1 => out.written()[start] = len as u8,
        _ => {
            long_varint(out.written(), start, len as u64);
        }
    }
    begin
}

/// Fields of a few bytes each, on their way into a buffer. What writes them is inlined, or else the
/// length is in memory and not in a register, which takes twice the instructions.
struct Short<'a, const SIZE: usize> {
    bytes: &'a mut [u8; SIZE],
    len: usize,
}

/// What the longest varint takes.
const VARINT: usize = 10;
/// What the length and the short fields of a message take at most, a kind and seven varints; and what is
/// written beyond the last of them, see [`Short::put`].
const MESSAGE: usize = VARINT + 2 + 7 * (1 + VARINT) + 3;
/// The same for an entry, its key, a kind and three varints; a hard state has these three.
const ENTRY: usize = 1 + VARINT + 2 + 3 * (1 + VARINT) + 3;
/// Data of up to so many bytes is written together with the short fields: 60 instructions less.
const SHORT_DATA: usize = 32;

impl<'a, const SIZE: usize> Short<'a, SIZE> {
    /// At the end of a buffer, behind so many bytes that are written later, SIZE bytes at most in all. Where they end
    /// is said to [`Buffer::wrote`].
    #[inline(always)]
    fn behind(len: usize, out: &'a mut Buffer) -> Short<'a, SIZE> {
        let bytes = out.end();
        Short { bytes, len }
    }

    /// Writes the length of all that is behind the first byte there, and says how many bytes that makes; none
    /// if it takes more than one byte.
    #[inline(always)]
    fn with_its_len(self) -> usize {
        let len = self.len - 1;
        self.bytes[0] = len as u8;
        if len < 0x80 { self.len } else { 0 }
    }

    /// An entry with little data, behind these bytes and its length.
    #[inline(always)]
    fn entry<const N: usize>(&mut self, head: &[u8; N], entry: &Entry) {
        let start = self.len + N;
        self.bytes[self.len..start].copy_from_slice(head);
        // All of it has less than 128 bytes.
        self.len = start + 1;
        self.entry_fields(entry);
        self.data(&entry.data);
        self.bytes[start] = (self.len - start - 1) as u8;
    }

    /// All of an entry but its data's own bytes, which are its last ones.
    #[inline(always)]
    fn entry_fields(&mut self, entry: &Entry) {
        let (kind, placed, data) = entry_fields(entry);
        if kind {
            self.put(ENTRY_TYPE, entry.kind as u64);
        }
        if placed {
            self.put(ENTRY_TERM, entry.term);
            self.put(ENTRY_INDEX, entry.index);
        }
        if data {
            self.put(ENTRY_DATA, entry.data.len() as u64);
        }
    }

    /// A field that is a number. One of up to 21 bits is written together with its key, as one word of
    /// which the next field covers what is too much: at most 12 instructions in place of 25.
    #[inline(always)]
    fn put(&mut self, key: u8, value: u64) {
        let key = u32::from(key);
        if value < 1 << 7 {
            self.word(key | (value as u32) << 8, 2);
        } else if value < 1 << 21 {
            let value = value as u32;
            let is_long = u32::from(value >= 1 << 14);
            let bytes = value & 0x7f
                | (value & 0x3f80) << 1
                | (value & 0x1f_c000) << 2
                | 0x80
                | is_long << 15;
            self.word(key | bytes << 8, 3 + is_long as usize);
        } else {
            self.bytes[self.len] = key as u8;
            self.len = long_varint(self.bytes, self.len + 1, value);
        }
    }

    /// The four fields that messages begin with, if each has one byte.
    #[inline(always)]
    fn envelope(&mut self, [kind, to, from, term]: [u64; 4]) {
        const KEYS: u64 = u64::from_le_bytes([TYPE, 0, TO, 0, FROM, 0, TERM, 0]);
        let fields = KEYS | kind << 8 | to << 24 | from << 40 | term << 56;
        self.bytes[self.len..self.len + 8].copy_from_slice(&fields.to_le_bytes());
        self.len += 8;
    }

    /// Writes up to SHORT_DATA bytes: usual ones as their first and their last half, which overlap.
    #[inline(always)]
    fn data(&mut self, data: &[u8]) {
        const HALF: usize = SHORT_DATA / 2;
        let place = &mut self.bytes[self.len..self.len + data.len()];
        match (data.first_chunk::<HALF>(), data.last_chunk::<HALF>()) {
            (Some(first), Some(last)) => {
                let end = data.len() - HALF;
                place[..HALF].copy_from_slice(first);
                place[end..].copy_from_slice(last);
            }
            _ => place.copy_from_slice(data),
        }
        self.len += data.len();
    }

    /// Writes four bytes, of which `len` count.
    #[inline(always)]
    fn word(&mut self, word: u32, len: usize) {
        self.bytes[self.len..self.len + 4].copy_from_slice(&word.to_le_bytes());
        self.len += len;
    }
}

/// Writes a varint at `at`, and says where it ends. Not inlined, since it is rare and there are many places
/// for it.
#[inline(never)]
fn long_varint(bytes: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}
