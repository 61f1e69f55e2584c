"""What a group has agreed on, one entry after the other."""

import asyncio

from libraft import Config, MemoryStorage
from libraft.aio import Installed, Node


async def main() -> None:
    storage = MemoryStorage()
    storage.bootstrap([1])
    # --8<-- [start:committed]
    async with Node(Config(id=1), storage, tick_s=0.01) as node:
        await node.wait_leader()
        print("at", await node.propose(b"hello"))
        await node.propose(b"world")
        async for item in node.committed(after=0):
            if isinstance(item, Installed):
                print("a snapshot of everything up to", item.index)
            elif item.command is not None:
                print(item.index, item.command.decode())
                if item.command == b"world":
                    break
    # --8<-- [end:committed]


asyncio.run(main())
