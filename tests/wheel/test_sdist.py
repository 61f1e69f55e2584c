"""The sdist: that all sources are in it which the extension is made of."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

from conftest import ROOT

# Always the same place, so that cargo need not begin anew each time.
UNPACKED = ROOT / "build" / "sdist"


def test_the_sdist_is_complete(sdist: Path) -> None:
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(UNPACKED, filter="data")
    (top,) = UNPACKED.iterdir()
    for name in ["LICENSE", "README.md", "pyproject.toml", "PKG-INFO", "Cargo.lock", "core/proto/raftpb.proto"]:
        assert (top / name).is_file(), name
    assert (top / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for name in ["core", "storage", "ffi", "python"]:
        assert (top / name / "Cargo.toml").is_file(), name
    before = packages(top / "Cargo.lock")
    # What it takes to build it, without the last steps; tests/wheel/from-sdist does those as well.
    command = ["cargo", "check", "--quiet", "--offline", "--package", "libraft-python"]
    command += ["--target-dir", str(ROOT / "target")]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Cargo takes out what only the other crates of the project need, and no other version of anything.
    assert packages(top / "Cargo.lock") < before


def packages(lock: Path) -> set[tuple[str, str]]:
    """The names and versions in a Cargo.lock."""
    return {(package["name"], package["version"]) for package in tomllib.loads(lock.read_text())["package"]}
