#!/usr/bin/env python3
"""Draws the pictures of the documentation: docs/pictures/*.svg.

docs/tools/pictures.py          fails if a committed picture differs from what is drawn here
docs/tools/pictures.py --write  draws them anew

They are put into the pages as they are, so that the page's colours hold in them, in light and in dark: lines and
texts are of the colour of the text, and what matters is in the theme's accent.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "pictures"
# How wide a letter is at most, on average, in the fonts that a page may have: what keeps texts inside of boxes.
LETTER = 7.0
LINE = 18


@dataclass
class Picture:
    """An SVG that grows."""

    name: str
    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "t") -> None:
        """A line of text. `kind` is a class of style.css."""
        room = {"middle": 2 * min(x, self.width - x), "start": self.width - x, "end": x}[anchor]
        if len(words) * LETTER > room:
            raise ValueError(f"{self.name}: no room for {words!r}")
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def box(self, x: float, y: float, w: float, h: float, *lines: str, kind: str = "b") -> None:
        """A box with lines of text in its middle; the first one is its name."""
        for layer in ("o", kind):  # the lower one hides what is behind the box
            self.parts.append(f'<rect class="{layer}" x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6"/>')
        top = y + h / 2 - (len(lines) - 1) * LINE / 2 + 5
        for i, line in enumerate(lines):
            if len(line) * LETTER > w:
                raise ValueError(f"{self.name}: {line!r} is wider than its box")
            self.text(x + w / 2, top + i * LINE, line, kind="n" if i == 0 else "t")

    def arrow(self, *points: tuple[float, float], kind: str = "a", both: bool = False) -> None:
        """A line with a head at its end."""
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        start = f' marker-start="url(#{self.name}-start)"' if both else ""
        self.parts.append(f'<path class="{kind}" d="{path}"{start} marker-end="url(#{self.name}-head)"/>')

    def curve(self, path: str, kind: str = "a") -> None:
        """A path of one's own, with a head at its end."""
        self.parts.append(f'<path class="{kind}" d="{path}" marker-end="url(#{self.name}-head)"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "l") -> None:
        """A line without a head."""
        self.parts.append(f'<path class="{kind}" d="M{x1:g} {y1:g} L{x2:g} {y2:g}"/>')

    def circle(self, x: float, y: float, r: float, words: str, kind: str = "b") -> None:
        """A circle with a word in it."""
        self.parts.append(f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{r:g}"/>')
        self.text(x, y + 5, words, kind="n")

    def svg(self) -> str:
        """The whole."""
        head = (
            f'<marker id="{self.name}-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path class="h" d="M0 0 L8 4 L0 8 z"/></marker>'
            f'<marker id="{self.name}-start" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path class="h" d="M8 0 L0 4 L8 8 z"/></marker>'
        )
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.title)}">\n<defs>{head}</defs>\n{body}\n</svg>\n'
        )


def ready_loop() -> Picture:
    """What goes in, what comes out, in which order."""
    p = Picture("ready", 800, 400, "What enters a node, and the four steps that a Ready asks for")
    p.box(20, 30, 170, 44, "tick()", "time passes")
    p.box(20, 96, 170, 44, "step(bytes)", "from a peer")
    p.box(20, 162, 170, 44, "propose(data)", "from a client")
    p.box(20, 228, 170, 44, "read_index(name)", "from a client")
    p.box(270, 70, 150, 162, "Node", "no clock", "no disk", "no network", "no threads", kind="s")
    for y in (52, 118, 184, 250):
        p.arrow((190, y), (268, min(max(y, 90), 212)))
    p.arrow((420, 150), (508, 150))
    p.text(464, 140, "Ready")
    steps = [
        ("1  persist", "hard state, entries, snapshot"),
        ("2  send", "messages"),
        ("3  apply", "snapshot, then entries"),
        ("4  answer", "reads, requests; dropped"),
    ]
    for i, (name, what) in enumerate(steps):
        p.box(512, 24 + i * 68, 260, 50, name, what, kind="s" if i == 0 else "b")
        if i:
            p.arrow((642, 24 + i * 68 - 18), (642, 24 + i * 68 - 2))
    p.arrow((642, 278), (642, 340), (345, 340), (345, 234))
    p.text(494, 332, "5  advance()")
    p.text(494, 362, "and again while has_ready() is true")
    return p


def flow() -> Picture:
    """Probe, replicate, snapshot."""
    p = Picture("flow", 800, 380, "How a leader sends to a follower: probe, replicate, snapshot")
    p.box(60, 70, 210, 84, "Probe", "one append at a time,", "then wait for the answer", kind="s")
    p.box(530, 70, 210, 84, "Replicate", "appends one after another,", "up to max_inflight_msgs", kind="s")
    p.box(295, 270, 210, 84, "Snapshot", "nothing is sent until", "it has arrived", kind="s")
    p.arrow((270, 92), (528, 92))
    p.text(400, 84, "accepted: the logs agree")
    p.arrow((530, 132), (272, 132))
    p.text(400, 124, "rejected, or")
    p.text(400, 150, "report_unreachable()")
    p.arrow((120, 154), (120, 312), (293, 312))
    p.text(130, 220, "what it needs next", anchor="start")
    p.text(130, 238, "is compacted", anchor="start")
    p.arrow((400, 270), (400, 206), (230, 206), (230, 156))
    p.text(410, 226, "report_snapshot(),", anchor="start")
    p.text(410, 244, "finished or failed", anchor="start")
    p.arrow((505, 312), (680, 312), (680, 156))
    p.text(520, 334, "acknowledged an index of the log", anchor="start")
    p.text(20, 30, "a new leader begins here", anchor="start")
    p.arrow((90, 38), (90, 68))
    return p


def membership() -> Picture:
    """Simple and joint changes."""
    p = Picture("membership", 800, 420, "A change of one member, and a joint change of several")
    p.text(20, 28, "One step: any two majorities have a member in common", anchor="start", kind="n")
    p.box(20, 50, 200, 54, "{1, 2, 3}", "majority: 2 of 3")
    p.box(300, 50, 200, 54, "{1, 2, 3} learner 4", "4 has no vote yet", kind="s")
    p.box(580, 50, 200, 54, "{1, 2, 3, 4}", "majority: 3 of 4")
    p.arrow((220, 77), (298, 77))
    p.text(259, 120, "add learner")
    p.arrow((500, 77), (578, 77))
    p.text(539, 120, "add node")
    p.line(20, 150, 780, 150, kind="d")
    p.text(20, 186, "Several steps: through a joint configuration", anchor="start", kind="n")
    p.box(20, 214, 200, 54, "{1, 2, 3}", "old")
    p.box(290, 206, 220, 70, "{1, 3, 4} and {1, 2, 3}", "both majorities have to", "agree, on everything", kind="s")
    p.box(580, 214, 200, 54, "{1, 3, 4}", "new")
    p.arrow((220, 241), (288, 241))
    p.arrow((510, 241), (578, 241))
    p.text(254, 300, "add 4, remove 2")
    p.text(545, 300, "leave: by itself (implicit),")
    p.text(545, 318, "or proposed by you (explicit)")
    p.box(20, 348, 170, 48, "propose", "at any member")
    p.box(218, 348, 170, 48, "committed", "in committed_entries")
    p.box(416, 348, 170, 48, "apply_conf_change", "takes effect here", kind="s")
    p.box(614, 348, 166, 48, "make a snapshot", "that names the new")
    p.arrow((190, 372), (216, 372))
    p.arrow((388, 372), (414, 372))
    p.arrow((586, 372), (612, 372))
    return p


def sequence(p: Picture, names: list[tuple[float, str]], bottom: float) -> None:
    """The life lines of a sequence."""
    for x, name in names:
        p.box(x - 75, 16, 150, 34, name)
        p.line(x, 50, x, bottom, kind="d")


def read_index() -> Picture:
    """A read at a follower."""
    p = Picture("read-index", 800, 440, "A linearizable read at a follower")
    sequence(p, [(95, "client"), (300, "follower"), (505, "leader"), (705, "the others")], 425)
    p.arrow((95, 80), (298, 80))
    p.text(197, 72, "read x")
    p.arrow((300, 112), (503, 112))
    p.text(402, 104, "MsgReadIndex")
    p.text(512, 142, "notes its commit: 7", anchor="start")
    p.arrow((505, 168), (703, 168))
    p.text(605, 160, "heartbeat")
    p.arrow((705, 204), (507, 204))
    p.text(605, 196, "a majority answers")
    p.text(512, 232, "so it still leads", anchor="start")
    p.arrow((505, 262), (302, 262))
    p.text(402, 254, "MsgReadIndexResp: 7")
    p.text(310, 296, "Ready.read_states: 7", anchor="start")
    p.box(220, 312, 240, 52, "wait until applied >= 7", "then read the state machine", kind="s")
    p.arrow((300, 396), (97, 396))
    p.text(197, 388, "x = 1")
    return p


def snapshots() -> Picture:
    """What a snapshot stands for."""
    p = Picture("snapshots", 800, 330, "A snapshot replaces the log up to its index")
    p.text(20, 30, "The leader's log", anchor="start", kind="n")
    p.box(20, 48, 240, 44, "snapshot of index 1000", "members and your data", kind="s")
    for i in range(9):
        kind = "b" if i < 6 else "g"
        p.box(270 + i * 54, 48, 48, 44, str(1001 + i), kind=kind)
    p.line(264, 36, 264, 104, kind="d")
    p.text(432, 116, "committed and applied")
    p.text(672, 116, "not yet committed")
    p.text(20, 160, "A follower that is at 990: what it needs next is compacted", anchor="start", kind="n")
    p.box(20, 180, 220, 46, "MsgSnap 1000", "to the follower", kind="s")
    p.box(290, 180, 220, 46, "Ready.snapshot", "persist, then restore from it")
    p.box(560, 180, 220, 46, "1001, 1002, ..", "by appends again")
    p.arrow((240, 203), (288, 203))
    p.arrow((510, 203), (558, 203))
    p.text(
        20,
        270,
        "create_snapshot(index, members, data) writes one; compact(first_index) then drops entries.",
        anchor="start",
    )
    p.text(20, 294, "Leave some entries before the snapshot, for followers that lag a little.", anchor="start")
    return p


def requests() -> Picture:
    """The core asks, it never calls."""
    p = Picture("requests", 800, 320, "The core asks for stored entries and snapshots in its Ready")
    sequence(p, [(150, "node"), (420, "your loop"), (680, "your storage")], 305)
    p.arrow((150, 84), (418, 84))
    p.text(285, 76, "Ready.reads: id 5, [10, 20)")
    p.arrow((420, 118), (678, 118))
    p.text(550, 110, "read, on any thread")
    p.box(20, 132, 250, 56, "goes on meanwhile", "ticks, messages, proposals", kind="s")
    p.arrow((680, 204), (422, 204))
    p.text(550, 196, "entries, or an error")
    p.arrow((420, 236), (152, 236))
    p.text(285, 228, "provide_entries(5, ..)")
    p.arrow((420, 282), (152, 282))
    p.text(285, 274, "or read_failed(5, COMPACTED)")
    return p


def transfer() -> Picture:
    """Leadership from 1 to 2."""
    p = Picture("transfer", 800, 370, "Leadership passes from node 1 to node 2")
    sequence(p, [(150, "1: leader"), (420, "2: follower"), (680, "3: follower")], 355)
    p.text(158, 80, "transfer_leader(2)", anchor="start")
    p.text(158, 98, "takes no more proposals", anchor="start")
    p.arrow((150, 126), (418, 126))
    p.text(285, 118, "the entries that it lacks")
    p.arrow((420, 160), (152, 160))
    p.text(285, 152, "has them all")
    p.arrow((150, 194), (418, 194))
    p.text(285, 186, "MsgTimeoutNow")
    p.text(428, 214, "campaigns at once", anchor="start")
    p.arrow((420, 244), (152, 244), both=False)
    p.text(285, 236, "MsgVote, a new term")
    p.arrow((420, 244), (678, 244))
    p.arrow((680, 280), (422, 280))
    p.text(550, 272, "vote")
    p.box(330, 304, 180, 40, "2: leader", kind="s")
    p.text(142, 300, "follows", anchor="end")
    return p


def groups() -> Picture:
    """Time that nobody looks at."""
    p = Picture("groups", 800, 330, "A group at rest is touched when its deadline has come")
    p.text(20, 30, "Ticked one by one", anchor="start", kind="n")
    for i in range(20):
        p.arrow((40 + i * 37, 52), (40 + i * 37, 82))
    p.line(20, 84, 780, 84)
    p.text(20, 140, "Left alone until next_deadline(), then made up for", anchor="start", kind="n")
    p.line(20, 214, 780, 214)
    for x, label in ((77, "tick_many(2)"), (299, "tick_many(6)"), (521, "tick_many(6)"), (743, "")):
        p.arrow((x, 178), (x, 212), kind="a")
        if label:
            p.text(x, 170, label)
    p.text(299, 236, "heartbeats go out")
    p.text(521, 236, "heartbeats go out")
    p.text(
        20,
        280,
        "A message or a proposal for the group: first tick_many() for the time that has passed, then",
        anchor="start",
    )
    p.text(20, 300, "step() or propose(), for leases and timeouts count from there.", anchor="start")
    return p


def async_writes() -> Picture:
    """Work for the disk and for the state machine as messages."""
    p = Picture("async", 800, 330, "Asynchronous storage writes: work as messages, and their responses")
    p.box(30, 110, 170, 70, "Node", "ready()", "step()", kind="s")
    p.box(330, 40, 210, 60, "append worker", "write in order, then sync")
    p.box(330, 200, 210, 60, "apply worker", "the state machine")
    p.box(640, 110, 130, 60, "peers")
    p.arrow((200, 124), (328, 74))
    p.text(150, 66, "MsgStorageAppend", anchor="start")
    p.arrow((200, 168), (328, 222))
    p.text(150, 226, "MsgStorageApply", anchor="start")
    p.arrow((540, 66), (660, 108))
    p.text(612, 66, "its responses", anchor="start")
    p.arrow((435, 100), (435, 140), (202, 140))
    p.arrow((435, 200), (435, 154), (202, 154))
    p.text(446, 152, "responses to itself", anchor="start")
    p.text(
        30,
        296,
        "What has to wait for the disk (votes, acknowledgements) is attached to the work, and goes out",
        anchor="start",
    )
    p.text(30, 314, "when that is done. All else goes out at once.", anchor="start")
    return p


PICTURES = (
    ready_loop,
    flow,
    membership,
    read_index,
    snapshots,
    requests,
    transfer,
    groups,
    async_writes,
)


def main() -> None:
    """Draws or compares, as the arguments say."""
    if sys.argv[1:] not in ([], ["--write"]):
        sys.exit(__doc__)
    stale = []
    for draw in PICTURES:
        picture = draw()
        path = PLACE / f"{picture.name}.svg"
        if sys.argv[1:] == ["--write"]:
            path.write_text(picture.svg(), encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture.svg():
            stale.append(path.name)
    if stale:
        sys.exit(f"docs/pictures differs from docs/tools/pictures.py, which writes it with --write: {', '.join(stale)}")


if __name__ == "__main__":
    main()
