// Command interop runs clusters that mix nodes of etcd-io/raft with nodes of libraft, and checks
// that all of them apply the same log. README.md says more.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"libraft.dev/tests/interop/member"
)

func main() {
	mix := flag.String("mix", "all", "what the clusters are made of: 3.7, 3.6 or all")
	seed := flag.Uint64("seed", 1, "the first round's seed")
	rounds := flag.Uint64("rounds", 1, "how many rounds; each has the next seed")
	steps := flag.Int("steps", 20000, "how many steps a round has")
	root := flag.String("root", "../..", "the root of the project")
	flag.IntVar(&notes, "notes", notes, "how many of the last events a failure tells")
	flag.Parse()
	if err := play(*root, *mix, *seed, *rounds, *steps); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(root, name string, seed, rounds uint64, steps int) error {
	mix, ok := mixes[name]
	if !ok {
		return fmt.Errorf("no such mix: %s", name)
	}
	members, closeAll, err := startMembers(root)
	if err != nil {
		return err
	}
	defer closeAll()
	seen := newCoverage()
	for ; rounds > 0; rounds, seed = rounds-1, seed+1 {
		if err := run(members, mix, seed, steps, seen); err != nil {
			return failure(name, seed, steps, err)
		}
	}
	fmt.Print(seen)
	return nil
}

// failure says how to see it again.
func failure(name string, seed uint64, steps int, err error) error {
	return fmt.Errorf("%w\nseed %d of the mix %s; again: make interop MIX=%s SEED=%d ROUNDS=1 STEPS=%d",
		err, seed, name, name, seed, steps)
}

// startMembers starts one of each implementation.
func startMembers(root string) (members [implementations]member.Member, closeAll func(), err error) {
	members[implEtcd37], members[implC] = &etcd37{}, &ours{}
	var children []*child
	closeAll = func() {
		for _, c := range children {
			c.close()
		}
	}
	for impl, program := range map[implementation]string{
		implEtcd36: "build/interop/etcd36",
		implRust:   "target/debug/interop-member",
	} {
		c, err := startChild(filepath.Join(root, program))
		if err != nil {
			closeAll()
			return members, nil, fmt.Errorf("make -C tests/interop members: %w", err)
		}
		children = append(children, c)
		members[impl] = c
	}
	return members, closeAll, nil
}
