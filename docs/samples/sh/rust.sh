# The quick start for Rust, in an empty directory. LIBRAFT is a checkout of libraft.
# --8<-- [start:new]
cargo init --quiet --name hello
cargo add --quiet --path "$LIBRAFT/core"
cargo add --quiet --path "$LIBRAFT/storage"
# --8<-- [end:new]
cp "$LIBRAFT/examples/quickstart/quickstart.rs" src/main.rs
# --8<-- [start:run]
cargo run --quiet
# --8<-- [end:run]
