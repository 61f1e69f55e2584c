"""The numbers and records of libraft. The numbers are those of include/libraft.h."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ._errors import RaftError

_SHOWN: Final = 40
"""So many bytes, or parts of a tuple, are shown by repr()."""

NO_LIMIT: Final = 2**64 - 1
"""No limit, for the settings that limit bytes."""

LOCAL_APPEND: Final = 2**64 - 1
"""The target of MsgStorageAppend, with asynchronous storage writes."""

LOCAL_APPLY: Final = 2**64 - 2
"""The target of MsgStorageApply, with asynchronous storage writes."""


def _short_repr(record: tuple[object, ...]) -> str:
    """Like the usual one, but a command or a snapshot of megabytes is not written out."""
    names: tuple[str, ...] = record._fields  # type: ignore[attr-defined]
    fields = (f"{name}={_short(value)}" for name, value in zip(names, record, strict=True))
    return f"{type(record).__name__}({', '.join(fields)})"


def _short(value: object) -> str:
    if isinstance(value, bytes) and len(value) > _SHOWN:
        return f"<{len(value)} bytes: {value[:_SHOWN]!r}...>"
    if isinstance(value, tuple) and type(value) is tuple and len(value) > _SHOWN:
        return f"<{len(value)} of them>"
    return repr(value)


class Role(IntEnum):
    """The part that a node plays in its term."""

    FOLLOWER = 0
    """It follows a leader, or waits for one."""
    CANDIDATE = 1
    """It asks for votes."""
    LEADER = 2
    """It leads."""
    PRE_CANDIDATE = 3
    """It asks whether it would be voted for, before it disturbs anybody."""


class EntryType(IntEnum):
    """What an entry's data means."""

    NORMAL = 0
    """A command of the host; empty in the entry by which a leader begins its term."""
    CONF_CHANGE = 1
    """A raftpb.ConfChange: one member."""
    CONF_CHANGE_V2 = 2
    """A raftpb.ConfChangeV2: any number of members."""


class MessageType(IntEnum):
    """The kind of a message, with the numbers of raftpb.MessageType."""

    PROP = 2
    """A proposal, passed on to the leader."""
    APP = 3
    """Entries."""
    APP_RESP = 4
    """The answer to APP, and to SNAP."""
    VOTE = 5
    """A request for a vote."""
    VOTE_RESP = 6
    """The answer to VOTE."""
    SNAP = 7
    """A snapshot in place of entries."""
    HEARTBEAT = 8
    """The leader is alive."""
    HEARTBEAT_RESP = 9
    """The answer to HEARTBEAT."""
    TRANSFER_LEADER = 13
    """A request to hand over leadership, passed on to the leader."""
    TIMEOUT_NOW = 14
    """The leader hands over: campaign at once."""
    READ_INDEX = 15
    """A linearizable read, passed on to the leader."""
    READ_INDEX_RESP = 16
    """The answer to READ_INDEX."""
    PRE_VOTE = 17
    """Whether a vote would be granted."""
    PRE_VOTE_RESP = 18
    """The answer to PRE_VOTE."""
    STORAGE_APPEND = 19
    """To LOCAL_APPEND: persist this; never to a peer."""
    STORAGE_APPEND_RESP = 20
    """That it is persisted; to the node itself."""
    STORAGE_APPLY = 21
    """To LOCAL_APPLY: apply this; never to a peer."""
    STORAGE_APPLY_RESP = 22
    """That it is applied; to the node itself."""
    FORGET_LEADER = 23
    """Forget the leader; to the node itself."""
    PROPOSAL_DROPPED = 100
    """With Config.peer_reports: a proposal that was passed on was dropped."""
    READ_DROPPED = 101
    """With Config.peer_reports: a read that was passed on was dropped."""
    REMOVED = 102
    """With Config.peer_reports: the recipient is no member any more."""


class ConfChangeType(IntEnum):
    """What happens to a member."""

    ADD_NODE = 0
    """It becomes a voter."""
    REMOVE_NODE = 1
    """It is no member any more."""
    UPDATE_NODE = 2
    """Nothing changes; for the host's own use, such as a new address in the context."""
    ADD_LEARNER_NODE = 3
    """It becomes a learner: it gets the log, and has no vote."""


class Transition(IntEnum):
    """Whether, and how, a configuration change goes through a joint configuration."""

    AUTO = 0
    """Through a joint configuration if there is more than one step, and out of it by itself."""
    JOINT_IMPLICIT = 1
    """Through a joint configuration, and out of it by itself."""
    JOINT_EXPLICIT = 2
    """Into a joint configuration, which the host leaves by an empty change."""


class ReadOnlyOption(IntEnum):
    """How linearizable reads are confirmed."""

    SAFE = 0
    """By a round of heartbeats: safe whatever the clocks do."""
    LEASE_BASED = 1
    """By the leader's lease: at once, but a read may be stale. A leader that is cut off goes on answering for
    up to twice the election timeout, while the others may elect a new one after one, and a voter that restarts
    votes at once. The same goes for late clocks, transfers, and voters without check_quorum: see the page on
    reads. Needs check_quorum."""


class SnapshotStatus(IntEnum):
    """What became of a snapshot that was sent."""

    FINISH = 1
    """It has arrived and was taken."""
    FAILURE = 2
    """It did not arrive; the leader tries again later."""


class ReadFailure(IntEnum):
    """Why a request for entries can't be answered."""

    COMPACTED = 1
    """They are compacted away; the peer gets a snapshot."""
    UNAVAILABLE = 2
    """They are not there at the moment."""


class RecordingState(IntEnum):
    """How the recording of a node stands, and why one ends."""

    OFF = 0
    """The node records nothing."""
    ON = 1
    """Every call is recorded."""
    STOPPED = 2
    """The host has ended it."""
    FULL = 3
    """It has ended because too many bytes were not taken."""
    UNENCODABLE = 4
    """It has ended because a call was made with a value that can't be written down."""


class FlowState(IntEnum):
    """How a leader sends to a member."""

    PROBE = 0
    """One append at a time, to find out what the member has."""
    REPLICATE = 1
    """Appends without waiting for the answers."""
    SNAPSHOT = 2
    """Nothing until what became of a snapshot is reported."""


class DropReason(IntEnum):
    """Why a proposal or a read was dropped."""

    NONE = 0
    """It was not dropped."""
    NO_LEADER = 1
    """No leader is known."""
    FORWARDING_DISABLED = 2
    """A follower that may not pass it on: Config.disable_proposal_forwarding."""
    REMOVED = 3
    """The leader is no member any more."""
    TRANSFERRING = 4
    """Leadership is being handed over."""
    UNCOMMITTED_LIMIT = 5
    """Too much is uncommitted: Config.max_uncommitted_bytes."""
    TOO_MANY_READS = 6
    """Too many reads wait: Config.max_pending_reads."""
    CONF_CHANGE_PENDING = 7
    """Another configuration change is in the log and not applied."""
    ALREADY_JOINT = 8
    """The configuration is joint, and must be left first."""
    NOT_JOINT = 9
    """There is no joint configuration to leave."""
    LEADER_CHANGED = 10
    """The leadership that it was sent to has ended."""
    OTHER = 100
    """A reason that this version has no name for."""


class SoftState(NamedTuple):
    """The state that a restart makes anew. `leader` is 0 when none is known."""

    leader: int
    """The leader that it knows of, or 0."""
    role: Role
    """Its own part."""


class HardState(NamedTuple):
    """What has to be on stable storage before a node answers anybody."""

    term: int
    """The term that it is in."""
    vote: int
    """Whom it has voted for in that term, or 0."""
    commit: int
    """Up to where it knows that the log is committed."""


class ConfState(NamedTuple):
    """The members of a cluster, each list in ascending order.

    Of a joint configuration, `voters` is the new half and `voters_outgoing` the old one;
    `learners_next` are those of the old half that become learners. `encoded` is the whole as
    raftpb.ConfState.
    """

    voters: tuple[int, ...]
    """Who has a vote."""
    learners: tuple[int, ...]
    """Who gets the log and has no vote."""
    voters_outgoing: tuple[int, ...]
    """The voters of the old half of a joint configuration; empty otherwise."""
    learners_next: tuple[int, ...]
    """Who becomes a learner when the joint configuration is left."""
    auto_leave: bool
    """Whether the leader leaves the joint configuration by itself."""
    encoded: bytes
    """The whole as raftpb.ConfState."""

    def __repr__(self) -> str:
        return _short_repr(self)


class ConfChangeSingle(NamedTuple):
    """One step of a configuration change and the node that it concerns."""

    type: ConfChangeType
    """What happens to it."""
    node_id: int
    """Which node; 0 makes it a step without effect."""


class ConfChange(NamedTuple):
    """A configuration change, decoded. `context` and `id` are for the host's own use."""

    changes: tuple[ConfChangeSingle, ...]
    """The steps."""
    transition: Transition = Transition.AUTO
    """How to get there."""
    context: bytes = b""
    """The host's own bytes."""
    id: int = 0
    """The host's own number; only in an entry of type CONF_CHANGE."""

    def __repr__(self) -> str:
        return _short_repr(self)


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read that may be served once `index` is applied."""

    index: int
    """Up to where the state machine has to be applied before the read is served."""
    context: bytes
    """The name that the host has given the read."""

    def __repr__(self) -> str:
        return f"ReadState(index={self.index}, context={_short(self.context)})"


class ReadRequest(NamedTuple):
    """The core asks for the stored entries [low, high).

    At least the first one of them, and beyond it no more than `max_bytes` of encoded entries.
    """

    id: int
    """What the answer refers to."""
    low: int
    """The first index."""
    high: int
    """The end, itself excluded."""
    max_bytes: int
    """At most so many bytes of encoded entries beyond the first one."""


class SnapshotRequest(NamedTuple):
    """The core asks for a snapshot to send to the peer `to`, of `min_index` or later."""

    id: int
    """What the answer refers to."""
    to: int
    """The peer that it is for."""
    min_index: int = 0
    """It has to be of this index or a later one."""


class EventType(IntEnum):
    """What has happened. libraft.h says what the fields of an Event mean for each."""

    ROLE_CHANGED = 1
    """Its role: from one to another."""
    LEADER_CHANGED = 2
    """The leader that it knows of: from one, or 0, to another."""
    CAMPAIGN_STARTED = 3
    """It campaigns."""
    CAMPAIGN_REFUSED = 4
    """It was to campaign, and may not."""
    ELECTION_WON = 5
    """It has won an election or a pre-election."""
    ELECTION_LOST = 6
    """It has lost one."""
    STEPPED_DOWN = 7
    """It leads no more."""
    FLOW_CHANGED = 8
    """How it sends to a member: from one FlowState to another."""
    TRANSFER_STARTED = 9
    """It begins to hand over leadership."""
    TRANSFER_ENDED = 10
    """The transfer is over, one way or another."""
    DROPPED = 11
    """A proposal, a configuration change or a read was dropped."""
    MESSAGE_REFUSED = 12
    """A message of a peer was refused."""
    SNAPSHOT_INSTALLED = 13
    """A snapshot was taken in place of the log."""
    SNAPSHOT_IGNORED = 14
    """A snapshot was of no use."""
    REMOVED = 15
    """It is no member any more."""


class DropKind(IntEnum):
    """What was dropped."""

    PROPOSAL = 1
    """A command."""
    CONF_CHANGE = 2
    """A configuration change."""
    READ = 3
    """A linearizable read."""


class DroppedRequest(NamedTuple):
    """Something that the host was told was taken, and that will not happen."""

    kind: DropKind
    """What it was."""
    reason: DropReason
    """Why it was dropped."""
    index: int  # type: ignore[assignment]  # hides tuple.index
    """With DropReason.CONF_CHANGE_PENDING, the other change is at this index or below it."""
    data: bytes
    """The command, the encoded configuration change, or the read's context."""

    def __repr__(self) -> str:
        return _short_repr(self)


class Event(NamedTuple):
    """Something that a host may want to know and need not act on."""

    type: EventType
    """What has happened."""
    reason: str
    """Why, by its name in libraft.h, such as "RAFT_LOSS_OUTVOTED"; empty if there is none."""
    kind: str
    """What it is about, by its name in libraft.h, such as "RAFT_CAMPAIGN_ELECTION"; or empty."""
    node: int
    """Another node."""
    term: int
    """The term that it happened in."""
    index: int  # type: ignore[assignment]  # hides tuple.index
    """The index that it is about, or 0."""
    from_: int
    """What was before, or how many are in favour."""
    to: int
    """What is now, or how many are against."""

    def __str__(self) -> str:
        """One line for a log: what has happened, and the fields that belong to it.

        Such as "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2".
        """
        return self._described()[1]

    def to_json(self) -> str:
        """A JSON object: the `type`, such as "election_lost", and the fields under the names of the line."""
        return self._described()[2]

    def to_dict(self) -> dict[str, int | str]:
        """The same as a dict."""
        fields: dict[str, int | str] = json.loads(self.to_json())
        return fields

    @property
    def level(self) -> int:
        """How a log should rank it, as a level of `logging`."""
        return (logging.DEBUG, logging.DEBUG, logging.INFO, logging.WARNING)[self._described()[0]]

    def _described(self) -> tuple[int, str, str]:
        from ._libraft import describe_event

        return describe_event(*self)


class Metrics(NamedTuple):
    """Counters of a node since it was made. They never decrease."""

    ticks: int
    """Ticks, quiesced ones included."""
    messages_received: int
    """Messages taken from peers, and from storage workers."""
    messages_refused: int
    """Messages refused: malformed, impossible, of an unknown peer."""
    messages_sent: int
    """Messages to peers; not those to the node itself or to storage workers."""
    campaigns_refused: int
    """Campaigns that were due and not allowed."""
    pre_elections_started: int
    """Pre-elections started."""
    elections_started: int
    """Elections started, transfers excepted."""
    transfer_elections_started: int
    """Elections started because a leader hands over."""
    elections_won: int
    """Elections won."""
    elections_lost_outvoted: int
    """Elections and pre-elections lost: refused by too many."""
    elections_lost_higher_term: int
    """Elections and pre-elections lost: a message of a higher term came."""
    elections_lost_leader_appeared: int
    """Elections and pre-elections lost: somebody else leads."""
    elections_lost_timed_out: int
    """Elections and pre-elections lost: too few answers, or called anew."""
    votes_granted: int
    """Votes granted to others; pre-votes are not counted."""
    votes_refused: int
    """Votes refused to others; pre-votes are not counted."""
    step_downs_higher_term: int
    """Leaderships ended by a higher term."""
    step_downs_check_quorum: int
    """Leaderships ended for want of a quorum."""
    step_downs_removed: int
    """Leaderships ended by a removal."""
    role_changes: int
    """Changes of role."""
    leader_changes: int
    """Changes of the known leader, to none and back included."""
    proposals_taken: int
    """Commands and configuration changes that this leader has appended to its log."""
    proposals_forwarded: int
    """Those that this node has passed on to a leader."""
    proposals_dropped_no_leader: int
    """Those dropped: no leader known."""
    proposals_dropped_forwarding_disabled: int
    """Those dropped: a follower that may not forward."""
    proposals_dropped_removed: int
    """Those dropped: a leader that is no member."""
    proposals_dropped_transferring: int
    """Those dropped: leadership is being transferred."""
    proposals_dropped_uncommitted_limit: int
    """Those dropped: too many uncommitted bytes."""
    proposals_dropped_leader_changed: int
    """Those dropped: sent to a leadership that has ended."""
    conf_changes_proposed: int
    """Configuration changes that this leader has appended to its log."""
    conf_changes_refused: int
    """Configuration changes that this leader has turned into empty entries."""
    conf_changes_applied: int
    """Configuration changes applied."""
    reads_asked: int
    """Reads asked for, by this node's host or, on a leader, by others."""
    reads_forwarded: int
    """Reads that this node has passed on to a leader."""
    reads_answered: int
    """Reads answered: read states for the host and answers to others."""
    reads_dropped: int
    """Reads dropped, whatever the reason."""
    appends_sent: int
    """Appends sent."""
    appends_accepted: int
    """Acknowledgements of other members that came to this leader."""
    appends_rejected: int
    """Refusals of other members that came to this leader."""
    heartbeats_sent: int
    """Heartbeats sent."""
    snapshots_sent: int
    """Snapshots sent."""
    snapshots_installed: int
    """Snapshots taken in place of the log."""
    snapshots_ignored: int
    """Snapshots that were of no use."""
    snapshots_failed: int
    """Snapshots that did not arrive, as the host reported."""
    flow_changes: int
    """Changes of how a member is sent to."""
    entries_appended: int
    """Entries appended to this node's log, as a leader or as a follower."""
    entries_committed: int
    """How far the commit index has moved since the node was made."""
    entries_applied: int
    """How far the host has applied since the node was made."""
    transfers_started: int
    """Leadership transfers started."""
    transfers_timed_out: int
    """Those that have timed out."""
    transfers_aborted: int
    """Those given up for another reason than a step-down."""
    requests_made: int
    """Requests for entries and snapshots made to the host."""
    requests_repeated: int
    """Those made again because no answer came."""
    reports_sent: int
    """Reports sent to peers of what was dropped, and of their removal."""
    reports_received: int
    """Such reports taken from peers."""
    repeats_discarded: int
    """Forwarded proposals discarded because they had come before."""
    events_lost: int
    """Events lost because the host took no Ready for too long."""

    def to_dict(self) -> dict[str, int]:
        """The counters by their names."""
        return self._asdict()

    def to_json(self) -> str:
        """The same as a JSON object."""
        return json.dumps(self.to_dict())


class Status(NamedTuple):
    """A node's state at one moment. Ids are 0 where there is nobody."""

    id: int
    """The node."""
    term: int
    """The term that it is in."""
    vote: int
    """Whom it has voted for in that term."""
    commit: int
    """Up to where it knows that the log is committed."""
    applied: int
    """Up to where the host has applied."""
    leader: int
    """The leader that it knows of."""
    role: Role
    """Its own part."""
    lead_transferee: int
    """Whom it hands leadership to."""
    first_index: int
    """The first index of the log."""
    last_index: int
    """The last index of the log."""
    persisted: int
    """Up to where its own log is persisted."""
    removed_as_of: int = 0
    """Not 0 if it is no member any more, as far as it knows: it was none when this was applied."""

    def to_dict(self) -> dict[str, int | str]:
        """The fields by their names; the role in lower case. `RawNode.status_json` has the members as well."""
        return {**self._asdict(), "role": _word(self.role)}

    def to_json(self) -> str:
        """The same as a JSON object."""
        return json.dumps(self.to_dict())


class Progress(NamedTuple):
    """What a leader knows of a member."""

    id: int
    """The member."""
    match_index: int
    """Up to where it is known to have the log."""
    next_index: int
    """The next index to be sent."""
    state: FlowState
    """How it is sent to."""
    paused: bool
    """Whether it gets nothing at the moment."""
    pending_snapshot: int
    """The index of the snapshot on its way, or 0."""
    recent_active: bool
    """Whether it was heard of within the last election timeout."""
    learner: bool
    """Whether it is a learner."""
    inflight_messages: int
    """Appends without an answer yet."""
    inflight_bytes: int
    """Payload bytes in these."""
    inflight_full: bool
    """Whether these are as many as may be."""

    def to_dict(self) -> dict[str, int | str]:
        """The fields by their names; the state in lower case."""
        return {**self._asdict(), "state": _word(self.state)}

    def to_json(self) -> str:
        """The same as a JSON object."""
        return json.dumps(self.to_dict())


def _word(value: int) -> str | int:
    """The name of a number, if this version of the package knows it."""
    return value.name.lower() if isinstance(value, IntEnum) else value


class RecoveryReport(NamedTuple):
    """What was found when a durable storage was opened."""

    crashed: bool
    """Whether its last user did not close it."""
    discarded_writes: int
    """How many writes had begun, of which nobody was told that they succeeded, and of which nothing is left."""


class Replay(NamedTuple):
    """What came of a replay."""

    calls: int
    """How many calls were made."""
    ready_count: int
    """How many Readys the recorded node has shown."""
    differs_at: int
    """The first call, counted from 1, that has not done what it did when it was recorded; 0 if all have."""
    recorded: int
    """The code that this call returned when it was recorded; 41 if it did not return."""
    replayed: int
    """The code that it returned now; if it is the same, what it gave is another."""
    end: RecordingState
    """Why the recording ends; ON if it was just taken there."""
    readys: tuple[bytes, ...]
    """Those Readys, each an encoded libraft.Ready, as Ready.encoded."""

    def __repr__(self) -> str:
        return _short_repr(self)


class Ticked(NamedTuple):
    """What `tick_all` has found.

    `ready`: the places in the list of the nodes with a Ready. `failed`: the places of those that were
    passed over, and why: ClosedError, Poisoned, LibraryPanic, or MisuseError if another thread uses the
    node, which can make up for it with `RawNode.tick_many`. Both are in ascending order.
    """

    ready: list[int]
    """The places in the list of the nodes with a Ready."""
    failed: tuple[tuple[int, RaftError], ...]
    """The places of those that were passed over, and why."""


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
    """A leader keeps so many bytes of entries in memory that are persisted and applied, and that a member lacks."""
    max_pending_reads: int = 1 << 16
    """At most this many reads wait for confirmation; more are dropped."""
    coalesce_appends: bool = True
    """Build appends when the Ready is taken: one for each peer and batch of proposals; and, as a
    follower, leave an append unanswered that brings nothing but the word that all entries of this node are committed,
    when it has answered another since the last heartbeat.

    False sends what etcd-io/raft does, message for message; with async_storage_writes that includes
    requests for votes that leave before the term and the log of the candidate are persisted."""
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
    peer_reports: bool = False
    """Tell peers, and be told by them, of what is dropped of that which was passed on (Ready.dropped)."""
    record_bytes: int = 0
    """Record every call on the node, so that `replay` can make them again: for reports of defects.

    At most so many bytes wait for RawNode.record_take, at least 256; when they are full, recording stops
    for good. It holds all that the node is given, the data of proposals included. 0 records nothing."""
    show_requests: bool = False
    """Leave requests for entries and snapshots to the host, also on a storage of libraft."""
    applied: int | None = None
    """Up to where the host's own state has the log applied. None: up to the storage's snapshot."""
    applied_conf_state: bytes = b""
    """The encoded ConfState as of `applied`; empty if no change was applied since the snapshot."""

    def __post_init__(self) -> None:
        from ._libraft import check_config

        check_config(self)
