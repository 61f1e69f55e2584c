//! `raft_message`: what a transport needs to know of a message.

use std::ops::Range;

use bytes::Bytes;
use libraft_core::codec::{self, PayloadBlock};
use libraft_core::proto::raftpb;
use libraft_core::{Body, Entries, Entry, EntryId, MAX_POSITION, Message, Snapshot};

use crate::bytes::{raft_bytes, slice};
use crate::entry::raft_entry;
use crate::error::{Failure, raft_error};
use crate::snapshot::data_in;

/// The kind of a message: one of the RAFT_MSG_ numbers, which are those of raftpb.MessageType.
pub type raft_message_type = i32;

/// A proposal that a follower passes on to its leader.
pub const RAFT_MSG_PROP: raft_message_type = 2;
/// The leader's entries, or only its commit index.
pub const RAFT_MSG_APP: raft_message_type = 3;
/// A follower's answer to them.
pub const RAFT_MSG_APP_RESP: raft_message_type = 4;
/// A candidate asks for a vote.
pub const RAFT_MSG_VOTE: raft_message_type = 5;
/// The answer to that.
pub const RAFT_MSG_VOTE_RESP: raft_message_type = 6;
/// A snapshot; report what becomes of it with raft_node_report_snapshot().
pub const RAFT_MSG_SNAP: raft_message_type = 7;
/// The leader lives.
pub const RAFT_MSG_HEARTBEAT: raft_message_type = 8;
/// The answer to that.
pub const RAFT_MSG_HEARTBEAT_RESP: raft_message_type = 9;
/// Leadership shall pass to the sender.
pub const RAFT_MSG_TRANSFER_LEADER: raft_message_type = 13;
/// The receiver shall campaign at once.
pub const RAFT_MSG_TIMEOUT_NOW: raft_message_type = 14;
/// A follower asks its leader for a read index.
pub const RAFT_MSG_READ_INDEX: raft_message_type = 15;
/// The answer to that.
pub const RAFT_MSG_READ_INDEX_RESP: raft_message_type = 16;
/// A candidate asks whether it would get a vote.
pub const RAFT_MSG_PRE_VOTE: raft_message_type = 17;
/// The answer to that.
pub const RAFT_MSG_PRE_VOTE_RESP: raft_message_type = 18;
/// To RAFT_LOCAL_APPEND, never on a network: work for the host's append worker.
pub const RAFT_MSG_STORAGE_APPEND: raft_message_type = 19;
/// Its answer.
pub const RAFT_MSG_STORAGE_APPEND_RESP: raft_message_type = 20;
/// To RAFT_LOCAL_APPLY, never on a network: work for the host's apply worker.
pub const RAFT_MSG_STORAGE_APPLY: raft_message_type = 21;
/// Its answer.
pub const RAFT_MSG_STORAGE_APPLY_RESP: raft_message_type = 22;
/// The receiver shall no longer count on its leader.
pub const RAFT_MSG_FORGET_LEADER: raft_message_type = 23;
/// A proposal that was passed on has been dropped; see raft_config_set_peer_reports(), for this and
/// the two that follow.
pub const RAFT_MSG_PROPOSAL_DROPPED: raft_message_type = 100;
/// A read that was passed on has been dropped.
pub const RAFT_MSG_READ_DROPPED: raft_message_type = 101;
/// The receiver is no member any more.
pub const RAFT_MSG_REMOVED: raft_message_type = 102;

/// The target of RAFT_MSG_STORAGE_APPEND, with asynchronous storage writes.
pub const RAFT_LOCAL_APPEND: u64 = u64::MAX;
/// The target of RAFT_MSG_STORAGE_APPLY, with asynchronous storage writes.
pub const RAFT_LOCAL_APPLY: u64 = u64::MAX - 1;

/// The field of raftpb.Message that has them.
const ENTRIES: u32 = 7;

/// A message to a peer, or from one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_message {
    /// The recipient.
    pub to: u64,
    /// The sender.
    pub from: u64,
    /// The sender's term; 0 in a message that is valid in any.
    pub term: u64,
    /// In a RAFT_MSG_APP the term of the entry before those that it brings; 0 otherwise.
    pub log_term: u64,
    /// In a RAFT_MSG_APP the index of that entry; in a RAFT_MSG_APP_RESP that accepts, the last index that is
    /// like the leader's; 0 otherwise.
    pub index: u64,
    /// In a RAFT_MSG_APP and a RAFT_MSG_HEARTBEAT the leader's commit index, as far as the recipient may
    /// know it; 0 otherwise.
    pub commit: u64,
    /// What kind of message it is.
    pub r#type: raft_message_type,
    /// The index of the snapshot in a RAFT_MSG_SNAP; 0 otherwise.
    pub snapshot_index: u64,
    /// The host's own data of that snapshot: a part of `encoded`. Empty otherwise.
    pub snapshot_data: raft_bytes,
    /// The whole message as raftpb.Message: the bytes to put on the wire. Empty if there is nothing to it but
    /// what stands above, and `entries`, and raft_config_set_encode_readys() is off.
    pub encoded: raft_bytes,
    /// For RAFT_MSG_STORAGE_APPEND and RAFT_MSG_STORAGE_APPLY, what is to be delivered once the
    /// work is done: those to this node itself with raft_node_step(), the others like any message.
    /// NULL otherwise.
    pub responses: *const raft_message,
    /// How many there are.
    pub responses_len: usize,
    /// What a RAFT_MSG_APP brings, if that is nowhere in `encoded`: a part of the Ready's own `entries`. NULL
    /// otherwise.
    pub entries: *const raft_entry,
    /// How many there are.
    pub entries_len: usize,
}

export! {
    /// Looks into a message as it came from a peer, without handing it to a node, which
    /// raft_node_step() does: for a transport that checks sender and recipient first, or the data of a
    /// snapshot.
    ///
    /// RAFT_MSG_STORAGE_APPEND and the three types after it pass this function, without their
    /// responses, since a host may have them encoded for its own workers. A transport has to refuse
    /// them from a peer: they speak for this node's own storage, and a node with asynchronous
    /// storage writes would believe them.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_MALFORMED
    /// (no raftpb.Message), RAFT_ERR_IMPOSSIBLE (no correct peer sends it), RAFT_ERR_LOCAL_MESSAGE (a
    /// kind that never travels).
    ///
    /// Memory: `out` is the caller's own struct. Its views point into `data`, and are valid as long as
    /// that is.
    ///
    /// Threads: Any.
    try fn raft_message_decode(
        data: *const u8,
        len: usize,
        out: *mut raft_message,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let input = unsafe { slice(data, len, "data") }?;
        let copy = Bytes::copy_from_slice(input);
        let message = codec::decode_message(copy.clone())?;
        let mut view = view_of(&message, raft_bytes::of(input));
        // The decoder slices the data out of its input, so that its distance from the start is
        // the same in the caller's bytes.
        if let Body::InstallSnapshot { snapshot } = &message.body {
            view.snapshot_index = snapshot.id.index;
            if let Some(inside) = range_within(&copy, &snapshot.data) {
                view.snapshot_data = raft_bytes::of(&input[inside]);
            }
        }
        out.put(view)
    }
}

/// Where `part` lies within `whole`, if it does.
fn range_within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    (!part.is_empty() && range.end <= whole.len()).then_some(range)
}

/// A view of a message, which stands at `encoded`; all of it but for what [`view_more`] adds.
pub(crate) fn view_of(message: &Message, encoded: raft_bytes) -> raft_message {
    let mut view = raft_message::EMPTY;
    view.show(message, encoded);
    view
}

/// Whether the numbers in the view say all of a message, and then which of the Ready's entries it brings.
#[inline]
pub(crate) fn plain(message: &Message, ready: &[Entry]) -> Option<Range<usize>> {
    let is_plain = match &message.body {
        Body::Append { entries, .. } => return place_among(entries, ready),
        Body::Accept { .. } => true,
        Body::Heartbeat { context, .. } | Body::HeartbeatResp { context } => context.is_empty(),
        _ => false,
    };
    is_plain.then_some(0..0)
}

/// Where entries are among those of the Ready. Both are of one node, and logs that have an entry of the same
/// index and term are the same up to there (the Log Matching Property, Ongaro 2014, §3.5).
#[inline]
fn place_among(entries: &[Entry], ready: &[Entry]) -> Option<Range<usize>> {
    let ([first, ..], [.., last]) = (entries, entries) else {
        return Some(0..0);
    };
    let start = usize::try_from(first.index.checked_sub(ready.first()?.index)?).ok()?;
    let end = start.checked_add(entries.len())?;
    let same = ready.get(end - 1)?;
    ((same.index, same.term) == (last.index, last.term)).then_some(start..end)
}

/// Adds to a view what few messages have: a snapshot, or messages that are attached. The views of these go
/// to a list that may yet move; see [`raft_message::attach`].
#[cold]
pub(crate) fn view_more(
    message: &Message,
    view: &mut raft_message,
    responses: &mut Vec<raft_message>,
) {
    match &message.body {
        Body::InstallSnapshot { snapshot } => {
            view.snapshot_index = snapshot.id.index;
            // The snapshot is the last field of such a message.
            let inside = view.encoded.last(encoded_len(snapshot));
            view.snapshot_data = data_in(snapshot, inside);
        }
        Body::StorageAppend(work) => view_attached(&work.responses, view, responses),
        Body::StorageApply {
            responses: attached,
            ..
        } => view_attached(attached, view, responses),
        _ => {}
    }
}

fn view_attached(attached: &[Message], view: &mut raft_message, responses: &mut Vec<raft_message>) {
    let lengths: Vec<usize> = attached
        .iter()
        .map(|response| prost::Message::encoded_len(&codec::message_to_proto(response)))
        .collect();
    // The responses are the last field, each with a key of one byte.
    let framed = |len: &usize| 1 + prost::length_delimiter_len(*len) + len;
    let whole = view.encoded;
    let mut next = whole.len - lengths.iter().map(framed).sum::<usize>();
    view.responses = std::ptr::without_provenance(responses.len());
    view.responses_len = attached.len();
    for (response, len) in attached.iter().zip(&lengths) {
        next += framed(len);
        let mut view = view_of(response, whole.part(next - len, *len));
        if let Body::InstallSnapshot { .. } = &response.body {
            view_more(response, &mut view, responses);
        }
        responses.push(view);
    }
}

fn encoded_len(snapshot: &Snapshot) -> usize {
    prost::Message::encoded_len(&codec::snapshot_to_proto(snapshot))
}

impl raft_message {
    /// A view of nothing.
    pub const EMPTY: raft_message = raft_message {
        to: 0,
        from: 0,
        term: 0,
        log_term: 0,
        index: 0,
        commit: 0,
        r#type: 0,
        snapshot_index: 0,
        snapshot_data: raft_bytes::EMPTY,
        encoded: raft_bytes::EMPTY,
        responses: std::ptr::null(),
        responses_len: 0,
        entries: std::ptr::null(),
        entries_len: 0,
    };

    /// Makes any view one of this message, as [`view_of`] does. Says whether [`view_more`] has something to add, as
    /// seldom: that is apart, so that the other views are written where they stand and not copied there, 60
    /// instructions for each message.
    #[inline]
    pub(crate) fn show(&mut self, message: &Message, encoded: raft_bytes) -> bool {
        *self = raft_message::EMPTY;
        self.to = message.to;
        self.from = message.from;
        self.term = message.term;
        self.encoded = encoded;
        let mut has_more = false;
        self.r#type = match &message.body {
            Body::Append { prev, commit, .. } => {
                (self.log_term, self.index, self.commit) = (prev.term, prev.index, *commit);
                RAFT_MSG_APP
            }
            Body::Accept { index } => {
                self.index = *index;
                RAFT_MSG_APP_RESP
            }
            Body::Heartbeat { commit, .. } => {
                self.commit = *commit;
                RAFT_MSG_HEARTBEAT
            }
            body => {
                has_more = matches!(
                    body,
                    Body::InstallSnapshot { .. }
                        | Body::StorageAppend { .. }
                        | Body::StorageApply { .. }
                );
                message_type(body)
            }
        };
        has_more
    }

    /// Whether it is of a type that can do without bytes.
    pub(crate) fn may_be_numbers(&self) -> bool {
        matches!(
            self.r#type,
            RAFT_MSG_APP | RAFT_MSG_APP_RESP | RAFT_MSG_HEARTBEAT | RAFT_MSG_HEARTBEAT_RESP
        )
    }

    /// The position, and the commit index, as far as a message of such a type has them.
    fn numbers(&self) -> (EntryId, u64) {
        let (log_term, index, commit) = match self.r#type {
            RAFT_MSG_APP => (self.log_term, self.index, self.commit),
            RAFT_MSG_APP_RESP => (0, self.index, 0),
            RAFT_MSG_HEARTBEAT => (0, 0, self.commit),
            _ => (0, 0, 0),
        };
        let term = log_term;
        (EntryId { term, index }, commit)
    }

    /// The message that the numbers and these entries tell, the inverse of [`raft_message::show`]. None if it takes
    /// a decoder to say what is wrong, or to read an entry.
    ///
    /// # Safety
    /// As for [`slice`], for each payload.
    #[inline]
    pub(crate) unsafe fn read(
        &self,
        entries: &[raft_entry],
        payloads: &mut PayloadBlock,
    ) -> Result<Option<Message>, Failure> {
        let (prev, commit) = self.numbers();
        if self.term.max(prev.term).max(prev.index).max(commit) > MAX_POSITION
            || !entries.iter().all(raft_entry::is_plain)
        {
            return Ok(None);
        }
        let body = match self.r#type {
            RAFT_MSG_APP => {
                // SAFETY: the same contract.
                let mut read = |entry: &raft_entry| unsafe { entry.read(payloads) };
                let entries = match entries {
                    [] => Entries::new(),
                    // Without a list on the way.
                    [entry] => Entries::from_iter([read(entry)?]),
                    _ => entries.iter().map(read).collect::<Result<_, _>>()?,
                };
                Body::Append {
                    prev,
                    entries,
                    commit,
                }
            }
            RAFT_MSG_APP_RESP => Body::Accept { index: prev.index },
            RAFT_MSG_HEARTBEAT => Body::Heartbeat {
                commit,
                context: Bytes::new(),
            },
            _ => Body::HeartbeatResp {
                context: Bytes::new(),
            },
        };
        Ok(Some(Message {
            to: self.to,
            from: self.from,
            term: self.term,
            body,
        }))
    }

    /// The same as bytes.
    ///
    /// # Safety
    /// As for [`slice`], for what each entry points to.
    #[cold]
    pub(crate) unsafe fn encode(&self, entries: &[raft_entry]) -> Result<Bytes, Failure> {
        let (prev, commit) = self.numbers();
        let head = raftpb::Message {
            r#type: Some(self.r#type),
            to: Some(self.to),
            from: Some(self.from),
            term: Some(self.term),
            log_term: Some(prev.term),
            index: Some(prev.index),
            commit: Some(commit),
            ..Default::default()
        };
        let mut bytes = prost::Message::encode_to_vec(&head);
        if self.r#type == RAFT_MSG_APP {
            for entry in entries {
                // SAFETY: the same contract.
                let entry = unsafe { entry.bytes() }?;
                prost::encoding::bytes::encode(ENTRIES, &entry, &mut bytes);
            }
        }
        Ok(bytes.into())
    }

    /// Leads to the attached messages, once their list stands.
    pub(crate) fn attach(&mut self, responses: &[raft_message]) {
        self.responses = match self.responses_len {
            0 => std::ptr::null(),
            len => responses[self.responses.addr()..][..len].as_ptr(),
        };
    }
}

fn message_type(body: &Body) -> raft_message_type {
    match body {
        Body::Propose { .. } => RAFT_MSG_PROP,
        Body::Append { .. } => RAFT_MSG_APP,
        Body::Accept { .. }
        | Body::Outdated
        | Body::Reject { .. }
        | Body::RequestSnapshot { .. } => RAFT_MSG_APP_RESP,
        Body::RequestVote { pre: false, .. } => RAFT_MSG_VOTE,
        Body::RequestVote { pre: true, .. } => RAFT_MSG_PRE_VOTE,
        Body::Vote { pre: false, .. } => RAFT_MSG_VOTE_RESP,
        Body::Vote { pre: true, .. } => RAFT_MSG_PRE_VOTE_RESP,
        Body::InstallSnapshot { .. } => RAFT_MSG_SNAP,
        Body::Heartbeat { .. } => RAFT_MSG_HEARTBEAT,
        Body::HeartbeatResp { .. } => RAFT_MSG_HEARTBEAT_RESP,
        Body::ReadIndex { .. } => RAFT_MSG_READ_INDEX,
        Body::ReadIndexResp { .. } => RAFT_MSG_READ_INDEX_RESP,
        Body::TransferLeader => RAFT_MSG_TRANSFER_LEADER,
        Body::TimeoutNow => RAFT_MSG_TIMEOUT_NOW,
        Body::ForgetLeader => RAFT_MSG_FORGET_LEADER,
        Body::ProposalDropped { .. } => RAFT_MSG_PROPOSAL_DROPPED,
        Body::ReadDropped { .. } => RAFT_MSG_READ_DROPPED,
        Body::Removed { .. } => RAFT_MSG_REMOVED,
        Body::StorageAppend { .. } => RAFT_MSG_STORAGE_APPEND,
        Body::StorageAppendResp { .. } => RAFT_MSG_STORAGE_APPEND_RESP,
        Body::StorageApply { .. } => RAFT_MSG_STORAGE_APPLY,
        Body::StorageApplyResp { .. } => RAFT_MSG_STORAGE_APPLY_RESP,
    }
}
