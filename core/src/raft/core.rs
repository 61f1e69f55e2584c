//! What a node has in every role: its log, its members, its term and vote, and what it is about
//! to say. Only this file sends, and only this file sets term and vote.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::boxed::Boxed;
use crate::config::{Config, Limits, Settings};
use crate::error::{DropReason, Error, Result};
use crate::event::{DropKind, Dropped, Event, FlowReason};
use crate::log::{Log, LogLimits};
use crate::membership::Membership;
use crate::message::{Body, Message};
use crate::status::FlowState;
use crate::tracker::{Flow, Horizon, InflightLimits, Progress, RequestedRange};
use crate::types::*;

use super::group_commit::CommitGroups;
use super::notes::{Notes, flow_state};
use super::outbox::Outbox;
use super::promises::{OwnPromise, Promise};
use super::reports::Reports;
use super::timer::{Draws, Timer};

/// The term that a log begins with, if no election has.
pub const FIRST_TERM: Term = 1;

/// The state that all roles share.
// Ordered as `Node` is: what a heartbeat needs begins here and ends with the first part of the log.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Core {
    /// Events and counters.
    pub notes: Notes,
    /// The clocks.
    pub timer: Timer,
    term: Term,
    leader: NodeId,
    /// What is on its way out.
    pub outbox: Outbox,
    /// The node's settings.
    pub config: Settings,
    /// The log.
    pub log: Log,
    vote: NodeId,
    /// The settings that are limits.
    pub limits: Limits,
    /// The members, as of the last applied change.
    pub membership: Membership,
    /// What peers and we tell each other about requests that came to nothing.
    pub reports: Reports,
    /// Which members belong together for commits.
    pub commit_groups: CommitGroups,
    /// Members that have other limits for what is in flight to them than the settings say.
    pub own_inflight_limits: Boxed<BTreeMap<NodeId, InflightLimits>>,
    next_request: RequestId,
    draws: Draws,
}

impl Core {
    /// Starts from what is in storage.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], [`Error::InvalidRestartState`].
    pub fn new(config: Config, state: &RestartState) -> Result<Core> {
        config.validate()?;
        let limits = LogLimits {
            applying_bytes: config.committed_bytes_per_ready(),
            cached_bytes: config.max_cached_bytes,
        };
        let log = Log::restore(state, limits)?;
        let membership = Membership::restore(&state.conf_state)
            .map_err(|error| Error::InvalidRestartState(error.to_string()))?;
        let hard_state = state.hard_state;
        // Whoever founds a cluster by hand begins with a snapshot of the first term and no hard state,
        // as etcd-io/raft's first members may: the term is one that nobody has voted in yet.
        let earliest = hard_state.term.max(FIRST_TERM);
        if hard_state.term > MAX_POSITION || earliest < log.last().term {
            return Err(Error::InvalidRestartState(
                "the term is out of bounds or below the log's".to_owned(),
            ));
        }
        let notes = Notes::new(log.committed(), log.applied());
        let mut draws = Draws::new(config.election_range(), config.seed, config.id);
        Ok(Core {
            notes,
            reports: Reports::new(&config, state),
            timer: Timer::new(&mut draws),
            draws,
            config: Settings::from(&config),
            limits: Limits::from(&config),
            log,
            membership,
            outbox: Outbox::default(),
            commit_groups: CommitGroups::default(),
            own_inflight_limits: Boxed::default(),
            term: hard_state.term,
            vote: match mutant!(RestartForgetsTheVote) {
                true => NONE,
                false => hard_state.vote,
            },
            leader: NONE,
            next_request: 1,
        })
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Who got this node's vote in the current term.
    pub fn vote(&self) -> NodeId {
        self.vote
    }

    /// The leader of the current term, if known.
    pub fn leader(&self) -> NodeId {
        self.leader
    }

    /// What must be on stable storage.
    pub fn hard_state(&self) -> HardState {
        HardState {
            term: self.term,
            vote: self.vote,
            commit: self.log.committed(),
        }
    }

    /// Begins a new period in `term`: no leader is known, the clocks start anew, and a vote lasts
    /// only as long as its term.
    pub fn reset(&mut self, term: Term) {
        debug_assert!(term >= self.term, "the term never decreases");
        if term != self.term {
            self.term = term;
            self.vote = NONE;
            self.give_up_forwarded_reads();
        }
        self.set_leader(NONE);
        self.log.keep_from(Index::MAX);
        self.timer.reset(&mut self.draws);
    }

    /// Grants this term's vote.
    pub fn grant_vote(&mut self, candidate: NodeId) {
        debug_assert!(
            self.vote == NONE || self.vote == candidate,
            "one vote in one term"
        );
        self.vote = candidate;
        self.outbox.states_moved = true;
    }

    /// Learns, or forgets, who leads the current term, in the course of a change of role.
    pub fn set_leader(&mut self, leader: NodeId) {
        self.leader = leader;
        self.outbox.states_moved = true;
    }

    /// The same with the role unchanged.
    #[inline(always)]
    pub fn change_leader(&mut self, leader: NodeId) {
        if leader != self.leader {
            self.change_to_other_leader(leader);
        }
    }

    #[cold]
    #[inline(never)]
    fn change_to_other_leader(&mut self, leader: NodeId) {
        let from = self.leader;
        self.set_leader(leader);
        self.note_leader(from);
    }

    /// Notes that the leader is not what it was, if it isn't.
    pub fn note_leader(&mut self, from: NodeId) {
        let (to, term) = (self.leader, self.term);
        if from != to {
            self.notes.event(Event::LeaderChanged { from, to, term });
        }
    }

    /// Notes that a member is sent to in another way.
    pub fn note_flow(&mut self, from: FlowState, peer: &Progress, reason: FlowReason) {
        let (index, to) = match &peer.flow {
            Flow::Snapshot { index } => (*index, FlowState::Snapshot),
            flow => (peer.match_index, flow_state(flow)),
        };
        let id = peer.id;
        if from != to {
            self.notes.event(Event::FlowChanged {
                id,
                from,
                to,
                reason,
                index,
            });
        }
    }

    /// Tells the host that something that it counts on will not happen.
    pub fn drop_of_host(&mut self, kind: DropKind, reason: DropReason, data: Bytes) {
        self.notes.dropped(kind, reason, NONE, 1);
        let dropped = &mut self.outbox.rare().dropped;
        dropped.push(Dropped { kind, reason, data });
    }

    /// How much may be in flight to a peer.
    pub fn inflight_limits(&self, of: NodeId) -> InflightLimits {
        let own = self.own_inflight_limits.get();
        own.and_then(|own| own.get(&of).copied())
            .unwrap_or_else(|| {
                let limits = &self.limits;
                InflightLimits::new(limits.max_inflight_msgs, limits.max_inflight_bytes)
            })
    }

    /// Whether this node may campaign: it votes, and knows its log.
    pub fn is_promotable(&self) -> bool {
        let id = self.id();
        self.membership.is_voter(id) && !self.log.has_unstable_snapshot()
    }

    /// Whether the log has committed an entry of this term. Until then, a new leader can't know
    /// how far its predecessors had committed (thesis §6.4).
    pub fn has_committed_in_term(&self) -> bool {
        self.log.term(self.log.committed()) == Ok(self.term)
    }

    /// Makes the node's own acknowledgement, if it is the last thing to wait for the next write, one
    /// of everything up to `index`. Returns whether it is.
    pub fn extend_own_accept(&mut self, index: Index) -> bool {
        if !self.config.async_storage_writes {
            return self.outbox.extend_own_accept(self.term, index);
        }
        let id = self.id();
        match self.outbox.last_after_append() {
            Some(Message {
                to,
                term,
                body: Body::Accept { index: accepted },
                ..
            }) if *to == id && *term == self.term => {
                *accepted = index;
                true
            }
            _ => false,
        }
    }

    /// Sends in the current term. Inlined, so that a message is written in its place in the outbox
    /// with just the fields that it has: 40 instructions less than to copy it there.
    #[inline(always)]
    pub fn send(&mut self, to: NodeId, body: Body) {
        self.send_in_term(self.term, to, body);
    }

    /// Sends in another term than the current one: a pre-vote, or its answer.
    #[inline(always)]
    pub fn send_in_term(&mut self, term: Term, to: NodeId, body: Body) {
        self.post(Message {
            to,
            from: self.id(),
            term,
            body,
        });
    }

    /// Passes on what is valid in any term. `from` stays the one who first asked.
    pub fn forward(&mut self, from: NodeId, to: NodeId, body: Body) {
        let term = match body {
            Body::Propose { .. } | Body::ReadIndex { .. } => 0,
            _ => self.term,
        };
        let from = if from == NONE { self.id() } else { from };
        self.post(Message {
            to,
            from,
            term,
            body,
        });
    }

    /// Tells a peer what has become of something. Valid in any term.
    pub fn report(&mut self, to: NodeId, body: Body) {
        debug_assert!(body.is_report(), "only reports");
        self.notes.rare().reports_sent += 1;
        self.send_in_term(0, to, body);
    }

    /// Whether a request for votes has to wait for the term and the log that it speaks of. With
    /// synchronous writes the host persists before it sends. With asynchronous ones, a candidate
    /// that forgets both in a crash would ask again in the same term, with a shorter log, and could
    /// count votes for the longer one.
    /// Without coalesced appends it leaves at once, as in etcd-io/raft.
    fn holds_vote_request(&self, body: &Body) -> bool {
        let asks = matches!(body, Body::RequestVote { pre: false, .. });
        asks && self.config.async_storage_writes && self.config.coalesce_appends
    }

    #[inline(always)]
    fn post(&mut self, message: Message) {
        if message.to >= LOCAL_APPLY {
            // Somebody has been let in under an id that stands for a storage worker. Nothing is
            // heard from there, and what is said there would be taken for the host's own work.
            return;
        }
        if message.to != self.id() {
            let counters = &mut self.notes.frequent;
            counters.messages_sent += 1;
            match message.body {
                Body::Append { .. } => self.notes.replication().appends_sent += 1,
                Body::Heartbeat { .. } => counters.heartbeats_sent += 1,
                Body::InstallSnapshot { .. } => self.notes.rare().snapshots_sent += 1,
                _ => {}
            }
        }
        if message.body.waits_for_storage() || self.holds_vote_request(&message.body) {
            match message.to == self.id() && !self.config.async_storage_writes {
                true => self.promise_self(message.term, &message.body),
                false => self.outbox.send_after_append(message),
            }
        } else {
            debug_assert_ne!(message.to, self.id(), "only promises go to the node itself");
            self.outbox.send(message);
        }
    }

    /// Notes what the node promises itself, to be counted when the host has written it.
    #[inline(always)]
    fn promise_self(&mut self, term: Term, body: &Body) {
        let what = match *body {
            Body::Accept { index } => Promise::Accept(index),
            Body::Vote { pre, granted: true } => Promise::Vote { pre },
            // To lose a promise without a word could cost a vote or an entry.
            _ => unreachable!("a node acknowledges and votes for itself, no more"),
        };
        self.outbox.promise_self(OwnPromise { term, what });
    }

    /// Answers the reader `from` that `index` is a read index for it (thesis §6.4, step 4).
    pub fn answer_read(&mut self, from: NodeId, index: Index, context: Option<Bytes>) {
        self.notes.rare().reads_answered += 1;
        if from == NONE || from == self.id() {
            let context = context.unwrap_or_default();
            self.outbox.push_read_state(ReadState { index, context });
        } else {
            self.send(from, Body::ReadIndexResp { index, context });
        }
    }

    /// What there is to send now.
    pub fn horizon(&self) -> Horizon {
        Horizon {
            last: self.log.last_index(),
            commit: self.log.committed(),
        }
    }

    /// Holds a place for what can't be sent before a request is answered that comes earlier.
    pub fn hold_place(&mut self) -> RequestId {
        let id = self.take_request_id();
        self.outbox.hold_place(id);
        id
    }

    /// Asks the host for entries.
    pub fn request_entries(&mut self, low: Index, high: Index, max_bytes: u64) -> RequestId {
        let id = self.take_request_id();
        self.notes.rare().requests_made += 1;
        self.outbox.rare().reads.push(ReadRequest {
            id,
            low,
            high,
            max_bytes,
        });
        id
    }

    /// Asks the host for a snapshot.
    pub fn request_snapshot(&mut self, to: NodeId, min_index: Index) -> RequestId {
        let id = self.take_request_id();
        self.notes.rare().requests_made += 1;
        self.outbox
            .rare()
            .snapshot_requests
            .push(SnapshotRequest { id, to, min_index });
        id
    }

    fn take_request_id(&mut self) -> RequestId {
        let id = self.next_request;
        self.next_request += 1;
        id
    }

    /// Asks once more for what may have got lost. The request keeps its id, so that a host that is
    /// slow rather than deaf is heard whenever it answers.
    pub fn repeat_request(&mut self, id: RequestId, range: RequestedRange, to: NodeId) {
        self.notes.rare().requests_repeated += 1;
        match range {
            RequestedRange::Snapshot { min_index } => {
                self.outbox
                    .rare()
                    .snapshot_requests
                    .push(SnapshotRequest { id, to, min_index });
            }
            RequestedRange::Entries { low, high } => self.outbox.rare().reads.push(ReadRequest {
                id,
                low,
                high,
                max_bytes: self.limits.max_size_per_msg,
            }),
        }
    }

    /// Whether a whole election timeout, not randomized, has passed.
    pub fn is_past_election_timeout(&self) -> bool {
        self.timer.election_elapsed >= self.config.election_ticks
    }

    /// Whether a request has waited so long that its answer may be lost.
    pub fn is_overdue(&self, asked_at: u64) -> bool {
        self.timer.now - asked_at >= u64::from(self.config.election_ticks)
    }
}
