"""What the tests of the wheel share: the files that `make wheel` has made, and somebody who installs them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "build" / "dist"


class User:
    """A virtual environment with nothing but the wheel, and an empty directory to work in."""

    def __init__(self, home: Path, base: str, wheel: Path) -> None:
        self.home = home / "project"
        self.home.mkdir()
        environment = home / "venv"
        if base == sys.executable:
            venv.create(environment, with_pip=False)
        else:
            self.check([base, "-m", "venv", "--without-pip", str(environment)], cwd=home)
        self.python = environment / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        self.check([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], cwd=home)

    def run(self, *arguments: str | Path) -> str:
        """What this environment's Python prints, for a program that ends well."""
        return self.check([str(self.python), *map(str, arguments)], cwd=self.home)

    def check(self, command: list[str], cwd: Path, tools: bool = False) -> str:
        """What a command prints. There is no Rust in its PATH, and nothing of the checkout's Python.

        `tools` lets it import what the checkout's environment has installed, but for libraft itself,
        which is there by a .pth file only.
        """
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
        if tools:
            variables["PYTHONPATH"] = sysconfig.get_path("purelib")
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout


def the_one(pattern: str) -> Path:
    """The only file of this kind: there is no choosing between an old one and a new one."""
    found = sorted(DIST.glob(pattern))
    assert len(found) == 1, f"make wheel leaves one {pattern} in {DIST}, but there are {found}"
    return found[0]


@pytest.fixture(scope="session")
def wheel() -> Path:
    return the_one("*.whl")


@pytest.fixture(scope="session")
def sdist() -> Path:
    return the_one("*.tar.gz")


@pytest.fixture(scope="session")
def user(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    assert "PYTHONPATH" not in os.environ
    return User(tmp_path_factory.mktemp("user"), sys.executable, wheel)
