//! NULL, lengths, sizes: what is refused before anything else happens.

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use super::*;
use crate::conf_change::*;
use crate::conf_state::raft_conf_state_free;
use crate::entry::{
    RAFT_ENTRY_CONF_CHANGE, RAFT_ENTRY_NORMAL, raft_entries_free, raft_entry, raft_hard_state,
};
use crate::event::raft_event;
use crate::event_text::*;
use crate::message::{RAFT_MSG_APP, raft_message, raft_message_decode};
use crate::metrics::raft_metrics;
use crate::nodes::raft_nodes_tick;
use crate::observe::*;
use crate::ready::raft_ready;
use crate::recording::*;
use crate::requests::raft_requests;
use crate::snapshot::raft_snapshot_free;

/// Each call must return RAFT_ERR_NULL, name what is NULL, and manage without an error as well.
macro_rules! null {
    ($($function:ident($($arg:expr),* $(,)?) names $name:literal;)+) => {$(
        let (status, words) = err!($function($($arg),*));
        assert_eq!(status, RAFT_ERR_NULL, "{}", stringify!($function));
        assert!(words.contains($name), "{}: {words}", stringify!($function));
        assert_eq!(unsafe { $function($($arg,)* null_mut()) }, RAFT_ERR_NULL);
    )+};
}

/// An append with these.
fn with(encoded: raft_bytes, entries: *const raft_entry, entries_len: usize) -> raft_message {
    raft_message {
        r#type: RAFT_MSG_APP,
        encoded,
        entries,
        entries_len,
        ..raft_message::EMPTY
    }
}

fn entry(data: raft_bytes, encoded: raft_bytes) -> raft_entry {
    raft_entry {
        term: 1,
        index: 2,
        r#type: RAFT_ENTRY_NORMAL,
        data,
        encoded,
    }
}

#[test]
fn a_null_handle_is_refused_by_every_function() {
    let (config, storage, node) = (null_mut(), null_mut(), null_mut());
    let nothing: *const u8 = null();
    let settings = Settings::new(1);
    let host = Host::new(&settings, &[1]);
    let mut flag = false;
    let mut number = 0u64;
    let (mut count, mut others) = (9usize, 9usize);
    let nobody = crate::nodes::raft_node_failure {
        index: 9,
        status: 9,
    };
    let mut group_commit = 9;
    let mut ready: *const raft_ready = null();
    let mut requests: *const raft_requests = null();
    let mut buffer = null_mut();
    let mut made = null_mut();
    let mut entries = null_mut();
    let mut snapshot = null_mut();
    let mut state = null_mut();
    let mut hard = raft_hard_state {
        term: 9,
        vote: 9,
        commit: 9,
    };
    let mut status = host.status();
    let mut report = raft_recovery_report {
        size: size_of::<raft_recovery_report>(),
        discarded_writes: 9,
        crashed: true,
    };
    null! {
        raft_config_set_election_ticks(config, 1) names "config";
        raft_config_set_heartbeat_ticks(config, 1) names "config";
        raft_config_set_min_election_ticks(config, 1) names "config";
        raft_config_set_max_election_ticks(config, 1) names "config";
        raft_config_set_priority(config, 1) names "config";
        raft_config_set_max_apply_unpersisted_entries(config, 1) names "config";
        raft_config_set_seed(config, 1) names "config";
        raft_config_set_pre_vote(config, true) names "config";
        raft_config_set_check_quorum(config, true) names "config";
        raft_config_set_read_only(config, 0) names "config";
        raft_config_set_max_size_per_msg(config, 1) names "config";
        raft_config_set_max_committed_size_per_ready(config, 1) names "config";
        raft_config_set_max_uncommitted_bytes(config, 1) names "config";
        raft_config_set_max_inflight_msgs(config, 1) names "config";
        raft_config_set_max_inflight_bytes(config, 1) names "config";
        raft_config_set_max_cached_bytes(config, 1) names "config";
        raft_config_set_max_pending_reads(config, 1) names "config";
        raft_config_set_coalesce_appends(config, true) names "config";
        raft_config_set_async_storage_writes(config, true) names "config";
        raft_config_set_disable_proposal_forwarding(config, true) names "config";
        raft_config_set_disable_conf_change_validation(config, true) names "config";
        raft_config_set_step_down_on_removal(config, true) names "config";
        raft_config_set_peer_reports(config, true) names "config";
        raft_config_set_record_bytes(config, 1) names "config";
        raft_config_set_applied(config, 1, nothing, 0) names "config";
        raft_config_set_show_requests(config, true) names "config";
        raft_config_set_encode_readys(config, true) names "config";
        raft_config_set_encode_entries(config, true) names "config";

        raft_storage_is_fresh(storage, &mut flag) names "storage";
        raft_storage_bootstrap(storage, 1, 1, [1].as_ptr(), 1, null(), 0, nothing, 0) names "storage";
        raft_storage_save(storage, host.ready()) names "storage";
        raft_storage_append(storage, null(), null(), 0, nothing, 0, true) names "storage";
        raft_storage_append_message(storage, nothing, 0) names "storage";
        raft_storage_sync(storage) names "storage";
        raft_storage_first_index(storage, &mut number) names "storage";
        raft_storage_last_index(storage, &mut number) names "storage";
        raft_storage_term(storage, 1, &mut number) names "storage";
        raft_storage_hard_state(storage, &mut hard) names "storage";
        raft_storage_entries(storage, 1, 1, 1, &mut entries) names "storage";
        raft_storage_snapshot(storage, &mut snapshot) names "storage";
        raft_storage_create_snapshot(storage, 1, nothing, 0, nothing, 0) names "storage";
        raft_storage_compact(storage, 1) names "storage";
        raft_storage_restart_state(storage, &mut buffer) names "storage";
        raft_storage_recovery_report(storage, &mut report) names "storage";

        raft_node_new(null(), host.storage, &mut made) names "config";
        raft_node_new(settings.0, storage, &mut made) names "storage";
        raft_node_restart(null(), nothing, 0, &mut made) names "config";
        raft_node_bootstrap(node, null(), 0) names "node";
        raft_node_tick(node) names "node";
        raft_node_tick_quiesced(node) names "node";
        raft_node_tick_many(node, 1) names "node";
        raft_nodes_tick([node].as_ptr(), 1, 1, &mut 0, &mut count, [nobody].as_mut_ptr(), &mut others) names "nodes[0]";
        raft_node_next_deadline(node, &mut number) names "node";
        raft_node_pending(node, &mut 0) names "node";
        raft_node_rests_once_advanced(node, &mut flag) names "node";
        raft_node_campaign(node) names "node";
        raft_node_propose(node, nothing, 0) names "node";
        raft_node_propose_many(node, null(), 0) names "node";
        raft_node_propose_conf_change(node, 0, 1, nothing, 0) names "node";
        raft_node_propose_conf_change_encoded(node, RAFT_ENTRY_CONF_CHANGE, nothing, 0) names "node";
        raft_node_apply_conf_change(node, RAFT_ENTRY_CONF_CHANGE, nothing, 0, &mut state) names "node";
        raft_node_reject_conf_change(node) names "node";
        raft_node_conf_state(node, &mut state) names "node";
        raft_node_step(node, nothing, 0) names "node";
        raft_node_step_many(node, nothing, 0) names "node";
        raft_node_step_message(node, &with(raft_bytes::EMPTY, null(), 0)) names "node";
        raft_node_step_message(host.node, null()) names "message";
        raft_node_read_index(node, nothing, 0) names "node";
        raft_node_has_ready(node, &mut flag) names "node";
        raft_node_ready(node, &mut ready) names "node";
        raft_node_next_ready(node, &mut ready) names "node";
        raft_node_peek_ready(node, &mut ready) names "node";
        raft_node_accept_ready(node) names "node";
        raft_node_advance(node) names "node";
        raft_node_request_snapshot(node) names "node";
        raft_node_set_priority(node, 1) names "node";
        raft_node_set_inflight_limits(node, 2, 1, 1) names "node";
        raft_node_set_max_apply_unpersisted_entries(node, 1) names "node";
        raft_node_enable_group_commit(node, true) names "node";
        raft_node_assign_commit_groups(node, null(), 0) names "node";
        raft_node_clear_commit_groups(node) names "node";
        raft_node_group_commit_state(node, &mut group_commit) names "node";
        raft_node_progress(node, null_mut(), 0, &mut count) names "node";
        raft_node_report_unreachable(node, 2) names "node";
        raft_node_report_snapshot(node, 2, RAFT_SNAPSHOT_FINISH) names "node";
        raft_node_transfer_leader(node, 2) names "node";
        raft_node_forget_leader(node) names "node";
        raft_node_take_requests(node, &mut requests) names "node";
        raft_node_provide_entries(node, 1, null(), 0) names "node";
        raft_node_read_failed(node, 1, RAFT_READ_COMPACTED) names "node";
        raft_node_provide_snapshot(node, 1, nothing, 0) names "node";
        raft_node_snapshot_failed(node, 1) names "node";
        raft_node_compacted(node, 1) names "node";
        raft_node_set_randomized_election_timeout(node, 1) names "node";
        raft_node_get_status(node, &mut status) names "node";
        raft_node_metrics(node, null_mut()) names "node";
        raft_node_status_encoded(node, &mut buffer) names "node";
        raft_node_status_json(node, &mut buffer) names "node";
        raft_node_metrics_json(node, &mut buffer) names "node";
        raft_node_prometheus(node, null(), 0, &mut buffer) names "node";
        raft_exposition_add(null_mut(), host.node, null(), 0) names "exposition";
        raft_exposition_text(null(), &mut buffer) names "exposition";
        raft_event_text(null(), &mut buffer) names "event";
        raft_event_json(null(), &mut buffer) names "event";
        raft_node_record_state(node, &mut group_commit, &mut number) names "node";
        raft_node_record_take(node, &mut buffer) names "node";
        raft_node_record_note(node, nothing, 0) names "node";
        raft_node_record_stop(node) names "node";
    }
    assert!(count == 9 && group_commit == 9);
    assert!(!flag && number == 0 && ready.is_null() && requests.is_null());
    assert!(buffer.is_null() && made.is_null());
    assert!(entries.is_null() && snapshot.is_null() && state.is_null());
    assert!(hard.term == 9 && report.discarded_writes == 9);
}

#[test]
fn a_null_place_for_a_result_is_refused() {
    let settings = Settings::new(1);
    let host = Host::new(&settings, &[1]);
    let (node, storage) = (host.node, host.storage);
    let change = [0u8; 0];
    let mut replayed = super::recordings::report();
    null! {
        raft_config_new(1, null_mut()) names "out";
        raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE, change.as_ptr(), 0, null_mut()) names "out";
        raft_conf_change_encode(0, null(), 0, null(), 0, null_mut()) names "out";
        raft_message_decode(change.as_ptr(), 0, null_mut()) names "out";
        raft_storage_memory_new(null_mut()) names "out";
        raft_storage_open(c"/nowhere".as_ptr(), null_mut()) names "out";
        raft_storage_open(null::<c_char>(), &mut null_mut()) names "path";
        raft_storage_is_fresh(storage, null_mut()) names "out";
        raft_storage_first_index(storage, null_mut()) names "out";
        raft_storage_last_index(storage, null_mut()) names "out";
        raft_storage_term(storage, 1, null_mut()) names "out";
        raft_storage_hard_state(storage, null_mut()) names "out";
        raft_storage_entries(storage, 2, 2, 1, null_mut()) names "out";
        raft_storage_snapshot(storage, null_mut()) names "out";
        raft_storage_restart_state(storage, null_mut()) names "out";
        raft_storage_recovery_report(storage, null_mut()) names "out";
        raft_storage_save(storage, null()) names "ready";
        raft_node_new(settings.0, storage, null_mut()) names "out";
        raft_node_restart(settings.0, null(), 0, null_mut()) names "out";
        raft_node_conf_state(node, null_mut()) names "out";
        raft_node_has_ready(node, null_mut()) names "out";
        raft_node_ready(node, null_mut()) names "out";
        raft_node_pending(node, null_mut()) names "out";
        raft_node_rests_once_advanced(node, null_mut()) names "out";
        raft_node_next_deadline(node, null_mut()) names "out";
        raft_node_next_ready(node, null_mut()) names "out";
        raft_node_peek_ready(node, null_mut()) names "out";
        raft_node_take_requests(node, null_mut()) names "out";
        raft_node_get_status(node, null_mut()) names "out";
        raft_node_status_json(node, null_mut()) names "out";
        raft_node_metrics_json(node, null_mut()) names "out";
        raft_node_prometheus(node, null(), 0, null_mut()) names "out";
        raft_exposition_new(null_mut()) names "out";
        raft_event_text(&raft_event::default(), null_mut()) names "out";
        raft_event_json(&raft_event::default(), null_mut()) names "out";
        raft_node_group_commit_state(node, null_mut()) names "out";
        raft_node_progress(node, null_mut(), 0, null_mut()) names "len";
        raft_node_status_encoded(node, null_mut()) names "out";
        raft_node_record_state(node, null_mut(), &mut 0) names "out";
        raft_node_record_state(node, &mut 0, null_mut()) names "bytes";
        raft_node_record_take(node, null_mut()) names "out";
        raft_replay(null(), 0, 0, &mut null_mut(), null_mut()) names "out";
        raft_replay(null(), 0, 0, null_mut(), &mut replayed) names "readys";
    }
}

#[test]
fn null_bytes_with_a_length_are_refused() {
    let settings = Settings::new(1);
    let host = Host::leader();
    let before = host.everything();
    let node = host.node;
    let holes = [raft_bytes {
        data: null(),
        len: 3,
    }];
    let peers = [raft_peer {
        id: 1,
        context: holes[0],
    }];
    let mut replayed = super::recordings::report();
    null! {
        raft_node_propose(node, null(), 1) names "data";
        raft_node_propose_many(node, null(), 1) names "list";
        raft_node_propose_many(node, holes.as_ptr(), 1) names "list";
        raft_node_propose_conf_change(node, 0, 1, null(), 1) names "context";
        raft_node_propose_conf_change_encoded(node, 1, null(), 1) names "data";
        raft_node_apply_conf_change(node, 1, null(), 1, null_mut()) names "data";
        raft_node_step(node, null(), 1) names "data";
        raft_node_step_many(node, null(), 1) names "data";
        raft_node_step_message(node, &with(holes[0], null(), 0)) names "encoded";
        raft_node_step_message(node, &with(raft_bytes::EMPTY, null(), 1)) names "entries";
        raft_node_step_message(node, &with(raft_bytes::EMPTY, &entry(holes[0], raft_bytes::EMPTY), 1)) names "data";
        raft_node_step_message(node, &with(raft_bytes::EMPTY, &entry(raft_bytes::EMPTY, holes[0]), 1)) names "encoded";
        raft_node_read_index(node, null(), 1) names "context";
        raft_node_record_note(node, null(), 1) names "text";
        raft_replay(null(), 1, 0, &mut null_mut(), &mut replayed) names "data";
        raft_node_bootstrap(node, null(), 1) names "peers";
        raft_node_bootstrap(node, peers.as_ptr(), 1) names "context";
        raft_node_provide_entries(node, 1, holes.as_ptr(), 1) names "entries";
        raft_node_provide_snapshot(node, 1, null(), 1) names "data";
        raft_node_restart(settings.0, null(), 1, &mut null_mut()) names "state";
        raft_config_set_applied(settings.0, 1, null(), 1) names "conf_state";
        raft_storage_bootstrap(host.storage, 1, 1, null(), 1, null(), 0, null(), 0) names "voters";
        raft_storage_bootstrap(host.storage, 1, 1, [1].as_ptr(), 1, null(), 1, null(), 0) names "learners";
        raft_storage_bootstrap(host.storage, 1, 1, [1].as_ptr(), 1, null(), 0, null(), 1) names "data";
        raft_storage_append(host.storage, null(), null(), 1, null(), 0, true) names "entries";
        raft_storage_append(host.storage, null(), null(), 0, null(), 1, true) names "snapshot";
        raft_storage_append_message(host.storage, null(), 1) names "data";
        raft_storage_create_snapshot(host.storage, 1, null(), 1, null(), 0) names "conf_state";
        raft_storage_create_snapshot(host.storage, 1, null(), 0, null(), 1) names "data";
        raft_conf_change_decode(1, null(), 1, &mut null_mut()) names "data";
        raft_conf_change_encode(0, null(), 1, null(), 0, &mut null_mut()) names "changes";
        raft_conf_change_encode(0, null(), 0, null(), 1, &mut null_mut()) names "context";
    }
    assert_eq!(host.everything(), before);
}

#[test]
fn lengths_beyond_any_object_are_refused() {
    let host = Host::leader();
    let before = host.everything();
    let some = [0u8; 4];
    let views = [view(&some)];
    for len in [isize::MAX as usize + 1, usize::MAX] {
        let data = some.as_ptr();
        for (status, words) in [
            err!(raft_node_propose(host.node, data, len)),
            err!(raft_node_step(host.node, data, len)),
            err!(raft_node_step_many(host.node, data, len)),
            err!(raft_node_step_message(
                host.node,
                &with(raft_bytes { data, len }, null(), 0)
            )),
            err!(raft_node_step_message(
                host.node,
                &with(
                    raft_bytes::EMPTY,
                    &entry(raft_bytes { data, len }, raft_bytes::EMPTY),
                    1
                )
            )),
            err!(raft_node_read_index(host.node, data, len)),
            err!(raft_node_provide_snapshot(host.node, 1, data, len)),
            err!(raft_node_propose_many(host.node, views.as_ptr(), len)),
            err!(raft_node_provide_entries(host.node, 1, views.as_ptr(), len)),
            err!(raft_storage_create_snapshot(
                host.storage,
                1,
                data,
                len,
                data,
                1
            )),
        ] {
            assert_eq!(status, RAFT_ERR_ARGUMENT, "{words}");
            assert!(words.contains(&len.to_string()), "{words}");
        }
    }
    // Beyond the limit only when multiplied by the size of an element.
    let len = isize::MAX as usize / 8;
    let (status, _) = err!(raft_node_propose_many(host.node, views.as_ptr(), len));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert_eq!(host.everything(), before);
}

#[test]
fn null_is_an_empty_input_where_the_length_is_0() {
    let mut host = Host::leader();
    ok!(raft_node_propose(host.node, null(), 0));
    ok!(raft_node_propose_many(host.node, null(), 0));
    ok!(raft_node_step_many(host.node, null(), 0));
    ok!(raft_node_read_index(host.node, null(), 0));
    host.work();
    assert_eq!(host.reads, [b""]);
}

#[test]
fn freeing_null_does_nothing() {
    unsafe {
        raft_config_free(null_mut());
        raft_storage_free(null_mut());
        raft_node_free(null_mut());
        raft_error_free(null_mut());
        raft_buffer_free(null_mut());
        raft_entries_free(null_mut());
        raft_snapshot_free(null_mut());
        raft_conf_state_free(null_mut());
        raft_conf_change_free(null_mut());
        assert_eq!(raft_node_id(null()), 0);
        assert_eq!(raft_error_code(null()), RAFT_OK);
        assert_eq!(raft_error_drop_reason(null()), RAFT_DROP_NONE);
        assert_eq!(message(null()), "");
        assert_eq!(raft_buffer_bytes(null()).len, 0);
    }
}

#[test]
fn structs_of_a_wrong_size_are_refused_and_left_alone() {
    let host = Host::leader();
    let mut status = host.status();
    status.term = 77;
    for size in [0, 8, size_of_val(&status) - 1, size_of_val(&status) + 1] {
        status.size = size;
        let (code, words) = err!(raft_node_get_status(host.node, &mut status));
        assert_eq!(code, RAFT_ERR_ARGUMENT);
        assert!(words.contains(&size.to_string()), "{words}");
        assert_eq!(status.term, 77);
    }
    // Larger than here by a field: of a program for a later version.
    status.size = size_of_val(&status) + 8;
    let (code, words) = err!(raft_node_get_status(host.node, &mut status));
    assert_eq!(code, RAFT_ERR_ARGUMENT);
    assert!(words.contains("another version"), "{words}");
    let mut report = raft_recovery_report {
        size: 1,
        discarded_writes: 77,
        crashed: false,
    };
    let (code, _) = err!(raft_storage_recovery_report(host.storage, &mut report));
    assert_eq!((code, report.discarded_writes), (RAFT_ERR_ARGUMENT, 77));
}

/// What a program that was compiled when a struct had fewer fields has: memory for those, and then
/// something else of its own.
#[test]
fn a_program_of_an_earlier_version_gets_the_fields_that_it_knows() {
    let host = Host::leader();
    let now = host.status();
    for size in (16..size_of_val(&now)).step_by(8) {
        let mut status = now;
        status.size = size;
        // SAFETY: a struct of integers, all of which are set, but for the padding at its end.
        let bytes = |status: &raft_node_status| unsafe {
            std::slice::from_raw_parts((&raw const *status).cast::<u8>(), 96).to_vec()
        };
        // SAFETY: as above; any bytes are integers.
        unsafe {
            (&raw mut status)
                .cast::<u8>()
                .add(8)
                .write_bytes(0xEE, 96 - 8)
        };
        let mut expected = bytes(&now);
        expected[..8].copy_from_slice(&size.to_ne_bytes());
        expected[size.min(96)..].fill(0xEE);
        ok!(raft_node_get_status(host.node, &mut status));
        assert_eq!(bytes(&status), expected, "of size {size}");
    }
    // SAFETY: the fields are integers.
    let mut metrics: raft_metrics = unsafe { std::mem::zeroed() };
    metrics.size = 16;
    metrics.messages_received = 77;
    ok!(raft_node_tick(host.node));
    ok!(raft_node_metrics(host.node, &mut metrics));
    assert_eq!((metrics.ticks, metrics.messages_received), (1, 77));
}

#[test]
fn numbers_that_stand_for_nothing_are_refused() {
    let host = Host::leader();
    let before = host.everything();
    let node = host.node;
    let step = |kind| {
        [raft_conf_change_single {
            r#type: kind,
            node_id: 2,
        }]
    };
    for number in [-1, 4, 99, i32::MAX, i32::MIN] {
        for (status, words) in [
            err!(raft_node_propose_conf_change(node, number, 2, null(), 0)),
            err!(raft_node_propose_conf_change_encoded(
                node,
                number,
                null(),
                0
            )),
            err!(raft_node_apply_conf_change(
                node,
                number,
                null(),
                0,
                null_mut()
            )),
            err!(raft_node_report_snapshot(node, 2, number)),
            err!(raft_node_read_failed(node, 2, number)),
            err!(raft_conf_change_decode(number, null(), 0, &mut null_mut())),
            err!(raft_conf_change_encode(
                number,
                null(),
                0,
                null(),
                0,
                &mut null_mut()
            )),
            err!(raft_conf_change_encode(
                0,
                step(number).as_ptr(),
                1,
                null(),
                0,
                &mut null_mut()
            )),
        ] {
            assert_eq!(status, RAFT_ERR_ARGUMENT, "{words}");
            assert!(words.contains(&number.to_string()), "{words}");
        }
    }
    for not_a_status in [0, 3] {
        let (status, _) = err!(raft_node_report_snapshot(node, 2, not_a_status));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
    }
    let (status, _) = err!(raft_node_apply_conf_change(
        node,
        RAFT_ENTRY_NORMAL,
        null(),
        0,
        null_mut()
    ));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert_eq!(host.everything(), before);
}

#[test]
fn a_struct_that_is_no_ready_is_refused() {
    let host = Host::leader();
    let ready = unsafe { std::mem::zeroed::<raft_ready>() };
    let (status, _) = err!(raft_storage_save(host.storage, &ready));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
}

#[test]
fn a_failed_decoding_leaves_the_result_alone() {
    let mut out = unsafe { std::mem::zeroed::<raft_message>() };
    out.term = 77;
    let (status, _) = err!(raft_message_decode([0xff].as_ptr(), 1, &mut out));
    assert_eq!((status, out.term), (RAFT_ERR_MALFORMED, 77));
}

#[test]
fn no_function_with_a_handle_is_missing_above() {
    let header = include_str!("../../../include/libraft.h");
    let this_file = include_str!("arguments.rs");
    let declarations = header.split("\n\n").filter_map(|block| {
        let declaration = block.rsplit("*/").next()?;
        let (head, arguments) = declaration.split_once('(')?;
        let name = head.rsplit([' ', '*', '\n']).next()?;
        (name.starts_with("raft_") && arguments.contains("raft_error **")).then_some(name)
    });
    let mut count = 0;
    for name in declarations {
        assert!(this_file.contains(&format!("{name}(")), "{name}");
        count += 1;
    }
    assert!(count > 60, "the header has {count} functions that can fail");
}
