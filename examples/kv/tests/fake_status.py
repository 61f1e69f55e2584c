"""Servers that give the page and answer GET /status with whatever a test makes up: for what real
clusters of the example do not get into, such as joint configurations, or nodes that lie."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "web" / "index.html"


class Fake:
    """Servers that give the page, and answer /status with whatever they are told to."""

    def __init__(self, nodes: int) -> None:
        self.statuses: dict[int, dict[str, Any]] = {}
        self.servers: list[ThreadingHTTPServer] = []
        self.addresses: list[str] = []
        for node in range(1, nodes + 1):
            server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler(node))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
            self.addresses.append(f"127.0.0.1:{server.server_address[1]}")
        for node, address in enumerate(self.addresses, 1):
            self.statuses[node] = {
                "id": node,
                "address": address,
                "language": "Fake",
                "role": "leader" if node == 1 else "follower",
                "leader": 1,
                "term": 7,
                "commit": 5000,
                "applied": 5000,
                "first_index": 3000,
                "last_index": 5000,
                "snapshot_index": 4000,
                "state_hash": "00000000000000ab",
                "keys": 3,
                "bytes": 100,
                "members": {str(i): address for i, address in enumerate(self.addresses, 1)},
                "removed": [],
                "uptime_s": 60.0,
                "run": f"{node:016x}",
                "transferee": 0,
                "config": {
                    "voters": list(range(1, nodes + 1)),
                    "voters_outgoing": [],
                    "learners": [],
                    "learners_next": [],
                },
                "progress": {},
                "events": [],
            }
        self.statuses[1]["progress"] = {str(node): self.progress() for node in self.statuses}

    @staticmethod
    def progress(**fields: Any) -> dict[str, Any]:
        usual = {"match": 5000, "next": 5001, "state": "replicate", "paused": False}
        return usual | {"recent_active": True, "inflight": 0, "pending_snapshot": 0} | fields

    def handler(self, node: int) -> type[BaseHTTPRequestHandler]:
        statuses = self.statuses

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                page = self.path == "/"
                body = PAGE.read_bytes() if page else json.dumps(statuses[node]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def configure(self, **config: list[int]) -> None:
        for status in self.statuses.values():
            status["config"] = status["config"] | config

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
