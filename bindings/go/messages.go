// The messages of a Ready. Most are answers, or one append to each follower; these two have ways of their own.
// The library lends numbers where these and entries of the same Ready are all, and bytes otherwise, as wire.go
// has them.

package raft

import (
	"bytes"
	"errors"
	"slices"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// #include "libraft.h"
import "C"

// lentMessage is a message as the library lends it. If its bytes are not there, its numbers and its entries say
// all.
type lentMessage = C.raft_message

// messageCell is a message with what most fields point to.
type messageCell struct {
	message                                pb.Message
	to, from, term, logTerm, index, commit uint64
	kind                                   pb.MessageType
}

// decodeMessages decodes the messages of a Ready. known are entries that the host has, or gets together with
// the messages: those that are sent need not be decoded then.
func decodeMessages(lent []lentMessage, known entryRun, buffer *ReadyBuffer) ([]*pb.Message, error) {
	cells, list := buffer.room(lent)
	buffered := cells != nil
	if !buffered && len(lent) == 1 {
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
	if !buffered {
		cells, list = newCells(lent)
	}
	for i := range cells {
		cell := &cells[i]
		if i > 0 && lent[i].encoded.len > 0 && isBroadcast(&lent[i-1], &lent[i]) &&
			cell.copy(list[i-1], uint64(lent[i].to)) {
			list[i] = &cell.message
			continue
		}
		if !buffered && isLarge(&lent[i]) {
			cell = &messageCell{}
		}
		if err := cell.read(&lent[i], known); err != nil {
			return nil, err
		}
		list[i] = &cell.message
	}
	return list, nil
}

// newCells makes a cell and a place in a list for each message, in one object if there are two of them, as
// the appends of the leader of three.
func newCells(lent []lentMessage) ([]messageCell, []*pb.Message) {
	if len(lent) != 2 || isLarge(&lent[0]) || isLarge(&lent[1]) {
		return make([]messageCell, len(lent)), make([]*pb.Message, len(lent))
	}
	pair := &struct {
		cells [2]messageCell
		list  [2]*pb.Message
	}{}
	return pair.cells[:], pair.list[:]
}

// isLarge says whether a message gets an object of its own, so that a host that keeps a small one of the
// same Ready does not keep, say, a snapshot with it.
func isLarge(lent *lentMessage) bool {
	bytes := int(lent.encoded.len)
	if lent.entries_len > 0 {
		bytes += payloadBytes(unsafe.Slice(lent.entries, int(lent.entries_len)))
	}
	return bytes > 4<<10
}

func payloadBytes(lent []C.raft_entry) (bytes int) {
	for i := range lent {
		bytes += int(lent[i].data.len)
	}
	return bytes
}

// read reads a message into an empty cell.
func (cell *messageCell) read(lent *lentMessage, known entryRun) error {
	if lent.encoded.len > 0 {
		return cell.decode(borrowed(lent.encoded), known)
	}
	m := &cell.message
	cell.kind, cell.to, cell.from = pb.MessageType(lent._type), uint64(lent.to), uint64(lent.from)
	// Pointers that are written side by side share one look whether the collector has to be told of them.
	switch cell.kind {
	case pb.MsgApp:
		cell.logTerm, cell.index, cell.commit = uint64(lent.log_term), uint64(lent.index), uint64(lent.commit)
		m.Type, m.To, m.From = &cell.kind, &cell.to, &cell.from
		m.LogTerm, m.Index, m.Commit = &cell.logTerm, &cell.index, &cell.commit
		if lent.entries_len > 0 {
			// They are in the Ready, whose entries are known by now.
			m.Entries = known.cut(uint64(lent.entries.index), int(lent.entries_len))
			if m.Entries == nil {
				return errors.New("raft: a message has entries that are not in its Ready")
			}
		}
	case pb.MsgAppResp:
		cell.index = uint64(lent.index)
		m.Type, m.To, m.From, m.Index = &cell.kind, &cell.to, &cell.from, &cell.index
	case pb.MsgHeartbeat:
		cell.commit = uint64(lent.commit)
		m.Type, m.To, m.From, m.Commit = &cell.kind, &cell.to, &cell.from, &cell.commit
	default:
		m.Type, m.To, m.From = &cell.kind, &cell.to, &cell.from
	}
	if lent.term != 0 {
		cell.term, m.Term = uint64(lent.term), &cell.term
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

const (
	// Where the recipient is, behind the type, which is of one byte, and both keys.
	recipientAt = 3
	// What is longer takes longer to be compared than to be decoded.
	maxBroadcast = 256
)

// behindRecipient is what an encoded message has behind its type and its recipient. nil if it does not begin
// with these two, or is too long, or has no bytes: to read numbers is as fast as to copy them.
func behindRecipient(lent *lentMessage) []byte {
	encoded := borrowed(lent.encoded)
	if len(encoded) <= recipientAt || len(encoded) > maxBroadcast ||
		encoded[0] != 1<<3|keyOfVarint || encoded[1] >= 0x80 || encoded[2] != 2<<3|keyOfVarint {
		return nil
	}
	to, n := protowire.ConsumeVarint(encoded[recipientAt:])
	if n < 0 || to != uint64(lent.to) {
		return nil
	}
	return encoded[recipientAt+n:]
}

// isBroadcast says whether two messages differ in nothing but the recipient, if at all, as far as it pays
// to know.
func isBroadcast(one, other *lentMessage) bool {
	if one._type != other._type || one.encoded.len == 0 {
		return false
	}
	rest, otherRest := behindRecipient(one), behindRecipient(other)
	// The type once more, as it is in the bytes.
	return rest != nil && otherRest != nil && bytes.Equal(rest, otherRest) &&
		borrowed(one.encoded)[1] == borrowed(other.encoded)[1]
}

// copy makes in an empty cell the same message to another recipient, with numbers of its own, since a host may
// change them; entries and context are shared, as they are in go.etcd.io/raft. false, and nothing is done, if
// there is more to the message, which is rare.
func (cell *messageCell) copy(of *pb.Message, to uint64) bool {
	if of.Snapshot != nil || of.Responses != nil || of.Vote != nil || of.Reject != nil || of.RejectHint != nil ||
		len(unknownInMessage(of)) > 0 {
		return false
	}
	m := &cell.message
	cell.kind, m.Type = *of.Type, &cell.kind
	cell.to, m.To = to, &cell.to
	m.From = copyNumber(&cell.from, of.From)
	m.Term = copyNumber(&cell.term, of.Term)
	m.LogTerm = copyNumber(&cell.logTerm, of.LogTerm)
	m.Index = copyNumber(&cell.index, of.Index)
	m.Commit = copyNumber(&cell.commit, of.Commit)
	m.Entries, m.Context = of.Entries, of.Context
	return true
}

// copyNumber gives the place where the number is now, if there is one.
func copyNumber(place, number *uint64) *uint64 {
	if number == nil {
		return nil
	}
	*place = *number
	return place
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
				if own, length := sent(cell.kind, encoded, known); own != nil {
					m.Entries, end = own, length
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
			// Its capacity ends with it, since messages may share it.
			m.Context = slices.Clip(bytes.Clone(value))
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
