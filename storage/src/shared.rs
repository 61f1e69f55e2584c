//! A list that takes 8 bytes as long as it is empty, and of which a copy is one more reference.

use std::ops::Deref;
use std::sync::Arc;

/// A list that the copies of an outline share until one of them changes it. Nothing is allocated for an empty
/// one, as that of the configuration changes nearly always is.
#[derive(Clone, Debug)]
pub(crate) struct Shared<T>(Option<Arc<Vec<T>>>);

impl<T: Clone> Shared<T> {
    /// The list, to be changed: it is copied, if others have it too.
    pub fn make_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Drops what the condition does not hold of, and the memory if that is all.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let list = self.make_mut();
        list.retain(keep);
        if list.is_empty() {
            self.0 = None;
        }
    }

    /// Whether both are the same list, and not only an equal one.
    pub fn is_same(&self, other: &Shared<T>) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared(None)
    }
}

impl<T> From<Vec<T>> for Shared<T> {
    fn from(list: Vec<T>) -> Shared<T> {
        Shared((!list.is_empty()).then(|| Arc::new(list)))
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Shared<T>) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Shared<T> {}
