// What cpp-httplib 0.11 leaves open, and what is done about it here:
//
// - It keeps what a client sends in memory without bound: lines, headers, chunked bodies. All
//   bytes come through Connection, which stops reading when a request has had its share.
// - It waits 5 seconds for each byte anew. Connection has a deadline for the whole request.
// - After an error it takes the rest of a body for the next request. Here a connection ends when
//   its request was not read to the end.
// - It accepts connections without bound, each of which takes a file descriptor. Workers lets the
//   rest wait in the kernel, and idle ones make room when there is a crowd.
// - It decodes paths, matches them with regular expressions, unpacks bodies and cuts them into
//   ranges and forms. setup() takes away what makes it do so: a value is the bytes that were sent.

#include "http.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>

namespace kv {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int max_connections = 256;
/// Beyond this many, nobody gets to be idle or slow for long.
constexpr int crowd = 128;
constexpr std::size_t max_head_bytes = 32 << 10;
/// The bodies of all requests that are being read or answered.
constexpr std::size_t max_body_bytes_at_once = 256 << 20;
constexpr auto head_time = seconds(10);
constexpr auto body_time = seconds(60);
constexpr auto idle_time = seconds(120);
constexpr int haste_in_a_crowd = 10;
constexpr auto idle_time_in_a_crowd = milliseconds(500);
/// How soon a connection notices that the server shuts down.
constexpr auto pause = milliseconds(250);

int milliseconds_until(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<decltype(left)>(left + 1, 0, 3'600'000));
}

bool ready_by(int socket, short events, Clock::time_point deadline) {
    pollfd wanted{socket, events, 0};
    for (;;) {
        const int count = ::poll(&wanted, 1, milliseconds_until(deadline));
        if (count >= 0 || errno != EINTR) return count > 0;
    }
}

}  // namespace

HttpResponse HttpResponse::error(int status, const std::string& reason) {
    using Json = nlohmann::json;
    HttpResponse response;
    response.status = status;
    response.body = Json{{"error", reason}}.dump(-1, ' ', false, Json::error_handler_t::replace);
    return response;
}

// ---------------------------------------------------------------- one connection

class HttpServer::Connection final : public httplib::Stream {
public:
    Connection(int socket, const std::atomic<int>& busy) : socket_(socket), busy_(busy) {}

    /// Whether there are bytes to read before `deadline`; what was read ahead counts.
    bool wait(Clock::time_point deadline) const { return begin_ < end_ || ready_by(socket_, POLLIN, deadline); }

    /// A request begins: from here on its line and headers are read.
    void begin_request() {
        head_.clear();
        in_head_ = in_first_line_ = true;
        in_query_ = false;
        allow(max_head_bytes, head_time);
    }
    /// The headers are over, and a body of at most so many bytes follows.
    void begin_body(std::size_t bytes) {
        in_head_ = false;
        allow(bytes, body_time);
    }
    /// The answer is being written.
    void begin_answer() { deadline_ = Clock::now() + body_time; }

    /// Whether the headers have this one without a value. The library leaves such a one out.
    bool has_empty_header(const std::string& name) const {
        std::size_t at = 0;
        while ((at = head_.find("\r\n", at)) != std::string::npos) {
            at += 2;
            const std::size_t end = head_.find("\r\n", at);
            const std::string line = head_.substr(at, end == std::string::npos ? end : end - at);
            if (line.size() > name.size() && line[name.size()] == ':' &&
                strncasecmp(line.c_str(), name.c_str(), name.size()) == 0 &&
                line.find_first_not_of(" \t", name.size() + 1) == std::string::npos) {
                return true;
            }
        }
        return false;
    }

    /// Ends the connection so that the client gets to see the answer: what it still sends is
    /// thrown away for a moment, since closing at once would make its kernel drop the answer.
    void linger() {
        ::shutdown(socket_, SHUT_WR);
        const auto deadline = Clock::now() + seconds(1);
        std::size_t thrown_away = 0;
        while (thrown_away < (8 << 20) && ready_by(socket_, POLLIN, deadline)) {
            const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (count <= 0) break;
            thrown_away += static_cast<std::size_t>(count);
        }
    }

    /// Whether the connection has to end after this request, since it was not read to the end.
    bool must_close = true;

    bool is_readable() const override { return wait(deadline_); }
    bool is_writable() const override { return ready_by(socket_, POLLOUT, deadline_); }
    ssize_t read(char* out, std::size_t size) override {
        size = std::min(size, budget_);
        if (size == 0) return -1;
        if (begin_ == end_) {
            if (!ready_by(socket_, POLLIN, deadline_)) return -1;
            const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (count <= 0) return count;
            begin_ = 0;
            end_ = static_cast<std::size_t>(count);
        }
        size = std::min(size, end_ - begin_);
        std::memcpy(out, buffer_.data() + begin_, size);
        begin_ += size;
        budget_ -= size;
        if (in_head_) {
            // The library refuses a query with a question mark in it; queries are ignored anyway.
            for (std::size_t i = 0; i < size; ++i) {
                if (in_query_ && out[i] == '?') out[i] = '.';
                in_first_line_ = in_first_line_ && out[i] != '\n';
                in_query_ = in_first_line_ && (in_query_ || out[i] == '?');
            }
            head_.append(out, size);
        }
        return static_cast<ssize_t>(size);
    }
    ssize_t write(const char* data, std::size_t size) override {
        if (!is_writable()) return -1;
        return ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    void get_remote_ip_and_port(std::string&, int&) const override {}
    void get_local_ip_and_port(std::string&, int&) const override {}
    socket_t socket() const override { return socket_; }

private:
    void allow(std::size_t bytes, Clock::duration time) {
        budget_ = bytes;
        deadline_ = Clock::now() + (busy_ > crowd ? time / haste_in_a_crowd : time);
    }

    int socket_;
    const std::atomic<int>& busy_;
    std::array<char, 16 << 10> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t budget_ = 0;
    Clock::time_point deadline_;
    bool in_head_ = false;
    bool in_first_line_ = false;
    bool in_query_ = false;
    std::string head_;
};

thread_local HttpServer::Connection* HttpServer::current_ = nullptr;

/// A thread for each connection up to a bound. The accept loop waits beyond it.
class HttpServer::Workers final : public httplib::TaskQueue {
public:
    explicit Workers(std::atomic<int>& busy) : busy_(busy) {}
    void enqueue(std::function<void()> serve) override {
        std::unique_lock lock(mutex_);
        free_.wait(lock, [&] { return busy_ < max_connections; });
        ++busy_;
        pool_.enqueue([this, serve = std::move(serve)] {
            serve();
            const std::lock_guard guard(mutex_);
            --busy_;
            free_.notify_one();
        });
    }
    void shutdown() override { pool_.shutdown(); }

private:
    std::atomic<int>& busy_;
    std::mutex mutex_;
    std::condition_variable free_;
    httplib::ThreadPool pool_{max_connections};
};

// ---------------------------------------------------------------- the server

HttpServer::HttpServer(Handler handler, BodyLimit body_limit)
    : handler_(std::move(handler)), body_limit_(std::move(body_limit)) {
    new_task_queue = [this] { return new Workers(busy_); };
    set_keep_alive_max_count(std::numeric_limits<int>::max());
    set_keep_alive_timeout(std::chrono::duration_cast<seconds>(idle_time).count());
    // Not the library's SO_REUSEPORT, with which a second server could take the same port.
    set_socket_options([this](socket_t socket) {
        const int on = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        listener_ = socket;
    });
    // Requests whose body the library can hand over piece by piece come to the four handlers, all
    // others are answered before it routes them.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
        for (const char* method : {"PUT", "POST", "DELETE", "PATCH"}) {
            if (request.method == method) return HandlerResponse::Unhandled;
        }
        serve(request, response, nullptr);
        return HandlerResponse::Handled;
    });
    const HandlerWithContentReader with_body = [this](const httplib::Request& request, httplib::Response& response,
                                                      const httplib::ContentReader& reader) {
        serve(request, response, &reader);
    };
    Put("/", with_body).Post("/", with_body).Delete("/", with_body).Patch("/", with_body);
    // What the library answers by itself: a request that it can't read.
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        response.body = HttpResponse::error(response.status, "this is no HTTP request that can be read").body;
        response.set_header("Content-Type", "application/json");
        response.set_header("Connection", "close");
    });
}

bool HttpServer::start(const std::string& host, int port) {
    if (!bind_to_port(host, port)) return false;
    // The library's queue of 5 connections would make clients wait a second for the next try.
    ::listen(listener_, 512);
    thread_ = std::thread([this] { listen_after_bind(); });
    while (!is_running()) std::this_thread::yield();
    return true;
}

void HttpServer::shut_down() {
    if (!thread_.joinable()) return;
    stop();
    thread_.join();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection connection(socket, busy_);
    current_ = &connection;
    const auto setup = [&](httplib::Request& request) {
        request.path = "/";
        request.ranges.clear();
        for (const char* name : {"Content-Type", "Content-Encoding", "Accept-Encoding"}) request.headers.erase(name);
        if (connection.has_empty_header("Raft-Address")) request.set_header("Raft-Address", "");
    };
    bool closed = false;
    while (!closed) {
        const auto idle_since = Clock::now();
        while (!connection.wait(Clock::now() + pause)) {
            const auto patience = busy_ > crowd ? idle_time_in_a_crowd : idle_time;
            if (svr_sock_ == INVALID_SOCKET || Clock::now() - idle_since > patience) closed = true;
            if (closed) break;
        }
        if (closed || svr_sock_ == INVALID_SOCKET) break;
        connection.begin_request();
        connection.must_close = true;
        const bool answered = process_request(connection, false, closed, setup);
        if (answered && connection.must_close) connection.linger();
        closed = closed || connection.must_close || !answered;
    }
    ::close(socket);
    current_ = nullptr;
    return true;
}

void HttpServer::serve(const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader* reader) {
    HttpResponse own;
    try {
        own = respond(request, reader);
    } catch (const std::exception& error) {
        own = HttpResponse::error(500, error.what());
    }
    current_->begin_answer();
    response.status = own.status;
    if (own.status != 204) {
        response.body = std::move(own.body);
        response.set_header("Content-Type", own.content_type);
    }
    for (const auto& [name, value] : own.headers) response.set_header(name, value);
    if (current_->must_close) response.set_header("Connection", "close");
}

HttpResponse HttpServer::respond(const httplib::Request& request, const httplib::ContentReader* reader) {
    HttpRequest own;
    own.method = request.method;
    own.path = request.target.substr(0, request.target.find('?'));
    if (request.has_header("Raft-Address")) own.raft_address = request.get_header_value("Raft-Address");
    own.has_origin = request.has_header("Origin");

    std::size_t reserved = 0;
    struct Release {
        std::atomic<std::size_t>& total;
        std::size_t& bytes;
        ~Release() { total -= bytes; }
    } const release{body_bytes_, reserved};
    const std::string encoding = request.get_header_value("Transfer-Encoding");
    const std::string length = request.get_header_value("Content-Length");
    // Without either, a request has no body. (The library would read until the connection ends.)
    if (!encoding.empty() || !length.empty()) {
        const std::size_t limit = body_limit_(own.path);
        std::size_t announced = limit;
        if (encoding.empty()) {
            if (length.size() > 18 || length.find_first_not_of("0123456789") != std::string::npos) {
                return HttpResponse::error(400, "a bad Content-Length");
            }
            announced = std::stoull(length);
        } else if (strcasecmp(encoding.c_str(), "chunked") != 0 || !length.empty()) {
            return HttpResponse::error(400, "a Transfer-Encoding other than chunked, or a length besides");
        }
        if (announced > limit) return HttpResponse::error(413, "the body is over " + std::to_string(limit) + " bytes");
        if (!reader && (announced > 0 || !encoding.empty())) {
            return HttpResponse::error(400, "a body where none is expected");
        }
        reserved = announced;
        if ((body_bytes_ += announced) > max_body_bytes_at_once) {
            return HttpResponse::error(503, "too many large requests");
        }
        // Chunks have lengths between them, which count too.
        current_->begin_body(encoding.empty() ? announced : 2 * announced + max_head_bytes);
        own.body.reserve(encoding.empty() ? announced : 0);
        bool fits = true;
        // A GET may say that its body is empty; there is nothing to read then.
        const bool whole = !reader || (*reader)([&](const char* data, std::size_t size) {
            fits = own.body.size() + size <= limit;
            if (fits) own.body.append(data, size);
            return fits;
        });
        if (!fits) return HttpResponse::error(413, "the body is over " + std::to_string(limit) + " bytes");
        if (!whole) return HttpResponse::error(400, "the body was cut off");
    }
    current_->must_close = false;
    return handler_(own);
}

}  // namespace kv
