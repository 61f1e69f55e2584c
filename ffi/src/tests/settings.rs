//! Each setting arrives where it belongs, and what is wrong with them is said when a node is
//! made.

use std::ptr::{null, null_mut};

use libraft_core::{Config, ReadOnlyOption};

use super::*;

/// The core's configuration after `change`, with the seed that `Settings` gives.
fn after(change: impl FnOnce(*mut raft_config)) -> Config {
    let settings = Settings::new(1);
    change(settings.0);
    let settings = unsafe { &*settings.0 }.settings();
    settings.core().expect("the settings are valid")
}

macro_rules! sets {
    ($($function:ident($value:expr) changes $field:ident to $expected:expr;)+) => {$(
        let mut expected = Config::new(1);
        expected.seed = 7;
        let default = expected.clone();
        expected.$field = $expected;
        assert_ne!(default, expected, "{} has no effect in this test", stringify!($function));
        let found = after(|config| ok!($function(config, $value)));
        assert_eq!(found, expected, "{}", stringify!($function));
    )+};
}

#[test]
fn each_setter_changes_its_own_field_and_no_other() {
    sets! {
        raft_config_set_election_ticks(20) changes election_ticks to 20;
        raft_config_set_heartbeat_ticks(3) changes heartbeat_ticks to 3;
        raft_config_set_min_election_ticks(12) changes min_election_ticks to 12;
        raft_config_set_max_election_ticks(13) changes max_election_ticks to 13;
        raft_config_set_priority(-4) changes priority to -4;
        raft_config_set_max_apply_unpersisted_entries(17)
            changes max_apply_unpersisted_entries to 17;
        raft_config_set_seed(99) changes seed to 99;
        raft_config_set_pre_vote(false) changes pre_vote to false;
        raft_config_set_check_quorum(false) changes check_quorum to false;
        raft_config_set_read_only(RAFT_READ_ONLY_LEASE_BASED)
            changes read_only to ReadOnlyOption::LeaseBased;
        raft_config_set_max_size_per_msg(11) changes max_size_per_msg to 11;
        raft_config_set_max_committed_size_per_ready(12) changes max_committed_size_per_ready to 12;
        raft_config_set_max_uncommitted_bytes(13) changes max_uncommitted_bytes to 13;
        raft_config_set_max_inflight_msgs(14) changes max_inflight_msgs to 14;
        raft_config_set_max_inflight_bytes(RAFT_NO_LIMIT) changes max_inflight_bytes to u64::MAX;
        raft_config_set_max_cached_bytes(15) changes max_cached_bytes to 15;
        raft_config_set_max_pending_reads(16) changes max_pending_reads to 16;
        raft_config_set_coalesce_appends(false) changes coalesce_appends to false;
        raft_config_set_async_storage_writes(true) changes async_storage_writes to true;
        raft_config_set_disable_proposal_forwarding(true)
            changes disable_proposal_forwarding to true;
        raft_config_set_disable_conf_change_validation(true)
            changes disable_conf_change_validation to true;
        raft_config_set_step_down_on_removal(true) changes step_down_on_removal to true;
        raft_config_set_peer_reports(true) changes peer_reports to true;
    }
}

#[test]
fn nodes_are_seeded_by_the_system_unless_told_otherwise() {
    let mut config = null_mut();
    ok!(raft_config_new(1, &mut config));
    let settings = unsafe { &*config }.settings();
    let seed = || settings.core().expect("the settings are valid").seed;
    // The chance that two numbers of 64 bits agree is not worth a thought.
    assert_ne!(seed(), seed());
    unsafe { raft_config_free(config) };
}

#[test]
fn a_wrong_setting_is_named_when_a_node_is_made() {
    for (id, expected) in [(0, "id"), (u64::MAX, "id"), (u64::MAX - 1, "id")] {
        let settings = Settings::new(id);
        let (status, words) = err!(raft_node_restart(settings.0, null(), 0, &mut null_mut()));
        assert_eq!(status, RAFT_ERR_CONFIG);
        assert!(words.contains(expected), "{words}");
    }
    let settings = Settings::new(1);
    let storage = memory(&[1]);
    let mut node = null_mut();
    ok!(raft_config_set_election_ticks(settings.0, 1));
    let (status, words) = err!(raft_node_new(settings.0, storage, &mut node));
    assert_eq!(status, RAFT_ERR_CONFIG);
    assert!(words.contains("election_ticks"), "{words}");
    ok!(raft_config_set_election_ticks(settings.0, 10));
    ok!(raft_config_set_read_only(settings.0, 5));
    let (status, words) = err!(raft_node_new(settings.0, storage, &mut node));
    assert_eq!(status, RAFT_ERR_CONFIG);
    assert!(words.contains("read_only"), "{words}");
    assert!(node.is_null());
    unsafe { raft_storage_free(storage) };
}

#[test]
fn a_node_keeps_its_own_copy_of_settings_and_storage() {
    let settings = Settings::new(1);
    let storage = memory(&[1]);
    let mut node = null_mut();
    ok!(raft_node_new(settings.0, storage, &mut node));
    drop(settings);
    unsafe { raft_storage_free(storage) };
    ok!(raft_node_campaign(node));
    let mut ready = null();
    ok!(raft_node_ready(node, &mut ready));
    assert_eq!(unsafe { raft_node_id(node) }, 1);
    unsafe { raft_node_free(node) };
}
