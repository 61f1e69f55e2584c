// Decoding of raftpb messages and of what the library says: libraft.Status and the parts of a Ready.
// The fields and their numbers are those of core/proto/libraft.proto and raftpb.proto; wire_test.go
// compares them. encode.go has the other direction.
//
// What is decoded may be borrowed from the library. Nothing that comes out is a part of it: payloads
// are copied, all those of one list of entries into one piece of memory.
//
// This is not proto.Unmarshal because that allocates five times for each entry
// (go test -run - -bench Decode), and because it leaves its own notes in each message, over which
// programs stumble that compare messages with reflect.DeepEqual.

package raft

import (
	"bytes"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// entryFields are those of an encoded entry.
type entryFields struct {
	kind, term, index          uint64
	hasKind, hasTerm, hasIndex bool
	// A part of what was decoded; nil if it is not there.
	data []byte
}

func readEntry(encoded []byte) (e entryFields, err error) {
	for len(encoded) > 0 {
		key, number, begin, end := readField(encoded)
		if end == 0 {
			return e, fieldError(encoded)
		}
		switch key {
		case 1<<3 | keyOfVarint:
			e.kind, e.hasKind = number, true
		case 2<<3 | keyOfVarint:
			e.term, e.hasTerm = number, true
		case 3<<3 | keyOfVarint:
			e.index, e.hasIndex = number, true
		case 4<<3 | keyOfBytes:
			e.data = encoded[begin:end]
		}
		encoded = encoded[end:]
	}
	return e, nil
}

// entryList makes entries in one piece of memory, with the numbers that their fields point to, and a
// second one for their payloads: a storage keeps them for long, so that nothing else should be there.
type entryList struct {
	entries []*pb.Entry
	cells   []entryCell
	data    []byte
}

type entryCell struct {
	entry       pb.Entry
	term, index uint64
	kind        pb.EntryType
}

// smallPayload is how many bytes of a payload are kept with its entry.
const smallPayload = 40

// newEntryList has room for so many entries with so many bytes of payload.
func newEntryList(count, bytes int) entryList {
	if count == 1 && bytes <= smallPayload {
		// As it is with one short command at a time: one object in place of three.
		one := &struct {
			cells   [1]entryCell
			entries [1]*pb.Entry
			data    [smallPayload]byte
		}{}
		return entryList{entries: one.entries[:0], cells: one.cells[:], data: one.data[:0:bytes]}
	}
	return entryList{
		entries: make([]*pb.Entry, 0, count),
		cells:   make([]entryCell, count),
		data:    make([]byte, 0, bytes),
	}
}

// isEncodedAs says whether this is what decoding would give.
func isEncodedAs(e *pb.Entry, encoded []byte) bool {
	f, err := readEntry(encoded)
	return err == nil && e != nil && len(unknownInEntry(e)) == 0 &&
		is(e.Index, f.index, f.hasIndex) && is(e.Term, f.term, f.hasTerm) &&
		is(e.Type, pb.EntryType(f.kind), f.hasKind) &&
		(e.Data == nil) == (f.data == nil) && bytes.Equal(e.Data, f.data)
}

// is compares a field with what was read.
func is[T comparable](field *T, value T, present bool) bool {
	if field == nil || !present {
		return field == nil && !present
	}
	return *field == value
}

func (l *entryList) add(encoded []byte) error {
	fields, err := readEntry(encoded)
	if err != nil {
		return err
	}
	cell := &l.cells[len(l.entries)]
	l.entries = append(l.entries, &cell.entry)
	entry := &cell.entry
	if fields.hasKind {
		cell.kind, entry.Type = pb.EntryType(fields.kind), &cell.kind
	}
	if fields.hasTerm {
		cell.term, entry.Term = fields.term, &cell.term
	}
	if fields.hasIndex {
		cell.index, entry.Index = fields.index, &cell.index
	}
	if fields.data != nil {
		begin := len(l.data)
		l.data = append(l.data, fields.data...)
		// Its capacity ends with it, so that an append can't reach into what follows.
		entry.Data = l.data[begin:len(l.data):len(l.data)]
	}
	return nil
}

// messageList does the same for messages.
type messageList struct {
	messages []*pb.Message
	cells    []messageCell
	// Entries that the host has, or gets together with the messages: those that are sent need not be
	// decoded then.
	known entryRun
}

type messageCell struct {
	message                                            pb.Message
	to, from, term, logTerm, index, commit, vote, hint uint64
	kind                                               pb.MessageType
	reject                                             bool
}

func newMessageList(count int, known entryRun) messageList {
	switch count {
	case 1:
		// As a follower's answer: one object less.
		one := &struct {
			cells    [1]messageCell
			messages [1]*pb.Message
		}{}
		return messageList{messages: one.messages[:0], cells: one.cells[:], known: known}
	case 2:
		// As appends of the leader of three.
		two := &struct {
			cells    [2]messageCell
			messages [2]*pb.Message
		}{}
		return messageList{messages: two.messages[:0], cells: two.cells[:], known: known}
	}
	return messageList{
		messages: make([]*pb.Message, 0, count),
		cells:    make([]messageCell, count),
		known:    known,
	}
}

// sent gives the entries of a message that are known, if they are a part of the node's log. A proposal that
// is forwarded is none, whatever places its entries say they have.
func (l *messageList) sent(kind pb.MessageType, encoded []byte) (entries []*pb.Entry, length int) {
	switch kind {
	case pb.MsgApp, pb.MsgStorageAppend, pb.MsgStorageApply, pb.MsgStorageApplyResp:
		return l.known.sent(encoded)
	}
	return nil, 0
}

func (l *messageList) add(encoded []byte) error {
	cell := &l.cells[len(l.messages)]
	m := &cell.message
	l.messages = append(l.messages, m)
	var (
		// Behind pointers, since most messages have none, and to clear them takes longer than to read one.
		entries   *entryList
		responses *messageList
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
				if known, length := l.sent(cell.kind, encoded); known != nil {
					m.Entries, end = known, length
					break
				}
				list := newEntryList(sizes(encoded, key))
				entries = &list
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
				list := newMessageList(count, l.known)
				responses = &list
			}
			err = responses.add(value)
			m.Responses = responses.messages
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
	list := newMessageList(1, nil)
	err := list.add(encoded)
	return list.messages[0], err
}

// decodeSnapshot keeps what it is given as the snapshot's data.
func decodeSnapshot(encoded []byte) (*pb.Snapshot, error) {
	return mergeSnapshot(nil, encoded)
}

// mergeSnapshot adds to a snapshot what another part of it says. Protobuf lets a message within a
// message come in parts, and what the library steps is all of them.
func mergeSnapshot(snapshot *pb.Snapshot, encoded []byte) (*pb.Snapshot, error) {
	if snapshot == nil {
		snapshot = &pb.Snapshot{}
	}
	f := fieldsOf(encoded)
	for f.next() {
		switch f.id {
		case 1:
			snapshot.Data = f.bytes[:len(f.bytes):len(f.bytes)]
		case 2:
			var err error
			if snapshot.Metadata, err = mergeSnapshotMetadata(snapshot.Metadata, f.bytes); err != nil {
				return nil, err
			}
		}
	}
	return snapshot, f.err
}

func mergeSnapshotMetadata(metadata *pb.SnapshotMetadata, encoded []byte) (*pb.SnapshotMetadata, error) {
	if metadata == nil {
		metadata = &pb.SnapshotMetadata{}
	}
	f := fieldsOf(encoded)
	for f.next() {
		switch f.id {
		case 1:
			var err error
			if metadata.ConfState, err = mergeConfState(metadata.ConfState, f.bytes); err != nil {
				return nil, err
			}
		case 2:
			metadata.Index = new(f.number)
		case 3:
			metadata.Term = new(f.number)
		}
	}
	return metadata, f.err
}

func decodeHardState(encoded []byte) (*pb.HardState, error) {
	state := &pb.HardState{}
	f := fieldsOf(encoded)
	for f.next() {
		switch f.id {
		case 1:
			state.Term = new(f.number)
		case 2:
			state.Vote = new(f.number)
		case 3:
			state.Commit = new(f.number)
		}
	}
	return state, f.err
}

func decodeConfState(encoded []byte) (*pb.ConfState, error) {
	return mergeConfState(nil, encoded)
}

func mergeConfState(state *pb.ConfState, encoded []byte) (*pb.ConfState, error) {
	if state == nil {
		state = &pb.ConfState{}
	}
	lists := [...]*[]uint64{
		1: &state.Voters, 2: &state.Learners, 3: &state.VotersOutgoing, 4: &state.LearnersNext,
	}
	f := fieldsOf(encoded)
	for f.next() {
		switch f.id {
		case 1, 2, 3, 4:
			if err := decodeIDs(&f, lists[f.id]); err != nil {
				return nil, err
			}
		case 5:
			state.AutoLeave = new(f.number != 0)
		}
	}
	return state, f.err
}

// decodeIDs adds to a list one id, or several that are packed.
func decodeIDs(f *fields, list *[]uint64) error {
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
	f := fieldsOf(encoded)
	for f.next() {
		switch f.id {
		case 6:
			if confState, err = decodeConfState(f.bytes); err != nil {
				return nil, nil, err
			}
		case 10:
			p, err := decodeProgress(f.bytes)
			if err != nil {
				return nil, nil, err
			}
			progress = append(progress, p)
		}
	}
	return confState, progress, f.err
}

func decodeProgress(encoded []byte) (p decodedProgress, err error) {
	f := fieldsOf(encoded)
	for f.next() {
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
	}
	return p, f.err
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
	var err error
	f := fieldsOf(encoded)
	for f.next() && err == nil {
		switch f.id {
		case 1:
			hardState, err = decodeHardState(f.bytes)
		case 2:
			confState, err = decodeConfState(f.bytes)
		}
	}
	if err == nil {
		err = f.err
	}
	return hardState, confState, err
}

func appendNumber(b []byte, id protowire.Number, number uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, id, protowire.VarintType), number)
}

func appendBytes(b []byte, id protowire.Number, bytes []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, id, protowire.BytesType), bytes)
}
