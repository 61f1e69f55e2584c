package raft

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// changeEntry is an entry with a configuration change, or with what can't be decoded as one.
func changeEntry(r *rand.Rand) *pb.Entry {
	var change pb.ConfChangeI = &pb.ConfChange{
		Type: pb.ConfChangeType(r.IntN(4)).Enum(), NodeId: new(r.Uint64N(9)), Context: randomBytes(r),
	}
	if r.IntN(2) == 0 {
		change = randomChange(r)
	}
	kind, data, err := pb.MarshalConfChange(change)
	if err != nil {
		panic(err)
	}
	if r.IntN(5) == 0 {
		data = append(data, 0xff)
	}
	return &pb.Entry{Type: kind.Enum(), Term: maybe(r), Index: maybe(r), Data: data}
}

func randomChange(r *rand.Rand) *pb.ConfChangeV2 {
	change := &pb.ConfChangeV2{Context: randomBytes(r)}
	if r.IntN(2) == 0 {
		change.Transition = pb.ConfChangeTransition(r.IntN(3)).Enum()
	}
	for range r.IntN(4) {
		change.Changes = append(change.Changes, &pb.ConfChangeSingle{
			Type: pb.ConfChangeType(r.IntN(4)).Enum(), NodeId: maybe(r),
		})
	}
	return change
}

// whole gives each snapshot in a message a configuration: theirs can't describe one without.
func whole(m *pb.Message) *pb.Message {
	if m.Snapshot != nil {
		m.Snapshot = pb.EnsureSnapshot(m.Snapshot)
	}
	for _, response := range m.Responses {
		whole(response)
	}
	return m
}

func manyEntries(r *rand.Rand) []*pb.Entry {
	entries := randomEntries(r)
	for range r.IntN(3) {
		entries = append(entries, changeEntry(r))
	}
	return entries
}

func TestDescriptionsAreThoseOfUpstream(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	same := func(ours, theirs string) {
		t.Helper()
		if ours != theirs {
			t.Fatalf("we say\n%s\nand they say\n%s", ours, theirs)
		}
	}
	formats := []func([]byte) string{
		nil,
		func(data []byte) string { return fmt.Sprintf("%d bytes", len(data)) },
		func([]byte) string { return "" },
	}
	for round := range 3000 {
		format := formats[round%len(formats)]
		ours, theirs := EntryFormatter(format), upstream.EntryFormatter(format)

		hard := &pb.HardState{Term: maybe(r), Vote: maybe(r), Commit: maybe(r)}
		if r.IntN(4) == 0 {
			hard = nil
		}
		same(DescribeHardState(hard), upstream.DescribeHardState(hard))
		soft := SoftState{Lead: r.Uint64N(5), RaftState: StateType(r.IntN(4))}
		theirSoft := upstream.SoftState{Lead: soft.Lead, RaftState: upstream.StateType(soft.RaftState)}
		same(DescribeSoftState(soft), upstream.DescribeSoftState(theirSoft))
		snapshot := pb.EnsureSnapshot(randomSnapshot(r))
		same(DescribeSnapshot(snapshot), upstream.DescribeSnapshot(snapshot))
		state := snapshot.GetMetadata().GetConfState()
		same(DescribeConfState(state), upstream.DescribeConfState(state))
		change := randomChange(r)
		same(DescribeConfChange(change), upstream.DescribeConfChange(change))
		entries := manyEntries(r)
		same(DescribeEntries(entries, ours), upstream.DescribeEntries(entries, theirs))
		for _, entry := range entries {
			same(DescribeEntry(entry, ours), upstream.DescribeEntry(entry, theirs))
		}
		message := whole(randomMessage(r, 2))
		message.Entries = append(message.Entries, manyEntries(r)...)
		if r.IntN(3) == 0 {
			message.To = new([]uint64{None, LocalAppendThread, LocalApplyThread}[r.IntN(3)])
		}
		same(DescribeMessage(message, ours), upstream.DescribeMessage(message, theirs))

		ready, theirReady := Ready{}, upstream.Ready{}
		if r.IntN(2) == 0 {
			ready.SoftState, theirReady.SoftState = &soft, &theirSoft
		}
		if r.IntN(2) == 0 {
			ready.HardState, theirReady.HardState = hard, hard
		}
		if r.IntN(2) == 0 {
			ready.Snapshot, theirReady.Snapshot = snapshot, snapshot
		}
		for range r.IntN(3) {
			state := ReadState{Index: r.Uint64(), RequestCtx: randomBytes(r)}
			ready.ReadStates = append(ready.ReadStates, state)
			theirReady.ReadStates = append(theirReady.ReadStates, upstream.ReadState(state))
		}
		if r.IntN(2) == 0 {
			ready.Entries, theirReady.Entries = entries, entries
		}
		if r.IntN(2) == 0 {
			committed := manyEntries(r)
			ready.CommittedEntries, theirReady.CommittedEntries = committed, committed
		}
		for range r.IntN(3) {
			message := whole(randomMessage(r, 1))
			ready.Messages = append(ready.Messages, message)
			theirReady.Messages = append(theirReady.Messages, message)
		}
		ready.MustSync = r.IntN(2) == 0
		theirReady.MustSync = ready.MustSync
		same(DescribeReady(ready, ours), upstream.DescribeReady(theirReady, theirs))
	}
	same(DescribeReady(Ready{}, nil), upstream.DescribeReady(upstream.Ready{}, nil))
}

// What a status says in JSON is the same but for the order of the members, which is random there.
func TestStatusIsWrittenAsUpstreamDoes(t *testing.T) {
	c := memoryCluster(t, 1)
	leader := c.elect(1)
	c.propose(leader, "x")
	ours := leader.node.Status()
	theirs := upstream.Status{
		BasicStatus: upstream.BasicStatus{
			ID: ours.ID, HardState: ours.HardState, Applied: ours.Applied,
			LeadTransferee: ours.LeadTransferee,
			SoftState: upstream.SoftState{
				Lead: ours.Lead, RaftState: upstream.StateType(ours.RaftState),
			},
		},
		Config: ours.Config, Progress: ours.Progress,
	}
	if ours.String() != theirs.String() {
		t.Fatalf("we say %s, and they say %s", ours, theirs)
	}
	if !strings.Contains(ours.String(), `"progress":{"1":{`) {
		t.Fatal(ours)
	}
}

func TestWhatCanBeToldFromMessagesIsTheSame(t *testing.T) {
	for number := range int32(40) {
		kind := pb.MessageType(number)
		if IsLocalMsg(kind) != upstream.IsLocalMsg(kind) || IsResponseMsg(kind) != upstream.IsResponseMsg(kind) {
			t.Errorf("%v", kind)
		}
	}
	for _, id := range []uint64{None, 1, LocalApplyThread - 1, LocalApplyThread, LocalAppendThread} {
		if IsLocalMsgTarget(id) != upstream.IsLocalMsgTarget(id) {
			t.Errorf("%d", id)
		}
	}
	states := []*pb.HardState{{}, {Term: new(uint64(1))}, {Vote: new(uint64(1))}, {Commit: new(uint64(1))}}
	for _, a := range states {
		if IsEmptyHardState(a) != upstream.IsEmptyHardState(a) {
			t.Errorf("%v", a)
		}
		for _, b := range states {
			for _, entries := range []int{0, 1} {
				if MustSync(a, b, entries) != upstream.MustSync(a, b, entries) {
					t.Errorf("%v, %v, %d", a, b, entries)
				}
			}
		}
	}
	if !IsEmptyHardState(nil) || !IsEmptySnap(nil) || !IsEmptySnap(&pb.Snapshot{}) {
		t.Error("nothing is not empty")
	}
}
