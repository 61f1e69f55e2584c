//! How a leader's entries get to its followers: appends, heartbeats, and what has to be read
//! back first (paper §5.3, thesis §10.2.1 on pipelining).
//!
//! With coalesced appends, sending only notes a need, and [`Leader::flush`] builds one append for
//! each follower when the Ready is taken. Otherwise every call sends at once, as etcd-io/raft
//! does.

use super::Core;
use super::leader::Leader;
use crate::event::FlowReason;
use crate::log::{Fetch, payload_len};
use crate::message::Body;
use crate::status::FlowState;
use crate::tracker::{
    Flow, Horizon, InflightLimits, LateSend, Need, PendingRequest, RequestedRange,
};
use crate::types::{Entry, EntryId, NodeId, RequestId};

impl Leader {
    /// Sends an append to everybody, be it empty.
    pub(super) fn broadcast_append(&mut self, core: &mut Core) {
        if core.config.coalesce_appends {
            for peer in self.tracker.iter_mut().filter(|peer| peer.id != core.id()) {
                peer.need = Need::Append;
            }
            return;
        }
        for place in 0..self.tracker.count() {
            let to = self.tracker.id_at(place);
            if to != core.id() {
                self.send_append(core, to);
            }
        }
    }

    /// Sends an append, be it empty.
    pub(super) fn send_append(&mut self, core: &mut Core, to: NodeId) {
        if core.config.coalesce_appends {
            self.note_need(to, Need::Append);
        } else {
            self.maybe_send_append(core, to, true, false);
        }
    }

    /// Sends as many appends as there are new entries for and flow control allows.
    pub(super) fn send_new_entries(&mut self, core: &mut Core, to: NodeId) {
        if core.config.coalesce_appends {
            self.note_need(to, Need::Entries);
        } else {
            while self.maybe_send_append(core, to, false, true) {}
        }
    }

    /// Sends one append if there are new entries and flow control allows it.
    pub(super) fn send_one_if_new(&mut self, core: &mut Core, to: NodeId) {
        if core.config.coalesce_appends {
            self.note_need(to, Need::Entries);
        } else {
            self.maybe_send_append(core, to, false, false);
        }
    }

    fn note_need(&mut self, to: NodeId, need: Need) {
        if let Some(peer) = self.tracker.get_mut(to) {
            peer.need = peer.need.max(need);
        }
    }

    /// Whether [`Leader::flush`] would send anything.
    pub fn has_needs(&self, core: &Core) -> bool {
        self.tracker.iter().any(|peer| match peer.need {
            Need::Nothing => false,
            // Nothing can be sent; and there may be nothing to send.
            _ if peer.is_paused() || peer.pending_request.is_some() => false,
            Need::Entries => {
                peer.next_index <= core.log.last_index()
                    && !peer.is_window_full(self.tracker.limits_of(peer))
            }
            Need::Append => true,
        })
    }

    /// Builds the appends that have been noted.
    pub fn flush(&mut self, core: &mut Core) {
        for place in 0..self.tracker.count() {
            let to = self.tracker.id_at(place);
            let need = match self.tracker.get_mut(to) {
                Some(peer) => std::mem::take(&mut peer.need),
                None => Need::Nothing,
            };
            let mut sent = match need {
                Need::Nothing => false,
                Need::Entries => self.maybe_send_append(core, to, false, true),
                Need::Append => self.maybe_send_append(core, to, true, true),
            };
            // One append nearly always has it all, and to look is 140 instructions less than to try.
            while sent && self.has_unsent(core, to) {
                sent = self.maybe_send_append(core, to, false, true);
            }
        }
    }

    fn has_unsent(&self, core: &Core, to: NodeId) -> bool {
        let peer = self.tracker.get(to);
        peer.is_some_and(|peer| peer.next_index <= core.log.last_index())
    }

    /// Sends one append, with as many entries as fit. Without any only `if_empty`. Returns whether
    /// it did. If something has to be read first, that is asked for, and `more` says whether other
    /// appends are to follow then.
    fn maybe_send_append(
        &mut self,
        core: &mut Core,
        to: NodeId,
        if_empty: bool,
        more: bool,
    ) -> bool {
        let Some(peer) = self.tracker.get_mut(to) else {
            return false;
        };
        if peer.is_paused() {
            return false;
        }
        let Some(request) = &mut peer.pending_request else {
            let horizon = core.horizon();
            return self.send_within(core, to, if_empty, more, horizon);
        };
        if core.is_overdue(request.asked_at) {
            request.asked_at = core.timer.now;
            core.repeat_request(request.id, request.range, to);
        } else if core.config.coalesce_appends || !core.outbox.holds_place(request.id) {
            request.more |= more;
        } else {
            let place = core.hold_place();
            peer.late_sends.push_back(LateSend {
                place,
                if_empty,
                more,
                horizon: core.horizon(),
            });
        }
        false
    }

    /// Sends one append as if the log ended at the horizon, unless flow control stops it.
    fn send_within(
        &mut self,
        core: &mut Core,
        to: NodeId,
        if_empty: bool,
        more: bool,
        horizon: Horizon,
    ) -> bool {
        let limits = self.tracker.limits_for(to);
        let Some(peer) = self.tracker.get_mut(to) else {
            return false;
        };
        if peer.is_paused() || peer.pending_request.is_some() {
            return false;
        }
        if peer.wanted_snapshot.is_some() || core.log.term(peer.next_index - 1).is_err() {
            self.request_snapshot_for(core, to);
            return false;
        }
        // With a full window an append brings nothing but the commit index.
        let max_bytes = core.config.max_size_per_msg;
        let nothing_to_send = peer.is_window_full(limits) || peer.next_index > horizon.last;
        let fetch = match nothing_to_send {
            true => Fetch::Entries(Vec::new()),
            false => core.log.fetch(peer.next_index, max_bytes),
        };
        match fetch {
            Fetch::Entries(entries) => {
                let send = if_empty || !entries.is_empty();
                if send {
                    self.post_append(core, to, entries, horizon);
                }
                send
            }
            Fetch::Read { low, high } => {
                let id = core.request_entries(low, high, max_bytes);
                core.outbox.hold_place(id);
                peer.pending_request = Some(PendingRequest {
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

    /// Sends an append with these entries, the next ones for `to`, which is not paused.
    fn post_append(
        &mut self,
        core: &mut Core,
        to: NodeId,
        mut entries: Vec<Entry>,
        horizon: Horizon,
    ) {
        let limits = self.tracker.limits_for(to);
        let Some(peer) = self.tracker.get_mut(to) else {
            return;
        };
        let index = peer.next_index - 1;
        let Ok(term) = core.log.term(index) else {
            return;
        };
        entries.truncate(horizon.last.saturating_sub(index) as usize);
        peer.sent_entries(entries.len(), payload_len(&entries), limits);
        peer.sent_commit(horizon.commit);
        core.send(
            to,
            Body::Append {
                prev: EntryId { term, index },
                entries,
                commit: horizon.commit,
            },
        );
    }

    /// Tells everybody that the leader lives, and asks them to confirm the reads that wait.
    pub(super) fn broadcast_heartbeat(&mut self, core: &mut Core) {
        let (own, context) = (core.id(), self.reads.heartbeat_context());
        for peer in self.tracker.iter_mut().filter(|peer| peer.id != own) {
            // Only what the follower is known to have: its log may differ further on.
            let known = peer.match_index.min(core.log.committed());
            let all = mutant!(HeartbeatsTellTooMuch);
            let commit = if all { core.log.committed() } else { known };
            peer.sent_commit(commit);
            let context = context.clone();
            core.send(peer.id, Body::Heartbeat { commit, context });
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
        self.tracker.set_own_limits(of, limits);
        if of == core.id() {
            return;
        }
        if let Some(peer) = self.tracker.get_mut(of)
            && matches!(peer.flow, Flow::Replicate { .. })
            && !peer.is_window_full(limits)
        {
            peer.resume();
            self.send_new_entries(core, of);
        }
    }

    /// The member for whom a request was made, if it still waits for it.
    pub fn requester(&self, id: RequestId) -> Option<(NodeId, RequestedRange)> {
        self.tracker.iter().find_map(|peer| {
            let request = peer.pending_request.filter(|request| request.id == id)?;
            Some((peer.id, request.range))
        })
    }

    /// The member no longer waits for its request, nor for what was to follow.
    pub fn drop_request(&mut self, of: NodeId) {
        if let Some(peer) = self.tracker.get_mut(of) {
            peer.pending_request = None;
            peer.late_sends.clear();
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
        send: impl FnOnce(&mut Leader, &mut Core, PendingRequest) -> T,
    ) -> Option<T> {
        let peer = self.tracker.get_mut(to)?;
        let mut request = peer.pending_request.take()?;
        if !core.outbox.holds_place(request.id) {
            // What was put off is sent together with what has come since.
            request.more |= !peer.late_sends.is_empty();
            request.horizon = core.horizon();
            peer.late_sends.clear();
        }
        let after = core.outbox.split_at_place(request.id);
        let result = send(self, core, request);
        core.outbox.messages.extend(after);

        while let Some(peer) = self.tracker.get_mut(to)
            && peer.pending_request.is_none()
            && let Some(late) = peer.late_sends.pop_front()
        {
            let after = core.outbox.split_at_place(late.place);
            let mut sent = self.send_within(core, to, late.if_empty, late.more, late.horizon);
            while sent && late.more {
                sent = self.send_within(core, to, false, true, late.horizon);
            }
            core.outbox.messages.extend(after);
        }
        Some(result)
    }

    /// Entries for `to` have been read back; they are the ones that it was to get next.
    pub fn on_entries_read(&mut self, core: &mut Core, to: NodeId, read: Vec<Entry>) {
        self.in_place_of_request(core, to, |leader, core, request| {
            let limits = leader.tracker.limits_for(to);
            let Some(peer) = leader.tracker.get_mut(to) else {
                return;
            };
            let expected = read
                .first()
                .is_some_and(|first| first.index == peer.next_index);
            if !expected || peer.is_paused() || peer.is_window_full(limits) {
                // What it needs has changed since it was asked for.
                leader.send_new_entries(core, to);
                return;
            }
            let entries = core.log.extend(read, core.config.max_size_per_msg);
            leader.post_append(core, to, entries, request.horizon);
            if request.more {
                while leader.send_within(core, to, false, true, request.horizon) {}
            }
        });
    }
}
