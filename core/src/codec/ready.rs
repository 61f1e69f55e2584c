//! The bytes of a Ready, as libraft.Ready.
//!
//! The C interface writes the same bytes by itself, since it has to know where everything lies in
//! them; that both are the same is tested there. This is for who wants the bytes alone: recordings
//! and what compares them.

use prost::encoding::{WireType, encode_key};

use super::*;
use crate::event::Event;
use crate::ready::Ready;

/// Writes a Ready to the end of `to`, its fields in the order of their numbers.
pub fn encode_ready(ready: &Ready, to: &mut Vec<u8>) {
    if let Some(state) = &ready.soft_state {
        let state = out::SoftState {
            leader: state.leader,
            role: state.role as i32,
        };
        field(to, 1, &state);
    }
    if let Some(state) = &ready.hard_state {
        encode_key(2, WireType::LengthDelimited, to);
        encode_hard_state_delimited(state, to);
    }
    for state in &ready.read_states {
        let state = out::ReadState {
            index: state.index,
            context: state.context.clone(),
        };
        field(to, 3, &state);
    }
    let start = to.len();
    encode_entry_fields(&ready.entries, 4, to, |_, _| {});
    let mut writer = MessageWriter::behind(&ready.entries, start..to.len());
    if let Some(snapshot) = &ready.snapshot {
        field(to, 5, &snapshot_to_proto(snapshot));
    }
    encode_entry_fields(&ready.committed_entries, 6, to, |_, _| {});
    for message in &ready.messages {
        encode_key(7, WireType::LengthDelimited, to);
        writer.put(message, to);
    }
    if ready.must_sync {
        prost::encoding::bool::encode(8, &true, to);
    }
    for read in &ready.reads {
        let read = out::ReadRequest {
            id: read.id,
            low: read.low,
            high: read.high,
            max_bytes: read.max_bytes,
        };
        field(to, 9, &read);
    }
    for request in &ready.snapshot_requests {
        let request = out::SnapshotRequest {
            id: request.id,
            to: request.to,
            min_index: request.min_index,
        };
        field(to, 10, &request);
    }
    for dropped in &ready.dropped {
        let dropped = out::Dropped {
            kind: dropped.kind as i32,
            reason: dropped.reason.number(),
            index: dropped.reason.index(),
            data: dropped.data.clone(),
        };
        field(to, 11, &dropped);
    }
    for event in &ready.events {
        field(to, 12, &event_to_proto(event));
    }
}

/// Writes one field of a message's type.
fn field(to: &mut Vec<u8>, number: u32, message: &impl prost::Message) {
    encode_key(number, WireType::LengthDelimited, to);
    prost::encoding::encode_varint(message.encoded_len() as u64, to);
    message.encode_raw(to);
}

/// To protobuf: a message for each type, with only its fields.
pub fn event_to_proto(event: &Event) -> out::Event {
    use out::event::Event as Kind;

    let event = match *event {
        Event::RoleChanged {
            from,
            to,
            term,
            leader,
        } => Kind::RoleChanged(out::RoleChanged {
            from: from as i32,
            to: to as i32,
            term,
            leader,
        }),
        Event::LeaderChanged { from, to, term } => {
            Kind::LeaderChanged(out::LeaderChanged { from, to, term })
        }
        Event::CampaignStarted { kind, reason, term } => {
            Kind::CampaignStarted(out::CampaignStarted {
                kind: kind as i32,
                reason: reason as i32,
                term,
            })
        }
        Event::CampaignRefused { kind, reason, term } => {
            Kind::CampaignRefused(out::CampaignRefused {
                kind: kind as i32,
                reason: reason as i32,
                term,
            })
        }
        Event::ElectionWon {
            term,
            granted,
            refused,
        } => Kind::ElectionWon(out::ElectionWon {
            term,
            granted,
            refused,
        }),
        Event::ElectionLost {
            kind,
            reason,
            by,
            term,
            granted,
            refused,
        } => Kind::ElectionLost(out::ElectionLost {
            kind: kind as i32,
            reason: reason as i32,
            by,
            term,
            granted,
            refused,
        }),
        Event::SteppedDown { reason, by, term } => Kind::SteppedDown(out::SteppedDown {
            reason: reason as i32,
            by,
            term,
        }),
        Event::FlowChanged {
            id,
            from,
            to,
            reason,
            index,
        } => Kind::FlowChanged(out::FlowChanged {
            id,
            from: from as i32,
            to: to as i32,
            reason: reason as i32,
            index,
        }),
        Event::TransferStarted { to, term } => {
            Kind::TransferStarted(out::TransferStarted { to, term })
        }
        Event::TransferEnded { to, reason, term } => Kind::TransferEnded(out::TransferEnded {
            to,
            reason: reason as i32,
            term,
        }),
        Event::Dropped { kind, reason, from } => Kind::Dropped(out::DropEvent {
            kind: kind as i32,
            reason: reason.number(),
            index: reason.index(),
            from,
        }),
        Event::MessageRefused { from, term, reason } => Kind::MessageRefused(out::MessageRefused {
            from,
            term,
            reason: reason.number(),
        }),
        Event::SnapshotInstalled { from, index } => {
            Kind::SnapshotInstalled(out::SnapshotInstalled { from, index })
        }
        Event::SnapshotIgnored {
            from,
            index,
            reason,
        } => Kind::SnapshotIgnored(out::SnapshotIgnored {
            from,
            index,
            reason: reason as i32,
        }),
        Event::Removed { by, as_of } => Kind::Removed(out::Removed { by, as_of }),
    };
    out::Event { event: Some(event) }
}
