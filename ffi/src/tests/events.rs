//! Events, reports of what was dropped, and counters.

use libraft_core::*;

use super::*;
use crate::entry::{RAFT_ROLE_FOLLOWER, RAFT_ROLE_LEADER};
use crate::event::*;
use crate::metrics::raft_metrics;

/// An event of each type, with the names of its type, its reason and its kind.
pub(super) fn one_of_each() -> Vec<(Event, &'static str, &'static str, &'static str)> {
    let kind = CampaignKind::Election;
    let (term, index) = (5, 6);
    let (from, by, to, id) = (2, 3, 4, 5);
    vec![
        (
            Event::RoleChanged {
                from: Role::Follower,
                to: Role::Leader,
                term,
                leader: 1,
            },
            "ROLE_CHANGED",
            "",
            "",
        ),
        (
            Event::LeaderChanged { from, to, term },
            "LEADER_CHANGED",
            "",
            "",
        ),
        (
            Event::CampaignStarted {
                kind,
                reason: CampaignReason::PreElectionWon,
                term,
            },
            "CAMPAIGN_STARTED",
            "TRIGGER_PRE_ELECTION_WON",
            "CAMPAIGN_ELECTION",
        ),
        (
            Event::CampaignRefused {
                kind,
                reason: CampaignRefusal::TermLimit,
                term,
            },
            "CAMPAIGN_REFUSED",
            "OBSTACLE_TERM_LIMIT",
            "CAMPAIGN_ELECTION",
        ),
        (
            Event::ElectionWon {
                term,
                granted: 2,
                refused: 1,
            },
            "ELECTION_WON",
            "",
            "",
        ),
        (
            Event::ElectionLost {
                kind: CampaignKind::PreElection,
                reason: LossReason::Restarted,
                by,
                term,
                granted: 1,
                refused: 2,
            },
            "ELECTION_LOST",
            "LOSS_RESTARTED",
            "CAMPAIGN_PRE_ELECTION",
        ),
        (
            Event::SteppedDown {
                reason: StepDownReason::Removed,
                by,
                term,
            },
            "STEPPED_DOWN",
            "STEP_DOWN_REMOVED",
            "",
        ),
        (
            Event::FlowChanged {
                id,
                from: FlowState::Replicate,
                to: FlowState::Snapshot,
                reason: FlowReason::SnapshotFailed,
                index,
            },
            "FLOW_CHANGED",
            "FLOW_CAUSE_SNAPSHOT_FAILED",
            "",
        ),
        (
            Event::TransferStarted { to, term },
            "TRANSFER_STARTED",
            "",
            "",
        ),
        (
            Event::TransferEnded {
                to,
                reason: TransferEnd::SteppedDown,
                term,
            },
            "TRANSFER_ENDED",
            "TRANSFER_STEPPED_DOWN",
            "",
        ),
        (
            Event::Dropped {
                kind: DropKind::Read,
                reason: DropReason::ConfChangePending(index),
                from,
            },
            "DROPPED",
            "DROP_CONF_CHANGE_PENDING",
            "DROPPED_READ",
        ),
        (
            Event::MessageRefused {
                from,
                term,
                reason: RefusalReason::Impossible(Impossible::NoTerm),
            },
            "MESSAGE_REFUSED",
            "REFUSED_NO_TERM",
            "",
        ),
        (
            Event::SnapshotInstalled { from, index },
            "SNAPSHOT_INSTALLED",
            "",
            "",
        ),
        (
            Event::SnapshotIgnored {
                from,
                index,
                reason: SnapshotIgnored::InLog,
            },
            "SNAPSHOT_IGNORED",
            "IGNORED_IN_LOG",
            "",
        ),
        (Event::Removed { by, as_of: index }, "REMOVED", "", ""),
    ]
}

fn text(name: *const std::ffi::c_char) -> &'static str {
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().expect("names are ASCII")
}

#[test]
fn every_type_reason_and_kind_has_its_number_and_name() {
    let with_prefix = |word: &str| match word {
        "" => String::new(),
        word => format!("RAFT_{word}"),
    };
    for (number, (event, name, reason, kind)) in (1..).zip(one_of_each()) {
        let view = raft_event::from(&event);
        assert_eq!(view.r#type, number);
        unsafe {
            assert_eq!(
                text(raft_event_name(view.r#type)),
                format!("RAFT_EVENT_{name}")
            );
            let named = text(raft_event_reason_name(view.r#type, view.reason));
            assert_eq!(named, with_prefix(reason));
            let named = text(raft_event_kind_name(view.r#type, view.kind));
            assert_eq!(named, with_prefix(kind));
        }
    }
    for number in [-1, 0, 16, i32::MAX] {
        unsafe {
            assert_eq!(text(raft_event_name(number)), "RAFT_EVENT_?");
            assert_eq!(text(raft_event_reason_name(number, 1)), "");
            assert_eq!(text(raft_event_reason_name(RAFT_EVENT_DROPPED, -7)), "");
            assert_eq!(text(raft_drop_reason_name(number.wrapping_sub(77))), "");
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_core() {
    let campaign = [
        (RAFT_CAMPAIGN_PRE_ELECTION, CampaignKind::PreElection),
        (RAFT_CAMPAIGN_ELECTION, CampaignKind::Election),
        (RAFT_CAMPAIGN_TRANSFER, CampaignKind::Transfer),
    ];
    assert!(
        campaign
            .iter()
            .all(|(number, kind)| *number == *kind as i32)
    );
    let drops = [
        (RAFT_DROP_NO_LEADER, DropReason::NoLeader),
        (
            RAFT_DROP_FORWARDING_DISABLED,
            DropReason::ForwardingDisabled,
        ),
        (RAFT_DROP_REMOVED, DropReason::Removed),
        (RAFT_DROP_TRANSFERRING, DropReason::Transferring),
        (RAFT_DROP_UNCOMMITTED_LIMIT, DropReason::UncommittedLimit),
        (RAFT_DROP_TOO_MANY_READS, DropReason::TooManyReads),
        (
            RAFT_DROP_CONF_CHANGE_PENDING,
            DropReason::ConfChangePending(1),
        ),
        (RAFT_DROP_ALREADY_JOINT, DropReason::AlreadyJoint),
        (RAFT_DROP_NOT_JOINT, DropReason::NotJoint),
        (RAFT_DROP_LEADER_CHANGED, DropReason::LeaderChanged),
        (RAFT_DROP_OTHER, DropReason::Other),
    ];
    for (number, reason) in drops {
        assert_eq!(number, reason.number());
        assert!(text(unsafe { raft_drop_reason_name(number) }).starts_with("RAFT_DROP_"));
    }
    let numbers = |reason: Impossible| RefusalReason::Impossible(reason).number();
    assert_eq!(RAFT_REFUSED_MALFORMED, RefusalReason::Malformed.number());
    assert_eq!(
        RAFT_REFUSED_LOCAL_MESSAGE,
        RefusalReason::LocalMessage.number()
    );
    assert_eq!(
        RAFT_REFUSED_UNKNOWN_PEER,
        RefusalReason::UnknownPeer.number()
    );
    assert_eq!(RAFT_REFUSED_OUT_OF_BOUNDS, numbers(Impossible::OutOfBounds));
    assert_eq!(RAFT_REFUSED_ENTRIES, numbers(Impossible::IllFormedEntries));
    assert_eq!(
        RAFT_REFUSED_COMMITTED_CONFLICT,
        numbers(Impossible::CommittedConflict(1))
    );
    assert_eq!(
        RAFT_REFUSED_COMMIT_BEYOND_LOG,
        numbers(Impossible::CommitBeyondLog { commit: 2, last: 1 })
    );
    assert_eq!(
        RAFT_REFUSED_ACK_BEYOND_LOG,
        numbers(Impossible::AckBeyondLog { index: 2, last: 1 })
    );
    assert_eq!(
        RAFT_REFUSED_SECOND_LEADER,
        numbers(Impossible::SecondLeader(1))
    );
    assert_eq!(
        RAFT_REFUSED_EMPTY_PROPOSAL,
        numbers(Impossible::EmptyProposal)
    );
    assert_eq!(
        RAFT_REFUSED_CONF_CHANGE,
        numbers(Impossible::IllFormedConfChange)
    );
    assert_eq!(
        RAFT_REFUSED_SNAPSHOT,
        numbers(Impossible::IllFormedSnapshot)
    );
    assert_eq!(
        RAFT_REFUSED_READ_POSITION,
        numbers(Impossible::IllFormedReadPosition)
    );
    assert_eq!(RAFT_REFUSED_NO_SENDER, numbers(Impossible::NoSender));
    assert_eq!(RAFT_REFUSED_NO_TERM, numbers(Impossible::NoTerm));
    assert_eq!(
        RAFT_REFUSED_UNASKED_REPORT,
        numbers(Impossible::UnaskedReport)
    );
    assert_eq!(RAFT_TRIGGER_TIMEOUT, CampaignReason::Timeout as i32);
    assert_eq!(RAFT_TRIGGER_HOST, CampaignReason::Host as i32);
    assert_eq!(
        RAFT_TRIGGER_LEADER_ASKED,
        CampaignReason::LeaderAsked as i32
    );
    assert_eq!(
        RAFT_TRIGGER_PRE_ELECTION_WON,
        CampaignReason::PreElectionWon as i32
    );
    assert_eq!(RAFT_OBSTACLE_LEADS, CampaignRefusal::Leads as i32);
    assert_eq!(RAFT_OBSTACLE_NOT_VOTER, CampaignRefusal::NotVoter as i32);
    assert_eq!(
        RAFT_OBSTACLE_PENDING_SNAPSHOT,
        CampaignRefusal::PendingSnapshot as i32
    );
    assert_eq!(
        RAFT_OBSTACLE_UNAPPLIED_CONF_CHANGE,
        CampaignRefusal::UnappliedConfChange as i32
    );
    assert_eq!(RAFT_OBSTACLE_TERM_LIMIT, CampaignRefusal::TermLimit as i32);
    assert_eq!(RAFT_LOSS_OUTVOTED, LossReason::Outvoted as i32);
    assert_eq!(RAFT_LOSS_HIGHER_TERM, LossReason::HigherTerm as i32);
    assert_eq!(RAFT_LOSS_LEADER_APPEARED, LossReason::LeaderAppeared as i32);
    assert_eq!(RAFT_LOSS_TIMED_OUT, LossReason::TimedOut as i32);
    assert_eq!(RAFT_LOSS_RESTARTED, LossReason::Restarted as i32);
    assert_eq!(
        RAFT_STEP_DOWN_HIGHER_TERM,
        StepDownReason::HigherTerm as i32
    );
    assert_eq!(
        RAFT_STEP_DOWN_CHECK_QUORUM,
        StepDownReason::CheckQuorum as i32
    );
    assert_eq!(RAFT_STEP_DOWN_REMOVED, StepDownReason::Removed as i32);
    assert_eq!(RAFT_FLOW_CAUSE_ACCEPTED, FlowReason::Accepted as i32);
    assert_eq!(RAFT_FLOW_CAUSE_REJECTED, FlowReason::Rejected as i32);
    assert_eq!(RAFT_FLOW_CAUSE_UNREACHABLE, FlowReason::Unreachable as i32);
    assert_eq!(
        RAFT_FLOW_CAUSE_SNAPSHOT_SENT,
        FlowReason::SnapshotSent as i32
    );
    assert_eq!(
        RAFT_FLOW_CAUSE_SNAPSHOT_FINISHED,
        FlowReason::SnapshotFinished as i32
    );
    assert_eq!(
        RAFT_FLOW_CAUSE_SNAPSHOT_FAILED,
        FlowReason::SnapshotFailed as i32
    );
    assert_eq!(RAFT_TRANSFER_TIMED_OUT, TransferEnd::TimedOut as i32);
    assert_eq!(RAFT_TRANSFER_REPLACED, TransferEnd::Replaced as i32);
    assert_eq!(
        RAFT_TRANSFER_TARGET_REMOVED,
        TransferEnd::TargetRemoved as i32
    );
    assert_eq!(RAFT_TRANSFER_STEPPED_DOWN, TransferEnd::SteppedDown as i32);
    assert_eq!(RAFT_DROPPED_PROPOSAL, DropKind::Proposal as i32);
    assert_eq!(RAFT_DROPPED_CONF_CHANGE, DropKind::ConfChange as i32);
    assert_eq!(RAFT_DROPPED_READ, DropKind::Read as i32);
    assert_eq!(RAFT_IGNORED_OLD, SnapshotIgnored::Old as i32);
    assert_eq!(RAFT_IGNORED_NOT_MEMBER, SnapshotIgnored::NotMember as i32);
    assert_eq!(RAFT_IGNORED_IN_LOG, SnapshotIgnored::InLog as i32);
}

#[test]
fn a_node_tells_what_has_happened_and_counts_it() {
    let settings = Settings::new(1);
    let host = Host::new(&settings, &[1]);
    let mut before = unsafe { std::mem::zeroed::<raft_metrics>() };
    let (status, words) = err!(raft_node_metrics(host.node, &mut before));
    assert_eq!(status, RAFT_ERR_ARGUMENT, "{words}");
    before.size = size_of::<raft_metrics>();
    ok!(raft_node_metrics(host.node, &mut before));
    assert_eq!(before.elections_won, 0);

    ok!(raft_node_campaign(host.node));
    let mut seen = Vec::new();
    while host.has_ready() {
        let ready = host.ready();
        let view = ready;
        seen.extend_from_slice(unsafe { list(view.events, view.events_len) });
        ok!(raft_storage_save(host.storage, ready));
        ok!(raft_node_advance(host.node));
    }
    let role = seen
        .iter()
        .rfind(|event| event.r#type == RAFT_EVENT_ROLE_CHANGED);
    let role = role.expect("the node leads");
    assert_ne!(role.from, RAFT_ROLE_FOLLOWER as u64);
    assert_eq!((role.to, role.node), (RAFT_ROLE_LEADER as u64, 1));
    ok!(raft_node_metrics(host.node, &mut before));
    assert_eq!((before.elections_won, before.events_lost), (1, 0));

    // A change that can't be: there is nothing to leave.
    ok!(raft_node_propose_conf_change_encoded(
        host.node,
        crate::entry::RAFT_ENTRY_CONF_CHANGE_V2,
        null(),
        0
    ));
    let ready = host.ready();
    let dropped = unsafe { list(ready.dropped, ready.dropped_len) };
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].kind, RAFT_DROPPED_CONF_CHANGE);
    assert_eq!(dropped[0].reason, RAFT_DROP_NOT_JOINT);
    assert_eq!(bytes(dropped[0].data), b"");
    assert_eq!(host.status().removed_as_of, 0);
}
