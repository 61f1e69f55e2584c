// What a Node can tell and do besides, for hosts that know this package: its events, reports of
// drops, counters, and the extensions that are called at run time. A Ready and the interface Node
// have what go.etcd.io/raft gives them and nothing else, since programs compare the one and
// implement the other; so these are interfaces of their own, as Monitor is.
//
// Reports wait here from the moment that the host takes the Ready that they came with. What came
// with no Ready, or with one that nobody has taken, stays in the library.

package raft

import (
	"context"
	"sync"
)

// Observer tells what has happened in a node, what will not, and how often. What [StartNode] and
// [RestartNode] return has it:
//
//	case ready := <-node.Ready():
//		reports := node.(raft.Observer).Reports()
//		for _, dropped := range reports.Dropped {
//			// Whoever waits for this need not wait any longer.
//		}
type Observer interface {
	// Reports hands over what came with the Readys that have been taken and that no call has handed
	// over yet, those of the last Ready included. Each event and each drop is handed over once,
	// whoever calls. It waits until the node has time for it, and does not fail: from a node that
	// has stopped it gives what is left.
	//
	// A host that calls it at all should go on to do so, with every Ready or from time to time.
	// From the first call on, no drop is lost, however many there are. Before that, and of events
	// at any time, only the latest are kept; Reports says how many are missing.
	Reports() Reports
	// Metrics gives the node's counters. ErrStopped if it has stopped.
	Metrics(ctx context.Context) (Metrics, error)
}

// Reports is what a node had to tell.
type Reports struct {
	// Events are what has happened, the oldest first.
	Events []Event
	// Dropped are what the host was told was taken and that will not happen, the oldest first; see
	// [RawNode.Dropped].
	Dropped []Dropped
	// EventsLost is how many events before these were not kept, because nobody had called for long.
	// Those that were lost since nobody took a Ready are not among them; see [Metrics].
	EventsLost uint64
	// DroppedLost is how many drops before these were not kept. Always 0 but in the first call.
	DroppedLost uint64
}

// Extender has what go.etcd.io/raft has not, and what is called while the node runs. What
// [StartNode] and [RestartNode] return has it:
//
//	err := node.(raft.Extender).SetPriority(ctx, 1)
//
// Each method does what that of [RawNode] does, and waits until it has been done. If ctx ends
// before the node has time for it, nothing has been done. ErrStopped if the node has stopped.
type Extender interface {
	// SetPriority is [RawNode.SetPriority].
	SetPriority(ctx context.Context, priority int64) error
	// RequestSnapshot is [RawNode.RequestSnapshot].
	RequestSnapshot(ctx context.Context) error
	// SetInflightLimits is [RawNode.SetInflightLimits].
	SetInflightLimits(ctx context.Context, id uint64, maxMsgs uint32, maxBytes uint64) error
	// SetMaxApplyUnpersistedEntries is [RawNode.SetMaxApplyUnpersistedEntries].
	SetMaxApplyUnpersistedEntries(ctx context.Context, entries uint64) error
	// EnableGroupCommit is [RawNode.EnableGroupCommit].
	EnableGroupCommit(ctx context.Context, enable bool) error
	// AssignCommitGroups is [RawNode.AssignCommitGroups].
	AssignCommitGroups(ctx context.Context, groups []CommitGroup) error
	// ClearCommitGroups is [RawNode.ClearCommitGroups].
	ClearCommitGroups(ctx context.Context) error
	// GroupCommitConsistent is [RawNode.GroupCommitConsistent].
	GroupCommitConsistent(ctx context.Context) (consistent, known bool, err error)
}

var (
	_ Observer = (*node)(nil)
	_ Extender = (*node)(nil)
)

const (
	// waitingEvents is how many events may wait for a call to Reports.
	waitingEvents = 1024
	// waitingDrops and waitingDropBytes are how many drops, and how many bytes of what was dropped,
	// may wait for the first call. A program that was written for go.etcd.io/raft never makes it,
	// and should not be made to keep all that it was ever refused.
	waitingDrops     = 1024
	waitingDropBytes = 1 << 20
)

// waitingReports is what Reports will hand over.
type waitingReports struct {
	mutex   sync.Mutex
	waiting Reports
	// How many bytes the data of waiting.Dropped have.
	bytes int
	// Whether anybody has ever come for it.
	wanted bool
}

// add takes in what came with a Ready.
func (w *waitingReports) add(events []Event, dropped []Dropped) {
	if len(events) == 0 && len(dropped) == 0 {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.waiting.Events = append(w.waiting.Events, events...)
	if excess := len(w.waiting.Events) - waitingEvents; excess > 0 {
		w.waiting.Events = w.waiting.Events[excess:]
		w.waiting.EventsLost += uint64(excess)
	}
	w.waiting.Dropped = append(w.waiting.Dropped, dropped...)
	if w.wanted {
		return
	}
	for i := range dropped {
		w.bytes += len(dropped[i].Data)
	}
	for len(w.waiting.Dropped) > waitingDrops || w.bytes > waitingDropBytes {
		w.bytes -= len(w.waiting.Dropped[0].Data)
		// The list goes on in the same array for a while, which should not keep the data.
		w.waiting.Dropped[0] = Dropped{}
		w.waiting.Dropped = w.waiting.Dropped[1:]
		w.waiting.DroppedLost++
	}
}

func (w *waitingReports) take() Reports {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	taken := w.waiting
	w.waiting, w.bytes, w.wanted = Reports{}, 0, true
	return taken
}

func (n *node) Reports() Reports {
	// By way of run, since whoever has just received a Ready may be here before run has noted what
	// came with it.
	result := make(chan Reports, 1)
	if n.call(context.Background(), func() { result <- n.reports.take() }) != nil {
		return n.reports.take()
	}
	return <-result
}

func (n *node) Metrics(ctx context.Context) (metrics Metrics, err error) {
	err = n.ask(ctx, func() error {
		metrics = n.raw.Metrics()
		return nil
	})
	return metrics, err
}

// ask lets run do something that is done at once, and waits until it has been done.
func (n *node) ask(ctx context.Context, f func() error) error {
	return n.askBy(ctx, n.calls, f)
}

// askBy does so by one of the two ways in.
func (n *node) askBy(ctx context.Context, inputs chan func(), f func() error) error {
	result := make(chan error, 1)
	err := n.send(ctx, inputs, func() {
		err := f()
		if n.raw.err != nil {
			err = ErrStopped
		}
		result <- err
	})
	if err != nil {
		return err
	}
	return <-result
}

func (n *node) SetPriority(ctx context.Context, priority int64) error {
	return n.ask(ctx, func() error { return n.raw.SetPriority(priority) })
}

func (n *node) RequestSnapshot(ctx context.Context) error {
	return n.ask(ctx, func() error { return n.raw.RequestSnapshot() })
}

func (n *node) SetInflightLimits(
	ctx context.Context, id uint64, maxMsgs uint32, maxBytes uint64,
) error {
	return n.ask(ctx, func() error { return n.raw.SetInflightLimits(id, maxMsgs, maxBytes) })
}

func (n *node) SetMaxApplyUnpersistedEntries(ctx context.Context, entries uint64) error {
	return n.ask(ctx, func() error { return n.raw.SetMaxApplyUnpersistedEntries(entries) })
}

func (n *node) EnableGroupCommit(ctx context.Context, enable bool) error {
	return n.ask(ctx, func() error { return n.raw.EnableGroupCommit(enable) })
}

func (n *node) AssignCommitGroups(ctx context.Context, groups []CommitGroup) error {
	return n.ask(ctx, func() error { return n.raw.AssignCommitGroups(groups) })
}

func (n *node) ClearCommitGroups(ctx context.Context) error {
	return n.ask(ctx, func() error { return n.raw.ClearCommitGroups() })
}

func (n *node) GroupCommitConsistent(ctx context.Context) (consistent, known bool, err error) {
	err = n.ask(ctx, func() (err error) {
		consistent, known, err = n.raw.GroupCommitConsistent()
		return err
	})
	return consistent, known, err
}
