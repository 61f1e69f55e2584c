//! A leader: it takes proposals, counts acknowledgements, commits, and keeps its followers from
//! campaigning. How it sends is in `replication`, `snapshot`, `read_index` and `reconfig`.

use super::notes::flow_state;
use super::read_index::ReadIndexQueue;
use super::reconfig::Screened;
use super::{Core, Next, Why};
use crate::boxed::Boxed;
use crate::error::{DropReason, Error, Result};
use crate::event::{DropKind, Event, FlowReason, TransferEnd};
use crate::message::Body;
use crate::quorum::VoteResult;
use crate::status::FlowState;
use crate::tracker::{Flow, Progress, Tracker};
use crate::types::{Entry, EntryId, Index, NONE, NodeId};

/// What only a leader has.
// In the node, so that a round of heartbeats finds there whom it goes to (`Rest`): by way of a box it would have
// to wait for memory once more, which with ten thousand groups is a tenth of its time.
#[derive(Clone, Debug)]
pub struct Leader {
    pub(super) tracker: Tracker,
    /// Made when somebody first reads.
    pub(super) reads: Boxed<ReadIndexQueue>,
    /// What a leader needs for more than heartbeats.
    pub(super) busy: Box<Busy>,
    /// Everybody else is to get an append with the next Ready, be it empty, if appends are coalesced:
    /// a batch of proposals notes that once for each, however many members there are.
    pub(super) append_to_all: bool,
}

/// What a leader has to keep in mind once it has something to do.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Who is to lead next, while a transfer is under way.
    pub(super) transferee: Option<NodeId>,
    /// The last configuration change in the log is at this index or below it. No other may be
    /// proposed before that is applied.
    pub(super) pending_conf_index: Index,
    /// The payloads that are proposed in this term and not yet applied.
    uncommitted_bytes: u64,
    /// So many members at least have to acknowledge something above the commit index who have not
    /// yet, before it can move: until then, nothing needs to be counted. Of n answers one is, or
    /// two, whatever n is.
    acks_needed: usize,
}

impl Leader {
    /// A leader that knows nothing of its followers yet.
    pub fn new(core: &Core) -> Leader {
        let last = core.log.last_index();
        let limits_for = |id| core.inflight_limits(id);
        let mut tracker = Tracker::new(&core.membership, last, limits_for);
        if let Some(own) = tracker.get_mut(core.id()) {
            own.match_index = last;
            own.become_replicate();
            own.recent_active = true;
        }
        Leader {
            tracker,
            reads: Boxed::default(),
            busy: Box::new(Busy {
                transferee: None,
                // The log may hold a change that an earlier leader has proposed. Where, is not worth
                // a search: the entry below comes after it.
                pending_conf_index: if mutant!(ChangesOverlap) { 0 } else { last },
                uncommitted_bytes: 0,
                acks_needed: 0,
            }),
            append_to_all: false,
        }
    }

    /// Appends the empty entry of a new term, which commits all that comes before it
    /// (paper §5.4.2, §8), and shows it to everybody.
    pub fn begin_term(&mut self, core: &mut Core) {
        self.append(core, &mut [Entry::default()], 0);
        self.broadcast_append(core);
    }

    /// What is known of each member.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// How many acknowledgements have to come before one is worth counting.
    pub fn acks_needed(&self) -> usize {
        self.busy.acks_needed
    }

    /// Who is to lead next.
    pub fn transferee(&self) -> Option<NodeId> {
        self.busy.transferee
    }

    /// New commands for the log (paper §5.3), which are taken out of the list.
    #[inline]
    pub fn on_propose(
        &mut self,
        core: &mut Core,
        from: NodeId,
        entries: &mut [Entry],
    ) -> Result<()> {
        let screened = self.admit(core, entries)?;
        if !screened.refused.is_empty() {
            for (reason, entry) in screened.take_out(entries) {
                if from == NONE {
                    core.drop_of_host(DropKind::ConfChange, reason, entry.data);
                } else {
                    core.notes.dropped(DropKind::ConfChange, reason, from, 1);
                }
            }
        }
        self.take(core, entries, &screened);
        Ok(())
    }

    /// Whether new commands can be taken, and which configuration changes among them.
    ///
    /// # Errors
    /// [`Error::ProposalDropped`] if they can't; [`Error::Impossible`] for a change that can't be
    /// decoded.
    #[inline(always)]
    pub(super) fn admit(&self, core: &Core, entries: &[Entry]) -> Result<Screened> {
        let dropped = |reason| Err(Error::ProposalDropped(reason));
        if self.tracker.get(core.id()).is_none() {
            return dropped(DropReason::Removed);
        }
        if self.busy.transferee.is_some() {
            return dropped(DropReason::Transferring);
        }
        let screened = self.screen_conf_changes(core, entries)?;
        let added = screened.bytes;
        let limit = core.limits.uncommitted_bytes_limit;
        // Whatever its size, something must be able to get in; and what is empty always is.
        let exceeds = self.busy.uncommitted_bytes.saturating_add(added) > limit;
        if self.busy.uncommitted_bytes > 0 && added > 0 && exceeds {
            return dropped(DropReason::UncommittedLimit);
        }
        Ok(screened)
    }

    /// Takes new commands that have been admitted, and out of which those that are refused have been taken.
    #[inline(always)]
    pub(super) fn take(&mut self, core: &mut Core, entries: &mut [Entry], screened: &Screened) {
        self.busy.pending_conf_index = screened.pending_conf_index;
        if screened.changes > 0 {
            core.notes.rare().conf_changes_proposed += screened.changes;
        }
        let taken = entries.len() - screened.refused.len();
        core.notes.replication().proposals_taken += taken as u64;
        self.append(core, entries, screened.bytes);
        self.broadcast_append(core);
    }

    #[inline]
    fn append(&mut self, core: &mut Core, entries: &mut [Entry], payload_bytes: u64) {
        self.busy.uncommitted_bytes += payload_bytes;
        core.log.gather(core.term(), entries);
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
    // Inlined where each kind of message has a copy of its way in: 15 instructions less for each.
    #[inline(always)]
    pub fn on_accept(&mut self, core: &mut Core, from: NodeId, index: Index) -> Next {
        let Some(place) = self.tracker.place(from) else {
            return Next::Stay;
        };
        let own = from == core.id();
        let peer = self.tracker.at_mut(place);
        peer.recent_active = true;
        core.notes.replication().appends_accepted += u64::from(!own);
        // An old acknowledgement is news for a probe: the logs agree where it looks.
        let found = peer.match_index == index && matches!(peer.flow, Flow::Probe);
        // A snapshot that it has asked for may bring nothing that it didn't have.
        let installed = matches!(peer.flow, Flow::Snapshot { index: sent } if sent <= index)
            && peer.match_index == index;
        let acked_before = peer.match_index;
        if !peer.maybe_update(index) && !found && !installed {
            return Next::Stay;
        }
        if let Flow::Replicate { inflights } = &mut peer.flow {
            inflights.free_up_to(index);
        } else {
            found_by_probe_or_snapshot(core, peer);
        }
        let committed = core.log.committed();
        let can_bump = peer.can_bump_commit(committed);

        // What is committed already needs no counting: of three members, the last one's word is one
        // that nobody waits for.
        if index > committed && acked_before <= committed {
            self.busy.acks_needed = self.busy.acks_needed.saturating_sub(1);
        }
        if index > committed && self.busy.acks_needed == 0 && self.maybe_commit(core) {
            self.release_postponed_reads(core);
            self.broadcast_append(core);
        } else if !own && can_bump {
            self.send_append(core, place);
        }
        if !own {
            self.send_new_entries(core, place);
        }
        if self.busy.transferee == Some(from)
            && self.tracker.at(place).match_index == core.log.last_index()
        {
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
        let Some(place) = self.tracker.place(from) else {
            return Next::Stay;
        };
        let peer = self.tracker.at_mut(place);
        peer.recent_active = true;
        core.notes.rare().appends_rejected += 1;
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
            self.send_append(core, place);
        }
        Next::Stay
    }

    /// A follower has answered a heartbeat.
    #[inline(always)]
    pub fn on_heartbeat_resp(&mut self, core: &mut Core, from: NodeId, context: &[u8]) -> Next {
        if !self.tracker.has_at_rest(from, core.log.last_index()) {
            let Some(place) = self.tracker.place(from) else {
                return Next::Stay;
            };
            self.hear_from(core, place);
        }
        self.acknowledge_reads(core, from, context);
        Next::Stay
    }

    /// A member lives, and may be sent to.
    #[inline(never)]
    fn hear_from(&mut self, core: &mut Core, place: usize) {
        let peer = self.tracker.at_mut(place);
        peer.recent_active = true;
        peer.resume();
        // If the window is full, this append is empty. Should all those in the window be lost,
        // its refusal shows that.
        let probes = matches!(peer.flow, Flow::Probe);
        if peer.match_index < core.log.last_index() || probes {
            self.send_append(core, place);
        }
    }

    /// Time passes.
    pub fn on_tick(&mut self, core: &mut Core) -> Next {
        core.timer.heartbeat_elapsed += 1;
        core.timer.pass_tick();
        if core.is_past_election_timeout() {
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
    #[inline(always)]
    pub(super) fn maybe_commit(&mut self, core: &mut Core) -> bool {
        let index = if core.commit_groups.is_enabled() {
            self.group_committed(core).index
        } else {
            self.tracker.committed_index()
        };
        let term = match mutant!(OldTermsAreCommitted) {
            true => core.log.term(index).unwrap_or(0),
            false => core.term(),
        };
        let moved = core.log.maybe_commit(EntryId { term, index });
        // Groups only add to what a majority has to have.
        self.busy.acks_needed = self.tracker.acks_needed(core.log.committed());
        moved
    }

    /// The voters, or what they have, are not what they were: everything is to be counted anew.
    pub(super) fn recount_acks(&mut self) {
        self.busy.acks_needed = 0;
    }

    /// So many payload bytes have been applied.
    pub fn on_applied_bytes(&mut self, bytes: u64) {
        // Entries of earlier terms are applied too and were never counted.
        self.busy.uncommitted_bytes = self.busy.uncommitted_bytes.saturating_sub(bytes);
    }

    /// Leadership stays here for now.
    pub(super) fn end_transfer(&mut self, core: &mut Core, reason: TransferEnd) {
        if let Some(to) = self.busy.transferee.take() {
            let term = core.term();
            core.notes.event(Event::TransferEnded { to, reason, term });
        }
    }

    /// `transferee` is to become the leader (thesis §3.10).
    pub fn on_transfer_leader(&mut self, core: &mut Core, transferee: NodeId) -> Next {
        let Some(place) = self.tracker.place(transferee) else {
            return Next::Stay;
        };
        let peer = self.tracker.at(place);
        if peer.is_learner || self.busy.transferee == Some(transferee) {
            return Next::Stay;
        }
        let match_index = peer.match_index;
        self.end_transfer(core, TransferEnd::Replaced);
        if transferee == core.id() {
            return Next::Stay;
        }
        core.timer.election_elapsed = 0;
        self.busy.transferee = Some(transferee);
        let (to, term) = (transferee, core.term());
        core.notes.event(Event::TransferStarted { to, term });
        if match_index == core.log.last_index() {
            core.send(transferee, Body::TimeoutNow);
        } else {
            self.send_append(core, place);
        }
        Next::Stay
    }
}

/// An acknowledgement has shown where the logs agree, or that a snapshot has arrived.
fn found_by_probe_or_snapshot(core: &mut Core, peer: &mut Progress) {
    let flow = flow_state(&peer.flow);
    match &peer.flow {
        // Entries are of no use to it.
        Flow::Probe if peer.wanted_snapshot().is_some() => {}
        Flow::Probe => peer.become_replicate(),
        // Whichever snapshot it got: the log reaches back far enough to go on from there.
        Flow::Snapshot { .. } if peer.match_index + 1 >= core.log.first_index() => {
            peer.become_probe();
            peer.become_replicate();
        }
        Flow::Snapshot { .. } | Flow::Replicate { .. } => {}
    }
    core.note_flow(flow, peer, FlowReason::Accepted);
}
