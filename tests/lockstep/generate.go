// Random scripts. The generator sees the cluster at work, so that what it draws next mostly makes
// sense; what it draws is written down and can be played without it.

package main

import (
	"math/rand/v2"

	upstream "go.etcd.io/raft/v3"
)

// generator draws inputs for one run.
type generator struct {
	*rand.Rand
	run *run
	// How orderly the present phase is: the chance, of 100, that the next input is what a good
	// host does next. What remains is chaos.
	order int
	// How many inputs are left of it.
	left int
	// A member that nothing is done for in this phase; 0 if there is none.
	asleep uint64
	// How often the clients do something when there is nothing else to do, rather than that time
	// passes; of 100.
	clients int
	// Which of the clients' inputs this cluster sees.
	changes, transfers, crashes, forgeries int
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x11bf))}
	g.changes = g.pick(0, 1, 3, 10)
	g.transfers = g.pick(0, 1, 3)
	g.crashes = g.pick(0, 1, 1, 4)
	g.forgeries = g.pick(0, 0, 0, 1)
	return g
}

func (g *generator) pick(choices ...int) int { return choices[g.IntN(len(choices))] }
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }
func (g *generator) size(choices ...uint64) uint64 {
	return choices[g.IntN(len(choices))]
}

// cluster draws the settings.
func (g *generator) cluster(seed uint64) clusterConfig {
	c := clusterConfig{seed: seed}
	nodes := 2 + g.IntN(4)
	voters := 1 + g.IntN(min(nodes, 4))
	if g.chance(60) {
		voters = min(3, nodes)
	}
	for id := range nodes {
		if id < voters {
			c.voters = append(c.voters, uint64(id+1))
		}
	}
	if g.chance(75) {
		c.index, c.term = 1+uint64(g.IntN(12)), 1+uint64(g.IntN(3))
		if nodes > voters && g.chance(40) {
			c.learners = append(c.learners, uint64(voters+1))
		}
	}
	one := g.node()
	mixed := g.chance(35)
	asyncs := g.IntN(3)
	for range nodes {
		n := one
		if mixed {
			n = g.node()
			// What must be the same everywhere for a cluster to make progress.
			n.electionTick, n.heartbeatTick = one.electionTick, one.heartbeatTick
		}
		n.asyncWrites = asyncs == 1 || asyncs == 2 && g.chance(50)
		c.nodes = append(c.nodes, n)
	}
	return c
}

func (g *generator) node() nodeConfig {
	n := nodeConfig{
		electionTick:      uint64(2 + g.IntN(12)),
		heartbeatTick:     1,
		maxSizePerMsg:     g.size(^uint64(0), ^uint64(0), 0, 1, 40, 100, 1000),
		maxCommittedSize:  g.size(0, 0, 0, 1, 40, 100, 1000),
		maxUncommitted:    g.size(0, 0, 0, 1, 30, 200),
		maxInflightMsgs:   g.size(256, 256, 1, 2, 3, 5),
		checkQuorum:       g.chance(50),
		preVote:           g.chance(50),
		noForwarding:      g.chance(10),
		noValidation:      g.chance(15),
		stepDownOnRemoval: g.chance(40),
		maxCachedBytes:    g.size(0, 0, 1, 100, 1000),
	}
	if n.electionTick > 3 && g.chance(30) {
		n.heartbeatTick = uint64(1 + g.IntN(int(n.electionTick)-2))
	}
	if n.maxSizePerMsg != ^uint64(0) && g.chance(40) {
		n.maxInflightBytes = max(1, n.maxSizePerMsg*uint64(1+g.IntN(3)))
	}
	// See zeroCommittedSize.
	if n.maxSizePerMsg == 0 && n.maxCommittedSize == 0 {
		n.maxCommittedSize = 1
	}
	n.leaseBased = n.checkQuorum && g.chance(40)
	return n
}

// next draws the next input.
func (g *generator) next() input {
	if g.left == 0 {
		g.phase()
		if g.chance(30) {
			return input{heal, nil}
		}
	}
	g.left--
	if g.chance(g.order) {
		if in, ok := g.routine(); ok {
			return in
		}
		if g.chance(g.clients) {
			return g.client()
		}
		return input{tick, []uint64{g.id(), g.size(1, 1, 1, 2, 3)}}
	}
	return g.chaos()
}

// phase begins a new phase.
func (g *generator) phase() {
	g.left = 20 + g.IntN(200)
	g.order = g.pick(99, 97, 97, 90, 70, 30)
	g.clients = g.pick(20, 50, 50, 90)
	g.asleep = 0
	if g.chance(35) {
		g.asleep = g.id()
	}
}

// id is a machine.
func (g *generator) id() uint64 { return uint64(1 + g.IntN(len(g.run.members))) }

// anyID is a machine, mostly.
func (g *generator) anyID() uint64 {
	if g.chance(3) {
		return g.size(0, 9)
	}
	return g.id()
}

// routine is what a good host does next; false if there is nothing to do.
func (g *generator) routine() (input, bool) {
	offset := g.IntN(len(g.run.members))
	for i := range g.run.members {
		m := g.run.members[(i+offset)%len(g.run.members)]
		if m.id == g.asleep {
			continue
		}
		if in, ok := g.service(m); ok {
			return in, true
		}
		for from := range g.run.links {
			if queue := g.run.links[from][m.id]; len(queue) > 0 {
				return input{deliver, []uint64{uint64(from), m.id, 0}}, true
			}
		}
	}
	return input{}, false
}

// service is what is to be done for one member.
func (g *generator) service(m *member) (input, bool) {
	t := &m.threads
	node := []uint64{m.id}
	switch {
	case m.batch != nil:
		// Now and then something else comes in between.
		return input{g.verb(persist, apply, advance), node}, g.chance(80)
	case len(t.appends) > 0 && g.chance(60):
		return input{write, node}, true
	case len(t.appendAcks) > 0 && g.chance(60):
		return input{acknowledge, []uint64{m.id, 0}}, true
	case len(t.applies) > 0 && g.chance(60):
		return input{apply, node}, true
	case len(t.applyAcks) > 0 && g.chance(60):
		return input{acknowledge, []uint64{m.id, 1}}, true
	case m.hasReady:
		return input{g.verb(handle, handle, handle, take), node}, true
	case len(t.appends)+len(t.appendAcks) > 0:
		return input{write, node}, len(t.appends) > 0
	}
	return input{}, false
}

func (g *generator) verb(choices ...verb) verb { return choices[g.IntN(len(choices))] }

// client is what the world outside wants. Mostly from the leader, if there is one.
func (g *generator) client() input {
	id := g.id()
	if g.chance(60) {
		for _, m := range g.run.members {
			if m.status.RaftState == upstream.StateLeader {
				id = m.id
			}
		}
	}
	forgetting := 6
	if g.asleep != 0 {
		// Whoever comes back is to need a snapshot.
		forgetting = 25
	}
	weights := []int{40, 15, 3, 4 * g.changes, 3 * g.transfers, forgetting, forgetting, g.crashes, 1, 1, 2, g.forgeries, 1, 2}
	total := 0
	for _, w := range weights {
		total += w
	}
	drawn := g.IntN(total)
	choice := 0
	for drawn >= weights[choice] {
		drawn -= weights[choice]
		choice++
	}
	switch choice {
	case 0:
		args := []uint64{id}
		for range g.pick(1, 1, 1, 1, 2, 3, 5) {
			args = append(args, g.size(sizeNil, sizeEmpty, 1, 5, 10, 10, 30, 60, 300))
		}
		return input{propose, args}
	case 1:
		return input{read, []uint64{id, g.size(8, 8, 8, 8, 1, sizeEmpty, sizeNil)}}
	case 2:
		return input{campaign, []uint64{g.id()}}
	case 3:
		if g.chance(15) {
			return input{several, append([]uint64{id, g.size(1, 2, 3)}, g.change()...)}
		}
		return input{change, append([]uint64{id}, g.change()...)}
	case 4:
		return input{transfer, []uint64{id, g.anyID()}}
	case 5:
		return input{snapshot, []uint64{id, g.size(0, 0, 0, 1, 3)}}
	case 6:
		return input{compact, []uint64{id, g.size(0, 0, 0, 1, 3)}}
	case 7:
		return input{restart, []uint64{g.id(), g.size(0, 0, 1, uint64(g.IntN(100)))}}
	case 8:
		return input{forget, []uint64{g.id()}}
	case 9:
		return input{unavailable, []uint64{g.id(), uint64(g.IntN(2))}}
	case 10:
		return input{cut, []uint64{g.id(), g.id()}}
	case 11:
		return input{forge, []uint64{g.id(), uint64(g.IntN(3))}}
	case 12:
		return input{local, []uint64{g.id(), uint64(g.IntN(len(localTypes)))}}
	default:
		return input{unreachable, []uint64{id, g.anyID()}}
	}
}

func (g *generator) change() []uint64 {
	// Type and node of a step: added, removed, updated, learner.
	step := func() []uint64 { return []uint64{g.size(0, 0, 0, 1, 1, 2, 3, 3), g.anyID()} }
	if g.chance(3) {
		return []uint64{0}
	}
	if g.chance(30) {
		return append([]uint64{1, 0}, step()...)
	}
	args := []uint64{2, g.size(0, 0, 1, 2)}
	for range g.pick(0, 0, 1, 1, 1, 2, 3) {
		args = append(args, step()...)
	}
	return args
}

// chaos is anything.
func (g *generator) chaos() input {
	if g.chance(60) {
		var busy [][]uint64
		for from := range g.run.links {
			for to, queue := range g.run.links[from] {
				if len(queue) > 0 {
					busy = append(busy, []uint64{uint64(from), uint64(to), uint64(g.IntN(len(queue)))})
				}
			}
		}
		if len(busy) > 0 {
			return input{g.verb(deliver, deliver, deliver, duplicate, duplicate, drop), busy[g.IntN(len(busy))]}
		}
	}
	id := g.id()
	switch g.IntN(14) {
	case 0, 1:
		return input{tick, []uint64{id, g.size(1, 1, 2, 5, 12)}}
	case 2:
		return input{quiesce, []uint64{id, g.size(1, 2, 5)}}
	case 3:
		return input{g.verb(take, take, persist, apply, advance), []uint64{id}}
	case 4:
		return input{g.verb(write, apply), []uint64{id}}
	case 5:
		return input{acknowledge, []uint64{id, uint64(g.IntN(2))}}
	case 6:
		return input{report, []uint64{id, g.anyID(), g.size(1, 2)}}
	case 7:
		return input{unreachable, []uint64{id, g.anyID()}}
	case 8:
		return input{take, []uint64{id}}
	default:
		return g.client()
	}
}
