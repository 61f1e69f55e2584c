"""Storage work as messages, with what is to be delivered once it is done; and Readys that are looked at first."""

from __future__ import annotations

from dataclasses import replace

import pytest

import libraft
from libraft import LOCAL_APPEND, LOCAL_APPLY, MemoryStorage, Message, MessageType, RawNode, Role
from raw_cluster import Cluster, Member, config


class Workers:
    """A cluster whose nodes have a worker each for what is to be persisted and one for what is to be applied."""

    def __init__(self, ids: range) -> None:
        self.storages = {node_id: MemoryStorage() for node_id in ids}
        for storage in self.storages.values():
            storage.bootstrap(list(ids))
        settings = {node_id: replace(config(node_id), async_storage_writes=True) for node_id in ids}
        self.nodes = {node_id: RawNode(settings[node_id], self.storages[node_id]) for node_id in ids}
        self.applied: dict[int, list[bytes]] = {node_id: [] for node_id in ids}
        self.written = 0
        self.network: list[Message] = []

    def settle(self) -> None:
        """Works and delivers until nothing is left to do."""
        while any(node.has_ready() for node in self.nodes.values()) or self.network:
            for node_id, node in self.nodes.items():
                while node.has_ready():
                    self.take(node_id, node.ready())
            messages, self.network = self.network, []
            for message in messages:
                self.nodes[message.to].step(message.encoded_view)

    def take(self, node_id: int, ready: libraft.Ready) -> None:
        todo = {LOCAL_APPEND: self.append, LOCAL_APPLY: self.apply}
        for message in ready.messages:
            if message.to not in todo:
                assert message.responses == ()
                self.network.append(message)
                continue
            todo[message.to](node_id, message, ready)
            for response in message.responses:
                assert response.encoded in message.encoded
                self.network.append(response)

    def append(self, node_id: int, message: Message, ready: libraft.Ready) -> None:
        assert message.type == MessageType.STORAGE_APPEND
        self.storages[node_id].append_message(message.encoded_view)
        self.written += 1

    def apply(self, node_id: int, message: Message, ready: libraft.Ready) -> None:
        assert message.type == MessageType.STORAGE_APPLY
        self.applied[node_id] += [entry.data for entry in ready.committed_entries if entry.data]


def test_a_cluster_runs_on_the_responses_that_are_attached() -> None:
    workers = Workers(range(1, 4))
    workers.nodes[1].campaign()
    workers.settle()
    assert workers.nodes[1].status().role == Role.LEADER
    for number in range(20):
        workers.nodes[1].propose(b"%d" % number)
        workers.settle()
    commands = [b"%d" % number for number in range(20)]
    assert workers.applied == {1: commands, 2: commands, 3: commands}
    for node_id, node in workers.nodes.items():
        status = node.status()
        assert status.applied == status.commit == status.persisted == workers.storages[node_id].last_index()
    assert workers.written > 60
    workers.nodes[1].close()


def test_what_is_not_done_is_not_acknowledged() -> None:
    workers = Workers(range(1, 2))
    node = workers.nodes[1]
    node.campaign()
    (message,) = node.ready().messages
    assert message.to == LOCAL_APPEND and message.responses
    assert not node.has_ready() and node.status().role != Role.LEADER
    workers.storages[1].append_message(message.encoded_view)
    for response in message.responses:
        node.step(response.encoded)
    assert node.has_ready()
    workers.settle()
    assert node.status().role == Role.LEADER
    # The copy of a transport has none.
    assert Message.decode(message.encoded).responses == ()
    node.close()


def leading() -> Member:
    storage = MemoryStorage()
    storage.bootstrap([1])
    member = Member(config(1), storage)
    member.node.campaign()
    member.work(lambda messages: None)
    return member


def test_a_ready_is_looked_at_and_taken_later() -> None:
    member = leading()
    node = member.node
    node.propose(b"a")
    first = node.peek_ready()
    assert [entry.data for entry in first.entries] == [b"a"]
    # Nothing was taken: it is there again, and more has come.
    node.propose(b"b")
    second = node.peek_ready()
    assert [entry.data for entry in second.entries] == [b"a", b"b"]
    with pytest.raises(libraft.MisuseError, match="newer"):
        member.storage.save(first)
    with pytest.raises(libraft.MisuseError, match=r"accept_ready\(\)"):
        member.storage.save(second)
    node.accept_ready()
    member.storage.save(second)
    member.apply(second)
    node.advance()
    member.work(lambda messages: None)
    assert member.commands == [b"a", b"b"] and [entry.data for entry in first.entries] == [b"a"]
    member.close()


def test_only_what_was_shown_last_is_accepted() -> None:
    member = leading()
    node = member.node
    with pytest.raises(libraft.MisuseError):
        node.accept_ready()
    node.propose(b"a")
    node.peek_ready()
    node.propose(b"b")
    with pytest.raises(libraft.MisuseError):
        node.accept_ready()
    shown = node.peek_ready()
    node.accept_ready()
    with pytest.raises(libraft.MisuseError):
        node.accept_ready()
    with pytest.raises(libraft.MisuseError):
        node.peek_ready()
    member.storage.save(shown)
    member.apply(shown)
    node.advance()
    member.work(lambda messages: None)
    assert member.commands == [b"a", b"b"]
    node.close()
    for call in [node.peek_ready, node.accept_ready]:
        with pytest.raises(libraft.ClosedError):
            call()


def test_a_ready_that_was_only_looked_at_can_be_taken_as_usual() -> None:
    member = leading()
    member.node.propose(b"a")
    member.node.peek_ready()
    member.work(lambda messages: None)
    assert member.commands == [b"a"]
    member.close()


def test_nothing_is_shared_with_a_cluster_that_does_its_work_at_once() -> None:
    cluster = Cluster.of(3)
    cluster.leader.node.propose(b"a")
    ready = cluster.leader.node.ready()
    assert all(message.responses == () for message in ready.messages)
    cluster.close()
