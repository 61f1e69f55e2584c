//! See `src/storage.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: libraft_fuzz::storage::let_the_engine_panic(),
    |data: &[u8]| libraft_fuzz::storage::run(data)
);
