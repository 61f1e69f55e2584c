// What a node needs to know of a Storage that the program implements: its state when it starts,
// and afterwards the entries and snapshots that it asks for.

package raft

import (
	"fmt"
	"runtime"
	"sort"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// #include "calls.h"
import "C"

// readRequest asks for the entries [low, high).
type readRequest struct {
	id, low, high, maxBytes uint64
}

type snapshotRequest struct {
	id, to, minIndex uint64
}

// scanBytes limits how much of the log is in memory while it is looked through.
const scanBytes = 1 << 20

// readRestartState reads what a node starts from. Of the entries it reads those that are not
// applied, to find the configuration changes in them.
func readRestartState(config *Config) (*restartState, error) {
	storage := config.Storage
	failed := func(what string, err error) (*restartState, error) {
		return nil, fmt.Errorf("raft: the storage can't tell %s: %w", what, err)
	}
	hardState, confState, err := storage.InitialState()
	if err != nil {
		return failed("its initial state", err)
	}
	first, err := storage.FirstIndex()
	if err != nil {
		return failed("its first index", err)
	}
	last, err := storage.LastIndex()
	if err != nil {
		return failed("its last index", err)
	}
	if first == 0 || last < first-1 {
		return nil, &Error{
			Code:    CodeRestartState,
			Message: fmt.Sprintf("no log goes from %d to %d", first, last),
		}
	}
	compactedTerm, err := storage.Term(first - 1)
	if err != nil {
		return failed("the term before its first index", err)
	}
	runs, err := readTermRuns(storage, first, last)
	if err != nil {
		return failed("its terms", err)
	}
	applied := max(config.Applied, first-1)
	changes, err := findConfChanges(storage, applied+1, last+1)
	if err != nil {
		return failed("its entries", err)
	}
	if config.AppliedConfState != nil {
		confState = config.AppliedConfState
	}

	// A node can't be in an earlier term than its log, whoever made up that log. Only the first
	// term is nobody's: a founder need not have a hard state.
	lastTerm := compactedTerm
	if len(runs) > 0 {
		lastTerm = runs[len(runs)-1].term
	}
	if lastTerm == 1 {
		lastTerm = 0
	}
	return &restartState{
		hardState: &pb.HardState{
			Term:   new(max(hardState.GetTerm(), lastTerm)),
			Vote:   new(hardState.GetVote()),
			Commit: new(hardState.GetCommit()),
		},
		confState:      confState,
		compactedIndex: first - 1,
		compactedTerm:  compactedTerm,
		lastIndex:      last,
		termRuns:       runs,
		confChanges:    changes,
		applied:        applied,
	}, nil
}

// readTermRuns finds the runs of equal terms in [first, last]. Terms never fall, so that the end
// of a run can be searched for.
func readTermRuns(storage Storage, first, last uint64) ([]termRun, error) {
	var runs []termRun
	for index := first; index <= last; {
		term, err := storage.Term(index)
		if err != nil {
			return nil, err
		}
		runs = append(runs, termRun{firstIndex: index, term: term})
		var failure error
		length := sort.Search(int(last-index+1), func(i int) bool {
			other, err := storage.Term(index + uint64(i))
			if err != nil && failure == nil {
				failure = err
			}
			return other != term
		})
		if failure != nil {
			return nil, failure
		}
		index += uint64(length)
	}
	return runs, nil
}

// findConfChanges looks for configuration changes in [low, high).
func findConfChanges(storage Storage, low, high uint64) ([]uint64, error) {
	var changes []uint64
	for low < high {
		entries, err := storage.Entries(low, high, scanBytes)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			return nil, ErrUnavailable
		}
		for _, entry := range entries {
			if entry.GetType() != pb.EntryNormal {
				changes = append(changes, entry.GetIndex())
			}
		}
		low += uint64(len(entries))
	}
	return changes, nil
}

// followCompaction tells the core what the host has dropped from the storage. What the core
// counts as not applied or not persisted yet, because the host compacts before it says so, waits
// for the next time.
func (rn *RawNode) followCompaction() error {
	if rn.storage == nil {
		return nil
	}
	first, err := rn.storage.FirstIndex()
	if err != nil {
		return rn.stop("the storage can't tell its first index", err)
	}
	if first <= rn.firstIndex {
		return nil
	}
	return rn.compacted(first)
}

// compacted tells the core that the log in the storage begins with this index.
func (rn *RawNode) compacted(first uint64) error {
	status, err := rn.nativeStatus()
	if err != nil {
		return err
	}
	first = min(first, uint64(status.applied)+1, uint64(status.persisted)+1)
	if first <= rn.firstIndex {
		return nil
	}
	err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_compacted(node, C.uint64_t(first), failure)
	})
	if err != nil {
		return rn.stop("the storage was compacted too far", err)
	}
	rn.firstIndex = first
	return nil
}

// answerRequests answers what the node asks for, until it asks for nothing more.
func (rn *RawNode) answerRequests() error {
	for {
		taken := C.go_take_requests(rn.at())
		rn.changed()
		runtime.KeepAlive(rn)
		if err := rn.outcome(taken.status, taken.error); err != nil || taken.requests == nil {
			return err
		}
		if err := rn.answerLent(taken.requests); err != nil {
			return err
		}
	}
}

func (rn *RawNode) answerLent(lent *C.raft_requests) error {
	return rn.answer(requestsOf(
		lent.reads, lent.reads_len, lent.snapshot_requests, lent.snapshot_requests_len))
}

// requestsOf copies requests. Their answers make the library write over what it lends.
func requestsOf(
	lentReads *C.raft_read_request, readCount C.size_t,
	lentSnapshots *C.raft_snapshot_request, snapshotCount C.size_t,
) (reads []readRequest, snapshots []snapshotRequest) {
	for _, r := range unsafe.Slice(lentReads, int(readCount)) {
		reads = append(reads,
			readRequest{uint64(r.id), uint64(r.low), uint64(r.high), uint64(r.max_bytes)})
	}
	for _, r := range unsafe.Slice(lentSnapshots, int(snapshotCount)) {
		snapshots = append(snapshots, snapshotRequest{uint64(r.id), uint64(r.to), uint64(r.min_index)})
	}
	return reads, snapshots
}

// answer answers some requests.
func (rn *RawNode) answer(reads []readRequest, snapshots []snapshotRequest) error {
	for _, request := range reads {
		if err := rn.answerRead(request); err != nil {
			return err
		}
	}
	for _, request := range snapshots {
		if err := rn.answerSnapshot(request); err != nil {
			return err
		}
	}
	return nil
}

func (rn *RawNode) answerRead(request readRequest) error {
	entries, err := rn.storage.Entries(request.low, request.high, request.maxBytes)
	if says(err, ErrCompacted) {
		status, failed := rn.nativeStatus()
		if failed != nil {
			return failed
		}
		// What is not applied must still be there: nobody could ever hand it out.
		if request.low <= uint64(status.applied) {
			return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
				return C.raft_node_read_failed(
					node, C.uint64_t(request.id), C.RAFT_READ_COMPACTED, failure)
			})
		}
	}
	if err == nil && len(entries) == 0 {
		err = ErrUnavailable
	}
	if err != nil {
		return rn.stop(
			fmt.Sprintf("the storage can't read entries [%d, %d)", request.low, request.high), err)
	}
	encoded := encodeEntries(entries)
	err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return withViews(encoded, func(list *C.raft_bytes, length C.size_t) C.raft_status {
			return C.raft_node_provide_entries(
				node, C.uint64_t(request.id), list, length, failure)
		})
	})
	if err != nil {
		// The core would ask for the same again, and get the same answer.
		return rn.stop("the storage gave entries that are not in the log", err)
	}
	if request.low > rn.handedOut {
		rn.readEntries = rn.readEntries.with(entries)
	}
	return nil
}

func (rn *RawNode) answerSnapshot(request snapshotRequest) error {
	snapshot, err := rn.storage.Snapshot()
	if err != nil && !says(err, ErrSnapshotTemporarilyUnavailable) {
		return rn.stop("the storage can't give a snapshot", err)
	}
	old := err == nil && snapshot.GetMetadata().GetIndex() < request.minIndex
	if err != nil || IsEmptySnap(snapshot) || old {
		if err == nil && !old {
			rn.logger.Warningf("%x: %x needs a snapshot, and there is none", rn.id, request.to)
		}
		return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
			return C.raft_node_snapshot_failed(node, C.uint64_t(request.id), failure)
		})
	}
	encoded, err := proto.Marshal(snapshot)
	if err != nil {
		return rn.stop("the storage gave a snapshot that can't be encoded", err)
	}
	err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		data, length := view(encoded)
		return C.raft_node_provide_snapshot(node, C.uint64_t(request.id), data, length, failure)
	})
	if err != nil && rn.err == nil {
		// Not sent, and asked for again when the follower speaks up.
		rn.logger.Warningf("%x: no snapshot for %x: %v", rn.id, request.to, err)
	}
	return rn.err
}

func (rn *RawNode) nativeStatus() (C.raft_node_status, error) {
	status := C.raft_node_status{}
	status.size = C.size_t(unsafe.Sizeof(status))
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_get_status(node, &status, failure)
	})
	return status, err
}
