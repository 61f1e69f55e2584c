// Package raft is the Go binding of libraft, a Raft consensus core.
//
// It has the names and the types of go.etcd.io/raft/v3 v3.7, and its raftpb, tracker and quorum
// packages are used as they are, so that a program moves over by one import line. Both speak the
// same protocol, and both may serve in one cluster. A host's loop is the known one:
//
//	for node.HasReady() {
//		ready := node.Ready()
//		storage.Save(ready) // hard state, entries and snapshot; synced if ready.MustSync
//		send(ready.Messages)
//		apply(ready.Snapshot, ready.CommittedEntries)
//		node.Advance(ready)
//	}
//
// # What differs from go.etcd.io/raft
//
//   - Nothing that a peer, a disk or a Storage returns ends the process. Calls that have an error
//     to return do so; a node that can't go on logs why, does nothing any more, and says so in
//     [RawNode.Err].
//   - [RawNode.Close] frees a node at once. One that is forgotten is freed by the garbage
//     collector.
//   - [DurableStorage] is a storage on disk, next to [MemoryStorage]. A Storage that the program
//     implements is read during [NewRawNode], [RawNode.HasReady] and [RawNode.Ready] only.
//   - By default a node builds its appends when the Ready is taken: one for each follower and
//     batch of proposals, instead of one for each proposal. [Config.EagerAppends] brings back the
//     latter.
//
// # Linking
//
// By default the package links ../../target/release/libraft.a, which `make lib` builds. With the
// build tag libraft_system it links what pkg-config finds under the name libraft.
package raft
