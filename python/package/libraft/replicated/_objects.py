"""Objects whose methods run on every member: `Replicated`, `@replicated` and `@query`.

A replicated method runs where its command is applied, on each member in the same order, with arguments
that were decoded there. So it may use its arguments, the object's own state, and nothing else: no clock,
no randomness, no I/O, and no order of a set's members. What it raises is raised by the caller's `await`;
what it had changed by then stays changed, on every member alike, so that it checks first and then acts.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ._encoding import SCALARS, STATE_DEPTH, decode

if TYPE_CHECKING:
    from ._cluster import Cluster

S = TypeVar("S", bound="Replicated")
P = ParamSpec("P")
T = TypeVar("T")


class ReplicatedMethod(Generic[S, P, T]):
    """What `@replicated` makes of a method: called on an object, it gives a coroutine."""

    def __init__(self, function: Callable[Concatenate[S, P], T], since: int) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError("a replicated method is an ordinary function: it must not wait for anything")
        if since < 1:
            raise ValueError("versions count from 1")
        self.versions = [(since, function)]
        self.name = ""
        functools.update_wrapper(self, function)

    def __set_name__(self, owner: type, name: str) -> None:
        # The first one: a later version of it may have a name of its own in the class.
        self.name = self.name or name

    def version(self, since: int) -> Callable[[Callable[Concatenate[S, P], T]], ReplicatedMethod[S, P, T]]:
        """Decorates what this method does from this version of the cluster on, whatever that is called."""

        def decorate(function: Callable[Concatenate[S, P], T]) -> ReplicatedMethod[S, P, T]:
            if since <= self.versions[-1][0]:
                raise ValueError("versions of a method ascend")
            self.versions += ReplicatedMethod(function, since).versions
            return self

        return decorate

    def of(self, version: int) -> Callable[Concatenate[S, P], T] | None:
        """What the method is in this version of the cluster, if it is there."""
        for since, function in reversed(self.versions):
            if since <= version:
                return function
        return None

    def __call__(self, instance: S, /, *arguments: P.args, **named: P.kwargs) -> T:
        """Part of another method's command: `Bank.take(self, ..)`, within a replicated method alone."""
        cluster = instance._attached()
        function = self.of(cluster.machine.version)
        if not cluster.machine.applying:
            raise RuntimeError(f"{self.name} is called on an object, as in `await bank.{self.name}(..)`")
        if function is None:
            raise AttributeError(f"{self.name} is of a later version")
        cluster.machine.touched[id(instance)] = instance
        return function(instance, *arguments, **named)

    @overload
    def __get__(self, instance: None, owner: type) -> ReplicatedMethod[S, P, T]: ...
    @overload
    def __get__(self, instance: S, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(
        self, instance: S | None, owner: type
    ) -> ReplicatedMethod[S, P, T] | Callable[P, Coroutine[Any, Any, T]]:
        if instance is None:
            return self
        cluster = instance._attached()
        if cluster.machine.applying:
            # One replicated method calls another: that is part of the same command.
            return functools.partial(self, instance)  # type: ignore[return-value]
        object_name, name, invoke = instance.name, self.name, cluster.invoke

        def call(*arguments: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
            return invoke(object_name, name, arguments, named)

        return call


class QueryMethod(Generic[S, P, T]):
    """What `@query` makes of a method."""

    def __init__(self, function: Callable[Concatenate[S, P], T]) -> None:
        self.function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> QueryMethod[S, P, T]: ...
    @overload
    def __get__(self, instance: S, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: S | None, owner: type) -> QueryMethod[S, P, T] | Callable[P, Coroutine[Any, Any, T]]:
        if instance is None:
            return self
        cluster = instance._attached()
        function = self.function
        if cluster.machine.applying:
            return functools.partial(function, instance)  # type: ignore[return-value]

        async def call(*arguments: P.args, **named: P.kwargs) -> T:
            await cluster.barrier()
            return own_copy(function(instance, *arguments, **named))

        return call


@overload
def replicated(function: Callable[Concatenate[S, P], T], /) -> ReplicatedMethod[S, P, T]: ...
@overload
def replicated(*, since: int) -> Callable[[Callable[Concatenate[S, P], T]], ReplicatedMethod[S, P, T]]: ...
def replicated(function: Any = None, *, since: int = 1) -> Any:
    """Makes a method run on every member of the cluster; called, it gives an awaitable of its result.

    Arguments and result are plain values (see `encode`). `since` is the first version of the cluster
    that has the method (see `Cluster.set_version`).
    """
    if function is None:
        return lambda function: ReplicatedMethod(function, since)
    return ReplicatedMethod(function, since)


def query(function: Callable[Concatenate[S, P], T]) -> QueryMethod[S, P, T]:
    """Makes a method that reads: called, it runs here when this member has all that was acknowledged before.

    That is a linearizable read. `obj.local.method(..)` runs it at once, on what this member has.
    """
    return QueryMethod(function)


class Replicated:
    """The base of replicated objects.

    Its state is what its public attributes hold, all of plain values; or what `get_state` says.
    """

    state_is_a_copy = False
    """Whether what `get_state` gives stays as it is when the object goes on: then it is encoded in a thread."""

    def __init__(self, name: str | None = None, *, since: int = 1) -> None:
        """`name` tells the objects of a cluster apart, on all members alike; by default it is the class's.

        `since` is the first version of the cluster that has this object; see `Cluster.set_version`.
        """
        self._name = name
        self._since = since

    _name: str | None = None
    _since = 1
    _cluster: Cluster | None = None
    _given = False
    """Whether a `Cluster` has ever had it: then it is no beginning for another one."""
    _beginning: bytes | None = None
    """The state that it was given to a cluster with, encoded, if that is its attributes."""
    _watchers: dict[asyncio.Future[None], None] | None = None

    @property
    def name(self) -> str:
        """By what the cluster knows this object."""
        return self._name or type(self).__name__

    @property
    def since(self) -> int:
        """The first version of the cluster that has this object."""
        return self._since

    def get_state(self) -> Any:
        """The state as a plain value, for a snapshot: by default the attributes without a leading underscore."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    def set_state(self, state: Any) -> None:
        """Replaces the state by one that `get_state` gave, maybe on another member, or of an earlier version.

        By default, attributes that the state lacks are what they were when the cluster was given the object,
        or not there if they were not.
        """
        for key in [key for key in vars(self) if not key.startswith("_")]:
            del vars(self)[key]
        if self._beginning is not None:
            vars(self).update(decode(self._beginning, max_depth=STATE_DEPTH))
        vars(self).update(state)

    def wants_clock(self) -> bool:
        """Whether the replicated clock has to go on: while so, the leader adds entries to the log for it."""
        return False

    def on_clock(self, now_ms: int) -> bool:
        """The replicated clock has come so far. Part of the log, as commands are; gives whether it changed anything.

        Never ahead of time: between two calls at least as much time has passed as their difference.
        """
        return False

    @property
    def log_index(self) -> int:
        """In a replicated method: the position of its command in the log. A number that only grows."""
        return self._attached().machine.index

    @property
    def local(self) -> Any:
        """What this member has: `obj.local.method(..)` runs a `@query` at once."""
        return LocalView(self)

    async def changed(self) -> None:
        """Returns when a command on this object has been applied here, after this was called."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._attached().check_running()
        if self._watchers is None:
            self._watchers = {}
        self._watchers[watcher] = None
        try:
            await watcher
        finally:
            self._watchers.pop(watcher, None)

    def _notify(self, error: BaseException | None = None) -> None:
        if self._watchers:
            for watcher in self._watchers:
                if watcher.done():
                    continue
                if error is None:
                    watcher.set_result(None)
                else:
                    watcher.set_exception(error)
                    watcher.exception()
            self._watchers.clear()

    def _attached(self) -> Cluster:
        if self._cluster is None:
            raise RuntimeError(f"{self.name} is in no cluster yet: give it to Cluster(objects=[..])")
        return self._cluster


class LocalView:
    """The queries of an object, without waiting for anything."""

    def __init__(self, instance: Replicated) -> None:
        self._instance = instance

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = inspect.getattr_static(type(self._instance), name, None)
        if not isinstance(method, QueryMethod):
            raise AttributeError(f"{type(self._instance).__name__} has no query {name!r}")
        function, instance = method.function, self._instance
        return lambda *arguments, **named: own_copy(function(instance, *arguments, **named))


def own_copy(value: T) -> T:
    """Nothing of an object's state is handed out, since whoever changed it would change it here alone."""
    return value if type(value) in SCALARS else copy.deepcopy(value)
