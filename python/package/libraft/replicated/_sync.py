"""The same for programs without asyncio: an event loop in a thread, and calls that wait.

Replicated methods still run in that loop alone. Objects are used through `SyncCluster.blocking`; their
attributes and `local` views belong to the loop's thread, and are read by `blocking(obj).local`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from types import TracebackType
from typing import Any, Self, TypeVar

from ._cluster import Cluster
from ._lock import Lease
from ._objects import LocalView, Replicated, own_copy

T = TypeVar("T")


class SyncCluster:
    """A `Cluster` for ordinary threads, any number of them.

        counter = ReplicatedCounter()
        with SyncCluster("10.0.0.1:4000", ["10.0.0.2:4000"], objects=[counter], data="counter") as cluster:
            cluster.blocking(counter).add(2)

    Everything that waits takes `timeout`, in seconds, and raises TimeoutError; then the outcome is
    unknown. The default is `timeout_s`; None waits for ever.
    """

    def __init__(
        self, address: str, peers: Sequence[str] = (), *, timeout_s: float | None = 30.0, **options: Any
    ) -> None:
        """As for `Cluster`. Starts at once; `close` it, or use it in a `with`."""
        self._timeout_s = timeout_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="libraft-replicated", daemon=True)
        self._thread.start()
        self._closed = False
        # Held while something is given to the loop: what comes to it after its end would never be done.
        self._giving = threading.Lock()
        # Held while it is closed, by one thread of several.
        self._closing = threading.Lock()
        try:
            self.cluster: Cluster = self.run(self._make(address, peers, options), timeout=None)
        except BaseException:
            self._end()
            raise

    async def _make(self, address: str, peers: Sequence[str], options: dict[str, Any]) -> Cluster:
        return await Cluster.start(address, peers, **options)

    def submit(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        /,
        *arguments: Any,
        callback: Callable[[concurrent.futures.Future[T]], object] | None = None,
        **named: Any,
    ) -> concurrent.futures.Future[T]:
        """Calls a replicated method, a query, or any function that gives a coroutine, and does not wait.

        `callback` is called with the future when it is done, in the loop's thread, which it must not
        keep. `Future.cancel` gives the call up, and calls it in the thread that cancels.
        """

        async def call() -> T:
            return await function(*arguments, **named)

        return self._give(call(), callback)

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float | None) -> T:
        """Runs a coroutine in the loop, and waits for it."""
        future = self._give(work)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def _give(
        self,
        work: Coroutine[Any, Any, T],
        callback: Callable[[concurrent.futures.Future[T]], object] | None = None,
    ) -> concurrent.futures.Future[T]:
        try:
            with self._giving:
                self._check()
                future = asyncio.run_coroutine_threadsafe(work, self._loop)
                if callback is not None:
                    # Over there, since a callback of what is done already is called by whoever adds it.
                    self._loop.call_soon_threadsafe(future.add_done_callback, callback)
                return future
        except BaseException:
            work.close()
            raise

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("the cluster has been closed")
        self._check_thread()

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("the loop's own thread must not wait for itself: use the asyncio methods")

    def blocking(self, instance: Replicated, *, timeout_s: float | None = None) -> Any:
        """The object with methods that wait: `blocking(obj).method(.., timeout=5)`."""
        return Blocking(self, instance, self._timeout_s if timeout_s is None else timeout_s)

    def _call(self, name: str, timeout: float | None, *arguments: Any) -> Any:
        return self.run(getattr(self.cluster, name)(*arguments), timeout=timeout)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Returns when there is a leader, and this member has what was acknowledged before."""
        self._call("wait_ready", self._timeout_s if timeout is None else timeout)

    def add_member(self, address: str, timeout: float | None = None) -> None:
        """See `Cluster.add_member`."""
        self._call("add_member", self._timeout_s if timeout is None else timeout, address)

    def remove_member(self, address: str, timeout: float | None = None) -> None:
        """See `Cluster.remove_member`."""
        self._call("remove_member", self._timeout_s if timeout is None else timeout, address)

    def look(self, function: Callable[[], T]) -> T:
        """Runs a function in the loop's thread: `cluster.look(lambda: cluster.cluster.leader)`."""

        async def call() -> T:
            return function()

        return self.run(call(), timeout=self._timeout_s)

    def close(self) -> None:
        """Stops. Whoever waits gets `libraft.aio.NodeStopped`. Again does nothing."""
        # A callback that waited for the loop's end would keep it from ending.
        self._check_thread()
        with self._closing:
            if not self._closed:
                try:
                    self.run(self.cluster.close(), timeout=None)
                finally:
                    self._end()

    def _end(self) -> None:
        with self._giving:
            self._closed = True

        async def rest() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(rest(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Blocking:
    """An object whose methods wait."""

    def __init__(self, owner: SyncCluster, instance: Replicated, timeout_s: float | None) -> None:
        self._owner = owner
        self._instance = instance
        self._timeout_s = timeout_s

    @property
    def local(self) -> Any:
        """What this member has now, as a copy."""
        view = self._instance.local
        return _BlockingLocal(self._owner, view) if isinstance(view, LocalView) else self._owner.look(self._plain)

    def _plain(self) -> Any:
        """A view of live state as something that stays as it is."""
        view = self._instance.local
        if isinstance(view, Mapping):
            return own_copy(dict(view))
        return own_copy(set(view) if isinstance(view, Set) else view)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Outside of the loop: the attribute of the class tells what it is.
        kind = inspect.getattr_static(type(self._instance), name)
        if not callable(kind) and not hasattr(kind, "__get__"):
            raise AttributeError(name)

        def call(*arguments: Any, timeout: float | None = self._timeout_s, **named: Any) -> Any:
            async def work() -> Any:
                result = getattr(self._instance, name)(*arguments, **named)
                return await result if inspect.isawaitable(result) else result

            result = self._owner.run(work(), timeout=timeout)
            return BlockingLease(self._owner, result, timeout) if isinstance(result, Lease) else result

        return call


class BlockingLease:
    """A `Lease` whose methods wait: of `blocking(lock).acquire(..)`, or of `hold(..)` for a `with`."""

    def __init__(self, owner: SyncCluster, lease: Lease, timeout_s: float | None) -> None:
        self._owner = owner
        self._lease = lease
        self._timeout_s = timeout_s

    @property
    def key(self) -> str:
        """Which lock it is."""
        return self._lease.key

    @property
    def token(self) -> int:
        """See `Lease.token`."""
        return self._lease.token

    @property
    def remaining_s(self) -> float:
        """How long the lock can be counted on, if it is not renewed; 0 if not at all."""
        return self._lease.remaining_s

    def check(self) -> None:
        """Raises LockLost if the lock can't be counted on any more."""
        self._lease.check()

    def release(self, timeout: float | None = None) -> None:
        """Lets go of it. Raises LockLost if it was lost before."""
        self._owner.run(self._lease.release(), timeout=self._timeout_s if timeout is None else timeout)

    def __enter__(self) -> Self:
        self._owner.run(self._lease.__aenter__(), timeout=self._timeout_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What went wrong inside matters more.
        with contextlib.nullcontext() if error is None else contextlib.suppress(TimeoutError, RuntimeError):
            self._owner.run(self._lease.__aexit__(kind, error, trace), timeout=self._timeout_s)


class _BlockingLocal:
    """The queries of an object on what this member has."""

    def __init__(self, owner: SyncCluster, view: LocalView) -> None:
        self._owner = owner
        self._view = view

    def __getattr__(self, name: str) -> Callable[..., Any]:
        query = getattr(self._view, name)
        return lambda *arguments, **named: self._owner.look(lambda: query(*arguments, **named))
