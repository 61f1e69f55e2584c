package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"testing"
	"time"

	raft "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

const (
	// patience is how long something may take that has to happen.
	patience = 30 * time.Second
	// moment is how long something is waited for that must not happen.
	moment = 50 * time.Millisecond
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within gives up on what never comes to an end.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// alone is the configuration of the only voter of a group, on a storage of its own.
func alone(t *testing.T, voters ...uint64) (*raft.Config, *raft.MemoryStorage) {
	if len(voters) == 0 {
		voters = []uint64{1}
	}
	s := raft.NewMemoryStorage()
	must(t, s.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: voters}, Index: new(uint64(1)), Term: new(uint64(1)),
	}}))
	must(t, s.SetHardState(&pb.HardState{
		Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(uint64(1)),
	}))
	return &raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: s, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	}, s
}

func start(t *testing.T, c *raft.Config) raft.Node {
	n := raft.RestartNode(c)
	t.Cleanup(n.Stop)
	return n
}

// next is the next Ready, which has to come.
func next(t *testing.T, n raft.Node) raft.Ready {
	t.Helper()
	select {
	case rd := <-n.Ready():
		return rd
	case <-time.After(patience):
		t.Fatal("there is no Ready")
		panic("not reached")
	}
}

// none fails if there is a Ready.
func none(t *testing.T, n raft.Node) {
	t.Helper()
	select {
	case rd := <-n.Ready():
		t.Fatalf("there is %s", raft.DescribeReady(rd, nil))
	case <-time.After(moment):
	}
}

func save(t *testing.T, s *raft.MemoryStorage, rd raft.Ready) {
	t.Helper()
	if !raft.IsEmptySnap(rd.Snapshot) {
		must(t, s.ApplySnapshot(rd.Snapshot))
	}
	if !raft.IsEmptyHardState(rd.HardState) {
		must(t, s.SetHardState(rd.HardState))
	}
	must(t, s.Append(rd.Entries))
}

// work does the next Ready's work.
func work(t *testing.T, n raft.Node, s *raft.MemoryStorage) raft.Ready {
	t.Helper()
	rd := next(t, n)
	save(t, s, rd)
	n.Advance()
	return rd
}

// lead makes a node the leader of its own group.
func lead(t *testing.T, n raft.Node, s *raft.MemoryStorage) {
	t.Helper()
	must(t, n.Campaign(within(t)))
	for n.Status().Applied < n.Status().GetCommit() || n.Status().RaftState != raft.StateLeader ||
		n.Status().GetCommit() < 2 {
		work(t, n, s)
	}
}

func TestProposalsWaitForALeader(t *testing.T) {
	c, _ := alone(t, 1, 2)
	n := start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	for what, err := range map[string]error{
		"Propose":           n.Propose(ctx, []byte("x")),
		"ProposeConfChange": n.ProposeConfChange(ctx, &pb.ConfChange{NodeId: new(uint64(3))}),
		"Step of a MsgProp": n.Step(ctx, &pb.Message{
			Type: pb.MsgProp.Enum(), From: new(uint64(1)), Entries: []*pb.Entry{{Data: []byte("x")}},
		}),
	} {
		if err != context.DeadlineExceeded {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel = context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- n.Propose(ctx, []byte("x")) }()
	cancel()
	if err := <-result; err != context.Canceled {
		t.Error(err)
	}

	// As soon as there is one, they go through to it.
	go func() { result <- n.Propose(within(t), []byte("waited")) }()
	heartbeat := &pb.Message{
		Type: pb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(2)),
	}
	must(t, n.Step(within(t), heartbeat))
	must(t, <-result)
	for forwarded := false; !forwarded; {
		rd := next(t, n)
		for _, m := range rd.Messages {
			forwarded = forwarded || m.GetType() == pb.MsgProp && m.GetTo() == 2 &&
				string(m.GetEntries()[0].GetData()) == "waited"
		}
		n.Advance()
	}
}

func TestADroppedProposalIsReturned(t *testing.T) {
	c, s := alone(t)
	c.MaxUncommittedEntriesSize = 10
	n := start(t, c)
	lead(t, n, s)
	must(t, n.Propose(within(t), make([]byte, 10)))
	if err := n.Propose(within(t), make([]byte, 10)); !errors.Is(err, raft.ErrProposalDropped) {
		t.Fatal(err)
	}
	// Who does not wait is not told.
	must(t, n.ProposeConfChange(within(t), &pb.ConfChangeV2{Context: make([]byte, 10)}))
}

func TestAReadyGrowsUntilItIsTaken(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	lead(t, n, s)
	for number := range 5 {
		must(t, n.Propose(within(t), fmt.Append(nil, number)))
	}
	rd := next(t, n)
	if len(rd.Entries) != 5 {
		t.Fatalf("%d entries", len(rd.Entries))
	}
	// What comes while it is worked on is in the next one, and that one waits for Advance.
	must(t, n.Propose(within(t), []byte("later")))
	none(t, n)
	save(t, s, rd)
	n.Advance()
	rd = work(t, n, s)
	if len(rd.Entries) != 1 || len(rd.CommittedEntries) != 5 || !rd.MustSync {
		t.Fatal(raft.DescribeReady(rd, nil))
	}
	rd = work(t, n, s)
	if len(rd.Entries) != 0 || len(rd.CommittedEntries) != 1 || rd.MustSync {
		t.Fatal(raft.DescribeReady(rd, nil))
	}
	none(t, n)
}

func TestAdvanceWaitsForAReady(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	advanced := make(chan struct{})
	go func() {
		n.Advance()
		close(advanced)
	}()
	select {
	case <-advanced:
		t.Fatal("there was nothing to advance from")
	case <-time.After(moment):
	}
	must(t, n.Campaign(within(t)))
	save(t, s, next(t, n))
	<-advanced

	// A node that is stopped keeps nobody waiting.
	go n.Stop()
	n.Advance()
	n.Advance()
}

func TestStopEndsEverything(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	lead(t, n, s)
	if n.Status().ID != 1 {
		t.Fatal(n.Status())
	}
	must(t, n.Propose(within(t), []byte("never taken out")))
	var stopping sync.WaitGroup
	for range 3 {
		stopping.Go(n.Stop)
	}
	stopping.Wait()
	n.Stop()
	ctx := within(t)
	for what, err := range map[string]error{
		"Campaign":          n.Campaign(ctx),
		"Propose":           n.Propose(ctx, nil),
		"ProposeConfChange": n.ProposeConfChange(ctx, &pb.ConfChange{}),
		"Step":              n.Step(ctx, &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: new(uint64(1))}),
		"ForgetLeader":      n.ForgetLeader(ctx),
		"ReadIndex":         n.ReadIndex(ctx, []byte("x")),
	} {
		if err != raft.ErrStopped {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 300 {
		n.Tick()
	}
	n.Advance()
	n.TransferLeadership(ctx, 1, 2)
	n.ReportUnreachable(2)
	n.ReportSnapshot(2, raft.SnapshotFinish)
	if cs := n.ApplyConfChange(&pb.ConfChange{NodeId: new(uint64(2))}); cs != nil {
		t.Error(cs)
	}
	if status := n.Status(); status.ID != 0 || status.HardState != nil || status.Progress != nil {
		t.Error(status)
	}
	none(t, n)
}

func TestAProposerIsReleasedByStop(t *testing.T) {
	c, _ := alone(t, 1, 2)
	n := start(t, c)
	result := make(chan error)
	go func() { result <- n.Propose(t.Context(), []byte("x")) }()
	time.Sleep(moment)
	n.Stop()
	if err := <-result; err != raft.ErrStopped {
		t.Fatal(err)
	}
}

func TestStrangeMessagesArePassedOver(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	lead(t, n, s)
	ctx := within(t)
	if n.Step(ctx, nil) == nil {
		t.Error("no message is a message")
	}
	for _, kind := range []pb.MessageType{
		pb.MsgHup, pb.MsgBeat, pb.MsgUnreachable, pb.MsgSnapStatus, pb.MsgCheckQuorum,
		pb.MsgStorageAppend, pb.MsgStorageAppendResp, pb.MsgStorageApply, pb.MsgStorageApplyResp,
	} {
		must(t, n.Step(ctx, &pb.Message{Type: kind.Enum(), From: new(uint64(1)), To: new(uint64(1))}))
	}
	// From somebody who is no member, in a term that would unseat the leader.
	must(t, n.Step(ctx, &pb.Message{
		Type: pb.MsgAppResp.Enum(), From: new(uint64(7)), To: new(uint64(1)), Term: new(uint64(99)),
	}))
	if status := n.Status(); status.RaftState != raft.StateLeader || status.GetTerm() != 2 {
		t.Error(status)
	}
	none(t, n)
}

func TestMembersAreChangedAndARemovedNodeTakesNoProposals(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	lead(t, n, s)
	change := func(cc pb.ConfChangeI) *pb.ConfState {
		t.Helper()
		must(t, n.ProposeConfChange(within(t), cc))
		for {
			for _, entry := range work(t, n, s).CommittedEntries {
				switch entry.GetType() {
				case pb.EntryConfChange:
					decoded := &pb.ConfChange{}
					must(t, proto.Unmarshal(entry.GetData(), decoded))
					return n.ApplyConfChange(decoded)
				case pb.EntryConfChangeV2:
					decoded := &pb.ConfChangeV2{}
					must(t, proto.Unmarshal(entry.GetData(), decoded))
					return n.ApplyConfChange(decoded)
				}
			}
		}
	}
	cs := change(&pb.ConfChange{
		Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(2)), Context: []byte("where"),
	})
	want := &pb.ConfState{Voters: []uint64{1}, Learners: []uint64{2}, AutoLeave: new(false)}
	if !proto.Equal(cs, want) {
		t.Fatal(cs)
	}
	if progress := n.Status().Progress[2]; !progress.IsLearner || progress.State != tracker.StateProbe {
		t.Fatal(progress)
	}
	// A leader that removes itself.
	cs = change(&pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{
		{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(2))},
	}})
	if !proto.Equal(cs, &pb.ConfState{Voters: []uint64{1}, AutoLeave: new(false)}) {
		t.Fatal(cs)
	}
	_ = n.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeAddNode.Enum(), NodeId: new(uint64(3))})
	cs = n.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(1))})
	if !proto.Equal(cs, &pb.ConfState{Voters: []uint64{3}, AutoLeave: new(false)}) {
		t.Fatal(cs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	if err := n.Propose(ctx, []byte("x")); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
}

func TestReadsAreAnsweredInAReady(t *testing.T) {
	c, s := alone(t)
	n := start(t, c)
	lead(t, n, s)
	name := []byte("read")
	must(t, n.ReadIndex(within(t), name))
	rd := work(t, n, s)
	if len(rd.ReadStates) != 1 || string(rd.ReadStates[0].RequestCtx) != "read" || rd.ReadStates[0].Index != 2 {
		t.Fatal(raft.DescribeReady(rd, nil))
	}
}

func TestANewGroupBeginsWithItsPeers(t *testing.T) {
	c, _ := alone(t)
	s := raft.NewMemoryStorage()
	c.Storage = s
	n := raft.StartNode(c, []raft.Peer{{ID: 1, Context: []byte("one")}, {ID: 2}})
	defer n.Stop()
	rd := next(t, n)
	if len(rd.Entries) != 2 || len(rd.CommittedEntries) != 2 || rd.GetTerm() != 1 || rd.GetCommit() != 2 || !rd.MustSync {
		t.Fatal(raft.DescribeReady(rd, nil))
	}
	cc := &pb.ConfChange{}
	must(t, proto.Unmarshal(rd.Entries[0].GetData(), cc))
	if cc.GetNodeId() != 1 || string(cc.GetContext()) != "one" {
		t.Fatal(cc)
	}
	save(t, s, rd)
	n.Advance()
	none(t, n)
	n.Stop()

	// What is applied already is not handed out again.
	c.Applied = 1
	n = raft.RestartNode(c)
	defer n.Stop()
	rd = next(t, n)
	if len(rd.CommittedEntries) != 1 || rd.CommittedEntries[0].GetIndex() != 2 {
		t.Fatal(raft.DescribeReady(rd, nil))
	}
}

func TestAsynchronousWritesNeedNoAdvance(t *testing.T) {
	c, s := alone(t)
	c.AsyncStorageWrites = true
	n := start(t, c)
	must(t, n.Campaign(within(t)))
	var applied []string
	proposed := false
	for len(applied) < 3 {
		rd := next(t, n)
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				must(t, s.Append(m.GetEntries()))
			case raft.LocalApplyThread:
				for _, entry := range m.GetEntries() {
					if len(entry.GetData()) > 0 {
						applied = append(applied, string(entry.GetData()))
					}
				}
			}
			for _, response := range m.GetResponses() {
				must(t, n.Step(within(t), response))
			}
		}
		if !proposed && n.Status().RaftState == raft.StateLeader {
			proposed = true
			for _, data := range []string{"a", "b", "c"} {
				must(t, n.Propose(within(t), []byte(data)))
			}
		}
	}
	if fmt.Sprint(applied) != "[a b c]" {
		t.Fatal(applied)
	}
}
