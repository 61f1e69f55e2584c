// Node: a RawNode on a goroutine of its own, driven over channels.
//
// The goroutine of run owns the RawNode and is the only one that touches it. Everything that comes
// in is a function that it runs, one at a time; proposals come in by a way of their own, which is
// shut as long as no leader is known. Readys go out by an unbuffered channel: the one that is
// offered is only looked at, and is accepted when somebody has come for it. Whatever comes in
// before that is in the next offer.

package raft

import (
	"bytes"
	"context"
	"errors"
	"sync"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// Node is one member of one Raft group, whose methods may be called from any goroutine. The host
// takes a [Ready] from the channel, does what it asks for, and calls Advance; meanwhile it calls
// Tick at even intervals and hands over what its peers send to Step.
//
// A node whose Storage fails, or that finds its own state to contradict itself, says so to its
// Logger and stops; see [Monitor]. The channel of a stopped node stays open, and gives nothing.
// Methods of a stopped node return ErrStopped, or do nothing.
//
// What a node of this package can tell and do besides is in [Observer] and [Extender].
type Node interface {
	// Tick says that one unit of time has passed. It does not wait: a node that has fallen far
	// behind misses ticks, and its Logger is told.
	Tick()
	// Campaign starts an election.
	Campaign(ctx context.Context) error
	// Propose proposes data as one entry, and waits until there is a leader and this node has
	// taken or refused the proposal; data must not be changed from then on. ErrProposalDropped if
	// it was refused. That it was taken does not mean that it will be committed.
	Propose(ctx context.Context, data []byte) error
	// ProposeConfChange proposes a change of the members, a pb.ConfChange or a pb.ConfChangeV2. It
	// waits until there is a leader, and does not tell whether the change was taken.
	ProposeConfChange(ctx context.Context, cc pb.ConfChangeI) error

	// Step hands over a message from a peer, or from a storage worker. It waits until the node has
	// it, and does not tell what became of it; what never travels is passed over.
	Step(ctx context.Context, msg *pb.Message) error

	// Ready is where the work comes from. After each Ready, and before the next one, Advance is to
	// be called, except with Config.AsyncStorageWrites.
	//
	// All committed entries and snapshots of one Ready are to be applied before those of the next.
	Ready() <-chan Ready

	// Advance says that the last Ready's work is done, or at least saved and sent: what there is
	// to apply may still be under way. It waits until the node has heard it. Without a Ready to
	// advance from it waits for one.
	//
	// Not to be called with Config.AsyncStorageWrites.
	Advance()
	// ApplyConfChange applies a committed change of the members, when its turn comes, and returns
	// the new configuration, which belongs into snapshots. For a change that the host refuses, it
	// is not called. nil from a node that has stopped.
	ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState

	// TransferLeadership asks the leader, lead, to hand its leadership to transferee.
	TransferLeadership(ctx context.Context, lead, transferee uint64)

	// ForgetLeader makes a follower forget its leader, so that it may vote for another at once. A
	// host may do so that knows that the leader is gone: as soon as a quorum does, one of them can
	// be elected without waiting for the election timeout, in spite of PreVote and CheckQuorum.
	// It does nothing with ReadOnlyLeaseBased.
	ForgetLeader(ctx context.Context) error

	// ReadIndex asks for a linearizable read. rctx is its name, never to be used again. The answer
	// is a ReadState with this name in a later Ready; it may get lost.
	ReadIndex(ctx context.Context, rctx []byte) error

	// Status gives the node's state; a zero one if it has stopped.
	Status() Status
	// ReportUnreachable says that a message to this peer could not be delivered.
	ReportUnreachable(id uint64)
	// ReportSnapshot says what became of a MsgSnap to this peer. Until then, nothing else is sent
	// to it; a failure that nobody reports leaves it without any.
	ReportSnapshot(id uint64, status SnapshotStatus)
	// Stop ends the node and waits until it has ended.
	Stop()
}

// Monitor tells when and why a node has stopped. What [StartNode] and [RestartNode] return has it:
//
//	<-node.(raft.Monitor).Done()
type Monitor interface {
	// Done is closed when the node has stopped.
	Done() <-chan struct{}
	// Err is nil as long as the node runs, ErrStopped after Stop, and otherwise an error that says
	// what the node has stopped of, and for which errors.Is(err, ErrStopped) is true.
	Err() error
}

const (
	// waitingTicks is how many ticks may wait for a busy node.
	waitingTicks = 128
	// inputsPerOffer limits how much of what waits already is taken in before work is offered.
	inputsPerOffer = 64
	// maxOffer is how large an offer may get that is made anew with each input. A larger one is
	// accepted at once, so that a slow host doesn't make the node write the same over and over.
	maxOffer = 64 << 10
)

type node struct {
	raw    *RawNode
	id     uint64
	logger Logger

	// What comes in: proposals, everything else, and time.
	proposals, calls chan func()
	ticks            chan struct{}
	readies          chan Ready
	advances         chan struct{}
	stop, done       chan struct{}
	// To be read once done is closed.
	err error
	// What came with the Readys that the host has taken.
	reports waitingReports
	// For what is left of the recording once done is closed.
	leftMutex sync.Mutex

	// The rest belongs to run.

	// The leader that was last heard of, and whether proposals are let in.
	leader uint64
	open   bool
}

// StartNode starts the first member of a new group, or one of the first members, all of which have
// to be given the same peers. It panics if the configuration is wrong or if there are no peers. A
// node whose Storage fails at once is returned stopped.
func StartNode(c *Config, peers []Peer) Node {
	if len(peers) == 0 {
		panic("raft: a new group needs at least one peer; RestartNode goes on with an existing one")
	}
	return launch(c, peers)
}

// RestartNode starts a node that goes on from what is in c.Storage, or that is to join an existing
// group. It panics if the configuration is wrong. A node whose Storage fails at once is returned
// stopped.
func RestartNode(c *Config) Node {
	return launch(c, nil)
}

func launch(c *Config, peers []Peer) *node {
	logger := c.Logger
	if logger == nil {
		logger = getLogger()
	}
	n := newIdleNode(c.ID, logger)
	raw, err := NewRawNode(c)
	if errors.Is(err, &Error{Code: CodeConfig}) {
		panic(err)
	}
	if err != nil {
		n.err = stopped("the node can't start", err)
		n.logger.Errorf("%x: %v", n.id, n.err)
		close(n.done)
		return n
	}
	n.raw = raw
	if len(peers) > 0 {
		if err := raw.Bootstrap(peers); err != nil {
			n.logger.Warningf("%x: the first members are not added: %v", n.id, err)
		}
	}
	go n.run()
	return n
}

// newIdleNode is a node that has to be given its RawNode, and to be run.
func newIdleNode(id uint64, logger Logger) *node {
	return &node{
		id:        id,
		logger:    logger,
		proposals: make(chan func()),
		calls:     make(chan func()),
		ticks:     make(chan struct{}, waitingTicks),
		readies:   make(chan Ready),
		advances:  make(chan struct{}),
		stop:      make(chan struct{}),
		done:      make(chan struct{}),
	}
}

// run is the life of the node.
func (n *node) run() {
	defer n.end()
	var (
		// What is offered, and to whom if anybody may have it.
		ready Ready
		offer chan Ready
		// Not nil while the host works on a Ready.
		advances chan struct{}
		// Whether the offer need not be accepted any more, and can't be made anew.
		accepted bool
	)
	for inputs := 0; n.raw.Err() == nil; {
		n.followLeader()
		if advances == nil && !accepted {
			// What waits already can still be in the offer.
			if inputs < inputsPerOffer && n.takeInput() {
				inputs++
				continue
			}
			inputs = 0
			ready, offer = Ready{}, nil
			if n.raw.HasReady() {
				ready, offer = n.raw.peekReady(), n.readies
				if n.raw.Err() != nil {
					return
				}
				if lentBytes(n.raw.view) > maxOffer {
					n.raw.acceptReady(&ready)
					accepted = true
				}
			}
		}
		select {
		case run := <-n.openProposals():
			run()
		case run := <-n.calls:
			run()
		case <-n.ticks:
			n.raw.Tick()
		case offer <- ready:
			n.reports.add(n.raw.Events(), n.raw.Dropped())
			if !accepted {
				n.raw.acceptReady(&ready)
			}
			ready, offer, accepted = Ready{}, nil, false
			if !n.raw.asyncWrites {
				advances = n.advances
			}
		case <-advances:
			n.raw.Advance(Ready{})
			advances = nil
		case <-n.stop:
			return
		}
	}
}

// end leaves a node that nobody can use any more.
func (n *node) end() {
	n.err = n.raw.Err()
	if n.err == nil {
		n.err = ErrStopped
	}
	_ = n.raw.Close()
	close(n.done)
}

// takeInput takes in something that waits, if anything does.
func (n *node) takeInput() bool {
	select {
	case run := <-n.openProposals():
		run()
	case run := <-n.calls:
		run()
	case <-n.ticks:
		n.raw.Tick()
	default:
		return false
	}
	return true
}

// openProposals is where proposals come from, or nil while none are let in.
func (n *node) openProposals() chan func() {
	if !n.open {
		return nil
	}
	return n.proposals
}

// followLeader lets proposals in when there is a new leader, and shuts them out when there is none.
func (n *node) followLeader() {
	status, err := n.raw.nativeStatus()
	if err != nil {
		return
	}
	leader := uint64(status.leader)
	if leader == n.leader {
		return
	}
	n.leader, n.open = leader, leader != None
	if leader == None {
		n.logger.Infof("%x: no leader is known in term %d", n.id, uint64(status.term))
		return
	}
	n.logger.Infof("%x: the leader of term %d is %x", n.id, uint64(status.term), leader)
}

// call lets run do something. It waits until that is about to happen.
func (n *node) call(ctx context.Context, f func()) error {
	return n.send(ctx, n.calls, f)
}

func (n *node) send(ctx context.Context, inputs chan func(), f func()) error {
	// Of several ways that are open, select takes any; who has given up already has nothing done.
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case inputs <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return ErrStopped
	}
}

// report tells of an error that the caller does not wait for.
func (n *node) report(what string, err error) {
	switch {
	case err == nil || n.raw.err != nil:
	case errors.Is(err, ErrProposalDropped) || errors.Is(err, ErrStepPeerNotFound):
		// These are the weather.
	default:
		n.logger.Warningf("%x: %s: %v", n.id, what, err)
	}
}

func (n *node) Tick() {
	select {
	case n.ticks <- struct{}{}:
	case <-n.done:
	default:
		n.logger.Warningf("%x: a tick is missed, the node has been busy for too long", n.id)
	}
}

func (n *node) Campaign(ctx context.Context) error {
	return n.call(ctx, func() { n.report("campaign", n.raw.Campaign()) })
}

func (n *node) Propose(ctx context.Context, data []byte) error {
	// With room for the answer, so that run never waits for somebody who has given up.
	result := make(chan error, 1)
	err := n.send(ctx, n.proposals, func() {
		err := n.raw.Propose(data)
		if n.raw.err != nil {
			err = ErrStopped
		}
		result <- err
	})
	if err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *node) ProposeConfChange(ctx context.Context, cc pb.ConfChangeI) error {
	kind, data, err := pb.MarshalConfChange(cc)
	if err != nil {
		return err
	}
	return n.send(ctx, n.proposals, func() {
		n.report("a configuration change", n.raw.proposeEncodedConfChange(kind, data))
	})
}

func (n *node) Step(ctx context.Context, m *pb.Message) error {
	if m == nil {
		return errors.New("raft: there is no message")
	}
	if IsLocalMsg(m.GetType()) && !IsLocalMsgTarget(m.GetFrom()) {
		return nil
	}
	encoded, err := appendMessage(nil, m)
	if err != nil {
		return err
	}
	inputs := n.calls
	if m.GetType() == pb.MsgProp {
		inputs = n.proposals
		// Whoever made it, it is this node that proposes; unless it has a ticket, and whoever made it
		// is to hear what becomes of it. Of a field that is there twice, the last one counts.
		if m.GetFrom() == None || !hasTicket(m) {
			const from = 3
			encoded = protowire.AppendVarint(
				protowire.AppendTag(encoded, from, protowire.VarintType), n.id)
		}
	}
	return n.send(ctx, inputs, func() { n.report("a message", n.raw.StepEncoded(encoded)) })
}

// hasTicket says whether a proposal comes from a node with Config.PeerReports, in a field that the
// definitions of go.etcd.io/raft don't know.
func hasTicket(m *pb.Message) bool {
	const reports = 102
	for rest := m.ProtoReflect().GetUnknown(); len(rest) > 0; {
		field, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return false
		}
		if field == reports {
			return true
		}
		rest = rest[n:]
	}
	return false
}

func (n *node) Ready() <-chan Ready { return n.readies }

func (n *node) Advance() {
	select {
	case n.advances <- struct{}{}:
	case <-n.done:
	}
}

func (n *node) ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState {
	result := make(chan *pb.ConfState, 1)
	err := n.call(context.Background(), func() {
		was := n.raw.isMember()
		state := n.raw.ApplyConfChange(cc)
		if was && !n.raw.isMember() {
			// It has been removed. If another leader appears, it may be a member once more.
			n.open = false
		}
		if n.raw.err != nil {
			state = nil
		}
		result <- state
	})
	if err != nil {
		return nil
	}
	return <-result
}

func (n *node) TransferLeadership(ctx context.Context, _, transferee uint64) {
	_ = n.call(ctx, func() { n.raw.TransferLeader(transferee) })
}

func (n *node) ForgetLeader(ctx context.Context) error {
	return n.call(ctx, func() { n.report("forget leader", n.raw.ForgetLeader()) })
}

func (n *node) ReadIndex(ctx context.Context, rctx []byte) error {
	name := bytes.Clone(rctx)
	return n.call(ctx, func() { n.raw.ReadIndex(name) })
}

func (n *node) Status() Status {
	result := make(chan Status, 1)
	if n.call(context.Background(), func() { result <- n.raw.Status() }) != nil {
		return Status{}
	}
	return <-result
}

func (n *node) ReportUnreachable(id uint64) {
	_ = n.call(context.Background(), func() { n.raw.ReportUnreachable(id) })
}

func (n *node) ReportSnapshot(id uint64, status SnapshotStatus) {
	_ = n.call(context.Background(), func() { n.raw.ReportSnapshot(id, status) })
}

func (n *node) Stop() {
	select {
	case n.stop <- struct{}{}:
	case <-n.done:
	}
	<-n.done
}

func (n *node) Done() <-chan struct{} { return n.done }

func (n *node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}
