// Nodes and storages on several threads, by the header: what moves, what is shared, what is refused.
// ThreadSanitizer watches it in `make -C tests/cpp tsan`.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libraft.hpp"

namespace {

constexpr int thread_count = 4;
constexpr int rounds = 50;

/// A group of one, in memory.
struct Single {
    libraft::Storage storage = libraft::Storage::memory();
    libraft::Node node{nullptr};
    std::uint64_t applied = 0;

    Single() {
        storage.bootstrap(1, 1, {1});
        node = libraft::Node(libraft::Config(1).seed(1), storage);
        node.campaign();
        work();
    }

    void work() {
        while (node.has_ready()) {
            const libraft::Ready ready = node.ready();
            storage.save(ready);
            for (const libraft::Entry entry : ready.committed_entries()) applied += !entry.data().empty();
            node.advance();
        }
    }
};

template <typename Function>
void on_threads(Function function) {
    std::vector<std::thread> threads;
    for (int i = 0; i < thread_count; ++i) threads.emplace_back(function, i);
    for (std::thread& thread : threads) thread.join();
}

TEST(Threads, EachMayHaveANodeOfItsOwn) {
    std::vector<std::uint64_t> applied(thread_count);
    on_threads([&applied](int i) {
        Single single;
        for (int round = 0; round < rounds; ++round) {
            single.node.propose("x");
            single.work();
        }
        applied[static_cast<std::size_t>(i)] = single.applied;
    });
    EXPECT_EQ(applied, std::vector<std::uint64_t>(thread_count, rounds));
}

TEST(Threads, ANodeIsMovedFromOneToTheNext) {
    // A queue of one: whoever takes the node has it alone.
    std::mutex mutex;
    std::condition_variable returned;
    std::deque<Single> queue(1);
    on_threads([&](int) {
        for (int round = 0; round < rounds; ++round) {
            std::unique_lock<std::mutex> lock(mutex);
            returned.wait(lock, [&queue] { return !queue.empty(); });
            Single mine = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            mine.node.propose("x");
            mine.work();
            lock.lock();
            queue.push_back(std::move(mine));
            lock.unlock();
            returned.notify_one();
        }
    });
    EXPECT_EQ(queue.front().applied, thread_count * rounds);
}

TEST(Threads, WhoeverComesSecondGetsMisuseFromEveryCall) {
    Single single;
    const std::uint64_t before = single.node.status().last_index;
    std::atomic<std::uint64_t> proposed{0};
    std::atomic<int> wrong{0};
    on_threads([&](int i) {
        for (int round = 0; round < rounds * 4; ++round) {
            try {
                switch ((round + i) % 6) {
                case 0: single.node.tick(); break;
                case 1: single.node.propose("x"); ++proposed; break;
                case 2: single.node.has_ready(); break;
                case 3: single.node.conf_state(); break;
                case 4: single.node.status_encoded(); break;
                case 5: single.node.metrics(); break;
                }
            } catch (const libraft::Error& error) {
                if (error.code() != libraft::Code::misuse) ++wrong;
            }
        }
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(single.node.status().last_index, before + proposed);
    single.work();
    EXPECT_EQ(single.applied, proposed);
}

TEST(Threads, AReadyIsSavedWhileItsNodeIsFed) {
    Single single;
    for (int round = 0; round < rounds; ++round) {
        single.node.propose("x");
        const libraft::Ready ready = single.node.ready();
        const std::string before = ready.encoded().str();
        std::string seen;
        std::thread saver([&] {
            single.storage.save(ready);
            seen = ready.encoded().str();
        });
        for (int i = 0; i < 5; ++i) {
            single.node.tick();
            single.node.propose("x");
            EXPECT_THROW(single.node.ready(), libraft::Error);
        }
        saver.join();
        EXPECT_EQ(seen, before);
        single.node.advance();
    }
    single.work();
    EXPECT_EQ(single.storage.last_index(), 2 + 6 * rounds);
}

TEST(Threads, AStorageIsReadByManyWhileItsNodeWrites) {
    Single single;
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::thread writer([&] {
        for (int round = 0; round < rounds; ++round) {
            single.node.propose("x");
            single.work();
            if (round % 10 == 9) {
                const std::uint64_t last = single.storage.last_index();
                single.storage.create_snapshot(last, {}, "state");
                single.storage.compact(last - 3);
            }
        }
        done = true;
    });
    on_threads([&](int) {
        do {
            try {
                std::uint64_t next = single.storage.first_index();
                const libraft::EntryList entries = single.storage.entries(next, single.storage.last_index() + 1);
                for (const libraft::Entry entry : entries) wrong += entry.index() != next++;
            } catch (const libraft::Error& error) {
                if (error.code() != libraft::Code::compacted) ++wrong;
            }
            wrong += single.storage.snapshot().view().index() > single.storage.last_index();
        } while (!done);
    });
    writer.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(single.applied, rounds);
}

}  // namespace
