module samples

go 1.26

require libraft.dev/go/raft v0.0.0

require (
	go.etcd.io/raft/v3 v3.7.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

replace libraft.dev/go/raft => ../../../bindings/go
