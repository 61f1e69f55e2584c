//! A node's settings, and what makes them valid.

use crate::error::{Error, Result};
use crate::recording::MIN_RECORD_BYTES;
use crate::types::{LOCAL_APPLY, NONE, NodeId};

/// No limit.
pub const NO_LIMIT: u64 = u64::MAX;

/// How linearizable reads are confirmed (thesis §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum ReadOnlyOption {
    /// By a round of heartbeats: safe whatever the clocks do.
    #[default]
    Safe = 0,
    /// By the leader's lease: at once, for as long as the leader has not found that it lost its
    /// quorum. Not linearizable: a read may be stale. A leader looks once in `election_ticks` at
    /// whom it has heard from, so that one that is cut off goes on answering for up to twice that
    /// time, while the others may elect a new leader after once that time, even if all clocks are
    /// perfect. A voter that restarts has no lease to keep, and votes at once. A read may also be
    /// stale if clocks differ or a process stands still; if a voter lacks `check_quorum`; while
    /// leadership is being transferred, for the target of [`crate::Node::transfer_leader`] is voted
    /// for in spite of the lease; and where [`crate::Node::forget_leader`] is called. Needs
    /// `check_quorum`.
    LeaseBased = 1,
}

/// The settings of a [`crate::Node`]. [`Config::new`] gives sound defaults.
///
/// Time is counted in ticks, of whatever length the host gives them ([`crate::Node::tick`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node's id; not 0, and below the two largest numbers, which are reserved.
    pub id: NodeId,
    /// Ticks without word from a leader before an election; each wait is drawn anew from
    /// `[election_ticks, 2 * election_ticks)`, or between the bounds below. Greater than `heartbeat_ticks`; ten times that is
    /// usual. Default 10.
    pub election_ticks: u32,
    /// In place of `election_ticks`, the shortest wait for an election; 0 stands for the default.
    /// At least `election_ticks`: leases and `check_quorum` count on that. Default 0.
    pub min_election_ticks: u32,
    /// In place of twice `election_ticks`, the end of the range that a wait is drawn from, itself
    /// excluded; 0 stands for the default. Greater than the shortest wait. Default 0.
    pub max_election_ticks: u32,
    /// Ticks between two heartbeats of the leader; at least 1. Default 1.
    pub heartbeat_ticks: u32,
    /// Seeds the randomized election timeouts. Nodes of one cluster should differ; the id is
    /// mixed in, so that equal seeds do no harm. Default 0.
    pub seed: u64,
    /// Ask the others before disturbing them with an election (thesis §9.6). Default true.
    pub pre_vote: bool,
    /// A leader that has not heard from a quorum for `election_ticks` steps down, and a node
    /// that has heard from a leader for less than that refuses to vote (thesis §6.2, §4.2.3).
    /// Default true.
    pub check_quorum: bool,
    /// A voter refuses its vote to a candidate of lower priority, unless that one's log has more;
    /// so a transfer of leadership may fail, too, where a majority has a higher priority than its
    /// target. Travels with requests for votes if it is not 0; nodes that know nothing of it
    /// count as 0. See [`crate::Node::set_priority`]. Default 0.
    pub priority: i64,
    /// How reads are confirmed. Default [`ReadOnlyOption::Safe`].
    pub read_only: ReadOnlyOption,
    /// At most this many encoded bytes of entries in one append, though at least one entry.
    /// Default 1 MiB.
    pub max_size_per_msg: u64,
    /// At most this many encoded bytes of committed entries in one Ready, though at least one
    /// entry; 0 stands for `max_size_per_msg`. Default 0.
    pub max_committed_size_per_ready: u64,
    /// Proposals are dropped while more than this many payload bytes are uncommitted; 0 stands
    /// for no limit. Default 0.
    pub max_uncommitted_bytes: u64,
    /// At most this many appends in flight to one peer; at least 1. Default 256.
    pub max_inflight_msgs: u32,
    /// At most this many payload bytes in flight to one peer; 0 stands for no limit, otherwise at
    /// least `max_size_per_msg`. Default 0.
    pub max_inflight_bytes: u64,
    /// Of the entries that are persisted and applied, a leader keeps in memory those that a member
    /// has not acknowledged, up to this many encoded bytes, so that a member that lags is served
    /// without a read; and up to one batch more, since what came together goes together. A node that
    /// does not lead keeps none: whoever lags when the leader changes, or is new, is served by reads.
    /// Default 64 MiB.
    pub max_cached_bytes: u64,
    /// At most this many reads wait for confirmation; more are dropped. At least 1.
    /// Default 65,536.
    pub max_pending_reads: u32,
    /// Build appends when the Ready is taken, one for each peer and batch of proposals, instead
    /// of one for each proposal; and, as a follower, leave an append unanswered that brings nothing but the
    /// word that all entries of this node are committed, when it has answered another since the last
    /// heartbeat. Default true. False is for hosts that want what etcd-io/raft
    /// sends, message for message; with `async_storage_writes` that includes a fault: a request for
    /// votes then leaves before the candidate's term and log are persisted, and a candidate that
    /// forgets them in a crash can be elected without a committed entry.
    pub coalesce_appends: bool,
    /// Hand out storage work as messages with their responses attached, instead of in the Ready.
    /// Default false.
    pub async_storage_writes: bool,
    /// With `async_storage_writes`, a leader hands out committed entries to be applied when at most
    /// this many of them are not yet persisted here: others have persisted them. A configuration
    /// change, and what follows it, always waits. See
    /// [`crate::Node::set_max_apply_unpersisted_entries`] for what the host has to mind. Default 0.
    pub max_apply_unpersisted_entries: u64,
    /// Drop proposals on followers instead of passing them on. Default false.
    pub disable_proposal_forwarding: bool,
    /// Take configuration changes without checking them against the current configuration when
    /// they are proposed. For hosts that check by themselves. Default false.
    pub disable_conf_change_validation: bool,
    /// A leader that is removed or made a learner steps down when that is applied. Default false.
    pub step_down_on_removal: bool,
    /// Tell peers, and be told by them, what has been dropped of that which was passed on, and
    /// tell nodes that they have been removed. This takes a message field and message types that
    /// etcd-io/raft does not know; its nodes ignore the one and are never sent the others, so that
    /// this may be on in some nodes of a cluster and off in others. Default false.
    pub peer_reports: bool,
    /// Record every call on the node, from its making on, to be made again elsewhere: see
    /// [`crate::recording`]. At most this many bytes wait to be taken
    /// ([`crate::Node::record_take`]); at least [`crate::recording::MIN_RECORD_BYTES`], or 0 to
    /// record nothing. Default 0.
    pub record_bytes: u64,
}

impl Config {
    /// The defaults, for the node `id`.
    pub fn new(id: NodeId) -> Config {
        Config {
            id,
            election_ticks: 10,
            min_election_ticks: 0,
            max_election_ticks: 0,
            heartbeat_ticks: 1,
            seed: 0,
            pre_vote: true,
            check_quorum: true,
            priority: 0,
            read_only: ReadOnlyOption::Safe,
            max_size_per_msg: 1 << 20,
            max_committed_size_per_ready: 0,
            max_uncommitted_bytes: 0,
            max_inflight_msgs: 256,
            max_inflight_bytes: 0,
            max_cached_bytes: 64 << 20,
            max_pending_reads: 1 << 16,
            coalesce_appends: true,
            async_storage_writes: false,
            max_apply_unpersisted_entries: 0,
            disable_proposal_forwarding: false,
            disable_conf_change_validation: false,
            step_down_on_removal: false,
            peer_reports: false,
            record_bytes: 0,
        }
    }

    /// Whether a node can run with these settings.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let invalid = |why: String| Err(Error::InvalidConfig(why));
        let (election, heartbeat) = (self.election_ticks, self.heartbeat_ticks);
        if self.id == NONE {
            return invalid("id must not be 0: number the members from 1".to_owned());
        }
        if self.id >= LOCAL_APPLY {
            return invalid(format!(
                "id must not be one of the two largest numbers, which are reserved: {} is",
                self.id
            ));
        }
        if heartbeat == 0 {
            return invalid("heartbeat_ticks must be at least 1, and is 0".to_owned());
        }
        if election <= heartbeat {
            return invalid(format!(
                "election_ticks must be greater than heartbeat_ticks: they are {election} and \
                 {heartbeat}; ten times as many are usual"
            ));
        }
        if election > u32::MAX / 2 {
            return invalid(format!(
                "election_ticks must be at most 2^31 - 1, and is {election}"
            ));
        }
        let (min, max) = self.election_range();
        if min < election {
            return invalid(format!(
                "min_election_ticks must be 0 or at least election_ticks: they are {min} and \
                 {election}"
            ));
        }
        if max <= min {
            return invalid(format!(
                "max_election_ticks (by default twice election_ticks) must be greater than \
                 min_election_ticks (by default election_ticks): they are {max} and {min}"
            ));
        }
        if self.max_inflight_msgs == 0 {
            return invalid(
                "max_inflight_msgs must be at least 1, and is 0: 256 are usual".to_owned(),
            );
        }
        if self.max_inflight_bytes != 0 && self.max_inflight_bytes < self.max_size_per_msg {
            return invalid(format!(
                "max_inflight_bytes must be 0 or at least max_size_per_msg: they are {} and {}",
                self.max_inflight_bytes, self.max_size_per_msg
            ));
        }
        if self.max_pending_reads == 0 {
            return invalid(
                "max_pending_reads must be at least 1, and is 0: 65536 are usual".to_owned(),
            );
        }
        if self.record_bytes != 0 && self.record_bytes < MIN_RECORD_BYTES {
            return invalid(format!(
                "record_bytes must be 0 (no recording) or at least {MIN_RECORD_BYTES}, and is {}",
                self.record_bytes
            ));
        }
        if self.read_only == ReadOnlyOption::LeaseBased && !self.check_quorum {
            return invalid(
                "read_only = LeaseBased needs check_quorum: switch that on, or read by Safe"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The range `[min, max)` that the wait for an election is drawn from, with its defaults filled
    /// in.
    pub(crate) fn election_range(&self) -> (u32, u32) {
        let or = |ticks: u32, default: u32| if ticks == 0 { default } else { ticks };
        (
            or(self.min_election_ticks, self.election_ticks),
            or(
                self.max_election_ticks,
                self.election_ticks.saturating_mul(2),
            ),
        )
    }

    /// The limit on committed entries in one Ready, with its default filled in. With no bytes at
    /// all nothing could ever be applied, so that both settings at 0 are one entry at a time.
    pub(crate) fn committed_bytes_per_ready(&self) -> u64 {
        match self.max_committed_size_per_ready {
            0 => self.max_size_per_msg.max(1),
            limit => limit,
        }
    }

    /// The limit on uncommitted payload bytes, with its default filled in.
    pub(crate) fn uncommitted_bytes_limit(&self) -> u64 {
        match self.max_uncommitted_bytes {
            0 => NO_LIMIT,
            limit => limit,
        }
    }
}

/// What of a [`Config`] a node asks for while it runs, under the same names. The rest is in what is made of it
/// at the start.
// Ordered as `Node` is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Settings {
    pub id: NodeId,
    pub election_ticks: u32,
    pub heartbeat_ticks: u32,
    pub async_storage_writes: bool,
    pub check_quorum: bool,
    pub coalesce_appends: bool,
    pub peer_reports: bool,
    pub pre_vote: bool,
    pub disable_proposal_forwarding: bool,
    pub disable_conf_change_validation: bool,
    pub step_down_on_removal: bool,
    pub read_only: ReadOnlyOption,
}

/// The same for what a heartbeat has no use for, limits nearly all of it.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub max_inflight_msgs: u32,
    pub max_pending_reads: u32,
    pub max_inflight_bytes: u64,
    pub max_size_per_msg: u64,
    /// Its default filled in.
    pub uncommitted_bytes_limit: u64,
    pub max_apply_unpersisted_entries: u64,
    pub priority: i64,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        Settings {
            id: config.id,
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            async_storage_writes: config.async_storage_writes,
            check_quorum: config.check_quorum,
            coalesce_appends: config.coalesce_appends,
            peer_reports: config.peer_reports,
            pre_vote: config.pre_vote,
            disable_proposal_forwarding: config.disable_proposal_forwarding,
            disable_conf_change_validation: config.disable_conf_change_validation,
            step_down_on_removal: config.step_down_on_removal,
            read_only: config.read_only,
        }
    }
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Limits {
        Limits {
            max_inflight_msgs: config.max_inflight_msgs,
            max_inflight_bytes: config.max_inflight_bytes,
            max_pending_reads: config.max_pending_reads,
            max_size_per_msg: config.max_size_per_msg,
            uncommitted_bytes_limit: config.uncommitted_bytes_limit(),
            max_apply_unpersisted_entries: config.max_apply_unpersisted_entries,
            priority: config.priority,
        }
    }
}

#[cfg(test)]
mod tests;
