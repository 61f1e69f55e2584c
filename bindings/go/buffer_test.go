// What is written where an earlier Ready was says what a new one would, whatever has been done to that.

package raft

import (
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// vandalize does to a Ready whatever a host can.
func vandalize(rd *Ready) {
	other := func() *pb.Message {
		return &pb.Message{
			Type: pb.MsgSnap.Enum(), Snapshot: &pb.Snapshot{Data: []byte("other")}, Reject: new(true),
			RejectHint: new(uint64(1)), Vote: new(uint64(2)), LogTerm: new(uint64(3)), Context: []byte("other"),
			Entries: []*pb.Entry{{}}, Responses: []*pb.Message{{}}, Commit: new(uint64(4)), Index: new(uint64(5)),
		}
	}
	for i, m := range rd.Messages {
		if m == nil {
			continue
		}
		scribble(m)
		if i%3 == 0 {
			m.Reset()
		} else {
			proto.Merge(m, other())
			m.ProtoReflect().SetUnknown(appendNumber(nil, 102, 7))
		}
		if i%2 == 0 {
			rd.Messages[i] = other()
		}
	}
	rd.Messages = append(rd.Messages, other())
	if rd.HardState != nil {
		*rd.HardState.Term = 1 << 40
		rd.HardState.ProtoReflect().SetUnknown(appendNumber(nil, 102, 7))
		rd.HardState.Vote = nil
	}
}

func TestMessagesInABufferAreWhatIsLent(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	buffer, lender := &ReadyBuffer{}, &loan{}
	reused := 0
	for range 5000 {
		want := randomMessages(r)
		lent := make([]lentMessage, len(want))
		for i, m := range want {
			lent[i], _ = lend(t, m)
		}
		buffer.empty(lender)
		got, err := decodeMessages(lent, nil, buffer)
		must(t, err)
		if len(got) != len(want) || cap(got) != len(want) {
			t.Fatalf("%d of %d messages, and room for %d", len(got), len(want), cap(got))
		}
		for i := range want {
			if !proto.Equal(got[i], want[i]) {
				t.Fatalf("message %d of %v\nbecame\n%v", i, want, got[i])
			}
			if got[i] == &buffer.cells[i].message {
				reused++
			}
		}
		vandalize(&Ready{Messages: got})
	}
	if reused < 10000 {
		t.Fatal(reused)
	}
	// The next Ready may have none, and what was in these is nobody's any more.
	buffer.empty(lender)
	for i := range buffer.cells {
		if !reflect.DeepEqual(&buffer.cells[i], &messageCell{}) || buffer.list[i] != nil {
			t.Fatalf("%d is not empty", i)
		}
	}
}

// leaderOfThree is a cluster with its leader.
func leaderOfThree(t *testing.T) (*cluster, *member) {
	c := memoryCluster(t, 3)
	must(t, c.members[1].node.Campaign())
	c.settle()
	return c, c.members[1]
}

// sends makes a Ready with two appends and an entry.
func (m *member) sends(t *testing.T, data []byte, buffer *ReadyBuffer) Ready {
	t.Helper()
	must(t, m.node.Propose(data))
	rd := m.node.ReadyInto(buffer)
	if len(rd.Messages) != 2 || len(rd.Entries) != 1 || len(rd.Messages[0].Entries) != 1 {
		t.Fatal(DescribeReady(rd, nil))
	}
	return rd
}

func (m *member) done(t *testing.T, rd Ready) {
	t.Helper()
	must(t, m.store.save(rd))
	m.node.Advance(rd)
}

func TestABufferIsUsedAgainByAnyNode(t *testing.T) {
	_, one := leaderOfThree(t)
	_, other := leaderOfThree(t)
	buffer := &ReadyBuffer{}
	first := one.sends(t, []byte("first"), buffer)
	message, entries, kept := first.Messages[0], first.Entries, first.Entries[0]
	one.done(t, first)
	vandalize(&first)
	second := other.sends(t, []byte("second"), buffer)
	if second.Messages[0] != message {
		t.Error("the message is another object")
	}
	if string(second.Messages[0].Entries[0].GetData()) != "second" || second.Messages[0].Snapshot != nil {
		t.Error(second.Messages)
	}
	if string(kept.GetData()) != "first" || entries[0] != kept {
		t.Error("an entry was written over")
	}
	other.done(t, second)
	// A buffer is no part of what a node knows: the next Ready need not come from one.
	third := one.sends(t, []byte("third"), nil)
	for _, m := range third.Messages {
		if m == message {
			t.Error("a Ready without the buffer is in it")
		}
	}
}

// What the documentation of ReadyInto says may be kept of a message, and of a Ready.
func TestWhatIsInAMessageMayBeKept(t *testing.T) {
	_, one := leaderOfThree(t)
	buffer := &ReadyBuffer{}
	first := one.sends(t, []byte("first"), buffer)
	clone := proto.CloneOf(first.Messages[0])
	shallow := &pb.Message{Entries: first.Messages[0].Entries, Index: first.Messages[0].Index}
	index := clone.GetIndex()
	one.done(t, first)
	second := one.sends(t, []byte("second"), buffer)
	if string(shallow.Entries[0].GetData()) != "first" || string(clone.Entries[0].GetData()) != "first" {
		t.Error("entries were written over")
	}
	if clone.GetIndex() != index {
		t.Error("a clone's number was written over")
	}
	if shallow.GetIndex() == index {
		t.Error("a number is a part of the message, and is the next one's now")
	}
	one.done(t, second)
}

// A storage worker has its message while the next Ready is taken.
func TestAStorageWorkersMessageIsNotInABuffer(t *testing.T) {
	storage := NewMemoryStorage()
	must(t, storage.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: []uint64{1}},
	}}))
	node, err := NewRawNode(&Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, AsyncStorageWrites: true,
	})
	must(t, err)
	defer node.Close()
	must(t, node.Campaign())
	buffer := &ReadyBuffer{}
	first := node.ReadyInto(buffer)
	if len(first.Messages) != 1 || first.Messages[0].GetTo() != LocalAppendThread {
		t.Fatal(DescribeReady(first, nil))
	}
	work, want := first.Messages[0], proto.CloneOf(first.Messages[0])
	for _, response := range want.Responses {
		must(t, node.Step(response))
	}
	second := node.ReadyInto(buffer)
	if len(second.Messages) == 0 || second.Messages[0] == work {
		t.Fatal(DescribeReady(second, nil))
	}
	if !proto.Equal(work, want) {
		t.Error("the worker's message became", work)
	}
}

// Assignment can't be kept from happening; go vet finds it where it can be read.
func TestACopyOfABufferSharesNothing(t *testing.T) {
	_, one := leaderOfThree(t)
	buffer, copied := &ReadyBuffer{}, &ReadyBuffer{}
	first := one.sends(t, []byte("first"), buffer)
	one.done(t, first)
	reflect.ValueOf(copied).Elem().Set(reflect.ValueOf(buffer).Elem())
	want := first.Messages[0].String()
	second := one.sends(t, []byte("second"), copied)
	one.done(t, second)
	if second.Messages[0] == first.Messages[0] || first.Messages[0].String() != want {
		t.Fatal("a copy writes where the first one has its messages")
	}
	third := one.sends(t, []byte("third"), buffer)
	if third.Messages[0] != first.Messages[0] || string(second.Messages[0].Entries[0].GetData()) != "second" {
		t.Fatal("the first one writes elsewhere now")
	}
	one.done(t, third)
	if rd := one.sends(t, []byte("fourth"), copied); rd.Messages[0] != second.Messages[0] {
		t.Fatal("a copy never uses its memory again")
	}
}

func TestANodeThatHasStoppedGivesNothingInABuffer(t *testing.T) {
	_, one := leaderOfThree(t)
	_, other := leaderOfThree(t)
	buffer := &ReadyBuffer{}
	one.done(t, one.sends(t, []byte("first"), buffer))
	must(t, one.node.Close())
	if rd := one.node.ReadyInto(buffer); hasWork(rd) {
		t.Fatal(DescribeReady(rd, nil))
	}
	other.done(t, other.sends(t, []byte("second"), buffer))

	// The storage fails while the next Ready is made.
	node, s := newFollower(t)
	must(t, node.Campaign())
	node.storage = failingStorage{s, ErrUnavailable}
	if rd := node.ReadyInto(buffer); hasWork(rd) || node.Err() == nil {
		t.Fatal(DescribeReady(rd, nil), node.Err())
	}
	other.done(t, other.sends(t, []byte("third"), buffer))
}

// A buffer that waits for the next Ready must not keep what was large in the last one.
func TestABufferKeepsNothingLarge(t *testing.T) {
	small := &pb.Message{Type: pb.MsgHeartbeat.Enum(), To: new(uint64(2)), From: new(uint64(1)), Context: []byte("c")}
	large := &pb.Message{
		Type: pb.MsgSnap.Enum(), To: new(uint64(3)), From: new(uint64(1)),
		Snapshot: &pb.Snapshot{Data: make([]byte, 1<<20)},
	}
	buffer, lender := &ReadyBuffer{}, &loan{}
	for _, messages := range [][]*pb.Message{{small, large}, {large}, {small, small, large, small}} {
		lent := make([]lentMessage, len(messages))
		for i, m := range messages {
			lent[i], _ = lend(t, m)
		}
		buffer.empty(lender)
		got, err := decodeMessages(lent, nil, buffer)
		must(t, err)
		freed := make(chan struct{})
		for i, m := range got {
			if !proto.Equal(m, messages[i]) {
				t.Fatal(m)
			}
			if m.Snapshot != nil {
				runtime.AddCleanup(&m.Snapshot.Data[0], func(freed chan struct{}) { close(freed) }, freed)
			}
		}
		got = nil
		runtime.GC()
		select {
		case <-freed:
		case <-time.After(patience):
			t.Fatal("it is kept")
		}
	}
	many := make([]lentMessage, maxBufferedMessages+1)
	for i := range many {
		many[i], _ = lend(t, small)
	}
	for _, count := range []int{1, 3, 5, 200, 255, 256, 257} {
		buffer.empty(lender)
		got, err := decodeMessages(many[:count], nil, buffer)
		must(t, err)
		if len(got) != count || !proto.Equal(got[count-1], small) || len(buffer.cells) > maxBufferedMessages {
			t.Fatal(len(got), len(buffer.cells))
		}
		if buffered := got[0] == &buffer.cells[0].message; buffered != (count <= maxBufferedMessages) {
			t.Fatal(count, buffered)
		}
	}
	runtime.KeepAlive(buffer)
}

// What a DurableStorage knows of the last Ready of its node is by the place of its hard state.
func TestADurableStorageIsNotDeceivedByABuffer(t *testing.T) {
	buffer := &ReadyBuffer{}
	var members []*member
	c := newCluster(t)
	for range 2 {
		s := openDurable(t, t.TempDir()+"/log")
		must(t, s.Bootstrap(firstSnapshot(1, 2, 3)))
		members = append(members, c.start(durableStore{s}, baseConfig(1)))
		t.Cleanup(func() { _ = s.Close() })
	}
	one, other := members[0], members[1]
	must(t, one.node.Step(appendOf(5, 1, 1, 1)))
	first := one.node.ReadyInto(buffer)
	must(t, other.node.Step(appendOf(9, 1, 1, 1)))
	second := other.node.ReadyInto(buffer)
	if first.HardState != second.HardState || second.HardState.GetTerm() != 9 {
		t.Fatal(first.HardState, second.HardState)
	}
	if one.node.loan.isOf(&second) || !other.node.loan.isOf(&second) {
		t.Fatal("the first node's Ready is still taken for what it was")
	}
	for _, m := range members {
		must(t, m.store.save(second))
		if state, _, err := m.store.InitialState(); err != nil || state.GetTerm() != 9 {
			t.Fatal(state, err)
		}
		must(t, m.node.Close())
	}
}

func TestAMemoryStorageHasAHardStateOfItsOwn(t *testing.T) {
	s := NewMemoryStorage()
	if state, _, err := s.InitialState(); state != nil || err != nil {
		t.Fatal(state, err)
	}
	given := &pb.HardState{Term: new(uint64(3)), Commit: new(uint64(5))}
	want := proto.CloneOf(given)
	must(t, s.SetHardState(given))
	*given.Term, given.Vote = 7, new(uint64(1))
	got, _, err := s.InitialState()
	must(t, err)
	if !proto.Equal(got, want) {
		t.Fatal(got)
	}
	must(t, s.SetHardState(given))
	if !proto.Equal(got, want) {
		t.Fatal("what it gave has changed")
	}
	must(t, s.SetHardState(nil))
	if state, _, err := s.InitialState(); state != nil || err != nil {
		t.Fatal(state, err)
	}
}

// A heartbeat and its answer, from the tick to the last Ready.
func TestAHeartbeatAllocatesNothing(t *testing.T) {
	c, leader := leaderOfThree(t)
	var buffer ReadyBuffer
	var nodes []*RawNode
	for _, id := range c.ids() {
		nodes = append(nodes, c.members[id].node)
	}
	beat := func() {
		leader.node.Tick()
		for busy := true; busy; {
			busy = false
			for _, node := range nodes {
				if !node.HasReady() {
					continue
				}
				busy = true
				rd := node.ReadyInto(&buffer)
				for _, m := range rd.Messages {
					_ = nodes[m.GetTo()-1].Step(m)
				}
				node.Advance(rd)
			}
		}
	}
	beat()
	if got := testing.AllocsPerRun(100, beat); got != 0 {
		t.Fatal(got)
	}
}
