//! What nodes tell each other, beyond the protocol, of requests that came to nothing: the extension
//! behind [`crate::Config::peer_reports`].
//!
//! A report must be certain: what it says was dropped is never applied, whatever the network loses,
//! repeats or reorders. For a proposal, that takes a [`Ticket`]. It names the leadership that the
//! proposal is sent to, and only that leader may take it, once: in any other term, and when it comes
//! again, a proposal with a ticket is discarded. So there is one node that decides, and only if it
//! still knows that it has not taken the proposal does it report. A restart forgets, and then there
//! is silence, as there always was.
//!
//! For a read, the one who asked is the one to be sure: it keeps the reads that it has passed on, and
//! withholds an answer to one that it has given up. Without the extension it doesn't, since
//! etcd-io/raft does not either.
//!
//! A node that asks for votes is told that it has been removed by any member that does not find it in
//! its configuration, if that has applied at least as much as the candidate's whole log. The
//! candidate votes by the configuration that it has applied itself, which is an earlier one, so that
//! its removal lies between. Whether it has been added again since, nobody claims to know.

use std::collections::VecDeque;
use std::slice;

use bytes::Bytes;
use fastrand::Rng;

use super::{Core, Next, Raft, RoleState};
use crate::config::Config;
use crate::error::{DropReason, Error, Impossible, Result};
use crate::event::{DropKind, Event};
use crate::message::{Body, Message, Ticket};
use crate::types::{Entry, Index, NONE, NodeId, RestartState, Term};

/// A leader keeps account of the tickets of this many runs of other nodes; what comes from more is
/// taken without a promise to report.
const MAX_ORIGINS: usize = 64;

/// A ticket whose number is this far behind the newest counts as one that has been used.
const WINDOW: u64 = u128::BITS as u64;

/// What a node has to remember for the sake of reports.
#[derive(Clone, Debug)]
pub struct Reports {
    incarnation: u64,
    /// The term of this node's last leadership.
    led: Term,
    /// This node was no member when this index was applied.
    removed_as_of: Index,
    /// Nothing as long as there is nothing to remember: without the extension, for good.
    memory: Option<Box<Memory>>,
}

#[derive(Clone, Debug, Default)]
struct Memory {
    /// The number of the last ticket.
    issued: u64,
    /// The tickets that came back, so that no report counts twice.
    returned: Numbers,
    /// Reads that were passed on and not answered, the oldest first.
    reads: VecDeque<Bytes>,
    /// The tickets used in the last leadership.
    origins: Vec<Origin>,
}

/// The tickets of one run of one node that a leader has seen.
#[derive(Clone, Copy, Debug)]
struct Origin {
    id: NodeId,
    incarnation: u64,
    used: Numbers,
}

/// Numbers of tickets, counted up from 1. Those far behind the newest count as being among them.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    /// 0 if there is none yet.
    newest: u64,
    /// Bit n stands for the number `newest - n`.
    recent: u128,
}

impl Numbers {
    fn contains(&self, number: u64) -> bool {
        if number > self.newest {
            return false;
        }
        let behind = self.newest - number;
        behind >= WINDOW || self.recent & (1 << behind) != 0
    }

    fn insert(&mut self, number: u64) {
        if number > self.newest {
            let ahead = u32::try_from(number - self.newest).unwrap_or(u32::MAX);
            self.recent = self.recent.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = number;
        } else if self.newest - number < WINDOW {
            self.recent |= 1 << (self.newest - number);
        }
    }
}

/// What a leader knows of a ticket.
enum Sight {
    New,
    Used,
    /// There are too many runs to keep account of this one.
    Unknown,
}

impl Reports {
    /// A node begins. Its runs must be told apart, without a clock: by the seed, and by what is in
    /// storage. Should two be alike after all, proposals of the second may be taken for repeats and
    /// discarded, but none is ever reported wrongly.
    pub fn new(config: &Config, state: &RestartState) -> Reports {
        let mut seed = config.seed;
        for part in [config.id, state.hard_state.term, state.last_index] {
            seed = Rng::with_seed(seed ^ part).u64(..);
        }
        Reports {
            incarnation: seed,
            led: 0,
            removed_as_of: 0,
            memory: None,
        }
    }

    fn memory(&mut self) -> &mut Memory {
        self.memory.get_or_insert_default()
    }

    fn issue(&mut self, term: Term) -> Ticket {
        let memory = self.memory();
        memory.issued += 1;
        Ticket {
            number: memory.issued,
            incarnation: self.incarnation,
            term,
        }
    }

    /// A leadership begins: what was sent to an earlier one is void.
    pub fn begin_leadership(&mut self, term: Term) {
        self.led = term;
        if let Some(memory) = &mut self.memory {
            memory.origins.clear();
        }
    }

    fn origin(&mut self, from: NodeId, ticket: Ticket) -> Option<&mut Origin> {
        let origins = &mut self.memory.as_mut()?.origins;
        origins
            .iter_mut()
            .find(|origin| (origin.id, origin.incarnation) == (from, ticket.incarnation))
    }

    fn look(&mut self, from: NodeId, ticket: Ticket) -> Sight {
        let full = self
            .memory
            .as_ref()
            .map_or(0, |memory| memory.origins.len())
            >= MAX_ORIGINS;
        match self.origin(from, ticket) {
            None if full => Sight::Unknown,
            None => Sight::New,
            Some(origin) if origin.used.contains(ticket.number) => Sight::Used,
            Some(_) => Sight::New,
        }
    }

    /// Marks a ticket that was found to be new.
    fn mark(&mut self, from: NodeId, ticket: Ticket) {
        if let Some(origin) = self.origin(from, ticket) {
            origin.used.insert(ticket.number);
            return;
        }
        let mut used = Numbers::default();
        used.insert(ticket.number);
        self.memory().origins.push(Origin {
            id: from,
            incarnation: ticket.incarnation,
            used,
        });
    }
}

impl Core {
    /// The ticket for a proposal of this node's host that goes to the leader.
    pub fn ticket(&mut self) -> Option<Ticket> {
        let term = self.term();
        let wanted = self.config.peer_reports;
        wanted.then(|| self.reports.issue(term))
    }

    /// Keeps a read that is passed on. If there are too many, the oldest gives way: its answer is
    /// the one most likely to be lost.
    pub fn keep_forwarded_read(&mut self, context: &Bytes) {
        if !self.config.peer_reports {
            return;
        }
        let reads = &mut self.reports.memory().reads;
        if reads.len() >= self.limits.max_pending_reads as usize
            && let Some(oldest) = reads.pop_front()
        {
            self.drop_of_host(DropKind::Read, DropReason::TooManyReads, oldest);
        }
        self.reports.memory().reads.push_back(context.clone());
    }

    /// Whether the host still waits for this read, as it will no longer.
    pub fn settle_forwarded_read(&mut self, context: &Bytes) -> bool {
        if !self.config.peer_reports {
            return true;
        }
        let Some(memory) = &mut self.reports.memory else {
            return false;
        };
        let reads = &mut memory.reads;
        let place = reads.iter().position(|read| read == context);
        place.and_then(|place| reads.remove(place)).is_some()
    }

    /// The term has changed: whoever leads now was not asked.
    pub fn give_up_forwarded_reads(&mut self) {
        while let Some(memory) = &mut self.reports.memory
            && let Some(context) = memory.reads.pop_front()
        {
            self.drop_of_host(DropKind::Read, DropReason::LeaderChanged, context);
        }
    }

    /// Doesn't take a read.
    ///
    /// # Errors
    /// [`Error::ReadDropped`] for one of the host's own. Another node is told if it has asked for
    /// that, and will ask again otherwise.
    pub fn refuse_read(
        &mut self,
        from: NodeId,
        context: Bytes,
        reports: bool,
        reason: DropReason,
    ) -> Result<()> {
        if from == NONE {
            return Err(Error::ReadDropped(reason));
        }
        self.notes.dropped(DropKind::Read, reason, from, 1);
        if reports && self.config.peer_reports && from != self.id() {
            self.report(from, Body::ReadDropped { reason, context });
        }
        Ok(())
    }

    /// This node has applied its own removal.
    pub fn note_own_removal(&mut self) {
        let as_of = self.log.applying();
        self.reports.removed_as_of = as_of;
        let by = self.id();
        self.notes.event(Event::Removed { by, as_of });
    }

    /// This node has applied that it is a member again, maybe in the same Ready.
    pub fn note_own_return(&mut self) {
        if self.reports.removed_as_of <= self.log.applying() {
            self.reports.removed_as_of = 0;
        }
    }

    /// When this node was no member, if it knows of nothing newer; 0 if it is one.
    pub fn removed_as_of(&self) -> Index {
        let as_of = self.reports.removed_as_of;
        match self.membership.contains(self.id()) && as_of <= self.log.applied() {
            true => 0,
            false => as_of,
        }
    }

    /// Tells a candidate that it is no member any more.
    #[inline(always)]
    pub fn maybe_report_removal(&mut self, message: &Message) {
        let Body::RequestVote { last, reports, .. } = &message.body else {
            return;
        };
        let (from, as_of) = (message.from, self.log.applied());
        let from_peer = from != NONE && from != self.id();
        let removed = !self.membership.contains(from) && last.index <= as_of && as_of > 0;
        if *reports && self.config.peer_reports && from_peer && removed {
            self.report(from, Body::Removed { as_of });
        }
    }
}

/// What a list of proposed entries counts as.
fn kind_of(entries: &[Entry]) -> DropKind {
    match entries.iter().any(Entry::is_conf_change) {
        true => DropKind::ConfChange,
        false => DropKind::Proposal,
    }
}

impl Raft {
    /// Proposals, of the host or of another node.
    ///
    /// # Errors
    /// [`Error::ProposalDropped`] if they are not taken and that is not reported to a peer.
    pub(super) fn on_proposal(
        &mut self,
        from: NodeId,
        mut entries: Vec<Entry>,
        ticket: Option<Ticket>,
    ) -> Result<()> {
        match ticket.filter(|_| self.core.config.peer_reports) {
            Some(ticket) => self.propose_with_ticket(from, entries, ticket),
            None => self.propose(from, &mut entries),
        }
    }

    /// Proposals without a ticket, of which there is at least one. They are taken out of the list, unless
    /// that fails.
    ///
    /// # Errors
    /// [`Error::ProposalDropped`] if they are not taken.
    #[inline]
    pub fn propose(&mut self, from: NodeId, entries: &mut [Entry]) -> Result<()> {
        let core = &mut self.core;
        let result = match &mut self.role {
            RoleState::Leader(role) => role.on_propose(core, from, entries),
            RoleState::Follower(role) => role.on_propose(core, from, entries),
            RoleState::PreCandidate(role) | RoleState::Candidate(role) => role.on_propose(),
        };
        if let Err(Error::ProposalDropped(reason)) = &result {
            core.notes
                .dropped(kind_of(entries), *reason, from, entries.len());
        }
        result
    }

    fn propose_with_ticket(
        &mut self,
        from: NodeId,
        mut entries: Vec<Entry>,
        ticket: Ticket,
    ) -> Result<()> {
        let (kind, count) = (kind_of(&entries), entries.len());
        let core = &mut self.core;
        let sight = match ticket.term == core.reports.led {
            true => core.reports.look(from, ticket),
            false => Sight::Used,
        };
        if matches!(sight, Sight::Used) {
            core.notes.rare().repeats_discarded += 1;
            return Ok(());
        }
        let RoleState::Leader(leader) = &mut self.role else {
            if matches!(sight, Sight::New) {
                core.reports.mark(from, ticket);
                let reason = DropReason::LeaderChanged;
                core.notes.dropped(kind, reason, from, count);
                core.report_proposal(from, ticket, reason, entries);
            }
            return Ok(());
        };
        if matches!(sight, Sight::Unknown) {
            return self.propose(from, &mut entries);
        }
        let screened = match leader.admit(core, &entries) {
            Err(Error::ProposalDropped(reason)) => {
                core.reports.mark(from, ticket);
                core.notes.dropped(kind, reason, from, count);
                core.report_proposal(from, ticket, reason, entries);
                return Ok(());
            }
            other => other?,
        };
        let refused = screened.take_out(&mut entries);
        leader.take(core, &mut entries, &screened);
        core.reports.mark(from, ticket);
        // Who sends several at once is told one reason for all of them.
        let reason = refused.first().map(|(reason, _)| *reason);
        let mut entries = Vec::with_capacity(refused.len());
        for (reason, entry) in refused {
            core.notes.dropped(DropKind::ConfChange, reason, from, 1);
            entries.push(entry);
        }
        if let Some(reason) = reason {
            core.report_proposal(from, ticket, reason, entries);
        }
        Ok(())
    }

    /// A peer says what has become of something.
    pub(super) fn on_report(&mut self, from: NodeId, body: &mut Body) -> Next {
        let core = &mut self.core;
        if !core.config.peer_reports {
            return Next::Stay;
        }
        match body {
            Body::ProposalDropped {
                ticket,
                reason,
                entries,
            } => {
                // An earlier run's, or one that has been reported.
                let reports = &mut core.reports;
                let this_run = ticket.incarnation == reports.incarnation;
                // Whoever has issued a ticket remembers it.
                let Some(memory) = reports.memory.as_mut().filter(|_| this_run) else {
                    return Next::Stay;
                };
                let issued = (1..=memory.issued).contains(&ticket.number);
                if !issued || memory.returned.contains(ticket.number) {
                    return Next::Stay;
                }
                memory.returned.insert(ticket.number);
                core.notes.rare().reports_received += 1;
                for entry in std::mem::take(entries) {
                    let kind = kind_of(slice::from_ref(&entry));
                    core.drop_of_host(kind, *reason, entry.data);
                }
            }
            Body::ReadDropped { reason, context } if core.settle_forwarded_read(context) => {
                core.notes.rare().reports_received += 1;
                core.drop_of_host(DropKind::Read, *reason, std::mem::take(context));
            }
            Body::Removed { as_of } => {
                // If it is a member as of what it has applied, then it has been added since.
                let news = *as_of > core.log.applied() && core.removed_as_of() == 0;
                if news && core.membership.contains(core.id()) {
                    core.notes.rare().reports_received += 1;
                    core.reports.removed_as_of = *as_of;
                    core.notes.event(Event::Removed {
                        by: from,
                        as_of: *as_of,
                    });
                }
            }
            _ => {}
        }
        Next::Stay
    }
}

impl Core {
    fn report_proposal(
        &mut self,
        to: NodeId,
        ticket: Ticket,
        reason: DropReason,
        entries: Vec<Entry>,
    ) {
        if to != NONE && to != self.id() {
            let body = Body::ProposalDropped {
                ticket: Box::new(ticket),
                reason,
                entries,
            };
            self.report(to, body);
        }
    }

    /// Whether some node can have sent this report.
    ///
    /// # Errors
    /// What no correct peer says.
    pub fn vet_report(&self, from: NodeId, body: &Body) -> std::result::Result<(), Impossible> {
        if from == NONE || from == self.id() {
            return Err(Impossible::NoSender);
        }
        match body {
            Body::ProposalDropped { entries, .. } if entries.is_empty() => {
                Err(Impossible::EmptyProposal)
            }
            Body::ProposalDropped { ticket, .. } if ticket.number == 0 => {
                Err(Impossible::UnaskedReport)
            }
            Body::Removed { as_of: 0 } => Err(Impossible::OutOfBounds),
            _ => Ok(()),
        }
    }
}
