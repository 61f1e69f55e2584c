// Decoding of the messages of a Ready, as wire.go does it with everything else. Most are answers, or one append
// to each follower; these two have ways of their own.

package raft

import (
	"bytes"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// messageCell is a message with what its fields point to.
type messageCell struct {
	message                                            pb.Message
	to, from, term, logTerm, index, commit, vote, hint uint64
	kind                                               pb.MessageType
	reject                                             bool
}

// decodeMessages decodes the messages of a Ready, of which there is at least one. known are entries that the host has, or gets together with
// the messages: those that are sent need not be decoded then.
func decodeMessages(count int, encoded func(int) []byte, known entryRun) ([]*pb.Message, error) {
	first := encoded(0)
	if count == 1 {
		if answer := decodeAnswer(first); answer != nil {
			return answer.list[:], nil
		}
		one := &struct {
			messageCell
			list [1]*pb.Message
		}{}
		one.list[0] = &one.message
		return one.list[:], one.decode(first, known)
	}
	if isBroadcast(count, encoded) {
		return decodeBroadcast(count, encoded, known)
	}
	cells, list := make([]messageCell, count), make([]*pb.Message, count)
	for i := range cells {
		if err := cells[i].decode(encoded(i), known); err != nil {
			return nil, err
		}
		list[i] = &cells[i].message
	}
	return list, nil
}

// answer is a message that has an index and no more, in a list: 256 bytes, in place of 288.
type answer struct {
	message pb.Message
	// The fields of answerKeys but the first.
	numbers [4]uint64
	kind    pb.MessageType
	list    [1]*pb.Message
}

var answerKeys = [...]byte{
	1<<3 | keyOfVarint, 2<<3 | keyOfVarint, 3<<3 | keyOfVarint, 4<<3 | keyOfVarint, 6<<3 | keyOfVarint,
}

// decodeAnswer is nil for any other message, and if the fields are not in their order.
func decodeAnswer(encoded []byte) *answer {
	var fields [len(answerKeys)]uint64
	for i, key := range answerKeys {
		if len(encoded) < 2 || encoded[0] != key {
			return nil
		}
		n := 1
		if fields[i] = uint64(encoded[1]); fields[i] >= 0x80 {
			if fields[i], n = protowire.ConsumeVarint(encoded[1:]); n < 0 {
				return nil
			}
		}
		encoded = encoded[1+n:]
	}
	if len(encoded) > 0 {
		return nil
	}
	a := &answer{numbers: [4]uint64(fields[1:]), kind: pb.MessageType(fields[0])}
	m := &a.message
	m.Type, m.To, m.From, m.Term, m.Index = &a.kind, &a.numbers[0], &a.numbers[1], &a.numbers[2], &a.numbers[3]
	a.list[0] = m
	return a
}

// A broadcast is one message to several recipients, which have ids of one byte: these stand behind the type,
// which has one too, and both keys.
const (
	recipientAt = 3
	// What is longer takes longer to be compared than to be decoded.
	maxBroadcast = 256
)

func isBroadcast(count int, encoded func(int) []byte) bool {
	first := encoded(0)
	if len(first) <= recipientAt || len(first) > maxBroadcast ||
		first[0] != 1<<3|keyOfVarint || first[1] >= 0x80 || first[2] != 2<<3|keyOfVarint || first[3] >= 0x80 {
		return false
	}
	for i := 1; i < count; i++ {
		other := encoded(i)
		if len(other) != len(first) || other[recipientAt] >= 0x80 ||
			!bytes.Equal(other[:recipientAt], first[:recipientAt]) ||
			!bytes.Equal(other[recipientAt+1:], first[recipientAt+1:]) {
			return false
		}
	}
	return true
}

// sibling is a message of a broadcast which shares with the first one what its fields point to.
type sibling struct {
	message pb.Message
	to      uint64
}

// decodeBroadcast decodes the first one. The others are the same, but for the recipient.
func decodeBroadcast(count int, encoded func(int) []byte, known entryRun) ([]*pb.Message, error) {
	var (
		first    *messageCell
		siblings []sibling
		list     []*pb.Message
	)
	if count == 2 {
		// As appends of the leader of three: one object.
		pair := &struct {
			first    messageCell
			siblings [1]sibling
			list     [2]*pb.Message
		}{}
		first, siblings, list = &pair.first, pair.siblings[:], pair.list[:]
	} else {
		first, siblings = &messageCell{}, make([]sibling, count-1)
		list = make([]*pb.Message, count)
	}
	if err := first.decode(encoded(0), known); err != nil {
		return nil, err
	}
	m := &first.message
	list[0] = m
	if m.Snapshot != nil || m.Responses != nil || len(unknownInMessage(m)) > 0 {
		// Rare, and not to be shared.
		for i := range siblings {
			cell := &messageCell{}
			if err := cell.decode(encoded(i+1), known); err != nil {
				return nil, err
			}
			list[i+1] = &cell.message
		}
		return list, nil
	}
	for i := range siblings {
		s := &siblings[i]
		s.to = uint64(encoded(i + 1)[recipientAt])
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

// decode reads a message into an empty cell.
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
			err = entries.add(value)
			m.Entries = entries.entries
		case 8<<3 | keyOfVarint:
			cell.commit, m.Commit = number, &cell.commit
		case 9<<3 | keyOfBytes:
			m.Snapshot, err = mergeSnapshot(m.Snapshot, bytes.Clone(value))
		case 10<<3 | keyOfVarint:
			cell.reject, m.Reject = number != 0, &cell.reject
		case 11<<3 | keyOfVarint:
			cell.hint, m.RejectHint = number, &cell.hint
		case 12<<3 | keyOfBytes:
			m.Context = bytes.Clone(value)
		case 13<<3 | keyOfVarint:
			cell.vote, m.Vote = number, &cell.vote
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
