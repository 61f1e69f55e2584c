// What the rounds have led to: that something can happen does not say that it did.

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type coverage struct {
	rounds, steps, led, applied int
	// Of all that was applied, in order: the same for the same seeds.
	digest uint64

	leaders, asyncLeaders, changesBy map[implementation]int
	restarts, snapshots, transfers   map[[2]implementation]int
	changes, reads, extensions       map[string]int
	options                          map[uint64]int
	implOf                           map[uint64]implementation
	ofHistory                        *history
	newest                           uint64
}

func newCoverage() *coverage {
	return &coverage{
		leaders: map[implementation]int{}, asyncLeaders: map[implementation]int{},
		changesBy: map[implementation]int{}, restarts: map[[2]implementation]int{},
		snapshots: map[[2]implementation]int{}, transfers: map[[2]implementation]int{},
		changes: map[string]int{}, reads: map[string]int{}, extensions: map[string]int{}, options: map[uint64]int{},
	}
}

// leaderOf notes what leads a term of this history.
func (v *coverage) leaderOf(h *history, s *server) {
	v.forHistory(h)
	v.implOf[s.status.Term] = s.impl
	v.newest = max(v.newest, s.status.Term)
}

// newestTerm is the newest term that had a leader.
func (v *coverage) newestTerm(h *history) uint64 {
	v.forHistory(h)
	return v.newest
}

func (v *coverage) forHistory(h *history) {
	if v.ofHistory != h {
		v.ofHistory, v.implOf, v.newest = h, map[uint64]implementation{}, 0
	}
}

// missing lists what did not happen in rounds of this mix.
func (v *coverage) missing(mix []implementation) (list []string) {
	need := func(count int, format string, args ...any) {
		if count == 0 {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	for _, a := range mix {
		need(v.leaders[a], "%v leads", a)
		need(v.asyncLeaders[a], "%v leads with asynchronous writes", a)
		need(v.changesBy[a], "%v leads through a change of the members", a)
		for _, option := range []string{"safe", "lease"} {
			for _, role := range []string{"leader", "follower"} {
				need(v.reads[fmt.Sprintf("%s, %v as a %s", option, a, role)], "a %s read on %v as a %s", option, a, role)
			}
		}
		for _, b := range mix {
			pair := [2]implementation{a, b}
			need(v.snapshots[pair], "%v sends a snapshot to %v", a, b)
			need(v.transfers[pair], "%v hands leadership to %v", a, b)
			need(v.restarts[pair], "%v comes back as %v", a, b)
		}
	}
	for _, change := range []string{
		"v1", "v2 simple", "v2 joint auto", "v2 joint implicit", "v2 joint explicit",
		"leave a joint configuration", "leave a joint configuration automatically",
		"add a voter", "add a learner", "promote a learner", "demote a voter",
		"remove a voter", "remove a learner", "update",
	} {
		need(v.changes[change], "%s", change)
	}
	for _, a := range mix {
		if a.isOurs() {
			need(v.extensions[fmt.Sprintf("a snapshot that %v has asked for", a)], "a snapshot that %v has asked for", a)
			continue
		}
		for _, field := range ourFields {
			need(v.extensions[fmt.Sprintf("%s to %v", field, a)], "%s to %v", field, a)
		}
	}
	return list
}

// missingRare lists what did not happen in any round, of what does not happen often.
func (v *coverage) missingRare() (list []string) {
	for _, extension := range []string{
		"a report of a dropped proposal", "an entry applied ahead of the log",
		"message type 100", "message type 101", "message type 102",
	} {
		if v.extensions[extension] == 0 {
			list = append(list, extension)
		}
	}
	return list
}

func (v *coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds, %d steps, %d of them with a leader, %d proposals applied, digest %016x\n", v.rounds, v.steps, v.led, v.applied, v.digest)
	line := func(name string, counts map[string]int) {
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", key, counts[key]))
		}
		fmt.Fprintf(&b, "  %s: %s\n", name, strings.Join(parts, "; "))
	}
	line("leaders", named(v.leaders))
	line("leaders with asynchronous writes", named(v.asyncLeaders))
	line("changes of the members under", named(v.changesBy))
	line("changes of the members", v.changes)
	line("snapshots", paired(v.snapshots))
	line("transfers", paired(v.transfers))
	line("restarts", paired(v.restarts))
	line("reads", v.reads)
	line("extensions", v.extensions)
	return b.String()
}

func named(counts map[implementation]int) map[string]int {
	result := map[string]int{}
	for key, count := range counts {
		result[key.String()] = count
	}
	return result
}

func paired(counts map[[2]implementation]int) map[string]int {
	result := map[string]int{}
	for key, count := range counts {
		result[fmt.Sprintf("%v to %v", key[0], key[1])] = count
	}
	return result
}
