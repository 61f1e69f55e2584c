"""Handing leadership over, before a leader is stopped for example."""

from cluster import Cluster
from libraft import ProposalDropped

cluster = Cluster(1, 2, 3)
leader = cluster.elect(1)

# --8<-- [start:transfer]
leader.node.transfer_leader(2)
try:
    leader.node.propose(b"meanwhile")
except ProposalDropped as error:
    print(error.reason.name)  # TRANSFERRING: try again at the new leader
cluster.run()
print(leader.node.status().leader)
# --8<-- [end:transfer]
