/*
 * A host that breaks the contract of libraft.h in one way, for tests/sanitize/faults to see that
 * each tool notices. Most of them are faults in which the library takes part, so that it is seen to
 * be instrumented as well.
 *
 *     faults FAULT
 */
#define _POSIX_C_SOURCE 200809L /* pthread */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraft.h"

#define OK(call)                                                               \
    do {                                                                       \
        raft_error *error = NULL;                                              \
        if ((call) != RAFT_OK) {                                               \
            printf("%s: %s\n", #call, raft_error_message(error));              \
            exit(2);                                                           \
        }                                                                      \
    } while (0)

enum { ROUNDS = 1000 }; /* of the threads that race */

static raft_storage *storage;
static raft_node *node;
static const raft_ready *ready;

static void begin(void)
{
    raft_config *config = NULL;
    uint64_t voter = 1;
    OK(raft_storage_memory_new(&storage, &error));
    OK(raft_storage_bootstrap(storage, 1, 1, &voter, 1, NULL, 0, NULL, 0, &error));
    OK(raft_config_new(1, &config, &error));
    OK(raft_node_new(config, storage, &node, &error));
    raft_config_free(config);
    OK(raft_node_campaign(node, &error));
    OK(raft_node_ready(node, &ready, &error));
}

static void end(void)
{
    raft_node_free(node);
    raft_storage_free(storage);
}

static unsigned sum(const raft_ready *of)
{
    unsigned sum = 0;
    for (size_t i = 0; i < of->encoded.len; i++) {
        sum += of->encoded.data[i];
    }
    return sum;
}

/* The views of a node that is gone. */
static void after_free(void)
{
    const raft_ready *old = ready;
    end();
    printf("%u\n", sum(old));
}

/* The same, with the library as the one that looks. */
static void save_after_free(void)
{
    raft_node_free(node);
    raft_storage_save(storage, ready, NULL);
    raft_storage_free(storage);
}

static void freed_twice(void)
{
    raft_node *gone = node;
    end();
    raft_node_free(gone);
}

/* The node is forgotten. Another one's life follows, which leaves nothing on the stack or in a register
 * that leads to it by chance. */
static void lost(void)
{
    raft_storage_free(storage);
    begin();
    end();
    node = NULL;
    ready = NULL;
    storage = NULL;
}

/* More bytes than there are. */
static void too_long(void)
{
    uint8_t *data = malloc(8);
    memset(data, 0, 8);
    raft_node_propose(node, data, 64, NULL);
    free(data);
    end();
}

/* Bytes that nobody has written. */
static void uninitialized(void)
{
    uint8_t *data = malloc(64);
    raft_node_step(node, data, 64, NULL);
    free(data);
    end();
}

/* What the compiler of C sees by itself. */
static void misaligned(void)
{
    char place[sizeof(raft_node_status) + 1];
    raft_node_status *status = (raft_node_status *)(void *)(place + 1);
    status->size = sizeof *status;
    printf("%d\n", place[1]);
    end();
}

/* Relaxed, so that they order nothing: the threads wait for each other, and yet race. */
static int looks, changes;

static void wait_for(const int *counter, int count)
{
    while (__atomic_load_n(counter, __ATOMIC_RELAXED) < count) {
        sched_yield();
    }
}

static void count(int *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void *read_old(void *old)
{
    unsigned total = 0;
    for (int i = 0; i < ROUNDS; i++) {
        total += sum(old);
        count(&looks);
        wait_for(&changes, i + 1);
    }
    return (void *)(uintptr_t)total;
}

static void *save_old(void *old)
{
    raft_storage *other = NULL;
    OK(raft_storage_memory_new(&other, &error));
    for (int i = 0; i < ROUNDS; i++) {
        raft_storage_save(other, old, NULL);
        count(&looks);
        wait_for(&changes, i + 1);
    }
    raft_storage_free(other);
    return NULL;
}

/* A Ready is looked at on one thread, while another takes the next one. */
static void race(void *(*look)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, look, (void *)(uintptr_t)ready) != 0) {
        exit(2);
    }
    for (int i = 0; i < ROUNDS; i++) {
        wait_for(&looks, i + 1);
        OK(raft_node_advance(node, &error));
        raft_node_propose(node, (const uint8_t *)"x", 1, NULL); /* Until it leads, it refuses. */
        OK(raft_node_ready(node, &ready, &error));
        count(&changes);
    }
    pthread_join(thread, NULL);
    end();
}

int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";
    begin();
    if (strcmp(fault, "none") == 0) {
        end();
    } else if (strcmp(fault, "after-free") == 0) {
        after_free();
    } else if (strcmp(fault, "save-after-free") == 0) {
        save_after_free();
    } else if (strcmp(fault, "freed-twice") == 0) {
        freed_twice();
    } else if (strcmp(fault, "lost") == 0) {
        lost();
    } else if (strcmp(fault, "too-long") == 0) {
        too_long();
    } else if (strcmp(fault, "uninitialized") == 0) {
        uninitialized();
    } else if (strcmp(fault, "misaligned") == 0) {
        misaligned();
    } else if (strcmp(fault, "race") == 0) {
        race(read_old);
    } else if (strcmp(fault, "race-inside") == 0) {
        race(save_old);
    } else {
        fprintf(stderr, "usage: %s FAULT\n", argv[0]);
        return 2;
    }
    return 0;
}
