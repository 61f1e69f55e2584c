// Time for hosts with very many groups: all nodes in one call, and nodes that are left alone.

package raft

import (
	"cmp"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"
)

// #include "libraft.h"
//
// #cgo noescape raft_nodes_tick
// #cgo nocallback raft_nodes_tick
// #cgo noescape raft_node_next_deadline
// #cgo nocallback raft_node_next_deadline
import "C"

// TickMany says that so many units of time have passed at once: the same as [RawNode.Tick] called so
// often, for a host that had no need to touch the node meanwhile. Up to [RawNode.NextDeadline] all of
// them together cost what one does. Beyond it, time and memory grow with what the node has to do: a
// leader makes all the heartbeats that it has missed. So a host that was stopped for long passes the
// lower one of what it has missed and the deadline.
func (rn *RawNode) TickMany(ticks uint32) {
	rn.tell("tick", func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_tick_many(node, C.uint32_t(ticks), failure)
	})
}

// NextDeadline says how many ticks it takes until one of them can do more than move the node's clocks,
// at least 1; ok is false if time alone does nothing, as on a node that has stopped. It holds until the
// next other call that changes the node: once it has done what Ready asked for, a host with many groups
// at rest may leave this one alone for so long, or until a message, a proposal or anything else comes
// for it, and then first make up for the ticks with [RawNode.TickMany].
func (rn *RawNode) NextDeadline() (ticks uint64, ok bool) {
	var deadline C.uint64_t
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_next_deadline(node, &deadline, failure)
	})
	if err != nil {
		rn.complain("next deadline", err)
		return 0, false
	}
	return uint64(deadline), deadline != C.RAFT_NO_DEADLINE
}

// TickFailure is a node that TickAll could do nothing with.
type TickFailure struct {
	// Index is its place in the list.
	Index int
	// Err says why: what [RawNode.Err] gives if it has stopped or is closed (nil counts as closed), and
	// an [Error] with CodeMisuse if another goroutine uses it, which is a fault of the program.
	Err error
}

// TickAll does for each node in turn what [RawNode.TickMany] and [RawNode.HasReady] do, in one call of
// the library. It returns the places in the list of those that have a Ready, in ascending order. With 0
// ticks it only asks. A node that is in the list twice gets the ticks twice.
//
// A node that can't be ticked is passed over unchanged and is in failed; all others have had their ticks.
//
// All the nodes are in use by this goroutine until it returns.
func TickAll(nodes []*RawNode, ticks uint32) (ready []int, failed []TickFailure) {
	room := spareRoom.Swap(nil)
	if room == nil {
		room = &tickRoom{}
	}
	defer spareRoom.Store(room)
	room.fit(len(nodes))
	for i, rn := range nodes {
		switch {
		case rn == nil:
			failed = append(failed, TickFailure{i, ErrClosed})
		case rn.err != nil || rn.native == nil:
			failed = append(failed, TickFailure{i, rn.Err()})
		default:
			if rn.advancing {
				if err := rn.ask(); err != nil {
					failed = append(failed, TickFailure{i, err})
					continue
				}
			}
			rn.changed()
			rn.singles.release()
			room.nodes = append(room.nodes, rn.native)
			room.places = append(room.places, int32(i))
		}
	}
	var readyLen, failedLen C.size_t
	var failure *C.raft_error
	status := C.raft_nodes_tick(
		unsafe.SliceData(room.nodes), C.size_t(len(room.nodes)), C.uint32_t(ticks),
		unsafe.SliceData(room.ready), &readyLen,
		unsafe.SliceData(room.failed), &failedLen, &failure)
	runtime.KeepAlive(nodes)
	if err := takeError(status, failure); err != nil {
		// All that it could refuse are the arguments, which are ours.
		panic(err)
	}
	if readyLen > 0 {
		ready = make([]int, 0, readyLen)
	}
	for _, at := range room.ready[:readyLen] {
		i := int(room.places[at])
		// What a node with a Storage in Go has to read comes from there before it is known.
		if rn := nodes[i]; rn.storage == nil || rn.HasReady() {
			ready = append(ready, i)
		} else if rn.err != nil {
			failed = append(failed, TickFailure{i, rn.err})
		}
	}
	for _, one := range room.failed[:failedLen] {
		i := int(room.places[one.index])
		failed = append(failed, TickFailure{i, nodes[i].tickFailure(one.status)})
	}
	if len(failed) > 1 {
		slices.SortStableFunc(failed, func(a, b TickFailure) int { return cmp.Compare(a.Index, b.Index) })
	}
	return ready, failed
}

// tickFailure is the error of a node that was passed over.
func (rn *RawNode) tickFailure(status C.raft_status) error {
	if status == C.RAFT_ERR_MISUSE {
		return &Error{Code: CodeMisuse, Message: "two goroutines use the node at once: let one drive it, or lock"}
	}
	// It has stopped: any call says why, and that is kept.
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_tick_many(node, 0, failure)
	})
	if err == nil {
		err = rn.stop("the node has failed", &Error{Code: Code(status), Message: "a tick failed"})
	}
	rn.complain("tick", err)
	return err
}

// tickRoom is what TickAll passes to the library, kept from one call to the next: it is some hundred
// kilobytes for ten thousand nodes.
type tickRoom struct {
	nodes  []*C.raft_node
	places []int32
	ready  []C.uint32_t
	failed []C.raft_node_failure
}

// spareRoom is nil while a goroutine uses it. It is no sync.Pool since that forgets at random, in tests
// for races: there the test that nothing is allocated would fail.
var spareRoom atomic.Pointer[tickRoom]

// fit makes room for so many nodes, and takes out those that are there: what they point to may be gone.
func (r *tickRoom) fit(count int) {
	r.nodes, r.places = r.nodes[:0], r.places[:0]
	if cap(r.ready) < count {
		r.nodes, r.places = make([]*C.raft_node, 0, count), make([]int32, 0, count)
		r.ready, r.failed = make([]C.uint32_t, count), make([]C.raft_node_failure, count)
	}
	r.ready, r.failed = r.ready[:cap(r.ready)], r.failed[:cap(r.failed)]
}
