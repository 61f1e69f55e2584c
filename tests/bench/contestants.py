"""Who takes part in the comparison, in which workloads, and which ratios are asked for.

Names only: what a workload does is in ../harness and its counterparts, how the programs are made is in
building.py.
"""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "target" / "bench"

JSON = dict[str, Any]


# The workloads that are about replication, by how their names begin.
REPLICATION = ("rep", "single")
TIME = ("tick", "rest")


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A library in one configuration."""

    name: str
    program: tuple[str, ...]
    best: bool = False
    # How the names of the workloads begin that it runs; None for all but rest_.
    kinds: tuple[str, ...] | None = None

    def runs(self, workload: str) -> bool:
        return not workload.startswith("rest") if self.kinds is None else workload.startswith(self.kinds)

    def command(self, workload: str) -> list[str]:
        return [*self.program, workload, *(["--best"] if self.best else [])]

    def is_there(self) -> bool:
        """Whether it was built, or what it needs is installed."""
        if self.name.startswith("PySyncObj"):
            command = [self.program[0], "-c", "import pysyncobj"]
            return Path(command[0]).exists() and subprocess.run(command, capture_output=True).returncode == 0
        return Path(self.program[0]).exists()


def both(name: str, program: tuple[str, ...], kinds: tuple[str, ...] | None = None) -> list[Contestant]:
    """A library's two configurations: the default one, and the best one."""
    return [Contestant(name, program, kinds=kinds), Contestant(f"{name} best", program, best=True, kinds=kinds)]


def program(name: str) -> tuple[str, ...]:
    return (str(OUT / "bin" / name),)


def script(*arguments: str) -> tuple[str, ...]:
    return (str(ROOT / ".venv" / "bin" / "python"), str(HERE / "python" / arguments[0]), *arguments[1:])


CONTESTANTS = [
    *both("rust", program("bench-libraft")),
    *both("c", program("bench-c"), (*REPLICATION, *TIME)),
    *both("c++", program("bench-cpp"), REPLICATION),
    *both("go", program("bench-go"), REPLICATION),
    *both("python", script("bench.py"), (*REPLICATION, *TIME)),
    *both("raft-rs", program("bench-raft-rs")),
    *both("raft-rs pb", program("bench-raft-rs-pb")),
    *both("etcd 3.6", program("bench-etcd-3.6")),
    *both("etcd 3.7", program("bench-etcd-3.7")),
    *both("canonical", program("bench-canonical"), ("rep",)),
    *both("python tcp", script("loopback.py", "libraft"), ("rep3",)),
    *both("PySyncObj", script("loopback.py", "pysyncobj"), ("rep3",)),
]
# What people of other languages would take, and what of ours it is compared with. canonical/raft's messages
# are values, as those of the crate; a program in C that uses ours pays for bytes.
CHOICES = {"canonical": ("c", "rust"), "PySyncObj": ("python tcp",)}
# One library with two codecs: what is compared with it is compared with the faster one.
CODECS = {"raft-rs": "raft-rs pb", "raft-rs best": "raft-rs pb best"}


def faster_codec(figures: JSON, peer: str) -> str:
    """raft-rs with the codec that has taken less time, of any other peer the peer."""
    other = CODECS.get(peer, peer)
    there = [name for name in (peer, other) if name in figures]
    return min(there, key=lambda name: float(figures[name]["ns"]), default=peer)


OURS = ("rust", "c", "c++", "go", "python")
PEERS = ("raft-rs", "etcd 3.6", "etcd 3.7")

WORKLOADS = [
    "single_b1_16",
    "rep3_b1_16",
    "rep3_b64_16",
    "rep3_b64_1k",
    "rep3_b16_64k",
    "rep5_b1_16",
    "rep7_b64_256",
    "readindex_b1",
    "readindex_b64",
    "idle_10k",
    "tick_10k",
    "rest_10k",
    "election_3",
    "election_5",
    "election_7",
    "catchup_100k",
    "joint_5to5",
]


@dataclasses.dataclass(frozen=True)
class Growth:
    """How cost grows with one thing: a diagram."""

    title: str
    x: str
    y: str
    # By what the number on the x axis is.
    workloads: dict[int, str]


GROWTH = {
    "log": Growth(
        "Log length: rep3_b64_16 on a log that is not compacted",
        "entries in the log",
        "ns for each proposal",
        {1_000: "log_1k", 10_000: "log_10k", 100_000: "log_100k", 1_000_000: "log_1m", 10_000_000: "log_10m"},
    ),
    # An operation serves as many followers as there are, less one, and is divided by that.
    "group": Growth(
        "Voters: batches of 64 proposals of 16 bytes",
        "voters in the group",
        "ns for each proposal and follower",
        {n: f"group_{n}" for n in (3, 5, 7, 11, 15, 17, 31, 51, 101)},
    ),
    "groups": Growth(
        "Groups of three nodes in one thread, idle",
        "groups",
        "ns for a heartbeat round of a group",
        {10**n: f"idle_{10**n}" for n in range(5)},
    ),
    "payload": Growth(
        "Payload: three nodes, batches of 16",
        "bytes of payload",
        "ns for each proposal",
        {
            16: "rep3_b16_16",
            256: "rep3_b16_256",
            1024: "rep3_b16_1k",
            4096: "rep3_b16_4k",
            16384: "rep3_b16_16k",
            65536: "rep3_b16_64k",
        },
    ),
}
GROWTH_CONTESTANTS = ("rust", "raft-rs", "etcd 3.6", "etcd 3.7")
# A log of ten million entries in three storages takes the peers gigabytes and minutes.
TOO_LARGE_FOR_PEERS = {"log_10m"}

# The time of a peer divided by ours, at least: default against default, best against best.
TARGETS: dict[tuple[str, str], dict[str, float]] = {
    ("single_b1_16", "rust"): {"raft-rs": 4, "raft-rs best": 4, "etcd 3.6": 10, "etcd 3.7": 20},
    ("rep3_b1_16", "rust"): {"raft-rs": 5, "raft-rs best": 5, "etcd 3.6": 10, "etcd 3.7": 14},
    ("rep3_b64_16", "rust"): {"raft-rs": 6, "raft-rs best": 1.7, "etcd 3.6": 18, "etcd 3.7": 20},
    ("rep3_b64_1k", "rust"): {"raft-rs": 4, "raft-rs best": 1.7, "etcd 3.6": 10, "etcd 3.7": 15},
    ("rep5_b1_16", "rust"): {"raft-rs": 5, "raft-rs best": 5, "etcd 3.6": 10, "etcd 3.7": 14},
    ("idle_10k", "rust"): {"raft-rs": 4, "raft-rs best": 4, "etcd 3.6": 6, "etcd 3.7": 8},
    ("rep3_b1_16", "c"): {"raft-rs": 2, "raft-rs best": 2, "etcd 3.6": 3.5, "etcd 3.7": 5},
    ("rep3_b64_16", "c"): {"raft-rs": 3, "raft-rs best": 1, "etcd 3.6": 9, "etcd 3.7": 10},
    ("rep3_b1_16", "go"): {"etcd 3.6": 1.5, "etcd 3.7": 2.5},
    ("rep3_b64_16", "go"): {"etcd 3.6": 2, "etcd 3.7": 2.5},
    ("rep3_b64_16", "python"): {"etcd 3.6": 1, "etcd 3.7": 1},
}
