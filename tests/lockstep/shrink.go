// From a long script that shows a difference to a short one that shows the same.

package main

import "time"

// outcome plays a script to its end or to the first difference, and says how many inputs that took.
func (s *script) outcome() (*run, int, *difference) {
	r, played, found := s.playAll()
	r.close()
	return r, played, found
}

// playAll does the same and leaves the nodes as they are.
func (s *script) playAll() (*run, int, *difference) {
	r, found := newRun(s)
	for i, in := range s.inputs {
		if found != nil {
			return r, i, found
		}
		found = r.play(in)
	}
	return r, len(s.inputs), found
}

// shrinker looks for a shorter script with the same difference.
type shrinker struct {
	what     string
	best     *script
	deadline time.Time
}

// shrink makes a script that ends in a difference as short as it finds within the time.
func shrink(s *script, found *difference, limit time.Duration) (*script, *difference) {
	sh := &shrinker{what: found.what, best: s, deadline: time.Now().Add(limit)}
	for {
		before := len(sh.best.inputs)
		sh.inputs()
		sh.numbers()
		sh.settings()
		if len(sh.best.inputs) == before || sh.late() {
			break
		}
	}
	_, _, found = sh.best.outcome()
	return sh.best, found
}

func (sh *shrinker) late() bool { return time.Now().After(sh.deadline) }

// try takes a script over if it shows the same difference.
func (sh *shrinker) try(s *script) bool {
	_, played, found := s.outcome()
	if found == nil || found.what != sh.what {
		return false
	}
	sh.best = &script{s.cluster, s.inputs[:played]}
	return true
}

// inputs takes out pieces, from halves down to single lines, from the end to the beginning.
func (sh *shrinker) inputs() {
	for size := max(1, len(sh.best.inputs)/2); size > 0; size /= 2 {
		for end := len(sh.best.inputs); end > 0; {
			if sh.late() {
				return
			}
			begin := max(0, end-size)
			inputs := sh.best.inputs
			kept := append(append([]input(nil), inputs[:begin]...), inputs[end:]...)
			sh.try(&script{sh.best.cluster, kept})
			end = min(begin, len(sh.best.inputs))
		}
	}
}

// numbers tries smaller numbers: fewer ticks, the first place, smaller proposals.
func (sh *shrinker) numbers() {
	for i := 0; i < len(sh.best.inputs); i++ {
		in := sh.best.inputs[i]
		if in.verb == change || in.verb == several {
			continue
		}
		for j := 1; j < len(in.args) && !sh.late(); j++ {
			least := uint64(0)
			switch in.verb {
			case tick, quiesce, report:
				least = 1
			case deliver, duplicate, drop:
				if j < 2 {
					continue
				}
			case propose, read:
				least = sizeNil
			case transfer, unreachable, cut:
				continue
			}
			if in.args[j] == least {
				continue
			}
			changed := append([]input(nil), sh.best.inputs...)
			args := append([]uint64(nil), in.args...)
			args[j] = least
			changed[i] = input{in.verb, args}
			if sh.try(&script{sh.best.cluster, changed}) {
				if i >= len(sh.best.inputs) {
					return
				}
				in = sh.best.inputs[i]
			}
		}
	}
}

// settings tries the usual ones in place of those that were drawn.
func (sh *shrinker) settings() {
	usual := defaults()
	for i := range sh.best.cluster.nodes {
		for j, s := range usual.settings() {
			if sh.late() {
				return
			}
			cluster := sh.best.cluster
			cluster.nodes = append([]nodeConfig(nil), cluster.nodes...)
			present := cluster.nodes[i].settings()[j]
			if s.flag != nil {
				if *present.flag == *s.flag {
					continue
				}
				*present.flag = *s.flag
			} else {
				if *present.number == *s.number {
					continue
				}
				*present.number = *s.number
			}
			sh.try(&script{cluster, sh.best.inputs})
		}
	}
}
