// The node: one goroutine owns the raft node, its storage's writes and the state. Everybody else
// hands it functions to run, through a queue of bounded length.
//
// One turn is: take what has arrived, and pass it to raft; then, while raft has a Ready, save it,
// send its messages, apply its entries, and advance. What arrives while the disk is busy becomes
// the next batch, and so throughput grows with load by itself.

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"libraft.dev/go/raft"
)

const (
	tickInterval   = 50 * time.Millisecond
	requestTimeout = 2 * time.Second
	readRetryTicks = 4

	maxWaiting       = 4096
	maxInputs        = maxWaiting + 1024
	maxInputsPerTurn = 1024

	snapshotEntries = 4096
	snapshotBytes   = 32 << 20
	keptEntries     = 1024
	// After 32 MiB of entries, to keep 1024 of them could be as much again.
	keptLargeEntries = 16
	maxLearned       = 64
)

// Node is a member of the cluster.
type Node struct {
	id      uint64
	address string
	run     string // random: another one in each process
	storage *raft.DurableStorage

	inputs  chan func()
	stop    chan struct{} // closed to end the node
	done    chan struct{} // closed when it has ended
	waiting atomic.Int64
	// view is what GET /status shows, as of the end of the last turn.
	view atomic.Pointer[View]

	// What follows belongs to the goroutine that runs the node.

	raft      *raft.RawNode
	state     *State
	confState *pb.ConfState
	applied   uint64
	leader    uint64
	gone      bool // removed from the cluster

	sequence uint64
	writes   map[uint64]waiter // by sequence
	changing bool              // one of the writes is a change of the members
	arrived  []read            // reads that go out with the next round
	rounds   map[string]*round // by the context of their ReadIndex
	replies  []func()          // answers that are due

	snapshotIndex            uint64
	entriesSince, bytesSince int // applied since that snapshot
	memberAdded              bool
	senders                  map[uint64]*Sender
	learned                  map[uint64]string // addresses that are not replicated yet
	lastComplaint            time.Time
	history                  History
	members                  memberView
	roleShown                string
}

// View is a node's state at one moment.
type View struct {
	role          string
	leader        uint64
	term, commit  uint64
	applied       uint64
	snapshotIndex uint64
	hash          uint64
	keys, bytes   int
	members       map[uint64]string
	removed       map[uint64]bool
	raftMembers   memberView
	events        []Happening
}

// memberView is what the library says of the members. To ask for it costs a little, so that this
// is done once in a tick, and when the role changes.
type memberView struct {
	config     tracker.Config
	progress   map[uint64]tracker.Progress
	transferee uint64
}

// openNode goes on from what is in the storage, which must not be fresh unless the node is new to
// a running cluster.
func openNode(id uint64, address string, seed uint64, storage *raft.DurableStorage) (*Node, error) {
	snapshot, err := storage.Snapshot()
	if err != nil {
		return nil, err
	}
	meta := snapshot.GetMetadata()
	state := newState()
	if meta.GetIndex() > 0 {
		if state, err = decodeState(snapshot.GetData()); err != nil {
			return nil, err
		}
	}
	rawNode, err := raft.NewRawNode(&raft.Config{
		ID:                        id,
		ElectionTick:              10,
		HeartbeatTick:             1,
		Storage:                   storage,
		Applied:                   meta.GetIndex(), // as far as the state has come that is restored here
		MaxSizePerMsg:             256 << 10,
		MaxInflightMsgs:           64,
		MaxInflightBytes:          8 << 20,
		MaxUncommittedEntriesSize: 32 << 20,
		MaxCommittedSizePerReady:  4 << 20,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		PeerReports:               true,
		Seed:                      seed,
	})
	if err != nil {
		return nil, err
	}
	n := &Node{
		id: id, address: address, run: fmt.Sprintf("%016x", rand.Uint64()), storage: storage, raft: rawNode,
		history: History{begun: time.Now()},
		inputs:  make(chan func(), maxInputs), stop: make(chan struct{}), done: make(chan struct{}),
		state: state, confState: meta.GetConfState(), applied: meta.GetIndex(),
		snapshotIndex: meta.GetIndex(), gone: state.removed[id],
		sequence: rand.Uint64(), writes: map[uint64]waiter{}, rounds: map[string]*round{},
		senders: map[uint64]*Sender{}, learned: map[uint64]string{},
	}
	n.publish()
	return n, nil
}

// Run runs the node until it is stopped, or until it can't go on.
func (n *Node) Run() error {
	defer close(n.done)
	defer func() {
		n.answerAll(goingDown)
		n.flush()
	}()
	defer func() {
		for _, sender := range n.senders {
			sender.stop()
		}
	}()
	// A ticker drops what nobody takes: a node that was held up does not make up for lost time,
	// and so does not take its leader for dead because it slept itself.
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		ticked := false
		select {
		case <-n.stop:
			return nil
		case <-ticker.C:
			ticked = true
		case input := <-n.inputs:
			input()
		}
		// What has arrived counts before the tick: there may be a heartbeat in it.
		for range maxInputsPerTurn {
			select {
			case input := <-n.inputs:
				input()
				continue
			default:
			}
			break
		}
		if ticked {
			n.tick()
		}
		n.sendReads()
		for !n.gone && n.raft.HasReady() {
			if err := n.handleReady(); err != nil {
				return err
			}
		}
		if err := n.raft.Err(); err != nil {
			return err
		}
		if n.gone {
			n.answerAll(removed)
		}
		n.flush()
	}
}

func (n *Node) tick() {
	n.dropLateRequests()
	if !n.gone {
		n.raft.Tick()
	}
	n.lookAtMembers()
}

func (n *Node) lookAtMembers() {
	status := n.raft.Status()
	n.members = memberView{status.Config, status.Progress, status.LeadTransferee}
	if n.gone {
		n.members.progress = nil
	}
}

// handleReady does what one Ready asks for, in the order that makes it safe.
func (n *Node) handleReady() error {
	rd := n.raft.Ready()
	encoded, err := rd.EncodedMessages()
	if err != nil {
		return err
	}
	// A leader's entries may be on their way while it saves them itself: its own copy counts for
	// nothing before it is saved.
	for i, m := range rd.Messages {
		if m.GetType() == pb.MsgApp {
			n.send(m, encoded[i])
		}
	}
	// Votes and acknowledgements are promises, and must not go out before they are on disk.
	if err := n.storage.Save(rd); err != nil {
		return err
	}
	for i, m := range rd.Messages {
		if m.GetType() != pb.MsgApp {
			n.send(m, encoded[i])
		}
	}

	if !raft.IsEmptySnap(rd.Snapshot) {
		if err := n.restore(rd.Snapshot); err != nil {
			return err
		}
	}
	for _, entry := range rd.CommittedEntries {
		n.apply(entry)
	}
	n.history.addAll(n.raft.Events())
	for _, dropped := range n.raft.Dropped() {
		n.answerDropped(dropped)
	}
	for _, state := range rd.ReadStates {
		if r := n.rounds[string(state.RequestCtx)]; r != nil {
			r.index = state.Index
		}
	}
	n.answerReads()
	if rd.SoftState != nil && rd.SoftState.Lead != n.leader {
		// What waits has most likely been lost with the leader. The client is told now, so that it
		// can try again with the next one.
		for sequence := range n.writes {
			n.answerWrite(sequence, unavailable("the leader has changed; it may still happen"))
		}
		n.leader = rd.SoftState.Lead
	}
	n.flush()

	if n.entriesSince >= snapshotEntries || n.bytesSince >= snapshotBytes || n.memberAdded {
		if err := n.makeSnapshot(); err != nil {
			return err
		}
	}
	n.raft.Advance(rd)
	return nil
}

// apply carries out a committed entry, and answers who waits for it.
func (n *Node) apply(entry *pb.Entry) {
	n.applied = entry.GetIndex()
	n.entriesSince++
	n.bytesSince += len(entry.GetData())
	switch entry.GetType() {
	case pb.EntryNormal:
		if c, ok := decodeCommand(entry.GetData()); ok {
			if n.state.apply(&c) {
				n.answerOwn(c.tag, answer{status: 200, index: n.applied})
			} else {
				n.answerOwn(c.tag, full)
			}
		}
	case pb.EntryConfChange:
		n.applyChange(entry)
	}
	// Anything else is refused, as by every other node. Raft need not be told of that.
}

// applyChange carries out a change of the members, or refuses it, as all nodes do alike.
func (n *Node) applyChange(entry *pb.Entry) {
	decoded, err := raft.DecodeConfChange(entry)
	if err != nil {
		return
	}
	change := decoded.(*pb.ConfChange)
	id := change.GetNodeId()
	name, address, ok := takeTag(change.GetContext())
	if !ok {
		return
	}
	var refusal, what string
	switch {
	case change.GetType() == pb.ConfChangeAddNode:
		what = "member_added"
		if refusal = n.state.refuseAdd(id, string(address)); refusal == "" {
			n.memberAdded = true
			n.state.addMember(id, string(address))
			delete(n.learned, id)
		}
	case change.GetType() == pb.ConfChangeRemoveNode && len(address) == 0:
		what = "member_removed"
		if refusal = n.state.refuseRemove(id); refusal == "" {
			n.state.removeMember(id)
			n.gone = n.gone || id == n.id
		}
	default:
		return
	}
	if refusal != "" {
		n.answerOwn(name, answer{status: 409, reason: refusal})
		return
	}
	n.confState = n.raft.ApplyConfChange(change)
	n.happened(what, id)
	n.updateSenders()
	n.answerOwn(name, answer{status: 200, index: n.applied})
}

// restore puts a snapshot from the leader in place of the state.
func (n *Node) restore(snapshot *pb.Snapshot) error {
	state, err := decodeState(snapshot.GetData())
	if err != nil {
		return err
	}
	n.state = state
	n.applied = snapshot.GetMetadata().GetIndex()
	n.confState = snapshot.GetMetadata().GetConfState()
	n.gone = n.gone || state.removed[n.id]
	n.snapshotTaken()
	n.updateSenders()
	return nil
}

func (n *Node) snapshotTaken() {
	n.snapshotIndex = n.applied
	n.entriesSince, n.bytesSince, n.memberAdded = 0, 0, false
}

// makeSnapshot saves the state and drops the log before it, but for a rest with which followers
// that lag a little are served.
func (n *Node) makeSnapshot() error {
	kept := uint64(keptEntries)
	if n.bytesSince >= snapshotBytes {
		kept = keptLargeEntries
	}
	if err := n.storage.CreateSnapshot(n.applied, n.confState, n.state.encode()); err != nil {
		return fmt.Errorf("a snapshot can't be made: %w", err)
	}
	n.snapshotTaken()
	n.happened("snapshot_made", 0)
	first, err := n.storage.FirstIndex()
	if err != nil {
		return err
	}
	if n.applied > kept && n.applied-kept > first {
		return n.storage.Compact(n.applied - kept - 1)
	}
	return nil
}

// happened keeps an event of the program's own.
func (n *Node) happened(what string, member uint64) {
	n.history.add(Happening{Type: what, Node: member, Term: n.raft.BasicStatus().GetTerm(), Index: n.applied})
}

// complain says what a peer did wrong, though not too often.
func (n *Node) complain(text string) {
	if now := time.Now(); now.Sub(n.lastComplaint) >= time.Second {
		n.lastComplaint = now
		fmt.Fprintln(os.Stderr, "kv: "+text)
	}
}

// flush shows the state and then sends the answers that are due: who has been told of a write, sees
// it in GET /status as well.
func (n *Node) flush() {
	n.publish()
	for _, reply := range n.replies {
		reply()
	}
	n.replies = nil
}

var roles = map[raft.StateType]string{
	raft.StateFollower: "follower", raft.StateCandidate: "candidate",
	raft.StateLeader: "leader", raft.StatePreCandidate: "pre-candidate",
}

// publish shows the state to GET /status, which never waits for a turn to end.
func (n *Node) publish() {
	status := n.raft.BasicStatus()
	role, leader := roles[status.RaftState], status.Lead
	if n.gone {
		role, leader = "removed", 0
	}
	if role != n.roleShown {
		// Nobody shall see a leader that does not tell of its followers.
		n.roleShown = role
		n.lookAtMembers()
	}
	n.view.Store(&View{
		role: role, leader: leader, term: status.GetTerm(), commit: status.GetCommit(),
		applied: n.applied, snapshotIndex: n.snapshotIndex,
		hash: n.state.hash, keys: len(n.state.pairs), bytes: n.state.bytes,
		members: n.state.members, removed: n.state.removed,
		raftMembers: n.members, events: n.history.events,
	})
}
