//! Whether a correct node can have sent a message, and this one may say it. It changes nothing: a message that is
//! refused leaves everything as it was, even the term.

use crate::codec::conf_change_of;
use crate::error::{Error, Impossible, Result};
use crate::log::LogSlice;
use crate::membership::Membership;
use crate::message::{Body, Message};
use crate::types::{Entry, EntryId, LOCAL_APPLY, MAX_POSITION, NONE, NodeId, Snapshot, Term};

use super::{Raft, RoleState};

impl Raft {
    /// Whether the sender is one who may say this.
    #[inline(always)]
    pub(super) fn vet_origin(&self, message: &Message) -> Result<()> {
        let of_worker = message.from >= LOCAL_APPLY;
        if message.body.is_local() || of_worker {
            // Only asynchronous storage writes have workers to hear from.
            if !(self.core.config.async_storage_writes && message.body.is_local() && of_worker) {
                return Err(Error::LocalMessage);
            }
        } else if message.body.is_response() {
            // All that a node ever tells itself, once its storage worker has delivered it.
            let promise = matches!(message.body, Body::Accept { .. } | Body::Vote { .. });
            let of_own = message.from == self.core.id();
            if of_own && !(promise && self.core.config.async_storage_writes) {
                return Err(Error::LocalMessage);
            }
            if !self.is_member(message.from) {
                return Err(Error::UnknownPeer(message.from));
            }
        }
        Ok(())
    }

    /// Whether this is a member in any capacity. A leader has the same members in its tracker, where the
    /// handler looks next.
    #[inline(always)]
    fn is_member(&self, id: NodeId) -> bool {
        match &self.role {
            RoleState::Leader(leader) => leader.tracker().contains(id),
            _ => self.core.membership.contains(id),
        }
    }

    /// Whether some correct node can have sent this.
    #[inline(always)]
    pub(super) fn vet(&self, message: &Message) -> std::result::Result<(), Impossible> {
        let (core, from) = (&self.core, message.from);
        if message.term > MAX_POSITION {
            return Err(Impossible::OutOfBounds);
        }
        // What names no term is taken in ours.
        let term = match message.term {
            0 => core.term(),
            term => term,
        };
        // Of what is too old to be looked at, only who is to be told so.
        let is_current = term >= core.term();
        let leads = matches!(self.role, RoleState::Leader(_)) && term == core.term();
        let last = core.log.last_index();

        match &message.body {
            Body::Append { prev, entries, .. } => {
                self.vet_leader(from, leads)?;
                if is_current {
                    self.vet_append(term, *prev, entries)?;
                }
            }
            Body::Heartbeat { commit, .. } => {
                self.vet_leader(from, leads)?;
                if is_current && *commit > last {
                    let commit = *commit;
                    return Err(Impossible::CommitBeyondLog { commit, last });
                }
            }
            Body::InstallSnapshot { snapshot } => {
                self.vet_leader(from, leads)?;
                if is_current {
                    vet_snapshot(term, snapshot)?;
                }
            }
            Body::RequestVote { .. } => {
                self.vet_sender(from)?;
                if message.term == 0 {
                    return Err(Impossible::NoTerm);
                }
            }
            Body::Accept { index } if leads && *index > last => {
                let index = *index;
                return Err(Impossible::AckBeyondLog { index, last });
            }
            Body::RequestSnapshot { min_index } => {
                self.vet_sender(from)?;
                // It is the last index of a log that this leader has written.
                if leads && *min_index > last {
                    let index = *min_index;
                    return Err(Impossible::AckBeyondLog { index, last });
                }
            }
            Body::Reject { index, hint }
                if is_current && (*index).max(hint.index) > MAX_POSITION =>
            {
                return Err(Impossible::OutOfBounds);
            }
            Body::HeartbeatResp { context } => {
                if let RoleState::Leader(leader) = &self.role
                    && leads
                    && !leader.is_read_position(context)
                {
                    return Err(Impossible::IllFormedReadPosition);
                }
            }
            Body::Propose { entries, .. } if entries.is_empty() => {
                return Err(Impossible::EmptyProposal);
            }
            body if body.is_report() => core.vet_report(from, body)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether a leader of this term can have these entries after that one.
    #[inline(always)]
    fn vet_append(
        &self,
        term: Term,
        prev: EntryId,
        entries: &[Entry],
    ) -> std::result::Result<(), Impossible> {
        let log = &self.core.log;
        LogSlice::check(term, prev, entries).map_err(|_| Impossible::IllFormedEntries)?;
        if prev.index < log.committed() && log.term(prev.index).is_ok_and(|ours| ours != prev.term)
        {
            return Err(Impossible::CommittedConflict(prev.index));
        }
        match entries.iter().any(Entry::is_conf_change) {
            true => vet_conf_changes(entries),
            false => Ok(()),
        }
    }

    /// Whether there is somebody else to answer, where that may be needed: whatever the message's term,
    /// since a stale one may get an answer as well.
    fn vet_sender(&self, from: NodeId) -> std::result::Result<(), Impossible> {
        match from == NONE || from == self.core.id() {
            true => Err(Impossible::NoSender),
            false => Ok(()),
        }
    }

    /// The same for what only the leader of a term sends, which is not this node.
    fn vet_leader(&self, from: NodeId, leads: bool) -> std::result::Result<(), Impossible> {
        self.vet_sender(from)?;
        match leads && !mutant!(TwoLeadersOfATerm) {
            true => Err(Impossible::SecondLeader(self.core.term())),
            false => Ok(()),
        }
    }
}

/// No leader lets a change into its log that can't be read (`screen_conf_changes`), and no host could apply it.
/// Apart from the look whether there is any: 40 instructions less for an append that has none.
#[cold]
#[inline(never)]
fn vet_conf_changes(entries: &[Entry]) -> std::result::Result<(), Impossible> {
    let mut changes = entries.iter().filter(|entry| entry.is_conf_change());
    match changes.any(|entry| conf_change_of(entry).is_err()) {
        true => Err(Impossible::IllFormedConfChange),
        false => Ok(()),
    }
}

fn vet_snapshot(term: Term, snapshot: &Snapshot) -> std::result::Result<(), Impossible> {
    if snapshot.id.index > MAX_POSITION || snapshot.id.term > term {
        return Err(Impossible::OutOfBounds);
    }
    Membership::restore(&snapshot.conf_state)
        .map(drop)
        .map_err(|_| Impossible::IllFormedSnapshot)
}
