//! Log replication (paper §5.3, thesis §3.5).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

fn command(entry: &Entry) -> &[u8] {
    &entry.data
}

/// A proposal becomes an entry of the leader's log, with its term and the next index, and goes to
/// all others with the entry before it named. It isn't committed yet.
#[test]
fn s5_3_a_leader_appends_a_proposal_and_sends_it_to_all_others() {
    let mut leader = leader(3, &[1, 1]);
    let sent = propose(&mut leader, "a");
    let entry = Entry {
        term: 2,
        index: 4,
        data: Bytes::from_static(b"a"),
        ..Entry::default()
    };
    assert_eq!(leader.log.last(), Some(&entry));
    let expected = Body::Append {
        prev: id(2, 3),
        entries: vec![entry].into(),
        commit: 3,
    };
    for id in [2, 3] {
        assert_eq!(to(&sent, id), std::slice::from_ref(&expected));
    }
    assert_eq!((leader.commit(), leader.applied_index), (3, 3));
}

/// An entry is committed as soon as a majority holds it, the leader included.
#[test]
fn s5_3_an_entry_is_committed_when_a_majority_holds_it() {
    for voters in 1..=7 {
        for holders in 0..voters {
            let mut leader = leader(voters, &[]);
            propose(&mut leader, "a");
            for id in 2..2 + holders {
                leader.hear(id, 1, accept(2));
            }
            let committed = if 2 * (holders + 1) > voters { 2 } else { 1 };
            let state = (leader.commit(), leader.applied_index);
            assert_eq!(
                state,
                (committed, committed),
                "{holders} others of {voters}"
            );
        }
    }
}

/// One server has one log: an acknowledgement that comes twice counts once.
#[test]
fn s5_3_an_acknowledgement_that_comes_twice_counts_once() {
    let mut leader = leader(5, &[]);
    propose(&mut leader, "a");
    for _ in 0..3 {
        leader.hear(2, 1, accept(2));
    }
    assert_eq!(leader.commit(), 1);
    leader.hear(3, 1, accept(2));
    assert_eq!(leader.commit(), 2);
}

/// Followers learn from the leader's next message what is committed, and apply it then.
#[test]
fn s5_3_followers_learn_what_is_committed_and_apply_it() {
    let mut leader = leader(3, &[]);
    let mut follower = node(2, 3, 1, &[1]);
    for message in propose(&mut leader, "a") {
        if message.to == 2 {
            follower.hear(1, 1, message.body);
        }
    }
    assert_eq!((follower.last_index(), follower.commit()), (2, 1));
    let sent = leader.hear(2, 1, accept(2));
    assert_eq!(to(&sent, 2), [append(id(1, 2), &[], 2)]);
    assert_eq!(to(&sent, 3), [append(id(1, 2), &[], 2)]);
    follower.hear(1, 1, append(id(1, 2), &[], 2));
    assert_eq!(command(follower.applied.last().unwrap()), b"a");

    // A heartbeat says it as well, but no more than the follower is known to hold.
    let heartbeats = leader.tick(1);
    assert_eq!(to(&heartbeats, 2), [heartbeat(2)]);
    assert_eq!(to(&heartbeats, 3), [heartbeat(1)]);
}

/// Committing an entry commits all that come before it, those of earlier leaders included.
#[test]
fn s5_3_committing_an_entry_commits_all_before_it() {
    for terms in [&[][..], &[2], &[1, 2], &[1, 1, 1]] {
        let mut leader = new_leader(3, terms);
        propose(&mut leader, "a");
        let last = terms.len() as Index + 2;
        assert_eq!(leader.applied, []);
        leader.hear(2, leader.term(), accept(last));
        let applied: Vec<Term> = leader.applied.iter().map(|entry| entry.term).collect();
        let own = leader.term();
        assert_eq!(applied, [terms, &[own, own]].concat());
        assert_eq!(leader.applied, leader.log);
    }
}

/// Servers apply committed entries in the order of the log, each once.
#[test]
fn s5_3_committed_entries_are_applied_in_the_order_of_the_log() {
    for commit in 1..=4 {
        let mut follower = node(1, 3, 1, &[]);
        follower.hear(2, 1, append(id(0, 0), &[1, 1, 1, 1], commit));
        assert_eq!(follower.applied, follower.log[..commit as usize]);
        for next in [1, 4, 2] {
            follower.hear(2, 1, append(id(1, 4), &[], next));
        }
        assert_eq!(follower.applied, follower.log);
    }
}

/// The leader goes on until all followers have everything, be messages lost or not.
#[test]
fn s5_3_a_leader_repeats_appends_until_all_have_everything() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    for lost in [2, 3] {
        // Heartbeats get through, so that the follower is not taken for dead.
        cluster.lose = Box::new(move |message| is_append(&message.body) && message.to == lost);
        cluster.propose(1, "a");
        cluster.propose(1, "b");
        cluster.tick_all(5);
        assert!(cluster.at(lost).last_index() < cluster.at(1).last_index());
        cluster.lose = Box::new(|_| false);
        cluster.tick_all(2);
        assert_eq!(cluster.get(lost).log, cluster.get(1).log);
        assert_eq!(
            cluster.get(lost).applied_index,
            cluster.get(1).applied_index
        );
    }
    // Acknowledgements get lost too.
    cluster.lose = Box::new(|message| matches!(message.body, Body::Accept { .. }));
    cluster.propose(1, "c");
    assert_eq!(cluster.at(1).commit(), 5);
    cluster.lose = Box::new(|_| false);
    cluster.tick_all(2);
    assert_eq!(cluster.at(1).commit(), 6);
    assert_eq!(cluster.at(3).applied_index, 6);
}

/// The consistency check: a follower takes new entries only if it holds the one before them, of
/// the same term.
#[test]
fn s5_3_a_follower_refuses_what_does_not_follow_on_its_log() {
    let log = [1, 2, 2];
    let cases = [
        (id(0, 0), true),
        (id(1, 1), true),
        (id(2, 2), true),
        (id(2, 3), true),
        // Another term at that place, or nothing at all.
        (id(2, 1), false),
        (id(1, 2), false),
        (id(3, 3), false),
        (id(2, 4), false),
        (id(3, 9), false),
    ];
    for (prev, accepted) in cases {
        let mut follower = node(1, 3, 3, &log);
        let answers = follower.hear(2, 3, append(prev, &[3], 0));
        match &to(&answers, 2)[..] {
            [Body::Accept { index }] => assert!(accepted && *index == prev.index + 1, "{prev:?}"),
            [Body::Reject { index, .. }] => assert!(!accepted && *index == prev.index, "{prev:?}"),
            other => panic!("{prev:?}: {other:?}"),
        }
        let expected = match accepted {
            true => [&log[..prev.index as usize], &[3]].concat(),
            false => log.to_vec(),
        };
        assert_eq!(follower.terms(), expected, "{prev:?}");
    }
}

/// Where entries conflict, the leader's replace the follower's with all that follow; where they
/// agree, nothing changes.
#[test]
fn s5_3_a_follower_replaces_what_conflicts_and_keeps_what_agrees() {
    let cases: [(EntryId, &[Term], &[Term]); 8] = [
        (id(2, 2), &[3], &[1, 2, 3]),
        (id(1, 1), &[3, 4], &[1, 3, 4]),
        (id(1, 1), &[2, 3], &[1, 2, 3]),
        (id(0, 0), &[3], &[3]),
        (id(0, 0), &[1, 3], &[1, 3]),
        (id(0, 0), &[1], &[1, 2]),
        (id(0, 0), &[1, 2], &[1, 2]),
        (id(1, 1), &[], &[1, 2]),
    ];
    for (prev, sent, expected) in cases {
        let mut follower = node(1, 3, 4, &[1, 2]);
        let answers = follower.hear(2, 4, append(prev, sent, 0));
        assert_eq!(follower.terms(), expected, "{prev:?} {sent:?}");
        let last = prev.index + sent.len() as Index;
        assert_eq!(
            to(&answers, 2),
            [accept(last)],
            "only what has been compared"
        );
        follower.restart();
        let status = follower.node.basic_status();
        assert_eq!(status.last_index, expected.len() as Index);
    }
}

/// An append that is late, and shorter than what the follower has by now, takes nothing away: the
/// rest may have been acknowledged.
#[test]
fn s5_3_a_late_and_shorter_append_takes_nothing_away() {
    let mut follower = node(1, 3, 1, &[]);
    follower.hear(2, 1, append(id(0, 0), &[1, 1, 1], 0));
    for late in [&[][..], &[1], &[1, 1]] {
        let answers = follower.hear(2, 1, append(id(0, 0), late, 0));
        assert_eq!(to(&answers, 2), [accept(late.len() as Index)]);
        assert_eq!(follower.terms(), [1, 1, 1]);
    }
}

/// The same append twice is as good as once.
#[test]
fn s5_3_an_append_that_comes_twice_changes_nothing() {
    let mut follower = node(1, 3, 4, &[1, 2, 2]);
    let body = append(id(1, 1), &[3, 4], 2);
    let first = follower.hear(2, 4, body.clone());
    let before = (
        follower.node.status(),
        follower.log.clone(),
        follower.applied.clone(),
    );
    let second = follower.hear(2, 4, body);
    // What is committed by now needs no comparison, so that the answer may say less.
    assert_eq!(first.len(), second.len());
    assert!(
        second
            .iter()
            .all(|answer| matches!(answer.body, Body::Accept { .. }))
    );
    assert_eq!(
        before,
        (
            follower.node.status(),
            follower.log.clone(),
            follower.applied.clone()
        )
    );
}

/// A leader never replaces or removes entries of its own log; it only adds to it.
#[test]
fn s5_3_a_leader_only_appends_to_its_own_log() {
    let mut leader = leader(3, &[1, 1, 2]);
    for round in 0..10 {
        let before = leader.log.clone();
        let last = leader.last_index();
        leader.hear(
            2,
            3,
            Body::Reject {
                index: last,
                hint: id(1, 2),
            },
        );
        leader.hear(2, 2, append(id(1, 1), &[2, 2, 2, 2, 2], 0));
        leader.hear(2, 3, request_vote(id(3, 99)));
        leader.hear(3, 3, accept(last));
        propose(&mut leader, "a");
        assert_eq!(leader.role(), Role::Leader);
        assert_eq!(leader.log[..before.len()], before, "round {round}");
        assert_eq!(leader.log.len(), before.len() + 1);
    }
}

/// Brings a follower in line with a leader. Returns the indexes that the leader has probed.
fn bring_in_line(leader: &mut Member, follower: &mut Member) -> Vec<Index> {
    let beats = leader.tick(1);
    let said = talk(beats, leader, follower);
    assert_eq!(leader.log, follower.log);
    said.iter()
        .filter_map(|message| match &message.body {
            Body::Append { prev, .. } => Some(prev.index),
            _ => None,
        })
        .collect()
}

/// After a refusal the leader goes back, until it comes to where the logs agree; from there the
/// follower gets everything.
#[test]
fn s5_3_a_refused_append_is_tried_again_further_back() {
    for (ours, theirs) in [
        (&[1, 1, 1, 1, 1][..], &[][..]),
        (&[1, 2, 3, 4, 5], &[1, 2]),
        (&[1, 4, 4, 4], &[1, 2, 2, 3, 3]),
        (&[4, 4, 4, 4], &[1, 2, 3]),
        (&[1, 1, 4], &[1, 1, 1, 1, 1, 1]),
    ] {
        let mut leader = new_leader(3, ours);
        let mut follower = node(2, 3, leader.term(), theirs);
        let probed = bring_in_line(&mut leader, &mut follower);
        let agree = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let refused: Vec<_> = probed
            .iter()
            .take_while(|&&index| index > agree as Index)
            .collect();
        assert!(
            refused.windows(2).all(|pair| pair[0] > pair[1]),
            "{probed:?}"
        );
        assert!(probed.contains(&(agree as Index)), "{probed:?}");
        assert_eq!(leader.progress(2).match_index, leader.last_index());
    }
}

/// A refusal says enough to skip all entries of a term at once: there are not more refusals than
/// terms in either log.
#[test]
fn s5_3_a_refusal_lets_the_leader_skip_whole_terms() {
    let of = |runs: &[(Term, usize)]| -> Vec<Term> {
        let run = |&(term, count)| std::iter::repeat_n(term, count);
        runs.iter().flat_map(run).collect()
    };
    for (ours, theirs, most) in [
        (of(&[(1, 1), (4, 50)]), of(&[(1, 1), (2, 50)]), 2),
        (of(&[(1, 50), (4, 5)]), of(&[(1, 1), (3, 90)]), 3),
        (
            of(&[(1, 9), (3, 50), (5, 50)]),
            of(&[(1, 9), (2, 50), (4, 70)]),
            4,
        ),
    ] {
        let mut leader = new_leader(3, &ours);
        let mut follower = node(2, 3, leader.term(), &theirs);
        let probed = bring_in_line(&mut leader, &mut follower);
        let agree = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let refused = probed.iter().filter(|&&index| index > agree as Index);
        // One more for the first heartbeat, which may bring a probe of what is in question already.
        assert!(refused.clone().count() <= most + 1, "{probed:?}");
    }
}

/// Figure 7: whatever a follower lacks and has too much, a new leader brings it in line with its
/// own log.
#[test]
fn s5_3_figure_7_every_follower_is_brought_in_line() {
    let leader_terms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let cases: [(char, &[Term]); 6] = [
        ('a', &[1, 1, 1, 4, 4, 5, 5, 6, 6]),
        ('b', &[1, 1, 1, 4]),
        ('c', &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]),
        ('d', &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]),
        ('e', &[1, 1, 1, 4, 4, 4, 4]),
        ('f', &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]),
    ];
    let alone = |terms: &[Term]| {
        Cluster::of_members(vec![
            node(1, 3, 7, &leader_terms),
            node(2, 3, 7, terms),
            // Its vote is enough to win.
            node(3, 3, 7, &[]),
        ])
    };
    for (case, terms) in cases {
        let mut cluster = alone(terms);
        cluster.elect(1);
        cluster.tick_all(2);
        let expected = [&leader_terms[..], &[8]].concat();
        for member in &cluster.members {
            assert_eq!(member.terms(), expected, "case {case}");
            assert_eq!(member.log, cluster.members[0].log);
            assert_eq!((member.commit(), member.applied_index), (11, 11));
        }
    }
    // And all at once.
    let mut members = vec![node(1, 7, 7, &leader_terms)];
    for (id, (_, terms)) in (2..).zip(cases) {
        members.push(node(id, 7, 7, terms));
    }
    let mut cluster = Cluster::of_members(members);
    cluster.elect(1);
    cluster.tick_all(2);
    for member in &cluster.members {
        assert_eq!(member.log, cluster.members[0].log);
        assert_eq!(member.applied, cluster.members[0].applied);
    }
}

/// A follower takes as committed only what the leader has compared with it: what comes after may
/// be of another term in the leader's log.
#[test]
fn s5_3_a_follower_commits_no_further_than_the_logs_are_known_to_agree() {
    let cases: [(EntryId, &[Term], Index, Index); 5] = [
        (id(1, 1), &[], 3, 1),
        (id(1, 1), &[1], 3, 2),
        (id(1, 1), &[2], 3, 2),
        (id(1, 3), &[], 3, 3),
        (id(1, 1), &[1, 1], 2, 2),
    ];
    for (prev, sent, leader_commit, expected) in cases {
        let mut follower = node(1, 3, 2, &[1, 1, 1]);
        follower.hear(2, 2, append(prev, sent, leader_commit));
        assert_eq!(follower.commit(), expected, "{prev:?} {sent:?}");
    }
    // A refused append commits nothing.
    let mut follower = node(1, 3, 2, &[1, 1, 1]);
    follower.hear(2, 2, append(id(2, 3), &[], 3));
    assert_eq!(follower.commit(), 0);
}

/// Servers that are slow or gone don't hold up the others.
#[test]
fn s5_3_a_minority_that_is_slow_holds_up_nobody() {
    let mut cluster = Cluster::with(5, |config| *config = plain(config.id));
    cluster.elect(1);
    cluster.cut = vec![4, 5];
    cluster.propose(1, "a");
    cluster.tick_all(1);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"a"]);
    }
    // One more, and nothing is committed any longer.
    cluster.cut = vec![3, 4, 5];
    cluster.propose(1, "b");
    cluster.tick_all(3);
    assert_eq!(cluster.at(1).commands(), [b"a"]);
}

/// Acknowledgements and refusals may come late and in any order: what a follower is known to hold
/// never becomes less.
#[test]
fn s5_3_what_a_follower_is_known_to_hold_never_decreases() {
    let mut leader = leader(3, &[]);
    for command in ["a", "b", "c"] {
        propose(&mut leader, command);
    }
    leader.hear(2, 1, accept(4));
    leader.hear(2, 1, accept(2));
    for index in 1..=4 {
        leader.hear(
            2,
            1,
            Body::Reject {
                index,
                hint: id(0, 0),
            },
        );
        let known = leader.progress(2);
        assert_eq!(known.match_index, 4, "after a late refusal of {index}");
        assert_eq!(known.next_index, 5);
    }
    assert_eq!(leader.commit(), 4);
}

/// Log Matching: logs that hold the same entry, of the same index and term, are the same up to
/// there. It holds for all pairs at all times, however elections and losses follow each other.
#[test]
fn s5_3_logs_that_share_an_entry_agree_on_all_before_it() {
    let mut cluster = Cluster::with(5, |config| *config = plain(config.id));
    let mut compared = 0;
    for round in 0..60u64 {
        // Everybody leads in turn, with another pair cut off each time.
        let candidate = round * 3 % 5 + 1;
        cluster.cut = vec![round % 5 + 1, (round / 5 + 2) % 5 + 1];
        cluster.at(candidate).node.campaign().unwrap();
        cluster.settle();
        for leader in cluster.leaders() {
            cluster.propose(leader, "command");
        }
        for a in &cluster.members {
            for b in &cluster.members {
                let agree = |(a, b): &(&Entry, &Entry)| a.id() == b.id();
                let last = a.log.iter().zip(&b.log).filter(agree).last();
                if let Some((entry, _)) = last {
                    let upto = entry.index as usize;
                    assert_eq!(a.log[..upto], b.log[..upto], "round {round}");
                    compared += 1;
                }
            }
        }
        for member in &cluster.members {
            let longest = cluster.members.iter().map(|other| &other.applied);
            let longest = longest.max_by_key(|applied| applied.len()).unwrap();
            assert!(longest.starts_with(&member.applied), "round {round}");
        }
    }
    let commits = cluster.members.iter().map(|member| member.commit()).max();
    assert!(
        compared > 1000 && commits > Some(20),
        "{compared} {commits:?}"
    );
}
