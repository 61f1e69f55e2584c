//! `raft_status`: the codes that tell failures apart.

use std::ffi::c_char;

/// What became of a call: RAFT_OK (0), or one of the RAFT_ERR_ codes.
pub type raft_status = i32;

/// The call did what it is for.
pub const RAFT_OK: raft_status = 0;

/// A pointer is NULL that must not be.
pub const RAFT_ERR_NULL: raft_status = 1;
/// An argument is out of its range: an unknown number for a type, a length above PTRDIFF_MAX, a
/// struct of unknown size, an index that does not exist.
pub const RAFT_ERR_ARGUMENT: raft_status = 2;
/// A setting of the configuration is out of its range; the message says which and why.
pub const RAFT_ERR_CONFIG: raft_status = 3;
/// The call does not fit the state: two threads use one node at once, a Ready is taken before the
/// last one was advanced, a fresh storage is required and this one is not.
pub const RAFT_ERR_MISUSE: raft_status = 4;
/// The proposal was not taken and will not be applied; see raft_error_drop_reason(). It may be
/// proposed again.
pub const RAFT_ERR_DROPPED: raft_status = 5;
/// The read was not taken, and no read state will come; see raft_error_drop_reason(). It may be
/// asked for again, under a new context.
pub const RAFT_ERR_READ_DROPPED: raft_status = 6;
/// The change does not fit the current configuration.
pub const RAFT_ERR_CONF_CHANGE: raft_status = 7;
/// The answer does not fit the request. The core asks again.
pub const RAFT_ERR_WRONG_ANSWER: raft_status = 8;
/// The state to restart from contradicts itself.
pub const RAFT_ERR_RESTART_STATE: raft_status = 9;
/// The request for a snapshot was not taken, and none will come of it; the message says why. It
/// may be made again.
pub const RAFT_ERR_SNAPSHOT_REQUEST_DROPPED: raft_status = 10;

/// The bytes are not what they should be: no message, no entry, no configuration change.
pub const RAFT_ERR_MALFORMED: raft_status = 20;
/// The message is well-formed, but no correct peer can have sent it.
pub const RAFT_ERR_IMPOSSIBLE: raft_status = 21;
/// The message is of a kind that never travels.
pub const RAFT_ERR_LOCAL_MESSAGE: raft_status = 22;
/// A response from a node that is no member. Harmless; usual after a removal.
pub const RAFT_ERR_UNKNOWN_PEER: raft_status = 23;

/// The bytes are no recording that can be replayed here: damaged, cut off, of another version, or
/// nothing of the kind; the message says which, and where.
pub const RAFT_ERR_RECORDING: raft_status = 30;

/// The node found its own state to contradict itself, or an earlier call on it ended in
/// RAFT_ERR_PANIC. It takes no more calls; free it and start again from the storage. Of a storage:
/// an earlier write failed, so that it takes no more writes and has to be opened anew.
pub const RAFT_ERR_POISONED: raft_status = 40;
/// A defect of the library, caught. The node that was called is poisoned.
pub const RAFT_ERR_PANIC: raft_status = 41;

/// The storage no longer has what was asked for: it has been compacted away.
pub const RAFT_ERR_COMPACTED: raft_status = 60;
/// The storage does not have what was asked for, or not yet.
pub const RAFT_ERR_UNAVAILABLE: raft_status = 61;
/// The storage has a snapshot that is at least as new.
pub const RAFT_ERR_SNAPSHOT_OUT_OF_DATE: raft_status = 62;
/// Another process, or another handle of this one, has the storage open.
pub const RAFT_ERR_LOCKED: raft_status = 63;
/// The stored data is damaged.
pub const RAFT_ERR_CORRUPT: raft_status = 64;
/// The operating system refused: no space, no permission, a failing disk. The message has its
/// words.
pub const RAFT_ERR_IO: raft_status = 65;

/// A failure without a code of its own; the message says what it is.
pub const RAFT_ERR_OTHER: raft_status = 100;

export! {
    /// The name of a code, such as "RAFT_ERR_DROPPED"; "RAFT_ERR_?" for a number that is none.
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_status_name(status: raft_status) -> *const c_char {
        name(status).as_ptr()
    }
}

fn name(status: raft_status) -> &'static std::ffi::CStr {
    match status {
        RAFT_OK => c"RAFT_OK",
        RAFT_ERR_NULL => c"RAFT_ERR_NULL",
        RAFT_ERR_ARGUMENT => c"RAFT_ERR_ARGUMENT",
        RAFT_ERR_CONFIG => c"RAFT_ERR_CONFIG",
        RAFT_ERR_MISUSE => c"RAFT_ERR_MISUSE",
        RAFT_ERR_DROPPED => c"RAFT_ERR_DROPPED",
        RAFT_ERR_READ_DROPPED => c"RAFT_ERR_READ_DROPPED",
        RAFT_ERR_CONF_CHANGE => c"RAFT_ERR_CONF_CHANGE",
        RAFT_ERR_WRONG_ANSWER => c"RAFT_ERR_WRONG_ANSWER",
        RAFT_ERR_RESTART_STATE => c"RAFT_ERR_RESTART_STATE",
        RAFT_ERR_SNAPSHOT_REQUEST_DROPPED => c"RAFT_ERR_SNAPSHOT_REQUEST_DROPPED",
        RAFT_ERR_MALFORMED => c"RAFT_ERR_MALFORMED",
        RAFT_ERR_IMPOSSIBLE => c"RAFT_ERR_IMPOSSIBLE",
        RAFT_ERR_LOCAL_MESSAGE => c"RAFT_ERR_LOCAL_MESSAGE",
        RAFT_ERR_UNKNOWN_PEER => c"RAFT_ERR_UNKNOWN_PEER",
        RAFT_ERR_RECORDING => c"RAFT_ERR_RECORDING",
        RAFT_ERR_POISONED => c"RAFT_ERR_POISONED",
        RAFT_ERR_PANIC => c"RAFT_ERR_PANIC",
        RAFT_ERR_COMPACTED => c"RAFT_ERR_COMPACTED",
        RAFT_ERR_UNAVAILABLE => c"RAFT_ERR_UNAVAILABLE",
        RAFT_ERR_SNAPSHOT_OUT_OF_DATE => c"RAFT_ERR_SNAPSHOT_OUT_OF_DATE",
        RAFT_ERR_LOCKED => c"RAFT_ERR_LOCKED",
        RAFT_ERR_CORRUPT => c"RAFT_ERR_CORRUPT",
        RAFT_ERR_IO => c"RAFT_ERR_IO",
        RAFT_ERR_OTHER => c"RAFT_ERR_OTHER",
        _ => c"RAFT_ERR_?",
    }
}
