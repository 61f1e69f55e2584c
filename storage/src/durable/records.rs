//! How entries lie in the engine's table of the log.
//!
//! The entries of one append are one value, under the index of the first: a *chunk*. A chunk is
//! a sequence of records, and a record is the length of an encoded entry, its checksum, and its
//! bytes. Chunks follow each other without gaps; only the first one may begin before the log
//! does.

use bytes::Bytes;
use libraft_core::{Entry, Index, codec};

use crate::error::{Error, Result};

/// Larger appends are split, so that a read need not fetch all of them. The engine allocates
/// values in powers of two of its pages, and this plus its overhead stays below one.
pub(super) const CHUNK_BYTES: usize = 16 * 1024 - 256;

const HEAD: usize = 8;

/// The chunks for these entries, which are contiguous: the first index and the bytes of each.
pub(super) fn chunks(entries: &[Entry]) -> impl Iterator<Item = (Index, Vec<u8>)> {
    let mut rest = entries.iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.peek()?.index;
        let mut chunk = Vec::new();
        while let Some(entry) = rest.peek() {
            let len = HEAD + codec::entry_encoded_len(entry);
            if !chunk.is_empty() && chunk.len() + len > CHUNK_BYTES {
                break;
            }
            chunk.reserve(len);
            let encoded = codec::encode_entry(entry);
            chunk.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
            chunk.extend_from_slice(&crc32fast::hash(&encoded).to_le_bytes());
            chunk.extend_from_slice(&encoded);
            rest.next();
        }
        Some((first, chunk))
    })
}

/// How many bytes all of these chunks take.
pub(super) fn chunks_len(entries: &[Entry]) -> usize {
    let record = |entry| HEAD + codec::entry_encoded_len(entry);
    entries.iter().map(record).sum()
}

/// The bytes that the first `count` records of a chunk take.
pub(super) fn prefix_len(chunk: &[u8], count: u64) -> Result<usize> {
    let mut at = 0;
    for _ in 0..count {
        let (len, _) = head(chunk, at)?;
        at += HEAD + len;
    }
    if at > chunk.len() {
        return Err(cut_short());
    }
    Ok(at)
}

/// The encoded entry at some place of a chunk and the place after it, None at the end. Verifies
/// its checksum, and copies nothing.
pub(super) fn record(chunk: &Bytes, at: usize) -> Result<Option<(Bytes, usize)>> {
    if at == chunk.len() {
        return Ok(None);
    }
    let (len, checksum) = head(chunk, at)?;
    let end = at + HEAD + len;
    if end > chunk.len() {
        return Err(cut_short());
    }
    let encoded = chunk.slice(at + HEAD..end);
    if crc32fast::hash(&encoded) != checksum {
        return Err(Error::Corrupt(
            "an entry's checksum does not fit its bytes".to_owned(),
        ));
    }
    Ok(Some((encoded, end)))
}

fn head(chunk: &[u8], at: usize) -> Result<(usize, u32)> {
    let head = chunk.get(at..at + HEAD).ok_or_else(cut_short)?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Ok((number(0) as usize, number(4)))
}

fn cut_short() -> Error {
    Error::Corrupt("a chunk of entries ends in the middle of one".to_owned())
}
