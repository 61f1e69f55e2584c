"""The test vectors on the page that specifies the example are the ones its formats give."""

from __future__ import annotations

import re
from pathlib import Path

import wire

README = Path(__file__).resolve().parent.parent / "README.md"


def readme_vectors() -> dict[str, str]:
    """The vectors of the README: a line that begins with a name in backticks, then an indented one."""
    section = README.read_text(encoding="utf-8").split("## Test vectors", 2)[-1]
    return dict(re.findall(r"^`([a-z0-9-]+)`:[^\n]*\n\n    ([0-9a-f]+)$", section, re.MULTILINE))


def test_readme_vectors_are_what_the_formats_give() -> None:
    documented = readme_vectors()
    computed = wire.vectors()
    assert set(documented) == set(computed)
    for name, text in computed.items():
        assert documented[name] == text, name


def test_state_hash_does_not_depend_on_order_or_history() -> None:
    pairs = [(b"a", b"1"), (b"b", b""), (b"c", b"3")]
    assert wire.state_hash(dict(pairs)) == wire.state_hash(dict(reversed(pairs)))
    kept = (wire.pair_hash(b"a", b"1") + wire.pair_hash(b"b", b"2") - wire.pair_hash(b"b", b"2")) % 2**64
    assert f"{kept:016x}" == wire.state_hash({b"a": b"1"})


def test_the_key_length_keeps_key_and_value_apart() -> None:
    assert wire.state_hash({b"ab": b"c"}) != wire.state_hash({b"a": b"bc"})


def test_uvarint_at_its_borders() -> None:
    assert wire.uvarint(0) == b"\x00"
    assert wire.uvarint(127) == b"\x7f"
    assert wire.uvarint(128) == b"\x80\x01"
    assert wire.uvarint(2**64 - 1) == b"\xff" * 9 + b"\x01"
