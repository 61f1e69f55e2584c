"""What is replicated: the objects, who may retry what, the clock, the version and the members' addresses.

A pure function of the log: nothing here looks at a clock or at anything else that members differ in.

**Exactly once.** Each command of a call has a session (the index at which it was registered) and a
sequence number. A session keeps the outcomes of its commands until its owner says, with a later
command, that it has them, so that a command that was proposed again finds its outcome and is not
applied twice. There are at most `MAX_SESSIONS`; the one that was used least recently gives way, and
who uses it then is told.

**The clock** moves by entries that name the time they start from and the time they lead to, and count
only if the clock still stands at the former: so no interval is counted twice, whoever proposes. The
proposer measures from when it applied the former. Hence it never goes faster than time.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any, Final

from .. import aio
from .._libraft import Entry
from .._types import ConfChange, ConfChangeType
from ..aio.tcp import parse_address
from ._encoding import SCALARS, STATE_DEPTH, EncodingError, decode, encode
from ._objects import Replicated, ReplicatedMethod

REGISTER, CALL, CLOCK, VERSION = 0, 1, 2, 3
"""The first member of a command."""

_CALL_TYPES: Final = (int, int, int, str, str, list)

MAX_SESSIONS: Final = 1024
WINDOW: Final = 4096
"""How far a session's commands may be ahead of the oldest one whose outcome its owner lacks."""

FORMAT: Final = 1


class ReplicatedError(Exception):
    """What a call on a replicated object raises, if it is not what the method itself raised."""


class UnknownMethod(ReplicatedError):
    """No such object, or no such method of it in this version of the cluster. Nothing was changed."""


class ResultError(ReplicatedError):
    """The call was applied, but its result is no plain value, and so can't be given to anybody."""


class CallFailed(ReplicatedError):
    """The method raised an exception of a type that is not known here: only its name and text are left."""


class SessionExpired(ReplicatedError):
    """So many other members have called since that it is not known any more what was applied."""


class Failure:
    """The outcome of a command that raised."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class Encoded:
    """A result that others could change, and which each one therefore gets anew."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Session:
    """One member's run: what it has not acknowledged."""

    __slots__ = ("floor", "last_used", "outcomes")

    def __init__(self, floor: int, last_used: int, outcomes: dict[int, Any]) -> None:
        self.floor = floor
        self.last_used = last_used
        self.outcomes = outcomes


class Machine(aio.StateMachine):
    """The state machine of a cluster of objects."""

    def __init__(self, objects: Iterable[Replicated], version: int) -> None:
        self.objects: dict[str, Replicated] = {}
        for instance in objects:
            if instance.name in self.objects:
                raise ValueError(f"two objects are called {instance.name!r}: name them, as in ReplicatedDict('users')")
            # That it is plain is better known now than when the first snapshot is made.
            try:
                encode(instance.get_state(), max_depth=STATE_DEPTH)
            except EncodingError as error:
                raise EncodingError(f"the state of {instance.name!r}: {error}") from None
            self.objects[instance.name] = instance
        self.known_version = version
        self.version = 1
        self.index = 0
        self.applying = False
        self.clock_ms = 0
        self.sessions: dict[int, Session] = {}
        self.members: dict[int, str] = {}
        # Methods by object and name, as they are in this version.
        self._methods: dict[tuple[str, str], Callable[..., Any] | None] = {}
        # What this member does besides: it hears of what has happened.
        self.on_clock: Callable[[], None] = lambda: None
        self.on_members: Callable[[], None] = lambda: None

    # ---------------------------------------------------------------- commands

    def apply(self, index: int, command: bytes) -> Any:
        self.index = index
        try:
            values = decode(command)
            kind = values[0]
            if kind == CALL:
                _, session, sequence, floor, name, method, arguments, named = values
                types = (type(session), type(sequence), type(floor), type(name), type(method), type(arguments))
                if types == _CALL_TYPES and type(named) is dict:
                    return self._call(index, session, sequence, floor, name, method, arguments, named)
            if kind == REGISTER:
                return self._register(index)
            if kind == CLOCK and type(values[1]) is type(values[2]) is int:
                return self._clock(values[1], values[2])
            if kind == VERSION and type(values[1]) is int:
                return self._set_version(values[1])
            raise EncodingError("no command of ours")
        except (EncodingError, ValueError, TypeError, LookupError) as error:
            return Failure(EncodingError(f"a malformed command: {error}"))

    def _register(self, index: int) -> int:
        if len(self.sessions) >= MAX_SESSIONS:
            del self.sessions[min(self.sessions, key=lambda key: self.sessions[key].last_used)]
        self.sessions[index] = Session(1, index, {})
        return index

    def _call(
        self, index: int, key: int, sequence: int, floor: int, name: str, method: str, arguments: Any, named: Any
    ) -> Any:
        session = self.sessions.get(key)
        if session is None:
            return Failure(SessionExpired("the session is not known any more"))
        session.last_used = index
        outcomes = session.outcomes
        if sequence in outcomes:
            return self.given(outcomes[sequence])
        if floor > session.floor:
            session.floor = floor
            for old in [old for old in outcomes if old < floor]:
                del outcomes[old]
        if not session.floor <= sequence < session.floor + WINDOW:
            # A copy that comes late, of a command that its owner knows the outcome of or gave up.
            return Failure(SessionExpired("the command is outside of its session's window"))
        outcome = self._run(name, method, arguments, named)
        outcomes[sequence] = outcome
        return self.given(outcome)

    def _run(self, name: str, method: str, arguments: Any, named: Any) -> Any:
        function = self._methods.get((name, method))
        if function is None:
            try:
                function = self._find(name, method)
            except UnknownMethod as error:
                return Failure(error)
        instance = self.objects[name]
        self.applying = True
        try:
            result = function(instance, *arguments, **named)
            if type(result) not in SCALARS:
                result = Encoded(encode(result))
        except (MemoryError, RecursionError):
            # Others may have had more room: this member must not go on with another state.
            raise
        except EncodingError as error:
            return Failure(ResultError(f"the result of {name}.{method}: {error}"))
        except Exception as error:
            return Failure(error)
        finally:
            self.applying = False
            instance._notify()
        return result

    def _find(self, name: str, method: str) -> Callable[..., Any]:
        instance = self.objects.get(name)
        if instance is None or instance.since > self.version:
            raise UnknownMethod(f"no object is called {name!r} in version {self.version}")
        found = getattr(type(instance), method, None)
        function = found.of(self.version) if isinstance(found, ReplicatedMethod) else None
        if function is None:
            raise UnknownMethod(f"{name!r} has no replicated method {method!r} in version {self.version}")
        self._methods[name, method] = function
        return function

    @staticmethod
    def given(outcome: Any) -> Any:
        """An outcome as it goes to the proposer."""
        return decode(outcome.data) if type(outcome) is Encoded else outcome

    def _clock(self, since: int, until: int) -> bool:
        if since != self.clock_ms or until <= since:
            return False
        self.clock_ms = until
        for instance in self.objects.values():
            if instance.on_clock(until):
                instance._notify()
        self.on_clock()
        return True

    def wants_clock(self) -> bool:
        """Whether some object waits for time to pass."""
        return any(instance.wants_clock() for instance in self.objects.values())

    def _set_version(self, version: int) -> int:
        if version > self.version:
            self._demand(version)
            self.version = version
            self._methods.clear()
        return self.version

    def _demand(self, version: int) -> None:
        if version > self.known_version:
            # Not an error of the command: the others go on, and this member's code can't.
            raise RuntimeError(
                f"the cluster is at version {version}, and this member's code at {self.known_version}: upgrade it"
            )

    # ---------------------------------------------------------------- members

    def apply_conf_change(self, entry: Entry, change: ConfChange) -> None:
        self.index = entry.index
        try:
            address = change.context.decode()
            if any(step.type != ConfChangeType.REMOVE_NODE for step in change.changes):
                # What no member could connect to must not become part of what all of them have.
                parse_address(address)
        except ValueError as error:
            raise aio.Rejected(f"no address: {error}") from error
        members = dict(self.members)
        for step in change.changes:
            if step.type == ConfChangeType.REMOVE_NODE:
                if len(members) == 1 or step.node_id not in members:
                    raise aio.Rejected("no member, or the last one")
                del members[step.node_id]
            else:
                members[step.node_id] = address
        self.members = members
        self.on_members()

    # ---------------------------------------------------------------- snapshots

    def first_state(self, members: dict[int, str]) -> bytes:
        """What a new group begins with, on each of its first members the same."""
        return encode([FORMAT, 1, 0, sorted(members.items()), [], {}])

    def snapshot(self) -> Callable[[], bytes]:
        # What may change is encoded now; what is a copy, in a thread.
        states: dict[str, Any] = {}
        for name, instance in self.objects.items():
            state = instance.get_state()
            states[name] = state if instance.state_is_a_copy else Encoded(encode(state, max_depth=STATE_DEPTH))
        sessions = [
            (key, session.floor, session.last_used, [(n, _stored(o)) for n, o in session.outcomes.items()])
            for key, session in self.sessions.items()
        ]
        head = [FORMAT, self.version, self.clock_ms, sorted(self.members.items()), sessions]

        def make() -> bytes:
            encoded = {
                name: state.data if type(state) is Encoded else encode(state, max_depth=STATE_DEPTH)
                for name, state in states.items()
            }
            return encode([*head, encoded])

        return make

    def restore(self, index: int, data: bytes) -> None:
        form, version, clock_ms, members, sessions, states = decode(data)
        if form != FORMAT:
            raise RuntimeError(f"a snapshot of format {form}, which this version of libraft does not know")
        self._demand(version)
        missing = states.keys() - self.objects.keys()
        if missing:
            raise RuntimeError(f"the cluster has objects that this member was not given: {sorted(missing)}")
        self.index, self.version, self.clock_ms = index, version, clock_ms
        self.members = dict(members)
        self.sessions = {
            key: Session(floor, last_used, {n: _unstored(o) for n, o in outcomes})
            for key, floor, last_used, outcomes in sessions
        }
        self._methods.clear()
        for name, state in states.items():
            self.objects[name].set_state(decode(state, max_depth=STATE_DEPTH))
            self.objects[name]._notify()
        self.on_clock()
        self.on_members()


def _stored(outcome: Any) -> Any:
    """An outcome as a plain value."""
    if type(outcome) is Encoded:
        return (1, outcome.data)
    if type(outcome) is not Failure:
        return (0, outcome)
    error = outcome.error
    arguments = list(error.args)
    name = type(error).__name__
    if isinstance(error, CallFailed) and arguments:
        # It was read from a snapshot itself.
        name, *arguments = arguments
    try:
        encode(arguments)
    except EncodingError:
        arguments = [str(error)]
    return (2, name, arguments)


def _unstored(stored: Any) -> Any:
    if stored[0] == 0:
        return stored[1]
    if stored[0] == 1:
        return Encoded(stored[1])
    _, name, arguments = stored
    kind = getattr(builtins, name, None) or globals().get(name)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return Failure(kind(*arguments))
        except TypeError:
            # One that wants other arguments than it keeps.
            pass
    return Failure(CallFailed(name, *arguments))
