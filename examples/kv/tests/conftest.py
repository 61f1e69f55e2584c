"""What the end-to-end tests share: the built servers, and clusters that end with the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))

from cluster import Cluster, Program, built_programs, why_absent

# All three, unless somebody who works on one server asks for it alone:
#     KV_LANGUAGES=go .venv/bin/pytest examples/kv/tests/test_http.py
LANGUAGES = tuple(os.environ.get("KV_LANGUAGES", "cpp,go,python").split(","))


@pytest.fixture(scope="session")
def programs() -> dict[str, Program]:
    """The servers. One that is missing is a failure, not a reason to skip."""
    built = built_programs()
    for language in LANGUAGES:
        if language not in built:
            pytest.fail(f"there is no {language} server: {why_absent(language)}; run: make servers")
    return built


@pytest.fixture
def start_cluster(programs: dict[str, Program], tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters that are killed after the test, whatever happens."""
    clusters: list[Cluster] = []

    def start(*languages: str) -> Cluster:
        directory = tmp_path / f"cluster-{len(clusters)}"
        cluster = Cluster(directory, [programs[language] for language in languages], seed=len(clusters) + 1)
        clusters.append(cluster)
        cluster.start()
        cluster.wait_leader()
        return cluster

    yield start
    for cluster in clusters:
        cluster.kill_all()
