// Clusters that are wrong on purpose, so that it is seen that the checks find it. Most are
// fronts: what stands between the clients and a good cluster, and lies.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
)

// Wrong is one way to be wrong.
type Wrong struct {
	Name string
	What string
	// Server is the mode of wrong/wrong_server.py in which all servers run.
	Server string
	// Front makes a Send that lies out of one that doesn't; nil leaves it as it is.
	Front func(send Send, chance *lot) Send
	// Break does something to the cluster in the middle of the load.
	Break func(c *Cluster) error
}

// program is the wrong server.
func (w *Wrong) program(root string) Program {
	return Program{"python", []string{
		filepath.Join(root, ".venv", "bin", "python"), filepath.Join(root, "tests", "e2e", "wrong", "wrong_server.py"), w.Server,
	}}
}

// lot is a source of chance for several goroutines.
type lot struct {
	mu     sync.Mutex
	chance *rand.Rand
}

// one says yes one time out of so many.
func (l *lot) one(of int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chance.IntN(of) == 0
}

var wrongs = []Wrong{
	{Name: "local-reads", What: "servers answer reads from their own state", Server: "local-reads"},
	{Name: "early-servers", What: "servers acknowledge writes before they are committed", Server: "early-answers"},
	{
		Name: "stale-reads", What: "each machine answers some reads with what it has answered last",
		Front: func(send Send, chance *lot) Send {
			type place struct {
				machine int
				key     string
			}
			var mu sync.Mutex
			seen := map[place]Answer{}
			return func(ctx context.Context, op Op) Answer {
				if op.Kind != Get {
					return send(ctx, op)
				}
				at := place{op.Machine, op.Key}
				mu.Lock()
				old, known := seen[at]
				mu.Unlock()
				if known && chance.one(10) {
					return old
				}
				answer := send(ctx, op)
				if answer.Outcome == Done {
					mu.Lock()
					seen[at] = answer
					mu.Unlock()
				}
				return answer
			}
		},
	},
	{
		Name: "lost-writes", What: "some writes are acknowledged and never carried out",
		Front: func(send Send, chance *lot) Send {
			return func(ctx context.Context, op Op) Answer {
				if op.Kind == Put && chance.one(25) {
					return Answer{Outcome: Done}
				}
				return send(ctx, op)
			}
		},
	},
	{
		Name: "early-answers", What: "some writes are acknowledged before they are carried out",
		Front: func(send Send, chance *lot) Send {
			return func(ctx context.Context, op Op) Answer {
				if op.Kind == Get || !chance.one(10) {
					return send(ctx, op)
				}
				go func() {
					time.Sleep(50 * time.Millisecond)
					late, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					send(late, op)
				}()
				return Answer{Outcome: Done}
			}
		},
	},
	{
		Name: "doubled-writes", What: "some writes are carried out twice, the second time later",
		Front: func(send Send, chance *lot) Send {
			return func(ctx context.Context, op Op) Answer {
				answer := send(ctx, op)
				if op.Kind == Put && chance.one(20) {
					go func() {
						time.Sleep(100 * time.Millisecond)
						late, cancel := context.WithTimeout(context.Background(), patience)
						defer cancel()
						send(late, op)
					}()
				}
				return answer
			}
		},
	},
	{
		Name: "forgetful-disks", What: "all disks are emptied while the servers are down, and the ids stay",
		Break: func(c *Cluster) error {
			members := c.members()
			for _, m := range members {
				if err := c.forget(m); err != nil {
					return fmt.Errorf("machine %d: %w", m.Number, err)
				}
			}
			for _, m := range members {
				if err := c.start(m); err != nil {
					return err
				}
			}
			return nil
		},
	},
}
