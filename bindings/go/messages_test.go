package raft

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// randomPlain is one of those that the library lends as numbers.
func randomPlain(r *rand.Rand) *pb.Message {
	m := &pb.Message{To: new(r.Uint64N(200)), From: new(r.Uint64())}
	if r.IntN(4) > 0 {
		m.Term = new(1 + r.Uint64N(300))
	}
	switch r.IntN(4) {
	case 0:
		m.Type, m.Index = pb.MsgAppResp.Enum(), new(r.Uint64())
	case 1:
		m.Type, m.LogTerm, m.Index, m.Commit = pb.MsgApp.Enum(), new(r.Uint64N(9)), new(r.Uint64()), new(uint64(7))
	case 2:
		m.Type, m.Commit = pb.MsgHeartbeat.Enum(), new(r.Uint64())
	case 3:
		m.Type = pb.MsgHeartbeatResp.Enum()
	}
	return m
}

// lend gives a message as the library lends it: as numbers, if there is nothing else to it, or else as bytes,
// and then these with those of the numbers that the library gives as well.
func lend(t *testing.T, m *pb.Message) (lent lentMessage, encoded []byte) {
	encoded, err := proto.Marshal(m)
	must(t, err)
	setNumber(&lent._type, int64(m.GetType()))
	setNumber(&lent.to, m.GetTo())
	setNumber(&lent.from, m.GetFrom())
	setNumber(&lent.term, m.GetTerm())
	told := &pb.Message{Type: m.Type, To: new(m.GetTo()), From: new(m.GetFrom())}
	if m.GetTerm() != 0 {
		told.Term = m.Term
	}
	switch m.GetType() {
	case pb.MsgApp:
		told.LogTerm, told.Index, told.Commit = new(m.GetLogTerm()), new(m.GetIndex()), new(m.GetCommit())
	case pb.MsgAppResp:
		told.Index = new(m.GetIndex())
	case pb.MsgHeartbeat:
		told.Commit = new(m.GetCommit())
	case pb.MsgHeartbeatResp:
	default:
		told = nil
	}
	if told != nil {
		setNumber(&lent.log_term, told.GetLogTerm())
		setNumber(&lent.index, told.GetIndex())
		setNumber(&lent.commit, told.GetCommit())
		if proto.Equal(told, m) {
			return lent, nil
		}
	}
	lendBytes(&lent, encoded)
	return lent, encoded
}

// setNumber sets what has a type of C, of which tests don't know the name.
func setNumber[T ~uint64 | ~int32, N uint64 | int64](place *T, number N) { *place = T(number) }

func lendBytes(lent *lentMessage, encoded []byte) {
	*(*unsafe.Pointer)(unsafe.Pointer(&lent.encoded.data)) = unsafe.Pointer(unsafe.SliceData(encoded))
	setNumber(&lent.encoded.len, uint64(len(encoded)))
}

// randomMessages are as a Ready may have them: often one answer, or the same to several recipients.
func randomMessages(r *rand.Rand) (messages []*pb.Message) {
	if r.IntN(3) == 0 {
		return []*pb.Message{randomPlain(r)}
	}
	first := randomPlain(r)
	if r.IntN(2) == 0 {
		first = randomMessage(r, r.IntN(2))
	}
	if r.IntN(4) == 0 {
		first.ProtoReflect().SetUnknown(appendNumber(nil, 102, r.Uint64()))
	}
	for range 1 + r.IntN(5) {
		other := proto.CloneOf(first)
		other.To = new(r.Uint64N(150))
		switch r.IntN(12) {
		case 0:
			other.Commit = maybe(r)
		case 1:
			other = randomMessage(r, 1)
		case 2:
			other.Type = nil
		}
		messages = append(messages, other)
	}
	return messages
}

// scribble changes what a host may change of a message of its own, which must not be seen in any other: the
// numbers, and what is appended to its lists.
func scribble(m *pb.Message) {
	for _, number := range []*uint64{
		m.To, m.From, m.Term, m.LogTerm, m.Index, m.Commit, m.Vote, m.RejectHint,
	} {
		if number != nil {
			*number = ^*number
		}
	}
	if m.Type != nil {
		*m.Type = pb.MsgHup
	}
	if m.Reject != nil {
		*m.Reject = !*m.Reject
	}
	_ = append(m.Entries, &pb.Entry{})
	_ = append(m.Context, "more"...)
	m.Entries, m.Context = nil, nil
}

// Two that are decoded together each say what they say whatever is done to the other, and share what is large.
func TestTheMessagesOfABroadcastHaveTheirOwnNumbers(t *testing.T) {
	for _, to := range [][]uint64{{1, 2}, {200, 3, 1 << 40}} {
		m := &pb.Message{
			Type: pb.MsgApp.Enum(), From: new(uint64(1)), Term: new(uint64(2)), LogTerm: new(uint64(3)),
			Index: new(uint64(4)), Commit: new(uint64(5)), Context: []byte("reads"),
			Entries: []*pb.Entry{{Term: new(uint64(2)), Index: new(uint64(5)), Data: []byte("data")}},
		}
		var lent []lentMessage
		for _, id := range to {
			m.To = new(id)
			one, _ := lend(t, m)
			lent = append(lent, one)
		}
		for i := range lent[1:] {
			if !isBroadcast(&lent[i], &lent[i+1]) {
				t.Fatalf("%d and %d get different messages", to[i], to[i+1])
			}
		}
		for i := range to {
			got, err := decodeMessages(lent, nil, nil)
			must(t, err)
			if &got[0].Entries[0] != &got[1].Entries[0] || &got[0].Context[0] != &got[1].Context[0] {
				t.Error("they are decoded twice")
			}
			entries, context := got[0].Entries, got[0].Context
			if cap(entries) != len(entries) || cap(context) != len(context) {
				t.Error("one can append to what is the other's")
			}
			scribble(got[i])
			for j, id := range to {
				m.To = new(id)
				if i != j && !proto.Equal(got[j], m) {
					t.Errorf("a change of the message to %d makes another of that to %d: %v", to[i], id, got[j])
				}
			}
		}
	}
}

// A host may keep a small message for long, and must not keep a large one with it.
func TestALargeMessageIsNotKeptWithTheOthers(t *testing.T) {
	small := &pb.Message{Type: pb.MsgHeartbeat.Enum(), To: new(uint64(2)), From: new(uint64(1)), Context: []byte("c")}
	large := &pb.Message{
		Type: pb.MsgSnap.Enum(), To: new(uint64(3)), From: new(uint64(1)),
		Snapshot: &pb.Snapshot{Data: make([]byte, 1<<20)},
	}
	for _, messages := range [][]*pb.Message{{small, large}, {large, small}, {small, large, small}} {
		lent := make([]lentMessage, len(messages))
		for i, m := range messages {
			lent[i], _ = lend(t, m)
		}
		got, err := decodeMessages(lent, nil, nil)
		must(t, err)
		freed := make(chan struct{})
		var kept []*pb.Message
		for _, m := range got {
			if m.Snapshot == nil {
				kept = append(kept, m)
				continue
			}
			runtime.AddCleanup(&m.Snapshot.Data[0], func(freed chan struct{}) { close(freed) }, freed)
		}
		got = nil
		runtime.GC()
		select {
		case <-freed:
		case <-time.After(patience):
			t.Fatal("it is kept")
		}
		runtime.KeepAlive(kept)
	}
}

func TestTheMessagesOfAReadyAreWhatIsLent(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	broadcasts, answers, numbers := 0, 0, 0
	for range 5000 {
		want := randomMessages(r)
		lent, encoded := make([]lentMessage, len(want)), make([][]byte, len(want))
		for i, m := range want {
			if lent[i], encoded[i] = lend(t, m); encoded[i] == nil {
				numbers++
			}
		}
		for i := range lent[1:] {
			if isBroadcast(&lent[i], &lent[i+1]) {
				broadcasts++
			}
		}
		if len(want) == 1 && isAnswer(&lent[0]) {
			answers++
		}
		got, err := decodeMessages(lent, nil, nil)
		must(t, err)
		if len(got) != len(want) || cap(got) != len(want) {
			t.Fatalf("%d of %d messages, and room for %d", len(got), len(want), cap(got))
		}
		// What was decoded from stays with whom it belongs to.
		for i := range encoded {
			clear(encoded[i])
		}
		for i := range want {
			if !proto.Equal(got[i], want[i]) {
				t.Fatalf("message %d of %v\nbecame\n%v", i, want, got[i])
			}
			scribble(got[i])
		}
	}
	if broadcasts < 500 || answers < 200 || numbers < 2000 {
		t.Fatal(broadcasts, answers, numbers)
	}
}

func TestADamagedMessageOfAReadyIsAnErrorWhereverItIs(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	refused := 0
	for range 5000 {
		encoded, err := proto.Marshal(randomMessage(r, 1))
		must(t, err)
		if r.IntN(2) == 0 {
			encoded[r.IntN(len(encoded))] ^= 1 << r.IntN(8)
		}
		encoded = encoded[:1+r.IntN(len(encoded))]
		want, wantErr := decodeMessage(encoded)
		for count := 1; count <= 3; count++ {
			lent := make([]lentMessage, count)
			for i := range lent {
				lendBytes(&lent[i], encoded)
				setNumber(&lent[i].to, want.GetTo())
			}
			got, err := decodeMessages(lent, nil, nil)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%x: %v, and %v", encoded, err, wantErr)
			}
			for i := range got {
				if err == nil && !proto.Equal(got[i], want) {
					t.Fatalf("%x: %v, and not %v", encoded, got[i], want)
				}
			}
		}
		if wantErr != nil {
			refused++
		}
	}
	if refused < 1000 {
		t.Fatal(refused)
	}
}
