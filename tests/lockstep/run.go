// One run of a script: the members, the network between them, and what each input does.

package main

import (
	"fmt"
	"runtime/debug"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	ours "libraft.dev/go/raft"
)

const (
	// Machines have the ids 1 to maxNodes.
	maxNodes = 7
	// More than this many messages on one link push the oldest out.
	maxQueued = 100
)

// run is a cluster at work.
type run struct {
	script  *script
	members []*member
	// What is on its way, by sender and recipient.
	links [maxNodes + 1][maxNodes + 1][][]byte
	// Links that lose everything.
	lost [maxNodes + 1][maxNodes + 1]bool

	proposals, reads uint64

	tally
}

// tally counts what has happened, to show that a run was worth something.
type tally struct {
	// Inputs, and calls that they came to on each node.
	steps, calls                            int
	committed, changes, snapshots, restarts int
	inputs                                  [verbs]int
	stepped                                 map[pb.MessageType]int
	excused, panics                         map[string]int
}

func newTally() tally {
	return tally{
		stepped: map[pb.MessageType]int{}, excused: map[string]int{}, panics: map[string]int{},
	}
}

func (t *tally) add(other *tally) {
	t.steps += other.steps
	t.calls += other.calls
	t.committed += other.committed
	t.changes += other.changes
	t.snapshots += other.snapshots
	t.restarts += other.restarts
	for i, n := range other.inputs {
		t.inputs[i] += n
	}
	for k, n := range other.stepped {
		t.stepped[k] += n
	}
	for k, n := range other.excused {
		t.excused[k] += n
	}
	for k, n := range other.panics {
		t.panics[k] += n
	}
}

// caught turns a difference, and any fault of a library, into an error.
func caught(f func()) (found *difference) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case *difference:
			found = reason
		default:
			found = &difference{"a panic", fmt.Sprintf("%v\n%s", reason, debug.Stack())}
		}
	}()
	f()
	return nil
}

// newRun starts the cluster of a script.
func newRun(s *script) (*run, *difference) {
	r := &run{script: s, tally: newTally()}
	found := caught(func() {
		c := &s.cluster
		for i := range c.nodes {
			m := &member{id: uint64(i + 1), config: &c.nodes[i], run: r, disk: newStore()}
			r.members = append(r.members, m)
			first := false
			for _, id := range append(append([]uint64(nil), c.voters...), c.learners...) {
				first = first || id == m.id
			}
			if first && c.index > 0 {
				m.disk.install(&pb.Snapshot{
					Data: []byte("the first state"),
					Metadata: &pb.SnapshotMetadata{
						Index: new(c.index), Term: new(c.term),
						ConfState: pb.EnsureConfState(
							&pb.ConfState{Voters: c.voters, Learners: c.learners}),
					},
				})
				// In the first term, a founder need not write one.
				if c.term > 1 {
					m.disk.hard = &pb.HardState{
						Term: new(c.term), Vote: new(uint64(0)), Commit: new(c.index),
					}
				}
			}
			m.start(0)
			if first && c.index == 0 {
				m.bootstrap(c.voters)
			}
		}
	})
	return r, found
}

// close frees our nodes.
func (r *run) close() {
	for _, m := range r.members {
		if m.ours != nil {
			_ = m.ours.Close()
		}
	}
}

// send puts a message on its link.
func (r *run) send(message *pb.Message, encoded []byte) {
	from, to := message.GetFrom(), message.GetTo()
	// A forwarded message still has the name of who sent it first; any link will do for it.
	if from == 0 || from > uint64(len(r.members)) || to == 0 || to > uint64(len(r.members)) {
		return
	}
	if r.lost[from][to] {
		return
	}
	if message.GetType() == pb.MsgSnap {
		r.snapshots++
	}
	queue := r.links[from][to]
	if len(queue) >= maxQueued {
		queue = queue[1:]
	}
	r.links[from][to] = append(queue, encoded)
}

// member finds the node that an input names.
func (r *run) member(id uint64) *member {
	if id == 0 || id > uint64(len(r.members)) {
		return nil
	}
	return r.members[id-1]
}

// play does one input.
func (r *run) play(in input) *difference {
	return caught(func() {
		r.steps++
		r.inputs[in.verb]++
		switch in.verb {
		case deliver, duplicate, drop:
			r.playMessage(in)
		case cut:
			if a, b := in.arg(0), in.arg(1); r.member(a) != nil && r.member(b) != nil {
				r.lost[a][b] = true
			}
		case heal:
			r.lost = [maxNodes + 1][maxNodes + 1]bool{}
		default:
			if m := r.member(in.arg(0)); m != nil {
				m.play(in)
				m.startAgain()
			}
		}
	})
}

func (r *run) playMessage(in input) {
	from, to := in.arg(0), in.arg(1)
	m := r.member(to)
	if m == nil || r.member(from) == nil || len(r.links[from][to]) == 0 {
		return
	}
	queue := &r.links[from][to]
	place := int(in.arg(2) % uint64(len(*queue)))
	encoded := (*queue)[place]
	if in.verb != duplicate {
		*queue = append((*queue)[:place:place], (*queue)[place+1:]...)
	}
	if in.verb != drop {
		m.step(encoded)
		m.startAgain()
	}
}

// startAgain starts both nodes anew if they can't go on together.
func (m *member) startAgain() {
	if m.restartFor != "" {
		m.run.restarts++
		m.start(0)
	}
}

func (m *member) play(in input) {
	peer := in.arg(1)
	switch in.verb {
	case tick:
		for range min(in.arg(1), 100) {
			m.call("Tick", m.theirs.Tick, m.ours.Tick)
		}
	case quiesce:
		for range min(in.arg(1), 100) {
			m.call("TickQuiesced", m.theirs.TickQuiesced, m.ours.TickQuiesced)
		}
	case propose:
		m.propose(in.args[1:])
	case campaign:
		m.both("Campaign", m.theirs.Campaign, m.ours.Campaign)
	case transfer:
		m.call("TransferLeader",
			func() { m.theirs.TransferLeader(peer) }, func() { m.ours.TransferLeader(peer) })
	case forget:
		m.both("ForgetLeader", m.theirs.ForgetLeader, m.ours.ForgetLeader)
	case read:
		m.read(in.arg(1))
	case change:
		m.change(in.args[1:])
	case several:
		m.several(in.arg(1), in.args[2:])
	case unreachable:
		m.call("ReportUnreachable",
			func() { m.theirs.ReportUnreachable(peer) }, func() { m.ours.ReportUnreachable(peer) })
	case report:
		ourStatus, theirStatus := ours.SnapshotFinish, upstream.SnapshotFinish
		if in.arg(2) == 2 {
			ourStatus, theirStatus = ours.SnapshotFailure, upstream.SnapshotFailure
		}
		m.call("ReportSnapshot",
			func() { m.theirs.ReportSnapshot(peer, theirStatus) },
			func() { m.ours.ReportSnapshot(peer, ourStatus) })
	case local:
		m.local(in.arg(1))
	case forge:
		m.forge(in.arg(1))
	case take:
		m.take()
	case persist:
		m.persist()
	case apply:
		m.apply()
	case advance:
		m.advance()
	case handle:
		m.handle()
	case write:
		m.write()
	case acknowledge:
		if in.arg(1) == 0 {
			m.acknowledge(&m.threads.appendAcks)
		} else {
			m.acknowledge(&m.threads.applyAcks)
		}
	case restart:
		m.restart(in.arg(1))
	case snapshot:
		m.snapshot(in.arg(1))
	case compact:
		m.compact(in.arg(1))
	case unavailable:
		m.disk.unavailable = in.arg(1) != 0
		m.compare()
	}
}
