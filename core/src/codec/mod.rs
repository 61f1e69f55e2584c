//! Between the types of this crate and their bytes.
//!
//! Bytes are those of etcd-io/raft's package raftpb. Which zero fields are written and which are
//! left out follows that library too, since the size of an encoded entry decides where its size
//! limits cut. Decoding never panics, copies no payload (an entry's data is a slice of the
//! input), and refuses what no node can have sent.

use std::ops::Range;

use bytes::Bytes;
use prost::Message as _;

use crate::error::{DropReason, Error, Impossible, Result};
use crate::message::{Body, Message, StorageAppend, Ticket};
use crate::proto::{libraft as out, raftpb as pb};
use crate::types::*;

mod buffer;
#[cfg(test)]
mod hostile_tests;
mod hot;
mod payload;
mod ready;
#[cfg(test)]
mod tests;

pub use buffer::Buffer;
pub use hot::MessageWriter;
pub use payload::{PayloadBlock, copied_payload};
pub use ready::{encode_ready, encode_seldom_fields, event_to_proto};

/// Decodes one message.
///
/// # Errors
/// [`Error::Malformed`] if the bytes are no message, [`Error::LocalMessage`] if it is of a kind
/// that only the node itself may use, [`Error::Impossible`] if a number in it is out of bounds.
pub fn decode_message(bytes: Bytes) -> Result<Message> {
    match hot::read(&bytes, &mut hot::Shared(&bytes)) {
        Some(message) => Ok(message),
        None => decode_by_prost(bytes),
    }
}

/// The same of bytes that are not counted. What the message keeps of them is copied; most messages
/// keep nothing.
///
/// # Errors
/// As [`decode_message`].
pub fn decode_message_copied(bytes: &[u8]) -> Result<Message> {
    decode_message_into(bytes, &mut PayloadBlock::default())
}

/// As [`decode_message_copied`], with entries' payloads copied to `payloads`, if they are short.
///
/// # Errors
/// As [`decode_message`].
pub fn decode_message_into(bytes: &[u8], payloads: &mut PayloadBlock) -> Result<Message> {
    match decode_by_hand(bytes, payloads) {
        Some(message) => Ok(message),
        None => decode_copied_by_prost(bytes),
    }
}

/// As [`decode_message_into`], if it is one of the usual messages, for any other [`decode_copied_by_prost`]. Where the
/// result is not made one of both, the message is put where it is to be: 40 instructions less.
#[inline(always)]
pub(crate) fn decode_by_hand(bytes: &[u8], payloads: &mut PayloadBlock) -> Option<Message> {
    hot::read(bytes, payloads)
}

#[cold]
#[inline(never)]
pub(crate) fn decode_copied_by_prost(bytes: &[u8]) -> Result<Message> {
    decode_by_prost(Bytes::copy_from_slice(bytes))
}

/// Apart, so that reading by hand needs no room for prost's types: 10 instructions.
#[cold]
#[inline(never)]
fn decode_by_prost(bytes: Bytes) -> Result<Message> {
    message_from_proto(pb::Message::decode(bytes).map_err(malformed)?)
}

/// The bytes of a message, as they go over the wire.
pub fn encode_message(message: &Message) -> Vec<u8> {
    hot::encoded_message(message)
}

/// Writes the bytes of a message to the end of `out`, preceded by their number as a varint, as in a
/// field of another message. Returns where they begin. For many messages, see [`MessageWriter`].
pub fn encode_message_delimited(message: &Message, out: &mut Buffer) -> usize {
    MessageWriter::default().put(message, out)
}

/// Decodes one entry, as storage keeps it.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Impossible`].
pub fn decode_entry(bytes: Bytes) -> Result<Entry> {
    match hot::read_entry(&bytes) {
        Some(entry) => Ok(entry),
        None => entry_from_proto(pb::Entry::decode(bytes).map_err(malformed)?),
    }
}

/// The bytes of an entry.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    hot::encoded_entry(entry)
}

/// As [`encode_message_delimited`], for an entry.
pub fn encode_entry_delimited(entry: &Entry, out: &mut Buffer) -> usize {
    hot::put_entry_delimited(entry, out)
}

/// Writes entries to the end of `out`, as another message's fields of this number, which is below 16. `each`
/// is told where the bytes of an entry begin and end.
#[inline]
pub fn encode_entry_fields(
    entries: &[Entry],
    number: u8,
    out: &mut Buffer,
    each: impl FnMut(&Entry, Range<usize>),
) {
    hot::put_entries(entries, number, out, each);
}

/// The number of bytes that [`encode_entry`] gives, which is what size limits count.
#[inline]
pub fn entry_encoded_len(entry: &Entry) -> usize {
    hot::entry_len(entry)
}

/// Decodes a hard state.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Impossible`].
pub fn decode_hard_state(bytes: &[u8]) -> Result<HardState> {
    hard_state_from_proto(pb::HardState::decode(bytes).map_err(malformed)?)
}

/// The bytes of a hard state.
pub fn encode_hard_state(state: &HardState) -> Vec<u8> {
    hard_state_to_proto(state).encode_to_vec()
}

/// As [`encode_message_delimited`], for a hard state.
#[inline]
pub fn encode_hard_state_delimited(state: &HardState, out: &mut Buffer) -> usize {
    hot::put_hard_state_delimited(state, out)
}

/// Decodes a snapshot, data and all.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Impossible`].
pub fn decode_snapshot(bytes: Bytes) -> Result<Snapshot> {
    snapshot_from_proto(pb::Snapshot::decode(bytes).map_err(malformed)?)
}

/// The bytes of a snapshot, data and all.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    snapshot_to_proto(snapshot).encode_to_vec()
}

/// Decodes a configuration.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_conf_state(bytes: &[u8]) -> Result<ConfState> {
    Ok(conf_state_from_proto(
        pb::ConfState::decode(bytes).map_err(malformed)?,
    ))
}

/// The bytes of a configuration.
pub fn encode_conf_state(state: &ConfState) -> Vec<u8> {
    conf_state_to_proto(state).encode_to_vec()
}

/// Decodes the data of an [`EntryKind::ConfChange`] entry.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_conf_change(bytes: Bytes) -> Result<ConfChange> {
    let change = pb::ConfChange::decode(bytes).map_err(malformed)?;
    Ok(ConfChange {
        id: change.id(),
        change: ConfChangeSingle {
            kind: conf_change_kind(change.r#type.unwrap_or_default())?,
            node_id: change.node_id(),
        },
        context: change.context.unwrap_or_default(),
    })
}

/// The bytes of a one-step configuration change.
pub fn encode_conf_change(change: &ConfChange) -> Vec<u8> {
    pb::ConfChange {
        id: (change.id != 0).then_some(change.id),
        r#type: Some(change.change.kind as i32),
        node_id: Some(change.change.node_id),
        context: present(&change.context),
    }
    .encode_to_vec()
}

/// Decodes the data of an [`EntryKind::ConfChangeV2`] entry.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_conf_change_v2(bytes: Bytes) -> Result<ConfChangeV2> {
    let change = pb::ConfChangeV2::decode(bytes).map_err(malformed)?;
    let transition = match change.transition.unwrap_or_default() {
        0 => ConfChangeTransition::Auto,
        1 => ConfChangeTransition::JointImplicit,
        2 => ConfChangeTransition::JointExplicit,
        other => return Err(unknown("configuration change transition", other)),
    };
    let changes = change
        .changes
        .iter()
        .map(|step| {
            Ok(ConfChangeSingle {
                kind: conf_change_kind(step.r#type.unwrap_or_default())?,
                node_id: step.node_id(),
            })
        })
        .collect::<Result<_>>()?;
    Ok(ConfChangeV2 {
        transition,
        changes,
        context: change.context.unwrap_or_default(),
    })
}

/// The bytes of a configuration change.
pub fn encode_conf_change_v2(change: &ConfChangeV2) -> Vec<u8> {
    pb::ConfChangeV2 {
        transition: Some(change.transition as i32),
        changes: change
            .changes
            .iter()
            .map(|step| pb::ConfChangeSingle {
                r#type: Some(step.kind as i32),
                node_id: Some(step.node_id),
            })
            .collect(),
        context: present(&change.context),
    }
    .encode_to_vec()
}

/// Decodes a configuration-change entry of either kind.
///
/// # Errors
/// [`Error::Malformed`] if its data is no change; [`Error::Misuse`] for a normal entry.
pub fn conf_change_of(entry: &Entry) -> Result<ConfChangeV2> {
    match entry.kind {
        EntryKind::Normal => Err(Error::Misuse(
            "the entry is no configuration change: pass those of kind ConfChange or ConfChangeV2",
        )),
        EntryKind::ConfChange => decode_conf_change(entry.data.clone()).map(Into::into),
        EntryKind::ConfChangeV2 => decode_conf_change_v2(entry.data.clone()),
    }
}

/// Decodes the state that a node restarts from.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Impossible`].
pub fn decode_restart_state(bytes: &[u8]) -> Result<RestartState> {
    let state = out::RestartState::decode(bytes).map_err(malformed)?;
    let compacted = EntryId {
        term: bounded(state.compacted_term)?,
        index: bounded(state.compacted_index)?,
    };
    Ok(RestartState {
        hard_state: hard_state_from_proto(state.hard_state.unwrap_or_default())?,
        conf_state: conf_state_from_proto(state.conf_state.unwrap_or_default()),
        compacted,
        last_index: bounded(state.last_index)?,
        term_runs: state
            .term_runs
            .iter()
            .map(|run| {
                Ok(TermRun {
                    first_index: bounded(run.first_index)?,
                    term: bounded(run.term)?,
                })
            })
            .collect::<Result<_>>()?,
        conf_changes: state.conf_changes,
        applied: bounded(state.applied)?,
    })
}

/// The bytes of a restart state.
pub fn encode_restart_state(state: &RestartState) -> Vec<u8> {
    out::RestartState {
        hard_state: Some(hard_state_to_proto(&state.hard_state)),
        conf_state: Some(conf_state_to_proto(&state.conf_state)),
        compacted_index: state.compacted.index,
        compacted_term: state.compacted.term,
        last_index: state.last_index,
        term_runs: state
            .term_runs
            .iter()
            .map(|run| out::TermRun {
                first_index: run.first_index,
                term: run.term,
            })
            .collect(),
        conf_changes: state.conf_changes.clone(),
        applied: state.applied,
    }
    .encode_to_vec()
}

fn malformed(error: prost::DecodeError) -> Error {
    Error::Malformed(error.to_string())
}

fn unknown(what: &str, number: i32) -> Error {
    Error::Malformed(format!("unknown {what} {number}"))
}

fn bounded(position: u64) -> Result<u64> {
    if position > MAX_POSITION {
        return Err(Error::Impossible(Impossible::OutOfBounds));
    }
    Ok(position)
}

/// Data that is left out when there is none.
fn present(data: &Bytes) -> Option<Bytes> {
    (!data.is_empty()).then(|| data.clone())
}

fn conf_change_kind(number: i32) -> Result<ConfChangeKind> {
    match number {
        0 => Ok(ConfChangeKind::AddNode),
        1 => Ok(ConfChangeKind::RemoveNode),
        2 => Ok(ConfChangeKind::UpdateNode),
        3 => Ok(ConfChangeKind::AddLearnerNode),
        other => Err(unknown("configuration change type", other)),
    }
}

/// From protobuf; the entry's place is bounded, and 0 in a proposal.
pub fn entry_from_proto(entry: pb::Entry) -> Result<Entry> {
    let explicit = Explicit {
        kind: entry.r#type == Some(EntryKind::Normal as i32),
        data: entry.data.as_ref().is_some_and(Bytes::is_empty),
    };
    Ok(Entry {
        term: bounded(entry.term())?,
        index: bounded(entry.index())?,
        kind: match entry.r#type.unwrap_or_default() {
            0 => EntryKind::Normal,
            1 => EntryKind::ConfChange,
            2 => EntryKind::ConfChangeV2,
            other => return Err(unknown("entry type", other)),
        },
        data: entry.data.unwrap_or_default(),
        explicit,
    })
}

/// To protobuf. An entry of a proposal has no place yet, and says nothing of it.
pub fn entry_to_proto(entry: &Entry) -> pb::Entry {
    let placed = entry.index != 0;
    let kind = entry.kind != EntryKind::Normal || entry.explicit.kind;
    let data = !entry.data.is_empty() || entry.explicit.data;
    pb::Entry {
        r#type: kind.then_some(entry.kind as i32),
        term: placed.then_some(entry.term),
        index: placed.then_some(entry.index),
        data: data.then(|| entry.data.clone()),
    }
}

fn entries_from_proto<L: FromIterator<Entry>>(entries: Vec<pb::Entry>) -> Result<L> {
    entries.into_iter().map(entry_from_proto).collect()
}

fn entries_to_proto(entries: &[Entry]) -> Vec<pb::Entry> {
    entries.iter().map(entry_to_proto).collect()
}

fn hard_state_from_proto(state: pb::HardState) -> Result<HardState> {
    Ok(HardState {
        term: bounded(state.term())?,
        vote: state.vote(),
        commit: bounded(state.commit())?,
    })
}

/// To protobuf, every field written.
pub fn hard_state_to_proto(state: &HardState) -> pb::HardState {
    pb::HardState {
        term: Some(state.term),
        vote: Some(state.vote),
        commit: Some(state.commit),
    }
}

fn conf_state_from_proto(state: pb::ConfState) -> ConfState {
    fn ids(mut list: Vec<NodeId>) -> Vec<NodeId> {
        list.sort_unstable();
        list.dedup();
        list
    }
    ConfState {
        auto_leave: state.auto_leave(),
        voters: ids(state.voters),
        learners: ids(state.learners),
        voters_outgoing: ids(state.voters_outgoing),
        learners_next: ids(state.learners_next),
    }
}

/// To protobuf.
pub fn conf_state_to_proto(state: &ConfState) -> pb::ConfState {
    pb::ConfState {
        voters: state.voters.clone(),
        learners: state.learners.clone(),
        voters_outgoing: state.voters_outgoing.clone(),
        learners_next: state.learners_next.clone(),
        auto_leave: Some(state.auto_leave),
    }
}

/// From protobuf.
///
/// # Errors
/// [`Error::Impossible`] if the place is out of bounds.
pub fn snapshot_from_proto(snapshot: pb::Snapshot) -> Result<Snapshot> {
    let meta = snapshot.metadata.unwrap_or_default();
    Ok(Snapshot {
        id: EntryId {
            term: bounded(meta.term())?,
            index: bounded(meta.index())?,
        },
        conf_state: conf_state_from_proto(meta.conf_state.unwrap_or_default()),
        data: snapshot.data.unwrap_or_default(),
    })
}

/// To protobuf.
pub fn snapshot_to_proto(snapshot: &Snapshot) -> pb::Snapshot {
    pb::Snapshot {
        data: present(&snapshot.data),
        metadata: Some(pb::SnapshotMetadata {
            conf_state: Some(conf_state_to_proto(&snapshot.conf_state)),
            index: Some(snapshot.id.index),
            term: Some(snapshot.id.term),
        }),
    }
}

/// From protobuf; see [`decode_message`].
pub fn message_from_proto(message: pb::Message) -> Result<Message> {
    use pb::MessageType as Type;

    let number = message.r#type.unwrap_or_default();
    let kind = Type::try_from(number).map_err(|_| unknown("message type", number))?;
    let term = bounded(message.term())?;
    let index = bounded(message.index())?;
    let log_term = bounded(message.log_term())?;
    let commit = bounded(message.commit())?;
    let id = EntryId {
        term: log_term,
        index,
    };
    let (to, from, reject) = (message.to(), message.from(), message.reject());
    let context = message.context.clone().unwrap_or_default();

    let body = match kind {
        Type::MsgHup
        | Type::MsgBeat
        | Type::MsgUnreachable
        | Type::MsgSnapStatus
        | Type::MsgCheckQuorum => return Err(Error::LocalMessage),
        Type::MsgProp => Body::Propose {
            entries: entries_from_proto(message.entries)?,
            ticket: match message.reports {
                Some(ticket) => Some(ticket_from_proto(ticket)?)
                    .filter(|it| it.number != 0)
                    .map(Box::new),
                None => None,
            },
        },
        Type::MsgApp => Body::Append {
            prev: id,
            entries: entries_from_proto(message.entries)?,
            commit,
        },
        Type::MsgAppResp if reject && message.request_snapshot() != 0 => Body::RequestSnapshot {
            min_index: bounded(message.request_snapshot())?,
        },
        Type::MsgAppResp if reject => Body::Reject {
            index,
            hint: EntryId {
                term: log_term,
                index: bounded(message.reject_hint())?,
            },
        },
        Type::MsgAppResp if message.index.is_none() => Body::Outdated,
        Type::MsgAppResp => Body::Accept { index },
        Type::MsgVote | Type::MsgPreVote => Body::RequestVote {
            pre: kind == Type::MsgPreVote,
            last: id,
            transfer: context == TRANSFER_CONTEXT,
            priority: message.priority(),
            reports: message.reports.is_some(),
        },
        Type::MsgVoteResp | Type::MsgPreVoteResp => Body::Vote {
            pre: kind == Type::MsgPreVoteResp,
            granted: !reject,
        },
        Type::MsgSnap => Body::InstallSnapshot {
            snapshot: Box::new(snapshot_from_proto(message.snapshot.unwrap_or_default())?),
        },
        Type::MsgHeartbeat => Body::Heartbeat { commit, context },
        Type::MsgHeartbeatResp => Body::HeartbeatResp { context },
        Type::MsgTransferLeader => Body::TransferLeader,
        Type::MsgTimeoutNow => Body::TimeoutNow,
        Type::MsgReadIndex => Body::ReadIndex {
            context: read_context(message.entries)?,
            reports: message.reports.is_some(),
        },
        Type::MsgReadIndexResp => Body::ReadIndexResp {
            index,
            context: read_context(message.entries)?,
        },
        Type::MsgForgetLeader => Body::ForgetLeader,
        Type::MsgProposalDropped => Body::ProposalDropped {
            ticket: Box::new(ticket_from_proto(message.reports.unwrap_or_default())?),
            reason: DropReason::from_number(message.drop_reason.unwrap_or_default(), index),
            entries: entries_from_proto(message.entries)?,
        },
        Type::MsgReadDropped => Body::ReadDropped {
            reason: DropReason::from_number(message.drop_reason.unwrap_or_default(), index),
            context: read_context(message.entries)?.unwrap_or_default(),
        },
        Type::MsgRemoved => Body::Removed { as_of: index },
        Type::MsgStorageAppend => {
            let hard_state = HardState {
                term,
                vote: message.vote(),
                commit,
            };
            Body::StorageAppend(Box::new(StorageAppend {
                hard_state: (!hard_state.is_empty()).then_some(hard_state),
                entries: entries_from_proto(message.entries)?,
                snapshot: optional_snapshot(message.snapshot)?,
                responses: responses_from_proto(message.responses)?,
            }))
        }
        Type::MsgStorageAppendResp => Body::StorageAppendResp {
            last: (index != 0).then_some(id),
            snapshot: optional_snapshot(message.snapshot)?,
        },
        Type::MsgStorageApply => Body::StorageApply {
            entries: entries_from_proto(message.entries)?,
            responses: responses_from_proto(message.responses)?,
        },
        Type::MsgStorageApplyResp => Body::StorageApplyResp {
            entries: entries_from_proto(message.entries)?,
        },
    };
    Ok(Message {
        to,
        from,
        term,
        body,
    })
}

/// What marks a vote request that the leader has asked for.
const TRANSFER_CONTEXT: &[u8] = b"CampaignTransfer";

/// The name of a read travels as the data of a single entry.
fn read_context(entries: Vec<pb::Entry>) -> Result<Option<Bytes>> {
    match <[pb::Entry; 1]>::try_from(entries) {
        Ok([entry]) => Ok(entry.data),
        Err(entries) => Err(Error::Malformed(format!(
            "a read index message with {} entries instead of 1",
            entries.len()
        ))),
    }
}

fn read_entries(context: &Option<Bytes>) -> Vec<pb::Entry> {
    vec![pb::Entry {
        data: context.clone(),
        ..pb::Entry::default()
    }]
}

fn ticket_from_proto(ticket: pb::Ticket) -> Result<Ticket> {
    Ok(Ticket {
        incarnation: ticket.incarnation(),
        number: ticket.number(),
        term: bounded(ticket.term())?,
    })
}

fn ticket_to_proto(ticket: &Ticket) -> pb::Ticket {
    pb::Ticket {
        incarnation: Some(ticket.incarnation),
        number: Some(ticket.number),
        term: Some(ticket.term),
    }
}

/// The index that belongs to a reason, if any does.
fn reason_index(reason: DropReason) -> Option<Index> {
    Some(reason.index()).filter(|&index| index != 0)
}

fn optional_snapshot(snapshot: Option<pb::Snapshot>) -> Result<Option<Box<Snapshot>>> {
    snapshot
        .map(|snapshot| snapshot_from_proto(snapshot).map(Box::new))
        .transpose()
}

fn responses_from_proto(responses: Vec<pb::Message>) -> Result<Vec<Message>> {
    responses.into_iter().map(message_from_proto).collect()
}

/// To protobuf.
pub fn message_to_proto(message: &Message) -> pb::Message {
    use pb::MessageType as Type;

    let mut wire = pb::Message {
        to: Some(message.to),
        from: Some(message.from),
        term: (message.term != 0).then_some(message.term),
        ..pb::Message::default()
    };
    let kind = match &message.body {
        Body::Propose { entries, ticket } => {
            wire.entries = entries_to_proto(entries);
            wire.reports = ticket.as_deref().map(ticket_to_proto);
            Type::MsgProp
        }
        Body::Append {
            prev,
            entries,
            commit,
        } => {
            wire.index = Some(prev.index);
            wire.log_term = Some(prev.term);
            wire.entries = entries_to_proto(entries);
            wire.commit = Some(*commit);
            Type::MsgApp
        }
        Body::Accept { index } => {
            wire.index = Some(*index);
            Type::MsgAppResp
        }
        Body::Outdated => Type::MsgAppResp,
        Body::Reject { index, hint } => {
            wire.index = Some(*index);
            wire.reject = Some(true);
            wire.reject_hint = Some(hint.index);
            wire.log_term = Some(hint.term);
            Type::MsgAppResp
        }
        Body::RequestSnapshot { min_index } => {
            // A rejection of index 0 is stale to every leader: nobody has less than that.
            wire.index = Some(0);
            wire.reject = Some(true);
            wire.reject_hint = Some(0);
            wire.log_term = Some(0);
            wire.request_snapshot = Some(*min_index);
            Type::MsgAppResp
        }
        Body::RequestVote {
            pre,
            last,
            transfer,
            priority,
            reports,
        } => {
            wire.reports = reports.then(pb::Ticket::default);
            wire.index = Some(last.index);
            wire.log_term = Some(last.term);
            wire.priority = (*priority != 0).then_some(*priority);
            wire.context = transfer.then(|| Bytes::from_static(TRANSFER_CONTEXT));
            if *pre {
                Type::MsgPreVote
            } else {
                Type::MsgVote
            }
        }
        Body::Vote { pre, granted } => {
            wire.reject = (!granted).then_some(true);
            if *pre {
                Type::MsgPreVoteResp
            } else {
                Type::MsgVoteResp
            }
        }
        Body::InstallSnapshot { snapshot } => {
            wire.snapshot = Some(snapshot_to_proto(snapshot));
            Type::MsgSnap
        }
        Body::Heartbeat { commit, context } => {
            wire.commit = Some(*commit);
            wire.context = present(context);
            Type::MsgHeartbeat
        }
        Body::HeartbeatResp { context } => {
            wire.context = present(context);
            Type::MsgHeartbeatResp
        }
        Body::ReadIndex { context, reports } => {
            wire.entries = read_entries(context);
            wire.reports = reports.then(pb::Ticket::default);
            Type::MsgReadIndex
        }
        Body::ReadIndexResp { index, context } => {
            wire.index = Some(*index);
            wire.entries = read_entries(context);
            Type::MsgReadIndexResp
        }
        Body::TransferLeader => Type::MsgTransferLeader,
        Body::TimeoutNow => Type::MsgTimeoutNow,
        Body::ForgetLeader => Type::MsgForgetLeader,
        Body::ProposalDropped {
            ticket,
            reason,
            entries,
        } => {
            wire.reports = Some(ticket_to_proto(ticket));
            wire.entries = entries_to_proto(entries);
            wire.index = reason_index(*reason);
            wire.drop_reason = Some(reason.number() as u64);
            Type::MsgProposalDropped
        }
        Body::ReadDropped { reason, context } => {
            wire.entries = read_entries(&Some(context.clone()));
            wire.index = reason_index(*reason);
            wire.drop_reason = Some(reason.number() as u64);
            Type::MsgReadDropped
        }
        Body::Removed { as_of } => {
            wire.index = Some(*as_of);
            Type::MsgRemoved
        }
        Body::StorageAppend(work) => {
            let StorageAppend {
                hard_state,
                entries,
                snapshot,
                responses,
            } = &**work;
            if let Some(state) = hard_state {
                wire.term = Some(state.term);
                wire.vote = Some(state.vote);
                wire.commit = Some(state.commit);
            }
            wire.entries = entries_to_proto(entries);
            wire.snapshot = snapshot.as_deref().map(snapshot_to_proto);
            wire.responses = responses.iter().map(message_to_proto).collect();
            Type::MsgStorageAppend
        }
        Body::StorageAppendResp { last, snapshot } => {
            wire.index = last.map(|id| id.index);
            wire.log_term = last.map(|id| id.term);
            wire.snapshot = snapshot.as_deref().map(snapshot_to_proto);
            Type::MsgStorageAppendResp
        }
        Body::StorageApply { entries, responses } => {
            wire.term = Some(0);
            wire.entries = entries_to_proto(entries);
            wire.responses = responses.iter().map(message_to_proto).collect();
            Type::MsgStorageApply
        }
        Body::StorageApplyResp { entries } => {
            wire.term = Some(0);
            wire.entries = entries_to_proto(entries);
            Type::MsgStorageApplyResp
        }
    };
    wire.r#type = Some(kind as i32);
    wire
}
