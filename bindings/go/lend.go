// What ties a Ready to the bytes that the library made of it, so that they need not be encoded
// again. A Ready itself has the fields that go.etcd.io/raft gives it and no other, since programs
// compare Readys; so the tie is kept here, by the address of what is in it. Whoever asks with
// something that has been changed or that is no longer lent encodes it, which is slower and no less
// right.

package raft

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "libraft.h"
import "C"

// lentReadys has the last Ready of every node: its place to its origin. Weakly, so that a
// forgotten node is freed.
var lentReadys sync.Map

// origin is where a Ready comes from. The library's view is lent until the next Ready is taken or
// the node is closed.
type origin struct {
	mutex sync.Mutex
	// nil when it is no longer lent.
	view *C.raft_ready
	// Keeps the owner of the view from being collected.
	node *RawNode
	// How many bytes the library made.
	size int

	hardState       *pb.HardState
	entries         []*pb.Entry
	snapshot        *pb.Snapshot
	messages        []*pb.Message
	encodedMessages [][]byte
}

// placeOf is an address that no other Ready has at the same time, 0 if there is nothing in it that
// is ever encoded.
func placeOf(rd *Ready) uintptr {
	switch {
	case rd.HardState != nil:
		return uintptr(unsafe.Pointer(rd.HardState))
	case len(rd.Entries) > 0:
		return uintptr(unsafe.Pointer(unsafe.SliceData(rd.Entries)))
	case rd.Snapshot != nil:
		return uintptr(unsafe.Pointer(rd.Snapshot))
	case len(rd.Messages) > 0:
		return uintptr(unsafe.Pointer(unsafe.SliceData(rd.Messages)))
	}
	return 0
}

// originOf is where a Ready comes from, nil if that is not known or no longer.
func originOf(rd *Ready) *origin {
	known, ok := lentReadys.Load(placeOf(rd))
	if !ok {
		return nil
	}
	return known.(weak.Pointer[origin]).Value()
}

// isOf says whether a Ready still has the state that it had when it came from the node.
func (o *origin) isOf(rd *Ready) bool {
	return o != nil && o.hardState == rd.HardState && o.snapshot == rd.Snapshot &&
		sameSlice(o.entries, rd.Entries)
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}

// loan is what has to go when a node goes, be it closed or forgotten.
type loan struct {
	native *C.raft_node
	place  atomic.Uintptr
}

func (l *loan) end() {
	if place := l.place.Swap(0); place != 0 {
		lentReadys.Delete(place)
	}
}

// ownNative leaves the library's node to the garbage collector, unless it is freed before.
func (rn *RawNode) ownNative() {
	rn.loan = &loan{native: rn.native}
	rn.free = runtime.AddCleanup(rn, func(l *loan) {
		l.end()
		C.raft_node_free(l.native)
	}, rn.loan)
}

// lend notes where a Ready comes from.
func (rn *RawNode) lend(view *C.raft_ready, decoded *decodedReady) {
	rn.events, rn.dropped = eventsOf(view), droppedOf(view)
	rn.lent = &origin{
		view:            view,
		node:            rn,
		size:            int(view.encoded.len),
		hardState:       decoded.HardState,
		entries:         decoded.Entries,
		snapshot:        decoded.Snapshot,
		messages:        decoded.Messages,
		encodedMessages: decoded.encodedMessages,
	}
	if place := placeOf(&decoded.Ready); place != 0 {
		rn.loan.place.Store(place)
		lentReadys.Store(place, weak.Make(rn.lent))
	}
}

// takeBack ends the loan of the last Ready, which the library is about to write over. Waits for
// a storage that is saving it.
func (rn *RawNode) takeBack() {
	if rn.lent == nil {
		return
	}
	rn.loan.end()
	rn.lent.mutex.Lock()
	rn.lent.view = nil
	rn.lent.mutex.Unlock()
	rn.lent = nil
}
