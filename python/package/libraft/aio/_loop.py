"""The Ready loop: persist, send, apply, answer what the core asks for, advance. And the ticks.

One task does all of it; only what waits for a disk runs in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import Any, Final

from .. import _libraft
from .._errors import (
    Compacted,
    ConfChangeError,
    MalformedMessage,
    Poisoned,
    ProposalDropped,
    ReadDropped,
    SnapshotOutOfDate,
    Unavailable,
    WrongAnswer,
)
from .._libraft import Entry, RawNode, Ready
from .._observe import log_events
from .._types import (
    ConfChangeType,
    DropKind,
    DroppedRequest,
    DropReason,
    EntryType,
    MessageType,
    ReadFailure,
    ReadRequest,
    SnapshotRequest,
    SoftState,
)
from ._base import Base, Batch, set_exception, settled
from ._interfaces import HEADER_BYTES, OutcomeUnknown, Rejected

_READ_RETRY_TICKS: Final = 4
_APPLY_SLICE_S: Final = 0.005
# Why a leader refuses a membership change.
_REFUSALS: Final = (DropReason.CONF_CHANGE_PENDING, DropReason.ALREADY_JOINT, DropReason.NOT_JOINT)


class Loop(Base):
    """A driver that works, once `_run` and `_tick` are tasks."""

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
                self._give_up_old()
        except Exception as error:
            # A node without time would be a member that never notices anything.
            self._fail(error)

    def _give_up_old(self) -> None:
        """Proposals that wait for longer than they may. The oldest is the first in the dictionary."""
        if self._proposal_timeout_ticks is None:
            return
        for header, proposal in list(self._waiting.items()):
            if self._ticks - proposal.tick <= self._proposal_timeout_ticks:
                return
            del self._waiting[header]
            set_exception(proposal.outcome, OutcomeUnknown("nothing was heard of it in time"))

    # ---------------------------------------------------------------- reads

    def _ask_next_batch(self, raw: RawNode) -> None:
        if self._next_batch is not None:
            batch, self._next_batch = self._next_batch, None
            self._ask(raw, batch)

    def _ask(self, raw: RawNode, batch: Batch) -> None:
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
            self._send(appends)
        await self._save(ready)
        others = [message for message in ready.messages if message.type != MessageType.APP]
        if others:
            self._send(others)
        if ready.snapshot is not None:
            await self._restore(raw, ready)
        await self._apply_all(raw, ready)
        for dropped in ready.dropped:
            self._on_dropped(dropped)
        if events := ready.events:
            if self._on_events is not None:
                self._on_events(events)
            else:
                log_events(events, node=raw.id)
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
        if self._followers:
            for follower in self._followers:
                if not follower.done():
                    follower.set_result(None)
            self._followers.clear()
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
            await settled(self._machine.restore(index, data))
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
            result = self._machine.apply(entry.index, data[HEADER_BYTES:])
            # As `settled`, without a coroutine for each entry.
            if result is not None and inspect.isawaitable(result):
                result = await result
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
                result = await settled(self._machine.apply_conf_change(entry, asked))
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
            set_exception(proposal.outcome, error)
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
                    set_exception(proposal.outcome, OutcomeUnknown("the leader changed"))
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
        self, index: int, state: bytes | Callable[[], bytes | None], conf_state: bytes, keep: int
    ) -> None:
        try:
            data = await self._in_thread(state) if callable(state) else state
            if data is None:
                return
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


def _read_dropped(message: str, reason: DropReason) -> ReadDropped:
    error = ReadDropped(message)
    error.reason = reason
    return error
