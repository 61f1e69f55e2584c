//! One majority of one set of voters.

use super::{Group, GroupCommitted, UNASSIGNED, VoteResult};
use crate::types::{Index, NodeId};

/// Groups of up to this many voters are counted without an allocation.
const ON_STACK: usize = 16;

/// The highest index that more than half of the voters have acknowledged, of whom each has
/// acknowledged one of these. The empty set agrees to everything, so that it never holds back the
/// other half of a joint configuration.
pub fn committed_index(mut acked: impl Iterator<Item = Index>) -> Index {
    // Looks first: the second half nearly always has none.
    let Some(first) = acked.next() else {
        return Index::MAX;
    };
    let mut indexes = [0; ON_STACK];
    indexes[0] = first;
    let mut count = 1;
    while let Some(index) = acked.next() {
        if count == ON_STACK {
            return committed_of_many(indexes.into_iter().chain([index]).chain(acked));
        }
        // In ascending order. For three of them that is a tenth of what `select_nth_unstable` takes.
        let mut at = count;
        while at > 0 && indexes[at - 1] > index {
            indexes[at] = indexes[at - 1];
            at -= 1;
        }
        indexes[at] = index;
        count += 1;
    }
    indexes[place(count)]
}

#[inline(never)]
fn committed_of_many(acked: impl Iterator<Item = Index>) -> Index {
    let mut indexes: Vec<Index> = acked.collect();
    let place = place(indexes.len());
    let (_, committed, _) = indexes.select_nth_unstable(place);
    *committed
}

/// In ascending order, as many of `count` voters are at this place or above it as make a majority.
fn place(count: usize) -> usize {
    count - majority(count)
}

/// How many voters have to acknowledge something above `committed` who have not yet, before more
/// than half of them have.
pub fn acks_needed(acked: impl Iterator<Item = Index>, committed: Index) -> usize {
    let (mut count, mut above) = (0, 0);
    for index in acked {
        count += 1;
        above += usize::from(index > committed);
    }
    match count {
        0 => 0,
        _ => majority(count).saturating_sub(above),
    }
}

/// The highest index that more than half of the voters have, and voters of at least two groups
/// among them. Where all voters are of one group, a majority is enough. Where only one group is
/// known or none, and some voter has none, all voters must have it: what is not known to be in a
/// second group can't be relied on to be.
pub fn group_committed_index(
    voters: &[NodeId],
    acked: &impl Fn(NodeId) -> Option<Index>,
    group: &impl Fn(NodeId) -> Group,
) -> GroupCommitted {
    let majority = committed_index(voters.iter().map(|&voter| acked(voter).unwrap_or(0)));
    // The group that is furthest, and how far the others are.
    let mut first: Option<(Group, Index)> = None;
    let mut second: Option<Index> = None;
    let mut least = Index::MAX;
    let mut all_assigned = true;
    for &voter in voters {
        let index = acked(voter).unwrap_or(0);
        least = least.min(index);
        match (group(voter), &mut first) {
            (UNASSIGNED, _) => all_assigned = false,
            (of, None) => first = Some((of, index)),
            (of, Some((furthest, best))) if of == *furthest => *best = index.max(*best),
            (of, Some((furthest, best))) => {
                let other = index.min(*best);
                second = Some(second.map_or(other, |second| second.max(other)));
                if index > *best {
                    (*furthest, *best) = (of, index);
                }
            }
        }
    }
    GroupCommitted {
        index: match second {
            Some(second) => majority.min(second),
            None if all_assigned => majority,
            None => majority.min(least),
        },
        // No voters at all stand in nobody's way.
        by_groups: second.is_some() || voters.is_empty(),
    }
}

/// What the votes so far come to. The empty set elects anybody, as above.
pub fn vote_result(voters: &[NodeId], vote: &impl Fn(NodeId) -> Option<bool>) -> VoteResult {
    let mut granted = 0;
    let mut missing = 0;
    for &voter in voters {
        match vote(voter) {
            Some(true) => granted += 1,
            Some(false) => {}
            None => missing += 1,
        }
    }
    if voters.is_empty() || granted >= majority(voters.len()) {
        VoteResult::Won
    } else if granted + missing >= majority(voters.len()) {
        VoteResult::Pending
    } else {
        VoteResult::Lost
    }
}

fn majority(count: usize) -> usize {
    count / 2 + 1
}
