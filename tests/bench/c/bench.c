/*
 * The replicated workloads on libraft's C interface: every message is bytes, encoded by the node that
 * sends it and decoded by the one that gets it, as in a program whose nodes are processes.
 *
 * Names, checks and output are those of ../harness; ticks.c has what is about time. Run as: bench-c WORKLOAD [--best] [--seconds S | --ops N]
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libraft.h"

#include "counted.h"
#include "ticks.h"

enum { MAX_NODES = 128, MAX_BATCH = 1024, COMPACT_EVERY = 10000, COMPACT_KEEP = 100 };

typedef struct replica {
    raft_node *node;
    raft_storage *storage;
    uint64_t index, commands, digest;
} replica;

static replica nodes[MAX_NODES];
static size_t nodes_len;
static uint64_t compacted;
static bool best;

static void must(raft_status status, const char *what) {
    if (status != RAFT_OK) {
        fprintf(stderr, "%s: status %d\n", what, (int)status);
        exit(1);
    }
}

/* Commands, each one different. */
static uint8_t *payloads;
static size_t payload_len;
static uint64_t payload_number;

static void next_payload(uint8_t *out) {
    payload_number++;
    memcpy(out, &payload_number, sizeof payload_number);
}

static void apply(replica *replica, const raft_entry *entry) {
    expect(entry->index == replica->index + 1, "entries are applied in order");
    replica->index = entry->index;
    if (entry->data.len >= 8) {
        uint64_t number;
        memcpy(&number, entry->data.data, sizeof number);
        number ^= entry->data.len;
        replica->commands++;
        replica->digest = (replica->digest ^ number) * UINT64_C(0x100000001b3);
    }
}

static void process(replica *replica, const raft_ready *ready) {
    must(raft_storage_save(replica->storage, ready, NULL), "save");
    for (size_t i = 0; i < ready->messages_len; i++) {
        const raft_message *message = &ready->messages[i];
        raft_node *to = nodes[message->to - 1].node;
        must(raft_node_step(to, message->encoded.data, message->encoded.len, NULL), "step");
    }
    for (size_t i = 0; i < ready->committed_entries_len; i++) apply(replica, &ready->committed_entries[i]);
}

static void run(void) {
    for (bool idle = false; !idle;) {
        idle = true;
        for (size_t i = 0; i < nodes_len; i++) {
            const raft_ready *ready;
            must(raft_node_next_ready(nodes[i].node, &ready, NULL), "next_ready");
            if (ready != NULL) {
                idle = false;
                process(&nodes[i], ready);
            }
        }
    }
}

static void start(size_t count) {
    uint64_t voters[MAX_NODES];
    for (size_t i = 0; i < count; i++) voters[i] = i + 1;
    nodes_len = count;
    for (size_t i = 0; i < count; i++) {
        raft_config *config;
        must(raft_config_new(i + 1, &config, NULL), "config");
        must(raft_config_set_seed(config, i + 1, NULL), "seed");
        must(raft_config_set_pre_vote(config, false, NULL), "pre_vote");
        must(raft_config_set_check_quorum(config, false, NULL), "check_quorum");
        /* raft_storage_save() stores the entries, and nothing here has a use for their bytes. */
        must(raft_config_set_encode_entries(config, false, NULL), "encode_entries");
        must(raft_storage_memory_new(&nodes[i].storage, NULL), "storage");
        must(raft_storage_bootstrap(nodes[i].storage, 0, 0, voters, count, NULL, 0, NULL, 0, NULL), "bootstrap");
        must(raft_node_new(config, nodes[i].storage, &nodes[i].node, NULL), "node");
        raft_config_free(config);
    }
    must(raft_node_campaign(nodes[0].node, NULL), "campaign");
    run();
}

static void propose(size_t batch) {
    raft_bytes list[MAX_BATCH];
    for (size_t i = 0; i < batch; i++) {
        list[i].data = payloads + i * payload_len;
        list[i].len = payload_len;
        next_payload(payloads + i * payload_len);
    }
    if (best) {
        must(raft_node_propose_many(nodes[0].node, list, batch, NULL), "propose_many");
        return;
    }
    for (size_t i = 0; i < batch; i++) {
        must(raft_node_propose(nodes[0].node, list[i].data, list[i].len, NULL), "propose");
    }
}

static void maybe_compact(void) {
    uint64_t applied = nodes[0].index;
    if (applied < compacted + COMPACT_EVERY + COMPACT_KEEP) return;
    compacted = applied - COMPACT_KEEP;
    for (size_t i = 0; i < nodes_len; i++) {
        must(raft_storage_compact(nodes[i].storage, compacted + 1, NULL), "compact");
    }
}

/* What callgrind is told to count within. */
__attribute__((noinline)) void bench_measured(size_t batch, size_t batches) {
    for (size_t i = 0; i < batches; i++) {
        propose(batch);
        run();
        maybe_compact();
    }
}

static void check(uint64_t proposed) {
    raft_entries *first = NULL;
    for (size_t i = 0; i < nodes_len; i++) {
        const replica *node = &nodes[i];
        expect(node->commands == proposed, "every command is applied");
        expect(node->index == nodes[0].index && node->digest == nodes[0].digest, "all have applied the same");
        uint64_t low, last;
        must(raft_storage_first_index(node->storage, &low, NULL), "first_index");
        must(raft_storage_last_index(node->storage, &last, NULL), "last_index");
        if (last > 1000 && low < last - 1000) low = last - 1000;
        raft_entries *log;
        must(raft_storage_entries(node->storage, low, last + 1, RAFT_NO_LIMIT, &log, NULL), "entries");
        if (first == NULL) {
            first = log;
            continue;
        }
        expect(log->entries_len == first->entries_len, "all logs are as long");
        for (size_t j = 0; j < log->entries_len; j++) {
            raft_bytes a = log->entries[j].encoded, b = first->entries[j].encoded;
            expect(a.len == b.len && memcmp(a.data, b.data, a.len) == 0, "all logs are the same");
        }
        raft_entries_free(log);
    }
    raft_entries_free(first);
    for (size_t i = 0; i < nodes_len; i++) {
        raft_node_free(nodes[i].node);
        raft_storage_free(nodes[i].storage);
    }
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void report(const char *name, uint64_t ops, uint64_t ns, uint64_t count, uint64_t bytes) {
    printf("{\"library\": \"libraft-c\", \"workload\": \"%s\", \"mode\": \"%s\", \"ops\": %" PRIu64 ", \"ns\": %" PRIu64
           ", \"allocations\": %" PRIu64 ", \"allocated_bytes\": %" PRIu64 ", \"node_bytes\": 0}\n",
           name, best ? "Best" : "Default", ops, ns, count, bytes);
}

static int run_ticks(const char *name, uint64_t ops_wanted, double seconds) {
    uint64_t ops = 0, ns = 0, count = 0, bytes = 0;
    while (ops == 0 || ops < ops_wanted || (double)ns < seconds * 1e9) {
        uint64_t count_before = allocations, bytes_before = allocated_bytes, begun = now_ns();
        ops += ticks_run(name, best);
        ns += now_ns() - begun;
        count += allocations - count_before, bytes += allocated_bytes - bytes_before;
        ticks_pause(name);
    }
    expect(ticks_check(), "idle followers have their ticks, and nothing to do");
    report(name, ops, ns, count, bytes);
    return 0;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    double seconds = 0;
    uint64_t ops_wanted = 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--best") == 0) {
            best = true;
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            seconds = atof(argv[++i]);
        } else if (strcmp(argv[i], "--ops") == 0 && i + 1 < argc) {
            ops_wanted = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "no such option: %s\n", argv[i]);
            return 2;
        }
    }
    if (ticks_start(name, best) > 0) return run_ticks(name, ops_wanted, seconds);
    unsigned count = 1, batch = 0, len = 0;
    char unit = 0;
    int fields = sscanf(name, "rep%u_b%u_%u%c", &count, &batch, &len, &unit);
    if (fields < 3) fields = sscanf(name, "single_b%u_%u%c", &batch, &len, &unit) + 1;
    payload_len = unit == 'k' ? (size_t)len * 1024 : len;
    if (fields < 3 || count == 0 || count > MAX_NODES || batch == 0 || batch > MAX_BATCH || payload_len < 8) {
        fprintf(stderr, "no workload is called %s\n", name);
        return 2;
    }
    payloads = malloc(batch * payload_len);
    for (size_t i = 0; i < batch * payload_len; i++) payloads[i] = (uint8_t)(i % payload_len);

    start(count);
    uint64_t batches = 200000 / (batch * count * (payload_len / 64 + 1));
    if (batches < 1) batches = 1;
    if (batches > 5000) batches = 5000;
    uint64_t proposed = batch * batches;
    for (uint64_t i = 0; i < batches; i++) {
        propose(batch);
        run();
        maybe_compact();
    }
    uint64_t ops = 0, ns = 0, count_before = allocations, bytes_before = allocated_bytes;
    while (ops == 0 || ops < ops_wanted || (double)ns < seconds * 1e9) {
        uint64_t begun = now_ns();
        bench_measured(batch, batches);
        ns += now_ns() - begun;
        ops += batch * batches;
    }
    uint64_t count_after = allocations, bytes_after = allocated_bytes;
    check(proposed + ops);
    free(payloads);
    report(name, ops, ns, count_after - count_before, bytes_after - bytes_before);
    return 0;
}
