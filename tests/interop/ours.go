// Nodes of libraft in this process, through the C interface and the Go binding.

package main

import (
	"errors"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/go/raft"
	"libraft.dev/tests/interop/member"
)

type ours struct {
	nodes map[uint64]*oursNode
}

type oursNode struct {
	*raft.RawNode
	storage *raft.MemoryStorage
	async   bool
	taken   raft.Ready
}

func (m *ours) Call(r *member.Request) (response *member.Response) {
	response = &member.Response{}
	defer func() {
		if cause := recover(); cause != nil {
			response.Code, response.Text = member.Failed, fmt.Sprint("panic: ", cause)
		}
	}()
	err := m.call(r, response)
	n := m.nodes[r.Node]
	if n != nil && n.Err() != nil {
		err = n.Err()
	}
	switch {
	case err == nil:
	case errors.Is(err, raft.ErrProposalDropped), errors.Is(err, &raft.Error{Code: raft.CodeSnapDropped}),
		errors.Is(err, &raft.Error{Code: raft.CodeReadDropped}):
		response.Code = member.Dropped
	case errors.Is(err, raft.ErrStepPeerNotFound):
		response.Code = member.Refused
	default:
		response.Code, response.Text = member.Failed, err.Error()
	}
	if n != nil {
		status := n.BasicStatus()
		response.Role, response.Lead = uint64(status.RaftState), status.Lead
		response.Term, response.Vote = status.GetTerm(), status.GetVote()
		response.Commit, response.Applied = status.GetCommit(), status.Applied
		response.Transferee, response.HasReady = status.LeadTransferee, n.HasReady()
	}
	return response
}

func (m *ours) call(r *member.Request, response *member.Response) (err error) {
	switch r.Op {
	case member.Reset:
		for _, n := range m.nodes {
			_ = n.Close()
		}
		m.nodes = map[uint64]*oursNode{}
		return nil
	case member.Start:
		m.nodes[r.Node], err = startOurs(r)
		return err
	}
	n := m.nodes[r.Node]
	if n == nil {
		return fmt.Errorf("there is no node %d", r.Node)
	}
	switch r.Op {
	case member.Stop:
		delete(m.nodes, r.Node)
		return n.Close()
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
		return n.StepEncoded(r.X)
	case member.Read:
		return n.TryReadIndex(r.X)
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
	case member.RequestSnapshot:
		return n.RequestSnapshot()
	case member.SetPriority:
		return n.SetPriority(int64(r.A))
	case member.GroupCommit:
		var groups []raft.CommitGroup
		for _, id := range r.Numbers {
			groups = append(groups, raft.CommitGroup{ID: id, Group: 1 + id%2})
		}
		if err := n.AssignCommitGroups(groups); err != nil {
			return err
		}
		return n.EnableGroupCommit(true)
	default:
		return fmt.Errorf("no such call: %d", r.Op)
	}
	return nil
}

func startOurs(r *member.Request) (*oursNode, error) {
	s := raft.NewMemoryStorage()
	confState, err := load(s, r)
	if err != nil {
		return nil, err
	}
	flags := r.Numbers[member.Flags]
	config := &raft.Config{
		ID: r.Node, Storage: s, Applied: r.Numbers[member.Applied], AppliedConfState: confState,
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
		EagerAppends:              flags&member.EagerAppends != 0,
		Seed:                      r.Numbers[member.Seed],

		PeerReports:                flags&member.PeerReports != 0,
		Priority:                   int64(r.Numbers[member.Priority]),
		MaxApplyUnpersistedEntries: r.Numbers[member.MaxApplyUnpersisted],
	}
	if flags&member.SmallCache != 0 {
		config.MaxCachedBytes = 1
	}
	if flags&member.LeaseReads != 0 {
		config.ReadOnlyOption = raft.ReadOnlyLeaseBased
	}
	node, err := raft.NewRawNode(config)
	if err != nil {
		return nil, err
	}
	return &oursNode{RawNode: node, storage: s, async: config.AsyncStorageWrites}, nil
}

func (n *oursNode) takeReady(response *member.Response) error {
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
	if rd.HardState != nil {
		response.HardState = encode(rd.HardState)
	}
	if rd.Snapshot != nil {
		response.Snapshot = encode(rd.Snapshot)
	}
	for _, entry := range rd.Entries {
		response.Entries = append(response.Entries, encode(entry))
	}
	for _, entry := range rd.CommittedEntries {
		response.Committed = append(response.Committed, encode(entry))
	}
	messages, err := rd.EncodedMessages()
	if err != nil {
		return err
	}
	for _, message := range messages {
		response.Messages = append(response.Messages, append([]byte{}, message...))
	}
	for _, state := range rd.ReadStates {
		response.ReadIndexes = append(response.ReadIndexes, state.Index)
		response.ReadNames = append(response.ReadNames, state.RequestCtx)
	}
	response.MustSync = rd.MustSync
	for _, dropped := range n.Dropped() {
		if dropped.Kind == raft.DroppedProposal {
			response.DroppedProposals = append(response.DroppedProposals, dropped.Data)
		}
	}
	return failure
}
