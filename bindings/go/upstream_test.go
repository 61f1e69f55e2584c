// One of our nodes among those of go.etcd.io/raft. This is the only file that knows its root
// package.

package raft

import (
	"fmt"
	"testing"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// What a program implements for one serves the other as well.
var (
	_ upstream.Storage = (*MemoryStorage)(nil)
	_ upstream.Storage = (*DurableStorage)(nil)
	_ Storage          = (*upstream.MemoryStorage)(nil)
	_ upstream.Logger  = Logger(nil)
)

// host is what both kinds of node need around them.
type host struct {
	id      uint64
	step    func(*pb.Message) error
	turn    func() [][]byte
	tick    func()
	propose func([]byte) error
	elect   func() error
	leads   func() bool
	state   string
	// request asks for a snapshot, which only one of ours can.
	request func() error
}

func (h *host) apply(entries []*pb.Entry) {
	for _, entry := range entries {
		if entry.GetType() == pb.EntryNormal {
			h.state += string(entry.GetData())
		}
	}
}

func oursAmong(t *testing.T, id uint64, voters []uint64) *host {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(voters...)))
	config := baseConfig(id)
	config.Storage = s
	node, err := NewRawNode(&config)
	must(t, err)
	t.Cleanup(func() { _ = node.Close() })
	h := &host{id: id, step: node.Step, tick: node.Tick, propose: node.Propose, elect: node.Campaign}
	h.request = node.RequestSnapshot
	h.leads = func() bool { return node.BasicStatus().RaftState == StateLeader }
	h.turn = func() (sent [][]byte) {
		for node.HasReady() {
			rd := node.Ready()
			must(t, memoryStore{s}.save(rd))
			encoded, err := rd.EncodedMessages()
			must(t, err)
			sent = append(sent, encoded...)
			h.apply(rd.CommittedEntries)
			node.Advance(rd)
		}
		must(t, node.Err())
		return sent
	}
	return h
}

func theirsAmong(t *testing.T, id uint64, voters []uint64) *host {
	s := upstream.NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(voters...)))
	must(t, s.SetHardState(&pb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))}))
	node, err := upstream.NewRawNode(&upstream.Config{
		ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: s, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true,
		Logger: &upstream.DefaultLogger{Logger: discard},
	})
	must(t, err)
	h := &host{id: id, step: node.Step, tick: node.Tick, propose: node.Propose, elect: node.Campaign}
	h.leads = func() bool { return node.BasicStatus().RaftState == upstream.StateLeader }
	h.turn = func() (sent [][]byte) {
		for node.HasReady() {
			rd := node.Ready()
			if rd.HardState != nil {
				must(t, s.SetHardState(rd.HardState))
			}
			must(t, s.Append(rd.Entries))
			for _, m := range rd.Messages {
				encoded, err := proto.Marshal(m)
				must(t, err)
				sent = append(sent, encoded)
			}
			h.apply(rd.CommittedEntries)
			node.Advance(rd)
		}
		return sent
	}
	return h
}

func TestOurNodeServesAmongUpstreams(t *testing.T) {
	voters := []uint64{1, 2, 3}
	hosts := map[uint64]*host{
		1: theirsAmong(t, 1, voters), 2: theirsAmong(t, 2, voters), 3: oursAmong(t, 3, voters),
	}
	lost := func(*pb.Message) bool { return false }
	settle := func() {
		for {
			var sent [][]byte
			for _, id := range voters {
				sent = append(sent, hosts[id].turn()...)
			}
			if len(sent) == 0 {
				return
			}
			for _, encoded := range sent {
				m := &pb.Message{}
				must(t, proto.Unmarshal(encoded, m))
				if lost(m) {
					continue
				}
				if err := hosts[m.GetTo()].step(m); err != nil {
					t.Fatalf("%d refuses %v: %v", m.GetTo(), m, err)
				}
			}
		}
	}
	want := ""
	number := 0
	write := func(through uint64) {
		data := fmt.Sprintf("%d.", number)
		number++
		must(t, hosts[through].propose([]byte(data)))
		settle()
		want += data
	}
	for round := range 9 {
		leader := voters[round%3]
		// Nobody is in the way of a new leader once the old one has been silent for a while.
		lost = func(m *pb.Message) bool { return !hosts[leader].leads() && m.GetType() == pb.MsgHeartbeat }
		for range 25 {
			for _, h := range hosts {
				h.tick()
			}
			settle()
			if hosts[leader].leads() {
				break
			}
			must(t, hosts[leader].elect())
			settle()
		}
		lost = func(*pb.Message) bool { return false }
		if !hosts[leader].leads() {
			t.Fatalf("%d does not become the leader", leader)
		}
		// Through each member, so that two of three are forwarded.
		for _, through := range voters {
			write(through)
		}
		// One is cut off for a while, and caught up afterwards.
		away := voters[(round+1)%3]
		lost = func(m *pb.Message) bool { return m.GetTo() == away || m.GetFrom() == away }
		for range 5 {
			write(leader)
		}
		lost = func(*pb.Message) bool { return false }
		for range 3 {
			for _, id := range voters {
				hosts[id].tick()
			}
			settle()
		}
		for _, id := range voters {
			if hosts[id].state != want {
				t.Fatalf("round %d: %d has %q instead of %q", round, id, hosts[id].state, want)
			}
		}
	}
}

// A leader of theirs takes a request for a snapshot for a refusal that has come late: nothing that
// it knows of us changes, and when we have waited in vain, we go on with its entries.
func TestARequestForASnapshotDoesNoHarmToAnUpstreamLeader(t *testing.T) {
	voters := []uint64{1, 2, 3}
	hosts := map[uint64]*host{
		1: theirsAmong(t, 1, voters), 2: theirsAmong(t, 2, voters), 3: oursAmong(t, 3, voters),
	}
	requests := 0
	away := uint64(0)
	settle := func() {
		for {
			var sent [][]byte
			for _, id := range voters {
				sent = append(sent, hosts[id].turn()...)
			}
			if len(sent) == 0 {
				return
			}
			for _, encoded := range sent {
				m := &pb.Message{}
				must(t, proto.Unmarshal(encoded, m))
				if _, found := unknownNumber(m, 101); found {
					requests++
				}
				if m.GetTo() != away && m.GetFrom() != away {
					must(t, hosts[m.GetTo()].step(m))
				}
			}
		}
	}
	tick := func(times int) {
		for range times {
			for _, id := range voters {
				hosts[id].tick()
			}
			settle()
		}
	}
	must(t, hosts[1].elect())
	settle()
	want := ""
	write := func(data string) {
		must(t, hosts[1].propose([]byte(data)))
		settle()
		want += data
	}
	write("a")
	must(t, hosts[3].request())
	settle()
	for _, data := range []string{"b", "c", "d"} {
		write(data)
		tick(1)
	}
	if requests < 4 {
		t.Fatalf("asked %d times", requests)
	}
	if hosts[1].state != want || hosts[3].state == want {
		t.Fatalf("the leader has %q, we have %q", hosts[1].state, hosts[3].state)
	}
	// Its word that it leads has to reach us all the while, or we would stand for election.
	tick(12)
	write("e")
	tick(3)
	before := requests
	// With one of theirs away, nothing is committed without us.
	away = 2
	write("f")
	tick(3)
	if hosts[1].state != want || hosts[3].state != want {
		t.Fatalf("the leader has %q, we have %q instead of %q", hosts[1].state, hosts[3].state, want)
	}
	if requests != before {
		t.Fatal("the request is given up by then")
	}
	if !hosts[1].leads() {
		t.Fatal("the leader has changed")
	}
}
