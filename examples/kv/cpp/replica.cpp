#include "replica.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

namespace kv {

namespace {

using libraft::Code;
using libraft::ConfChangeType;
using libraft::DropKind;
using libraft::DropReason;
using libraft::EntryType;
using libraft::MessageType;
using libraft::Role;
using libraft::SnapshotStatus;
using std::chrono::milliseconds;

constexpr auto tick_length = milliseconds(50);
constexpr std::size_t max_tasks_per_turn = 1024;
constexpr std::size_t max_queued_tasks = 4096;
constexpr std::size_t max_queued_bytes = 64 << 20;
constexpr std::size_t max_waiting = 4096;
constexpr int ticks_for_a_read_index = 4;
constexpr std::uint64_t snapshot_entries = 4096;
constexpr std::size_t snapshot_bytes = 32 << 20;
constexpr std::uint64_t kept_entries = 1024;
constexpr std::uint64_t kept_large_entries = 16;
constexpr const char* state_is_full = "the state would exceed 48 MiB";

/// What this node finds wrong with itself ends it: a restart begins from what is on disk.
[[noreturn]] void die(const std::string& reason) {
    std::fprintf(stderr, "kv: %s\n", reason.c_str());
    std::fflush(stderr);
    ::_exit(1);
}

}  // namespace

Replica::Replica(const libraft::Config& config, libraft::Storage storage, Id id, const std::string& address)
    : id_(id),
      storage_(std::move(storage)),
      node_(config, storage_),
      sequence_((std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()),
      peers_(address, [this](Id peer, Peers::Event event) { on_report(peer, event); }) {
    const libraft::StoredSnapshot snapshot = storage_.snapshot();
    if (snapshot.index() > 0) restore(snapshot.view());
    look_at_members();
    publish();
}

void Replica::start() {
    thread_ = std::thread([this] {
        try {
            run();
        } catch (const std::exception& error) {
            die(error.what());
        }
    });
}

void Replica::stop() {
    {
        const std::lock_guard guard(queue_mutex_);
        closed_ = true;
        queue_filled_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    peers_.stop();
}

// ---------------------------------------------------------------- the queue

bool Replica::enqueue(Task task, std::size_t bytes, bool always) {
    const std::lock_guard guard(queue_mutex_);
    const bool full = queue_.size() >= max_queued_tasks || queued_bytes_ >= max_queued_bytes;
    if (closed_ || (full && !always)) return false;
    queue_.emplace_back(std::move(task), bytes);
    queued_bytes_ += bytes;
    queue_filled_.notify_one();
    return true;
}

std::deque<Replica::Task> Replica::take_tasks(Clock::time_point deadline) {
    std::deque<Task> tasks;
    std::unique_lock lock(queue_mutex_);
    queue_filled_.wait_until(lock, deadline, [&] { return closed_ || !queue_.empty(); });
    while (!queue_.empty() && tasks.size() < max_tasks_per_turn) {
        queued_bytes_ -= queue_.front().second;
        tasks.push_back(std::move(queue_.front().first));
        queue_.pop_front();
    }
    return tasks;
}

std::future<Answer> Replica::ask(std::function<void(const Promise&)> task) {
    const Promise promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    // A task that is dropped breaks its promise, which the one who waits sees.
    enqueue(
        [this, promise, task = std::move(task)] {
            if (removed_) return answer(promise, {503, "this node has been removed"});
            task(promise);
        },
        0);
    return future;
}

std::future<Answer> Replica::write(std::string key, std::optional<std::string> value) {
    return ask([this, key = std::move(key), value = std::move(value)](const Promise& promise) {
        if (value && !state_.fits(key, *value)) return answer(promise, {507, state_is_full});
        propose(promise, std::nullopt, [&](const Tag& tag) {
            return node_.try_propose(Command{tag, key, value}.encode());
        });
    });
}

std::future<Answer> Replica::read(std::string key) {
    return ask([this, key = std::move(key)](const Promise& promise) {
        new_reads_.push_back({key, promise, Clock::now() + patience});
    });
}

std::future<Answer> Replica::add_member(Id id, std::string address) {
    return ask([this, id, address = std::move(address)](const Promise& promise) {
        if (const auto reason = state_.refuse_add(id, address)) return answer(promise, {409, *reason});
        propose_change(promise, ConfChangeType::add_node, id, address);
    });
}

std::future<Answer> Replica::metrics() {
    return ask([this](const Promise& promise) { answer(promise, {200, node_.prometheus()}); });
}

std::future<Answer> Replica::remove_member(Id id) {
    return ask([this, id](const Promise& promise) {
        if (!state_.members().count(id)) return answer(promise, {404, "no such member"});
        if (const auto reason = state_.refuse_remove(id)) return answer(promise, {409, *reason});
        propose_change(promise, ConfChangeType::remove_node, id, "");
    });
}

std::future<Answer> Replica::transfer(Id id) {
    return ask([this, id](const Promise& promise) {
        const Id leader = node_.status().leader;
        if (!state_.members().count(id)) return answer(promise, {404, "no such member"});
        if (leader == 0) return answer(promise, {503, "there is no leader"});
        if (leader == id) return answer(promise, {409, "it leads already"});
        node_.transfer_leader(id);
        answer(promise, {202, ""});
    });
}

bool Replica::deliver(std::string frames) {
    const std::size_t bytes = frames.size();
    return enqueue(
        [this, frames = std::move(frames)] {
            if (removed_) return;
            const libraft::Outcome outcome = node_.try_step_many(frames);
            // A proposal without a leader, or a late answer of a member that is gone.
            if (outcome || outcome.code() == Code::dropped || outcome.code() == Code::unknown_peer) return;
            if (!libraft::is_peer_error(outcome.code())) outcome.or_throw();
            if (Clock::now() - last_complaint_ < std::chrono::seconds(1)) return;
            last_complaint_ = Clock::now();
            std::fprintf(stderr, "kv: a message was refused: %s\n", std::string(outcome.message()).c_str());
        },
        bytes);
}

void Replica::on_report(Id peer, Peers::Event event) {
    // These must not be lost: until the fate of a snapshot is told, its peer gets nothing else.
    // There are never many, since a sender pauses after each failure.
    enqueue(
        [this, peer, event] {
            if (removed_) return;
            switch (event) {
                case Peers::Event::unreachable: return node_.report_unreachable(peer);
                case Peers::Event::snapshot_arrived: return node_.report_snapshot(peer, SnapshotStatus::finish);
                case Peers::Event::snapshot_failed: return node_.report_snapshot(peer, SnapshotStatus::failure);
                case Peers::Event::removed: removed_ = true;
            }
        },
        0, true);
}

// ---------------------------------------------------------------- the thread

void Replica::run() {
    auto next_tick = Clock::now() + tick_length;
    for (;;) {
        std::deque<Task> tasks = take_tasks(next_tick);
        {
            const std::lock_guard guard(queue_mutex_);
            if (closed_) break;
        }
        for (Task& task : tasks) {
            task();
            task = nullptr;
        }
        if (const auto now = Clock::now(); now >= next_tick) {
            tick();
            // Ticks that were missed beyond this one are dropped: a node that was starved for a
            // while must not campaign because of it.
            next_tick = std::max(next_tick + tick_length, now);
        }
        ask_reads();
        while (!removed_ && node_.has_ready()) work();
        if (const Id leader = node_.status().leader; leader != leader_) {
            // What was proposed to the old leader is most likely lost. Reads are asked again.
            if (leader_ != 0) fail_writes("the leader has changed");
            leader_ = leader;
        }
        // Then it leaves the others alone: no ticks, no messages, only this.
        if (removed_) fail_all("this node has been removed");
        publish();
    }
    fail_all("this node is going down");
    publish();
    storage_.sync();
    const std::lock_guard guard(queue_mutex_);
    queue_.clear();
}

/// Asked once in a tick and when the role changes, since it costs a little.
void Replica::look_at_members() {
    members_ = std::make_shared<const libraft::ConfState>(node_.conf_state());
    progress_ = removed_ ? std::vector<libraft::Progress>{} : node_.progress();
}

void Replica::tick() {
    const auto now = Clock::now();
    if (!removed_) node_.tick();
    look_at_members();
    const auto late = [&](const auto& request) { return request.deadline <= now; };
    while (!waiting_.empty() && late(waiting_.begin()->second)) {
        answer(waiting_.begin()->second.promise, {503, "it was not applied in time"});
        waiting_.erase(waiting_.begin());
    }
    // A context without an answer is given up for a new one. It must not be used again: an answer
    // to the first try would confirm the second, though it says nothing about what came between.
    for (auto batch = asked_reads_.begin(); batch != asked_reads_.end();) {
        if (++batch->second.ticks < ticks_for_a_read_index) {
            ++batch;
            continue;
        }
        auto& reads = batch->second.reads;
        std::move(reads.begin(), reads.end(), std::back_inserter(new_reads_));
        batch = asked_reads_.erase(batch);
    }
    const auto drop_late = [&](std::vector<Read>& reads) {
        for (const Read& read : reads) {
            if (late(read)) answer(read.promise, {503, "there was no read index in time"});
        }
        reads.erase(std::remove_if(reads.begin(), reads.end(), late), reads.end());
    };
    drop_late(new_reads_);
    for (auto& [index, reads] : indexed_reads_) drop_late(reads);
}

// ---------------------------------------------------------------- requests

void Replica::propose(const Promise& promise, std::optional<ConfChangeType> change,
                      const std::function<libraft::Outcome(const Tag&)>& how) {
    if (waiting_.size() >= max_waiting) return answer(promise, {503, "too many requests wait"});
    const Tag tag{id_, sequence_++};
    const libraft::Outcome outcome = how(tag);
    if (outcome) {
        waiting_.emplace(tag.sequence, Waiting{promise, Clock::now() + patience, change.has_value()});
    } else if (outcome.code() == Code::dropped) {
        answer(promise, {503, std::string(outcome.message())});
    } else if (outcome.code() == Code::conf_change) {
        answer(promise, {409, std::string(outcome.message())});
    } else {
        outcome.or_throw();
    }
}

void Replica::propose_change(const Promise& promise, ConfChangeType type, Id id, const std::string& address) {
    for (const auto& [sequence, waiting] : waiting_) {
        if (waiting.is_change) return answer(promise, {409, "another membership request waits"});
    }
    propose(promise, type, [&](const Tag& tag) {
        return node_.try_propose_conf_change(type, id, tag.encode() + address);
    });
}

/// All reads that have arrived go out under one context: one round of heartbeats confirms them.
void Replica::ask_reads() {
    if (new_reads_.empty() || removed_) return;
    const std::string context = Tag{id_, sequence_++}.encode();
    const libraft::Outcome outcome = node_.try_read_index(context);
    if (outcome) {
        asked_reads_[context].reads.swap(new_reads_);
        return;
    }
    if (outcome.code() != Code::read_dropped) outcome.or_throw();
    for (const Read& read : new_reads_) answer(read.promise, {503, std::string(outcome.message())});
    new_reads_.clear();
}

// ---------------------------------------------------------------- one Ready

void Replica::work() {
    const libraft::Ready ready = node_.ready();

    // A leader's entries may be on their way while it writes them itself (Ongaro 2014, §10.2.1).
    // Nothing else may be sent before it is saved: votes and acknowledgements are promises.
    const bool leads = node_.status().role == Role::leader;
    const auto early = [&](const libraft::Message& message) { return leads && message.type() == MessageType::app; };
    for (const libraft::Message message : ready.messages()) {
        if (early(message)) peers_.send(message);
    }
    storage_.save(ready);
    for (const libraft::Message message : ready.messages()) {
        if (!early(message)) peers_.send(message);
    }

    if (const auto snapshot = ready.snapshot()) restore(*snapshot);
    for (const libraft::Entry entry : ready.committed_entries()) apply(entry);
    for (const libraft::Event event : ready.events()) history_.add(event);
    for (const libraft::Dropped dropped : ready.dropped()) drop(dropped);
    for (const libraft::ReadState read : ready.read_states()) {
        // A context that was given up is not found.
        const auto batch = asked_reads_.find(read.context().str());
        if (batch == asked_reads_.end()) continue;
        indexed_reads_.emplace(read.index(), std::move(batch->second.reads));
        asked_reads_.erase(batch);
    }
    serve_reads();
    if (!removed_ && (member_added_ || entries_since_snapshot_ >= snapshot_entries ||
                      bytes_since_snapshot_ >= snapshot_bytes)) {
        make_snapshot();
    }
    node_.advance();
}

void Replica::restore(const libraft::SnapshotView& snapshot) {
    auto state = State::decode(snapshot.data());
    if (!state) throw std::runtime_error("the snapshot of index " + std::to_string(snapshot.index()) + " is damaged");
    state_ = std::move(*state);
    conf_state_ = snapshot.conf_state().encoded().str();
    applied_ = snapshot_index_ = snapshot.index();
    entries_since_snapshot_ = bytes_since_snapshot_ = 0;
    member_added_ = false;
    peers_.set_members(state_.members());
    if (state_.removed().count(id_)) removed_ = true;
}

void Replica::apply(const libraft::Entry& entry) {
    if (entry.type() == EntryType::normal) {
        apply_command(entry);
    } else {
        apply_change(entry);
    }
    applied_ = entry.index();
    ++entries_since_snapshot_;
    bytes_since_snapshot_ += entry.data().size();
}

void Replica::apply_command(const libraft::Entry& entry) {
    const auto command = Command::decode(entry.data());
    if (!command) return;
    const bool done = state_.apply(*command);
    finish(command->tag, done ? Answer{200, "", entry.index()} : Answer{507, state_is_full});
}

void Replica::apply_change(const libraft::Entry& entry) {
    std::optional<Tag> tag;
    const auto refused = try_change(entry, tag);
    if (refused) node_.reject_conf_change();
    if (tag) finish(*tag, refused ? Answer{409, *refused} : Answer{200, "", entry.index()});
}

/// Applies a change, or gives the reason why every node refuses it.
std::optional<std::string> Replica::try_change(const libraft::Entry& entry, std::optional<Tag>& tag) {
    libraft::ConfChange change;
    if (entry.type() != EntryType::conf_change) return "a kind of change that is not used";
    if (!libraft::ConfChange::try_decode(entry.type(), entry.data(), change)) return "it does not decode";
    const libraft::ConfChangeSingle step = change.changes().front();
    std::string_view address = change.context();
    tag = Tag::take(address);
    if (!tag) return "a bad context";

    if (step.type == ConfChangeType::add_node) {
        if (auto reason = state_.refuse_add(step.node_id, address)) return reason;
        conf_state_ = node_.apply_conf_change(entry).encoded().str();
        state_.add_member(step.node_id, address);
        // A new member is brought up by a snapshot, and needs one that has it in it.
        member_added_ = true;
        history_.add("member_added", step.node_id, node_.status().term, entry.index());
    } else if (step.type == ConfChangeType::remove_node) {
        if (!address.empty()) return "a removal with an address";
        if (auto reason = state_.refuse_remove(step.node_id)) return reason;
        conf_state_ = node_.apply_conf_change(entry).encoded().str();
        state_.remove_member(step.node_id);
        history_.add("member_removed", step.node_id, node_.status().term, entry.index());
        if (step.node_id == id_) removed_ = true;
    } else {
        return "a type of change that is not used";
    }
    peers_.set_members(state_.members());
    return std::nullopt;
}

void Replica::serve_reads() {
    while (!indexed_reads_.empty() && indexed_reads_.begin()->first <= applied_) {
        for (const Read& read : indexed_reads_.begin()->second) {
            const std::string* value = state_.find(read.key);
            answer(read.promise, value ? Answer{200, *value} : Answer{404, "no such key"});
        }
        indexed_reads_.erase(indexed_reads_.begin());
    }
}

void Replica::make_snapshot() {
    storage_.create_snapshot(applied_, conf_state_, state_.encode());
    const std::uint64_t kept = bytes_since_snapshot_ >= snapshot_bytes ? kept_large_entries : kept_entries;
    const std::uint64_t first_index = applied_ > kept ? applied_ - kept : 1;
    if (first_index > storage_.first_index()) storage_.compact(first_index);
    snapshot_index_ = applied_;
    history_.add("snapshot_made", 0, node_.status().term, applied_);
    entries_since_snapshot_ = bytes_since_snapshot_ = 0;
    member_added_ = false;
}

// ---------------------------------------------------------------- answers

void Replica::fail_writes(const std::string& reason) {
    for (const auto& [sequence, waiting] : waiting_) answer(waiting.promise, {503, reason});
    waiting_.clear();
}

void Replica::fail_all(const std::string& reason) {
    fail_writes(reason);
    for (const auto& [context, batch] : asked_reads_) {
        std::copy(batch.reads.begin(), batch.reads.end(), std::back_inserter(new_reads_));
    }
    asked_reads_.clear();
    for (const auto& [index, reads] : indexed_reads_) {
        std::copy(reads.begin(), reads.end(), std::back_inserter(new_reads_));
    }
    indexed_reads_.clear();
    for (const Read& read : new_reads_) answer(read.promise, {503, reason});
    new_reads_.clear();
}

/// Answers the request that waits for a command, if it was made here.
void Replica::finish(const Tag& tag, Answer result) {
    if (tag.proposer != id_) return;
    const auto waiting = waiting_.find(tag.sequence);
    if (waiting == waiting_.end()) return;
    answer(waiting->second.promise, std::move(result));
    waiting_.erase(waiting);
}

/// Answers who waits for what will not happen, as a leader elsewhere or this node says. Reads go out
/// again by themselves.
void Replica::drop(const libraft::Dropped& dropped) {
    Answer result{503, std::string("dropped: ") + dropped.reason_name()};
    libraft::ConfChange change;
    std::string_view tagged = dropped.data;
    if (dropped.kind == DropKind::conf_change) {
        if (!libraft::ConfChange::try_decode(EntryType::conf_change, dropped.data, change)) return;
        tagged = change.context();
        const DropReason why = dropped.reason;
        if (why == DropReason::conf_change_pending || why == DropReason::already_joint || why == DropReason::not_joint) {
            result = {409, std::string("refused: ") + dropped.reason_name()};
        }
    } else if (dropped.kind != DropKind::proposal) {
        return;
    }
    if (const auto tag = Tag::take(tagged)) finish(*tag, std::move(result));
}

void Replica::answer(const Promise& promise, Answer result) { answers_.emplace_back(promise, std::move(result)); }

/// Shows the status, and then gives the answers, so that nobody who got one finds the status older.
void Replica::publish() {
    Status status;
    status.node = node_.status();
    status.removed_itself = removed_;
    status.applied = applied_;
    status.snapshot_index = snapshot_index_;
    status.state_hash = state_.hash();
    status.keys = state_.keys();
    status.bytes = state_.bytes();
    status.members = state_.members();
    status.removed = state_.removed();
    if (events_shown_ != history_.count()) {
        events_ = std::make_shared<const std::deque<Happening>>(history_.events());
        events_shown_ = history_.count();
    }
    status.events = events_;
    if (status.node.role != role_shown_ || removed_ != removal_shown_) {
        // Nobody shall see a leader that does not tell of its followers.
        role_shown_ = status.node.role;
        removal_shown_ = removed_;
        look_at_members();
    }
    status.config = members_;
    status.progress = progress_;
    {
        const std::lock_guard guard(status_mutex_);
        status_ = std::move(status);
    }
    for (auto& [promise, answer] : answers_) promise->set_value(std::move(answer));
    answers_.clear();
}

Status Replica::status() const {
    const std::lock_guard guard(status_mutex_);
    Status status = status_;
    status.uptime_s = history_.uptime_s();
    return status;
}

}  // namespace kv
