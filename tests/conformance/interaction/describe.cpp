#include "describe.hpp"

#include <array>
#include <sstream>

#include "raft.hpp"

namespace conformance {
namespace {

/// By number.
constexpr std::array<std::string_view, 24> message_names{
    "MsgHup",           "MsgBeat",           "MsgProp",          "MsgApp",
    "MsgAppResp",       "MsgVote",           "MsgVoteResp",      "MsgSnap",
    "MsgHeartbeat",     "MsgHeartbeatResp",  "MsgUnreachable",   "MsgSnapStatus",
    "MsgCheckQuorum",   "MsgTransferLeader", "MsgTimeoutNow",    "MsgReadIndex",
    "MsgReadIndexResp", "MsgPreVote",        "MsgPreVoteResp",   "MsgStorageAppend",
    "MsgStorageAppendResp", "MsgStorageApply", "MsgStorageApplyResp", "MsgForgetLeader",
};
constexpr std::array<std::string_view, 3> entry_names{"EntryNormal", "EntryConfChange", "EntryConfChangeV2"};
constexpr std::array<std::string_view, 4> role_names{"StateFollower", "StateCandidate", "StateLeader",
                                                     "StatePreCandidate"};
constexpr std::array<std::string_view, 3> flow_names{"StateProbe", "StateReplicate", "StateSnapshot"};

template <std::size_t size>
std::string_view name_of(const std::array<std::string_view, size>& names, std::int32_t number) {
    const bool known = number >= 0 && static_cast<std::size_t>(number) < size;
    return known ? names[static_cast<std::size_t>(number)] : "?";
}

std::string target(std::uint64_t id) {
    if (id == 0) return "None";
    if (id == RAFT_LOCAL_APPEND) return "AppendThread";
    if (id == RAFT_LOCAL_APPLY) return "ApplyThread";
    std::ostringstream text;
    text << std::hex << id;
    return text.str();
}

std::string list(const std::vector<std::uint64_t>& ids) {
    std::string text = "[";
    for (const std::uint64_t id : ids) text += (text.size() > 1 ? " " : "") + std::to_string(id);
    return text + "]";
}

/// How many bytes at the front are one well-formed UTF-8 sequence of several; 0 if they are none.
std::size_t multibyte(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    std::size_t length = 0;
    if (byte(0) >= 0xC2 && byte(0) <= 0xDF) length = 2;
    if (byte(0) >= 0xE0 && byte(0) <= 0xEF) length = 3;
    if (byte(0) >= 0xF0 && byte(0) <= 0xF4) length = 4;
    if (length > text.size()) return 0;
    for (std::size_t at = 1; at < length; ++at) {
        if ((byte(at) & 0xC0) != 0x80) return 0;
    }
    return length;
}

/// In double quotes, as in a Go program.
std::string quoted(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    constexpr std::string_view special = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view letters = "abfnrtv\\\"";
    std::string result = "\"";
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text.front());
        std::size_t length = 1;
        if (const std::size_t at = special.find(text.front()); at != special.npos) {
            result += '\\';
            result += letters[at];
        } else if (byte >= 0x20 && byte < 0x7f) {
            result += text.front();
        } else if (const std::size_t run = multibyte(text); run > 0) {
            result += text.substr(0, run);
            length = run;
        } else {
            result += "\\x";
            result += hex[byte >> 4];
            result += hex[byte & 15];
        }
        text.remove_prefix(length);
    }
    return result + "\"";
}

/// The steps of a configuration change: `v1 l2 r3 u4`.
std::string conf_change(const wire::Entry& entry) {
    const auto change = make<ConfChange>(raft_conf_change_decode, entry.type, bytes(entry.data), entry.data.size());
    std::string text;
    for (std::size_t at = 0; at < change->changes_len; ++at) {
        const raft_conf_change_single& step = change->changes[at];
        const char* letter = "?";
        if (step.type == RAFT_CONF_CHANGE_ADD_NODE) letter = "v";
        if (step.type == RAFT_CONF_CHANGE_ADD_LEARNER_NODE) letter = "l";
        if (step.type == RAFT_CONF_CHANGE_REMOVE_NODE) letter = "r";
        if (step.type == RAFT_CONF_CHANGE_UPDATE_NODE) letter = "u";
        text += (text.empty() ? "" : " ") + (letter + std::to_string(step.node_id));
    }
    return text;
}

std::string entries(const raft_entry* first, std::size_t count) {
    std::string text;
    for (std::size_t at = 0; at < count; ++at) text += describe(wire::decode_entry(view(first[at].encoded))) + "\n";
    return text;
}

}  // namespace

std::int32_t message_type(std::string_view name) {
    for (std::size_t number = 0; number < message_names.size(); ++number) {
        if (message_names[number] == name) return static_cast<std::int32_t>(number);
    }
    return -1;
}

std::string_view role_name(raft_role role) { return name_of(role_names, role); }

std::string describe(const wire::Entry& entry) {
    std::ostringstream text;
    text << entry.term << '/' << entry.index << ' ' << name_of(entry_names, entry.type);
    const std::string what = entry.type == RAFT_ENTRY_NORMAL ? quoted(entry.data) : conf_change(entry);
    if (!what.empty()) text << ' ' << what;
    return text.str();
}

std::string describe(const wire::Snapshot& snapshot) {
    const wire::ConfState& members = snapshot.conf_state;
    std::ostringstream text;
    text << "Index:" << snapshot.index << " Term:" << snapshot.term << " ConfState:Voters:" << list(members.voters)
         << " VotersOutgoing:" << list(members.voters_outgoing) << " Learners:" << list(members.learners)
         << " LearnersNext:" << list(members.learners_next) << " AutoLeave:" << (members.auto_leave ? "true" : "false");
    return text.str();
}

std::string describe(const wire::Message& message, const std::string& indent) {
    const std::string deeper = "\n" + indent + "  ";
    std::ostringstream text;
    text << indent << target(message.from) << "->" << target(message.to) << ' ' << name_of(message_names, message.type)
         << " Term:" << message.term << " Log:" << message.log_term << '/' << message.index;
    if (message.reject) text << " Rejected (Hint: " << message.reject_hint << ')';
    if (message.commit != 0) text << " Commit:" << message.commit;
    if (message.vote != 0) text << " Vote:" << message.vote;
    if (message.entries.size() == 1) {
        text << " Entries:[" << describe(message.entries.front()) << ']';
    } else if (!message.entries.empty()) {
        text << " Entries:[";
        for (const wire::Entry& entry : message.entries) text << deeper << describe(entry);
        text << '\n' << indent << ']';
    }
    if (message.snapshot && message.snapshot->index != 0) text << deeper << "Snapshot: " << describe(*message.snapshot);
    if (!message.responses.empty()) {
        text << " Responses:[";
        for (const wire::Message& response : message.responses) text << '\n' << describe(response, indent + "  ");
        text << '\n' << indent << ']';
    }
    return text.str();
}

std::string describe(const wire::Progress& progress) {
    std::ostringstream text;
    text << progress.id << ": " << name_of(flow_names, progress.state) << " match=" << progress.match_index
         << " next=" << progress.next_index;
    if (progress.learner) text << " learner";
    if (progress.paused) text << " paused";
    if (progress.pending_snapshot != 0) text << " pendingSnap=" << progress.pending_snapshot;
    if (!progress.recent_active) text << " inactive";
    if (progress.inflight_messages != 0) {
        text << " inflight=" << progress.inflight_messages << (progress.inflight_full ? "[full]" : "");
    }
    return text.str();
}

std::string describe(const raft_ready& ready) {
    std::ostringstream text;
    if (const raft_soft_state* state = ready.soft_state) {
        text << "Lead:" << state->leader << " State:" << role_name(state->role) << '\n';
    }
    if (const raft_hard_state* state = ready.hard_state) {
        text << "HardState Term:" << state->term;
        if (state->vote != 0) text << " Vote:" << state->vote;
        text << " Commit:" << state->commit << '\n';
    }
    if (ready.entries_len != 0) text << "Entries:\n" << entries(ready.entries, ready.entries_len);
    if (ready.snapshot != nullptr) {
        text << "Snapshot " << describe(wire::decode_snapshot(view(ready.snapshot->encoded))) << '\n';
    }
    if (ready.committed_entries_len != 0) {
        text << "CommittedEntries:\n" << entries(ready.committed_entries, ready.committed_entries_len);
    }
    if (ready.messages_len != 0) text << "Messages:\n";
    for (std::size_t at = 0; at < ready.messages_len; ++at) {
        text << describe(wire::decode_message(view(ready.messages[at].encoded))) << '\n';
    }
    if (text.str().empty()) return "<empty Ready>";
    return std::string("Ready MustSync=") + (ready.must_sync ? "true" : "false") + ":\n" + text.str();
}

}  // namespace conformance
