// The replicated state machine, and the byte formats of what is replicated. Knows nothing of raft:
// the same commands in the same order give the same state on every node, in every language.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace kv {

using Id = std::uint64_t;

constexpr Id max_id = 1'000'000;
constexpr std::size_t max_key_bytes = 512;
constexpr std::size_t max_value_bytes = 1 << 20;
constexpr std::size_t max_state_bytes = 48 << 20;
/// What a pair counts for in max_state_bytes besides its key and value.
constexpr std::size_t pair_overhead_bytes = 16;

/// `HOST:PORT`, as the README defines it.
bool is_address(std::string_view text);
/// A decimal number 1 ..= max_id without sign and leading zeros.
std::optional<Id> parse_id(std::string_view text);

void append_uvarint(std::string& out, std::uint64_t value);
/// Takes a uvarint off the front of `in`. None if it is cut off, over 10 bytes or over 64 bits.
std::optional<std::uint64_t> take_uvarint(std::string_view& in);

/// The 16 bytes that begin every command and context, and by which the proposer finds the request
/// that waits for it.
struct Tag {
    Id proposer = 0;
    std::uint64_t sequence = 0;

    std::string encode() const;
    static std::optional<Tag> take(std::string_view& in);
};

/// The data of a normal entry: a put, or a delete if there is no value.
struct Command {
    Tag tag;
    std::string_view key;
    std::optional<std::string_view> value;

    std::string encode() const;
    /// A view of `data`; none if that is not exactly of the form.
    static std::optional<Command> decode(std::string_view data);
};

/// The pairs, the members and the ids that were members once.
class State {
public:
    /// The value, or null.
    const std::string* find(std::string_view key) const;
    void put(std::string_view key, std::string_view value);
    void erase(std::string_view key);
    /// Whether there is room for a write. There always is for one that does not make the state
    /// larger, which may be over the limit if it was restored so.
    bool fits(std::string_view key, std::string_view value) const;
    /// Carries out a command. False if there is no room for it: then nothing has changed.
    bool apply(const Command& command);

    /// Why a membership change is refused, by every node alike; none if it may be applied.
    std::optional<std::string> refuse_add(Id id, std::string_view address) const;
    std::optional<std::string> refuse_remove(Id id) const;
    void add_member(Id id, std::string_view address) { members_[id] = address; }
    void remove_member(Id id);

    std::size_t keys() const { return pairs_.size(); }
    std::size_t bytes() const { return bytes_; }
    std::uint64_t hash() const { return hash_; }
    const std::map<Id, std::string>& members() const { return members_; }
    const std::set<Id>& removed() const { return removed_; }

    /// The whole as the data of a snapshot.
    std::string encode() const;
    /// None if `data` is not a whole and undamaged snapshot.
    static std::optional<State> decode(std::string_view data);

private:
    struct Value {
        std::string bytes;
        /// What the pair adds to the state hash; kept, since an old value is hashed again otherwise.
        std::uint64_t hash;
    };

    std::map<std::string, Value, std::less<>> pairs_;
    std::map<Id, std::string> members_;
    std::set<Id> removed_;
    std::size_t bytes_ = 0;
    std::uint64_t hash_ = 0;
};

}  // namespace kv
