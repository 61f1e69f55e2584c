//! Copies of bytes that somebody else owns.

use bytes::Bytes;

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
