//! Log compaction (paper §7, thesis §5).

use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

/// The leader of three with entries 1 to 4 committed, of which 3 has only the first, and its log
/// compacted up to 3.
fn compacted_leader() -> Member {
    let mut leader = leader(3, &[]);
    for command in ["a", "b", "c"] {
        propose(&mut leader, command);
    }
    leader.hear(2, 1, accept(4));
    leader.compact(3);
    leader
}

/// The answer of a follower that holds nothing after index 1.
fn lags() -> Body {
    Body::Reject {
        index: 4,
        hint: id(1, 1),
    }
}

fn snapshots(messages: &[Message]) -> Vec<(NodeId, EntryId)> {
    let of = |message: &Message| match &message.body {
        Body::InstallSnapshot { snapshot } => Some((message.to, snapshot.id)),
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

/// Each server compacts its log by itself, but only what it has applied.
#[test]
fn t5_1_only_applied_entries_can_be_discarded() {
    let mut server = node(1, 3, 1, &[1, 1, 1]);
    server.hear(2, 1, heartbeat(2));
    let too_far = server.node.compacted(4);
    assert!(matches!(too_far, Err(Error::Misuse(_))), "{too_far:?}");
    assert_eq!(server.node.basic_status().first_index, 1);
    server.node.compacted(3).unwrap();
    assert_eq!(server.node.basic_status().first_index, 3);
    assert_eq!(server.node.basic_status().last_index, 3);
}

/// The last entry that was discarded stays known, so that the consistency check works at the first
/// one that was not, before and after a restart.
#[test]
fn t5_1_the_consistency_check_works_at_the_edge_of_a_compacted_log() {
    for restart in [false, true] {
        for (prev, accepted) in [(id(2, 3), true), (id(3, 3), false)] {
            let mut server = node(1, 3, 3, &[1, 2, 2]);
            server.hear(2, 3, heartbeat(2));
            server.compact(2);
            if restart {
                server.restart();
            }
            let answers = server.hear(2, 3, append(prev, &[3], 2));
            assert_eq!(to(&answers, 2) == [accept(4)], accepted, "{prev:?}");
            // What comes before is committed, and agrees with any leader's log.
            let answers = server.hear(2, 3, append(id(1, 1), &[2], 2));
            assert_eq!(to(&answers, 2), [accept(2)]);
        }
    }
}

/// A follower that needs what the leader has discarded gets a snapshot instead.
#[test]
fn t5_1_a_follower_that_lags_behind_the_log_gets_a_snapshot() {
    let mut leader = compacted_leader();
    let sent = leader.hear(3, 1, lags());
    assert_eq!(snapshots(&sent), [(3, id(1, 3))]);
    // One that lags less gets entries.
    let mut leader = compacted_leader();
    leader.hear(3, 1, accept(3));
    let reject = Body::Reject {
        index: 4,
        hint: id(1, 3),
    };
    let sent = leader.hear(3, 1, reject);
    assert_eq!(snapshots(&sent), []);
    assert_eq!(recipients(&sent, is_append), [3]);
}

/// The snapshot takes the place of the follower's whole log: what conflicts with it, and what ends
/// before it, is gone. Its configuration takes the place of the follower's.
#[test]
fn t5_1_a_snapshot_replaces_a_log_that_ends_before_it_or_conflicts() {
    for terms in [&[][..], &[1, 1], &[1, 1, 1, 1, 1, 1, 1]] {
        let mut follower = node(3, 3, 2, terms);
        let taken = snapshot(id(2, 5), [1, 2, 3, 4]);
        let answers = follower.hear(1, 2, install(&taken));
        assert_eq!(to(&answers, 1), [accept(5)]);
        assert_eq!(follower.snapshot, Some(taken.clone()));
        let status = follower.node.status();
        assert_eq!((status.basic.first_index, status.basic.last_index), (6, 5));
        assert_eq!((follower.commit(), status.basic.applied), (5, 5));
        assert_eq!(status.conf_state, taken.conf_state);
        // It goes on from there.
        let answers = follower.hear(1, 2, append(id(2, 5), &[2], 6));
        assert_eq!(to(&answers, 1), [accept(6)]);
        assert_eq!(follower.applied.last().unwrap().id(), id(2, 6));
    }
}

/// A follower whose log holds all that the snapshot stands for keeps what follows, as the leader
/// may have been told of it.
#[test]
fn t5_1_entries_after_a_snapshot_are_kept() {
    let mut follower = node(3, 3, 2, &[1, 2, 2, 2]);
    let answers = follower.hear(1, 2, install(&snapshot(id(2, 3), 1..=3)));
    assert_eq!(to(&answers, 1), [accept(3)]);
    assert_eq!(follower.terms(), [1, 2, 2, 2]);
    assert_eq!(follower.snapshot, None);
    assert_eq!((follower.commit(), follower.applied_index), (3, 3));
}

/// A snapshot older than what is committed changes nothing, and is answered with what is.
#[test]
fn t5_1_an_old_snapshot_changes_nothing() {
    for compacted in [0, 3, 4] {
        let mut follower = node(3, 3, 2, &[1, 2, 2, 2]);
        follower.hear(1, 2, heartbeat(4));
        if compacted > 0 {
            follower.compact(compacted);
        }
        let before = (follower.node.status(), follower.log.clone());
        for old in [id(1, 1), id(2, 2), id(2, 4)] {
            let answers = follower.hear(1, 2, install(&snapshot(old, [3])));
            assert_eq!(to(&answers, 1), [accept(4)]);
            assert_eq!(before, (follower.node.status(), follower.log.clone()));
        }
    }
}

/// A snapshot is acknowledged no earlier than it is persisted, and nothing after it is applied
/// before it is.
#[test]
fn t5_1_a_snapshot_comes_before_what_follows_it() {
    let mut follower = node(3, 3, 2, &[1]);
    let taken = snapshot(id(2, 5), 1..=3);
    for body in [install(&taken), append(id(2, 5), &[2, 2], 7)] {
        let message = Message {
            to: 3,
            from: 1,
            term: 2,
            body,
        };
        follower.node.step(message).unwrap();
    }
    let ready = follower.node.ready().unwrap();
    assert_eq!(ready.snapshot, Some(taken));
    assert_eq!(ready.committed_entries, []);
    assert_eq!(to(&ready.messages, 1), [accept(5), accept(7)]);
    follower.node.advance().unwrap();
    let applied = follower.node.ready().unwrap().committed_entries;
    assert_eq!(applied, entries_after(id(2, 5), &[2, 2]));
}

/// The leader sends no entries while a snapshot is on its way. With the acknowledgement it goes on
/// from there.
#[test]
fn t5_1_replication_goes_on_after_the_snapshot() {
    let mut leader = compacted_leader();
    leader.hear(3, 1, lags());
    let sent = propose(&mut leader, "d");
    assert_eq!(recipients(&sent, is_append), [2]);
    assert_eq!(leader.progress(3).state, FlowState::Snapshot);
    let sent = leader.hear(3, 1, accept(3));
    let entries = leader.log[..].to_vec();
    let expected = Body::Append {
        prev: id(1, 3),
        entries: entries.into(),
        commit: 4,
    };
    assert_eq!(to(&sent, 3), [expected]);
    assert_eq!(leader.progress(3).state, FlowState::Replicate);
}

/// A snapshot that didn't arrive is sent again when the follower is heard from.
#[test]
fn t5_1_a_snapshot_that_was_lost_is_sent_again() {
    let mut leader = compacted_leader();
    leader.hear(3, 1, lags());
    leader
        .node
        .report_snapshot(3, SnapshotStatus::Failure)
        .unwrap();
    assert_eq!(leader.rest(), []);
    let sent = leader.hear(3, 1, heartbeat_resp());
    assert_eq!(snapshots(&sent), [(3, id(1, 3))]);
    // And one that did arrive, though the acknowledgement was lost, is not.
    leader
        .node
        .report_snapshot(3, SnapshotStatus::Finish)
        .unwrap();
    let sent = leader.hear(3, 1, heartbeat_resp());
    assert_eq!(snapshots(&sent), []);
    let [Body::Append { prev, .. }] = &to(&sent, 3)[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(*prev, id(1, 3));
}

/// Only what is committed can be in a snapshot.
#[test]
fn t5_1_a_leader_sends_no_snapshot_of_what_is_not_committed() {
    let mut leader = compacted_leader();
    propose(&mut leader, "d");
    let message = Message {
        to: 1,
        from: 3,
        term: 1,
        body: lags(),
    };
    leader.node.step(message).unwrap();
    let (_, requests) = leader.node.take_requests();
    let [request] = requests[..] else {
        panic!("{requests:?}");
    };
    let too_new = snapshot(id(1, 5), 1..=3);
    let refused = leader.node.provide_snapshot(request.id, too_new);
    assert!(matches!(refused, Err(Error::WrongAnswer(_))), "{refused:?}");
    assert_eq!(snapshots(&leader.rest()), []);
}

/// A new server catches up by a snapshot just as well, learns the configuration from it, and counts
/// then.
#[test]
fn t5_1_a_new_server_begins_with_a_snapshot() {
    let mut cluster = Cluster::bootstrapped_with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    for _ in 0..5 {
        cluster.propose(1, "a");
    }
    let add = change(ConfChangeKind::AddNode, 4);
    cluster.at(1).node.propose_conf_change(&add).unwrap();
    cluster.settle();
    let applied = cluster.get(1).applied_index;
    cluster.at(1).compact(applied);
    cluster.members.push(Member::new(plain(4), &[]));
    cluster.tick_all(3);
    assert_eq!(cluster.get(4).compacted.index, applied);
    let status = cluster.get(4).node.status();
    assert_eq!(status.conf_state.voters, [1, 2, 3, 4]);
    cluster.cut = vec![2];
    cluster.propose(1, "b");
    assert_eq!(cluster.at(1).commands().last(), Some(&&b"b"[..]));
}
