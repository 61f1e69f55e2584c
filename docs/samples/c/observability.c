/*
 * What a node says about itself, in formats of others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraft.h"

static void check(raft_status status, raft_error **error)
{
    if (status == RAFT_OK) return;
    fprintf(stderr, "%s\n", raft_error_message(*error));
    exit(1);
}

static raft_error *error;

/* A group of one member, which leads. */
static raft_node *leader(raft_storage **storage)
{
    const uint64_t voters[] = {1};
    raft_config *config = NULL;
    raft_node *node = NULL;
    check(raft_storage_memory_new(storage, &error), &error);
    check(raft_storage_bootstrap(*storage, 1, 1, voters, 1, NULL, 0, NULL, 0, &error), &error);
    check(raft_config_new(1, &config, &error), &error);
    check(raft_node_new(config, *storage, &node, &error), &error);
    raft_config_free(config);
    check(raft_node_campaign(node, &error), &error);
    return node;
}

/* --8<-- [start:log] */
/* Whatever your log is: each event of a Ready is a line with a level. */
static void log_events(uint64_t id, const raft_ready *ready)
{
    for (size_t i = 0; i < ready->events_len; i++) {
        raft_buffer *line = NULL;
        check(raft_event_text(&ready->events[i], &line, &error), &error);
        raft_bytes text = raft_buffer_bytes(line);
        const char *level = raft_event_level(&ready->events[i]) >= RAFT_LEVEL_WARN ? "WARN" : "info";
        printf("%s node=%d %.*s\n", level, (int)id, (int)text.len, (const char *)text.data);
        raft_buffer_free(line);
    }
}
/* --8<-- [end:log] */

int main(void)
{
    raft_storage *storage = NULL;
    raft_node *node = leader(&storage);
    bool more = true;
    check(raft_node_has_ready(node, &more, &error), &error);
    while (more) {
        const raft_ready *ready = NULL;
        check(raft_node_ready(node, &ready, &error), &error);
        log_events(1, ready);
        check(raft_storage_save(storage, ready, &error), &error);
        check(raft_node_advance(node, &error), &error);
        check(raft_node_has_ready(node, &more, &error), &error);
    }

    /* --8<-- [start:json] */
    raft_buffer *json = NULL;
    check(raft_node_status_json(node, &json, &error), &error);
    raft_bytes status = raft_buffer_bytes(json);
    printf("%.*s\n", (int)status.len, (const char *)status.data);
    raft_buffer_free(json);
    /* --8<-- [end:json] */

    /* --8<-- [start:prometheus] */
    /* For each scrape: all the nodes of this process, each with the labels that tell it apart. */
    const raft_label labels[] = {
        {{(const uint8_t *)"group", 5}, {(const uint8_t *)"accounts", 8}},
    };
    raft_exposition *exposition = NULL;
    raft_buffer *text = NULL;
    check(raft_exposition_new(&exposition, &error), &error);
    check(raft_exposition_add(exposition, node, labels, 1, &error), &error);
    check(raft_exposition_text(exposition, &text, &error), &error);
    raft_bytes body = raft_buffer_bytes(text); /* Content-Type: text/plain; version=0.0.4 */
    /* --8<-- [end:prometheus] */

    char *copy = calloc(1, body.len + 1);
    memcpy(copy, body.data, body.len);
    const char *found = strstr(copy, "libraft_elections_won_total{");
    printf("%.*s\n", (int)strcspn(found, "\n"), found);
    free(copy);
    raft_buffer_free(text);
    raft_exposition_free(exposition);
    raft_node_free(node);
    raft_storage_free(storage);
    return 0;
}
