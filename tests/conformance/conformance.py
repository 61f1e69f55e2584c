#!/usr/bin/env python3
"""Plays recorded scripts and compares what comes out with what they expect.

    conformance.py [options] PATH..     scripts, or directories to look for *.txt in

A player, of which there are two, prints a script with what libraft does in place of what the
script expects: `interaction`, which drives the C interface, and `configurations`, which calls the
crate for quorums and configuration changes. Which one a script is for shows in its first command.

Each script that differs is printed as a diff, each one that can't be played with the reason and
the line. The last line is `N passed, M failed`, and the exit code is 0 only if M is 0.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION_COMMANDS = {"committed", "vote", "simple", "enter-joint", "leave-joint"}
TIME_LIMIT_S = 60


class Unplayable(Exception):
    """A player has refused a script, or broken down."""


def main() -> int:
    parser = argparse.ArgumentParser(description="play recorded scripts on libraft")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path)
    parser.add_argument("--interaction", type=Path, default=ROOT / "build/conformance/interaction")
    parser.add_argument("--configurations", type=Path, default=ROOT / "target/debug/configurations")
    parser.add_argument("--no-cache", action="store_true", help="let each node ask for all entries but the newest")
    parser.add_argument("--optional", action="store_true", help="skip, with a word, a path that is not there")
    args = parser.parse_args()

    scripts: list[Path] = []
    for path in args.paths:
        if path.is_dir():
            found = sorted(path.rglob("*.txt"))
            if not found:
                parser.error(f"{path} holds no scripts (*.txt)")
            scripts += found
        elif path.is_file():
            scripts.append(path)
        elif args.optional:
            print(f"skipped: recorded scripts: {path} is not there")
        else:
            parser.error(f"{path} is not there")

    failed = 0
    for script in scripts:
        complaint = check(script, args.interaction, args.configurations, args.no_cache)
        if complaint:
            failed += 1
            print(complaint, end="\n\n")
    print(f"{len(scripts) - failed} passed, {failed} failed")
    return 1 if failed else 0


def check(script: Path, interaction: Path, configurations: Path, no_cache: bool) -> str:
    """What is wrong with the outcome of a script; empty if nothing is."""
    try:
        expected = script.read_text(encoding="utf-8")
        if first_command(expected) in CONFIGURATION_COMMANDS:
            played = play([str(configurations), str(script)])
        else:
            played = play([str(interaction), *(["--no-cache"] if no_cache else []), str(script)])
        return compare(script, expected, played)
    except (Unplayable, UnicodeDecodeError) as error:
        return f"{script} can't be played:\n{error}"


def first_command(script: str) -> str:
    for line in script.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            return words[0]
    return ""


def play(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIME_LIMIT_S, check=False
        )
    except OSError as error:
        raise Unplayable(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Unplayable(f"not done after {TIME_LIMIT_S} s") from error
    if done.returncode != 0:
        raise Unplayable(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout


def compare(script: Path, expected: str, played: str) -> str:
    if played == expected:
        return ""
    lines = difflib.unified_diff(
        expected.splitlines(), played.splitlines(), f"{script}: expected", f"{script}: played", lineterm=""
    )
    return "\n".join(lines) or f"{script}: differs in its last newline"


if __name__ == "__main__":
    sys.exit(main())
