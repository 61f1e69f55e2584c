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
    state: ConfState,
}

impl Membership {
    /// Takes over a stored configuration.
    ///
    /// # Errors
    /// [`ConfChangeError`] if it is one that no sequence of changes leads to.
    pub fn restore(state: &ConfState) -> Result<Membership> {
        let membership = Membership {
            state: state.clone(),
        };
        if state.voters.is_empty() && !membership.is_unset() {
            return Err(ConfChangeError::RemovedAllVoters);
        }
        membership.check()?;
        Ok(membership)
    }

    /// The configuration as it is stored.
    pub fn conf_state(&self) -> &ConfState {
        &self.state
    }

    /// Whether there is no member at all: the node waits to be told its cluster.
    pub fn is_unset(&self) -> bool {
        self.state == ConfState::default()
    }

    /// Whether a joint configuration is active.
    pub fn is_joint(&self) -> bool {
        !self.state.voters_outgoing.is_empty()
    }

    /// Whether the leader leaves the joint configuration on its own.
    pub fn auto_leave(&self) -> bool {
        self.state.auto_leave
    }

    /// Whether one voter decides everything alone.
    pub fn is_singleton(&self) -> bool {
        self.state.voters.len() == 1 && !self.is_joint()
    }

    /// Whether `id` is a member in any capacity.
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// Whether `id` votes, in either half.
    #[inline]
    pub fn is_voter(&self, id: NodeId) -> bool {
        has(&self.state.voters, id) || has(&self.state.voters_outgoing, id)
    }

    /// Whether `id` receives the log and does not vote. A voter that becomes a learner when the
    /// joint configuration is left is none yet.
    #[inline]
    pub fn is_learner(&self, id: NodeId) -> bool {
        has(&self.state.learners, id)
    }

    /// All voters of both halves, ascending.
    pub fn voters(&self) -> Vec<NodeId> {
        union([&self.state.voters, &self.state.voters_outgoing])
    }

    /// All members, ascending.
    pub fn members(&self) -> Vec<NodeId> {
        union([
            &self.state.voters,
            &self.state.voters_outgoing,
            &self.state.learners,
        ])
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
        [&self.state.voters, &self.state.voters_outgoing]
    }

    fn check(&self) -> Result<()> {
        let state = &self.state;
        let inconsistent = |why| Err(ConfChangeError::Inconsistent(why));
        if self.contains(crate::NONE) {
            return inconsistent("0 is no node");
        }
        if state.learners.iter().any(|&id| self.is_voter(id)) {
            return inconsistent("a learner is a voter");
        }
        for &id in &state.learners_next {
            if !has(&state.voters_outgoing, id) {
                return inconsistent("a future learner is no outgoing voter");
            }
            if has(&state.voters, id) {
                return inconsistent("a future learner is an incoming voter");
            }
        }
        if !self.is_joint() && state.auto_leave {
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

fn union<const N: usize>(lists: [&Vec<NodeId>; N]) -> Vec<NodeId> {
    let mut all: Vec<NodeId> = lists.into_iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
