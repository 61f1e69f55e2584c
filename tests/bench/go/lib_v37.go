//go:build v37 || libraft

// The interface of go.etcd.io/raft/v3 v3.7, which the binding has as well. Messages are pointers.

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

type message = *pb.Message

var silent = log.New(io.Discard, "", 0)

func recipient(m *message) uint64 { return (*m).GetTo() }

type replica struct {
	id      uint64
	node    *rawNode
	storage *memoryStorage
	applied applied
}

func newReplica(id uint64, voters []uint64, _ bool) *replica {
	storage := newMemoryStorage()
	must(storage.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: voters},
	}}))
	must(storage.SetHardState(&pb.HardState{Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(uint64(1))}))
	node, err := newRawNode(&raftConfig{
		ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, Logger: discard,
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
	data := make([][]byte, count)
	for i := range data {
		data[i] = p.next()
	}
	must(r.proposeMany(data))
}

func (r *replica) replaceVoters(old, new []uint64) {
	change := &pb.ConfChangeV2{}
	for _, id := range new {
		change.Changes = append(change.Changes, &pb.ConfChangeSingle{Type: pb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(id)})
	}
	for _, id := range old {
		change.Changes = append(change.Changes, &pb.ConfChangeSingle{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(id)})
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
	rd := r.ready()
	if rd.HardState != nil {
		must(r.storage.SetHardState(rd.HardState))
	}
	if len(rd.Entries) > 0 {
		must(r.storage.Append(rd.Entries))
	}
	send = append(send, rd.Messages...)
	for _, entry := range rd.CommittedEntries {
		data := entry.GetData()
		if entry.GetType() == pb.EntryConfChangeV2 {
			change := &pb.ConfChangeV2{}
			must(proto.Unmarshal(data, change))
			r.node.ApplyConfChange(change)
			data = nil
		}
		r.applied.apply(entry.GetIndex(), data)
	}
	r.applied.reads += uint64(len(rd.ReadStates))
	r.node.Advance(rd)
	return send
}

func (r *replica) compact(index uint64) { must(r.storage.Compact(index)) }

func (r *replica) isLeader() bool { return role(r.node) == stateLeader }

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
		fmt.Fprintf(&all, "%d/%d %x\n", entry.GetTerm(), entry.GetIndex(), entry.GetData())
	}
	return all.String()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
