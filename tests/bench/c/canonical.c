/*
 * The replicated workloads on canonical/raft (Debian's libraft-dev): servers in one thread, whose disks and
 * network are in memory. The log is compacted every 10,000 entries, by the library itself, and 100 are kept.
 * By default a command is a call of its own, with --best a batch is one call.
 *
 * The library comes with such servers, in raft/fixture.h, but for tests: with each step they copy the leader's
 * log, which makes a proposal cost milliseconds. So disks and network are our own. They favour the library where
 * there is a choice: a disk keeps nothing, since the log is in memory besides, and what is sent is copied once
 * instead of encoded and decoded. A follower hears of a commit with the next append or heartbeat, so that the
 * clock is put forward by a heartbeat when nothing else is left to do.
 *
 * Names, checks and output are those of ../harness.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <raft.h>

#include "counted.h"

enum { MAX_NODES = 16, MAX_BATCH = 1024, HEARTBEAT_MS = 100 };

typedef struct machine {
    uint64_t commands, digest;
} machine;

/* A disk write, a message that is sent, or a snapshot that is stored: what has been asked for and not done. */
typedef struct task {
    enum { APPEND, SEND, SNAPSHOT } kind;
    void *request;
    union {
        raft_io_append_cb append;
        raft_io_send_cb send;
        raft_io_snapshot_put_cb snapshot;
    } done;
    struct raft_message message;
} task;

typedef struct server {
    struct raft raft;
    struct raft_io io;
    struct raft_fsm fsm;
    machine machine;
    char address[16];
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    struct raft_buffer configuration;
    /* A ring that is never full: see `push`. */
    task *tasks;
    size_t first, len, room;
} server;

static server servers[MAX_NODES];
static unsigned nodes;
static raft_time now_ms;
static bool best;

static void must(int status, const char *what) {
    if (status != 0) {
        fprintf(stderr, "%s: %s\n", what, raft_strerror(status));
        exit(1);
    }
}

static void *allocated(size_t size) {
    void *memory = raft_malloc(size);
    expect(memory != NULL, "there is memory");
    return memory;
}

static int apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result) {
    machine *machine = fsm->data;
    uint64_t number = buf->len;
    for (int i = 0; i < 8; i++) number ^= (uint64_t)((const uint8_t *)buf->base)[i] << (8 * i);
    machine->commands++;
    machine->digest = (machine->digest ^ number) * UINT64_C(0x100000001b3);
    *result = NULL;
    return 0;
}

static int snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs) {
    *bufs = allocated(sizeof **bufs);
    (*bufs)->len = sizeof(machine);
    (*bufs)->base = allocated(sizeof(machine));
    memcpy((*bufs)->base, fsm->data, sizeof(machine));
    *n_bufs = 1;
    return 0;
}

static int restore(struct raft_fsm *fsm, struct raft_buffer *buf) {
    expect(buf->len == sizeof(machine), "the snapshot is one of these");
    memcpy(fsm->data, buf->base, sizeof(machine));
    raft_free(buf->base);
    return 0;
}

/* Disks and network, as the library calls them. */

static task *push(struct raft_io *io) {
    server *server = io->impl;
    if (server->len == server->room) {
        size_t room = server->room ? 2 * server->room : 64;
        task *tasks = __real_malloc(room * sizeof *tasks);
        expect(tasks != NULL, "there is memory");
        for (size_t i = 0; i < server->len; i++) {
            tasks[i] = server->tasks[(server->first + i) % server->room];
        }
        free(server->tasks);
        server->tasks = tasks, server->first = 0, server->room = room;
    }
    return &server->tasks[(server->first + server->len++) % server->room];
}

static int io_init(struct raft_io *io, raft_id id, const char *address) {
    (void)io, (void)id, (void)address;
    return 0;
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *configuration) {
    server *server = io->impl;
    return raft_configuration_encode(configuration, &server->configuration);
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot,
                   raft_index *start_index, struct raft_entry *entries[], size_t *n_entries) {
    server *server = io->impl;
    *entries = allocated(sizeof **entries);
    **entries = (struct raft_entry){
        .term = 1, .type = RAFT_CHANGE, .buf = server->configuration, .batch = server->configuration.base};
    *term = 1, *vote = 0, *snapshot = NULL, *start_index = 1, *n_entries = 1;
    return 0;
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb receive) {
    server *server = io->impl;
    (void)msecs;
    server->tick = tick, server->receive = receive;
    return 0;
}

static int io_set_term(struct raft_io *io, raft_term term) {
    (void)io, (void)term;
    return 0;
}

static int io_set_vote(struct raft_io *io, raft_id vote) {
    (void)io, (void)vote;
    return 0;
}

static int io_append(struct raft_io *io, struct raft_io_append *request, const struct raft_entry entries[],
                     unsigned n, raft_io_append_cb done) {
    (void)entries, (void)n;
    *push(io) = (task){.kind = APPEND, .request = request, .done.append = done};
    return 0;
}

static int io_truncate(struct raft_io *io, raft_index index) {
    (void)io, (void)index;
    return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb done) {
    (void)trailing, (void)snapshot;
    *push(io) = (task){.kind = SNAPSHOT, .request = request, .done.snapshot = done};
    return 0;
}

/* Entries as a receiver has them who has read them from a connection: all data in one piece of memory. */
static int io_send(struct raft_io *io, struct raft_io_send *request, const struct raft_message *message,
                   raft_io_send_cb done) {
    task *task = push(io);
    *task = (struct task){.kind = SEND, .request = request, .done.send = done, .message = *message};
    if (message->type != RAFT_IO_APPEND_ENTRIES || message->append_entries.n_entries == 0) return 0;
    const struct raft_append_entries *from = &message->append_entries;
    size_t size = 0;
    for (unsigned i = 0; i < from->n_entries; i++) size += from->entries[i].buf.len;
    struct raft_entry *entries = allocated(from->n_entries * sizeof *entries);
    char *place = allocated(size), *batch = place;
    for (unsigned i = 0; i < from->n_entries; i++) {
        entries[i] = from->entries[i];
        entries[i].buf.base = place, entries[i].batch = batch;
        memcpy(place, from->entries[i].buf.base, from->entries[i].buf.len);
        place += from->entries[i].buf.len;
    }
    task->message.append_entries.entries = entries;
    return 0;
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *request, raft_io_snapshot_get_cb done) {
    (void)io, (void)request, (void)done;
    expect(false, "nobody is so far behind as to need a snapshot");
    return RAFT_IOERR;
}

static raft_time io_time(struct raft_io *io) {
    (void)io;
    return now_ms;
}

/* The first server's election time-out is the shortest. */
static int io_random(struct raft_io *io, int min, int max) {
    int chosen = min + 200 * (int)((server *)io->impl - servers);
    return chosen < max ? chosen : max - 1;
}

static void work(server *server) {
    task task = server->tasks[server->first];
    server->first = (server->first + 1) % server->room;
    server->len--;
    if (task.kind == APPEND) {
        task.done.append(task.request, 0);
    } else if (task.kind == SNAPSHOT) {
        task.done.snapshot(task.request, 0);
    } else {
        struct server *to = &servers[task.message.server_id - 1];
        task.message.server_id = server->raft.id;
        task.message.server_address = server->address;
        task.done.send(task.request, 0);
        to->receive(&to->io, &task.message);
    }
}

static void run(void) {
    for (bool idle = false; !idle;) {
        idle = true;
        for (unsigned i = 0; i < nodes; i++) {
            for (; servers[i].len > 0; idle = false) work(&servers[i]);
        }
    }
}

static void pass_time(void) {
    now_ms += HEARTBEAT_MS;
    for (unsigned i = 0; i < nodes; i++) servers[i].tick(&servers[i].io);
    run();
}

static struct raft *leader(void) { return &servers[0].raft; }

static void start(void) {
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < nodes; i++) {
        snprintf(servers[i].address, sizeof servers[i].address, "%u", i + 1);
        must(raft_configuration_add(&configuration, i + 1, servers[i].address, RAFT_VOTER), "configuration");
    }
    for (unsigned i = 0; i < nodes; i++) {
        server *server = &servers[i];
        server->io = (struct raft_io){.version = 1, .impl = server, .init = io_init, .load = io_load,
                                      .start = io_start, .bootstrap = io_bootstrap, .set_term = io_set_term,
                                      .set_vote = io_set_vote, .send = io_send, .append = io_append,
                                      .truncate = io_truncate, .snapshot_put = io_snapshot_put,
                                      .snapshot_get = io_snapshot_get, .time = io_time, .random = io_random};
        server->fsm = (struct raft_fsm){.version = 1, .data = &server->machine, .apply = apply,
                                        .snapshot = snapshot, .restore = restore};
        must(raft_init(&server->raft, &server->io, &server->fsm, i + 1, server->address), "init");
        raft_set_snapshot_threshold(&server->raft, 10000);
        raft_set_snapshot_trailing(&server->raft, 100);
        must(raft_bootstrap(&server->raft, &configuration), "bootstrap");
        must(raft_start(&server->raft), "start");
    }
    raft_configuration_close(&configuration);
    for (int i = 0; i < 100 && raft_state(leader()) != RAFT_LEADER; i++) pass_time();
    expect(raft_state(leader()) == RAFT_LEADER, "the first server is elected");
}

static size_t payload_len;
static uint64_t payload_number;

static struct raft_buffer payload(void) {
    struct raft_buffer buffer = {.base = allocated(payload_len), .len = payload_len};
    uint8_t *bytes = buffer.base;
    uint64_t number = ++payload_number;
    for (size_t i = 0; i < payload_len; i++) bytes[i] = (uint8_t)(i < 8 ? number >> (8 * i) : i);
    return buffer;
}

static struct raft_apply requests[MAX_BATCH];
static unsigned answered;

static void applied(struct raft_apply *request, int status, void *result) {
    (void)request, (void)result;
    must(status, "apply");
    answered++;
}

static bool all_applied(raft_index last) {
    for (unsigned i = 0; i < nodes; i++) {
        if (raft_last_applied(&servers[i].raft) < last) return false;
    }
    return true;
}

static void propose(unsigned batch) {
    static struct raft_buffer buffers[MAX_BATCH];
    for (unsigned i = 0; i < batch; i++) buffers[i] = payload();
    answered = 0;
    if (best) {
        must(raft_apply(leader(), &requests[0], buffers, batch, applied), "raft_apply");
    } else {
        for (unsigned i = 0; i < batch; i++) {
            must(raft_apply(leader(), &requests[i], &buffers[i], 1, applied), "raft_apply");
        }
    }
    raft_index last = raft_last_index(leader());
    run();
    for (int i = 0; i < 10 && !all_applied(last); i++) pass_time();
    expect(all_applied(last), "all is applied");
    expect(answered == (best ? 1 : batch), "every request is answered");
}

__attribute__((noinline)) void bench_measured(unsigned batch, uint64_t batches) {
    for (uint64_t i = 0; i < batches; i++) propose(batch);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
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
    unsigned batch = 0, len = 0;
    char unit = 0;
    int fields = sscanf(name, "rep%u_b%u_%u%c", &nodes, &batch, &len, &unit);
    payload_len = unit == 'k' ? (size_t)len * 1024 : len;
    if (fields < 3 || nodes == 0 || nodes > MAX_NODES || batch == 0 || batch > MAX_BATCH ||
        payload_len < 8) {
        fprintf(stderr, "no workload is called %s\n", name);
        return 2;
    }
    start();
    uint64_t batches = 200000 / (batch * nodes * (payload_len / 64 + 1));
    if (batches < 1) batches = 1;
    if (batches > 5000) batches = 5000;
    bench_measured(batch, batches);
    uint64_t ops = 0, ns = 0, count_before = allocations, bytes_before = allocated_bytes;
    while (ops == 0 || ops < ops_wanted || (double)ns < seconds * 1e9) {
        uint64_t begun = now_ns();
        bench_measured(batch, batches);
        ns += now_ns() - begun;
        ops += batch * batches;
    }
    for (unsigned i = 0; i < nodes; i++) {
        expect(servers[i].machine.commands == ops + batch * batches, "every command is applied");
        expect(servers[i].machine.digest == servers[0].machine.digest, "all have applied the same");
    }
    printf("{\"library\": \"canonical/raft\", \"workload\": \"%s\", \"mode\": \"%s\", \"ops\": %" PRIu64
           ", \"ns\": %" PRIu64 ", \"allocations\": %" PRIu64 ", \"allocated_bytes\": %" PRIu64 ", \"node_bytes\": 0}\n",
           name, best ? "Best" : "Default", ops, ns, allocations - count_before, allocated_bytes - bytes_before);
    return 0;
}
