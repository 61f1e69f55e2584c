//! The only place where a node's role changes.

use super::candidate::Candidate;
use super::follower::Follower;
use super::leader::Leader;
use super::{Next, Raft, RoleState, Why, election};
use crate::error::DropReason;
use crate::event::{CampaignKind, CampaignReason, Event, LossReason, StepDownReason, TransferEnd};
use crate::types::{NONE, NodeId, Role, Term};

impl Raft {
    /// Does what a handler has asked for, which nearly always is nothing.
    #[inline(always)]
    pub(super) fn transition(&mut self, next: Next) {
        if !matches!(next, Next::Stay) {
            self.change_role(next);
        }
    }

    #[inline(never)]
    fn change_role(&mut self, next: Next) {
        let before = (self.role(), self.core.leader());
        match next {
            Next::Stay => {}
            Next::Follow { term, leader, why } => {
                self.leave_role(term, why);
                self.core.reset(term);
                self.core.set_leader(leader);
                self.role = RoleState::Follower(Follower::default());
            }
            Next::Campaign { kind, reason } => self.start_campaign(kind, reason),
            Next::Lead => {
                let term = self.core.term();
                if let RoleState::Candidate(role) = &self.role {
                    let (granted, refused) = role.tally(&self.core);
                    self.core.notes.event(Event::ElectionWon {
                        term,
                        granted,
                        refused,
                    });
                }
                let id: NodeId = self.core.id();
                self.core.reset(term);
                self.core.set_leader(id);
                self.core.reports.begin_leadership(term);
                let mut leader = Leader::new(&self.core);
                leader.begin_term(&mut self.core);
                self.role = RoleState::Leader(leader);
            }
        }
        self.core.outbox.states_moved = true;
        self.note_changes(before);
    }

    /// Notes what has changed.
    fn note_changes(&mut self, (from, old_leader): (Role, NodeId)) {
        let (to, core) = (self.role(), &mut self.core);
        let (term, leader) = (core.term(), core.leader());
        if from != to {
            core.notes.event(Event::RoleChanged {
                from,
                to,
                term,
                leader,
            });
        }
        core.note_leader(old_leader);
    }

    /// The node will follow in `term`: notes what ends with that, and tells those who wait.
    fn leave_role(&mut self, term: Term, why: Why) {
        let core = &mut self.core;
        match &mut self.role {
            RoleState::Follower(_) => {}
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => {
                let (reason, by) = match why {
                    Why::HigherTerm(by) => (LossReason::HigherTerm, by),
                    Why::LeaderAppeared(by) => (LossReason::LeaderAppeared, by),
                    _ => (LossReason::Outvoted, NONE),
                };
                self.lose_campaign(reason, by);
            }
            RoleState::Leader(leader) => {
                let (reason, by) = match why {
                    Why::CheckQuorum => (StepDownReason::CheckQuorum, NONE),
                    Why::Removed => (StepDownReason::Removed, NONE),
                    Why::HigherTerm(by) | Why::LeaderAppeared(by) => {
                        (StepDownReason::HigherTerm, by)
                    }
                    Why::Outvoted | Why::Bootstrap => (StepDownReason::HigherTerm, NONE),
                };
                core.notes.event(Event::SteppedDown { reason, by, term });
                if let Some(to) = leader.transferee() {
                    let reason = TransferEnd::SteppedDown;
                    core.notes.event(Event::TransferEnded { to, reason, term });
                }
                leader.give_up_reads(
                    core,
                    match why {
                        Why::Removed => DropReason::Removed,
                        _ => DropReason::LeaderChanged,
                    },
                );
            }
        }
    }

    fn lose_campaign(&mut self, reason: LossReason, by: NodeId) {
        let (RoleState::PreCandidate(role) | RoleState::Candidate(role)) = &self.role else {
            return;
        };
        let (kind, (granted, refused)) = (role.kind(), role.tally(&self.core));
        let term = wanted_term(kind, self.core.term());
        self.core.notes.event(Event::ElectionLost {
            kind,
            reason,
            by,
            term,
            granted,
            refused,
        });
    }

    fn start_campaign(&mut self, kind: CampaignKind, reason: CampaignReason) {
        match reason {
            CampaignReason::PreElectionWon => {}
            CampaignReason::Host => self.lose_campaign(LossReason::Restarted, NONE),
            _ => self.lose_campaign(LossReason::TimedOut, NONE),
        }
        let core = &mut self.core;
        debug_assert!(
            !matches!(self.role, RoleState::Leader(_)),
            "a leader never campaigns"
        );
        match kind {
            CampaignKind::PreElection => {
                // A question only: neither term nor vote changes, nor the clock.
                core.set_leader(NONE);
                self.role = RoleState::PreCandidate(Box::new(Candidate::new(kind)));
            }
            CampaignKind::Election | CampaignKind::Transfer => {
                core.reset(core.term() + 1);
                core.grant_vote(core.id());
                self.role = RoleState::Candidate(Box::new(Candidate::new(kind)));
            }
        }
        let term = wanted_term(kind, core.term());
        core.notes
            .event(Event::CampaignStarted { kind, reason, term });
        election::request_votes(core, kind);
    }
}

/// The term that a campaigning node wants to lead: a pre-candidate has not entered it.
fn wanted_term(kind: CampaignKind, term: Term) -> Term {
    match kind {
        CampaignKind::PreElection => term + 1,
        CampaignKind::Election | CampaignKind::Transfer => term,
    }
}
