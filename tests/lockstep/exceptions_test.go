// Each exception, shown: what upstream does, and what ours does instead.

package main

import (
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

// played starts the cluster of a script and plays it.
func played(t *testing.T, text string) *run {
	t.Helper()
	s, err := parseScript(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r, played, found := s.playAll()
	t.Cleanup(r.close)
	if found != nil {
		t.Fatalf("%q: %v", s.line(played-1), found)
	}
	return r
}

// settle works and delivers until nothing is left to do.
func (r *run) settle(t *testing.T) {
	t.Helper()
	for busy := true; busy; {
		busy = false
		for _, m := range r.members {
			for m.hasReady || m.batch != nil {
				busy = true
				if found := r.play(input{handle, []uint64{m.id}}); found != nil {
					t.Fatal(found)
				}
			}
			for from := range r.links {
				for len(r.links[from][m.id]) > 0 {
					busy = true
					if found := r.play(input{deliver, []uint64{uint64(from), m.id, 0}}); found != nil {
						t.Fatal(found)
					}
				}
			}
		}
	}
}

const leaderOfTwo = `
	snapshot-at 2 2 1,2
	node 1
	node 2
	campaign 1
	handle 1
	deliver 1 2 0
	handle 2
	deliver 2 1 0
	handle 1`

func lines(text string) string { return strings.ReplaceAll(text, "\t", "") }

func TestReadOfSingleVoter(t *testing.T) {
	// It leads, and has not persisted the first entry of its term.
	r := played(t, "snapshot-at 2 2 1\nnode 1\ncampaign 1\nhandle 1\nread 1 8")
	if r.excused[readOfSingleVoter] != 1 {
		t.Fatal(r.excused)
	}
	m := r.members[0]
	m.theirs.ReadIndex([]byte("r"))
	m.ours.ReadIndex([]byte("r"))
	theirs, ours := m.theirs.Ready(), m.ours.Ready()
	if len(theirs.ReadStates) != 1 || len(ours.ReadStates) != 0 {
		t.Fatalf("theirs %v, ours %v", theirs.ReadStates, ours.ReadStates)
	}
	m.ours.Advance(ours)
	if ours = m.ours.Ready(); len(ours.ReadStates) != 1 {
		t.Fatal("ours does not answer once its first entry is committed")
	}
}

func TestReadOfSingleVoterThatIsAnother(t *testing.T) {
	r := played(t, lines(leaderOfTwo)+"\nchange 1 v1 -1")
	r.settle(t)
	if found := r.play(input{read, []uint64{1, 8}}); found != nil || r.excused[readOfSingleVoter] != 1 {
		t.Fatal(found, r.excused)
	}
	// It has been removed and leads on, and can't know whether the only voter has another leader.
	m := r.members[0]
	m.theirs.ReadIndex([]byte("r"))
	m.ours.ReadIndex([]byte("r"))
	theirs, ours := m.theirs.Ready(), m.ours.Ready()
	if len(theirs.ReadStates) != 1 || len(ours.ReadStates) != 0 {
		t.Fatalf("theirs %v, ours %v", theirs.ReadStates, ours.ReadStates)
	}
}

func TestReadsWhenShrunk(t *testing.T) {
	r := played(t, lines(leaderOfTwo))
	r.settle(t)
	m := r.members[0]
	for _, line := range []string{
		"change 1 v1 -2", "handle 1", "deliver 1 2 0", "handle 2", "deliver 2 1 0", "read 1 8", "ready 1", "persist 1",
	} {
		in, err := parseInput(line)
		if err != nil {
			t.Fatal(err)
		}
		if found := r.play(in); found != nil {
			t.Fatal(found)
		}
	}
	entries := m.batch.theirs.CommittedEntries
	cc, err := decodeChange(entries[len(entries)-1])
	if err != nil {
		t.Fatal(err)
	}
	m.theirs.ApplyConfChange(cc)
	m.ours.ApplyConfChange(cc)
	m.theirs.Advance(m.batch.theirs)
	m.ours.Advance(m.batch.ours)
	theirs, ours := m.theirs.Ready(), m.ours.Ready()
	if len(theirs.ReadStates) != 0 || len(ours.ReadStates) != 1 {
		t.Fatalf("theirs %v, ours %v", theirs.ReadStates, ours.ReadStates)
	}
	for range 100 {
		m.theirs.Advance(theirs)
		m.theirs.Tick()
		if theirs = m.theirs.Ready(); len(theirs.ReadStates) != 0 {
			t.Fatal("theirs answers after all")
		}
	}
}

func TestPostponedReads(t *testing.T) {
	// It leads, has committed nothing in its term, and is asked; then it hears of another leader.
	r := played(t, lines(leaderOfTwo))
	m := r.members[0]
	m.theirs.ReadIndex([]byte("r"))
	m.ours.ReadIndex([]byte("r"))
	later := &pb.Message{
		Type: pb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(1)),
		Term: new(m.status.GetTerm() + 1), Commit: new(uint64(0)),
	}
	if err := m.theirs.Step(later); err != nil {
		t.Fatal(err)
	}
	if err := m.ours.Step(later); err != nil {
		t.Fatal(err)
	}
	if len(*m.inside.postponedReads) != 1 {
		t.Fatal("theirs has not kept the read")
	}
	if found := caught(m.compare); found != nil || r.excused[postponedReads] != 1 {
		t.Fatal(found, r.excused)
	}
	// Whoever leads next, both go on together.
	if found := r.play(input{campaign, []uint64{1}}); found != nil {
		t.Fatal(found)
	}
	r.settle(t)
}

func TestChangeBehindSnapshot(t *testing.T) {
	r := changeBehindSnapshotAt2(t)
	m := r.members[1]
	change := &pb.ConfChange{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(7))}
	theirs, ours := m.theirs.ApplyConfChange(change), m.ours.ApplyConfChange(change)
	if len(theirs.GetLearners()) != 2 || len(ours.GetLearners()) != 1 {
		t.Fatalf("theirs %v, ours %v", theirs, ours)
	}
	// As the run has it, both go on.
	r = changeBehindSnapshotAt2(t)
	if found := r.play(input{advance, []uint64{2}}); found != nil || r.excused[changeBehindSnapshot] != 1 {
		t.Fatal(found, r.excused)
	}
	if found := r.play(input{handle, []uint64{2}}); found != nil {
		t.Fatal(found)
	}
}

// changeBehindSnapshotAt2 brings node 2 to where it has handed out a change and then gets a
// snapshot.
func changeBehindSnapshotAt2(t *testing.T) *run {
	t.Helper()
	r := played(t, lines(leaderOfTwo))
	r.settle(t)
	m := r.members[1]
	if found := r.play(input{change, []uint64{1, 1, 0, 3, 7}}); found != nil {
		t.Fatal(found)
	}
	for _, line := range []string{
		"handle 1", "deliver 1 2 0", "handle 2", "deliver 2 1 0", "handle 1", "deliver 1 2 0", "ready 2", "persist 2",
	} {
		in, err := parseInput(line)
		if err != nil {
			t.Fatal(err)
		}
		if found := r.play(in); found != nil {
			t.Fatal(found)
		}
	}
	if len(m.batch.theirs.CommittedEntries) == 0 {
		t.Fatal("nothing was handed out")
	}
	found := caught(func() {
		m.step(encode(&pb.Message{
			Type: pb.MsgSnap.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: m.status.Term,
			Snapshot: &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
				Index: new(uint64(50)), Term: m.status.Term,
				ConfState: pb.EnsureConfState(
					&pb.ConfState{Voters: []uint64{1, 2}, Learners: []uint64{8}}),
			}},
		}))
	})
	if found != nil {
		t.Fatal(found)
	}
	return r
}

func TestDroppedChange(t *testing.T) {
	text := strings.Replace(lines(leaderOfTwo), "node 1", "node 1 max-uncommitted=3", 1)
	r := played(t, text)
	r.settle(t)
	m := r.members[0]
	cc := &pb.ConfChange{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(7))}
	large := []byte("large")
	for _, propose := range []func([]byte) error{m.theirs.Propose, m.ours.Propose} {
		if err := propose(large); err != nil {
			t.Fatal(err)
		}
	}
	if m.theirs.ProposeConfChange(cc) == nil || m.ours.ProposeConfChange(cc) == nil {
		t.Fatal("not dropped")
	}
	pending := *m.inside.pendingConfIndex
	if last := m.status.GetCommit() + 1; pending != last+1 {
		t.Fatalf("pending at %d, and the log ends at %d", pending, last)
	}
}

func TestStatusAutoLeave(t *testing.T) {
	r := played(t, lines(leaderOfTwo)+"\ncut 1 2\nchange 1 v2 implicit l2")
	r.settle(t)
	for _, line := range []string{"heal", "tick 1 1", "handle 1", "deliver 1 2 0", "handle 2", "deliver 2 1 0"} {
		in, err := parseInput(line)
		if err != nil {
			t.Fatal(err)
		}
		if found := r.play(in); found != nil {
			t.Fatal(found)
		}
	}
	m := r.members[0]
	for range 20 {
		for _, line := range []string{"handle 1", "deliver 1 2 0", "handle 2", "deliver 2 1 0"} {
			in, _ := parseInput(line)
			if found := r.play(in); found != nil {
				t.Fatal(found)
			}
			if m.inside.tracker.AutoLeave {
				theirs, ours := m.theirs.Status().Config, m.ours.Status().Config
				if theirs.AutoLeave || !ours.AutoLeave {
					t.Fatalf("theirs %v, ours %v", theirs, ours)
				}
				return
			}
		}
	}
	t.Fatal("the configuration never was joint")
}

func TestZeroCommittedSize(t *testing.T) {
	r := played(t, "snapshot-at 2 2 1\nnode 1 max-size=0\ncampaign 1\nhandle 1")
	m := r.members[0]
	theirs, ours := m.theirs.Ready(), m.ours.Ready()
	m.disk.save(theirs.HardState, theirs.Entries, nil)
	m.theirs.Advance(theirs)
	m.ours.Advance(ours)
	if panicked := try(func() { m.theirs.Ready() }); panicked == nil {
		t.Fatal("theirs does not panic")
	}
	if ours = m.ours.Ready(); len(ours.CommittedEntries) != 1 {
		t.Fatalf("ours hands out %v", ours.CommittedEntries)
	}
}

// TestWhatTheirsDoesNotSurvive has an input for each panic that is known.
func TestWhatTheirsDoesNotSurvive(t *testing.T) {
	for name, last := range map[string]string{
		"a commit index beyond the log":                   "forge 2 0",
		"a proposal without entries":                      "forge 1 1",
		"a configuration change that can't be decoded":    "forge 1 2",
		"ApplyConfChange: removed all voters":             "change 1 v2 explicit -1 -2",
		"ApplyConfChange: can't leave a non-joint config": "change 1 v2 auto",
		"ApplyConfChange: config is already joint":        "change 1 v2 explicit l2\nchange 1 v2 explicit -2",
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(lines(leaderOfTwo), "node 1", "node 1 no-validation", 1)
			r := played(t, text)
			r.settle(t)
			for _, line := range strings.Split(last, "\n") {
				in, err := parseInput(line)
				if err != nil {
					t.Fatal(err)
				}
				if found := r.play(in); found != nil {
					t.Fatal(found)
				}
			}
			r.settle(t)
			if r.panics[name] == 0 {
				t.Fatal(r.panics)
			}
		})
	}
}
