"""One node of the replicated key-value server that ../README.md specifies, in Python.

    .venv/bin/python examples/kv/python/server.py --id 1 --data DIR --listen HOST:PORT --peers ..

Here is what ties it together: the state machine that the driver `libraft.aio.Node` applies
entries to, the HTTP side, and the start and the end of the process. `state.py` has the
replicated state with its byte formats, `peers.py` sends messages, `history.py` keeps what has happened.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from aiohttp import web

import libraft
from history import History, configuration, progress_of
from libraft import (
    PROMETHEUS_CONTENT_TYPE,
    ConfChange,
    ConfChangeType,
    Config,
    DurableStorage,
    Entry,
    EntryType,
    Message,
    MessageType,
    RaftError,
    Role,
    prometheus_text,
)
from libraft.aio import Node, NodeStopped, OutcomeUnknown, Rejected, StateMachine
from peers import Peers
from state import DELETE, MAX_VALUE_BYTES, PUT, Malformed, Reader, State, encode_command, is_address, parse_id

TICK_S = 0.05
REQUEST_TIMEOUT_S = 2.0
MAX_WAITING = 4096
MAX_RAFT_BODY = 64 << 20
MAX_FRAMES = 1024
MAX_IGNORED = 8 << 20
MAX_BODIES = 256 << 20
BODY_TIMEOUT_S = 60.0
# What passes between a node and its own storage. The other local kinds do not even decode.
NEVER_TRAVEL = {
    MessageType.STORAGE_APPEND,
    MessageType.STORAGE_APPEND_RESP,
    MessageType.STORAGE_APPLY,
    MessageType.STORAGE_APPLY_RESP,
}
ROLES = {
    Role.LEADER: "leader",
    Role.FOLLOWER: "follower",
    Role.CANDIDATE: "candidate",
    Role.PRE_CANDIDATE: "pre-candidate",
}


# ---------------------------------------------------------------- the state machine


class Full(Rejected):
    """There is no room for a write, on any node."""


class Machine(StateMachine):
    """Applies what is committed. The driver calls it, one entry after the other."""

    def __init__(self, on_members: Callable[[], None], happened: Callable[[str, int, int], None]) -> None:
        self.state = State()
        self.on_members = on_members
        # What, which member, at which entry. An index of 0 is the last one applied.
        self.happened = happened

    def apply(self, index: int, command: bytes) -> int:
        if not self.state.apply(command):
            raise Full("the state would be too large")
        return index

    def apply_conf_change(self, entry: Entry, change: ConfChange) -> int:
        """Every node refuses the same changes, so that a bad one in the log does no harm."""
        if entry.type != EntryType.CONF_CHANGE:
            raise Rejected("changes are of one member at a time")
        ((kind, member),) = change.changes
        if kind == ConfChangeType.ADD_NODE:
            address = change.context.decode("ascii", "replace")
            reason = self.state.refuse_add(member, address)
        elif kind == ConfChangeType.REMOVE_NODE and not change.context:
            reason = self.state.refuse_remove(member)
        else:
            reason = "this is no such change"
        if reason is not None:
            raise Rejected(reason)
        if kind == ConfChangeType.ADD_NODE:
            self.state.add_member(member, address)
        else:
            self.state.remove_member(member)
        self.on_members()
        self.happened("member_added" if kind == ConfChangeType.ADD_NODE else "member_removed", member, entry.index)
        return entry.index

    def snapshot(self) -> Callable[[], bytes]:
        self.happened("snapshot_made", 0, 0)
        # Encoding 48 MiB takes a while, and so it is done in a thread, on a copy.
        return self.state.copy().encode

    async def restore(self, index: int, data: bytes) -> None:
        self.state = await asyncio.to_thread(State.decode, data)
        self.on_members()


# ---------------------------------------------------------------- HTTP


class Failure(Exception):
    """A request is answered with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Server:
    """The HTTP side of a node."""

    def __init__(self, options: argparse.Namespace, storage: DurableStorage) -> None:
        self.options = options
        self.storage = storage
        self.history = History()
        self.run = secrets.token_hex(8)
        self.machine = Machine(self.on_members, self.happened)
        self.peers = Peers(options.id, options.listen, lambda: self.machine.state)
        config = Config(
            id=options.id,
            seed=options.seed,
            election_ticks=10,
            heartbeat_ticks=1,
            max_size_per_msg=256 << 10,
            max_inflight_msgs=64,
            max_inflight_bytes=8 << 20,
            max_uncommitted_bytes=32 << 20,
            max_committed_size_per_ready=4 << 20,
            peer_reports=True,
        )
        self.node = Node(
            config,
            storage,
            self.machine,
            send=self.peers.send,
            tick_s=TICK_S,
            on_events=self.history.add_all,
        )
        self.peers.node = self.node
        self.peers.on_removed = self.on_removed
        self.removed = False
        self.waiting = 0
        self.changing = False
        self.body_bytes = 0
        self.complained = 0.0

    def on_members(self) -> None:
        self.peers.update()
        if self.options.id in self.machine.state.removed:
            # What is being applied is finished first, and its proposer answered.
            asyncio.get_running_loop().call_soon(self.on_removed)

    def happened(self, what: str, member: int, index: int) -> None:
        self.history.add(what, node=member, term=self.node.status().term, index=index or self.node.applied)

    def on_removed(self) -> None:
        """This node is no member any more: it takes no part, and goes on to tell so."""
        self.removed = True
        self.node.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request. The path is taken as it came: a router would clean it."""
        path = request.raw_path.partition("?")[0]
        methods: dict[str, Callable[[], Awaitable[web.Response]]]
        if path.startswith("/kv/"):
            key = path[4:]
            methods = {
                "GET": lambda: self.get(key),
                "PUT": lambda: self.put(request, key),
                "DELETE": lambda: self.delete(key),
            }
        elif path.startswith("/members/") and len(path) > 9:
            member = path[9:]
            methods = {"PUT": lambda: self.add(request, member), "DELETE": lambda: self.remove(member)}
        elif path.startswith("/leader/") and len(path) > 8:
            target = path[8:]
            methods = {"PUT": lambda: self.transfer(request, target)}
        elif path == "/raft":
            methods = {"POST": lambda: self.raft(request)}
        elif path == "/status":
            methods = {"GET": self.status}
        elif path == "/metrics":
            methods = {"GET": self.metrics}
        elif path == "/":
            methods = {"GET": self.page}
        else:
            return error(404, "there is nothing under this path")
        serve = methods.get(request.method)
        if serve is None:
            response = error(405, "this method does not work here")
            response.headers["Allow"] = ", ".join(methods)
            return response
        try:
            return await serve()
        except Failure as failure:
            return error(failure.status, str(failure))

    async def ask(self, question: Awaitable[int]) -> int:
        """Waits for what the node answers, for a while, and says why if it does not."""
        try:
            if self.waiting >= MAX_WAITING:
                raise Failure(503, "too many requests wait")
            if self.removed:
                raise Failure(503, "this node has been removed from the cluster")
            self.waiting += 1
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    return await question
            finally:
                self.waiting -= 1
        except TimeoutError:
            raise Failure(503, "no answer in time; a write may still happen") from None
        except (libraft.Dropped, OutcomeUnknown, NodeStopped) as reason:
            raise Failure(503, str(reason)) from None
        except Full as reason:
            raise Failure(507, str(reason)) from None
        except (Rejected, libraft.ConfChangeError) as reason:
            raise Failure(409, str(reason)) from None
        finally:
            if asyncio.iscoroutine(question):
                question.close()

    async def read_body(self, request: web.BaseRequest, most: int) -> bytes:
        """The body, or 413 if it is too large. What is too much is thrown away, up to a limit."""
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in request.content.iter_any():
                    size += len(chunk)
                    if size <= most:
                        body += chunk
                        self.body_bytes += len(chunk)
                    elif size > most + MAX_IGNORED:
                        break
                    if self.body_bytes > MAX_BODIES:
                        raise Failure(503, "too many large requests at once")
        except Failure:
            raise
        except TimeoutError:
            raise Failure(408, "the body takes too long") from None
        except Exception:
            # The connection broke, or the chunks are none: aiohttp has many exceptions for that.
            raise Failure(400, "the body ends early") from None
        finally:
            self.body_bytes -= len(body)
        if size > most:
            raise Failure(413, f"the body is over {most} bytes")
        return bytes(body)

    # ---------------------------------------------------------------- keys

    async def get(self, text: str) -> web.Response:
        key = decode_key(text)
        # From here on, this node's state has everything that was acknowledged before.
        await self.ask(self.node.read_index())
        value = self.machine.state.pairs.get(key)
        if value is None:
            raise Failure(404, "there is no such key")
        return web.Response(body=value, content_type="application/octet-stream")

    async def put(self, request: web.BaseRequest, text: str) -> web.Response:
        key = decode_key(text)
        value = await self.read_body(request, MAX_VALUE_BYTES)
        if not self.machine.state.fits(key, value):
            raise Failure(507, "the state would be too large")
        return applied(await self.ask(self.node.propose(encode_command(PUT, key, value))))

    async def delete(self, text: str) -> web.Response:
        key = decode_key(text)
        return applied(await self.ask(self.node.propose(encode_command(DELETE, key))))

    # ---------------------------------------------------------------- members

    async def add(self, request: web.BaseRequest, text: str) -> web.Response:
        member = decode_id(text)
        address = (await self.read_body(request, MAX_VALUE_BYTES)).decode("ascii", "replace").strip()
        if not is_address(address):
            raise Failure(400, "the body is no address")
        if reason := self.machine.state.refuse_add(member, address):
            raise Failure(409, reason)
        return await self.change(ConfChangeType.ADD_NODE, member, address)

    async def remove(self, text: str) -> web.Response:
        member = decode_id(text)
        if reason := self.machine.state.refuse_remove(member):
            raise Failure(409 if member in self.machine.state.members else 404, reason)
        return await self.change(ConfChangeType.REMOVE_NODE, member, "")

    async def change(self, kind: ConfChangeType, member: int, address: str) -> web.Response:
        if self.changing:
            raise Failure(409, "another change waits")
        self.changing = True
        try:
            return applied(await self.ask(self.node.propose_conf_change(kind, member, address.encode())))
        finally:
            self.changing = False

    async def transfer(self, request: web.BaseRequest, text: str) -> web.Response:
        """Asks for another leader. What comes of it is for /status to tell."""
        member = decode_id(text)
        await self.read_body(request, MAX_VALUE_BYTES)
        if self.removed:
            raise Failure(503, "this node has been removed from the cluster")
        if member not in self.machine.state.members:
            raise Failure(404, "there is no such member")
        leader = self.node.status().leader
        if leader in (0, member):
            raise Failure(409 if leader else 503, "it leads already" if leader else "there is no leader")
        try:
            self.node.transfer_leader(member)
        except (libraft.RaftError, NodeStopped) as reason:
            raise Failure(503, str(reason)) from None
        return web.json_response({"asked": member}, status=202)

    # ---------------------------------------------------------------- peers

    async def raft(self, request: web.BaseRequest) -> web.Response:
        """Takes messages from a peer: all of them are checked before the first is handed over."""
        # Browsers say which page sends a POST, and send it to any port of this machine unasked.
        if "Origin" in request.headers:
            raise Failure(403, "this is not for web pages")
        address = request.headers.get("Raft-Address")
        if address is not None and not is_address(address):
            raise Failure(400, "a bad Raft-Address")
        messages = decode_frames(await self.read_body(request, MAX_RAFT_BODY))
        for message in messages:
            if message.type in NEVER_TRAVEL:
                raise Failure(400, "a message that never travels")
            if message.from_ in (0, self.options.id):
                raise Failure(400, "a message from nobody")
            if message.to != self.options.id:
                raise Failure(421, f"this is node {self.options.id}")
            if message.type == MessageType.SNAP:
                try:
                    await asyncio.to_thread(State.decode, message.snapshot_data)
                except Malformed as reason:
                    raise Failure(400, str(reason)) from None
        if self.removed:
            return web.Response(status=204)
        refused = None
        for message in messages:
            if message.from_ in self.machine.state.removed:
                raise Failure(410, "the sender has been removed from the cluster")
            if address is not None:
                self.peers.learn(message.from_, address)
            try:
                self.node.step(message.encoded)
            except (libraft.UnknownPeer, libraft.Dropped):
                # A stranger's response; or a proposal that came too early or too late.
                pass
            except libraft.PeerError as reason:
                refused = reason
            except NodeStopped as reason:
                raise Failure(503, str(reason)) from None
        if refused is not None:
            self.complain(f"a message was refused: {refused}")
            raise Failure(400, str(refused))
        return web.Response(status=204)

    def complain(self, what: str) -> None:
        """At most once a second."""
        if time.monotonic() - self.complained >= 1:
            self.complained = time.monotonic()
            print(f"kv: {what}", file=sys.stderr, flush=True)

    # ---------------------------------------------------------------- watching

    async def status(self) -> web.Response:
        status, state = self.node.status(), self.machine.state
        answer = {
            "id": self.options.id,
            "address": self.options.listen,
            "language": "Python",
            "role": "removed" if self.removed else ROLES.get(status.role, "unknown"),
            "leader": 0 if self.removed else status.leader,
            "term": status.term,
            "commit": status.commit,
            "applied": self.node.applied,
            "first_index": self.storage.first_index(),
            "last_index": self.storage.last_index(),
            "snapshot_index": self.node.snapshot_index,
            "state_hash": f"{state.hash:016x}",
            "keys": len(state.pairs),
            "bytes": state.bytes,
            "members": {str(member): address for member, address in sorted(state.members.items())},
            "removed": sorted(state.removed),
            "uptime_s": self.history.uptime_s,
            "run": self.run,
            "transferee": status.lead_transferee,
            "config": configuration(self.node.conf_state),
            "progress": {} if self.removed else {str(p.id): progress_of(p) for p in self.node.progress()},
            "events": list(self.history.events),
        }
        return web.json_response(answer, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"})

    async def metrics(self) -> web.Response:
        if self.removed:
            raise Failure(503, "this node has been removed from the cluster")
        try:
            text = prometheus_text([self.node.raw])
        except RaftError as problem:
            raise Failure(503, str(problem)) from None
        return web.Response(body=text.encode(), headers={"Content-Type": PROMETHEUS_CONTENT_TYPE})

    async def page(self) -> web.Response:
        try:
            body = await asyncio.to_thread(Path(self.options.page).read_bytes)
        except OSError:
            raise Failure(404, "the page is missing") from None
        # In a frame of another page, its buttons could be pressed by who does not see them.
        headers = {"X-Frame-Options": "DENY"}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status)


def applied(index: int) -> web.Response:
    return web.json_response({"index": index})


def decode_key(text: str) -> bytes:
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise Failure(400, "a % without two hexadecimal digits")
    key = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    if not 1 <= len(key) <= 512:
        raise Failure(400, f"a key has 1 to 512 bytes, and this one {len(key)}")
    return key


def decode_id(text: str) -> int:
    member = parse_id(text)
    if member is None:
        raise Failure(400, "an id is a number from 1 to 1000000")
    return member


def decode_frames(body: bytes) -> list[Message]:
    reader, messages = Reader(body), list[Message]()
    try:
        while reader.at < reader.end or not messages:
            if len(messages) == MAX_FRAMES:
                raise Failure(413, f"there are over {MAX_FRAMES} messages")
            messages.append(Message.decode(reader.sized(MAX_RAFT_BODY)))
    except (Malformed, libraft.PeerError) as reason:
        raise Failure(400, str(reason)) from None
    return messages


# ---------------------------------------------------------------- the process


async def serve(options: argparse.Namespace, storage: DurableStorage) -> None:
    """Serves until a signal comes, or until the node fails."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = Server(options, storage)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=1)
    async with server.node:
        if options.id in server.machine.state.removed:
            server.on_removed()
        await runner.setup()
        host, _, port = options.listen.rpartition(":")
        try:
            await web.TCPSite(runner, host, int(port), backlog=1024).start()
            print(f"kv: node {options.id} (Python) serves http://{options.listen}/", flush=True)
            watch = asyncio.create_task(server.node.wait_stopped())
            signalled = asyncio.create_task(ended.wait())
            await asyncio.wait((watch, signalled), return_when=asyncio.FIRST_COMPLETED)
            if server.removed:
                await signalled
            if watch.done():
                watch.result()
            watch.cancel()
            signalled.cancel()
        finally:
            # Whoever waits is answered 503 now, and then the connections are closed.
            await server.node.close()
            server.peers.close()
            await runner.cleanup()


def main() -> None:
    options = parse_flags()
    # Threads that have saved something need the interpreter back soon.
    sys.setswitchinterval(0.0005)
    # What clients send is their affair, and is answered 400.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    try:
        with DurableStorage(options.data) as storage:
            if storage.is_fresh():
                begin(options, storage)
            asyncio.run(serve(options, storage))
    except (libraft.RaftError, OSError, Malformed) as reason:
        fail(1, reason)


def begin(options: argparse.Namespace, storage: DurableStorage) -> None:
    """Gives an empty storage its beginning, the same on each of the first nodes."""
    members = first_members(options)
    if members is None:
        print(f"kv: waiting to be added: curl -T - http://{options.join}/members/{options.id}", file=sys.stderr)
        return
    state = State()
    for member, address in members.items():
        state.add_member(member, address)
    storage.bootstrap(sorted(members), index=1, term=1, data=state.encode())


def first_members(options: argparse.Namespace) -> dict[int, str] | None:
    """The first voters, or None for a node that joins others."""
    if (options.peers is None) == (options.join is None):
        fail(2, "exactly one of --peers and --join is required")
    if options.join is not None:
        if not is_address(options.join):
            fail(2, f"--join: {options.join} is no address")
        return None
    members: dict[int, str] = {}
    for part in options.peers.split(","):
        text, _, address = part.partition("=")
        member = parse_id(text)
        if member is None or not is_address(address):
            fail(2, f"--peers: {part!r} is not ID=HOST:PORT")
        if member in members or address in members.values():
            fail(2, f"--peers: {part!r} is there twice")
        members[member] = address
    if options.id not in members:
        fail(2, "--peers: this node is not among them")
    return members


class Flags(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(2, message)


def parse_flags() -> argparse.Namespace:
    flags = Flags(description="one node of a replicated key-value server", allow_abbrev=False)
    flags.add_argument("--id", required=True, metavar="N", help="this node's id")
    flags.add_argument("--data", required=True, metavar="DIR", help="the directory of its storage")
    flags.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to serve")
    flags.add_argument("--peers", metavar="1=HOST:PORT,..", help="the first voters of a new cluster")
    flags.add_argument("--join", metavar="HOST:PORT", help="a member of the cluster that this node is new to")
    flags.add_argument("--page", default=Path(__file__).parent / "../web/index.html", help="the page to serve")
    flags.add_argument("--seed", metavar="N", help="seed of the election timeouts")
    options = flags.parse_args()
    options.id = parse_id(options.id) or fail(2, "--id: a number from 1 to 1000000 is expected")
    if not is_address(options.listen):
        fail(2, f"--listen: {options.listen} is no address")
    if options.seed is not None:
        if not re.fullmatch("[0-9]{1,20}", options.seed) or int(options.seed) >= 2**64:
            fail(2, "--seed: an unsigned number of 64 bits is expected")
        options.seed = int(options.seed)
    if not os.path.isdir(options.data) or not os.listdir(options.data):
        first_members(options)
    return options


def fail(code: int, reason: object) -> NoReturn:
    print(f"kv: {reason}", file=sys.stderr, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
