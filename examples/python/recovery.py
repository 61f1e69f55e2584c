"""A counter on disk: it survives a crash, and a snapshot keeps its log short.

python recovery.py DIRECTORY    adds to the counter that is in the directory, each time it is run
"""

import os
import sys
from pathlib import Path

from libraft import Config, DurableStorage, RawNode


class Counter:
    """A state machine: a number, and up to where the log is applied to it."""

    def __init__(self, directory: Path) -> None:
        self.storage = DurableStorage(directory)
        if self.storage.is_fresh():
            self.storage.bootstrap([1], data=b"0")  # What every first member begins with.
        report = self.storage.recovery_report()
        print("the last run", "ended without closing it" if report.crashed else "was closed")
        # The newest snapshot, and then the entries after it, which the node hands out as committed.
        snapshot = self.storage.snapshot()
        self.total, self.applied = int(snapshot.data), snapshot.index
        self.node = RawNode(Config(id=1), self.storage)
        self.node.campaign()
        self.work()
        print("recovered", self.total, "from a snapshot of", snapshot.index, "and the log up to", self.applied)

    def work(self) -> None:
        while self.node.has_ready():
            ready = self.node.ready()
            self.storage.save(ready)  # On disk when this returns.
            for entry in ready.committed_entries:
                self.total += int(entry.data or b"0")
                self.applied = entry.index
            self.node.advance()

    def snapshot(self) -> None:
        self.storage.create_snapshot(self.applied, b"%d" % self.total)
        self.storage.compact(self.applied)  # Keeps one entry, so that a follower a little behind needs no snapshot.


counter = Counter(Path(sys.argv[1]))
for number in range(1, 6):
    counter.node.propose(b"%d" % number)
    counter.work()
    if number == 3:
        counter.snapshot()
print("counted to", counter.total, flush=True)
os._exit(0)  # As sudden as a crash: nothing is closed.
