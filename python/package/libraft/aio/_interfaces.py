"""What the host supplies to the driver, and what the driver raises.

Nothing here does anything by itself; `_node` is the driver.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from .._errors import RaftError
from .._libraft import Entry, Message, Ready
from .._types import ConfChange, EntryType

if TYPE_CHECKING:
    from ._node import Node

HEADER_BYTES: Final = 16
"""The length of the header: 8 bytes of the proposer's id, 8 bytes of its sequence number."""


class NodeStopped(RaftError):
    """The node has been closed, or has failed; then the cause is in `__cause__`."""


class OutcomeUnknown(RaftError):
    """The leader changed while the proposal waited. It may have been applied, or be applied later."""


class Rejected(Exception):
    """Raised by a state machine that turns a command or a membership change down.

    Every member's machine has to do so alike. The proposer's `await` raises it.
    """


class StateMachine:
    """What is replicated. All methods are called by one task, one after the other.

    Any exception but `Rejected` stops the node: a machine that could not apply what the others
    have applied must not go on.
    """

    def apply(self, index: int, command: bytes) -> Any:
        """Applies a committed command. What it returns, or what that awaits to, goes to the proposer."""
        raise NotImplementedError

    def apply_conf_change(self, entry: Entry, change: ConfChange) -> Any:
        """Agrees to a committed membership change, or raises `Rejected`. Results are as for `apply`.

        `change.context` is without the header. The core may still refuse what does not fit the
        configuration, and the proposer then gets a ConfChangeError.
        """
        return None

    def snapshot(self) -> bytes | Callable[[], bytes | None] | None:
        """The state as bytes, or a function that makes them of a copy: that one runs in a thread.

        If that gives None, there is no snapshot this time, and the next one is made as if there were.

        None, the default, for a machine without snapshots, whose log is never compacted.
        """
        return None

    def restore(self, index: int, data: bytes) -> Awaitable[None] | None:
        """Replaces the state by that of a snapshot of the entry `index`.

        Not called with empty data for a machine that has applied nothing: that is the state in
        which a group begins if `Storage.bootstrap` was given no other.
        """
        raise NotImplementedError


class _Encoded(Protocol):
    """An entry or a snapshot of a storage: all that is asked of it is its encoding."""

    @property
    def encoded(self) -> bytes: ...


class _Snapshot(_Encoded, Protocol):
    @property
    def index(self) -> int: ...
    @property
    def data(self) -> bytes: ...


class Storage(Protocol):
    """What the driver needs of a storage; libraft's own have it. Called in threads.

    `save` persists, all or nothing and synced if `ready.must_sync`, the hard state, the entries
    (as `Entry.encoded`) and the snapshot of a Ready. The other methods are those of
    `libraft.Storage`, and raise the same exceptions.
    """

    def save(self, ready: Ready, /) -> None: ...
    def entries(self, low: int, high: int, max_bytes: int, /) -> Sequence[_Encoded]: ...
    def snapshot(self) -> _Snapshot: ...
    def create_snapshot(self, index: int, data: bytes, conf_state: bytes, /) -> None: ...
    def compact(self, first_index: int, /) -> None: ...
    def first_index(self) -> int: ...
    def restart_state(self) -> bytes: ...


class Transport(Protocol):
    """What carries messages between the members. `libraft.aio.TcpTransport` is one.

    It passes what peers send to `Node.step` or `Node.step_many`, reports peers that can't be reached
    (`Node.report_unreachable`), and what becomes of every message of type SNAP
    (`Node.report_snapshot`), without which the leader sends that peer nothing else.
    """

    async def start(self, node: Node, /) -> None:
        """Begins. The node takes messages from now on. What this raises is raised by `Node.start`."""

    def send(self, messages: Sequence[Message], /) -> None:
        """Takes messages over, in order, and returns at once. They may get lost, and must not block."""

    async def close(self) -> None:
        """Lets go of everything. Nothing is sent, and nothing may be reported, after it has begun."""


@dataclasses.dataclass(frozen=True, slots=True)
class Committed:
    """A committed entry, out of `Node.committed`."""

    index: int
    term: int
    type: EntryType
    command: bytes | None
    """What was proposed; None in entries of the core's own, and in membership changes."""
    data: bytes
    """The entry's data as it is in the log, with the header."""


@dataclasses.dataclass(frozen=True, slots=True)
class Installed:
    """A snapshot, out of `Node.committed`, in place of entries that the log does not have any more."""

    index: int
    """The last entry that it includes."""
    data: bytes
    """The state machine's state after that entry, as its `snapshot` gave it."""


class NoMachine(StateMachine):
    """For a host that reads the log itself: the result of a proposal is its index."""

    def apply(self, index: int, command: bytes) -> int:
        return index

    def restore(self, index: int, data: bytes) -> None:
        """There is no state."""


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When a snapshot is made of the machine's state, and how much of the log stays behind it.

    Also when a member has been added, since a new member needs a snapshot that knows of it.
    """

    after_entries: int = 4096
    """Entries applied since the last one."""
    after_bytes: int = 32 << 20
    """Bytes of data in these."""
    keep_entries: int = 1024
    """Entries before the snapshot's that stay, for followers that lag a little."""
    keep_entries_if_large: int = 16
    """The same when it was made because of `after_bytes`."""
