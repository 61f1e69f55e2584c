//! What a program in Rust can name of libraft, compared with the lists that are committed beside this.
//!
//!     cargo run -p libraft-public-api              compare
//!     cargo run -p libraft-public-api -- --bless   write the lists anew
//!
//! A line that is gone or has changed breaks programs, and so needs a new major version (a new minor
//! one before 1.0), and a line in the CHANGELOG; a new line needs neither. Either way the list is
//! written anew in the same commit, so that nobody changes the interface without seeing it.
//!
//! It does not see behaviour, nor what is `doc(hidden)`, which is no part of the interface.
//!
//! rustdoc's output has a format of its own in each few versions of Rust. With a Rust whose format is
//! another than the one that is read here, nothing is compared, and a line says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The crates that programs use. The others are for other languages, or for tests.
const CRATES: [&str; 2] = ["libraft-core", "libraft-storage"];

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    let bless = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--bless" => true,
        _ => {
            eprintln!("usage: libraft-public-api [--bless]");
            return ExitCode::from(2);
        }
    };
    let mut differs = false;
    for name in CRATES {
        let place = Path::new(HERE).join(format!("{name}.txt"));
        let now = match document(name).and_then(|json| list(&json)) {
            Ok(Some(now)) => now,
            Ok(None) => {
                println!("skipped, nothing is compared: {OTHER_FORMAT}");
                return ExitCode::SUCCESS;
            }
            Err(why) => {
                eprintln!("{name}: {why}");
                return ExitCode::FAILURE;
            }
        };
        if bless {
            fs::write(&place, &now).expect("the list can be written");
            continue;
        }
        let committed = fs::read_to_string(&place).unwrap_or_default();
        let change = Change::between(&committed, &now);
        println!(
            "{name}: {} lines, {}",
            now.lines().count(),
            change.verdict()
        );
        for line in &change.removed {
            println!("  - {line}");
        }
        for line in &change.added {
            println!("  + {line}");
        }
        differs |= committed != now;
    }
    if differs {
        println!("if that is meant: make semver BLESS=1, and say so in CHANGELOG.md");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How two lists differ.
#[derive(Debug, PartialEq)]
struct Change<'a> {
    removed: Vec<&'a str>,
    added: Vec<&'a str>,
}

impl<'a> Change<'a> {
    fn between(before: &'a str, after: &'a str) -> Self {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) =
            (before.lines().collect(), after.lines().collect());
        Change {
            removed: old.difference(&new).copied().collect(),
            added: new.difference(&old).copied().collect(),
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.removed.is_empty(), self.added.is_empty()) {
            (true, true) => "as committed",
            (true, false) => "with additions",
            (false, _) => "and it BREAKS programs",
        }
    }
}

/// Lets rustdoc describe a crate of the workspace, with all of its features.
fn document(name: &str) -> Result<PathBuf, String> {
    let root = Path::new(HERE).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let status = Command::new("cargo")
        .current_dir(&root)
        .args([
            "rustdoc",
            "--quiet",
            "--lib",
            "--all-features",
            "--package",
            name,
        ])
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .env("RUSTDOC", Path::new(HERE).join("rustdoc"))
        .status()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !status.success() {
        return Err(format!("rustdoc describes nothing ({status})"));
    }
    Ok(target
        .join("doc")
        .join(name.replace('-', "_"))
        .with_extension("json"))
}

const OTHER_FORMAT: &str = "this rustdoc writes another format than public-api 0.52 reads, which is that of \
    rustc 1.95: run this with RUSTUP_TOOLCHAIN=1.95.0, or take the public-api that fits";

/// What is public by such a description, a line for each name; nothing if it is in another format.
fn list(json: &Path) -> Result<Option<String>, String> {
    let text = fs::read_to_string(json).map_err(|error| format!("no description: {error}"))?;
    if !text.contains(&format!(
        "\"format_version\":{}",
        rustdoc_types::FORMAT_VERSION
    )) {
        return Ok(None);
    }
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .map_err(|error| format!("what rustdoc has written is not understood: {error}"))?;
    Ok(Some(format!("{api}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of the crate in `fixture.rs`, as rustdoc and `list` make it.
    fn fixture(cfg: &[&str]) -> Option<String> {
        let directory = std::env::temp_dir().join(format!(
            "libraft-public-api-{}-{}",
            std::process::id(),
            cfg.join("-")
        ));
        let status = Command::new(Path::new(HERE).join("rustdoc"))
            .arg(Path::new(HERE).join("src/fixture.rs"))
            .args(["--crate-type", "lib", "--edition", "2024"])
            .args(["-Z", "unstable-options", "--output-format", "json"])
            .args(cfg.iter().flat_map(|name| ["--cfg", *name]))
            .arg("--out-dir")
            .arg(&directory)
            .status()
            .unwrap();
        assert!(status.success());
        let listed = list(&directory.join("fixture.json")).unwrap();
        fs::remove_dir_all(directory).unwrap();
        listed
    }

    #[test]
    fn a_removed_function_and_a_changed_signature_break_and_a_new_function_does_not() {
        let Some(before) = fixture(&[]) else {
            return println!("skipped: {OTHER_FORMAT}");
        };
        let fixture = |cfg| fixture(cfg).expect("as before");
        assert!(
            !before.contains("secret"),
            "what is hidden is no part of it"
        );
        let same = fixture(&[]);
        assert_eq!(Change::between(&before, &same).verdict(), "as committed");

        let after = fixture(&["without_a_function"]);
        let change = Change::between(&before, &after);
        assert_eq!(
            change.removed,
            ["pub fn fixture::Node::campaign(&mut self)"]
        );
        assert_eq!(change.added, [""; 0]);
        assert_eq!(change.verdict(), "and it BREAKS programs");
        // The other way round it is an addition.
        assert_eq!(Change::between(&after, &before).verdict(), "with additions");

        let after = fixture(&["with_another_signature"]);
        let change = Change::between(&before, &after);
        assert_eq!(change.removed, ["pub fn fixture::Node::tick(&mut self)"]);
        assert_eq!(change.added, ["pub fn fixture::Node::tick(&mut self, u64)"]);
        assert_eq!(change.verdict(), "and it BREAKS programs");
    }
}
