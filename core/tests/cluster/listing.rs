//! Which tests there are, for the lists of them that are kept by hand.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all tests in the Rust files of a folder of this crate and of those below it.
pub fn tests_in(folder: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        &mut tests,
    );
    tests
}

fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(path).unwrap();
            let mut is_test = false;
            for line in source.lines().map(str::trim) {
                let signature = line.strip_prefix("fn ");
                let name = signature.and_then(|rest| rest.split('(').next());
                if let (true, Some(name)) = (is_test, name) {
                    tests.insert(name.to_owned());
                }
                is_test = line == "#[test]";
            }
        }
    }
}
