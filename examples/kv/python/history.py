"""What GET /status tells beyond the numbers: a bounded list of what has happened in this process,
the library's events and the program's own, and how it shows members. It decides nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from libraft import ConfState, Event, EventType, Progress

KEPT_EVENTS = 128
KEPT_TYPES = {
    EventType.LEADER_CHANGED,
    EventType.CAMPAIGN_STARTED,
    EventType.ELECTION_WON,
    EventType.ELECTION_LOST,
    EventType.STEPPED_DOWN,
    EventType.FLOW_CHANGED,
    EventType.TRANSFER_STARTED,
    EventType.TRANSFER_ENDED,
    EventType.SNAPSHOT_INSTALLED,
    EventType.REMOVED,
}


class History:
    """The last events, the oldest first."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.count = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self.begun, 3)

    def add_all(self, events: Iterable[Event]) -> None:
        """Takes those of the library's events that a reader can use."""
        for event in events:
            # Without a quorum, one try to be elected follows the other, and would fill the list.
            if event.type in KEPT_TYPES and event.kind != "RAFT_CAMPAIGN_PRE_ELECTION":
                self._keep(event.type.name.lower(), **{name.rstrip("_"): value for name, value in named(event)})

    def add(self, kind: str, *, node: int = 0, term: int, index: int) -> None:
        """Takes an event of the program's own."""
        self._keep(kind, node=node, term=term, index=index)

    def _keep(self, type_name: str, **fields: Any) -> None:
        self.count += 1
        nothing = {"reason": "", "kind": "", "node": 0, "term": 0, "index": 0, "from": 0, "to": 0}
        self.events.append({"n": self.count, "at_s": self.uptime_s, "type": type_name} | nothing | fields)


def named(event: Event) -> Iterable[tuple[str, Any]]:
    """The fields of an event but its type."""
    return list(event._asdict().items())[1:]


def configuration(members: ConfState | None) -> dict[str, list[int]]:
    """The members as the library has them."""
    names = ("voters", "voters_outgoing", "learners", "learners_next")
    return {name: sorted(getattr(members, name)) if members else [] for name in names}


def progress_of(member: Progress) -> dict[str, Any]:
    """What the leader knows of a member."""
    return {
        "match": member.match_index,
        "next": member.next_index,
        "state": member.state.name.lower(),
        "paused": member.paused,
        "recent_active": member.recent_active,
        "inflight": member.inflight_messages,
        "pending_snapshot": member.pending_snapshot,
    }
