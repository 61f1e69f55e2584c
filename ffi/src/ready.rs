//! `raft_ready`: one batch of work for the host, written once.
//!
//! A Ready is encoded as protobuf into one buffer that the node owns and uses again. Each struct
//! that C sees is a view into it: an entry's bytes for the disk, a message's bytes for the wire.
//! The views are made while the buffer is filled; if it has to grow for that, they are made once more.
//! For a host that makes its own bytes (`raft_config_set_encode_readys`), or has the library store what is to be
//! stored (`raft_config_set_encode_entries`), the buffer has only the messages and a snapshot, or what the structs
//! can't tell, as with an entry that has explicit fields; and payloads are views of what the Ready itself has.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use libraft_core::codec::{self, Buffer, MessageWriter};
use libraft_core::{
    Dropped, Entry, Message, ReadRequest, ReadState, Ready, SnapshotRequest, proto::libraft as out,
};

use crate::bytes::raft_bytes;
use crate::config::Settings;
use crate::entry::{
    self, hard_state_view, pointer_to, raft_entry, raft_hard_state, raft_soft_state,
    soft_state_view,
};
use crate::error::Failure;
use crate::event::{raft_dropped, raft_event};
use crate::message::{self, raft_message};
use crate::snapshot::{self, raft_snapshot};

/// A read that may be served once `index` is applied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_read_state {
    /// The index to be applied first.
    pub index: u64,
    /// What raft_node_read_index() was given.
    pub context: raft_bytes,
}

/// The core asks for the stored entries [low, high): at least one of them, and beyond the first no
/// more than `max_bytes` of encoded entries. To be answered, at any later time, with
/// raft_node_provide_entries() or raft_node_read_failed().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_read_request {
    /// Names the request in the answer.
    pub id: u64,
    /// The first index wanted.
    pub low: u64,
    /// The index after the last one wanted.
    pub high: u64,
    /// The limit on encoded bytes.
    pub max_bytes: u64,
}

/// The core asks for a snapshot to send to a peer. To be answered, at any later time, with
/// raft_node_provide_snapshot() or raft_node_snapshot_failed().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_snapshot_request {
    /// Names the request in the answer.
    pub id: u64,
    /// The peer that needs it.
    pub to: u64,
    /// The lowest index that will do: the peer has asked for a snapshot of it
    /// (raft_node_request_snapshot()). 0 if any does.
    pub min_index: u64,
}

impl From<&Dropped> for raft_dropped {
    fn from(dropped: &Dropped) -> raft_dropped {
        raft_dropped {
            kind: dropped.kind as i32,
            reason: dropped.reason.number(),
            index: dropped.reason.index(),
            data: raft_bytes::of(&dropped.data),
        }
    }
}

impl From<&ReadRequest> for raft_read_request {
    fn from(read: &ReadRequest) -> raft_read_request {
        raft_read_request {
            id: read.id,
            low: read.low,
            high: read.high,
            max_bytes: read.max_bytes,
        }
    }
}

impl From<&SnapshotRequest> for raft_snapshot_request {
    fn from(request: &SnapshotRequest) -> raft_snapshot_request {
        raft_snapshot_request {
            id: request.id,
            to: request.to,
            min_index: request.min_index,
        }
    }
}

/// One batch of work for the host. In this order:
///
/// 1. persist `hard_state`, `entries` and `snapshot`, and sync if `must_sync`;
///    raft_storage_save() does all that;
/// 2. send `messages` (a leader may send its RAFT_MSG_APP before 1; nothing else may);
/// 3. apply `snapshot`, then `committed_entries`; serve `read_states` whose index is applied;
/// 4. tell those who wait for something in `dropped`; answer `reads` and `snapshot_requests`, or do so later;
/// 5. raft_node_advance(), or raft_node_next_ready(), which does that and takes the next one.
///
/// A storage that can't write all of step 1 at once writes in this order: `hard_state`'s term and
/// vote, with the commit index as it was; `snapshot`; the removal of what stands in the log in
/// place of which `snapshot` or `entries` come; `entries`; and the commit index last. A crash in
/// between then forgets no vote, leaves no entry of a term that the node has not seen, and no commit
/// index beyond the log. When it starts again, such a storage drops its log if that does not have
/// the last entry that its snapshot includes.
///
/// A pointer is NULL if there is nothing of its kind, and a list of length 0 is NULL. Everything
/// here is borrowed from the node until the next successful raft_node_ready(), raft_node_next_ready() or
/// raft_node_peek_ready() on it, or raft_node_free(). Other calls do not touch it, so that one
/// thread may persist and send while another feeds the node.
#[repr(C)]
#[derive(Debug)]
pub struct raft_ready {
    /// Present if the leader or the role has changed. Need not be persisted.
    pub soft_state: *const raft_soft_state,
    /// Present if it has changed.
    pub hard_state: *const raft_hard_state,
    /// To be persisted, in place of the stored log up to its index, and to be applied.
    pub snapshot: *const raft_snapshot,
    /// To be appended to the stored log, in place of what it has from the first one's index on.
    pub entries: *const raft_entry,
    /// How many there are.
    pub entries_len: usize,
    /// To be applied.
    pub committed_entries: *const raft_entry,
    /// How many there are.
    pub committed_entries_len: usize,
    /// To be sent, in this order for each recipient.
    pub messages: *const raft_message,
    /// How many there are.
    pub messages_len: usize,
    /// Reads that may be served once their index is applied.
    pub read_states: *const raft_read_state,
    /// How many there are.
    pub read_states_len: usize,
    /// Stored entries that the core needs. Empty for a node that reads from its own storage.
    pub reads: *const raft_read_request,
    /// How many there are.
    pub reads_len: usize,
    /// Snapshots that the core needs. Empty for a node that reads from its own storage.
    pub snapshot_requests: *const raft_snapshot_request,
    /// How many there are.
    pub snapshot_requests_len: usize,
    /// What the host was told was taken and will not happen: its configuration changes that the
    /// leader refused, its reads that a leader left unanswered; and what other nodes have dropped,
    /// see raft_config_set_peer_reports(). What may still happen is never here, and what a call has
    /// refused with an error is not either.
    pub dropped: *const raft_dropped,
    /// How many there are.
    pub dropped_len: usize,
    /// What has happened since the last Ready, for hosts that count or log. Events alone make no
    /// Ready: they come along with the next one, at most 256 of them. The oldest are lost, and
    /// counted (raft_metrics).
    pub events: *const raft_event,
    /// How many there are.
    pub events_len: usize,
    /// Whether `hard_state` and `entries` need a sync; false if only the commit index moved.
    pub must_sync: bool,
    /// The whole as protobuf, libraft.Ready. Empty if raft_config_set_encode_readys() or
    /// raft_config_set_encode_entries() is off.
    pub encoded: raft_bytes,
    /// For the library's own use.
    pub internal: *const c_void,
}

/// A Ready, its encoding, and the views into that. Of each list, the first ones are in use, as many as `view` says: it
/// keeps its length, so that a view is written where it is to be, without a look at the list's room: 15
/// instructions less for each.
#[repr(C)]
struct Content {
    view: raft_ready,
    soft_state: raft_soft_state,
    hard_state: raft_hard_state,
    snapshot: Option<raft_snapshot>,
    entries: Vec<raft_entry>,
    committed_entries: Vec<raft_entry>,
    messages: Vec<raft_message>,
    /// What is attached to them.
    responses: Vec<raft_message>,
    read_states: Vec<raft_read_state>,
    reads: Vec<raft_read_request>,
    snapshot_requests: Vec<raft_snapshot_request>,
    dropped: Vec<raft_dropped>,
    events: Vec<raft_event>,
    /// Whether any of the last four has something in it, or had in the last Ready.
    has_rest: bool,
    encoded: Buffer,
    encodes: Encoded,
    /// How many Readys in a row would have done with a quarter of its room.
    small_readys: u8,
    /// The last Ready, which keeps the member lists that `snapshot` points to and is what storage
    /// saves, and the one before, whose lists have room for the next. There are two, since the last
    /// one has to stay as it is if the next can't be taken; none is ever moved, as that takes 200
    /// instructions.
    readys: [Ready; 2],
    /// Whether the second of them is the last one.
    last_is_second: bool,
}

/// What of a Ready is encoded, beside what the structs can't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoded {
    All,
    Messages,
    Nothing,
}

impl Encoded {
    pub(crate) fn asked_for(settings: &Settings) -> Encoded {
        match (settings.encode_readys, settings.encode_entries) {
            (true, true) => Encoded::All,
            (true, false) => Encoded::Messages,
            (false, _) => Encoded::Nothing,
        }
    }
}

/// Where a node keeps its last Ready. A raw pointer rather than a Box, since a host reads the
/// content through its own copy of the pointer while the node is borrowed for something else.
#[derive(Debug)]
pub(crate) struct ReadyPlace(NonNull<Content>);

// SAFETY: the content is owned, and its pointers lead into itself, or into payloads and entries that the Ready
// in it holds, which nobody changes and which are counted atomically. Other threads read it only
// through the host's pointer, at times when the contract keeps `fill` and `drop` from running.
unsafe impl Send for ReadyPlace {}

impl Drop for ReadyPlace {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `new`, and dropped once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl ReadyPlace {
    pub(crate) fn new(encodes: Encoded) -> ReadyPlace {
        let content = Content {
            view: raft_ready::EMPTY,
            soft_state: soft_state_view(&Default::default()),
            hard_state: hard_state_view(&Default::default()),
            snapshot: None,
            entries: Vec::new(),
            committed_entries: Vec::new(),
            messages: Vec::new(),
            responses: Vec::new(),
            read_states: Vec::new(),
            reads: Vec::new(),
            snapshot_requests: Vec::new(),
            dropped: Vec::new(),
            events: Vec::new(),
            has_rest: false,
            encoded: Buffer::default(),
            encodes,
            small_readys: 0,
            readys: Default::default(),
            last_is_second: false,
        };
        ReadyPlace(NonNull::from(Box::leak(Box::new(content))))
    }

    /// What the buffer takes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        // SAFETY: owned by us, and the reference ends here.
        unsafe { self.0.as_ref() }.encoded.room()
    }

    /// The Ready to fill in next. What it holds is of no use any more, but for the room in its lists.
    pub(crate) fn spare(&mut self) -> &mut Ready {
        let place = self.0.as_ptr();
        // SAFETY: owned by us. No view leads into the spare, so that other threads have no business
        // with it, and the reference covers nothing else.
        unsafe { &mut (*place).readys[usize::from(!(*place).last_is_second)] }
    }

    /// Puts the spare Ready in the place of the last one, which ends the life of all views of that.
    pub(crate) fn fill(&mut self) -> *const raft_ready {
        let place = self.0.as_ptr();
        // SAFETY: owned by us, and by the contract of `raft_node_ready`, `raft_node_next_ready` and
        // `raft_node_peek_ready`, which are the only callers, no thread looks at it while they run.
        let content = unsafe { &mut *place };
        content.last_is_second = !content.last_is_second;
        content.fill();
        // SAFETY: as above. Not by way of the reference, which covers more than what each of these leads to.
        unsafe {
            let ready = &raw const (*place).readys[usize::from((*place).last_is_second)];
            (*place).view.internal = ready.cast();
            let (soft_state, hard_state) = (&(*ready).soft_state, &(*ready).hard_state);
            (*place).view.soft_state = present(soft_state, &raw const (*place).soft_state);
            (*place).view.hard_state = present(hard_state, &raw const (*place).hard_state);
            (*place).view.snapshot = match &(*place).snapshot {
                Some(snapshot) if (*ready).snapshot.is_some() => snapshot,
                _ => ptr::null(),
            };
        }
        // For a whole `Content`, of which the view is the first field.
        place.cast_const().cast()
    }
}

// The keys of the fields that most Readys have: a number, and that a length follows.
const HARD_STATE: u8 = 2 << 3 | 2;
const MESSAGE: u8 = 7 << 3 | 2;
const MUST_SYNC: u8 = 8 << 3;

/// A buffer that one large Ready has blown up is not kept for small ones; but to give it back between the
/// large ones of a stream would be to have its pages cleared for each anew.
const KEEP_BYTES: usize = 1 << 20;
/// So many small ones have to come in a row.
pub(crate) const KEEP_READYS: u8 = 16;

impl Content {
    fn fill(&mut self) {
        self.give_room_back();
        // The views lead to where the buffer stood before. If it has had to grow, that is elsewhere now;
        // seldom enough to write all once more, where that place would else be put into each view afterwards.
        loop {
            let room = self.encoded.room();
            self.encode();
            if self.encoded.room() == room {
                break;
            }
        }
    }

    /// Makes a buffer smaller that has long been too large.
    fn give_room_back(&mut self) {
        if self.encoded.room() > KEEP_BYTES {
            let is_small = self.encoded.len() < self.encoded.room() / 4;
            self.small_readys = if is_small { self.small_readys + 1 } else { 0 };
            if self.small_readys == KEEP_READYS {
                self.small_readys = 0;
                self.encoded.shrink_to(KEEP_BYTES);
            }
        }
    }

    /// Writes the fields of libraft.Ready in the order of their numbers, and makes views of them, which are
    /// good if the buffer's room is then as it was. Of the three that are no lists, the view tells in
    /// [`ReadyPlace::fill`].
    fn encode(&mut self) {
        // Compiled for each apart, so that nothing asks for it again: 10 instructions less for each message, and 20
        // for each Ready.
        match self.encodes {
            Encoded::All => self.encode_of(Encoded::All),
            other => self.encode_of(other),
        }
    }

    #[inline(always)]
    fn encode_of(&mut self, encodes: Encoded) {
        self.encoded.clear();
        let base = self.encoded.as_ptr();
        let encodes_all = encodes == Encoded::All;
        let ready = &self.readys[usize::from(self.last_is_second)];
        let (view, buffer) = (&mut self.view, &mut self.encoded);

        if let Some(state) = &ready.soft_state {
            self.soft_state = soft_state_view(state);
            if encodes_all {
                let (leader, role) = (state.leader, state.role as i32);
                buffer.put_field(1, &out::SoftState { leader, role });
            }
        }
        if let Some(state) = &ready.hard_state {
            self.hard_state = hard_state_view(state);
            if encodes_all {
                buffer.push(HARD_STATE);
                codec::encode_hard_state_delimited(state, buffer);
            }
        }
        (view.read_states, view.read_states_len) = (ptr::null(), 0);
        if !ready.read_states.is_empty() {
            let (states, views) = (&ready.read_states, &mut self.read_states);
            view_read_states(states, encodes_all, base, buffer, views);
            view.read_states = self.read_states.as_ptr();
            view.read_states_len = self.read_states.len();
        }
        let start = buffer.len();
        let number = encodes_all.then_some(4);
        let entries = view_entries(&ready.entries, number, base, buffer, &mut self.entries);
        (view.entries, view.entries_len) = (pointer_to(entries), entries.len());
        let mut writer = match encodes_all {
            true => MessageWriter::behind(&ready.entries, start..buffer.len()),
            false => MessageWriter::default(),
        };
        if let Some(snapshot) = &ready.snapshot {
            let place = buffer.put_field(5, &codec::snapshot_to_proto(snapshot));
            let encoded = raft_bytes::at(base, place);
            self.snapshot = Some(snapshot::view_of(snapshot, encoded));
        }
        let number = encodes_all.then_some(6);
        let (list, views) = (&ready.committed_entries, &mut self.committed_entries);
        let committed = view_entries(list, number, base, buffer, views);
        view.committed_entries = pointer_to(committed);
        view.committed_entries_len = committed.len();

        let messages = places(
            &mut self.messages,
            ready.messages.len(),
            raft_message::EMPTY,
        );
        let mut some_have_more = false;
        for (message, view) in ready.messages.iter().zip(&mut *messages) {
            if encodes == Encoded::Nothing
                && let Some(brought) = message::plain(message, &ready.entries)
            {
                view.show(message, raft_bytes::EMPTY);
                let brought = &entries[brought];
                (view.entries, view.entries_len) = (pointer_to(brought), brought.len());
                continue;
            }
            if encodes_all {
                buffer.push(MESSAGE);
            }
            let start = writer.put(message, buffer);
            some_have_more |= view.show(message, raft_bytes::at(base, start..buffer.len()));
        }
        if some_have_more {
            view_more(&ready.messages, messages, &mut self.responses);
        }
        (view.messages, view.messages_len) = (pointer_to(messages), messages.len());
        if ready.must_sync && encodes_all {
            buffer.extend(&[MUST_SYNC, 1]);
        }
        view.must_sync = ready.must_sync;
        // Nearly always there is nothing of it, as the last time: 60 instructions.
        if self.has_rest || has_rest(ready) {
            self.encode_rest(base);
        }
        self.view.encoded = match encodes {
            Encoded::All => raft_bytes::of(self.encoded.as_slice()),
            _ => raft_bytes::EMPTY,
        };
    }

    /// What seldom is in a Ready: the fields from 9 on, and the views of them.
    #[inline(never)]
    fn encode_rest(&mut self, base: *const u8) {
        let ready = &self.readys[usize::from(self.last_is_second)];
        self.has_rest = has_rest(ready);
        show(&mut self.reads, &ready.reads);
        show(&mut self.snapshot_requests, &ready.snapshot_requests);
        show(&mut self.dropped, &ready.dropped);
        show(&mut self.events, &ready.events);
        if self.encodes == Encoded::All {
            let mut dropped = self.dropped.iter_mut();
            codec::encode_seldom_fields(ready, &mut self.encoded, |data| {
                if let Some(view) = dropped.next() {
                    view.data = raft_bytes::at(base, data);
                }
            });
        }
        let view = &mut self.view;
        view.reads = pointer_to(&self.reads);
        view.reads_len = self.reads.len();
        view.snapshot_requests = pointer_to(&self.snapshot_requests);
        view.snapshot_requests_len = self.snapshot_requests.len();
        view.dropped = pointer_to(&self.dropped);
        view.dropped_len = self.dropped.len();
        view.events = pointer_to(&self.events);
        view.events_len = self.events.len();
    }
}

/// Makes views of what is in a list.
fn show<'a, T, V: From<&'a T>>(views: &mut Vec<V>, list: &'a [T]) {
    views.clear();
    views.extend(list.iter().map(V::from));
}

/// Whether there is any of what [`Content::encode_rest`] writes.
fn has_rest(ready: &Ready) -> bool {
    !(ready.reads.is_empty()
        && ready.snapshot_requests.is_empty()
        && ready.dropped.is_empty()
        && ready.events.is_empty())
}

/// The first places of a list, so many. What stands there is of no use any more.
#[inline]
fn places<T: Clone>(list: &mut Vec<T>, len: usize, nothing: T) -> &mut [T] {
    if list.len() < len {
        add_places(list, len, nothing);
    }
    &mut list[..len]
}

#[cold]
#[inline(never)]
fn add_places<T: Clone>(list: &mut Vec<T>, len: usize, nothing: T) {
    list.resize(len, nothing);
}

/// Makes views of entries: written as fields of this number; or, without one, leading to where they are.
#[inline]
fn view_entries<'a>(
    entries: &[Entry],
    number: Option<u8>,
    base: *const u8,
    buffer: &mut Buffer,
    views: &'a mut Vec<raft_entry>,
) -> &'a [raft_entry] {
    let views = places(views, entries.len(), raft_entry::EMPTY);
    match number {
        Some(number) if !entries.is_empty() => encode_entries(entries, number, base, buffer, views),
        Some(_) => {}
        None => {
            for (entry, view) in entries.iter().zip(&mut *views) {
                view.show(entry, base, buffer);
            }
        }
    }
    views
}

#[inline(never)]
fn encode_entries(
    entries: &[Entry],
    number: u8,
    base: *const u8,
    buffer: &mut Buffer,
    views: &mut [raft_entry],
) {
    let mut views = views.iter_mut();
    codec::encode_entry_fields(entries, number, buffer, |entry, place| {
        if let Some(view) = views.next() {
            *view = entry::view_of(entry, raft_bytes::at(base, place));
        }
    });
}

#[cold]
fn view_read_states(
    states: &[ReadState],
    encodes: bool,
    base: *const u8,
    buffer: &mut Buffer,
    views: &mut Vec<raft_read_state>,
) {
    views.clear();
    for state in states {
        let mut context = raft_bytes::of(&state.context);
        if encodes {
            let message = out::ReadState {
                index: state.index,
                context: state.context.clone(),
            };
            let end = buffer.put_field(3, &message).end;
            // The context is the last field.
            context = raft_bytes::at(base, end - state.context.len()..end);
        }
        let index = state.index;
        views.push(raft_read_state { index, context });
    }
}

/// Adds to views what few messages have.
#[cold]
fn view_more(messages: &[Message], views: &mut [raft_message], responses: &mut Vec<raft_message>) {
    responses.clear();
    for (message, view) in messages.iter().zip(&mut *views) {
        message::view_more(message, view, responses);
    }
    for view in views {
        view.attach(responses);
    }
}

fn present<T, V>(value: &Option<T>, view: *const V) -> *const V {
    match value {
        Some(_) => view,
        None => ptr::null(),
    }
}

impl raft_ready {
    const EMPTY: raft_ready = raft_ready {
        soft_state: ptr::null(),
        hard_state: ptr::null(),
        snapshot: ptr::null(),
        entries: ptr::null(),
        entries_len: 0,
        committed_entries: ptr::null(),
        committed_entries_len: 0,
        messages: ptr::null(),
        messages_len: 0,
        read_states: ptr::null(),
        read_states_len: 0,
        reads: ptr::null(),
        reads_len: 0,
        snapshot_requests: ptr::null(),
        snapshot_requests_len: 0,
        dropped: ptr::null(),
        dropped_len: 0,
        events: ptr::null(),
        events_len: 0,
        must_sync: false,
        encoded: raft_bytes::EMPTY,
        internal: ptr::null(),
    };

    /// The core's Ready that this is a view of, for storage.
    pub(crate) fn core(&self) -> Result<&Ready, Failure> {
        let ready: *const Ready = self.internal.cast();
        if ready.is_null() {
            return Err(Failure::argument(
                "ready was not made by raft_node_ready: pass what it lent, unchanged, and no copy of the struct",
            ));
        }
        // SAFETY: what a node filled in leads to its Ready, which lives as long as the view is
        // valid; a host has no business with the field, as its documentation says. The reference is
        // to that Ready alone: another thread may be in a raft_node_ready() meanwhile which fails,
        // and has filled in the spare on the way.
        Ok(unsafe { &*ready })
    }
}
