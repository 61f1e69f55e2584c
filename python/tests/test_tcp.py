"""Messages over TCP: members that find each other, and strangers of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from libraft import MemoryStorage, MessageType
from libraft.aio import SnapshotPolicy, TcpTransport, tcp
from libraft.aio import _handshake as handshake
from libraft.replicated import Cluster, ReplicatedCounter, ReplicatedDict, SyncCluster, member_id
from test_aio import TICK_S, in_a_loop

LONG_S = 600.0
"""Longer than any handshake on a machine with much else to do."""
SECRET = b"correct horse battery staple"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(TICK_S)


def listeners(count: int) -> tuple[list[socket.socket], list[str]]:
    """Bound sockets, so that nobody else can take their ports, and their addresses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    return sockets, [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


Member = tuple[Cluster, TcpTransport, Any, Any]


def make(listener: socket.socket | str, address: str, others: Sequence[str], **options: Any) -> Member:
    given = {key: options.pop(key) for key in ("secret", "tls", "handshake_s", "max_frame_bytes") if key in options}
    transport = TcpTransport(listener, cluster=options.get("name", "test"), **given)
    counter, d = ReplicatedCounter(), ReplicatedDict()
    settings: dict[str, Any] = {"data": None, "name": "test", "tick_s": 0.02, "settings": {"election_ticks": 20}}
    cluster = Cluster(address, others, objects=[counter, d], transport=transport, **{**settings, **options})
    return cluster, transport, counter, d


@contextlib.asynccontextmanager
async def three(**options: Any) -> AsyncIterator[list[Member]]:
    sockets, addresses = listeners(3)
    members = []
    for listener, address in zip(sockets, addresses, strict=True):
        members.append(make(listener, address, [other for other in addresses if other != address], **options))
    async with contextlib.AsyncExitStack() as stack:
        for cluster, *_ in members:
            await stack.enter_async_context(cluster)
        yield members


async def check(members: list[Member]) -> None:
    """That all of them serve."""
    before = await members[0][2].get()
    for number, (_, _, counter, _) in enumerate(members, 1):
        assert await counter.add(1) == before + number
    assert await members[0][3].set("k", b"\0" * 100_000) is None
    for _, _, _, d in members:
        assert await d.get("k") == b"\0" * 100_000


@in_a_loop
async def test_members_serve_without_protection() -> None:
    async with three() as members:
        await check(members)


@in_a_loop
async def test_members_serve_with_a_secret() -> None:
    async with three(secret=SECRET, handshake_s=LONG_S) as members:
        await check(members)
        assert not sum((transport.refused for _, transport, _, _ in members), members[0][1].refused)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes authorities, and certificates of 127.0.0.1 by each."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing: apt-get install openssl")

    def make(name: str) -> Path:
        home = tmp_path_factory.mktemp(name)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=home, check=True, capture_output=True)

        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
        openssl("req", "-x509", *key, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem", "-out", "cert.pem",
                "-subj", "/CN=member", "-addext", "subjectAltName=IP:127.0.0.1",
                "-addext", "basicConstraints=CA:FALSE")  # fmt: skip
        return home

    return make


def contexts(home: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.load_cert_chain(home / "cert.pem", home / "key.pem")
        context.load_verify_locations(home / "ca.pem")
    # Members show certificates to each other.
    server.verify_mode = ssl.CERT_REQUIRED
    return server, client


@pytest.mark.parametrize("secret", [None, SECRET])
def test_members_serve_over_tls(authority: Callable[[str], Path], secret: bytes | None) -> None:
    ours, theirs = contexts(authority("ours")), contexts(authority("theirs"))

    @in_a_loop
    async def serve() -> None:
        async with three(tls=ours, secret=secret) as members:
            await check(members)
            host, port = tcp.parse_address(members[0][0].address)
            # Another authority's certificate, and no TLS at all.
            for context in (theirs[1], None):
                with contextlib.suppress(OSError, EOFError):
                    reader, writer = await asyncio.open_connection(host, port, ssl=context)
                    writer.write(hello(members[0], members[1]))
                    assert await reader.read() == b""
                    writer.close()
                    await writer.wait_closed()
            await check(members)

    serve()


def hello(member: Member, of: Member, secret: bytes | None = None, cluster: str = "test") -> bytes:
    identity = handshake.Identity(of[0].node.id, cluster, secret)
    return handshake.Client(identity, member[0].node.id).hello


async def talk(address: str, *parts: bytes) -> bytes:
    """Says this, and gives what the member said until it closed the connection."""
    reader, writer = await asyncio.open_connection(*tcp.parse_address(address))
    heard = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        heard = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return heard


@in_a_loop
async def test_strangers_are_refused_and_the_members_go_on() -> None:
    async with three(secret=SECRET, handshake_s=LONG_S) as members:
        await check(members)
        target, other = members[0], members[1]
        cluster, transport, _, _ = target
        address = cluster.address
        good = hello(target, other, SECRET)
        reasons: dict[str, list[tuple[bytes, ...]]] = {
            "magic": [(b"GET / HTTP/1.1\r\n\r\n",), (b"\x16\x03\x01\x02\0\x01",), (b"\0" * 10_000,)],
            "cluster": [(hello(target, other, SECRET, "another"),)],
            # With no secret, with another, for another member, or one that says it is the member itself.
            "secret": [(hello(target, other),), (good, b"\0" * handshake.PROOF_BYTES), (good, b"\xff" * 100_000)],
            "id": [(hello(other, target, SECRET),), (hello(target, target, SECRET),)],
            "too slow": [(), (b"l",), (good[:-1],), (good,), (good, b"\0" * (handshake.PROOF_BYTES - 1))],
        }
        for reason, talks in reasons.items():
            before = transport.refused[reason]
            if reason == "too slow":
                transport.handshake_s = 0.5
            answers = await asyncio.gather(*(talk(address, *parts) for parts in talks))
            count = transport.refused[reason] - before
            # A member that connects again may be too slow as well, if there is much else to do.
            assert count >= len(talks) if reason == "too slow" else count == len(talks), reason
            # Nobody hears anything but the answer to a hello that is right.
            for answer, parts in zip(answers, talks, strict=True):
                assert len(answer) in (0, handshake.ANSWER_BYTES if parts and parts[0] == good else 0)
        transport.handshake_s = LONG_S
        await until(lambda: not transport.strangers)
        await check(members)


@pytest.mark.parametrize("secured", [False, True])
def test_strangers_in_great_number_neither_pile_up_nor_keep_members_out(
    authority: Callable[[str], Path], secured: bool
) -> None:
    options: dict[str, Any] = {"tls": contexts(authority("ours"))} if secured else {}

    @in_a_loop
    async def crowd() -> None:
        async with three(secret=SECRET, handshake_s=LONG_S, **options) as members:
            await check(members)
            cluster, transport, _, _ = members[0]
            ids = {member[0]._config.id for member in members[1:]}
            await until(lambda: {one.peer for one in transport.incoming} == ids)
            host, port = tcp.parse_address(cluster.address)
            # They say nothing, not even what TLS begins with.
            writers = [(await asyncio.open_connection(host, port))[1] for _ in range(100)]
            await until(lambda: transport.refused["too many"] >= 100 - tcp._MAX_STRANGERS)
            assert len(transport.strangers) <= tcp._MAX_STRANGERS
            crowd = list(transport.strangers)
            # Both members have to connect again, in the place of the oldest strangers.
            incoming = [one for one in transport.incoming if one.peer]
            for one in incoming:
                one.end()
            await until(lambda: {one.peer for one in transport.incoming if one.peer and one not in incoming} == ids)
            assert crowd[0] not in transport.strangers and crowd[-1] in transport.strangers
            await check(members)
            for writer in writers:
                writer.close()
            await until(lambda: not transport.strangers)
            await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    crowd()


class Friend:
    """Somebody who knows the secret, and does what no member does."""

    def __init__(self, member: Member, secret: bytes | None, context: ssl.SSLContext | None = None) -> None:
        self.address = member[0].address
        self.context = context
        # An id of its own: a member that connects again would end what has its id.
        self.client = handshake.Client(handshake.Identity(99, "test", secret), member[0].node.id)

    async def __aenter__(self) -> Friend:
        host, port = tcp.parse_address(self.address)
        self.reader, self.writer = await asyncio.open_connection(host, port, ssl=self.context)
        self.writer.write(self.client.hello)
        answer = await self.reader.readexactly(handshake.ANSWER_BYTES)
        self.writer.write(self.client.on_answer(answer))
        self.seal = handshake.Seal(self.client.key)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return await self.reader.read() == b""
        return True


@in_a_loop
async def test_frames_that_are_changed_repeated_or_nonsense_end_the_connection() -> None:
    async with three(secret=SECRET, max_frame_bytes=1 << 20, handshake_s=LONG_S) as members:
        await check(members)
        target = members[0]
        refused = target[1].refused
        empty = b""

        async def send(*frames: bytes) -> None:
            async with Friend(target, SECRET) as friend:
                for frame in frames:
                    friend.writer.write(frame)
                assert await friend.closed()

        async with Friend(target, SECRET) as friend:
            sealed = struct.pack(">I", 0) + friend.seal.next(empty)
            friend.writer.write(sealed)
            # Once more: the counter is part of it.
            friend.writer.write(sealed)
            assert await friend.closed()
        assert refused["frame changed"] == 1
        # One of another connection.
        await send(sealed)
        await send(struct.pack(">I", 5) + b"\0" * 100)
        assert refused["frame changed"] == 3
        await send(struct.pack(">I", (1 << 20) + 1))
        await send(b"\xff\xff\xff\xff" + b"\0" * 10_000)
        assert refused["frame too long"] == 2
        for payload in (b"\x05abc", b"\x03abc", b"\xff" * 30):
            async with Friend(target, SECRET) as friend:
                frame = struct.pack(">I", len(payload)) + payload + friend.seal.next(payload)
                # In small pieces, as a network may deliver it.
                for place in range(0, len(frame), 3):
                    friend.writer.write(frame[place : place + 3])
                    await friend.writer.drain()
                assert await friend.closed()
        assert refused["malformed message"] == 3
        await check(members)


def test_frames_are_sealed_inside_of_tls(authority: Callable[[str], Path]) -> None:
    server, client = contexts(authority("ours"))
    # So that whoever shows any certificate can pass the handshake on, and go on by itself.
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE

    @in_a_loop
    async def forge() -> None:
        async with three(tls=(server, client), secret=SECRET, handshake_s=LONG_S) as members:
            await check(members)
            refused = members[0][1].refused
            for number, mac in enumerate((b"", bytes(handshake.FRAME_MAC_BYTES)), 1):
                async with Friend(members[0], SECRET, client) as friend:
                    friend.writer.write(struct.pack(">I", 0) + mac + struct.pack(">I", 0) + mac + b"rest" * 10)
                    assert await friend.closed()
                assert refused["frame changed"] == number
            await check(members)

    forge()


@in_a_loop
async def test_a_server_that_does_not_know_the_secret_gets_nothing() -> None:
    heard: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(handshake.HELLO_BYTES))
        answers = [b"\0" * 10_000, handshake.MAGIC + b"\1" + b"\0" * 64, handshake.MAGIC + b"\0" * 65]
        writer.write(answers[len(heard) % len(answers)])
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    sockets, (address,) = listeners(1)
    cluster, transport, _, _ = make(sockets[0], address, [f"{host}:{port}"], secret=SECRET)
    async with cluster:
        await until(lambda: len(heard) >= 12 and transport.refused.total() >= 6)
        peer = member_id("test", f"{host}:{port}")
        assert transport._peers[peer].connection is None
    assert all(said == b"" for said in heard[1::2])
    # Each time with another nonce.
    assert len(set(heard[0::2])) == len(heard[0::2])
    server.close()
    await server.wait_closed()


@in_a_loop
async def test_a_member_that_comes_back_is_found_again(tmp_path: Path) -> None:
    # Nobody else listens on this address, and the ports are none that connections get by themselves: while
    # the member is gone, its port stays free.
    draw = random.Random(os.getpid() ^ hash(tmp_path))
    host = f"127.{draw.randrange(1, 255)}.{draw.randrange(255)}.{draw.randrange(1, 255)}"
    addresses = [f"{host}:{port}" for port in (24001, 24002, 24003)]
    sockets = [socket.create_server(tcp.parse_address(address)) for address in addresses]
    storage = MemoryStorage()
    async with contextlib.AsyncExitStack() as stack:
        members = []
        for listener, address in zip(sockets, addresses, strict=True):
            others = [other for other in addresses if other != address]
            kept = {"storage": storage} if address == addresses[2] else {}
            members.append(make(listener, address, others, secret=SECRET, **kept))
            await stack.enter_async_context(members[-1][0])
        await check(members)
        gone, transport, *_ = members[2]
        address = gone.address
        await gone.close()
        left = members[:2]
        assert await left[0][2].add(1) == 4
        await until(lambda: all(t._peers[gone._config.id].connection is None for _, t, _, _ in left))
        listener = socket.create_server(tcp.parse_address(address))
        cluster, again, counter, _ = make(listener, address, addresses[:2], secret=SECRET, storage=storage)
        assert again is not transport
        async with cluster:
            assert await counter.add(1) == 5
    storage.close()


@in_a_loop
async def test_a_member_is_added_by_a_snapshot_and_another_removed() -> None:
    options: dict[str, Any] = {"secret": SECRET, "snapshots": SnapshotPolicy(after_entries=20, keep_entries=5)}
    async with three(**options) as members:
        (first, transport, counter, d), *_ = members
        for number in range(50):
            await d.set(number, b"x" * 10_000)
        sockets, (address,) = listeners(1)
        added = make(sockets[0], address, [member[0].address for member in members], join=True, **options)
        async with added[0]:
            await first.add_member(address)
            assert await added[2].add(1) == 1 and len(added[3].local) == 50
            removed = members[2][0]
            await added[0].remove_member(removed.address)
            await removed.close()
            assert removed._config.id not in transport._peers
            assert await counter.add(1) == 2


class Deaf:
    """A node of which only the reports matter."""

    id = 1

    def __init__(self) -> None:
        self.reports: list[Any] = []

    def report_unreachable(self, peer: int) -> None:
        self.reports.append(peer)

    def report_snapshot(self, peer: int, status: Any) -> None:
        self.reports.append((peer, status.name))


class Parcel:
    """As much of a message as a transport looks at."""

    def __init__(self, number: int, size: int, kind: MessageType = MessageType.APP) -> None:
        self.to, self.type = 2, kind
        self.encoded = bytes([number]) * size

    def __len__(self) -> int:
        return len(self.encoded)


@in_a_loop
async def test_what_waits_is_bounded_and_the_oldest_is_dropped() -> None:
    reached, ended = asyncio.Event(), asyncio.Event()
    received: list[bytes] = []
    identity = handshake.Identity(2, "test", None)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = handshake.Server(identity)
        hello = await reader.readexactly(handshake.HELLO_BYTES)
        await reached.wait()
        writer.write(server.on_hello(hello))
        server.on_proof(await reader.readexactly(handshake.PROOF_BYTES))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                received.append(await reader.readexactly(length))
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    node: Any = Deaf()
    peers = {2: f"127.0.0.1:{port}"}
    limits: dict[str, Any] = {"max_queued_bytes": 1000, "max_frame_bytes": 500, "handshake_s": LONG_S}
    transport = TcpTransport("127.0.0.1:0", peers, cluster="test", **limits)
    await transport.start(node)

    def send(*parcels: Parcel) -> None:
        messages: Any = parcels
        transport.send(messages)

    # Nobody answers yet. The fourth takes the place of the first, which is a snapshot.
    send(Parcel(1, 300, MessageType.SNAP), Parcel(2, 300), Parcel(3, 300))
    assert node.reports == []
    send(Parcel(4, 300))
    assert node.reports == [2, (2, "FAILURE")]
    reached.set()
    await until(lambda: len(received) == 3)
    send(Parcel(5, 300), Parcel(6, 190), Parcel(7, 300, MessageType.SNAP))
    # Too long for a frame: nobody could take it.
    send(Parcel(8, 501, MessageType.SNAP))
    await until(lambda: len(received) == 5)
    assert [frame[-1] for frame in received] == [2, 3, 4, 6, 7]
    assert node.reports[2:] == [(2, "FINISH"), 2, (2, "FAILURE")]
    unknown = Parcel(9, 1)
    unknown.to = 3
    send(unknown)
    assert node.reports[-1] == 3
    # A peer that is no member any more is let go.
    transport.set_peers({})
    await ended.wait()
    await transport.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["a" * 64, "a..b", ".a", "\xad" * 3])
def test_a_name_that_no_host_can_have_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="no host can have the name"):
        tcp.parse_address(f"{host}:1")
    with pytest.raises(ValueError, match="no host can have the name"):
        TcpTransport("127.0.0.1:0", {2: f"{host}:1"}, cluster="test")


def test_hosts_have_names_and_numbers() -> None:
    assert tcp.parse_address("a" * 63 + ".example:65535") == ("a" * 63 + ".example", 65535)
    assert tcp.parse_address("[fe80::1%eth0]:1") == ("fe80::1%eth0", 1)
    assert tcp.parse_address("b\xfccher.example:1") == ("b\xfccher.example", 1)
    for address in ("a", "a:", ":1", "a:65536", "a:-1", "a:b"):
        with pytest.raises(ValueError, match="an address is host:port"):
            tcp.parse_address(address)


@in_a_loop
async def test_whatever_goes_wrong_a_member_is_connected_to_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = tcp._Peer._connect
    failures = iter([UnicodeError("a label is too long"), RuntimeError("a defect")] * 3)

    async def fail(peer: tcp._Peer) -> tcp._Outgoing:
        for error in failures:
            raise error
        return await connect(peer)

    monkeypatch.setattr(tcp._Peer, "_connect", fail)
    async with three() as members:
        await check(members)
    assert "a label is too long" in caplog.text and "a defect" in caplog.text


@in_a_loop
async def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cluster, _, counter, _ = make(address, address, [])
        with pytest.raises(OSError, match="address already in use"):
            await cluster.open()
        with pytest.raises(RuntimeError, match="no cluster"):
            await counter.add(1)
        await cluster.close()


def test_programs_without_asyncio_wait_in_threads(tmp_path: Path) -> None:
    sockets, addresses = listeners(3)
    members = []
    for listener, address in zip(sockets, addresses, strict=True):
        objects: tuple[ReplicatedCounter, ReplicatedDict] = (ReplicatedCounter(), ReplicatedDict())
        transport = TcpTransport(listener, cluster="libraft", secret="s")
        others = [other for other in addresses if other != address]
        options: dict[str, Any] = {"tick_s": 0.02, "settings": {"election_ticks": 20}}
        cluster = SyncCluster(address, others, objects=objects, data=tmp_path / address, transport=transport, **options)
        members.append((cluster, objects))
    try:
        cluster, (counter, d) = members[0]
        cluster.wait_ready()
        assert cluster.blocking(counter).add(2) == 2
        assert members[1][0].blocking(members[1][1][0]).add(amount=3, timeout=60) == 5
        assert cluster.blocking(counter).get() == 5
        done: list[Any] = []
        future = cluster.submit(d.set, "k", [1], callback=lambda future: done.append(future.result()))
        assert future.result(60) is None and cluster.blocking(d).local == {"k": [1]}
        assert cluster.blocking(d, timeout_s=60).copy() == {"k": [1]} and done == [None]
        with pytest.raises(KeyError):
            cluster.blocking(d).delete("x")
        with pytest.raises(AttributeError):
            cluster.blocking(d).nothing()
        assert cluster.look(lambda: cluster.cluster.leader) in addresses
        members[1][0].close()
        members[2][0].close()
        with pytest.raises(TimeoutError):
            cluster.blocking(counter).add(1, timeout=0.05)
        with pytest.raises(RuntimeError, match="must not wait"):
            cluster.look(lambda: cluster.blocking(counter).get())
    finally:
        for cluster, _ in members:
            cluster.close()
            cluster.close()
    with pytest.raises(RuntimeError, match="closed"):
        members[0][0].wait_ready()
    with pytest.raises(ValueError, match="host:port"):
        SyncCluster("nowhere", objects=[], data=None)
