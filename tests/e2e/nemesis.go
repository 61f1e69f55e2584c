// What goes wrong: rounds of faults, drawn from a seed. In each round several hands are at work at the same
// time, one on the network, one on the processes, one on the membership, one on the disks; each draws
// from its own shuffled deck, so that every kind comes before any comes twice. Then everything is
// healed, and within a bounded time every member has to serve again.
//
// The seed fixes what is drawn; when exactly it strikes is up to the machine.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// recoveryLimit is how long the cluster may take to be whole again once nothing is wrong any more. What
// it needs is a few seconds, most of it the time in which TCP notices that a link works again.
const recoveryLimit = 3 * time.Minute

// Fault is one kind of trouble. It lasts until ctx ends or it is over, and leaves nothing behind.
type Fault struct {
	Name string
	Do   func(ctx context.Context, h *Hand) (detail string, struck bool)
}

// Hand draws from one deck.
type Hand struct {
	*Nemesis
	chance *rand.Rand
	kinds  []Fault
	deck   []Fault
	lasts  bool // what it has begun is finished after the healing
}

// Nemesis is all hands together, and what they have done.
type Nemesis struct {
	cluster *Cluster
	links   *Links
	history *History
	hands   []*Hand // network, processes, disks (if there are any), and the membership as the last
	chance  *rand.Rand
	log     *os.File
	verbose bool
	life    context.Context // of the whole run

	mu         sync.Mutex
	counts     map[string]int
	notes      []porcupine.Annotation
	recoveries []time.Duration
}

func newNemesis(life context.Context, c *Cluster, l *Links, h *History, o *Options, log *os.File) *Nemesis {
	n := &Nemesis{
		life: life, cluster: c, links: l, history: h, log: log, verbose: o.verbose, counts: map[string]int{},
		chance: rand.New(rand.NewPCG(o.seed, 1)),
	}
	decks := [][]Fault{networkFaults, processFaults, memberFaults}
	if c.disks {
		decks = [][]Fault{networkFaults, processFaults, diskFaults, memberFaults}
	}
	for i, deck := range decks {
		kinds := slices.DeleteFunc(slices.Clone(deck), func(f Fault) bool { return !o.wants(f.Name) })
		if len(kinds) == 0 {
			continue
		}
		n.hands = append(n.hands, &Hand{
			Nemesis: n, kinds: kinds, lasts: i == len(decks)-1, chance: rand.New(rand.NewPCG(o.seed, uint64(i+2))),
		})
	}
	return n
}

// note records what has been done, and when.
func (n *Nemesis) note(tag, text string, begin int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	end := n.history.Now()
	n.notes = append(n.notes, porcupine.Annotation{Tag: tag, Start: begin, End: end, Description: text})
	line := fmt.Sprintf("%7.2f - %7.2f s  %-12s %s\n", seconds(begin), seconds(end), tag, text)
	_, _ = n.log.WriteString(line)
	if n.verbose {
		fmt.Print(line)
	}
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }

// between draws a duration.
func (h *Hand) between(least, most time.Duration) time.Duration {
	return least + time.Duration(h.chance.Int64N(int64(most-least)+1))
}

func (h *Hand) draw() Fault {
	if len(h.deck) == 0 {
		h.deck = append(h.deck, h.kinds...)
		h.chance.Shuffle(len(h.deck), func(i, j int) { h.deck[i], h.deck[j] = h.deck[j], h.deck[i] })
	}
	fault := h.deck[len(h.deck)-1]
	h.deck = h.deck[:len(h.deck)-1]
	return fault
}

// work does one thing after another until ctx ends.
func (h *Hand) work(ctx context.Context) {
	for rest(ctx, h.between(0, time.Second)) {
		fault := h.draw()
		begin := h.history.Now()
		detail, struck := fault.Do(ctx, h)
		if !struck {
			continue
		}
		h.mu.Lock()
		h.counts[fault.Name]++
		h.mu.Unlock()
		h.note(fault.Name, detail, begin)
	}
}

// round lets some hands work for a while, heals, and waits until every member serves. Its error is that
// of the run; what the cluster did wrong is noted there.
func (n *Nemesis) round(lasting time.Duration) error {
	faulty, end := context.WithTimeout(n.life, lasting)
	defer end()
	// Each hand but one may rest, so that each kind of trouble also comes alone.
	busy := n.chance.IntN(len(n.hands))
	var passing, lasts sync.WaitGroup
	for i, hand := range n.hands {
		if i != busy && n.chance.IntN(3) == 0 {
			continue
		}
		if hand.lasts {
			lasts.Go(func() { hand.work(faulty) })
		} else {
			passing.Go(func() { hand.work(faulty) })
		}
	}
	<-faulty.Done()
	passing.Wait()
	n.heal()
	// A change of the members that has begun is finished once nothing is in its way.
	lasts.Wait()
	return n.recover()
}

// heal ends whatever is wrong.
func (n *Nemesis) heal() {
	n.links.Heal()
	for _, m := range n.cluster.machines {
		if p := m.running(); p != nil {
			p.resume()
		}
		if err := n.cluster.start(m); err != nil {
			n.cluster.fault("it can't be started: %v", err)
		}
	}
}

// restartStarved starts again what has ended for want of space. A server may notice that late, when
// there is space again and nobody waits for its end any more.
func (n *Nemesis) restartStarved() {
	for _, m := range n.cluster.machines {
		m.mu.Lock()
		p := m.process
		m.mu.Unlock()
		if p == nil || p.alive() || !p.endedForSpace() {
			continue
		}
		if err := n.cluster.start(m); err != nil {
			n.cluster.fault("it can't be started again: %v", err)
		}
	}
}

// recover waits until every member has served a request that began after the healing, and every
// removed one knows that it was removed. These are then taken away.
func (n *Nemesis) recover() error {
	begin := n.history.Now()
	missing := ""
	err := await(n.life, recoveryLimit, func() bool {
		n.restartStarved()
		served := n.history.ServedSince(begin)
		missing = ""
		for _, m := range n.cluster.members() {
			if !served[m.Number] {
				missing += fmt.Sprintf(" %d", m.Number)
			}
		}
		// What has gone wrong already won't be better for waiting.
		return missing == "" || !n.cluster.sound()
	})
	if err == errDeadline {
		n.cluster.fault("%v after everything was healed, machines%s had not served a request\n%s",
			recoveryLimit, missing, n.cluster.differences())
	} else if err != nil {
		return err
	}
	n.mu.Lock()
	n.recoveries = append(n.recoveries, time.Duration(n.history.Now()-begin))
	n.mu.Unlock()
	for _, m := range n.cluster.machines {
		m.mu.Lock()
		removed, member := m.removed, m.member
		m.mu.Unlock()
		if !removed {
			continue
		}
		err := await(n.life, recoveryLimit, func() bool {
			status, err := n.cluster.status(m, time.Second)
			// One that was removed before it heard of anything has nobody to hear it from.
			return err == nil && (status.Role == "removed" || status.Applied == 0)
		})
		if err == errDeadline {
			status, err := n.cluster.status(m, time.Second)
			n.cluster.fault("member %d doesn't know that it was removed: %+v %v", member, status, err)
		} else if err != nil {
			return err
		}
		if err := n.cluster.wipe(m); err != nil {
			return err
		}
	}
	return nil
}

// target draws a member's machine: in half of the cases the leader's, if there is one.
func (h *Hand) target() *Machine {
	if h.chance.IntN(2) == 0 {
		if leader := h.cluster.leader(); leader != nil {
			return leader
		}
	}
	members := h.cluster.members()
	return members[h.chance.IntN(len(members))]
}

// some draws a number of members' machines.
func (h *Hand) some(count int) []*Machine {
	members := h.cluster.members()
	h.chance.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return members[:min(count, len(members))]
}

func names(machines []*Machine) string {
	text := ""
	for _, m := range machines {
		text += fmt.Sprintf(" %d", m.Number)
	}
	return text
}
