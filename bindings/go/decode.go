// What the library decodes, so that all nodes of a cluster take and refuse the same: configuration
// changes in committed entries, and messages from peers.

package raft

import (
	"unsafe"

	pb "go.etcd.io/raft/v3/raftpb"
)

// #include "libraft.h"
//
// // The views in a decoded message point into the input, which is memory of Go, and so must not be
// // written into memory of Go.
// static raft_status check_message(const uint8_t *data, size_t len, raft_error **error) {
// 	raft_message message;
// 	return raft_message_decode(data, len, &message, error);
// }
import "C"

// DecodeConfChange decodes the data of an entry of type EntryConfChange, to a *pb.ConfChange, or
// EntryConfChangeV2, to a *pb.ConfChangeV2. What it takes is what every node takes, whatever
// language its host is written in, while proto.Unmarshal also takes types of change that nobody
// knows. An [Error] with CodeMalformed, or CodeArgument for another type of entry.
func DecodeConfChange(entry *pb.Entry) (pb.ConfChangeI, error) {
	var decoded *C.raft_conf_change
	var failure *C.raft_error
	data, length := view(entry.GetData())
	status := C.raft_conf_change_decode(
		C.raft_entry_type(entry.GetType()), data, length, &decoded, &failure)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	defer C.raft_conf_change_free(decoded)
	context := copyBytes(decoded.context)
	changes := unsafe.Slice(decoded.changes, int(decoded.changes_len))
	if entry.GetType() == pb.EntryConfChange {
		return &pb.ConfChange{
			Id:      new(uint64(decoded.id)),
			Type:    pb.ConfChangeType(changes[0]._type).Enum(),
			NodeId:  new(uint64(changes[0].node_id)),
			Context: context,
		}, nil
	}
	result := &pb.ConfChangeV2{
		Transition: pb.ConfChangeTransition(decoded.transition).Enum(),
		Context:    context,
	}
	for _, change := range changes {
		result.Changes = append(result.Changes, &pb.ConfChangeSingle{
			Type:   pb.ConfChangeType(change._type).Enum(),
			NodeId: new(uint64(change.node_id)),
		})
	}
	return result, nil
}

// DecodeMessage decodes a message as it came from a peer, for a transport that wants to look at it
// before it hands it to [RawNode.StepEncoded]. The result does not share memory with its input.
// ErrStepLocalMsg for a kind of message that never travels, an [Error] with CodeMalformed or
// CodeImpossible for what no node can take.
func DecodeMessage(encoded []byte) (*pb.Message, error) {
	var failure *C.raft_error
	data, length := view(encoded)
	status := C.check_message(data, length, &failure)
	if err := takeError(status, failure); err != nil {
		return nil, err
	}
	message, err := decodeMessage(encoded)
	if err != nil {
		return nil, err
	}
	if IsLocalMsg(message.GetType()) {
		return nil, ErrStepLocalMsg
	}
	return message, nil
}
