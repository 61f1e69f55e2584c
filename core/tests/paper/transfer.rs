//! Leadership transfer (thesis §3.10).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::Cluster;
use crate::cluster::nodes::*;

fn dropped(result: Result<()>) -> Option<DropReason> {
    match result {
        Err(Error::ProposalDropped(reason)) => Some(reason),
        _ => None,
    }
}

/// A target that holds the leader's whole log is told to campaign at once.
#[test]
fn t3_10_a_target_that_is_up_to_date_is_told_to_campaign_at_once() {
    let mut leader = leader(3, &[]);
    leader.node.transfer_leader(2).unwrap();
    let sent = leader.rest();
    assert_eq!(to(&sent, 2), [Body::TimeoutNow]);
    assert_eq!(to(&sent, 3), []);
    assert_eq!(leader.role(), Role::Leader, "until somebody else is");
}

/// A target that lags gets what it lacks first; told too early, it could not win.
#[test]
fn t3_10_a_target_that_lags_is_brought_up_to_date_first() {
    let mut leader = leader(3, &[]);
    propose(&mut leader, "a");
    propose(&mut leader, "b");
    leader.node.transfer_leader(2).unwrap();
    let mut sent = leader.rest();
    sent.extend(leader.hear(3, 1, accept(3)));
    sent.extend(leader.hear(2, 1, accept(2)));
    assert_eq!(recipients(&sent, |body| *body == Body::TimeoutNow), []);
    let sent = leader.hear(2, 1, accept(3));
    assert_eq!(recipients(&sent, |body| *body == Body::TimeoutNow), [2]);
}

/// While a transfer is under way the leader takes no proposals, so that the target stays up to
/// date.
#[test]
fn t3_10_no_proposal_is_taken_during_a_transfer() {
    let mut leader = leader(3, &[]);
    leader.node.transfer_leader(2).unwrap();
    let log = leader.log.clone();
    let refused = leader.node.propose(Bytes::from_static(b"a"));
    assert_eq!(dropped(refused), Some(DropReason::Transferring));
    leader.rest();
    assert_eq!(leader.log, log);
    assert_eq!(leader.node.basic_status().lead_transferee, 2);
}

/// A transfer that has not succeeded after an election timeout is given up, and the leader goes
/// on.
#[test]
fn t3_10_a_transfer_is_given_up_after_an_election_timeout() {
    let mut leader = leader(3, &[]);
    leader.node.transfer_leader(2).unwrap();
    leader.tick(9);
    assert_eq!(leader.node.basic_status().lead_transferee, 2);
    leader.tick(1);
    assert_eq!(leader.node.basic_status().lead_transferee, NONE);
    assert_eq!(leader.role(), Role::Leader);
    let sent = propose(&mut leader, "a");
    assert_eq!(recipients(&sent, is_append), [2, 3]);
}

/// The target campaigns without waiting for its timeout, in a new term, and without asking first
/// whether it could win: the leader wants it to.
#[test]
fn t3_10_the_target_campaigns_at_once() {
    for config in [plain(2), guarded(2)] {
        let mut target = node_with(config, 3, 1, &[1]);
        target.hear(1, 1, heartbeat(1));
        let sent = target.hear(1, 1, Body::TimeoutNow);
        assert_eq!((target.role(), target.term()), (Role::Candidate, 2));
        let request = Body::RequestVote {
            priority: 0,
            reports: false,
            pre: false,
            last: id(1, 1),
            transfer: true,
        };
        assert_eq!(to(&sent, 1), std::slice::from_ref(&request));
        assert_eq!(to(&sent, 3), [request]);
    }
}

/// Others vote for it although they hear from a leader, since that one has agreed; they would not
/// for anybody else (§4.2.3).
#[test]
fn t3_10_an_election_that_the_leader_wants_is_not_taken_for_a_disturbance() {
    for (transfer, granted) in [(true, true), (false, false)] {
        let mut voter = node_with(guarded(3), 3, 1, &[1]);
        voter.hear(1, 1, heartbeat(1));
        let request = Body::RequestVote {
            priority: 0,
            reports: false,
            pre: false,
            last: id(1, 1),
            transfer,
        };
        assert_eq!(grants(&mut voter, 2, 2, request), granted);
    }
}

/// All of it: leadership goes where it was asked to, whoever was asked, and the old leader follows.
#[test]
fn t3_10_leadership_passes_to_the_target() {
    for asked in 1..=3 {
        let mut cluster = Cluster::with(3, |config| *config = guarded(config.id));
        cluster.elect(1);
        cluster.propose(1, "a");
        cluster.at(asked).node.transfer_leader(3).unwrap();
        cluster.settle();
        assert_eq!(cluster.leaders(), [3], "asked at {asked}");
        assert_eq!((cluster.get(1).leader(), cluster.get(1).term()), (3, 2));
        cluster.propose(1, "b");
        assert_eq!(cluster.at(3).commands(), [b"a", b"b"]);
    }
}

/// Nobody can be the target who can't lead: a learner, a stranger. The leader itself leads already.
#[test]
fn t3_10_only_another_voter_can_be_the_target() {
    let members = ConfState {
        learners: vec![4],
        ..ConfState::of_voters(1..=3)
    };
    for target in [1, 4, 9] {
        let mut leader = leader_in(plain(1), members.clone(), &[]);
        leader.node.transfer_leader(target).unwrap();
        assert_eq!(leader.rest(), [], "to {target}");
        assert_eq!(leader.node.basic_status().lead_transferee, NONE);
        assert_eq!(dropped(leader.node.propose(Bytes::new())), None);
    }
}

/// A later wish takes the place of an earlier one; the same wish again doesn't prolong it.
#[test]
fn t3_10_a_later_target_replaces_the_earlier_one() {
    let mut leader = leader(3, &[]);
    leader.node.transfer_leader(2).unwrap();
    leader.tick(5);
    leader.node.transfer_leader(2).unwrap();
    assert_eq!(to(&leader.rest(), 2), []);
    leader.tick(5);
    assert_eq!(leader.node.basic_status().lead_transferee, NONE);

    leader.node.transfer_leader(2).unwrap();
    leader.rest();
    leader.node.transfer_leader(3).unwrap();
    let sent = leader.rest();
    assert_eq!(to(&sent, 3), [Body::TimeoutNow]);
    assert_eq!(leader.node.basic_status().lead_transferee, 3);
    // And a wish for the leader itself ends it.
    leader.node.transfer_leader(1).unwrap();
    assert_eq!(leader.node.basic_status().lead_transferee, NONE);
}

/// What asks for an election on behalf of a leader of an older term is too late.
#[test]
fn t3_10_a_request_to_campaign_of_an_older_term_is_too_late() {
    let mut server = node(2, 3, 5, &[1]);
    server.hear(3, 5, heartbeat(1));
    assert_eq!(server.hear(1, 4, Body::TimeoutNow), []);
    assert_eq!((server.role(), server.term()), (Role::Follower, 5));
}

/// A target that is not a voter, or knows of a committed change of the configuration that it has
/// not applied, doesn't campaign even then.
#[test]
fn t3_10_a_target_that_must_not_lead_does_not_campaign() {
    let members = ConfState {
        learners: vec![2],
        ..ConfState::of_voters([1, 3])
    };
    let mut learner = node_in(plain(2), members, 1, &[1]);
    assert_eq!(learner.hear(1, 1, Body::TimeoutNow), []);
    assert_eq!(learner.role(), Role::Follower);

    let mut behind = node(2, 3, 1, &[1]);
    let add = change(ConfChangeKind::AddNode, 4);
    let entry = Entry {
        term: 1,
        index: 2,
        kind: EntryKind::ConfChange,
        data: codec::encode_conf_change(&add).into(),
        ..Entry::default()
    };
    let message = |body| Message {
        to: 2,
        from: 1,
        term: 1,
        body,
    };
    let with_change = Body::Append {
        prev: id(1, 1),
        entries: vec![entry].into(),
        commit: 2,
    };
    // Committed, handed out, and not applied yet.
    behind.node.step(message(with_change)).unwrap();
    behind.node.step(message(Body::TimeoutNow)).unwrap();
    assert_eq!((behind.role(), behind.term()), (Role::Follower, 1));
    behind.rest();
    behind.hear(1, 1, Body::TimeoutNow);
    assert_eq!((behind.role(), behind.term()), (Role::Candidate, 2));
}
