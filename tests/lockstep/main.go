// Lockstep drives a cluster of our nodes and a cluster of etcd-io/raft's with the same random
// inputs, and compares the two after each. See README.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	var (
		seed    = flag.Uint64("seed", 1, "the first seed; each cluster has its own")
		steps   = flag.Int("steps", 100_000, "how many inputs in all")
		length  = flag.Int("length", 2000, "how many inputs for each cluster")
		path    = flag.String("script", "", "play this file instead")
		verbose = flag.Bool("v", false, "count inputs and messages by kind")
		keep    = flag.Bool("k", false, "go on after a difference")
	)
	flag.Parse()
	if *path != "" {
		os.Exit(playFile(*path, os.Stdout))
	}
	os.Exit(search(*seed, *steps, *length, *verbose, *keep, os.Stdout))
}

// playFile plays a script. 0 if there was no difference, 1 if there was, 2 if it can't be played.
func playFile(path string, out io.Writer) int {
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		var s *script
		if s, err = parseScript(file); err == nil {
			r, played, found := s.outcome()
			if found != nil {
				fmt.Fprintf(out, "at %q: %v\n", s.line(played-1), found)
			}
			return summarize(out, &r.tally, 1, found != nil, false)
		}
	}
	fmt.Fprintf(out, "%s: %v\n", path, err)
	return 2
}

func (s *script) line(i int) string {
	if i < 0 || i >= len(s.inputs) {
		return "the start"
	}
	return s.inputs[i].String()
}

// search plays random scripts until there have been enough inputs or there is a difference.
func search(seed uint64, steps, length int, verbose, keep bool, out io.Writer) int {
	total := newTally()
	begun := time.Now()
	clusters, differences := 0, 0
	for ; total.steps < steps; seed++ {
		t, s, found := playSeed(seed, min(length, steps-total.steps))
		total.add(t)
		clusters++
		if found == nil {
			continue
		}
		differences++
		limit := time.Minute
		if keep {
			limit = 10 * time.Second
		}
		short, shortFound := shrink(s, found, limit)
		if shortFound == nil {
			// It does not come again: something is not determined by the script.
			short, shortFound = s, found
		}
		fmt.Fprintf(out, "seed %d, input %d: %v\n", seed, len(s.inputs), found)
		fmt.Fprintf(out, "# %s\n", strings.ReplaceAll(shortFound.Error(), "\n", "\n# "))
		short.print(out)
		fmt.Fprintln(out)
		if !keep {
			break
		}
	}
	code := summarize(out, &total, clusters, differences > 0, verbose)
	fmt.Fprintf(out, "%d differences, %.0f steps/s\n",
		differences, float64(total.steps)/time.Since(begun).Seconds())
	return code
}

// playSeed draws a cluster and its inputs. The script ends with the first difference.
func playSeed(seed uint64, length int) (*tally, *script, *difference) {
	g := newGenerator(seed)
	s := &script{cluster: g.cluster(seed)}
	r, found := newRun(s)
	defer r.close()
	g.run = r
	for len(s.inputs) < length && found == nil {
		in := g.next()
		s.inputs = append(s.inputs, in)
		found = r.play(in)
	}
	return &r.tally, s, found
}

// summarize prints what has happened, and gives the exit code.
func summarize(out io.Writer, t *tally, clusters int, different, verbose bool) int {
	if verbose {
		for v, n := range t.inputs {
			fmt.Fprintf(out, "%9d %s\n", n, spelling[v].name)
		}
		var kinds []string
		for kind, n := range t.stepped {
			kinds = append(kinds, fmt.Sprintf("%9d %v", n, kind))
		}
		sort.Strings(kinds)
		fmt.Fprintln(out, strings.Join(kinds, "\n"))
	}
	for _, counts := range []struct {
		what string
		by   map[string]int
	}{{"exception", t.excused}, {"upstream panics and ours refuses", t.panics}} {
		var names []string
		for name := range counts.by {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Fprintf(out, "%s: %s: %d times\n", counts.what, name, counts.by[name])
		}
	}
	fmt.Fprintf(out, "%d steps (%d calls) in %d clusters: %d entries committed, %d configuration changes applied, "+
		"%d snapshots sent, %d pairs started anew\n",
		t.steps, t.calls, clusters, t.committed, t.changes, t.snapshots, t.restarts)
	if different {
		return 1
	}
	return 0
}
