// The HTTP side: it reads requests, asks the node, and writes what it answers. Keys are taken from
// the request line as it came, since routers clean paths and decode them.

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"libraft.dev/go/raft"
)

const (
	maxRaftBody = 64 << 20
	// maxFrames is how many messages one body may have. Senders stay far below.
	maxFrames = 1024
	// maxIgnored is how much of a body is read that is too large anyway, so that the client gets to
	// see the answer.
	maxIgnored = 8 << 20
	// maxBodies is how much of all bodies may be in memory.
	maxBodies = 256 << 20
)

// Handler serves HTTP for a node.
type Handler struct {
	node *Node
	page string // path of index.html
	// bodies counts the bytes of all bodies that are in memory.
	bodies atomic.Int64
}

// chargedBody counts what is read of a body.
type chargedBody struct {
	io.ReadCloser
	handler *Handler
	taken   int64
}

var errCrowded = errors.New("too many large requests at once")

func (b *chargedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.taken += int64(n)
	if b.handler.bodies.Add(int64(n)) > maxBodies {
		return n, errCrowded
	}
	return n, err
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &chargedBody{r.Body, h, 0}
	defer func() { h.bodies.Add(-body.taken) }()
	r.Body = body
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if rest, absolute := strings.CutPrefix(path, "http://"); absolute {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if key, ok := strings.CutPrefix(path, "/kv/"); ok {
		route(w, r, map[string]func() answer{
			http.MethodGet:    func() answer { return h.get(key) },
			http.MethodPut:    func() answer { return h.put(r, key) },
			http.MethodDelete: func() answer { return h.delete(key) },
		})
	} else if id, ok := strings.CutPrefix(path, "/members/"); ok && id != "" {
		route(w, r, map[string]func() answer{
			http.MethodPut:    func() answer { return h.addMember(r, id) },
			http.MethodDelete: func() answer { return h.removeMember(id) },
		})
	} else if id, ok := strings.CutPrefix(path, "/leader/"); ok && id != "" {
		route(w, r, map[string]func() answer{http.MethodPut: func() answer { return h.transfer(r, id) }})
	} else if path == "/raft" {
		route(w, r, map[string]func() answer{http.MethodPost: func() answer { return h.raft(r) }})
	} else if path == "/status" {
		route(w, r, map[string]func() answer{http.MethodGet: func() answer { return h.status(w) }})
	} else if path == "/metrics" {
		route(w, r, map[string]func() answer{http.MethodGet: func() answer { return h.metrics(w) }})
	} else if path == "/" {
		route(w, r, map[string]func() answer{http.MethodGet: func() answer { return h.index(w) }})
	} else {
		write(w, r, answer{status: 404, reason: "no such path"})
	}
}

func route(w http.ResponseWriter, r *http.Request, methods map[string]func() answer) {
	serve, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		write(w, r, answer{status: 405, reason: "no such method here"})
		return
	}
	write(w, r, serve())
}

func write(w http.ResponseWriter, r *http.Request, a answer) {
	header := w.Header()
	switch {
	case a.status == http.StatusNoContent:
	case a.status == http.StatusAccepted:
		header.Set("Content-Type", "application/json")
	case a.status != http.StatusOK:
		header.Set("Content-Type", "application/json")
		a.value, _ = json.Marshal(map[string]string{"error": a.reason})
		if r.ContentLength != 0 {
			_, _ = io.CopyN(io.Discard, r.Body, maxIgnored)
		}
	case a.index != 0:
		header.Set("Content-Type", "application/json")
		a.value = fmt.Appendf(nil, `{"index": %d}`, a.index)
	case header.Get("Content-Type") == "":
		header.Set("Content-Type", "application/octet-stream")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.value)
}

func bad(reason string) answer { return answer{status: 400, reason: reason} }

// readBody reads a body of at most this many bytes.
func readBody(r *http.Request, most int64) ([]byte, *answer) {
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if int64(len(body)) > most {
		return nil, &answer{status: 413, reason: fmt.Sprintf("the body is over %d bytes", most)}
	}
	if errors.Is(err, errCrowded) {
		a := unavailable(err.Error())
		return nil, &a
	} else if err != nil {
		a := bad("the body ends early")
		return nil, &a
	}
	return body, nil
}

// decodeKey undoes the percent-encoding, once.
func decodeKey(text string) ([]byte, error) {
	key := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			key = append(key, text[i])
			continue
		}
		if i+3 > len(text) {
			return nil, errors.New("a % without two digits")
		}
		digits, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return nil, errors.New("a % without two digits")
		}
		key = append(key, byte(digits))
		i += 2
	}
	if len(key) < 1 || len(key) > maxKeyBytes {
		return nil, fmt.Errorf("the key has %d bytes, not 1 to %d", len(key), maxKeyBytes)
	}
	return key, nil
}

func (h *Handler) get(text string) answer {
	key, err := decodeKey(text)
	if err != nil {
		return bad(err.Error())
	}
	return h.node.Read(key)
}

func (h *Handler) put(r *http.Request, text string) answer {
	key, err := decodeKey(text)
	if err != nil {
		return bad(err.Error())
	}
	value, failed := readBody(r, maxValueBytes)
	if failed != nil {
		return *failed
	}
	return h.node.Write(opPut, key, value)
}

func (h *Handler) delete(text string) answer {
	key, err := decodeKey(text)
	if err != nil {
		return bad(err.Error())
	}
	return h.node.Write(opDelete, key, nil)
}

func (h *Handler) addMember(r *http.Request, text string) answer {
	id, ok := parseID(text)
	if !ok {
		return bad("no id")
	}
	body, failed := readBody(r, maxValueBytes)
	if failed != nil {
		return *failed
	}
	address := strings.TrimSpace(string(body))
	if !isAddress(address) {
		return bad("no address")
	}
	return h.node.Change(id, address)
}

func (h *Handler) removeMember(text string) answer {
	id, ok := parseID(text)
	if !ok {
		return bad("no id")
	}
	return h.node.Change(id, "")
}

// transfer asks for another leader. What comes of it is for GET /status to tell.
func (h *Handler) transfer(r *http.Request, text string) answer {
	id, ok := parseID(text)
	if !ok {
		return bad("no id")
	}
	if _, failed := readBody(r, maxValueBytes); failed != nil {
		return *failed
	}
	return h.node.Transfer(id)
}

// received is a message from a peer.
type received struct {
	from    uint64
	encoded []byte
}

func (h *Handler) raft(r *http.Request) answer {
	// Browsers say which page sends a POST, and send it to any port of this machine unasked.
	if _, ok := r.Header["Origin"]; ok {
		return answer{status: 403, reason: "this is not for web pages"}
	}
	address := r.Header.Get("Raft-Address")
	if len(r.Header.Values("Raft-Address")) > 0 && !isAddress(address) {
		return bad("a bad Raft-Address")
	}
	body, failed := readBody(r, maxRaftBody)
	if failed != nil {
		return *failed
	}
	view := h.node.view.Load()
	var messages []received
	for len(body) > 0 {
		if len(messages) == maxFrames {
			return answer{status: 413, reason: fmt.Sprintf("there are over %d messages", maxFrames)}
		}
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			return bad("a length that is not one")
		}
		encoded := body[n : n+int(length)]
		body = body[n+int(length):]
		m, err := raft.DecodeMessage(encoded)
		switch {
		case err != nil:
			return bad(err.Error())
		case m.GetFrom() == 0 || m.GetFrom() == h.node.id:
			return bad("a message from nobody")
		case m.GetTo() != h.node.id:
			return answer{status: 421, reason: "this is another node"}
		case view.removed[m.GetFrom()]:
			return answer{status: 410, reason: "the sender has been removed from the cluster"}
		}
		if m.GetType() == pb.MsgSnap {
			if _, err := decodeState(m.GetSnapshot().GetData()); err != nil {
				return bad(err.Error())
			}
		}
		messages = append(messages, received{m.GetFrom(), encoded})
	}
	if len(messages) == 0 {
		return bad("an empty body")
	}
	return h.node.Receive(messages, address)
}

func (h *Handler) status(w http.ResponseWriter) answer {
	view := h.node.view.Load()
	// The log may have moved on since; it never loses what is in the view.
	first, _ := h.node.storage.FirstIndex()
	last, _ := h.node.storage.LastIndex()
	body, err := json.Marshal(map[string]any{
		"id":             h.node.id,
		"address":        h.node.address,
		"language":       "Go",
		"role":           view.role,
		"leader":         view.leader,
		"term":           view.term,
		"commit":         view.commit,
		"applied":        view.applied,
		"first_index":    first,
		"last_index":     last,
		"snapshot_index": view.snapshotIndex,
		"state_hash":     fmt.Sprintf("%016x", view.hash),
		"keys":           view.keys,
		"bytes":          view.bytes,
		"members":        view.members,
		"removed":        append([]uint64{}, slices.Sorted(maps.Keys(view.removed))...),
		"uptime_s":       time.Since(h.node.history.begun).Seconds(),
		"run":            h.node.run,
		"transferee":     view.raftMembers.transferee,
		"config":         configuration(view.raftMembers.config),
		"progress":       progressOf(view.raftMembers.progress),
		"events":         append([]Happening{}, view.events...),
	})
	if err != nil {
		return answer{status: 500, reason: err.Error()}
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	return answer{status: 200, value: body}
}

// configuration shows the members as the library has them.
func configuration(config tracker.Config) map[string][]uint64 {
	ids := func(members map[uint64]struct{}) []uint64 {
		return append([]uint64{}, slices.Sorted(maps.Keys(members))...)
	}
	return map[string][]uint64{
		"voters":          ids(config.Voters[0]),
		"voters_outgoing": ids(config.Voters[1]),
		"learners":        ids(config.Learners),
		"learners_next":   ids(config.LearnersNext),
	}
}

// progressOf shows what the leader knows of the members.
func progressOf(members map[uint64]tracker.Progress) map[uint64]any {
	shown := map[uint64]any{}
	for id, p := range members {
		inflight := 0
		if p.Inflights != nil {
			inflight = p.Inflights.Count()
		}
		shown[id] = map[string]any{
			"match": p.Match, "next": p.Next,
			"state":  strings.ToLower(strings.TrimPrefix(p.State.String(), "State")),
			"paused": p.IsPaused(), "recent_active": p.RecentActive,
			"inflight": inflight, "pending_snapshot": p.PendingSnapshot,
		}
	}
	return shown
}

func (h *Handler) metrics(w http.ResponseWriter) answer {
	a := h.node.Metrics()
	if a.status == 200 {
		w.Header().Set("Content-Type", raft.PrometheusContentType)
	}
	return a
}

func (h *Handler) index(w http.ResponseWriter) answer {
	page, err := os.ReadFile(h.page)
	if err != nil {
		return answer{status: 404, reason: "there is no page"}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// In a frame of another page, its buttons could be pressed by who does not see them.
	w.Header().Set("X-Frame-Options", "DENY")
	return answer{status: 200, value: page}
}
