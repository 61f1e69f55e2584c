package raft

import (
	"errors"
	"math/rand/v2"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// hostile makes fields of a message as only an enemy writes them: in any order, more than once, with
// numbers that nobody knows, now and then with the wrong type on the wire, with numbers longer than they
// need be, and messages within messages in parts, down to the given depth.
func hostile(r *rand.Rand, of protoreflect.MessageDescriptor, depth int) (encoded []byte) {
	for range r.IntN(5) {
		field := of.Fields().Get(r.IntN(of.Fields().Len()))
		number, kind := field.Number(), field.Kind()
		if r.IntN(6) == 0 {
			// Beyond all that anybody has defined.
			number, kind = protowire.Number(200+r.IntN(1000)), protoreflect.Kind(1+r.IntN(18))
		} else if r.IntN(40) == 0 {
			kind = protoreflect.Kind(1 + r.IntN(18))
		}
		switch kind {
		case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
			encoded = protowire.AppendFixed32(protowire.AppendTag(encoded, number, protowire.Fixed32Type), r.Uint32())
		case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
			encoded = protowire.AppendFixed64(protowire.AppendTag(encoded, number, protowire.Fixed64Type), r.Uint64())
		case protoreflect.GroupKind:
			encoded = protowire.AppendTag(encoded, number, protowire.StartGroupType)
			encoded = protowire.AppendTag(encoded, number, protowire.EndGroupType)
		case protoreflect.MessageKind, protoreflect.BytesKind, protoreflect.StringKind:
			inner := randomBytes(r)
			if field.Kind() == protoreflect.MessageKind && number == field.Number() && r.IntN(20) > 0 {
				inner = nil
				if depth > 0 {
					inner = hostile(r, field.Message(), depth-1)
				}
			}
			encoded = protowire.AppendBytes(protowire.AppendTag(encoded, number, protowire.BytesType), inner)
		default:
			value := r.Uint64N(3)
			if field.Kind() != protoreflect.EnumKind || r.IntN(20) == 0 {
				value = r.Uint64() >> r.IntN(64)
			}
			encoded = protowire.AppendVarint(protowire.AppendTag(encoded, number, protowire.VarintType), value)
			if value < 1<<56 && r.IntN(4) == 0 {
				// One byte more, which adds nothing.
				encoded[len(encoded)-1] |= 0x80
				encoded = append(encoded, 0)
			}
		}
	}
	return encoded
}

// forgetUnknown removes the fields that the definitions don't know, which are passed over: of those
// within an entry, for instance, the library keeps nothing.
func forgetUnknown(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Kind() != protoreflect.MessageKind:
		case field.IsList():
			for i := range value.List().Len() {
				forgetUnknown(value.List().Get(i).Message())
			}
		default:
			forgetUnknown(value.Message())
		}
		return true
	})
}

// What DecodeMessage takes is what the definitions of go.etcd.io/raft make of the same bytes: whoever
// looks at a message first sees what the node will step. And what it refuses, it refuses with an error.
func TestHostileFieldsAreDecodedAsByTheDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 4))
	taken, refused := 0, 0
	for range 30_000 {
		var encoded []byte
		if r.IntN(2) == 0 {
			// Something sound, into which the rest is mixed.
			var err error
			encoded, err = proto.Marshal(randomMessage(r, 1))
			must(t, err)
		}
		encoded = append(encoded, hostile(r, (&pb.Message{}).ProtoReflect().Descriptor(), 3)...)
		if len(encoded) > 0 && r.IntN(10) == 0 {
			encoded = encoded[:r.IntN(len(encoded))]
		}
		got, err := DecodeMessage(encoded)
		var failure *Error
		switch {
		case err == nil:
		case err == ErrStepLocalMsg, errors.As(err, &failure) &&
			(failure.Code == CodeMalformed || failure.Code == CodeImpossible):
			refused++
			continue
		default:
			t.Fatalf("%x: %v", encoded, err)
		}
		taken++
		want := &pb.Message{}
		if err := proto.Unmarshal(encoded, want); err != nil {
			t.Fatalf("%x was taken, and is no message: %v", encoded, err)
		}
		forgetUnknown(got.ProtoReflect())
		forgetUnknown(want.ProtoReflect())
		if !proto.Equal(got, want) {
			t.Fatalf("%x became\n%v\nwhich is not\n%v", encoded, got, want)
		}
	}
	t.Logf("%d taken, %d refused", taken, refused)
	if taken < 3_000 || refused < 3_000 {
		t.Errorf("%d taken, %d refused: one side is hardly tried", taken, refused)
	}
}
