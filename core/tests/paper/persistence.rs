//! What must be on stable storage, and when; restarts; timing (thesis §3.8, §3.9).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::Cluster;
use crate::cluster::nodes::*;

/// What one Ready asks for with asynchronous storage writes.
#[derive(Debug, Default)]
struct Work {
    /// To be sent at once.
    at_once: Vec<Message>,
    hard_state: Option<HardState>,
    entries: Entries,
    /// To be sent when hard state and entries are persisted.
    when_persisted: Vec<Message>,
}

/// Takes a Ready of a node whose storage writes are asynchronous, which shows what waits for what.
fn take_work(node: &mut Node) -> Work {
    let mut work = Work::default();
    for message in node.ready().unwrap().messages {
        match message.body {
            Body::StorageAppend(append) => {
                work.hard_state = append.hard_state;
                work.entries = append.entries;
                work.when_persisted = append.responses;
            }
            Body::StorageApply { .. } => {}
            _ => work.at_once.push(message),
        }
    }
    work
}

fn with_async_writes(id: NodeId) -> Config {
    Config {
        async_storage_writes: true,
        ..plain(id)
    }
}

fn step(node: &mut Node, from: NodeId, term: Term, body: Body) {
    let to = node.id();
    node.step(Message {
        to,
        from,
        term,
        body,
    })
    .unwrap();
}

/// A vote is a promise, and is given no earlier than it is persisted, with the term it is for.
#[test]
fn t3_8_a_vote_is_persisted_before_it_is_given() {
    let mut voter = node_with(with_async_writes(1), 3, 1, &[1]).node;
    step(&mut voter, 2, 4, request_vote(id(1, 1)));
    let work = take_work(&mut voter);
    assert_eq!(work.at_once, []);
    let state = work.hard_state.unwrap();
    assert_eq!((state.term, state.vote), (4, 2));
    assert_eq!(to(&work.when_persisted, 2), [vote(true)]);

    // With synchronous writes both are in one Ready, which is to be synced before messages leave.
    let mut voter = node(1, 3, 1, &[1]).node;
    step(&mut voter, 2, 4, request_vote(id(1, 1)));
    let ready = voter.ready().unwrap();
    assert_eq!(ready.hard_state, Some(state));
    assert!(ready.must_sync);
    assert_eq!(to(&ready.messages, 2), [vote(true)]);
}

/// Entries are acknowledged no earlier than they are persisted, and so is a later term.
#[test]
fn t3_8_entries_are_persisted_before_they_are_acknowledged() {
    let mut follower = node_with(with_async_writes(1), 3, 1, &[1]).node;
    let body = append(id(1, 1), &[2, 2], 1);
    step(&mut follower, 2, 2, body);
    let work = take_work(&mut follower);
    assert_eq!(to(&work.at_once, 2), []);
    assert_eq!(work.entries, entries_after(id(1, 1), &[2, 2]));
    assert_eq!(work.hard_state.unwrap().term, 2);
    assert_eq!(to(&work.when_persisted, 2), [accept(3)]);

    step(&mut follower, 2, 3, append(id(3, 9), &[], 1));
    let work = take_work(&mut follower);
    assert_eq!(to(&work.at_once, 2), []);
    assert_eq!(work.hard_state.unwrap().term, 3);
    let refusal = &to(&work.when_persisted, 2)[0];
    assert!(matches!(refusal, Body::Reject { index: 9, .. }));
}

/// A candidate counts its own vote like any other: when it is persisted. So does a group of one
/// elect nobody before that.
#[test]
fn t3_8_a_candidate_counts_its_own_vote_when_it_is_persisted() {
    let mut candidate = node_with(with_async_writes(1), 1, 0, &[]).node;
    candidate.campaign().unwrap();
    let work = take_work(&mut candidate);
    let role = |node: &Node| node.basic_status().soft_state.role;
    assert_eq!(role(&candidate), Role::Candidate);
    let state = work.hard_state.unwrap();
    assert_eq!((state.term, state.vote), (1, 1));
    for response in work.when_persisted {
        candidate.step(response).unwrap();
    }
    assert_eq!(role(&candidate), Role::Leader);
}

/// A leader counts its own log like any other: up to what is persisted.
#[test]
fn t3_8_a_leader_counts_its_own_entries_when_they_are_persisted() {
    for config in [plain(1), with_async_writes(1)] {
        let is_async = config.async_storage_writes;
        let mut leader = node_with(config, 1, 0, &[]).node;
        leader.campaign().unwrap();
        let commit = |node: &Node| node.basic_status().hard_state.commit;
        let finish = |node: &mut Node| {
            while node.has_ready() {
                let ready = node.ready().unwrap();
                let mut responses = Vec::new();
                for message in ready.messages {
                    match message.body {
                        Body::StorageAppend(work) => responses.extend(work.responses),
                        Body::StorageApply { responses: all, .. } => responses.extend(all),
                        other => panic!("{other:?}"),
                    }
                }
                match is_async {
                    true => responses
                        .into_iter()
                        .for_each(|response| node.step(response).unwrap()),
                    false => node.advance().unwrap(),
                }
            }
        };
        finish(&mut leader);
        assert_eq!(commit(&leader), 1);
        leader.propose(Bytes::from_static(b"a")).unwrap();
        let ready = leader.clone().ready().unwrap();
        assert_eq!(ready.committed_entries, []);
        assert_eq!(commit(&leader), 1, "it is in memory only");
        finish(&mut leader);
        assert_eq!(commit(&leader), 2);
    }
}

/// A leader sends entries while it still writes them itself. If a majority of the others has
/// persisted them by then, they are committed without it (thesis §10.2.1).
#[test]
fn t3_8_others_may_commit_what_the_leader_is_still_writing() {
    let mut leader = leader(3, &[]);
    leader.node.propose(Bytes::from_static(b"a")).unwrap();
    let ready = leader.node.ready().unwrap();
    assert_eq!(recipients(&ready.messages, is_append), [2, 3]);
    // The host is still writing.
    step(&mut leader.node, 2, 1, accept(2));
    assert_eq!(leader.commit(), 1, "one of three");
    step(&mut leader.node, 3, 1, accept(2));
    assert_eq!(leader.commit(), 2, "two of three");
}

/// Term and vote go to storage together and are synced; the commit index alone need not be, since
/// a leader will tell it again.
#[test]
fn t3_8_term_and_vote_are_synced_and_the_commit_index_need_not_be() {
    let mut server = node(1, 3, 1, &[1]);
    let steps = [
        (2, heartbeat(0), Some((2, NONE))),
        (2, heartbeat(1), None),
        (3, request_vote(id(1, 1)), Some((3, 2))),
        (4, heartbeat(1), Some((4, NONE))),
        (4, append(id(1, 1), &[], 1), None),
        (5, vote(false), Some((5, NONE))),
        // The vote alone.
        (5, request_vote(id(1, 1)), Some((5, 2))),
    ];
    for (term, body, changed) in steps {
        step(&mut server.node, 2, term, body.clone());
        let ready = server.node.ready().unwrap();
        assert_eq!(ready.must_sync, changed.is_some(), "{body:?}");
        if let Some(expected) = changed {
            let state = ready.hard_state.unwrap();
            assert_eq!((state.term, state.vote), expected, "{body:?}");
        }
        server.node.advance().unwrap();
    }
}

/// A server that restarts doesn't vote for another candidate in a term in which it has voted.
#[test]
fn t3_8_a_vote_outlives_a_restart() {
    let mut voter = node(1, 3, 1, &[1]);
    assert!(grants(&mut voter, 2, 4, request_vote(id(1, 1))));
    voter.restart();
    assert_eq!((voter.term(), voter.vote()), (4, 2));
    assert!(!grants(&mut voter, 3, 4, request_vote(id(1, 9))));
    assert!(grants(&mut voter, 2, 4, request_vote(id(1, 1))));
    assert!(grants(&mut voter, 3, 5, request_vote(id(1, 9))));

    // Nor does a candidate that has voted for itself.
    let mut candidate = node(1, 3, 1, &[1]);
    candidate.node.campaign().unwrap();
    candidate.rest();
    candidate.restart();
    assert!(!grants(&mut candidate, 3, 2, request_vote(id(1, 9))));
}

/// It comes back as a follower, with its term and its log, even if it was the leader.
#[test]
fn t3_8_a_server_comes_back_as_a_follower_with_its_log() {
    let mut server = leader(3, &[1, 2]);
    propose(&mut server, "a");
    let log = server.log.clone();
    server.restart();
    assert_eq!((server.role(), server.leader()), (Role::Follower, NONE));
    assert_eq!(server.term(), 3);
    assert!(matches!(
        server.node.propose(Bytes::new()),
        Err(Error::ProposalDropped(DropReason::NoLeader))
    ));
    // The log decides what it takes and for whom it votes.
    let answers = server.hear(2, 4, append(id(3, 4), &[4], 0));
    assert_eq!(to(&answers, 2), [accept(5)]);
    assert_eq!(server.log[..4], log);
    assert!(!grants(&mut server, 3, 5, request_vote(id(3, 9))));
}

/// The commit index may be lost in a crash. The server applies nothing more until it learns it
/// anew, and then goes on.
#[test]
fn t3_8_the_commit_index_may_be_lost() {
    let mut server = node(1, 3, 1, &[1, 1, 1]);
    server.hear(2, 1, heartbeat(2));
    assert_eq!(server.applied_index, 2);
    server.hard_state.commit = 0;
    server.restart();
    assert_eq!(server.commit(), 2, "what is applied was committed");
    server.rest();
    server.hear(2, 1, heartbeat(3));
    assert_eq!(server.applied, server.log, "each is applied once");

    // A state machine that is not persisted begins anew.
    server.hard_state.commit = 0;
    server.applied_index = 0;
    server.applied.clear();
    server.restart();
    server.rest();
    assert_eq!((server.commit(), server.applied_index), (0, 0));
    server.hear(2, 1, heartbeat(3));
    assert_eq!(server.applied, server.log);
}

/// A whole group that restarts at once has lost nothing that was committed.
#[test]
fn t3_8_a_group_that_restarts_keeps_what_was_committed() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.propose(1, "b");
    for member in &mut cluster.members {
        member.applied.clear();
        member.applied_index = 0;
        member.restart();
    }
    cluster.elect(3);
    cluster.tick_all(1);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"a", b"b"]);
    }
}

/// The broadcast time has to be well below the election timeout. The core knows no time; but it
/// refuses settings by which a leader could not keep its followers.
#[test]
fn t3_9_a_heartbeat_interval_has_to_be_below_the_election_timeout() {
    for (heartbeat_ticks, election_ticks, valid) in [
        (1, 10, true),
        (9, 10, true),
        (10, 10, false),
        (11, 10, false),
        (0, 10, false),
    ] {
        let config = Config {
            heartbeat_ticks,
            election_ticks,
            ..plain(1)
        };
        let refused = matches!(
            Node::new(config, RestartState::default()),
            Err(Error::InvalidConfig(_))
        );
        assert_eq!(!refused, valid, "{heartbeat_ticks} {election_ticks}");
    }
}

/// If messages take less than that, a lost leader is replaced within a few timeouts, and one that
/// is there stays.
#[test]
fn t3_9_a_group_finds_a_leader_soon_and_keeps_it() {
    for seed in 0..50 {
        let mut cluster = Cluster::with(5, |config| {
            *config = plain(config.id);
            config.seed = seed;
        });
        cluster.tick_all(50);
        let leaders = cluster.leaders();
        assert_eq!(leaders.len(), 1, "seed {seed}");
        let first = cluster.get(leaders[0]).term();
        cluster.tick_all(100);
        assert_eq!(cluster.leaders(), leaders);
        assert_eq!(cluster.get(leaders[0]).term(), first);
        cluster.cut = leaders.clone();
        cluster.tick_all(50);
        let others = cluster.leaders().into_iter();
        assert_eq!(
            others.filter(|id| !leaders.contains(id)).count(),
            1,
            "seed {seed}"
        );
    }
}
