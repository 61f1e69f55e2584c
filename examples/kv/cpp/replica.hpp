// One member of the cluster: the raft node, its storage and the state machine, all owned by one
// thread. Everybody else talks to it through a bounded queue, and waits for answers in futures.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "history.hpp"
#include "libraft.hpp"
#include "peers.hpp"
#include "state.hpp"

namespace kv {

/// The answer to a request: an HTTP status, and what goes with it.
struct Answer {
    int status = 503;
    /// 200 of a read: the value. Otherwise, if it is an error: the reason.
    std::string text;
    /// 200 of a write: the entry's index.
    std::uint64_t index = 0;
};

/// What the node says about itself, all of one moment.
struct Status {
    libraft::NodeStatus node;
    bool removed_itself = false;
    std::uint64_t applied = 0;
    std::uint64_t snapshot_index = 0;
    std::uint64_t state_hash = 0;
    std::size_t keys = 0;
    std::size_t bytes = 0;
    std::map<Id, std::string> members;
    std::set<Id> removed;
    double uptime_s = 0;
    /// Of the last tick, or of a later change of the role.
    std::shared_ptr<const libraft::ConfState> config;
    std::vector<libraft::Progress> progress;
    std::shared_ptr<const std::deque<Happening>> events;
};

class Replica {
public:
    using Clock = std::chrono::steady_clock;
    /// How long a request waits.
    static constexpr auto patience = std::chrono::seconds(2);

    /// Restores what the storage holds. Throws if that is damaged.
    Replica(const libraft::Config& config, libraft::Storage storage, Id id, const std::string& address);
    ~Replica() { stop(); }

    void start();
    /// Answers all that waits with 503, and ends the thread and the senders.
    void stop();

    // From any thread. The futures are fulfilled in time, or with a broken promise.
    std::future<Answer> write(std::string key, std::optional<std::string> value);
    std::future<Answer> read(std::string key);
    std::future<Answer> add_member(Id id, std::string address);
    std::future<Answer> remove_member(Id id);
    /// Asks the leader to hand over; what comes of it, the status tells.
    std::future<Answer> transfer(Id id);
    /// What the node says about itself, for Prometheus.
    std::future<Answer> metrics();

    /// Messages from a peer, framed as on the wire and checked. False if the queue is full.
    bool deliver(std::string frames);
    /// Where a peer said it is; of no matter if it is a member.
    void learn(Id peer, const std::string& address) { peers_.learn(peer, address); }
    Status status() const;

private:
    using Task = std::function<void()>;
    using Promise = std::shared_ptr<std::promise<Answer>>;

    /// A write or a membership change that has been proposed.
    struct Waiting {
        Promise promise;
        Clock::time_point deadline;
        bool is_change;
    };
    struct Read {
        std::string key;
        Promise promise;
        Clock::time_point deadline;
    };
    /// Reads that went out under one context.
    struct ReadBatch {
        std::vector<Read> reads;
        int ticks = 0;
    };

    std::future<Answer> ask(std::function<void(const Promise&)> task);
    bool enqueue(Task task, std::size_t bytes, bool always = false);
    void on_report(Id peer, Peers::Event event);

    // All of these on the thread.
    void run();
    std::deque<Task> take_tasks(Clock::time_point deadline);
    void tick();
    void propose(const Promise& promise, std::optional<libraft::ConfChangeType> change,
                 const std::function<libraft::Outcome(const Tag&)>& how);
    void propose_change(const Promise& promise, libraft::ConfChangeType type, Id id, const std::string& address);
    void ask_reads();
    void work();
    void restore(const libraft::SnapshotView& snapshot);
    void apply(const libraft::Entry& entry);
    void apply_command(const libraft::Entry& entry);
    void apply_change(const libraft::Entry& entry);
    std::optional<std::string> try_change(const libraft::Entry& entry, std::optional<Tag>& tag);
    void serve_reads();
    void make_snapshot();
    void fail_writes(const std::string& reason);
    void fail_all(const std::string& reason);
    void answer(const Promise& promise, Answer answer);
    void finish(const Tag& tag, Answer answer);
    void drop(const libraft::Dropped& dropped);
    void look_at_members();
    void publish();

    const Id id_;
    libraft::Storage storage_;
    libraft::Node node_;
    State state_;
    /// The members as the library has them, encoded, for the next snapshot.
    std::string conf_state_;
    std::uint64_t applied_ = 0;
    std::uint64_t snapshot_index_ = 0;
    std::uint64_t entries_since_snapshot_ = 0;
    std::size_t bytes_since_snapshot_ = 0;
    bool member_added_ = false;
    /// Whether this node is no member any more.
    bool removed_ = false;
    Id leader_ = 0;
    /// Of the next command, change or read context. It begins at random, so that no two processes
    /// of one id ever use the same.
    std::uint64_t sequence_;
    /// By their sequence, which is also the order of their deadlines.
    std::map<std::uint64_t, Waiting> waiting_;
    /// Reads that have no context yet; by their context; by the index that they wait for.
    std::vector<Read> new_reads_;
    std::map<std::string, ReadBatch> asked_reads_;
    std::multimap<std::uint64_t, std::vector<Read>> indexed_reads_;
    /// Given once the status shows what they tell.
    std::vector<std::pair<Promise, Answer>> answers_;
    Clock::time_point last_complaint_{};

    History history_;
    /// What the library says of the members, as of the last tick or a later change of the role, and
    /// the events as they are shown: made anew only when there is something new.
    std::shared_ptr<const libraft::ConfState> members_;
    std::vector<libraft::Progress> progress_;
    libraft::Role role_shown_ = libraft::Role::follower;
    bool removal_shown_ = false;
    std::shared_ptr<const std::deque<Happening>> events_ = std::make_shared<const std::deque<Happening>>();
    std::uint64_t events_shown_ = 0;

    mutable std::mutex status_mutex_;
    Status status_;

    std::mutex queue_mutex_;
    std::condition_variable queue_filled_;
    std::deque<std::pair<Task, std::size_t>> queue_;
    std::size_t queued_bytes_ = 0;
    bool closed_ = false;

    // Last, so that they end first.
    Peers peers_;
    std::thread thread_;
};

}  // namespace kv
