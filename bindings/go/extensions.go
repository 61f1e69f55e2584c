// What a node can do that go.etcd.io/raft has not. All of it is off unless it is asked for. Extender
// has the same for a Node.

package raft

import "unsafe"

// #include "libraft.h"
import "C"

// CommitGroup is a member's ID and the Group that it belongs to, numbered from 1.
type CommitGroup struct {
	ID, Group uint64
}

// SetPriority sets Config.Priority from now on.
func (rn *RawNode) SetPriority(priority int64) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_set_priority(node, C.int64_t(priority), failure)
	})
}

// RequestSnapshot asks the leader for a snapshot in place of what this node has applied, although
// its log is fine: for a host whose state machine is damaged. It comes as Ready.Snapshot, at this
// node's last index or later, and until then the node takes no entries. The leader's storage is
// asked with each heartbeat for as long as it has none that is new enough. A change of the leader
// ends the request, and so does a leader that goes on sending entries for ElectionTick ticks, as
// those of go.etcd.io/raft do, since they don't know of it.
//
// The error is one with CodeSnapDropped if no snapshot will come.
func (rn *RawNode) RequestSnapshot() error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_request_snapshot(node, failure)
	})
}

// SetInflightLimits bounds the appends and the bytes of payload in flight to one member from now
// on, in place of Config.MaxInflightMsgs and Config.MaxInflightBytes; 0 bytes are no limit. What is
// on its way already counts: a window that becomes too small for it is full until that has
// arrived.
func (rn *RawNode) SetInflightLimits(id uint64, maxMsgs uint32, maxBytes uint64) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_set_inflight_limits(
			node, C.uint64_t(id), C.uint32_t(maxMsgs), C.uint64_t(maxBytes), failure)
	})
}

// SetMaxApplyUnpersistedEntries sets Config.MaxApplyUnpersistedEntries from now on.
//
// Entries that are handed out so are committed, and safe with others, but a crash may leave this
// node's state machine ahead of its log. A state machine that is durable on its own has to know up
// to where it has applied. After such a crash, Config.Applied is the log's last index, and the host
// passes over the entries that come back and that its state machine has already. Configuration
// changes never run ahead. Nor may the log be compacted beyond what is saved.
func (rn *RawNode) SetMaxApplyUnpersistedEntries(entries uint64) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_set_max_apply_unpersisted_entries(node, C.uint64_t(entries), failure)
	})
}

// EnableGroupCommit lets this node commit, when it leads, only what members of two commit groups
// have, besides a majority: AssignCommitGroups says who belongs where. While it knows of only one
// group or none, and of a voter that has none, only what all voters have; with all of them in one
// group, a majority is enough. Off at first, and kept in memory only.
func (rn *RawNode) EnableGroupCommit(enable bool) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_enable_group_commit(node, C.bool(enable), failure)
	})
}

// AssignCommitGroups puts members into commit groups; others stay where they are. A member or a
// group 0 is an error, and nothing has changed then.
func (rn *RawNode) AssignCommitGroups(groups []CommitGroup) error {
	native := make([]C.raft_commit_group, len(groups))
	for i, of := range groups {
		native[i] = C.raft_commit_group{id: C.uint64_t(of.ID), group: C.uint64_t(of.Group)}
	}
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_assign_commit_groups(
			node, unsafe.SliceData(native), C.size_t(len(native)), failure)
	})
}

// ClearCommitGroups takes all members out of their commit groups.
func (rn *RawNode) ClearCommitGroups() error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_clear_commit_groups(node, failure)
	})
}

// GroupCommitConsistent says whether everything that is committed has reached two commit groups.
// It is not known to a node that does not lead, or has not applied an entry of its term yet.
func (rn *RawNode) GroupCommitConsistent() (consistent, known bool, err error) {
	var state C.raft_group_commit_state
	err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_group_commit_state(node, &state, failure)
	})
	return state == C.RAFT_GROUP_COMMIT_CONSISTENT, state != C.RAFT_GROUP_COMMIT_UNKNOWN, err
}
