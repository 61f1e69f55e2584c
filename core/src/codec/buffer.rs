//! What encodings are written to.

use std::ops::Range;

/// Bytes that are written one behind the other. The room for those to come is there already and has a value, so
/// that a few of them are put where they belong: a `Vec` takes 20 instructions more each time, to look at its room,
/// to clear what it is made longer by, and to be cut off behind what has been written.
#[derive(Debug, Default)]
pub struct Buffer {
    /// What has been written, and room.
    bytes: Vec<u8>,
    /// How many bytes have been written.
    len: usize,
}

impl Buffer {
    /// The least room that is made.
    const LEAST: usize = 256;

    /// An empty one, with room for so many bytes.
    pub fn with_room(room: usize) -> Buffer {
        Buffer {
            bytes: vec![0; room],
            len: 0,
        }
    }

    /// How many bytes have been written.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none have.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes there are, written or not. As long as that stays, what was written stays where it is.
    #[inline]
    pub fn room(&self) -> usize {
        self.bytes.len()
    }

    /// Where the bytes are. What is written afterwards can be read by way of it, too, as long as there is room.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    /// What has been written.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets what has been written, and keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets what has been written, and gives back what room there is beyond this.
    pub fn shrink_to(&mut self, room: usize) {
        self.len = 0;
        self.bytes.truncate(room);
        self.bytes.shrink_to_fit();
    }

    /// Writes a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        *self.end() = [byte];
        self.wrote(1);
    }

    /// Writes bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Writes a message behind its length, as a field of this number, which is below 16. Returns where the
    /// message itself lies.
    pub fn put_field(&mut self, number: u8, message: &impl prost::Message) -> Range<usize> {
        debug_assert!(number < 16, "the key takes one byte");
        self.push(number << 3 | 2);
        self.put_delimited(message)
    }

    /// The same without the field's number.
    pub(super) fn put_delimited(&mut self, message: &impl prost::Message) -> Range<usize> {
        let len = message.encoded_len();
        self.reserve(prost::length_delimiter_len(len) + len);
        let mut room = &mut self.bytes[self.len..];
        let before = room.len();
        prost::encoding::encode_varint(len as u64, &mut room);
        let start = self.len + before - room.len();
        message.encode_raw(&mut room);
        self.len = start + len;
        start..self.len
    }

    /// Writes once more what stands there.
    #[inline]
    pub(super) fn extend_from_within(&mut self, range: Range<usize>) {
        self.reserve(range.len());
        let len = range.len();
        self.bytes.copy_within(range, self.len);
        self.len += len;
    }

    /// The next SIZE bytes, for what is written where it is to be; [`Buffer::wrote`] is told how much that was.
    #[inline(always)]
    pub(super) fn end<const SIZE: usize>(&mut self) -> &mut [u8; SIZE] {
        let end = self.len + SIZE;
        if end > self.bytes.len() {
            return self.grown_end();
        }
        let end = self.bytes[self.len..end].first_chunk_mut();
        end.expect("a range of this size")
    }

    #[cold]
    #[inline(never)]
    fn grown_end<const SIZE: usize>(&mut self) -> &mut [u8; SIZE] {
        self.grow(SIZE);
        self.end()
    }

    /// So many bytes more have been written.
    #[inline(always)]
    pub(super) fn wrote(&mut self, len: usize) {
        self.len += len;
    }

    /// What has been written, to be changed.
    #[inline]
    pub(super) fn written(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// Sees that so many bytes more have room.
    #[inline]
    pub(super) fn reserve(&mut self, more: usize) {
        if self.bytes.len() - self.len < more {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let room = (self.len + more).max(2 * self.len).max(Buffer::LEAST);
        self.bytes.resize(room, 0);
    }
}

/// What is there has been written.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Buffer {
        let len = bytes.len();
        Buffer { bytes, len }
    }
}

impl From<Buffer> for Vec<u8> {
    fn from(buffer: Buffer) -> Vec<u8> {
        let Buffer { mut bytes, len } = buffer;
        bytes.truncate(len);
        bytes
    }
}
