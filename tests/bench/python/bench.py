"""The replicated workloads on the Python package: every message is bytes, as between processes.

Names, checks and output are those of ../harness; ticks.py has what is about time. Run as:
bench.py WORKLOAD [--best] [--seconds S | --ops N]
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import time
from typing import Any

from ticks import Ticks

import libraft

COMPACT_EVERY, COMPACT_KEEP = 10_000, 100


class Replica:
    """A node, its storage, and a state machine that counts."""

    def __init__(self, node_id: int, voters: list[int]) -> None:
        self.storage = libraft.MemoryStorage()
        self.storage.bootstrap(voters)
        config = libraft.Config(id=node_id, pre_vote=False, check_quorum=False)
        self.node = libraft.RawNode(config, self.storage)
        self.index = self.storage.last_index()
        self.commands: list[bytes] = []
        self.count = 0

    def compact(self, first_index: int) -> None:
        self.storage.compact(first_index)


class Cluster:
    """Nodes of one group in one thread, and how messages pass between them."""

    def __init__(self, count: int, best: bool) -> None:
        voters = list(range(1, count + 1))
        self.nodes = [Replica(node_id, voters) for node_id in voters]
        self.best = best
        self.compacted = 0
        self.nodes[0].node.campaign()
        self.run()

    def propose(self, commands: list[bytes]) -> None:
        node = self.nodes[0].node
        if self.best:
            node.propose_many(commands)
        else:
            for command in commands:
                node.propose(command)

    def run(self) -> None:
        nodes = self.nodes
        idle = False
        while not idle:
            idle = True
            for replica in nodes:
                node = replica.node
                if not node.has_ready():
                    continue
                idle = False
                ready = node.ready()
                replica.storage.save(ready)
                for message in ready.messages:
                    nodes[message.to - 1].node.step(message.encoded_view)
                for entry in ready.committed_entries:
                    if entry.index != replica.index + 1:
                        raise AssertionError("entries are applied in order")
                    replica.index += 1
                    if data := entry.data:
                        replica.commands.append(data)
                node.advance()

    def maybe_compact(self) -> None:
        applied = self.nodes[0].index
        if applied >= self.compacted + COMPACT_EVERY + COMPACT_KEEP:
            self.compacted = applied - COMPACT_KEEP
            for replica in self.nodes:
                replica.compact(self.compacted + 1)

    def check(self, proposed: int) -> None:
        """All nodes have applied the same, and that many; then they forget it."""
        for replica in self.nodes:
            if len(replica.commands) != proposed or replica.commands != self.nodes[0].commands:
                raise AssertionError("not every node has applied every command")
        for replica in self.nodes:
            replica.commands.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description="the replicated workloads on the Python package")
    parser.add_argument("workload")
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--ops", type=int, default=0)
    args = parser.parse_args()
    if args.workload.startswith(("tick", "rest")):
        ops, ns = run_ticks(Ticks(args.workload, args.best), args.ops, args.seconds)
        report(args, ops, ns)
        return
    parts = re.fullmatch(r"(?:rep(\d+)|single)_b(\d+)_(\d+)(k?)", args.workload)
    if not parts:
        parser.error(f"no workload is called {args.workload}")
    count, batch = int(parts[1] or 1), int(parts[2])
    size = int(parts[3]) * (1024 if parts[4] else 1)
    batches = min(max(20_000 // (batch * count * (size // 64 + 1)), 1), 1_000)
    filler = bytes(place % 256 for place in range(8, size))

    cluster = Cluster(count, args.best)
    number = 0
    ops, ns = 0, 0
    warm = False
    gc.disable()  # Nothing here is cyclic.
    while not warm or not ops or ops < args.ops or ns < args.seconds * 1e9:
        begun = time.perf_counter_ns()
        for _ in range(batches):
            commands = [n.to_bytes(8, "little") + filler for n in range(number, number + batch)]
            number += batch
            cluster.propose(commands)
            cluster.run()
            cluster.maybe_compact()
        if warm:
            ns += time.perf_counter_ns() - begun
            ops += batches * batch
        warm = True
        cluster.check(batches * batch)
    report(args, ops, ns)


def run_ticks(workload: Ticks, ops_wanted: int, seconds: float) -> tuple[int, int]:
    workload.run()
    workload.pause()
    ops, ns = 0, 0
    gc.disable()
    while not ops or ops < ops_wanted or ns < seconds * 1e9:
        begun = time.perf_counter_ns()
        ops += workload.run()
        ns += time.perf_counter_ns() - begun
        workload.pause()
    workload.check()
    return ops, ns


def report(args: argparse.Namespace, ops: int, ns: int) -> None:
    result: dict[str, Any] = {
        "library": "libraft-python",
        "workload": args.workload,
        "mode": "Best" if args.best else "Default",
        "ops": ops,
        "ns": ns,
        "allocations": 0,
        "allocated_bytes": 0,
        "node_bytes": 0,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
