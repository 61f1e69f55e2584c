//go:build v37

package main

import (
	raft "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const library = "etcd-3.7"

type (
	rawNode       = raft.RawNode
	raftConfig    = raft.Config
	memoryStorage = raft.MemoryStorage
)

var (
	newRawNode       = raft.NewRawNode
	newMemoryStorage = raft.NewMemoryStorage
)

const stateLeader = raft.StateLeader

// proposeMany passes a batch of commands in one MsgProp.
func (r *replica) proposeMany(data [][]byte) error {
	return r.node.Step(proposal(r.id, data))
}

func (r *replica) ready() raft.Ready { return r.node.Ready() }

func role(node *rawNode) raft.StateType { return node.BasicStatus().RaftState }

var discard = &raft.DefaultLogger{Logger: silent}

func proposal(from uint64, data [][]byte) *pb.Message {
	entries := make([]*pb.Entry, len(data))
	for i := range entries {
		entries[i] = &pb.Entry{Data: data[i]}
	}
	return &pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(from), To: proto.Uint64(from), Entries: entries}
}
