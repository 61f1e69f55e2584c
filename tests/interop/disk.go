// What one node has on its disk, as bytes, for whichever implementation it comes back as.

package main

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

// position names an entry.
type position struct {
	term, index uint64
}

// record is an entry and its bytes.
type record struct {
	*pb.Entry
	encoded []byte
}

func decodeRecord(encoded []byte) (record, error) {
	r := record{&pb.Entry{}, encoded}
	return r, proto.Unmarshal(encoded, r.Entry)
}

type disk struct {
	hardState *pb.HardState
	// The last hard state that a crash can't take away.
	synced *pb.HardState
	// The entries behind compacted.
	log       []record
	compacted position
	snapshot  *pb.Snapshot
}

func newDisk() *disk {
	return &disk{hardState: &pb.HardState{}, synced: &pb.HardState{}, snapshot: &pb.Snapshot{}}
}

func (d *disk) isFresh() bool {
	return d.lastIndex() == 0 && d.hardState.GetTerm() == 0
}

func (d *disk) lastIndex() uint64 {
	return d.compacted.index + uint64(len(d.log))
}

// save writes what a Ready says; all of it or, in a crash, nothing.
func (d *disk) save(hardState *pb.HardState, entries []record, snapshot *pb.Snapshot, sync bool) error {
	if snapshot.GetMetadata().GetIndex() != 0 {
		d.snapshot, d.log = snapshot, nil
		d.compacted = position{snapshot.Metadata.GetTerm(), snapshot.Metadata.GetIndex()}
		sync = true
	}
	for _, e := range entries {
		index := e.GetIndex()
		if index <= d.compacted.index {
			continue
		}
		if index > d.lastIndex()+1 {
			return fmt.Errorf("entry %d leaves a gap after %d", index, d.lastIndex())
		}
		d.log = append(d.log[:index-d.compacted.index-1:index-d.compacted.index-1], e)
	}
	if hardState != nil {
		if hardState.GetTerm() < d.hardState.GetTerm() {
			return fmt.Errorf("the term falls from %d to %d", d.hardState.GetTerm(), hardState.GetTerm())
		}
		d.hardState = hardState
	}
	if sync {
		d.synced = d.hardState
	}
	return nil
}

// crash takes back what was not synced: a newer commit index, and with asynchronous writes also a
// term that nothing has been promised in.
func (d *disk) crash(async bool) error {
	if !async && (d.synced.GetTerm() != d.hardState.GetTerm() || d.synced.GetVote() != d.hardState.GetVote()) {
		return fmt.Errorf("a term or a vote was saved without a sync: %v", d.hardState)
	}
	d.hardState = d.synced
	return nil
}

// compact makes a snapshot, and drops the entries up to dropped unless that is 0.
func (d *disk) compact(index uint64, confState *pb.ConfState, data []byte, dropped uint64) {
	d.snapshot = &pb.Snapshot{Data: data, Metadata: &pb.SnapshotMetadata{
		Index: new(index), Term: new(d.term(index)), ConfState: confState,
	}}
	if dropped != 0 {
		term := d.term(dropped)
		d.log = append([]record(nil), d.log[dropped-d.compacted.index:]...)
		d.compacted = position{term, dropped}
	}
	d.synced = d.hardState
}

func (d *disk) term(index uint64) uint64 {
	if index == d.compacted.index {
		return d.compacted.term
	}
	return d.log[index-d.compacted.index-1].GetTerm()
}

// start is the request that makes a node from this disk.
func (d *disk) start(id uint64, settings []uint64, applied uint64, confState *pb.ConfState) (*member.Request, error) {
	r := &member.Request{Op: member.Start, Node: id, Numbers: append([]uint64(nil), settings...)}
	r.Numbers[member.Applied] = applied
	r.Numbers[member.CompactedIndex] = d.compacted.index
	r.Numbers[member.CompactedTerm] = d.compacted.term
	for _, e := range d.log {
		r.List = append(r.List, e.encoded)
	}
	var err error
	for _, field := range []struct {
		to      *[]byte
		message proto.Message
	}{{&r.X, d.hardState}, {&r.Y, d.snapshot}, {&r.Z, confState}} {
		if *field.to, err = deterministic.Marshal(field.message); err != nil {
			return nil, err
		}
	}
	return r, nil
}
