// One node of the cluster with its host: a storage, work queues, and a state machine that appends
// each command's bytes.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "raft.hpp"
#include "wire.hpp"

namespace conformance {

/// How a node is made.
struct Settings {
    std::uint32_t max_inflight_msgs = 0x7fffffff;
    std::uint64_t max_committed_size_per_ready = 0;
    std::uint64_t max_cached_bytes = RAFT_NO_LIMIT;
    raft_read_only read_only = RAFT_READ_ONLY_SAFE;
    bool async_storage_writes = false;
    bool pre_vote = false;
    bool check_quorum = false;
    bool disable_conf_change_validation = false;
    bool step_down_on_removal = false;
};

class Member {
public:
    static constexpr std::uint32_t election_ticks = 3;
    static constexpr std::uint32_t heartbeat_ticks = 1;

    /// A node that starts from a snapshot; from nothing if its index is 0.
    Member(std::uint64_t id, const Settings& settings, const wire::Snapshot& first);

    std::uint64_t id() const { return id_; }

    /// Calls a function of the C interface on the node, and then does at once what a host does
    /// between two Readys: it answers the requests for entries and snapshots that came up.
    template <typename... Parameters, typename... Arguments>
    void call(raft_status (*function)(raft_node*, Parameters...), Arguments&&... arguments) {
        conformance::call(function, node_.get(), std::forward<Arguments>(arguments)...);
        answer_requests();
    }

    bool has_ready() const;
    bool has_append_work() const { return !append_work_.empty(); }
    bool has_apply_work() const { return !apply_work_.empty(); }

    // Each of these gives what it prints, and adds to `sent` what is to be delivered.
    std::string process_ready(std::vector<wire::Message>& sent);
    std::string process_append_work(std::vector<wire::Message>& sent);
    std::string process_apply_work(std::vector<wire::Message>& sent);

    /// Drops the stored entries up to `index`.
    void compact(std::uint64_t index);

    std::string raft_log() const;
    std::string raft_state() const;
    std::string progress() const;
    std::uint64_t term() const;
    /// The state machine's state after the newest applied entry.
    const wire::Snapshot& newest_snapshot() const { return newest_snapshot_; }

private:
    raft_node_status status() const;
    void answer_requests();
    void answer(const raft_read_request& request);
    void answer(const raft_snapshot_request& request);
    void apply(const std::vector<wire::Entry>& entries);

    std::uint64_t id_;
    bool async_storage_writes_;
    Storage storage_;
    Node node_;
    std::deque<wire::Message> append_work_;
    std::deque<wire::Message> apply_work_;
    wire::Snapshot newest_snapshot_;
};

}  // namespace conformance
