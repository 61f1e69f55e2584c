// What the network does to what travels from one machine to another, for each direction of each pair.
// The networks ask here what becomes of a packet or a request; the nemesis says what should. Machine
// 0 stands for the clients.

package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

// clients is the place of the clients in the network.
const clients = 0

// Rule says what happens on one direction of a link. The zero value is a good link.
type Rule struct {
	Cut       bool
	Loss      float64 // of packets, or of requests and of answers
	Duplicate float64 // of packets only; TCP sorts that out
	Delay     time.Duration
	Jitter    time.Duration // added to Delay, up to this; so packets overtake each other
	Rate      int           // bytes in a second; 0: no limit
}

type pair struct{ from, to int }

// Links holds the rules. Its methods may be called from any goroutine.
type Links struct {
	mu      sync.Mutex
	rules   map[pair]Rule
	chance  *rand.Rand
	changed chan struct{}      // closed when a rule changes
	doubles bool               // whether the network can carry something twice
	free    map[pair]time.Time // when a link of limited rate has sent what it was given
	carried traffic
}

// longestQueue is what a link of limited rate keeps waiting; it drops what comes on top.
const longestQueue = 2 * time.Second

// traffic counts what became of packets or requests.
type traffic struct {
	passed, dropped, delayed, doubled int64
}

func newLinks(seed uint64) *Links {
	return &Links{
		rules:   map[pair]Rule{},
		chance:  rand.New(rand.NewPCG(seed, 0x6c696e6b)),
		changed: make(chan struct{}),
		free:    map[pair]time.Time{},
	}
}

// Set makes a rule for one direction.
func (l *Links) Set(from, to int, rule Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rule == (Rule{}) {
		delete(l.rules, pair{from, to})
	} else {
		l.rules[pair{from, to}] = rule
	}
	l.wake()
}

// Heal makes all links good.
func (l *Links) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.rules)
	clear(l.free)
	l.wake()
}

func (l *Links) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Fate is what becomes of one packet or request.
type Fate struct {
	Cut    bool // the link is cut: nothing passes
	Lost   bool // this one is lost
	Copies int
	Delay  time.Duration
}

// Decide draws the fate of some bytes that go from one machine to another.
func (l *Links) Decide(from, to, size int) Fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	rule, bad := l.rules[pair{from, to}]
	if !bad {
		l.carried.passed++
		return Fate{Copies: 1}
	}
	if rule.Cut || l.chance.Float64() < rule.Loss {
		l.carried.dropped++
		return Fate{Cut: rule.Cut, Lost: true}
	}
	fate := Fate{Copies: 1, Delay: rule.Delay}
	if rule.Jitter > 0 {
		fate.Delay += time.Duration(l.chance.Int64N(int64(rule.Jitter)))
	}
	if rule.Rate > 0 {
		now, free := time.Now(), l.free[pair{from, to}]
		if free.Before(now) {
			free = now
		}
		// One that is larger than the whole queue passes if nothing else waits.
		if free.Sub(now) > longestQueue {
			l.carried.dropped++
			return Fate{Lost: true}
		}
		free = free.Add(time.Duration(size) * time.Second / time.Duration(rule.Rate))
		l.free[pair{from, to}] = free
		fate.Delay += free.Sub(now)
	}
	if fate.Delay > 0 {
		l.carried.delayed++
	}
	if l.doubles && l.chance.Float64() < rule.Duplicate {
		l.carried.doubled++
		fate.Copies = 2
	}
	l.carried.passed++
	return fate
}

// Changed is closed at the next change of any rule.
func (l *Links) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Traffic is what has been counted so far.
func (l *Links) Traffic() traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.carried
}
