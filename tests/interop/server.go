// One server of the cluster: a node, its disk, its application and its storage workers.

package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

const roleLeader = uint64(raft.StateLeader)

type server struct {
	id   uint64
	impl implementation
	disk *disk
	// Not up before its first start, after a crash, and for good when it is no member any more.
	up       bool
	settings []uint64
	// What the node said of itself last.
	status *member.Response
	// Up to where the application has applied the log.
	applied uint64
	// Work of the storage workers, in its order.
	appends, applies []*work
	// A Ready whose work is done and that the node does not know to be done.
	mustAdvance bool
	// The newest snapshot that the node was sent, and by what kind of leader.
	offered     uint64
	offeredFrom implementation
	// Reads that wait to be served: those of this life, and those whose index is known.
	asked map[string]read
	known []answeredRead
	// Up to where the application had applied the log when the server came back, if the node does
	// not know: it hands that out again. 0 if it does know.
	kept uint64
	// Up to where the log was applied when the node asked for a snapshot in place of that; 0 if it
	// has not.
	requested uint64
	// Whether it has ever been one of ours, whom others may take it for.
	wasOurs bool
	started bool
}

type work struct {
	message *pb.Message
	encoded []byte
}

// read is one that was asked for at a step, when the log was applied up to an index.
type read struct {
	step, index uint64
}

type answeredRead struct {
	read
	at uint64
}

func (s *server) has(flag uint64) bool {
	return s.settings[member.Flags]&flag != 0
}

func (s *server) leads() bool {
	return s.up && s.status.Role == roleLeader
}

// call makes a call on the server's node, and looks at what it has become.
func (c *cluster) call(s *server, r *member.Request) (*member.Response, error) {
	r.Node = s.id
	response := c.members[s.impl].Call(r)
	if response.Code == member.Failed {
		return nil, fmt.Errorf("server %d (%v): call %d: %s", s.id, s.impl, r.Op, response.Text)
	}
	before := s.status
	s.status = response
	if s.leads() {
		if err := c.history.leads(response.Term, s.id); err != nil {
			return nil, err
		}
		if before == nil || before.Role != roleLeader || before.Term != response.Term {
			c.note("%d leads the term %d", s.id, response.Term)
			c.onLeader(s)
		}
	}
	if before != nil && response.Term < before.Term && r.Op != member.Start {
		return nil, fmt.Errorf("server %d: the term falls from %d to %d", s.id, before.Term, response.Term)
	}
	if before != nil && response.Commit < before.Commit && r.Op != member.Start {
		return nil, fmt.Errorf("server %d: the commit index falls from %d to %d", s.id, before.Commit, response.Commit)
	}
	return response, nil
}

// start brings a server up, from its disk.
func (c *cluster) start(s *server, impl implementation) error {
	from := s.impl
	s.impl = impl
	s.settings = c.settings(s)
	applied := s.disk.snapshot.GetMetadata().GetIndex()
	state := applied
	// The application may have kept what it had applied. With etcd's library it must not be ahead of
	// the stored commit index; with ours, it may be ahead of the log even.
	if c.rng.IntN(2) == 0 && s.applied > applied {
		if impl.isOurs() {
			applied, state = min(s.applied, s.disk.lastIndex()), s.applied
		} else if kept := min(s.applied, s.disk.hardState.GetCommit()); kept > applied {
			applied, state = kept, kept
		}
	}
	s.applied, s.kept, s.requested = state, 0, 0
	if state > applied {
		s.kept = state
		c.seen.extensions["an application ahead of its log"]++
	}
	s.wasOurs = s.wasOurs || impl.isOurs()
	s.appends, s.applies, s.mustAdvance, s.offered = nil, nil, false, 0
	s.asked, s.known = map[string]read{}, nil
	request, err := s.disk.start(s.id, s.settings, applied, c.confStateAt(s, applied))
	if err != nil {
		return err
	}
	c.note("%d starts as %v, applied %d, log (%d, %d], flags %#x",
		s.id, impl, applied, s.disk.compacted.index, s.disk.lastIndex(), s.settings[member.Flags])
	s.up = true
	if _, err := c.call(s, request); err != nil {
		return err
	}
	if s.started {
		c.seen.restarts[[2]implementation{from, impl}]++
	}
	s.started = true
	if c.bootstraps && s.disk.isFresh() && s.id <= c.first {
		_, err := c.call(s, &member.Request{Op: member.Bootstrap, Numbers: c.firstMembers()})
		return err
	}
	return nil
}

// confStateAt is the configuration that a server's application knows as of an index.
func (c *cluster) confStateAt(s *server, applied uint64) *pb.ConfState {
	if applied == 0 {
		return pb.EnsureConfState(&pb.ConfState{})
	}
	return c.history.confState(applied)
}

// crash takes a server down, with what it has not written.
func (c *cluster) crash(s *server) error {
	c.note("%d crashes", s.id)
	s.up, s.status = false, nil
	response := c.members[s.impl].Call(&member.Request{Op: member.Stop, Node: s.id})
	if response.Code != member.OK {
		return fmt.Errorf("server %d can't stop: %s", s.id, response.Text)
	}
	return s.disk.crash(s.has(member.AsyncWrites))
}

// work does what a Ready says, if there is one.
func (c *cluster) work(s *server) error {
	if s.mustAdvance {
		s.mustAdvance = false
		if _, err := c.call(s, &member.Request{Op: member.Advance}); err != nil {
			return err
		}
	}
	if !s.status.HasReady {
		return nil
	}
	rd, err := c.call(s, &member.Request{Op: member.Ready})
	if err != nil {
		return err
	}
	for _, data := range rd.DroppedProposals {
		c.seen.extensions["a report of a dropped proposal"]++
		if err := c.history.drops(string(data)); err != nil {
			return fmt.Errorf("server %d: %w", s.id, err)
		}
	}
	for i, index := range rd.ReadIndexes {
		if err := c.answered(s, index, string(rd.ReadNames[i])); err != nil {
			return err
		}
	}
	if s.has(member.AsyncWrites) {
		for _, encoded := range rd.Messages {
			if err := c.post(s, encoded); err != nil {
				return err
			}
		}
		return c.serve(s)
	}

	if c.crashes() {
		return c.crash(s)
	}
	var hardState *pb.HardState
	if rd.HardState != nil {
		if hardState, err = decode(rd.HardState, &pb.HardState{}); err != nil {
			return err
		}
	}
	snapshot, err := decode(rd.Snapshot, &pb.Snapshot{})
	if err != nil {
		return err
	}
	entries := make([]record, len(rd.Entries))
	for i, encoded := range rd.Entries {
		if entries[i], err = decodeRecord(encoded); err != nil {
			return err
		}
	}
	if err := c.save(s, hardState, entries, snapshot, rd.MustSync); err != nil {
		return err
	}
	if c.crashes() {
		return c.crash(s)
	}
	for _, encoded := range rd.Messages {
		if err := c.post(s, encoded); err != nil {
			return err
		}
	}
	for _, encoded := range rd.Committed {
		entry, err := decode(encoded, &pb.Entry{})
		if err != nil {
			return err
		}
		if err := c.apply(s, entry); err != nil {
			return err
		}
	}
	if err := c.serve(s); err != nil {
		return err
	}
	if c.crashes() {
		return c.crash(s)
	}
	s.mustAdvance = true
	if c.healing || c.rng.IntN(4) != 0 {
		s.mustAdvance = false
		_, err = c.call(s, &member.Request{Op: member.Advance})
	}
	return err
}

// save writes to disk, and tells the application of a snapshot.
func (c *cluster) save(s *server, hardState *pb.HardState, entries []record, snapshot *pb.Snapshot, sync bool) error {
	if err := c.history.writes(entries); err != nil {
		return err
	}
	if err := s.disk.save(hardState, entries, snapshot, sync); err != nil {
		return fmt.Errorf("server %d: %w", s.id, err)
	}
	index := snapshot.GetMetadata().GetIndex()
	if index == 0 {
		return nil
	}
	if index > c.history.last() {
		return fmt.Errorf("server %d gets a snapshot of %d, and nobody has applied that", s.id, index)
	}
	if want := c.snapshotData(index); string(snapshot.Data) != string(want) {
		return fmt.Errorf("server %d gets another state as of %d: %x instead of %x", s.id, index, snapshot.Data, want)
	}
	if err := snapshot.Metadata.ConfState.Equivalent(c.history.confState(index)); err != nil {
		return fmt.Errorf("server %d gets another configuration as of %d: %w", s.id, index, err)
	}
	if asked := index == s.applied && s.requested != 0; index <= s.applied && !asked && index > s.kept {
		return fmt.Errorf("server %d gets a snapshot of %d and has applied %d", s.id, index, s.applied)
	}
	if s.requested != 0 && index >= s.requested {
		c.seen.extensions[fmt.Sprintf("a snapshot that %v has asked for", s.impl)]++
	}
	s.requested = 0
	c.note("%d has a snapshot of %d", s.id, index)
	s.applied = max(s.applied, index)
	if s.offered == index {
		c.seen.snapshots[[2]implementation{s.offeredFrom, s.impl}]++
	}
	return nil
}

// snapshotData is what a snapshot as of an index has to hold.
func (c *cluster) snapshotData(index uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, c.history.state[index])
}

// apply applies an entry, unless a snapshot has replaced it.
func (c *cluster) apply(s *server, entry *pb.Entry) error {
	index := entry.GetIndex()
	if index <= s.applied {
		if s.offered < index && !c.bootstraps && index > s.kept {
			return fmt.Errorf("server %d is given %d again", s.id, index)
		}
		return nil
	}
	if index != s.applied+1 {
		return fmt.Errorf("server %d is given %d behind %d", s.id, index, s.applied)
	}
	fresh := index > c.history.last()
	if index > s.disk.lastIndex() {
		if !s.impl.isOurs() {
			return fmt.Errorf("server %d (%v) applies %d, which it has not written", s.id, s.impl, index)
		}
		c.seen.extensions["an entry applied ahead of the log"]++
	}
	if err := c.history.applies(entry); err != nil {
		return fmt.Errorf("server %d: %w", s.id, err)
	}
	s.applied = index
	if entry.GetType() == pb.EntryNormal {
		if fresh && len(entry.GetData()) > 0 {
			c.seen.applied++
		}
		return nil
	}
	before := c.confStateAt(s, index-1)
	response, err := c.call(s, &member.Request{
		Op: member.ApplyConfChange, A: uint64(entry.GetType()), X: entry.GetData(),
	})
	if err != nil {
		return err
	}
	confState, err := decode(response.Data, &pb.ConfState{})
	if err != nil {
		return err
	}
	if s.offered > index || c.bootstraps && index < c.first {
		// The node is ahead of its application; the first members are so when they begin.
		return nil
	}
	if err := c.history.configures(index, confState); err != nil {
		return fmt.Errorf("server %d: %w", s.id, err)
	}
	if fresh {
		c.note("as of %d: %v", index, confState)
		c.onChange(entry, before)
	}
	return nil
}

// appendWork does the next thing that the append worker has to do.
func (c *cluster) appendWork(s *server) error {
	w := s.appends[0]
	s.appends = s.appends[1:]
	if c.crashes() {
		return c.crash(s)
	}
	if _, err := c.call(s, &member.Request{Op: member.Save, X: w.encoded}); err != nil {
		return err
	}
	var hardState *pb.HardState
	if w.message.GetTerm() != 0 {
		hardState = &pb.HardState{
			Term:   new(w.message.GetTerm()),
			Vote:   new(w.message.GetVote()),
			Commit: new(w.message.GetCommit()),
		}
	}
	entries := make([]record, len(w.message.Entries))
	for i, entry := range w.message.Entries {
		encoded, err := deterministic.Marshal(entry)
		if err != nil {
			return err
		}
		entries[i] = record{entry, encoded}
	}
	sync := len(w.message.Responses) > 0
	if err := c.save(s, hardState, entries, w.message.Snapshot, sync); err != nil {
		return err
	}
	if c.crashes() {
		return c.crash(s)
	}
	return c.respond(s, w)
}

// applyWork does the next thing that the apply worker has to do.
func (c *cluster) applyWork(s *server) error {
	w := s.applies[0]
	s.applies = s.applies[1:]
	for _, entry := range w.message.Entries {
		if err := c.apply(s, entry); err != nil {
			return err
		}
	}
	if err := c.serve(s); err != nil {
		return err
	}
	return c.respond(s, w)
}

func (c *cluster) respond(s *server, w *work) error {
	for _, response := range w.message.Responses {
		encoded, err := deterministic.Marshal(response)
		if err != nil {
			return err
		}
		if err := c.post(s, encoded); err != nil {
			return err
		}
	}
	return nil
}

// post sends a message where it belongs.
func (c *cluster) post(s *server, encoded []byte) error {
	message, err := decode(encoded, &pb.Message{})
	if err == nil && c.inspect != nil {
		err = c.inspect(s.impl, encoded)
	}
	if err != nil {
		return err
	}
	switch message.GetTo() {
	case raft.LocalAppendThread:
		s.appends = append(s.appends, &work{message, encoded})
	case raft.LocalApplyThread:
		s.applies = append(s.applies, &work{message, encoded})
	case s.id:
		_, err = c.call(s, &member.Request{Op: member.Step, X: encoded})
	default:
		c.network = append(c.network, &letter{
			asks: c.seeExtensions(s, message),
			from: message.GetFrom(), to: message.GetTo(), kind: message.GetType(), encoded: encoded,
			impl: s.impl, snapshot: message.GetSnapshot().GetMetadata().GetIndex(),
		})
	}
	return err
}

// compact makes a snapshot of what is applied, and drops some of the log.
func (c *cluster) compact(s *server) error {
	// With etcd's library, the stored commit index has to reach as far as the snapshot; and this
	// server may come back with it.
	index := min(s.applied, s.status.Applied, s.disk.hardState.GetCommit(), s.disk.lastIndex())
	if index <= s.disk.snapshot.GetMetadata().GetIndex() || index <= s.disk.compacted.index {
		return nil
	}
	dropped := index - min(index, c.rng.Uint64N(6))
	if dropped <= s.disk.compacted.index {
		dropped = 0
	}
	confState := proto.CloneOf(c.history.confState(index))
	data := c.snapshotData(index)
	encoded, err := deterministic.Marshal(confState)
	if err != nil {
		return err
	}
	c.note("%d makes a snapshot of %d, and drops the log up to %d", s.id, index, dropped)
	s.disk.compact(index, confState, data, dropped)
	_, err = c.call(s, &member.Request{Op: member.Compact, A: index, B: dropped, X: encoded, Y: data})
	return err
}

// ask asks for a linearizable read.
func (c *cluster) ask(s *server) error {
	c.readNames++
	name := fmt.Sprintf("read %d", c.readNames)
	asked := read{uint64(c.step), c.history.last()}
	response, err := c.call(s, &member.Request{Op: member.Read, X: []byte(name)})
	if err == nil && response.Code == member.OK {
		s.asked[name] = asked
	}
	return err
}

// answered takes the index of a read that the server has asked for.
func (c *cluster) answered(s *server, index uint64, name string) error {
	asked, ok := s.asked[name]
	if !ok {
		// A message that came twice.
		return nil
	}
	delete(s.asked, name)
	// A lease holds only as long as the clocks do, which nothing here promises; unless nobody but
	// the leader of the newest term took itself for the leader meanwhile.
	if index < asked.index && (!c.leases || c.rivalry < asked.step) {
		return fmt.Errorf("server %d: a stale read: index %d, when %d had been applied before it was asked for",
			s.id, index, asked.index)
	}
	s.known = append(s.known, answeredRead{asked, index})
	return nil
}

// serve serves the reads whose index is applied.
func (c *cluster) serve(s *server) error {
	var rest []answeredRead
	for _, r := range s.known {
		if r.at > s.applied {
			rest = append(rest, r)
			continue
		}
		option := "safe"
		if c.leases {
			option = "lease"
		}
		role := "follower"
		if s.leads() {
			role = "leader"
		}
		c.seen.reads[fmt.Sprintf("%s, %v as a %s", option, s.impl, role)]++
	}
	s.known = rest
	return nil
}

// settings draws a server's settings.
func (c *cluster) settings(s *server) []uint64 {
	pick := func(values ...uint64) uint64 { return values[c.rng.IntN(len(values))] }
	numbers := make([]uint64, member.Settings)
	numbers[member.ElectionTicks] = 10
	numbers[member.HeartbeatTicks] = pick(1, 1, 3)
	numbers[member.MaxSizePerMsg] = pick(0, 40, 200, 1<<20, math.MaxUint64)
	numbers[member.MaxCommittedSizePerReady] = pick(1, 100, 1<<20)
	if numbers[member.MaxSizePerMsg] != 0 || s.impl.isOurs() {
		// Else etcd's library would apply nothing.
		numbers[member.MaxCommittedSizePerReady] *= pick(0, 1)
	}
	numbers[member.MaxUncommittedSize] = pick(0, 0, 200)
	numbers[member.MaxInflightMsgs] = pick(1, 2, 8, 256)
	if numbers[member.MaxSizePerMsg] < 1<<20 {
		numbers[member.MaxInflightBytes] = pick(0, 0, 300)
	}
	numbers[member.Seed] = c.rng.Uint64() | 1
	flags := c.common
	if c.extended {
		if c.rng.IntN(2) == 0 {
			flags |= member.PeerReports
		}
		numbers[member.Priority] = pick(0, 0, 1, 2, math.MaxUint64)
		numbers[member.MaxApplyUnpersisted] = pick(0, 2, 100)
		flags |= pick(0, member.AsyncWrites)
	}
	for _, option := range []struct {
		flag uint64
		of   int
	}{
		{member.AsyncWrites, 3}, {member.DisableForwarding, 8}, {member.StepDownOnRemoval, 2},
		{member.EagerAppends, 3}, {member.SmallCache, 2},
	} {
		if c.rng.IntN(option.of) == 0 {
			flags |= option.flag
		}
	}
	numbers[member.Flags] = flags
	return numbers
}
