//! The table of all functions, each with arguments that are drawn.

use std::ffi::c_char;
use std::mem::{MaybeUninit, zeroed};
use std::ptr::{null, null_mut};

use raft::bytes::*;
use raft::conf_change::*;
use raft::conf_state::*;
use raft::config::*;
use raft::entry::*;
use raft::error::*;
use raft::event::*;
use raft::event_text::*;
use raft::message::*;
use raft::node::*;
use raft::node_status::*;
use raft::nodes::*;
use raft::observe::*;
use raft::recording::*;
use raft::snapshot::*;
use raft::status::*;
use raft::storage::*;
use raft::version::*;

use crate::input::Input;

use super::env::{Env, SLOTS, taken};
use super::views;

/// A function.
pub struct Call {
    pub name: &'static str,
    /// Whether two threads may make it on the same handles.
    pub shared: bool,
    pub make: fn(&mut Env, &mut Input),
}

/// The rows of the table. `alone` marks what frees something, or reads what is borrowed.
macro_rules! table {
    ($($name:ident $($alone:ident)? => |$e:ident, $i:ident| $body:expr;)+) => {
        &[$(Call {
            name: {
                // So that no row is of a function that there isn't.
                let _ = $name as *const ();
                stringify!($name)
            },
            shared: matches!(stringify!($($alone)?).as_bytes(), b""),
            make: |$e, $i| $body,
        },)+]
    };
}

/// Makes a call that can fail, with a place for its error or without. Gives whether it has succeeded.
fn attempt(
    env: &mut Env,
    input: &mut Input,
    call: impl FnOnce(*mut *mut raft_error) -> raft_status,
) -> bool {
    let mut error = null_mut();
    let asked = !input.chance(8);
    let status = call(if asked { &mut error } else { null_mut() });
    env.outcome(status, asked, error)
}

/// The same for a call with a result, whose place is NULL at times. What fails leaves it alone.
fn result<T: Copy + PartialEq + std::fmt::Debug>(
    env: &mut Env,
    input: &mut Input,
    unset: T,
    call: impl FnOnce(*mut T, *mut *mut raft_error) -> raft_status,
) -> Option<T> {
    let mut place = unset;
    let given = !input.chance(16);
    let out = if given { &raw mut place } else { null_mut() };
    let done = attempt(env, input, |error| call(out, error));
    if !done {
        assert_eq!(place, unset, "a result is written only on success");
    }
    (done && given).then_some(place)
}

/// The same for a struct that begins with its size.
fn sized<T>(
    env: &mut Env,
    input: &mut Input,
    call: impl FnOnce(*mut T, *mut *mut raft_error) -> raft_status,
) {
    let mut place = MaybeUninit::<T>::zeroed();
    let size = match input.below(8) {
        0 => 0,
        1 => size_of::<T>() - 1,
        2 => input.any(),
        3 => 8 * input.below(size_of::<T>() / 8 + 2),
        _ => size_of::<T>(),
    };
    // SAFETY: there is room, and these structs begin with a `size_t`.
    unsafe { place.as_mut_ptr().cast::<usize>().write(size) };
    let given = !input.chance(16);
    let out = if given {
        place.as_mut_ptr()
    } else {
        null_mut()
    };
    let done = attempt(env, input, |error| call(out, error));
    assert_eq!(done && given, done, "NULL is no place for a struct");
    assert!(
        !done || (size >= 16 && size <= size_of::<T>() && size % 8 == 0),
        "only a size that the struct may have had is taken"
    );
    // SAFETY: all bytes have been set, to 0 at first.
    let bytes = unsafe { std::slice::from_raw_parts(place.as_ptr().cast::<u8>(), size_of::<T>()) };
    assert!(
        bytes.iter().skip(size.max(8)).all(|byte| *byte == 0),
        "what is beyond the size is left alone"
    );
}

/// An address that no object has, to see whether a result was written.
fn unset<T>() -> *mut T {
    std::ptr::without_provenance_mut(8)
}

/// Keeps an object for later, or frees it at once.
fn keep<T>(list: &mut Vec<*mut T>, object: *mut T, free: unsafe extern "C" fn(*mut T)) {
    match list.len() < 8 {
        true => list.push(object),
        // SAFETY: the library has just made it.
        false => unsafe { free(object) },
    }
}

fn free_one<T>(list: &mut Vec<*mut T>, input: &mut Input, free: unsafe extern "C" fn(*mut T)) {
    let object = match list.is_empty() || input.chance(8) {
        true => null_mut(),
        false => list.swap_remove(input.below(list.len())),
    };
    // SAFETY: NULL, or made by the library and freed once.
    unsafe { free(object) };
}

fn some<T>(list: &[*mut T], input: &mut Input) -> *mut T {
    match list.is_empty() || input.chance(8) {
        true => null_mut(),
        false => input.choose(list),
    }
}

/// The table's arguments are handles that live, places that are there and lists as long as they are
/// said to be, or what the functions have to refuse: that is what makes each call here sound.
macro_rules! node_call {
    ($e:ident, $i:ident, $name:ident($($arg:expr),*)) => {{
        let node = $e.node($i);
        // SAFETY: see above.
        attempt($e, $i, |error| unsafe { $name(node, $($arg,)* error) })
    }};
}

macro_rules! set {
    ($e:ident, $i:ident, $name:ident($value:expr)) => {{
        let (config, value) = ($e.config($i), $value);
        // SAFETY: see above.
        attempt($e, $i, |error| unsafe { $name(config, value, error) });
    }};
}

macro_rules! storage_call {
    ($e:ident, $i:ident, $name:ident($($arg:expr),*)) => {{
        let storage = $e.storage($i);
        // SAFETY: see above.
        attempt($e, $i, |error| unsafe { $name(storage, $($arg,)* error) })
    }};
}

/// A call with one result, on something.
macro_rules! asks {
    ($e:ident, $i:ident, $kind:ident, $unset:expr, $name:ident($($arg:expr),*)) => {{
        let on = $e.$kind($i);
        // SAFETY: see above.
        result($e, $i, $unset, |out, error| unsafe { $name(on, $($arg,)* out, error) })
    }};
}

/// A number of ticks, or of something else that is small as a rule.
fn small(input: &mut Input) -> u32 {
    match input.chance(8) {
        true => input.any(),
        false => input.below(24) as u32,
    }
}

fn name(name: *const c_char) {
    // SAFETY: the library has given it.
    std::hint::black_box(unsafe { views::text(name) });
}

/// A label, of the names that there may be or of any.
fn label(env: &mut Env, input: &mut Input) -> raft_label {
    let name = match input.chance(4) {
        true => env.view(input),
        false => {
            let name = input.choose(&["group", "zone", "_x", "node", "1", "__a"]);
            let data = env.lend(name.into());
            raft_bytes {
                data,
                len: name.len(),
            }
        }
    };
    raft_label {
        name,
        value: env.view(input),
    }
}

/// An event with any numbers, mostly small ones.
fn event(env: &mut Env, input: &mut Input) -> raft_event {
    raft_event {
        r#type: input.below(18) as i32,
        reason: env.kind(input),
        kind: env.kind(input),
        node: env.number(input),
        term: env.number(input),
        index: env.number(input),
        from: env.number(input),
        to: env.number(input),
        ..raft_event::default()
    }
}

/// What the library writes for people and programs is UTF-8.
fn is_text(buffer: *mut raft_buffer) {
    assert!(String::from_utf8(taken(buffer)).is_ok());
}

pub const CALLS: &[Call] = table! {
    raft_abi_version => |_e, _i| {
        // SAFETY: it has no arguments.
        assert_eq!(unsafe { raft_abi_version() }, RAFT_ABI_VERSION);
    };
    // SAFETY: it has no arguments.
    raft_version_string => |_e, _i| name(unsafe { raft_version_string() });
    raft_status_name => |_e, i| {
        let status = i.any();
        // SAFETY: any number will do, here and below.
        name(unsafe { raft_status_name(status) });
    };
    raft_drop_reason_name => |e, i| {
        let reason = e.kind(i);
        // SAFETY: as above.
        name(unsafe { raft_drop_reason_name(reason) });
    };
    raft_event_name => |_e, i| {
        let event = i.any::<u8>().into();
        // SAFETY: as above.
        name(unsafe { raft_event_name(event) });
    };
    raft_event_kind_name => |e, i| {
        let (event, kind) = (i.any::<u8>().into(), e.kind(i));
        // SAFETY: as above.
        name(unsafe { raft_event_kind_name(event, kind) });
    };
    raft_event_reason_name => |e, i| {
        let (event, reason) = (i.any::<u8>().into(), e.kind(i));
        // SAFETY: as above.
        name(unsafe { raft_event_reason_name(event, reason) });
    };

    raft_error_code => |e, i| {
        let error = some(&e.errors, i);
        // SAFETY: NULL, or an error that is not freed; here and below.
        let code = unsafe { raft_error_code(error) };
        assert_eq!(code == RAFT_OK, error.is_null());
    };
    raft_error_message => |e, i| {
        let error = some(&e.errors, i);
        // SAFETY: as above.
        name(unsafe { raft_error_message(error) });
    };
    raft_error_drop_reason => |e, i| {
        let error = some(&e.errors, i);
        // SAFETY: as above.
        let reason = unsafe { raft_error_drop_reason(error) };
        // SAFETY: any number will do.
        name(unsafe { raft_drop_reason_name(reason) });
    };
    raft_error_free alone => |e, i| free_one(&mut e.errors, i, raft_error_free);

    raft_buffer_bytes => |e, i| {
        let buffer = some(&e.buffers, i);
        // SAFETY: NULL, or a buffer that is not freed.
        unsafe { views::bytes(raft_buffer_bytes(buffer)) };
    };
    raft_buffer_free alone => |e, i| free_one(&mut e.buffers, i, raft_buffer_free);
    raft_entries_free alone => |e, i| free_one(&mut e.entries, i, raft_entries_free);
    raft_snapshot_free alone => |e, i| free_one(&mut e.snapshots, i, raft_snapshot_free);
    raft_conf_change_free alone => |e, i| free_one(&mut e.changes, i, raft_conf_change_free);
    raft_conf_state_free alone => |e, i| free_one(&mut e.states, i, raft_conf_state_free);

    raft_message_decode => |e, i| {
        let (data, len) = e.data(i);
        // SAFETY: all zeros are a message without views.
        let mut message: raft_message = unsafe { zeroed() };
        message.to = 77;
        let given = !i.chance(16);
        let out = if given { &raw mut message } else { null_mut() };
        // SAFETY: see above.
        match attempt(e, i, |error| unsafe { raft_message_decode(data, len, out, error) }) {
            // SAFETY: the library has filled it in, and the data is still there.
            true => drop(unsafe { views::messages(&raw const message, 1) }),
            false => assert_eq!(message.to, 77, "a result is written only on success"),
        }
    };
    raft_conf_change_decode => |e, i| {
        let (kind, (data, len)) = (e.kind(i), e.data(i));
        // SAFETY: see above.
        let change = result(e, i, unset(), |out, error| unsafe {
            raft_conf_change_decode(kind, data, len, out, error)
        });
        if let Some(change) = change {
            // SAFETY: the library has just given it.
            unsafe {
                views::list((*change).changes, (*change).changes_len);
                views::bytes((*change).context);
            }
            keep(&mut e.changes, change, raft_conf_change_free);
        }
    };
    raft_conf_change_encode => |e, i| {
        let mut lists = Vec::new();
        let (changes, changes_len) = e.list(i, &mut lists, |e, i| raft_conf_change_single {
            r#type: e.kind(i),
            node_id: e.number(i),
        });
        let (kind, (context, len)) = (e.kind(i), e.data(i));
        // SAFETY: see above.
        let buffer = result(e, i, unset(), |out, error| unsafe {
            raft_conf_change_encode(kind, changes, changes_len, context, len, out, error)
        });
        if let Some(buffer) = buffer {
            // SAFETY: the library has just given it.
            let bytes = unsafe { views::bytes(raft_buffer_bytes(buffer)) };
            e.know(bytes);
            keep(&mut e.buffers, buffer, raft_buffer_free);
        }
    };

    raft_config_new alone => |e, i| {
        let (place, id) = (i.below(SLOTS), i.number_near(&[1, 2, 3]));
        // SAFETY: see above.
        let made = result(e, i, unset(), |out, error| unsafe { raft_config_new(id, out, error) });
        if let Some(config) = made {
            // SAFETY: made by the library, and freed once.
            unsafe { raft_config_free(std::mem::replace(&mut e.configs[place], config)) };
        }
    };
    raft_config_free alone => |e, i| {
        let place = i.below(SLOTS);
        if i.chance(8) {
            // SAFETY: made by the library, or NULL, and freed once.
            unsafe { raft_config_free(std::mem::replace(&mut e.configs[place], null_mut())) };
        }
    };
    raft_config_set_applied => |e, i| {
        let (index, (state, len)) = (e.number(i), e.data(i));
        let config = e.config(i);
        // SAFETY: see above.
        attempt(e, i, |error| unsafe {
            raft_config_set_applied(config, index, state, len, error)
        });
    };
    raft_config_set_async_storage_writes => |e, i| set!(e, i, raft_config_set_async_storage_writes(i.bool()));
    raft_config_set_check_quorum => |e, i| set!(e, i, raft_config_set_check_quorum(i.bool()));
    raft_config_set_coalesce_appends => |e, i| set!(e, i, raft_config_set_coalesce_appends(i.bool()));
    raft_config_set_disable_conf_change_validation => |e, i| set!(e, i, raft_config_set_disable_conf_change_validation(i.bool()));
    raft_config_set_disable_proposal_forwarding => |e, i| set!(e, i, raft_config_set_disable_proposal_forwarding(i.bool()));
    raft_config_set_election_ticks => |e, i| set!(e, i, raft_config_set_election_ticks(small(i)));
    raft_config_set_encode_entries => |e, i| set!(e, i, raft_config_set_encode_entries(i.bool()));
    raft_config_set_encode_readys => |e, i| set!(e, i, raft_config_set_encode_readys(i.bool()));
    raft_config_set_heartbeat_ticks => |e, i| set!(e, i, raft_config_set_heartbeat_ticks(small(i)));
    raft_config_set_max_apply_unpersisted_entries => |e, i| set!(e, i, raft_config_set_max_apply_unpersisted_entries(e.number(i)));
    raft_config_set_max_cached_bytes => |e, i| set!(e, i, raft_config_set_max_cached_bytes(e.number(i)));
    raft_config_set_max_committed_size_per_ready => |e, i| set!(e, i, raft_config_set_max_committed_size_per_ready(e.number(i)));
    raft_config_set_max_election_ticks => |e, i| set!(e, i, raft_config_set_max_election_ticks(small(i)));
    raft_config_set_max_inflight_bytes => |e, i| set!(e, i, raft_config_set_max_inflight_bytes(e.number(i)));
    raft_config_set_max_inflight_msgs => |e, i| set!(e, i, raft_config_set_max_inflight_msgs(small(i)));
    raft_config_set_max_pending_reads => |e, i| set!(e, i, raft_config_set_max_pending_reads(small(i)));
    raft_config_set_max_size_per_msg => |e, i| set!(e, i, raft_config_set_max_size_per_msg(e.number(i)));
    raft_config_set_max_uncommitted_bytes => |e, i| set!(e, i, raft_config_set_max_uncommitted_bytes(e.number(i)));
    raft_config_set_min_election_ticks => |e, i| set!(e, i, raft_config_set_min_election_ticks(small(i)));
    raft_config_set_peer_reports => |e, i| set!(e, i, raft_config_set_peer_reports(i.bool()));
    raft_config_set_pre_vote => |e, i| set!(e, i, raft_config_set_pre_vote(i.bool()));
    raft_config_set_priority => |e, i| set!(e, i, raft_config_set_priority(i.any()));
    raft_config_set_read_only => |e, i| set!(e, i, raft_config_set_read_only(e.kind(i)));
    raft_config_set_record_bytes => |e, i| {
        let bytes = if i.bool() { 1 << 16 } else { e.number(i) };
        set!(e, i, raft_config_set_record_bytes(bytes));
    };
    raft_config_set_seed => |e, i| set!(e, i, raft_config_set_seed(i.any()));
    raft_config_set_show_requests => |e, i| set!(e, i, raft_config_set_show_requests(i.bool()));
    raft_config_set_step_down_on_removal => |e, i| set!(e, i, raft_config_set_step_down_on_removal(i.bool()));

    raft_storage_memory_new alone => |e, i| {
        let place = i.below(SLOTS);
        // SAFETY: see above.
        let made = result(e, i, unset(), |out, error| unsafe {
            raft_storage_memory_new(out, error)
        });
        if let Some(storage) = made {
            e.free_storage(place);
            e.storages[place] = storage;
        }
    };
    raft_storage_open alone => |e, i| {
        // It takes a while.
        if e.opened >= 2 {
            return;
        }
        let place = i.below(SLOTS);
        let (_kept, path) = e.path(i);
        // SAFETY: see above.
        let made = result(e, i, unset(), |out, error| unsafe {
            raft_storage_open(path, out, error)
        });
        if let Some(storage) = made {
            e.free_storage(place);
            e.storages[place] = storage;
        }
    };
    raft_storage_free alone => |e, i| {
        let place = i.below(SLOTS);
        if i.chance(8) {
            e.free_storage(place);
        }
    };
    raft_storage_append => |e, i| {
        let mut lists = Vec::new();
        let (entries, entries_len) = e.list(i, &mut lists, Env::view);
        let (hard_state, has_state, sync) = (e.hard_state(i), i.bool(), i.bool());
        let hard_state = if has_state { &raw const hard_state } else { null() };
        let (snapshot, len) = if i.bool() { (null(), 0) } else { e.data(i) };
        storage_call!(e, i, raft_storage_append(hard_state, entries, entries_len, snapshot, len, sync));
    };
    raft_storage_append_message => |e, i| {
        let (data, len) = e.data(i);
        storage_call!(e, i, raft_storage_append_message(data, len));
    };
    raft_storage_bootstrap => |e, i| {
        let mut lists = Vec::new();
        let (voters, voters_len) = e.list(i, &mut lists, |e, i| e.number(i));
        let (learners, learners_len) = e.list(i, &mut lists, |e, i| e.number(i));
        let (index, term, (data, len)) = (e.number(i), e.number(i), e.data(i));
        storage_call!(e, i, raft_storage_bootstrap(index, term, voters, voters_len, learners, learners_len, data, len));
    };
    raft_storage_compact => |e, i| {
        let index = e.number(i);
        storage_call!(e, i, raft_storage_compact(index));
    };
    raft_storage_create_snapshot => |e, i| {
        let (index, (state, state_len), (data, len)) = (e.number(i), e.data(i), e.data(i));
        storage_call!(e, i, raft_storage_create_snapshot(index, state, state_len, data, len));
    };
    raft_storage_entries => |e, i| {
        let (low, high, most) = (e.number(i), e.number(i), e.number(i));
        if let Some(entries) = asks!(e, i, storage, unset(), raft_storage_entries(low, high, most)) {
            // SAFETY: the library has just given it.
            for entry in unsafe { views::entries((*entries).entries, (*entries).entries_len) } {
                // SAFETY: as above.
                let bytes = unsafe { views::bytes(entry.encoded) };
                e.know(bytes);
            }
            keep(&mut e.entries, entries, raft_entries_free);
        }
    };
    raft_storage_first_index => |e, i| { asks!(e, i, storage, 77, raft_storage_first_index()); };
    raft_storage_last_index => |e, i| { asks!(e, i, storage, 77, raft_storage_last_index()); };
    raft_storage_term => |e, i| {
        let index = e.number(i);
        asks!(e, i, storage, 77, raft_storage_term(index));
    };
    raft_storage_hard_state => |e, i| {
        let mut state = raft_hard_state { term: 77, vote: 77, commit: 77 };
        storage_call!(e, i, raft_storage_hard_state(&mut state));
    };
    raft_storage_is_fresh => |e, i| { asks!(e, i, storage, false, raft_storage_is_fresh()); };
    raft_storage_recovery_report => |e, i| {
        let storage = e.storage(i);
        // SAFETY: see above.
        sized(e, i, |out, error| unsafe { raft_storage_recovery_report(storage, out, error) });
    };
    raft_storage_restart_state => |e, i| {
        if let Some(buffer) = asks!(e, i, storage, unset(), raft_storage_restart_state()) {
            let state = taken(buffer);
            e.know(&state);
        }
    };
    raft_storage_save alone => |e, i| {
        let ready = e.nodes[i.below(SLOTS)].ready;
        storage_call!(e, i, raft_storage_save(ready));
    };
    raft_storage_snapshot => |e, i| {
        if let Some(snapshot) = asks!(e, i, storage, unset(), raft_storage_snapshot()) {
            // SAFETY: the library has just given it.
            let bytes = unsafe { views::snapshot(&*snapshot) };
            e.know(bytes);
            keep(&mut e.snapshots, snapshot, raft_snapshot_free);
        }
    };
    raft_storage_sync => |e, i| { storage_call!(e, i, raft_storage_sync()); };

    raft_node_new alone => |e, i| {
        let (place, on, config) = (i.below(SLOTS), i.below(SLOTS), e.config(i));
        if e.nodes.iter().any(|node| node.on == Some(on)) {
            // Two nodes on one storage take each other's state for their own.
            return;
        }
        let storage = e.storages[on];
        // SAFETY: see above.
        let made = result(e, i, unset(), |out, error| unsafe {
            raft_node_new(config, storage, out, error)
        });
        if let Some(node) = made {
            e.free_node(place);
            (e.nodes[place].node, e.nodes[place].on) = (node, Some(on));
        }
    };
    raft_node_restart alone => |e, i| {
        let (place, config, (state, len)) = (i.below(SLOTS), e.config(i), e.data(i));
        // SAFETY: see above.
        let made = result(e, i, unset(), |out, error| unsafe {
            raft_node_restart(config, state, len, out, error)
        });
        if let Some(node) = made {
            e.free_node(place);
            e.nodes[place].node = node;
        }
    };
    raft_node_free alone => |e, i| {
        let place = i.below(SLOTS);
        if i.chance(8) {
            e.free_node(place);
        }
    };
    raft_node_id => |e, i| {
        let node = e.node(i);
        // SAFETY: NULL, or a node that lives.
        assert_eq!(unsafe { raft_node_id(node) } == 0, node.is_null());
    };
    raft_node_bootstrap => |e, i| {
        let mut lists = Vec::new();
        let (peers, len) = e.list(i, &mut lists, |e, i| raft_peer {
            id: e.number(i),
            context: e.view(i),
        });
        node_call!(e, i, raft_node_bootstrap(peers, len));
    };
    raft_node_tick => |e, i| { node_call!(e, i, raft_node_tick()); };
    raft_node_tick_quiesced => |e, i| { node_call!(e, i, raft_node_tick_quiesced()); };
    raft_node_tick_many => |e, i| {
        // More would be the same, for hours.
        let ticks = i.below(40) as u32;
        node_call!(e, i, raft_node_tick_many(ticks));
    };
    raft_node_next_deadline => |e, i| {
        if let Some(ticks) = asks!(e, i, node, 0, raft_node_next_deadline()) {
            assert!(ticks > 0);
        }
    };
    raft_nodes_tick => |e, i| {
        const UNSET: raft_node_failure = raft_node_failure { index: 77, status: 77 };
        let mut lists = Vec::new();
        let (nodes, len) = e.list(i, &mut lists, |e, i| e.node(i));
        let (mut ready, mut failed, mut ready_len) = ([77; 4], [UNSET; 4], 77);
        let out = if i.chance(16) { null_mut() } else { ready.as_mut_ptr() };
        let bad = if i.chance(16) { null_mut() } else { failed.as_mut_ptr() };
        let ready_len_out = if i.chance(16) { null_mut() } else { &raw mut ready_len };
        let ticks = i.below(40) as u32;
        // SAFETY: see above.
        let failed_len = result(e, i, 77, |failed_len, error| unsafe {
            raft_nodes_tick(nodes, len, ticks, out, ready_len_out, bad, failed_len, error)
        });
        let (ready_len, failed_len) = match failed_len {
            Some(failed_len) => (ready_len, failed_len),
            None => (0, 0),
        };
        let mut told: Vec<u32> = ready[..ready_len].to_vec();
        told.extend(failed[..failed_len].iter().map(|failure| failure.index));
        assert!(failed[..failed_len].iter().all(|failure| failure.status != RAFT_OK));
        told.sort_unstable();
        assert!(told.is_sorted_by(|a, b| a < b) && told.iter().all(|&index| (index as usize) < len));
        assert!(ready[ready_len..].iter().all(|&index| index == 77));
        assert!(failed[failed_len..].iter().all(|failure| failure.index == 77));
    };
    raft_node_campaign => |e, i| { node_call!(e, i, raft_node_campaign()); };
    raft_node_propose => |e, i| {
        let (data, len) = e.data(i);
        node_call!(e, i, raft_node_propose(data, len));
    };
    raft_node_propose_many => |e, i| {
        let mut lists = Vec::new();
        let (list, len) = e.list(i, &mut lists, Env::view);
        node_call!(e, i, raft_node_propose_many(list, len));
    };
    raft_node_propose_conf_change => |e, i| {
        let (kind, id, (context, len)) = (e.kind(i), e.number(i), e.data(i));
        node_call!(e, i, raft_node_propose_conf_change(kind, id, context, len));
    };
    raft_node_propose_conf_change_encoded => |e, i| {
        let (kind, (data, len)) = (e.kind(i), e.data(i));
        node_call!(e, i, raft_node_propose_conf_change_encoded(kind, data, len));
    };
    raft_node_apply_conf_change => |e, i| {
        let (kind, (data, len)) = (e.kind(i), e.data(i));
        if let Some(state) = asks!(e, i, node, unset(), raft_node_apply_conf_change(kind, data, len)) {
            // SAFETY: the library has just given it.
            unsafe { views::conf_state(&*state) };
            keep(&mut e.states, state, raft_conf_state_free);
        }
    };
    raft_node_reject_conf_change => |e, i| { node_call!(e, i, raft_node_reject_conf_change()); };
    raft_node_conf_state => |e, i| {
        if let Some(state) = asks!(e, i, node, unset(), raft_node_conf_state()) {
            // SAFETY: the library has just given it.
            unsafe { views::conf_state(&*state) };
            keep(&mut e.states, state, raft_conf_state_free);
        }
    };
    raft_node_step => |e, i| {
        let (data, len) = e.data(i);
        node_call!(e, i, raft_node_step(data, len));
    };
    raft_node_step_many => |e, i| {
        let mut frames = Vec::new();
        for _ in 0..i.below(4) {
            let message = e.content(i);
            let len = message.len() + usize::from(i.chance(16));
            prost::encoding::encode_varint(len as u64, &mut frames);
            frames.extend(message);
        }
        let len = frames.len();
        let data = e.lend(frames);
        // Those before the one that is refused have been taken.
        node_call!(e, i, raft_node_step_many(data, len));
        e.failed = false;
    };
    raft_node_step_message => |e, i| {
        let mut lists = Vec::new();
        let (entries, entries_len) = e.list(i, &mut lists, |e, i| raft_entry {
            term: e.number(i),
            index: e.number(i),
            r#type: e.kind(i),
            data: e.view(i),
            encoded: if i.chance(8) { e.view(i) } else { raft_bytes { data: null(), len: 0 } },
        });
        let message = raft_message {
            to: e.number(i),
            from: e.number(i),
            term: e.number(i),
            log_term: e.number(i),
            index: e.number(i),
            commit: e.number(i),
            r#type: if i.chance(8) { i.any() } else { [3, 4, 8, 9][i.below(4)] },
            encoded: if i.chance(8) { e.view(i) } else { raft_bytes { data: null(), len: 0 } },
            entries,
            entries_len,
            ..raft_message::EMPTY
        };
        node_call!(e, i, raft_node_step_message(&message));
    };
    raft_node_read_index => |e, i| {
        let (context, len) = e.data(i);
        node_call!(e, i, raft_node_read_index(context, len));
    };
    raft_node_has_ready => |e, i| { asks!(e, i, node, false, raft_node_has_ready()); };
    raft_node_pending => |e, i| {
        if let Some(pending) = asks!(e, i, node, 0, raft_node_pending()) {
            assert!(matches!(pending, 0 | RAFT_PENDING_READY | 3));
        }
    };
    raft_node_rests_once_advanced => |e, i| {
        asks!(e, i, node, false, raft_node_rests_once_advanced());
    };
    raft_node_ready => |e, i| {
        let place = i.below(SLOTS);
        let node = e.nodes[place].node;
        // SAFETY: see above.
        let ready = result(e, i, null(), |out, error| unsafe { raft_node_ready(node, out, error) });
        e.lent(place, ready);
    };
    raft_node_next_ready => |e, i| {
        let place = i.below(SLOTS);
        let node = e.nodes[place].node;
        // SAFETY: see above.
        let ready = result(e, i, null(), |out, error| unsafe {
            raft_node_next_ready(node, out, error)
        });
        e.lent(place, ready.filter(|ready| !ready.is_null()));
    };
    raft_node_peek_ready => |e, i| {
        let place = i.below(SLOTS);
        let node = e.nodes[place].node;
        // SAFETY: see above.
        let ready = result(e, i, null(), |out, error| unsafe {
            raft_node_peek_ready(node, out, error)
        });
        e.lent(place, ready);
    };
    raft_node_accept_ready => |e, i| { node_call!(e, i, raft_node_accept_ready()); };
    raft_node_advance => |e, i| { node_call!(e, i, raft_node_advance()); };
    raft_node_request_snapshot => |e, i| { node_call!(e, i, raft_node_request_snapshot()); };
    raft_node_set_priority => |e, i| {
        let priority = i.any();
        node_call!(e, i, raft_node_set_priority(priority));
    };
    raft_node_set_inflight_limits => |e, i| {
        let (id, messages, bytes) = (e.number(i), small(i), e.number(i));
        node_call!(e, i, raft_node_set_inflight_limits(id, messages, bytes));
    };
    raft_node_set_max_apply_unpersisted_entries => |e, i| {
        let entries = e.number(i);
        node_call!(e, i, raft_node_set_max_apply_unpersisted_entries(entries));
    };
    raft_node_set_randomized_election_timeout => |e, i| {
        let ticks = small(i);
        node_call!(e, i, raft_node_set_randomized_election_timeout(ticks));
    };
    raft_node_enable_group_commit => |e, i| {
        let on = i.bool();
        node_call!(e, i, raft_node_enable_group_commit(on));
    };
    raft_node_assign_commit_groups => |e, i| {
        let mut lists = Vec::new();
        let (groups, len) = e.list(i, &mut lists, |e, i| raft_commit_group {
            id: e.number(i),
            group: i.below(4) as u64,
        });
        node_call!(e, i, raft_node_assign_commit_groups(groups, len));
    };
    raft_node_clear_commit_groups => |e, i| { node_call!(e, i, raft_node_clear_commit_groups()); };
    raft_node_group_commit_state => |e, i| { asks!(e, i, node, 77, raft_node_group_commit_state()); };
    raft_node_report_unreachable => |e, i| {
        let id = e.number(i);
        node_call!(e, i, raft_node_report_unreachable(id));
    };
    raft_node_report_snapshot => |e, i| {
        let (id, status) = (e.number(i), e.kind(i));
        node_call!(e, i, raft_node_report_snapshot(id, status));
    };
    raft_node_transfer_leader => |e, i| {
        let id = e.number(i);
        node_call!(e, i, raft_node_transfer_leader(id));
    };
    raft_node_forget_leader => |e, i| { node_call!(e, i, raft_node_forget_leader()); };
    raft_node_take_requests => |e, i| {
        let requests = asks!(e, i, node, null(), raft_node_take_requests());
        if let Some(requests) = requests.filter(|_| !e.is_shared) {
            // SAFETY: the node has just lent it.
            unsafe { views::requests(&*requests) };
        }
    };
    raft_node_provide_entries => |e, i| {
        let mut lists = Vec::new();
        let (entries, len) = e.list(i, &mut lists, Env::view);
        let request = e.number(i);
        node_call!(e, i, raft_node_provide_entries(request, entries, len));
        // A wrong answer is none: the core asks again.
        e.failed = false;
    };
    raft_node_read_failed => |e, i| {
        let (request, failure) = (e.number(i), e.kind(i));
        node_call!(e, i, raft_node_read_failed(request, failure));
    };
    raft_node_provide_snapshot => |e, i| {
        let (request, (data, len)) = (e.number(i), e.data(i));
        node_call!(e, i, raft_node_provide_snapshot(request, data, len));
        e.failed = false;
    };
    raft_node_snapshot_failed => |e, i| {
        let request = e.number(i);
        node_call!(e, i, raft_node_snapshot_failed(request));
    };
    raft_node_compacted => |e, i| {
        let index = e.number(i);
        node_call!(e, i, raft_node_compacted(index));
    };
    raft_node_record_note => |e, i| {
        let (text, len) = e.data(i);
        node_call!(e, i, raft_node_record_note(text, len));
    };
    raft_node_record_state => |e, i| {
        let node = e.node(i);
        let (mut state, mut bytes) = (77, 77);
        let state_out = if i.chance(16) { null_mut() } else { &raw mut state };
        let bytes_out = if i.chance(16) { null_mut() } else { &raw mut bytes };
        // SAFETY: see above.
        let done = attempt(e, i, |error| unsafe {
            raft_node_record_state(node, state_out, bytes_out, error)
        });
        assert!(done || (state, bytes) == (77, 77), "a result is written only on success");
    };
    raft_node_record_stop => |e, i| { node_call!(e, i, raft_node_record_stop()); };
    raft_node_record_take => |e, i| {
        let node = e.node(i);
        // SAFETY: see above.
        let taken = result(e, i, unset(), |out, error| unsafe {
            raft_node_record_take(node, out, error)
        });
        if let Some(buffer) = taken {
            // SAFETY: the library has just given it.
            let recording = unsafe { views::bytes(raft_buffer_bytes(buffer)) };
            e.know(recording);
            keep(&mut e.buffers, buffer, raft_buffer_free);
        }
    };
    raft_replay => |e, i| {
        let ((data, len), most) = (e.data(i), if i.bool() { 1 << 20 } else { e.number(i) });
        let mut readys = unset();
        let readys_out = if i.bool() { &raw mut readys } else { null_mut() };
        // SAFETY: see above.
        sized(e, i, |out, error| unsafe {
            raft_replay(data, len, most, readys_out, out, error)
        });
        if readys != unset() {
            keep(&mut e.buffers, readys, raft_buffer_free);
        }
    };
    raft_node_get_status => |e, i| {
        let node = e.node(i);
        // SAFETY: see above.
        sized(e, i, |out, error| unsafe { raft_node_get_status(node, out, error) });
    };
    raft_node_metrics => |e, i| {
        let node = e.node(i);
        // SAFETY: see above.
        sized(e, i, |out, error| unsafe { raft_node_metrics(node, out, error) });
    };
    raft_node_progress => |e, i| {
        let mut room = [const { MaybeUninit::<raft_progress>::uninit() }; 4];
        let (out, capacity) = match i.below(8) {
            0 => (null_mut(), 0),
            1 => (null_mut(), 3),
            2 => (room.as_mut_ptr().cast(), usize::MAX),
            3 => (room.as_mut_ptr().cast(), isize::MAX as usize / size_of::<raft_progress>() + 1),
            capacity => (room.as_mut_ptr().cast(), capacity - 4),
        };
        asks!(e, i, node, 77, raft_node_progress(out, capacity));
    };
    raft_node_status_encoded => |e, i| {
        if let Some(buffer) = asks!(e, i, node, unset(), raft_node_status_encoded()) {
            keep(&mut e.buffers, buffer, raft_buffer_free);
        }
    };

    raft_node_status_json => |e, i| {
        if let Some(buffer) = asks!(e, i, node, unset(), raft_node_status_json()) {
            is_text(buffer);
        }
    };
    raft_node_metrics_json => |e, i| {
        if let Some(buffer) = asks!(e, i, node, unset(), raft_node_metrics_json()) {
            is_text(buffer);
        }
    };
    raft_node_prometheus => |e, i| {
        let mut lists = Vec::new();
        let (labels, len) = e.list(i, &mut lists, label);
        if let Some(buffer) = asks!(e, i, node, unset(), raft_node_prometheus(labels, len)) {
            is_text(buffer);
        }
    };
    raft_exposition_new => |e, i| {
        // SAFETY: see above.
        if let Some(made) = result(e, i, unset(), |out, error| unsafe {
            raft_exposition_new(out, error)
        }) {
            keep(&mut e.expositions, made, raft_exposition_free);
        }
    };
    raft_exposition_add => |e, i| {
        let (exposition, node) = (some(&e.expositions, i), e.node(i));
        let mut lists = Vec::new();
        let (labels, len) = e.list(i, &mut lists, label);
        // SAFETY: see above.
        attempt(e, i, |error| unsafe { raft_exposition_add(exposition, node, labels, len, error) });
    };
    raft_exposition_text => |e, i| {
        let exposition = some(&e.expositions, i);
        // SAFETY: see above.
        if let Some(buffer) = result(e, i, unset(), |out, error| unsafe {
            raft_exposition_text(exposition, out, error)
        }) {
            is_text(buffer);
        }
    };
    raft_exposition_free => |e, i| free_one(&mut e.expositions, i, raft_exposition_free);
    raft_event_level => |e, i| {
        let event = event(e, i);
        // SAFETY: see above.
        let level = unsafe { raft_event_level(&event) };
        assert!((RAFT_LEVEL_DEBUG..=RAFT_LEVEL_WARN).contains(&level));
    };
    raft_event_text => |e, i| {
        let event = event(e, i);
        let given = if i.chance(16) { null() } else { &raw const event };
        // SAFETY: see above.
        if let Some(buffer) = result(e, i, unset(), |out, error| unsafe {
            raft_event_text(given, out, error)
        }) {
            is_text(buffer);
        }
    };
    raft_event_json => |e, i| {
        let event = event(e, i);
        let given = if i.chance(16) { null() } else { &raw const event };
        // SAFETY: see above.
        if let Some(buffer) = result(e, i, unset(), |out, error| unsafe {
            raft_event_json(given, out, error)
        }) {
            is_text(buffer);
        }
    };
};

impl Env {
    /// A node has lent its Ready, which ends the life of the one before.
    pub fn lent(&mut self, place: usize, ready: Option<*const raft::ready::raft_ready>) {
        let Some(ready) = ready.filter(|_| !self.is_shared) else {
            return;
        };
        self.nodes[place].ready = ready;
        // SAFETY: the node has just lent it.
        unsafe {
            views::ready(&*ready);
            let messages = views::messages((*ready).messages, (*ready).messages_len);
            for message in messages.iter().take(2) {
                let bytes = views::bytes(message.encoded).to_vec();
                self.know(&bytes);
            }
        }
    }
}
