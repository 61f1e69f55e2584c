//! Gives the shared library its soname, whose number is that of the ABI.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(
        target.as_str(),
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd"
    ) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libraft.so.0");
    }
}
