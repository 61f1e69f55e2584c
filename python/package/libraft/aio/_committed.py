"""Async iteration over what a node applies, read from its storage.

Nothing is buffered but the entries of one read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
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
            async with node._reading:
                snapshot = await node._in_thread(node._storage.snapshot)
            # One that is newer than what is applied has been saved, and will be applied next.
            if after < snapshot.index <= node._applied:
                after = snapshot.index
                yield Installed(snapshot.index, snapshot.data)
            else:
                await asyncio.sleep(0)
    if node._failure is not None:
        raise node._stop_error()


async def _read(node: Base, low: int, high: int, max_bytes: int) -> Sequence[Any] | None:
    """None if the log does not have them."""
    try:
        async with node._reading:
            entries: Sequence[Any] = await node._in_thread(node._storage.entries, low, high, max_bytes)
            return entries
    except (Compacted, Unavailable):
        return None


def _of(entry: Any) -> Committed:
    data = entry.data
    is_command = entry.type == EntryType.NORMAL and len(data) >= HEADER_BYTES
    command = data[HEADER_BYTES:] if is_command else None
    return Committed(entry.index, entry.term, entry.type, command, data)
