package samples

import (
	"fmt"
	"log"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

// Several steps of membership at once.
func Example_membership() {
	node, storage := start()
	defer node.Close()
	drive(node, storage, func(raft.Ready) {})
	_ = node.Campaign()
	drive(node, storage, func(raft.Ready) {})

	// --8<-- [start:joint]
	change := &pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{
		{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(2))},
		{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(3))},
	}}
	if err := node.ProposeConfChange(change); err != nil {
		fmt.Println(err) // Dropped: no leader, or another change is on its way.
	}
	drive(node, storage, func(ready raft.Ready) {
		for _, entry := range ready.CommittedEntries {
			if entry.GetType() != pb.EntryConfChange && entry.GetType() != pb.EntryConfChangeV2 {
				continue
			}
			decoded, err := raft.DecodeConfChange(entry)
			if err != nil {
				log.Fatal(err) // The member can't go on without it.
			}
			// Takes effect when it is applied, on each member alike.
			members := node.ApplyConfChange(decoded)
			fmt.Println(members.GetVoters(), members.GetLearners(), members.GetVotersOutgoing())
		}
	})
	// --8<-- [end:joint]
	// Output:
	// [1] [2 3] [1]
	// [1] [2 3] []
}
