//! What goes out: the next [`Ready`], and the account of what has been handed out and what the host
//! has done with it.

use super::Node;
use crate::entries::Entries;
use crate::error::{Error, Result};
use crate::log::{ApplyAhead, payload_len};
use crate::message::{Body, Message, StorageAppend};
use crate::raft::{Core, OwnPromises, Raft};
use crate::ready::Ready;
use crate::recording::{Answer, Call};
use crate::types::*;

/// The states as of a Ready, whether or not they were news in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) soft_state: SoftState,
    pub(super) hard_state: HardState,
}

impl Shown {
    /// Those of now.
    pub(super) fn of(raft: &Raft) -> Shown {
        Shown {
            soft_state: raft.soft_state(),
            hard_state: raft.core().hard_state(),
        }
    }
}

/// What the host does between a Ready and its advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Working {
    /// Nothing: the Ready was empty, there was none yet, or it is advanced.
    No,
    /// Nothing that the node has to take account of: it sends, answers requests, and may keep a hard state.
    Sends,
    /// It writes or applies too, or the node has promised itself something.
    Writes,
}

/// What follows when the host is done with a Ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Promises of this node to itself.
    own: OwnPromises,
    /// The end of the log, if any of it was unstable.
    last: Option<EntryId>,
    snapshot: Option<Index>,
    applied: Option<Batch>,
}

/// A batch of committed entries.
#[derive(Clone, Copy, Debug)]
struct Batch {
    last_index: Index,
    encoded_bytes: u64,
    payload_bytes: u64,
}

/// What a Ready has to be taken account of.
struct HandedOut {
    /// Whether the node has promised itself something.
    promises: bool,
    applied: Option<Batch>,
}

impl Work {
    /// Forgets it; the lists keep their room.
    fn clear(&mut self) {
        self.own.clear();
        (self.last, self.snapshot, self.applied) = (None, None, None);
    }
}

impl Node {
    /// Whether [`Node::ready`] has anything to say.
    #[inline]
    pub fn has_ready(&self) -> bool {
        if self.is_poisoned() {
            return false;
        }
        debug_assert!(self.raft.have_states_moved() || Shown::of(&self.raft) == self.shown);
        let (core, log) = (self.raft.core(), &self.raft.core().log);
        !core.outbox.is_empty()
            || log.has_next_to_persist()
            || (self.raft.have_states_moved() && self.has_states_to_show())
            || log.next_snapshot().is_some()
            || (log.has_next_to_apply(self.raft.apply_ahead())
                && (log.is_next_to_apply_at_hand() || log.apply_read().is_none()))
            || self.raft.has_needs()
    }

    fn has_states_to_show(&self) -> bool {
        let now = Shown::of(&self.raft);
        (now.hard_state != self.shown.hard_state && !now.hard_state.is_empty())
            || now.soft_state != self.shown.soft_state
    }

    /// Whether there is surely nothing to do when the host has advanced from the last Ready, if it makes no
    /// other call on the node before that. For a host to which a look is dear: after most Readys in which the
    /// node promises itself nothing, as a leader does with its entries, it need not look. `false` promises nothing.
    #[inline]
    pub fn rests_once_advanced(&self) -> bool {
        let brings_nothing_up = match self.working {
            Working::No | Working::Sends => true,
            // What a leader has stored may commit more, and what it has applied may end a joint configuration; a
            // vote of its own may win; and more than was handed out may be there to be applied.
            Working::Writes => {
                let core = self.raft.core();
                let promises_nothing = |work: &Work| work.own.is_empty() && work.snapshot.is_none();
                core.log.applying() == core.log.committed()
                    && !core.membership.auto_leave()
                    && self.work.get().is_none_or(promises_nothing)
            }
        };
        brings_nothing_up && !self.has_ready()
    }

    /// Whether [`Node::take_requests`] may give anything: if not, it gives nothing. For a host that
    /// would otherwise ask before each Ready, nearly always for nothing.
    #[inline]
    pub fn may_have_requests(&self) -> bool {
        self.raft.core().outbox.has_requests() || self.raft.may_request_entries()
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
                let ahead = node.raft.apply_ahead();
                node.make_requests(ahead);
                let mut ready = Ready::default();
                let outbox = node.raft.core().outbox.clone();
                let shown = node.shown;
                node.build_ready(&mut ready, ahead);
                node.shown = shown;
                node.working = Working::No;
                if let Some(work) = node.work.get_mut() {
                    work.clear();
                }
                node.raft.core_mut().outbox = outbox;
                node.raft.core_mut().outbox.states_moved = true;
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
                    return Err(Error::Misuse(
                        "the next Ready has not been looked at: call peek_ready first",
                    ));
                }
                let mut ready = Ready::default();
                node.take_ready(&mut ready);
                node.record_answer(|| Answer::ready(&ready));
                Ok(ready)
            },
        )
    }

    fn check_advanced(&self) -> Result<()> {
        match self.working {
            Working::No => Ok(()),
            Working::Sends | Working::Writes => Err(Error::Misuse(
                "the last Ready has not been advanced: do what it says, and call advance first",
            )),
        }
    }

    /// Whether a Ready has been taken that may be advanced: whether [`Node::advance`] is in its place. Never with
    /// asynchronous storage writes. For a host that has its advance go along with its look for the next Ready.
    #[inline]
    pub fn may_advance(&self) -> bool {
        self.may_advance
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
                    return Err(Error::Misuse(
                        "there is no Ready to advance: call ready first",
                    ));
                }
                let rests = cfg!(debug_assertions) && node.rests_once_advanced();
                if std::mem::replace(&mut node.working, Working::No) != Working::Writes {
                    return Ok(());
                }
                let finished = node.finish();
                debug_assert!(!rests || !node.has_ready(), "more to do than was announced");
                if let Err(error) = &finished {
                    // It has promised what it then could not take account of.
                    node.poison(error.to_string());
                }
                finished
            },
        )
    }

    /// Takes account of what the host has done with a Ready.
    #[inline(always)]
    fn finish(&mut self) -> Result<()> {
        // Taken out, so that nodes that are alike are equal.
        let work = self.work.make();
        self.raft.on_own_promises(&mut work.own)?;
        let (last, snapshot) = (work.last.take(), work.snapshot.take());
        let applied = work.applied.take();
        // What was written in an older term may have been replaced since.
        let current = self.shown.hard_state.term == self.raft.core().term();
        self.raft.on_appended(last.filter(|_| current), snapshot)?;
        match applied {
            Some(Batch {
                last_index,
                encoded_bytes,
                payload_bytes,
            }) => self
                .raft
                .on_applied(last_index, encoded_bytes, payload_bytes),
            None => Ok(()),
        }
    }

    #[inline]
    fn take_ready(&mut self, ready: &mut Ready) {
        let ahead = self.raft.apply_ahead();
        self.make_requests(ahead);
        let handed_out = self.build_ready(ready, ahead);
        self.take_account(ready, handed_out, ahead);
    }

    /// The Ready that hands out the outbox and what there is besides, in place of what `ready`
    /// held; and the messages of the node to itself, if they are to wait for its advance. Empties the
    /// outbox. All lists keep their room, or get that of the Ready's, unless the node comes to rest. What
    /// follows from it is in `work`, if `working` says so.
    #[inline(always)]
    fn build_ready(&mut self, ready: &mut Ready, ahead: ApplyAhead) -> HandedOut {
        let id = self.id();
        ready.clear_lists();
        (ready.soft_state, ready.hard_state, ready.must_sync) = (None, None, false);
        if self.raft.have_states_moved() {
            self.show_states(ready);
        }
        debug_assert_eq!(Shown::of(&self.raft), self.shown);
        let core = self.raft.core_mut();
        if core.log.next_snapshot().is_some() || core.notes.has_events() {
            add_rare(core, ready);
        }
        let (log, outbox) = (&mut core.log, &mut core.outbox);
        // To look first is 60 instructions less than to take nothing.
        ready.entries = match log.has_next_to_persist() {
            true => log.next_to_persist(),
            false => Entries::new(),
        };
        let mut applied = None;
        ready.committed_entries = match log.has_next_to_apply(ahead) {
            true => {
                let (entries, encoded_bytes) = log.next_to_apply(ahead);
                applied = entries.last().map(|last| Batch {
                    last_index: last.index,
                    encoded_bytes,
                    payload_bytes: payload_len(&entries),
                });
                entries
            }
            false => Entries::new(),
        };
        ready.must_sync |= !ready.entries.is_empty();
        let own = outbox.own_promises();
        let handed_out = HandedOut {
            promises: own.is_some(),
            applied,
        };
        let is_unstable = log.has_unstable();
        let writes = is_unstable
            || ready.snapshot.is_some()
            || handed_out.applied.is_some()
            || handed_out.promises;
        if writes {
            let work = self.work.make();
            work.last = is_unstable.then(|| log.last());
            work.snapshot = ready.snapshot.as_ref().map(|snapshot| snapshot.id.index);
            work.applied = applied;
            if let Some(own) = own {
                work.own.take(own);
            }
        }
        let comes_to_rest = match self.async_storage_writes {
            true => self.hand_over_with_storage_messages(ready),
            false => outbox.hand_over(id, ready),
        };
        if comes_to_rest {
            self.give_back_room(writes);
        }
        self.working = match writes {
            true => Working::Writes,
            false if ready.is_empty() => Working::No,
            false => Working::Sends,
        };
        handed_out
    }

    /// Adds the states that are other than in the last Ready.
    #[inline(always)]
    fn show_states(&mut self, ready: &mut Ready) {
        self.raft.states_shown();
        let now = Shown::of(&self.raft);
        // What is no news is not written again: 25 instructions less.
        let shown = &mut self.shown;
        if now.soft_state != shown.soft_state {
            ready.soft_state = Some(now.soft_state);
            shown.soft_state = now.soft_state;
        }
        if now.hard_state != shown.hard_state {
            ready.hard_state = Some(now.hard_state);
            ready.must_sync = now.hard_state.term != shown.hard_state.term
                || (now.hard_state.vote != shown.hard_state.vote && !mutant!(VoteIsNotSynced));
            shown.hard_state = now.hard_state;
        }
    }

    /// Takes account of what a Ready hands out.
    #[inline(always)]
    fn take_account(&mut self, ready: &Ready, handed_out: HandedOut, ahead: ApplyAhead) {
        let core = self.raft.core_mut();
        core.notes.forget_events();
        core.log.accept_unstable();
        if let Some(batch) = &handed_out.applied {
            let (index, bytes) = (batch.last_index, batch.encoded_bytes);
            core.log.accept_applying(index, bytes, ahead);
        }
        self.may_advance = !self.async_storage_writes;
        let writes = self.working == Working::Writes;
        let is_empty = writes && !handed_out.promises && ready.is_empty();
        if self.async_storage_writes || is_empty {
            // Nothing follows when the host advances, as never with asynchronous storage writes.
            self.working = Working::No;
            if writes && let Some(work) = self.work.get_mut() {
                work.clear();
            }
        }
    }

    /// The node has come to rest: lists with nothing in them give back their room.
    #[cold]
    #[inline(never)]
    fn give_back_room(&mut self, writes: bool) {
        self.raft.core_mut().log.give_back_room();
        if !writes {
            self.work.free();
        }
    }

    /// Hands over the outbox with asynchronous storage writes. Returns whether the node comes to rest.
    #[inline(never)]
    fn hand_over_with_storage_messages(&mut self, ready: &mut Ready) -> bool {
        let id = self.id();
        let outbox = &mut self.raft.core_mut().outbox;
        let after_append = outbox.take_after_append();
        let comes_to_rest = outbox.hand_over(id, ready);
        self.add_storage_messages(ready, after_append);
        comes_to_rest
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
                body: Body::StorageAppend(Box::new(StorageAppend {
                    hard_state: ready.hard_state,
                    entries: ready.entries.clone(),
                    snapshot,
                    responses,
                })),
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
    #[inline]
    pub(super) fn make_requests(&mut self, ahead: ApplyAhead) {
        let were_announced = cfg!(debug_assertions) && self.may_have_requests();
        self.raft.flush();
        self.raft.request_entries_to_apply(ahead);
        debug_assert!(
            were_announced || !self.raft.core().outbox.has_requests(),
            "requests that nobody was told of"
        );
    }
}

/// Adds what few Readys have. Out of the way of the others, which have more registers then: 30 instructions less
/// for each.
#[cold]
#[inline(never)]
fn add_rare(core: &mut Core, ready: &mut Ready) {
    ready.snapshot = core.log.next_snapshot().cloned();
    core.notes.copy_events(&mut ready.events);
}
