//! Changes, one rule at a time, and random sequences of them.

use proptest::prelude::*;

use super::Membership;
use crate::error::ConfChangeError;
use crate::types::{
    ConfChangeKind, ConfChangeSingle, ConfChangeTransition, ConfChangeV2, ConfState, NodeId,
};

fn voters(ids: &[NodeId]) -> Membership {
    Membership::restore(&ConfState::of_voters(ids.iter().copied())).unwrap()
}

fn change(transition: ConfChangeTransition, steps: &[(ConfChangeKind, NodeId)]) -> ConfChangeV2 {
    let single = |&(kind, node_id): &(ConfChangeKind, NodeId)| ConfChangeSingle { kind, node_id };
    ConfChangeV2 {
        transition,
        changes: steps.iter().map(single).collect(),
        ..ConfChangeV2::default()
    }
}

use ConfChangeKind::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
use ConfChangeTransition::{Auto, JointExplicit, JointImplicit};

#[test]
fn one_step_is_taken_directly() {
    let after = voters(&[1, 2])
        .change(&change(Auto, &[(AddNode, 3)]))
        .unwrap();
    assert_eq!(after.membership, voters(&[1, 2, 3]));
    assert_eq!(after.added, [3]);
}

#[test]
fn two_steps_go_through_a_joint_configuration() {
    let steps = [(AddNode, 4), (RemoveNode, 1)];
    let joint = voters(&[1, 2, 3])
        .change(&change(Auto, &steps))
        .unwrap()
        .membership;
    assert!(joint.is_joint() && joint.auto_leave());
    assert_eq!(joint.voters(), [1, 2, 3, 4]);
    let left = joint.change(&change(Auto, &[])).unwrap().membership;
    assert_eq!(left, voters(&[2, 3, 4]));
}

#[test]
fn one_step_goes_through_a_joint_configuration_if_it_is_asked_to() {
    for (transition, auto_leave) in [(JointImplicit, true), (JointExplicit, false)] {
        let joint = voters(&[1])
            .change(&change(transition, &[(AddNode, 2)]))
            .unwrap();
        assert!(joint.membership.is_joint());
        assert_eq!(joint.membership.auto_leave(), auto_leave);
    }
}

#[test]
fn a_voter_of_the_outgoing_half_becomes_a_learner_when_that_is_left() {
    let joint = voters(&[1, 2])
        .change(&change(JointExplicit, &[(AddLearnerNode, 2)]))
        .unwrap();
    let joint = joint.membership;
    assert_eq!(joint.conf_state().learners_next, [2]);
    assert!(joint.is_voter(2) && !joint.is_learner(2));
    let left = joint.leave_joint().unwrap().membership;
    assert!(!left.is_voter(2) && left.is_learner(2));
}

#[test]
fn a_learner_is_promoted() {
    let base = voters(&[1])
        .change(&change(Auto, &[(AddLearnerNode, 2)]))
        .unwrap()
        .membership;
    assert!(base.is_learner(2) && base.is_singleton());
    let after = base.change(&change(Auto, &[(AddNode, 2)])).unwrap();
    assert_eq!(after.membership, voters(&[1, 2]));
    assert!(after.added.is_empty(), "it was known before");
}

#[test]
fn steps_that_change_nothing_do_nothing() {
    let base = voters(&[1, 2]);
    for step in [
        (UpdateNode, 1),
        (UpdateNode, 9),
        (RemoveNode, 9),
        (AddNode, 2),
        (AddNode, 0),
    ] {
        let after = base.change(&change(Auto, &[step])).unwrap();
        assert_eq!((after.membership, after.added), (base.clone(), vec![]));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let base = voters(&[1, 2, 3]);
    let joint = base
        .change(&change(JointExplicit, &[(AddNode, 4)]))
        .unwrap()
        .membership;
    let add = ConfChangeSingle {
        kind: AddNode,
        node_id: 5,
    };
    let two = [add, ConfChangeSingle { node_id: 6, ..add }];
    let unset = Membership::default();
    let refusals = [
        (base.simple(&two), ConfChangeError::MoreThanOneVoter),
        (joint.simple(&[add]), ConfChangeError::SimpleInJoint),
        (
            joint.change(&change(Auto, &[(AddNode, 5), (AddNode, 6)])),
            ConfChangeError::AlreadyJoint,
        ),
        (base.leave_joint(), ConfChangeError::NotJoint),
        (
            voters(&[1]).change(&change(Auto, &[(RemoveNode, 1)])),
            ConfChangeError::RemovedAllVoters,
        ),
        (
            unset.change(&change(JointExplicit, &[(AddNode, 1)])),
            ConfChangeError::ZeroVoters,
        ),
    ];
    for (refusal, expected) in refusals {
        assert_eq!(refusal, Err(expected));
    }
}

#[test]
fn a_stored_configuration_that_contradicts_itself_is_refused() {
    let base = ConfState::of_voters([1, 2]);
    let broken = [
        ConfState {
            learners: vec![2],
            ..base.clone()
        },
        ConfState {
            learners_next: vec![3],
            ..base.clone()
        },
        ConfState {
            auto_leave: true,
            ..base.clone()
        },
        ConfState {
            voters: vec![0, 1],
            ..base.clone()
        },
        ConfState {
            voters: vec![],
            learners: vec![1],
            ..base.clone()
        },
        ConfState {
            voters_outgoing: vec![2],
            learners_next: vec![2],
            ..base.clone()
        },
    ];
    for state in broken {
        assert!(Membership::restore(&state).is_err(), "{state:?}");
    }
}

fn any_change() -> impl Strategy<Value = ConfChangeV2> {
    let kind = prop_oneof![
        Just(AddNode),
        Just(RemoveNode),
        Just(AddLearnerNode),
        Just(UpdateNode)
    ];
    let step = (kind, 1..=6u64);
    let transition = prop_oneof![Just(Auto), Just(JointImplicit), Just(JointExplicit)];
    (transition, proptest::collection::vec(step, 0..5))
        .prop_map(|(transition, steps)| change(transition, &steps))
}

/// Whether every two sets that can decide, one in each configuration, have a voter in common.
fn decisions_overlap(before: &Membership, after: &Membership) -> bool {
    let decides = |membership: &Membership, set: u32| {
        let vote = |id: NodeId| Some(set & (1 << id) != 0);
        membership.vote_result(vote) == crate::quorum::VoteResult::Won
    };
    let sets = 0..1u32 << 7;
    // If a set decides in one, its complement must not decide in the other.
    sets.into_iter()
        .all(|set| !(decides(before, set) && decides(after, !set)))
}

proptest! {
    #[test]
    fn successive_configurations_can_never_decide_apart(
        changes in proptest::collection::vec(any_change(), 1..12),
    ) {
        let mut current = voters(&[1, 2, 3]);
        for change in changes {
            let Ok(changed) = current.change(&change) else { continue };
            let next = changed.membership;
            prop_assert!(decisions_overlap(&current, &next), "{current:?} {change:?} {next:?}");
            prop_assert_eq!(&Membership::restore(&next.conf_state()).unwrap(), &next);
            for id in 1..=6 {
                let is_new = next.contains(id) && !current.contains(id);
                prop_assert!(!is_new || changed.added.contains(&id));
            }
            current = next;
        }
    }
}
