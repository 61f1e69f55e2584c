"""The key-value example under load: three nodes on this machine, as processes, and clients over loopback.

    bench.py kv [--only Go,mixed] [--clients 1,16,256] [--seconds S]
    bench.py kv --profile Go        where its leader spends its time: target/bench/kv-Go.txt (needs perf)

For each language, and mixed (a node of each): acknowledged writes a second, their median and 99th
percentile, and what they have cost: processor time of the servers, and of that the part inside of the
system, and bytes that went to the disk. Once with the data on the disk and once in memory (a tmpfs): the
difference is what the disk takes. Whatever is started is ended, and every phase is bounded.
"""

from __future__ import annotations

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contestants import HERE, JSON, OUT, ROOT

sys.path.insert(0, str(ROOT / "examples" / "kv" / "demo"))

from cluster import Cluster, Node, Program, built_programs

CLUSTERS = {
    "C++": ("cpp", "cpp", "cpp"),
    "Go": ("go", "go", "go"),
    "Python": ("python", "python", "python"),
    "mixed": ("cpp", "go", "python"),
}
CLIENTS = (1, 16, 256)
MEMORY = Path("/dev/shm")


def build() -> None:
    """The program that makes the load. The servers are made by `make servers`."""
    command = ["go", "build", "-o", str(OUT / "bin" / "bench-kvload"), "./kvload"]
    subprocess.run(command, cwd=HERE / "go", check=True)


def there(only: Sequence[str]) -> list[str]:
    """The clusters, all or only these, whose servers have been built."""
    programs = built_programs()
    names = []
    for name, languages in CLUSTERS.items():
        if only and name not in only:
            continue
        if absent := {language for language in languages if language not in programs}:
            print(f"without {name}: no server in {', '.join(sorted(absent))} has been built")
            continue
        names.append(name)
    return names


def run(name: str, clients: Sequence[int], seconds: float) -> JSON:
    """A cluster with all numbers of clients, on disk and in memory."""
    (OUT / "bin").mkdir(parents=True, exist_ok=True)
    build()
    programs = built_programs()
    report: JSON = {}
    places = {"disk": OUT, "memory": MEMORY} if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else {"disk": OUT}
    for place, directory in places.items():
        for count in clients:
            figures = measure([programs[language] for language in CLUSTERS[name]], directory, count, seconds)
            report.setdefault(place, {})[str(count)] = figures
            print(f"{name:<7} {place:<7} {count:>4} clients: {describe(figures)}", flush=True)
    return report


def measure(programs: Sequence[Program], directory: Path, clients: int, seconds: float) -> JSON:
    """A fresh cluster, and clients that write as fast as it answers."""
    with tempfile.TemporaryDirectory(prefix="libraft-kv-", dir=directory) as data:
        with Cluster(Path(data), programs, seed=1) as cluster:
            cluster.start()
            leader = cluster.wait_leader()
            nodes = list(cluster.nodes.values())
            before = [usage(node) for node in nodes]
            servers = ",".join(node.address for node in nodes)
            command = [str(OUT / "bin" / "bench-kvload"), "-servers", servers]
            command += ["-clients", str(clients), "-seconds", str(seconds)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 4 * seconds, check=False)
            if done.returncode != 0:
                raise SystemExit(f"{' '.join(command)}: {done.stderr}\n{cluster.describe()}")
            figures: JSON = json.loads(done.stdout)
            # The unmeasured tenth of the time counts here, and in the writes that it is divided by.
            writes = max(figures["writes"] * 1.1, 1)
            figures["leader"] = leader.program.title
            figures["nodes"] = [
                {
                    "language": node.program.title,
                    "cpu_us_per_write": (after[0] + after[1] - was[0] - was[1]) / writes * 1e6,
                    "system_us_per_write": (after[1] - was[1]) / writes * 1e6,
                    "bytes_per_write": (after[2] - was[2]) / writes,
                }
                for node, was, after in zip(nodes, before, map(usage, nodes), strict=True)
            ]
            cluster.wait_equal(nodes)
            return figures


def usage(node: Node) -> tuple[float, float, int]:
    """Seconds of processor time, outside and inside of the system, and bytes written to disks."""
    assert node.process is not None
    process = Path("/proc") / str(node.process.pid)
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    io = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
    return int(fields[11]) / tick, int(fields[12]) / tick, int(io["write_bytes"])


def describe(figures: JSON) -> str:
    cpu = sum(node["cpu_us_per_write"] for node in figures["nodes"])
    system = sum(node["system_us_per_write"] for node in figures["nodes"])
    busy = cpu * figures["writes_per_second"] / 1e6
    return (
        f"{figures['writes_per_second']:>8,.0f} writes/s, "
        f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms, "
        f"{cpu:.0f} µs of processor a write ({system:.0f} in the system), {busy:.1f} cores busy, "
        f"{figures['nodes'][0]['bytes_per_write']:,.0f} bytes to disk a node"
    )


def table(report: JSON) -> str:
    """In Markdown: a row for each cluster and number of clients."""
    columns = ("cluster", "clients", "writes/s", "p50 ms", "p99 ms", "µs of processor a write", "cores busy")
    lines = ["| " + " | ".join((*columns, "the same in memory: writes/s")) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    for name, places in report.items():
        for count, figures in places["disk"].items():
            cpu = sum(node["cpu_us_per_write"] for node in figures["nodes"])
            rate = figures["writes_per_second"]
            cells = [name, count, f"{rate:,.0f}", f"{figures['p50_ms']:.1f}", f"{figures['p99_ms']:.1f}"]
            cells += [f"{cpu:,.0f}", f"{cpu * rate / 1e6:.1f}"]
            memory = places.get("memory", {}).get(count)
            cells.append(f"{memory['writes_per_second']:,.0f}" if memory else "")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def profile(name: str, clients: int, seconds: float) -> Path:
    """Where the leader of a cluster spends its time: its functions, dearest first, by perf."""
    if not shutil.which("perf"):
        raise SystemExit("this needs perf")
    build()
    programs = built_programs()
    target = OUT / f"kv-{name}.txt"
    with tempfile.TemporaryDirectory(prefix="libraft-kv-", dir=OUT) as data:
        with Cluster(Path(data), [programs[language] for language in CLUSTERS[name]], seed=1) as cluster:
            cluster.start()
            leader = cluster.wait_leader()
            assert leader.process is not None
            servers = ",".join(node.address for node in cluster.nodes.values())
            load = [str(OUT / "bin" / "bench-kvload"), "-servers", servers, "-clients", str(clients)]
            with subprocess.Popen([*load, "-seconds", str(seconds)], stdout=subprocess.DEVNULL) as clients_process:
                record = ["perf", "record", "--quiet", "-e", "cpu-clock", "-g", "-p", str(leader.process.pid)]
                data_file = Path(data) / "perf.data"
                subprocess.run([*record, "-o", str(data_file), "--", "sleep", str(seconds)], check=True)
                clients_process.wait(timeout=60)
            command = ["perf", "report", "-i", str(data_file), "--no-children", "-g", "none", "--percent-limit", "0"]
            listing = subprocess.check_output([*command, "--stdio"], text=True, stderr=subprocess.DEVNULL)
    shares = whose(listing)
    print(f"{name}, the leader: " + ", ".join(f"{share:.0f}% {owner}" for owner, share in shares.items()))
    target.write_text(listing)
    return target


# Whose a function is, by its name or by the library that it is in; the first that fits.
OWNERS = {
    "the system": r"\[k\]",
    "the storage engine": r"redb",
    "the core": r"libraft_core|raft::(log|raft|node|codec|tracker)",
    "the C interface, storage and binding": r"libraft|raft_|\braft::|go/raft",
    "the C library": r"libc\.so|libstdc",
    "the interpreter": r"libpython|python3",
}


def whose(listing: str) -> dict[str, float]:
    """The percentages of `perf report`, added up by owner."""
    shares: dict[str, float] = collections.defaultdict(float)
    for line in listing.splitlines():
        found = re.match(r"\s+([\d.]+)%\s+(.*)", line)
        if found:
            owners = (owner for owner, pattern in OWNERS.items() if re.search(pattern, found[2]))
            shares[next(owners, "the server itself, and what else it links")] += float(found[1])
    return dict(sorted(shares.items(), key=lambda share: -share[1]))
