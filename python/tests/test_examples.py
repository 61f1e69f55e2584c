"""The programs in examples/python, as they are, each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def run(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cluster_goes_on_without_its_leader() -> None:
    lines = run("cluster.py").splitlines()
    found = [re.fullmatch(r"node (\d) leads term (\d+) (\[.*\])", line) for line in lines]
    led = [match.groups() for match in found if match]
    assert len(led) == len(lines) == 3
    assert led[0][0] == led[1][0] != led[2][0] and int(led[2][1]) > int(led[1][1])
    assert led[2][2] == "[b'command 0', b'command 1', b'command 2']"
    assert len((EXAMPLES / "cluster.py").read_text().splitlines()) < 60


def test_a_node_says_what_it_is_doing() -> None:
    printed = run("status.py")
    assert "node 1: LEADER of term 2, knows 1 as the leader" in printed
    assert "log [2, 3), committed 2, applied 2" in printed
    assert "voter 1: REPLICATE, has 2, gets 3 next" in printed
    assert "learner 2: PROBE, has 0, gets " in printed
    assert "'elections_won': 1" in printed and "event: ELECTION_WON" in printed


def test_the_counter_survives_a_crash(tmp_path: Path) -> None:
    first, second = run("recovery.py", tmp_path / "s"), run("recovery.py", tmp_path / "s")
    assert "the last run was closed\nrecovered 0 from a snapshot of 1 and the log up to 2\ncounted to 15\n" == first
    assert "the last run ended without closing it\nrecovered 15 from a snapshot of 5 and the log up to" in second
    assert second.endswith("counted to 30\n")


README = EXAMPLES.parents[1] / "python" / "README.md"
QUICKSTART = EXAMPLES.parents[0] / "quickstart" / "quickstart.py"


def test_the_programs_of_the_readme_run(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.M | re.S)
    assert len(programs) == 2 and programs[0] == QUICKSTART.read_text()
    printed = []
    for number, program in enumerate(programs):
        path = tmp_path / f"{number}.py"
        path.write_text(program)
        printed.append(run(str(path)))
    assert printed == ["2 b''\n3 b'hello'\n", "20\n42\n"]
