//! Pre-votes, so that servers that were cut off do no harm when they return (thesis §9.6, to which
//! §4.2.3 refers).

use libraft_core::*;

use crate::cluster::Cluster;
use crate::cluster::nodes::*;

fn with_pre_vote(id: NodeId) -> Config {
    Config {
        pre_vote: true,
        ..plain(id)
    }
}

/// A server asks first whether it could win. That changes neither its term nor its vote, however
/// often it asks.
#[test]
fn t9_6_asking_changes_neither_term_nor_vote() {
    let mut server = node_with(with_pre_vote(1), 3, 4, &[1]);
    let before = server.hard_state;
    for _ in 0..5 {
        server.node.campaign().unwrap();
        let sent = server.rest();
        assert_eq!(server.role(), Role::PreCandidate);
        assert_eq!(to(&sent, 2), [request_pre_vote(id(1, 1))]);
        assert_eq!(sent[0].term, 5, "the term that it would have");
    }
    assert_eq!((server.term(), server.vote()), (4, NONE));
    assert_eq!(server.hard_state, before);
}

/// With the assent of a majority it begins an election, and with its refusal it gives up.
#[test]
fn t9_6_a_majority_of_pre_votes_begins_the_election() {
    let asking = || {
        let mut server = node_with(with_pre_vote(1), 5, 4, &[1]);
        server.node.campaign().unwrap();
        server.rest();
        server
    };
    let mut server = asking();
    server.hear(2, 5, pre_vote(true));
    assert_eq!((server.role(), server.term()), (Role::PreCandidate, 4));
    let sent = server.hear(3, 5, pre_vote(true));
    assert_eq!((server.role(), server.term()), (Role::Candidate, 5));
    assert_eq!(
        recipients(&sent, |body| *body == request_vote(id(1, 1))),
        [2, 3, 4, 5]
    );
    // Assent is no vote.
    server.hear(4, 5, pre_vote(true));
    server.hear(5, 5, pre_vote(true));
    assert_eq!(server.role(), Role::Candidate);

    let mut server = asking();
    for id in [2, 3, 4] {
        assert_eq!(server.role(), Role::PreCandidate);
        server.hear(id, 4, pre_vote(false));
    }
    assert_eq!((server.role(), server.term()), (Role::Follower, 4));
    // Nor are votes assent.
    let mut server = asking();
    for id in 2..=5 {
        server.hear(id, 4, vote(true));
    }
    assert_eq!((server.role(), server.term()), (Role::PreCandidate, 4));
}

/// Assenting is no promise: it changes nothing, and may be given to several.
#[test]
fn t9_6_assenting_changes_nothing() {
    let mut server = node_with(with_pre_vote(1), 3, 4, &[1]);
    assert!(grants(&mut server, 2, 4, request_vote(id(1, 1))));
    server.node.set_randomized_election_timeout(10).unwrap();
    server.tick(9);
    for other in [3, 2, 3] {
        let answers = server.hear(other, 5, request_pre_vote(id(1, 1)));
        assert_eq!(to(&answers, other), [pre_vote(true)]);
        assert_eq!(answers[0].term, 5, "the term that was asked about");
    }
    assert_eq!((server.term(), server.vote()), (4, 2));
    // It has not heard from a leader by that: its own election is not put off.
    server.tick(1);
    assert_eq!(server.role(), Role::PreCandidate);
}

/// Who hears from a leader does not assent (if the quorum is checked, so that there is one indeed).
#[test]
fn t9_6_who_hears_from_a_leader_does_not_assent() {
    let mut server = node_with(guarded(1), 3, 4, &[1]);
    server.hear(2, 4, heartbeat(1));
    assert_eq!(server.hear(3, 5, request_pre_vote(id(9, 9))), []);
    assert_eq!(server.leader(), 2);
}

/// So a server that was cut off comes back without disturbing anybody.
#[test]
fn t9_6_a_server_that_was_cut_off_returns_without_a_disturbance() {
    for (config, disturbs) in [
        (guarded as fn(NodeId) -> Config, false),
        (plain as fn(NodeId) -> Config, true),
    ] {
        let mut cluster = Cluster::with(3, |settings| *settings = config(settings.id));
        cluster.elect(1);
        cluster.cut = vec![3];
        cluster.tick_all(100);
        cluster.propose(1, "a");
        cluster.cut.clear();
        cluster.tick_all(30);
        assert_eq!(cluster.get(2).term() > 1, disturbs);
        if !disturbs {
            assert_eq!(cluster.leaders(), [1]);
            assert_eq!(cluster.get(3).commands(), [b"a"]);
        }
    }
}

/// Of two servers one may have the later term and the other the longer log. The answer to a stale
/// request shows the later term, so that somebody can be elected.
#[test]
fn t9_6_neither_a_later_term_nor_a_longer_log_stands_in_the_way_of_an_election() {
    let mut cluster = Cluster::of_members(vec![
        node_with(with_pre_vote(1), 3, 2, &[1, 2]),
        node_with(with_pre_vote(2), 3, 7, &[1]),
    ]);
    cluster.tick_all(60);
    assert_eq!(cluster.leaders(), [1]);
    assert!(cluster.get(1).term() > 7);
    assert_eq!(cluster.get(2).log, cluster.get(1).log);
}
