// A cluster in one thread for the tests: nodes, their storages, and a network that the test can
// cut. Time is a number of ticks that the test counts out, so that every run is the same.

#ifndef LIBRAFT_TESTS_CLUSTER_HPP
#define LIBRAFT_TESTS_CLUSTER_HPP

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "libraft.hpp"

/// A host: a node, its storage, and a state machine that keeps every command in order.
struct Host {
    libraft::Storage storage;
    libraft::Node node;
    std::vector<std::string> commands;
    libraft::ConfState members;
    std::uint64_t applied = 0;
    /// The answers to reads that may be served by now: the context and what was applied then.
    std::map<std::string, std::uint64_t> reads;
    /// Snapshots that the node restored.
    int restored = 0;
    /// Answers the requests of a node without a storage; null for one that has its own.
    std::function<void(Host&, const libraft::Ready&)> answer;

    Host(libraft::Storage a_storage, libraft::Node a_node)
        : storage(std::move(a_storage)), node(std::move(a_node)), members(node.conf_state()) {
        restore(storage.snapshot().view());
    }

    /// The state as the data of a snapshot: each command as its own line.
    std::string encode() const {
        std::string data;
        for (const std::string& command : commands) data += command + "\n";
        return data;
    }

    void restore(const libraft::SnapshotView& snapshot) {
        commands.clear();
        std::string_view rest = snapshot.data();
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            commands.emplace_back(rest.substr(0, end));
            rest.remove_prefix(end + 1);
        }
        applied = snapshot.index();
    }

    /// A snapshot of all that is applied; the log keeps `kept` entries before it.
    void snapshot(std::uint64_t kept = 0) {
        storage.create_snapshot(applied, members.encoded(), encode());
        storage.compact(applied + 1 - kept);
    }
};

/// Voters 1 ..= n, or whatever the test puts in.
class Cluster {
public:
    static constexpr std::uint32_t election_ticks = 10;

    /// The first members. By default each on a memory storage.
    explicit Cluster(
        std::uint64_t size,
        const std::function<libraft::Storage(std::uint64_t)>& storage = [](std::uint64_t) {
            return libraft::Storage::memory();
        }) {
        std::vector<std::uint64_t> voters;
        for (std::uint64_t id = 1; id <= size; ++id) voters.push_back(id);
        for (std::uint64_t id : voters) {
            libraft::Storage own = storage(id);
            if (own.is_fresh()) own.bootstrap(1, 1, voters);
            add(id, std::move(own));
        }
    }

    static libraft::Config config(std::uint64_t id) {
        return libraft::Config(id).election_ticks(election_ticks).heartbeat_ticks(1).seed(id);
    }

    void add(std::uint64_t id, libraft::Storage storage) {
        libraft::Node node(config(id), storage);
        hosts_.insert_or_assign(id, Host(std::move(storage), std::move(node)));
    }
    void remove(std::uint64_t id) { hosts_.erase(id); }

    Host& operator[](std::uint64_t id) { return hosts_.at(id); }
    std::map<std::uint64_t, Host>& hosts() { return hosts_; }

    /// Nothing goes to these or comes from them.
    void isolate(std::set<std::uint64_t> ids) { isolated_ = std::move(ids); }

    /// Works until nobody has anything to do, and delivers what is sent.
    void settle() {
        bool busy = true;
        while (busy) {
            busy = false;
            for (auto& [id, host] : hosts_) {
                while (host.node.has_ready()) {
                    turn(id, host);
                    busy = true;
                }
            }
            std::deque<Sent> sent;
            sent.swap(network_);
            for (const Sent& message : sent) {
                busy = true;
                const auto host = hosts_.find(message.to);
                if (host == hosts_.end() || isolated_.count(message.to) || isolated_.count(message.from)) {
                    continue;
                }
                const libraft::Outcome outcome = host->second.node.try_step(message.bytes);
                if (!outcome) refused.push_back(outcome.code());
            }
        }
    }

    void tick(std::uint32_t count = 1) {
        for (std::uint32_t i = 0; i < count; ++i) {
            for (auto& [id, host] : hosts_) host.node.tick();
            settle();
        }
    }

    /// Lets one node win the first election.
    void elect(std::uint64_t id) {
        hosts_.at(id).node.campaign();
        settle();
    }

    /// The leader of the highest term, 0 if there is none.
    std::uint64_t leader() const {
        std::uint64_t leader = 0;
        std::uint64_t term = 0;
        for (const auto& [id, host] : hosts_) {
            const libraft::NodeStatus status = host.node.status();
            if (status.role == libraft::Role::leader && status.term > term) {
                leader = id;
                term = status.term;
            }
        }
        return leader;
    }

    /// Ticks until there is a leader, which it gives. With a seed for each node, there is one soon.
    std::uint64_t wait_leader() {
        for (int ticks = 0; ticks < 1000; ++ticks) {
            tick();
            if (leader() != 0) return leader();
        }
        throw std::runtime_error("there is no leader after 1000 ticks");
    }

    /// The codes of messages that a node refused.
    std::vector<libraft::Code> refused;
    /// Sees every message that is sent, before it is delivered.
    std::function<void(const libraft::Message&)> on_send;

private:
    struct Sent {
        std::uint64_t from;
        std::uint64_t to;
        std::string bytes;
    };

    void turn(std::uint64_t id, Host& host) {
        const libraft::Ready ready = host.node.ready();
        if (ready.reads().size() + ready.snapshot_requests().size() > 0) host.answer(host, ready);
        host.storage.save(ready);
        for (const libraft::Message message : ready.messages()) {
            if (on_send) on_send(message);
            network_.push_back({id, message.to(), message.encoded().str()});
            if (message.type() == libraft::MessageType::snap) {
                host.node.report_snapshot(message.to(), libraft::SnapshotStatus::finish);
            }
        }
        if (const auto snapshot = ready.snapshot()) {
            host.restore(*snapshot);
            host.members = host.node.conf_state();
            ++host.restored;
        }
        for (const libraft::Entry entry : ready.committed_entries()) {
            if (entry.type() != libraft::EntryType::normal) {
                host.members = host.node.apply_conf_change(entry);
            } else if (!entry.data().empty()) {
                host.commands.push_back(entry.data().str());
            }
            host.applied = entry.index();
        }
        for (const libraft::ReadState read : ready.read_states()) {
            host.reads[read.context().str()] = read.index();
        }
        host.node.advance();
    }

    std::map<std::uint64_t, Host> hosts_;
    std::deque<Sent> network_;
    std::set<std::uint64_t> isolated_;
};

#endif
