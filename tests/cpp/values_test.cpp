// What the C++ layer adds by itself: views, ownership, moves, errors.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "cluster.hpp"

using namespace libraft;

namespace {

/// Calls something that must throw an Error, and gives its code.
template <typename Call>
Code code_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_STRNE(error.what(), "");
        return error.code();
    }
    return Code::ok;
}

TEST(Versions, TheLibraryIsTheOneThatTheHeaderDescribes) {
    EXPECT_TRUE(abi_matches());
    EXPECT_FALSE(version().empty());
}

TEST(Bytes, AreMadeFromWhateverHoldsBytes) {
    const std::string text("a\0b", 3);
    const std::vector<std::uint8_t> numbers{'a', 0, 'b'};
    const std::array<std::byte, 3> raw{std::byte{'a'}, std::byte{0}, std::byte{'b'}};
    EXPECT_EQ(Bytes(text), Bytes(numbers));
    EXPECT_EQ(Bytes(text), Bytes(raw));
    EXPECT_EQ(Bytes(text), Bytes(text.data(), 3));
    EXPECT_EQ(Bytes(text).str(), text);
    EXPECT_EQ(std::string_view(Bytes("abc")), "abc");
    EXPECT_NE(Bytes("abc"), Bytes("abd"));
    EXPECT_EQ(Bytes(text).data(), reinterpret_cast<const std::uint8_t*>(text.data())) << "it is a view";
    EXPECT_EQ(std::string(Bytes(text).begin(), Bytes(text).end()), text);
    static_assert(!std::is_constructible_v<Bytes, std::vector<int>>, "elements of four bytes are no bytes");
    static_assert(!std::is_constructible_v<Bytes, std::nullptr_t>);
}

TEST(Bytes, MayBeEmpty) {
    EXPECT_TRUE(Bytes().empty());
    EXPECT_TRUE(Bytes(nullptr, 0).empty());
    EXPECT_TRUE(Bytes(raft_bytes{nullptr, 0}).empty());
    EXPECT_EQ(Bytes(), Bytes(""));
    EXPECT_EQ(Bytes().str(), "");
}

TEST(Ownership, IsMoveOnlyAndNoexcept) {
    static_assert(!std::is_copy_constructible_v<Node> && !std::is_copy_assignable_v<Node>);
    static_assert(!std::is_copy_constructible_v<Storage> && !std::is_copy_constructible_v<Config>);
    static_assert(!std::is_copy_constructible_v<Buffer> && !std::is_copy_constructible_v<EntryList>);
    static_assert(std::is_nothrow_move_constructible_v<Node> && std::is_nothrow_move_assignable_v<Node>);
    static_assert(std::is_nothrow_move_constructible_v<Storage> && std::is_nothrow_move_constructible_v<Config>);
    static_assert(std::is_nothrow_move_constructible_v<ConfState> && std::is_nothrow_move_constructible_v<Outcome>);
    static_assert(std::is_trivially_copyable_v<Ready> && std::is_trivially_copyable_v<Entry> &&
                  std::is_trivially_copyable_v<Message>);
}

TEST(MovedFrom, ANodeIsEmptyAndSaysSo) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1});
    Node node(Config(1), storage);
    Node other = std::move(node);
    EXPECT_TRUE(other);
    EXPECT_EQ(other.id(), 1U);
    EXPECT_FALSE(node);  // NOLINT: what a moved-from node does is what is tested
    EXPECT_EQ(node.id(), 0U);
    EXPECT_EQ(code_of([&] { node.tick(); }), Code::null);
    EXPECT_EQ(code_of([&] { node.propose("x"); }), Code::null);
    EXPECT_EQ(code_of([&] { (void)node.has_ready(); }), Code::null);
    EXPECT_EQ(code_of([&] { (void)node.ready(); }), Code::null);
    EXPECT_EQ(code_of([&] { node.advance(); }), Code::null);
    EXPECT_EQ(code_of([&] { (void)node.status(); }), Code::null);
    EXPECT_EQ(code_of([&] { (void)node.conf_state(); }), Code::null);
    EXPECT_EQ(node.try_step("x").code(), Code::null);
    node = std::move(other);
    EXPECT_TRUE(node);
    node.campaign();
    EXPECT_TRUE(node.has_ready());
    node = Node(nullptr);
    EXPECT_FALSE(node);
}

TEST(MovedFrom, AStorageAndAConfigAreEmptyAndSaySo) {
    Storage storage = Storage::memory();
    const Storage other = std::move(storage);
    EXPECT_TRUE(other.is_fresh());
    EXPECT_FALSE(storage);  // NOLINT
    EXPECT_EQ(code_of([&] { (void)storage.is_fresh(); }), Code::null);
    EXPECT_EQ(code_of([&] { storage.bootstrap(0, 0, {1}); }), Code::null);
    EXPECT_EQ(code_of([&] { (void)storage.entries(1, 2); }), Code::null);

    Config config(1);
    const Config kept = std::move(config);
    EXPECT_FALSE(config);  // NOLINT
    EXPECT_EQ(code_of([&] { config.seed(1); }), Code::null);
    EXPECT_EQ(code_of([&] { Node node(config, other); }), Code::null);
    EXPECT_EQ(code_of([&] { Node node(kept, storage); }), Code::null);
}

TEST(MovedFrom, ListsBuffersAndSnapshotsAreEmpty) {
    Storage storage = Storage::memory();
    storage.bootstrap(5, 2, {1, 2}, "state");
    StoredSnapshot snapshot = storage.snapshot();
    EXPECT_EQ(snapshot.data(), Bytes("state"));
    const StoredSnapshot moved = std::move(snapshot);
    EXPECT_EQ(moved.conf_state().voters().size(), 2U);
    EXPECT_EQ(snapshot.index(), 0U);  // NOLINT
    EXPECT_TRUE(snapshot.data().empty() && snapshot.conf_state().voters().empty());

    Buffer buffer = storage.restart_state();
    const Buffer other = std::move(buffer);
    EXPECT_FALSE(other.bytes().empty());
    EXPECT_TRUE(buffer.bytes().empty());  // NOLINT
    EXPECT_TRUE(EntryList().empty());
    EXPECT_EQ(EntryList().begin(), EntryList().end());
    EXPECT_TRUE(ConfState().voters().empty());
    EXPECT_TRUE(ConfChange().changes().empty());
    const Ready nothing;
    EXPECT_FALSE(nothing.soft_state() || nothing.hard_state() || nothing.snapshot() || nothing.must_sync());
    EXPECT_TRUE(nothing.entries().empty() && nothing.messages().empty() && nothing.encoded().empty());
    EXPECT_EQ(code_of([&] { storage.save(nothing); }), Code::null);
}

TEST(Errors, HaveACodeWordsAndAReason) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1, 2});
    Node node(Config(1), storage);
    try {
        node.propose("x");
        FAIL() << "there is no leader";
    } catch (const std::runtime_error& error) {
        const auto* own = dynamic_cast<const Error*>(&error);
        ASSERT_NE(own, nullptr);
        EXPECT_EQ(own->code(), Code::dropped);
        EXPECT_EQ(own->drop_reason(), DropReason::no_leader);
        EXPECT_NE(std::string(own->what()), "");
    }
    const Outcome outcome = node.try_propose("x");
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.code(), Code::dropped);
    EXPECT_EQ(outcome.drop_reason(), DropReason::no_leader);
    EXPECT_FALSE(outcome.message().empty());
    EXPECT_EQ(code_of([&] { outcome.or_throw(); }), Code::dropped);
    EXPECT_EQ(node.try_read_index("r").code(), Code::read_dropped);
    EXPECT_FALSE(node.has_ready()) << "a call that fails changes nothing";

    const Outcome good;
    EXPECT_TRUE(good.ok() && good.message().empty());
    EXPECT_NO_THROW(good.or_throw());
    std::ostringstream out;
    out << Code::dropped << ' ' << Role::pre_candidate << ' ' << to_string(static_cast<Code>(12345));
    EXPECT_EQ(out.str(), "RAFT_ERR_DROPPED pre-candidate RAFT_ERR_?");
    EXPECT_TRUE(is_peer_error(Code::malformed) && is_peer_error(Code::unknown_peer) && !is_peer_error(Code::poisoned));
    EXPECT_TRUE(is_fatal(Code::panic) && !is_fatal(Code::io));
}

TEST(Errors, BadSettingsAreRefusedWhenTheNodeIsMade) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1});
    EXPECT_EQ(code_of([&] { Node node(Config(0), storage); }), Code::config);
    EXPECT_EQ(code_of([&] { Node node(Config(1).election_ticks(1).heartbeat_ticks(1), storage); }), Code::config);
    EXPECT_EQ(code_of([&] { Node node(Config(1).max_inflight_msgs(0), storage); }), Code::config);
    EXPECT_EQ(code_of([&] { Node node(Config(1).read_only(ReadOnly::lease_based).check_quorum(false), storage); }),
              Code::config);
    EXPECT_EQ(code_of([&] { Node node(Config(1).applied(7), storage); }), Code::argument);
    Config config(1);
    config.election_ticks(20).heartbeat_ticks(2).pre_vote(false).max_size_per_msg(1 << 18).max_inflight_bytes(1 << 20);
    auto chained = Config(1).seed(3).coalesce_appends(false).max_committed_size_per_ready(1).max_cached_bytes(0);
    EXPECT_NO_THROW(Node(config, storage).tick());
    EXPECT_NO_THROW(Node(chained, storage).tick());
}

TEST(Errors, AReadyIsTakenAndAdvancedInTurn) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1});
    Node node(Config(1), storage);
    EXPECT_EQ(code_of([&] { node.advance(); }), Code::misuse);
    node.campaign();
    const Ready ready = node.ready();
    EXPECT_EQ(code_of([&] { (void)node.ready(); }), Code::misuse);
    const std::string before = ready.encoded().str();
    node.tick();
    EXPECT_EQ(ready.encoded(), Bytes(before)) << "other calls leave the views alone";
    storage.save(ready);
    node.advance();
}

TEST(Errors, OfStoragesSayWhatIsMissing) {
    Storage storage = Storage::memory();
    storage.bootstrap(5, 2, {1});
    EXPECT_EQ(code_of([&] { storage.bootstrap(5, 2, {1}); }), Code::misuse);
    EXPECT_EQ(storage.first_index(), 6U);
    EXPECT_EQ(storage.last_index(), 5U);
    EXPECT_EQ(storage.term(5), 2U);
    EXPECT_EQ(code_of([&] { (void)storage.term(4); }), Code::compacted);
    EXPECT_EQ(code_of([&] { (void)storage.term(6); }), Code::unavailable);
    EXPECT_EQ(code_of([&] { (void)storage.entries(4, 6); }), Code::compacted);
    EXPECT_EQ(code_of([&] { (void)storage.entries(6, 7); }), Code::unavailable);
    EXPECT_EQ(code_of([&] { (void)storage.entries(7, 6); }), Code::argument);
    EXPECT_EQ(code_of([&] { storage.create_snapshot(5, {}, "x"); }), Code::snapshot_out_of_date);
    EXPECT_EQ(code_of([&] { storage.create_snapshot(6, {}, "x"); }), Code::unavailable);
    EXPECT_EQ(code_of([&] { storage.compact(3); }), Code::compacted);
    EXPECT_EQ(code_of([&] { storage.append(std::nullopt, {"garbage"}); }), Code::malformed);
    Storage fresh = Storage::memory();
    EXPECT_EQ(code_of([&] { fresh.bootstrap(0, 0, {}); }), Code::argument);
    EXPECT_EQ(code_of([&] { fresh.bootstrap(0, 0, {1, 1}); }), Code::argument);
    EXPECT_EQ(code_of([&] { fresh.bootstrap(1, 0, {1}); }), Code::argument);
    EXPECT_TRUE(fresh.is_fresh());
    EXPECT_EQ(code_of([&] { (void)Storage::open(std::string("/tmp/a\0b", 8)); }), Code::argument);
}

TEST(Threads, TwoOnOneNodeGetMisuseAndNothingElseHappens) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1, 2, 3});
    Node node(Config(1).seed(1), storage);
    constexpr int calls = 2000;
    std::atomic<int> good{0};
    std::atomic<int> refused{0};
    const auto hammer = [&] {
        for (int i = 0; i < calls; ++i) {
            const Outcome outcome = node.try_step("garbage");
            if (outcome.code() == Code::misuse) {
                ++refused;
            } else if (outcome.code() == Code::malformed) {
                ++good;
            }
        }
    };
    std::thread other(hammer);
    hammer();
    other.join();
    EXPECT_EQ(good + refused, 2 * calls);
    EXPECT_NO_THROW(node.tick());
}

TEST(Threads, ANodeMovesBetweenThem) {
    Storage storage = Storage::memory();
    storage.bootstrap(0, 0, {1});
    Node node(Config(1), storage);
    Role role = Role::follower;
    std::thread thread([&role, &storage, moved = std::move(node)]() mutable {
        moved.campaign();
        while (moved.has_ready()) {
            storage.save(moved.ready());
            moved.advance();
        }
        role = moved.status().role;
    });
    thread.join();
    EXPECT_EQ(role, Role::leader);
}

}  // namespace
