//! Binds the extension's calls of `raft_*` to its own copy of the library, also in a process that
//! has loaded another libraft.so, such as a C program that embeds Python.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    }
}
