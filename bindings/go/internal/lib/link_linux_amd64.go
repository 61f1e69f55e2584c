package lib

// #cgo LDFLAGS: ${SRCDIR}/libraft_linux_amd64.a -lpthread -ldl -lm
// #if __has_include("digest_linux_amd64.h")
// #include "digest_linux_amd64.h"
// #else
// #error "there is no libraft for linux/amd64 in the Go module: run make go-lib in its repository, or build with -tags libraft_system"
// #define LIBRAFT_DIGEST "none"
// #endif
import "C"

// Digest is that of the archive. An archive that has changed has another one, which makes the go
// command link it.
const Digest = C.LIBRAFT_DIGEST
