// The entries of appends that come in are what the follower is given to save, as far as they are what the
// library says; and what Advance has put off is done before anything else.

package raft

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

func appendOf(term, before, beforeTerm, commit uint64, entries ...*pb.Entry) *pb.Message {
	return &pb.Message{
		Type: pb.MsgApp.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(term), Index: new(before),
		LogTerm: new(beforeTerm), Commit: new(commit), Entries: entries,
	}
}

func newFollower(t *testing.T) (*RawNode, *MemoryStorage) {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
	config := baseConfig(1)
	config.Storage, config.RecordBytes = s, 1<<20
	node, err := NewRawNode(&config)
	must(t, err)
	t.Cleanup(func() { _ = node.Close() })
	return node, s
}

// After most Readys of a follower nobody has to ask whether there is more.
func TestAFollowerThatRestsIsNotAsked(t *testing.T) {
	node, s := newFollower(t)
	last, term := s.snapshot.GetMetadata().GetIndex(), s.snapshot.GetMetadata().GetTerm()
	turn := func() Ready {
		t.Helper()
		rd := node.Ready()
		if rd.HardState != nil {
			must(t, s.SetHardState(rd.HardState))
		}
		must(t, s.Append(rd.Entries))
		return rd
	}
	must(t, node.Step(appendOf(term, last, term, last, &pb.Entry{Term: new(term), Index: new(last + 1)})))
	node.Advance(turn())
	if node.HasReady() {
		t.Fatal("an entry is stored, and that is all")
	}
	must(t, node.Step(appendOf(term, last+1, term, last+1)))
	rd := turn()
	if len(rd.CommittedEntries) != 1 {
		t.Fatal(DescribeReady(rd, nil))
	}
	node.Advance(rd)
	if node.HasReady() || !node.advancing {
		t.Fatal("it was asked")
	}
	if node.BasicStatus().Applied != last+1 || node.advancing {
		t.Fatal("Advance is not done before what is asked then")
	}
	// What comes in between is something else.
	must(t, node.Step(appendOf(term, last+1, term, last+1)))
	rd = turn()
	must(t, node.Step(appendOf(term, last+1, term, last+1)))
	node.Advance(rd)
	if !node.HasReady() || node.advancing {
		t.Fatal("it was not asked")
	}
}

func TestEntriesThatComeInAreHandedOut(t *testing.T) {
	node, s := newFollower(t)
	entry := func(term, index uint64, data string) *pb.Entry {
		return &pb.Entry{Type: pb.EntryNormal.Enum(), Term: new(term), Index: new(index), Data: []byte(data)}
	}
	last := s.snapshot.GetMetadata().GetIndex()
	lastTerm := s.snapshot.GetMetadata().GetTerm()
	old, kept, new1, new2 := entry(2, last+2, "old"), entry(2, last+1, "kept"), entry(3, last+2, "n1"), entry(3, last+3, "n2")
	must(t, node.Step(appendOf(2, last, lastTerm, last, kept, old)))
	// The same entry again, by its index and term, and with other data: what came first counts.
	must(t, node.Step(appendOf(2, last, lastTerm, last, entry(2, last+1, "other"))))
	must(t, node.Step(appendOf(3, last+1, 2, last, new1, new2)))
	// A field that nobody knows is not handed out.
	odd := entry(3, last+4, "odd")
	odd.ProtoReflect().SetUnknown(appendNumber(nil, 9, 1))
	must(t, node.Step(appendOf(3, last+3, 3, last, odd)))
	rd := node.Ready()
	want := []*pb.Entry{kept, new1, new2}
	if len(rd.Entries) != 4 {
		t.Fatal(rd.Entries)
	}
	for i := range want {
		if rd.Entries[i] != want[i] {
			t.Fatalf("%v in place of %v", rd.Entries[i], want[i])
		}
	}
	if given := rd.Entries[3]; given == odd || !bytes.Equal(given.GetData(), odd.GetData()) {
		t.Fatal(given)
	}
	must(t, s.Append(rd.Entries))
	node.Advance(rd)
	if len(node.stepped.list) != 0 || node.stepped.bytes != 0 {
		t.Fatal("entries are kept that nobody needs")
	}

	// What a follower has already, again and again.
	for range 3 * maxKnownBytes / entryBytes(kept) {
		must(t, node.Step(appendOf(3, last, lastTerm, last, kept)))
		if node.stepped.bytes > maxKnownBytes {
			t.Fatal(node.stepped.bytes)
		}
	}
	if rd := node.Ready(); len(rd.Entries) != 0 || len(rd.Messages) == 0 {
		t.Fatal(rd)
	}
}

func TestTheNextCallAdvances(t *testing.T) {
	for name, call := range map[string]func(*RawNode){
		"tick":     func(rn *RawNode) { rn.Tick() },
		"tick all": func(rn *RawNode) { TickAll([]*RawNode{rn}, 1) },
		"step":     func(rn *RawNode) { _ = rn.Step(appendOf(2, 1, 1, 1)) },
		"propose":  func(rn *RawNode) { _ = rn.Propose([]byte("x")) },
		// If it has to ask: this follower rests, and the Ready has told so.
		"has ready":  func(rn *RawNode) { rn.changed(); rn.HasReady() },
		"ready":      func(rn *RawNode) { rn.Ready() },
		"another":    func(rn *RawNode) { rn.BasicStatus() },
		"the record": func(rn *RawNode) { _, _ = rn.RecordTake() },
	} {
		node, _ := newFollower(t)
		must(t, node.Step(appendOf(2, 1, 1, 1)))
		node.Advance(node.Ready())
		if !node.advancing {
			t.Fatal("it is not put off")
		}
		call(node)
		if node.advancing {
			t.Fatalf("%s does not advance", name)
		}
		must(t, node.Err())
		// Would be refused if the library had not been told.
		if err := node.takeReady(&Ready{}, nil); name != "ready" && err != nil {
			t.Fatalf("%s does not advance: %v", name, err)
		}
	}
}

func TestAForwardedProposalKeepsItsOwnEntries(t *testing.T) {
	node, s := newFollower(t)
	last, lastTerm := s.snapshot.GetMetadata().GetIndex(), s.snapshot.GetMetadata().GetTerm()
	entry := func(data string) *pb.Entry {
		return &pb.Entry{Term: new(uint64(2)), Index: new(last + 1), Data: []byte(data)}
	}
	must(t, node.Step(appendOf(2, last, lastTerm, last, entry("in the log"))))
	rd := node.Ready()
	must(t, s.Append(rd.Entries))
	node.Advance(rd)
	// Entries of a proposal have no places yet. Whoever names some does not mean those of the log.
	must(t, node.Step(&pb.Message{
		Type: pb.MsgProp.Enum(), To: new(uint64(1)), From: new(uint64(3)), Entries: []*pb.Entry{entry("proposed")},
	}))
	for _, m := range node.Ready().Messages {
		if m.GetType() == pb.MsgProp {
			if data := string(m.Entries[0].GetData()); data != "proposed" {
				t.Fatalf("%q is passed on", data)
			}
			return
		}
	}
	t.Fatal("the proposal is not passed on")
}

// Two goroutines on one node are a fault of the host's, and one of them is turned away. What it has put off
// must not be lost by that.
func TestAnAdvanceThatIsTurnedAwayIsDoneLater(t *testing.T) {
	node, _ := newFollower(t)
	other := &RawNode{native: node.native}
	var done atomic.Bool
	var hammering sync.WaitGroup
	hammering.Go(func() {
		for !done.Load() {
			_, _ = other.nativeStatus()
		}
	})
	defer hammering.Wait()
	defer done.Store(true)
	isMisuse := func(err error) bool { return errors.Is(err, &Error{Code: CodeMisuse}) }
	turnedAway := false
	for attempt := 0; attempt < 1_000_000 && !turnedAway; attempt++ {
		for !node.advancing {
			if err := node.takeReady(&Ready{}, nil); err == nil {
				node.Advance(Ready{})
			} else if !isMisuse(err) {
				t.Fatal(err)
			}
		}
		use := node.ask
		if attempt%2 == 1 {
			use = func() error { return node.Propose(nil) }
		}
		// Each makes several calls on the node, and any of them may be turned away.
		err := use()
		turnedAway = node.advancing
		if turnedAway && (!isMisuse(err) || node.looked) {
			t.Fatalf("%v, Advance is put off, and what there is to do is known: %v", err, node.looked)
		}
	}
	if !turnedAway {
		t.Skip("the goroutines never met in the node")
	}
	done.Store(true)
	hammering.Wait()
	must(t, node.ask())
	// Would be refused if the library had not been told.
	if err := node.takeReady(&Ready{}, nil); err != nil || node.advancing {
		t.Fatal(err, node.advancing)
	}
}

// What can't ever be done must not be tried with each call. That of a node that is NULL can't.
func TestAnAdvanceThatFailsForGoodIsNotPutOff(t *testing.T) {
	node := &RawNode{advancing: true}
	if err := node.ask(); err == nil || node.advancing || node.looked {
		t.Fatal(err, node.advancing, node.looked)
	}
}

// What shares a piece of memory with others is not kept alive by a node that rests, nor by a storage that is empty.
func TestANodeAtRestKeepsNoEntriesAlive(t *testing.T) {
	node, s := newFollower(t)
	last, term := s.snapshot.GetMetadata().GetIndex(), s.snapshot.GetMetadata().GetTerm()
	must(t, node.Step(appendOf(term, last, term, last, &pb.Entry{Term: new(term), Index: new(last + 1)})))
	rd := node.Ready()
	must(t, s.Append(rd.Entries))
	node.Advance(rd)
	if node.singles.spare == nil {
		t.Fatal("its list is a part of a piece of memory")
	}
	node.Tick()
	if node.singles.spare != nil {
		t.Fatal("the node has the others' part of it still")
	}

	burst := make([]*pb.Entry, 2*maxSpareRoom)
	for i := range burst {
		burst[i] = &pb.Entry{Term: new(term), Index: new(last + 2 + uint64(i))}
	}
	must(t, s.Append(burst))
	must(t, s.Compact(last+1+uint64(len(burst))))
	if room := cap(s.entries); room > maxSpareRoom+1 {
		t.Fatalf("room for %d entries is left of a burst", room)
	}
}

func TestWhatIsReadBesidesIsOneRun(t *testing.T) {
	read := func(term uint64, indexes ...uint64) (list []*pb.Entry) {
		for _, index := range indexes {
			list = append(list, &pb.Entry{Term: new(term), Index: new(index)})
		}
		return list
	}
	first := read(1, 5, 6)
	run := entryRun(nil).with(first)
	kept := run[0]
	first[0] = nil
	if run[0] != kept {
		t.Fatal("the list is the storage's")
	}
	for _, c := range []struct {
		what string
		read []*pb.Entry
		ends uint64
		same bool
	}{
		{"a gap", read(1, 8), 6, true},
		{"a part", read(1, 5), 6, true},
		{"what follows", read(1, 6, 7), 7, true},
		{"what took the place", read(2, 5), 5, false},
		{"what comes before", read(1, 3, 4), 4, false},
	} {
		got := run.with(c.read)
		if last := got[len(got)-1].GetIndex(); last != c.ends || (got[0] == kept) != c.same {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
