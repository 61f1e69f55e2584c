//! What the leader knows of each member. Pure bookkeeping: the tracker never sends.

mod inflights;
mod progress;

use std::collections::BTreeMap;

use crate::membership::Membership;
use crate::types::{Index, NodeId};

pub use inflights::{InflightLimits, Inflights};
pub use progress::{Flow, Horizon, LateSend, Need, PendingRequest, Progress, RequestedRange};

#[cfg(test)]
mod tests;

/// The progress of every member, the leader itself included, by ascending id.
///
/// A sorted array: groups are small, so that a search is a few comparisons in one cache line.
#[derive(Clone, Debug)]
pub struct Tracker {
    peers: Vec<Progress>,
    limits: InflightLimits,
    /// What differs from that for single members.
    own_limits: BTreeMap<NodeId, InflightLimits>,
}

impl Tracker {
    /// What a new leader knows: nothing but that all members exist.
    pub fn new(membership: &Membership, last_index: Index, limits: InflightLimits) -> Tracker {
        let peers = membership
            .members()
            .into_iter()
            .map(|id| Progress::unknown(id, membership.is_learner(id), last_index + 1))
            .collect();
        Tracker {
            peers,
            limits,
            own_limits: BTreeMap::new(),
        }
    }

    /// The same, with limits of their own for some members.
    pub fn with_own_limits(mut self, limits: BTreeMap<NodeId, InflightLimits>) -> Tracker {
        self.own_limits = limits;
        self
    }

    /// Gives a member limits of its own. What is on its way already counts on.
    pub fn set_own_limits(&mut self, id: NodeId, limits: InflightLimits) {
        self.own_limits.insert(id, limits);
    }

    /// Follows a change of the configuration. `added` are the members to begin anew with.
    pub fn reconfigure(&mut self, membership: &Membership, added: &[NodeId], last_index: Index) {
        self.peers
            .retain(|peer| membership.contains(peer.id) && !added.contains(&peer.id));
        for &id in added {
            // The first probe starts at the last entry rather than behind it: it can't succeed
            // on an empty log, and its rejection shows how far back to go. A new member counts as
            // active, so that it isn't taken for lost before it has had a chance to answer.
            let mut peer = Progress::unknown(id, false, last_index.max(1));
            peer.recent_active = true;
            let place = self.place(id).unwrap_or_else(|place| place);
            self.peers.insert(place, peer);
        }
        for peer in &mut self.peers {
            peer.is_learner = membership.is_learner(peer.id);
        }
    }

    /// How much may be in flight to a member.
    pub fn limits_of(&self, peer: &Progress) -> InflightLimits {
        self.limits_for(peer.id)
    }

    /// The same, by its id.
    pub fn limits_for(&self, id: NodeId) -> InflightLimits {
        self.own_limits.get(&id).copied().unwrap_or(self.limits)
    }

    /// One member's progress.
    pub fn get(&self, id: NodeId) -> Option<&Progress> {
        self.place(id).ok().map(|place| &self.peers[place])
    }

    /// One member's progress, to be changed.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.place(id).ok().map(|place| &mut self.peers[place])
    }

    /// All members, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Progress> {
        self.peers.iter()
    }

    /// All members, by ascending id, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Progress> {
        self.peers.iter_mut()
    }

    /// The number of members.
    pub fn count(&self) -> usize {
        self.peers.len()
    }

    /// The id of the member at a place in the ascending order.
    pub fn id_at(&self, place: usize) -> NodeId {
        self.peers[place].id
    }

    fn place(&self, id: NodeId) -> Result<usize, usize> {
        self.peers.binary_search_by_key(&id, |peer| peer.id)
    }
}
