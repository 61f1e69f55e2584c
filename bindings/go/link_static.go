//go:build !libraft_system

// How the library gets into the program: by default libraft.a becomes part of it, so that nothing
// has to be installed where it runs.

package raft

// #cgo CFLAGS: -I${SRCDIR}/internal/lib
import "C"

import _ "libraft.dev/go/raft/internal/lib"
