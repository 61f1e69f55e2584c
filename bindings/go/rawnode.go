// RawNode: one member of one Raft group, driven by its host.

package raft

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "calls.h"
//
// // A short payload need not be on Go's heap. The others do without: there is nothing of Go's in their
// // arguments that would be allocated for them, and noescape takes nocallback, which is a check of 3 ns.
// #cgo noescape go_propose
// #cgo nocallback go_propose
// #cgo noescape raft_node_get_status
// #cgo nocallback raft_node_get_status
import "C"

// RawNode is one member of one Raft group. It does nothing by itself: the host passes in ticks,
// messages and proposals, takes a [Ready] whenever [RawNode.HasReady] says so, does what that asks
// for, and calls [RawNode.Advance].
//
// It is for one goroutine at a time. What a Ready holds may be used by others meanwhile.
type RawNode struct {
	// What came with the last Ready.
	events  []Event
	dropped []Dropped

	native *C.raft_node
	free   runtime.Cleanup
	// The last Ready, as the library has it until the next one.
	view *C.raft_ready
	// The same, for a storage of the library's that is asked to save it.
	loan *loan

	id           uint64
	asyncWrites  bool
	maxInflight  int
	maxInflBytes uint64
	logger       Logger

	// Where the node's requests are answered from; nil if the library does that by itself.
	storage Storage
	// What the core has last been told of the storage's compaction.
	firstIndex uint64

	// What the Storage has given to be applied, as far as it has not been handed out; and up to where
	// entries have been handed out.
	readEntries entryRun
	handedOut   uint64
	// What the host has been given to save, and will be given to apply; and what it will be if a
	// Ready that it is offered is taken.
	known, offered *knownEntries
	// What came in and may be given to be saved.
	stepped steppedEntries
	singles singleLists

	// What there is to do, if that is known (looked). Any call may change it.
	looked  bool
	pending C.uint64_t
	// Whether that is known of when the host will have advanced, too.
	rests bool
	// Whether the library has yet to be told that the host has advanced: the next call on the node does
	// that first, so that it sees every call in its order. One crossing less for most Readys.
	advancing bool
	// Whether the host has a Ready from which it may advance.
	mayAdvance bool
	// Why the node has stopped, if it has.
	err        error
	dropReason DropReason
	scratch    []byte
	numbers    C.go_numbers
	// What was not taken of the recording when the node was closed.
	recording []byte
}

// NewRawNode makes a node that goes on from what is in config.Storage. The members of a new group
// come from the stored configuration, or from [RawNode.Bootstrap]; a node without members waits
// until a leader's messages bring it up.
func NewRawNode(config *Config) (*RawNode, error) {
	settings, err := config.native()
	if err != nil {
		return nil, err
	}
	defer C.raft_config_free(settings)

	rn := &RawNode{
		id:           config.ID,
		asyncWrites:  config.AsyncStorageWrites,
		maxInflight:  config.MaxInflightMsgs,
		maxInflBytes: config.MaxInflightBytes,
		logger:       config.Logger,
		known:        &knownEntries{},
		offered:      &knownEntries{},
	}
	if rn.logger == nil {
		rn.logger = getLogger()
	}
	var failure *C.raft_error
	var status C.raft_status
	durable, _ := config.Storage.(*DurableStorage)
	if durable != nil {
		durable.mutex.RLock()
		defer durable.mutex.RUnlock()
		if durable.native == nil {
			return nil, ErrClosed
		}
		status = C.raft_node_new(settings, durable.native, &rn.native, &failure)
	} else {
		state, err := readRestartState(config)
		if err != nil {
			return nil, err
		}
		encoded, err := state.encode()
		if err != nil {
			return nil, err
		}
		data, length := view(encoded)
		status = C.raft_node_restart(settings, data, length, &rn.native, &failure)
		rn.storage = config.Storage
		rn.firstIndex = state.compactedIndex + 1
	}
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	rn.ownNative(durable)
	return rn, nil
}

// Close frees the node. What has not been saved is lost, as in a crash. A closed node does
// nothing and returns ErrClosed; closing it again does nothing.
func (rn *RawNode) Close() error {
	if rn.native == nil {
		return nil
	}
	rn.free.Stop()
	rn.loan.takeBack()
	rn.view = nil
	rn.keepRecording()
	C.raft_node_free(rn.native)
	rn.native = nil
	return nil
}

// Err says why the node has stopped: its Storage failed, or it found its own state to contradict
// itself. Such a node does nothing any more, and has to be made anew from its storage. nil as long
// as it works.
func (rn *RawNode) Err() error {
	if rn.native == nil && rn.err == nil {
		return ErrClosed
	}
	return rn.err
}

// DropReason says why the last proposal or read that this node was given was dropped.
func (rn *RawNode) DropReason() DropReason {
	return rn.dropReason
}

// Tick says that one unit of time has passed.
func (rn *RawNode) Tick() {
	rn.singles.release()
	err := rn.Err()
	if err == nil {
		err = rn.came(C.go_tick(rn.at(), C.bool(rn.advancing)))
	}
	if err != nil {
		rn.complain("tick", err)
	}
}

// TickQuiesced says that one unit of time has passed for a group that is known to be at rest: the
// election clock moves and nothing is sent.
func (rn *RawNode) TickQuiesced() {
	rn.tell("tick", func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_tick_quiesced(node, failure)
	})
}

// Campaign starts an election now.
func (rn *RawNode) Campaign() error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_campaign(node, failure)
	})
}

// Propose proposes data, which is copied, as one entry. That it was taken does not mean that it
// will be committed: it is when it comes back in Ready.CommittedEntries. ErrProposalDropped if it
// was not taken.
func (rn *RawNode) Propose(data []byte) error {
	if err := rn.Err(); err != nil {
		return err
	}
	start, length := view(data)
	return rn.came(C.go_propose(rn.at(), C.bool(rn.advancing), start, length))
}

// ProposeMany proposes several entries: all of them are taken, in this order, or none is.
func (rn *RawNode) ProposeMany(data [][]byte) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return withViews(data, func(list *C.raft_bytes, length C.size_t) C.raft_status {
			return C.raft_node_propose_many(node, list, length, failure)
		})
	})
}

// ProposeConfChange proposes a change of the members. When it comes back committed,
// [RawNode.ApplyConfChange] is to be called. A leader that can't take it, because another one is
// in flight, turns it into an empty entry.
func (rn *RawNode) ProposeConfChange(cc pb.ConfChangeI) error {
	kind, data, err := pb.MarshalConfChange(cc)
	if err != nil {
		return err
	}
	return rn.proposeEncodedConfChange(kind, data)
}

func (rn *RawNode) proposeEncodedConfChange(kind pb.EntryType, data []byte) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		start, length := view(data)
		return C.raft_node_propose_conf_change_encoded(
			node, C.raft_entry_type(kind), start, length, failure)
	})
}

// ApplyConfChange applies a committed change of the members, when its turn comes, and returns the
// new configuration, which belongs into snapshots. For a change that the host refuses, it is not
// called, or called with an empty node id. One that does not fit is refused and logged; the
// configuration is as before.
func (rn *RawNode) ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState {
	kind, data, err := pb.MarshalConfChange(cc)
	if err == nil {
		err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
			start, length := view(data)
			return C.raft_node_apply_conf_change(
				node, C.raft_entry_type(kind), start, length, nil, failure)
		})
	}
	if err != nil && rn.err == nil {
		rn.logger.Errorf("%x: a configuration change is refused: %v", rn.id, err)
	}
	result, err := rn.confState()
	if err != nil {
		rn.stop("the configuration can't be told", err)
	}
	return pb.EnsureConfState(result)
}

func (rn *RawNode) confState() (*pb.ConfState, error) {
	var state *C.raft_conf_state
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_conf_state(node, &state, failure)
	})
	if err != nil {
		return nil, err
	}
	defer C.raft_conf_state_free(state)
	return decodeConfState(unsafe.Slice((*byte)(state.encoded.data), int(state.encoded.len)))
}

// isMember says whether the configuration has this node, as a voter or as a learner.
func (rn *RawNode) isMember() bool {
	state, err := rn.confState()
	if err != nil {
		return false
	}
	return slices.Contains(state.GetVoters(), rn.id) ||
		slices.Contains(state.GetVotersOutgoing(), rn.id) ||
		slices.Contains(state.GetLearners(), rn.id)
}

// Step hands over a message from a peer, or from a storage worker. The entries in it are the node's
// from then on, as in go.etcd.io/raft: they may come back in Ready.Entries, and must not be changed by
// anybody. The message itself is the caller's. An error changes nothing: ErrStepLocalMsg,
// ErrStepPeerNotFound, ErrProposalDropped for a forwarded proposal, and [Error] for what no correct peer
// sends.
func (rn *RawNode) Step(m *pb.Message) error {
	var err error
	if payload, ok := numbersOf(m, &rn.numbers); !ok {
		err = rn.stepAny(m)
	} else if err = rn.Err(); err == nil {
		data, length := view(payload)
		err = rn.came(C.go_step_numbers(rn.at(), C.bool(rn.advancing), &rn.numbers, data, length))
	}
	if err == nil && len(m.Entries) > 0 && m.GetType() == pb.MsgApp {
		rn.stepped.add(m.Entries)
	}
	return err
}

// stepAny hands over a message by its bytes.
func (rn *RawNode) stepAny(m *pb.Message) error {
	encoded, err := appendMessage(rn.scratch[:0], m)
	if err != nil {
		return err
	}
	err = rn.StepEncoded(encoded)
	// Large messages are rare, and their buffer should not stay for good.
	if rn.scratch = encoded[:0]; cap(rn.scratch) > 1<<20 {
		rn.scratch = nil
	}
	return err
}

// StepEncoded does the same with a message as it came over the wire, which is copied.
func (rn *RawNode) StepEncoded(message []byte) error {
	if err := rn.Err(); err != nil {
		return err
	}
	start, length := view(message)
	return rn.came(C.go_step(rn.at(), C.bool(rn.advancing), start, length))
}

// HasReady says whether there is something to do. Whether there is may depend on what the Storage
// has, which is then read. A compaction of the Storage counts from the next HasReady or Ready on.
func (rn *RawNode) HasReady() bool {
	has, err := rn.look()
	if err != nil {
		rn.complain("has ready", err)
		return false
	}
	return has
}

func (rn *RawNode) look() (bool, error) {
	if err := rn.Err(); err != nil {
		return false, err
	}
	if err := rn.followCompaction(); err != nil {
		return false, err
	}
	if err := rn.lookOnce(); err != nil {
		return false, err
	}
	if rn.storage != nil && rn.pending&C.RAFT_PENDING_REQUESTS != 0 {
		if err := rn.answerRequests(); err != nil {
			return false, err
		}
		if err := rn.lookOnce(); err != nil {
			return false, err
		}
	}
	return rn.pending != 0, nil
}

// lookOnce asks what there is to do, unless the last call has told: most do, as it costs nothing then.
func (rn *RawNode) lookOnce() error {
	if rn.looked {
		return nil
	}
	return rn.ask()
}

// ask does what Advance has put off, and asks what there is to do.
func (rn *RawNode) ask() error {
	return rn.came(C.go_pending(rn.at(), C.bool(rn.advancing)))
}

// Ready takes the next batch of work, and reads from the Storage what the node needs for that. A
// batch may be empty. After it, and before the next one, [RawNode.Advance] is to be called. A
// node that has stopped gives an empty one.
func (rn *RawNode) Ready() Ready {
	return rn.ReadyInto(nil)
}

// Advance says that the last Ready's work is done. Not to be called with
// Config.AsyncStorageWrites.
func (rn *RawNode) Advance(_ Ready) {
	if err := rn.advance(); err != nil {
		rn.complain("advance", err)
	}
}

func (rn *RawNode) advance() error {
	if err := rn.Err(); err != nil {
		return err
	}
	if rn.asyncWrites {
		return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
			return C.raft_node_advance(node, failure)
		})
	}
	// To advance where there was no Ready is no fault.
	if rn.mayAdvance {
		rn.mayAdvance, rn.advancing = false, true
		rn.looked, rn.rests = rn.rests, false
	}
	return nil
}

// ReportUnreachable says that a message to this peer could not be delivered.
func (rn *RawNode) ReportUnreachable(id uint64) {
	rn.tell("report", func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_report_unreachable(node, C.uint64_t(id), failure)
	})
}

// ReportSnapshot says what became of a MsgSnap to this peer. Until then, nothing else is sent to
// it.
func (rn *RawNode) ReportSnapshot(id uint64, status SnapshotStatus) {
	rn.tell("report", func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_report_snapshot(
			node, C.uint64_t(id), C.raft_snapshot_status(status), failure)
	})
}

// TransferLeader asks the leader to hand its leadership to this member.
func (rn *RawNode) TransferLeader(transferee uint64) {
	rn.tell("transfer", func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_transfer_leader(node, C.uint64_t(transferee), failure)
	})
}

// ForgetLeader makes a follower forget its leader, so that it may vote for another at once. Does
// nothing with ReadOnlyLeaseBased.
func (rn *RawNode) ForgetLeader() error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_forget_leader(node, failure)
	})
}

// ReadIndex asks for a linearizable read. rctx is its name, never to be used again, not even for
// another try. The answer is a ReadState with this name in a later Ready; or it never comes, if
// the read is dropped, messages get lost or the leader changes.
func (rn *RawNode) ReadIndex(rctx []byte) {
	_ = rn.TryReadIndex(rctx)
}

// TryReadIndex does the same, and says if the read was dropped at once: an [Error] with
// CodeReadDropped, and [RawNode.DropReason] has the reason.
func (rn *RawNode) TryReadIndex(rctx []byte) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		start, length := view(rctx)
		return C.raft_node_read_index(node, start, length, failure)
	})
}

// Bootstrap starts the log of a new group with one committed entry for each first member, all of
// which have to be given the same peers. An error if there are none, or if the log is not empty.
// A log that begins at 1 never tells a later member by snapshot who these were; it is better to
// begin with a snapshot, see [DurableStorage.Bootstrap] and [MemoryStorage.ApplySnapshot].
func (rn *RawNode) Bootstrap(peers []Peer) error {
	contexts := make([][]byte, len(peers))
	for i, peer := range peers {
		contexts[i] = peer.Context
	}
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return withViews(contexts, func(list *C.raft_bytes, length C.size_t) C.raft_status {
			native := make([]C.raft_peer, len(peers))
			for i, context := range unsafe.Slice(list, len(peers)) {
				native[i] = C.raft_peer{id: C.uint64_t(peers[i].ID), context: context}
			}
			return C.raft_node_bootstrap(node, unsafe.SliceData(native), length, failure)
		})
	})
}

// SetRandomizedElectionTimeout fixes the randomized election timeout until the next change of role
// or term. For tests that need to know who campaigns first.
func (rn *RawNode) SetRandomizedElectionTimeout(ticks int) error {
	if ticks <= 0 || ticks > math.MaxInt32 {
		return &Error{Code: CodeArgument, Message: "an election timeout is at least one tick"}
	}
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_set_randomized_election_timeout(node, C.uint32_t(ticks), failure)
	})
}

// call makes a call on the node, and keeps account of what stops it for good. The calls of steady
// state have ways of their own, in calls.h.
func (rn *RawNode) call(f func(*C.raft_node, **C.raft_error) C.raft_status) error {
	if err := rn.Err(); err != nil {
		return err
	}
	if rn.advancing {
		if err := rn.ask(); err != nil {
			return err
		}
	}
	var failure *C.raft_error
	status := f(rn.native, &failure)
	runtime.KeepAlive(rn)
	rn.changed()
	return rn.outcome(status, failure)
}

// at is the node as calls.h takes it.
func (rn *RawNode) at() C.go_node {
	return C.go_node(uintptr(unsafe.Pointer(rn.native)))
}

// changed says that what there is to do may be something else.
func (rn *RawNode) changed() {
	rn.looked, rn.rests = false, false
}

// came says what has come of a call of calls.h.
func (rn *RawNode) came(outcome C.go_outcome) error {
	runtime.KeepAlive(rn)
	rn.advancing = bool(outcome.advancing)
	rn.looked, rn.rests, rn.pending = outcome.pending != C.GO_UNKNOWN, false, outcome.pending
	if outcome.status == C.RAFT_OK {
		return nil
	}
	return rn.outcome(outcome.status, outcome.error)
}

func (rn *RawNode) outcome(status C.raft_status, failure *C.raft_error) error {
	if status == C.RAFT_OK {
		return nil
	}
	if status == C.RAFT_ERR_DROPPED || status == C.RAFT_ERR_READ_DROPPED {
		rn.dropReason = DropReason(C.raft_error_drop_reason(failure))
	}
	err := takeError(status, failure)
	switch status {
	case C.RAFT_ERR_POISONED, C.RAFT_ERR_PANIC, C.RAFT_ERR_CORRUPT, C.RAFT_ERR_IO:
		return rn.stop("the node has failed", err)
	}
	return err
}

// tell makes a call that has nobody to return an error to.
func (rn *RawNode) tell(what string, f func(*C.raft_node, **C.raft_error) C.raft_status) {
	if err := rn.call(f); err != nil {
		rn.complain(what, err)
	}
}

// complain logs an error of a call that returns none. That the node has stopped has been logged.
func (rn *RawNode) complain(what string, err error) {
	if rn.err == nil && rn.native != nil {
		rn.logger.Errorf("%x: %s: %v", rn.id, what, err)
	}
}

// stop ends the node for good, and logs why.
func (rn *RawNode) stop(why string, err error) error {
	if rn.err == nil {
		rn.err = stopped(why, err)
		rn.logger.Errorf("%x: %v", rn.id, rn.err)
	}
	return rn.err
}

// stopped is the error of a node that can't go on.
func stopped(why string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrStopped, why, err)
}

// borrowed are bytes of the library's, for as long as it lends them.
func borrowed(bytes C.raft_bytes) []byte {
	return unsafe.Slice((*byte)(bytes.data), int(bytes.len))
}

// copyBytes gives nil if there are none.
func copyBytes(lent C.raft_bytes) []byte {
	return append([]byte(nil), borrowed(lent)...)
}

// withViews makes a list of views for a C function. The bytes are pinned, since the list is memory
// of Go that points to memory of Go.
func withViews(
	items [][]byte, f func(list *C.raft_bytes, length C.size_t) C.raft_status,
) C.raft_status {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	views := make([]C.raft_bytes, len(items))
	for i, item := range items {
		if item != nil {
			pinner.Pin(unsafe.SliceData(item))
		}
		views[i].data, views[i].len = view(item)
	}
	return f(unsafe.SliceData(views), C.size_t(len(views)))
}
