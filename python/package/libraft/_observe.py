"""What nodes tell of themselves, for the usual tools: `logging` and Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from ._libraft import RawNode, expose
from ._types import Event

PROMETHEUS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""What `prometheus_text` returns, for the header Content-Type."""


# Where a program has not set up logging, warnings would go to stderr.
logging.getLogger("libraft").addHandler(logging.NullHandler())


class _Log(Protocol):
    """What `log_events` needs of a logging.Logger or a logging.LoggerAdapter."""

    def isEnabledFor(self, level: int) -> bool: ...
    def log(self, level: int, msg: object, *args: object, extra: Mapping[str, object] | None = ...) -> None: ...


def log_events(events: Iterable[Event], logger: _Log | None = None, **fields: object) -> None:
    """Logs what has happened, each event as one record with its own level.

        log_events(ready.events, node=node.id)

    The message is the event's line. The fields are attributes of the record, under the names of the line
    with `raft_` in front, since some of them are logging's own: `raft_event` is the event's name, then
    `raft_term`, `raft_reason` and so on. So are `fields`, which should say which node it was; they stand in
    front of the line as well. `logger` is logging.getLogger("libraft") if it is not given.

    `libraft.aio.Node` does this with its own events, if it is given nothing else to do with them.
    """
    log = logging.getLogger("libraft") if logger is None else logger
    prefix = "".join(f"{name}={value} " for name, value in fields.items())
    for event in events:
        level = event.level
        if not log.isEnabledFor(level):
            continue
        told = event.to_dict()
        extra = {f"raft_{name}": value for name, value in fields.items()}
        extra["raft_event"] = told.pop("type")
        extra.update((f"raft_{name}", value) for name, value in told.items())
        log.log(level, "%s%s", prefix, event, extra=extra)


def prometheus_text(nodes: Iterable[RawNode | tuple[RawNode, Mapping[str, str]]]) -> str:
    """What nodes say about themselves as one text for Prometheus, in its exposition format.

    A node comes alone, or with labels besides `node`, its id; two nodes with one id, of two groups, need
    labels that tell them apart. To be served as PROMETHEUS_CONTENT_TYPE.

    Raises ArgumentError (a label, or a node is there twice; it says what to do), ClosedError, MisuseError.
    """
    pairs = [(node, {}) if isinstance(node, RawNode) else node for node in nodes]
    return expose([(node, list(labels.items())) for node, labels in pairs])
