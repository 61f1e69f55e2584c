"""Replication between three Python nodes over loopback TCP: libraft beside PySyncObj.

    loopback.py libraft|pysyncobj WORKLOAD [--best] [--seconds S | --ops N]

All nodes are in this process and in one thread, logs in memory; whatever travels goes through a socket.
A batch is proposed, then the cluster runs until every node has applied it.

libraft: nodes of `libraft.aio`, by default; with --best, a loop around RawNode that proposes a batch in
one call. PySyncObj: three SyncObj with a @replicated method, by default as they come (appends leave each
100 ms); with --best, each append leaves at once (appendEntriesUseBatch=False). It tells followers of a
commit with its next append, which is sooner or later the next of those 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

import libraft
import libraft.aio

NODES = 3
COMPACT_EVERY, COMPACT_KEEP = 10_000, 100
HEADER = 4


class Connection(asyncio.Protocol):
    """Takes frames apart: four bytes of length, then a message."""

    def __init__(self, node: LibraftNode) -> None:
        self.node = node
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        place = 0
        while len(data) - place >= HEADER:
            end = place + HEADER + int.from_bytes(data[place : place + HEADER], "big")
            if end > len(data):
                break
            self.node.step(data[place + HEADER : end])
            place = end
        self.rest = data[place:]


class LibraftNode(libraft.aio.StateMachine):
    """A node, its storage, and the connections to the others."""

    def __init__(self, cluster: Libraft, node_id: int) -> None:
        self.cluster = cluster
        self.peers: dict[int, asyncio.WriteTransport] = {}
        self.commands: list[bytes] = []
        self.storage = libraft.MemoryStorage()
        self.storage.bootstrap(list(range(1, NODES + 1)))
        config = libraft.Config(id=node_id, pre_vote=False, check_quorum=False)
        self.raw: Any = None
        self.driver: Any = None
        self.scheduled = False
        self.compacted = 0
        if cluster.best:
            self.raw = libraft.RawNode(config, self.storage)
        else:
            policy = libraft.aio.SnapshotPolicy()
            self.driver = libraft.aio.Node(config, self.storage, self, send=self.send, snapshots=policy)

    def step(self, message: bytes) -> None:
        if self.driver is not None:
            self.driver.step(message)
        else:
            self.raw.step(message)
            self.wake()

    def send(self, messages: Sequence[Any]) -> None:
        for message in messages:
            encoded = message.encoded
            self.peers[message.to].write(len(encoded).to_bytes(HEADER, "big") + encoded)

    # What libraft.aio asks of a state machine.

    def apply(self, index: int, command: bytes) -> None:
        self.commands.append(command)
        self.cluster.notice()

    def apply_conf_change(self, entry: libraft.Entry, change: libraft.ConfChange) -> None:
        raise AssertionError("nobody changes the members")

    def snapshot(self) -> bytes:
        return b""

    def restore(self, index: int, data: bytes) -> None:
        """There is nothing in a snapshot."""

    # The loop around RawNode.

    def wake(self) -> None:
        """Once for all that has been read from the sockets."""
        if not self.scheduled:
            self.scheduled = True
            self.cluster.loop.call_soon(self.turn)

    def turn(self) -> None:
        self.scheduled = False
        while self.raw.has_ready():
            ready = self.raw.ready()
            self.storage.save(ready)
            self.send(ready.messages)
            for entry in ready.committed_entries:
                if data := entry.data:
                    self.commands.append(data)
            self.raw.advance()
        if self.storage.last_index() > self.compacted + COMPACT_EVERY + COMPACT_KEEP:
            self.compacted = self.raw.status().applied - COMPACT_KEEP
            self.storage.compact(self.compacted + 1)
        self.cluster.notice()


class Libraft:
    """Three nodes in this event loop."""

    def __init__(self, best: bool) -> None:
        self.best = best
        self.loop = asyncio.get_running_loop()
        self.nodes = [LibraftNode(self, node_id) for node_id in range(1, NODES + 1)]
        self.servers: list[asyncio.Server] = []
        self.wanted = 0
        self.reached = asyncio.Event()

    async def start(self) -> None:
        for node in self.nodes:
            server = await self.loop.create_server(lambda node=node: Connection(node), "127.0.0.1", 0)  # type: ignore[misc]
            self.servers.append(server)
        for node_id, node in enumerate(self.nodes, 1):
            for peer, server in enumerate(self.servers, 1):
                if peer != node_id:
                    port = server.sockets[0].getsockname()[1]
                    node.peers[peer], _ = await self.loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
            if node.driver is not None:
                await node.driver.start()
        first = self.nodes[0]
        (first.driver or first.raw).campaign()
        if first.driver is not None:
            await first.driver.wait_leader()
        else:
            first.wake()
            while first.raw.status().leader != 1:
                await asyncio.sleep(0.001)

    def notice(self) -> None:
        if all(len(node.commands) >= self.wanted for node in self.nodes):
            self.reached.set()

    async def replicate(self, commands: list[bytes]) -> None:
        first = self.nodes[0]
        self.wanted = len(first.commands) + len(commands)
        self.reached.clear()
        if first.driver is not None:
            await asyncio.gather(*(first.driver.propose(command) for command in commands))
        else:
            first.raw.propose_many(commands)
            first.wake()
        await self.reached.wait()

    def applied(self) -> list[list[bytes]]:
        return [node.commands for node in self.nodes]

    async def close(self) -> None:
        for node in self.nodes:
            if node.driver is not None:
                await node.driver.close()
        for node in self.nodes:
            for peer in node.peers.values():
                peer.close()
        for server in self.servers:
            server.close()


class PySyncObj:
    """Three SyncObj, whose loops this one turns."""

    def __init__(self, best: bool) -> None:
        from pysyncobj import SyncObj, SyncObjConf, replicated

        # What it says about connections that are being made.
        logging.disable(logging.CRITICAL)

        class Log(SyncObj):  # type: ignore[misc]
            def __init__(self, own: str, others: list[str]) -> None:
                settings = {"autoTick": False, "appendEntriesUseBatch": not best, "connectionRetryTime": 0.1}
                super().__init__(own, others, SyncObjConf(logCompactionMinEntries=COMPACT_EVERY, **settings))
                self.commands: list[bytes] = []

            @replicated  # type: ignore[untyped-decorator]
            def append(self, command: bytes) -> None:
                self.commands.append(command)

        addresses = [f"127.0.0.1:{port}" for port in free_ports(NODES)]
        self.nodes = [Log(own, [other for other in addresses if other != own]) for own in addresses]
        self.leader: Any = None

    def turn(self) -> None:
        for node in self.nodes:
            node.doTick(0)

    async def start(self) -> None:
        deadline = time.monotonic() + 60
        while self.leader is None or not all(node.isReady() for node in self.nodes):
            if time.monotonic() > deadline:
                raise AssertionError("nobody was elected within a minute")
            self.turn()
            self.leader = next((node for node in self.nodes if node._isLeader()), None)

    async def replicate(self, commands: list[bytes]) -> None:
        wanted = len(self.leader.commands) + len(commands)
        for command in commands:
            self.leader.append(command)
        while not all(len(node.commands) >= wanted for node in self.nodes):
            self.turn()

    def applied(self) -> list[list[bytes]]:
        return [node.commands for node in self.nodes]

    async def close(self) -> None:
        for node in self.nodes:
            node.destroy()
        self.turn()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody has."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


async def measure(args: argparse.Namespace, batch: int, size: int) -> dict[str, Any]:
    cluster: Libraft | PySyncObj = (Libraft if args.library == "libraft" else PySyncObj)(args.best)
    await cluster.start()
    filler = bytes(place % 256 for place in range(8, size))
    number = 0

    async def replicate() -> None:
        nonlocal number
        commands = [n.to_bytes(8, "little") + filler for n in range(number, number + batch)]
        number += batch
        await cluster.replicate(commands)

    # Until connections and buffers are what they will be.
    for _ in range(3):
        await replicate()
    before, begun = number, time.perf_counter_ns()
    while number == before or number - before < args.ops or time.perf_counter_ns() - begun < args.seconds * 1e9:
        await replicate()
    ns, ops = time.perf_counter_ns() - begun, number - before
    for commands in cluster.applied():
        if commands != [n.to_bytes(8, "little") + filler for n in range(number)]:
            raise AssertionError("not every node has applied every command, in order")
    await cluster.close()
    return {"ops": ops, "ns": ns}


def main() -> None:
    parser = argparse.ArgumentParser(description="replication between three Python nodes over loopback TCP")
    parser.add_argument("library", choices=("libraft", "pysyncobj"))
    parser.add_argument("workload")
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--ops", type=int, default=0)
    args = parser.parse_args()
    parts = re.fullmatch(r"rep3_b(\d+)_(\d+)(k?)", args.workload)
    if not parts:
        parser.error(f"no workload is called {args.workload}")
    size = int(parts[2]) * (1024 if parts[3] else 1)
    figures = asyncio.run(measure(args, int(parts[1]), size))
    mode = "Best" if args.best else "Default"
    result = {"library": f"{args.library}-loopback", "workload": args.workload, "mode": mode, **figures}
    print(json.dumps({**result, "allocations": 0, "allocated_bytes": 0, "node_bytes": 0}))


if __name__ == "__main__":
    main()
