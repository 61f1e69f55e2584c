//! `raft_bytes`, a view, and `raft_buffer`, bytes that a caller owns; and how input is checked.

use std::ops::Range;

use bytes::Bytes;
use libraft_core::codec::{self, PayloadBlock};

use crate::error::Failure;
use crate::status::RAFT_ERR_NULL;

/// A view of `len` bytes at `data`. It owns nothing. When `len` is 0, the library sets `data` to
/// NULL; where it is passed in, NULL and anything else mean the same, except for the payload of a
/// proposal and the name of a read: there NULL is the absence of it, which is encoded in fewer
/// bytes than an empty one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl raft_bytes {
    pub(crate) const EMPTY: raft_bytes = raft_bytes {
        data: std::ptr::null(),
        len: 0,
    };

    /// A view of `bytes`, which has to be valid only as long as they are.
    pub(crate) fn of(bytes: &[u8]) -> raft_bytes {
        match bytes.len() {
            0 => raft_bytes::EMPTY,
            len => raft_bytes {
                data: bytes.as_ptr(),
                len,
            },
        }
    }

    /// A view of what a buffer that stands at `base` has in this range.
    #[inline]
    pub(crate) fn at(base: *const u8, range: Range<usize>) -> raft_bytes {
        let len = range.end - range.start;
        let data = match len {
            0 => std::ptr::null(),
            _ => base.wrapping_add(range.start),
        };
        raft_bytes { data, len }
    }

    /// A part of these, of `len` bytes from `start` on.
    #[inline]
    pub(crate) fn part(self, start: usize, len: usize) -> raft_bytes {
        debug_assert!(start + len <= self.len, "a part is within the whole");
        raft_bytes::at(self.data, start..start + len)
    }

    /// The last ones.
    #[inline]
    pub(crate) fn last(self, len: usize) -> raft_bytes {
        self.part(self.len - len, len)
    }
}

/// Bytes that belong to the caller, who frees them with raft_buffer_free(). They never change, so
/// that any number of threads may read them.
pub struct raft_buffer(Vec<u8>);

export! {
    /// A view of a buffer's bytes. For NULL, an empty one.
    ///
    /// Memory: The view is borrowed from `buffer`, and valid until that is freed.
    ///
    /// Threads: Any.
    fn raft_buffer_bytes(buffer: *const raft_buffer) -> raft_bytes {
        // SAFETY: NULL, or a buffer that the caller has not freed.
        unsafe { buffer.as_ref() }.map_or(raft_bytes::EMPTY, |buffer| raft_bytes::of(&buffer.0))
    }
}

export! {
    /// Frees a buffer. NULL is ignored.
    ///
    /// Memory: `buffer` and the views of it are gone.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_buffer_free(buffer: *mut raft_buffer) {
        if !buffer.is_null() {
            // SAFETY: made by `raft_buffer::give`, and freed once: so asks the contract.
            drop(unsafe { Box::from_raw(buffer) });
        }
    }
}

impl raft_buffer {
    /// A buffer for the caller.
    pub(crate) fn give(bytes: Vec<u8>) -> *mut raft_buffer {
        Box::into_raw(Box::new(raft_buffer(bytes)))
    }
}

/// The elements that a caller passes as a pointer and a count.
///
/// # Safety
/// Unless `len` is 0, `data` is NULL or points to `len` elements that nobody changes while the
/// slice is in use.
#[inline]
pub(crate) unsafe fn slice<'a, T>(
    data: *const T,
    len: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    // A slice of more than isize::MAX bytes is undefined, and no object is that large: such a
    // length is a negative number gone wrong.
    let is_sound =
        !data.is_null() && data.is_aligned() && len <= isize::MAX as usize / size_of::<T>();
    if !is_sound {
        return Err(unsound(data.is_null(), data.is_aligned(), len, name));
    }
    // SAFETY: not NULL, aligned, not too large; the rest is this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// What is wrong with a caller's list, as the error says it.
#[cold]
#[inline(never)]
fn unsound(is_null: bool, is_aligned: bool, len: usize, name: &str) -> Failure {
    match (is_null, is_aligned) {
        (true, _) => Failure::new(
            RAFT_ERR_NULL,
            format!("{name} is NULL with a length of {len}"),
        ),
        (_, false) => {
            Failure::argument(format!("{name} is not aligned: pass an array of its type"))
        }
        _ => Failure::argument(format!(
            "the length {len} of {name} is larger than any object"
        )),
    }
}

/// A copy of a caller's bytes, since the core keeps what it is given.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn copied(data: *const u8, len: usize, name: &str) -> Result<Bytes, Failure> {
    // SAFETY: the same contract.
    unsafe { slice(data, len, name) }.map(codec::copied_payload)
}

/// The same for bytes that may be absent, which is what NULL says.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn copied_if_any(
    data: *const u8,
    len: usize,
    name: &str,
) -> Result<Option<Bytes>, Failure> {
    // SAFETY: the same contract.
    let copy = unsafe { copied(data, len, name) }?;
    Ok((!data.is_null()).then_some(copy))
}

/// The same for a payload that goes to a node's log.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn copied_to(
    payloads: &mut PayloadBlock,
    data: *const u8,
    len: usize,
    name: &str,
) -> Result<Option<Bytes>, Failure> {
    // SAFETY: the same contract.
    let payload = unsafe { slice(data, len, name) }?;
    Ok((!data.is_null()).then(|| payloads.copied(payload)))
}

/// Copies of a caller's list of byte strings.
///
/// # Safety
/// As for [`slice`], for the list and for each view in it.
pub(crate) unsafe fn copied_list(
    list: *const raft_bytes,
    len: usize,
    name: &str,
) -> Result<Vec<Bytes>, Failure> {
    // SAFETY: the same contract.
    let list = unsafe { slice(list, len, name) }?;
    list.iter()
        // SAFETY: the same contract, which includes each view.
        .map(|view| unsafe { copied(view.data, view.len, name) })
        .collect()
}
