// Time for many nodes: NodeArray, and nodes that are left alone until their deadline.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "libraft.hpp"

using namespace libraft;

namespace {

/// A follower of a group of three that hears from nobody.
struct Lonely {
    Storage storage = Storage::memory();
    Node node{nullptr};

    explicit Lonely(std::uint64_t seed) {
        storage.bootstrap(1, 1, {1, 2, 3});
        node = Node(Config(1).seed(seed), storage);
        work();
    }

    void work() {
        while (node.has_ready()) {
            storage.save(node.ready());
            node.advance();
        }
    }
};

std::deque<Lonely> lonely(std::uint64_t count) {
    std::deque<Lonely> nodes;
    for (std::uint64_t seed = 1; seed <= count; ++seed) nodes.emplace_back(seed);
    return nodes;
}

NodeArray array_of(const std::deque<Lonely>& all) {
    NodeArray array;
    for (const Lonely& one : all) array.push_back(one.node);
    return array;
}

template <typename Found>
std::vector<std::uint32_t> list(const Found& found) {
    return {found.begin(), found.end()};
}

TEST(Many, AnArrayTicksAsItsNodesDo) {
    std::deque<Lonely> single = lonely(30), together = lonely(30);
    NodeArray array = array_of(together);
    for (std::uint32_t ticks : {1, 9, 0, 25, 1, 1, 40}) {
        std::vector<std::uint32_t> ready;
        for (std::size_t place = 0; place < single.size(); ++place) {
            for (std::uint32_t i = 0; i < ticks; ++i) single[place].node.tick();
            if (single[place].node.has_ready()) ready.push_back(static_cast<std::uint32_t>(place));
        }
        EXPECT_EQ(list(array.tick(ticks)), ready);
        EXPECT_TRUE(array.failed().empty());
        for (std::size_t place = 0; place < single.size(); ++place) {
            EXPECT_EQ(Bytes(single[place].node.status_encoded()), Bytes(together[place].node.status_encoded()));
            if (ticks == 25) single[place].work(), together[place].work();
        }
    }
}

TEST(Many, NothingHappensBeforeTheDeadline) {
    for (Lonely& one : lonely(10)) {
        const std::uint64_t deadline = one.node.next_deadline();
        EXPECT_GE(deadline, 10U);
        EXPECT_LE(deadline, 20U);
        one.node.tick_many(static_cast<std::uint32_t>(deadline) - 1);
        EXPECT_FALSE(one.node.has_ready());
        EXPECT_EQ(one.node.next_deadline(), 1U);
        EXPECT_EQ(one.node.pending(), 0);
        one.node.tick_many(1);
        EXPECT_TRUE(one.node.has_ready());
        EXPECT_NE(one.node.pending() & RAFT_PENDING_READY, 0);
    }
    const Node stranger = Node::restart(Config(1), {});
    EXPECT_EQ(stranger.next_deadline(), no_deadline);
}

TEST(Many, NodesMoveAndAreReplaced) {
    std::deque<Lonely> all = lonely(3);
    NodeArray array = array_of(all);
    Node moved = std::move(all[1].node);
    EXPECT_EQ(list(array.tick(20)), (std::vector<std::uint32_t>{0, 1, 2}));
    EXPECT_TRUE(moved.has_ready());
    const auto code = [](auto call) {
        try {
            call();
        } catch (const Error& error) {
            return error.code();
        }
        return Code::ok;
    };
    EXPECT_EQ(code([&] { array.push_back(all[1].node); }), Code::null);
    EXPECT_EQ(code([&] { array.replace(0, all[1].node); }), Code::null);
    EXPECT_EQ(array.size(), 3U);
    Lonely quiet(9);
    EXPECT_THROW(array.replace(3, quiet.node), std::out_of_range);
    array.replace(1, quiet.node);
    EXPECT_EQ(list(array.tick(0)), (std::vector<std::uint32_t>{0, 2}));
    array.clear();
    EXPECT_TRUE(array.tick().empty());
    EXPECT_TRUE(array.failed().empty());
    array.push_back(quiet.node);
    array.push_back(quiet.node);
    EXPECT_EQ(list(array.tick(10)).back(), 1U) << "the same node twice: 20 ticks";
}

TEST(Many, ANodeThatAnotherThreadUsesIsPassedOver) {
    std::deque<Lonely> all = lonely(2);
    NodeArray array = array_of(all);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> taken{0};
    std::thread other([&] {
        while (!done) taken += all[1].node.try_step("garbage").code() == Code::malformed;
    });
    while (taken == 0) std::this_thread::yield();
    std::uint64_t passed_over = 0;
    for (int i = 0; i < 2000; ++i) {
        array.tick(0);
        for (const NodeFailure failure : array.failed()) {
            EXPECT_EQ(failure.index, 1U);
            EXPECT_EQ(failure.code, Code::misuse);
            ++passed_over;
        }
    }
    const std::uint64_t before = all[0].node.metrics().ticks;
    done = true;
    other.join();
    // However often that was: the other one had its ticks each time, and this one when it was free.
    EXPECT_EQ(all[1].node.metrics().messages_refused, taken);
    EXPECT_LE(passed_over, 2000U);
    array.tick(3);
    EXPECT_EQ(all[0].node.metrics().ticks, before + 3);
    EXPECT_TRUE(array.failed().empty());
}

}  // namespace
