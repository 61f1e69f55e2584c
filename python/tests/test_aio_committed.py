"""The asyncio driver: iteration over committed entries, transports as objects, proposals that get old."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

import libraft
from libraft import MemoryStorage, Message
from libraft.aio import Committed, Installed, Node, NodeStopped, OutcomeUnknown, SnapshotPolicy
from test_aio import TICK_S, Network, cluster, fresh, in_a_loop, member, propose


async def take(node: Node, after: int, count: int) -> list[Committed | Installed]:
    items = []
    iterator = node.committed(after)
    async for item in iterator:
        items.append(item)
        if len(items) == count:
            break
    await iterator.aclose()  # type: ignore[attr-defined]
    return items


@in_a_loop
async def test_committed_entries_are_iterated_in_order_on_every_node() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        for number in range(20):
            await leader.propose(b"w%d" % number)
        for node in network.nodes.values():
            await node.read_index()
            items = await take(node, 0, 22)
            # The group begins with a snapshot of the entry 1, and each leader with an empty entry.
            assert isinstance(items[0], Installed) and items[0].index == 1
            assert [item.index for item in items] == list(range(1, 23))
            entries = [item for item in items if isinstance(item, Committed)]
            commands = [entry.command for entry in entries if entry.command is not None]
            assert commands[:20] == [b"w%d" % number for number in range(len(commands))][:20]


@in_a_loop
async def test_an_iterator_waits_for_what_comes_and_ends_with_the_node() -> None:
    async with cluster(fresh(1)) as network:
        node = await network.leader()
        seen: list[bytes | None] = []

        async def follow() -> None:
            async for item in node.committed():
                assert isinstance(item, Committed)
                seen.append(item.command)

        following = asyncio.create_task(follow())
        cancelled = asyncio.create_task(follow())
        await asyncio.sleep(0)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        assert len(node._followers) == 1
        await node.propose(b"a")
        await node.propose(b"b")
        await network.until(lambda: seen == [b"a", b"b"])
    await following
    assert not node._followers


@in_a_loop
async def test_what_the_log_has_no_more_comes_as_a_snapshot() -> None:
    async with cluster(fresh(1), snapshots=SnapshotPolicy(after_entries=20, keep_entries=5)) as network:
        node = await network.leader()
        storage = node._storage
        iterator = node.committed(0)
        assert isinstance(await anext(iterator), Installed)
        number = 0
        while storage.first_index() <= 40:
            await node.propose(b"w%d" % number)
            number += 1
        await network.until(lambda: not node._writing_snapshot)
        # The iterator had stopped far below, and nothing was kept for it.
        rest = [await anext(iterator)]
        while rest[-1].index < node.applied:
            rest.append(await anext(iterator))
        installed = [item for item in rest if isinstance(item, Installed)]
        assert len(installed) == 1 and b'"w30"' in installed[0].data
        place = rest.index(installed[0])
        assert [item.index for item in rest[place:]] == list(range(installed[0].index, node.applied + 1))
        await iterator.aclose()  # type: ignore[attr-defined]


@in_a_loop
async def test_an_iterator_raises_if_the_node_fails() -> None:
    network = Network()
    node = network.node(1, fresh(1)[0])
    await node.start()
    await network.leader()
    iterator = node.committed()
    waiting = asyncio.ensure_future(anext(iterator))
    await asyncio.sleep(0)
    with pytest.raises(NodeStopped):
        await node.propose(b"boom")
    with pytest.raises(NodeStopped, match="a defect"):
        await waiting
    await node.close()
    with pytest.raises(NodeStopped):
        node.committed()


@pytest.mark.parametrize("reads", [0, 1])
def test_an_iterator_between_two_reads_ends_with_the_node(reads: int) -> None:
    @in_a_loop
    async def end() -> None:
        network = Network()
        node = network.node(1, fresh(1)[0])
        await node.start()
        await network.leader()
        await node._reading.acquire()
        # What it reads first is not in the log, so that it reads the snapshot next.
        waiting = asyncio.ensure_future(anext(node.committed(0)))
        await asyncio.sleep(0)
        if reads:
            # The lock goes to who waits for the longest time: the iterator, then this.
            again = asyncio.ensure_future(node._reading.acquire())
            await asyncio.sleep(0)
            node._reading.release()
            await again
        assert not waiting.done()
        await node.close()
        node._reading.release()
        with pytest.raises(StopAsyncIteration):
            await waiting

    end()


@in_a_loop
async def test_without_a_machine_a_proposal_gives_its_index() -> None:
    storage = MemoryStorage()
    storage.bootstrap([1])
    async with Node(member(1), storage, tick_s=TICK_S) as node:
        await node.wait_leader()
        first = await node.propose(b"a")
        assert await node.propose(b"b") == first + 1
        items = await take(node, first - 1, 2)
        assert [item.command for item in items if isinstance(item, Committed)] == [b"a", b"b"]


class Wire:
    """A transport that hands over in the same loop."""

    def __init__(self, network: Network, fails: bool = False) -> None:
        self.network = network
        self.fails = fails
        self.calls: list[str] = []

    async def start(self, node: Node) -> None:
        self.calls.append("start")
        self.deliver = self.network.sender(node.id)
        if self.fails:
            raise OSError("the port is taken")

    def send(self, messages: Sequence[Message]) -> None:
        if self.calls[-1] != "send":
            self.calls.append("send")
        self.deliver(messages)

    async def close(self) -> None:
        self.calls.append("close")


@in_a_loop
async def test_a_transport_is_started_used_and_closed_by_its_node() -> None:
    network = Network()
    wires = [Wire(network) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for i, storage in enumerate(fresh(3), 1):
            await stack.enter_async_context(network.node(i, storage, send=None, transport=wires[i - 1]))
        await propose(await network.leader(), "a")
    assert [wire.calls for wire in wires] == [["start", "send", "close"]] * 3


@in_a_loop
async def test_a_transport_that_cannot_start_leaves_nothing_behind() -> None:
    network = Network()
    wire = Wire(network, fails=True)
    node = network.node(1, fresh(1)[0], send=None, transport=wire)
    with pytest.raises(OSError, match="taken"):
        await node.start()
    assert wire.calls == ["start", "close"]
    await node.close()
    assert wire.calls == ["start", "close"]
    with pytest.raises(ValueError, match="not to both"):
        network.node(1, MemoryStorage(), transport=wire)


@in_a_loop
async def test_a_proposal_that_gets_old_is_given_up() -> None:
    async with cluster(fresh(3), proposal_timeout_ticks=3) as network:
        leader = await network.leader()
        network.cut_off = set(network.nodes) - {leader.id}
        with pytest.raises(OutcomeUnknown):
            await leader.propose(b"x")
        assert leader.waiting == 0
        network.cut_off = set()
        await propose(await network.leader(), "y")


@in_a_loop
async def test_every_cancelled_call_leaves_nothing_behind() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        network.cut_off = set(network.nodes) - {leader.id}
        waits = [
            leader.propose(b"x"),
            leader.propose_conf_change(libraft.ConfChangeType.ADD_NODE, 9),
            leader.read_index(),
            leader.wait_stopped(),
            anext(leader.committed()),
        ]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(answer, asyncio.CancelledError)
            for answer in await asyncio.gather(*tasks, return_exceptions=True)
        )
        assert leader.waiting == 0 and not leader._followers and not leader._applying
        assert leader._next_batch is None or not leader._next_batch.readers
        network.cut_off = set()
        await propose(await network.leader(), "y")
