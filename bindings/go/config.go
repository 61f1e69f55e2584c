// A node's settings.

package raft

import (
	"fmt"
	"math"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// #include "libraft.h"
import "C"

// Config holds the settings of a node. The fields up to TraceLogger are those of go.etcd.io/raft,
// with the same meaning of zero; those after it are libraft's own, and zero stands for their
// defaults. Time is counted in ticks, of whatever length the host gives them ([RawNode.Tick]).
type Config struct {
	// ID is the node's id: not None, not a local target, and never used again for another
	// machine.
	ID uint64

	// ElectionTick is how many ticks a follower waits for word from its leader before it stands
	// for election; each wait is drawn anew from [ElectionTick, 2*ElectionTick). Greater than
	// HeartbeatTick; ten times that is usual.
	ElectionTick int
	// HeartbeatTick is how many ticks lie between two heartbeats of the leader; at least 1.
	HeartbeatTick int

	// Storage is where the node's state is. A *DurableStorage is read by the library itself;
	// any other one is read by the Go side, see there.
	Storage Storage
	// Applied is up to where the host's own state has the log applied when it restarts: only
	// what follows is handed out. Zero stands for the beginning of the stored log, and with a
	// *DurableStorage for its newest snapshot.
	Applied uint64

	// AsyncStorageWrites hands out what there is to save and to apply as messages to
	// LocalAppendThread and LocalApplyThread, with the responses to deliver when it is done,
	// instead of waiting for Advance.
	AsyncStorageWrites bool

	// MaxSizePerMsg limits the encoded entries in one append; there is at least one.
	// math.MaxUint64 is no limit, 0 is one entry for each append.
	MaxSizePerMsg uint64
	// MaxCommittedSizePerReady limits the encoded entries that are handed out to be applied and
	// not yet known to be. 0 stands for MaxSizePerMsg.
	MaxCommittedSizePerReady uint64
	// MaxUncommittedEntriesSize is how many bytes of payload may be uncommitted in a leader's log
	// before proposals are dropped. 0 is no limit.
	MaxUncommittedEntriesSize uint64
	// MaxInflightMsgs limits the appends in flight to one follower; at least 1.
	MaxInflightMsgs int
	// MaxInflightBytes limits the bytes in flight to one follower; at least MaxSizePerMsg, or 0
	// for no limit.
	MaxInflightBytes uint64

	// CheckQuorum makes a leader step down that has not heard from a quorum for ElectionTick
	// ticks, and lets nodes refuse to vote that hear from a leader.
	CheckQuorum bool

	// PreVote asks the others before it disturbs them with an election.
	PreVote bool

	// ReadOnlyOption says how reads are confirmed. ReadOnlyLeaseBased needs CheckQuorum.
	ReadOnlyOption ReadOnlyOption

	// Logger hears of what is no returned error; nil stands for the one of SetLogger.
	Logger Logger

	// DisableProposalForwarding makes followers drop proposals instead of passing them on to the
	// leader.
	DisableProposalForwarding bool

	// DisableConfChangeValidation takes configuration changes without comparing them with the
	// current configuration when they are proposed. For hosts that have their own check.
	DisableConfChangeValidation bool

	// StepDownOnRemoval makes a leader step down when it applies that it is removed or has become
	// a learner.
	StepDownOnRemoval bool

	// TraceLogger is not used.
	TraceLogger TraceLogger

	// MinElectionTick and MaxElectionTick are the bounds, the second one excluded, that waits for
	// an election are drawn from, in place of ElectionTick and twice that. The first one is at
	// least ElectionTick. 0 stands for these.
	MinElectionTick, MaxElectionTick int

	// Priority is that of this node in elections: a voter refuses a candidate of lower priority
	// than its own, unless that one's log has more. Nodes of go.etcd.io/raft have none, and count
	// as 0. See [RawNode.SetPriority].
	Priority int64

	// MaxApplyUnpersistedEntries is how many committed entries a leader hands out to be applied
	// before it has saved them, with AsyncStorageWrites. See
	// [RawNode.SetMaxApplyUnpersistedEntries] for what the host has to mind.
	MaxApplyUnpersistedEntries uint64

	// Seed makes the random election timeouts repeatable. 0 takes one from the operating system.
	Seed uint64

	// MaxCachedBytes is how many encoded bytes of entries a leader keeps in memory after they are saved
	// and applied, as long as a member has not acknowledged them, so that one that lags needs no read;
	// one that lags when the leader changes, or is new, does. 0 stands for 64 MiB.
	MaxCachedBytes uint64

	// MaxPendingReads is how many reads may wait for their confirmation; more are dropped. 0
	// stands for 65536.
	MaxPendingReads uint32

	// EagerAppends builds appends with each proposal, as go.etcd.io/raft does, and not once for
	// each follower when the Ready is taken, and a follower answers even an append that brings nothing but
	// the word that all its entries are committed. That gives the same messages one by one, where a
	// program depends on it; otherwise it is only slower. With AsyncStorageWrites, it also sends
	// requests for votes before the candidate's term and log are saved, as there; a candidate that
	// forgets them in a crash can then be elected without a committed entry.
	EagerAppends bool

	// PeerReports makes nodes tell each other what they drop of that which was passed on to them,
	// see [RawNode.Dropped], and of removals. Nodes of go.etcd.io/raft ignore what it adds to
	// messages, and are sent no reports. A proposal that is passed on is then good for one delivery
	// to the leader that it was sent to.
	PeerReports bool

	// RecordBytes makes the node record every call on it, from its making on, so that [Replay] can
	// make them again: for reports of defects, above all. At most so many bytes wait for
	// [RawNode.RecordTake], at least 256; when they are full, recording stops for good at a whole
	// call, and the recording says so. It holds everything that the node is given, the data of
	// proposals, snapshots and reads included. 0 records nothing.
	RecordBytes uint64

	// AppliedConfState is the configuration as of Applied, if configuration changes have been
	// applied since the one that Storage.InitialState gives.
	AppliedConfState *pb.ConfState
}

// eagerByDefault is set where the package stands in for go.etcd.io/raft, by the command in standin:
// a program that does not know of EagerAppends gets message for message what it would get there.
var eagerByDefault = false

// encodeReadys is set by tests, while they make nodes whose Readys they want as bytes as well.
var encodeReadys = false

// native makes the library's form of the settings, which the caller frees. The library checks
// them when it makes the node; here is only what it can't be told.
func (c *Config) native() (*C.raft_config, error) {
	invalid := func(format string, v ...any) error {
		return &Error{Code: CodeConfig, Message: fmt.Sprintf(format, v...)}
	}
	if c.Storage == nil {
		return nil, invalid("Storage must not be nil")
	}
	for _, setting := range []struct {
		name  string
		value int
	}{
		{"ElectionTick", c.ElectionTick},
		{"HeartbeatTick", c.HeartbeatTick},
		{"MaxInflightMsgs", c.MaxInflightMsgs},
	} {
		if setting.value <= 0 || setting.value > math.MaxUint32 {
			return nil, invalid("%s must be greater than 0 and less than 2^32", setting.name)
		}
	}

	for _, setting := range []struct {
		name  string
		value int
	}{
		{"MinElectionTick", c.MinElectionTick},
		{"MaxElectionTick", c.MaxElectionTick},
	} {
		if setting.value < 0 || setting.value > math.MaxUint32 {
			return nil, invalid("%s must not be negative, and less than 2^32", setting.name)
		}
	}

	if c.ReadOnlyOption != ReadOnlySafe && c.ReadOnlyOption != ReadOnlyLeaseBased {
		return nil, invalid("ReadOnlyOption must not be %d", c.ReadOnlyOption)
	}

	var native *C.raft_config
	var failure *C.raft_error
	status := C.raft_config_new(C.uint64_t(c.ID), &native, &failure)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	var err error
	set := func(status C.raft_status) {
		if taken := takeError(status, failure); err == nil {
			err = taken
		}
	}
	set(C.raft_config_set_election_ticks(native, C.uint32_t(c.ElectionTick), &failure))
	set(C.raft_config_set_min_election_ticks(native, C.uint32_t(c.MinElectionTick), &failure))
	set(C.raft_config_set_max_election_ticks(native, C.uint32_t(c.MaxElectionTick), &failure))
	set(C.raft_config_set_priority(native, C.int64_t(c.Priority), &failure))
	set(C.raft_config_set_max_apply_unpersisted_entries(
		native, C.uint64_t(c.MaxApplyUnpersistedEntries), &failure))
	set(C.raft_config_set_heartbeat_ticks(native, C.uint32_t(c.HeartbeatTick), &failure))
	set(C.raft_config_set_async_storage_writes(native, C.bool(c.AsyncStorageWrites), &failure))
	set(C.raft_config_set_max_size_per_msg(native, C.uint64_t(c.MaxSizePerMsg), &failure))
	set(C.raft_config_set_max_committed_size_per_ready(
		native, C.uint64_t(c.MaxCommittedSizePerReady), &failure))
	set(C.raft_config_set_max_uncommitted_bytes(
		native, C.uint64_t(c.MaxUncommittedEntriesSize), &failure))
	set(C.raft_config_set_max_inflight_msgs(native, C.uint32_t(c.MaxInflightMsgs), &failure))
	set(C.raft_config_set_max_inflight_bytes(native, C.uint64_t(c.MaxInflightBytes), &failure))
	set(C.raft_config_set_check_quorum(native, C.bool(c.CheckQuorum), &failure))
	set(C.raft_config_set_pre_vote(native, C.bool(c.PreVote), &failure))
	set(C.raft_config_set_read_only(native, C.raft_read_only(c.ReadOnlyOption), &failure))
	set(C.raft_config_set_disable_proposal_forwarding(
		native, C.bool(c.DisableProposalForwarding), &failure))
	set(C.raft_config_set_disable_conf_change_validation(
		native, C.bool(c.DisableConfChangeValidation), &failure))
	set(C.raft_config_set_step_down_on_removal(native, C.bool(c.StepDownOnRemoval), &failure))
	set(C.raft_config_set_peer_reports(native, C.bool(c.PeerReports), &failure))
	set(C.raft_config_set_coalesce_appends(native, C.bool(!c.EagerAppends && !eagerByDefault), &failure))
	// What Go reads of a Ready are its structs.
	set(C.raft_config_set_encode_readys(native, C.bool(encodeReadys), &failure))
	set(C.raft_config_set_record_bytes(native, C.uint64_t(c.RecordBytes), &failure))
	if c.Seed != 0 {
		set(C.raft_config_set_seed(native, C.uint64_t(c.Seed), &failure))
	}
	if c.MaxCachedBytes != 0 {
		set(C.raft_config_set_max_cached_bytes(native, C.uint64_t(c.MaxCachedBytes), &failure))
	}
	if c.MaxPendingReads != 0 {
		set(C.raft_config_set_max_pending_reads(native, C.uint32_t(c.MaxPendingReads), &failure))
	}
	if _, ok := c.Storage.(*DurableStorage); ok && c.Applied != 0 {
		confState, failed := proto.Marshal(c.AppliedConfState)
		if failed != nil {
			C.raft_config_free(native)
			return nil, failed
		}
		data, length := view(confState)
		set(C.raft_config_set_applied(native, C.uint64_t(c.Applied), data, length, &failure))
	}
	if err != nil {
		C.raft_config_free(native)
		return nil, err
	}
	return native, nil
}

// view is what a C function takes as bytes. They stay where they are for the time of the call. A
// slice that is nil becomes NULL and an empty one does not, which matters where data is proposed.
func view(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes))), C.size_t(len(bytes))
}
