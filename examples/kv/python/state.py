"""The replicated state: keys with their values, and the members of the cluster.

It changes by committed entries only, one after the other, so that it is the same on every node:
nothing in here may depend on the clock, on chance, or on which node it is. The byte formats are
those of ../README.md. No I/O, and nothing of raft.
"""

from __future__ import annotations

import hashlib
import re

MAX_ID = 1_000_000
MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 1 << 20
MAX_STATE_BYTES = 48 << 20
PAIR_OVERHEAD = 16
PUT, DELETE = 1, 2
SNAPSHOT_VERSION = 1

ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}:([1-9][0-9]{0,4})")
ID = re.compile(r"[1-9][0-9]{0,6}")


class Malformed(ValueError):
    """The bytes are not of the form that they should be."""


class State:
    """The state as of one index of the log."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}
        self.members: dict[int, str] = {}
        self.removed: set[int] = set()
        self.bytes = 0
        self.hash = 0
        """The sum of the hashes of all pairs."""

    def copy(self) -> State:
        """For a snapshot that is encoded while this one changes. Keys and values never do."""
        other = State()
        other.pairs, other.members, other.removed = self.pairs.copy(), self.members.copy(), self.removed.copy()
        return other

    # ---------------------------------------------------------------- keys

    def apply(self, command: bytes) -> bool:
        """Carries out a command. False if there is no room for it: then nothing has changed.

        One that is not exactly of that form is skipped, by all nodes alike.
        """
        try:
            op, key, value = decode_command(command)
        except Malformed:
            return True
        if op == PUT and not self.fits(key, value):
            return False
        old = self.pairs.pop(key, None)
        if old is not None:
            self._count(key, old, -1)
        if op == PUT:
            self._put(key, value)
        return True

    def _put(self, key: bytes, value: bytes) -> None:
        self.pairs[key] = value
        self._count(key, value, +1)

    def _count(self, key: bytes, value: bytes, sign: int) -> None:
        self.bytes += sign * (len(key) + len(value) + PAIR_OVERHEAD)
        self.hash = (self.hash + sign * pair_hash(key, value)) % 2**64

    def fits(self, key: bytes, value: bytes) -> bool:
        """Whether there is room for a write.

        There always is for one that does not make the state larger, which may be over the limit
        if it was restored so.
        """
        old = self.pairs.get(key)
        added = len(key) + len(value) + PAIR_OVERHEAD if old is None else len(value) - len(old)
        return added <= 0 or self.bytes + added <= MAX_STATE_BYTES

    # ---------------------------------------------------------------- members

    def refuse_add(self, member: int, address: str) -> str | None:
        """Why a member can't be added. Asked before that is proposed, and when it is applied."""
        if not 1 <= member <= MAX_ID:
            return "there is no such id"
        if not is_address(address):
            return "that is no address"
        if member in self.removed:
            return "this id was removed before, and ids are never used again"
        if any(other != member and its == address for other, its in self.members.items()):
            return "another member has this address"
        return None

    def refuse_remove(self, member: int) -> str | None:
        """The same for a removal."""
        if member not in self.members:
            return "there is no such member"
        if len(self.members) == 1:
            return "the last member can't be removed"
        return None

    def add_member(self, member: int, address: str) -> None:
        self.members[member] = address

    def remove_member(self, member: int) -> None:
        del self.members[member]
        self.removed.add(member)

    # ---------------------------------------------------------------- snapshots

    def encode(self) -> bytes:
        """The snapshot: the same bytes for the same state."""
        parts = [bytes([SNAPSHOT_VERSION]), uvarint(len(self.members))]
        for member in sorted(self.members):
            address = self.members[member].encode()
            parts += (uvarint(member), uvarint(len(address)), address)
        parts.append(uvarint(len(self.removed)))
        parts += map(uvarint, sorted(self.removed))
        parts.append(uvarint(len(self.pairs)))
        for key in sorted(self.pairs):
            value = self.pairs[key]
            parts += (uvarint(len(key)), key, uvarint(len(value)), value)
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    @staticmethod
    def decode(data: bytes) -> State:
        """Restores a snapshot, from the disk or from a peer, and trusts neither."""
        if len(data) < 33 or hashlib.sha256(memoryview(data)[:-32]).digest() != data[-32:]:
            raise Malformed("the snapshot is damaged")
        if data[0] != SNAPSHOT_VERSION:
            raise Malformed("the snapshot is of an unknown version")
        state, reader = State(), Reader(data, 1, len(data) - 32)
        last = 0
        for _ in range(reader.uvarint()):
            last = reader.id_after(last)
            address = reader.sized(len(data)).decode("ascii", "replace")
            if not is_address(address):
                raise Malformed("a member's address is none")
            state.members[last] = address
        last = 0
        for _ in range(reader.uvarint()):
            last = reader.id_after(last)
            state.removed.add(last)
        last_key = b""
        for _ in range(reader.uvarint()):
            key = reader.sized(MAX_KEY_BYTES)
            if key <= last_key:
                raise Malformed("the keys are not in order")
            state._put(key, reader.sized(MAX_VALUE_BYTES))
            last_key = key
        if reader.at != reader.end:
            raise Malformed("bytes are left over")
        return state


class Reader:
    """Takes parts off the front of some bytes."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def uvarint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= self.end:
                raise Malformed("a number is cut off")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value
        raise Malformed("a number is over 64 bits")

    def sized(self, most: int) -> bytes:
        """A length, at most so much, and as many bytes."""
        length = self.uvarint()
        if length > most or length > self.end - self.at:
            raise Malformed("a length is out of bounds")
        self.at += length
        return self.data[self.at - length : self.at]

    def id_after(self, last: int) -> int:
        member = self.uvarint()
        if not last < member <= MAX_ID:
            raise Malformed("the ids are not in order")
        return member


SMALL = [bytes([value]) for value in range(0x80)]


def uvarint(value: int) -> bytes:
    if value < 0x80:
        return SMALL[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_command(op: int, key: bytes, value: bytes = b"") -> bytes:
    """A command without its header, which the driver puts in front."""
    return bytes([op]) + uvarint(len(key)) + key + value


def decode_command(data: bytes) -> tuple[int, bytes, bytes]:
    reader = Reader(data, 1)
    key = reader.sized(MAX_KEY_BYTES)
    value = data[reader.at :]
    most = {PUT: MAX_VALUE_BYTES, DELETE: 0}.get(data[0], -1)
    if not key or len(value) > most:
        raise Malformed("this is no command")
    return data[0], key, value


def pair_hash(key: bytes, value: bytes) -> int:
    """What a pair adds to the hash of the state."""
    digest = hashlib.sha256(uvarint(len(key)) + key)
    digest.update(value)
    return int.from_bytes(digest.digest()[:8], "big")


def is_address(text: str) -> bool:
    """Whether this is HOST:PORT."""
    found = ADDRESS.fullmatch(text)
    return found is not None and int(found[1]) <= 65535


def parse_id(text: str) -> int | None:
    """A decimal number without sign and leading zeros, or None."""
    return int(text) if ID.fullmatch(text) and int(text) <= MAX_ID else None
