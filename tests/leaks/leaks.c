/*
 * Creates and frees nodes by the C interface, each of which does a little of everything, and prints
 * what the process holds after a tenth of them and at the end. Then the same with durable storages.
 *
 *     leaks_c NODES STORAGES DIRECTORY [FORGOTTEN]
 *
 * FORGOTTEN is one of the names in `forgettable`: every seventh time, such an object is not freed,
 * which tests/leaks/run has to notice.
 */
#define _GNU_SOURCE /* mallinfo2 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "libraft.h"
#include "sample.h"

static const char *const forgettable[] = {
    "node", "config", "storage", "error", "buffer", "entries", "snapshot", "conf_state", "conf_change",
};
static const char *forgotten = "";

/* Whether to free an object of this kind. */
static bool freed(const char *kind)
{
    static unsigned long times;
    return strcmp(kind, forgotten) != 0 || ++times % 7 != 0;
}

#define FREE(kind, object)                                                     \
    do {                                                                       \
        if (freed(#kind)) {                                                    \
            raft_##kind##_free(object);                                        \
        }                                                                      \
    } while (0)

static void failed(const char *call, int line, raft_status status, const raft_error *error)
{
    fprintf(stderr, "leaks.c:%d: %s: %s: %s\n", line, call, raft_status_name(status),
            raft_error_message(error));
    exit(1);
}

/* A call that has to succeed. */
#define OK(call)                                                               \
    do {                                                                       \
        raft_error *error = NULL;                                              \
        raft_status status_ = (call);                                          \
        if (status_ != RAFT_OK || error != NULL) {                             \
            failed(#call, __LINE__, status_, error);                           \
        }                                                                      \
    } while (0)

/* A call that has to fail with this code. */
#define FAILS(code, call)                                                      \
    do {                                                                       \
        raft_error *error = NULL;                                              \
        raft_status status_ = (call);                                          \
        if (status_ != (code)) {                                               \
            failed(#call, __LINE__, status_, error);                           \
        }                                                                      \
        FREE(error, error);                                                    \
    } while (0)

static const uint8_t payload[100];

/* Does what the node asks for until it asks for nothing more. */
static void work(raft_node *node, raft_storage *storage)
{
    for (;;) {
        bool has = false;
        OK(raft_node_has_ready(node, &has, &error));
        if (!has) {
            return;
        }
        const raft_ready *ready = NULL;
        OK(raft_node_peek_ready(node, &ready, &error));
        OK(raft_node_accept_ready(node, &error));
        OK(raft_storage_save(storage, ready, &error));
        for (size_t i = 0; i < ready->committed_entries_len; i++) {
            const raft_entry *entry = &ready->committed_entries[i];
            if (entry->type == RAFT_ENTRY_NORMAL) {
                continue;
            }
            raft_conf_change *change = NULL;
            OK(raft_conf_change_decode(entry->type, entry->data.data, entry->data.len, &change, &error));
            FREE(conf_change, change);
            raft_conf_state *state = NULL;
            OK(raft_node_apply_conf_change(node, entry->type, entry->data.data, entry->data.len, &state,
                                           &error));
            FREE(conf_state, state);
        }
        OK(raft_node_advance(node, &error));
    }
}

/* What may fail does, and nothing is left of it. */
static void fail(raft_config *config, raft_storage *storage, raft_node *node)
{
    raft_node *none = NULL;
    raft_config *wrong = NULL;
    raft_message message;
    uint64_t voter = 1;
    OK(raft_config_new(0, &wrong, &error));
    FAILS(RAFT_ERR_CONFIG, raft_node_new(wrong, storage, &none, &error));
    FREE(config, wrong);
    FAILS(RAFT_ERR_MALFORMED, raft_node_restart(config, (const uint8_t *)"\xff\xff", 2, &none, &error));
    FAILS(RAFT_ERR_NULL, raft_node_new(config, NULL, &none, &error));
    FAILS(RAFT_ERR_MISUSE, raft_storage_bootstrap(storage, 1, 1, &voter, 1, NULL, 0, payload, 100, &error));
    FAILS(RAFT_ERR_DROPPED, raft_node_propose(node, payload, 100, &error));
    FAILS(RAFT_ERR_MISUSE, raft_node_advance(node, &error));
    FAILS(RAFT_ERR_MALFORMED, raft_node_step(node, (const uint8_t *)"\xff\xff", 2, &error));
    FAILS(RAFT_ERR_MALFORMED, raft_message_decode((const uint8_t *)"\xff\xff", 2, &message, &error));
    FAILS(RAFT_ERR_ARGUMENT, raft_node_propose(node, payload, SIZE_MAX, &error));
}

/* Everything that gives the caller something to free. */
static void inspect(raft_config *config, raft_storage *storage, raft_node *node)
{
    raft_buffer *buffer = NULL;
    OK(raft_node_status_encoded(node, &buffer, &error));
    FREE(buffer, buffer);
    raft_conf_state *members = NULL;
    OK(raft_node_conf_state(node, &members, &error));
    uint64_t first = 0, last = 0;
    OK(raft_storage_first_index(storage, &first, &error));
    OK(raft_storage_last_index(storage, &last, &error));
    raft_entries *entries = NULL;
    OK(raft_storage_entries(storage, first, last + 1, RAFT_NO_LIMIT, &entries, &error));
    FREE(entries, entries);
    FAILS(RAFT_ERR_UNAVAILABLE, raft_storage_entries(storage, last + 1, last + 9, 1, &entries, &error));
    OK(raft_storage_create_snapshot(storage, last, members->encoded.data, members->encoded.len, payload,
                                    100, &error));
    FREE(conf_state, members);
    OK(raft_storage_compact(storage, last, &error));
    raft_snapshot *snapshot = NULL;
    OK(raft_storage_snapshot(storage, &snapshot, &error));
    FREE(snapshot, snapshot);
    OK(raft_storage_restart_state(storage, &buffer, &error));
    raft_bytes state = raft_buffer_bytes(buffer);
    raft_node *second = NULL;
    const raft_requests *requests = NULL;
    OK(raft_node_restart(config, state.data, state.len, &second, &error));
    FREE(buffer, buffer);
    OK(raft_node_take_requests(second, &requests, &error));
    FREE(node, second);
}

/* What was recorded, played again: as a whole, and cut off. */
static void replay(raft_node *node)
{
    raft_buffer *recording = NULL, *readys = NULL;
    raft_replay_report report = {.size = sizeof report};
    OK(raft_node_record_take(node, &recording, &error));
    raft_bytes calls = raft_buffer_bytes(recording);
    OK(raft_replay(calls.data, calls.len, 1 << 20, &readys, &report, &error));
    FREE(buffer, readys);
    FAILS(RAFT_ERR_RECORDING, raft_replay(calls.data, 3, 0, &readys, &report, &error));
    FREE(buffer, recording);
}

/* The life of one node. */
static void live(raft_storage *storage, uint64_t number)
{
    raft_config *config = NULL;
    raft_node *node = NULL;
    uint64_t voter = 1;
    OK(raft_config_new(1, &config, &error));
    OK(raft_config_set_seed(config, number, &error));
    OK(raft_config_set_record_bytes(config, number % 4 == 0 ? 1 << 16 : 0, &error));
    OK(raft_storage_bootstrap(storage, 1, 1, &voter, 1, NULL, 0, payload, 100, &error));
    OK(raft_node_new(config, storage, &node, &error));
    fail(config, storage, node);
    OK(raft_node_campaign(node, &error));
    work(node, storage);
    raft_bytes list[3] = {{payload, 100}, {NULL, 0}, {payload, 50}};
    OK(raft_node_propose_many(node, list, 3, &error));
    OK(raft_node_propose_conf_change(node, RAFT_CONF_CHANGE_ADD_LEARNER_NODE, 2, payload, 100, &error));
    OK(raft_node_read_index(node, (const uint8_t *)&number, sizeof number, &error));
    OK(raft_node_tick(node, &error));
    work(node, storage);
    inspect(config, storage, node);
    if (number % 4 == 0) {
        replay(node);
    }
    /* Freed in every state: with nothing to do, with a Ready that nobody has taken, and with one
     * that is not advanced; before its storage and after it. */
    if (number % 3 > 0) {
        OK(raft_node_propose(node, payload, 100, &error));
    }
    if (number % 3 > 1) {
        const raft_ready *ready = NULL;
        OK(raft_node_ready(node, &ready, &error));
    }
    FREE(config, config);
    if (number % 2 == 0) {
        FREE(node, node);
    }
    FREE(storage, storage);
    if (number % 2 == 1) {
        FREE(node, node);
    }
}

static void memory(void *context, uint64_t number)
{
    (void)context;
    raft_storage *storage = NULL;
    OK(raft_storage_memory_new(&storage, &error));
    live(storage, number);
}

/* A storage in a directory of its own, opened again when its node is gone. */
static void durable(void *context, uint64_t number)
{
    char path[512], command[600];
    snprintf(path, sizeof path, "%s/storage", (const char *)context);
    raft_storage *storage = NULL, *second = NULL;
    OK(raft_storage_open(path, &storage, &error));
    FAILS(RAFT_ERR_LOCKED, raft_storage_open(path, &second, &error));
    FAILS(RAFT_ERR_IO, raft_storage_open("/dev/null/storage", &second, &error));
    live(storage, number);
    if (strcmp(forgotten, "") == 0) {
        OK(raft_storage_open(path, &storage, &error));
        FREE(storage, storage);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0) {
        fprintf(stderr, "%s\n", command);
        exit(1);
    }
}

static void repeat(const char *phase, unsigned long times, void (*once)(void *, uint64_t), void *context)
{
    for (unsigned long done = 0; done < times; done++) {
        if (done == times / 10) {
            sample(phase, done);
        }
        once(context, done);
    }
    sample(phase, times);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s NODES STORAGES DIRECTORY [FORGOTTEN]\nFORGOTTEN:", argv[0]);
        for (size_t i = 0; i < sizeof forgettable / sizeof *forgettable; i++) {
            fprintf(stderr, " %s", forgettable[i]);
        }
        fprintf(stderr, "\n");
        return 2;
    }
    if (argc > 4) {
        forgotten = argv[4];
    }
    /* What stdio would otherwise take in the middle of it. */
    static char line[BUFSIZ];
    setvbuf(stdout, line, _IOLBF, sizeof line);
    repeat("nodes", strtoul(argv[1], NULL, 10), memory, NULL);
    repeat("storages", strtoul(argv[2], NULL, 10), durable, argv[3]);
    return 0;
}
