//! How a leader's entries get to its followers: appends, heartbeats, and what has to be read
//! back first (paper §5.3, thesis §10.2.1 on pipelining).
//!
//! With coalesced appends, sending only notes a need, and [`Leader::flush`] builds one append for
//! each follower when the Ready is taken. Otherwise every call sends at once, as etcd-io/raft
//! does.

use super::Core;
use super::leader::Leader;
use crate::entries::Entries;
use crate::event::FlowReason;
use crate::log::{Fetch, payload_len};
use crate::message::Body;
use crate::status::FlowState;
use crate::tracker::{
    Flow, Horizon, InflightLimits, LateSend, Need, PendingRequest, Progress, RequestedRange, Rest,
};
use crate::types::{Entry, EntryId, Index, NodeId, RequestId};

impl Leader {
    /// Sends an append to everybody, be it empty.
    pub(super) fn broadcast_append(&mut self, core: &mut Core) {
        if core.config.coalesce_appends {
            self.append_to_all = true;
            self.tracker.end_rest();
        } else {
            self.send_append_to_all(core);
        }
    }

    /// Apart, so that what only notes it needs no registers: 12 instructions for each proposal.
    #[inline(never)]
    fn send_append_to_all(&mut self, core: &mut Core) {
        for place in 0..self.tracker.count() {
            if self.tracker.at(place).id != core.id() {
                self.send_append(core, place);
            }
        }
    }

    /// Sends an append to the member at a place, be it empty.
    pub(super) fn send_append(&mut self, core: &mut Core, place: usize) {
        if core.config.coalesce_appends {
            self.note_need(place, Need::Append);
        } else {
            self.maybe_send_append(core, place, true, false);
        }
    }

    /// Sends as many appends as there are new entries for and flow control allows.
    #[inline(always)]
    pub(super) fn send_new_entries(&mut self, core: &mut Core, place: usize) {
        if core.config.coalesce_appends {
            self.note_need(place, Need::Entries);
        } else {
            self.send_all_entries(core, place);
        }
    }

    #[inline(never)]
    fn send_all_entries(&mut self, core: &mut Core, place: usize) {
        while self.maybe_send_append(core, place, false, true) {}
    }

    /// Sends one append if there are new entries and flow control allows it.
    pub(super) fn send_one_if_new(&mut self, core: &mut Core, place: usize) {
        if core.config.coalesce_appends {
            self.note_need(place, Need::Entries);
        } else {
            self.maybe_send_append(core, place, false, false);
        }
    }

    #[inline(always)]
    fn note_need(&mut self, place: usize, need: Need) {
        let peer = self.tracker.at_mut(place);
        peer.need = peer.need.max(need);
    }

    /// Whether [`Leader::flush`] would send anything.
    pub fn has_needs(&self, core: &Core) -> bool {
        if self.tracker.at_rest().is_some() {
            return false;
        }
        self.tracker
            .iter()
            .any(|peer| match self.need_of(core, peer) {
                Need::Nothing => false,
                // Nothing can be sent; and there may be nothing to send.
                _ if peer.is_paused() || peer.has_request() => false,
                Need::Entries => peer.next_index <= core.log.last_index() && !peer.is_window_full(),
                Need::Append => true,
            })
    }

    /// What the next Ready has to send to a member.
    fn need_of(&self, core: &Core, peer: &Progress) -> Need {
        match self.append_to_all && peer.id != core.id() {
            true => Need::Append,
            false => peer.need,
        }
    }

    /// Whether [`Leader::flush`] may ask for entries or for a snapshot: somebody needs what is older
    /// than the window, or has asked for a snapshot.
    pub fn may_request(&self, core: &Core) -> bool {
        if self.tracker.at_rest().is_some() {
            return false;
        }
        self.tracker.iter().any(|peer| {
            let is_short = || peer.waits_for_host() || !core.log.is_at_hand(peer.next_index);
            self.need_of(core, peer) != Need::Nothing && is_short()
        })
    }

    /// Builds the appends that have been noted.
    pub fn flush(&mut self, core: &mut Core) {
        if let Some(rest) = self.tracker.at_rest() {
            core.log.keep_from(rest.index.get() + 1);
            return;
        }
        let mut all_have = Index::MAX;
        for place in 0..self.tracker.count() {
            let need = self.need_of(core, self.tracker.at(place));
            let peer = self.tracker.at_mut(place);
            all_have = all_have.min(peer.match_index);
            peer.need = Need::Nothing;
            let mut sent = match need {
                Need::Nothing => continue,
                // Nearly always there is nothing new, and to look is 60 instructions less than to try.
                Need::Entries if self.has_all(core, place) => continue,
                Need::Entries => self.maybe_send_append(core, place, false, true),
                Need::Append => self.maybe_send_append(core, place, true, true),
            };
            // One append nearly always has it all.
            while sent && self.has_unsent(core, place) {
                sent = self.maybe_send_append(core, place, false, true);
            }
        }
        self.append_to_all = false;
        core.log.keep_from(all_have.saturating_add(1));
    }

    /// Whether there is nothing that a member waits for or could be sent.
    fn has_all(&self, core: &Core, place: usize) -> bool {
        !self.tracker.at(place).waits_for_host() && !self.has_unsent(core, place)
    }

    fn has_unsent(&self, core: &Core, place: usize) -> bool {
        self.tracker.at(place).next_index <= core.log.last_index()
    }

    /// Sends one append, with as many entries as fit. Without any only `if_empty`. Returns whether
    /// it did. If something has to be read first, that is asked for, and `more` says whether other
    /// appends are to follow then.
    #[inline(always)]
    fn maybe_send_append(
        &mut self,
        core: &mut Core,
        place: usize,
        if_empty: bool,
        more: bool,
    ) -> bool {
        let peer = self.tracker.at(place);
        if !peer.has_request() {
            let horizon = core.horizon();
            return self.send_within(core, place, if_empty, more, horizon);
        }
        if !peer.is_paused() {
            self.wait_for_request(core, place, if_empty, more);
        }
        false
    }

    /// An append has to wait for the answer to a request for its recipient.
    fn wait_for_request(&mut self, core: &mut Core, place: usize, if_empty: bool, more: bool) {
        let peer = self.tracker.at_mut(place);
        let id = peer.id;
        let Some(request) = peer.request_mut() else {
            return;
        };
        if core.is_overdue(request.asked_at) {
            request.asked_at = core.timer.now;
            core.repeat_request(request.id, request.range, id);
        } else if core.config.coalesce_appends || !core.outbox.holds_place(request.id) {
            request.more |= more;
        } else {
            let place = core.hold_place();
            peer.push_late_send(LateSend {
                place,
                if_empty,
                more,
                horizon: core.horizon(),
            });
        }
    }

    /// Sends one append as if the log ended at the horizon, unless flow control stops it.
    fn send_within(
        &mut self,
        core: &mut Core,
        place: usize,
        if_empty: bool,
        more: bool,
        horizon: Horizon,
    ) -> bool {
        let peer = self.tracker.at_mut(place);
        if peer.is_paused() || peer.has_request() {
            return false;
        }
        let index = peer.next_index - 1;
        let prev = match core.log.term(index) {
            Ok(term) if peer.wanted_snapshot().is_none() => EntryId { term, index },
            _ => {
                self.request_snapshot_for(core, place);
                return false;
            }
        };
        // With a full window an append brings nothing but the commit index.
        let max_bytes = core.limits.max_size_per_msg;
        let nothing_to_send = peer.is_window_full() || peer.next_index > horizon.last;
        let fetch = match nothing_to_send {
            true => Fetch::Entries(Entries::new()),
            false => core.log.fetch(peer.next_index, max_bytes),
        };
        match fetch {
            Fetch::Entries(entries) => {
                let send = if_empty || !entries.is_empty();
                if send {
                    self.post_append(core, place, prev, entries, horizon);
                }
                send
            }
            Fetch::Read { low, high } => {
                let id = core.request_entries(low, high, max_bytes);
                core.outbox.hold_place(id);
                peer.set_request(PendingRequest {
                    id,
                    range: RequestedRange::Entries { low, high },
                    asked_at: core.timer.now,
                    more,
                    horizon,
                });
                false
            }
        }
    }

    /// Sends an append with these entries, the next ones after `prev` for a member that is not
    /// paused.
    #[inline(always)]
    fn post_append(
        &mut self,
        core: &mut Core,
        place: usize,
        prev: EntryId,
        mut entries: Entries,
        horizon: Horizon,
    ) {
        let peer = self.tracker.at_mut(place);
        entries.truncate(horizon.last.saturating_sub(prev.index) as usize);
        peer.sent_entries(entries.len(), payload_len(&entries));
        let commit = horizon.commit;
        peer.sent_commit(commit);
        let append = Body::Append {
            prev,
            entries,
            commit,
        };
        core.send(peer.id, append);
    }

    /// Tells everybody that the leader lives, and asks them to confirm the reads that wait.
    pub(super) fn broadcast_heartbeat(&mut self, core: &mut Core) {
        let (own, context) = (core.id(), self.heartbeat_context());
        if let Some(Rest { index, others }) = self.tracker.at_rest() {
            // They are sent what they know.
            for to in others {
                let context = context.clone();
                let commit = index.get();
                core.send(to, Body::Heartbeat { commit, context });
            }
            return;
        }
        for peer in self.tracker.iter_mut().filter(|peer| peer.id != own) {
            // Only what the follower is known to have: its log may differ further on.
            let known = peer.match_index.min(core.log.committed());
            let all = mutant!(HeartbeatsTellTooMuch);
            let commit = if all { core.log.committed() } else { known };
            peer.sent_commit(commit);
            let context = context.clone();
            core.send(peer.id, Body::Heartbeat { commit, context });
        }
        if !self.append_to_all && core.log.committed() == core.log.last_index() {
            self.tracker.settle(own, core.log.last_index());
        }
    }

    /// Appends to `to` have been lost, or may be.
    pub fn on_unreachable(&mut self, core: &mut Core, to: NodeId) {
        if let Some(peer) = self.tracker.get_mut(to)
            && matches!(peer.flow, Flow::Replicate { .. })
        {
            peer.become_probe();
            core.note_flow(FlowState::Replicate, peer, FlowReason::Unreachable);
        }
    }

    /// A member gets another window. If it has become wider, what has waited is sent.
    pub fn set_inflight_limits(&mut self, core: &mut Core, of: NodeId, limits: InflightLimits) {
        let Some(place) = self.tracker.place(of) else {
            return;
        };
        let peer = self.tracker.at_mut(place);
        // What is on its way already counts on.
        peer.limits = limits;
        if of == core.id() {
            return;
        }
        if matches!(peer.flow, Flow::Replicate { .. }) && !peer.is_window_full() {
            peer.resume();
            self.send_new_entries(core, place);
        }
    }

    /// The member for whom a request was made, if it still waits for it.
    pub fn requester(&self, id: RequestId) -> Option<(NodeId, RequestedRange)> {
        self.tracker.iter().find_map(|peer| {
            let request = peer.request().filter(|request| request.id == id)?;
            Some((peer.id, request.range))
        })
    }

    /// The member no longer waits for its request, nor for what was to follow.
    pub fn drop_request(&mut self, of: NodeId) {
        if let Some(peer) = self.tracker.get_mut(of) {
            peer.stop_waiting();
        }
    }

    /// Does what the answer to a request for `to` leads to, and then what has been put off since.
    /// If the host has not taken a Ready since it was asked, the messages get the places that they
    /// would have had without a request, and say what they would have said: whoever answers at
    /// once sees no difference.
    pub(super) fn in_place_of_request<T>(
        &mut self,
        core: &mut Core,
        to: NodeId,
        send: impl FnOnce(&mut Leader, &mut Core, usize, PendingRequest) -> T,
    ) -> Option<T> {
        let place = self.tracker.place(to)?;
        let peer = self.tracker.at_mut(place);
        let mut request = peer.take_request()?;
        if !core.outbox.holds_place(request.id) {
            // What was put off is sent together with what has come since.
            request.more |= peer.drop_late_sends();
            request.horizon = core.horizon();
        }
        let after = core.outbox.split_at_place(request.id);
        let result = send(self, core, place, request);
        core.outbox.put_back(after);

        while let peer = self.tracker.at_mut(place)
            && !peer.has_request()
            && let Some(late) = peer.pop_late_send()
        {
            let after = core.outbox.split_at_place(late.place);
            let mut sent = self.send_within(core, place, late.if_empty, late.more, late.horizon);
            while sent && late.more {
                sent = self.send_within(core, place, false, true, late.horizon);
            }
            core.outbox.put_back(after);
        }
        Some(result)
    }

    /// Entries for `to` have been read back; they are the ones that it was to get next.
    pub fn on_entries_read(&mut self, core: &mut Core, to: NodeId, read: Vec<Entry>) {
        self.in_place_of_request(core, to, |leader, core, place, request| {
            let peer = leader.tracker.at(place);
            let index = peer.next_index - 1;
            let next = read.first().filter(|first| first.index == index + 1);
            let term = core.log.term(index).ok().filter(|_| next.is_some());
            let Some(term) = term.filter(|_| !peer.is_paused() && !peer.is_window_full()) else {
                // What it needs has changed since it was asked for.
                leader.send_new_entries(core, place);
                return;
            };
            let (prev, max_bytes) = (EntryId { term, index }, core.limits.max_size_per_msg);
            let entries = core.log.extend(read, max_bytes);
            leader.post_append(core, place, prev, entries, request.horizon);
            if request.more {
                while leader.send_within(core, place, false, true, request.horizon) {}
            }
        });
    }
}
