"""A host with a storage of its own: the core asks for what it does not hold, and the host answers."""

from cluster import Cluster
from libraft import Compacted, Config, MemoryStorage, RawNode, ReadFailure, Storage


# --8<-- [start:answer]
def answer(node: RawNode, storage: Storage) -> None:
    """Answers what is asked for, at once or later."""
    reads, snapshots = node.take_requests()
    for read in reads:
        try:
            entries = storage.entries(read.low, read.high, read.max_bytes)
            node.provide_entries(read.id, [entry.encoded for entry in entries])
        except Compacted:
            node.read_failed(read.id, ReadFailure.COMPACTED)
    for wanted in snapshots:
        snapshot = storage.snapshot()
        if snapshot.index >= wanted.min_index:
            node.provide_snapshot(wanted.id, snapshot.encoded)
        else:
            node.snapshot_failed(wanted.id)  # it is asked for again


# --8<-- [end:answer]

cluster = Cluster(1, 2, 3, max_cached_bytes=0, show_requests=True)
leader = cluster.elect(1)
cluster.down.add(3)
for number in range(5):
    leader.node.propose(b"%d" % number)
    cluster.run()
cluster.down.remove(3)
asked = 0
for _ in range(20):
    cluster.tick()
    asked += int(leader.node.metrics().requests_made > asked)
    answer(leader.node, leader.storage)
    cluster.run()
assert cluster[3].machine == leader.machine and leader.node.metrics().requests_made > 0

# --8<-- [start:restart]
# What such a node needs to know at its start. libraft's storages can say it.
storage = MemoryStorage()
storage.bootstrap([1])
node = RawNode.restart(Config(id=1), storage.restart_state())
# --8<-- [end:restart]
assert node.status().last_index == 1
