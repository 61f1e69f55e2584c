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
