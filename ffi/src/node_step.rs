//! `raft_node`: messages of peers, and reads.

use libraft_core::codec;

use crate::bytes::{copied_if_any, slice};
use crate::error::{Failure, raft_error};
use crate::message::raft_message;
use crate::node::raft_node;
use crate::status::*;

export! {
    /// Hands over a message from a peer: `len` bytes of raftpb.Message at `data`, which are
    /// copied.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED (no raftpb.Message), RAFT_ERR_IMPOSSIBLE (no correct peer sends it),
    /// RAFT_ERR_LOCAL_MESSAGE (a kind that never travels), RAFT_ERR_UNKNOWN_PEER (a response of no
    /// member; harmless); RAFT_ERR_DROPPED and RAFT_ERR_READ_DROPPED (a peer passed on what this node
    /// can't take either; it hears nothing of that). All of these but RAFT_ERR_POISONED are for a log
    /// or a counter: go on.
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_step(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { slice(data, len, "data") }?;
        node.with(|inner| Ok(inner.node.step_slice_into(data, &mut inner.payloads)?))
    }
}

export! {
    /// Hands over a message as a raft_ready has it, or as raft_message_decode() gives it: its `encoded`, or, if that is
    /// empty, what its numbers and its `entries` say. Then its type is RAFT_MSG_APP, RAFT_MSG_APP_RESP (one
    /// that accepts), RAFT_MSG_HEARTBEAT or RAFT_MSG_HEARTBEAT_RESP, and numbers that these don't have are passed
    /// over; of an entry, its `encoded` counts likewise, and an empty payload is none. It comes to the same as to
    /// encode the message and call raft_node_step().
    ///
    /// Errors: those of any call on a node; RAFT_ERR_NULL and RAFT_ERR_ARGUMENT also for a list or bytes in
    /// `message` (NULL with a length, a length above PTRDIFF_MAX), RAFT_ERR_ARGUMENT for another type without
    /// bytes; RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE, RAFT_ERR_LOCAL_MESSAGE, RAFT_ERR_UNKNOWN_PEER,
    /// RAFT_ERR_DROPPED and RAFT_ERR_READ_DROPPED as for raft_node_step().
    ///
    /// Memory: `message` and all that it points to are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_step_message(
        node: *mut raft_node,
        message: *const raft_message,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for what `message` points to.
        let encoded = unsafe { slice(message.encoded.data, message.encoded.len, "encoded") }?;
        if !encoded.is_empty() {
            return node.with(|inner| Ok(inner.node.step_slice_into(encoded, &mut inner.payloads)?));
        }
        if !message.may_be_numbers() {
            let why = format!(
                "a message of type {} has more to it than numbers: pass its bytes",
                message.r#type
            );
            return Err(Failure::argument(why));
        }
        // SAFETY: as above.
        let entries = unsafe { slice(message.entries, message.entries_len, "entries") }?;
        node.with(|inner| {
            let payloads = &mut inner.payloads;
            // SAFETY: as above, for the payloads.
            match unsafe { message.read(entries, payloads) }? {
                Some(message) => inner.node.step(message)?,
                // SAFETY: as above.
                None => inner.node.step_bytes(unsafe { message.encode(entries) }?)?,
            }
            Ok(())
        })
    }
}

export! {
    /// Hands over several messages, each one preceded by its length as a protobuf varint. All are
    /// decoded first: if one can't be, none is handed over. A message that the node then refuses
    /// does not keep the others from it; the first refusal is what is returned, after all have had
    /// their turn.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX);
    /// RAFT_ERR_MALFORMED, RAFT_ERR_LOCAL_MESSAGE and RAFT_ERR_IMPOSSIBLE for what can't be decoded,
    /// and then nothing has changed; otherwise those of raft_node_step(): RAFT_ERR_IMPOSSIBLE,
    /// RAFT_ERR_UNKNOWN_PEER, RAFT_ERR_DROPPED, RAFT_ERR_READ_DROPPED, with which the other messages
    /// have been taken.
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_step_many(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let mut rest = unsafe { slice(data, len, "data") }?;
        node.with(|inner| {
            let mut messages = Vec::new();
            while !rest.is_empty() {
                let frame = next_frame(&mut rest)?;
                messages.push(codec::decode_message_into(frame, &mut inner.payloads)?);
            }
            let mut refusal = None;
            for message in messages {
                if let Err(error) = inner.node.step(message) {
                    refusal.get_or_insert(error);
                }
            }
            refusal.map_or(Ok(()), |error| Err(error.into()))
        })
    }
}

export! {
    /// Asks for a linearizable read. `context`, which is copied, is the host's name for it; it
    /// must never be used again on any node, not even for another try. The answer is a read state
    /// with this context in a later Ready, or never comes, if messages get lost or the leader
    /// changes: then ask again under a new name.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_READ_DROPPED (raft_error_drop_reason() says why; ask again under another name).
    ///
    /// Memory: `context` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_read_index(
        node: *mut raft_node,
        context: *const u8,
        context_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `context[..context_len]`.
        let context = unsafe { copied_if_any(context, context_len, "context") }?;
        node.with(|inner| Ok(inner.node.read_index_if_named(context)?))
    }
}

/// Takes the next length-delimited frame off the front.
fn next_frame<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Failure> {
    let malformed = |why: &str| Failure::new(RAFT_ERR_MALFORMED, why.to_owned());
    let len = prost::encoding::decode_varint(rest)
        .map_err(|_| malformed("the length of a message is no varint"))?;
    match usize::try_from(len) {
        Ok(len) if len <= rest.len() => {
            let (frame, behind) = rest.split_at(len);
            *rest = behind;
            Ok(frame)
        }
        _ => Err(malformed("a message is longer than what is left")),
    }
}
