#include "member.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "describe.hpp"

namespace conformance {
namespace {

Config make_config(std::uint64_t id, const Settings& settings) {
    auto config = make<Config>(raft_config_new, id);
    const auto set = [&](auto function, auto value) { call(function, config.get(), value); };
    set(raft_config_set_election_ticks, Member::election_ticks);
    set(raft_config_set_heartbeat_ticks, Member::heartbeat_ticks);
    set(raft_config_set_seed, std::uint64_t{1});
    set(raft_config_set_pre_vote, settings.pre_vote);
    set(raft_config_set_check_quorum, settings.check_quorum);
    set(raft_config_set_read_only, settings.read_only);
    set(raft_config_set_max_size_per_msg, RAFT_NO_LIMIT);
    set(raft_config_set_max_committed_size_per_ready, settings.max_committed_size_per_ready);
    set(raft_config_set_max_inflight_msgs, settings.max_inflight_msgs);
    set(raft_config_set_max_cached_bytes, settings.max_cached_bytes);
    set(raft_config_set_coalesce_appends, false);
    set(raft_config_set_async_storage_writes, settings.async_storage_writes);
    set(raft_config_set_disable_conf_change_validation, settings.disable_conf_change_validation);
    set(raft_config_set_step_down_on_removal, settings.step_down_on_removal);
    set(raft_config_set_show_requests, true);
    return config;
}

Storage make_storage(const wire::Snapshot& first) {
    auto storage = make<Storage>(raft_storage_memory_new);
    if (first.index != 0) {
        const std::string encoded = wire::encode(first);
        call(raft_storage_append, storage.get(), nullptr, nullptr, std::size_t{0}, bytes(encoded), encoded.size(), true);
    }
    return storage;
}

std::vector<wire::Entry> entries_of(const raft_ready& ready) {
    std::vector<wire::Entry> entries;
    for (std::size_t at = 0; at < ready.committed_entries_len; ++at) {
        entries.push_back(wire::decode_entry(view(ready.committed_entries[at].encoded)));
    }
    return entries;
}

/// What a worker prints of its work, and the responses that follow from it.
std::string report(wire::Message work, std::vector<wire::Message>& sent) {
    const std::vector<wire::Message> responses = std::exchange(work.responses, {});
    std::string text = "Processing:\n" + describe(work) + "\nResponses:\n";
    for (const wire::Message& response : responses) text += describe(response) + "\n";
    sent.insert(sent.end(), responses.begin(), responses.end());
    return text;
}

}  // namespace

Member::Member(std::uint64_t id, const Settings& settings, const wire::Snapshot& first)
    : id_(id),
      async_storage_writes_(settings.async_storage_writes),
      storage_(make_storage(first)),
      node_(make<Node>(raft_node_new, make_config(id, settings).get(), storage_.get())),
      newest_snapshot_(first) {}

bool Member::has_ready() const {
    bool has = false;
    conformance::call(raft_node_has_ready, node_.get(), &has);
    return has;
}

std::string Member::process_ready(std::vector<wire::Message>& sent) {
    const raft_ready* ready = nullptr;
    conformance::call(raft_node_ready, node_.get(), &ready);
    std::string text = describe(*ready);
    if (!async_storage_writes_) {
        conformance::call(raft_storage_save, storage_.get(), ready);
        apply(entries_of(*ready));
    }
    for (std::size_t at = 0; at < ready->messages_len; ++at) {
        wire::Message message = wire::decode_message(view(ready->messages[at].encoded));
        std::deque<wire::Message>* work = nullptr;
        if (message.to == RAFT_LOCAL_APPEND) work = &append_work_;
        if (message.to == RAFT_LOCAL_APPLY) work = &apply_work_;
        if (work != nullptr) {
            work->push_back(std::move(message));
        } else {
            sent.push_back(std::move(message));
        }
    }
    for (std::size_t at = 0; at < ready->reads_len; ++at) answer(ready->reads[at]);
    for (std::size_t at = 0; at < ready->snapshot_requests_len; ++at) answer(ready->snapshot_requests[at]);
    if (!async_storage_writes_) call(raft_node_advance);
    answer_requests();
    return text;
}

std::string Member::process_append_work(std::vector<wire::Message>& sent) {
    if (append_work_.empty()) return "no append work to perform";
    const wire::Message work = std::move(append_work_.front());
    append_work_.pop_front();
    conformance::call(raft_storage_append_message, storage_.get(), bytes(work.encoded), work.encoded.size());
    return report(work, sent);
}

std::string Member::process_apply_work(std::vector<wire::Message>& sent) {
    if (apply_work_.empty()) return "no apply work to perform";
    const wire::Message work = std::move(apply_work_.front());
    apply_work_.pop_front();
    apply(work.entries);
    return report(work, sent);
}

void Member::apply(const std::vector<wire::Entry>& entries) {
    for (const wire::Entry& entry : entries) {
        std::string_view command = entry.data;
        ConfChange change;
        if (entry.type != RAFT_ENTRY_NORMAL) {
            change = make<ConfChange>(raft_conf_change_decode, entry.type, bytes(entry.data), entry.data.size());
            command = view(change->context);
            raft_conf_state* members = nullptr;
            call(raft_node_apply_conf_change, entry.type, bytes(entry.data), entry.data.size(), &members);
            const OwnedConfState owner(members);
            newest_snapshot_.conf_state = wire::decode_conf_state(view(members->encoded));
        }
        newest_snapshot_.data += command;
        newest_snapshot_.index = entry.index;
        newest_snapshot_.term = entry.term;
    }
}

void Member::answer_requests() {
    for (;;) {
        const raft_requests* requests = nullptr;
        conformance::call(raft_node_take_requests, node_.get(), &requests);
        if (requests->reads_len == 0 && requests->snapshot_requests_len == 0) return;
        for (std::size_t at = 0; at < requests->reads_len; ++at) answer(requests->reads[at]);
        for (std::size_t at = 0; at < requests->snapshot_requests_len; ++at) answer(requests->snapshot_requests[at]);
    }
}

void Member::answer(const raft_read_request& request) {
    Entries found;
    try {
        found = make<Entries>(raft_storage_entries, storage_.get(), request.low, request.high, request.max_bytes);
    } catch (const RaftError& error) {
        const bool compacted = error.status() == RAFT_ERR_COMPACTED;
        const raft_read_failure failure = compacted ? RAFT_READ_COMPACTED : RAFT_READ_UNAVAILABLE;
        conformance::call(raft_node_read_failed, node_.get(), request.id, failure);
        return;
    }
    std::vector<raft_bytes> encoded;
    for (std::size_t at = 0; at < found->entries_len; ++at) encoded.push_back(found->entries[at].encoded);
    conformance::call(raft_node_provide_entries, node_.get(), request.id, encoded.data(), encoded.size());
}

void Member::answer(const raft_snapshot_request& request) {
    if (newest_snapshot_.index == 0) {
        conformance::call(raft_node_snapshot_failed, node_.get(), request.id);
        return;
    }
    const std::string encoded = wire::encode(newest_snapshot_);
    conformance::call(raft_node_provide_snapshot, node_.get(), request.id, bytes(encoded), encoded.size());
}

void Member::compact(std::uint64_t index) {
    conformance::call(raft_storage_compact, storage_.get(), index + 1);
    call(raft_node_compacted, index + 1);
}

std::string Member::raft_log() const {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    conformance::call(raft_storage_first_index, storage_.get(), &first);
    conformance::call(raft_storage_last_index, storage_.get(), &last);
    if (last < first) {
        return "log is empty: first index=" + std::to_string(first) + ", last index=" + std::to_string(last);
    }
    const auto stored = make<Entries>(raft_storage_entries, storage_.get(), first, last + 1, RAFT_NO_LIMIT);
    std::string text;
    for (std::size_t at = 0; at < stored->entries_len; ++at) {
        text += describe(wire::decode_entry(view(stored->entries[at].encoded))) + "\n";
    }
    return text;
}

raft_node_status Member::status() const {
    raft_node_status status{};
    status.size = sizeof status;
    conformance::call(raft_node_get_status, node_.get(), &status);
    return status;
}

std::uint64_t Member::term() const { return status().term; }

std::string Member::raft_state() const {
    const auto members = make<OwnedConfState>(raft_node_conf_state, node_.get());
    const auto has = [this](const std::uint64_t* ids, std::size_t count) {
        return std::find(ids, ids + count, id_) != ids + count;
    };
    const bool votes = has(members->voters, members->voters_len) ||
                       has(members->voters_outgoing, members->voters_outgoing_len);
    const raft_node_status now = status();
    std::ostringstream text;
    text << id_ << ": " << role_name(now.role) << (votes ? " (Voter)" : " (Non-Voter)") << " Term:" << now.term
         << " Lead:" << now.leader << '\n';
    return text.str();
}

std::string Member::progress() const {
    const auto encoded = make<Buffer>(raft_node_status_encoded, node_.get());
    std::string text;
    for (const wire::Progress& member : wire::decode_status_progress(view(raft_buffer_bytes(encoded.get())))) {
        text += describe(member) + "\n";
    }
    return text;
}

}  // namespace conformance
