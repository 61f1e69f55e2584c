//! Events, reports of what was dropped, and counters: one test for each kind and each reason.
#![allow(clippy::too_many_lines, reason = "a story each")]

use bytes::Bytes;

use super::tests::protocol_state;
use super::*;
use crate::cluster::{Cluster, Member, change};
use crate::error::{ConfChangeError, DropReason, Impossible};
use crate::event::*;
use crate::message::Ticket;
use crate::status::FlowState;

impl Cluster {
    /// What has happened in a member since the last time.
    fn events(&mut self, id: NodeId) -> Vec<Event> {
        self.settle();
        let member = self.at(id);
        let mut events = std::mem::take(&mut member.events);
        // Those that no Ready has brought yet.
        let notes = &mut member.node.raft.core_mut().notes;
        notes.copy_events(&mut events);
        notes.forget_events();
        events
    }

    fn forget_events(&mut self) {
        for id in self.ids() {
            self.events(id);
        }
    }

    fn ids(&self) -> Vec<NodeId> {
        self.members.iter().map(|member| member.node.id()).collect()
    }

    fn dropped(&mut self, id: NodeId) -> Vec<(DropKind, DropReason, Bytes)> {
        self.settle();
        let dropped = std::mem::take(&mut self.at(id).dropped);
        let parts = |it: Dropped| (it.kind, it.reason, it.data);
        dropped.into_iter().map(parts).collect()
    }

    fn metrics(&mut self, id: NodeId) -> Metrics {
        self.at(id).node.metrics()
    }

    fn applied(&mut self, id: NodeId) -> Index {
        self.at(id).node.basic_status().applied
    }
}

fn reporting(voters: u64) -> Cluster {
    Cluster::with(voters, |config| config.peer_reports = true)
}

fn one(body: Body, from: NodeId, to: NodeId, term: Term) -> Message {
    Message {
        to,
        from,
        term,
        body,
    }
}

// Events.

#[test]
fn an_election_is_told_from_campaign_to_victory() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let pre = CampaignKind::PreElection;
    assert_eq!(
        cluster.events(1),
        [
            Event::CampaignStarted {
                kind: pre,
                reason: CampaignReason::Host,
                term: 1
            },
            Event::RoleChanged {
                from: Role::Follower,
                to: Role::PreCandidate,
                term: 0,
                leader: 0
            },
            Event::CampaignStarted {
                kind: CampaignKind::Election,
                reason: CampaignReason::PreElectionWon,
                term: 1
            },
            Event::RoleChanged {
                from: Role::PreCandidate,
                to: Role::Candidate,
                term: 1,
                leader: 0
            },
            Event::ElectionWon {
                term: 1,
                granted: 2,
                refused: 0
            },
            Event::RoleChanged {
                from: Role::Candidate,
                to: Role::Leader,
                term: 1,
                leader: 1
            },
            Event::LeaderChanged {
                from: 0,
                to: 1,
                term: 1
            },
            Event::FlowChanged {
                id: 2,
                from: FlowState::Probe,
                to: FlowState::Replicate,
                reason: FlowReason::Accepted,
                index: 1
            },
            Event::FlowChanged {
                id: 3,
                from: FlowState::Probe,
                to: FlowState::Replicate,
                reason: FlowReason::Accepted,
                index: 1
            },
        ]
    );
    let followed = Event::LeaderChanged {
        from: 0,
        to: 1,
        term: 1,
    };
    assert_eq!(cluster.events(2), [followed]);
    let metrics = cluster.metrics(1);
    assert_eq!(metrics.elections_won, 1);
    assert_eq!(metrics.pre_elections_started, 1);
    assert_eq!(metrics.elections_started, 1);
    assert_eq!(metrics.flow_changes, 2);
    assert_eq!(cluster.metrics(2).votes_granted, 1);
}

#[test]
fn events_make_no_ready_and_come_with_the_next() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.forget_events();
    let node = &mut cluster.at(1).node;
    assert!(node.step_bytes(Bytes::from_static(b"\xff")).is_err());
    assert!(!node.has_ready());
    let ready = node.ready().unwrap();
    assert!(ready.is_empty());
    let refused = Event::MessageRefused {
        from: NONE,
        term: 0,
        reason: RefusalReason::Malformed,
    };
    assert_eq!(ready.events, [refused]);
    // A Ready that is empty needs no advancing.
    assert_eq!(node.ready().unwrap().events, []);
}

#[test]
fn the_oldest_events_are_lost_and_counted() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.forget_events();
    for _ in 0..300 {
        let node = &mut cluster.at(1).node;
        assert!(node.step_bytes(Bytes::from_static(b"\xff")).is_err());
    }
    assert_eq!(cluster.events(1).len(), 256);
    assert_eq!(cluster.metrics(1).events_lost, 300 - 256);
    assert_eq!(cluster.metrics(1).messages_refused, 300);
}

#[test]
fn refused_campaigns_say_why() {
    let refusals = |cluster: &mut Cluster, id| -> Vec<CampaignRefusal> {
        let events = cluster.events(id).into_iter();
        let refusal = |event| match event {
            Event::CampaignRefused { reason, .. } => Some(reason),
            _ => None,
        };
        events.filter_map(refusal).collect()
    };

    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.at(1).node.campaign().unwrap();
    assert_eq!(refusals(&mut cluster, 1), [CampaignRefusal::Leads]);

    let mut outsider = Member::new(Config::new(9), &[1]);
    outsider.node.campaign().unwrap();
    let events = outsider.node.ready().unwrap().events;
    assert!(
        matches!(
            events[..],
            [Event::CampaignRefused {
                reason: CampaignRefusal::NotVoter,
                ..
            }]
        ),
        "{events:?}"
    );

    // A change that is committed and not applied.
    let mut founder = Member::new(Config::new(1), &[]);
    founder.node.bootstrap(&[(1, Bytes::new())]).unwrap();
    founder.node.campaign().unwrap();
    let events = founder.node.ready().unwrap().events;
    let unapplied = CampaignRefusal::UnappliedConfChange;
    assert!(
        matches!(events[..], [Event::CampaignRefused { reason, .. }] if reason == unapplied),
        "{events:?}"
    );

    // A snapshot that is not persisted yet.
    let mut behind = Member::new(Config::new(2), &[1, 2]);
    let snapshot = Snapshot {
        id: EntryId { term: 1, index: 5 },
        conf_state: ConfState::of_voters([1, 2]),
        data: Bytes::from_static(b"state"),
    };
    let body = Body::InstallSnapshot {
        snapshot: Box::new(snapshot),
    };
    behind.node.step(one(body, 1, 2, 1)).unwrap();
    behind.node.campaign().unwrap();
    let events = behind.node.ready().unwrap().events;
    let refused = events.iter().find_map(|event| match event {
        Event::CampaignRefused { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(refused, Some(CampaignRefusal::PendingSnapshot));

    let state = RestartState {
        hard_state: HardState {
            term: MAX_POSITION,
            ..HardState::default()
        },
        conf_state: ConfState::of_voters([1]),
        ..RestartState::default()
    };
    let mut node = Node::new(Config::new(1), state).unwrap();
    node.campaign().unwrap();
    let events = node.ready().unwrap().events;
    let limit = CampaignRefusal::TermLimit;
    assert!(matches!(events[..], [Event::CampaignRefused { reason, .. }] if reason == limit));
}

fn losses(cluster: &mut Cluster, id: NodeId) -> Vec<(CampaignKind, LossReason, NodeId, u64, u64)> {
    let loss = |event| match event {
        Event::ElectionLost {
            kind,
            reason,
            by,
            granted,
            refused,
            ..
        } => Some((kind, reason, by, granted, refused)),
        _ => None,
    };
    cluster.events(id).into_iter().filter_map(loss).collect()
}

#[test]
fn lost_elections_say_why() {
    let plain = |config: &mut Config| {
        config.pre_vote = false;
        config.check_quorum = false;
    };
    // Outvoted: the log is too short.
    let mut cluster = Cluster::with(3, plain);
    cluster.cut = vec![3];
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.cut.clear();
    cluster.at(3).node.campaign().unwrap();
    cluster.at(3).node.campaign().unwrap();
    let election = CampaignKind::Election;
    assert_eq!(
        losses(&mut cluster, 3),
        [
            (election, LossReason::Restarted, NONE, 0, 0),
            (election, LossReason::Outvoted, NONE, 1, 2),
        ]
    );

    // Somebody else leads; and nobody answers.
    let mut cluster = Cluster::with(3, plain);
    cluster.cut = vec![3];
    cluster.elect(1);
    cluster.at(3).node.campaign().unwrap();
    cluster.settle();
    cluster.cut.clear();
    cluster.tick_all(1);
    let lost = losses(&mut cluster, 3);
    assert_eq!(lost, [(election, LossReason::LeaderAppeared, 1, 1, 0)]);

    let mut cluster = Cluster::with(3, plain);
    cluster.cut = vec![1, 2, 3];
    cluster.at(1).node.campaign().unwrap();
    for _ in 0..20 {
        cluster.at(1).node.tick().unwrap();
    }
    let lost = losses(&mut cluster, 1);
    assert_eq!(lost[0], (election, LossReason::TimedOut, NONE, 0, 0));

    // A higher term.
    let mut cluster = Cluster::with(3, plain);
    cluster.cut = vec![1, 2, 3];
    cluster.at(1).node.campaign().unwrap();
    cluster.settle();
    let body = Body::Vote {
        pre: false,
        granted: false,
    };
    cluster.at(1).node.step(one(body, 2, 1, 7)).unwrap();
    let lost = losses(&mut cluster, 1);
    assert_eq!(lost, [(election, LossReason::HigherTerm, 2, 1, 0)]);
    let metrics = cluster.metrics(1);
    assert_eq!(metrics.elections_lost_higher_term, 1);
    assert_eq!(metrics.elections_won, 0);
}

fn step_downs(cluster: &mut Cluster, id: NodeId) -> Vec<(StepDownReason, NodeId)> {
    let step_down = |event| match event {
        Event::SteppedDown { reason, by, .. } => Some((reason, by)),
        _ => None,
    };
    let events = cluster.events(id).into_iter();
    events.filter_map(step_down).collect()
}

#[test]
fn leaders_that_step_down_say_why() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![1];
    cluster.tick_all(40);
    let lost = step_downs(&mut cluster, 1);
    assert_eq!(lost, [(StepDownReason::CheckQuorum, NONE)]);

    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let body = Body::Vote {
        pre: false,
        granted: false,
    };
    cluster.at(1).node.step(one(body, 3, 1, 9)).unwrap();
    let lost = step_downs(&mut cluster, 1);
    assert_eq!(lost, [(StepDownReason::HigherTerm, 3)]);

    let mut cluster = Cluster::with(3, |config| config.step_down_on_removal = true);
    cluster.elect(1);
    let removal = change(ConfChangeKind::RemoveNode, 1);
    cluster.at(1).node.propose_conf_change(&removal).unwrap();
    let events = cluster.events(1);
    let as_of = cluster.applied(1);
    assert!(
        events.contains(&Event::Removed { by: 1, as_of }),
        "{events:?}"
    );
    let removed = |event: &Event| {
        matches!(
            event,
            Event::SteppedDown {
                reason: StepDownReason::Removed,
                ..
            }
        )
    };
    assert!(events.iter().any(removed), "{events:?}");
    assert_eq!(cluster.at(1).node.basic_status().removed_as_of, as_of);
    assert_eq!(cluster.metrics(1).step_downs_removed, 1);
    assert_eq!(cluster.metrics(1).conf_changes_applied, 1);
}

#[test]
fn flow_changes_say_why() {
    let mut cluster = Cluster::with(3, |config| config.max_cached_bytes = 0);
    cluster.elect(1);
    for _ in 0..5 {
        cluster.propose(1, "a");
    }
    cluster.forget_events();
    cluster.at(1).node.report_unreachable(2).unwrap();
    cluster.at(1).node.report_unreachable(2).unwrap();
    let match_index = cluster.applied(1);
    let flow = |id, from, to, reason, index| Event::FlowChanged {
        id,
        from,
        to,
        reason,
        index,
    };
    let (probe, replicate, snapshot) =
        (FlowState::Probe, FlowState::Replicate, FlowState::Snapshot);
    assert_eq!(
        cluster.events(1),
        [flow(
            2,
            replicate,
            probe,
            FlowReason::Unreachable,
            match_index
        )]
    );

    // Rejected: what was sent on has got lost.
    cluster.cut = vec![3];
    cluster.propose(1, "b");
    cluster.cut.clear();
    cluster.propose(1, "c");
    let events = cluster.events(1);
    let rejected = flow(3, replicate, probe, FlowReason::Rejected, match_index);
    assert!(events.contains(&rejected), "{events:?}");
    let accepted = flow(3, probe, replicate, FlowReason::Accepted, match_index + 2);
    assert!(events.contains(&accepted), "{events:?}");
    assert!(cluster.metrics(1).appends_rejected > 0);

    // A snapshot, which fails, and one that the host says has arrived.
    cluster.cut = vec![3];
    cluster.propose(1, "d");
    cluster.propose(1, "e");
    let index = cluster.applied(1);
    cluster.at(1).compact(index);
    cluster.at(1).node.report_unreachable(3).unwrap();
    cluster.forget_events();
    for (status, reason) in [
        (SnapshotStatus::Failure, FlowReason::SnapshotFailed),
        (SnapshotStatus::Finish, FlowReason::SnapshotFinished),
    ] {
        // An answer that gets through, before the network is cut again.
        let term = cluster.at(1).node.basic_status().hard_state.term;
        let body = Body::HeartbeatResp {
            context: Bytes::new(),
        };
        cluster.at(1).node.step(one(body, 3, 1, term)).unwrap();
        cluster.settle();
        cluster.at(1).node.report_snapshot(3, status).unwrap();
        let events = cluster.events(1);
        let sent = flow(3, probe, snapshot, FlowReason::SnapshotSent, index);
        assert!(events.contains(&sent), "{events:?}");
        let ended = flow(3, snapshot, probe, reason, match_index + 2);
        assert!(events.contains(&ended), "{events:?}");
    }
    assert_eq!(cluster.metrics(1).snapshots_sent, 2);
    assert_eq!(cluster.metrics(1).snapshots_failed, 1);
}

#[test]
fn snapshots_are_installed_or_ignored_for_a_reason() {
    let mut member = Member::new(Config::new(2), &[1, 2]);
    let install = |member: &mut Member, index, voters: &[NodeId]| {
        let snapshot = Snapshot {
            id: EntryId { term: 1, index },
            conf_state: ConfState::of_voters(voters.iter().copied()),
            data: Bytes::from_static(b"state"),
        };
        let body = Body::InstallSnapshot {
            snapshot: Box::new(snapshot),
        };
        member.node.step(one(body, 1, 2, 1)).unwrap();
        member.process();
        let leader = |event: &Event| !matches!(event, Event::LeaderChanged { .. });
        std::mem::take(&mut member.events)
            .into_iter()
            .filter(leader)
            .collect::<Vec<_>>()
    };
    let ignored = |index, reason| Event::SnapshotIgnored {
        from: 1,
        index,
        reason,
    };
    let installed = Event::SnapshotInstalled { from: 1, index: 5 };
    assert_eq!(install(&mut member, 5, &[1, 2]), [installed]);
    let old = ignored(4, SnapshotIgnored::Old);
    assert_eq!(install(&mut member, 4, &[1, 2]), [old]);
    let not_member = ignored(9, SnapshotIgnored::NotMember);
    assert_eq!(install(&mut member, 9, &[1, 3]), [not_member]);
    let append = Body::Append {
        prev: EntryId { term: 1, index: 5 },
        entries: vec![Entry {
            term: 1,
            index: 6,
            ..Entry::default()
        }]
        .into(),
        commit: 5,
    };
    member.node.step(one(append, 1, 2, 1)).unwrap();
    let in_log = ignored(6, SnapshotIgnored::InLog);
    assert_eq!(install(&mut member, 6, &[1, 2]), [in_log]);
    assert_eq!(member.node.metrics().snapshots_installed, 1);
    assert_eq!(member.node.metrics().snapshots_ignored, 3);
    assert_eq!(member.node.metrics().entries_appended, 1);
}

#[test]
fn transfers_say_how_they_end() {
    let ends = |cluster: &mut Cluster| -> Vec<(NodeId, TransferEnd)> {
        let end = |event| match event {
            Event::TransferEnded { to, reason, .. } => Some((to, reason)),
            _ => None,
        };
        cluster.events(1).into_iter().filter_map(end).collect()
    };
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![2, 3];
    cluster.at(1).node.transfer_leader(2).unwrap();
    cluster.at(1).node.transfer_leader(3).unwrap();
    assert_eq!(ends(&mut cluster), [(2, TransferEnd::Replaced)]);
    cluster.cut = vec![3];
    cluster.tick_all(10);
    assert_eq!(ends(&mut cluster), [(3, TransferEnd::TimedOut)]);

    cluster.at(1).node.transfer_leader(3).unwrap();
    let removal = ConfChangeV2::from(change(ConfChangeKind::RemoveNode, 3));
    cluster.at(1).node.apply_conf_change(&removal).unwrap();
    assert_eq!(ends(&mut cluster), [(3, TransferEnd::TargetRemoved)]);

    cluster.cut.clear();
    cluster.at(1).node.transfer_leader(2).unwrap();
    assert_eq!(ends(&mut cluster), [(2, TransferEnd::SteppedDown)]);
    let metrics = cluster.metrics(1);
    assert_eq!(metrics.transfers_started, 4);
    assert_eq!(metrics.transfers_timed_out, 1);
    assert_eq!(metrics.transfers_aborted, 2);
    assert_eq!(cluster.metrics(2).transfer_elections_started, 1);
    let started = |event: &Event| {
        matches!(
            event,
            Event::CampaignStarted {
                kind: CampaignKind::Transfer,
                reason: CampaignReason::LeaderAsked,
                ..
            }
        )
    };
    assert!(cluster.events(2).iter().any(started));
}

#[test]
fn refused_messages_say_why_and_name_the_sender() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.forget_events();
    let refused = |from, term, reason| Event::MessageRefused { from, term, reason };
    let node = &mut cluster.at(1).node;
    let append = Body::Append {
        prev: EntryId::default(),
        entries: vec![].into(),
        commit: 0,
    };
    assert!(node.step(one(append, 2, 1, 1)).is_err());
    assert!(node.step(one(Body::Accept { index: 1 }, 7, 1, 1)).is_err());
    assert!(node.step(one(Body::Accept { index: 1 }, 1, 1, 1)).is_err());
    assert!(node.step_bytes(Bytes::from_static(b"\x08")).is_err());
    assert_eq!(
        cluster.events(1),
        [
            refused(2, 1, RefusalReason::Impossible(Impossible::SecondLeader(1))),
            refused(7, 1, RefusalReason::UnknownPeer),
            refused(1, 1, RefusalReason::LocalMessage),
            refused(NONE, 0, RefusalReason::Malformed),
        ]
    );
    assert_eq!(cluster.metrics(1).messages_refused, 4);
}

// What is dropped, with an error or in the Ready.

#[test]
fn a_call_that_drops_says_so_by_its_error_and_an_event() {
    let drop = |kind, reason| Event::Dropped {
        kind,
        reason,
        from: NONE,
    };
    let mut cluster = Cluster::with(3, |config| {
        config.disable_proposal_forwarding = true;
        config.max_uncommitted_bytes = 10;
        config.max_pending_reads = 1;
    });
    let proposal = DropKind::Proposal;
    let no_leader = DropReason::NoLeader;
    assert_eq!(
        cluster.at(1).node.propose("a".into()),
        Err(Error::ProposalDropped(no_leader))
    );
    assert_eq!(
        cluster.at(1).node.read_index("r".into()),
        Err(Error::ReadDropped(no_leader))
    );
    assert_eq!(
        cluster.events(1),
        [drop(proposal, no_leader), drop(DropKind::Read, no_leader)]
    );
    cluster.elect(1);
    cluster.forget_events();
    assert!(cluster.at(2).node.propose("a".into()).is_err());
    assert_eq!(
        cluster.events(2),
        [drop(proposal, DropReason::ForwardingDisabled)]
    );
    let node = &mut cluster.at(1).node;
    node.propose("0123456789".into()).unwrap();
    assert!(node.propose("more".into()).is_err());
    cluster.settle();
    let node = &mut cluster.at(1).node;
    node.read_index("1".into()).unwrap();
    assert!(node.read_index("2".into()).is_err());
    node.transfer_leader(3).unwrap();
    let addition = change(ConfChangeKind::AddLearnerNode, 4);
    assert!(node.propose_conf_change(&addition).is_err());
    let events = cluster.events(1);
    for event in [
        drop(proposal, DropReason::UncommittedLimit),
        drop(DropKind::Read, DropReason::TooManyReads),
        drop(DropKind::ConfChange, DropReason::Transferring),
    ] {
        assert!(events.contains(&event), "{event:?} is not in {events:?}");
    }
    // None of it is a report: the calls have said it.
    for id in 1..=3 {
        let dropped = cluster.dropped(id);
        let reads_only = dropped.iter().all(|(kind, ..)| *kind == DropKind::Read);
        assert!(reads_only, "{dropped:?}");
    }
    let metrics = cluster.metrics(1);
    assert_eq!(metrics.proposals_dropped_no_leader, 1);
    assert_eq!(metrics.proposals_dropped_uncommitted_limit, 1);
    assert_eq!(metrics.proposals_dropped_transferring, 1);

    // A leader that is no member.
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let removal = change(ConfChangeKind::RemoveNode, 1);
    cluster.at(1).node.propose_conf_change(&removal).unwrap();
    cluster.settle();
    assert_eq!(
        cluster.at(1).node.propose("a".into()),
        Err(Error::ProposalDropped(DropReason::Removed))
    );
    assert_eq!(cluster.metrics(1).proposals_dropped_removed, 1);
}

#[test]
fn a_refused_configuration_change_is_reported_to_the_leaders_host() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let refused = |reason, data: Vec<u8>| (DropKind::ConfChange, reason, Bytes::from(data));
    let add = |id| change(ConfChangeKind::AddLearnerNode, id);
    let node = &mut cluster.at(1).node;
    node.propose_conf_change(&add(4)).unwrap();
    node.propose_conf_change(&add(5)).unwrap();
    let pending = node.basic_status().last_index - 1;
    let reason = DropReason::ConfChangePending(pending);
    assert_eq!(
        cluster.dropped(1),
        [refused(reason, codec::encode_conf_change(&add(5)))]
    );
    assert_eq!(cluster.at(1).conf_state.learners, [4]);

    let leave = ConfChangeV2::default();
    cluster.at(1).node.propose_conf_change_v2(&leave).unwrap();
    assert_eq!(
        cluster.dropped(1),
        [refused(
            DropReason::NotJoint,
            codec::encode_conf_change_v2(&leave)
        )]
    );
    let joint = ConfChangeV2 {
        transition: ConfChangeTransition::JointExplicit,
        changes: vec![add(6).change],
        ..ConfChangeV2::default()
    };
    cluster.at(1).node.propose_conf_change_v2(&joint).unwrap();
    cluster.settle();
    cluster.at(1).node.propose_conf_change_v2(&joint).unwrap();
    assert_eq!(
        cluster.dropped(1),
        [refused(
            DropReason::AlreadyJoint,
            codec::encode_conf_change_v2(&joint)
        )]
    );
    let metrics = cluster.metrics(1);
    assert_eq!(metrics.conf_changes_refused, 3);
    assert_eq!(metrics.conf_changes_proposed, 2);
    assert_eq!(metrics.conf_changes_applied, 2);
    // The same from a follower: it can't know without the extension.
    cluster.at(2).node.propose_conf_change_v2(&joint).unwrap();
    assert_eq!(cluster.dropped(2), []);
    assert_eq!(cluster.dropped(1), []);
}

#[test]
fn waiting_reads_are_reported_when_their_leader_steps_down() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![2, 3];
    cluster.at(1).node.read_index("r".into()).unwrap();
    cluster.tick_all(40);
    let read = (DropKind::Read, DropReason::LeaderChanged, "r".into());
    assert_eq!(cluster.dropped(1), [read]);
    assert_eq!(cluster.metrics(1).reads_dropped, 1);

    // Postponed, since the term has committed nothing; and the leader is removed.
    let mut cluster = Cluster::with(3, |config| config.step_down_on_removal = true);
    cluster.at(1).node.campaign().unwrap();
    while cluster.leaders() != [1] {
        let messages: Vec<Message> = cluster
            .members
            .iter_mut()
            .flat_map(|member| member.process())
            .collect();
        for message in messages {
            cluster.at(message.to).node.step(message).unwrap();
        }
    }
    cluster.cut = vec![2, 3];
    cluster.at(1).node.read_index("p".into()).unwrap();
    let removal = ConfChangeV2::from(change(ConfChangeKind::RemoveNode, 1));
    cluster.at(1).node.apply_conf_change(&removal).unwrap();
    let read = (DropKind::Read, DropReason::Removed, "p".into());
    assert_eq!(cluster.dropped(1), [read]);
}

// The extension.

#[test]
fn without_the_extension_nothing_is_asked_for_or_reported() {
    let mut cluster = Cluster::with(3, |config| config.max_uncommitted_bytes = 1);
    cluster.elect(1);
    cluster.at(2).node.propose("abc".into()).unwrap();
    cluster.at(2).node.read_index("r".into()).unwrap();
    for message in cluster.at(2).process() {
        let asks = match &message.body {
            Body::Propose { ticket, .. } => ticket.is_some(),
            Body::ReadIndex { reports, .. } => *reports,
            _ => false,
        };
        assert!(!asks, "{message:?}");
    }
    // Nor does a node answer that has it switched on.
    let mut leader = reporting(1);
    leader.elect(1);
    leader.at(1).node.transfer_leader(2).unwrap();
    let body = Body::ReadIndex {
        context: Some("r".into()),
        reports: false,
    };
    leader.at(1).node.step(one(body, 2, 1, 0)).unwrap();
    assert_eq!(leader.metrics(1).reports_sent, 0);
}

#[test]
fn a_forwarded_proposal_that_is_dropped_is_reported_to_its_proposer() {
    let mut cluster = Cluster::with(3, |config| {
        config.peer_reports = true;
        config.max_uncommitted_bytes = 4;
    });
    cluster.elect(1);
    let dropped = |reason, data: &'static str| (DropKind::Proposal, reason, Bytes::from(data));
    for node in [2, 3] {
        cluster.at(node).node.propose("four".into()).unwrap();
    }
    // The first to come is taken.
    let limit = DropReason::UncommittedLimit;
    let (two, three) = (cluster.dropped(2), cluster.dropped(3));
    assert_eq!(two, []);
    assert_eq!(three, [dropped(limit, "four")]);
    assert_eq!(cluster.at(3).commands(), [b"four"]);

    cluster.cut = vec![3];
    cluster.at(1).node.transfer_leader(3).unwrap();
    cluster.at(2).node.propose("five".into()).unwrap();
    let transferring = DropReason::Transferring;
    assert_eq!(cluster.dropped(2), [dropped(transferring, "five")]);
    assert_eq!(cluster.metrics(1).reports_sent, 2);
    assert_eq!(cluster.metrics(2).reports_received, 1);
    cluster.tick_all(10);
    cluster.cut.clear();

    // The leader has stepped down since.
    cluster.at(2).node.propose("six".into()).unwrap();
    let forwarded = cluster.at(2).process();
    let body = Body::Vote {
        pre: false,
        granted: false,
    };
    let term = cluster.at(1).node.basic_status().hard_state.term;
    cluster.at(1).node.step(one(body, 3, 1, term + 1)).unwrap();
    for message in forwarded {
        cluster.at(1).node.step(message.clone()).unwrap();
        // And the same once more.
        cluster.at(1).node.step(message).unwrap();
    }
    let changed = DropReason::LeaderChanged;
    assert_eq!(cluster.dropped(2), [dropped(changed, "six")]);
    assert_eq!(cluster.metrics(1).repeats_discarded, 1);
}

#[test]
fn a_proposal_is_not_reported_when_a_copy_of_it_was_taken_nor_taken_when_one_was_reported() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.at(2).node.propose("once".into()).unwrap();
    let messages = cluster.at(2).process();
    let node = &mut cluster.at(1).node;
    for message in &messages {
        node.step(message.clone()).unwrap();
        node.transfer_leader(3).unwrap();
        node.step(message.clone()).unwrap();
    }
    assert_eq!(cluster.dropped(2), []);
    assert_eq!(cluster.at(2).commands(), [b"once"]);

    // The other way round: refused first.
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.at(2).node.propose("never".into()).unwrap();
    let messages = cluster.at(2).process();
    cluster.cut = vec![3];
    cluster.at(1).node.transfer_leader(3).unwrap();
    for message in &messages {
        cluster.at(1).node.step(message.clone()).unwrap();
    }
    assert_eq!(cluster.dropped(2).len(), 1);
    cluster.tick_all(10);
    for message in messages {
        cluster.at(1).node.step(message).unwrap();
    }
    cluster.settle();
    assert_eq!(cluster.at(1).commands(), [] as [&[u8]; 0]);
}

#[test]
fn a_forwarded_configuration_change_that_is_refused_is_reported_to_its_proposer() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    let leave = ConfChangeV2::default();
    cluster.at(3).node.propose_conf_change_v2(&leave).unwrap();
    let data = Bytes::from(codec::encode_conf_change_v2(&leave));
    let dropped = cluster.dropped(3);
    assert_eq!(
        dropped,
        [(DropKind::ConfChange, DropReason::NotJoint, data)]
    );
    assert_eq!(cluster.dropped(1), []);
    // The reason's index gets there too.
    let add = |id| change(ConfChangeKind::AddLearnerNode, id);
    cluster.at(1).node.propose_conf_change(&add(4)).unwrap();
    cluster.at(3).node.propose_conf_change(&add(5)).unwrap();
    let pending = cluster.at(1).node.basic_status().last_index;
    let dropped = cluster.dropped(3);
    assert_eq!(dropped[0].1, DropReason::ConfChangePending(pending));
}

#[test]
fn forwarded_reads_are_reported_by_the_leader_or_when_the_term_changes() {
    let read = |reason, context: &'static str| (DropKind::Read, reason, Bytes::from(context));
    let mut cluster = Cluster::with(3, |config| {
        config.peer_reports = true;
        config.max_pending_reads = 1;
    });
    cluster.elect(1);
    // Two at once are one too many for this leader.
    cluster.at(2).node.read_index("two".into()).unwrap();
    cluster.at(3).node.read_index("three".into()).unwrap();
    let (two, three) = (cluster.dropped(2), cluster.dropped(3));
    assert_eq!(two, []);
    assert_eq!(three, [read(DropReason::TooManyReads, "three")]);
    assert_eq!(cluster.at(2).reads.len(), 1);

    // And for this follower: the oldest gives way, and its answer is withheld.
    cluster.cut = vec![1];
    cluster.at(2).node.read_index("lost".into()).unwrap();
    cluster.settle();
    cluster.at(2).node.read_index("next".into()).unwrap();
    let dropped = cluster.dropped(2);
    assert_eq!(dropped, [read(DropReason::TooManyReads, "lost")]);
    let late = |context: &'static str| {
        let context = Bytes::from(context);
        one(
            Body::ReadIndexResp {
                index: 1,
                context: Some(context),
            },
            1,
            2,
            1,
        )
    };
    cluster.at(2).node.step(late("lost")).unwrap();
    cluster.settle();
    assert_eq!(cluster.at(2).reads.len(), 1);

    // Another term.
    cluster.at(3).node.forget_leader().unwrap();
    cluster.at(2).node.forget_leader().unwrap();
    cluster.elect(3);
    let dropped = cluster.dropped(2);
    assert_eq!(dropped, [read(DropReason::LeaderChanged, "next")]);

    // A leader that steps down tells those whom it keeps waiting; one that has none, at once.
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.at(2).node.read_index("waits".into()).unwrap();
    let asked = cluster.at(2).process();
    cluster.cut = vec![3];
    for message in asked {
        cluster.at(1).node.step(message).unwrap();
    }
    let messages = cluster.at(1).process();
    assert!(!messages.is_empty());
    let body = Body::Vote {
        pre: false,
        granted: false,
    };
    cluster.at(1).node.step(one(body, 3, 1, 5)).unwrap();
    let reports = cluster.at(1).process();
    for message in reports {
        assert!(message.body.is_report(), "{message:?}");
        assert_eq!(message.term, 0);
        cluster.at(2).node.step(message).unwrap();
    }
    let waits = read(DropReason::LeaderChanged, "waits");
    assert_eq!(cluster.dropped(2), [waits]);

    let body = Body::ReadIndex {
        context: Some("none".into()),
        reports: true,
    };
    cluster.at(1).node.step(one(body, 2, 1, 0)).unwrap();
    let reports = cluster.at(1).process();
    let none = Body::ReadDropped {
        reason: DropReason::NoLeader,
        context: "none".into(),
    };
    assert_eq!(reports, [one(none, 1, 2, 0)]);
}

#[test]
fn reports_that_come_in_another_order_all_count_and_each_once() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.cut = vec![3];
    cluster.at(1).node.transfer_leader(3).unwrap();
    cluster.settle();
    for data in ["a", "b", "c"] {
        cluster.at(2).node.propose(data.into()).unwrap();
    }
    for message in cluster.at(2).rest() {
        cluster.at(1).node.step(message).unwrap();
    }
    let mut reports = cluster.at(1).rest();
    reports.retain(|message| matches!(message.body, Body::ProposalDropped { .. }));
    assert_eq!(reports.len(), 3);
    for message in reports.iter().rev().chain(&reports) {
        cluster.at(2).node.step(message.clone()).unwrap();
    }
    let dropped = cluster.dropped(2);
    let data: Vec<&[u8]> = dropped.iter().map(|(_, _, data)| &data[..]).collect();
    assert_eq!(data, [b"c", b"b", b"a"]);
    assert_eq!(cluster.metrics(2).reports_received, 3);
}

#[test]
fn reports_that_answer_nothing_do_no_harm() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.at(2).node.propose("a".into()).unwrap();
    let ticket = cluster
        .at(2)
        .process()
        .into_iter()
        .find_map(|message| match message.body {
            Body::Propose { ticket, .. } => ticket,
            _ => None,
        })
        .map(|ticket| *ticket)
        .unwrap();
    let entries = vec![Entry::command("a".into())];
    let report = |ticket, entries| Body::ProposalDropped {
        ticket: Box::new(ticket),
        reason: DropReason::Transferring,
        entries,
    };
    let context = Bytes::from("never asked");
    let reason = DropReason::NoLeader;
    let other_run = Ticket {
        incarnation: ticket.incarnation + 1,
        ..ticket
    };
    let ahead = Ticket {
        number: ticket.number + 1,
        ..ticket
    };
    let harmless = [
        report(other_run, entries.clone()),
        report(ahead, entries.clone()),
        Body::ReadDropped { reason, context },
        // As old as what this node has applied itself.
        Body::Removed { as_of: 1 },
    ];
    let node = &mut cluster.at(2).node;
    for body in harmless {
        let before = protocol_state(node);
        node.step(one(body, 1, 2, 9)).unwrap();
        assert_eq!(protocol_state(node), before);
    }
    let nonsense = [
        (1, report(Ticket::default(), entries.clone())),
        (1, report(ticket, vec![])),
        (1, Body::Removed { as_of: 0 }),
        (0, Body::Removed { as_of: 99 }),
        (2, Body::Removed { as_of: 99 }),
    ];
    for (from, body) in nonsense {
        let before = protocol_state(node);
        let refused = node.step(one(body.clone(), from, 2, 9));
        assert!(matches!(refused, Err(Error::Impossible(_))), "{body:?}");
        assert_eq!(protocol_state(node), before);
    }
    // A true one counts once.
    for _ in 0..2 {
        let body = report(ticket, entries.clone());
        node.step(one(body, 1, 2, 9)).unwrap();
    }
    assert_eq!(cluster.dropped(2).len(), 1);
    // Without the extension, none does.
    let mut cluster = Cluster::of(2);
    let node = &mut cluster.at(2).node;
    let before = protocol_state(node);
    let body = report(ticket, entries);
    node.step(one(body, 1, 2, 9)).unwrap();
    assert_eq!(protocol_state(node), before);
}

#[test]
fn a_node_that_missed_its_removal_is_told_of_it() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    cluster.cut = vec![3];
    let removal = change(ConfChangeKind::RemoveNode, 3);
    cluster.at(1).node.propose_conf_change(&removal).unwrap();
    cluster.settle();
    cluster.cut.clear();
    let as_of = cluster.applied(1);
    cluster.forget_events();
    cluster.at(3).node.campaign().unwrap();
    let events = cluster.events(3);
    let told = |by| Event::Removed { by, as_of };
    // One is enough.
    assert_eq!(events.iter().filter(|&&it| it == told(1)).count(), 1);
    assert!(!events.contains(&told(2)), "{events:?}");
    assert_eq!(cluster.at(3).node.basic_status().removed_as_of, as_of);
    assert!(cluster.metrics(1).reports_sent > 0);

    // It is believed no longer than until the node has seen for itself.
    cluster
        .at(1)
        .node
        .propose_conf_change(&change(ConfChangeKind::AddNode, 3))
        .unwrap();
    cluster.settle();
    cluster.tick_all(3);
    assert_eq!(cluster.at(3).node.basic_status().removed_as_of, 0);
    assert_eq!(cluster.applied(3), as_of + 1);
}

#[test]
fn a_node_that_is_added_again_at_once_is_not_called_removed() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    let node = &mut cluster.at(3).node;
    // Both come in one Ready, and the host has not advanced yet.
    node.apply_conf_change(&change(ConfChangeKind::RemoveNode, 3).into())
        .unwrap();
    let as_of = node.basic_status().removed_as_of;
    assert_ne!(as_of, 0);
    node.apply_conf_change(&change(ConfChangeKind::AddNode, 3).into())
        .unwrap();
    assert_eq!(node.basic_status().removed_as_of, 0);
}

#[test]
fn a_candidate_with_a_longer_log_is_not_called_removed() {
    let mut cluster = reporting(3);
    cluster.elect(1);
    let body = |index| Body::RequestVote {
        pre: true,
        last: EntryId { term: 1, index },
        transfer: false,
        priority: 0,
        reports: true,
    };
    let applied = cluster.applied(1);
    let node = &mut cluster.at(1).node;
    node.step(one(body(applied + 1), 9, 1, 2)).unwrap();
    assert_eq!(node.metrics().reports_sent, 0);
    node.step(one(body(applied), 9, 1, 2)).unwrap();
    assert_eq!(node.metrics().reports_sent, 1);
    let as_of = applied;
    let sent = cluster.at(1).process();
    assert!(
        sent.contains(&one(Body::Removed { as_of }, 1, 9, 0)),
        "{sent:?}"
    );
}

#[test]
fn a_failed_change_is_no_change() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.forget_events();
    let removal = ConfChangeV2::from(change(ConfChangeKind::RemoveNode, 1));
    let node = &mut cluster.at(1).node;
    assert_eq!(
        node.apply_conf_change(&removal),
        Err(Error::ConfChange(ConfChangeError::RemovedAllVoters))
    );
    assert_eq!(node.metrics().conf_changes_applied, 0);
    assert_eq!(cluster.events(1), []);
}

// Counters.

#[test]
fn counters_follow_the_work() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.tick_all(3);
    for _ in 0..4 {
        cluster.propose(2, "a");
    }
    cluster.propose(1, "b");
    cluster.at(1).node.read_index("r".into()).unwrap();
    cluster.at(2).node.read_index("s".into()).unwrap();
    cluster.settle();
    let (leader, follower) = (cluster.metrics(1), cluster.metrics(2));
    assert_eq!(leader.ticks, 3);
    assert_eq!(leader.proposals_taken, 5);
    assert_eq!(follower.proposals_forwarded, 4);
    assert_eq!(leader.entries_appended, 6);
    assert_eq!(follower.entries_appended, 6);
    assert_eq!(leader.entries_committed, 6);
    assert_eq!(leader.entries_applied, 6);
    assert_eq!(leader.reads_asked, 2);
    assert_eq!(leader.reads_answered, 2);
    assert_eq!(follower.reads_forwarded, 1);
    assert_eq!(follower.reads_answered, 1);
    assert!(leader.appends_sent >= 2 * 6);
    assert!(leader.appends_accepted >= 2 * 6);
    assert!(leader.heartbeats_sent >= 2 * 3);
    assert!(leader.messages_sent > leader.appends_sent + leader.heartbeats_sent);
    assert!(follower.messages_received > 9);
}

#[test]
fn requests_are_counted_and_so_are_their_repetitions() {
    let mut cluster = Cluster::with(2, |config| config.max_cached_bytes = 0);
    cluster.elect(1);
    cluster.cut = vec![2];
    cluster.at(1).node.report_unreachable(2).unwrap();
    cluster.settle();
    let mut member = cluster.members.remove(0);
    for _ in 0..3 {
        member.node.propose("a".into()).unwrap();
        member.process();
    }
    assert_eq!(member.node.metrics().requests_made, 0);

    let mut restarted = Cluster::of(1);
    restarted.elect(1);
    restarted.propose(1, "a");
    let member = restarted.at(1);
    member.applied_index = 0;
    member.restart();
    let (reads, _) = member.node.take_requests();
    assert_eq!(reads.len(), 1);
    for _ in 0..10 {
        member.node.tick().unwrap();
    }
    let metrics = member.node.metrics();
    assert_eq!(metrics.requests_made, 1);
    assert_eq!(metrics.requests_repeated, 1);
}
