//! What holds between a message and its bytes, whatever the bytes are.

use bytes::Bytes;
use libraft_core::proto::raftpb as pb;
use libraft_core::{Body, Entry, Message, codec};
use prost::Message as _;

/// Decodes bytes in both ways, and everything that comes of it back.
///
/// # Panics
/// If the ways differ, or do not lead back.
pub fn decode(bytes: &Bytes) -> Option<Message> {
    let quick = codec::decode_message(bytes.clone());
    let slow = pb::Message::decode(bytes.clone()).map(codec::message_from_proto);
    match (&quick, slow) {
        (Ok(quick), Ok(Ok(slow))) => assert_eq!(*quick, slow, "two ways to read"),
        (Err(quick), Ok(Err(slow))) => assert_eq!(*quick, slow, "two ways to refuse"),
        (Err(_), Err(_)) => {}
        (quick, slow) => panic!("{quick:?} against {slow:?}"),
    }
    let message = quick.ok()?;
    let encoded = encode(&message);
    let again = codec::decode_message(encoded.clone()).expect("our own bytes can be read");
    assert_eq!(encode(&again), encoded, "encoding is stable");
    if !loses_terms(&message) && !has_term_of_its_own(&message) {
        assert_eq!(again, message, "nothing is lost on the way");
    }
    Some(message)
}

/// The work of storage workers travels with the term that it writes, or with none.
fn has_term_of_its_own(message: &Message) -> bool {
    match &message.body {
        Body::StorageAppend(work) => {
            let written = work.hard_state.map_or(message.term, |state| state.term);
            message.term != written || work.responses.iter().any(has_term_of_its_own)
        }
        Body::StorageApply { responses, .. } => {
            message.term != 0 || responses.iter().any(has_term_of_its_own)
        }
        Body::StorageApplyResp { .. } => message.term != 0,
        _ => false,
    }
}

/// An entry without an index has no place in a log, and its term is not written.
fn loses_terms(message: &Message) -> bool {
    let lists: &[&[Entry]] = match &message.body {
        Body::Propose { entries, .. } | Body::ProposalDropped { entries, .. } => &[entries],
        Body::Append { entries, .. } | Body::StorageApplyResp { entries } => &[entries],
        Body::StorageAppend(work) => {
            if work.responses.iter().any(loses_terms) {
                return true;
            }
            &[&work.entries]
        }
        Body::StorageApply { entries, responses } => {
            if responses.iter().any(loses_terms) {
                return true;
            }
            &[entries]
        }
        _ => &[],
    };
    let displaced = |entry: &Entry| entry.index == 0 && entry.term != 0;
    lists.iter().copied().flatten().any(displaced)
}

/// The bytes of a message, which all ways to make them agree on.
///
/// # Panics
/// If they don't.
pub fn encode(message: &Message) -> Bytes {
    let encoded = codec::encode_message(message);
    let slow = codec::message_to_proto(message).encode_to_vec();
    assert_eq!(encoded, slow, "two ways to write");
    let mut delimited = codec::Buffer::from(vec![7]);
    let start = codec::encode_message_delimited(message, &mut delimited);
    let delimited = delimited.as_slice();
    assert_eq!(
        delimited[start..],
        encoded[..],
        "a message behind its length"
    );
    let mut head = &delimited[1..start];
    let len = prost::encoding::decode_varint(&mut head);
    assert_eq!(len, Ok(encoded.len() as u64));
    assert!(head.is_empty());
    encoded.into()
}

/// The same for an entry.
///
/// # Panics
/// If something does not hold.
pub fn decode_entry(bytes: &Bytes) {
    let quick = codec::decode_entry(bytes.clone());
    let slow = pb::Entry::decode(bytes.clone()).map(codec::entry_from_proto);
    match (&quick, slow) {
        (Ok(quick), Ok(Ok(slow))) => assert_eq!(*quick, slow),
        (Err(quick), Ok(Err(slow))) => assert_eq!(*quick, slow),
        (Err(_), Err(_)) => {}
        (quick, slow) => panic!("{quick:?} against {slow:?}"),
    }
    let Ok(entry) = quick else { return };
    let encoded = codec::encode_entry(&entry);
    assert_eq!(encoded, codec::entry_to_proto(&entry).encode_to_vec());
    if entry.index != 0 {
        assert_eq!(encoded.len(), codec::entry_encoded_len(&entry));
        assert_eq!(codec::decode_entry(encoded.into()), Ok(entry.clone()));
    }
    if entry.is_conf_change() {
        let _ = codec::conf_change_of(&entry);
    }
}

/// All other things that have an encoding: what can be read is written and read again.
///
/// # Panics
/// If something does not hold.
pub fn decode_others(bytes: &Bytes) {
    if let Ok(state) = codec::decode_hard_state(bytes) {
        let encoded = codec::encode_hard_state(&state);
        assert_eq!(codec::decode_hard_state(&encoded), Ok(state));
    }
    if let Ok(state) = codec::decode_conf_state(bytes) {
        let encoded = codec::encode_conf_state(&state);
        assert_eq!(codec::decode_conf_state(&encoded), Ok(state));
    }
    if let Ok(snapshot) = codec::decode_snapshot(bytes.clone()) {
        let encoded = codec::encode_snapshot(&snapshot);
        assert_eq!(codec::decode_snapshot(encoded.into()), Ok(snapshot));
    }
    if let Ok(change) = codec::decode_conf_change(bytes.clone()) {
        let encoded = codec::encode_conf_change(&change);
        assert_eq!(codec::decode_conf_change(encoded.into()), Ok(change));
    }
    if let Ok(change) = codec::decode_conf_change_v2(bytes.clone()) {
        let encoded = codec::encode_conf_change_v2(&change);
        assert_eq!(codec::decode_conf_change_v2(encoded.into()), Ok(change));
    }
    if let Ok(state) = codec::decode_restart_state(bytes) {
        let encoded = codec::encode_restart_state(&state);
        assert_eq!(codec::decode_restart_state(&encoded), Ok(state));
    }
}
