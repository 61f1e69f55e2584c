// What one member has on its disk. Both nodes of a pair read the same store: as long as they ask
// for the same writes, one copy is as good as two, and a restart begins with the same for both.

package main

import (
	"fmt"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	ours "libraft.dev/go/raft"
)

// store is the disk of one member: hard state, log and newest snapshot, and the configurations
// that a host would keep with the state that it has applied.
type store struct {
	hard      *pb.HardState
	snapshot  *pb.Snapshot
	compacted entryID
	entries   []*pb.Entry

	// Whether a snapshot takes time to prepare now.
	unavailable bool

	// The configuration that InitialState gives, for the next start.
	initial *pb.ConfState
	// Every configuration that has been applied, by the index of its change, ascending.
	configurations []configurationAt
}

type entryID struct {
	index, term uint64
}

type configurationAt struct {
	index uint64
	state *pb.ConfState
}

func newStore() *store {
	s := &store{snapshot: pb.EnsureSnapshot(nil)}
	s.configured(0, pb.EnsureConfState(nil))
	return s
}

func (s *store) first() uint64 { return s.compacted.index + 1 }
func (s *store) last() uint64  { return s.compacted.index + uint64(len(s.entries)) }

// configured notes that the configuration is this one from an index on.
func (s *store) configured(index uint64, state *pb.ConfState) {
	kept := s.configurations
	for len(kept) > 0 && kept[len(kept)-1].index >= index {
		kept = kept[:len(kept)-1]
	}
	s.configurations = append(kept, configurationAt{index, proto.CloneOf(state)})
}

// configuration is the one as of an index.
func (s *store) configuration(index uint64) *pb.ConfState {
	state := s.configurations[0].state
	for _, c := range s.configurations {
		if c.index <= index {
			state = c.state
		}
	}
	return state
}

// save writes what a Ready asks for.
func (s *store) save(hard *pb.HardState, entries []*pb.Entry, snapshot *pb.Snapshot) {
	if !upstream.IsEmptySnap(snapshot) {
		s.install(snapshot)
	}
	s.append(entries)
	if !upstream.IsEmptyHardState(hard) {
		s.hard = hard
	}
}

// install puts a snapshot in place of the log.
func (s *store) install(snapshot *pb.Snapshot) {
	meta := snapshot.GetMetadata()
	s.snapshot = snapshot
	s.compacted = entryID{meta.GetIndex(), meta.GetTerm()}
	s.entries = nil
	s.configured(meta.GetIndex(), pb.EnsureConfState(proto.CloneOf(meta.GetConfState())))
}

// append replaces what the log has from the first entry on.
func (s *store) append(entries []*pb.Entry) {
	for len(entries) > 0 && entries[0].GetIndex() <= s.compacted.index {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return
	}
	kept := entries[0].GetIndex() - s.first()
	if kept > uint64(len(s.entries)) {
		panic(fmt.Sprintf("a gap in the log: %d follows %d", entries[0].GetIndex(), s.last()))
	}
	s.entries = append(s.entries[:kept:kept], entries...)
}

// createSnapshot makes one of the state after the entry at index. False if there is no news in it.
func (s *store) createSnapshot(index uint64) bool {
	if index <= s.snapshot.GetMetadata().GetIndex() || index < s.compacted.index || index > s.last() {
		return false
	}
	term, _ := s.term(index)
	s.snapshot = &pb.Snapshot{
		Data: fmt.Appendf(nil, "state at %d", index),
		Metadata: &pb.SnapshotMetadata{
			ConfState: pb.EnsureConfState(proto.CloneOf(s.configuration(index))),
			Index:     new(index),
			Term:      new(term),
		},
	}
	return true
}

// compact drops the entries up to an index. False if they are gone.
func (s *store) compact(index uint64) bool {
	if index <= s.compacted.index || index > s.last() {
		return false
	}
	term, _ := s.term(index)
	s.entries = append([]*pb.Entry(nil), s.entries[index-s.compacted.index:]...)
	s.compacted = entryID{index, term}
	return true
}

// What went wrong in a read, to be told to each library in its own words.
type failure int

const (
	fine failure = iota
	isCompacted
	isUnavailable
)

func (s *store) term(index uint64) (uint64, failure) {
	switch {
	case index < s.compacted.index:
		return 0, isCompacted
	case index == s.compacted.index:
		return s.compacted.term, fine
	case index > s.last():
		return 0, isUnavailable
	}
	return s.entries[index-s.first()].GetTerm(), fine
}

func (s *store) read(low, high, maxSize uint64) ([]*pb.Entry, failure) {
	switch {
	case low <= s.compacted.index:
		return nil, isCompacted
	case high > s.last()+1:
		return nil, isUnavailable
	}
	entries := s.entries[low-s.first() : high-s.first()]
	size := uint64(0)
	for i, entry := range entries {
		if size += uint64(proto.Size(entry)); size > maxSize && i > 0 {
			entries = entries[:i]
			break
		}
	}
	return entries[:len(entries):len(entries)], fine
}

// ourStorage and theirStorage are the same store to the two libraries.
type (
	ourStorage   struct{ *store }
	theirStorage struct{ *store }
)

var (
	_ ours.Storage     = ourStorage{}
	_ upstream.Storage = theirStorage{}
)

var (
	ourFailures   = []error{fine: nil, isCompacted: ours.ErrCompacted, isUnavailable: ours.ErrUnavailable}
	theirFailures = []error{fine: nil, isCompacted: upstream.ErrCompacted, isUnavailable: upstream.ErrUnavailable}
)

func (s *store) InitialState() (*pb.HardState, *pb.ConfState, error) {
	hard := s.hard
	if hard == nil {
		hard = &pb.HardState{}
	}
	return proto.CloneOf(hard), pb.EnsureConfState(proto.CloneOf(s.initial)), nil
}

func (s *store) LastIndex() (uint64, error)  { return s.last(), nil }
func (s *store) FirstIndex() (uint64, error) { return s.first(), nil }

func (s ourStorage) Entries(low, high, maxSize uint64) ([]*pb.Entry, error) {
	entries, failure := s.read(low, high, maxSize)
	return entries, ourFailures[failure]
}

func (s ourStorage) Term(index uint64) (uint64, error) {
	term, failure := s.term(index)
	return term, ourFailures[failure]
}

func (s ourStorage) Snapshot() (*pb.Snapshot, error) {
	if s.unavailable {
		return nil, ours.ErrSnapshotTemporarilyUnavailable
	}
	return proto.CloneOf(s.snapshot), nil
}

func (s theirStorage) Entries(low, high, maxSize uint64) ([]*pb.Entry, error) {
	entries, failure := s.read(low, high, maxSize)
	return entries, theirFailures[failure]
}

func (s theirStorage) Term(index uint64) (uint64, error) {
	term, failure := s.term(index)
	return term, theirFailures[failure]
}

func (s theirStorage) Snapshot() (*pb.Snapshot, error) {
	if s.unavailable {
		return nil, upstream.ErrSnapshotTemporarilyUnavailable
	}
	return proto.CloneOf(s.snapshot), nil
}
