//! What a host does when it does its work, so that the calls meet nodes in all their states.

use std::ptr::{null, null_mut};

use raft::config::*;
use raft::entry::RAFT_ENTRY_NORMAL;
use raft::message::*;
use raft::node::*;
use raft::status::*;
use raft::storage::*;

use crate::input::Input;

use super::env::{Env, SLOTS};
use super::views;

/// Settings, storages and nodes of a cluster of three.
pub fn cluster(env: &mut Env, input: &mut Input) {
    let bits = input.byte();
    let (asynchronous, shows) = (bits & 1 == 1, bits & 2 == 2);
    for place in 0..SLOTS {
        let voters: Vec<u64> = (1..=if bits & 4 == 4 { 1 } else { SLOTS as u64 }).collect();
        // SAFETY: places for results, and lists as long as they are said to be.
        unsafe {
            ok(raft_config_new(
                place as u64 + 1,
                &mut env.configs[place],
                null_mut(),
            ));
            let config = env.configs[place];
            ok(raft_config_set_seed(config, u64::from(bits), null_mut()));
            ok(raft_config_set_async_storage_writes(
                config,
                asynchronous,
                null_mut(),
            ));
            ok(raft_config_set_show_requests(config, shows, null_mut()));
            ok(raft_config_set_max_cached_bytes(config, 16, null_mut()));
            ok(raft_config_set_peer_reports(
                config,
                bits & 8 == 8,
                null_mut(),
            ));
            ok(raft_storage_memory_new(
                &mut env.storages[place],
                null_mut(),
            ));
            let storage = env.storages[place];
            let (list, len) = (voters.as_ptr(), voters.len());
            ok(raft_storage_bootstrap(
                storage,
                1,
                1,
                list,
                len,
                null(),
                0,
                null(),
                0,
                null_mut(),
            ));
            ok(raft_node_new(
                config,
                storage,
                &mut env.nodes[place].node,
                null_mut(),
            ));
        }
        env.nodes[place].on = Some(place);
    }
    if bits & 16 == 16 {
        // SAFETY: a node.
        unsafe { ok(raft_node_campaign(env.nodes[0].node, null_mut())) };
        for _ in 0..3 {
            (0..SLOTS).for_each(|place| work_on(env, place, true));
            (0..SLOTS).for_each(|_| deliver(env, input));
        }
    }
}

fn ok(status: raft_status) {
    assert_eq!(status, RAFT_OK);
}

/// A code that is not the library's own fault.
fn fine(status: raft_status) -> bool {
    assert!(status != RAFT_ERR_PANIC, "the library has panicked");
    status == RAFT_OK
}

/// A node's Ready is taken and handled.
pub fn work(env: &mut Env, input: &mut Input) {
    let (place, saves) = (input.below(SLOTS), !input.chance(16));
    work_on(env, place, saves);
}

fn work_on(env: &mut Env, place: usize, saves: bool) {
    let (node, on) = (env.nodes[place].node, env.nodes[place].on);
    if node.is_null() {
        return;
    }
    let (mut has, mut ready) = (false, null());
    // SAFETY: a node, and places for results.
    unsafe {
        if !fine(raft_node_has_ready(node, &mut has, null_mut())) || !has {
            return;
        }
        if !fine(raft_node_ready(node, &mut ready, null_mut())) {
            return;
        }
    }
    env.lent(place, Some(ready));
    // SAFETY: the Ready is the last one that the node has given, until the next one is taken below;
    // what is passed on are views into it.
    unsafe {
        let storage = on.map_or(null_mut(), |on| env.storages[on]);
        if saves && !storage.is_null() {
            fine(raft_storage_save(storage, ready, null_mut()));
        }
        for entry in views::entries((*ready).committed_entries, (*ready).committed_entries_len) {
            if entry.r#type != RAFT_ENTRY_NORMAL {
                let (data, len) = (entry.data.data, entry.data.len);
                fine(raft_node_apply_conf_change(
                    node,
                    entry.r#type,
                    data,
                    len,
                    null_mut(),
                    null_mut(),
                ));
            }
        }
        for read in views::list((*ready).reads, (*ready).reads_len) {
            answer(env, node, storage, read.id, read.low, read.high);
        }
        for request in views::list((*ready).snapshot_requests, (*ready).snapshot_requests_len) {
            fine(raft_node_snapshot_failed(node, request.id, null_mut()));
        }
        for message in views::messages((*ready).messages, (*ready).messages_len) {
            let is_append = message.r#type == RAFT_MSG_STORAGE_APPEND;
            if is_append && saves && !storage.is_null() {
                let (data, len) = (message.encoded.data, message.encoded.len);
                fine(raft_storage_append_message(storage, data, len, null_mut()));
            }
            for response in views::list(message.responses, message.responses_len) {
                let (data, len) = (response.encoded.data, response.encoded.len);
                match response.to == raft_node_id(node) {
                    true => {
                        fine(raft_node_step(node, data, len, null_mut()));
                    }
                    false => env.know(views::bytes(response.encoded)),
                }
            }
        }
        fine(raft_node_advance(node, null_mut()));
    }
}

/// Answers a read request from the storage.
///
/// # Safety
/// Node and storage live, or the storage is NULL.
unsafe fn answer(
    env: &mut Env,
    node: *mut raft_node,
    storage: *mut raft_storage,
    id: u64,
    low: u64,
    high: u64,
) {
    let mut entries = null_mut();
    // SAFETY: the same contract; the entries are freed with all that is kept.
    unsafe {
        if !fine(raft_storage_entries(
            storage,
            low,
            high,
            u64::MAX,
            &mut entries,
            null_mut(),
        )) {
            fine(raft_node_read_failed(
                node,
                id,
                RAFT_READ_UNAVAILABLE,
                null_mut(),
            ));
            return;
        }
        env.entries.push(entries);
        let given = views::entries((*entries).entries, (*entries).entries_len);
        let given: Vec<_> = given.iter().map(|entry| entry.encoded).collect();
        fine(raft_node_provide_entries(
            node,
            id,
            given.as_ptr(),
            given.len(),
            null_mut(),
        ));
    }
}

/// The newest messages that the nodes have sent go where they are to go.
pub fn deliver(env: &mut Env, input: &mut Input) {
    let count = 1 + input.below(6);
    let from = env.known.len().saturating_sub(count);
    for bytes in env.known.split_off(from) {
        let Ok(message) = libraft_core::codec::decode_message(bytes.clone().into()) else {
            continue;
        };
        if message.body.is_local() {
            continue;
        }
        for node in env.nodes.iter().filter(|node| !node.node.is_null()) {
            // SAFETY: a node, and bytes that are there.
            unsafe {
                if raft_node_id(node.node) == message.to {
                    fine(raft_node_step(
                        node.node,
                        bytes.as_ptr(),
                        bytes.len(),
                        null_mut(),
                    ));
                }
            }
        }
    }
}

/// Something that moves a cluster on.
pub fn help(env: &mut Env, input: &mut Input) {
    let place = input.below(SLOTS);
    let (node, storage) = (env.nodes[place].node, env.storages[place]);
    if node.is_null() || storage.is_null() {
        return;
    }
    let data = [7; 24];
    // SAFETY: handles that live.
    unsafe {
        match input.below(4) {
            0 => {
                for _ in 0..12 {
                    fine(raft_node_tick(node, null_mut()));
                }
            }
            1 => {
                fine(raft_node_campaign(node, null_mut()));
            }
            2 => {
                fine(raft_node_propose(
                    node,
                    data.as_ptr(),
                    data.len(),
                    null_mut(),
                ));
            }
            _ => {
                let mut last = 0;
                fine(raft_storage_last_index(storage, &mut last, null_mut()));
                fine(raft_storage_create_snapshot(
                    storage,
                    last,
                    null(),
                    0,
                    data.as_ptr(),
                    3,
                    null_mut(),
                ));
                fine(raft_storage_compact(storage, last, null_mut()));
            }
        }
    }
}

/// A node is gone, and starts again from its storage.
pub fn restart(env: &mut Env, input: &mut Input) {
    let place = input.below(SLOTS);
    let Some(on) = env.nodes[place].on else {
        return;
    };
    env.free_node(place);
    let (config, mut node) = (env.configs[place], null_mut());
    // SAFETY: handles that live, or NULL.
    if fine(unsafe { raft_node_new(config, env.storages[on], &mut node, null_mut()) }) {
        (env.nodes[place].node, env.nodes[place].on) = (node, Some(on));
    }
}
