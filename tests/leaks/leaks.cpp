// Creates and frees nodes by the C++ header, as leaks.c does by the C interface: here it is
// destructors, moves and exceptions that have to free everything.
//
//     leaks_cpp NODES STORAGES DIRECTORY [FORGOTTEN]
//
// FORGOTTEN is node, storage, buffer or outcome: every seventh time, such an object is released from
// its owner and not freed, which tests/leaks/run has to notice.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libraft.hpp"
#include "sample.h"

namespace {

std::string forgotten;

/// Takes an object from its owner every seventh time, if it is of the kind to be forgotten.
template <typename T>
void maybe_forget(const char* kind, T& object) {
    static std::uint64_t times = 0;
    if (forgotten == kind && ++times % 7 == 0) {
        // Never deleted: with it, what it owns is lost.
        T* lost = new T(std::move(object));
        asm volatile("" : : "g"(lost) : "memory");
    }
}

[[noreturn]] void give_up(const std::string& what) {
    std::cerr << "leaks.cpp: " << what << "\n";
    std::exit(1);
}

/// What has to throw, with this code.
template <typename Function>
void fails(libraft::Code code, Function function) {
    try {
        function();
    } catch (const libraft::Error& error) {
        if (error.code() == code) return;
        give_up(error.what());
    }
    give_up("a call succeeded that has to fail");
}

const std::string payload(100, 'x');

void work(libraft::Node& node, libraft::Storage& storage) {
    while (node.has_ready()) {
        const libraft::Ready ready = node.ready();
        storage.save(ready);
        for (const libraft::Entry entry : ready.committed_entries()) {
            if (entry.type() == libraft::EntryType::normal) continue;
            const libraft::ConfChange change = libraft::ConfChange::decode(entry);
            const libraft::ConfState members = node.apply_conf_change(entry);
            if (change.changes().empty() || members.encoded().empty()) give_up("an empty change");
        }
        node.advance();
    }
}

void live(libraft::Storage storage, std::uint64_t number) {
    const libraft::Config config = libraft::Config(1).seed(number);
    storage.bootstrap(1, 1, {1}, payload);
    libraft::Node node(config, storage);

    // Constructors and calls that throw, and ones that say it without.
    fails(libraft::Code::config, [&] { libraft::Node(libraft::Config(0), storage); });
    fails(libraft::Code::malformed, [&] { libraft::Node::restart(config, "\xff\xff"); });
    fails(libraft::Code::misuse, [&] { storage.bootstrap(1, 1, {1}); });
    fails(libraft::Code::misuse, [&] { node.advance(); });
    fails(libraft::Code::malformed, [&] { node.step("\xff\xff"); });
    libraft::Outcome outcome = node.try_propose(payload);
    if (outcome.code() != libraft::Code::dropped) give_up("a proposal without a leader was taken");
    maybe_forget("outcome", outcome);

    node.campaign();
    work(node, storage);
    node.propose_many({payload, {}, payload});
    const libraft::Buffer change = libraft::ConfChange::encode(
        libraft::Transition::automatic, {{libraft::ConfChangeType::add_learner_node, 2}}, payload);
    node.propose_conf_change_encoded(libraft::EntryType::conf_change_v2, change);
    node.read_index(payload);
    work(node, storage);

    libraft::Buffer status = node.status_encoded();
    maybe_forget("buffer", status);
    const std::uint64_t first = storage.first_index();
    const std::uint64_t last = storage.last_index();
    if (node.progress().size() != 2 || storage.entries(first, last + 1).size() != last + 1 - first) {
        give_up("the log is not what was proposed");
    }
    storage.create_snapshot(last, node.conf_state().encoded(), payload);
    storage.compact(last);
    const libraft::StoredSnapshot snapshot = storage.snapshot();
    libraft::Node second = libraft::Node::restart(config, storage.restart_state());
    // What was there before is freed, and what was moved from is empty.
    libraft::Node moved = std::move(second);
    second = std::move(moved);
    moved = libraft::Node(config, storage);
    if (number % 2 == 1) {
        node.propose(payload);
        node.ready();
    }
    maybe_forget("node", node);
    maybe_forget("storage", storage);
}

void durable(const std::filesystem::path& path, std::uint64_t number) {
    live(libraft::Storage::open(path.string()), number);
    if (forgotten.empty()) {
        const libraft::Storage again = libraft::Storage::open(path.string());
        fails(libraft::Code::locked, [&] { libraft::Storage::open(path.string()); });
    }
    fails(libraft::Code::io, [] { libraft::Storage::open("/dev/null/storage"); });
    std::filesystem::remove_all(path);
}

template <typename Function>
void repeat(const char* phase, std::uint64_t times, Function once) {
    for (std::uint64_t done = 0; done < times; ++done) {
        if (done == times / 10) sample(phase, done);
        once(done);
    }
    sample(phase, times);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " NODES STORAGES DIRECTORY [node|storage|buffer|outcome]\n";
        return 2;
    }
    if (argc > 4) forgotten = argv[4];
    // What stdio would otherwise take in the middle of it.
    static char line[BUFSIZ];
    std::setvbuf(stdout, line, _IOLBF, sizeof line);
    repeat("nodes", std::stoull(argv[1]),
           [](std::uint64_t number) { live(libraft::Storage::memory(), number); });
    const std::filesystem::path path = std::filesystem::path(argv[3]) / "storage";
    repeat("storages", std::stoull(argv[2]), [&](std::uint64_t number) { durable(path, number); });
    return 0;
}
