// The protobuf messages that the library's views show only in their encoded form, taken apart for
// printing. Field numbers are those of core/proto/.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conformance::wire {

struct Entry {
    std::uint64_t term = 0;
    std::uint64_t index = 0;
    std::int32_t type = 0;
    std::string data;
};

struct ConfState {
    std::vector<std::uint64_t> voters;
    std::vector<std::uint64_t> voters_outgoing;
    std::vector<std::uint64_t> learners;
    std::vector<std::uint64_t> learners_next;
    bool auto_leave = false;
};

struct Snapshot {
    std::uint64_t index = 0;
    std::uint64_t term = 0;
    ConfState conf_state;
    std::string data;
};

struct Message {
    std::int32_t type = 0;
    std::uint64_t to = 0;
    std::uint64_t from = 0;
    std::uint64_t term = 0;
    std::uint64_t log_term = 0;
    std::uint64_t index = 0;
    std::uint64_t commit = 0;
    std::uint64_t vote = 0;
    bool reject = false;
    std::uint64_t reject_hint = 0;
    std::vector<Entry> entries;
    std::optional<Snapshot> snapshot;
    std::vector<Message> responses;
    /// The bytes that it was decoded from.
    std::string encoded;
};

/// What a leader knows of one member.
struct Progress {
    std::uint64_t id = 0;
    std::uint64_t match_index = 0;
    std::uint64_t next_index = 0;
    std::int32_t state = 0;
    bool paused = false;
    std::uint64_t pending_snapshot = 0;
    bool recent_active = false;
    bool learner = false;
    std::uint64_t inflight_messages = 0;
    bool inflight_full = false;
};

// Bytes that are not what they should be end in a protozero::exception.
Entry decode_entry(std::string_view encoded);
ConfState decode_conf_state(std::string_view encoded);
Snapshot decode_snapshot(std::string_view encoded);
Message decode_message(std::string_view encoded);
/// The members in an encoded libraft.Status.
std::vector<Progress> decode_status_progress(std::string_view encoded);

std::string encode(const ConfState& conf_state);
std::string encode(const Snapshot& snapshot);
/// A raftpb.Message of type MsgSnap.
Message snapshot_message(std::uint64_t from, std::uint64_t to, std::uint64_t term, const Snapshot& snapshot);

}  // namespace conformance::wire
