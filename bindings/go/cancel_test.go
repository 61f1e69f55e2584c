package raft

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
)

// blockingStorage keeps its node busy in a read, for as long as its test wants.
type blockingStorage struct {
	*MemoryStorage
	mutex   sync.Mutex
	entered chan struct{}
	leave   chan struct{}
}

// block makes the next read wait.
func (s *blockingStorage) block() (entered, leave chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.entered, s.leave = make(chan struct{}), make(chan struct{})
	return s.entered, s.leave
}

// FirstIndex is what a node looks at in each turn.
func (s *blockingStorage) FirstIndex() (uint64, error) {
	s.mutex.Lock()
	entered, leave := s.entered, s.leave
	s.entered = nil
	s.mutex.Unlock()
	if entered != nil {
		close(entered)
		<-leave
	}
	return s.MemoryStorage.FirstIndex()
}

// blockingCalls are all methods of a Node that wait and take a context.
func blockingCalls(n Node) map[string]func(ctx context.Context) error {
	x := n.(Extender)
	return map[string]func(ctx context.Context) error{
		"Campaign": n.Campaign,
		"Propose":  func(ctx context.Context) error { return n.Propose(ctx, []byte("a")) },
		"ProposeConfChange": func(ctx context.Context) error {
			return n.ProposeConfChange(ctx, &pb.ConfChange{NodeId: new(uint64(2))})
		},
		"Step": func(ctx context.Context) error {
			return n.Step(ctx, &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: new(uint64(2))})
		},
		"Step of a MsgProp": func(ctx context.Context) error {
			return n.Step(ctx, &pb.Message{Type: pb.MsgProp.Enum(), Entries: []*pb.Entry{{}}})
		},
		"TransferLeadership": func(ctx context.Context) error {
			n.TransferLeadership(ctx, 1, 2)
			return ctx.Err()
		},
		"ForgetLeader": n.ForgetLeader,
		"ReadIndex":    func(ctx context.Context) error { return n.ReadIndex(ctx, []byte("a")) },
		"SetPriority":  func(ctx context.Context) error { return x.SetPriority(ctx, 1) },
		"Snapshot":     x.RequestSnapshot,
		"Inflight":     func(ctx context.Context) error { return x.SetInflightLimits(ctx, 1, 1, 0) },
		"Unpersisted":  func(ctx context.Context) error { return x.SetMaxApplyUnpersistedEntries(ctx, 1) },
		"GroupCommit":  func(ctx context.Context) error { return x.EnableGroupCommit(ctx, false) },
		"Assign":       func(ctx context.Context) error { return x.AssignCommitGroups(ctx, nil) },
		"ClearGroups":  x.ClearCommitGroups,
		"IsConsistent": func(ctx context.Context) error { _, _, err := x.GroupCommitConsistent(ctx); return err },
		"Metrics":      func(ctx context.Context) error { _, err := n.(Observer).Metrics(ctx); return err },
		"ProposeMany":  func(ctx context.Context) error { return n.(Asker).ProposeMany(ctx, [][]byte{nil}) },
		"TryReadIndex": func(ctx context.Context) error { return n.(Asker).TryReadIndex(ctx, []byte("b")) },
		"TickQuiesced": n.(Asker).TickQuiesced,
		"RemovedAsOf":  func(ctx context.Context) error { _, err := n.(Asker).RemovedAsOf(ctx); return err },
		"RecordTake":   func(ctx context.Context) error { _, err := n.(Recorder).RecordTake(ctx); return err },
		"RecordState":  func(ctx context.Context) error { _, _, err := n.(Recorder).RecordState(ctx); return err },
		"RecordNote":   func(ctx context.Context) error { return n.(Recorder).RecordNote(ctx, "a") },
		"RecordStop":   n.(Recorder).RecordStop,
	}
}

// While the node is busy, each call that waits ends when its context does, with the context's error;
// nothing of it is done later, and no goroutine stays behind.
func TestWhatWaitsForANodeEndsWithItsContext(t *testing.T) {
	goroutinesOf(t)
	s := &blockingStorage{MemoryStorage: NewMemoryStorage()}
	config := aloneConfig(t, s, s.MemoryStorage)
	n := RestartNode(&config)
	defer n.Stop()
	leadAlone(t, n, s.MemoryStorage)
	before, err := n.(Observer).Metrics(context.Background())
	must(t, err)

	entered, leave := s.block()
	n.Tick() // The node looks for work, and so for what the storage still has.
	select {
	case <-entered:
	case <-time.After(patience):
		t.Fatal("the node does not read its storage")
	}
	type outcome struct {
		what string
		err  error
	}
	calls := blockingCalls(n)
	ended := make(chan outcome, len(calls))
	ctx, cancel := context.WithCancel(context.Background())
	for what, call := range calls {
		go func() { ended <- outcome{what, call(ctx)} }()
	}
	select {
	case early := <-ended:
		t.Errorf("%s does not wait: %v", early.what, early.err)
		ended <- early
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	for range calls {
		select {
		case done := <-ended:
			if done.err != context.Canceled {
				t.Errorf("%s: %v", done.what, done.err)
			}
		case <-time.After(patience):
			t.Fatal("somebody still waits")
		}
	}
	close(leave)

	after, err := n.(Observer).Metrics(context.Background())
	must(t, err)
	if after.EntriesAppended != before.EntriesAppended || after.ReadsAsked != before.ReadsAsked ||
		after.ConfChangesProposed != before.ConfChangesProposed {
		t.Errorf("something was done that had been given up: %+v, then %+v", before, after)
	}
}

// A context that has ended before the call lets nothing happen, though the node has time for it.
func TestAContextThatHasEndedLetsNothingHappen(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	defer n.Stop()
	leadAlone(t, n, s)
	ctx, cancel := context.WithTimeoutCause(context.Background(), -1, errors.New("too late"))
	defer cancel()
	for range 20 {
		for what, call := range blockingCalls(n) {
			if err := call(ctx); err != context.DeadlineExceeded {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	select {
	case rd := <-n.Ready():
		t.Errorf("there is a %v", rd)
	case <-time.After(20 * time.Millisecond):
	}
}
