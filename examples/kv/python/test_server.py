"""What the server does with bodies and with a full state, without a cluster around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

import server
from history import KEPT_EVENTS, History
from libraft import Event, EventType
from server import MAX_BODIES, Failure, Full, Machine, Server
from state import MAX_STATE_BYTES, PUT, encode_command


class Body:
    """A body that begins with some bytes, and then may never end."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self.chunks = chunks
        self.ends = ends

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if not self.ends:
            await asyncio.Event().wait()


def read(body: Body, *, held: int = 0) -> tuple[bytes | int, int]:
    """What is read, or the status instead; and how many bytes count as held afterwards."""
    reader: Any = SimpleNamespace(body_bytes=held)
    request: Any = SimpleNamespace(content=body)
    try:
        return asyncio.run(Server.read_body(reader, request, 10)), reader.body_bytes
    except Failure as failure:
        return failure.status, reader.body_bytes


def test_bodies_are_bounded() -> None:
    assert read(Body(b"01234", b"56789")) == (b"0123456789", 0)
    assert read(Body(b"01234", b"567890")) == (413, 0)
    assert read(Body(b"0123456789"), held=MAX_BODIES - 10) == (b"0123456789", MAX_BODIES - 10)
    assert read(Body(b"0123456789"), held=MAX_BODIES - 9) == (503, MAX_BODIES - 9)


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 0)
    assert read(Body(b"01234", ends=False)) == (408, 0)


def test_a_write_without_room_is_refused_when_it_is_applied() -> None:
    machine = Machine(lambda: None, lambda what, member, index: None)
    machine.state.bytes = MAX_STATE_BYTES - 17
    with pytest.raises(Full):
        machine.apply(1, encode_command(PUT, b"k", b"v"))
    assert not machine.state.pairs and machine.state.hash == 0
    assert machine.apply(2, encode_command(PUT, b"k", b"")) == 2


def test_the_last_events_are_kept_without_tries_to_be_elected() -> None:
    history = History()
    event = Event(EventType.CAMPAIGN_STARTED, "", "RAFT_CAMPAIGN_PRE_ELECTION", 0, 2, 0, 0, 0)
    history.add_all([event, event._replace(kind="RAFT_CAMPAIGN_ELECTION"), event._replace(type=EventType.DROPPED)])
    (kept,) = history.events
    assert kept.pop("at_s") >= 0
    assert kept == {
        "n": 1,
        "type": "campaign_started",
        "reason": "",
        "kind": "RAFT_CAMPAIGN_ELECTION",
        "node": 0,
        "term": 2,
        "index": 0,
        "from": 0,
        "to": 0,
    }
    for index in range(KEPT_EVENTS):
        history.add("snapshot_made", term=2, index=index)
    assert [kept["n"] for kept in history.events] == list(range(2, KEPT_EVENTS + 2))
