// An HTTP server that stays up whatever it is sent: cpp-httplib, with the bounds around it that a
// server on an open port needs. Knows nothing of raft or keys; a reader of the tutorial may take
// it for granted.

#pragma once

#include <httplib.h>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>

namespace kv {

struct HttpRequest {
    std::string method;
    /// The path as it was sent: not decoded, not cleaned, without the query.
    std::string path;
    std::string body;
    std::optional<std::string> raft_address;
    /// Whether a browser says that a web page sends it.
    bool has_origin = false;
};

struct HttpResponse {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
    std::map<std::string, std::string> headers;

    /// The JSON object that all errors are.
    static HttpResponse error(int status, const std::string& reason);
};

class HttpServer : private httplib::Server {
public:
    using Handler = std::function<HttpResponse(HttpRequest&)>;
    /// How many bytes the body of a request to this path may have.
    using BodyLimit = std::function<std::size_t(const std::string& path)>;

    HttpServer(Handler handler, BodyLimit body_limit);
    ~HttpServer() override { shut_down(); }

    /// Begins to serve; false if the address can't be had.
    bool start(const std::string& host, int port);
    /// Answers what is under way, and ends all connections.
    void shut_down();

private:
    class Connection;
    class Workers;
    /// The connection that this thread serves.
    static thread_local Connection* current_;

    bool process_and_close_socket(socket_t socket) override;
    void serve(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader* reader);
    HttpResponse respond(const httplib::Request& request, const httplib::ContentReader* reader);

    Handler handler_;
    BodyLimit body_limit_;
    std::atomic<int> busy_{0};
    std::atomic<std::size_t> body_bytes_{0};
    int listener_ = -1;
    std::thread thread_;
};

}  // namespace kv
