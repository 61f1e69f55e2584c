// The members and the messages in flight between them, driven step by step.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "member.hpp"
#include "wire.hpp"

namespace conformance {

/// What is printed, unless that is silenced.
class Output {
public:
    /// Restores at its end whether the output is silent.
    class Level {
    public:
        explicit Level(Output& output) : output_(output), was_silent_(output.silent_) {}
        ~Level() { output_.silent_ = was_silent_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

    private:
        Output& output_;
        bool was_silent_;
    };

    void set_silent(bool silent) { silent_ = silent; }
    bool is_silent() const { return silent_; }

    /// Adds text, each line of it two spaces deeper if `nested`.
    void print(const std::string& text, bool nested = false);
    void print_line(const std::string& line, bool nested = false) { print(line + "\n", nested); }

    /// What was printed since the last time.
    std::string take();

private:
    bool silent_ = false;
    std::string text_;
};

/// Whose messages are handled, and how.
struct Recipient {
    std::uint64_t id = 0;
    bool drop = false;
};

class Cluster {
public:
    explicit Cluster(Output& output) : output_(output) {}

    void add(const Settings& settings, const wire::Snapshot& first);
    std::vector<Member>& members() { return members_; }
    /// The member with this id; nullptr if there is none.
    Member* find(std::uint64_t id);
    void enqueue(wire::Message message) { in_flight_.push_back(std::move(message)); }

    // `nested` output stands below a headline of its own.
    void process_ready(Member& member, bool nested);
    void process_append_work(Member& member, bool nested);
    void process_apply_work(Member& member, bool nested);

    /// Handles the messages of one type, or of all, that wait for the recipients, and returns how
    /// many there were.
    std::size_t deliver(const std::vector<Recipient>& recipients, std::optional<std::int32_t> type, bool nested);

    /// Works on these members until nothing is left to do. False if there still is after so many
    /// rounds that it will never end.
    bool stabilize(const std::vector<Member*>& members);

private:
    bool has_message_for(std::uint64_t id) const;
    bool stabilize_once(const std::vector<Member*>& members);

    Output& output_;
    std::vector<Member> members_;
    std::vector<wire::Message> in_flight_;
};

}  // namespace conformance
