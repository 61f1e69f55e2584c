"""Linearizable reads, at the leader and at a follower."""

from cluster import Cluster
from libraft import Config, ReadDropped, ReadOnlyOption

cluster = Cluster(1, 2, 3)
cluster.elect(1).node.propose(b"x = 1")
cluster.run()

# --8<-- [start:read]
# On any member. The name is used once, ever.
follower = cluster[2]
try:
    follower.node.read_index(b"read 1 of node 2")
except ReadDropped as error:
    print("ask again, under another name:", error.reason)
cluster.run()

# The answer is a read state in a Ready: serve it when its index is applied.
index = follower.reads.pop(b"read 1 of node 2")
assert follower.applied >= index
print(index, follower.machine)
# --8<-- [end:read]

# --8<-- [start:lease]
config = Config(id=1, read_only=ReadOnlyOption.LEASE_BASED, check_quorum=True)
# --8<-- [end:lease]
