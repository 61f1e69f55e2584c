//! The nodes: each call of the driver is one or two calls of the crate.

use std::collections::BTreeMap;

use libraft_core::{
    ConfChangeV2, Config, DropKind, Entries, EntryKind, Error, Node, ReadFailure, ReadOnlyOption,
    SnapshotStatus, codec,
};
use libraft_storage::{MemoryStorage, Storage, Update};

use crate::frames::{Code, Request, Response};

/// The calls, as the driver numbers them.
mod op {
    pub const RESET: u64 = 0;
    pub const START: u64 = 1;
    pub const STOP: u64 = 2;
    pub const BOOTSTRAP: u64 = 3;
    pub const TICK: u64 = 4;
    pub const CAMPAIGN: u64 = 5;
    pub const PROPOSE: u64 = 6;
    pub const PROPOSE_CONF_CHANGE: u64 = 7;
    pub const STEP: u64 = 8;
    pub const READ: u64 = 9;
    pub const TRANSFER: u64 = 10;
    pub const FORGET_LEADER: u64 = 11;
    pub const UNREACHABLE: u64 = 12;
    pub const SNAPSHOT_STATUS: u64 = 13;
    pub const READY: u64 = 14;
    pub const ADVANCE: u64 = 15;
    pub const APPLY_CONF_CHANGE: u64 = 16;
    pub const SAVE: u64 = 17;
    pub const COMPACT: u64 = 18;
    pub const RECODE: u64 = 19;
    pub const REQUEST_SNAPSHOT: u64 = 20;
    pub const SET_PRIORITY: u64 = 21;
    pub const GROUP_COMMIT: u64 = 22;
}

/// All nodes of this process, by id.
#[derive(Default)]
pub struct Members(BTreeMap<u64, Member>);

struct Member {
    node: Node,
    storage: MemoryStorage,
    async_writes: bool,
}

/// Why a call failed: an error of the core, or a sentence.
enum Failure {
    Core(Error),
    Other(String),
}

type Result<T = ()> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Core(error)
    }
}

impl From<libraft_storage::Error> for Failure {
    fn from(error: libraft_storage::Error) -> Failure {
        Failure::Other(format!("storage: {error}"))
    }
}

fn other<T>(why: impl Into<String>) -> Result<T> {
    Err(Failure::Other(why.into()))
}

impl Members {
    pub fn call(&mut self, request: &Request) -> Response {
        let mut response = Response::default();
        let result = self.perform(request, &mut response);
        if let Some(member) = self.0.get_mut(&request.node) {
            let answered = member.answer_requests();
            if let (Ok(()), Err(failure)) = (&result, answered) {
                response.fail(failure);
            }
            let status = member.node.basic_status();
            response.status = [
                status.soft_state.role as u64,
                status.hard_state.term,
                status.hard_state.vote,
                status.soft_state.leader,
                status.hard_state.commit,
                status.applied,
                status.lead_transferee,
            ];
            response.has_ready = member.node.has_ready();
        }
        if let Err(failure) = result {
            response.fail(failure);
        }
        response
    }

    fn perform(&mut self, request: &Request, response: &mut Response) -> Result {
        match request.op {
            op::RESET => self.0.clear(),
            op::START => {
                self.0.insert(request.node, Member::start(request)?);
            }
            op::STOP => {
                self.0.remove(&request.node);
            }
            op::RECODE => recode(request, response)?,
            _ => match self.0.get_mut(&request.node) {
                Some(member) => member.perform(request, response)?,
                None => return other(format!("there is no node {}", request.node)),
            },
        }
        Ok(())
    }
}

impl Response {
    fn fail(&mut self, failure: Failure) {
        (self.code, self.text) = match failure {
            Failure::Core(
                error @ (Error::ProposalDropped(_)
                | Error::ReadDropped(_)
                | Error::SnapshotRequestDropped(_)),
            ) => (Code::Dropped, error.to_string()),
            Failure::Core(error @ Error::UnknownPeer(_)) => (Code::Refused, error.to_string()),
            Failure::Core(error) => (Code::Failed, error.to_string()),
            Failure::Other(why) => (Code::Failed, why),
        };
    }
}

impl Member {
    fn start(request: &Request) -> Result<Member> {
        let Ok(
            [
                election,
                heartbeat,
                per_message,
                committed,
                uncommitted,
                inflight,
                inflight_bytes,
                flags,
                seed,
                applied,
                compacted_index,
                compacted_term,
                priority,
                apply_unpersisted,
            ],
        ) = <[u64; 14]>::try_from(request.numbers.as_slice())
        else {
            return other("not the settings that this knows");
        };
        let storage = MemoryStorage::new();
        let snapshot = codec::decode_snapshot(request.y.clone())?;
        if compacted_index != 0 {
            let mut beginning = snapshot.clone();
            beginning.id.index = compacted_index;
            beginning.id.term = compacted_term;
            storage.bootstrap(beginning)?;
        }
        let entries = request.list.iter().cloned().map(codec::decode_entry);
        let entries = entries.collect::<std::result::Result<Entries, _>>()?;
        storage.write(Update {
            hard_state: Some(codec::decode_hard_state(&request.x)?),
            entries: &entries,
            snapshot: None,
            must_sync: true,
        })?;
        if snapshot.id.index > compacted_index {
            storage.create_snapshot(snapshot.id.index, Some(snapshot.conf_state), snapshot.data)?;
        }
        let state = if applied > compacted_index {
            storage.restart_state_at(applied, codec::decode_conf_state(&request.z)?)?
        } else {
            storage.restart_state()
        };
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let is = |bit: u64| flags & bit != 0;
        let mut config = Config::new(request.node);
        config.election_ticks = narrow(election);
        config.heartbeat_ticks = narrow(heartbeat);
        config.max_size_per_msg = per_message;
        config.max_committed_size_per_ready = committed;
        config.max_uncommitted_bytes = uncommitted;
        config.max_inflight_msgs = narrow(inflight);
        config.max_inflight_bytes = inflight_bytes;
        config.seed = seed;
        config.check_quorum = is(1);
        config.pre_vote = is(1 << 1);
        if is(1 << 2) {
            config.read_only = ReadOnlyOption::LeaseBased;
        }
        config.async_storage_writes = is(1 << 3);
        config.disable_proposal_forwarding = is(1 << 4);
        config.step_down_on_removal = is(1 << 5);
        config.coalesce_appends = !is(1 << 6);
        if is(1 << 7) {
            config.max_cached_bytes = 1;
        }
        config.peer_reports = is(1 << 8);
        config.priority = priority.cast_signed();
        config.max_apply_unpersisted_entries = apply_unpersisted;
        Ok(Member {
            async_writes: config.async_storage_writes,
            node: Node::new(config, state)?,
            storage,
        })
    }

    fn perform(&mut self, request: &Request, response: &mut Response) -> Result {
        let node = &mut self.node;
        match request.op {
            op::BOOTSTRAP => {
                let peers = request.numbers.iter().map(|id| (*id, Default::default()));
                node.bootstrap(&peers.collect::<Vec<_>>())?;
            }
            op::TICK => node.tick()?,
            op::CAMPAIGN => node.campaign()?,
            op::PROPOSE => node.propose(request.x.clone())?,
            op::PROPOSE_CONF_CHANGE => {
                node.propose_conf_change_encoded(kind(request.a)?, request.x.clone())?
            }
            op::STEP => node.step_bytes(request.x.clone())?,
            op::READ => node.read_index(request.x.clone())?,
            op::TRANSFER => node.transfer_leader(request.a)?,
            op::FORGET_LEADER => node.forget_leader()?,
            op::UNREACHABLE => node.report_unreachable(request.a)?,
            op::SNAPSHOT_STATUS => {
                let status = match request.b {
                    1 => SnapshotStatus::Finish,
                    _ => SnapshotStatus::Failure,
                };
                node.report_snapshot(request.a, status)?;
            }
            op::READY => self.take_ready(response)?,
            op::ADVANCE => node.advance()?,
            op::APPLY_CONF_CHANGE => {
                let change = conf_change(request)?;
                let state = node.apply_conf_change(&change)?;
                response.data = Some(codec::encode_conf_state(&state));
            }
            op::SAVE => {
                let message = codec::decode_message(request.x.clone())?;
                let Some(update) = Update::of_storage_append(&message) else {
                    return other("no message to the append worker");
                };
                self.storage.write(update)?;
            }
            op::COMPACT => {
                let conf_state = codec::decode_conf_state(&request.x)?;
                let data = request.y.clone();
                self.storage
                    .create_snapshot(request.a, Some(conf_state), data)?;
                if request.b != 0 {
                    self.storage.compact(request.b + 1)?;
                    // The core may not have heard yet of all that is persisted.
                    let persisted = node.basic_status().persisted;
                    node.compacted((request.b + 1).min(persisted + 1))?;
                }
            }
            op::REQUEST_SNAPSHOT => node.request_snapshot()?,
            op::SET_PRIORITY => node.set_priority(request.a.cast_signed())?,
            op::GROUP_COMMIT => {
                let groups = request.numbers.iter().map(|id| (*id, 1 + id % 2));
                node.assign_commit_groups(&groups.collect::<Vec<_>>())?;
                node.enable_group_commit(true)?;
            }
            number => return other(format!("no such call: {number}")),
        }
        Ok(())
    }

    /// Answers what the node asks of its storage, until it asks for nothing more.
    fn answer_requests(&mut self) -> Result {
        loop {
            let (reads, snapshots) = self.node.take_requests();
            if reads.is_empty() && snapshots.is_empty() {
                return Ok(());
            }
            for read in reads {
                match self.storage.entries(read.low, read.high, read.max_bytes) {
                    Ok(entries) => self.node.provide_entries(read.id, entries)?,
                    Err(libraft_storage::Error::Compacted) => {
                        self.node.read_failed(read.id, ReadFailure::Compacted)?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            for request in snapshots {
                let snapshot = self.storage.snapshot()?;
                if snapshot.id.index < request.min_index {
                    self.node.snapshot_failed(request.id)?;
                } else {
                    self.node.provide_snapshot(request.id, snapshot)?;
                }
            }
        }
    }

    fn take_ready(&mut self, response: &mut Response) -> Result {
        let ready = self.node.ready()?;
        if !self.async_writes {
            self.storage.save(&ready)?;
        }
        response.hard_state = ready.hard_state.as_ref().map(codec::encode_hard_state);
        response.snapshot = ready.snapshot.as_ref().map(codec::encode_snapshot);
        response.entries = ready.entries.iter().map(codec::encode_entry).collect();
        let committed = ready.committed_entries.iter();
        response.committed = committed.map(codec::encode_entry).collect();
        response.messages = ready.messages.iter().map(codec::encode_message).collect();
        for state in &ready.read_states {
            response.read_indexes.push(state.index);
            response.read_names.push(state.context.to_vec());
        }
        response.must_sync = ready.must_sync;
        for dropped in &ready.dropped {
            if dropped.kind == DropKind::Proposal {
                response.dropped_proposals.push(dropped.data.to_vec());
            }
        }
        Ok(())
    }
}

fn kind(number: u64) -> Result<EntryKind> {
    match number {
        1 => Ok(EntryKind::ConfChange),
        2 => Ok(EntryKind::ConfChangeV2),
        _ => other(format!("no kind of change: {number}")),
    }
}

fn conf_change(request: &Request) -> Result<ConfChangeV2> {
    Ok(match kind(request.a)? {
        EntryKind::ConfChange => codec::decode_conf_change(request.x.clone())?.into(),
        _ => codec::decode_conf_change_v2(request.x.clone())?,
    })
}

/// Decodes and encodes, for the tests of what travels.
fn recode(request: &Request, response: &mut Response) -> Result {
    let bytes = request.x.clone();
    response.data = Some(match request.a {
        0 => codec::encode_message(&codec::decode_message(bytes)?),
        1 => codec::encode_entry(&codec::decode_entry(bytes)?),
        2 => codec::encode_hard_state(&codec::decode_hard_state(&bytes)?),
        3 => codec::encode_conf_state(&codec::decode_conf_state(&bytes)?),
        4 => codec::encode_snapshot(&codec::decode_snapshot(bytes)?),
        5 => codec::encode_conf_change(&codec::decode_conf_change(bytes)?),
        6 => codec::encode_conf_change_v2(&codec::decode_conf_change_v2(bytes)?),
        7 => {
            let size = codec::entry_encoded_len(&codec::decode_entry(bytes)?);
            response.status[5] = size as u64;
            return Ok(());
        }
        kind => return other(format!("nothing of kind {kind} can be decoded")),
    });
    Ok(())
}
