//! Reads all that the library gives out, every byte of it, and checks that it is well-formed.

use std::ffi::{CStr, c_char};

use raft::bytes::raft_bytes;
use raft::conf_state::raft_conf_state;
use raft::entry::raft_entry;
use raft::event::*;
use raft::message::*;
use raft::ready::raft_ready;
use raft::requests::raft_requests;
use raft::snapshot::raft_snapshot;

use libraft_core::proto::libraft as out;
use prost::Message as _;

/// # Safety
/// The library has given the view, and what it is of still lives.
pub unsafe fn bytes<'a>(view: raft_bytes) -> &'a [u8] {
    assert_eq!(view.data.is_null(), view.len == 0, "empty is NULL");
    // SAFETY: the same contract.
    let bytes = unsafe { list(view.data, view.len) };
    // The sanitizer is to see that each byte can be read.
    std::hint::black_box(bytes.iter().fold(0u8, |sum, byte| sum ^ byte));
    bytes
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    assert_eq!(data.is_null(), len == 0, "an empty list is NULL");
    match len {
        0 => &[],
        // SAFETY: the same contract.
        len => unsafe { std::slice::from_raw_parts(data, len) },
    }
}

/// # Safety
/// A name that the library has given.
pub unsafe fn text<'a>(name: *const c_char) -> &'a str {
    // SAFETY: the same contract.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().expect("names are UTF-8")
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn conf_state(state: &raft_conf_state) {
    // SAFETY: the same contract.
    unsafe {
        for (list_of, len) in [
            (state.voters, state.voters_len),
            (state.learners, state.learners_len),
            (state.voters_outgoing, state.voters_outgoing_len),
            (state.learners_next, state.learners_next_len),
        ] {
            assert!(list(list_of, len).is_sorted());
        }
        bytes(state.encoded);
    }
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn snapshot(snapshot: &raft_snapshot) -> &[u8] {
    // SAFETY: the same contract.
    unsafe {
        conf_state(&snapshot.conf_state);
        within(bytes(snapshot.data), bytes(snapshot.encoded));
        bytes(snapshot.encoded)
    }
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn entries<'a>(data: *const raft_entry, len: usize) -> &'a [raft_entry] {
    // SAFETY: the same contract.
    unsafe {
        let entries = list(data, len);
        for entry in entries {
            let (data, encoded) = (bytes(entry.data), bytes(entry.encoded));
            // Without its bytes, it is in a Ready that is not encoded.
            if !encoded.is_empty() {
                within(data, encoded);
            }
        }
        entries
    }
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn messages<'a>(data: *const raft_message, len: usize) -> &'a [raft_message] {
    // SAFETY: the same contract.
    unsafe {
        let messages = list(data, len);
        for message in messages {
            within(bytes(message.snapshot_data), bytes(message.encoded));
            for response in list(message.responses, message.responses_len) {
                within(bytes(response.snapshot_data), bytes(response.encoded));
            }
        }
        messages
    }
}

fn within(part: &[u8], whole: &[u8]) {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    let is_empty = part.start == part.end;
    assert!(is_empty || (part.start >= whole.start && part.end <= whole.end));
}

/// # Safety
/// As for [`bytes`].
pub unsafe fn requests(requests: &raft_requests) {
    // SAFETY: the same contract.
    unsafe {
        list(requests.reads, requests.reads_len);
        list(requests.snapshot_requests, requests.snapshot_requests_len);
    }
}

/// A Ready with nothing in it, or one whose structs say all.
///
/// # Safety
/// The Ready is the last one that its node has given.
unsafe fn not_encoded(ready: &raft_ready) {
    // SAFETY: the same contract.
    unsafe {
        if let Some(given) = ready.snapshot.as_ref() {
            assert!(!snapshot(given).is_empty());
        }
        // Those of which the fields can't say all have their bytes in any case.
        let new = entries(ready.entries, ready.entries_len);
        let committed = entries(ready.committed_entries, ready.committed_entries_len);
        for entry in new.iter().chain(committed) {
            assert!(entry.term > 0 && entry.index > 0);
        }
        for message in messages(ready.messages, ready.messages_len) {
            let is_told = [
                RAFT_MSG_APP,
                RAFT_MSG_APP_RESP,
                RAFT_MSG_HEARTBEAT,
                RAFT_MSG_HEARTBEAT_RESP,
            ]
            .contains(&message.r#type);
            assert!(is_told || message.encoded.len > 0);
            let brought = list(message.entries, message.entries_len);
            let own = list(ready.entries, ready.entries_len).as_ptr_range();
            let span = brought.as_ptr_range();
            assert!(brought.is_empty() || (own.start <= span.start && span.end <= own.end));
        }
        for state in list(ready.read_states, ready.read_states_len) {
            bytes(state.context);
        }
        list(ready.reads, ready.reads_len);
        list(ready.snapshot_requests, ready.snapshot_requests_len);
        for report in list(ready.dropped, ready.dropped_len) {
            bytes(report.data);
        }
        list(ready.events, ready.events_len);
    }
}

/// # Safety
/// The Ready is the last one that its node has given.
pub unsafe fn ready(ready: &raft_ready) {
    // SAFETY: the same contract.
    unsafe {
        let encoded = bytes(ready.encoded);
        if encoded.is_empty() {
            not_encoded(ready);
            return;
        }
        let decoded = out::Ready::decode(encoded).expect("a Ready can be decoded");
        assert_eq!(decoded.soft_state.is_some(), !ready.soft_state.is_null());
        assert_eq!(decoded.hard_state.is_some(), !ready.hard_state.is_null());
        assert_eq!(decoded.snapshot.is_some(), !ready.snapshot.is_null());
        if let Some(given) = ready.snapshot.as_ref() {
            snapshot(given);
        }
        let written = entries(ready.entries, ready.entries_len);
        assert_eq!(decoded.entries.len(), written.len());
        let committed = entries(ready.committed_entries, ready.committed_entries_len);
        assert_eq!(decoded.committed_entries.len(), committed.len());
        let sent = messages(ready.messages, ready.messages_len);
        assert_eq!(decoded.messages.len(), sent.len());
        let states = list(ready.read_states, ready.read_states_len);
        for (state, other) in states.iter().zip(&decoded.read_states) {
            assert_eq!(bytes(state.context), &other.context[..]);
        }
        assert_eq!(decoded.must_sync, ready.must_sync);
        list(ready.reads, ready.reads_len);
        list(ready.snapshot_requests, ready.snapshot_requests_len);
        for dropped in list(ready.dropped, ready.dropped_len) {
            bytes(dropped.data);
            assert!(!text(raft_drop_reason_name(dropped.reason)).is_empty());
        }
        for event in list(ready.events, ready.events_len) {
            assert!(!text(raft_event_name(event.r#type)).is_empty());
            text(raft_event_reason_name(event.r#type, event.reason));
            text(raft_event_kind_name(event.r#type, event.kind));
        }
    }
}
