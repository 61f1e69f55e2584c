module libraft.dev/tests/dropin

go 1.26.0

require (
	go.etcd.io/raft/v3 v3.7.0
	golang.org/x/tools v0.52.0
	google.golang.org/protobuf v1.36.11
	libraft.dev/go/raft v0.0.0-00010101000000-000000000000
)

require (
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace libraft.dev/go/raft => ../../bindings/go
