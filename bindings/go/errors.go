// What can go wrong, and how the library's status codes become Go errors.

package raft

import (
	"errors"
	"fmt"
	"slices"
)

// #include "libraft.h"
import "C"

// The errors of go.etcd.io/raft, with its texts. They are returned as they are, so that both == and
// errors.Is find them; and errors.Is finds the value of that package in them as well:
//
//	errors.Is(err, raft.ErrProposalDropped) // whichever of the two raft is
var (
	// ErrCompacted says that a Storage no longer has what was asked for.
	ErrCompacted error = &known{"requested index is unavailable due to compaction"}
	// ErrSnapOutOfDate says that a Storage has a snapshot that is at least as new.
	ErrSnapOutOfDate error = &known{"requested index is older than the existing snapshot"}
	// ErrUnavailable says that a Storage does not have the entries that were asked for.
	ErrUnavailable error = &known{"requested entry at index is unavailable"}
	// ErrSnapshotTemporarilyUnavailable says that a Storage needs time to prepare a snapshot. The
	// node asks again.
	ErrSnapshotTemporarilyUnavailable error = &known{"snapshot is temporarily unavailable"}
	// ErrProposalDropped says that a proposal was not taken and may be proposed again;
	// [RawNode.DropReason] says why.
	ErrProposalDropped error = &known{"raft proposal dropped"}
	// ErrStepLocalMsg says that a message is of a kind that never travels.
	ErrStepLocalMsg error = &known{"raft: cannot step raft local message"}
	// ErrStepPeerNotFound says that a response came from a node that is no member.
	ErrStepPeerNotFound error = &known{"raft: cannot step as peer not found"}
	// ErrStopped says that the node has stopped.
	ErrStopped error = &known{"raft: stopped"}
)

// ErrClosed says that the node or the storage has been closed. It is not known to
// go.etcd.io/raft.
var ErrClosed error = &known{"raft: closed"}

// known is the kind of the Err values.
type known struct{ text string }

// Error is the text.
func (k *known) Error() string { return k.text }

// Is makes errors.Is find the value of go.etcd.io/raft, which this package does not import, by its
// text, which no other error has.
func (k *known) Is(target error) bool { return target != nil && target.Error() == k.text }

// says tells whether a Storage means this Err value. A Storage that was written for go.etcd.io/raft
// may return the value of that package, which is another one with the same text, and which this
// package does not import: where errors.Is does not find ours, the texts decide, of the error and
// of those that it wraps.
func says(err, value error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, value) || err.Error() == value.Error() {
		return true
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		return says(err.Unwrap(), value)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(err.Unwrap(), func(err error) bool { return says(err, value) })
	}
	return false
}

// Code is the number of a failure in libraft's C interface, RAFT_ERR_.. in libraft.h.
type Code int32

// The codes that a caller may want to tell apart. There are more, and later versions may add some.
const (
	CodeArgument     Code = C.RAFT_ERR_ARGUMENT
	CodeConfig       Code = C.RAFT_ERR_CONFIG
	CodeMisuse       Code = C.RAFT_ERR_MISUSE
	CodeDropped      Code = C.RAFT_ERR_DROPPED
	CodeReadDropped  Code = C.RAFT_ERR_READ_DROPPED
	CodeConfChange   Code = C.RAFT_ERR_CONF_CHANGE
	CodeWrongAnswer  Code = C.RAFT_ERR_WRONG_ANSWER
	CodeRestartState Code = C.RAFT_ERR_RESTART_STATE
	CodeSnapDropped  Code = C.RAFT_ERR_SNAPSHOT_REQUEST_DROPPED
	CodeMalformed    Code = C.RAFT_ERR_MALFORMED
	CodeImpossible   Code = C.RAFT_ERR_IMPOSSIBLE
	CodeLocalMessage Code = C.RAFT_ERR_LOCAL_MESSAGE
	CodeUnknownPeer  Code = C.RAFT_ERR_UNKNOWN_PEER
	CodeRecording    Code = C.RAFT_ERR_RECORDING
	CodePoisoned     Code = C.RAFT_ERR_POISONED
	CodePanic        Code = C.RAFT_ERR_PANIC
	CodeCompacted    Code = C.RAFT_ERR_COMPACTED
	CodeUnavailable  Code = C.RAFT_ERR_UNAVAILABLE
	CodeSnapOutdated Code = C.RAFT_ERR_SNAPSHOT_OUT_OF_DATE
	CodeLocked       Code = C.RAFT_ERR_LOCKED
	CodeCorrupt      Code = C.RAFT_ERR_CORRUPT
	CodeIO           Code = C.RAFT_ERR_IO
)

// String is the name of the code in libraft.h.
func (c Code) String() string {
	return C.GoString(C.raft_status_name(C.raft_status(c)))
}

// Error is a failure that has no Err value of its own.
type Error struct {
	// Code is what a program can act on.
	Code Code
	// Message is for people: what is wrong with which value, and what to do about it.
	Message string
}

// Error is the message, and the name of the code.
func (e *Error) Error() string {
	return fmt.Sprintf("raft: %s (%s)", e.Message, e.Code)
}

// Is makes errors.Is(err, &Error{Code: code}) true for every error with that code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && (other.Message == "" || other.Message == e.Message)
}

// DropReason says why a proposal or a read was dropped.
type DropReason int32

// The reasons. Later versions may add some.
const (
	// DropNone: nothing was dropped.
	DropNone DropReason = C.RAFT_DROP_NONE
	// DropNoLeader: no leader is known to this node.
	DropNoLeader DropReason = C.RAFT_DROP_NO_LEADER
	// DropForwardingDisabled: this node follows, and Config.DisableProposalForwarding is set.
	DropForwardingDisabled DropReason = C.RAFT_DROP_FORWARDING_DISABLED
	// DropRemoved: this node leads, but has been removed from the configuration.
	DropRemoved DropReason = C.RAFT_DROP_REMOVED
	// DropTransferring: leadership is being transferred.
	DropTransferring DropReason = C.RAFT_DROP_TRANSFERRING
	// DropUncommittedLimit: more than Config.MaxUncommittedEntriesSize is uncommitted.
	DropUncommittedLimit DropReason = C.RAFT_DROP_UNCOMMITTED_LIMIT
	// DropTooManyReads: more than Config.MaxPendingReads wait.
	DropTooManyReads DropReason = C.RAFT_DROP_TOO_MANY_READS
	// DropConfChangePending: another configuration change is in the log and not applied.
	DropConfChangePending DropReason = C.RAFT_DROP_CONF_CHANGE_PENDING
	// DropAlreadyJoint: the configuration is joint, and must be left first.
	DropAlreadyJoint DropReason = C.RAFT_DROP_ALREADY_JOINT
	// DropNotJoint: there is no joint configuration to leave.
	DropNotJoint DropReason = C.RAFT_DROP_NOT_JOINT
	// DropLeaderChanged: the leadership that it was sent to has ended.
	DropLeaderChanged DropReason = C.RAFT_DROP_LEADER_CHANGED
	// DropOther: a reason without a number of its own.
	DropOther DropReason = C.RAFT_DROP_OTHER
)

var dropReasons = map[DropReason]string{
	DropNone:               "not dropped",
	DropNoLeader:           "no leader",
	DropForwardingDisabled: "forwarding is disabled",
	DropRemoved:            "removed from the configuration",
	DropTransferring:       "leadership is being transferred",
	DropUncommittedLimit:   "too many uncommitted bytes",
	DropTooManyReads:       "too many pending reads",
	DropConfChangePending:  "a configuration change is not applied yet",
	DropAlreadyJoint:       "the configuration is joint already",
	DropNotJoint:           "the configuration is not joint",
	DropLeaderChanged:      "the leader has changed",
}

// String says it in words.
func (r DropReason) String() string {
	if words, ok := dropReasons[r]; ok {
		return words
	}
	return "another reason"
}

// takeError turns the outcome of a call into a Go error, and frees the library's.
func takeError(status C.raft_status, failure *C.raft_error) error {
	if status == C.RAFT_OK {
		return nil
	}
	defer C.raft_error_free(failure)
	switch status {
	case C.RAFT_ERR_DROPPED:
		return ErrProposalDropped
	case C.RAFT_ERR_LOCAL_MESSAGE:
		return ErrStepLocalMsg
	case C.RAFT_ERR_UNKNOWN_PEER:
		return ErrStepPeerNotFound
	case C.RAFT_ERR_COMPACTED:
		return ErrCompacted
	case C.RAFT_ERR_UNAVAILABLE:
		return ErrUnavailable
	case C.RAFT_ERR_SNAPSHOT_OUT_OF_DATE:
		return ErrSnapOutOfDate
	}
	return &Error{Code: Code(status), Message: C.GoString(C.raft_error_message(failure))}
}
