//! The handles that there are, and arguments of every kind.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use raft::bytes::{raft_buffer, raft_buffer_bytes, raft_buffer_free, raft_bytes};
use raft::conf_change::raft_conf_change;
use raft::conf_state::raft_conf_state;
use raft::config::{raft_config, raft_config_free};
use raft::entry::{raft_entries, raft_hard_state};
use raft::error::*;
use raft::node::{raft_node, raft_node_free, raft_node_status_encoded};
use raft::observe::{raft_exposition, raft_exposition_free};
use raft::ready::raft_ready;
use raft::snapshot::raft_snapshot;
use raft::status::*;
use raft::storage::*;

use crate::input::Input;
use crate::messages::{self, Around};

use super::views;

/// How many handles of a kind there are at most.
pub const SLOTS: usize = 3;

/// A node, with what it was made on and what it has last lent.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub node: *mut raft_node,
    /// The slot of its storage, if it is on one.
    pub on: Option<usize>,
    pub ready: *const raft_ready,
}

const NO_NODE: Node = Node {
    node: null_mut(),
    on: None,
    ready: null(),
};

#[derive(Debug)]
pub struct Env {
    pub configs: [*mut raft_config; SLOTS],
    pub storages: [*mut raft_storage; SLOTS],
    pub nodes: [Node; SLOTS],
    pub errors: Vec<*mut raft_error>,
    pub buffers: Vec<*mut raft_buffer>,
    pub entries: Vec<*mut raft_entries>,
    pub snapshots: Vec<*mut raft_snapshot>,
    pub changes: Vec<*mut raft_conf_change>,
    pub states: Vec<*mut raft_conf_state>,
    pub expositions: Vec<*mut raft_exposition>,
    /// Bytes that the library has given out.
    pub known: Vec<Vec<u8>>,
    /// What a call borrows.
    pub scratch: Vec<Vec<u8>>,
    /// The function that is being called, if it is one of the table's.
    pub called: Option<&'static str>,
    /// Whether a call of this event has failed.
    pub failed: bool,
    /// Whether another thread uses the same handles.
    pub is_shared: bool,
    /// How many directories have been opened.
    pub opened: usize,
}

// SAFETY: the handles may be used by any thread, as the header says; that is under test.
unsafe impl Send for Env {}

impl Default for Env {
    fn default() -> Env {
        Env {
            configs: [null_mut(); SLOTS],
            storages: [null_mut(); SLOTS],
            nodes: [NO_NODE; SLOTS],
            errors: Vec::new(),
            buffers: Vec::new(),
            entries: Vec::new(),
            snapshots: Vec::new(),
            changes: Vec::new(),
            states: Vec::new(),
            expositions: Vec::new(),
            known: Vec::new(),
            scratch: Vec::new(),
            called: None,
            failed: false,
            is_shared: false,
            opened: 0,
        }
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        self.free_results();
        if self.is_shared {
            return;
        }
        for place in 0..SLOTS {
            self.free_node(place);
            self.free_storage(place);
            // SAFETY: made by the library, and freed once.
            unsafe { raft_config_free(self.configs[place]) };
        }
        if self.opened > 0 {
            let _ = std::fs::remove_dir_all(directory());
        }
    }
}

/// Where storages may be opened; in memory, where there is such a place.
fn directory() -> &'static std::path::Path {
    static DIRECTORY: OnceLock<std::path::PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| crate::scratch::directory("abi"))
}

/// What belongs to the caller is freed as it has to be.
macro_rules! free_all {
    ($list:expr, $free:path) => {
        for object in $list.drain(..) {
            // SAFETY: made by the library, and freed once.
            unsafe { $free(object) };
        }
    };
}

impl Env {
    pub fn free_results(&mut self) {
        free_all!(self.errors, raft_error_free);
        free_all!(self.buffers, raft_buffer_free);
        free_all!(self.entries, raft::entry::raft_entries_free);
        free_all!(self.snapshots, raft::snapshot::raft_snapshot_free);
        free_all!(self.changes, raft::conf_change::raft_conf_change_free);
        free_all!(self.states, raft::conf_state::raft_conf_state_free);
        free_all!(self.expositions, raft_exposition_free);
    }

    pub fn free_node(&mut self, place: usize) {
        let node = std::mem::replace(&mut self.nodes[place], NO_NODE);
        // SAFETY: made by the library, freed once, and in no other thread's use.
        unsafe { raft_node_free(node.node) };
    }

    pub fn free_storage(&mut self, place: usize) {
        let storage = std::mem::replace(&mut self.storages[place], null_mut());
        // SAFETY: as above.
        unsafe { raft_storage_free(storage) };
        for node in &mut self.nodes {
            node.on = node.on.filter(|&on| on != place);
        }
    }

    /// The same handles, for another thread.
    pub fn shared(&self) -> Env {
        let mut env = Env::default();
        (env.configs, env.storages, env.nodes) = (self.configs, self.storages, self.nodes);
        env.forget_views();
        env.known.clone_from(&self.known);
        env.is_shared = true;
        env
    }

    /// Another thread may have ended the life of what the nodes have lent.
    pub fn forget_views(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.ready = null());
    }

    /// All that can be seen of nodes and storages.
    pub fn state(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for node in self.nodes.iter().filter(|node| !node.node.is_null()) {
            let mut buffer = null_mut();
            // SAFETY: a node, and a place for the result.
            let status = unsafe { raft_node_status_encoded(node.node, &mut buffer, null_mut()) };
            if status == RAFT_OK {
                all.push(taken(buffer));
            }
        }
        for &storage in self.storages.iter().filter(|storage| !storage.is_null()) {
            let mut buffer = null_mut();
            // SAFETY: a storage, and a place for the result.
            let status = unsafe { raft_storage_restart_state(storage, &mut buffer, null_mut()) };
            assert_eq!(status, RAFT_OK);
            all.push(taken(buffer));
        }
        all
    }

    /// Keeps what the library has given out, for later.
    pub fn know(&mut self, bytes: &[u8]) {
        if self.known.len() >= 24 {
            self.known.remove(0);
        }
        self.known.push(bytes.to_vec());
    }

    /// Takes the outcome of a call that can fail: the code, the error if one was asked for, and
    /// whether the call has kept away from its results. Returns whether it has succeeded.
    pub fn outcome(&mut self, status: raft_status, asked: bool, error: *mut raft_error) -> bool {
        // SAFETY: a name is a string that lives for ever.
        let name = unsafe { CStr::from_ptr(raft_status_name(status)) };
        assert_ne!(status, RAFT_ERR_PANIC, "the library has panicked");
        assert!(!name.is_empty(), "{status} is no code");
        if let Some(function) = self.called.filter(|_| status != RAFT_OK) {
            super::contract::check(function, name.to_str().expect("names are ASCII"));
        }
        assert_eq!(!error.is_null(), asked && status != RAFT_OK, "{name:?}");
        self.failed |= status != RAFT_OK;
        if !error.is_null() {
            // SAFETY: an error that the library has just made.
            unsafe {
                assert_eq!(raft_error_code(error), status);
                let text = CStr::from_ptr(raft_error_message(error));
                let text = text.to_str().expect("messages are UTF-8");
                assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
                let _ = raft_error_drop_reason(error);
            }
            self.errors.push(error);
        }
        status == RAFT_OK
    }

    // Arguments.

    pub fn config(&self, input: &mut Input) -> *mut raft_config {
        self.configs[input.below(SLOTS)]
    }

    pub fn storage(&self, input: &mut Input) -> *mut raft_storage {
        self.storages[input.below(SLOTS)]
    }

    pub fn node(&self, input: &mut Input) -> *mut raft_node {
        self.nodes[input.below(SLOTS)].node
    }

    /// Some bytes: what the library has given out, a little damaged or not; a message; anything.
    pub fn content(&mut self, input: &mut Input) -> Vec<u8> {
        match input.below(8) {
            0..=3 if !self.known.is_empty() => {
                let place = input.below(self.known.len());
                let mut bytes = self.known[place].clone();
                if input.chance(3) && !bytes.is_empty() {
                    let place = input.below(bytes.len());
                    bytes[place] = input.byte();
                }
                bytes
            }
            4 | 5 => {
                let around = Around {
                    id: 1 + input.below(SLOTS) as u64,
                    term: 1 + input.below(4) as u64,
                    indexes: [1, 2, 3, 8],
                    terms: [1, 2, 3],
                };
                let message = messages::message(input, &around);
                libraft_core::codec::encode_message(&message)
            }
            6 => libraft_core::codec::encode_conf_change_v2(&messages::conf_change(input)),
            7 => libraft_core::codec::encode_conf_state(&messages::conf_state(input)),
            _ => {
                let len = input.below(24);
                input.bytes(len).to_vec()
            }
        }
    }

    /// A pointer and a length, mostly to something.
    pub fn data(&mut self, input: &mut Input) -> (*const u8, usize) {
        match input.byte() {
            0..=15 => (null(), 0),
            16..=23 => (null(), 1 + input.below(9)),
            24..=31 => {
                let place = self.lend(vec![7; 8]);
                (place, beyond(input, 1))
            }
            32..=39 => (self.lend(vec![7; 8]), 0),
            _ => {
                let content = self.content(input);
                let len = content.len();
                (self.lend(content), len)
            }
        }
    }

    /// Keeps bytes for the time of a call.
    pub fn lend(&mut self, bytes: Vec<u8>) -> *const u8 {
        self.scratch.push(bytes);
        self.scratch.last().map_or(null(), |bytes| bytes.as_ptr())
    }

    /// A list of structs, and how long it is.
    pub fn list<T: Copy>(
        &mut self,
        input: &mut Input,
        lists: &mut Vec<Vec<T>>,
        mut item: impl FnMut(&mut Env, &mut Input) -> T,
    ) -> (*const T, usize) {
        if input.chance(16) {
            return (null(), input.below(3));
        }
        let list: Vec<T> = (0..input.below(5)).map(|_| item(self, input)).collect();
        let len = match input.chance(24) {
            true => beyond(input, size_of::<T>()),
            false => list.len(),
        };
        lists.push(list);
        (lists[lists.len() - 1].as_ptr(), len)
    }

    pub fn view(&mut self, input: &mut Input) -> raft_bytes {
        let (data, len) = self.data(input);
        raft_bytes { data, len }
    }

    /// The number of something, or of nothing.
    pub fn kind(&self, input: &mut Input) -> i32 {
        match input.byte() {
            0..=223 => input.below(6) as i32,
            224..=239 => -1,
            _ => input.any(),
        }
    }

    pub fn number(&self, input: &mut Input) -> u64 {
        input.number_near(&[1, 2, 4, 8])
    }

    pub fn hard_state(&self, input: &mut Input) -> raft_hard_state {
        raft_hard_state {
            term: self.number(input),
            vote: self.number(input),
            commit: self.number(input),
        }
    }

    /// A path within the directory for such things, or one that can't be.
    pub fn path(&mut self, input: &mut Input) -> (Option<CString>, *const c_char) {
        let path = match input.below(6) {
            0 => return (None, null()),
            1 => [directory().as_os_str().as_encoded_bytes(), b"/\xff\xfe"].concat(),
            2 => [
                directory().as_os_str().as_encoded_bytes(),
                b"/",
                &[b'x'; 300],
            ]
            .concat(),
            number => {
                let name = format!("/{}", number % 2);
                [directory().as_os_str().as_encoded_bytes(), name.as_bytes()].concat()
            }
        };
        self.opened += 1;
        let path = CString::new(path).expect("there is no zero in it");
        let place = path.as_ptr();
        (Some(path), place)
    }
}

/// A length of items of this size that no object has.
fn beyond(input: &mut Input, size: usize) -> usize {
    let most = isize::MAX as usize / size;
    let lengths = [
        most + 1,
        usize::MAX,
        usize::MAX / 2 + 1,
        most.wrapping_add(usize::from(input.byte()) + 1),
    ];
    input.choose(&lengths)
}

/// The bytes of a buffer, which is freed.
pub fn taken(buffer: *mut raft_buffer) -> Vec<u8> {
    // SAFETY: a buffer that the library has just given, freed once.
    unsafe {
        let bytes = views::bytes(raft_buffer_bytes(buffer)).to_vec();
        raft_buffer_free(buffer);
        bytes
    }
}
