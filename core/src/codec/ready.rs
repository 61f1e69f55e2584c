//! The bytes of a Ready, as libraft.Ready.
//!
//! The C interface writes the same bytes by itself but for the seldom fields, since it has to know where everything
//! lies in them; that both are the same is tested there. This is for who wants the bytes alone: recordings
//! and what compares them.

use std::ops::Range;

use super::*;
use crate::event::Event;
use crate::ready::Ready;

/// Writes a Ready to the end of `to`, its fields in the order of their numbers.
pub fn encode_ready(ready: &Ready, to: &mut Buffer) {
    if let Some(state) = &ready.soft_state {
        let state = out::SoftState {
            leader: state.leader,
            role: state.role as i32,
        };
        to.put_field(1, &state);
    }
    if let Some(state) = &ready.hard_state {
        to.push(2 << 3 | 2);
        encode_hard_state_delimited(state, to);
    }
    for state in &ready.read_states {
        let state = out::ReadState {
            index: state.index,
            context: state.context.clone(),
        };
        to.put_field(3, &state);
    }
    let start = to.len();
    encode_entry_fields(&ready.entries, 4, to, |_, _| {});
    let mut writer = MessageWriter::behind(&ready.entries, start..to.len());
    if let Some(snapshot) = &ready.snapshot {
        to.put_field(5, &snapshot_to_proto(snapshot));
    }
    encode_entry_fields(&ready.committed_entries, 6, to, |_, _| {});
    for message in &ready.messages {
        to.push(7 << 3 | 2);
        writer.put(message, to);
    }
    if ready.must_sync {
        to.extend(&[8 << 3, 1]);
    }
    encode_seldom_fields(ready, to, |_| {});
}

/// Writes the fields from 9 on, which few Readys have: requests, what was dropped, and events. Of everything that was
/// dropped, `data_is_at` is told where in the buffer its data is, one after the other.
pub fn encode_seldom_fields(
    ready: &Ready,
    to: &mut Buffer,
    mut data_is_at: impl FnMut(Range<usize>),
) {
    for read in &ready.reads {
        let read = out::ReadRequest {
            id: read.id,
            low: read.low,
            high: read.high,
            max_bytes: read.max_bytes,
        };
        to.put_field(9, &read);
    }
    for request in &ready.snapshot_requests {
        let request = out::SnapshotRequest {
            id: request.id,
            to: request.to,
            min_index: request.min_index,
        };
        to.put_field(10, &request);
    }
    for dropped in &ready.dropped {
        let data_len = dropped.data.len();
        let dropped = out::Dropped {
            kind: dropped.kind as i32,
            reason: dropped.reason.number(),
            index: dropped.reason.index(),
            data: dropped.data.clone(),
        };
        // The data is the last field.
        let end = to.put_field(11, &dropped).end;
        data_is_at(end - data_len..end);
    }
    for event in &ready.events {
        to.put_field(12, &event_to_proto(event));
    }
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
