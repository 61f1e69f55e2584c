// One node, in memory: it elects itself, and applies what is proposed.
package main

import (
	"fmt"
	"log"

	"libraft.dev/go/raft"
)

func drive(node *raft.RawNode, storage *raft.MemoryStorage) {
	for node.HasReady() {
		ready := node.Ready()
		if !raft.IsEmptyHardState(ready.HardState) {
			_ = storage.SetHardState(ready.HardState)
		}
		_ = storage.Append(ready.Entries) // Before anything is sent.
		for _, message := range ready.Messages {
			fmt.Println("to", message.GetTo(), message)
		}
		for _, entry := range ready.CommittedEntries {
			fmt.Printf("%d: %q\n", entry.GetIndex(), entry.GetData())
		}
		node.Advance(ready)
	}
}

func main() {
	storage := raft.NewMemoryStorage() // Or raft.OpenDurableStorage("directory").
	node, err := raft.NewRawNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Bootstrap([]raft.Peer{{ID: 1}}); err != nil {
		log.Fatal(err)
	}
	drive(node, storage)
	_ = node.Campaign() // Or node.Tick(), every 100 ms.
	drive(node, storage)
	if err := node.Propose([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	drive(node, storage)
}
