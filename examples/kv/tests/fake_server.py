"""A server for testing the demo, not raft: its "replicated log" is one SQLite file.

It takes the flags and serves the HTTP API of examples/kv/README.md, except `/raft`. All
the nodes of a cluster share the file beside their data directories; who holds the lock on
another file is the leader. So it can be killed and restarted like a real node, and with
`--fault` it does what a real one must never do, which the demo has to notice:

    lose      one acknowledged write in forty is not written
    stale     a follower answers reads from a state that lacks the last writes
    diverge   node 2 shows another state hash
    unclean   the exit code after SIGTERM is 3

Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import wire

# How many of the last writes a stale follower has not seen.
RECENT = 8


class Shared:
    """This process's view of the common log, and what follows from it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.id = options.id
        self.address = options.listen
        self.fault = options.fault
        self.lock = threading.Lock()
        directory = Path(options.data).resolve().parent
        Path(options.data).mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(directory / "shared.db", timeout=30, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode=WAL")
        with self.database:
            self.database.execute(
                "CREATE TABLE IF NOT EXISTS log (i INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT, key BLOB, value BLOB)"
            )
            # Everybody begins with the first entry applied, as behind a snapshot of it: no write may get its place.
            self.database.execute("INSERT OR IGNORE INTO log VALUES (1, 'first', NULL, NULL)")
            self.database.execute("CREATE TABLE IF NOT EXISTS lead (term INTEGER PRIMARY KEY, id INTEGER, pid INTEGER)")
        self.members: dict[int, str] = {}
        if options.peers:
            self.members = {int(i): a for i, a in (peer.split("=") for peer in options.peers.split(","))}
        self.first_members = dict(self.members)
        self.pairs: dict[bytes, bytes] = {}
        self.before: dict[bytes, bytes | None] = {}
        self.removed: set[int] = set()
        self.applied = 1
        self.count = 0
        self.leads = False
        threading.Thread(target=self.campaign, args=(directory / "leader.lock",), daemon=True).start()

    def campaign(self, path: Path) -> None:
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with self.lock, self.database:
                self.database.execute("INSERT INTO lead (id, pid) VALUES (?, ?)", (self.id, os.getpid()))
            self.leads = True
            threading.Event().wait()

    def leader(self) -> tuple[int, int]:
        """(term, id) of the leader; id 0 if its process is gone."""
        row = self.database.execute("SELECT term, id, pid FROM lead ORDER BY term DESC LIMIT 1").fetchone()
        if row is None:
            return 0, 0
        try:
            os.kill(row[2], 0)
        except ProcessLookupError:
            return row[0], 0
        return row[0], row[1]

    def apply(self) -> None:
        for i, op, key, value in self.database.execute("SELECT * FROM log WHERE i > ? ORDER BY i", (self.applied,)):
            self.applied = i
            if op == "add":
                self.members[int(key)] = value.decode()
            elif op == "remove":
                self.members.pop(int(key), None)
                self.removed.add(int(key))
            else:
                self.before.pop(key, None)
                self.before[key] = self.pairs.get(key)
                while len(self.before) > RECENT:
                    del self.before[next(iter(self.before))]
                if op == "put":
                    self.pairs[key] = value
                else:
                    self.pairs.pop(key, None)

    def write(self, op: str, key: bytes, value: bytes) -> int:
        self.count += 1
        if self.fault == "lose" and op == "put" and self.count % 40 == 0:
            return self.applied
        with self.database:
            self.database.execute("INSERT INTO log (op, key, value) VALUES (?, ?, ?)", (op, key, value))
        self.apply()
        return self.applied

    def status(self) -> dict[str, Any]:
        self.apply()
        term, leader = self.leader()
        state_hash = wire.state_hash(self.pairs)
        if self.fault == "diverge" and self.id == 2:
            state_hash = f"{int(state_hash, 16) ^ 1:016x}"
        role = "removed" if self.id in self.removed else "leader" if leader == self.id else "follower"
        return {
            "id": self.id,
            "address": self.address,
            "language": "Fake",
            "role": role,
            "leader": leader,
            "term": term,
            "commit": self.applied,
            "applied": self.applied,
            "first_index": 2,
            "last_index": self.applied,
            "snapshot_index": 1,
            "state_hash": state_hash,
            "keys": len(self.pairs),
            "bytes": sum(len(k) + len(v) + 16 for k, v in self.pairs.items()),
            "members": {str(i): a for i, a in sorted(self.members.items())},
            "removed": sorted(self.removed),
            "uptime_s": time.monotonic(),
        }


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Headers and body go out in two segments; without this the second waits for an
    # acknowledgement that the client delays.
    disable_nagle_algorithm = True
    shared: Shared
    page: Path

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, code: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.shared.lock:
            code, answer = self.route(body)
        self.answer(code, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def route(self, body: bytes) -> tuple[int, bytes | dict[str, Any]]:
        shared = self.shared
        if self.path == "/status":
            return 200, shared.status()
        if shared.leader()[1] == 0:
            return 503, {"error": "no leader"}
        shared.apply()
        if match := re.fullmatch(r"/members/(\d+)", self.path):
            op = "add" if self.command == "PUT" else "remove"
            return 200, {"index": shared.write(op, match[1].encode(), body)}
        if not self.path.startswith("/kv/"):
            return 404, {"error": "no such path"}
        key = urllib.parse.unquote_to_bytes(self.path[4:])
        if self.command == "GET":
            value = shared.pairs.get(key)
            if shared.fault == "stale" and not shared.leads:
                value = shared.before.get(key, value)
            return (404, {"error": "no such key"}) if value is None else (200, value)
        return 200, {"index": shared.write("put" if self.command == "PUT" else "delete", key, body)}

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, self.page.read_bytes(), "text/html; charset=utf-8")
        else:
            self.serve()

    do_PUT = do_DELETE = serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--peers")
    parser.add_argument("--join")
    parser.add_argument("--page", default=str(Path(__file__).resolve().parent.parent / "web" / "index.html"))
    parser.add_argument("--seed")
    parser.add_argument("--fault", choices=["lose", "stale", "diverge", "unclean"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(3 if options.fault == "unclean" else 0))
    Handler.shared = Shared(options)
    Handler.page = Path(options.page)
    host, _, port = options.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    print(f"kv: node {options.id} (Fake) serves http://{options.listen}/", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    sys.exit(0)


if __name__ == "__main__":
    main()
