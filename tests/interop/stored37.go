// What nodes of etcd-io/raft v3.7 and of libraft in this process do alike, since both have its raftpb
// and a storage of the same shape. etcd36/main.go can't share it: its types are other ones.

package main

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/go/raft"

	"libraft.dev/tests/interop/member"
)

// memory37 is what both kinds of MemoryStorage have.
type memory37 interface {
	Append(entries []*pb.Entry) error
	ApplySnapshot(snapshot *pb.Snapshot) error
	CreateSnapshot(index uint64, confState *pb.ConfState, data []byte) (*pb.Snapshot, error)
	SetHardState(hardState *pb.HardState) error
}

// load puts what a server has on its disk into an empty storage. The configuration that it returns
// may be newer than the snapshot's.
func load(s memory37, r *member.Request) (*pb.ConfState, error) {
	hardState, snapshot, confState := &pb.HardState{}, &pb.Snapshot{}, &pb.ConfState{}
	for _, err := range []error{
		proto.Unmarshal(r.X, hardState), proto.Unmarshal(r.Y, snapshot), proto.Unmarshal(r.Z, confState),
	} {
		if err != nil {
			return nil, err
		}
	}
	compacted, newest := r.Numbers[member.CompactedIndex], snapshot.GetMetadata().GetIndex()
	if compacted != 0 {
		// The log begins behind what was compacted, which the snapshot may go beyond.
		err := s.ApplySnapshot(&pb.Snapshot{Data: snapshot.Data, Metadata: &pb.SnapshotMetadata{
			Index: new(compacted), Term: new(r.Numbers[member.CompactedTerm]),
			ConfState: snapshot.GetMetadata().GetConfState(),
		}})
		if err != nil {
			return nil, err
		}
	}
	var entries []*pb.Entry
	for _, encoded := range r.List {
		entry := &pb.Entry{}
		if err := proto.Unmarshal(encoded, entry); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if err := s.Append(entries); err != nil {
		return nil, err
	}
	if newest > compacted {
		_, err := s.CreateSnapshot(newest, snapshot.GetMetadata().GetConfState(), snapshot.Data)
		if err != nil {
			return nil, err
		}
	}
	return confState, s.SetHardState(hardState)
}

// save does what a Ready or a MsgStorageAppend says, in which fields may be missing.
func save(s memory37, hardState *pb.HardState, entries []*pb.Entry, snapshot *pb.Snapshot) error {
	if !raft.IsEmptySnap(snapshot) {
		if err := s.ApplySnapshot(snapshot); err != nil {
			return err
		}
	}
	if !raft.IsEmptyHardState(hardState) {
		if err := s.SetHardState(hardState); err != nil {
			return err
		}
	}
	return s.Append(entries)
}
