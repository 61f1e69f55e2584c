// What has to be known of etcd-io/raft's node and no exported name tells: the randomized election
// timeout, which has to be the same on both sides, and what the exceptions are about.

package main

import (
	"fmt"
	"reflect"
	"unsafe"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// inside points to fields of one upstream node, which live as long as it does.
type inside struct {
	raft             unsafe.Pointer
	electionTimeout  *int
	tracker          *tracker.ProgressTracker
	unstableSnapshot **pb.Snapshot
	readOnly         *unsafe.Pointer
	postponedReads   *[]*pb.Message
	pendingConfIndex *uint64
}

// Where the fields are. Found by their names, so that another release of the library either works
// or is refused when the program starts.
var offsets = findOffsets()

type fieldOffsets struct {
	raft, electionTimeout, tracker, log, unstable, snapshot, readOnly, postponedReads,
	unconfirmedReads, inflightBytes, pendingConfIndex uintptr
}

func findOffsets() (o fieldOffsets) {
	raft := reflect.TypeFor[*upstream.RawNode]().Elem()
	find := func(owner reflect.Type, name string, kind reflect.Kind) (uintptr, reflect.Type) {
		field, ok := owner.FieldByName(name)
		if !ok || field.Type.Kind() != kind {
			panic(fmt.Sprintf("%v has no field %s of kind %v", owner, name, kind))
		}
		if kind == reflect.Pointer {
			return field.Offset, field.Type.Elem()
		}
		return field.Offset, field.Type
	}
	var log, unstable, readOnly reflect.Type
	o.raft, raft = find(raft, "raft", reflect.Pointer)
	o.electionTimeout, _ = find(raft, "randomizedElectionTimeout", reflect.Int)
	o.tracker, _ = find(raft, "trk", reflect.Struct)
	o.pendingConfIndex, _ = find(raft, "pendingConfIndex", reflect.Uint64)
	o.postponedReads, _ = find(raft, "pendingReadIndexMessages", reflect.Slice)
	o.readOnly, readOnly = find(raft, "readOnly", reflect.Pointer)
	o.unconfirmedReads, _ = find(readOnly, "unconfirmedReads", reflect.Slice)
	o.log, log = find(raft, "raftLog", reflect.Pointer)
	o.unstable, unstable = find(log, "unstable", reflect.Struct)
	o.snapshot, _ = find(unstable, "snapshot", reflect.Pointer)
	o.inflightBytes, _ = find(reflect.TypeFor[tracker.Inflights](), "bytes", reflect.Uint64)
	return o
}

func look(node *upstream.RawNode) inside {
	// SAFETY: each offset is that of a field of the type that is read through it, as findOffsets
	// has made sure by name and kind; the objects are reachable from the node, and none of the
	// pointers among them that are followed here is ever assigned anew.
	raft := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(node), offsets.raft))
	log := *(*unsafe.Pointer)(unsafe.Add(raft, offsets.log))
	return inside{
		raft:            raft,
		electionTimeout: (*int)(unsafe.Add(raft, offsets.electionTimeout)),
		tracker:         (*tracker.ProgressTracker)(unsafe.Add(raft, offsets.tracker)),
		unstableSnapshot: (**pb.Snapshot)(
			unsafe.Add(log, offsets.unstable+offsets.snapshot)),
		postponedReads:   (*[]*pb.Message)(unsafe.Add(raft, offsets.postponedReads)),
		pendingConfIndex: (*uint64)(unsafe.Add(raft, offsets.pendingConfIndex)),
		readOnly:         (*unsafe.Pointer)(unsafe.Add(raft, offsets.readOnly)),
	}
}

// unconfirmedReads is how many reads of the leader wait for heartbeats.
func (in inside) unconfirmedReads() int {
	// SAFETY: a slice of pointers, whatever they point to, has the layout of this one; only its
	// length is looked at. The queue is made anew with each term, so that it is found anew here.
	return len(*(*[]unsafe.Pointer)(unsafe.Add(*in.readOnly, offsets.unconfirmedReads)))
}

// hasCommittedInTerm is the upstream node's own word on that.
func (in inside) hasCommittedInTerm() bool {
	return committedEntryInCurrentTerm(in.raft)
}

func inflightBytes(in *tracker.Inflights) uint64 {
	// SAFETY: as in look.
	return *(*uint64)(unsafe.Add(unsafe.Pointer(in), offsets.inflightBytes))
}

//go:linkname committedEntryInCurrentTerm go.etcd.io/raft/v3.(*raft).committedEntryInCurrentTerm
func committedEntryInCurrentTerm(raft unsafe.Pointer) bool

// upstreamPanic is how an upstream node ended a call.
type upstreamPanic struct {
	text string
}

// try calls upstream, and catches its panics.
func try(call func()) (panicked *upstreamPanic) {
	defer func() {
		if reason := recover(); reason != nil {
			panicked = &upstreamPanic{fmt.Sprint(reason)}
		}
	}()
	call()
	return nil
}

// quiet is a logger for both libraries that says nothing, and panics where it has to.
type quiet struct{}

func (quiet) Debug(...any)                   {}
func (quiet) Debugf(string, ...any)          {}
func (quiet) Error(...any)                   {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Info(...any)                    {}
func (quiet) Infof(string, ...any)           {}
func (quiet) Warning(...any)                 {}
func (quiet) Warningf(string, ...any)        {}
func (quiet) Fatal(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
func (quiet) Panic(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
