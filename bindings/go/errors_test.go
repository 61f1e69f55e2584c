package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Our Err values, and what go.etcd.io/raft has in place of each.
var errValues = map[error]error{
	ErrCompacted:                      upstream.ErrCompacted,
	ErrSnapOutOfDate:                  upstream.ErrSnapOutOfDate,
	ErrUnavailable:                    upstream.ErrUnavailable,
	ErrSnapshotTemporarilyUnavailable: upstream.ErrSnapshotTemporarilyUnavailable,
	ErrProposalDropped:                upstream.ErrProposalDropped,
	ErrStepLocalMsg:                   upstream.ErrStepLocalMsg,
	ErrStepPeerNotFound:               upstream.ErrStepPeerNotFound,
	ErrStopped:                        upstream.ErrStopped,
}

// What a caller gets is found by errors.Is, by our Err value and by the one of go.etcd.io/raft, also
// when somebody has wrapped it; and by no other.
func TestErrorsAreFoundByErrorsIs(t *testing.T) {
	for ours, theirs := range errValues {
		for _, err := range []error{ours, fmt.Errorf("wrapped: %w", ours), errors.Join(io.EOF, ours)} {
			for other, otherOfTheirs := range errValues {
				if errors.Is(err, other) != (other == ours) || errors.Is(err, otherOfTheirs) != (otherOfTheirs == theirs) {
					t.Errorf("%q is compared wrongly with %q", err, other)
				}
			}
			if errors.Is(err, ErrClosed) || errors.Is(err, &Error{Code: CodeDropped}) {
				t.Errorf("%q is taken for what it is not", err)
			}
		}
	}
}

// Each of them is what some call returns.
func TestErrValuesAreReturned(t *testing.T) {
	config := baseConfig(1)
	memory := NewMemoryStorage()
	must(t, memory.ApplySnapshot(firstSnapshot(1, 2)))
	config.Storage = memory
	node, err := NewRawNode(&config)
	must(t, err)
	defer node.Close()
	wants := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, where %v is due", what, err, want)
		}
	}
	wants("a proposal without a leader", node.Propose([]byte("a")), ErrProposalDropped)
	wants("a local message", node.Step(&pb.Message{Type: pb.MsgHup.Enum()}), ErrStepLocalMsg)
	wants("a stranger's response", node.Step(&pb.Message{
		Type: pb.MsgAppResp.Enum(), From: new(uint64(9)), To: new(uint64(1)), Term: new(uint64(1)),
	}), ErrStepPeerNotFound)

	durable, err := OpenDurableStorage(t.TempDir())
	must(t, err)
	must(t, durable.Bootstrap(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: []uint64{1}}, Index: new(uint64(5)), Term: new(uint64(1)),
	}}))
	must(t, memory.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: []uint64{1, 2}}, Index: new(uint64(5)), Term: new(uint64(1)),
	}}))
	for name, s := range map[string]Storage{"memory": memory, "durable": durable} {
		_, err := s.Entries(2, 3, 1<<20)
		wants(name+": an entry that is gone", err, ErrCompacted)
		_, err = s.Term(2)
		wants(name+": its term", err, ErrCompacted)
		_, err = s.Term(100)
		wants(name+": a term to come", err, ErrUnavailable)
	}
	_, err = memory.CreateSnapshot(2, nil, nil)
	wants("an old snapshot", err, ErrSnapOutOfDate)
	wants("an old durable snapshot", durable.CreateSnapshot(2, nil, nil), ErrSnapOutOfDate)
	wants("an old compaction", memory.Compact(2), ErrCompacted)

	must(t, durable.Close())
	_, err = durable.LastIndex()
	wants("a closed storage", err, ErrClosed)
	must(t, node.Close())
	wants("a closed node", node.Propose([]byte("a")), ErrClosed)

	running := RestartNode(&config)
	running.Stop()
	wants("a node that has stopped", running.Propose(context.Background(), nil), ErrStopped)
}

// A configuration that is wrong says which setting, and what it may be.
func TestAWrongSettingIsNamed(t *testing.T) {
	config := baseConfig(1)
	config.Storage, config.ElectionTick = NewMemoryStorage(), 1
	_, err := NewRawNode(&config)
	var failure *Error
	if !errors.As(err, &failure) || failure.Code != CodeConfig || failure.Message == "" {
		t.Errorf("%#v", err)
	}
}
