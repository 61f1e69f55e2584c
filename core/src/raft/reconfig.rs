//! Changes of the configuration: which proposals a leader lets pass, and what follows when one is
//! applied (paper §6, thesis §4).
//!
//! A change takes effect when it is applied, not when it is appended. At most one is in the log
//! and not applied, so that successive configurations differ by one change.

use bytes::Bytes;

use super::leader::Leader;
use super::{Core, Next, Raft, RoleState, Why};
use crate::codec::{conf_change_of, encode_conf_change};
use crate::error::{DropReason, Error, Impossible, Result};
use crate::event::TransferEnd;
use crate::types::{
    ConfChange, ConfChangeKind, ConfChangeSingle, ConfChangeV2, ConfState, Entry, EntryKind,
    Explicit, Index, NONE, NodeId,
};

/// What there is in a proposal, and which of its configuration changes a leader lets through.
pub(super) struct Screened {
    /// The places of those that it refuses, and why.
    pub refused: Vec<(usize, DropReason)>,
    /// What [`Leader::pending_conf_index`] is when the others are in the log.
    pub pending_conf_index: Index,
    /// How many others there are.
    pub changes: u64,
    /// The payload of all but those that it refuses.
    pub bytes: u64,
}

impl Screened {
    /// Puts an empty entry in place of each that is refused, since its proposer counts on an entry
    /// of its own. Returns what was there, with the reasons.
    #[cold]
    pub fn take_out(&self, entries: &mut [Entry]) -> Vec<(DropReason, Entry)> {
        let take_out = |&(place, reason): &(usize, DropReason)| {
            // As etcd-io/raft writes it, so that it is of the same size there.
            let empty = Entry {
                explicit: Explicit {
                    kind: true,
                    ..Explicit::default()
                },
                ..Entry::default()
            };
            let entry: &mut Entry = &mut entries[place];
            (reason, std::mem::replace(entry, empty))
        };
        self.refused.iter().map(take_out).collect()
    }
}

impl Leader {
    /// Lets through at most one change at a time, and none that can't apply.
    #[inline(always)]
    pub(super) fn screen_conf_changes(&self, core: &Core, entries: &[Entry]) -> Result<Screened> {
        let mut screened = Screened {
            refused: Vec::new(),
            pending_conf_index: self.busy.pending_conf_index,
            changes: 0,
            bytes: 0,
        };
        let next_index = core.log.last_index() + 1;
        for ((place, entry), index) in entries.iter().enumerate().zip(next_index..) {
            let bytes = entry.data.len() as u64;
            if !entry.is_conf_change() {
                screened.bytes += bytes;
                continue;
            }
            let change = conf_change_of(entry)
                .map_err(|_| Error::Impossible(Impossible::IllFormedConfChange))?;
            let joint = core.membership.is_joint();
            let leaves = change.changes.is_empty();
            let reason = if screened.pending_conf_index > core.log.applied() {
                Some(DropReason::ConfChangePending(screened.pending_conf_index))
            } else if joint && !leaves {
                Some(DropReason::AlreadyJoint)
            } else if leaves && !joint {
                Some(DropReason::NotJoint)
            } else {
                None
            };
            match reason.filter(|_| !core.config.disable_conf_change_validation) {
                Some(reason) => screened.refused.push((place, reason)),
                None => {
                    screened.pending_conf_index = index;
                    screened.changes += 1;
                    screened.bytes += bytes;
                }
            }
        }
        Ok(screened)
    }

    /// The configuration has changed.
    fn on_reconfigured(&mut self, core: &mut Core, added: &[NodeId]) -> Next {
        let last = core.log.last_index();
        let limits_for = |id| core.inflight_limits(id);
        self.tracker
            .reconfigure(&core.membership, added, last, limits_for);
        self.recount_acks();
        if !core.membership.is_voter(core.id()) {
            // It goes on leading until another one does, unless told otherwise: nobody else may
            // know yet that the change is committed (thesis §4.2.2).
            return match core.config.step_down_on_removal || mutant!(RemovedLeadersAreGone) {
                true => Next::Follow {
                    term: core.term(),
                    leader: NONE,
                    why: Why::Removed,
                },
                false => Next::Stay,
            };
        }
        if self.maybe_commit(core) {
            // Fewer acknowledgements are needed than before.
            self.release_postponed_reads(core);
            self.broadcast_append(core);
        } else {
            for place in 0..self.tracker.count() {
                if self.tracker.at(place).id != core.id() {
                    self.send_one_if_new(core, place);
                }
            }
        }
        if core.membership.is_singleton() {
            // Nobody is left to answer heartbeats.
            self.answer_confirmed_reads(core);
        }
        if self
            .busy
            .transferee
            .is_some_and(|id| !core.membership.is_voter(id))
        {
            self.end_transfer(core, TransferEnd::TargetRemoved);
        }
        Next::Stay
    }

    /// Whether it is time to leave a joint configuration: the change that entered it is applied.
    fn should_leave_joint(&self, core: &Core, applied: Index) -> bool {
        core.membership.auto_leave() && applied >= self.busy.pending_conf_index
    }
}

impl Raft {
    /// Applies a committed change.
    ///
    /// # Errors
    /// [`Error::ConfChange`] if it doesn't fit the present configuration; nothing has changed.
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState> {
        if self.core.log.has_unstable_snapshot() {
            // The change comes before a snapshot that has been taken over since, together with its
            // configuration, in which the change is included.
            return Ok(self.core.membership.conf_state());
        }
        let changed = self.core.membership.change(change)?;
        let id = self.core.id();
        let was_member = self.core.membership.contains(id);
        self.core.membership = changed.membership;
        self.core.notes.rare().conf_changes_applied += 1;
        match (was_member, self.core.membership.contains(id)) {
            (true, false) => self.core.note_own_removal(),
            (false, true) => self.core.note_own_return(),
            _ => {}
        }
        let next = match &mut self.role {
            RoleState::Leader(leader) => leader.on_reconfigured(&mut self.core, &changed.added),
            _ => Next::Stay,
        };
        self.transition(next);
        Ok(self.core.membership.conf_state())
    }

    /// Writes the first members' entries, committed, into an empty log.
    ///
    /// # Errors
    /// [`Error::ConfChange`] if a member is named that can't be one.
    pub fn bootstrap(&mut self, peers: &[(NodeId, Bytes)]) -> Result<()> {
        let change_of = |id: NodeId, context: Bytes| ConfChange {
            change: ConfChangeSingle {
                kind: ConfChangeKind::AddNode,
                node_id: id,
            },
            context,
            ..ConfChange::default()
        };
        let mut membership = self.core.membership.clone();
        for (id, _) in peers {
            let change = ConfChangeV2::from(change_of(*id, Bytes::new()));
            membership = membership.change(&change)?.membership;
        }
        self.transition(Next::Follow {
            term: 1,
            leader: NONE,
            why: Why::Bootstrap,
        });
        self.core.membership = membership;
        let entry = |(index, (id, context)): (Index, &(NodeId, Bytes))| Entry {
            term: 1,
            index,
            kind: EntryKind::ConfChange,
            data: encode_conf_change(&change_of(*id, context.clone())).into(),
            ..Entry::default()
        };
        self.core
            .log
            .bootstrap((1..).zip(peers).map(entry).collect());
        Ok(())
    }

    /// Proposes to leave a joint configuration if that is the leader's to do. The proposal is
    /// empty, so that no limit on size can refuse it; if a transfer does, the next applied entry
    /// brings another try.
    pub(super) fn maybe_leave_joint(&mut self, applied: Index) -> Result<()> {
        let RoleState::Leader(leader) = &mut self.role else {
            return Ok(());
        };
        if !leader.should_leave_joint(&self.core, applied) {
            return Ok(());
        }
        let leave = Entry {
            kind: EntryKind::ConfChangeV2,
            ..Entry::default()
        };
        let from = self.core.id();
        match leader.on_propose(&mut self.core, from, &mut [leave]) {
            Err(Error::ProposalDropped(_)) => Ok(()),
            other => other,
        }
    }
}
