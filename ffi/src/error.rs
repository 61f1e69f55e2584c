//! `raft_error`: what went wrong, in words; and `Failure`, the same inside the library.

use std::ffi::{CString, c_char};

use libraft_core::Error;

use crate::status::*;

/// What went wrong, in words for people. Calls that fail store one where their last argument
/// points to, unless that is NULL. It belongs to the caller, who frees it with raft_error_free().
/// It never changes, so that any number of threads may read it.
pub struct raft_error {
    status: raft_status,
    reason: raft_drop_reason,
    message: CString,
}

/// Why a proposal or a read was dropped: one of the RAFT_DROP_ numbers.
pub type raft_drop_reason = i32;

/// Nothing was dropped.
pub const RAFT_DROP_NONE: raft_drop_reason = 0;
/// No leader is known to this node.
pub const RAFT_DROP_NO_LEADER: raft_drop_reason = 1;
/// This node follows and may not forward (raft_config_set_disable_proposal_forwarding()).
pub const RAFT_DROP_FORWARDING_DISABLED: raft_drop_reason = 2;
/// This node leads, but has been removed from the configuration.
pub const RAFT_DROP_REMOVED: raft_drop_reason = 3;
/// Leadership is being transferred.
pub const RAFT_DROP_TRANSFERRING: raft_drop_reason = 4;
/// Too many bytes are uncommitted (raft_config_set_max_uncommitted_bytes()).
pub const RAFT_DROP_UNCOMMITTED_LIMIT: raft_drop_reason = 5;
/// Too many reads wait (raft_config_set_max_pending_reads()).
pub const RAFT_DROP_TOO_MANY_READS: raft_drop_reason = 6;
/// Of a configuration change: another one is in the log and not applied.
pub const RAFT_DROP_CONF_CHANGE_PENDING: raft_drop_reason = 7;
/// Of a configuration change: the configuration is joint, and must be left first.
pub const RAFT_DROP_ALREADY_JOINT: raft_drop_reason = 8;
/// Of a configuration change: there is no joint configuration to leave.
pub const RAFT_DROP_NOT_JOINT: raft_drop_reason = 9;
/// The leadership that it was sent to has ended.
pub const RAFT_DROP_LEADER_CHANGED: raft_drop_reason = 10;
/// A reason without a number of its own; the message says which.
pub const RAFT_DROP_OTHER: raft_drop_reason = 100;

export! {
    /// The message: one line of UTF-8, never NULL. For NULL, the empty string.
    ///
    /// Memory: The text is borrowed from `error`, and valid until that is freed; for NULL, it is
    /// static.
    ///
    /// Threads: Any.
    fn raft_error_message(error: *const raft_error) -> *const c_char {
        // SAFETY: NULL, or an error that the caller has not freed.
        unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
    }
}

export! {
    /// The code, the same that the call returned. For NULL, RAFT_OK.
    ///
    /// Threads: Any.
    fn raft_error_code(error: *const raft_error) -> raft_status {
        // SAFETY: NULL, or an error that the caller has not freed.
        unsafe { error.as_ref() }.map_or(RAFT_OK, |error| error.status)
    }
}

export! {
    /// Why the proposal or the read was dropped, if the code is RAFT_ERR_DROPPED or
    /// RAFT_ERR_READ_DROPPED; otherwise, and for NULL, RAFT_DROP_NONE.
    ///
    /// Threads: Any.
    fn raft_error_drop_reason(error: *const raft_error) -> raft_drop_reason {
        // SAFETY: NULL, or an error that the caller has not freed.
        unsafe { error.as_ref() }.map_or(RAFT_DROP_NONE, |error| error.reason)
    }
}

export! {
    /// Frees an error. NULL is ignored.
    ///
    /// Memory: `error` and its message are gone.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_error_free(error: *mut raft_error) {
        if !error.is_null() {
            // SAFETY: made by `finish` with `Box::into_raw`, and freed once: so asks the contract.
            drop(unsafe { Box::from_raw(error) });
        }
    }
}

/// Why a call failed, on its way out. In a box, so that a call that succeeds passes one word on and not
/// five: 15 instructions for each.
#[derive(Debug)]
pub(crate) struct Failure(Box<What>);

#[derive(Debug)]
struct What {
    status: raft_status,
    reason: raft_drop_reason,
    message: String,
}

impl Failure {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(status: raft_status, message: impl Into<String>) -> Failure {
        Failure(Box::new(What {
            status,
            reason: RAFT_DROP_NONE,
            message: message.into(),
        }))
    }

    pub(crate) fn status(&self) -> raft_status {
        self.0.status
    }

    pub(crate) fn argument(message: impl Into<String>) -> Failure {
        Failure::new(RAFT_ERR_ARGUMENT, message)
    }
}

impl From<Failure> for raft_error {
    fn from(failure: Failure) -> raft_error {
        let What {
            status,
            reason,
            message,
        } = *failure.0;
        let mut text = message.into_bytes();
        // What a peer or a file contributed to the message may hold zero bytes, where C would stop
        // reading, and line ends, where a log would.
        text.iter_mut()
            .filter(|byte| matches!(**byte, 0 | b'\n' | b'\r'))
            .for_each(|byte| *byte = b' ');
        raft_error {
            status,
            reason,
            message: CString::new(text).unwrap_or_default(),
        }
    }
}

impl From<Error> for Failure {
    #[cold]
    #[inline(never)]
    fn from(error: Error) -> Failure {
        let status = error.number();
        let reason = match &error {
            Error::ProposalDropped(reason) | Error::ReadDropped(reason) => reason.number(),
            _ => RAFT_DROP_NONE,
        };
        Failure(Box::new(What {
            status,
            reason,
            message: error.to_string(),
        }))
    }
}
