//! `raft_node`: one member of one Raft group.
//!
//! Translation, and two things more. The use of one node by two threads is an error instead of
//! undefined (`exclusive`); and a node that was opened on a storage answers its
//! own requests from there, right before and after its Ready is built, and follows its
//! compaction (`source`).
//!
//! Here is what a node is, how it begins and ends, and its constants. Its other functions are in
//! `node_time`, `node_propose`, `node_step`, `node_work`, `node_settings`, `node_report`, `node_answer` and
//! `node_look`.

use bytes::Bytes;
use libraft_core::Node;
use libraft_core::codec::{self, PayloadBlock};
use libraft_core::recording::RecordingState;

use crate::bytes::{copied, raft_bytes, slice};
use crate::config::{Settings, raft_config};
use crate::error::{Failure, raft_error};
use crate::exclusive::{Exclusive, Refused};
use crate::ready::{Encoded, ReadyPlace, raft_ready};
use crate::requests::{RequestsPlace, raft_requests};
use crate::source::{Source, keep_requests, own_source};
use crate::status::*;
use crate::storage::raft_storage;

pub use crate::node_answer::*;
pub use crate::node_look::*;
pub use crate::node_propose::*;
pub use crate::node_report::*;
pub use crate::node_settings::*;
pub use crate::node_step::*;
pub use crate::node_time::*;
pub use crate::node_work::*;

/// One member of one Raft group. It does nothing by itself: the host passes in ticks, messages
/// and proposals, takes a Ready whenever raft_node_has_ready() says so, does what that asks for,
/// and calls raft_node_advance().
///
/// A node may move between threads, but not be used by two at once: the second one gets
/// RAFT_ERR_MISUSE. The views of its last Ready may be read meanwhile.
///
/// The errors that every call on a node may return are in this file's opening comment.
pub struct raft_node {
    id: u64,
    inner: Exclusive<Inner>,
}

/// What needs the node for itself.
pub(crate) struct Inner {
    pub(crate) node: Node,
    /// Where it has the payloads of its log.
    pub(crate) payloads: PayloadBlock,
    source: Option<Source>,
    ready: ReadyPlace,
    requests: RequestsPlace,
}

/// A first member of a group, for raft_node_bootstrap().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_peer {
    /// Its id.
    pub id: u64,
    /// Data for the host's own use, which comes back as the context of a configuration change.
    pub context: raft_bytes,
}

/// A member and its commit group, for raft_node_assign_commit_groups().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_commit_group {
    /// The member's id.
    pub id: u64,
    /// Its group, numbered from 1.
    pub group: u64,
}

/// How group commit stands: one of the RAFT_GROUP_COMMIT_ numbers.
pub type raft_group_commit_state = i32;

/// This node can't tell: it has to lead, and to have applied an entry of its term.
pub const RAFT_GROUP_COMMIT_UNKNOWN: raft_group_commit_state = 0;
/// Everything that is committed has reached two groups.
pub const RAFT_GROUP_COMMIT_CONSISTENT: raft_group_commit_state = 1;
/// It has not, or there are no two groups.
pub const RAFT_GROUP_COMMIT_INCONSISTENT: raft_group_commit_state = 2;

/// raft_node_has_ready() would say so.
pub const RAFT_PENDING_READY: u64 = 1;
/// raft_node_take_requests() may give something. Without this it gives nothing, but for requests that
/// have stayed unanswered for long and can wait for the next Ready. Never there without
/// RAFT_PENDING_READY.
pub const RAFT_PENDING_REQUESTS: u64 = 2;

/// What raft_node_next_deadline() says if time alone does nothing.
pub const RAFT_NO_DEADLINE: u64 = u64::MAX;

/// Why a raft_read_request can't be answered: one of the RAFT_READ_ numbers.
pub type raft_read_failure = i32;

/// The entries have been compacted away.
pub const RAFT_READ_COMPACTED: raft_read_failure = 1;
/// They can't be read at the moment; the core asks again when it still needs them.
pub const RAFT_READ_UNAVAILABLE: raft_read_failure = 2;

/// What became of a snapshot that was sent: one of the RAFT_SNAPSHOT_ numbers.
pub type raft_snapshot_status = i32;

/// The peer has it.
pub const RAFT_SNAPSHOT_FINISH: raft_snapshot_status = 1;
/// It didn't get there.
pub const RAFT_SNAPSHOT_FAILURE: raft_snapshot_status = 2;

export! {
    /// Makes a node on a storage, from whatever that holds: nothing (a node that knows no members waits
    /// until a leader's messages bring it up), what raft_storage_bootstrap() wrote, or what it had when
    /// it stopped. It reads from the storage by itself (but see raft_config_set_show_requests()) and
    /// follows its compaction; the host writes to it, with raft_storage_save().
    ///
    /// Two nodes must not be opened on one storage: each would take the other's state for its own.
    ///
    /// Errors: those of any call; RAFT_ERR_CONFIG (a setting, or several together; the message says
    /// which), RAFT_ERR_RESTART_STATE (what is stored contradicts itself), RAFT_ERR_ARGUMENT (what
    /// raft_config_set_applied() said does not fit the log), RAFT_ERR_IO (no seed from the system).
    ///
    /// Memory: The node keeps a copy of `config` and a reference to what is behind `storage`, so that
    /// both may be freed at any time. `out` belongs to the caller, who frees it with raft_node_free().
    ///
    /// Threads: Any. Two nodes on one storage are not noticed, and never right.
    try fn raft_node_new(
        config: *const raft_config,
        storage: *mut raft_storage,
        out: *mut *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let settings = config.settings();
        let storage = storage.shared();
        let state = settings.restart_state(&*storage)?;
        let first_index = state.compacted.index + 1;
        let source = Source::new(storage, first_index, settings.show_requests);
        let mut node = Node::new(settings.core()?, state)?;
        if !source.show_requests {
            node.note_requests_hidden();
        }
        out.put(raft_node::give(node, &settings, Some(source)))
    }
}

export! {
    /// Makes a node for a host with a storage of its own, from `len` bytes of an encoded
    /// libraft.RestartState at `state`; none at all stand for a node that has never run and knows no
    /// members. Its requests for entries and snapshots appear in its Readys, and the host reports
    /// compaction with raft_node_compacted().
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_CONFIG (a
    /// setting, or several together; the message says which), RAFT_ERR_MALFORMED and
    /// RAFT_ERR_IMPOSSIBLE (no libraft.RestartState), RAFT_ERR_RESTART_STATE (it contradicts itself),
    /// RAFT_ERR_IO (no seed from the system).
    ///
    /// Memory: `config` and `state` are borrowed for the call. `out` belongs to the caller, who frees
    /// it with raft_node_free().
    ///
    /// Threads: Any.
    try fn raft_node_restart(
        config: *const raft_config,
        state: *const u8,
        state_len: usize,
        out: *mut *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `state[..state_len]`.
        let state = unsafe { slice(state, state_len, "state") }?;
        let settings = config.settings();
        let node = Node::new(settings.core()?, codec::decode_restart_state(state)?)?;
        out.put(raft_node::give(node, &settings, None))
    }
}

export! {
    /// Frees a node, and with it the Ready that it last gave. What has not been saved is lost, as in a
    /// crash. NULL is ignored.
    ///
    /// Memory: `node` and the last raft_ready and raft_requests of it are gone.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_node_free(node: *mut raft_node) {
        if !node.is_null() {
            // SAFETY: made by `raft_node::give`, freed once and in use by nobody: so asks the
            // contract.
            drop(unsafe { Box::from_raw(node) });
        }
    }
}

export! {
    /// The node's id. From any thread, at any time. For NULL, 0.
    ///
    /// Threads: Any.
    fn raft_node_id(node: *const raft_node) -> u64 {
        // SAFETY: NULL, or a node that the caller has not freed.
        unsafe { node.as_ref() }.map_or(0, |node| node.id)
    }
}

export! {
    /// Starts the log of a new group with one applied entry for each first member, as
    /// etcd-io/raft's Bootstrap does. Every first member has to be given the same peers. Hosts
    /// with a raft_storage will rather use raft_storage_bootstrap().
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MISUSE also if the log is not empty, the term above 1 or there are no peers, RAFT_ERR_CONF_CHANGE (the
    /// node was made with members to which these can't be added).
    ///
    /// Memory: `peers` are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_bootstrap(
        node: *mut raft_node,
        peers: *const raft_peer,
        peers_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `peers[..peers_len]`.
        let peers = unsafe { slice(peers, peers_len, "peers") }?
            .iter()
            .map(|peer| {
                // SAFETY: the caller vouches for each peer's context as well.
                let context = unsafe { copied(peer.context.data, peer.context.len, "context") }?;
                Ok((peer.id, context))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        node.with(|inner| Ok(inner.node.bootstrap(&peers)?))
    }
}

impl raft_node {
    /// A node for the caller.
    fn give(node: Node, settings: &Settings, source: Option<Source>) -> *mut raft_node {
        Box::into_raw(Box::new(raft_node {
            id: settings.id,
            inner: Exclusive::new(Inner {
                node,
                payloads: PayloadBlock::default(),
                source,
                ready: ReadyPlace::new(Encoded::asked_for(settings)),
                requests: RequestsPlace::new(),
            }),
        }))
    }

    /// Runs `call` alone on the node, or not at all. A panic in it ends the node.
    #[inline]
    pub(crate) fn with<T>(
        &self,
        call: impl FnOnce(&mut Inner) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.inner
            .with(call)
            .unwrap_or_else(|why| Err(refused(why)))
    }

    /// Lets time pass, and says whether there is something to do.
    #[inline]
    pub(crate) fn tick_and_look(&self, ticks: u32) -> Result<bool, Failure> {
        self.with(|inner| {
            match ticks {
                1 => inner.node.tick()?,
                _ => inner.node.tick_many(ticks)?,
            }
            Ok(inner.has_ready())
        })
    }

    /// The same on a node that a panic has ended, too, for what does not ask how far the panicking call
    /// got.
    pub(crate) fn with_even_if_broken<T>(
        &self,
        call: impl Fn(&mut Inner) -> T,
    ) -> Result<T, Failure> {
        let result = match self.inner.with(&call) {
            Err(Refused::Broken) => self.inner.with_broken(&call),
            result => result,
        };
        result.map_err(refused)
    }
}

#[cold]
#[inline(never)]
fn refused(why: Refused) -> Failure {
    match why {
        Refused::Busy => Failure::new(
            RAFT_ERR_MISUSE,
            "two threads use the node at once: let one thread drive it, or lock",
        ),
        Refused::Broken => Failure::new(
            RAFT_ERR_POISONED,
            "the node has stopped: the library panicked in an earlier call: free it, and make it anew from \
             its storage",
        ),
    }
}

#[cfg(test)]
impl raft_node {
    /// Stops the node, as the core does it when its state contradicts itself.
    pub(crate) fn stopped(&self, why: &str) -> Result<(), Failure> {
        self.with(|inner| {
            inner.node.poison(why.to_owned());
            Ok(())
        })
    }

    /// Runs `call` in the place of a call on the core.
    pub(crate) fn occupied(&self, call: impl FnOnce()) -> Result<(), Failure> {
        self.with(|_| {
            call();
            Ok(())
        })
    }
}

impl Inner {
    pub(crate) fn recording(&self) -> (RecordingState, usize) {
        (self.node.record_state(), self.node.recording_bytes())
    }

    pub(crate) fn record_take(&mut self) -> Bytes {
        self.node.record_take()
    }

    pub(crate) fn record_note(&mut self, text: &str) {
        self.node.record_note(text);
    }

    pub(crate) fn record_stop(&mut self) {
        self.node.record_stop();
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.node.has_ready() || self.has_requests_in_hand()
    }

    pub(crate) fn rests_once_advanced(&self) -> bool {
        !self.node.is_poisoned() && self.node.rests_once_advanced() && !self.has_requests_in_hand()
    }

    fn has_requests_in_hand(&self) -> bool {
        let has_pending = |source: &Source| !source.pending.is_empty();
        self.source.as_ref().is_some_and(has_pending)
    }

    pub(crate) fn pending(&self) -> u64 {
        if !self.has_ready() {
            return 0;
        }
        let answers_itself = |source: &Source| !source.show_requests;
        let may_have_requests =
            !self.source.as_ref().is_some_and(answers_itself) && self.node.may_have_requests();
        RAFT_PENDING_READY
            | match may_have_requests {
                true => RAFT_PENDING_REQUESTS,
                false => 0,
            }
    }

    pub(crate) fn ready(&mut self) -> Result<*const raft_ready, Failure> {
        self.read_storage()?;
        let ready = self.ready.spare();
        self.node.ready_into(ready)?;
        keep_requests(&mut self.source, ready);
        Ok(self.ready.fill())
    }

    pub(crate) fn next_ready(&mut self) -> Result<*const raft_ready, Failure> {
        if self.node.may_advance() {
            self.node.advance()?;
        }
        // A node that has stopped has nothing to do, and says in the Ready's place that it has stopped.
        match self.has_ready() || self.node.is_poisoned() {
            true => self.ready(),
            false => Ok(std::ptr::null()),
        }
    }

    pub(crate) fn peek_ready(&mut self) -> Result<*const raft_ready, Failure> {
        self.read_storage()?;
        let mut ready = self.node.peek_ready()?;
        if own_source(&mut self.source).is_some() {
            ready.reads.clear();
            ready.snapshot_requests.clear();
        }
        *self.ready.spare() = ready;
        Ok(self.ready.fill())
    }

    pub(crate) fn accept_ready(&mut self) -> Result<(), Failure> {
        let mut ready = self.node.accept_ready()?;
        keep_requests(&mut self.source, &mut ready);
        Ok(())
    }

    /// Reads what the node needs from the storage that it is on.
    #[inline]
    fn read_storage(&mut self) -> Result<(), Failure> {
        match &mut self.source {
            Some(source) if source.has_news(&self.node) => source.serve(&mut self.node),
            _ => Ok(()),
        }
    }

    pub(crate) fn take_requests(&mut self) -> *const raft_requests {
        if own_source(&mut self.source).is_some() {
            return self.requests.fill(&[], &[]);
        }
        let (reads, snapshots) = self.node.take_requests();
        self.requests.fill(&reads, &snapshots)
    }
}
