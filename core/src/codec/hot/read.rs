//! Reading.

use bytes::Bytes;

use super::*;
use crate::codec::{PayloadBlock, copied_payload};
use crate::message::{Body, Message};
use crate::types::{Entry, EntryId, EntryKind, MAX_POSITION};

/// What payloads are made of.
pub trait Payloads {
    /// A part of the input that nobody keeps for long.
    fn brief(&self, part: &[u8]) -> Bytes;

    /// A part of the input that goes to the log, the only one.
    fn one(&mut self, part: &[u8]) -> Bytes;

    /// One of several such parts of `all`, of which more are to come. `copy` is for the payloads' own use.
    fn one_of_many(&mut self, part: &[u8], all: &[u8], copy: &mut Option<Bytes>) -> Bytes;
}

/// Counted bytes, of which payloads are slices.
#[derive(Debug)]
pub struct Shared<'a>(pub &'a Bytes);

impl Payloads for Shared<'_> {
    fn brief(&self, part: &[u8]) -> Bytes {
        self.0.slice_ref(part)
    }

    fn one(&mut self, part: &[u8]) -> Bytes {
        self.0.slice_ref(part)
    }

    fn one_of_many(&mut self, part: &[u8], _: &[u8], _: &mut Option<Bytes>) -> Bytes {
        self.0.slice_ref(part)
    }
}

/// Somebody else's bytes are copied here. Most messages have no payload, and cost no allocation.
impl Payloads for PayloadBlock {
    /// Not inlined, since it is rare and needs much of the stack.
    #[inline(never)]
    fn brief(&self, part: &[u8]) -> Bytes {
        copied_payload(part)
    }

    #[inline]
    fn one(&mut self, part: &[u8]) -> Bytes {
        self.copied(part)
    }

    /// What there is from the first payload on is copied as a whole, and payloads are slices of the copy.
    fn one_of_many(&mut self, part: &[u8], all: &[u8], copy: &mut Option<Bytes>) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        let at = part.as_ptr().addr() - all.as_ptr().addr();
        let copy = copy.get_or_insert_with(|| self.copied(&all[at..]));
        let at = at - (all.len() - copy.len());
        copy.slice(at..at + part.len())
    }
}

/// Reads a hot message. None for anything else, be it sound or not. Inlined, so that the message is put
/// where it is to be: 25 instructions less.
#[inline(always)]
pub fn read(input: &[u8], payloads: &mut impl Payloads) -> Option<Message> {
    let mut reader = Reader(input);
    let (mut kind, mut to, mut from, mut term) = (0, 0, 0, 0);
    let (mut id, mut index_given) = (EntryId::default(), false);
    if let Some(envelope) = reader.envelope() {
        // Nearly always: eight bytes at once, 45 instructions less.
        let [_, ids_and_term @ ..] = envelope;
        (kind, [to, from, term]) = (envelope[0], ids_and_term.map(u64::from));
    } else {
        if reader.is_at(TYPE) {
            kind = reader.byte()?;
        }
        if reader.is_at(TO) {
            to = reader.varint()?;
        }
        if reader.is_at(FROM) {
            from = reader.varint()?;
        }
        if reader.is_at(TERM) {
            term = reader.position()?;
        }
    }
    if reader.is_at(LOG_TERM) {
        id.term = reader.position()?;
    }
    if reader.is_at(INDEX) {
        id.index = reader.position()?;
        index_given = true;
    }
    // What comes then, each kind looks for itself: what it does not expect is left over.
    let body = match kind {
        ACCEPT if index_given => {
            reader.ended()?;
            Body::Accept { index: id.index }
        }
        APPEND => {
            let entries = reader.entries(payloads)?;
            let commit = reader.commit()?;
            reader.ended()?;
            Body::Append {
                prev: id,
                entries,
                commit,
            }
        }
        PROPOSE => {
            let entries = reader.entries(payloads)?;
            reader.ended()?;
            Body::Propose {
                entries,
                ticket: None,
            }
        }
        HEARTBEAT => {
            let commit = reader.commit()?;
            let context = reader.context()?;
            reader.ended()?;
            Body::Heartbeat {
                commit,
                context: brief(context, payloads),
            }
        }
        HEARTBEAT_RESP => {
            let context = reader.context()?;
            reader.ended()?;
            Body::HeartbeatResp {
                context: brief(context, payloads),
            }
        }
        _ => return None,
    };
    Some(Message {
        to,
        from,
        term,
        body,
    })
}

#[inline]
fn brief(context: &[u8], payloads: &impl Payloads) -> Bytes {
    match context {
        [] => Bytes::new(),
        context => payloads.brief(context),
    }
}

/// Reads an entry. None if prost has to.
pub fn read_entry(bytes: &Bytes) -> Option<Entry> {
    Reader(bytes).entry(|data| Shared(bytes).one(data))
}

/// What is left to read. Fields are asked for in ascending order, so that one that is not in its place
/// is left over at the end. Each method is None where prost has to go on.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The entries of a message, if there are any.
    #[inline]
    fn entries<List: FromIterator<Entry> + Default>(
        &mut self,
        payloads: &mut impl Payloads,
    ) -> Option<List> {
        match self.0.first() {
            Some(&ENTRIES) => {
                let (list, rest) = self.some_entries(payloads)?;
                *self = rest;
                Some(list)
            }
            _ => Some(List::default()),
        }
    }

    /// The entries, and what comes behind them. Not inlined, so that the other messages need few registers; by
    /// value, so that what is left to read is in them.
    #[inline(never)]
    fn some_entries<List: FromIterator<Entry>>(
        self,
        payloads: &mut impl Payloads,
    ) -> Option<(List, Reader<'a>)> {
        let mut rest = self;
        rest.is_at(ENTRIES);
        let first = rest.slice()?;
        if let Some(&ENTRIES) = rest.0.first() {
            return self.many_entries(payloads);
        }
        // Mostly it is one, which need not be counted.
        let entry = Reader(first).entry(|data| payloads.one(data))?;
        Some((std::iter::once(entry).collect(), rest))
    }

    /// The same for more than one. They are counted first, so that the list is allocated once and at its size.
    #[inline(never)]
    fn many_entries<List: FromIterator<Entry>>(
        mut self,
        payloads: &mut impl Payloads,
    ) -> Option<(List, Reader<'a>)> {
        let all = self.0;
        let (mut rest, mut count, mut copy) = (self, 0, None);
        while rest.is_at(ENTRIES) {
            rest.slice()?;
            count += 1;
        }
        let mut all_read = true;
        let mut next = |_: usize| {
            self.is_at(ENTRIES);
            let payload = |data: &[u8]| payloads.one_of_many(data, all, &mut copy);
            let entry = self.slice().and_then(|entry| Reader(entry).entry(payload));
            all_read &= entry.is_some();
            entry.unwrap_or_default()
        };
        let list = (0..count).map(&mut next).collect();
        all_read.then_some((list, rest))
    }

    /// The commit index, 0 if there is none.
    #[inline]
    fn commit(&mut self) -> Option<u64> {
        match self.is_at(COMMIT) {
            true => self.position(),
            false => Some(0),
        }
    }

    /// The context, which is empty if there is none.
    #[inline]
    fn context(&mut self) -> Option<&'a [u8]> {
        match self.is_at(CONTEXT) {
            true => self.slice(),
            false => Some(&[]),
        }
    }

    /// The four fields that messages begin with, if all are there and each has one byte.
    #[inline]
    fn envelope(&mut self) -> Option<[u8; 4]> {
        const KEYS: u64 = u64::from_le_bytes([TYPE, 0, TO, 0, FROM, 0, TERM, 0]);
        const ALL_OF_KEYS: u64 =
            u64::from_le_bytes([0xff, 0x80, 0xff, 0x80, 0xff, 0x80, 0xff, 0x80]);
        let (fields, rest) = self.0.split_first_chunk()?;
        // The values from the word as well, or else its bytes are read one by one: 10 instructions.
        let fields = u64::from_le_bytes(*fields);
        if fields & ALL_OF_KEYS != KEYS {
            return None;
        }
        self.0 = rest;
        Some([8, 24, 40, 56].map(|bits| (fields >> bits) as u8))
    }

    /// Whether the next field has this key, which is then behind us.
    #[inline]
    fn is_at(&mut self, key: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == key => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn ended(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// A varint of one byte.
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.varint()?).ok()
    }

    /// Ids, terms and lengths mostly have one byte, and positions few.
    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let low = |byte: &u8| u64::from(byte & 0x7f);
        match self.0 {
            [a, rest @ ..] if *a < 0x80 => {
                self.0 = rest;
                Some(u64::from(*a))
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                self.0 = rest;
                Some(low(a) | u64::from(*b) << 7)
            }
            [a, b, c, rest @ ..] if *c < 0x80 => {
                self.0 = rest;
                Some(low(a) | low(b) << 7 | u64::from(*c) << 14)
            }
            long => {
                let (value, rest) = long_varint(long)?;
                self.0 = rest;
                Some(value)
            }
        }
    }

    #[inline]
    fn position(&mut self) -> Option<u64> {
        self.varint().filter(|&position| position <= MAX_POSITION)
    }

    /// A field with a length.
    #[inline]
    fn slice(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (slice, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(slice)
    }

    #[inline]
    fn entry(&mut self, payload: impl FnOnce(&[u8]) -> Bytes) -> Option<Entry> {
        let mut entry = Entry::default();
        if self.is_at(ENTRY_TYPE) {
            entry.kind = match self.byte()? {
                0 => EntryKind::Normal,
                1 => EntryKind::ConfChange,
                2 => EntryKind::ConfChangeV2,
                _ => return None,
            };
            entry.explicit.kind = entry.kind == EntryKind::Normal;
        }
        if self.is_at(ENTRY_TERM) {
            entry.term = self.position()?;
        }
        if self.is_at(ENTRY_INDEX) {
            entry.index = self.position()?;
        }
        if self.is_at(ENTRY_DATA) {
            entry.data = payload(self.slice()?);
            entry.explicit.data = entry.data.is_empty();
        }
        self.ended()?;
        Some(entry)
    }
}

/// A varint, and what comes behind it. Not inlined, since it is rare and there are many places for it.
#[inline(never)]
fn long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    // Nine bytes have 63 bits; longer ones are prost's.
    for (at, &byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
