//! The content of a file in memory. Copies share their pages until these change, for tests copy
//! files thousands of times.

use std::sync::Arc;

const PAGE: usize = 4096;

/// The bytes; those of the last page that are beyond the end are zero.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pages: Vec<Arc<[u8; PAGE]>>,
    len: usize,
}

impl Content {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(self.pages.len() * PAGE);
        for page in &self.pages {
            bytes.extend_from_slice(&page[..]);
        }
        bytes.truncate(self.len);
        bytes
    }

    /// Lengthens it by zeros, or cuts it.
    pub fn set_len(&mut self, len: usize) {
        let zeros = Arc::new([0; PAGE]);
        self.pages.resize(len.div_ceil(PAGE), zeros);
        if len < self.len && !len.is_multiple_of(PAGE) {
            let last = self.pages.last_mut().expect("a page with the last byte");
            Arc::make_mut(last)[len % PAGE..].fill(0);
        }
        self.len = len;
    }

    /// Whether there are so many bytes to read.
    pub fn read(&self, mut at: usize, mut out: &mut [u8]) -> bool {
        if at + out.len() > self.len {
            return false;
        }
        while !out.is_empty() {
            let len = out.len().min(PAGE - at % PAGE);
            let (now, later) = out.split_at_mut(len);
            now.copy_from_slice(&self.pages[at / PAGE][at % PAGE..][..len]);
            (out, at) = (later, at + len);
        }
        true
    }

    pub fn write(&mut self, mut at: usize, mut data: &[u8]) {
        if at + data.len() > self.len {
            self.set_len(at + data.len());
        }
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(PAGE - at % PAGE));
            let page = Arc::make_mut(&mut self.pages[at / PAGE]);
            page[at % PAGE..][..now.len()].copy_from_slice(now);
            (data, at) = (later, at + now.len());
        }
    }

    /// Flips bits of a byte.
    pub fn flip(&mut self, at: usize, bits: u8) {
        Arc::make_mut(&mut self.pages[at / PAGE])[at % PAGE] ^= bits;
    }
}
