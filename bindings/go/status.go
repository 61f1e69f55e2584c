// What a node says about itself when it is asked.

package raft

import (
	"encoding/json"
	"strconv"

	"go.etcd.io/raft/v3/quorum"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// #include "libraft.h"
import "C"

// Status is a node's state at one moment. Config is the configuration that it has applied; Progress
// has every member if this node leads, and is empty otherwise.
type Status struct {
	BasicStatus
	Config   tracker.Config
	Progress map[uint64]tracker.Progress
}

// BasicStatus is the part of a Status that costs little.
type BasicStatus struct {
	// ID is the node's own.
	ID uint64

	*pb.HardState
	SoftState

	// Applied is the last index that the host has applied.
	Applied uint64

	// LeadTransferee is the target of a leadership transfer under way, or None.
	LeadTransferee uint64
}

// ProgressType says what kind of member a Progress is of.
type ProgressType byte

const (
	// ProgressTypePeer is a voter.
	ProgressTypePeer ProgressType = iota
	// ProgressTypeLearner is a learner.
	ProgressTypeLearner
)

// BasicStatus gives the cheap part. Of a node that has stopped, only the id.
func (rn *RawNode) BasicStatus() BasicStatus {
	basic := BasicStatus{ID: rn.id, HardState: &pb.HardState{}}
	status, err := rn.nativeStatus()
	if err != nil {
		rn.complain("status", err)
		return basic
	}
	basic.HardState.Term = new(uint64(status.term))
	basic.HardState.Vote = new(uint64(status.vote))
	basic.HardState.Commit = new(uint64(status.commit))
	basic.SoftState = SoftState{
		Lead:      uint64(status.leader),
		RaftState: StateType(status.role),
	}
	basic.Applied = uint64(status.applied)
	basic.LeadTransferee = uint64(status.lead_transferee)
	return basic
}

// Status gives all of it.
func (rn *RawNode) Status() Status {
	status := Status{BasicStatus: rn.BasicStatus()}
	confState, progress, err := rn.membersAndProgress()
	if err != nil {
		rn.complain("status", err)
		return status
	}
	status.Config = trackerConfig(confState)
	if status.RaftState == StateLeader {
		status.Progress = make(map[uint64]tracker.Progress, len(progress))
		for _, p := range progress {
			status.Progress[p.id] = rn.trackerProgress(p)
		}
	}
	return status
}

// WithProgress visits every member in ascending order, if this node leads, without what is in
// flight.
func (rn *RawNode) WithProgress(visitor func(id uint64, typ ProgressType, pr tracker.Progress)) {
	_, progress, err := rn.membersAndProgress()
	if err != nil {
		rn.complain("progress", err)
		return
	}
	for _, p := range progress {
		kind := ProgressTypePeer
		if p.learner {
			kind = ProgressTypeLearner
		}
		pr := rn.trackerProgress(p)
		pr.Inflights = nil
		visitor(p.id, kind, pr)
	}
}

func (rn *RawNode) membersAndProgress() (*pb.ConfState, []decodedProgress, error) {
	var buffer *C.raft_buffer
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_status_encoded(node, &buffer, failure)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.raft_buffer_free(buffer)
	return decodeStatus(copyBytes(C.raft_buffer_bytes(buffer)))
}

func trackerConfig(cs *pb.ConfState) tracker.Config {
	set := func(ids []uint64) map[uint64]struct{} {
		if len(ids) == 0 {
			return nil
		}
		members := make(map[uint64]struct{}, len(ids))
		for _, id := range ids {
			members[id] = struct{}{}
		}
		return members
	}
	voters := set(cs.GetVoters())
	if voters == nil {
		voters = map[uint64]struct{}{}
	}
	return tracker.Config{
		Voters:       quorum.JointConfig{voters, set(cs.GetVotersOutgoing())},
		AutoLeave:    cs.GetAutoLeave(),
		Learners:     set(cs.GetLearners()),
		LearnersNext: set(cs.GetLearnersNext()),
	}
}

// trackerProgress gives a Progress in the tracker's own type. Of the appends in flight, the
// library tells how many there are and how large they are together, so that their sizes one by
// one are made up.
func (rn *RawNode) trackerProgress(p decodedProgress) tracker.Progress {
	inflights := tracker.NewInflights(rn.maxInflight, rn.maxInflBytes)
	for i := range p.inflightMessages {
		left := p.inflightMessages - 1 - i
		bytes := uint64(0)
		if left == 0 {
			bytes = p.inflightBytes
		}
		inflights.Add(p.next-1-min(left, p.next-1), bytes)
	}
	state := tracker.StateType(p.state)
	return tracker.Progress{
		Match:            p.match,
		Next:             p.next,
		State:            state,
		PendingSnapshot:  p.pendingSnapshot,
		RecentActive:     p.recentActive,
		MsgAppFlowPaused: p.paused && state != tracker.StateSnapshot,
		Inflights:        inflights,
		IsLearner:        p.learner,
	}
}

// MarshalJSON writes ids in hexadecimal, as logs have them.
func (s Status) MarshalJSON() ([]byte, error) {
	type progress struct {
		Match uint64 `json:"match"`
		Next  uint64 `json:"next"`
		State string `json:"state"`
	}
	hex := func(id uint64) string { return strconv.FormatUint(id, 16) }
	members := make(map[string]progress, len(s.Progress))
	for id, p := range s.Progress {
		members[hex(id)] = progress{p.Match, p.Next, p.State.String()}
	}
	return json.Marshal(struct {
		ID             string              `json:"id"`
		Term           uint64              `json:"term"`
		Vote           string              `json:"vote"`
		Commit         uint64              `json:"commit"`
		Lead           string              `json:"lead"`
		RaftState      StateType           `json:"raftState"`
		Applied        uint64              `json:"applied"`
		Progress       map[string]progress `json:"progress"`
		LeadTransferee string              `json:"leadtransferee"`
	}{
		hex(s.ID), s.GetTerm(), hex(s.GetVote()), s.GetCommit(), hex(s.Lead), s.RaftState, s.Applied,
		members, hex(s.LeadTransferee),
	})
}

// String is the JSON form.
func (s Status) String() string {
	text, err := s.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(text)
}
