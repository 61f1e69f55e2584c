"""Builds the programs that are measured, into target/bench/bin."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from contestants import HERE, OUT


def build(peers: bool) -> None:
    """Builds the programs, into OUT/bin."""
    (OUT / "bin").mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(OUT / "cargo"))
    packages = ["bench-libraft"]
    if peers:
        packages.append("bench-raft-rs")
        environment.setdefault("PROTOC", bundled_protoc())
    command = ["cargo", "build", "--release", "--quiet", "--locked"]
    call([*command, *(f"--package={name}" for name in packages)], HERE, environment)
    for name in [*packages, "bench-disk"]:
        shutil.copy2(OUT / "cargo" / "release" / name, OUT / "bin" / name)
    if peers:
        # In a directory of its own, so that neither is built anew each time.
        environment["CARGO_TARGET_DIR"] = str(OUT / "cargo-pb")
        call([*command, "--package=bench-raft-rs", "--no-default-features", "--features=protobuf"], HERE, environment)
        shutil.copy2(OUT / "cargo-pb" / "release" / "bench-raft-rs", OUT / "bin" / "bench-raft-rs-pb")
    call(["make", "--quiet", "-C", str(HERE), f"OUT={OUT}/bin"], HERE, dict(os.environ))
    if peers and (OUT / "canonical" / "usr" / "include" / "raft.h").exists():
        call(["make", "--quiet", "-C", str(HERE), f"OUT={OUT}/bin", "canonical"], HERE, dict(os.environ))
    variants = [("bench-go", ["-tags=libraft"])]
    if peers:
        variants.append(("bench-etcd-3.6", ["-tags=v36", "-modfile=v36.mod"]))
        variants.append(("bench-etcd-3.7", ["-tags=v37"]))
    for name, flags in variants:
        call(["go", "build", *flags, "-o", str(OUT / "bin" / name), "."], HERE / "go", dict(os.environ))


def bundled_protoc() -> str:
    """raft-rs compiles its messages with protoc, and one of its build dependencies brings one along."""
    host = re.search(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    command += ["--filter-platform", host[1]] if host else []
    metadata = json.loads(subprocess.check_output(command, cwd=HERE, text=True))
    for package in metadata["packages"]:
        if package["name"] == "protobuf-build":
            machine = {"aarch64": "aarch_64"}.get(platform.machine(), platform.machine())
            protoc = Path(package["manifest_path"]).parent / "bin" / f"protoc-linux-{machine}"
            if protoc.exists():
                return str(protoc)
    return shutil.which("protoc") or "protoc"


def call(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=directory, env=environment, check=True)
