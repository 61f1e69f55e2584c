// Nodes of go.etcd.io/raft v3.6, in a process of their own: one program links one version of it.
// The same as ../etcd37.go with the types of that version.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/tests/interop/member"
)

func main() {
	if err := member.Serve(os.Stdin, os.Stdout, &etcd36{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type etcd36 struct {
	nodes map[uint64]*node
}

type node struct {
	*raft.RawNode
	storage *storage
	async   bool
	taken   raft.Ready
}

type storage struct {
	*raft.MemoryStorage
	confState pb.ConfState
}

func (s *storage) InitialState() (pb.HardState, pb.ConfState, error) {
	hardState, _, err := s.MemoryStorage.InitialState()
	return hardState, s.confState, err
}

func (m *etcd36) Call(r *member.Request) (response *member.Response) {
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
		response.Term, response.Vote = status.Term, status.Vote
		response.Commit, response.Applied = status.Commit, status.Applied
		response.Transferee, response.HasReady = status.LeadTransferee, n.HasReady()
	}
	return response
}

func (m *etcd36) call(r *member.Request, response *member.Response) (err error) {
	switch r.Op {
	case member.Reset:
		m.nodes = map[uint64]*node{}
		member.SeedEntropy(r.A)
		return nil
	case member.Start:
		m.nodes[r.Node], err = start(r)
		return err
	case member.Recode:
		response.Data, response.Applied, err = recode(r.A, r.X)
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
		change, err := change(r.A, r.X)
		if err != nil {
			return err
		}
		return n.ProposeConfChange(change)
	case member.Step:
		message := pb.Message{}
		if err := message.Unmarshal(r.X); err != nil {
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
		change, err := change(r.A, r.X)
		if err != nil {
			return err
		}
		response.Data, err = n.ApplyConfChange(change).Marshal()
		return err
	case member.Save:
		message := pb.Message{}
		if err := message.Unmarshal(r.X); err != nil {
			return err
		}
		snapshot := pb.Snapshot{}
		if message.Snapshot != nil {
			snapshot = *message.Snapshot
		}
		hardState := pb.HardState{Term: message.Term, Vote: message.Vote, Commit: message.Commit}
		return n.storage.save(hardState, message.Entries, snapshot)
	case member.Compact:
		confState := &pb.ConfState{}
		if err := confState.Unmarshal(r.X); err != nil {
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

func start(r *member.Request) (*node, error) {
	hardState, snapshot, confState := pb.HardState{}, pb.Snapshot{}, pb.ConfState{}
	for _, err := range []error{
		hardState.Unmarshal(r.X), snapshot.Unmarshal(r.Y), confState.Unmarshal(r.Z),
	} {
		if err != nil {
			return nil, err
		}
	}
	s := &storage{raft.NewMemoryStorage(), confState}
	compacted, newest := r.Numbers[member.CompactedIndex], snapshot.Metadata.Index
	if compacted != 0 {
		err := s.ApplySnapshot(pb.Snapshot{Data: snapshot.Data, Metadata: pb.SnapshotMetadata{
			Index: compacted, Term: r.Numbers[member.CompactedTerm], ConfState: snapshot.Metadata.ConfState,
		}})
		if err != nil {
			return nil, err
		}
	}
	var entries []pb.Entry
	for _, encoded := range r.List {
		entry := pb.Entry{}
		if err := entry.Unmarshal(encoded); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if err := s.Append(entries); err != nil {
		return nil, err
	}
	if newest > compacted {
		_, err := s.CreateSnapshot(newest, &snapshot.Metadata.ConfState, snapshot.Data)
		if err != nil {
			return nil, err
		}
	}
	if err := s.SetHardState(hardState); err != nil {
		return nil, err
	}
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
	rawNode, err := raft.NewRawNode(config)
	if err != nil {
		return nil, err
	}
	return &node{RawNode: rawNode, storage: s, async: config.AsyncStorageWrites}, nil
}

func (n *node) takeReady(response *member.Response) error {
	rd := n.Ready()
	n.taken = rd
	if !n.async {
		if err := n.storage.save(rd.HardState, rd.Entries, rd.Snapshot); err != nil {
			return err
		}
	}
	var failure error
	encode := func(m interface{ Marshal() ([]byte, error) }) []byte {
		b, err := m.Marshal()
		if err != nil {
			failure = err
		}
		return append([]byte{}, b...)
	}
	if !raft.IsEmptyHardState(rd.HardState) {
		response.HardState = encode(&rd.HardState)
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		response.Snapshot = encode(&rd.Snapshot)
	}
	for i := range rd.Entries {
		response.Entries = append(response.Entries, encode(&rd.Entries[i]))
	}
	for i := range rd.CommittedEntries {
		response.Committed = append(response.Committed, encode(&rd.CommittedEntries[i]))
	}
	for i := range rd.Messages {
		response.Messages = append(response.Messages, encode(&rd.Messages[i]))
	}
	for _, state := range rd.ReadStates {
		response.ReadIndexes = append(response.ReadIndexes, state.Index)
		response.ReadNames = append(response.ReadNames, state.RequestCtx)
	}
	response.MustSync = rd.MustSync
	return failure
}

// save does what a Ready or a MsgStorageAppend says, in which fields may be missing.
func (s *storage) save(hardState pb.HardState, entries []pb.Entry, snapshot pb.Snapshot) error {
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

func change(kind uint64, data []byte) (pb.ConfChangeI, error) {
	if pb.EntryType(kind) == pb.EntryConfChange {
		change := pb.ConfChange{}
		err := change.Unmarshal(data)
		return change, err
	}
	change := pb.ConfChangeV2{}
	err := change.Unmarshal(data)
	return change, err
}

type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// recode decodes and encodes.
func recode(kind uint64, data []byte) ([]byte, uint64, error) {
	if kind == member.KindEntrySize {
		entry := pb.Entry{}
		err := entry.Unmarshal(data)
		return nil, uint64(entry.Size()), err
	}
	messages := []message{
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
	if err := messages[kind].Unmarshal(data); err != nil {
		return nil, 0, err
	}
	encoded, err := messages[kind].Marshal()
	return encoded, 0, err
}
