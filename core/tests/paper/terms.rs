//! Terms, the logical clock of it all (paper §5.1, thesis §3.3).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::Cluster;
use crate::cluster::nodes::*;

/// One message of every kind that can bring news of a later term.
fn news() -> Vec<Body> {
    vec![
        append(id(0, 0), &[], 0),
        heartbeat(0),
        install(&snapshot(id(4, 9), 1..=3)),
        request_vote(id(4, 9)),
        accept(1),
        Body::Reject {
            index: 1,
            hint: id(0, 0),
        },
        vote(true),
        vote(false),
        pre_vote(false),
        heartbeat_resp(),
    ]
}

/// Whoever sees a later term than its own moves on to it, whatever kind of message shows it: the
/// vote that it may have given belongs to the old term and is void.
#[test]
fn s5_1_a_server_moves_on_to_any_later_term_that_it_sees() {
    for body in news() {
        let mut follower = node(1, 3, 2, &[1]);
        assert!(grants(&mut follower, 3, 2, request_vote(id(1, 1))));
        follower.hear(2, 5, body.clone());
        let leader = if body.is_from_leader() { 2 } else { NONE };
        let voted = if is_request_vote(&body) { 2 } else { NONE };
        assert_eq!(
            (follower.term(), follower.leader(), follower.vote()),
            (5, leader, voted),
            "{body:?}"
        );
        assert_eq!(follower.hard_state.term, 5, "it is persisted: {body:?}");
    }
}

/// Candidates and leaders that find out that their term is over become followers at once.
#[test]
fn s5_1_a_candidate_or_leader_of_an_older_term_becomes_a_follower() {
    for body in news() {
        let mut candidate = node(1, 3, 1, &[1]);
        candidate.node.campaign().unwrap();
        candidate.rest();
        assert_eq!(candidate.role(), Role::Candidate);
        let mut leader = leader(3, &[1]);
        for member in [&mut candidate, &mut leader] {
            assert_eq!(member.term(), 2);
            member.hear(2, 5, body.clone());
            assert_eq!((member.role(), member.term()), (Role::Follower, 5));
        }
        // In its own term, what is not a leader's word deposes nobody.
        if !body.is_from_leader() && !is_request_vote(&body) {
            let mut leader = crate::cluster::nodes::leader(3, &[1]);
            leader.hear(2, 2, body.clone());
            assert_eq!(
                (leader.role(), leader.term()),
                (Role::Leader, 2),
                "{body:?}"
            );
        }
    }
}

/// What comes from an older term has no effect, on the log, the vote, the leader or the clock.
#[test]
fn s5_1_a_message_of_an_older_term_changes_nothing() {
    let stale = [
        append(id(1, 1), &[2, 3], 3),
        heartbeat(2),
        install(&snapshot(id(3, 9), 1..=3)),
        request_vote(id(3, 9)),
        Body::TimeoutNow,
        accept(2),
        vote(true),
    ];
    for config in [plain(1), guarded(1)] {
        for body in &stale {
            let mut follower = node_with(config.clone(), 3, 5, &[1, 2]);
            let before = (follower.node.status(), follower.log.clone());
            let answers = follower.hear(2, 3, body.clone());
            assert_eq!(before, (follower.node.status(), follower.log.clone()));
            let gives_in = |answer: &Message| {
                matches!(&answer.body, Body::Vote { granted: true, .. })
                    || matches!(&answer.body, Body::Accept { index } if *index > 0)
            };
            assert!(!answers.iter().any(gives_in), "{body:?}: {answers:?}");
            assert!(answers.iter().all(|answer| answer.term == 5), "{answers:?}");
        }
    }

    // A leader of an older term doesn't put off an election.
    let mut follower = node(1, 3, 5, &[1, 2]);
    follower.node.set_randomized_election_timeout(10).unwrap();
    follower.tick(9);
    follower.hear(2, 3, heartbeat(0));
    follower.tick(1);
    assert_eq!((follower.role(), follower.term()), (Role::Candidate, 6));
}

/// Nor do votes and acknowledgements of an earlier term count for candidates and leaders.
#[test]
fn s5_1_votes_and_acknowledgements_of_an_older_term_do_not_count() {
    let mut candidate = node(1, 3, 4, &[1]);
    candidate.node.campaign().unwrap();
    candidate.rest();
    candidate.hear(2, 4, vote(true));
    assert_eq!((candidate.role(), candidate.term()), (Role::Candidate, 5));
    candidate.hear(2, 5, vote(true));
    assert_eq!(candidate.role(), Role::Leader);

    candidate.hear(2, 4, accept(2));
    assert_eq!(candidate.commit(), 0);
    candidate.hear(2, 5, accept(2));
    assert_eq!(candidate.commit(), 2);
}

/// A server of an older term learns the newer one from the answer.
///
/// The paper has every stale request answered. Here a request for a vote is answered with silence,
/// as nothing depends on that answer; and a leader is answered only where it might not hear of the
/// newer term in another way, because the others ignore requests for votes while it leads.
#[test]
fn s5_1_a_leader_of_an_older_term_learns_of_the_newer_one() {
    for (config, told) in [(guarded(2), true), (plain(2), false)] {
        for body in [append(id(1, 1), &[], 0), heartbeat(0)] {
            let mut old = leader(3, &[1]);
            let mut other = node_with(config.clone(), 3, 7, &[1, 2]);
            let answers = other.hear(1, 2, body);
            assert_eq!(!answers.is_empty(), told);
            talk(answers, &mut old, &mut other);
            let expected = match told {
                true => (Role::Follower, 7),
                false => (Role::Leader, 2),
            };
            assert_eq!((old.role(), old.term()), expected);
        }
    }
    // The same for a pre-candidate, which would ask for ever.
    let mut other = node_with(guarded(2), 3, 7, &[1, 2]);
    let answers = other.hear(1, 3, request_pre_vote(id(2, 2)));
    assert_eq!(to(&answers, 1), [pre_vote(false)]);
    assert_eq!(answers[0].term, 7);
}

/// All that servers say to each other carries the sender's term, so that a stale one can be told.
/// Proposals and reads that are passed on are valid in any term and carry none.
#[test]
fn s5_1_every_message_carries_its_senders_term() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    for (round, id) in [1, 2, 3, 1].into_iter().enumerate() {
        cluster.sent.clear();
        cluster.elect(id);
        cluster.propose(id % 3 + 1, "command");
        let read = Bytes::from_static(b"read");
        cluster.at(id % 3 + 1).node.read_index(read).unwrap();
        cluster.settle();
        cluster.tick_all(1);
        let mut kinds = 0;
        for message in &cluster.sent {
            let passed_on = matches!(message.body, Body::Propose { .. } | Body::ReadIndex { .. });
            let term = if passed_on { 0 } else { round as Term + 1 };
            assert_eq!(message.term, term, "{message:?}");
            kinds += usize::from(passed_on);
        }
        assert_eq!(kinds, 2);
    }
}

/// A server's term never decreases: neither in what it says nor in what it persists.
#[test]
fn s5_1_terms_never_decrease() {
    let mut member = node(1, 3, 0, &[]);
    let mut highest = 0;
    for term in [3, 1, 7, 7, 2, 6, 9, 4] {
        for body in news() {
            let too_new = matches!(&body, Body::InstallSnapshot { .. }) && term < 4;
            if too_new || matches!(&body, Body::RequestVote { last, .. } if last.term > term) {
                continue;
            }
            // Answers to what this node has never asked come to nothing.
            member.hear(2, term, body);
            highest = highest.max(term);
            assert_eq!((member.term(), member.hard_state.term), (highest, highest));
        }
        member.restart();
        assert_eq!(member.term(), highest, "after a restart");
    }
}
