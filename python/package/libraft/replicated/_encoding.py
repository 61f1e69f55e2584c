"""Plain values as bytes, and back: MessagePack, strictly.

None, bool, int of any size, float, str, bytes, list, tuple, dict, set and frozenset, of exactly these
types, at most `MAX_DEPTH` deep. Tuples, sets and integers beyond 64 bits are MessagePack extensions. Sets
are written in the order of their members' encodings, so that equal values have equal bytes, but for
the order of a dict, which is kept. Nothing that is read can become an object of any other type, and
nothing of it is ever run: this is no pickle.
"""

from __future__ import annotations

from typing import Any, Final

try:
    import msgpack  # type: ignore[import-untyped]
except ImportError as error:  # pragma: no cover
    raise ImportError("libraft.replicated needs msgpack: pip install 'libraft[replicated]'") from error

MAX_DEPTH: Final = 32
"""How deep lists, tuples, dicts and sets may be in each other, in what is given to a method or comes back."""
STATE_DEPTH: Final = 2 * MAX_DEPTH
"""The same in the state of an object, which holds such values in collections of its own."""
MAX_INT_BYTES: Final = 1 << 16
"""The length of the largest integer."""

SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
"""Types whose values never change, and which no caller and no object can share by mistake."""

_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})
_INT, _TUPLE, _SET, _FROZENSET = 1, 2, 3, 4
_COLLECTIONS: Final[dict[int, Any]] = {_TUPLE: tuple, _SET: set, _FROZENSET: frozenset}


class EncodingError(ValueError):
    """A value that can't be replicated, or bytes that are no value. Says which."""


def encode(value: Any, max_bytes: int | None = None, *, max_depth: int = MAX_DEPTH) -> bytes:
    """The bytes of a plain value. Raises EncodingError: another type, too deep, or too large."""
    _check(value, max_depth)
    try:
        data = _pack(value)
    except EncodingError:
        raise
    except (ValueError, OverflowError) as error:
        # A lone surrogate in a string, for example.
        raise EncodingError(f"can't be encoded: {error}") from error
    if max_bytes is not None and len(data) > max_bytes:
        raise EncodingError(f"{len(data)} bytes, where {max_bytes} are allowed")
    return data


def decode(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value. Raises EncodingError for anything that `encode` can't have written."""
    value = _unpack(data, max_depth)
    _check(value, max_depth)
    return value


def _check(value: Any, depth: int) -> None:
    """Types and depth. Scalars that are members are passed over here, so that most values take one call."""
    kind = type(value)
    if kind in SCALARS:
        return
    if kind not in _CONTAINERS:
        raise EncodingError(
            f"a {kind.__module__}.{kind.__qualname__} can't be replicated, only None, bool, int, float, str, bytes,"
            " list, tuple, dict, set and frozenset, and no subclasses of these"
        )
    if depth == 0:
        raise EncodingError("too many levels deep")
    # Of a dict these are the keys.
    for member in value:
        if type(member) not in SCALARS:
            _check(member, depth - 1)
    if kind is dict:
        for member in value.values():
            if type(member) not in SCALARS:
                _check(member, depth - 1)


def has_twice(value: Any) -> bool:
    """Whether a list, dict or set is in two places of a plain value: decoded, these are two."""
    seen: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        kind = type(one)
        if kind not in (list, dict, set, tuple):
            continue
        if kind is not tuple:
            if id(one) in seen:
                return True
            seen.add(id(one))
        if kind is dict:
            left.extend(one.values())
        elif kind is not set:
            left.extend(one)
    return False


def _extend(value: Any) -> msgpack.ExtType:
    """What MessagePack has no type for. `_check` has seen to it that there is nothing else."""
    if type(value) is int:
        length = (value.bit_length() + 8) // 8
        if length > MAX_INT_BYTES:
            raise EncodingError(f"an integer of more than {MAX_INT_BYTES} bytes")
        return msgpack.ExtType(_INT, value.to_bytes(length, "big", signed=True))
    if type(value) is tuple:
        return msgpack.ExtType(_TUPLE, _pack(list(value)))
    code = _SET if type(value) is set else _FROZENSET
    members = sorted(_pack(member) for member in value)
    return msgpack.ExtType(code, msgpack.Packer().pack_array_header(len(members)) + b"".join(members))


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_extend, strict_types=True)
    return packed


def _unpack(data: bytes, depth: int) -> Any:
    def extension(code: int, inner: bytes) -> Any:
        if depth == 0:
            raise EncodingError("too many levels deep")
        if code == _INT and len(inner) <= MAX_INT_BYTES:
            return int.from_bytes(inner, "big", signed=True)
        if code in _COLLECTIONS:
            members = _unpack(inner, depth - 1)
            if type(members) is list:
                return _COLLECTIONS[code](members)
        raise EncodingError("an extension that is none of ours")

    try:
        return msgpack.unpackb(data, ext_hook=extension, strict_map_key=False)
    except EncodingError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        # TypeError: an unhashable key.
        raise EncodingError(f"no encoded value: {error}") from error
