// Package contract has tests of what a Node promises, which are run on go.etcd.io/raft and on
// libraft in its place.
package contract
