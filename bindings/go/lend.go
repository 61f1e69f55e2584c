// What ties a Ready to the library's own, from which it was made, so that a DurableStorage saves that and
// need not encode the other. A Ready itself has the fields that go.etcd.io/raft gives it and no other,
// since programs compare Readys; so the tie is kept by the storage, which knows the node that was opened
// on it and looks whether what it is to save is what that node has given last: the same lists at the same
// places. Anything else it encodes, which is slower and no less right. What a host changes within those
// lists is not seen; who wants to save other entries makes a list of them.

package raft

import (
	"runtime"
	"sync"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "libraft.h"
import "C"

// loan is the last Ready of a node on a DurableStorage, lent by the library until the next one is
// taken or the node is freed. It does not keep the node from being collected.
type loan struct {
	native *C.raft_node
	// Whether there is a DurableStorage to lend to.
	lends bool

	// Held while a storage saves.
	mutex sync.Mutex
	// nil when it is not lent.
	view      *C.raft_ready
	hardState *pb.HardState
	entries   []*pb.Entry
	snapshot  *pb.Snapshot
	mustSync  bool
}

// ownNative leaves the library's node to the garbage collector, unless it is freed before.
func (rn *RawNode) ownNative(storage *DurableStorage) {
	rn.loan = &loan{native: rn.native, lends: storage != nil}
	if storage != nil {
		storage.loan.Store(rn.loan)
	}
	rn.free = runtime.AddCleanup(rn, func(l *loan) {
		l.takeBack()
		C.raft_node_free(l.native)
	}, rn.loan)
}

// lend notes what the host gets.
func (l *loan) lend(view *C.raft_ready, rd *Ready) {
	if l.lends {
		l.note(view, rd)
	}
}

// note and forget are by themselves, so that the others are inlined.
func (l *loan) note(view *C.raft_ready, rd *Ready) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.view = view
	l.hardState, l.entries, l.snapshot, l.mustSync = rd.HardState, rd.Entries, rd.Snapshot, rd.MustSync
}

// takeBack ends the loan of the last Ready, which the library is about to write over. Waits for
// a storage that is saving it.
func (l *loan) takeBack() {
	if l.lends {
		l.forget()
	}
}

func (l *loan) forget() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.view, l.hardState, l.entries, l.snapshot = nil, nil, nil, nil
}

// isOf says whether a Ready is the one that is lent, as far as there is something to save.
func (l *loan) isOf(rd *Ready) bool {
	return l.view != nil && l.hardState == rd.HardState && l.snapshot == rd.Snapshot &&
		l.mustSync == rd.MustSync && len(l.entries) == len(rd.Entries) &&
		unsafe.SliceData(l.entries) == unsafe.SliceData(rd.Entries)
}
