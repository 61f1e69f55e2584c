"""`SyncCluster`: what threads do at the same time, and what its own thread must not do. One member, no network."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from libraft import Message
from libraft.aio import Node, NodeStopped
from libraft.replicated import LockLost, Replicated, ReplicatedCounter, ReplicatedLock, SyncCluster

LONG_S = 60.0
"""Nothing here takes so long."""


class Nobody:
    """A transport to nobody."""

    def set_peers(self, peers: Mapping[int, str]) -> None: ...

    async def start(self, node: Node) -> None: ...

    def send(self, messages: Sequence[Message]) -> None: ...

    async def close(self) -> None: ...


@contextlib.contextmanager
def alone(*objects: Replicated) -> Iterator[SyncCluster]:
    with SyncCluster("a:1", objects=objects, data=None, transport=Nobody(), tick_s=0.01, timeout_s=LONG_S) as cluster:
        cluster.wait_ready()
        yield cluster


def test_locks_are_held_by_threads() -> None:
    lock = ReplicatedLock()
    with alone(lock) as cluster:
        locks = cluster.blocking(lock)
        lease = locks.acquire("k", ttl_s=LONG_S)
        lease.check()
        assert lease.key == "k" and lease.token > 0 and 0 < lease.remaining_s <= LONG_S
        assert locks.acquire("k", wait=False) is None
        lease.release()
        assert lease.remaining_s == 0
        for gone in (lease.check, lease.release):
            with pytest.raises(LockLost):
                gone()
        with locks.hold("k", ttl_s=LONG_S) as held:
            held.check()
            assert held.token > lease.token and locks.held() == ["k"]
        assert locks.held() == [] and not held.remaining_s
        with pytest.raises(ZeroDivisionError), locks.hold("k") as held:
            locks.break_lock("k")
            raise ZeroDivisionError
        held = locks.acquire("k", ttl_s=LONG_S)
    # The end of the cluster is the end of the lease.
    assert not held.remaining_s
    with pytest.raises(RuntimeError, match="closed"):
        held.release()


def test_a_callback_that_closes_is_refused_and_the_member_goes_on() -> None:
    counter = ReplicatedCounter()
    with alone(counter) as cluster:
        raised: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def callback(_: Any) -> None:
            try:
                cluster.close()
            except RuntimeError as error:
                raised.set_result(str(error))

        cluster.submit(counter.add, 1, callback=callback)
        assert "must not wait for itself" in raised.result(LONG_S)
        assert cluster.blocking(counter).add(1) == 2


def test_whatever_was_submitted_is_done_when_it_is_closed() -> None:
    counter = ReplicatedCounter()
    submitted: list[concurrent.futures.Future[Any]] = []
    with alone(counter) as cluster:

        def submit() -> None:
            with contextlib.suppress(RuntimeError):
                for _ in range(10_000):
                    submitted.append(cluster.submit(counter.add, 1))

        threads = [threading.Thread(target=submit) for _ in range(2)]
        threads += [threading.Thread(target=cluster.close) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG_S)
            assert not thread.is_alive()
    for future in submitted:
        with contextlib.suppress(NodeStopped, RuntimeError, concurrent.futures.CancelledError):
            future.result(LONG_S)
