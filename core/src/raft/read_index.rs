//! Linearizable reads without a log entry (thesis §6.4).
//!
//! A read may be answered with the commit index of its arrival, once the leader knows that it
//! still led then: a quorum has answered a heartbeat that was sent later. Reads queue up in the
//! order of arrival and each heartbeat carries the position of the newest, so that one answer
//! confirms all up to there, and an old answer none that came after it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::leader::Leader;
use super::{Core, Next};
use crate::config::ReadOnlyOption;
use crate::error::{DropReason, Result};
use crate::event::DropKind;
use crate::types::{Index, NodeId};

/// A read that waits.
#[derive(Clone, Debug)]
struct Read {
    from: NodeId,
    context: Option<Bytes>,
    /// Whether the one who asks wants to hear if it is dropped.
    reports: bool,
}

/// The reads that a leader has not answered yet.
#[derive(Clone, Debug, Default)]
pub struct ReadIndexQueue {
    /// Those that came before anything was committed in this term.
    postponed: Vec<Read>,
    /// The highest position that each member has acknowledged.
    acks: Vec<(NodeId, u64)>,
    /// How many have been confirmed. The position of a read is its number, counted from 1.
    confirmed: u64,
    /// Those that wait for heartbeats, with the commit index of their arrival.
    unconfirmed: VecDeque<(Read, Index)>,
}

impl ReadIndexQueue {
    fn len(&self) -> usize {
        self.postponed.len() + self.unconfirmed.len()
    }

    /// The position of the newest read.
    fn newest(&self) -> u64 {
        self.confirmed + self.unconfirmed.len() as u64
    }

    /// What a heartbeat carries for those who wait; empty when nobody does.
    fn heartbeat_context(&self) -> Bytes {
        match self.unconfirmed.is_empty() {
            _ if mutant!(ReadsAreKnownByName) => self.newest_name(),
            true => Bytes::new(),
            // One allocation for all heartbeats, where `copy_from_slice` would take two.
            false => Bytes::from_owner(self.newest().to_le_bytes()),
        }
    }

    fn acknowledge(&mut self, from: NodeId, position: u64) {
        match self.acks.iter_mut().find(|(id, _)| *id == from) {
            Some((_, acked)) => *acked = position.max(*acked),
            None => self.acks.push((from, position)),
        }
    }

    /// A bug of others: see [`crate::mutants`].
    fn newest_name(&self) -> Bytes {
        let newest = self.unconfirmed.back();
        newest
            .and_then(|(read, _)| read.context.clone())
            .unwrap_or_default()
    }

    /// A bug of others: see [`crate::mutants`].
    fn acknowledge_by_name(&mut self, from: NodeId, name: &[u8]) {
        let has_name = |(read, _): &(Read, Index)| read.context.as_deref() == Some(name);
        if let Some(place) = self.unconfirmed.iter().position(has_name) {
            self.acknowledge(from, self.confirmed + place as u64 + 1);
        }
    }

    fn acked(&self, id: NodeId) -> Option<u64> {
        let ack = self.acks.iter().find(|(member, _)| *member == id);
        ack.map(|&(_, position)| position)
    }

    fn confirm_up_to(&mut self, position: u64) -> impl Iterator<Item = (Read, Index)> {
        let count = position.min(self.newest()).saturating_sub(self.confirmed);
        self.confirmed += count;
        self.unconfirmed.drain(..count as usize)
    }
}

impl Leader {
    /// What a heartbeat carries for reads that wait.
    pub(super) fn heartbeat_context(&self) -> Bytes {
        let reads = self.reads.get();
        reads.map_or_else(Bytes::new, ReadIndexQueue::heartbeat_context)
    }

    /// Whether a heartbeat's answer can have this context: it echoes what was sent.
    pub fn is_read_position(&self, context: &[u8]) -> bool {
        match <[u8; 8]>::try_from(context) {
            _ if mutant!(ReadsAreKnownByName) => true,
            Ok(bytes) => {
                let newest = self.reads.get().map_or(0, ReadIndexQueue::newest);
                u64::from_le_bytes(bytes) <= newest
            }
            Err(_) => context.is_empty(),
        }
    }

    /// Somebody wants to read.
    pub fn on_read_index(
        &mut self,
        core: &mut Core,
        from: NodeId,
        context: Option<Bytes>,
        reports: bool,
    ) -> Result<Next> {
        let waiting = self.reads.get().map_or(0, ReadIndexQueue::len);
        if waiting >= core.limits.max_pending_reads as usize {
            let context = context.unwrap_or_default();
            core.refuse_read(from, context, reports, DropReason::TooManyReads)?;
            return Ok(Next::Stay);
        }
        if from == core.id() && core.config.peer_reports {
            // This node had passed it on to another leader, and has given it up since.
            return Ok(Next::Stay);
        }
        core.notes.rare().reads_asked += 1;
        let read = Read {
            from,
            context,
            reports,
        };
        if core.has_committed_in_term() || mutant!(ReadBeforeACommit) {
            self.start_read(core, read);
        } else {
            self.reads.make().postponed.push(read);
        }
        Ok(Next::Stay)
    }

    /// The leadership ends: whoever waits will get no answer.
    pub(super) fn give_up_reads(&mut self, core: &mut Core, reason: DropReason) {
        let Some(reads) = self.reads.get_mut() else {
            return;
        };
        let unconfirmed = std::mem::take(&mut reads.unconfirmed);
        let postponed = std::mem::take(&mut reads.postponed);
        let waiting = unconfirmed.into_iter().map(|(read, _)| read);
        for read in waiting.chain(postponed) {
            let Read {
                from,
                context,
                reports,
            } = read;
            let context = context.unwrap_or_default();
            if core
                .refuse_read(from, context.clone(), reports, reason)
                .is_err()
            {
                core.drop_of_host(DropKind::Read, reason, context);
            }
        }
    }

    /// Something has been committed in this term: the commit index is now good to read at.
    #[inline]
    pub(super) fn release_postponed_reads(&mut self, core: &mut Core) {
        let Some(reads) = self.reads.get_mut() else {
            return;
        };
        // Looks first: to take and drop an empty list is 30 instructions.
        if reads.postponed.is_empty() {
            return;
        }
        for read in std::mem::take(&mut reads.postponed) {
            self.start_read(core, read);
        }
    }

    fn start_read(&mut self, core: &mut Core, read: Read) {
        let index = core.log.committed();
        let alone = core.membership.is_singleton() && core.membership.is_voter(core.id());
        if alone || core.config.read_only == ReadOnlyOption::LeaseBased {
            core.answer_read(read.from, index, read.context);
            return;
        }
        let reads = self.reads.make();
        reads.unconfirmed.push_back((read, index));
        let newest = reads.newest();
        reads.acknowledge(core.id(), newest);
        self.broadcast_heartbeat(core);
    }

    /// A member has answered a heartbeat with this context.
    #[inline]
    pub(super) fn acknowledge_reads(&mut self, core: &mut Core, from: NodeId, context: &[u8]) {
        if mutant!(ReadsAreKnownByName) {
            self.reads.make().acknowledge_by_name(from, context);
            return self.answer_confirmed_reads(core);
        }
        let Ok(position) = <[u8; 8]>::try_from(context) else {
            return;
        };
        let reads = self.reads.make();
        reads.acknowledge(from, u64::from_le_bytes(position));
        self.answer_confirmed_reads(core);
    }

    /// Answers all reads that a quorum has confirmed.
    pub(super) fn answer_confirmed_reads(&mut self, core: &mut Core) {
        let Some(reads) = self.reads.get_mut() else {
            return;
        };
        let position = core.membership.committed_index(|id| reads.acked(id));
        for (read, index) in reads.confirm_up_to(position) {
            core.answer_read(read.from, index, read.context);
        }
    }
}
