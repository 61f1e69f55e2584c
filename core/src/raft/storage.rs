//! The host's side of the log: what it has persisted, applied, read back and dropped.
//!
//! Answers may be late, stale, wrong or missing, and none of that does harm: an answer counts
//! only while the one who asked still waits for it and only if it is what the log says.

use super::{OwnPromise, OwnPromises, Promise, Raft, RoleState};
use crate::error::{Error, Result};
use crate::log::{ApplyAhead, ApplyRead, encoded_len, payload_len};
use crate::message::{Body, Message};
use crate::tracker::{InflightLimits, RequestedRange};
use crate::types::*;

impl Raft {
    /// What this node has promised itself is on stable storage. Empties the list.
    #[inline(always)]
    pub fn on_own_promises(&mut self, own: &mut OwnPromises) -> Result<()> {
        if let Some(first) = own.take_first() {
            self.on_own_promise(first)?;
            for other in own.drain_others() {
                self.on_own_promise(other)?;
            }
        }
        Ok(())
    }

    fn on_own_promise(&mut self, OwnPromise { term, what }: OwnPromise) -> Result<()> {
        match what {
            Promise::Accept(index) => self.on_own_accept(term, index),
            Promise::Vote { pre } => {
                let id = self.core.id();
                let body = Body::Vote { pre, granted: true };
                self.step_own(&mut Message {
                    to: id,
                    from: id,
                    term,
                    body,
                })?;
            }
        }
        Ok(())
    }

    /// This node has all entries up to `index` on stable storage, as it has promised in `term`. There is
    /// nothing to vet in that.
    fn on_own_accept(&mut self, term: Term, index: Index) {
        let counts = term == self.core.term() || mutant!(OldAcknowledgementsCount);
        if let RoleState::Leader(leader) = &mut self.role
            && counts
        {
            let own = self.core.id();
            let next = leader.on_accept(&mut self.core, own, index);
            self.transition(next);
        }
    }

    /// The log was on stable storage up to `last` at some time in this term, and so was the
    /// snapshot of that index.
    #[inline(always)]
    pub fn on_appended(&mut self, last: Option<EntryId>, snapshot: Option<Index>) -> Result<()> {
        if let Some(last) = last {
            self.core.log.persisted_to(last);
        }
        match snapshot {
            Some(index) => self.on_snapshot_persisted(index),
            None => Ok(()),
        }
    }

    /// A snapshot is on stable storage; the host applies it before anything that follows it.
    pub(super) fn on_snapshot_persisted(&mut self, index: Index) -> Result<()> {
        if index > self.core.log.committed() {
            return Err(Error::Misuse(
                "no such snapshot was handed out: report what a Ready had",
            ));
        }
        self.core.log.snapshot_persisted(index);
        self.on_applied(index, 0, 0)
    }

    /// The apply worker is done with these entries.
    pub(super) fn on_applied_entries(&mut self, entries: &[Entry]) -> Result<()> {
        match entries.last() {
            Some(last) => self.on_applied(last.index, encoded_len(entries), payload_len(entries)),
            None => Ok(()),
        }
    }

    /// The host has applied everything up to `index`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if that was never handed out.
    #[inline(always)]
    pub fn on_applied(&mut self, index: Index, encoded: u64, payload: u64) -> Result<()> {
        let log = &mut self.core.log;
        if index > log.committed() {
            return Err(Error::Misuse(
                "only committed entries can have been applied: report what a Ready had",
            ));
        }
        let applied = index.max(log.applied());
        log.applied_to(applied, encoded);
        self.maybe_leave_joint(applied)?;
        if let RoleState::Leader(leader) = &mut self.role {
            leader.on_applied_bytes(payload);
        }
        Ok(())
    }

    /// How far ahead of this node's stable storage entries may be applied. With synchronous writes
    /// the host persists them first anyway, being given both in one Ready. Only a leader goes
    /// ahead with asynchronous ones: it knows from the others that they have the entries. What it
    /// was allowed ends with its role, whoever has set it.
    pub fn apply_ahead(&self) -> ApplyAhead {
        let (config, limits) = (&self.core.config, &self.core.limits);
        match &self.role {
            _ if !config.async_storage_writes => ApplyAhead::WithinReady,
            RoleState::Leader(_) => ApplyAhead::UpTo(limits.max_apply_unpersisted_entries),
            _ if mutant!(ApplyLimitOutlivesLead) && self.core.notes.metrics().elections_won > 0 => {
                ApplyAhead::UpTo(limits.max_apply_unpersisted_entries)
            }
            _ => ApplyAhead::UpTo(0),
        }
    }

    /// The host has dropped the log's entries below `first_index`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if some of them are still needed.
    pub fn compact(&mut self, first_index: Index) -> Result<()> {
        let core = &mut self.core;
        // With synchronous writes what is applied is persisted, though this node may not count on
        // it before the next Ready says so.
        if core.config.async_storage_writes && first_index > core.log.persisted() + 1 {
            return Err(Error::Misuse(
                "only persisted entries can be compacted: tell of a lower first index",
            ));
        }
        core.log.compact(first_index)
    }

    /// Asks for committed entries that are to be applied and not in memory.
    pub fn request_entries_to_apply(&mut self, ahead: ApplyAhead) {
        let core = &mut self.core;
        if core.log.apply_read().is_some() {
            return;
        }
        if let Some((low, high, bytes)) = core.log.gap_to_apply(ahead) {
            let read = ApplyRead {
                id: core.request_entries(low, high, bytes),
                low,
                high,
                asked_at: core.timer.now,
            };
            core.log.set_apply_read(Some(read));
        }
    }

    /// What has failed is asked for anew, and what stays out once more.
    pub(super) fn repeat_apply_read(&mut self) {
        let core = &mut self.core;
        let Some(read) = core.log.apply_read() else {
            return;
        };
        if read.id == ApplyRead::FAILED {
            core.log.set_apply_read(None);
        } else if core.is_overdue(read.asked_at) {
            core.notes.rare().requests_repeated += 1;
            // Under the same id: a slow host must be heard whenever it answers.
            core.outbox.rare().reads.push(ReadRequest {
                id: read.id,
                low: read.low,
                high: read.high,
                max_bytes: core.log.next_apply_bytes(),
            });
            core.log.set_apply_read(Some(ApplyRead {
                asked_at: core.timer.now,
                ..read
            }));
        }
    }

    /// The host's answer to a [`ReadRequest`].
    ///
    /// # Errors
    /// [`Error::WrongAnswer`] if these are not entries that the request asked for.
    pub fn provide_entries(&mut self, id: RequestId, entries: Vec<Entry>) -> Result<()> {
        let core = &mut self.core;
        let wrong = || {
            Err(Error::WrongAnswer(
                "these are not the entries that were asked for".to_owned(),
            ))
        };
        if let Some(read) = core.log.apply_read().filter(|read| read.id == id) {
            if !core.log.is_answer(read.low, read.high, &entries) {
                core.log.fail_apply_read();
                return wrong();
            }
            core.log.provide_to_apply(entries);
            return Ok(());
        }
        if let RoleState::Leader(leader) = &mut self.role
            && let Some((to, RequestedRange::Entries { low, high })) = leader.requester(id)
        {
            if !core.log.is_answer(low, high, &entries) {
                leader.drop_request(to);
                return wrong();
            }
            leader.on_entries_read(core, to, entries);
        }
        // Whoever asked doesn't need it any more.
        Ok(())
    }

    /// The host can't answer a [`ReadRequest`].
    pub fn read_failed(&mut self, id: RequestId, failure: ReadFailure) {
        let core = &mut self.core;
        if core.log.apply_read().is_some_and(|read| read.id == id) {
            core.log.fail_apply_read();
            return;
        }
        if let RoleState::Leader(leader) = &mut self.role
            && let Some((to, RequestedRange::Entries { .. })) = leader.requester(id)
        {
            leader.in_place_of_request(core, to, |leader, core, place, _| {
                if failure == ReadFailure::Compacted {
                    leader.request_snapshot_for(core, place);
                }
            });
        }
    }

    /// The host's answer to a [`SnapshotRequest`].
    ///
    /// # Errors
    /// [`Error::WrongAnswer`] if it is no snapshot that can be sent.
    pub fn provide_snapshot(&mut self, id: RequestId, snapshot: Snapshot) -> Result<()> {
        if let RoleState::Leader(leader) = &mut self.role
            && let Some((to, RequestedRange::Snapshot { .. })) = leader.requester(id)
        {
            return leader.on_snapshot_provided(&mut self.core, to, snapshot);
        }
        Ok(())
    }

    /// The host wants this node's state replaced by a snapshot.
    ///
    /// # Errors
    /// [`Error::SnapshotRequestDropped`] if no snapshot will come.
    pub fn request_snapshot(&mut self) -> Result<()> {
        let dropped = |reason| Err(Error::SnapshotRequestDropped(reason));
        match &mut self.role {
            RoleState::Follower(follower) => follower.request_snapshot(&mut self.core),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => dropped("no leader"),
            RoleState::Leader(_) => dropped("this node leads"),
        }
    }

    /// The host has no snapshot at the moment. The follower's next answer brings another try.
    pub fn snapshot_failed(&mut self, id: RequestId) {
        if let RoleState::Leader(leader) = &mut self.role
            && let Some((to, RequestedRange::Snapshot { .. })) = leader.requester(id)
        {
            leader.drop_request(to);
        }
    }

    /// A member gets another window for what is in flight to it, in this role and all to come.
    pub fn set_inflight_limits(&mut self, id: NodeId, limits: InflightLimits) {
        let own_limits = self.core.own_inflight_limits.make();
        own_limits.insert(id, limits);
        if let RoleState::Leader(leader) = &mut self.role {
            leader.set_inflight_limits(&mut self.core, id, limits);
        }
    }

    /// The host's transport can't reach a peer.
    pub fn report_unreachable(&mut self, id: NodeId) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.on_unreachable(&mut self.core, id);
        }
    }

    /// The host's transport says what became of a snapshot.
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.on_snapshot_status(&mut self.core, id, status);
        }
    }

    /// Builds the appends that have been noted.
    pub fn flush(&mut self) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.flush(&mut self.core);
        }
    }

    /// Whether something that is in no window is to be applied, or to be sent.
    #[inline]
    pub fn may_request_entries(&self) -> bool {
        let log = &self.core.log;
        let is_leader_short = match &self.role {
            RoleState::Leader(leader) => leader.may_request(&self.core),
            _ => false,
        };
        is_leader_short
            || (log.apply_read().is_none() && log.gap_to_apply(self.apply_ahead()).is_some())
    }

    /// Whether there are any.
    pub fn has_needs(&self) -> bool {
        match &self.role {
            RoleState::Leader(leader) => leader.has_needs(&self.core),
            _ => false,
        }
    }
}
