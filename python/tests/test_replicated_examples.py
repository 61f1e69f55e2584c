"""The programs in examples/python/replicated, as processes that talk over loopback."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python" / "replicated"


class Program:
    """A running example. Lines are waited for without a deadline: the runner of the tests has one."""

    def __init__(self, name: str, home: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, EXAMPLES / name, *arguments],
            cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell lets what it starts in the background pass over Ctrl-C, and its children inherit that.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise AssertionError(f"it ended with {self.process.returncode}: {errors}")
        return line.rstrip("\n")

    def until(self, begin: str) -> str:
        while not (line := self.line()).startswith(begin):
            pass
        return line

    def ask(self, question: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.line()

    def interrupt(self) -> None:
        """Ctrl-C: it closes what it has, and says nothing."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate()
        assert (self.process.returncode, errors) == (0, "")


class Stage:
    def __init__(self, home: Path) -> None:
        self.home = home
        # Nobody else listens on this address, so that its ports are free.
        draw = random.Random(os.getpid() ^ hash(home))
        self.host = f"127.{draw.randrange(1, 255)}.{draw.randrange(255)}.{draw.randrange(1, 255)}"
        self.addresses = [f"{self.host}:{port}" for port in (24001, 24002, 24003)]
        self.programs: list[Program] = []

    def start(self, name: str, address: str, *others: str) -> Program:
        self.programs.append(Program(name, self.home, address, *others))
        return self.programs[-1]

    def three(self, name: str) -> list[Program]:
        return [self.start(name, one, *[two for two in self.addresses if two != one]) for one in self.addresses]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for program in stage.programs:
        program.process.kill()
        program.process.communicate()


def test_the_counter_counts_and_remembers(stage: Stage) -> None:
    text = (EXAMPLES / "counter.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) < 20
    programs = stage.three("counter.py")
    counted = [program.until("counted") for program in programs]
    assert sorted(counted) == ["counted 1", "counted 2", "counted 3"]
    for program in programs:
        program.interrupt()
    counted = [program.until("counted") for program in stage.three("counter.py")]
    assert sorted(counted) == ["counted 4", "counted 5", "counted 6"]


def test_the_bank_moves_money(stage: Stage) -> None:
    for program in stage.three("bank.py"):
        assert program.line() == "refused: not enough"
        assert program.line().startswith("mine 10 - all ")


def test_the_lock_goes_on_to_the_next_when_its_holder_is_killed(stage: Stage) -> None:
    one, two, three = stage.three("lock.py")
    seen: list[int] = []

    def next_token(program: Program) -> int:
        seen.append(int(program.until("working").split()[1]))
        return seen[-1]

    for program in (one, two, three):
        next_token(program)
    # Just now it has the lock.
    last = next_token(one)
    one.process.kill()
    for program in (two, three):
        while next_token(program) <= last:
            pass
    assert len(set(seen)) == len(seen)


def test_the_store_serves_all_its_members(stage: Stage) -> None:
    one, two, three = stage.three("kv.py")
    for program in (one, two, three):
        assert program.line() == "ready"
    assert one.ask("set a 1") == "ok" and two.ask("set b 2") == "ok"
    assert three.ask("get a") == "1" and three.ask("get b") == "2" and three.ask("get c") == "None"
    assert two.ask("keys") == "a b" and one.ask("nonsense") == "what?"
    address = f"{stage.host}:24004"
    four = stage.start("kv.py", address, *stage.addresses, "--join")
    assert four.line() == "ready"
    assert one.ask(f"add {address}") == "ok"
    assert four.ask("get b") == "2" and four.ask("set c 3") == "ok"
    assert four.ask(f"remove {stage.addresses[2]}") == "ok" and one.ask("get c") == "3"
