// What the members say of themselves, and waiting for it.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Status is what GET /status says.
type Status struct {
	ID       uint64            `json:"id"`
	Role     string            `json:"role"`
	Leader   uint64            `json:"leader"`
	Term     uint64            `json:"term"`
	Commit   uint64            `json:"commit"`
	Applied  uint64            `json:"applied"`
	First    uint64            `json:"first_index"`
	Last     uint64            `json:"last_index"`
	Snapshot uint64            `json:"snapshot_index"`
	Hash     string            `json:"state_hash"`
	Keys     int               `json:"keys"`
	Members  map[string]string `json:"members"`
	Removed  []uint64          `json:"removed"`
}

// status asks a machine for its status.
func (c *Cluster) status(m *Machine, patience time.Duration) (*Status, error) {
	var status Status
	body, code, err := c.request(http.MethodGet, m, "/status", "", patience)
	switch {
	case err != nil:
		return nil, err
	case code != http.StatusOK:
		return nil, fmt.Errorf("/status answered %d", code)
	}
	return &status, json.Unmarshal(body, &status)
}

// request sends one request to a machine.
func (c *Cluster) request(method string, m *Machine, path, body string, patience time.Duration) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(
		ctx, method, "http://"+c.network.Address(m.Number)+path, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		return nil, 0, err
	}
	request.ContentLength = int64(len(body))
	answer, err := c.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return content, answer.StatusCode, err
}

// statuses asks all members' machines at once; those that don't answer are left out.
func (c *Cluster) statuses() map[*Machine]*Status {
	var mu sync.Mutex
	var wait sync.WaitGroup
	found := map[*Machine]*Status{}
	for _, m := range c.members() {
		wait.Go(func() {
			if status, err := c.status(m, time.Second); err == nil {
				mu.Lock()
				found[m] = status
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return found
}

// leader is the machine that says it leads in the highest term, or nil.
func (c *Cluster) leader() *Machine {
	var leader *Machine
	term := uint64(0)
	for m, status := range c.statuses() {
		if status.Role == "leader" && status.Term >= term {
			leader, term = m, status.Term
		}
	}
	return leader
}

// differences says in what the members' states are not yet the same, or nothing.
func (c *Cluster) differences() string {
	statuses, members := c.statuses(), c.members()
	var lines []string
	states := map[string]bool{}
	settled := len(members) > 0
	for _, m := range members {
		status := statuses[m]
		if status == nil {
			lines = append(lines, fmt.Sprintf("    machine %d does not answer", m.Number))
			settled = false
			continue
		}
		var book []string
		for id, address := range status.Members {
			book = append(book, id+"="+address)
		}
		sort.Strings(book)
		state := fmt.Sprintf("applied %d, state %s, %d keys, members %s, removed %v",
			status.Applied, status.Hash, status.Keys, strings.Join(book, " "), status.Removed)
		states[state] = true
		lines = append(lines, fmt.Sprintf("    machine %d: member %d (%s), %s of %d in term %d, commit %d, last %d, %s",
			m.Number, status.ID, m.language(), status.Role, status.Leader, status.Term, status.Commit, status.Last, state))
		settled = settled && status.Commit == status.Applied && status.Leader != 0 && len(book) == len(members) &&
			status.Members[strconv.FormatUint(m.installed(), 10)] == c.network.Address(m.Number)
	}
	if settled && len(states) == 1 {
		return ""
	}
	return strings.Join(lines, "\n")
}

// errDeadline says that something did not come about in time.
var errDeadline = errors.New("not in time")

// await waits until a condition holds: at most for patience, and until ctx ends.
func await(ctx context.Context, patience time.Duration, condition func() bool) error {
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			return errDeadline
		}
		if !rest(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// rest sleeps, and says whether ctx still goes on.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
