//! A candidate, or pre-candidate: it counts votes and has nobody to ask for anything else.

use super::{Core, Next, Why};
use bytes::Bytes;

use crate::error::{DropReason, Error, Result};
use crate::event::CampaignKind;
use crate::quorum::VoteResult;
use crate::types::{NONE, NodeId};

/// The votes of one campaign.
#[derive(Clone, Debug)]
pub struct Candidate {
    kind: CampaignKind,
    /// Who has answered, and how. Only the first answer counts.
    votes: Vec<(NodeId, bool)>,
}

impl Candidate {
    /// Nobody has answered yet.
    pub fn new(kind: CampaignKind) -> Candidate {
        Candidate {
            kind,
            votes: Vec::new(),
        }
    }

    /// What is asked for.
    pub fn kind(&self) -> CampaignKind {
        self.kind
    }

    /// How many voters are for it, and how many against.
    pub fn tally(&self, core: &Core) -> (u64, u64) {
        let voters = self.votes.iter();
        let voters = voters.filter(|(id, _)| core.membership.is_voter(*id));
        voters.fold((0, 0), |(granted, refused), vote| match vote.1 {
            true => (granted + 1, refused),
            false => (granted, refused + 1),
        })
    }

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
                why: Why::Outvoted,
            },
            VoteResult::Pending => Next::Stay,
        }
    }

    fn vote_of(&self, voter: NodeId) -> Option<bool> {
        let vote = self.votes.iter().find(|(id, _)| *id == voter);
        vote.map(|&(_, granted)| granted)
    }

    /// There is no leader to take it.
    pub fn on_propose(&self) -> Result<()> {
        Err(Error::ProposalDropped(DropReason::NoLeader))
    }

    /// There is no leader to ask.
    pub fn on_read_index(
        &self,
        core: &mut Core,
        from: NodeId,
        context: Option<Bytes>,
        reports: bool,
    ) -> Result<Next> {
        let context = context.unwrap_or_default();
        core.refuse_read(from, context, reports, DropReason::NoLeader)?;
        Ok(Next::Stay)
    }
}
