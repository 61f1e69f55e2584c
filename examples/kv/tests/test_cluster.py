"""Mixed clusters of the three servers under kills, restarts and membership changes.

No verdict depends on how long something takes: each wait has a deadline far beyond what
it needs, only so that a failure ends.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import LANGUAGES

import wire
import workload
from cluster import Client, Cluster, Node, Program, Unavailable
from workload import Load

DEMO = Path(__file__).resolve().parent.parent / "demo" / "demo.py"

MIXES = [f"{one},{two},{two}" for one in LANGUAGES for two in LANGUAGES if one != two]


def drive(tmp_path: Path, *arguments: str) -> str:
    """Runs the demo driver, which checks everything by itself; gives what it printed."""
    done = subprocess.run(
        [sys.executable, DEMO, "--data", tmp_path / "data", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("mix", MIXES)
def test_one_of_each_language_against_two_of_each_other(programs: dict[str, Program], tmp_path: Path, mix: str) -> None:
    printed = drive(tmp_path, "--nodes", mix, "--writes", "800", "--keys", "500", "--read-back", "150")
    assert "is replaced by" not in printed
    assert "ok: nothing acknowledged was lost" in printed


@pytest.mark.parametrize("extra", LANGUAGES)
def test_a_node_of_each_language_joins_and_leaves(programs: dict[str, Program], tmp_path: Path, extra: str) -> None:
    printed = drive(tmp_path, "--extra", extra, "--writes", "800", "--keys", "500", "--read-back", "150")
    assert f"node 4 ({programs[extra].title}) was added" in printed
    assert f"node 4 ({programs[extra].title}) was removed" in printed


def test_nodes_are_killed_again_and_again_under_load(programs: dict[str, Program], tmp_path: Path) -> None:
    printed = drive(tmp_path, "--soak", "25", "--keys", "1000", "--read-back", "300", "--seed", "5")
    assert "ok: nothing acknowledged was lost" in printed


# ---------------------------------------------------------------- one cluster, by hand


def write_some(cluster: Cluster, keys: int, writes: int, seed: int = 1) -> Load:
    """Writes until so many writes were acknowledged, and gives the load, which has stopped."""
    nodes = cluster.running()
    load = Load([node.address for node in nodes], 6, keys, seed)
    load.start()
    try:
        cluster.until(lambda: load.acknowledged >= writes or None, 120, f"{writes} writes")
    finally:
        load.stop()
    assert not load.refused() and not load.stale() and not load.unsettled
    return load


def check_all(cluster: Cluster, *loads: Load) -> None:
    """All running nodes have the same state, and in it is everything that was written."""
    nodes = cluster.running()
    statuses = cluster.wait_equal(nodes)
    expected: dict[bytes, bytes | None] = {}
    for load in loads:
        expected |= load.expected()
    assert {status["state_hash"] for status in statuses.values()} == {workload.state_hash(expected)}
    chooser = random.Random(1)
    sample = {name: expected[name] for name in chooser.sample(sorted(expected), min(100, len(expected)))}
    for node in nodes:
        assert workload.read_back(node.address, sample, 4, lambda _count: None) == []


def request(node: Node, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    client = Client(node.address, timeout_s=20)
    try:
        return client.request(method, target, body)
    finally:
        client.close()


def test_every_node_serves_everything(start_cluster: Callable[..., Cluster]) -> None:
    cluster = start_cluster("cpp", "go", "python")
    nodes = list(cluster.nodes.values())
    for writer in nodes:
        value = f"from node {writer.id}".encode()
        assert request(writer, "PUT", "/kv/shared", value)[0] == 200
        for reader in nodes:
            assert request(reader, "GET", "/kv/shared") == (200, value)
    for writer in nodes:
        assert request(writer, "DELETE", "/kv/shared")[0] == 200
        assert all(request(reader, "GET", "/kv/shared")[0] == 404 for reader in nodes)


def test_leadership_is_handed_over_when_any_node_is_asked(start_cluster: Callable[..., Cluster]) -> None:
    cluster = start_cluster("cpp", "go", "python")
    for asked in cluster.nodes.values():
        for target in cluster.nodes.values():

            def handed_over(asked: Node = asked, target: Node = target) -> bool | None:
                # Asked again: a leader that is new to its term, or a target that lags, may let it fall.
                code, body = request(asked, "PUT", f"/leader/{target.id}")
                assert code in (202, 409, 503), body
                if code == 202:
                    assert json.loads(body) == {"asked": target.id}
                if code != 409:
                    return None
                # And again: on a busy machine, another one may lead by now.
                status = target.status()
                if status is None or status["role"] != "leader":
                    return None
                assert set(status["progress"]) == {"1", "2", "3"}
                # The event may be told a moment later than the role.
                return "election_won" in [event["type"] for event in status["events"]] or None

            cluster.until(handed_over, 60, f"node {target.id} to lead")


def test_all_nodes_killed_at_once_come_back_with_everything(start_cluster: Callable[..., Cluster]) -> None:
    cluster = start_cluster("cpp", "go", "python")
    loads = []
    for turn in range(3):
        nodes = [node.address for node in cluster.running()]
        load = Load(nodes, 6, 200, seed=turn)
        # Each turn writes keys of its own.
        for writer in load.writers:
            writer.prefix = b"turn%d/" % turn
        load.start()
        cluster.until(lambda load=load: load.acknowledged >= 200 or None, 120, "writes")  # type: ignore[misc]
        for node in cluster.nodes.values():
            node.kill()
        cluster.start()
        cluster.wait_leader(60)
        load.stop()
        assert not load.unsettled and not load.stale() and not load.refused()
        loads.append(load)
    check_all(cluster, *loads)


def test_a_follower_that_lags_far_behind_is_brought_up_by_a_snapshot(start_cluster: Callable[..., Cluster]) -> None:
    for behind in LANGUAGES:
        others = [language for language in LANGUAGES if language != behind]
        cluster = start_cluster(behind, *others)
        load = write_some(cluster, 100, 50)
        lagging = cluster.nodes[1]
        lagging.kill()
        last = max(int(status["last_index"]) for status in cluster.statuses().values())
        cluster.wait_leader(other_than=1)
        later = Load([node.address for node in cluster.running()], 8, 300, seed=2)
        for writer in later.writers:
            writer.prefix = b"later/"
        later.start()

        def compacted(cluster: Cluster = cluster, last: int = last) -> bool | None:
            statuses = cluster.statuses().values()
            return all(int(status["first_index"]) > last + 1 for status in statuses) or None

        cluster.until(compacted, 120, "the others to compact their logs")
        lagging.start()
        cluster.wait_serving(lagging)
        status = cluster.wait_caught_up(lagging)
        later.stop()
        assert int(status["first_index"]) > last + 1, "it was sent entries that the others had dropped"
        check_all(cluster, load, later)
        cluster.kill_all()


def test_without_a_majority_nothing_is_acknowledged(start_cluster: Callable[..., Cluster]) -> None:
    for alone in (1, 2, 3):
        cluster = start_cluster("cpp", "go", "python")
        load = write_some(cluster, 50, 50)
        survivor = cluster.nodes[alone]
        for node in cluster.nodes.values():
            if node is not survivor:
                node.kill()
        for method, body in (("PUT", b"x"), ("GET", None), ("DELETE", None)):
            code, answer = request(survivor, method, "/kv/minority", body)
            assert code == 503 and json.loads(answer)["error"], (method, code, answer)
        assert request(survivor, "PUT", "/members/9", b"127.0.0.1:7009")[0] == 503
        assert survivor.status() is not None
        for node in cluster.nodes.values():
            if node is not survivor:
                node.start()
        for node in cluster.nodes.values():
            cluster.wait_serving(node)
        cluster.wait_leader()
        # What was answered 503 may still have happened: the same write again settles it.
        for target in ("/kv/minority",):
            cluster.until(
                lambda cluster=cluster, target=target: (  # type: ignore[misc]
                    request(cluster.wait_leader(), "DELETE", target)[0] == 200 or None
                ),
                30,
                "a write after the majority is back",
            )
        check_all_but_late(cluster, load)
        cluster.kill_all()


def check_all_but_late(cluster: Cluster, load: Load) -> None:
    """Like check_all, where a late write of another key may still have come in."""
    cluster.wait_equal(cluster.running())
    for node in cluster.running():
        assert workload.read_back(node.address, load.expected(), 4, lambda _count: None) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_change_beside_another_one_is_409(start_cluster: Callable[..., Cluster], language: str) -> None:
    cluster = start_cluster(language, language, language)
    # Changes of others that stay pending, since nobody acknowledges them.
    context = wire.conf_change_context(77, 1, "127.0.0.1:7005")
    change = wire.entry(wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 5, context))
    answers = []
    # A leader without followers steps down within a second. On a machine that is too busy it may do
    # so before it is asked, which is answered 503: then once more.
    for _ in range(5):
        leader = cluster.wait_leader(60)
        assert request(leader, "PUT", "/kv/first", b"1")[0] in (200, 503)
        for node in cluster.nodes.values():
            if node is not leader:
                node.kill()
        assert request(leader, "POST", "/raft", wire.frames(wire.proposal(leader.id, 77, change)))[0] == 204
        code, body = request(leader, "PUT", "/members/9", b"127.0.0.1:7009")
        answers.append((code, json.loads(body)["error"]))
        if code == 409:
            break
        assert code == 503, answers
        for node in cluster.nodes.values():
            if node is not leader:
                node.start()
                cluster.wait_serving(node)
    # Not what a server says of its own accord, but that the leader refused it.
    assert answers[-1][0] == 409 and answers[-1][1].startswith("refused: "), answers


@pytest.mark.parametrize("languages", [("cpp", "go", "python"), ("go", "python", "cpp"), ("python", "cpp", "go")])
def test_a_removed_leader_stands_aside(start_cluster: Callable[..., Cluster], languages: Sequence[str]) -> None:
    cluster = start_cluster(*languages)
    load = write_some(cluster, 50, 50)
    leader = cluster.wait_leader()
    # Asked of the leader itself, so that 200 means that it has applied its own removal.
    cluster.until(
        lambda: request(leader, "DELETE", f"/members/{leader.id}")[0] in (200, 404) or None, 30, "the removal"
    )
    cluster.until(lambda: (leader.status() or {}).get("role") == "removed" or None, 30, "the role removed")
    successor = cluster.wait_leader(other_than=leader.id)
    assert request(leader, "PUT", "/kv/x", b"1")[0] == 503
    assert request(leader, "GET", "/kv/x")[0] == 503
    others = [node for node in cluster.nodes.values() if node is not leader]
    for node in others:
        cluster.until(
            lambda node=node: (node.status() or {}).get("removed") == [leader.id] or None,  # type: ignore[misc]
            30,
            "the removal to arrive",
        )
        stray = wire.frames(wire.message(wire.MSG_HEARTBEAT_RESP, node.id, leader.id))
        assert request(node, "POST", "/raft", stray)[0] == 410
        assert request(node, "PUT", f"/members/{leader.id}", leader.address.encode())[0] == 409
        assert request(node, "DELETE", f"/members/{leader.id}")[0] == 404
    assert request(successor, "PUT", "/kv/after", b"1")[0] == 200
    assert request(others[0], "DELETE", "/kv/after")[0] == 200
    # It stays removed when it is started again.
    assert leader.stop() == 0, leader.last_words()
    leader.start()
    cluster.wait_serving(leader)
    cluster.until(lambda: (leader.status() or {}).get("role") == "removed" or None, 30, "the role removed again")
    assert leader.stop() == 0
    del cluster.nodes[leader.id]
    check_all(cluster, load)


def test_a_member_address_survives_restarts_and_snapshots(
    start_cluster: Callable[..., Cluster], programs: dict[str, Program]
) -> None:
    cluster = start_cluster("cpp", "go", "python")
    load = write_some(cluster, 50, 50)
    added = cluster.joiner(programs["go"])
    added.start()
    cluster.wait_serving(added)
    cluster.change_members("PUT", added)
    cluster.wait_caught_up(added)
    for node in cluster.nodes.values():
        node.kill()
    cluster.start()
    cluster.wait_leader(60)
    members = {str(node.id): node.address for node in cluster.nodes.values()}
    for node in cluster.nodes.values():
        cluster.until(lambda node=node: (node.status() or {}).get("members") == members or None, 30, "the members")  # type: ignore[misc]
    check_all(cluster, load)


# ---------------------------------------------------------------- garbage, under load


def test_garbage_under_load_changes_nothing(start_cluster: Callable[..., Cluster]) -> None:
    cluster = start_cluster("cpp", "go", "python")
    processes = {node.id: node.process for node in cluster.nodes.values()}
    load = Load([node.address for node in cluster.nodes.values()], 4, 200, seed=3)
    load.start()
    problems: list[str] = []
    throwers = [
        threading.Thread(target=throw_garbage, args=(node, problems), daemon=True) for node in cluster.nodes.values()
    ]
    for thrower in throwers:
        thrower.start()
    for thrower in throwers:
        thrower.join()
    assert problems == []
    cluster.until(lambda: load.acknowledged >= 100 or None, 120, "writes")
    load.stop()
    assert not load.refused() and not load.stale() and not load.unsettled
    for node in cluster.nodes.values():
        assert node.alive and node.process is processes[node.id], node.last_words()
    check_all(cluster, load)


def throw_garbage(node: Node, problems: list[str]) -> None:
    """Random bytes at every endpoint and at the bare socket of one node."""
    chance = random.Random(node.id)
    host, _, port = node.address.rpartition(":")
    client = Client(node.address)
    targets = ["/raft", "/kv/", "/members/x", "/status", "/", "/nothing", "/kv/%zz"]
    for turn in range(150):
        body = chance.randbytes(chance.choice([0, 1, 7, 100, 5000]))
        target, method = targets[turn % len(targets)], chance.choice(["POST", "PUT", "DELETE", "PATCH"])
        try:
            code, _ = client.request(method, target, body)
            if not 400 <= code < 500:
                problems.append(f"{method} {target} at {node.name}: {code}")
        except Unavailable:
            # A server may close a connection on which it was sent a body that it did
            # not want; that it is still there is seen from the next request.
            pass
        with socket.create_connection((host, int(port)), 20) as connection:
            try:
                connection.sendall(chance.randbytes(chance.randrange(1, 3000)))
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
    client.close()
