"""The wheel: what is in it, what it says of itself, and that it works for somebody who has nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, User
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from trove_classifiers import classifiers

MODULE = "libraft/_libraft.abi3.so"
NEWER = ["python3.12", "python3.13", "python3.14"]

MISTAKES = """\
import libraft

node = libraft.RawNode(libraft.Config(id="one"), libraft.MemoryStorage())
node.propose("text")
index: str = node.ready().entries[0].index
libraft.no_such_thing
"""


def content(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Metadata.from_email(archive.read(name), validate=True)


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        str(path.relative_to(ROOT / "python" / "package"))
        for path in (ROOT / "python" / "package").rglob("*")
        if path.suffix in {".py", ".pyi", ".typed"}
    }
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == package | {MODULE}
    assert {"libraft/py.typed", "libraft/_libraft.pyi"} <= names
    (license_file,) = [name for name in info if name.endswith("/licenses/LICENSE")]
    assert content(wheel, license_file) == (ROOT / "LICENSE").read_bytes()


def test_the_metadata_is_what_an_index_takes(wheel: Path) -> None:
    said = metadata(wheel)
    workspace = (ROOT / "Cargo.toml").read_text()
    version = re.search(r'^version = "(.+)"$', workspace, re.M)
    assert version is not None and said.version == Version(version[1])
    assert said.name == "libraft" and said.license_expression == "Apache-2.0"
    assert set(said.classifiers or ()) <= classifiers
    for minor in range(11, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in (said.classifiers or ())
    assert said.requires_python is not None and "3.11" in said.requires_python and "3.10" not in said.requires_python
    assert said.description_content_type is not None and said.description_content_type.startswith("text/markdown")
    assert said.description is not None
    assert said.description.strip() == (ROOT / "python" / "README.md").read_text().strip()
    # It needs nothing; what only a part needs is asked for by name.
    assert all("extra ==" in requirement for requirement in map(str, said.requires_dist or ()))


def test_one_wheel_is_for_all_later_versions(wheel: Path) -> None:
    _, _, _, tags = parse_wheel_filename(wheel.name)
    assert {(tag.interpreter, tag.abi) for tag in tags} == {("cp311", "abi3")}
    command = [sys.executable, "-m", "abi3audit", "--strict", "--report", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (module,) = json.loads(done.stdout)["specs"][str(wheel)]["wheel"]
    result = module["result"]
    assert module["name"] == Path(MODULE).name and result["is_abi3"] and result["baseline"] == "3.11"
    assert result["is_abi3_baseline_compatible"] and not result["non_abi3_symbols"], result


def test_the_platform_tag_asks_for_the_libc_that_is_needed(wheel: Path, tmp_path: Path) -> None:
    module = tmp_path / "module.so"
    module.write_bytes(content(wheel, MODULE))
    symbols = subprocess.run(["objdump", "-T", module], capture_output=True, text=True, check=True).stdout
    needed = max((int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols))
    _, _, _, tags = parse_wheel_filename(wheel.name)
    for tag in tags:
        promised = re.match(r"manylinux_(\d+)_(\d+)_", tag.platform)
        assert promised is not None, tag
        assert (int(promised[1]), int(promised[2])) >= needed
    headers = subprocess.run(["objdump", "-p", module], capture_output=True, text=True, check=True).stdout
    libraries = set(re.findall(r"NEEDED\s+(\S+)", headers))
    assert libraries <= {"libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_the_program_of_the_readme_runs(user: User) -> None:
    printed = user.run("-I", ROOT / "examples" / "quickstart" / "quickstart.py")
    assert "b'hello'" in printed
    where = user.run("-c", "import libraft; print(libraft.__file__)")
    assert str(user.python.parent.parent) in where


def interpreter(name: str) -> str | None:
    """A Python of this version that starts, from the PATH or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    version = name.removeprefix("python")
    places = [*sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/{name}"))), shutil.which(name)]
    for place in filter(None, places):
        if subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return place
    return None


@pytest.mark.parametrize("name", NEWER)
def test_the_same_wheel_works_in_later_versions(name: str, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(name)
    if python is None:
        pytest.skip(f"{name} is not installed here")
    printed = User(tmp_path, python, wheel).run("-I", ROOT / "examples" / "quickstart" / "quickstart.py")
    assert "b'hello'" in printed


def test_tests_of_the_package_pass_on_what_is_installed(user: User, tmp_path: Path) -> None:
    tests = tmp_path / "python" / "tests"
    tests.mkdir(parents=True)
    for name in ["conftest.py", "raw_cluster.py", "test_raw_node.py", "test_events.py", "test_recording.py"]:
        shutil.copy(ROOT / "python" / "tests" / name, tests)
    command = [str(user.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    printed = user.check(command, cwd=user.home, tools=True)
    assert re.search(r"\d{2,} passed", printed), printed


def mypy(user: User, program: Path) -> subprocess.CompletedProcess[str]:
    """Strict, from the directory of the program, with the packages of the user's environment."""
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(user.python), program.name]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)


def test_a_users_project_is_checked_against_the_stubs(user: User) -> None:
    program = user.home / "program.py"
    shutil.copy(ROOT / "examples" / "quickstart" / "quickstart.py", program)
    done = mypy(user, program)
    assert done.returncode == 0 and "Success" in done.stdout, done.stdout + done.stderr
    program.write_text(MISTAKES)
    done = mypy(user, program)
    lines = {int(line) for line in re.findall(r"program.py:(\d+): error", done.stdout)}
    assert lines == {3, 4, 5, 6}, done.stdout + done.stderr


def test_nothing_of_the_checkout_is_in_the_way(user: User) -> None:
    assert user.run("-c", "import sys; print(any('site-packages' in p for p in sys.path))").strip() == "True"
    assert sysconfig.get_path("purelib") not in user.run("-c", "import sys; print(sys.path)")
