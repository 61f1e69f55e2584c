//! Copies of bytes that somebody else owns.

use bytes::{Bytes, BytesMut};

/// A copy of `data`. A short one is in one allocation with its reference count, where
/// [`Bytes::copy_from_slice`] makes a second one as soon as the bytes are shared, which every payload
/// is: that is an allocation and 250 instructions less.
pub fn copied_payload(data: &[u8]) -> Bytes {
    // With the count of 8 bytes, these make up sizes that allocators have.
    match data.len() {
        0 => Bytes::new(),
        1..=7 => Short::<15>::of(data, |bytes| bytes[..data.len()].copy_from_slice(data)),
        8..=15 => Short::<15>::of(data, |bytes| copy_in_two::<8>(data, bytes)),
        16..=31 => Short::<31>::of(data, |bytes| copy_in_two::<16>(data, bytes)),
        32..=63 => Short::<63>::of(data, |bytes| copy_in_two::<32>(data, bytes)),
        64..=127 => Short::<127>::of(data, |bytes| copy_in_two::<64>(data, bytes)),
        128..=255 => Short::<255>::of(data, |bytes| copy_in_two::<128>(data, bytes)),
        _ => Bytes::copy_from_slice(data),
    }
}

/// Copies `HALF` to twice as many bytes to where `bytes` begins: the first ones, and the last ones, which
/// overlap. Both have a fixed length, so that it takes ten instructions in place of the 60 of calls.
#[inline]
fn copy_in_two<const HALF: usize>(data: &[u8], bytes: &mut [u8]) {
    let last = data.len() - HALF;
    bytes[..HALF].copy_from_slice(&data[..HALF]);
    bytes[last..last + HALF].copy_from_slice(&data[last..]);
}

/// At most SIZE bytes.
struct Short<const SIZE: usize> {
    len: u8,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Short<SIZE> {
    #[inline]
    fn of(data: &[u8], copy: impl FnOnce(&mut [u8])) -> Bytes {
        let mut bytes = [0; SIZE];
        copy(&mut bytes);
        let len = data.len() as u8;
        Bytes::from_owner(Short { len, bytes })
    }
}

impl<const SIZE: usize> AsRef<[u8]> for Short<SIZE> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Where the short payloads of a node are copied to: into blocks, one behind the other. In place of an
/// allocation for each, which is held until the log is compacted and then comes back from cold memory, that
/// is one for a hundred: 130 instructions and two cache misses less for a payload of 16 bytes.
///
/// A payload keeps its block in memory, so it is for payloads that go to the log, and for nothing else: these
/// come and go in order, so that what is kept is whole blocks, and a part of one at either end. What comes in
/// vain (an append that is repeated, a proposal that is passed on) leaves gaps. At the worst each entry that is
/// kept holds a block of its own, 2 KiB; a payload that came with others in a message holds that
/// message's bytes as well.
///
/// Blocks grow with what they are for: none is larger than all that has been copied before it. So a group that
/// has had few commands holds at most twice their payloads, and a node that has had none nothing; what is left of
/// the last block stays.
#[derive(Debug, Default)]
pub struct PayloadBlock {
    /// What is left of the last block.
    room: BytesMut,
    /// How many bytes of short payloads were copied.
    copied: u64,
}

impl PayloadBlock {
    /// How many bytes a short payload has at most. Longer ones have allocations of their own.
    pub const SHORT: usize = 255;
    /// The size of the smallest block.
    const FIRST: u64 = 256;
    /// The size of the largest block.
    const LARGEST: u64 = 2048;

    /// A copy of `data`.
    #[inline]
    pub fn copied(&mut self, data: &[u8]) -> Bytes {
        if data.is_empty() || data.len() > self.room.capacity().min(Self::SHORT) {
            return self.copied_elsewhere(data);
        }
        self.copied += data.len() as u64;
        self.room.extend_from_slice(data);
        self.room.split().freeze()
    }

    /// A copy of what does not fit into the block.
    #[inline(never)]
    fn copied_elsewhere(&mut self, data: &[u8]) -> Bytes {
        if data.is_empty() || data.len() > Self::SHORT {
            return copied_payload(data);
        }
        if self.copied < Self::FIRST {
            self.copied += data.len() as u64;
            return copied_payload(data);
        }
        self.room = BytesMut::with_capacity(self.copied.min(Self::LARGEST) as usize);
        self.copied(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hundred_payloads_are_one_block() {
        let mut block = PayloadBlock::default();
        let last = (0..1000).map(|_| block.copied(&[7; 16])).last();
        let (before, room) = (last.unwrap(), block.room.capacity());
        let next = block.copied(&[8; 16]);
        assert_eq!(next.as_ptr().addr(), before.as_ptr().addr() + 16);
        assert_eq!(block.room.capacity(), room - 16);
    }

    proptest! {
        #[test]
        fn no_block_is_larger_than_all_that_was_copied_before(
            lens in proptest::collection::vec(0..400_usize, 0..200),
        ) {
            let mut block = PayloadBlock::default();
            let mut copied = 0;
            for len in lens {
                let room = block.room.capacity();
                block.copied(&vec![0; len]);
                let held = block.room.capacity();
                let size = if held > room { held + len } else { held };
                prop_assert!(size <= copied.min(PayloadBlock::LARGEST as usize), "{} {}", size, copied);
                copied += len;
            }
        }

        #[test]
        fn payloads_in_blocks_are_the_same(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..100),
        ) {
            let mut block = PayloadBlock::default();
            let copies: Vec<Bytes> = payloads.iter().map(|payload| block.copied(payload)).collect();
            prop_assert_eq!(&copies, &payloads);
            drop(block);
            prop_assert_eq!(copies, payloads);
        }
    }
}
