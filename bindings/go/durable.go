// DurableStorage: a node's stored state on disk.

package raft

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// #include <stdlib.h>
// #include "libraft.h"
import "C"

// DurableStorage is a Storage in a directory. One process may have it open at a time. Every record
// is checksummed; a write that a crash cut off leaves nothing behind, and damage is an error,
// never skipped.
//
// All its methods may be called from any goroutine, and a read does not wait for a sync. After a
// failed write nobody can know how much of it is on disk, so that further ones are refused until
// the storage is opened anew.
type DurableStorage struct {
	// Calls hold it for reading, and Close for writing.
	mutex  sync.RWMutex
	native *C.raft_storage
	free   runtime.Cleanup
	// Of the node that was opened last on this storage.
	loan atomic.Pointer[loan]
}

var _ Storage = (*DurableStorage)(nil)

// RecoveryReport says what was found when a storage was opened.
type RecoveryReport struct {
	// Crashed says that the storage existed and was not closed by its last user.
	Crashed bool
	// DiscardedWrites counts writes that were begun and never reported as done, and of which
	// nothing is left.
	DiscardedWrites uint64
}

// OpenDurableStorage opens the storage in a directory, which is made if it is absent. An [Error]
// with CodeLocked if it is open already, CodeCorrupt if it is damaged, CodeIO otherwise.
func OpenDurableStorage(dir string) (*DurableStorage, error) {
	if strings.ContainsRune(dir, 0) {
		return nil, &Error{Code: CodeArgument, Message: "the path has a zero byte in it: pass the name of a directory"}
	}
	path := C.CString(dir)
	defer C.free(unsafe.Pointer(path))
	s := &DurableStorage{}
	var failure *C.raft_error
	status := C.raft_storage_open(path, &s.native, &failure)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	s.free = runtime.AddCleanup(s, func(native *C.raft_storage) { C.raft_storage_free(native) }, s.native)
	return s, nil
}

// Close makes earlier writes survive a power cut and closes the storage, once the nodes on it are
// closed as well. A closed storage returns ErrClosed; closing it again does nothing.
func (s *DurableStorage) Close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.native == nil {
		return nil
	}
	var failure *C.raft_error
	status := C.raft_storage_sync(s.native, &failure)
	err := takeError(status, failure)
	s.free.Stop()
	C.raft_storage_free(s.native)
	s.native = nil
	return err
}

// RecoveryReport says what was found when the storage was opened.
func (s *DurableStorage) RecoveryReport() (RecoveryReport, error) {
	report := C.raft_recovery_report{}
	report.size = C.size_t(unsafe.Sizeof(report))
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_recovery_report(native, &report, failure)
	})
	return RecoveryReport{bool(report.crashed), uint64(report.discarded_writes)}, err
}

// IsFresh says whether nothing has ever been written.
func (s *DurableStorage) IsFresh() (bool, error) {
	var fresh C.bool
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_is_fresh(native, &fresh, failure)
	})
	return bool(fresh), err
}

// Bootstrap writes the first state of a group into a fresh storage: a snapshot with the first
// members and the state machine's first state, the same for each of them. Its index and term are
// both 0, or both at least 1; with 1 and 1 the log begins at 2, so that a later member, which
// is not bootstrapped, can only be brought up by a snapshot, and learns what is in there.
func (s *DurableStorage) Bootstrap(snapshot *pb.Snapshot) error {
	meta := snapshot.GetMetadata()
	members := meta.GetConfState()
	if len(members.GetVotersOutgoing()) > 0 || len(members.GetLearnersNext()) > 0 {
		return &Error{Code: CodeArgument, Message: "a group can't begin in a joint configuration: pass Voters and Learners only"}
	}
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		data, length := view(snapshot.GetData())
		return C.raft_storage_bootstrap(native,
			C.uint64_t(meta.GetIndex()), C.uint64_t(meta.GetTerm()),
			ids(members.GetVoters()), C.size_t(len(members.GetVoters())),
			ids(members.GetLearners()), C.size_t(len(members.GetLearners())),
			data, length, failure)
	})
}

func ids(list []uint64) *C.uint64_t {
	return (*C.uint64_t)(unsafe.SliceData(list))
}

// Save persists the hard state, the entries and the snapshot of a Ready, all or nothing, with one
// sync if they need one. When it returns nil, the messages may be sent.
func (s *DurableStorage) Save(rd Ready) error {
	if loan := s.loan.Load(); loan != nil {
		loan.mutex.Lock()
		defer loan.mutex.Unlock()
		if loan.isOf(&rd) {
			return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
				return C.raft_storage_save(native, loan.view, failure)
			})
		}
	}
	return s.append(rd.HardState, rd.Entries, rd.Snapshot, rd.MustSync)
}

// append does the same for what the library no longer has, or never had.
func (s *DurableStorage) append(
	hardState *pb.HardState, entries []*pb.Entry, snapshot *pb.Snapshot, mustSync bool,
) (err error) {
	var state *C.raft_hard_state
	if hardState != nil {
		state = &C.raft_hard_state{
			term:   C.uint64_t(hardState.GetTerm()),
			vote:   C.uint64_t(hardState.GetVote()),
			commit: C.uint64_t(hardState.GetCommit()),
		}
	}
	encodedEntries := encodeEntries(entries)
	var encodedSnapshot []byte
	if !IsEmptySnap(snapshot) {
		if encodedSnapshot, err = proto.Marshal(snapshot); err != nil {
			return err
		}
	}
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return withViews(encodedEntries, func(list *C.raft_bytes, length C.size_t) C.raft_status {
			data, dataLength := view(encodedSnapshot)
			return C.raft_storage_append(
				native, state, list, length, data, dataLength, C.bool(mustSync), failure)
		})
	})
}

// SaveMessage persists what a MsgStorageAppend asks for: with Config.AsyncStorageWrites, the work
// of the append worker. When it returns nil, the message's responses may be delivered.
func (s *DurableStorage) SaveMessage(m *pb.Message) error {
	encoded, err := appendMessage(nil, m)
	if err != nil {
		return err
	}
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		data, length := view(encoded)
		return C.raft_storage_append_message(native, data, length, failure)
	})
}

// Sync makes writes survive a power cut that did not ask for it by themselves, as when only the
// commit index moved.
func (s *DurableStorage) Sync() error {
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_sync(native, failure)
	})
}

// CreateSnapshot makes data, the state after the entry i, the newest snapshot. cs is the
// configuration as of that entry, as [RawNode.ApplyConfChange] returned it; nil stands for the
// one of the last snapshot, if no change has been applied since. The log stays as it is, see
// Compact.
func (s *DurableStorage) CreateSnapshot(i uint64, cs *pb.ConfState, data []byte) error {
	encoded, err := proto.Marshal(cs)
	if err != nil {
		return err
	}
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		members, membersLength := view(encoded)
		start, length := view(data)
		return C.raft_storage_create_snapshot(
			native, C.uint64_t(i), members, membersLength, start, length, failure)
	})
}

// Compact drops the entries up to and including compactIndex, at most the index of the newest
// snapshot. ErrCompacted if they are gone already. Nodes on this storage hear of it by themselves.
func (s *DurableStorage) Compact(compactIndex uint64) error {
	return s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_compact(native, C.uint64_t(compactIndex+1), failure)
	})
}

// InitialState implements Storage, with the configuration of the newest snapshot.
func (s *DurableStorage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	var buffer *C.raft_buffer
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_restart_state(native, &buffer, failure)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.raft_buffer_free(buffer)
	return decodeInitialState(copyBytes(C.raft_buffer_bytes(buffer)))
}

// Entries implements Storage.
func (s *DurableStorage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	var list *C.raft_entries
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_entries(
			native, C.uint64_t(lo), C.uint64_t(hi), C.uint64_t(maxSize), &list, failure)
	})
	if err != nil {
		return nil, err
	}
	defer C.raft_entries_free(list)
	return decodeEntries(unsafe.Slice(list.entries, int(list.entries_len)), nil)
}

// Term implements Storage.
func (s *DurableStorage) Term(i uint64) (uint64, error) {
	return s.number(func(native *C.raft_storage, out *C.uint64_t, failure **C.raft_error) C.raft_status {
		return C.raft_storage_term(native, C.uint64_t(i), out, failure)
	})
}

// LastIndex implements Storage.
func (s *DurableStorage) LastIndex() (uint64, error) {
	return s.number(func(native *C.raft_storage, out *C.uint64_t, failure **C.raft_error) C.raft_status {
		return C.raft_storage_last_index(native, out, failure)
	})
}

// FirstIndex implements Storage.
func (s *DurableStorage) FirstIndex() (uint64, error) {
	return s.number(func(native *C.raft_storage, out *C.uint64_t, failure **C.raft_error) C.raft_status {
		return C.raft_storage_first_index(native, out, failure)
	})
}

// Snapshot implements Storage. Before the first one it has index 0, no data, and the members that
// the storage was bootstrapped with.
func (s *DurableStorage) Snapshot() (*pb.Snapshot, error) {
	var snapshot *C.raft_snapshot
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return C.raft_storage_snapshot(native, &snapshot, failure)
	})
	if err != nil {
		return nil, err
	}
	defer C.raft_snapshot_free(snapshot)
	return decodeSnapshot(copyBytes(snapshot.encoded))
}

func (s *DurableStorage) number(
	f func(*C.raft_storage, *C.uint64_t, **C.raft_error) C.raft_status,
) (uint64, error) {
	var out C.uint64_t
	err := s.call(func(native *C.raft_storage, failure **C.raft_error) C.raft_status {
		return f(native, &out, failure)
	})
	return uint64(out), err
}

// call makes a call on the storage, which can't be closed meanwhile.
func (s *DurableStorage) call(f func(*C.raft_storage, **C.raft_error) C.raft_status) error {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	if s.native == nil {
		return ErrClosed
	}
	var failure *C.raft_error
	status := f(s.native, &failure)
	runtime.KeepAlive(s)
	return takeError(status, failure)
}
