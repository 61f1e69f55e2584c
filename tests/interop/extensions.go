// What our nodes can do that those of etcd-io/raft don't know: they must not be disturbed by it.

package main

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"libraft.dev/tests/interop/member"
)

// The fields of a message that are ours, by their numbers.
var ourFields = map[protowire.Number]string{
	100: "a priority", 101: "a request for a snapshot", 102: "a claim to reports",
}

// extend uses one of them on one of our servers.
func (c *cluster) extend() error {
	s := c.someServer(func(s *server) bool { return s.impl.isOurs() })
	if s == nil || !c.extended {
		return nil
	}
	request := &member.Request{Op: member.RequestSnapshot}
	switch c.rng.IntN(8) {
	case 0:
		request = &member.Request{Op: member.SetPriority, A: uint64(c.rng.IntN(3))}
	case 1:
		request = &member.Request{Op: member.GroupCommit}
		for id := range uint64(maxServers) {
			request.Numbers = append(request.Numbers, id+1)
		}
	}
	response, err := c.call(s, request)
	if err == nil && response.Code == member.OK && request.Op == member.RequestSnapshot {
		c.note("%d asks for a snapshot", s.id)
		s.requested = max(s.applied, 1)
	}
	return c.andWork(s, err)
}

// seeExtensions counts what goes to whom, and says whether a snapshot is asked for.
func (c *cluster) seeExtensions(s *server, m *pb.Message) (asks bool) {
	to := c.server(m.GetTo())
	if to == nil || !s.impl.isOurs() {
		return false
	}
	if m.GetType() > pb.MsgForgetLeader {
		c.seen.extensions[fmt.Sprintf("message type %d", m.GetType())]++
	}
	for unknown := m.ProtoReflect().GetUnknown(); len(unknown) > 0; {
		number, _, length := protowire.ConsumeField(unknown)
		if length < 0 {
			return asks
		}
		asks = asks || number == 101
		if name, ok := ourFields[number]; ok {
			c.seen.extensions[fmt.Sprintf("%s to %v", name, to.impl)]++
		}
		unknown = unknown[length:]
	}
	return asks
}
