//! What the leader knows of each member. Pure bookkeeping: the tracker never sends.

mod inflights;
mod progress;

use std::num::NonZero;

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
// 40 bytes: it is in every node (`Leader`).
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Tracker {
    /// None if the group does not rest, or is not known to. Whoever gets at a member to change it ends it: a round of
    /// heartbeats changes none.
    rest: Option<Rest>,
    peers: Box<[Progress]>,
}

/// What there is to know of the other two members of a group of three that rests, so that a round of heartbeats need
/// not look into the list: with ten thousand groups that is three lines less to fetch, and to wait for memory once
/// less, a tenth of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rest {
    /// All members have everything up to here, the leader has told them that it is committed, and has heard from them
    /// since the last check of the quorum. Nothing is on its way to them, and nothing waits to be.
    pub index: NonZero<Index>,
    /// By ascending id.
    pub others: [NodeId; 2],
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
            rest: None,
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
        self.end_rest();
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

    /// The other two, if the group is one of three that rests.
    #[inline(always)]
    pub fn at_rest(&self) -> Option<Rest> {
        self.rest
    }

    /// There is something to say to all of them.
    #[inline(always)]
    pub fn end_rest(&mut self) {
        self.rest = None;
    }

    /// Whether this is one of two who rest and have all of a log that ends with `last_index`.
    #[inline(always)]
    pub fn has_at_rest(&self, id: NodeId, last_index: Index) -> bool {
        self.rest
            .is_some_and(|rest| rest.index.get() == last_index && rest.others.contains(&id))
    }

    /// Notes whether the group of `own` rests, in a log that ends with `index` and is committed.
    pub fn settle(&mut self, own: NodeId, index: Index) {
        self.rest = self.find_rest(own, index);
    }

    /// The other two, if all of a group of three have, and know to be committed, what there is up to `index`.
    pub fn find_rest(&self, own: NodeId, index: Index) -> Option<Rest> {
        let (own, others) = match &*self.peers {
            [a, b, c] if a.id == own => (a, [b, c]),
            [a, b, c] if b.id == own => (b, [a, c]),
            [a, b, c] if c.id == own => (c, [a, b]),
            // One that is no member leads others until it is told so.
            _ => return None,
        };
        let rests = own.has_all_at(index) && others.iter().all(|peer| peer.rests_at(index));
        let others = others.map(|peer| peer.id);
        NonZero::new(index)
            .filter(|_| rests)
            .map(|index| Rest { index, others })
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
        self.place(id).map(|place| self.at_mut(place))
    }

    /// Whether this is a member.
    #[inline(always)]
    pub fn contains(&self, id: NodeId) -> bool {
        self.at_rest().is_some_and(|rest| rest.others.contains(&id)) || self.place(id).is_some()
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
    #[inline]
    pub fn at_mut(&mut self, place: usize) -> &mut Progress {
        self.end_rest();
        &mut self.peers[place]
    }

    /// All members, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Progress> {
        self.peers.iter()
    }

    /// All members, by ascending id, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Progress> {
        self.end_rest();
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
