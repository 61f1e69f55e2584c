"""Time for many nodes at once, nodes that are left alone, and batches of messages."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import libraft
from libraft import RawNode, Role, tick_all
from raw_cluster import Cluster

Make = Callable[..., Cluster]


def lonely(count: int) -> list[RawNode]:
    """Followers of groups of three that hear from nobody, each with another seed."""
    nodes = []
    for seed in range(1, count + 1):
        storage = libraft.MemoryStorage()
        storage.bootstrap([1, 2, 3])
        node = RawNode(libraft.Config(id=1, seed=seed), storage)
        while node.has_ready():
            storage.save(node.ready())
            node.advance()
        nodes.append(node)
    return nodes


def test_ticking_all_is_ticking_each() -> None:
    single, together = lonely(30), lonely(30)
    for ticks in (1, 9, 0, 5, 1, 40):
        for node in single:
            for _ in range(ticks):
                node.tick()
        ticked = tick_all(together, ticks)
        assert ticked.ready == [place for place, node in enumerate(single) if node.has_ready()]
        assert ticked.failed == ()
        assert [node.status_encoded() for node in single] == [node.status_encoded() for node in together]
    assert tick_all([]) == ([], ())
    quiet = lonely(1)
    assert tick_all(tuple(quiet)) == ([], ())
    assert tick_all(quiet * 20).ready[-1] == 19, "twenty places, twenty ticks"


def test_nothing_happens_before_the_deadline() -> None:
    for node in lonely(10):
        deadline = node.next_deadline()
        assert deadline is not None and 10 <= deadline <= 20
        node.tick_many(deadline - 1)
        assert not node.has_ready()
        assert node.next_deadline() == 1
        node.tick_many(1)
        assert node.has_ready()
    assert RawNode(libraft.Config(id=1), libraft.MemoryStorage()).next_deadline() is None


def test_closed_nodes_are_passed_over() -> None:
    nodes = lonely(3)
    nodes[1].close()
    ticked = tick_all(nodes, 20)
    assert ticked.ready == [0, 2]
    ((place, error),) = ticked.failed
    assert place == 1 and isinstance(error, libraft.ClosedError)
    with pytest.raises(libraft.ClosedError):
        nodes[1].next_deadline()
    with pytest.raises(libraft.ClosedError):
        nodes[1].tick_many(1)


def test_what_is_no_list_of_nodes_ticks_nobody() -> None:
    nodes = lonely(2)
    before = [node.status_encoded() for node in nodes]
    for bad in ([*nodes, None], [nodes[0], 7], 7, None):
        with pytest.raises(TypeError):
            tick_all(bad)  # type: ignore[arg-type]
    for ticks in (-1, 2**32):
        with pytest.raises(OverflowError):
            tick_all(nodes, ticks)
        with pytest.raises(OverflowError):
            nodes[0].tick_many(ticks)
    assert [node.status_encoded() for node in nodes] == before


def test_other_threads_run_while_very_many_are_ticked() -> None:
    nodes = lonely(100)
    many = nodes * 101
    busy: list[int] = []

    def work() -> None:
        for _ in range(30):
            failed = tick_all(many, 1).failed
            assert all(isinstance(error, libraft.MisuseError) for _, error in failed)
            busy.append(len(failed))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(busy) == 60
    assert sum(node.metrics().ticks for node in nodes) == 60 * len(many) - sum(busy)


def test_messages_may_come_in_a_list(make: Make) -> None:
    cluster = make(3)
    leader = next(member for member in cluster.members.values() if member.node.status().role == Role.LEADER)
    node = leader.node
    node.propose_many([b"one", bytearray(b"two"), memoryview(b"three")])
    ready = node.ready()
    leader.storage.save(ready)
    to = next(message.to for message in ready.messages)
    follower = cluster.members[to].node
    messages = [message.encoded_view for message in ready.messages if message.to == to]
    follower.step_many(messages)
    follower.step_many([])
    assert follower.status().last_index == node.status().last_index
    before = follower.status_encoded()
    with pytest.raises(libraft.MalformedMessage):
        follower.step_many([*messages, b"\xff"])
    with pytest.raises(TypeError):
        follower.step_many([*messages, 7])  # type: ignore[list-item]
    assert follower.status_encoded() == before
    node.advance()
