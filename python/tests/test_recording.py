"""Recordings from Python: what nodes have shown comes out again, and what is no recording is refused."""

from __future__ import annotations

import asyncio

import pytest

import libraft
from libraft import Config, MemoryStorage, RawNode, RecordingError, RecordingState, replay
from libraft.aio import Node, StateMachine


def alone(record_bytes: int) -> tuple[RawNode, MemoryStorage]:
    storage = MemoryStorage()
    storage.bootstrap([1])
    return RawNode(Config(id=1, seed=7, record_bytes=record_bytes), storage), storage


def work(node: RawNode, storage: MemoryStorage) -> list[bytes]:
    seen = []
    while node.has_ready():
        ready = node.ready()
        seen.append(bytes(ready.encoded))
        storage.save(ready)
        node.advance()
    return seen


def test_a_replay_shows_what_the_node_has_shown() -> None:
    node, storage = alone(1 << 20)
    node.campaign()
    seen = work(node, storage)
    for number in range(20):
        node.propose(b"x" * 10 * number)
    seen += work(node, storage)
    assert node.record_state()[0] == RecordingState.ON
    recording = node.record_take()
    assert node.record_state()[1] == 0
    first = replay(recording)
    assert list(first.readys) == seen
    assert (first.ready_count, first.differs_at, first.end) == (len(seen), 0, RecordingState.ON)

    node.record_note("here")
    node.tick()
    node.record_stop()
    whole = replay(recording + node.record_take(), 0)
    assert (whole.calls, whole.end, whole.readys) == (first.calls + 2, RecordingState.STOPPED, ())


def test_a_full_recording_says_so() -> None:
    node, _ = alone(512)
    for _ in range(200):
        node.tick()
    state, waiting = node.record_state()
    assert state == RecordingState.FULL and waiting <= 512
    assert replay(node.record_take()).end == RecordingState.FULL


def test_what_is_no_recording_is_refused() -> None:
    node, storage = alone(1 << 20)
    node.campaign()
    work(node, storage)
    recording = node.record_take()
    damaged = bytearray(recording)
    damaged[len(damaged) // 2] ^= 1
    for bad in (b"", b"something else", recording[:-1], recording[1:], damaged):
        with pytest.raises(RecordingError):
            replay(bad)
    with pytest.raises(libraft.ArgumentError, match="max_bytes"):
        replay(recording, 3)
    assert replay(memoryview(recording)).differs_at == 0
    with pytest.raises(libraft.ConfigError, match="record_bytes"):
        alone(255)
    unrecorded, _ = alone(0)
    assert unrecorded.record_state() == (RecordingState.OFF, 0)
    assert unrecorded.record_take() == b""
    with pytest.raises(RecordingError):
        replay(unrecorded.record_take())


def test_an_asyncio_node_hands_over_what_is_left() -> None:
    async def main() -> bytes:
        storage = MemoryStorage()
        storage.bootstrap([1])
        config = Config(id=1, seed=7, record_bytes=1 << 20)
        async with Node(config, storage, StateMachine(), send=lambda _: None, tick_s=0.01) as node:
            recording = node.record_take()
            await node.wait_leader()
        return recording + node.record_take() + node.record_take()

    report = replay(asyncio.run(main()))
    assert (report.differs_at, report.end) == (0, RecordingState.ON)
    assert report.ready_count > 1
