#!/usr/bin/env python3
"""The Python server of examples/kv with one fault put in, to see that it is found out.

    wrong_server.py MODE FLAGS..    FLAGS as examples/kv/README.md has them

MODE is `local-reads`: a read is answered from this node's own state, without asking the leader;
or `early-answers`: a write is acknowledged when it has been proposed, before it is committed.
Nothing else is changed, and nothing of it is in the server itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples" / "kv" / "python"))

from aiohttp import web

import server
from state import MAX_VALUE_BYTES, PUT, encode_command

waiting: set[asyncio.Task[int]] = set()


async def local_get(self: server.Server, text: str) -> web.Response:
    value = self.machine.state.pairs.get(server.decode_key(text))
    if value is None:
        raise server.Failure(404, "there is no such key")
    return web.Response(body=value, content_type="application/octet-stream")


honest_ask = server.Server.ask


async def early_ask(self: server.Server, question: Awaitable[int]) -> int:
    async def answer() -> int:
        with contextlib.suppress(server.Failure):
            return await honest_ask(self, question)
        return 0

    task = asyncio.create_task(answer())
    waiting.add(task)
    task.add_done_callback(waiting.discard)
    # The proposal is on its way when this yields; reads have to wait for their index all the same.
    await asyncio.sleep(0)
    return 0


async def early_put(self: server.Server, request: web.BaseRequest, text: str) -> web.Response:
    key = server.decode_key(text)
    value = await self.read_body(request, MAX_VALUE_BYTES)
    command = encode_command(PUT, key, value)
    return server.applied(await early_ask(self, self.node.propose(command)))


MODES = {"local-reads": ("get", local_get), "early-answers": ("put", early_put)}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in MODES:
        sys.exit(f"wrong_server.py: the first argument must be one of {', '.join(MODES)}")
    setattr(server.Server, *MODES[sys.argv.pop(1)])
    server.main()


if __name__ == "__main__":
    main()
