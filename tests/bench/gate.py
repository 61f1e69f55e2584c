"""Our instructions and allocations against baseline.json.

Both repeat exactly, in another directory, under another user and on another processor. What could make
them differ is shut out: valgrind shows the program a processor with features that depend on the real one,
so the C library is told to use none of those that choose among its copies of memcpy; the environment,
whose size moves the stack, is a fixed one; seeds are fixed in the programs. Compilers and C libraries do
differ, so that a baseline names the tools it was made with; under others, instructions are held to a
wider limit and allocations to the same.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from building import build
from contestants import CONTESTANTS, HERE, JSON, OUT, Contestant

BASELINE = HERE / "baseline.json"

# Few enough for valgrind, enough for what is rare to come up.
WORKLOADS: dict[tuple[str, str], int] = {
    ("joint_5to5", "rust"): 20,
    ("election_5", "rust"): 300,
    ("idle_1k", "rust"): 5_000,
    ("rep3_b1_16", "c"): 5_000,
    ("rep3_b64_16", "c"): 64_000,
    ("rep5_b1_16", "rust"): 5_000,
    ("rep3_b64_16", "rust"): 64_000,
    ("rep3_b64_16", "rust best"): 64_000,
    ("readindex_b64", "rust"): 20_000,
    ("rep3_b1_16", "rust"): 5_000,
    ("readindex_b1", "rust"): 5_000,
    ("rep3_b64_1k", "rust"): 10_000,
    ("single_b1_16", "rust"): 5_000,
    ("tick_1k", "rust"): 50_000,
    ("tick_1k", "c"): 50_000,
    ("tick_1k", "c best"): 50_000,
    ("rest_1k", "c"): 50_000,
    ("rest_1k", "c best"): 50_000,
}
# How much more than the baseline is allowed: with its tools, and of instructions with others.
LIMIT = 1.02
LIMIT_OF_OTHER_TOOLS = 1.25
# Less than this is rounding.
GRAIN = 0.005

# What is asked for besides, at most.
ABSOLUTE: dict[tuple[str, str], float] = {
    ("rep3_b1_16 rust", "allocations"): 5,
    ("rep3_b64_16 rust", "allocations"): 2,
    ("idle_1k rust", "allocations"): 0,
    ("tick_1k rust", "allocations"): 0,
    ("tick_1k rust", "instructions"): 200,
    ("idle_1k rust", "node_bytes"): 1536,
}

# Whatever glibc chooses a variant of a function by, as far as valgrind lets a program see it.
FEATURES = ("AVX2", "AVX", "AVX_Fast_Unaligned_Load", "ERMS", "FSRM", "SSE4_2", "SSE4_1", "SSSE3", "BMI2", "LZCNT")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps="
    + ",".join(f"-{feature}" for feature in FEATURES)
    + ":glibc.cpu.x86_non_temporal_threshold=0xc0000",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of one workload."""

    key: str
    worse: tuple[str, ...]
    better: tuple[str, ...]


def instructions(contestant: Contestant, workload: str, ops: int) -> JSON:
    """Of the measured part alone, in valgrind's processor, which does everything in the same way again."""
    with tempfile.TemporaryDirectory(dir=OUT) as directory:
        trace = Path(directory) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=*bench_measured*"]
        # By its bare name, so that a long path moves nothing either.
        program, *arguments = contestant.command(workload)
        command += [f"--callgrind-out-file={trace}", f"./{Path(program).name}", *arguments, "--ops", str(ops)]
        done = subprocess.run(
            command, cwd=Path(program).parent, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if collected is None:
        raise SystemExit(f"valgrind did not say what it has counted:\n{done.stderr}")
    result = json.loads(done.stdout)
    return {
        "instructions": int(collected[1]) / result["ops"],
        "allocations": result["allocations"] / result["ops"],
        "node_bytes": result["node_bytes"],
    }


def tools() -> dict[str, str]:
    """What the counts depend on besides the sources."""

    def version(*command: str) -> str:
        return subprocess.check_output(command, text=True).splitlines()[0].strip()

    return {
        "rustc": version("rustc", "--version"),
        "cc": version("gcc", "--version"),
        "libc": version("getconf", "GNU_LIBC_VERSION"),
        "valgrind": version("valgrind", "--version"),
    }


def judge(figures: JSON, baseline: JSON, same_tools: bool) -> list[Verdict]:
    """Every figure held against the baseline's; a workload that the baseline lacks is worse."""
    verdicts = []
    for key, figure in figures.items():
        before = baseline.get(key, {})
        worse, better = [], []
        for what, value in figure.items():
            limit = LIMIT if same_tools or what != "instructions" else LIMIT_OF_OTHER_TOOLS
            if value > before.get(what, 0) * limit + GRAIN:
                worse.append(what)
            elif value * limit + GRAIN < before.get(what, 0):
                better.append(what)
        verdicts.append(Verdict(key, tuple(worse), tuple(better)))
    verdicts += [Verdict(key, ("not measured",), ()) for key in baseline if key not in figures]
    return verdicts


def run(bless: bool) -> int:
    """Measures, and fails if anything is worse; or makes what it has measured the baseline."""
    build(peers=False)
    contestants = {contestant.name: contestant for contestant in CONTESTANTS}
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        counts = {
            f"{workload} {name}": pool.submit(instructions, contestants[name], workload, ops)
            for (workload, name), ops in WORKLOADS.items()
        }
        figures = {key: count.result() for key, count in sorted(counts.items())}
    now = tools()
    if bless:
        rounded = {key: {what: round(value, 3) for what, value in figure.items()} for key, figure in figures.items()}
        BASELINE.write_text(json.dumps({"tools": now, "figures": rounded}, indent=1) + "\n")
        print(f"{len(figures)} workloads written to {BASELINE.name}")
        return 0
    baseline = json.loads(BASELINE.read_text())
    same_tools = baseline["tools"] == now
    if not same_tools:
        print(f"the baseline is of {baseline['tools']}, and this is {now}:")
        print(f"instructions may be {LIMIT_OF_OTHER_TOOLS} times as many, allocations {LIMIT} times")
    verdicts = judge(figures, baseline["figures"], same_tools)
    for verdict in verdicts:
        print(line(verdict, figures.get(verdict.key, {}), baseline["figures"].get(verdict.key, {})))
    failed = sum(bool(verdict.worse) for verdict in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    if failed:
        print("if it has to be: make bench-bless, and say in the commit why")
    return 1 if failed else 0


def absolute(figures: JSON) -> list[str]:
    """In Markdown: the baseline's figures beside what is asked for."""
    lines = ["| for each operation | figure | at most | met |", "| --- | ---: | ---: | --- |"]
    for (key, what), most in ABSOLUTE.items():
        figure = figures[key][what]
        met = "yes" if figure <= most + GRAIN else "no"
        lines.append(f"| {key}: {what.replace('_', ' ')} | {figure:,.2f} | {most:,} | {met} |")
    return lines


def line(verdict: Verdict, now: JSON, before: JSON) -> str:
    """A workload's figures with their change."""
    cells = []
    for what in ("instructions", "allocations"):
        new, old = now.get(what, 0), before.get(what, 0)
        change = f"{new / old - 1:+.2%}" if old else f"was {old:g}"
        cells.append(f"{new:>12,.3f} {what} ({change})")
    remark = "worse: " + ", ".join(verdict.worse) if verdict.worse else "ok"
    remark += f" (better: {', '.join(verdict.better)})" if verdict.better else ""
    return f"{verdict.key:<24}{'  '.join(cells)}  {remark}"
