#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        printf("out of memory\n");
        exit(1);
    }
    return memory;
}

/* The snapshot in the storage becomes the state. */
static void restore(struct member *member, raft_bytes data)
{
    memset(&member->state, 0, sizeof member->state);
    if (data.len == sizeof member->state) {
        memcpy(&member->state, data.data, sizeof member->state);
    } else {
        CHECK_EQ(data.len, 0);
    }
}

void cluster_begin(struct cluster *cluster, int durable, const char *directory, uint64_t voters)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->durable = durable;
    cluster->directory = directory;
    uint64_t ids[MAX_NODES] = {1, 2, 3, 4, 5};
    struct state first = {0, 0, 1};
    for (uint64_t id = 1; id <= voters; id++) {
        cluster_start(cluster, id);
        cluster_crash(cluster, id);
        struct member *member = &cluster->members[id];
        if (durable) {
            OK(raft_storage_open(member->path, &member->storage, &error));
        }
        OK(raft_storage_bootstrap(member->storage, 1, 1, ids, (size_t)voters, NULL, 0,
                                  (const uint8_t *)&first, sizeof first, &error));
        if (durable) {
            raft_storage_free(member->storage);
            member->storage = NULL;
        }
        cluster_start(cluster, id);
    }
}

void cluster_start(struct cluster *cluster, uint64_t id)
{
    struct member *member = &cluster->members[id];
    if (member->id == 0) {
        member->id = id;
        snprintf(member->path, sizeof member->path, "%s/node%d", cluster->directory, (int)id);
        if (!cluster->durable) {
            OK(raft_storage_memory_new(&member->storage, &error));
        }
    }
    if (cluster->durable) {
        OK(raft_storage_open(member->path, &member->storage, &error));
        /* While it is open, nobody else can open it. */
        raft_storage *second = NULL;
        FAILS(RAFT_ERR_LOCKED, raft_storage_open(member->path, &second, &error));
        CHECK(second == NULL);
    }
    raft_snapshot *snapshot = NULL;
    OK(raft_storage_snapshot(member->storage, &snapshot, &error));
    restore(member, snapshot->data);
    CHECK(snapshot->index <= 1 || member->state.applied == snapshot->index);
    member->snapshot_index = snapshot->index;
    raft_snapshot_free(snapshot);

    raft_config *config = NULL;
    OK(raft_config_new(id, &config, &error));
    OK(raft_config_set_seed(config, 1000 + id, &error));
    /* Small limits, so that every path is taken with few entries. */
    OK(raft_config_set_max_size_per_msg(config, 256, &error));
    OK(raft_config_set_max_inflight_msgs(config, 8, &error));
    OK(raft_config_set_max_cached_bytes(config, 512, &error));
    OK(raft_node_new(config, member->storage, &member->node, &error));
    raft_config_free(config);
    CHECK_EQ(raft_node_id(member->node), id);
}

void cluster_crash(struct cluster *cluster, uint64_t id)
{
    struct member *member = &cluster->members[id];
    raft_node_free(member->node);
    member->node = NULL;
    if (cluster->durable) {
        raft_storage_free(member->storage);
        member->storage = NULL;
    }
    raft_conf_state_free(member->members);
    member->members = NULL;
}

void cluster_end(struct cluster *cluster)
{
    for (uint64_t id = 1; id <= MAX_NODES; id++) {
        struct member *member = &cluster->members[id];
        raft_node_free(member->node);
        raft_storage_free(member->storage);
        raft_conf_state_free(member->members);
    }
    for (size_t i = 0; i < cluster->packets_len; i++) {
        free(cluster->packets[i].data);
    }
    free(cluster->packets);
}

static void send(struct cluster *cluster, const raft_message *message)
{
    /* What a transport reads from the bytes is what the view says. */
    raft_message decoded;
    OK(raft_message_decode(message->encoded.data, message->encoded.len, &decoded, &error));
    CHECK_EQ(decoded.to, message->to);
    CHECK_EQ(decoded.from, message->from);
    CHECK_EQ(decoded.term, message->term);
    CHECK_EQ(decoded.type, message->type);
    CHECK_EQ(decoded.snapshot_index, message->snapshot_index);
    CHECK(decoded.snapshot_data.data == message->snapshot_data.data);
    CHECK_EQ(decoded.snapshot_data.len, message->snapshot_data.len);

    if (cluster->packets_len == cluster->packets_cap) {
        cluster->packets_cap = cluster->packets_cap * 2 + 16;
        cluster->packets =
            must(realloc(cluster->packets, cluster->packets_cap * sizeof *cluster->packets));
    }
    struct packet *packet = &cluster->packets[cluster->packets_len++];
    packet->from = message->from;
    packet->to = message->to;
    packet->type = message->type;
    packet->len = message->encoded.len;
    packet->data = must(malloc(packet->len));
    memcpy(packet->data, message->encoded.data, packet->len);
    if (cluster->tap != NULL) {
        cluster->tap(message);
    }
}

static void apply(struct member *member, const raft_entry *entry)
{
    CHECK_EQ(entry->index, member->state.applied + 1);
    member->state.applied = entry->index;
    if (entry->type == RAFT_ENTRY_NORMAL) {
        if (entry->data.len != 0) {
            member->state.commands++;
            for (size_t i = 0; i < entry->data.len; i++) {
                member->state.hash = member->state.hash * 31 + entry->data.data[i];
            }
        }
        return;
    }
    raft_conf_state *members = NULL;
    OK(raft_node_apply_conf_change(member->node, entry->type, entry->data.data, entry->data.len,
                                   &members, &error));
    raft_conf_state_free(member->members);
    member->members = members;
    member->members_changed = 1;
}

/* A snapshot is due after so many entries; and after a change of members, since a new member takes
 * none that does not name it. */
static void snapshot(struct cluster *cluster, struct member *member)
{
    uint64_t applied = member->state.applied;
    uint64_t due = member->snapshot_index + cluster->snapshot_every;
    if (cluster->snapshot_every == 0 || (applied < due && !member->members_changed)) {
        return;
    }
    member->members_changed = 0;
    raft_conf_state *members = NULL;
    OK(raft_node_conf_state(member->node, &members, &error));
    OK(raft_storage_create_snapshot(member->storage, applied, members->encoded.data,
                                    members->encoded.len, (const uint8_t *)&member->state,
                                    sizeof member->state, &error));
    raft_conf_state_free(members);
    member->snapshot_index = applied;
    /* A few entries are kept for followers that lag a little. */
    uint64_t first = 0;
    OK(raft_storage_first_index(member->storage, &first, &error));
    if (applied - 5 > first) {
        OK(raft_storage_compact(member->storage, applied - 5, &error));
    }
}

static void on_read(struct member *member, const raft_read_state *read)
{
    uint64_t number = 0;
    CHECK_EQ(read->context.len, sizeof number);
    if (read->context.len == sizeof number) {
        memcpy(&number, read->context.data, sizeof number);
        CHECK(number < MAX_READS);
        CHECK_EQ(member->reads_index[number], 0); /* no read is answered twice */
        member->reads_index[number] = read->index;
    }
}

/* The next Ready after the last one, if there is one. Half of the members have it in one call. */
static const raft_ready *next_ready(struct member *member, const raft_ready *last)
{
    const raft_ready *ready = NULL;
    bool has = false;
    if (member->id % 2 == 1) {
        OK(raft_node_next_ready(member->node, &ready, &error));
        return ready;
    }
    if (last != NULL) {
        OK(raft_node_advance(member->node, &error));
    }
    OK(raft_node_has_ready(member->node, &has, &error));
    if (has) {
        OK(raft_node_ready(member->node, &ready, &error));
    }
    return ready;
}

/* One turn of the host's loop. */
static void turn(struct cluster *cluster, struct member *member, const raft_ready *ready)
{
    OK(raft_storage_save(member->storage, ready, &error));
    if (ready->soft_state != NULL && ready->soft_state->role == RAFT_ROLE_LEADER) {
        /* At most one leader in each term. */
        raft_node_status status = cluster_status(cluster, member->id);
        uint64_t *leader = &cluster->leader_of_term[status.term % 1024];
        CHECK(*leader == 0 || *leader == member->id);
        *leader = member->id;
        member->elections++;
    }
    for (size_t i = 0; i < ready->messages_len; i++) {
        send(cluster, &ready->messages[i]);
    }
    if (ready->snapshot != NULL) {
        restore(member, ready->snapshot->data);
        CHECK_EQ(member->state.applied, ready->snapshot->index);
        member->snapshot_index = ready->snapshot->index;
        member->snapshots_received++;
    }
    for (size_t i = 0; i < ready->committed_entries_len; i++) {
        apply(member, &ready->committed_entries[i]);
    }
    for (size_t i = 0; i < ready->read_states_len; i++) {
        on_read(member, &ready->read_states[i]);
    }
    CHECK_EQ(ready->reads_len, 0); /* it reads from its storage by itself */
    CHECK_EQ(ready->snapshot_requests_len, 0);
    snapshot(cluster, member);
}

static void report(struct cluster *cluster, const struct packet *packet, int delivered)
{
    raft_node *sender = cluster->members[packet->from].node;
    if (sender == NULL) {
        return;
    }
    if (packet->type == RAFT_MSG_SNAP) {
        OK(raft_node_report_snapshot(sender, packet->to,
                                     delivered ? RAFT_SNAPSHOT_FINISH : RAFT_SNAPSHOT_FAILURE,
                                     &error));
    }
    if (!delivered) {
        OK(raft_node_report_unreachable(sender, packet->to, &error));
    }
}

static void deliver(struct cluster *cluster, const struct packet *packet)
{
    raft_node *node = packet->to <= MAX_NODES ? cluster->members[packet->to].node : NULL;
    if (node != NULL) {
        raft_error *error = NULL;
        raft_status status = raft_node_step(node, packet->data, packet->len, &error);
        /* A member that was just removed still answers. */
        CHECK(status == RAFT_OK || status == RAFT_ERR_UNKNOWN_PEER ||
              status == RAFT_ERR_DROPPED || status == RAFT_ERR_READ_DROPPED);
        if (status != RAFT_OK && status != RAFT_ERR_UNKNOWN_PEER) {
            printf("note: %s\n", raft_error_message(error));
        }
        raft_error_free(error);
    }
    report(cluster, packet, node != NULL);
}

void cluster_settle(struct cluster *cluster)
{
    int busy = 1;
    for (int rounds = 0; busy; rounds++) {
        if (rounds > 20000) {
            printf("the nodes talk without an end\n");
            exit(1);
        }
        busy = 0;
        for (uint64_t id = 1; id <= MAX_NODES; id++) {
            struct member *member = &cluster->members[id];
            const raft_ready *ready = NULL;
            while (member->node != NULL && (ready = next_ready(member, ready)) != NULL) {
                turn(cluster, member, ready);
                busy = 1;
            }
        }
        struct packet *packets = cluster->packets;
        size_t len = cluster->packets_len;
        cluster->packets = NULL;
        cluster->packets_len = cluster->packets_cap = 0;
        for (size_t i = 0; i < len; i++) {
            deliver(cluster, &packets[i]);
            free(packets[i].data);
            busy = 1;
        }
        free(packets);
    }
}

void cluster_tick(struct cluster *cluster, int ticks)
{
    for (; ticks > 0; ticks--) {
        for (uint64_t id = 1; id <= MAX_NODES; id++) {
            if (cluster->members[id].node != NULL) {
                OK(raft_node_tick(cluster->members[id].node, &error));
            }
        }
        cluster_settle(cluster);
    }
}

/* The leader that all who are up follow, or 0. */
static uint64_t common_leader(struct cluster *cluster)
{
    uint64_t leader = 0;
    for (uint64_t id = 1; id <= MAX_NODES; id++) {
        if (cluster->members[id].node != NULL) {
            uint64_t theirs = cluster_status(cluster, id).leader;
            if (theirs == 0 || (leader != 0 && leader != theirs)) {
                return 0;
            }
            leader = theirs;
        }
    }
    return leader != 0 && cluster->members[leader].node != NULL ? leader : 0;
}

uint64_t cluster_elect(struct cluster *cluster)
{
    for (int ticks = 0; ticks < 500; ticks++) {
        uint64_t leader = common_leader(cluster);
        if (leader != 0) {
            return leader;
        }
        cluster_tick(cluster, 1);
    }
    printf("no leader after 500 ticks\n");
    exit(1);
}

raft_node_status cluster_status(struct cluster *cluster, uint64_t id)
{
    raft_node_status status;
    status.size = sizeof status;
    OK(raft_node_get_status(cluster->members[id].node, &status, &error));
    return status;
}

int cluster_agrees(struct cluster *cluster)
{
    const struct member *first = NULL;
    for (uint64_t id = 1; id <= MAX_NODES; id++) {
        const struct member *member = &cluster->members[id];
        if (member->node == NULL) {
            continue;
        }
        if (first == NULL) {
            first = member;
        } else if (memcmp(&first->state, &member->state, sizeof first->state) != 0) {
            printf("node %d: %d commands up to %d; node %d: %d commands up to %d\n",
                   (int)first->id, (int)first->state.commands, (int)first->state.applied,
                   (int)id, (int)member->state.commands, (int)member->state.applied);
            return 0;
        }
    }
    return 1;
}

void cluster_propose(struct cluster *cluster, uint64_t id, uint64_t first, uint64_t count)
{
    for (uint64_t number = first; number < first + count; number++) {
        uint8_t command[64];
        int len = snprintf((char *)command, sizeof command, "command %d of a run", (int)number);
        OK(raft_node_propose(cluster->members[id].node, command, (size_t)len, &error));
        if (number % 3 == 0) {
            cluster_settle(cluster);
        }
    }
    cluster_settle(cluster);
}
