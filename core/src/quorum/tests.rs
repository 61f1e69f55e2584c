//! The arithmetic against its definition.

use proptest::prelude::*;

use super::{VoteResult, committed_index, vote_result};
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

fn half() -> impl Strategy<Value = Vec<NodeId>> {
    proptest::collection::btree_set(1..=20u64, 0..=20).prop_map(|ids| ids.into_iter().collect())
}

proptest! {
    #[test]
    fn the_committed_index_is_what_a_majority_of_each_half_has(
        incoming in half(),
        outgoing in half(),
        acked in proptest::collection::vec(proptest::option::of(0..50u64), 20),
    ) {
        let expected = committed_by_definition(&incoming, &acked)
            .min(committed_by_definition(&outgoing, &acked));
        prop_assert_eq!(committed_index([&incoming, &outgoing], lookup(&acked)), expected);
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
    assert_eq!(committed_index([&[], &[]], |_| None), Index::MAX);
    assert_eq!(vote_result([&[], &[]], |_| None), VoteResult::Won);
}
