// Package raft is the Go binding of libraft, a Raft consensus core.
//
// It has all names and types of the root package of go.etcd.io/raft/v3 v3.7, and its raftpb, tracker
// and quorum packages are used as they are, so that a program moves over by one import line; or by
// none, with a replace directive and what the command in the folder standin assembles. Both speak
// the same protocol, and both may serve in one cluster. A host's loop is the known one, on a [Node],
// which has a goroutine of its own and takes calls from any other:
//
//	for {
//		select {
//		case <-ticker.C:
//			node.Tick()
//		case ready := <-node.Ready():
//			storage.Save(ready) // hard state, entries and snapshot; synced if ready.MustSync
//			send(ready.Messages)
//			apply(ready.Snapshot, ready.CommittedEntries)
//			node.Advance()
//		}
//	}
//
// or on a [RawNode], which does nothing by itself:
//
//	for node.HasReady() {
//		ready := node.Ready()
//		storage.Save(ready)
//		send(ready.Messages)
//		apply(ready.Snapshot, ready.CommittedEntries)
//		node.Advance(ready)
//	}
//
// # What differs from go.etcd.io/raft
//
//   - Nothing that a peer, a disk or a Storage returns ends the process. Calls that have an error
//     to return do so; a node that can't go on logs why, does nothing any more, and says so in
//     [RawNode.Err]. A [Node] then stops as if by Stop; [Monitor] tells when and why.
//   - The Logger hears other texts. Nothing is traced: Config.TraceLogger is never called.
//   - A node tells what has happened in it, and what it was given and has dropped, in
//     [RawNode.Events], [RawNode.Dropped] and [RawNode.Metrics]. For a [Node], [Observer] has
//     these, [Asker] tells why something was refused, and [Extender] has the extensions that are
//     called at run time.
//   - With [Config.RecordBytes] every call on a node is recorded, and [Replay] makes them again;
//     [RawNode.RecordTake], and [Recorder] for a [Node].
//   - [RawNode.Close] frees a node at once. One that is forgotten is freed by the garbage
//     collector.
//   - [DurableStorage] is a storage on disk, next to [MemoryStorage]. A Storage that the program
//     implements is read during [NewRawNode], [RawNode.HasReady] and [RawNode.Ready] only.
//   - By default a node builds its appends when the Ready is taken: one for each follower and
//     batch of proposals, instead of one for each proposal. [Config.EagerAppends] brings back the
//     latter.
//   - [RawNode.ReadyInto] is a Ready whose messages are where the last one had them, for hosts that
//     are done with these by then.
//   - The Err values have the texts of those in go.etcd.io/raft, and are other values. A Storage
//     may return either, and errors.Is finds either in what a node returns.
//
// # Linking
//
// By default libraft.a becomes part of the program, so that nothing has to be installed where it
// runs. It is built from Rust, and so is not in the repository: `make go-lib` there puts it into the
// module, after which the module can be copied and vendored, and be used by a replace directive.
// With the build tag libraft_system the program uses the libraft that pkg-config finds, as `make
// install` installs it. Either way cgo is needed, and so a C compiler.
package raft
