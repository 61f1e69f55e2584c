// The faults of the membership: members are added, removed, and replaced, the leader among them,
// while everything else goes wrong as well. A change that has begun is carried on until it is
// acknowledged, since only then it is known who the members are.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

var memberFaults = []Fault{
	{"add", func(ctx context.Context, h *Hand) (string, bool) {
		spares := h.cluster.spares()
		if len(spares) == 0 {
			return "", false
		}
		one := spares[h.chance.IntN(len(spares))]
		return h.join(one)
	}},
	{"remove", func(ctx context.Context, h *Hand) (string, bool) { return h.leave(h.some(1)[0]) }},
	{"remove-leader", func(ctx context.Context, h *Hand) (string, bool) {
		leader := h.cluster.leader()
		if leader == nil {
			return "", false
		}
		return h.leave(leader)
	}},
	{"replace", func(ctx context.Context, h *Hand) (string, bool) {
		one := h.target()
		member := one.installed()
		if err := h.cluster.wipe(one); err != nil {
			h.cluster.fault("machine %d can't be wiped: %v", one.Number, err)
			return "", false
		}
		if !h.change(http.MethodDelete, one, member, "") {
			return "", false
		}
		detail, struck := h.join(one)
		return fmt.Sprintf("member %d's disk is lost; %s", member, detail), struck
	}},
	{"at-once", func(ctx context.Context, h *Hand) (string, bool) {
		// Two that don't wait for each other: one is refused or waits while the other is in flight.
		members := h.some(len(h.cluster.members()))
		done := make(chan bool)
		for _, one := range members[:2] {
			other := &Hand{Nemesis: h.Nemesis, chance: rand.New(rand.NewPCG(h.chance.Uint64(), 0))}
			go func() {
				done <- other.change(http.MethodPut, one, one.installed(), h.cluster.network.Address(one.Number))
			}()
		}
		first, second := <-done, <-done
		return "machines" + names(members[:2]), first && second
	}},
	{"add-again", func(ctx context.Context, h *Hand) (string, bool) {
		// It is a member already: its address is set to what it is.
		one := h.target()
		member := one.installed()
		return fmt.Sprintf("member %d", member), h.change(http.MethodPut, one, member, h.cluster.network.Address(one.Number))
	}},
}

// join makes a machine that is not in use a new member.
func (h *Hand) join(one *Machine) (string, bool) {
	contact := h.some(1)[0]
	if err := h.cluster.install(one, "--join", h.cluster.network.Address(contact.Number)); err != nil {
		h.cluster.fault("machine %d can't be installed: %v", one.Number, err)
		return "", false
	}
	member := one.installed()
	early := h.chance.IntN(2) == 0
	if early {
		h.startAll([]*Machine{one})
	}
	added := h.change(http.MethodPut, one, member, h.cluster.network.Address(one.Number))
	h.startAll([]*Machine{one})
	return fmt.Sprintf("member %d on machine %d, started early: %v", member, one.Number, early), added
}

// leave removes a machine's member, unless too few would be left. It goes on running until it knows.
func (h *Hand) leave(one *Machine) (string, bool) {
	const fewest = 3
	member := one.installed()
	if len(h.cluster.members()) <= fewest || member == 0 {
		return "", false
	}
	if !h.change(http.MethodDelete, one, member, "") {
		return "", false
	}
	one.retire()
	return fmt.Sprintf("member %d on machine %d", member, one.Number), true
}

// change asks one member after another to change the membership until it is acknowledged. A try that
// was not may have happened all the same: an addition can simply be repeated, and a removal is answered 404.
func (h *Hand) change(method string, one *Machine, member uint64, address string) bool {
	const pauseBetweenTries = 100 * time.Millisecond
	path := fmt.Sprintf("/members/%d", member)
	last := ""
	try := func(m *Machine) bool {
		answer, code, err := h.cluster.request(method, m, path, address, patience)
		last = fmt.Sprintf("%d %s %v", code, answer, err)
		switch {
		case err != nil || code == http.StatusServiceUnavailable || code == http.StatusConflict:
		case code == http.StatusOK && method == http.MethodPut:
			var applied struct{ Index uint64 }
			if err := json.Unmarshal(answer, &applied); err != nil {
				h.cluster.fault("%s %s at machine %d was answered %s", method, path, m.Number, last)
			}
			one.addedAt(applied.Index)
			return true
		case code == http.StatusOK:
			return true
		case code == http.StatusNotFound && method == http.MethodDelete:
			return h.left(m, one, member)
		default:
			h.cluster.fault("%s %s at machine %d was answered %s", method, path, m.Number, last)
		}
		return false
	}
	err := await(h.life, recoveryLimit, func() bool {
		for _, m := range h.some(len(h.cluster.members())) {
			if m == one && h.chance.IntN(2) == 0 {
				continue
			}
			if try(m) {
				return true
			}
			rest(h.life, pauseBetweenTries)
		}
		return false
	})
	if err == errDeadline {
		h.cluster.fault("%s %s was not carried out within %v; the last answer: %s\n%s",
			method, path, recoveryLimit, last, h.cluster.differences())
	}
	return err == nil
}

// left says whether a machine knows that a member has gone, and not just not yet that it came.
func (h *Hand) left(m, one *Machine, member uint64) bool {
	status, err := h.cluster.status(m, time.Second)
	if err != nil {
		return false
	}
	_, there := status.Members[strconv.FormatUint(member, 10)]
	one.mu.Lock()
	defer one.mu.Unlock()
	return !there && status.Applied >= one.added
}
