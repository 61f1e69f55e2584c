"""What the server does with bodies and with a full state, without a cluster around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

import server
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
    machine = Machine(lambda: None)
    machine.state.bytes = MAX_STATE_BYTES - 17
    with pytest.raises(Full):
        machine.apply(1, encode_command(PUT, b"k", b"v"))
    assert not machine.state.pairs and machine.state.hash == 0
    assert machine.apply(2, encode_command(PUT, b"k", b"")) == 2
