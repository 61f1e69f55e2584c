module libraft.dev/tests/leaks

go 1.26

require (
	go.etcd.io/raft/v3 v3.7.0
	google.golang.org/protobuf v1.36.11
	libraft.dev/go/raft v0.0.0
)

replace libraft.dev/go/raft => ../../../bindings/go
