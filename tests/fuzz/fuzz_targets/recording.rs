//! See `src/recording.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libraft_fuzz::recording::run(data));
