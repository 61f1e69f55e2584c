//! The appends on their way to one member: a sliding window, bounded in messages and bytes.

use std::collections::VecDeque;

use crate::types::Index;

/// How much may be on its way to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightLimits {
    /// Messages; none at all can be sent if this is 0.
    pub messages: usize,
    /// Payload bytes. The message that reaches the limit is still sent.
    pub bytes: u64,
}

impl InflightLimits {
    /// As the settings say it: 0 bytes stand for no limit.
    pub fn new(messages: u32, bytes: u64) -> InflightLimits {
        InflightLimits {
            messages: messages as usize,
            bytes: match bytes {
                0 => u64::MAX,
                limit => limit,
            },
        }
    }
}

/// The last index and the size of each append on its way, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Inflights {
    window: VecDeque<(Index, u64)>,
    bytes: u64,
}

impl Inflights {
    /// Notes an append that ends with `last_index`. Call it only while the window is not full.
    pub fn add(&mut self, last_index: Index, bytes: u64) {
        debug_assert!(
            self.window
                .back()
                .is_none_or(|&(last, _)| last <= last_index),
            "appends leave in the order of the log"
        );
        self.window.push_back((last_index, bytes));
        self.bytes += bytes;
    }

    /// Forgets all appends that end at or below `index`: they have arrived.
    pub fn free_up_to(&mut self, index: Index) {
        while let Some(&(last, bytes)) = self.window.front() {
            if last > index {
                break;
            }
            self.window.pop_front();
            self.bytes -= bytes;
        }
    }

    /// Whether nothing more may be sent.
    pub fn is_full(&self, limits: InflightLimits) -> bool {
        self.window.len() >= limits.messages || self.bytes >= limits.bytes
    }

    /// The number of appends on their way.
    pub fn count(&self) -> usize {
        self.window.len()
    }

    /// The payload bytes on their way.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
