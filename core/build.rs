//! Compiles the protobuf definitions with protox, so that a build needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["raftpb.proto", "libraft.proto", "recording.proto"];
    for file in files {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    prost_build::Config::new()
        // Payloads are sliced out of the buffer that they arrived in, never copied.
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
