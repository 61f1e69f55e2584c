//go:build !cgo

package raft

// All of the library is called through cgo: CGO_ENABLED=1, and a C compiler that CC names.
type _ = libraft_needs_cgo__set_CGO_ENABLED_to_1_and_install_a_C_compiler
