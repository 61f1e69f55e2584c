// The clients: each has one operation on its way, on one of a few keys that all share, at one machine
// after another. Values are unique. Some operations go to a key that is written once and never again, so
// that no later write hides a loss.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A key is given up for a new one after so many operations, or so many of unknown outcome. The
	// first bounds what porcupine has to sort, the second how much stays possible.
	operationsPerKey = 400
	unknownPerKey    = 16
	// onceLimit bounds the keys that are written once, all of which are read at the end.
	onceLimit = 3000
	// largestValue is that of one write in eight of these.
	largestValue = 64 << 10
	// patience is how long a client waits for an answer: longer than a server does.
	patience = 4 * time.Second
)

// Answer is what came of one request.
type Answer struct {
	Outcome Outcome
	Found   bool
	Value   string
	Reason  string
}

// Send carries one operation to one machine. A front that lies is a Send around another.
type Send func(ctx context.Context, op Op) Answer

// Load is all clients together.
type Load struct {
	cluster *Cluster
	history *History
	send    Send
	think   time.Duration
	slots   []*slot
	next    atomic.Int64 // unique values, and identities of clients
	once    atomic.Int64
	stop    context.CancelFunc
	wait    sync.WaitGroup
}

// slot is one of the keys in use, and its successors.
type slot struct {
	name       string
	mu         sync.Mutex
	generation int
	operations int
	unknown    int
}

func (s *slot) key() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations >= operationsPerKey || s.unknown >= unknownPerKey {
		s.generation, s.operations, s.unknown = s.generation+1, 0, 0
	}
	s.operations++
	return fmt.Sprintf("%s/%d", s.name, s.generation)
}

func (s *slot) note(op Op) {
	if op.Outcome == Unknown && op.Kind != Get {
		s.mu.Lock()
		s.unknown++
		s.mu.Unlock()
	}
}

// startLoad starts clients that use some keys, whose names begin with prefix.
func startLoad(c *Cluster, h *History, send Send, prefix string, count, keys int, think time.Duration, seed uint64) *Load {
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{cluster: c, history: h, send: send, think: think, stop: stop}
	for i := range keys {
		l.slots = append(l.slots, &slot{name: fmt.Sprintf("%sshared-%d", prefix, i)})
	}
	for i := range count {
		chance := rand.New(rand.NewPCG(seed, uint64(i)))
		l.wait.Go(func() { l.run(ctx, chance, prefix) })
	}
	return l
}

// end lets each client finish what it does.
func (l *Load) end() {
	l.stop()
	l.wait.Wait()
}

// run is one client.
func (l *Load) run(ctx context.Context, chance *rand.Rand, prefix string) {
	identity := int(l.next.Add(1))
	machine := 0
	for ctx.Err() == nil {
		targets := l.targets()
		if machine == 0 || chance.IntN(8) == 0 {
			machine = targets[chance.IntN(len(targets))]
		}
		op := Op{Client: identity, Machine: machine, Kind: Get}
		var shared *slot
		large := false
		if chance.IntN(12) == 0 && l.once.Load() < onceLimit {
			op.Kind, op.Key = Put, fmt.Sprintf("%sonce-%d", prefix, l.once.Add(1))
			large = chance.IntN(8) == 0
		} else {
			shared = l.slots[chance.IntN(len(l.slots))]
			op.Key = shared.key()
			switch dice := chance.IntN(100); {
			case dice < 42:
				op.Kind = Put
			case dice < 50:
				op.Kind = Delete
			}
		}
		if op.Kind == Put {
			op.Value = fmt.Sprintf("v%d", l.next.Add(1))
			if large {
				// So that a snapshot is more than a few packets.
				op.Value += strings.Repeat(".", chance.IntN(largestValue))
			}
		}
		limit := patience
		if chance.IntN(20) == 0 {
			// One that hangs up early.
			limit = time.Duration(5+chance.IntN(300)) * time.Millisecond
		}
		op = l.perform(op, limit)
		if shared != nil {
			shared.note(op)
		}
		pause := time.Duration(chance.Int64N(2*int64(l.think) + 1))
		if op.Outcome != Done {
			// Elsewhere, and as somebody else, since this operation may still go on.
			machine, identity = 0, int(l.next.Add(1))
			pause += 50 * time.Millisecond
		}
		rest(ctx, pause)
	}
}

// targets are the machines that may answer; a removed member is asked too.
func (l *Load) targets() (targets []int) {
	for _, m := range l.cluster.machines {
		m.mu.Lock()
		if m.member != 0 {
			targets = append(targets, m.Number)
		}
		m.mu.Unlock()
	}
	return targets
}

// perform carries out one operation and records it.
func (l *Load) perform(op Op, limit time.Duration) Op {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	op.Call = l.history.Now()
	answer := l.send(ctx, op)
	op.Return = l.history.Now()
	op.Outcome, op.Reason = answer.Outcome, answer.Reason
	if op.Kind == Get {
		op.Found, op.Value = answer.Found, answer.Value
	}
	l.history.Add(op)
	return op
}

// readAll reads keys at one machine until each has answered, and records that. What is given is nothing
// if that took longer than limit.
func (l *Load) readAll(machine int, keys []string, limit time.Duration) map[string]register {
	const readers = 8
	deadline := time.Now().Add(limit)
	found := map[string]register{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var late atomic.Bool
	for reader := range readers {
		identity := int(l.next.Add(1))
		wait.Go(func() {
			for i := reader; i < len(keys) && !late.Load(); i += readers {
				for {
					op := l.perform(Op{Client: identity, Machine: machine, Kind: Get, Key: keys[i]}, patience)
					if op.Outcome == Done {
						mu.Lock()
						found[op.Key] = register{op.Found, op.Value}
						mu.Unlock()
						break
					}
					if time.Now().After(deadline) {
						late.Store(true)
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	wait.Wait()
	if late.Load() {
		return nil
	}
	return found
}

// httpSend speaks the API of examples/kv/README.md. unexpected is told of answers that aren't there.
func httpSend(address func(machine int) string, unexpected func(string, ...any)) Send {
	client := &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
	}}
	methods := map[Kind]string{Get: http.MethodGet, Put: http.MethodPut, Delete: http.MethodDelete}
	return func(ctx context.Context, op Op) Answer {
		var body io.Reader
		if op.Kind == Put {
			body = strings.NewReader(op.Value)
		}
		url := "http://" + address(op.Machine) + "/kv/" + op.Key
		request, err := http.NewRequestWithContext(ctx, methods[op.Kind], url, body)
		if err != nil {
			return Answer{Outcome: Failed, Reason: err.Error()}
		}
		// It is sent once: nobody else may try again.
		request.GetBody = nil
		answer, err := client.Do(request)
		if err != nil {
			var network *net.OpError
			if errors.As(err, &network) && network.Op == "dial" {
				return Answer{Outcome: Failed, Reason: err.Error()}
			}
			return Answer{Outcome: Unknown, Reason: err.Error()}
		}
		defer answer.Body.Close()
		content, err := io.ReadAll(answer.Body)
		switch {
		case err != nil:
			return Answer{Outcome: Unknown, Reason: err.Error()}
		case answer.StatusCode == http.StatusOK:
			return Answer{Outcome: Done, Found: op.Kind == Get, Value: string(content)}
		case answer.StatusCode == http.StatusNotFound && op.Kind == Get:
			return Answer{Outcome: Done}
		case answer.StatusCode == http.StatusServiceUnavailable:
			return Answer{Outcome: Unknown, Reason: string(content)}
		default:
			unexpected("%s %s at machine %d was answered %d %q", op.Kind, op.Key, op.Machine, answer.StatusCode, content)
			return Answer{Outcome: Unknown, Reason: answer.Status}
		}
	}
}
