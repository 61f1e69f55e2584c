/*
 * A host of very many groups, each of which it touches only when there is something to do: when a message
 * comes for it, or when its deadline has come. Groups at rest cost nothing at a tick.
 *
 * One thread drives a host; programs with several have a host for each. What a program adds is a
 * struct groups with room for its groups, groups_add() for each of them, and groups_send() and
 * groups_apply() below.
 */
#ifndef GROUPS_HOST_H
#define GROUPS_HOST_H

#include <stdlib.h>

#include "libraft.h"

enum { SLOTS = 64, NOBODY = -1 };

struct group {
    raft_node *node;
    raft_storage *storage;
    uint64_t seen;       /* the tick up to which the node knows of time */
    int32_t slot;        /* where it is on the wheel, NOBODY if it is not */
    int32_t left, right; /* its neighbours there */
};

struct groups {
    struct group *list;
    int32_t len;
    uint64_t now;
    int32_t wheel[SLOTS]; /* the first of those to be looked at in this tick, modulo SLOTS */
};

/* The program's: puts a message on the wire, and applies a committed entry. Neither may lead back into the work of the
 * same group, whose Ready is not done yet. */
void groups_send(struct groups *all, int32_t number, const raft_message *message);
void groups_apply(struct groups *all, int32_t number, const raft_entry *entry);

static inline void groups_must(raft_status status)
{
    if (status != RAFT_OK) abort(); /* A host that is more patient closes the group. */
}

static inline void groups_unlink(struct groups *all, struct group *group)
{
    if (group->slot == NOBODY) return;
    if (group->left != NOBODY) all->list[group->left].right = group->right;
    else all->wheel[group->slot] = group->right;
    if (group->right != NOBODY) all->list[group->right].left = group->left;
    group->slot = NOBODY;
}

/* Does what the node asks for, and puts it where the wheel comes by no later than at its deadline. */
static inline void groups_work(struct groups *all, int32_t number)
{
    struct group *group = &all->list[number];
    const raft_ready *ready;
    uint64_t ticks;
    for (;;) {
        groups_must(raft_node_next_ready(group->node, &ready, NULL));
        if (ready == NULL) break;
        groups_must(raft_storage_save(group->storage, ready, NULL));
        for (size_t i = 0; i < ready->messages_len; i++) groups_send(all, number, &ready->messages[i]);
        for (size_t i = 0; i < ready->committed_entries_len; i++)
            groups_apply(all, number, &ready->committed_entries[i]);
    }
    groups_must(raft_node_next_deadline(group->node, &ticks, NULL));
    groups_unlink(all, group);
    group->slot = (int32_t)((all->now + (ticks < SLOTS ? ticks : SLOTS - 1)) % SLOTS);
    group->left = NOBODY;
    group->right = all->wheel[group->slot];
    if (group->right != NOBODY) all->list[group->right].left = number;
    all->wheel[group->slot] = number;
}

/* The node, after it has been told how much time has passed while it was left alone: before anything
 * else is done with it. That is never more than its deadline, so that it costs next to nothing. */
static inline raft_node *groups_touch(struct groups *all, int32_t number)
{
    struct group *group = &all->list[number];
    groups_must(raft_node_tick_many(group->node, (uint32_t)(all->now - group->seen), NULL));
    group->seen = all->now;
    return group->node;
}

/* Takes in a group, whose entries below the node's `applied` are applied. There has to be room in `list`. */
static inline void groups_add(struct groups *all, raft_node *node, raft_storage *storage)
{
    struct group group = {node, storage, all->now, NOBODY, NOBODY, NOBODY};
    all->list[all->len] = group;
    groups_work(all, all->len++);
}

/* A message has come. One that is refused does no harm; the code is for counting. */
static inline raft_status groups_step(struct groups *all, int32_t number, const uint8_t *data, size_t len)
{
    raft_status status = raft_node_step(groups_touch(all, number), data, len, NULL);
    groups_work(all, number);
    return status;
}

/* A command for a group. */
static inline raft_status groups_propose(struct groups *all, int32_t number, const uint8_t *data, size_t len)
{
    raft_status status = raft_node_propose(groups_touch(all, number), data, len, NULL);
    groups_work(all, number);
    return status;
}

/* A tick of all groups, which touches those that may have something to do. */
static inline void groups_tick(struct groups *all)
{
    int32_t number, slot = (int32_t)(++all->now % SLOTS);
    while ((number = all->wheel[slot]) != NOBODY) {
        groups_touch(all, number);
        groups_work(all, number);
    }
}

static inline void groups_begin(struct groups *all, struct group *room)
{
    all->list = room;
    all->len = 0;
    all->now = 0;
    for (int32_t i = 0; i < SLOTS; i++) all->wheel[i] = NOBODY;
}

#endif
