// The node: one goroutine that does what raft asks for, and those who wait for it.

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	raft "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const (
	tick = 10 * time.Millisecond
	// snapshotEvery is after how many entries a snapshot is made, and keepEntries how many stay
	// for members that lag a little.
	snapshotEvery = 50
	keepEntries   = 10
)

var errClosed = errors.New("the node has been closed")

// Node is a member.
type Node struct {
	id      uint64
	raft    raft.Node
	memory  *raft.MemoryStorage
	files   *Files
	store   *Store
	send    func(*pb.Message)
	closing chan struct{}
	closed  chan struct{}

	// What is applied, and who waits for what.
	mutex   sync.Mutex
	applied uint64
	changed chan struct{} // closed, and replaced, when applied moves
	waiting map[uint64]chan error
	reads   map[uint64]chan uint64
	number  atomic.Uint64

	// For the goroutine of run alone.
	members    *pb.ConfState
	snapshotAt uint64
	failure    error
}

// StartNode starts a node from what is in its directory: a first member if that is empty, unless it
// joins others.
func StartNode(id uint64, dir string, first map[uint64]string, join bool, store *Store, send func(*pb.Message)) (*Node, error) {
	files, saved, err := OpenFiles(dir)
	if err != nil {
		return nil, err
	}
	n := &Node{
		id: id, memory: raft.NewMemoryStorage(), files: files, store: store, send: send,
		closing: make(chan struct{}), closed: make(chan struct{}), changed: make(chan struct{}),
		waiting: map[uint64]chan error{}, reads: map[uint64]chan uint64{},
		members: &pb.ConfState{},
	}
	if err := n.restore(saved); err != nil {
		files.Close()
		return nil, err
	}
	config := &raft.Config{
		ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: n.memory, Applied: n.applied,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, MaxUncommittedEntriesSize: 1 << 30,
		PreVote: true, CheckQuorum: true,
		Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	}
	isNew := saved.State == nil && saved.Snapshot == nil && len(saved.Entries) == 0
	if isNew && !join {
		var peers []raft.Peer
		for id := range uint64(len(first)) {
			peers = append(peers, raft.Peer{ID: id + 1, Context: []byte(first[id+1])})
		}
		n.raft = raft.StartNode(config, peers)
	} else {
		n.raft = raft.RestartNode(config)
	}
	go n.run()
	return n, nil
}

func (n *Node) restore(saved *Saved) error {
	if saved.Snapshot != nil {
		if err := n.memory.ApplySnapshot(saved.Snapshot); err != nil {
			return err
		}
		if err := n.takeSnapshot(saved.Snapshot); err != nil {
			return err
		}
	}
	if saved.State != nil {
		if err := n.memory.SetHardState(saved.State); err != nil {
			return err
		}
	}
	return n.memory.Append(saved.Entries)
}

func (n *Node) run() {
	defer close(n.closed)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n.failure == nil {
		select {
		case <-ticker.C:
			n.raft.Tick()
		case rd := <-n.raft.Ready():
			if n.failure = n.work(rd); n.failure == nil {
				n.raft.Advance()
			}
		case <-n.closing:
			n.failure = errClosed
		}
	}
	n.raft.Stop()
	n.files.Close()
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for number, result := range n.waiting {
		result <- n.failure
		delete(n.waiting, number)
	}
}

// work does what a Ready asks for, in the order that it asks for.
func (n *Node) work(rd raft.Ready) error {
	if !raft.IsEmptySnap(rd.Snapshot) {
		if err := n.files.SaveSnapshot(rd.Snapshot, rd.HardState, nil); err != nil {
			return err
		}
		if err := n.memory.ApplySnapshot(rd.Snapshot); err != nil {
			return err
		}
	}
	if err := n.files.Save(rd.HardState, rd.Entries, rd.MustSync); err != nil {
		return err
	}
	if !raft.IsEmptyHardState(rd.HardState) {
		if err := n.memory.SetHardState(rd.HardState); err != nil {
			return err
		}
	}
	if err := n.memory.Append(rd.Entries); err != nil {
		return err
	}
	for _, m := range rd.Messages {
		n.send(m)
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		if err := n.takeSnapshot(rd.Snapshot); err != nil {
			return err
		}
	}
	for _, entry := range rd.CommittedEntries {
		if err := n.apply(entry); err != nil {
			return err
		}
	}
	for _, state := range rd.ReadStates {
		n.answerRead(state)
	}
	return n.maybeSnapshot()
}

func (n *Node) takeSnapshot(snapshot *pb.Snapshot) error {
	if err := n.store.Restore(snapshot.GetData()); err != nil {
		return err
	}
	n.members = snapshot.GetMetadata().GetConfState()
	n.snapshotAt = snapshot.GetMetadata().GetIndex()
	n.setApplied(n.snapshotAt)
	return nil
}

func (n *Node) apply(entry *pb.Entry) error {
	switch entry.GetType() {
	case pb.EntryNormal:
		if len(entry.GetData()) == 0 {
			break
		}
		command := Command{}
		if err := json.Unmarshal(entry.GetData(), &command); err != nil {
			return err
		}
		n.store.Set(command.Key, command.Value)
		if command.Node == n.id {
			n.answer(command.Number, nil)
		}
	case pb.EntryConfChange:
		change := &pb.ConfChange{}
		if err := proto.Unmarshal(entry.GetData(), change); err != nil {
			return err
		}
		n.members = n.raft.ApplyConfChange(change)
		switch change.GetType() {
		case pb.ConfChangeRemoveNode:
			n.store.SetPeer(change.GetNodeId(), "")
		default:
			n.store.SetPeer(change.GetNodeId(), string(change.GetContext()))
		}
		n.answer(change.GetId(), nil)
	}
	n.setApplied(entry.GetIndex())
	return nil
}

func (n *Node) maybeSnapshot() error {
	if n.applied < n.snapshotAt+snapshotEvery {
		return nil
	}
	data, err := n.store.Snapshot()
	if err != nil {
		return err
	}
	snapshot, err := n.memory.CreateSnapshot(n.applied, n.members, data)
	if err != nil {
		return err
	}
	n.snapshotAt = n.applied
	state, _, err := n.memory.InitialState()
	if err != nil {
		return err
	}
	last, err := n.memory.LastIndex()
	if err != nil {
		return err
	}
	var rest []*pb.Entry
	if last > n.applied {
		if rest, err = n.memory.Entries(n.applied+1, last+1, 1<<62); err != nil {
			return err
		}
	}
	if err := n.files.SaveSnapshot(snapshot, state, rest); err != nil {
		return err
	}
	if err := n.memory.Compact(n.applied - keepEntries); err != nil && err != raft.ErrCompacted {
		return err
	}
	return nil
}

func (n *Node) setApplied(index uint64) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.applied = index
	close(n.changed)
	n.changed = make(chan struct{})
}

// answer tells who waits for a command or a change.
func (n *Node) answer(number uint64, err error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if result, ok := n.waiting[number]; ok {
		result <- err
		delete(n.waiting, number)
	}
}

// wait does something, and waits until what it leads to is applied here.
func (n *Node) wait(ctx context.Context, propose func(number uint64) error) error {
	number := n.id<<32 | n.number.Add(1)
	result := make(chan error, 1)
	n.mutex.Lock()
	n.waiting[number] = result
	n.mutex.Unlock()
	defer func() {
		n.mutex.Lock()
		delete(n.waiting, number)
		n.mutex.Unlock()
	}()
	if err := propose(number); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.closed:
		return errClosed
	}
}

// Set sets a key.
func (n *Node) Set(ctx context.Context, key, value string) error {
	return n.wait(ctx, func(number uint64) error {
		data, err := json.Marshal(Command{Node: n.id, Number: number, Key: key, Value: value})
		if err != nil {
			return err
		}
		return n.raft.Propose(ctx, data)
	})
}

// Change adds a member at a URL, or removes it if there is none.
func (n *Node) Change(ctx context.Context, id uint64, url string) error {
	kind := pb.ConfChangeAddNode
	if url == "" {
		kind = pb.ConfChangeRemoveNode
	}
	return n.wait(ctx, func(number uint64) error {
		return n.raft.ProposeConfChange(ctx, &pb.ConfChange{
			Id: new(number), Type: kind.Enum(), NodeId: new(id), Context: []byte(url),
		})
	})
}

// Get gets a key, as it is at some time after the call.
func (n *Node) Get(ctx context.Context, key string) (string, bool, error) {
	number := n.id<<32 | n.number.Add(1)
	answer := make(chan uint64, 1)
	n.mutex.Lock()
	n.reads[number] = answer
	n.mutex.Unlock()
	defer func() {
		n.mutex.Lock()
		delete(n.reads, number)
		n.mutex.Unlock()
	}()
	if err := n.raft.ReadIndex(ctx, binary.BigEndian.AppendUint64(nil, number)); err != nil {
		return "", false, err
	}
	index := uint64(0)
	select {
	case index = <-answer:
	case <-ctx.Done():
		return "", false, ctx.Err()
	case <-n.closed:
		return "", false, errClosed
	}
	for {
		n.mutex.Lock()
		applied, changed := n.applied, n.changed
		n.mutex.Unlock()
		if applied >= index {
			value, ok := n.store.Get(key)
			return value, ok, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false, ctx.Err()
		case <-n.closed:
			return "", false, errClosed
		}
	}
}

func (n *Node) answerRead(state raft.ReadState) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if len(state.RequestCtx) != 8 {
		return
	}
	if answer, ok := n.reads[binary.BigEndian.Uint64(state.RequestCtx)]; ok {
		answer <- state.Index
		delete(n.reads, binary.BigEndian.Uint64(state.RequestCtx))
	}
}

// Step takes a message of a peer.
func (n *Node) Step(ctx context.Context, m *pb.Message) error { return n.raft.Step(ctx, m) }

// Unsent is to be told of a message that did not arrive.
func (n *Node) Unsent(m *pb.Message) {
	n.raft.ReportUnreachable(m.GetTo())
	if m.GetType() == pb.MsgSnap {
		n.raft.ReportSnapshot(m.GetTo(), raft.SnapshotFailure)
	}
}

// Sent is to be told of a message that did.
func (n *Node) Sent(m *pb.Message) {
	if m.GetType() == pb.MsgSnap {
		n.raft.ReportSnapshot(m.GetTo(), raft.SnapshotFinish)
	}
}

// Leader is the id of the leader, 0 if none is known.
func (n *Node) Leader() uint64 { return n.raft.Status().Lead }

// Transfer hands the leadership to another member.
func (n *Node) Transfer(ctx context.Context, to uint64) {
	n.raft.TransferLeadership(ctx, n.Leader(), to)
}

// FirstIndex is where the log in memory begins.
func (n *Node) FirstIndex() uint64 {
	first, err := n.memory.FirstIndex()
	if err != nil {
		return 0
	}
	return first
}

// Close stops the node, and waits until it has stopped.
func (n *Node) Close() {
	select {
	case <-n.closing:
	default:
		close(n.closing)
	}
	<-n.closed
}
