// A run: the cluster is started, the nemesis has its rounds, everything is healed, and then it is seen
// whether anything was lost, whether all agree, and whether the history is linearizable.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkLimit is how long porcupine may think about one key.
const checkLimit = 2 * time.Minute

// Verdict is what came of it.
type Verdict struct {
	passed, failed int
	lines          []string // of what was checked
	report         []string // figures
	interrupted    bool
}

// check counts one thing that had to be so.
func (v *Verdict) check(good bool, what string, details ...string) {
	if good {
		v.passed++
		v.lines = append(v.lines, "ok      "+what)
		return
	}
	v.failed++
	v.lines = append(v.lines, "WRONG   "+what)
	v.lines = append(v.lines, details...)
}

func (v *Verdict) say(format string, arguments ...any) {
	v.report = append(v.report, fmt.Sprintf(format, arguments...))
}

// print shows the verdict and gives the exit code.
func (v *Verdict) print(o *Options, network string) int {
	for _, line := range append(v.report, v.lines...) {
		fmt.Println(line)
	}
	fmt.Println("again: " + o.repeat(network))
	if v.interrupted {
		fmt.Println("interrupted: nothing can be said of it")
		return 130
	}
	fmt.Printf("%d passed, %d failed\n", v.passed, v.failed)
	if v.failed > 0 {
		return 1
	}
	return 0
}

// run is the whole run.
func run(ctx context.Context, o *Options, cluster *Cluster, links *Links) (*Verdict, error) {
	v := &Verdict{}
	history := newHistory()
	log, err := os.Create(filepath.Join(cluster.root, "faults.log"))
	if err != nil {
		return v, err
	}
	defer log.Close()
	fmt.Printf("seed %d: %d members (%s), network %s, disks %s, for %d s\n",
		o.seed, o.nodes, o.servers, cluster.network.Name(), cluster.kindOfDisks(), o.seconds)
	if err := cluster.bootstrap(o.nodes); err != nil {
		return v, err
	}
	load := startLoad(cluster, history, httpSend(cluster.network.Address, cluster.fault), "",
		o.clients, o.keys, o.think, o.seed)
	defer load.end()
	nemesis := newNemesis(ctx, cluster, links, history, o, log)
	if err := nemesis.recover(); err != nil {
		return v, err
	}
	if !cluster.sound() {
		return v, fmt.Errorf("the cluster doesn't come up:\n%s", strings.Join(first(cluster.wrong()), "\n"))
	}
	begin := history.Now()
	late := lateness(ctx)
	deadline := time.Now().Add(time.Duration(o.seconds) * time.Second)
	for round := 1; time.Now().Before(deadline) && cluster.sound(); round++ {
		lasting := min(6*time.Second+time.Duration(nemesis.chance.Int64N(int64(6*time.Second))), time.Until(deadline))
		if err := nemesis.round(lasting); err != nil {
			nemesis.summarize(v, begin)
			return v, err
		}
		fmt.Printf("%7.1f s  round %d: the members served again %.1f s after the healing\n",
			seconds(history.Now()), round, nemesis.recoveries[len(nemesis.recoveries)-1].Seconds())
	}
	end := history.Now()
	load.end()
	nemesis.summarize(v, begin)
	v.say("longest time in which nobody was served: %.2f s", history.LongestGap(begin, end).Seconds())
	v.say("longest time that this program was late itself, for want of a processor: %.2f s", late().Seconds())
	judge(ctx, v, cluster, load, nemesis)
	return v, ctx.Err()
}

// lateness measures by how much sleeps are longer than they should be, until it is asked. On a machine that
// has too much else to do, servers are held up likewise, and nothing says anything of their speed.
func lateness(ctx context.Context) func() time.Duration {
	const nap = 50 * time.Millisecond
	ctx, stop := context.WithCancel(ctx)
	longest := make(chan time.Duration, 1)
	go func() {
		worst, last := time.Duration(0), time.Now()
		for rest(ctx, nap) {
			worst, last = max(worst, time.Since(last)-nap), time.Now()
		}
		longest <- worst
	}()
	return func() time.Duration {
		stop()
		return <-longest
	}
}

// judge looks at the cluster and the history once everything has been healed and nobody writes.
func judge(ctx context.Context, v *Verdict, cluster *Cluster, load *Load, nemesis *Nemesis) {
	history := load.history
	differences := "?"
	err := await(ctx, recoveryLimit, func() bool {
		differences = cluster.differences()
		return differences == ""
	})
	v.check(err == nil, "all members have the same state", differences)
	final := load.final(v, cluster, history.Ops())
	ops := history.Ops()
	lostWrites := lost(ops, final)
	v.check(len(lostWrites) == 0, fmt.Sprintf("what was acknowledged is there, in %d keys", len(final)), first(lostWrites)...)

	began := time.Now()
	judgement := linearizable(ops, checkLimit)
	var problems []string
	for _, violation := range judgement.Violations {
		problems = append(problems, fmt.Sprintf("    %s: no order of its %d operations explains them", violation.Key, len(violation.Ops)))
	}
	for _, key := range judgement.Undecided {
		problems = append(problems, fmt.Sprintf("    %s: undecided after %v", key, checkLimit))
	}
	v.check(len(problems) == 0, fmt.Sprintf("linearizable: %d operations on %d keys, checked in %.1f s",
		judgement.Operations, judgement.Keys, time.Since(began).Seconds()), first(problems)...)
	if len(problems)+len(lostWrites) > 0 {
		keep(v, cluster.root, ops, judgement, nemesis.notes)
	}

	faults := cluster.wrong()
	v.check(len(faults) == 0, "all servers did what they must in between", first(faults)...)
	counts := count(ops)
	busy := counts["get"][Done] > 0 && counts["put"][Done] > 0 && counts["delete"][Done] > 0 && nemesis.total() > 0
	v.check(busy, "there were reads, writes and faults")
}

// final reads every key that anybody has used, at each member's machine in turn, and compares the
// whole with the state hash of all.
func (l *Load) final(v *Verdict, cluster *Cluster, ops []Op) map[string]register {
	keys := map[string]bool{}
	for _, op := range ops {
		keys[op.Key] = true
	}
	names := sortedKeys(keys)
	final := map[string]register{}
	var problems []string
	members := cluster.members()
	for i, m := range members {
		var part []string
		for j := i; j < len(names); j += len(members) {
			part = append(part, names[j])
		}
		found := l.readAll(m.Number, part, recoveryLimit)
		if found == nil {
			problems = append(problems, fmt.Sprintf("    machine %d did not answer all of %d reads", m.Number, len(part)))
		}
		for key, value := range found {
			final[key] = value
		}
	}
	hash := stateHash(final)
	for m, status := range cluster.statuses() {
		if status.Hash != hash {
			problems = append(problems, fmt.Sprintf("    machine %d's state is %s, and that of what was read %s", m.Number, status.Hash, hash))
		}
	}
	v.check(len(problems) == 0, "what is read is all there is: "+hash, problems...)
	return final
}

// first gives the first lines of many.
func first(lines []string) []string {
	const most = 10
	if len(lines) > most {
		return append(lines[:most:most], fmt.Sprintf("    and %d more", len(lines)-most))
	}
	return lines
}

// keep writes what is needed to look into a violation.
func keep(v *Verdict, directory string, ops []Op, judgement Judgement, notes []porcupine.Annotation) {
	path := filepath.Join(directory, "history.jsonl")
	if err := writeHistory(path, ops); err != nil {
		v.say("the history can't be written: %v", err)
	} else {
		v.say("history: %s (e2e -check FILE)", path)
	}
	for i, violation := range judgement.Violations {
		if i == 10 {
			break
		}
		path := filepath.Join(directory, strings.ReplaceAll(violation.Key, "/", "-")+".html")
		if err := violation.Draw(path, notes); err != nil {
			v.say("%s can't be drawn: %v", violation.Key, err)
		} else {
			v.say("drawn: %s", path)
		}
	}
}

// count counts operations by kind and outcome.
func count(ops []Op) map[string]map[Outcome]int {
	counts := map[string]map[Outcome]int{}
	for _, kind := range []Kind{Get, Put, Delete} {
		counts[string(kind)] = map[Outcome]int{}
	}
	for _, op := range ops {
		counts[string(op.Kind)][op.Outcome]++
	}
	return counts
}

func (n *Nemesis) total() (total int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, times := range n.counts {
		total += times
	}
	return total
}

// summarize reports figures.
func (n *Nemesis) summarize(v *Verdict, begin int64) {
	ops := n.history.Ops()
	v.say("operations     done  unknown  failed")
	for kind, outcomes := range count(ops) {
		v.say("    %-8s %7d  %7d %7d", kind, outcomes[Done], outcomes[Unknown], outcomes[Failed])
	}
	sort.Strings(v.report[1:])
	n.mu.Lock()
	var faults []string
	for _, name := range sortedKeys(n.counts) {
		faults = append(faults, fmt.Sprintf("%s %d", name, n.counts[name]))
	}
	slowest := time.Duration(0)
	for _, recovery := range n.recoveries {
		slowest = max(slowest, recovery)
	}
	rounds := len(n.recoveries) - 1
	n.mu.Unlock()
	v.say("faults: %d in %d rounds: %s", n.total(), rounds, strings.Join(faults, ", "))
	carried := n.links.Traffic()
	v.say("network: %d passed, %d dropped, %d delayed, %d doubled", carried.passed, carried.dropped, carried.delayed, carried.doubled)
	n.cluster.mu.Lock()
	v.say("processes: %d starts, %d members in all, %d ended because of a full disk",
		n.cluster.starts, n.cluster.nextMember-1, n.cluster.diskEnds)
	n.cluster.mu.Unlock()
	v.say("slowest recovery after a healing: %.2f s; %.0f s of faults", slowest.Seconds(), seconds(n.history.Now()-begin))
}

// checkFile checks a history that was kept.
func checkFile(path string) int {
	ops, err := readHistory(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	v := &Verdict{}
	judgement := linearizable(ops, checkLimit)
	keep := func(violation Violation) string {
		page := filepath.Join(filepath.Dir(path), strings.ReplaceAll(violation.Key, "/", "-")+".html")
		if err := violation.Draw(page, nil); err != nil {
			return "    " + err.Error()
		}
		return "    " + violation.Key + ": " + page
	}
	var problems []string
	for _, violation := range judgement.Violations {
		problems = append(problems, keep(violation))
	}
	v.check(len(problems)+len(judgement.Undecided) == 0,
		fmt.Sprintf("linearizable: %d operations on %d keys", judgement.Operations, judgement.Keys),
		append(problems, judgement.Undecided...)...)
	fmt.Println(strings.Join(v.lines, "\n"))
	fmt.Printf("%d passed, %d failed\n", v.passed, v.failed)
	return v.failed
}

// shutDown ends the servers as one should, which must work.
func (c *Cluster) shutDown() {
	for _, m := range c.machines {
		if p := m.running(); p != nil {
			_ = p.terminate(terminationLimit)
		}
	}
}
