//! Who is in the cluster: voters, learners, and the two halves of a joint configuration.
//!
//! A [`Membership`] is always consistent: `learners` and the voters of either half are disjoint,
//! `learners_next` is a part of the outgoing half and disjoint from everything else, and both
//! `learners_next` and `auto_leave` are unset outside a joint configuration. It can't change by
//! itself; a change yields a new one.

mod change;

use crate::error::ConfChangeError;
use crate::quorum::{self, Group, GroupCommitted, VoteResult};
use crate::types::{ConfState, Index, NodeId};

#[cfg(test)]
mod tests;

type Result<T> = std::result::Result<T, ConfChangeError>;

/// A consistent configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    voters: Box<[NodeId]>,
    /// None if there are only voters, as nearly always: a node at rest has 80 bytes less.
    rest: Option<Box<Rest>>,
}

/// What a configuration seldom has. Not all of it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rest {
    learners: Vec<NodeId>,
    voters_outgoing: Vec<NodeId>,
    learners_next: Vec<NodeId>,
    auto_leave: bool,
}

impl Membership {
    /// Takes over a stored configuration.
    ///
    /// # Errors
    /// [`ConfChangeError`] if it is one that no sequence of changes leads to.
    pub fn restore(state: &ConfState) -> Result<Membership> {
        let membership = Membership::of(state.clone());
        if state.voters.is_empty() && !membership.is_unset() {
            return Err(ConfChangeError::RemovedAllVoters);
        }
        membership.check()?;
        Ok(membership)
    }

    fn of(state: ConfState) -> Membership {
        let ConfState {
            voters,
            learners,
            voters_outgoing,
            learners_next,
            auto_leave,
        } = state;
        let rest = Rest {
            learners,
            voters_outgoing,
            learners_next,
            auto_leave,
        };
        Membership {
            voters: voters.into(),
            rest: (rest != Rest::default()).then(|| Box::new(rest)),
        }
    }

    /// The configuration as it is stored.
    pub fn conf_state(&self) -> ConfState {
        let rest = self.rest.as_deref().cloned().unwrap_or_default();
        ConfState {
            voters: self.voters.to_vec(),
            learners: rest.learners,
            voters_outgoing: rest.voters_outgoing,
            learners_next: rest.learners_next,
            auto_leave: rest.auto_leave,
        }
    }

    /// Whether there is no member at all: the node waits to be told its cluster.
    pub fn is_unset(&self) -> bool {
        self.voters.is_empty() && self.rest.is_none()
    }

    /// Whether a joint configuration is active.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing().is_empty()
    }

    /// Whether the leader leaves the joint configuration on its own.
    pub fn auto_leave(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.auto_leave)
    }

    /// Whether one voter decides everything alone.
    pub fn is_singleton(&self) -> bool {
        self.voters.len() == 1 && !self.is_joint()
    }

    /// Whether `id` is a member in any capacity.
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// Whether `id` votes, in either half.
    #[inline]
    pub fn is_voter(&self, id: NodeId) -> bool {
        has(&self.voters, id) || has(self.voters_outgoing(), id)
    }

    /// Whether `id` receives the log and does not vote. A voter that becomes a learner when the
    /// joint configuration is left is none yet.
    #[inline]
    pub fn is_learner(&self, id: NodeId) -> bool {
        has(self.learners(), id)
    }

    /// All voters of both halves, ascending.
    pub fn voters(&self) -> Vec<NodeId> {
        union(self.halves())
    }

    /// All members, ascending.
    pub fn members(&self) -> Vec<NodeId> {
        union([&self.voters, self.voters_outgoing(), self.learners()])
    }

    /// The highest index that both majorities have acknowledged.
    pub fn committed_index(&self, acked: impl Fn(NodeId) -> Option<Index>) -> Index {
        let acked = |&id: &NodeId| acked(id).unwrap_or(0);
        quorum::committed_index(self.halves().map(|half| half.iter().map(acked)))
    }

    /// The highest index that both majorities have acknowledged, with two groups in each.
    pub fn group_committed_index(
        &self,
        acked: impl Fn(NodeId) -> Option<Index>,
        group: impl Fn(NodeId) -> Group,
    ) -> GroupCommitted {
        quorum::group_committed_index(self.halves(), acked, group)
    }

    /// What the votes so far come to.
    pub fn vote_result(&self, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        quorum::vote_result(self.halves(), vote)
    }

    /// The voters of both halves; the second one is empty unless the configuration is joint.
    pub fn halves(&self) -> [&[NodeId]; 2] {
        [&self.voters, self.voters_outgoing()]
    }

    #[inline]
    fn voters_outgoing(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.voters_outgoing)
    }

    #[inline]
    fn learners(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.learners)
    }

    fn check(&self) -> Result<()> {
        let learners_next = self
            .rest
            .as_ref()
            .map_or(&[][..], |rest| &rest.learners_next);
        let inconsistent = |why| Err(ConfChangeError::Inconsistent(why));
        if self.contains(crate::NONE) {
            return inconsistent("0 is no node");
        }
        if self.learners().iter().any(|&id| self.is_voter(id)) {
            return inconsistent("a learner is a voter");
        }
        for &id in learners_next {
            if !has(self.voters_outgoing(), id) {
                return inconsistent("a future learner is no outgoing voter");
            }
            if has(&self.voters, id) {
                return inconsistent("a future learner is an incoming voter");
            }
        }
        if !self.is_joint() && self.auto_leave() {
            return inconsistent("there is no joint configuration to leave");
        }
        Ok(())
    }
}

/// Whether a list of ids has this one. They are kept sorted.
#[inline]
pub fn has(list: &[NodeId], id: NodeId) -> bool {
    match list.len() {
        // In few, a walk is 15 instructions less than a search.
        0..=8 => list.contains(&id),
        _ => list.binary_search(&id).is_ok(),
    }
}

fn union<const N: usize>(lists: [&[NodeId]; N]) -> Vec<NodeId> {
    let mut all: Vec<NodeId> = lists.into_iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
