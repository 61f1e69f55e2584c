// What is compared after each input, and how.

package main

import (
	"bytes"
	"fmt"
	"maps"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	ours "libraft.dev/go/raft"
)

// compare compares what both nodes say when they are asked. HasReady comes first: that is when
// ours reads what it needs from the storage.
func (m *member) compare() {
	if m.restartFor != "" {
		return
	}
	m.hasReady = m.theirs.HasReady()
	if has := m.ours.HasReady(); has != m.hasReady {
		m.differ("HasReady", m.explain(has), m.hasReady)
	}
	if err := m.ours.Err(); err != nil {
		m.differ("our node stopped", err, nil)
	}
	m.status = m.theirs.Status()
	m.dropPostponedReads()
	m.compareStatus(m.ours.Status(), m.status)
	m.electionTimeout()
}

func (m *member) compareStatus(a ours.Status, b upstream.Status) {
	number := func(what string, ours, theirs uint64) {
		if ours != theirs {
			m.differ("Status."+what, ours, theirs)
		}
	}
	number("ID", a.ID, b.ID)
	number("Term", a.GetTerm(), b.GetTerm())
	number("RaftState", uint64(a.RaftState), uint64(b.RaftState))
	number("Lead", a.Lead, b.Lead)
	number("Vote", a.GetVote(), b.GetVote())
	number("Commit", a.GetCommit(), b.GetCommit())
	number("Applied", a.Applied, b.Applied)
	number("LeadTransferee", a.LeadTransferee, b.LeadTransferee)
	// See statusAutoLeave.
	b.Config.AutoLeave = m.inside.tracker.AutoLeave
	if !sameConfig(&a.Config, &b.Config) {
		m.differ("Status.Config", a.Config, b.Config)
	}
	number("len(Progress)", uint64(len(a.Progress)), uint64(len(b.Progress)))
	for id, theirs := range b.Progress {
		ours, ok := a.Progress[id]
		if !ok || !sameProgress(&ours, &theirs) {
			m.differ("Status.Progress", describeProgress(id, &ours), describeProgress(id, &theirs))
		}
	}
}

func sameConfig(a, b *tracker.Config) bool {
	same := func(a, b map[uint64]struct{}) bool {
		// A nil set and an empty one are told apart by what is printed of them.
		return (a == nil) == (b == nil) && maps.Equal(a, b)
	}
	return a.AutoLeave == b.AutoLeave && same(a.Voters[0], b.Voters[0]) &&
		same(a.Voters[1], b.Voters[1]) && same(a.Learners, b.Learners) &&
		same(a.LearnersNext, b.LearnersNext)
}

// sameProgress compares everything but the sizes of the appends in flight one by one, which our
// library does not tell.
func sameProgress(a, b *tracker.Progress) bool {
	return sameButInflights(a, b) && a.Inflights != nil && a.Inflights.Count() == b.Inflights.Count() &&
		inflightBytes(a.Inflights) == inflightBytes(b.Inflights) &&
		a.Inflights.Full() == b.Inflights.Full()
}

func sameButInflights(a, b *tracker.Progress) bool {
	return a.Match == b.Match && a.Next == b.Next && a.State == b.State &&
		a.PendingSnapshot == b.PendingSnapshot && a.RecentActive == b.RecentActive &&
		a.MsgAppFlowPaused == b.MsgAppFlowPaused && a.IsLearner == b.IsLearner
}

func describeProgress(id uint64, p *tracker.Progress) string {
	if p.Inflights == nil {
		return "none"
	}
	return fmt.Sprintf("%d: %v pending snapshot %d, active %v, inflight bytes %d",
		id, p, p.PendingSnapshot, p.RecentActive, inflightBytes(p.Inflights))
}

// compareReady compares two Readys, and returns the messages as they go over the wire.
func (m *member) compareReady(a ours.Ready, b upstream.Ready) [][]byte {
	if (a.SoftState == nil) != (b.SoftState == nil) || a.SoftState != nil &&
		(a.Lead != b.Lead || uint64(a.RaftState) != uint64(b.RaftState)) {
		m.differ("Ready.SoftState", a.SoftState, b.SoftState)
	}
	if (a.HardState == nil) != (b.HardState == nil) || !proto.Equal(a.HardState, b.HardState) {
		m.differ("Ready.HardState", a.HardState, b.HardState)
	}
	m.compareEntries("Entries", a.Entries, b.Entries)
	m.compareEntries("CommittedEntries", a.CommittedEntries, b.CommittedEntries)
	if (a.Snapshot == nil) != (b.Snapshot == nil) || !bytes.Equal(encode(a.Snapshot), encode(b.Snapshot)) {
		m.differ("Ready.Snapshot", a.Snapshot, b.Snapshot)
	}
	if len(a.ReadStates) != len(b.ReadStates) {
		m.differ("len(Ready.ReadStates)", len(a.ReadStates), len(b.ReadStates))
	}
	for i, ours := range a.ReadStates {
		theirs := b.ReadStates[i]
		if ours.Index != theirs.Index || !bytes.Equal(ours.RequestCtx, theirs.RequestCtx) {
			m.differ("Ready.ReadStates", ours, theirs)
		}
	}
	messages := m.compareMessages(a, b)
	if a.MustSync != b.MustSync {
		m.differ("Ready.MustSync", a.MustSync, b.MustSync)
	}
	return messages
}

func (m *member) compareMessages(a ours.Ready, b upstream.Ready) [][]byte {
	encoded, err := a.EncodedMessages()
	if err != nil {
		m.differ("EncodedMessages", err, nil)
	}
	for i, theirs := range b.Messages {
		if i >= len(encoded) {
			m.differ("Ready.Messages", "no more", describe(theirs))
		}
		if !bytes.Equal(encoded[i], encode(theirs)) {
			m.differ("Ready.Messages", describe(a.Messages[i]), describe(theirs))
		}
		// What the binding has decoded says the same as the bytes that it came from.
		if !bytes.Equal(encoded[i], encode(a.Messages[i])) {
			m.differ("Ready.Messages decoded", describe(a.Messages[i]), encoded[i])
		}
	}
	if len(encoded) > len(b.Messages) {
		m.differ("Ready.Messages", describe(a.Messages[len(b.Messages)]), "no more")
	}
	return encoded
}

func (m *member) compareEntries(what string, a, b []*pb.Entry) {
	if len(a) != len(b) {
		m.differ("len(Ready."+what+")", len(a), len(b))
	}
	for i := range a {
		if !sameEntry(a[i], b[i]) {
			m.differ("Ready."+what, describe(a[i]), describe(b[i]))
		}
	}
}

// sameEntry says whether the encodings are the same, without making them.
func sameEntry(a, b *pb.Entry) bool {
	same := func(a, b *uint64) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(a.Term, b.Term) && same(a.Index, b.Index) &&
		(a.Type == nil) == (b.Type == nil) && a.GetType() == b.GetType() &&
		(a.Data == nil) == (b.Data == nil) && bytes.Equal(a.Data, b.Data)
}

func encode(m proto.Message) []byte {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return encoded
}

func describe(m proto.Message) string {
	text := prototext.MarshalOptions{}.Format(m)
	if len(text) > 600 {
		text = text[:600] + ".."
	}
	return "{" + text + "}"
}

// explain says what our node has to say, if it has. Only for the report of a difference: the Ready
// is gone then.
func (m *member) explain(has bool) string {
	if !has || m.batch != nil {
		return fmt.Sprint(has)
	}
	ready := m.ours.Ready()
	text := fmt.Sprintf("true: soft state %v, hard state %v, %d entries, %d committed, snapshot %v",
		ready.SoftState, ready.HardState, len(ready.Entries), len(ready.CommittedEntries),
		ready.Snapshot.GetMetadata())
	for _, message := range ready.Messages {
		text += " " + describe(message)
	}
	return text
}

// compareProgress compares what else there is to ask for. Only leaders are asked for WithProgress:
// what others know of the members means nothing.
func (m *member) compareProgress() {
	basic, theirs := m.ours.BasicStatus(), m.theirs.BasicStatus()
	if !proto.Equal(basic.HardState, theirs.HardState) || basic.Lead != theirs.Lead ||
		uint64(basic.RaftState) != uint64(theirs.RaftState) || basic.Applied != theirs.Applied {
		m.differ("BasicStatus", basic, theirs)
	}
	if theirs.RaftState != upstream.StateLeader {
		return
	}
	type row struct {
		id, kind uint64
		progress tracker.Progress
	}
	var a, b []row
	m.ours.WithProgress(func(id uint64, kind ours.ProgressType, p tracker.Progress) {
		a = append(a, row{id, uint64(kind), p})
	})
	m.theirs.WithProgress(func(id uint64, kind upstream.ProgressType, p tracker.Progress) {
		b = append(b, row{id, uint64(kind), p})
	})
	if len(a) != len(b) {
		m.differ("len(WithProgress)", len(a), len(b))
	}
	for i := range a {
		if a[i].id != b[i].id || a[i].kind != b[i].kind || a[i].progress.Inflights != nil ||
			!sameButInflights(&a[i].progress, &b[i].progress) {
			m.differ("WithProgress", a[i], b[i])
		}
	}
}
