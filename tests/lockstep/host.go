// The host's side of a member: what becomes of a Ready, step by step, so that anything can happen
// in between. A host that writes synchronously persists, sends, applies and advances; one with
// asynchronous writes has two threads, whose acknowledgements come when the script says.

package main

import (
	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	ours "libraft.dev/go/raft"
)

// batch is a Ready that the host works on.
type batch struct {
	ours      ours.Ready
	theirs    upstream.Ready
	messages  [][]byte
	persisted bool
	applied   bool
}

// threads are the two workers of a host with asynchronous writes: what they have to do, and what
// they have to say, each in order.
type threads struct {
	appends, applies      []*pb.Message
	appendAcks, applyAcks [][]byte
}

// take takes a Ready from both.
func (m *member) take() {
	if m.batch != nil {
		return
	}
	b := &batch{}
	m.call("Ready",
		func() { b.theirs = m.theirs.Ready() },
		func() { b.ours = m.ours.Ready() })
	b.messages = m.compareReady(b.ours, b.theirs)
	m.run.committed += len(b.theirs.CommittedEntries)
	m.compareProgress()
	if !m.config.asyncWrites {
		m.batch = b
		return
	}
	for i, message := range b.theirs.Messages {
		switch message.GetTo() {
		case upstream.LocalAppendThread:
			m.threads.appends = append(m.threads.appends, message)
		case upstream.LocalApplyThread:
			m.threads.applies = append(m.threads.applies, message)
		default:
			m.run.send(message, b.messages[i])
		}
	}
}

// persist writes what the batch asks for, and then sends.
func (m *member) persist() {
	b := m.batch
	if b == nil || b.persisted {
		return
	}
	b.persisted = true
	m.disk.save(b.theirs.HardState, b.theirs.Entries, b.theirs.Snapshot)
	for i, message := range b.theirs.Messages {
		m.run.send(message, b.messages[i])
	}
}

// apply applies what is committed: of the batch, or of the apply thread's next work.
func (m *member) apply() {
	if m.config.asyncWrites {
		if len(m.threads.applies) == 0 {
			return
		}
		work := m.threads.applies[0]
		m.threads.applies = m.threads.applies[1:]
		m.applyEntries(work.GetEntries())
		for _, response := range work.GetResponses() {
			m.threads.applyAcks = append(m.threads.applyAcks, encode(response))
		}
		return
	}
	m.persist()
	b := m.batch
	if b == nil || b.applied {
		return
	}
	b.applied = true
	if !upstream.IsEmptySnap(b.theirs.Snapshot) {
		m.applied = max(m.applied, b.theirs.Snapshot.GetMetadata().GetIndex())
	}
	m.applyEntries(b.theirs.CommittedEntries)
}

func (m *member) applyEntries(entries []*pb.Entry) {
	for _, entry := range entries {
		if entry.GetType() != pb.EntryNormal && m.restartFor == "" {
			m.applyChange(entry)
		}
		m.applied = max(m.applied, entry.GetIndex())
	}
}

// advance finishes the batch. Without one, Advance does nothing.
func (m *member) advance() {
	if m.config.asyncWrites {
		return
	}
	m.apply()
	if m.restartFor != "" {
		return
	}
	b := m.batch
	if b == nil {
		b = &batch{}
	}
	m.batch = nil
	m.call("Advance",
		func() { m.theirs.Advance(b.theirs) },
		func() { m.ours.Advance(b.ours) })
}

// write does the append thread's next work.
func (m *member) write() {
	if len(m.threads.appends) == 0 {
		return
	}
	work := m.threads.appends[0]
	m.threads.appends = m.threads.appends[1:]
	snapshot := work.GetSnapshot()
	if !upstream.IsEmptySnap(snapshot) {
		// What was handed out before it is applied before it.
		for len(m.threads.applies) > 0 {
			m.apply()
		}
		m.applied = max(m.applied, snapshot.GetMetadata().GetIndex())
	}
	m.disk.save(&pb.HardState{
		Term: new(work.GetTerm()), Vote: new(work.GetVote()), Commit: new(work.GetCommit()),
	}, work.GetEntries(), snapshot)
	for _, response := range work.GetResponses() {
		if encoded := encode(response); response.GetTo() == m.id {
			m.threads.appendAcks = append(m.threads.appendAcks, encoded)
		} else {
			m.run.send(response, encoded)
		}
	}
}

// acknowledge delivers the next thing that a thread has to say.
func (m *member) acknowledge(queue *[][]byte) {
	if len(*queue) > 0 {
		encoded := (*queue)[0]
		*queue = (*queue)[1:]
		m.step(encoded)
	}
}

// handle takes a Ready and does all that follows.
func (m *member) handle() {
	m.take()
	if !m.config.asyncWrites {
		m.advance()
		return
	}
	t := &m.threads
	for m.restartFor == "" && len(t.appends)+len(t.applies)+len(t.appendAcks)+len(t.applyAcks) > 0 {
		m.write()
		m.acknowledge(&t.appendAcks)
		m.apply()
		if m.restartFor == "" {
			m.acknowledge(&t.applyAcks)
		}
	}
}

// restart crashes both, and starts them from what is on the disk. choice says up to where the
// host's own state has survived: 0 is nowhere, so that the whole log is applied again.
func (m *member) restart(choice uint64) {
	applied := uint64(0)
	if choice > 0 {
		low := m.disk.compacted.index
		high := max(low, min(m.applied, m.disk.hard.GetCommit()))
		applied = low + (choice-1)%(high-low+1)
	}
	m.start(applied)
}

// settled is the last index of which a snapshot may be made or up to which the log may be
// compacted: it is applied, as far as the nodes know, and known to be committed on the disk.
func (m *member) settled() uint64 {
	return min(m.status.Applied, m.applied, m.disk.hard.GetCommit())
}

// snapshot makes a snapshot of what was applied some entries ago.
func (m *member) snapshot(back uint64) {
	if index := m.settled(); back < index && m.disk.createSnapshot(index-back) {
		m.compare()
	}
}

// compact drops the beginning of the log, up to some entries before the snapshot.
func (m *member) compact(back uint64) {
	index := min(m.settled(), m.disk.snapshot.GetMetadata().GetIndex())
	if back < index && m.disk.compact(index-back) {
		m.compare()
	}
}

// propose gives both a proposal: one by Propose, several by Step, all or nothing.
func (m *member) propose(sizes []uint64) {
	data := make([][]byte, len(sizes))
	for i, size := range sizes {
		if size == sizeNil {
			continue
		}
		data[i] = make([]byte, min(size, 1<<20))
		m.run.proposals++
		for j := range data[i] {
			data[i][j] = byte(m.run.proposals >> (8 * (j % 4)))
		}
	}
	if len(data) == 1 {
		m.both("Propose",
			func() error { return m.theirs.Propose(data[0]) },
			func() error { return m.ours.Propose(data[0]) })
		return
	}
	message := &pb.Message{Type: pb.MsgProp.Enum(), From: new(m.id)}
	for _, d := range data {
		message.Entries = append(message.Entries, &pb.Entry{Data: d})
	}
	m.step(encode(message))
}

// several proposes a change more than once in one message, with other entries in between.
func (m *member) several(times uint64, args []uint64) {
	message := &pb.Message{Type: pb.MsgProp.Enum(), From: new(m.id)}
	for range min(times, 5) {
		m.run.proposals++
		kind, data, err := pb.MarshalConfChange(confChange(args, m.run.proposals))
		if err != nil {
			panic(err)
		}
		message.Entries = append(message.Entries,
			&pb.Entry{Type: kind.Enum(), Data: data}, &pb.Entry{Data: []byte("between")})
	}
	if len(message.Entries) > 0 {
		m.step(encode(message))
	}
}

// forge gives both what no correct node sends.
func (m *member) forge(kind uint64) {
	leads := m.status.RaftState == upstream.StateLeader
	message := &pb.Message{From: new(m.id)}
	switch {
	case kind == 0 && !leads && m.status.Lead != 0:
		message.Type, message.From, message.Term = pb.MsgHeartbeat.Enum(), new(m.status.Lead), m.status.Term
		message.Commit = new(m.disk.last() + 1<<20)
	case kind == 1 && leads:
		message.Type = pb.MsgProp.Enum()
	case kind == 2:
		message.Type = pb.MsgProp.Enum()
		message.Entries = []*pb.Entry{{
			Type: pb.EntryConfChangeV2.Enum(), Data: []byte{0xff},
		}}
	default:
		return
	}
	m.step(encode(message))
}

// The messages that never come from a peer.
var localTypes = []pb.MessageType{
	pb.MsgHup, pb.MsgBeat, pb.MsgUnreachable, pb.MsgSnapStatus, pb.MsgCheckQuorum,
	pb.MsgStorageAppend, pb.MsgStorageAppendResp, pb.MsgStorageApply, pb.MsgStorageApplyResp,
}

// local gives both a message that may not come from a peer.
func (m *member) local(kind uint64) {
	m.step(encode(&pb.Message{
		Type: localTypes[kind%uint64(len(localTypes))].Enum(), From: new(m.id%3 + 1), To: new(m.id),
	}))
}

// read asks both for a read index.
func (m *member) read(size uint64) {
	if m.readsAlone() {
		m.run.excused[readOfSingleVoter]++
		return
	}
	m.run.reads++
	var context []byte
	if size != sizeNil {
		context = make([]byte, min(size, 64))
		for i := range context {
			context[i] = byte(m.run.reads >> (8 * (i % 8)))
		}
	}
	m.call("ReadIndex",
		func() { m.theirs.ReadIndex(context) },
		func() { m.ours.ReadIndex(context) })
}

// change proposes a change of the configuration to both.
func (m *member) change(args []uint64) {
	m.run.proposals++
	cc := confChange(args, m.run.proposals)
	m.both("ProposeConfChange",
		func() error { return m.theirs.ProposeConfChange(cc) },
		func() error { return m.ours.ProposeConfChange(cc) })
}
