//! What a node has done, in numbers.
//!
//! The table below is the only list of the counters in this crate: the struct, its JSON and the text
//! for Prometheus come of it, with the same names and the same words.

/// Makes [`Metrics`], [`Metrics::COUNTERS`] and `with_counters` of the table. The first argument is a
/// `$` for the macro in the macro.
macro_rules! counters {
    (($d:tt) $($(#[doc = $help:literal])+ $name:ident,)+) => {
        /// Counters of a node since it was made; see [`crate::Node::metrics`]. They never decrease.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct Metrics {
            $($(#[doc = $help])+ pub $name: u64,)+
        }

        impl Metrics {
            /// The counters, in the order of the fields.
            pub const COUNTERS: &[Counter] = &[
                $(Counter {
                    name: stringify!($name),
                    help: concat!($($help),+),
                    value: |metrics| metrics.$name,
                },)+
            ];
        }

        /// Calls a macro with the names of all counters: for what copies them field by field.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! with_counters {
            ($d name:ident) => { $d name!($($name,)+) };
        }
    };
}

/// One of the counters of [`Metrics`]: what it is called, and how to get at it.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    name: &'static str,
    help: &'static str,
    value: fn(&Metrics) -> u64,
}

impl Counter {
    /// The name of the field.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is counted, in words.
    pub fn help(&self) -> &'static str {
        self.help.trim_ascii_start()
    }

    /// Its value.
    pub fn value(&self, metrics: &Metrics) -> u64 {
        (self.value)(metrics)
    }
}

counters! {
    ($)
    /// Ticks, quiesced ones included.
    ticks,
    /// Messages taken from peers, and from storage workers.
    messages_received,
    /// Messages refused: malformed, impossible, of an unknown peer.
    messages_refused,
    /// Messages to peers; not those to the node itself or to storage workers.
    messages_sent,
    /// Campaigns that were due and not allowed.
    campaigns_refused,
    /// Pre-elections started.
    pre_elections_started,
    /// Elections started, transfers excepted.
    elections_started,
    /// Elections started because a leader hands over.
    transfer_elections_started,
    /// Elections won.
    elections_won,
    /// Elections and pre-elections lost: refused by too many.
    elections_lost_outvoted,
    /// Elections and pre-elections lost: a message of a higher term came.
    elections_lost_higher_term,
    /// Elections and pre-elections lost: somebody else leads.
    elections_lost_leader_appeared,
    /// Elections and pre-elections lost: too few answers, or called anew.
    elections_lost_timed_out,
    /// Votes granted to others; pre-votes are not counted.
    votes_granted,
    /// Votes refused to others; pre-votes are not counted.
    votes_refused,
    /// Leaderships ended by a higher term.
    step_downs_higher_term,
    /// Leaderships ended for want of a quorum.
    step_downs_check_quorum,
    /// Leaderships ended by a removal.
    step_downs_removed,
    /// Changes of role.
    role_changes,
    /// Changes of the known leader, to none and back included.
    leader_changes,
    /// Commands and configuration changes that this leader has appended to its log.
    proposals_taken,
    /// Proposals that this node has passed on to a leader.
    proposals_forwarded,
    /// Proposals dropped: no leader known.
    proposals_dropped_no_leader,
    /// Proposals dropped: a follower that may not forward.
    proposals_dropped_forwarding_disabled,
    /// Proposals dropped: a leader that is no member.
    proposals_dropped_removed,
    /// Proposals dropped: leadership is being transferred.
    proposals_dropped_transferring,
    /// Proposals dropped: too many uncommitted bytes.
    proposals_dropped_uncommitted_limit,
    /// Proposals dropped: sent to a leadership that has ended.
    proposals_dropped_leader_changed,
    /// Configuration changes that this leader has appended to its log.
    conf_changes_proposed,
    /// Configuration changes that this leader has turned into empty entries.
    conf_changes_refused,
    /// Configuration changes applied.
    conf_changes_applied,
    /// Reads asked for, by this node's host or, on a leader, by others.
    reads_asked,
    /// Reads that this node has passed on to a leader.
    reads_forwarded,
    /// Reads answered: read states for the host and answers to others.
    reads_answered,
    /// Reads dropped, whatever the reason.
    reads_dropped,
    /// Appends sent.
    appends_sent,
    /// Acknowledgements of other members that came to this leader. Fewer than appends: see
    /// [`crate::Config::coalesce_appends`].
    appends_accepted,
    /// Refusals of other members that came to this leader.
    appends_rejected,
    /// Heartbeats sent.
    heartbeats_sent,
    /// Snapshots sent.
    snapshots_sent,
    /// Snapshots taken in place of the log.
    snapshots_installed,
    /// Snapshots that were of no use.
    snapshots_ignored,
    /// Snapshots that did not arrive, as the host reported.
    snapshots_failed,
    /// Changes of how a member is sent to.
    flow_changes,
    /// Entries appended to this node's log, as a leader or as a follower.
    entries_appended,
    /// How far the commit index has moved since the node was made.
    entries_committed,
    /// How far the host has applied since the node was made.
    entries_applied,
    /// Leadership transfers started.
    transfers_started,
    /// Leadership transfers that have timed out.
    transfers_timed_out,
    /// Leadership transfers given up for another reason than a step-down.
    transfers_aborted,
    /// Requests for entries and snapshots made to the host.
    requests_made,
    /// Requests for entries and snapshots made again because no answer came.
    requests_repeated,
    /// Reports sent to peers of what was dropped, and of their removal.
    reports_sent,
    /// Reports taken from peers of what was dropped, and of their removal.
    reports_received,
    /// Forwarded proposals discarded because they had come before.
    repeats_discarded,
    /// Events lost because the host took no Ready for too long.
    events_lost,
}
