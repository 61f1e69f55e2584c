"""A member of a cluster of replicated objects: what carries calls to the log, and their outcomes back.

Each run of a member has a session in the replicated state (see `_machine`), so that a call that is
proposed again, since its leader was lost or nothing was heard of it, is applied once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Final, Protocol, Self

from .. import aio
from .._errors import ProposalDropped, RaftError, ReadDropped
from .._libraft import DurableStorage, MemoryStorage
from .._types import ConfChangeType, Config, Role, Status
from ..aio.tcp import TcpTransport, parse_address
from ._encoding import encode
from ._machine import CALL, CLOCK, REGISTER, VERSION, WINDOW, Expired, Failure, Machine, UnknownMethod
from ._objects import Replicated

_RETRY_TICKS: Final = 20
"""After so many ticks without an outcome a command is proposed again."""


class Transport(aio.Transport, Protocol):
    """A transport that is told who the members are."""

    def set_peers(self, peers: Mapping[int, str], /) -> None:
        """The addresses of all members by their ids, this one's among them."""


def member_id(cluster: str, address: str) -> int:
    """The id of the member at this address: the same on every member, by a hash."""
    digest = hashlib.sha256(f"{len(cluster)}:{cluster}{address}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2**63 - 1) + 1


class Cluster:
    """This member of a cluster, with its objects.

    bank = Bank()
    async with Cluster("10.0.0.1:4000", ["10.0.0.2:4000", "10.0.0.3:4000"], objects=[bank], data="bank"):
        await bank.deposit("a", 5)
    """

    def __init__(
        self,
        address: str,
        peers: Sequence[str] = (),
        *,
        objects: Sequence[Replicated],
        data: str | PathLike[str] | None,
        name: str = "libraft",
        join: bool = False,
        secret: bytes | str | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
        listen: str | None = None,
        version: int = 1,
        tick_s: float = 0.1,
        clock_s: float = 0.25,
        max_command_bytes: int = 1 << 20,
        snapshots: aio.SnapshotPolicy | None = None,
        settings: Mapping[str, Any] | None = None,
        transport: Transport | None = None,
        storage: Any = None,
    ) -> None:
        """Nothing happens before `start`, or `async with`.

        `address` is where the others reach this member, as host:port, and its name for all of them;
        `listen`, where it listens, if that is elsewhere. `peers` are the other first members. All
        first members are started with the same set. One that joins later has `join=True` and any
        members as peers, and is added by `add_member` on one of them.

        `data` is the directory of the log and the snapshots. None keeps them in memory: then this
        member must not be started again under its address before the others have removed it, since
        it has forgotten what it promised them.

        `secret` is known to all members, who prove it to each other; `tls` is a context for
        connections that come in and one for those that go out. Without both, whoever reaches the
        port is trusted. `name` keeps clusters apart. `version` is the newest version of the cluster
        that this code knows. While a lock is held, the leader advances the clock every `clock_s`
        seconds. `settings` are more of `libraft.Config`.
        """
        for peer in (address, *peers):
            parse_address(peer)
        self.address = address
        self.name = name
        self.machine = Machine(objects, version)
        self._objects = tuple(objects)
        self._tick_s = tick_s
        self._clock_s = clock_s
        self._max_command_bytes = max_command_bytes
        self._join = join
        self._known = {member_id(name, peer): peer for peer in (address, *peers)}
        if len(self._known) != len(peers) + 1:
            raise ValueError("an address is given twice")
        self._transport: Transport = transport or TcpTransport(listen or address, cluster=name, secret=secret, tls=tls)
        self._transport.set_peers(self._known)
        self._storage = storage
        self._data = data
        options: dict[str, Any] = {"election_ticks": 10, "peer_reports": True, **(settings or {})}
        self._config = Config(id=member_id(name, address), **options)
        self._snapshots = snapshots
        self._node: aio.Node | None = None
        for instance in self._objects:
            if instance._given:
                # What it has would be the beginning of another log, or come twice with its own.
                raise ValueError(f"{instance.name!r} has been given to a cluster before: make a new one")
        for instance in self._objects:
            instance._given = True
        self._owns_storage = storage is None
        self._clock: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        # When the clock was last seen to move, by this member's own time.
        self._clock_seen_s = 0.0

        self._session = 0
        self._registering = asyncio.Lock()
        self._sequence = 0
        # The oldest sequence number whose outcome is not here, and those that are under way.
        self._floor = 1
        self._under_way: set[int] = set()
        self._room = asyncio.Event()
        self._room.set()

    # ---------------------------------------------------------------- life

    @classmethod
    async def start(cls, address: str, peers: Sequence[str] = (), **options: Any) -> Self:
        """Makes a member and starts it: `Cluster(..)` and `open` in one."""
        cluster = cls(address, peers, **options)
        await cluster.open()
        return cluster

    async def open(self) -> None:
        """Takes part from now on. `wait_ready` returns when there is a leader."""
        if self._node is not None:
            raise RuntimeError("a member can be started once")
        loop = asyncio.get_running_loop()
        if self._storage is None:
            path = self._data
            self._storage = MemoryStorage() if path is None else await asyncio.to_thread(DurableStorage, path)
        try:
            if self._storage.is_fresh() and not self._join:
                state = self.machine.first_state(self._known)
                await asyncio.to_thread(lambda: self._storage.bootstrap(sorted(self._known), data=state))
            self.machine.on_members = self._on_members
            self.machine.on_clock = lambda: setattr(self, "_clock_seen_s", loop.time())
            self._clock_seen_s = loop.time()
            for instance in self._objects:
                instance._cluster = self
            self._node = aio.Node(
                self._config,
                self._storage,
                self.machine,
                transport=self._transport,
                tick_s=self._tick_s,
                snapshots=self._snapshots,
                proposal_timeout_ticks=_RETRY_TICKS,
            )
            await self._node.start()
        except BaseException:
            self._let_go()
            raise
        self._clock = asyncio.create_task(self._run_clock(self._node), name=f"{self.name}-clock")
        self._watch = asyncio.create_task(self._watch_end(self._node), name=f"{self.name}-watch")

    async def close(self) -> None:
        """Stops: whoever waits gets `libraft.aio.NodeStopped`. Again does nothing."""
        if self._node is None:
            return
        try:
            await self._node.close()
        finally:
            for task in (self._clock, self._watch):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            self._let_go()

    def _let_go(self) -> None:
        for instance in self._objects:
            instance._notify(aio.NodeStopped("the cluster has been closed"))
            instance._cluster = None
        if self._owns_storage and self._storage is not None:
            self._storage.close()

    async def _watch_end(self, node: aio.Node) -> None:
        """Whoever waits for a change of an object hears of the end of the node, too."""
        try:
            await node.wait_stopped()
        except aio.NodeStopped as error:
            for instance in self._objects:
                instance._notify(error)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---------------------------------------------------------------- what the host may ask

    @property
    def node(self) -> aio.Node:
        """The driver underneath."""
        if self._node is None:
            raise RuntimeError("the cluster has not been started")
        return self._node

    def check_running(self) -> None:
        """Raises NodeStopped, or RuntimeError before the start."""
        self.node._running()

    def status(self) -> Status:
        """What this member's node says about itself."""
        return self.node.status()

    @property
    def is_leader(self) -> bool:
        """Whether this member leads, as far as it knows."""
        return self.status().role == Role.LEADER

    @property
    def leader(self) -> str | None:
        """The address of the leader, as far as this member knows."""
        return self.machine.members.get(self.status().leader)

    @property
    def members(self) -> list[str]:
        """The addresses of the members, as of what this one has applied."""
        return sorted(self.machine.members.values())

    async def wait_ready(self) -> None:
        """Returns when there is a leader, and this member has what was acknowledged before."""
        await self.node.wait_leader()
        await self.barrier()

    async def barrier(self) -> None:
        """Returns when this member has applied all that anybody was told of before: a linearizable read."""
        while True:
            try:
                await self.node.read_index()
                return
            except ReadDropped:
                await self._pause()

    async def add_member(self, address: str) -> None:
        """Adds a member, which is started with `join=True`. Does nothing if it is one.

        Raises ValueError: the address is not host:port.
        """
        parse_address(address)
        await self._change(ConfChangeType.ADD_NODE, address)

    async def remove_member(self, address: str) -> None:
        """Removes a member, to be closed afterwards. Does nothing if it is none."""
        await self._change(ConfChangeType.REMOVE_NODE, address)

    async def _change(self, change: ConfChangeType, address: str) -> None:
        member = member_id(self.name, address)
        while True:
            await self.barrier()
            if (member in self.machine.members) == (change == ConfChangeType.ADD_NODE):
                return
            try:
                await self.node.propose_conf_change(change, member, address.encode())
            except (ProposalDropped, aio.OutcomeUnknown):
                await self._pause()

    async def set_version(self, version: int) -> int:
        """Switches on what came with a version, once every member's code knows it; gives the version.

        A member whose code does not know it stops when it learns of this. Versions never go down.
        """
        if version > self.machine.known_version:
            raise ValueError(f"this member's code knows versions up to {self.machine.known_version}")
        result: int = await self._propose(encode([VERSION, version]))
        return result

    # ---------------------------------------------------------------- calls

    async def invoke(self, name: str, method: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Calls a method of an object on all members; see `Replicated`. Raises what it raises."""
        # What comes into the log is fatal to a member that was not given the object, as it must be.
        instance = self.machine.objects.get(name)
        if instance is not None and instance.since > self.machine.version:
            # This member may have heard less than its caller.
            await self.barrier()
        if instance is None or instance.since > self.machine.version:
            raise UnknownMethod(f"no object is called {name!r} in version {self.machine.version}")
        while True:
            if not self._session:
                await self._register()
            while self._sequence + 1 - self._floor >= WINDOW:
                self._room.clear()
                await self._room.wait()
            session = self._session
            self._sequence += 1
            sequence = self._sequence
            self._under_way.add(sequence)
            try:
                command = encode(
                    [CALL, session, sequence, self._floor, name, method, list(arguments), dict(named)],
                    self._max_command_bytes,
                )
                outcome, tries = await self._try(command)
            finally:
                self._done(sequence)
            if not isinstance(outcome, Failure):
                return outcome
            if type(outcome) is not Expired:
                raise outcome.error
            if session == self._session:
                self._session = 0
            if tries > 1:
                raise aio.OutcomeUnknown("the session expired while the call was tried again")

    def _done(self, sequence: int) -> None:
        self._under_way.discard(sequence)
        if sequence == self._floor:
            while self._floor <= self._sequence and self._floor not in self._under_way:
                self._floor += 1
            self._room.set()

    async def _register(self) -> None:
        async with self._registering:
            if not self._session:
                self._session = await self._propose(encode([REGISTER]))

    async def _propose(self, command: bytes) -> Any:
        outcome, _ = await self._try(command)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    async def _try(self, command: bytes) -> tuple[Any, int]:
        """Proposes until there is an outcome, and says how often."""
        tries = 0
        propose = self.node.propose
        while True:
            try:
                tries += 1
                return await propose(command), tries
            except (ProposalDropped, aio.OutcomeUnknown):
                await self._pause()

    async def _pause(self) -> None:
        await self.node.wait_leader()
        await asyncio.sleep(self._tick_s)

    # ---------------------------------------------------------------- time and members

    async def _run_clock(self, node: aio.Node) -> None:
        """While this member leads and some object waits for time to pass, time passes."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._clock_s)
            machine = self.machine
            if node.failure is not None or not machine.wants_clock() or not self.is_leader:
                continue
            since = machine.clock_ms
            until = since + int((loop.time() - self._clock_seen_s) * 1000)
            with contextlib.suppress(RaftError):
                await node.propose(encode([CLOCK, since, until]))

    def _on_members(self) -> None:
        # A member that was only just given peers knows them before the log tells it of them.
        if self.machine.members:
            self._transport.set_peers(self.machine.members)
