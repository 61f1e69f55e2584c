"""The asyncio driver: clusters in one event loop, with a network that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

import libraft
from libraft import ConfChange, ConfChangeType, Config, Entry, MemoryStorage, Message, SnapshotStatus
from libraft.aio import HEADER_BYTES, Node, NodeStopped, OutcomeUnknown, Rejected, SnapshotPolicy, StateMachine

TICK_S = 0.01
DEADLINE_S = 60
"""Only so that a failure ends: no verdict depends on how long something takes."""


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test in an event loop of its own; whatever the loop complains about fails it."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        complaints: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            async with asyncio.timeout(DEADLINE_S):
                await test(*arguments, **named)
            gc.collect()
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not others, f"tasks are left over: {others}"

        asyncio.run(main())
        assert complaints == []

    return run


class Words(StateMachine):
    """A list of words, each one once. `bad` is rejected, `boom` is a defect."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.members: dict[int, str] = {}
        self.restored = 0
        self.snapshots = 0

    def apply(self, index: int, command: bytes) -> Any:
        word = command.decode()
        if word == "bad":
            raise Rejected("no such word")
        if word == "boom":
            raise ZeroDivisionError("a defect")
        if word == "slow":
            return self.apply_later(index)
        if word not in self.words:
            self.words.append(word)
        return index, len(self.words)

    async def apply_later(self, index: int) -> tuple[int, int]:
        await asyncio.sleep(0)
        self.words.append("slow")
        return index, len(self.words)

    def apply_conf_change(self, entry: Entry, change: ConfChange) -> str:
        (step,) = change.changes
        if change.context == b"refuse":
            raise Rejected("not this one")
        self.members[step.node_id] = change.context.decode()
        return f"change at {entry.index}"

    def snapshot(self) -> Callable[[], bytes]:
        self.snapshots += 1
        words, members = list(self.words), dict(self.members)

        def encode() -> bytes:
            assert threading.current_thread() is not threading.main_thread()
            return json.dumps([words, list(members.items())]).encode()

        return encode

    async def restore(self, index: int, data: bytes) -> None:
        await asyncio.sleep(0)
        self.restored += 1
        words, members = json.loads(data)
        self.words, self.members = words, dict(members)


EMPTY = b"[[], []]"


def member(i: int, **settings: Any) -> Config:
    """Election timeouts that are long enough for a busy machine."""
    return Config(id=i, seed=i, election_ticks=20, **settings)


class Network:
    """Nodes in one loop. A message arrives in a later turn of the loop, or not at all."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.machines: dict[int, Words] = {}
        self.cut_off: set[int] = set()

    def node(self, i: int, storage: Any, **given: Any) -> Node:
        options: dict[str, Any] = {"tick_s": TICK_S, "send": self.sender(i), "config": member(i)} | given
        self.machines[i] = Words()
        self.nodes[i] = Node(storage=storage, machine=self.machines[i], **options)
        return self.nodes[i]

    def sender(self, sender: int) -> Callable[[Sequence[Message]], None]:
        def send(messages: Sequence[Message]) -> None:
            for message in messages:
                asyncio.get_running_loop().call_soon(self.deliver, message)

        return send

    def deliver(self, message: Message) -> None:
        receiver = self.nodes.get(message.to)
        arrives = receiver is not None and not self.cut_off & {message.to, message.from_}
        if receiver is not None and arrives:
            try:
                receiver.step(message.encoded)
            except (libraft.PeerError, libraft.ProposalDropped, NodeStopped):
                arrives = False
        if message.type == libraft.MessageType.SNAP:
            status = SnapshotStatus.FINISH if arrives else SnapshotStatus.FAILURE
            self.nodes[message.from_].report_snapshot(message.to, status)

    async def leader(self, among: Sequence[int] | None = None) -> Node:
        """Waits until these nodes agree on a leader."""
        while True:
            nodes = [self.nodes[i] for i in among or self.nodes]
            leaders = {node.status().leader for node in nodes}
            (leader,) = leaders if len(leaders) == 1 else (0,)
            if leader and self.nodes[leader].status().role == libraft.Role.LEADER:
                return self.nodes[leader]
            await asyncio.sleep(TICK_S)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(TICK_S)


async def propose(node: Node, word: str) -> Any:
    """Proposes until it is clear that it was applied, as a client with idempotent commands does."""
    while True:
        try:
            async with asyncio.timeout(1):
                return await node.propose(word.encode())
        except (libraft.ProposalDropped, OutcomeUnknown, TimeoutError):
            await asyncio.sleep(TICK_S)


@contextlib.asynccontextmanager
async def cluster(storages: Sequence[Any], **options: Any) -> AsyncIterator[Network]:
    network = Network()
    async with contextlib.AsyncExitStack() as stack:
        for i, storage in enumerate(storages, 1):
            await stack.enter_async_context(network.node(i, storage, **options))
        yield network


def fresh(count: int, make: Callable[[int], libraft.Storage] = lambda _: MemoryStorage()) -> list[libraft.Storage]:
    """Storages of a new group."""
    storages = [make(i) for i in range(1, count + 1)]
    for storage in storages:
        storage.bootstrap(list(range(1, count + 1)), index=1, term=1, data=EMPTY)
    return storages


# ---------------------------------------------------------------- watching


@in_a_loop
async def test_the_host_is_told_events_and_may_look_at_the_members() -> None:
    told: list[libraft.Event] = []
    async with cluster(fresh(3), on_events=told.extend) as network:
        leader = await network.leader()
        await network.until(lambda: any(event.type == libraft.EventType.ELECTION_WON for event in told))
        won = next(event for event in told if event.type == libraft.EventType.ELECTION_WON)
        assert won.term >= 2 and won.from_ >= 2
        for node in network.nodes.values():
            assert node.conf_state is not None and node.conf_state.voters == (1, 2, 3)
            expected = [1, 2, 3] if node is leader else []
            assert [member.id for member in node.progress()] == expected
    assert leader.progress() == ()


# ---------------------------------------------------------------- commands and reads


@in_a_loop
async def test_three_nodes_in_one_loop_apply_the_same() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        results = []
        for number, node in enumerate(network.nodes.values()):
            results.append(await node.propose(b"word %d" % number))
        indexes = [index for index, _ in results]
        assert indexes == sorted(indexes) and [count for _, count in results] == [1, 2, 3]
        for node in network.nodes.values():
            assert await node.read_index() >= indexes[-1]
            assert network.machines[node.id].words == ["word 0", "word 1", "word 2"]
        assert leader.waiting == 0


@in_a_loop
async def test_many_at_once_are_all_answered() -> None:
    async with cluster(fresh(3)) as network:
        await network.leader()
        nodes = list(network.nodes.values())
        words = [f"w{number}" for number in range(300)]
        await asyncio.gather(*(nodes[number % 3].propose(word.encode()) for number, word in enumerate(words)))
        indexes = await asyncio.gather(*(node.read_index() for node in nodes for _ in range(100)))
        assert len(indexes) == 300
        assert all(sorted(machine.words) == sorted(words) for machine in network.machines.values())
        assert network.machines[1].words == network.machines[2].words == network.machines[3].words


@in_a_loop
async def test_a_machine_may_answer_later_or_reject() -> None:
    async with cluster(fresh(1)) as network:
        node = await network.leader()
        assert (await node.propose(b"slow"))[1] == 1
        with pytest.raises(Rejected, match="no such word"):
            await node.propose(b"bad")
        assert (await node.propose(b"next"))[1] == 2
        assert network.machines[1].words == ["slow", "next"]


@in_a_loop
async def test_entries_without_a_header_are_skipped() -> None:
    storage = fresh(1)[0]
    with libraft.RawNode(Config(id=1), storage) as raw:
        raw.campaign()
        while raw.has_ready():
            storage.save(raw.ready())
            raw.advance()
        raw.propose_many([b"short", b"x" * (HEADER_BYTES - 1), b"x" * HEADER_BYTES, bytes(HEADER_BYTES) + b"whole"])
        raw.propose_conf_change(ConfChangeType.ADD_NODE, 9, b"short")
        while raw.has_ready():
            ready = raw.ready()
            storage.save(ready)
            raw.advance()
    async with cluster([storage]) as network:
        await network.leader()
        await network.nodes[1].read_index()
        assert network.machines[1].words == ["", "whole"]
        assert network.machines[1].members == {}


@in_a_loop
async def test_without_a_leader_proposals_and_reads_are_dropped() -> None:
    async with cluster(fresh(3)[:1]) as network:
        node = network.nodes[1]
        with pytest.raises(libraft.ProposalDropped):
            await node.propose(b"x")
        with pytest.raises(libraft.ReadDropped):
            await node.read_index()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await node.wait_leader()


@in_a_loop
async def test_whoever_waits_hears_when_the_leader_is_lost() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        network.cut_off = {leader.id}
        with pytest.raises(OutcomeUnknown):
            await leader.propose(b"lost")
        others = [i for i in network.nodes if i != leader.id]
        successor = await network.leader(others)
        await propose(successor, "kept")
        read = asyncio.create_task(leader.read_index())
        await asyncio.sleep(0)
        network.cut_off = set()
        await network.until(lambda: network.machines[leader.id].words == ["kept"])
        with contextlib.suppress(libraft.ReadDropped):
            assert await read >= successor.applied - 1
        await propose(leader, "again")
        assert network.machines[successor.id].words == ["kept", "again"]


@in_a_loop
async def test_a_read_that_got_lost_is_asked_for_again() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        follower = next(node for node in network.nodes.values() if node is not leader)
        lost: list[Message] = []
        deliver = network.deliver

        def lossy(message: Message) -> None:
            if message.type == libraft.MessageType.READ_INDEX and len(lost) < 2:
                lost.append(message)
            else:
                deliver(message)

        network.deliver = lossy  # type: ignore[method-assign]
        assert await follower.read_index() > 0
        # Each try had a name of its own.
        assert len(lost) == 2 and lost[0].encoded != lost[1].encoded


@in_a_loop
async def test_a_caller_that_goes_away_leaves_nothing_behind() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        network.cut_off = {node.id for node in network.nodes.values()} - {leader.id}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await leader.propose(b"x")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await leader.read_index()
        assert leader.waiting == 0
        assert not [batch for batch in leader._asked.values() if batch.readers]
        ticks = leader._ticks
        await network.until(lambda: leader._ticks > ticks + 5)
        assert not leader._asked


# ---------------------------------------------------------------- members, snapshots, restarts


@in_a_loop
async def test_members_are_added_refused_and_removed() -> None:
    async with cluster(fresh(3)) as network:
        leader = await network.leader()
        await leader.propose(b"before")
        with pytest.raises(Rejected, match="not this one"):
            await leader.propose_conf_change(ConfChangeType.ADD_NODE, 4, b"refuse")
        async with network.node(4, MemoryStorage()) as added:
            result = await leader.propose_conf_change(ConfChangeType.ADD_NODE, 4, b"address of 4")
            assert result.startswith("change at ")
            await added.wait_leader()
            await network.until(lambda: network.machines[4].words == ["before"])
            # It came by a snapshot, since its first entries would not tell it of the others.
            assert network.machines[4].restored == 1
            await added.propose(b"from the new one")
            assert network.machines[4].members == {4: "address of 4"}
            await leader.propose_conf_change(ConfChangeType.REMOVE_NODE, 4)
        del network.nodes[4]
        assert (await leader.propose(b"after"))[1] == 3


@in_a_loop
async def test_a_log_is_compacted_and_a_laggard_brought_up_by_a_snapshot(tmp_path: Path) -> None:
    storages = fresh(3, lambda i: libraft.DurableStorage(tmp_path / str(i)))
    policy = SnapshotPolicy(after_entries=50, keep_entries=10)
    async with cluster(storages, snapshots=policy) as network:
        await network.leader()
        network.cut_off = {3}
        leader = await network.leader([1, 2])
        words = [f"w{number}" for number in range(200)]
        for first in range(0, 200, 20):
            await asyncio.gather(*(propose(leader, word) for word in words[first : first + 20]))
        await network.until(lambda: all(storage.first_index() > 100 for storage in storages[:2]))
        assert storages[leader.id - 1].snapshot().conf_state.voters == (1, 2, 3)
        network.cut_off = set()
        await network.until(lambda: len(network.machines[3].words) == 200)
        assert network.machines[3].words == network.machines[leader.id].words
        assert sorted(network.machines[3].words) == sorted(words)
        assert network.machines[3].restored == 2
        assert network.nodes[3].snapshot_index > 100
    for storage in storages:
        storage.close()


@in_a_loop
async def test_nodes_restart_from_their_directories(tmp_path: Path) -> None:
    storages = fresh(3, lambda i: libraft.DurableStorage(tmp_path / str(i)))
    policy = SnapshotPolicy(after_entries=20, keep_entries=5)
    async with cluster(storages, snapshots=policy) as network:
        leader = await network.leader()
        for number in range(50):
            await propose(leader, f"w{number}")
    for storage in storages:
        storage.close()
    storages = [libraft.DurableStorage(tmp_path / str(i)) for i in (1, 2, 3)]
    async with cluster(storages, snapshots=policy) as network:
        leader = await network.leader()
        await propose(leader, "after")
        for node in network.nodes.values():
            while True:
                with contextlib.suppress(libraft.ReadDropped):
                    await node.read_index()
                    break
            assert network.machines[node.id].words == [*(f"w{number}" for number in range(50)), "after"]
            assert network.machines[node.id].restored == 1
    for storage in storages:
        storage.close()


class Foreign:
    """A storage that is none of libraft's, on top of one that is."""

    def __init__(self, inner: libraft.Storage) -> None:
        self.inner = inner
        self.saved = 0

    def save(self, ready: libraft.Ready) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.saved += 1
        self.inner.append(
            hard_state=ready.hard_state,
            entries=[entry.encoded for entry in ready.entries],
            snapshot=ready.snapshot.encoded if ready.snapshot else None,
            must_sync=ready.must_sync,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@in_a_loop
async def test_a_storage_may_be_somebody_elses() -> None:
    storages = [Foreign(storage) for storage in fresh(3)]
    options = {"snapshots": SnapshotPolicy(after_entries=50, keep_entries=10)}
    network = Network()
    async with contextlib.AsyncExitStack() as stack:
        for i, storage in enumerate(storages, 1):
            config = member(i, max_cached_bytes=0)
            await stack.enter_async_context(network.node(i, storage, config=config, **options))
        leader = await network.leader()
        behind = next(i for i in network.nodes if i != leader.id)
        network.cut_off = {behind}
        for number in range(30):
            await propose(leader, f"w{number}")
        # Not held in memory, so that they are read from the storage ..
        network.cut_off = set()
        await network.until(lambda: len(network.machines[behind].words) == 30)
        assert network.machines[behind].restored == 1
        network.cut_off = {behind}
        leader = await network.leader([i for i in network.nodes if i != behind])
        for first in range(30, 200, 17):
            await asyncio.gather(*(propose(leader, f"w{number}") for number in range(first, first + 17)))
        await network.until(lambda: storages[leader.id - 1].first_index() > 100)
        # .. or are there no more.
        network.cut_off = set()
        await network.until(lambda: len(network.machines[behind].words) == 200)
        assert network.machines[behind].restored == 2
    assert all(storage.saved > 0 for storage in storages)


@in_a_loop
async def test_a_machine_with_a_state_of_its_own_is_not_restored() -> None:
    (storage,) = fresh(1)
    async with cluster([storage]) as network:
        node = await network.leader()
        await node.propose(b"a")
        index, _ = await node.propose(b"b")
    network = Network()
    async with network.node(1, storage, config=member(1, applied=index)) as node:
        await node.wait_leader()
        await node.propose(b"c")
        assert network.machines[1].words == ["c"] and network.machines[1].restored == 0


# ---------------------------------------------------------------- ends


@in_a_loop
async def test_closing_answers_whoever_waits() -> None:
    network = Network()
    storages = fresh(3)
    nodes = [network.node(i, storage) for i, storage in enumerate(storages, 1)]
    for node in nodes:
        await node.start()
    leader = await network.leader()
    network.cut_off = {1, 2, 3}
    waiters = [
        asyncio.create_task(leader.propose(b"x")),
        asyncio.create_task(leader.read_index()),
        asyncio.create_task(leader.wait_stopped()),
    ]
    await asyncio.sleep(0)
    for node in nodes:
        await asyncio.gather(node.close(), node.close())
    answers = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(answers[0], NodeStopped) and isinstance(answers[1], NodeStopped) and answers[2] is None
    for node in nodes:
        assert node.status().id == node.id
        with pytest.raises(NodeStopped):
            node.step(b"")
        with pytest.raises(NodeStopped):
            node.campaign()
        for wait in (node.propose(b"x"), node.read_index(), node.wait_leader()):
            with pytest.raises(NodeStopped):
                await wait
        node.report_unreachable(1)
        with pytest.raises(RuntimeError):
            await node.start()


@in_a_loop
async def test_a_defect_of_the_machine_stops_the_node() -> None:
    network = Network()
    node = network.node(1, fresh(1)[0])
    await node.start()
    await network.leader()
    with pytest.raises(NodeStopped):
        await node.propose(b"boom")
    with pytest.raises(NodeStopped, match="a defect") as caught:
        await node.wait_stopped()
    assert isinstance(caught.value.__cause__, ZeroDivisionError) and node.failure is caught.value.__cause__
    assert node.status().id == 1
    await node.close()


class Failing(Foreign):
    """A storage whose disk is full from some time on."""

    full = False

    def save(self, ready: libraft.Ready) -> None:
        if self.full:
            raise libraft.StorageIOError("no space left on device")
        super().save(ready)


@in_a_loop
async def test_a_failed_write_stops_the_node_before_anything_is_sent_or_applied() -> None:
    storage = Failing(fresh(1)[0])
    sent: list[Message] = []
    network = Network()
    node = network.node(1, storage, send=sent.extend)
    await node.start()
    await network.leader()
    await node.propose(b"a")
    storage.full = True
    with pytest.raises(NodeStopped, match="no space"):
        await node.propose(b"b")
    assert network.machines[1].words == ["a"]
    await node.close()


@in_a_loop
async def test_nothing_but_appends_leaves_before_it_is_saved() -> None:
    storages = [Foreign(storage) for storage in fresh(3)]
    network = Network()
    early: list[Message] = []

    def watched(i: int) -> tuple[Foreign, Callable[[Sequence[Message]], None]]:
        storage, send = storages[i - 1], network.sender(i)

        def check(messages: Sequence[Message]) -> None:
            for message in messages:
                granted = message.type in (libraft.MessageType.VOTE, libraft.MessageType.VOTE_RESP)
                if granted and storage.inner.hard_state().term < message.term:
                    early.append(message)
            send(messages)

        return storage, check

    async with contextlib.AsyncExitStack() as stack:
        for i in (1, 2, 3):
            storage, send = watched(i)
            await stack.enter_async_context(network.node(i, storage, send=send))
        for _ in range(5):
            leader = await network.leader()
            await propose(leader, "x")
            leader.transfer_leader(leader.id % 3 + 1)
            await asyncio.sleep(5 * TICK_S)
    assert early == []


@in_a_loop
async def test_the_loop_runs_while_the_disk_is_slow() -> None:
    gate = threading.Event()

    class Slow(Foreign):
        def save(self, ready: libraft.Ready) -> None:
            if ready.entries and ready.entries[-1].data.endswith(b"slowly"):
                gate.wait(DEADLINE_S)
            super().save(ready)

    async with cluster([Slow(storage) for storage in fresh(3)]) as network:
        leader = await network.leader()
        waiting = asyncio.create_task(leader.propose(b"slowly"))
        ticks = leader._ticks
        # All three write it at once; the loop goes on, and so does time.
        await network.until(lambda: leader._ticks > ticks + 3)
        assert not waiting.done()
        gate.set()
        with contextlib.suppress(OutcomeUnknown):
            await waiting
        await network.until(lambda: all("slowly" in machine.words for machine in network.machines.values()))


@in_a_loop
async def test_closing_may_be_cancelled() -> None:
    network = Network()
    node = network.node(1, fresh(1)[0])
    await node.start()
    await network.leader()

    forever = asyncio.Event()
    network.machines[1].apply = lambda index, command: forever.wait()  # type: ignore[method-assign]
    waiting = asyncio.create_task(node.propose(b"x"))
    await network.until(lambda: node.status().commit > node.applied)
    closing = asyncio.create_task(node.close())
    await asyncio.sleep(TICK_S)
    assert not closing.done()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(NodeStopped):
        await waiting
    await node.close()


@in_a_loop
async def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    closed = MemoryStorage()
    closed.close()
    network = Network()
    node = network.node(1, closed)
    with pytest.raises(libraft.ClosedError):
        await node.start()
    await node.close()
    with pytest.raises(ValueError):
        network.node(1, MemoryStorage(), tick_s=0)
    unstarted = network.node(1, MemoryStorage())
    with pytest.raises(RuntimeError):
        await unstarted.propose(b"x")
    await unstarted.close()
