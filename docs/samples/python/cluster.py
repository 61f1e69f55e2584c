"""A cluster in one thread, for the other samples: the Ready loop, and a network that is a list."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from libraft import (
    ConfChangeType,
    Config,
    EntryType,
    MemoryStorage,
    MessageType,
    PeerError,
    RawNode,
    Ready,
    Role,
    SnapshotStatus,
    Storage,
)


class Member:
    """One node with what its host keeps: a storage, and a state machine that is a list of commands."""

    def __init__(self, id: int, storage: Storage, **settings: Any) -> None:
        self.storage = storage
        snapshot = storage.snapshot()
        self.machine = snapshot.data.split(b"\n") if snapshot.data else []
        self.node = RawNode(Config(id=id, seed=id, **settings), storage)
        self.conf_state = self.node.conf_state()
        self.applied = snapshot.index
        self.snapshot_due = False
        self.reads: dict[bytes, int] = {}

    # --8<-- [start:loop]
    def work(self, send: Callable[[int, bytes], None]) -> None:
        """Does whatever the node asks for."""
        while self.node.has_ready():
            ready = self.node.ready()
            self.storage.save(ready)  # 1. persist: hard state, entries, snapshot; synced
            for message in ready.messages:  # 2. send, now that it is on disk
                send(message.to, message.encoded)
                if message.type == MessageType.SNAP:  # it has arrived, as everything does here
                    self.node.report_snapshot(message.to, SnapshotStatus.FINISH)
            self.apply(ready)  # 3. apply
            for read in ready.read_states:
                self.reads[read.context] = read.index
            self.node.advance()  # 4. done
            if self.snapshot_due:  # whoever is new needs a snapshot that names it
                self.snapshot()

    def apply(self, ready: Ready) -> None:
        """The state machine: first the snapshot, then the entries, in order."""
        if ready.snapshot is not None:
            data = ready.snapshot.data
            self.machine = data.split(b"\n") if data else []
            self.conf_state = ready.snapshot.conf_state
            self.applied = ready.snapshot.index
        for entry in ready.committed_entries:
            if entry.type != EntryType.NORMAL:
                self.conf_state = self.node.apply_conf_change(entry)
                self.snapshot_due = True
            elif entry.data:  # an empty one begins each leader's term
                self.machine.append(entry.data)
            self.applied = entry.index

    # --8<-- [end:loop]

    # --8<-- [start:snapshot]
    def snapshot(self) -> None:
        """Writes the state down, and drops the part of the log that it stands for."""
        data = b"\n".join(self.machine)
        self.storage.create_snapshot(self.applied, data, self.conf_state.encoded)
        self.storage.compact(self.applied + 1)
        self.snapshot_due = False

    # --8<-- [end:snapshot]


class Cluster:
    """Members, and the messages on their way."""

    def __init__(self, *ids: int, **settings: Any) -> None:
        self.members: dict[int, Member] = {}
        self.down: set[int] = set()
        for id in ids:
            storage = MemoryStorage()
            storage.bootstrap(ids)
            self.members[id] = Member(id, storage, **settings)

    def __getitem__(self, id: int) -> Member:
        return self.members[id]

    def join(self, id: int, **settings: Any) -> None:
        """Starts a member that knows nothing yet."""
        self.members[id] = Member(id, MemoryStorage(), **settings)

    def run(self) -> None:
        """Until nobody has anything to do, and no message is left."""
        mail: list[tuple[int, bytes]] = []
        for _ in range(1000):
            for id, member in self.members.items():
                if id not in self.down:
                    member.work(lambda to, message: mail.append((to, message)))
            if not mail:
                return
            for to, message in mail:
                if to in self.members and to not in self.down:
                    with contextlib.suppress(PeerError):  # from who was removed, for example
                        self.members[to].node.step(message)
            mail.clear()
        raise RuntimeError("they go on and on")

    def tick(self, ticks: int = 1) -> None:
        """Time passes for everybody."""
        for _ in range(ticks):
            for id, member in self.members.items():
                if id not in self.down:
                    member.node.tick()
            self.run()

    def elect(self, id: int) -> Member:
        """Makes a member campaign."""
        self.members[id].node.campaign()
        self.run()
        assert self.members[id].node.status().role == Role.LEADER
        return self.members[id]

    def change(self, kind: ConfChangeType, id: int) -> None:
        """Proposes one step of membership at the leader, and waits until it is applied."""
        self.leader().node.propose_conf_change(kind, id)
        self.run()

    def leader(self) -> Member:
        """Who leads."""
        return next(m for i, m in self.members.items() if i not in self.down and m.node.status().role == Role.LEADER)

    def machines(self, *ids: int) -> Sequence[list[bytes]]:
        """What these members have applied."""
        return [self.members[id].machine for id in ids]


def main() -> None:
    """Three members agree on a command."""
    cluster = Cluster(1, 2, 3)
    cluster.elect(1)
    cluster[2].node.propose(b"hello")  # a follower passes it on to the leader
    cluster.run()
    print(cluster.machines(1, 2, 3))


if __name__ == "__main__":
    main()
