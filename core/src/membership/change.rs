//! From one configuration to the next (paper §6, thesis §4).
//!
//! A simple change alters at most one voter, so that majorities of the old and the new
//! configuration overlap. Everything else goes through a joint configuration, in which both
//! majorities are needed.

use super::{Membership, Result, has};
use crate::error::ConfChangeError;
use crate::types::{AutoLeave, ConfChangeKind, ConfChangeSingle, ConfChangeV2, NodeId};

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The new configuration.
    pub membership: Membership,
    /// The members of whom nothing was known before. One that is removed and added again within
    /// one change is among them.
    pub added: Vec<NodeId>,
}

impl Membership {
    /// Applies a change of any kind.
    ///
    /// # Errors
    /// [`ConfChangeError`] if it doesn't fit this configuration.
    pub fn change(&self, change: &ConfChangeV2) -> Result<Changed> {
        if change.leaves_joint() {
            self.leave_joint()
        } else if let Some(auto_leave) = change.enters_joint() {
            self.enter_joint(auto_leave, &change.changes)
        } else {
            self.simple(&change.changes)
        }
    }

    /// Changes the configuration directly.
    pub fn simple(&self, steps: &[ConfChangeSingle]) -> Result<Changed> {
        if self.is_joint() {
            return Err(ConfChangeError::SimpleInJoint);
        }
        let changed = self.take_steps(steps)?;
        let (old, new) = (&self.state.voters, &changed.membership.state.voters);
        let only_in = |a: &[NodeId], b: &[NodeId]| a.iter().filter(|&&id| !has(b, id)).count();
        if only_in(old, new) + only_in(new, old) > 1 {
            return Err(ConfChangeError::MoreThanOneVoter);
        }
        Ok(changed)
    }

    /// Keeps the present voters as the outgoing half, and changes the incoming one.
    pub fn enter_joint(
        &self,
        auto_leave: AutoLeave,
        steps: &[ConfChangeSingle],
    ) -> Result<Changed> {
        if self.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if self.state.voters.is_empty() {
            return Err(ConfChangeError::ZeroVoters);
        }
        let mut joint = self.clone();
        joint.state.voters_outgoing = joint.state.voters.clone();
        let mut changed = joint.take_steps(steps)?;
        changed.membership.state.auto_leave = auto_leave.0;
        Ok(changed)
    }

    /// Gives up the outgoing half.
    pub fn leave_joint(&self) -> Result<Changed> {
        if !self.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        let mut membership = self.clone();
        let state = &mut membership.state;
        state.learners.append(&mut state.learners_next);
        state.learners.sort_unstable();
        state.voters_outgoing.clear();
        state.auto_leave = false;
        membership.check()?;
        Ok(Changed {
            membership,
            added: Vec::new(),
        })
    }

    fn take_steps(&self, steps: &[ConfChangeSingle]) -> Result<Changed> {
        let mut next = self.clone();
        let mut added = Vec::new();
        for step in steps.iter().filter(|step| step.node_id != crate::NONE) {
            let id = step.node_id;
            let known = next.contains(id);
            match step.kind {
                ConfChangeKind::AddNode => next.make_voter(id),
                ConfChangeKind::AddLearnerNode => next.make_learner(id),
                ConfChangeKind::RemoveNode => next.remove(id),
                ConfChangeKind::UpdateNode => {}
            }
            if known {
                if !next.contains(id) {
                    added.retain(|&other| other != id);
                }
            } else if next.contains(id) {
                added.push(id);
            }
        }
        if next.state.voters.is_empty() {
            return Err(ConfChangeError::RemovedAllVoters);
        }
        next.check()?;
        Ok(Changed {
            membership: next,
            added,
        })
    }

    fn make_voter(&mut self, id: NodeId) {
        delete(&mut self.state.learners, id);
        delete(&mut self.state.learners_next, id);
        insert(&mut self.state.voters, id);
    }

    fn make_learner(&mut self, id: NodeId) {
        if self.is_learner(id) {
            return;
        }
        self.remove(id);
        // A voter of the outgoing half goes on voting there until that half is given up.
        if has(&self.state.voters_outgoing, id) {
            insert(&mut self.state.learners_next, id);
        } else {
            insert(&mut self.state.learners, id);
        }
    }

    fn remove(&mut self, id: NodeId) {
        delete(&mut self.state.voters, id);
        delete(&mut self.state.learners, id);
        delete(&mut self.state.learners_next, id);
    }
}

fn insert(list: &mut Vec<NodeId>, id: NodeId) {
    if let Err(place) = list.binary_search(&id) {
        list.insert(place, id);
    }
}

fn delete(list: &mut Vec<NodeId>, id: NodeId) {
    if let Ok(place) = list.binary_search(&id) {
        list.remove(place);
    }
}
