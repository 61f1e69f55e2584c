// The proof that the checks can fail: the same load on a cluster that is wrong on purpose, which must be
// found out, and on one that isn't, which must not.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	proofClients    = 8
	proofKeys       = 3
	proofOperations = 1500
	// proofAttempts is how often a wrong cluster may be lucky. One attempt has always sufficed so far.
	proofAttempts = 5
	// proofLimit ends a proof on a machine that is too slow for so many.
	proofLimit = time.Minute
)

// proveWrong runs the wrong clusters that were asked for.
func proveWrong(ctx context.Context, o *Options, cluster *Cluster) (*Verdict, error) {
	v := &Verdict{}
	if err := cluster.bootstrap(3); err != nil {
		return v, err
	}
	if err := cluster.serving(ctx); err != nil {
		return v, err
	}
	cases := []Wrong{{Name: "honest", What: "nothing is wrong"}}
	for _, w := range wrongs {
		if o.wrong == "all" || o.wrong == w.Name {
			cases = append(cases, w)
		}
	}
	for i, w := range cases {
		if w.Server != "" {
			if err := cluster.run(ctx, w.program(o.root)); err != nil {
				return v, err
			}
		}
		found := 0
		for attempt := 0; attempt == 0 || i > 0 && found == 0 && attempt < proofAttempts; attempt++ {
			var err error
			if found, err = proveOne(ctx, o, cluster, w, uint64(i*proofAttempts+attempt)); err != nil {
				return v, err
			}
		}
		if w.Server != "" {
			if err := cluster.run(ctx, o.programs...); err != nil {
				return v, err
			}
		}
		if i == 0 {
			v.check(found == 0, w.Name+": "+w.What+", and nothing is found")
		} else {
			v.check(found > 0, fmt.Sprintf("%s: %s; %d keys are found wrong", w.Name, w.What, found))
		}
	}
	v.check(cluster.sound(), "all servers did what they must in between", first(cluster.wrong())...)
	return v, nil
}

// run replaces the programs of all members, which keep their data.
func (c *Cluster) run(ctx context.Context, programs ...Program) error {
	members := c.members()
	for _, m := range members {
		if p := m.running(); p != nil {
			p.kill()
		}
	}
	for i, m := range members {
		m.mu.Lock()
		m.program = programs[i%len(programs)]
		m.mu.Unlock()
		if err := c.start(m); err != nil {
			return err
		}
	}
	return c.serving(ctx)
}

// serving waits until each member answers.
func (c *Cluster) serving(ctx context.Context) error {
	for _, m := range c.members() {
		err := await(ctx, recoveryLimit, func() bool {
			_, code, err := c.request(http.MethodPut, m, "/kv/ready", "yes", patience)
			return err == nil && code == http.StatusOK
		})
		if err != nil {
			return fmt.Errorf("machine %d does not serve: %w", m.Number, err)
		}
	}
	return nil
}

// proveOne gives the number of keys that the checks find wrong.
func proveOne(ctx context.Context, o *Options, cluster *Cluster, w Wrong, number uint64) (int, error) {
	history := newHistory()
	honest := httpSend(cluster.network.Address, cluster.fault)
	send := honest
	if w.Front != nil {
		send = w.Front(honest, &lot{chance: rand.New(rand.NewPCG(o.seed, number))})
	}
	load := startLoad(cluster, history, send, fmt.Sprintf("%s-%d/", w.Name, number), proofClients, proofKeys, time.Millisecond, o.seed+number)
	defer load.end()
	enough := func(operations int) error {
		err := await(ctx, proofLimit, func() bool { return len(history.Ops()) >= operations })
		if err == errDeadline && len(history.Ops()) > 0 {
			err = nil
		}
		return err
	}
	if err := enough(proofOperations / 2); err != nil {
		return 0, err
	}
	if w.Break != nil {
		if err := w.Break(cluster); err != nil {
			return 0, err
		}
	}
	if err := enough(proofOperations); err != nil {
		return 0, err
	}
	load.end()
	load.send = honest
	keys := map[string]bool{}
	for _, op := range history.Ops() {
		keys[op.Key] = true
	}
	final := load.readAll(1, sortedKeys(keys), recoveryLimit)
	if final == nil {
		return 0, fmt.Errorf("%s: machine 1 did not answer", w.Name)
	}
	judgement := linearizable(history.Ops(), checkLimit)
	wrong := map[string]bool{}
	for _, violation := range judgement.Violations {
		wrong[violation.Key] = true
	}
	for _, part := range byKey(history.Ops()) {
		if impossible(part, final[part[0].Key]) != "" {
			wrong[part[0].Key] = true
		}
	}
	return len(wrong), nil
}
