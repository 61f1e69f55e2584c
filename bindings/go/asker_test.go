package raft

import (
	"context"
	"errors"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

func TestAHostOfANodeIsToldWhyItIsRefused(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	config.MaxUncommittedEntriesSize = 10
	n := RestartNode(&config)
	defer n.Stop()
	a := n.(Asker)

	// Nobody leads yet: a read is dropped, where a proposal would wait.
	err := a.TryReadIndex(ctx, []byte("early"))
	var dropped *DropError
	if !errors.As(err, &dropped) || dropped.Reason != DropNoLeader || !errors.Is(err, &Error{Code: CodeReadDropped}) {
		t.Fatalf("%#v", err)
	}

	leadAlone(t, n, s)
	must(t, a.TryReadIndex(ctx, []byte("read")))
	if rd := <-n.Ready(); len(rd.ReadStates) != 1 || string(rd.ReadStates[0].RequestCtx) != "read" {
		t.Fatalf("%+v", rd)
	}
	n.Advance()
	// Until something is taken in, anything fits; then it is too much.
	must(t, a.ProposeMany(ctx, [][]byte{[]byte("one, and"), []byte("two")}))
	err = a.ProposeMany(ctx, [][]byte{[]byte("three")})
	if !errors.As(err, &dropped) || dropped.Reason != DropUncommittedLimit || !errors.Is(err, ErrProposalDropped) {
		t.Fatalf("%#v", err)
	}
	var applied []string
	for len(applied) < 2 {
		rd := <-n.Ready()
		must(t, memoryStore{s}.save(rd))
		for _, entry := range rd.CommittedEntries {
			applied = append(applied, string(entry.GetData()))
		}
		n.Advance()
	}
	if applied[0] != "one, and" || applied[1] != "two" || len(applied) != 2 {
		t.Fatal(applied)
	}
	must(t, a.TickQuiesced(ctx))
}

func TestAHostOfANodeSeesItsRemoval(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1, 2)))
	config := baseConfig(1)
	config.Storage = s
	n := RestartNode(&config)
	defer n.Stop()
	if index, err := n.(Asker).RemovedAsOf(ctx); index != 0 || err != nil {
		t.Fatal(index, err)
	}
	n.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(1))})
	if index, err := n.(Asker).RemovedAsOf(ctx); index == 0 || err != nil {
		t.Fatal(index, err)
	}
	raw, err := NewRawNode(&config)
	must(t, err)
	must(t, raw.Close())
	if _, err := raw.RemovedAsOf(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
