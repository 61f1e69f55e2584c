// The interface to a node's stored state, and the simplest thing that has it.

package raft

import (
	"fmt"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Storage is where a node's hard state, log and snapshot are; the host writes to it, the node
// only reads. It is read during [NewRawNode], [RawNode.HasReady] and [RawNode.Ready], on the
// goroutine that calls them; by a [Node] on its own goroutine. An error stops that node (see
// [RawNode.Err] and [Monitor]), except where it says otherwise. The Err values may be wrapped, and
// those of go.etcd.io/raft, which are other values, are known by their text.
type Storage interface {
	// InitialState gives the hard state (nil if there is none) and the configuration (not nil) as
	// of the newest snapshot, or as of Config.Applied.
	InitialState() (*pb.HardState, *pb.ConfState, error)
	// Entries gives the entries [lo, hi): at least the first one, and then as many as fit into
	// maxSize, counted by their encoding. The slice belongs to the caller, the entries must not
	// be changed by anybody. ErrCompacted if lo has been compacted, which makes the node send a
	// snapshot instead; ErrUnavailable if the log ends earlier.
	Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error)
	// Term gives the term of the entry i, which is in [FirstIndex()-1, LastIndex()].
	Term(i uint64) (uint64, error)
	// LastIndex is the index of the last entry in the log.
	LastIndex() (uint64, error)
	// FirstIndex is the index of the first entry that Entries may give.
	FirstIndex() (uint64, error)
	// Snapshot gives the newest snapshot, or ErrSnapshotTemporarilyUnavailable, which makes the
	// node ask again later.
	Snapshot() (*pb.Snapshot, error)
}

// MemoryStorage is a Storage that lives and dies with the process. All its methods may be called
// from any goroutine.
type MemoryStorage struct {
	sync.Mutex

	// In memory of its own: what SetHardState is given may be written over by the next Ready.
	hardState *hardStateCell
	snapshot  *pb.Snapshot
	// The entry before the log's first.
	compactedIndex, compactedTerm uint64
	// The same index, to be read without the lock: a node asks twice for each Ready.
	compacted atomic.Uint64
	// entries[i] has the index compactedIndex + 1 + i. Whatever has been given out is never
	// written to again.
	entries []*pb.Entry
}

// NewMemoryStorage makes an empty one.
func NewMemoryStorage() *MemoryStorage {
	return &MemoryStorage{snapshot: pb.EnsureSnapshot(nil)}
}

// InitialState implements Storage, with the configuration of the snapshot.
func (ms *MemoryStorage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	ms.Lock()
	defer ms.Unlock()
	confState := ms.snapshot.GetMetadata().GetConfState()
	if ms.hardState == nil {
		return nil, confState, nil
	}
	return (&hardStateCell{}).copy(&ms.hardState.state), confState, nil
}

// SetHardState saves a copy of the hard state.
func (ms *MemoryStorage) SetHardState(st *pb.HardState) error {
	ms.Lock()
	defer ms.Unlock()
	if st == nil {
		ms.hardState = nil
		return nil
	}
	if ms.hardState == nil {
		ms.hardState = &hardStateCell{}
	}
	ms.hardState.copy(st)
	return nil
}

// Entries implements Storage.
func (ms *MemoryStorage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	ms.Lock()
	defer ms.Unlock()
	switch {
	case lo > hi:
		return nil, fmt.Errorf("raft: the range [%d, %d) is reversed: pass the lower index first", lo, hi)
	case lo <= ms.compactedIndex:
		return nil, ErrCompacted
	case hi > ms.lastIndex()+1 || len(ms.entries) == 0:
		return nil, ErrUnavailable
	}
	entries := ms.entries[lo-ms.compactedIndex-1 : hi-ms.compactedIndex-1]
	entries = limitSize(entries, maxSize)
	return entries[:len(entries):len(entries)], nil
}

// limitSize is the longest beginning of the entries that is not larger than maxSize, though at
// least one entry.
func limitSize(entries []*pb.Entry, maxSize uint64) []*pb.Entry {
	size := uint64(0)
	for i, entry := range entries {
		size += uint64(proto.Size(entry))
		if size > maxSize && i > 0 {
			return entries[:i]
		}
	}
	return entries
}

// Term implements Storage.
func (ms *MemoryStorage) Term(i uint64) (uint64, error) {
	ms.Lock()
	defer ms.Unlock()
	return ms.term(i)
}

func (ms *MemoryStorage) term(i uint64) (uint64, error) {
	switch {
	case i < ms.compactedIndex:
		return 0, ErrCompacted
	case i == ms.compactedIndex:
		return ms.compactedTerm, nil
	case i > ms.lastIndex():
		return 0, ErrUnavailable
	}
	return ms.entries[i-ms.compactedIndex-1].GetTerm(), nil
}

// LastIndex implements Storage.
func (ms *MemoryStorage) LastIndex() (uint64, error) {
	ms.Lock()
	defer ms.Unlock()
	return ms.lastIndex(), nil
}

func (ms *MemoryStorage) lastIndex() uint64 {
	return ms.compactedIndex + uint64(len(ms.entries))
}

// FirstIndex implements Storage.
func (ms *MemoryStorage) FirstIndex() (uint64, error) {
	return ms.compacted.Load() + 1, nil
}

// setCompacted makes this the entry before the log's first.
func (ms *MemoryStorage) setCompacted(index, term uint64) {
	ms.compactedIndex, ms.compactedTerm = index, term
	ms.compacted.Store(index)
}

// Snapshot implements Storage.
func (ms *MemoryStorage) Snapshot() (*pb.Snapshot, error) {
	ms.Lock()
	defer ms.Unlock()
	return proto.CloneOf(ms.snapshot), nil
}

// ApplySnapshot puts a snapshot in place of the whole log. ErrSnapOutOfDate if the stored one is
// as new; one of index 0, which only gives the first members, gives way to any other. With nothing
// in the log behind it, the stored one gives way to itself, which is what [RawNode.RequestSnapshot]
// may lead to.
func (ms *MemoryStorage) ApplySnapshot(snap *pb.Snapshot) error {
	ms.Lock()
	defer ms.Unlock()
	snap = pb.EnsureSnapshot(proto.CloneOf(snap))
	index := snap.GetMetadata().GetIndex()
	stored := ms.snapshot.GetMetadata()
	same := stored.GetIndex() == index && stored.GetTerm() == snap.GetMetadata().GetTerm() &&
		ms.lastIndex() == index
	if stored.GetIndex() != 0 && index <= stored.GetIndex() && !same {
		return ErrSnapOutOfDate
	}
	ms.snapshot = snap
	ms.setCompacted(index, snap.GetMetadata().GetTerm())
	ms.entries = nil
	return nil
}

// CreateSnapshot makes data, the state after the entry i, the newest snapshot. cs is the
// configuration as of that entry; nil stands for the one of the last snapshot. The log stays as
// it is, see Compact.
func (ms *MemoryStorage) CreateSnapshot(i uint64, cs *pb.ConfState, data []byte) (*pb.Snapshot, error) {
	ms.Lock()
	defer ms.Unlock()
	if i <= ms.snapshot.GetMetadata().GetIndex() {
		return nil, ErrSnapOutOfDate
	}
	term, err := ms.term(i)
	if err != nil {
		return nil, err
	}
	if cs == nil {
		cs = ms.snapshot.GetMetadata().GetConfState()
	}
	ms.snapshot = &pb.Snapshot{
		Data: data,
		Metadata: &pb.SnapshotMetadata{
			ConfState: pb.EnsureConfState(proto.CloneOf(cs)),
			Index:     new(i),
			Term:      new(term),
		},
	}
	return proto.CloneOf(ms.snapshot), nil
}

// So many entries fit into the room that a compaction leaves besides what it keeps.
const maxSpareRoom = 1 << 14

// Compact drops the entries up to and including compactIndex. All of them must have been applied.
func (ms *MemoryStorage) Compact(compactIndex uint64) error {
	ms.Lock()
	defer ms.Unlock()
	if compactIndex <= ms.compactedIndex {
		return ErrCompacted
	}
	term, err := ms.term(compactIndex)
	if err != nil {
		return err
	}
	// A copy, so that what is dropped can be freed. With room for as many as there were, since as many may come
	// before the next compaction, and to grow from little takes five times the memory; but after a burst no more than
	// 128 KiB of it that nothing needs.
	kept := ms.entries[compactIndex-ms.compactedIndex:]
	room := min(len(ms.entries), len(kept)+maxSpareRoom)
	ms.entries = append(make([]*pb.Entry, 0, room), kept...)
	ms.setCompacted(compactIndex, term)
	return nil
}

// Append puts entries in place of what the log has from the first one's index on. Those that have
// been compacted are skipped. An error if they would leave a gap.
func (ms *MemoryStorage) Append(entries []*pb.Entry) error {
	ms.Lock()
	defer ms.Unlock()
	for len(entries) > 0 && entries[0].GetIndex() <= ms.compactedIndex {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].GetIndex()
	if first > ms.lastIndex()+1 {
		return fmt.Errorf("raft: entry %d would leave a gap after %d: append what each Ready has, in order", first, ms.lastIndex())
	}
	kept := first - ms.compactedIndex - 1
	if kept < uint64(len(ms.entries)) {
		// What is replaced may have been given out, so that the new ones need a place of their own.
		ms.entries = ms.entries[:kept:kept]
	}
	ms.entries = append(ms.entries, entries...)
	return nil
}
