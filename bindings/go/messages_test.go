package raft

import (
	"math/rand/v2"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// randomAnswer is one that has nothing but an index, or lacks one of its fields.
func randomAnswer(r *rand.Rand) *pb.Message {
	m := &pb.Message{
		Type: pb.MessageType(r.IntN(24)).Enum(), To: new(r.Uint64N(200)), From: new(r.Uint64()),
		Term: new(r.Uint64N(300)), Index: new(r.Uint64()),
	}
	switch r.IntN(8) {
	case 0:
		m.Term = nil
	case 1:
		m.Index = nil
	}
	return m
}

// randomMessages are as a Ready may have them: often one answer, or the same to several recipients.
func randomMessages(r *rand.Rand) (messages []*pb.Message) {
	if r.IntN(3) == 0 {
		return []*pb.Message{randomAnswer(r)}
	}
	first := randomAnswer(r)
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

func TestTheMessagesOfAReadyDecodeAsProtobufDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	broadcasts, answers := 0, 0
	for range 5000 {
		want := randomMessages(r)
		encoded := make([][]byte, len(want))
		for i, m := range want {
			var err error
			encoded[i], err = proto.Marshal(m)
			must(t, err)
		}
		at := func(i int) []byte { return encoded[i] }
		if len(want) > 1 && isBroadcast(len(want), at) {
			broadcasts++
		}
		if len(want) == 1 && decodeAnswer(encoded[0]) != nil {
			answers++
		}
		got, err := decodeMessages(len(want), at, nil)
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
			// What a host does that sends nothing to this member. The others have recipients of their own.
			if got[i].To != nil {
				*got[i].To = 0
			}
		}
	}
	if broadcasts < 500 || answers < 500 {
		t.Fatal(broadcasts, answers)
	}
}

func TestADamagedMessageOfAReadyIsAnErrorWhereverItIs(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	refused := 0
	for range 5000 {
		encoded, err := proto.Marshal(randomAnswer(r))
		must(t, err)
		if r.IntN(2) == 0 {
			encoded[r.IntN(len(encoded))] ^= 1 << r.IntN(8)
		}
		encoded = encoded[:r.IntN(len(encoded)+1)]
		want, wantErr := decodeMessage(encoded)
		for count := 1; count <= 3; count++ {
			got, err := decodeMessages(count, func(int) []byte { return encoded }, nil)
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
