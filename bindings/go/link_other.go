//go:build !libraft_system && !(linux && (amd64 || arm64))

package raft

// The module has no library for this platform, and nobody has tried one there. What is in the way is
// internal/lib, where it takes a file like link_linux_amd64.go, and the table in scripts/go-lib.
type _ = there_is_no_libraft_for_this_platform__see_make_go_lib_or_build_with_tags_libraft_system
