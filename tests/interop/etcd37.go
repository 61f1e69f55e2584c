// Nodes of go.etcd.io/raft v3.7, in this process. etcd36/main.go is the same for v3.6, whose types
// are other ones.

package main

import (
	"errors"
	"fmt"
	"io"
	"log"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

type etcd37 struct {
	nodes map[uint64]*etcd37Node
}

// etcd37Node is one node and what it has stored.
type etcd37Node struct {
	*raft.RawNode
	storage *etcd37Storage
	async   bool
	taken   raft.Ready
}

// etcd37Storage starts with a configuration that may be newer than its snapshot's.
type etcd37Storage struct {
	*raft.MemoryStorage
	confState *pb.ConfState
}

func (s *etcd37Storage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	hardState, _, err := s.MemoryStorage.InitialState()
	return hardState, s.confState, err
}

func (m *etcd37) Call(r *member.Request) (response *member.Response) {
	response = &member.Response{}
	defer func() {
		if cause := recover(); cause != nil {
			response.Code, response.Text = member.Failed, fmt.Sprint("panic: ", cause)
		}
	}()
	err := m.call(r, response)
	switch {
	case err == nil:
	case errors.Is(err, raft.ErrProposalDropped):
		response.Code = member.Dropped
	case errors.Is(err, raft.ErrStepPeerNotFound):
		response.Code = member.Refused
	default:
		response.Code, response.Text = member.Failed, err.Error()
	}
	if n := m.nodes[r.Node]; n != nil {
		status := n.BasicStatus()
		response.Role, response.Lead = uint64(status.RaftState), status.Lead
		response.Term, response.Vote = status.GetTerm(), status.GetVote()
		response.Commit, response.Applied = status.GetCommit(), status.Applied
		response.Transferee, response.HasReady = status.LeadTransferee, n.HasReady()
	}
	return response
}

func (m *etcd37) call(r *member.Request, response *member.Response) (err error) {
	switch r.Op {
	case member.Reset:
		m.nodes = map[uint64]*etcd37Node{}
		member.SeedEntropy(r.A)
		return nil
	case member.Start:
		m.nodes[r.Node], err = startEtcd37(r)
		return err
	case member.Recode:
		response.Data, response.Applied, err = recode37(r.A, r.X)
		return err
	}
	n := m.nodes[r.Node]
	if n == nil {
		return fmt.Errorf("there is no node %d", r.Node)
	}
	switch r.Op {
	case member.Stop:
		delete(m.nodes, r.Node)
	case member.Bootstrap:
		var peers []raft.Peer
		for _, id := range r.Numbers {
			peers = append(peers, raft.Peer{ID: id})
		}
		return n.RawNode.Bootstrap(peers)
	case member.Tick:
		n.Tick()
	case member.Campaign:
		return n.Campaign()
	case member.Propose:
		return n.Propose(r.X)
	case member.ProposeConfChange:
		change, err := change37(r.A, r.X)
		if err != nil {
			return err
		}
		return n.ProposeConfChange(change)
	case member.Step:
		message := &pb.Message{}
		if err := proto.Unmarshal(r.X, message); err != nil {
			return err
		}
		return n.Step(message)
	case member.Read:
		n.ReadIndex(r.X)
	case member.Transfer:
		n.TransferLeader(r.A)
	case member.ForgetLeader:
		return n.ForgetLeader()
	case member.Unreachable:
		n.ReportUnreachable(r.A)
	case member.SnapshotStatus:
		status := raft.SnapshotFailure
		if r.B == 1 {
			status = raft.SnapshotFinish
		}
		n.ReportSnapshot(r.A, status)
	case member.Ready:
		return n.takeReady(response)
	case member.Advance:
		n.Advance(n.taken)
	case member.ApplyConfChange:
		change, err := change37(r.A, r.X)
		if err != nil {
			return err
		}
		response.Data, err = deterministic.Marshal(n.ApplyConfChange(change))
		return err
	case member.Save:
		message := &pb.Message{}
		if err := proto.Unmarshal(r.X, message); err != nil {
			return err
		}
		hardState := &pb.HardState{Term: message.Term, Vote: message.Vote, Commit: message.Commit}
		return save(n.storage, hardState, message.GetEntries(), message.GetSnapshot())
	case member.Compact:
		confState := &pb.ConfState{}
		if err := proto.Unmarshal(r.X, confState); err != nil {
			return err
		}
		if _, err := n.storage.CreateSnapshot(r.A, confState, r.Y); err != nil {
			return err
		}
		if r.B != 0 {
			return n.storage.Compact(r.B)
		}
	default:
		return fmt.Errorf("no such call: %d", r.Op)
	}
	return nil
}

func startEtcd37(r *member.Request) (*etcd37Node, error) {
	s := &etcd37Storage{MemoryStorage: raft.NewMemoryStorage()}
	confState, err := load(s, r)
	if err != nil {
		return nil, err
	}
	s.confState = confState
	flags := r.Numbers[member.Flags]
	config := &raft.Config{
		ID: r.Node, Storage: s, Applied: r.Numbers[member.Applied],
		ElectionTick: int(r.Numbers[member.ElectionTicks]), HeartbeatTick: int(r.Numbers[member.HeartbeatTicks]),
		MaxSizePerMsg:             r.Numbers[member.MaxSizePerMsg],
		MaxCommittedSizePerReady:  r.Numbers[member.MaxCommittedSizePerReady],
		MaxUncommittedEntriesSize: r.Numbers[member.MaxUncommittedSize],
		MaxInflightMsgs:           int(r.Numbers[member.MaxInflightMsgs]),
		MaxInflightBytes:          r.Numbers[member.MaxInflightBytes],
		CheckQuorum:               flags&member.CheckQuorum != 0, PreVote: flags&member.PreVote != 0,
		AsyncStorageWrites:        flags&member.AsyncWrites != 0,
		DisableProposalForwarding: flags&member.DisableForwarding != 0,
		StepDownOnRemoval:         flags&member.StepDownOnRemoval != 0,
		Logger:                    &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	}
	if flags&member.LeaseReads != 0 {
		config.ReadOnlyOption = raft.ReadOnlyLeaseBased
	}
	node, err := raft.NewRawNode(config)
	if err != nil {
		return nil, err
	}
	return &etcd37Node{RawNode: node, storage: s, async: config.AsyncStorageWrites}, nil
}

func (n *etcd37Node) takeReady(response *member.Response) error {
	rd := n.Ready()
	n.taken = rd
	if !n.async {
		if err := save(n.storage, rd.HardState, rd.Entries, rd.Snapshot); err != nil {
			return err
		}
	}
	var failure error
	encode := func(m proto.Message) []byte {
		b, err := deterministic.Marshal(m)
		if err != nil {
			failure = err
		}
		return append([]byte{}, b...)
	}
	if rd.HardState != nil && !raft.IsEmptyHardState(rd.HardState) {
		response.HardState = encode(rd.HardState)
	}
	if rd.Snapshot != nil && !raft.IsEmptySnap(rd.Snapshot) {
		response.Snapshot = encode(rd.Snapshot)
	}
	for _, entry := range rd.Entries {
		response.Entries = append(response.Entries, encode(entry))
	}
	for _, entry := range rd.CommittedEntries {
		response.Committed = append(response.Committed, encode(entry))
	}
	for _, message := range rd.Messages {
		response.Messages = append(response.Messages, encode(message))
	}
	for _, state := range rd.ReadStates {
		response.ReadIndexes = append(response.ReadIndexes, state.Index)
		response.ReadNames = append(response.ReadNames, state.RequestCtx)
	}
	response.MustSync = rd.MustSync
	return failure
}

func change37(kind uint64, data []byte) (pb.ConfChangeI, error) {
	if pb.EntryType(kind) == pb.EntryConfChange {
		change := &pb.ConfChange{}
		return change, proto.Unmarshal(data, change)
	}
	change := &pb.ConfChangeV2{}
	return change, proto.Unmarshal(data, change)
}

// recode37 decodes and encodes.
func recode37(kind uint64, data []byte) ([]byte, uint64, error) {
	if kind == member.KindEntrySize {
		entry := &pb.Entry{}
		err := proto.Unmarshal(data, entry)
		return nil, uint64(proto.Size(entry)), err
	}
	messages := []proto.Message{
		member.KindMessage:      &pb.Message{},
		member.KindEntry:        &pb.Entry{},
		member.KindHardState:    &pb.HardState{},
		member.KindConfState:    &pb.ConfState{},
		member.KindSnapshot:     &pb.Snapshot{},
		member.KindConfChange:   &pb.ConfChange{},
		member.KindConfChangeV2: &pb.ConfChangeV2{},
	}
	if kind >= uint64(len(messages)) {
		return nil, 0, fmt.Errorf("nothing of kind %d can be decoded", kind)
	}
	if err := proto.Unmarshal(data, messages[kind]); err != nil {
		return nil, 0, err
	}
	encoded, err := deterministic.Marshal(messages[kind])
	return encoded, 0, err
}

var deterministic = proto.MarshalOptions{Deterministic: true}
