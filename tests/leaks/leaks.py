"""Creates nodes by the Python package and gets rid of them, and prints what the process holds after
a tenth of them and at the end: RawNodes, of which half are closed and half are left to the
interpreter; asyncio Nodes; and durable storages.

    leaks.py NODES HOSTS STORAGES DIRECTORY [FORGOTTEN]

FORGOTTEN is node, ready, error, host or storage: every seventh time, a reference to such an
object is lost, as a defect in an extension module loses it, which tests/leaks/run has to notice.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libraft
from libraft import ConfChangeType, Config, DurableStorage, EntryType, MemoryStorage, RawNode, Storage
from libraft.aio import Node, StateMachine

PAYLOAD = bytes(100)

forgotten = ""
times = 0


def maybe_forget(kind: str, thing: object) -> None:
    """Every seventh time, the count of references becomes one too high for good."""
    global times
    if kind == forgotten:
        times += 1
        if times % 7 == 0:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def fails(error: type[libraft.RaftError], call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """A call that has to raise this."""
    try:
        call(*arguments, **named)
    except error as raised:
        maybe_forget("error", raised)
        return
    raise AssertionError(f"{call} has to raise {error}")


def work(node: RawNode, storage: Storage) -> None:
    while node.has_ready():
        ready = node.ready()
        storage.save(ready)
        for message in ready.messages:
            libraft.Message.decode(message.encoded_view)
        for entry in ready.committed_entries:
            if entry.type != EntryType.NORMAL:
                node.apply_conf_change(entry)
        # Everything that is made when somebody asks for it.
        assert [ready.soft_state, ready.hard_state, ready.entries, ready.read_states, ready.events]
        node.advance()
        maybe_forget("ready", ready)


def live(storage: Storage, number: int) -> RawNode:
    """The life of one node, whose end is left to the caller."""
    config = Config(id=1, seed=number)
    storage.bootstrap([1], data=PAYLOAD)
    fails(libraft.MisuseError, storage.bootstrap, [1])
    fails(libraft.ConfigError, Config, id=0)
    fails(libraft.MalformedMessage, RawNode.restart, config, b"\xff\xff")
    node = RawNode(config, storage)
    fails(libraft.ProposalDropped, node.propose, PAYLOAD)
    fails(libraft.MisuseError, node.advance)
    fails(libraft.MalformedMessage, node.step, bytearray(b"\xff\xff"))
    node.campaign()
    work(node, storage)
    node.propose_many([PAYLOAD, b"", memoryview(PAYLOAD)])
    node.propose_conf_change(ConfChangeType.ADD_LEARNER_NODE, 2, PAYLOAD)
    node.read_index(PAYLOAD)
    node.tick()
    work(node, storage)
    assert len(node.progress()) == 2
    assert [node.status(), node.status_encoded(), node.metrics(), node.take_requests()]
    last = storage.last_index()
    assert len(storage.entries(storage.first_index(), last + 1)) > 0
    storage.create_snapshot(last, PAYLOAD, node.conf_state().encoded)
    storage.compact(last)
    assert storage.snapshot().data_view.nbytes == len(PAYLOAD)
    RawNode.restart(config, storage.restart_state())
    if number % 3 > 0:
        node.propose(PAYLOAD)
    if number % 3 > 1:
        node.ready()
    maybe_forget("node", node)
    return node


def raw_node(number: int) -> None:
    storage = MemoryStorage()
    node = live(storage, number)
    if number % 2 == 0 and forgotten != "node":
        node.close()
        storage.close()


class Machine(StateMachine):
    """Counts."""

    count = 0

    def apply(self, index: int, command: bytes) -> int:
        self.count += 1
        return index


def host(number: int) -> None:
    async def run() -> None:
        storage = MemoryStorage()
        storage.bootstrap([1])
        node = Node(Config(id=1, seed=number), storage, Machine(), send=lambda messages: None, tick_s=3600)
        async with node:
            node.campaign()
            await node.wait_leader()
            await node.propose(PAYLOAD)
            await node.read_index()
        maybe_forget("host", node)

    asyncio.run(run())


def durable(directory: Path, number: int) -> None:
    path = directory / str(number)
    storage = DurableStorage(path)
    fails(libraft.StorageLocked, DurableStorage, path)
    fails(libraft.StorageIOError, DurableStorage, "/dev/null/storage")
    node = live(storage, number)
    if number % 2 == 0 and forgotten != "storage":
        node.close()
        storage.close()
    maybe_forget("storage", storage)
    shutil.rmtree(path)


class Mallinfo2(ctypes.Structure):
    """What glibc says of its heap."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2


def sample(phase: str, done: int) -> None:
    """Prints a line of the output."""
    gc.collect()
    heap = mallinfo2()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
    numbers = {
        "bytes": heap.uordblks + heap.hblkhd,
        "py_blocks": sys.getallocatedblocks(),
        "py_objects": len(gc.get_objects()),
        "rss_kib": resident,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }
    print(f"sample {phase} done={done}", *(f"{name}={number}" for name, number in numbers.items()), flush=True)


def repeat(phase: str, count: int, once: Callable[[int], None]) -> None:
    for done in range(count):
        if done == count // 10:
            sample(phase, done)
        once(done)
    sample(phase, count)


def main() -> None:
    global forgotten
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    nodes, hosts, storages = map(int, sys.argv[1:4])
    directory = Path(sys.argv[4])
    forgotten = sys.argv[5] if len(sys.argv) > 5 else ""
    repeat("nodes", nodes, raw_node)
    repeat("hosts", hosts, host)
    repeat("storages", storages, lambda number: durable(directory, number))


if __name__ == "__main__":
    main()
