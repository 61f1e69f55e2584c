// The kinds of faults of the network, the processes and the disks. Those of the membership are in members.go.

package main

import (
	"context"
	"fmt"
	"time"
)

// peers are all machines: a rule for one without a server does nothing.
func (n *Nemesis) peers() (numbers []int) {
	for _, m := range n.cluster.machines {
		numbers = append(numbers, m.Number)
	}
	return numbers
}

// among makes one rule for all links between machines that fulfil a condition.
func (n *Nemesis) among(rule Rule, condition func(from, to int) bool) {
	for _, from := range n.peers() {
		for _, to := range n.peers() {
			if from != to && condition(from, to) {
				n.links.Set(from, to, rule)
			}
		}
	}
}

// network makes a fault out of what sets the rules; they are cleared when it is over.
func network(name string, set func(h *Hand) string) Fault {
	return Fault{name, func(ctx context.Context, h *Hand) (string, bool) {
		detail := set(h)
		rest(ctx, h.between(500*time.Millisecond, 4*time.Second))
		h.links.Heal()
		return detail, true
	}}
}

var networkFaults = []Fault{
	network("isolate", func(h *Hand) string {
		one := h.target().Number
		h.among(Rule{Cut: true}, func(from, to int) bool { return from == one || to == one })
		return fmt.Sprintf("machine %d from its peers", one)
	}),
	network("isolate-all", func(h *Hand) string {
		one := h.target().Number
		h.among(Rule{Cut: true}, func(from, to int) bool { return from == one || to == one })
		h.links.Set(clients, one, Rule{Cut: true})
		h.links.Set(one, clients, Rule{Cut: true})
		return fmt.Sprintf("machine %d from peers and clients", one)
	}),
	network("split", func(h *Hand) string {
		side := h.sides()
		h.among(Rule{Cut: true}, func(from, to int) bool { return side[from] != side[to] })
		return fmt.Sprint(side)
	}),
	network("bridge", func(h *Hand) string {
		side, bridge := h.sides(), h.target().Number
		h.among(Rule{Cut: true}, func(from, to int) bool {
			return side[from] != side[to] && from != bridge && to != bridge
		})
		return fmt.Sprintf("machine %d sees both of %v", bridge, side)
	}),
	network("ring", func(h *Hand) string {
		place := map[int]int{}
		ring := h.some(len(h.cluster.machines))
		for i, m := range ring {
			place[m.Number] = i
		}
		h.among(Rule{Cut: true}, func(from, to int) bool {
			step := (place[to] - place[from] + len(ring)) % len(ring)
			return step != 1 && step != len(ring)-1
		})
		return fmt.Sprint("each of", names(ring), " sees its neighbours")
	}),
	network("deaf", func(h *Hand) string {
		one := h.target().Number
		h.among(Rule{Cut: true}, func(_, to int) bool { return to == one })
		return fmt.Sprintf("machine %d hears no peer", one)
	}),
	network("mute", func(h *Hand) string {
		one := h.target().Number
		h.among(Rule{Cut: true}, func(from, _ int) bool { return from == one })
		return fmt.Sprintf("machine %d is heard by no peer", one)
	}),
	network("one-way", func(h *Hand) string {
		cut := 0
		h.among(Rule{Cut: true}, func(_, _ int) bool {
			chosen := h.chance.IntN(3) == 0
			if chosen {
				cut++
			}
			return chosen
		})
		return fmt.Sprintf("%d directions are cut", cut)
	}),
	{"flapping", func(ctx context.Context, h *Hand) (string, bool) {
		one, flaps := h.target().Number, 4+h.chance.IntN(12)
		for range flaps {
			h.among(Rule{Cut: true}, func(from, to int) bool { return from == one || to == one })
			rest(ctx, h.between(20*time.Millisecond, 700*time.Millisecond))
			h.links.Heal()
			if !rest(ctx, h.between(20*time.Millisecond, 400*time.Millisecond)) {
				break
			}
		}
		return fmt.Sprintf("machine %d, %d times", one, flaps), true
	}},
	network("slow", func(h *Hand) string {
		rule := Rule{Delay: h.between(5*time.Millisecond, 150*time.Millisecond), Jitter: h.between(0, 100*time.Millisecond)}
		h.among(rule, func(_, _ int) bool { return true })
		return fmt.Sprintf("all links, %v and up to %v more", rule.Delay, rule.Jitter)
	}),
	network("slow-one", func(h *Hand) string {
		one := h.target().Number
		rule := Rule{Delay: h.between(50*time.Millisecond, 700*time.Millisecond), Jitter: h.between(0, 300*time.Millisecond)}
		h.among(rule, func(from, to int) bool { return from == one || to == one })
		return fmt.Sprintf("machine %d, %v and up to %v more", one, rule.Delay, rule.Jitter)
	}),
	network("thin", func(h *Hand) string {
		// A snapshot takes longer than this lasts.
		rule := Rule{Rate: 20_000 + h.chance.IntN(200_000)}
		h.among(rule, func(_, _ int) bool { return true })
		return fmt.Sprintf("all links, %d bytes in a second", rule.Rate)
	}),
	network("lossy", func(h *Hand) string {
		rule := Rule{Loss: 0.02 + 0.25*h.chance.Float64(), Duplicate: 0.2, Jitter: 20 * time.Millisecond}
		h.among(rule, func(_, _ int) bool { return true })
		return fmt.Sprintf("%.0f%% lost, a fifth doubled, out of order", 100*rule.Loss)
	}),
	network("client-cut", func(h *Hand) string {
		some := h.some(1 + h.chance.IntN(2))
		answers := h.chance.IntN(2) == 0
		for _, m := range some {
			h.links.Set(m.Number, clients, Rule{Cut: true})
			if !answers {
				h.links.Set(clients, m.Number, Rule{Cut: true})
			}
		}
		if answers {
			return "answers of machines" + names(some) + " don't reach clients"
		}
		return "machines" + names(some) + " from the clients"
	}),
	network("client-loss", func(h *Hand) string {
		rule := Rule{Loss: 0.1 + 0.2*h.chance.Float64(), Duplicate: 0.2, Jitter: 10 * time.Millisecond}
		for _, machine := range h.peers() {
			h.links.Set(machine, clients, rule)
			h.links.Set(clients, machine, rule)
		}
		return fmt.Sprintf("%.0f%% between clients and all machines", 100*rule.Loss)
	}),
}

// sides divides the machines by lot.
func (h *Hand) sides() map[int]string {
	side := map[int]string{}
	for i, m := range h.some(len(h.cluster.machines)) {
		side[m.Number] = string("AB"[i%2])
	}
	return side
}

// down kills machines, waits, and starts them again.
func (h *Hand) down(ctx context.Context, machines []*Machine, longest time.Duration) (string, bool) {
	killed := ""
	for _, m := range machines {
		if p := m.running(); p != nil {
			p.kill()
			killed += fmt.Sprintf(" %d", m.Number)
		}
	}
	rest(ctx, h.between(0, longest))
	h.startAll(machines)
	return "machines" + killed, killed != ""
}

func (h *Hand) startAll(machines []*Machine) {
	for _, m := range machines {
		if err := h.cluster.start(m); err != nil {
			h.cluster.fault("it can't be started again: %v", err)
		}
	}
}

// hold stops machines for a while.
func (h *Hand) hold(ctx context.Context, machines []*Machine) (string, bool) {
	var held []*Process
	text := ""
	for _, m := range machines {
		if p := m.running(); p != nil {
			p.pause()
			held = append(held, p)
			text += fmt.Sprintf(" %d", m.Number)
		}
	}
	rest(ctx, h.between(200*time.Millisecond, 4*time.Second))
	for _, p := range held {
		p.resume()
	}
	return "machines" + text, len(held) > 0
}

var processFaults = []Fault{
	{"kill", func(ctx context.Context, h *Hand) (string, bool) {
		return h.down(ctx, []*Machine{h.target()}, 4*time.Second)
	}},
	{"kill-leader", func(ctx context.Context, h *Hand) (string, bool) {
		leader := h.cluster.leader()
		if leader == nil {
			return "", false
		}
		return h.down(ctx, []*Machine{leader}, 4*time.Second)
	}},
	{"kill-majority", func(ctx context.Context, h *Hand) (string, bool) {
		return h.down(ctx, h.some(len(h.cluster.members())/2+1), 3*time.Second)
	}},
	{"kill-all", func(ctx context.Context, h *Hand) (string, bool) {
		return h.down(ctx, h.cluster.members(), 2*time.Second)
	}},
	{"kill-storm", func(ctx context.Context, h *Hand) (string, bool) {
		one, times := h.target(), 0
		for range 3 + h.chance.IntN(4) {
			if _, struck := h.down(ctx, []*Machine{one}, 300*time.Millisecond); struck {
				times++
			}
			if !rest(ctx, h.between(0, 900*time.Millisecond)) {
				break
			}
		}
		return fmt.Sprintf("machine %d, %d times", one.Number, times), times > 0
	}},
	{"terminate", func(ctx context.Context, h *Hand) (string, bool) {
		one := h.target()
		p := one.running()
		if p == nil {
			return "", false
		}
		if err := p.terminate(terminationLimit); err != nil && !p.wasKilled() {
			h.cluster.fault("member %d: %v\n%s", p.member, err, p.lastWords(15))
		}
		rest(ctx, h.between(0, 2*time.Second))
		h.startAll([]*Machine{one})
		return fmt.Sprintf("machine %d", one.Number), true
	}},
	{"pause", func(ctx context.Context, h *Hand) (string, bool) { return h.hold(ctx, []*Machine{h.target()}) }},
	{"stutter", func(ctx context.Context, h *Hand) (string, bool) {
		one, times := h.target(), 0
		for range 20 + h.chance.IntN(40) {
			p := one.running()
			if p == nil {
				break
			}
			p.pause()
			rest(ctx, h.between(20*time.Millisecond, 150*time.Millisecond))
			p.resume()
			times++
			if !rest(ctx, h.between(time.Millisecond, 20*time.Millisecond)) {
				break
			}
		}
		return fmt.Sprintf("machine %d, stopped %d times for a moment", one.Number, times), times > 0
	}},
	{"pause-leader", func(ctx context.Context, h *Hand) (string, bool) {
		leader := h.cluster.leader()
		if leader == nil {
			return "", false
		}
		return h.hold(ctx, []*Machine{leader})
	}},
	{"pause-majority", func(ctx context.Context, h *Hand) (string, bool) {
		return h.hold(ctx, h.some(len(h.cluster.members())/2+1))
	}},
}

// terminationLimit is much longer than the 5 seconds that a server may take, on a machine of its own.
const terminationLimit = 30 * time.Second

var diskFaults = []Fault{
	{"disk-full", func(ctx context.Context, h *Hand) (string, bool) {
		one := h.target()
		if err := h.cluster.fill(one); err != nil {
			h.cluster.fault("machine %d's disk can't be filled: %v", one.Number, err)
			return "", false
		}
		rest(ctx, h.between(500*time.Millisecond, 4*time.Second))
		ended := ""
		if one.running() == nil {
			ended = ", and its server ended"
		}
		if err := h.cluster.drain(one); err != nil {
			h.cluster.fault("machine %d's disk can't be made free: %v", one.Number, err)
		}
		h.startAll([]*Machine{one})
		return fmt.Sprintf("machine %d%s", one.Number, ended), true
	}},
}
