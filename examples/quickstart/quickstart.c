/* One node, in memory: it elects itself, and applies what is proposed. */
#include <libraft.h>
#include <stdio.h>
#include <stdlib.h>

static void check(raft_status status, raft_error **error) {
    if (status != RAFT_OK) {
        fprintf(stderr, "%s: %s\n", raft_status_name(status), raft_error_message(*error));
        exit(1);
    }
}

static void drive(raft_node *node, raft_storage *storage) {
    raft_error *error = NULL;
    const raft_ready *ready;
    while (check(raft_node_next_ready(node, &ready, &error), &error), ready != NULL) {
        check(raft_storage_save(storage, ready, &error), &error); /* Before anything is sent. */
        for (size_t i = 0; i < ready->messages_len; i++)
            printf("%zu bytes to %llu\n", ready->messages[i].encoded.len,
                   (unsigned long long)ready->messages[i].to);
        for (size_t i = 0; i < ready->committed_entries_len; i++)
            printf("%llu: %.*s\n", (unsigned long long)ready->committed_entries[i].index,
                   (int)ready->committed_entries[i].data.len,
                   (const char *)ready->committed_entries[i].data.data);
    }
}

int main(void) {
    raft_config *config;
    raft_storage *storage;
    raft_node *node;
    raft_error *error = NULL;
    const uint64_t voters[] = {1};
    check(raft_config_new(1, &config, &error), &error);
    check(raft_storage_memory_new(&storage, &error), &error);
    check(raft_storage_bootstrap(storage, 1, 1, voters, 1, NULL, 0, NULL, 0, &error), &error);
    check(raft_node_new(config, storage, &node, &error), &error);
    check(raft_node_campaign(node, &error), &error); /* Or raft_node_tick(), every 100 ms. */
    drive(node, storage);
    check(raft_node_propose(node, (const uint8_t *)"hello", 5, &error), &error);
    drive(node, storage);
    raft_node_free(node);
    raft_storage_free(storage);
    raft_config_free(config);
    return 0;
}
