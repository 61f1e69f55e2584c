//! `raft_node`: one member of one Raft group.
//!
//! Translation, and two things more. The use of one node by two threads is an error instead of
//! undefined (`exclusive`); and a node that was opened on a storage answers its
//! own requests from there, right before and after its Ready is built, and follows its
//! compaction.

use std::sync::Arc;

use bytes::Bytes;
use libraft_core::codec::PayloadBlock;
use libraft_core::recording::RecordingState;
use libraft_core::{
    ConfChange, ConfChangeSingle, ConfChangeV2, Entry, Index, Node, ReadFailure, ReadRequest,
    Ready, SnapshotRequest, SnapshotStatus, codec,
};
use libraft_storage::Storage;

use crate::bytes::{copied, copied_if_any, copied_list, copied_to, raft_buffer, raft_bytes, slice};
use crate::conf_change::{Change, raft_conf_change_type, single};
use crate::conf_state::{OwnedConfState, raft_conf_state};
use crate::config::{Settings, raft_config};
use crate::entry::{decode_entries, proposal, raft_entry_type};
use crate::error::{Failure, raft_error};
use crate::exclusive::{Exclusive, Refused};
use crate::metrics::{self, raft_metrics};
use crate::node_status::{self, raft_node_status, raft_progress};
use crate::ready::{ReadyPlace, raft_ready};
use crate::requests::{RequestsPlace, raft_requests};
use crate::status::*;
use crate::storage::raft_storage;

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
    payloads: PayloadBlock,
    source: Option<Source>,
    ready: ReadyPlace,
    requests: RequestsPlace,
}

/// The storage that a node was opened on.
struct Source {
    storage: Arc<dyn Storage>,
    show_requests: bool,
    /// What the core has last been told of the storage's compaction.
    first_index: Index,
    /// Requests that came up while a Ready was built; answered before the next one.
    pending: Pending,
}

/// Requests of the core.
#[derive(Default)]
struct Pending {
    reads: Vec<ReadRequest>,
    snapshots: Vec<SnapshotRequest>,
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
        let source = Source {
            show_requests: settings.show_requests,
            first_index: state.compacted.index + 1,
            pending: Pending::default(),
            storage,
        };
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

export! {
    /// One unit of logical time has passed. To be called at regular intervals; ticks that were
    /// missed are better dropped than made up for.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.tick()?))
    }
}

export! {
    /// So many units of logical time have passed at once: the same as raft_node_tick() called so
    /// often, for a host that had no need to touch the node meanwhile. 0 is nothing. Up to
    /// raft_node_next_deadline(), all of them together cost what one does. Beyond it, time and memory grow
    /// with what the node has to do: a leader makes all the heartbeats that it has missed. So a host that
    /// was stopped for long passes the lower one of what it has missed and the deadline.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick_many(
        node: *mut raft_node,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.tick_many(ticks)?))
    }
}

export! {
    /// How many ticks it takes until one of them can do more than move the node's clocks, at least
    /// 1; RAFT_NO_DEADLINE if time alone does nothing. It holds until the next other call that
    /// changes the node. So a host with many groups at rest, once it has done what raft_node_ready()
    /// asked for, may leave this one alone for so long, or until a message, a proposal or anything
    /// else comes for it, and then first make up for the ticks with raft_node_tick_many().
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_next_deadline(
        node: *const raft_node,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let deadline = node.with(|inner| Ok(inner.node.next_deadline()))?;
        out.put(deadline.unwrap_or(RAFT_NO_DEADLINE))
    }
}

export! {
    /// One unit of logical time has passed for a group that is known to be at rest: the election
    /// clock moves and nothing is sent.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_tick_quiesced(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.tick_quiesced()?))
    }
}

export! {
    /// Campaigns at once, without waiting for the election timeout.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_campaign(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.campaign()?))
    }
}

export! {
    /// Proposes `len` bytes at `data`, which are copied, as one entry. That it was taken does not
    /// mean that it will be committed: it is when it comes back in `committed_entries`. NULL is an
    /// entry without data, which is encoded in fewer bytes than one with empty data.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_DROPPED (raft_error_drop_reason() says why; it may be proposed again).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| {
            // SAFETY: the caller vouches for `data[..len]`.
            let data = unsafe { copied_to(&mut inner.payloads, data, len, "data") }?;
            Ok(inner.node.propose_entry(proposal(data))?)
        })
    }
}

export! {
    /// Proposes `list_len` payloads, which are copied, as one entry each, in this order: all of
    /// them or none. No payloads at all are RAFT_OK and do nothing.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_DROPPED (raft_error_drop_reason() says why; none was taken).
    ///
    /// Memory: `list` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_many(
        node: *mut raft_node,
        list: *const raft_bytes,
        list_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `list[..list_len]`.
        let list = unsafe { slice(list, list_len, "list") }?;
        node.with(|inner| {
            let payload = |view: &raft_bytes| {
                // SAFETY: the caller vouches for each view in the list as well.
                unsafe { copied_to(&mut inner.payloads, view.data, view.len, "list") }
            };
            let entries = list.iter().map(payload).map(|data| Ok(proposal(data?)));
            let entries = entries.collect::<Result<_, Failure>>()?;
            Ok(inner.node.propose_entries(entries)?)
        })
    }
}

export! {
    /// Proposes to add, remove or update one member, as an entry of type RAFT_ENTRY_CONF_CHANGE.
    /// `type` is one of the RAFT_CONF_CHANGE_ numbers; `context` is for the host's own use and
    /// comes back with the entry. When the entry comes to be applied, the host calls
    /// raft_node_apply_conf_change(). A leader that cannot take the change (another one is in
    /// flight) turns it into an empty entry.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, an unknown
    /// type of step), RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
    ///
    /// Memory: `context` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_conf_change(
        node: *mut raft_node,
        change_type: raft_conf_change_type,
        node_id: u64,
        context: *const u8,
        context_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `context[..context_len]`.
        let context = unsafe { copied(context, context_len, "context") }?;
        let change = single(change_type, node_id)?;
        let change = ConfChange { id: 0, change, context };
        node.with(|inner| Ok(inner.node.propose_conf_change(&change)?))
    }
}

export! {
    /// Proposes a configuration change in its encoded form: raftpb.ConfChange for
    /// RAFT_ENTRY_CONF_CHANGE, raftpb.ConfChangeV2 for RAFT_ENTRY_CONF_CHANGE_V2, which
    /// raft_conf_change_encode() makes.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
    /// of entry), RAFT_ERR_MALFORMED, RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_propose_conf_change_encoded(
        node: *mut raft_node,
        entry_type: raft_entry_type,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied_if_any(data, len, "data") }?;
        let kind = Change::kind(entry_type)?;
        let entry = Entry {
            kind,
            ..proposal(data)
        };
        node.with(|inner| Ok(inner.node.propose_entry(entry)?))
    }
}

export! {
    /// Applies a committed configuration change: `entry_type` and `data` are those of the entry.
    /// To be called for each entry of type RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2,
    /// when its turn to be applied comes; for a change that the host refuses,
    /// raft_node_reject_conf_change() instead.
    ///
    /// A new member that has to be brought up by a snapshot takes none that does not name it: a
    /// host that compacts its log makes a snapshot after each change that adds a member.
    ///
    /// A change that was handed out before a snapshot took the log's place is part of that snapshot: it
    /// alters nothing then, and the snapshot's configuration is what `out` gets.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
    /// of entry), RAFT_ERR_MALFORMED, RAFT_ERR_CONF_CHANGE (it does not fit; the members are as before,
    /// and the change counts as refused).
    ///
    /// Memory: `data` is borrowed for the call. `out` may be NULL; otherwise what is stored there
    /// belongs to the caller, who frees it with raft_conf_state_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_apply_conf_change(
        node: *mut raft_node,
        entry_type: raft_entry_type,
        data: *const u8,
        len: usize,
        out: *mut *mut raft_conf_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied(data, len, "data") }?;
        let change = Change::decode(entry_type, data)?.into_v2();
        let state = node.with(|inner| Ok(inner.node.apply_conf_change(&change)?))?;
        if !out.is_null() {
            // SAFETY: not NULL, so that the caller vouches that it may be written to.
            unsafe { out.write(OwnedConfState::give(state)) };
        }
        Ok(())
    }
}

export! {
    /// Tells the node that a committed configuration change was not applied, since the host
    /// refuses it (every member must do so alike). The members stay as they are, and the next
    /// change may be proposed.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_CONF_CHANGE (what follows by itself
    /// does not fit the configuration).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_reject_conf_change(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let nothing = ConfChangeV2 {
            changes: vec![ConfChangeSingle::default()],
            ..ConfChangeV2::default()
        };
        node.with(|inner| inner.node.apply_conf_change(&nothing).map(drop).map_err(Into::into))
    }
}

export! {
    /// The configuration as of the last applied change.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_conf_state_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_conf_state(
        node: *const raft_node,
        out: *mut *mut raft_conf_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        if out.is_null() {
            return Err(Failure::new(RAFT_ERR_NULL, "out is NULL"));
        }
        let state = node.with(|inner| Ok(inner.node.status().conf_state))?;
        // SAFETY: not NULL, so that the caller vouches that it may be written to.
        unsafe { out.write(OwnedConfState::give(state)) };
        Ok(())
    }
}

export! {
    /// Hands over a message from a peer: `len` bytes of raftpb.Message at `data`, which are
    /// copied.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED (no raftpb.Message), RAFT_ERR_IMPOSSIBLE (no correct peer sends it),
    /// RAFT_ERR_LOCAL_MESSAGE (a kind that never travels), RAFT_ERR_UNKNOWN_PEER (a response of no
    /// member; harmless); RAFT_ERR_DROPPED and RAFT_ERR_READ_DROPPED (a peer passed on what this node
    /// can't take either; it hears nothing of that). All of these but RAFT_ERR_POISONED are for a log
    /// or a counter: go on.
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_step(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { slice(data, len, "data") }?;
        node.with(|inner| Ok(inner.node.step_slice_into(data, &mut inner.payloads)?))
    }
}

export! {
    /// Hands over several messages, each one preceded by its length as a protobuf varint. All are
    /// decoded first: if one can't be, none is handed over. A message that the node then refuses
    /// does not keep the others from it; the first refusal is what is returned, after all have had
    /// their turn.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX);
    /// RAFT_ERR_MALFORMED, RAFT_ERR_LOCAL_MESSAGE and RAFT_ERR_IMPOSSIBLE for what can't be decoded,
    /// and then nothing has changed; otherwise those of raft_node_step(): RAFT_ERR_IMPOSSIBLE,
    /// RAFT_ERR_UNKNOWN_PEER, RAFT_ERR_DROPPED, RAFT_ERR_READ_DROPPED, with which the other messages
    /// have been taken.
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_step_many(
        node: *mut raft_node,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let mut rest = unsafe { slice(data, len, "data") }?;
        node.with(|inner| {
            let mut messages = Vec::new();
            while !rest.is_empty() {
                let frame = next_frame(&mut rest)?;
                messages.push(codec::decode_message_into(frame, &mut inner.payloads)?);
            }
            let mut refusal = None;
            for message in messages {
                if let Err(error) = inner.node.step(message) {
                    refusal.get_or_insert(error);
                }
            }
            refusal.map_or(Ok(()), |error| Err(error.into()))
        })
    }
}

export! {
    /// Asks for a linearizable read. `context`, which is copied, is the host's name for it; it
    /// must never be used again on any node, not even for another try. The answer is a read state
    /// with this context in a later Ready, or never comes, if messages get lost or the leader
    /// changes: then ask again under a new name.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_READ_DROPPED (raft_error_drop_reason() says why; ask again under another name).
    ///
    /// Memory: `context` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_read_index(
        node: *mut raft_node,
        context: *const u8,
        context_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `context[..context_len]`.
        let context = unsafe { copied_if_any(context, context_len, "context") }?;
        node.with(|inner| Ok(inner.node.read_index_if_named(context)?))
    }
}

export! {
    /// Whether raft_node_ready() would give something to do.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_has_ready(
        node: *const raft_node,
        out: *mut bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let has = node.with(|inner| Ok(inner.has_ready()))?;
        out.put(has)
    }
}

export! {
    /// What there is to do, as a sum of RAFT_PENDING_ numbers, for a host that would otherwise call
    /// raft_node_has_ready(), and then raft_node_take_requests() before each raft_node_ready().
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_pending(
        node: *const raft_node,
        out: *mut u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let pending = node.with(|inner| Ok(inner.pending()))?;
        out.put(pending)
    }
}

export! {
    /// Takes the next batch of work. See raft_ready for what to do with it, and for how long it
    /// is valid. A node on a storage first reads there what it needs, in this call.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
    /// advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
    /// storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
    /// not hold what this node has to apply, or holds something else). What was not read is asked for
    /// again, so that the call may be repeated; the last Ready stays valid.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready()
    /// or raft_node_peek_ready() on it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_ready(
        node: *mut raft_node,
        out: *mut *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let ready = node.with(Inner::ready)?;
        out.put(ready)
    }
}

export! {
    /// Shows what raft_node_ready() would give, and takes nothing: none of it is to be done before
    /// raft_node_accept_ready(). For a host that offers its work to somebody who may not come for
    /// it at once, and looks again if anything else happens first. What it gives is valid as long
    /// as what raft_node_ready() gives, and takes the place of the last Ready.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
    /// advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
    /// storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
    /// not hold what this node has to apply, or holds something else). What was not read is asked for
    /// again, so that the call may be repeated; the last Ready stays valid.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready()
    /// or raft_node_peek_ready() on it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_peek_ready(
        node: *mut raft_node,
        out: *mut *const raft_ready,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let ready = node.with(Inner::peek_ready)?;
        out.put(ready)
    }
}

export! {
    /// Takes the Ready that raft_node_peek_ready() has shown, which stays valid.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if raft_node_peek_ready() has not been
    /// called, or the node has been used since: look again.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_accept_ready(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(Inner::accept_ready)
    }
}

export! {
    /// The last Ready's work is done: persisted, sent and applied. To be called once after each
    /// raft_node_ready(), except with asynchronous storage writes.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if there is no Ready to advance from.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_advance(node: *mut raft_node, error: *mut *mut raft_error) -> raft_status {
        node.with(|inner| Ok(inner.node.advance()?))
    }
}

export! {
    /// Asks the leader for a snapshot in place of what this node has applied, although its log is
    /// fine: for a host whose state machine is damaged. It comes as raft_ready.snapshot, at this
    /// node's last index or later; until then, the node takes no entries. The leader's host is asked
    /// with each heartbeat for as long as it has none that is new enough
    /// (raft_snapshot_request.min_index); a node on a storage takes it from there.
    ///
    /// A change of the leader ends the request, and so does a leader that goes on sending entries
    /// for the election ticks, as etcd-io/raft's do, since they don't know of it.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_SNAPSHOT_REQUEST_DROPPED (there is no leader or it
    /// is this node, a snapshot is being installed or has been asked for, or no entry of the present
    /// term has come yet).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_request_snapshot(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.request_snapshot()?))
    }
}

export! {
    /// Sets the priority, see raft_config_set_priority(), from now on.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_priority(
        node: *mut raft_node,
        priority: i64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_priority(priority)?))
    }
}

export! {
    /// From now on, at most so many appends and payload bytes are in flight to the member `id`, in
    /// place of what the configuration says, and also when this node comes to lead later. 0 bytes
    /// stand for no limit; 0 messages keep all entries back that need not be sent to find out what
    /// the member has. What is on its way already counts: a window that becomes too small for it
    /// is full until that has arrived.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also for the member 0.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_inflight_limits(
        node: *mut raft_node,
        id: u64,
        max_messages: u32,
        max_bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_inflight_limits(id, max_messages, max_bytes)?))
    }
}

export! {
    /// Sets the limit of raft_config_set_max_apply_unpersisted_entries(), from now on. It matters
    /// with asynchronous storage writes, and while this node leads.
    ///
    /// Entries that are handed out so are committed, and safe with others, but a crash may leave
    /// this node's state machine ahead of its log. A state machine that is durable on its own has to
    /// know up to where it has applied. After such a crash, the host starts the node with the log's
    /// last index as what is applied, and passes over the entries that come back to be applied and
    /// that the state machine has already; more than the log's last index is an error.
    /// Configuration changes never run ahead, so that none is among them. Nor may the log be
    /// compacted beyond what is persisted.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_max_apply_unpersisted_entries(
        node: *mut raft_node,
        entries: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_max_apply_unpersisted_entries(entries)?))
    }
}

export! {
    /// With group commit, this node commits as a leader only what members of two commit groups
    /// have, besides a majority: raft_node_assign_commit_groups() says who belongs where. While it
    /// knows of only one group or none, and of a voter that has none, only what all voters have;
    /// with all of them in one group, a majority is enough. In a joint configuration, each half has
    /// to have it so. Off at first; kept in memory only.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_enable_group_commit(
        node: *mut raft_node,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.enable_group_commit(on)?))
    }
}

export! {
    /// Puts members into commit groups; others stay where they are. It outlasts changes of this
    /// node's role and of the members, but not a restart. Any node may come to lead, so that all
    /// should be told.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MISUSE also for a member or a group 0.
    ///
    /// Memory: `groups` are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_assign_commit_groups(
        node: *mut raft_node,
        groups: *const raft_commit_group,
        groups_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `groups[..groups_len]`.
        let groups = unsafe { slice(groups, groups_len, "groups") }?;
        let groups: Vec<_> = groups.iter().map(|of| (of.id, of.group)).collect();
        node.with(|inner| Ok(inner.node.assign_commit_groups(&groups)?))
    }
}

export! {
    /// Takes all members out of their commit groups.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_clear_commit_groups(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.clear_commit_groups()?))
    }
}

export! {
    /// Whether everything that is committed has reached two commit groups: one of the
    /// RAFT_GROUP_COMMIT_ numbers.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_group_commit_state(
        node: *const raft_node,
        out: *mut raft_group_commit_state,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let consistent = node.with(|inner| Ok(inner.node.is_group_commit_consistent()))?;
        out.put(match consistent {
            None => RAFT_GROUP_COMMIT_UNKNOWN,
            Some(true) => RAFT_GROUP_COMMIT_CONSISTENT,
            Some(false) => RAFT_GROUP_COMMIT_INCONSISTENT,
        })
    }
}

export! {
    /// A message to this peer could not be delivered.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_report_unreachable(
        node: *mut raft_node,
        id: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.report_unreachable(id)?))
    }
}

export! {
    /// What became of a RAFT_MSG_SNAP to this peer: RAFT_SNAPSHOT_FINISH or
    /// RAFT_SNAPSHOT_FAILURE. Unless a failure is reported, the leader waits for the peer's
    /// acknowledgement before it sends anything else.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_SNAPSHOT_ number).
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_report_snapshot(
        node: *mut raft_node,
        id: u64,
        status: raft_snapshot_status,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = match status {
            RAFT_SNAPSHOT_FINISH => SnapshotStatus::Finish,
            RAFT_SNAPSHOT_FAILURE => SnapshotStatus::Failure,
            other => return Err(Failure::argument(format!(
                "{other} is no snapshot status: pass one of the RAFT_SNAPSHOT_ numbers"
            ))),
        };
        node.with(|inner| Ok(inner.node.report_snapshot(id, status)?))
    }
}

export! {
    /// Asks the leader to hand its leadership to this member. On a follower, passes the wish on.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_transfer_leader(
        node: *mut raft_node,
        transferee: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.transfer_leader(transferee)?))
    }
}

export! {
    /// A follower forgets its leader, so that it may vote for another at once.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_forget_leader(
        node: *mut raft_node,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.forget_leader()?))
    }
}

export! {
    /// Takes out the requests for entries and snapshots that no Ready has shown yet, for a host that
    /// answers them at once: what it provides before it takes the Ready is in that Ready already. Each
    /// of them must be answered like one in a Ready, and an answer may lead to more. Without requests,
    /// its lists are empty; as they always are for a node that reads from its own storage.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` is borrowed from the node: it is valid until the next raft_node_take_requests() on
    /// it, or raft_node_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_take_requests(
        node: *mut raft_node,
        out: *mut *const raft_requests,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let requests = node.with(|inner| Ok(inner.take_requests()))?;
        out.put(requests)
    }
}

export! {
    /// Answers a raft_read_request with entries from its low index on, each one as raftpb.Entry.
    /// They are copied. Late, stale and wrong answers are harmless.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Entry that a log can hold),
    /// RAFT_ERR_WRONG_ANSWER (not the entries asked for; the core asks again).
    ///
    /// Memory: `entries` are borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_provide_entries(
        node: *mut raft_node,
        request_id: u64,
        entries: *const raft_bytes,
        entries_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `entries[..entries_len]` and each view in it.
        let entries = decode_entries(unsafe { copied_list(entries, entries_len, "entries") }?)?;
        node.with(|inner| Ok(inner.node.provide_entries(request_id, entries)?))
    }
}

export! {
    /// Answers a raft_read_request: there are no entries, because of RAFT_READ_COMPACTED or
    /// RAFT_READ_UNAVAILABLE.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_READ_ number). An id that nobody
    /// waits for, or no longer, is none.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_read_failed(
        node: *mut raft_node,
        request_id: u64,
        failure: raft_read_failure,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let failure = match failure {
            RAFT_READ_COMPACTED => ReadFailure::Compacted,
            RAFT_READ_UNAVAILABLE => ReadFailure::Unavailable,
            other => return Err(Failure::argument(format!(
                "{other} is no read failure: pass one of the RAFT_READ_ numbers"
            ))),
        };
        node.with(|inner| Ok(inner.node.read_failed(request_id, failure)?))
    }
}

export! {
    /// Answers a raft_snapshot_request: `len` bytes of raftpb.Snapshot at `data`, which are
    /// copied.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
    /// RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Snapshot that a log can begin with),
    /// RAFT_ERR_WRONG_ANSWER (it can't be sent: too old, or without members; the core asks again).
    ///
    /// Memory: `data` is borrowed for the call.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_provide_snapshot(
        node: *mut raft_node,
        request_id: u64,
        data: *const u8,
        len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let snapshot = codec::decode_snapshot(unsafe { copied(data, len, "data") }?)?;
        node.with(|inner| Ok(inner.node.provide_snapshot(request_id, snapshot)?))
    }
}

export! {
    /// Answers a raft_snapshot_request: there is no snapshot at the moment. The core asks again
    /// when it still needs one.
    ///
    /// Errors: those of any call on a node. An id that nobody waits for, or no longer, is none.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_snapshot_failed(
        node: *mut raft_node,
        request_id: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.snapshot_failed(request_id)?))
    }
}

export! {
    /// Tells the node that the stored log begins at `first_index` now. A node on a raft_storage
    /// finds that out by itself.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also if entries that are not applied, or
    /// not persisted, would be gone.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_compacted(
        node: *mut raft_node,
        first_index: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.compacted(first_index)?))
    }
}

export! {
    /// Fixes the randomized election timeout, in ticks, until the node's next change of role or
    /// term draws a new one. For tests that need to know which node campaigns first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_MISUSE also for 0 ticks.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_set_randomized_election_timeout(
        node: *mut raft_node,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        node.with(|inner| Ok(inner.node.set_randomized_election_timeout(ticks)?))
    }
}

export! {
    /// Fills in what the node says about itself. The caller sets out->size first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
    /// had).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_get_status(
        node: *const raft_node,
        out: *mut raft_node_status,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.basic_status()))?;
        // SAFETY: the caller vouches for `out`, and that its size is set.
        unsafe { node_status::fill(out, &status) }
    }
}

export! {
    /// What the leader knows of each member, itself included, by ascending id: as many as there
    /// are go to `len`, and the first `capacity` of them at most to `out`, which may be NULL if
    /// that is 0. On a node that does not lead there are none.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the capacity is beyond PTRDIFF_MAX
    /// bytes).
    ///
    /// Memory: `out` and `len` are the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_progress(
        node: *const raft_node,
        out: *mut raft_progress,
        capacity: usize,
        len: *mut usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.status()))?;
        // SAFETY: the caller vouches that `out[..capacity]` may be written to.
        unsafe { node_status::fill_progress(out, capacity, &status.progress) }?;
        len.put(status.progress.len())
    }
}

export! {
    /// Fills in the node's counters. The caller sets out->size first.
    ///
    /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
    /// had).
    ///
    /// Memory: `out` is the caller's own, and written on success only.
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_metrics(
        node: *const raft_node,
        out: *mut raft_metrics,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let counters = node.with(|inner| Ok(inner.node.metrics()))?;
        // SAFETY: the caller vouches for `out`, and that its size is set.
        unsafe { metrics::fill(out, &counters) }
    }
}

export! {
    /// All that the node says about itself, on a leader with the progress of each member, as an encoded
    /// libraft.Status.
    ///
    /// Errors: those of any call on a node.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
    ///
    /// Threads: One at a time on the node.
    try fn raft_node_status_encoded(
        node: *const raft_node,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        let status = node.with(|inner| Ok(inner.node.status()))?;
        out.put(raft_buffer::give(node_status::encode(&status)))
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
                ready: ReadyPlace::new(settings.encode_readys),
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

    fn has_ready(&self) -> bool {
        let has_pending = |source: &Source| !source.pending.is_empty();
        self.node.has_ready() || self.source.as_ref().is_some_and(has_pending)
    }

    fn pending(&self) -> u64 {
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

    fn ready(&mut self) -> Result<*const raft_ready, Failure> {
        self.read_storage()?;
        let ready = self.ready.spare();
        self.node.ready_into(ready)?;
        keep_requests(&mut self.source, ready);
        Ok(self.ready.fill())
    }

    fn peek_ready(&mut self) -> Result<*const raft_ready, Failure> {
        self.read_storage()?;
        let mut ready = self.node.peek_ready()?;
        if own_source(&mut self.source).is_some() {
            ready.reads.clear();
            ready.snapshot_requests.clear();
        }
        *self.ready.spare() = ready;
        Ok(self.ready.fill())
    }

    fn accept_ready(&mut self) -> Result<(), Failure> {
        let mut ready = self.node.accept_ready()?;
        keep_requests(&mut self.source, &mut ready);
        Ok(())
    }

    /// Reads what the node needs from the storage that it is on.
    fn read_storage(&mut self) -> Result<(), Failure> {
        if let Some(source) = &mut self.source {
            source.follow_compaction(&mut self.node)?;
            source.answer_pending(&mut self.node)?;
        }
        Ok(())
    }

    fn take_requests(&mut self) -> *const raft_requests {
        if own_source(&mut self.source).is_some() {
            return self.requests.fill(&[], &[]);
        }
        let (reads, snapshots) = self.node.take_requests();
        self.requests.fill(&reads, &snapshots)
    }
}

/// The storage, if requests are answered from it and not shown to the host.
fn own_source(source: &mut Option<Source>) -> Option<&mut Source> {
    source.as_mut().filter(|source| !source.show_requests)
}

/// Keeps back what a Ready asks of the storage, if the host is not to see it: building the appends of
/// this Ready may have shown that more has to be read.
fn keep_requests(source: &mut Option<Source>, ready: &mut Ready) {
    if (!ready.reads.is_empty() || !ready.snapshot_requests.is_empty())
        && let Some(source) = own_source(source)
    {
        source.pending.reads.append(&mut ready.reads);
        let requests = &mut ready.snapshot_requests;
        source.pending.snapshots.append(requests);
    }
}

impl Source {
    /// Tells the core what the host has dropped from the storage. What the core counts as not
    /// applied or not persisted yet, because the host compacts before it advances, waits for the next time.
    fn follow_compaction(&mut self, node: &mut Node) -> Result<(), Failure> {
        let stored = self.storage.first_index();
        if stored <= self.first_index {
            return Ok(());
        }
        let status = node.basic_status();
        let done = status.applied.min(status.persisted);
        let first_index = stored.min(done + 1);
        if first_index > self.first_index {
            node.compacted(first_index)?;
            self.first_index = first_index;
        }
        Ok(())
    }

    /// Answers the requests that no Ready has shown.
    ///
    /// # Errors
    /// The first one of [`Source::read`] and [`Source::read_snapshot`]. Everything is answered
    /// all the same, so that the core asks again.
    fn answer_pending(&mut self, node: &mut Node) -> Result<(), Failure> {
        if self.show_requests {
            return Ok(());
        }
        // One look in place of building the appends apart from the Ready: 400 instructions for each Ready.
        if !node.may_have_requests() && self.pending.is_empty() {
            return Ok(());
        }
        let (reads, snapshots) = node.take_requests();
        let earlier = std::mem::take(&mut self.pending);
        let mut result = Ok(());
        for request in earlier.reads.iter().chain(&reads) {
            result = result.and(self.read(node, request));
        }
        for request in earlier.snapshots.iter().chain(&snapshots) {
            result = result.and(self.read_snapshot(node, request));
        }
        result
    }

    /// Passes stored entries to the core.
    ///
    /// # Errors
    /// Those of a damaged storage, and of one that is not what this node has written: they would
    /// come up again and again, and nothing would ever be applied.
    fn read(&self, node: &mut Node, request: &ReadRequest) -> Result<(), Failure> {
        let entries = self
            .storage
            .entries(request.low, request.high, request.max_bytes);
        match entries {
            Ok(entries) => Ok(node.provide_entries(request.id, entries)?),
            Err(error) => {
                node.read_failed(request.id, read_failure(&error))?;
                let status = node.basic_status();
                // What is committed and not applied must be there. Anything else may have been
                // compacted or replaced since it was asked for.
                let not_applied = status.applied + 1..status.hard_state.commit + 1;
                match not_applied.contains(&request.low) || is_damage(&error) {
                    true => Err(error.into()),
                    false => Ok(()),
                }
            }
        }
    }

    /// Passes the stored snapshot to the core.
    ///
    /// # Errors
    /// Those of a damaged storage.
    fn read_snapshot(&self, node: &mut Node, request: &SnapshotRequest) -> Result<(), Failure> {
        match self.storage.snapshot() {
            Ok(snapshot) if !snapshot.is_empty() && snapshot.id.index >= request.min_index => {
                Ok(node.provide_snapshot(request.id, snapshot)?)
            }
            // The host makes one, or makes a newer one, in its own time.
            Ok(_) => Ok(node.snapshot_failed(request.id)?),
            Err(error) => {
                node.snapshot_failed(request.id)?;
                match is_damage(&error) {
                    true => Err(error.into()),
                    false => Ok(()),
                }
            }
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.snapshots.is_empty()
    }
}

fn read_failure(error: &libraft_storage::Error) -> ReadFailure {
    match error {
        libraft_storage::Error::Compacted => ReadFailure::Compacted,
        _ => ReadFailure::Unavailable,
    }
}

/// Whether the storage itself is at fault, rather than what was asked of it.
fn is_damage(error: &libraft_storage::Error) -> bool {
    use libraft_storage::Error;
    !matches!(
        error,
        Error::Compacted | Error::Unavailable | Error::SnapshotTemporarilyUnavailable
    )
}

/// Takes the next length-delimited frame off the front.
fn next_frame<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Failure> {
    let malformed = |why: &str| Failure::new(RAFT_ERR_MALFORMED, why.to_owned());
    let len = prost::encoding::decode_varint(rest)
        .map_err(|_| malformed("the length of a message is no varint"))?;
    match usize::try_from(len) {
        Ok(len) if len <= rest.len() => {
            let (frame, behind) = rest.split_at(len);
            *rest = behind;
            Ok(frame)
        }
        _ => Err(malformed("a message is longer than what is left")),
    }
}
