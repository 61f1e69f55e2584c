// Encoding of raftpb messages, to the bytes of proto.Marshal: encode_test.go compares them. It is not
// proto.Marshal because that takes five times as long (go test -run - -bench Encode), and leaves notes
// in what it encodes, see wire.go. Snapshots are rare and large, and are left to it.

package raft

import (
	"reflect"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The keys of fields: their number, and whether a varint (0) or a length (2) follows.
const (
	keyOfVarint = 0
	keyOfBytes  = 2
)

// appendMessage appends the bytes of a message.
func appendMessage(b []byte, m *pb.Message) ([]byte, error) {
	if m == nil {
		return b, nil
	}
	if m.Type != nil {
		b = appendVarint(append(b, 1<<3|keyOfVarint), uint64(*m.Type))
	}
	b = appendOptional(b, 2, m.To)
	b = appendOptional(b, 3, m.From)
	b = appendOptional(b, 4, m.Term)
	b = appendOptional(b, 5, m.LogTerm)
	b = appendOptional(b, 6, m.Index)
	for _, entry := range m.Entries {
		b = appendVarint(append(b, 7<<3|keyOfBytes), uint64(entrySize(entry)))
		b = appendEntry(b, entry)
	}
	b = appendOptional(b, 8, m.Commit)
	if m.Snapshot != nil {
		var err error
		b = appendVarint(append(b, 9<<3|keyOfBytes), uint64(proto.Size(m.Snapshot)))
		if b, err = (proto.MarshalOptions{}).MarshalAppend(b, m.Snapshot); err != nil {
			return b, err
		}
	}
	if m.Reject != nil {
		b = append(b, 10<<3|keyOfVarint, byte(protowire.EncodeBool(*m.Reject)))
	}
	b = appendOptional(b, 11, m.RejectHint)
	if m.Context != nil {
		b = appendVarint(append(b, 12<<3|keyOfBytes), uint64(len(m.Context)))
		b = append(b, m.Context...)
	}
	b = appendOptional(b, 13, m.Vote)
	for _, response := range m.Responses {
		encoded, err := appendMessage(nil, response)
		if err != nil {
			return b, err
		}
		b = append(appendVarint(append(b, 14<<3|keyOfBytes), uint64(len(encoded))), encoded...)
	}
	return append(b, unknownInMessage(m)...), nil
}

// appendEntry appends the bytes of an entry, of which there are entrySize.
func appendEntry(b []byte, e *pb.Entry) []byte {
	if e == nil {
		return b
	}
	if e.Type != nil {
		b = appendVarint(append(b, 1<<3|keyOfVarint), uint64(*e.Type))
	}
	b = appendOptional(b, 2, e.Term)
	b = appendOptional(b, 3, e.Index)
	if e.Data != nil {
		b = appendVarint(append(b, 4<<3|keyOfBytes), uint64(len(e.Data)))
		b = append(b, e.Data...)
	}
	return append(b, unknownInEntry(e)...)
}

func entrySize(e *pb.Entry) int {
	if e == nil {
		return 0
	}
	size := len(unknownInEntry(e))
	if e.Type != nil {
		size += 1 + protowire.SizeVarint(uint64(*e.Type))
	}
	if e.Term != nil {
		size += 1 + protowire.SizeVarint(*e.Term)
	}
	if e.Index != nil {
		size += 1 + protowire.SizeVarint(*e.Index)
	}
	if e.Data != nil {
		size += 1 + protowire.SizeBytes(len(e.Data))
	}
	return size
}

// encodeEntries gives the bytes of each entry, all in one piece of memory.
func encodeEntries(entries []*pb.Entry) [][]byte {
	size := 0
	for _, entry := range entries {
		size += entrySize(entry)
	}
	all := make([]byte, 0, size)
	encoded := make([][]byte, len(entries))
	for i, entry := range entries {
		begin := len(all)
		all = appendEntry(all, entry)
		encoded[i] = all[begin:len(all):len(all)]
	}
	return encoded
}

func appendOptional(b []byte, field byte, number *uint64) []byte {
	if number == nil {
		return b
	}
	return appendVarint(append(b, field<<3|keyOfVarint), *number)
}

func appendVarint(b []byte, number uint64) []byte {
	for number >= 0x80 {
		b = append(b, byte(number)|0x80)
		number >>= 7
	}
	return append(b, byte(number))
}

// Where generated messages keep fields that nobody knows. They tell by way of ProtoReflect as well,
// which takes 30 ns for each message and each entry and leaves a note in it; that is the way if they keep
// these fields in another form one day.
var (
	unknownPlaceInMessage = unknownPlace(reflect.TypeFor[pb.Message]())
	unknownPlaceInEntry   = unknownPlace(reflect.TypeFor[pb.Entry]())
)

// unknownPlace is 0 if there is no such field: it is never the first.
func unknownPlace(message reflect.Type) uintptr {
	field, ok := message.FieldByName("unknownFields")
	if !ok || len(field.Index) != 1 || field.Type != reflect.TypeFor[[]byte]() {
		return 0
	}
	return field.Offset
}

func unknownInMessage(m *pb.Message) []byte {
	if unknownPlaceInMessage == 0 {
		return reflectedUnknown(m)
	}
	return *(*[]byte)(unsafe.Add(unsafe.Pointer(m), unknownPlaceInMessage))
}

func unknownInEntry(e *pb.Entry) []byte {
	if unknownPlaceInEntry == 0 {
		return reflectedUnknown(e)
	}
	return *(*[]byte)(unsafe.Add(unsafe.Pointer(e), unknownPlaceInEntry))
}

// reflectedUnknown is by itself, so that the others are inlined.
//
//go:noinline
func reflectedUnknown(m proto.Message) []byte { return m.ProtoReflect().GetUnknown() }
