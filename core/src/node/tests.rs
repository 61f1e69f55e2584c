//! Whole clusters of nodes in memory, driven step by step.

use bytes::Bytes;

use super::*;
use crate::cluster::{Cluster, Member, change};
use crate::error::Impossible;
use crate::types::{EntryId, NONE};

/// All of a node except for its events and counters, which tell of failed calls too.
pub(super) fn protocol_state(node: &Node) -> String {
    let mut node = node.clone();
    node.raft.core_mut().notes = Default::default();
    format!("{node:?}")
}

#[test]
fn a_single_node_elects_itself_and_commits() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.propose(1, "a");
    assert_eq!(cluster.at(1).commands(), [b"a"]);
}

#[test]
fn time_alone_elects_exactly_one_leader() {
    for voters in [1, 2, 3, 5, 7] {
        let mut cluster = Cluster::of(voters);
        cluster.tick_all(40);
        assert_eq!(cluster.leaders().len(), 1, "of {voters} voters");
    }
}

#[test]
fn all_apply_what_any_of_them_proposes() {
    for coalesce in [true, false] {
        let mut cluster = Cluster::with(3, |config| config.coalesce_appends = coalesce);
        cluster.elect(1);
        cluster.propose(1, "a");
        cluster.propose(2, "b");
        cluster.propose(3, "c");
        cluster.tick_all(1);
        for id in 1..=3 {
            assert_eq!(
                cluster.at(id).commands(),
                [b"a", b"b", b"c"],
                "on node {id}"
            );
        }
    }
}

#[test]
fn proposals_of_one_batch_are_one_append_for_each_follower() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let commands = (0..64).map(|_| Bytes::from_static(b"x"));
    for command in commands {
        cluster.at(1).node.propose(command).unwrap();
    }
    let ready = cluster.at(1).node.ready().unwrap();
    let appends = ready.messages.iter().map(|message| match &message.body {
        Body::Append { entries, .. } => (message.to, entries.len()),
        other => panic!("{other:?}"),
    });
    assert_eq!(appends.collect::<Vec<_>>(), [(2, 64), (3, 64)]);
}

#[test]
fn without_room_for_a_byte_entries_are_sent_and_applied_one_by_one() {
    let mut cluster = Cluster::with(3, |config| {
        config.max_size_per_msg = 0;
        config.max_committed_size_per_ready = 0;
    });
    cluster.elect(1);
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
    }
    cluster.tick_all(1);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"a", b"b", b"c"]);
    }
}

#[test]
fn a_new_leader_takes_over_from_a_lost_one() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.cut = vec![1];
    cluster.tick_all(60);
    let leaders = cluster.leaders();
    assert_eq!(leaders.len(), 1, "the lost one has stepped down by itself");
    assert_ne!(leaders[0], 1);
    cluster.propose(leaders[0], "b");
    cluster.cut.clear();
    cluster.tick_all(5);
    assert_eq!(cluster.at(1).commands(), [b"a", b"b"]);
}

#[test]
fn uncommitted_entries_of_a_lost_leader_are_replaced() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![1];
    cluster.propose(1, "lost");
    cluster.tick_all(60);
    let leader = cluster.leaders()[0];
    assert_ne!(leader, 1);
    cluster.propose(leader, "kept");
    cluster.cut.clear();
    cluster.tick_all(3);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands(), [b"kept"], "on node {id}");
    }
}

#[test]
fn a_restarted_cluster_goes_on_where_it_was() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    for _ in 0..10 {
        cluster.propose(2, "a");
    }
    let term = cluster.at(1).node.basic_status().hard_state.term;
    for member in &mut cluster.members {
        member.restart();
    }
    cluster.elect(3);
    cluster.propose(1, "b");
    cluster.tick_all(1);
    for id in 1..=3 {
        assert_eq!(cluster.at(id).commands().len(), 11, "on node {id}");
        assert!(cluster.at(id).node.basic_status().hard_state.term > term);
    }
}

#[test]
fn what_was_committed_before_a_restart_and_not_applied_is_read_back() {
    let mut cluster = Cluster::with(1, |config| config.max_size_per_msg = 10);
    cluster.elect(1);
    for _ in 0..20 {
        cluster.propose(1, "abc");
    }
    let member = cluster.at(1);
    let before = member.applied.clone();
    member.applied.clear();
    member.applied_index = 0;
    member.restart();
    cluster.settle();
    assert_eq!(cluster.at(1).applied, before);
}

#[test]
fn a_follower_that_lags_is_served_from_storage() {
    let mut cluster = Cluster::with(3, |config| {
        config.max_cached_bytes = 0;
        config.max_size_per_msg = 64;
    });
    cluster.elect(1);
    cluster.cut = vec![3];
    for _ in 0..100 {
        cluster.propose(1, "abcdefgh");
    }
    assert_eq!(cluster.at(1).node.raft.core().log.cached_bytes(), 0);
    cluster.cut.clear();
    cluster.tick_all(2);
    assert_eq!(cluster.at(3).commands().len(), 100);
}

#[test]
fn what_everybody_is_to_get_may_have_to_be_read_for_some() {
    let mut cluster = Cluster::with(3, |config| config.max_cached_bytes = 0);
    cluster.elect(1);
    cluster.cut = vec![3];
    for _ in 0..5 {
        cluster.propose(1, "a");
    }
    let node = &mut cluster.at(1).node;
    node.report_unreachable(3).unwrap();
    assert!(!node.may_have_requests(), "nothing is to be sent to it");
    node.propose(Bytes::from_static(b"b")).unwrap();
    assert!(node.may_have_requests());
    let (reads, _) = node.take_requests();
    assert_eq!(reads.len(), 1);
}

#[test]
fn a_follower_that_lags_behind_the_log_gets_a_snapshot() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![3];
    for _ in 0..10 {
        cluster.propose(1, "a");
    }
    cluster.at(1).compact(8);
    cluster.cut.clear();
    cluster.tick_all(3);
    let applied = cluster.at(1).applied_index;
    let third = cluster.at(3);
    assert_eq!((third.compacted.index, third.applied_index), (8, applied));
    cluster.propose(3, "b");
    cluster.tick_all(1);
    assert_eq!(cluster.at(3).commands().last(), Some(&&b"b"[..]));
}

#[test]
fn members_are_added_and_removed_one_at_a_time() {
    let mut cluster = Cluster::bootstrapped(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.add(4);
    let add = change(ConfChangeKind::AddNode, 4);
    cluster.at(1).node.propose_conf_change(&add).unwrap();
    cluster.settle();
    cluster.tick_all(2);
    assert_eq!(cluster.at(4).conf_state.voters, [1, 2, 3, 4]);
    assert_eq!(cluster.at(4).commands(), [b"a"]);

    let remove = change(ConfChangeKind::RemoveNode, 1);
    cluster.at(2).node.propose_conf_change(&remove).unwrap();
    cluster.settle();
    cluster.cut = vec![1];
    cluster.tick_all(60);
    let leaders: Vec<NodeId> = cluster
        .leaders()
        .into_iter()
        .filter(|&id| id != 1)
        .collect();
    assert_eq!(leaders.len(), 1);
    cluster.propose(leaders[0], "b");
    assert_eq!(cluster.at(4).conf_state.voters, [2, 3, 4]);
}

#[test]
fn a_second_change_at_the_same_time_becomes_an_empty_entry() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let node = &mut cluster.at(1).node;
    node.propose_conf_change(&change(ConfChangeKind::AddNode, 4))
        .unwrap();
    node.propose_conf_change(&change(ConfChangeKind::AddNode, 5))
        .unwrap();
    cluster.settle();
    assert_eq!(cluster.at(1).conf_state.voters, [1, 2, 3, 4]);
    let last = cluster.at(1).applied.last().unwrap();
    assert!(!last.is_conf_change() && last.data.is_empty());
}

#[test]
fn a_joint_change_replaces_all_voters_and_leaves_by_itself() {
    let mut cluster = Cluster::bootstrapped(3);
    cluster.elect(1);
    for id in 4..=6 {
        cluster.add(id);
    }
    let step = |kind, node_id| ConfChangeSingle { kind, node_id };
    let replace = ConfChangeV2 {
        changes: (4..=6)
            .map(|id| step(ConfChangeKind::AddNode, id))
            .chain((1..=3).map(|id| step(ConfChangeKind::RemoveNode, id)))
            .collect(),
        ..ConfChangeV2::default()
    };
    cluster.at(1).node.propose_conf_change_v2(&replace).unwrap();
    cluster.settle();
    cluster.tick_all(3);
    let expected = ConfState::of_voters(4..=6);
    assert_eq!(cluster.at(5).conf_state, expected);
    cluster.cut = vec![1, 2, 3];
    cluster.tick_all(60);
    let leader = cluster.leaders().into_iter().find(|&id| id > 3).unwrap();
    cluster.propose(leader, "new");
    assert_eq!(cluster.at(6).commands(), [b"new"]);
}

#[test]
fn reads_are_confirmed_from_leader_and_follower() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    let commit = cluster.at(1).node.basic_status().hard_state.commit;
    for id in 1..=3 {
        cluster
            .at(id)
            .node
            .read_index(Bytes::from_static(b"read"))
            .unwrap();
        cluster.settle();
        let expected = ReadState {
            index: commit,
            context: Bytes::from_static(b"read"),
        };
        assert_eq!(cluster.at(id).reads, [expected], "on node {id}");
    }
}

#[test]
fn a_leader_that_is_cut_off_confirms_no_read() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![1];
    cluster
        .at(1)
        .node
        .read_index(Bytes::from_static(b"read"))
        .unwrap();
    cluster.tick_all(5);
    assert_eq!(cluster.at(1).reads, []);
}

#[test]
fn reads_without_a_leader_are_refused() {
    let mut cluster = Cluster::of(3);
    let refused = cluster.at(1).node.read_index(Bytes::from_static(b"read"));
    assert!(matches!(refused, Err(Error::ReadDropped(_))));
}

#[test]
fn leadership_is_transferred() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.at(2).node.transfer_leader(3).unwrap();
    cluster.settle();
    assert_eq!(cluster.leaders(), [3]);
}

#[test]
fn bootstrap_writes_the_first_members_as_entries() {
    let mut node = Node::new(Config::new(1), RestartState::default()).unwrap();
    node.bootstrap(&[(1, Bytes::from_static(b"one")), (2, Bytes::new())])
        .unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.entries, ready.committed_entries);
    assert_eq!(
        ready.hard_state.unwrap(),
        HardState {
            term: 1,
            vote: NONE,
            commit: 2
        }
    );
    let first = codec::decode_conf_change(ready.entries[0].data.clone()).unwrap();
    assert_eq!((first.change.node_id, &first.context[..]), (1, &b"one"[..]));
    node.advance().unwrap();
    assert_eq!(node.status().conf_state.voters, [1, 2]);
    let again = node.bootstrap(&[(1, Bytes::new())]);
    assert!(matches!(again, Err(Error::Misuse(_))));
}

#[test]
fn a_node_that_has_voted_or_has_a_later_term_is_not_bootstrapped() {
    for (term, vote) in [(5, 2), (5, NONE), (1, 2)] {
        let hard_state = HardState {
            term,
            vote,
            commit: 0,
        };
        let state = RestartState {
            hard_state,
            ..RestartState::default()
        };
        let mut node = Node::new(Config::new(1), state).expect("it has run, and has no entry");
        let refused = node.bootstrap(&[(1, Bytes::new())]);
        assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
        assert_eq!(node.status().basic.hard_state, hard_state);
    }
}

#[test]
fn a_ready_must_be_advanced_before_the_next() {
    let mut cluster = Cluster::of(1);
    let node = &mut cluster.at(1).node;
    assert!(matches!(node.advance(), Err(Error::Misuse(_))));
    node.campaign().unwrap();
    node.ready().unwrap();
    assert!(matches!(node.ready(), Err(Error::Misuse(_))));
    node.advance().unwrap();
}

#[test]
fn a_follower_says_beforehand_that_its_advance_leaves_nothing_to_do() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let last = cluster.at(1).node.status().basic.last_index;
    let node = &mut cluster.at(1).node;
    node.propose(Bytes::from_static(b"a command")).unwrap();
    node.ready().unwrap();
    assert!(!node.rests_once_advanced(), "it may commit by that");
    let node = &mut cluster.at(2).node;
    let term = node.basic_status().hard_state.term;
    let id = |index| EntryId { term, index };
    let mut append = |prev, entries: Vec<Entry>, commit| {
        let body = Body::Append {
            prev,
            entries: entries.into(),
            commit,
        };
        node.step(Message {
            to: 2,
            from: 1,
            term,
            body,
        })
        .unwrap();
        assert!(!node.rests_once_advanced());
        node.ready().unwrap();
        assert!(node.rests_once_advanced());
        node.advance().unwrap();
        assert!(!node.has_ready());
    };
    let entry = Entry {
        term,
        index: last + 1,
        ..Entry::default()
    };
    append(id(last), vec![entry], last);
    append(id(last + 1), vec![], last + 1);
    append(id(last + 1), vec![], last + 1);
}

#[test]
fn a_ready_that_was_looked_at_grows_until_it_is_taken() {
    for async_writes in [false, true] {
        let mut member = Member::new(
            Config {
                async_storage_writes: async_writes,
                ..Config::new(1)
            },
            &[1],
        );
        let node = &mut member.node;
        assert!(matches!(node.accept_ready(), Err(Error::Misuse(_))));
        node.campaign().unwrap();
        let shown = node.peek_ready().unwrap();
        assert_eq!(node.peek_ready().unwrap(), shown);
        node.tick().unwrap();
        // What was shown may be out of date, and is not to be worked on.
        assert!(matches!(node.accept_ready(), Err(Error::Misuse(_))));
        let shown = node.peek_ready().unwrap();
        assert_eq!(node.accept_ready().unwrap(), shown);
        assert!(matches!(node.accept_ready(), Err(Error::Misuse(_))));
        if !async_writes {
            assert!(matches!(node.peek_ready(), Err(Error::Misuse(_))));
            node.advance().unwrap();
        }
    }
}

#[test]
fn a_vote_and_a_commit_index_are_in_the_ready_that_is_taken_after_two_looks() {
    for async_writes in [false, true] {
        let config = Config {
            async_storage_writes: async_writes,
            ..Config::new(1)
        };
        let mut member = Member::new(config, &[1, 2, 3]);
        let node = &mut member.node;
        let mut taken_after = |body: Body| {
            node.step(Message {
                to: 1,
                from: 2,
                term: 5,
                body,
            })
            .unwrap();
            let shown = node.peek_ready().unwrap();
            assert_eq!(node.peek_ready().unwrap(), shown);
            let ready = node.accept_ready().unwrap();
            assert_eq!(ready, shown);
            if !async_writes {
                node.advance().unwrap();
            }
            assert!(!node.has_ready());
            (ready.hard_state, ready.must_sync)
        };
        let state = |commit| HardState {
            term: 5,
            vote: 2,
            commit,
        };
        let vote = Body::RequestVote {
            pre: false,
            last: EntryId::default(),
            transfer: false,
            priority: 0,
            reports: false,
        };
        assert_eq!(taken_after(vote), (Some(state(0)), true));
        let first = Entry {
            term: 5,
            index: 1,
            ..Entry::default()
        };
        let append = |prev, entries: Vec<Entry>, commit| Body::Append {
            prev,
            entries: entries.into(),
            commit,
        };
        let brings = append(EntryId::default(), vec![first.clone()], 0);
        assert_eq!(taken_after(brings), (None, true));
        let commits = append(first.id(), vec![], 1);
        assert_eq!(taken_after(commits), (Some(state(1)), false));
    }
}

#[test]
fn what_was_shown_is_not_taken_with_an_event_that_came_since() {
    let mut member = Member::new(Config::new(1), &[1]);
    let node = &mut member.node;
    node.campaign().unwrap();
    let shown = node.peek_ready().unwrap();
    let refused = node.step_bytes(Bytes::from_static(b"\xff"));
    assert!(matches!(refused, Err(Error::Malformed(_))), "{refused:?}");
    assert!(matches!(node.accept_ready(), Err(Error::Misuse(_))));
    let ready = node.ready().unwrap();
    assert_eq!(ready.events.len(), shown.events.len() + 1, "{ready:?}");
}

#[test]
fn a_poisoned_node_refuses_everything() {
    let mut cluster = Cluster::of(1);
    let node = &mut cluster.at(1).node;
    node.poison("the disk is gone".to_owned());
    assert_eq!(
        node.tick(),
        Err(Error::Poisoned("the disk is gone".to_owned()))
    );
    assert!(!node.has_ready());
}

#[test]
fn a_single_voter_serves_no_read_before_it_commits_in_its_term() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.propose(1, "a");
    let member = cluster.at(1);
    // The commit index is written without a sync, so that a crash may take it back.
    member.hard_state.commit = 1;
    member.restart();
    member.node.campaign().unwrap();
    // Its pre-vote and its vote each wait for a Ready to be persisted.
    member.process();
    member.process();
    assert_eq!(member.node.basic_status().soft_state.role, Role::Leader);
    member.node.read_index(Bytes::from_static(b"read")).unwrap();
    assert!(member.node.raft.core().outbox.read_states().is_empty());
    cluster.settle();
    assert_eq!(cluster.at(1).reads[0].index, 3);
}

#[test]
fn reads_are_answered_when_nobody_is_left_to_confirm_them() {
    let mut cluster = Cluster::of(2);
    cluster.elect(1);
    let remove = change(ConfChangeKind::RemoveNode, 2);
    cluster.at(1).node.propose_conf_change(&remove).unwrap();
    // The change commits and is applied, but the heartbeat that asks to confirm is lost.
    for _ in 0..3 {
        let sent = cluster.at(1).process();
        let heartbeat = |message: &Message| matches!(message.body, Body::Heartbeat { .. });
        for message in sent.into_iter().filter(|message| !heartbeat(message)) {
            cluster.at(2).node.step(message).unwrap();
        }
        let answers = cluster.at(2).process();
        for message in answers {
            match cluster.at(1).node.step(message) {
                Ok(()) | Err(Error::UnknownPeer(2)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        if cluster.at(1).reads.is_empty() && cluster.at(1).conf_state.voters.len() == 2 {
            cluster
                .at(1)
                .node
                .read_index(Bytes::from_static(b"read"))
                .unwrap();
        }
    }
    cluster.cut = vec![2];
    cluster.settle();
    assert_eq!(cluster.at(1).conf_state.voters, [1]);
    assert!(!cluster.at(1).reads.is_empty());
}

#[test]
fn pending_reads_are_bounded() {
    let mut cluster = Cluster::with(3, |config| config.max_pending_reads = 2);
    cluster.elect(1);
    cluster.cut = vec![1];
    let mut read = || cluster.at(1).node.read_index(Bytes::from_static(b"read"));
    assert_eq!((read(), read()), (Ok(()), Ok(())));
    assert!(matches!(read(), Err(Error::ReadDropped(_))));
}

#[test]
fn an_answer_that_is_wrong_or_missing_is_asked_for_again() {
    let mut cluster = Cluster::of(1);
    cluster.elect(1);
    cluster.propose(1, "a");
    let member = cluster.at(1);
    let log = member.log.clone();
    member.applied_index = 0;
    member.restart();
    let node = &mut member.node;
    let ask = |node: &mut Node| node.take_requests().0.first().copied();

    let first = ask(node).expect("what is committed has to be read");
    assert_eq!((first.low, ask(node)), (1, None), "it is asked for once");
    assert!(matches!(
        node.provide_entries(first.id, log[1..].to_vec()),
        Err(Error::WrongAnswer(_))
    ));
    assert_eq!(ask(node), None, "not again before the next tick");
    node.tick().unwrap();

    let second = ask(node).expect("the answer was wrong");
    node.provide_entries(first.id, log.clone()).unwrap();
    assert!(
        node.ready().unwrap().committed_entries.is_empty(),
        "a stale answer is ignored"
    );
    for _ in 0..10 {
        assert_eq!(ask(node), None, "the second answer may still come");
        node.tick().unwrap();
    }

    let third = ask(node).expect("the answer is overdue");
    assert_eq!(second.id, third.id, "whichever answer comes first is taken");
    node.provide_entries(third.id, log.clone()).unwrap();
    node.provide_entries(third.id, log.clone()).unwrap();
    member.applied.clear();
    cluster.settle();
    assert_eq!(cluster.at(1).commands(), [b"a"]);
}

#[test]
fn a_stale_message_without_a_sender_is_refused_and_not_answered() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.at(1).node.transfer_leader(2).unwrap();
    cluster.settle();
    let member = cluster.at(3);
    let term = member.node.basic_status().hard_state.term;
    let bodies = [
        Body::Append {
            prev: EntryId::default(),
            entries: vec![].into(),
            commit: 0,
        },
        Body::Heartbeat {
            commit: 0,
            context: Bytes::new(),
        },
        Body::RequestVote {
            pre: true,
            last: EntryId::default(),
            transfer: false,
            priority: 0,
            reports: false,
        },
    ];
    for body in bodies {
        for from in [NONE, 3] {
            let refused = member.node.step(Message {
                to: 3,
                from,
                term: term - 1,
                body: body.clone(),
            });
            assert_eq!(refused, Err(Error::Impossible(Impossible::NoSender)));
        }
    }
    assert!(!member.node.has_ready());
}

#[test]
fn impossible_messages_change_nothing() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    let commit = cluster.at(1).node.basic_status().hard_state.commit;
    let entry = |term, index| Entry {
        term,
        index,
        ..Entry::default()
    };
    let append = |prev, entries| Body::Append {
        prev,
        entries,
        commit: 0,
    };
    let id = |term, index| EntryId { term, index };
    let no_change = Entry {
        kind: EntryKind::ConfChangeV2,
        data: Bytes::from_static(&[7]),
        ..entry(1, 4)
    };
    let no_voters = Snapshot {
        id: id(1, 100),
        conf_state: ConfState {
            learners: vec![2],
            ..ConfState::default()
        },
        data: Bytes::new(),
    };
    let impossible = [
        append(id(1, 2), vec![entry(1, 4)].into()),
        append(id(1, 2), vec![entry(9, 3), entry(8, 4)].into()),
        append(id(1, 2), vec![entry(99, 3)].into()),
        append(id(9, 1), vec![].into()),
        append(id(1, MAX_POSITION), vec![entry(1, MAX_POSITION + 1)].into()),
        append(id(1, 2), vec![entry(1, 3), no_change].into()),
        Body::Heartbeat {
            commit: commit + 1,
            context: Bytes::new(),
        },
        Body::InstallSnapshot {
            snapshot: Box::new(no_voters),
        },
        Body::Propose {
            entries: vec![],
            ticket: None,
        },
    ];
    for body in impossible {
        let message = Message {
            to: 2,
            from: 1,
            term: 9,
            body,
        };
        let node = &mut cluster.at(2).node;
        let before = protocol_state(node);
        let refused = node.step(message.clone());
        assert!(
            matches!(refused, Err(Error::Impossible(_))),
            "{message:?}: {refused:?}"
        );
        assert_eq!(protocol_state(node), before, "{message:?}");
    }

    let to_leader = [
        Body::Accept { index: commit + 1 },
        append(id(1, 2), vec![].into()),
        Body::HeartbeatResp {
            context: Bytes::from_static(b"short"),
        },
        Body::HeartbeatResp {
            context: Bytes::copy_from_slice(&7u64.to_le_bytes()),
        },
    ];
    for body in to_leader {
        let node = &mut cluster.at(1).node;
        let term = node.basic_status().hard_state.term;
        let before = protocol_state(node);
        let refused = node.step(Message {
            to: 1,
            from: 2,
            term,
            body,
        });
        assert!(matches!(refused, Err(Error::Impossible(_))), "{refused:?}");
        assert_eq!(protocol_state(node), before);
    }
}

#[test]
fn a_peer_can_not_speak_for_this_node_or_its_storage() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let forged = [
        (LOCAL_APPEND, Body::Accept { index: 1 }),
        (
            LOCAL_APPEND,
            Body::StorageAppendResp {
                last: Some(EntryId { term: 1, index: 1 }),
                snapshot: None,
            },
        ),
        (1, Body::Accept { index: 1 }),
        (
            2,
            Body::StorageApplyResp {
                entries: Vec::new().into(),
            },
        ),
    ];
    for (from, body) in forged {
        let message = Message {
            to: 1,
            from,
            term: 1,
            body,
        };
        assert_eq!(cluster.at(1).node.step(message), Err(Error::LocalMessage));
    }
}

#[test]
fn a_host_that_takes_longer_than_an_election_to_answer_is_heard() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.cut = vec![3];
    for _ in 0..10 {
        cluster.propose(1, "a");
    }
    cluster.at(1).compact(8);
    let snapshot = cluster.at(1).snapshot.clone().unwrap();
    cluster.cut.clear();

    let (mut asked, mut sent) = (Vec::new(), 0);
    for tick in 0..100 {
        cluster.at(1).node.tick().unwrap();
        let (_, requests) = cluster.at(1).node.take_requests();
        asked.extend(requests.into_iter().map(|request| (tick + 25, request.id)));
        let (due, later): (Vec<_>, Vec<_>) = asked.drain(..).partition(|&(at, _)| at <= tick);
        asked = later;
        for (_, id) in due {
            cluster
                .at(1)
                .node
                .provide_snapshot(id, snapshot.clone())
                .unwrap();
        }
        for place in 0..3 {
            if !cluster.members[place].node.has_ready() {
                continue;
            }
            for message in cluster.members[place].process() {
                sent += usize::from(matches!(message.body, Body::InstallSnapshot { .. }));
                cluster.at(message.to).node.step(message).unwrap();
            }
        }
    }
    assert_eq!(sent, 1);
    let applied = cluster.at(1).applied_index;
    assert_eq!(cluster.at(3).applied_index, applied);
}

#[test]
fn a_change_that_was_handed_out_before_a_snapshot_does_not_alter_its_configuration() {
    let config = Config::new(2);
    let mut node = Node::new(
        config,
        RestartState {
            conf_state: ConfState::of_voters([1, 2, 3]),
            ..RestartState::default()
        },
    )
    .unwrap();
    let message = |body| Message {
        to: 2,
        from: 1,
        term: 5,
        body,
    };
    let add = change(ConfChangeKind::AddNode, 4);
    let entry = Entry {
        term: 5,
        index: 1,
        kind: EntryKind::ConfChange,
        data: codec::encode_conf_change(&add).into(),
        ..Entry::default()
    };
    node.step(message(Body::Append {
        prev: EntryId::default(),
        entries: vec![entry].into(),
        commit: 1,
    }))
    .unwrap();
    assert_eq!(node.ready().unwrap().committed_entries.len(), 1);
    // While the host is busy with that, a snapshot arrives in which node 4 is gone again.
    let snapshot = Snapshot {
        id: EntryId {
            term: 5,
            index: 100,
        },
        conf_state: ConfState::of_voters([1, 2, 3]),
        data: Bytes::new(),
    };
    let install = Body::InstallSnapshot {
        snapshot: Box::new(snapshot.clone()),
    };
    node.step(message(install)).unwrap();
    node.apply_conf_change(&add.into()).unwrap();
    node.advance().unwrap();
    assert_eq!(node.status().conf_state, snapshot.conf_state);
    assert_eq!(node.ready().unwrap().snapshot, Some(snapshot.clone()));
    node.advance().unwrap();
    assert_eq!(node.status().conf_state, snapshot.conf_state);
}

#[test]
fn many_ticks_at_once_do_what_they_do_one_by_one() {
    let mut cluster = Cluster::with(3, |config| config.heartbeat_ticks = 3);
    cluster.elect(1);
    cluster.propose(1, "a");
    // A leader, a follower, one that campaigns for itself, one that knows of no members, and one that
    // waits for its storage.
    let mut nodes: Vec<Node> = (1..=3).map(|id| cluster.at(id).node.clone()).collect();
    nodes[2].campaign().unwrap();
    nodes.push(Node::new(Config::new(4), RestartState::default()).unwrap());
    let stored = RestartState {
        hard_state: HardState {
            term: 1,
            vote: 0,
            commit: 5,
        },
        conf_state: ConfState::of_voters([1, 2, 3]),
        last_index: 5,
        term_runs: vec![TermRun {
            first_index: 1,
            term: 1,
        }],
        ..RestartState::default()
    };
    let mut reader = Node::new(Config::new(1), stored).unwrap();
    let reads = reader.ready().unwrap().reads;
    reader.advance().unwrap();
    nodes.push(reader.clone());
    let failure = ReadFailure::Unavailable;
    reader.read_failed(reads[0].id, failure).unwrap();
    nodes.push(reader);

    let state = |node: &Node| format!("{node:?}");
    for start in nodes {
        for ticks_before in 0..12 {
            let mut node = start.clone();
            node.tick_many(ticks_before).unwrap();
            for count in 0..60 {
                let (mut one_by_one, mut at_once) = (node.clone(), node.clone());
                for _ in 0..count {
                    one_by_one.tick().unwrap();
                }
                at_once.tick_many(count).unwrap();
                assert_eq!(state(&one_by_one), state(&at_once), "after {count} ticks");
            }
        }
    }
}

#[test]
fn nothing_happens_before_the_deadline() {
    let mut cluster = Cluster::with(3, |config| config.heartbeat_ticks = 4);
    cluster.elect(1);
    for (id, least) in [(1, 1..=4), (2, 10..=20)] {
        let mut node = cluster.at(id).node.clone();
        assert!(!node.has_ready());
        let deadline = node.next_deadline().unwrap();
        assert!(least.contains(&deadline), "{deadline} on node {id}");
        for _ in 1..deadline {
            node.tick().unwrap();
            assert!(!node.has_ready(), "on node {id}");
        }
        node.tick().unwrap();
        assert!(node.has_ready(), "on node {id}");
    }
    let stranger = Node::new(Config::new(4), RestartState::default()).unwrap();
    assert_eq!(stranger.next_deadline(), None);
}

#[test]
fn with_asynchronous_writes_a_request_for_votes_waits_for_the_term_and_the_log() {
    let asks = |messages: &[Message]| {
        let real = |m: &&Message| matches!(m.body, Body::RequestVote { pre: false, .. });
        messages.iter().filter(real).count()
    };
    // At once, and when the hard state is persisted.
    let asked = |coalesce_appends: bool| {
        let config = Config {
            async_storage_writes: true,
            pre_vote: false,
            coalesce_appends,
            ..Config::new(1)
        };
        let state = RestartState {
            conf_state: ConfState::of_voters([1, 2, 3]),
            ..RestartState::default()
        };
        let mut node = Node::new(config, state).unwrap();
        node.campaign().unwrap();
        let messages = node.ready().unwrap().messages;
        let work = messages.iter().find_map(|message| match &message.body {
            Body::StorageAppend(work) => Some((work.hard_state.unwrap(), &work.responses)),
            _ => None,
        });
        let (hard_state, responses) = work.unwrap();
        assert_eq!((hard_state.term, hard_state.vote), (1, 1));
        (asks(&messages), asks(responses))
    };
    assert_eq!(asked(true), (0, 2));
    // As etcd-io/raft does it.
    assert_eq!(asked(false), (2, 0));
}

#[test]
fn nothing_is_sent_to_a_member_with_the_id_of_a_storage_worker() {
    // No host adds one, but a peer can name one in a snapshot.
    let named = Snapshot {
        id: EntryId { term: 1, index: 1 },
        conf_state: ConfState::of_voters([1, 2, LOCAL_APPLY, LOCAL_APPEND]),
        data: Bytes::new(),
    };
    let config = Config {
        async_storage_writes: true,
        pre_vote: false,
        ..Config::new(1)
    };
    let mut member = Member::new(config, &[]);
    let body = Body::InstallSnapshot {
        snapshot: Box::new(named),
    };
    let mut sent = member.hear(2, 1, body);
    while !member.to_append.is_empty() || !member.to_apply.is_empty() {
        sent.extend(member.work_append());
        member.work_apply();
        sent.extend(member.rest());
    }
    member.node.campaign().unwrap();
    // What came for the worker would be taken for its work.
    sent.extend(member.rest());
    while let Some(work) = member.to_append.pop_front() {
        assert!(matches!(work.body, Body::StorageAppend { .. }), "{work:?}");
        member.to_append.push_front(work);
        sent.extend(member.work_append());
    }
    let asked = |m: &&Message| matches!(m.body, Body::RequestVote { .. });
    let asked: Vec<NodeId> = sent.iter().filter(asked).map(|m| m.to).collect();
    assert_eq!(asked, [2]);
    assert!(member.to_apply.is_empty());
}

#[test]
fn a_group_that_rests_does_what_one_does_that_is_never_let_rest() {
    // With the check of a quorum, the leader forgets now and then who was heard from.
    for check_quorum in [false, true] {
        let mut resting = Cluster::with(3, |config| config.check_quorum = check_quorum);
        let mut other = Cluster::with(3, |config| config.check_quorum = check_quorum);
        let mut rested = 0;
        for round in 0..200 {
            let said = [&mut resting, &mut other].map(|cluster| {
                if round == 0 {
                    cluster.elect(1);
                }
                let leader = &mut cluster.at(1).node;
                match round % 40 {
                    10 => leader.propose(Bytes::from_static(b"a")).unwrap(),
                    // Between a proposal and the Ready that sends it.
                    11 => {
                        leader.propose(Bytes::from_static(b"b")).unwrap();
                        leader.tick().unwrap();
                    }
                    20 => leader.read_index(Bytes::from_static(b"r")).unwrap(),
                    25 => leader.report_unreachable(3).unwrap(),
                    30 => cluster.cut = vec![2],
                    34 => cluster.cut.clear(),
                    _ => {}
                }
                cluster.at(1).node.tick().unwrap();
                cluster.settle();
                let nodes = cluster.members.iter().map(|member| &member.node);
                let seen = nodes.map(|node| format!("{:?} {:?}", node.status(), node.metrics()));
                seen.collect::<Vec<String>>()
            });
            assert_eq!(said[0], said[1], "after round {round}");
            rested += u32::from(resting.at(1).node.raft.rests());
            // Whoever may change a member ends the rest; these are the limits that there are.
            let limits = Config::new(2);
            let (messages, bytes) = (limits.max_inflight_msgs, limits.max_inflight_bytes);
            for id in [2, 3] {
                let leader = &mut other.at(1).node;
                leader.set_inflight_limits(id, messages, bytes).unwrap();
            }
        }
        assert!(rested > 100, "{rested} rounds of 200");
    }
}
