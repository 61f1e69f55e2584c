"""Status, counters and events in words, against the records that say the same; and a real parser for the
text for Prometheus."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from test_events import group, settle

import libraft
from libraft import ArgumentError, Event, EventType, RawNode, log_events, prometheus_text
from libraft.aio import Node, NodeStopped, StateMachine


class Machine(StateMachine):
    """Takes every command, and keeps none."""

    def apply(self, index: int, command: bytes) -> None:
        pass


LOST = Event(EventType.ELECTION_LOST, "RAFT_LOSS_OUTVOTED", "RAFT_CAMPAIGN_ELECTION", 0, 4, 0, 1, 2)


def elected() -> dict[int, RawNode]:
    nodes = group(3)
    nodes[1][0].campaign()
    settle(nodes)
    return {i: node for i, (node, _) in nodes.items()}


def test_the_json_of_a_status_is_what_the_records_say() -> None:
    for node in elected().values():
        said = json.loads(node.status_json())
        assert set(said.pop("conf_state")) == {
            "voters",
            "learners",
            "voters_outgoing",
            "learners_next",
            "auto_leave",
        }
        assert said.pop("progress") == [json.loads(peer.to_json()) for peer in node.progress()]
        status = node.status()
        assert said == status.to_dict() == json.loads(status.to_json())
        assert set(said) == set(status._fields)
    assert elected()[1].status().to_dict()["role"] == "leader"


def test_the_json_of_the_counters_is_what_the_record_says() -> None:
    node = elected()[1]
    metrics = node.metrics()
    assert list(json.loads(node.metrics_json()).items()) == list(metrics._asdict().items())
    assert json.loads(metrics.to_json()) == metrics.to_dict() == metrics._asdict()
    assert metrics.to_dict()["elections_won"] == 1


def test_an_event_in_words() -> None:
    assert str(LOST) == "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2"
    assert LOST.to_dict() == {
        "type": "election_lost",
        "kind": "election",
        "reason": "outvoted",
        "by": 0,
        "term": 4,
        "granted": 1,
        "refused": 2,
    }
    assert LOST.level == logging.INFO
    with pytest.raises(ArgumentError, match="pass an event"):
        str(LOST._replace(reason="RAFT_LOSS_OF_TEMPER"))


def test_every_event_of_a_cluster_has_words() -> None:
    nodes = group(3)
    nodes[1][0].campaign()
    readys = settle(nodes)
    nodes[1][0].transfer_leader(2)
    told = [event for ready in (*readys[1], *settle(nodes)[1]) for event in ready.events]
    for event in told:
        fields = event.to_dict()
        assert fields.pop("type") == event.type.name.lower()
        assert str(event).split() == [
            event.type.name.lower(),
            *(f"{name}={value}" for name, value in fields.items()),
        ]
        if event.reason:
            assert event.reason.lower().endswith(f"_{fields['reason']}")
    assert {event.type for event in told} >= {EventType.ELECTION_WON, EventType.STEPPED_DOWN, EventType.FLOW_CHANGED}


def test_events_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    ignored = Event(EventType.SNAPSHOT_IGNORED, "RAFT_IGNORED_OLD", "", 2, 0, 9, 0, 0)
    removed = Event(EventType.REMOVED, "", "", 2, 0, 1 << 60, 0, 0)
    with caplog.at_level(logging.INFO, "libraft"):
        log_events([LOST, ignored, removed], node=9)
    first, second = caplog.records
    assert (first.name, first.levelno) == ("libraft", logging.INFO)
    assert first.getMessage() == f"node=9 {LOST}"
    fields = {name: value for name, value in vars(first).items() if name.startswith("raft_")}
    assert fields == {
        "raft_node": 9,
        "raft_event": "election_lost",
        "raft_kind": "election",
        "raft_reason": "outvoted",
        "raft_by": 0,
        "raft_term": 4,
        "raft_granted": 1,
        "raft_refused": 2,
    }
    assert second.levelno == logging.WARNING
    assert second.getMessage() == "node=9 removed by=2 as_of=1152921504606846976"

    caplog.clear()
    with caplog.at_level(logging.DEBUG, "another"):
        log_events([ignored], logging.getLogger("another"))
    assert caplog.record_tuples == [("another", logging.DEBUG, str(ignored))]


def families(text: str) -> dict[str, Metric]:
    found = list(text_string_to_metric_families(text))
    by_name = {family.name: family for family in found}
    assert len(by_name) == len(found), "a family is there twice"
    return by_name


def test_prometheus_reads_what_the_records_say() -> None:
    nodes = elected()
    zone = 'a "b"\n\\{é}'
    text = prometheus_text([nodes[1], (nodes[2], {"zone": zone})])
    found = families(text)
    labels = {1: {"node": "1"}, 2: {"node": "2", "zone": zone}}
    for name in libraft.Metrics._fields:
        family = found.pop(f"libraft_{name}")
        assert family.type == "counter"
        assert family.documentation.endswith(".")
        assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
            (f"libraft_{name}_total", labels[i], getattr(nodes[i].metrics(), name)) for i in (1, 2)
        ]
    # The rest are gauges; what the status says is there under its name.
    assert all(family.type == "gauge" for family in found.values())
    names = {
        "term": "term",
        "vote": "vote",
        "commit": "commit_index",
        "applied": "applied_index",
        "leader": "leader_id",
        "lead_transferee": "lead_transferee_id",
        "first_index": "first_index",
        "last_index": "last_index",
        "persisted": "persisted_index",
        "removed_as_of": "removed_as_of_index",
    }
    assert set(names) == set(libraft.Status._fields) - {"id", "role"}
    for field, name in names.items():
        samples = found.pop(f"libraft_{name}").samples
        assert [(s.labels, s.value) for s in samples] == [
            (labels[i], getattr(nodes[i].status(), field)) for i in (1, 2)
        ]
    roles = found.pop("libraft_role").samples
    assert len(roles) == 8
    assert [(s.labels["node"], s.labels["role"]) for s in roles if s.value] == [("1", "leader"), ("2", "follower")]
    assert [s.value for s in found.pop("libraft_is_leader").samples] == [1, 0]
    assert [s.value for s in found.pop("libraft_voters").samples] == [3, 3]
    assert [s.value for s in found.pop("libraft_learners").samples] == [0, 0]
    assert [s.value for s in found.pop("libraft_voters_outgoing").samples] == [0, 0]
    peers = nodes[1].progress()
    flows = found.pop("libraft_peer_flow").samples
    assert [(s.labels["peer"], s.labels["state"]) for s in flows if s.value] == [
        (str(peer.id), peer.state.name.lower()) for peer in peers
    ]
    for field in set(libraft.Progress._fields) - {"id", "state"}:
        name = {"pending_snapshot": "pending_snapshot_index"}.get(field, field)
        samples = found.pop(f"libraft_peer_{name}").samples
        assert [(s.labels["peer"], s.value) for s in samples] == [
            (str(peer.id), getattr(peer, field)) for peer in peers
        ]
    assert not found, "there is more than the records have"


def test_labels_that_cannot_be_are_refused() -> None:
    nodes = elected()
    for labels, words in [
        ({"1": "x"}, "use letters, digits and _"),
        ({"node": "x"}, "use another name"),
    ]:
        with pytest.raises(ArgumentError, match=words):
            prometheus_text([(nodes[1], labels)])
    with pytest.raises(ArgumentError, match="give each a label of its own"):
        prometheus_text([nodes[1], nodes[1]])
    assert prometheus_text([]) == ""
    nodes[1].close()
    with pytest.raises(libraft.ClosedError):
        prometheus_text([nodes[1]])


def test_a_driver_logs_its_events_and_shows_its_node(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        storage = libraft.MemoryStorage()
        storage.bootstrap([1])
        async with Node(libraft.Config(id=1), storage, Machine(), send=lambda messages: None, tick_s=0.05) as node:
            node.campaign()
            await node.wait_leader()
            await node.propose(b"x")
            assert node.metrics().elections_won == 1
            assert node.raw.metrics() == node.metrics()
            assert 'libraft_is_leader{node="1"} 1\n' in prometheus_text([node.raw])
        with pytest.raises(NodeStopped):
            node.metrics()

    with caplog.at_level(logging.INFO, "libraft"):
        asyncio.run(run())
    assert any(record.getMessage().startswith("node=1 election_won term=") for record in caplog.records)
