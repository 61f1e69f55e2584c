/*
 * A group of nodes in one process, as a C program would host them: its loop, its transport (a
 * queue in memory, of which parts can be cut), its state machine, its snapshots.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <stdint.h>

#include "libraft.h"

enum { MAX_NODES = 5, MAX_READS = 64 };

/* The state machine: it adds up commands, so that two of them are equal if and only if they have
 * applied the same commands in the same order. As it stands in memory, it is the data of a
 * snapshot. */
struct state {
    uint64_t commands;
    uint64_t hash;
    uint64_t applied; /* the index of the last entry */
};

struct member {
    uint64_t id;
    char path[512]; /* of its durable storage */
    raft_storage *storage;
    raft_node *node; /* NULL while it is down */
    struct state state;
    raft_conf_state *members; /* as of `state`; NULL before the first change */
    int members_changed; /* since the last snapshot */
    uint64_t snapshot_index;
    uint64_t reads_index[MAX_READS]; /* by the number that is the context */
    uint64_t elections;
    uint64_t snapshots_received;
};

struct packet {
    uint64_t from, to;
    raft_message_type type;
    uint8_t *data;
    size_t len;
};

struct cluster {
    int durable;
    const char *directory;
    struct member members[MAX_NODES + 1]; /* by id; 0 is not used */
    struct packet *packets;
    size_t packets_len, packets_cap;
    uint64_t snapshot_every; /* applied entries between snapshots; 0 for never */
    uint64_t leader_of_term[1024];
    void (*tap)(const raft_message *message); /* sees what is sent, unless NULL */
};

/* Begins a group of the voters 1 to `voters`, whose durable storages, if they are to be durable,
 * are made in `directory`. */
void cluster_begin(struct cluster *cluster, int durable, const char *directory, uint64_t voters);
void cluster_end(struct cluster *cluster);

/* Starts a member from its storage, which is fresh for one that is new, and stops it as a crash
 * does: what it has not saved is lost. A memory storage outlives the crash. */
void cluster_start(struct cluster *cluster, uint64_t id);
void cluster_crash(struct cluster *cluster, uint64_t id);

/* Lets all members work and delivers messages until there is nothing to do. */
void cluster_settle(struct cluster *cluster);
/* So many ticks of all members, each one followed by settling. */
void cluster_tick(struct cluster *cluster, int ticks);
/* Ticks until there is a leader that all members that are up follow, and returns its id. */
uint64_t cluster_elect(struct cluster *cluster);

raft_node_status cluster_status(struct cluster *cluster, uint64_t id);
/* Whether the members that are up have the same state. */
int cluster_agrees(struct cluster *cluster);
/* Proposes commands on this member, numbered from `first` on. */
void cluster_propose(struct cluster *cluster, uint64_t id, uint64_t first, uint64_t count);

#endif
