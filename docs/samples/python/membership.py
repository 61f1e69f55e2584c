"""Changing who is a member: one at a time, several at once, and a snapshot for those who are new."""

from cluster import Cluster
from libraft import ConfChangeType, EntryType, Transition, encode_conf_change

cluster = Cluster(1, 2, 3)
leader = cluster.elect(1)
leader.node.propose(b"before")
cluster.run()

# --8<-- [start:learner]
# A new member begins as a learner: it gets the log, and no vote.
cluster.join(4)
leader.node.propose_conf_change(ConfChangeType.ADD_LEARNER_NODE, 4)
cluster.run()
# Whoever applies this makes a snapshot: the new member takes none that does not
# name it (see Member.work).
cluster.tick(2)

# When it has caught up, it gets a vote.
progress = next(p for p in leader.node.progress() if p.id == 4)
assert progress.match_index == leader.storage.last_index()
leader.node.propose_conf_change(ConfChangeType.ADD_NODE, 4)
cluster.run()
print(leader.conf_state.voters)
# --8<-- [end:learner]

# --8<-- [start:joint]
# Several steps at once, such as to replace 2 by 5, go through a joint
# configuration, which the leader leaves by itself.
cluster.join(5)
change = encode_conf_change(
    [(ConfChangeType.ADD_NODE, 5), (ConfChangeType.REMOVE_NODE, 2)],
    Transition.AUTO,
)
leader.node.propose_conf_change_encoded(EntryType.CONF_CHANGE_V2, change)
cluster.run()
cluster.tick(2)
print(leader.conf_state.voters, leader.conf_state.voters_outgoing)
# --8<-- [end:joint]
assert cluster[5].machine == [b"before"]
