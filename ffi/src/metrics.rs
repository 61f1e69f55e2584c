//! `raft_metrics`: what a node has done, in numbers.

use libraft_core::Metrics;

use crate::error::Failure;
use crate::sized::Place;

/// Counters of a node since it was made. They never decrease. The caller sets `size` to
/// sizeof(raft_metrics) before the call; see Sizes in this file's opening comment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_metrics {
    /// sizeof(raft_metrics), set by the caller.
    pub size: usize,
    /// Ticks, quiesced ones included.
    pub ticks: u64,
    /// Messages taken from peers, and from storage workers.
    pub messages_received: u64,
    /// Messages refused: malformed, impossible, of an unknown peer.
    pub messages_refused: u64,
    /// Messages to peers; not those to the node itself or to storage workers.
    pub messages_sent: u64,
    /// Campaigns that were due and not allowed.
    pub campaigns_refused: u64,
    /// Pre-elections started.
    pub pre_elections_started: u64,
    /// Elections started, transfers excepted.
    pub elections_started: u64,
    /// Elections started because a leader hands over.
    pub transfer_elections_started: u64,
    /// Elections won.
    pub elections_won: u64,
    /// Elections and pre-elections lost: refused by too many.
    pub elections_lost_outvoted: u64,
    /// Elections and pre-elections lost: a message of a higher term came.
    pub elections_lost_higher_term: u64,
    /// Elections and pre-elections lost: somebody else leads.
    pub elections_lost_leader_appeared: u64,
    /// Elections and pre-elections lost: too few answers, or called anew.
    pub elections_lost_timed_out: u64,
    /// Votes granted to others; pre-votes are not counted.
    pub votes_granted: u64,
    /// Votes refused to others; pre-votes are not counted.
    pub votes_refused: u64,
    /// Leaderships ended by a higher term.
    pub step_downs_higher_term: u64,
    /// Leaderships ended for want of a quorum.
    pub step_downs_check_quorum: u64,
    /// Leaderships ended by a removal.
    pub step_downs_removed: u64,
    /// Changes of role.
    pub role_changes: u64,
    /// Changes of the known leader, to none and back included.
    pub leader_changes: u64,
    /// Commands and configuration changes that this leader has appended to its log.
    pub proposals_taken: u64,
    /// Proposals that this node has passed on to a leader.
    pub proposals_forwarded: u64,
    /// Proposals dropped: no leader known.
    pub proposals_dropped_no_leader: u64,
    /// Proposals dropped: a follower that may not forward.
    pub proposals_dropped_forwarding_disabled: u64,
    /// Proposals dropped: a leader that is no member.
    pub proposals_dropped_removed: u64,
    /// Proposals dropped: leadership is being transferred.
    pub proposals_dropped_transferring: u64,
    /// Proposals dropped: too many uncommitted bytes.
    pub proposals_dropped_uncommitted_limit: u64,
    /// Proposals dropped: sent to a leadership that has ended.
    pub proposals_dropped_leader_changed: u64,
    /// Configuration changes that this leader has appended to its log.
    pub conf_changes_proposed: u64,
    /// Configuration changes that this leader has turned into empty entries.
    pub conf_changes_refused: u64,
    /// Configuration changes applied.
    pub conf_changes_applied: u64,
    /// Reads asked for, by this node's host or, on a leader, by others.
    pub reads_asked: u64,
    /// Reads that this node has passed on to a leader.
    pub reads_forwarded: u64,
    /// Reads answered: read states for the host and answers to others.
    pub reads_answered: u64,
    /// Reads dropped, whatever the reason.
    pub reads_dropped: u64,
    /// Appends sent.
    pub appends_sent: u64,
    /// Acknowledgements of other members that came to this leader. Fewer than appends: see
    /// raft_config_set_coalesce_appends().
    pub appends_accepted: u64,
    /// Refusals of other members that came to this leader.
    pub appends_rejected: u64,
    /// Heartbeats sent.
    pub heartbeats_sent: u64,
    /// Snapshots sent.
    pub snapshots_sent: u64,
    /// Snapshots taken in place of the log.
    pub snapshots_installed: u64,
    /// Snapshots that were of no use.
    pub snapshots_ignored: u64,
    /// Snapshots that did not arrive, as the host reported.
    pub snapshots_failed: u64,
    /// Changes of how a member is sent to.
    pub flow_changes: u64,
    /// Entries appended to this node's log, as a leader or as a follower.
    pub entries_appended: u64,
    /// How far the commit index has moved since the node was made.
    pub entries_committed: u64,
    /// How far the host has applied since the node was made.
    pub entries_applied: u64,
    /// Leadership transfers started.
    pub transfers_started: u64,
    /// Leadership transfers that have timed out.
    pub transfers_timed_out: u64,
    /// Leadership transfers given up for another reason than a step-down.
    pub transfers_aborted: u64,
    /// Requests for entries and snapshots made to the host.
    pub requests_made: u64,
    /// Requests for entries and snapshots made again because no answer came.
    pub requests_repeated: u64,
    /// Reports sent to peers of what was dropped, and of their removal.
    pub reports_sent: u64,
    /// Reports taken from peers of what was dropped, and of their removal.
    pub reports_received: u64,
    /// Forwarded proposals discarded because they had come before.
    pub repeats_discarded: u64,
    /// Events lost because the host took no Ready for too long.
    pub events_lost: u64,
}

/// Fills in the caller's struct.
///
/// # Safety
/// `place` is NULL or points to a struct whose `size` is set, and is true.
pub(crate) unsafe fn fill(place: *mut raft_metrics, metrics: &Metrics) -> Result<(), Failure> {
    // SAFETY: the same contract.
    let place = unsafe { Place::check(place) }?;
    place.put(|size| {
        macro_rules! copied {
            ($($name:ident,)+) => { raft_metrics { size, $($name: metrics.$name,)+ } };
        }
        // Of the core's own list, so that none can be missing here.
        libraft_core::with_counters!(copied)
    });
    Ok(())
}
