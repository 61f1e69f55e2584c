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
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from .. import aio
from .._libraft import Entry
from .._types import ConfChange, ConfChangeType
from ..aio.tcp import parse_address
from ._encoding import MAX_DEPTH, STATE_DEPTH, EncodingError, decode, encode, has_twice
from ._objects import Replicated, ReplicatedMethod

REGISTER, CALL, CLOCK, VERSION = 0, 1, 2, 3
"""The first member of a command."""

_SHAPES: Final[dict[int, tuple[type, ...]]] = {
    REGISTER: (int,),
    CALL: (int, int, int, int, str, str, list, dict),
    CLOCK: (int, int, int),
    VERSION: (int, int),
}
"""What a command consists of."""

RESULT_DEPTH: Final = MAX_DEPTH + 1
OUTCOME_DEPTH: Final = MAX_DEPTH + 2
"""An outcome holds values that are as deep as they may be; an exception's are in a list of their own."""
MAX_TEXT: Final = 1000
"""How much of an exception's argument is kept, if that is no plain value, in characters."""

_log: Final = logging.getLogger("libraft.replicated")

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
    """The outcome of a command that raised, as it goes to the proposer."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class Expired(Failure):
    """The session, or its window, is past this command: it has not been applied now."""

    __slots__ = ()

    def __init__(self, reason: str) -> None:
        super().__init__(SessionExpired(reason))


class Encoded:
    """The state of an object as bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Outcome:
    """What came of a command, as the bytes that a snapshot has of it: whoever asks gets it anew.

    So nothing that an object still has is handed out, and a snapshot can have any outcome.
    """

    __slots__ = ("data", "kind")

    def __init__(self, data: bytes, kind: type[Exception] | None = None) -> None:
        self.data = data
        # Of what was raised here, since bytes know it by name alone.
        self.kind = kind

    @classmethod
    def of(cls, result: Any) -> Outcome:
        """Of a call that returned. Raises EncodingError."""
        return cls(encode([0, result], max_depth=RESULT_DEPTH))

    @classmethod
    def of_error(cls, error: Exception) -> Outcome:
        """Of a call that raised. Never fails."""
        kind = type(error)
        arguments = [_plain(argument) for argument in error.args]
        attributes = {key: value for key, value in vars(error).items() if _is_plain(key) and _is_plain(value)}
        return cls(encode([1, kind.__name__, arguments, attributes], max_depth=OUTCOME_DEPTH), kind)

    def given(self) -> Any:
        """The result, or a Failure with an exception of its own."""
        which, *rest = decode(self.data, max_depth=OUTCOME_DEPTH)
        return rest[0] if which == 0 else Failure(self._error(*rest))

    def _error(self, name: str, arguments: list[Any], attributes: dict[Any, Any]) -> Exception:
        kind = self.kind or getattr(builtins, name, None) or globals().get(name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                error: Exception
                if kind.__module__ == "builtins":
                    error = kind(*arguments)
                else:
                    # Without its __init__, which may want other arguments than it keeps.
                    error = kind.__new__(kind, *arguments)
                    error.args = tuple(arguments)
                vars(error).update(attributes)
                return error
            except Exception:
                # One of a kind that can't be made so.
                pass
        return CallFailed(name, *arguments)


def _is_plain(value: Any) -> bool:
    try:
        encode(value)
    except EncodingError:
        return False
    return True


def _plain(value: Any) -> Any:
    """An exception's argument, or a text about it."""
    if _is_plain(value):
        return value
    try:
        return ascii(value)[:MAX_TEXT]
    except Exception:
        # It is somebody else's code that tells what it looks like.
        return f"a {type(value).__name__}"


class Session:
    """One member's run: what it has not acknowledged."""

    __slots__ = ("floor", "last_used", "outcomes")

    def __init__(self, floor: int, last_used: int, outcomes: dict[int, Outcome]) -> None:
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
                given = instance.get_state()
                state = encode(given, max_depth=STATE_DEPTH)
                if has_twice(given):
                    raise EncodingError("a list, dict or set is in two places of it")
            except EncodingError as error:
                raise EncodingError(f"the state of {instance.name!r}: {error}") from None
            if type(instance).get_state is Replicated.get_state:
                instance._beginning = state
            self.objects[instance.name] = instance
        self.known_version = version
        self.version = 1
        self.index = 0
        self.applying = False
        # The objects that the command has called, by id.
        self.touched: dict[int, Replicated] = {}
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
            kind, *values = _parsed(command)
        except EncodingError as error:
            return Failure(EncodingError(f"a malformed command: {error}"))
        if kind == CALL:
            return self._call(index, *values)
        if kind == REGISTER:
            return self._register(index)
        if kind == CLOCK:
            return self._clock(*values)
        return self._set_version(*values)

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
            return Expired("the session is not known any more")
        session.last_used = index
        outcomes = session.outcomes
        if sequence in outcomes:
            return outcomes[sequence].given()
        if floor > session.floor:
            session.floor = floor
            for old in [old for old in outcomes if old < floor]:
                del outcomes[old]
        if not session.floor <= sequence < session.floor + WINDOW:
            # A copy that comes late, of a command that its owner knows the outcome of or gave up.
            return Expired("the command is outside of its session's window")
        outcome = outcomes[sequence] = self._run(name, method, arguments, named)
        return outcome.given()

    def _run(self, name: str, method: str, arguments: Any, named: Any) -> Outcome:
        function = self._methods.get((name, method))
        if function is None:
            try:
                function = self._find(name, method)
            except UnknownMethod as error:
                return Outcome.of_error(error)
        instance = self.objects[name]
        self.touched = {id(instance): instance}
        self.applying = True
        try:
            result = function(instance, *arguments, **named)
        except (MemoryError, RecursionError):
            # Others may have had more room: this member must not go on with another state.
            raise
        except Exception as error:
            _log.debug("%s.%s raised", name, method, exc_info=True)
            return Outcome.of_error(error)
        finally:
            self.applying = False
            for one in self.touched.values():
                one._notify()
                if sys.flags.dev_mode and has_twice(one.get_state()):
                    # Too dear for every command otherwise.
                    _log.error(
                        "%s.%s has put a list, dict or set in two places of the state of %r", name, method, one.name
                    )
            self.touched = {}
        try:
            return Outcome.of(result)
        except EncodingError as error:
            return Outcome.of_error(ResultError(f"the result of {name}.{method}: {error}"))

    def _find(self, name: str, method: str) -> Callable[..., Any]:
        instance = self.objects.get(name)
        if instance is None:
            # Whoever called it has it (see `Cluster.invoke`), and goes on with a state that this member can't have.
            raise RuntimeError(f"the cluster has an object that this member was not given: {name!r}")
        if instance.since > self.version:
            raise UnknownMethod(f"no object is called {name!r} in version {self.version}")
        found = getattr(type(instance), method, None)
        function = found.of(self.version) if isinstance(found, ReplicatedMethod) else None
        if function is None:
            raise UnknownMethod(f"{name!r} has no replicated method {method!r} in version {self.version}")
        self._methods[name, method] = function
        return function

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

    def snapshot(self) -> Callable[[], bytes | None]:
        # What may change is encoded now; what is a copy, in a thread.
        states: dict[str, Any] = {}
        name = ""
        try:
            for name, instance in self.objects.items():
                state = instance.get_state()
                states[name] = state if instance.state_is_a_copy else Encoded(encode(state, max_depth=STATE_DEPTH))
        except Exception:
            _no_snapshot(name)
            return lambda: None
        sessions = [
            (key, session.floor, session.last_used, [(n, o.data) for n, o in session.outcomes.items()])
            for key, session in self.sessions.items()
        ]
        head = [FORMAT, self.version, self.clock_ms, sorted(self.members.items()), sessions]

        def make() -> bytes | None:
            name = ""
            try:
                encoded = {}
                for name, state in states.items():
                    is_encoded = type(state) is Encoded
                    encoded[name] = state.data if is_encoded else encode(state, max_depth=STATE_DEPTH)
                return encode([*head, encoded])
            except Exception:
                _no_snapshot(name)
                return None

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
            key: Session(floor, last_used, {n: Outcome(data) for n, data in outcomes})
            for key, floor, last_used, outcomes in sessions
        }
        self._methods.clear()
        for name, state in states.items():
            self.objects[name].set_state(decode(state, max_depth=STATE_DEPTH))
            self.objects[name]._notify()
        self.on_clock()
        self.on_members()


def _parsed(command: bytes) -> list[Any]:
    """The members of a command. Raises EncodingError."""
    values = decode(command)
    if type(values) is list and values and type(values[0]) is int:
        if tuple(map(type, values)) == _SHAPES.get(values[0]):
            return values
    raise EncodingError("no command of ours")


def _no_snapshot(name: str) -> None:
    # The log still has everything: a member that goes on with a long one does better than all that fail.
    _log.exception("the state of %r can't be put into a snapshot, and the log is not compacted", name)
