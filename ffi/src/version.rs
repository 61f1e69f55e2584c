//! What a program can ask about the library that it runs with.

use std::ffi::c_char;

/// The version of the binary interface that this header describes. It is the number in the
/// library's soname, and changes when a program would have to be compiled anew.
pub const RAFT_ABI_VERSION: u32 = 0;

export! {
    /// The version of the binary interface of the library that the program runs with; to be
    /// compared with RAFT_ABI_VERSION.
    ///
    /// Threads: Any.
    fn raft_abi_version() -> u32 {
        RAFT_ABI_VERSION
    }
}

export! {
    /// The version of the library as text, such as "0.1.0".
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_version_string() -> *const c_char {
        concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
    }
}
