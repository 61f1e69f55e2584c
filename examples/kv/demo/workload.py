"""Clients that write without pause, remember what was acknowledged, and check it.

Each key belongs to one writer, who has at most one request on its way, so that the
expected value of every key is known:

- A write that is answered 503, or not at all, may still happen later, even after other
  writes. It is sent again, unchanged, until it is acknowledged; the key is then never
  written again ("unclean"), so that a late twin of it changes nothing.
- A clean key (every write of it was acknowledged at the first try) may be written again
  or deleted.

So once the writers have stopped there is exactly one state that the cluster may be in,
and its hash can be computed here. On the way, some writes are followed by a read at
another node, which must see them.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

from cluster import Client, Unavailable, percent_encoded

# Out of a hundred writes, once there is something to write again. The rest are new keys.
OVERWRITES = 15
DELETES = 5
# Out of a hundred acknowledged writes, how many are read back at once at another node.
READS = 10

# How long a writer waits before it tries another node. Long enough not to spin while
# there is no leader, short against the fail-over that it measures.
PAUSE_S = 0.01


@dataclasses.dataclass
class Key:
    """What is known of one key; `value` is None once it has been deleted."""

    value: bytes | None
    clean: bool = True
    version: int = 0


class Writer(threading.Thread):
    """One client with its own keys and one connection to each node."""

    def __init__(self, number: int, load: Load, seed: int) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.number = number
        self.prefix = b""
        self.keys: dict[bytes, Key] = {}
        self.acknowledged = 0
        self.retries = 0
        self.reads = 0
        self.stale: list[str] = []
        self.refused: list[str] = []
        self.error: BaseException | None = None
        self._load = load
        self._random = random.Random(seed * 1000 + number)
        self._clean: list[bytes] = []
        self._clients: dict[str, Client] = {}
        self._turn = number
        self._begun = 0

    def run(self) -> None:
        try:
            while not self._load.stopping.is_set():
                self._write_one()
        except BaseException as error:
            self.error = error
        finally:
            for client in self._clients.values():
                client.close()

    def _write_one(self) -> None:
        name, key, value = self._choose()
        clean = self._until_acknowledged(name, value)
        if clean is None:
            # It was given up, so this key may have either value: it is not checked.
            self.keys.pop(name, None)
            self._load.gave_up(name)
            return
        key.value, key.clean, key.version = value, key.clean and clean, key.version + 1
        self.keys[name] = key
        if key.clean:
            self._clean.append(name)
        if self._random.randrange(100) < READS:
            self._read_back(name, value)

    def _choose(self) -> tuple[bytes, Key, bytes | None]:
        """The next write: its key, what is known of it, and the new value (None: delete)."""
        dice = self._random.randrange(100)
        full = len(self.keys) >= self._load.keys_per_writer
        if self._clean and (dice < OVERWRITES + DELETES or full):
            # Taken out of the list, and back in if the write was clean.
            place = self._random.randrange(len(self._clean))
            self._clean[place], self._clean[-1] = self._clean[-1], self._clean[place]
            name = self._clean.pop()
            key = self.keys[name]
            if dice < DELETES:
                return name, key, None
        else:
            # Some keys have bytes that must be escaped in a URL.
            name = self.prefix + b"w%d/%06d" % (self.number, self._begun) + (b"%\x00\xff" if dice == 99 else b"")
            self._begun += 1
            key = Key(value=None)
            self.keys[name] = key
        text = b"%s:%d:" % (name, key.version)
        return name, key, text + self._random.randbytes(self._random.randrange(16, 200))

    def _until_acknowledged(self, name: bytes, value: bytes | None) -> bool | None:
        """Sends one write until it is acknowledged. Gives whether the first try was.

        None if the load was stopped and the cluster did not answer for a while after that.
        """
        clean = True
        target = f"/kv/{percent_encoded(name)}"
        while True:
            client = self._client()
            try:
                if value is None:
                    code, answer = client.request("DELETE", target)
                else:
                    code, answer = client.request("PUT", target, value)
            except Unavailable:
                code, answer = 0, b""
            if code == 200:
                self.acknowledged += 1
                self._load.acknowledge(client.address)
                return clean
            if code not in (0, 503):
                self.refused.append(f"{target} at {client.address}: {code} {answer[:200]!r}")
                return None
            clean = False
            self.retries += 1
            self._turn += 1
            if self._load.expired():
                return None
            time.sleep(PAUSE_S)

    def _read_back(self, name: bytes, value: bytes | None) -> None:
        """Reads a key at the next node; an answer must be what has just been acknowledged."""
        addresses = self._load.addresses
        client = self._client(addresses[(self._turn + 1) % len(addresses)])
        try:
            code, body = client.request("GET", f"/kv/{percent_encoded(name)}")
        except Unavailable:
            return
        if code == 503:
            return
        self.reads += 1
        problem = mismatch(value, code, body)
        if problem:
            self.stale.append(f"{name!r} at {client.address}: {problem}")

    def _client(self, address: str | None = None) -> Client:
        addresses = self._load.addresses
        address = address or addresses[self._turn % len(addresses)]
        if address not in self._clients:
            self._clients[address] = Client(address)
        return self._clients[address]


class Load:
    """All writers, and when which write was acknowledged. All methods are thread-safe."""

    def __init__(self, addresses: Sequence[str], writers: int, keys: int, seed: int) -> None:
        """The load has not begun yet. `keys` bounds the number of keys, not of writes."""
        self.addresses = tuple(addresses)
        self.keys_per_writer = max(1, keys // writers)
        self.stopping = threading.Event()
        self.stopped_at = 0.0
        self.unsettled: list[bytes] = []
        self.by_address: dict[str, int] = {address: 0 for address in addresses}
        self._lock = threading.Lock()
        self._count = 0
        # The last ones are enough to measure gaps; a load may run for days.
        self._times: collections.deque[float] = collections.deque(maxlen=200_000)
        self.writers = [Writer(number, self, seed) for number in range(writers)]

    def start(self) -> None:
        for writer in self.writers:
            writer.start()

    def stop(self) -> None:
        """Ends the load; each writer first finishes the write that it has begun."""
        self.stopped_at = time.monotonic()
        self.stopping.set()
        for writer in self.writers:
            writer.join()
        for writer in self.writers:
            if writer.error is not None:
                raise writer.error

    def expired(self) -> bool:
        """Whether a writer may give up a write: long after the load was stopped."""
        return self.stopping.is_set() and time.monotonic() > self.stopped_at + 15

    def acknowledge(self, address: str) -> None:
        with self._lock:
            self._count += 1
            self._times.append(time.monotonic())
            self.by_address[address] = self.by_address.get(address, 0) + 1

    def gave_up(self, name: bytes) -> None:
        with self._lock:
            self.unsettled.append(name)

    @property
    def acknowledged(self) -> int:
        with self._lock:
            return self._count

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time without an acknowledgement that ends after `begin` and begins before `end`."""
        with self._lock:
            times = list(self._times)
        times = times[max(0, bisect.bisect_left(times, begin) - 1) : bisect.bisect_left(times, end) + 1]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    # -- after the end

    def expected(self) -> dict[bytes, bytes | None]:
        """What each key must have; None for deleted ones. Only after `stop`."""
        unsettled = set(self.unsettled)
        return {
            name: key.value for writer in self.writers for name, key in writer.keys.items() if name not in unsettled
        }

    def stale(self) -> list[str]:
        return [text for writer in self.writers for text in writer.stale]

    def refused(self) -> list[str]:
        return [text for writer in self.writers for text in writer.refused]


def mismatch(value: bytes | None, code: int, body: bytes) -> str | None:
    """Compares an answer to a GET with what is expected; None if it is right."""
    if value is None:
        return None if code == 404 else f"deleted, but {code} {body[:60]!r}"
    if code == 200 and body == value:
        return None
    return f"{value[:60]!r} expected, {code} {body[:60]!r} found"


def state_hash(pairs: dict[bytes, bytes | None]) -> str:
    """The state hash of examples/kv/README.md, of the pairs that exist."""
    total = 0
    for key, value in pairs.items():
        if value is not None:
            length = len(key)
            prefix = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
            total += int.from_bytes(hashlib.sha256(prefix + key + value).digest()[:8], "big")
    return f"{total % 2**64:016x}"


def read_back(
    address: str, expected: dict[bytes, bytes | None], threads: int, progress: Callable[[int], None]
) -> list[str]:
    """Reads every key at one node, and gives what is not as expected.

    A 503 is tried again for a while: it says nothing of the value.
    """
    names = list(expected)
    problems: list[str] = []
    lock = threading.Lock()

    def reader(part: list[bytes]) -> None:
        client = Client(address)
        for count, name in enumerate(part, 1):
            deadline = time.monotonic() + 15
            while True:
                try:
                    code, body = client.request("GET", f"/kv/{percent_encoded(name)}")
                except Unavailable as error:
                    code, body = 503, str(error).encode()
                if code != 503 or time.monotonic() > deadline:
                    break
                time.sleep(PAUSE_S)
            problem = mismatch(expected[name], code, body)
            if problem:
                with lock:
                    problems.append(f"{name!r} at {address}: {problem}")
                if len(problems) > 100:
                    break
            if count % 50 == 0:
                progress(50)
        progress(len(part) % 50)
        client.close()

    parts = [names[i::threads] for i in range(threads)]
    workers = [threading.Thread(target=reader, args=(part,), daemon=True) for part in parts if part]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return problems
