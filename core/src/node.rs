//! The public handle: calls go in, a [`crate::Ready`] comes out.
//!
//! Here is what comes in from peers and clients, and with time; `answers` is what the host says of its transport and
//! storage, `settings` what can be set, `output` what goes out, and `recorded` how calls are recorded. What any of it
//! means is decided in `raft`.

use bytes::Bytes;

use crate::boxed::Boxed;
use crate::codec::{self, PayloadBlock};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{CampaignReason, Event, RefusalReason};
use crate::message::{Body, Message};
use crate::metrics::Metrics;
use crate::raft::{Raft, invariants};
use crate::recording::{Answer, Call, Recorder, Start, Unencodable};
use crate::status::{BasicStatus, Status};
use crate::types::*;

pub(crate) use recorded::Load;

use output::{Shown, Work, Working};

mod answers;
mod output;
mod recorded;
mod settings;

#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod extension_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod recording_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;

/// One member of one Raft group.
///
/// It does nothing by itself: the host passes in ticks, messages and proposals, takes a [`crate::Ready`]
/// whenever [`Node::has_ready`] says so, does what that asks for, and calls [`Node::advance`].
/// A call that returns an error has changed nothing, except that events and counters tell of it, and
/// that a request with a wrong answer is over and will be made anew.
// What a node at rest looks at in each turn is side by side, hence the order here and in what this is made of
// (`repr(C)`): with ten thousand groups, each cache line is one that has to come from memory. But it does not begin
// at a line: ten thousand nodes whose sizes are a multiple of one would fall into few sets of the cache, which
// made a tick and a round of heartbeats take a third more.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Node {
    unusual: Boxed<Unusual>,
    async_storage_writes: bool,
    /// Whether a Ready has been taken since the last advance, be it empty.
    may_advance: bool,
    /// Whether nothing has happened since the next Ready was looked at.
    peeked: bool,
    /// Whether the host works on a Ready that was not empty.
    working: Working,
    raft: Raft,
    /// The states of the last Ready. They are those of now, unless `Raft::have_states_moved`.
    shown: Shown,
    /// What follows when the host is done with the last Ready: nothing, unless it is [`Working::Writes`].
    work: Boxed<Work>,
}

/// What calls on few nodes have to look at: the others are asked once for both.
#[derive(Clone, Debug, Default)]
struct Unusual {
    recorder: Option<Recorder>,
    poisoned: Option<String>,
}

impl Node {
    /// A follower that goes on from what is in storage, without reading any of it.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] or [`Error::InvalidRestartState`], with the reason.
    pub fn new(config: Config, state: RestartState) -> Result<Node> {
        let async_storage_writes = config.async_storage_writes;
        let record_bytes = config.record_bytes;
        let (raft, recorder) = match record_bytes {
            0 => (Raft::new(config, &state)?, None),
            _ => {
                let raft = Raft::new(config.clone(), &state)?;
                let recorder = Recorder::new(&Start::new(config, state), record_bytes);
                (raft, Some(recorder))
            }
        };
        let mut unusual = Boxed::default();
        if recorder.is_some() {
            unusual = Boxed::of(Unusual {
                recorder,
                poisoned: None,
            });
        }
        Ok(Node {
            shown: Shown::of(&raft),
            raft,
            async_storage_writes,
            may_advance: false,
            peeked: false,
            working: Working::No,
            work: Boxed::default(),
            unusual,
        })
    }

    /// Begins a cluster: writes an entry for each first member, with its context, as if a
    /// leader of term 1 had committed them. All first members must be given the same list.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the log is not empty or the list is, if the node has voted, or if its term is
    /// above 1.
    pub fn bootstrap(&mut self, peers: &[(NodeId, Bytes)]) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::of_bootstrap(peers)),
            |node, ()| {
                if peers.is_empty() {
                    return Err(Error::Misuse(
                        "a cluster needs at least one member: name all of the first ones",
                    ));
                }
                if node.raft.core().log.last_index() != 0 {
                    return Err(Error::Misuse(
                        "the log is not empty: only a node that has never run can be bootstrapped",
                    ));
                }
                // The entries are of term 1. To go back to it would be to forget a vote, and whoever
                // got one in it may lead it with other entries.
                let known = node.raft.core().hard_state();
                if known.term > 1 || known.vote != NONE {
                    return Err(Error::Misuse(
                        "the node has voted or has a later term: only a node that has never run can be bootstrapped",
                    ));
                }
                node.raft.bootstrap(peers)?;
                // Nothing of this is in storage yet.
                node.shown.hard_state = HardState::default();
                node.raft.core_mut().outbox.states_moved = true;
                Ok(())
            },
        )
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.raft.core().id()
    }

    // What comes in.

    /// One tick of time has passed: a node that hears from no leader campaigns after
    /// [`Config::election_ticks`] to twice that, and a leader sends heartbeats every
    /// [`Config::heartbeat_ticks`].
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn tick(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::Tick(Default::default())),
            |node, ()| {
                node.raft.tick();
                Ok(())
            },
        )
    }

    /// Several ticks at once, with the same outcome as [`Node::tick`] called so often. Ticks before
    /// [`Node::next_deadline`] cost nothing each.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn tick_many(&mut self, count: u32) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::TickMany(count)),
            |node, ()| {
                node.raft.tick_many(count);
                Ok(())
            },
        )
    }

    /// How many ticks it takes until one of them can do more than move the clocks, at least 1; None
    /// if time alone does nothing. It holds until the next other call that changes the node: a host
    /// with many groups that rest may leave this one alone so long, and make up for it then with
    /// [`Node::tick_many`].
    pub fn next_deadline(&self) -> Option<u64> {
        match self.is_poisoned() {
            true => None,
            false => self.raft.next_deadline(),
        }
    }

    /// One tick of time has passed for a group that the host keeps quiet: the node notes it and
    /// does nothing.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn tick_quiesced(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::TickQuiesced(Default::default())),
            |node, ()| {
                let core = node.raft.core_mut();
                core.timer.pass_tick();
                core.notes.tick_quiesced();
                Ok(())
            },
        )
    }

    /// Starts an election now, if this node may lead (paper §5.2).
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn campaign(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::Campaign(Default::default())),
            |node, ()| {
                node.raft.campaign(CampaignReason::Host);
                Ok(())
            },
        )
    }

    /// Proposes a command. It is committed, if at all, when it comes back among
    /// [`crate::Ready::committed_entries`]; a follower passes it on to the leader.
    ///
    /// # Errors
    /// [`Error::ProposalDropped`], with the reason.
    pub fn propose(&mut self, data: Bytes) -> Result<()> {
        self.propose_checked(&mut [Entry::command(data)])
    }

    /// Proposes several commands at once: all are taken, in this order, or none is.
    ///
    /// # Errors
    /// As [`Node::propose`]. An empty list is no error, and nothing.
    pub fn propose_many(&mut self, data: impl IntoIterator<Item = Bytes>) -> Result<()> {
        let mut entries: Vec<Entry> = data.into_iter().map(Entry::command).collect();
        match entries.is_empty() {
            true => Ok(()),
            false => self.propose_checked(&mut entries),
        }
    }

    /// Proposes a change of one member. The host calls [`Node::apply_conf_change`] when it comes
    /// back committed. A change that the leader finds it can't apply now comes back as an empty
    /// entry.
    ///
    /// # Errors
    /// As [`Node::propose`].
    pub fn propose_conf_change(&mut self, change: &ConfChange) -> Result<()> {
        let data = codec::encode_conf_change(change).into();
        self.propose_conf_change_encoded(EntryKind::ConfChange, data)
    }

    /// Proposes a change of any number of members; see [`Node::propose_conf_change`].
    ///
    /// # Errors
    /// As [`Node::propose`].
    pub fn propose_conf_change_v2(&mut self, change: &ConfChangeV2) -> Result<()> {
        let data = codec::encode_conf_change_v2(change).into();
        self.propose_conf_change_encoded(EntryKind::ConfChangeV2, data)
    }

    /// Proposes a change in its encoded form, which becomes the entry's data as it is: a
    /// [`ConfChange`] or a [`ConfChangeV2`], as `kind` says.
    ///
    /// # Errors
    /// As [`Node::propose`]; [`Error::Malformed`] or [`Error::Misuse`] if it is no change.
    pub fn propose_conf_change_encoded(&mut self, kind: EntryKind, data: Bytes) -> Result<()> {
        let entry = Entry {
            kind,
            explicit: Explicit {
                data: data.is_empty(),
                ..Explicit::default()
            },
            data,
            ..Entry::default()
        };
        codec::conf_change_of(&entry)?;
        self.propose_checked(&mut [entry])
    }

    /// Proposes one entry, as [`Node::propose_entries`] several; it needs no list.
    ///
    /// # Errors
    /// As [`Node::propose_entries`].
    pub fn propose_entry(&mut self, entry: Entry) -> Result<()> {
        if entry.is_conf_change() {
            codec::conf_change_of(&entry)?;
        }
        self.propose_checked(&mut [entry])
    }

    /// Proposes entries with all that their encoding spells out, as one proposal. Their places in
    /// the log are the leader's to give. An empty list is no error, and nothing.
    ///
    /// # Errors
    /// As [`Node::propose`]; [`Error::Malformed`] for a configuration change that is none.
    pub fn propose_entries(&mut self, mut entries: Vec<Entry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries.iter().filter(|entry| entry.is_conf_change()) {
            codec::conf_change_of(entry)?;
        }
        self.propose_checked(&mut entries)
    }

    /// Proposes entries of which all that are configuration changes can be decoded.
    fn propose_checked(&mut self, entries: &mut [Entry]) -> Result<()> {
        self.call(
            entries,
            |entries| Call::of_propose(entries),
            // By way of `Raft::call`, 200 instructions more.
            |node, entries| node.raft.propose(NONE, entries),
        )
    }

    /// Applies a configuration change that has been committed, when the host comes to it in
    /// [`crate::Ready::committed_entries`]; [`codec::conf_change_of`] decodes the entry. Returns the new
    /// configuration, which belongs into snapshots. A change that was handed out before a snapshot
    /// took the log's place is part of that snapshot: it alters nothing then, and the snapshot's
    /// configuration is returned.
    ///
    /// # Errors
    /// [`Error::ConfChange`] if it doesn't fit. On every node alike, so that the host may pass
    /// over it; the leader lets no such change into the log unless told so.
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState> {
        self.call(
            (),
            |()| Call::of_apply_conf_change(change),
            |node, ()| {
                let state = node.raft.apply_conf_change(change)?;
                node.record_answer(|| Answer::ConfState(state.clone()));
                Ok(state)
            },
        )
    }

    /// Takes a message of another node.
    ///
    /// # Errors
    /// [`Error::LocalMessage`], [`Error::UnknownPeer`], [`Error::Impossible`] for a message that
    /// no correct peer can have sent; [`Error::ProposalDropped`] for a proposal that this node
    /// can't take. In each case nothing has changed, and the host may go on.
    #[inline]
    pub fn step(&mut self, mut message: Message) -> Result<()> {
        let result = self.call(
            &mut message,
            |message| Call::of_step(message),
            |node, message| node.step_decoded(message),
        );
        message.dispose();
        result
    }

    /// Heartbeats and their answers go apart, since they need less of the stack and fewer copies.
    #[inline(always)]
    fn step_decoded(&mut self, message: &mut Message) -> Result<()> {
        match message.body {
            Body::Heartbeat { .. } | Body::HeartbeatResp { .. } => self.step_heartbeat(message),
            _ => self.step_other(message),
        }
    }

    #[inline(never)]
    fn step_heartbeat(&mut self, message: &mut Message) -> Result<()> {
        let (from, term) = (message.from, message.term);
        let result = self.raft.step_heartbeat(message);
        self.note_if_refused(from, term, result)
    }

    #[inline(never)]
    fn step_other(&mut self, message: &mut Message) -> Result<()> {
        let (from, term) = (message.from, message.term);
        let result = self.raft.step(message);
        self.note_if_refused(from, term, result)
    }

    #[inline(always)]
    fn note_if_refused(&mut self, from: NodeId, term: Term, result: Result<()>) -> Result<()> {
        match result {
            // Made anew: to look at the error and pass on the whole is 9 instructions more.
            Ok(()) => Ok(()),
            Err(error) => {
                self.note_refusal(from, term, &error);
                Err(error)
            }
        }
    }

    #[cold]
    fn note_refusal(&mut self, from: NodeId, term: Term, error: &Error) {
        if let Some(reason) = RefusalReason::of(error) {
            let event = Event::MessageRefused { from, term, reason };
            self.raft.core_mut().notes.event(event);
        }
    }

    /// Takes the bytes of a message of another node: one raftpb.Message.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else, and as [`Node::step`].
    pub fn step_bytes(&mut self, bytes: Bytes) -> Result<()> {
        self.call(
            bytes,
            |bytes| Ok(Call::Step(bytes.clone())),
            |node, bytes| node.step_if_decoded(codec::decode_message(bytes)),
        )
    }

    /// The same for bytes that belong to somebody else: what the node keeps of them is copied.
    ///
    /// # Errors
    /// As [`Node::step_bytes`].
    pub fn step_slice(&mut self, bytes: &[u8]) -> Result<()> {
        self.step_slice_into(bytes, &mut PayloadBlock::default())
    }

    /// The same for a host that keeps a place for the short payloads of this node's log.
    ///
    /// # Errors
    /// As [`Node::step_bytes`].
    pub fn step_slice_into(&mut self, bytes: &[u8], payloads: &mut PayloadBlock) -> Result<()> {
        self.call(
            bytes,
            |bytes| Ok(Call::Step(Bytes::copy_from_slice(bytes))),
            |node, bytes| match codec::decode_by_hand(bytes, payloads) {
                // Where it stands, since to move it is 20 instructions.
                Some(mut message) => {
                    let result = node.step_decoded(&mut message);
                    message.dispose();
                    result
                }
                None => node.step_if_decoded(codec::decode_copied_by_prost(bytes)),
            },
        )
    }

    fn step_if_decoded(&mut self, message: Result<Message>) -> Result<()> {
        let mut message = message.inspect_err(|error| self.note_refusal(NONE, 0, error))?;
        self.step_decoded(&mut message)
    }

    /// Asks for an index at which the host may serve a linearizable read (thesis §6.4). The
    /// answer is a [`ReadState`] with this context. It can get lost with a message or a leader, so
    /// that the host asks again, with another context, when it has waited too long.
    ///
    /// # Errors
    /// [`Error::ReadDropped`] if no answer will come.
    pub fn read_index(&mut self, context: Bytes) -> Result<()> {
        self.read_index_if_named(Some(context))
    }

    /// The same, where a context that is not there and an empty one are told apart, as
    /// etcd-io/raft encodes them differently.
    ///
    /// # Errors
    /// As [`Node::read_index`].
    pub fn read_index_if_named(&mut self, context: Option<Bytes>) -> Result<()> {
        self.call(
            context,
            |context| Ok(Call::of_read_index(context)),
            |node, context| {
                let reports = false;
                node.raft.call(NONE, Body::ReadIndex { context, reports })
            },
        )
    }

    /// Asks for leadership to pass to `transferee` (thesis §3.10). No proposal is taken until it
    /// has, or until an election timeout has passed.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only; a transfer that can't be is ignored.
    pub fn transfer_leader(&mut self, transferee: NodeId) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::TransferLeader(transferee)),
            |node, ()| node.raft.call(transferee, Body::TransferLeader),
        )
    }

    /// The host knows that the leader is gone: this node votes, and campaigns, without waiting
    /// for a timeout to tell. Ignored with [`crate::ReadOnlyOption::LeaseBased`].
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn forget_leader(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::ForgetLeader(Default::default())),
            |node, ()| node.raft.call(NONE, Body::ForgetLeader),
        )
    }

    /// Asks the leader for a snapshot in place of what this node has applied, although its log is
    /// fine: for a host whose state machine is damaged. It comes as [`crate::Ready::snapshot`], at this
    /// node's last index or later; until then, no entries are taken. The leader's host is asked
    /// again with each heartbeat for as long as it has none that is new enough.
    ///
    /// A change of the leader ends the request, and so does a leader that goes on sending entries
    /// for an election timeout, as etcd-io/raft's do, since they don't know of it.
    ///
    /// # Errors
    /// [`Error::SnapshotRequestDropped`]: there is no leader or it is this node, a snapshot is
    /// being installed or has been asked for, or no entry of the present term has come yet.
    pub fn request_snapshot(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::RequestSnapshot(Default::default())),
            |node, ()| node.raft.request_snapshot(),
        )
    }

    // What it says when asked.

    /// The node's state, without what needs an allocation.
    pub fn basic_status(&self) -> BasicStatus {
        self.raft.basic_status()
    }

    /// The node's state: with the members and, on the leader, their progress.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// What the node has done since it was made, in numbers.
    pub fn metrics(&self) -> Metrics {
        self.raft.metrics()
    }

    /// Whether everything that is committed has reached two commit groups. `None` if this node
    /// can't tell: it has to lead, and to have applied an entry of its term.
    pub fn is_group_commit_consistent(&self) -> Option<bool> {
        self.raft.is_group_commit_consistent()
    }

    /// Stops the node for good: every later call returns [`Error::Poisoned`] with this reason. For
    /// a host that can no longer stand by what the node has promised, as after a failed write.
    pub fn poison(&mut self, reason: String) {
        self.record(|| Call::Poison(reason.clone()));
        self.unusual.make().poisoned.get_or_insert(reason);
    }

    /// Whether the node has stopped for good, which every call that can fail says as [`Error::Poisoned`].
    #[inline(always)]
    pub fn is_poisoned(&self) -> bool {
        let unusual = self.unusual.get();
        unusual.is_some_and(|unusual| unusual.poisoned.is_some())
    }

    /// Checks what must hold in every state of a node.
    ///
    /// # Errors
    /// A sentence that says what doesn't, which would be a fault of this library.
    pub fn check_invariants(&self) -> std::result::Result<(), &'static str> {
        invariants::check(&self.raft)?;
        match self.raft.have_states_moved() || Shown::of(&self.raft) == self.shown {
            true => Ok(()),
            false => Err("no state is other than what was shown without a note of it"),
        }
    }

    /// Every call that changes anything goes through here, and says how it is to be recorded.
    #[inline]
    fn call<A, T>(
        &mut self,
        arguments: A,
        record: impl FnOnce(&A) -> std::result::Result<Call, Unencodable>,
        call: impl FnOnce(&mut Node, A) -> Result<T>,
    ) -> Result<T> {
        match self.unusual.get() {
            None => self.call_now(arguments, call),
            Some(_) => self.call_unusual(arguments, record, call),
        }
    }

    /// Out of the way of nodes that are neither recorded nor poisoned.
    #[cold]
    #[inline(never)]
    fn call_unusual<A, T>(
        &mut self,
        arguments: A,
        record: impl FnOnce(&A) -> std::result::Result<Call, Unencodable>,
        call: impl FnOnce(&mut Node, A) -> Result<T>,
    ) -> Result<T> {
        self.record_begin(|| record(&arguments));
        let unusual = self.unusual.get();
        let poisoned = unusual.and_then(|unusual| unusual.poisoned.clone());
        let result = match poisoned {
            Some(reason) => Err(Error::Poisoned(reason)),
            None => self.call_now(arguments, call),
        };
        self.record_end(result.as_ref().err());
        result
    }

    #[inline(always)]
    fn call_now<A, T>(
        &mut self,
        arguments: A,
        call: impl FnOnce(&mut Node, A) -> Result<T>,
    ) -> Result<T> {
        self.peeked = false;
        if !cfg!(debug_assertions) {
            return call(self, arguments);
        }
        let before = invariants::observe(&self.raft);
        let result = call(self, arguments);
        let holds = self
            .check_invariants()
            .and_then(|()| invariants::check_step(&before, &self.raft));
        assert_eq!(holds, Ok(()), "an invariant is broken: {:?}", self.raft);
        result
    }
}
