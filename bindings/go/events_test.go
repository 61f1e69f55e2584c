package raft

import (
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// told is a Ready, and what the node told besides.
type told struct {
	Ready
	events  []Event
	dropped []Dropped
}

// reporting is a group of two whose nodes tell each other what they drop, with its messages.
func reporting(t *testing.T) (nodes map[uint64]*RawNode, work func() map[uint64][]told) {
	t.Helper()
	nodes = map[uint64]*RawNode{}
	stores := map[uint64]*MemoryStorage{}
	for id := uint64(1); id <= 2; id++ {
		store := NewMemoryStorage()
		voters := pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			Index: proto.Uint64(1), Term: proto.Uint64(1), ConfState: &pb.ConfState{Voters: []uint64{1, 2}},
		}}
		if err := store.ApplySnapshot(&voters); err != nil {
			t.Fatal(err)
		}
		node, err := NewRawNode(&Config{
			ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: store, MaxInflightMsgs: 16,
			MaxSizePerMsg: 1 << 20, PreVote: true, CheckQuorum: true, PeerReports: true, Seed: id,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = node.Close() })
		nodes[id], stores[id] = node, store
	}
	work = func() map[uint64][]told {
		readys := map[uint64][]told{}
		for busy := true; busy; {
			busy = false
			for id := uint64(1); id <= 2; id++ {
				for nodes[id].HasReady() {
					busy = true
					ready := nodes[id].Ready()
					readys[id] = append(readys[id], told{ready, nodes[id].Events(), nodes[id].Dropped()})
					if !IsEmptyHardState(ready.HardState) {
						_ = stores[id].SetHardState(ready.HardState)
					}
					_ = stores[id].Append(ready.Entries)
					for _, m := range ready.Messages {
						// As it goes over the wire: a program with other definitions must read it.
						encoded, err := proto.Marshal(m)
						if err != nil {
							t.Fatal(err)
						}
						again := &pb.Message{}
						if err := proto.Unmarshal(encoded, again); err != nil {
							t.Fatal(err)
						}
						if err := nodes[m.GetTo()].Step(again); err != nil {
							t.Errorf("%v: %v", m, err)
						}
					}
					nodes[id].Advance(ready)
				}
			}
		}
		return readys
	}
	return nodes, work
}

func TestEventsTellOfAnElection(t *testing.T) {
	nodes, work := reporting(t)
	if err := nodes[1].Campaign(); err != nil {
		t.Fatal(err)
	}
	seen := map[EventType]int{}
	for _, ready := range work()[1] {
		for _, event := range ready.events {
			seen[event.Type]++
			if event.Type == EventCampaignStarted && event.ReasonName() == "" {
				t.Errorf("%v has no reason", event)
			}
		}
	}
	if seen[EventElectionWon] != 1 || seen[EventCampaignStarted] != 2 || seen[EventLeaderChanged] != 1 {
		t.Fatalf("an election is told as %v", seen)
	}
	if name := EventElectionWon.String(); name != "RAFT_EVENT_ELECTION_WON" {
		t.Fatalf("its name is %q", name)
	}
	metrics := nodes[1].Metrics()
	if metrics.ElectionsWon != 1 || metrics.EntriesAppended != 1 || metrics.EventsLost != 0 {
		t.Fatalf("the counters are %+v", metrics)
	}
}

func TestAFollowerHearsOfARefusedChange(t *testing.T) {
	nodes, work := reporting(t)
	if err := nodes[1].Campaign(); err != nil {
		t.Fatal(err)
	}
	work()
	// There is no joint configuration to leave, and the follower can't know.
	if err := nodes[2].ProposeConfChange(&pb.ConfChangeV2{}); err != nil {
		t.Fatal(err)
	}
	var dropped []Dropped
	for _, ready := range work()[2] {
		dropped = append(dropped, ready.dropped...)
	}
	if len(dropped) != 1 || dropped[0].Kind != DroppedConfChange || dropped[0].Reason != DropNotJoint {
		t.Fatalf("it is told %v", dropped)
	}
	if name := dropped[0].ReasonName(); name != "RAFT_DROP_NOT_JOINT" {
		t.Fatalf("the reason's name is %q", name)
	}
	if metrics := nodes[2].Metrics(); metrics.ReportsReceived != 1 || metrics.ProposalsForwarded != 1 {
		t.Fatalf("the counters are %+v", metrics)
	}
}

// What the extension adds to messages is nothing but unknown fields to the definitions of
// go.etcd.io/raft, whose other fields stay as they are.
func TestWhatReportsAddIsUnknownToUpstream(t *testing.T) {
	nodes, work := reporting(t)
	if err := nodes[1].Campaign(); err != nil {
		t.Fatal(err)
	}
	readys := work()[1]
	if err := nodes[2].Propose([]byte("passed on")); err != nil {
		t.Fatal(err)
	}
	readys = append(readys, told{Ready: nodes[2].Ready()})
	found := map[pb.MessageType]bool{}
	for _, ready := range readys {
		encoded, err := ready.EncodedMessages()
		if err != nil {
			t.Fatal(err)
		}
		for _, bytes := range encoded {
			m := &pb.Message{}
			if err := proto.Unmarshal(bytes, m); err != nil {
				t.Fatal(err)
			}
			extended := len(m.ProtoReflect().GetUnknown()) > 0
			if extended {
				found[m.GetType()] = true
			}
			if m.GetType() == pb.MsgProp && string(m.GetEntries()[0].GetData()) != "passed on" {
				t.Errorf("the proposal reads %v", m)
			}
		}
	}
	if !found[pb.MsgPreVote] || !found[pb.MsgVote] || !found[pb.MsgProp] || len(found) != 3 {
		t.Fatalf("unknown fields are in %v", found)
	}
}
