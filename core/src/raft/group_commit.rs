//! Group commit: an entry is committed no earlier than members of two groups have it, two data
//! centres say, besides a majority. It only ever adds to what a majority asks for.
//!
//! The groups belong to the node, in memory: they outlast its roles and changes of the
//! configuration, and every node has to be told them, since any may come to lead.

use std::collections::BTreeMap;

use super::leader::Leader;
use super::{Core, Raft, RoleState};
use crate::error::{Error, Result};
use crate::quorum::{Group, GroupCommitted, UNASSIGNED};
use crate::types::{NONE, NodeId};

/// What the host has said about commit groups.
#[derive(Clone, Debug, Default)]
pub struct CommitGroups {
    /// None if it has said nothing, as nearly always.
    groups: Option<Box<Groups>>,
}

#[derive(Clone, Debug, Default)]
struct Groups {
    enabled: bool,
    assigned: BTreeMap<NodeId, Group>,
}

impl CommitGroups {
    /// Whether groups count.
    pub fn is_enabled(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.enabled)
    }

    fn of(&self, id: NodeId) -> Group {
        let groups = self.groups.as_ref();
        let group = groups.and_then(|groups| groups.assigned.get(&id));
        group.copied().unwrap_or(UNASSIGNED)
    }

    /// Nobody belongs to a group any more.
    fn clear(&mut self) {
        if let Some(groups) = &mut self.groups {
            groups.assigned.clear();
        }
    }

    fn groups(&mut self) -> &mut Groups {
        self.groups.get_or_insert_default()
    }
}

impl Leader {
    /// How far the log is committed by majority and groups together.
    pub(super) fn group_committed(&self, core: &Core) -> GroupCommitted {
        let acked = |id| self.tracker.get(id).map(|peer| peer.match_index);
        core.membership
            .group_committed_index(acked, |id| core.commit_groups.of(id))
    }

    /// Less may be needed now to commit.
    fn commit_anew(&mut self, core: &mut Core) {
        if self.maybe_commit(core) {
            self.release_postponed_reads(core);
            self.broadcast_append(core);
        }
    }
}

impl Raft {
    /// Switches group commit on or off.
    pub fn enable_group_commit(&mut self, enable: bool) {
        self.core.commit_groups.groups().enabled = enable;
        self.commit_anew();
    }

    /// Puts members into groups.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a group or a member 0; nothing is assigned then.
    pub fn assign_commit_groups(&mut self, groups: &[(NodeId, Group)]) -> Result<()> {
        if groups.iter().any(|&(_, group)| group == UNASSIGNED) {
            return Err(Error::Misuse(
                "commit groups are numbered from 1, and 0 is none",
            ));
        }
        if groups.iter().any(|&(id, _)| id == NONE) {
            return Err(Error::Misuse("0 is no node: ids begin at 1"));
        }
        self.core
            .commit_groups
            .groups()
            .assigned
            .extend(groups.iter().copied());
        self.commit_anew();
        Ok(())
    }

    /// Takes all members out of their groups.
    pub fn clear_commit_groups(&mut self) {
        self.core.commit_groups.clear();
        self.commit_anew();
    }

    /// Whether everything committed is so by two groups, as far as this node can tell: a leader
    /// that has applied an entry of its term, so that no configuration change is pending from
    /// before.
    pub fn is_group_commit_consistent(&self) -> Option<bool> {
        let RoleState::Leader(leader) = &self.role else {
            return None;
        };
        let log = &self.core.log;
        if log.term(log.applied()) != Ok(self.core.term()) {
            return None;
        }
        let reached = leader.group_committed(&self.core);
        Some(reached.by_groups && reached.index == log.committed())
    }

    fn commit_anew(&mut self) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.commit_anew(&mut self.core);
        }
    }
}
