//! Clients: how proposals find the leader, how a leader learns that it is none, and how to read
//! (paper §8, thesis §6).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

/// A read with this name, and what is sent for it.
fn read(member: &mut Member, name: &'static str) -> Vec<Message> {
    member.node.read_index(Bytes::from(name)).unwrap();
    member.rest()
}

/// The answer to the heartbeat that `to` got.
fn echo(sent: &[Message], from: NodeId) -> Body {
    let context = to(sent, from).into_iter().find_map(|body| match body {
        Body::Heartbeat { context, .. } => Some(context),
        _ => None,
    });
    Body::HeartbeatResp {
        context: context.expect("a heartbeat"),
    }
}

/// The reads that may be served, and at which index.
fn served(member: &Member) -> Vec<(&[u8], Index)> {
    let reads = member.reads.iter();
    reads.map(|read| (&read.context[..], read.index)).collect()
}

/// A client may ask any server: a follower passes the request on to its leader.
#[test]
fn t6_2_a_follower_passes_proposals_on_to_its_leader() {
    let mut follower = node(2, 3, 1, &[1]);
    follower.hear(1, 1, heartbeat(1));
    let sent = propose(&mut follower, "a");
    let [Body::Propose { entries, .. }] = &to(&sent, 1)[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(&entries[0].data[..], b"a");
    assert_eq!(
        follower.last_index(),
        1,
        "it takes nothing into its own log"
    );
    let mut leader = leader(3, &[]);
    leader.hear(
        2,
        0,
        Body::Propose {
            ticket: None,
            entries: entries.clone(),
        },
    );
    assert_eq!(leader.log.last().unwrap().id(), id(1, 2));
}

/// Who knows no leader, or may not pass it on, says so, so that the client can try elsewhere.
#[test]
fn t6_2_a_proposal_that_finds_no_leader_is_refused() {
    let no_forwarding = Config {
        disable_proposal_forwarding: true,
        ..plain(2)
    };
    let lost = node(2, 3, 1, &[1]);
    let mut candidate = node(2, 3, 1, &[1]);
    candidate.node.campaign().unwrap();
    let mut silent = node_with(no_forwarding, 3, 1, &[1]);
    silent.hear(1, 1, heartbeat(1));
    for (mut member, reason) in [
        (lost, DropReason::NoLeader),
        (candidate, DropReason::NoLeader),
        (silent, DropReason::ForwardingDisabled),
    ] {
        let refused = member.node.propose(Bytes::from_static(b"a"));
        assert_eq!(refused, Err(Error::ProposalDropped(reason)));
        let sent = member.rest();
        assert_eq!(
            recipients(&sent, |body| matches!(body, Body::Propose { .. })),
            []
        );
        assert_eq!(member.last_index(), 1);
    }
}

/// A leader that has not heard from a majority for an election timeout steps down, so that its
/// clients go elsewhere. It stays in its term. Learners don't count.
#[test]
fn t6_2_a_leader_without_a_majority_steps_down() {
    let members = ConfState {
        learners: vec![4],
        ..ConfState::of_voters(1..=3)
    };
    for (heard, stays) in [
        (None, false),
        (Some(2), true),
        (Some(3), true),
        (Some(4), false),
    ] {
        let mut leader = leader_in(guarded(1), members.clone(), &[]);
        // All have been heard from in this period.
        leader.tick(10);
        assert_eq!(leader.role(), Role::Leader);
        for _ in 0..5 {
            if let Some(id) = heard
                && leader.role() == Role::Leader
            {
                leader.hear(id, 1, heartbeat_resp());
            }
            leader.tick(10);
            if !stays {
                break;
            }
        }
        assert_eq!(leader.role() == Role::Leader, stays, "{heard:?}");
        if !stays {
            assert_eq!((leader.term(), leader.leader()), (1, NONE));
        }
    }
    // Without this, it would go on for ever.
    let mut leader = leader_in(plain(1), members, &[]);
    leader.tick(100);
    assert_eq!(leader.role(), Role::Leader);
}

/// A command that was committed may have lost its answer, and so comes again. The core takes each
/// proposal for another one; it is the host's sessions that filter them out (§6.3).
#[test]
fn t6_3_a_proposal_that_comes_twice_is_committed_twice() {
    let mut leader = leader(3, &[]);
    propose(&mut leader, "a");
    propose(&mut leader, "a");
    leader.hear(2, 1, accept(3));
    assert_eq!(leader.commands(), [b"a", b"a"]);
}

/// A new leader doesn't know how far its predecessors had committed until an entry of its own term
/// is; until then its commit index may be old, and reads wait.
#[test]
fn t6_4_a_read_waits_until_an_entry_of_the_term_is_committed() {
    let mut leader = new_leader(3, &[1, 1]);
    // Nobody is asked to confirm anything yet, and a heartbeat's answer confirms nothing.
    assert_eq!(read(&mut leader, "r"), []);
    let beats = leader.tick(1);
    leader.hear(2, 2, echo(&beats, 2));
    assert_eq!(served(&leader), []);
    let sent = leader.hear(2, 2, accept(3));
    assert_eq!(served(&leader), [], "now it is to be confirmed");
    leader.hear(2, 2, echo(&sent, 2));
    assert_eq!(served(&leader), [(&b"r"[..], 3)]);
}

/// The read index is the commit index of the time when the read came, and it may be served when a
/// majority has answered a heartbeat sent after that: nobody can have led before then.
#[test]
fn t6_4_a_read_is_confirmed_by_a_majority_that_answers_a_later_heartbeat() {
    let mut leader = leader(5, &[]);
    let before = leader.tick(1);
    let sent = read(&mut leader, "r");
    assert_eq!(recipients(&sent, is_heartbeat), [2, 3, 4, 5]);
    // Answers to earlier heartbeats say nothing.
    for id in 2..=5 {
        leader.hear(id, 1, echo(&before, id));
    }
    assert_eq!(served(&leader), []);
    // More is committed in the meantime, which the read need not see.
    propose(&mut leader, "a");
    leader.hear(2, 1, accept(2));
    leader.hear(3, 1, accept(2));
    assert_eq!(leader.commit(), 2);
    leader.hear(2, 1, echo(&sent, 2));
    leader.hear(2, 1, echo(&sent, 2));
    assert_eq!(served(&leader), [], "two of five, one of them twice");
    leader.hear(3, 1, echo(&sent, 3));
    assert_eq!(served(&leader), [(&b"r"[..], 1)]);
    leader.hear(4, 1, echo(&sent, 4));
    assert_eq!(served(&leader).len(), 1, "it is served once");
}

/// One round of heartbeats confirms all reads that came before it.
#[test]
fn t6_4_one_round_of_heartbeats_confirms_all_reads_before_it() {
    let mut leader = leader(3, &[]);
    read(&mut leader, "a");
    read(&mut leader, "b");
    let last = read(&mut leader, "c");
    let too_late = read(&mut leader, "d");
    leader.hear(3, 1, echo(&last, 3));
    let names: Vec<&[u8]> = served(&leader).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"a", b"b", b"c"]);
    leader.hear(3, 1, echo(&too_late, 3));
    assert_eq!(served(&leader).len(), 4);
    // A round at its time does as well, should that one be lost.
    read(&mut leader, "e");
    let beats = leader.tick(1);
    leader.hear(2, 1, echo(&beats, 2));
    assert_eq!(served(&leader).len(), 5);
}

/// A client that asks again under the same name asks a new question: the answers to the first one
/// don't confirm it.
#[test]
fn t6_4_a_read_that_is_repeated_is_not_confirmed_by_answers_to_the_first() {
    let mut leader = leader(3, &[]);
    let first = read(&mut leader, "r");
    propose(&mut leader, "a");
    leader.hear(2, 1, accept(2));
    let second = read(&mut leader, "r");
    leader.hear(2, 1, echo(&first, 2));
    assert_eq!(served(&leader), [(&b"r"[..], 1)]);
    leader.hear(3, 1, echo(&first, 3));
    assert_eq!(served(&leader).len(), 1);
    leader.hear(3, 1, echo(&second, 3));
    assert_eq!(served(&leader)[1..], [(&b"r"[..], 2)]);
}

/// A leader that is cut off, while others have elected another, serves no read; the new one does.
#[test]
fn t6_4_a_leader_that_was_replaced_serves_no_read() {
    let mut cluster = Cluster::with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    cluster.cut = vec![1];
    cluster.elect(2);
    cluster.propose(2, "a");
    for id in [1, 2] {
        cluster
            .at(id)
            .node
            .read_index(Bytes::from_static(b"r"))
            .unwrap();
    }
    cluster.tick_all(5);
    assert_eq!(served(cluster.get(1)), []);
    assert_eq!(served(cluster.get(2)), [(&b"r"[..], 3)]);
    // When it is back and learns of its successor, the read is gone.
    cluster.cut.clear();
    cluster.tick_all(5);
    assert_eq!(cluster.get(1).role(), Role::Follower);
    assert_eq!(served(cluster.get(1)), []);
}

/// Followers and learners can serve reads: they ask the leader for an index and wait until they
/// have applied it.
#[test]
fn t6_4_followers_and_learners_ask_the_leader_for_a_read_index() {
    let members = ConfState {
        learners: vec![3],
        ..ConfState::of_voters([1, 2])
    };
    let nodes = (1..=3).map(|id| node_in(plain(id), members.clone(), 0, &[]));
    let mut cluster = Cluster::of_members(nodes.collect());
    cluster.elect(1);
    cluster.propose(1, "a");
    for id in [2, 3] {
        // What is committed has not been told to it yet when it asks.
        cluster.lose = Box::new(move |message| message.to == id && is_append(&message.body));
        cluster.propose(1, "b");
        let commit = cluster.get(1).commit();
        cluster
            .at(id)
            .node
            .read_index(Bytes::from_static(b"r"))
            .unwrap();
        cluster.settle();
        if id == 2 {
            // Its acknowledgement was needed, so that nothing was committed.
            assert!(commit < cluster.get(1).last_index());
        } else {
            assert!(cluster.get(id).applied_index < commit, "it has to wait");
        }
        assert_eq!(served(cluster.get(id)), [(&b"r"[..], commit)]);
        cluster.lose = Box::new(|_| false);
        cluster.tick_all(2);
    }
    // The learner's answer confirms nothing.
    cluster.cut = vec![2];
    cluster
        .at(1)
        .node
        .read_index(Bytes::from_static(b"r"))
        .unwrap();
    cluster.tick_all(3);
    assert_eq!(served(cluster.get(1)), []);
}

/// Without a leader there is nobody to ask, and the caller is told.
#[test]
fn t6_4_a_read_that_finds_no_leader_is_refused() {
    let mut follower = node(2, 3, 1, &[1]);
    let refused = follower.node.read_index(Bytes::from_static(b"r"));
    assert_eq!(refused, Err(Error::ReadDropped(DropReason::NoLeader)));
}

/// The only voter of a group needs nobody's confirmation.
#[test]
fn t6_4_the_only_voter_serves_reads_at_once() {
    let members = ConfState {
        learners: vec![2],
        ..ConfState::of_voters([1])
    };
    let mut leader = leader_in(plain(1), members, &[]);
    propose(&mut leader, "a");
    read(&mut leader, "r");
    assert_eq!(served(&leader), [(&b"r"[..], 2)]);
    // The same for a learner that asks it.
    let sent = leader.hear(
        2,
        0,
        Body::ReadIndex {
            reports: false,
            context: Some(Bytes::from_static(b"l")),
        },
    );
    let expected = Body::ReadIndexResp {
        index: 2,
        context: Some(Bytes::from_static(b"l")),
    };
    assert_eq!(to(&sent, 2), [expected]);
}

fn leases(id: NodeId) -> Config {
    Config {
        read_only: ReadOnlyOption::LeaseBased,
        ..guarded(id)
    }
}

/// With leases a leader serves reads at once, as long as clocks are to be trusted: but not before
/// an entry of its term is committed.
#[test]
fn t6_4_1_a_leader_with_a_lease_serves_reads_at_once() {
    let mut leader = new_leader_with(leases(1), 3, &[1]);
    read(&mut leader, "r");
    assert_eq!(served(&leader), []);
    leader.hear(2, 2, accept(2));
    assert_eq!(served(&leader), [(&b"r"[..], 2)]);
    read(&mut leader, "s");
    assert_eq!(served(&leader)[1..], [(&b"s"[..], 2)]);
}

/// A lease is what the others grant by not electing anybody while they hear from the leader: so it
/// can't be had without the check of the quorum, which ends it when they don't answer.
#[test]
fn t6_4_1_a_lease_needs_the_check_of_the_quorum() {
    let config = Config {
        check_quorum: false,
        ..leases(1)
    };
    let refused = Node::new(config, RestartState::default()).map(drop);
    assert!(
        matches!(refused, Err(Error::InvalidConfig(_))),
        "{refused:?}"
    );

    let mut leader = leader_with(leases(1), 3, &[]);
    leader.tick(20);
    assert_eq!(leader.role(), Role::Follower, "nobody has answered");
    let refused = leader.node.read_index(Bytes::from_static(b"r"));
    assert_eq!(refused, Err(Error::ReadDropped(DropReason::NoLeader)));
}

/// Nobody breaks the lease of a leader on the word of its host that the leader is gone.
#[test]
fn t6_4_1_a_follower_does_not_forget_a_leader_with_a_lease() {
    for (config, forgets) in [(leases(2), false), (guarded(2), true)] {
        let mut follower = node_with(config, 3, 1, &[1]);
        follower.hear(1, 1, heartbeat(1));
        follower.node.forget_leader().unwrap();
        assert_eq!(follower.leader() == NONE, forgets);
        let granted = grants(&mut follower, 3, 2, request_pre_vote(id(1, 1)));
        assert_eq!(granted, forgets);
    }
}
