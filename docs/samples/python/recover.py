"""Begins a new group with the state of one survivor, after a majority of the old one is gone for good."""

import tempfile
from pathlib import Path

from cluster import Cluster, Member
from libraft import ConfChangeType, DurableStorage, EntryType, Storage


# --8<-- [start:choose]
def last(storage: Storage) -> tuple[int, int]:
    """How far a log goes: the term of its last entry, then its length."""
    index = storage.last_index()
    return storage.term(index), index


def choose(survivors: list[Storage]) -> Storage:
    """Whoever has the most."""
    return max(survivors, key=last)


# --8<-- [end:choose]


# --8<-- [start:state]
def replay(old: Storage) -> bytes:
    """The state machine's state after all of the survivor's log.

    That includes entries which it does not know to be committed: those that were
    acknowledged to clients may be among them.
    """
    snapshot = old.snapshot()
    machine = snapshot.data.split(b"\n") if snapshot.data else []
    next_index = snapshot.index + 1
    while next_index <= old.last_index():
        for entry in old.entries(next_index, old.last_index() + 1):
            if entry.type == EntryType.NORMAL and entry.data:
                machine.append(entry.data)
            next_index = entry.index + 1
    return b"\n".join(machine)


# --8<-- [end:state]


# --8<-- [start:begin]
def begin(old: Storage, directory: Path, voters: list[int]) -> DurableStorage:
    """A fresh storage, in which a new group begins where the old one ended.

    The old directory stays as it is. The members have new ids, so that no message of
    the old group can be taken for one of theirs.
    """
    new = DurableStorage(directory)
    new.bootstrap(
        voters,
        index=old.last_index(),
        term=old.hard_state().term + 1,
        data=replay(old),
    )
    return new


# --8<-- [end:begin]


def main() -> None:
    """Three members, two of which are lost."""
    with tempfile.TemporaryDirectory() as above:
        cluster = Cluster()
        for id in (1, 2, 3):
            storage = DurableStorage(Path(above) / f"old-{id}")
            storage.bootstrap([1, 2, 3])
            cluster.members[id] = Member(id, storage)
        leader = cluster.elect(1)
        for command in (b"a", b"b"):
            leader.node.propose(command)
            cluster.run()
        cluster.down = {1, 2}
        cluster.tick(100)
        assert cluster[3].node.status().leader == 0  # one of three can't do anything
        for member in cluster.members.values():
            member.node.close()

        survivor = choose([cluster[3].storage])
        # --8<-- [start:run]
        # One member first. It leads at once, and takes writes.
        storage = begin(survivor, Path(above) / "new-11", [11])
        fresh = Cluster()
        fresh.members[11] = Member(11, storage)
        fresh.elect(11).node.propose(b"c")
        fresh.run()
        # --8<-- [end:run]
        print(fresh[11].machine)
        fresh.join(12)
        fresh.change(ConfChangeType.ADD_NODE, 12)
        fresh.tick(2)
        print(fresh[12].machine)
        for member in (*fresh.members.values(), *cluster.members.values()):
            member.node.close()
            member.storage.close()


if __name__ == "__main__":
    main()
