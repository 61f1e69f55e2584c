"""Time, for a host of very many groups at rest: followers that hear from their leaders every eighth tick.

The workloads are those of ../c/ticks.c: tick_N has ticks alone, with a call for the tick of a node and one
that asks for its Ready, or with tick_all. rest_N has the leaders' heartbeats besides; all nodes are ticked in
one call, or are left alone until their deadline. An operation is a tick of one node in each case.
"""

from __future__ import annotations

import re
from collections import defaultdict

import libraft

TICKS = 8
# raftpb.Message: a MsgHeartbeat to 2 from 1 of term 1.
HEARTBEAT = bytes([0x08, 8, 0x10, 2, 0x18, 1, 0x20, 1])


class Host:
    """Followers, and when each of them is to be looked at."""

    def __init__(self, count: int) -> None:
        self.nodes: list[libraft.RawNode] = []
        self.storages: list[libraft.MemoryStorage] = []
        self.now = 0
        self.seen = [0] * count
        self.due: dict[int, set[int]] = defaultdict(set)
        self.due_at = [0] * count
        self.sent = self.found = 0
        for place in range(count):
            storage = libraft.MemoryStorage()
            storage.bootstrap([1, 2, 3])
            self.storages.append(storage)
            self.nodes.append(libraft.RawNode(libraft.Config(id=2, seed=place), storage))
            self.work(place)
        self.hear_from_leaders()

    def touch(self, place: int) -> libraft.RawNode:
        node = self.nodes[place]
        if missed := self.now - self.seen[place]:
            node.tick_many(missed)
            self.seen[place] = self.now
        return node

    def work(self, place: int) -> None:
        node = self.nodes[place]
        while node.has_ready():
            ready = node.ready()
            self.storages[place].save(ready)
            self.sent += len(ready.messages)
            node.advance()
        self.due[self.due_at[place]].discard(place)
        deadline = node.next_deadline()
        if deadline is not None:
            self.due_at[place] = self.now + deadline
            self.due[self.now + deadline].add(place)

    def tick(self) -> None:
        self.now += 1
        for place in sorted(self.due.pop(self.now, ())):
            self.touch(place)
            self.work(place)

    def hear_from_leaders(self) -> None:
        for place in range(len(self.nodes)):
            self.touch(place).step(HEARTBEAT)
            self.work(place)

    def was_ticked(self) -> None:
        self.now += 1
        self.seen = [self.now] * len(self.nodes)


class Ticks:
    """A workload."""

    def __init__(self, name: str, best: bool) -> None:
        parts = re.fullmatch(r"(tick|rest)_(\d+)(k?)", name)
        assert parts
        self.rests, self.best = parts[1] == "rest", best
        self.host = Host(int(parts[2]) * (1000 if parts[3] else 1))

    def run(self) -> int:
        """The measured part; how many operations it was."""
        host = self.host
        for _ in range(TICKS):
            if self.rests and self.best:
                host.tick()
            elif self.rests:
                host.found += sum(map(len, libraft.tick_all(host.nodes)))
                host.was_ticked()
            elif self.best:
                host.found += sum(map(len, libraft.tick_all(host.nodes)))
            else:
                for node in host.nodes:
                    node.tick()
                    host.found += node.has_ready()
        if self.rests:
            host.hear_from_leaders()
        return TICKS * len(host.nodes)

    def pause(self) -> None:
        """What has to be done between two of them and is not measured."""
        if not self.rests:
            for _ in range(TICKS):
                self.host.was_ticked()
            self.host.hear_from_leaders()

    def check(self) -> None:
        """Nobody campaigned, everybody answered each heartbeat, and has had every tick."""
        host = self.host
        ticks = sum(host.touch(place).metrics().ticks for place in range(len(host.nodes)))
        heartbeats = host.now // TICKS + 1
        if host.found or ticks != host.now * len(host.nodes) or host.sent != heartbeats * len(host.nodes):
            raise AssertionError("idle followers have their ticks, and nothing to do")
