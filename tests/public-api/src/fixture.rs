//! A crate for the tests of `main.rs`, in which something is missing if they ask for that.

/// Has methods.
pub struct Node;

impl Node {
    /// Is missing in one version.
    #[cfg(not(without_a_function))]
    pub fn campaign(&mut self) {}

    /// Has an argument more in another.
    #[cfg(not(with_another_signature))]
    pub fn tick(&mut self) {}

    /// Has an argument more in another.
    #[cfg(with_another_signature)]
    pub fn tick(&mut self, times: u64) {
        let _ = times;
    }

    /// Not for programs.
    #[doc(hidden)]
    pub fn secret(&self) {}
}
