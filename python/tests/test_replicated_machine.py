"""The replicated state machine and the encoding by themselves: sessions, malformed commands, damaged bytes."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from typing import Any

import pytest

from libraft.replicated import (
    CallFailed,
    EncodingError,
    Replicated,
    ReplicatedCounter,
    ReplicatedDict,
    ReplicatedQueue,
    SessionExpired,
    _machine,
    decode,
    encode,
    replicated,
)
from libraft.replicated._encoding import MAX_DEPTH, MAX_INT_BYTES
from libraft.replicated._machine import CALL, CLOCK, REGISTER, VERSION, WINDOW, Failure, Machine
from virtual import Network, play

PLAIN: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    -(2**64),
    -(2**63),
    10**1000,
    -0.5,
    float("inf"),
    "",
    "ö\0",
    b"",
    b"\xff",
    [],
    (),
    {},
    set(),
    frozenset(),
    [1, (2, [3, (4,)])],
    {1: "a", "b": None, (1, 2): [], frozenset({1, (2,)}): {True}},
    {1, "a", b"b", None, (1, (2, 3)), frozenset({4})},
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    again = decode(encode(value))
    assert again == value and type(again) is type(value)
    assert encode(again) == encode(value)


def test_dicts_keep_their_order_and_sets_have_one_encoding() -> None:
    assert list(decode(encode({"b": 1, "a": 2}))) == ["b", "a"]
    members = [f"member {n}" for n in range(100)]
    shuffled = members[:]
    random.Random(1).shuffle(shuffled)
    assert encode(set(members)) == encode(set(shuffled))


class Text(str):
    pass


def nested(depth: int, kind: type) -> Any:
    value: Any = kind()
    for _ in range(depth):
        value = kind([value])
    return value


@pytest.mark.parametrize(
    "value",
    [object(), Text("a"), bytearray(b"a"), 1j, range(3), "\ud800", {"a": len}, 1 << 2**20],
    ids=["object", "subclass", "bytearray", "complex", "range", "surrogate", "function", "large"],
)
def test_nothing_else_is_encoded(value: Any) -> None:
    for wrapped in (value, [value], (1, value), {"k": value}):
        with pytest.raises(EncodingError):
            encode(wrapped)


@pytest.mark.parametrize("kind", [list, tuple, frozenset])
def test_depth_and_size_are_limited(kind: type) -> None:
    deepest = nested(MAX_DEPTH - 1, kind)
    assert decode(encode(deepest)) == deepest
    with pytest.raises(EncodingError, match="levels deep"):
        encode(nested(MAX_DEPTH, kind))
    assert len(encode("x" * 100, 102)) == 102
    with pytest.raises(EncodingError, match="101 are allowed"):
        encode("x" * 100, 101)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\x91" * 33 + b"\x90",
        b"\x91" * 100_000 + b"\x90",
        b"\x81\x90\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xa1\xff",
        b"\xd6\xff\0\0\0\1",
        b"\xd4\x05\0",
        b"\xd4\x02\x01",
        b"\xd5\x03\x91\xc1",
        b"\xd4\x03\x91",
        b"\xd5\x03\x91\x90",
        b"\xc7\x02\x03\x80\x80",
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        decode(data)


def test_damaged_bytes_are_a_plain_value_or_an_error() -> None:
    draw = random.Random(2)
    whole = [encode(value) for value in PLAIN]
    for _ in range(20_000):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(data) + 1)
            data[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        try:
            value = decode(bytes(data))
        except EncodingError:
            continue
        # NaN is not itself; its bytes are.
        assert encode(decode(encode(value))) == encode(value)


class Box(Replicated):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[Any] = []

    @replicated
    def add(self, value: Any) -> Any:
        self.values.append(value)
        if value == "own":
            raise OwnError("mine", 2)
        if value == "key":
            raise KeyError("k")
        if value == "deep":
            raise RecursionError
        return self.values


class OwnError(Exception):
    pass


def machine() -> Machine:
    made = Machine([Box(), ReplicatedDict()], 3)

    class Attached:
        machine = made

    for instance in made.objects.values():
        instance._cluster = Attached()  # type: ignore[assignment]
    return made


def snapshot(made: Machine) -> bytes:
    data = made.snapshot()()
    assert data is not None
    return data


class Log:
    """Commands for one machine, by hand."""

    def __init__(self) -> None:
        self.machine = machine()
        self.index = 0

    def apply(self, command: list[Any] | bytes) -> Any:
        self.index += 1
        return self.machine.apply(self.index, command if isinstance(command, bytes) else encode(command))

    def call(self, session: int, sequence: int, value: Any, floor: int = 1) -> Any:
        return self.apply([CALL, session, sequence, floor, "Box", "add", [value], {}])

    @property
    def values(self) -> list[Any]:
        return self.machine.objects["Box"].values  # type: ignore[attr-defined,no-any-return]


def test_a_command_that_comes_twice_is_applied_once() -> None:
    log = Log()
    session = log.apply([REGISTER])
    assert log.call(session, 1, "a") == ["a"]
    assert log.call(session, 2, "b") == ["a", "b"]
    # The outcome is that of the first time, and nobody shares it.
    again = log.call(session, 1, "a")
    assert again == ["a"]
    again.append("x")
    assert log.call(session, 1, "a") == ["a"] and log.values == ["a", "b"]
    assert isinstance(log.call(session, 3, "key", floor=3).error, KeyError)
    assert log.machine.sessions[session].outcomes.keys() == {3}
    # Its owner has the outcome: a copy that comes late is none of its affair.
    assert isinstance(log.call(session, 2, "b").error, SessionExpired)
    assert isinstance(log.call(session, 3 + WINDOW, "c").error, SessionExpired)
    assert isinstance(log.call(999, 1, "d").error, SessionExpired)
    assert log.values == ["a", "b", "key"]


def test_the_session_that_was_used_least_recently_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_machine, "MAX_SESSIONS", 3)
    log = Log()
    first, second, third = (log.apply([REGISTER]) for _ in range(3))
    log.call(first, 1, "a")
    fourth = log.apply([REGISTER])
    assert log.machine.sessions.keys() == {first, third, fourth}
    assert isinstance(log.call(second, 1, "b").error, SessionExpired)
    assert log.values == ["a"]


def test_a_snapshot_has_everything_outcomes_included() -> None:
    log = Log()
    session = log.apply([REGISTER])
    for number, value in enumerate(["a", "own", "key", {1: (2,)}], 1):
        log.call(session, number, value)
    log.apply([CLOCK, 0, 1500])
    log.apply([VERSION, 2])
    log.machine.members = {1: "a:1"}
    data = snapshot(log.machine)
    other = Log()
    other.machine.restore(log.index, data)
    assert snapshot(other.machine) == data
    assert (other.machine.clock_ms, other.machine.version, other.machine.members) == (1500, 2, {1: "a:1"})
    assert other.values == log.values
    assert other.call(session, 1, "a") == ["a"]
    # An exception that is not Python's own is known by its name.
    outcome = other.call(session, 2, "own").error
    assert isinstance(outcome, CallFailed) and outcome.args == ("OwnError", "mine", 2)
    assert isinstance(other.call(session, 3, "key").error, KeyError)
    assert other.values == log.values


class Difficult(Exception):
    """Keeps other arguments than it wants, and can't be shown."""

    def __init__(self, code: int, items: dict[int, int], *, level: str) -> None:
        super().__init__(items, level, self)
        self.code = code
        self.items = items
        self.made = object()

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Worst(Replicated):
    def __init__(self) -> None:
        super().__init__()
        self.items: dict[int, int] = {}

    @replicated
    def add(self, number: int) -> None:
        self.items[number] = 0

    @replicated
    def fail(self, how: str) -> Any:
        if how == "difficult":
            raise Difficult(7, self.items, level="x")
        if how == "state":
            raise LookupError("no", self.items, {object})
        if how == "surrogate":
            raise ValueError("\ud800")
        if how == "deep":
            raise KeyError(nested(100, tuple))
        if how == "deepest":
            raise KeyError(nested(MAX_DEPTH - 1, tuple))
        if how == "os":
            raise FileNotFoundError(2, "none", "here")
        if how == "unicode":
            b"\xff".decode()
        if how == "group":
            raise ExceptionGroup("several", [ValueError(1)])
        if how == "expired":
            raise SessionExpired("not ours")
        return {"text": "\ud800", "int": 1 << 2**20, "none": None, "nested": nested(MAX_DEPTH - 1, list)}[how]


def test_outcomes_are_kept_as_bytes_and_given_anew() -> None:
    made = Machine([Worst()], 1)
    worst: Any = made.objects["Worst"]
    session = made.apply(1, encode([REGISTER]))
    number = 0

    def call(method: str, argument: Any) -> Any:
        nonlocal number
        number += 1
        return made.apply(number, encode([CALL, session, number, 1, "Worst", method, [argument], {}]))

    call("add", 1)
    error = call("fail", "difficult").error
    assert type(error) is Difficult and error.code == 7 and error.args == ({1: 0}, "x", "a Difficult")
    assert error.__traceback__ is None and error.__context__ is None and not hasattr(error, "made")
    error.items.clear()
    error.args[0].clear()
    error = call("fail", "state").error
    assert type(error) is LookupError and error.args[:2] == ("no", {1: 0}) and "object" in error.args[2]
    error.args[1].clear()
    assert worst.items == {1: 0}
    expected: list[tuple[str, type[Exception], Any]] = [
        ("surrogate", ValueError, ("'\\ud800'",)),
        ("deep", KeyError, None),
        ("deepest", KeyError, (nested(MAX_DEPTH - 1, tuple),)),
        ("os", FileNotFoundError, (2, "none")),
        ("unicode", UnicodeDecodeError, None),
        ("group", CallFailed, None),
        ("expired", SessionExpired, ("not ours",)),
        ("text", _machine.ResultError, None),
        ("int", _machine.ResultError, None),
    ]
    for how, kind, arguments in expected:
        outcome = call("fail", how)
        # The machine's own word for a session that it lacks is another one.
        assert type(outcome) is Failure and type(outcome.error) is kind, how
        assert arguments is None or outcome.error.args == arguments, how
    assert call("fail", "none") is None and call("fail", "nested") == nested(MAX_DEPTH - 1, list)
    # All of them are in a snapshot, too, which is the same again.
    data = snapshot(made)
    other = Machine([Worst()], 1)
    other.restore(number, data)
    assert snapshot(other) == data
    again = other.apply(99, encode([CALL, session, 2, 1, "Worst", "fail", ["difficult"], {}])).error
    assert type(again) is CallFailed and again.args == ("Difficult", {1: 0}, "x", "a Difficult")


def test_a_counter_does_not_outgrow_a_snapshot() -> None:
    made = Machine([ReplicatedCounter()], 1)
    session = made.apply(1, encode([REGISTER]))
    large = (1 << 8 * MAX_INT_BYTES - 1) - 1
    for number, (method, value) in enumerate([("set", large), ("add", 1), ("add", large), ("set", -large)], 2):
        given = made.apply(number, encode([CALL, session, number, 1, "ReplicatedCounter", method, [value], {}]))
        if method == "add":
            assert type(given.error) is OverflowError
            assert made.objects["ReplicatedCounter"].get_state() == large
    snapshot(made)


class Growing(Replicated):
    def __init__(self, is_a_copy: bool) -> None:
        super().__init__()
        self.state_is_a_copy = is_a_copy
        self.wrong: Any = None

    @replicated
    def set(self, wrong: bool) -> None:
        self.wrong = object() if wrong else None


@pytest.mark.parametrize("is_a_copy", [True, False])
def test_a_state_that_is_not_plain_makes_no_snapshot_and_is_said(is_a_copy: bool, caplog: Any) -> None:
    async def scenario(network: Network) -> None:
        (cluster,) = await network.start_all(1)
        (growing,) = network.objects["member:1"]
        await growing.set(True)
        first = network.storages["member:1"].snapshot().index
        for _ in range(100):
            await growing.set(True)
        cluster.check_running()
        assert network.storages["member:1"].snapshot().index == first
        # Not at each turn, but when the next one would be due.
        assert 1 <= len(caplog.records) < 5 and "'Growing' can't be put into a snapshot" in caplog.text
        for _ in range(100):
            await growing.set(False)
        assert network.storages["member:1"].snapshot().index > first

    play(scenario, 1, lambda: [Growing(is_a_copy)])


class Table(Replicated):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Any] = [0]
        self.title = "none"
        self._cache = 1

    @replicated
    def mark(self, flag: int) -> None:
        self.flag = flag
        self.rows.append(flag)
        self._cache = flag

    @replicated
    def unmark(self) -> None:
        del self.flag


def test_a_snapshot_replaces_the_state() -> None:
    one, other = Machine([Table()], 1), Machine([Table()], 1)
    for made, methods in ((one, ["mark", "unmark"]), (other, ["mark"])):
        session = made.apply(1, encode([REGISTER]))
        for number, method in enumerate(methods, 2):
            arguments = [5] if method == "mark" else []
            made.apply(number, encode([CALL, session, number, 1, "Table", method, arguments, {}]))
    other.restore(3, snapshot(one))
    table: Any = other.objects["Table"]
    assert table.get_state() == one.objects["Table"].get_state() == {"rows": [0, 5], "title": "none"}
    assert table._cache == 5
    # One of an earlier version, without what came later: that begins as it does in a new object.
    for _ in range(2):
        table.set_state({"title": "old"})
        assert table.get_state() == {"rows": [0], "title": "old"}
        table.rows.append(1)


class Knot(Replicated):
    def __init__(self, *values: Any) -> None:
        super().__init__()
        self.values = values
        self.last: Any = None

    @replicated
    def tie(self) -> None:
        self.last = []
        self.values = (self.last,)


def test_what_is_in_two_places_of_a_state_is_said() -> None:
    one: list[int] = []
    for wrong in ((one, one), ({1: one}, (one,)), ([one, [one]],)):
        with pytest.raises(EncodingError, match="two places"):
            Machine([Knot(*wrong)], 1)
    Machine([Knot([], [], (), (), "a", "a", frozenset({1}), {1: []})], 1)
    text = """
import logging
from test_replicated_machine import CALL, REGISTER, Knot, Machine, encode
logging.basicConfig()
made = Machine([Knot()], 1)
made.apply(2, encode([CALL, made.apply(1, encode([REGISTER])), 1, 1, "Knot", "tie", [], {}]))
"""
    path = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))
    for flags, is_said in ((["-X", "dev"], True), ([], False)):
        ended = subprocess.run(
            [sys.executable, *flags, "-c", text],
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert ("Knot.tie has put a list, dict or set in two places" in ended.stderr) == is_said


class Shop(Replicated):
    def __init__(self, queue: ReplicatedQueue) -> None:
        super().__init__()
        self._queue = queue

    @replicated
    def order(self, what: str, how: int) -> None:
        if how:
            self._queue.put(what)  # type: ignore[unused-coroutine]
        else:
            ReplicatedQueue.put(self._queue, what)


def test_an_object_that_is_called_by_another_one_tells_who_waits_for_it() -> None:
    def objects() -> list[Replicated]:
        queue = ReplicatedQueue()
        return [queue, Shop(queue)]

    async def scenario(network: Network) -> None:
        await network.start_all()
        for how in (0, 1):
            taking = asyncio.create_task(network.objects["member:1"][0].take())
            await asyncio.sleep(1)
            await network.objects["member:2"][1].order("book", how)
            async with asyncio.timeout(10):
                assert await taking == "book"

    play(scenario, 2, objects)


def test_a_snapshot_is_of_one_moment() -> None:
    log = Log()
    session = log.apply([REGISTER])
    log.call(session, 1, "a")
    make: Any = log.machine.snapshot()
    log.call(session, 2, "b")
    log.apply([CALL, session, 3, 1, "ReplicatedDict", "set", ["k", 1], {}])
    other = machine()
    other.restore(2, make())
    assert other.objects["Box"].get_state() == {"values": ["a"]} and not other.objects["ReplicatedDict"].get_state()


SETS = """
from libraft.replicated import ReplicatedDict, ReplicatedSet, encode
from libraft.replicated._machine import CALL, REGISTER, Machine
members = {f"member {n}" for n in range(50)}
made = Machine([ReplicatedDict(), ReplicatedSet()], 1)
session = made.apply(1, encode([REGISTER]))
calls = [("ReplicatedDict", "update", {(m, 1) for m in members}), ("ReplicatedSet", "update", members)]
calls += [("ReplicatedDict", "set", frozenset(members)), ("ReplicatedSet", "add", (frozenset(members),))]
calls += [("ReplicatedDict", "update", {"k": members}), ("ReplicatedDict", "delete", (frozenset(members),))]
for n, (name, method, value) in enumerate(calls, 1):
    arguments = [value, members] if method == "set" else [value]
    made.apply(n + 1, encode([CALL, session, n, 1, name, method, arguments, {}]))
print(made.snapshot()().hex())
"""


def test_no_order_of_a_set_gets_into_the_state() -> None:
    path = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))
    states = [
        subprocess.run(
            [sys.executable, "-c", SETS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert states[0] == states[1] and len(states[0]) > 1000


def test_a_snapshot_that_does_not_fit_stops_the_member() -> None:
    data = snapshot(machine())
    with pytest.raises(RuntimeError, match="was not given"):
        Machine([Box()], 1).restore(1, data)
    with pytest.raises(RuntimeError, match="was not given: 'Shop'"):
        log = Log()
        session = log.apply([REGISTER])
        log.apply([CALL, session, 1, 1, "Shop", "order", [], {}])
    with pytest.raises(RuntimeError, match="format 99"):
        machine().restore(1, encode([99, 1, 0, [], [], {}]))
    with pytest.raises(RuntimeError, match="upgrade it"):
        machine().restore(1, encode([1, 4, 0, [], [], {}]))


def test_the_clock_counts_no_interval_twice() -> None:
    log = Log()
    assert log.apply([CLOCK, 0, 100]) is True
    # Whoever has not seen that one, or wants to go back, is not heard.
    assert log.apply([CLOCK, 0, 120]) is False and log.apply([CLOCK, 100, 100]) is False
    assert log.apply([CLOCK, 100, 90]) is False and log.machine.clock_ms == 100


def test_what_members_could_take_differently_stops_a_member() -> None:
    log = Log()
    session = log.apply([REGISTER])
    with pytest.raises(RecursionError):
        log.call(session, 1, "deep")
    assert log.machine.applying is False
    with pytest.raises(RuntimeError, match="upgrade it"):
        log.apply([VERSION, 4])


def test_malformed_commands_change_nothing_on_any_member() -> None:
    draw = random.Random(3)
    one, other = Log(), Log()
    for log in (one, other):
        log.apply([REGISTER])
    before = snapshot(one.machine)
    kinds: list[Any] = [b"", b"\xc1", [], {}, 5, None, [CALL], [CALL, 1, 1, 1, "Box"], [CLOCK], [CLOCK, "a", None]]
    kinds += [[VERSION], [VERSION, "x"], [99], ["x", 1], [[]], [CALL, [], 1, 1, "Box", "add", [1], {}]]
    kinds += [[CLOCK, 0, 1.5], [CALL, 1, 1, 1, "Box", ["add"], [1], {}], [CALL, 1, "1", 1, "Box", "add", [1], {}]]
    kinds += [[CALL, 1, 1.0, 1, "Box", "add", [1], {}], [VERSION, 1.5], [CALL, 1, 1, 1.5, "Box", "add", [1], {}]]
    for command in kinds:
        for log in (one, other):
            assert isinstance(log.apply(command), Failure), command
    assert snapshot(one.machine) == snapshot(other.machine) == before
    whole = [encode([CALL, 1, n, 1, "Box", "add", [n], {}]) for n in range(1, 9)] + [encode([REGISTER])]
    for _ in range(5_000):
        data = bytearray(draw.choice(whole))
        place = draw.randrange(len(data) + 1)
        data[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        results = []
        for log in (one, other):
            try:
                results.append(type(log.apply(bytes(data))))
            except RuntimeError as error:
                # Another object's name came about.
                results.append(type(error))
        assert results[0] is results[1]
    assert snapshot(one.machine) == snapshot(other.machine)
