"""What libraft can do beyond etcd-io/raft, from Python."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libraft import Config, ConfigError, MemoryStorage, MisuseError, RawNode, Role, SnapshotRequestDropped
from raw_cluster import Cluster, config


def test_a_voter_refuses_a_candidate_of_lower_priority() -> None:
    cluster = Cluster.of(3)
    for node_id in (1, 2):
        cluster.members[node_id].node.set_priority(1)
    node = cluster.members[3].node
    # An election that the leader has asked for is held in spite of its lease, but not of priorities.
    cluster.members[1].node.transfer_leader(3)
    cluster.settle()
    assert node.status().role != Role.LEADER
    node.set_priority(1)
    node.campaign()
    cluster.settle()
    assert node.status().role == Role.LEADER
    cluster.close()


def test_election_timeouts_keep_to_their_bounds() -> None:
    storage = MemoryStorage()
    storage.bootstrap([1, 2])
    bounded = replace(config(1), election_ticks=10, min_election_ticks=30, max_election_ticks=31, priority=-3)
    node = RawNode(bounded, storage)
    for _ in range(29):
        node.tick()
    assert node.status().role == Role.FOLLOWER
    node.tick()
    assert node.status().role != Role.FOLLOWER
    node.close()
    with pytest.raises(ConfigError, match="max_election_ticks"):
        Config(id=1, min_election_ticks=20)


def test_group_commit_waits_for_a_second_group() -> None:
    cluster = Cluster.of(3)
    member = cluster.members[1]
    member.node.assign_commit_groups({1: 1, 2: 1, 3: 2})
    member.node.enable_group_commit(True)
    assert member.node.is_group_commit_consistent() is True
    assert cluster.members[2].node.is_group_commit_consistent() is None
    with pytest.raises(MisuseError):
        member.node.assign_commit_groups({1: 0})
    cluster.cut_off = {3}
    member.node.propose(b"a")
    cluster.settle()
    assert member.commands == []
    member.node.clear_commit_groups()
    member.node.enable_group_commit(False)
    cluster.settle()
    assert member.commands == [b"a"]
    cluster.close()


def test_a_follower_gets_the_snapshot_that_it_asks_for() -> None:
    cluster = Cluster.of(3)
    leader, follower = cluster.members[1], cluster.members[2]
    leader.node.propose(b"a")
    cluster.settle()
    cluster.tick()
    with pytest.raises(SnapshotRequestDropped, match="leads"):
        leader.node.request_snapshot()
    before = follower.storage.snapshot().index
    follower.node.request_snapshot()
    cluster.tick(2)
    assert follower.storage.snapshot().index == before
    leader.storage.create_snapshot(leader.applied, leader.snapshot_data())
    cluster.tick(2)
    assert follower.storage.snapshot().index == leader.applied
    assert follower.commands == [b"a"]
    cluster.close()


def test_the_window_to_a_member_can_be_set() -> None:
    cluster = Cluster.of(3)
    node = cluster.members[1].node
    cluster.cut_off = {3}
    node.set_inflight_limits(3, 1)
    for _ in range(3):
        node.propose(b"a")
        cluster.settle()
    waiting = node.progress()[2]
    assert waiting.inflight_full
    node.set_inflight_limits(3, 8, 1 << 20)
    cluster.settle()
    assert node.progress()[2].next_index == waiting.next_index + 2
    with pytest.raises(MisuseError):
        node.set_inflight_limits(0, 1)
    cluster.close()


def test_what_may_run_ahead_of_the_disk_can_be_set() -> None:
    storage = MemoryStorage()
    storage.bootstrap([1])
    node = RawNode(replace(config(1), async_storage_writes=True, max_apply_unpersisted_entries=4), storage)
    node.set_max_apply_unpersisted_entries(8)
    node.campaign()
    # The only voter commits nothing before it has persisted it, whatever the limit.
    assert node.ready().committed_entries == ()
    node.close()
