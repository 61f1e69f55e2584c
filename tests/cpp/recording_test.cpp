// Recordings from C++: what was seen comes out again, in whole and in parts, and what is no recording
// is refused.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libraft.hpp"

using namespace libraft;

namespace {

/// The only voter of its group, and every Ready that it has given.
struct Recorded {
    explicit Recorded(std::uint64_t record_bytes)
        : storage(fresh()), node(Config(1).seed(7).record_bytes(record_bytes), storage) {}

    static Storage fresh() {
        Storage storage = Storage::memory();
        storage.bootstrap(1, 1, std::vector<std::uint64_t>{1});
        return storage;
    }

    void work() {
        while (node.has_ready()) {
            const Ready ready = node.ready();
            seen.push_back(ready.encoded().str());
            storage.save(ready);
            node.advance();
        }
    }

    Storage storage;
    Node node;
    std::vector<std::string> seen;
};

std::vector<std::string> copies(const Replay& replay) {
    std::vector<std::string> list;
    for (const Bytes ready : replay.readys()) list.push_back(ready.str());
    return list;
}

TEST(Recording, GivesTheSameReadysAgain) {
    Recorded host(1 << 20);
    host.node.campaign();
    host.work();
    // Long enough for a length of more than one byte.
    for (int i = 0; i < 20; ++i) host.node.propose(std::string(50, 'x'));
    host.work();
    EXPECT_GT(host.node.record_size(), 1000u);
    std::string recording = host.node.record_take().bytes().str();
    EXPECT_EQ(host.node.record_size(), 0u);

    const Replay first = replay(recording);
    EXPECT_EQ(copies(first), host.seen);
    EXPECT_EQ(first.ready_count, host.seen.size());
    EXPECT_EQ(first.differs_at, 0u);
    EXPECT_EQ(first.end, RecordingState::on);

    host.node.record_note("here");
    host.node.tick();
    host.node.record_stop();
    EXPECT_EQ(host.node.record_state(), RecordingState::stopped);
    recording += host.node.record_take().bytes().str();
    const Replay whole = replay(recording, 0);
    EXPECT_EQ(whole.calls, first.calls + 2);
    EXPECT_EQ(whole.end, RecordingState::stopped);
    EXPECT_TRUE(whole.readys().empty());
}

TEST(Recording, SaysWhenItIsFull) {
    Recorded host(512);
    EXPECT_EQ(host.node.record_state(), RecordingState::on);
    for (int i = 0; i < 200; ++i) host.node.tick();
    EXPECT_EQ(host.node.record_state(), RecordingState::full);
    EXPECT_LE(host.node.record_size(), 512u);
    EXPECT_EQ(replay(host.node.record_take()).end, RecordingState::full);
}

TEST(Recording, IsRefusedIfItIsNone) {
    Recorded host(1 << 20);
    host.node.campaign();
    host.work();
    const std::string recording = host.node.record_take().bytes().str();
    const auto code = [](Bytes bytes, std::uint64_t max_bytes) {
        try {
            replay(bytes, max_bytes);
        } catch (const Error& error) {
            return error.code();
        }
        return Code::ok;
    };
    EXPECT_EQ(code("something else", no_limit), Code::recording);
    EXPECT_EQ(code(recording.substr(0, recording.size() - 1), no_limit), Code::recording);
    EXPECT_EQ(code(recording, 3), Code::argument);
    EXPECT_EQ(code(recording, no_limit), Code::ok);
    Recorded off(0);
    EXPECT_EQ(off.node.record_state(), RecordingState::off);
    EXPECT_TRUE(off.node.record_take().bytes().empty());
}

}  // namespace
