"""The exceptions of libraft, one for each code of the C interface.

There are three families besides the plain mistakes of a caller: what the caller can act on
(`Dropped` and others), what a peer sent (`PeerError`; nothing has changed), and what has gone
wrong for good (`Poisoned`, `LibraryPanic`). A storage's errors are `StorageError`s.
"""

from __future__ import annotations

from ._types import DropReason


class RaftError(Exception):
    """The base of all exceptions of libraft. A call that raises has changed nothing."""

    code: int = 0
    """The code of the C interface, RAFT_ERR_; negative for those that only Python has."""


class ArgumentError(RaftError, ValueError):
    """An argument is out of its range."""


class ConfigError(RaftError, ValueError):
    """A setting of the configuration is out of its range; the message says which and why."""


class MisuseError(RaftError, RuntimeError):
    """The call does not fit the state of the object."""


class ClosedError(MisuseError):
    """The object has been closed."""


class Dropped(RaftError):
    """What was asked for was not taken. It may be asked for again."""

    reason: DropReason = DropReason.NONE
    """Why it was not taken."""


class ProposalDropped(Dropped):
    """The proposal was not taken and will not be applied."""


class ReadDropped(Dropped):
    """The read was not taken, and no answer will come. Ask again under a new context."""


class ConfChangeError(RaftError):
    """The change does not fit the current configuration."""


class WrongAnswer(RaftError):
    """The answer does not fit the request. The core asks again."""


class RestartStateError(RaftError):
    """The state to restart from contradicts itself."""


class SnapshotRequestDropped(RaftError):
    """The request for a snapshot was not taken, and none will come of it; the message says why."""


class PeerError(RaftError):
    """A peer sent what no correct peer sends. It was ignored as a whole."""


class MalformedMessage(PeerError):
    """The bytes are not what they should be: no message, no entry, no configuration change."""


class ImpossibleMessage(PeerError):
    """The message is well-formed, but no correct peer can have sent it."""


class LocalMessage(PeerError):
    """The message is of a kind that never travels."""


class UnknownPeer(PeerError):
    """A response from a node that is no member. Harmless; usual after a removal."""


class RecordingError(RaftError, ValueError):
    """The bytes are no recording that can be replayed: damaged, cut off, of another version, or none."""


class Poisoned(RaftError):
    """The node found its own state to contradict itself, or a storage failed to write.

    The object takes no more calls; close it and start again from the storage.
    """


class LibraryPanic(Poisoned):
    """A defect of the library, caught. The node that was called is poisoned."""


class StorageError(RaftError):
    """A storage could not do what it was asked for."""


class Compacted(StorageError):
    """What was asked for has been compacted away."""


class Unavailable(StorageError):
    """What was asked for is not there, or not yet."""


class SnapshotOutOfDate(StorageError):
    """The storage has a snapshot that is at least as new."""


class StorageLocked(StorageError):
    """Another process, or another handle of this one, has the storage open."""


class StorageCorrupt(StorageError):
    """The stored data is damaged."""


class StorageIOError(StorageError, OSError):
    """The operating system refused: no space, no permission, a failing disk."""


_BY_CODE: dict[int, type[RaftError]] = {
    -1: ClosedError,
    1: ArgumentError,
    2: ArgumentError,
    3: ConfigError,
    4: MisuseError,
    5: ProposalDropped,
    6: ReadDropped,
    7: ConfChangeError,
    8: WrongAnswer,
    9: RestartStateError,
    10: SnapshotRequestDropped,
    20: MalformedMessage,
    21: ImpossibleMessage,
    22: LocalMessage,
    23: UnknownPeer,
    30: RecordingError,
    40: Poisoned,
    41: LibraryPanic,
    60: Compacted,
    61: Unavailable,
    62: SnapshotOutOfDate,
    63: StorageLocked,
    64: StorageCorrupt,
    65: StorageIOError,
}
for _code, _class in _BY_CODE.items():
    _class.code = _code


def from_code(code: int, reason: int, message: str) -> RaftError:
    """The exception for a code, made by the extension module. Later codes give a plain RaftError."""
    error = _BY_CODE.get(code, RaftError)(message)
    error.code = code
    if isinstance(error, Dropped):
        try:
            error.reason = DropReason(reason)
        except ValueError:
            error.reason = DropReason.OTHER
    return error
