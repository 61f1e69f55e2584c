//! `raft_entry` and lists of them, `raft_hard_state`, `raft_soft_state`.

use bytes::Bytes;
use libraft_core::codec::{self, Buffer, PayloadBlock};
use libraft_core::proto::raftpb;
use libraft_core::{Entry, EntryKind, Explicit, HardState, MAX_POSITION, SoftState};
use prost::Message as _;

use crate::bytes::{copied, raft_bytes, slice};
use crate::error::Failure;

/// What an entry's data means: one of the RAFT_ENTRY_ numbers, which are those of
/// raftpb.EntryType.
pub type raft_entry_type = i32;

/// The host's own command; or nothing, in the first entry of each term.
pub const RAFT_ENTRY_NORMAL: raft_entry_type = 0;
/// An encoded raftpb.ConfChange.
pub const RAFT_ENTRY_CONF_CHANGE: raft_entry_type = 1;
/// An encoded raftpb.ConfChangeV2. Empty data is valid: it leaves a joint configuration.
pub const RAFT_ENTRY_CONF_CHANGE_V2: raft_entry_type = 2;

/// An entry of the replicated log.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_entry {
    /// The term of the leader that created it.
    pub term: u64,
    /// Its position in the log; the first one is 1.
    pub index: u64,
    /// What its data means.
    pub r#type: raft_entry_type,
    /// The payload: a part of `encoded`, if that is there.
    pub data: raft_bytes,
    /// The whole entry as raftpb.Entry: the bytes to put on disk. Empty if there is nothing to it but what
    /// stands above, and raft_config_set_encode_readys() or
    /// raft_config_set_encode_entries() is off.
    pub encoded: raft_bytes,
}

/// What has to be on stable storage before a node answers anybody.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_hard_state {
    /// The latest term that the node has seen.
    pub term: u64,
    /// The candidate that got the node's vote in that term, 0 if nobody did.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// The part that a node plays in its term: one of the RAFT_ROLE_ numbers.
pub type raft_role = i32;

/// Answers a leader or waits for one.
pub const RAFT_ROLE_FOLLOWER: raft_role = 0;
/// Asks for votes in a new term.
pub const RAFT_ROLE_CANDIDATE: raft_role = 1;
/// Replicates its log to the others.
pub const RAFT_ROLE_LEADER: raft_role = 2;
/// Asks whether it could win an election, without starting a term.
pub const RAFT_ROLE_PRE_CANDIDATE: raft_role = 3;

/// The state that a restart makes anew.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_soft_state {
    /// The leader's id, 0 when none is known.
    pub leader: u64,
    /// The node's own role.
    pub role: raft_role,
}

/// Entries that belong to the caller, who frees them with raft_entries_free().
#[repr(C)]
#[derive(Debug)]
pub struct raft_entries {
    /// The entries, by ascending index; NULL when there are none.
    pub entries: *const raft_entry,
    /// How many there are.
    pub entries_len: usize,
}

/// What a `raft_entries` is the head of.
#[repr(C)]
struct OwnedEntries {
    head: raft_entries,
    views: Vec<raft_entry>,
    encoded: Vec<u8>,
}

impl raft_entries {
    /// A list for the caller.
    pub(crate) fn give(entries: &[Entry]) -> *mut raft_entries {
        let mut encoded = Vec::with_capacity(entries.iter().map(codec::entry_encoded_len).sum());
        let ends: Vec<usize> = entries
            .iter()
            .map(|entry| {
                codec::entry_to_proto(entry)
                    .encode(&mut encoded)
                    .expect("a Vec takes any number of bytes");
                encoded.len()
            })
            .collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let views: Vec<raft_entry> = entries
            .iter()
            .zip(starts.zip(&ends))
            .map(|(entry, (start, &end))| {
                view_of(entry, raft_bytes::at(encoded.as_ptr(), start..end))
            })
            .collect();
        let head = raft_entries {
            entries: pointer_to(&views),
            entries_len: views.len(),
        };
        Box::into_raw(Box::new(OwnedEntries {
            head,
            views,
            encoded,
        }))
        .cast()
    }
}

export! {
    /// Frees a list of entries. NULL is ignored.
    ///
    /// Memory: `entries` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_entries_free(entries: *mut raft_entries) {
        if !entries.is_null() {
            // SAFETY: the caller passes what `raft_entries::give` made, once; the head is the
            // first field of an `OwnedEntries` with C layout, and the pointer was made for all
            // of it.
            let owned = unsafe { Box::from_raw(entries.cast::<OwnedEntries>()) };
            drop((owned.views, owned.encoded));
        }
    }
}

/// A view of an entry, which stands at `encoded`.
#[inline]
pub(crate) fn view_of(entry: &Entry, encoded: raft_bytes) -> raft_entry {
    raft_entry {
        term: entry.term,
        index: entry.index,
        r#type: entry.kind as i32,
        // The data is the last field of an encoded entry.
        data: encoded.last(entry.data.len()),
        encoded,
    }
}

impl raft_entry {
    /// A view of nothing.
    pub(crate) const EMPTY: raft_entry = raft_entry {
        term: 0,
        index: 0,
        r#type: RAFT_ENTRY_NORMAL,
        data: raft_bytes::EMPTY,
        encoded: raft_bytes::EMPTY,
    };

    /// Makes any view one that leads to the entry's own payload, which stays where it is. Only an entry with fields
    /// of which a view does not tell, as few have, is written to the buffer, which stands at `base`, and seen
    /// there.
    #[inline]
    pub(crate) fn show(&mut self, entry: &Entry, base: *const u8, buffer: &mut Buffer) {
        if entry.explicit != Explicit::default() {
            return self.show_encoded(entry, base, buffer);
        }
        self.term = entry.term;
        self.index = entry.index;
        self.r#type = entry.kind as i32;
        self.data = raft_bytes::of(&entry.data);
        self.encoded = raft_bytes::EMPTY;
    }

    #[cold]
    fn show_encoded(&mut self, entry: &Entry, base: *const u8, buffer: &mut Buffer) {
        let start = codec::encode_entry_delimited(entry, buffer);
        *self = view_of(entry, raft_bytes::at(base, start..buffer.len()));
    }

    /// Whether its numbers and its payload tell all, and make an entry that has a place in a log.
    pub(crate) fn is_plain(&self) -> bool {
        self.encoded.len == 0
            && self.index > 0
            && self.term.max(self.index) <= MAX_POSITION
            && kind_of(self.r#type).is_some()
    }

    /// The entry that a plain view tells, the inverse of [`raft_entry::show`].
    ///
    /// # Safety
    /// As for [`slice`], for its payload.
    pub(crate) unsafe fn read(&self, payloads: &mut PayloadBlock) -> Result<Entry, Failure> {
        // SAFETY: the same contract.
        let data = unsafe { slice(self.data.data, self.data.len, "data") }?;
        Ok(Entry {
            term: self.term,
            index: self.index,
            kind: kind_of(self.r#type).unwrap_or_default(),
            data: payloads.copied(data),
            ..Entry::default()
        })
    }

    /// A copy of its bytes, which are made if they are not there.
    ///
    /// # Safety
    /// As for [`slice`], for them and for its payload.
    pub(crate) unsafe fn bytes(&self) -> Result<Bytes, Failure> {
        if self.encoded.len > 0 {
            // SAFETY: the same contract.
            return unsafe { copied(self.encoded.data, self.encoded.len, "encoded") };
        }
        // SAFETY: the same contract.
        let data = unsafe { copied(self.data.data, self.data.len, "data") }?;
        let entry = raftpb::Entry {
            r#type: (self.r#type != RAFT_ENTRY_NORMAL).then_some(self.r#type),
            term: Some(self.term),
            index: Some(self.index),
            data: (!data.is_empty()).then_some(data),
        };
        Ok(entry.encode_to_vec().into())
    }
}

fn kind_of(number: raft_entry_type) -> Option<EntryKind> {
    match number {
        RAFT_ENTRY_NORMAL => Some(EntryKind::Normal),
        RAFT_ENTRY_CONF_CHANGE => Some(EntryKind::ConfChange),
        RAFT_ENTRY_CONF_CHANGE_V2 => Some(EntryKind::ConfChangeV2),
        _ => None,
    }
}

/// Where a list begins, NULL for an empty one.
pub(crate) fn pointer_to<T>(list: &[T]) -> *const T {
    match list {
        [] => std::ptr::null(),
        list => list.as_ptr(),
    }
}

pub(crate) fn hard_state_view(state: &HardState) -> raft_hard_state {
    raft_hard_state {
        term: state.term,
        vote: state.vote,
        commit: state.commit,
    }
}

impl From<raft_hard_state> for HardState {
    fn from(state: raft_hard_state) -> HardState {
        HardState {
            term: state.term,
            vote: state.vote,
            commit: state.commit,
        }
    }
}

pub(crate) fn soft_state_view(state: &SoftState) -> raft_soft_state {
    raft_soft_state {
        leader: state.leader,
        role: state.role as i32,
    }
}

/// The entries of which a caller passed the encoded forms.
pub(crate) fn decode_entries(encoded: Vec<Bytes>) -> Result<Vec<Entry>, Failure> {
    Ok(encoded
        .into_iter()
        .map(codec::decode_entry)
        .collect::<Result<_, _>>()?)
}

/// An entry to propose, with data or without.
pub(crate) fn proposal(data: Option<Bytes>) -> Entry {
    Entry {
        explicit: Explicit {
            data: data.as_ref().is_some_and(Bytes::is_empty),
            ..Explicit::default()
        },
        ..Entry::command(data.unwrap_or_default())
    }
}

/// The kind that a number stands for.
pub(crate) fn entry_kind(number: raft_entry_type) -> Result<EntryKind, Failure> {
    kind_of(number).ok_or_else(|| {
        Failure::argument(format!(
            "{number} is no type of entry: pass one of the RAFT_ENTRY_ numbers"
        ))
    })
}
