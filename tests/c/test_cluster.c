/*
 * What a C program can do with libraft: groups of nodes in one process that elect, replicate,
 * restart, compact, send snapshots, change their members, read, and survive garbage. Each test
 * runs on memory storages and on durable ones.
 *
 *     test_cluster DIRECTORY      an empty directory for the durable storages
 */
#define _POSIX_C_SOURCE 200809L /* mkdir, pthread */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "cluster.h"
#include "groups.h"
#include "recording.h"
#include "threads.h"

static const char *base;
static int durable;

/* A group in a directory of its own. */
static void begin(struct cluster *cluster, uint64_t voters)
{
    static int number;
    static char directory[256];
    snprintf(directory, sizeof directory, "%s/%d", base, number++);
    if (mkdir(directory, 0700) != 0) {
        perror(directory);
        exit(1);
    }
    cluster_begin(cluster, durable, directory, voters);
}

static uint64_t noise_state = 0x9e3779b97f4a7c15u;

static uint64_t noise(void)
{
    noise_state ^= noise_state >> 12;
    noise_state ^= noise_state << 25;
    noise_state ^= noise_state >> 27;
    return noise_state * 0x2545f4914f6cdd1du;
}

static void elects_one_leader(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    CHECK_EQ(cluster_status(&cluster, leader).role, RAFT_ROLE_LEADER);
    /* It stays the leader as long as nothing happens. */
    cluster_tick(&cluster, 100);
    CHECK_EQ(cluster_elect(&cluster), leader);
    uint64_t elections = 0;
    for (uint64_t id = 1; id <= 3; id++) {
        elections += cluster.members[id].elections;
    }
    CHECK_EQ(elections, 1);
    cluster_end(&cluster);
}

static void replicates_from_every_member(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    for (uint64_t id = 1; id <= 3; id++) {
        cluster_propose(&cluster, id, id * 100, 50);
    }
    /* A batch is one call. */
    raft_bytes list[3] = {{(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"ccc", 3}};
    OK(raft_node_propose_many(cluster.members[leader].node, list, 3, &error));
    cluster_settle(&cluster);
    cluster_tick(&cluster, 2);
    CHECK(cluster_agrees(&cluster));
    CHECK_EQ(cluster.members[1].state.commands, 3 * 50 + 2);
    /* What is applied is in the storage, and reads back as it was. */
    for (uint64_t id = 1; id <= 3; id++) {
        uint64_t last = 0, term = 0;
        OK(raft_storage_last_index(cluster.members[id].storage, &last, &error));
        CHECK_EQ(last, cluster.members[id].state.applied);
        raft_entries *entries = NULL;
        OK(raft_storage_entries(cluster.members[id].storage, 2, last + 1, RAFT_NO_LIMIT, &entries,
                                &error));
        CHECK_EQ(entries->entries_len, last - 1);
        for (size_t i = 0; i < entries->entries_len; i++) {
            const raft_entry *entry = &entries->entries[i];
            CHECK_EQ(entry->index, 2 + i);
            OK(raft_storage_term(cluster.members[id].storage, entry->index, &term, &error));
            CHECK_EQ(entry->term, term);
            if (entry->data.len != 0) {
                CHECK(entry->data.data + entry->data.len ==
                      entry->encoded.data + entry->encoded.len);
            }
        }
        raft_entries_free(entries);
    }
    cluster_end(&cluster);
}

static void drops_proposals_without_a_leader(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    uint64_t other = leader % 3 + 1, third = other % 3 + 1;
    cluster_propose(&cluster, leader, 0, 5);
    cluster_crash(&cluster, other);
    cluster_crash(&cluster, third);
    /* Alone, it steps down within two election timeouts. */
    cluster_tick(&cluster, 40);
    CHECK(cluster_status(&cluster, leader).role != RAFT_ROLE_LEADER);
    raft_error *error = NULL;
    CHECK_EQ(raft_node_propose(cluster.members[leader].node, (const uint8_t *)"x", 1, &error),
             RAFT_ERR_DROPPED);
    CHECK_EQ(raft_error_drop_reason(error), RAFT_DROP_NO_LEADER);
    CHECK_EQ(raft_error_code(error), RAFT_ERR_DROPPED);
    raft_error_free(error);
    CHECK_EQ(raft_node_propose(cluster.members[leader].node, (const uint8_t *)"x", 1, NULL),
             RAFT_ERR_DROPPED);
    FAILS(RAFT_ERR_READ_DROPPED,
          raft_node_read_index(cluster.members[leader].node, (const uint8_t *)"r", 1, &error));
    cluster_start(&cluster, other);
    cluster_start(&cluster, third);
    cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 5, 5);
    cluster_tick(&cluster, 2);
    CHECK(cluster_agrees(&cluster));
    CHECK_EQ(cluster.members[1].state.commands, 10);
    cluster_end(&cluster);
}

static void survives_the_crash_of_each_member(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t proposed = 0;
    for (int round = 0; round < 6; round++) {
        uint64_t leader = cluster_elect(&cluster);
        cluster_propose(&cluster, leader, proposed, 20);
        proposed += 20;
        uint64_t victim = round % 2 == 0 ? leader : leader % 3 + 1;
        cluster_crash(&cluster, victim);
        leader = cluster_elect(&cluster);
        CHECK(leader != victim);
        cluster_propose(&cluster, leader, proposed, 20);
        proposed += 20;
        cluster_start(&cluster, victim);
        cluster_elect(&cluster);
        cluster_tick(&cluster, 3);
        CHECK(cluster_agrees(&cluster));
        CHECK_EQ(cluster.members[victim].state.commands, proposed);
    }
    /* All at once. */
    for (uint64_t id = 1; id <= 3; id++) {
        cluster_crash(&cluster, id);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        cluster_start(&cluster, id);
    }
    cluster_elect(&cluster);
    cluster_tick(&cluster, 3);
    CHECK(cluster_agrees(&cluster));
    CHECK_EQ(cluster.members[1].state.commands, proposed);
    cluster_end(&cluster);
}

static void brings_a_member_up_by_snapshot(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    cluster.snapshot_every = 20;
    uint64_t leader = cluster_elect(&cluster);
    uint64_t late = leader % 3 + 1;
    cluster_propose(&cluster, leader, 0, 10);
    cluster_crash(&cluster, late);
    cluster_propose(&cluster, leader, 10, 200);
    uint64_t first = 0, last = 0;
    OK(raft_storage_first_index(cluster.members[leader].storage, &first, &error));
    OK(raft_storage_last_index(cluster.members[leader].storage, &last, &error));
    CHECK(first > 100 && last - first < 40);
    CHECK(cluster_status(&cluster, leader).first_index > 100);
    uint64_t term = 0;
    FAILS(RAFT_ERR_COMPACTED, raft_storage_term(cluster.members[leader].storage, 5, &term, &error));

    cluster_start(&cluster, late);
    cluster_elect(&cluster);
    cluster_tick(&cluster, 5);
    CHECK(cluster.members[late].snapshots_received > 0);
    CHECK(cluster_agrees(&cluster));
    CHECK_EQ(cluster.members[late].state.commands, 210);
    /* It starts from that snapshot, too. */
    cluster_crash(&cluster, late);
    cluster_start(&cluster, late);
    CHECK(cluster.members[late].state.commands > 100);
    cluster_elect(&cluster);
    cluster_propose(&cluster, late, 300, 5);
    cluster_tick(&cluster, 3);
    CHECK(cluster_agrees(&cluster));
    cluster_end(&cluster);
}

static int has(const uint64_t *ids, size_t len, uint64_t id)
{
    for (size_t i = 0; i < len; i++) {
        if (ids[i] == id) {
            return 1;
        }
    }
    return 0;
}

static int is_voter(struct cluster *cluster, uint64_t of, uint64_t id)
{
    raft_conf_state *state = NULL;
    OK(raft_node_conf_state(cluster->members[of].node, &state, &error));
    CHECK(state->voters_outgoing == NULL);
    int found = has(state->voters, state->voters_len, id);
    CHECK(!found || !has(state->learners, state->learners_len, id));
    raft_conf_state_free(state);
    return found;
}

static void changes_its_members(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    cluster.snapshot_every = 20;
    uint64_t leader = cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 0, 60);

    /* 4 begins empty, as a learner, and becomes a voter. */
    cluster_start(&cluster, 4);
    OK(raft_node_propose_conf_change(cluster.members[leader].node,
                                     RAFT_CONF_CHANGE_ADD_LEARNER_NODE, 4,
                                     (const uint8_t *)"context", 7, &error));
    cluster_settle(&cluster);
    cluster_tick(&cluster, 5);
    CHECK(cluster_agrees(&cluster));
    CHECK(!is_voter(&cluster, 4, 4));
    CHECK(cluster.members[4].snapshots_received > 0);
    OK(raft_node_propose_conf_change(cluster.members[leader].node, RAFT_CONF_CHANGE_ADD_NODE, 4,
                                     NULL, 0, &error));
    cluster_settle(&cluster);
    cluster_tick(&cluster, 5);
    for (uint64_t id = 1; id <= 4; id++) {
        CHECK(is_voter(&cluster, id, 4));
    }

    /* The leader is removed; the others go on. */
    OK(raft_node_propose_conf_change(cluster.members[leader].node, RAFT_CONF_CHANGE_REMOVE_NODE,
                                     leader, NULL, 0, &error));
    cluster_settle(&cluster);
    cluster_tick(&cluster, 3);
    cluster_crash(&cluster, leader);
    uint64_t removed = leader;
    leader = cluster_elect(&cluster);
    CHECK(leader != removed);
    CHECK(!is_voter(&cluster, leader, removed));
    cluster_propose(&cluster, leader, 100, 10);
    cluster_tick(&cluster, 3);
    CHECK(cluster_agrees(&cluster));

    /* The members survive a restart of all, from snapshots and from the log. */
    for (uint64_t id = 1; id <= 4; id++) {
        if (id != removed) {
            cluster_crash(&cluster, id);
            cluster_start(&cluster, id);
        }
    }
    leader = cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 200, 10);
    cluster_tick(&cluster, 3);
    CHECK(cluster_agrees(&cluster));
    CHECK(is_voter(&cluster, leader, 4));
    CHECK(!is_voter(&cluster, leader, removed));
    CHECK_EQ(cluster.members[leader].state.commands, 80);
    cluster_end(&cluster);
}

static void encodes_and_decodes_changes(void)
{
    raft_conf_change_single steps[2] = {{RAFT_CONF_CHANGE_ADD_NODE, 4},
                                        {RAFT_CONF_CHANGE_REMOVE_NODE, 300}};
    raft_buffer *buffer = NULL;
    OK(raft_conf_change_encode(RAFT_TRANSITION_JOINT_EXPLICIT, steps, 2, (const uint8_t *)"why", 3,
                               &buffer, &error));
    raft_bytes encoded = raft_buffer_bytes(buffer);
    raft_conf_change *change = NULL;
    OK(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE_V2, encoded.data, encoded.len, &change,
                               &error));
    CHECK_EQ(change->transition, RAFT_TRANSITION_JOINT_EXPLICIT);
    CHECK_EQ(change->changes_len, 2);
    CHECK_EQ(change->changes[1].type, RAFT_CONF_CHANGE_REMOVE_NODE);
    CHECK_EQ(change->changes[1].node_id, 300);
    CHECK(change->context.len == 3 && memcmp(change->context.data, "why", 3) == 0);
    raft_conf_change_free(change);
    raft_buffer_free(buffer);
    /* No bytes at all are a change without steps. */
    OK(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE_V2, NULL, 0, &change, &error));
    CHECK(change->changes == NULL && change->changes_len == 0);
    raft_conf_change_free(change);
    FAILS(RAFT_ERR_MALFORMED, raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE,
                                                      (const uint8_t *)"\xff", 1, &change, &error));
    FAILS(RAFT_ERR_ARGUMENT,
          raft_conf_change_encode(9, steps, 2, NULL, 0, &buffer, &error));
    steps[0].type = -1;
    FAILS(RAFT_ERR_ARGUMENT,
          raft_conf_change_encode(RAFT_TRANSITION_AUTO, steps, 2, NULL, 0, &buffer, &error));
}

static void reads_what_was_written_before(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    for (uint64_t number = 0; number < 30; number++) {
        cluster_propose(&cluster, leader, number, 1);
        uint64_t written = cluster.members[leader].state.applied;
        struct member *reader = &cluster.members[number % 3 + 1];
        OK(raft_node_read_index(reader->node, (const uint8_t *)&number, sizeof number, &error));
        cluster_settle(&cluster);
        CHECK(reader->reads_index[number] >= written);
    }
    /* A leader that nobody answers confirms nothing. */
    uint64_t other = leader % 3 + 1, third = other % 3 + 1, number = 40;
    cluster_crash(&cluster, other);
    cluster_crash(&cluster, third);
    OK(raft_node_read_index(cluster.members[leader].node, (const uint8_t *)&number, sizeof number,
                            &error));
    cluster_settle(&cluster);
    cluster_tick(&cluster, 5);
    CHECK_EQ(cluster.members[leader].reads_index[number], 0);
    cluster_end(&cluster);
}

static void hands_leadership_over(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 0, 10);
    uint64_t target = leader % 3 + 1;
    OK(raft_node_transfer_leader(cluster.members[leader].node, target, &error));
    cluster_settle(&cluster);
    CHECK_EQ(cluster_elect(&cluster), target);
    cluster_propose(&cluster, leader, 10, 10);
    cluster_tick(&cluster, 2);
    CHECK(cluster_agrees(&cluster));
    cluster_end(&cluster);
}

static void survives_garbage(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    uint64_t leader = cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 0, 10);
    int refused = 0, total = 4000;
    for (int i = 0; i < total; i++) {
        uint8_t bytes[48];
        size_t len = noise() % sizeof bytes;
        for (size_t at = 0; at < len; at++) {
            bytes[at] = (uint8_t)noise();
        }
        raft_node *node = cluster.members[noise() % 3 + 1].node;
        raft_error *error = NULL;
        raft_status status = noise() % 2 == 0 ? raft_node_step(node, bytes, len, &error)
                                              : raft_node_step_many(node, bytes, len, &error);
        CHECK(status != RAFT_ERR_PANIC && status != RAFT_ERR_POISONED);
        CHECK((status != RAFT_OK) == (error != NULL));
        refused += status != RAFT_OK;
        raft_error_free(error);
        raft_message view;
        (void)raft_message_decode(bytes, len, &view, NULL);
        cluster_settle(&cluster);
    }
    CHECK(refused > total / 2);
    leader = cluster_elect(&cluster);
    cluster_propose(&cluster, leader, 10, 10);
    cluster_tick(&cluster, 2);
    CHECK(cluster_agrees(&cluster));
    CHECK_EQ(cluster.members[1].state.commands, 20);
    cluster_end(&cluster);
}

static struct cluster victims;
static int mutants;

/* Steps a real message with some bytes changed or cut off. */
static void step_mutants(const raft_message *message)
{
    raft_bytes encoded = message->encoded;
    for (int copy = 0; copy < 10; copy++) {
        uint8_t *bytes = malloc(encoded.len);
        CHECK(bytes != NULL);
        memcpy(bytes, encoded.data, encoded.len);
        for (int change = 0; change < 1 + copy % 4; change++) {
            bytes[noise() % encoded.len] = (uint8_t)noise();
        }
        size_t len = copy % 5 == 0 ? noise() % encoded.len : encoded.len;
        raft_status status =
            raft_node_step(victims.members[message->to].node, bytes, len, NULL);
        CHECK(status != RAFT_ERR_PANIC && status != RAFT_ERR_POISONED);
        free(bytes);
        mutants++;
    }
}

/* Such messages may say anything that a peer may say, true or not, so that they go to nodes whose
 * peers are not real, and whose state is not looked at. */
static void survives_mutated_messages(void)
{
    struct cluster cluster;
    begin(&cluster, 3);
    begin(&victims, 3);
    mutants = 0;
    cluster.tap = step_mutants;
    cluster.snapshot_every = 10;
    for (uint64_t round = 0; round < 30; round++) {
        uint64_t leader = cluster_elect(&cluster);
        cluster_propose(&cluster, round % 3 + 1, round, 3);
        if (round % 10 == 5) {
            /* So that there are elections and snapshots, too. */
            cluster_crash(&cluster, leader);
            cluster_propose(&cluster, cluster_elect(&cluster), 100, 30);
            cluster_start(&cluster, leader);
        }
        for (uint64_t id = 1; id <= 3; id++) {
            const raft_ready *ready = NULL;
            bool has_ready = false;
            OK(raft_node_tick(victims.members[id].node, &error));
            OK(raft_node_has_ready(victims.members[id].node, &has_ready, &error));
            if (has_ready) {
                OK(raft_node_ready(victims.members[id].node, &ready, &error));
                OK(raft_storage_save(victims.members[id].storage, ready, &error));
                OK(raft_node_advance(victims.members[id].node, &error));
            }
        }
    }
    CHECK(mutants > 2000);
    cluster.tap = NULL;
    cluster_end(&cluster);
    cluster_end(&victims);
}

static void refuses_null_and_nonsense(void)
{
    struct cluster cluster;
    begin(&cluster, 1);
    cluster_elect(&cluster);
    raft_node *node = cluster.members[1].node;
    raft_storage *storage = cluster.members[1].storage;
    const uint8_t byte = 1;
    const raft_ready *ready = NULL;
    raft_node *made = NULL;
    raft_config *config = NULL;
    bool has_ready = false;
    FAILS(RAFT_ERR_NULL, raft_node_tick(NULL, &error));
    FAILS(RAFT_ERR_NULL, raft_node_propose(NULL, &byte, 1, &error));
    FAILS(RAFT_ERR_NULL, raft_node_propose(node, NULL, 1, &error));
    FAILS(RAFT_ERR_NULL, raft_node_step(node, NULL, 1, &error));
    FAILS(RAFT_ERR_ARGUMENT, raft_node_propose(node, &byte, SIZE_MAX, &error));
    FAILS(RAFT_ERR_ARGUMENT, raft_node_step(node, &byte, (size_t)PTRDIFF_MAX + 1, &error));
    FAILS(RAFT_ERR_NULL, raft_node_ready(node, NULL, &error));
    FAILS(RAFT_ERR_NULL, raft_node_ready(NULL, &ready, &error));
    FAILS(RAFT_ERR_NULL, raft_node_has_ready(NULL, &has_ready, &error));
    FAILS(RAFT_ERR_NULL, raft_storage_save(storage, NULL, &error));
    FAILS(RAFT_ERR_NULL, raft_storage_open(NULL, &storage, &error));
    FAILS(RAFT_ERR_NULL, raft_node_new(NULL, storage, &made, &error));
    FAILS(RAFT_ERR_NULL, raft_config_new(1, NULL, &error));
    CHECK_EQ(raft_node_tick(NULL, NULL), RAFT_ERR_NULL);
    CHECK(made == NULL && ready == NULL);

    raft_ready nothing;
    memset(&nothing, 0, sizeof nothing);
    FAILS(RAFT_ERR_ARGUMENT, raft_storage_save(storage, &nothing, &error));
    raft_node_status status;
    memset(&status, 0, sizeof status);
    FAILS(RAFT_ERR_ARGUMENT, raft_node_get_status(node, &status, &error));
    FAILS(RAFT_ERR_ARGUMENT, raft_node_report_snapshot(node, 1, 77, &error));
    FAILS(RAFT_ERR_ARGUMENT, raft_node_propose_conf_change(node, 77, 1, NULL, 0, &error));
    FAILS(RAFT_ERR_MISUSE, raft_node_advance(node, &error));

    OK(raft_config_new(0, &config, &error));
    FAILS(RAFT_ERR_CONFIG, raft_node_new(config, storage, &made, &error));
    raft_config_free(config);
    CHECK(made == NULL);

    /* Of two Readys, the first one has to be advanced. */
    OK(raft_node_propose(node, &byte, 1, &error));
    OK(raft_node_ready(node, &ready, &error));
    const raft_ready *second = NULL;
    FAILS(RAFT_ERR_MISUSE, raft_node_ready(node, &second, &error));
    CHECK(second == NULL && ready->entries_len == 1);
    OK(raft_storage_save(storage, ready, &error));
    OK(raft_node_advance(node, &error));

    raft_node_free(NULL);
    raft_storage_free(NULL);
    raft_config_free(NULL);
    raft_error_free(NULL);
    raft_buffer_free(NULL);
    raft_entries_free(NULL);
    raft_snapshot_free(NULL);
    raft_conf_state_free(NULL);
    raft_conf_change_free(NULL);
    CHECK_EQ(raft_abi_version(), RAFT_ABI_VERSION);
    CHECK(raft_version_string()[0] != '\0');
    CHECK(strcmp(raft_status_name(RAFT_ERR_NULL), "RAFT_ERR_NULL") == 0);
    cluster_end(&cluster);
}

static void reports_what_it_found_when_opened(void)
{
    struct cluster cluster;
    begin(&cluster, 1);
    raft_recovery_report report;
    memset(&report, 0xff, sizeof report);
    report.size = sizeof report;
    OK(raft_storage_recovery_report(cluster.members[1].storage, &report, &error));
    CHECK(!report.crashed && report.discarded_writes == 0);
    bool fresh = true;
    OK(raft_storage_is_fresh(cluster.members[1].storage, &fresh, &error));
    CHECK(!fresh);
    OK(raft_storage_sync(cluster.members[1].storage, &error));
    cluster_end(&cluster);
}

struct rival {
    raft_node *node;
    int taken, refused, other;
};

static void *propose_often(void *argument)
{
    struct rival *rival = argument;
    for (int i = 0; i < 300; i++) {
        raft_status status = raft_node_propose(rival->node, (const uint8_t *)"x", 1, NULL);
        rival->taken += status == RAFT_OK;
        rival->refused += status == RAFT_ERR_MISUSE;
        rival->other += status != RAFT_OK && status != RAFT_ERR_MISUSE;
    }
    return NULL;
}

static void refuses_a_second_thread(void)
{
    struct cluster cluster;
    begin(&cluster, 1);
    cluster_elect(&cluster);
    uint64_t before = cluster_status(&cluster, 1).last_index;
    struct rival rivals[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        memset(&rivals[i], 0, sizeof rivals[i]);
        rivals[i].node = cluster.members[1].node;
        CHECK(pthread_create(&threads[i], NULL, propose_often, &rivals[i]) == 0);
    }
    int taken = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_EQ(rivals[i].taken + rivals[i].refused, 300);
        CHECK_EQ(rivals[i].other, 0);
        taken += rivals[i].taken;
    }
    /* What was taken is there, and what was refused is not. */
    CHECK_EQ(cluster_status(&cluster, 1).last_index, before + (uint64_t)taken);
    cluster_settle(&cluster);
    CHECK_EQ(cluster.members[1].state.commands, (uint64_t)taken);
    cluster_end(&cluster);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    base = argv[1];
    for (durable = 0; durable < 2; durable++) {
        const char *label = durable ? "durable" : "memory";
        RUN(elects_one_leader(), label);
        RUN(replicates_from_every_member(), label);
        RUN(drops_proposals_without_a_leader(), label);
        RUN(survives_the_crash_of_each_member(), label);
        RUN(brings_a_member_up_by_snapshot(), label);
        RUN(changes_its_members(), label);
        RUN(encodes_and_decodes_changes(), label);
        RUN(reads_what_was_written_before(), label);
        RUN(hands_leadership_over(), label);
        RUN(survives_garbage(), label);
        RUN(survives_mutated_messages(), label);
        RUN(refuses_null_and_nonsense(), label);
        RUN(reports_what_it_found_when_opened(), label);
        RUN(refuses_a_second_thread(), label);
        run_thread_tests(durable, base);
    }
    RUN(replays_what_it_has_recorded(), "memory");
    RUN(ticks_an_array_of_nodes(), "memory");
    RUN(leaves_groups_alone_until_they_are_due(), "memory");
    return check_summary();
}
