/*
 * Nodes and storages on several threads: each on its own, one that is handed over, one that is fought
 * for, a Ready that is saved while its node goes on, a storage that many read.
 *
 * CHECK counts without a lock, so that only the main thread uses it: the others count for themselves,
 * and are looked at when they have ended.
 */
#define _POSIX_C_SOURCE 200809L /* mkdir, pthread */

#include "threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

enum { THREADS = 4, ROUNDS = 50 };

static const uint8_t payload[] = "some data";

static int durable;
static const char *base;

/* A storage of its own, bootstrapped with this node as the only voter. */
static raft_storage *new_storage(uint64_t id)
{
    static int number;
    raft_storage *storage = NULL;
    if (durable) {
        char path[512];
        snprintf(path, sizeof path, "%s/thread-test-%d", base, number++);
        OK(raft_storage_open(path, &storage, &error));
    } else {
        OK(raft_storage_memory_new(&storage, &error));
    }
    OK(raft_storage_bootstrap(storage, 1, 1, &id, 1, NULL, 0, payload, sizeof payload, &error));
    return storage;
}

static raft_node *new_node(uint64_t id, raft_storage *storage)
{
    raft_config *config = NULL;
    raft_node *node = NULL;
    OK(raft_config_new(id, &config, &error));
    OK(raft_config_set_seed(config, id, &error));
    OK(raft_node_new(config, storage, &node, &error));
    raft_config_free(config);
    return node;
}

/* Does all that the node asks for, and says how many proposals it has applied. */
static uint64_t work(raft_node *node, raft_storage *storage)
{
    uint64_t applied = 0;
    for (;;) {
        bool has = false;
        OK(raft_node_has_ready(node, &has, &error));
        if (!has) {
            return applied;
        }
        const raft_ready *ready = NULL;
        OK(raft_node_ready(node, &ready, &error));
        OK(raft_storage_save(storage, ready, &error));
        for (size_t i = 0; i < ready->committed_entries_len; i++) {
            applied += ready->committed_entries[i].data.len == sizeof payload;
        }
        OK(raft_node_advance(node, &error));
    }
}

static raft_node *new_leader(uint64_t id, raft_storage *storage)
{
    raft_node *node = new_node(id, storage);
    OK(raft_node_campaign(node, &error));
    work(node, storage);
    return node;
}

static void start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    if (pthread_create(thread, NULL, run, argument) != 0) {
        perror("pthread_create");
        exit(1);
    }
}

static void join(pthread_t thread)
{
    if (pthread_join(thread, NULL) != 0) {
        perror("pthread_join");
        exit(1);
    }
}

/* ------------------------------------------------------------------ each on its own */

struct own {
    raft_storage *storage;
    uint64_t id, applied;
};

static void *live_alone(void *argument)
{
    struct own *own = argument;
    raft_node *node = new_leader(own->id, own->storage);
    for (int round = 0; round < ROUNDS; round++) {
        OK(raft_node_propose(node, payload, sizeof payload, &error));
        own->applied += work(node, own->storage);
    }
    raft_node_free(node);
    return NULL;
}

static void nodes_on_threads_of_their_own_share_nothing(void)
{
    struct own own[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        own[i] = (struct own){new_storage((uint64_t)i + 1), (uint64_t)i + 1, 0};
        start(&threads[i], live_alone, &own[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        CHECK_EQ(own[i].applied, ROUNDS);
        raft_storage_free(own[i].storage);
    }
}

/* ------------------------------------------------------------------ handed over */

struct token {
    pthread_mutex_t mutex;
    pthread_cond_t passed;
    int turn; /* of which thread it is */
    raft_node *node;
    raft_storage *storage;
    uint64_t applied;
};

struct holder {
    struct token *token;
    int number;
};

static void *hold_in_turn(void *argument)
{
    struct holder *holder = argument;
    struct token *token = holder->token;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(&token->mutex);
        while (token->turn != holder->number) {
            pthread_cond_wait(&token->passed, &token->mutex);
        }
        /* Not even the lock is held while it is used: whose turn it is has the node alone. */
        pthread_mutex_unlock(&token->mutex);
        OK(raft_node_propose(token->node, payload, sizeof payload, &error));
        token->applied += work(token->node, token->storage);
        pthread_mutex_lock(&token->mutex);
        token->turn = (holder->number + 1) % THREADS;
        pthread_cond_broadcast(&token->passed);
        pthread_mutex_unlock(&token->mutex);
    }
    return NULL;
}

static void a_node_is_handed_from_thread_to_thread(void)
{
    struct token token = {.turn = 0, .applied = 0, .storage = new_storage(1)};
    pthread_mutex_init(&token.mutex, NULL);
    pthread_cond_init(&token.passed, NULL);
    token.node = new_leader(1, token.storage);
    struct holder holders[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        holders[i] = (struct holder){&token, i};
        start(&threads[i], hold_in_turn, &holders[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
    }
    CHECK_EQ(token.applied, THREADS * ROUNDS);
    raft_node_free(token.node);
    raft_storage_free(token.storage);
    pthread_cond_destroy(&token.passed);
    pthread_mutex_destroy(&token.mutex);
}

/* ------------------------------------------------------------------ fought for */

struct fight {
    raft_node *node;
    int number;
    uint64_t proposed, taken, refused, wrong;
};

/* Calls everything that there is on a node, without a look at what others do with it. */
static void *fight(void *argument)
{
    struct fight *self = argument;
    for (int round = 0; round < ROUNDS * 4; round++) {
        raft_status status = RAFT_OK;
        const raft_ready *ready = NULL;
        const raft_requests *requests = NULL;
        raft_buffer *buffer = NULL;
        raft_conf_state *members = NULL;
        raft_error *error = NULL;
        raft_node_status now = {.size = sizeof now};
        raft_metrics metrics = {.size = sizeof metrics};
        bool has = false;
        switch ((round + self->number) % 12) {
        case 0:
            status = raft_node_tick(self->node, &error);
            break;
        case 1:
        case 2:
            status = raft_node_propose(self->node, payload, sizeof payload, &error);
            self->proposed += status == RAFT_OK;
            break;
        case 3: /* That a Ready was not advanced is a misuse, too. */
            status = raft_node_ready(self->node, &ready, &error);
            break;
        case 4:
            status = raft_node_advance(self->node, &error);
            break;
        case 5:
            status = raft_node_has_ready(self->node, &has, &error);
            break;
        case 6:
            status = raft_node_get_status(self->node, &now, &error);
            break;
        case 7:
            status = raft_node_metrics(self->node, &metrics, &error);
            break;
        case 8:
            status = raft_node_status_encoded(self->node, &buffer, &error);
            break;
        case 9:
            status = raft_node_conf_state(self->node, &members, &error);
            break;
        case 10:
            status = raft_node_take_requests(self->node, &requests, &error);
            break;
        case 11:
            self->wrong += raft_node_id(self->node) != 1;
            break;
        }
        self->taken += status == RAFT_OK;
        self->refused += status == RAFT_ERR_MISUSE;
        self->wrong += status != RAFT_OK && status != RAFT_ERR_MISUSE;
        self->wrong += raft_error_code(error) != status;
        raft_error_free(error);
        raft_buffer_free(buffer);
        raft_conf_state_free(members);
    }
    return NULL;
}

static void threads_that_fight_for_a_node_get_it_or_an_error(void)
{
    raft_storage *storage = new_storage(1);
    raft_node *node = new_leader(1, storage);
    struct fight fights[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        fights[i] = (struct fight){node, i, 0, 0, 0, 0};
        start(&threads[i], fight, &fights[i]);
    }
    uint64_t proposed = 0, taken = 0;
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        CHECK_EQ(fights[i].wrong, 0);
        CHECK_EQ(fights[i].taken + fights[i].refused, ROUNDS * 4);
        proposed += fights[i].proposed;
        taken += fights[i].taken;
    }
    CHECK(taken > 0);
    raft_node_status now = {.size = sizeof now};
    OK(raft_node_get_status(node, &now, &error));
    CHECK_EQ(now.last_index, 2 + proposed);
    raft_node_free(node);
    raft_storage_free(storage);
}

/* ------------------------------------------------------------------ saved meanwhile */

struct lent {
    raft_storage *storage;
    const raft_ready *ready;
    uint64_t sum;
};

static void *save(void *argument)
{
    struct lent *lent = argument;
    OK(raft_storage_save(lent->storage, lent->ready, &error));
    for (size_t i = 0; i < lent->ready->encoded.len; i++) {
        lent->sum += lent->ready->encoded.data[i];
    }
    return NULL;
}

static void a_ready_is_saved_while_its_node_is_fed(void)
{
    raft_storage *storage = new_storage(1);
    raft_node *node = new_leader(1, storage);
    uint64_t applied = 0;
    for (int round = 0; round < ROUNDS; round++) {
        OK(raft_node_propose(node, payload, sizeof payload, &error));
        struct lent lent = {.storage = storage, .sum = 0};
        OK(raft_node_ready(node, &lent.ready, &error));
        for (size_t i = 0; i < lent.ready->committed_entries_len; i++) {
            applied += lent.ready->committed_entries[i].data.len == sizeof payload;
        }
        uint64_t sum = 0;
        for (size_t i = 0; i < lent.ready->encoded.len; i++) {
            sum += lent.ready->encoded.data[i];
        }
        pthread_t saver;
        start(&saver, save, &lent);
        for (int i = 0; i < 5; i++) {
            const raft_ready *none = NULL;
            OK(raft_node_tick(node, &error));
            OK(raft_node_propose(node, payload, sizeof payload, &error));
            FAILS(RAFT_ERR_MISUSE, raft_node_ready(node, &none, &error));
            FAILS(RAFT_ERR_MALFORMED, raft_node_step(node, (const uint8_t *)"\xff", 1, &error));
        }
        join(saver);
        CHECK_EQ(lent.sum, sum);
        OK(raft_node_advance(node, &error));
    }
    applied += work(node, storage);
    CHECK_EQ(applied, 6 * ROUNDS);
    raft_node_free(node);
    raft_storage_free(storage);
}

/* ------------------------------------------------------------------ read by many */

struct reader {
    raft_storage *storage;
    uint64_t read, wrong;
};

/* Reads what there is, which may be compacted between two calls. */
static void *read_all(void *argument)
{
    struct reader *reader = argument;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t first = 0, last = 0, term = 0;
        raft_hard_state state;
        raft_entries *entries = NULL;
        raft_snapshot *snapshot = NULL;
        raft_buffer *restart = NULL;
        OK(raft_storage_first_index(reader->storage, &first, &error));
        OK(raft_storage_last_index(reader->storage, &last, &error));
        OK(raft_storage_hard_state(reader->storage, &state, &error));
        raft_status status = raft_storage_term(reader->storage, last, &term, NULL);
        reader->wrong += status != RAFT_OK && status != RAFT_ERR_COMPACTED;
        status = raft_storage_entries(reader->storage, first, last + 1, RAFT_NO_LIMIT, &entries, NULL);
        reader->wrong += status != RAFT_OK && status != RAFT_ERR_COMPACTED;
        for (size_t i = 0; status == RAFT_OK && i < entries->entries_len; i++) {
            reader->wrong += entries->entries[i].index != first + i;
            reader->read++;
        }
        OK(raft_storage_snapshot(reader->storage, &snapshot, &error));
        reader->wrong += snapshot->data.len != sizeof payload;
        OK(raft_storage_restart_state(reader->storage, &restart, &error));
        raft_entries_free(entries);
        raft_snapshot_free(snapshot);
        raft_buffer_free(restart);
    }
    return NULL;
}

static void a_storage_is_read_by_many_while_its_node_writes_and_compacts(void)
{
    raft_storage *storage = new_storage(1);
    raft_node *node = new_leader(1, storage);
    struct reader readers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){storage, 0, 0};
        start(&threads[i], read_all, &readers[i]);
    }
    uint64_t last = 0;
    for (int round = 0; round < ROUNDS; round++) {
        OK(raft_node_propose(node, payload, sizeof payload, &error));
        CHECK_EQ(work(node, storage), 1);
        OK(raft_storage_last_index(storage, &last, &error));
        if (round % 10 == 9) {
            OK(raft_storage_create_snapshot(storage, last, NULL, 0, payload, sizeof payload, &error));
            OK(raft_storage_compact(storage, last - 3, &error));
        }
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        CHECK_EQ(readers[i].wrong, 0);
        CHECK(readers[i].read > 0);
    }
    CHECK_EQ(last, 2 + ROUNDS);
    raft_node_free(node);
    raft_storage_free(storage);
}

/* ------------------------------------------------------------------ settings */

static void *set_often(void *argument)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        OK(raft_config_set_election_ticks(argument, 10 + round % 2, &error));
    }
    return NULL;
}

static void *make_nodes(void *argument)
{
    raft_storage *storage = NULL;
    OK(raft_storage_memory_new(&storage, &error));
    for (int round = 0; round < ROUNDS; round++) {
        raft_node *node = NULL;
        OK(raft_node_new(argument, storage, &node, &error));
        raft_node_free(node);
    }
    raft_storage_free(storage);
    return NULL;
}

static void a_configuration_is_shared_and_set_meanwhile(void)
{
    raft_config *config = NULL;
    OK(raft_config_new(1, &config, &error));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        start(&threads[i], i % 2 == 0 ? set_often : make_nodes, config);
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
    }
    raft_config_free(config);
}

void run_thread_tests(int on_disk, const char *directory)
{
    const char *label = on_disk ? "durable" : "memory";
    durable = on_disk;
    base = directory;
    RUN(nodes_on_threads_of_their_own_share_nothing(), label);
    RUN(a_node_is_handed_from_thread_to_thread(), label);
    RUN(threads_that_fight_for_a_node_get_it_or_an_error(), label);
    RUN(a_ready_is_saved_while_its_node_is_fed(), label);
    RUN(a_storage_is_read_by_many_while_its_node_writes_and_compacts(), label);
    RUN(a_configuration_is_shared_and_set_meanwhile(), label);
}
