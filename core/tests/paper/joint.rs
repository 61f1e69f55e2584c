//! Changes of any number of members, through a joint configuration (paper §6, thesis §4.3).

use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

/// Half of the way from 1, 4, 5 to 1, 2, 3.
fn joint() -> ConfState {
    ConfState {
        voters_outgoing: vec![1, 4, 5],
        ..ConfState::of_voters([1, 2, 3])
    }
}

/// Whom besides server 1 a decision needs.
const DECISIONS: [(&[NodeId], bool); 8] = [
    (&[], false),
    (&[2], false),
    (&[4], false),
    (&[2, 3], false),
    (&[4, 5], false),
    (&[2, 4], true),
    (&[3, 5], true),
    (&[2, 3, 4, 5], true),
];

fn change_of(transition: ConfChangeTransition, steps: &[(ConfChangeKind, NodeId)]) -> ConfChangeV2 {
    let single = |&(kind, node_id): &(ConfChangeKind, NodeId)| ConfChangeSingle { kind, node_id };
    ConfChangeV2 {
        transition,
        changes: steps.iter().map(single).collect(),
        ..ConfChangeV2::default()
    }
}

fn propose_change(leader: &mut Member, change: &ConfChangeV2) -> Vec<Message> {
    leader.node.propose_conf_change_v2(change).unwrap();
    leader.rest()
}

/// In a joint configuration an entry is committed when majorities of both halves hold it.
#[test]
fn t4_3_an_entry_needs_both_majorities() {
    for (holders, committed) in DECISIONS {
        let mut leader = leader_in(plain(1), joint(), &[]);
        propose(&mut leader, "a");
        for &id in holders {
            leader.hear(id, 1, accept(2));
        }
        assert_eq!(leader.commit() == 2, committed, "{holders:?}");
    }
}

/// Nor is anybody elected without the votes of both; and the refusal of either is enough to lose.
#[test]
fn t4_3_an_election_needs_both_majorities() {
    let candidate = || {
        let mut candidate = node_in(plain(1), joint(), 0, &[]);
        candidate.node.campaign().unwrap();
        let sent = candidate.rest();
        assert_eq!(recipients(&sent, is_request_vote), [2, 3, 4, 5]);
        candidate
    };
    for (voters, elected) in DECISIONS {
        let mut candidate = candidate();
        for &id in voters {
            candidate.hear(id, 1, vote(true));
        }
        assert_eq!(candidate.role() == Role::Leader, elected, "{voters:?}");
    }
    for (first, second) in [(2, 3), (4, 5)] {
        let mut candidate = candidate();
        candidate.hear(first, 1, vote(false));
        assert_eq!(candidate.role(), Role::Candidate);
        candidate.hear(second, 1, vote(false));
        assert_eq!(candidate.role(), Role::Follower);
    }
}

/// A leader that has not heard from majorities of both steps down, and reads need both, too.
#[test]
fn t4_3_keeping_the_lead_and_reading_need_both_majorities() {
    for (heard, decides) in DECISIONS {
        let mut leader = leader_in(guarded(1), joint(), &[]);
        leader.node.read_index("read".into()).unwrap();
        let asked = leader.rest();
        for &id in heard {
            let [Body::Heartbeat { context, .. }] = &to(&asked, id)[..] else {
                panic!("{asked:?}");
            };
            let context = context.clone();
            leader.hear(id, 1, Body::HeartbeatResp { context });
        }
        assert_eq!(leader.reads.len(), usize::from(decides), "{heard:?}");

        // All had answered before; from now on only these do.
        for _ in 0..2 {
            leader.tick(9);
            for &id in heard {
                if leader.role() == Role::Leader {
                    leader.hear(id, 1, heartbeat_resp());
                }
            }
            leader.tick(1);
        }
        assert_eq!(leader.role() == Role::Leader, decides, "{heard:?}");
    }
}

/// Any server of either half can lead.
#[test]
fn t4_3_a_server_of_either_half_may_lead() {
    for id in 1..=5 {
        let members = (1..=5).map(|id| node_in(plain(id), joint(), 0, &[]));
        let mut cluster = Cluster::of_members(members.collect());
        cluster.elect(id);
        cluster.propose(id, "a");
        assert_eq!(cluster.at(id).commands(), [b"a"]);
    }
}

/// The whole way: the joint configuration takes effect, then the leader proposes the new one, and
/// that takes effect when majorities of both have it. Servers that are in the old one only have no
/// say any more.
#[test]
fn t4_3_the_leader_completes_the_change() {
    let mut leader = leader(3, &[]);
    let replace = change_of(
        ConfChangeTransition::Auto,
        &[
            (ConfChangeKind::AddNode, 4),
            (ConfChangeKind::AddNode, 5),
            (ConfChangeKind::RemoveNode, 2),
            (ConfChangeKind::RemoveNode, 3),
        ],
    );
    propose_change(&mut leader, &replace);
    assert_eq!(leader.node.status().conf_state, ConfState::of_voters(1..=3));
    leader.hear(2, 1, accept(2));
    let state = leader.node.status().conf_state;
    assert_eq!(
        (state.voters, state.voters_outgoing, state.auto_leave),
        (vec![1, 4, 5], vec![1, 2, 3], true)
    );
    // The proposal to leave is in the log already.
    let leave = leader.log.last().unwrap().clone();
    assert_eq!((leave.index, leave.kind), (3, EntryKind::ConfChangeV2));
    assert!(codec::conf_change_of(&leave).unwrap().leaves_joint());
    leader.hear(2, 1, accept(3));
    assert_eq!(leader.commit(), 2, "the old majority alone");
    leader.hear(4, 1, accept(3));
    let expected = ConfState::of_voters([1, 4, 5]);
    assert_eq!(leader.node.status().conf_state, expected);

    propose(&mut leader, "a");
    let from_old = Message {
        to: 1,
        from: 2,
        term: 1,
        body: accept(4),
    };
    assert_eq!(leader.node.step(from_old), Err(Error::UnknownPeer(2)));
    assert_eq!(leader.commit(), 3);
    leader.hear(5, 1, accept(4));
    assert_eq!(leader.commit(), 4);
}

/// A leader that finds a joint configuration completes the change that another has begun.
#[test]
fn t4_3_a_new_leader_completes_the_change_of_its_predecessor() {
    let mut members = joint();
    members.auto_leave = true;
    let mut leader = node_in(plain(1), members, 1, &[1]);
    leader.hear(2, 1, heartbeat(1));
    win(&mut leader);
    assert_eq!(leader.terms(), [1, 2]);
    all_accept(&mut leader);
    let leave = leader.log.last().unwrap().clone();
    assert_eq!((leave.index, leave.kind), (3, EntryKind::ConfChangeV2));
    leader.hear(2, 2, accept(3));
    leader.hear(4, 2, accept(3));
    let expected = ConfState::of_voters(1..=3);
    assert_eq!(leader.node.status().conf_state, expected);
    // Once.
    assert_eq!(leader.last_index(), 3);
}

/// The host can keep the joint configuration for as long as it likes, and leave it then.
#[test]
fn t4_3_the_host_may_decide_when_to_leave() {
    let mut leader = leader(3, &[]);
    let enter = change_of(
        ConfChangeTransition::JointExplicit,
        &[(ConfChangeKind::AddNode, 4)],
    );
    propose_change(&mut leader, &enter);
    leader.hear(2, 1, accept(2));
    assert_eq!(leader.node.status().conf_state.voters_outgoing, [1, 2, 3]);
    propose(&mut leader, "a");
    all_accept(&mut leader);
    assert_eq!((leader.commit(), leader.last_index()), (3, 3));

    propose_change(&mut leader, &ConfChangeV2::default());
    all_accept(&mut leader);
    let expected = ConfState::of_voters(1..=4);
    assert_eq!(leader.node.status().conf_state, expected);
}

/// While a configuration is joint no other change can be made but to leave it, and that can't be
/// done otherwise. What is proposed nevertheless becomes an empty entry.
#[test]
fn t4_3_a_joint_configuration_can_only_be_left() {
    let add = |transition| change_of(transition, &[(ConfChangeKind::AddNode, 9)]);
    let in_joint = [
        add(ConfChangeTransition::Auto),
        add(ConfChangeTransition::JointImplicit),
    ];
    for change in in_joint {
        let mut leader = leader_in(plain(1), joint(), &[]);
        propose_change(&mut leader, &change);
        assert!(!leader.log[1].is_conf_change());
        // Nor is it applied, by whatever way it comes.
        let result = leader.node.apply_conf_change(&change);
        assert!(matches!(result, Err(Error::ConfChange(_))), "{result:?}");
        assert_eq!(leader.node.status().conf_state, joint());
    }
    let mut leader = leader(3, &[]);
    propose_change(&mut leader, &ConfChangeV2::default());
    assert!(!leader.log[1].is_conf_change());
    let result = leader.node.apply_conf_change(&ConfChangeV2::default());
    assert_eq!(result, Err(Error::ConfChange(ConfChangeError::NotJoint)));
}

/// A voter that is to become a learner keeps its vote in the old half until that is left.
#[test]
fn t4_3_a_voter_becomes_a_learner_when_the_joint_configuration_is_left() {
    let mut member = node(1, 3, 0, &[]);
    let demote = change_of(
        ConfChangeTransition::JointExplicit,
        &[
            (ConfChangeKind::AddLearnerNode, 3),
            (ConfChangeKind::AddNode, 4),
        ],
    );
    let during = member.node.apply_conf_change(&demote).unwrap();
    assert_eq!(
        (during.voters, during.voters_outgoing),
        (vec![1, 2, 4], vec![1, 2, 3])
    );
    assert_eq!((during.learners, during.learners_next), (vec![], vec![3]));
    let after = member
        .node
        .apply_conf_change(&ConfChangeV2::default())
        .unwrap();
    assert_eq!((after.voters, after.learners), (vec![1, 2, 4], vec![3]));
}
