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
