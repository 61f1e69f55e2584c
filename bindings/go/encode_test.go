package raft

import (
	"bytes"
	"math/rand/v2"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func TestMessagesEncodeAsProtobufDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		m := randomMessage(r, 2)
		if r.IntN(4) == 0 {
			// A number that is none of a type, and fields that nobody knows.
			m.Type = pb.MessageType(int32(r.Uint32())).Enum()
			m.ProtoReflect().SetUnknown(appendNumber(appendBytes(nil, 102, randomBytes(r)), 100, r.Uint64()))
			for _, entry := range m.Entries {
				entry.Type = pb.EntryType(int32(r.Uint32())).Enum()
				entry.ProtoReflect().SetUnknown(appendNumber(nil, 9, r.Uint64()))
			}
		}
		want, err := proto.Marshal(m)
		must(t, err)
		got, err := appendMessage([]byte("before"), m)
		must(t, err)
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Fatalf("%v\nis encoded to\n%x, and not to\n%x", m, got, want)
		}
		for i, encoded := range encodeEntries(m.Entries) {
			want, err := proto.Marshal(m.Entries[i])
			must(t, err)
			if !bytes.Equal(encoded, want) {
				t.Fatalf("%v\nis encoded to\n%x, and not to\n%x", m.Entries[i], encoded, want)
			}
		}
	}
	for _, m := range []*pb.Message{nil, {}, {Entries: []*pb.Entry{nil, {}}, Responses: []*pb.Message{{}}}} {
		want, err := proto.Marshal(m)
		must(t, err)
		if got, err := appendMessage(nil, m); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v is encoded to %x, and not to %x: %v", m, got, want, err)
		}
	}
}

// What encoding by hand is worth: an append of one entry of 16 bytes.
func BenchmarkEncode(b *testing.B) {
	m := &pb.Message{
		Type: pb.MsgApp.Enum(), To: new(uint64(2)), From: new(uint64(1)), Term: new(uint64(7)),
		LogTerm: new(uint64(7)), Index: new(uint64(1000)), Commit: new(uint64(1000)),
		Entries: []*pb.Entry{{Term: new(uint64(7)), Index: new(uint64(1001)), Data: make([]byte, 16)}},
	}
	var buffer []byte
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buffer, _ = appendMessage(buffer[:0], m)
		}
	})
	b.Run("proto.Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buffer, _ = proto.MarshalOptions{}.MarshalAppend(buffer[:0], m)
		}
	})
}
