//! The numbers of the header agree with those of the core and of the protocol.

use libraft_core::proto::raftpb;
use libraft_core::{ConfChangeKind, ConfChangeTransition, EntryKind, Role};

use super::*;
use crate::version::{RAFT_ABI_VERSION, raft_abi_version, raft_version_string};
use crate::{conf_change::*, entry::*, message::*};

/// What the header defines with this prefix.
fn defines(prefix: &str) -> Vec<(String, i64)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/libraft.h");
    let header = std::fs::read_to_string(path).expect("the header is there");
    let found: Vec<_> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .filter(|(name, _)| name.starts_with(prefix))
        .filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?)))
        .collect();
    assert!(!found.is_empty(), "nothing begins with {prefix}");
    found
}

fn name(status: raft_status) -> String {
    let name = unsafe { CStr::from_ptr(raft_status_name(status)) };
    name.to_str().expect("names are ASCII").to_owned()
}

#[test]
fn every_code_has_its_name_and_no_two_share_a_number() {
    let codes = defines("RAFT_ERR_");
    for (define, number) in &codes {
        assert_eq!(&name(*number as raft_status), define);
    }
    let mut numbers: Vec<i64> = codes.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), codes.len());
    assert_eq!(name(RAFT_OK), "RAFT_OK");
    for number in [-1, 11, 12345, i32::MIN, i32::MAX] {
        assert_eq!(name(number), "RAFT_ERR_?");
    }
}

#[test]
fn message_types_are_those_of_the_protocol() {
    for (define, number) in defines("RAFT_MSG_") {
        let kind = raftpb::MessageType::try_from(number as i32).expect("the protocol has it");
        let words = define["RAFT_MSG_".len()..].to_lowercase();
        let camel: String = words
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        let protocol = kind.as_str_name();
        assert_eq!(format!("Msg{camel}"), protocol);
    }
}

#[test]
fn other_numbers_are_those_of_the_core() {
    assert_eq!(RAFT_ROLE_FOLLOWER, Role::Follower as i32);
    assert_eq!(RAFT_ROLE_CANDIDATE, Role::Candidate as i32);
    assert_eq!(RAFT_ROLE_LEADER, Role::Leader as i32);
    assert_eq!(RAFT_ROLE_PRE_CANDIDATE, Role::PreCandidate as i32);
    assert_eq!(RAFT_ENTRY_NORMAL, EntryKind::Normal as i32);
    assert_eq!(RAFT_ENTRY_CONF_CHANGE, EntryKind::ConfChange as i32);
    assert_eq!(RAFT_ENTRY_CONF_CHANGE_V2, EntryKind::ConfChangeV2 as i32);
    assert_eq!(RAFT_CONF_CHANGE_ADD_NODE, ConfChangeKind::AddNode as i32);
    assert_eq!(
        RAFT_CONF_CHANGE_REMOVE_NODE,
        ConfChangeKind::RemoveNode as i32
    );
    assert_eq!(
        RAFT_CONF_CHANGE_UPDATE_NODE,
        ConfChangeKind::UpdateNode as i32
    );
    assert_eq!(
        RAFT_CONF_CHANGE_ADD_LEARNER_NODE,
        ConfChangeKind::AddLearnerNode as i32
    );
    assert_eq!(RAFT_TRANSITION_AUTO, ConfChangeTransition::Auto as i32);
    assert_eq!(
        RAFT_TRANSITION_JOINT_IMPLICIT,
        ConfChangeTransition::JointImplicit as i32
    );
    assert_eq!(
        RAFT_TRANSITION_JOINT_EXPLICIT,
        ConfChangeTransition::JointExplicit as i32
    );
    assert_eq!(RAFT_LOCAL_APPEND, libraft_core::LOCAL_APPEND);
    assert_eq!(RAFT_LOCAL_APPLY, libraft_core::LOCAL_APPLY);
    assert_eq!(RAFT_NO_LIMIT, libraft_core::NO_LIMIT);
    // No number of ticks that a node can count.
    assert_eq!(RAFT_NO_DEADLINE, u64::MAX);
}

#[test]
fn errors_of_the_core_have_the_numbers_of_the_header() {
    use libraft_core::{DropReason, Error, Impossible};
    let text = String::new;
    for (error, number) in [
        (Error::InvalidConfig(text()), RAFT_ERR_CONFIG),
        (Error::InvalidRestartState(text()), RAFT_ERR_RESTART_STATE),
        (Error::ProposalDropped(DropReason::Other), RAFT_ERR_DROPPED),
        (Error::ReadDropped(DropReason::Other), RAFT_ERR_READ_DROPPED),
        (
            Error::SnapshotRequestDropped(""),
            RAFT_ERR_SNAPSHOT_REQUEST_DROPPED,
        ),
        (Error::Misuse(""), RAFT_ERR_MISUSE),
        (
            Error::ConfChange(libraft_core::ConfChangeError::NotJoint),
            RAFT_ERR_CONF_CHANGE,
        ),
        (Error::WrongAnswer(text()), RAFT_ERR_WRONG_ANSWER),
        (Error::Malformed(text()), RAFT_ERR_MALFORMED),
        (Error::Impossible(Impossible::NoTerm), RAFT_ERR_IMPOSSIBLE),
        (Error::LocalMessage, RAFT_ERR_LOCAL_MESSAGE),
        (Error::UnknownPeer(1), RAFT_ERR_UNKNOWN_PEER),
        (Error::Poisoned(text()), RAFT_ERR_POISONED),
    ] {
        assert_eq!(error.number(), number, "{error}");
        assert_ne!(name(number), "RAFT_ERR_?");
    }
}

#[test]
fn the_library_tells_its_versions() {
    assert_eq!(unsafe { raft_abi_version() }, RAFT_ABI_VERSION);
    let version = unsafe { CStr::from_ptr(raft_version_string()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
