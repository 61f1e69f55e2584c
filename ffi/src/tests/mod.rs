//! The C functions, called as a C program calls them.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every pointer that these tests pass was made a few lines above"
)]

mod arguments;
mod clusters;
mod events;
mod extensions;
mod hostile;
mod lent;
mod many;
mod numbers;
mod observing;
mod readys;
mod recordings;
mod settings;
mod stepping;
mod storages;
mod threads;

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use crate::bytes::*;
use crate::config::*;
use crate::error::*;
use crate::node::*;
use crate::node_status::raft_node_status;
use crate::ready::raft_ready;
use crate::status::*;
use crate::storage::*;

/// Calls a function that can fail, its last argument left out; panics with the message if it
/// does.
macro_rules! ok {
    ($function:ident($($arg:expr),* $(,)?)) => {{
        let mut error = std::ptr::null_mut();
        let status = unsafe { $function($($arg,)* &mut error) };
        assert_eq!(status, RAFT_OK, "{}: {}", stringify!($function), message(error));
        assert!(error.is_null(), "success leaves the error alone");
    }};
}

/// Calls a function that is to fail, and gives the code and the message.
macro_rules! err {
    ($function:ident($($arg:expr),* $(,)?)) => {{
        let mut error = std::ptr::null_mut();
        let status = unsafe { $function($($arg,)* &mut error) };
        assert_ne!(status, RAFT_OK, "{} succeeded", stringify!($function));
        assert_eq!(unsafe { raft_error_code(error) }, status);
        let words = message(error);
        assert!(!words.is_empty() && !words.contains('\n'));
        unsafe { raft_error_free(error) };
        (status, words)
    }};
}

pub(crate) use {err, ok};

fn message(error: *const raft_error) -> String {
    let text = unsafe { CStr::from_ptr(raft_error_message(error)) };
    text.to_str().expect("messages are UTF-8").to_owned()
}

fn bytes<'a>(view: raft_bytes) -> &'a [u8] {
    assert_eq!(view.data.is_null(), view.len == 0, "empty is NULL");
    unsafe { list(view.data, view.len) }
}

unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    unsafe { slice(data, len, "list") }.expect("what the library gives is well-formed")
}

fn view(bytes: &[u8]) -> raft_bytes {
    raft_bytes::of(bytes)
}

/// A configuration, freed at its end.
struct Settings(*mut raft_config);

impl Settings {
    fn new(id: u64) -> Settings {
        let mut config = null_mut();
        ok!(raft_config_new(id, &mut config));
        ok!(raft_config_set_seed(config, 7));
        Settings(config)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        unsafe { raft_config_free(self.0) };
    }
}

/// A node with its storage.
struct Host {
    node: *mut raft_node,
    storage: *mut raft_storage,
    applied: Vec<Vec<u8>>,
    reads: Vec<Vec<u8>>,
    /// Every Ready, each preceded by its length.
    seen: Vec<u8>,
    /// How many requests for entries and snapshots were in them.
    requests: usize,
}

impl Drop for Host {
    fn drop(&mut self) {
        unsafe {
            raft_node_free(self.node);
            raft_storage_free(self.storage);
        }
    }
}

impl Host {
    /// A node of a group of `voters`, on a fresh memory storage.
    fn new(settings: &Settings, voters: &[u64]) -> Host {
        Host::on(settings, memory(voters))
    }

    fn on(settings: &Settings, storage: *mut raft_storage) -> Host {
        let mut node = null_mut();
        ok!(raft_node_new(settings.0, storage, &mut node));
        Host {
            node,
            storage,
            applied: Vec::new(),
            reads: Vec::new(),
            seen: Vec::new(),
            requests: 0,
        }
    }

    /// The only voter of its group, elected, and with nothing left to do.
    fn leader() -> Host {
        let mut host = Host::new(&Settings::new(1), &[1]);
        ok!(raft_node_campaign(host.node));
        host.work();
        assert_eq!(host.status().role, crate::entry::RAFT_ROLE_LEADER);
        host
    }

    fn status(&self) -> raft_node_status {
        let mut status = unsafe { std::mem::zeroed::<raft_node_status>() };
        status.size = size_of::<raft_node_status>();
        ok!(raft_node_get_status(self.node, &mut status));
        status
    }

    fn everything(&self) -> Vec<u8> {
        let mut buffer = null_mut();
        ok!(raft_node_status_encoded(self.node, &mut buffer));
        let everything = bytes(unsafe { raft_buffer_bytes(buffer) }).to_vec();
        unsafe { raft_buffer_free(buffer) };
        everything
    }

    fn has_ready(&self) -> bool {
        let mut has = false;
        ok!(raft_node_has_ready(self.node, &mut has));
        has
    }

    fn ready(&self) -> &raft_ready {
        let mut ready = null();
        ok!(raft_node_ready(self.node, &mut ready));
        unsafe { &*ready }
    }

    fn propose(&self, data: &[u8]) {
        ok!(raft_node_propose(self.node, data.as_ptr(), data.len()));
    }

    /// Does all that the node asks for, and returns the messages that it has for others.
    fn work(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while self.has_ready() {
            let ready = self.ready();
            let encoded = bytes(ready.encoded).to_vec();
            let requests = ready.reads_len + ready.snapshot_requests_len;
            ok!(raft_storage_save(self.storage, ready));
            let sent = unsafe { list(ready.messages, ready.messages_len) };
            messages.extend(sent.iter().map(|message| bytes(message.encoded).to_vec()));
            let entries = unsafe { list(ready.committed_entries, ready.committed_entries_len) };
            let mut applied: Vec<_> = Vec::new();
            for entry in entries {
                match entry.r#type {
                    crate::entry::RAFT_ENTRY_NORMAL => applied.push(bytes(entry.data).to_vec()),
                    kind => ok!(raft_node_apply_conf_change(
                        self.node,
                        kind,
                        entry.data.data,
                        entry.data.len,
                        null_mut()
                    )),
                }
            }
            let states = unsafe { list(ready.read_states, ready.read_states_len) };
            let reads: Vec<_> = states
                .iter()
                .map(|state| bytes(state.context).to_vec())
                .collect();
            ok!(raft_node_advance(self.node));
            prost::encoding::encode_varint(encoded.len() as u64, &mut self.seen);
            self.seen.extend(encoded);
            self.requests += requests;
            self.applied
                .extend(applied.into_iter().filter(|data| !data.is_empty()));
            self.reads.extend(reads);
        }
        messages
    }
}

/// A fresh memory storage, with members if there are any.
fn memory(voters: &[u64]) -> *mut raft_storage {
    let mut storage = null_mut();
    ok!(raft_storage_memory_new(&mut storage));
    if !voters.is_empty() {
        bootstrap(storage, voters);
    }
    storage
}

fn bootstrap(storage: *mut raft_storage, voters: &[u64]) {
    ok!(raft_storage_bootstrap(
        storage,
        1,
        1,
        voters.as_ptr(),
        voters.len(),
        null(),
        0,
        b"first".as_ptr(),
        5
    ));
}

/// Numbers without a pattern, the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
