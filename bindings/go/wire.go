// Decoding of what the library says: libraft.Ready, libraft.Status and the raftpb messages in
// them, from one buffer that the garbage collector owns. Payloads are not copied once more, they
// are parts of that buffer. The fields and their numbers are those of core/proto/libraft.proto
// and raftpb.proto; wire_test.go compares them.
//
// This is not proto.Unmarshal because that allocates four times for each entry and copies each
// payload (go test -run - -bench Decode), and because it leaves its own notes in each message,
// over which programs stumble that compare messages with reflect.DeepEqual.

package raft

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// decodedReady is a libraft.Ready.
type decodedReady struct {
	Ready
	// The bytes of each message in Ready.Messages.
	encodedMessages  [][]byte
	reads            []readRequest
	snapshotRequests []snapshotRequest
}

// readRequest asks for the entries [low, high).
type readRequest struct {
	id, low, high, maxBytes uint64
}

type snapshotRequest struct {
	id, to, minIndex uint64
}

// field is one field of an encoded message: number is its value if it is a varint, and bytes if
// it is delimited.
type field struct {
	id     protowire.Number
	number uint64
	bytes  []byte
	// whole is all of it, with its tag.
	whole []byte
}

// eachField hands every field of an encoded message to visit, which skips those it does not know.
func eachField(encoded []byte, visit func(field) error) error {
	for len(encoded) > 0 {
		id, kind, n := protowire.ConsumeTag(encoded)
		if n < 0 {
			return fmt.Errorf("a field that can't be read: %w", protowire.ParseError(n))
		}
		start := encoded
		encoded = encoded[n:]
		f := field{id: id}
		switch kind {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(encoded)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(encoded)
		default:
			n = protowire.ConsumeFieldValue(id, kind, encoded)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", id, protowire.ParseError(n))
		}
		// Its capacity ends with it, so that an append can't reach into what follows.
		f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]
		encoded = encoded[n:]
		f.whole = start[:len(start)-len(encoded)]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// countFields says how often a field appears.
func countFields(encoded []byte, id protowire.Number) (count int) {
	_ = eachField(encoded, func(f field) error {
		if f.id == id {
			count++
		}
		return nil
	})
	return count
}

func decodeReady(encoded []byte) (*decodedReady, error) {
	var counts [11]int
	err := eachField(encoded, func(f field) error {
		if int(f.id) < len(counts) {
			counts[f.id]++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var (
		ready     = &decodedReady{}
		entries   = newEntryList(counts[4])
		committed = newEntryList(counts[6])
		messages  = newMessageList(counts[7])
	)
	if counts[7] > 0 {
		ready.encodedMessages = make([][]byte, 0, counts[7])
	}
	err = eachField(encoded, func(f field) (err error) {
		switch f.id {
		case 1:
			ready.SoftState = &SoftState{}
			err = decodeSoftState(f.bytes, ready.SoftState)
		case 2:
			ready.HardState, err = decodeHardState(f.bytes)
		case 3:
			state := ReadState{}
			err = eachField(f.bytes, func(f field) error {
				switch f.id {
				case 1:
					state.Index = f.number
				case 2:
					state.RequestCtx = f.bytes
				}
				return nil
			})
			ready.ReadStates = append(ready.ReadStates, state)
		case 4:
			err = entries.add(f.bytes)
		case 5:
			ready.Snapshot, err = decodeSnapshot(f.bytes)
		case 6:
			err = committed.add(f.bytes)
		case 7:
			ready.encodedMessages = append(ready.encodedMessages, f.bytes)
			err = messages.add(f.bytes)
		case 8:
			ready.MustSync = f.number != 0
		case 9:
			request := readRequest{}
			err = eachField(f.bytes, func(f field) error {
				switch f.id {
				case 1:
					request.id = f.number
				case 2:
					request.low = f.number
				case 3:
					request.high = f.number
				case 4:
					request.maxBytes = f.number
				}
				return nil
			})
			ready.reads = append(ready.reads, request)
		case 10:
			request := snapshotRequest{}
			err = eachField(f.bytes, func(f field) error {
				switch f.id {
				case 1:
					request.id = f.number
				case 2:
					request.to = f.number
				case 3:
					request.minIndex = f.number
				}
				return nil
			})
			ready.snapshotRequests = append(ready.snapshotRequests, request)
		}
		return err
	})
	ready.Entries, ready.CommittedEntries = entries.entries, committed.entries
	ready.Messages = messages.messages
	return ready, err
}

func decodeSoftState(encoded []byte, state *SoftState) error {
	return eachField(encoded, func(f field) error {
		switch f.id {
		case 1:
			state.Lead = f.number
		case 2:
			state.RaftState = StateType(f.number)
		}
		return nil
	})
}

// entryList decodes entries into one piece of memory, with the numbers that their fields point
// to.
type entryList struct {
	entries []*pb.Entry
	cells   []entryCell
}

type entryCell struct {
	entry       pb.Entry
	term, index uint64
	kind        pb.EntryType
}

func newEntryList(size int) entryList {
	if size == 0 {
		return entryList{}
	}
	return entryList{entries: make([]*pb.Entry, 0, size), cells: make([]entryCell, size)}
}

func (l *entryList) add(encoded []byte) error {
	cell := &l.cells[len(l.entries)]
	entry := &cell.entry
	l.entries = append(l.entries, entry)
	return eachField(encoded, func(f field) error {
		switch f.id {
		case 1:
			cell.kind, entry.Type = pb.EntryType(f.number), &cell.kind
		case 2:
			cell.term, entry.Term = f.number, &cell.term
		case 3:
			cell.index, entry.Index = f.number, &cell.index
		case 4:
			entry.Data = f.bytes
		}
		return nil
	})
}

// messageList does the same for messages.
type messageList struct {
	messages []*pb.Message
	cells    []messageCell
}

type messageCell struct {
	message                                            pb.Message
	to, from, term, logTerm, index, commit, vote, hint uint64
	kind                                               pb.MessageType
	reject                                             bool
}

func newMessageList(size int) messageList {
	if size == 0 {
		return messageList{}
	}
	return messageList{messages: make([]*pb.Message, 0, size), cells: make([]messageCell, size)}
}

func (l *messageList) add(encoded []byte) error {
	cell := &l.cells[len(l.messages)]
	m := &cell.message
	l.messages = append(l.messages, m)
	entries := newEntryList(countFields(encoded, 7))
	responses := newMessageList(countFields(encoded, 14))
	err := eachField(encoded, func(f field) (err error) {
		switch f.id {
		case 1:
			cell.kind, m.Type = pb.MessageType(f.number), &cell.kind
		case 2:
			cell.to, m.To = f.number, &cell.to
		case 3:
			cell.from, m.From = f.number, &cell.from
		case 4:
			cell.term, m.Term = f.number, &cell.term
		case 5:
			cell.logTerm, m.LogTerm = f.number, &cell.logTerm
		case 6:
			cell.index, m.Index = f.number, &cell.index
		case 7:
			err = entries.add(f.bytes)
		case 8:
			cell.commit, m.Commit = f.number, &cell.commit
		case 9:
			m.Snapshot, err = decodeSnapshot(f.bytes)
		case 10:
			cell.reject, m.Reject = f.number != 0, &cell.reject
		case 11:
			cell.hint, m.RejectHint = f.number, &cell.hint
		case 12:
			m.Context = f.bytes
		case 13:
			cell.vote, m.Vote = f.number, &cell.vote
		case 14:
			err = responses.add(f.bytes)
		default:
			// An extension, which goes along when the message is encoded again.
			reflected := m.ProtoReflect()
			reflected.SetUnknown(append(reflected.GetUnknown(), f.whole...))
		}
		return err
	})
	m.Entries, m.Responses = entries.entries, responses.messages
	return err
}

func decodeSnapshot(encoded []byte) (*pb.Snapshot, error) {
	snapshot := &pb.Snapshot{}
	err := eachField(encoded, func(f field) error {
		switch f.id {
		case 1:
			snapshot.Data = f.bytes
		case 2:
			snapshot.Metadata = &pb.SnapshotMetadata{}
			return eachField(f.bytes, func(f field) (err error) {
				switch f.id {
				case 1:
					snapshot.Metadata.ConfState, err = decodeConfState(f.bytes)
				case 2:
					snapshot.Metadata.Index = &f.number
				case 3:
					snapshot.Metadata.Term = &f.number
				}
				return err
			})
		}
		return nil
	})
	return snapshot, err
}

func decodeHardState(encoded []byte) (*pb.HardState, error) {
	state := &pb.HardState{}
	err := eachField(encoded, func(f field) error {
		switch f.id {
		case 1:
			state.Term = &f.number
		case 2:
			state.Vote = &f.number
		case 3:
			state.Commit = &f.number
		}
		return nil
	})
	return state, err
}

func decodeConfState(encoded []byte) (*pb.ConfState, error) {
	state := &pb.ConfState{}
	lists := map[protowire.Number]*[]uint64{
		1: &state.Voters, 2: &state.Learners, 3: &state.VotersOutgoing, 4: &state.LearnersNext,
	}
	err := eachField(encoded, func(f field) error {
		if list := lists[f.id]; list != nil {
			return decodeIDs(f, list)
		}
		if f.id == 5 {
			state.AutoLeave = new(f.number != 0)
		}
		return nil
	})
	return state, err
}

// decodeIDs adds to a list one id, or several that are packed.
func decodeIDs(f field, list *[]uint64) error {
	if f.bytes == nil {
		*list = append(*list, f.number)
		return nil
	}
	for packed := f.bytes; len(packed) > 0; {
		id, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return fmt.Errorf("a list of ids: %w", protowire.ParseError(n))
		}
		*list = append(*list, id)
		packed = packed[n:]
	}
	return nil
}

// decodedProgress is a libraft.Progress.
type decodedProgress struct {
	id, match, next, state, pendingSnapshot uint64
	paused, recentActive, learner           bool
	inflightMessages, inflightBytes         uint64
}

// decodeStatus reads what a libraft.Status has beyond a raft_node_status.
func decodeStatus(encoded []byte) (confState *pb.ConfState, progress []decodedProgress, err error) {
	confState = &pb.ConfState{}
	err = eachField(encoded, func(f field) error {
		switch f.id {
		case 6:
			confState, err = decodeConfState(f.bytes)
			return err
		case 10:
			p := decodedProgress{}
			err := eachField(f.bytes, func(f field) error {
				switch f.id {
				case 1:
					p.id = f.number
				case 2:
					p.match = f.number
				case 3:
					p.next = f.number
				case 4:
					p.state = f.number
				case 5:
					p.paused = f.number != 0
				case 6:
					p.pendingSnapshot = f.number
				case 7:
					p.recentActive = f.number != 0
				case 8:
					p.learner = f.number != 0
				case 9:
					p.inflightMessages = f.number
				case 10:
					p.inflightBytes = f.number
				}
				return nil
			})
			progress = append(progress, p)
			return err
		}
		return nil
	})
	return confState, progress, err
}

// restartState is a libraft.RestartState.
type restartState struct {
	hardState      *pb.HardState
	confState      *pb.ConfState
	compactedIndex uint64
	compactedTerm  uint64
	lastIndex      uint64
	termRuns       []termRun
	confChanges    []uint64
	applied        uint64
}

// termRun says that entries from firstIndex on, up to the next run, are of one term.
type termRun struct {
	firstIndex, term uint64
}

func (s *restartState) encode() ([]byte, error) {
	hardState, err := proto.Marshal(s.hardState)
	if err != nil {
		return nil, err
	}
	confState, err := proto.Marshal(s.confState)
	if err != nil {
		return nil, err
	}
	b := appendBytes(nil, 1, hardState)
	b = appendBytes(b, 2, confState)
	b = appendNumber(b, 3, s.compactedIndex)
	b = appendNumber(b, 4, s.compactedTerm)
	b = appendNumber(b, 5, s.lastIndex)
	for _, run := range s.termRuns {
		b = appendBytes(b, 6, appendNumber(appendNumber(nil, 1, run.firstIndex), 2, run.term))
	}
	var packed []byte
	for _, index := range s.confChanges {
		packed = protowire.AppendVarint(packed, index)
	}
	b = appendBytes(b, 7, packed)
	return appendNumber(b, 8, s.applied), nil
}

// decodeInitialState reads the hard state and the configuration in a libraft.RestartState.
func decodeInitialState(encoded []byte) (*pb.HardState, *pb.ConfState, error) {
	hardState, confState := &pb.HardState{}, &pb.ConfState{}
	err := eachField(encoded, func(f field) (err error) {
		switch f.id {
		case 1:
			hardState, err = decodeHardState(f.bytes)
		case 2:
			confState, err = decodeConfState(f.bytes)
		}
		return err
	})
	return hardState, confState, err
}

func appendNumber(b []byte, id protowire.Number, number uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, id, protowire.VarintType), number)
}

func appendBytes(b []byte, id protowire.Number, bytes []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, id, protowire.BytesType), bytes)
}
