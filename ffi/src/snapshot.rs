//! `raft_snapshot`: the state machine's state at one point of the log.

use libraft_core::{Snapshot, codec};

use crate::bytes::raft_bytes;
use crate::conf_state::{self, raft_conf_state};

/// The state machine's state at one point of the log. One of index 0 stands for the empty state
/// before the first entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_snapshot {
    /// The last entry that it includes.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The members as of that entry.
    pub conf_state: raft_conf_state,
    /// The host's own data: a part of `encoded`.
    pub data: raft_bytes,
    /// The whole as raftpb.Snapshot.
    pub encoded: raft_bytes,
}

export! {
    /// Frees a snapshot that a function gave to the caller. Not for one that is part of a
    /// raft_ready. NULL is ignored.
    ///
    /// Memory: `snapshot` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_snapshot_free(snapshot: *mut raft_snapshot) {
        if !snapshot.is_null() {
            // SAFETY: the caller passes what `raft_snapshot::give` made, once; the view is the
            // first field with C layout, and the pointer was made for all of it.
            let owned = unsafe { Box::from_raw(snapshot.cast::<OwnedSnapshot>()) };
            drop((owned.snapshot, owned.encoded));
        }
    }
}

/// A view together with what it shows.
#[repr(C)]
struct OwnedSnapshot {
    view: raft_snapshot,
    snapshot: Snapshot,
    encoded: Vec<u8>,
}

impl raft_snapshot {
    /// A snapshot for the caller.
    pub(crate) fn give(snapshot: Snapshot) -> *mut raft_snapshot {
        let encoded = codec::encode_snapshot(&snapshot);
        let view = view_of(&snapshot, raft_bytes::of(&encoded));
        Box::into_raw(Box::new(OwnedSnapshot {
            view,
            snapshot,
            encoded,
        }))
        .cast()
    }
}

/// A view of a snapshot, which stands at `encoded`. Its member lists are those of `snapshot`, which must
/// not change as long as the view lives.
pub(crate) fn view_of(snapshot: &Snapshot, encoded: raft_bytes) -> raft_snapshot {
    let mut conf_state = conf_state::view(&snapshot.conf_state, raft_bytes::EMPTY);
    let metadata = data_start(snapshot) + snapshot.data.len();
    conf_state.encoded = conf_state_in(snapshot, metadata, encoded);
    raft_snapshot {
        index: snapshot.id.index,
        term: snapshot.id.term,
        conf_state,
        data: data_in(snapshot, encoded),
        encoded,
    }
}

/// Where the data lies in an encoded snapshot.
pub(crate) fn data_in(snapshot: &Snapshot, encoded: raft_bytes) -> raft_bytes {
    encoded.part(data_start(snapshot), snapshot.data.len())
}

/// Where it begins: it is the first field, with a key of one byte, and absent when empty.
fn data_start(snapshot: &Snapshot) -> usize {
    match snapshot.data.len() {
        0 => 0,
        len => 1 + prost::length_delimiter_len(len),
    }
}

/// Where the configuration lies: it is the first field of the metadata, the field that begins at
/// `start`.
fn conf_state_in(snapshot: &Snapshot, start: usize, encoded: raft_bytes) -> raft_bytes {
    use prost::Message as _;
    let conf_state = codec::conf_state_to_proto(&snapshot.conf_state).encoded_len();
    let metadata = codec::snapshot_to_proto(&Snapshot {
        data: bytes::Bytes::new(),
        ..snapshot.clone()
    })
    .metadata
    .map_or(0, |metadata| metadata.encoded_len());
    let head = 1 + prost::length_delimiter_len(metadata);
    let head = head + 1 + prost::length_delimiter_len(conf_state);
    encoded.part(start + head, conf_state)
}
