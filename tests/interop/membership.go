// Changes of the members.

package main

import (
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

// changeMembers proposes a change to the leader. What it proposes is right in the configuration
// that the leader has applied, and the leader takes nothing while another change is in its log: so
// nobody ever has to apply one that does not fit.
func (c *cluster) changeMembers() error {
	leader := c.leader()
	if leader == nil {
		return nil
	}
	confState := c.history.confState(leader.applied)
	if len(confState.GetVotersOutgoing()) > 0 {
		if confState.GetAutoLeave() {
			return nil
		}
		return c.leaveJoint(leader)
	}
	voters, learners := slices.Clone(confState.GetVoters()), slices.Clone(confState.GetLearners())
	// The voters that stay are a majority of the old ones. A leader that leaves may have entries that
	// no other has, and so refuse its vote, when the others, who don't know yet that the change is
	// committed, need it; and be no candidate itself, because it does know. Nobody could ever be
	// elected.
	mayLeave := len(voters) - (len(voters)/2 + 1)
	draft := func() *pb.ConfChangeSingle {
		single := func(kind pb.ConfChangeType, id uint64) *pb.ConfChangeSingle {
			return &pb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(id)}
		}
		switch c.rng.IntN(7) {
		case 0, 1:
			if id := c.newMember(len(voters) + len(learners)); id != 0 {
				voters = append(voters, id)
				return single(pb.ConfChangeAddNode, id)
			}
		case 2:
			if id := c.newMember(len(voters) + len(learners)); id != 0 {
				return single(pb.ConfChangeAddLearnerNode, id)
			}
		case 3:
			if len(learners) > 0 {
				i := c.rng.IntN(len(learners))
				id := learners[i]
				learners = slices.Delete(learners, i, i+1)
				return single(pb.ConfChangeAddNode, id)
			}
		case 4, 5:
			if mayLeave > 0 {
				mayLeave--
				i := c.rng.IntN(len(voters))
				id := voters[i]
				voters = slices.Delete(voters, i, i+1)
				if c.rng.IntN(3) == 0 {
					return single(pb.ConfChangeAddLearnerNode, id)
				}
				return single(pb.ConfChangeRemoveNode, id)
			}
		case 6:
			if len(learners) > 0 && c.rng.IntN(2) == 0 {
				i := c.rng.IntN(len(learners))
				id := learners[i]
				learners = slices.Delete(learners, i, i+1)
				return single(pb.ConfChangeRemoveNode, id)
			}
			return single(pb.ConfChangeUpdateNode, voters[c.rng.IntN(len(voters))])
		}
		return nil
	}
	first := draft()
	if first == nil {
		return nil
	}
	var change proto.Message
	kind := pb.EntryConfChangeV2
	switch form := c.rng.IntN(5); form {
	case 0, 1:
		kind = pb.EntryConfChange
		change = &pb.ConfChange{Type: first.Type, NodeId: first.NodeId, Context: []byte("context")}
	default:
		v2 := &pb.ConfChangeV2{
			Transition: pb.ConfChangeTransition(c.rng.IntN(3)).Enum(), Changes: []*pb.ConfChangeSingle{first},
		}
		for range c.rng.IntN(3) {
			// A member is changed at most once, so that the order does not matter.
			next := draft()
			if next != nil && !slices.ContainsFunc(v2.Changes, func(other *pb.ConfChangeSingle) bool {
				return other.GetNodeId() == next.GetNodeId()
			}) {
				v2.Changes = append(v2.Changes, next)
			}
		}
		change = v2
	}
	data, err := deterministic.Marshal(change)
	if err != nil {
		return err
	}
	c.note("%d proposes %v", leader.id, change)
	_, err = c.call(leader, &member.Request{Op: member.ProposeConfChange, A: uint64(kind), X: data})
	return c.andWork(leader, err)
}

// leaveJoint proposes to leave a joint configuration.
func (c *cluster) leaveJoint(leader *server) error {
	_, err := c.call(leader, &member.Request{
		Op: member.ProposeConfChange, A: uint64(pb.EntryConfChangeV2),
	})
	return c.andWork(leader, err)
}

// newMember is a server that has never been one, 0 if there are to be no more.
func (c *cluster) newMember(members int) uint64 {
	if members >= 6 {
		return 0
	}
	for _, s := range c.servers {
		if s.id > c.first && s.up && !c.wasMember(s.id) && s.applied == 0 {
			return s.id
		}
	}
	if len(c.servers) >= maxServers {
		return 0
	}
	s := c.newServer()
	if err := c.start(s, c.someImpl()); err != nil {
		c.note("%d can't start: %v", s.id, err)
		return 0
	}
	return s.id
}

// onChange counts what kind of change was applied, and to whose log it was added.
func (c *cluster) onChange(entry *pb.Entry, before *pb.ConfState) {
	if c.bootstraps && entry.GetIndex() <= c.first {
		return
	}
	var changes []*pb.ConfChangeSingle
	form := "v1"
	if entry.GetType() == pb.EntryConfChange {
		change, err := decode(entry.GetData(), &pb.ConfChange{})
		if err != nil {
			return
		}
		changes = []*pb.ConfChangeSingle{{Type: change.Type, NodeId: change.NodeId}}
	} else {
		change, err := decode(entry.GetData(), &pb.ConfChangeV2{})
		if err != nil {
			return
		}
		changes = change.Changes
		auto, joint := change.EnterJoint()
		switch {
		case change.LeaveJoint() && before.GetAutoLeave():
			form = "leave a joint configuration automatically"
		case change.LeaveJoint():
			form = "leave a joint configuration"
		case !joint:
			form = "v2 simple"
		case !auto:
			form = "v2 joint explicit"
		case change.GetTransition() == pb.ConfChangeTransitionAuto:
			form = "v2 joint auto"
		default:
			form = "v2 joint implicit"
		}
	}
	c.seen.changes[form]++
	c.seen.changesBy[c.seen.implOf[entry.GetTerm()]]++
	for _, change := range changes {
		id := change.GetNodeId()
		voter, learner := slices.Contains(before.GetVoters(), id), slices.Contains(before.GetLearners(), id)
		what := ""
		switch change.GetType() {
		case pb.ConfChangeAddNode:
			what = "add a voter"
			if learner {
				what = "promote a learner"
			}
		case pb.ConfChangeAddLearnerNode:
			what = "add a learner"
			if voter {
				what = "demote a voter"
			}
		case pb.ConfChangeRemoveNode:
			what = "remove a voter"
			if learner {
				what = "remove a learner"
			}
		case pb.ConfChangeUpdateNode:
			what = "update"
		}
		c.seen.changes[what]++
	}
}
