// What a host of a Node is told of refusals, and what else a RawNode can be asked that the interface
// Node has no method for. These are in an interface of their own, as Observer and Extender are.

package raft

import "context"

// Asker proposes and asks as a [Node] does, and is told why something was refused. What [StartNode]
// and [RestartNode] return has it:
//
//	err := node.(raft.Asker).ProposeMany(ctx, batch)
//	var dropped *raft.DropError
//	if errors.As(err, &dropped) && dropped.Reason == raft.DropUncommittedLimit {
//		// Too much is under way: later.
//	}
//
// If ctx ends before the node has time for a call, nothing has been done. ErrStopped if the node has
// stopped.
type Asker interface {
	// ProposeMany is [RawNode.ProposeMany]: all of them are taken, in this order, or none is. It waits
	// for a leader, as [Node.Propose] does. A [DropError] if they were refused. The data is copied
	// before it returns.
	ProposeMany(ctx context.Context, data [][]byte) error
	// TryReadIndex is [RawNode.TryReadIndex]. A [DropError] if the read was dropped at once.
	TryReadIndex(ctx context.Context, rctx []byte) error
	// TickQuiesced is [RawNode.TickQuiesced].
	TickQuiesced(ctx context.Context) error
	// RemovedAsOf is [RawNode.RemovedAsOf].
	RemovedAsOf(ctx context.Context) (uint64, error)
}

var _ Asker = (*node)(nil)

// DropError says why a proposal or a read was refused. errors.Is finds ErrProposalDropped in that of a
// proposal, and &Error{Code: CodeReadDropped} in that of a read.
type DropError struct {
	// Reason is what [RawNode.DropReason] would say.
	Reason DropReason
	cause  error
}

// Error is the cause and the reason.
func (e *DropError) Error() string { return e.cause.Error() + ": " + e.Reason.String() }

// Unwrap is what the same call on a [RawNode] returns.
func (e *DropError) Unwrap() error { return e.cause }

// RemovedAsOf is not 0 if this node is no member any more, as far as it knows, by what it has applied
// or by what a peer with Config.PeerReports has told it: it was none when this index was applied.
func (rn *RawNode) RemovedAsOf() (uint64, error) {
	status, err := rn.nativeStatus()
	return uint64(status.removed_as_of), err
}

// withReason puts the reason to an error, if it is one of a drop.
func (rn *RawNode) withReason(err error) error {
	failure, ok := err.(*Error)
	if err == ErrProposalDropped || ok && failure.Code == CodeReadDropped {
		return &DropError{Reason: rn.DropReason(), cause: err}
	}
	return err
}

func (n *node) ProposeMany(ctx context.Context, data [][]byte) error {
	return n.askBy(ctx, n.proposals, func() error { return n.raw.withReason(n.raw.ProposeMany(data)) })
}

func (n *node) TryReadIndex(ctx context.Context, rctx []byte) error {
	return n.ask(ctx, func() error { return n.raw.withReason(n.raw.TryReadIndex(rctx)) })
}

func (n *node) TickQuiesced(ctx context.Context) error {
	return n.ask(ctx, func() error {
		n.raw.TickQuiesced()
		return nil
	})
}

func (n *node) RemovedAsOf(ctx context.Context) (index uint64, err error) {
	err = n.ask(ctx, func() (err error) {
		index, err = n.raw.RemovedAsOf()
		return err
	})
	return index, err
}
