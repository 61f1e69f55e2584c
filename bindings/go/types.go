// The small types of the interface, and what can be told from raftpb messages alone.

package raft

import (
	"fmt"
	"math"

	pb "go.etcd.io/raft/v3/raftpb"
)

const (
	// None is the id of nobody: no leader, no vote, no node.
	None uint64 = 0
	// LocalAppendThread is the target of MsgStorageAppend, with Config.AsyncStorageWrites.
	LocalAppendThread uint64 = math.MaxUint64
	// LocalApplyThread is the target of MsgStorageApply, with Config.AsyncStorageWrites.
	LocalApplyThread uint64 = math.MaxUint64 - 1
)

// CampaignType names a kind of election. It is there for programs that mention it; nothing here
// takes or gives one.
type CampaignType string

// StateType is the role of a node in its term.
type StateType uint64

// The roles.
const (
	StateFollower StateType = iota
	StateCandidate
	StateLeader
	StatePreCandidate
)

// String is the name of the constant.
func (st StateType) String() string {
	switch st {
	case StateFollower:
		return "StateFollower"
	case StateCandidate:
		return "StateCandidate"
	case StateLeader:
		return "StateLeader"
	case StatePreCandidate:
		return "StatePreCandidate"
	}
	return fmt.Sprintf("StateType(%d)", uint64(st))
}

// MarshalJSON writes the name of the constant.
func (st StateType) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", st), nil
}

// SoftState is what a restart makes anew, and nobody has to store.
type SoftState struct {
	// Lead is the leader's id, None if no leader is known.
	Lead uint64
	// RaftState is the node's role.
	RaftState StateType
}

// ReadState says that a read may be served once Index is applied. RequestCtx is what
// [RawNode.ReadIndex] was given.
type ReadState struct {
	Index      uint64
	RequestCtx []byte
}

// Peer is a first member of a group with this ID, for [RawNode.Bootstrap]. Context comes back with the entry
// that adds the member.
type Peer struct {
	ID      uint64
	Context []byte
}

// SnapshotStatus says what became of a MsgSnap.
type SnapshotStatus int

// What can become of it.
const (
	SnapshotFinish  SnapshotStatus = 1
	SnapshotFailure SnapshotStatus = 2
)

// ReadOnlyOption says how linearizable reads are confirmed.
type ReadOnlyOption int

const (
	// ReadOnlySafe asks a quorum for each batch of reads. It is right whatever the clocks do.
	ReadOnlySafe ReadOnlyOption = iota
	// ReadOnlyLeaseBased trusts the leader's lease: it answers at once, but a read may be stale.
	// A leader that is cut off goes on answering for up to twice Config.ElectionTick, while the
	// others may elect a new one after one, even if all clocks are perfect; and a voter that
	// restarts votes at once. The same goes for late clocks, transfers of leadership, and voters
	// without Config.CheckQuorum. It needs Config.CheckQuorum.
	ReadOnlyLeaseBased
)

// Ready is one batch of work for the host. In this order: save HardState, Entries and Snapshot,
// synced if MustSync; send Messages; apply Snapshot, then CommittedEntries; serve the ReadStates
// whose Index is applied; call [RawNode.Advance].
//
// With Config.AsyncStorageWrites, what there is to save and to apply is in the messages to
// LocalAppendThread and LocalApplyThread instead, and Advance is not called.
//
// Everything in it is for reading only, and stays valid as long as it is referred to; see
// [RawNode.ReadyInto] for one of which that is not so. An entry that
// comes up several times, to be saved, sent and applied, is one object. The entries of one Ready and
// their payloads share two pieces of memory, which stay as long as one of them is referred to; so do its
// messages, but for those above 4 KiB, and so do lists of Entries of several Readys between two ticks
// that have a single entry of at most 256 bytes each: who keeps one of these keeps the entries of the others, and what
// they share with more. What is sent to several members alike is a message for each, with
// fields of its own; what Entries and Context refer to they may share.
type Ready struct {
	// SoftState is nil if neither the leader nor the role has changed.
	*SoftState
	// HardState is nil if it has not changed.
	*pb.HardState
	// ReadStates are reads that may be served once their index is applied.
	ReadStates []ReadState
	// Entries are to be appended to the stored log, in place of what it has from the first one's
	// index on.
	Entries []*pb.Entry
	// Snapshot is to be saved in place of the stored log up to its index, and to be applied; nil
	// if there is none.
	Snapshot *pb.Snapshot
	// CommittedEntries are to be applied.
	CommittedEntries []*pb.Entry
	// Messages are to be sent, in this order for each recipient. What becomes of a MsgSnap is to
	// be told with [RawNode.ReportSnapshot].
	Messages []*pb.Message
	// MustSync is false if only the commit index moved, which may get lost in a crash.
	MustSync bool
}

// EncodedMessages are the Messages as they go over the wire, in the same order.
func (rd Ready) EncodedMessages() ([][]byte, error) {
	encoded := make([][]byte, len(rd.Messages))
	for i, message := range rd.Messages {
		var err error
		if encoded[i], err = appendMessage(nil, message); err != nil {
			return nil, err
		}
	}
	return encoded, nil
}

// IsEmptyHardState says whether the state is nil or all zero.
func IsEmptyHardState(st *pb.HardState) bool {
	return st.GetTerm() == 0 && st.GetVote() == 0 && st.GetCommit() == 0
}

// IsEmptySnap says whether a snapshot is nil or of index 0.
func IsEmptySnap(sp *pb.Snapshot) bool {
	return sp.GetMetadata().GetIndex() == 0
}

// MustSync says whether a write of entsnum entries and of a hard state that was prevst has to be
// synced: entries, the term and the vote do, the commit index does not.
func MustSync(st, prevst *pb.HardState, entsnum int) bool {
	return entsnum != 0 || st.GetTerm() != prevst.GetTerm() || st.GetVote() != prevst.GetVote()
}

// IsLocalMsg says whether messages of this kind never travel between nodes.
func IsLocalMsg(msgt pb.MessageType) bool {
	switch msgt {
	case pb.MsgHup, pb.MsgBeat, pb.MsgUnreachable, pb.MsgSnapStatus, pb.MsgCheckQuorum,
		pb.MsgStorageAppend, pb.MsgStorageAppendResp, pb.MsgStorageApply, pb.MsgStorageApplyResp:
		return true
	}
	return false
}

// IsResponseMsg says whether messages of this kind answer others.
func IsResponseMsg(msgt pb.MessageType) bool {
	switch msgt {
	case pb.MsgAppResp, pb.MsgVoteResp, pb.MsgPreVoteResp, pb.MsgHeartbeatResp,
		pb.MsgReadIndexResp, pb.MsgUnreachable, pb.MsgStorageAppendResp, pb.MsgStorageApplyResp:
		return true
	}
	return false
}

// IsLocalMsgTarget says whether an id is that of a storage worker.
func IsLocalMsgTarget(id uint64) bool {
	return id == LocalAppendThread || id == LocalApplyThread
}
