"""What a RawNode does: elects, replicates, restarts, changes members, reads, and survives garbage."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

import libraft
from libraft import ConfChange, ConfChangeSingle, ConfChangeType, EntryType, RawNode, Role, Transition
from raw_cluster import Cluster, Member, config

Make = Callable[..., Cluster]


def test_three_nodes_elect_a_leader_by_the_clock_alone() -> None:
    members = []
    for i in (1, 2, 3):
        storage = libraft.MemoryStorage()
        storage.bootstrap([1, 2, 3])
        members.append(Member(config(i), storage))
    cluster = Cluster(members)
    cluster.tick(25)
    statuses = [member.node.status() for member in members]
    assert sorted(status.role for status in statuses) == [Role.FOLLOWER, Role.FOLLOWER, Role.LEADER]
    assert len({(status.leader, status.term) for status in statuses}) == 1
    cluster.close()


def test_the_node_whose_timeout_is_shortest_campaigns_first() -> None:
    storage = libraft.MemoryStorage()
    storage.bootstrap([1, 2])
    with RawNode(config(1), storage) as node:
        with pytest.raises(libraft.MisuseError):
            node.set_randomized_election_timeout(0)
        node.set_randomized_election_timeout(3)
        node.tick()
        node.tick()
        assert node.status().role == Role.FOLLOWER
        node.tick()
        assert node.status().role == Role.PRE_CANDIDATE


def test_a_command_is_applied_by_every_node(make: Make) -> None:
    cluster = make(3)
    cluster.members[1].node.propose(b"from the leader")
    cluster.members[3].node.propose(bytearray(b"from a follower"))
    cluster.settle()
    for member in cluster.members.values():
        assert member.commands == [b"from the leader", b"from a follower"]


def test_several_commands_are_one_append_to_each_follower(make: Make) -> None:
    cluster = make(3)
    leader = cluster.leader.node
    leader.propose_many([b"%d" % number for number in range(64)])
    ready = leader.ready()
    appends = [message for message in ready.messages if message.type == libraft.MessageType.APP]
    assert sorted(message.to for message in appends) == [2, 3]
    assert [entry.data for entry in ready.entries] == [b"%d" % number for number in range(64)]
    cluster.leader.storage.save(ready)
    cluster.in_flight += ready.messages
    leader.advance()
    cluster.settle()
    assert cluster.members[2].commands == [b"%d" % number for number in range(64)]


def test_another_node_leads_when_the_leader_is_gone(make: Make) -> None:
    cluster = make(3)
    cluster.members[1].node.propose(b"before")
    cluster.settle()
    cluster.cut_off = {1}
    cluster.tick(30)
    leader = cluster.leader
    assert leader.config.id != 1
    leader.node.propose(b"after")
    cluster.settle()
    cluster.cut_off = set()
    cluster.tick(30)
    for member in cluster.members.values():
        assert member.commands == [b"before", b"after"]


def test_leadership_is_transferred(make: Make) -> None:
    cluster = make(3)
    cluster.leader.node.transfer_leader(2)
    cluster.settle()
    assert cluster.leader.config.id == 2
    cluster.members[2].node.propose(b"x")
    cluster.settle()
    assert cluster.members[1].commands == [b"x"]


def test_a_follower_may_forget_its_leader(make: Make) -> None:
    cluster = make(3)
    node = cluster.members[2].node
    node.forget_leader()
    assert node.status().leader == 0
    with pytest.raises(libraft.ProposalDropped) as caught:
        node.propose(b"x")
    assert caught.value.reason == libraft.DropReason.NO_LEADER
    # The leader's next heartbeat brings it back.
    cluster.tick()
    assert node.status().leader == 1


def test_reads_are_confirmed_on_leader_and_follower(make: Make) -> None:
    cluster = make(3)
    cluster.leader.node.propose(b"x")
    cluster.settle()
    commit = cluster.leader.node.status().commit
    for i in (1, 2):
        cluster.members[i].node.read_index(b"read %d" % i)
    cluster.settle()
    assert cluster.members[1].reads == {b"read 1": commit}
    assert cluster.members[2].reads == {b"read 2": commit}


def test_a_read_without_a_quorum_is_not_confirmed(make: Make) -> None:
    cluster = make(3)
    cluster.cut_off = {2, 3}
    cluster.members[1].node.read_index(b"read")
    cluster.tick(3)
    assert cluster.members[1].reads == {}


# ---------------------------------------------------------------- restart, snapshots


def durable(directory: Path) -> Callable[[int], libraft.Storage]:
    return lambda i: libraft.DurableStorage(directory / str(i))


def test_a_node_restarts_from_its_directory(make: Make, tmp_path: Path) -> None:
    cluster = make(3, durable(tmp_path))
    for number in range(20):
        cluster.leader.node.propose(b"%d" % number)
        cluster.settle()
    before = cluster.members[2]
    status = before.node.status()
    before.close()
    again = Member(config(2), libraft.DurableStorage(tmp_path / "2"))
    restarted = again.node.status()
    assert (restarted.term, restarted.vote, restarted.last_index) == (status.term, status.vote, status.last_index)
    again.work(lambda messages: None)
    cluster.members[2] = again
    cluster.tick(2)
    assert again.commands == before.commands == [b"%d" % number for number in range(20)]


def test_all_nodes_restart_at_once(tmp_path: Path) -> None:
    cluster = Cluster.of(3, durable(tmp_path))
    cluster.leader.node.propose(b"kept")
    cluster.settle()
    cluster.close()
    cluster = Cluster([Member(config(i), libraft.DurableStorage(tmp_path / str(i))) for i in (1, 2, 3)])
    cluster.tick(30)
    cluster.leader.node.propose(b"new")
    cluster.settle()
    for member in cluster.members.values():
        assert member.commands == [b"kept", b"new"]
        assert not member.storage.recovery_report().crashed
    cluster.close()


@pytest.mark.parametrize("kind", ["memory", "durable"])
def test_a_follower_that_lags_is_brought_up_by_a_snapshot(make: Make, tmp_path: Path, kind: str) -> None:
    cluster = make(3, durable(tmp_path)) if kind == "durable" else make(3)
    cluster.cut_off = {3}
    leader = cluster.leader
    for number in range(50):
        leader.node.propose(b"%d" % number)
        cluster.settle()
    for member in (cluster.members[1], cluster.members[2]):
        conf_state = member.node.conf_state()
        member.storage.create_snapshot(member.applied, member.snapshot_data(), conf_state.encoded)
        member.storage.compact(member.applied - 4)
        assert member.storage.first_index() == member.applied - 4
        with pytest.raises(libraft.Compacted):
            member.storage.entries(2, 10)
    leader.node.propose(b"last")
    cluster.settle()
    cluster.cut_off = set()
    # The leader may find that its follower lags without having heard of the compaction, from
    # what it holds in memory; only a leader that starts anew has nothing but the storage.
    cluster.members[1].node.close()
    cluster.members[1] = Member(config(1), cluster.members[1].storage)
    cluster.tick(40)
    follower = cluster.members[3]
    assert follower.commands == [b"%d" % number for number in range(50)] + [b"last"]
    assert follower.storage.snapshot().conf_state.voters == (1, 2, 3)


def test_the_requests_of_a_node_may_be_answered_by_the_host() -> None:
    storage = libraft.MemoryStorage()
    storage.bootstrap([1])
    member = Member(config(1), storage)
    member.node.campaign()
    member.work(lambda messages: None)
    for number in range(10):
        member.node.propose(b"%d" % number)
        member.work(lambda messages: None)
    member.node.close()
    # A restarted node holds no entries, and so asks for what is to be applied.
    node = RawNode.restart(config(1), storage.restart_state())
    ready = node.ready()
    (read,) = ready.reads
    node.advance()
    with pytest.raises(libraft.WrongAnswer):
        node.provide_entries(read.id, [entry.encoded for entry in storage.entries(read.low + 1, read.high)])
    node.tick()
    (again,), snapshots = node.take_requests()
    assert snapshots == () and node.take_requests() == ((), ())
    assert again.id != read.id and (again.low, again.high) == (read.low, read.high)
    entries = storage.entries(again.low, again.high, again.max_bytes)
    node.provide_entries(again.id, [entry.encoded for entry in entries])
    committed = node.ready().committed_entries
    assert [entry.data for entry in committed if entry.data] == [b"%d" % number for number in range(10)]
    assert list(committed) == entries
    node.close()


# ---------------------------------------------------------------- membership


def test_a_member_is_added_and_removed(make: Make) -> None:
    cluster = make(3)
    leader = cluster.leader
    leader.node.propose_conf_change(ConfChangeType.ADD_NODE, 4, b"address")
    cluster.settle()
    assert leader.node.conf_state().voters == (1, 2, 3, 4)
    # What a new member needs is a snapshot that knows of it.
    leader.storage.create_snapshot(leader.applied, leader.snapshot_data(), leader.node.conf_state().encoded)
    cluster.members[4] = Member(config(4), libraft.MemoryStorage())
    cluster.tick(5)
    leader.node.propose(b"for four")
    cluster.settle()
    assert cluster.members[4].storage.snapshot().index > 0
    assert cluster.members[4].commands == [b"for four"]
    assert cluster.members[4].node.conf_state().voters == (1, 2, 3, 4)
    leader.node.propose_conf_change(ConfChangeType.REMOVE_NODE, 4)
    cluster.settle()
    assert leader.node.conf_state().voters == (1, 2, 3)
    assert [progress.id for progress in leader.node.progress()] == [1, 2, 3]


def test_several_members_change_through_a_joint_configuration(make: Make) -> None:
    cluster = make(3)
    steps = (
        ConfChangeSingle(ConfChangeType.REMOVE_NODE, 2),
        ConfChangeSingle(ConfChangeType.ADD_LEARNER_NODE, 5),
    )
    encoded = libraft.encode_conf_change(steps, Transition.JOINT_IMPLICIT, b"context")
    decoded = libraft.decode_conf_change(EntryType.CONF_CHANGE_V2, encoded)
    assert decoded == ConfChange(steps, Transition.JOINT_IMPLICIT, b"context")
    cluster.leader.node.propose_conf_change_encoded(EntryType.CONF_CHANGE_V2, encoded)
    cluster.settle()
    state = cluster.leader.node.conf_state()
    assert (state.voters, state.learners, state.voters_outgoing) == ((1, 3), (5,), ())


def test_a_refused_change_lets_the_next_one_through() -> None:
    storage = libraft.MemoryStorage()
    storage.bootstrap([1])
    with RawNode(config(1), storage) as node:
        node.campaign()
        changes = []

        def work() -> None:
            while node.has_ready():
                ready = node.ready()
                storage.save(ready)
                for entry in ready.committed_entries:
                    if entry.type == EntryType.CONF_CHANGE:
                        changes.append(entry.conf_change())
                        node.reject_conf_change()
                node.advance()

        work()
        for node_id in (2, 3):
            node.propose_conf_change(ConfChangeType.ADD_NODE, node_id, b"context %d" % node_id)
            work()
        assert [change.changes[0].node_id for change in changes] == [2, 3]
        assert [change.context for change in changes] == [b"context 2", b"context 3"]
        assert node.conf_state().voters == (1,)


# ---------------------------------------------------------------- garbage


def test_garbage_changes_nothing(make: Make) -> None:
    cluster = make(3)
    cluster.leader.node.propose(b"x")
    cluster.settle()
    node = cluster.members[2].node
    chance = random.Random(1)
    good = [message.encoded for message in messages_of(cluster)]
    before = node.status_encoded()
    refused = 0
    for _ in range(3000):
        garbage = bytearray(chance.choice(good)) if chance.random() < 0.5 else bytearray(chance.randbytes(40))
        for _ in range(chance.randrange(1, 4)):
            garbage[chance.randrange(len(garbage))] = chance.randrange(256)
        try:
            libraft.Message.decode(garbage)
        except libraft.PeerError:
            refused += 1
            with pytest.raises(libraft.PeerError):
                node.step(garbage)
            with pytest.raises(libraft.PeerError):
                node.step_many(bytes([len(garbage)]) + garbage)
            assert node.status_encoded() == before
    assert refused > 1000
    # The cluster goes on.
    cluster.tick(2)
    cluster.leader.node.propose(b"y")
    cluster.settle()
    assert cluster.members[2].commands == [b"x", b"y"]


def test_what_a_liar_sends_does_no_harm_to_the_process(make: Make) -> None:
    cluster = make(3)
    node = cluster.members[2].node
    chance = random.Random(2)
    good = [message.encoded for message in messages_of(cluster)]
    for _ in range(3000):
        lie = bytearray(chance.choice(good))
        lie[chance.randrange(len(lie))] = chance.randrange(128)
        try:
            node.step(lie)
        except (libraft.PeerError, libraft.ProposalDropped):
            pass
        cluster.members[2].work(lambda messages: None)
    assert node.status().id == 2


def messages_of(cluster: Cluster) -> list[libraft.Message]:
    """Messages as they come, of many kinds."""
    seen: list[libraft.Message] = []
    deliver = cluster.deliver

    def watch(message: libraft.Message) -> None:
        seen.append(message)
        deliver(message)

    cluster.deliver = watch  # type: ignore[method-assign]
    cluster.tick(3)
    cluster.members[2].node.read_index(b"context")
    cluster.settle()
    cluster.deliver = deliver  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize(
    ("number", "error"),
    [(0, libraft.LocalMessage), (1, libraft.LocalMessage), (12, libraft.LocalMessage), (99, libraft.MalformedMessage)],
)
def test_kinds_that_do_not_travel_are_refused(make: Make, number: int, error: type[Exception]) -> None:
    node = make(3).members[2].node
    message = bytes([0x08, number, 0x10, 2, 0x18, 1])
    with pytest.raises(error):
        node.step(message)
    with pytest.raises(libraft.PeerError):
        libraft.Message.decode(message)


def test_of_several_messages_all_decode_or_none_is_taken(make: Make) -> None:
    cluster = make(3)
    node = cluster.members[2].node
    heartbeat = next(m for m in messages_of(cluster) if m.type == libraft.MessageType.HEARTBEAT and m.to == 2)
    frame = bytes([len(heartbeat)]) + heartbeat.encoded
    with pytest.raises(libraft.MalformedMessage):
        node.step_many(frame + b"\x05ab")
    assert not node.has_ready()
    node.step_many(memoryview(frame + frame))
    assert node.has_ready()
