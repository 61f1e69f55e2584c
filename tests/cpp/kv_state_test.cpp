// The byte formats of the key-value example in C++: the vectors of its README, and what must not
// pass for a command, a snapshot, an address or a number.

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <string>

#include "../../examples/kv/cpp/state.hpp"

using namespace kv;

namespace {

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        out += digits;
    }
    return out;
}

std::string hex(std::uint64_t number) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
    return digits;
}

/// The README's vectors by name: a line that begins with a name in backticks, then an indented one.
std::map<std::string, std::string> read_vectors() {
    std::ifstream file(KV_README);
    const std::regex name("`([a-z0-9-]+)`:.*");
    const std::regex bytes("    ([0-9a-f]+)");
    std::map<std::string, std::string> vectors;
    std::string line;
    std::string last;
    std::smatch match;
    while (std::getline(file, line)) {
        if (line.size() > 4096) continue;
        if (std::regex_match(line, match, name)) {
            last = match[1];
        } else if (!last.empty() && std::regex_match(line, match, bytes)) {
            vectors[last] = match[1];
            last.clear();
        }
    }
    return vectors;
}

State members_of_the_vectors() {
    State state;
    for (Id id = 1; id <= 3; ++id) state.add_member(id, "127.0.0.1:700" + std::to_string(id));
    return state;
}

TEST(KvVectors, AreWhatTheReadmeSays) {
    const auto vectors = read_vectors();
    std::map<std::string, std::string> own;
    own["put"] = hex(Command{{2, 0x0102030405060708}, "greeting", "hello"}.encode());
    own["delete"] = hex(Command{{3, ~std::uint64_t{0}}, std::string_view("\0/\xff", 3), std::nullopt}.encode());
    own["context-add"] = hex(Tag{1, 9}.encode() + "127.0.0.1:7004");
    own["context-remove"] = hex(Tag{1, 10}.encode());
    State state = members_of_the_vectors();
    own["snapshot-initial"] = hex(state.encode());
    own["hash-empty"] = hex(state.hash());
    state.put("a", "1");
    own["pair-hash-a-1"] = hex(state.hash());
    state.put("b", "not yet");
    state.put("b", "");
    own["hash-a-b"] = hex(state.hash());
    state.add_member(4, "127.0.0.1:7004");
    state.remove_member(4);
    own["snapshot"] = hex(state.encode());
    state.put(std::string_view("\0\xff/", 3), std::string(200, 'x'));
    own["hash-three"] = hex(state.hash());
    EXPECT_EQ(own, vectors);
}

TEST(KvState, ASnapshotGivesTheSameStateBack) {
    State state = members_of_the_vectors();
    state.put("a", "1");
    state.put("big", std::string(max_value_bytes, 'v'));
    const std::string long_address = std::string(253, 'h') + ":65535";
    ASSERT_FALSE(state.refuse_add(9, long_address));
    state.add_member(9, long_address);
    state.remove_member(2);
    const auto again = State::decode(state.encode());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->encode(), state.encode());
    EXPECT_EQ(again->hash(), state.hash());
    EXPECT_EQ(again->bytes(), state.bytes());
    EXPECT_EQ(again->keys(), 2U);
    EXPECT_EQ(again->removed(), std::set<Id>{2});
    state.erase("a");
    state.erase("big");
    state.erase("never there");
    EXPECT_EQ(state.hash(), 0U);
    EXPECT_EQ(state.bytes(), 0U);
}

TEST(KvState, ADamagedSnapshotIsRefusedWhateverTheDamage) {
    State state = members_of_the_vectors();
    state.put("a", "1");
    state.put("b", "2");
    const std::string good = state.encode();
    for (std::size_t length = 0; length < good.size(); ++length) {
        EXPECT_FALSE(State::decode(std::string_view(good).substr(0, length))) << length;
    }
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string damaged = good;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(State::decode(damaged)) << bit;
    }
    EXPECT_FALSE(State::decode(good + '\0'));
}

TEST(KvState, MembershipIsRefusedByTheRules) {
    State state = members_of_the_vectors();
    EXPECT_FALSE(state.refuse_add(4, "127.0.0.1:7004"));
    EXPECT_FALSE(state.refuse_add(1, "127.0.0.1:7001")) << "a member again";
    EXPECT_TRUE(state.refuse_add(4, "127.0.0.1:7001")) << "another's address";
    EXPECT_TRUE(state.refuse_add(0, "127.0.0.1:7004"));
    EXPECT_TRUE(state.refuse_add(max_id + 1, "127.0.0.1:7004"));
    EXPECT_TRUE(state.refuse_add(4, "nowhere"));
    EXPECT_TRUE(state.refuse_remove(4));
    state.remove_member(1);
    EXPECT_TRUE(state.refuse_add(1, "127.0.0.1:7001")) << "removed before";
    state.remove_member(2);
    EXPECT_TRUE(state.refuse_remove(3)) << "the last one";
}

TEST(KvCommands, AreExactlyOfTheFormOrNothing) {
    const std::string put = Command{{1, 2}, "key", "value"}.encode();
    const auto decoded = Command::decode(put);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->tag.proposer, 1U);
    EXPECT_EQ(decoded->tag.sequence, 2U);
    EXPECT_EQ(decoded->key, "key");
    EXPECT_EQ(decoded->value, "value");
    const std::string tag = Tag{1, 2}.encode();
    const std::string longest(max_key_bytes, 'k');
    EXPECT_TRUE(Command::decode(Command{{1, 2}, longest, std::string(max_value_bytes, 'v')}.encode()));
    EXPECT_FALSE(Command::decode(Command{{1, 2}, longest, std::string(max_value_bytes + 1, 'v')}.encode()));
    EXPECT_FALSE(Command::decode(Command{{1, 2}, longest + 'k', ""}.encode()));
    for (const std::string& bad : {std::string(), tag.substr(1), tag, tag + "\x01", tag + std::string("\x01\0v", 3),
                                   tag + std::string("\0\x01k", 3), tag + "\x03\x01k", tag + "\x01\x05key",
                                   tag + "\x02\x03keyv", tag + "\x01" + std::string(10, '\xff') + "k"}) {
        EXPECT_FALSE(Command::decode(bad)) << hex(bad);
    }
    std::mt19937_64 chance(3);
    for (int i = 0; i < 20000; ++i) {
        std::string bytes(chance() % 40, '\0');
        for (char& byte : bytes) byte = static_cast<char>(chance());
        // Nothing to be expected but that it comes back, under valgrind too.
        if (const auto command = Command::decode(bytes)) {
            EXPECT_LE(command->key.size(), bytes.size());
        }
    }
}

TEST(KvState, RefusesWhatWouldExceedItsBoundAndChangesNothing) {
    State state;
    const std::string large(max_value_bytes, 'x');
    for (int key = 10; key < 57; ++key) ASSERT_TRUE(state.apply({Tag{}, std::to_string(key), large}));
    const std::size_t room = max_state_bytes - state.bytes();
    const std::string rest(room - 1 - pair_overhead_bytes, 'y');
    const std::size_t before = state.bytes();
    const std::uint64_t hash = state.hash();
    EXPECT_FALSE(state.apply({Tag{}, "k", rest + "y"}));
    EXPECT_EQ(state.bytes(), before);
    EXPECT_EQ(state.hash(), hash);
    EXPECT_EQ(state.find("k"), nullptr);
    EXPECT_TRUE(state.apply({Tag{}, "k", rest}));
    EXPECT_EQ(state.bytes(), max_state_bytes);
    // What is replaced makes room, and what is refused leaves it in place.
    EXPECT_FALSE(state.apply({Tag{}, "k", rest + "z"}));
    EXPECT_EQ(*state.find("k"), rest);
    EXPECT_TRUE(state.apply({Tag{}, "k", std::string(rest.size(), 'z')}));
    EXPECT_FALSE(state.apply({Tag{}, "l", ""}));
    EXPECT_TRUE(state.apply({Tag{}, "10", std::nullopt}));
    EXPECT_TRUE(state.apply({Tag{}, "l", ""}));
}

TEST(KvNumbers, AreReadAtTheirBorders) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
        std::string bytes;
        append_uvarint(bytes, value);
        bytes += "rest";
        std::string_view in = bytes;
        EXPECT_EQ(take_uvarint(in), value);
        EXPECT_EQ(in, "rest");
    }
    for (const std::string& bad : {std::string(), std::string("\x80"), std::string(10, '\xff'),
                                   std::string(9, '\xff') + "\x02", std::string(10, '\x80') + std::string(1, '\0')}) {
        std::string_view in = bad;
        EXPECT_FALSE(take_uvarint(in)) << hex(bad);
        EXPECT_EQ(in, bad) << "nothing is taken";
    }
    EXPECT_EQ(parse_id("1"), 1U);
    EXPECT_EQ(parse_id("1000000"), 1000000U);
    for (const char* bad : {"", "0", "01", "-1", "+1", "1 ", "1000001", "99999999999999999999999", "1.0", "a"}) {
        EXPECT_FALSE(parse_id(bad)) << bad;
    }
    for (const char* good : {"h:1", "127.0.0.1:65535", "a-b.C9:7001"}) EXPECT_TRUE(is_address(good)) << good;
    EXPECT_TRUE(is_address(std::string(253, 'h') + ":1"));
    EXPECT_FALSE(is_address(std::string(254, 'h') + ":1"));
    for (const char* bad : {"", "h", ":1", "h:", "h:0", "h:65536", "h:-1", "h:+1", "h:1 ", "a b:1", "h\xc3\xb6:1",
                            "[::1]:1", "h:1:", "h:99999999999999999999"}) {
        EXPECT_FALSE(is_address(bad)) << bad;
    }
}

}  // namespace
