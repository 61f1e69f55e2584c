//go:build libraft

package main

import raft "libraft.dev/go/raft"

const library = "libraft-go"

type (
	rawNode       = raft.RawNode
	raftConfig    = raft.Config
	memoryStorage = raft.MemoryStorage
)

var (
	newRawNode       = raft.NewRawNode
	newMemoryStorage = raft.NewMemoryStorage
)

const stateLeader = raft.StateLeader

// proposeMany passes a batch of commands in one call.
func (r *replica) proposeMany(data [][]byte) error {
	return r.node.ProposeMany(data)
}

// One for all nodes, as a host's thread has it: what a Ready says to others is passed on before the next is taken.
var buffer raft.ReadyBuffer

func (r *replica) ready() raft.Ready { return r.node.ReadyInto(&buffer) }

func role(node *rawNode) raft.StateType { return node.BasicStatus().RaftState }

var discard = &raft.DefaultLogger{Logger: silent}
