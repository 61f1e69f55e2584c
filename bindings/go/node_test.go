package raft

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// What only our Node has. What it has in common with that of go.etcd.io/raft is tested in
// tests/dropin, on both.

// patience is how long something may take that is bound to happen.
const patience = 30 * time.Second

// goroutinesOf fails if there are more goroutines at the end of a test than at its beginning.
func goroutinesOf(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 1000 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(time.Millisecond)
		}
		stacks := make([]byte, 1<<16)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Errorf("%d goroutines of %d are left:\n%s", runtime.NumGoroutine(), before, stacks)
	})
}

func isDone(t *testing.T, n Node) {
	t.Helper()
	select {
	case <-n.(Monitor).Done():
	case <-time.After(patience):
		t.Fatal("the node does not stop")
	}
}

// aloneConfig is the configuration of the only voter of a group.
func aloneConfig(t *testing.T, s Storage, first *MemoryStorage) Config {
	must(t, first.ApplySnapshot(firstSnapshot(1)))
	config := baseConfig(1)
	config.Storage = s
	config.Logger = &DefaultLogger{Logger: log.New(io.Discard, "", 0)}
	return config
}

// serve does the work of a node until it has stopped, and returns what was applied.
func serve(t *testing.T, n Node, s *MemoryStorage) (applied []string) {
	for {
		select {
		case rd := <-n.Ready():
			if err := (memoryStore{s}).save(rd); err != nil {
				t.Error(err)
				return
			}
			for _, entry := range rd.CommittedEntries {
				if entry.GetType() == pb.EntryNormal && len(entry.GetData()) > 0 {
					applied = append(applied, string(entry.GetData()))
				}
			}
			n.Advance()
		case <-n.(Monitor).Done():
			return
		}
	}
}

// allStopped checks what every method of a stopped node does.
func allStopped(t *testing.T, n Node) {
	t.Helper()
	ctx := context.Background()
	x := n.(Extender)
	_, metricsErr := n.(Observer).Metrics(ctx)
	_, _, consistentErr := x.GroupCommitConsistent(ctx)
	for what, err := range map[string]error{
		"Campaign":          n.Campaign(ctx),
		"Propose":           n.Propose(ctx, nil),
		"ProposeConfChange": n.ProposeConfChange(ctx, &pb.ConfChange{}),
		"Step":              n.Step(ctx, &pb.Message{Type: pb.MsgHeartbeat.Enum()}),
		"Step of a MsgProp": n.Step(ctx, &pb.Message{Type: pb.MsgProp.Enum()}),
		"ForgetLeader":      n.ForgetLeader(ctx),
		"ReadIndex":         n.ReadIndex(ctx, nil),

		"Metrics":                       metricsErr,
		"SetPriority":                   x.SetPriority(ctx, 1),
		"RequestSnapshot":               x.RequestSnapshot(ctx),
		"SetInflightLimits":             x.SetInflightLimits(ctx, 1, 1, 0),
		"SetMaxApplyUnpersistedEntries": x.SetMaxApplyUnpersistedEntries(ctx, 1),
		"EnableGroupCommit":             x.EnableGroupCommit(ctx, true),
		"AssignCommitGroups":            x.AssignCommitGroups(ctx, nil),
		"ClearCommitGroups":             x.ClearCommitGroups(ctx),
		"ProposeMany":                   n.(Asker).ProposeMany(ctx, nil),
		"TryReadIndex":                  n.(Asker).TryReadIndex(ctx, nil),
		"TickQuiesced":                  n.(Asker).TickQuiesced(ctx),
		"GroupCommitConsistent":         consistentErr,
	} {
		if err != ErrStopped {
			t.Errorf("%s returns %v", what, err)
		}
	}
	n.Tick()
	n.Advance()
	n.TransferLeadership(ctx, 1, 2)
	n.ReportUnreachable(1)
	n.ReportSnapshot(1, SnapshotFailure)
	if state := n.ApplyConfChange(&pb.ConfChange{}); state != nil {
		t.Errorf("ApplyConfChange returns %v", state)
	}
	if status := n.Status(); status.ID != 0 || status.HardState != nil {
		t.Errorf("Status returns %v", status)
	}
	select {
	case rd := <-n.Ready():
		t.Errorf("there is a %v", rd)
	default:
	}
	n.Stop()
}

func TestANodeThatIsStoppedSaysSo(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	if err := n.(Monitor).Err(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(n.Stop)
	}
	all.Wait()
	isDone(t, n)
	if err := n.(Monitor).Err(); err != ErrStopped {
		t.Fatal(err)
	}
	allStopped(t, n)
}

func TestAStorageThatFailsStopsItsNodeAndNothingElse(t *testing.T) {
	for _, where := range []string{"FirstIndex", "Entries", "Entries lie"} {
		t.Run(where, func(t *testing.T) {
			goroutinesOf(t)
			memory := NewMemoryStorage()
			s := &faulty{store: memoryStore{memory}}
			var mutex sync.Mutex
			locked := &lockedStorage{Storage: s, mutex: &mutex}
			config := aloneConfig(t, locked, memory)
			var lines bytes.Buffer
			config.Logger = &DefaultLogger{Logger: log.New(&lines, "", 0)}
			// So that entries for a member that is behind are read back from the storage.
			config.MaxCachedBytes = 1
			n := RestartNode(&config)

			var serving sync.WaitGroup
			serving.Go(func() { serve(t, n, memory) })
			must(t, n.Campaign(context.Background()))
			for number := range 10 {
				must(t, n.Propose(context.Background(), fmt.Append(nil, number)))
			}
			// What is not saved yet would be sent from memory.
			for n.Status().Applied < 12 {
				runtime.Gosched()
			}
			n.ApplyConfChange(&pb.ConfChange{
				Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(2)),
			})
			term := n.Status().GetTerm()
			mutex.Lock()
			s.failing, s.with = where, errDisk
			mutex.Unlock()
			err := n.Step(context.Background(), &pb.Message{
				Type: pb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(uint64(1)),
				Term: &term, Index: new(uint64(11)), Reject: new(true),
				RejectHint: new(uint64(2)), LogTerm: new(uint64(1)),
			})
			// The node may have been about to read, and have found out already.
			if err != nil && err != ErrStopped {
				t.Error(err)
			}
			// Those who wait for it are told.
			var proposing sync.WaitGroup
			for range 4 {
				proposing.Go(func() {
					for range 100_000 {
						err := n.Propose(context.Background(), make([]byte, 100))
						if err == ErrStopped {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
					t.Error("the node goes on")
				})
			}
			proposing.Wait()
			isDone(t, n)
			serving.Wait()
			err = n.(Monitor).Err()
			if !errors.Is(err, ErrStopped) || where != "Entries lie" && !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			if text := lines.String(); strings.Count(text, "ERROR: ") != 1 {
				t.Fatal(text)
			}
			allStopped(t, n)
		})
	}
}

// lockedStorage lets a test change a storage that a node reads.
type lockedStorage struct {
	Storage
	mutex *sync.Mutex
}

func (l *lockedStorage) FirstIndex() (uint64, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.Storage.FirstIndex()
}

func (l *lockedStorage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.Storage.Entries(lo, hi, maxSize)
}

func TestANodeWhoseStorageFailsAtOnceIsBornStopped(t *testing.T) {
	for _, where := range []string{"InitialState", "FirstIndex", "LastIndex"} {
		goroutinesOf(t)
		memory := NewMemoryStorage()
		config := aloneConfig(t, &faulty{memoryStore{memory}, where, errDisk}, memory)
		var lines bytes.Buffer
		config.Logger = &DefaultLogger{Logger: log.New(&lines, "", 0)}
		for _, n := range []Node{RestartNode(&config), StartNode(&config, []Peer{{ID: 1}})} {
			isDone(t, n)
			if err := n.(Monitor).Err(); !errors.Is(err, ErrStopped) || !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			allStopped(t, n)
		}
		if text := lines.String(); strings.Count(text, errDisk.Error()) != 2 {
			t.Fatal(text)
		}
	}
}

func TestAWrongConfigurationPanicsAsTheProgramIsWrong(t *testing.T) {
	for name, start := range map[string]func(*Config){
		"no peers": func(c *Config) { StartNode(c, nil) },
		"no id":    func(c *Config) { c.ID = 0; RestartNode(c) },
		"no ticks": func(c *Config) { c.ElectionTick = 0; StartNode(c, []Peer{{ID: 1}}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := NewMemoryStorage()
			config := aloneConfig(t, s, s)
			defer func() {
				if recover() == nil {
					t.Fatal("it starts")
				}
			}()
			start(&config)
		})
	}
}

func TestALargeReadyIsNotMadeAgainAndAgain(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	n := RestartNode(&config)
	defer n.Stop()
	must(t, n.Campaign(context.Background()))
	leads := false
	for !leads {
		rd := <-n.Ready()
		must(t, memoryStore{s}.save(rd))
		leads = rd.SoftState != nil && rd.RaftState == StateLeader
		n.Advance()
	}
	// Nobody takes the Ready that has the first of these any more before it is too large.
	for range 3 {
		must(t, n.Propose(context.Background(), make([]byte, maxOffer+1)))
	}
	total := 0
	for total < 3 {
		rd := <-n.Ready()
		must(t, memoryStore{s}.save(rd))
		for _, entry := range rd.Entries {
			if len(entry.GetData()) > 0 {
				total++
			}
		}
		n.Advance()
	}
}

// Reads, and what was dropped, count like anything else that an offer is made of.
func TestManyWaitingReadsAreNotOfferedAgainAndAgain(t *testing.T) {
	goroutinesOf(t)
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	config.RecordBytes = 1 << 24
	n := RestartNode(&config)
	defer n.Stop()
	leadAlone(t, n, s)
	const reads = 4000
	for i := range uint64(reads) {
		must(t, n.ReadIndex(context.Background(), binary.BigEndian.AppendUint64(nil, i)))
	}
	// Each offer is a Ready that the node has shown.
	recording, err := n.(Recorder).RecordTake(context.Background())
	must(t, err)
	report, err := Replay(recording, 0)
	must(t, err)
	if report.End != RecordingOn || report.ReadyCount < 10 || report.ReadyCount > reads/2 {
		t.Errorf("%+v", report)
	}
	for next := uint64(0); next < reads; n.Advance() {
		for _, state := range nextReady(t, n).ReadStates {
			if name := binary.BigEndian.Uint64(state.RequestCtx); name != next {
				t.Fatalf("read %d in place of %d", name, next)
			}
			next++
		}
	}
}

func TestErrValuesAreKnownByTheirText(t *testing.T) {
	for ours, err := range errValues {
		if ours.Error() != err.Error() {
			t.Errorf("%q is %q there", ours, err)
		}
		for _, err := range []error{
			ours, err, fmt.Errorf("wrapped: %w", ours), fmt.Errorf("wrapped: %w", err),
			errors.Join(io.EOF, fmt.Errorf("wrapped twice: %w", err)),
		} {
			if !says(err, ours) {
				t.Errorf("%q is not known", err)
			}
			for other := range errValues {
				if other != ours && says(err, other) {
					t.Errorf("%q is taken for %q", err, other)
				}
			}
		}
		if says(nil, ours) || says(errors.New("about "+ours.Error()), ours) {
			t.Errorf("%q is seen where it is not", ours)
		}
	}
}

// slowSnapshots is a storage of go.etcd.io/raft that needs time for a snapshot, and says so with
// the value of that package.
type slowSnapshots struct {
	*upstream.MemoryStorage
	slow int
}

func (s *slowSnapshots) Snapshot() (*pb.Snapshot, error) {
	if s.slow > 0 {
		s.slow--
		return nil, fmt.Errorf("soon: %w", upstream.ErrSnapshotTemporarilyUnavailable)
	}
	return s.MemoryStorage.Snapshot()
}

// wrapped is a storage that wraps the errors of another one.
type wrapped struct{ Storage }

func (w wrapped) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	entries, err := w.Storage.Entries(lo, hi, maxSize)
	if err != nil {
		err = fmt.Errorf("entries [%d, %d): %w", lo, hi, err)
	}
	return entries, err
}

func TestStoragesOfUpstreamServeOurNode(t *testing.T) {
	theirs := upstream.NewMemoryStorage()
	must(t, theirs.ApplySnapshot(firstSnapshot(1, 2)))
	slow := &slowSnapshots{theirs, 2}
	config := baseConfig(1)
	config.Storage, config.MaxCachedBytes, config.CheckQuorum, config.PreVote = wrapped{slow}, 1, false, false
	var lines bytes.Buffer
	config.Logger = &DefaultLogger{Logger: log.New(&lines, "", 0)}
	node, err := NewRawNode(&config)
	must(t, err)
	defer node.Close()

	var sent []*pb.Message
	work := func() {
		for node.HasReady() {
			rd := node.Ready()
			if rd.HardState != nil {
				must(t, theirs.SetHardState(rd.HardState))
			}
			must(t, theirs.Append(rd.Entries))
			sent = append(sent, rd.Messages...)
			node.Advance(rd)
		}
		must(t, node.Err())
	}
	from := func(id uint64, kind pb.MessageType, fill func(*pb.Message)) {
		t.Helper()
		m := &pb.Message{Type: kind.Enum(), From: new(id), To: new(uint64(1))}
		m.Term = new(node.BasicStatus().GetTerm())
		if fill != nil {
			fill(m)
		}
		must(t, node.Step(m))
		work()
	}
	must(t, node.Campaign())
	work()
	from(2, pb.MsgVoteResp, nil)
	for range 20 {
		must(t, node.Propose(make([]byte, 100)))
		work()
		last, err := theirs.LastIndex()
		must(t, err)
		from(2, pb.MsgAppResp, func(m *pb.Message) { m.Index = new(last) })
	}
	applied := node.BasicStatus().Applied
	_, err = theirs.CreateSnapshot(applied-2, nil, []byte("state"))
	must(t, err)
	must(t, theirs.Compact(applied-2))

	// A new member is sent a snapshot as soon as there is one.
	node.ApplyConfChange(&pb.ConfChange{
		Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(3)),
	})
	sent = nil
	for range 5 {
		node.Tick()
		work()
		from(3, pb.MsgHeartbeatResp, nil)
		from(3, pb.MsgAppResp, func(m *pb.Message) {
			m.Reject, m.Index = new(true), new(node.Status().Progress[3].Next-1)
		})
	}
	must(t, node.Err())
	if slow.slow != 0 {
		t.Fatal("no snapshot was asked for")
	}
	if text := lines.String(); strings.Contains(text, "ERROR") {
		t.Fatal(text)
	}
	snapshots := 0
	for _, m := range sent {
		if m.GetType() == pb.MsgSnap && m.GetSnapshot().GetMetadata().GetIndex() == applied-2 {
			snapshots++
		}
	}
	if snapshots != 1 {
		t.Fatalf("%d snapshots were sent", snapshots)
	}
}
