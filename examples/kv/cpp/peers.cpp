#include "peers.hpp"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>

namespace kv {

namespace {

using libraft::MessageType;
using std::chrono::milliseconds;

constexpr std::size_t max_queued_messages = 4096;
constexpr std::size_t max_queued_bytes = 32 << 20;
constexpr std::size_t max_batch_messages = 256;
constexpr std::size_t max_batch_bytes = 4 << 20;
constexpr std::size_t max_answer_bytes = 64 << 10;
constexpr auto pause_after_failure = milliseconds(50);
/// Anybody may claim to be a node and give an address, so their number is bounded.
constexpr std::size_t max_strangers = 16;

}  // namespace

class Peers::Sender {
public:
    Sender(Id id, std::string address, std::string own_address, const Report& report)
        : id_(id),
          address_(std::move(address)),
          own_address_(std::move(own_address)),
          report_(report),
          client_(address_.substr(0, address_.rfind(':')), std::stoi(address_.substr(address_.rfind(':') + 1))) {
        client_.set_keep_alive(true);
        client_.set_tcp_nodelay(true);
        client_.set_connection_timeout(1);
        client_.set_read_timeout(10);
        client_.set_write_timeout(10);
        thread_ = std::thread([this] { run(); });
    }
    ~Sender() {
        stop();
        // Also when it is in the middle of a request, or just about to begin one.
        while (!done_) {
            client_.stop();
            std::this_thread::sleep_for(milliseconds(5));
        }
        thread_.join();
    }

    const std::string& address() const { return address_; }
    bool done() const { return done_; }

    void stop() {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }

    /// False if the queue is full.
    bool push(const libraft::Message& message) {
        const std::lock_guard guard(mutex_);
        if (queue_.size() >= max_queued_messages || queued_bytes_ >= max_queued_bytes) return false;
        Frame frame{message.type(), {}};
        frame.bytes.reserve(message.encoded().size() + 10);
        append_uvarint(frame.bytes, message.encoded().size());
        frame.bytes += message.encoded();
        queued_bytes_ += frame.bytes.size();
        queue_.push_back(std::move(frame));
        wake_.notify_all();
        return true;
    }

private:
    struct Frame {
        MessageType type;
        std::string bytes;
    };

    void run() {
        std::vector<Frame> batch;
        while (take(batch)) {
            const int status = deliver(batch);
            for (const Frame& frame : batch) {
                if (frame.type != MessageType::snap) continue;
                report_(id_, status == 204 ? Event::snapshot_arrived : Event::snapshot_failed);
            }
            if (status == 204) continue;
            report_(id_, status == 410 ? Event::removed : Event::unreachable);
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, pause_after_failure, [&] { return stopping_; });
        }
        // A peer gets nothing else until the fate of its snapshot is told.
        if (holds_snapshot()) report_(id_, Event::snapshot_failed);
        done_ = true;
    }

    bool holds_snapshot() {
        const std::lock_guard guard(mutex_);
        return std::any_of(queue_.begin(), queue_.end(),
                           [](const Frame& frame) { return frame.type == MessageType::snap; });
    }

    /// Waits for messages, and takes as many as go into one request. False if it is time to end.
    bool take(std::vector<Frame>& batch) {
        batch.clear();
        std::size_t bytes = 0;
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
        if (stopping_) return false;
        while (!queue_.empty() && batch.size() < max_batch_messages &&
               (batch.empty() || bytes + queue_.front().bytes.size() <= max_batch_bytes)) {
            bytes += queue_.front().bytes.size();
            batch.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        queued_bytes_ -= bytes;
        return true;
    }

    /// Posts the batch; the answer's status, or 0 if none came.
    int deliver(const std::vector<Frame>& batch) {
        std::string body;
        for (const Frame& frame : batch) body += frame.bytes;
        // Once only: the peer may have taken it and not been able to say so, and a proposal that is
        // taken twice is carried out twice, the second time perhaps over a newer write.
        return post(body);
    }

    int post(const std::string& body) {
        httplib::Request request;
        request.method = "POST";
        request.path = "/raft";
        request.set_header("Content-Type", "application/octet-stream");
        request.set_header("Raft-Address", own_address_);
        // Handed over in pieces, since the library would copy a body of its own several times.
        request.content_length_ = body.size();
        request.content_provider_ = [&](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
            return sink.write(body.data() + offset, length);
        };
        std::size_t answer_bytes = 0;
        request.content_receiver = [&](const char*, std::size_t size, std::uint64_t, std::uint64_t) {
            return (answer_bytes += size) <= max_answer_bytes;
        };
        const httplib::Result result = client_.send(request);
        return result ? result->status : 0;
    }

    const Id id_;
    const std::string address_;
    const std::string own_address_;
    const Report& report_;
    httplib::Client client_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Frame> queue_;
    std::size_t queued_bytes_ = 0;
    bool stopping_ = false;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

Peers::Peers(std::string own_address, Report report)
    : own_address_(std::move(own_address)), report_(std::move(report)) {}

Peers::~Peers() { stop(); }

void Peers::set_members(const std::map<Id, std::string>& members) {
    const std::lock_guard guard(mutex_);
    members_ = members;
    for (const auto& [id, address] : members_) learned_.erase(id);
    std::vector<Id> outdated;
    for (const auto& [id, sender] : senders_) {
        const auto member = members_.find(id);
        if (member == members_.end() || member->second != sender->address()) outdated.push_back(id);
    }
    for (const Id id : outdated) retire(id);
}

void Peers::learn(Id id, const std::string& address) {
    const std::lock_guard guard(mutex_);
    if (members_.count(id)) return;
    if (learned_.size() >= max_strangers && !learned_.count(id)) {
        const Id forgotten = learned_.begin()->first;
        learned_.erase(forgotten);
        retire(forgotten);
    }
    learned_[id] = address;
}

void Peers::send(const libraft::Message& message) {
    const Id to = message.to();
    bool queued = false;
    {
        const std::lock_guard guard(mutex_);
        const bool member = members_.count(to) != 0;
        if (member || learned_.count(to) != 0) {
            const std::string& address = member ? members_[to] : learned_[to];
            if (senders_.count(to) && senders_[to]->address() != address) retire(to);
            auto& sender = senders_[to];
            if (!sender) sender = std::make_unique<Sender>(to, address, own_address_, report_);
            queued = sender->push(message);
        }
    }
    if (queued) return;
    if (message.type() == MessageType::snap) report_(to, Event::snapshot_failed);
    report_(to, Event::unreachable);
}

void Peers::stop() {
    std::map<Id, std::unique_ptr<Sender>> senders;
    std::vector<std::unique_ptr<Sender>> retired;
    {
        const std::lock_guard guard(mutex_);
        senders.swap(senders_);
        retired.swap(retired_);
        members_.clear();
        learned_.clear();
    }
    for (const auto& [id, sender] : senders) sender->stop();
}

void Peers::retire(Id id) {
    retired_.erase(std::remove_if(retired_.begin(), retired_.end(), [](const auto& sender) { return sender->done(); }),
                   retired_.end());
    const auto sender = senders_.find(id);
    if (sender == senders_.end()) return;
    sender->second->stop();
    retired_.push_back(std::move(sender->second));
    senders_.erase(sender);
}

}  // namespace kv
