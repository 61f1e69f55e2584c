//! Copies of bytes that somebody else owns.

use bytes::Bytes;

/// A copy of `data`. A short one is in one allocation with its reference count, where
/// [`Bytes::copy_from_slice`] makes a second one as soon as the bytes are shared, which every payload
/// is: that is an allocation and 250 instructions less.
pub fn copied_payload(data: &[u8]) -> Bytes {
    // With the count of 8 bytes, these make up sizes that allocators have.
    match data.len() {
        0 => Bytes::new(),
        1..=31 => Short::<31>::of(data),
        32..=63 => Short::<63>::of(data),
        64..=127 => Short::<127>::of(data),
        128..=255 => Short::<255>::of(data),
        _ => Bytes::copy_from_slice(data),
    }
}

/// At most SIZE bytes.
struct Short<const SIZE: usize> {
    len: u8,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Short<SIZE> {
    #[inline]
    fn of(data: &[u8]) -> Bytes {
        let mut bytes = [0; SIZE];
        bytes[..data.len()].copy_from_slice(data);
        let len = data.len() as u8;
        Bytes::from_owner(Short { len, bytes })
    }
}

impl<const SIZE: usize> AsRef<[u8]> for Short<SIZE> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
