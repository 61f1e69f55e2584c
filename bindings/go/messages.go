// The messages of a Ready. Most are answers, or one append to each follower; these two have ways of their own.
// The library lends numbers where these are all, and bytes otherwise, as wire.go has them.

package raft

import (
	"bytes"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "libraft.h"
import "C"

// lentMessage is a message as the library lends it. If its bytes are not there, its numbers say all.
type lentMessage = C.raft_message

// messageCell is a message with what most fields point to.
type messageCell struct {
	message                                pb.Message
	to, from, term, logTerm, index, commit uint64
	kind                                   pb.MessageType
}

// decodeMessages decodes the messages of a Ready. known are entries that the host has, or gets together with
// the messages: those that are sent need not be decoded then.
func decodeMessages(lent []lentMessage, known entryRun) ([]*pb.Message, error) {
	if len(lent) == 1 {
		if isAnswer(&lent[0]) {
			return newAnswer(&lent[0]), nil
		}
		one := &struct {
			messageCell
			list [1]*pb.Message
		}{}
		one.list[0] = &one.message
		return one.list[:], one.read(&lent[0], known)
	}
	if len(lent) > 1 && isBroadcast(lent) {
		return decodeBroadcast(lent, known)
	}
	cells, list := make([]messageCell, len(lent)), make([]*pb.Message, len(lent))
	for i := range cells {
		if err := cells[i].read(&lent[i], known); err != nil {
			return nil, err
		}
		list[i] = &cells[i].message
	}
	return list, nil
}

// read reads a message into an empty cell.
func (cell *messageCell) read(lent *lentMessage, known entryRun) error {
	if lent.encoded.len > 0 {
		return cell.decode(borrowed(lent.encoded), known)
	}
	m := &cell.message
	cell.kind, m.Type = pb.MessageType(lent._type), &cell.kind
	cell.to, m.To = uint64(lent.to), &cell.to
	cell.from, m.From = uint64(lent.from), &cell.from
	if lent.term != 0 {
		cell.term, m.Term = uint64(lent.term), &cell.term
	}
	switch cell.kind {
	case pb.MsgApp:
		cell.logTerm, m.LogTerm = uint64(lent.log_term), &cell.logTerm
		cell.index, m.Index = uint64(lent.index), &cell.index
		cell.commit, m.Commit = uint64(lent.commit), &cell.commit
	case pb.MsgAppResp:
		cell.index, m.Index = uint64(lent.index), &cell.index
	case pb.MsgHeartbeat:
		cell.commit, m.Commit = uint64(lent.commit), &cell.commit
	}
	return nil
}

// isAnswer says whether a message accepts an append, and says no more than that.
func isAnswer(lent *lentMessage) bool {
	return lent.encoded.len == 0 && lent._type == C.RAFT_MSG_APP_RESP && lent.term != 0
}

// newAnswer makes such a message, in a list: 256 bytes, in place of 288.
func newAnswer(lent *lentMessage) []*pb.Message {
	a := &struct {
		message               pb.Message
		to, from, term, index uint64
		kind                  pb.MessageType
		list                  [1]*pb.Message
	}{
		to: uint64(lent.to), from: uint64(lent.from), term: uint64(lent.term), index: uint64(lent.index),
		kind: pb.MsgAppResp,
	}
	m := &a.message
	m.Type, m.To, m.From, m.Term, m.Index = &a.kind, &a.to, &a.from, &a.term, &a.index
	a.list[0] = m
	return a.list[:]
}

// isBroadcast says whether all of these are one message to several recipients.
func isBroadcast(lent []lentMessage) bool {
	first := &lent[0]
	for i := 1; i < len(lent); i++ {
		other := &lent[i]
		if other._type != first._type || other.from != first.from || other.term != first.term ||
			other.log_term != first.log_term || other.index != first.index || other.commit != first.commit ||
			!areBroadcast(borrowed(first.encoded), borrowed(other.encoded)) {
			return false
		}
	}
	return true
}

// The id of the recipient, if it is of one byte, stands behind the type, which has one too, and both keys.
const (
	recipientAt = 3
	// What is longer takes longer to be compared than to be decoded.
	maxBroadcast = 256
)

// areBroadcast says whether two messages differ in nothing but the recipient, if at all. If their bytes are
// not there, there is nothing to be compared.
func areBroadcast(first, other []byte) bool {
	if len(first) == 0 || len(other) == 0 {
		return len(first) == len(other)
	}
	return len(first) == len(other) && len(first) > recipientAt && len(first) <= maxBroadcast &&
		first[0] == 1<<3|keyOfVarint && first[1] < 0x80 && first[2] == 2<<3|keyOfVarint &&
		first[recipientAt] < 0x80 && other[recipientAt] < 0x80 &&
		bytes.Equal(other[:recipientAt], first[:recipientAt]) &&
		bytes.Equal(other[recipientAt+1:], first[recipientAt+1:])
}

// sibling is a message of a broadcast which shares with the first one what its fields point to.
type sibling struct {
	message pb.Message
	to      uint64
}

// decodeBroadcast decodes the first one. The others are the same, but for the recipient.
func decodeBroadcast(lent []lentMessage, known entryRun) ([]*pb.Message, error) {
	var (
		first    *messageCell
		siblings []sibling
		list     []*pb.Message
	)
	if len(lent) == 2 {
		// As appends of the leader of three: one object.
		pair := &struct {
			first    messageCell
			siblings [1]sibling
			list     [2]*pb.Message
		}{}
		first, siblings, list = &pair.first, pair.siblings[:], pair.list[:]
	} else {
		first, siblings = &messageCell{}, make([]sibling, len(lent)-1)
		list = make([]*pb.Message, len(lent))
	}
	if err := first.read(&lent[0], known); err != nil {
		return nil, err
	}
	m := &first.message
	list[0] = m
	if m.Snapshot != nil || m.Responses != nil || len(unknownInMessage(m)) > 0 {
		// Rare, and not to be shared.
		for i := range siblings {
			cell := &messageCell{}
			if err := cell.read(&lent[i+1], known); err != nil {
				return nil, err
			}
			list[i+1] = &cell.message
		}
		return list, nil
	}
	for i := range siblings {
		s := &siblings[i]
		s.to = uint64(lent[i+1].to)
		other := &s.message
		other.Type, other.To, other.From, other.Term = m.Type, &s.to, m.From, m.Term
		other.LogTerm, other.Index, other.Commit, other.Vote = m.LogTerm, m.Index, m.Commit, m.Vote
		other.Reject, other.RejectHint = m.Reject, m.RejectHint
		other.Entries, other.Context = m.Entries, m.Context
		list[i+1] = other
	}
	return list, nil
}

// sent gives the entries of a message that are known, if they are a part of the node's log. A proposal that
// is forwarded is none, whatever places its entries say they have.
func sent(kind pb.MessageType, encoded []byte, known entryRun) (entries []*pb.Entry, length int) {
	switch kind {
	case pb.MsgApp, pb.MsgStorageAppend, pb.MsgStorageApply, pb.MsgStorageApplyResp:
		return known.sent(encoded)
	}
	return nil, 0
}

// decode reads the bytes of a message into an empty cell.
func (cell *messageCell) decode(encoded []byte, known entryRun) error {
	m := &cell.message
	var (
		// Behind a pointer, since most messages have none, and to clear it takes longer than to read one.
		entries   *entryList
		responses []messageCell
		err       error
	)
	for len(encoded) > 0 && err == nil {
		key, number, begin, end := readField(encoded)
		if end == 0 {
			return fieldError(encoded)
		}
		value := encoded[begin:end]
		switch key {
		case 1<<3 | keyOfVarint:
			cell.kind, m.Type = pb.MessageType(number), &cell.kind
		case 2<<3 | keyOfVarint:
			cell.to, m.To = number, &cell.to
		case 3<<3 | keyOfVarint:
			cell.from, m.From = number, &cell.from
		case 4<<3 | keyOfVarint:
			cell.term, m.Term = number, &cell.term
		case 5<<3 | keyOfVarint:
			cell.logTerm, m.LogTerm = number, &cell.logTerm
		case 6<<3 | keyOfVarint:
			cell.index, m.Index = number, &cell.index
		case keyOfEntry:
			if entries == nil {
				if sent, length := sent(cell.kind, encoded, known); sent != nil {
					m.Entries, end = sent, length
					break
				}
				entries = &entryList{}
				entries.prepare(sizes(encoded, key))
			}
			var fields entryFields
			if fields, err = readEntry(value); err == nil {
				entries.add(fields)
				m.Entries = entries.entries
			}
		case 8<<3 | keyOfVarint:
			cell.commit, m.Commit = number, &cell.commit
		case 9<<3 | keyOfBytes:
			m.Snapshot, err = mergeSnapshot(m.Snapshot, bytes.Clone(value))
		case 10<<3 | keyOfVarint:
			m.Reject = new(number != 0)
		case 11<<3 | keyOfVarint:
			m.RejectHint = new(number)
		case 12<<3 | keyOfBytes:
			m.Context = bytes.Clone(value)
		case 13<<3 | keyOfVarint:
			m.Vote = new(number)
		case 14<<3 | keyOfBytes:
			if responses == nil {
				count, _ := sizes(encoded, key)
				responses, m.Responses = make([]messageCell, count), make([]*pb.Message, 0, count)
			}
			response := &responses[len(m.Responses)]
			m.Responses = append(m.Responses, &response.message)
			err = response.decode(value, known)
		default:
			// An extension, which goes along when the message is encoded again.
			reflected := m.ProtoReflect()
			reflected.SetUnknown(append(reflected.GetUnknown(), encoded[:end]...))
		}
		encoded = encoded[end:]
	}
	return err
}

// decodeMessage decodes a message that is not of a Ready.
func decodeMessage(encoded []byte) (*pb.Message, error) {
	cell := &messageCell{}
	err := cell.decode(encoded, nil)
	return &cell.message, err
}
