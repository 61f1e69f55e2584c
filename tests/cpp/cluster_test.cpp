// What a cluster of hosts written in C++ does: elects, replicates, restarts, compacts, changes
// its members, reads, and survives garbage.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "cluster.hpp"

using namespace libraft;

namespace {

std::vector<std::uint64_t> list_of(const Ids& ids) { return {ids.begin(), ids.end()}; }

using IdList = std::vector<std::uint64_t>;
using Commands = std::vector<std::string>;

/// A directory that ends with the test.
class Directory {
public:
    Directory() {
        std::string name = (std::filesystem::temp_directory_path() / "libraft-cpp-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
        path_ = name;
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    std::string of(std::uint64_t id) const { return (path_ / std::to_string(id)).string(); }

private:
    std::filesystem::path path_;
};

TEST(Cluster, ElectsALeaderByItself) {
    Cluster cluster(3);
    const std::uint64_t leader = cluster.wait_leader();
    for (auto& [id, host] : cluster.hosts()) {
        const NodeStatus status = host.node.status();
        EXPECT_EQ(status.id, id);
        EXPECT_EQ(status.leader, leader);
        EXPECT_EQ(status.role, id == leader ? Role::leader : Role::follower);
        EXPECT_EQ(host.storage.hard_state().term, status.term) << "the term is on disk before it is spoken of";
    }
}

TEST(Cluster, ReplicatesWhatAnyMemberProposes) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster[1].node.propose("from the leader");
    cluster.settle();
    cluster[2].node.propose("from a follower");
    cluster.settle();
    cluster[1].node.propose_many({"three", std::string("4"), Bytes("five")});
    cluster[1].node.propose_many({});
    cluster.tick();
    for (auto& [id, host] : cluster.hosts()) {
        EXPECT_EQ(host.commands, (Commands{"from the leader", "from a follower", "three", "4", "five"})) << id;
    }
    EXPECT_TRUE(cluster.refused.empty());
}

TEST(Cluster, AMinorityCommitsNothingAndForgetsItWhenItIsBack) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster.isolate({1});
    cluster[1].node.propose("lost");
    cluster.settle();
    cluster.tick(2 * Cluster::election_ticks);
    cluster.wait_leader();
    EXPECT_EQ(cluster[1].node.status().role, Role::follower) << "check-quorum";
    cluster[cluster.leader()].node.propose("kept");
    cluster.settle();
    cluster.isolate({});
    cluster.tick(3 * Cluster::election_ticks);
    for (auto& [id, host] : cluster.hosts()) EXPECT_EQ(host.commands, Commands{"kept"}) << id;
}

TEST(Cluster, RestartsFromDiskWithEverythingThatWasCommitted) {
    const Directory directory;
    const auto open = [&](std::uint64_t id) { return Storage::open(directory.of(id)); };
    std::uint64_t term = 0;
    {
        Cluster cluster(3, open);
        cluster.elect(2);
        for (int i = 0; i < 50; ++i) cluster[2].node.propose("command " + std::to_string(i));
        cluster.tick();
        EXPECT_EQ(cluster[3].commands.size(), 50U);
        term = cluster[2].node.status().term;
        try {
            (void)Storage::open(directory.of(1));
            FAIL() << "it is open already";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::locked);
        }
    }
    Cluster again(3, open);
    EXPECT_EQ(again[1].storage.recovery_report().discarded_writes, 0U);
    EXPECT_FALSE(again[1].storage.recovery_report().crashed);
    again.settle();
    for (auto& [id, host] : again.hosts()) {
        EXPECT_EQ(host.commands.size(), 50U) << id;
        EXPECT_EQ(host.node.status().term, term);
        EXPECT_EQ(host.node.status().role, Role::follower);
    }
    again.elect(1);
    again[1].node.propose("after");
    again.tick();
    EXPECT_EQ(again[3].commands.back(), "after");
    again[3].storage.sync();
}

TEST(Cluster, AStorageWithAForeignFileInItIsRefused) {
    const Directory directory;
    { Storage::open(directory.of(1)).bootstrap(1, 1, {1}); }
    for (const auto& file : std::filesystem::directory_iterator(directory.of(1))) {
        std::ofstream(file.path(), std::ios::trunc) << "this is no storage";
    }
    try {
        (void)Storage::open(directory.of(1));
        FAIL() << "it is damaged";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::corrupt) << error.what();
    }
}

/// No file of this process gets larger than that, for as long as this lives.
class FileLimit {
public:
    explicit FileLimit(rlim_t bytes) {
        // Who does not ignore it ends with it.
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("no limit");
    }
    ~FileLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;

private:
    rlimit before_{};
    void (*handler_)(int) = SIG_DFL;
};

TEST(Cluster, ADiskWithoutRoomIsAnErrorAndLosesNothing) {
    const Directory directory;
    const std::string command(20000, 'x');
    std::uint64_t saved = 0;
    {
        const FileLimit limit(2000000);
        Storage storage = Storage::open(directory.of(1));
        storage.bootstrap(1, 1, {1});
        Node node(Config(1), storage);
        node.campaign();
        // There is no room for this many.
        for (int i = 0; i < 1000 && saved == 0; ++i) {
            while (node.has_ready() && saved == 0) {
                const Ready ready = node.ready();
                try {
                    storage.save(ready);
                    node.advance();
                } catch (const Error& error) {
                    EXPECT_EQ(error.code(), Code::io) << error.what();
                    EXPECT_NE(std::string(error.what()).find("File too large"), std::string::npos) << error.what();
                    saved = storage.last_index();
                    try {
                        storage.save(ready);
                        ADD_FAILURE() << "nobody knows what is on disk";
                    } catch (const Error& again) {
                        EXPECT_EQ(again.code(), Code::poisoned) << again.what();
                    }
                }
            }
            if (saved == 0) node.propose(command);
        }
        ASSERT_GT(saved, 2U) << "the disk did not get full";
    }
    Storage storage = Storage::open(directory.of(1));
    EXPECT_TRUE(storage.last_index() == saved || storage.last_index() == saved + 1);
    const EntryList entries = storage.entries(3, saved + 1);
    EXPECT_EQ(entries.size(), saved - 2);
    for (const Entry entry : entries) EXPECT_EQ(entry.data(), Bytes(command)) << entry.index();
    Node node(Config(1), storage);
    node.campaign();
    const Ready ready = node.ready();
    storage.save(ready);
    node.advance();
}

TEST(Cluster, APathThatIsNoDirectoryIsAnError) {
    const Directory directory;
    std::ofstream(directory.of(1)) << "somebody else's";
    try {
        (void)Storage::open(directory.of(1));
        FAIL() << "it is a file";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::io) << error.what();
    }
}

TEST(Cluster, AStorageKeepsItsHandleOpenForTheNode) {
    const Directory directory;
    Storage storage = Storage::open(directory.of(1));
    storage.bootstrap(1, 1, {1});
    Node node(Config(1), storage);
    { const Storage gone = std::move(storage); }
    EXPECT_THROW((void)Storage::open(directory.of(1)), Error) << "the node still uses it";
    node.campaign();
    EXPECT_TRUE(node.has_ready());
    node = Node(nullptr);
    EXPECT_NO_THROW((void)Storage::open(directory.of(1)));
}

TEST(Cluster, ALaggingFollowerIsBroughtUpByASnapshot) {
    const Directory directory;
    Cluster cluster(3, [&](std::uint64_t id) { return Storage::open(directory.of(id)); });
    cluster.elect(1);
    cluster.isolate({3});
    for (int i = 0; i < 100; ++i) cluster[1].node.propose("command " + std::to_string(i));
    cluster.tick();
    EXPECT_TRUE(cluster[3].commands.empty());
    const std::uint64_t applied = cluster[1].applied;
    cluster[1].snapshot(10);
    EXPECT_EQ(cluster[1].storage.first_index(), applied - 9);
    EXPECT_EQ(cluster[1].storage.last_index(), applied);
    EXPECT_EQ(cluster[1].storage.snapshot().index(), applied);
    EXPECT_EQ(cluster[1].storage.entries(applied - 9, applied + 1).size(), 10U);
    EXPECT_EQ(cluster[1].storage.entries(applied - 9, applied + 1, 0).size(), 1U);
    EXPECT_THROW((void)cluster[1].storage.entries(2, 3), Error);

    std::uint64_t sent = 0;
    cluster.on_send = [&](const Message& message) {
        if (message.type() != MessageType::snap) return;
        sent = message.snapshot_index();
        EXPECT_EQ(message.to(), 3U);
        EXPECT_EQ(message.snapshot_data(), Bytes(cluster[1].encode()));
        EXPECT_EQ(Message::decode(message.encoded()).snapshot_data(), message.snapshot_data());
    };
    cluster.isolate({});
    cluster.tick(3 * Cluster::election_ticks);
    EXPECT_EQ(sent, applied);
    EXPECT_EQ(cluster[3].restored, 1);
    EXPECT_EQ(cluster[3].commands, cluster[1].commands);
    EXPECT_EQ(cluster[3].commands.size(), 100U);
    EXPECT_EQ(list_of(cluster[3].storage.snapshot().conf_state().voters()), (IdList{1, 2, 3}));
    EXPECT_EQ(cluster[3].storage.first_index(), applied + 1);
}

TEST(Cluster, MembersJoinAndLeave) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster[1].node.propose("before");
    cluster.settle();
    cluster[1].node.propose_conf_change(ConfChangeType::add_node, 4, "its address");
    cluster.settle();
    EXPECT_EQ(list_of(cluster[1].members.voters()), (IdList{1, 2, 3, 4}));
    EXPECT_EQ(list_of(cluster[2].node.conf_state().voters()), (IdList{1, 2, 3, 4}));

    // The log begins after the first snapshot, so the new member needs one that has it in it.
    cluster[1].snapshot();
    cluster.add(4, Storage::memory());
    cluster.tick(3 * Cluster::election_ticks);
    EXPECT_EQ(cluster[4].restored, 1);
    EXPECT_EQ(cluster[4].commands, Commands{"before"});
    EXPECT_EQ(list_of(cluster[4].members.voters()), (IdList{1, 2, 3, 4}));

    cluster[4].node.propose_conf_change(ConfChangeType::remove_node, 2);
    cluster.tick();
    EXPECT_EQ(list_of(cluster[4].members.voters()), (IdList{1, 3, 4}));
    cluster.remove(2);
    cluster[1].node.propose("after");
    cluster.tick();
    EXPECT_EQ(cluster[4].commands, (Commands{"before", "after"}));
}

TEST(Cluster, AChangeCanBeReadAndRefused) {
    Cluster cluster(1);
    cluster.elect(1);
    Host& host = cluster[1];
    host.node.propose_conf_change(ConfChangeType::add_learner_node, 9, "context");
    bool seen = false;
    while (host.node.has_ready()) {
        const Ready ready = host.node.ready();
        host.storage.save(ready);
        for (const Entry entry : ready.committed_entries()) {
            if (entry.type() != EntryType::conf_change) continue;
            const ConfChange change = ConfChange::decode(entry);
            ASSERT_EQ(change.changes().size(), 1U);
            EXPECT_EQ(change.changes()[0].type, ConfChangeType::add_learner_node);
            EXPECT_EQ(change.changes()[0].node_id, 9U);
            EXPECT_EQ(change.context(), Bytes("context"));
            host.node.reject_conf_change();
            seen = true;
        }
        host.node.advance();
    }
    EXPECT_TRUE(seen);
    EXPECT_TRUE(host.node.conf_state().learners().empty());
    host.node.propose_conf_change(ConfChangeType::add_learner_node, 8);
    cluster.settle();
    EXPECT_EQ(list_of(host.node.conf_state().learners()), IdList{8});
}

TEST(Cluster, ChangesAreEncodedAndDecoded) {
    const Buffer encoded =
        ConfChange::encode(Transition::joint_implicit,
                           {{ConfChangeType::add_node, 4}, {ConfChangeType::remove_node, 1}}, "context");
    const ConfChange change = ConfChange::decode(EntryType::conf_change_v2, encoded);
    EXPECT_EQ(change.transition(), Transition::joint_implicit);
    ASSERT_EQ(change.changes().size(), 2U);
    EXPECT_EQ(change.changes()[1].type, ConfChangeType::remove_node);
    EXPECT_EQ(change.changes()[1].node_id, 1U);
    EXPECT_EQ(change.context(), Bytes("context"));
    ConfChange untouched;
    EXPECT_EQ(ConfChange::try_decode(EntryType::conf_change, "\xff\xff", untouched).code(), Code::malformed);
    EXPECT_EQ(ConfChange::try_decode(EntryType::normal, "", untouched).code(), Code::argument);
    EXPECT_TRUE(untouched.changes().empty());
}

TEST(Cluster, ReadsFromLeaderAndFollower) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster[1].node.propose("x");
    cluster.settle();
    const std::uint64_t committed = cluster[1].applied;
    cluster[1].node.read_index("leader's read");
    cluster[3].node.read_index(Bytes("follower's read"));
    cluster.tick();
    ASSERT_EQ(cluster[1].reads.count("leader's read"), 1U);
    EXPECT_GE(cluster[1].reads["leader's read"], committed);
    ASSERT_EQ(cluster[3].reads.count("follower's read"), 1U);
    EXPECT_GE(cluster[3].reads["follower's read"], committed);

    cluster.isolate({1});
    cluster[1].node.read_index("cut off");
    cluster.tick(3 * Cluster::election_ticks);
    EXPECT_EQ(cluster[1].reads.count("cut off"), 0U) << "a deposed leader confirms nothing";
}

TEST(Cluster, LeadershipIsTransferred) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster[1].node.propose("x");
    cluster.settle();
    cluster[1].node.transfer_leader(3);
    cluster.settle();
    EXPECT_EQ(cluster.leader(), 3U);
    cluster[3].node.report_unreachable(2);
    cluster[2].node.forget_leader();
    cluster.tick();
    EXPECT_EQ(cluster[2].node.status().leader, 3U) << "the next heartbeat tells it again";
}

TEST(Cluster, AHostMayAnswerTheRequestsByItself) {
    Cluster cluster(3);
    // Node 1 again, without a storage of the library's that it could read from.
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2, 3});
    Node bare = Node::restart(Cluster::config(1).max_cached_bytes(0), storage.restart_state());
    cluster.remove(1);
    cluster.hosts().insert_or_assign(1, Host(std::move(storage), std::move(bare)));
    int reads = 0;
    int snapshots = 0;
    cluster[1].answer = [&](Host& host, const Ready& ready) {
        for (const ReadRequest request : ready.reads()) {
            ++reads;
            const EntryList list = host.storage.entries(request.low, request.high, request.max_bytes);
            std::vector<Bytes> entries;
            for (const Entry entry : list) entries.push_back(entry.encoded());
            host.node.provide_entries(request.id, entries);
        }
        for (const SnapshotRequest request : ready.snapshot_requests()) {
            if (snapshots++ == 0) {
                host.node.snapshot_failed(request.id);
            } else {
                host.node.provide_snapshot(request.id, host.storage.snapshot().encoded());
            }
        }
    };
    cluster.elect(1);
    cluster.isolate({3});
    for (int i = 0; i < 20; ++i) cluster[1].node.propose("command " + std::to_string(i));
    cluster.tick();
    cluster.isolate({});
    cluster.tick(3 * Cluster::election_ticks);
    EXPECT_EQ(cluster[3].commands.size(), 20U);
    EXPECT_GT(reads, 0) << "nothing was cached, so the entries were asked for";

    cluster.isolate({3});
    cluster[1].node.propose("only in the snapshot");
    cluster.tick();
    cluster[1].snapshot();
    cluster[1].node.compacted(cluster[1].applied + 1);
    cluster.isolate({});
    cluster.tick(3 * Cluster::election_ticks);
    EXPECT_GT(snapshots, 1) << "after the failure it asked again";
    EXPECT_EQ(cluster[3].commands.back(), "only in the snapshot");
    EXPECT_THROW(cluster[1].node.provide_entries(999, {"x"}), Error);
    EXPECT_NO_THROW(cluster[1].node.read_failed(999, ReadFailure::compacted)) << "a late answer is harmless";
    EXPECT_FALSE(cluster[1].node.status_encoded().bytes().empty());
}

TEST(Cluster, AHostMayAnswerBeforeItTakesTheReady) {
    Storage storage = Storage::memory();
    storage.bootstrap(5, 1, {1, 2}, "state");
    Node leader = Node::restart(Cluster::config(1).pre_vote(false), storage.restart_state());
    leader.campaign();
    const auto save = [&] {
        while (leader.has_ready()) {
            storage.save(leader.ready());
            leader.advance();
        }
    };
    save();
    // raftpb.Message by hand: MsgVoteResp to 1 from 2 in term 2, and a rejected MsgAppResp.
    leader.step(std::string{8, 6, 16, 1, 24, 2, 32, 2});
    save();
    ASSERT_EQ(leader.status().role, Role::leader);
    leader.step(std::string{8, 4, 16, 1, 24, 2, 32, 2, 48, 5, 80, 1, 88, 0});
    const Requests requests = leader.take_requests();
    ASSERT_EQ(requests.snapshots().size(), 1U) << "2 has nothing, and the log begins at 6";
    EXPECT_EQ(requests.snapshots()[0].to, 2U);
    EXPECT_TRUE(requests.reads().empty());
    leader.provide_snapshot(requests.snapshots()[0].id, storage.snapshot().encoded());
    const Ready ready = leader.ready();
    ASSERT_EQ(ready.messages().size(), 1U);
    EXPECT_EQ(ready.messages().front().type(), MessageType::snap);
    EXPECT_EQ(ready.messages().back().snapshot_data(), Bytes("state"));
    EXPECT_TRUE(Requests().reads().empty() && Requests().snapshots().empty());
}

TEST(Cluster, AHostThatMakesItsOwnBytesHasAllInFields) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2});
    Node node(Config(2).encode_readys(false), storage);
    // raftpb.Message by hand: an empty MsgApp to 2 from 1 in term 2, after entry 1 of term 1, commit 1.
    const std::string append{8, 3, 16, 2, 24, 1, 32, 2, 40, 1, 48, 1, 64, 1};
    const Message decoded = Message::decode(append);
    EXPECT_EQ(decoded.log_term(), 1U);
    EXPECT_EQ(decoded.index(), 1U);
    EXPECT_EQ(decoded.commit(), 1U);
    node.step(append);
    const Ready ready = node.ready();
    EXPECT_TRUE(ready.encoded().empty());
    ASSERT_EQ(ready.messages().size(), 1U);
    const Message answer = ready.messages().front();
    EXPECT_EQ(answer.type(), MessageType::app_resp);
    EXPECT_EQ(answer.to(), 1U);
    EXPECT_EQ(answer.term(), 2U);
    EXPECT_EQ(answer.index(), 1U);
    EXPECT_EQ(answer.log_term(), 0U);
    EXPECT_TRUE(answer.encoded().empty());
    storage.save(ready);
    EXPECT_EQ(storage.hard_state().term, 2U);

    // Another node takes it as it is, and what is bytes as well.
    Storage others = Storage::memory();
    others.bootstrap(1, 1, {1, 2});
    Node other(Config(1), others);
    other.step(answer);
    others.save(other.ready());
    EXPECT_EQ(others.hard_state().term, 2U);
    node.advance();
    node.step(decoded);
    EXPECT_EQ(node.ready().messages().size(), 1U);
    EXPECT_FALSE(other.try_step(decoded)) << "it has sent that itself";
}

TEST(Cluster, AHostThatSavesReadysNeedsOnlyTheBytesOfMessages) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2});
    Node node(Config(2).encode_entries(false), storage);
    // An MsgApp to 2 from 1 in term 2, after entry 1 of term 1, with entry 2 of term 2, "x".
    const std::string append{8, 3, 16, 2, 24, 1, 32, 2, 40, 1, 48, 1, 58, 7, 16, 2, 24, 2, 34, 1, 'x', 64, 1};
    node.step(append);
    const Ready ready = node.ready();
    EXPECT_TRUE(ready.encoded().empty());
    ASSERT_EQ(ready.entries().size(), 1U);
    EXPECT_EQ(ready.entries().front().data(), Bytes("x"));
    EXPECT_TRUE(ready.entries().front().encoded().empty());
    ASSERT_EQ(ready.messages().size(), 1U);
    EXPECT_EQ(Message::decode(ready.messages().front().encoded()).index(), 2U);
    storage.save(ready);
    EXPECT_EQ(storage.last_index(), 2U);
}

TEST(Cluster, TheElectionTimeoutCanBeFixedForTests) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2, 3});
    Node node(Cluster::config(1), storage);
    node.set_randomized_election_timeout(3);
    node.tick();
    node.tick();
    EXPECT_FALSE(node.has_ready());
    node.tick();
    EXPECT_EQ(node.status().role, Role::pre_candidate);
    EXPECT_THROW(node.set_randomized_election_timeout(0), Error);
}

TEST(Cluster, TheNextReadyComesWhenTheLastOneIsDoneInOneCall) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1});
    Node node(Config(1), storage);
    Commands commands;
    const auto work = [&] {
        while (const std::optional<Ready> ready = node.next_ready()) {
            storage.save(*ready);
            for (const Entry entry : ready->committed_entries()) {
                if (!entry.data().empty()) commands.push_back(entry.data().str());
            }
        }
    };
    node.campaign();
    work();
    node.propose("first");
    node.propose("second");
    work();
    EXPECT_EQ(commands, (Commands{"first", "second"}));
    EXPECT_FALSE(node.next_ready());
    EXPECT_THROW(node.advance(), Error) << "the last one is advanced";
}

TEST(Cluster, StorageWorkMayBeDoneByAnAppendWorker) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1});
    Node node(Config(1).async_storage_writes(true), storage);
    node.campaign();
    std::vector<std::string> appends;
    // No Ready is advanced.
    while (const std::optional<Ready> ready = node.next_ready()) {
        EXPECT_TRUE(ready->committed_entries().empty()) << "nothing is committed before it is persisted";
        for (const Message message : ready->messages()) {
            if (message.to() == local_append) {
                EXPECT_EQ(message.type(), MessageType::storage_append);
                appends.push_back(message.encoded().str());
            }
        }
    }
    ASSERT_FALSE(appends.empty());
    for (const std::string& append : appends) storage.append_message(append);
    EXPECT_EQ(storage.hard_state().term, node.status().term);
    EXPECT_THROW(storage.append_message("garbage"), Error);
}

TEST(Cluster, AReadyMayBeLookedAtBeforeItIsTaken) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1});
    Node node(Config(1).pre_vote(false), storage);
    node.campaign();
    EXPECT_EQ(node.peek_ready().hard_state()->term, 2u);
    node.tick();
    EXPECT_THROW(node.accept_ready(), Error) << "a tick came between";
    const Ready shown = node.peek_ready();
    node.accept_ready();
    storage.save(shown);
    node.advance();
    EXPECT_EQ(storage.hard_state().term, 2u);
}

// ---------------------------------------------------------------- extensions

TEST(Extensions, WorkersNeedNoProtobufAndALeaderMayApplyBeforeItHasWritten) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1});
    Node node(Config(1).async_storage_writes(true).max_apply_unpersisted_entries(8), storage);
    node.set_max_apply_unpersisted_entries(9);
    node.campaign();
    std::size_t applied = 0;
    std::size_t delivered = 0;
    while (node.has_ready()) {
        const Ready ready = node.ready();
        applied += ready.committed_entries().size();
        for (const Message message : ready.messages()) {
            if (message.type() == MessageType::storage_append) storage.append_message(message.encoded());
            for (const Message response : message.responses()) {
                EXPECT_EQ(response.to(), 1u);
                node.step(response.encoded());
                ++delivered;
            }
        }
    }
    EXPECT_EQ(node.status().role, Role::leader);
    EXPECT_EQ(node.status().applied, 2u);
    EXPECT_EQ(applied, 1u);
    EXPECT_GT(delivered, 3u);
}

TEST(Extensions, PriorityAndTimeoutBoundsAreSettings) {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2});
    Node node(Config(1).priority(-7).min_election_ticks(30).max_election_ticks(31), storage);
    for (int ticks = 0; ticks < 29; ++ticks) node.tick();
    EXPECT_EQ(node.status().role, Role::follower);
    node.tick();
    EXPECT_EQ(node.status().role, Role::pre_candidate);
    EXPECT_THROW(Node(Config(1).min_election_ticks(5), storage), Error);

    Cluster cluster(3);
    cluster[2].node.set_priority(1);
    cluster[3].node.set_priority(1);
    cluster.elect(1);
    EXPECT_EQ(cluster.leader(), 0u);
    cluster[1].node.set_priority(1);
    cluster.elect(1);
    EXPECT_EQ(cluster.leader(), 1u);
}

TEST(Extensions, GroupCommitWaitsForASecondGroup) {
    Cluster cluster(3);
    cluster.elect(1);
    Node& leader = cluster[1].node;
    leader.assign_commit_groups({{1, 1}, {2, 1}, {3, 2}});
    leader.enable_group_commit(true);
    EXPECT_EQ(leader.is_group_commit_consistent(), std::optional<bool>(true));
    EXPECT_EQ(cluster[2].node.is_group_commit_consistent(), std::nullopt);
    EXPECT_THROW(leader.assign_commit_groups({{1, 0}}), Error);
    cluster.isolate({3});
    leader.propose("a");
    cluster.settle();
    EXPECT_TRUE(cluster[1].commands.empty());
    leader.clear_commit_groups();
    leader.enable_group_commit(false);
    cluster.settle();
    EXPECT_EQ(cluster[1].commands.size(), 1u);
}

TEST(Extensions, AFollowerAsksForASnapshot) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster[1].node.propose("a");
    cluster.settle();
    cluster.tick();
    try {
        cluster[1].node.request_snapshot();
        FAIL() << "a leader has nobody to ask";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::snapshot_request_dropped);
    }
    cluster[2].node.request_snapshot();
    cluster.tick(2);
    EXPECT_EQ(cluster[2].restored, 0) << "there is none that is new enough";
    cluster[1].storage.create_snapshot(cluster[1].applied, cluster[1].members.encoded(), cluster[1].encode());
    cluster.tick(2);
    EXPECT_EQ(cluster[2].restored, 1);
    EXPECT_EQ(cluster[2].commands, std::vector<std::string>{"a"});
}

TEST(Extensions, ProgressShowsTheWindowThatWasSet) {
    Cluster cluster(3);
    cluster.elect(1);
    cluster.isolate({3});
    cluster[1].node.set_inflight_limits(3, 1);
    for (int count = 0; count < 3; ++count) {
        cluster[1].node.propose("a");
        cluster.settle();
    }
    const std::vector<Progress> progress = cluster[1].node.progress();
    ASSERT_EQ(progress.size(), 3u);
    EXPECT_EQ(progress[2].id, 3u);
    EXPECT_EQ(progress[2].state, FlowState::replicate);
    EXPECT_EQ(progress[2].inflight_messages, 1u);
    EXPECT_TRUE(progress[2].inflight_full);
    EXPECT_FALSE(progress[1].inflight_full);
    EXPECT_TRUE(cluster[2].node.progress().empty());
}

// ---------------------------------------------------------------- garbage

TEST(Garbage, RandomBytesAreRefusedAndChangeNothing) {
    Cluster cluster(3);
    cluster.elect(1);
    std::mt19937_64 chance(7);
    const std::string before = cluster[1].node.status_encoded().bytes().str();
    for (int i = 0; i < 3000; ++i) {
        std::string bytes(chance() % 60, '\0');
        for (char& byte : bytes) byte = static_cast<char>(chance());
        for (const Outcome& outcome : {cluster[1].node.try_step(bytes), cluster[1].node.try_step_many(bytes)}) {
            EXPECT_FALSE(is_fatal(outcome.code())) << outcome.message();
        }
        std::optional<Message> message;
        const Outcome decoded = Message::try_decode(bytes, message);
        EXPECT_EQ(decoded.ok(), message.has_value());
        ConfChange change;
        const Outcome changed = ConfChange::try_decode(EntryType::conf_change, bytes, change);
        EXPECT_EQ(changed.ok(), !change.changes().empty());
    }
    EXPECT_EQ(cluster[1].node.status_encoded().bytes(), Bytes(before));
}

TEST(Garbage, DamagedMessagesNeverPoisonANode) {
    Cluster cluster(3);
    std::vector<std::string> seen;
    cluster.on_send = [&](const Message& message) {
        if (message.to() == 2) seen.push_back(message.encoded().str());
    };
    cluster.elect(1);
    for (int i = 0; i < 10; ++i) cluster[1].node.propose("command " + std::to_string(i));
    cluster.tick(3);
    ASSERT_GT(seen.size(), 5U);

    // Each bit of each message is turned, for a node that may take the result for true.
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1, 2, 3});
    Node victim(Cluster::config(2), storage);
    std::size_t taken = 0;
    std::size_t refused = 0;
    for (const std::string& message : seen) {
        for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
            std::string damaged = message;
            damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
            const Outcome outcome = victim.try_step(damaged);
            ASSERT_FALSE(is_fatal(outcome.code())) << outcome.message();
            ++(outcome ? taken : refused);
            // What it makes of that must still be sound work for a host.
            while (victim.has_ready()) {
                const Ready ready = victim.ready();
                storage.save(ready);
                for (const Entry entry : ready.committed_entries()) {
                    if (entry.type() == EntryType::normal) continue;
                    try {
                        (void)victim.apply_conf_change(entry);
                    } catch (const Error& error) {
                        ASSERT_FALSE(is_fatal(error.code())) << error.what();
                    }
                }
                victim.advance();
            }
        }
    }
    EXPECT_GT(taken, 0U);
    EXPECT_GT(refused, 0U);
    EXPECT_NO_THROW(victim.tick());
}

TEST(Garbage, MessagesThatNeverTravelAreRefused) {
    Cluster cluster(3);
    // raftpb.Message with type MsgHup, MsgBeat, MsgUnreachable, MsgSnapStatus, MsgCheckQuorum.
    for (const char type : {0, 1, 10, 11, 12}) {
        const std::string message{8, type, 16, 1, 24, 2};
        EXPECT_EQ(cluster[1].node.try_step(message).code(), Code::local_message) << int(type);
        std::optional<Message> decoded;
        EXPECT_EQ(Message::try_decode(message, decoded).code(), Code::local_message) << int(type);
    }
    // A response from a stranger is told apart, since it is usual after a removal.
    const std::string stranger{8, 9, 16, 1, 24, 77, 32, 0};
    EXPECT_EQ(Message::decode(stranger).from(), 77U);
    EXPECT_EQ(cluster[1].node.try_step(stranger).code(), Code::unknown_peer);
}

TEST(Cluster, TellsWhatHasHappenedAndWhatWillNot) {
    Cluster cluster(1);
    Host& host = cluster[1];
    host.node.campaign();
    bool won = false;
    const auto work = [&host](const std::function<void(const Ready&)>& look) {
        while (host.node.has_ready()) {
            const Ready ready = host.node.ready();
            look(ready);
            host.storage.save(ready);
            host.node.advance();
        }
    };
    work([&won](const Ready& ready) {
        for (const Event event : ready.events()) {
            if (event.type != EventType::election_won) continue;
            won = true;
            EXPECT_STREQ(event.name(), "RAFT_EVENT_ELECTION_WON");
            EXPECT_STREQ(event.reason_name(), "");
            EXPECT_EQ(event.from, 1U);
        }
    });
    EXPECT_TRUE(won);
    EXPECT_EQ(host.node.metrics().elections_won, 1U);
    EXPECT_EQ(host.node.status().removed_as_of, 0U);

    // Two changes at once are one too many.
    host.node.propose_conf_change(ConfChangeType::add_learner_node, 8, "first");
    host.node.propose_conf_change(ConfChangeType::add_learner_node, 9, "second");
    std::vector<std::string> refused;
    work([&refused](const Ready& ready) {
        for (const Dropped dropped : ready.dropped()) {
            EXPECT_EQ(dropped.kind, DropKind::conf_change);
            EXPECT_EQ(dropped.reason, DropReason::conf_change_pending);
            EXPECT_STREQ(dropped.reason_name(), "RAFT_DROP_CONF_CHANGE_PENDING");
            EXPECT_GT(dropped.index, 0U);
            refused.emplace_back(std::string_view(dropped.data));
        }
    });
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_NE(refused[0].find("second"), std::string::npos);
    EXPECT_EQ(host.node.metrics().conf_changes_refused, 1U);
}

}  // namespace
