"""An asyncio driver: a node that persists, sends and applies by itself.

    async with Node(config, storage, machine, send=transport.send) as node:
        result = await node.propose(b"command")     # what machine.apply made of it
        await node.read_index()                     # now the machine's state is as new as any

The host supplies a `StateMachine`, a function that takes messages to be sent, a storage (one of
libraft's, or anything with the methods of `Storage` below), and passes what peers send to
`Node.step`. One task runs the Ready loop; whatever may wait for a disk runs in threads of the
node, so that the event loop never does. Everything else belongs to the event loop: call nothing
from another thread.

Commands and the contexts of membership changes travel with a header of 16 bytes, by which the
proposer recognizes them: its id and a sequence number that begins anywhere, both big-endian.
Entries without a header are skipped. All members of a cluster therefore use this driver, or
another program that writes the same header.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from . import _libraft
from ._errors import (
    Compacted,
    ConfChangeError,
    MalformedMessage,
    Poisoned,
    ProposalDropped,
    RaftError,
    ReadDropped,
    SnapshotOutOfDate,
    Unavailable,
    WrongAnswer,
)
from ._libraft import Entry, Message, RawNode, Ready
from ._types import (
    ConfChange,
    ConfChangeType,
    Config,
    ConfState,
    DropKind,
    DroppedRequest,
    DropReason,
    EntryType,
    MessageType,
    ReadFailure,
    ReadRequest,
    SnapshotRequest,
    SnapshotStatus,
    SoftState,
    Status,
)

__all__ = [
    "HEADER_BYTES",
    "Node",
    "NodeStopped",
    "OutcomeUnknown",
    "Rejected",
    "SnapshotPolicy",
    "StateMachine",
    "Storage",
]

T = TypeVar("T")

HEADER_BYTES: Final = 16
"""The length of the header: 8 bytes of the proposer's id, 8 bytes of its sequence number."""

_READ_RETRY_TICKS: Final = 4
_APPLY_SLICE_S: Final = 0.005
# Why a leader refuses a membership change.
_REFUSALS: Final = (DropReason.CONF_CHANGE_PENDING, DropReason.ALREADY_JOINT, DropReason.NOT_JOINT)


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

    def snapshot(self) -> bytes | Callable[[], bytes] | None:
        """The state as bytes, or a function that makes them of a copy: that one runs in a thread.

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


class _Batch:
    """Reads that go out together under one context, and under a new one if that gets lost."""

    def __init__(self) -> None:
        self.readers: set[asyncio.Future[int]] = set()
        self.asked_at_tick = 0

    def serve(self, index: int) -> None:
        for reader in self.readers:
            if not reader.done():
                reader.set_result(index)

    def fail(self, error: Callable[[], RaftError]) -> None:
        for reader in self.readers:
            _set_exception(reader, error())


class _Proposal:
    """A proposal that waits for its outcome, and the leader that it was handed to."""

    def __init__(self, outcome: asyncio.Future[Any], leader: int) -> None:
        self.outcome = outcome
        self.leader = leader


class Node:
    """A member of a Raft group, run by the event loop."""

    def __init__(
        self,
        config: Config,
        storage: _libraft.Storage | Storage,
        machine: StateMachine,
        *,
        send: Callable[[Sequence[Message]], None],
        tick_s: float = 0.1,
        snapshots: SnapshotPolicy | None = None,
    ) -> None:
        """Nothing happens before `start`, or `async with`.

        `send` takes messages over, in order, and returns at once; messages may get lost. Report
        peers that can't be reached, and what becomes of messages of type SNAP. The storage stays
        the caller's, to be closed after the node. If `config.applied` is set, the machine keeps
        its state by itself and is not given the storage's snapshot at the start.
        """
        if tick_s <= 0:
            raise ValueError("tick_s must be positive")
        self._config = dataclasses.replace(config, show_requests=True)
        self._storage: Any = storage
        self._machine = machine
        self._transport = send
        self._tick_s = tick_s
        self._policy = snapshots or SnapshotPolicy()

        self._raw: RawNode | None = None
        # What was not taken of the recording when the node was closed.
        self._recording = b""
        self._status: Status | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        # The core's requests that are being answered.
        self._requests: set[int] = set()
        self._awake = asyncio.Event()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._failure: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None

        self._sequence = secrets.randbits(64)
        self._ticks = 0
        self._leader = 0
        self._leader_known = asyncio.Event()
        self._waiting: dict[bytes, _Proposal] = {}
        self._next_batch: _Batch | None = None
        self._asked: dict[bytes, _Batch] = {}
        self._confirmed: list[tuple[int, _Batch]] = []
        self._applying: list[tuple[int, asyncio.Future[None]]] = []

        self._applied = 0
        self._conf_state: ConfState | None = None
        self._snapshot_index = 0
        self._unsnapped_entries = 0
        self._unsnapped_bytes = 0
        self._snapshot_wanted = False
        self._writing_snapshot = False
        self._reading = asyncio.Lock()

    # ---------------------------------------------------------------- life

    async def start(self) -> None:
        """Restores the machine from the storage's snapshot and begins to take part."""
        if self._raw is not None or self._stopping:
            raise RuntimeError("a node can be started once")
        self._loop = asyncio.get_running_loop()
        # Each kind of work runs once at a time: saving, writing a snapshot, reading. None of
        # them ever waits for another one's thread.
        self._threads = ThreadPoolExecutor(3, thread_name_prefix=f"raft-{self._config.id}")
        try:
            snapshot = await self._in_thread(self._storage.snapshot)
            if self._config.applied is not None:
                self._applied = self._config.applied
            elif snapshot.index > 0:
                await self._restore_machine(snapshot.index, snapshot.data)
            self._snapshot_index = snapshot.index
            if isinstance(self._storage, _libraft.Storage):
                self._raw = RawNode(self._config, self._storage)
            else:
                state = await self._in_thread(self._storage.restart_state)
                self._raw = RawNode.restart(self._config, state)
            self._conf_state = self._raw.conf_state()
            self._status = self._raw.status()
        except BaseException:
            self._stopping = True
            self._stopped.set()
            self._threads.shutdown(wait=False)
            raise
        # A node that restarts may have committed entries to apply.
        self._awake.set()
        self._tasks = [
            asyncio.create_task(self._run(self._raw), name=f"raft-{self.id}-run"),
            asyncio.create_task(self._tick(self._raw), name=f"raft-{self.id}-tick"),
        ]

    async def close(self) -> None:
        """Finishes what is being saved and applied, and stops. Again does nothing.

        Whoever waits gets NodeStopped. If this is cancelled, the machine is not waited for.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        closing = self._closing
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await asyncio.shield(closing)
            raise

    async def _close(self) -> None:
        self.stop()
        current = asyncio.current_task()
        tasks = [task for task in (*self._tasks, *self._background) if task is not current]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._give_up()
        raw = self._raw
        if raw is not None:
            with contextlib.suppress(RaftError):
                self._status = raw.status()
            # A save that was given up by a cancellation may still run: its thread is waited
            # for, in one that is not ours.
            await self._loop.run_in_executor(None, self._threads.shutdown)
            with contextlib.suppress(RaftError):
                self._recording = raw.record_take()
            raw.close()
        self._stopped.set()

    async def wait_stopped(self) -> None:
        """Returns when the node has stopped; raises NodeStopped if it has failed."""
        await self._stopped.wait()
        if self._failure is not None:
            raise self._stop_error()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def stop(self) -> None:
        """Stops when the Ready at hand is worked off, without waiting for that.

        For the machine itself, or the transport. `close` is still to be called.
        """
        self._stopping = True
        self._awake.set()
        self._leader_known.set()
        if len(self._tasks) > 1:
            self._tasks[1].cancel()
        self._give_up()

    def _fail(self, error: BaseException) -> None:
        """The node can't go on. `close` still has to be called, to let go of everything."""
        if self._failure is None:
            self._failure = error
            if self._raw is not None:
                with contextlib.suppress(RaftError):
                    self._status = self._raw.status()
        self.stop()
        self._stopped.set()

    def _give_up(self) -> None:
        """Nobody who waits will get an answer."""
        for proposal in self._waiting.values():
            _set_exception(proposal.outcome, self._stop_error())
        self._waiting.clear()
        for _, reached in self._applying:
            _set_exception(reached, self._stop_error())
        self._applying.clear()
        batches = [*self._asked.values(), *(batch for _, batch in self._confirmed)]
        if self._next_batch is not None:
            batches.append(self._next_batch)
        self._next_batch = None
        self._asked.clear()
        self._confirmed.clear()
        for batch in batches:
            batch.fail(self._stop_error)

    def _stop_error(self) -> NodeStopped:
        if self._failure is None:
            return NodeStopped("the node has been closed")
        error = NodeStopped(f"the node has failed: {self._failure}")
        error.__cause__ = self._failure
        return error

    def _running(self) -> RawNode:
        if self._stopping:
            raise self._stop_error()
        if self._raw is None:
            raise RuntimeError("the node has not been started")
        return self._raw

    # ---------------------------------------------------------------- what the host may ask

    @property
    def id(self) -> int:
        """The node's id."""
        return self._config.id

    @property
    def applied(self) -> int:
        """The last entry that the machine has applied."""
        return self._applied

    @property
    def snapshot_index(self) -> int:
        """The last entry in the storage's snapshot; 0 if there is none."""
        return self._snapshot_index

    @property
    def failure(self) -> BaseException | None:
        """Why the node has stopped by itself."""
        return self._failure

    @property
    def waiting(self) -> int:
        """How many proposals wait for their outcome."""
        return len(self._waiting)

    def status(self) -> Status:
        """What the node says about itself; once it is closed, what it said last."""
        if self._raw is not None and not self._raw.closed and self._failure is None:
            return self._raw.status()
        if self._status is None:
            raise RuntimeError("the node has not been started")
        return self._status

    def record_take(self) -> bytes:
        """Takes what was recorded since the last time (Config.record_bytes); once it is closed, what is left."""
        if self._raw is not None and not self._raw.closed:
            return self._raw.record_take()
        left, self._recording = self._recording, b""
        return left

    async def wait_leader(self) -> int:
        """Waits until this node knows a leader, and gives its id."""
        while True:
            self._running()
            if self._leader:
                return self._leader
            await self._leader_known.wait()

    async def propose(self, command: bytes) -> Any:
        """Proposes a command; gives what the machine's `apply` returned for it on this node.

        Raises ProposalDropped (it was not taken), OutcomeUnknown (nobody can say yet),
        NodeStopped, and what the machine raised as `Rejected`. A proposal can get lost without a
        sign, so that callers set a deadline (`asyncio.timeout`); what it ends is as unknown.
        """
        raw = self._running()
        return await self._outcome(lambda header: raw.propose(header + command))

    async def propose_conf_change(self, change_type: ConfChangeType, node_id: int, context: bytes = b"") -> Any:
        """Proposes a change of one member; gives what `apply_conf_change` returned for it.

        As for `propose`; ConfChangeError if the core refused it, here or, with
        `Config.peer_reports`, on the leader. Without these, waits first until this node has applied
        what its log holds, since a leader elsewhere that has another change in flight lets this one
        fall without a sign. That can still happen to changes of several proposers.
        """
        raw = self._running()
        if self._leader and not self._config.peer_reports:
            await self._applied_up_to(raw.status().last_index)
        return await self._outcome(lambda header: raw.propose_conf_change(change_type, node_id, header + context))

    async def _outcome(self, hand_over: Callable[[bytes], None]) -> Any:
        header = self._header()
        outcome: asyncio.Future[Any] = self._loop.create_future()
        try:
            self._call(lambda: hand_over(header))
            self._waiting[header] = _Proposal(outcome, self.status().leader)
            return await outcome
        finally:
            self._waiting.pop(header, None)

    async def _applied_up_to(self, index: int) -> None:
        """Returns when the core has heard that this is applied."""
        if index > self.status().applied:
            reached: asyncio.Future[None] = self._loop.create_future()
            self._applying.append((index, reached))
            await reached

    async def read_index(self) -> int:
        """Returns when the machine's state is at least as new as anything acknowledged before.

        Gives the index that it has applied at least. All reads that wait while a Ready is worked
        on share one round of messages. Raises ReadDropped, NodeStopped. Without a leader in reach
        it may wait for long, so that callers set a deadline.
        """
        self._running()
        if self._next_batch is None:
            self._next_batch = _Batch()
            self._awake.set()
        batch = self._next_batch
        reader: asyncio.Future[int] = self._loop.create_future()
        batch.readers.add(reader)
        try:
            return await reader
        finally:
            batch.readers.discard(reader)

    def step(self, message: bytes) -> None:
        """Takes a message from a peer. Raises what `RawNode.step` raises; nothing has changed then."""
        raw = self._running()
        self._call(lambda: raw.step(message))

    def step_many(self, messages: bytes | Sequence[bytes]) -> None:
        """Takes several messages: a list, or framed ones; see `RawNode.step_many`."""
        raw = self._running()
        self._call(lambda: raw.step_many(messages))

    def report_unreachable(self, peer: int) -> None:
        """A message to this peer could not be delivered."""
        self._report(lambda raw: raw.report_unreachable(peer))

    def report_snapshot(self, peer: int, status: SnapshotStatus) -> None:
        """What became of a message of type SNAP to this peer."""
        self._report(lambda raw: raw.report_snapshot(peer, status))

    def transfer_leader(self, transferee: int) -> None:
        """Asks for leadership to pass to this member."""
        raw = self._running()
        self._call(lambda: raw.transfer_leader(transferee))

    def campaign(self) -> None:
        """Campaigns at once, without waiting for the election timeout."""
        raw = self._running()
        self._call(raw.campaign)

    def _report(self, report: Callable[[RawNode], None]) -> None:
        """Reports come late, from transports that end after the node."""
        if self._raw is not None and not self._stopping:
            raw = self._raw
            self._call(lambda: report(raw))

    def _call(self, call: Callable[[], None]) -> None:
        """A call on the raw node, which may have work to do afterwards."""
        try:
            call()
        except Poisoned as error:
            self._fail(error)
            raise
        finally:
            self._awake.set()

    def _header(self) -> bytes:
        """A name that is used once in the life of the cluster."""
        self._sequence = (self._sequence + 1) % 2**64
        return self.id.to_bytes(8, "big") + self._sequence.to_bytes(8, "big")

    # ---------------------------------------------------------------- time

    async def _tick(self, raw: RawNode) -> None:
        """Ticks at regular intervals. Those that were missed are dropped, all but one.

        A node whose process was held up must not campaign because of that.
        """
        due = self._loop.time()
        try:
            while not self._stopping:
                due = max(due + self._tick_s, self._loop.time())
                await asyncio.sleep(due - self._loop.time())
                self._ticks += 1
                self._call(raw.tick)
                self._ask_again(raw)
        except Exception as error:
            # A node without time would be a member that never notices anything.
            self._fail(error)

    # ---------------------------------------------------------------- reads

    def _ask_next_batch(self, raw: RawNode) -> None:
        if self._next_batch is not None:
            batch, self._next_batch = self._next_batch, None
            self._ask(raw, batch)

    def _ask(self, raw: RawNode, batch: _Batch) -> None:
        """Asks for a read index under a new name.

        An answer to an earlier try is not used, and finds nobody: acknowledgements of one try
        must never count for another.
        """
        if not batch.readers:
            return
        context = self._header()
        try:
            self._call(lambda: raw.read_index(context))
        except ReadDropped as error:
            reason = error.reason
            message = str(error)
            batch.fail(lambda: _read_dropped(message, reason))
        except Poisoned:
            # The node has failed, and with it everybody who waits.
            batch.fail(self._stop_error)
        else:
            batch.asked_at_tick = self._ticks
            self._asked[context] = batch

    def _ask_again(self, raw: RawNode) -> None:
        """For the reads whose answer stays out."""
        for context, batch in list(self._asked.items()):
            if self._ticks - batch.asked_at_tick >= _READ_RETRY_TICKS:
                del self._asked[context]
                self._ask(raw, batch)

    def _serve_reads(self, ready: Ready) -> None:
        for state in ready.read_states:
            if batch := self._asked.pop(state.context, None):
                self._confirmed.append((state.index, batch))
        if self._confirmed:
            later = []
            for index, batch in self._confirmed:
                if index > self._applied:
                    later.append((index, batch))
                else:
                    batch.serve(index)
            self._confirmed = later

    # ---------------------------------------------------------------- the Ready loop

    async def _run(self, raw: RawNode) -> None:
        try:
            while not self._stopping:
                await self._awake.wait()
                self._awake.clear()
                self._ask_next_batch(raw)
                while not self._stopping and raw.has_ready():
                    await self._turn(raw, raw.ready())
                    self._ask_next_batch(raw)
        except asyncio.CancelledError:
            self.stop()
            raise
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._stopped.set()

    async def _turn(self, raw: RawNode, ready: Ready) -> None:
        """Works off one Ready: persist, send, apply, advance."""
        appends = [message for message in ready.messages if message.type == MessageType.APP]
        # The leader's own disk is one of many, and it counts itself only when it has saved. So
        # its appends may be under way meanwhile, and nothing else may.
        if appends:
            self._transport(appends)
        await self._save(ready)
        others = [message for message in ready.messages if message.type != MessageType.APP]
        if others:
            self._transport(others)
        if ready.snapshot is not None:
            await self._restore(raw, ready)
        await self._apply_all(raw, ready)
        for dropped in ready.dropped:
            self._on_dropped(dropped)
        if ready.soft_state is not None:
            self._on_soft_state(ready.soft_state)
        self._serve_reads(ready)
        # A request that waits long is repeated under its id.
        for read in ready.reads:
            if read.id not in self._requests:
                self._requests.add(read.id)
                self._spawn(self._read(raw, read))
        for request in ready.snapshot_requests:
            if request.id not in self._requests:
                self._requests.add(request.id)
                self._spawn(self._read_snapshot(raw, request))
        self._maybe_snapshot()
        raw.advance()
        if self._applying:
            for index, reached in self._applying:
                if index <= self._applied and not reached.done():
                    reached.set_result(None)
            self._applying = [(index, reached) for index, reached in self._applying if not reached.done()]

    async def _save(self, ready: Ready) -> None:
        if not ready.must_save:
            return
        if isinstance(self._storage, _libraft.MemoryStorage):
            is_cheap = True
        else:
            # Only the commit index moved, which a storage of ours writes with what comes next.
            only_commit = not (ready.must_sync or ready.entries or ready.snapshot)
            is_cheap = only_commit and isinstance(self._storage, _libraft.Storage)
        # A snapshot that is being written would hold it up, though.
        if is_cheap and not self._writing_snapshot:
            self._storage.save(ready)
        else:
            await self._in_thread(self._storage.save, ready)

    async def _restore(self, raw: RawNode, ready: Ready) -> None:
        snapshot = ready.snapshot
        assert snapshot is not None
        await self._restore_machine(snapshot.index, snapshot.data)
        self._conf_state = snapshot.conf_state
        self._on_snapshot(snapshot.index)

    async def _restore_machine(self, index: int, data: bytes) -> None:
        # A group may begin with a snapshot that has nothing in it but the members.
        if data or self._applied > 0:
            await _settled(self._machine.restore(index, data))
        self._applied = index

    async def _apply_all(self, raw: RawNode, ready: Ready) -> None:
        since = self._loop.time()
        for entry in ready.committed_entries:
            await self._apply(raw, entry)
            self._applied = entry.index
            self._unsnapped_entries += 1
            if self._loop.time() - since > _APPLY_SLICE_S:
                # Others want to run, too.
                await asyncio.sleep(0)
                since = self._loop.time()

    async def _apply(self, raw: RawNode, entry: Entry) -> None:
        if entry.type != EntryType.NORMAL:
            await self._apply_conf_change(raw, entry)
            return
        data = entry.data
        self._unsnapped_bytes += len(data)
        if len(data) < HEADER_BYTES:
            # A new leader's empty entry, or what somebody else wrote.
            return
        header = data[:HEADER_BYTES]
        try:
            result = await _settled(self._machine.apply(entry.index, data[HEADER_BYTES:]))
        except Rejected as error:
            self._settle(header, error)
        else:
            self._settle(header, None, result)

    async def _apply_conf_change(self, raw: RawNode, entry: Entry) -> None:
        try:
            change = entry.conf_change()
        except MalformedMessage:
            raw.reject_conf_change()
            return
        if change.changes and len(change.context) < HEADER_BYTES:
            raw.reject_conf_change()
            return
        header = change.context[:HEADER_BYTES]
        result = None
        try:
            if change.changes:
                asked = change._replace(context=change.context[HEADER_BYTES:])
                result = await _settled(self._machine.apply_conf_change(entry, asked))
        except Rejected as error:
            raw.reject_conf_change()
            self._settle(header, error)
            return
        try:
            # A change without steps leaves a joint configuration; that is the core's affair.
            self._conf_state = raw.apply_conf_change(entry)
        except ConfChangeError as error:
            self._settle(header, error)
            return
        additions = (ConfChangeType.ADD_NODE, ConfChangeType.ADD_LEARNER_NODE)
        if any(step.type in additions for step in change.changes):
            self._snapshot_wanted = True
        self._settle(header, None, result)

    def _settle(self, header: bytes, error: Exception | None, result: Any = None) -> None:
        """Tells the proposer, if it is here and still waits."""
        proposal = self._waiting.pop(header, None)
        if proposal is None or proposal.outcome.done():
            return
        if error is not None:
            _set_exception(proposal.outcome, error)
        else:
            proposal.outcome.set_result(result)

    def _on_dropped(self, dropped: DroppedRequest) -> None:
        """Tells the proposer what will not happen. Reads go out again by themselves."""
        if dropped.kind == DropKind.PROPOSAL:
            header, reason = dropped.data[:HEADER_BYTES], f"dropped: {dropped.reason.name.lower()}"
        elif dropped.kind == DropKind.CONF_CHANGE:
            # Those that this driver proposes are all of this type.
            try:
                change = _libraft.decode_conf_change(EntryType.CONF_CHANGE, dropped.data)
            except MalformedMessage:
                return
            header, reason = change.context[:HEADER_BYTES], f"refused: {dropped.reason.name.lower()}"
            if dropped.reason in _REFUSALS:
                self._settle(header, ConfChangeError(reason))
                return
        else:
            return
        error = ProposalDropped(reason)
        error.reason = dropped.reason
        self._settle(header, error)

    def _on_soft_state(self, state: SoftState) -> None:
        if state.leader != self._leader:
            self._leader = state.leader
            # What was handed to another leader is lost, most likely. Whoever waits can try again
            # as soon as there is a new one.
            for header, proposal in list(self._waiting.items()):
                if proposal.leader != state.leader:
                    del self._waiting[header]
                    _set_exception(proposal.outcome, OutcomeUnknown("the leader changed"))
        if self._leader:
            self._leader_known.set()
        else:
            self._leader_known.clear()

    # ---------------------------------------------------------------- what the core asks for

    async def _read(self, raw: RawNode, request: ReadRequest) -> None:
        try:
            async with self._reading:
                entries = await self._in_thread(self._storage.entries, request.low, request.high, request.max_bytes)
            answer = [entry.encoded for entry in entries]
        except Compacted:
            self._answer(request.id, lambda: raw.read_failed(request.id, ReadFailure.COMPACTED))
        except Unavailable:
            # The log has been replaced since.
            self._answer(request.id, lambda: raw.read_failed(request.id, ReadFailure.UNAVAILABLE))
        else:
            self._answer(request.id, lambda: raw.provide_entries(request.id, answer))

    async def _read_snapshot(self, raw: RawNode, request: SnapshotRequest) -> None:
        async with self._reading:
            snapshot = await self._in_thread(self._storage.snapshot)
        if snapshot.index == 0 or snapshot.index < request.min_index:
            # Asked for again for as long as it is needed; there may be a newer one then.
            self._answer(request.id, lambda: raw.snapshot_failed(request.id))
        else:
            encoded = snapshot.encoded
            self._answer(request.id, lambda: raw.provide_snapshot(request.id, encoded))

    def _answer(self, request_id: int, answer: Callable[[], None]) -> None:
        """The core checks answers, and asks again if it still needs one."""
        self._requests.discard(request_id)
        self._tell(answer)

    def _tell(self, answer: Callable[[], None]) -> None:
        if not self._stopping:
            with contextlib.suppress(WrongAnswer):
                self._call(answer)

    # ---------------------------------------------------------------- snapshots

    def _maybe_snapshot(self) -> None:
        policy = self._policy
        is_large = self._unsnapped_bytes >= policy.after_bytes
        is_due = is_large or self._unsnapped_entries >= policy.after_entries or self._snapshot_wanted
        if not is_due or self._writing_snapshot or self._applied <= self._snapshot_index:
            return
        state = self._machine.snapshot()
        if state is None:
            return
        assert self._conf_state is not None
        keep = policy.keep_entries_if_large if is_large else policy.keep_entries
        self._unsnapped_entries = self._unsnapped_bytes = 0
        self._snapshot_wanted = False
        self._writing_snapshot = True
        self._spawn(self._write_snapshot(self._applied, state, self._conf_state.encoded, keep))

    async def _write_snapshot(
        self, index: int, state: bytes | Callable[[], bytes], conf_state: bytes, keep: int
    ) -> None:
        try:
            data = await self._in_thread(state) if callable(state) else state
            await self._in_thread(self._storage.create_snapshot, index, data, conf_state)
            self._snapshot_index = max(self._snapshot_index, index)
            first_index = index - keep
            if first_index > await self._in_thread(self._storage.first_index):
                await self._in_thread(self._storage.compact, first_index)
                if not isinstance(self._storage, _libraft.Storage) and self._raw is not None:
                    raw = self._raw
                    self._tell(lambda: raw.compacted(first_index))
        except (SnapshotOutOfDate, Compacted):
            # The leader's was newer.
            pass
        finally:
            self._writing_snapshot = False

    def _on_snapshot(self, index: int) -> None:
        """The leader's snapshot counts as the last one."""
        self._snapshot_index = max(self._snapshot_index, index)
        self._unsnapped_entries = self._unsnapped_bytes = 0
        self._snapshot_wanted = False

    # ---------------------------------------------------------------- tools

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(self._threads, function, *arguments)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside the Ready loop. What it can't handle stops the node."""
        task = asyncio.create_task(work)
        self._background.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._background.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fail(error)

        task.add_done_callback(done)


def _set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    """Fails a future, whether or not anybody waits for it."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def _read_dropped(message: str, reason: DropReason) -> ReadDropped:
    error = ReadDropped(message)
    error.reason = reason
    return error


async def _settled(result: Any) -> Any:
    """What a machine returned, awaited if it is to be."""
    return await result if inspect.isawaitable(result) else result
