"""Very many groups in one process: nobody is touched without need."""

from libraft import Config, MemoryStorage, RawNode, tick_all


def group(id: int) -> tuple[RawNode, MemoryStorage]:
    """A group of one member."""
    storage = MemoryStorage()
    storage.bootstrap([1])
    return RawNode(Config(id=1, seed=id), storage), storage


groups = [group(id) for id in range(1000)]
nodes = [node for node, _ in groups]

# --8<-- [start:all]
# One call ticks them all, and tells who has something to do.
worked = 0
for _ in range(40):
    ticked = tick_all(nodes)
    for place in ticked.ready:
        node, storage = groups[place]
        while node.has_ready():
            storage.save(node.ready())
            node.advance()
        worked += 1
# --8<-- [end:all]
print(all(node.status().leader == 1 for node in nodes), worked)

# --8<-- [start:deadline]
# Or leave a group alone until time can do something, and make up for it then.
node, storage = groups[0]
deadline = node.next_deadline()
if deadline is not None:
    node.tick_many(deadline)
# --8<-- [end:deadline]
