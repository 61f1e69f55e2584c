// Workloads for Raft libraries written in Go, or bound to it, and what each of them costs.
//
// The same as in ../harness, for another language: nodes of one group in one thread that pass
// messages as values, and checks at the end that all of them have applied the same. A library takes
// part by the type `replica`, of which a build tag chooses one.
package main

import "fmt"

// payload makes commands, each one different.
type payload struct {
	bytes  []byte
	number uint64
}

func newPayload(size int) *payload {
	p := &payload{bytes: make([]byte, size)}
	for i := range p.bytes {
		p.bytes[i] = byte(i)
	}
	return p
}

// next gives the next command, in memory of its own: the libraries keep what they are given.
func (p *payload) next() []byte {
	p.number++
	data := make([]byte, len(p.bytes))
	copy(data, p.bytes)
	for i := range 8 {
		data[i] = byte(p.number >> (8 * i))
	}
	return data
}

// applied is the state machine: it counts, and folds what it is given into one number.
type applied struct {
	index, commands, reads, digest uint64
}

func (a *applied) apply(index uint64, data []byte) {
	if index != a.index+1 {
		panic("entries are applied in order")
	}
	a.index = index
	if len(data) >= 8 {
		a.commands++
		number := uint64(len(data))
		for i := range 8 {
			number ^= uint64(data[i]) << (8 * i)
		}
		a.digest = (a.digest ^ number) * 0x100000001b3
	}
}

type cluster struct {
	nodes  []*replica
	cutOff uint64
	// In idle, one for all groups: a host's thread has one, however many groups it has.
	outbox    *[]message
	compacted uint64
	best      bool
}

const (
	compactEvery = 10_000
	compactKeep  = 100
)

// newCluster makes count nodes, of which the first voters are members, and node 1 their leader.
func newCluster(count, voters uint64, best bool) *cluster {
	members := make([]uint64, voters)
	for i := range members {
		members[i] = uint64(i) + 1
	}
	c := &cluster{best: best, outbox: new([]message)}
	for id := uint64(1); id <= count; id++ {
		c.nodes = append(c.nodes, newReplica(id, members, best))
	}
	c.elect(1)
	return c
}

func (c *cluster) elect(id uint64) {
	c.nodes[id-1].campaign()
	c.run()
	if !c.nodes[id-1].isLeader() {
		panic(fmt.Sprintf("node %d was not elected", id))
	}
}

func (c *cluster) propose(count int, p *payload) {
	if c.best {
		c.nodes[0].proposeBatch(count, p)
	} else {
		c.nodes[0].proposeEach(count, p)
	}
}

// run passes messages along until nobody has anything to do.
func (c *cluster) run() {
	for idle := false; !idle; {
		idle = true
		for _, node := range c.nodes {
			if !node.hasReady() {
				continue
			}
			idle = false
			outbox := node.process((*c.outbox)[:0])
			*c.outbox = outbox
			for i := range outbox {
				if to := recipient(&outbox[i]); to != c.cutOff {
					c.nodes[to-1].step(outbox[i])
				}
			}
		}
	}
}

func (c *cluster) maybeCompact() {
	if now := c.nodes[0].applied.index; now >= c.compacted+compactEvery+compactKeep {
		c.compacted = now - compactKeep
		for _, node := range c.nodes {
			node.compact(c.compacted)
		}
	}
}

// check panics unless nodes first to last have applied the same, and so many commands.
func (c *cluster) check(first, last int, commands uint64) {
	want := c.nodes[first-1]
	if want.applied.commands != commands {
		panic(fmt.Sprintf("%d commands are applied, not %d", want.applied.commands, commands))
	}
	log := want.lastEntries(1000)
	for _, node := range c.nodes[first-1 : last] {
		a, b := node.applied, want.applied
		a.reads, b.reads = 0, 0
		if a != b {
			panic(fmt.Sprintf("nodes have applied different entries: %v and %v", a, b))
		}
		if node.lastEntries(1000) != log {
			panic("nodes have different logs")
		}
	}
}
