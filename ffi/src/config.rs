//! `raft_config`: a node's settings.

use std::sync::{Mutex, PoisonError};

use libraft_core::{ConfState, Config, Index, NodeId, ReadOnlyOption, RestartState, codec};
use libraft_storage::Storage;

use crate::bytes::slice;
use crate::error::{Failure, raft_error};
use crate::status::RAFT_ERR_IO;

/// The settings of a node. It belongs to the caller, who frees it with raft_config_free(); nodes
/// keep a copy, so that one configuration serves for many and may be freed or changed at any time.
/// Values are checked when a node is made, with RAFT_ERR_CONFIG, and not before. Time is counted
/// in ticks, of whatever length the host gives them (raft_node_tick()).
pub struct raft_config(Mutex<Settings>);

/// What a node is made with: the core's settings, and those of this layer.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) id: NodeId,
    core: Config,
    read_only: i32,
    seed: Option<u64>,
    applied: Option<Applied>,
    pub(crate) show_requests: bool,
    pub(crate) encode_readys: bool,
    pub(crate) encode_entries: bool,
}

/// Where the host's own state stands.
#[derive(Clone, Debug)]
struct Applied {
    index: Index,
    /// The members as of there, if they are not those of the stored snapshot.
    conf_state: Option<ConfState>,
}

/// How reads are confirmed: one of the RAFT_READ_ONLY_ numbers.
pub type raft_read_only = i32;

/// By a round of heartbeats: safe whatever the clocks do.
pub const RAFT_READ_ONLY_SAFE: raft_read_only = 0;
/// By the leader's lease: at once, without asking the others, for as long as the leader has not
/// found that it lost its quorum. Needs check_quorum. Not linearizable: a read may be stale. A leader
/// looks once in election_ticks at whom it has heard from, so that one that is cut off goes on
/// answering for up to twice that time, while the others may elect a new leader after once that
/// time, even if all clocks are perfect. A voter that restarts has no lease to keep, and votes at
/// once. A read may also be stale if a leader's ticks come late by more than the others' do, as when
/// its process or machine was stopped and the host has not called raft_node_tick_many() for that
/// time first; if a voter lacks check_quorum; while leadership is being transferred, since that
/// election passes over leases; or if a voter forgets its leader (raft_node_forget_leader()). Where
/// that matters, RAFT_READ_ONLY_SAFE.
pub const RAFT_READ_ONLY_LEASE_BASED: raft_read_only = 1;

/// No limit, for the settings that limit bytes.
pub const RAFT_NO_LIMIT: u64 = u64::MAX;

export! {
    /// Makes a configuration with sound defaults for the node `id`, which is not 0, below
    /// RAFT_LOCAL_APPLY, and never used again for another machine.
    ///
    /// Errors: those of any call.
    ///
    /// Memory: `out` belongs to the caller, who frees it with raft_config_free().
    ///
    /// Threads: Any.
    try fn raft_config_new(
        id: u64,
        out: *mut *mut raft_config,
        error: *mut *mut raft_error,
    ) -> raft_status {
        out.put(Box::into_raw(Box::new(raft_config(Mutex::new(Settings {
            id,
            core: Config::new(id),
            read_only: RAFT_READ_ONLY_SAFE,
            seed: None,
            applied: None,
            show_requests: false,
            encode_readys: true,
            encode_entries: true,
        })))))
    }
}

export! {
    /// Frees a configuration. NULL is ignored.
    ///
    /// Memory: `config` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_config_free(config: *mut raft_config) {
        if !config.is_null() {
            // SAFETY: made by `raft_config_new`, and freed once: so asks the contract.
            drop(unsafe { Box::from_raw(config) });
        }
    }
}

export! {
    /// Ticks without word from a leader before an election; each wait is drawn anew from
    /// [ticks, 2 * ticks). Greater than the heartbeat ticks; ten times that is usual. Default 10.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_election_ticks(
        config: *mut raft_config,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.election_ticks = ticks)
    }
}

export! {
    /// The shortest wait for an election, in place of the election ticks; at least as many as
    /// these. 0 stands for the default. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_min_election_ticks(
        config: *mut raft_config,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.min_election_ticks = ticks)
    }
}

export! {
    /// The end of the range that a wait for an election is drawn from, itself excluded, in place
    /// of twice the election ticks; greater than the shortest wait. 0 stands for the default.
    /// Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_election_ticks(
        config: *mut raft_config,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_election_ticks = ticks)
    }
}

export! {
    /// Ticks between two heartbeats of the leader; at least 1. Default 1.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_heartbeat_ticks(
        config: *mut raft_config,
        ticks: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.heartbeat_ticks = ticks)
    }
}

export! {
    /// Seeds the randomized election timeouts, so that a run can be repeated exactly. By default
    /// each node takes a seed from the operating system when it is made.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_seed(
        config: *mut raft_config,
        seed: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.seed = Some(seed))
    }
}

export! {
    /// Whether to ask the others before disturbing them with an election. Default true.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_pre_vote(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.pre_vote = on)
    }
}

export! {
    /// Whether a leader that has not heard from a quorum for the election ticks steps down, and a
    /// node that has heard from a leader for less than that refuses to vote. Default true.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_check_quorum(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.check_quorum = on)
    }
}

export! {
    /// A voter refuses its vote to a candidate of lower priority, unless that one's log has more;
    /// so a transfer of leadership may fail, too, where a majority has a higher priority than its
    /// target. It travels with requests for votes if it is not 0, in a field that etcd-io/raft
    /// passes over; nodes that know nothing of it count as 0. See raft_node_set_priority().
    /// Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_priority(
        config: *mut raft_config,
        priority: i64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.priority = priority)
    }
}

export! {
    /// How reads are confirmed: one of the RAFT_READ_ONLY_ numbers. Default RAFT_READ_ONLY_SAFE.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_read_only(
        config: *mut raft_config,
        option: raft_read_only,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.read_only = option)
    }
}

export! {
    /// At most this many encoded bytes of entries in one append, though at least one entry.
    /// Default 1 MiB.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_size_per_msg(
        config: *mut raft_config,
        bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_size_per_msg = bytes)
    }
}

export! {
    /// At most this many encoded bytes of committed entries in one Ready, though at least one
    /// entry; 0 stands for the maximum size of a message. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_committed_size_per_ready(
        config: *mut raft_config,
        bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_committed_size_per_ready = bytes)
    }
}

export! {
    /// Proposals are dropped while more than this many payload bytes are uncommitted; 0 stands
    /// for no limit. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_uncommitted_bytes(
        config: *mut raft_config,
        bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_uncommitted_bytes = bytes)
    }
}

export! {
    /// At most this many appends in flight to one peer; at least 1. Default 256.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_inflight_msgs(
        config: *mut raft_config,
        messages: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_inflight_msgs = messages)
    }
}

export! {
    /// At most this many payload bytes in flight to one peer; 0 stands for no limit, otherwise at
    /// least the maximum size of a message. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_inflight_bytes(
        config: *mut raft_config,
        bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_inflight_bytes = bytes)
    }
}

export! {
    /// Of the entries that are persisted and applied, a leader keeps in memory those that a member
    /// has not acknowledged, up to this many encoded bytes, so that a member that lags is served
    /// without a read; and up to one batch more, since what came together goes together. A node that
    /// does not lead keeps none: whoever lags when the leader changes, or is new, is served by reads.
    /// Default 64 MiB.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_cached_bytes(
        config: *mut raft_config,
        bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_cached_bytes = bytes)
    }
}

export! {
    /// At most this many reads wait for confirmation; more are dropped. At least 1. Default
    /// 65,536.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_pending_reads(
        config: *mut raft_config,
        reads: u32,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_pending_reads = reads)
    }
}

export! {
    /// Whether appends are built when the Ready is taken, one for each peer and batch of
    /// proposals, instead of one for each proposal; and a follower leaves an append unanswered that brings
    /// nothing but the word that all its entries are committed, when it has answered another since
    /// the last heartbeat. Default true. False is for
    /// hosts that want what etcd-io/raft sends, message for message; with asynchronous storage
    /// writes that includes a fault: a request for votes then leaves before the candidate's term
    /// and log are persisted, and a candidate that forgets them in a crash can be elected without a
    /// committed entry.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_coalesce_appends(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.coalesce_appends = on)
    }
}

export! {
    /// Whether storage work is handed out as messages to RAFT_LOCAL_APPEND and RAFT_LOCAL_APPLY,
    /// with their responses attached, instead of in the Ready. Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_async_storage_writes(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.async_storage_writes = on)
    }
}

export! {
    /// With asynchronous storage writes, a leader hands out committed entries to be applied when at
    /// most this many of them are not yet persisted here: others have persisted them. See
    /// raft_node_set_max_apply_unpersisted_entries() for what the host has to mind. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_max_apply_unpersisted_entries(
        config: *mut raft_config,
        entries: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.max_apply_unpersisted_entries = entries)
    }
}

export! {
    /// Whether followers drop proposals instead of passing them on to the leader. Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_disable_proposal_forwarding(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.disable_proposal_forwarding = on)
    }
}

export! {
    /// Whether configuration changes are taken without being checked against the current
    /// configuration when they are proposed. For hosts that check by themselves. Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_disable_conf_change_validation(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.disable_conf_change_validation = on)
    }
}

export! {
    /// Whether a leader that is removed or made a learner steps down when that is applied.
    /// Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_step_down_on_removal(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.step_down_on_removal = on)
    }
}

export! {
    /// Whether to tell peers, and be told by them, what has been dropped of that which was passed on
    /// (raft_ready's `dropped`), and to tell nodes that they have been removed. This takes a message
    /// field and message types that etcd-io/raft does not know; its nodes ignore the one and are
    /// never sent the others, so that this may be on in some nodes of a group and off in others.
    ///
    /// A proposal that is passed on is then good for the leadership that it was sent to, and for one
    /// delivery: a copy of it, or one that comes late, is discarded. Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_peer_reports(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.peer_reports = on)
    }
}

export! {
    /// Whether to record every call on the node, from its making on, so that raft_replay() can make
    /// them again: for reports of defects, above all. At most `max_bytes` wait to be taken with
    /// raft_node_record_take(), and at least 256; 0 records nothing. When they are full, recording
    /// stops for good at a whole call, and the recording says so; a host that takes them often enough
    /// records for as long as it likes. A recording begins with the node, since most of what decides
    /// what a node does is in no storage: to record one that runs, free it and make it anew.
    ///
    /// It holds everything that the node is given, the data of proposals, snapshots and reads
    /// included. What a function refuses before it comes to the node (NULL, numbers that are none,
    /// bytes that are no entry) is no call, and questions that change nothing are none either. The
    /// node does the same with it as without. Default 0.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_record_bytes(
        config: *mut raft_config,
        max_bytes: u64,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.core.record_bytes = max_bytes)
    }
}

export! {
    /// Whether what a Ready has is there as bytes as well as in structs. A host that makes its own bytes of
    /// what it stores and sends can do without: raft_ready's `encoded` is empty then, and so is that of an entry
    /// and of a message if the struct tells all that there is (of messages: RAFT_MSG_APP that brings nothing, or
    /// entries that are in the same Ready to be persisted; RAFT_MSG_APP_RESP that accepts; and without contexts
    /// RAFT_MSG_HEARTBEAT and RAFT_MSG_HEARTBEAT_RESP). Payloads are lent from where the node has them, for as
    /// long as anything of a Ready. raft_storage_save() takes such a Ready like any other. Default true.
    ///
    /// Errors: those of any call.
    ///
    /// Threads: Any.
    try fn raft_config_set_encode_readys(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.encode_readys = on)
    }
}

export! {
    /// Whether there are, beside the bytes of its messages, those of what a Ready has to be stored and applied. A
    /// host that stores it with raft_storage_save() has no use for them: some 5% of what three nodes do for a small
    /// proposal. Without them `encoded` is empty in raft_ready, and in an entry if the struct tells all that there
    /// is; payloads are lent from where the node has them, for as long as anything of a Ready. Messages are bytes
    /// as ever. With raft_config_set_encode_readys() off, there are none of them anyway. Default true.
    ///
    /// Errors: those of any call.
    ///
    /// Threads: Any.
    try fn raft_config_set_encode_entries(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.encode_entries = on)
    }
}

export! {
    /// For raft_node_new(): up to where the host's own state has the log applied, so that the
    /// node begins to hand out committed entries after that. By default that is the snapshot in
    /// the storage, which is right for a host that restores its state from there. `conf_state` is
    /// the encoded raftpb.ConfState as of that index; of length 0 it stands for the members in
    /// the snapshot, if no configuration change was applied since.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_MALFORMED
    /// (no raftpb.ConfState). Whether the log reaches there is checked when a node is made.
    ///
    /// Memory: `conf_state` is borrowed for the call.
    ///
    /// Threads: Any.
    try fn raft_config_set_applied(
        config: *mut raft_config,
        index: u64,
        conf_state: *const u8,
        conf_state_len: usize,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `conf_state[..conf_state_len]`.
        let conf_state = unsafe { slice(conf_state, conf_state_len, "conf_state") }?;
        let conf_state = match conf_state {
            [] => None,
            bytes => Some(codec::decode_conf_state(bytes)?),
        };
        config.set(|settings| settings.applied = Some(Applied { index, conf_state }))
    }
}

export! {
    /// For raft_node_new(): whether the node leaves its requests for entries and snapshots to the
    /// host, in raft_ready.reads and raft_ready.snapshot_requests, instead of answering them from
    /// its storage by itself. For hosts that will not wait for the disk, or that send snapshots
    /// their own way. Default false.
    ///
    /// Errors: those of any call. Whether the value fits is checked when a node is made.
    ///
    /// Threads: Any.
    try fn raft_config_set_show_requests(
        config: *mut raft_config,
        on: bool,
        error: *mut *mut raft_error,
    ) -> raft_status {
        config.set(|settings| settings.show_requests = on)
    }
}

impl raft_config {
    fn set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Failure> {
        // Nothing that is done under this lock can leave the settings half-changed.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// A copy for one node.
    pub(crate) fn settings(&self) -> Settings {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Settings {
    /// What the node starts from: the storage, and where the host's own state stands.
    pub(crate) fn restart_state(&self, storage: &dyn Storage) -> Result<RestartState, Failure> {
        let state = storage.restart_state();
        let Some(Applied { index, conf_state }) = &self.applied else {
            return Ok(state);
        };
        let conf_state = match conf_state {
            Some(conf_state) => conf_state.clone(),
            None if state.conf_changes.iter().any(|change| change <= index) => {
                return Err(Failure::argument(
                    "a configuration change was applied since the stored snapshot, and conf_state \
                     does not say with which result: pass what raft_node_apply_conf_change() gave",
                ));
            }
            None => state.conf_state,
        };
        storage.restart_state_at(*index, conf_state).map_err(|_| {
            Failure::argument(format!(
                "applied is {index}, and the storage goes from the snapshot at {} to {}: set applied \
                 within that, or restore a snapshot",
                state.applied, state.last_index
            ))
        })
    }

    /// The core's settings, complete and checked.
    pub(crate) fn core(&self) -> Result<Config, Failure> {
        let mut config = self.core.clone();
        config.read_only = match self.read_only {
            RAFT_READ_ONLY_SAFE => ReadOnlyOption::Safe,
            RAFT_READ_ONLY_LEASE_BASED => ReadOnlyOption::LeaseBased,
            other => {
                return Err(libraft_core::Error::InvalidConfig(format!(
                    "read_only must be one of the RAFT_READ_ONLY_ numbers, and is {other}"
                ))
                .into());
            }
        };
        config.validate()?;
        config.seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| {
                Failure::new(
                    RAFT_ERR_IO,
                    format!("no seed from the system: {error}; raft_config_set_seed() sets one"),
                )
            })?,
        };
        Ok(config)
    }
}
