// Carries messages to the other members: for each of them one bounded queue and one thread with
// one keep-alive connection. Sending never waits; what does not fit or does not arrive is dropped,
// which raft tolerates, and reported, which it wants to know.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libraft.hpp"
#include "state.hpp"

namespace kv {

class Peers {
public:
    enum class Event {
        unreachable,
        snapshot_arrived,
        snapshot_failed,
        /// The peer says that this node has been removed.
        removed,
    };
    /// Called on the threads of the senders, and on the one that calls send().
    using Report = std::function<void(Id peer, Event event)>;

    /// `own_address` goes with each request, for peers that do not have it yet.
    Peers(std::string own_address, Report report);
    ~Peers();

    /// The replicated address book. Senders to nodes that are not in it end.
    void set_members(const std::map<Id, std::string>& members);
    /// Where a node that is not in the book said it is. From any thread.
    void learn(Id id, const std::string& address);
    /// Queues a copy of the message.
    void send(const libraft::Message& message);
    /// Ends all senders, and waits for them.
    void stop();

private:
    class Sender;

    void retire(Id id);

    const std::string own_address_;
    const Report report_;
    std::mutex mutex_;
    std::map<Id, std::string> members_;
    std::map<Id, std::string> learned_;
    std::map<Id, std::unique_ptr<Sender>> senders_;
    /// Told to end, and not yet gone.
    std::vector<std::unique_ptr<Sender>> retired_;
};

}  // namespace kv
