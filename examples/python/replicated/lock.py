"""One at a time, on several machines: python lock.py ADDRESS OTHER_ADDRESS.. until Ctrl-C.

Stop one of them with kill -9 while it works: another one goes on when the lease is over.
"""

import asyncio
import contextlib
import sys

from libraft.replicated import Cluster, LockLost, ReplicatedLock


async def main(address: str, *peers: str) -> None:
    jobs = ReplicatedLock()
    async with Cluster(address, peers, objects=[jobs], data=f"lock-{address}"):
        while True:
            # --8<-- [start:hold]
            try:
                async with jobs.hold("nightly", ttl_s=2) as lease:
                    print("working", lease.token, flush=True)
                    await asyncio.sleep(0.2)
                    # Before what can't be undone. The token lets others refuse whoever comes late.
                    lease.check()
            except LockLost:
                print("lost it", flush=True)
            # --8<-- [end:hold]
            await asyncio.sleep(0.1)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:]))
