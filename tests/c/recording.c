#include "recording.h"

#include <string.h>

#include "check.h"

enum { MOST_BYTES = 16384 };

/* What a host has seen: every Ready, each preceded by its length as a varint. */
struct seen {
    uint8_t data[MOST_BYTES];
    size_t len;
    uint64_t readys;
};

static void note(struct seen *seen, raft_bytes ready)
{
    size_t len = ready.len;
    for (; len >= 0x80; len >>= 7) {
        seen->data[seen->len++] = (uint8_t)(len | 0x80);
    }
    seen->data[seen->len++] = (uint8_t)len;
    memcpy(seen->data + seen->len, ready.data, ready.len);
    seen->len += ready.len;
    seen->readys++;
}

static void work(raft_node *node, raft_storage *storage, struct seen *seen)
{
    bool has = true;
    for (;;) {
        OK(raft_node_has_ready(node, &has, &error));
        if (!has) {
            return;
        }
        const raft_ready *ready = NULL;
        OK(raft_node_ready(node, &ready, &error));
        note(seen, ready->encoded);
        OK(raft_storage_save(storage, ready, &error));
        OK(raft_node_advance(node, &error));
    }
}

void replays_what_it_has_recorded(void)
{
    static struct seen seen;
    memset(&seen, 0, sizeof seen);
    uint64_t voter = 1;
    raft_storage *storage = NULL;
    raft_config *config = NULL;
    raft_node *node = NULL;
    OK(raft_storage_memory_new(&storage, &error));
    OK(raft_storage_bootstrap(storage, 1, 1, &voter, 1, NULL, 0, NULL, 0, &error));
    OK(raft_config_new(voter, &config, &error));
    OK(raft_config_set_record_bytes(config, 1 << 20, &error));
    OK(raft_node_new(config, storage, &node, &error));
    OK(raft_node_campaign(node, &error));
    work(node, storage, &seen);
    for (int i = 0; i < 20; i++) {
        OK(raft_node_propose(node, (const uint8_t *)"a command", 9, &error));
    }
    work(node, storage, &seen);

    raft_recording_state state = RAFT_RECORDING_OFF;
    uint64_t waiting = 0;
    OK(raft_node_record_state(node, &state, &waiting, &error));
    CHECK_EQ((uint64_t)state, RAFT_RECORDING_ON);
    raft_buffer *recording = NULL;
    OK(raft_node_record_take(node, &recording, &error));
    raft_bytes bytes = raft_buffer_bytes(recording);
    CHECK_EQ(bytes.len, waiting);

    raft_buffer *readys = NULL;
    raft_replay_report report;
    memset(&report, 0, sizeof report);
    report.size = sizeof report;
    OK(raft_replay(bytes.data, bytes.len, MOST_BYTES, &readys, &report, &error));
    raft_bytes replayed = raft_buffer_bytes(readys);
    CHECK_EQ(replayed.len, seen.len);
    CHECK(replayed.len == seen.len && memcmp(replayed.data, seen.data, seen.len) == 0);
    CHECK_EQ(report.readys, seen.readys);
    CHECK_EQ(report.differs_at, 0);
    raft_buffer_free(readys);

    readys = NULL;
    FAILS(RAFT_ERR_RECORDING,
          raft_replay(bytes.data, bytes.len - 1, MOST_BYTES, &readys, &report, &error));
    CHECK(readys == NULL);
    raft_buffer_free(recording);
    raft_node_free(node);
    raft_config_free(config);
    raft_storage_free(storage);
}
