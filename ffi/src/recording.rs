//! Recordings: what a host does with those of its nodes, and `raft_replay`.
//!
//! What is recorded, and in which format, is the core's business (`libraft_core::recording`); the
//! calls that a node on a storage makes by itself, to answer its own requests, are recorded there like
//! the host's.

use libraft_core::recording::{
    Difference, Limits, RecordingError, RecordingState, Report, StopReason, replay,
};

use crate::bytes::{copied, raft_buffer, slice};
use crate::error::{Failure, raft_error};
use crate::node::raft_node;
use crate::sized::Place;
use crate::status::{RAFT_ERR_PANIC, RAFT_ERR_RECORDING, raft_status};

/// How a recording stands: one of the RAFT_RECORDING_ numbers.
pub type raft_recording_state = i32;

/// The node records nothing.
pub const RAFT_RECORDING_OFF: raft_recording_state = 0;
/// Every call is recorded.
pub const RAFT_RECORDING_ON: raft_recording_state = 1;
/// The host has ended it.
pub const RAFT_RECORDING_STOPPED: raft_recording_state = 2;
/// It has ended because too many bytes were not taken.
pub const RAFT_RECORDING_FULL: raft_recording_state = 3;
/// It has ended because a call was made with a value that can't be written down. No call of this
/// interface can have one; a restart state whose lists are out of order is one.
pub const RAFT_RECORDING_UNENCODABLE: raft_recording_state = 4;

/// What came of a replay. The caller sets `size` to sizeof(raft_replay_report) before the call;
/// see Sizes in this file's opening comment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_replay_report {
    /// sizeof(raft_replay_report), set by the caller.
    pub size: usize,
    /// How many calls were made.
    pub calls: u64,
    /// How many Readys the recorded node's host has seen.
    pub readys: u64,
    /// The first call, counted from 1, that has not done what it did when it was recorded; 0 if all
    /// have. With another version of the library that need not mean anything; with the same, it is a
    /// defect.
    pub differs_at: u64,
    /// What that call returned when it was recorded; RAFT_ERR_PANIC if it did not.
    pub recorded_status: raft_status,
    /// What it has returned now. If that is the same, what it gave is another: a Ready, say.
    pub replayed_status: raft_status,
    /// Why the recording ends: RAFT_RECORDING_ON if it was just taken there, else as for
    /// raft_node_record_state().
    pub end: raft_recording_state,
}

export! {
    /// How the recording of this node stands, and how many bytes of it wait to be taken. See
    /// raft_config_set_record_bytes() for what a recording is.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` and `bytes` are the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_record_state(
        node: *const raft_node,
        out: *mut raft_recording_state,
        bytes: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let (state, waiting) = node.with(|inner| Ok(inner.recording()))?;
        out.put(state as i32)?;
        bytes.put(waiting as u64)
    }
}

export! {
    /// Takes what was recorded since the last time. What is taken from a node, one after the other, is
    /// one recording; up to any of these points it is one as well. The buffer belongs to the caller,
    /// who frees it with raft_buffer_free(). It is empty if nothing was recorded.
    ///
    /// This works on a node that is poisoned too, after RAFT_ERR_PANIC for example: the call that has
    /// panicked is then the last one. Call it before the node is freed.
    ///
    /// Errors: those of any call on a node but RAFT_ERR_POISONED.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_record_take(
        node: *mut raft_node,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let bytes = node.with_even_if_broken(|inner| inner.record_take())?;
        out.put(raft_buffer::give(bytes.into()))
    }
}

export! {
    /// Puts a text of `len` bytes of UTF-8 into the recording, for who reads it: "here the disk was
    /// full". If nothing is recorded, nothing happens.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, no UTF-8).
    ///
    /// Memory: `text` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_record_note(
        node: *mut raft_node,
        text: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `text[..len]`.
        let text = unsafe { slice(text, len, "text") }?;
        let text = std::str::from_utf8(text)
            .map_err(|error| Failure::argument(format!("text is no UTF-8 ({error}): encode it as UTF-8")))?;
        node.with(|inner| {
            inner.record_note(text);
            Ok(())
        })
    }
}

export! {
    /// Ends the recording of this node for good; what was not taken can still be. If nothing is
    /// recorded, nothing happens.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_record_stop(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| {
            inner.record_stop();
            Ok(())
        })
    }
}

export! {
    /// Makes all calls of a recording of `len` bytes at `data` once more, on a node of its own.
    ///
    /// `readys` gets, one after the other, what the recorded node's host has seen: each
    /// raft_ready as libraft.Ready, encoded (of raft_node_ready() and raft_node_peek_ready()), preceded by its length as a
    /// protobuf varint, `max_bytes` in all at most. With a `max_bytes` of 0 none are kept, and the
    /// buffer is empty. `out` is filled in; the caller sets out->size first. A replay that does not do
    /// the same is no error: out->differs_at tells.
    ///
    /// A recording may come from anywhere. One that makes its node take more than about a gigabyte,
    /// besides a small multiple of the recording's own length, is refused. Time has no such bound: a
    /// short recording can ask for much work, so that a service should play those of strangers in a
    /// process that it can end.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, out->size, more than
    /// `max_bytes` of Readys), RAFT_ERR_RECORDING (it is damaged, cut off, of another version, no
    /// recording, or refused; the message says where), RAFT_ERR_PANIC also if a call panics: it did
    /// when it was recorded, or this library is another.
    ///
    /// Memory: `data` is borrowed for the call. `readys` belongs to the caller, who frees it with
    /// raft_buffer_free(). `out` is the caller's own struct, and written on success only.
    ///
    /// Threads: Any.
    try fn raft_replay(
        data: *const u8,
        len: usize,
        max_bytes: u64,
        readys: *mut *mut raft_buffer,
        out: *mut raft_replay_report,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `out`, and that its size is set.
        let out = unsafe { Place::check(out) }?;
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied(data, len, "data") }?;
        let mut kept = Vec::new();
        let mut fits = true;
        let report = replay(data, Limits::default(), |ready| {
            if max_bytes > 0 {
                let len = ready.len() as u64;
                let after = kept.len() as u64 + prost::encoding::encoded_len_varint(len) as u64 + len;
                fits = after <= max_bytes;
                if fits {
                    prost::encoding::encode_varint(len, &mut kept);
                    kept.extend_from_slice(ready);
                }
            }
            fits
        })?;
        if !fits {
            return Err(Failure::argument(format!(
                "the Readys take more than the {max_bytes} bytes that max_bytes allows: raise it, or keep none with 0"
            )));
        }
        out.put(|size| raft_replay_report::of(&report, size));
        readys.put(raft_buffer::give(kept))
    }
}

impl raft_replay_report {
    fn of(report: &Report, size: usize) -> raft_replay_report {
        let (differs_at, recorded_status, replayed_status) = match report.difference {
            None => (0, 0, 0),
            Some((call, Difference::Result { recorded, replayed })) => {
                (call, recorded.unwrap_or(RAFT_ERR_PANIC), replayed)
            }
            Some((call, Difference::Answer { .. })) => (call, 0, 0),
        };
        raft_replay_report {
            size,
            calls: report.calls,
            readys: report.readys,
            differs_at,
            recorded_status,
            replayed_status,
            end: match report.stop {
                None => RecordingState::On,
                Some(StopReason::Full) => RecordingState::Full,
                Some(StopReason::Unencodable) => RecordingState::Unencodable,
                Some(StopReason::Host | StopReason::None) => RecordingState::Stopped,
            } as i32,
        }
    }
}

impl From<RecordingError> for Failure {
    fn from(error: RecordingError) -> Failure {
        Failure::new(RAFT_ERR_RECORDING, error.to_string())
    }
}
