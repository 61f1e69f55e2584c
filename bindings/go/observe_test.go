package raft

import (
	"context"
	"errors"
	"io"
	"log"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// nextReady takes a Ready that is bound to come.
func nextReady(t *testing.T, n Node) Ready {
	t.Helper()
	select {
	case rd := <-n.Ready():
		return rd
	case <-time.After(patience):
		t.Fatal("there is no Ready")
		return Ready{}
	}
}

// leadAlone makes the only voter of a group its leader, and does what comes of it.
func leadAlone(t *testing.T, n Node, s *MemoryStorage) {
	t.Helper()
	must(t, n.Campaign(context.Background()))
	for n.Status().RaftState != StateLeader || n.Status().Applied < 2 {
		must(t, memoryStore{s}.save(nextReady(t, n)))
		n.Advance()
	}
}

// refuse proposes a change that this leader turns into an empty entry, and takes the Ready that
// tells of it.
func refuse(t *testing.T, n Node, s *MemoryStorage) {
	t.Helper()
	// There is no joint configuration to leave.
	must(t, n.ProposeConfChange(context.Background(), &pb.ConfChangeV2{}))
	last, err := s.LastIndex()
	must(t, err)
	for n.Status().Applied <= last {
		must(t, memoryStore{s}.save(nextReady(t, n)))
		n.Advance()
	}
}

func isRefusal(d Dropped) bool {
	return d.Kind == DroppedConfChange && d.Reason == DropNotJoint
}

func TestAHostOfANodeHearsOfAnElection(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	defer n.Stop()
	observer := n.(Observer)
	if reports := observer.Reports(); len(reports.Events)+len(reports.Dropped) > 0 {
		t.Fatalf("no Ready was taken, and it tells %v", reports)
	}
	leadAlone(t, n, s)
	seen := map[EventType]int{}
	reports := observer.Reports()
	for _, event := range reports.Events {
		seen[event.Type]++
	}
	if seen[EventElectionWon] != 1 || seen[EventLeaderChanged] != 1 || reports.EventsLost != 0 {
		t.Fatalf("an election is told as %v, %d lost", seen, reports.EventsLost)
	}
	for _, event := range observer.Reports().Events {
		t.Errorf("%v is told again", event)
	}
	metrics, err := observer.Metrics(context.Background())
	must(t, err)
	if metrics.ElectionsWon != 1 || metrics.EntriesAppended != 1 || metrics.EntriesApplied != 1 {
		t.Fatalf("the counters are %+v", metrics)
	}
}

// The report that comes with a Ready is there as soon as the Ready is.
func TestReportsOfAReadyComeNoLaterThanTheReady(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	defer n.Stop()
	leadAlone(t, n, s)
	for round := range 100 {
		must(t, n.ProposeConfChange(context.Background(), &pb.ConfChangeV2{}))
		var rd Ready
		for len(rd.Entries) == 0 {
			rd = nextReady(t, n)
			dropped := n.(Observer).Reports().Dropped
			if len(dropped) != len(rd.Entries) || len(dropped) > 0 && !isRefusal(dropped[0]) {
				t.Fatalf("in round %d, %d entries come with %v", round, len(rd.Entries), dropped)
			}
			must(t, memoryStore{s}.save(rd))
			n.Advance()
		}
	}
}

func TestNoDropIsLostOrToldTwiceWhoeverAsks(t *testing.T) {
	goroutinesOf(t)
	const rounds = waitingDrops + 100
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	leadAlone(t, n, s)
	n.(Observer).Reports()
	var (
		all   sync.WaitGroup
		mutex sync.Mutex
		found int
		lost  uint64
	)
	fetch := func() {
		reports := n.(Observer).Reports()
		mutex.Lock()
		defer mutex.Unlock()
		lost += reports.DroppedLost
		for _, dropped := range reports.Dropped {
			if !isRefusal(dropped) {
				t.Errorf("it is told %v", dropped)
			}
			found++
		}
	}
	all.Go(func() { serve(t, n, s) })
	for range 4 {
		all.Go(func() {
			for range 50 {
				fetch()
			}
		})
	}
	for range rounds {
		if err := n.ProposeConfChange(context.Background(), &pb.ConfChangeV2{}); err != nil {
			t.Fatal(err)
		}
	}
	// The entry that was made of the last one is applied, so that its Ready has been taken.
	for n.Status().Applied < 2+rounds {
		time.Sleep(time.Millisecond)
	}
	n.Stop()
	all.Wait()
	// What nobody has come for outlives the node.
	fetch()
	if found != rounds || lost != 0 {
		t.Fatalf("%d of %d are told, %d are lost", found, rounds, lost)
	}
}

// What is refused by the leader is told at the follower that was asked.
func TestAHostOfANodeHearsOfAChangeThatAnotherRefused(t *testing.T) {
	goroutinesOf(t)
	nodes := map[uint64]Node{}
	stores := map[uint64]*MemoryStorage{}
	for id := uint64(1); id <= 2; id++ {
		stores[id] = NewMemoryStorage()
		must(t, stores[id].ApplySnapshot(firstSnapshot(1, 2)))
		config := baseConfig(id)
		config.Storage, config.PeerReports = stores[id], true
		config.Logger = &DefaultLogger{Logger: log.New(io.Discard, "", 0)}
		nodes[id] = RestartNode(&config)
	}
	told := make(chan Dropped, 1)
	var serving sync.WaitGroup
	for id, n := range nodes {
		serving.Go(func() {
			for {
				select {
				case rd := <-n.Ready():
					if err := (memoryStore{stores[id]}).save(rd); err != nil {
						t.Error(err)
						return
					}
					for _, m := range rd.Messages {
						// A peer that has stopped already hears of nothing more.
						_ = nodes[m.GetTo()].Step(context.Background(), m)
					}
					for _, dropped := range n.(Observer).Reports().Dropped {
						if id != 2 {
							t.Errorf("node %d is told %v", id, dropped)
							continue
						}
						told <- dropped
					}
					n.Advance()
				case <-n.(Monitor).Done():
					return
				}
			}
		})
	}
	must(t, nodes[1].Campaign(context.Background()))
	must(t, nodes[2].ProposeConfChange(context.Background(), &pb.ConfChangeV2{}))
	select {
	case dropped := <-told:
		if !isRefusal(dropped) {
			t.Errorf("it is told %v", dropped)
		}
	case <-time.After(patience):
		t.Error("it is told nothing")
	}
	metrics, err := nodes[2].(Observer).Metrics(context.Background())
	must(t, err)
	if metrics.ReportsReceived != 1 || metrics.ProposalsForwarded != 1 {
		t.Errorf("the counters are %+v", metrics)
	}
	for _, n := range nodes {
		n.Stop()
	}
	serving.Wait()
}

func TestAStoppedNodeHandsOverWhatIsLeft(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	leadAlone(t, n, s)
	refuse(t, n, s)
	n.Stop()
	reports := n.(Observer).Reports()
	if len(reports.Dropped) != 1 || !isRefusal(reports.Dropped[0]) || len(reports.Events) == 0 {
		t.Fatalf("it tells %v", reports)
	}
	if again := n.(Observer).Reports(); len(again.Events)+len(again.Dropped) > 0 {
		t.Fatalf("and again %v", again)
	}
	allStopped(t, n)
}

// A program that doesn't know of reports must not be made to keep them all.
func TestOnlyTheLatestReportsWaitForAHostThatNeverAsks(t *testing.T) {
	var w waitingReports
	event := func(term uint64) []Event { return []Event{{Term: term}} }
	drop := func(index uint64, size int) []Dropped {
		return []Dropped{{Index: index, Data: make([]byte, size)}}
	}
	for i := range uint64(waitingDrops + 5) {
		w.add(nil, drop(i, 1))
	}
	for i := range uint64(waitingEvents + 7) {
		w.add(event(i), nil)
	}
	taken := w.take()
	if len(taken.Dropped) != waitingDrops || taken.DroppedLost != 5 || taken.Dropped[0].Index != 5 {
		t.Fatalf("%d drops, %d lost", len(taken.Dropped), taken.DroppedLost)
	}
	if len(taken.Events) != waitingEvents || taken.EventsLost != 7 || taken.Events[0].Term != 7 {
		t.Fatalf("%d events, %d lost", len(taken.Events), taken.EventsLost)
	}
	// From now on the drops are wanted, and the events are lost as before.
	for i := range uint64(2 * waitingDrops) {
		w.add(event(i), drop(i, 1<<10))
	}
	taken = w.take()
	if len(taken.Dropped) != 2*waitingDrops || taken.DroppedLost != 0 ||
		taken.EventsLost != 2*waitingDrops-waitingEvents {
		t.Fatalf("%d drops, %d and %d lost", len(taken.Dropped), taken.DroppedLost, taken.EventsLost)
	}

	w = waitingReports{}
	for i := range uint64(5) {
		w.add(nil, drop(i, waitingDropBytes/2))
	}
	if taken = w.take(); len(taken.Dropped) != 2 || taken.DroppedLost != 3 || taken.Dropped[0].Index != 3 {
		t.Fatalf("%d large drops, %d lost", len(taken.Dropped), taken.DroppedLost)
	}
	w = waitingReports{}
	w.add(nil, drop(1, waitingDropBytes+1))
	if taken = w.take(); len(taken.Dropped) != 0 || taken.DroppedLost != 1 {
		t.Fatalf("%d drops that are too large, %d lost", len(taken.Dropped), taken.DroppedLost)
	}
}

func TestExtensionsAreCalledOnARunningNode(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	defer n.Stop()
	x := n.(Extender)
	if _, known, err := x.GroupCommitConsistent(ctx); known || err != nil {
		t.Fatal(known, err)
	}
	leadAlone(t, n, s)
	if err := x.RequestSnapshot(ctx); !errors.Is(err, &Error{Code: CodeSnapDropped}) {
		t.Error(err)
	}
	must(t, x.SetInflightLimits(ctx, 1, 1, 0))
	if err := x.SetInflightLimits(ctx, 0, 1, 0); !errors.Is(err, &Error{Code: CodeMisuse}) {
		t.Error(err)
	}
	if err := x.AssignCommitGroups(ctx, []CommitGroup{{1, 0}}); !errors.Is(err, &Error{Code: CodeMisuse}) {
		t.Error(err)
	}
}

func TestGroupCommitIsSetOnANode(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	config := aloneConfig(t, s, NewMemoryStorage())
	must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
	config.PreVote = false
	n := RestartNode(&config)
	defer n.Stop()
	x := n.(Extender)
	workUntil := func(done func(Status) bool) {
		t.Helper()
		for !done(n.Status()) {
			must(t, memoryStore{s}.save(nextReady(t, n)))
			n.Advance()
		}
	}
	from2 := func(kind pb.MessageType, index uint64) {
		must(t, n.Step(ctx, &pb.Message{
			Type: kind.Enum(), To: new(uint64(1)), From: new(uint64(2)),
			Term: new(n.Status().GetTerm()), Index: &index,
		}))
	}
	consistent := func() bool {
		t.Helper()
		consistent, known, err := x.GroupCommitConsistent(ctx)
		if err != nil || !known {
			t.Fatal(known, err)
		}
		return consistent
	}
	must(t, n.Campaign(ctx))
	must(t, memoryStore{s}.save(nextReady(t, n)))
	n.Advance()
	from2(pb.MsgVoteResp, 0)
	workUntil(func(s Status) bool { return s.Progress[1].Match == 2 })
	from2(pb.MsgAppResp, 2)
	workUntil(func(s Status) bool { return s.Applied == 2 })

	must(t, x.AssignCommitGroups(ctx, []CommitGroup{{1, 1}, {2, 2}, {3, 2}}))
	if !consistent() {
		t.Error("two groups have everything, and it is said that they don't")
	}
	must(t, x.ClearCommitGroups(ctx))
	if consistent() {
		t.Error("there are no groups any more")
	}
	must(t, x.EnableGroupCommit(ctx, true))
	must(t, n.Propose(ctx, []byte("a")))
	workUntil(func(s Status) bool { return s.Progress[1].Match == 3 })
	from2(pb.MsgAppResp, 3)
	if commit := n.Status().GetCommit(); commit != 2 {
		t.Errorf("%d is committed, and there are voters without a group", commit)
	}
	must(t, x.EnableGroupCommit(ctx, false))
	workUntil(func(s Status) bool { return s.Applied == 3 })
}

func TestAPriorityThatIsSetOnANodeTravels(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, NewMemoryStorage())
	must(t, s.ApplySnapshot(firstSnapshot(1, 2)))
	n := RestartNode(&config)
	defer n.Stop()
	must(t, n.(Extender).SetPriority(context.Background(), 3))
	must(t, n.Campaign(context.Background()))
	for {
		rd := nextReady(t, n)
		encoded, err := rd.EncodedMessages()
		must(t, err)
		for _, bytes := range encoded {
			m := &pb.Message{}
			must(t, proto.Unmarshal(bytes, m))
			if value, _ := unknownNumber(m, 100); protowire.DecodeZigZag(value) != 3 {
				t.Fatalf("it is %d on the wire, in %v", protowire.DecodeZigZag(value), m)
			}
			return
		}
		n.Advance()
	}
}

func TestANodeMayBeLetApplyWhatItHasNotSaved(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	config := aloneConfig(t, s, NewMemoryStorage())
	must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
	config.AsyncStorageWrites, config.PreVote = true, false
	n := RestartNode(&config)
	defer n.Stop()
	// pump takes Readys until it is enough, and returns how far they let apply.
	saved := uint64(4)
	pump := func(enough func(applied uint64) bool) (applied uint64) {
		for !enough(applied) {
			for _, m := range nextReady(t, n).Messages {
				entries := m.GetEntries()
				switch m.GetTo() {
				case LocalAppendThread:
					if len(entries) > 0 && entries[len(entries)-1].GetIndex() >= saved {
						continue
					}
					must(t, s.Append(entries))
				case LocalApplyThread:
					if len(entries) > 0 {
						applied = entries[len(entries)-1].GetIndex()
					}
				default:
					continue
				}
				for _, response := range m.GetResponses() {
					if response.GetTo() == 1 {
						must(t, n.Step(ctx, response))
					}
				}
			}
		}
		return applied
	}
	answer := func(kind pb.MessageType, index uint64) {
		for _, from := range []uint64{2, 3} {
			must(t, n.Step(ctx, &pb.Message{
				Type: kind.Enum(), To: new(uint64(1)), From: new(from),
				Term: new(n.Status().GetTerm()), Index: &index,
			}))
		}
	}
	must(t, n.Campaign(ctx))
	answer(pb.MsgVoteResp, 0)
	pump(func(uint64) bool { return n.Status().RaftState == StateLeader })
	saved = 3
	answer(pb.MsgAppResp, 2)
	pump(func(applied uint64) bool { return applied == 2 })
	for range 3 {
		must(t, n.Propose(ctx, []byte("a")))
	}
	must(t, n.(Extender).SetMaxApplyUnpersistedEntries(ctx, 2))
	answer(pb.MsgAppResp, 5)
	if applied := pump(func(applied uint64) bool { return applied > 2 }); applied > 4 {
		t.Fatalf("it may apply up to %d", applied)
	}
	if last, err := s.LastIndex(); last != 2 || err != nil {
		t.Fatal(last, err)
	}
}

func TestWhoHasGivenUpHasChangedNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// Nobody runs it, so that it never has time.
	n := newIdleNode(1, &DefaultLogger{Logger: log.New(io.Discard, "", 0)})
	if err := n.SetPriority(ctx, 1); err != context.Canceled {
		t.Error(err)
	}
	if _, err := n.Metrics(ctx); err != context.Canceled {
		t.Error(err)
	}
	if _, _, err := n.GroupCommitConsistent(ctx); err != context.Canceled {
		t.Error(err)
	}
}
