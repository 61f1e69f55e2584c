// A replicated key-value server on libraft, in C++: see examples/kv/README.md.
//
// Read it in this order: state (what is replicated), replica (how raft is driven: the heart of it),
// peers (how messages travel), this file (the HTTP API, and how a node starts and ends). http keeps
// the HTTP library within bounds and has nothing to do with raft.

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "http.hpp"
#include "replica.hpp"

namespace kv {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_raft_body_bytes = 64 << 20;
/// How many messages one body may have. Senders stay far below.
constexpr std::size_t max_frames = 1024;

// ---------------------------------------------------------------- flags

struct Options {
    Id id = 0;
    std::string data;
    std::string listen;
    std::map<Id, std::string> peers;
    std::string join;
    std::filesystem::path page;
    std::optional<std::uint64_t> seed;
};

struct BadFlags : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// `1=HOST:PORT,2=..`
std::map<Id, std::string> parse_peers(const std::string& text) {
    std::map<Id, std::string> peers;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string peer = text.substr(at, end - at);
        const std::size_t equals = std::min(peer.find('='), peer.size());
        const auto id = parse_id(peer.substr(0, equals));
        const std::string address = equals < peer.size() ? peer.substr(equals + 1) : "";
        if (!id || !is_address(address)) throw BadFlags("--peers: ID=HOST:PORT is expected, not '" + peer + "'");
        for (const auto& [other, its_address] : peers) {
            if (other == *id || its_address == address) throw BadFlags("--peers: '" + peer + "' is there twice");
        }
        peers[*id] = address;
        at = end + 1;
    }
    return peers;
}

std::uint64_t parse_seed(const std::string& text) {
    try {
        std::size_t used = 0;
        const std::uint64_t seed = std::stoull(text, &used);
        if (used == text.size() && text.front() >= '0' && text.front() <= '9') return seed;
    } catch (const std::logic_error&) {
    }
    throw BadFlags("--seed: a number of 64 bits is expected, not '" + text + "'");
}

Options parse_flags(const std::vector<std::string>& arguments) {
    Options options;
    options.page = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../examples/kv/web/index.html";
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::size_t equals = std::min(arguments[i].find('='), arguments[i].size());
        const std::string flag = arguments[i].substr(0, equals);
        if (equals == arguments[i].size() && i + 1 == arguments.size()) throw BadFlags(flag + ": a value is expected");
        const std::string value = equals < arguments[i].size() ? arguments[i].substr(equals + 1) : arguments[++i];
        if (flag == "--id") {
            options.id = parse_id(value).value_or(0);
            if (options.id == 0) throw BadFlags("--id: 1 ..= 1000000 is expected, not '" + value + "'");
        } else if (flag == "--data") {
            options.data = value;
        } else if (flag == "--listen") {
            options.listen = value;
        } else if (flag == "--peers") {
            options.peers = parse_peers(value);
        } else if (flag == "--join") {
            options.join = value;
            if (!is_address(value)) throw BadFlags("--join: HOST:PORT is expected, not '" + value + "'");
        } else if (flag == "--page") {
            options.page = value;
        } else if (flag == "--seed") {
            options.seed = parse_seed(value);
        } else {
            throw BadFlags("unknown flag " + flag);
        }
    }
    if (options.id == 0) throw BadFlags("--id is required");
    if (options.data.empty()) throw BadFlags("--data is required");
    if (!is_address(options.listen)) throw BadFlags("--listen: HOST:PORT is expected");
    if (!options.peers.empty() && !options.join.empty()) throw BadFlags("--peers and --join exclude each other");
    if (!options.peers.empty() && !options.peers.count(options.id)) {
        throw BadFlags("--peers: this node is not among them");
    }
    if (options.peers.empty() && options.join.empty()) {
        std::error_code error;
        if (std::filesystem::is_empty(options.data, error) || error) {
            throw BadFlags("--peers or --join is required for a new node");
        }
    }
    return options;
}

// ---------------------------------------------------------------- HTTP API

/// Percent-decodes once; none if a `%` is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = digit(text[i + 1]);
        const int low = digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return out;
}

std::string trimmed(const std::string& text) {
    const char* const white = " \t\r\n\v\f";
    const std::size_t begin = text.find_first_not_of(white);
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

bool starts_with(const std::string& text, std::string_view prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

class Api {
public:
    Api(const Options& options, Replica& replica) : options_(options), replica_(replica) {}

    HttpResponse handle(HttpRequest& request) {
        if (request.method == "HEAD") request.method = "GET";
        if (starts_with(request.path, "/kv/")) return key(request);
        if (starts_with(request.path, "/members/") && request.path.size() > 9) return member(request);
        if (starts_with(request.path, "/leader/") && request.path.size() > 8) return leader(request);
        if (request.path == "/raft") return request.method == "POST" ? raft(request) : not_allowed("POST");
        if (request.path == "/status") return request.method == "GET" ? status() : not_allowed("GET");
        if (request.path == "/metrics") return request.method == "GET" ? metrics() : not_allowed("GET");
        if (request.path == "/") return request.method == "GET" ? page() : not_allowed("GET");
        return HttpResponse::error(404, "no such path");
    }

    /// From here on, what needs the cluster is answered 503.
    void go_down() { going_down_ = true; }

private:
    static HttpResponse not_allowed(const std::string& allowed) {
        HttpResponse response = HttpResponse::error(405, "this path takes " + allowed);
        response.headers["Allow"] = allowed;
        return response;
    }

    HttpResponse key(HttpRequest& request) {
        if (request.method != "PUT" && request.method != "GET" && request.method != "DELETE") {
            return not_allowed("GET, PUT, DELETE");
        }
        const auto key = percent_decode(std::string_view(request.path).substr(4));
        if (!key) return HttpResponse::error(400, "a % without two hex digits in the key");
        if (key->empty() || key->size() > max_key_bytes) return HttpResponse::error(400, "a key has 1 to 512 bytes");
        if (request.method == "GET") {
            HttpResponse response = wait(replica_.read(*key));
            if (response.status == 200) response.content_type = "application/octet-stream";
            return response;
        }
        if (request.method == "DELETE") return wait(replica_.write(*key, std::nullopt));
        return wait(replica_.write(*key, std::move(request.body)));
    }

    HttpResponse member(HttpRequest& request) {
        if (request.method != "PUT" && request.method != "DELETE") return not_allowed("PUT, DELETE");
        const auto id = parse_id(std::string_view(request.path).substr(9));
        if (!id) return HttpResponse::error(400, "an id is a number 1 to 1000000");
        if (request.method == "DELETE") return wait(replica_.remove_member(*id));
        const std::string address = trimmed(request.body);
        if (!is_address(address)) return HttpResponse::error(400, "the body has to be HOST:PORT");
        return wait(replica_.add_member(*id, address));
    }

    HttpResponse leader(const HttpRequest& request) {
        if (request.method != "PUT") return not_allowed("PUT");
        const auto id = parse_id(std::string_view(request.path).substr(8));
        if (!id) return HttpResponse::error(400, "an id is a number 1 to 1000000");
        HttpResponse response = wait(replica_.transfer(*id));
        if (response.status == 202) response.body = Json{{"asked", *id}}.dump();
        return response;
    }

    /// Waits for the answer of the replica, though no longer than the client shall.
    HttpResponse wait(std::future<Answer> future) {
        if (future.wait_for(Replica::patience) != std::future_status::ready) {
            return HttpResponse::error(503, "no answer in time");
        }
        try {
            Answer answer = future.get();
            if (answer.status >= 300) return HttpResponse::error(answer.status, answer.text);
            HttpResponse response;
            response.status = answer.status;
            response.body = answer.index == 0 ? std::move(answer.text) : Json{{"index", answer.index}}.dump();
            return response;
        } catch (const std::future_error&) {
            return HttpResponse::error(503, going_down_ ? "this node is going down" : "this node is too busy");
        }
    }

    /// Checks every message before the first one is handed over.
    HttpResponse raft(HttpRequest& request) {
        // Browsers say which page sends a POST, and send it to any port of this machine unasked.
        if (request.has_origin) return HttpResponse::error(403, "this is not for web pages");
        if (request.raft_address && !is_address(*request.raft_address)) {
            return HttpResponse::error(400, "Raft-Address is no address");
        }
        const Status status = replica_.status();
        std::vector<Id> senders;
        std::string_view rest = request.body;
        if (rest.empty()) return HttpResponse::error(400, "no message");
        while (!rest.empty()) {
            if (senders.size() == max_frames) return HttpResponse::error(413, "over 1024 messages");
            const auto length = take_uvarint(rest);
            if (!length || *length > rest.size()) return HttpResponse::error(400, "a bad length");
            std::optional<libraft::Message> message;
            const libraft::Outcome outcome = libraft::Message::try_decode(rest.substr(0, *length), message);
            if (!outcome) return HttpResponse::error(400, std::string(outcome.message()));
            if (is_local(message->type())) return HttpResponse::error(400, "a message that never travels");
            const Id from = message->from();
            if (from == 0 || from == options_.id) return HttpResponse::error(400, "a bad sender");
            if (message->to() != options_.id) return HttpResponse::error(421, "this is another node");
            if (status.removed.count(from)) return HttpResponse::error(410, "the sender has been removed");
            if (message->type() == libraft::MessageType::snap && !State::decode(message->snapshot_data())) {
                return HttpResponse::error(400, "the snapshot is damaged");
            }
            senders.push_back(from);
            rest.remove_prefix(*length);
        }
        if (going_down_) return HttpResponse::error(503, "this node is going down");
        if (!status.removed_itself) {
            for (const Id sender : senders) {
                if (request.raft_address) replica_.learn(sender, *request.raft_address);
            }
            if (!replica_.deliver(std::move(request.body))) return HttpResponse::error(503, "this node is too busy");
        }
        HttpResponse response;
        response.status = 204;
        return response;
    }

    /// What passes between a node and its own storage; all other local kinds do not even decode.
    static bool is_local(libraft::MessageType type) {
        return type >= libraft::MessageType::storage_append && type <= libraft::MessageType::storage_apply_resp;
    }

    HttpResponse status() const {
        const Status status = replica_.status();
        char hash[17];
        std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(status.state_hash));
        Json members = Json::object();
        for (const auto& [id, address] : status.members) members[std::to_string(id)] = address;
        const bool removed = status.removed_itself;
        const Json json{
            {"id", options_.id},
            {"address", options_.listen},
            {"language", "C++"},
            {"role", removed ? "removed" : std::string(to_string(status.node.role))},
            {"leader", removed ? 0 : status.node.leader},
            {"term", status.node.term},
            {"commit", status.node.commit},
            {"applied", status.applied},
            {"first_index", status.node.first_index},
            {"last_index", status.node.last_index},
            {"snapshot_index", status.snapshot_index},
            {"state_hash", hash},
            {"keys", status.keys},
            {"bytes", status.bytes},
            {"members", members},
            {"removed", status.removed},
            {"uptime_s", status.uptime_s},
            {"run", run_},
            {"transferee", status.node.lead_transferee},
            {"config", configuration(status.config->view())},
            {"progress", progress(status.progress)},
            {"events", events(*status.events)},
        };
        HttpResponse response;
        response.body = json.dump();
        response.headers["Access-Control-Allow-Origin"] = "*";
        response.headers["Cache-Control"] = "no-store";
        return response;
    }

    static Json configuration(const libraft::ConfStateView& members) {
        const auto ids = [](const auto& list) { return Json(std::vector<Id>(list.begin(), list.end())); };
        return {
            {"voters", ids(members.voters())},
            {"voters_outgoing", ids(members.voters_outgoing())},
            {"learners", ids(members.learners())},
            {"learners_next", ids(members.learners_next())},
        };
    }

    static Json progress(const std::vector<libraft::Progress>& members) {
        static const char* const states[] = {"probe", "replicate", "snapshot"};
        Json json = Json::object();
        for (const libraft::Progress& member : members) {
            const auto state = static_cast<std::size_t>(member.state);
            json[std::to_string(member.id)] = {
                {"match", member.match_index},
                {"next", member.next_index},
                {"state", state < std::size(states) ? states[state] : "unknown"},
                {"paused", member.paused},
                {"recent_active", member.recent_active},
                {"inflight", member.inflight_messages},
                {"pending_snapshot", member.pending_snapshot},
            };
        }
        return json;
    }

    static Json events(const std::deque<Happening>& events) {
        Json json = Json::array();
        for (const Happening& event : events) {
            json.push_back({{"n", event.n}, {"at_s", event.at_s}, {"type", event.type}, {"reason", event.reason},
                            {"kind", event.kind}, {"node", event.node}, {"term", event.term}, {"index", event.index},
                            {"from", event.from}, {"to", event.to}});
        }
        return json;
    }

    /// Another one in each process.
    static std::string random_run() {
        std::random_device random;
        char text[17];
        std::snprintf(text, sizeof text, "%08x%08x", random(), random());
        return text;
    }

    HttpResponse metrics() {
        HttpResponse response = wait(replica_.metrics());
        if (response.status == 200) response.content_type = libraft::Exposition::content_type;
        return response;
    }

    HttpResponse page() const {
        std::ifstream file(options_.page, std::ios::binary);
        if (!file) return HttpResponse::error(404, "the page is missing");
        HttpResponse response;
        response.body.assign(std::istreambuf_iterator<char>(file), {});
        response.content_type = "text/html; charset=utf-8";
        // In a frame of another page, its buttons could be pressed by who does not see them.
        response.headers["X-Frame-Options"] = "DENY";
        return response;
    }

    const Options& options_;
    Replica& replica_;
    std::atomic<bool> going_down_{false};
    const std::string run_ = random_run();
};

// ---------------------------------------------------------------- a node's life

/// The directory as it was left, or the first state of a new cluster.
libraft::Storage open_storage(const Options& options) {
    libraft::Storage storage = libraft::Storage::open(options.data);
    if (!storage.is_fresh()) return storage;
    if (!options.peers.empty()) {
        // The same on each of the first nodes. The log begins after it, so that a node that joins
        // later can only be brought up by a snapshot, and learns the members from it.
        std::vector<Id> voters;
        State state;
        for (const auto& [id, address] : options.peers) {
            voters.push_back(id);
            state.add_member(id, address);
        }
        storage.bootstrap(1, 1, voters, state.encode());
    } else if (!options.join.empty()) {
        std::fprintf(stderr, "kv: to add this node: curl -X PUT http://%s/members/%llu -d %s\n", options.join.c_str(),
                     static_cast<unsigned long long>(options.id), options.listen.c_str());
    } else {
        throw BadFlags("--peers or --join is required for a new node");
    }
    return storage;
}

libraft::Config raft_config(const Options& options) {
    libraft::Config config(options.id);
    config.election_ticks(10)
        .heartbeat_ticks(1)
        .pre_vote(true)
        .check_quorum(true)
        .read_only(libraft::ReadOnly::safe)
        .peer_reports(true)
        .max_size_per_msg(256 << 10)
        .max_inflight_msgs(64)
        .max_inflight_bytes(8 << 20)
        .max_uncommitted_bytes(32 << 20)
        .max_committed_size_per_ready(4 << 20);
    if (options.seed) config.seed(*options.seed);
    return config;
}

void run(const Options& options) {
    // Signals are taken by sigwait() below, so all threads that are started from here leave them alone.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    signal(SIGPIPE, SIG_IGN);

    Replica replica(raft_config(options), open_storage(options), options.id, options.listen);
    Api api(options, replica);
    HttpServer server([&](HttpRequest& request) { return api.handle(request); },
                      [](const std::string& path) { return path == "/raft" ? max_raft_body_bytes : max_value_bytes; });
    const std::size_t colon = options.listen.rfind(':');
    if (!server.start(options.listen.substr(0, colon), std::stoi(options.listen.substr(colon + 1)))) {
        throw std::runtime_error("can't listen on " + options.listen);
    }
    replica.start();
    std::printf("kv: node %llu (C++) serves http://%s/\n", static_cast<unsigned long long>(options.id),
                options.listen.c_str());
    std::fflush(stdout);

    int signal_number = 0;
    sigwait(&ends, &signal_number);
    api.go_down();
    replica.stop();
    server.shut_down();
}

}  // namespace

}  // namespace kv

int main(int argc, char** argv) {
    try {
        kv::run(kv::parse_flags({argv + 1, argv + argc}));
        return 0;
    } catch (const kv::BadFlags& error) {
        std::fprintf(stderr, "kv: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "kv: %s\n", error.what());
        return 1;
    }
}
