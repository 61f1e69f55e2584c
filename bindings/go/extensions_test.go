// What go.etcd.io/raft has not, and what its nodes make of it on the wire.

package raft

import (
	"errors"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// number finds a varint among the fields of a message that raftpb doesn't know.
func unknownNumber(m *pb.Message, field protowire.Number) (uint64, bool) {
	rest := m.ProtoReflect().GetUnknown()
	for len(rest) > 0 {
		number, kind, n := protowire.ConsumeField(rest)
		tagged := rest[:n]
		_ = kind
		rest = rest[n:]
		if number == field {
			_, _, tag := protowire.ConsumeTag(tagged)
			value, _ := protowire.ConsumeVarint(tagged[tag:])
			return value, true
		}
	}
	return 0, false
}

func TestAPriorityTravelsInAFieldThatRaftpbPassesOver(t *testing.T) {
	for _, priority := range []int64{0, 3, -2} {
		c := newCluster(t)
		s := NewMemoryStorage()
		must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
		config := baseConfig(1)
		config.Priority = priority
		m := c.start(memoryStore{s}, config)
		must(t, m.node.Campaign())
		asked := 0
		for m.node.HasReady() {
			rd := m.node.Ready()
			must(t, m.store.save(rd))
			encoded, err := rd.EncodedMessages()
			must(t, err)
			for _, bytes := range encoded {
				decoded := &pb.Message{}
				must(t, proto.Unmarshal(bytes, decoded))
				if decoded.GetType() != pb.MsgPreVote {
					continue
				}
				asked++
				value, found := unknownNumber(decoded, 100)
				if found != (priority != 0) || protowire.DecodeZigZag(value) != priority {
					t.Fatalf("priority %d is %d on the wire: %v", priority, value, found)
				}
			}
			m.node.Advance(rd)
		}
		if asked != 2 {
			t.Fatalf("asked %d nodes", asked)
		}
	}
}

func TestAVoterRefusesACandidateOfLowerPriority(t *testing.T) {
	c := memoryCluster(t, 3)
	must(t, c.members[2].node.SetPriority(1))
	must(t, c.members[3].node.SetPriority(1))
	must(t, c.members[1].node.Campaign())
	c.settle()
	if c.members[1].node.BasicStatus().RaftState == StateLeader {
		t.Fatal("a candidate of lower priority was elected")
	}
	must(t, c.members[1].node.SetPriority(1))
	c.elect(1)
}

func TestElectionTimeoutsKeepToTheirBounds(t *testing.T) {
	config := baseConfig(1)
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1, 2)))
	config.Storage = s
	config.MinElectionTick, config.MaxElectionTick = 30, 31
	node, err := NewRawNode(&config)
	must(t, err)
	defer func() { _ = node.Close() }()
	for range 29 {
		node.Tick()
	}
	if state := node.BasicStatus().RaftState; state != StateFollower {
		t.Fatalf("%v after 29 ticks", state)
	}
	node.Tick()
	if state := node.BasicStatus().RaftState; state != StatePreCandidate {
		t.Fatalf("%v after 30 ticks", state)
	}
	for _, bounds := range [][2]int{{-1, 0}, {5, 0}, {30, 30}, {0, 10}} {
		config.MinElectionTick, config.MaxElectionTick = bounds[0], bounds[1]
		if _, err := NewRawNode(&config); !errors.Is(err, &Error{Code: CodeConfig}) {
			t.Fatalf("%v: %v", bounds, err)
		}
	}
}

func TestGroupCommitWaitsForASecondGroup(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	must(t, leader.node.AssignCommitGroups([]CommitGroup{{1, 1}, {2, 1}, {3, 2}}))
	must(t, leader.node.EnableGroupCommit(true))
	if consistent, known, err := leader.node.GroupCommitConsistent(); !consistent || !known || err != nil {
		t.Fatal(consistent, known, err)
	}
	if _, known, err := c.members[2].node.GroupCommitConsistent(); known || err != nil {
		t.Fatal(known, err)
	}
	err := leader.node.AssignCommitGroups([]CommitGroup{{1, 0}})
	if !errors.Is(err, &Error{Code: CodeMisuse}) {
		t.Fatal(err)
	}
	c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
	c.propose(leader, "a")
	c.settle()
	if leader.state != "" {
		t.Fatalf("%q is applied, and only one group has it", leader.state)
	}
	must(t, leader.node.ClearCommitGroups())
	must(t, leader.node.EnableGroupCommit(false))
	c.settle()
	if leader.state != "a" {
		t.Fatalf("%q is applied", leader.state)
	}
}

func TestAFollowerGetsTheSnapshotThatItAsksFor(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	c.propose(leader, "a")
	c.tick(1)
	if err := leader.node.RequestSnapshot(); !errors.Is(err, &Error{Code: CodeSnapDropped}) {
		t.Fatal(err)
	}
	asking := c.members[2]
	must(t, asking.node.RequestSnapshot())
	c.tick(2)
	first, err := asking.store.FirstIndex()
	must(t, err)
	if first != 2 {
		t.Fatal("an old snapshot was sent")
	}
	must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))
	c.tick(2)
	first, err = asking.store.FirstIndex()
	must(t, err)
	if first != leader.applied+1 || asking.state != "a" {
		t.Fatalf("the log begins at %d, the state is %q", first, asking.state)
	}
	c.propose(leader, "b")
	c.tick(1)
	c.agree("ab")
}

func TestTheWindowToAMemberCanBeSet(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
	must(t, leader.node.SetInflightLimits(3, 1, 0))
	next := func() uint64 { return leader.node.Status().Progress[3].Next }
	for range 3 {
		c.propose(leader, "a")
		c.settle()
	}
	waiting := next()
	must(t, leader.node.SetInflightLimits(3, 8, 0))
	c.settle()
	if next() != waiting+2 {
		t.Fatalf("next was %d and is %d", waiting, next())
	}
	if err := leader.node.SetInflightLimits(0, 1, 0); !errors.Is(err, &Error{Code: CodeMisuse}) {
		t.Fatal(err)
	}
}

func TestALeaderMayApplyWhatItHasNotSaved(t *testing.T) {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
	config := baseConfig(1)
	config.Storage = s
	config.AsyncStorageWrites = true
	config.PreVote = false
	node, err := NewRawNode(&config)
	must(t, err)
	defer func() { _ = node.Close() }()
	applied := 0
	turn := func(save bool) {
		for node.HasReady() {
			rd := node.Ready()
			for _, m := range rd.Messages {
				switch m.GetTo() {
				case LocalAppendThread:
					if !save {
						continue
					}
					must(t, s.Append(m.GetEntries()))
				case LocalApplyThread:
					applied += len(m.GetEntries())
				default:
					continue
				}
				for _, response := range m.GetResponses() {
					if response.GetTo() == 1 {
						must(t, node.Step(response))
					}
				}
			}
		}
	}
	answer := func(kind pb.MessageType, index uint64) {
		term := node.BasicStatus().HardState.GetTerm()
		must(t, node.Step(&pb.Message{
			Type: kind.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: &term, Index: &index,
		}))
		must(t, node.Step(&pb.Message{
			Type: kind.Enum(), To: new(uint64(1)), From: new(uint64(3)), Term: &term, Index: &index,
		}))
	}
	must(t, node.Campaign())
	turn(true)
	answer(pb.MsgVoteResp, 0)
	turn(true)
	answer(pb.MsgAppResp, 2)
	turn(true)
	applied = 0
	for range 3 {
		must(t, node.Propose([]byte("a")))
	}
	turn(false)
	answer(pb.MsgAppResp, 5)
	turn(false)
	if applied != 0 {
		t.Fatalf("%d entries were handed out", applied)
	}
	must(t, node.SetMaxApplyUnpersistedEntries(2))
	turn(false)
	if applied != 2 {
		t.Fatalf("%d entries were handed out", applied)
	}
}
