"""An event loop whose time is made up, and a network between members of which every fault has a seed.

Nothing here waits: when there is nothing to do, time goes on to the next thing that will happen. What runs in
threads elsewhere runs at once, so that the same seed gives the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import libraft
from libraft import MemoryStorage, Message, MessageType, SnapshotStatus
from libraft.aio import Node, NodeStopped, SnapshotPolicy
from libraft.replicated import Cluster, Replicated

TICK_S = 0.1
GIVE_UP_S = 3600.0
"""Of made-up time: a test that has not ended by then never would."""


class _NoWait(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("everybody waits, and nothing will happen")
            self.loop.now += max(timeout, 0)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when nothing else is left to do."""

    def __init__(self) -> None:
        selector = _NoWait()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs in a loop of its own; what the loop complains about, and tasks that are left, fail."""
    complaints: list[dict[str, Any]] = []

    async def whole() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(GIVE_UP_S):
            result = await main
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"tasks are left over: {others}"
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(whole())
    assert complaints == []
    return result


class Wire:
    """One member's end of the network."""

    def __init__(self, network: Network, address: str) -> None:
        self.network = network
        self.address = address
        self.node: Node | None = None

    def set_peers(self, peers: Mapping[int, str]) -> None:
        self.peers = dict(peers)

    async def start(self, node: Node) -> None:
        self.node = node
        self.network.wires[self.address] = self

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.network.send(self, self.peers.get(message.to, ""), message)

    async def close(self) -> None:
        self.node = None


class Network:
    """Members by address. Messages may be lost, doubled, late, and out of order."""

    def __init__(self, seed: int = 0, objects: Callable[[], Sequence[Replicated]] = list, **options: Any) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.make_objects = objects
        self.options = options
        self.wires: dict[str, Wire] = {}
        self.storages: dict[str, MemoryStorage] = {}
        self.members: dict[str, Cluster] = {}
        self.objects: dict[str, Sequence[Any]] = {}
        self.cut: set[frozenset[str]] = set()
        self.loss = self.doubling = 0.0
        self.first: list[str] = []

    def send(self, sender: Wire, to: str, message: Message) -> None:
        loop = asyncio.get_running_loop()
        copies = 0 if self.random.random() < self.loss else 1 + (self.random.random() < self.doubling)
        for _ in range(copies):
            loop.call_later(self.random.uniform(0.001, 0.03), self._deliver, sender, to, message)
        if not copies:
            loop.call_soon(self._lost, sender, message)

    def _lost(self, sender: Wire, message: Message) -> None:
        if sender.node is not None and message.type == MessageType.SNAP:
            sender.node.report_snapshot(message.to, SnapshotStatus.FAILURE)

    def _deliver(self, sender: Wire, to: str, message: Message) -> None:
        wire = self.wires.get(to)
        if wire is None or wire.node is None or frozenset((sender.address, to)) in self.cut:
            self._lost(sender, message)
            return
        with contextlib.suppress(libraft.Dropped, libraft.UnknownPeer, NodeStopped):
            wire.node.step(message.encoded)
        if sender.node is not None and message.type == MessageType.SNAP:
            sender.node.report_snapshot(message.to, SnapshotStatus.FINISH)

    def isolate(self, *addresses: str) -> None:
        """Cuts these off from the others, and heals everything else."""
        others = set(self.storages) - set(addresses)
        self.cut = {frozenset((one, other)) for one in addresses for other in others}

    async def start(self, address: str, **options: Any) -> Cluster:
        """Starts a member, or starts it again on what it has stored."""
        storage = self.storages.setdefault(address, MemoryStorage())
        objects = self.make_objects()
        given: dict[str, Any] = {
            "objects": objects,
            "data": None,
            "storage": storage,
            "transport": Wire(self, address),
            "tick_s": TICK_S,
            "snapshots": SnapshotPolicy(after_entries=40, keep_entries=10),
            "settings": {"seed": self.seed * 100 + len(self.storages)},
            **self.options,
            **options,
        }
        peers = [other for other in self.first if other != address]
        self.members[address] = await Cluster.start(address, peers, **given)
        self.objects[address] = objects
        return self.members[address]

    async def start_all(self, count: int = 3) -> list[Cluster]:
        """Starts the first members, and waits until they can be used."""
        self.first = [f"member:{number}" for number in range(1, count + 1)]
        clusters = [await self.start(address) for address in self.first]
        await asyncio.gather(*(cluster.wait_ready() for cluster in clusters))
        return clusters

    async def stop(self, address: str) -> None:
        await self.members.pop(address).close()

    async def leader(self) -> Cluster:
        """Waits for a leader that is not cut off."""
        while True:
            leading = [cluster for cluster in self.members.values() if cluster.is_leader]
            if leading:
                return max(leading, key=lambda cluster: cluster.status().term)
            await asyncio.sleep(TICK_S)

    async def settle(self) -> None:
        """Heals the network, and waits until all members have applied the same."""
        self.cut, self.loss, self.doubling = set(), 0.0, 0.0
        while True:
            await asyncio.gather(*(cluster.barrier() for cluster in self.members.values()))
            if len({cluster.node.applied for cluster in self.members.values()}) == 1:
                return
            await asyncio.sleep(TICK_S)

    async def close(self) -> None:
        for address in list(self.members):
            await self.stop(address)
        for storage in self.storages.values():
            storage.close()


def play(
    scenario: Callable[[Network], Coroutine[Any, Any, Any]],
    seed: int = 0,
    objects: Callable[[], Sequence[Replicated]] = list,
    **options: Any,
) -> Any:
    """Runs a scenario on a network, and closes it."""

    async def main() -> Any:
        network = Network(seed, objects, **options)
        try:
            return await scenario(network)
        finally:
            await network.close()

    return run(main())
