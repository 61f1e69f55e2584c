"""What is usual of values in Python: equality, pickles and copies, patterns, short texts, buffers; and what
is said of a wrong one."""

from __future__ import annotations

import array
import copy
import gc
import mmap
import pickle
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import libraft
from libraft import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    Config,
    DropKind,
    DroppedRequest,
    DropReason,
    Entry,
    EntryType,
    MemoryStorage,
    Message,
    MessageType,
    RawNode,
    ReadState,
    Snapshot,
)
from libraft._errors import from_code
from raw_cluster import Cluster, Member, config

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LARGE = b"x" * 1_000_000


def single(**settings: Any) -> Member:
    """A node that leads itself."""
    storage = MemoryStorage()
    storage.bootstrap([1])
    member = Member(replace(config(1), **settings), storage)
    member.node.campaign()
    member.work(lambda messages: None)
    return member


def asynchronous() -> Message:
    """The message by which a leader asks for its entries to be persisted, with the response attached."""
    storage = MemoryStorage()
    storage.bootstrap([1, 2])
    with RawNode(replace(config(1), async_storage_writes=True, pre_vote=False), storage) as node:
        node.campaign()
        (message,) = [it for it in node.ready().messages if it.type == MessageType.STORAGE_APPEND]
    return message


def values() -> list[Any]:
    """One of each kind, as they come from nodes and storages."""
    cluster = Cluster.of(3)
    node = cluster.leader.node
    node.propose(b"payload")
    ready = node.ready()
    storage = MemoryStorage()
    storage.bootstrap([1], data=b"first state")
    with RawNode(config(1), storage) as other:
        other.campaign()
        events = other.ready().events
    change = ConfChange((ConfChangeSingle(ConfChangeType.ADD_NODE, 4),), context=b"where")
    found = [
        *ready.entries,
        *ready.messages,
        asynchronous(),
        storage.snapshot(),
        cluster.leader.storage.hard_state(),
        node.conf_state(),
        node.status(),
        node.metrics(),
        *node.progress(),
        *events,
        config(1),
        change,
        ReadState(7, b"name"),
        DroppedRequest(DropKind.READ, DropReason.NO_LEADER, 0, b"name"),
        libraft.SoftState(1, libraft.Role.LEADER),
    ]
    cluster.close()
    return found


def restored(value: Any) -> list[Any]:
    """The value as it comes back in every way in which Python makes another one."""
    pickles = [pickle.loads(pickle.dumps(value, protocol)) for protocol in PROTOCOLS]
    return [*pickles, copy.copy(value), copy.deepcopy(value)]


# ---------------------------------------------------------------- equality, pickles, copies


def test_values_are_pickled_and_copied_as_they_are() -> None:
    kinds = set()
    for value in values():
        for again in restored(value):
            assert again == value and type(again) is type(value)
            assert hash(again) == hash(value) and repr(again) == repr(value)
        kinds.add(type(value).__name__)
    assert {"Entry", "Message", "Snapshot", "ConfState", "HardState", "Status", "Event", "Config"} <= kinds


def test_all_that_a_message_has_is_pickled() -> None:
    for message in [value for value in values() if isinstance(value, Message)]:
        for again in restored(message):
            for name in ["to", "from_", "term", "type", "snapshot_index", "snapshot_data", "encoded", "responses"]:
                assert getattr(again, name) == getattr(message, name), name
            assert bytes(again.encoded_view) == message.encoded


def test_all_that_an_entry_and_a_snapshot_have_is_pickled() -> None:
    for value in values():
        if isinstance(value, Entry):
            for entry in restored(value):
                assert (entry.term, entry.index, entry.type) == (value.term, value.index, value.type)
                assert entry.data == value.data == bytes(entry.data_view) and entry.encoded == value.encoded
        if isinstance(value, Snapshot):
            for snapshot in restored(value):
                assert (snapshot.index, snapshot.term, snapshot.data) == (value.index, value.term, b"first state")
                assert snapshot.conf_state == value.conf_state and snapshot.encoded == value.encoded


def test_a_pickle_holds_the_bytes_of_its_value_alone() -> None:
    member = single()
    member.node.propose_many([b"small", LARGE])
    ready = member.node.ready()
    assert len(pickle.dumps(ready.entries[0])) < 1000
    assert len(ready.encoded) > len(LARGE)
    member.close()


def test_a_damaged_pickle_is_refused() -> None:
    member = single()
    member.node.propose(b"payload")
    reduced: Any = member.node.ready().entries[0].__reduce__()
    restore: Callable[..., Entry] = reduced[0]
    state = reduced[1]
    for part in [(3, 2), (0, 10**6), (10**6, 10**6)]:
        with pytest.raises(ValueError, match="not a part"):
            restore(*state[:3], part, state[4])
    member.close()


def test_a_ready_and_handles_cannot_be_pickled() -> None:
    member = single()
    member.node.propose(b"x")
    for handle in [member.node.ready(), member.node, member.storage]:
        ways: list[Callable[[Any], Any]] = [pickle.dumps, copy.copy, copy.deepcopy]
        for again in ways:
            with pytest.raises(TypeError, match="pickle"):
                again(handle)
    member.close()


def test_snapshots_are_equal_when_they_are_the_same() -> None:
    member = single()
    first = member.storage.snapshot()
    assert first == member.storage.snapshot() and hash(first) == hash(member.storage.snapshot())
    assert len({first, member.storage.snapshot()}) == 1
    member.storage.create_snapshot(member.applied, b"another")
    assert member.storage.snapshot() != first and first != b"" and first != first.encoded
    member.close()


def test_errors_are_pickled_with_what_they_say() -> None:
    for code in [-1, 1, 3, 5, 10, 20, 40, 60, 65, 999]:
        error = from_code(code, 4, "what has happened")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) == "what has happened"
        assert again.code == error.code == code
        if isinstance(error, libraft.Dropped):
            assert isinstance(again, libraft.Dropped) and again.reason == error.reason == DropReason.TRANSFERRING
    member = single()
    with pytest.raises(libraft.RaftError) as caught:
        member.node.step(b"\xff")
    assert str(copy.copy(caught.value)) == str(caught.value)
    member.close()


# ---------------------------------------------------------------- patterns and texts


def test_values_match_patterns() -> None:
    found: list[Any] = []
    for value in values():
        match value:
            case Entry(term, index, EntryType.NORMAL, b"payload"):
                found.append(("entry", term, index))
            case Message(MessageType.APP, 1, to):
                found.append(("append", to))
            case Snapshot(1, 1, data):
                found.append(("snapshot", data))
            case libraft.Status(id=1, role=libraft.Role.LEADER):
                found.append("status")
            case libraft.Event(libraft.EventType.CAMPAIGN_STARTED, term=2):
                found.append("event")
    assert found == [
        ("entry", 2, 3),
        ("append", 2),
        ("append", 3),
        ("snapshot", b"first state"),
        "status",
        "event",
    ]


def test_texts_are_short_whatever_the_data() -> None:
    member = single()
    member.node.propose(LARGE)
    ready = member.node.ready()
    storage = MemoryStorage()
    storage.bootstrap([1], data=LARGE)
    many = [
        ready,
        *ready.entries,
        storage.snapshot(),
        ReadState(1, LARGE),
        ConfChange((), context=LARGE),
        DroppedRequest(DropKind.PROPOSAL, DropReason.NONE, 0, LARGE),
        libraft.Replay(1, 1, 0, 0, 0, libraft.RecordingState.ON, (LARGE,) * 1000),
        member.node,
        member.storage,
    ]
    for value in many:
        assert len(repr(value)) < 300, type(value)
    assert "1000000 bytes" in repr(many[3]) and repr(ReadState(1, b"a")) == "ReadState(index=1, context=b'a')"
    small = DroppedRequest(DropKind.READ, DropReason.NO_LEADER, 0, b"a")
    assert repr(small).startswith("DroppedRequest(kind=<DropKind.READ: 3>") and "data=b'a'" in repr(small)
    member.close()


# ---------------------------------------------------------------- buffers


def buffers(data: bytes) -> list[Any]:
    """The same bytes as everything that has the buffer protocol."""
    mapped = mmap.mmap(-1, len(data))
    mapped.write(data)
    padded = array.array("H")
    padded.frombytes(data)
    return [bytearray(data), memoryview(data), memoryview(b"-" + data + b"-")[1:-1], mapped, padded]


def test_whatever_takes_bytes_takes_every_contiguous_buffer() -> None:
    member = single()
    for number, command in enumerate(buffers(b"command!")):
        member.node.propose(command)
        member.node.propose_many([command, command])
        member.node.read_index(buffers(b"read %3d" % number)[number])
        member.work(lambda messages: None)
    assert member.commands == [b"command!"] * 15 and len(member.reads) == 5
    encoded = libraft.encode_conf_change([(ConfChangeType.ADD_LEARNER_NODE, 2)], context=b"where do it is..")
    for data in buffers(encoded) if len(encoded) % 2 == 0 else buffers(encoded)[:-1]:
        assert libraft.decode_conf_change(EntryType.CONF_CHANGE_V2, data).context == b"where do it is.."
    for state in [bytearray, memoryview]:
        storage = MemoryStorage()
        storage.bootstrap([1], data=state(b"data"))
        assert storage.snapshot().data == b"data"
        (entry,) = member.storage.entries(2, 3)
        other = MemoryStorage()
        other.append(entries=[state(entry.encoded)], snapshot=state(member.storage.snapshot().encoded))
        assert other.entries(2, 3) == [entry]
    member.close()


def test_what_is_written_to_later_does_not_matter() -> None:
    member = single()
    command = bytearray(b"as it was")
    member.node.propose(command)
    command[:] = b"as it is!"
    member.work(lambda messages: None)
    assert member.commands == [b"as it was"]
    # Nothing holds on to the buffer, which could not grow otherwise.
    command.extend(b"more")
    member.close()


def test_what_is_written_to_during_a_call_does_not_matter() -> None:
    command = bytearray(b"as it was")

    class Items(Sequence[Any]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, place: Any) -> Any:
            if place == 2:
                # What was handed over already is still being looked at.
                command[:] = b"as it is!"
            return [command, memoryview(command), b"end"][place]

    member = single()
    items: Any = Items()
    member.node.propose_many(items)
    member.work(lambda messages: None)
    assert bytes(command) == b"as it is!"
    assert member.commands == [b"as it was", b"as it was", b"end"]
    member.close()


def test_a_buffer_with_gaps_is_refused_with_what_to_do() -> None:
    member = single()
    gaps = memoryview(b"a-b-c-d-")[::2]
    calls: list[Callable[[], Any]] = [
        lambda: member.node.propose(gaps),
        lambda: member.node.propose_many([b"x", gaps]),
        lambda: member.node.step(gaps),
        lambda: member.node.step_many(gaps),
        lambda: member.node.step_many([gaps]),
        lambda: member.storage.create_snapshot(1, gaps),
        lambda: Message.decode(gaps),
    ]
    for call in calls:
        with pytest.raises(BufferError, match=r"bytes\(view\)"):
            call()
    member.node.propose(bytes(gaps))
    member.work(lambda messages: None)
    assert member.commands == [b"abcd"]
    member.close()


def test_views_outlive_all_that_they_came_from() -> None:
    cluster = Cluster.of(3)
    node, storage = cluster.leader.node, cluster.leader.storage
    node.propose(b"payload")
    ready = node.ready()
    storage.save(ready)
    views = [ready.entries[0].data_view, ready.messages[0].encoded_view, storage.entries(3, 4)[0].data_view]
    wanted = [bytes(view) for view in views]
    assert wanted[0] == wanted[2] == b"payload"
    del ready
    node.advance()
    cluster.close()
    del node, storage, cluster
    gc.collect()
    # What was freed is used for something else.
    litter = [bytes([n % 256]) * 4096 for n in range(2000)]
    assert [bytes(view) for view in views] == wanted and len(litter) == 2000
    for view in views:
        assert view.readonly and view.contiguous and view.format == "B"
        with pytest.raises(TypeError):
            view[0] = 1


# ---------------------------------------------------------------- what is said of wrong arguments


@pytest.mark.parametrize("number", [-1, 2**64, 10**5000], ids=["negative", "too-large", "endless"])
def test_a_number_out_of_range_is_told_with_the_range(number: int) -> None:
    member = single()
    node, storage = member.node, member.storage
    calls: list[Callable[[], Any]] = [
        lambda: node.transfer_leader(number),
        lambda: node.report_unreachable(number),
        lambda: node.report_snapshot(number, libraft.SnapshotStatus.FINISH),
        lambda: node.propose_conf_change(ConfChangeType.ADD_NODE, number),
        lambda: node.provide_entries(number, []),
        lambda: node.compacted(number),
        lambda: node.set_inflight_limits(1, 1, number),
        lambda: storage.term(number),
        lambda: storage.entries(1, number),
        lambda: storage.compact(number),
        lambda: storage.bootstrap([number]),
        lambda: storage.append(hard_state=(number, 0, 0)),
        lambda: libraft.encode_conf_change([(ConfChangeType.ADD_NODE, number)]),
        lambda: Config(id=number),
    ]
    for call in calls:
        with pytest.raises(OverflowError, match=r"from 0 to 18446744073709551615 is needed, not (-1|1844|one with)"):
            call()
    with pytest.raises(OverflowError, match="from 0 to 4294967295 is needed"):
        node.tick_many(number)
    with pytest.raises(OverflowError, match=r"Config\.election_ticks: .* from 0 to 4294967295 is needed"):
        Config(id=1, election_ticks=number)
    assert node.status().term == 2
    member.close()


def test_a_wrong_type_is_told_with_what_is_needed() -> None:
    member = single()
    with pytest.raises(TypeError, match="a whole number is needed, not <class 'str'>"):
        member.node.transfer_leader("2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Config\.id: a whole number is needed, not <class 'str'>"):
        Config(id="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Config\.pre_vote: .*bool"):
        Config(id=1, pre_vote="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
        member.node.propose("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list of bytes-like objects is needed, not <class 'bytes'>"):
        member.node.propose_many(b"one")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list of bytes-like objects is needed, not <class 'str'>"):
        member.node.propose_many("one")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list of bytes-like objects is needed, not <class 'int'>"):
        member.node.step_many(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes-like object is required, not 'int'"):
        member.node.step_many([5])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"a member of an enumeration of libraft, .* not <class 'str'>"):
        member.node.propose_conf_change("add", 2)  # type: ignore[arg-type]
    member.node.step_many(())
    member.node.step_many(bytearray())
    member.node.step_many(memoryview(b""))
    with pytest.raises(libraft.ConfigError, match="id"):
        Config(id=0)
    with pytest.raises(libraft.ArgumentError):
        MemoryStorage().bootstrap([0])
    member.close()


# ---------------------------------------------------------------- threads


def test_values_may_be_read_by_many_threads_at_once() -> None:
    member = single()
    member.node.propose_many([b"%d" % number for number in range(200)])
    ready = member.node.ready()
    wrong: list[Any] = []
    begin = threading.Barrier(4)

    def read() -> None:
        begin.wait()
        entries = ready.entries
        if [entry.data for entry in entries] != [b"%d" % number for number in range(200)]:
            wrong.append(entries)
        if pickle.loads(pickle.dumps(entries)) != entries or entries is not ready.entries:
            wrong.append(entries)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    member.close()


def test_a_node_busy_with_another_thread_says_so_and_stays_whole() -> None:
    """Every call of each thread either does its work or is turned away, and what was taken is there."""
    member = single()
    taken: list[bytes] = []
    wrong: list[BaseException] = []
    begin = threading.Barrier(4)

    def use(thread: int) -> None:
        begin.wait()
        for number in range(200):
            command = b"%d of %d" % (number, thread)
            try:
                member.node.propose(command)
                taken.append(command)
            except libraft.MisuseError as error:
                if "two threads" not in str(error):
                    wrong.append(error)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=use, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    member.work(lambda messages: None)
    assert taken and sorted(member.commands) == sorted(taken)
    member.close()
