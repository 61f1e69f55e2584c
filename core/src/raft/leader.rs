//! A leader: it takes proposals, counts acknowledgements, commits, and keeps its followers from
//! campaigning. How it sends is in `replication`, `snapshot`, `read_index` and `reconfig`.

use super::notes::flow_state;
use super::read_index::ReadIndexQueue;
use super::{Core, Next, Why};
use crate::error::{DropReason, Error, Result};
use crate::event::{DropKind, Event, FlowReason, TransferEnd};
use crate::log::payload_len;
use crate::message::Body;
use crate::quorum::VoteResult;
use crate::status::FlowState;
use crate::tracker::{Flow, Tracker};
use crate::types::{Entry, EntryId, Index, NONE, NodeId};

/// What only a leader has.
#[derive(Clone, Debug)]
pub struct Leader {
    pub(super) tracker: Tracker,
    pub(super) reads: ReadIndexQueue,
    /// Who is to lead next, while a transfer is under way.
    pub(super) transferee: Option<NodeId>,
    /// The last configuration change in the log is at this index or below it. No other may be
    /// proposed before that is applied.
    pub(super) pending_conf_index: Index,
    /// The payloads that are proposed in this term and not yet applied.
    uncommitted_bytes: u64,
}

impl Leader {
    /// A leader that knows nothing of its followers yet.
    pub fn new(core: &Core) -> Leader {
        let last = core.log.last_index();
        let mut tracker = Tracker::new(&core.membership, last, core.inflight_limits())
            .with_own_limits(core.own_inflight_limits.clone());
        if let Some(own) = tracker.get_mut(core.id()) {
            own.match_index = last;
            own.become_replicate();
            own.recent_active = true;
        }
        Leader {
            tracker,
            reads: ReadIndexQueue::default(),
            transferee: None,
            // The log may hold a change that an earlier leader has proposed. Where, is not worth
            // a search: the entry below comes after it.
            pending_conf_index: if mutant!(ChangesOverlap) { 0 } else { last },
            uncommitted_bytes: 0,
        }
    }

    /// Appends the empty entry of a new term, which commits all that comes before it
    /// (paper §5.4.2, §8), and shows it to everybody.
    pub fn begin_term(&mut self, core: &mut Core) {
        self.append(core, vec![Entry::default()]);
        self.broadcast_append(core);
    }

    /// What is known of each member.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Who is to lead next.
    pub fn transferee(&self) -> Option<NodeId> {
        self.transferee
    }

    /// New commands for the log (paper §5.3).
    pub fn on_propose(
        &mut self,
        core: &mut Core,
        from: NodeId,
        entries: Vec<Entry>,
    ) -> Result<Next> {
        self.admit(core, &entries)?;
        for (reason, entry) in self.take(core, entries)? {
            if from == NONE {
                core.drop_of_host(DropKind::ConfChange, reason, entry.data);
            } else {
                core.notes.dropped(DropKind::ConfChange, reason, from, 1);
            }
        }
        Ok(Next::Stay)
    }

    /// Whether new commands can be taken.
    ///
    /// # Errors
    /// [`Error::ProposalDropped`] if they can't.
    pub(super) fn admit(&self, core: &Core, entries: &[Entry]) -> Result<()> {
        let dropped = |reason| Err(Error::ProposalDropped(reason));
        if self.tracker.get(core.id()).is_none() {
            return dropped(DropReason::Removed);
        }
        if self.transferee.is_some() {
            return dropped(DropReason::Transferring);
        }
        let refused = self.screen_conf_changes(core, entries)?.refused;
        let without = refused
            .iter()
            .map(|&(place, _)| entries[place].data.len() as u64);
        let added = payload_len(entries) - without.sum::<u64>();
        let limit = core.config.uncommitted_bytes_limit();
        // Whatever its size, something must be able to get in; and what is empty always is.
        let exceeds = self.uncommitted_bytes.saturating_add(added) > limit;
        if self.uncommitted_bytes > 0 && added > 0 && exceeds {
            return dropped(DropReason::UncommittedLimit);
        }
        Ok(())
    }

    /// Takes new commands. Returns the configuration changes among them that it had to refuse.
    ///
    /// # Errors
    /// [`Error::Impossible`] for a change that can't be decoded; nothing is taken then.
    pub(super) fn take(
        &mut self,
        core: &mut Core,
        mut entries: Vec<Entry>,
    ) -> Result<Vec<(DropReason, Entry)>> {
        let screened = self.screen_conf_changes(core, &entries)?;
        self.pending_conf_index = screened.pending_conf_index;
        let refused = screened.take_out(&mut entries);
        let changes = entries.iter().filter(|entry| entry.is_conf_change());
        core.notes.metrics.conf_changes_proposed += changes.count() as u64;
        core.notes.metrics.proposals_taken += (entries.len() - refused.len()) as u64;
        self.append(core, entries);
        self.broadcast_append(core);
        Ok(refused)
    }

    fn append(&mut self, core: &mut Core, mut entries: Vec<Entry>) {
        self.uncommitted_bytes += payload_len(&entries);
        let (term, last) = (core.term(), core.log.last_index());
        for (index, entry) in (last + 1..).zip(&mut entries) {
            entry.term = term;
            entry.index = index;
        }
        core.log.append(entries);
        // The leader acknowledges its own entries when they are on its stable storage.
        // Once for each write, if appends are coalesced as well: in a batch of 64 proposals that
        // saves about 600 instructions for each.
        let index = core.log.last_index();
        if mutant!(SingleVoterCommitsAtOnce) && core.membership.is_singleton() {
            self.on_accept(core, core.id(), index);
        }
        if !(core.config.coalesce_appends && core.extend_own_accept(index)) {
            core.send(core.id(), Body::Accept { index });
        }
    }

    /// A member has everything up to `index` on stable storage.
    pub fn on_accept(&mut self, core: &mut Core, from: NodeId, index: Index) -> Next {
        let Some(peer) = self.tracker.get_mut(from) else {
            return Next::Stay;
        };
        peer.recent_active = true;
        core.notes.metrics.appends_accepted += u64::from(from != core.id());
        // An old acknowledgement is news for a probe: the logs agree where it looks.
        let found = peer.match_index == index && matches!(peer.flow, Flow::Probe { .. });
        // A snapshot that it has asked for may bring nothing that it didn't have.
        let installed = matches!(peer.flow, Flow::Snapshot { index: sent } if sent <= index)
            && peer.match_index == index;
        if !peer.maybe_update(index) && !found && !installed {
            return Next::Stay;
        }
        let flow = flow_state(&peer.flow);
        match &mut peer.flow {
            // Entries are of no use to it.
            Flow::Probe { .. } if peer.wanted_snapshot.is_some() => {}
            Flow::Probe { .. } => peer.become_replicate(),
            // Whichever snapshot it got: the log reaches back far enough to go on from there.
            Flow::Snapshot { .. } if peer.match_index + 1 >= core.log.first_index() => {
                peer.become_probe();
                peer.become_replicate();
            }
            Flow::Snapshot { .. } => {}
            Flow::Replicate { inflights, .. } => inflights.free_up_to(index),
        }
        core.note_flow(flow, peer, FlowReason::Accepted);
        let can_bump = peer.can_bump_commit(core.log.committed());
        let caught_up = peer.match_index == core.log.last_index();

        // What is committed already needs no counting: of three members, the last one's word is one
        // that nobody waits for.
        if index > core.log.committed() && self.maybe_commit(core) {
            self.release_postponed_reads(core);
            self.broadcast_append(core);
        } else if from != core.id() && can_bump {
            self.send_append(core, from);
        }
        if from != core.id() {
            self.send_new_entries(core, from);
        }
        if self.transferee == Some(from) && caught_up {
            core.send(from, Body::TimeoutNow);
        }
        Next::Stay
    }

    /// A follower's log doesn't hold the entry before an append (paper §5.3).
    pub fn on_reject(
        &mut self,
        core: &mut Core,
        from: NodeId,
        rejected: Index,
        hint: EntryId,
    ) -> Next {
        let Some(peer) = self.tracker.get_mut(from) else {
            return Next::Stay;
        };
        peer.recent_active = true;
        core.notes.metrics.appends_rejected += 1;
        // The follower's log has term `hint.term` at `hint.index`, and no greater one below. So
        // it can't agree with any of our entries of a greater term: skip those. One probe for
        // each term of our log is the worst case, instead of one for each entry.
        let agrees_at = match hint.term {
            0 => hint.index,
            term => core.log.find_conflict_by_term(hint.index, term).index,
        };
        if peer.maybe_decrease(rejected, agrees_at) {
            if matches!(peer.flow, Flow::Replicate { .. }) {
                peer.become_probe();
                core.note_flow(FlowState::Replicate, peer, FlowReason::Rejected);
            }
            self.send_append(core, from);
        }
        Next::Stay
    }

    /// A follower has answered a heartbeat.
    pub fn on_heartbeat_resp(&mut self, core: &mut Core, from: NodeId, context: &[u8]) -> Next {
        let Some(peer) = self.tracker.get_mut(from) else {
            return Next::Stay;
        };
        peer.recent_active = true;
        peer.resume();
        // If the window is full, this append is empty. Should all those in the window be lost,
        // its refusal shows that.
        let probes = matches!(peer.flow, Flow::Probe { .. });
        if peer.match_index < core.log.last_index() || probes {
            self.send_append(core, from);
        }
        self.acknowledge_reads(core, from, context);
        Next::Stay
    }

    /// Time passes.
    pub fn on_tick(&mut self, core: &mut Core) -> Next {
        core.timer.heartbeat_elapsed += 1;
        core.timer.pass_tick();
        if core.timer.is_past_election_timeout() {
            core.timer.election_elapsed = 0;
            if core.config.check_quorum && !self.check_quorum(core) {
                return Next::Follow {
                    term: core.term(),
                    leader: NONE,
                    why: Why::CheckQuorum,
                };
            }
            // A transfer that takes longer than this has failed (thesis §3.10).
            self.end_transfer(core, TransferEnd::TimedOut);
        }
        if core.timer.heartbeat_elapsed >= core.config.heartbeat_ticks {
            core.timer.heartbeat_elapsed = 0;
            self.broadcast_heartbeat(core);
        }
        Next::Stay
    }

    /// Whether a quorum has been heard from since the last time (thesis §6.2).
    fn check_quorum(&mut self, core: &Core) -> bool {
        let tracker = &self.tracker;
        let heard = |id| tracker.get(id).map(|peer| peer.recent_active);
        let active = core.membership.vote_result(heard) == VoteResult::Won;
        for peer in self.tracker.iter_mut().filter(|peer| peer.id != core.id()) {
            peer.recent_active = false;
        }
        active
    }

    /// Moves the commit index up to what a quorum has acknowledged, but only by an entry of this
    /// term: an older one could still be replaced (paper §5.4.2).
    pub(super) fn maybe_commit(&mut self, core: &mut Core) -> bool {
        let index = if core.commit_groups.is_enabled() {
            self.group_committed(core).index
        } else {
            let acked = |id| self.tracker.get(id).map(|peer| peer.match_index);
            core.membership.committed_index(acked)
        };
        let term = match mutant!(OldTermsAreCommitted) {
            true => core.log.term(index).unwrap_or(0),
            false => core.term(),
        };
        core.log.maybe_commit(EntryId { term, index })
    }

    /// So many payload bytes have been applied.
    pub fn on_applied_bytes(&mut self, bytes: u64) {
        // Entries of earlier terms are applied too and were never counted.
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(bytes);
    }

    /// Leadership stays here for now.
    pub(super) fn end_transfer(&mut self, core: &mut Core, reason: TransferEnd) {
        if let Some(to) = self.transferee.take() {
            let term = core.term();
            core.notes.event(Event::TransferEnded { to, reason, term });
        }
    }

    /// `transferee` is to become the leader (thesis §3.10).
    pub fn on_transfer_leader(&mut self, core: &mut Core, transferee: NodeId) -> Next {
        let Some(peer) = self.tracker.get(transferee) else {
            return Next::Stay;
        };
        if peer.is_learner || self.transferee == Some(transferee) {
            return Next::Stay;
        }
        let match_index = peer.match_index;
        self.end_transfer(core, TransferEnd::Replaced);
        if transferee == core.id() {
            return Next::Stay;
        }
        core.timer.election_elapsed = 0;
        self.transferee = Some(transferee);
        let (to, term) = (transferee, core.term());
        core.notes.event(Event::TransferStarted { to, term });
        if match_index == core.log.last_index() {
            core.send(transferee, Body::TimeoutNow);
        } else {
            self.send_append(core, transferee);
        }
        Next::Stay
    }
}
