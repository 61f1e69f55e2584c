"""One node, in memory: it elects itself, and applies what is proposed."""

from libraft import Config, MemoryStorage, RawNode


def drive(node: RawNode, storage: MemoryStorage) -> None:
    while node.has_ready():
        ready = node.ready()
        storage.save(ready)  # Before anything is sent.
        for message in ready.messages:
            print(len(message.encoded), "bytes to", message.to)
        for entry in ready.committed_entries:
            print(entry.index, entry.data)
        node.advance()


storage = MemoryStorage()  # Or DurableStorage("directory").
storage.bootstrap([1])
node = RawNode(Config(id=1), storage)
node.campaign()  # Or node.tick(), every 100 ms, until an election timeout has passed.
drive(node, storage)
node.propose(b"hello")
drive(node, storage)
