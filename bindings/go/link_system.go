//go:build libraft_system

// With `-tags libraft_system` the program uses the libraft that is installed on the machine.

package raft

// #cgo pkg-config: libraft
import "C"
