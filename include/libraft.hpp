/*
 * libraft for C++17 and later: libraft.h with ownership, types and exceptions.
 *
 * Header-only, and nothing but libraft.h below it: each call here is one call there, and what
 * libraft.h says of that call holds. This page says what C++ adds. The loop of a host is
 *
 *     libraft::Storage storage = libraft::Storage::open("data");
 *     if (storage.is_fresh()) storage.bootstrap(1, 1, {1, 2, 3});
 *     libraft::Node node(libraft::Config(1), storage);
 *
 *     node.tick();  node.step(bytes);  node.propose("set x = 1");      // whatever has arrived
 *     while (node.has_ready()) {
 *         libraft::Ready ready = node.ready();
 *         storage.save(ready);
 *         for (libraft::Message message : ready.messages()) send(message.to(), message.encoded());
 *         if (auto snapshot = ready.snapshot()) restore(snapshot->data());
 *         for (libraft::Entry entry : ready.committed_entries()) apply(entry);
 *         node.advance();
 *     }
 *
 * - Ownership. What owns something is move-only and frees it in its destructor: Config, Storage,
 *   Node, Buffer, EntryList, StoredSnapshot, ConfState, ConfChange, Outcome. All else is a plain
 *   value or a view, cheap to copy, and each one says what it is a view of. A view of a Ready is good
 *   until the next ready(), next_ready() or peek_ready() on that node, or the node's end; copy with Bytes::str() what has to
 *   live longer. Input is borrowed for the call only.
 * - Errors. Calls throw libraft::Error, a std::runtime_error with the code and the reason, since
 *   most failures end a host or a request, and must not pass unseen. Where failing is part of
 *   normal work (a proposal without a leader, bytes from a peer) there is also a try_ variant:
 *   noexcept, allocating nothing when all is well, and returning a [[nodiscard]] Outcome. A call
 *   that fails has changed nothing.
 * - Moved-from objects are empty. They may be destroyed, assigned to and tested with `if (node)`;
 *   any other call on one throws Code::null. Empty views have no bytes and no elements.
 * - Threads. As in libraft.h: a node is used by one thread at a time (a second one gets
 *   Code::misuse and nothing happens), a Storage may be shared, views may be read from any
 *   thread. Moving or destroying an object while another thread uses it is a data race.
 * - Numbers. The enumerations have the values of libraft.h. Later versions of the library may
 *   return values without a name here, so a `switch` over one needs a `default`.
 */

#ifndef LIBRAFT_HPP
#define LIBRAFT_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "libraft.h"

namespace libraft {

// ---------------------------------------------------------------- versions

/** The version of the library that the program runs with, such as "0.1.0". */
inline std::string_view version() noexcept { return raft_version_string(); }

/** Whether that library has the binary interface that this header was written for. */
inline bool abi_matches() noexcept { return raft_abi_version() == RAFT_ABI_VERSION; }

// ---------------------------------------------------------------- numbers

/** What became of a call. The comments of the RAFT_ERR_ numbers in libraft.h say more. */
enum class Code : std::int32_t {
    ok = RAFT_OK,
    // The caller can act on these.
    null = RAFT_ERR_NULL,
    argument = RAFT_ERR_ARGUMENT,
    config = RAFT_ERR_CONFIG,
    misuse = RAFT_ERR_MISUSE,
    dropped = RAFT_ERR_DROPPED,
    read_dropped = RAFT_ERR_READ_DROPPED,
    conf_change = RAFT_ERR_CONF_CHANGE,
    wrong_answer = RAFT_ERR_WRONG_ANSWER,
    restart_state = RAFT_ERR_RESTART_STATE,
    snapshot_request_dropped = RAFT_ERR_SNAPSHOT_REQUEST_DROPPED,
    // A peer sent something that can't be right.
    malformed = RAFT_ERR_MALFORMED,
    impossible = RAFT_ERR_IMPOSSIBLE,
    local_message = RAFT_ERR_LOCAL_MESSAGE,
    unknown_peer = RAFT_ERR_UNKNOWN_PEER,
    // The bytes are no recording that can be replayed.
    recording = RAFT_ERR_RECORDING,
    // The object has stopped for good.
    poisoned = RAFT_ERR_POISONED,
    panic = RAFT_ERR_PANIC,
    // Storage.
    compacted = RAFT_ERR_COMPACTED,
    unavailable = RAFT_ERR_UNAVAILABLE,
    snapshot_out_of_date = RAFT_ERR_SNAPSHOT_OUT_OF_DATE,
    locked = RAFT_ERR_LOCKED,
    corrupt = RAFT_ERR_CORRUPT,
    io = RAFT_ERR_IO,
    other = RAFT_ERR_OTHER,
};

/** The name of a code as libraft.h has it, such as "RAFT_ERR_DROPPED". */
inline std::string_view to_string(Code code) noexcept {
    return raft_status_name(static_cast<raft_status>(code));
}

/** Streams the name of a code. */
inline std::ostream& operator<<(std::ostream& out, Code code) { return out << to_string(code); }

/** Whether a code says that a peer's bytes were refused. The node is as it was. */
constexpr bool is_peer_error(Code code) noexcept {
    return code >= Code::malformed && code <= Code::unknown_peer;
}

/** Whether a code says that the object takes no more calls: free it, start from the storage. */
constexpr bool is_fatal(Code code) noexcept { return code == Code::poisoned || code == Code::panic; }

/** Why a proposal or a read was dropped. */
enum class DropReason : std::int32_t {
    none = RAFT_DROP_NONE,
    no_leader = RAFT_DROP_NO_LEADER,
    forwarding_disabled = RAFT_DROP_FORWARDING_DISABLED,
    removed = RAFT_DROP_REMOVED,
    transferring = RAFT_DROP_TRANSFERRING,
    uncommitted_limit = RAFT_DROP_UNCOMMITTED_LIMIT,
    too_many_reads = RAFT_DROP_TOO_MANY_READS,
    conf_change_pending = RAFT_DROP_CONF_CHANGE_PENDING,
    already_joint = RAFT_DROP_ALREADY_JOINT,
    not_joint = RAFT_DROP_NOT_JOINT,
    leader_changed = RAFT_DROP_LEADER_CHANGED,
    other = RAFT_DROP_OTHER,
};

/** How a node's recording stands, and why one ends. */
enum class RecordingState : raft_recording_state {
    off = RAFT_RECORDING_OFF,
    on = RAFT_RECORDING_ON,
    stopped = RAFT_RECORDING_STOPPED,
    full = RAFT_RECORDING_FULL,
    unencodable = RAFT_RECORDING_UNENCODABLE,
};

/** What was dropped. */
enum class DropKind : std::int32_t {
    proposal = RAFT_DROPPED_PROPOSAL,
    conf_change = RAFT_DROPPED_CONF_CHANGE,
    read = RAFT_DROPPED_READ,
};

/** What has happened; the RAFT_EVENT_ numbers say what the fields of an Event mean then. */
enum class EventType : std::int32_t {
    role_changed = RAFT_EVENT_ROLE_CHANGED,
    leader_changed = RAFT_EVENT_LEADER_CHANGED,
    campaign_started = RAFT_EVENT_CAMPAIGN_STARTED,
    campaign_refused = RAFT_EVENT_CAMPAIGN_REFUSED,
    election_won = RAFT_EVENT_ELECTION_WON,
    election_lost = RAFT_EVENT_ELECTION_LOST,
    stepped_down = RAFT_EVENT_STEPPED_DOWN,
    flow_changed = RAFT_EVENT_FLOW_CHANGED,
    transfer_started = RAFT_EVENT_TRANSFER_STARTED,
    transfer_ended = RAFT_EVENT_TRANSFER_ENDED,
    dropped = RAFT_EVENT_DROPPED,
    message_refused = RAFT_EVENT_MESSAGE_REFUSED,
    snapshot_installed = RAFT_EVENT_SNAPSHOT_INSTALLED,
    snapshot_ignored = RAFT_EVENT_SNAPSHOT_IGNORED,
    removed = RAFT_EVENT_REMOVED,
};

/** What an entry's data means. */
enum class EntryType : raft_entry_type {
    normal = RAFT_ENTRY_NORMAL,
    conf_change = RAFT_ENTRY_CONF_CHANGE,
    conf_change_v2 = RAFT_ENTRY_CONF_CHANGE_V2,
};

/** What one step of a configuration change does. */
enum class ConfChangeType : raft_conf_change_type {
    add_node = RAFT_CONF_CHANGE_ADD_NODE,
    remove_node = RAFT_CONF_CHANGE_REMOVE_NODE,
    update_node = RAFT_CONF_CHANGE_UPDATE_NODE,
    add_learner_node = RAFT_CONF_CHANGE_ADD_LEARNER_NODE,
};

/** Whether, and how, a change goes through a joint configuration. */
enum class Transition : raft_transition {
    automatic = RAFT_TRANSITION_AUTO,
    joint_implicit = RAFT_TRANSITION_JOINT_IMPLICIT,
    joint_explicit = RAFT_TRANSITION_JOINT_EXPLICIT,
};

/** How reads are confirmed. */
enum class ReadOnly : raft_read_only {
    safe = RAFT_READ_ONLY_SAFE,
    lease_based = RAFT_READ_ONLY_LEASE_BASED,
};

/** The part that a node plays in its term. */
enum class Role : raft_role {
    follower = RAFT_ROLE_FOLLOWER,
    candidate = RAFT_ROLE_CANDIDATE,
    leader = RAFT_ROLE_LEADER,
    pre_candidate = RAFT_ROLE_PRE_CANDIDATE,
};

/** The name of a role: "leader", "follower", "candidate" or "pre-candidate"; else "?". */
constexpr std::string_view to_string(Role role) noexcept {
    switch (role) {
        case Role::follower: return "follower";
        case Role::candidate: return "candidate";
        case Role::leader: return "leader";
        case Role::pre_candidate: return "pre-candidate";
    }
    return "?";
}

/** Streams the name of a role. */
inline std::ostream& operator<<(std::ostream& out, Role role) { return out << to_string(role); }

/** The kind of a message; the numbers of raftpb.MessageType. */
enum class MessageType : raft_message_type {
    prop = RAFT_MSG_PROP,
    app = RAFT_MSG_APP,
    app_resp = RAFT_MSG_APP_RESP,
    vote = RAFT_MSG_VOTE,
    vote_resp = RAFT_MSG_VOTE_RESP,
    snap = RAFT_MSG_SNAP,
    heartbeat = RAFT_MSG_HEARTBEAT,
    heartbeat_resp = RAFT_MSG_HEARTBEAT_RESP,
    transfer_leader = RAFT_MSG_TRANSFER_LEADER,
    timeout_now = RAFT_MSG_TIMEOUT_NOW,
    read_index = RAFT_MSG_READ_INDEX,
    read_index_resp = RAFT_MSG_READ_INDEX_RESP,
    pre_vote = RAFT_MSG_PRE_VOTE,
    pre_vote_resp = RAFT_MSG_PRE_VOTE_RESP,
    storage_append = RAFT_MSG_STORAGE_APPEND,
    storage_append_resp = RAFT_MSG_STORAGE_APPEND_RESP,
    storage_apply = RAFT_MSG_STORAGE_APPLY,
    storage_apply_resp = RAFT_MSG_STORAGE_APPLY_RESP,
    forget_leader = RAFT_MSG_FORGET_LEADER,
};

/** What became of a snapshot that was sent. */
enum class SnapshotStatus : raft_snapshot_status {
    finish = RAFT_SNAPSHOT_FINISH,
    failure = RAFT_SNAPSHOT_FAILURE,
};

/** Why stored entries that the core asked for can't be given. */
enum class ReadFailure : raft_read_failure {
    compacted = RAFT_READ_COMPACTED,
    unavailable = RAFT_READ_UNAVAILABLE,
};

/** No limit, for settings and calls that limit bytes. */
inline constexpr std::uint64_t no_limit = RAFT_NO_LIMIT;
/** What Node::next_deadline() says if time alone does nothing. */
inline constexpr std::uint64_t no_deadline = RAFT_NO_DEADLINE;
/** The recipient of MessageType::storage_append. */
inline constexpr std::uint64_t local_append = RAFT_LOCAL_APPEND;
/** The recipient of MessageType::storage_apply. */
inline constexpr std::uint64_t local_apply = RAFT_LOCAL_APPLY;

// ---------------------------------------------------------------- errors

class Outcome;

/** What calls throw. */
class Error : public std::runtime_error {
public:
    /** An error of the host's own making, for what it wants handled like the library's. */
    Error(Code code, const std::string& message, DropReason reason = DropReason::none)
        : std::runtime_error(message), code_(code), reason_(reason) {}

    /** What kind of failure it is; what() has the words. */
    Code code() const noexcept { return code_; }
    /** Why, if the code is Code::dropped or Code::read_dropped. */
    DropReason drop_reason() const noexcept { return reason_; }

private:
    Code code_;
    DropReason reason_;
};

/** What a try_ variant returns: success, or what throwing would have said. Owns the message. */
class [[nodiscard]] Outcome {
public:
    /** Success. */
    Outcome() noexcept = default;

    /** Takes over what a function of libraft.h returned and stored. `error` may be null. */
    Outcome(raft_status status, raft_error* error) noexcept
        : code_(static_cast<Code>(status)), error_(error) {}

    /** Whether the call did what it is for. */
    bool ok() const noexcept { return code_ == Code::ok; }
    /** The same. */
    explicit operator bool() const noexcept { return ok(); }
    /** Code::ok, or what kind of failure it is. */
    Code code() const noexcept { return code_; }
    /** Why, if the code is Code::dropped or Code::read_dropped. */
    DropReason drop_reason() const noexcept {
        return static_cast<DropReason>(raft_error_drop_reason(error_.get()));
    }
    /** One line of UTF-8; empty on success. Lives as long as this object. */
    std::string_view message() const noexcept {
        if (error_) return raft_error_message(error_.get());
        return ok() ? std::string_view() : to_string(code_);
    }
    /** Throws the failure as an Error; does nothing on success. */
    void or_throw() const {
        if (!ok()) throw Error(code_, std::string(message()), drop_reason());
    }

private:
    struct Free {
        void operator()(raft_error* error) const noexcept { raft_error_free(error); }
    };

    Code code_ = Code::ok;
    std::unique_ptr<raft_error, Free> error_;
};

/** What the public part of this header is made of. Not for hosts. */
namespace detail {

/** Calls a fallible function of libraft.h, whose last argument is the place for the error. */
template <typename Function, typename... Arguments>
Outcome attempt(Function function, Arguments... arguments) noexcept {
    raft_error* error = nullptr;
    const raft_status status = function(arguments..., &error);
    return Outcome(status, error);
}

/** The same, and throws if it fails. */
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
    attempt(function, arguments...).or_throw();
}

/** A deleter that calls a function of libraft.h. */
template <auto function>
struct Free {
    template <typename T>
    void operator()(T* pointer) const noexcept {
        function(pointer);
    }
};

template <typename T, auto function>
using Owned = std::unique_ptr<T, Free<function>>;

/** Whether T is a contiguous container or view of byte-sized elements. */
template <typename T, typename = void>
struct IsByteContainer : std::false_type {};
template <typename T>
struct IsByteContainer<T, std::void_t<decltype(std::declval<const T&>().data()),
                                      decltype(std::declval<const T&>().size())>>
    : std::bool_constant<
          std::is_pointer_v<decltype(std::declval<const T&>().data())> &&
          std::is_trivially_copyable_v<std::remove_pointer_t<decltype(std::declval<const T&>().data())>> &&
          sizeof(std::remove_pointer_t<decltype(std::declval<const T&>().data())>) == 1> {};

}  // namespace detail

// ---------------------------------------------------------------- bytes, lists

/**
 * A view of bytes that belong to somebody else: to whoever is named where one is returned, and to
 * the caller where one is passed in. Made from and turned into std::string_view without a copy;
 * also made from whatever has data() and size() of byte-sized elements (std::string,
 * std::vector<std::uint8_t>, std::span<const std::byte>, ..).
 */
class Bytes {
public:
    /** No bytes. */
    constexpr Bytes() noexcept = default;
    /** A view of text. */
    constexpr Bytes(std::string_view text) noexcept : view_(text) {}
    /** A view of text up to its zero byte. Not null. */
    constexpr Bytes(const char* text) : view_(text) {}
    /** A null pointer is no text. */
    Bytes(std::nullptr_t) = delete;
    /** A view of `size` bytes. */
    Bytes(const void* data, std::size_t size) noexcept
        : view_(size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(data), size)) {}
    /** A view of what C sees. */
    Bytes(raft_bytes bytes) noexcept : Bytes(bytes.data, bytes.len) {}
    /** A view of a container's bytes. */
    template <typename Container,
              typename = std::enable_if_t<detail::IsByteContainer<Container>::value &&
                                          !std::is_convertible_v<const Container&, std::string_view>>>
    Bytes(const Container& container) noexcept : Bytes(container.data(), container.size()) {}
    /** A view of a string's bytes. */
    Bytes(const std::string& text) noexcept : view_(text) {}

    /** The first byte; unspecified if there is none. */
    const std::uint8_t* data() const noexcept { return reinterpret_cast<const std::uint8_t*>(view_.data()); }
    /** How many there are. */
    constexpr std::size_t size() const noexcept { return view_.size(); }
    /** Whether there are none. */
    constexpr bool empty() const noexcept { return view_.empty(); }
    /** The same bytes as text. */
    constexpr std::string_view view() const noexcept { return view_; }
    /** The same. */
    constexpr operator std::string_view() const noexcept { return view_; }
    /** A copy that lives on its own. */
    std::string str() const { return std::string(view_); }
    /** The first byte, for `for`. */
    const std::uint8_t* begin() const noexcept { return data(); }
    /** The end, for `for`. */
    const std::uint8_t* end() const noexcept { return data() + size(); }
    /** What C sees. */
    raft_bytes raw() const noexcept { return raft_bytes{data(), size()}; }

    /** Equal bytes. */
    friend constexpr bool operator==(const Bytes& one, const Bytes& other) noexcept {
        return one.view_ == other.view_;
    }
    /** Other bytes. */
    friend constexpr bool operator!=(const Bytes& one, const Bytes& other) noexcept {
        return one.view_ != other.view_;
    }
    /** Streams the bytes as they are. */
    friend std::ostream& operator<<(std::ostream& out, const Bytes& bytes) { return out << bytes.view_; }

private:
    std::string_view view_;
};

/**
 * A list that belongs to somebody else, for `for` and for algorithms. Its elements are made from
 * those of C as they are read, so that iterating yields values (views), not references.
 */
template <typename Element, typename Raw>
class List {
public:
    /** Reads one element after the other. */
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Element;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = Element;

        Iterator() noexcept = default;
        explicit Iterator(const Raw* at) noexcept : at_(at) {}
        Element operator*() const noexcept { return Element(*at_); }
        Iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        Iterator operator++(int) noexcept { return Iterator(at_++); }
        friend bool operator==(Iterator one, Iterator other) noexcept { return one.at_ == other.at_; }
        friend bool operator!=(Iterator one, Iterator other) noexcept { return one.at_ != other.at_; }

    private:
        const Raw* at_ = nullptr;
    };

    /** No elements. */
    List() noexcept = default;
    /** A view of a list of C. */
    List(const Raw* first, std::size_t size) noexcept : first_(first), size_(size) {}

    /** The first element. */
    Iterator begin() const noexcept { return Iterator(first_); }
    /** The end. */
    Iterator end() const noexcept { return Iterator(size_ == 0 ? first_ : first_ + size_); }
    /** How many there are. */
    std::size_t size() const noexcept { return size_; }
    /** Whether there are none. */
    bool empty() const noexcept { return size_ == 0; }
    /** The element at `index`, which is below size(). */
    Element operator[](std::size_t index) const noexcept { return Element(first_[index]); }
    /** The first element. Not of an empty list. */
    Element front() const noexcept { return (*this)[0]; }
    /** The last element. Not of an empty list. */
    Element back() const noexcept { return (*this)[size_ - 1]; }

private:
    const Raw* first_ = nullptr;
    std::size_t size_ = 0;
};

/** Node ids that belong to somebody else, in ascending order. */
using Ids = List<std::uint64_t, std::uint64_t>;

/** Bytes that belong to this object. */
class Buffer {
public:
    /** No bytes. */
    Buffer() noexcept = default;
    /** Takes over a buffer of C, or null. */
    explicit Buffer(raft_buffer* raw) noexcept : raw_(raw) {}
    /** A view, good as long as this object. */
    Bytes bytes() const noexcept { return raft_buffer_bytes(raw_.get()); }
    /** The same. */
    operator Bytes() const noexcept { return bytes(); }

private:
    detail::Owned<raft_buffer, raft_buffer_free> raw_;
};

namespace detail {

/** A copy of a buffer's text. */
inline std::string text(const Buffer& buffer) { return std::string(std::string_view(buffer.bytes())); }

}  // namespace detail

// ---------------------------------------------------------------- entries, messages

/** An entry of the replicated log: a view of what it was taken from. */
class Entry {
public:
    /** A view of an entry of C. */
    explicit Entry(const raft_entry& raw) noexcept : raw_(raw) {}

    /** The term of the leader that created it. */
    std::uint64_t term() const noexcept { return raw_.term; }
    /** Its position in the log; the first one is 1. */
    std::uint64_t index() const noexcept { return raw_.index; }
    /** What its data means. */
    EntryType type() const noexcept { return static_cast<EntryType>(raw_.type); }
    /** The payload. */
    Bytes data() const noexcept { return raw_.data; }
    /** The whole as raftpb.Entry: the bytes to put on disk. If Config::encode_readys() or
        Config::encode_entries() is off, empty unless there is more to it than what stands above. */
    Bytes encoded() const noexcept { return raw_.encoded; }
    /** What C sees. */
    const raft_entry& raw() const noexcept { return raw_; }

private:
    raft_entry raw_;
};

/** Entries that belong to somebody else. */
using Entries = List<Entry, raft_entry>;

/** Entries that belong to this object. */
class EntryList {
public:
    /** No entries. */
    EntryList() noexcept = default;
    /** Takes over a list of C, or null. */
    explicit EntryList(raft_entries* raw) noexcept : raw_(raw) {}
    /** A view of all of them, good as long as this object. */
    Entries entries() const noexcept {
        return raw_ ? Entries(raw_->entries, raw_->entries_len) : Entries();
    }
    /** The first entry. */
    Entries::Iterator begin() const noexcept { return entries().begin(); }
    /** The end. */
    Entries::Iterator end() const noexcept { return entries().end(); }
    /** How many there are. */
    std::size_t size() const noexcept { return entries().size(); }
    /** Whether there are none. */
    bool empty() const noexcept { return size() == 0; }
    /** The entry at `index` of this list, which is below size(). */
    Entry operator[](std::size_t index) const noexcept { return entries()[index]; }

private:
    detail::Owned<raft_entries, raft_entries_free> raw_;
};

/** A message to a peer, or from one: a view of the Ready or of the bytes that it came in. */
class Message {
public:
    /** A view of a message of C. */
    explicit Message(const raft_message& raw) noexcept : raw_(raw) {}

    /**
     * Looks into a message as it came from a peer, without handing it to a node, which step()
     * does. A view of `bytes`. A transport has to refuse MessageType::storage_append and the three
     * after it, which speak for this node's own storage, and which this takes. Throws
     * Code::malformed, Code::impossible, Code::local_message.
     */
    static Message decode(Bytes bytes) {
        std::optional<Message> message;
        try_decode(bytes, message).or_throw();
        return *message;
    }
    /** The same; sets `out` only on success. */
    static Outcome try_decode(Bytes bytes, std::optional<Message>& out) noexcept {
        raft_message raw{};
        Outcome outcome = detail::attempt(raft_message_decode, bytes.data(), bytes.size(), &raw);
        if (outcome) out.emplace(raw);
        return outcome;
    }

    /** The recipient. */
    std::uint64_t to() const noexcept { return raw_.to; }
    /** The sender. */
    std::uint64_t from() const noexcept { return raw_.from; }
    /** The sender's term; 0 in a message that is valid in any. */
    std::uint64_t term() const noexcept { return raw_.term; }
    /** What kind of message it is. */
    MessageType type() const noexcept { return static_cast<MessageType>(raw_.type); }
    /** The index of the snapshot in a MessageType::snap; 0 otherwise. */
    std::uint64_t snapshot_index() const noexcept { return raw_.snapshot_index; }
    /** The host's own data of that snapshot; empty otherwise. */
    Bytes snapshot_data() const noexcept { return raw_.snapshot_data; }
    /** In a MessageType::app the index of the entry before those that it brings; in a MessageType::app_resp that
     * accepts, the last index that is like the leader's; 0 otherwise. */
    std::uint64_t index() const noexcept { return raw_.index; }
    /** In a MessageType::app the term of that entry; 0 otherwise. */
    std::uint64_t log_term() const noexcept { return raw_.log_term; }
    /** In a MessageType::app and a MessageType::heartbeat the leader's commit index, as far as the recipient may
     * know it; 0 otherwise. */
    std::uint64_t commit() const noexcept { return raw_.commit; }
    /** What a MessageType::app brings, if that is nowhere in `encoded()`: a part of the Ready's own entries(). */
    Entries entries() const noexcept { return {raw_.entries, raw_.entries_len}; }
    /**
     * The whole as raftpb.Message: the bytes to put on the wire. Empty if Config::encode_readys() is off and
     * the fields and `entries()` say all.
     */
    Bytes encoded() const noexcept { return raw_.encoded; }
    /**
     * For MessageType::storage_append and MessageType::storage_apply, what is to be delivered once
     * the work is done: those to this node itself with Node::step(), the others like any message.
     */
    List<Message, raft_message> responses() const noexcept;
    /** What C sees. */
    const raft_message& raw() const noexcept { return raw_; }

private:
    raft_message raw_;
};

/** Messages that belong to somebody else. */
using Messages = List<Message, raft_message>;

inline Messages Message::responses() const noexcept { return Messages(raw_.responses, raw_.responses_len); }

// ---------------------------------------------------------------- members

/** The members of a cluster: a view of what it was taken from. */
class ConfStateView {
public:
    /** A view of a configuration of C. */
    explicit ConfStateView(const raft_conf_state& raw) noexcept : raw_(raw) {}

    /** The voters; of a joint configuration, those of the new half. */
    Ids voters() const noexcept { return Ids(raw_.voters, raw_.voters_len); }
    /** Members that receive the log and do not vote. */
    Ids learners() const noexcept { return Ids(raw_.learners, raw_.learners_len); }
    /** The voters of a joint configuration's old half; empty otherwise. */
    Ids voters_outgoing() const noexcept { return Ids(raw_.voters_outgoing, raw_.voters_outgoing_len); }
    /** Voters of the old half that become learners when the joint configuration is left. */
    Ids learners_next() const noexcept { return Ids(raw_.learners_next, raw_.learners_next_len); }
    /** Whether the leader leaves the joint configuration on its own. */
    bool auto_leave() const noexcept { return raw_.auto_leave; }
    /** The whole as raftpb.ConfState. */
    Bytes encoded() const noexcept { return raw_.encoded; }

private:
    raft_conf_state raw_;
};

/** The members of a cluster, which belong to this object. */
class ConfState {
public:
    /** No members. */
    ConfState() noexcept = default;
    /** Takes over a configuration of C, or null. */
    explicit ConfState(raft_conf_state* raw) noexcept : raw_(raw) {}

    /** A view, good as long as this object. */
    ConfStateView view() const noexcept { return ConfStateView(raw_ ? *raw_ : raft_conf_state{}); }
    /** The voters; of a joint configuration, those of the new half. */
    Ids voters() const noexcept { return view().voters(); }
    /** Members that receive the log and do not vote. */
    Ids learners() const noexcept { return view().learners(); }
    /** The whole as raftpb.ConfState, for Storage::create_snapshot(). */
    Bytes encoded() const noexcept { return view().encoded(); }

private:
    detail::Owned<raft_conf_state, raft_conf_state_free> raw_;
};

/** One step of a configuration change. */
struct ConfChangeSingle {
    /** What happens. */
    ConfChangeType type = ConfChangeType::add_node;
    /** To whom. A step with node 0 does nothing. */
    std::uint64_t node_id = 0;

    ConfChangeSingle() noexcept = default;
    /** What happens, and to whom. */
    ConfChangeSingle(ConfChangeType change_type, std::uint64_t id) noexcept : type(change_type), node_id(id) {}
    /** From what C sees. */
    explicit ConfChangeSingle(const raft_conf_change_single& raw) noexcept
        : type(static_cast<ConfChangeType>(raw.type)), node_id(raw.node_id) {}
};

/** A decoded configuration change, which belongs to this object. */
class ConfChange {
public:
    /** A change without steps. */
    ConfChange() noexcept = default;

    /** Decodes the data of an entry. Throws Code::argument (of another type), Code::malformed. */
    static ConfChange decode(EntryType type, Bytes data) {
        ConfChange change;
        try_decode(type, data, change).or_throw();
        return change;
    }
    /** The same, for an entry. */
    static ConfChange decode(const Entry& entry) { return decode(entry.type(), entry.data()); }
    /** The same; sets `out` only on success. */
    static Outcome try_decode(EntryType type, Bytes data, ConfChange& out) noexcept {
        raft_conf_change* raw = nullptr;
        Outcome outcome = detail::attempt(raft_conf_change_decode, static_cast<raft_entry_type>(type),
                                          data.data(), data.size(), &raw);
        if (outcome) out.raw_.reset(raw);
        return outcome;
    }

    /** Whether it goes through a joint configuration. */
    Transition transition() const noexcept {
        return raw_ ? static_cast<Transition>(raw_->transition) : Transition::automatic;
    }
    /** The steps; always one for EntryType::conf_change. A view of this object. */
    List<ConfChangeSingle, raft_conf_change_single> changes() const noexcept {
        using Changes = List<ConfChangeSingle, raft_conf_change_single>;
        return raw_ ? Changes(raw_->changes, raw_->changes_len) : Changes();
    }
    /** Data for the host's own use. A view of this object. */
    Bytes context() const noexcept { return raw_ ? Bytes(raw_->context) : Bytes(); }
    /** A number for the host's own use; 0 for EntryType::conf_change_v2, which has none. */
    std::uint64_t id() const noexcept { return raw_ ? raw_->id : 0; }

    /**
     * Encodes a change as raftpb.ConfChangeV2, for Node::propose_conf_change_encoded(). Throws
     * Code::argument (an unknown transition or step).
     */
    static Buffer encode(Transition transition, const std::vector<ConfChangeSingle>& changes,
                         Bytes context = {}) {
        std::vector<raft_conf_change_single> raw_changes;
        raw_changes.reserve(changes.size());
        for (const ConfChangeSingle& change : changes) {
            raw_changes.push_back({static_cast<raft_conf_change_type>(change.type), change.node_id});
        }
        raft_buffer* raw = nullptr;
        detail::call(raft_conf_change_encode, static_cast<raft_transition>(transition), raw_changes.data(),
                     raw_changes.size(), context.data(), context.size(), &raw);
        return Buffer(raw);
    }

private:
    detail::Owned<raft_conf_change, raft_conf_change_free> raw_;
};

/** A first member of a group, for Node::bootstrap(). */
struct Peer {
    /** Its id. */
    std::uint64_t id = 0;
    /** Data for the host's own use; borrowed for the call. */
    Bytes context;
};

// ---------------------------------------------------------------- snapshots

/** The state machine's state at one point of the log: a view of what it was taken from. */
class SnapshotView {
public:
    /** A view of a snapshot of C. */
    explicit SnapshotView(const raft_snapshot& raw) noexcept : raw_(raw) {}

    /** The last entry that it includes; 0 for the empty state before the first entry. */
    std::uint64_t index() const noexcept { return raw_.index; }
    /** The term of that entry. */
    std::uint64_t term() const noexcept { return raw_.term; }
    /** The members as of that entry. */
    ConfStateView conf_state() const noexcept { return ConfStateView(raw_.conf_state); }
    /** The host's own data. */
    Bytes data() const noexcept { return raw_.data; }
    /** The whole as raftpb.Snapshot. */
    Bytes encoded() const noexcept { return raw_.encoded; }

private:
    raft_snapshot raw_;
};

/** A snapshot that belongs to this object. */
class StoredSnapshot {
public:
    /** The empty state, without members. */
    StoredSnapshot() noexcept = default;
    /** Takes over a snapshot of C, or null. */
    explicit StoredSnapshot(raft_snapshot* raw) noexcept : raw_(raw) {}

    /** A view, good as long as this object. */
    SnapshotView view() const noexcept { return SnapshotView(raw_ ? *raw_ : raft_snapshot{}); }
    /** The last entry that it includes; 0 for the empty state before the first entry. */
    std::uint64_t index() const noexcept { return view().index(); }
    /** The term of that entry. */
    std::uint64_t term() const noexcept { return view().term(); }
    /** The members as of that entry. A view of this object. */
    ConfStateView conf_state() const noexcept { return view().conf_state(); }
    /** The host's own data. A view of this object. */
    Bytes data() const noexcept { return view().data(); }
    /** The whole as raftpb.Snapshot. A view of this object. */
    Bytes encoded() const noexcept { return view().encoded(); }

private:
    detail::Owned<raft_snapshot, raft_snapshot_free> raw_;
};

// ---------------------------------------------------------------- ready

/** The state that a restart makes anew. */
struct SoftState {
    /** The leader's id, 0 when none is known. */
    std::uint64_t leader = 0;
    /** The node's own role. */
    Role role = Role::follower;
};

/** What has to be on stable storage before a node answers anybody. */
struct HardState {
    /** The latest term that the node has seen. */
    std::uint64_t term = 0;
    /** The candidate that got the node's vote in that term, 0 if nobody did. */
    std::uint64_t vote = 0;
    /** The highest index known to be committed. */
    std::uint64_t commit = 0;

    /** The same in all three. */
    friend bool operator==(const HardState& one, const HardState& other) noexcept {
        return one.term == other.term && one.vote == other.vote && one.commit == other.commit;
    }
    /** Other in one of them. */
    friend bool operator!=(const HardState& one, const HardState& other) noexcept { return !(one == other); }
};

/** A read that may be served once an index is applied: a view of a Ready. */
class ReadState {
public:
    /** A view of a read state of C. */
    explicit ReadState(const raft_read_state& raw) noexcept : raw_(raw) {}
    /** The index to be applied first. */
    std::uint64_t index() const noexcept { return raw_.index; }
    /** What Node::read_index() was given. */
    Bytes context() const noexcept { return raw_.context; }

private:
    raft_read_state raw_;
};

/** How much an event deserves attention; the levels of the usual logs. There may be more. */
enum class Level : std::int32_t {
    /** Of interest to who looks for a fault. */
    debug = RAFT_LEVEL_DEBUG,
    /** What happens in a group that works. */
    info = RAFT_LEVEL_INFO,
    /** What should not happen often, and that somebody may have to look after. */
    warn = RAFT_LEVEL_WARN,
};

/**
 * Something that a host may want to know and need not act on. What the fields mean, the RAFT_EVENT_
 * number of the type says.
 */
struct Event {
    /** What has happened. */
    EventType type;
    /** Why. */
    std::int32_t reason;
    /** What it is about. */
    std::int32_t kind;
    /** Another node. */
    std::uint64_t node;
    /** A term. */
    std::uint64_t term;
    /** An index. */
    std::uint64_t index;
    /** What was before, or how many are in favour. */
    std::uint64_t from;
    /** What is now, or how many are against. */
    std::uint64_t to;

    /** From what C sees. */
    explicit Event(const raft_event& raw) noexcept
        : type(static_cast<EventType>(raw.type)), reason(raw.reason), kind(raw.kind), node(raw.node),
          term(raw.term), index(raw.index), from(raw.from), to(raw.to) {}

    /** The name of the type, such as "RAFT_EVENT_ROLE_CHANGED". */
    const char* name() const noexcept { return raft_event_name(static_cast<std::int32_t>(type)); }
    /** The name of the reason, such as "RAFT_LOSS_OUTVOTED"; empty if there is none. */
    const char* reason_name() const noexcept {
        return raft_event_reason_name(static_cast<std::int32_t>(type), reason);
    }
    /** The name of the kind, such as "RAFT_CAMPAIGN_ELECTION"; empty if there is none. */
    const char* kind_name() const noexcept {
        return raft_event_kind_name(static_cast<std::int32_t>(type), kind);
    }

    /** How a log should rank it. */
    Level level() const noexcept {
        const raft_event event = raw();
        return static_cast<Level>(raft_event_level(&event));
    }
    /**
     * One line for a log, without a line end: what has happened and the fields that belong to it, as in
     * "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2". Throws
     * Code::argument for what is no event of the library's.
     */
    std::string text() const { return written(raft_event_text); }
    /** The same as a JSON object, with the name under "type". Throws Code::argument, too. */
    std::string json() const { return written(raft_event_json); }
    /** What C sees. */
    raft_event raw() const noexcept {
        raft_event event{};
        event.type = static_cast<raft_event_type>(type);
        event.reason = reason;
        event.kind = kind;
        event.node = node;
        event.term = term;
        event.index = index;
        event.from = from;
        event.to = to;
        return event;
    }

private:
    template <typename Function>
    std::string written(Function function) const {
        const raft_event event = raw();
        raft_buffer* out = nullptr;
        detail::call(function, &event, &out);
        return detail::text(Buffer(out));
    }
};

/** Something that the host was told was taken, and that will not happen. */
struct Dropped {
    /** What. */
    DropKind kind;
    /** Why. */
    DropReason reason;
    /** With DropReason::conf_change_pending, the other change is at this index or below it. */
    std::uint64_t index;
    /** The command, the encoded configuration change, the read's context. */
    Bytes data;

    /** From what C sees. */
    explicit Dropped(const raft_dropped& raw) noexcept
        : kind(static_cast<DropKind>(raw.kind)), reason(static_cast<DropReason>(raw.reason)),
          index(raw.index), data(raw.data) {}
    /** The name of the reason, such as "RAFT_DROP_NOT_JOINT". */
    const char* reason_name() const noexcept {
        return raft_drop_reason_name(static_cast<std::int32_t>(reason));
    }
};

/**
 * The core asks for the stored entries [low, high): at least one of them, and beyond the first no
 * more than max_bytes of encoded entries. To be answered, at any later time, with
 * Node::provide_entries() or Node::read_failed().
 */
struct ReadRequest {
    /** Names the request in the answer. */
    std::uint64_t id;
    /** The first index wanted. */
    std::uint64_t low;
    /** The index after the last one wanted. */
    std::uint64_t high;
    /** The limit on encoded bytes. */
    std::uint64_t max_bytes;

    /** From what C sees. */
    explicit ReadRequest(const raft_read_request& raw) noexcept
        : id(raw.id), low(raw.low), high(raw.high), max_bytes(raw.max_bytes) {}
};

/**
 * The core asks for a snapshot to send to a peer. To be answered, at any later time, with
 * Node::provide_snapshot() or Node::snapshot_failed().
 */
struct SnapshotRequest {
    /** Names the request in the answer. */
    std::uint64_t id;
    /** The peer that needs it. */
    std::uint64_t to;
    /** The lowest index that will do: the peer has asked for a snapshot of it. 0 if any does. */
    std::uint64_t min_index;

    /** From what C sees. */
    explicit SnapshotRequest(const raft_snapshot_request& raw) noexcept
        : id(raw.id), to(raw.to), min_index(raw.min_index) {}
};

/**
 * One batch of work for the host: a view of the node that gave it, good until the next successful
 * Node::ready() on it or its end, wherever the Node object is moved to. In this order:
 *
 * 1. persist hard_state(), entries() and snapshot(): Storage::save() does all that;
 * 2. send messages() (a leader may send its MessageType::app before 1; nothing else may);
 * 3. apply snapshot(), then committed_entries(); serve read_states() whose index is applied;
 * 4. answer reads() and snapshot_requests(), if the node leaves them to the host;
 * 5. Node::advance(), or Node::next_ready(), which takes the next Ready as well.
 */
class Ready {
public:
    /** Nothing to do. */
    Ready() noexcept = default;
    /** A view of what C sees; null is nothing to do. */
    explicit Ready(const raft_ready* raw) noexcept : raw_(raw) {}

    /** Present if the leader or the role has changed. Need not be persisted. */
    std::optional<SoftState> soft_state() const noexcept {
        if (!raw_ || !raw_->soft_state) return std::nullopt;
        return SoftState{raw_->soft_state->leader, static_cast<Role>(raw_->soft_state->role)};
    }
    /** Present if it has changed. */
    std::optional<HardState> hard_state() const noexcept {
        if (!raw_ || !raw_->hard_state) return std::nullopt;
        return HardState{raw_->hard_state->term, raw_->hard_state->vote, raw_->hard_state->commit};
    }
    /** To be persisted, in place of the stored log up to its index, and to be applied. */
    std::optional<SnapshotView> snapshot() const noexcept {
        if (!raw_ || !raw_->snapshot) return std::nullopt;
        return SnapshotView(*raw_->snapshot);
    }
    /** To be appended to the stored log, in place of what it has from the first one's index on. */
    Entries entries() const noexcept { return raw_ ? Entries(raw_->entries, raw_->entries_len) : Entries(); }
    /** To be applied. */
    Entries committed_entries() const noexcept {
        return raw_ ? Entries(raw_->committed_entries, raw_->committed_entries_len) : Entries();
    }
    /** To be sent, in this order for each recipient. */
    Messages messages() const noexcept {
        return raw_ ? Messages(raw_->messages, raw_->messages_len) : Messages();
    }
    /** Reads that may be served once their index is applied. */
    List<ReadState, raft_read_state> read_states() const noexcept {
        using ReadStates = List<ReadState, raft_read_state>;
        return raw_ ? ReadStates(raw_->read_states, raw_->read_states_len) : ReadStates();
    }
    /** Stored entries that the core needs. Empty for a node that reads from its own storage. */
    List<ReadRequest, raft_read_request> reads() const noexcept {
        using Requests = List<ReadRequest, raft_read_request>;
        return raw_ ? Requests(raw_->reads, raw_->reads_len) : Requests();
    }
    /** Snapshots that the core needs. Empty for a node that reads from its own storage. */
    List<SnapshotRequest, raft_snapshot_request> snapshot_requests() const noexcept {
        using Requests = List<SnapshotRequest, raft_snapshot_request>;
        return raw_ ? Requests(raw_->snapshot_requests, raw_->snapshot_requests_len) : Requests();
    }
    /** What the host was told was taken and will not happen. */
    List<Dropped, raft_dropped> dropped() const noexcept {
        using Reports = List<Dropped, raft_dropped>;
        return raw_ ? Reports(raw_->dropped, raw_->dropped_len) : Reports();
    }
    /** What has happened since the last Ready, for hosts that count or log. */
    List<Event, raft_event> events() const noexcept {
        using Events = List<Event, raft_event>;
        return raw_ ? Events(raw_->events, raw_->events_len) : Events();
    }
    /** Whether hard_state() and entries() need a sync; false if only the commit index moved. */
    bool must_sync() const noexcept { return raw_ && raw_->must_sync; }
    /** The whole as protobuf, libraft.Ready. */
    Bytes encoded() const noexcept { return raw_ ? Bytes(raw_->encoded) : Bytes(); }
    /** What C sees. */
    const raft_ready* raw() const noexcept { return raw_; }

private:
    const raft_ready* raw_ = nullptr;
};

/**
 * Requests that no Ready has shown yet: a view of the node that gave them, good until its next
 * Node::take_requests() or its end.
 */
class Requests {
public:
    /** No requests. */
    Requests() noexcept = default;
    /** A view of what C sees; null is no requests. */
    explicit Requests(const raft_requests* raw) noexcept : raw_(raw) {}

    /** Stored entries that the core needs. */
    List<ReadRequest, raft_read_request> reads() const noexcept {
        using Reads = List<ReadRequest, raft_read_request>;
        return raw_ ? Reads(raw_->reads, raw_->reads_len) : Reads();
    }
    /** Snapshots that the core needs. */
    List<SnapshotRequest, raft_snapshot_request> snapshots() const noexcept {
        using Snapshots = List<SnapshotRequest, raft_snapshot_request>;
        return raw_ ? Snapshots(raw_->snapshot_requests, raw_->snapshot_requests_len) : Snapshots();
    }

private:
    const raft_requests* raw_ = nullptr;
};

// ---------------------------------------------------------------- config

/**
 * The settings of a node. Nodes keep a copy, so that one Config serves for many. Values are
 * checked when a node is made, with Code::config, and not before. Time is counted in ticks, of
 * whatever length the host gives them (Node::tick()). The setters can be chained:
 *
 *     libraft::Node node(libraft::Config(1).election_ticks(20).seed(7), storage);
 */
class Config {
public:
    /**
     * Sound defaults for the node `id`, which is not 0, below local_apply, and never used again
     * for another machine.
     */
    explicit Config(std::uint64_t id) {
        raft_config* raw = nullptr;
        detail::call(raft_config_new, id, &raw);
        raw_.reset(raw);
    }

// Each setter twice, so that a chain that begins with a temporary ends with one, and can be kept:
// auto config = Config(1).seed(7).
#define LIBRAFT_SETTER(name, Type, value)                              \
    Config& name(Type setting)& {                                      \
        detail::call(raft_config_set_##name, raw_.get(), value);       \
        return *this;                                                  \
    }                                                                  \
    Config&& name(Type setting)&& { return std::move(name(setting)); }

    /** Ticks without word from a leader before an election, drawn from [n, 2n). Default 10. */
    LIBRAFT_SETTER(election_ticks, std::uint32_t, setting)
    /** The shortest of these waits, at least the election ticks; 0: as they say. Default 0. */
    LIBRAFT_SETTER(min_election_ticks, std::uint32_t, setting)
    /** The end of the range, itself excluded, above the shortest; 0: as they say. Default 0. */
    LIBRAFT_SETTER(max_election_ticks, std::uint32_t, setting)
    /** Ticks between two heartbeats of the leader; at least 1. Default 1. */
    LIBRAFT_SETTER(heartbeat_ticks, std::uint32_t, setting)
    /** Seeds the randomized election timeouts. Default: from the operating system. */
    LIBRAFT_SETTER(seed, std::uint64_t, setting)
    /** Whether to ask the others before disturbing them with an election. Default true. */
    LIBRAFT_SETTER(pre_vote, bool, setting)
    /** Whether a leader that has not heard from a quorum steps down. Default true. */
    LIBRAFT_SETTER(check_quorum, bool, setting)
    /** Voters refuse a candidate of lower priority, unless its log has more. Default 0. */
    LIBRAFT_SETTER(priority, std::int64_t, setting)
    /** How reads are confirmed. Default ReadOnly::safe. */
    LIBRAFT_SETTER(read_only, ReadOnly, static_cast<raft_read_only>(setting))
    /** At most this many encoded bytes of entries in one append, or one entry. Default 1 MiB. */
    LIBRAFT_SETTER(max_size_per_msg, std::uint64_t, setting)
    /** The same for the committed entries of a Ready; 0: as for a message. Default 0. */
    LIBRAFT_SETTER(max_committed_size_per_ready, std::uint64_t, setting)
    /** Proposals are dropped while more payload bytes are uncommitted; 0: no limit. Default 0. */
    LIBRAFT_SETTER(max_uncommitted_bytes, std::uint64_t, setting)
    /** At most this many appends in flight to one peer; at least 1. Default 256. */
    LIBRAFT_SETTER(max_inflight_msgs, std::uint32_t, setting)
    /** At most this many payload bytes in flight to one peer; 0: no limit. Default 0. */
    LIBRAFT_SETTER(max_inflight_bytes, std::uint64_t, setting)
    /** A leader keeps so many encoded bytes of entries in memory that a member lacks. Default 64 MiB. */
    LIBRAFT_SETTER(max_cached_bytes, std::uint64_t, setting)
    /** At most this many reads wait; more are dropped. At least 1. Default 65,536. */
    LIBRAFT_SETTER(max_pending_reads, std::uint32_t, setting)
    /** Whether appends are built once for each Ready, not for each proposal, and one with nothing but the
        word that all entries of a follower are committed is left unanswered. Default true. What false means besides is in libraft.h. */
    LIBRAFT_SETTER(coalesce_appends, bool, setting)
    /** Whether storage work is handed out as messages. Default false. */
    LIBRAFT_SETTER(async_storage_writes, bool, setting)
    /** What a leader may apply before it has persisted it; see Node. Default 0 entries. */
    LIBRAFT_SETTER(max_apply_unpersisted_entries, std::uint64_t, setting)
    /** Whether followers drop proposals instead of passing them on. Default false. */
    LIBRAFT_SETTER(disable_proposal_forwarding, bool, setting)
    /** Whether configuration changes are proposed without being checked. Default false. */
    LIBRAFT_SETTER(disable_conf_change_validation, bool, setting)
    /** Whether a leader that is removed steps down when that is applied. Default false. */
    LIBRAFT_SETTER(step_down_on_removal, bool, setting)
    /** Whether peers and this node tell each other of what they drop; see raft_config_set_peer_reports(). */
    LIBRAFT_SETTER(peer_reports, bool, setting)
    /** Whether requests for entries and snapshots are left to the host. Default false. */
    LIBRAFT_SETTER(show_requests, bool, setting)
    /** Whether Readys come as bytes as well; see raft_config_set_encode_readys(). Default true. */
    LIBRAFT_SETTER(encode_readys, bool, setting)
    /** Whether a Ready's entries come as bytes as well, of which a host that uses Storage::save() has no need; see
        raft_config_set_encode_entries(). Default true. */
    LIBRAFT_SETTER(encode_entries, bool, setting)
    /**
     * Whether to record every call on the node, so that replay() can make them again: at most so many
     * bytes wait for Node::record_take(), at least 256; 0 records nothing. See
     * raft_config_set_record_bytes(). Default 0.
     */
    LIBRAFT_SETTER(record_bytes, std::uint64_t, setting)

#undef LIBRAFT_SETTER

    /**
     * Up to where the host's own state has the log applied; by default the storage's snapshot.
     * `conf_state` is the encoded raftpb.ConfState as of that index; if empty, the members in the
     * snapshot. Throws Code::malformed.
     */
    Config& applied(std::uint64_t index, Bytes conf_state = {}) & {
        detail::call(raft_config_set_applied, raw_.get(), index, conf_state.data(), conf_state.size());
        return *this;
    }
    /** The same. */
    Config&& applied(std::uint64_t index, Bytes conf_state = {}) && {
        return std::move(applied(index, conf_state));
    }

    /** Whether this has not been moved from. */
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /** What C sees; null if moved from. */
    const raft_config* raw() const noexcept { return raw_.get(); }

private:
    detail::Owned<raft_config, raft_config_free> raw_;
};

// ---------------------------------------------------------------- storage

/** What Storage::open() found. */
struct RecoveryReport {
    /** Writes that were begun, never acknowledged, and of which nothing is left. */
    std::uint64_t discarded_writes = 0;
    /** Whether the storage existed and its last user did not close it. */
    bool crashed = false;
};

/**
 * Where a node's hard state, log and snapshot are kept: a handle to it. Any number of threads may
 * use it at the same time, also while a node does. A storage stays open until its handle and the
 * nodes on it are gone. Ranges are half-open: [low, high).
 *
 * After a write has failed with Code::io, nobody can know how much of it is on disk, and further
 * writes throw Code::poisoned: end the process, or open the storage anew.
 */
class Storage {
public:
    /** A storage that lives and dies with the process; for tests. */
    static Storage memory() {
        raft_storage* raw = nullptr;
        detail::call(raft_storage_memory_new, &raw);
        return Storage(raw);
    }

    /**
     * Opens the directory `path` (in the system's own encoding), which is made if it is absent.
     * Throws Code::locked (it is open already, here or in another process), Code::corrupt,
     * Code::io, Code::argument (a zero byte in `path`).
     */
    static Storage open(const std::string& path) {
        if (path.find('\0') != std::string::npos) throw Error(Code::argument, "a path has a zero byte in it");
        raft_storage* raw = nullptr;
        detail::call(raft_storage_open, path.c_str(), &raw);
        return Storage(raw);
    }

    /** Takes over a handle of C, or null. */
    explicit Storage(raft_storage* raw) noexcept : raw_(raw) {}

    /** Whether nothing has ever been written to it. */
    bool is_fresh() const { return get<bool>(raft_storage_is_fresh); }

    /**
     * Writes the first state of a group's first members into a fresh storage: a snapshot of
     * `index` and `term` (both 0, or both at least 1) with these voters and learners and with
     * `data`. Every first member has to be given the same; one that joins later is not
     * bootstrapped. Throws Code::misuse (not fresh), Code::argument, Code::io.
     */
    void bootstrap(std::uint64_t index, std::uint64_t term, const std::vector<std::uint64_t>& voters,
                   Bytes data = {}, const std::vector<std::uint64_t>& learners = {}) {
        detail::call(raft_storage_bootstrap, raw_.get(), index, term, voters.data(), voters.size(),
                     learners.data(), learners.size(), data.data(), data.size());
    }

    /**
     * Persists the hard state, the entries and the snapshot of a Ready, all or nothing, with one
     * sync if it needs one. When this returns, the messages may be sent. Throws Code::argument,
     * Code::snapshot_out_of_date, Code::corrupt, Code::io, Code::poisoned.
     */
    void save(const Ready& ready) { detail::call(raft_storage_save, raw_.get(), ready.raw()); }

    /**
     * The same from pieces: `entries` are encoded raftpb.Entry, `snapshot` an encoded
     * raftpb.Snapshot, which replaces the log before the entries are appended. Throws as save(),
     * Code::malformed, Code::impossible.
     */
    void append(std::optional<HardState> hard_state, const std::vector<Bytes>& entries, Bytes snapshot = {},
                bool must_sync = true) {
        std::vector<raft_bytes> raw_entries;
        raw_entries.reserve(entries.size());
        for (const Bytes& entry : entries) raw_entries.push_back(entry.raw());
        raft_hard_state raw_state{};
        if (hard_state) raw_state = {hard_state->term, hard_state->vote, hard_state->commit};
        detail::call(raft_storage_append, raw_.get(), hard_state ? &raw_state : nullptr, raw_entries.data(),
                     raw_entries.size(), snapshot.data(), snapshot.size(), must_sync);
    }

    /**
     * Persists what a MessageType::storage_append asks for: with asynchronous storage writes, the
     * work of the append worker. Its responses may then be delivered. Throws as append().
     */
    void append_message(Bytes message) {
        detail::call(raft_storage_append_message, raw_.get(), message.data(), message.size());
    }

    /** Makes earlier writes survive a power cut that did not need a sync. For an orderly end. */
    void sync() { detail::call(raft_storage_sync, raw_.get()); }

    /** The first index of the log; one more than the last one if the log is empty. */
    std::uint64_t first_index() const { return get<std::uint64_t>(raft_storage_first_index); }
    /** The last index of the log; the one that it was compacted to if the log is empty. */
    std::uint64_t last_index() const { return get<std::uint64_t>(raft_storage_last_index); }

    /**
     * The term of the entry `index`, in [first_index() - 1, last_index() + 1). Throws
     * Code::compacted, Code::unavailable.
     */
    std::uint64_t term(std::uint64_t index) const {
        std::uint64_t out = 0;
        detail::call(raft_storage_term, raw_.get(), index, &out);
        return out;
    }

    /** The last hard state that was written; all zero if none was. */
    HardState hard_state() const {
        const auto raw = get<raft_hard_state>(raft_storage_hard_state);
        return HardState{raw.term, raw.vote, raw.commit};
    }

    /**
     * The entries [low, high): the first one, and then as many as fit into `max_bytes`. Throws
     * Code::compacted, Code::unavailable, Code::argument, Code::corrupt, Code::io.
     */
    EntryList entries(std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes = no_limit) const {
        raft_entries* out = nullptr;
        detail::call(raft_storage_entries, raw_.get(), low, high, max_bytes, &out);
        return EntryList(out);
    }

    /**
     * The newest snapshot. Before the first one it has index 0, no data, and the members that the
     * storage was bootstrapped with. Throws Code::corrupt, Code::io.
     */
    StoredSnapshot snapshot() const { return StoredSnapshot(get<raft_snapshot*>(raft_storage_snapshot)); }

    /**
     * Makes `data`, the state machine's state after the entry `index`, the newest snapshot. The
     * log stays as it is; see compact(). `conf_state` is the encoded raftpb.ConfState as of that
     * entry; if empty, the members in the last snapshot. Throws Code::snapshot_out_of_date,
     * Code::compacted, Code::unavailable (the log does not reach there), Code::malformed,
     * Code::io.
     */
    void create_snapshot(std::uint64_t index, Bytes conf_state, Bytes data) {
        detail::call(raft_storage_create_snapshot, raw_.get(), index, conf_state.data(), conf_state.size(),
                     data.data(), data.size());
    }

    /**
     * Drops the entries below `first_index`, which becomes the log's first index: at most one
     * more than the index of the newest snapshot. Nodes on this storage hear of it by
     * themselves. Throws Code::compacted (that far and farther already), Code::unavailable,
     * Code::misuse (the newest snapshot does not reach there), Code::io.
     */
    void compact(std::uint64_t first_index) { detail::call(raft_storage_compact, raw_.get(), first_index); }

    /** All that a node needs to know when it starts, as an encoded libraft.RestartState. */
    Buffer restart_state() const { return Buffer(get<raft_buffer*>(raft_storage_restart_state)); }

    /** What open() found. Of a memory storage, all is zero. */
    RecoveryReport recovery_report() const {
        raft_recovery_report raw{};
        raw.size = sizeof raw;
        detail::call(raft_storage_recovery_report, raw_.get(), &raw);
        return RecoveryReport{raw.discarded_writes, raw.crashed};
    }

    /** Whether this has not been moved from. */
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /** What C sees; null if moved from. */
    raft_storage* raw() const noexcept { return raw_.get(); }

private:
    template <typename T, typename Function>
    T get(Function function) const {
        T out{};
        detail::call(function, static_cast<const raft_storage*>(raw_.get()), &out);
        return out;
    }

    detail::Owned<raft_storage, raft_storage_free> raw_;
};

// ---------------------------------------------------------------- node

/**
 * What tells a node's numbers from those of others, for Prometheus: names and values, in UTF-8. The
 * library sets "node" (the id), "peer", "role" and "state" itself.
 */
using Labels = std::vector<std::pair<std::string, std::string>>;

namespace detail {

/** What C sees: good as long as `labels`. */
inline std::vector<raft_label> raw_labels(const Labels& labels) {
    std::vector<raft_label> raw;
    raw.reserve(labels.size());
    for (const auto& label : labels) {
        const Bytes name = label.first;
        const Bytes value = label.second;
        raw.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
    }
    return raw;
}

}  // namespace detail

/** A node's counters, as C has them. */
using Metrics = raft_metrics;

/** What a node says about itself at one moment. */
struct NodeStatus {
    /** Its id. */
    std::uint64_t id = 0;
    /** Its term. */
    std::uint64_t term = 0;
    /** Its vote in that term, 0 if it gave none. */
    std::uint64_t vote = 0;
    /** The highest index known to be committed. */
    std::uint64_t commit = 0;
    /** The highest index that the host has applied. */
    std::uint64_t applied = 0;
    /** The leader's id, 0 when none is known. */
    std::uint64_t leader = 0;
    /** The target of a leadership transfer under way, 0 when there is none. */
    std::uint64_t lead_transferee = 0;
    /** The first index of the log that has not been compacted. */
    std::uint64_t first_index = 0;
    /** The last index of the log; first_index - 1 when it is empty. */
    std::uint64_t last_index = 0;
    /** The last index that is on this node's stable storage. */
    std::uint64_t persisted = 0;
    /** Not 0 if it is no member any more, as far as it knows: it was none when this was applied. */
    std::uint64_t removed_as_of = 0;
    /** Its role. */
    Role role = Role::follower;
};

/** A member and its commit group, numbered from 1. */
struct CommitGroup {
    /** The member's id. */
    std::uint64_t id;
    /** Its group. */
    std::uint64_t group;
};

/** How the leader sends to a member. */
enum class FlowState : std::int32_t {
    /** One append at a time, to find out where the logs agree. */
    probe = RAFT_FLOW_PROBE,
    /** Appends follow each other without waiting. */
    replicate = RAFT_FLOW_REPLICATE,
    /** A snapshot is on its way. */
    snapshot = RAFT_FLOW_SNAPSHOT,
};

/** What the leader knows of one member. */
struct Progress {
    /** The member. */
    std::uint64_t id;
    /** The last index known to be on its stable storage. */
    std::uint64_t match_index;
    /** The next index to send. */
    std::uint64_t next_index;
    /** The index of the snapshot on its way, 0 if none is. */
    std::uint64_t pending_snapshot;
    /** Appends in flight. */
    std::uint64_t inflight_messages;
    /** Payload bytes in flight. */
    std::uint64_t inflight_bytes;
    /** How it is sent to. */
    FlowState state;
    /** Whether sending waits for an answer. */
    bool paused;
    /** Whether it has been heard from since the last check of the quorum. */
    bool recent_active;
    /** Whether it has no vote. */
    bool learner;
    /** Whether no further append may be in flight. */
    bool inflight_full;

    /** From what C sees. */
    explicit Progress(const raft_progress& raw) noexcept
        : id(raw.id),
          match_index(raw.match_index),
          next_index(raw.next_index),
          pending_snapshot(raw.pending_snapshot),
          inflight_messages(raw.inflight_messages),
          inflight_bytes(raw.inflight_bytes),
          state(static_cast<FlowState>(raw.state)),
          paused(raw.paused),
          recent_active(raw.recent_active),
          learner(raw.learner),
          inflight_full(raw.inflight_full) {}
};

/**
 * One member of one Raft group. It does nothing by itself: the host passes in ticks, messages and
 * proposals, takes a Ready whenever has_ready() says so, does what that asks for, and calls
 * advance().
 *
 * Every call may throw Code::misuse (another thread is using the node), Code::poisoned and
 * Code::panic (see is_fatal()), and Code::null if the node was moved from; each comment lists
 * what else. Between a Ready and its advance() all calls but ready() are allowed.
 */
class Node {
public:
    /**
     * A node on a storage, from whatever that holds: nothing (the node waits until a leader's
     * messages bring it up), what bootstrap() wrote, or what it had when it stopped. It keeps a
     * reference to the storage, reads from it by itself, and follows its compaction; the host
     * writes to it, with Storage::save(). Two nodes must not be opened on one storage.
     *
     * Throws Code::config, Code::restart_state, Code::argument (the index given to
     * Config::applied() is not in the log), Code::corrupt, Code::io.
     */
    Node(const Config& config, const Storage& storage) {
        raft_node* raw = nullptr;
        detail::call(raft_node_new, config.raw(), storage.raw(), &raw);
        raw_.reset(raw);
    }

    /**
     * A node for a host with a storage of its own, from an encoded libraft.RestartState; an empty
     * one stands for a node that has never run. Its requests for entries and snapshots appear in
     * its Readys, and the host reports compaction with compacted(). Throws Code::config,
     * Code::malformed, Code::impossible, Code::restart_state, Code::io (no seed).
     */
    static Node restart(const Config& config, Bytes state) {
        raft_node* raw = nullptr;
        detail::call(raft_node_restart, config.raw(), state.data(), state.size(), &raw);
        return Node(raw);
    }

    /** Takes over a node of C, or null. */
    explicit Node(raft_node* raw) noexcept : raw_(raw) {}

    /** The node's id; 0 if moved from. From any thread. */
    std::uint64_t id() const noexcept { return raft_node_id(raw_.get()); }

    /**
     * Starts the log of a new group with one entry for each first member. Hosts with a Storage
     * will rather use Storage::bootstrap(). Throws Code::argument, Code::misuse (the log is not
     * empty, or there are no peers).
     */
    void bootstrap(const std::vector<Peer>& peers) {
        std::vector<raft_peer> raw_peers;
        raw_peers.reserve(peers.size());
        for (const Peer& peer : peers) raw_peers.push_back({peer.id, peer.context.raw()});
        detail::call(raft_node_bootstrap, raw_.get(), raw_peers.data(), raw_peers.size());
    }

    /** One unit of logical time has passed. Ticks that were missed are better dropped. */
    void tick() { detail::call(raft_node_tick, raw_.get()); }
    /** The same, for a group that is known to be at rest: nothing is sent. */
    void tick_quiesced() { detail::call(raft_node_tick_quiesced, raw_.get()); }
    /**
     * So many units at once: the same as tick() called so often, for a host that had no need to touch
     * the node meanwhile. Up to next_deadline() all of them together cost what one does; beyond it, time
     * and memory grow with what the node has to do. 0 is nothing.
     */
    void tick_many(std::uint32_t ticks) { detail::call(raft_node_tick_many, raw_.get(), ticks); }
    /**
     * How many ticks it takes until one of them can do more than move the node's clocks, at least 1;
     * no_deadline if time alone does nothing. It holds until the next other call that changes the node:
     * a host with many groups at rest may leave this one alone for so long, or until something comes for
     * it, and then first make up for the ticks with tick_many().
     */
    std::uint64_t next_deadline() const {
        std::uint64_t out = 0;
        detail::call(raft_node_next_deadline, static_cast<const raft_node*>(raw_.get()), &out);
        return out;
    }
    /** Campaigns at once, without waiting for the election timeout. */
    void campaign() { detail::call(raft_node_campaign, raw_.get()); }

    /**
     * Proposes `data`, which is copied, as one entry. That it was taken does not mean that it will
     * be committed: it is when it comes back among the committed entries. Throws Code::dropped.
     */
    void propose(Bytes data) { try_propose(data).or_throw(); }
    /** The same, without an exception. */
    Outcome try_propose(Bytes data) noexcept {
        return detail::attempt(raft_node_propose, raw_.get(), data.data(), data.size());
    }

    /**
     * Proposes several payloads, which are copied, as one entry each, in this order: all of them
     * or none. Throws Code::dropped.
     */
    void propose_many(const std::vector<Bytes>& list) {
        std::vector<raft_bytes> raw_list;
        raw_list.reserve(list.size());
        for (const Bytes& data : list) raw_list.push_back(data.raw());
        try_propose_many(raw_list.data(), raw_list.size()).or_throw();
    }
    /** The same from what C sees, without an exception and without an allocation here. */
    Outcome try_propose_many(const raft_bytes* list, std::size_t size) noexcept {
        return detail::attempt(raft_node_propose_many, raw_.get(), list, size);
    }

    /**
     * Proposes to add, remove or update one member, as an entry of EntryType::conf_change, which
     * `context` comes back with. Throws Code::argument, Code::dropped.
     */
    void propose_conf_change(ConfChangeType type, std::uint64_t node_id, Bytes context = {}) {
        try_propose_conf_change(type, node_id, context).or_throw();
    }
    /** The same, without an exception. */
    Outcome try_propose_conf_change(ConfChangeType type, std::uint64_t node_id, Bytes context = {}) noexcept {
        return detail::attempt(raft_node_propose_conf_change, raw_.get(),
                               static_cast<raft_conf_change_type>(type), node_id, context.data(),
                               context.size());
    }
    /** Proposes an encoded change, such as ConfChange::encode() makes. Throws Code::malformed too. */
    void propose_conf_change_encoded(EntryType type, Bytes data) {
        detail::call(raft_node_propose_conf_change_encoded, raw_.get(), static_cast<raft_entry_type>(type),
                     data.data(), data.size());
    }

    /**
     * Applies a committed configuration change and gives the new configuration. To be called for
     * each entry of EntryType::conf_change or EntryType::conf_change_v2 when its turn comes; for
     * one that the host refuses, reject_conf_change() instead. Throws Code::argument,
     * Code::malformed, Code::conf_change (it does not fit, and counts as refused). After the
     * addition of a member, a host that compacts its log makes a snapshot, since a new member
     * takes none that does not name it.
     */
    ConfState apply_conf_change(EntryType type, Bytes data) {
        raft_conf_state* out = nullptr;
        detail::call(raft_node_apply_conf_change, raw_.get(), static_cast<raft_entry_type>(type), data.data(),
                     data.size(), &out);
        return ConfState(out);
    }
    /** The same, for an entry. */
    ConfState apply_conf_change(const Entry& entry) { return apply_conf_change(entry.type(), entry.data()); }
    /** A committed change was not applied, since the host refuses it, as every member must. */
    void reject_conf_change() { detail::call(raft_node_reject_conf_change, raw_.get()); }

    /** The configuration as of the last applied change. */
    ConfState conf_state() const {
        raft_conf_state* out = nullptr;
        detail::call(raft_node_conf_state, static_cast<const raft_node*>(raw_.get()), &out);
        return ConfState(out);
    }

    /**
     * Hands over a message from a peer, an encoded raftpb.Message, which is copied. Throws what
     * is_peer_error() names, and Code::dropped for a forwarded proposal.
     */
    void step(Bytes message) { try_step(message).or_throw(); }
    /** The same, without an exception. */
    Outcome try_step(Bytes message) noexcept {
        return detail::attempt(raft_node_step, raw_.get(), message.data(), message.size());
    }
    /**
     * The same for a message that is not bytes: one of a Ready of a node with Config::encode_readys() off. If it has
     * bytes, these are taken.
     */
    void step(const Message& message) { try_step(message).or_throw(); }
    /** The same, without an exception. */
    Outcome try_step(const Message& message) noexcept {
        return detail::attempt(raft_node_step_message, raw_.get(), &message.raw());
    }
    /**
     * Hands over several messages, each one preceded by its length as a protobuf varint. If one
     * can't be decoded, none is handed over; one that is refused does not stop the others, and is
     * reported after them.
     */
    void step_many(Bytes frames) { try_step_many(frames).or_throw(); }
    /** The same, without an exception. */
    Outcome try_step_many(Bytes frames) noexcept {
        return detail::attempt(raft_node_step_many, raw_.get(), frames.data(), frames.size());
    }

    /**
     * Asks for a linearizable read. `context` is the host's name for it, and must never be used
     * again on any node, not even for another try. The answer is a ReadState in a later Ready, or
     * never comes: then ask again under a new name. Throws Code::read_dropped.
     */
    void read_index(Bytes context) { try_read_index(context).or_throw(); }
    /** The same, without an exception. */
    Outcome try_read_index(Bytes context) noexcept {
        return detail::attempt(raft_node_read_index, raw_.get(), context.data(), context.size());
    }

    /** Whether ready() would give something to do. */
    bool has_ready() const {
        bool out = false;
        detail::call(raft_node_has_ready, static_cast<const raft_node*>(raw_.get()), &out);
        return out;
    }
    /** What there is to do, as a sum of RAFT_PENDING_ numbers; see raft_node_pending(). */
    std::uint64_t pending() const {
        std::uint64_t out = 0;
        detail::call(raft_node_pending, static_cast<const raft_node*>(raw_.get()), &out);
        return out;
    }
    /** Whether there is surely nothing to do once advance() is called; see raft_node_rests_once_advanced(). */
    bool rests_once_advanced() const {
        bool out = false;
        detail::call(raft_node_rests_once_advanced, static_cast<const raft_node*>(raw_.get()), &out);
        return out;
    }
    /**
     * Takes the next batch of work. Throws Code::misuse (the last one has not been advanced),
     * Code::corrupt, Code::io (the storage can't be read; the call may be repeated).
     */
    Ready ready() {
        const raft_ready* out = nullptr;
        detail::call(raft_node_ready, raw_.get(), &out);
        return Ready(out);
    }
    /**
     * In place of advance(), has_ready() and ready(): the work of the last Ready is done, if there was one, and the next
     * one is taken. Nothing if there is nothing to do. To be called when all that the last one asks for has been done,
     * and not before: it is no look. What it gives is good as long as what ready() gives. With asynchronous storage
     * writes it says nothing of the last one. Throws Code::corrupt, Code::io (the storage can't be read; the
     * call may be repeated).
     */
    std::optional<Ready> next_ready() {
        const raft_ready* out = nullptr;
        detail::call(raft_node_next_ready, raw_.get(), &out);
        if (out == nullptr) return std::nullopt;
        return Ready(out);
    }
    /**
     * Shows what ready() would give, and takes nothing: none of it is to be done before
     * accept_ready(). Throws as ready().
     */
    Ready peek_ready() {
        const raft_ready* out = nullptr;
        detail::call(raft_node_peek_ready, raw_.get(), &out);
        return Ready(out);
    }
    /** Takes the Ready that peek_ready() has shown. Throws Code::misuse (something came between). */
    void accept_ready() { detail::call(raft_node_accept_ready, raw_.get()); }
    /**
     * The last Ready's work is done: persisted, sent and applied. Once after each ready(), except
     * with asynchronous storage writes. Throws Code::misuse (there is none).
     */
    void advance() { detail::call(raft_node_advance, raw_.get()); }

    /**
     * Asks the leader for a snapshot in place of what this node has applied, although its log is
     * fine: for a host whose state machine is damaged. It comes as Ready::snapshot(), and until
     * then the node takes no entries. libraft.h says more. Throws Code::snapshot_request_dropped,
     * with the reason.
     */
    void request_snapshot() { detail::call(raft_node_request_snapshot, raw_.get()); }
    /** Sets the priority of this node in elections from now on. */
    void set_priority(std::int64_t priority) { detail::call(raft_node_set_priority, raw_.get(), priority); }
    /**
     * From now on, at most so many appends and payload bytes are in flight to a member; 0 bytes
     * stand for no limit. Throws Code::misuse (the member 0).
     */
    void set_inflight_limits(std::uint64_t id, std::uint32_t max_messages, std::uint64_t max_bytes = 0) {
        detail::call(raft_node_set_inflight_limits, raw_.get(), id, max_messages, max_bytes);
    }
    /**
     * With asynchronous storage writes, a leader hands out so many entries to be applied before it
     * has persisted them. libraft.h says what the host has to mind at a restart.
     */
    void set_max_apply_unpersisted_entries(std::uint64_t entries) {
        detail::call(raft_node_set_max_apply_unpersisted_entries, raw_.get(), entries);
    }
    /** Whether to commit only what members of two commit groups have, besides a majority. */
    void enable_group_commit(bool on) { detail::call(raft_node_enable_group_commit, raw_.get(), on); }
    /**
     * Puts members into commit groups, numbered from 1, until a restart. Throws Code::misuse (a
     * member or a group 0; nothing has changed).
     */
    void assign_commit_groups(const std::vector<CommitGroup>& groups) {
        std::vector<raft_commit_group> raw_groups;
        raw_groups.reserve(groups.size());
        for (const CommitGroup& of : groups) raw_groups.push_back(raft_commit_group{of.id, of.group});
        detail::call(raft_node_assign_commit_groups, raw_.get(),
                     static_cast<const raft_commit_group*>(raw_groups.data()), raw_groups.size());
    }
    /** Takes all members out of their commit groups. */
    void clear_commit_groups() { detail::call(raft_node_clear_commit_groups, raw_.get()); }
    /**
     * Whether everything that is committed has reached two commit groups. Nothing if this node
     * can't tell: it has to lead, and to have applied an entry of its term.
     */
    std::optional<bool> is_group_commit_consistent() const {
        raft_group_commit_state out = RAFT_GROUP_COMMIT_UNKNOWN;
        detail::call(raft_node_group_commit_state, static_cast<const raft_node*>(raw_.get()), &out);
        if (out == RAFT_GROUP_COMMIT_UNKNOWN) return std::nullopt;
        return out == RAFT_GROUP_COMMIT_CONSISTENT;
    }

    /** A message to this peer could not be delivered. */
    void report_unreachable(std::uint64_t peer) { detail::call(raft_node_report_unreachable, raw_.get(), peer); }
    /** What became of a MessageType::snap. Until that is reported, nothing else is sent there. */
    void report_snapshot(std::uint64_t peer, SnapshotStatus status) {
        detail::call(raft_node_report_snapshot, raw_.get(), peer, static_cast<raft_snapshot_status>(status));
    }
    /** Asks the leader to hand its leadership to this member. */
    void transfer_leader(std::uint64_t transferee) {
        detail::call(raft_node_transfer_leader, raw_.get(), transferee);
    }
    /** A follower forgets its leader, so that it may vote for another at once. */
    void forget_leader() { detail::call(raft_node_forget_leader, raw_.get()); }

    /**
     * Takes out the requests that no Ready has shown yet, for a host that answers them at once:
     * what it provides before it takes the Ready is in that Ready already. Each has to be answered
     * like one in a Ready, and an answer may lead to more. Always empty for a node on a Storage
     * that reads from it by itself.
     */
    Requests take_requests() {
        const raft_requests* out = nullptr;
        detail::call(raft_node_take_requests, raw_.get(), &out);
        return Requests(out);
    }
    /**
     * Answers a ReadRequest with encoded raftpb.Entry from its low index on, which are copied.
     * Throws Code::malformed, Code::impossible, Code::wrong_answer, all of them harmless.
     */
    void provide_entries(std::uint64_t request_id, const std::vector<Bytes>& entries) {
        std::vector<raft_bytes> raw_entries;
        raw_entries.reserve(entries.size());
        for (const Bytes& entry : entries) raw_entries.push_back(entry.raw());
        detail::call(raft_node_provide_entries, raw_.get(), request_id,
                     static_cast<const raft_bytes*>(raw_entries.data()), raw_entries.size());
    }
    /** Answers a ReadRequest: there are no entries. */
    void read_failed(std::uint64_t request_id, ReadFailure failure) {
        detail::call(raft_node_read_failed, raw_.get(), request_id, static_cast<raft_read_failure>(failure));
    }
    /** Answers a SnapshotRequest with an encoded raftpb.Snapshot, which is copied. */
    void provide_snapshot(std::uint64_t request_id, Bytes snapshot) {
        detail::call(raft_node_provide_snapshot, raw_.get(), request_id, snapshot.data(), snapshot.size());
    }
    /** Answers a SnapshotRequest: there is no snapshot at the moment. */
    void snapshot_failed(std::uint64_t request_id) {
        detail::call(raft_node_snapshot_failed, raw_.get(), request_id);
    }
    /** The stored log begins at `first_index` now. A node on a Storage finds that out itself. */
    void compacted(std::uint64_t first_index) { detail::call(raft_node_compacted, raw_.get(), first_index); }

    /**
     * Fixes the randomized election timeout until the next change of role or term draws a new
     * one; for tests. Throws Code::misuse (0 ticks).
     */
    void set_randomized_election_timeout(std::uint32_t ticks) {
        detail::call(raft_node_set_randomized_election_timeout, raw_.get(), ticks);
    }

    /** What the node says about itself. */
    NodeStatus status() const {
        raft_node_status raw{};
        raw.size = sizeof raw;
        detail::call(raft_node_get_status, static_cast<const raft_node*>(raw_.get()), &raw);
        NodeStatus status;
        status.id = raw.id;
        status.term = raw.term;
        status.vote = raw.vote;
        status.commit = raw.commit;
        status.applied = raw.applied;
        status.leader = raw.leader;
        status.lead_transferee = raw.lead_transferee;
        status.first_index = raw.first_index;
        status.last_index = raw.last_index;
        status.persisted = raw.persisted;
        status.removed_as_of = raw.removed_as_of;
        status.role = static_cast<Role>(raw.role);
        return status;
    }
    /** What a leader knows of each member, itself included, by ascending id; otherwise nothing. */
    std::vector<Progress> progress() const {
        const raft_node* node = raw_.get();
        std::size_t size = 0;
        std::vector<raft_progress> raw_progress;
        // No other thread may use the node, so that there are as many the second time.
        detail::call(raft_node_progress, node, raw_progress.data(), raw_progress.size(), &size);
        raw_progress.resize(size);
        detail::call(raft_node_progress, node, raw_progress.data(), raw_progress.size(), &size);
        return std::vector<Progress>(raw_progress.begin(), raw_progress.end());
    }
    /** What the node has done since it was made, in numbers. */
    Metrics metrics() const {
        raft_metrics raw{};
        raw.size = sizeof raw;
        detail::call(raft_node_metrics, static_cast<const raft_node*>(raw_.get()), &raw);
        return raw;
    }
    /** All of it, on a leader with the progress of each member, as an encoded libraft.Status. */
    Buffer status_encoded() const {
        raft_buffer* out = nullptr;
        detail::call(raft_node_status_encoded, static_cast<const raft_node*>(raw_.get()), &out);
        return Buffer(out);
    }

    /**
     * All that the node says about itself as a JSON object: the fields of NodeStatus under their names,
     * "conf_state", and on a leader "progress". Numbers go up to 2^64 - 1; see raft_node_status_json().
     */
    std::string status_json() const {
        raft_buffer* out = nullptr;
        detail::call(raft_node_status_json, static_cast<const raft_node*>(raw_.get()), &out);
        return detail::text(Buffer(out));
    }
    /** The counters as a JSON object. */
    std::string metrics_json() const {
        raft_buffer* out = nullptr;
        detail::call(raft_node_metrics_json, static_cast<const raft_node*>(raw_.get()), &out);
        return detail::text(Buffer(out));
    }
    /**
     * Status and counters as a text for Prometheus, to be served as Exposition::content_type; of several
     * nodes, an Exposition makes one. Throws Code::argument (a label).
     */
    std::string prometheus(const Labels& labels = {}) const {
        const std::vector<raft_label> raw_labels = detail::raw_labels(labels);
        raft_buffer* out = nullptr;
        detail::call(raft_node_prometheus, static_cast<const raft_node*>(raw_.get()), raw_labels.data(),
                     raw_labels.size(), &out);
        return detail::text(Buffer(out));
    }

    /** How the recording of this node stands; see Config::record_bytes(). */
    RecordingState record_state() const { return recording().first; }
    /** How many bytes of it wait to be taken. */
    std::uint64_t record_size() const { return recording().second; }
    /**
     * Takes what was recorded since the last time; what is taken from a node, one after the other, is
     * one recording. Works on a node that has stopped for good, too.
     */
    Buffer record_take() {
        raft_buffer* out = nullptr;
        detail::call(raft_node_record_take, raw_.get(), &out);
        return Buffer(out);
    }
    /** Puts a text, in UTF-8, into the recording, for who reads it. Throws Code::argument. */
    void record_note(std::string_view text) {
        detail::call(raft_node_record_note, raw_.get(), reinterpret_cast<const std::uint8_t*>(text.data()),
                     text.size());
    }
    /** Ends the recording for good; what was not taken can still be. */
    void record_stop() { detail::call(raft_node_record_stop, raw_.get()); }

    /** Whether this has not been moved from. */
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /** What C sees; null if moved from. */
    raft_node* raw() const noexcept { return raw_.get(); }

private:
    std::pair<RecordingState, std::uint64_t> recording() const {
        raft_recording_state state = RAFT_RECORDING_OFF;
        std::uint64_t size = 0;
        detail::call(raft_node_record_state, static_cast<const raft_node*>(raw_.get()), &state, &size);
        return {static_cast<RecordingState>(state), size};
    }

    detail::Owned<raft_node, raft_node_free> raw_;
};

// ---------------------------------------------------------------- many nodes

/** A node of a NodeArray that had no ticks: its place there, and why. */
struct NodeFailure {
    /** Its place. */
    std::uint32_t index = 0;
    /** Code::misuse (another thread is using it), Code::poisoned, Code::panic (see is_fatal()). */
    Code code = Code::ok;

    /** From C's. */
    NodeFailure(const raft_node_failure& raw) noexcept
        : index(raw.index), code(static_cast<Code>(raw.status)) {}
};

/**
 * Nodes that get their ticks together, in one call of the library, for hosts with very many groups. It
 * has room for what it finds, so that a tick allocates nothing.
 *
 * The nodes are borrowed: each has to live until it is replaced here. Moving a Node does not matter. An
 * array is used by one thread at a time; other threads may use its nodes, which are busy in their own turn
 * only.
 */
class NodeArray {
public:
    /** A list of places, in ascending order. */
    using Places = List<std::uint32_t, std::uint32_t>;
    /** A list of failures, by ascending places. */
    using Failures = List<NodeFailure, raft_node_failure>;

    /** Adds a node, at the place size(). Throws Code::null if it was moved from. */
    void push_back(const Node& node) {
        raft_node* const raw = checked(node);
        // The room first, so that there is enough of it even if one of these throws.
        ready_.resize(raw_.size() + 1);
        failed_.resize(raw_.size() + 1);
        raw_.push_back(raw);
    }
    /** Puts another node in the place of one. Throws Code::null, std::out_of_range. */
    void replace(std::size_t index, const Node& node) { raw_.at(index) = checked(node); }
    /** Takes all nodes out; the room stays. */
    void clear() noexcept {
        raw_.clear();
        failed_size_ = 0;
    }
    /** How many nodes there are. */
    std::size_t size() const noexcept { return raw_.size(); }

    /**
     * Does what Node::tick_many() and Node::has_ready() do for each node, and gives the places of those
     * with a Ready; with 0 ticks, it only asks. Nodes that are busy or have stopped are passed over
     * unchanged, and are in failed(): what a busy one has missed can be made up for with
     * Node::tick_many(), which on one that has stopped throws what there is to say. A node that was
     * added twice gets the ticks twice. The list is good until the next call that changes this array.
     */
    Places tick(std::uint32_t ticks = 1) {
        std::size_t ready = 0, failed = 0;
        detail::call(raft_nodes_tick, raw_.data(), raw_.size(), ticks, ready_.data(), &ready, failed_.data(),
                     &failed);
        failed_size_ = failed;
        return Places(ready_.data(), ready);
    }
    /** The nodes that the last tick() passed over. The list is good as long as what that gave. */
    Failures failed() const noexcept { return Failures(failed_.data(), failed_size_); }

private:
    static raft_node* checked(const Node& node) {
        if (!node) throw Error(Code::null, "the node was moved from");
        return node.raw();
    }

    std::vector<raft_node*> raw_;
    std::vector<std::uint32_t> ready_;
    std::vector<raft_node_failure> failed_;
    std::size_t failed_size_ = 0;
};

// ---------------------------------------------------------------- metrics

/**
 * Nodes that are to be one text for Prometheus, in which what is said about a metric may stand only once.
 * Make one for each scrape. Any number of threads may use it.
 */
class Exposition {
public:
    /** What the text is, for the header Content-Type of an HTTP response. */
    static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

    /** Without nodes. */
    Exposition() {
        raft_exposition* raw = nullptr;
        detail::call(raft_exposition_new, &raw);
        raw_.reset(raw);
    }

    /**
     * Adds what the node says about itself at this moment; it is not needed any more after that. Two nodes
     * with one id, of two groups, need labels that tell them apart. Throws Code::argument (a label, or
     * the node is there already) and then adds nothing.
     */
    void add(const Node& node, const Labels& labels = {}) {
        const std::vector<raft_label> raw_labels = detail::raw_labels(labels);
        detail::call(raft_exposition_add, raw_.get(), static_cast<const raft_node*>(node.raw()),
                     raw_labels.data(), raw_labels.size());
    }

    /** The text of all nodes that were added. */
    std::string text() const {
        raft_buffer* out = nullptr;
        detail::call(raft_exposition_text, static_cast<const raft_exposition*>(raw_.get()), &out);
        return detail::text(Buffer(out));
    }

private:
    detail::Owned<raft_exposition, raft_exposition_free> raw_;
};

// ---------------------------------------------------------------- replays

/** What came of a replay. */
struct Replay {
    /** How many calls were made. */
    std::uint64_t calls = 0;
    /** How many Readys the recorded node's host has seen. */
    std::uint64_t ready_count = 0;
    /** The first call, from 1 on, that has not done what it did when recorded; 0 if all have. */
    std::uint64_t differs_at = 0;
    /** What that call returned when it was recorded; Code::panic if it did not. */
    Code recorded = Code::ok;
    /** What it has returned now. If that is the same, what it gave is another. */
    Code replayed = Code::ok;
    /** Why the recording ends; RecordingState::on if it was just taken there. */
    RecordingState end = RecordingState::off;
    /** The Readys as encoded libraft.Ready, each preceded by its length as a protobuf varint. */
    Buffer framed;

    /** The Readys one by one: views, good as long as this object. */
    std::vector<Bytes> readys() const {
        std::vector<Bytes> list;
        const Bytes all = framed.bytes();
        for (std::size_t at = 0; at < all.size();) {
            std::size_t size = 0;
            unsigned shift = 0;
            std::uint8_t part = 0;
            do {
                part = all.data()[at++];
                size |= static_cast<std::size_t>(part & 0x7f) << shift;
                shift += 7;
            } while (part & 0x80);
            list.emplace_back(all.data() + at, size);
            at += size;
        }
        return list;
    }
};

/**
 * Makes all calls of a recording once more, on a node of its own, and keeps the Readys that its host
 * has seen; with a `max_bytes` of 0 none, and else no more than so many bytes. A replay that does not
 * do the same is no error: Replay::differs_at tells. Throws Code::recording (it is damaged, cut off,
 * of another version, or none), Code::argument (more than `max_bytes`), Code::panic (a call panics).
 */
inline Replay replay(Bytes recording, std::uint64_t max_bytes = no_limit) {
    raft_buffer* readys = nullptr;
    raft_replay_report raw{};
    raw.size = sizeof raw;
    detail::call(raft_replay, recording.data(), recording.size(), max_bytes, &readys, &raw);
    Replay replay;
    replay.framed = Buffer(readys);
    replay.calls = raw.calls;
    replay.ready_count = raw.readys;
    replay.differs_at = raw.differs_at;
    replay.recorded = static_cast<Code>(raw.recorded_status);
    replay.replayed = static_cast<Code>(raw.replayed_status);
    replay.end = static_cast<RecordingState>(raw.end);
    return replay;
}

}  // namespace libraft

#endif  // LIBRAFT_HPP
