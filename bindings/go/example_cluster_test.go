package raft_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/go/raft"
)

// member is a node of a group whose members are all in this process, and what it has applied.
type member struct {
	node    *raft.RawNode
	storage *raft.MemoryStorage
	applied []string
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

// work does what the node asks for, until there is nothing left, and returns what is to be sent.
func (m *member) work() (messages []*pb.Message) {
	for m.node.HasReady() {
		ready := m.node.Ready()
		if err := save(m.storage, ready); err != nil {
			log.Fatal(err) // Nothing is sent that is not saved.
		}
		messages = append(messages, ready.Messages...)
		for _, entry := range ready.CommittedEntries {
			if len(entry.GetData()) > 0 {
				m.applied = append(m.applied, string(entry.GetData()))
			}
		}
		m.node.Advance(ready)
	}
	return messages
}

// startMember makes a member of a group that has the given voters from the beginning.
func startMember(id uint64, voters ...uint64) *member {
	storage := raft.NewMemoryStorage()
	err := storage.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: voters}, Index: new(uint64(1)), Term: new(uint64(1)),
	}})
	if err != nil {
		log.Fatal(err)
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
	})
	if err != nil {
		log.Fatal(err)
	}
	return &member{node: node, storage: storage}
}

// Three members in one process: one is elected, and what it proposes is applied by all of them.
func ExampleRawNode_threeMembers() {
	group := map[uint64]*member{}
	for id := uint64(1); id <= 3; id++ {
		group[id] = startMember(id, 1, 2, 3)
		defer group[id].node.Close()
	}
	// Delivers messages until nobody has anything to say. A program would send them over a network,
	// which may lose and repeat them, and call Tick at even intervals.
	deliver := func() {
		for busy := true; busy; {
			busy = false
			for id := uint64(1); id <= 3; id++ {
				for _, message := range group[id].work() {
					busy = true
					_ = group[message.GetTo()].node.Step(message)
				}
			}
		}
	}

	_ = group[1].node.Campaign()
	deliver()
	if err := group[1].node.Propose([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	deliver()
	for id := uint64(1); id <= 3; id++ {
		fmt.Println(id, group[id].node.BasicStatus().RaftState, group[id].applied)
	}
	// Output:
	// 1 StateLeader [hello]
	// 2 StateFollower [hello]
	// 3 StateFollower [hello]
}

// A member goes on after a restart with what it has saved: its term, its vote, its log.
func ExampleDurableStorage_restart() {
	dir, err := os.MkdirTemp("", "raft")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// live is the member from its start to its end.
	live := func(name string, act func(node *raft.RawNode, work func())) {
		storage, err := raft.OpenDurableStorage(dir)
		if err != nil {
			log.Fatal(err)
		}
		defer storage.Close()
		if fresh, _ := storage.IsFresh(); fresh {
			err := storage.Bootstrap(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
				ConfState: &pb.ConfState{Voters: []uint64{1}}, Index: new(uint64(1)), Term: new(uint64(1)),
			}})
			if err != nil {
				log.Fatal(err)
			}
		}
		// This program keeps nothing of what it applies, and so applies it all again. One that keeps it
		// says in Config.Applied how far it has come.
		node, err := raft.NewRawNode(&raft.Config{
			ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
			MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
		})
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		act(node, func() {
			for node.HasReady() {
				ready := node.Ready()
				if err := storage.Save(ready); err != nil {
					log.Fatal(err)
				}
				for _, entry := range ready.CommittedEntries {
					if len(entry.GetData()) > 0 {
						fmt.Printf("%s: %s, of term %d\n", name, entry.GetData(), entry.GetTerm())
					}
				}
				node.Advance(ready)
			}
		})
	}

	live("first life", func(node *raft.RawNode, work func()) {
		_ = node.Campaign()
		work()
		if err := node.Propose([]byte("hello")); err != nil {
			log.Fatal(err)
		}
		work()
	})
	live("second life", func(_ *raft.RawNode, work func()) { work() })
	// Output:
	// first life: hello, of term 2
	// second life: hello, of term 2
}

// A Node runs by itself and takes calls from any goroutine. What waits for it ends with its context.
func ExampleNode() {
	storage := raft.NewMemoryStorage()
	node := raft.StartNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256,
		Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	}, []raft.Peer{{ID: 1}})
	defer node.Stop()

	// Nobody leads yet, so that a proposal waits, and its context ends that.
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(node.Propose(ctx, []byte("too early")))

	applied := make(chan string)
	go func() {
		ticker := time.NewTicker(time.Millisecond) // A program with peers takes 100 ms or so.
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				node.Tick() // Some of them without a leader, and the node campaigns.
			case ready := <-node.Ready():
				if err := save(storage, ready); err != nil {
					log.Fatal(err)
				}
				for _, entry := range ready.CommittedEntries {
					switch {
					case entry.GetType() == pb.EntryConfChange:
						var change pb.ConfChange
						if err := proto.Unmarshal(entry.GetData(), &change); err != nil {
							log.Fatal(err)
						}
						node.ApplyConfChange(&change)
					case len(entry.GetData()) > 0:
						applied <- string(entry.GetData())
					}
				}
				node.Advance()
			case <-node.(raft.Monitor).Done():
				return
			}
		}
	}()

	ctx = context.Background()
	if err := node.Propose(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-applied)
	// Output:
	// context deadline exceeded
	// hello
}

// What has happened in a node comes with its Readys; its state can be asked for at any time.
func ExampleRawNode_Events() {
	alone := startMember(1, 1)
	defer alone.node.Close()
	_ = alone.node.Campaign()
	for alone.node.HasReady() {
		ready := alone.node.Ready()
		for _, event := range alone.node.Events() {
			fmt.Println(event.Type, event.ReasonName(), "term", event.Term)
		}
		if err := save(alone.storage, ready); err != nil {
			log.Fatal(err)
		}
		alone.node.Advance(ready)
	}
	status := alone.node.Status()
	fmt.Println(status.RaftState, "applied", status.Applied, "voters", status.Config.Voters)
	// Output:
	// RAFT_EVENT_CAMPAIGN_STARTED RAFT_TRIGGER_HOST term 1
	// RAFT_EVENT_ROLE_CHANGED  term 1
	// RAFT_EVENT_ELECTION_WON  term 1
	// RAFT_EVENT_ROLE_CHANGED  term 1
	// RAFT_EVENT_LEADER_CHANGED  term 1
	// StateLeader applied 2 voters (1)
}
