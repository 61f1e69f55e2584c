"""The driver as its host sees it: life, proposals, reads, reports.

The work is done in `_loop`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from .. import _libraft
from .._errors import RaftError
from .._libraft import RawNode
from .._types import ConfChangeType, ConfState, Metrics, Progress, SnapshotStatus, Status
from ._base import Batch, Proposal
from ._committed import committed
from ._interfaces import Committed, Installed
from ._loop import Loop


class Node(Loop):
    """A member of a Raft group, run by the event loop."""

    # ---------------------------------------------------------------- life

    async def start(self) -> None:
        """Restores the machine from the storage's snapshot and begins to take part."""
        if self._raw is not None or self._stopping:
            raise RuntimeError("a node can be started once: make another one on the same storage")
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
            if self._transport is not None:
                await self._transport.start(self)
        except BaseException:
            self._stopping = True
            self._stopped.set()
            if self._raw is not None:
                if self._transport is not None:
                    await self._transport.close()
                self._raw.close()
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

        In this order: nothing is taken any more and whoever waits gets NodeStopped; the Ready at
        hand is persisted, sent and applied; the transport is closed; a snapshot that is being
        written is finished; the core is freed. The storage is the caller's, who closes it after
        this. If this is cancelled, the machine is not waited for.
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
        # Otherwise it has not started, and has nothing that needs closing.
        if raw is not None and not raw.closed:
            if self._transport is not None:
                await self._transport.close()
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
            raise RuntimeError("the node has not been started: use `async with`, or await start()")
        return self._status

    def progress(self) -> tuple[Progress, ...]:
        """What the leader knows of each member, by ascending id; empty on other nodes, and once it is closed."""
        if self._raw is not None and not self._raw.closed and self._failure is None:
            return self._raw.progress()
        return ()

    @property
    def conf_state(self) -> ConfState | None:
        """The members as of the last change that was applied; None before the start."""
        return self._conf_state

    @property
    def raw(self) -> RawNode:
        """The node underneath, for what only looks: `metrics`, `status_json`, `libraft.prometheus_text`.

        Raises NodeStopped once this node has been closed or has failed.
        """
        return self._running()

    def metrics(self) -> Metrics:
        """What the node has done since it was started, in numbers. Raises NodeStopped."""
        return self._running().metrics()

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
            self._waiting[header] = Proposal(outcome, self.status().leader, self._ticks)
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
            self._next_batch = Batch()
            self._awake.set()
        batch = self._next_batch
        reader: asyncio.Future[int] = self._loop.create_future()
        batch.readers[reader] = None
        try:
            return await reader
        finally:
            batch.readers.pop(reader, None)

    def committed(self, after: int | None = None, *, max_bytes: int = 1 << 20) -> AsyncIterator[Committed | Installed]:
        """The entries that this node applies, beyond the index `after`; without one, from now on.

            async for item in node.committed(after=0): ...

        They are read from the storage, at most `max_bytes` of them at a time, when they are asked
        for: nothing is queued, and who is slow holds up neither the node nor others. What the log
        does not have any more comes as one `Installed`, the storage's snapshot in its place; so it
        is when a leader has sent a snapshot. After `close` the iteration ends, and raises NodeStopped
        if the node has failed. Leave it by `aclose`, or by a cancellation, whenever you like.
        A storage of your own needs entries with `index`, `term`, `type` and `data` for this.
        """
        self._running()
        return committed(self, self._applied if after is None else after, max_bytes)

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
