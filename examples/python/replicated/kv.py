"""A key-value store without asyncio: python kv.py ADDRESS OTHER_ADDRESS.. and then, as input,

set KEY VALUE | get KEY | keys | add OTHER_ADDRESS | remove OTHER_ADDRESS
"""

import sys

from libraft.replicated import ReplicatedDict, SyncCluster

address, *peers = sys.argv[1:]
join = "--join" in peers
peers = [peer for peer in peers if peer != "--join"]

# --8<-- [start:kv]
values = ReplicatedDict()
with SyncCluster(address, peers, objects=[values], data=f"kv-{address}", join=join) as cluster:
    store = cluster.blocking(values)
    print("ready", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["set", key, value]:
                store.set(key, value, timeout=30)
                print("ok", flush=True)
            case ["get", key]:
                print(store.get(key), flush=True)
            case ["keys"]:
                print(*store.local, flush=True)
            # --8<-- [end:kv]
            case ["add", other]:
                cluster.add_member(other)
                print("ok", flush=True)
            case ["remove", other]:
                cluster.remove_member(other)
                print("ok", flush=True)
            case _:
                print("what?", flush=True)
