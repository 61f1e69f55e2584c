//! Events and states in words: for logs, JSON and Prometheus, which all take them from here.
//!
//! The words are those of the C interface's constants, in lower case and without their prefix. They
//! stay as they are from one version to the next; there may be more.

use std::fmt;

use crate::error::{DropReason, Impossible};
use crate::event::{
    CampaignKind, CampaignReason, CampaignRefusal, DropKind, Event, FlowReason, LossReason,
    RefusalReason, SnapshotIgnored, StepDownReason, TransferEnd,
};
use crate::status::FlowState;
use crate::types::Role;

/// How much an event deserves attention; the levels of the usual logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// Of interest to who looks for a fault.
    Debug = 1,
    /// What happens in a group that works.
    Info = 2,
    /// What should not happen often, and that somebody may have to look after.
    Warn = 3,
}

/// A field of an event; see [`Event::visit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// An id, a term, an index, a count.
    Number(u64),
    /// A role, a reason and so on, by its name.
    Word(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Word(word) => f.write_str(word),
        }
    }
}

/// Gives the enums their words, and their way back from the numbers of the C interface.
macro_rules! words {
    ($($ty:ident { $($variant:ident $word:literal,)+ })+) => {$(
        impl $ty {
            /// Its name: one word in lower case.
            pub fn name(self) -> &'static str {
                match self {
                    $($ty::$variant => $word,)+
                }
            }

            /// What has this number for hosts in other languages.
            pub fn from_number(number: i32) -> Option<$ty> {
                [$($ty::$variant,)+].into_iter().find(|one| *one as i32 == number)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl From<$ty> for Value {
            fn from(value: $ty) -> Value {
                Value::Word(value.name())
            }
        }
    )+};
}

words! {
    Level {
        Debug "debug",
        Info "info",
        Warn "warn",
    }
    Role {
        Follower "follower",
        Candidate "candidate",
        Leader "leader",
        PreCandidate "pre_candidate",
    }
    FlowState {
        Probe "probe",
        Replicate "replicate",
        Snapshot "snapshot",
    }
    CampaignKind {
        PreElection "pre_election",
        Election "election",
        Transfer "transfer",
    }
    CampaignReason {
        Timeout "timeout",
        Host "host",
        LeaderAsked "leader_asked",
        PreElectionWon "pre_election_won",
    }
    CampaignRefusal {
        Leads "leads",
        NotVoter "not_voter",
        PendingSnapshot "pending_snapshot",
        UnappliedConfChange "unapplied_conf_change",
        TermLimit "term_limit",
    }
    LossReason {
        Outvoted "outvoted",
        HigherTerm "higher_term",
        LeaderAppeared "leader_appeared",
        TimedOut "timed_out",
        Restarted "restarted",
    }
    StepDownReason {
        HigherTerm "higher_term",
        CheckQuorum "check_quorum",
        Removed "removed",
    }
    FlowReason {
        Accepted "accepted",
        Rejected "rejected",
        Unreachable "unreachable",
        SnapshotSent "snapshot_sent",
        SnapshotFinished "snapshot_finished",
        SnapshotFailed "snapshot_failed",
    }
    TransferEnd {
        TimedOut "timed_out",
        Replaced "replaced",
        TargetRemoved "target_removed",
        SteppedDown "stepped_down",
    }
    DropKind {
        Proposal "proposal",
        ConfChange "conf_change",
        Read "read",
    }
    SnapshotIgnored {
        Old "old",
        NotMember "not_member",
        InLog "in_log",
    }
}

impl DropReason {
    /// Its name: one word in lower case.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::NoLeader => "no_leader",
            DropReason::ForwardingDisabled => "forwarding_disabled",
            DropReason::Removed => "removed",
            DropReason::Transferring => "transferring",
            DropReason::UncommittedLimit => "uncommitted_limit",
            DropReason::TooManyReads => "too_many_reads",
            DropReason::ConfChangePending(_) => "conf_change_pending",
            DropReason::AlreadyJoint => "already_joint",
            DropReason::NotJoint => "not_joint",
            DropReason::LeaderChanged => "leader_changed",
            DropReason::Other => "other",
        }
    }
}

impl RefusalReason {
    /// Its name: one word in lower case.
    pub fn name(self) -> &'static str {
        match self {
            RefusalReason::Malformed => "malformed",
            RefusalReason::LocalMessage => "local_message",
            RefusalReason::UnknownPeer => "unknown_peer",
            RefusalReason::Impossible(why) => match why {
                Impossible::OutOfBounds => "out_of_bounds",
                Impossible::IllFormedEntries => "entries",
                Impossible::CommittedConflict(_) => "committed_conflict",
                Impossible::CommitBeyondLog { .. } => "commit_beyond_log",
                Impossible::AckBeyondLog { .. } => "ack_beyond_log",
                Impossible::SecondLeader(_) => "second_leader",
                Impossible::EmptyProposal => "empty_proposal",
                Impossible::IllFormedConfChange => "conf_change",
                Impossible::IllFormedSnapshot => "snapshot",
                Impossible::IllFormedReadPosition => "read_position",
                Impossible::NoSender => "no_sender",
                Impossible::NoTerm => "no_term",
                Impossible::UnaskedReport => "unasked_report",
            },
        }
    }

    /// What has this number for hosts in other languages; what else belongs to it is 0.
    pub fn from_number(number: i32) -> Option<RefusalReason> {
        let (commit, last, index) = (0, 0, 0);
        let impossible = [
            Impossible::OutOfBounds,
            Impossible::IllFormedEntries,
            Impossible::CommittedConflict(index),
            Impossible::CommitBeyondLog { commit, last },
            Impossible::AckBeyondLog { index, last },
            Impossible::SecondLeader(0),
            Impossible::EmptyProposal,
            Impossible::IllFormedConfChange,
            Impossible::IllFormedSnapshot,
            Impossible::IllFormedReadPosition,
            Impossible::NoSender,
            Impossible::NoTerm,
            Impossible::UnaskedReport,
        ];
        [
            RefusalReason::Malformed,
            RefusalReason::LocalMessage,
            RefusalReason::UnknownPeer,
        ]
        .into_iter()
        .chain(impossible.map(RefusalReason::Impossible))
        .find(|reason| reason.number() == number)
    }
}

impl Event {
    /// What has happened, such as "election_lost": the name of its kind, in lower case.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RoleChanged { .. } => "role_changed",
            Event::LeaderChanged { .. } => "leader_changed",
            Event::CampaignStarted { .. } => "campaign_started",
            Event::CampaignRefused { .. } => "campaign_refused",
            Event::ElectionWon { .. } => "election_won",
            Event::ElectionLost { .. } => "election_lost",
            Event::SteppedDown { .. } => "stepped_down",
            Event::FlowChanged { .. } => "flow_changed",
            Event::TransferStarted { .. } => "transfer_started",
            Event::TransferEnded { .. } => "transfer_ended",
            Event::Dropped { .. } => "dropped",
            Event::MessageRefused { .. } => "message_refused",
            Event::SnapshotInstalled { .. } => "snapshot_installed",
            Event::SnapshotIgnored { .. } => "snapshot_ignored",
            Event::Removed { .. } => "removed",
        }
    }

    /// How a log should rank it: changes of who leads and who is in are for everybody; what a limit, a
    /// lost quorum or a peer's nonsense has caused is a warning; the rest is for a closer look.
    pub fn level(&self) -> Level {
        match self {
            Event::RoleChanged { .. }
            | Event::LeaderChanged { .. }
            | Event::CampaignStarted { .. }
            | Event::ElectionWon { .. }
            | Event::ElectionLost { .. }
            | Event::TransferStarted { .. }
            | Event::SnapshotInstalled { .. } => Level::Info,
            Event::CampaignRefused { reason, .. } => match reason {
                CampaignRefusal::TermLimit => Level::Warn,
                _ => Level::Debug,
            },
            Event::SteppedDown { reason, .. } => match reason {
                StepDownReason::CheckQuorum => Level::Warn,
                StepDownReason::HigherTerm | StepDownReason::Removed => Level::Info,
            },
            Event::FlowChanged { reason, .. } => match reason {
                FlowReason::SnapshotSent => Level::Info,
                FlowReason::SnapshotFailed => Level::Warn,
                _ => Level::Debug,
            },
            Event::TransferEnded { reason, .. } => match reason {
                TransferEnd::TimedOut => Level::Warn,
                _ => Level::Info,
            },
            Event::Dropped { reason, .. } => match reason {
                DropReason::UncommittedLimit | DropReason::TooManyReads => Level::Warn,
                _ => Level::Info,
            },
            Event::SnapshotIgnored { .. } => Level::Debug,
            Event::MessageRefused { .. } | Event::Removed { .. } => Level::Warn,
        }
    }

    /// Shows each field under its name, in the order of the declaration. A drop has one more, `index`,
    /// if its reason has an index.
    pub fn visit(&self, mut field: impl FnMut(&'static str, Value)) {
        /// The fields under their own names.
        macro_rules! show {
            ($($name:ident),+) => {{
                $(field(stringify!($name), Value::from($name));)+
            }};
        }
        match *self {
            Event::RoleChanged {
                from,
                to,
                term,
                leader,
            } => show!(from, to, term, leader),
            Event::LeaderChanged { from, to, term } => show!(from, to, term),
            Event::CampaignStarted { kind, reason, term } => show!(kind, reason, term),
            Event::CampaignRefused { kind, reason, term } => show!(kind, reason, term),
            Event::ElectionWon {
                term,
                granted,
                refused,
            } => show!(term, granted, refused),
            Event::ElectionLost {
                kind,
                reason,
                by,
                term,
                granted,
                refused,
            } => show!(kind, reason, by, term, granted, refused),
            Event::SteppedDown { reason, by, term } => show!(reason, by, term),
            Event::FlowChanged {
                id,
                from,
                to,
                reason,
                index,
            } => show!(id, from, to, reason, index),
            Event::TransferStarted { to, term } => show!(to, term),
            Event::TransferEnded { to, reason, term } => show!(to, reason, term),
            Event::Dropped { kind, reason, from } => {
                show!(kind, reason, from);
                if let DropReason::ConfChangePending(index) = reason {
                    show!(index);
                }
            }
            Event::MessageRefused { from, term, reason } => show!(from, term, reason),
            Event::SnapshotInstalled { from, index } => show!(from, index),
            Event::SnapshotIgnored {
                from,
                index,
                reason,
            } => show!(from, index, reason),
            Event::Removed { by, as_of } => show!(by, as_of),
        }
    }
}

/// One line, such as `election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = f.write_str(self.name());
        self.visit(|name, value| {
            if result.is_ok() {
                result = write!(f, " {name}={value}");
            }
        });
        result
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number)
    }
}

impl From<DropReason> for Value {
    fn from(reason: DropReason) -> Value {
        Value::Word(reason.name())
    }
}

impl From<RefusalReason> for Value {
    fn from(reason: RefusalReason) -> Value {
        Value::Word(reason.name())
    }
}

#[cfg(feature = "serde")]
mod json {
    //! An event is a map with its name under "type", and its fields.

    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::{Event, Value};

    impl Serialize for Value {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Value::Number(number) => serializer.serialize_u64(*number),
                Value::Word(word) => serializer.serialize_str(word),
            }
        }
    }

    impl Serialize for Event {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = vec![("type", Value::Word(self.name()))];
            self.visit(|name, value| fields.push((name, value)));
            let mut map = serializer.serialize_map(Some(fields.len()))?;
            for (name, value) in fields {
                map.serialize_entry(name, &value)?;
            }
            map.end()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
