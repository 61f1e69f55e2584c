//go:build v36

// The interface of go.etcd.io/raft/v3 v3.6. Messages are structs.

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"strings"

	raft "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

const library = "etcd-3.6"

type message = pb.Message

func recipient(m *message) uint64 { return m.To }

type replica struct {
	id      uint64
	node    *raft.RawNode
	storage *raft.MemoryStorage
	applied applied
}

func newReplica(id uint64, voters []uint64, _ bool) *replica {
	storage := raft.NewMemoryStorage()
	must(storage.ApplySnapshot(pb.Snapshot{Metadata: pb.SnapshotMetadata{
		Index: 1, Term: 1, ConfState: pb.ConfState{Voters: voters},
	}}))
	must(storage.SetHardState(pb.HardState{Term: 1, Commit: 1}))
	node, err := raft.NewRawNode(&raft.Config{
		ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
		Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	})
	must(err)
	return &replica{id: id, node: node, storage: storage, applied: applied{index: 1}}
}

func (r *replica) campaign() { must(r.node.Campaign()) }

func (r *replica) proposeEach(count int, p *payload) {
	for range count {
		must(r.node.Propose(p.next()))
	}
}

func (r *replica) proposeBatch(count int, p *payload) {
	entries := make([]pb.Entry, count)
	for i := range entries {
		entries[i].Data = p.next()
	}
	must(r.node.Step(pb.Message{Type: pb.MsgProp, From: r.id, To: r.id, Entries: entries}))
}

func (r *replica) replaceVoters(old, new []uint64) {
	change := pb.ConfChangeV2{}
	for _, id := range new {
		change.Changes = append(change.Changes, pb.ConfChangeSingle{Type: pb.ConfChangeAddNode, NodeID: id})
	}
	for _, id := range old {
		change.Changes = append(change.Changes, pb.ConfChangeSingle{Type: pb.ConfChangeRemoveNode, NodeID: id})
	}
	must(r.node.ProposeConfChange(change))
}

func (r *replica) readIndex(context uint64) {
	r.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, context))
}

func (r *replica) tick() { r.node.Tick() }

func (r *replica) hasReady() bool { return r.node.HasReady() }

// A node that has been removed is refused.
func (r *replica) step(m message) { _ = r.node.Step(m) }

func (r *replica) process(send []message) []message {
	rd := r.node.Ready()
	if !raft.IsEmptyHardState(rd.HardState) {
		must(r.storage.SetHardState(rd.HardState))
	}
	if len(rd.Entries) > 0 {
		must(r.storage.Append(rd.Entries))
	}
	send = append(send, rd.Messages...)
	for i := range rd.CommittedEntries {
		entry := &rd.CommittedEntries[i]
		data := entry.Data
		if entry.Type == pb.EntryConfChangeV2 {
			change := pb.ConfChangeV2{}
			must(change.Unmarshal(data))
			r.node.ApplyConfChange(change)
			data = nil
		}
		r.applied.apply(entry.Index, data)
	}
	r.applied.reads += uint64(len(rd.ReadStates))
	r.node.Advance(rd)
	return send
}

func (r *replica) compact(index uint64) { must(r.storage.Compact(index)) }

func (r *replica) isLeader() bool { return r.node.BasicStatus().RaftState == raft.StateLeader }

func (r *replica) lastEntries(count uint64) string {
	first, err := r.storage.FirstIndex()
	must(err)
	last, err := r.storage.LastIndex()
	must(err)
	if last >= count {
		first = max(first, last+1-count)
	}
	entries, err := r.storage.Entries(first, last+1, 1<<62)
	must(err)
	var all strings.Builder
	for _, entry := range entries {
		fmt.Fprintf(&all, "%d/%d %x\n", entry.Term, entry.Index, entry.Data)
	}
	return all.String()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
