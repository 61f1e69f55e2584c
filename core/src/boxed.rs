//! A place of 8 bytes for what is nearly always empty.
//!
//! A host may have ten thousand nodes that rest, and a list takes 24 bytes of each, or 32, even if it never
//! has anything in it.

use std::fmt;

/// A value that is made, in a box of its own, when it is first needed. Until then it counts as its default.
#[derive(Clone, Default)]
pub struct Boxed<T>(Option<Box<T>>);

impl<T: Default> Boxed<T> {
    /// A box with this.
    pub fn of(value: T) -> Boxed<T> {
        Boxed(Some(Box::new(value)))
    }

    /// What there is.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// The same for who needs one: makes it, if there is none.
    #[inline]
    pub fn make(&mut self) -> &mut T {
        self.0.get_or_insert_with(Boxed::made)
    }

    /// Apart, so that `make` is but a look where it is inlined.
    #[cold]
    #[inline(never)]
    fn made() -> Box<T> {
        Box::default()
    }

    /// Gives back the memory. What was there is gone.
    pub fn free(&mut self) {
        self.0 = None;
    }
}

impl<T: Default + PartialEq> From<T> for Boxed<T> {
    fn from(value: T) -> Boxed<T> {
        Boxed((value != T::default()).then(|| Box::new(value)))
    }
}

impl<T: Default + fmt::Debug> fmt::Debug for Boxed<T> {
    /// The value, or the default in its place: whoever tells nodes apart by this text finds those alike that
    /// do the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => value.fmt(f),
            None => T::default().fmt(f),
        }
    }
}
