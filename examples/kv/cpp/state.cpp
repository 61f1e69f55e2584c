#include "state.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace kv {

namespace {

constexpr std::uint8_t op_put = 1;
constexpr std::uint8_t op_delete = 2;
constexpr std::uint8_t snapshot_version = 1;
constexpr std::size_t digest_bytes = 32;

std::string sha256(std::string_view data) {
    std::string digest(digest_bytes, '\0');
    if (EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
                   nullptr) != 1) {
        throw std::runtime_error("SHA-256 is not available");
    }
    return digest;
}

void append_u64(std::string& out, std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint64_t read_u64(std::string_view in) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(in[i]);
    return value;
}

void append_sized(std::string& out, std::string_view bytes) {
    append_uvarint(out, bytes.size());
    out += bytes;
}

/// Takes a length and as many bytes, if there are that many and the length is within [least, most].
std::optional<std::string_view> take_sized(std::string_view& in, std::size_t least, std::size_t most) {
    const auto length = take_uvarint(in);
    if (!length || *length < least || *length > most || *length > in.size()) return std::nullopt;
    const std::string_view bytes = in.substr(0, *length);
    in.remove_prefix(*length);
    return bytes;
}

std::uint64_t pair_hash(std::string_view key, std::string_view value) {
    std::string pair;
    append_sized(pair, key);
    pair += value;
    return read_u64(sha256(pair));
}

/// A decimal number up to `most` without leading zeros.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
    if (text.empty() || text.size() > 9 || text.front() == '0') return std::nullopt;
    std::uint64_t number = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return std::nullopt;
        number = 10 * number + static_cast<std::uint64_t>(digit - '0');
    }
    if (number > most) return std::nullopt;
    return number;
}

}  // namespace

bool is_address(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 253) return false;
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    return parse_number(port, 65535) && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    });
}

std::optional<Id> parse_id(std::string_view text) { return parse_number(text, max_id); }

void append_uvarint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

std::optional<std::uint64_t> take_uvarint(std::string_view& in) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(in.size(), 10); ++i) {
        const auto byte = static_cast<std::uint8_t>(in[i]);
        // The tenth byte has room for one bit.
        if (i == 9 && byte > 1) return std::nullopt;
        value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            in.remove_prefix(i + 1);
            return value;
        }
    }
    return std::nullopt;
}

std::string Tag::encode() const {
    std::string out;
    append_u64(out, proposer);
    append_u64(out, sequence);
    return out;
}

std::optional<Tag> Tag::take(std::string_view& in) {
    if (in.size() < 16) return std::nullopt;
    const Tag tag{read_u64(in), read_u64(in.substr(8))};
    in.remove_prefix(16);
    return tag;
}

std::string Command::encode() const {
    std::string out = tag.encode();
    out += static_cast<char>(value ? op_put : op_delete);
    append_sized(out, key);
    if (value) out += *value;
    return out;
}

std::optional<Command> Command::decode(std::string_view data) {
    const auto tag = Tag::take(data);
    if (!tag || data.empty()) return std::nullopt;
    const auto op = static_cast<std::uint8_t>(data.front());
    data.remove_prefix(1);
    const auto key = take_sized(data, 1, max_key_bytes);
    if (!key) return std::nullopt;
    if (op == op_put && data.size() <= max_value_bytes) return Command{*tag, *key, data};
    if (op == op_delete && data.empty()) return Command{*tag, *key, std::nullopt};
    return std::nullopt;
}

const std::string* State::find(std::string_view key) const {
    const auto pair = pairs_.find(key);
    return pair == pairs_.end() ? nullptr : &pair->second.bytes;
}

void State::put(std::string_view key, std::string_view value) {
    erase(key);
    const std::uint64_t hash = pair_hash(key, value);
    pairs_.emplace(std::string(key), Value{std::string(value), hash});
    hash_ += hash;
    bytes_ += key.size() + value.size() + pair_overhead_bytes;
}

void State::erase(std::string_view key) {
    const auto pair = pairs_.find(key);
    if (pair == pairs_.end()) return;
    hash_ -= pair->second.hash;
    bytes_ -= key.size() + pair->second.bytes.size() + pair_overhead_bytes;
    pairs_.erase(pair);
}

bool State::fits(std::string_view key, std::string_view value) const {
    // The key and the overhead count in the old pair as in the new one.
    const std::string* old = find(key);
    if (old) return value.size() <= old->size() || bytes_ - old->size() + value.size() <= max_state_bytes;
    return bytes_ + key.size() + value.size() + pair_overhead_bytes <= max_state_bytes;
}

bool State::apply(const Command& command) {
    if (!command.value) {
        erase(command.key);
        return true;
    }
    if (!fits(command.key, *command.value)) return false;
    put(command.key, *command.value);
    return true;
}

std::optional<std::string> State::refuse_add(Id id, std::string_view address) const {
    if (id < 1 || id > max_id) return "no such id";
    if (!is_address(address)) return "no address";
    if (removed_.count(id)) return "this id was removed before; ids are never used again";
    for (const auto& [other, its_address] : members_) {
        if (other != id && its_address == address) return "member " + std::to_string(other) + " has this address";
    }
    return std::nullopt;
}

std::optional<std::string> State::refuse_remove(Id id) const {
    if (!members_.count(id)) return "no such member";
    if (members_.size() == 1) return "the last member can't be removed";
    return std::nullopt;
}

void State::remove_member(Id id) {
    members_.erase(id);
    removed_.insert(id);
}

std::string State::encode() const {
    std::string out;
    out.reserve(bytes_ + 4096);
    out += static_cast<char>(snapshot_version);
    append_uvarint(out, members_.size());
    for (const auto& [id, address] : members_) {
        append_uvarint(out, id);
        append_sized(out, address);
    }
    append_uvarint(out, removed_.size());
    for (const Id id : removed_) append_uvarint(out, id);
    append_uvarint(out, pairs_.size());
    for (const auto& [key, value] : pairs_) {
        append_sized(out, key);
        append_sized(out, value.bytes);
    }
    return out + sha256(out);
}

std::optional<State> State::decode(std::string_view data) {
    if (data.size() < 1 + digest_bytes) return std::nullopt;
    std::string_view in = data.substr(0, data.size() - digest_bytes);
    if (sha256(in) != data.substr(in.size()) || in.front() != snapshot_version) return std::nullopt;
    in.remove_prefix(1);

    State state;
    auto count = take_uvarint(in);
    if (!count) return std::nullopt;
    for (Id last = 0; *count > 0; --*count) {
        const auto id = take_uvarint(in);
        if (!id || *id <= last || *id > max_id) return std::nullopt;
        // However long it is: what was applied must come back from a snapshot.
        const auto address = take_sized(in, 1, in.size());
        if (!address || !is_address(*address)) return std::nullopt;
        state.members_.emplace(*id, *address);
        last = *id;
    }
    count = take_uvarint(in);
    if (!count) return std::nullopt;
    for (Id last = 0; *count > 0; --*count) {
        const auto id = take_uvarint(in);
        if (!id || *id <= last || *id > max_id) return std::nullopt;
        state.removed_.insert(*id);
        last = *id;
    }
    count = take_uvarint(in);
    if (!count) return std::nullopt;
    for (std::string_view last; *count > 0; --*count) {
        const auto key = take_sized(in, 1, max_key_bytes);
        if (!key || *key <= last) return std::nullopt;
        const auto value = take_sized(in, 0, max_value_bytes);
        if (!value) return std::nullopt;
        state.put(*key, *value);
        last = *key;
    }
    if (!in.empty()) return std::nullopt;
    return state;
}

}  // namespace kv
