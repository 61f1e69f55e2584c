"""What every part of the driver stands on: its state, who waits for what, and how it fails.

Whoever waits is told in the end: by an outcome, or by `_give_up`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import secrets
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .. import _libraft
from .._errors import Poisoned, RaftError
from .._libraft import Message, RawNode
from .._types import Config, ConfState, Event, Status
from ._interfaces import NodeStopped, NoMachine, SnapshotPolicy, StateMachine, Storage, Transport

T = TypeVar("T")


class Batch:
    """Reads that go out together under one context, and under a new one if that gets lost."""

    def __init__(self) -> None:
        # In the order in which they came.
        self.readers: dict[asyncio.Future[int], None] = {}
        self.asked_at_tick = 0

    def serve(self, index: int) -> None:
        for reader in self.readers:
            if not reader.done():
                reader.set_result(index)

    def fail(self, error: Callable[[], RaftError]) -> None:
        for reader in self.readers:
            set_exception(reader, error())


class Proposal:
    """A proposal that waits for its outcome, and the leader that it was handed to."""

    def __init__(self, outcome: asyncio.Future[Any], leader: int, tick: int) -> None:
        self.outcome = outcome
        self.leader = leader
        self.tick = tick


class Base:
    """The state of a driver."""

    # Both from `start` on.
    _loop: asyncio.AbstractEventLoop
    _threads: ThreadPoolExecutor

    def __init__(
        self,
        config: Config,
        storage: _libraft.Storage | Storage,
        machine: StateMachine | None = None,
        *,
        send: Callable[[Sequence[Message]], None] | None = None,
        transport: Transport | None = None,
        tick_s: float = 0.1,
        snapshots: SnapshotPolicy | None = None,
        proposal_timeout_ticks: int | None = None,
        on_events: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        """Nothing happens before `start`, or `async with`.

        Messages go to `transport`, which the node starts and closes, or to the function `send`, which
        takes them over, in order, and returns at once; with neither, nobody hears of this node. The
        storage stays the caller's, to be closed after the node. Without a machine there are only
        the entries of `committed`, and `propose` gives the index of its own. A proposal that has
        waited for `proposal_timeout_ticks` raises OutcomeUnknown; None lets it wait for ever. If
        `config.applied` is set, the machine keeps its state by itself and is not given the
        storage's snapshot at the start. `on_events` is told what has happened, the oldest first; it
        returns at once, and raises nothing. None logs it, by `libraft.log_events`.
        """
        if tick_s <= 0:
            raise ValueError(f"tick_s must be positive, and is {tick_s!r}: 0.1 is usual")
        if send is not None and transport is not None:
            raise ValueError("messages go to `send` or to a transport, not to both")
        self._config = dataclasses.replace(config, show_requests=True)
        self._storage: Any = storage
        self._machine = machine if machine is not None else NoMachine()
        self._transport = transport
        self._send = send or (transport.send if transport is not None else _to_nobody)
        self._tick_s = tick_s
        self._policy = snapshots or SnapshotPolicy()
        self._proposal_timeout_ticks = proposal_timeout_ticks
        self._on_events = on_events

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
        self._waiting: dict[bytes, Proposal] = {}
        self._next_batch: Batch | None = None
        self._asked: dict[bytes, Batch] = {}
        self._confirmed: list[tuple[int, Batch]] = []
        self._applying: list[tuple[int, asyncio.Future[None]]] = []
        # Iterators that wait for something to be applied, or for the end.
        self._followers: dict[asyncio.Future[None], None] = {}

        self._applied = 0
        self._conf_state: ConfState | None = None
        self._snapshot_index = 0
        self._unsnapped_entries = 0
        self._unsnapped_bytes = 0
        self._snapshot_wanted = False
        self._writing_snapshot = False
        self._reading = asyncio.Lock()

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
            set_exception(proposal.outcome, self._stop_error())
        self._waiting.clear()
        for _, reached in self._applying:
            set_exception(reached, self._stop_error())
        self._applying.clear()
        for follower in self._followers:
            if not follower.done():
                follower.set_result(None)
        self._followers.clear()
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
            raise RuntimeError("the node has not been started: use `async with`, or await start()")
        return self._raw

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
        return self._config.id.to_bytes(8, "big") + self._sequence.to_bytes(8, "big")

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


def _to_nobody(messages: Sequence[Message]) -> None:
    """For a node that is alone."""


def set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    """Fails a future, whether or not anybody waits for it."""
    if not future.done():
        future.set_exception(error)
        future.exception()


async def settled(result: Any) -> Any:
    """What a machine returned, awaited if it is to be."""
    return await result if inspect.isawaitable(result) else result
