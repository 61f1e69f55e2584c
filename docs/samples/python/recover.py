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
def begin(old: Storage, survivors: list[Storage], directory: Path, voters: list[int]) -> DurableStorage:
    """A fresh storage, in which a new group begins where the chosen survivor ended.

    The old directories stay as they are. The term is above that of every survivor: one
    with a shorter log may have seen a later one. The members have new ids.
    """
    new = DurableStorage(directory)
    new.bootstrap(
        voters,
        index=old.last_index(),
        term=max(storage.hard_state().term for storage in survivors) + 1,
        data=replay(old),
    )
    return new


# --8<-- [end:begin]


def main() -> None:
    """Five members, three of which are lost."""
    with tempfile.TemporaryDirectory() as above:
        cluster = Cluster()
        for id in (1, 2, 3, 4, 5):
            storage = DurableStorage(Path(above) / f"old-{id}")
            storage.bootstrap([1, 2, 3, 4, 5])
            # One of them campaigns in terms of its own when it is alone.
            cluster.members[id] = Member(id, storage, pre_vote=id != 5)
        leader = cluster.elect(1)
        leader.node.propose(b"a")
        cluster.run()
        # The leader and 5 are cut off: what it proposes now is on two of five.
        cluster.down = {2, 3, 4}
        for command in (b"x", b"y", b"z"):
            leader.node.propose(command)
            cluster.run()
        # The others elect another leader, and commit.
        cluster.down = {1, 5}
        cluster.tick(100)
        cluster.leader().node.propose(b"b")
        cluster.run()
        # Two are left, and neither can do anything.
        for alone in (4, 5):
            cluster.down = {1, 2, 3, 4, 5} - {alone}
            cluster.tick(100)
            assert cluster[alone].node.status().leader == 0
        for member in cluster.members.values():
            member.node.close()

        survivors = [cluster[5].storage, cluster[4].storage]
        # The log of 5 is longer, and its term later; but its last entry is of an earlier term.
        assert survivors[0].last_index() > survivors[1].last_index()
        assert survivors[0].hard_state().term > survivors[1].hard_state().term
        survivor = choose(survivors)
        assert survivor is cluster[4].storage
        # --8<-- [start:run]
        # One member first. It leads at once, and takes writes.
        storage = begin(survivor, survivors, Path(above) / "new-11", [11])
        fresh = Cluster()
        fresh.members[11] = Member(11, storage)
        fresh.elect(11).node.propose(b"c")
        fresh.run()
        # --8<-- [end:run]
        assert fresh[11].node.status().term > max(storage.hard_state().term for storage in survivors)
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
