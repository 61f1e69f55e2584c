//! `raft_event` and `raft_dropped`: what has happened in a node, and what will not.
//!
//! The core's events as one flat struct, whose fields mean what the constant of its type says. The
//! library writes no log; the names that it gives for types and reasons are for a host that does.

use std::ffi::{CStr, c_char};

use libraft_core::Event;

use crate::bytes::raft_bytes;
use crate::error::*;

/// What has happened: one of the RAFT_EVENT_ numbers. There may be more in later versions.
pub type raft_event_type = i32;

/// The node plays another part. `from` and `to`: RAFT_ROLE_ numbers; `term`; `node`: the
/// leader that it knows of now, or 0.
pub const RAFT_EVENT_ROLE_CHANGED: raft_event_type = 1;
/// The node follows another leader, or none. `from` and `to`: the leaders, or 0; `term`.
pub const RAFT_EVENT_LEADER_CHANGED: raft_event_type = 2;
/// The node asks for votes. `kind`: RAFT_CAMPAIGN_; `reason`: RAFT_TRIGGER_; `term`: the one that
/// it wants to lead.
pub const RAFT_EVENT_CAMPAIGN_STARTED: raft_event_type = 3;
/// It was time to campaign, and the node may not. `kind`: RAFT_CAMPAIGN_; `reason`:
/// RAFT_OBSTACLE_; `term`.
pub const RAFT_EVENT_CAMPAIGN_REFUSED: raft_event_type = 4;
/// The node leads. `term`; `from`: voters for it, itself included; `to`: voters against it.
pub const RAFT_EVENT_ELECTION_WON: raft_event_type = 5;
/// A campaign has come to nothing. `kind`: RAFT_CAMPAIGN_; `reason`: RAFT_LOSS_; `node`: who
/// has the higher term, or leads, or 0; `term`: the one that the node wanted to lead; `from`: voters
/// for it, itself included; `to`: voters against it.
pub const RAFT_EVENT_ELECTION_LOST: raft_event_type = 6;
/// The node leads no longer. `reason`: RAFT_STEP_DOWN_; `node`: who has the higher term, or 0;
/// `term`: the present one.
pub const RAFT_EVENT_STEPPED_DOWN: raft_event_type = 7;
/// This leader sends to a member in another way. `node`: the member; `reason`: RAFT_FLOW_CAUSE_;
/// `from` and `to`: RAFT_FLOW_; `index`: what it is known to have, or the snapshot's index.
pub const RAFT_EVENT_FLOW_CHANGED: raft_event_type = 8;
/// This leader is handing over. `node`: to whom; `term`.
pub const RAFT_EVENT_TRANSFER_STARTED: raft_event_type = 9;
/// This leader no longer tries to. `node`: to whom it would have; `reason`: RAFT_TRANSFER_;
/// `term`.
pub const RAFT_EVENT_TRANSFER_ENDED: raft_event_type = 10;
/// Something that this node was asked for will not happen. `kind`: RAFT_DROPPED_; `reason`:
/// RAFT_DROP_; `node`: who had asked, 0 for the host; `index`: with RAFT_DROP_CONF_CHANGE_PENDING,
/// the other one is at this index or below.
pub const RAFT_EVENT_DROPPED: raft_event_type = 11;
/// A message was not taken. `node`: the sender that it names, 0 if it could not be decoded;
/// `term`: its term; `reason`: RAFT_REFUSED_.
pub const RAFT_EVENT_MESSAGE_REFUSED: raft_event_type = 12;
/// A snapshot from the leader takes the place of the log. `node`: the leader; `index`: the
/// snapshot's.
pub const RAFT_EVENT_SNAPSHOT_INSTALLED: raft_event_type = 13;
/// A snapshot from the leader was of no use. `node`: the leader; `index`: the snapshot's;
/// `reason`: RAFT_IGNORED_.
pub const RAFT_EVENT_SNAPSHOT_IGNORED: raft_event_type = 14;
/// This node is no member of the group any more. `node`: who says so, itself or a member;
/// `index`: it was no member when this was applied.
pub const RAFT_EVENT_REMOVED: raft_event_type = 15;

/// A kind of campaign: one of the RAFT_CAMPAIGN_ numbers.
pub type raft_campaign_kind = i32;

/// Finds out first whether an election could be won.
pub const RAFT_CAMPAIGN_PRE_ELECTION: raft_campaign_kind = 1;
/// Starts a term.
pub const RAFT_CAMPAIGN_ELECTION: raft_campaign_kind = 2;
/// Starts a term because the leader has asked for it.
pub const RAFT_CAMPAIGN_TRANSFER: raft_campaign_kind = 3;

/// Why a node campaigns: one of the RAFT_TRIGGER_ numbers.
pub type raft_campaign_reason = i32;

/// It has not heard from a leader for too long.
pub const RAFT_TRIGGER_TIMEOUT: raft_campaign_reason = 1;
/// Its host has called raft_node_campaign().
pub const RAFT_TRIGGER_HOST: raft_campaign_reason = 2;
/// The leader hands over to it.
pub const RAFT_TRIGGER_LEADER_ASKED: raft_campaign_reason = 3;
/// It would win, as its pre-election has shown.
pub const RAFT_TRIGGER_PRE_ELECTION_WON: raft_campaign_reason = 4;

/// Why a node does not campaign: one of the RAFT_OBSTACLE_ numbers.
pub type raft_campaign_refusal = i32;

/// It leads already.
pub const RAFT_OBSTACLE_LEADS: raft_campaign_refusal = 1;
/// It has no vote.
pub const RAFT_OBSTACLE_NOT_VOTER: raft_campaign_refusal = 2;
/// It waits for its host to persist a snapshot.
pub const RAFT_OBSTACLE_PENDING_SNAPSHOT: raft_campaign_refusal = 3;
/// A configuration change is committed and not applied.
pub const RAFT_OBSTACLE_UNAPPLIED_CONF_CHANGE: raft_campaign_refusal = 4;
/// There is no higher term.
pub const RAFT_OBSTACLE_TERM_LIMIT: raft_campaign_refusal = 5;

/// Why a campaign was lost: one of the RAFT_LOSS_ numbers.
pub type raft_loss_reason = i32;

/// Too many have refused.
pub const RAFT_LOSS_OUTVOTED: raft_loss_reason = 1;
/// A message of a higher term came.
pub const RAFT_LOSS_HIGHER_TERM: raft_loss_reason = 2;
/// Somebody else leads the term.
pub const RAFT_LOSS_LEADER_APPEARED: raft_loss_reason = 3;
/// Too few have answered in time; the node campaigns again.
pub const RAFT_LOSS_TIMED_OUT: raft_loss_reason = 4;
/// The host has called for another campaign.
pub const RAFT_LOSS_RESTARTED: raft_loss_reason = 5;

/// Why a leader stepped down: one of the RAFT_STEP_DOWN_ numbers.
pub type raft_step_down_reason = i32;

/// A message of a higher term came.
pub const RAFT_STEP_DOWN_HIGHER_TERM: raft_step_down_reason = 1;
/// It has not heard from a quorum for an election timeout.
pub const RAFT_STEP_DOWN_CHECK_QUORUM: raft_step_down_reason = 2;
/// It has no vote any more (raft_config_set_step_down_on_removal()).
pub const RAFT_STEP_DOWN_REMOVED: raft_step_down_reason = 3;

/// Why a leader sends to a member in another way: one of the RAFT_FLOW_CAUSE_ numbers.
pub type raft_flow_reason = i32;

/// It has acknowledged entries, so that the logs agree.
pub const RAFT_FLOW_CAUSE_ACCEPTED: raft_flow_reason = 1;
/// It has refused an append.
pub const RAFT_FLOW_CAUSE_REJECTED: raft_flow_reason = 2;
/// The host could not reach it.
pub const RAFT_FLOW_CAUSE_UNREACHABLE: raft_flow_reason = 3;
/// It needs entries that are compacted, and is sent a snapshot.
pub const RAFT_FLOW_CAUSE_SNAPSHOT_SENT: raft_flow_reason = 4;
/// The host says that the snapshot has arrived.
pub const RAFT_FLOW_CAUSE_SNAPSHOT_FINISHED: raft_flow_reason = 5;
/// The host says that the snapshot did not arrive.
pub const RAFT_FLOW_CAUSE_SNAPSHOT_FAILED: raft_flow_reason = 6;

/// What became of a leadership transfer: one of the RAFT_TRANSFER_ numbers.
pub type raft_transfer_end = i32;

/// An election timeout has passed.
pub const RAFT_TRANSFER_TIMED_OUT: raft_transfer_end = 1;
/// Somebody else is to lead, or this node is to stay.
pub const RAFT_TRANSFER_REPLACED: raft_transfer_end = 2;
/// The target has lost its vote.
pub const RAFT_TRANSFER_TARGET_REMOVED: raft_transfer_end = 3;
/// This node has stepped down, as it does when the transfer succeeds.
pub const RAFT_TRANSFER_STEPPED_DOWN: raft_transfer_end = 4;

/// What was dropped: one of the RAFT_DROPPED_ numbers.
pub type raft_drop_kind = i32;

/// A command.
pub const RAFT_DROPPED_PROPOSAL: raft_drop_kind = 1;
/// A configuration change.
pub const RAFT_DROPPED_CONF_CHANGE: raft_drop_kind = 2;
/// A read.
pub const RAFT_DROPPED_READ: raft_drop_kind = 3;

/// Why a message was not taken: one of the RAFT_REFUSED_ numbers.
pub type raft_refusal_reason = i32;

/// The bytes are no message.
pub const RAFT_REFUSED_MALFORMED: raft_refusal_reason = 1;
/// It is of a kind that is for the node's own use.
pub const RAFT_REFUSED_LOCAL_MESSAGE: raft_refusal_reason = 2;
/// A response from a node that is no member.
pub const RAFT_REFUSED_UNKNOWN_PEER: raft_refusal_reason = 3;
/// An index or a term beyond all bounds.
pub const RAFT_REFUSED_OUT_OF_BOUNDS: raft_refusal_reason = 10;
/// Entries that are not a slice of a log.
pub const RAFT_REFUSED_ENTRIES: raft_refusal_reason = 11;
/// An append that contradicts a committed entry.
pub const RAFT_REFUSED_COMMITTED_CONFLICT: raft_refusal_reason = 12;
/// A commit index beyond the receiver's log.
pub const RAFT_REFUSED_COMMIT_BEYOND_LOG: raft_refusal_reason = 13;
/// An acknowledgement of what was never sent.
pub const RAFT_REFUSED_ACK_BEYOND_LOG: raft_refusal_reason = 14;
/// A second leader of the term.
pub const RAFT_REFUSED_SECOND_LEADER: raft_refusal_reason = 15;
/// A proposal without entries.
pub const RAFT_REFUSED_EMPTY_PROPOSAL: raft_refusal_reason = 16;
/// A configuration change that can't be decoded.
pub const RAFT_REFUSED_CONF_CHANGE: raft_refusal_reason = 17;
/// A snapshot with an impossible configuration.
pub const RAFT_REFUSED_SNAPSHOT: raft_refusal_reason = 18;
/// A heartbeat's answer that echoes no heartbeat.
pub const RAFT_REFUSED_READ_POSITION: raft_refusal_reason = 19;
/// No sender, or this node itself.
pub const RAFT_REFUSED_NO_SENDER: raft_refusal_reason = 20;
/// A request for a vote that names no term.
pub const RAFT_REFUSED_NO_TERM: raft_refusal_reason = 21;
/// A report that does not tell what it is about.
pub const RAFT_REFUSED_UNASKED_REPORT: raft_refusal_reason = 22;

/// Why a snapshot was of no use: one of the RAFT_IGNORED_ numbers.
pub type raft_snapshot_ignored = i32;

/// All of it is committed here already.
pub const RAFT_IGNORED_OLD: raft_snapshot_ignored = 1;
/// This node is not in its configuration.
pub const RAFT_IGNORED_NOT_MEMBER: raft_snapshot_ignored = 2;
/// The log has its last entry, so that it only says how much is committed.
pub const RAFT_IGNORED_IN_LOG: raft_snapshot_ignored = 3;

/// Something that a host may want to know and need not act on. What the fields mean, the type's
/// constant says; those that it does not mention are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct raft_event {
    /// What has happened.
    pub r#type: raft_event_type,
    /// Why.
    pub reason: i32,
    /// What it is about.
    pub kind: i32,
    /// For later versions.
    pub reserved: i32,
    /// Another node.
    pub node: u64,
    /// A term.
    pub term: u64,
    /// An index.
    pub index: u64,
    /// What was before, or how many are in favour.
    pub from: u64,
    /// What is now, or how many are against.
    pub to: u64,
}

/// Something that the host was told was taken, and that will not happen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_dropped {
    /// What: one of the RAFT_DROPPED_ numbers.
    pub kind: raft_drop_kind,
    /// Why: one of the RAFT_DROP_ numbers.
    pub reason: raft_drop_reason,
    /// With RAFT_DROP_CONF_CHANGE_PENDING, the other change is at this index or below it; 0
    /// otherwise.
    pub index: u64,
    /// To recognise it by: the command, the encoded configuration change, the read's context.
    pub data: raft_bytes,
}

export! {
    /// The name of a type of event, such as "RAFT_EVENT_ROLE_CHANGED"; "RAFT_EVENT_?" for a number that
    /// is none.
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_event_name(r#type: raft_event_type) -> *const c_char {
        event_name(r#type).as_ptr()
    }
}

export! {
    /// The name of a reason of such an event, such as "RAFT_LOSS_OUTVOTED"; "" for a type that has no
    /// reasons, and for a number that is none.
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_event_reason_name(r#type: raft_event_type, reason: i32) -> *const c_char {
        event_reason_name(r#type, reason).as_ptr()
    }
}

export! {
    /// The name of what an event is about, such as "RAFT_CAMPAIGN_ELECTION"; "" for a type that has no
    /// kinds, and for a number that is none.
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_event_kind_name(r#type: raft_event_type, kind: i32) -> *const c_char {
        event_kind_name(r#type, kind).as_ptr()
    }
}

export! {
    /// The name of a reason for a drop, such as "RAFT_DROP_NO_LEADER"; "" for a number that is none.
    ///
    /// Memory: The text is static, and never freed.
    ///
    /// Threads: Any.
    fn raft_drop_reason_name(reason: raft_drop_reason) -> *const c_char {
        drop_name(reason).as_ptr()
    }
}

fn event_name(number: raft_event_type) -> &'static CStr {
    match number {
        RAFT_EVENT_ROLE_CHANGED => c"RAFT_EVENT_ROLE_CHANGED",
        RAFT_EVENT_LEADER_CHANGED => c"RAFT_EVENT_LEADER_CHANGED",
        RAFT_EVENT_CAMPAIGN_STARTED => c"RAFT_EVENT_CAMPAIGN_STARTED",
        RAFT_EVENT_CAMPAIGN_REFUSED => c"RAFT_EVENT_CAMPAIGN_REFUSED",
        RAFT_EVENT_ELECTION_WON => c"RAFT_EVENT_ELECTION_WON",
        RAFT_EVENT_ELECTION_LOST => c"RAFT_EVENT_ELECTION_LOST",
        RAFT_EVENT_STEPPED_DOWN => c"RAFT_EVENT_STEPPED_DOWN",
        RAFT_EVENT_FLOW_CHANGED => c"RAFT_EVENT_FLOW_CHANGED",
        RAFT_EVENT_TRANSFER_STARTED => c"RAFT_EVENT_TRANSFER_STARTED",
        RAFT_EVENT_TRANSFER_ENDED => c"RAFT_EVENT_TRANSFER_ENDED",
        RAFT_EVENT_DROPPED => c"RAFT_EVENT_DROPPED",
        RAFT_EVENT_MESSAGE_REFUSED => c"RAFT_EVENT_MESSAGE_REFUSED",
        RAFT_EVENT_SNAPSHOT_INSTALLED => c"RAFT_EVENT_SNAPSHOT_INSTALLED",
        RAFT_EVENT_SNAPSHOT_IGNORED => c"RAFT_EVENT_SNAPSHOT_IGNORED",
        RAFT_EVENT_REMOVED => c"RAFT_EVENT_REMOVED",
        _ => c"RAFT_EVENT_?",
    }
}

fn event_reason_name(number: raft_event_type, reason: i32) -> &'static CStr {
    match number {
        RAFT_EVENT_CAMPAIGN_STARTED => campaign_reason_name(reason),
        RAFT_EVENT_CAMPAIGN_REFUSED => campaign_refusal_name(reason),
        RAFT_EVENT_ELECTION_LOST => loss_reason_name(reason),
        RAFT_EVENT_STEPPED_DOWN => step_down_reason_name(reason),
        RAFT_EVENT_FLOW_CHANGED => flow_reason_name(reason),
        RAFT_EVENT_TRANSFER_ENDED => transfer_end_name(reason),
        RAFT_EVENT_DROPPED => drop_name(reason),
        RAFT_EVENT_MESSAGE_REFUSED => refusal_reason_name(reason),
        RAFT_EVENT_SNAPSHOT_IGNORED => snapshot_ignored_name(reason),
        _ => c"",
    }
}

fn event_kind_name(number: raft_event_type, kind: i32) -> &'static CStr {
    match number {
        RAFT_EVENT_CAMPAIGN_STARTED | RAFT_EVENT_CAMPAIGN_REFUSED | RAFT_EVENT_ELECTION_LOST => {
            campaign_kind_name(kind)
        }
        RAFT_EVENT_DROPPED => drop_kind_name(kind),
        _ => c"",
    }
}

fn campaign_kind_name(number: raft_campaign_kind) -> &'static CStr {
    match number {
        RAFT_CAMPAIGN_PRE_ELECTION => c"RAFT_CAMPAIGN_PRE_ELECTION",
        RAFT_CAMPAIGN_ELECTION => c"RAFT_CAMPAIGN_ELECTION",
        RAFT_CAMPAIGN_TRANSFER => c"RAFT_CAMPAIGN_TRANSFER",
        _ => c"",
    }
}

fn campaign_reason_name(number: raft_campaign_reason) -> &'static CStr {
    match number {
        RAFT_TRIGGER_TIMEOUT => c"RAFT_TRIGGER_TIMEOUT",
        RAFT_TRIGGER_HOST => c"RAFT_TRIGGER_HOST",
        RAFT_TRIGGER_LEADER_ASKED => c"RAFT_TRIGGER_LEADER_ASKED",
        RAFT_TRIGGER_PRE_ELECTION_WON => c"RAFT_TRIGGER_PRE_ELECTION_WON",
        _ => c"",
    }
}

fn campaign_refusal_name(number: raft_campaign_refusal) -> &'static CStr {
    match number {
        RAFT_OBSTACLE_LEADS => c"RAFT_OBSTACLE_LEADS",
        RAFT_OBSTACLE_NOT_VOTER => c"RAFT_OBSTACLE_NOT_VOTER",
        RAFT_OBSTACLE_PENDING_SNAPSHOT => c"RAFT_OBSTACLE_PENDING_SNAPSHOT",
        RAFT_OBSTACLE_UNAPPLIED_CONF_CHANGE => c"RAFT_OBSTACLE_UNAPPLIED_CONF_CHANGE",
        RAFT_OBSTACLE_TERM_LIMIT => c"RAFT_OBSTACLE_TERM_LIMIT",
        _ => c"",
    }
}

fn loss_reason_name(number: raft_loss_reason) -> &'static CStr {
    match number {
        RAFT_LOSS_OUTVOTED => c"RAFT_LOSS_OUTVOTED",
        RAFT_LOSS_HIGHER_TERM => c"RAFT_LOSS_HIGHER_TERM",
        RAFT_LOSS_LEADER_APPEARED => c"RAFT_LOSS_LEADER_APPEARED",
        RAFT_LOSS_TIMED_OUT => c"RAFT_LOSS_TIMED_OUT",
        RAFT_LOSS_RESTARTED => c"RAFT_LOSS_RESTARTED",
        _ => c"",
    }
}

fn step_down_reason_name(number: raft_step_down_reason) -> &'static CStr {
    match number {
        RAFT_STEP_DOWN_HIGHER_TERM => c"RAFT_STEP_DOWN_HIGHER_TERM",
        RAFT_STEP_DOWN_CHECK_QUORUM => c"RAFT_STEP_DOWN_CHECK_QUORUM",
        RAFT_STEP_DOWN_REMOVED => c"RAFT_STEP_DOWN_REMOVED",
        _ => c"",
    }
}

fn flow_reason_name(number: raft_flow_reason) -> &'static CStr {
    match number {
        RAFT_FLOW_CAUSE_ACCEPTED => c"RAFT_FLOW_CAUSE_ACCEPTED",
        RAFT_FLOW_CAUSE_REJECTED => c"RAFT_FLOW_CAUSE_REJECTED",
        RAFT_FLOW_CAUSE_UNREACHABLE => c"RAFT_FLOW_CAUSE_UNREACHABLE",
        RAFT_FLOW_CAUSE_SNAPSHOT_SENT => c"RAFT_FLOW_CAUSE_SNAPSHOT_SENT",
        RAFT_FLOW_CAUSE_SNAPSHOT_FINISHED => c"RAFT_FLOW_CAUSE_SNAPSHOT_FINISHED",
        RAFT_FLOW_CAUSE_SNAPSHOT_FAILED => c"RAFT_FLOW_CAUSE_SNAPSHOT_FAILED",
        _ => c"",
    }
}

fn transfer_end_name(number: raft_transfer_end) -> &'static CStr {
    match number {
        RAFT_TRANSFER_TIMED_OUT => c"RAFT_TRANSFER_TIMED_OUT",
        RAFT_TRANSFER_REPLACED => c"RAFT_TRANSFER_REPLACED",
        RAFT_TRANSFER_TARGET_REMOVED => c"RAFT_TRANSFER_TARGET_REMOVED",
        RAFT_TRANSFER_STEPPED_DOWN => c"RAFT_TRANSFER_STEPPED_DOWN",
        _ => c"",
    }
}

fn drop_kind_name(number: raft_drop_kind) -> &'static CStr {
    match number {
        RAFT_DROPPED_PROPOSAL => c"RAFT_DROPPED_PROPOSAL",
        RAFT_DROPPED_CONF_CHANGE => c"RAFT_DROPPED_CONF_CHANGE",
        RAFT_DROPPED_READ => c"RAFT_DROPPED_READ",
        _ => c"",
    }
}

fn refusal_reason_name(number: raft_refusal_reason) -> &'static CStr {
    match number {
        RAFT_REFUSED_MALFORMED => c"RAFT_REFUSED_MALFORMED",
        RAFT_REFUSED_LOCAL_MESSAGE => c"RAFT_REFUSED_LOCAL_MESSAGE",
        RAFT_REFUSED_UNKNOWN_PEER => c"RAFT_REFUSED_UNKNOWN_PEER",
        RAFT_REFUSED_OUT_OF_BOUNDS => c"RAFT_REFUSED_OUT_OF_BOUNDS",
        RAFT_REFUSED_ENTRIES => c"RAFT_REFUSED_ENTRIES",
        RAFT_REFUSED_COMMITTED_CONFLICT => c"RAFT_REFUSED_COMMITTED_CONFLICT",
        RAFT_REFUSED_COMMIT_BEYOND_LOG => c"RAFT_REFUSED_COMMIT_BEYOND_LOG",
        RAFT_REFUSED_ACK_BEYOND_LOG => c"RAFT_REFUSED_ACK_BEYOND_LOG",
        RAFT_REFUSED_SECOND_LEADER => c"RAFT_REFUSED_SECOND_LEADER",
        RAFT_REFUSED_EMPTY_PROPOSAL => c"RAFT_REFUSED_EMPTY_PROPOSAL",
        RAFT_REFUSED_CONF_CHANGE => c"RAFT_REFUSED_CONF_CHANGE",
        RAFT_REFUSED_SNAPSHOT => c"RAFT_REFUSED_SNAPSHOT",
        RAFT_REFUSED_READ_POSITION => c"RAFT_REFUSED_READ_POSITION",
        RAFT_REFUSED_NO_SENDER => c"RAFT_REFUSED_NO_SENDER",
        RAFT_REFUSED_NO_TERM => c"RAFT_REFUSED_NO_TERM",
        RAFT_REFUSED_UNASKED_REPORT => c"RAFT_REFUSED_UNASKED_REPORT",
        _ => c"",
    }
}

fn snapshot_ignored_name(number: raft_snapshot_ignored) -> &'static CStr {
    match number {
        RAFT_IGNORED_OLD => c"RAFT_IGNORED_OLD",
        RAFT_IGNORED_NOT_MEMBER => c"RAFT_IGNORED_NOT_MEMBER",
        RAFT_IGNORED_IN_LOG => c"RAFT_IGNORED_IN_LOG",
        _ => c"",
    }
}

fn drop_name(number: raft_drop_reason) -> &'static CStr {
    match number {
        RAFT_DROP_NO_LEADER => c"RAFT_DROP_NO_LEADER",
        RAFT_DROP_FORWARDING_DISABLED => c"RAFT_DROP_FORWARDING_DISABLED",
        RAFT_DROP_REMOVED => c"RAFT_DROP_REMOVED",
        RAFT_DROP_TRANSFERRING => c"RAFT_DROP_TRANSFERRING",
        RAFT_DROP_UNCOMMITTED_LIMIT => c"RAFT_DROP_UNCOMMITTED_LIMIT",
        RAFT_DROP_TOO_MANY_READS => c"RAFT_DROP_TOO_MANY_READS",
        RAFT_DROP_CONF_CHANGE_PENDING => c"RAFT_DROP_CONF_CHANGE_PENDING",
        RAFT_DROP_ALREADY_JOINT => c"RAFT_DROP_ALREADY_JOINT",
        RAFT_DROP_NOT_JOINT => c"RAFT_DROP_NOT_JOINT",
        RAFT_DROP_LEADER_CHANGED => c"RAFT_DROP_LEADER_CHANGED",
        RAFT_DROP_OTHER => c"RAFT_DROP_OTHER",
        _ => c"",
    }
}

impl From<&Event> for raft_event {
    fn from(event: &Event) -> raft_event {
        let none = raft_event::default();
        match *event {
            Event::RoleChanged {
                from,
                to,
                term,
                leader,
            } => raft_event {
                r#type: RAFT_EVENT_ROLE_CHANGED,
                node: leader,
                term,
                from: from as u64,
                to: to as u64,
                ..none
            },
            Event::LeaderChanged { from, to, term } => raft_event {
                r#type: RAFT_EVENT_LEADER_CHANGED,
                term,
                from,
                to,
                ..none
            },
            Event::CampaignStarted { kind, reason, term } => raft_event {
                r#type: RAFT_EVENT_CAMPAIGN_STARTED,
                reason: reason as i32,
                kind: kind as i32,
                term,
                ..none
            },
            Event::CampaignRefused { kind, reason, term } => raft_event {
                r#type: RAFT_EVENT_CAMPAIGN_REFUSED,
                reason: reason as i32,
                kind: kind as i32,
                term,
                ..none
            },
            Event::ElectionWon {
                term,
                granted,
                refused,
            } => raft_event {
                r#type: RAFT_EVENT_ELECTION_WON,
                term,
                from: granted,
                to: refused,
                ..none
            },
            Event::ElectionLost {
                kind,
                reason,
                by,
                term,
                granted,
                refused,
            } => raft_event {
                r#type: RAFT_EVENT_ELECTION_LOST,
                reason: reason as i32,
                kind: kind as i32,
                node: by,
                term,
                from: granted,
                to: refused,
                ..none
            },
            Event::SteppedDown { reason, by, term } => raft_event {
                r#type: RAFT_EVENT_STEPPED_DOWN,
                reason: reason as i32,
                node: by,
                term,
                ..none
            },
            Event::FlowChanged {
                id,
                from,
                to,
                reason,
                index,
            } => raft_event {
                r#type: RAFT_EVENT_FLOW_CHANGED,
                reason: reason as i32,
                node: id,
                index,
                from: from as u64,
                to: to as u64,
                ..none
            },
            Event::TransferStarted { to, term } => raft_event {
                r#type: RAFT_EVENT_TRANSFER_STARTED,
                node: to,
                term,
                ..none
            },
            Event::TransferEnded { to, reason, term } => raft_event {
                r#type: RAFT_EVENT_TRANSFER_ENDED,
                reason: reason as i32,
                node: to,
                term,
                ..none
            },
            Event::Dropped { kind, reason, from } => raft_event {
                r#type: RAFT_EVENT_DROPPED,
                reason: reason.number(),
                kind: kind as i32,
                node: from,
                index: reason.index(),
                ..none
            },
            Event::MessageRefused { from, term, reason } => raft_event {
                r#type: RAFT_EVENT_MESSAGE_REFUSED,
                reason: reason.number(),
                node: from,
                term,
                ..none
            },
            Event::SnapshotInstalled { from, index } => raft_event {
                r#type: RAFT_EVENT_SNAPSHOT_INSTALLED,
                node: from,
                index,
                ..none
            },
            Event::SnapshotIgnored {
                from,
                index,
                reason,
            } => raft_event {
                r#type: RAFT_EVENT_SNAPSHOT_IGNORED,
                reason: reason as i32,
                node: from,
                index,
                ..none
            },
            Event::Removed { by, as_of } => raft_event {
                r#type: RAFT_EVENT_REMOVED,
                node: by,
                index: as_of,
                ..none
            },
            // The core may learn of more before this layer does.
            _ => none,
        }
    }
}
