//! A follower: it takes over the leader's log and passes on what only a leader can do.

use bytes::Bytes;

use super::{Core, Next};
use crate::config::ReadOnlyOption;
use crate::error::{DropReason, Error, Result};
use crate::log::LogSlice;
use crate::message::Body;
use crate::types::{Entry, Index, NONE, NodeId, ReadState, Snapshot};

/// A follower has no data that the other roles have not.
#[derive(Clone, Copy, Debug)]
pub struct Follower;

impl Follower {
    fn hear_from(self, core: &mut Core, leader: NodeId) {
        core.timer.election_elapsed = 0;
        core.set_leader(leader);
    }

    /// The leader's entries (paper §5.3).
    pub fn on_append(self, core: &mut Core, from: NodeId, slice: LogSlice, commit: Index) -> Next {
        self.hear_from(core, from);
        let prev = slice.prev();
        let answer = if prev.index < core.log.committed() {
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
    pub fn on_heartbeat(
        self,
        core: &mut Core,
        from: NodeId,
        commit: Index,
        context: Bytes,
    ) -> Next {
        self.hear_from(core, from);
        core.log.commit_to(commit);
        core.send(from, Body::HeartbeatResp { context });
        Next::Stay
    }

    /// The log that we lack is gone; here is the state instead (paper §7).
    pub fn on_install_snapshot(self, core: &mut Core, from: NodeId, snapshot: Snapshot) -> Next {
        self.hear_from(core, from);
        let index = match super::snapshot::maybe_install(core, snapshot) {
            true => core.log.last_index(),
            false => core.log.committed(),
        };
        core.send(from, Body::Accept { index });
        Next::Stay
    }

    /// A proposal goes to the leader.
    pub fn on_propose(self, core: &mut Core, from: NodeId, entries: Vec<Entry>) -> Result<Next> {
        let dropped = |reason| Err(Error::ProposalDropped(reason));
        if core.leader() == NONE {
            return dropped(DropReason::NoLeader);
        }
        if core.config.disable_proposal_forwarding {
            return dropped(DropReason::ForwardingDisabled);
        }
        core.forward(from, core.leader(), Body::Propose { entries });
        Ok(Next::Stay)
    }

    /// A read goes to the leader (thesis §6.4).
    pub fn on_read_index(self, core: &mut Core, from: NodeId, context: Bytes) -> Result<Next> {
        match (core.leader(), from) {
            (NONE, NONE) => Err(Error::ReadDropped(DropReason::NoLeader)),
            // Another node's question, which it will ask again.
            (NONE, _) => Ok(Next::Stay),
            (leader, _) => {
                core.forward(from, leader, Body::ReadIndex { context });
                Ok(Next::Stay)
            }
        }
    }

    /// The leader's answer to a read.
    pub fn on_read_index_resp(self, core: &mut Core, index: Index, context: Bytes) -> Next {
        core.outbox.read_states.push(ReadState { index, context });
        Next::Stay
    }

    /// A wish for another leader goes to the present one.
    pub fn on_transfer_leader(self, core: &mut Core, transferee: NodeId) -> Next {
        if core.leader() != NONE {
            core.forward(transferee, core.leader(), Body::TransferLeader);
        }
        Next::Stay
    }

    /// The host knows better than we that the leader is gone. With leases, its word is not
    /// enough: the lease that others count on would be broken.
    pub fn on_forget_leader(self, core: &mut Core) -> Next {
        if core.config.read_only != ReadOnlyOption::LeaseBased {
            core.set_leader(NONE);
        }
        Next::Stay
    }
}
