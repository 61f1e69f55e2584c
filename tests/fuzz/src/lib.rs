//! What the fuzzers do with an input. Each target in `fuzz_targets/` hands its bytes to the module of
//! its name, which panics if something does not hold; libFuzzer, AddressSanitizer and the core's own
//! assertions see the rest.
//!
//! The same bytes always do the same: there is no clock and no random number here. (The exception is
//! [`abi`], where two threads may fight for a node.)

pub mod input;
pub mod scratch;

pub mod abi;
pub mod codecs;
pub mod host;
pub mod messages;
pub mod recording;
pub mod script;
pub mod step;
pub mod storage;
