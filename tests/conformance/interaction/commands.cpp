#include "commands.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <sstream>
#include <string_view>

#include "describe.hpp"
#include "errors.hpp"

namespace conformance {
namespace {

[[noreturn]] void fail(const Block& block, const std::string& why) {
    throw ScriptError(block.line, block.command + ": " + why);
}

template <typename Number = std::uint64_t>
Number number(const Block& block, const std::string& text) {
    Number value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || stop != end || error != std::errc()) fail(block, "'" + text + "' is no number in range");
    return value;
}

bool boolean(const Block& block, const std::string& text) {
    if (text == "true") return true;
    if (text == "false") return false;
    fail(block, "'" + text + "' is neither true nor false");
}

const std::string& only_value(const Block& block, const Argument& argument) {
    if (argument.values.size() != 1) fail(block, argument.key + " takes one value");
    return argument.values.front();
}

std::vector<std::uint64_t> ids(const Block& block, const Argument& argument) {
    std::vector<std::uint64_t> list;
    for (const std::string& value : argument.values) list.push_back(number(block, value));
    return list;
}

/// The words of a command that takes so many, and nothing else.
std::vector<std::string> words(const Block& block, std::size_t count) {
    std::vector<std::string> list;
    for (const Argument& argument : block.arguments) {
        if (argument.has_values) fail(block, "takes no argument " + argument.key + "=");
        list.push_back(argument.key);
    }
    if (list.size() != count) fail(block, "takes " + std::to_string(count) + " arguments");
    return list;
}

[[noreturn]] void unknown(const Block& block, const Argument& argument) {
    fail(block, "there is no argument " + argument.key + (argument.has_values ? "=" : ""));
}

std::vector<raft_conf_change_single> steps(const Block& block) {
    std::vector<raft_conf_change_single> list;
    std::istringstream input(block.input);
    std::string word;
    while (input >> word) {
        raft_conf_change_single step{};
        switch (word.front()) {
            case 'v': step.type = RAFT_CONF_CHANGE_ADD_NODE; break;
            case 'l': step.type = RAFT_CONF_CHANGE_ADD_LEARNER_NODE; break;
            case 'r': step.type = RAFT_CONF_CHANGE_REMOVE_NODE; break;
            case 'u': step.type = RAFT_CONF_CHANGE_UPDATE_NODE; break;
            default: fail(block, "'" + word + "' is no step of a change");
        }
        step.node_id = number(block, word.substr(1));
        list.push_back(step);
    }
    return list;
}

}  // namespace

std::string Interaction::play(const Block& block) {
    try {
        run(block);
    } catch (const RaftError& error) {
        // Errors are printed even when everything else is silenced.
        if (output_.is_silent()) return text_of(error);
        output_.print(text_of(error));
    }
    const std::string text = output_.take();
    return text.empty() ? "ok" : text;
}

void Interaction::run(const Block& block) {
    const std::string& command = block.command;
    if (command == "add-nodes") {
        add_nodes(block);
    } else if (command == "campaign") {
        only_member(block).call(raft_node_campaign);
    } else if (command == "compact") {
        compact(block);
    } else if (command == "deliver-msgs") {
        deliver_msgs(block);
    } else if (command == "forget-leader") {
        only_member(block).call(raft_node_forget_leader);
    } else if (command == "log-level") {
        log_level(words(block, 1)[0], block);
    } else if (command == "process-append-thread") {
        for_each_named(block, "processing append thread", &Cluster::process_append_work);
    } else if (command == "process-apply-thread") {
        for_each_named(block, "processing apply thread", &Cluster::process_apply_work);
    } else if (command == "process-ready") {
        for_each_named(block, "handling Ready", &Cluster::process_ready);
    } else if (command == "propose") {
        const std::vector<std::string> what = words(block, 2);
        member(block, what[0]).call(raft_node_propose, bytes(what[1]), what[1].size());
    } else if (command == "propose-conf-change") {
        propose_conf_change(block);
    } else if (command == "raft-log") {
        output_.print(only_member(block).raft_log());
    } else if (command == "raft-state") {
        words(block, 0);
        for (const Member& each : cluster_.members()) output_.print(each.raft_state());
    } else if (command == "report-unreachable") {
        const std::vector<std::string> who = words(block, 2);
        member(block, who[0]).call(raft_node_report_unreachable, member(block, who[1]).id());
    } else if (command == "send-snapshot") {
        send_snapshot(block);
    } else if (command == "set-randomized-election-timeout") {
        set_randomized_election_timeout(block);
    } else if (command == "stabilize") {
        stabilize(block);
    } else if (command == "status") {
        output_.print(only_member(block).progress());
    } else if (command == "tick-election") {
        tick(block, Member::election_ticks);
    } else if (command == "tick-heartbeat") {
        tick(block, Member::heartbeat_ticks);
    } else if (command == "transfer-leadership") {
        transfer_leadership(block);
    } else {
        throw ScriptError(block.line, "there is no command '" + command + "'");
    }
}

void Interaction::add_nodes(const Block& block) {
    if (block.arguments.empty() || block.arguments[0].has_values) fail(block, "takes the number of nodes first");
    const auto count = number(block, block.arguments[0].key);
    Settings settings;
    settings.max_cached_bytes = max_cached_bytes_;
    wire::Snapshot first;
    for (std::size_t at = 1; at < block.arguments.size(); ++at) {
        const Argument& argument = block.arguments[at];
        const auto flag = [&] { return boolean(block, only_value(block, argument)); };
        if (argument.key == "voters") {
            first.conf_state.voters = ids(block, argument);
        } else if (argument.key == "learners") {
            first.conf_state.learners = ids(block, argument);
        } else if (argument.key == "index") {
            first.index = number(block, only_value(block, argument));
        } else if (argument.key == "content") {
            first.data = only_value(block, argument);
        } else if (argument.key == "inflight") {
            settings.max_inflight_msgs = number<std::uint32_t>(block, only_value(block, argument));
        } else if (argument.key == "max-committed-size-per-ready") {
            settings.max_committed_size_per_ready = number(block, only_value(block, argument));
        } else if (argument.key == "async-storage-writes") {
            settings.async_storage_writes = flag();
        } else if (argument.key == "prevote") {
            settings.pre_vote = flag();
        } else if (argument.key == "checkquorum") {
            settings.check_quorum = flag();
        } else if (argument.key == "disable-conf-change-validation") {
            settings.disable_conf_change_validation = flag();
        } else if (argument.key == "step-down-on-removal") {
            settings.step_down_on_removal = flag();
        } else if (argument.key == "read-only") {
            const std::string& option = only_value(block, argument);
            if (option != "safe" && option != "lease-based") fail(block, "'" + option + "' is no way to read");
            settings.read_only = option == "safe" ? RAFT_READ_ONLY_SAFE : RAFT_READ_ONLY_LEASE_BASED;
        } else {
            unknown(block, argument);
        }
    }
    const wire::ConfState& known = first.conf_state;
    const bool is_empty = known.voters.empty() && known.learners.empty() && first.data.empty() && first.index == 0;
    if (!is_empty) {
        // The snapshot stands for entries that somebody has committed.
        if (first.index <= 1) fail(block, "a first state needs an index above 1");
        first.term = 1;
    }
    for (std::uint64_t made = 0; made < count; ++made) cluster_.add(settings, first);
}

void Interaction::compact(const Block& block) {
    const std::vector<std::string> arguments = words(block, 2);
    Member& compacted = member(block, arguments[0]);
    // Recorded behaviour: the entry that is named goes too.
    compacted.compact(number(block, arguments[1]));
    output_.print(compacted.raft_log());
}

void Interaction::deliver_msgs(const Block& block) {
    std::vector<Recipient> recipients;
    std::optional<std::int32_t> type;
    for (const Argument& argument : block.arguments) {
        if (!argument.has_values) {
            recipients.push_back({member(block, argument.key).id(), false});
        } else if (argument.key == "drop") {
            // Whoever is cut off need not exist yet.
            for (const std::uint64_t id : ids(block, argument)) {
                const auto is_same = [id](const Recipient& other) { return other.id == id; };
                if (std::any_of(recipients.begin(), recipients.end(), is_same)) {
                    fail(block, "messages to " + std::to_string(id) + " can't be both delivered and dropped");
                }
                recipients.push_back({id, true});
            }
        } else if (argument.key == "type") {
            type = message_type(only_value(block, argument));
            if (*type < 0) fail(block, "'" + only_value(block, argument) + "' is no type of message");
        } else {
            unknown(block, argument);
        }
    }
    if (cluster_.deliver(recipients, type, false) == 0) output_.print_line("no messages");
}

void Interaction::log_level(const std::string& level, const Block& block) {
    std::string lower;
    for (const char letter : level) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    constexpr std::string_view audible[] = {"debug", "info", "warn", "error", "fatal"};
    const bool silent = lower == "none";
    if (!silent && std::find(std::begin(audible), std::end(audible), lower) == std::end(audible)) {
        fail(block, "'" + level + "' is no level");
    }
    output_.set_silent(silent);
}

void Interaction::propose_conf_change(const Block& block) {
    if (block.arguments.empty()) fail(block, "takes a node first");
    Member& proposer = member(block, block.arguments[0].key);
    bool v1 = false;
    raft_transition transition = RAFT_TRANSITION_AUTO;
    for (std::size_t at = 1; at < block.arguments.size(); ++at) {
        const Argument& argument = block.arguments[at];
        if (argument.key == "v1") {
            v1 = boolean(block, only_value(block, argument));
        } else if (argument.key == "transition") {
            const std::string& way = only_value(block, argument);
            if (way == "auto") {
                transition = RAFT_TRANSITION_AUTO;
            } else if (way == "implicit") {
                transition = RAFT_TRANSITION_JOINT_IMPLICIT;
            } else if (way == "explicit") {
                transition = RAFT_TRANSITION_JOINT_EXPLICIT;
            } else {
                fail(block, "'" + way + "' is no transition");
            }
        } else {
            unknown(block, argument);
        }
    }
    const std::vector<raft_conf_change_single> changes = steps(block);
    if (v1) {
        if (changes.size() != 1 || transition != RAFT_TRANSITION_AUTO) {
            fail(block, "with v1, a change has one step and no transition");
        }
        proposer.call(raft_node_propose_conf_change, changes[0].type, changes[0].node_id, nullptr, std::size_t{0});
        return;
    }
    const auto encoded = make<Buffer>(raft_conf_change_encode, transition, changes.data(), changes.size(), nullptr,
                                      std::size_t{0});
    const raft_bytes change = raft_buffer_bytes(encoded.get());
    proposer.call(raft_node_propose_conf_change_encoded, RAFT_ENTRY_CONF_CHANGE_V2, change.data, change.len);
}

void Interaction::send_snapshot(const Block& block) {
    const std::vector<std::string> arguments = words(block, 2);
    const Member& from = member(block, arguments[0]);
    const Member& to = member(block, arguments[1]);
    wire::Message message = wire::snapshot_message(from.id(), to.id(), from.term(), from.newest_snapshot());
    output_.print_line(describe(message));
    cluster_.enqueue(std::move(message));
}

void Interaction::set_randomized_election_timeout(const Block& block) {
    if (block.arguments.size() != 2 || block.arguments[1].key != "timeout") fail(block, "takes a node and timeout=");
    const auto ticks = number<std::uint32_t>(block, only_value(block, block.arguments[1]));
    member(block, block.arguments[0].key).call(raft_node_set_randomized_election_timeout, ticks);
}

void Interaction::stabilize(const Block& block) {
    std::vector<Member*> named;
    std::optional<std::string> level;
    for (const Argument& argument : block.arguments) {
        if (!argument.has_values) {
            named.push_back(&member(block, argument.key));
        } else if (argument.key == "log-level") {
            level = only_value(block, argument);
        } else {
            unknown(block, argument);
        }
    }
    if (named.empty()) {
        for (Member& each : cluster_.members()) named.push_back(&each);
    }
    const Output::Level outside(output_);
    if (level) log_level(*level, block);
    if (!cluster_.stabilize(named)) fail(block, "the cluster does not come to rest");
}

void Interaction::tick(const Block& block, std::uint32_t ticks) {
    Member& ticked = only_member(block);
    for (std::uint32_t done = 0; done < ticks; ++done) ticked.call(raft_node_tick);
}

void Interaction::transfer_leadership(const Block& block) {
    Member* from = nullptr;
    Member* to = nullptr;
    for (const Argument& argument : block.arguments) {
        if (argument.key == "from") {
            from = &member(block, only_value(block, argument));
        } else if (argument.key == "to") {
            to = &member(block, only_value(block, argument));
        } else {
            unknown(block, argument);
        }
    }
    if (from == nullptr || to == nullptr) fail(block, "takes from= and to=");
    from->call(raft_node_transfer_leader, to->id());
}

void Interaction::for_each_named(const Block& block, const std::string& what, void (Cluster::*work)(Member&, bool)) {
    if (block.arguments.empty()) fail(block, "takes at least one node");
    const std::vector<std::string> named = words(block, block.arguments.size());
    const bool several = named.size() > 1;
    for (const std::string& id : named) {
        Member& each = member(block, id);
        if (several) output_.print_line("> " + std::to_string(each.id()) + " " + what);
        (cluster_.*work)(each, several);
    }
}

Member& Interaction::member(const Block& block, const std::string& id) {
    Member* found = cluster_.find(number(block, id));
    if (found == nullptr) fail(block, "there is no node " + id);
    return *found;
}

Member& Interaction::only_member(const Block& block) { return member(block, words(block, 1)[0]); }

}  // namespace conformance
