"""An asyncio driver: a node that persists, sends and applies by itself.

    async with Node(config, storage, machine, send=transport.send) as node:
        result = await node.propose(b"command")     # what machine.apply made of it
        await node.read_index()                     # now the machine's state is as new as any

The host supplies a `StateMachine`, a function that takes messages to be sent, a storage (one of
libraft's, or anything with the methods of `Storage` below), and passes what peers send to
`Node.step`. One task runs the Ready loop; whatever may wait for a disk runs in threads of the
node, so that the event loop never does. Everything else belongs to the event loop: call nothing
from another thread.

Commands and the contexts of membership changes travel with a header of 16 bytes, by which the
proposer recognizes them: its id and a sequence number that begins anywhere, both big-endian.
Entries without a header are skipped. All members of a cluster therefore use this driver, or
another program that writes the same header.
"""

from __future__ import annotations

from ._interfaces import (
    HEADER_BYTES,
    Committed,
    Installed,
    NodeStopped,
    OutcomeUnknown,
    Rejected,
    SnapshotPolicy,
    StateMachine,
    Storage,
    Transport,
)
from ._node import Node
from .tcp import TcpTransport

__all__ = [
    "HEADER_BYTES",
    "Committed",
    "Installed",
    "Node",
    "NodeStopped",
    "OutcomeUnknown",
    "Rejected",
    "SnapshotPolicy",
    "StateMachine",
    "Storage",
    "TcpTransport",
    "Transport",
]
