//! The vocabulary of Raft: identifiers, log entries, persistent state, configurations.
//!
//! Plain values only. Nothing here knows how it is encoded (see [`crate::codec`]) or what the
//! protocol does with it.

use bytes::Bytes;

/// Identifies a node within its cluster; never 0 and never reused for another machine.
pub type NodeId = u64;
/// A period of logical time with at most one leader (paper §5.1).
pub type Term = u64;
/// A position in the log. The first entry has index 1; 0 stands before it.
pub type Index = u64;

/// The absence of a node: no leader, no vote.
pub const NONE: NodeId = 0;
/// The target of [`crate::Body::StorageAppend`]: the host's own append worker.
pub const LOCAL_APPEND: NodeId = u64::MAX;
/// The target of [`crate::Body::StorageApply`]: the host's own apply worker.
pub const LOCAL_APPLY: NodeId = u64::MAX - 1;
/// The largest index and the largest term that a message may name. A cluster that commits a
/// million entries a second takes 290,000 years to get there, so that anything above it is
/// nonsense, and arithmetic on what is below it cannot overflow.
pub const MAX_POSITION: u64 = i64::MAX as u64;

/// Names one entry for good: no two entries with the same term and index differ (paper §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The term of the leader that created the entry.
    pub term: Term,
    /// Its position in the log.
    pub index: Index,
}

/// What an entry's data means to Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum EntryKind {
    /// The host's own command, or nothing at all (the first entry of each term).
    #[default]
    Normal = 0,
    /// An encoded [`ConfChange`].
    ConfChange = 1,
    /// An encoded [`ConfChangeV2`].
    ConfChangeV2 = 2,
}

/// Fields of an entry that are encoded although they hold what their absence means as well.
///
/// Libraries differ in when they write such fields, and so one of them may have been there in what
/// a peer sent. It is kept as it came: where a limit on size cuts a list must not depend on who
/// has handled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Explicit {
    /// [`Entry::kind`], though it is [`EntryKind::Normal`].
    pub kind: bool,
    /// [`Entry::data`], though it is empty.
    pub data: bool,
}

/// One entry of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// Its position in the log.
    pub index: Index,
    /// What [`Entry::data`] is.
    pub kind: EntryKind,
    /// The payload. Cloning shares it.
    pub data: Bytes,
    /// What its encoding spells out; usually nothing.
    pub explicit: Explicit,
}

impl Entry {
    /// A command that has not been given its place in the log yet.
    pub fn command(data: Bytes) -> Entry {
        Entry {
            data,
            ..Entry::default()
        }
    }

    /// The entry's name.
    pub fn id(&self) -> EntryId {
        EntryId {
            term: self.term,
            index: self.index,
        }
    }

    /// Whether the entry changes the cluster's configuration when it is applied.
    pub fn is_conf_change(&self) -> bool {
        self.kind != EntryKind::Normal
    }
}

/// What a node must have on stable storage before it answers anybody (paper §5.1, figure 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HardState {
    /// The latest term that the node has seen.
    pub term: Term,
    /// The candidate that got its vote in that term, [`NONE`] if nobody did.
    pub vote: NodeId,
    /// The highest index known to be committed.
    pub commit: Index,
}

impl HardState {
    /// Whether nothing has been recorded yet.
    pub fn is_empty(&self) -> bool {
        *self == HardState::default()
    }
}

/// The part that a node plays in its term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Role {
    /// Answers a leader or waits for one.
    #[default]
    Follower = 0,
    /// Asks for votes in a new term.
    Candidate = 1,
    /// Replicates its log to the others.
    Leader = 2,
    /// Asks whether it could win an election, without starting a term (thesis §9.6).
    PreCandidate = 3,
}

/// The state that needs no storage, because a restart makes it anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SoftState {
    /// The leader of the current term, [`NONE`] if unknown.
    pub leader: NodeId,
    /// The node's own role.
    pub role: Role,
}

/// The members of a cluster. All lists are in ascending order and without repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ConfState {
    /// The voters; of a joint configuration, those of the new half.
    pub voters: Vec<NodeId>,
    /// Members that receive the log and do not vote.
    pub learners: Vec<NodeId>,
    /// The voters of a joint configuration's old half; empty otherwise.
    pub voters_outgoing: Vec<NodeId>,
    /// Voters of the old half that become learners when the joint configuration is left.
    pub learners_next: Vec<NodeId>,
    /// Whether the leader leaves the joint configuration on its own.
    pub auto_leave: bool,
}

impl ConfState {
    /// The configuration of these voters and nobody else.
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> ConfState {
        let mut voters: Vec<NodeId> = voters.into_iter().collect();
        voters.sort_unstable();
        voters.dedup();
        ConfState {
            voters,
            ..ConfState::default()
        }
    }

    /// Whether `id` is a member in any capacity.
    pub fn contains(&self, id: NodeId) -> bool {
        // `learners_next` is a part of `voters_outgoing`.
        [&self.voters, &self.learners, &self.voters_outgoing]
            .into_iter()
            .any(|members| members.contains(&id))
    }
}

/// The state machine's state at one point of the log (paper §7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that it includes.
    pub id: EntryId,
    /// The configuration as of that entry.
    pub conf_state: ConfState,
    /// The host's own data. Cloning shares it.
    pub data: Bytes,
}

impl Snapshot {
    /// Whether it stands for the empty state, before the first entry.
    pub fn is_empty(&self) -> bool {
        self.id.index == 0
    }
}

/// One step of a configuration change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ConfChangeKind {
    /// Makes the node a voter.
    #[default]
    AddNode = 0,
    /// Removes the node.
    RemoveNode = 1,
    /// Leaves the membership as it is; carries a new context for the host.
    UpdateNode = 2,
    /// Makes the node a learner.
    AddLearnerNode = 3,
}

/// One step of a configuration change and the node that it concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfChangeSingle {
    /// What happens.
    pub kind: ConfChangeKind,
    /// To whom. A step with node 0 does nothing.
    pub node_id: NodeId,
}

/// Whether, and how, a change goes through a joint configuration (paper §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ConfChangeTransition {
    /// Directly if the change has one step, else as [`ConfChangeTransition::JointImplicit`].
    #[default]
    Auto = 0,
    /// Through a joint configuration, which the leader leaves on its own.
    JointImplicit = 1,
    /// Through a joint configuration, which the host leaves by proposing an empty change.
    JointExplicit = 2,
}

/// A change of the cluster's members, as an older kind of entry carries it: one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChange {
    /// A number for the host's own use.
    pub id: u64,
    /// The step.
    pub change: ConfChangeSingle,
    /// Data for the host's own use.
    pub context: Bytes,
}

impl From<ConfChange> for ConfChangeV2 {
    fn from(v1: ConfChange) -> ConfChangeV2 {
        ConfChangeV2 {
            transition: ConfChangeTransition::Auto,
            changes: vec![v1.change],
            context: v1.context,
        }
    }
}

/// A change of the cluster's members: any number of steps, taken at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChangeV2 {
    /// Whether it goes through a joint configuration.
    pub transition: ConfChangeTransition,
    /// The steps. None at all, with [`ConfChangeTransition::Auto`], leaves a joint configuration.
    pub changes: Vec<ConfChangeSingle>,
    /// Data for the host's own use.
    pub context: Bytes,
}

impl ConfChangeV2 {
    /// Whether this change leaves a joint configuration.
    pub fn leaves_joint(&self) -> bool {
        self.transition == ConfChangeTransition::Auto && self.changes.is_empty()
    }

    /// Whether this change enters a joint configuration and, if it does, whether the leader
    /// leaves that on its own.
    pub fn enters_joint(&self) -> Option<AutoLeave> {
        match self.transition {
            ConfChangeTransition::Auto if self.changes.len() <= 1 => None,
            ConfChangeTransition::Auto | ConfChangeTransition::JointImplicit => {
                Some(AutoLeave(true))
            }
            ConfChangeTransition::JointExplicit => Some(AutoLeave(false)),
        }
    }
}

/// Whether the leader leaves a joint configuration on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoLeave(pub bool);

/// An answer to [`crate::Node::read_index`]: once everything up to `index` is applied, the read
/// may be served (thesis §6.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadState {
    /// The index to be applied first.
    pub index: Index,
    /// The caller's own name for the read.
    pub context: Bytes,
}

/// A run of log entries of one term, from `first_index` up to the next run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermRun {
    /// The first entry of the run.
    pub first_index: Index,
    /// Its term, and that of all others in the run.
    pub term: Term,
}

/// All that a node needs to know of its storage when it starts; see [`crate::Node::new`].
///
/// The default is the state of a node that has never run and knows no members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartState {
    /// The last hard state that was persisted.
    pub hard_state: HardState,
    /// The configuration as of `applied`.
    pub conf_state: ConfState,
    /// The entry before the log's first: the one up to which the log was compacted, or the last
    /// one in the snapshot that replaced it; zero for a log that begins at 1.
    pub compacted: EntryId,
    /// The last index of the log; `compacted.index` when the log is empty.
    pub last_index: Index,
    /// The terms of entries `(compacted.index, last_index]`.
    pub term_runs: Vec<TermRun>,
    /// The indexes of configuration changes in `(applied, last_index]`, ascending.
    pub conf_changes: Vec<Index>,
    /// Up to where the host has applied the log; what is at or below `compacted.index` counts as
    /// applied in any case.
    pub applied: Index,
}

/// Names a request of the core to its host; unique within one node's life in memory.
pub type RequestId = u64;

/// A request for stored entries, to be answered with [`crate::Node::provide_entries`] or
/// [`crate::Node::read_failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Names the request in the answer.
    pub id: RequestId,
    /// The first index wanted.
    pub low: Index,
    /// The index after the last one wanted: the range is `[low, high)`.
    pub high: Index,
    /// Stop before the encoded entries exceed this many bytes; at least one entry is wanted.
    pub max_bytes: u64,
}

/// Why a [`ReadRequest`] can't be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ReadFailure {
    /// The entries have been compacted away.
    Compacted = 1,
    /// They can't be read at the moment; the core will ask again when it still needs them.
    Unavailable = 2,
}

/// A request for a snapshot to send to a peer, to be answered with
/// [`crate::Node::provide_snapshot`] or [`crate::Node::snapshot_failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// Names the request in the answer.
    pub id: RequestId,
    /// The peer that needs it.
    pub to: NodeId,
    /// The lowest index that will do: the peer has asked for a snapshot of it. 0 if any does.
    pub min_index: Index,
}

/// What became of a snapshot that was sent; see [`crate::Node::report_snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SnapshotStatus {
    /// The peer has it.
    Finish = 1,
    /// It didn't get there.
    Failure = 2,
}
