module libraft.dev/tests/interop/member

go 1.26
