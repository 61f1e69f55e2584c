// Decoding of what the library says in protobuf: entries, snapshots, states, libraft.Status. messages.go has
// messages, and ready.go reads a Ready from the library's structs. The fields and their numbers are those of
// core/proto/libraft.proto and raftpb.proto; wire_test.go compares them. encode.go has the other direction.
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

// singleLists are the lists of what comes one entry at a time: a piece of memory for many, since to allocate
// eight bytes takes as long as to allocate a hundred. Who keeps such a list keeps the entries of the others, and what
// these are a part of; so those with more than a little payload have one of their own, and a node lets go of the
// piece with each tick.
type singleLists struct {
	spare []*pb.Entry
}

const (
	// So many lists are one piece of memory,
	singlesTogether = 16
	// and none of them has an entry with more bytes than this.
	maxSinglePayload = 256
)

// room is an empty list for one entry with so many bytes, whose capacity ends with that. nil if the entry should
// have a list of its own.
func (s *singleLists) room(bytes int) []*pb.Entry {
	if s == nil || bytes > maxSinglePayload {
		return nil
	}
	if len(s.spare) == 0 {
		s.spare = make([]*pb.Entry, singlesTogether)
	}
	list := s.spare[:0:1]
	s.spare = s.spare[1:]
	return list
}

// release lets go of the piece of memory, so that a group that rests keeps no entries alive.
func (s *singleLists) release() {
	s.spare = nil
}

// A payload of so many bytes is kept with its entry.
const (
	tinyPayload  = 16
	smallPayload = 40
)

// prepare makes room for so many entries with so many bytes of payload, in the list that is there if that has it.
// In place, since to copy what was just written is slow.
func (l *entryList) prepare(count, bytes int) {
	if cap(l.entries) < count {
		l.entries = make([]*pb.Entry, 0, count)
	}
	switch {
	case count == 1 && bytes <= tinyPayload:
		// As it is with one short command at a time: one object of 128 bytes in place of two.
		one := &struct {
			cells [1]entryCell
			data  [tinyPayload]byte
		}{}
		l.cells, l.data = one.cells[:], one.data[:0:bytes]
	case count == 1 && bytes <= smallPayload:
		one := &struct {
			cells [1]entryCell
			data  [smallPayload]byte
		}{}
		l.cells, l.data = one.cells[:], one.data[:0:bytes]
	default:
		l.cells = make([]entryCell, count)
		l.data = make([]byte, 0, bytes)
	}
}

// isMadeOf says whether this is what add would make.
func isMadeOf(e *pb.Entry, f entryFields) bool {
	return e != nil && len(unknownInEntry(e)) == 0 &&
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

func (l *entryList) add(fields entryFields) {
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
