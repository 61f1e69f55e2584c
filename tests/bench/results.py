"""What a run of the benchmarks has measured so far, in a file that is written after each part of it.

So whatever ends a run early, a program that fails or a machine that stops, costs the part that was under
way, and `--resume` takes the run up there. That is only done for the same sources, settings and tools:
figures that are compared with each other come from one run. Does not know what the parts are, or how
they are measured.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from contestants import JSON, ROOT


class Results:
    """A run's report, and the file that it is kept in."""

    def __init__(self, file: Path, settings: JSON, resume: bool) -> None:
        self.file = file
        self.report: JSON = {"settings": settings, "finished": False, "workloads": {}}
        if resume and file.exists():
            self.report = taken_up(file, settings)
        elif file.exists():
            # A quick look at one workload is not to cost somebody the figures of hours, and nor is a second.
            before = itertools.count(1)
            free = (file.with_stem(f"{file.stem}-before-{number}") for number in before)
            file.replace(next(name for name in free if not name.exists()))

    def part(self, section: str, name: str, measure: Callable[[], JSON]) -> JSON:
        """What was measured of this part before, or is measured now."""
        parts: JSON = self.report.setdefault(section, {})
        if name not in parts:
            parts[name] = measure()
            self.save()
        result: JSON = parts[name]
        return result

    def finish(self) -> None:
        self.report["finished"] = True
        self.save()

    def save(self) -> None:
        """The file holds one state or the next, whenever this is interrupted."""
        draft = self.file.with_suffix(".tmp")
        draft.write_text(json.dumps(self.report, indent=1) + "\n")
        draft.replace(self.file)


def taken_up(file: Path, settings: JSON) -> JSON:
    """The report of an earlier run with the same settings."""
    report: JSON = json.loads(file.read_text())
    before = report["settings"]
    differing = [name for name in settings if before[name] != settings[name]]
    if not settings["sources"]:
        raise SystemExit(f"{file} can't be taken up: without git nobody knows whether it is of these sources")
    if differing:
        changes = ", ".join(f"{name}: {before[name]!r}, now {settings[name]!r}" for name in differing)
        raise SystemExit(
            f"{file} can't be taken up, it is of another run ({changes}); all is measured without --resume"
        )
    return report


def finished(file: Path, unfinished_too: bool) -> JSON:
    """A report to publish."""
    if not file.exists():
        raise SystemExit(f"{file} is not there: bench.py run makes it")
    report: JSON = json.loads(file.read_text())
    if not report["finished"] and not unfinished_too:
        raise SystemExit(f"{file} is of a run that was interrupted: bench.py run --resume goes on with it")
    if report["settings"].get("only") and not unfinished_too:
        raise SystemExit(
            f"{file} is of {', '.join(report['settings']['only'])} only: --unfinished publishes it all the same"
        )
    return report


def sources() -> str:
    """The commit, and what was changed since."""

    def git(*arguments: str) -> bytes:
        return subprocess.check_output(["git", *arguments], cwd=ROOT)

    try:
        commit, changes = git("rev-parse", "HEAD").decode().strip(), git("diff", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit} with changes {hashlib.sha256(changes).hexdigest()[:12]}" if changes else commit
