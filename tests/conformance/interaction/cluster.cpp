#include "cluster.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "describe.hpp"
#include "errors.hpp"

namespace conformance {
namespace {

/// A local message never gets lost.
bool is_local(const wire::Message& message) {
    const auto is_worker = [](std::uint64_t id) { return id == RAFT_LOCAL_APPEND || id == RAFT_LOCAL_APPLY; };
    return message.from == message.to || is_worker(message.from) || is_worker(message.to);
}

}  // namespace

void Output::print(const std::string& text, bool nested) {
    if (silent_) return;
    if (!nested) {
        text_ += text;
        return;
    }
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        text_ += "  " + text.substr(at, end - at) + "\n";
        at = end + 1;
    }
}

std::string Output::take() { return std::exchange(text_, {}); }

void Cluster::add(const Settings& settings, const wire::Snapshot& first) {
    members_.emplace_back(members_.size() + 1, settings, first);
}

Member* Cluster::find(std::uint64_t id) {
    return id >= 1 && id <= members_.size() ? &members_[id - 1] : nullptr;
}

void Cluster::process_ready(Member& member, bool nested) { output_.print(member.process_ready(in_flight_), nested); }

void Cluster::process_append_work(Member& member, bool nested) {
    output_.print(member.process_append_work(in_flight_), nested);
}

void Cluster::process_apply_work(Member& member, bool nested) {
    output_.print(member.process_apply_work(in_flight_), nested);
}

std::size_t Cluster::deliver(const std::vector<Recipient>& recipients, std::optional<std::int32_t> type, bool nested) {
    std::size_t handled = 0;
    for (const Recipient& recipient : recipients) {
        // What these messages lead to is sent later, and waits for the next delivery.
        const auto stays = [&](const wire::Message& message) {
            const bool wanted = message.to == recipient.id && (!type || message.type == *type);
            return !wanted || (recipient.drop && is_local(message));
        };
        const auto split = std::stable_partition(in_flight_.begin(), in_flight_.end(), stays);
        const std::vector<wire::Message> taken(std::make_move_iterator(split),
                                               std::make_move_iterator(in_flight_.end()));
        in_flight_.erase(split, in_flight_.end());
        handled += taken.size();
        for (const wire::Message& message : taken) {
            output_.print_line((recipient.drop ? "dropped: " : "") + describe(message), nested);
            if (recipient.drop) continue;
            try {
                find(recipient.id)->call(raft_node_step, bytes(message.encoded), message.encoded.size());
            } catch (const RaftError& error) {
                output_.print_line(text_of(error), nested);
            }
        }
    }
    return handled;
}

bool Cluster::stabilize(const std::vector<Member*>& members) {
    constexpr int enough_rounds = 100'000;
    for (int round = 0; round < enough_rounds; ++round) {
        if (!stabilize_once(members)) return true;
    }
    return false;
}

/// Whether there was anything to do.
bool Cluster::stabilize_once(const std::vector<Member*>& members) {
    bool busy = false;
    const auto headline = [&](const Member& member, const std::string& what) {
        output_.print_line("> " + std::to_string(member.id()) + " " + what);
        busy = true;
    };
    for (Member* member : members) {
        if (!member->has_ready()) continue;
        headline(*member, "handling Ready");
        process_ready(*member, true);
    }
    for (Member* member : members) {
        if (!has_message_for(member->id())) continue;
        headline(*member, "receiving messages");
        deliver({{member->id(), false}}, std::nullopt, true);
    }
    for (Member* member : members) {
        if (!member->has_append_work()) continue;
        headline(*member, "processing append thread");
        while (member->has_append_work()) process_append_work(*member, true);
    }
    for (Member* member : members) {
        if (!member->has_apply_work()) continue;
        headline(*member, "processing apply thread");
        while (member->has_apply_work()) process_apply_work(*member, true);
    }
    return busy;
}

bool Cluster::has_message_for(std::uint64_t id) const {
    return std::any_of(in_flight_.begin(), in_flight_.end(),
                       [id](const wire::Message& message) { return message.to == id; });
}

}  // namespace conformance
