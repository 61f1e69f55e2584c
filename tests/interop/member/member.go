// Package member is what the driver of a mixed cluster and the implementations in it say to each
// other: one request, one response. It knows no Raft library, since no two versions of one can be
// linked into a program, and keeps no state.
package member

// Member runs nodes of one implementation. Each call is answered before the next one is made.
type Member interface {
	Call(*Request) *Response
}

// Op says what is asked for.
type Op uint64

// What a Request uses of its fields is told behind each. A node is the one in Request.Node, unless
// it says otherwise.
const (
	// Forget all nodes, and draw random numbers from the seed A from now on.
	Reset Op = iota
	// Make the node from what was stored. Numbers are the settings, as Setting names them; X is
	// the hard state, Y the snapshot, Z the configuration as of Applied, List the entries behind
	// what has been compacted.
	Start
	// Drop the node with all it has, as in a crash.
	Stop
	// Begin a group: Numbers are the first members.
	Bootstrap
	Tick
	Campaign
	// X is the data.
	Propose
	// A is the type of the entry, X its data.
	ProposeConfChange
	// X is the message.
	Step
	// X is the read's name.
	Read
	// A is the new leader.
	Transfer
	ForgetLeader
	// A is the peer.
	Unreachable
	// A is the peer; B is 1 if it got the snapshot.
	SnapshotStatus
	// Take a Ready, and, without asynchronous writes, keep what is to be stored.
	Ready
	Advance
	// A is the type of the entry, X its data; Response.Data is the configuration.
	ApplyConfChange
	// Keep what the MsgStorageAppend X says.
	Save
	// Make a snapshot as of A, of the configuration X and the data Y, and, if B is not 0, drop
	// the entries up to and including B.
	Compact
	// Decode X, which is of the kind A, and encode it again into Response.Data. No node.
	Recode
	// What follows, only our nodes can do. Ask the leader for a snapshot.
	RequestSnapshot
	// A is the priority from now on.
	SetPriority
	// Commit only what two groups have. The odd and the even ones of Numbers are the groups.
	GroupCommit
)

// Kinds of Recode.
const (
	KindMessage = iota
	KindEntry
	KindHardState
	KindConfState
	KindSnapshot
	KindConfChange
	KindConfChangeV2
	// The size of the entry X, as limits count it, into Response.Applied.
	KindEntrySize
)

// Places of the settings in Request.Numbers.
const (
	ElectionTicks = iota
	HeartbeatTicks
	MaxSizePerMsg
	MaxCommittedSizePerReady
	MaxUncommittedSize
	MaxInflightMsgs
	MaxInflightBytes
	Flags
	Seed
	// The index that the application has applied.
	Applied
	// Index and term of the last entry that was dropped from the log.
	CompactedIndex
	CompactedTerm
	// Settings that only our nodes have; the priority is a signed number.
	Priority
	MaxApplyUnpersisted
	Settings
)

// Bits of the setting Flags.
const (
	CheckQuorum uint64 = 1 << iota
	PreVote
	LeaseReads
	AsyncWrites
	DisableForwarding
	StepDownOnRemoval
	// Settings that only our nodes have.
	EagerAppends
	SmallCache
	PeerReports
)

// Code says how a call ended.
type Code uint64

const (
	// Done.
	OK Code = iota
	// The proposal or the read was not taken.
	Dropped
	// The message is one that this node has no use for: a response of somebody who is no member.
	Refused
	// Anything else: what no correct cluster leads to.
	Failed
)

// Request is one call.
type Request struct {
	Op      Op
	Node    uint64
	A, B    uint64
	X, Y, Z []byte
	Numbers []uint64
	List    [][]byte
}

// Response is the answer. Everything is encoded as raftpb.
type Response struct {
	Code Code
	Text string

	// The node's state after the call.
	Role, Term, Vote, Lead, Commit, Applied, Transferee uint64
	HasReady                                            bool

	// Of a Ready. HardState and Snapshot are nil if there is none; Reads are the read states, each
	// index belonging to the name at the same place.
	HardState, Snapshot          []byte
	Entries, Committed, Messages [][]byte
	ReadIndexes                  []uint64
	ReadNames                    [][]byte
	MustSync                     bool
	// The data of proposals that will never be applied, as far as a node of ours says so.
	DroppedProposals [][]byte

	Data []byte
}
