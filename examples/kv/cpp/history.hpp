// What has happened in this process, for GET /status: a bounded list of the library's events and of
// the program's own. It counts and keeps; it decides nothing.

#pragma once

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include "libraft.hpp"

namespace kv {

/// An event as GET /status shows it.
struct Happening {
    std::uint64_t n = 0;
    double at_s = 0;
    std::string type;
    std::string reason;
    std::string kind;
    std::uint64_t node = 0;
    std::uint64_t term = 0;
    std::uint64_t index = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
};

/// The last events, the oldest first.
class History {
public:
    /// Takes an event of the library, if it is one that a reader can use.
    void add(const libraft::Event& event) {
        // Without a quorum, one try to be elected follows the other, and would fill the list.
        if (!is_kept(event.type) || std::strcmp(event.kind_name(), "RAFT_CAMPAIGN_PRE_ELECTION") == 0) return;
        std::string type = event.name() + std::strlen("RAFT_EVENT_");
        std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
        keep({0, 0, std::move(type), event.reason_name(), event.kind_name(), event.node, event.term, event.index,
              event.from, event.to});
    }

    /// Takes one of the program's own.
    void add(const char* type, std::uint64_t node, std::uint64_t term, std::uint64_t index) {
        keep({0, 0, type, "", "", node, term, index, 0, 0});
    }

    const std::deque<Happening>& events() const { return events_; }
    /// How many there have been.
    std::uint64_t count() const { return count_; }
    double uptime_s() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count(); }

private:
    static constexpr std::size_t kept_events = 128;

    static bool is_kept(libraft::EventType type) {
        using libraft::EventType;
        switch (type) {
            case EventType::leader_changed:
            case EventType::campaign_started:
            case EventType::election_won:
            case EventType::election_lost:
            case EventType::stepped_down:
            case EventType::flow_changed:
            case EventType::transfer_started:
            case EventType::transfer_ended:
            case EventType::snapshot_installed:
            case EventType::removed: return true;
            default: return false;
        }
    }

    void keep(Happening event) {
        event.n = ++count_;
        event.at_s = uptime_s();
        if (events_.size() == kept_events) events_.pop_front();
        events_.push_back(std::move(event));
    }

    const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    std::uint64_t count_ = 0;
    std::deque<Happening> events_;
};

}  // namespace kv
