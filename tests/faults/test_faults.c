/*
 * The durable storage through the C interface, on the system's own files, of which every single call
 * fails in every way that layer.h knows. A process makes a storage, writes to it and opens it again,
 * and says what was acknowledged; another one looks whether that is there.
 *
 *   test_faults DIRECTORY [STRIDE]     one fault in STRIDE is tried
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layer.h"
#include "libraft.h"

enum { ENTRIES = 16, LARGEST = 30000 };

/* What the process that may be killed leaves for the other one. */
static struct shared {
    volatile uint64_t acknowledged; /* the last entry */
    volatile uint64_t snapshot;     /* the index of the last snapshot that was acknowledged */
    volatile long calls;
    volatile int hit;
    volatile int refused; /* errors that were told */
    volatile int wrong;
} *shared;

static const char *const names[LAYER_FAULTS] = {
    "none", "EIO once", "EIO", "ENOSPC", "EROFS", "short", "EINTR", "kill", "kill in a write",
};

#define WRONG(...)                          \
    do {                                    \
        printf("wrong: " __VA_ARGS__);      \
        printf("\n");                       \
        shared->wrong++;                    \
    } while (0)

static size_t varint(uint8_t *out, uint64_t number)
{
    size_t len = 0;

    while (number >= 128) {
        out[len++] = (uint8_t)(number | 128);
        number >>= 7;
    }
    out[len++] = (uint8_t)number;
    return len;
}

/* A raftpb.Entry of term 1, with data that its index gives. */
static size_t encode(uint8_t *out, uint64_t index)
{
    size_t len = 0, bytes = 100 + (size_t)(index * 7919) % (LARGEST - 100);

    out[len++] = 0x10;
    len += varint(out + len, 1);
    out[len++] = 0x18;
    len += varint(out + len, index);
    out[len++] = 0x22;
    len += varint(out + len, bytes);
    memset(out + len, (int)index, bytes);
    return len + bytes;
}

static raft_status append(raft_storage *storage, uint64_t index, raft_error **error)
{
    static uint8_t bytes[LARGEST + 32];
    struct raft_hard_state hard_state = {1, 1, index - 1};
    struct raft_bytes entry = {bytes, encode(bytes, index)};

    return raft_storage_append(storage, &hard_state, &entry, 1, NULL, 0, true, error);
}

/* An error that a failing system may give. Nothing is acknowledged after it. */
static void refused(raft_status status, raft_error *error, raft_storage *storage)
{
    shared->refused++;
    if (status != RAFT_ERR_IO && status != RAFT_ERR_POISONED)
        WRONG("%s: %s", raft_status_name(status), raft_error_message(error));
    raft_error_free(error);
    if (storage == NULL)
        return;
    status = append(storage, shared->acknowledged + 1, NULL);
    if (status != RAFT_ERR_POISONED)
        WRONG("after a failure: %s", raft_status_name(status));
    raft_storage_free(storage);
}

/* What is done to the storage; ends with the first error. */
static void work(const char *path)
{
    raft_storage *storage = NULL;
    raft_error *error = NULL;
    raft_status status = raft_storage_open(path, &storage, &error);
    uint64_t index;

    if (status != RAFT_OK) {
        refused(status, error, NULL);
        return;
    }
    for (index = 1; index <= ENTRIES; index++) {
        status = append(storage, index, &error);
        if (status == RAFT_OK)
            shared->acknowledged = index;
        if (status == RAFT_OK && index % 6 == 0) {
            status = raft_storage_create_snapshot(storage, index - 2, NULL, 0,
                                                  (const uint8_t *)&index, sizeof(index), &error);
            if (status == RAFT_OK) {
                shared->snapshot = index - 2;
                status = raft_storage_compact(storage, index - 4, &error);
            }
        }
        if (status != RAFT_OK) {
            refused(status, error, storage);
            return;
        }
        if (index == 9) {
            raft_storage_free(storage);
            storage = NULL;
            status = raft_storage_open(path, &storage, &error);
            if (status != RAFT_OK) {
                refused(status, error, NULL);
                return;
            }
        }
    }
    raft_storage_free(storage);
}

/* Looks at what is left, and writes to it. */
static void check(const char *path)
{
    static uint8_t bytes[LARGEST + 32];
    raft_storage *storage = NULL;
    raft_error *error = NULL;
    raft_entries *entries = NULL;
    raft_snapshot *snapshot = NULL;
    uint64_t first = 0, last = 0, index;
    raft_status status = raft_storage_open(path, &storage, &error);

    if (status != RAFT_OK) {
        WRONG("not to be opened: %s", raft_error_message(error));
        raft_error_free(error);
        return;
    }
    raft_storage_first_index(storage, &first, NULL);
    raft_storage_last_index(storage, &last, NULL);
    if (last != shared->acknowledged && last != shared->acknowledged + 1)
        WRONG("%d was acknowledged, %d is there", (int)shared->acknowledged, (int)last);
    status = raft_storage_snapshot(storage, &snapshot, &error);
    if (status != RAFT_OK || snapshot->index < shared->snapshot || snapshot->index + 1 < first)
        WRONG("the snapshot of %d is not there", (int)shared->snapshot);
    raft_snapshot_free(snapshot);
    status = raft_storage_entries(storage, first, last + 1, RAFT_NO_LIMIT, &entries, &error);
    if (status != RAFT_OK || entries->entries_len != last + 1 - first) {
        WRONG("the entries are not there");
    } else {
        for (index = first; index <= last; index++) {
            struct raft_bytes found = entries->entries[index - first].encoded;
            size_t len = encode(bytes, index);
            /* How it is encoded is the library's matter; how it ends is not. */
            if (found.len < 100 || memcmp(found.data + found.len - 100, bytes + len - 100, 100) != 0)
                WRONG("entry %d is not what it was", (int)index);
        }
    }
    raft_entries_free(entries);
    if (append(storage, last + 1, NULL) != RAFT_OK)
        WRONG("not to be written");
    raft_storage_free(storage);
}

static void in_process(void (*what)(const char *), const char *path, enum layer_fault fault, long at)
{
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        layer_arm(fault, at);
        what(path);
        shared->calls = layer_disarm();
        shared->hit |= layer_hit();
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        exit(2);
    }
    if (WIFSIGNALED(status)) {
        shared->hit = 1;
        if (WTERMSIG(status) != SIGKILL || fault < LAYER_KILL)
            WRONG("ended by signal %d", WTERMSIG(status));
    }
}

int main(int argc, char **argv)
{
    char path[4096], command[4200];
    long stride = argc > 2 ? atol(argv[2]) : 1, turn = 0, total, at;
    int fault, passed = 0, failed = 0;

    if (argc < 2 || stride < 1) {
        fprintf(stderr, "usage: %s DIRECTORY [STRIDE]\n", argv[0]);
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/a/b", argv[1]);
    snprintf(command, sizeof(command), "rm -rf '%s/a'", argv[1]);
    in_process(work, path, LAYER_NONE, 0);
    total = shared->calls;
    if (shared->acknowledged != ENTRIES || total < 100) {
        printf("without a fault, %d entries in %ld calls\n", (int)shared->acknowledged, total);
        return 1;
    }
    for (fault = LAYER_EIO_ONCE; fault < LAYER_FAULTS; fault++) {
        long tried = 0, told = 0;
        int wrong = 0;

        for (at = 0; at < total; at++) {
            if (turn++ % stride != 0)
                continue;
            if (system(command) != 0)
                return 2;
            memset(shared, 0, sizeof(*shared));
            in_process(work, path, (enum layer_fault)fault, at);
            if (!shared->hit)
                continue; /* none of its kind */
            tried++;
            told += shared->refused > 0;
            if ((fault == LAYER_SHORT || fault == LAYER_EINTR) &&
                (shared->refused > 0 || shared->acknowledged != ENTRIES))
                WRONG("it is no failure");
            in_process(check, path, LAYER_NONE, 0);
            if (shared->wrong > 0) {
                printf("  with %s at call %ld of %ld\n", names[fault], at, total);
                wrong++;
            }
        }
        printf("%s: %ld of %ld calls tried, %ld told of\n", names[fault], tried, total, told);
        if (wrong == 0 && tried > 0)
            passed++;
        else
            failed++;
    }
    if (system(command) != 0)
        return 2;
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
