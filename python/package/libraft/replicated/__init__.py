"""Replicated objects: methods that run on every member of a cluster, and ready-made collections.

    class Bank(Replicated):
        def __init__(self) -> None:
            super().__init__()
            self.accounts: dict[str, int] = {}

        @replicated
        def deposit(self, name: str, amount: int) -> int:
            self.accounts[name] = self.accounts.get(name, 0) + amount
            return self.accounts[name]

    bank = Bank()
    async with Cluster("10.0.0.1:4000", ["10.0.0.2:4000", "10.0.0.3:4000"], objects=[bank], data="bank"):
        print(await bank.deposit("a", 5))

Calls may be made on any member; each is applied exactly once, on all members in the same order.
Arguments, results and state are plain values, in a safe encoding: no pickle. `SyncCluster` is the same
for programs without asyncio. Needs msgpack: `pip install 'libraft[replicated]'`.
"""

from __future__ import annotations

from ..aio import NodeStopped, OutcomeUnknown, SnapshotPolicy
from ._cluster import Cluster, member_id
from ._collections import (
    ReplicatedCounter,
    ReplicatedDict,
    ReplicatedPriorityQueue,
    ReplicatedQueue,
    ReplicatedSet,
)
from ._encoding import EncodingError, decode, encode
from ._lock import Lease, LockLost, ReplicatedLock
from ._machine import CallFailed, ReplicatedError, ResultError, SessionExpired, UnknownMethod
from ._objects import Replicated, query, replicated
from ._sync import SyncCluster

__all__ = [
    "CallFailed",
    "Cluster",
    "EncodingError",
    "Lease",
    "LockLost",
    "NodeStopped",
    "OutcomeUnknown",
    "Replicated",
    "ReplicatedCounter",
    "ReplicatedDict",
    "ReplicatedError",
    "ReplicatedLock",
    "ReplicatedPriorityQueue",
    "ReplicatedQueue",
    "ReplicatedSet",
    "ResultError",
    "SessionExpired",
    "SnapshotPolicy",
    "SyncCluster",
    "UnknownMethod",
    "decode",
    "encode",
    "member_id",
    "query",
    "replicated",
]
