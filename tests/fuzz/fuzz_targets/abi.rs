//! See `src/abi/mod.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: libraft_fuzz::abi::check_table(),
    |data: &[u8]| libraft_fuzz::abi::run(data)
);
