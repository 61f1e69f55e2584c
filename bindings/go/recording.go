// Recordings: every call that was made on a node, to be made again elsewhere with the same outcome.
// What is in them, and why one begins with its node, is told in core/src/recording; the library alone
// reads and writes them.

package raft

import (
	"context"
	"encoding/binary"
	"runtime"
	"unsafe"
)

// #include "libraft.h"
import "C"

// RecordingState is how the recording of a node stands.
type RecordingState int32

const (
	// RecordingOff: the node records nothing.
	RecordingOff RecordingState = C.RAFT_RECORDING_OFF
	// RecordingOn: every call is recorded.
	RecordingOn RecordingState = C.RAFT_RECORDING_ON
	// RecordingStopped: RecordStop has ended it.
	RecordingStopped RecordingState = C.RAFT_RECORDING_STOPPED
	// RecordingFull: it has ended because too many bytes were not taken.
	RecordingFull RecordingState = C.RAFT_RECORDING_FULL
	// RecordingUnencodable: it has ended because a call was made with a value that can't be written
	// down.
	RecordingUnencodable RecordingState = C.RAFT_RECORDING_UNENCODABLE
)

// Recorder has what a Node does with its recording, see Config.RecordBytes. What [StartNode] and
// [RestartNode] return has it:
//
//	part, err := node.(raft.Recorder).RecordTake(ctx)
//
// Each method does what that of [RawNode] does, and waits until it has been done.
type Recorder interface {
	// RecordState is [RawNode.RecordState]. ErrStopped if the node has stopped.
	RecordState(ctx context.Context) (state RecordingState, waiting uint64, err error)
	// RecordTake is [RawNode.RecordTake]. From a node that has stopped it gives what is left.
	RecordTake(ctx context.Context) ([]byte, error)
	// RecordNote is [RawNode.RecordNote]. ErrStopped if the node has stopped.
	RecordNote(ctx context.Context, text string) error
	// RecordStop is [RawNode.RecordStop]. ErrStopped if the node has stopped.
	RecordStop(ctx context.Context) error
}

var _ Recorder = (*node)(nil)

// RecordState says how the recording of this node stands, and how many bytes of it wait to be
// taken.
func (rn *RawNode) RecordState() (state RecordingState, waiting uint64, err error) {
	var number C.raft_recording_state
	var bytes C.uint64_t
	err = rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_record_state(node, &number, &bytes, failure)
	})
	return RecordingState(number), uint64(bytes), err
}

// RecordTake hands over what was recorded since the last time. What it has returned for a node, one
// part after the other, is one recording, which may end behind any of them. It works on a node that
// has failed, too, and once more after Close.
func (rn *RawNode) RecordTake() ([]byte, error) {
	if rn.native == nil {
		left := rn.recording
		rn.recording = nil
		return left, nil
	}
	if rn.advancing {
		// A failure of that is in the recording.
		_ = rn.ask()
	}
	// Not by way of call, which refuses a node that has failed.
	var buffer *C.raft_buffer
	var failure *C.raft_error
	status := C.raft_node_record_take(rn.native, &buffer, &failure)
	runtime.KeepAlive(rn)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	defer C.raft_buffer_free(buffer)
	return copyBytes(C.raft_buffer_bytes(buffer)), nil
}

// keepRecording keeps what was not taken from a node that is about to be freed.
func (rn *RawNode) keepRecording() {
	// It fails only if another goroutine is using the node that is being closed.
	if left, err := rn.RecordTake(); err == nil {
		rn.recording = left
	}
}

// RecordNote puts a text, in UTF-8, into the recording, for who reads it: "here the disk was full".
// If nothing is recorded, nothing happens.
func (rn *RawNode) RecordNote(text string) error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		data := (*C.uint8_t)(unsafe.Pointer(unsafe.StringData(text)))
		return C.raft_node_record_note(node, data, C.size_t(len(text)), failure)
	})
}

// RecordStop ends the recording of this node for good; what was not taken can still be.
func (rn *RawNode) RecordStop() error {
	return rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_record_stop(node, failure)
	})
}

func (n *node) RecordState(ctx context.Context) (state RecordingState, waiting uint64, err error) {
	err = n.ask(ctx, func() error {
		state, waiting, err = n.raw.RecordState()
		return err
	})
	return state, waiting, err
}

func (n *node) RecordTake(ctx context.Context) ([]byte, error) {
	type result struct {
		part []byte
		err  error
	}
	results := make(chan result, 1)
	switch err := n.call(ctx, func() {
		part, err := n.raw.RecordTake()
		results <- result{part, err}
	}); err {
	case nil:
		taken := <-results
		return taken.part, taken.err
	case ErrStopped:
		// Nobody else has the node now, but for others who ask the same.
		n.leftMutex.Lock()
		defer n.leftMutex.Unlock()
		return n.raw.RecordTake()
	default:
		return nil, err
	}
}

func (n *node) RecordNote(ctx context.Context, text string) error {
	return n.ask(ctx, func() error { return n.raw.RecordNote(text) })
}

func (n *node) RecordStop(ctx context.Context) error {
	return n.ask(ctx, func() error { return n.raw.RecordStop() })
}

// ReplayReport is what came of a replay.
type ReplayReport struct {
	// Calls is how many calls were made.
	Calls uint64
	// ReadyCount is how many Readys the recorded node has shown.
	ReadyCount uint64
	// DiffersAt is the first call, counted from 1, that has not done what it did when it was
	// recorded; 0 if all have. With the same version of the library that is a defect.
	DiffersAt uint64
	// Recorded is what that call returned when it was recorded, CodePanic if it did not return, and
	// Replayed what it has returned now. If they are the same, what it gave is another.
	Recorded, Replayed Code
	// End is why the recording ends; RecordingOn if it was just taken there.
	End RecordingState
	// Readys are those that the recorded node has shown, each as libraft.Ready in protobuf.
	Readys [][]byte
}

// Replay makes all calls of a recording once more, on a node of its own. It keeps the Readys if they
// take no more than maxReadyBytes in all, and fails with CodeArgument if they do; with 0 it keeps
// none. A replay that does not do the same is no error: the report tells. The error is one with
// CodeRecording if the recording is damaged, cut off, of another version, or none, and one with
// CodePanic if a call panics, as it may have done when it was recorded.
func Replay(recording []byte, maxReadyBytes uint64) (*ReplayReport, error) {
	var readys *C.raft_buffer
	var failure *C.raft_error
	report := C.raft_replay_report{size: C.sizeof_raft_replay_report}
	data, length := view(recording)
	status := C.raft_replay(data, length, C.uint64_t(maxReadyBytes), &readys, &report, &failure)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	defer C.raft_buffer_free(readys)
	framed := copyBytes(C.raft_buffer_bytes(readys))
	list := [][]byte{}
	for len(framed) > 0 {
		size, prefix := binary.Uvarint(framed)
		end := prefix + int(size)
		list = append(list, framed[prefix:end:end])
		framed = framed[end:]
	}
	return &ReplayReport{
		Calls:      uint64(report.calls),
		ReadyCount: uint64(report.readys),
		DiffersAt:  uint64(report.differs_at),
		Recorded:   Code(report.recorded_status),
		Replayed:   Code(report.replayed_status),
		End:        RecordingState(report.end),
		Readys:     list,
	}, nil
}
