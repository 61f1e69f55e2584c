//go:build !libraft_system

// How the library gets into the program: by default libraft.a, as `make lib` leaves it in this
// repository, becomes part of it, so that nothing has to be installed where it runs.

package raft

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: ${SRCDIR}/../../target/release/libraft.a -lpthread -ldl -lm
import "C"
