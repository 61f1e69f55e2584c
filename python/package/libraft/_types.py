"""The numbers and records of libraft. The numbers are those of include/libraft.h."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

NO_LIMIT: Final = 2**64 - 1
"""No limit, for the settings that limit bytes."""

LOCAL_APPEND: Final = 2**64 - 1
"""The target of MsgStorageAppend, with asynchronous storage writes."""

LOCAL_APPLY: Final = 2**64 - 2
"""The target of MsgStorageApply, with asynchronous storage writes."""


class Role(IntEnum):
    """The part that a node plays in its term."""

    FOLLOWER = 0
    CANDIDATE = 1
    LEADER = 2
    PRE_CANDIDATE = 3


class EntryType(IntEnum):
    """What an entry's data means."""

    NORMAL = 0
    CONF_CHANGE = 1
    CONF_CHANGE_V2 = 2


class MessageType(IntEnum):
    """The kind of a message, with the numbers of raftpb.MessageType."""

    PROP = 2
    APP = 3
    APP_RESP = 4
    VOTE = 5
    VOTE_RESP = 6
    SNAP = 7
    HEARTBEAT = 8
    HEARTBEAT_RESP = 9
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_RESP = 16
    PRE_VOTE = 17
    PRE_VOTE_RESP = 18
    STORAGE_APPEND = 19
    STORAGE_APPEND_RESP = 20
    STORAGE_APPLY = 21
    STORAGE_APPLY_RESP = 22
    FORGET_LEADER = 23


class ConfChangeType(IntEnum):
    """What happens to a member."""

    ADD_NODE = 0
    REMOVE_NODE = 1
    UPDATE_NODE = 2
    ADD_LEARNER_NODE = 3


class Transition(IntEnum):
    """Whether, and how, a configuration change goes through a joint configuration."""

    AUTO = 0
    JOINT_IMPLICIT = 1
    JOINT_EXPLICIT = 2


class ReadOnlyOption(IntEnum):
    """How linearizable reads are confirmed."""

    SAFE = 0
    """By a round of heartbeats: safe whatever the clocks do."""
    LEASE_BASED = 1
    """By the leader's lease: safe only while clocks drift little; needs check_quorum."""


class SnapshotStatus(IntEnum):
    """What became of a snapshot that was sent."""

    FINISH = 1
    FAILURE = 2


class ReadFailure(IntEnum):
    """Why a request for entries can't be answered."""

    COMPACTED = 1
    UNAVAILABLE = 2


class FlowState(IntEnum):
    """How a leader sends to a member."""

    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class DropReason(IntEnum):
    """Why a proposal or a read was dropped."""

    NONE = 0
    NO_LEADER = 1
    FORWARDING_DISABLED = 2
    REMOVED = 3
    TRANSFERRING = 4
    UNCOMMITTED_LIMIT = 5
    TOO_MANY_READS = 6
    OTHER = 100


class SoftState(NamedTuple):
    """The state that a restart makes anew. `leader` is 0 when none is known."""

    leader: int
    role: Role


class HardState(NamedTuple):
    """What has to be on stable storage before a node answers anybody."""

    term: int
    vote: int
    commit: int


class ConfState(NamedTuple):
    """The members of a cluster, each list in ascending order.

    Of a joint configuration, `voters` is the new half and `voters_outgoing` the old one;
    `learners_next` are those of the old half that become learners. `encoded` is the whole as
    raftpb.ConfState.
    """

    voters: tuple[int, ...]
    learners: tuple[int, ...]
    voters_outgoing: tuple[int, ...]
    learners_next: tuple[int, ...]
    auto_leave: bool
    encoded: bytes


class ConfChangeSingle(NamedTuple):
    """One step of a configuration change and the node that it concerns."""

    type: ConfChangeType
    node_id: int


class ConfChange(NamedTuple):
    """A configuration change, decoded. `context` and `id` are for the host's own use."""

    changes: tuple[ConfChangeSingle, ...]
    transition: Transition = Transition.AUTO
    context: bytes = b""
    id: int = 0


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read that may be served once `index` is applied."""

    index: int
    context: bytes


class ReadRequest(NamedTuple):
    """The core asks for the stored entries [low, high).

    At least the first one of them, and beyond it no more than `max_bytes` of encoded entries.
    """

    id: int
    low: int
    high: int
    max_bytes: int


class SnapshotRequest(NamedTuple):
    """The core asks for a snapshot to send to the peer `to`, of `min_index` or later."""

    id: int
    to: int
    min_index: int = 0


class Status(NamedTuple):
    """A node's state at one moment. Ids are 0 where there is nobody."""

    id: int
    term: int
    vote: int
    commit: int
    applied: int
    leader: int
    role: Role
    lead_transferee: int
    first_index: int
    last_index: int
    persisted: int


class Progress(NamedTuple):
    """What a leader knows of a member."""

    id: int
    match_index: int
    next_index: int
    state: FlowState
    paused: bool
    pending_snapshot: int
    recent_active: bool
    learner: bool
    inflight_messages: int
    inflight_bytes: int
    inflight_full: bool


class RecoveryReport(NamedTuple):
    """What was found when a durable storage was opened.

    `crashed`: its last user did not close it. `discarded_writes`: so many writes had begun, of
    which nobody was told that they succeeded, and of which nothing is left.
    """

    crashed: bool
    discarded_writes: int


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a node. Time is counted in ticks, of whatever length the host gives them.

    The values are checked at once: ConfigError says what is wrong. `dataclasses.replace` makes a
    changed copy.
    """

    id: int
    """Not 0, not one of the two largest numbers, and never used again for another machine."""
    election_ticks: int = 10
    """Ticks without word from a leader before an election; each wait is drawn anew from [ticks, 2 * ticks)."""
    min_election_ticks: int = 0
    """The shortest of these waits; at least election_ticks, which 0 stands for."""
    max_election_ticks: int = 0
    """The end of the range of these waits, itself excluded; 0 stands for twice election_ticks."""
    heartbeat_ticks: int = 1
    """Ticks between two heartbeats of the leader."""
    seed: int | None = None
    """Seeds the randomized election timeouts. None: from the operating system."""
    pre_vote: bool = True
    """Ask the others before disturbing them with an election."""
    check_quorum: bool = True
    """A leader that has not heard from a quorum for the election ticks steps down."""
    priority: int = 0
    """A voter refuses its vote to a candidate of lower priority, unless that one's log has more."""
    read_only: ReadOnlyOption = ReadOnlyOption.SAFE
    """How reads are confirmed."""
    max_size_per_msg: int = 1 << 20
    """At most this many encoded bytes of entries in one append, though at least one entry."""
    max_committed_size_per_ready: int = 0
    """The same for the committed entries of one Ready; 0 stands for max_size_per_msg."""
    max_uncommitted_bytes: int = 0
    """Proposals are dropped while more payload bytes are uncommitted; 0 stands for no limit."""
    max_inflight_msgs: int = 256
    """At most this many appends in flight to one peer."""
    max_inflight_bytes: int = 0
    """At most this many payload bytes in flight to one peer; 0 for no limit, else at least max_size_per_msg."""
    max_cached_bytes: int = 64 << 20
    """So many bytes of entries stay in memory when they are persisted and applied."""
    max_pending_reads: int = 1 << 16
    """At most this many reads wait for confirmation; more are dropped."""
    coalesce_appends: bool = True
    """Build appends when the Ready is taken: one for each peer and batch of proposals."""
    async_storage_writes: bool = False
    """Hand out storage work as messages to LOCAL_APPEND and LOCAL_APPLY."""
    max_apply_unpersisted_entries: int = 0
    """What a leader may apply before it is persisted here; see RawNode.set_max_apply_unpersisted_entries."""
    disable_proposal_forwarding: bool = False
    """Followers drop proposals instead of passing them on to the leader."""
    disable_conf_change_validation: bool = False
    """Take configuration changes without checking them against the current configuration."""
    step_down_on_removal: bool = False
    """A leader that is removed or made a learner steps down when that is applied."""
    show_requests: bool = False
    """Leave requests for entries and snapshots to the host, also on a storage of libraft."""
    applied: int | None = None
    """Up to where the host's own state has the log applied. None: up to the storage's snapshot."""
    applied_conf_state: bytes = b""
    """The encoded ConfState as of `applied`; empty if no change was applied since the snapshot."""

    def __post_init__(self) -> None:
        from ._libraft import check_config

        check_config(self)
