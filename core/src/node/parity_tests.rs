//! What etcd-io/raft does in corners that its recorded scripts showed.

use super::*;
use crate::error::DropReason;
use crate::types::EntryId;

fn config(id: NodeId) -> Config {
    Config {
        pre_vote: false,
        check_quorum: false,
        coalesce_appends: false,
        ..Config::new(id)
    }
}

#[test]
fn a_cluster_may_begin_with_a_snapshot_of_the_first_term_and_no_hard_state() {
    let state = RestartState {
        conf_state: ConfState::of_voters([1]),
        compacted: EntryId { term: 1, index: 10 },
        last_index: 10,
        ..RestartState::default()
    };
    let mut node = Node::new(config(1), state.clone()).unwrap();
    assert!(!node.has_ready());
    node.campaign().unwrap();
    let hard_state = node.ready().unwrap().hard_state.unwrap();
    assert_eq!(
        (hard_state.term, hard_state.vote, hard_state.commit),
        (1, 1, 10)
    );

    let later = RestartState {
        compacted: EntryId { term: 2, index: 10 },
        ..state
    };
    assert!(matches!(
        Node::new(config(1), later),
        Err(Error::InvalidRestartState(_))
    ));
}

/// The only voter of its group, elected, with nothing left to do.
fn leader() -> Node {
    let state = RestartState {
        conf_state: ConfState::of_voters([1]),
        ..RestartState::default()
    };
    let mut node = Node::new(config(1), state).unwrap();
    node.campaign().unwrap();
    drain(&mut node);
    node
}

/// Works until nothing is left to do, and returns what was appended.
fn drain(node: &mut Node) -> Vec<Entry> {
    let mut appended = Vec::new();
    while node.has_ready() {
        let ready = node.ready().unwrap();
        appended.extend(ready.entries);
        node.advance().unwrap();
    }
    appended
}

#[test]
fn an_entry_keeps_the_fields_that_its_sender_has_spelled_out() {
    // Type: 0, Term: 1, Index: 1, Data: "".
    let bytes = Bytes::from_static(&[0x08, 0, 0x10, 1, 0x18, 1, 0x22, 0]);
    let entry = codec::decode_entry(bytes.clone()).unwrap();
    assert_eq!(codec::encode_entry(&entry), bytes);
    assert_eq!(codec::entry_encoded_len(&entry), bytes.len());

    let bytes = Bytes::from_static(&[0x10, 1, 0x18, 1]);
    let entry = codec::decode_entry(bytes.clone()).unwrap();
    assert_eq!(codec::encode_entry(&entry), bytes);
    assert_eq!(codec::entry_encoded_len(&entry), bytes.len());
}

#[test]
fn a_refused_change_becomes_an_entry_that_spells_out_its_type() {
    let mut node = leader();
    let leave = ConfChangeV2::default();
    node.propose_conf_change_v2(&leave).unwrap();
    let entry = drain(&mut node).pop().unwrap();
    assert_eq!(codec::encode_entry(&entry), [0x08, 0, 0x10, 1, 0x18, 2]);
}

#[test]
fn a_change_in_its_encoded_form_is_proposed_as_it_is() {
    let mut node = leader();
    // Without a transition, with an explicit one, and a field that nobody knows yet.
    let steps = [0x12, 4, 0x08, 3, 0x10, 2];
    for extra in [&[][..], &[0x08, 0], &[0xf8, 0x07, 1]] {
        let data = Bytes::from([&steps[..], extra].concat());
        node.propose_conf_change_encoded(EntryKind::ConfChangeV2, data.clone())
            .unwrap();
        assert_eq!(drain(&mut node).pop().unwrap().data, data);
        node.apply_conf_change(&ConfChangeV2 {
            changes: vec![ConfChangeSingle::default()],
            ..ConfChangeV2::default()
        })
        .unwrap();
    }
    let malformed = Bytes::from_static(&[0x12, 9]);
    let result = node.propose_conf_change_encoded(EntryKind::ConfChangeV2, malformed);
    assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    let result = node.propose_conf_change_encoded(EntryKind::Normal, Bytes::new());
    assert!(matches!(result, Err(Error::Misuse(_))), "{result:?}");
    assert!(!node.has_ready());
}

/// The leader of four nodes, with a log of four entries, of which 2 has acknowledged the first, and 3
/// and 4 all. Only what is not persisted or not applied is in memory. Returns the stored log too.
fn leader_of_four(change: impl Fn(&mut Config)) -> (Node, Vec<Entry>) {
    let mut config = Config {
        max_cached_bytes: 0,
        ..config(1)
    };
    change(&mut config);
    let state = RestartState {
        conf_state: ConfState::of_voters([1, 2, 3, 4]),
        ..RestartState::default()
    };
    let mut node = Node::new(config, state).unwrap();
    node.campaign().unwrap();
    drain(&mut node);
    let vote = |from| {
        answer(
            from,
            Body::Vote {
                pre: false,
                granted: true,
            },
        )
    };
    node.step(vote(3)).unwrap();
    node.step(vote(4)).unwrap();
    let mut log = drain(&mut node);
    for command in ["a", "b", "c"] {
        node.propose(command.into()).unwrap();
    }
    log.extend(drain(&mut node));
    for from in [2, 3] {
        node.step(answer(from, Body::Accept { index: 1 })).unwrap();
    }
    drain(&mut node);
    node.step(answer(4, Body::Accept { index: 4 })).unwrap();
    node.step(answer(3, Body::Accept { index: 4 })).unwrap();
    drain(&mut node);
    assert_eq!(node.basic_status().applied, 4);
    (node, log)
}

fn answer(from: NodeId, body: Body) -> Message {
    Message {
        to: 1,
        from,
        term: 1,
        body,
    }
}

/// Answers all requests from the log, or fails them.
fn answer_requests(node: &mut Node, log: &[Entry]) -> usize {
    let (reads, snapshots) = node.take_requests();
    for read in &reads {
        let entries = &log[read.low as usize - 1..read.high as usize - 1];
        node.provide_entries(read.id, entries.to_vec()).unwrap();
    }
    for request in &snapshots {
        let snapshot = Snapshot {
            id: log[3].id(),
            conf_state: ConfState::of_voters([1, 2, 3, 4]),
            data: Bytes::new(),
        };
        node.provide_snapshot(request.id, snapshot).unwrap();
    }
    reads.len() + snapshots.len()
}

/// Recipient, first index and number of entries of the appends in the next Ready; a snapshot has
/// its own index and no entries.
fn sent(node: &mut Node) -> Vec<(NodeId, Index, usize)> {
    let ready = node.ready().unwrap();
    node.advance().unwrap();
    let shape = |message: Message| match message.body {
        Body::Append { prev, entries, .. } => Some((message.to, prev.index + 1, entries.len())),
        Body::InstallSnapshot { snapshot } => Some((message.to, snapshot.id.index, 0)),
        _ => None,
    };
    ready.messages.into_iter().filter_map(shape).collect()
}

#[test]
fn what_an_answer_leads_to_comes_where_it_would_come_without_a_request() {
    // 2 and 3 are probed again, with entries that only storage has.
    let (mut node, log) = leader_of_four(|_| {});
    let lost = |node: &mut Node| {
        for id in [2, 3] {
            node.report_unreachable(id).unwrap();
        }
    };
    lost(&mut node);
    node.propose("d".into()).unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1, "3 has the stored part");
    assert_eq!(sent(&mut node), [(2, 2, 4), (3, 5, 1), (4, 5, 1)]);

    // The same with a snapshot in place of what the log has no more.
    let (mut node, log) = leader_of_four(|_| {});
    lost(&mut node);
    node.compacted(5).unwrap();
    node.propose("d".into()).unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1);
    assert_eq!(sent(&mut node), [(2, 4, 0), (3, 5, 1), (4, 5, 1)]);
}

#[test]
fn an_answer_after_the_ready_comes_in_the_next_one() {
    let (mut node, log) = leader_of_four(|_| {});
    node.report_unreachable(2).unwrap();
    node.propose("d".into()).unwrap();
    let (reads, _) = node.take_requests();
    assert_eq!(sent(&mut node), [(3, 5, 1), (4, 5, 1)]);
    let entries = log[reads[0].low as usize - 1..].to_vec();
    node.propose("e".into()).unwrap();
    node.provide_entries(reads[0].id, entries).unwrap();
    assert_eq!(sent(&mut node), [(3, 6, 1), (4, 6, 1), (2, 2, 5)]);
}

#[test]
fn a_read_brings_as_many_appends_as_were_to_be_sent() {
    // One entry in each append.
    let (mut node, log) = leader_of_four(|config| config.max_size_per_msg = 1);
    // An acknowledgement is followed by all that there is.
    node.report_unreachable(2).unwrap();
    node.step(answer(2, Body::Accept { index: 1 })).unwrap();
    for _ in 2..=4 {
        assert_eq!(answer_requests(&mut node, &log), 1);
    }
    assert_eq!(answer_requests(&mut node, &log), 0);
    assert_eq!(sent(&mut node), [(2, 2, 1), (2, 3, 1), (2, 4, 1)]);

    // A heartbeat's answer is followed by one append.
    let (mut node, log) = leader_of_four(|config| config.max_size_per_msg = 1);
    node.report_unreachable(2).unwrap();
    node.step(answer(2, Body::Accept { index: 1 })).unwrap();
    let (reads, _) = node.take_requests();
    node.read_failed(reads[0].id, ReadFailure::Unavailable)
        .unwrap();
    node.step(answer(
        2,
        Body::HeartbeatResp {
            context: Bytes::new(),
        },
    ))
    .unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1);
    assert_eq!(answer_requests(&mut node, &log), 0, "nothing follows");
    assert_eq!(sent(&mut node), [(2, 2, 1)]);
}

#[test]
fn what_is_sent_during_a_read_says_what_it_would_say_without_one() {
    // One entry in each append. 2 is to get all that it lacks, then there is one entry more.
    let (mut node, mut log) = leader_of_four(|config| config.max_size_per_msg = 1);
    node.report_unreachable(2).unwrap();
    node.step(answer(2, Body::Accept { index: 1 })).unwrap();
    node.propose("d".into()).unwrap();
    log.push(Entry {
        term: 1,
        index: 5,
        ..Entry::command("d".into())
    });
    while answer_requests(&mut node, &log) > 0 {}
    assert_eq!(
        sent(&mut node),
        [
            (2, 2, 1),
            (2, 3, 1),
            (2, 4, 1),
            (2, 5, 1),
            (3, 5, 1),
            (4, 5, 1)
        ]
    );

    // With room for all in one append, it still has no more than there was.
    let (mut node, log) = leader_of_four(|_| {});
    node.report_unreachable(2).unwrap();
    node.step(answer(2, Body::Accept { index: 1 })).unwrap();
    node.propose("d".into()).unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1);
    assert_eq!(
        sent(&mut node),
        [(2, 2, 3), (2, 5, 1), (3, 5, 1), (4, 5, 1)]
    );
}

#[test]
fn what_is_committed_later_is_read_to_be_applied_together_with_the_rest() {
    let log: Vec<Entry> = (1..=4)
        .map(|index| Entry {
            term: 1,
            index,
            ..Entry::command("x".into())
        })
        .collect();
    let state = RestartState {
        hard_state: HardState {
            term: 1,
            vote: 2,
            commit: 2,
        },
        conf_state: ConfState::of_voters([1, 2]),
        last_index: 4,
        term_runs: vec![TermRun {
            first_index: 1,
            term: 1,
        }],
        ..RestartState::default()
    };
    let mut node = Node::new(config(1), state).unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1);
    node.step(answer(
        2,
        Body::Heartbeat {
            commit: 4,
            context: Bytes::new(),
        },
    ))
    .unwrap();
    assert_eq!(answer_requests(&mut node, &log), 1);
    assert_eq!(node.ready().unwrap().committed_entries, log);
}

#[test]
fn a_refused_change_is_never_too_large() {
    let (mut node, _) = leader_of_four(|config| config.max_uncommitted_bytes = 3);
    node.propose("large".into()).unwrap();
    // There is no joint configuration to leave, so that this becomes an empty entry.
    let leave = ConfChangeV2 {
        context: Bytes::from_static(b"a reason"),
        ..ConfChangeV2::default()
    };
    node.propose_conf_change_v2(&leave).unwrap();
    // One that would be accepted is too large, and is not in the way of a later one.
    let removal = ConfChange {
        change: ConfChangeSingle {
            kind: ConfChangeKind::RemoveNode,
            node_id: 2,
        },
        ..ConfChange::default()
    };
    let dropped = node.propose_conf_change(&removal);
    let reason = DropReason::UncommittedLimit;
    assert_eq!(dropped, Err(Error::ProposalDropped(reason)));
    drain(&mut node);
    for from in [3, 4] {
        node.step(answer(from, Body::Accept { index: 6 })).unwrap();
    }
    drain(&mut node);
    node.propose_conf_change(&removal).unwrap();
    assert!(drain(&mut node).pop().unwrap().is_conf_change());
}

#[test]
fn an_older_term_is_answered_with_nothing_but_the_newer_one() {
    let answer = Message {
        to: 2,
        from: 1,
        term: 3,
        body: Body::Outdated,
    };
    // Type: MsgAppResp, To: 2, From: 1, Term: 3.
    let bytes = [0x08, 4, 0x10, 2, 0x18, 1, 0x20, 3];
    assert_eq!(codec::encode_message(&answer), bytes);
    let decoded = codec::decode_message(Bytes::copy_from_slice(&bytes));
    assert_eq!(decoded, Ok(answer));
}
