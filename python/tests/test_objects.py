"""The objects themselves: values, lifetimes, errors, and that misuse raises."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import re
import resource
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libraft
from libraft import Config, DurableStorage, MemoryStorage, RawNode, ReadOnlyOption
from libraft._errors import from_code
from raw_cluster import Cluster, Member, config

Make = Callable[..., Cluster]
HEADER = Path(__file__).resolve().parents[2] / "include" / "libraft.h"


def single() -> Member:
    """A node that leads itself."""
    storage = MemoryStorage()
    storage.bootstrap([1])
    member = Member(config(1), storage)
    member.node.campaign()
    member.work(lambda messages: None)
    return member


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "settings",
    [
        {"id": 0},
        {"id": libraft.LOCAL_APPLY},
        {"heartbeat_ticks": 0},
        {"election_ticks": 1},
        {"max_inflight_msgs": 0},
        {"max_inflight_bytes": 1},
        {"max_pending_reads": 0},
        {"read_only": ReadOnlyOption.LEASE_BASED, "check_quorum": False},
    ],
)
def test_a_bad_setting_is_refused_with_a_reason(settings: dict[str, Any]) -> None:
    with pytest.raises(libraft.ConfigError) as caught:
        Config(**{"id": 1} | settings)
    assert str(caught.value)
    assert caught.value.code == 3
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("settings", [{"id": -1}, {"id": 2**64}, {"id": 1, "election_ticks": 2**32}])
def test_a_number_that_does_not_fit_is_an_overflow(settings: dict[str, Any]) -> None:
    with pytest.raises(OverflowError):
        Config(**settings)


def test_an_unknown_number_for_an_option_is_refused() -> None:
    with pytest.raises(libraft.ConfigError):
        Config(id=1, read_only=7)  # type: ignore[arg-type]


def test_a_configuration_is_a_value() -> None:
    one = Config(id=3, seed=4, max_inflight_msgs=64)
    assert eval(repr(one).replace("<ReadOnlyOption.SAFE: 0>", "ReadOnlyOption.SAFE")) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.replace(one, seed=5) != one
    with pytest.raises(libraft.ConfigError):
        dataclasses.replace(one, id=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.id = 4  # type: ignore[misc]


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[bytes]:
        storage = MemoryStorage()
        storage.bootstrap([1, 2])
        said = []
        with RawNode(Config(id=1, seed=seed), storage) as node:
            for tick in range(60):
                node.tick()
                while node.has_ready():
                    ready = node.ready()
                    storage.save(ready)
                    said.append(b"%d:" % tick + ready.encoded)
                    node.advance()
        return said

    assert run(1) == run(1)
    assert len({tuple(run(seed)) for seed in range(8)}) > 1


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("enumeration", "prefix"),
    [
        (libraft.Role, "RAFT_ROLE_"),
        (libraft.EntryType, "RAFT_ENTRY_"),
        (libraft.MessageType, "RAFT_MSG_"),
        (libraft.ConfChangeType, "RAFT_CONF_CHANGE_"),
        (libraft.Transition, "RAFT_TRANSITION_"),
        (libraft.ReadOnlyOption, "RAFT_READ_ONLY_"),
        (libraft.SnapshotStatus, "RAFT_SNAPSHOT_"),
        (libraft.DropReason, "RAFT_DROP_"),
        (libraft.ReadFailure, "RAFT_READ_"),
    ],
)
def test_the_numbers_are_those_of_the_header(enumeration: Any, prefix: str) -> None:
    defines = dict(re.findall(r"#define (RAFT_\w+) (\d+)$", HEADER.read_text(), re.M))
    numbers = {name.removeprefix(prefix): int(value) for name, value in defines.items() if name.startswith(prefix)}
    if prefix == "RAFT_READ_":
        numbers = {name: value for name, value in numbers.items() if not name.startswith("ONLY_")}
    assert {member.name: member.value for member in enumeration} == numbers


def test_every_code_of_the_header_has_an_exception() -> None:
    codes = re.findall(r"#define (RAFT_ERR_\w+) (\d+)$", HEADER.read_text(), re.M)
    assert len(codes) > 20
    for name, code in codes:
        error = from_code(int(code), 0, "what happened")
        assert str(error) == "what happened" and error.code == int(code)
        assert (type(error) is libraft.RaftError) == (name == "RAFT_ERR_OTHER")
    assert from_code(12345, 0, "from a later version").code == 12345
    dropped = from_code(5, 77, "a reason of a later version")
    assert isinstance(dropped, libraft.ProposalDropped) and dropped.reason == libraft.DropReason.OTHER


# ---------------------------------------------------------------- Ready


def test_a_ready_outlives_the_next_one_and_the_node() -> None:
    member = single()
    member.node.propose(b"first payload")
    ready = member.node.ready()
    member.storage.save(ready)
    member.node.advance()
    member.node.propose_many([b"x" * 1000] * 100)
    member.work(lambda messages: None)
    view = ready.entries[0].data_view
    member.close()
    del member
    gc.collect()
    assert [entry.data for entry in ready.entries] == [b"first payload"]
    assert bytes(view) == b"first payload" and view.readonly
    assert ready.entries[0].encoded in ready.encoded
    assert ready.entries is ready.entries


def test_an_old_ready_cannot_be_saved() -> None:
    member = single()
    member.node.propose(b"x")
    old = member.node.ready()
    member.storage.save(old)
    member.node.advance()
    member.work(lambda messages: None)
    with pytest.raises(libraft.MisuseError, match="newer"):
        member.storage.save(old)
    member.node.close()
    with pytest.raises(libraft.ClosedError):
        member.storage.save(old)


def test_a_ready_needs_an_advance_before_the_next() -> None:
    member = single()
    member.node.propose(b"x")
    member.node.ready()
    with pytest.raises(libraft.MisuseError):
        member.node.ready()
    member.node.advance()
    with pytest.raises(libraft.MisuseError):
        member.node.advance()


def test_a_node_may_be_fed_while_another_thread_saves(tmp_path: Path) -> None:
    with DurableStorage(tmp_path / "s") as storage:
        storage.bootstrap([1])
        with RawNode(config(1), storage) as node:
            node.campaign()
            for _ in range(50):
                if not node.has_ready():
                    node.propose(b"x" * 1000)
                ready = node.ready()
                thread = threading.Thread(target=storage.save, args=(ready,))
                thread.start()
                node.tick()
                node.propose_many([b"y"] if node.status().leader else [])
                thread.join()
                node.advance()
            assert node.status().last_index > 40


def test_entries_and_messages_are_values(make: Make) -> None:
    cluster = make(3)
    node = cluster.leader.node
    node.propose(b"payload")
    ready = node.ready()
    (entry,) = ready.entries
    term = node.status().term
    assert (entry.term, entry.type, entry.data) == (term, libraft.EntryType.NORMAL, b"payload")
    message = ready.messages[0]
    again = libraft.Message.decode(message.encoded)
    assert again == message and hash(again) == hash(message) and len(again) == len(message.encoded)
    assert (again.to, again.from_, again.term, again.type) == (2, 1, term, libraft.MessageType.APP)
    assert message != ready.messages[1] and message != b""
    cluster.leader.storage.save(ready)
    (stored,) = cluster.leader.storage.entries(entry.index, entry.index + 1)
    assert stored == entry and hash(stored) == hash(entry) and stored.encoded == entry.encoded
    assert "APP" in repr(message) and "NORMAL" in repr(entry) and "1 entries" in repr(ready)
    with pytest.raises(libraft.ArgumentError):
        entry.conf_change()


# ---------------------------------------------------------------- misuse


def test_a_closed_node_raises_on_every_call() -> None:
    node = single().node
    node.close()
    node.close()
    assert node.closed and "closed" in repr(node) and node.id == 1
    calls: list[Callable[[], Any]] = [
        node.tick,
        node.tick_quiesced,
        node.campaign,
        node.has_ready,
        node.ready,
        node.advance,
        node.status,
        node.status_encoded,
        node.progress,
        node.conf_state,
        node.forget_leader,
        node.take_requests,
        lambda: node.set_randomized_election_timeout(1),
        node.reject_conf_change,
        lambda: node.propose(b""),
        lambda: node.propose_many([]),
        lambda: node.propose_conf_change(libraft.ConfChangeType.ADD_NODE, 2),
        lambda: node.propose_conf_change_encoded(libraft.EntryType.CONF_CHANGE_V2, b""),
        lambda: node.step(b""),
        lambda: node.step_many(b""),
        lambda: node.read_index(b"x"),
        lambda: node.report_unreachable(2),
        lambda: node.report_snapshot(2, libraft.SnapshotStatus.FINISH),
        lambda: node.transfer_leader(2),
        lambda: node.provide_entries(1, []),
        lambda: node.read_failed(1, libraft.ReadFailure.COMPACTED),
        lambda: node.provide_snapshot(1, b""),
        lambda: node.snapshot_failed(1),
        lambda: node.compacted(1),
        lambda: node.bootstrap([(1, b"")]),
        node.__enter__,
    ]
    for call in calls:
        with pytest.raises(libraft.ClosedError):
            call()


@pytest.mark.parametrize("kind", ["memory", "durable"])
def test_a_closed_storage_raises_on_every_call(kind: str, tmp_path: Path) -> None:
    storage = MemoryStorage() if kind == "memory" else DurableStorage(tmp_path / "s")
    storage.close()
    storage.close()
    assert storage.closed and "closed" in repr(storage)
    calls: list[Callable[[], Any]] = [
        storage.is_fresh,
        storage.sync,
        storage.first_index,
        storage.last_index,
        storage.hard_state,
        storage.snapshot,
        storage.restart_state,
        storage.recovery_report,
        storage.__enter__,
        lambda: storage.bootstrap([1]),
        lambda: storage.append(),
        lambda: storage.append_message(b""),
        lambda: storage.term(0),
        lambda: storage.entries(1, 2),
        lambda: storage.create_snapshot(1, b""),
        lambda: storage.compact(1),
        lambda: RawNode(config(1), storage),
    ]
    for call in calls:
        with pytest.raises(libraft.ClosedError):
            call()


def test_wrong_types_are_type_errors() -> None:
    node = single().node
    calls: list[Callable[[], Any]] = [
        lambda: node.propose("text"),  # type: ignore[arg-type]
        lambda: node.propose_many(b"one by one"),  # type: ignore[arg-type]
        lambda: node.step(None),  # type: ignore[arg-type]
        lambda: node.read_index(7),  # type: ignore[arg-type]
        lambda: RawNode(config(1), None),  # type: ignore[arg-type]
        lambda: MemoryStorage().save(None),  # type: ignore[arg-type]
        lambda: libraft.Storage(),
        lambda: libraft.Ready(),
        lambda: libraft.Entry(),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError, match=r"libraft\.Config is needed"):
        RawNode(None, MemoryStorage())  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        node.transfer_leader(-1)
    with pytest.raises(BufferError, match=r"bytes\(view\)"):
        node.propose(memoryview(b"abcd")[::2])


def test_a_node_used_by_several_threads_at_once_stays_whole() -> None:
    member = single()
    errors: list[BaseException] = []

    def use() -> None:
        for _ in range(300):
            try:
                member.node.tick()
                member.node.propose(b"x")
                if member.node.has_ready():
                    ready = member.node.ready()
                    member.storage.save(ready)
                    member.node.advance()
            except libraft.MisuseError:
                pass
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(error, libraft.RaftError) for error in errors), errors
    member.close()


# ---------------------------------------------------------------- storages


def test_a_directory_is_open_once(tmp_path: Path) -> None:
    with DurableStorage(str(tmp_path / "s")) as storage:
        assert storage.path == tmp_path / "s"
        with pytest.raises(libraft.StorageLocked, match="in use"):
            DurableStorage(tmp_path / "s")
    DurableStorage(tmp_path / "s").close()


def test_a_directory_stays_locked_until_its_nodes_are_closed(tmp_path: Path) -> None:
    storage = DurableStorage(tmp_path / "s")
    storage.bootstrap([1])
    node = RawNode(config(1), storage)
    node.campaign()
    ready = node.ready()
    storage.close()
    with pytest.raises(libraft.StorageLocked):
        DurableStorage(tmp_path / "s")
    node.close()
    # A Ready that somebody still holds is not in the way.
    assert ready.soft_state is not None
    DurableStorage(tmp_path / "s").close()


def test_the_errors_of_the_system_and_of_damage_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(libraft.StorageIOError) as caught:
        DurableStorage(tmp_path / "file" / "s")
    assert isinstance(caught.value, OSError) and isinstance(caught.value, libraft.StorageError)
    with pytest.raises(ValueError):
        DurableStorage("zero\0byte")
    with DurableStorage(tmp_path / "s") as storage:
        storage.bootstrap([1], index=1, term=1, data=b"d" * 3_000_000)
    file = tmp_path / "s" / "raft.redb"
    damaged = bytearray(file.read_bytes())
    middle = damaged.index(b"d" * 10_000) + 5_000
    damaged[middle] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(libraft.StorageCorrupt):
        DurableStorage(tmp_path / "s")


def test_a_disk_without_room_raises_and_loses_nothing(tmp_path: Path) -> None:
    command = b"x" * 20_000
    storage = DurableStorage(tmp_path / "s")
    storage.bootstrap([1])
    member = Member(config(1), storage)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Python ignores the signal that comes with it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
        member.node.campaign()
        with pytest.raises(libraft.StorageIOError, match="File too large") as caught:
            for _ in range(1000):
                member.work(lambda messages: None)
                member.node.propose(command)
        assert isinstance(caught.value, OSError)
        with pytest.raises(libraft.Poisoned, match="opened anew"):
            storage.sync()
        last = storage.last_index()
        member.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with DurableStorage(tmp_path / "s") as again:
        assert last <= again.last_index() <= last + 1
        assert [entry.data for entry in again.entries(3, last + 1)] == [command] * (last - 2)
        assert last > 10
        member = Member(config(1), again)
        member.node.campaign()
        member.work(lambda messages: None)
        assert member.commands == [command] * (again.last_index() - 3)
        member.close()


def test_a_storage_is_written_and_read_in_pieces(make: Make, tmp_path: Path) -> None:
    cluster = make(1)
    cluster.leader.node.propose(b"x")
    cluster.settle()
    source = cluster.leader.storage
    entries = source.entries(2, source.last_index() + 1)
    with DurableStorage(tmp_path / "s") as storage:
        assert storage.is_fresh()
        storage.append(
            hard_state=source.hard_state(),
            entries=[memoryview(entry.encoded) for entry in entries],
            snapshot=source.snapshot().encoded,
        )
        storage.sync()
        assert not storage.is_fresh()
        assert storage.entries(2, 4, 1) == entries[:1]
        assert storage.hard_state() == source.hard_state()
        assert (storage.first_index(), storage.last_index(), storage.term(1)) == (2, 3, 1)
        assert storage.restart_state() == source.restart_state()
        with pytest.raises(libraft.MisuseError):
            storage.bootstrap([1])
        with pytest.raises(libraft.Unavailable):
            storage.entries(2, 9)
        with pytest.raises(libraft.ArgumentError):
            storage.entries(3, 2)
        with pytest.raises(libraft.MalformedMessage):
            storage.append(entries=[b"\xff"])
        with pytest.raises(libraft.SnapshotOutOfDate):
            storage.create_snapshot(1, b"")
        with pytest.raises(libraft.Unavailable):
            storage.create_snapshot(9, b"")
        assert storage.last_index() == 3
    with MemoryStorage() as gap, pytest.raises(libraft.ArgumentError):
        gap.append(entries=[entries[1].encoded])


def test_asynchronous_writes_go_through_the_append_message() -> None:
    storage = MemoryStorage()
    storage.bootstrap([1])
    with RawNode(Config(id=1, async_storage_writes=True, pre_vote=False), storage) as node:
        node.campaign()
        written = 0
        while node.has_ready():
            for message in node.ready().messages:
                if message.to == libraft.LOCAL_APPEND:
                    assert message.type == libraft.MessageType.STORAGE_APPEND
                    storage.append_message(message.encoded_view)
                    written += 1
        assert written > 0 and storage.hard_state() == (2, 1, 1)
    with pytest.raises(libraft.ArgumentError):
        storage.append_message(bytes([0x08, 8, 0x10, 1, 0x18, 2]))


# ---------------------------------------------------------------- memory


def test_memory_stays_flat() -> None:
    """Many rounds of everything, after some to warm up; the slack is for caches and the allocator."""
    cluster = Cluster.of(3)
    garbage = bytes(range(256))
    value = b"v" * 2000
    snapshots = 0

    def rounds(count: int) -> None:
        nonlocal snapshots
        for number in range(count):
            leader = cluster.leader
            leader.node.propose_many([value] * 4)
            leader.node.read_index(b"context %d" % number)
            cluster.settle()
            for member in cluster.members.values():
                member.reads.clear()
                member.commands.clear()
                with pytest.raises(libraft.MalformedMessage):
                    member.node.step(garbage)
                with pytest.raises(libraft.Unavailable):
                    member.storage.entries(10**9, 10**9 + 1)
                assert member.node.status().id and member.node.conf_state() and member.storage.restart_state()
                assert len(member.node.progress()) in (0, 3) and member.storage.snapshot().encoded
                (entry,) = member.storage.entries(member.applied, member.applied + 1)
                assert entry.data_view.nbytes == len(value)
                Config(id=1)
                if number % 10 == 9:
                    member.storage.create_snapshot(member.applied, b"s" * 10_000)
                    member.storage.compact(member.applied - 8)
                    snapshots += 1

    # Without a limit of its own each node would hold up to 64 MiB of entries.
    for member in cluster.members.values():
        member.node.close()
    for i, member in list(cluster.members.items()):
        cluster.members[i] = Member(dataclasses.replace(config(i), max_cached_bytes=100_000), member.storage)
    cluster.members[1].node.campaign()
    cluster.settle()

    rounds(300)
    gc.collect()
    tracemalloc.start()
    rounds(50)
    python_before, _ = tracemalloc.get_traced_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds(1000)
    gc.collect()
    python_after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cluster.close()
    assert snapshots == 3 * 135
    # 1000 rounds carry 4 * 2000 bytes to three nodes: 24 MB, were none of it let go.
    assert python_after - python_before < 512 * 1024, f"{(python_after - python_before) / 1024:.1f} KiB more"
    assert after - before < 8 * 1024, f"{(after - before) / 1024:.1f} MiB more"


def test_opening_and_closing_leaks_nothing() -> None:
    def rounds(count: int) -> None:
        for number in range(count):
            storage = MemoryStorage()
            storage.bootstrap([1], data=b"d" * 50_000)
            node = RawNode(config(1), storage)
            node.campaign()
            while node.has_ready():
                storage.save(node.ready())
                node.advance()
            # Every other one is just forgotten.
            if number % 2:
                node.close()
                storage.close()

    rounds(50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds(500)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # 500 rounds are 25 MB of snapshots alone.
    assert after - before < 6 * 1024, f"{(after - before) / 1024:.1f} MiB more"
