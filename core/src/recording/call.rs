//! Calls: between a node's methods and their records, and back.
//!
//! A record's `Call` is the type that protobuf makes of `recording.proto`, so that what can be
//! recorded is defined there and nowhere else.

use bytes::Bytes;

use super::Call;
use super::reader::RecordingError;
use super::settings::{config_from_proto, config_to_proto};
use crate::codec::{self, Buffer};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::node::Node;
use crate::proto::libraft::recording as out;
use crate::ready::Ready;
use crate::types::*;

/// What a node was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The version of the library.
    pub library: String,
    /// Its settings.
    pub config: Config,
    /// What it was told of its storage.
    pub state: RestartState,
}

impl Start {
    /// What a node of this version is made with.
    pub fn new(config: Config, state: RestartState) -> Start {
        Start {
            library: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            state,
        }
    }

    /// To protobuf. None if the state has no encoding of its own.
    pub(super) fn to_proto(&self) -> Option<out::Start> {
        let state = codec::encode_restart_state(&self.state);
        let is_same = codec::decode_restart_state(&state).is_ok_and(|it| it == self.state);
        is_same.then(|| out::Start {
            library: self.library.clone(),
            config: Some(config_to_proto(&self.config)),
            restart_state: state.into(),
        })
    }

    pub(super) fn from_proto(start: &out::Start) -> Result<Start> {
        Ok(Start {
            library: start.library.clone(),
            config: config_from_proto(&start.config.unwrap_or_default())?,
            state: codec::decode_restart_state(&start.restart_state)?,
        })
    }
}

/// What a call gives, besides its success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    #[default]
    None,
    /// From `ready`, `peek_ready` and `accept_ready`; from `take_requests`, one that has only these.
    Ready(Box<Ready>),
    /// From `apply_conf_change`.
    ConfState(ConfState),
}

impl Answer {
    pub(crate) fn ready(ready: &Ready) -> Answer {
        Answer::Ready(Box::new(ready.clone()))
    }

    /// Its bytes; None if there is nothing.
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Answer::None => None,
            Answer::Ready(ready) => {
                let mut bytes = Buffer::default();
                codec::encode_ready(ready, &mut bytes);
                Some(bytes.into())
            }
            Answer::ConfState(state) => Some(codec::encode_conf_state(state)),
        }
    }
}

/// A call that can't be told from another one by its encoding.
#[derive(Clone, Copy, Debug)]
pub struct Unencodable;

/// How the arguments of calls are written down. What is given as bytes is kept as it is; of what is
/// given as a value, the bytes must lead back to it.
impl Call {
    pub(crate) fn of_bootstrap(peers: &[(NodeId, Bytes)]) -> Call {
        let peer = |(id, context): &(NodeId, Bytes)| out::Peer {
            id: *id,
            context: context.clone(),
        };
        let peers = peers.iter().map(peer).collect();
        Call::Bootstrap(out::Bootstrap { peers })
    }

    pub(crate) fn of_step(message: &Message) -> std::result::Result<Call, Unencodable> {
        let bytes = Bytes::from(codec::encode_message(message));
        match codec::decode_message(bytes.clone()) {
            Ok(decoded) if decoded == *message => Ok(Call::Step(bytes)),
            _ => Err(Unencodable),
        }
    }

    pub(crate) fn of_propose(entries: &[Entry]) -> std::result::Result<Call, Unencodable> {
        let entries = entries_to_bytes(entries)?;
        Ok(Call::Propose(out::Entries { entries }))
    }

    pub(crate) fn of_apply_conf_change(
        change: &ConfChangeV2,
    ) -> std::result::Result<Call, Unencodable> {
        let bytes = Bytes::from(codec::encode_conf_change_v2(change));
        match codec::decode_conf_change_v2(bytes.clone()) {
            Ok(decoded) if decoded == *change => Ok(Call::ApplyConfChange(bytes)),
            _ => Err(Unencodable),
        }
    }

    pub(crate) fn of_read_index(context: &Option<Bytes>) -> Call {
        let context = context.clone();
        Call::ReadIndex(out::ReadIndex { context })
    }

    pub(crate) fn of_set_inflight_limits(id: NodeId, max_messages: u32, max_bytes: u64) -> Call {
        Call::SetInflightLimits(out::InflightLimits {
            id,
            max_messages,
            max_bytes,
        })
    }

    pub(crate) fn of_assign_commit_groups(groups: &[(NodeId, u64)]) -> Call {
        let group = |&(id, group): &(NodeId, u64)| out::CommitGroup { id, group };
        let groups = groups.iter().map(group).collect();
        Call::AssignCommitGroups(out::CommitGroups { groups })
    }

    pub(crate) fn of_report_snapshot(id: NodeId, status: SnapshotStatus) -> Call {
        let status = status as i32;
        Call::ReportSnapshot(out::ReportSnapshot { id, status })
    }

    pub(crate) fn of_provide_entries(
        id: RequestId,
        entries: &[Entry],
    ) -> std::result::Result<Call, Unencodable> {
        let entries = entries_to_bytes(entries)?;
        Ok(Call::ProvideEntries(out::ProvideEntries { id, entries }))
    }

    pub(crate) fn of_read_failed(id: RequestId, failure: ReadFailure) -> Call {
        let failure = failure as i32;
        Call::ReadFailed(out::ReadFailed { id, failure })
    }

    pub(crate) fn of_provide_snapshot(
        id: RequestId,
        snapshot: &Snapshot,
    ) -> std::result::Result<Call, Unencodable> {
        let bytes = Bytes::from(codec::encode_snapshot(snapshot));
        match codec::decode_snapshot(bytes.clone()) {
            Ok(decoded) if decoded == *snapshot => {
                let snapshot = bytes;
                Ok(Call::ProvideSnapshot(out::ProvideSnapshot { id, snapshot }))
            }
            _ => Err(Unencodable),
        }
    }
}

impl Call {
    /// The name of the method of [`Node`], or what else it is.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Tick(_) => "tick",
            Call::TickMany(_) => "tick_many",
            Call::TickQuiesced(_) => "tick_quiesced",
            Call::Campaign(_) => "campaign",
            Call::Bootstrap(_) => "bootstrap",
            Call::Propose(_) => "propose",
            Call::ApplyConfChange(_) => "apply_conf_change",
            Call::Step(_) => "step",
            Call::ReadIndex(_) => "read_index",
            Call::TransferLeader(_) => "transfer_leader",
            Call::ForgetLeader(_) => "forget_leader",
            Call::RequestSnapshot(_) => "request_snapshot",
            Call::SetPriority(_) => "set_priority",
            Call::SetInflightLimits(_) => "set_inflight_limits",
            Call::SetMaxApplyUnpersistedEntries(_) => "set_max_apply_unpersisted_entries",
            Call::EnableGroupCommit(_) => "enable_group_commit",
            Call::AssignCommitGroups(_) => "assign_commit_groups",
            Call::ClearCommitGroups(_) => "clear_commit_groups",
            Call::ReportUnreachable(_) => "report_unreachable",
            Call::ReportSnapshot(_) => "report_snapshot",
            Call::ProvideEntries(_) => "provide_entries",
            Call::ReadFailed(_) => "read_failed",
            Call::ProvideSnapshot(_) => "provide_snapshot",
            Call::SnapshotFailed(_) => "snapshot_failed",
            Call::TakeRequests(_) => "take_requests",
            Call::Compacted(_) => "compacted",
            Call::Ready(_) => "ready",
            Call::PeekReady(_) => "peek_ready",
            Call::AcceptReady(_) => "accept_ready",
            Call::Advance(_) => "advance",
            Call::SetRandomizedElectionTimeout(_) => "set_randomized_election_timeout",
            Call::Poison(_) => "poison",
            Call::Note(_) => "note",
            Call::RequestsHidden(_) => "requests_hidden",
        }
    }

    /// Makes the call on a node.
    ///
    /// The outer error means that an argument can't be decoded, and that nothing has been called.
    ///
    /// # Errors
    /// [`RecordingError::Argument`].
    pub fn make(&self, node: &mut Node) -> std::result::Result<Result<Answer>, RecordingError> {
        let done = |result: Result<()>| result.map(|()| Answer::None);
        let ready = |result: Result<Ready>| result.map(|ready| Answer::Ready(Box::new(ready)));
        Ok(match self {
            Call::Tick(_) => done(node.tick()),
            Call::TickMany(count) => done(node.tick_many(*count)),
            Call::TickQuiesced(_) => done(node.tick_quiesced()),
            Call::Campaign(_) => done(node.campaign()),
            Call::Bootstrap(call) => {
                let peer = |peer: &out::Peer| (peer.id, peer.context.clone());
                let peers: Vec<_> = call.peers.iter().map(peer).collect();
                done(node.bootstrap(&peers))
            }
            Call::Propose(call) => done(node.propose_entries(entries_from_bytes(&call.entries)?)),
            Call::ApplyConfChange(bytes) => {
                let change = codec::decode_conf_change_v2(bytes.clone())?;
                node.apply_conf_change(&change).map(Answer::ConfState)
            }
            Call::Step(bytes) => done(node.step_bytes(bytes.clone())),
            Call::ReadIndex(call) => done(node.read_index_if_named(call.context.clone())),
            Call::TransferLeader(id) => done(node.transfer_leader(*id)),
            Call::ForgetLeader(_) => done(node.forget_leader()),
            Call::RequestSnapshot(_) => done(node.request_snapshot()),
            Call::SetPriority(priority) => done(node.set_priority(*priority)),
            Call::SetInflightLimits(call) => {
                done(node.set_inflight_limits(call.id, call.max_messages, call.max_bytes))
            }
            Call::SetMaxApplyUnpersistedEntries(entries) => {
                done(node.set_max_apply_unpersisted_entries(*entries))
            }
            Call::EnableGroupCommit(on) => done(node.enable_group_commit(*on)),
            Call::AssignCommitGroups(call) => {
                let groups: Vec<_> = call.groups.iter().map(|it| (it.id, it.group)).collect();
                done(node.assign_commit_groups(&groups))
            }
            Call::ClearCommitGroups(_) => done(node.clear_commit_groups()),
            Call::ReportUnreachable(id) => done(node.report_unreachable(*id)),
            Call::ReportSnapshot(call) => {
                let status = match call.status {
                    1 => SnapshotStatus::Finish,
                    2 => SnapshotStatus::Failure,
                    other => return Err(unknown("snapshot status", other)),
                };
                done(node.report_snapshot(call.id, status))
            }
            Call::ProvideEntries(call) => {
                done(node.provide_entries(call.id, entries_from_bytes(&call.entries)?))
            }
            Call::ReadFailed(call) => {
                let failure = match call.failure {
                    1 => ReadFailure::Compacted,
                    2 => ReadFailure::Unavailable,
                    other => return Err(unknown("read failure", other)),
                };
                done(node.read_failed(call.id, failure))
            }
            Call::ProvideSnapshot(call) => {
                let snapshot = codec::decode_snapshot(call.snapshot.clone())?;
                done(node.provide_snapshot(call.id, snapshot))
            }
            Call::SnapshotFailed(id) => done(node.snapshot_failed(*id)),
            Call::TakeRequests(_) => {
                let (reads, snapshot_requests) = node.take_requests();
                Ok(requests(&reads, &snapshot_requests))
            }
            Call::Compacted(first_index) => done(node.compacted(*first_index)),
            Call::Ready(_) => ready(node.ready()),
            Call::PeekReady(_) => ready(node.peek_ready()),
            Call::AcceptReady(_) => ready(node.accept_ready()),
            Call::Advance(_) => done(node.advance()),
            Call::SetRandomizedElectionTimeout(ticks) => {
                done(node.set_randomized_election_timeout(*ticks))
            }
            Call::Poison(reason) => {
                node.poison(reason.clone());
                Ok(Answer::None)
            }
            Call::Note(text) => {
                node.record_note(text);
                Ok(Answer::None)
            }
            Call::RequestsHidden(_) => {
                node.note_requests_hidden();
                Ok(Answer::None)
            }
        })
    }
}

/// The requests of [`Node::take_requests`] as a Ready that has only these.
pub(crate) fn requests(reads: &[ReadRequest], snapshots: &[SnapshotRequest]) -> Answer {
    Answer::Ready(Box::new(Ready {
        reads: reads.to_vec(),
        snapshot_requests: snapshots.to_vec(),
        ..Ready::default()
    }))
}

fn entries_to_bytes(entries: &[Entry]) -> std::result::Result<Vec<Bytes>, Unencodable> {
    let encoded = |entry: &Entry| {
        let bytes = Bytes::from(codec::encode_entry(entry));
        match codec::decode_entry(bytes.clone()) {
            Ok(decoded) if decoded == *entry => Ok(bytes),
            _ => Err(Unencodable),
        }
    };
    entries.iter().map(encoded).collect()
}

fn entries_from_bytes(entries: &[Bytes]) -> Result<Vec<Entry>> {
    entries.iter().cloned().map(codec::decode_entry).collect()
}

fn unknown(what: &str, number: i32) -> RecordingError {
    Error::Malformed(format!("unknown {what} {number}")).into()
}
