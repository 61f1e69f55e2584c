"""The byte formats of the example, written a fourth time, and only for tests.

`examples/kv/README.md` specifies them. This module is independent of the three
servers: the test vectors of the README are computed from it, and the end-to-end
tests use it to build requests. It has no I/O; run as a program it prints the
vectors as the README shows them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping

PUT = 1
DELETE = 2
SNAPSHOT_VERSION = 1


def uvarint(value: int) -> bytes:
    """The unsigned base-128 encoding that protobuf and Go's encoding/binary use."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(proposer: int, sequence: int) -> bytes:
    """The 16 bytes by which a proposer finds its waiter again."""
    return struct.pack(">QQ", proposer, sequence)


def command(proposer: int, sequence: int, op: int, key: bytes, value: bytes = b"") -> bytes:
    """The data of a normal entry."""
    return tag(proposer, sequence) + bytes([op]) + uvarint(len(key)) + key + value


def conf_change_context(proposer: int, sequence: int, address: str) -> bytes:
    """The context of a configuration change; the address is empty for a removal."""
    return tag(proposer, sequence) + address.encode()


def snapshot(members: Mapping[int, str], removed: Iterable[int], pairs: Mapping[bytes, bytes]) -> bytes:
    """The data of a snapshot, with its SHA-256 trailer."""
    gone = sorted(removed)
    out = bytearray([SNAPSHOT_VERSION])
    out += uvarint(len(members))
    for member in sorted(members):
        address = members[member].encode()
        out += uvarint(member) + uvarint(len(address)) + address
    out += uvarint(len(gone))
    for member in gone:
        out += uvarint(member)
    out += uvarint(len(pairs))
    for key in sorted(pairs):
        out += uvarint(len(key)) + key + uvarint(len(pairs[key])) + pairs[key]
    return bytes(out) + hashlib.sha256(out).digest()


def pair_hash(key: bytes, value: bytes) -> int:
    """What one pair adds to the state hash."""
    digest = hashlib.sha256(uvarint(len(key)) + key + value).digest()
    return int.from_bytes(digest[:8], "big")


def state_hash(pairs: Mapping[bytes, bytes]) -> str:
    """The hash of a whole state, as /status shows it."""
    return f"{sum(pair_hash(k, v) for k, v in pairs.items()) % 2**64:016x}"


# ---------------------------------------------------------------- raftpb, by hand

# The kinds of messages and entries that the tests forge, by their numbers on the wire.
MSG_HUP, MSG_BEAT, MSG_PROP, MSG_APP = 0, 1, 2, 3
MSG_SNAP, MSG_HEARTBEAT_RESP, MSG_UNREACHABLE = 7, 9, 10
MSG_SNAP_STATUS, MSG_CHECK_QUORUM = 11, 12
MSG_STORAGE_APPEND, MSG_STORAGE_APPEND_RESP, MSG_STORAGE_APPLY_RESP = 19, 20, 22
ENTRY_NORMAL, ENTRY_CONF_CHANGE, ENTRY_CONF_CHANGE_V2 = 0, 1, 2
ADD_NODE, REMOVE_NODE, ADD_LEARNER = 0, 1, 3


def number_field(number: int, value: int) -> bytes:
    """A varint field; zero is written too, as raftpb does for required fields."""
    return uvarint(number << 3) + uvarint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    return uvarint(number << 3 | 2) + uvarint(len(value)) + value


def entry(kind: int, data: bytes) -> bytes:
    """A raftpb.Entry as it stands in a proposal: without term and index."""
    return number_field(1, kind) + number_field(2, 0) + number_field(3, 0) + bytes_field(4, data)


def message(kind: int, to: int, sender: int, term: int = 0, extra: bytes = b"") -> bytes:
    """A raftpb.Message; `extra` holds further fields, encoded."""
    return number_field(1, kind) + number_field(2, to) + number_field(3, sender) + number_field(4, term) + extra


def proposal(to: int, sender: int, *entries: bytes) -> bytes:
    return message(MSG_PROP, to, sender, 0, b"".join(bytes_field(7, one) for one in entries))


def conf_change(kind: int, node: int, context: bytes) -> bytes:
    """A raftpb.ConfChange with id 0."""
    return number_field(1, 0) + number_field(2, kind) + number_field(3, node) + bytes_field(4, context)


def frames(*messages: bytes) -> bytes:
    """The body of POST /raft."""
    return b"".join(uvarint(len(one)) + one for one in messages)


def vectors() -> dict[str, str]:
    """Every test vector of the README by its name there."""
    members = {1: "127.0.0.1:7001", 2: "127.0.0.1:7002", 3: "127.0.0.1:7003"}
    pairs = {b"a": b"1", b"b": b"", b"\x00\xff/": b"x" * 200}
    return {
        "put": command(2, 0x0102030405060708, PUT, b"greeting", b"hello").hex(),
        "delete": command(3, 0xFFFFFFFFFFFFFFFF, DELETE, b"\x00/\xff").hex(),
        "context-add": conf_change_context(1, 9, "127.0.0.1:7004").hex(),
        "context-remove": conf_change_context(1, 10, "").hex(),
        "snapshot-initial": snapshot(members, [], {}).hex(),
        "snapshot": snapshot(members, [4], {b"a": b"1", b"b": b""}).hex(),
        "pair-hash-a-1": f"{pair_hash(b'a', b'1'):016x}",
        "hash-empty": state_hash({}),
        "hash-a-b": state_hash({b"a": b"1", b"b": b""}),
        "hash-three": state_hash(pairs),
    }


if __name__ == "__main__":
    for name, text in vectors().items():
        print(f"{name}: {text}")
