/*
 * Time, for a host of very many groups at rest: followers that hear from their leaders every eighth tick.
 *
 * tick_N: ticks alone. One call for the tick of a node and one that asks for its Ready; or, with --best, one
 * call for all nodes.
 * rest_N: the same with the leaders' heartbeats, and what the nodes have to say to them. All nodes are
 * ticked in one call; or, with --best, by the host in ../../../examples/groups, which leaves nodes alone
 * until their deadline.
 *
 * An operation is a tick of one node in each case.
 */
#include "ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../examples/groups/host.h"

enum { TICKS = 8 };

static struct groups host;
static raft_node **nodes;
static uint32_t *ready;
static raft_node_failure *failed;
static uint64_t ready_found, sent, committed;

void groups_send(struct groups *all, int32_t number, const raft_message *message) {
    (void)all, (void)number, (void)message;
    sent++;
}

void groups_apply(struct groups *all, int32_t number, const raft_entry *entry) {
    (void)all, (void)number, (void)entry;
    committed++;
}

/* raftpb.Message: a MsgHeartbeat to 2 from 1 of term 1. */
static const uint8_t heartbeat[] = {0x08, 8, 0x10, 2, 0x18, 1, 0x20, 1};

static void all_hear_from_their_leaders(void) {
    for (int32_t i = 0; i < host.len; i++) groups_must(groups_step(&host, i, heartbeat, sizeof heartbeat));
}

static void start(size_t count) {
    static const uint64_t voters[] = {1, 2, 3};
    groups_begin(&host, malloc(count * sizeof *host.list));
    nodes = malloc(count * sizeof(raft_node *));
    ready = malloc(count * sizeof *ready);
    failed = malloc(count * sizeof *failed);
    for (size_t i = 0; i < count; i++) {
        raft_config *config;
        raft_storage *storage;
        groups_must(raft_config_new(2, &config, NULL));
        groups_must(raft_config_set_seed(config, i, NULL));
        groups_must(raft_storage_memory_new(&storage, NULL));
        groups_must(raft_storage_bootstrap(storage, 1, 1, voters, 3, NULL, 0, NULL, 0, NULL));
        groups_must(raft_node_new(config, storage, &nodes[i], NULL));
        raft_config_free(config);
        groups_add(&host, nodes[i], storage);
    }
    all_hear_from_their_leaders();
}

static void tick_each(void) {
    for (int32_t i = 0; i < host.len; i++) {
        bool has_ready;
        groups_must(raft_node_tick(nodes[i], NULL));
        groups_must(raft_node_has_ready(nodes[i], &has_ready, NULL));
        ready_found += has_ready;
    }
}

static void tick_all(void) {
    size_t ready_len, failed_len;
    groups_must(raft_nodes_tick(nodes, (size_t)host.len, 1, ready, &ready_len, failed, &failed_len, NULL));
    ready_found += ready_len + failed_len;
}

/* The host has been told of the ticks by other means than its own. */
static void all_have_been_ticked(void) {
    host.now++;
    for (int32_t i = 0; i < host.len; i++) host.list[i].seen = host.now;
}

static void some_ticks(bool rests, bool best) {
    for (int i = 0; i < TICKS; i++) {
        if (rests && best) {
            groups_tick(&host);
            continue;
        }
        rests || best ? tick_all() : tick_each();
        if (rests) all_have_been_ticked();
    }
    if (rests) all_hear_from_their_leaders();
}

/* What callgrind is told to count within. */
__attribute__((noinline)) static void bench_measured_ticks(bool rests, bool best) {
    some_ticks(rests, best);
}

uint64_t ticks_start(const char *name, bool best) {
    unsigned count;
    char unit = 0;
    if (sscanf(name, "tick_%u%c", &count, &unit) < 1 && sscanf(name, "rest_%u%c", &count, &unit) < 1) return 0;
    if (unit == 'k') count *= 1000;
    start(count);
    some_ticks(name[0] == 'r', best);
    ticks_pause(name);
    return count;
}

uint64_t ticks_run(const char *name, bool best) {
    bench_measured_ticks(name[0] == 'r', best);
    return (uint64_t)host.len * TICKS;
}

void ticks_pause(const char *name) {
    if (name[0] == 't') {
        for (int i = 0; i < TICKS; i++) all_have_been_ticked();
        all_hear_from_their_leaders();
    }
}

bool ticks_check(void) {
    uint64_t ticked = 0;
    for (int32_t i = 0; i < host.len; i++) {
        raft_metrics metrics;
        memset(&metrics, 0, sizeof metrics);
        metrics.size = sizeof metrics;
        groups_must(raft_node_metrics(groups_touch(&host, i), &metrics, NULL));
        ticked += metrics.ticks;
        raft_node_free(host.list[i].node);
        raft_storage_free(host.list[i].storage);
    }
    free(host.list), free(nodes), free(ready), free(failed);
    /* Nobody campaigned, everybody answered each heartbeat, and has had every tick. */
    return ready_found == 0 && ticked == host.now * (uint64_t)host.len && committed == 0 &&
           sent == (host.now / TICKS + 1) * (uint64_t)host.len;
}
