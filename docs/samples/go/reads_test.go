// The samples in Go that the documentation shows. `go test` compares what they print.

package samples

import (
	"fmt"
	"log"

	"libraft.dev/go/raft"
)

// A group of one member, in memory.
func start() (*raft.RawNode, *raft.MemoryStorage) {
	storage := raft.NewMemoryStorage()
	node, err := raft.NewRawNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Bootstrap([]raft.Peer{{ID: 1}}); err != nil {
		log.Fatal(err)
	}
	return node, storage
}

// save writes down what a Ready has for the disk.
func save(storage *raft.MemoryStorage, ready raft.Ready) error {
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := storage.ApplySnapshot(ready.Snapshot); err != nil {
			return err
		}
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		if err := storage.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	return storage.Append(ready.Entries)
}

// The host's loop, which hands each Ready to what makes use of it.
func drive(node *raft.RawNode, storage *raft.MemoryStorage, use func(raft.Ready)) {
	for node.HasReady() {
		ready := node.Ready()
		if err := save(storage, ready); err != nil {
			log.Fatal(err) // Nothing is used or sent that is not saved.
		}
		use(ready)
		node.Advance(ready)
	}
}

// A linearizable read.
func Example_reads() {
	node, storage := start()
	defer node.Close()
	drive(node, storage, func(raft.Ready) {})
	_ = node.Campaign()
	drive(node, storage, func(raft.Ready) {})

	// --8<-- [start:read]
	// A name for the read that is never used again.
	node.ReadIndex([]byte("read 1"))
	drive(node, storage, func(ready raft.Ready) {
		for _, read := range ready.ReadStates {
			// To be served when this index is applied.
			fmt.Printf("%s: %d\n", read.RequestCtx, read.Index)
		}
	})
	// --8<-- [end:read]
	// Output: read 1: 2
}
