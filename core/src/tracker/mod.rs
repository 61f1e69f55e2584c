//! What the leader knows of each member. Pure bookkeeping: the tracker never sends.

mod inflights;
mod progress;

use crate::membership::{self, Membership};
use crate::quorum;
use crate::types::{Index, NodeId};

pub use inflights::{InflightLimits, Inflights};
pub use progress::{Flow, Horizon, LateSend, Need, PendingRequest, Progress, RequestedRange};

#[cfg(test)]
mod tests;

/// The progress of every member, the leader itself included, by ascending id.
///
/// A sorted array: groups are small, so that a search is a few comparisons. Whoever works on one
/// member looks its place up once, which stays the same until the configuration changes.
// A boxed slice, and nothing besides: it is in every node (`Leader`).
#[derive(Clone, Debug)]
pub struct Tracker {
    peers: Box<[Progress]>,
}

impl Tracker {
    /// What a new leader knows: nothing but that all members exist.
    pub fn new(
        membership: &Membership,
        last_index: Index,
        limits_for: impl Fn(NodeId) -> InflightLimits,
    ) -> Tracker {
        let members = membership.members().into_iter();
        let unknown = |id| Progress::unknown(id, last_index + 1, limits_for(id));
        let mut tracker = Tracker {
            peers: members.map(unknown).collect(),
        };
        tracker.take_over(membership);
        tracker
    }

    /// Follows a change of the configuration. `added` are the members to begin anew with.
    pub fn reconfigure(
        &mut self,
        membership: &Membership,
        added: &[NodeId],
        last_index: Index,
        limits_for: impl Fn(NodeId) -> InflightLimits,
    ) {
        let mut peers = std::mem::take(&mut self.peers).into_vec();
        peers.retain(|peer| membership.contains(peer.id) && !added.contains(&peer.id));
        for &id in added {
            // The first probe starts at the last entry rather than behind it: it can't succeed
            // on an empty log, and its rejection shows how far back to go. A new member counts as
            // active, so that it isn't taken for lost before it has had a chance to answer.
            let mut peer = Progress::unknown(id, last_index.max(1), limits_for(id));
            peer.recent_active = true;
            let place = search(&peers, id).unwrap_or_else(|place| place);
            peers.insert(place, peer);
        }
        self.peers = peers.into();
        self.take_over(membership);
    }

    /// Takes over what the configuration says of each member.
    fn take_over(&mut self, membership: &Membership) {
        for peer in &mut self.peers {
            peer.is_learner = membership.is_learner(peer.id);
            peer.votes_in = membership
                .halves()
                .map(|half| membership::has(half, peer.id));
        }
    }

    /// The highest index that a majority of each half of the voters has acknowledged.
    pub fn committed_index(&self) -> Index {
        quorum::committed_index([0, 1].map(|half| self.acked_in(half)))
    }

    /// So many voters at least have to acknowledge something above `committed` who have not yet,
    /// before a majority of each half has. It is 0 if more are above it than needed: then the next
    /// answer from any of them may be the one that counts.
    pub fn acks_needed(&self, committed: Index) -> usize {
        quorum::acks_needed([0, 1].map(|half| self.acked_in(half)), committed)
    }

    /// What the voters of one half have acknowledged.
    fn acked_in(&self, half: usize) -> impl Iterator<Item = Index> {
        let voters = self.peers.iter().filter(move |peer| peer.votes_in[half]);
        voters.map(|peer| peer.match_index)
    }

    /// One member's progress.
    pub fn get(&self, id: NodeId) -> Option<&Progress> {
        self.place(id).map(|place| &self.peers[place])
    }

    /// One member's progress, to be changed.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.place(id).map(|place| &mut self.peers[place])
    }

    /// Where a member is in the ascending order.
    #[inline(always)]
    pub fn place(&self, id: NodeId) -> Option<usize> {
        match self.peers.len() {
            // Among few, a walk is 15 instructions less than a search.
            0..=8 => self.peers.iter().position(|peer| peer.id == id),
            _ => search(&self.peers, id).ok(),
        }
    }

    /// The member at a place.
    pub fn at(&self, place: usize) -> &Progress {
        &self.peers[place]
    }

    /// The member at a place, to be changed.
    pub fn at_mut(&mut self, place: usize) -> &mut Progress {
        &mut self.peers[place]
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
}

fn search(peers: &[Progress], id: NodeId) -> Result<usize, usize> {
    peers.binary_search_by_key(&id, |peer| peer.id)
}
