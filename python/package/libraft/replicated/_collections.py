"""Ready-made objects: a dict, a counter, a set, a queue and a priority queue.

Keys and values are plain values (see `_encoding`), whose type matters: 1 and True are one key, as in
Python. Reads are linearizable; `local` shows what this member has at once.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

from ._encoding import MAX_INT_BYTES, encode
from ._objects import Replicated, query, replicated


class ReplicatedDict(Replicated):
    """A dict, in the order in which its keys were first set."""

    state_is_a_copy = True

    def __init__(self, name: str | None = None, *, since: int = 1) -> None:
        super().__init__(name, since=since)
        self._data: dict[Any, Any] = {}

    def get_state(self) -> Any:
        return dict(self._data)

    def set_state(self, state: Any) -> None:
        self._data = state

    @property
    def local(self) -> Mapping[Any, Any]:
        """What this member has, to be read only."""
        return MappingProxyType(self._data)

    @replicated
    def set(self, key: Any, value: Any) -> None:
        """Sets a key."""
        self._data[key] = value

    @replicated
    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of a key, which is set if it is absent."""
        return self._data.setdefault(key, default)

    @replicated
    def replace(self, key: Any, expected: Any, value: Any) -> bool:
        """Sets a key if its value is `expected`, and says whether: compare and swap. None stands for absent."""
        if self._data.get(key) != expected:
            return False
        self._data[key] = value
        return True

    @replicated
    def update(self, items: dict[Any, Any]) -> None:
        """Sets several keys. Raises TypeError for anything but a dict."""
        # A set of pairs would do for Python, in an order that is not the same everywhere.
        if type(items) is not dict:
            raise TypeError("the items are a dict")
        self._data.update(items)

    @replicated
    def pop(self, key: Any, default: Any = None) -> Any:
        """Removes a key, and gives its value."""
        return self._data.pop(key, default)

    @replicated
    def delete(self, key: Any) -> None:
        """Removes a key. Raises KeyError."""
        del self._data[key]

    @replicated
    def clear(self) -> None:
        """Removes all keys."""
        self._data.clear()

    @query
    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key."""
        return self._data.get(key, default)

    @query
    def contains(self, key: Any) -> bool:
        """Whether the key is there."""
        return key in self._data

    @query
    def size(self) -> int:
        """How many keys there are."""
        return len(self._data)

    @query
    def copy(self) -> dict[Any, Any]:
        """All of it."""
        return self._data


class ReplicatedCounter(Replicated):
    """An integer, or a float if that is what it is given."""

    def __init__(self, name: str | None = None, start: int | float = 0, *, since: int = 1) -> None:
        super().__init__(name, since=since)
        self._value = start

    def get_state(self) -> Any:
        return self._value

    def set_state(self, state: Any) -> None:
        self._value = state

    @property
    def local(self) -> int | float:
        """What this member has."""
        return self._value

    @replicated
    def add(self, amount: int | float = 1) -> int | float:
        """Adds, and gives the sum. Raises OverflowError."""
        self._value = _bounded(self._value + amount)
        return self._value

    @replicated
    def set(self, value: int | float) -> int | float:
        """Sets it. Raises OverflowError."""
        self._value = _bounded(value + 0)
        return self._value

    @query
    def get(self) -> int | float:
        """The value."""
        return self._value


def _bounded(value: int | float) -> int | float:
    """A number that a snapshot can have."""
    if type(value) is int and value.bit_length() >= 8 * MAX_INT_BYTES:
        raise OverflowError(f"an integer of more than {MAX_INT_BYTES} bytes")
    return value


class ReplicatedSet(Replicated):
    """A set, in the order in which its members came."""

    state_is_a_copy = True

    def __init__(self, name: str | None = None, *, since: int = 1) -> None:
        super().__init__(name, since=since)
        self._data: dict[Any, None] = {}

    def get_state(self) -> Any:
        return list(self._data)

    def set_state(self, state: Any) -> None:
        self._data = dict.fromkeys(state)

    @property
    def local(self) -> Set[Any]:
        """What this member has, to be read only."""
        return self._data.keys()

    @replicated
    def add(self, member: Any) -> bool:
        """Adds a member, and says whether it was absent."""
        if member in self._data:
            return False
        self._data[member] = None
        return True

    @replicated
    def update(self, members: Any) -> int:
        """Adds the members of a list, tuple or set, and says how many were absent."""
        before = len(self._data)
        # A list has an order. That of a set is not the same everywhere, but that of its members' bytes is.
        ordered = sorted(members, key=encode) if isinstance(members, Set) else members
        self._data.update(dict.fromkeys(ordered))
        return len(self._data) - before

    @replicated
    def discard(self, member: Any) -> bool:
        """Removes a member, and says whether it was there."""
        return self._data.pop(member, self) is None

    @replicated
    def remove(self, member: Any) -> None:
        """Removes a member. Raises KeyError."""
        del self._data[member]

    @replicated
    def pop(self) -> Any:
        """Removes the oldest member, and gives it. Raises KeyError."""
        if not self._data:
            raise KeyError("the set is empty")
        member = next(iter(self._data))
        del self._data[member]
        return member

    @replicated
    def clear(self) -> None:
        """Removes all members."""
        self._data.clear()

    @query
    def contains(self, member: Any) -> bool:
        """Whether it is there."""
        return member in self._data

    @query
    def size(self) -> int:
        """How many there are."""
        return len(self._data)

    @query
    def copy(self) -> list[Any]:
        """All of them, the oldest first."""
        return list(self._data)


class _Queue(Replicated):
    """What both kinds of queue have in common: they are full, or empty, and whoever takes may wait."""

    state_is_a_copy = True

    def __init__(self, name: str | None = None, max_items: int = 0, *, since: int = 1) -> None:
        """At most `max_items`, the same on every member; 0 stands for no limit."""
        super().__init__(name, since=since)
        self._max_items = max_items

    def _count(self) -> int:
        raise NotImplementedError

    def _take(self) -> Any:
        raise NotImplementedError

    @replicated
    def get(self, default: Any = None) -> Any:
        """Takes the next item out, or gives `default` if there is none."""
        return self._take() if self._count() else default

    @replicated
    def get_or_none(self) -> Any:
        """Takes the next item out as a tuple of one, or gives None: for items that may be None themselves."""
        return (self._take(),) if self._count() else None

    async def take(self) -> Any:
        """Takes the next item out, and waits for one.

        An item that is taken is gone: if this is cancelled meanwhile, it may be lost.
        """
        while True:
            # Before the command, so that nothing is missed that comes after it.
            if not self._count():
                await self.changed()
                continue
            taken = await self.get_or_none()
            if taken is not None:
                return taken[0]

    @query
    def size(self) -> int:
        """How many items there are."""
        return self._count()

    def _is_full(self) -> bool:
        return 0 < self._max_items <= self._count()


class ReplicatedQueue(_Queue):
    """First in, first out."""

    def __init__(self, name: str | None = None, max_items: int = 0, *, since: int = 1) -> None:
        super().__init__(name, max_items, since=since)
        self._items: deque[Any] = deque()

    def get_state(self) -> Any:
        return list(self._items)

    def set_state(self, state: Any) -> None:
        self._items = deque(state)

    @property
    def local(self) -> Sequence[Any]:
        """What this member has, as a copy."""
        return tuple(self._items)

    @replicated
    def put(self, item: Any) -> bool:
        """Appends an item, and says whether there was room."""
        if self._is_full():
            return False
        self._items.append(item)
        return True

    def _count(self) -> int:
        return len(self._items)

    def _take(self) -> Any:
        return self._items.popleft()


class ReplicatedPriorityQueue(_Queue):
    """The item with the smallest priority first; of several, the one that came first."""

    def __init__(self, name: str | None = None, max_items: int = 0, *, since: int = 1) -> None:
        super().__init__(name, max_items, since=since)
        self._heap: list[tuple[float, int, Any]] = []
        self._arrivals = 0

    def get_state(self) -> Any:
        return (self._arrivals, list(self._heap))

    def set_state(self, state: Any) -> None:
        self._arrivals, self._heap = state

    @property
    def local(self) -> Sequence[tuple[float, Any]]:
        """Priorities and items of this member, in their order, as a copy."""
        return [(priority, item) for priority, _, item in sorted(self._heap, key=lambda entry: entry[:2])]

    @replicated
    def put(self, priority: float, item: Any) -> bool:
        """Adds an item, and says whether there was room. Raises TypeError, ValueError (not a number)."""
        if type(priority) not in (int, float):
            raise TypeError("a priority is an int or a float")
        if priority != priority:
            raise ValueError("a priority is a number")
        if self._is_full():
            return False
        self._arrivals += 1
        heapq.heappush(self._heap, (priority, self._arrivals, item))
        return True

    def _count(self) -> int:
        return len(self._heap)

    def _take(self) -> Any:
        return heapq.heappop(self._heap)[2]
