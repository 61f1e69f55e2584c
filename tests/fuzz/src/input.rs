//! An input as a source of decisions. When it has run out, all further ones are the simplest.

use arbitrary::{Arbitrary, Unstructured};

/// The bytes that are left.
#[derive(Debug)]
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(Unstructured::new(bytes))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn any<T: Arbitrary<'a> + Default>(&mut self) -> T {
        self.0.arbitrary().unwrap_or_default()
    }

    pub fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn byte(&mut self) -> u8 {
        self.any()
    }

    /// One of `[0, end)`, which is not empty.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0..=256 => usize::from(self.byte()) % end.max(1),
            _ => self.any::<u32>() as usize % end,
        }
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == one_in - 1
    }

    pub fn choose<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// So many of the bytes, or as many as are left.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let len = len.min(self.0.len());
        self.0.bytes(len).unwrap_or_default()
    }

    /// A short piece, preceded by its length.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.bytes(len)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let len = self.0.len();
        self.bytes(len)
    }

    /// A number near one of these, or near the end of what a number can be, or any.
    pub fn number_near(&mut self, places: &[u64]) -> u64 {
        let choice = self.byte();
        match choice {
            0..=15 => u64::from(choice),
            16..=223 => {
                let place = places.get(usize::from(choice >> 3) % places.len().max(1));
                let delta = u64::from(choice & 7);
                place.map_or(delta, |place| place.wrapping_add(delta).wrapping_sub(3))
            }
            224..=231 => u64::MAX - u64::from(choice & 7),
            232..=239 => (i64::MAX as u64).wrapping_add(u64::from(choice & 7)) - 3,
            240..=247 => u64::from(u32::MAX) + u64::from(choice & 7) - 3,
            _ => self.any(),
        }
    }
}
