"""A follower that was away for longer than the log reaches back gets a snapshot."""

from cluster import Cluster
from libraft import FlowState

cluster = Cluster(1, 2, 3, max_cached_bytes=0)
leader = cluster.elect(1)


def flow() -> FlowState:
    """How the leader sends to member 3."""
    return next(p for p in leader.node.progress() if p.id == 3).state


# --8<-- [start:flow]
print(flow().name)
cluster.down.add(3)
for number in range(10):
    leader.node.propose(b"%d" % number)
    cluster.run()
leader.node.report_unreachable(3)  # what a transport says that can't deliver
print(flow().name)

leader.snapshot()  # and what member 3 needs next is gone from the log
cluster.tick(11)  # ticks go on, and with them heartbeats
cluster.down.remove(3)
cluster.tick(2)
print(cluster[3].node.metrics().snapshots_installed, "snapshot,", len(cluster[3].machine), "commands")
print(flow().name)
# --8<-- [end:flow]
