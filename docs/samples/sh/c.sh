# The quick start for C, in an empty directory. LIBRAFT is a checkout of libraft.
# --8<-- [start:install]
make -C "$LIBRAFT" install PREFIX="$PWD/raft"
# --8<-- [end:install]
cp "$LIBRAFT/examples/quickstart/quickstart.c" hello.c
# --8<-- [start:build]
export PKG_CONFIG_PATH="$PWD/raft/lib/pkgconfig"
cc hello.c $(pkg-config --cflags --libs libraft) -Wl,-rpath,"$PWD/raft/lib" -o hello
./hello
# --8<-- [end:build]
# --8<-- [start:static]
cc hello.c $(pkg-config --cflags --libs libraft-static) -o hello-static
./hello-static
# --8<-- [end:static]
