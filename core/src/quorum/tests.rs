//! The arithmetic against its definition.

use proptest::prelude::*;

use super::{
    GroupCommitted, VoteResult, acks_needed, committed_index, group_committed_index, vote_result,
};
use crate::types::{Index, NodeId};

/// Counts, one index after the other, instead of sorting.
fn committed_by_definition(voters: &[NodeId], acked: &[Option<Index>]) -> Index {
    if voters.is_empty() {
        return Index::MAX;
    }
    let has = |index: Index, id: &NodeId| acked[*id as usize - 1].unwrap_or(0) >= index;
    let is_committed =
        |&index: &Index| voters.iter().filter(|id| has(index, id)).count() * 2 > voters.len();
    let candidates = acked.iter().flatten().copied().chain([0]);
    candidates.filter(is_committed).max().unwrap()
}

fn lookup<T: Copy>(values: &[Option<T>]) -> impl Fn(NodeId) -> Option<T> {
    |id| values[id as usize - 1]
}

fn acks_of(half: &[NodeId], acked: &[Option<Index>]) -> impl Iterator<Item = Index> {
    half.iter().map(|&id| acked[id as usize - 1].unwrap_or(0))
}

fn half() -> impl Strategy<Value = Vec<NodeId>> {
    proptest::collection::btree_set(1..=20u64, 0..=20).prop_map(|ids| ids.into_iter().collect())
}

/// As above, with the rules of commit groups.
fn group_committed_by_definition(
    voters: &[NodeId],
    acked: &[Option<Index>],
    groups: &[u64],
) -> GroupCommitted {
    let known: Vec<u64> = voters.iter().map(|&id| groups[id as usize - 1]).collect();
    let mut distinct: Vec<u64> = known.iter().copied().filter(|&group| group != 0).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let majority = committed_by_definition(voters, acked);
    let have = |index: Index| {
        let has = |id: &&NodeId| acked[**id as usize - 1].unwrap_or(0) >= index;
        voters.iter().filter(has).copied().collect::<Vec<NodeId>>()
    };
    let allowed = |&index: &Index| {
        let holders = have(index);
        if distinct.len() >= 2 {
            let mut of: Vec<u64> = holders.iter().map(|&id| groups[id as usize - 1]).collect();
            of.retain(|&group| group != 0);
            of.sort_unstable();
            of.dedup();
            of.len() >= 2
        } else {
            !known.contains(&0) || holders.len() == voters.len()
        }
    };
    let candidates = acked.iter().flatten().copied().chain([0, majority]);
    GroupCommitted {
        index: candidates
            .filter(|&index| index <= majority)
            .filter(allowed)
            .max()
            .unwrap(),
        by_groups: distinct.len() >= 2 || voters.is_empty(),
    }
}

proptest! {
    #[test]
    fn with_groups_it_is_what_a_majority_and_two_groups_of_each_half_have(
        incoming in half(),
        outgoing in half(),
        acked in proptest::collection::vec(proptest::option::of(0..50u64), 20),
        groups in proptest::collection::vec(0..4u64, 20),
    ) {
        let expected = [&incoming, &outgoing]
            .map(|half| group_committed_by_definition(half, &acked, &groups));
        let halves = [&incoming[..], &outgoing[..]];
        let group = |id: NodeId| groups[id as usize - 1];
        let found = group_committed_index(halves, lookup(&acked), group);
        prop_assert_eq!(found.index, expected[0].index.min(expected[1].index));
        prop_assert_eq!(found.by_groups, expected[0].by_groups && expected[1].by_groups);
        prop_assert!(found.index <= committed_index(halves.map(|half| acks_of(half, &acked))));
    }

    #[test]
    fn the_committed_index_is_what_a_majority_of_each_half_has(
        incoming in half(),
        outgoing in half(),
        acked in proptest::collection::vec(proptest::option::of(0..50u64), 20),
    ) {
        let expected = committed_by_definition(&incoming, &acked)
            .min(committed_by_definition(&outgoing, &acked));
        prop_assert_eq!(committed_index([&incoming, &outgoing].map(|half| acks_of(half, &acked))), expected);
    }

    #[test]
    fn nothing_is_committed_before_the_acknowledgements_that_are_needed(
        incoming in half(),
        outgoing in half(),
        acked in proptest::collection::vec(proptest::option::of(0..50u64), 20),
        committed in 0..50u64,
        order in Just((1..=20u64).collect::<Vec<NodeId>>()).prop_shuffle(),
    ) {
        let halves = [&incoming, &outgoing];
        let commits = |acked: &[Option<Index>]| {
            committed_index(halves.map(|half| acks_of(half, acked))) > committed
        };
        let needed = acks_needed(halves.map(|half| acks_of(half, &acked)), committed);
        prop_assert_eq!(needed == 0, commits(&acked));
        // Whoever they come from, so many are too few; and all voters' are enough.
        let mut acked = acked;
        let mut more = 0;
        for id in order {
            let votes = halves.iter().any(|half| half.contains(&id));
            let ack = &mut acked[id as usize - 1];
            if !votes || ack.unwrap_or(0) > committed {
                continue;
            }
            *ack = Some(committed + 1);
            more += 1;
            prop_assert!(more >= needed || !commits(&acked));
        }
        prop_assert!(commits(&acked));
    }

    #[test]
    fn an_election_is_won_by_both_majorities_and_lost_when_one_is_out_of_reach(
        incoming in half(),
        outgoing in half(),
        votes in proptest::collection::vec(proptest::option::of(any::<bool>()), 20),
    ) {
        let count = |half: &[NodeId], wanted: Option<bool>| {
            half.iter().filter(|&&id| votes[id as usize - 1] == wanted).count()
        };
        let wins = |half: &[NodeId]| half.is_empty() || count(half, Some(true)) * 2 > half.len();
        let can_win = |half: &[NodeId]| {
            half.is_empty() || (count(half, Some(true)) + count(half, None)) * 2 > half.len()
        };
        let halves = [&incoming[..], &outgoing[..]];
        let expected = if halves.iter().all(|half| wins(half)) {
            VoteResult::Won
        } else if halves.iter().all(|half| can_win(half)) {
            VoteResult::Pending
        } else {
            VoteResult::Lost
        };
        prop_assert_eq!(vote_result(halves, lookup(&votes)), expected);
    }
}

#[test]
fn nobody_at_all_agrees_to_everything() {
    let nobody = [&[], &[]].map(|half| acks_of(half, &[]));
    assert_eq!(committed_index(nobody), Index::MAX);
    assert_eq!(vote_result([&[], &[]], |_| None), VoteResult::Won);
}

#[test]
fn many_voters_are_counted_as_few_are() {
    for count in 1..=40u64 {
        let voters: Vec<NodeId> = (1..=count).collect();
        // Voter i has acknowledged i: a majority has the index of the voter in the middle.
        let expected = count - (count / 2 + 1) + 1;
        let acked = [&voters[..], &[]].map(|half| half.iter().copied());
        assert_eq!(committed_index(acked), expected);
    }
}
