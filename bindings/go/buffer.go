// A Ready whose messages and hard state are written where an earlier Ready had its own.
//
// What is used again is what a ReadyBuffer has made and never gave away: a host gets pointers into it, and a
// Ready that it may do anything with, but nothing that a host puts into that Ready is ever taken for ours.
// Entries and payloads are not here, since storages keep them.

package raft

import (
	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "libraft.h"
import "C"

// maxBufferedMessages bounds what a buffer holds on to, some 75 KB. A Ready with more gets all of them anew.
const maxBufferedMessages = 256

// ReadyBuffer is the memory that [RawNode.ReadyInto] writes into. The zero value is ready to use, for the
// Readys of one node or, one after the other, of many; by one goroutine at a time. A copy of one begins
// empty, as its zero value does, so that no two ever write to the same place.
type ReadyBuffer struct {
	_ noCopy
	// Where this one was when it made what it has: a copy is somewhere else, and has to make its own.
	self *ReadyBuffer

	// As many as any Ready so far has had messages. Of these, used are in the last Ready, in this order, unless
	// the host has changed its list; all others are empty.
	cells []messageCell
	list  []*pb.Message
	used  int

	hardState    hardStateCell
	hasHardState bool
	// The node whose Ready is in here.
	lender *loan
}

// noCopy lets go vet find copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// ReadyInto is Ready, with less for the garbage collector: it makes the messages and the hard state where the
// last Ready that came from this buffer, of this node or of another, had them. So a host that calls it has done
// with those: it has sent or encoded the messages, or copied them, and has saved the hard state by its numbers,
// as both storages here do, not by its pointer. The list of messages is written over as well, and so are the
// numbers that a message points to (Type, To, From, Term, LogTerm, Index, Commit): a copy of the struct has to have
// numbers of its own, as proto.Clone gives it. A message's Entries, Context, Snapshot and Responses may be kept,
// and so may the Ready's entries, their payloads, its snapshot, ReadStates and SoftState, which are new each time.
//
// A nil buffer makes all of it anew. So it is with the messages of a Ready of which one is of more than 4 KiB, or
// is work for a storage worker ([Config.AsyncStorageWrites]), who has it while the next Ready is taken. Until its next
// use a buffer keeps alive what the last Ready had.
func (rn *RawNode) ReadyInto(buffer *ReadyBuffer) (ready Ready) {
	if err := rn.takeReady(&ready, buffer); err != nil {
		rn.complain("ready", err)
		ready = Ready{}
	}
	return
}

// empty makes room: nothing of an earlier Ready is left, whatever the host has done to it.
func (b *ReadyBuffer) empty(lender *loan) {
	if b.self != b {
		*b = ReadyBuffer{self: b}
	}
	if b.lender != lender {
		if b.lender != nil {
			// What is about to be written over must not be taken for what that node has given.
			b.lender.takeBack()
		}
		b.lender = lender
	}
	// One by one: to clear a slice is a call, of 100 instructions for each cell.
	cells, list := b.cells[:b.used], b.list[:b.used]
	for i := range cells {
		cells[i], list[i] = messageCell{}, nil
	}
	b.used = 0
	if b.hasHardState {
		b.hardState, b.hasHardState = hardStateCell{}, false
	}
}

// room gives an empty cell and a place in a list for each message. nil if they should be new.
func (b *ReadyBuffer) room(lent []lentMessage) ([]messageCell, []*pb.Message) {
	count := len(lent)
	if b == nil || count > maxBufferedMessages {
		return nil, nil
	}
	for i := range lent {
		if isLarge(&lent[i]) || isForWorker(&lent[i]) {
			return nil, nil
		}
	}
	if count > len(b.cells) {
		size := min(max(count, 2*len(b.cells)), maxBufferedMessages)
		b.cells, b.list = make([]messageCell, size), make([]*pb.Message, size)
	}
	b.used = count
	// The capacity ends with it, so that what a host appends is elsewhere.
	return b.cells[:count], b.list[:count:count]
}

// isForWorker says whether a message is work for one of the host's storage workers.
func isForWorker(lent *lentMessage) bool {
	return lent.to == C.RAFT_LOCAL_APPEND || lent.to == C.RAFT_LOCAL_APPLY
}

// hardStateCell is a hard state with the numbers that it points to.
type hardStateCell struct {
	state              pb.HardState
	term, vote, commit uint64
}

// newHardState makes a hard state, in the buffer if there is one.
func newHardState(term, vote, commit uint64, buffer *ReadyBuffer) *pb.HardState {
	var cell *hardStateCell
	if buffer != nil {
		cell, buffer.hasHardState = &buffer.hardState, true
	} else {
		cell = &hardStateCell{}
	}
	return cell.set(term, vote, commit)
}

// set writes an empty one.
func (cell *hardStateCell) set(term, vote, commit uint64) *pb.HardState {
	cell.term, cell.vote, cell.commit = term, vote, commit
	state := &cell.state
	state.Term, state.Vote, state.Commit = &cell.term, &cell.vote, &cell.commit
	return state
}

// copy writes the numbers that another hard state has, over what is here.
func (cell *hardStateCell) copy(of *pb.HardState) *pb.HardState {
	state := &cell.state
	state.Term = copyNumber(&cell.term, of.Term)
	state.Vote = copyNumber(&cell.vote, of.Vote)
	state.Commit = copyNumber(&cell.commit, of.Commit)
	return state
}
