// A message that goes to the library as numbers is taken as its bytes are.

package raft

import (
	"math/rand/v2"
	"reflect"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

// forMember is a message to a follower of three, whose numbers are near those that it has; some fields are not
// there, or should not be.
func forMember(r *rand.Rand, status BasicStatus, last uint64) *pb.Message {
	near := func(number uint64) *uint64 {
		switch r.IntN(30) {
		case 0:
			return nil
		case 1:
			return new(r.Uint64())
		case 2:
			return new(uint64(0))
		}
		return new(number + r.Uint64N(3) - min(number, 1))
	}
	kinds := []pb.MessageType{pb.MsgApp, pb.MsgApp, pb.MsgAppResp, pb.MsgHeartbeat, pb.MsgHeartbeatResp, pb.MsgVote}
	m := &pb.Message{
		Type: kinds[r.IntN(len(kinds))].Enum(), To: near(1), From: new(1 + r.Uint64N(4)),
		Term: near(status.HardState.GetTerm()),
	}
	switch m.GetType() {
	case pb.MsgApp:
		m.Index, m.LogTerm, m.Commit = near(last), near(status.HardState.GetTerm()), near(last)
		for i := range uint64(r.IntN(3)) {
			entry := &pb.Entry{Term: m.Term, Index: new(m.GetIndex() + 1 + i)}
			if r.IntN(4) > 0 {
				entry.Data = make([]byte, r.IntN(40))
			}
			if r.IntN(8) == 0 {
				entry.Type = pb.EntryType(r.IntN(4)).Enum()
			}
			if r.IntN(20) == 0 {
				entry.Index = near(last)
			}
			m.Entries = append(m.Entries, entry)
		}
	case pb.MsgHeartbeat:
		m.Commit = near(last)
	case pb.MsgAppResp, pb.MsgVote:
		m.Index = near(last)
	}
	switch r.IntN(40) {
	case 0:
		m.Context = []byte("c")
	case 1:
		m.Reject = new(r.IntN(2) == 0)
	case 2:
		m.RejectHint = near(last)
	case 3:
		m.LogTerm = near(1)
	case 4:
		m.Commit = near(1)
	case 5:
		m.Vote = near(1)
	case 6:
		m.ProtoReflect().SetUnknown(appendNumber(nil, 102, 7))
	case 7:
		m.Entries = append(m.Entries, &pb.Entry{Term: new(uint64(1)), Index: new(uint64(2))})
	}
	return m
}

func TestAMessageInNumbersIsWhatItsBytesAre(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	numbers, encoded, refused := 0, 0, 0
	for range 60 {
		byNumbers, s := newFollower(t)
		byBytes, other := newFollower(t)
		for range 100 {
			last, err := s.LastIndex()
			must(t, err)
			m := forMember(r, byNumbers.BasicStatus(), last)
			if _, ok := numbersOf(m, &byNumbers.numbers); ok {
				numbers++
			}
			bytes, err := appendMessage(nil, m)
			must(t, err)
			want, got := byBytes.StepEncoded(bytes), byNumbers.Step(m)
			if (want == nil) != (got == nil) || want != nil && want.Error() != got.Error() {
				t.Fatalf("%v: %v, and as bytes %v", m, got, want)
			}
			if want != nil {
				refused++
			} else {
				encoded++
			}
			if r.IntN(3) == 0 && byNumbers.HasReady() {
				rd := byNumbers.Ready()
				same := byBytes.Ready()
				if DescribeReady(rd, nil) != DescribeReady(same, nil) {
					t.Fatalf("%v\n%v", DescribeReady(rd, nil), DescribeReady(same, nil))
				}
				must(t, memoryStore{s}.save(rd))
				must(t, memoryStore{other}.save(same))
				byNumbers.Advance(rd)
				byBytes.Advance(same)
			}
			if one, two := byNumbers.Status(), byBytes.Status(); !reflect.DeepEqual(one, two) {
				t.Fatalf("%v\n%v", one, two)
			}
			if !reflect.DeepEqual(byNumbers.Metrics(), byBytes.Metrics()) {
				t.Fatal(byNumbers.Metrics(), byBytes.Metrics())
			}
		}
	}
	if numbers < 2000 || encoded < 2000 || refused < 200 {
		t.Fatal(numbers, encoded, refused)
	}
}

func TestAMessageWithMoreToItThanNumbersGoesAsBytes(t *testing.T) {
	entry := func(change func(*pb.Entry)) func(*pb.Message) {
		return func(m *pb.Message) {
			e := &pb.Entry{Term: new(uint64(1)), Index: new(uint64(2)), Data: []byte("data")}
			change(e)
			m.Type, m.Entries = pb.MsgApp.Enum(), []*pb.Entry{e}
		}
	}
	kind := func(kind pb.MessageType) func(*pb.Message) { return func(m *pb.Message) { m.Type = kind.Enum() } }
	unknown := appendNumber(nil, 102, 7)
	for name, change := range map[string]func(*pb.Message){
		"no type":              func(m *pb.Message) { m.Type = nil },
		"a vote":               kind(pb.MsgVote),
		"a snapshot":           func(m *pb.Message) { m.Snapshot = &pb.Snapshot{} },
		"an answer to nothing": kind(pb.MsgAppResp),
		"a context":            func(m *pb.Message) { m.Context = []byte{} },
		"a rejection":          func(m *pb.Message) { m.Reject = new(false) },
		"a hint":               func(m *pb.Message) { m.RejectHint = new(uint64(0)) },
		"a vote for somebody":  func(m *pb.Message) { m.Vote = new(uint64(0)) },
		"responses":            func(m *pb.Message) { m.Responses = []*pb.Message{} },
		"a position":           func(m *pb.Message) { m.Index = new(uint64(0)) },
		"a field of others":    func(m *pb.Message) { m.ProtoReflect().SetUnknown(unknown) },
		"two entries": func(m *pb.Message) {
			entry(func(*pb.Entry) {})(m)
			m.Entries = append(m.Entries, m.Entries[0])
		},
		"no entry":           func(m *pb.Message) { m.Type, m.Entries = pb.MsgApp.Enum(), []*pb.Entry{nil} },
		"entries elsewhere":  func(m *pb.Message) { m.Entries = []*pb.Entry{{}} },
		"a type spelled out": entry(func(e *pb.Entry) { e.Type = pb.EntryNormal.Enum() }),
		"no data spelled out": entry(func(e *pb.Entry) {
			e.Data = []byte{}
		}),
		"an entry without a term":        entry(func(e *pb.Entry) { e.Term = nil }),
		"an entry without a place":       entry(func(e *pb.Entry) { e.Index = nil }),
		"an entry's own field of others": entry(func(e *pb.Entry) { e.ProtoReflect().SetUnknown(unknown) }),
	} {
		node, _ := newFollower(t)
		m := &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: new(uint64(2)), Commit: new(uint64(1))}
		if _, ok := numbersOf(m, &node.numbers); !ok {
			t.Fatal("a heartbeat is more than numbers")
		}
		change(m)
		if _, ok := numbersOf(m, &node.numbers); ok {
			t.Errorf("%s is not seen", name)
		}
	}
	if _, ok := numbersOf(nil, nil); ok {
		t.Error("nothing is a message")
	}
}
