//! The Rust code of the protobuf messages is what prost makes of `proto/`.
//!
//! It is committed, so that who builds the crate needs no compiler of protobuf: that one takes longer
//! to build than the crate. `make proto` writes it anew, by this test with LIBRAFT_BLESS=1 set.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_code_of_the_messages_is_what_the_definitions_give() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/proto");
    let made = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("proto");
    fs::create_dir_all(&made).unwrap();
    let files = ["raftpb.proto", "libraft.proto", "recording.proto"];
    let descriptors = protox::compile(files, [root.join("proto")]).unwrap();
    prost_build::Config::new()
        // Payloads are sliced out of the buffer that they arrived in, never copied.
        .bytes(["."])
        .out_dir(&made)
        .compile_fds(descriptors)
        .unwrap();
    for name in ["raftpb.rs", "libraft.rs", "libraft.recording.rs"] {
        let now = fs::read_to_string(made.join(name)).unwrap();
        if std::env::var_os("LIBRAFT_BLESS").is_some() {
            fs::write(committed.join(name), &now).unwrap();
        }
        let before = fs::read_to_string(committed.join(name)).unwrap_or_default();
        assert!(
            now == before,
            "core/src/proto/{name} is not what core/proto gives: run make proto"
        );
    }
}

#[test]
fn there_is_no_code_but_theirs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |place: &str| {
        let mut names: Vec<_> = fs::read_dir(root.join(place))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names("proto"),
        ["libraft.proto", "raftpb.proto", "recording.proto"]
    );
    assert_eq!(
        names("src/proto"),
        ["libraft.recording.rs", "libraft.rs", "raftpb.rs"]
    );
}
