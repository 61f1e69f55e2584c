"""scripts/test counts right, and does not report a success that it did not see."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent / "test"


def load() -> ModuleType:
    """The runner as a module; it has no .py at its end."""
    loader = importlib.machinery.SourceFileLoader("runner", str(SCRIPT))
    spec = importlib.util.spec_from_loader("runner", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["runner"] = module
    loader.exec_module(module)
    return module


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    return module


CARGO_OK = "test a ... ok\ntest b ... ignored\ntest result: ok. 1 passed; 0 failed; 1 ignored; 0 measured"
GO_OK = '{"Action":"pass","Package":"p","Test":"A"}\n{"Action":"skip","Package":"p","Test":"B"}\n{"Action":"pass"}'
JUNIT = '<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite></testsuites>'


@pytest.mark.parametrize(
    ("kind", "command", "passed", "failed", "skipped"),
    [
        ("check", "true", 1, 0, 0),
        ("check", "false", 0, 1, 0),
        ("cargo", f"printf '%s\\n' '{CARGO_OK}' 'test result: ok. 4 passed; 0 failed; 0 ignored'", 5, 0, 1),
        ("cargo", "echo 'test result: FAILED. 4 passed; 2 failed; 0 ignored'; exit 101", 4, 2, 0),
        ("cargo", "echo 'test result: ok. 4 passed; 0 failed; 0 ignored'; exit 101", 4, 1, 0),
        ("cargo", "echo 'error: could not compile'; exit 101", 0, 1, 0),
        ("cargo", "echo 'test result: ok. 0 passed; 0 failed; 0 ignored'", 0, 1, 0),
        ("go", f"echo '{GO_OK}'", 2 - 1, 0, 1),
        ("go", 'echo \'{"Action":"fail","Package":"p","Test":"A"}\'; exit 1', 0, 1, 0),
        ("go", "echo 'build failed'; exit 1", 0, 1, 0),
        ("pytest", f"echo '{JUNIT}' > {{junit}}; exit 1", 1, 1, 0),
        ("pytest", "true", 0, 1, 0),
        ("summary", "echo '3 passed, 0 failed'; echo 'second: 2 passed, 0 failed'", 5, 0, 0),
        ("summary", "echo '3 passed, 1 failed'; exit 1", 3, 1, 0),
        ("summary", "echo nothing", 0, 1, 0),
        ("summary", "echo '3 passed, 0 failed'; kill -SEGV $$", 3, 1, 0),
    ],
)
def test_a_suite_is_counted(
    runner: ModuleType, kind: str, command: str, passed: int, failed: int, skipped: int
) -> None:
    count = runner.run(runner.Suite("one", kind, command))
    assert (count.passed, count.failed, len(count.skipped)) == (passed, failed, skipped)


def test_a_suite_that_takes_too_long_fails_and_is_ended(runner: ModuleType, tmp_path: Path) -> None:
    suite = runner.Suite("slow", "summary", "echo '3 passed, 0 failed'; sleep 1000", time_limit_s=0)
    assert runner.run(suite).failed == 1


@pytest.mark.parametrize(
    ("command", "code", "last"), [("true", 0, "1 passed, 0 failed"), ("false", 1, "0 passed, 1 failed")]
)
def test_the_last_line_and_the_exit_code_agree(
    runner: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    code: int,
    last: str,
) -> None:
    monkeypatch.setattr(runner, "SUITES", [runner.Suite("one", "check", command)])
    monkeypatch.setattr(sys, "argv", ["test"])
    assert runner.main() == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_suites_take_turns_in_a_lane_and_wait_for_what_they_need(runner: ModuleType, tmp_path: Path) -> None:
    def suite(name: str, command: str, **more: object) -> object:
        return runner.Suite(name, "check", command, **more)

    # Each of a lane makes a directory for as long as it runs: a second one could not.
    alone = "mkdir busy && sleep 0.05 && rmdir busy"
    suites = [
        suite("last", "test -e made", needs=("makes",)),
        *(suite(f"turn-{number}", alone, lane="programs") for number in range(4)),
        suite("makes", "touch made", needs=("turn-3",)),
        # These two can only end together.
        suite("one", "mkfifo meet && echo >meet", lane="rust"),
        suite("other", "until test -e meet; do sleep 0.01; done; cat meet"),
    ]
    counts = {suite.name: count for suite, count in runner.run_all(suites, 2)}
    assert {name: (count.passed, count.failed) for name, count in counts.items()} == dict.fromkeys(
        (suite.name for suite in suites),  # type: ignore[attr-defined]
        (1, 0),
    )
    order = list(counts)
    assert order.index("turn-3") < order.index("makes") < order.index("last")


def test_what_runs_is_ended_with_the_runner(runner: ModuleType, tmp_path: Path) -> None:
    slow = runner.Suite("slow", "check", "sleep 1000 & echo $! >pid; wait", lane="rust")
    quick = runner.Suite("quick", "check", "until test -s pid; do sleep 0.01; done", lane="programs")
    events = runner.run_all([slow, quick], 2)
    assert next(events)[0] is quick
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt)
    assert is_over((tmp_path / "pid").read_text().strip())


def is_over(process: str) -> bool:
    """Whether a process that was killed goes: it is nobody's child then, and does so in its own time."""
    state = Path("/proc", process, "stat")
    for _ in range(1000):
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_runner_that_is_told_to_end_takes_its_suites_along(tmp_path: Path) -> None:
    program = tmp_path / "test"
    head, tail = SCRIPT.read_text().split("SUITES = [\n", 1)
    tail = tail.split("\n]\n", 1)[1]
    slow = "sleep 1000 & echo $! >pid.new; mv pid.new pid; wait"
    program.write_text(f"{head}SUITES = [Suite('slow', 'check', {slow!r})]\n{tail}")
    # Below a directory of its own, which is what the program takes for the project's.
    place = tmp_path / "project" / "scripts"
    place.mkdir(parents=True)
    program = program.rename(place / "test")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while not (tmp_path / "project" / "pid").exists():
            assert child.poll() is None
            time.sleep(0.01)
        child.terminate()
        assert child.wait() != 0
    assert is_over((tmp_path / "project" / "pid").read_text().strip())


def test_suites_that_wait_for_each_other_are_an_error(runner: ModuleType) -> None:
    suites = [runner.Suite("a", "check", "true", needs=("b",)), runner.Suite("b", "check", "true", needs=("a",))]
    with pytest.raises(RuntimeError, match="wait for each other"):
        list(runner.run_all(suites, 2))


def test_an_unknown_suite_is_an_error() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--only", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such suite: nothing" in done.stderr


def test_names_are_unique_and_kinds_are_known() -> None:
    module = load()
    names = [suite.name for suite in module.SUITES]
    assert len(set(names)) == len(names)
    assert all(suite.kind == "check" or suite.kind in module.COUNTERS for suite in module.SUITES)
    assert {suite.lane for suite in module.SUITES} <= {*module.LONG_LANES, "lint", ""}
    assert {need for suite in module.SUITES for need in suite.needs} <= set(names)
