//! Sums that tell two runs, two entries or two messages apart. Not for anybody with bad intentions.

use libraft_core::{Entry, codec};

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One number out of two.
pub fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ b.rotate_left(29) ^ 0x51ab_3f07_c2d1_e8b5) * u128::from(ODD);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A sum in the making.
#[derive(Clone, Copy, Debug)]
pub struct Mix(u64);

impl Mix {
    pub fn new(first: u64) -> Mix {
        Mix(mix(first, 1))
    }

    pub fn and(self, number: u64) -> Mix {
        Mix(mix(self.0, number))
    }

    pub fn and_bytes(self, bytes: &[u8]) -> Mix {
        let mut sum = self.and(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            sum = sum.and(u64::from_le_bytes(word));
        }
        sum
    }

    pub fn and_entries(self, entries: &[Entry]) -> Mix {
        let mut sum = self.and(entries.len() as u64);
        for entry in entries {
            let size = codec::entry_encoded_len(entry) as u64;
            sum = sum.and(entry.term).and(entry.index).and(size);
        }
        sum
    }

    pub fn end(self) -> u64 {
        self.0
    }
}

/// The sum of what an entry is for, its place apart. Large payloads count by both ends.
pub fn content(entry: &Entry) -> u64 {
    let data = &entry.data[..];
    let sum = Mix::new(entry.kind as u64).and(data.len() as u64);
    match data.len() {
        0..=64 => sum.and_bytes(data).end(),
        len => sum
            .and_bytes(&data[..32])
            .and_bytes(&data[len - 32..])
            .end(),
    }
}
