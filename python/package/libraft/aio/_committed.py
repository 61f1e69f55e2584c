"""Async iteration over what a node applies, read from its storage.

Nothing is buffered but the entries of one read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from .._errors import Compacted, Unavailable
from .._types import EntryType
from ._base import Base
from ._interfaces import HEADER_BYTES, Committed, Installed


async def committed(node: Base, after: int, max_bytes: int) -> AsyncIterator[Committed | Installed]:
    """See `Node.committed`."""
    while not node._stopping:
        if after >= node._applied:
            follower: asyncio.Future[None] = node._loop.create_future()
            node._followers[follower] = None
            try:
                await follower
            finally:
                node._followers.pop(follower, None)
            continue
        entries = await _read(node, after + 1, node._applied + 1, max_bytes)
        for entry in entries or ():
            after = entry.index
            yield _of(entry)
        if entries is None:
            snapshot = await _under_lock(node, node._storage.snapshot)
            if snapshot is None:
                break
            # One that is newer than what is applied has been saved, and will be applied next.
            if after < snapshot.index <= node._applied:
                after = snapshot.index
                yield Installed(snapshot.index, snapshot.data)
            else:
                await asyncio.sleep(0)
    if node._failure is not None:
        raise node._stop_error()


async def _read(node: Base, low: int, high: int, max_bytes: int) -> Sequence[Any] | None:
    """None if the log does not have them, or the node is closing."""
    try:
        entries: Sequence[Any] | None = await _under_lock(node, node._storage.entries, low, high, max_bytes)
        return entries
    except (Compacted, Unavailable):
        return None


async def _under_lock(node: Base, read: Callable[..., Any], *arguments: Any) -> Any:
    """Reads in a thread. None if the node is closing, after which there are no threads to read in."""
    async with node._reading:
        # It may have begun to close while the lock was waited for. Once the thread has been given its work,
        # it is waited for.
        return None if node._stopping else await node._in_thread(read, *arguments)


def _of(entry: Any) -> Committed:
    data = entry.data
    is_command = entry.type == EntryType.NORMAL and len(data) >= HEADER_BYTES
    command = data[HEADER_BYTES:] if is_command else None
    return Committed(entry.index, entry.term, entry.type, command, data)
