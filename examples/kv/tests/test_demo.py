"""The demo driver itself, on a fake server: it passes what is right, notices what is wrong,
and leaves nothing running.

Its verdict is worth something only if it can be a bad one, so each kind of fault is
put into the fake server once.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import DemoError, Program, choose_programs

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "demo" / "demo.py"
FAKE = f"{sys.executable} {HERE / 'fake_server.py'}"
QUICK = ["--writes", "600", "--keys", "400", "--clients", "4"]


def run_demo(*arguments: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    program = f"fake={FAKE}" + (f" --fault {fault}" if fault else "")
    return subprocess.run(
        [sys.executable, DEMO, "--nodes", "fake,fake,fake", "--program", program, *QUICK, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def processes_with(text: str) -> list[int]:
    """The ids of the processes that have a text in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_cluster_that_keeps_its_promises_passes(tmp_path: Path) -> None:
    done = run_demo("--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: nothing acknowledged was lost" in done.stdout
    assert len(re.findall(r"led and was killed with SIGKILL", done.stdout)) == 2
    assert "node 4 (fake) was added" in done.stdout
    assert "node 4 (fake) was removed" in done.stdout
    assert processes_with(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("lose", "expected, 404"),
        ("stale", "a stale read"),
        ("diverge", "the state hashes differ"),
        ("unclean", "ended with exit code 3 after SIGTERM"),
    ],
)
def test_a_fault_is_noticed(tmp_path: Path, fault: str, message: str) -> None:
    done = run_demo("--data", str(tmp_path / "data"), fault=fault)
    assert done.returncode == 1, done.stdout + done.stderr
    assert message in done.stdout
    assert "FAILED" in done.stdout
    assert processes_with(str(tmp_path)) == []


def test_a_lost_write_is_counted(tmp_path: Path) -> None:
    done = run_demo("--data", str(tmp_path / "data"), fault="lose")
    counted = re.search(r"acknowledged, lost +(\d+) of", done.stdout)
    assert counted and int(counted[1]) > 0, done.stdout


def test_a_server_that_does_not_start_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DEMO, "--nodes", "no", "--program", "no=false", "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "node 1 (no) ended by itself, exit code 1" in done.stdout


def test_an_absent_language_is_replaced_by_the_least_used_one_and_named() -> None:
    available = {"go": Program("go", ("go",)), "python": Program("python", ("python",))}
    notes: list[str] = []
    chosen = choose_programs(["cobol", "go", "python", "go"], available, notes.append)
    assert [program.language for program in chosen] == ["python", "go", "python", "go"]
    assert notes == ["cobol is replaced by Python: there is no such server"]


def test_no_server_at_all_is_an_error() -> None:
    with pytest.raises(DemoError, match="no server has been built"):
        choose_programs(["go"], {}, print)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_when_the_driver_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, str(DEMO), "--stay", "--nodes", "fake,fake,fake"]
    command += ["--program", f"fake={FAKE}", "--data", str(tmp_path / "data")]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    for line in driver.stdout:
        if "The page:" in line:
            break
    nodes = [pid for pid in processes_with(str(tmp_path)) if pid != driver.pid]
    assert len(nodes) == 3
    driver.send_signal(number)
    code = driver.wait(60)
    driver.stdout.close()
    # After Ctrl-C the cluster is stopped in order, which is what `make cluster` promises.
    assert code == (-number if number == signal.SIGKILL else 0)
    # With SIGKILL the system ends the nodes as the driver's children, a moment later.
    for pid in nodes:
        if number == signal.SIGKILL:
            wait_until_gone(pid)
        assert pid not in processes_with(str(tmp_path))


def wait_until_gone(pid: int) -> None:
    """Blocks until a process that is not our child has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 60)[0], f"process {pid} still runs"
    finally:
        os.close(handle)
