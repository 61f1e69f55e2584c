// What has to be true of all nodes together, and is checked with every step.

package main

import (
	"bytes"
	"fmt"
	"hash/fnv"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// history is what the nodes have been seen to do.
type history struct {
	// Who led each term.
	leaders map[uint64]uint64
	// What was written, by its name: there is only one entry of a term and an index.
	written map[position]*pb.Entry
	// The log that everybody applies; applied[0] stands before it. state[i] is a digest of
	// applied[1..i].
	applied []*pb.Entry
	state   []uint64
	// The configuration as of each index at which it changed.
	confStates map[uint64]*pb.ConfState
	// The data that have been proposed, and those that the proposer was told were dropped.
	proposed, dropped map[string]bool
}

func newHistory(first *pb.ConfState, firstIndex uint64) *history {
	h := &history{
		leaders:    map[uint64]uint64{},
		written:    map[position]*pb.Entry{},
		applied:    make([]*pb.Entry, firstIndex+1),
		state:      make([]uint64, firstIndex+1),
		confStates: map[uint64]*pb.ConfState{firstIndex: first},
		proposed:   map[string]bool{},
		dropped:    map[string]bool{},
	}
	return h
}

func (h *history) last() uint64 {
	return uint64(len(h.applied)) - 1
}

// leads: at most one node leads in a term (paper §5.2).
func (h *history) leads(term, id uint64) error {
	if other, ok := h.leaders[term]; ok && other != id {
		return fmt.Errorf("%d and %d lead in the term %d", other, id, term)
	}
	h.leaders[term] = id
	return nil
}

// writes: entries of one term and index are the same (paper §5.3).
func (h *history) writes(entries []record) error {
	for _, e := range entries {
		name := position{e.GetTerm(), e.GetIndex()}
		if other := h.written[name]; other == nil {
			h.written[name] = e.Entry
		} else if !sameEntry(other, e.Entry) {
			return fmt.Errorf("there are two entries %v: %v and %v", name, other, e.Entry)
		}
	}
	return nil
}

// applies: nobody applies another entry at the same place.
func (h *history) applies(e *pb.Entry) error {
	index := e.GetIndex()
	switch {
	case index <= h.last():
		if other := h.applied[index]; other != nil && !sameEntry(other, e) {
			return fmt.Errorf("applied are both %v and %v", other, e)
		}
		return nil
	case index > h.last()+1:
		return fmt.Errorf("%v is applied, and nobody has seen what is before it", e)
	}
	if e.GetType() == pb.EntryNormal && len(e.GetData()) > 0 && !h.proposed[string(e.GetData())] {
		return fmt.Errorf("%v was never proposed", e)
	}
	if e.GetType() == pb.EntryNormal && h.dropped[string(e.GetData())] {
		return fmt.Errorf("%v is applied, and was reported as dropped", e)
	}
	h.applied = append(h.applied, e)
	digest := fnv.New64a()
	fmt.Fprint(digest, h.state[index-1], e.GetTerm(), e.GetIndex(), int32(e.GetType()), e.GetData())
	h.state = append(h.state, digest.Sum64())
	return nil
}

// drops: what was reported as dropped is never applied.
func (h *history) drops(data string) error {
	for _, e := range h.applied {
		if e.GetType() == pb.EntryNormal && string(e.GetData()) == data {
			return fmt.Errorf("%q is reported as dropped, and was applied", data)
		}
	}
	h.dropped[data] = true
	return nil
}

// configures: a change leads everybody to the same configuration.
func (h *history) configures(index uint64, confState *pb.ConfState) error {
	pb.EnsureConfState(confState)
	if other := h.confStates[index]; other == nil {
		h.confStates[index] = confState
	} else if other.Equivalent(confState) != nil {
		return fmt.Errorf("the configuration as of %d is both %v and %v", index, other, confState)
	}
	return nil
}

// confState is the configuration as of an index.
func (h *history) confState(index uint64) *pb.ConfState {
	for ; index > 0; index-- {
		if confState := h.confStates[index]; confState != nil {
			return confState
		}
	}
	if first := h.confStates[0]; first != nil {
		return first
	}
	return pb.EnsureConfState(&pb.ConfState{})
}

func sameEntry(a, b *pb.Entry) bool {
	return a.GetTerm() == b.GetTerm() && a.GetIndex() == b.GetIndex() && a.GetType() == b.GetType() &&
		(bytes.Equal(a.GetData(), b.GetData()) || a.GetIndex() <= maxServers && sameChange(a, b))
}

// sameChange compares the entries that the first members begin with, each on its own. Versions
// differ in whether they write a zero.
func sameChange(a, b *pb.Entry) bool {
	x, errX := decode(a.GetData(), &pb.ConfChange{})
	y, errY := decode(b.GetData(), &pb.ConfChange{})
	return errX == nil && errY == nil && a.GetType() == pb.EntryConfChange && a.GetTerm() == 1 &&
		x.GetId() == y.GetId() && x.GetType() == y.GetType() && x.GetNodeId() == y.GetNodeId() &&
		bytes.Equal(x.GetContext(), y.GetContext())
}

func decode[T proto.Message](encoded []byte, into T) (T, error) {
	return into, proto.Unmarshal(encoded, into)
}
