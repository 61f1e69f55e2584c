// A node's status, counters and events in words: JSON, lines for logs, attributes for log/slog. The
// words are the library's; [Status.MarshalJSON] is go.etcd.io/raft's and stays as it is there.

package raft

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// #include "libraft.h"
import "C"

// StatusJSON is all that the node says about itself, as a JSON object: id, term, vote, commit, applied,
// leader, role, and so on, "conf_state" with the lists of members, and on a leader "progress". It is the
// same as in the other languages of this library; that of go.etcd.io/raft is [Status.MarshalJSON]. Ids,
// terms and indexes are numbers up to 2^64-1, which readers that take them for floating-point numbers
// round above 2^53.
func (rn *RawNode) StatusJSON() ([]byte, error) {
	return rn.text(func(
		node *C.raft_node, out **C.raft_buffer, failure **C.raft_error,
	) C.raft_status {
		return C.raft_node_status_json(node, out, failure)
	})
}

// MetricsJSON is the counters as a JSON object, as [Metrics] is marshalled.
func (rn *RawNode) MetricsJSON() ([]byte, error) {
	return rn.text(func(
		node *C.raft_node, out **C.raft_buffer, failure **C.raft_error,
	) C.raft_status {
		return C.raft_node_metrics_json(node, out, failure)
	})
}

// text is a call that gives a buffer.
func (rn *RawNode) text(
	f func(*C.raft_node, **C.raft_buffer, **C.raft_error) C.raft_status,
) ([]byte, error) {
	var buffer *C.raft_buffer
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return f(node, &buffer, failure)
	})
	if err != nil {
		return nil, err
	}
	return takeText(buffer), nil
}

// takeText copies a buffer, and frees it.
func takeText(buffer *C.raft_buffer) []byte {
	defer C.raft_buffer_free(buffer)
	return copyBytes(C.raft_buffer_bytes(buffer))
}

// String is one line for a log: what has happened and the fields that belong to it, such as
// "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2".
func (e Event) String() string {
	raw := e.raw()
	var buffer *C.raft_buffer
	var failure *C.raft_error
	if takeError(C.raft_event_text(&raw, &buffer, &failure), failure) != nil {
		// No event that the library has made.
		return fmt.Sprintf("%v kind=%d reason=%d node=%d term=%d index=%d from=%d to=%d",
			e.Type, e.Kind, e.Reason, e.Node, e.Term, e.Index, e.From, e.To)
	}
	return string(takeText(buffer))
}

// MarshalJSON gives an object with the event's "type", such as "election_lost", and the fields that
// belong to it, which have the names that String gives them. It fails for what is no event of the
// library's.
func (e Event) MarshalJSON() ([]byte, error) {
	raw := e.raw()
	var buffer *C.raft_buffer
	var failure *C.raft_error
	if err := takeError(C.raft_event_json(&raw, &buffer, &failure), failure); err != nil {
		return nil, err
	}
	return takeText(buffer), nil
}

// Level says how a log should rank the event.
func (e Event) Level() slog.Level {
	raw := e.raw()
	switch C.raft_event_level(&raw) {
	case C.RAFT_LEVEL_DEBUG:
		return slog.LevelDebug
	case C.RAFT_LEVEL_INFO:
		return slog.LevelInfo
	default:
		return slog.LevelWarn
	}
}

// Attrs are the event's fields, in their order: ids, terms, indexes and counts as uint64, reasons and so
// on as strings. The first is "event", its name, such as "election_lost".
func (e Event) Attrs() []slog.Attr {
	encoded, err := e.MarshalJSON()
	if err != nil {
		return []slog.Attr{slog.String("event", e.String())}
	}
	var attrs []slog.Attr
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	// The library has written it: an object of strings and numbers.
	for _, err := decoder.Token(); err == nil && decoder.More(); {
		name, _ := decoder.Token()
		value, _ := decoder.Token()
		key, _ := name.(string)
		if key == "type" {
			key = "event"
		}
		if number, ok := value.(json.Number); ok {
			var n uint64
			_, _ = fmt.Sscan(number.String(), &n)
			attrs = append(attrs, slog.Uint64(key, n))
		} else if word, ok := value.(string); ok {
			attrs = append(attrs, slog.String(key, word))
		}
	}
	return attrs
}

// LogValue lets an event be an attribute of a log: a group of its fields.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.Attrs()...) }

// LogEvents logs what has happened, each event as a record with its own level, its String as the message
// and its Attrs. Which node it was is for the logger to say:
//
//	log := slog.Default().With("node", id)
//	...
//	ready := node.Ready()
//	raft.LogEvents(ctx, log, node.Events()...)
//
// or, with a [Node], node.(raft.Observer).Reports().Events.
func LogEvents(ctx context.Context, logger *slog.Logger, events ...Event) {
	for _, event := range events {
		if level := event.Level(); logger.Enabled(ctx, level) {
			logger.LogAttrs(ctx, level, event.String(), event.Attrs()...)
		}
	}
}

// raw is what C sees.
func (e Event) raw() C.raft_event {
	return C.raft_event{
		_type:  C.raft_event_type(e.Type),
		reason: C.int32_t(e.Reason),
		kind:   C.int32_t(e.Kind),
		node:   C.uint64_t(e.Node),
		term:   C.uint64_t(e.Term),
		index:  C.uint64_t(e.Index),
		from:   C.uint64_t(e.From),
		to:     C.uint64_t(e.To),
	}
}
