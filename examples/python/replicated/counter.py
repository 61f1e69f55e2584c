"""A counter on several machines: python counter.py ADDRESS OTHER_ADDRESS.. until Ctrl-C."""

import asyncio
import contextlib
import sys

from libraft.replicated import Cluster, ReplicatedCounter


async def main(address: str, *peers: str) -> None:
    counter = ReplicatedCounter()
    async with Cluster(address, peers, objects=[counter], data=f"counter-{address}"):
        print("counted", await counter.add(1), flush=True)
        while True:
            await counter.changed()
            print("now", counter.local, flush=True)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:]))
