//! What goes out: the next [`Ready`], and the account of what has been handed out and what the host
//! has done with it.

use super::Node;
use crate::error::{Error, Result};
use crate::log::payload_len;
use crate::message::{Body, Message};
use crate::raft::move_list;
use crate::ready::Ready;
use crate::recording::{Answer, Call};
use crate::types::*;

/// A Ready that the host works on.
#[derive(Clone, Debug)]
pub(super) struct HandedOut {
    /// The term at the time, and the end of the log if any of it was unstable.
    term: Term,
    last: Option<EntryId>,
    snapshot: Option<Index>,
    applied: Option<Batch>,
}

/// A batch of committed entries.
#[derive(Clone, Debug)]
struct Batch {
    last_index: Index,
    encoded_bytes: u64,
    payload_bytes: u64,
}

impl Node {
    /// Whether [`Node::ready`] has anything to say.
    pub fn has_ready(&self) -> bool {
        if self.poisoned.is_some() {
            return false;
        }
        let (core, log) = (self.raft.core(), &self.raft.core().log);
        let outbox = &core.outbox;
        let hard_state = core.hard_state();
        let has_next_to_apply = log.has_next_to_apply(self.raft.apply_ahead())
            && (log.is_next_to_apply_at_hand() || log.apply_read().is_none());
        !outbox.messages.is_empty()
            || !outbox.after_append.is_empty()
            || !outbox.to_self.is_empty()
            || !outbox.read_states.is_empty()
            || !outbox.reads.is_empty()
            || !outbox.snapshot_requests.is_empty()
            || !outbox.dropped.is_empty()
            || self.raft.soft_state() != self.shown_soft_state
            || (hard_state != self.shown_hard_state && !hard_state.is_empty())
            || log.has_next_to_persist()
            || log.next_snapshot().is_some()
            || has_next_to_apply
            || self.raft.has_needs()
    }

    /// Takes the next batch of work. See [`Ready`] for what the host has to do with it.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the last one that was not empty has not been advanced.
    pub fn ready(&mut self) -> Result<Ready> {
        let mut ready = Ready::default();
        self.ready_into(&mut ready)?;
        Ok(ready)
    }

    /// As [`Node::ready`], into a Ready that the host has done with, of this node or of another.
    /// What that held is gone, but for the room that its lists have: a host that keeps one Ready for
    /// all its turns spares the allocations, five and about a thousand instructions for a turn.
    ///
    /// # Errors
    /// As [`Node::ready`]; `ready` is then as it was.
    pub fn ready_into(&mut self, ready: &mut Ready) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::Ready(Default::default())),
            |node, ()| {
                node.check_advanced()?;
                node.take_ready(ready);
                node.record_answer(|| Answer::ready(ready));
                Ok(())
            },
        )
    }

    /// What [`Node::ready`] would give now. Nothing is taken: it is for a host that has to show
    /// the work before somebody takes it, as on a channel, and that shows it anew when something
    /// else comes first.
    ///
    /// # Errors
    /// As [`Node::ready`].
    pub fn peek_ready(&mut self) -> Result<Ready> {
        let ready = self.call(
            (),
            |()| Ok(Call::PeekReady(Default::default())),
            |node, ()| {
                node.check_advanced()?;
                node.make_requests();
                let mut ready = Ready::default();
                let outbox = node.raft.core().outbox.clone();
                node.build_ready(&mut ready);
                node.own_messages.clear();
                node.raft.core_mut().outbox = outbox;
                node.record_answer(|| Answer::ready(&ready));
                Ok(ready)
            },
        )?;
        self.peeked = true;
        Ok(ready)
    }

    /// Takes the Ready that [`Node::peek_ready`] has shown, and gives it once more.
    ///
    /// # Errors
    /// [`Error::Misuse`] if any other call that can change the node came between: what was shown
    /// may then not be what there is to do.
    pub fn accept_ready(&mut self) -> Result<Ready> {
        let peeked = self.peeked;
        self.call(
            (),
            |()| Ok(Call::AcceptReady(Default::default())),
            |node, ()| {
                if !peeked {
                    return Err(Error::Misuse("the next Ready has not been looked at"));
                }
                let mut ready = Ready::default();
                node.take_ready(&mut ready);
                node.record_answer(|| Answer::ready(&ready));
                Ok(ready)
            },
        )
    }

    fn check_advanced(&self) -> Result<()> {
        match self.handed_out {
            Some(_) => Err(Error::Misuse("the last Ready has not been advanced")),
            None => Ok(()),
        }
    }

    /// The host is done with the last Ready: its hard state, entries and snapshot are persisted,
    /// its messages sent, its committed entries applied (or as good as: they will not be handed
    /// out again).
    ///
    /// # Errors
    /// [`Error::Misuse`] if there was none, as always with asynchronous storage writes.
    pub fn advance(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::Advance(Default::default())),
            |node, ()| {
                if !std::mem::take(&mut node.may_advance) {
                    return Err(Error::Misuse("there is no Ready to advance"));
                }
                let Some(done) = node.handed_out.take() else {
                    return Ok(());
                };
                let finished = node.finish(done);
                if let Err(error) = &finished {
                    // It has promised what it then could not take account of.
                    node.poison(error.to_string());
                }
                finished
            },
        )
    }

    /// Takes account of what the host has done with a Ready.
    fn finish(&mut self, done: HandedOut) -> Result<()> {
        for message in &mut self.own_messages {
            self.raft.step_own(message)?;
        }
        self.own_messages.clear();
        // What was written in an older term may have been replaced since.
        let current = done.term == self.raft.core().term();
        let last = done.last.filter(|_| current);
        self.raft.on_appended(last, done.snapshot)?;
        if let Some(batch) = done.applied {
            let Batch {
                last_index,
                encoded_bytes,
                payload_bytes,
            } = batch;
            self.raft
                .on_applied(last_index, encoded_bytes, payload_bytes)?;
        }
        Ok(())
    }

    fn take_ready(&mut self, ready: &mut Ready) {
        self.make_requests();
        let applied_bytes = self.build_ready(ready);
        self.take_account(ready, applied_bytes);
    }

    /// The Ready that hands out the outbox and what there is besides, in place of what `ready`
    /// held; and the messages of the node to itself, if they are to wait for its advance. Empties the
    /// outbox. All lists keep their room. Returns the encoded size of what is to be applied.
    fn build_ready(&mut self, ready: &mut Ready) -> u64 {
        let (soft_state, hard_state) = (self.raft.soft_state(), self.raft.core().hard_state());
        let (ahead, shown) = (self.raft.apply_ahead(), self.shown_hard_state);
        let core = self.raft.core_mut();
        let (log, outbox) = (&core.log, &mut core.outbox);

        ready.clear();
        ready.soft_state = (soft_state != self.shown_soft_state).then_some(soft_state);
        ready.hard_state = (hard_state != shown).then_some(hard_state);
        ready.snapshot = log.next_snapshot().cloned();
        log.next_to_persist(&mut ready.entries);
        let applied_bytes = log.next_to_apply(ahead, &mut ready.committed_entries);
        ready.must_sync = !ready.entries.is_empty()
            || hard_state.term != shown.term
            || (hard_state.vote != shown.vote && !mutant!(VoteIsNotSynced));
        move_list(&mut outbox.read_states, &mut ready.read_states);
        move_list(&mut outbox.reads, &mut ready.reads);
        move_list(&mut outbox.snapshot_requests, &mut ready.snapshot_requests);
        move_list(&mut outbox.dropped, &mut ready.dropped);
        ready.events.extend(core.notes.events());
        if self.async_storage_writes {
            let after_append = std::mem::take(&mut outbox.after_append);
            outbox.take_messages(&mut ready.messages);
            self.add_storage_messages(ready, after_append);
        } else {
            outbox.take_messages(&mut ready.messages);
            self.own_messages.clear();
            move_list(&mut outbox.to_self, &mut self.own_messages);
        }
        applied_bytes
    }

    /// Takes account of what a Ready hands out.
    fn take_account(&mut self, ready: &Ready, applied_bytes: u64) {
        let ahead = self.raft.apply_ahead();
        let (soft_state, hard_state) = (self.raft.soft_state(), self.raft.core().hard_state());
        self.raft.core_mut().notes.forget_events();
        let log = &mut self.raft.core_mut().log;
        let last = log.has_unstable().then(|| log.last());
        log.accept_unstable();
        let applied = ready.committed_entries.last().map(|last| Batch {
            last_index: last.index,
            encoded_bytes: applied_bytes,
            payload_bytes: payload_len(&ready.committed_entries),
        });
        if let Some(batch) = &applied {
            let (index, bytes) = (batch.last_index, batch.encoded_bytes);
            log.accept_applying(index, bytes, ahead);
        }
        self.shown_soft_state = soft_state;
        self.shown_hard_state = hard_state;
        self.may_advance = !self.async_storage_writes;
        if self.may_advance && (!ready.is_empty() || !self.own_messages.is_empty()) {
            self.handed_out = Some(HandedOut {
                term: hard_state.term,
                last,
                snapshot: ready.snapshot.as_ref().map(|snapshot| snapshot.id.index),
                applied,
            });
        }
    }

    /// Says in messages what there is to persist and to apply, and what follows when it is done.
    fn add_storage_messages(&self, ready: &mut Ready, mut after_append: Vec<Message>) {
        let (id, term) = (self.id(), self.raft.core().term());
        let log = &self.raft.core().log;
        let last = log.has_unstable().then(|| log.last());
        let persists =
            !ready.entries.is_empty() || ready.hard_state.is_some() || ready.snapshot.is_some();
        if mutant!(PromisesOvertakeWrites) && !persists {
            let (own, others) = after_append
                .into_iter()
                .partition(|message| message.to == id);
            (after_append, ready.messages) =
                (own, [std::mem::take(&mut ready.messages), others].concat());
        }
        if persists || !after_append.is_empty() {
            let snapshot = ready.snapshot.clone().map(Box::new);
            let mut responses = after_append;
            if last.is_some() || snapshot.is_some() {
                let snapshot = snapshot.clone();
                responses.push(Message {
                    to: id,
                    from: LOCAL_APPEND,
                    term,
                    body: Body::StorageAppendResp { last, snapshot },
                });
            }
            ready.messages.push(Message {
                to: LOCAL_APPEND,
                from: id,
                term: ready.hard_state.map_or(0, |state| state.term),
                body: Body::StorageAppend {
                    hard_state: ready.hard_state,
                    entries: ready.entries.clone(),
                    snapshot,
                    responses,
                },
            });
        }
        if !ready.committed_entries.is_empty() {
            let entries = ready.committed_entries.clone();
            let response = Message {
                to: id,
                from: LOCAL_APPLY,
                term: 0,
                body: Body::StorageApplyResp {
                    entries: entries.clone(),
                },
            };
            ready.messages.push(Message {
                to: LOCAL_APPLY,
                from: id,
                term: 0,
                body: Body::StorageApply {
                    entries,
                    responses: vec![response],
                },
            });
        }
    }

    /// Sends what has been put off until now, and asks for what it needs from storage.
    pub(super) fn make_requests(&mut self) {
        self.raft.flush();
        self.raft.request_entries_to_apply(self.raft.apply_ahead());
    }
}
