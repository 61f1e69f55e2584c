//! A follower: it takes over the leader's log and passes on what only a leader can do.

use bytes::Bytes;

use super::{Core, Next};
use crate::config::ReadOnlyOption;
use crate::error::{DropReason, Error, Result};
use crate::log::LogSlice;
use crate::message::Body;
use crate::types::{Entry, Index, NONE, NodeId, ReadState, Snapshot};

/// What only a follower has.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// The snapshot that this node has asked its leader for. Apart, since it seldom has.
    wanted_snapshot: Option<Box<WantedSnapshot>>,
    /// Whether an append has been answered since the last heartbeat, and since this node follows.
    has_answered: bool,
}

/// A snapshot that a follower has asked for although it has the entries. Another leader, and
/// another role, need another request.
#[derive(Clone, Copy, Debug)]
struct WantedSnapshot {
    /// The lowest index that will do: this node's last. A snapshot ends the log that it is
    /// installed into, and nothing that has been acknowledged may get lost by that.
    min_index: Index,
    /// The node's tick count at the time.
    asked_at: u64,
}

impl Follower {
    #[inline(always)]
    fn hear_from(&self, core: &mut Core, leader: NodeId) {
        core.timer.election_elapsed = 0;
        core.change_leader(leader);
    }

    /// The host wants this node's state replaced by a snapshot, although its log is fine.
    ///
    /// # Errors
    /// [`Error::SnapshotRequestDropped`] if no snapshot will come.
    pub fn request_snapshot(&mut self, core: &mut Core) -> Result<()> {
        let dropped = |reason| Err(Error::SnapshotRequestDropped(reason));
        if core.leader() == NONE {
            return dropped("no leader");
        }
        if core.log.has_unstable_snapshot() {
            return dropped("a snapshot is being installed");
        }
        if self.wanted_snapshot.is_some() {
            return dropped("a request is pending already");
        }
        // Then the leader has written it, and so has all that this log holds.
        if core.log.last().term != core.term() {
            return dropped("nothing of the present term is in the log yet");
        }
        self.wanted_snapshot = Some(Box::new(WantedSnapshot {
            min_index: core.log.last_index(),
            asked_at: core.timer.now,
        }));
        self.ask_for_snapshot(core);
        Ok(())
    }

    /// Asks the leader for the snapshot that is wanted.
    fn ask_for_snapshot(&self, core: &mut Core) {
        if let Some(wanted) = &self.wanted_snapshot {
            let min_index = wanted.min_index;
            core.send(core.leader(), Body::RequestSnapshot { min_index });
        }
    }

    /// Whether an append is to be left alone, since it would move the end of the log beyond the
    /// snapshot that is wanted. A leader that has understood sends none. One that goes on sending
    /// for a whole election timeout knows no such request, and nothing will come of it.
    fn holds_out_for_snapshot(&mut self, core: &Core) -> bool {
        let wanted = self.wanted_snapshot.as_ref();
        let overdue = wanted.is_some_and(|wanted| core.is_overdue(wanted.asked_at));
        if overdue {
            self.wanted_snapshot = None;
        }
        self.wanted_snapshot.is_some()
    }

    /// The leader's entries (paper §5.3).
    pub fn on_append(
        &mut self,
        core: &mut Core,
        from: NodeId,
        slice: LogSlice,
        commit: Index,
    ) -> Next {
        self.hear_from(core, from);
        if self.holds_out_for_snapshot(core) {
            self.ask_for_snapshot(core);
            return Next::Stay;
        }
        if core.config.coalesce_appends
            && self.has_answered
            && tells_that_all_is_committed(core, &slice, commit)
        {
            core.log.commit_to(commit);
            return Next::Stay;
        }
        self.has_answered = true;
        let prev = slice.prev();
        let below = prev.index + 1 < core.log.first_index();
        let refused = below && mutant!(AppendsBelowASnapshotAreRefused);
        let answer = if prev.index < core.log.committed() && !refused {
            // Late, or from before our snapshot: what is committed agrees with every leader's
            // log, so it can be acknowledged and need not be looked at.
            Body::Accept {
                index: core.log.committed(),
            }
        } else if let Some(index) = core.log.maybe_append(slice, commit) {
            Body::Accept { index }
        } else {
            // Help the leader to find the place where the logs agree: none of our entries with a
            // term above that of its `prev` can be in its log at or below that place.
            let index = prev.index.min(core.log.last_index());
            Body::Reject {
                index: prev.index,
                hint: core.log.find_conflict_by_term(index, prev.term),
            }
        };
        core.send(from, answer);
        Next::Stay
    }

    /// The leader lives, and says how much is committed.
    #[inline(always)]
    pub fn on_heartbeat(
        &mut self,
        core: &mut Core,
        from: NodeId,
        commit: Index,
        context: Bytes,
    ) -> Next {
        self.hear_from(core, from);
        self.has_answered = false;
        core.log.commit_to(commit);
        core.send(from, Body::HeartbeatResp { context });
        // The request may have got lost, or the leader's host may not have had a snapshot then.
        if self.wanted_snapshot.is_some() {
            self.ask_for_snapshot(core);
        }
        Next::Stay
    }

    /// The log that we lack is gone; here is the state instead (paper §7).
    pub fn on_install_snapshot(
        &mut self,
        core: &mut Core,
        from: NodeId,
        snapshot: Snapshot,
    ) -> Next {
        self.hear_from(core, from);
        let wanted = self.wanted_snapshot.as_ref().map(|wanted| wanted.min_index);
        let index = match super::snapshot::maybe_install(core, from, snapshot, wanted) {
            true => {
                self.wanted_snapshot = None;
                core.log.last_index()
            }
            false => core.log.committed(),
        };
        core.send(from, Body::Accept { index });
        Next::Stay
    }

    /// A proposal goes to the leader.
    pub fn on_propose(&self, core: &mut Core, from: NodeId, entries: &mut [Entry]) -> Result<()> {
        let dropped = |reason| Err(Error::ProposalDropped(reason));
        if core.leader() == NONE {
            return dropped(DropReason::NoLeader);
        }
        if core.config.disable_proposal_forwarding {
            return dropped(DropReason::ForwardingDisabled);
        }
        core.notes.rare().proposals_forwarded += entries.len() as u64;
        // What others have sent without a ticket goes on without one.
        let ticket = if from == NONE { core.ticket() } else { None }.map(Box::new);
        let entries = entries.iter_mut().map(std::mem::take).collect();
        core.forward(from, core.leader(), Body::Propose { entries, ticket });
        Ok(())
    }

    /// A read goes to the leader (thesis §6.4).
    pub fn on_read_index(
        &self,
        core: &mut Core,
        from: NodeId,
        context: Option<Bytes>,
        reports: bool,
    ) -> Result<Next> {
        if core.leader() == NONE {
            let context = context.unwrap_or_default();
            core.refuse_read(from, context, reports, DropReason::NoLeader)?;
            return Ok(Next::Stay);
        }
        let mut reports = reports;
        if from == NONE {
            core.notes.rare().reads_asked += 1;
            core.keep_forwarded_read(context.as_ref().unwrap_or(&Bytes::new()));
            reports = core.config.peer_reports;
        }
        core.notes.rare().reads_forwarded += 1;
        core.forward(from, core.leader(), Body::ReadIndex { context, reports });
        Ok(Next::Stay)
    }

    /// The leader's answer to a read.
    pub fn on_read_index_resp(
        &self,
        core: &mut Core,
        index: Index,
        context: Option<Bytes>,
    ) -> Next {
        let context = context.unwrap_or_default();
        if core.settle_forwarded_read(&context) {
            core.notes.rare().reads_answered += 1;
            core.outbox.push_read_state(ReadState { index, context });
        }
        Next::Stay
    }

    /// A wish for another leader goes to the present one.
    pub fn on_transfer_leader(&self, core: &mut Core, transferee: NodeId) -> Next {
        if core.leader() != NONE {
            core.forward(transferee, core.leader(), Body::TransferLeader);
        }
        Next::Stay
    }

    /// The host knows better than we that the leader is gone. With leases, its word is not
    /// enough: the lease that others count on would be broken.
    pub fn on_forget_leader(&self, core: &mut Core) -> Next {
        if core.config.read_only != ReadOnlyOption::LeaseBased {
            core.change_leader(NONE);
        }
        Next::Stay
    }
}

/// Whether an append has nothing but this for us: what our log has is committed, all of it. An answer to that says
/// what another one has said: the last entry is of the leader's term, so that it came with an append or a snapshot of
/// its, which is answered. Of the eight messages that a proposal takes in a group of three, it spares two.
///
/// Should that other answer have been lost, the leader sends an append when a heartbeat is answered, as whenever it
/// knows of less than it has sent; and the first append after a heartbeat is answered, whatever it says. So a commit, a
/// transfer or a full window has to wait no longer than it would for any answer that is lost.
fn tells_that_all_is_committed(core: &Core, slice: &LogSlice, commit: Index) -> bool {
    let (prev, log) = (slice.prev(), &core.log);
    slice.entries().is_empty()
        && commit == prev.index
        && commit > log.committed()
        && prev == log.last()
        && prev.term == core.term()
}
