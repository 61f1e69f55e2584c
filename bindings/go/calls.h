// The calls of steady state. Each gives in one piece, and in one crossing from Go, what Go would
// otherwise ask for in two or three; and since nothing is written through a pointer, Go allocates
// nothing for it.

#ifndef LIBRAFT_GO_CALLS_H
#define LIBRAFT_GO_CALLS_H

#include "libraft.h"

typedef struct {
	raft_status status;
	// Whether has_ready is known: it was asked for, and could be told.
	bool looked;
	bool has_ready;
	// Belongs to the caller. NULL if status is RAFT_OK.
	raft_error *error;
} go_outcome;

// What a call has come to, and whether there is something to do now.
static inline go_outcome go_look(const raft_node *node, raft_status status, raft_error *error) {
	go_outcome outcome = {status, false, false, error};
	outcome.looked = raft_node_has_ready(node, &outcome.has_ready, NULL) == RAFT_OK;
	return outcome;
}

static inline go_outcome go_tick(raft_node *node) {
	raft_error *error = NULL;
	raft_status status = raft_node_tick(node, &error);
	return go_look(node, status, error);
}

static inline go_outcome go_propose(raft_node *node, const uint8_t *data, size_t len) {
	raft_error *error = NULL;
	raft_status status = raft_node_propose(node, data, len, &error);
	return go_look(node, status, error);
}

static inline go_outcome go_step(raft_node *node, const uint8_t *message, size_t len) {
	raft_error *error = NULL;
	raft_status status = raft_node_step(node, message, len, &error);
	return go_look(node, status, error);
}

static inline go_outcome go_has_ready(raft_node *node) {
	go_outcome outcome = {RAFT_OK, false, false, NULL};
	outcome.status = raft_node_has_ready(node, &outcome.has_ready, &outcome.error);
	outcome.looked = outcome.status == RAFT_OK;
	return outcome;
}

static inline go_outcome go_advance(raft_node *node) {
	raft_error *error = NULL;
	raft_status status = raft_node_advance(node, &error);
	return go_look(node, status, error);
}

// A Ready, or the requests that have to be answered first to make it whole.
typedef struct {
	raft_status status;
	// If there are neither: whether there is something to do.
	bool has_ready;
	raft_error *error;
	const raft_requests *requests;
	const raft_ready *ready;
} go_taken;

static inline go_taken go_take_requests(raft_node *node) {
	go_taken taken = {RAFT_OK, false, NULL, NULL, NULL};
	const raft_requests *requests = NULL;
	taken.status = raft_node_take_requests(node, &requests, &taken.error);
	if (taken.status != RAFT_OK)
		return taken;
	if (requests->reads_len > 0 || requests->snapshot_requests_len > 0)
		taken.requests = requests;
	else
		taken.status = raft_node_has_ready(node, &taken.has_ready, &taken.error);
	return taken;
}

static inline go_taken go_ready(raft_node *node, bool requests_first) {
	go_taken taken = {RAFT_OK, false, NULL, NULL, NULL};
	if (requests_first) {
		taken = go_take_requests(node);
		if (taken.status != RAFT_OK || taken.requests != NULL)
			return taken;
	}
	taken.status = raft_node_ready(node, &taken.ready, &taken.error);
	return taken;
}

static inline go_taken go_peek_ready(raft_node *node) {
	go_taken taken = {RAFT_OK, false, NULL, NULL, NULL};
	taken.status = raft_node_peek_ready(node, &taken.ready, &taken.error);
	return taken;
}

#endif
