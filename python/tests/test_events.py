"""What a RawNode tells its host of itself: events, reports of drops, counters."""

from __future__ import annotations

import libraft
from libraft import Config, DropKind, DropReason, EntryType, EventType, MemoryStorage, RawNode, Ready


def group(size: int) -> dict[int, tuple[RawNode, MemoryStorage]]:
    nodes = {}
    for i in range(1, size + 1):
        storage = MemoryStorage()
        storage.bootstrap(list(range(1, size + 1)))
        nodes[i] = (RawNode(Config(id=i, seed=i, peer_reports=True), storage), storage)
    return nodes


def settle(nodes: dict[int, tuple[RawNode, MemoryStorage]]) -> dict[int, list[Ready]]:
    """Works and delivers until nobody has anything to do. The Readys of each node."""
    readys: dict[int, list[Ready]] = {i: [] for i in nodes}
    while any(node.has_ready() for node, _ in nodes.values()):
        for i, (node, storage) in nodes.items():
            if node.has_ready():
                ready = node.ready()
                storage.save(ready)
                readys[i].append(ready)
                for message in ready.messages:
                    nodes[message.to][0].step(message.encoded)
                node.advance()
    return readys


def test_an_election_is_told_in_events_and_counted() -> None:
    nodes = group(3)
    nodes[1][0].campaign()
    events = [event for ready in settle(nodes)[1] for event in ready.events]
    kinds = [event.type for event in events]
    assert kinds.count(EventType.ELECTION_WON) == 1
    started = [event for event in events if event.type == EventType.CAMPAIGN_STARTED]
    assert [event.reason for event in started] == ["RAFT_TRIGGER_HOST", "RAFT_TRIGGER_PRE_ELECTION_WON"]
    assert [event.kind for event in started] == ["RAFT_CAMPAIGN_PRE_ELECTION", "RAFT_CAMPAIGN_ELECTION"]
    metrics = nodes[1][0].metrics()
    assert (metrics.elections_won, metrics.elections_started, metrics.events_lost) == (1, 1, 0)
    assert nodes[1][0].status().removed_as_of == 0


def test_events_alone_make_no_ready() -> None:
    node, _ = group(1)[1]
    try:
        node.step(b"\xff")
    except libraft.MalformedMessage:
        pass
    assert not node.has_ready()
    (event,) = node.ready().events
    assert (event.type, event.reason) == (EventType.MESSAGE_REFUSED, "RAFT_REFUSED_MALFORMED")
    assert node.metrics().messages_refused == 1


def test_a_follower_is_told_that_its_change_was_refused() -> None:
    nodes = group(3)
    nodes[1][0].campaign()
    settle(nodes)
    # There is no joint configuration to leave, which the leader knows.
    nodes[2][0].propose_conf_change_encoded(EntryType.CONF_CHANGE_V2, b"")
    readys = settle(nodes)
    (dropped,) = [dropped for ready in readys[2] for dropped in ready.dropped]
    assert (dropped.kind, dropped.reason) == (DropKind.CONF_CHANGE, DropReason.NOT_JOINT)
    assert not any(ready.dropped for i in (1, 3) for ready in readys[i])
    assert nodes[2][0].metrics().reports_received == 1
