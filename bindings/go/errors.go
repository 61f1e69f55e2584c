// What can go wrong, and how the library's status codes become Go errors.

package raft

import (
	"errors"
	"fmt"
)

// #include "libraft.h"
import "C"

// The errors of go.etcd.io/raft. They are returned as they are, so that both == and errors.Is
// find them.
var (
	// ErrCompacted says that a Storage no longer has what was asked for.
	ErrCompacted = errors.New("raft: the requested index has been compacted")
	// ErrSnapOutOfDate says that a Storage has a snapshot that is at least as new.
	ErrSnapOutOfDate = errors.New("raft: the storage has a newer snapshot")
	// ErrUnavailable says that a Storage does not have the entries that were asked for.
	ErrUnavailable = errors.New("raft: the requested entry is not available")
	// ErrSnapshotTemporarilyUnavailable says that a Storage needs time to prepare a snapshot. The
	// node asks again.
	ErrSnapshotTemporarilyUnavailable = errors.New("raft: the snapshot is not available yet")
	// ErrProposalDropped says that a proposal was not taken and may be proposed again;
	// [RawNode.DropReason] says why.
	ErrProposalDropped = errors.New("raft: the proposal was dropped")
	// ErrStepLocalMsg says that a message is of a kind that never travels.
	ErrStepLocalMsg = errors.New("raft: a local message can't come from a peer")
	// ErrStepPeerNotFound says that a response came from a node that is no member.
	ErrStepPeerNotFound = errors.New("raft: a response from a node that is no member")
	// ErrStopped says that the node has stopped.
	ErrStopped = errors.New("raft: the node has stopped")
)

// ErrClosed says that the node or the storage has been closed. It is not known to
// go.etcd.io/raft.
var ErrClosed = errors.New("raft: closed")

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
	CodeMalformed    Code = C.RAFT_ERR_MALFORMED
	CodeImpossible   Code = C.RAFT_ERR_IMPOSSIBLE
	CodeLocalMessage Code = C.RAFT_ERR_LOCAL_MESSAGE
	CodeUnknownPeer  Code = C.RAFT_ERR_UNKNOWN_PEER
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
	Code    Code
	Message string
}

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
