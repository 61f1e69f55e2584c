// The replicated workloads on the C++ header, so that it shows what ownership, exceptions and views
// cost over the C interface below it. Names, checks and output are those of ../harness.
//
// Run as: bench-cpp WORKLOAD [--best] [--seconds S | --ops N]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "libraft.hpp"

namespace {

constexpr std::uint64_t compact_every = 10000, compact_keep = 100;

void expect(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(std::string("not so: ") + what);
}

struct Replica {
    libraft::Storage storage;
    libraft::Node node;
    std::uint64_t index = 0, commands = 0, digest = 0;

    void apply(libraft::Entry entry) {
        expect(entry.index() == index + 1, "entries are applied in order");
        index = entry.index();
        const libraft::Bytes data = entry.data();
        if (data.size() < 8) return;
        std::uint64_t number;
        std::memcpy(&number, data.data(), sizeof number);
        number ^= data.size();
        commands++;
        digest = (digest ^ number) * 0x100000001b3;
    }
};

class Cluster {
public:
    Cluster(std::size_t count, std::size_t batch, std::size_t payload, bool best)
        : batch_(batch), best_(best), payloads_(batch, std::string(payload, '.')) {
        std::vector<std::uint64_t> voters;
        for (std::size_t id = 1; id <= count; id++) voters.push_back(id);
        nodes_.reserve(count);
        for (std::uint64_t id : voters) {
            auto storage = libraft::Storage::memory();
            storage.bootstrap(0, 0, voters);
            libraft::Node node(libraft::Config(id).pre_vote(false).check_quorum(false).encode_entries(false), storage);
            nodes_.push_back({std::move(storage), std::move(node)});
        }
        nodes_[0].node.campaign();
        run();
    }

    void propose_and_apply(std::size_t batches) {
        for (std::size_t i = 0; i < batches; i++) {
            propose();
            run();
            maybe_compact();
        }
    }

    void check(std::uint64_t proposed) const {
        for (const Replica& replica : nodes_) {
            expect(replica.commands == proposed, "every command is applied");
            expect(replica.index == nodes_[0].index && replica.digest == nodes_[0].digest,
                   "all have applied the same");
        }
    }

private:
    void propose() {
        std::vector<libraft::Bytes> list;
        list.reserve(batch_);
        for (std::string& payload : payloads_) {
            number_++;
            std::memcpy(payload.data(), &number_, sizeof number_);
            list.emplace_back(payload);
        }
        if (best_) {
            nodes_[0].node.propose_many(list);
        } else {
            for (libraft::Bytes data : list) nodes_[0].node.propose(data);
        }
    }

    void run() {
        for (bool idle = false; !idle;) {
            idle = true;
            for (Replica& replica : nodes_) {
                const std::optional<libraft::Ready> ready = replica.node.next_ready();
                if (!ready) continue;
                idle = false;
                replica.storage.save(*ready);
                for (libraft::Message message : ready->messages()) {
                    nodes_[message.to() - 1].node.step(message.encoded());
                }
                for (libraft::Entry entry : ready->committed_entries()) replica.apply(entry);
            }
        }
    }

    void maybe_compact() {
        const std::uint64_t applied = nodes_[0].index;
        if (applied < compacted_ + compact_every + compact_keep) return;
        compacted_ = applied - compact_keep;
        for (Replica& replica : nodes_) replica.storage.compact(compacted_ + 1);
    }

    std::size_t batch_;
    bool best_;
    std::vector<std::string> payloads_;
    std::vector<Replica> nodes_;
    std::uint64_t number_ = 0, compacted_ = 0;
};

int measure(int argc, char** argv) {
    const std::string name = argc > 1 ? argv[1] : "";
    bool best = false;
    double seconds = 0;
    std::uint64_t ops_wanted = 0;
    for (int i = 2; i < argc; i++) {
        const std::string option = argv[i];
        if (option == "--best") best = true;
        if (option == "--seconds" && i + 1 < argc) seconds = std::stod(argv[++i]);
        if (option == "--ops" && i + 1 < argc) ops_wanted = std::stoull(argv[++i]);
    }
    unsigned count = 1, batch = 0, len = 0;
    char unit = 0;
    int fields = std::sscanf(name.c_str(), "rep%u_b%u_%u%c", &count, &batch, &len, &unit);
    if (fields < 3) fields = std::sscanf(name.c_str(), "single_b%u_%u%c", &batch, &len, &unit) + 1;
    const std::size_t payload = unit == 'k' ? len * 1024 : len;
    if (fields < 3 || count == 0 || batch == 0 || payload < 8) throw std::runtime_error("no such workload: " + name);

    Cluster cluster(count, batch, payload, best);
    const std::size_t batches =
        std::min<std::size_t>(std::max<std::size_t>(200000 / (batch * count * (payload / 64 + 1)), 1), 5000);
    cluster.propose_and_apply(batches);
    std::uint64_t ops = 0;
    std::chrono::nanoseconds time{0};
    while (ops == 0 || ops < ops_wanted || static_cast<double>(time.count()) < seconds * 1e9) {
        const auto begun = std::chrono::steady_clock::now();
        cluster.propose_and_apply(batches);
        time += std::chrono::steady_clock::now() - begun;
        ops += batch * batches;
    }
    cluster.check(ops + batch * batches);
    std::printf("{\"library\": \"libraft-cpp\", \"workload\": \"%s\", \"mode\": \"%s\", \"ops\": %llu, \"ns\": %llu, "
                "\"allocations\": 0, \"allocated_bytes\": 0, \"node_bytes\": 0}\n",
                name.c_str(), best ? "Best" : "Default", static_cast<unsigned long long>(ops),
                static_cast<unsigned long long>(time.count()));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return measure(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
