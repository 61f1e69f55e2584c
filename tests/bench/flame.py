"""Flame graphs: from perf's samples where perf is permitted, from callgrind's counts where it is not.

callgrind keeps costs apart by the functions that led there (--separate-callers), which is a stack for each
cost, in instructions instead of time. It needs no privilege, and is the same picture each time.
"""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
import tempfile
import zlib
from html import escape
from pathlib import Path
from typing import Any

import charts
from contestants import OUT, Contestant

Stacks = collections.Counter[tuple[str, ...]]

DEPTH = 24
WIDTH, ROW = 1200, 17
# The function around what is measured; what is outside of it is left out of the picture.
MEASURED = "bench_measured"


def draw(contestant: Contestant, workload: str, tool: str, prefix: list[str]) -> str:
    """The picture, as SVG, of a workload on one contestant; `tool` is perf, callgrind or auto."""
    if tool == "auto":
        tool = "perf" if perf_is_permitted() else "callgrind"
    if tool == "perf":
        stacks = measured_part(of_perf(contestant, workload, prefix))
        unit = "samples of time (perf)"
    else:
        stacks = measured_part(of_callgrind(contestant, workload))
        unit = "instructions (callgrind)"
    if not stacks:
        raise SystemExit(f"{tool} has seen nothing of {workload} on {contestant.name}")
    return picture(stacks, f"{workload}, {contestant.name}", unit)


def perf_is_permitted() -> bool:
    if not shutil.which("perf"):
        return False
    with tempfile.NamedTemporaryFile() as file:
        done = subprocess.run(
            ["perf", "record", "-e", "cpu-clock", "-o", file.name, "--", "true"], capture_output=True, check=False
        )
    return done.returncode == 0


def of_perf(contestant: Contestant, workload: str, prefix: list[str]) -> Stacks:
    with tempfile.TemporaryDirectory(dir=OUT) as directory:
        data = Path(directory) / "perf.data"
        record = ["perf", "record", "--quiet", "-e", "cpu-clock", "-F", "1999", "--call-graph", "dwarf,16384"]
        command = [*prefix, *contestant.command(workload), "--seconds", "2"]
        subprocess.run([*record, "-o", str(data), "--", *command], check=True, stdout=subprocess.DEVNULL)
        script = ["perf", "script", "-i", str(data), "-F", "ip,sym", "--no-inline"]
        return folded_script(subprocess.check_output(script, text=True, stderr=subprocess.DEVNULL))


def folded_script(script: str) -> Stacks:
    """The output of `perf script`: a stack for each sample, innermost function first."""
    stacks: Stacks = collections.Counter()
    for sample in script.split("\n\n"):
        frames = [line.split(None, 1)[1] for line in sample.splitlines() if len(line.split(None, 1)) == 2]
        if frames:
            stacks[tuple(reversed(frames))] += 1
    return stacks


def of_callgrind(contestant: Contestant, workload: str) -> Stacks:
    with tempfile.TemporaryDirectory(dir=OUT) as directory:
        trace = Path(directory) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--toggle-collect=*{MEASURED}*", f"--separate-callers={DEPTH}"]
        command += [f"--callgrind-out-file={trace}", *contestant.command(workload), "--ops", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
        return folded_callgrind(trace.read_text())


def folded_callgrind(trace: str) -> Stacks:
    """callgrind's own format. A function is named with those that led to it, nearest first."""
    stacks: Stacks = collections.Counter()
    names: dict[str, str] = {}
    function, called = "", False
    for line in trace.splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, _, name = line.partition("=")[2].partition(" ")
            # A name is written out once, and meant by its number from then on.
            name = names.setdefault(number, name)
            function = name if line.startswith("fn=") else function
        elif line.startswith("calls="):
            called = True
        elif line[:1] in "0123456789+-*" and line:
            cost = line.split()
            # The line after calls= is what the callee has cost, which stands under its own name too.
            if not called and len(cost) > 1:
                stacks[tuple(reversed(function.split("'")))] += int(cost[1])
            called = False
    return stacks


def measured_part(stacks: Stacks) -> Stacks:
    """What is inside of the measured function, if the program has it."""
    inside: Stacks = collections.Counter()
    for frames, cost in stacks.items():
        places = [place for place, frame in enumerate(frames) if MEASURED in frame]
        if places:
            inside[frames[places[0] + 1 :] or ("(measured)",)] += cost
    return inside or stacks


def picture(stacks: Stacks, title: str, unit: str) -> str:
    """The stacks as rectangles, callers above the functions that they call."""
    tree: dict[str, Any] = {"cost": 0, "children": {}}
    for frames, cost in stacks.items():
        node = tree
        node["cost"] += cost
        for frame in frames:
            node = node["children"].setdefault(short(frame), {"cost": 0, "children": {}})
            node["cost"] += cost
    body: list[str] = []
    depth = rectangles(tree, tree["cost"], 0.0, 0, body)
    caption = f"{title}: {tree['cost']:,} {unit}; the wider, the dearer; point at a box for its share"
    return charts.svg(WIDTH, 50 + (depth + 1) * ROW, [charts.text(10, 20, caption), *body])


def rectangles(node: dict[str, Any], total: int, x: float, depth: int, body: list[str]) -> int:
    """Draws the children of a node; gives the deepest row that has any."""
    deepest = depth
    for name, child in sorted(node["children"].items()):
        width = child["cost"] / total * WIDTH
        if width >= 1:
            colour = f"hsl({20 + zlib.crc32(name.encode()) % 40}, 80%, 65%)"
            label = escape(f"{name}: {child['cost'] / total:.1%}, {child['cost']:,}")
            y = 30 + depth * ROW
            body.append(
                f'<g><title>{label}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" '
                f'height="{ROW - 1}" fill="{colour}"/>'
            )
            room = int(width / 7)
            shown = brief(name)[:room]
            body.append(charts.text(x + 2, y + 12, shown) + "</g>")
            deepest = max(deepest, rectangles(child, total, x, depth + 1, body))
        x += width
    return deepest


def brief(name: str) -> str:
    """As it is written into a box: without modules."""
    return re.sub(r"\b[a-z0-9_]+::(?=[A-Za-z_<{])", "", name)


def short(name: str) -> str:
    """Without what distinguishes symbols that a reader takes for the same."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    return re.sub(r"\+0x[0-9a-f]+$", "", name)
