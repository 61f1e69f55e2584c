//! A host's state machine: what is applied to it, what it is replaced by, and whom it answers. A part
//! of the world.

use libraft_core::*;

use crate::check::{Checked, ensure};
use crate::tally::{Kind, Tally};
use crate::world::{World, accepted};

impl World {
    pub fn restore(&mut self, id: NodeId, snapshot: &Snapshot) -> Checked {
        let host = &mut self.hosts[id as usize - 1];
        if snapshot.id.index > host.applied {
            host.applied = snapshot.id.index;
            host.most_after_crash = Index::MAX;
            host.confs = vec![(host.applied, snapshot.conf_state.clone())];
            host.checked.conf_at_ready = 0;
        }
        self.serve_reads(id)
    }

    pub fn apply(&mut self, id: NodeId, entries: &[Entry]) -> Checked {
        for entry in entries {
            let host = &mut self.hosts[id as usize - 1];
            let Some(node) = host.node.as_mut() else {
                return Ok(());
            };
            ensure(
                entry.index == host.applied + 1,
                "ready contract",
                id,
                || format!("{} is to be applied after {}", entry.index, host.applied),
            )?;
            self.checks.logs.applied(id, entry)?;
            host.applied = entry.index;
            if entry.is_conf_change() && node.basic_status().first_index > entry.index {
                // The node goes by a snapshot already, which includes this change.
                host.most_after_crash = host.most_after_crash.min(entry.index - 1);
                let change = codec::conf_change_of(entry);
                let changed = change.and_then(|change| node.apply_conf_change(&change));
                accepted(id, changed.map(drop))?;
            } else if entry.is_conf_change() {
                let changed =
                    codec::conf_change_of(entry).and_then(|change| node.apply_conf_change(&change));
                let old = host.conf().clone();
                let fits = changed.is_ok();
                let new = match changed {
                    Ok(new) => new,
                    Err(Error::ConfChange(_)) => old.clone(),
                    Err(error) => return accepted(id, Err(error)).map(drop),
                };
                let membership = &mut self.checks.membership;
                if membership.applied(id, entry.index, &old, &new)? {
                    note_change(&mut self.tally, &old, &new, fits);
                }
                let removed = host.leads() && is_voter(&old, id) && !is_voter(&new, id);
                self.tally.note_if(removed, Kind::LeaderRemoved);
                let host = &mut self.hosts[id as usize - 1];
                host.checked.lease.begin();
                host.confs.push((entry.index, new));
            } else if let Some(number) = entry.data.get(..8) {
                let number = <[u8; 8]>::try_from(number).map_or(u64::MAX, u64::from_le_bytes);
                self.checks
                    .clients
                    .applied(id, host.life, number, entry.index)?;
            }
        }
        self.serve_reads(id)
    }

    pub fn serve_reads(&mut self, id: NodeId) -> Checked {
        let host = &mut self.hosts[id as usize - 1];
        if host.reads.is_empty() {
            return Ok(());
        }
        let applied = host.applied;
        let mut due = Vec::new();
        host.reads.retain(|&(number, index)| {
            let wait = index > applied;
            if !wait {
                due.push(number);
            }
            wait
        });
        for number in due {
            self.checks.clients.served(id, number, applied)?;
        }
        Ok(())
    }
}

pub fn is_voter(conf: &ConfState, id: NodeId) -> bool {
    conf.voters.contains(&id) || conf.voters_outgoing.contains(&id)
}

/// Counts a change that nobody has applied before.
pub fn note_change(tally: &mut Tally, old: &ConfState, new: &ConfState, fits: bool) {
    tally.note(Kind::ChangeApplied);
    let learns = |conf: &ConfState, id: &NodeId| {
        conf.learners.contains(id) || conf.learners_next.contains(id)
    };
    let (was_joint, is_joint) = (
        !old.voters_outgoing.is_empty(),
        !new.voters_outgoing.is_empty(),
    );
    let demoted = old
        .voters
        .iter()
        .any(|id| learns(new, id) && !learns(old, id));
    let promoted = new.voters.iter().any(|id| old.learners.contains(id));
    let kinds = [
        (!fits, Kind::ChangeUnfit),
        (!was_joint && is_joint, Kind::JointEntered),
        (was_joint && !is_joint, Kind::JointLeft),
        (!new.learners.is_empty(), Kind::Learner),
        (demoted, Kind::VoterToLearner),
        (promoted, Kind::LearnerToVoter),
    ];
    for (occurs, kind) in kinds {
        tally.note_if(occurs, kind);
    }
}
