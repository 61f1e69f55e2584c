package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// meter adds up what the measured parts of a workload cost.
type meter struct {
	paused bool
	ops    uint64
	time   time.Duration
	// Counted by the runtime, so that what a library allocates outside of Go is not among them.
	allocations, allocatedBytes uint64
}

func (m *meter) measure(ops uint64, part func()) {
	if m.paused {
		part()
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	part()
	m.time += time.Since(begun)
	runtime.ReadMemStats(&after)
	m.allocations += after.Mallocs - before.Mallocs
	m.allocatedBytes += after.TotalAlloc - before.TotalAlloc
	m.ops += ops
}

// workload does a chunk of its work at a time, of which the measured part is a number of operations.
type workload struct {
	run       func(*meter)
	check     func()
	nodeBytes uint64
}

func replicate(nodes uint64, batch, size int, best bool) workload {
	if size >= 1000 {
		size = size / 1000 * 1024
	}
	return replicateOn(newCluster(nodes, nodes, best), batch, size, 0)
}

// replicateOn keeps a log of at least `log` entries, or compacts it if that is 0.
func replicateOn(c *cluster, batch, size int, log uint64) workload {
	p := newPayload(size)
	batches := min(max(200_000/(batch*len(c.nodes)*(size/64+1)), 1), 5_000)
	proposed := uint64(0)
	w := workload{
		run: func(m *meter) {
			count := uint64(batch * batches)
			proposed += count
			m.measure(count, func() {
				for range batches {
					c.propose(batch, p)
					c.run()
					if log == 0 {
						c.maybeCompact()
					}
				}
			})
		},
		check: func() { c.check(1, len(c.nodes), proposed) },
	}
	for unmeasured := (&meter{paused: true}); proposed < log; {
		w.run(unmeasured)
	}
	return w
}

func reads(batch int, best bool) workload {
	c := newCluster(3, 3, best)
	asked := uint64(0)
	return workload{
		run: func(m *meter) {
			rounds := 2_000/batch + 1
			m.measure(uint64(rounds*batch), func() {
				for range rounds {
					for range batch {
						asked++
						c.nodes[0].readIndex(asked)
					}
					c.run()
				}
			})
		},
		check: func() {
			if c.nodes[0].applied.reads != asked {
				panic("every read is answered")
			}
		},
	}
}

func idle(groups int, best bool) (workload, []*cluster) {
	live := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	all := make([]*cluster, groups)
	before := live()
	outbox := new([]message)
	for i := range all {
		all[i] = newCluster(3, 3, best)
		all[i].outbox = outbox
	}
	return workload{
		nodeBytes: (live() - before) / uint64(3*groups),
		run: func(m *meter) {
			m.measure(uint64(groups), func() {
				for _, group := range all {
					group.nodes[0].tick()
					group.run()
				}
			})
		},
		check: func() {
			for _, group := range all {
				if !group.nodes[0].isLeader() {
					panic("the leader keeps its group")
				}
				group.check(1, 3, 0)
			}
		},
	}, all
}

func ticks(nodes int, best bool) workload {
	const rounds = 8
	beat, groups := idle((nodes+1)/2, best)
	ready := 0
	return workload{
		nodeBytes: beat.nodeBytes,
		run: func(m *meter) {
			m.measure(uint64(len(groups)*2*rounds), func() {
				for range rounds {
					for _, group := range groups {
						for _, follower := range group.nodes[1:] {
							follower.tick()
							if follower.hasReady() {
								ready++
							}
						}
					}
				}
			})
			beat.run(&meter{paused: true})
		},
		check: func() {
			if ready != 0 {
				panic("idle followers have nothing to do")
			}
			beat.check()
		},
	}
}

func elections(nodes int, best bool) workload {
	c := newCluster(uint64(nodes), uint64(nodes), best)
	leader := 1
	return workload{
		run: func(m *meter) {
			m.measure(100, func() {
				for range 100 {
					leader = leader%nodes + 1
					c.elect(uint64(leader))
				}
			})
		},
		check: func() { c.check(1, nodes, 0) },
	}
}

func catchUp(entries int, best bool) workload {
	var c *cluster
	return workload{
		run: func(m *meter) {
			c = newCluster(3, 3, best)
			p := newPayload(128)
			c.cutOff = 3
			for range entries / 100 {
				c.propose(100, p)
				c.run()
			}
			c.cutOff = 0
			commands := c.nodes[0].applied.commands
			m.measure(commands, func() {
				for c.nodes[2].applied.commands < commands {
					c.nodes[0].tick()
					c.run()
				}
			})
		},
		check: func() { c.check(1, 3, uint64(entries/100*100)) },
	}
}

func joint(best bool) workload {
	var c *cluster
	return workload{
		run: func(m *meter) {
			for range 20 {
				c = newCluster(10, 5, best)
				c.propose(64, newPayload(16))
				c.run()
				m.measure(1, func() {
					c.nodes[0].replaceVoters([]uint64{1, 2, 3, 4, 5}, []uint64{6, 7, 8, 9, 10})
					c.run()
					c.nodes[0].tick()
					c.run()
					c.elect(6)
				})
			}
		},
		check: func() { c.check(6, 10, 64) },
	}
}

func find(name string, best bool) (w workload, ok bool) {
	kind, rest, _ := strings.Cut(name, "_")
	first, second, _ := strings.Cut(rest, "_")
	switch nodes := uint64(0); kind {
	case "readindex":
		return reads(number(first[1:]), best), true
	case "idle":
		w, _ = idle(number(first), best)
		return w, true
	case "tick":
		return ticks(number(first), best), true
	case "election":
		return elections(number(first), best), true
	case "catchup":
		return catchUp(number(first), best), true
	case "joint":
		return joint(best), true
	case "log":
		return replicateOn(newCluster(3, 3, best), 64, 16, uint64(number(first))), true
	case "group":
		return replicate(uint64(number(first)), 64, 16, best), true
	case "single":
		return replicate(1, number(first[1:]), number(second), best), true
	default:
		if _, err := fmt.Sscanf(kind, "rep%d", &nodes); err != nil {
			return w, false
		}
		return replicate(nodes, number(first[1:]), number(second), best), true
	}
}

// number reads 16, 1k, 10m.
func number(text string) int {
	factor := 1
	if digits, ok := strings.CutSuffix(text, "k"); ok {
		text, factor = digits, 1_000
	} else if digits, ok := strings.CutSuffix(text, "m"); ok {
		text, factor = digits, 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n * factor
}

func main() {
	best := flag.Bool("best", false, "with the settings and calls that suit the workload best")
	seconds := flag.Float64("seconds", 0, "measure at least so long")
	ops := flag.Uint64("ops", 0, "measure at least so many operations")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: PROGRAM WORKLOAD [flags]")
		os.Exit(2)
	}
	name := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		os.Exit(2)
	}
	w, ok := find(name, *best)
	if !ok {
		fmt.Fprintf(os.Stderr, "no workload is called %s\n", name)
		os.Exit(2)
	}
	w.run(&meter{paused: true})
	m := &meter{}
	for m.ops == 0 || m.ops < *ops || m.time.Seconds() < *seconds {
		w.run(m)
	}
	w.check()
	mode := map[bool]string{false: "Default", true: "Best"}[*best]
	fmt.Printf("{\"library\": %q, \"workload\": %q, \"mode\": %q, \"ops\": %d, \"ns\": %d, \"allocations\": %d, "+
		"\"allocated_bytes\": %d, \"node_bytes\": %d}\n", library, name, mode, m.ops, m.time.Nanoseconds(),
		m.allocations, m.allocatedBytes, w.nodeBytes)
}
