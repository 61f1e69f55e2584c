"""Replication between three Python nodes over loopback TCP: libraft beside PySyncObj.

    loopback.py libraft|pysyncobj WORKLOAD [--best] [--seconds S | --ops N]

All nodes are in this process and in one thread, logs in memory; whatever travels goes through a socket.
A batch is proposed, then the cluster runs until every node has applied it.

libraft: three `Cluster` with a @replicated method, which has no faster setting: --best changes nothing.
PySyncObj: three SyncObj with a @replicated method, by default as they come (appends leave each
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
from collections.abc import Callable
from typing import Any

from libraft.aio import TcpTransport
from libraft.replicated import Cluster, Replicated, SnapshotPolicy, replicated

NODES = 3
COMPACT_EVERY, COMPACT_KEEP = 10_000, 100


class Log(Replicated):
    """What was appended, and a word to whoever waits for it here."""

    def __init__(self, notice: Callable[[], None]) -> None:
        super().__init__()
        self._commands: list[bytes] = []
        self._notice = notice

    @replicated
    def append(self, command: bytes) -> None:
        self._commands.append(command)
        self._notice()

    def get_state(self) -> None:
        """Nothing: as with the other library, snapshots are there to be made, and cost no more than that."""

    def set_state(self, state: Any) -> None:
        """There is nothing in a snapshot."""


class Libraft:
    """Three members in this event loop."""

    def __init__(self, best: bool) -> None:
        self.logs = [Log(self.notice) for _ in range(NODES)]
        self.members: list[Cluster] = []
        self.leader = self.logs[0]
        self.wanted = 0
        self.reached = asyncio.Event()

    async def start(self) -> None:
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(NODES)]
        addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
        for listener, address, log in zip(listeners, addresses, self.logs, strict=True):
            transport = TcpTransport(listener, cluster="bench")
            settings: dict[str, Any] = {"transport": transport, "name": "bench", "data": None}
            settings["snapshots"] = SnapshotPolicy(after_entries=COMPACT_EVERY, keep_entries=COMPACT_KEEP)
            peers = [other for other in addresses if other != address]
            self.members.append(await Cluster.start(address, peers, objects=[log], **settings))
        self.members[0].node.campaign()
        for member in self.members:
            await member.wait_ready()
        self.leader = next(log for log, member in zip(self.logs, self.members, strict=True) if member.is_leader)

    def notice(self) -> None:
        if all(len(log._commands) >= self.wanted for log in self.logs):
            self.reached.set()

    async def replicate(self, commands: list[bytes]) -> None:
        self.wanted = len(self.leader._commands) + len(commands)
        self.reached.clear()
        await asyncio.gather(*(self.leader.append(command) for command in commands))
        await self.reached.wait()

    def applied(self) -> list[list[bytes]]:
        return [log._commands for log in self.logs]

    async def close(self) -> None:
        for member in self.members:
            await member.close()


class PySyncObj:
    """Three SyncObj, whose loops this one turns."""

    def __init__(self, best: bool) -> None:
        import pysyncobj  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from pysyncobj import SyncObj, SyncObjConf  # type: ignore[import-not-found, import-untyped, unused-ignore]

        # What it says about connections that are being made.
        logging.disable(logging.CRITICAL)

        class Log(SyncObj):  # type: ignore[misc]
            def __init__(self, own: str, others: list[str]) -> None:
                settings = {"autoTick": False, "appendEntriesUseBatch": not best, "connectionRetryTime": 0.1}
                super().__init__(own, others, SyncObjConf(logCompactionMinEntries=COMPACT_EVERY, **settings))
                self.commands: list[bytes] = []

            @pysyncobj.replicated  # type: ignore[untyped-decorator]
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
