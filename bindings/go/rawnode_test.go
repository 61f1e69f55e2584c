package raft

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// quiet is a logger that keeps what it is told.
type quiet struct {
	DefaultLogger
	lines []string
}

func (q *quiet) Errorf(format string, v ...any)   { q.lines = append(q.lines, format) }
func (q *quiet) Warningf(format string, v ...any) { q.lines = append(q.lines, format) }

func TestAClusterElectsAndReplicates(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(2)
	want := ""
	for _, data := range numbered(50) {
		c.propose(leader, data)
		want += data
	}
	c.agree(want)

	// A follower passes proposals on.
	c.propose(c.members[3], "forwarded")
	c.agree(want + "forwarded")

	status := leader.node.Status()
	if status.Lead != 2 || status.ID != 2 || len(status.Progress) != 3 {
		t.Fatalf("the leader says %v", status)
	}
	for id, progress := range status.Progress {
		if progress.Match != status.GetCommit() || progress.IsLearner {
			t.Fatalf("%d has the progress %v", id, progress)
		}
	}
	if progress := status.Progress[1]; progress.State != tracker.StateReplicate || progress.Inflights.Count() != 0 {
		t.Fatalf("1 has the progress %v", progress)
	}
	if got := status.Config.Voters.String(); got != "(1 2 3)" {
		t.Fatalf("the voters are %s", got)
	}
	visited := 0
	leader.node.WithProgress(func(id uint64, kind ProgressType, pr tracker.Progress) {
		visited++
		if kind != ProgressTypePeer || pr.Match == 0 {
			t.Fatalf("%d has the progress %v", id, pr)
		}
	})
	if visited != 3 {
		t.Fatalf("%d members were visited", visited)
	}
	if text := status.String(); !strings.Contains(text, `"raftState":"StateLeader"`) {
		t.Fatal(text)
	}
	follower := c.members[1].node.Status()
	if follower.Lead != 2 || follower.RaftState != StateFollower || len(follower.Progress) != 0 {
		t.Fatalf("the follower says %v", follower)
	}
}

func TestElectionsComeWithTime(t *testing.T) {
	c := memoryCluster(t, 3)
	c.tick(40)
	leaders := 0
	for _, m := range c.members {
		if m.node.BasicStatus().RaftState == StateLeader {
			leaders++
		}
	}
	if leaders != 1 {
		t.Fatalf("%d leaders", leaders)
	}
}

func TestAnElectionTimeoutCanBeFixed(t *testing.T) {
	c := memoryCluster(t, 3)
	for id, ticks := range map[uint64]int{1: 19, 2: 12, 3: 19} {
		must(t, c.members[id].node.SetRandomizedElectionTimeout(ticks))
	}
	if err := c.members[1].node.SetRandomizedElectionTimeout(0); !errors.Is(err, &Error{Code: CodeArgument}) {
		t.Fatal(err)
	}
	c.tick(12)
	if got := c.members[2].node.BasicStatus().RaftState; got != StateLeader {
		t.Fatal(got)
	}
}

func TestProposalsAreDroppedWithAReason(t *testing.T) {
	c := memoryCluster(t, 3)
	node := c.members[1].node
	if err := node.Propose([]byte("x")); err != ErrProposalDropped {
		t.Fatal(err)
	}
	if reason := node.DropReason(); reason != DropNoLeader || reason.String() != "no leader" {
		t.Fatal(reason)
	}
	if err := node.ProposeMany([][]byte{{1}, {2}}); err != ErrProposalDropped {
		t.Fatal(err)
	}
	if err := node.TryReadIndex([]byte("x")); !errors.Is(err, &Error{Code: CodeReadDropped}) {
		t.Fatal(err)
	}
}

func TestProposeManyKeepsTheOrder(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	buffer := bytes.Repeat([]byte("x"), 100)
	must(t, leader.node.ProposeMany([][]byte{[]byte("a"), nil, []byte("b"), buffer[:0], []byte("c")}))
	must(t, leader.node.ProposeMany(nil))
	c.settle()
	c.agree("abc")
}

func TestBootstrapWritesOneEntryForEachPeer(t *testing.T) {
	c := newCluster(t)
	peers := []Peer{{ID: 1, Context: []byte("one")}, {ID: 2}, {ID: 3, Context: []byte("three")}}
	for _, peer := range peers {
		m := c.start(memoryStore{NewMemoryStorage()}, baseConfig(peer.ID))
		if err := m.node.Bootstrap(nil); !errors.Is(err, &Error{Code: CodeMisuse}) {
			t.Fatal(err)
		}
		must(t, m.node.Bootstrap(peers))
		if err := m.node.Bootstrap(peers); err == nil {
			t.Fatal("bootstrapped twice")
		}
	}
	c.propose(c.elect(3), "x")
	c.agree("x")
	entries, err := c.members[1].store.Entries(1, 4, 1<<20)
	must(t, err)
	for i, entry := range entries {
		var change pb.ConfChange
		must(t, proto.Unmarshal(entry.GetData(), &change))
		if change.GetNodeId() != peers[i].ID || !bytes.Equal(change.GetContext(), peers[i].Context) {
			t.Fatalf("entry %d is %v", i+1, &change)
		}
	}
}

func TestARestartedNodeGoesOn(t *testing.T) {
	for name, asStorage := range map[string]func(store) Storage{
		"memory": nil,
		// Each storage that is not the library's own is read through the interface.
		"durable through the interface": func(s store) Storage { return s },
		"durable":                       nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := memoryCluster(t, 3)
			if strings.HasPrefix(name, "durable") {
				c = durableCluster(t, 3, asStorage)
			}
			leader := c.elect(1)
			want := ""
			for i, data := range numbered(60) {
				c.propose(leader, data)
				want += data
				if i%7 == 3 {
					// The leader now and then.
					id := uint64(i%3 + 1)
					term := c.members[id].node.BasicStatus().GetTerm()
					m := c.restart(id)
					if got := m.node.BasicStatus(); got.GetTerm() != term || got.RaftState != StateFollower {
						t.Fatalf("after the restart: %v", got)
					}
					leader = c.leader()
				}
				if i == 30 {
					m := c.members[2]
					must(t, m.store.snapshotAt(m.applied, m.members, []byte(m.state)))
					must(t, m.store.Compact(m.applied-5))
				}
			}
			c.tick(2)
			c.agree(want)
		})
	}
}

func durableCluster(t *testing.T, size uint64, asStorage func(store) Storage) *cluster {
	c := newCluster(t)
	c.asStorage = asStorage
	voters := []uint64{}
	for id := uint64(1); id <= size; id++ {
		voters = append(voters, id)
	}
	for _, id := range voters {
		s := openDurable(t, filepath.Join(t.TempDir(), "log"))
		must(t, s.Bootstrap(firstSnapshot(voters...)))
		c.start(durableStore{s}, baseConfig(id))
	}
	return c
}

func openDurable(t *testing.T, dir string) *DurableStorage {
	s, err := OpenDurableStorage(dir)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestALaggingNodeIsBroughtUpBySnapshot(t *testing.T) {
	for _, name := range []string{"memory", "durable"} {
		t.Run(name, func(t *testing.T) {
			var c *cluster
			if name == "durable" {
				c = durableCluster(t, 3, nil)
			} else {
				c = memoryCluster(t, 3)
			}
			for _, id := range c.ids() {
				// Nothing stays in memory, so that the leader has to ask for what it sends.
				c.members[id].config.MaxCachedBytes = 1
				c.restart(id)
			}
			leader := c.elect(1)
			c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
			want := ""
			for _, data := range numbered(40) {
				c.propose(leader, data)
				want += data
			}
			must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))
			must(t, leader.store.Compact(leader.applied-3))
			first, err := leader.store.FirstIndex()
			must(t, err)
			if first != leader.applied-2 {
				t.Fatalf("the first index is %d", first)
			}
			c.propose(leader, "more")
			snapshots := 0
			c.drop = func(m *pb.Message) bool {
				if m.GetType() == pb.MsgSnap {
					snapshots++
				}
				return false
			}
			c.tick(20)
			c.agree(want + "more")
			if snapshots != 1 {
				t.Fatalf("%d snapshots were sent", snapshots)
			}
			c.propose(leader, "!")
			c.agree(want + "more!")
			// What it got is what it stands on.
			if m := c.restart(3); m.state != want {
				t.Fatalf("%q is in the snapshot", m.state)
			}
		})
	}
}

func TestALaggingNodeIsServedFromStorage(t *testing.T) {
	c := memoryCluster(t, 3)
	for _, id := range c.ids() {
		c.members[id].config.MaxCachedBytes = 1
		c.members[id].config.MaxSizePerMsg = 100
		c.restart(id)
	}
	leader := c.elect(1)
	c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
	want := ""
	for _, data := range numbered(100) {
		c.propose(leader, data)
		want += data
	}
	c.drop = func(m *pb.Message) bool {
		if m.GetType() == pb.MsgSnap {
			t.Fatal("a snapshot was sent")
		}
		return false
	}
	c.tick(20)
	c.agree(want)

	// Applied again after a restart: more than is handed out at once, and none of it in memory.
	c.restart(2)
	c.tick(5)
	c.agree(want)
}

func TestMembersComeAndGo(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	c.propose(leader, "a")
	must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))

	change := func(kind pb.ConfChangeType, id uint64) {
		t.Helper()
		must(t, leader.node.ProposeConfChange(&pb.ConfChange{Type: kind.Enum(), NodeId: new(id)}))
		c.settle()
	}
	change(pb.ConfChangeAddNode, 4)
	// A snapshot without the new member would not help it.
	must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))
	c.start(memoryStore{NewMemoryStorage()}, baseConfig(4))
	c.tick(5)
	c.propose(leader, "b")
	c.agree("ab")
	for _, m := range c.members {
		if got := m.members.GetVoters(); len(got) != 4 {
			t.Fatalf("the voters are %v", got)
		}
	}

	change(pb.ConfChangeRemoveNode, 2)
	must(t, c.members[2].node.Close())
	delete(c.members, 2)
	c.propose(leader, "c")
	c.agree("abc")

	// Two at once, through a joint configuration that the leader leaves on its own.
	must(t, leader.node.ProposeConfChange(&pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{
		{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(3))},
		{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(4))},
	}}))
	c.settle()
	status := leader.node.Status()
	if got := status.Config.String(); got != "voters=(1) learners=(3)" {
		t.Fatalf("the configuration is %s", got)
	}
	if !status.Progress[3].IsLearner {
		t.Fatalf("the progress of 3 is %v", status.Progress[3])
	}

	// A change that does not fit is refused, and the node lives.
	log := &quiet{}
	leader.node.logger = log
	state := leader.node.ApplyConfChange(&pb.ConfChange{
		Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(1)),
	})
	if len(state.GetVoters()) != 1 || len(log.lines) != 1 || leader.node.Err() != nil {
		t.Fatalf("%v, %v, %v", state, log.lines, leader.node.Err())
	}
}

func TestLeadershipIsTransferred(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	leader.node.TransferLeader(2)
	if got := leader.node.BasicStatus().LeadTransferee; got != 2 {
		t.Fatal(got)
	}
	if err := leader.node.Propose(nil); err != ErrProposalDropped || leader.node.DropReason() != DropTransferring {
		t.Fatal(err, leader.node.DropReason())
	}
	c.settle()
	if got := c.members[2].node.BasicStatus().RaftState; got != StateLeader {
		t.Fatal(got)
	}
	must(t, c.members[3].node.ForgetLeader())
	if got := c.members[3].node.BasicStatus().Lead; got != None {
		t.Fatal(got)
	}
	c.members[2].node.ReportUnreachable(1)
	c.propose(c.members[2], "x")
	c.tick(3)
	c.agree("x")
}

func TestReadsAreConfirmed(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	c.propose(leader, "x")
	for _, id := range c.ids() {
		c.members[id].node.ReadIndex([]byte{byte(id)})
		c.settle()
		if got := c.members[id].reads[string([]byte{byte(id)})]; got != leader.applied {
			t.Fatalf("%d may read at %d", id, got)
		}
	}
	// A leader that is cut off must not confirm anything.
	c.drop = func(m *pb.Message) bool { return m.GetFrom() == 1 || m.GetTo() == 1 }
	leader.node.ReadIndex([]byte("alone"))
	c.settle()
	if _, ok := leader.reads["alone"]; ok {
		t.Fatal("a leader on its own confirmed a read")
	}
}

func TestAsynchronousStorageWrites(t *testing.T) {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1)))
	config := baseConfig(1)
	config.Storage, config.AsyncStorageWrites = s, true
	config.Logger = &quiet{}
	node, err := NewRawNode(&config)
	must(t, err)
	defer node.Close()
	must(t, node.Campaign())
	applied := ""
	work := func() {
		for node.HasReady() {
			for _, m := range node.Ready().Messages {
				switch m.GetTo() {
				case LocalAppendThread:
					must(t, s.Append(m.Entries))
				case LocalApplyThread:
					for _, entry := range m.Entries {
						applied += string(entry.GetData())
					}
				}
				for _, response := range m.GetResponses() {
					must(t, node.Step(response))
				}
			}
		}
	}
	work()
	must(t, node.Propose([]byte("a")))
	must(t, node.Propose([]byte("b")))
	work()
	if applied != "ab" {
		t.Fatal(applied)
	}
}

func TestGarbageChangesNothing(t *testing.T) {
	c := memoryCluster(t, 3)
	leader := c.elect(1)
	c.propose(leader, "before")
	random := rand.New(rand.NewPCG(1, 2))
	sample, err := proto.Marshal(&pb.Message{
		Type: pb.MsgApp.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(1)),
		Index: new(uint64(2)), LogTerm: new(uint64(1)), Commit: new(uint64(3)),
		Entries: []*pb.Entry{{Term: new(uint64(1)), Index: new(uint64(3)), Data: []byte("data")}},
	})
	must(t, err)
	node := c.members[3].node
	before := node.BasicStatus()
	refused := 0
	for range 20000 {
		junk := make([]byte, random.IntN(60))
		for i := range junk {
			junk[i] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			junk = sample[:random.IntN(len(sample))]
		}
		if node.StepEncoded(junk) != nil {
			refused++
		}
		must(t, node.Err())
	}
	if refused == 0 {
		t.Fatal("nothing was refused")
	}
	for _, kind := range []pb.MessageType{pb.MsgHup, pb.MsgBeat, pb.MsgCheckQuorum, pb.MsgStorageAppendResp} {
		err := node.Step(&pb.Message{Type: kind.Enum(), From: new(uint64(2))})
		if err != ErrStepLocalMsg {
			t.Fatalf("%v: %v", kind, err)
		}
	}
	if err := node.Step(nil); err != ErrStepLocalMsg {
		t.Fatal(err)
	}
	err = node.Step(&pb.Message{Type: pb.MsgAppResp.Enum(), From: new(uint64(77)), Term: new(uint64(1))})
	if err != ErrStepPeerNotFound {
		t.Fatal(err)
	}
	impossible := &pb.Message{
		Type: pb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(uint64(3)),
		Term: new(before.GetTerm()), Commit: new(uint64(1000)),
	}
	if err := node.Step(impossible); !errors.Is(err, &Error{Code: CodeImpossible}) {
		t.Fatal(err)
	}
	if after := node.BasicStatus(); !proto.Equal(after.HardState, before.HardState) {
		t.Fatalf("%v became %v", before, after)
	}
	c.propose(leader, "after")
	c.agree("beforeafter")
}

func TestConfigurationsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no id":                  func(c *Config) { c.ID = 0 },
		"a worker's id":          func(c *Config) { c.ID = LocalApplyThread },
		"no storage":             func(c *Config) { c.Storage = nil },
		"no heartbeat":           func(c *Config) { c.HeartbeatTick = 0 },
		"a negative heartbeat":   func(c *Config) { c.HeartbeatTick = -1 },
		"a hasty election":       func(c *Config) { c.ElectionTick = 1 },
		"a huge election":        func(c *Config) { c.ElectionTick = 1 << 40 },
		"nothing in flight":      func(c *Config) { c.MaxInflightMsgs = 0 },
		"little in flight":       func(c *Config) { c.MaxInflightBytes = 1 },
		"leases without quorum":  func(c *Config) { c.ReadOnlyOption, c.CheckQuorum = ReadOnlyLeaseBased, false },
		"an unknown read option": func(c *Config) { c.ReadOnlyOption = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			config := baseConfig(1)
			config.Storage = NewMemoryStorage()
			spoil(&config)
			_, err := NewRawNode(&config)
			if !errors.Is(err, &Error{Code: CodeConfig}) {
				t.Fatal(err)
			}
		})
	}
	config := baseConfig(1)
	config.Storage = NewMemoryStorage()
	config.Applied = 5
	if _, err := NewRawNode(&config); !errors.Is(err, &Error{Code: CodeRestartState}) {
		t.Fatal(err)
	}
}

func TestCloseMayBeRepeated(t *testing.T) {
	c := memoryCluster(t, 1)
	node := c.elect(1).node
	must(t, node.Propose([]byte("x")))
	rd := node.Ready()
	must(t, node.Close())
	must(t, node.Close())
	if err := node.Err(); err != ErrClosed {
		t.Fatal(err)
	}
	if err := node.Propose(nil); err != ErrClosed {
		t.Fatal(err)
	}
	if err := node.Step(&pb.Message{}); err != ErrClosed {
		t.Fatal(err)
	}
	node.Tick()
	node.Advance(rd)
	if node.HasReady() || hasWork(node.Ready()) || node.BasicStatus().Applied != 0 {
		t.Fatal("a closed node has something to say")
	}
	// What it gave stays whole.
	if data := rd.Entries[0].GetData(); string(data) != "x" {
		t.Fatal(data)
	}
}

func TestAReadyOutlivesTheNext(t *testing.T) {
	c := memoryCluster(t, 1)
	leader := c.elect(1)
	var kept []Ready
	for _, data := range numbered(100) {
		must(t, leader.node.Propose([]byte(data)))
		for leader.node.HasReady() {
			rd := leader.node.Ready()
			must(t, leader.store.save(rd))
			leader.node.Advance(rd)
			kept = append(kept, rd)
		}
	}
	runtime.GC()
	all := ""
	for _, rd := range kept {
		for _, entry := range rd.CommittedEntries {
			all += string(entry.GetData())
		}
	}
	if want := strings.Join(numbered(100), ""); all != want {
		t.Fatalf("%q instead of %q", all, want)
	}
}

// residentBytes is what the process takes of the machine's memory, the library's part included.
func residentBytes(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("this system does not tell a process how large it is")
	}
	var size, resident int64
	for i, word := range strings.Fields(string(status))[:2] {
		number := int64(0)
		for _, digit := range word {
			number = 10*number + int64(digit-'0')
		}
		if i == 0 {
			size = number
		} else {
			resident = number
		}
	}
	_ = size
	return resident * int64(os.Getpagesize())
}

func TestForgottenNodesAreFreed(t *testing.T) {
	payload := bytes.Repeat([]byte("x"), 1<<20)
	forget := func() {
		s := NewMemoryStorage()
		must(t, s.ApplySnapshot(firstSnapshot(1)))
		config := baseConfig(1)
		config.Storage = s
		node, err := NewRawNode(&config)
		must(t, err)
		must(t, node.Campaign())
		for node.HasReady() {
			rd := node.Ready()
			must(t, memoryStore{s}.save(rd))
			node.Advance(rd)
		}
		// Two megabytes that only the library has.
		for range 2 {
			must(t, node.Propose(payload))
		}
		// Some are forgotten with a Ready, which refers to the node.
		if node.HasReady() {
			_ = node.Ready()
		}
	}
	measure := func() int64 {
		for range 3 {
			runtime.GC()
		}
		return residentBytes(t)
	}
	for range 20 {
		forget()
		runtime.GC()
	}
	before := measure()
	for range 300 {
		forget()
		runtime.GC()
	}
	if grown := measure() - before; grown > 200<<20 {
		t.Fatalf("300 forgotten nodes of 2 MiB have left %d MiB", grown>>20)
	}
}

func TestMemoryStaysFlatUnderLoad(t *testing.T) {
	c := memoryCluster(t, 3)
	for _, id := range c.ids() {
		c.members[id].config.MaxCachedBytes = 1 << 20
		c.restart(id)
	}
	leader := c.elect(1)
	payload := bytes.Repeat([]byte("x"), 1<<10)
	round := func() {
		for range 200 {
			must(t, leader.node.ProposeMany([][]byte{payload, payload, payload, payload}))
			c.settle()
			for _, m := range c.members {
				m.state = ""
			}
		}
		for _, m := range c.members {
			must(t, m.store.snapshotAt(m.applied, m.members, nil))
			must(t, m.store.Compact(m.applied-10))
		}
		runtime.GC()
	}
	for range 5 {
		round()
	}
	before := residentBytes(t)
	for range 40 {
		round()
	}
	// 40 rounds put 94 MiB through the three nodes.
	if grown := residentBytes(t) - before; grown > 40<<20 {
		t.Fatalf("memory has grown by %d MiB", grown>>20)
	}
}

// What is applied ahead of the log may have been saved and compacted before the node hears of it.
func TestCompactionBeforeTheNodeKnowsOfAWrite(t *testing.T) {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
	config := baseConfig(1)
	config.Storage, config.AsyncStorageWrites, config.MaxApplyUnpersistedEntries = s, true, 100
	config.PreVote, config.CheckQuorum = false, false
	node, err := NewRawNode(&config)
	must(t, err)
	defer func() { _ = node.Close() }()
	var saved []*pb.Message
	work := func() {
		for node.HasReady() {
			for _, m := range node.Ready().Messages {
				switch m.GetTo() {
				case LocalAppendThread:
					must(t, s.Append(m.Entries))
					saved = append(saved, m.Responses...)
				case LocalApplyThread:
					for _, response := range m.Responses {
						must(t, node.Step(response))
					}
				}
			}
		}
	}
	hear := func() {
		for _, response := range saved {
			if response.GetTo() == 1 {
				must(t, node.Step(response))
			}
		}
		saved = nil
		work()
	}
	answer := func(kind pb.MessageType, index uint64) {
		for _, from := range []uint64{2, 3} {
			must(t, node.Step(&pb.Message{
				Type: kind.Enum(), From: new(from), To: new(uint64(1)),
				Term: new(node.BasicStatus().GetTerm()), Index: new(index),
			}))
		}
	}
	must(t, node.Campaign())
	work()
	hear()
	answer(pb.MsgVoteResp, 0)
	work()
	last, err := s.LastIndex()
	must(t, err)
	answer(pb.MsgAppResp, last)
	work()
	if applied := node.BasicStatus().Applied; applied != last {
		t.Fatalf("%d is applied instead of %d", applied, last)
	}
	_, err = s.CreateSnapshot(last, nil, nil)
	must(t, err)
	must(t, s.Compact(last))
	work()
	must(t, node.Err())
	hear()
	must(t, node.Propose([]byte("a")))
	work()
	must(t, node.Err())
}
