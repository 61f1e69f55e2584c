//! Elections: when a node campaigns, whom it asks, and whom it votes for (paper §5.2, §5.4.1).

use super::{Core, Next, Raft, RoleState};
use crate::message::Body;
use crate::types::{EntryId, MAX_POSITION, NONE, NodeId, Term};

/// A kind of campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Campaign {
    /// Finds out first whether an election could be won (thesis §9.6).
    PreElection,
    /// Starts a term.
    Election,
    /// Starts a term because the leader has asked for it (thesis §3.10).
    Transfer,
}

impl Raft {
    /// Campaigns, in the way that the settings say, unless the node can't lead now.
    pub fn campaign(&mut self) {
        self.maybe_campaign(match self.core.config.pre_vote {
            true => Campaign::PreElection,
            false => Campaign::Election,
        });
    }

    pub(super) fn maybe_campaign(&mut self, kind: Campaign) {
        let core = &self.core;
        let leads = matches!(self.role, RoleState::Leader(_));
        // With a committed change not applied, the node would count votes by an old
        // configuration.
        if leads
            || !core.is_promotable()
            || core.log.has_unapplied_conf_change()
            || core.term() >= MAX_POSITION
        {
            return;
        }
        self.transition(Next::Campaign(kind));
    }
}

/// Asks all voters, itself included. Its own vote counts no earlier than it is on stable storage,
/// so that it travels like any other.
pub(super) fn request_votes(core: &mut Core, kind: Campaign) {
    let pre = kind == Campaign::PreElection;
    let term = if pre { core.term() + 1 } else { core.term() };
    let last = core.log.last();
    for voter in core.membership.voters() {
        let body = if voter == core.id() {
            Body::Vote { pre, granted: true }
        } else {
            Body::RequestVote {
                pre,
                last,
                transfer: kind == Campaign::Transfer,
                priority: core.config.priority,
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
    // can win.
    let ours = core.log.last();
    let has_more = (last.term, last.index) > (ours.term, ours.index);
    let preferred = has_more || priority >= core.config.priority;
    if may_vote && core.log.is_up_to_date(last) && preferred {
        // A pre-vote is for a term to come, and an answer in ours would look stale to whoever
        // asks.
        core.send_in_term(term, from, Body::Vote { pre, granted: true });
        if !pre {
            core.timer.election_elapsed = 0;
            core.grant_vote(from);
        }
    } else {
        core.send(
            from,
            Body::Vote {
                pre,
                granted: false,
            },
        );
    }
}
