//! What a node notes down about itself while it works: events and counters.
//!
//! Nothing here has any influence on the protocol: notes are written and never read by it, and a
//! call that fails may leave some behind.

use std::collections::VecDeque;

use crate::error::DropReason;
use crate::event::{
    CampaignKind, DropKind, Event, FlowReason, LossReason, StepDownReason, TransferEnd,
};
use crate::metrics::Metrics;
use crate::status::FlowState;
use crate::tracker::Flow;
use crate::types::{Index, NodeId};

/// At most this many events wait for a Ready; more push out the oldest.
pub const MAX_EVENTS: usize = 256;

/// Events that wait for the next Ready, and counters.
// Each heartbeat looks for events and counts: what else there is, is apart.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Notes {
    /// What is counted all the time.
    pub frequent: Frequent,
    /// None if there are none. In a box, since a line that each heartbeat fetches has no room to spare.
    #[expect(clippy::box_collection)]
    events: Option<Box<VecDeque<Event>>>,
    seldom: Box<Seldom>,
}

/// What a node at rest has no use for.
#[derive(Clone, Debug, Default)]
struct Seldom {
    /// Where `committed` and `applied` stood when the node was made.
    began: (Index, Index),
    replication: Replication,
    elections: Elections,
    /// Ticks that moved no clock but that of the election.
    ticks_quiesced: u64,
    /// The other counters. A node that has only followed, without a refused vote or a change of its
    /// members, has none of them, and is 440 bytes smaller.
    rare: Option<Box<Metrics>>,
}

/// Makes a struct of a list of fields of [`Metrics`].
macro_rules! counters {
    ($(#[$doc:meta])* $struct:ident: $($name:ident,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        #[repr(C)]
        pub struct $struct {
            $(pub $name: u64,)+
        }

        impl $struct {
            /// These counters, and the others from `rare`.
            fn with(self, rare: Metrics) -> Metrics {
                Metrics {
                    $($name: self.$name,)+
                    ..rare
                }
            }
        }
    };
}

counters! {
    /// The counters of [`Metrics`] that a node needs all the time, even at rest.
    Frequent:
    heartbeats_sent,
    messages_sent,
    messages_received,
}

counters! {
    /// Those that it needs when entries are replicated.
    Replication:
    proposals_taken,
    appends_accepted,
    appends_sent,
}

counters! {
    /// Those that it needs when a leader is elected.
    Elections:
    leader_changes,
    role_changes,
    pre_elections_started,
    elections_started,
    elections_won,
    flow_changes,
    votes_granted,
}

impl Notes {
    /// Nothing has happened yet.
    pub fn new(committed: Index, applied: Index) -> Notes {
        let mut notes = Notes::default();
        notes.seldom.began = (committed, applied);
        notes
    }

    /// Where `committed` and `applied` stood then.
    pub fn began(&self) -> (Index, Index) {
        self.seldom.began
    }

    /// The counters of entries that are replicated.
    #[inline]
    pub fn replication(&mut self) -> &mut Replication {
        &mut self.seldom.replication
    }

    /// The counters of elections.
    pub fn elections(&mut self) -> &mut Elections {
        &mut self.seldom.elections
    }

    /// The counters that are not among the frequent ones, to be increased.
    pub fn rare(&mut self) -> &mut Metrics {
        self.seldom.rare.get_or_insert_default()
    }

    /// The counters, without those that are computed when they are asked for.
    pub fn metrics(&self) -> Metrics {
        let rare = self.seldom.rare.as_deref().copied().unwrap_or_default();
        let Seldom {
            replication,
            elections,
            ..
        } = *self.seldom;
        self.frequent.with(replication.with(elections.with(rare)))
    }

    /// Counts a tick that the other clocks do not.
    pub fn tick_quiesced(&mut self) {
        self.seldom.ticks_quiesced += 1;
    }

    /// How many there were.
    pub fn ticks_quiesced(&self) -> u64 {
        self.seldom.ticks_quiesced
    }

    /// Notes an event.
    pub fn event(&mut self, event: Event) {
        let events = self.events.get_or_insert_default();
        let lost = events.len() == MAX_EVENTS;
        if lost {
            events.pop_front();
        }
        events.push_back(event);
        if lost {
            self.rare().events_lost += 1;
        }
        self.count(event);
    }

    /// Whether there are events that the host has not been given.
    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    /// The events in the order in which they happened, onto `out`.
    pub fn copy_events(&self, out: &mut Vec<Event>) {
        if let Some(events) = &self.events {
            out.extend(events.iter());
        }
    }

    /// The host has been given them. Not even their room is kept: they are few, and far between.
    pub fn forget_events(&mut self) {
        if self.events.is_some() {
            self.events = None;
        }
    }

    /// The counters that follow from events.
    fn count(&mut self, event: Event) {
        let elections = &mut self.seldom.elections;
        let counter = match event {
            Event::RoleChanged { .. } => &mut elections.role_changes,
            Event::LeaderChanged { .. } => &mut elections.leader_changes,
            Event::CampaignStarted { kind, .. } => match kind {
                CampaignKind::PreElection => &mut elections.pre_elections_started,
                CampaignKind::Election => &mut elections.elections_started,
                CampaignKind::Transfer => &mut self.rare().transfer_elections_started,
            },
            Event::ElectionWon { .. } => &mut elections.elections_won,
            Event::FlowChanged { reason, .. } => {
                if reason == FlowReason::SnapshotFailed {
                    self.rare().snapshots_failed += 1;
                }
                &mut self.seldom.elections.flow_changes
            }
            _ => return self.count_rare(event),
        };
        *counter += 1;
    }

    fn count_rare(&mut self, event: Event) {
        let metrics = self.rare();
        let counter = match event {
            Event::CampaignRefused { .. } => &mut metrics.campaigns_refused,
            Event::ElectionLost { reason, .. } => match reason {
                LossReason::Outvoted => &mut metrics.elections_lost_outvoted,
                LossReason::HigherTerm => &mut metrics.elections_lost_higher_term,
                LossReason::LeaderAppeared => &mut metrics.elections_lost_leader_appeared,
                LossReason::TimedOut | LossReason::Restarted => {
                    &mut metrics.elections_lost_timed_out
                }
            },
            Event::SteppedDown { reason, .. } => match reason {
                StepDownReason::HigherTerm => &mut metrics.step_downs_higher_term,
                StepDownReason::CheckQuorum => &mut metrics.step_downs_check_quorum,
                StepDownReason::Removed => &mut metrics.step_downs_removed,
            },
            Event::TransferStarted { .. } => &mut metrics.transfers_started,
            Event::TransferEnded { reason, .. } => match reason {
                TransferEnd::TimedOut => &mut metrics.transfers_timed_out,
                TransferEnd::Replaced | TransferEnd::TargetRemoved => {
                    &mut metrics.transfers_aborted
                }
                TransferEnd::SteppedDown => return,
            },
            Event::MessageRefused { .. } => &mut metrics.messages_refused,
            Event::SnapshotInstalled { .. } => &mut metrics.snapshots_installed,
            Event::SnapshotIgnored { .. } => &mut metrics.snapshots_ignored,
            // One event may stand for several entries: `dropped` counts.
            Event::Dropped { .. } | Event::Removed { .. } => return,
            Event::RoleChanged { .. }
            | Event::LeaderChanged { .. }
            | Event::CampaignStarted { .. }
            | Event::ElectionWon { .. }
            | Event::FlowChanged { .. } => return,
        };
        *counter += 1;
    }

    /// Notes that so many things of one kind were dropped.
    pub fn dropped(&mut self, kind: DropKind, reason: DropReason, from: NodeId, count: usize) {
        let metrics = self.rare();
        let counter = match (kind, reason) {
            (DropKind::Read, _) => &mut metrics.reads_dropped,
            (_, DropReason::NoLeader) => &mut metrics.proposals_dropped_no_leader,
            (_, DropReason::ForwardingDisabled) => {
                &mut metrics.proposals_dropped_forwarding_disabled
            }
            (_, DropReason::Removed) => &mut metrics.proposals_dropped_removed,
            (_, DropReason::Transferring) => &mut metrics.proposals_dropped_transferring,
            (_, DropReason::UncommittedLimit) => &mut metrics.proposals_dropped_uncommitted_limit,
            (_, DropReason::LeaderChanged) => &mut metrics.proposals_dropped_leader_changed,
            _ => &mut metrics.conf_changes_refused,
        };
        *counter += count as u64;
        self.event(Event::Dropped { kind, reason, from });
    }
}

/// How a member is sent to, without the data that belongs to it.
pub fn flow_state(flow: &Flow) -> FlowState {
    match flow {
        Flow::Probe => FlowState::Probe,
        Flow::Replicate { .. } => FlowState::Replicate,
        Flow::Snapshot { .. } => FlowState::Snapshot,
    }
}
