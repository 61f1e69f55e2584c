//! What a node takes in memory: a host may have very many, nearly all of which rest.

use crate::cluster::Cluster;
use crate::log::Log;
use crate::message::Message;
use crate::raft::Core;
use crate::tracker::{Progress, Tracker};

use super::Node;

/// What grows beyond these is to be worth it, and ARCHITECTURE.md, which names the first of them, is to say so.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_there_is_of_each_node_takes_no_more_than_the_architecture_page_says() {
    let sizes = [
        ("Node", size_of::<Node>(), 704),
        ("Core", size_of::<Core>(), 576),
        ("Log", size_of::<Log>(), 248),
        ("Tracker", size_of::<Tracker>(), 40),
        ("Progress", size_of::<Progress>(), 104),
        ("Message", size_of::<Message>(), 80),
    ];
    for (what, size, most) in sizes {
        assert!(size <= most, "{what} takes {size} bytes, more than {most}");
    }
}

#[test]
fn a_node_that_comes_to_rest_gives_back_the_room_of_its_lists() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    let has_room = |node: &Node| node.raft.core().outbox.has_lists() || node.work.get().is_some();
    for id in 1..=3 {
        assert!(has_room(&cluster.at(id).node), "more may come");
    }
    for round in 0..3 {
        cluster.at(1).node.tick().unwrap();
        cluster.settle();
        for id in 1..=3 {
            let node = &cluster.at(id).node;
            // After a first heartbeat the next proposal may be as near as the last one.
            assert_eq!(has_room(node), round == 0, "node {id} in round {round}");
            let log_room = node.raft.core().log.room();
            assert_eq!(log_room > 0, round == 0, "node {id} in round {round}");
        }
    }
    // And goes on.
    cluster.propose(1, "b");
    cluster.settle();
    assert!((1..=3).all(|id| has_room(&cluster.at(id).node)));
}

#[test]
fn a_group_with_a_proposal_between_any_two_heartbeats_keeps_the_room_of_its_lists() {
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    for _ in 0..3 {
        cluster.propose(1, "a");
        cluster.settle();
        cluster.at(1).node.tick().unwrap();
        cluster.settle();
        for id in 1..=3 {
            let node = &cluster.at(id).node;
            assert!(node.raft.core().outbox.has_lists() && node.work.get().is_some());
        }
    }
}
