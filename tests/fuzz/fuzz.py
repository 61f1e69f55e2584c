#!/usr/bin/env python3
"""Builds the fuzzers and lets them run, two at a time.

    tests/fuzz/fuzz.py                       each for ten minutes
    tests/fuzz/fuzz.py --seconds 60          each for a minute
    tests/fuzz/fuzz.py --target abi          only this one
    tests/fuzz/fuzz.py --minimize            makes the corpus small again, after taking in what
                                         earlier runs have found

They are built with the flags that cargo-fuzz passes, without needing it (`cargo fuzz run` works as
well). What a run finds for its corpus is kept in build/fuzz/corpus; an input that fails is in
build/fuzz/artifacts, and is the last thing that is printed. The last line is `N passed, M failed`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
BUILD = ROOT / "build" / "fuzz"
# Beside what the rest of the project builds, which has other flags.
TARGET_DIR = Path(os.environ.get("LIBRAFT_FUZZ_TARGET_DIR", ROOT / "target" / "fuzz"))

# What cargo-fuzz 0.13 sets for a release build with AddressSanitizer.
FLAGS = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Ccodegen-units=1",
]


@dataclasses.dataclass(frozen=True)
class Target:
    """A fuzzer, and the longest input that makes sense to it."""

    name: str
    max_len: int


TARGETS = [
    Target("step", 1024),
    Target("script", 1024),
    Target("abi", 1024),
    Target("storage", 512),
    Target("recording", 8192),
]

# In MiB: for the whole process, and for one allocation. Seconds for one input, on a machine that may
# be busy with other things.
RSS_LIMIT = 2048
MALLOC_LIMIT = 256
TIMEOUT = 60


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the fuzzers and lets them run.")
    parser.add_argument("--target", choices=[target.name for target in TARGETS])
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0: another each time")
    parser.add_argument("--minimize", action="store_true", help="make the corpus small again")
    arguments = parser.parse_args()
    targets = [target for target in TARGETS if arguments.target in (None, target.name)]
    begun = time.monotonic()
    binaries = build(targets)
    print(f"built in {time.monotonic() - begun:.0f} s", flush=True)
    if arguments.minimize:
        for target in targets:
            minimize(target, binaries)
        return 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda target: run(target, binaries, arguments.seconds, arguments.seed), targets))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed", flush=True)
    return 0 if all(results) else 1


def host() -> str:
    version = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))


def environment() -> dict[str, str]:
    result = dict(os.environ)
    # A sanitizer is an option of the nightly compiler. What this allows here only serves tests.
    result["RUSTC_BOOTSTRAP"] = "1"
    result["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(FLAGS)
    result["ASAN_OPTIONS"] = "detect_odr_violation=0"
    return result


def build(targets: list[Target]) -> Path:
    """Builds the targets, and returns where they are."""
    triple = host()
    # A target has to be named, or else build scripts would be built with the flags as well.
    command = ["cargo", "build", "--release", "--target", triple]
    command += ["--manifest-path", str(HERE / "Cargo.toml"), "--target-dir", str(TARGET_DIR)]
    for target in targets:
        command += ["--bin", target.name]
    subprocess.run(command, check=True, env=environment())
    return TARGET_DIR / triple / "release"


def options(target: Target) -> list[str]:
    return [
        f"-max_len={target.max_len}",
        f"-rss_limit_mb={RSS_LIMIT}",
        f"-malloc_limit_mb={MALLOC_LIMIT}",
        f"-timeout={TIMEOUT}",
        "-len_control=0",
        "-print_final_stats=1",
    ]


def run(target: Target, binaries: Path, seconds: int, seed: int) -> bool:
    """Lets one fuzzer run, beginning with the corpus. Returns whether nothing was found."""
    found = BUILD / "corpus" / target.name
    artifacts = BUILD / "artifacts" / target.name
    for folder in (found, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(binaries / target.name), *options(target)]
    # Without any time, only what the corpus has.
    limit = f"-max_total_time={seconds}" if seconds else "-runs=0"
    command += [f"-seed={seed}", limit, f"-artifact_prefix={artifacts}/", str(found)]
    if (CORPUS / target.name).is_dir():
        command.append(str(CORPUS / target.name))
    log = BUILD / f"{target.name}.log"
    with log.open("wb") as output:
        code = subprocess.run(command, env=environment(), stdout=output, stderr=subprocess.STDOUT).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    executed = re.findall(r"number_of_executed_units:\s*(\d+)", text)
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    edges, features, inputs = covered[-1] if covered else ("?", "?", "?")
    verdict = "ok" if code == 0 else f"FAILED ({code})"
    print(
        f"{target.name:<10} {verdict}: {executed[-1] if executed else '?'} executions,"
        f" {edges} edges, {features} features, {inputs} inputs in the corpus",
        flush=True,
    )
    if code != 0:
        begin = max(0, *(text.find(mark) for mark in ("panicked at", "ERROR: ")))
        print("\n".join(f"    {line}" for line in text[begin:].splitlines()[:60]), flush=True)
        for line in re.findall(r"Test unit written to (.*)", text):
            print(f"    again: {binaries / target.name} {line}", flush=True)
    return code == 0


def minimize(target: Target, binaries: Path) -> None:
    """Keeps of the corpus, and of what has been found, what reaches something that nothing else does."""
    kept = CORPUS / target.name
    kept.mkdir(parents=True, exist_ok=True)
    merged = BUILD / "merged" / target.name
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    sources = [str(kept), str(BUILD / "corpus" / target.name)]
    command = [str(binaries / target.name), *options(target), "-merge=1", str(merged)]
    command += [source for source in sources if Path(source).is_dir()]
    subprocess.run(command, check=True, env=environment(), capture_output=True)
    shutil.rmtree(kept)
    shutil.copytree(merged, kept)
    files = list(kept.iterdir())
    print(f"{target.name:<10} {len(files)} inputs, {sum(file.stat().st_size for file in files)} bytes")


if __name__ == "__main__":
    sys.exit(main())
