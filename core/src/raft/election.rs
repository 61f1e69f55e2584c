//! Elections: when a node campaigns, whom it asks, and whom it votes for (paper §5.2, §5.4.1).

use super::{Core, Next, Raft, RoleState};
use crate::event::{CampaignKind, CampaignReason, CampaignRefusal, Event};
use crate::message::Body;
use crate::types::{EntryId, MAX_POSITION, NONE, NodeId, Term};

impl Raft {
    /// Campaigns, in the way that the settings say, unless the node can't lead now.
    pub fn campaign(&mut self, reason: CampaignReason) {
        let kind = match self.core.config.pre_vote {
            true => CampaignKind::PreElection,
            false => CampaignKind::Election,
        };
        self.maybe_campaign(kind, reason);
    }

    pub(super) fn maybe_campaign(&mut self, kind: CampaignKind, reason: CampaignReason) {
        match self.campaign_refusal() {
            None => self.transition(Next::Campaign { kind, reason }),
            Some(reason) => {
                let term = self.core.term();
                let event = Event::CampaignRefused { kind, reason, term };
                self.core.notes.event(event);
            }
        }
    }

    fn campaign_refusal(&self) -> Option<CampaignRefusal> {
        let core = &self.core;
        if matches!(self.role, RoleState::Leader(_)) {
            Some(CampaignRefusal::Leads)
        } else if !core.membership.is_voter(core.id()) {
            Some(CampaignRefusal::NotVoter)
        } else if !core.is_promotable() {
            Some(CampaignRefusal::PendingSnapshot)
        } else if core.log.has_unapplied_conf_change() && !mutant!(CampaignBeforeAChange) {
            // The node would count votes by an old configuration.
            Some(CampaignRefusal::UnappliedConfChange)
        } else if core.term() >= MAX_POSITION {
            Some(CampaignRefusal::TermLimit)
        } else {
            None
        }
    }
}

/// Asks all voters, itself included. Its own vote counts no earlier than it is on stable storage,
/// so that it travels like any other.
pub(super) fn request_votes(core: &mut Core, kind: CampaignKind) {
    let pre = kind == CampaignKind::PreElection;
    let reports = core.config.peer_reports;
    let term = if pre { core.term() + 1 } else { core.term() };
    let last = core.log.last();
    for voter in core.membership.voters() {
        let body = if voter == core.id() {
            Body::Vote { pre, granted: true }
        } else {
            Body::RequestVote {
                pre,
                last,
                transfer: kind == CampaignKind::Transfer,
                priority: core.limits.priority,
                reports,
            }
        };
        core.send_in_term(term, voter, body);
    }
}

/// Somebody asks for a vote. Learners answer too: whoever asks may know that they have been
/// promoted before they do.
pub(super) fn on_request_vote(
    core: &mut Core,
    from: NodeId,
    term: Term,
    pre: bool,
    last: EntryId,
    priority: i64,
) {
    let may_vote = core.vote() == from
        || (core.vote() == NONE && core.leader() == NONE)
        || (pre && term > core.term());
    // A priority must not stand against a log that has more: its owner may be the only one that
    // can win. Nor may that of a node that can't lead itself, since it is no voter, and that a candidate
    // who has not heard of its removal still counts on.
    let ours = core.log.last();
    let has_more = (last.term, last.index) > (ours.term, ours.index);
    let competes = core.membership.is_voter(core.id());
    let preferred = has_more || !competes || priority >= core.limits.priority;
    let seen = mutant!(SeenVotesCountAsGranted) && !pre;
    let wants = (core.log.is_up_to_date(last) || seen) && preferred;
    if may_vote && wants && !is_unwilling(core) {
        // A pre-vote is for a term to come, and an answer in ours would look stale to whoever
        // asks.
        core.send_in_term(term, from, Body::Vote { pre, granted: true });
        if !pre || mutant!(PreVotesPutOffElections) {
            core.timer.election_elapsed = 0;
        }
        if !pre {
            core.grant_vote(from);
            core.notes.elections().votes_granted += 1;
        }
    } else {
        if !pre {
            core.notes.rare().votes_refused += 1;
        }
        core.send(
            from,
            Body::Vote {
                pre,
                granted: false,
            },
        );
    }
}

/// Bugs of others: see [`crate::mutants`]. No node is.
fn is_unwilling(core: &Core) -> bool {
    let (members, id) = (&core.membership, core.id());
    let is_learner = mutant!(LearnersRefuseTheirVote) && members.is_learner(id);
    let removed = !members.is_unset() && !members.contains(id);
    is_learner || (mutant!(RemovedLeadersAreGone) && removed)
}
