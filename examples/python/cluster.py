"""Three members in one process: an election, a replicated log, and what happens when the leader is gone."""

from libraft import Config, EntryType, MemoryStorage, Message, RawNode, Role

VOTERS = [1, 2, 3]


class Member:
    """A node, its storage, and a state machine: the list of applied commands."""

    def __init__(self, node_id: int) -> None:
        self.storage = MemoryStorage()  # Or DurableStorage("directory").
        self.storage.bootstrap(VOTERS)
        self.node = RawNode(Config(id=node_id, seed=node_id), self.storage)
        self.applied: list[bytes] = []

    def work(self) -> list[Message]:
        """Does what the node asks for, in this order, and gives what is to be sent."""
        to_send: list[Message] = []
        while self.node.has_ready():
            ready = self.node.ready()
            self.storage.save(ready)  # Before anything is sent.
            to_send += ready.messages
            for entry in ready.committed_entries:
                if entry.type != EntryType.NORMAL:
                    self.node.apply_conf_change(entry)
                elif entry.data:  # A leader begins its term with an empty one.
                    self.applied.append(entry.data)
            self.node.advance()
        return to_send


def settle(members: dict[int, Member]) -> None:
    """Works and delivers until nothing is left to do. Messages to members that are gone get lost."""
    while messages := [message for member in members.values() for message in member.work()]:
        for message in messages:
            if message.to in members:
                members[message.to].node.step(message.encoded)


def elect(members: dict[int, Member]) -> Member:
    """Lets time pass until somebody leads. A tick is 100 ms or so in a program with a clock."""
    while not (leaders := [it for it in members.values() if it.node.status().role == Role.LEADER]):
        for member in members.values():
            member.node.tick()
        settle(members)
    return leaders[0]


members = {node_id: Member(node_id) for node_id in VOTERS}
for number in range(3):
    leader = elect(members)
    leader.node.propose(b"command %d" % number)
    settle(members)
    print("node", leader.node.id, "leads term", leader.node.status().term, leader.applied)
    if number == 1:
        del members[leader.node.id]  # Two of three go on without it.
assert all(member.applied == leader.applied for member in members.values())
