// A cluster in one goroutine: nodes, their storages and their state machines, and a network of
// marshalled bytes. Nothing in it depends on time, so that a failure repeats exactly.

package raft

import (
	"errors"
	"fmt"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// store is what the harness needs of both storages.
type store interface {
	Storage
	save(Ready) error
	snapshotAt(index uint64, cs *pb.ConfState, data []byte) error
	Compact(index uint64) error
}

type memoryStore struct{ *MemoryStorage }

func (s memoryStore) save(rd Ready) error {
	if !IsEmptySnap(rd.Snapshot) {
		if err := s.ApplySnapshot(rd.Snapshot); err != nil {
			return err
		}
	}
	if rd.HardState != nil {
		if err := s.SetHardState(rd.HardState); err != nil {
			return err
		}
	}
	return s.Append(rd.Entries)
}

func (s memoryStore) snapshotAt(index uint64, cs *pb.ConfState, data []byte) error {
	_, err := s.CreateSnapshot(index, cs, data)
	return err
}

// durableStore embeds the interface as well, so that nodes on it know nothing of the library's own
// storage unless they are given the *DurableStorage itself.
type durableStore struct{ *DurableStorage }

func (s durableStore) save(rd Ready) error { return s.Save(rd) }

func (s durableStore) snapshotAt(index uint64, cs *pb.ConfState, data []byte) error {
	return s.CreateSnapshot(index, cs, data)
}

// member is a node with all that its host has.
type member struct {
	node    *RawNode
	store   store
	config  Config
	members *pb.ConfState
	// The state machine: the payloads of all applied entries, joined.
	state   string
	applied uint64
	reads   map[string]uint64
}

type cluster struct {
	t       *testing.T
	members map[uint64]*member
	// Encoded messages on their way.
	network [][]byte
	// drop says which messages get lost.
	drop func(m *pb.Message) bool
	// filter turns what a storage is into what the node is told it is.
	asStorage func(store) Storage
	// mayStop says that a node is expected to stop.
	mayStop bool
	// Where every other Ready is, of whatever member it is.
	buffer ReadyBuffer
	turns  int
}

func baseConfig(id uint64) Config {
	return Config{
		ID:              id,
		ElectionTick:    10,
		HeartbeatTick:   1,
		MaxSizePerMsg:   1 << 20,
		MaxInflightMsgs: 256,
		CheckQuorum:     true,
		PreVote:         true,
		Seed:            id,
	}
}

func firstSnapshot(voters ...uint64) *pb.Snapshot {
	return &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: voters},
		Index:     new(uint64(1)),
		Term:      new(uint64(1)),
	}}
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, members: map[uint64]*member{}}
	t.Cleanup(func() {
		for _, m := range c.members {
			_ = m.node.Close()
		}
	})
	return c
}

// memoryCluster has first members 1..=size on memory storages.
func memoryCluster(t *testing.T, size uint64) *cluster {
	c := newCluster(t)
	voters := []uint64{}
	for id := uint64(1); id <= size; id++ {
		voters = append(voters, id)
	}
	for _, id := range voters {
		s := NewMemoryStorage()
		must(t, s.ApplySnapshot(firstSnapshot(voters...)))
		c.start(memoryStore{s}, baseConfig(id))
	}
	return c
}

func (c *cluster) start(s store, config Config) *member {
	c.t.Helper()
	m := &member{store: s, config: config, reads: map[string]uint64{}}
	config.Storage = s
	if durable, ok := s.(durableStore); ok {
		config.Storage = durable.DurableStorage
	}
	if c.asStorage != nil {
		config.Storage = c.asStorage(s)
	}
	snapshot, err := s.Snapshot()
	must(c.t, err)
	m.restore(snapshot)
	config.Applied = m.applied
	node, err := NewRawNode(&config)
	must(c.t, err)
	m.node = node
	c.members[config.ID] = m
	return m
}

// restart forgets all but what is stored.
func (c *cluster) restart(id uint64) *member {
	old := c.members[id]
	must(c.t, old.node.Close())
	return c.start(old.store, old.config)
}

func (m *member) restore(s *pb.Snapshot) {
	m.state, m.applied = string(s.GetData()), s.GetMetadata().GetIndex()
	m.members = s.GetMetadata().GetConfState()
}

// turn does what a host does while there is a Ready.
func (c *cluster) turn(m *member) {
	c.t.Helper()
	for rounds := 0; m.node.HasReady(); rounds++ {
		if rounds > 10000 {
			c.t.Fatal("a node is never done")
		}
		var rd Ready
		if c.turns++; c.turns%2 == 0 {
			rd = m.node.Ready()
		} else {
			rd = m.node.ReadyInto(&c.buffer)
		}
		if !hasWork(rd) && m.node.Err() == nil {
			c.t.Fatal("a node is ready and has nothing to say")
		}
		if c.mayStop && m.node.Err() != nil {
			return
		}
		must(c.t, m.node.Err())
		must(c.t, m.store.save(rd))
		encoded, err := rd.EncodedMessages()
		must(c.t, err)
		c.network = append(c.network, encoded...)
		if !IsEmptySnap(rd.Snapshot) {
			m.restore(rd.Snapshot)
		}
		for _, entry := range rd.CommittedEntries {
			c.apply(m, entry)
		}
		for _, read := range rd.ReadStates {
			m.reads[string(read.RequestCtx)] = read.Index
		}
		if c.turns%2 != 0 {
			vandalize(&rd)
		}
		m.node.Advance(rd)
		if m.node.looked && c.turns%3 == 0 {
			// It was told with the Ready, and is true.
			must(c.t, m.node.ask())
			if m.node.pending != 0 {
				c.t.Fatal("a node that was said to rest has something to do")
			}
		}
	}
}

func (c *cluster) apply(m *member, entry *pb.Entry) {
	c.t.Helper()
	if entry.GetIndex() != m.applied+1 {
		c.t.Fatalf("entry %d was handed out after %d", entry.GetIndex(), m.applied)
	}
	m.applied = entry.GetIndex()
	switch entry.GetType() {
	case pb.EntryNormal:
		m.state += string(entry.GetData())
	case pb.EntryConfChange:
		var change pb.ConfChange
		must(c.t, proto.Unmarshal(entry.GetData(), &change))
		m.members = m.node.ApplyConfChange(&change)
	case pb.EntryConfChangeV2:
		var change pb.ConfChangeV2
		must(c.t, proto.Unmarshal(entry.GetData(), &change))
		m.members = m.node.ApplyConfChange(&change)
	}
}

// settle runs until nobody has anything to do.
func (c *cluster) settle() {
	c.t.Helper()
	for rounds := 0; ; rounds++ {
		if rounds > 10000 {
			c.t.Fatal("the cluster never comes to rest")
		}
		for _, id := range c.ids() {
			c.turn(c.members[id])
		}
		sent := c.network
		c.network = nil
		if len(sent) == 0 {
			return
		}
		for _, encoded := range sent {
			c.deliver(encoded)
		}
	}
}

func (c *cluster) deliver(encoded []byte) {
	c.t.Helper()
	m := &pb.Message{}
	must(c.t, proto.Unmarshal(encoded, m))
	if c.drop != nil && c.drop(m) {
		return
	}
	to := c.members[m.GetTo()]
	if to == nil {
		return
	}
	err := to.node.StepEncoded(encoded)
	if c.mayStop && errors.Is(err, ErrStopped) {
		return
	}
	if err != nil && !errors.Is(err, ErrProposalDropped) && !errors.Is(err, ErrStepPeerNotFound) {
		c.t.Fatalf("%v refuses %v: %v", m.GetTo(), m, err)
	}
	if from := c.members[m.GetFrom()]; m.GetType() == pb.MsgSnap && from != nil {
		from.node.ReportSnapshot(m.GetTo(), SnapshotFinish)
	}
}

func (c *cluster) ids() []uint64 {
	ids := []uint64{}
	for id := uint64(1); id < 100; id++ {
		if c.members[id] != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func (c *cluster) tick(times int) {
	c.t.Helper()
	for range times {
		for _, id := range c.ids() {
			c.members[id].node.Tick()
		}
		c.settle()
	}
}

// elect makes a member the leader.
func (c *cluster) elect(id uint64) *member {
	c.t.Helper()
	c.settle()
	m := c.members[id]
	must(c.t, m.node.Campaign())
	c.settle()
	if status := m.node.BasicStatus(); status.RaftState != StateLeader {
		c.t.Fatalf("%d is %v", id, status.RaftState)
	}
	return m
}

// leader waits until there is one.
func (c *cluster) leader() *member {
	c.t.Helper()
	for range 100 {
		for _, id := range c.ids() {
			if m := c.members[id]; m.node.BasicStatus().RaftState == StateLeader {
				return m
			}
		}
		c.tick(1)
	}
	c.t.Fatal("nobody leads")
	return nil
}

func (c *cluster) propose(m *member, data string) {
	c.t.Helper()
	must(c.t, m.node.Propose([]byte(data)))
	c.settle()
}

// agree checks that all have applied the same.
func (c *cluster) agree(want string) {
	c.t.Helper()
	for _, id := range c.ids() {
		if m := c.members[id]; m.state != want {
			c.t.Fatalf("%d has %q instead of %q", id, m.state, want)
		}
	}
}

// hasWork says whether there is anything to do for the host.
func hasWork(rd Ready) bool {
	return rd.SoftState != nil || rd.HardState != nil || rd.Snapshot != nil ||
		len(rd.ReadStates)+len(rd.Entries)+len(rd.CommittedEntries)+len(rd.Messages) > 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%d.", i))
	}
	return list
}
