// One node, in memory: it elects itself, and applies what is proposed.
#include <iostream>
#include <libraft.hpp>

static void drive(libraft::Node& node, libraft::Storage& storage) {
    while (node.has_ready()) {
        libraft::Ready ready = node.ready();
        storage.save(ready);  // Before anything is sent.
        for (libraft::Message message : ready.messages())
            std::cout << message.encoded().size() << " bytes to " << message.to() << "\n";
        for (libraft::Entry entry : ready.committed_entries())
            std::cout << entry.index() << ": " << entry.data().str() << "\n";
        node.advance();
    }
}

int main() {
    libraft::Storage storage = libraft::Storage::memory();  // Or Storage::open("directory").
    storage.bootstrap(1, 1, {1});
    libraft::Node node(libraft::Config(1), storage);
    node.campaign();  // Or node.tick(), every 100 ms, until an election timeout has passed.
    drive(node, storage);
    node.propose("hello");
    drive(node, storage);
}
