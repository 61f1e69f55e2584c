"""The byte formats of the state, against the test vectors of ../README.md, and damaged input."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest

from state import (
    DELETE,
    MAX_STATE_BYTES,
    MAX_VALUE_BYTES,
    PUT,
    Malformed,
    Reader,
    State,
    decode_command,
    encode_command,
    is_address,
    pair_hash,
    parse_id,
    uvarint,
)

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def vector(name: str) -> str:
    """What the README says under `name`."""
    found = re.search(rf"^`{name}`.*\n\n    ([0-9a-f]+)$", README, re.M)
    assert found is not None, name
    return found[1]


def whole(**pairs: bytes) -> State:
    state = State()
    for member, port in ((1, 7001), (2, 7002), (3, 7003)):
        state.add_member(member, f"127.0.0.1:{port}")
    for key, value in pairs.items():
        state.apply(encode_command(PUT, key.encode(), value))
    return state


def test_commands_are_those_of_the_vectors() -> None:
    # The driver puts the 16 bytes of the header in front.
    assert encode_command(PUT, b"greeting", b"hello").hex() == vector("put")[32:]
    assert encode_command(DELETE, b"\x00/\xff").hex() == vector("delete")[32:]
    assert decode_command(bytes.fromhex(vector("put"))[16:]) == (PUT, b"greeting", b"hello")


def test_snapshots_are_those_of_the_vectors() -> None:
    assert whole().encode().hex() == vector("snapshot-initial")
    state = whole(b=b"", a=b"1")
    state.removed.add(4)
    assert state.encode().hex() == vector("snapshot")
    again = State.decode(state.encode())
    assert (again.pairs, again.members, again.removed) == (state.pairs, state.members, state.removed)
    assert (again.hash, again.bytes) == (state.hash, state.bytes)


def test_hashes_are_those_of_the_vectors() -> None:
    assert f"{pair_hash(b'a', b'1'):016x}" == vector("pair-hash-a-1")
    assert f"{State().hash:016x}" == vector("hash-empty")
    state = whole(a=b"1", b=b"")
    assert f"{state.hash:016x}" == vector("hash-a-b")
    state.apply(encode_command(PUT, b"\x00\xff/", b"x" * 200))
    assert f"{state.hash:016x}" == vector("hash-three")


def test_hash_and_size_follow_every_write() -> None:
    chance = random.Random(1)
    state = State()
    for _ in range(2000):
        key = bytes([chance.randrange(50)])
        if chance.random() < 0.3:
            state.apply(encode_command(DELETE, key))
        else:
            state.apply(encode_command(PUT, key, chance.randbytes(chance.randrange(20))))
    assert state.bytes == sum(len(key) + len(value) + 16 for key, value in state.pairs.items())
    assert state.hash == sum(pair_hash(*pair) for pair in state.pairs.items()) % 2**64


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x00\x01k",
        b"\x03\x01kv",
        b"\x01\x00v",
        b"\x01\x05key",
        b"\x01\x81\x04" + b"k" * 513,
        b"\x01" + b"\xff" * 10 + b"k",
        b"\x02\x01kv",
        encode_command(PUT, b"k", bytes(MAX_VALUE_BYTES + 1)),
    ],
)
def test_what_is_no_command_is_skipped(data: bytes) -> None:
    state = whole(a=b"1")
    before = state.encode()
    state.apply(data)
    assert state.encode() == before


def test_a_number_has_at_most_64_bits() -> None:
    assert Reader(uvarint(2**64 - 1)).uvarint() == 2**64 - 1
    assert Reader(b"\x81\x00").uvarint() == 1
    for bad in (b"", b"\x80", uvarint(2**64), b"\x80" * 10 + b"\x00"):
        with pytest.raises(Malformed):
            Reader(bad).uvarint()


def test_a_damaged_snapshot_is_refused() -> None:
    data = whole(a=b"1", b=b"2").encode()
    for at in range(len(data)):
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            with pytest.raises(Malformed):
                State.decode(damaged)


@pytest.mark.parametrize(
    "body",
    [
        b"\x02\x00\x00\x00",
        b"\x01\x00\x00\x00\x00",
        b"\x01\x01\x00\x03h:1\x00\x00",
        b"\x01\x01\x01\x02h:\x00\x00",
        b"\x01\x02\x02\x03h:1\x01\x03h:2\x00\x00",
        b"\x01\x00\x02\x05\x05\x00",
        b"\x01\x00\x00\x02\x01b\x00\x01a\x00",
        b"\x01\x00\x00\x01\x00\x00",
        b"\x01\x00\x00\x01\x01k\x05v",
        b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ],
)
def test_a_snapshot_with_a_right_trailer_and_a_wrong_body_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        State.decode(body + hashlib.sha256(body).digest())


def test_the_state_has_a_bound() -> None:
    state = State()
    state.bytes = MAX_STATE_BYTES - 17
    assert state.fits(b"k", b"") and not state.fits(b"k", b"v")
    state.pairs[b"k"] = b"value"
    # What is replaced makes room.
    assert state.fits(b"k", b"other!") and not state.fits(b"k", b"v" * 24)


def test_a_write_without_room_changes_nothing() -> None:
    state = whole(k=b"value")
    state.bytes = MAX_STATE_BYTES
    before = state.pairs.copy(), state.hash, state.bytes
    for key, value in ((b"k", b"longer"), (b"l", b"")):
        assert not state.apply(encode_command(PUT, key, value))
        assert (state.pairs, state.hash, state.bytes) == before
    for value in (b"other", b"v", b"value"):
        assert state.apply(encode_command(PUT, b"k", value))
    assert (state.pairs, state.hash, state.bytes) == before
    # A state that was restored above the limit takes what does not make it larger.
    state.bytes = MAX_STATE_BYTES + 100
    assert state.fits(b"k", b"value") and not state.fits(b"k", b"value+")
    assert state.apply(encode_command(DELETE, b"k")) and b"k" not in state.pairs


@pytest.mark.parametrize("text", ["h:1", "127.0.0.1:65535", "a-b.c:80", "h:9"])
def test_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["", "h", ":1", "h:", "h:0", "h:0080", "h:65536", "h:-1", "h:1\n", "a b:1", "ö:1", "h:1:2", "h:\u0663"]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_ids() -> None:
    assert parse_id("1") == 1 and parse_id("1000000") == 1_000_000
    for text in ("", "0", "01", "+1", "-1", "1000001", "99999999", "1 ", "\u0663"):
        assert parse_id(text) is None
