//! Leader election (paper §5.2, thesis §3.4).

use std::collections::BTreeSet;

use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

/// A candidate in a group of `voters`, in term 1, that has asked for votes.
fn candidate(voters: u64) -> Member {
    let mut candidate = node(1, voters, 0, &[]);
    candidate.node.campaign().unwrap();
    candidate.rest();
    candidate
}

/// Servers begin as followers, and know no leader.
#[test]
fn s5_2_a_server_starts_as_a_follower() {
    for terms in [&[][..], &[1, 2]] {
        let mut member = node(1, 3, 2, terms);
        assert_eq!((member.role(), member.leader()), (Role::Follower, NONE));
        assert_eq!(member.rest(), [], "it says nothing on its own");
    }
}

/// While word comes from a leader, a follower stays one.
#[test]
fn s5_2_a_follower_stays_one_while_it_hears_from_a_leader() {
    for word in [heartbeat(0), append(id(0, 0), &[], 0)] {
        let mut follower = node(1, 3, 1, &[]);
        for _ in 0..100 {
            follower.tick(9);
            follower.hear(2, 1, word.clone());
        }
        let state = (follower.role(), follower.term(), follower.leader());
        assert_eq!(state, (Role::Follower, 1, 2));
    }
}

/// A follower that has heard nothing for the election timeout begins an election: a new term, its
/// own vote for itself, and a request to every other server.
#[test]
fn s5_2_a_follower_without_word_from_a_leader_starts_an_election() {
    let mut follower = node(1, 3, 1, &[1]);
    follower.hear(2, 1, heartbeat(0));
    follower.node.set_randomized_election_timeout(13).unwrap();
    assert_eq!(follower.tick(12), []);
    assert_eq!(follower.role(), Role::Follower);

    let sent = follower.tick(1);
    let state = (follower.role(), follower.term(), follower.vote());
    assert_eq!(state, (Role::Candidate, 2, 1));
    assert_eq!(follower.leader(), NONE);
    assert_eq!(recipients(&sent, is_request_vote), [2, 3]);
    assert!(sent.iter().all(|message| message.term == 2));
    let persisted = HardState {
        term: 2,
        vote: 1,
        commit: 0,
    };
    assert_eq!(follower.hard_state, persisted);
}

/// A vote given puts off one's own election; a vote refused doesn't.
#[test]
fn s5_2_granting_a_vote_puts_off_an_election() {
    for (last, granted) in [(id(1, 1), true), (id(0, 0), false)] {
        let mut follower = node(1, 3, 1, &[1]);
        follower.hear(3, 2, heartbeat(0));
        follower.node.forget_leader().unwrap();
        follower.node.set_randomized_election_timeout(10).unwrap();
        follower.tick(9);
        assert_eq!(grants(&mut follower, 2, 2, request_vote(last)), granted);
        follower.tick(1);
        let expected = if granted {
            Role::Follower
        } else {
            Role::Candidate
        };
        assert_eq!(follower.role(), expected);
    }
}

/// A candidate that neither wins nor loses begins another election after its timeout.
#[test]
fn s5_2_a_candidate_without_a_result_starts_another_election() {
    let mut candidate = candidate(3);
    candidate.node.set_randomized_election_timeout(10).unwrap();
    assert_eq!(candidate.tick(9), []);
    let sent = candidate.tick(1);
    let state = (candidate.role(), candidate.term(), candidate.vote());
    assert_eq!(state, (Role::Candidate, 2, 1));
    assert_eq!(recipients(&sent, is_request_vote), [2, 3]);
    // The votes of the last election are worth nothing in this one.
    candidate.hear(2, 1, vote(true));
    assert_eq!(candidate.role(), Role::Candidate);
}

/// Who has the votes of a majority of all servers leads, and nobody with fewer.
///
/// The paper lets a candidate whom a majority has refused wait for its timeout. Here it becomes a
/// follower at once, in the same term, as it can't win any more.
#[test]
fn s5_2_a_majority_of_votes_wins_the_election() {
    for voters in 1..=7 {
        for granted in 0..voters {
            for refused in 0..voters - granted {
                let mut candidate = candidate(voters);
                for other in 2..=voters {
                    if other < 2 + granted {
                        candidate.hear(other, 1, vote(true));
                    } else if other < 2 + granted + refused {
                        candidate.hear(other, 1, vote(false));
                    }
                }
                let expected = if 2 * (granted + 1) > voters {
                    Role::Leader
                } else if 2 * (voters - refused) <= voters {
                    Role::Follower
                } else {
                    Role::Candidate
                };
                let what = format!("{granted} votes and {refused} refusals of {voters}");
                assert_eq!(
                    (candidate.role(), candidate.term()),
                    (expected, 1),
                    "{what}"
                );
            }
        }
    }
}

/// One server has one vote: a vote that comes twice counts once, and the first answer stands.
#[test]
fn s5_2_a_vote_that_comes_twice_counts_once() {
    let mut candidate = candidate(5);
    for _ in 0..3 {
        candidate.hear(2, 1, vote(true));
    }
    candidate.hear(3, 1, vote(false));
    candidate.hear(3, 1, vote(true));
    assert_eq!(candidate.role(), Role::Candidate);
    candidate.hear(4, 1, vote(true));
    assert_eq!(candidate.role(), Role::Leader);
}

/// Nor has anybody a vote who is no member, and a pre-vote is none.
#[test]
fn s5_2_only_votes_of_members_count() {
    let mut candidate = candidate(3);
    let stranger = Message {
        to: 1,
        from: 9,
        term: 1,
        body: vote(true),
    };
    assert_eq!(candidate.node.step(stranger), Err(Error::UnknownPeer(9)));
    candidate.hear(2, 1, pre_vote(true));
    assert_eq!(candidate.role(), Role::Candidate);
}

/// A server gives one vote in one term, to whoever comes first, and gives it again to the same
/// one. In the next term it is free.
#[test]
fn s5_2_a_server_votes_for_one_candidate_in_a_term() {
    for (first, second) in [(2, 3), (3, 2)] {
        let mut voter = node(1, 3, 0, &[]);
        let request = request_vote(id(0, 0));
        assert!(grants(&mut voter, first, 1, request.clone()));
        assert!(!grants(&mut voter, second, 1, request.clone()));
        assert!(grants(&mut voter, first, 1, request.clone()), "once more");
        assert_eq!(voter.vote(), first);
        assert!(grants(&mut voter, second, 2, request.clone()));
    }
    // A candidate has given its vote to itself; and who follows a leader of the term has no vote
    // left to give, since that one has won.
    let mut candidate = candidate(3);
    assert!(!grants(&mut candidate, 2, 1, request_vote(id(9, 9))));
    let mut follower = node(1, 3, 0, &[]);
    follower.hear(2, 1, heartbeat(0));
    assert!(!grants(&mut follower, 3, 1, request_vote(id(9, 9))));
}

/// A candidate that hears from the leader of its own term, or of a later one, follows it.
#[test]
fn s5_2_a_candidate_yields_to_a_leader_that_has_won() {
    let words = [
        append(id(0, 0), &[1], 0),
        heartbeat(0),
        install(&snapshot(id(1, 5), 1..=3)),
    ];
    for word in words {
        for term in [1, 2] {
            let mut candidate = candidate(3);
            candidate.hear(2, term, word.clone());
            let state = (candidate.role(), candidate.term(), candidate.leader());
            assert_eq!(state, (Role::Follower, term, 2), "{word:?}");
        }
    }
}

/// It stays a candidate when a leader of an older term speaks.
#[test]
fn s5_2_a_candidate_ignores_a_leader_of_an_older_term() {
    let mut candidate = node(1, 3, 4, &[]);
    candidate.node.campaign().unwrap();
    candidate.rest();
    candidate.hear(2, 4, append(id(0, 0), &[1], 0));
    candidate.hear(2, 4, heartbeat(0));
    assert_eq!((candidate.role(), candidate.term()), (Role::Candidate, 5));
    assert_eq!(candidate.log, []);
}

/// Whoever wins says so to all others at once, so that no other election begins.
#[test]
fn s5_2_a_new_leader_makes_itself_known_at_once() {
    let mut candidate = candidate(5);
    candidate.hear(2, 1, vote(true));
    let sent = candidate.hear(3, 1, vote(true));
    assert_eq!(
        recipients(&sent, |body| body.is_from_leader()),
        [2, 3, 4, 5]
    );
    assert_eq!((candidate.role(), candidate.leader()), (Role::Leader, 1));
}

/// A leader sends heartbeats to all others at every interval, and nobody else does.
#[test]
fn s5_2_a_leader_sends_heartbeats_at_every_interval() {
    let config = Config {
        heartbeat_ticks: 3,
        ..plain(1)
    };
    let mut leader = leader_with(config, 3, &[]);
    for _ in 0..20 {
        assert_eq!(leader.tick(2), []);
        assert_eq!(recipients(&leader.tick(1), is_heartbeat), [2, 3]);
    }
    let mut candidate = candidate(3);
    assert_eq!(recipients(&candidate.tick(100), is_heartbeat), []);
}

/// Ticks until the node's term rises.
fn ticks_to_election(member: &mut Member) -> u32 {
    let term = member.term();
    let mut ticks = 0;
    while member.term() == term {
        assert!(ticks < 100, "it campaigns some time");
        member.tick(1);
        ticks += 1;
    }
    ticks
}

/// Election timeouts are drawn at random from a fixed interval, for followers and, at the start of
/// each election, for candidates.
#[test]
fn s5_2_election_timeouts_are_random_within_bounds() {
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let config = Config { seed, ..plain(1) };
        let mut member = node_with(config, 3, 1, &[]);
        first.insert(ticks_to_election(&mut member));
        assert_eq!(member.role(), Role::Candidate);
        second.insert(ticks_to_election(&mut member));
    }
    let all: BTreeSet<u32> = (10..20).collect();
    assert_eq!((first, second), (all.clone(), all));
}

/// So it is rare that two servers time out together: of five, the first is alone in at least 70 of
/// 100 cases.
#[test]
fn s5_2_election_timeouts_of_several_servers_seldom_coincide() {
    let rounds = 500;
    let mut alone = 0;
    for seed in 0..rounds {
        let mut timeouts: Vec<u32> = (1..=5)
            .map(|id| {
                let config = Config { seed, ..plain(id) };
                ticks_to_election(&mut node_with(config, 5, 1, &[]))
            })
            .collect();
        timeouts.sort_unstable();
        alone += u64::from(timeouts[0] < timeouts[1]);
    }
    assert!(alone * 10 >= rounds * 7, "in {alone} cases of {rounds}");
}

/// Votes split evenly elect nobody, and a later election ends that.
#[test]
fn s5_2_after_a_split_vote_the_next_election_can_be_won() {
    let mut cluster = Cluster::with(4, |config| *config = plain(config.id));
    // 3 hears of 1 first, and 4 of 2.
    cluster.at(1).node.campaign().unwrap();
    cluster.at(2).node.campaign().unwrap();
    cluster.lose = Box::new(|message| {
        is_request_vote(&message.body) && matches!((message.from, message.to), (1, 4) | (2, 3))
    });
    cluster.settle();
    assert_eq!(cluster.leaders(), []);
    assert_eq!(cluster.at(3).vote(), 1);
    assert_eq!(cluster.at(4).vote(), 2);

    cluster.lose = Box::new(|_| false);
    cluster.elect(3);
    assert_eq!(cluster.at(3).term(), 2);
    assert_eq!(cluster.leaders(), [3]);
}

/// However the requests of two candidates meet, one of them wins at most.
#[test]
fn s5_2_no_term_has_two_leaders() {
    for first_at in 0..8 {
        let mut cluster = Cluster::with(5, |config| *config = plain(config.id));
        let mut sent = Vec::new();
        for id in [1, 2] {
            cluster.at(id).node.campaign().unwrap();
            sent.extend(cluster.at(id).rest());
        }
        // Bit n: voter 3 + n hears of 2 before it hears of 1.
        let late = |message: &Message| match message.to {
            3.. => u64::from(first_at >> (message.to - 3) & 1 == 1) ^ (message.from - 1),
            _ => 0,
        };
        sent.sort_by_key(late);
        for message in sent {
            let answers = cluster
                .at(message.to)
                .hear(message.from, message.term, message.body);
            for answer in answers {
                cluster.at(answer.to).node.step(answer).unwrap();
            }
        }
        cluster.settle();
        let expected = if u32::count_ones(first_at) >= 2 { 2 } else { 1 };
        assert_eq!(cluster.leaders(), [expected], "order {first_at:03b}");
        assert!(cluster.members.iter().all(|member| member.term() == 1));
    }
}

/// Were there a second leader in a term, by a fault of some server, it would not go unnoticed: the
/// first one refuses its messages.
#[test]
fn s5_2_a_leader_exposes_a_second_one_of_its_term() {
    let mut leader = leader(3, &[]);
    for body in [append(id(1, 1), &[], 0), heartbeat(0)] {
        let message = Message {
            to: 1,
            from: 2,
            term: 1,
            body,
        };
        let exposed = Err(Error::Impossible(Impossible::SecondLeader(1)));
        assert_eq!(leader.node.step(message), exposed);
    }
    assert_eq!(leader.role(), Role::Leader);
}
