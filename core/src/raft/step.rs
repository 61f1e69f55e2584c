//! The door: what comes in is vetted, its term is aligned with ours, and a table says who
//! handles it.
//!
//! Vetting comes first, so that a message that no correct node can have sent changes nothing at
//! all, not even the term.

use std::mem::take;

use crate::error::{Error, Result};
use crate::event::{CampaignKind, CampaignReason, DropKind};
use crate::log::LogSlice;
use crate::message::{Body, Message};
use crate::types::{NONE, NodeId};

use super::{Core, Follower, Next, Raft, RoleState, Why, election};

/// What the terms say about a message.
enum Aligned {
    /// It belongs to our term, which may be a new one now.
    Current,
    /// It is stale, or must not disturb us. It has been answered if that was needed.
    Done,
}

impl Raft {
    /// Takes a message of another node, and out of it what it brings: the caller has no use for the
    /// rest, and to hand over the message itself would be to copy 80 bytes at each turn. After an
    /// error the message may lack what would have been kept of it; the node has not changed.
    ///
    /// # Errors
    /// [`Error::LocalMessage`], [`Error::UnknownPeer`] or [`Error::Impossible`] if no correct
    /// node can have sent it; [`Error::ProposalDropped`] for a proposal that can't be taken.
    // Appends and their answers go the way of all others, in copies of it that are compiled for them: what is asked
    // of the body on its way then needs no table, which is 32 instructions less for each.
    #[inline(always)]
    pub fn step(&mut self, message: &mut Message) -> Result<()> {
        match message.body {
            Body::Append { .. } => self.step_kind(message),
            Body::Accept { .. } => self.step_kind(message),
            _ => self.step_any(message),
        }
    }

    /// The same for heartbeats and their answers.
    // Short, so that two followers are fetched at once, if neither is in a cache: a processor looks some 250
    // instructions ahead. Any other message goes the usual way.
    #[inline(always)]
    pub fn step_heartbeat(&mut self, message: &mut Message) -> Result<()> {
        match message.body {
            Body::Heartbeat { .. } => self.step_kind(message),
            Body::HeartbeatResp { .. } => self.step_kind(message),
            _ => self.step_any(message),
        }
    }

    #[inline(never)]
    fn step_any(&mut self, message: &mut Message) -> Result<()> {
        self.step_kind(message)
    }

    #[inline(always)]
    fn step_kind(&mut self, message: &mut Message) -> Result<()> {
        self.vet_origin(message)?;
        self.step_trusted(message)?;
        self.core.notes.frequent.messages_received += 1;
        Ok(())
    }

    /// Takes a call of the host, in the name of `from`.
    pub fn call(&mut self, from: NodeId, body: Body) -> Result<()> {
        let to = self.core.id();
        let result = self.step_trusted(&mut Message {
            to,
            from,
            term: 0,
            body,
        });
        if let Err(Error::ReadDropped(reason)) = result {
            self.core.notes.dropped(DropKind::Read, reason, from, 1);
        }
        result
    }

    /// Takes a promise of this node to itself, now that it is on stable storage.
    pub fn step_own(&mut self, message: &mut Message) -> Result<()> {
        debug_assert_eq!(message.from, self.core.id());
        self.step_trusted(message)
    }

    #[inline(always)]
    fn step_trusted(&mut self, message: &mut Message) -> Result<()> {
        let is_of_other_term = |term, ours| term != 0 && term != ours;
        if is_of_other_term(message.term, self.core.term()) && message.body.is_of_any_term() {
            // Whatever it says.
            message.term = 0;
        }
        self.vet(message).map_err(Error::Impossible)?;
        self.core.maybe_report_removal(message);
        if is_of_other_term(message.term, self.core.term())
            && matches!(self.align_term(message)?, Aligned::Done)
        {
            return Ok(());
        }
        self.dispatch(message)
    }

    /// Compares the message's term with ours (paper §5.1), which is another one, and follows a newer
    /// one.
    #[inline(never)]
    fn align_term(&mut self, message: &Message) -> Result<Aligned> {
        let (term, ours) = (message.term, self.core.term());
        let counts_in_any_term = match message.body {
            Body::TimeoutNow => mutant!(LateTimeoutNow),
            Body::StorageAppendResp { .. } => mutant!(OldWritesCount),
            Body::Vote {
                pre: false,
                granted: true,
            } => mutant!(TwoLeadersOfATerm),
            Body::Accept { .. } => mutant!(OldAcknowledgementsCount),
            _ => false,
        };
        if term < ours && counts_in_any_term {
            return Ok(Aligned::Current);
        }
        if term < ours {
            self.answer_stale(message)?;
            return Ok(Aligned::Done);
        }
        let raises_term = match message.body {
            Body::RequestVote { pre, transfer, .. } => {
                if !transfer && self.is_in_lease() {
                    return Ok(Aligned::Done);
                }
                !pre
            }
            // It grants what we asked for in a term to come. A refusal, however, comes in the
            // term of one that is ahead of us.
            Body::Vote { pre, granted } => !(pre && granted),
            _ => true,
        };
        if raises_term {
            let leader = match message.body.is_from_leader() {
                true => message.from,
                false => NONE,
            };
            let why = Why::HigherTerm(message.from);
            self.transition(Next::Follow { term, leader, why });
        }
        Ok(Aligned::Current)
    }

    /// Whether a leader has been heard from so recently that nobody else can be wanted
    /// (thesis §4.2.3).
    fn is_in_lease(&self) -> bool {
        let core = &self.core;
        core.config.check_quorum && core.leader() != NONE && !core.is_past_election_timeout()
    }

    /// A message of an older term. Where silence could leave its sender stuck, it is told ours.
    fn answer_stale(&mut self, message: &Message) -> Result<()> {
        let core = &mut self.core;
        let guarded = core.config.check_quorum || core.config.pre_vote;
        match &message.body {
            // We have come back with a newer term than the leader's. It can't learn that from a
            // vote request, which others ignore while they hear from it, so it must from us.
            Body::Heartbeat { .. } | Body::Append { .. } if guarded => {
                core.send(message.from, Body::Outdated);
            }
            // A candidate with a shorter log and a newer term than others waits for an answer:
            // with silence, neither side could ever win.
            Body::RequestVote { pre: true, .. } if !mutant!(OldPreVotesGoUnanswered) => {
                let body = Body::Vote {
                    pre: true,
                    granted: false,
                };
                core.send(message.from, body);
            }
            // The entries may have been replaced since, so that they say nothing. A snapshot is
            // of committed state, whatever the term.
            Body::StorageAppendResp {
                snapshot: Some(snapshot),
                ..
            } => self.on_snapshot_persisted(snapshot.id.index)?,
            _ => {}
        }
        Ok(())
    }

    /// The table: who handles what. What the handlers keep is taken out of the body.
    #[inline(always)]
    fn dispatch(&mut self, message: &mut Message) -> Result<()> {
        let (from, term) = (message.from, message.term);
        let (core, role) = (&mut self.core, &mut self.role);
        let next = match &mut message.body {
            Body::Append {
                prev,
                entries,
                commit,
            } => match self.follower_of(from) {
                Some((role, core)) => {
                    role.on_append(core, from, LogSlice::checked(*prev, take(entries)), *commit)
                }
                None => Next::Stay,
            },
            Body::Accept { index } => match role {
                RoleState::Leader(role) => role.on_accept(core, from, *index),
                _ => Next::Stay,
            },
            Body::Heartbeat { commit, context } => match self.follower_of(from) {
                Some((role, core)) => role.on_heartbeat(core, from, *commit, take(context)),
                None => Next::Stay,
            },
            Body::HeartbeatResp { context } => match role {
                RoleState::Leader(role) => role.on_heartbeat_resp(core, from, context),
                _ => Next::Stay,
            },
            Body::Propose { entries, ticket } => {
                return self.on_proposal(from, take(entries), ticket.as_deref().copied());
            }

            Body::Reject { index, hint } => match role {
                RoleState::Leader(role) => role.on_reject(core, from, *index, *hint),
                _ => Next::Stay,
            },
            Body::Outdated => match role {
                RoleState::Leader(role) => role.on_accept(core, from, 0),
                _ => Next::Stay,
            },
            Body::RequestSnapshot { min_index } => match role {
                RoleState::Leader(role) => role.on_request_snapshot(core, from, *min_index),
                _ => Next::Stay,
            },
            Body::InstallSnapshot { snapshot } => match self.follower_of(from) {
                Some((role, core)) => role.on_install_snapshot(core, from, take(snapshot)),
                None => Next::Stay,
            },

            Body::RequestVote {
                pre,
                last,
                priority,
                ..
            } => {
                election::on_request_vote(core, from, term, *pre, *last, *priority);
                Next::Stay
            }
            Body::Vote { pre, granted } => match role {
                RoleState::PreCandidate(role) if *pre => {
                    let won = Next::Campaign {
                        kind: CampaignKind::Election,
                        reason: CampaignReason::PreElectionWon,
                    };
                    role.on_vote(core, from, *granted, won)
                }
                RoleState::Candidate(role) if !*pre || mutant!(PreVotesCountAsVotes) => {
                    role.on_vote(core, from, *granted, Next::Lead)
                }
                _ => Next::Stay,
            },
            Body::TimeoutNow => {
                if matches!(role, RoleState::Follower(_)) {
                    self.maybe_campaign(CampaignKind::Transfer, CampaignReason::LeaderAsked);
                }
                return Ok(());
            }

            Body::ReadIndex { context, reports } => match role {
                RoleState::Follower(role) => {
                    role.on_read_index(core, from, take(context), *reports)?
                }
                RoleState::PreCandidate(role) | RoleState::Candidate(role) => {
                    role.on_read_index(core, from, take(context), *reports)?
                }
                RoleState::Leader(role) => {
                    role.on_read_index(core, from, take(context), *reports)?
                }
            },
            Body::ReadIndexResp { index, context } => match role {
                RoleState::Follower(role) => role.on_read_index_resp(core, *index, take(context)),
                _ => Next::Stay,
            },
            Body::TransferLeader => match role {
                RoleState::Follower(role) => role.on_transfer_leader(core, from),
                RoleState::Leader(role) => role.on_transfer_leader(core, from),
                _ => Next::Stay,
            },
            Body::ForgetLeader => match role {
                RoleState::Follower(role) => role.on_forget_leader(core),
                _ => Next::Stay,
            },

            report @ (Body::ProposalDropped { .. }
            | Body::ReadDropped { .. }
            | Body::Removed { .. }) => self.on_report(from, report),

            Body::StorageAppendResp { last, snapshot } => {
                let snapshot = snapshot.as_ref().map(|snapshot| snapshot.id.index);
                return self.on_appended(*last, snapshot);
            }
            Body::StorageApplyResp { entries } => return self.on_applied_entries(entries),
            Body::StorageAppend { .. } | Body::StorageApply { .. } => Next::Stay,
        };
        self.transition(next);
        Ok(())
    }

    /// This node as one that follows a leader of its term: if it is in an election, somebody else has
    /// won that.
    #[inline(always)]
    fn follower_of(&mut self, leader: NodeId) -> Option<(&mut Follower, &mut Core)> {
        if !matches!(self.role, RoleState::Follower(_)) {
            self.give_way(leader);
        }
        match &mut self.role {
            RoleState::Follower(role) => Some((role, &mut self.core)),
            _ => None,
        }
    }

    /// Gives up an election.
    #[cold]
    #[inline(never)]
    fn give_way(&mut self, leader: NodeId) {
        if let RoleState::PreCandidate(_) | RoleState::Candidate(_) = self.role {
            let term = self.core.term();
            let why = Why::LeaderAppeared(leader);
            self.transition(Next::Follow { term, leader, why });
        }
    }

    /// Time passes.
    pub fn tick(&mut self) {
        self.core.timer.now += 1;
        let next = match &mut self.role {
            RoleState::Leader(role) => role.on_tick(&mut self.core),
            _ => {
                self.core.timer.pass_tick();
                // Time first: whether the node votes is three lines more to fetch.
                if self.core.timer.is_past_randomized_timeout() && self.core.is_promotable() {
                    self.core.timer.election_elapsed = 0;
                    self.campaign(CampaignReason::Timeout);
                }
                Next::Stay
            }
        };
        self.transition(next);
        self.repeat_apply_read();
    }
}
