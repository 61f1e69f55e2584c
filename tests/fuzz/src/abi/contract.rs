//! Whether a function returns only the codes that its comment in the header names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const HEADER: &str = include_str!("../../../../include/libraft.h");

/// What the header's opening comment says of all calls, and of those on a node.
const OF_ANY_CALL: [&str; 2] = ["RAFT_ERR_NULL", "RAFT_ERR_PANIC"];
const OF_A_NODE: [&str; 2] = ["RAFT_ERR_MISUSE", "RAFT_ERR_POISONED"];

type Contracts = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// # Panics
/// If the function's comment does not name the code.
pub fn check(function: &str, code: &str) {
    static CONTRACTS: OnceLock<Contracts> = OnceLock::new();
    let contracts = CONTRACTS.get_or_init(read);
    let named = contracts
        .get(function)
        .unwrap_or_else(|| panic!("{function} is not in the header"));
    assert!(
        named.contains(code),
        "{function} has returned {code}, of which its comment says nothing: {named:?}"
    );
}

/// The codes that each function's comment names.
fn read() -> Contracts {
    HEADER
        .split("/**")
        .filter_map(|item| item.split_once("*/"))
        .filter_map(|(comment, code)| Some((name(code)?, codes(comment))))
        .collect()
}

/// The function that is declared right here.
fn name(code: &str) -> Option<&str> {
    let declaration = code.trim_start().split(';').next()?;
    let is_function = !declaration.starts_with("typedef") && !declaration.starts_with('#');
    let (before, _) = declaration.split_once('(').filter(|_| is_function)?;
    let start = before.rfind("raft_")?;
    Some(&before[start..])
}

fn codes(comment: &'static str) -> BTreeSet<&'static str> {
    let Some((_, errors)) = comment.split_once(" * Errors: ") else {
        return BTreeSet::new();
    };
    // Up to the end of the paragraph.
    let errors = errors.split("\n *\n").next().unwrap_or_default();
    let mut named: BTreeSet<_> = errors
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("RAFT_ERR_"))
        .collect();
    named.extend(OF_ANY_CALL);
    if errors.starts_with("those of any call on a node") {
        named.extend(OF_A_NODE);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_each_function_are_found() {
        let contracts = read();
        assert!(contracts.len() > 100, "{}", contracts.len());
        assert!(contracts["raft_node_step"].contains("RAFT_ERR_UNKNOWN_PEER"));
        assert!(contracts["raft_node_tick"].contains("RAFT_ERR_POISONED"));
        assert!(!contracts["raft_node_tick"].contains("RAFT_ERR_DROPPED"));
        assert!(!contracts["raft_storage_term"].contains("RAFT_ERR_IO"));
        check("raft_node_step", "RAFT_ERR_MALFORMED");
    }

    #[test]
    #[should_panic(expected = "of which its comment says nothing")]
    fn a_code_that_is_not_named_is_noticed() {
        check("raft_node_tick", "RAFT_ERR_DROPPED");
    }
}
