# A program for go.etcd.io/raft on libraft, without a changed line. LIBRAFT is a checkout of libraft.
make -C "$LIBRAFT" go-lib
go mod init hello
sed 's|"libraft.dev/go/raft"|"go.etcd.io/raft/v3"|; /defer node.Close/d' \
    "$LIBRAFT/examples/quickstart/go/quickstart.go" >main.go
go mod edit -require go.etcd.io/raft/v3@v3.7.0
# --8<-- [start:replace]
(cd "$LIBRAFT/bindings/go" && go run ./standin -o "$OLDPWD/standin")
go mod edit -replace "go.etcd.io/raft/v3=$PWD/standin"
# --8<-- [end:replace]
go mod tidy
go run .
