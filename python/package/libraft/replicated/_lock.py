"""Locks with leases: held by whoever has renewed them in time, by a clock that is part of the log.

**Nobody else has a lock while its holder counts on it.** The holder reads its own clock before it asks,
and counts on the lock for `ttl` from then. The lease begins later: with the first move of the replicated
clock after the grant in the log. The next moves are measured by members that have applied that one, and
the replicated clock never goes faster than theirs, so that the lease ends `ttl` after that at the
earliest. Members' clocks may differ in speed by `DRIFT`; what time they show does not matter.

A holder that is held up may still act after its lease has ended, as it can't know yet: whatever must
not be done twice is done with the lease's `token`, which grows with each grant, so that what is
guarded can refuse the older one.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Final, Self

from .._errors import RaftError
from ._machine import ReplicatedError
from ._objects import Replicated, query, replicated

DRIFT: Final = 0.01
"""By so much the clocks of two members may differ in speed."""

_TRIES: Final = 3
"""So often a lease is begun anew that was over when its holder heard of it."""


class LockLost(ReplicatedError):
    """The lock could not be renewed in time, or somebody took it away: another may have it by now."""


class ReplicatedLock(Replicated):
    """Any number of locks, told apart by a key; an application with one lock needs none.

    async with jobs.hold("nightly", ttl_s=10) as lease:
        ...                             # lease.token, lease.check(), lease.lost
    """

    state_is_a_copy = True

    def __init__(self, name: str | None = None, *, since: int = 1) -> None:
        super().__init__(name, since=since)
        # By key: the token, the length of the lease, and its end once that is known.
        self._leases: dict[str, tuple[int, int, int | None]] = {}

    def get_state(self) -> Any:
        return dict(self._leases)

    def set_state(self, state: Any) -> None:
        self._leases = state

    def wants_clock(self) -> bool:
        return bool(self._leases)

    def on_clock(self, now_ms: int) -> bool:
        ended = []
        for key, (token, ttl_ms, end_ms) in self._leases.items():
            if end_ms is None:
                self._leases[key] = (token, ttl_ms, now_ms + ttl_ms)
            elif end_ms <= now_ms:
                ended.append(key)
        for key in ended:
            del self._leases[key]
        return bool(ended)

    # ---------------------------------------------------------------- commands

    @replicated
    def try_acquire(self, key: str, ttl_ms: int) -> int | None:
        """Takes the lock if it is free. Gives its token, which is above every earlier one, or None."""
        if type(ttl_ms) is not int or ttl_ms < 1:
            raise ValueError("the length of a lease is a positive number of milliseconds")
        if key in self._leases:
            return None
        self._leases[key] = (self.log_index, ttl_ms, None)
        return self.log_index

    @replicated
    def renew(self, key: str, token: int) -> bool:
        """Lets the lease begin anew, if it is still this one. Says whether."""
        lease = self._leases.get(key)
        if lease is None or lease[0] != token:
            return False
        self._leases[key] = (token, lease[1], None)
        return True

    @replicated
    def release(self, key: str, token: int) -> bool:
        """Lets go of the lock, if the lease is still this one. Says whether."""
        lease = self._leases.get(key)
        if lease is None or lease[0] != token:
            return False
        del self._leases[key]
        return True

    @replicated
    def break_lock(self, key: str) -> bool:
        """Takes the lock from whoever has it, who may not know for a while: for operators."""
        return self._leases.pop(key, None) is not None

    @query
    def token(self, key: str = "") -> int | None:
        """The token of the lease that there is."""
        lease = self._leases.get(key)
        return lease[0] if lease else None

    @query
    def held(self) -> list[str]:
        """The keys that somebody has."""
        return list(self._leases)

    # ---------------------------------------------------------------- holding

    def hold(self, key: str = "", *, ttl_s: float = 10.0) -> Lease:
        """For `async with`: waits for the lock, and renews it in the background until the end of the block.

        If it is lost meanwhile, `Lease.lost` is set, and the block's end raises LockLost. So does its
        beginning if commands take longer than `ttl_s`. For one block: the next one calls this again.
        """
        return Lease(self, key, ttl_s)

    async def acquire(self, key: str = "", *, ttl_s: float = 10.0, wait: bool = True) -> Lease | None:
        """The same without a block: the lease is to be released. None if somebody has it and `wait` is false."""
        lease = Lease(self, key, ttl_s)
        return lease if await lease._acquire(wait) else None


class Lease:
    """A lock that is held, or was. For one time: whoever wants the lock again asks for another one."""

    def __init__(self, lock: ReplicatedLock, key: str, ttl_s: float) -> None:
        if ttl_s <= 0:
            raise ValueError("ttl_s must be positive")
        self._lock = lock
        self._ttl_s = ttl_s
        self._end_s = 0.0
        # Whose time counts, so that any thread can ask. None before it is used.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.key = key
        self.token = 0
        """Above the token of every earlier lease of this key. For whatever must refuse an older holder."""
        self.lost = asyncio.Event()
        """Set when the lock may be somebody else's."""

    @property
    def remaining_s(self) -> float:
        """How long the lock can be counted on, if it is not renewed; 0 if not at all. From any thread."""
        if self.lost.is_set() or not self.token or self._loop is None:
            return 0.0
        return max(0.0, self._end_s - self._loop.time())

    def check(self) -> None:
        """Raises LockLost if the lock can't be counted on any more. From any thread."""
        if not self.remaining_s:
            raise LockLost(f"the lock {self.key!r} is not held")

    async def _acquire(self, wait: bool) -> bool:
        if self._loop is not None:
            # It has been lost or released, and whoever still has it must not count on it again.
            raise RuntimeError("a lease is used once: hold() gives another one")
        loop = self._loop = asyncio.get_running_loop()
        lock, ttl_ms = self._lock, max(1, int(self._ttl_s * 1000))
        late = 0
        while True:
            if not wait or self.key not in lock._leases:
                asked_s = loop.time()
                asking = asyncio.ensure_future(lock.try_acquire(self.key, ttl_ms))
                try:
                    token = await asyncio.shield(asking)
                except asyncio.CancelledError:
                    # It may be granted yet; nobody would give it back before its lease ends.
                    asking.add_done_callback(self._give_back_later)
                    raise
                if token is not None:
                    try:
                        if await self._begin(loop, token, asked_s):
                            return True
                    except BaseException:
                        self.lost.set()
                        self._give_back(token)
                        raise
                    late += 1
                    if late == _TRIES:
                        raise self._too_slow()
            if not wait:
                return False
            if self.key in lock._leases:
                await lock.changed()

    async def _begin(self, loop: asyncio.AbstractEventLoop, token: int, asked_s: float) -> bool:
        """Whether the lock can be counted on: its grant may have taken longer than the lease."""
        self.token = token
        self._count_from(asked_s)
        tries = 0
        while not self.remaining_s:
            if tries == _TRIES:
                raise self._too_slow()
            tries += 1
            asked_s = loop.time()
            if not await self._lock.renew(self.key, token):
                self.token = 0
                return False
            self._count_from(asked_s)
        self._renewing = asyncio.create_task(self._renew(loop))
        return True

    def _too_slow(self) -> LockLost:
        return LockLost(f"commands take longer than the {self._ttl_s} s of the lock {self.key!r}")

    def _give_back_later(self, asking: asyncio.Future[int | None]) -> None:
        if not asking.cancelled() and asking.exception() is None and (token := asking.result()) is not None:
            self._give_back(token)

    def _give_back(self, token: int) -> None:
        """In the background, for somebody who does not wait any more."""
        with contextlib.suppress(RuntimeError):
            self._release(token)

    def _release(self, token: int) -> asyncio.Future[bool]:
        releasing = asyncio.ensure_future(self._lock.release(self.key, token))
        # Whoever was to hear of it may have been cancelled.
        releasing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return releasing

    def _count_from(self, asked_s: float) -> None:
        self._end_s = asked_s + self._ttl_s * (1 - DRIFT)

    async def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                await asyncio.sleep(min(self._ttl_s / 3, max(0.0, self._end_s - loop.time())))
                asked_s = loop.time()
                async with asyncio.timeout_at(self._end_s):
                    if not await self._lock.renew(self.key, self.token):
                        return
                self._count_from(asked_s)
        except (TimeoutError, RaftError, ReplicatedError, RuntimeError):
            # Nobody answers in time, or this member has stopped.
            pass
        finally:
            self.lost.set()

    async def release(self) -> None:
        """Lets go of it, even if this is cancelled. Raises LockLost if it was lost before."""
        was_lost = self.lost.is_set() or not self.token
        # From now on nobody counts on it, whatever comes of this.
        self.lost.set()
        tasks: list[asyncio.Future[Any]] = []
        if self._renewing is not None:
            self._renewing.cancel()
            tasks.append(self._renewing)
            self._renewing = None
        releasing = None
        if not was_lost:
            releasing = self._release(self.token)
            tasks.append(releasing)
        if tasks:
            # These go on if this is cancelled.
            await asyncio.wait(tasks)
        if releasing is None or not releasing.result():
            raise LockLost(f"the lock {self.key!r} was lost")

    async def __aenter__(self) -> Self:
        await self._acquire(True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.release()
        else:
            # What went wrong inside matters more.
            with contextlib.suppress(ReplicatedError, RaftError, RuntimeError):
                await self.release()
