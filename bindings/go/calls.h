// The calls of steady state. Each gives in one piece, and in one crossing from Go, what Go would
// otherwise ask for in two or three; and since nothing is written through a pointer, Go allocates
// nothing for it.
//
// The node is passed as a number: Go would look into a pointer to an opaque struct before each call,
// to find out whether it is memory of Go (cgoCheckPointer, 10 ns). If advancing, what Advance has
// put off is done first.

#ifndef LIBRAFT_GO_CALLS_H
#define LIBRAFT_GO_CALLS_H

#include "libraft.h"

#define GO_UNKNOWN UINT64_MAX

typedef uintptr_t go_node;

typedef struct {
	raft_status status;
	// Whether Advance is still put off: it is if it was turned away, as another thread was using the node.
	bool advancing;
	// Whether there is something to do, as RAFT_PENDING_ numbers; GO_UNKNOWN if that can't be told.
	uint64_t pending;
	// Belongs to the caller. NULL if status is RAFT_OK.
	raft_error *error;
} go_outcome;

// Does what has been put off, if *advancing, and says there whether that is still to be done. Not if it
// has failed for good, of a node that has stopped: then it would never be done, and each try would be one
// more call in the recording. RAFT_ERR_MISUSE is that of two threads only: Go puts nothing off without a
// Ready to advance from.
static inline raft_status go_advance(raft_node *node, bool *advancing, raft_error **error) {
	if (!*advancing)
		return RAFT_OK;
	raft_status status = raft_node_advance(node, error);
	*advancing = status == RAFT_ERR_MISUSE;
	return status;
}

// What a call has come to, and whether there is something to do now. While Advance is put off that can't be
// told: it may bring up more.
static inline go_outcome go_look(
		const raft_node *node, bool advancing, raft_status status, raft_error *error) {
	go_outcome outcome = {status, advancing, 0, error};
	if (advancing || raft_node_pending(node, &outcome.pending, NULL) != RAFT_OK)
		outcome.pending = GO_UNKNOWN;
	return outcome;
}

static inline go_outcome go_tick(go_node at, bool advancing) {
	raft_node *node = (raft_node *)at;
	raft_error *error = NULL;
	raft_status status = go_advance(node, &advancing, &error);
	if (status == RAFT_OK)
		status = raft_node_tick(node, &error);
	return go_look(node, advancing, status, error);
}

static inline go_outcome go_propose(go_node at, bool advancing, const uint8_t *data, size_t len) {
	raft_node *node = (raft_node *)at;
	raft_error *error = NULL;
	raft_status status = go_advance(node, &advancing, &error);
	if (status == RAFT_OK)
		status = raft_node_propose(node, data, len, &error);
	return go_look(node, advancing, status, error);
}

static inline go_outcome go_step(go_node at, bool advancing, const uint8_t *message, size_t len) {
	raft_node *node = (raft_node *)at;
	raft_error *error = NULL;
	raft_status status = go_advance(node, &advancing, &error);
	if (status == RAFT_OK)
		status = raft_node_step(node, message, len, &error);
	return go_look(node, advancing, status, error);
}

// A message that numbers tell, and at most one entry; without pointers, so that Go does not look for any.
typedef struct {
	int32_t type;
	bool has_entry;
	int32_t entry_type;
	uint64_t to, from, term, log_term, index, commit;
	uint64_t entry_term, entry_index;
} go_numbers;

// With the payload of the entry, if there is one.
static inline go_outcome go_step_numbers(
		go_node at, bool advancing, const go_numbers *numbers, const uint8_t *data, size_t len) {
	raft_node *node = (raft_node *)at;
	raft_error *error = NULL;
	raft_status status = go_advance(node, &advancing, &error);
	if (status == RAFT_OK) {
		raft_entry entry = {
			.term = numbers->entry_term, .index = numbers->entry_index, .type = numbers->entry_type,
			.data = {data, len},
		};
		raft_message message = {
			.to = numbers->to, .from = numbers->from, .term = numbers->term, .log_term = numbers->log_term,
			.index = numbers->index, .commit = numbers->commit, .type = numbers->type,
			.entries = &entry, .entries_len = numbers->has_entry,
		};
		status = raft_node_step_message(node, &message, &error);
	}
	return go_look(node, advancing, status, error);
}

static inline go_outcome go_pending(go_node at, bool advancing) {
	raft_node *node = (raft_node *)at;
	go_outcome outcome = {RAFT_OK, advancing, GO_UNKNOWN, NULL};
	outcome.status = go_advance(node, &outcome.advancing, &outcome.error);
	if (outcome.status == RAFT_OK)
		outcome.status = raft_node_pending(node, &outcome.pending, &outcome.error);
	return outcome;
}

// A Ready, or the requests that have to be answered first to make it whole.
typedef struct {
	raft_status status;
	bool advancing;
	raft_error *error;
	const raft_requests *requests;
	const raft_ready *ready;
	// Whether there is nothing to do now, nor when the host has advanced, if it does nothing else before.
	bool rests;
} go_taken;

// Leaves requests NULL if there are none.
static inline go_taken go_take_requests(go_node at) {
	go_taken taken = {RAFT_OK, false, NULL, NULL, NULL, false};
	const raft_requests *requests = NULL;
	taken.status = raft_node_take_requests((raft_node *)at, &requests, &taken.error);
	if (taken.status == RAFT_OK && (requests->reads_len > 0 || requests->snapshot_requests_len > 0))
		taken.requests = requests;
	return taken;
}

// If requests_first, it asks whether there are any.
static inline go_taken go_ready(go_node at, bool advancing, bool requests_first) {
	raft_node *node = (raft_node *)at;
	go_taken taken = {RAFT_OK, advancing, NULL, NULL, NULL, false};
	uint64_t pending = 0;
	taken.status = go_advance(node, &taken.advancing, &taken.error);
	if (taken.status == RAFT_OK && requests_first)
		taken.status = raft_node_pending(node, &pending, &taken.error);
	if (taken.status == RAFT_OK && (pending & RAFT_PENDING_REQUESTS))
		taken = go_take_requests(at);
	if (taken.status != RAFT_OK || taken.requests != NULL)
		return taken;
	taken.status = raft_node_ready(node, &taken.ready, &taken.error);
	// A leader's entries are mostly followed by something, as they count when they are saved; so it is not asked then.
	if (taken.status == RAFT_OK && taken.ready->entries_len == 0)
		raft_node_rests_once_advanced(node, &taken.rests, NULL);
	return taken;
}

static inline go_taken go_peek_ready(go_node at) {
	go_taken taken = {RAFT_OK, false, NULL, NULL, NULL, false};
	taken.status = raft_node_peek_ready((raft_node *)at, &taken.ready, &taken.error);
	return taken;
}

#endif
