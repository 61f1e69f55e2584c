// Messages that go to the library as numbers. Nearly all that come in are answers, or tell how far the leader has
// committed, or bring one entry: to write these as fields of a struct is less work than to encode them, and so is
// to read them. The library takes both for the same (raft_node_step_message).

package raft

import (
	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "calls.h"
import "C"

// numbersOf writes the numbers of a message, and of its entry, whose payload it gives. false if there is more
// to the message, or less than messages of its type have.
func numbersOf(m *pb.Message, numbers *C.go_numbers) (payload []byte, ok bool) {
	if m == nil || m.Type == nil || len(m.Entries) > 1 || m.Context != nil || m.Snapshot != nil || m.Reject != nil ||
		m.RejectHint != nil || m.Vote != nil || m.Responses != nil || len(unknownInMessage(m)) > 0 {
		return nil, false
	}
	switch *m.Type {
	case pb.MsgApp:
		ok = true
	case pb.MsgAppResp:
		ok = m.Index != nil && m.LogTerm == nil && m.Commit == nil && len(m.Entries) == 0
	case pb.MsgHeartbeat:
		ok = m.Index == nil && m.LogTerm == nil && len(m.Entries) == 0
	case pb.MsgHeartbeatResp:
		ok = m.Index == nil && m.LogTerm == nil && m.Commit == nil && len(m.Entries) == 0
	}
	if !ok {
		return nil, false
	}
	numbers._type = C.int32_t(*m.Type)
	numbers.to, numbers.from, numbers.term = numberOf(m.To), numberOf(m.From), numberOf(m.Term)
	numbers.index = numberOf(m.Index)
	if *m.Type != pb.MsgAppResp {
		// An answer has neither, and the library passes over what it finds there.
		numbers.log_term, numbers.commit = numberOf(m.LogTerm), numberOf(m.Commit)
	}
	numbers.has_entry = len(m.Entries) == 1
	if !numbers.has_entry {
		return nil, true
	}
	e := m.Entries[0]
	// What is there and says no more than if it were not is kept as it is, by its bytes.
	if e == nil || e.Term == nil || e.Index == nil || e.Type != nil && *e.Type == pb.EntryNormal ||
		e.Data != nil && len(e.Data) == 0 || len(unknownInEntry(e)) > 0 {
		return nil, false
	}
	numbers.entry_type = 0
	if e.Type != nil {
		numbers.entry_type = C.int32_t(*e.Type)
	}
	numbers.entry_term, numbers.entry_index = C.uint64_t(*e.Term), C.uint64_t(*e.Index)
	return e.Data, true
}

// numberOf is 0 if there is none, as for the library.
func numberOf(number *uint64) C.uint64_t {
	if number == nil {
		return 0
	}
	return C.uint64_t(*number)
}
