//! From one configuration to the next (paper §6, thesis §4).
//!
//! A simple change alters at most one voter, so that majorities of the old and the new
//! configuration overlap. Everything else goes through a joint configuration, in which both
//! majorities are needed.

use super::{Membership, Result, has};
use crate::error::ConfChangeError;
use crate::types::{AutoLeave, ConfChangeKind, ConfChangeSingle, ConfChangeV2, ConfState, NodeId};

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
        let changed = take_steps(self.conf_state(), steps)?;
        let (old, new) = (&self.voters, &changed.membership.voters);
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
        if self.voters.is_empty() {
            return Err(ConfChangeError::ZeroVoters);
        }
        let mut joint = self.conf_state();
        joint.voters_outgoing = joint.voters.clone();
        joint.auto_leave = auto_leave.0;
        take_steps(joint, steps)
    }

    /// Gives up the outgoing half.
    pub fn leave_joint(&self) -> Result<Changed> {
        if !self.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        let mut state = self.conf_state();
        state.learners.append(&mut state.learners_next);
        state.learners.sort_unstable();
        state.voters_outgoing.clear();
        state.auto_leave = false;
        changed(state, Vec::new())
    }
}

fn changed(state: ConfState, added: Vec<NodeId>) -> Result<Changed> {
    let membership = Membership::of(state);
    membership.check()?;
    Ok(Changed { membership, added })
}

fn take_steps(mut next: ConfState, steps: &[ConfChangeSingle]) -> Result<Changed> {
    let mut added = Vec::new();
    for step in steps.iter().filter(|step| step.node_id != crate::NONE) {
        let id = step.node_id;
        let known = next.contains(id);
        match step.kind {
            ConfChangeKind::AddNode => make_voter(&mut next, id),
            ConfChangeKind::AddLearnerNode => make_learner(&mut next, id),
            ConfChangeKind::RemoveNode => remove(&mut next, id),
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
    if next.voters.is_empty() {
        return Err(ConfChangeError::RemovedAllVoters);
    }
    changed(next, added)
}

fn make_voter(state: &mut ConfState, id: NodeId) {
    delete(&mut state.learners, id);
    delete(&mut state.learners_next, id);
    insert(&mut state.voters, id);
}

fn make_learner(state: &mut ConfState, id: NodeId) {
    if has(&state.learners, id) {
        return;
    }
    remove(state, id);
    // A voter of the outgoing half goes on voting there until that half is given up.
    if has(&state.voters_outgoing, id) {
        insert(&mut state.learners_next, id);
    } else {
        insert(&mut state.learners, id);
    }
}

fn remove(state: &mut ConfState, id: NodeId) {
    delete(&mut state.voters, id);
    delete(&mut state.learners, id);
    delete(&mut state.learners_next, id);
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
