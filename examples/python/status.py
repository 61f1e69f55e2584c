"""What a node says about itself: its status, how far its members are, counters, and what has happened."""

from libraft import Config, Event, MemoryStorage, RawNode

storage = MemoryStorage()
storage.bootstrap([1], learners=[2])
node = RawNode(Config(id=1), storage)
node.campaign()
events: list[Event] = []
while node.has_ready():
    ready = node.ready()
    storage.save(ready)
    events += ready.events  # For a log, or to count them. Alone they make no Ready.
    node.advance()

status = node.status()
print(f"node {status.id}: {status.role.name} of term {status.term}, knows {status.leader} as the leader")
print(f"log [{status.first_index}, {status.last_index + 1}), committed {status.commit}, applied {status.applied}")

# What the leader knows of each member; empty on other nodes.
for member in node.progress():
    kind = "learner" if member.learner else "voter"
    print(f"{kind} {member.id}: {member.state.name}, has {member.match_index}, gets {member.next_index} next")

counters = node.metrics()._asdict()
print("counters:", {name: count for name, count in counters.items() if count})

for event in events:
    match event.type.name, event.reason:
        case "ROLE_CHANGED", _:
            print(f"event: role {event.from_} -> {event.to}")
        case name, reason:
            print("event:", name, reason or event.kind)
