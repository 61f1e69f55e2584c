// Leaks creates nodes by the Go binding and gets rid of them, and prints what the process holds
// after a tenth of them and at the end: RawNodes, of which half are closed and half are left to the
// garbage collector; Nodes with their goroutine; and durable storages.
//
//	leaks NODES HOSTS STORAGES DIRECTORY [FORGOTTEN]
//
// FORGOTTEN is node, host or storage: every seventh time, such an object is kept and not closed,
// which tests/leaks/run has to notice.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"strconv"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/go/raft"
)

var (
	payload = make([]byte, 100)
	first   = &pb.Snapshot{
		Data: payload,
		Metadata: &pb.SnapshotMetadata{
			ConfState: &pb.ConfState{Voters: []uint64{1}},
			Index:     proto.Uint64(1),
			Term:      proto.Uint64(1),
		},
	}
	background = context.Background()
)

// What is to be forgotten, how often there was such an object, and those that were.
var (
	forgotten string
	times     int
	lost      []any
)

// maybeForget keeps an object every seventh time, and then says so.
func maybeForget(kind string, object any) bool {
	if kind != forgotten {
		return false
	}
	if times++; times%7 != 0 {
		return false
	}
	lost = append(lost, object)
	return true
}

// quiet is a Logger for what fails on purpose.
type quiet struct{ *raft.DefaultLogger }

func (quiet) Debug(...any)            {}
func (quiet) Debugf(string, ...any)   {}
func (quiet) Info(...any)             {}
func (quiet) Infof(string, ...any)    {}
func (quiet) Warning(...any)          {}
func (quiet) Warningf(string, ...any) {}

// store is what the two kinds of storage have in common for a host.
type store interface {
	raft.Storage
	Save(raft.Ready) error
	Compact(uint64) error
}

// memory saves a Ready as hosts of the memory storage do.
type memory struct{ *raft.MemoryStorage }

func (m memory) Save(ready raft.Ready) error {
	if !raft.IsEmptyHardState(ready.HardState) {
		must(m.SetHardState(ready.HardState))
	}
	return m.Append(ready.Entries)
}

func config(storage raft.Storage) *raft.Config {
	return &raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, Logger: quiet{},
	}
}

func work(node *raft.RawNode, storage store) {
	for node.HasReady() {
		ready := node.Ready()
		must(storage.Save(ready))
		for _, entry := range ready.CommittedEntries {
			if entry.GetType() == pb.EntryConfChange {
				var change pb.ConfChange
				must(proto.Unmarshal(entry.GetData(), &change))
				node.ApplyConfChange(&change)
			}
		}
		node.Advance(ready)
	}
}

func fails(err, want error) {
	if !errors.Is(err, want) {
		log.Panicf("%v instead of %v", err, want)
	}
}

// live is the life of one node, whose end is left to the caller.
func live(storage store, native raft.Storage, number int) *raft.RawNode {
	wrong := config(native)
	wrong.ID = 0
	_, err := raft.NewRawNode(wrong)
	fails(err, &raft.Error{Code: raft.CodeConfig})
	node, err := raft.NewRawNode(config(native))
	must(err)
	fails(node.Propose(payload), raft.ErrProposalDropped)
	fails(node.StepEncoded([]byte{0xff, 0xff}), &raft.Error{Code: raft.CodeMalformed})
	must(node.Campaign())
	work(node, storage)
	must(node.ProposeMany([][]byte{payload, nil, payload}))
	must(node.ProposeConfChange(&pb.ConfChange{
		Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: proto.Uint64(2), Context: payload,
	}))
	node.ReadIndex(payload)
	node.Tick()
	work(node, storage)
	if len(node.Status().Progress) != 2 {
		log.Panic("the change was not applied")
	}
	if number%3 > 0 {
		must(node.Propose(payload))
	}
	if number%3 > 1 {
		node.Ready()
	}
	return node
}

func rawNode(number int) {
	storage := memory{raft.NewMemoryStorage()}
	must(storage.ApplySnapshot(first))
	node := live(storage, storage.MemoryStorage, number)
	// The other half is left to the garbage collector.
	if !maybeForget("node", node) && number%2 == 0 {
		must(node.Close())
	}
}

// host runs a Node until it has applied a proposal.
func host(int) {
	storage := memory{raft.NewMemoryStorage()}
	must(storage.ApplySnapshot(first))
	node := raft.RestartNode(config(storage.MemoryStorage))
	must(node.Campaign(background))
	go func() { _ = node.Propose(background, payload) }()
	for applied := false; !applied; {
		ready := <-node.Ready()
		must(storage.Save(ready))
		for _, entry := range ready.CommittedEntries {
			applied = applied || len(entry.GetData()) > 0
		}
		node.Advance()
	}
	if !maybeForget("host", node) {
		node.Stop()
	}
}

func durable(directory string, number int) {
	path := filepath.Join(directory, strconv.Itoa(number))
	storage, err := raft.OpenDurableStorage(path)
	must(err)
	_, err = raft.OpenDurableStorage(path)
	fails(err, &raft.Error{Code: raft.CodeLocked})
	_, err = raft.OpenDurableStorage("/dev/null/storage")
	fails(err, &raft.Error{Code: raft.CodeIO})
	must(storage.Bootstrap(first))
	node := live(storage, storage, number)
	last, err := storage.LastIndex()
	must(err)
	members := &pb.ConfState{Voters: []uint64{1}, Learners: []uint64{2}}
	must(storage.CreateSnapshot(last, members, payload))
	must(storage.Compact(last))
	if !maybeForget("storage", storage) && number%2 == 0 {
		must(node.Close())
		must(storage.Close())
	}
	must(os.RemoveAll(path))
}

func repeat(phase string, times int, once func(int)) {
	for done := range times {
		if done == times/10 {
			sample(phase, done)
		}
		once(done)
	}
	sample(phase, times)
}

func main() {
	if len(os.Args) < 5 {
		log.Fatal("usage: leaks NODES HOSTS STORAGES DIRECTORY [node|host|storage]")
	}
	var counts [3]int
	for i := range counts {
		var err error
		counts[i], err = strconv.Atoi(os.Args[i+1])
		must(err)
	}
	if len(os.Args) > 5 {
		forgotten = os.Args[5]
	}
	repeat("nodes", counts[0], rawNode)
	repeat("hosts", counts[1], host)
	repeat("storages", counts[2], func(number int) { durable(os.Args[4], number) })
}
