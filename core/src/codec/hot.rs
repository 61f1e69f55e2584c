//! The messages of steady state and their entries, between our types and their bytes without a
//! detour over prost's.
//!
//! The writer's bytes are prost's, and so is what the reader makes of them: a test says so for
//! all that it is given. The reader knows only what writers usually write, fields in ascending order
//! and none of them unusual; anything else it leaves to prost, so that there is one place that
//! decides what is an error. For an append of one entry that saves 2,700 instructions of the 3,300 that
//! it takes to write and to read it.

use bytes::Bytes;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::message::{Body, Message};
use crate::types::{Entry, EntryId, EntryKind, Explicit, MAX_POSITION};

// Types of messages.
const PROPOSE: u8 = 2;
const APPEND: u8 = 3;
const ACCEPT: u8 = 4;
const HEARTBEAT: u8 = 8;
const HEARTBEAT_RESP: u8 = 9;

/// A field's key: its number, and whether it is a varint (0) or has a length (2).
const fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

const TYPE: u8 = key(1, 0);
const TO: u8 = key(2, 0);
const FROM: u8 = key(3, 0);
const TERM: u8 = key(4, 0);
const LOG_TERM: u8 = key(5, 0);
const INDEX: u8 = key(6, 0);
const ENTRIES: u8 = key(7, 2);
const COMMIT: u8 = key(8, 0);
const CONTEXT: u8 = key(12, 2);

const ENTRY_TYPE: u8 = key(1, 0);
const ENTRY_TERM: u8 = key(2, 0);
const ENTRY_INDEX: u8 = key(3, 0);
const ENTRY_DATA: u8 = key(4, 2);

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

    fn len(&self, message: &Message) -> usize {
        let entry = |entry| field_len(entry_len(entry));
        2 + varint_len(Some(message.to))
            + varint_len(Some(message.from))
            + varint_len(present(message.term))
            + varint_len(self.log_term)
            + varint_len(self.index)
            + self.entries.iter().map(entry).sum::<usize>()
            + varint_len(self.commit)
            + match self.context.len() {
                0 => 0,
                len => field_len(len),
            }
    }

    fn write(&self, message: &Message, out: &mut Vec<u8>) {
        out.extend_from_slice(&[TYPE, self.kind]);
        put(TO, Some(message.to), out);
        put(FROM, Some(message.from), out);
        put(TERM, present(message.term), out);
        put(LOG_TERM, self.log_term, out);
        put(INDEX, self.index, out);
        for entry in self.entries {
            put(ENTRIES, Some(entry_len(entry) as u64), out);
            write_entry(entry, out);
        }
        put(COMMIT, self.commit, out);
        if !self.context.is_empty() {
            put(CONTEXT, Some(self.context.len() as u64), out);
            out.extend_from_slice(self.context);
        }
    }
}

/// Writes a message behind its length, and says where it begins. Returns None, and writes nothing,
/// for one that is not hot.
pub fn write_delimited(message: &Message, out: &mut Vec<u8>) -> Option<usize> {
    let fields = Fields::of(&message.body)?;
    let len = fields.len(message);
    encode_varint(len as u64, out);
    let start = out.len();
    fields.write(message, out);
    debug_assert_eq!(
        out.len(),
        start + len,
        "the length is what it was said to be"
    );
    Some(start)
}

/// The bytes of a message; None for one that is not hot.
pub fn write(message: &Message) -> Option<Vec<u8>> {
    let fields = Fields::of(&message.body)?;
    let mut out = Vec::with_capacity(fields.len(message));
    fields.write(message, &mut out);
    Some(out)
}

/// The length of an entry.
pub fn entry_len(entry: &Entry) -> usize {
    let (kind, place, data) = entry_fields(entry);
    let place = place.map_or(0, |id| {
        varint_len(Some(id.term)) + varint_len(Some(id.index))
    });
    2 * usize::from(kind) + place + if data { field_len(entry.data.len()) } else { 0 }
}

/// Writes an entry.
pub fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let (kind, place, data) = entry_fields(entry);
    if kind {
        out.extend_from_slice(&[ENTRY_TYPE, entry.kind as u8]);
    }
    if let Some(id) = place {
        put(ENTRY_TERM, Some(id.term), out);
        put(ENTRY_INDEX, Some(id.index), out);
    }
    if data {
        put(ENTRY_DATA, Some(entry.data.len() as u64), out);
        out.extend_from_slice(&entry.data);
    }
}

/// Whether an entry's kind, its place and its data are written. In a proposal it has no place yet.
fn entry_fields(entry: &Entry) -> (bool, Option<EntryId>, bool) {
    (
        entry.kind != EntryKind::Normal || entry.explicit.kind,
        (entry.index != 0).then(|| entry.id()),
        !entry.data.is_empty() || entry.explicit.data,
    )
}

fn present(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

fn varint_len(value: Option<u64>) -> usize {
    value.map_or(0, |value| 1 + encoded_len_varint(value))
}

fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn put(key: u8, value: Option<u64>, out: &mut Vec<u8>) {
    let Some(mut value) = value else {
        return;
    };
    // On the stack first: to grow the list byte by byte is a test for room at each.
    let mut bytes = [0; 11];
    bytes[0] = key;
    let mut len = 1;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    out.extend_from_slice(&bytes[..=len]);
}

/// Reads a hot message. None for anything else, be it sound or not.
pub fn read(bytes: &Bytes) -> Option<Message> {
    let mut reader = Reader::of(bytes);
    let (mut kind, mut to, mut from, mut term) = (0, 0, 0, 0);
    let (mut id, mut index_given, mut commit) = (EntryId::default(), false, 0);
    let (mut entries, mut context) = (Vec::new(), Bytes::new());
    while let Some(key) = reader.next_key(ENTRIES)? {
        match key {
            TYPE => kind = reader.byte()?,
            TO => to = reader.varint()?,
            FROM => from = reader.varint()?,
            TERM => term = reader.position()?,
            LOG_TERM => id.term = reader.position()?,
            INDEX => {
                id.index = reader.position()?;
                index_given = true;
            }
            ENTRIES => {
                let mut entry = reader.slice()?;
                if entries.is_empty() {
                    // The others are usually as long.
                    let more = reader.left() / (entry.left() + 2);
                    entries.reserve(1 + more.min(1024));
                }
                entries.push(entry.entry()?);
            }
            COMMIT => commit = reader.position()?,
            CONTEXT => context = reader.slice()?.rest(),
            _ => return None,
        }
    }
    let body = match kind {
        PROPOSE => Body::Propose {
            entries,
            ticket: None,
        },
        APPEND => Body::Append {
            prev: id,
            entries,
            commit,
        },
        ACCEPT if index_given => Body::Accept { index: id.index },
        HEARTBEAT => Body::Heartbeat { commit, context },
        HEARTBEAT_RESP => Body::HeartbeatResp { context },
        _ => return None,
    };
    Some(Message {
        to,
        from,
        term,
        body,
    })
}

/// Reads an entry. None if prost has to.
pub fn read_entry(bytes: &Bytes) -> Option<Entry> {
    Reader::of(bytes).entry()
}

/// A place in some bytes, and where to stop. Each method is None where prost has to go on.
struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    end: usize,
    last_key: u8,
}

impl<'a> Reader<'a> {
    fn of(bytes: &'a Bytes) -> Reader<'a> {
        Reader {
            bytes,
            at: 0,
            end: bytes.len(),
            last_key: 0,
        }
    }

    fn left(&self) -> usize {
        self.end - self.at
    }

    /// The next field's key, if there is one; above the last one's, or `repeated`.
    fn next_key(&mut self, repeated: u8) -> Option<Option<u8>> {
        if self.at == self.end {
            return Some(None);
        }
        let key = self.bytes[self.at];
        self.at += 1;
        let in_order = key > self.last_key || (key == repeated && key == self.last_key);
        self.last_key = key;
        in_order.then_some(Some(key))
    }

    /// A varint of one byte.
    fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.varint()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        // Nine bytes have 63 bits; longer ones are prost's.
        for (shift, &byte) in (0..63).step_by(7).zip(&self.bytes[self.at..self.end]) {
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn position(&mut self) -> Option<u64> {
        self.varint().filter(|&position| position <= MAX_POSITION)
    }

    /// A field with a length.
    fn slice(&mut self) -> Option<Reader<'a>> {
        let len = usize::try_from(self.varint()?).ok()?;
        if len > self.left() {
            return None;
        }
        let at = self.at;
        self.at += len;
        Some(Reader {
            bytes: self.bytes,
            at,
            end: self.at,
            last_key: 0,
        })
    }

    /// All that is left, not copied.
    fn rest(self) -> Bytes {
        self.bytes.slice(self.at..self.end)
    }

    fn entry(&mut self) -> Option<Entry> {
        let mut entry = Entry::default();
        // No field of an entry is repeated.
        while let Some(key) = self.next_key(0)? {
            match key {
                ENTRY_TYPE => {
                    entry.kind = match self.byte()? {
                        0 => EntryKind::Normal,
                        1 => EntryKind::ConfChange,
                        2 => EntryKind::ConfChangeV2,
                        _ => return None,
                    };
                    entry.explicit.kind = entry.kind == EntryKind::Normal;
                }
                ENTRY_TERM => entry.term = self.position()?,
                ENTRY_INDEX => entry.index = self.position()?,
                ENTRY_DATA => {
                    entry.data = self.slice()?.rest();
                    entry.explicit = Explicit {
                        data: entry.data.is_empty(),
                        ..entry.explicit
                    };
                }
                _ => return None,
            }
        }
        Some(entry)
    }
}
