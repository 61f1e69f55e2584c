"""Each server answers as examples/kv/README.md says, and bad input harms nothing.

One single-node cluster for each language, shared by the tests of this module: whatever a
test sends, the next one must find the server whole.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import LANGUAGES
from prometheus_client.parser import text_string_to_metric_families

import wire
from cluster import Client, Cluster, Node, Program, Unavailable, free_ports, percent_encoded

PAGE = Path(__file__).resolve().parent.parent / "web" / "index.html"
MIB = 1 << 20
STRANGER = 77


@pytest.fixture(scope="module", params=LANGUAGES)
def node(
    request: pytest.FixtureRequest, programs: dict[str, Program], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp(f"single-{request.param}")
    with Cluster(directory, [programs[request.param]], seed=1) as cluster:
        cluster.start()
        yield cluster.wait_leader()


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    """A connection; afterwards the server must be the same process and still take writes."""
    before = node.process
    client = Client(node.address)
    yield client
    client.close()
    assert node.alive and node.process is before, node.last_words()
    after = Client(node.address)
    assert after.request("PUT", "/kv/still-there", b"yes")[0] == 200
    assert after.request("GET", "/kv/still-there") == (200, b"yes")
    after.close()


def error_of(answer: tuple[int, bytes], code: int) -> str:
    """Checks that an answer is an error of this kind, and gives its text."""
    assert answer[0] == code, answer
    body = json.loads(answer[1])
    assert isinstance(body["error"], str) and body["error"]
    return str(body["error"])


def status_of(node: Node) -> dict[str, Any]:
    status = node.status()
    assert status is not None
    return status


def head_of(node: Node, *lines: str) -> bytes:
    """The head of what is answered to this request, in lower case."""
    host, _, port = node.address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall("\r\n".join([*lines, "Host: x", "Connection: close", "", ""]).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.split(b"\r\n\r\n")[0].lower()


def state_of(node: Node) -> tuple[Any, ...]:
    """What no bad request may change."""
    status = status_of(node)
    return status["state_hash"], status["keys"], status["bytes"], status["members"], status["removed"]


# ---------------------------------------------------------------- keys and values


@pytest.mark.parametrize(
    "key",
    [b"a", b"greeting", b"a/b", b"a//b", b"..", b"./x", b"\x00", b"\xff\xfe", b"a b+c", b"%", b"?#", "ключ".encode()],
)
def test_a_value_comes_back_under_any_key(client: Client, key: bytes) -> None:
    target = f"/kv/{percent_encoded(key)}"
    code, body = client.request("PUT", target, b"value of " + key)
    assert code == 200 and isinstance(json.loads(body)["index"], int)
    assert client.request("GET", target) == (200, b"value of " + key)
    assert client.request("DELETE", target)[0] == 200
    error_of(client.request("GET", target), 404)


def test_a_slash_and_its_escape_are_the_same_key(client: Client) -> None:
    assert client.request("PUT", "/kv/dir/file", b"1")[0] == 200
    assert client.request("GET", "/kv/dir%2Ffile") == (200, b"1")
    assert client.request("GET", "/kv/dir%2ffile?query=ignored") == (200, b"1")
    error_of(client.request("GET", "/kv/dir//file"), 404)


def test_a_plus_is_a_plus(client: Client) -> None:
    assert client.request("PUT", "/kv/one+two", b"1")[0] == 200
    assert client.request("GET", "/kv/one%2Btwo") == (200, b"1")
    error_of(client.request("GET", "/kv/one%20two"), 404)


@pytest.mark.parametrize("size", [0, 1, 1000, MIB])
def test_values_of_every_size_come_back(client: Client, size: int) -> None:
    value = random.Random(size).randbytes(size)
    assert client.request("PUT", "/kv/sized", value)[0] == 200
    assert client.request("GET", "/kv/sized") == (200, value)
    assert client.request("DELETE", "/kv/sized")[0] == 200


def test_deleting_what_is_not_there_is_200(client: Client) -> None:
    assert client.request("DELETE", "/kv/never-written")[0] == 200


def test_the_longest_key_works_and_a_longer_one_is_400(client: Client) -> None:
    longest = "%6B" * 512
    assert client.request("PUT", f"/kv/{longest}", b"v")[0] == 200
    assert client.request("GET", "/kv/" + "k" * 512) == (200, b"v")
    assert client.request("DELETE", f"/kv/{longest}")[0] == 200
    for method in ("PUT", "GET", "DELETE"):
        error_of(client.request(method, "/kv/" + "k" * 513, b"" if method == "PUT" else None), 400)


@pytest.mark.parametrize("target", ["/kv/", "/kv/?x", "/kv/%", "/kv/%4", "/kv/%zz", "/kv/a%g0", "/kv/%%41", "/kv/%-1"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_bad_key_is_400(node: Node, client: Client, method: str, target: str) -> None:
    before = state_of(node)
    # An HTTP library may turn it down before the program sees it, with a text of its own.
    assert client.request(method, target, b"" if method == "PUT" else None)[0] == 400
    assert state_of(node) == before


def send_large(node: Node, target: str, head: str, chunks: list[bytes]) -> int | None:
    """Sends a large body on a raw socket; gives the status, None if the server just closed.

    A server that answers early and closes may lose its answer to the reset that follows.
    """
    host, _, port = node.address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        try:
            connection.sendall(f"PUT {target} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            for chunk in chunks:
                connection.sendall(chunk)
        except OSError:
            pass
        try:
            first = connection.recv(4096)
        except OSError:
            return None
    return int(first.split()[1]) if first else None


def test_a_body_over_1_mib_is_413_by_its_length(node: Node, client: Client) -> None:
    before = state_of(node)
    size = MIB + 1
    code = send_large(node, "/kv/large", f"Content-Length: {size}", [b"x" * size])
    assert code in (413, None)
    error_of(client.request("GET", "/kv/large"), 404)
    assert state_of(node) == before


def test_a_body_over_1_mib_is_413_in_chunks(node: Node, client: Client) -> None:
    before = state_of(node)
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    code = send_large(node, "/kv/large", "Transfer-Encoding: chunked", [chunk] * 17 + [b"0\r\n\r\n"])
    assert code in (413, None)
    error_of(client.request("GET", "/kv/large"), 404)
    assert state_of(node) == before


def test_a_chunked_body_within_bounds_is_taken(node: Node, client: Client) -> None:
    code = send_large(node, "/kv/chunked", "Transfer-Encoding: chunked", [b"5\r\nhello\r\n", b"0\r\n\r\n"])
    assert code == 200
    assert client.request("GET", "/kv/chunked") == (200, b"hello")


# ---------------------------------------------------------------- paths and methods


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/kv/a"),
        ("PATCH", "/kv/a"),
        ("PUT", "/status"),
        ("DELETE", "/status"),
        ("POST", "/metrics"),
        ("POST", "/"),
        ("GET", "/raft"),
        ("PUT", "/raft"),
        ("GET", "/members/2"),
        ("POST", "/members/2"),
        ("GET", "/leader/2"),
        ("POST", "/leader/2"),
        ("OPTIONS", "/leader/2"),
    ],
)
def test_another_method_is_405(node: Node, client: Client, method: str, target: str) -> None:
    before = state_of(node)
    error_of(client.request(method, target, b"x" if method not in ("GET", "OPTIONS") else None), 405)
    assert state_of(node) == before


def test_a_get_may_say_that_its_body_is_empty(client: Client) -> None:
    client.request("PUT", "/kv/empty", b"x")
    # Twice, since the connection must be fit for another request.
    for _ in range(2):
        assert client.request("GET", "/kv/empty", headers={"Content-Length": "0"}) == (200, b"x")


def test_405_names_the_methods_that_work(node: Node, client: Client) -> None:
    head = head_of(node, "POST /kv/a HTTP/1.1", "Content-Length: 0")
    allow = next(line for line in head.split(b"\r\n") if line.startswith(b"allow:"))
    assert {name.strip() for name in allow.split(b":")[1].split(b",")} >= {b"get", b"put", b"delete"}


@pytest.mark.parametrize(
    "target", ["/nothing", "/kv", "/members", "/members/", "/leader", "/leader/", "/status/x", "/raft/x", "/index.html"]
)
def test_an_unknown_path_is_404(client: Client, target: str) -> None:
    error_of(client.request("GET", target), 404)


def test_the_page_is_the_shared_file(client: Client) -> None:
    code, body = client.request("GET", "/")
    assert code == 200 and body == PAGE.read_bytes()


def test_the_page_may_not_be_framed(node: Node, client: Client) -> None:
    head = head_of(node, "GET / HTTP/1.1")
    assert b" 200 " in head and b"\r\nx-frame-options: deny" in head


@pytest.mark.parametrize("target", ["/kv/a", "/members/2", "/members/1", "/leader/1", "/raft"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_page_from_elsewhere_is_not_permitted_to_change_anything(
    node: Node, client: Client, method: str, target: str
) -> None:
    asked = f"Access-Control-Request-Method: {method}"
    head = head_of(node, f"OPTIONS {target} HTTP/1.1", "Origin: http://elsewhere", asked)
    assert b" 405 " in head and b"access-control-" not in head


# ---------------------------------------------------------------- status


def test_status_has_every_field(node: Node, client: Client) -> None:
    assert client.request("PUT", "/kv/a", b"1")[0] == 200
    status = status_of(node)
    assert status["id"] == 1 and status["leader"] == 1 and status["role"] == "leader"
    assert status["address"] == node.address
    assert status["language"] == node.program.title
    assert status["members"] == {"1": node.address} and status["removed"] == []
    assert status["term"] >= 2
    assert 2 <= status["first_index"] <= status["applied"] <= status["commit"] <= status["last_index"]
    assert 1 <= status["snapshot_index"] <= status["applied"]
    assert status["uptime_s"] > 0


def test_status_tells_of_members_and_events(node: Node, client: Client) -> None:
    assert client.request("PUT", "/kv/a", b"1")[0] == 200
    status = status_of(node)
    assert status["config"] == {"voters": [1], "voters_outgoing": [], "learners": [], "learners_next": []}
    assert status["transferee"] == 0
    assert len(status["run"]) == 16 and int(status["run"], 16) >= 0 and status["run"] == status["run"].lower()
    events = status["events"]
    assert [event["n"] for event in events] == list(range(events[0]["n"], events[0]["n"] + len(events)))
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    assert 0 <= events[-1]["at_s"] <= status["uptime_s"]
    for event in events:
        assert set(event) == {"n", "at_s", "type", "reason", "kind", "node", "term", "index", "from", "to"}


def test_a_new_leader_shows_its_members_at_once(node: Node, tmp_path: Path) -> None:
    with Cluster(tmp_path / "new", [node.program], seed=7) as cluster:
        cluster.start()
        (alone,) = cluster.nodes.values()

        def leads() -> dict[str, Any] | None:
            status = status_of(alone)
            return status if status["role"] == "leader" else None

        assert list(cluster.until(leads, 30, "a leader")["progress"]) == ["1"]

        def shown() -> dict[str, Any] | None:
            # As of the last tick: the entry of the new term is there a little later.
            status = status_of(alone)
            return status if status["progress"]["1"]["match"] >= 2 else None

        status = cluster.until(shown, 30, "the progress to move on")
        own = status["progress"]["1"]
        assert own.pop("state") == "replicate" and own.pop("recent_active") in (True, False)
        assert own.pop("match") < own.pop("next") <= status["last_index"] + 1
        assert own == {"paused": False, "inflight": 0, "pending_snapshot": 0}


def test_events_tell_of_elections_members_and_snapshots(node: Node, tmp_path: Path) -> None:
    with Cluster(tmp_path / "events", [node.program], seed=5) as cluster:
        cluster.start()
        alone = cluster.wait_leader()
        client = Client(alone.address)
        assert client.request("PUT", "/members/1", alone.address.encode())[0] == 200

        # Adding a member makes a snapshot, which may be written a little later.
        def told() -> list[dict[str, Any]] | None:
            events: list[dict[str, Any]] = status_of(alone)["events"]
            return events if any(event["type"] == "snapshot_made" for event in events) else None

        events = cluster.until(told, 30, "a snapshot")
        client.close()
        by_type = {event["type"]: event for event in events}
        term = status_of(alone)["term"]
        assert by_type["campaign_started"]["kind"] == "RAFT_CAMPAIGN_ELECTION"
        assert (by_type["election_won"]["term"], by_type["election_won"]["from"]) == (term, 1)
        assert (by_type["leader_changed"]["from"], by_type["leader_changed"]["to"]) == (0, 1)
        added = by_type["member_added"]
        assert (added["node"], added["term"]) == (1, term) and added["index"] >= 3
        assert by_type["snapshot_made"]["index"] >= added["index"]
        run = status_of(alone)["run"]
        alone.kill()
        alone.start()
        cluster.wait_leader()
        assert status_of(alone)["run"] != run
        assert status_of(alone)["events"][0]["n"] == 1


# ---------------------------------------------------------------- leadership


@pytest.mark.parametrize("member", ["0", "01", "-1", "abc", "1000001", "1.0", "%31x"])
def test_a_bad_id_for_a_leader_is_400(client: Client, member: str) -> None:
    error_of(client.request("PUT", f"/leader/{member}"), 400)


def test_a_stranger_can_not_lead(client: Client) -> None:
    error_of(client.request("PUT", "/leader/4"), 404)


def test_who_leads_already_is_409(client: Client) -> None:
    error_of(client.request("PUT", "/leader/1", b"ignored"), 409)


def test_without_a_leader_none_can_be_asked(node: Node, tmp_path: Path) -> None:
    with Cluster(tmp_path / "alone", [node.program] * 2, seed=6) as cluster:
        one = cluster.nodes[1]
        one.start()
        cluster.wait_serving(one)
        client = Client(one.address)
        error_of(client.request("PUT", "/leader/2"), 503)
        error_of(client.request("PUT", "/leader/3"), 404)
        client.close()


def test_the_state_hash_is_that_of_the_state(programs: dict[str, Program], node: Node, tmp_path: Path) -> None:
    state = {b"a": b"1", b"b": b"", b"\x00\xff/": b"x" * 200}
    with Cluster(tmp_path / "fresh", [node.program], seed=2) as cluster:
        cluster.start()
        fresh = cluster.wait_leader()
        assert status_of(fresh)["state_hash"] == wire.state_hash({})
        client = Client(fresh.address)
        client.request("PUT", "/kv/gone", b"soon")
        client.request("PUT", "/kv/a", b"another value first")
        for key, value in state.items():
            assert client.request("PUT", f"/kv/{percent_encoded(key)}", value)[0] == 200
        assert client.request("DELETE", "/kv/gone")[0] == 200
        client.close()
        status = status_of(fresh)
        assert status["state_hash"] == wire.state_hash(state)
        assert status["keys"] == len(state)
        assert status["bytes"] == sum(len(k) + len(v) + 16 for k, v in state.items())


def put(address: str, key: str, value: bytes) -> int:
    """Writes on a connection of its own, again if the disk was too slow; gives the status."""
    client = Client(address)
    try:
        codes = (client.request("PUT", f"/kv/{key}", value)[0] for _ in range(10))
        return next((code for code in codes if code != 503), 503)
    finally:
        client.close()


def test_a_full_state_takes_no_more(node: Node, tmp_path: Path) -> None:
    limit = 48 * MIB
    with Cluster(tmp_path / "full", [node.program], seed=4) as cluster:
        cluster.start()
        full = cluster.wait_leader()
        for number in range(10, 57):
            assert put(full.address, str(number), bytes(MIB)) == 200
        # There is room for one of these. The others are refused before they are proposed, or when
        # they are applied.
        value = bytes(limit - status_of(full)["bytes"] - 17)
        with ThreadPoolExecutor(6) as threads:
            codes = list(threads.map(lambda key: put(full.address, key, value), "abcdef"))
        assert sorted(codes) == [200] + [507] * 5
        before = state_of(full)
        assert before[1:3] == (48, limit)

        # What comes from elsewhere is refused when it is applied.
        client = Client(full.address)
        taken = "abcdef"[codes.index(200)]
        for key, size in ((b"other", 0), (taken.encode(), len(value) + 1)):
            command = wire.command(STRANGER, 1, wire.PUT, key, bytes(size))
            body = wire.frames(wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, command)))
            assert client.request("POST", "/raft", body) == (204, b"")
        assert client.request("DELETE", "/kv/nothing")[0] == 200
        assert state_of(full) == before
        error_of(client.request("PUT", "/kv/other", b""), 507)
        # What is replaced makes room.
        assert put(full.address, taken, value) == 200
        client.close()
        assert state_of(full) == before


def test_prometheus_can_read_the_metrics(node: Node, client: Client) -> None:
    assert client.request("PUT", "/kv/counted", b"1")[0] == 200
    code, body = client.request("GET", "/metrics")
    assert code == 200
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["libraft_elections_won"].type == "counter"
    for name, least in {"libraft_entries_applied": 1, "libraft_commit_index": 3, "libraft_is_leader": 1}.items():
        (sample,) = families[name].samples
        assert sample.labels == {"node": "1"} and sample.value >= least
    head = head_of(node, "GET /metrics HTTP/1.1")
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in head.split(b"\r\n")


def test_status_may_be_asked_from_another_origin(node: Node, client: Client) -> None:
    head = head_of(node, "GET /status HTTP/1.1", "Origin: http://elsewhere")
    assert b"access-control-allow-origin: *" in head
    assert b"cache-control: no-store" in head


# ---------------------------------------------------------------- members


@pytest.mark.parametrize("member", ["0", "01", "-1", "+1", "abc", "1000001", "99999999999999999999999", "1.0", "%31x"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_bad_member_id_is_400(node: Node, client: Client, method: str, member: str) -> None:
    before = state_of(node)
    body = b"127.0.0.1:7004" if method == "PUT" else None
    error_of(client.request(method, f"/members/{member}", body), 400)
    assert state_of(node) == before


@pytest.mark.parametrize(
    "address",
    [
        b"",
        b"nowhere",
        b":1",
        b"host:",
        b"host:0",
        b"host:65536",
        b"host:080",
        b"host:-1",
        b"a b:1",
        b"h\xc3\xb6st:1",
        b"\xff:1",
    ],
)
def test_a_bad_address_is_400(node: Node, client: Client, address: bytes) -> None:
    before = state_of(node)
    error_of(client.request("PUT", "/members/4", address), 400)
    assert state_of(node) == before


def test_removing_a_stranger_is_404(node: Node, client: Client) -> None:
    error_of(client.request("DELETE", "/members/4"), 404)


def test_removing_the_last_member_is_409(node: Node, client: Client) -> None:
    before = state_of(node)
    error_of(client.request("DELETE", "/members/1"), 409)
    assert state_of(node) == before


def test_an_address_that_another_member_has_is_409(node: Node, client: Client) -> None:
    before = state_of(node)
    error_of(client.request("PUT", "/members/4", node.address.encode()), 409)
    assert state_of(node) == before


def test_adding_a_member_again_is_200(node: Node, client: Client) -> None:
    before = state_of(node)
    assert client.request("PUT", "/members/1", b" " + node.address.encode() + b"\n")[0] == 200
    assert state_of(node) == before


# ---------------------------------------------------------------- /raft


GOOD = wire.message(wire.MSG_HEARTBEAT_RESP, 1, STRANGER)

BAD_BODIES = {
    "empty": b"",
    "length cut off": b"\x80",
    "length beyond the end": b"\x05abc",
    "length over 64 bits": b"\xff" * 9 + b"\x7f" + b"x",
    "length of 11 bytes": b"\x80" * 10 + b"\x00",
    "huge length": wire.uvarint(2**63) + b"abc",
    "no message": wire.frames(b"\xff\xff\xff\xff"),
    "cut message": wire.frames(wire.message(wire.MSG_APP, 1, STRANGER)[:-1]),
    "entry beyond the end": wire.frames(wire.message(wire.MSG_PROP, 1, STRANGER, 0, b"\x3a\x7f\x00")),
    "unknown kind": wire.frames(wire.message(1000, 1, STRANGER)),
    "from nobody": wire.frames(wire.message(wire.MSG_HEARTBEAT_RESP, 1, 0)),
    "from itself": wire.frames(wire.message(wire.MSG_HEARTBEAT_RESP, 1, 1)),
    "MsgHup": wire.frames(wire.message(wire.MSG_HUP, 1, STRANGER)),
    "MsgBeat": wire.frames(wire.message(wire.MSG_BEAT, 1, STRANGER)),
    "MsgUnreachable": wire.frames(wire.message(wire.MSG_UNREACHABLE, 1, STRANGER)),
    "MsgSnapStatus": wire.frames(wire.message(wire.MSG_SNAP_STATUS, 1, STRANGER)),
    "MsgCheckQuorum": wire.frames(wire.message(wire.MSG_CHECK_QUORUM, 1, STRANGER)),
    "MsgStorageAppend": wire.frames(wire.message(wire.MSG_STORAGE_APPEND, 1, STRANGER)),
    "MsgStorageApplyResp": wire.frames(wire.message(wire.MSG_STORAGE_APPLY_RESP, 1, STRANGER)),
    "good, then bad": wire.frames(
        wire.proposal(
            1, STRANGER, wire.entry(wire.ENTRY_NORMAL, wire.command(STRANGER, 1, wire.PUT, b"half", b"done"))
        ),
        wire.message(wire.MSG_HUP, 1, STRANGER),
    ),
    "good, then MsgStorageAppendResp": wire.frames(
        wire.proposal(
            1, STRANGER, wire.entry(wire.ENTRY_NORMAL, wire.command(STRANGER, 1, wire.PUT, b"half", b"done"))
        ),
        wire.message(wire.MSG_STORAGE_APPEND_RESP, 1, STRANGER),
    ),
    "good, then cut": wire.frames(
        wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, wire.command(STRANGER, 1, wire.PUT, b"half", b"done")))
    )
    + b"\x05ab",
}


def snapshot_message(data: bytes) -> bytes:
    """A MsgSnap of a far index and term, with this data."""
    conf_state = wire.number_field(1, 1) + wire.number_field(1, STRANGER)
    metadata = wire.bytes_field(1, conf_state) + wire.number_field(2, 10**6) + wire.number_field(3, 10**6)
    snapshot = wire.bytes_field(1, data) + wire.bytes_field(2, metadata)
    return wire.message(wire.MSG_SNAP, 1, STRANGER, 10**6, wire.bytes_field(9, snapshot))


@pytest.mark.parametrize("what", BAD_BODIES)
def test_garbage_on_raft_is_400(node: Node, client: Client, what: str) -> None:
    before = state_of(node), status_of(node)["term"]
    error_of(client.request("POST", "/raft", BAD_BODIES[what]), 400)
    error_of(client.request("GET", "/kv/half"), 404)
    assert (state_of(node), status_of(node)["term"]) == before


@pytest.mark.parametrize("what", ["empty", "version", "trailer", "cut", "left over", "key of length 0"])
def test_a_snapshot_that_is_damaged_is_400(node: Node, client: Client, what: str) -> None:
    good = wire.snapshot({1: node.address, STRANGER: "127.0.0.1:7077"}, [], {b"a": b"1"})
    body = good[:-32]
    bodies = {
        "version": b"\x02" + body[1:],
        "cut": body[:-1],
        "left over": body + b"\x00",
        "key of length 0": wire.snapshot({1: node.address}, [], {b"": b"1"})[:-32],
    }
    if what == "empty":
        data = b""
    elif what == "trailer":
        data = body + bytes(32)
    else:
        data = bodies[what] + hashlib.sha256(bodies[what]).digest()
    before = state_of(node), status_of(node)["term"]
    error_of(client.request("POST", "/raft", wire.frames(snapshot_message(data))), 400)
    assert (state_of(node), status_of(node)["term"]) == before


@pytest.mark.parametrize("origin", ["http://elsewhere", "http://127.0.0.1", "null"])
def test_a_message_from_a_web_page_is_403(node: Node, client: Client, origin: str) -> None:
    before = state_of(node), status_of(node)["term"]
    write = wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, wire.command(STRANGER, 1, wire.PUT, b"page", b"")))
    for body in (wire.frames(write), BAD_BODIES["no message"], b""):
        error_of(client.request("POST", "/raft", body, {"Origin": origin}), 403)
    error_of(client.request("GET", "/kv/page"), 404)
    assert (state_of(node), status_of(node)["term"]) == before


def test_a_message_for_another_node_is_421(node: Node, client: Client) -> None:
    before = state_of(node), status_of(node)["term"]
    body = wire.frames(GOOD, wire.message(wire.MSG_APP, 2, STRANGER, 10**6))
    error_of(client.request("POST", "/raft", body), 421)
    assert (state_of(node), status_of(node)["term"]) == before


def test_a_response_of_a_stranger_is_ignored(node: Node, client: Client) -> None:
    before = state_of(node), status_of(node)["term"]
    headers = {"Raft-Address": "127.0.0.1:7077"}
    assert client.request("POST", "/raft", wire.frames(GOOD), headers) == (204, b"")
    assert (state_of(node), status_of(node)["term"]) == before


def test_over_1024_frames_are_413(node: Node, client: Client) -> None:
    before = state_of(node), status_of(node)["term"]
    write = wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, wire.command(STRANGER, 1, wire.PUT, b"half", b"")))
    error_of(client.request("POST", "/raft", wire.frames(write, *[GOOD] * 1024)), 413)
    error_of(client.request("GET", "/kv/half"), 404)
    assert client.request("POST", "/raft", wire.frames(*[GOOD] * 1024)) == (204, b"")
    assert (state_of(node), status_of(node)["term"]) == before


@pytest.mark.parametrize("address", ["nowhere", "host:0", "host:99999", "a b:1", ""])
def test_a_bad_raft_address_is_400(client: Client, address: str) -> None:
    error_of(client.request("POST", "/raft", wire.frames(GOOD), {"Raft-Address": address}), 400)


def test_random_bytes_on_raft_are_refused(node: Node, client: Client) -> None:
    chance = random.Random(7)
    before = state_of(node), status_of(node)["term"]
    for _ in range(300):
        body = chance.randbytes(chance.choice([1, 2, 3, 10, 100, 1000, 100_000]))
        if chance.random() < 0.5:
            # A well-formed length takes it one step further.
            body = wire.frames(body)
        assert client.request("POST", "/raft", body)[0] in (400, 421), body[:50]
    assert (state_of(node), status_of(node)["term"]) == before


# What a stranger may get into the log, since there is no authentication, must be
# skipped by every node alike.

TAG = wire.tag(STRANGER, 1)
SKIPPED_COMMANDS = {
    "too short": b"x",
    "only the tag": TAG,
    "no length": TAG + b"\x01",
    "op 0": TAG + b"\x00\x01k",
    "op 3": TAG + b"\x03\x01kv",
    "key of length 0": TAG + b"\x01\x00v",
    "key beyond the end": TAG + b"\x01\x05key",
    "key of 513 bytes": wire.command(STRANGER, 1, wire.PUT, b"k" * 513, b"v"),
    "length over 64 bits": TAG + b"\x01" + b"\xff" * 10 + b"k",
    "delete with a rest": TAG + b"\x02\x05ghostv",
    "value over 1 MiB": wire.command(STRANGER, 1, wire.PUT, b"ghost", bytes(MIB + 1)),
}


@pytest.mark.parametrize("what", SKIPPED_COMMANDS)
def test_a_malformed_command_in_the_log_is_skipped(node: Node, client: Client, what: str) -> None:
    before, applied = state_of(node), status_of(node)["applied"]
    body = wire.frames(wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, SKIPPED_COMMANDS[what])))
    assert client.request("POST", "/raft", body) == (204, b"")
    # A write that follows it in the log shows that it has been applied.
    assert client.request("DELETE", "/kv/nothing")[0] == 200
    assert status_of(node)["applied"] >= applied + 2
    assert state_of(node) == before


def test_a_command_of_another_node_is_applied(node: Node, client: Client) -> None:
    command = wire.command(STRANGER, 5, wire.PUT, b"forwarded", b"value")
    body = wire.frames(wire.proposal(1, STRANGER, wire.entry(wire.ENTRY_NORMAL, command)))
    assert client.request("POST", "/raft", body) == (204, b"")
    assert client.request("DELETE", "/kv/nothing")[0] == 200
    assert client.request("GET", "/kv/forwarded") == (200, b"value")


def context(address: str) -> bytes:
    return wire.conf_change_context(STRANGER, 1, address)


REFUSED_CHANGES = {
    "no ConfChange": (wire.ENTRY_CONF_CHANGE, b"\xff\xff\xff"),
    "learner": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_LEARNER, 5, context("127.0.0.1:7005"))),
    "no context": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 5, b"")),
    "bad address": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 5, context("nowhere"))),
    "address that is no text": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 5, TAG + b"\xff\xfe:1")),
    "id 0": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 0, context("127.0.0.1:7005"))),
    "id too large": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.ADD_NODE, 10**6 + 1, context("127.0.0.1:7005"))),
    "removal of a stranger": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.REMOVE_NODE, 5, context(""))),
    "removal with an address": (
        wire.ENTRY_CONF_CHANGE,
        wire.conf_change(wire.REMOVE_NODE, 1, context("127.0.0.1:7005")),
    ),
    "ConfChangeV2": (
        wire.ENTRY_CONF_CHANGE_V2,
        wire.bytes_field(2, wire.number_field(1, wire.ADD_NODE) + wire.number_field(2, 5))
        + wire.bytes_field(3, context("127.0.0.1:7005")),
    ),
    "an empty ConfChangeV2": (wire.ENTRY_CONF_CHANGE_V2, b""),
    "removal of the last member": (wire.ENTRY_CONF_CHANGE, wire.conf_change(wire.REMOVE_NODE, 1, context(""))),
}


@pytest.mark.parametrize("what", REFUSED_CHANGES)
def test_a_bad_membership_change_in_the_log_is_refused(node: Node, client: Client, what: str) -> None:
    before = state_of(node)
    kind, data = REFUSED_CHANGES[what]
    body = wire.frames(wire.proposal(1, STRANGER, wire.entry(kind, data)))
    # The library may refuse it at the door, since it does not decode (400), or not (204).
    assert client.request("POST", "/raft", body)[0] in (204, 400)
    # A good change goes through afterwards: the bad one is not "in flight" for ever. At
    # first it may still be, and then the good one is turned down, which is answered 409 at once.
    answers = (client.request("PUT", "/members/1", node.address.encode())[0] for _ in range(1000))
    assert 200 in answers
    assert state_of(node) == before


# ---------------------------------------------------------------- raw sockets


def test_random_bytes_on_the_socket_harm_nothing(node: Node, client: Client) -> None:
    chance = random.Random(11)
    before = state_of(node)
    host, _, port = node.address.rpartition(":")
    starts = [b"", b"GET ", b"PUT /kv/x HTTP/1.1\r\n", b"POST /raft HTTP/1.1\r\nContent-Length: 10\r\n\r\n"]
    starts += [b"PUT /kv/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 10_000, b"\x16\x03\x01"]
    starts += [b"PUT /kv/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n"]
    starts += [b"PUT /kv/x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"]
    for number in range(120):
        with socket.create_connection((host, int(port)), 10) as connection:
            try:
                connection.sendall(starts[number % len(starts)] + chance.randbytes(chance.randrange(2000)))
                # Closed for sending, so that the server sees the end; what it answers
                # is its library's affair, as long as it stays whole.
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(10)
                connection.recv(4096)
            except OSError:
                pass
    status = state_of(node)
    # `PUT /kv/x` with a body of random bytes may have been a well-formed request.
    client.request("DELETE", "/kv/x")
    assert state_of(node)[3:] == before[3:], status


def test_requests_that_end_early_write_nothing(node: Node, client: Client) -> None:
    before = state_of(node)
    host, _, port = node.address.rpartition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(b"PUT /kv/early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly a part")
    error_of(client.request("GET", "/kv/early"), 404)
    assert state_of(node) == before


# ---------------------------------------------------------------- the process


BAD_FLAGS = {
    "none": [],
    "no id": ["--data", "{data}", "--listen", "{address}", "--peers", "1={address}"],
    "no data": ["--id", "1", "--listen", "{address}", "--peers", "1={address}"],
    "no listen": ["--id", "1", "--data", "{data}", "--peers", "1={address}"],
    "id 0": ["--id", "0", "--data", "{data}", "--listen", "{address}", "--peers", "1={address}"],
    "id of letters": ["--id", "one", "--data", "{data}", "--listen", "{address}", "--peers", "1={address}"],
    "neither peers nor join": ["--id", "1", "--data", "{data}", "--listen", "{address}"],
    "peers and join": [
        *["--id", "1", "--data", "{data}", "--listen", "{address}"],
        *["--peers", "1={address}", "--join", "127.0.0.1:1"],
    ],
    "not among the peers": ["--id", "2", "--data", "{data}", "--listen", "{address}", "--peers", "1={address}"],
    "bad peers": ["--id", "1", "--data", "{data}", "--listen", "{address}", "--peers", "1"],
    "a peer twice": ["--id", "1", "--data", "{data}", "--listen", "{address}", "--peers", "1={address},1=h:1"],
    "bad listen": ["--id", "1", "--data", "{data}", "--listen", "nowhere", "--peers", "1={address}"],
    "unknown flag": ["--id", "1", "--data", "{data}", "--listen", "{address}", "--peers", "1={address}", "--fast"],
}


def run_server(program: Program, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program.command, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("what", BAD_FLAGS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_bad_flags_end_with_2_and_a_reason(
    programs: dict[str, Program], tmp_path: Path, language: str, what: str
) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    arguments = [part.format(data=tmp_path / "data", address=address) for part in BAD_FLAGS[what]]
    done = run_server(programs[language], arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("kv: ")
    assert not (tmp_path / "data").exists()


def test_a_second_process_on_the_same_data_is_refused(node: Node) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    arguments = ["--id", "1", "--data", str(node.data), "--listen", address, "--peers", f"1={address}"]
    done = run_server(node.program, arguments)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("kv: ")
    assert node.alive


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_port_that_is_taken_is_an_error(programs: dict[str, Program], tmp_path: Path, language: str) -> None:
    with socket.create_server(("127.0.0.1", free_ports(1)[0])) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--id", "1", "--data", str(tmp_path / "data"), "--listen", address, "--peers", f"1={address}"]
        done = run_server(programs[language], arguments)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("kv: ")


@pytest.mark.parametrize("first", LANGUAGES)
@pytest.mark.parametrize("second", LANGUAGES)
def test_the_data_of_one_language_opens_in_another(
    programs: dict[str, Program], tmp_path: Path, first: str, second: str
) -> None:
    with Cluster(tmp_path / "cluster", [programs[first]], seed=3) as cluster:
        cluster.start()
        node = cluster.wait_leader()
        client = Client(node.address)
        assert client.request("PUT", "/kv/written-by", first.encode())[0] == 200
        client.close()
        before = state_of(node)
        assert node.stop() == 0, node.last_words()
        node.program = programs[second]
        node.start()
        cluster.wait_serving(node)
        cluster.wait_leader()
        client = Client(node.address)
        assert client.request("GET", "/kv/written-by") == (200, first.encode())
        client.close()
        assert state_of(node) == before


def test_unavailable_is_what_a_dead_node_gives(free_address: str) -> None:
    client = Client(free_address)
    with pytest.raises(Unavailable):
        client.request("GET", "/status")


@pytest.fixture
def free_address() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"
