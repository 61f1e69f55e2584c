package raft

import (
	"errors"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func TestConfigurationChangesAreDecoded(t *testing.T) {
	for _, want := range []pb.ConfChangeI{
		&pb.ConfChange{
			Id: new(uint64(7)), Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(3)), Context: []byte("why"),
		},
		&pb.ConfChangeV2{
			Transition: pb.ConfChangeTransitionJointExplicit.Enum(),
			Changes: []*pb.ConfChangeSingle{
				{Type: pb.ConfChangeAddNode.Enum(), NodeId: new(uint64(1))},
				{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(2))},
			},
			Context: []byte("why"),
		},
	} {
		kind, data, err := pb.MarshalConfChange(want)
		must(t, err)
		got, err := DecodeConfChange(&pb.Entry{Type: kind.Enum(), Data: data})
		must(t, err)
		if !proto.Equal(got.(proto.Message), want.(proto.Message)) {
			t.Fatalf("%v became %v", want, got)
		}
	}

	leave, err := DecodeConfChange(&pb.Entry{Type: pb.EntryConfChangeV2.Enum()})
	must(t, err)
	if !leave.AsV2().LeaveJoint() {
		t.Fatal(leave)
	}
	unknown := appendNumber(appendNumber(nil, 2, 9), 3, 1)
	if change := (&pb.ConfChange{}); proto.Unmarshal(unknown, change) != nil || change.GetType() != 9 {
		t.Fatal("proto.Unmarshal knows better by now")
	}
	for name, entry := range map[string]*pb.Entry{
		"garbage":         {Type: pb.EntryConfChange.Enum(), Data: []byte{0xff}},
		"an unknown type": {Type: pb.EntryConfChange.Enum(), Data: unknown},
	} {
		if _, err := DecodeConfChange(entry); !errors.Is(err, &Error{Code: CodeMalformed}) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if _, err := DecodeConfChange(&pb.Entry{}); !errors.Is(err, &Error{Code: CodeArgument}) {
		t.Fatal(err)
	}
}

func TestMessagesAreDecoded(t *testing.T) {
	want := &pb.Message{
		Type: pb.MsgApp.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(3)),
		Index: new(uint64(4)), LogTerm: new(uint64(3)), Commit: new(uint64(4)),
		Entries: []*pb.Entry{{Term: new(uint64(3)), Index: new(uint64(5)), Data: []byte("data")}},
	}
	encoded, err := proto.Marshal(want)
	must(t, err)
	got, err := DecodeMessage(encoded)
	must(t, err)
	clear(encoded)
	if !proto.Equal(got, want) {
		t.Fatal(got)
	}
	for name, bad := range map[string]*pb.Message{
		"an unknown type":  {Type: pb.MessageType(99).Enum()},
		"an unknown entry": {Type: pb.MsgProp.Enum(), Entries: []*pb.Entry{{Type: pb.EntryType(9).Enum()}}},
	} {
		encoded, err := proto.Marshal(bad)
		must(t, err)
		if _, err := DecodeMessage(encoded); !errors.Is(err, &Error{Code: CodeMalformed}) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, kind := range []pb.MessageType{pb.MsgHup, pb.MsgSnapStatus, pb.MsgStorageApply, pb.MsgStorageAppendResp} {
		encoded, err := proto.Marshal(&pb.Message{Type: kind.Enum(), From: new(LocalApplyThread)})
		must(t, err)
		if _, err := DecodeMessage(encoded); err != ErrStepLocalMsg {
			t.Fatalf("%v: %v", kind, err)
		}
	}
	if _, err := DecodeMessage([]byte{0xff}); !errors.Is(err, &Error{Code: CodeMalformed}) {
		t.Fatal(err)
	}
}

// Protobuf lets a message within a message come in parts. The library steps all of them, and so
// whoever looks at the message first has to see them all.
func TestAMessageWithinAMessageMayComeInParts(t *testing.T) {
	part := func(confState []byte) []byte {
		return appendBytes(nil, 2, appendBytes(appendNumber(nil, 2, 7), 1, confState))
	}
	encoded := appendNumber(nil, 1, uint64(pb.MsgSnap))
	encoded = appendBytes(encoded, 9, part(appendNumber(nil, 1, 1)))
	encoded = appendBytes(encoded, 9, part(appendNumber(nil, 1, 2)))
	want := &pb.Message{}
	must(t, proto.Unmarshal(encoded, want))
	got, err := DecodeMessage(encoded)
	must(t, err)
	if !proto.Equal(got, want) {
		t.Fatalf("%v\nis not\n%v", got, want)
	}
}
