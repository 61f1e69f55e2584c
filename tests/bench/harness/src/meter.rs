//! What is measured: time and allocations of the parts of a workload that count.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::alloc;

/// Adds up what the measured parts cost.
#[derive(Debug, Default)]
pub struct Meter {
    paused: bool,
    ops: u64,
    time: Duration,
    allocations: u64,
    allocated_bytes: u64,
}

impl Meter {
    /// At zero.
    pub fn new() -> Meter {
        Meter::default()
    }

    /// What follows is not measured.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// What follows is measured.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// Runs a part of a workload that does so many operations.
    pub fn measure(&mut self, ops: u64, part: impl FnOnce()) {
        if self.paused {
            return part();
        }
        let (count, bytes) = alloc::so_far();
        let begun = Instant::now();
        bench_measured(part);
        self.time += begun.elapsed();
        let (count_after, bytes_after) = alloc::so_far();
        self.allocations += count_after - count;
        self.allocated_bytes += bytes_after - bytes;
        self.ops += ops;
    }

    /// Operations so far.
    pub fn ops(&self) -> u64 {
        self.ops
    }

    /// Their time.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The fields of a JSON object.
    pub fn to_json(&self) -> String {
        format!(
            "\"ops\": {}, \"ns\": {}, \"allocations\": {}, \"allocated_bytes\": {}",
            self.ops,
            self.time.as_nanos(),
            self.allocations,
            self.allocated_bytes
        )
    }
}

/// The one function around everything that is measured: callgrind is told to count within it.
#[inline(never)]
fn bench_measured(part: impl FnOnce()) {
    part();
    black_box(());
}
