#!/usr/bin/env python3
"""Measures libraft beside its peers, on one pinned core.

    bench.py run [--only W,..] [--rounds N] [--seconds S] [--publish] [--resume]
    bench.py publish [REPORT]    what a run has left in target/bench/report.json
    bench.py gate [--bless]      our instructions and allocations against baseline.json
    bench.py kv [--only CLUSTERS] [--clients 1,16,256] [--seconds S]
    bench.py smoke               every workload on all of ours, a few operations each
    bench.py profile WORKLOAD    a flame graph: target/bench/WORKLOAD.svg

How noise is met: every measurement is a process of its own; the contestants take turns, round after
round, in alternating order; a time is the minimum over all rounds, and a ratio is that of the minima,
beside the median of the rounds' own ratios with its quartiles. Instructions and allocations repeat
exactly, and are what `gate` looks at.

A run writes target/bench/report.json after each part of it, and `--resume` goes on with one that was
interrupted. `publish`, or `run --publish` at its end, writes the table and the picture into README.md and
tests/bench/README.md, and draws a flame graph for each target that is missed.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import charts
import disk
import flame
import gate
import kv
import results
from building import build
from contestants import (
    CHOICES,
    CONTESTANTS,
    GROWTH,
    GROWTH_CONTESTANTS,
    HERE,
    JSON,
    OURS,
    OUT,
    PEERS,
    ROOT,
    TARGETS,
    TOO_LARGE_FOR_PEERS,
    WORKLOADS,
    Contestant,
    faster_codec,
)

PROFILES = HERE / "profiles"
REPORT = OUT / "report.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="measure libraft beside its peers")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--only", default="", help="comma-separated workloads")
    run.add_argument("--contestants", default="", help="comma-separated contestants")
    run.add_argument("--rounds", type=int, default=15)
    run.add_argument("--seconds", type=float, default=0.2, help="for each measurement")
    run.add_argument("--publish", action="store_true", help="write the READMEs")
    run.add_argument("--resume", action="store_true", help="go on with a run that was interrupted, of the same sources")
    publisher = commands.add_parser("publish")
    publisher.add_argument("report", type=Path, nargs="?", default=REPORT)
    publisher.add_argument("--unfinished", action="store_true", help="even if the run was interrupted")
    gate_parser = commands.add_parser("gate")
    gate_parser.add_argument("--bless", action="store_true", help="make this the baseline")
    commands.add_parser("smoke")
    profile = commands.add_parser("profile")
    profile.add_argument("workload")
    profile.add_argument("--contestant", default="rust", help="rust, c, go best, raft-rs, ..")
    profile.add_argument("--tool", choices=("auto", "perf", "callgrind"), default="auto")
    load = commands.add_parser("kv")
    load.add_argument("--only", default="", help=f"comma-separated clusters: {', '.join(kv.CLUSTERS)}")
    load.add_argument("--clients", default=",".join(map(str, kv.CLIENTS)))
    load.add_argument("--seconds", type=float, default=3)
    load.add_argument("--profile", metavar="CLUSTER", choices=kv.CLUSTERS, help="where its leader spends its time")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    match args.command:
        case "run":
            return command_run(args)
        case "publish":
            publish(results.finished(args.report, args.unfinished))
            return 0
        case "gate":
            return gate.run(args.bless)
        case "smoke":
            return command_smoke()
        case "kv":
            return command_kv(args)
        case _:
            return command_profile(args)


# Measuring.


def pinned(command: list[str]) -> list[str]:
    """On the last core that we may use: the first ones have the interrupts."""
    core = max(os.sched_getaffinity(0))
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else command


def measure(contestant: Contestant, workload: str, seconds: float) -> JSON:
    command = [*contestant.command(workload), "--seconds", str(seconds)]
    output = subprocess.check_output(pinned(command), text=True, timeout=600)
    result: JSON = json.loads(output)
    return result


def command_run(args: argparse.Namespace) -> int:
    only = [name for name in args.only.split(",") if name]
    wanted = [name for name in args.contestants.split(",") if name]
    contestants = [c for c in CONTESTANTS if not wanted or c.name in wanted]
    build(peers=not wanted or any(name.startswith((*PEERS, *CHOICES)) for name in wanted))
    for absent in [c for c in contestants if not c.is_there()]:
        print(f"without {absent.name}, which has not been built or installed")
        contestants.remove(absent)

    tools = machine()
    settings = {"sources": results.sources(), "tools": tools, "rounds": args.rounds, "seconds": args.seconds}
    settings |= {"only": only, "contestants": [contestant.name for contestant in contestants]}
    run = results.Results(REPORT, settings, args.resume)
    run.report.setdefault("machine", f"{tools}; {datetime.date.today().isoformat()}")
    for workload in [name for name in only or WORKLOADS if not name.startswith("disk")]:
        field = [c for c in contestants if c.runs(workload)]
        rounds = rounds_of(workload, args.rounds)
        figures = run.part("workloads", workload, functools.partial(race, field, workload, rounds, args.seconds))
        print_workload(workload, figures)
    for workload in [name for name in only or disk.WORKLOADS if name.startswith("disk")]:
        figures = run.part("disk", workload, functools.partial(disk.run, workload, args.rounds, args.seconds))
        print(f"\n{workload}\n  {disk.describe(figures)}", flush=True)
    if not only:
        grow(run, contestants, max(args.rounds // 5, 1), args.seconds)
        for name in kv.there([]):
            run.part("kv", name, functools.partial(kv.run, name, kv.CLIENTS, 3.0))
    run.finish()
    print("\n" + tables(run.report))
    (OUT / "report.svg").write_text(charts.report(run.report, PEERS, TARGETS))
    if args.publish:
        publish(run.report)
    return 0


def rounds_of(workload: str, rounds: int) -> int:
    """A third of the rounds are enough where no ratio is asked for."""
    aimed_at = any(workload == name for name, _ in TARGETS)
    return rounds if aimed_at else max(rounds // 3, 1)


def race(field: list[Contestant], workload: str, rounds: int, seconds: float) -> JSON:
    """The contestants take turns."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in field}
    last: dict[str, JSON] = {}
    field = list(field)
    for number in range(rounds):
        for contestant in field[:: 1 if number % 2 == 0 else -1]:
            try:
                result = measure(contestant, workload, seconds)
            except subprocess.CalledProcessError as error:
                if contestant.name.removesuffix(" best") in (*OURS, "python tcp"):
                    raise
                # A peer that fails says nothing of the others.
                print(f"{workload} without {contestant.name}, which has failed: {error}")
                field.remove(contestant)
                times.pop(contestant.name)
                continue
            times[contestant.name].append(result["ns"] / result["ops"])
            last[contestant.name] = result
    return {
        name: {
            "ns": min(all_ns),
            "rounds": all_ns,
            "allocations": last[name]["allocations"] / last[name]["ops"],
            "node_bytes": last[name]["node_bytes"],
        }
        for name, all_ns in times.items()
    }


def grow(run: results.Results, contestants: list[Contestant], rounds: int, seconds: float) -> None:
    """How cost grows, one size after the other; `growth` makes curves of it."""
    for kind, diagram in GROWTH.items():
        for size, workload in diagram.workloads.items():
            field = [c for c in contestants if c.name in GROWTH_CONTESTANTS]
            if workload in TOO_LARGE_FOR_PEERS:
                field = [c for c in field if c.name in OURS]
            run.part("growing", f"{kind} {size}", functools.partial(race, field, workload, rounds, seconds))
        run.report["growth"] = growth(run.report["growing"])
        print(f"\n{diagram.title}: {diagram.y} by {diagram.x}")
        for name, curve in run.report["growth"].get(kind, {"curves": {}})["curves"].items():
            print(f"  {name:<10}" + "".join(f"  {size}: {ns:.0f}" for size, ns in curve.items()), flush=True)


def growth(growing: JSON) -> JSON:
    """The diagrams of those kinds of which something was measured."""
    result: JSON = {}
    for kind, diagram in GROWTH.items():
        curves: dict[str, dict[int, float]] = {}
        for size in diagram.workloads:
            share = size - 1 if kind == "group" else 1
            for name, figures in growing.get(f"{kind} {size}", {}).items():
                curves.setdefault(name, {})[size] = figures["ns"] / share
        if curves:
            result[kind] = {"title": diagram.title, "x": diagram.x, "y": diagram.y, "curves": curves}
    return result


def machine() -> str:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1] if found else model
    rustc = subprocess.check_output(["rustc", "--version"], text=True).split()[1]
    go = subprocess.check_output(["go", "env", "GOVERSION"], text=True).strip()
    return f"{model}, {os.cpu_count()} cores; rustc {rustc}, {go}, Python {platform.python_version()}"


# Reporting.


def print_workload(workload: str, figures: JSON) -> None:
    print(f"\n{workload}")
    for name, figure in figures.items():
        print(f"  {name:<14} {figure['ns']:>12.0f} ns  {figure['allocations']:>8.2f} allocations", flush=True)


def ratio(figures: JSON, ours: str, peer: str) -> tuple[float, float, float, float]:
    """Of the minima; and the median of the rounds' ratios, with its quartiles."""
    pairs = zip(figures[peer]["rounds"], figures[ours]["rounds"], strict=True)
    ratios = sorted(theirs / our for theirs, our in pairs)
    low, median, high = (ratios * 3)[0:3] if len(ratios) < 2 else statistics.quantiles(ratios, n=4)
    return figures[peer]["ns"] / figures[ours]["ns"], median, low, high


def counterpart(ours: str, figures: JSON, peer: str) -> str:
    """What of ours a peer's configuration is compared with: default with default, best with best."""
    best = f"{ours} best"
    return best if peer.endswith(" best") and best in figures else ours


def aims(report: JSON) -> Iterator[tuple[str, str, str, str, float]]:
    """Each ratio that is asked for and was measured: workload, surface, which of ours, which peer, the target."""
    for (workload, surface), targets in TARGETS.items():
        figures = report["workloads"].get(workload, {})
        for rival, target in targets.items():
            peer = faster_codec(figures, rival)
            ours = counterpart(surface, figures, peer)
            if ours in figures and peer in figures:
                yield workload, surface, ours, peer, target


def tables(report: JSON) -> str:
    """The targets, then all figures, in Markdown."""
    lines = ["| workload | surface | ours | peer | its time | ratio | median (quartiles) | target | met |"]
    lines.append("| --- | --- | ---: | --- | ---: | ---: | --- | ---: | --- |")
    for workload, _, ours, peer, target in aims(report):
        figures = report["workloads"][workload]
        least, median, low, high = ratio(figures, ours, peer)
        met = "yes" if least >= target else "no"
        lines.append(
            f"| {workload} | {ours} | {ns(figures[ours]['ns'])} | {peer} | {ns(figures[peer]['ns'])} "
            f"| {least:.2f} | {median:.2f} ({low:.2f} to {high:.2f}) | {target} | {met} |"
        )
    lines += profiles(report)
    lines += choices(report)
    rare = [*CHOICES, "python tcp"]
    names = [
        c.name
        for c in CONTESTANTS
        if any(c.name in figures for figures in report["workloads"].values())
        and not any(c.name in (name, f"{name} best") for name in rare)
    ]
    lines += ["", "| ns for each operation | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for workload, figures in report["workloads"].items():
        cells = [ns(figures[name]["ns"]) if name in figures else "" for name in names]
        lines.append(f"| {workload} | " + " | ".join(cells) + " |")
    lines += ["", *gate.absolute(json.loads(gate.BASELINE.read_text())["figures"])]
    if report.get("disk"):
        lines += ["", *disk.table(report["disk"])]
    if report.get("kv"):
        lines += ["", kv.table(report["kv"]).rstrip()]
    return "\n".join(lines) + "\n"


def profiles(report: JSON) -> list[str]:
    """Links to the flame graphs that `publish` draws."""
    links = [f"[{name}](profiles/{name}.svg)" for name in map("-".join, missed_targets(report))]
    return ["", "Where the time goes that keeps these from their targets: " + ", ".join(links) + "."] if links else []


def draw_profiles(report: JSON) -> None:
    """A flame graph for each target that is missed, in place of those of an earlier run."""
    shutil.rmtree(PROFILES, ignore_errors=True)
    PROFILES.mkdir()
    for workload, surface in missed_targets(report):
        contestant = next(c for c in CONTESTANTS if c.name == surface)
        # Instructions, which repeat, where valgrind can run the program; ten thousand groups are too many for it.
        tool = "callgrind" if surface in ("rust", "c", "c++") else "perf"
        drawn = flame.draw(contestant, workload.replace("10k", "1k"), tool, pinned([]))
        (PROFILES / f"{workload}-{surface}.svg").write_text(drawn)


def missed_targets(report: JSON) -> list[tuple[str, str]]:
    """The workloads and surfaces, of those measured, where not every ratio is what is asked for."""
    missed = [
        (workload, surface)
        for workload, surface, ours, peer, target in aims(report)
        if ratio(report["workloads"][workload], ours, peer)[0] < target
    ]
    return list(dict.fromkeys(missed))


def choices(report: JSON) -> list[str]:
    """What people of other languages would take instead, beside ours."""
    rows = []
    pairs = [(peer, one + mode, mode) for peer, ours in CHOICES.items() for one in ours for mode in ("", " best")]
    for workload, figures in report["workloads"].items():
        for name, ours, mode in pairs:
            peer = name + mode
            if peer in figures and ours in figures:
                least, median, low, high = ratio(figures, ours, peer)
                rows.append(
                    f"| {workload} | {ours} | {ns(figures[ours]['ns'])} | {peer} | {ns(figures[peer]['ns'])} "
                    f"| {least:.2f} | {median:.2f} ({low:.2f} to {high:.2f}) |"
                )
    head = ["", "| workload | ours | its time | instead of | its time | ratio | median (quartiles) |"]
    return [*head, "| --- | --- | ---: | --- | ---: | ---: | --- |", *rows] if rows else []


def ns(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def publish(report: JSON) -> None:
    """Writes the tables and pictures between their marks."""
    rounds, seconds = report["settings"]["rounds"], report["settings"]["seconds"]
    note = f"{report['machine']}. {rounds} rounds of {seconds} s where there is a target, "
    note += f"{rounds_of('', rounds)} elsewhere; `make bench` repeats them.\n"
    texts = {HERE / "README.md": tables(report), ROOT / "README.md": summary(report)}
    for file, text in texts.items():
        old = file.read_text()
        new = re.sub(
            r"(<!-- bench begins -->\n).*?(<!-- bench ends -->)",
            lambda match, text=text: match[1] + text + "\n" + note + match[2],  # type: ignore[misc]
            old,
            flags=re.DOTALL,
        )
        file.write_text(new)
    (HERE / "report.svg").write_text(charts.report(report, PEERS, TARGETS))
    draw_profiles(report)


def summary(report: JSON) -> str:
    """One line for each workload and surface that has a target."""
    lines = ["| workload | surface | ours | " + " | ".join(f"{peer} | ratio" for peer in PEERS) + " | targets |"]
    lines.append("| --- | --- | ---: |" + " ---: | ---: |" * len(PEERS) + " --- |")
    for (workload, surface), targets in TARGETS.items():
        figures = report["workloads"].get(workload, {})
        if surface not in figures:
            continue
        cells = []
        for rival in PEERS:
            peer = faster_codec(figures, rival)
            if peer in figures and (rival in targets or surface == "rust"):
                cells.append(f"{ns(figures[peer]['ns'])} | {ratio(figures, surface, peer)[0]:.1f}")
            else:
                cells.append(" | ")
        missed = [
            f"{peer} {target}"
            for peer, target in targets.items()
            if peer in figures
            and ratio(figures, counterpart(surface, figures, peer), faster_codec(figures, peer))[0] < target
        ]
        verdict = f"missed: {', '.join(missed)}" if missed else "met"
        lines.append(
            f"| {workload} | {surface} | {ns(figures[surface]['ns'])} | " + " | ".join(cells) + f" | {verdict} |"
        )
    return "\n".join(lines) + "\n"


# The rest.


def command_smoke() -> int:
    """The programs check by themselves that every node has applied the same."""
    build(peers=False)
    small = [name.replace("100k", "200").replace("10k", "20") for name in WORKLOADS] + ["log_100", "group_11"]
    passed = failed = 0
    for contestant in CONTESTANTS:
        if contestant.name.removesuffix(" best") not in (*OURS, "python tcp"):
            continue
        for workload in filter(contestant.runs, small):
            done = subprocess.run(
                [*contestant.command(workload), "--ops", "1"], capture_output=True, text=True, timeout=60
            )
            sound = done.returncode == 0 and json.loads(done.stdout)["ops"] > 0
            passed, failed = passed + sound, failed + (not sound)
            if not sound:
                print(f"{contestant.name} {workload}: exit code {done.returncode}\n{done.stderr}")
    for workload in disk.WORKLOADS:
        sound = disk.measure(workload, 0)["ops"] > 0
        passed, failed = passed + sound, failed + (not sound)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def command_kv(args: argparse.Namespace) -> int:
    clients = [int(count) for count in args.clients.split(",")]
    if args.profile:
        print(kv.profile(args.profile, max(clients), args.seconds).relative_to(ROOT))
        return 0
    names = kv.there([name for name in args.only.split(",") if name])
    report = {name: kv.run(name, clients, args.seconds) for name in names}
    print("\n" + kv.table(report))
    return 0 if report else 1


def command_profile(args: argparse.Namespace) -> int:
    build(peers=args.contestant.startswith((*PEERS, *CHOICES)))
    contestant = next((c for c in CONTESTANTS if c.name == args.contestant), None)
    if contestant is None:
        raise SystemExit(f"{args.contestant} is none of: {', '.join(c.name for c in CONTESTANTS)}")
    target = OUT / f"{args.workload}.svg"
    target.write_text(flame.draw(contestant, args.workload, args.tool, pinned([])))
    print(target.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
