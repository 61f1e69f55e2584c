//! A candidate, or pre-candidate: it counts votes and has nobody to ask for anything else.

use super::{Core, Next};
use crate::error::{DropReason, Error, Result};
use crate::quorum::VoteResult;
use crate::types::{NONE, NodeId};

/// The votes of one campaign.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// Who has answered, and how. Only the first answer counts.
    votes: Vec<(NodeId, bool)>,
}

impl Candidate {
    /// A vote comes in. `won` is what follows if it decides the election.
    pub fn on_vote(&mut self, core: &Core, from: NodeId, granted: bool, won: Next) -> Next {
        if self.vote_of(from).is_none() {
            self.votes.push((from, granted));
        }
        match core.membership.vote_result(|voter| self.vote_of(voter)) {
            VoteResult::Won => won,
            VoteResult::Lost => Next::Follow {
                term: core.term(),
                leader: NONE,
            },
            VoteResult::Pending => Next::Stay,
        }
    }

    fn vote_of(&self, voter: NodeId) -> Option<bool> {
        let vote = self.votes.iter().find(|(id, _)| *id == voter);
        vote.map(|&(_, granted)| granted)
    }

    /// There is no leader to take it.
    pub fn on_propose(&self) -> Result<Next> {
        Err(Error::ProposalDropped(DropReason::NoLeader))
    }

    /// There is no leader to ask. Another node's question is dropped: it will ask again.
    pub fn on_read_index(&self, from: NodeId) -> Result<Next> {
        match from {
            NONE => Err(Error::ReadDropped(DropReason::NoLeader)),
            _ => Ok(Next::Stay),
        }
    }
}
