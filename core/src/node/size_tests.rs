//! What a node takes in memory: a host may have very many, nearly all of which rest.

use crate::cluster::Cluster;
use crate::log::Log;
use crate::message::Message;
use crate::raft::Core;
use crate::tracker::{Progress, Tracker};

use super::Node;

/// The sizes that ARCHITECTURE.md names. What grows beyond them is to be worth it, and said there.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_there_is_of_each_node_takes_no_more_than_the_architecture_page_says() {
    let sizes = [
        ("Node", size_of::<Node>(), 688),
        ("Core", size_of::<Core>(), 600),
        ("Log", size_of::<Log>(), 248),
        ("Tracker", size_of::<Tracker>(), 48),
        ("Progress", size_of::<Progress>(), 120),
        ("Message", size_of::<Message>(), 112),
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
    for round in 0..2 {
        cluster.at(1).node.tick().unwrap();
        cluster.settle();
        for id in 1..=3 {
            let node = &cluster.at(id).node;
            assert!(!has_room(node), "node {id} in round {round}");
        }
    }
    // And goes on.
    cluster.propose(1, "b");
    cluster.settle();
    assert!((1..=3).all(|id| has_room(&cluster.at(id).node)));
}
