//! A `raft_event` as a line for a log, as JSON, and with a level.
//!
//! The words are the core's, so that what is here is the way back from the flat struct to its event.

use libraft_core::{DropReason, Event, Level};

use crate::bytes::raft_buffer;
use crate::error::{Failure, raft_error};
use crate::event::*;

/// How much an event deserves attention: one of the RAFT_LEVEL_ numbers, which are in the order of
/// the usual levels of logs. There may be more in later versions.
pub type raft_level = i32;

/// Of interest to who looks for a fault.
pub const RAFT_LEVEL_DEBUG: raft_level = 1;
/// What happens in a group that works.
pub const RAFT_LEVEL_INFO: raft_level = 2;
/// What should not happen often, and that somebody may have to look after.
pub const RAFT_LEVEL_WARN: raft_level = 3;

export! {
    /// How a log should rank an event. For NULL, and for what is no event that the library makes,
    /// RAFT_LEVEL_DEBUG.
    ///
    /// Memory: `event` is borrowed for the call.
    ///
    /// Threads: Any.
    fn raft_event_level(event: *const raft_event) -> raft_level {
        // SAFETY: NULL, or an event of the caller's.
        let event = unsafe { event.as_ref() };
        event
            .and_then(|event| typed(event).ok())
            .map_or(RAFT_LEVEL_DEBUG, |event| event.level() as raft_level)
    }
}

export! {
    /// An event as one line of ASCII for a log, without a line end: what has happened, then its
    /// fields, as in "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2".
    /// Names of fields and reasons stay the same in later versions; there may be more. The node that
    /// it has happened in is not in it.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (no event that this version of the library makes).
    ///
    /// Memory: `event` is borrowed for the call. `out` belongs to the caller, who frees it with
    /// raft_buffer_free().
    ///
    /// Threads: Any.
    try fn raft_event_text(
        event: *const raft_event,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let event = typed(event)?;
        out.put(raft_buffer::give(event.to_string().into_bytes()))
    }
}

export! {
    /// An event as a JSON object: its "type", such as "election_lost", and its fields, which have the
    /// names that raft_event_text() gives them. Reasons, kinds, roles and so on are strings; ids,
    /// terms, indexes and counts are numbers, as raft_node_status_json() has them.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (no event that this version of the library makes).
    ///
    /// Memory: `event` is borrowed for the call. `out` belongs to the caller, who frees it with
    /// raft_buffer_free().
    ///
    /// Threads: Any.
    try fn raft_event_json(
        event: *const raft_event,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let event = typed(event)?;
        out.put(raft_buffer::give(crate::observe::json(&event)?))
    }
}

/// The event that a `raft_event` is made of. What belongs to a reason and has no place in the struct
/// is 0.
fn typed(event: &raft_event) -> Result<Event, Failure> {
    /// What a number stands for.
    macro_rules! known {
        ($field:ident) => {
            known(
                stringify!($field),
                event.$field as i64,
                event.$field.try_into().ok(),
            )?
        };
    }
    let raft_event {
        node,
        term,
        index,
        from,
        to,
        ..
    } = *event;
    Ok(match event.r#type {
        RAFT_EVENT_ROLE_CHANGED => Event::RoleChanged {
            from: known!(from),
            to: known!(to),
            term,
            leader: node,
        },
        RAFT_EVENT_LEADER_CHANGED => Event::LeaderChanged { from, to, term },
        RAFT_EVENT_CAMPAIGN_STARTED => Event::CampaignStarted {
            kind: known!(kind),
            reason: known!(reason),
            term,
        },
        RAFT_EVENT_CAMPAIGN_REFUSED => Event::CampaignRefused {
            kind: known!(kind),
            reason: known!(reason),
            term,
        },
        RAFT_EVENT_ELECTION_WON => Event::ElectionWon {
            term,
            granted: from,
            refused: to,
        },
        RAFT_EVENT_ELECTION_LOST => Event::ElectionLost {
            kind: known!(kind),
            reason: known!(reason),
            by: node,
            term,
            granted: from,
            refused: to,
        },
        RAFT_EVENT_STEPPED_DOWN => Event::SteppedDown {
            reason: known!(reason),
            by: node,
            term,
        },
        RAFT_EVENT_FLOW_CHANGED => Event::FlowChanged {
            id: node,
            from: known!(from),
            to: known!(to),
            reason: known!(reason),
            index,
        },
        RAFT_EVENT_TRANSFER_STARTED => Event::TransferStarted { to: node, term },
        RAFT_EVENT_TRANSFER_ENDED => Event::TransferEnded {
            to: node,
            reason: known!(reason),
            term,
        },
        RAFT_EVENT_DROPPED => Event::Dropped {
            kind: known!(kind),
            reason: drop_reason(event.reason, index)?,
            from: node,
        },
        RAFT_EVENT_MESSAGE_REFUSED => Event::MessageRefused {
            from: node,
            term,
            reason: known!(reason),
        },
        RAFT_EVENT_SNAPSHOT_INSTALLED => Event::SnapshotInstalled { from: node, index },
        RAFT_EVENT_SNAPSHOT_IGNORED => Event::SnapshotIgnored {
            from: node,
            index,
            reason: known!(reason),
        },
        RAFT_EVENT_REMOVED => Event::Removed {
            by: node,
            as_of: index,
        },
        number => return Err(unknown("type", number.into())),
    })
}

/// What has a number of its own in the core.
trait Numbered: Sized {
    fn numbered(number: i32) -> Option<Self>;
}

macro_rules! numbered {
    ($($ty:ident),+) => {$(
        impl Numbered for libraft_core::$ty {
            fn numbered(number: i32) -> Option<Self> {
                libraft_core::$ty::from_number(number)
            }
        }
    )+};
}

numbered!(
    Role,
    FlowState,
    CampaignKind,
    CampaignReason,
    CampaignRefusal,
    LossReason,
    StepDownReason,
    FlowReason,
    TransferEnd,
    DropKind,
    RefusalReason,
    SnapshotIgnored
);

fn known<T: Numbered>(field: &str, given: i64, number: Option<i32>) -> Result<T, Failure> {
    number
        .and_then(T::numbered)
        .ok_or_else(|| unknown(field, given))
}

fn drop_reason(number: i32, index: u64) -> Result<DropReason, Failure> {
    let reason = DropReason::from_number(number.try_into().unwrap_or_default(), index);
    match reason.number() == number {
        true => Ok(reason),
        false => Err(unknown("reason", number.into())),
    }
}

fn unknown(field: &str, number: i64) -> Failure {
    Failure::argument(format!(
        "{number} is no {field} that an event of this kind has: pass an event that this version of the \
         library has made"
    ))
}

const _: () = {
    assert!(RAFT_LEVEL_DEBUG == Level::Debug as i32);
    assert!(RAFT_LEVEL_INFO == Level::Info as i32);
    assert!(RAFT_LEVEL_WARN == Level::Warn as i32);
};
