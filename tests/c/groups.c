/*
 * Many groups of three, each with a member on each of three hosts: once with the hosts of examples/groups,
 * which touch a group only when it is due, and once with hosts that tick all in one call. Both have to
 * come to the same.
 */
#include "groups.h"

#include <string.h>

#include "../../examples/groups/host.h"
#include "check.h"

enum { HOSTS = 3, GROUPS = 200 };

struct packet {
    int32_t number;
    uint64_t to;
    uint8_t *data;
    size_t len;
};

struct world {
    struct groups hosts[HOSTS];
    struct group rooms[HOSTS][GROUPS];
    uint64_t applied[HOSTS][GROUPS]; /* commands */
    raft_node *nodes[HOSTS][GROUPS];
    uint64_t looked_at; /* nodes */
    int at_once;        /* whether all get their ticks in one call */
};

static struct world worlds[2];
static struct packet *packets;
static size_t packets_len, packets_cap;

void groups_send(struct groups *all, int32_t number, const raft_message *message)
{
    (void)all;
    if (packets_len == packets_cap) {
        packets_cap = packets_cap * 2 + 1000;
        packets = realloc(packets, packets_cap * sizeof *packets);
    }
    struct packet packet = {number, message->to, malloc(message->encoded.len), message->encoded.len};
    memcpy(packet.data, message->encoded.data, packet.len);
    packets[packets_len++] = packet;
}

void groups_apply(struct groups *all, int32_t number, const raft_entry *entry)
{
    for (int i = 0; i < 2; i++) {
        if (all < worlds[i].hosts || all >= worlds[i].hosts + HOSTS) continue;
        worlds[i].applied[all - worlds[i].hosts][number] += entry->data.len > 0;
    }
}

static void start(struct world *world, int at_once)
{
    static const uint64_t voters[HOSTS] = {1, 2, 3};
    memset(world, 0, sizeof *world);
    world->at_once = at_once;
    for (int host = 0; host < HOSTS; host++) {
        groups_begin(&world->hosts[host], world->rooms[host]);
        for (uint64_t i = 0; i < GROUPS; i++) {
            raft_config *config = NULL;
            raft_storage *storage = NULL;
            raft_node *node = NULL;
            OK(raft_config_new((uint64_t)host + 1, &config, &error));
            OK(raft_config_set_seed(config, i * HOSTS + (uint64_t)host, &error));
            OK(raft_config_set_election_ticks(config, 40, &error));
            OK(raft_config_set_heartbeat_ticks(config, 8, &error));
            OK(raft_storage_memory_new(&storage, &error));
            OK(raft_storage_bootstrap(storage, 1, 1, voters, HOSTS, NULL, 0, NULL, 0, &error));
            OK(raft_node_new(config, storage, &node, &error));
            raft_config_free(config);
            groups_add(&world->hosts[host], node, storage);
            world->nodes[host][i] = node;
        }
    }
}

static void end(struct world *world)
{
    for (int host = 0; host < HOSTS; host++) {
        for (int i = 0; i < GROUPS; i++) {
            raft_node_free(world->rooms[host][i].node);
            raft_storage_free(world->rooms[host][i].storage);
        }
    }
    free(packets);
    packets = NULL;
    packets_len = packets_cap = 0;
}

static void tick_at_once(struct world *world, int host)
{
    struct groups *all = &world->hosts[host];
    uint32_t ready[GROUPS];
    raft_node_failure failed[GROUPS];
    size_t ready_len, failed_len;
    OK(raft_nodes_tick(world->nodes[host], GROUPS, 1, ready, &ready_len, failed, &failed_len, &error));
    CHECK_EQ(failed_len, 0);
    all->now++;
    for (int i = 0; i < GROUPS; i++) all->list[i].seen = all->now;
    for (size_t i = 0; i < ready_len; i++) groups_work(all, (int32_t)ready[i]);
}

/* A tick of all hosts; then all messages arrive. */
static void tick(struct world *world)
{
    for (int host = 0; host < HOSTS; host++) {
        struct groups *all = &world->hosts[host];
        if (world->at_once) {
            tick_at_once(world, host);
            continue;
        }
        for (int32_t i = all->wheel[(all->now + 1) % SLOTS]; i != NOBODY; i = all->list[i].right)
            world->looked_at++;
        groups_tick(all);
    }
    for (size_t i = 0; i < packets_len; i++) {
        struct packet packet = packets[i];
        CHECK(groups_step(&world->hosts[packet.to - 1], packet.number, packet.data, packet.len) == RAFT_OK);
        free(packet.data);
    }
    packets_len = 0;
}

static raft_node_status status_of(raft_node *node)
{
    raft_node_status status;
    memset(&status, 0, sizeof status);
    status.size = sizeof status;
    OK(raft_node_get_status(node, &status, &error));
    return status;
}

/* All that happens to a world: elections, a command for each group, rest. */
static void live(struct world *world)
{
    static const uint8_t command[] = "command";
    for (int i = 0; i < 200; i++) tick(world);
    for (int32_t number = 0; number < GROUPS; number++) {
        int leaders = 0;
        for (int host = 0; host < HOSTS; host++) {
            if (status_of(world->nodes[host][number]).role != RAFT_ROLE_LEADER) continue;
            leaders++;
            CHECK(groups_propose(&world->hosts[host], number, command, sizeof command) == RAFT_OK);
        }
        CHECK_EQ(leaders, 1);
    }
    for (int i = 0; i < 10; i++) tick(world);
    for (int host = 0; host < HOSTS; host++) {
        for (int i = 0; i < GROUPS; i++) CHECK_EQ(world->applied[host][i], 1);
    }
    world->looked_at = 0;
    for (int i = 0; i < 100; i++) tick(world);
}

void leaves_groups_alone_until_they_are_due(void)
{
    for (int i = 0; i < 2; i++) {
        start(&worlds[i], i);
        live(&worlds[i]);
    }
    for (int host = 0; host < HOSTS; host++) {
        for (int32_t i = 0; i < GROUPS; i++) {
            raft_buffer *states[2] = {NULL, NULL};
            for (int which = 0; which < 2; which++) {
                raft_node *node = groups_touch(&worlds[which].hosts[host], i);
                OK(raft_node_status_encoded(node, &states[which], &error));
            }
            raft_bytes one = raft_buffer_bytes(states[0]), other = raft_buffer_bytes(states[1]);
            CHECK(one.len == other.len && memcmp(one.data, other.data, one.len) == 0);
            raft_buffer_free(states[0]);
            raft_buffer_free(states[1]);
        }
    }
    /* In 100 ticks of rest, a leader is due for each heartbeat, and a follower where it was to be looked
     * at before the last heartbeat came. */
    CHECK(worlds[0].looked_at > 100 / 8 * GROUPS);
    CHECK(worlds[0].looked_at < 100 * GROUPS * HOSTS / 8);
    end(&worlds[0]);
    end(&worlds[1]);
}

void ticks_an_array_of_nodes(void)
{
    struct world *world = &worlds[0];
    start(world, 1);
    uint32_t ready[GROUPS + 1];
    raft_node_failure failed[GROUPS + 1];
    size_t ready_len = 7, failed_len = 7;
    raft_node *nodes[GROUPS + 1];
    memcpy(nodes, world->nodes[0], sizeof world->nodes[0]);
    nodes[GROUPS] = NULL;
    raft_error *error = NULL;
    CHECK(raft_nodes_tick(nodes, GROUPS + 1, 90, ready, &ready_len, failed, &failed_len, &error) == RAFT_ERR_NULL);
    CHECK(strstr(raft_error_message(error), "nodes[200]") != NULL);
    raft_error_free(error);
    CHECK_EQ(ready_len, 7);
    for (int i = 0; i < GROUPS; i++) {
        uint64_t deadline = 0;
        OK(raft_node_next_deadline(nodes[i], &deadline, &error));
        CHECK(deadline >= 40 && deadline <= 80);
    }
    OK(raft_nodes_tick(nodes, GROUPS, 39, ready, &ready_len, failed, &failed_len, &error));
    CHECK_EQ(ready_len, 0);
    OK(raft_nodes_tick(nodes, GROUPS, 41, ready, &ready_len, failed, &failed_len, &error));
    CHECK_EQ(ready_len, GROUPS);
    CHECK_EQ(failed_len, 0);
    for (uint32_t i = 0; i < GROUPS; i++) CHECK_EQ(ready[i], i);
    end(world);
}
