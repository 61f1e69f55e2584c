//! What a node promises itself, votes and acknowledgements of its own entries, until its host has written it.

use crate::boxed::Boxed;
use crate::types::{Index, Term};

/// Promises of a node to itself, its votes and acknowledgements, in the order in which they were made:
/// it may count on its own log and vote no earlier than others may.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct OwnPromises {
    /// The first one, if there is any. Nearly always it is the only one, and as a message like any other it
    /// would cost 300 instructions.
    first: Option<OwnPromise>,
    /// Those after it.
    others: Boxed<Vec<OwnPromise>>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPromise {
    /// The term of the message that it is.
    pub term: Term,
    /// What is promised.
    pub what: Promise,
}

/// What a node promises itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The log is on stable storage up to an index.
    Accept(Index),
    /// The node votes for itself.
    Vote {
        /// That it would, that is.
        pre: bool,
    },
}

impl OwnPromises {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.get().map_or(0, Vec::len)
    }

    /// Adds one.
    #[inline]
    pub fn push(&mut self, promise: OwnPromise) {
        match self.first {
            None => self.first = Some(promise),
            Some(_) => self.push_other(promise),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_other(&mut self, promise: OwnPromise) {
        self.others.make().push(promise);
    }

    /// Takes the first one out. The others are to be taken next.
    pub fn take_first(&mut self) -> Option<OwnPromise> {
        self.first.take()
    }

    /// Takes the others out. The list keeps its room.
    pub fn drain_others(&mut self) -> impl Iterator<Item = OwnPromise> {
        let others = self.others.get_mut().into_iter();
        others.flat_map(|others| others.drain(..))
    }

    /// Makes the last one, if it is an acknowledgement of this term, one of everything up to `index`.
    /// Returns whether it is.
    pub fn extend_accept(&mut self, of: Term, index: Index) -> bool {
        let others = self.others.get_mut();
        let last = others.and_then(|others| others.last_mut());
        match last.or(self.first.as_mut()) {
            Some(OwnPromise {
                term,
                what: Promise::Accept(accepted),
            }) if *term == of => {
                *accepted = index;
                true
            }
            _ => false,
        }
    }

    /// Moves those of another list here, where there are none.
    pub fn take(&mut self, from: &mut OwnPromises) {
        debug_assert!(self.is_empty());
        self.first = from.first.take();
        if from.others.get().is_some() {
            std::mem::swap(&mut self.others, &mut from.others);
        }
    }

    /// Forgets them. The list keeps its room.
    pub fn clear(&mut self) {
        self.first = None;
        if let Some(others) = self.others.get_mut() {
            others.clear();
        }
    }
}
