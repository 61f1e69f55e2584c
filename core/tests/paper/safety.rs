//! Why all this is safe (paper §5.4 to §5.6, thesis §3.6 and §3.7).

use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

/// Who ends later is more up-to-date: first by the term of the last entry, then by its index.
/// Nobody votes for a log less up-to-date than its own.
#[test]
fn s5_4_1_a_vote_goes_only_to_a_log_as_up_to_date_as_ones_own() {
    let cases: [(&[Term], EntryId, bool); 14] = [
        (&[], id(0, 0), true),
        (&[], id(1, 1), true),
        (&[1], id(0, 0), false),
        // The same term: the longer log.
        (&[1], id(1, 1), true),
        (&[1], id(1, 2), true),
        (&[1, 1], id(1, 1), false),
        (&[1, 2, 2], id(2, 2), false),
        // A later term: that log, be it shorter.
        (&[1], id(2, 1), true),
        (&[1], id(2, 2), true),
        (&[1, 1, 1], id(2, 1), true),
        // An earlier term: not that log, be it longer.
        (&[2], id(1, 1), false),
        (&[2], id(1, 9), false),
        (&[1, 2], id(1, 2), false),
        (&[1, 2], id(1, 3), false),
    ];
    for (terms, last, granted) in cases {
        for (request, config) in [
            (request_vote(last), plain(1)),
            (request_pre_vote(last), guarded(1)),
        ] {
            let mut voter = node_with(config, 3, 2, terms);
            let answers = voter.hear(2, 3, request.clone());
            let [Body::Vote { granted: is, .. }] = to(&answers, 2)[..] else {
                panic!("{answers:?}");
            };
            assert_eq!(is, granted, "{terms:?} {last:?} {request:?}");
            let pre = matches!(request, Body::RequestVote { pre: true, .. });
            let voted = if granted && !pre { 2 } else { NONE };
            assert_eq!(voter.vote(), voted);
        }
    }
}

/// So that voters can compare, a candidate names the last entry of its log.
#[test]
fn s5_4_1_a_request_for_a_vote_names_the_last_entry() {
    for terms in [&[][..], &[1], &[1, 1, 3]] {
        let last = id(terms.last().copied().unwrap_or(0), terms.len() as Index);
        let mut candidate = node(1, 3, 3, terms);
        candidate.node.campaign().unwrap();
        let sent = candidate.rest();
        assert_eq!(to(&sent, 2), [request_vote(last)]);
        assert_eq!(to(&sent, 3), [request_vote(last)]);
    }
}

/// A log that has been compacted to the last entry compares by that entry, and not as an empty one.
#[test]
fn s5_4_1_a_compacted_log_compares_by_its_last_entry() {
    for (last, granted) in [(id(1, 9), false), (id(2, 2), false), (id(2, 3), true)] {
        let mut voter = node(1, 3, 2, &[1, 2, 2]);
        voter.hear(2, 2, heartbeat(3));
        voter.compact(3);
        voter.restart();
        assert_eq!(voter.log, []);
        assert_eq!(grants(&mut voter, 2, 3, request_vote(last)), granted);
    }
}

/// Of a group in which a majority holds an entry, only those can be elected who hold it too. All
/// majorities of five, and all candidates, with everybody there to vote.
#[test]
fn s5_4_1_only_who_holds_all_committed_entries_can_be_elected() {
    for holders in (0u32..32).filter(|holders| holders.count_ones() == 3) {
        for candidate in 1..=5 {
            let holds = |id: NodeId| holders >> (id - 1) & 1 == 1;
            let members = (1..=5).map(|id| {
                let terms: &[Term] = if holds(id) { &[1, 1] } else { &[1] };
                node(id, 5, 1, terms)
            });
            let mut cluster = Cluster::of_members(members.collect());
            cluster.at(candidate).node.campaign().unwrap();
            cluster.settle();
            let elected = cluster.leaders() == [candidate];
            assert_eq!(elected, holds(candidate), "{candidate} of {holders:05b}");
        }
    }
}

/// The same in the course of events: who has missed a committed entry can't lead, the others can,
/// and it reaches everybody.
#[test]
fn s5_4_1_who_has_missed_a_committed_entry_is_not_elected() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    cluster.cut = vec![3];
    cluster.propose(1, "a");
    cluster.cut = vec![1];
    cluster.at(3).node.campaign().unwrap();
    cluster.settle();
    assert_eq!(cluster.at(3).role(), Role::Candidate, "2 has refused");
    cluster.elect(2);
    cluster.cut = vec![];
    cluster.tick_all(2);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"a"]);
    }
}

/// A leader doesn't take an entry of an earlier term for committed because a majority holds it: it
/// could still be replaced. With an entry of its own term, all before it are committed too.
#[test]
fn s5_4_2_a_leader_commits_an_entry_of_an_earlier_term_only_with_one_of_its_own() {
    // The log is [1, 2], the empty entry of term 3 comes third, and a proposal fourth.
    for (acknowledged, committed) in [(1, 0), (2, 0), (3, 3), (4, 4)] {
        let mut leader = new_leader(3, &[1, 2]);
        propose(&mut leader, "a");
        for id in [2, 3] {
            leader.hear(id, 3, accept(acknowledged));
        }
        let state = (leader.commit(), leader.applied_index);
        assert_eq!(state, (committed, committed), "{acknowledged}");
    }
}

/// A new leader begins with an empty entry of its own term, so that what its predecessors have
/// left is committed without waiting for a proposal.
#[test]
fn s5_4_2_a_new_leader_begins_its_term_with_an_empty_entry() {
    let mut leader = new_leader(3, &[1, 2]);
    let first = leader.log.last().unwrap().clone();
    assert_eq!(
        first,
        Entry {
            term: 3,
            index: 3,
            ..Entry::default()
        }
    );
    leader.hear(2, 3, accept(3));
    assert_eq!(leader.applied_index, 3);
}

/// The five servers of figure 8 (c): S1 was the leader of term 2 and is again, in term 4; S5 was
/// that of term 3. Entry 2 of term 2 has come to S1, S2 and S3, a majority.
fn figure_8(own_entry_on_majority: bool) -> Cluster {
    let replicated: &[Term] = match own_entry_on_majority {
        true => &[1, 2, 4],
        false => &[1, 2],
    };
    let in_term = |id, term, vote, terms: &[Term]| {
        let hard_state = HardState {
            term,
            vote,
            commit: 1,
        };
        Member::start(plain(id), ConfState::of_voters(1..=5), hard_state, terms)
    };
    Cluster::of_members(vec![
        in_term(1, 4, 1, &[1, 2, 4]),
        in_term(2, 4, 1, replicated),
        in_term(3, 4, 1, replicated),
        in_term(4, 4, 1, &[1]),
        in_term(5, 3, 5, &[1, 3]),
    ])
}

/// Figure 8, (a) to (c): that entry is on a majority, and S1 does not take it for committed.
#[test]
fn s5_4_2_figure_8_c_an_old_entry_on_a_majority_is_not_committed() {
    let config = Config {
        // One entry in each append.
        max_size_per_msg: 1,
        ..plain(1)
    };
    let hard_state = HardState {
        term: 3,
        vote: NONE,
        commit: 1,
    };
    let mut first = Member::start(config, ConfState::of_voters(1..=5), hard_state, &[1, 2]);
    first.node.campaign().unwrap();
    first.rest();
    first.hear(2, 4, vote(true));
    first.hear(3, 4, vote(true));
    assert_eq!((first.role(), first.terms()), (Role::Leader, vec![1, 2, 4]));
    // S2 has the entry; S3 hasn't, and gets it.
    let sent = first.hear(
        3,
        4,
        Body::Reject {
            index: 2,
            hint: id(1, 1),
        },
    );
    assert_eq!(to(&sent, 3), [append(id(1, 1), &[2], 1)]);
    first.hear(2, 4, accept(2));
    first.hear(3, 4, accept(2));
    assert_eq!(first.commit(), 1, "three of five hold entry 2 of term 2");
}

/// Figure 8, (d): S1 crashes, S5 leads next with the votes of S2, S3 and S4, and replaces the
/// entry everywhere. Nobody may have applied it.
#[test]
fn s5_4_2_figure_8_d_an_old_entry_on_a_majority_may_be_replaced() {
    let mut cluster = figure_8(false);
    cluster.cut = vec![1];
    // In term 4 they have voted for S1; in term 5 they can vote for S5.
    cluster.at(5).node.campaign().unwrap();
    cluster.settle();
    assert_eq!(cluster.leaders(), []);
    cluster.elect(5);
    cluster.cut = vec![];
    cluster.tick_all(2);
    for member in &cluster.members {
        assert_eq!(member.terms(), [1, 3, 5]);
        assert_eq!(member.applied, cluster.members[0].applied);
    }
}

/// Figure 8, (e): with an entry of term 4 on that majority, S5 can't win, and whoever does has both.
#[test]
fn s5_4_2_figure_8_e_an_own_entry_on_a_majority_keeps_the_old_one() {
    let mut cluster = figure_8(true);
    cluster.cut = vec![1];
    for _ in 0..5 {
        cluster.at(5).node.campaign().unwrap();
        cluster.settle();
        assert_eq!(cluster.leaders(), []);
    }
    // S2 learns the term that S5 has come to, and wins.
    cluster.elect(2);
    cluster.cut = vec![];
    cluster.tick_all(2);
    for member in &cluster.members {
        assert_eq!(member.terms()[..3], [1, 2, 4]);
        assert_eq!(member.applied, cluster.members[0].applied);
    }
}

/// Leader Completeness and State Machine Safety together: whatever was committed once is in the log
/// of every later leader, and all servers apply the same entry at an index.
#[test]
fn s5_4_3_every_later_leader_holds_what_was_committed() {
    let mut cluster = Cluster::with(5, |config| *config = plain(config.id));
    let mut committed: Vec<Entry> = Vec::new();
    let (mut leaders, mut latest) = (0, 0);
    for round in 0..100u64 {
        let candidate = round * 7 % 5 + 1;
        // Any two of the others.
        let other = |n: u64| (candidate + n % 4) % 5 + 1;
        cluster.cut = vec![other(round / 2), other(round / 7)];
        cluster.at(candidate).node.campaign().unwrap();
        cluster.settle();
        let elected = cluster.at(candidate);
        // One that was a leader before may not know yet that its time is over.
        if elected.role() == Role::Leader && elected.term() > latest {
            leaders += 1;
            latest = elected.term();
            assert!(elected.log.starts_with(&committed), "round {round}");
            // It may or may not get this through.
            cluster.cut.push(other(round / 3));
            cluster.propose(candidate, "command");
        }
        for member in &cluster.members {
            let common = member.applied.len().min(committed.len());
            assert_eq!(
                member.applied[..common],
                committed[..common],
                "round {round}"
            );
            if member.applied.len() > committed.len() {
                committed = member.applied.clone();
            }
        }
    }
    assert!(
        leaders > 20 && committed.len() > 20,
        "{leaders}, {}",
        committed.len()
    );
}

/// What is sent to a server that is down is sent again until it is back, and then it gets all.
#[test]
fn s5_5_a_server_that_was_down_catches_up() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    cluster.cut = vec![3];
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
    }
    cluster.tick_all(5);
    cluster.at(3).restart();
    cluster.cut = vec![];
    cluster.tick_all(3);
    assert_eq!(cluster.get(3).log, cluster.get(1).log);
    assert_eq!(cluster.at(3).commands(), [b"a", b"b", b"c"]);
}

/// A server that crashed before it could answer is asked again, and the same request then does no
/// harm: it gives the same vote, and holds the same entries.
#[test]
fn s5_5_a_request_that_comes_again_after_a_crash_does_no_harm() {
    let mut server = node(1, 3, 1, &[1]);
    for _ in 0..3 {
        assert!(grants(&mut server, 2, 2, request_vote(id(1, 1))));
        server.restart();
    }
    for _ in 0..3 {
        let answers = server.hear(2, 2, append(id(1, 1), &[2, 2], 1));
        assert_eq!(to(&answers, 2), [accept(3)]);
        assert_eq!(server.terms(), [1, 2, 2]);
        server.restart();
    }
}

/// No decision depends on time: without it, nothing begins, and what is under way is completed.
#[test]
fn s5_6_nothing_but_an_election_waits_for_time() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.settle();
    assert_eq!(cluster.sent, []);
    cluster.elect(1);
    cluster.propose(2, "a");
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"a"]);
    }
}

/// A leader that others take for dead can't do harm with what it has sent before or sends later:
/// delayed messages of an older term are refused, and it commits nothing.
#[test]
fn s5_6_messages_may_take_any_time() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    let late = propose(cluster.at(1), "late");
    cluster.cut = vec![1];
    cluster.elect(2);
    cluster.propose(2, "new");
    cluster.cut = vec![];
    for message in late {
        let member = cluster.at(message.to);
        let before = (member.log.clone(), member.commit());
        member.hear(1, message.term, message.body);
        assert_eq!(before, (member.log.clone(), member.commit()));
    }
    cluster.tick_all(3);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"new"]);
    }
}
