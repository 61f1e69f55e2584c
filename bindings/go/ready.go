// Taking a Ready from the library, and making Go's of it.

package raft

import (
	"errors"
	"runtime"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "calls.h"
import "C"

// takeReady answers what the node asks for, and takes a batch, which it writes where the host gets it, and
// into the buffer if there is one.
func (rn *RawNode) takeReady(ready *Ready, buffer *ReadyBuffer) error {
	if err := rn.Err(); err != nil {
		return err
	}
	if err := rn.followCompaction(); err != nil {
		return err
	}
	rn.loan.takeBack()
	if buffer != nil {
		buffer.empty(rn.loan)
	}
	for {
		ask := rn.storage != nil && !(rn.looked && rn.pending&C.RAFT_PENDING_REQUESTS == 0)
		taken := C.go_ready(rn.at(), C.bool(rn.advancing), C.bool(ask))
		rn.advancing = bool(taken.advancing)
		if taken.requests != nil {
			if err := rn.answerLent(taken.requests); err != nil {
				return err
			}
			continue
		}
		if err := rn.given(taken, ready, rn.known, buffer); err != nil {
			return err
		}
		rn.taken(ready)
		if taken.ready.reads_len == 0 && taken.ready.snapshot_requests_len == 0 {
			return nil
		}
		// All requests have been answered, so that none is left to be shown, unless to answer has
		// brought up more.
		return rn.answer(requestsOf(taken.ready.reads, taken.ready.reads_len,
			taken.ready.snapshot_requests, taken.ready.snapshot_requests_len))
	}
}

// peekReady shows what Ready would give, without taking it. To be called after HasReady, which has
// answered what the node asks for, and has done what Advance has put off: nothing is left to be done first.
func (rn *RawNode) peekReady() Ready {
	if rn.Err() != nil {
		return Ready{}
	}
	rn.loan.takeBack()
	*rn.offered = *rn.known
	var ready Ready
	if err := rn.given(C.go_peek_ready(rn.at()), &ready, rn.offered, nil); err != nil {
		rn.stop("no Ready can be made", err)
		return Ready{}
	}
	return ready
}

// acceptReady takes what peekReady has shown. Nothing may have been done with the node since.
func (rn *RawNode) acceptReady(ready *Ready) {
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_accept_ready(node, failure)
	})
	// What is forgotten must not be kept by what is done with.
	rn.known, rn.offered = rn.offered, rn.known
	*rn.offered = knownEntries{}
	rn.taken(ready)
	if err != nil {
		rn.stop("a Ready can't be accepted", err)
	}
}

// taken takes account of a Ready that the host has got, the last one that was decoded.
func (rn *RawNode) taken(ready *Ready) {
	rn.mayAdvance = !rn.asyncWrites
	if len(rn.stepped.list) > 0 {
		rn.stepped.forget()
	}
	if n := len(ready.CommittedEntries); n > 0 {
		rn.handedOut = ready.CommittedEntries[n-1].GetIndex()
		rn.readEntries = rn.readEntries.above(rn.handedOut)
	}
}

// given makes a Ready of what the library gives, and lends it until the next one. It is written where
// the host gets it, which saves copies of 150 bytes. known are the entries that the host has without it, and
// then with it.
func (rn *RawNode) given(taken C.go_taken, ready *Ready, known *knownEntries, buffer *ReadyBuffer) error {
	runtime.KeepAlive(rn)
	if taken.status != C.RAFT_OK {
		rn.changed()
		return rn.notGiven(taken)
	}
	rn.rests = bool(taken.rests)
	rn.looked, rn.pending = rn.rests, 0
	lent := taken.ready
	if err := rn.decodeReady(lent, ready, known, buffer); err != nil {
		return rn.stop("a Ready can't be read", err)
	}
	rn.view = lent
	// Nearly always there is nothing of either, as the last time.
	if lent.events_len > 0 || rn.events != nil {
		rn.events = eventsOf(lent)
	}
	if lent.dropped_len > 0 || rn.dropped != nil {
		rn.dropped = droppedOf(lent)
	}
	rn.loan.lend(lent, ready)
	return nil
}

// notGiven is the error if the library gives none.
func (rn *RawNode) notGiven(taken C.go_taken) error {
	err := rn.outcome(taken.status, taken.error)
	if errors.Is(err, &Error{Code: CodeMisuse}) {
		return err
	}
	// The next call would find the same, and a host that asks for as long as there is something
	// to do would ask for ever.
	return rn.stop("no Ready can be made", err)
}

// decodeReady copies what the library lends, of which the host may keep everything, to an empty Ready; but not
// what is in the buffer.
func (rn *RawNode) decodeReady(
	lent *C.raft_ready, rd *Ready, known *knownEntries, buffer *ReadyBuffer,
) (err error) {
	rd.MustSync = bool(lent.must_sync)
	if state := lent.soft_state; state != nil {
		rd.SoftState = &SoftState{Lead: uint64(state.leader), RaftState: StateType(state.role)}
	}
	if state := lent.hard_state; state != nil {
		rd.HardState = newHardState(uint64(state.term), uint64(state.vote), uint64(state.commit), buffer)
	}
	if lent.read_states_len > 0 {
		for _, state := range unsafe.Slice(lent.read_states, int(lent.read_states_len)) {
			rd.ReadStates = append(rd.ReadStates,
				ReadState{Index: uint64(state.index), RequestCtx: copyBytes(state.context)})
		}
	}
	if lent.snapshot != nil {
		// The log is another one now.
		*known, rn.readEntries = knownEntries{}, nil
		if rd.Snapshot, err = decodeSnapshot(copyBytes(lent.snapshot.encoded)); err != nil {
			return err
		}
	}
	if lent.entries_len > 0 {
		entries := unsafe.Slice(lent.entries, int(lent.entries_len))
		if rd.Entries, err = rn.newEntries(entries); err != nil {
			return err
		}
		known.add(rd.Entries)
	}
	if lent.committed_entries_len > 0 {
		entries := unsafe.Slice(lent.committed_entries, int(lent.committed_entries_len))
		if rd.CommittedEntries, err = rn.handBack(entries, known.run); err != nil {
			return err
		}
	}
	if lent.messages_len > 0 {
		messages := unsafe.Slice(lent.messages, int(lent.messages_len))
		if rd.Messages, err = decodeMessages(messages, known.run, buffer); err != nil {
			return err
		}
	}
	if n := len(rd.CommittedEntries); n > 0 {
		known.drop(rd.CommittedEntries[n-1].GetIndex())
	}
	return nil
}

// newEntries gives those that are to be saved: the objects that have come in, as far as they have come
// by way of Step.
func (rn *RawNode) newEntries(lent []C.raft_entry) ([]*pb.Entry, error) {
	stepped := rn.stepped.list
	if len(stepped) == 0 {
		return decodeEntries(lent, &rn.singles)
	}
	var entries []*pb.Entry
	if len(lent) == 1 {
		entries = rn.singles.room(int(lent[0].data.len))
	}
	if entries == nil {
		entries = make([]*pb.Entry, 0, len(lent))
	}
	for i := range lent {
		fields, err := readLentEntry(&lent[i])
		if err != nil {
			return nil, err
		}
		entry := find(&stepped, fields)
		if entry == nil {
			// What is left has come otherwise, or is older and was overwritten.
			left, err := decodeEntries(lent[i:], nil)
			return append(entries, left...), err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// decodeEntries copies entries for the host. A single one is in one of these lists, if there are any.
func decodeEntries(lent []C.raft_entry, singles *singleLists) ([]*pb.Entry, error) {
	bytes := payloadBytes(lent)
	var list entryList
	if len(lent) == 1 {
		list.entries = singles.room(bytes)
	}
	list.prepare(len(lent), bytes)
	for i := range lent {
		fields, err := readLentEntry(&lent[i])
		if err != nil {
			return nil, err
		}
		list.add(fields)
	}
	return list.entries, nil
}

// readLentEntry reads an entry where the library has it. If its bytes are not there, its fields say all.
func readLentEntry(lent *C.raft_entry) (entryFields, error) {
	if lent.encoded.len > 0 {
		return readEntry(borrowed(lent.encoded))
	}
	return entryFields{
		kind: uint64(lent._type), hasKind: lent._type != C.RAFT_ENTRY_NORMAL,
		term: uint64(lent.term), hasTerm: true, index: uint64(lent.index), hasIndex: true,
		data: borrowed(lent.data),
	}, nil
}

// lentBytes is about how much there is in a Ready: of everything that is copied for the host, the bytes, and
// something for each item. By index, since to copy the views costs more than to add.
func lentBytes(lent *C.raft_ready) (bytes int) {
	const perItem = 64
	entries := unsafe.Slice(lent.entries, int(lent.entries_len))
	for i := range entries {
		bytes += perItem + int(entries[i].data.len)
	}
	committed := unsafe.Slice(lent.committed_entries, int(lent.committed_entries_len))
	for i := range committed {
		bytes += perItem + int(committed[i].data.len)
	}
	messages := unsafe.Slice(lent.messages, int(lent.messages_len))
	for i := range messages {
		bytes += perItem + int(messages[i].encoded.len)
	}
	readStates := unsafe.Slice(lent.read_states, int(lent.read_states_len))
	for i := range readStates {
		bytes += perItem + int(readStates[i].context.len)
	}
	dropped := unsafe.Slice(lent.dropped, int(lent.dropped_len))
	for i := range dropped {
		bytes += perItem + int(dropped[i].data.len)
	}
	if lent.snapshot != nil {
		bytes += int(lent.snapshot.encoded.len)
	}
	return bytes + perItem*int(lent.events_len)
}

// handBack gives the entries that the host already has in place of those that are to be applied: those
// that it was given to save, or that its Storage gave.
func (rn *RawNode) handBack(lent []C.raft_entry, known entryRun) ([]*pb.Entry, error) {
	if run := known.cut(uint64(lent[0].index), len(lent)); run != nil && isOf(run, lent) {
		return run, nil
	}
	entries, err := decodeEntries(lent, nil)
	if err != nil {
		return nil, err
	}
	for i, entry := range entries {
		for _, run := range []entryRun{known, rn.readEntries} {
			own := run.cut(entry.GetIndex(), 1)
			if own != nil && own[0].GetTerm() == entry.GetTerm() {
				entries[i] = own[0]
			}
		}
	}
	return entries, nil
}

// isOf says whether these entries are those. There is one entry of an index and a term.
func isOf(run entryRun, lent []C.raft_entry) bool {
	for i, entry := range run {
		if entry.GetIndex() != uint64(lent[i].index) || entry.GetTerm() != uint64(lent[i].term) {
			return false
		}
	}
	return true
}
