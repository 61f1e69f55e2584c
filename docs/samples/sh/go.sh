# The quick start for Go, in an empty directory. LIBRAFT is a checkout of libraft.
# --8<-- [start:install]
make -C "$LIBRAFT" go-lib
# --8<-- [end:install]
# --8<-- [start:module]
go mod init hello
go mod edit -require libraft.dev/go/raft@v0.0.0 -replace "libraft.dev/go/raft=$LIBRAFT/bindings/go"
# --8<-- [end:module]
cp "$LIBRAFT/examples/quickstart/go/quickstart.go" main.go
# --8<-- [start:build]
go mod tidy
go run .
# --8<-- [end:build]
