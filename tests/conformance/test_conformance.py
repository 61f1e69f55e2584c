"""Tests of the runner itself: what it plays, what it refuses, and what it says of it.

The players are built by `make -C tests/conformance players`; each test that needs one fails
without it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parent.parent.parent / "shared" / "conformance"


def conformance(*arguments: str | Path) -> tuple[int, str]:
    """The exit code of the runner, and all that it prints."""
    command = [sys.executable, str(HERE / "conformance.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout + done.stderr


def scripts(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.txt"))


@pytest.mark.parametrize("script", scripts(HERE / "scripts"), ids=lambda path: path.stem)
def test_a_script_of_our_own_passes(script: Path) -> None:
    assert conformance(script) == (0, "1 passed, 0 failed\n")
    assert conformance("--no-cache", script) == (0, "1 passed, 0 failed\n")


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded scripts: {RECORDED} is not there")
@pytest.mark.parametrize("options", [[], ["--no-cache"]], ids=["plain", "no-cache"])
def test_the_recorded_scripts_pass(options: list[str]) -> None:
    code, text = conformance(*options, RECORDED)
    assert (code, text) == (0, f"{len(scripts(RECORDED))} passed, 0 failed\n")


def test_a_difference_is_shown_with_its_place(tmp_path: Path) -> None:
    good = (HERE / "scripts" / "format.txt").read_text(encoding="utf-8")
    (tmp_path / "bad.txt").write_text(good.replace("1/5 EntryConfChangeV2 l2", "1/6 EntryConfChangeV2 l2", 1))
    (tmp_path / "good.txt").write_text(good)
    code, text = conformance(tmp_path)
    assert code == 1
    lines = text.splitlines()
    assert lines[0] == f"--- {tmp_path}/bad.txt: expected"
    assert lines[1] == f"+++ {tmp_path}/bad.txt: played"
    assert "-  1/6 EntryConfChangeV2 l2 l3 u4" in lines
    assert "+  1/5 EntryConfChangeV2 l2 l3 u4" in lines
    assert lines[-1] == "1 passed, 1 failed"


def test_a_block_that_expects_nothing_differs_too(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("log-level none\n----\n")
    code, text = conformance(script)
    assert code == 1 and "\n+ok\n" in text
    script.write_text("vote\n----\n\nsimple\nv1\n----\n")
    code, text = conformance(script)
    assert code == 1 and "\n+VoteWon\n" in text and "\n+voters=(1)\n" in text


def test_a_script_may_end_without_a_newline(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    for text in ("log-level none\n----\nok", "vote\n----\nVoteWon"):
        script.write_text(text)
        assert conformance(script) == (0, "1 passed, 0 failed\n")


MADE = "add-nodes 2 voters=(1,2) index=5\n----\nok\n\n"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("fly 1\n----\n", 1, "there is no command 'fly'"),
        ("# one\n\ncampaign 1\n----\n", 3, "campaign: there is no node 1"),
        (MADE + "campaign\n----\n", 5, "campaign: takes 1 arguments"),
        (MADE + "campaign one\n----\n", 5, "campaign: 'one' is no number in range"),
        (MADE + "campaign 1 2\n----\n", 5, "campaign: takes 1 arguments"),
        (MADE + "campaign 1=2\n----\n", 5, "campaign: takes no argument 1="),
        (MADE + "stabilize 3\n----\n", 5, "stabilize: there is no node 3"),
        (MADE + "stabilize level=none\n----\n", 5, "stabilize: there is no argument level="),
        (MADE + "stabilize log-level=loud\n----\n", 5, "stabilize: 'loud' is no level"),
        (MADE + "process-ready\n----\n", 5, "process-ready: takes at least one node"),
        (MADE + "deliver-msgs 1 drop=(1)\n----\n", 5, "deliver-msgs: messages to 1 can't be both"),
        (MADE + "deliver-msgs 1 type=MsgNone\n----\n", 5, "deliver-msgs: 'MsgNone' is no type of message"),
        (MADE + "transfer-leadership from=1\n----\n", 5, "transfer-leadership: takes from= and to="),
        (MADE + "set-randomized-election-timeout 1\n----\n", 5, "set-randomized-election-timeout: takes a node and"),
        (MADE + "propose-conf-change 1\nw3\n----\n", 5, "propose-conf-change: 'w3' is no step of a change"),
        (MADE + "propose-conf-change 1 v1=true\nv3 v4\n----\n", 5, "propose-conf-change: with v1, a change"),
        (MADE + "propose-conf-change 1 transition=slow\n----\n", 5, "propose-conf-change: 'slow' is no transition"),
        ("add-nodes 1 index=1\n----\n", 1, "add-nodes: a first state needs an index above 1"),
        ("add-nodes 1 prevote=perhaps\n----\n", 1, "add-nodes: 'perhaps' is neither true nor false"),
        ("add-nodes 1 read-only=never\n----\n", 1, "add-nodes: 'never' is no way to read"),
        ("add-nodes 1 colour=red\n----\n", 1, "add-nodes: there is no argument colour="),
        ("add-nodes 1 voters=(1\n----\n", 1, "a parenthesis is not closed"),
        ("add-nodes 1\nok\n", 1, "the command is not followed by a line ----"),
        ("vote cfg=(1) votes=(y,n)\n----\n", 1, "vote: 1 voters, and votes of 2"),
        ("vote cfg=(1) votes=(x)\n----\n", 1, "vote: 'x' is nothing for votes"),
        ("committed cfg=(0) idx=(1)\n----\n", 1, "committed: '0' is no node"),
        ("committed cfg=(1\n----\n", 1, "a parenthesis is not closed"),
        ("simple\nv1 x2\n----\n", 1, "simple: 'x2' is no step of a change"),
        ("simple autoleave=true\nv1\n----\n", 1, "simple: there is no argument autoleave"),
        ("leave-joint\nv1\n----\n", 1, "leave-joint: takes no input"),
        ("vote\n----\nVoteWon\n\ncampaign 1\n----\n", 5, "there is no command 'campaign'"),
        ("vote\n", 1, "the command is not followed by a line ----"),
    ],
)
def test_what_is_no_script_is_refused_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    script = tmp_path / "script.txt"
    script.write_text(text)
    code, output = conformance(script)
    assert code == 1
    refusal, first, _, last = output.split("\n", 3)
    assert refusal == f"{script} can't be played:"
    assert first.startswith(f"{script}:{line}: ") and complaint in first
    assert last == "0 passed, 1 failed\n"


def test_a_setting_that_the_library_refuses_is_an_error_that_the_script_shows(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("add-nodes 1 voters=(1) index=2 read-only=lease-based\n----\nok\n")
    code, text = conformance(script)
    assert code == 1
    assert "\n+invalid configuration: " in text and "check_quorum" in text


def test_a_default_that_is_not_there_is_skipped_with_a_word(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    skipped = f"skipped: recorded scripts: {nowhere} is not there\n0 passed, 0 failed\n"
    assert conformance("--optional", nowhere) == (0, skipped)
    code, text = conformance(nowhere)
    assert code == 2 and f"{nowhere} is not there" in text


def test_a_directory_without_scripts_is_refused(tmp_path: Path) -> None:
    code, text = conformance(tmp_path)
    assert code == 2 and "holds no scripts" in text


def test_a_player_that_is_missing_or_breaks_down_fails_the_script(tmp_path: Path) -> None:
    script = HERE / "scripts" / "format.txt"
    code, text = conformance("--interaction", tmp_path / "player", script)
    assert code == 1 and "No such file" in text
    code, text = conformance("--interaction", "/bin/false", script)
    assert code == 1 and "exit code 1" in text
