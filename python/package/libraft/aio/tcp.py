"""Messages between members over TCP: a connection each way, framed, with an optional secret and TLS.

A member connects to each other one and sends on that connection; what comes back there is only the
answer of the handshake (`_handshake`). Messages that can't be sent are dropped, the oldest first, and the
node is told: Raft repeats what matters. Whatever a stranger sends ends its own connection and
nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from .._errors import ConfChangeError, Dropped, PeerError, ProposalDropped, RaftError, UnknownPeer
from .._libraft import Message
from .._types import MessageType, SnapshotStatus
from . import _handshake
from ._handshake import FRAME_MAC_BYTES, LENGTH, Client, Identity, Refused, Seal, Server

if TYPE_CHECKING:
    from ._node import Node

_log = logging.getLogger("libraft.tcp")

_MAX_STRANGERS: Final = 64
"""So many connections may be in their handshake at once, that of TLS included. One more takes the place of the
oldest: those that say nothing and stay must not keep members out."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.05, 2.0
_BUFFERED_BYTES: Final = 1 << 20
"""With so much unsent, a connection takes nothing more for now."""
_USER_TIMEOUT_MS: Final = 10_000
"""What is not acknowledged for so long ends the connection."""


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of host:port, or of [host]:port for IPv6. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"an address is host:port, not {address!r}")
    host = host.removeprefix("[").removesuffix("]")
    try:
        # As whoever looks it up will do.
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"no host can have the name in {address!r}: {error}") from error
    return host, int(port)


class TcpTransport:
    """A transport for `Node`, over TCP."""

    def __init__(
        self,
        listen: str | socket.socket,
        peers: Mapping[int, str] | None = None,
        *,
        cluster: str,
        secret: bytes | str | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
        max_frame_bytes: int = 256 << 20,
        max_queued_bytes: int = 64 << 20,
        handshake_s: float = 5.0,
    ) -> None:
        """Listens at `listen`, an address or a bound socket. `peers` are addresses by id; see `set_peers`.

        With `secret`, both sides of each connection prove that they have it, and that they belong to
        `cluster`. It should be random and long: whoever connects can try to guess it from the
        answer. `tls` is a context for connections that come in, and one for those that go out, whose
        certificate checks are the contexts' affair. With a secret, each frame has a MAC, with TLS
        and without: nobody else can forge or change what is sent, but without TLS everybody on the
        way can read it, and with TLS whoever the contexts let in between. Without either there is
        no protection at all.

        `max_frame_bytes` bounds what a peer can make this node hold; a snapshot has to fit into it.
        """
        if isinstance(listen, str):
            parse_address(listen)
        if isinstance(secret, str):
            secret = secret.encode()
        if secret is not None and not secret:
            raise ValueError("an empty secret protects nothing")
        self._listen = listen
        self._cluster = cluster
        self._secret = secret
        self.tls = tls
        self.max_frame_bytes = min(max_frame_bytes, 2**32 - 1)
        self.max_queued_bytes = max_queued_bytes
        self.handshake_s = handshake_s
        self.refused: Counter[str] = Counter()
        """How many connections were ended, by the reason."""
        self._addresses: dict[int, str] = {}
        self._peers: dict[int, _Peer] = {}
        self._node: Node | None = None
        self._server: asyncio.Server | None = None
        self.incoming: set[_Incoming] = set()
        self.strangers: dict[_Incoming, None] = {}
        """Those whose handshake is not over, the oldest first."""
        self.set_peers(peers or {})

    @property
    def seals(self) -> bool:
        """Whether frames have MACs.

        With TLS as well: the handshake does not say over which TLS connection it goes, so that somebody
        in the middle, to whom a context that checks nothing has connected, could pass it on and then
        send frames of its own.
        """
        return self._secret is not None

    @property
    def node(self) -> Node:
        """The node that it carries messages for, once it has been started."""
        assert self._node is not None
        return self._node

    async def start(self, node: Node) -> None:
        """Listens, and connects to the others. Raises OSError."""
        self._node = node
        self.identity = Identity(node.id, self._cluster, self._secret)
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if isinstance(self._listen, str):
            host, port = parse_address(self._listen)
            options |= {"host": host, "port": port}
        else:
            options |= {"sock": self._listen}
        self._server = await loop.create_server(lambda: _Incoming(self), **options)
        self.set_peers(self._addresses)

    def set_peers(self, peers: Mapping[int, str]) -> None:
        """The members by id; this node's own id is passed over. Connections to others are closed."""
        for address in peers.values():
            parse_address(address)
        self._addresses = dict(peers)
        if self._node is None:
            return
        for node_id in [i for i, peer in self._peers.items() if peers.get(i) != peer.address]:
            self._peers.pop(node_id).close()
        for node_id, address in peers.items():
            if node_id != self._node.id and node_id not in self._peers:
                self._peers[node_id] = _Peer(self, node_id, address)

    def send(self, messages: Sequence[Message]) -> None:
        """Takes messages over. See `Transport.send`."""
        if len(messages) == 1:
            self._send_to(messages[0].to, messages)
            return
        by_peer: dict[int, list[Message]] = {}
        for message in messages:
            by_peer.setdefault(message.to, []).append(message)
        for node_id, some in by_peer.items():
            self._send_to(node_id, some)

    def _send_to(self, node_id: int, messages: Sequence[Message]) -> None:
        peer = self._peers.get(node_id)
        if peer is not None:
            peer.send(messages)
        else:
            self.dropped(node_id, any(message.type == MessageType.SNAP for message in messages))

    def dropped(self, node_id: int, has_snapshot: bool) -> None:
        """Tells the node that messages got lost."""
        self.node.report_unreachable(node_id)
        if has_snapshot:
            self.node.report_snapshot(node_id, SnapshotStatus.FAILURE)

    async def close(self) -> None:
        """Closes all connections."""
        if self._server is not None:
            self._server.close()
        peers = list(self._peers.values())
        for peer in peers:
            peer.close()
        self._peers.clear()
        for incoming in list(self.incoming):
            incoming.end()
        await asyncio.gather(*(peer.task for peer in peers), return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            # Streams that were ended tell their protocols in a later turn of the loop.
            while self.incoming:
                await asyncio.sleep(0)
        elif not isinstance(self._listen, str):
            self._listen.close()


class _Incoming(asyncio.Protocol):
    """A connection of somebody who wants to send."""

    def __init__(self, owner: TcpTransport) -> None:
        self.owner = owner
        self.handshake: Server | None = Server(owner.identity)
        self.peer = 0
        self.seal: Seal | None = None
        self.buffer = bytearray()
        self.has_answered = False
        self.securing: asyncio.Task[None] | None = None
        """TLS begins here rather than in the server, which tells nobody of connections until it is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        owner = self.owner
        owner.incoming.add(self)
        if len(owner.strangers) >= _MAX_STRANGERS:
            next(iter(owner.strangers)).refuse("too many")
        owner.strangers[self] = None
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(owner.handshake_s, self.refuse, "too slow")
        if owner.tls is not None:
            self.securing = loop.create_task(self._secure(self.transport, owner.tls[0]))

    async def _secure(self, raw: asyncio.Transport, context: ssl.SSLContext) -> None:
        if raw.is_closing():
            return
        secured: asyncio.Transport | None = None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                raw, self, context, server_side=True, ssl_handshake_timeout=self.owner.handshake_s
            )
        except ssl.SSLError:
            self.refuse("tls")
        except Exception as error:
            _log.debug("a connection ended before TLS began: %s", error)
        finally:
            self.securing = None
            if secured is None or raw.is_closing():
                if secured is not None:
                    secured.abort()
                raw.abort()
                # Nobody else says so to a protocol whose TLS has not begun.
                self.connection_lost(None)
        if secured is not None and not raw.is_closing():
            self.transport = secured
            # What came in one piece with the end of TLS's handshake.
            self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._no_stranger()
        self.owner.incoming.discard(self)

    def _no_stranger(self) -> None:
        if self.handshake is not None:
            self.handshake = None
            self.owner.strangers.pop(self, None)
            self.timer.cancel()

    def refuse(self, reason: str) -> None:
        """The other side did something that no member does."""
        self.owner.refused[reason] += 1
        _log.info("a connection from %s was ended: %s", self.transport.get_extra_info("peername"), reason)
        self.end()

    def end(self) -> None:
        """Lets go of the connection at once."""
        self.buffer = bytearray()
        self._no_stranger()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        try:
            if self.handshake is not None:
                self.buffer += data
                # As long as TLS has not told where to, nothing can be answered.
                if self.securing is not None or not self._shake(self.handshake):
                    return
                data = bytes(self.buffer)
                self.buffer = bytearray()
            self._frames(data)
        except Refused as refused:
            self.refuse(str(refused))

    def _shake(self, handshake: Server) -> bool:
        """Whether the handshake is over."""
        buffer = self.buffer
        if not self.has_answered:
            # Whoever begins otherwise need not be waited for.
            if not _handshake.MAGIC.startswith(buffer[: len(_handshake.MAGIC)]):
                raise Refused("magic")
            if len(buffer) < _handshake.HELLO_BYTES:
                return False
            answer = handshake.on_hello(bytes(buffer[: _handshake.HELLO_BYTES]))
            del buffer[: _handshake.HELLO_BYTES]
            self.has_answered = True
            self.transport.write(answer)
        if len(buffer) < _handshake.PROOF_BYTES:
            return False
        handshake.on_proof(bytes(buffer[: _handshake.PROOF_BYTES]))
        del buffer[: _handshake.PROOF_BYTES]
        self.peer = handshake.peer
        if self.owner.seals:
            self.seal = Seal(handshake.key)
        self._no_stranger()
        # A member that connects again has lost the connection that it had.
        for other in list(self.owner.incoming):
            if other is not self and other.peer == self.peer:
                other.end()
        return True

    def _frames(self, data: bytes) -> None:
        """Takes frames apart. What is left waits in the buffer for more."""
        if self.buffer:
            self.buffer += data
            if len(self.buffer) < self._wanted():
                return
            data = bytes(self.buffer)
            self.buffer = bytearray()
        place, end = 0, len(data)
        extra = FRAME_MAC_BYTES if self.seal is not None else 0
        while end - place >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, place)
            if length > self.owner.max_frame_bytes:
                raise Refused("frame too long")
            begin = place + LENGTH.size
            if begin + length + extra > end:
                break
            payload = data[begin : begin + length]
            place = begin + length + extra
            if self.seal is not None:
                mac = data[begin + length : place]
                if not self.seal.matches(mac, payload):
                    raise Refused("frame changed")
            self._step(payload)
            if self.transport.is_closing():
                return
        if place < end:
            self.buffer = bytearray(data[place:])

    def _wanted(self) -> int:
        """How long the buffer has to be at least until it holds a frame."""
        if len(self.buffer) < LENGTH.size:
            return LENGTH.size
        (length,) = LENGTH.unpack_from(self.buffer)
        if length > self.owner.max_frame_bytes:
            raise Refused("frame too long")
        length += LENGTH.size
        return int(length) + (FRAME_MAC_BYTES if self.seal is not None else 0)

    def _step(self, payload: bytes) -> None:
        try:
            self.owner.node.step_many(payload)
        except (Dropped, ProposalDropped, ConfChangeError, UnknownPeer):
            # Ordinary: there is no leader, or the sender is no member any more.
            pass
        except PeerError as error:
            _log.warning("member %d sent nonsense: %s", self.peer, error)
            raise Refused("malformed message") from error
        except RaftError:
            # This node has stopped.
            self.end()


class _Outgoing(asyncio.Protocol):
    """A connection to a peer."""

    def __init__(self, owner: TcpTransport, peer: int) -> None:
        loop = asyncio.get_running_loop()
        self.owner = owner
        self.handshake = Client(owner.identity, peer)
        self.buffer = b""
        self.seal: Seal | None = None
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self.on_resume: Callable[[], None] = _nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        self.transport.set_write_buffer_limits(high=_BUFFERED_BYTES)
        self.transport.write(self.handshake.hello)

    def data_received(self, data: bytes) -> None:
        if self.ready.done():
            # A server says nothing after its answer.
            self.transport.abort()
            return
        self.buffer += data
        if len(self.buffer) < _handshake.ANSWER_BYTES:
            return
        try:
            if len(self.buffer) > _handshake.ANSWER_BYTES:
                raise Refused("magic")
            proof = self.handshake.on_answer(self.buffer)
        except Refused as refused:
            self.owner.refused[str(refused)] += 1
            self.ready.set_exception(ConnectionError(f"the peer was refused: {refused}"))
            self.transport.abort()
            return
        if self.owner.seals:
            self.seal = Seal(self.handshake.key)
        self.transport.write(proof)
        self.ready.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the connection was closed in its handshake"))
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.on_resume()

    def write(self, payload: bytes) -> None:
        """Sends a frame."""
        head = LENGTH.pack(len(payload))
        self.transport.write(head + payload + (self.seal.next(payload) if self.seal is not None else b""))


class _Peer:
    """What is on its way to one member, and the task that keeps a connection to it."""

    def __init__(self, owner: TcpTransport, node_id: int, address: str) -> None:
        self.owner = owner
        self.id = node_id
        self.address = address
        self.connection: _Outgoing | None = None
        self.queue: deque[Message] = deque()
        self.queued_bytes = 0
        self.closed = False
        self.task = asyncio.create_task(self._run(), name=f"libraft-tcp-{node_id}")

    def close(self) -> None:
        """Drops what is queued, and the connection."""
        self.closed = True
        self.connection = None
        self.queue.clear()
        self.task.cancel()

    def send(self, messages: Sequence[Message]) -> None:
        """Sends, or queues until the connection takes more."""
        connection = self.connection
        if connection is not None and not connection.paused and not self.queue:
            self._write(connection, messages)
            return
        for message in messages:
            self.queue.append(message)
            self.queued_bytes += len(message)
        lost_snapshot = False
        has_lost = False
        while self.queued_bytes > self.owner.max_queued_bytes and self.queue:
            oldest = self.queue.popleft()
            self.queued_bytes -= len(oldest)
            has_lost = True
            lost_snapshot |= oldest.type == MessageType.SNAP
        if has_lost:
            self.owner.dropped(self.id, lost_snapshot)

    def _write(self, connection: _Outgoing, messages: Sequence[Message]) -> None:
        """In as few frames as there may be."""
        parts: list[bytes] = []
        size = 0
        for message in messages:
            encoded = message.encoded
            length = _varint(len(encoded))
            if len(encoded) + len(length) > self.owner.max_frame_bytes:
                _log.error("a message of %d bytes to member %d is too long", len(encoded), self.id)
                self.owner.dropped(self.id, message.type == MessageType.SNAP)
                continue
            if size + len(encoded) + len(length) > self.owner.max_frame_bytes:
                connection.write(b"".join(parts))
                parts, size = [], 0
            parts += (length, encoded)
            size += len(encoded) + len(length)
            if message.type == MessageType.SNAP:
                # If it gets lost after all, the leader finds out by the answer to its next append.
                self.owner.node.report_snapshot(self.id, SnapshotStatus.FINISH)
        if parts:
            connection.write(b"".join(parts))

    def _flush(self) -> None:
        connection = self.connection
        while self.queue and connection is not None and not connection.paused:
            message = self.queue.popleft()
            self.queued_bytes -= len(message)
            self._write(connection, [message])

    def _drop_all(self) -> None:
        if self.queue:
            has_snapshot = any(message.type == MessageType.SNAP for message in self.queue)
            self.queue.clear()
            self.queued_bytes = 0
            self.owner.dropped(self.id, has_snapshot)

    async def _run(self) -> None:
        """Connects for as long as there is this peer, less and less often if that fails."""
        pause_s = _FIRST_RETRY_S
        while True:
            connection: _Outgoing | None = None
            try:
                connection = await self._connect()
                pause_s = _FIRST_RETRY_S
                self.connection = connection
                connection.on_resume = self._flush
                self._flush()
                await connection.lost
            except (OSError, TimeoutError) as error:
                _log.debug("no connection to member %d at %s: %s", self.id, self.address, error)
            except Exception:
                # Whatever it was: without this task the member would never be heard of again.
                _log.exception("no connection to member %d at %s", self.id, self.address)
            finally:
                self.connection = None
                if connection is not None:
                    connection.transport.abort()
            self._drop_all()
            self.owner.node.report_unreachable(self.id)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(2 * pause_s, _LAST_RETRY_S)

    async def _connect(self) -> _Outgoing:
        loop = asyncio.get_running_loop()
        host, port = parse_address(self.address)
        connection = _Outgoing(self.owner, self.id)
        try:
            async with asyncio.timeout(self.owner.handshake_s):
                if self.owner.tls is None:
                    await loop.create_connection(lambda: connection, host, port)
                else:
                    await loop.create_connection(
                        lambda: connection, host, port, ssl=self.owner.tls[1], server_hostname=host
                    )
                await connection.ready
        except BaseException:
            if hasattr(connection, "transport"):
                connection.transport.abort()
            if connection.ready.done():
                with contextlib.suppress(BaseException):
                    connection.ready.exception()
            raise
        return connection


def _nothing() -> None:
    """For a connection with nothing in a queue."""


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
