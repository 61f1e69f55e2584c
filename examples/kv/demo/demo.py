#!/usr/bin/env python3
"""Runs a replicated key-value cluster and tries to make it lose something.

    demo.py               the demo: two leaders killed, a node added and removed
    demo.py --soak 600    kills nodes at random under load for that many seconds, and
                          watches their memory
    demo.py --stay        starts the cluster and leaves it up until Ctrl-C

The exit code is 0 only if every acknowledged write was there at the end, on each node,
and all state hashes agree with each other and with what was written. Nothing is left
running. Standard library only; `make demo` builds the servers and calls it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import cluster as clusters
import workload
from cluster import Cluster, DemoError, Node, Program
from workload import Load

# How often --soak reports.
REPORT_S = 10
# How long no write may be acknowledged before that counts as a failure. Far more than a
# fail-over takes, even on a machine that is busy with other things.
PATIENCE_S = 60


class Screen:
    """Prints lines, and on a terminal a progress bar below them."""

    WIDTH = 28
    EVERY_S = 0.1

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._begun = time.monotonic()
        self._bar = ""
        self._drawn = 0.0
        self._plain = 0

    def line(self, text: str = "") -> None:
        """Prints a line, with the seconds since the start."""
        self.clear()
        print(f"{time.monotonic() - self._begun:6.1f} s  {text}" if text else "", flush=True)

    def raw(self, text: str = "") -> None:
        self.clear()
        print(text, flush=True)

    def bar(self, done: int, of: int, text: str) -> None:
        """Shows progress: redrawn in place on a terminal, a line for each quarter otherwise."""
        if not self.terminal:
            if min(done * 4 // max(of, 1), 4) > self._plain:
                self._plain = min(done * 4 // max(of, 1), 4)
                self.line(f"{done} of {of} {text}")
            return
        now = time.monotonic()
        if now - self._drawn < self.EVERY_S:
            return
        self._drawn = now
        filled = min(self.WIDTH, done * self.WIDTH // max(of, 1))
        self._bar = f"          [{'█' * filled}{'·' * (self.WIDTH - filled)}] {done} of {of} {text}"
        print(f"\r\x1b[2K{self._bar[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)

    def restart_bar(self) -> None:
        self._plain = 0

    def clear(self) -> None:
        if self._bar:
            print("\r\x1b[2K", end="")
            self._bar = ""


class Run:
    """One run of the driver: a cluster, its load, and what was found out."""

    def __init__(self, options: argparse.Namespace, cluster: Cluster, screen: Screen) -> None:
        self.options = options
        self.cluster = cluster
        self.screen = screen
        self.load: Load | None = None
        self.load_seconds = 0.0
        self.failovers: list[tuple[Node, Node, float]] = []
        self.kills = 0
        self.memory: dict[int, list[int]] = {}
        self.problems: list[str] = []
        self.lost = 0
        self.checked = 0
        self.began_empty = True
        self._load_begun = 0.0

    # -- steps

    def start(self) -> None:
        self.began_empty = not any(node.data.exists() for node in self.cluster.nodes.values())
        self.cluster.start()
        for node in self.cluster.nodes.values():
            self.screen.line(f"{node.name} serves http://{node.address}/")
        leader = self.cluster.wait_leader()
        term = (leader.status() or {}).get("term")
        self.screen.line(f"{leader.name} leads in term {term}")

    def begin_load(self) -> None:
        addresses = [node.address for node in self.cluster.nodes.values()]
        self.load = Load(addresses, self.options.clients, self.options.keys, self.options.seed)
        self._load_begun = time.monotonic()
        self.load.start()

    def end_load(self) -> None:
        if self.load is not None and not self.load.stopping.is_set():
            self.load_seconds = time.monotonic() - self._load_begun
            self.load.stop()

    def write_until(self, fraction: float) -> None:
        """Lets the clients write until this part of the writes has been acknowledged."""
        assert self.load is not None
        target = int(self.options.writes * fraction)
        last_progress, seen = time.monotonic(), -1
        while (done := self.load.acknowledged) < target:
            if done != seen:
                last_progress, seen = time.monotonic(), done
            elif time.monotonic() - last_progress > PATIENCE_S:
                raise DemoError(f"no write was acknowledged for {PATIENCE_S} s\n{self.cluster.describe()}")
            if not any(writer.is_alive() for writer in self.load.writers):
                raise DemoError("all writers have ended")
            self.show_progress()
            time.sleep(clusters.POLL_S)
        self.show_progress()

    def show_progress(self) -> None:
        assert self.load is not None
        done = self.load.acknowledged
        rate = done / max(time.monotonic() - self._load_begun, 0.001)
        self.screen.bar(done, self.options.writes, f"writes acknowledged, {rate:.0f}/s")

    def kill_leader(self) -> Node:
        """Kills the leader under load, and measures how long writes stood still."""
        assert self.load is not None
        leader = self.cluster.wait_leader()
        killed_at = time.monotonic()
        leader.kill()
        self.kills += 1
        self.screen.line(f"{leader.name} led and was killed with SIGKILL")
        successor = self.cluster.wait_leader(other_than=leader.id)
        # Until writes flow again: what counts is not that there is a leader.
        before, elected_at = self.load.acknowledged, time.monotonic()
        self.cluster.until(
            lambda: (self.load and self.load.acknowledged >= before + 20) or None, 30, "writes under the new leader"
        )
        gap = self.load.longest_gap(killed_at, max(elected_at, time.monotonic()))
        self.failovers.append((leader, successor, gap))
        self.screen.line(f"{successor.name} leads; writes stood still for {gap:.2f} s")
        return leader

    def restart(self, node: Node) -> None:
        begun = time.monotonic()
        node.start()
        self.cluster.wait_serving(node)
        self.cluster.wait_caught_up(node)
        self.screen.line(f"{node.name} was started again and caught up in {time.monotonic() - begun:.2f} s")

    def add_node(self, program: Program) -> Node:
        begun = time.monotonic()
        node = self.cluster.joiner(program)
        node.start()
        self.cluster.wait_serving(node)
        self.cluster.change_members("PUT", node)
        self.cluster.wait_caught_up(node)
        self.screen.line(f"{node.name} was added and caught up in {time.monotonic() - begun:.2f} s")
        return node

    def remove_node(self, node: Node) -> None:
        self.cluster.change_members("DELETE", node)

        def removed() -> bool | None:
            status = node.status()
            return (status is not None and status["role"] == "removed") or None

        self.cluster.until(removed, 30, f"{node.name} to see that it has been removed", [node])
        self.stop_node(node)
        del self.cluster.nodes[node.id]
        self.screen.line(f"{node.name} was removed, and stopped")

    def stop_node(self, node: Node) -> None:
        code = node.stop()
        if code != 0:
            how = "did not end" if code is None else clusters.signal_name(code)
            self.problems.append(f"{node.name} {how} after SIGTERM")

    # -- the verdict

    def check(self) -> dict[int, dict[str, Any]]:
        """Compares every node with what was acknowledged. Nobody may be writing."""
        assert self.load is not None
        nodes = list(self.cluster.nodes.values())
        statuses = self.cluster.wait_equal(nodes)
        expected = self.load.expected()
        hashes = {str(status["state_hash"]) for status in statuses.values()}
        if len(hashes) != 1:
            self.problems.append(f"the state hashes differ: {', '.join(sorted(hashes))}")
        # With --stay, somebody else may write as well.
        sole = self.began_empty and not self.options.stay
        if sole and not self.load.unsettled and hashes != {workload.state_hash(expected)}:
            self.problems.append(f"the state hash is not that of what was written, {workload.state_hash(expected)}")

        sample = expected
        if 0 < self.options.read_back < len(expected):
            chooser = random.Random(self.options.seed)
            sample = {name: expected[name] for name in chooser.sample(sorted(expected), self.options.read_back)}
        total, done = len(sample) * len(nodes), 0
        self.screen.restart_bar()

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self.screen.bar(done, total, "keys read back")

        lost: set[str] = set()
        for node in nodes:
            found = workload.read_back(node.address, sample, self.options.clients, progress)
            lost |= {text.split(" at ", 1)[0] for text in found}
            self.problems += found[:5]
        self.lost = len(lost)
        self.checked = len(sample)
        self.problems += [f"a stale read: {text}" for text in self.load.stale()[:5]]
        self.problems += [f"a write was refused: {text}" for text in self.load.refused()[:5]]
        if self.load.unsettled:
            self.problems.append(f"{len(self.load.unsettled)} writes were never answered, even after the end")
        return statuses

    def summary(self, statuses: dict[int, dict[str, Any]]) -> None:
        assert self.load is not None
        show = self.screen.raw
        writes = self.load.acknowledged
        retries = sum(writer.retries for writer in self.load.writers)
        reads = sum(writer.reads for writer in self.load.writers)
        show()
        show(f"writes acknowledged  {writes} by {self.options.clients} clients, {retries} tries without an answer")
        show(f"acknowledged, lost   {self.lost} of {self.checked} keys, read at each of {len(statuses)} nodes")
        show(f"reads during writes  {reads}, {len(self.load.stale())} stale")
        show(
            f"rate                 {writes / max(self.load_seconds, 0.001):.0f} writes/s over {self.load_seconds:.1f} s"
        )
        for killed, successor, gap in self.failovers[:10]:
            show(f"fail-over            {gap:.2f} s from {killed.name} to {successor.name}")
        if self.kills > len(self.failovers):
            show(f"killed               {self.kills} times in all")
        for node_id, samples in self.memory.items():
            name, mib = self.cluster.nodes[node_id].name, [kib / 1024 for kib in samples]
            show(f"memory               {name}: {mib[0]:.1f} MiB first, {mib[-1]:.1f} last, {max(mib):.1f} at most")
        show()
        show("node  language  role      term   applied      log  state hash        starts  memory  writes taken")
        for node in self.cluster.nodes.values():
            status = statuses[node.id]
            log = int(status["last_index"]) - int(status["first_index"]) + 1
            memory = node.resident_kib()
            show(
                f"{node.id:>4}  {node.program.title:<8}  {status['role']:<8} {status['term']:>5} "
                f"{status['applied']:>9} {log:>8}  {status['state_hash']}  {node.starts:>6} "
                f"{f'{memory / 1024:.0f} MiB' if memory else '?':>8}  {self.load.by_address.get(node.address, 0):>6}"
            )
        show()

    def verdict(self) -> int:
        for problem in self.problems:
            self.screen.raw(f"WRONG: {problem}")
        if self.problems:
            self.screen.raw("FAILED: see above")
            return 1
        if self.load is not None:
            self.screen.raw("ok: nothing acknowledged was lost, and all nodes agree")
        return 0

    def finish(self) -> int:
        """Ends the load, checks, prints the summary, stops the nodes; gives the exit code."""
        self.end_load()
        statuses = self.check()
        self.summary(statuses)
        for node in self.cluster.nodes.values():
            self.stop_node(node)
        return self.verdict()


# ---------------------------------------------------------------- the three ways to run


def demo(run: Run, extra: Program) -> int:
    """Two leaders killed and restarted, a node added and removed, all under load."""
    run.start()
    run.begin_load()
    run.write_until(0.20)
    first = run.kill_leader()
    run.write_until(0.35)
    run.restart(first)
    run.write_until(0.50)
    second = run.kill_leader()
    run.write_until(0.65)
    run.restart(second)
    added = run.add_node(extra)
    run.write_until(0.85)
    run.remove_node(added)
    run.write_until(1.0)
    return run.finish()


def soak(run: Run, seconds: float) -> int:
    """Load for a long time, with kills at random moments unless --no-kills says otherwise."""
    run.start()
    run.begin_load()
    assert run.load is not None
    chance = random.Random(run.options.seed)
    begun = time.monotonic()
    next_report = begun + REPORT_S
    progressed, seen = begun, 0
    while time.monotonic() < begun + seconds:
        time.sleep(min(chance.uniform(0.2, 4.0), max(0.0, begun + seconds - time.monotonic())))
        if not run.options.no_kills:
            kill_some(run, chance)
        problems = run.load.stale() + run.load.refused()
        if problems:
            raise DemoError(f"under load: {problems[0]}")
        if run.load.acknowledged > seen:
            progressed, seen = time.monotonic(), run.load.acknowledged
        elif time.monotonic() - progressed > PATIENCE_S:
            raise DemoError(f"no write was acknowledged for {PATIENCE_S} s\n{run.cluster.describe()}")
        if time.monotonic() > next_report:
            next_report = time.monotonic() + REPORT_S
            memory = []
            for node in run.cluster.nodes.values():
                kib = node.resident_kib() or 0
                run.memory.setdefault(node.id, []).append(kib)
                memory.append(f"{node.program.title} {kib / 1024:.1f} MiB")
            run.screen.line(f"{seen} writes, {run.kills} kills; {', '.join(memory)}")
    run.cluster.wait_leader(60)
    return run.finish()


def kill_some(run: Run, chance: random.Random) -> None:
    """Kills the leader, any node, or several at once; starts them again a little later."""
    nodes = list(run.cluster.nodes.values())
    if chance.random() < 0.5:
        victims = [run.cluster.wait_leader(60)]
    else:
        victims = chance.sample(nodes, chance.choice([1, 1, 1, 2, len(nodes)]))
    for node in victims:
        node.kill()
        run.kills += 1
    time.sleep(chance.uniform(0.0, 3.0))
    for node in victims:
        node.start()
    for node in victims:
        run.cluster.wait_serving(node)
    # Sometimes the next kill comes before they have caught up.
    if chance.random() < 0.7:
        for node in victims:
            run.cluster.wait_caught_up(node)


def stay(run: Run) -> int:
    """Leaves the cluster up until Ctrl-C, and starts again whatever dies."""
    run.start()
    try:
        supervise(run)
    except Stopped:
        run.screen.line("stopping")
    if run.load is None:
        for node in run.cluster.running():
            run.stop_node(node)
        return run.verdict()
    for node in run.cluster.nodes.values():
        if not node.alive:
            node.start()
    return run.finish()


def supervise(run: Run) -> None:
    """Says where the cluster is, and restarts what dies. Ends only by Stopped."""
    show = run.screen.raw
    show()
    for node in run.cluster.nodes.values():
        pid = node.process.pid if node.process else 0
        show(f"  {node.name:<16} process {pid:<8} http://{node.address}/")
    address = run.cluster.nodes[1].address
    show()
    show(f"The page: http://{address}/")
    show(f"Try:      curl -X PUT --data hello http://{address}/kv/greeting; curl http://{address}/kv/greeting")
    show("Kill any of the processes: it is started again after 3 seconds. Ctrl-C ends the cluster.")
    show()
    if run.options.load:
        run.begin_load()
    died: dict[int, float] = {}
    while True:
        time.sleep(clusters.POLL_S)
        for node in run.cluster.nodes.values():
            if node.alive or node.process is None:
                continue
            if node.id not in died:
                died[node.id] = time.monotonic()
                run.screen.line(f"{node.name} {clusters.signal_name(node.process.returncode)}")
                if node.process.returncode >= 0:
                    show(node.last_words(5))
            elif time.monotonic() - died[node.id] > 3:
                del died[node.id]
                node.start()
                run.screen.line(f"{node.name} was started again, process {node.process.pid}")


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="Run a replicated key-value cluster on loopback, kill its leaders, and check that nothing is lost.",
    )
    add = parser.add_argument
    add("--nodes", default="cpp,go,python", help="languages of the first nodes (default: %(default)s)")
    add("--extra", help="the language of the node that is added (default: as node 1)")
    add("--writes", type=int, default=6000, help="how many to acknowledge at least (default: %(default)s)")
    add("--keys", type=int, default=5000, help="how many keys are written (default: %(default)s)")
    add("--clients", type=int, default=6, help="how many write at the same time (default: %(default)s)")
    add("--seed", type=int, default=1, help="of the load and the election time-outs (default: %(default)s)")
    add("--read-back", type=int, default=0, help="how many keys to read back on each node (default: all)")
    add("--data", type=Path, help="where the nodes keep their data (default: a temporary directory)")
    add("--keep", action="store_true", help="keep the temporary directory")
    add("--program", action="append", default=[], metavar="LANG=COMMAND", help="another server to use")
    add("--limit", type=float, default=300, help="seconds until the demo gives up (default: %(default)s)")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stay", action="store_true", help="leave the cluster up until Ctrl-C")
    way.add_argument("--soak", type=float, metavar="SECONDS", help="kill nodes at random for that long")
    add("--load", action="store_true", help="with --stay: write without pause, and check at Ctrl-C")
    add("--no-kills", action="store_true", help="with --soak: only load, to watch the memory")
    options = parser.parse_args(arguments)
    if options.clients < 1 or options.keys < options.clients or options.writes < 1:
        parser.error("--clients, --keys and --writes must be at least 1, and there must be a key for each client")
    if options.load and not options.stay:
        parser.error("--load goes with --stay")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    screen = Screen()

    def on_signal(number: int, _frame: types.FrameType | None) -> None:
        # Once is enough: from here on, everything is being ended.
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, on_signal)
    if not options.stay:
        signal.setitimer(signal.ITIMER_REAL, options.limit + (options.soak or 0))

    directory = options.data or Path(tempfile.mkdtemp(prefix="libraft-kv-"))
    keep = options.keep or options.data is not None
    code = 1
    try:
        available = clusters.built_programs() | clusters.given_programs(options.program)
        programs = clusters.choose_programs(options.nodes.split(","), available, screen.line)
        extra = programs[0]
        if options.extra:
            (extra,) = clusters.choose_programs([options.extra], available, screen.line)
        with Cluster(directory, programs, options.seed) as cluster:
            run = Run(options, cluster, screen)
            try:
                code = carry_out(run, extra)
            finally:
                if run.load is not None:
                    run.load.stopping.set()
    except DemoError as error:
        screen.raw(f"FAILED: {error}")
    except Stopped as stopped:
        number = stopped.args[0]
        if number == signal.SIGALRM:
            screen.raw(f"FAILED: not done after {options.limit + (options.soak or 0):.0f} s")
        else:
            screen.raw(f"stopped by {signal.Signals(number).name}")
            code = 128 + int(number)
    finally:
        if code == 1:
            keep = True
        if keep:
            screen.raw(f"data and logs of the nodes: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return code


def carry_out(run: Run, extra: Program) -> int:
    if run.options.stay:
        return stay(run)
    return soak(run, run.options.soak) if run.options.soak else demo(run, extra)


if __name__ == "__main__":
    sys.exit(main())
