package samples

import (
	"fmt"
	"log"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

// Asynchronous storage writes: the disk works while the node goes on.
func Example_async() {
	storage := raft.NewMemoryStorage()
	node, err := raft.NewRawNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, AsyncStorageWrites: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Bootstrap([]raft.Peer{{ID: 1}}); err != nil {
		log.Fatal(err)
	}
	network := func(*pb.Message) {} // Where the other members are.

	// --8<-- [start:loop]
	// Each is worked off by a goroutine of its own, in order.
	var toDisk, toMachine []*pb.Message
	// The work is done: what has waited for it goes out, to others and to this node. Called by the
	// goroutine that has the node, to which the others hand the responses.
	deliver := func(responses []*pb.Message) {
		for _, response := range responses {
			if response.GetTo() == 1 {
				_ = node.Step(response)
			} else {
				network(response)
			}
		}
	}
	// Nothing waits for a disk here, and there is no call of Advance.
	take := func() {
		for node.HasReady() {
			for _, message := range node.Ready().Messages {
				switch message.GetTo() {
				case raft.LocalAppendThread:
					toDisk = append(toDisk, message)
				case raft.LocalApplyThread:
					toMachine = append(toMachine, message)
				default:
					network(message)
				}
			}
		}
	}
	// After an error nothing is delivered, and the member stops: the responses say that the work is done.
	appendOne := func(m *pb.Message) error {
		if !raft.IsEmptySnap(m.Snapshot) { // In place of the log; the state machine takes it too.
			if err := storage.ApplySnapshot(m.Snapshot); err != nil {
				return err
			}
		}
		state := &pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
		if !raft.IsEmptyHardState(state) {
			if err := storage.SetHardState(state); err != nil {
				return err
			}
		}
		if err := storage.Append(m.Entries); err != nil {
			return err
		}
		deliver(m.Responses) // After a sync, where there is a disk.
		return nil
	}
	applyOne := func(m *pb.Message) error {
		for _, entry := range m.Entries {
			switch entry.GetType() {
			case pb.EntryConfChange, pb.EntryConfChangeV2:
				change, err := raft.DecodeConfChange(entry)
				if err != nil {
					return err
				}
				node.ApplyConfChange(change)
			default:
				if len(entry.GetData()) > 0 {
					fmt.Printf("%d: %s\n", entry.GetIndex(), entry.GetData())
				}
			}
		}
		deliver(m.Responses)
		return nil
	}
	// --8<-- [end:loop]

	work := func() {
		for take(); len(toDisk)+len(toMachine) > 0; take() {
			for _, m := range toDisk {
				if err := appendOne(m); err != nil {
					log.Fatal(err)
				}
			}
			toDisk = nil
			for _, m := range toMachine {
				if err := applyOne(m); err != nil {
					log.Fatal(err)
				}
			}
			toMachine = nil
		}
	}
	work()
	_ = node.Campaign()
	work()
	_ = node.Propose([]byte("hello"))
	work()
	// Output: 3: hello
}
