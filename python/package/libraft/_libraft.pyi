"""The extension module: libraft's C interface as classes. Import them from `libraft`.

Every call raises an exception of `libraft` (a RaftError) if it fails, and has then changed
nothing. Bytes may be given as anything with the buffer protocol. Objects that are used after
`close` raise ClosedError.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Literal, Self, final

from typing_extensions import Buffer, disjoint_base

from ._types import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    Config,
    ConfState,
    DroppedRequest,
    EntryType,
    Event,
    HardState,
    MessageType,
    Metrics,
    Progress,
    ReadFailure,
    ReadRequest,
    ReadState,
    RecordingState,
    RecoveryReport,
    Replay,
    SnapshotRequest,
    SnapshotStatus,
    SoftState,
    Status,
    Ticked,
    Transition,
)

__all__ = [
    "ABI_VERSION",
    "DurableStorage",
    "Entry",
    "MemoryStorage",
    "Message",
    "RawNode",
    "Ready",
    "Snapshot",
    "Storage",
    "__version__",
    "check_config",
    "decode_conf_change",
    "describe_event",
    "encode_conf_change",
    "expose",
    "replay",
    "tick_all",
]

__version__: Final[str]
ABI_VERSION: Final[int]

@final
class Entry:
    """An entry of the replicated log.

    Entries with the same encoding are equal. A pickled or copied one has its own bytes alone.
    """

    __match_args__: ClassVar[tuple[Literal["term"], Literal["index"], Literal["type"], Literal["data"]]]

    @property
    def term(self) -> int:
        """The term of the leader that created it."""
    @property
    def index(self) -> int:
        """Its position in the log; the first one is 1."""
    @property
    def type(self) -> EntryType:
        """What its data means. A number that this version has no name for is a plain int."""
    @property
    def data(self) -> bytes:
        """The payload, as a copy."""
    @property
    def data_view(self) -> memoryview:
        """The payload without a copy. It keeps the whole batch that the entry came with in memory."""
    @property
    def encoded(self) -> bytes:
        """The whole entry as raftpb.Entry."""
    def conf_change(self) -> ConfChange:
        """Decodes the data of an entry of type CONF_CHANGE or CONF_CHANGE_V2.

        Raises ArgumentError for another type, MalformedMessage if it does not decode.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Message:
    """A message to a peer, or from one. Its length is that of its encoding.

    Messages with the same encoding are equal. A pickled or copied one has its own bytes alone.
    """

    __match_args__: ClassVar[tuple[Literal["type"], Literal["from_"], Literal["to"], Literal["term"]]]

    @staticmethod
    def decode(data: Buffer) -> Message:
        """Looks into a message as it came from a peer, without handing it to a node.

        Raises MalformedMessage, ImpossibleMessage, LocalMessage.
        """
    @property
    def to(self) -> int:
        """The recipient."""
    @property
    def from_(self) -> int:
        """The sender."""
    @property
    def term(self) -> int:
        """The sender's term; 0 in a message that is valid in any."""
    @property
    def type(self) -> MessageType:
        """What kind of message it is. A number that this version has no name for is a plain int."""
    @property
    def snapshot_index(self) -> int:
        """The index of the snapshot in a SNAP; 0 otherwise."""
    @property
    def snapshot_data(self) -> bytes:
        """The state machine's data in a SNAP, as a copy; empty otherwise."""
    @property
    def encoded(self) -> bytes:
        """The whole message as raftpb.Message, to put on the wire, as a copy."""
    @property
    def encoded_view(self) -> memoryview:
        """The same without a copy. It keeps the whole batch that the message came with in memory."""
    @property
    def responses(self) -> tuple[Message, ...]:
        """What to deliver once the work is done that a STORAGE_APPEND or STORAGE_APPLY asks for.

        Those to this node itself with `RawNode.step`, the others like any message. Empty for other types,
        and in a message that was decoded.
        """
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Snapshot:
    """The state machine's state at one point of the log.

    One of index 0 stands for the empty state before the first entry. Snapshots with the same encoding
    are equal. A pickled or copied one has its own bytes alone.
    """

    __match_args__: ClassVar[tuple[Literal["index"], Literal["term"], Literal["data"]]]

    @property
    def index(self) -> int:
        """The last entry that it includes."""
    @property
    def term(self) -> int:
        """The term of that entry."""
    @property
    def conf_state(self) -> ConfState:
        """The members as of that entry."""
    @property
    def data(self) -> bytes:
        """The state machine's own data, as a copy."""
    @property
    def data_view(self) -> memoryview:
        """The same without a copy. It keeps the whole batch that the snapshot came with in memory."""
    @property
    def encoded(self) -> bytes:
        """The whole as raftpb.Snapshot."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Ready:
    """One batch of work for the host: persist, send, apply, answer the requests, advance.

    It stays valid as long as Python holds it. Only to be saved, it has to be its node's last one.
    """

    @property
    def soft_state(self) -> SoftState | None:
        """Present if the leader or the role has changed. Need not be persisted."""
    @property
    def hard_state(self) -> HardState | None:
        """Present if it has changed; to be persisted before messages are sent."""
    @property
    def must_sync(self) -> bool:
        """Whether `hard_state` and `entries` need a sync; false if only the commit index moved."""
    @property
    def must_save(self) -> bool:
        """Whether there is something to persist: a hard state, entries or a snapshot."""
    @property
    def snapshot(self) -> Snapshot | None:
        """To be persisted, in place of the stored log up to its index, and to be applied."""
    @property
    def entries(self) -> tuple[Entry, ...]:
        """To be appended to the stored log, in place of what it has from the first one's index on."""
    @property
    def committed_entries(self) -> tuple[Entry, ...]:
        """To be applied to the state machine, after the snapshot."""
    @property
    def messages(self) -> tuple[Message, ...]:
        """To be sent once everything above is persisted, in this order for each recipient.

        Only a leader's messages of type APP may be sent before. Report what becomes of a SNAP.
        """
    @property
    def read_states(self) -> tuple[ReadState, ...]:
        """Reads that may be served once their index is applied."""
    @property
    def reads(self) -> tuple[ReadRequest, ...]:
        """Stored entries that the core needs. Empty for a node that reads from its own storage."""
    @property
    def snapshot_requests(self) -> tuple[SnapshotRequest, ...]:
        """Snapshots that the core needs. Empty for a node that reads from its own storage."""
    @property
    def dropped(self) -> tuple[DroppedRequest, ...]:
        """What the host was told was taken and will not happen; see Config.peer_reports."""
    @property
    def events(self) -> tuple[Event, ...]:
        """What has happened since the last Ready, for hosts that count or log. Alone they make no Ready."""
    @property
    def encoded(self) -> bytes:
        """The whole as protobuf, libraft.Ready."""

@disjoint_base
class Storage:
    """Where a node's hard state, log and snapshot are kept: what both kinds have in common.

    Any number of threads may use one storage at the same time, also while a node uses it. Calls
    that may wait for a disk let other threads run meanwhile. Ranges are half-open.
    """

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
    def close(self) -> None:
        """Lets go of the storage; again does nothing.

        A durable one can be opened again once the nodes on it are closed, too.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def is_fresh(self) -> bool:
        """Whether nothing has ever been written."""
    def bootstrap(
        self,
        voters: Sequence[int],
        *,
        learners: Sequence[int] = ...,
        index: int = 1,
        term: int = 1,
        data: Buffer | None = None,
    ) -> None:
        """Writes the first state of a group's first members into a fresh storage.

        Every first member has to be given the same: a snapshot of `index` and `term` (both 0 or
        both at least 1) with these members and `data`, the state machine's first state. A member
        that joins later is not bootstrapped; with an index of at least 1 it gets that snapshot or
        a later one first, and so learns who the first members were.

        Raises MisuseError (not fresh), ArgumentError, StorageIOError.
        """
    def save(self, ready: Ready) -> None:
        """Persists the hard state, the entries and the snapshot of a Ready, all or nothing.

        With one sync if it needs one. When this returns, the messages may be sent.

        Raises ArgumentError (the entries do not fit the log), SnapshotOutOfDate, StorageCorrupt,
        StorageIOError, Poisoned (an earlier write failed), MisuseError (not its node's last Ready).
        """
    def append(
        self,
        *,
        hard_state: tuple[int, int, int] | None = None,
        entries: Sequence[Buffer] = ...,
        snapshot: Buffer | None = None,
        must_sync: bool = True,
    ) -> None:
        """The same from pieces: a HardState, encoded entries and an encoded snapshot."""
    def append_message(self, message: Buffer) -> None:
        """Persists what a message of type STORAGE_APPEND asks for."""
    def sync(self) -> None:
        """Makes earlier writes survive a power cut that did not ask for a sync by themselves."""
    def first_index(self) -> int:
        """The first index of the log; one more than the last one if the log is empty."""
    def last_index(self) -> int:
        """The last index of the log; the one that it was compacted to if the log is empty."""
    def term(self, index: int) -> int:
        """The term of an entry in [first_index() - 1, last_index() + 1).

        Raises Compacted, Unavailable.
        """
    def hard_state(self) -> HardState:
        """The last hard state that was written; all zero if none was."""
    def entries(self, low: int, high: int, max_bytes: int = ...) -> list[Entry]:
        """The entries [low, high): at least the first one, then as many as fit into `max_bytes`.

        Raises Compacted, Unavailable, ArgumentError (low > high), StorageCorrupt, StorageIOError.
        """
    def snapshot(self) -> Snapshot:
        """The newest snapshot. Before the first one it has index 0 and no data."""
    def create_snapshot(self, index: int, data: Buffer, conf_state: Buffer | None = None) -> None:
        """Makes `data`, the state machine's state after the entry `index`, the newest snapshot.

        The log stays as it is; see `compact`. `conf_state` is `ConfState.encoded` as of that
        entry; without it, the members are those of the last snapshot.

        Raises SnapshotOutOfDate, Compacted, Unavailable, MalformedMessage, StorageIOError.
        """
    def compact(self, first_index: int) -> None:
        """Drops the entries below `first_index`, at most one more than the newest snapshot's index.

        Raises Compacted (that far already), Unavailable, MisuseError, StorageIOError.
        """
    def restart_state(self) -> bytes:
        """All that a node needs to know when it starts, as an encoded libraft.RestartState."""
    def recovery_report(self) -> RecoveryReport:
        """What was found when the storage was opened."""

@final
class MemoryStorage(Storage):
    """A storage that lives and dies with the process; for tests."""

    def __new__(cls) -> Self: ...

@final
class DurableStorage(Storage):
    """A storage in a directory, which is made if it is absent. One process may have it open.

    Raises StorageLocked, StorageCorrupt, StorageIOError.
    """

    def __new__(cls, path: str | PathLike[str]) -> Self: ...
    @property
    def path(self) -> Path:
        """The directory."""

@final
class RawNode:
    """One member of one Raft group, made on a storage from whatever that holds.

    It does nothing by itself: the host passes in ticks, messages and proposals, takes a Ready
    whenever `has_ready` says so, does what that asks for, and calls `advance`. It may move
    between threads, but not be used by two at once. Two nodes must not be made on one storage.

    Raises ConfigError, RestartStateError, ArgumentError, StorageCorrupt, StorageIOError.
    """

    def __new__(cls, config: Config, storage: Storage) -> Self: ...
    @staticmethod
    def restart(config: Config, state: Buffer) -> RawNode:
        """Makes a node for a host with a storage of its own.

        `state` is an encoded libraft.RestartState; an empty one stands for a node that has never
        run. Its requests appear in `Ready.reads` and `Ready.snapshot_requests`.
        """
    @property
    def id(self) -> int:
        """The node's id."""
    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
    def close(self) -> None:
        """Frees the node; again does nothing. What has not been saved is lost, as in a crash."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def bootstrap(self, peers: Sequence[tuple[int, Buffer]]) -> None:
        """Starts the log of a new group with one applied entry for each first member.

        Hosts with a Storage will rather use `Storage.bootstrap`.
        """
    def tick(self) -> None:
        """One unit of logical time has passed. Ticks that were missed are better dropped."""
    def tick_quiesced(self) -> None:
        """One unit of logical time has passed for a group that is known to be at rest."""
    def tick_many(self, ticks: int) -> None:
        """So many units of logical time have passed at once: the same as `tick` called so often.

        For a host that had no need to touch the node meanwhile. Up to `next_deadline`, all of them
        together cost what one does; beyond it, time and memory grow with what the node has to do.
        """
    def next_deadline(self) -> int | None:
        """How many ticks it takes until one of them can do more than move the clocks, at least 1.

        None if time alone does nothing. It holds until the next other call that changes the node: a
        host with many groups at rest may leave this one alone for so long, or until something comes
        for it, and then first make up for the ticks with `tick_many`.
        """
    def campaign(self) -> None:
        """Campaigns at once, without waiting for the election timeout."""
    def propose(self, data: Buffer) -> None:
        """Proposes a command. It is committed when it comes back in `Ready.committed_entries`.

        Raises ProposalDropped.
        """
    def propose_many(self, data: Sequence[Buffer]) -> None:
        """Proposes several commands as one entry each, in this order: all of them or none.

        Raises ProposalDropped.
        """
    def propose_conf_change(self, change_type: ConfChangeType, node_id: int, context: Buffer | None = None) -> None:
        """Proposes to add, remove or update one member, as an entry of type CONF_CHANGE.

        A leader that cannot take the change (another one is in flight) makes an empty entry of it.

        Raises ProposalDropped, ArgumentError.
        """
    def propose_conf_change_encoded(self, entry_type: EntryType, data: Buffer) -> None:
        """Proposes a configuration change in its encoded form, such as from `encode_conf_change`.

        Raises ProposalDropped, MalformedMessage, ArgumentError.
        """
    def apply_conf_change(self, entry: Entry) -> ConfState:
        """Applies a committed configuration change, and gives the new configuration.

        To be called, or `reject_conf_change`, when such an entry's turn to be applied comes.

        Raises MalformedMessage, ConfChangeError (it does not fit, and counts as refused).
        """
    def reject_conf_change(self) -> None:
        """Tells the node that a committed change was refused, as every member must do alike."""
    def conf_state(self) -> ConfState:
        """The configuration as of the last applied change."""
    def step(self, message: Buffer) -> None:
        """Hands over a message from a peer: one raftpb.Message.

        Raises MalformedMessage, ImpossibleMessage, LocalMessage, UnknownPeer, and ProposalDropped
        for a forwarded proposal. In each case nothing has changed.
        """
    def step_many(self, messages: Buffer | Sequence[Buffer]) -> None:
        """Hands over several messages: a list, or bytes that have a length before each message.

        The lengths are protobuf varints.

        All are decoded first: if one can't be, none is handed over. One that the node then
        refuses does not keep the others from it; the first refusal is raised at the end.
        """
    def read_index(self, context: Buffer) -> None:
        """Asks for a linearizable read. The answer is a ReadState with this context, or none.

        The context must never be used again on any node, not even for another try.

        Raises ReadDropped.
        """
    def has_ready(self) -> bool:
        """Whether `ready` would give something to do."""
    def ready(self) -> Ready:
        """Takes the next batch of work.

        Raises MisuseError (the last one was not advanced, or is being saved), StorageCorrupt,
        StorageIOError (the storage can't be read).
        """
    def peek_ready(self) -> Ready:
        """Shows what `ready` would give, and takes nothing.

        None of it is to be done, and it can't be saved, before `accept_ready`. For a host that offers its
        work to somebody who may not come for it at once, and looks again if anything else happens first. It
        takes the place of the last Ready.

        Raises as `ready` does.
        """
    def accept_ready(self) -> None:
        """Takes the Ready that `peek_ready` has shown.

        Raises MisuseError (nothing was shown, or the node has been used since: look again).
        """
    def advance(self) -> None:
        """The last Ready's work is done: persisted, sent and applied.

        Raises MisuseError (there is no Ready to advance from).
        """
    def request_snapshot(self) -> None:
        """Asks the leader for a snapshot in place of what this node has applied, although its log is fine.

        For a host whose state machine is damaged. It comes as Ready.snapshot, and until then the node
        takes no entries. A change of the leader ends the request, and so does a leader that goes on
        sending entries for the election ticks, as those of etcd-io/raft do, since they don't know of it.

        Raises SnapshotRequestDropped, with the reason.
        """
    def set_priority(self, priority: int) -> None:
        """Sets the priority of this node in elections from now on."""
    def set_inflight_limits(self, id: int, max_messages: int, max_bytes: int = 0) -> None:
        """Bounds what is in flight to a member from now on; 0 bytes stand for no limit.

        Raises MisuseError (the member 0).
        """
    def set_max_apply_unpersisted_entries(self, entries: int) -> None:
        """With asynchronous storage writes, a leader hands out so many entries before they are persisted here.

        They are committed, but a crash may leave the state machine ahead of the log. A host whose state
        machine is durable on its own then starts with the log's last index as Config.applied, and passes
        over the entries that come back and that it has already. Nor may the log be compacted beyond what
        is persisted.
        """
    def enable_group_commit(self, on: bool) -> None:
        """Whether to commit only what members of two commit groups have, besides a majority."""
    def assign_commit_groups(self, groups: dict[int, int]) -> None:
        """Puts members into commit groups, numbered from 1, until a restart: the group of each member's id.

        Raises MisuseError (a member or a group 0; nothing has changed).
        """
    def clear_commit_groups(self) -> None:
        """Takes all members out of their commit groups."""
    def is_group_commit_consistent(self) -> bool | None:
        """Whether everything that is committed has reached two commit groups.

        None if this node can't tell: it has to lead, and to have applied an entry of its term.
        """
    def report_unreachable(self, id: int) -> None:
        """A message to this peer could not be delivered."""
    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """What became of a SNAP to this peer. Until that is reported, nothing else is sent to it."""
    def transfer_leader(self, transferee: int) -> None:
        """Asks the leader to hand its leadership to this member."""
    def forget_leader(self) -> None:
        """A follower forgets its leader, so that it may vote for another at once."""
    def take_requests(self) -> tuple[tuple[ReadRequest, ...], tuple[SnapshotRequest, ...]]:
        """Takes out the requests that no Ready has shown yet, for a host that answers at once.

        What it provides before it takes the Ready is in that Ready already.
        """
    def set_randomized_election_timeout(self, ticks: int) -> None:
        """Fixes the randomized election timeout until the next change of role or term. For tests.

        Raises MisuseError (0 ticks).
        """
    def provide_entries(self, request_id: int, entries: Sequence[Buffer]) -> None:
        """Answers a ReadRequest with encoded entries from its `low` on.

        Raises WrongAnswer, MalformedMessage, ImpossibleMessage.
        """
    def read_failed(self, request_id: int, failure: ReadFailure) -> None:
        """Answers a ReadRequest: there are no entries."""
    def provide_snapshot(self, request_id: int, snapshot: Buffer) -> None:
        """Answers a SnapshotRequest with an encoded snapshot.

        Raises WrongAnswer, MalformedMessage, ImpossibleMessage.
        """
    def snapshot_failed(self, request_id: int) -> None:
        """Answers a SnapshotRequest: there is no snapshot at the moment."""
    def compacted(self, first_index: int) -> None:
        """Tells the node that the stored log begins at `first_index` now.

        A node on a Storage finds that out by itself.
        """
    def metrics(self) -> Metrics:
        """What the node has done since it was made, in numbers."""
    def metrics_json(self) -> str:
        """The counters as a JSON object, under the names of Metrics; see `status_json` for its numbers."""
    def status_json(self) -> str:
        """All that the node says about itself, as a JSON object.

        The fields of Status under their names (`role` in lower case); `conf_state` with the lists of
        members; and on a leader `progress`, a list with the fields of Progress. The numbers go up to
        2**64 - 1: JavaScript rounds those above 2**53.
        """
    def status(self) -> Status:
        """What the node says about itself."""
    def progress(self) -> tuple[Progress, ...]:
        """What the leader knows of each member, by ascending id; empty on other nodes."""
    def record_state(self) -> tuple[RecordingState, int]:
        """How the recording of this node stands, and how many bytes of it wait to be taken."""
    def record_take(self) -> bytes:
        """Takes what was recorded since the last time; see Config.record_bytes.

        What is taken from a node, one after the other, is one recording, which may end behind any of the
        parts. It works on a node that is poisoned, too.
        """
    def record_note(self, text: str) -> None:
        """Puts a text into the recording, for who reads it: "here the disk was full"."""
    def record_stop(self) -> None:
        """Ends the recording for good; what was not taken can still be."""
    def status_encoded(self) -> bytes:
        """All that the node says about itself, as an encoded libraft.Status."""

_Row = tuple[tuple[int, int, int, int, int], tuple[int, int], tuple[int, int]]

def _restore_entry(term: int, index: int, kind: int, data: tuple[int, int], encoded: bytes) -> Entry:
    """Unpickles an entry."""

def _restore_message(encoded: bytes, row: _Row, responses: list[_Row]) -> Message:
    """Unpickles a message."""

def _restore_snapshot(index: int, term: int, conf_state: ConfState, data: tuple[int, int], encoded: bytes) -> Snapshot:
    """Unpickles a snapshot."""

def check_config(config: Config) -> None:
    """Raises what making a node with this configuration would raise because of it."""

def decode_conf_change(entry_type: EntryType, data: Buffer) -> ConfChange:
    """Decodes the data of an entry of type CONF_CHANGE or CONF_CHANGE_V2.

    Raises ArgumentError (another type), MalformedMessage.
    """

def encode_conf_change(
    changes: Sequence[ConfChangeSingle | tuple[ConfChangeType, int]],
    transition: Transition = ...,
    context: Buffer | None = None,
) -> bytes:
    """Encodes a change of any number of members as raftpb.ConfChangeV2.

    For `RawNode.propose_conf_change_encoded` with EntryType.CONF_CHANGE_V2.
    """

def describe_event(
    type: int, reason: str, kind: str, node: int, term: int, index: int, from_: int, to: int
) -> tuple[int, str, str]:
    """The level of an event (1 debug, 2 info, 3 warning), its line and its JSON; for `Event`."""

def expose(nodes: Sequence[tuple[RawNode, Sequence[tuple[str, str]]]]) -> str:
    """The text for Prometheus of nodes with labels; for `prometheus_text`."""

def replay(recording: Buffer, max_bytes: int = ...) -> Replay:
    """Makes all calls of a recording once more, on a node of its own.

    Keeps the Readys if they take no more than `max_bytes` in all; with 0 it keeps none. A replay that
    does not do the same is no error: Replay.differs_at tells.

    Raises RecordingError, ArgumentError (more than max_bytes), LibraryPanic (a call panics, as it may
    have done when it was recorded).
    """

def tick_all(nodes: Sequence[RawNode], ticks: int = 1) -> Ticked:
    """Does for each node in turn what `tick_many` and `has_ready` do, in one call of the library.

    With 0 ticks it only asks. A node that can't be ticked, as it is closed, has stopped or is busy with
    another thread, is passed over unchanged, and told of in the result; all others have had their ticks.
    A node that is in the list twice gets the ticks twice. Other threads run meanwhile from ten thousand
    nodes on; below that it takes less than a millisecond.
    """
