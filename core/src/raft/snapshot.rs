//! Snapshots in both directions: a leader asks its host for one when a follower needs what the
//! log has no more; a follower takes one over in place of its log (paper §7).

use super::leader::Leader;
use super::notes::flow_state;
use super::{Core, Next};
use crate::error::{Error, Result};
use crate::event::{Event, FlowReason, SnapshotIgnored};
use crate::membership::Membership;
use crate::message::Body;
use crate::status::FlowState;
use crate::tracker::{Flow, PendingRequest, RequestedRange};
use crate::types::{Index, NodeId, Snapshot, SnapshotStatus};

impl Leader {
    /// Asks the host for a snapshot for the member at a place, unless that is not there to take it.
    pub(super) fn request_snapshot_for(&mut self, core: &mut Core, place: usize) {
        let peer = self.tracker.at_mut(place);
        if peer.recent_active {
            let min_index = peer.wanted_snapshot().unwrap_or(0);
            let id = core.request_snapshot(peer.id, min_index);
            core.outbox.hold_place(id);
            peer.set_request(PendingRequest {
                id,
                range: RequestedRange::Snapshot { min_index },
                asked_at: core.timer.now,
                more: false,
                horizon: core.horizon(),
            });
        }
    }

    /// A member whose log is fine wants its state replaced.
    pub fn on_request_snapshot(&mut self, core: &mut Core, from: NodeId, min_index: Index) -> Next {
        let Some(place) = self.tracker.place(from) else {
            return Next::Stay;
        };
        let peer = self.tracker.at_mut(place);
        peer.recent_active = true;
        // It acknowledges as well: the answer to an append may have got lost, and without entries
        // to answer to, this is the last that is heard of it. A snapshot of an index that is never
        // committed for want of that would never come.
        let acknowledges = peer.maybe_update(min_index);
        let is_news = peer.want_snapshot(min_index);
        if acknowledges && self.maybe_commit(core) {
            self.release_postponed_reads(core);
            self.broadcast_append(core);
        }
        if is_news {
            // Leads to a request to the host in place of entries, unless that has been made.
            self.send_append(core, place);
        }
        Next::Stay
    }

    /// The host has a snapshot for `to`.
    ///
    /// # Errors
    /// [`Error::WrongAnswer`] if it is none that this leader can send.
    pub fn on_snapshot_provided(
        &mut self,
        core: &mut Core,
        to: NodeId,
        snapshot: Snapshot,
    ) -> Result<()> {
        let sent = self.in_place_of_request(core, to, |leader, core, place, _| {
            leader.send_snapshot(core, place, snapshot)
        });
        sent.unwrap_or(Ok(()))
    }

    fn send_snapshot(&mut self, core: &mut Core, place: usize, snapshot: Snapshot) -> Result<()> {
        let wrong = |why: &str| Err(Error::WrongAnswer(why.to_owned()));
        if snapshot.is_empty() {
            return wrong("an empty snapshot");
        }
        if snapshot.id.index > core.log.committed() || snapshot.id.term > core.term() {
            return wrong("a snapshot of what is not committed");
        }
        if let Err(error) = Membership::restore(&snapshot.conf_state) {
            return Err(Error::WrongAnswer(error.to_string()));
        }
        let peer = self.tracker.at_mut(place);
        let (to, wanted) = (peer.id, peer.wanted_snapshot());
        if wanted.is_some_and(|min_index| snapshot.id.index < min_index) {
            return wrong("a snapshot older than the one asked for");
        }
        if wanted.is_none() && snapshot.id.index <= peer.match_index {
            // It has caught up since, and is past this snapshot.
            if core.log.term(peer.next_index - 1).is_ok() {
                self.send_new_entries(core, place);
            }
            return Ok(());
        }
        let flow = flow_state(&peer.flow);
        peer.become_snapshot(snapshot.id.index);
        core.note_flow(flow, peer, FlowReason::SnapshotSent);
        let snapshot = Box::new(snapshot);
        core.send(to, Body::InstallSnapshot { snapshot });
        Ok(())
    }

    /// The host's transport says what became of a snapshot.
    pub fn on_snapshot_status(&mut self, core: &mut Core, of: NodeId, status: SnapshotStatus) {
        let Some(peer) = self.tracker.get_mut(of) else {
            return;
        };
        if !matches!(peer.flow, Flow::Snapshot { .. }) {
            return;
        }
        let reason = match status {
            SnapshotStatus::Finish => {
                peer.become_probe();
                FlowReason::SnapshotFinished
            }
            SnapshotStatus::Failure => {
                peer.snapshot_failed();
                FlowReason::SnapshotFailed
            }
        };
        core.note_flow(FlowState::Snapshot, peer, reason);
        // Wait for its acknowledgement, or for the next heartbeat's answer, before trying again.
        peer.pause_probe();
    }
}

/// Takes over a snapshot in place of the log. Returns false if there is no need or no right to.
/// `wanted` is what this node has asked for, if it has.
pub(super) fn maybe_install(
    core: &mut Core,
    from: NodeId,
    snapshot: Snapshot,
    wanted: Option<Index>,
) -> bool {
    let index = snapshot.id.index;
    let ignored = |reason| Event::SnapshotIgnored {
        from,
        index,
        reason,
    };
    if !snapshot.conf_state.contains(core.id()) {
        core.notes.event(ignored(SnapshotIgnored::NotMember));
        return false;
    }
    // Never at the price of entries that this node has acknowledged: the log would end with the
    // snapshot.
    let wanted = wanted.is_some_and(|min_index| index >= min_index.max(core.log.last_index()));
    if !wanted && index <= core.log.committed() {
        core.notes.event(ignored(SnapshotIgnored::Old));
        return false;
    }
    // The log holds all of it already: keep the entries that follow, and know them committed.
    if !wanted && core.log.matches(snapshot.id) {
        core.log.commit_to(index);
        core.notes.event(ignored(SnapshotIgnored::InLog));
        return false;
    }
    // The configuration has been vetted at the door.
    let Ok(membership) = Membership::restore(&snapshot.conf_state) else {
        return false;
    };
    if !mutant!(SnapshotsKeepTheOldConfiguration) {
        core.membership = membership;
    }
    core.log.install(snapshot);
    core.notes.event(Event::SnapshotInstalled { from, index });
    true
}
