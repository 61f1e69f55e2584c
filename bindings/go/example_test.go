package raft_test

import (
	"fmt"
	"log"
	"os"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

// A group of one member that keeps what it is told on disk.
func Example() {
	dir, err := os.MkdirTemp("", "raft")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	storage, err := raft.OpenDurableStorage(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer storage.Close()
	if fresh, _ := storage.IsFresh(); fresh {
		err = storage.Bootstrap(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			ConfState: &pb.ConfState{Voters: []uint64{1}}, Index: new(uint64(1)), Term: new(uint64(1)),
		}})
		if err != nil {
			log.Fatal(err)
		}
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	work := func() {
		for node.HasReady() {
			ready := node.Ready()
			if err := storage.Save(ready); err != nil {
				log.Fatal(err)
			}
			// Here ready.Messages go to the other members, if there are any.
			for _, entry := range ready.CommittedEntries {
				if len(entry.Data) > 0 {
					fmt.Printf("apply %d: %s\n", entry.GetIndex(), entry.Data)
				}
			}
			node.Advance(ready)
		}
	}
	_ = node.Campaign() // or wait: node.Tick() now and then makes somebody do that
	work()
	if err := node.Propose([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	work()
	// Output: apply 3: hello
}
