// One member: our node and theirs, given the same calls, and compared after each.

package main

import (
	"errors"
	"fmt"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	ours "libraft.dev/go/raft"
)

// member is a pair of nodes with one disk, and what the host of both has taken from them and not
// dealt with yet.
type member struct {
	id     uint64
	config *nodeConfig
	run    *run
	disk   *store

	ours   *ours.RawNode
	theirs *upstream.RawNode
	inside inside
	// Why both have to be started anew after this input; empty if they don't.
	restartFor string

	// What the last comparison has shown of both.
	hasReady bool
	status   upstream.Status

	// The last index that the host has applied.
	applied uint64
	batch   *batch
	threads threads
}

// difference ends a run: the two nodes do not agree.
type difference struct {
	// What differs, the same for every instance of one difference.
	what string
	// Where, and the two values.
	text string
}

func (d *difference) Error() string { return d.what + ": " + d.text }

// differ ends the run.
func (m *member) differ(what string, ours, theirs any) {
	panic(&difference{what, fmt.Sprintf("node %d: ours %v, theirs %v", m.id, ours, theirs)})
}

// both makes the same call on either node, compares what it returns, and then the nodes.
func (m *member) both(what string, theirs, ours func() error) {
	before := m.status
	beforeReady, pending := m.hasReady, *m.inside.pendingConfIndex
	var theirErr error
	m.run.calls++
	panicked := try(func() { theirErr = theirs() })
	ourErr := ours()
	if err := m.ours.Err(); err != nil {
		m.differ("our node stopped", err, theirErr)
	}
	if panicked != nil {
		m.afterPanic(what, panicked, ourErr, before, beforeReady)
		return
	}
	if a, b := kindOfError(ourErr), kindOfError(theirErr); a != b {
		m.differ(what+" returned", fmt.Sprint(ourErr), fmt.Sprint(theirErr))
	}
	if theirErr == upstream.ErrProposalDropped && *m.inside.pendingConfIndex != pending {
		m.run.excused[droppedChange]++
		*m.inside.pendingConfIndex = pending
	}
	m.compare()
}

// kindOfError is the same for errors that a host can't tell apart.
func kindOfError(err error) string {
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, ours.ErrProposalDropped), errors.Is(err, upstream.ErrProposalDropped):
		return "dropped"
	case errors.Is(err, ours.ErrStepLocalMsg), errors.Is(err, upstream.ErrStepLocalMsg):
		return "local message"
	case errors.Is(err, ours.ErrStepPeerNotFound), errors.Is(err, upstream.ErrStepPeerNotFound):
		return "unknown peer"
	}
	return "other"
}

// afterPanic is for an input that upstream did not survive. If it is one that we know of, our node
// must have refused it without any change, and both are started anew. Any other is a difference.
func (m *member) afterPanic(
	what string, panicked *upstreamPanic, ourErr error, before upstream.Status, beforeReady bool,
) {
	known := knownPanic(panicked.text)
	if known == "" {
		panic(&difference{
			what + " panicked",
			fmt.Sprintf("node %d: ours returned %v, theirs panicked: %s", m.id, ourErr, panicked.text),
		})
	}
	if ourErr == nil {
		m.differ(what+" should be refused", ourErr, panicked.text)
	}
	if m.ours.HasReady() != beforeReady {
		m.differ(what+" was refused and changed HasReady", !beforeReady, beforeReady)
	}
	m.compareStatus(m.ours.Status(), before)
	m.run.panics[known]++
	m.restartFor = "their panic"
}

// start makes both nodes, from what is on the disk. applied is for Config.Applied.
func (m *member) start(applied uint64) {
	if m.ours != nil {
		_ = m.ours.Close()
	}
	m.applied = max(applied, m.disk.compacted.index)
	m.disk.initial = m.disk.configuration(m.applied)
	m.batch, m.threads, m.restartFor = nil, threads{}, ""
	var theirErr, ourErr error
	panicked := try(func() {
		m.theirs, theirErr = upstream.NewRawNode(m.config.upstream(m.id, m.disk, applied))
	})
	m.ours, ourErr = ours.NewRawNode(m.config.ours(m.id, m.disk, applied))
	if panicked != nil || theirErr != nil || ourErr != nil {
		panic(&difference{"start", fmt.Sprintf("node %d: ours %v, theirs %v %v",
			m.id, ourErr, theirErr, panicked)})
	}
	m.inside = look(m.theirs)
	m.compare()
}

// bootstrap gives both the first members.
func (m *member) bootstrap(voters []uint64) {
	var ourPeers []ours.Peer
	var theirPeers []upstream.Peer
	for _, id := range voters {
		context := fmt.Appendf(nil, "peer %d", id)
		ourPeers = append(ourPeers, ours.Peer{ID: id, Context: context})
		theirPeers = append(theirPeers, upstream.Peer{ID: id, Context: context})
	}
	m.both("Bootstrap",
		func() error { return m.theirs.Bootstrap(theirPeers) },
		func() error { return m.ours.Bootstrap(ourPeers) })
}

// step hands a message to both.
func (m *member) step(encoded []byte) {
	message := &pb.Message{}
	if err := proto.Unmarshal(encoded, message); err != nil {
		panic(err)
	}
	if excuse := m.withholds(message); excuse != "" {
		m.run.excused[excuse]++
		return
	}
	kind := message.GetType()
	m.run.stepped[kind]++
	m.both("Step("+kind.String()+")",
		func() error { return m.theirs.Step(message) },
		func() error { return m.ours.StepEncoded(encoded) })
}

// call makes a call that returns nothing.
func (m *member) call(what string, theirs, ours func()) {
	m.both(what,
		func() error { theirs(); return nil },
		func() error { ours(); return nil })
}

// applyChange applies a committed change to both.
func (m *member) applyChange(entry *pb.Entry) {
	cc, err := decodeChange(entry)
	if err != nil {
		panic(err)
	}
	behind := *m.inside.unstableSnapshot != nil
	reads := m.inside.unconfirmedReads()
	ourState := m.ours.ApplyConfChange(cc)
	if behind {
		// See exceptions.go.
		m.run.excused[changeBehindSnapshot]++
		m.compare()
		return
	}
	var theirState *pb.ConfState
	panicked := try(func() { theirState = m.theirs.ApplyConfChange(cc) })
	if err := m.ours.Err(); err != nil {
		m.differ("our node stopped", err, nil)
	}
	if panicked != nil {
		// A change that does not fit. Theirs has no error to return and panics before it changes
		// anything, so that both can go on.
		m.run.panics["ApplyConfChange: "+panicked.text]++
		m.compareStatus(m.ours.Status(), m.status)
		m.compare()
		return
	}
	if !proto.Equal(ourState, theirState) {
		m.differ("ApplyConfChange returned", ourState, theirState)
	}
	m.disk.configured(entry.GetIndex(), theirState)
	m.run.changes++
	if excuse := m.readsAfterChange(reads); excuse != "" {
		m.run.excused[excuse]++
		m.restartFor = excuse
		return
	}
	m.compare()
}

// electionTimeout gives both nodes the same, which depends on the term alone.
func (m *member) electionTimeout() {
	term := m.status.GetTerm()
	n := m.config.electionTick
	timeout := int(n + mix(m.run.script.cluster.seed, m.id, term)%n)
	*m.inside.electionTimeout = timeout
	if err := m.ours.SetRandomizedElectionTimeout(timeout); err != nil {
		m.differ("SetRandomizedElectionTimeout", err, nil)
	}
}

// mix is a number that looks as if it had been drawn.
func mix(seed, id, term uint64) uint64 {
	x := seed*0x9e3779b97f4a7c15 ^ id*0xbf58476d1ce4e5b9 ^ term*0x94d049bb133111eb
	x ^= x >> 31
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
