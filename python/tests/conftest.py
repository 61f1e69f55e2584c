"""Clusters that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from raw_cluster import Cluster


@pytest.fixture
def make() -> Iterator[Callable[..., Cluster]]:
    """Makes clusters."""
    clusters: list[Cluster] = []

    def make(*arguments: object) -> Cluster:
        clusters.append(Cluster.of(*arguments))  # type: ignore[arg-type]
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.close()
