"""A cluster of RawNodes in one thread: messages are carried by hand, and time is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libraft
from libraft import Config, ConfState, Entry, EntryType, Message, RawNode, Ready, Role, SnapshotStatus, Storage


class Member:
    """A node, its storage, and a state machine that is the list of applied commands."""

    def __init__(self, config: Config, storage: Storage) -> None:
        self.config = config
        self.storage = storage
        self.commands: list[bytes] = []
        self.applied = 0
        self.reads: dict[bytes, int] = {}
        self.conf_state: ConfState | None = None
        snapshot = storage.snapshot()
        if snapshot.index:
            self.restore(snapshot.index, snapshot.data)
        self.node = RawNode(config, storage)

    def restore(self, index: int, data: bytes) -> None:
        self.applied = index
        self.commands = data.split(b"\n") if data else []

    def snapshot_data(self) -> bytes:
        return b"\n".join(self.commands)

    def work(self, send: Callable[[Sequence[Message]], None]) -> int:
        """Works off all Readys; gives how many there were."""
        turns = 0
        while self.node.has_ready():
            ready = self.node.ready()
            self.storage.save(ready)
            send(ready.messages)
            self.apply(ready)
            self.node.advance()
            turns += 1
        return turns

    def apply(self, ready: Ready) -> None:
        if ready.snapshot is not None:
            self.restore(ready.snapshot.index, ready.snapshot.data)
        for entry in ready.committed_entries:
            assert entry.index == self.applied + 1
            self.applied = entry.index
            self.apply_entry(entry)
        for state in ready.read_states:
            self.reads[state.context] = state.index

    def apply_entry(self, entry: Entry) -> None:
        if entry.type != EntryType.NORMAL:
            self.conf_state = self.node.apply_conf_change(entry)
        elif entry.data:
            self.commands.append(entry.data)

    def close(self) -> None:
        self.node.close()
        self.storage.close()


class Cluster:
    """Some members, and the messages between them."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = {member.config.id: member for member in members}
        self.in_flight: list[Message] = []
        self.cut_off: set[int] = set()
        """Nodes that neither send nor receive."""

    @staticmethod
    def of(count: int, storage: Callable[[int], Storage] = lambda _: libraft.MemoryStorage()) -> Cluster:
        """A new cluster of so many voters, of which the first one leads."""
        ids = range(1, count + 1)
        members = []
        for i in ids:
            place = storage(i)
            place.bootstrap(list(ids), index=1, term=1)
            members.append(Member(config(i), place))
        cluster = Cluster(members)
        cluster.members[1].node.campaign()
        cluster.settle()
        assert cluster.leader is cluster.members[1]
        return cluster

    @property
    def leader(self) -> Member:
        leaders = [m for m in self.members.values() if m.node.status().role == Role.LEADER]
        return max(leaders, key=lambda m: m.node.status().term)

    def settle(self) -> None:
        """Works and delivers until nothing is left to do."""
        while any([m.work(self.in_flight.extend) for m in self.members.values()]) or self.in_flight:
            messages, self.in_flight = self.in_flight, []
            for message in messages:
                self.deliver(message)

    def deliver(self, message: Message) -> None:
        sender = self.members.get(message.from_)
        receiver = self.members.get(message.to)
        arrives = receiver is not None and not self.cut_off & {message.to, message.from_}
        if arrives:
            assert receiver is not None
            try:
                receiver.node.step(message.encoded_view)
            except libraft.UnknownPeer:
                pass
        if message.type == libraft.MessageType.SNAP and sender is not None:
            status = SnapshotStatus.FINISH if arrives else SnapshotStatus.FAILURE
            sender.node.report_snapshot(message.to, status)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            for member in self.members.values():
                member.node.tick()
            self.settle()

    def close(self) -> None:
        for member in self.members.values():
            member.close()


def config(node_id: int) -> Config:
    return Config(id=node_id, seed=node_id)
