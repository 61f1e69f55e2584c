# A program for go.etcd.io/raft, moved over by one line. LIBRAFT is a checkout of libraft.
make -C "$LIBRAFT" go-lib
go mod init hello
sed 's|"libraft.dev/go/raft"|"go.etcd.io/raft/v3"|' "$LIBRAFT/examples/quickstart/go/quickstart.go" >main.go
# --8<-- [start:import]
sed -i 's|"go.etcd.io/raft/v3"|"libraft.dev/go/raft"|' *.go
# --8<-- [end:import]
go mod edit -require libraft.dev/go/raft@v0.0.0 -replace "libraft.dev/go/raft=$LIBRAFT/bindings/go"
go mod tidy
go run .
