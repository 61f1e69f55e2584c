//! Results that begin with their size, for which the caller has the memory: raft_node_status, raft_metrics.
//!
//! Such a struct grows at its end and nowhere else. A program sets `size` to what the struct was when it
//! was compiled, so that what it gets is the first so many bytes of what the struct is now: all that it
//! knows, and nothing beyond its memory. A `size` that is greater than the struct is of a program that
//! was compiled for a later version of the library. It would take fields for filled in that are not, so
//! it is refused.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::error::Failure;
use crate::status::RAFT_ERR_NULL;

/// A place for the first `size` bytes of a `T`.
#[derive(Debug)]
pub(crate) struct Place<T> {
    place: NonNull<T>,
    size: usize,
}

impl<T: Copy> Place<T> {
    /// Refuses NULL, and sizes that the struct has never had.
    ///
    /// # Safety
    /// `place` is NULL or points to as many bytes as its first field says, a `usize` that is set. It is
    /// aligned for a `T`, and nobody else uses it until [`Place::put`].
    pub(crate) unsafe fn check(place: *mut T) -> Result<Place<T>, Failure> {
        let place =
            NonNull::new(place).ok_or_else(|| Failure::new(RAFT_ERR_NULL, "out is NULL"))?;
        // SAFETY: not NULL, and it begins with a `usize`, by the contract.
        let size = unsafe { place.cast::<usize>().read() };
        let smallest = 2 * size_of::<usize>();
        // A struct's size is a multiple of its alignment, so that a size which was never set is likely
        // to be noticed.
        if !(smallest..=size_of::<T>()).contains(&size) || !size.is_multiple_of(align_of::<T>()) {
            return Err(Failure::argument(format!(
                "the size of out is {size}, and here it is {}: set it to sizeof *out; if that has been \
                 done, the program was compiled for another version of the library",
                size_of::<T>()
            )));
        }
        Ok(Place { place, size })
    }

    /// Writes as much of the value, which is made with the size that the caller has set, as the caller knows.
    pub(crate) fn put(self, make: impl FnOnce(usize) -> T) {
        let value = make(self.size);
        let from = (&raw const value).cast::<MaybeUninit<u8>>();
        // SAFETY: `size` is at most that of the value, and the caller has that many bytes, which no value
        // of ours overlaps. Bytes between fields need not have been set, which MaybeUninit allows for.
        unsafe { from.copy_to_nonoverlapping(self.place.as_ptr().cast(), self.size) };
    }
}
