// What clients did and what they were told: the history of a run. An operation is recorded once it
// has ended, with the times between which it took effect, if it did. Nothing here judges; check.go does.

package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"
)

// Kind is what an operation does to its key.
type Kind string

const (
	Get    Kind = "get"
	Put    Kind = "put"
	Delete Kind = "delete"
)

// Outcome is what the client knows of an operation when it has ended.
type Outcome string

const (
	// Done: acknowledged. It took effect between Call and Return.
	Done Outcome = "done"
	// Unknown: no answer, or one that leaves it open. It may take effect at any time after Call, or never.
	Unknown Outcome = "unknown"
	// Failed: it certainly has no effect, since the server was never reached, or refused it for good.
	Failed Outcome = "failed"
)

// Op is one operation. Times are nanoseconds of a monotonic clock that all clients share.
type Op struct {
	Client  int     `json:"client"`
	Machine int     `json:"machine"`
	Kind    Kind    `json:"kind"`
	Key     string  `json:"key"`
	Value   string  `json:"value,omitempty"` // what a put writes, or what a get has found
	Found   bool    `json:"found,omitempty"` // whether a get has found anything
	Outcome Outcome `json:"outcome"`
	Call    int64   `json:"call"`
	Return  int64   `json:"return"` // when the client learned the outcome, whatever it is
	Reason  string  `json:"reason,omitempty"`
}

// History collects operations. Its methods may be called from any goroutine.
type History struct {
	begun time.Time
	mu    sync.Mutex
	ops   []Op
	acks  []ack
}

// ack is an acknowledged operation, for the measurement of gaps.
type ack struct {
	machine int
	call    int64
	at      int64
}

func newHistory() *History { return &History{begun: time.Now()} }

// Now is the time on the clock of the history.
func (h *History) Now() int64 { return int64(time.Since(h.begun)) }

// Add records an operation that has ended.
func (h *History) Add(op Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	if op.Outcome == Done {
		h.acks = append(h.acks, ack{op.Machine, op.Call, op.Return})
	}
}

// Ops is a copy of what has been recorded.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Op(nil), h.ops...)
}

// ServedSince says which machines have acknowledged an operation that began at a time or later.
func (h *History) ServedSince(begin int64) map[int]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	served := map[int]bool{}
	// An operation lasts for some seconds at most, and they are in the order of their ends.
	for i := len(h.acks) - 1; i >= 0 && h.acks[i].at >= begin; i-- {
		if h.acks[i].call >= begin {
			served[h.acks[i].machine] = true
		}
	}
	return served
}

// LongestGap is the longest time between begin and end in which nothing was acknowledged to anybody.
func (h *History) LongestGap(begin, end int64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	longest, last := int64(0), begin
	for _, a := range h.acks {
		if a.at <= begin || a.at > end {
			continue
		}
		longest, last = max(longest, a.at-last), max(last, a.at)
	}
	return time.Duration(max(longest, end-last))
}

// writeHistory writes operations as lines of JSON.
func writeHistory(path string, ops []Op) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriter(file)
	encoder := json.NewEncoder(buffer)
	for _, op := range ops {
		if err := encoder.Encode(op); err != nil {
			_ = file.Close()
			return err
		}
	}
	if err := buffer.Flush(); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// readHistory reads what writeHistory has written.
func readHistory(path string) ([]Op, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var ops []Op
	for decoder := json.NewDecoder(bufio.NewReader(file)); decoder.More(); {
		var op Op
		if err := decoder.Decode(&op); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}
