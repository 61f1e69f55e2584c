//! Two majorities at once, as a joint configuration needs them (paper §6). A configuration that
//! is not joint has an empty second half, which agrees to everything.

use super::{Group, GroupCommitted, VoteResult, majority};
use crate::types::{Index, NodeId};

/// The highest index that a majority of each half has, given what each voter of it has acknowledged.
pub fn committed_index<T: Iterator<Item = Index>>(acked: [T; 2]) -> Index {
    let [incoming, outgoing] = acked.map(majority::committed_index);
    if mutant!(OneMajorityCommits) {
        return incoming;
    }
    incoming.min(outgoing)
}

/// How many voters have to acknowledge something above `committed` who have not yet, before a
/// majority of each half has: one voter may count for both.
pub fn acks_needed<T: Iterator<Item = Index>>(acked: [T; 2], committed: Index) -> usize {
    let [incoming, outgoing] = acked.map(|half| majority::acks_needed(half, committed));
    if mutant!(OneMajorityCommits) {
        return incoming;
    }
    incoming.max(outgoing)
}

/// The highest index that a majority of each half has, if two groups of voters have to have it besides: within each half.
pub fn group_committed_index(
    halves: [&[NodeId]; 2],
    acked: impl Fn(NodeId) -> Option<Index>,
    group: impl Fn(NodeId) -> Group,
) -> GroupCommitted {
    let [incoming, outgoing] =
        halves.map(|half| majority::group_committed_index(half, &acked, &group));
    GroupCommitted {
        index: incoming.index.min(outgoing.index),
        by_groups: incoming.by_groups && outgoing.by_groups,
    }
}

/// What the votes so far come to: both halves must elect, either can refuse.
pub fn vote_result(halves: [&[NodeId]; 2], vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
    match halves.map(|half| majority::vote_result(half, &vote)) {
        [VoteResult::Won, VoteResult::Won] => VoteResult::Won,
        [VoteResult::Lost, _] | [_, VoteResult::Lost] => VoteResult::Lost,
        _ => VoteResult::Pending,
    }
}
