//! What etcd-io/raft does in corners that its recorded scripts showed.

use super::*;
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
        node.propose_encoded_conf_change(EntryKind::ConfChangeV2, data.clone())
            .unwrap();
        assert_eq!(drain(&mut node).pop().unwrap().data, data);
        node.apply_conf_change(&ConfChangeV2 {
            changes: vec![ConfChangeSingle::default()],
            ..ConfChangeV2::default()
        })
        .unwrap();
    }
    let malformed = Bytes::from_static(&[0x12, 9]);
    let result = node.propose_encoded_conf_change(EntryKind::ConfChangeV2, malformed);
    assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    let result = node.propose_encoded_conf_change(EntryKind::Normal, Bytes::new());
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
