//! The only place where a node's role changes.

use super::candidate::Candidate;
use super::follower::Follower;
use super::leader::Leader;
use super::{Campaign, Next, Raft, RoleState, election};
use crate::types::NodeId;

impl Raft {
    /// Does what a handler has asked for.
    pub(super) fn transition(&mut self, next: Next) {
        match next {
            Next::Stay => {}
            Next::Follow { term, leader } => {
                self.core.reset(term);
                self.core.set_leader(leader);
                self.role = RoleState::Follower(Follower::default());
            }
            Next::Campaign(kind) => self.start_campaign(kind),
            Next::Lead => {
                let term = self.core.term();
                let id: NodeId = self.core.id();
                self.core.reset(term);
                self.core.set_leader(id);
                let mut leader = Leader::new(&self.core);
                leader.begin_term(&mut self.core);
                self.role = RoleState::Leader(Box::new(leader));
            }
        }
    }

    fn start_campaign(&mut self, kind: Campaign) {
        let core = &mut self.core;
        debug_assert!(
            !matches!(self.role, RoleState::Leader(_)),
            "a leader never campaigns"
        );
        match kind {
            Campaign::PreElection => {
                // A question only: neither term nor vote changes, nor the clock.
                core.set_leader(crate::NONE);
                self.role = RoleState::PreCandidate(Candidate::default());
            }
            Campaign::Election | Campaign::Transfer => {
                core.reset(core.term() + 1);
                core.grant_vote(core.id());
                self.role = RoleState::Candidate(Candidate::default());
            }
        }
        election::request_votes(core, kind);
    }
}
