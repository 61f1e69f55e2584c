"""Sending to the other members: for each one a bounded queue and a task with one connection.

A slow or dead peer costs nothing but its own queue; raft sends again what gets lost. What becomes
of a batch is reported to the node.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from libraft import Message, MessageType, SnapshotStatus
from libraft.aio import Node
from state import State, uvarint

MAX_QUEUED_MESSAGES = 4096
MAX_QUEUED_BYTES = 32 << 20
MAX_BATCH_MESSAGES = 256
MAX_BATCH_BYTES = 4 << 20
PAUSE_AFTER_FAILURE_S = 0.05
TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=1)
MAX_LEARNED = 1024


class Peers:
    """The other members: where they are, and what is on its way to them."""

    def __init__(self, own_id: int, own_address: str, state: Callable[[], State]) -> None:
        self.own_id = own_id
        self.own_address = own_address
        self.state = state
        self.node: Node
        self.on_removed: Callable[[], None]
        # Where senders say they are whose address is not replicated: a new node must answer its
        # leader before it has learned the members from it.
        self.learned: dict[int, str] = {}
        self.senders: dict[int, Sender] = {}

    def learn(self, peer: int, address: str) -> None:
        if peer in self.state().members or self.learned.get(peer) == address:
            return
        if len(self.learned) >= MAX_LEARNED:
            self.learned.clear()
        self.learned[peer] = address
        self.update()

    def address_of(self, peer: int) -> str | None:
        state = self.state()
        return None if peer in state.removed else state.members.get(peer, self.learned.get(peer))

    def update(self) -> None:
        """Ends the senders to addresses that are no longer right."""
        for peer, sender in list(self.senders.items()):
            if self.address_of(peer) != sender.address:
                sender.close()
                del self.senders[peer]

    def send(self, messages: Sequence[Message]) -> None:
        """Puts messages into the queues of their recipients."""
        for message in messages:
            peer = message.to
            sender = self.senders.get(peer)
            if sender is None:
                address = self.address_of(peer)
                if address is None:
                    self.report(peer, [message.type], delivered=False)
                    continue
                sender = self.senders[peer] = Sender(self, peer, address)
            if not sender.put(message) and message.type == MessageType.SNAP:
                self.node.report_snapshot(peer, SnapshotStatus.FAILURE)

    def report(self, peer: int, types: Sequence[int], *, delivered: bool) -> None:
        """Tells the node what became of some messages."""
        if not delivered:
            self.node.report_unreachable(peer)
        if MessageType.SNAP in types:
            self.node.report_snapshot(peer, SnapshotStatus.FINISH if delivered else SnapshotStatus.FAILURE)

    def close(self) -> None:
        for sender in self.senders.values():
            sender.close()
        self.senders.clear()


class Sender:
    """Sends to one peer until it is closed."""

    def __init__(self, peers: Peers, peer: int, address: str) -> None:
        self.peers = peers
        self.peer = peer
        self.address = address
        self.queue: deque[tuple[int, bytes]] = deque()
        self.queued_bytes = 0
        self.filled = asyncio.Event()
        self.under_way: list[int] = []
        self.task: asyncio.Task[Any] = asyncio.create_task(self.run())

    def put(self, message: Message) -> bool:
        if len(self.queue) >= MAX_QUEUED_MESSAGES or self.queued_bytes >= MAX_QUEUED_BYTES:
            return False
        # A copy: a view would keep everything in memory that came with the message.
        self.queue.append((message.type, message.encoded))
        self.queued_bytes += len(message)
        self.filled.set()
        return True

    def take(self) -> tuple[list[int], bytes]:
        """The next batch: the types of its messages, and their frames."""
        types: list[int] = []
        frames: list[bytes] = []
        size = 0
        while self.queue and len(types) < MAX_BATCH_MESSAGES and (not types or size < MAX_BATCH_BYTES):
            kind, encoded = self.queue.popleft()
            types.append(kind)
            frames += (uvarint(len(encoded)), encoded)
            size += len(encoded)
        self.queued_bytes -= size
        return types, b"".join(frames)

    async def run(self) -> None:
        headers = {"Content-Type": "application/octet-stream", "Raft-Address": self.peers.own_address}
        async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
            while True:
                await self.filled.wait()
                self.under_way, body = self.take()
                if not self.queue:
                    self.filled.clear()
                # Once only: a proposal that is sent again may be carried out twice.
                status = await self.post(session, body)
                types, self.under_way = self.under_way, []
                self.peers.report(self.peer, types, delivered=status == 204)
                if status == 410:
                    self.peers.on_removed()
                if status != 204:
                    await asyncio.sleep(PAUSE_AFTER_FAILURE_S)

    async def post(self, session: aiohttp.ClientSession, body: bytes) -> int | None:
        """The status of the answer, or None if none came."""
        try:
            async with session.post(f"http://{self.address}/raft", data=body) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    def close(self) -> None:
        self.task.cancel()
        # The node waits to hear of a snapshot before it sends anything else.
        types = [*self.under_way, *(kind for kind, _ in self.queue)]
        if MessageType.SNAP in types:
            self.peers.report(self.peer, types, delivered=False)
